"""Texts as rows: what is kept back is not read, and bytes add up."""

import pytest
import torch

import everlearn as el
from everlearn.lm import rows, texts
from everlearn.lm.rows import cut

NAMES = ("english", "german", "python")


@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_rows_in_their_order_and_pieces_are_kept_back(name, told):
    own = cut(name, NAMES, "bytes", 16)
    content = told[name]()
    assert own.training.dtype == own.testing.dtype == torch.uint16
    assert bytes(own.training[0].tolist()) == content[:16]
    whole = len(content) // 16
    assert len(own.training) + len(own.testing) + len(own.validation) == whole
    for kept, piece in ((own.testing, rows.EVERY // 2), (own.validation, rows.EVERY // 4)):
        assert abs(len(kept) / whole - 1 / rows.EVERY) < 0.01
        first = rows.PIECE * piece
        assert bytes(kept[0].tolist()) == content[16 * first : 16 * first + 16]


def test_pairs_stand_for_as_many_bytes_as_there_are(told):
    for name in NAMES:
        encode, bytes_of = rows._pairs(NAMES)
        content = told[name]()[:55_000]
        found = encode(content)
        assert int(bytes_of[found.long()].sum()) == len(content)
        assert len(found) < len(content) / 2
    again = rows._pairs.__wrapped__(NAMES)[0]
    assert torch.equal(again(content), found)


def test_a_long_line_is_read_once():
    long, short = b"    return self._something_or_other(x)\n", b"    pass\n"
    assert list(texts._first_lines([long, short, b"\n", long.lstrip(), short, b"\n"])) == [
        long,
        short,
        b"\n",
        short,
        b"\n",
    ]


def test_hardly_anything_that_is_tested_on_is_read():
    """64 bytes on end are nearly never among what is read."""
    own = cut("python", ("python",), "bytes", 128)
    read = own.training.to(torch.uint8).numpy().tobytes()
    windows = {read[i : i + 64] for i in range(len(read) - 64)}
    tested = own.testing[torch.linspace(0, len(own.testing) - 1, 100).long()].to(torch.uint8)
    found = [bytes(row[i : i + 64].tolist()) in windows for row in tested for i in range(0, 65, 8)]
    assert sum(found) / len(found) < 0.02


def test_what_can_not_be_is_refused(told, monkeypatch, tmp_path):
    with pytest.raises(el.InputError, match="there is no text 'french'; there are: english, german, python"):
        cut("french", NAMES, "bytes", 16)
    with pytest.raises(el.InputError, match="'english' is too short: 183 rows"):
        cut("english", NAMES, "bytes", 1000)
    monkeypatch.undo()
    monkeypatch.setenv("EVERLEARN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    texts.text.cache_clear()
    with pytest.raises(el.InputError, match=r"this needs a text at .*novels_en\.txt\.xz"):
        texts.text("english")
    assert len(texts.text("python")) > 1_000_000
