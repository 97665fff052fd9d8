"""A journal: entries that are whole or absent, one after another.

An entry is JSON behind its length and its CRC-32, so that one cut short or damaged is known. What
follows such an entry is not read.
"""

import json
from struct import Struct
from typing import Any
from zlib import crc32

HEAD = Struct("<II")
"""Length and checksum."""


def framed(entry: dict[str, Any]) -> bytes:
    """An entry's bytes."""
    body = json.dumps(entry, separators=(",", ":")).encode()
    return HEAD.pack(len(body), crc32(body)) + body


FLUSHED = {"flushed": True}
"""Written once all before it is known to survive a crash. No other entry has its bytes: JSON has none of its head."""


def entries(data: bytes) -> tuple[list[dict[str, Any]], int]:
    """The whole entries from the beginning, and the byte at which the first begins that is not; or the end.

    >>> data = framed({"a": 1}) + framed({"b": 2})
    >>> entries(data[:-1])
    ([{'a': 1}], 15)
    """
    found, place = [], 0
    while (one := _entry(data, place)) is not None:
        entry, place = one
        found.append(entry)
    return found, place


def _entry(data: bytes, place: int) -> tuple[dict[str, Any], int] | None:
    """The whole entry that begins at a byte, if there is one, and where the next does."""
    if place + HEAD.size > len(data):
        return None
    length, checksum = HEAD.unpack_from(data, place)
    end = place + HEAD.size + length
    body = data[place + HEAD.size : end]
    if end > len(data) or crc32(body) != checksum:
        return None
    try:
        entry = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return (entry, end) if isinstance(entry, dict) else None
