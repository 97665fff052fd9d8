"""Lives read back from their records, and shown."""

import subprocess
import sys
from dataclasses import replace

import pytest

import everlearn as el
from everlearn.cli import main
from everlearn.record import Record
from everlearn.report import game_table, read_lives, read_results, write_page
from everlearn.report.lives import gap
from everlearn.rl import GameExperiment, Trials
from everlearn.rl.arms import ARMS

TRIALS = Trials(every=10, episodes=2, limit=5)
SCORES = {10: (0, 9), 20: (2, 9), 30: (4, 9), 40: (3, 1), 50: (1, 3), 60: (1, 5)}
"""After so many frames the mean scores of two tasks of 30 frames."""


def lived(arm, **others):
    own = ARMS[arm]
    return GameExperiment(
        "catcher-dodge", own.method, keep=own.keep, lr=own.lr(0.1), frames=30, memory=20, trials=TRIALS, **others
    )


def write(folder, experiment, more=0.0, scale=1):
    """A record of a life whose episodes lie one above and one below the scores that it is to have."""
    record = Record(folder / experiment.folder())
    record.start(experiment.config(), "compiled")
    for frame, scores in SCORES.items():
        both = [[score + more - 1, score + more + 1] for score in scores]
        counts = {"gained": [3, 0], "lost": [1, 0], "living": 0.5, "trying": 9.0, "trained": []}
        record.append({"event": "trial", "frame": frame * scale, "task": 0, "scores": both, **counts})
    record.append({"event": "finished", "peak_rss_mb": 1})


def test_what_was_learned_and_what_is_left(tmp_path):
    write(tmp_path, lived("dqn-mer"))
    ((lives,),) = read_lives([tmp_path])
    (run,) = lives.runs
    assert run.learned(run.scores).tolist() == [3, 4]
    assert run.at_end(run.scores).tolist() == [1, 4]
    assert run.at_end(run.hits).tolist() == [0.75, 0]
    assert (lives.name, lives.learned().mean, lives.at_end().mean) == ("dqn-mer", 3.5, 2.5)
    assert [one.mean for one in lives.first()] == [3, 1]
    assert run.speed == 20


def test_a_task_without_a_trial_in_its_training_counts_by_the_next_one(tmp_path):
    write(tmp_path, replace(lived("dqn"), frames=5))
    ((lives,),) = read_lives([tmp_path])
    assert lives.runs[0].learned(lives.runs[0].scores).tolist() == [0, 9]


def test_arms_are_compared_over_equal_seeds(tmp_path):
    for seed, more in enumerate([0.0, 1.0, 5.0]):
        write(tmp_path, lived("dqn-mer", seed=seed), more)
        write(tmp_path, lived("dqn", seed=seed), 2 * more)
    write(tmp_path, lived("dqn", seed=9), 100)
    write(tmp_path, lived("dqn-mer", discount=0.9))
    cut = Record(tmp_path / lived("dqn", seed=10).folder())
    cut.start(lived("dqn", seed=10).config(), "compiled")
    first, second = sorted(read_lives([tmp_path]), key=len, reverse=True)
    assert [(one.name, one.seeds) for one in first] == [("dqn", [0, 1, 2, 9]), ("dqn-mer", [0, 1, 2])]
    assert [(one.name, one.seeds) for one in second] == [("dqn-mer", [0])]
    found = gap(first[1], first[0])
    assert found.mean == pytest.approx(-2)
    assert found.half == pytest.approx(4.303 * 7**0.5 / 3**0.5, rel=1e-3)
    assert gap(second[0], first[0]) is None


def test_the_table(tmp_path):
    for seed in (0, 1):
        write(tmp_path, lived("dqn-mer", seed=seed))
        write(tmp_path, replace(lived("dqn-mer", seed=seed), lr=0.5))
        write(tmp_path, lived("sequential", seed=seed), more=1.0)
    lines = game_table(read_lives([tmp_path])).splitlines()
    assert lines[0] == "catcher-dodge: 2 tasks of 30 frames"
    assert [line.split("  ")[0] for line in lines[3:6]] == [
        "sequential", "dqn-mer, rate 0.0196078", "dqn-mer, rate 0.5"
    ]  # fmt: skip
    assert "3.5 ± 0.0  2.5 ± 0.0" in lines[4]
    assert lines[7] == "dqn-mer, rate 0.5 less sequential at the end: -1.0 ± 0.0"


def test_a_page_shows_scores_and_films(tmp_path):
    own = replace(lived("dqn"), hidden=(4,))
    list(own.perform(tmp_path / "lives" / own.folder()))
    write(tmp_path / "lives", replace(lived("dqn-mer"), hidden=(4,)))
    assert main(["report", str(tmp_path / "lives"), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert page.count('<svg role="img"') == 2
    assert all(f"dqn: task {task} after task {after}</figcaption>" in page for task, after in ((1, 1), (1, 2), (2, 2)))
    assert page.count('src="data:image/gif;base64,R0lG') == 3
    assert 'src="http' not in page


def test_the_papers_curves_are_dotted_on_its_own_tasks(tmp_path):
    for experiment in (lived("dqn"), replace(lived("dqn"), sequence="catcher", frames=25_000)):
        write(tmp_path / experiment.sequence, experiment, scale=1000)
        (group,) = read_lives([tmp_path / experiment.sequence])
        frames, scores = group[0].published
        write_page([], tmp_path / "page.html", [group])
        page = (tmp_path / "page.html").read_text()
        assert ("Dotted: the paper's own" in page) == (experiment.sequence == "catcher")
    assert (frames[0], [task[0] for task in scores]) == (25_000, [131, 63, 41, 29, 21, 16])


def test_reports_of_games_and_streams_leave_each_other_out(tmp_path):
    write(tmp_path, lived("dqn"))
    assert read_results([tmp_path]) == []
    write_page([], tmp_path / "page.html", read_lives([tmp_path]))
    assert "catcher-dodge: 2 tasks" in (tmp_path / "page.html").read_text()


def test_bad_records(tmp_path):
    with pytest.raises(el.InputError, match="there is no"):
        read_lives([tmp_path / "nowhere"])
    write(tmp_path / "one", lived("dqn"))
    write(tmp_path / "two", lived("dqn"))
    with pytest.raises(el.InputError, match="the same setting and seed"):
        read_lives([tmp_path])
    path = tmp_path / "one" / lived("dqn").folder() / "record.jsonl"
    path.write_text(path.read_text().replace('"scores"', '"marks"'))
    with pytest.raises(el.InputError, match=r"record.jsonl is damaged, or no record of everlearn's: KeyError 'scores'"):
        read_lives([tmp_path / "one"])


def test_reports_need_no_games(tmp_path):
    program = "import sys; sys.modules.update(gymnasium=None); import everlearn.report as r; r.read_lives([])"
    subprocess.run([sys.executable, "-c", program], check=True)
