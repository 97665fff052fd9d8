"""The texts that a model reads one after another: novels in two languages, and source code."""

import lzma
import sysconfig
from collections.abc import Callable, Mapping
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


def _source() -> bytes:
    """All modules of Python's standard library, in the order of their paths."""
    home = Path(sysconfig.get_paths()["stdlib"])
    outside = {"site-packages", "dist-packages", "test", "tests", "idlelib", "__pycache__"}
    files = sorted(path for path in home.rglob("*.py") if not outside & {*path.relative_to(home).parts})
    return b"".join(path.read_bytes() for path in files)


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
