"""Commands for memories: what they tell, and that deleting deletes."""

import pytest
import torch
from safetensors.torch import load_file

import everlearn as el
from everlearn.cli import main
from everlearn.memory.reopen import reopen


@pytest.fixture
def path(tmp_path):
    memory = el.Reservoir(30, path=tmp_path / "memory")
    n = torch.arange(40)
    memory.add(
        {
            "x": (n[:, None, None] * torch.ones(5, 6)).to(torch.uint8),
            "y": n % 3,
            "key": n * 100,
            "when": 1.7e9 + n.double(),
        }
    )
    memory.close()
    return tmp_path / "memory"


def test_show(path, capsys, tmp_path):
    assert main(["memory", "show", str(path), "--pictures", str(tmp_path / "sheet.png")]) == 0
    told = capsys.readouterr().out
    assert "a reservoir of capacity 30" in told
    assert "30 held, 40 offered" in told
    held = reopen(path).held()
    shares = held["y"].bincount().tolist()
    assert f"0: {shares[0]}, 1: {shares[1]}, 2: {shares[2]}" in told
    assert "uint8 (5, 6)" in told
    assert "2023-11-14 22:1" in told
    assert (tmp_path / "sheet.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["memory", "show", str(path), "--pictures", str(tmp_path / "sheet.xyz")]) == 2
    assert "sheet.xyz is no kind of picture, such as PNG" in capsys.readouterr().err


def test_an_empty_one_is_shown_too(tmp_path, capsys):
    el.Fifo(3, path=tmp_path).close()
    assert main(["memory", "show", str(tmp_path)]) == 0
    assert "0 held, 0 offered" in capsys.readouterr().out
    assert main(["memory", "show", str(tmp_path), "--pictures", str(tmp_path / "sheet.png")]) == 2
    assert "no column of this memory holds pictures: it is empty" in capsys.readouterr().err


def test_export(path, tmp_path, capsys):
    assert main(["memory", "export", str(path), "--out", str(tmp_path / "rows.safetensors")]) == 0
    assert "30 rows" in capsys.readouterr().out
    found = load_file(tmp_path / "rows.safetensors")
    assert torch.equal(found["key"], reopen(path).held()["key"])


def test_export_into_no_folder(path, tmp_path, capsys):
    assert main(["memory", "export", str(path), "--out", str(tmp_path / "nowhere" / "rows.safetensors")]) == 2
    assert "rows.safetensors could not be written" in capsys.readouterr().err


def test_delete(path, capsys):
    kept = reopen(path).held()["key"].tolist()
    assert main(["memory", "delete", str(path), "--values", str(kept[0]), str(kept[5])]) == 0
    assert "2 rows deleted, 28 left" in capsys.readouterr().out
    assert main(["memory", "delete", str(path), "--by", "y", "--values", "1"]) == 0
    assert main(["memory", "delete", str(path), "--older-than", str(1.7e9 + 20)]) == 0
    memory = reopen(path)
    left = memory.held()
    assert not set(left["key"].tolist()) & {kept[0], kept[5]}
    assert set(left["y"].tolist()) == {0, 2}
    assert left["when"].min() >= 1.7e9 + 20
    capsys.readouterr()
    assert main(["memory", "delete", str(path), "--values", "1"]) == 2
    assert "another process is writing the memory" in capsys.readouterr().err
    memory.close()


@pytest.mark.parametrize("more", [[], ["--values", "1", "--older-than", "3"]])
def test_delete_needs_to_know_what(path, more, capsys):
    assert main(["memory", "delete", str(path), *more]) == 2
    assert "delete which rows? Give --values" in capsys.readouterr().err


def test_check(path, capsys):
    assert main(["memory", "check", str(path)]) == 0
    assert "30 rows held, 0 damaged" in capsys.readouterr().out
    with (path / "rows").open("r+b") as file:
        file.write(b"\xff")
    assert main(["memory", "check", str(path)]) == 1
    assert "30 rows held, 1 damaged" in capsys.readouterr().out
    assert main(["memory", "check", str(path / "nothing")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_rows_of_unlike_lengths(tmp_path, capsys):
    memory = el.Fifo(9, path=tmp_path / "memory", padding={"tokens": 0})
    tokens = torch.zeros(3, 100, dtype=torch.int64)
    for row, length in enumerate((2, 90, 10)):
        tokens[row, :length] = row + 1
    memory.add({"tokens": tokens, "y": torch.arange(3)})
    memory.close()
    assert main(["memory", "show", str(tmp_path / "memory")]) == 0
    told = capsys.readouterr().out
    assert "int64 (any,)" in told
    assert "2 to 90 long, mean 34" in told
    assert main(["memory", "show", str(tmp_path / "memory"), "--pictures", str(tmp_path / "sheet.png")]) == 2
    assert "no column of this memory holds pictures: tokens, y" in capsys.readouterr().err
    assert main(["memory", "export", str(tmp_path / "memory"), "--out", str(tmp_path / "rows.safetensors")]) == 0
    found = load_file(tmp_path / "rows.safetensors")
    assert found["tokens.lengths"].tolist() == [2, 90, 10]
    assert found["tokens"].tolist() == [1] * 2 + [2] * 90 + [3] * 10
    assert main(["memory", "check", str(tmp_path / "memory")]) == 0
