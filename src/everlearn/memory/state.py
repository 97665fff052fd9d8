"""What a memory's journal tells: which row is where, the rule's counters, and what was saved."""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import reduce
from math import inf
from sys import byteorder
from typing import Any

import torch
from torch import Tensor

from everlearn.memory.chains import END, check_chains, checksums
from everlearn.memory.folder import Folder
from everlearn.memory.journal import FLUSHED, entries, framed
from everlearn.memory.layout import Layout
from everlearn.memory.saves import Saves
from everlearn.ranges import at_least
from everlearn.types import InputError

FORMAT = "everlearn memory 2"
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
class Moment:
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
    saves: Saves = field(default_factory=Saves)
    """The names of what can be gone back to."""
    moments: dict[str, Moment] = field(default_factory=dict)
    """All of it, by name."""
    unclean: bool = False
    """Rows were deleted whose bytes may be there yet."""

    def stay(self, saves: Saves) -> None:
        """Let go of what can't be gone back to any more."""
        self.saves = saves
        self.moments = {name: self.moments[name] for name in self.moments if name in saves.names}
        if not saves.names <= self.moments.keys():
            raise InputError("it tells of a saved state that it has not")

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
            "moments": [
                [name, one.counters, _text(one.generator), _text(one.places.numpy().tobytes())]
                for name, one in self.moments.items()
            ],
            "saves": asdict(self.saves),
            "unclean": self.unclean,
        }

    @classmethod
    def of(cls, head: Mapping[str, Any]) -> "State":
        """What a head tells."""
        if (head["format"], head["order"]) != (FORMAT, byteorder):
            raise InputError(f"it is of {head['format']!r}, {head['order']}-endian, not {FORMAT!r}, {byteorder}-endian")
        state = cls(
            rule=dict(head["rule"]),
            layout=None if head["columns"] is None else Layout.from_json(head["columns"], head["share"]),
            counters=checked_counters(head["counters"]),
            places=_places(head["places"]),
            after=_numbers(head["after"]),
            moments={
                str(name): Moment(checked_counters(counters), _generator(generator), _places(places))
                for name, counters, generator, places in head["moments"]
            },
            unclean=bool(head["unclean"]),
        )
        saves = Saves(**head["saves"])
        at_least(1, saves=saves.keep)
        state.stay(saves)
        return state


def recall(folder: Folder) -> State:
    """What a folder's journal tells, up to the first entry that a crash cut short, or whose rows it did.

    Raises:
        InputError: there is no memory, or it is damaged otherwise than by a crash.
    """
    try:
        data = folder.read(JOURNAL)
        told, end = entries(data)
        if data.find(framed(FLUSHED), end) >= 0:
            # A crash cuts short only what is behind the last of these.
            raise InputError(f"what begins at its byte {end:,} is not as it was written")
        if not told:
            raise InputError("its first entry is not whole")
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


def damaged(folder: Folder) -> InputError:
    """That rows are not as they were written."""
    return InputError(
        f"rows at {folder.path} are damaged: everlearn memory check tells how many, and lets go of them with --mend"
    )


def _replay(folder: Folder, state: State, told: list[dict[str, Any]]) -> None:
    whole = list(_whole(folder, state.layout, told))
    saves = reduce(Saves.after, whole, state.saves)
    places = {place[0]: place for place in state.places.tolist()}

    def table() -> Tensor:
        return torch.tensor(list(places.values()), dtype=torch.int64).reshape(-1, len(PLACE))

    for entry in whole:
        state.counters |= checked_counters(entry.get("counters", {}))
        for slot, block, checksum, mark, *more in entry["add"]:
            places[slot] = [slot, block, checksum, mark]
            if len(state.after):
                state.after[[block, *more]] = torch.tensor([*more, END])
        state.unclean &= "clean" not in entry
        if entry.get("save") in saves.names:
            state.moments[entry["save"]] = Moment(dict(state.counters), _generator(entry["generator"]), table())
    state.places = table()
    state.stay(saves)


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
        min(blocks) >= 0 and max(blocks) < len(rows) and checksums(rows[blocks], torch.tensor([len(blocks)])) == [told]
        for _, first, told, _, *more in added
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
    for places in (state.places, *(one.places for one in state.moments.values())):
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


def blocks_of(places: Tensor) -> Tensor:
    """The first blocks of (rows, 4) places."""
    return places[:, 1]


def checked_counters(given: Any) -> Counters:
    """A copy of a rule's counters.

    Raises:
        InputError: one is no number that a rule counts to.
    """
    if any(type(number) not in (int, float) or not -inf <= number < 2**62 for number in given.values()):
        raise InputError("a counter is no such number")
    return dict(given)


def _generator(given: Any) -> bytes:
    """A generator's state."""
    data = b64decode(given, validate=True)
    torch.Generator().set_state(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    return data


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _places(given: Any) -> Tensor:
    return _numbers(given).reshape(-1, len(PLACE))


def _numbers(given: Any) -> Tensor:
    data = bytearray(b64decode(given, validate=True))
    return torch.frombuffer(data, dtype=torch.int64).clone() if data else _no_blocks()
