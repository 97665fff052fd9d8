"""The command as a newcomer meets it: help, tables, and errors of one line."""

import os
import subprocess
import sys
from dataclasses import fields

import pytest

from everlearn.cli import Paper, main
from everlearn.presets import METHODS, paper, table
from everlearn.record import Record


def everlearn(*args, **env):
    command = [sys.executable, "-m", "everlearn", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | env)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two methods on a short stream, run by the command."""
    out = tmp_path_factory.mktemp("runs")
    size = ["--examples", "2", "--tasks", "2", "--hidden", "8", "--seeds", "2", "--out", str(out)]
    assert main(["run", "rotations", "mer", *size]) == 0
    assert main(["run", "rotations", "online", *size, "--lr", "0.01"]) == 0
    return out


def test_run_records_and_shows_a_table(runs, capsys):
    assert len(list(runs.glob("rotations-mer-200-*/record.jsonl"))) == 2
    size = ["--examples", "2", "--tasks", "2", "--hidden", "8", "--seeds", "2", "--out", str(runs)]
    before = {path: path.read_bytes() for path in runs.rglob("record.jsonl")}
    assert main(["run", "rotations", "mer", *size]) == 0
    assert {path: path.read_bytes() for path in runs.rglob("record.jsonl")} == before
    shown = capsys.readouterr().out
    assert "mer     200     2 " in shown
    assert "the paper, full size" in shown
    assert "77.42 ± 0.78" in shown


def test_paper_alone_lists_the_tables_and_what_is_recorded(tmp_path, capsys):
    assert main(["paper", "--seeds", "1", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert f"recorded in {tmp_path}, seeds 0 to 0" in shown
    assert "1 Rotations and Permutations, memory of 5120 0 of 12 runs" in " ".join(shown.split())
    assert "odds tasks that ask for opposite actions, with a memory of 5,000 0 of 16 runs" in " ".join(shown.split())
    online = paper("rotations", "online", 200)
    record = Record(tmp_path / online.folder())
    record.start(online.config(), "compiled")
    record.append({"event": "finished"})
    assert main(["paper", "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert "5 forward transfer on Rotations 1 of 5 runs" in " ".join(capsys.readouterr().out.split())


def test_a_figure_runs_and_shows_its_arms(tmp_path, capsys):
    size = ["--sequences", "catcher-dodge", "--arms", "dqn", "dqn-mer", "--frames", "40", "--seeds", "2"]
    assert main(["paper", "--figure", "odds", *size, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "catcher-dodge: 2 tasks of 40 frames" in shown
    assert "dqn-mer less dqn at the end: " in shown
    assert "dqn-mer: task 1 after task 2" in (tmp_path / "report.html").read_text()


def test_table_4_shows_measured_and_published(tmp_path, capsys):
    size = ["--stream", "rotations", "--memory", "200", "--examples", "3", "--seeds", "1", "--out", str(tmp_path)]
    assert main(["paper", "--table", "4", "--methods", "task-er", "mer-big", *size]) == 0
    shown = capsys.readouterr().out
    assert "before history" in shown
    assert "-1.652 ± 0.082" in shown
    assert "+0.017 ± 0.007" in shown
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "page.html")]) == 0
    assert "-1.652 ± 0.082" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text()
    assert "<h2>How gradients agree</h2>" in page
    assert "<td>-1.652 ± 0.082</td>" in page


@pytest.mark.parametrize(("table", "told"), [("5", "66.74 ± 1.41"), ("7", "89.58 ± 0.19")])
def test_tables_5_and_7_show_what_the_others_lack(table, told, tmp_path, capsys):
    size = ["--methods", "mer", "--memory", "5120", "--examples", "1", "--seeds", "1", "--out", str(tmp_path)]
    assert main(["paper", "--table", table, *size]) == 0
    assert told in capsys.readouterr().out


def test_report(runs, tmp_path, capsys):
    assert main(["report", str(runs), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg ") == 3
    assert str(tmp_path / "page.html") in capsys.readouterr().out


def test_every_field_of_a_method_is_a_flag_with_its_doc_line():
    text = " ".join(everlearn("run", "rotations", "mer-current", "--help").stdout.replace("│", " ").split())
    for flag in ("--boost", "--replayed", "--gamma", "--memory", "--seeds", "--examples", "--lr"):
        assert flag in text
    assert "How many times the learning rate the new row's step takes" in text


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stream", ["rotations", "omniglot"])
def test_no_option_of_a_method_is_one_of_the_stream_or_the_run_too(stream, method, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", stream, method, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"--{setting.name.replace('_', '-')} " in shown for setting in fields(METHODS[method]))


def test_list_names_everything(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("rotations", "many-permutations", "mer-big", "task-er", "reptile", "task-er-adam", "fashion-mnist"):
        assert name in shown


def test_data(capsys):
    assert main(["data", "get", "mnist"]) == 0
    assert "train_images   uint8 (60000, 28, 28)" in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    assert "mnist          here" in capsys.readouterr().out
    assert main(["data", "where"]) == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run", "rotations", "mer", "--memory", "-5"], "memory must be at least 1, not -5"),
        (["run", "rotations", "mer", "--memory", "many"], "--memory"),
        (["run", "rotations", "mer", "--batches", "0"], "batches must be at least 1, not 0"),
        (["run", "rotation", "mer"], "rotations, permutations, many-permutations"),
        (["run", "rotations", "mre"], "agem, er, ewc, gem, mer"),
        (["run", "rotations", "mer", "--seeds", "0"], "seeds must be at least 1"),
        (["run", "rotations", "mer", "--data", "mnits"], "data must be one of mnist, fashion-mnist, not 'mnits'"),
        (["run", "rotations", "mer", "--data", "omniglot"], "data must be one of mnist, fashion-mnist"),
        (["run", "rotations", "mer", "--lr", "nan"], "lr must be above 0"),
        (["run", "rotations", "mer", "--hidden", "0"], "widths"),
        (["run", "rotations", "mer", "--workers", "0"], "workers must be at least 1"),
        (["paper", "--memory", "300"], "without a --stream or a --table there are no --memory"),
        (["paper", "--arms", "dqn"], "without a --figure there are no --arms"),
        (
            ["paper", "--figure", "odds", "--table", "1", "--memory", "9"],
            "with a --figure there are no --table, --memory",
        ),
        (["paper", "--figure", "odds", "--arms", "sarsa"], "figure odds has no arm sarsa; it has: dqn, dqn-reservoir"),
        (["paper", "--figure", "states", "--sequences", "pong"], "figure states has no sequence pong; it has: catcher"),
        (
            ["paper", "--stream", "rotations", "--memory", "300"],
            "the paper has no rotations with a memory of 300; it has: rotations at 5120",
        ),
        (
            ["paper", "--stream", "rotations", "--methods", "mre"],
            "the paper has no setting for mre; it has: online, independent",
        ),
        (["paper", "--table", "2", "--memory", "300"], "table 2 has no memory 300; it has: 5120, 500, 200"),
        (["paper", "--table", "2", "--stream", "omniglot"], "table 2 has no stream omniglot; it has: rotations"),
        (["story", "--out", "README.md/page.html"], "the page can't be written to README.md/page.html: name a file"),
        (["report", "experiments/paper", "--out", "src"], "the page can't be written to src: name a file with --out"),
        (["report"], "name the folders of the runs, such as: everlearn report runs"),
        (["story", "--out", "src"], "the page can't be written to src: name a file with --out"),
        (["paper", "--table", "10"], "there is no table 10 here; there are: 1, 2, 3"),
        (["paper", "--stream", "omniglot", "--examples", "5"], "Omniglot's tasks are as they are"),
        (
            ["run", "omniglot", "independent"],
            "Independent has networks for Rotations and Permutations, not for Omniglot",
        ),
        (["run", "rotations", "gem", "--memory", "10"], "at least one slot for each task: 10 slots, 20 tasks"),
        (["paper", "--table", "1", "--seeds", "1", "--first-seed", "-1"], "seed must be at least 0, not -1"),
        (["paper", "--stream", "rotations", "--methods"], "methods must be at least 1, not 0"),
        (["report", "nowhere"], "there is no nowhere"),
        (["report", "tests"], "no finished run at or below tests"),
        (["data", "get", "mnits"], "no data set 'mnits'; there are: mnist"),
    ],
)
def test_bad_input_gets_an_error_that_names_it_and_no_traceback(tmp_path, args, message, capsys):
    if args[0] in ("run", "paper"):
        args = [*args, "--out", str(tmp_path)]
    try:
        status = main(args)
    except SystemExit as refused:  # By the parser.
        status = refused.code
    assert status in (1, 2)
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize("args", [["run", "rotations", "mre"], ["run", "rotations", "mer", "--memory", "-5"]])
def test_in_a_process_of_its_own_too(args):
    done = everlearn(*args)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = everlearn("run", "rotations", "online", "--examples", "1", "--out", str(tmp_path / "file"))
    assert done.returncode == 2
    assert done.stderr == (
        f"everlearn: records can't be written to {tmp_path / 'file'}: File exists; name a folder with --out\n"
    )


def test_run_takes_all_that_an_experiment_does(tmp_path):
    size = ["--examples", "1", "--tasks", "2", "--hidden", "4", "--out", str(tmp_path), "--every", "0"]
    settings = ["--optimizer", "adam", "--keep", "ring", "--alignment", "1", "--lr", "0.001"]
    assert main(["run", "rotations", "task-er", *size, *settings]) == 0
    header = next(iter(Record(next(tmp_path.glob("rotations-*"))).lines()))["config"]
    assert (header["optimizer"], header["keep"], header["alignment"]) == ("adam", "ring", 1)


def test_a_terminal_without_unicode_gets_marks_and_the_report(runs, tmp_path):
    done = everlearn("report", str(runs), "-o", str(tmp_path / "page.html"), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "mer" in done.stdout
    assert (tmp_path / "page.html").exists()


def test_each_stream_records_curves_by_default(runs):
    for record in runs.rglob("record.jsonl"):
        assert record.read_text().count('"event": "curve"') == 2


def test_a_table_is_run_seed_by_seed():
    """So that the time left is known after the first."""
    seeds = [one.seed for one in Paper(table=1, seeds=2, first_seed=7).experiments()]
    assert seeds == [7] * 12 + [8] * 12
    assert Paper(table=1, seeds=1, first_seed=4).experiments() == table(1, seed=4)


@pytest.mark.parametrize("stream", ["rotations", "permutations", "many-permutations"])
def test_a_stream_alone_takes_the_smallest_memory_of_the_paper(stream):
    memory = 500 if stream == "many-permutations" else 200
    assert Paper(stream=stream, seeds=1).experiments() == [
        paper(stream, method, memory) for method in ("mer", "er", "online")
    ]
