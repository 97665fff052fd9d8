"""What a memory's journal tells: which row is where, the rule's counters, and what was saved."""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from sys import byteorder
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from everlearn.memory.chains import END, check_chains
from everlearn.memory.folder import Folder
from everlearn.memory.journal import entries
from everlearn.memory.layout import Layout
from everlearn.types import InputError

FORMAT = "everlearn memory 1"
ROWS, JOURNAL = "rows", "journal"

Counters = dict[str, float]
"""What a rule remembers, by name."""


PLACE = ("slot", "block", "checksum", "mark")
"""What is known of a row: its CRC-32 among it, and the rule's mark, a float's bits."""


def _no_places() -> Tensor:
    return torch.empty((0, len(PLACE)), dtype=torch.int64)


def _no_blocks() -> Tensor:
    return torch.empty(0, dtype=torch.int64)


@dataclass
class Saved:
    """A moment that can be gone back to."""

    counters: Counters
    generator: bytes
    places: Tensor
    """(rows, 4) as `PLACE` has it."""


@dataclass
class State:
    """All that is known of a memory but its rows."""

    rule: dict[str, Any]
    layout: Layout | None = None
    """None until there is a row."""
    counters: Counters = field(default_factory=dict)
    places: Tensor = field(default_factory=_no_places)
    """(rows, 4) as `PLACE` has it, of each row's first block."""
    after: Tensor = field(default_factory=_no_blocks)
    """(blocks,) the next of each, where rows differ in length; the same for what was saved."""
    saves: dict[str, Saved] = field(default_factory=dict)
    """By name, the least recently saved or gone back to first."""
    keep: int = 2
    """So many of them."""
    unclean: bool = False
    """Rows were deleted whose bytes may be there yet."""

    def remember(self, name: str, saved: Saved, held: str | None = None) -> None:
        """Add a save, or make it the latest; where they are too many those longest ago are let go, but one held."""
        self.saves.pop(name, None)
        self.saves[name] = saved
        for old in [one for one in self.saves if one != held][: -self.keep]:
            del self.saves[old]

    def head(self) -> dict[str, Any]:
        """All of it as a journal's first entry, from which `of` makes it."""
        return {
            "format": FORMAT,
            "order": byteorder,
            "rule": self.rule,
            "columns": None if self.layout is None else self.layout.as_json(),
            "share": 0 if self.layout is None else self.layout.share,
            "counters": self.counters,
            "places": _text(self.places.numpy().tobytes()),
            "after": _text(self.after.numpy().tobytes()),
            "saves": [
                [name, saved.counters, _text(saved.generator), _text(saved.places.numpy().tobytes())]
                for name, saved in self.saves.items()
            ],
            "keep": self.keep,
            "unclean": self.unclean,
        }

    @classmethod
    def of(cls, head: Mapping[str, Any]) -> "State":
        """What a head tells."""
        if (head["format"], head["order"]) != (FORMAT, byteorder):
            raise InputError(f"it is of {head['format']!r}, {head['order']}-endian, not {FORMAT!r}, {byteorder}-endian")
        return cls(
            rule=dict(head["rule"]),
            layout=None if head["columns"] is None else Layout.from_json(head["columns"], head["share"]),
            counters=_counters(head["counters"]),
            places=_places(head["places"]),
            after=_numbers(head["after"]),
            saves={
                str(name): Saved(_counters(counters), b64decode(generator), _places(places))
                for name, counters, generator, places in head["saves"]
            },
            keep=at_least_one(head["keep"]),
            unclean=bool(head["unclean"]),
        )


def recall(folder: Folder) -> State:
    """What a folder's journal tells, up to the first entry that a crash cut short, or whose rows it did.

    Raises:
        InputError: there is no memory, or it is damaged otherwise than by a crash.
    """
    try:
        told = list(entries(folder.read(JOURNAL)))
        state = State.of(told[0])
        state.after = _for_all(folder, state)
        _check(folder, state)
        _replay(folder, state, told)
        _check(folder, state)
    except FileNotFoundError:
        raise InputError(f"there is no memory at {folder.path}") from None
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"the memory at {folder.path} can't be read, its journal is damaged: {error}") from error
    return state


def _replay(folder: Folder, state: State, told: list[dict[str, Any]]) -> None:
    whole = list(_whole(folder, state.layout, told))
    wanted = [entry["save"] for entry in whole if "save" in entry][-state.keep :]
    places = {place[0]: place for place in state.places.tolist()}

    def table() -> Tensor:
        return torch.tensor(list(places.values()), dtype=torch.int64).reshape(-1, len(PLACE))

    for entry in whole:
        state.counters = _counters(entry["counters"])
        for slot, block, checksum, mark, *more in entry["add"]:
            places[slot] = [slot, block, checksum, mark]
            if len(state.after):
                state.after[[block, *more]] = torch.tensor([*more, END])
        state.unclean &= "clean" not in entry
        if entry.get("save") in wanted:
            saved = Saved(dict(state.counters), b64decode(entry["generator"]), table())
            state.remember(str(entry["save"]), saved)
    state.places = table()


def _whole(folder: Folder, layout: Layout | None, told: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The entries after the head up to the first whose rows a crash cut short; what was synced is not asked."""
    synced = max((number for number, entry in enumerate(told) if "synced" in entry), default=0)
    for number, entry in enumerate(told[1:], 1):
        added = [[int(part) for part in place] for place in entry.get("add", ())]
        if number > synced and not _are_whole(folder, layout, added):
            return
        yield {**entry, "add": added}


def _are_whole(folder: Folder, layout: Layout | None, added: list[list[int]]) -> bool:
    """Whether rows were written before a crash."""
    if not added:
        return True
    rows = None if layout is None or not folder.has(ROWS) else layout.rows(folder.map(ROWS))
    return rows is not None and all(
        min(blocks) >= 0 and max(blocks) < len(rows) and crc32(rows[blocks].numpy()) == checksum
        for _, first, checksum, _, *more in added
        for blocks in [[first, *more]]
    )


def _for_all(folder: Folder, state: State) -> Tensor:
    """What comes after each block of the file, where rows differ in length."""
    if state.layout is None or not state.layout.ragged or not folder.has(ROWS):
        return _no_blocks()
    after = torch.full((folder.size(ROWS) // state.layout.size,), END)
    after[: len(state.after)] = state.after
    return after


def _check(folder: Folder, state: State) -> None:
    """Refuse places that the file has no room for."""
    room = 0 if state.layout is None or not folder.has(ROWS) else folder.size(ROWS) // state.layout.size
    for places in (state.places, *(saved.places for saved in state.saves.values())):
        if len(state.after) and not (state.after.min() >= END and state.after.max() < room):
            raise InputError("it tells of blocks that the file has not")
        if len(places) and not (places[:, :2].min() >= 0 and places[:, 1].max() < room):
            raise InputError(f"it tells of rows for which the file {ROWS!r} has no room")
        if any(len(places[:, one].unique()) < len(places) for one in (0, 1)):
            raise InputError("it tells of two rows in one place")
        check_chains(blocks_of(places), state.after)


def named(rule: Mapping[str, Any]) -> str:
    """A rule in words.

    >>> named({"name": "ring", "capacity": 4, "tasks": 2})
    'a ring of capacity 4, tasks 2'
    """
    return f"a {rule.get('name')} of " + ", ".join(f"{name} {value}" for name, value in rule.items() if name != "name")


def at_least_one(saves: int) -> int:
    """Check how many saves are kept.

    Raises:
        InputError: none.
    """
    if int(saves) < 1:
        raise InputError(f"saves must be at least 1, not {saves}")
    return int(saves)


def blocks_of(places: Tensor) -> Tensor:
    """The first blocks of (rows, 4) places."""
    return places[:, 1]


def _counters(given: Any) -> Counters:
    if any(type(number) not in (int, float) or not -inf <= number < 2**62 for number in given.values()):
        raise InputError("a counter is no such number")
    return dict(given)


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _places(given: Any) -> Tensor:
    return _numbers(given).reshape(-1, len(PLACE))


def _numbers(given: Any) -> Tensor:
    data = bytearray(b64decode(given, validate=True))
    return torch.frombuffer(data, dtype=torch.int64).clone() if data else _no_blocks()
