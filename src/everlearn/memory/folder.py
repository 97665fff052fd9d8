"""A folder's files, as they are read and written; what was synced survives a crash, all else may not."""

import mmap
import os
import stat
import warnings
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from everlearn.files import sync_names
from everlearn.types import InputError


class Folder:
    """Files of one folder, by name; `close` closes them, as does the last reference's end.

    Args:
        path: the folder, which is made.
        only_read: nothing is made or written.

    Raises:
        InputError: something else is there; or nothing, where nothing may be made.
    """

    def __init__(self, path: str | Path, *, only_read: bool = False) -> None:
        if not isinstance(path, str | Path) or not str(path):
            raise InputError(f"path must name a folder for the memory, not {path!r}")
        self.path = Path(path).absolute()
        if not self.path.is_dir() and (only_read or self.path.exists()):
            raise InputError(f"{self.path} is not a folder")
        if not only_read:
            self.path.mkdir(parents=True, exist_ok=True)
        self._flags = (os.O_RDONLY if only_read else os.O_RDWR | os.O_CREAT) | getattr(os, "O_BINARY", 0)
        self._files: dict[str, int] = {}
        self._made = False
        # A thread of its own each time would be waited for until it runs.
        self._reader = ThreadPoolExecutor(1)
        self._reading: Future | None = None
        self.close = weakref.finalize(self, _close, self._files)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.path / name).exists()

    def size(self, name: str) -> int:
        """A file's bytes."""
        return (self.path / name).stat().st_size

    def read(self, name: str) -> bytes:
        """All of a file."""
        self.check(name)
        return (self.path / name).read_bytes()

    def write(self, name: str, place: int, data: bytes | memoryview) -> None:
        """Write all of `data` at that byte of a file.

        Raises:
            OSError: a part of it may have been written.
        """
        file, left = self._file(name), memoryview(data).cast("B")
        os.lseek(file, place, os.SEEK_SET)
        while len(left):
            left = left[os.write(file, left) :]

    def resize(self, name: str, size: int) -> None:
        """Make a file so many bytes long; new ones are zero, and take no space until they are written."""
        os.ftruncate(self._file(name), size)

    def sync(self, name: str) -> None:
        """Return once all that was written to a file would survive a crash.

        Raises:
            OSError: it may not.
        """
        _sync(self._file(name))
        if self._made:
            self.sync_names()

    def prepare(self, name: str, data: bytes) -> None:
        """Write a file's next content beside it, for `put`.

        Raises:
            OSError: the disk is full, say.
        """
        aside = f"{name}.part"
        try:
            self.resize(aside, 0)
            self.write(aside, 0, data)
            self.sync(aside)
        except OSError:
            (self.path / aside).unlink(missing_ok=True)
            raise
        finally:
            self._let_go(aside)

    def put(self, name: str) -> None:
        """Give a file the content prepared for it: after a crash it has the old one or the new one, whole."""
        self._let_go(name)
        self.rename(f"{name}.part", name)
        self.sync_names()

    def rename(self, name: str, to: str) -> None:
        """Give a file the name of another, which is no more."""
        (self.path / name).replace(self.path / to)

    def sync_names(self) -> None:
        """Return once the files' names would survive a crash."""
        self._made = False
        sync_names(self.path)

    def map(self, name: str) -> Tensor:
        """(bytes,) a file's content, which shows what is written to it later; to be read only."""
        if self.size(name) == 0:
            return torch.empty(0, dtype=torch.uint8)
        access = mmap.ACCESS_WRITE if self._flags & os.O_RDWR else mmap.ACCESS_READ
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            # That a tensor's memory can't be written.
            return torch.frombuffer(mmap.mmap(self._file(name), 0, access=access), dtype=torch.uint8)

    def prefetch(self, name: str, parts: Sequence[tuple[int, int]]) -> None:
        """Begin to read parts of a file, (byte, bytes), into the system's cache, unless others are being read."""
        if hasattr(os, "pread") and (self._reading is None or self._reading.done()):
            self._reading = self._reader.submit(_read, os.dup(self._file(name)), parts)

    def stamp(self, name: str) -> tuple[int, int, int]:
        """Something else once a file was written to at its end, or was given another content."""
        told = (self.path / name).stat()
        return told.st_ino, told.st_size, told.st_mtime_ns

    def _let_go(self, name: str) -> None:
        if name in self._files:
            os.close(self._files.pop(name))

    def check(self, name: str) -> None:
        """A stranger's folder may hold a link, or a pipe, in place of a file."""
        with suppress(FileNotFoundError):
            if not stat.S_ISREG((self.path / name).lstat().st_mode):
                raise InputError(f"{self.path / name} is no ordinary file")

    def _file(self, name: str) -> int:
        if name not in self._files:
            self.check(name)
            self._made |= not self.has(name)
            self._files[name] = os.open(self.path / name, self._flags, 0o666)
        return self._files[name]


def _read(file: int, parts: Sequence[tuple[int, int]]) -> None:
    try:
        if hasattr(os, "posix_fadvise"):
            for place, size in parts:
                os.posix_fadvise(file, place, size, os.POSIX_FADV_WILLNEED)
        for place, size in parts:
            os.pread(file, size, place)
    finally:
        os.close(file)


_sync = os.fdatasync if hasattr(os, "fdatasync") else os.fsync


def _close(files: dict[str, int]) -> None:
    while files:
        os.close(files.popitem()[1])
