"""Readings from records: their measures by hand, their groups, and the page."""

import json

import pytest

import everlearn as el
from everlearn.lm.arms import ARMS
from everlearn.lm.experiment import LanguageExperiment
from everlearn.report import language_table, read_readings, read_results, write_page
from everlearn.report.language import language_gaps, language_rows

LOSSES = [[5.0, 5.0, 5.0], [2.0, 4.0, 4.0], [2.5, 1.5, 4.5], [3.0, 2.0, 1.0]]


def write(folder, arm, seed, shift=0.0, digest="1", **settings):
    own = ARMS[arm]
    experiment = LanguageExperiment(own.method, joint=own.joint, steps=10, seed=seed, **settings)
    lines = [{"event": "started", "config": experiment.config(), "versions": {"everlearn": "0"}}]
    lines.append({"event": "opened", "digests": {"english": digest}})
    lines += [
        {"event": "tested", "step": 10 * i, "losses": [loss + i * shift for loss in losses], "learning": 4.0 * (i > 0)}
        | {"remembering": 0.1 * (i > 0)}
        for i, losses in enumerate(LOSSES)
    ]
    lines.append({"event": "finished"})
    place = folder / experiment.folder()
    place.mkdir(parents=True)
    (place / "record.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return place


@pytest.fixture
def recorded(tmp_path):
    for seed in (0, 1):
        write(tmp_path, "replay 25 %", seed, 0.3 + 0.01 * seed)
        write(tmp_path, "replay 25 % + Reptile", seed, 0.3 - 0.1 + 0.01 * seed)
        write(tmp_path, "plain", seed)
        write(tmp_path, "joint", seed)
        write(tmp_path, "plain", seed, schedule="cosine")
    return tmp_path


def test_measures_by_hand(recorded):
    constant, cosine = sorted(read_readings([recorded]), key=len, reverse=True)
    assert [one.arm for one in constant] == ["plain", "replay 25 %", "replay 25 % + Reptile", "joint"]
    assert [one.arm for one in cosine] == ["plain"]
    run = constant[0].runs[0]
    assert (run.forgotten, run.retained, run.learned) == (0.75, 2.0, 1.5)
    assert run.remembering == pytest.approx(0.025)
    assert run.speed == pytest.approx(30 * 20 / 12)
    joint = constant[3].runs[0]
    assert joint.learned == joint.retained == 2.0
    assert language_rows(constant)[0] == (
        *("plain", "2", "0.003", "0.750 ± 0.000", "2.000 ± 0.000", "1.500 ± 0.000"),
        *("2.5 %", "50"),
    )


def test_runs_of_other_texts_are_not_compared(recorded):
    write(recorded, "plain", 2, digest="2")
    groups = read_readings([recorded])
    assert sorted(len(one.runs) for group in groups for one in group if one.arm == "plain") == [1, 2, 2]


def test_what_came_later_may_help(tmp_path):
    write(tmp_path, "replay 50 %", 0, -1.5)
    assert read_readings([tmp_path])[0][0].runs[0].forgotten == -1.0


def test_reptile_s_part_is_paired_over_seeds(recorded):
    constant = max(read_readings([recorded]), key=len)
    (told,) = language_gaps(constant)
    assert told == (
        "replay 25 % + Reptile less replay 25 %: forgotten -0.150 ± 0.000, retained -0.300 ± 0.000, "
        "learned -0.200 ± 0.000"
    )


def test_they_are_shown_and_are_no_other_kind_of_run(recorded):
    assert read_results([recorded]) == []
    page = recorded / "report.html"
    groups = read_readings([recorded])
    write_page([], page, readings=groups)
    text = page.read_text()
    assert text.count("<section>") == 2
    assert text.count("<figure>") == 5
    told = language_table(groups)
    assert "english, german, python: 10 batches of 20 rows each, in bytes, a small model, cosine rate" in told
    assert "±" in told


def test_damage_is_named(recorded):
    place = write(recorded, "plain", 7)
    lines = (place / "record.jsonl").read_text().splitlines()
    (place / "record.jsonl").write_text("\n".join([lines[0], *lines[-2:]]) + "\n")
    with pytest.raises(el.InputError, match=r"record.jsonl is damaged, or no record of everlearn's"):
        read_readings([recorded])
