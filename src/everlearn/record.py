"""A run's record: a header and then events, one JSON object a line, appended as they happen."""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from everlearn.types import InputError

FILE = "record.jsonl"


class Record:
    """The record in a folder.

    Every line is written whole and handed to the operating system before `append` returns.
    A line torn by a crash is left out when the record is read, and cut off when it goes on.

    Args:
        folder: where the run lives; made when the record starts.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE

    def start(self, config: Mapping[str, Any], path: str) -> None:
        """Begin with a header: the resolved configuration, the learner's path and the versions in use.

        Raises:
            OSError: the folder can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.append({"event": "started", "config": config, "path": path, "versions": versions()})

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line.

        Raises:
            OSError: the disk is full; the lines before are as they were.
        """
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
        except OSError:
            if self.path.exists():
                self.cut(before)
            raise

    def sync(self) -> int:
        """Wait until the record is on the disk; its length in bytes."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
            return file.seek(0, os.SEEK_END)

    def cut(self, length: int) -> None:
        """Forget all after the first `length` bytes."""
        os.truncate(self.path, length)

    def cut_to_header(self) -> None:
        """Forget all but the header."""
        with self.path.open("rb") as file:
            length = len(file.readline())
        self.cut(length)

    def lines(self) -> Iterator[dict[str, Any]]:
        """The whole lines, the header first; none where there is no record.

        Raises:
            InputError: a line is no JSON object, or no event.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    read = json.loads(line)
                except ValueError as error:
                    raise InputError(f"line {number} of {self.path} is damaged: {error}") from error
                if not isinstance(read, dict) or "event" not in read:
                    raise InputError(f"line {number} of {self.path} is damaged: it is no event")
                yield read


def versions() -> dict[str, str]:
    """What a result may depend on besides its configuration."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in ("everlearn", "torch", "numpy", "numba")},
    }
