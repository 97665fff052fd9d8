"""The texts that a model reads one after another: novels in two languages, and source code."""

import hashlib
import lzma
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from everlearn.streams.source import folders
from everlearn.types import InputError


def _novels(file: str) -> bytes:
    for folder in folders():
        if (folder / file).is_file():
            return lzma.decompress((folder / file).read_bytes())
    where = " or ".join(str(folder / file) for folder in folders())
    raise InputError(f"this needs a text at {where}: any plain text of some megabytes, packed by xz")


OUTSIDE = {"site-packages", "dist-packages", "test", "tests", "idlelib", "__pycache__", "encodings", "pydoc_data"}
"""Folders of the standard library's that are not read: what is no part of it, tests, and tables."""
LONG = 20
"""Characters from which on a line is read only where it comes first: otherwise a fifth of what is kept back would be
among what is read."""


def _source() -> bytes:
    """All modules of Python's standard library, in the order of their paths."""
    home = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(path for path in home.rglob("*.py") if not OUTSIDE & {*path.relative_to(home).parts})
    return b"".join(_first_lines(line for path in files for line in path.read_bytes().splitlines(keepends=True)))


def _first_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines, but for long ones that were there before."""
    before = set()
    for line in lines:
        told = line.strip()
        if told not in before:
            yield line
        if len(told) >= LONG:
            before.add(told)


TEXTS: Mapping[str, Callable[[], bytes]] = {
    "english": lambda: _novels("text/novels_en.txt.xz"),
    "german": lambda: _novels("text/novels_de.txt.xz"),
    "python": _source,
}
"""By name, what reads them: English and German novels before 1900, of which a file is needed, and this Python's own
source."""


@cache
def text(name: str) -> bytes:
    """A text, read once a process.

    Raises:
        InputError: there is none of that name, or its file is not there.
    """
    if name not in TEXTS:
        raise InputError(f"there is no text {name!r}; there are: {', '.join(TEXTS)}")
    return TEXTS[name]()


def digest(name: str) -> str:
    """By which two texts are told apart."""
    return hashlib.sha256(text(name)).hexdigest()[:16]
