"""A game in the terminal."""

from dataclasses import replace
from io import StringIO

import pytest

import everlearn as el
from everlearn.cli import main
from everlearn.rl import GameExperiment, Trials
from everlearn.rl.terminal import play

SHORT = GameExperiment("catcher", el.Online(), hidden=(4,), memory=10, frames=20, trials=Trials(every=0))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    list(SHORT.perform(folder))
    return folder


def test_pictures_and_what_is_played(run):
    out = StringIO()
    play(run, out, task=2, after=3, frames=25, speed=10_000)
    pictures = out.getvalue().split("\x1b[H")[1:]
    assert len(pictures) == 26 - 1
    assert all(picture.endswith("   \n") and len(picture.splitlines()) == 21 for picture in pictures)
    assert "task 2, agent after task 3, score 0" in pictures[0]
    assert len({picture.partition("task")[0] for picture in pictures}) > 10


def test_the_command(run, capsys):
    assert main(["play", str(run), "--frames", "3", "--speed", "1000"]) == 0
    assert "agent after task 6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--task", "7"], "task must be from 1 to 6, not 7"),
        (["--after", "0"], "after must be from 1 to 6, not 0"),
        (["--frames", "0"], "frames must be at least 1"),
        (["--speed", "0"], "speed must be above 0"),
    ],
)
def test_bad_input(run, args, message, capsys):
    assert main(["play", str(run), *args]) == 2
    assert message in capsys.readouterr().err


def test_a_game_that_has_no_text_form(tmp_path, capsys):
    list(replace(SHORT, sequence="cart-pole-length", frames=5).perform(tmp_path))
    assert main(["play", str(tmp_path)]) == 2
    assert "cart-pole-length can't be shown in a terminal" in capsys.readouterr().err


def test_a_folder_without_a_game(tmp_path, capsys):
    assert main(["play", str(tmp_path)]) == 2
    assert "holds no run of a game" in capsys.readouterr().err


def test_a_run_that_is_not_so_far(tmp_path, capsys):
    life = replace(SHORT, seed=2).perform(tmp_path)
    next(life)
    life.close()
    assert main(["play", str(tmp_path)]) == 2
    assert "there is no checkpoint" in capsys.readouterr().err
