"""The story's page: every figure and number from what was measured, nothing from outside."""

import re

import numpy as np
import pytest

from everlearn.story.addition import Course
from everlearn.story.dilemma import Point, stability, sweep
from everlearn.story.page import story_page
from everlearn.story.tradeoff import AFTER, STREAM, Microscope, some_test_rows


@pytest.fixture(scope="module")
def html():
    plain = [Course(40, [1.0, 0.5, 0.3, *[0.12] * 18], [0.1, *[1.0] * 20])] * 2
    mer = [Course(6, [1.0] * 20 + [0.94], [0.1, *[0.97] * 20])]
    points = {name: [Point(name, f"{name} {i}", 0.5 + i / 10, 0.9) for i in range(3)] for name in sweep()}
    seen = {
        name: Microscope(
            [np.eye(8).tolist()] * len(AFTER),
            [sign * 0.3, 0.1],
            [(500, 0.1), (1000, 0.2)],
            {"before": sign * 0.7, "after": -0.2},
        )
        for name, sign in (("plain learning", -1), ("ER", -1), ("MER", 1))
    }
    return story_page(plain, mer, points, seen)


def test_every_figure_is_there_and_named(html):
    assert html.count("<svg ") == 2 + 1 + 3 + 2
    titles = re.findall(r"<title>(.*?)</title>", html)
    assert len(set(titles)) == len(titles) == 1 + 8


def test_numbers_are_those_that_were_measured(html):
    text = " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", html, flags=re.DOTALL).split())
    assert "Here 100 % of them are right before, 50 % after going through the twos once, and 30 % after twice" in text
    assert (
        "At the end 94 % of the ones and 97 % of the twos are right; at worst, on the way, it was 94 % of the ones"
        in text
    )
    assert "it keeps 90 % of an accuracy of 60 %" in text
    assert "with the same room, keeps 90 % of 60 %" in text
    assert "is -0.100 for plain learning, -0.100 for ER and +0.200 for MER" in text
    assert "is 50.0 % for plain learning, 50.0 % for ER and 0.0 % for MER" in text
    assert "$" not in text


def test_nothing_is_fetched(html):
    links = set(re.findall(r'(?:href|src)="([^"]*)"', html))
    assert all(link.startswith(("#", "data:image/png;")) for link in links)
    assert "<script" not in html
    assert "@import" not in html


def test_stability_is_what_is_left():
    matrix = np.array([[0.1, 0.1, 0.1], [0.8, 0.2, 0.1], [0.6, 0.9, 0.1], [0.4, 0.9, 0.9]])
    assert stability(matrix) == pytest.approx((0.5 + 1.0) / 2)


def test_the_maps_show_every_task_alike():
    rows = some_test_rows()
    assert rows["task"].bincount().tolist() == [25] * STREAM.tasks
    assert len(rows["x"].unique(dim=0)) == len(rows["x"])
