"""A journal: entries that are whole or absent, one after another.

An entry is JSON behind its length and its CRC-32, so that one cut short or damaged is known. What
follows such an entry is not read.
"""

import json
from collections.abc import Iterator
from struct import Struct
from typing import Any
from zlib import crc32

HEAD = Struct("<II")
"""Length and checksum."""


def framed(entry: dict[str, Any]) -> bytes:
    """An entry's bytes."""
    body = json.dumps(entry, separators=(",", ":")).encode()
    return HEAD.pack(len(body), crc32(body)) + body


def entries(data: bytes) -> Iterator[dict[str, Any]]:
    """The whole entries from the beginning.

    >>> data = framed({"a": 1}) + framed({"b": 2})
    >>> list(entries(data[:-1]))
    [{'a': 1}]
    """
    place = 0
    while place + HEAD.size <= len(data):
        length, checksum = HEAD.unpack_from(data, place)
        end = place + HEAD.size + length
        body = data[place + HEAD.size : end]
        if end > len(data) or crc32(body) != checksum:
            return
        try:
            entry = json.loads(body)
        except (ValueError, RecursionError):
            return
        if not isinstance(entry, dict):
            return
        yield entry
        place = end
