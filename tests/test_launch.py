"""Many runs at once: all cores, one failure apart, Ctrl-C, nothing repeated."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import everlearn as el
from everlearn.experiment import Experiment
from everlearn.launch import launch
from everlearn.record import Record

TOY = Experiment(el.Rotations(tasks=2, examples=4), el.Online(), memory=10, hidden=(8,))


def test_runs_go_on_when_one_fails(tmp_path, capsys):
    runs = [TOY, replace(TOY, lr=1e30), replace(TOY, seed=1)]
    outcome = launch(runs, tmp_path)
    assert list(outcome.failures) == [tmp_path / runs[1].folder()]
    assert isinstance(outcome.failures[tmp_path / runs[1].folder()], el.Diverged)
    assert not outcome.interrupted
    for one in (runs[0], runs[2]):
        assert list(Record(tmp_path / one.folder()).lines())[-1]["event"] == "finished"
    assert "2/3 runs" in capsys.readouterr().err


def test_several_processes_give_what_one_gives(tmp_path):
    held = bytearray(1000 * 2**20)  # A process's peak is its own, not that of the one that started it.
    runs = [replace(TOY, seed=seed) for seed in range(2)]
    launch(runs, tmp_path / "two", workers=2)
    for one in runs:
        list(one.perform(tmp_path / "one" / one.folder()))
        records = [Record(tmp_path / place / one.folder()) for place in ("two", "one")]
        two, alone = ([line.get("accuracy") for line in record.lines()] for record in records)
        assert two == alone
        assert list(records[0].lines())[-1]["peak_rss_mb"] < 1000
    assert held


@pytest.mark.parametrize("when", ["starting", "learning"])
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path, when):
    command = [
        sys.executable, "-m", "everlearn", "run", "rotations", "mer", "--tasks", "3", "--examples", "60",
        "--seeds", "2", "--out", str(tmp_path), "--hidden", "8",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    started, told = time.monotonic(), ""
    if when == "learning":
        while not any(tmp_path.rglob("checkpoint.safetensors")) and time.monotonic() - started < 120:
            time.sleep(0.05)
    else:
        # Before that Python imports, and an import that is interrupted ends as it may.
        while "0/2 runs" not in told and time.monotonic() - started < 120:
            told += process.stderr.read(1)
    os.killpg(process.pid, signal.SIGINT)
    errors = told + process.communicate(timeout=60)[1]
    assert process.returncode in (130, -signal.SIGINT), errors
    assert "Traceback" not in errors
    assert when == "starting" or "stopped; what was done is kept" in errors
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    for seed in range(2):
        record = next(tmp_path.glob(f"*seed{seed}"))
        done = [line["task"] for line in Record(record).lines() if line["event"] == "taskdone"]
        assert done == [0, 1, 2]


def test_the_same_run_twice_is_one_run(tmp_path):
    launch([TOY, TOY], tmp_path)
    lines = list(Record(tmp_path / TOY.folder()).lines())
    assert [line["event"] for line in lines].count("finished") == 1


def test_workers_end_with_their_parent(tmp_path):
    command = [sys.executable, "-m", "everlearn", "run", "rotations", "mer", "--seeds", "2", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    started = time.monotonic()
    while len(list(tmp_path.rglob("record.jsonl"))) < 2 and time.monotonic() - started < 120:
        time.sleep(0.05)
    process.kill()
    process.wait()
    while time.monotonic() - started < 150:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("workers outlived their parent")


def test_no_worker_at_all_is_refused(tmp_path):
    with pytest.raises(el.InputError, match="workers must be at least 1"):
        launch([TOY], tmp_path, workers=0)


def test_what_is_recorded_is_neither_run_nor_counted_again(tmp_path, capsys):
    launch([TOY], tmp_path)
    record = tmp_path / TOY.folder() / "record.jsonl"
    before = record.read_bytes()
    capsys.readouterr()
    launch([TOY, replace(TOY, seed=1)], tmp_path)
    assert "1/1 runs" in capsys.readouterr().err
    assert record.read_bytes() == before
    assert not launch([TOY, TOY], tmp_path).failures
    assert capsys.readouterr().err == ""


def test_a_damaged_record_is_a_failure_of_its_run_alone(tmp_path):
    launch([TOY], tmp_path)
    record = tmp_path / TOY.folder() / "record.jsonl"
    record.write_bytes(b"{\n" + record.read_bytes())
    outcome = launch([TOY, replace(TOY, seed=1)], tmp_path)
    assert "line 1 of" in str(outcome.failures[tmp_path / TOY.folder()])
    assert len(outcome.failures) == 1
