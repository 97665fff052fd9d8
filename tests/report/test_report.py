"""Records to numbers, tables and the page."""

import html.parser
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from everlearn import InputError, Omniglot, Online
from everlearn.experiment import Experiment
from everlearn.metrics import retained_accuracy
from everlearn.presets import paper
from everlearn.record import Record
from everlearn.report import alignment_table, read_results, text_table, write_page
from everlearn.report.alignment import alignment_rows
from everlearn.report.results import interval, names
from everlearn.run import Evaluation


def recorded(folder, method, seed, accuracies, *, finished=True, examples=1000):
    """A record as a run of two tasks would leave it; accuracies are the matrix's rows."""
    config = paper("rotations", method, 200, seed=seed, examples=examples).config()
    config["stream"]["tasks"] = len(accuracies[0])
    record = Record(folder / f"{method}-{seed}")
    record.start(config, "compiled")
    for after, row in enumerate(accuracies):
        seen = after * examples
        record.append({"event": "tested", "seen": seen, "after": after, "accuracy": row})
        if after:
            record.append({"event": "curve", "seen": seen, "accuracy": [0.5 if a is None else a for a in row]})
            record.append({
                "event": "taskdone", "task": after - 1, "seen": seen, "steps": 10 * after,
                "loss": 1.0, "score": 0.5, "learning": 2.0, "evaluating": 1.0,
            })  # fmt: skip
    if finished:
        record.append({"event": "finished", "peak_rss_mb": 100})


@pytest.fixture
def records(tmp_path):
    recorded(tmp_path, "mer", 0, [[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]])
    recorded(tmp_path, "mer", 1, [[0.1, 0.1], [0.9, 0.2], [0.8, 0.9]])
    recorded(tmp_path, "online", 0, [[0.1, 0.1], [0.8, 0.2], [0.2, 0.7]])
    recorded(tmp_path, "online", 1, [[0.1, 0.1], [0.8, 0.2]], finished=False)
    return tmp_path


def test_results_are_grouped_by_all_but_the_seed_and_unfinished_runs_left_out(records):
    results = {result.method: result for result in read_results([records])}
    assert results["mer"].seeds == [0, 1]
    assert results["online"].seeds == [0]
    assert results["mer"].measure(retained_accuracy).mean == pytest.approx(80)
    # Two values 10 apart: half-width t(.975, 1) · 10/√2/√2 = 12.7062 · 5.
    assert results["mer"].measure(retained_accuracy).half == pytest.approx(63.531, abs=1e-3)
    np.testing.assert_array_equal(results["online"].runs[0].matrix[1], [0.8, 0.2])


def test_curves_begin_with_the_untrained_model(records):
    run = next(r for r in read_results([records]) if r.method == "online").runs[0]
    examples, accuracy = run.curves
    assert examples.tolist() == [0, 1000, 2000]
    assert accuracy[0].tolist() == [0.1, 0.1]


def test_intervals():
    assert interval([3.0]).half is None
    chance = np.random.default_rng(0)
    covered = sum(
        abs(one.mean - 5) <= one.half for one in (interval(list(chance.normal(5, 2, 4))) for _ in range(2000))
    )
    assert covered / 2000 == pytest.approx(0.95, abs=0.02)


def test_the_table_shows_ours_beside_the_papers_and_marks_a_shorter_stream(records):
    lines = text_table(read_results([records])).splitlines()
    assert lines[3].split() == [
        "mer", "200", "2", "80.00", "±", "63.53", "87.50", "±", "31.77", "-7.50", "±", "31.77",
        "20", "4.0", "s", "77.42", "±", "0.78", "83.02", "±", "0.23", "-5.60", "±", "0.70",
    ]  # fmt: skip
    assert lines[4].split()[:4] == ["online", "–", "1", "45.00"]
    assert "the paper, full size" in lines[0]
    assert "a mark to see, not to compare with" in lines[-1]


def test_no_records_and_damaged_ones_are_named(tmp_path, records):
    with pytest.raises(InputError, match="there is no"):
        read_results([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    assert read_results([tmp_path / "empty"]) == []
    (records / "mer-0" / "record.jsonl").write_text("nothing\n")
    with pytest.raises(InputError, match="line 1 of .* is damaged"):
        read_results([records])


class Page(html.parser.HTMLParser):
    """Collects what a page refers to, and its elements' balance."""

    def __init__(self):
        super().__init__()
        self.addresses, self.open, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.addresses += [attributes[key] for key in ("src", "href", "xlink:href") if key in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in ("meta", "link", "br", "img", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass


def test_the_page_is_self_contained_and_the_same_each_time(records, tmp_path):
    results = read_results([records])
    write_page(results, tmp_path / "one.html")
    write_page(results, tmp_path / "two.html")
    text = (tmp_path / "one.html").read_text()
    assert text == (tmp_path / "two.html").read_text()
    page = Page()
    page.feed(text)
    assert all(address.startswith("#") for address in page.addresses)
    assert {address[1:] for address in page.addresses} <= set(page.ids)
    assert page.open == []
    assert text.count("<svg ") == 1 + len(results)
    assert "prefers-color-scheme: dark" in text
    assert "@import" not in text
    assert "#0a0b0c" not in text


def test_settings_are_on_the_page(records, tmp_path):
    write_page(read_results([records]), tmp_path / "page.html")
    text = html.unescape((tmp_path / "page.html").read_text())
    settings = [json.loads(line) for line in text[text.index("<pre>") + 5 : text.index("</pre>")].splitlines()]
    assert settings[0]["method"]["name"] == "MER"
    assert settings[0]["seeds"] == [0, 1]


def test_a_run_that_just_began_is_passed_over_and_a_strange_file_named(tmp_path, records):
    (tmp_path / "new").mkdir()
    (tmp_path / "new/record.jsonl").write_text("")
    assert len(read_results([records])) == 2
    for strange in ("{}", "[1]"):
        (tmp_path / "new/record.jsonl").write_text(f"{strange}\n")
        with pytest.raises(InputError, match="line 1 of .* is damaged: it is no event"):
            read_results([records])


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [lines[0], lines[-1]],
        lambda lines: [lines[0] | {"config": {}}, *lines[1:]],
        lambda lines: [{"event": "finished"}],
        lambda lines: [{key: value for key, value in line.items() if key != "accuracy"} for line in lines],
        lambda lines: [line | {"accuracy": [1, 2, 3, 4, 5]} for line in lines],
        lambda lines: [line | {"accuracy": 1} for line in lines],
    ],
)
def test_a_record_of_another_shape_is_named(records, change):
    path = records / "mer-0/record.jsonl"
    lines = change(list(Record(records / "mer-0").lines()))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="record.jsonl is damaged, or no record of everlearn's"):
        read_results([records])


def test_a_run_counts_once(records, tmp_path, monkeypatch):
    monkeypatch.chdir(records)
    twice = read_results([Path(), records, records / "mer-0"])
    assert [len(result.runs) for result in twice] == [len(result.runs) for result in read_results([records])]
    shutil.copytree(records / "mer-0", tmp_path / "copy")
    with pytest.raises(InputError, match="are the same setting and seed: name only one of them"):
        read_results([records, tmp_path / "copy"])


def test_settings_of_one_method_are_told_apart_and_those_of_ones_own_marked(records):
    header, *lines = Record(records / "mer-0").lines()
    header["config"]["method"]["beta"] = 0.5
    other = Record(records / "other")
    other.start(header["config"], header["path"])
    for line in lines:
        other.append(line)
    results = read_results([records])
    assert sorted(names(results)) == ["mer, beta 0.01", "mer, beta 0.5", "online"]
    assert "a mark to see, not to compare with" in text_table(results)


def test_a_run_whose_gradients_were_measured_is_told_from_its_like_and_drawn_once(tmp_path):
    recorded(tmp_path, "er", 0, [[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]])
    header, *lines = Record(tmp_path / "er-0").lines()
    measured = Record(tmp_path / "measured")
    measured.start(header["config"] | {"alignment": 10}, header["path"])
    for line in lines:
        measured.append(line)
    results = read_results([tmp_path])
    assert sorted(names(results)) == ["er, alignment 0", "er, alignment 10"]
    write_page(results, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("<svg") == 2


@pytest.mark.filterwarnings("error")
def test_many_methods_of_one_memory_are_drawn_in_several_figures(tmp_path):
    chosen = ("er", "task-er", "task-er-adam", "task-er-ring", "gem", "gem-reservoir", "mer", "mer-big", "mer-current")
    for method in chosen:
        recorded(tmp_path, method, 0, [[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]])
    results = read_results([tmp_path])
    assert sorted(names(results)) == sorted(chosen)
    write_page(results, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count("<svg") == len(chosen) + 2


def test_what_is_as_in_the_paper_is_not_marked(tmp_path):
    recorded(tmp_path, "er", 0, [[0.1] * 20] * 21)
    table = text_table(read_results([tmp_path]))
    assert "full size" not in table
    assert "a mark to see" not in table


def read_of(tmp_path, folder, values, method="task-er"):
    """A finished run whose meter read so in its two tasks."""
    recorded(tmp_path / folder, method, 0, [[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]])
    path = tmp_path / folder / f"{method}-0/record.jsonl"
    lines = path.read_text().splitlines()
    for task, value in enumerate(values):
        means = {"before history": {"dot": value, "cosine": value / 10}}
        if task:
            means["before memory"] = {"dot": 5 * value, "cosine": value}
        lines.insert(-1, json.dumps({"event": "aligned", "task": task, "seen": 1, "means": means}))
    path.write_text("\n".join(lines) + "\n")


def test_alignment_beside_the_paper(tmp_path):
    read_of(tmp_path, "one", [1.0, 2.0])
    read_of(tmp_path, "other", [0.25, 0.25], "er")
    recorded(tmp_path, "mer", 0, [[0.1, 0.1], [0.9, 0.2], [0.7, 0.8]])
    results = read_results([tmp_path])
    rows = {row[1]: row for row in alignment_rows(results)}
    dash = "–"
    assert rows["task-er"][4:9] == ("+1.500", "+10.000", dash, dash, "-1.652 ± 0.082")
    assert rows["task-er"][9:] == ("+0.150", "+2.000", dash, dash)
    assert rows["er"][8] == dash
    assert set(rows) == {"task-er", "er"}
    shown = alignment_table(results)
    assert "before history" in shown
    assert "says neither when nor" in shown
    assert alignment_table([one for one in results if one.method == "mer"]) == ""


def test_a_stream_whose_tasks_differ_in_length(tmp_path):
    one = Experiment(Omniglot(tasks=2), Online(), lr=0.01, hidden=(2,), evaluation=Evaluation(every=200))
    list(one.perform(tmp_path / "run"))
    results = read_results([tmp_path])
    assert results[0].runs[0].begins.tolist() == [0, 360]
    assert "omniglot of 2 tasks, 882 examples in all, each seen once" in text_table(results)
    write_page(results, tmp_path / "page.html")
    assert "omniglot of omniglot" not in (tmp_path / "page.html").read_text()
