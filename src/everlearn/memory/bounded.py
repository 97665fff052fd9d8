"""A bounded memory: columns in RAM or in a folder, and the rule that admits rows to them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from everlearn.batches import check_lengths, count, split, take
from everlearn.chance import generator
from everlearn.memory.choice import DAMAGED, Choice, having, older
from everlearn.memory.columns import Columns
from everlearn.memory.disk import OnDisk
from everlearn.memory.folder import Folder
from everlearn.memory.padding import Padding, checked
from everlearn.memory.state import Counters, checked_counters, named
from everlearn.ranges import at_least
from everlearn.types import Batch, InputError

PASSED = -1
"""In place of a slot: the row is not admitted."""


class Admission(NamedTuple):
    """What becomes of the rows of a batch."""

    slots: list[int]
    """Of each row, or `PASSED`; where two rows have one slot, the later stays."""
    counters: Counters
    """After that."""
    marks: list[float] | None = None
    """What the rule notes of each row."""
    lasting: bool = False
    """Whether the counters must outlast this process even where no row is admitted."""


class Rule(Protocol):
    """Which rows are held, and in which slot: a dataclass of settings, whose memory is the counters it is given."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str: ...

    @property
    def capacity(self) -> int:
        """Rows held at most."""
        ...

    @property
    def slots(self) -> int:
        """How many there are; each row that is held has one."""
        ...

    def expect(self, counters: Counters, batch: Batch) -> None:
        """Refuse rows that can't be admitted."""
        ...

    def admit(self, counters: Counters, marks: Tensor, batch: Batch, chance: torch.Generator) -> Admission:
        """What becomes of rows, in order, given (slots,) the marks of those that are held."""
        ...

    def length(self, counters: Counters) -> int:
        """How many rows are held."""
        ...

    def slots_of(self, counters: Counters, rows: Tensor) -> Tensor:
        """The slots of rows that are held, by number from 0, the oldest's first where the rule knows."""
        ...

    def settle(self, counters: Counters, marks: Tensor, kept: Tensor) -> tuple[Tensor, Counters]:
        """Where rows go of which only those in the slots `kept` stay, in their order; and the counters after that."""
        ...


class BoundedMemory:
    """What all memories here can do; which rows they hold is their rule.

    Args:
        rule: which rows are held.
        seed: of what the rule draws, and of the draws from memory.
        replace: draw with replacement; False draws distinct rows.
        path: a folder to keep the rows in, which goes on with what is there; by default they are in RAM.
        saves: how many of its saved states a memory on disk can go back to, at least.
        padding: the columns whose rows differ in length, and what they are padded with.
    """

    def __init__(
        self,
        rule: Rule,
        *,
        seed: int,
        replace: bool = True,
        path: str | Path | None = None,
        saves: int = 2,
        padding: Padding | None = None,
    ) -> None:
        at_least(1, saves=saves)
        self._rule = rule
        self._padding = checked(padding)
        self._replace = replace
        self._generator = generator(seed, rule.name)
        if path is None:
            self._rows: Columns | OnDisk = Columns(rule.slots, self._padding)
        else:
            self._rows = OnDisk(Folder(path), self.rule, rule.slots, saves, self._padding)
        self._counters: Counters = dict(self._rows.counters)
        if isinstance(self._rows, OnDisk):
            self._check_counters(self._rows)
            self._close_gaps(self._rows)
        if self.seen:
            # The draws that a crash cut off are not made again.
            self._generator = generator(seed, f"{rule.name} from {self.seen} on")

    @property
    def rule(self) -> dict[str, Any]:
        """The admission rule's name and settings."""
        padding = {"padding": self._padding} if self._padding else {}
        return {"name": self._rule.name, **asdict(self._rule), **padding}

    @property
    def counters(self) -> Mapping[str, float]:
        """What the rule remembers, by name."""
        return self._counters

    @property
    def seen(self) -> int:
        """Rows offered so far."""
        return int(self._counters.get("seen", 0))

    @property
    def capacity(self) -> int:
        """Rows held at most."""
        return self._rule.capacity

    @property
    def nbytes(self) -> int:
        """Bytes that it takes: of its columns in RAM, or of its files."""
        return self._rows.nbytes

    def __len__(self) -> int:
        return self._rule.length(self._counters)

    def expect(self, batch: Batch) -> None:
        """Refuse rows that are not like the first ones, before anything is learned from them.

        Raises:
            InputError: naming the column that differs.
        """
        check_lengths(batch)
        self._expect(batch)

    def _expect(self, batch: Batch) -> None:
        self._rule.expect(self._counters, batch)
        self._rows.expect(batch)

    def add(self, batch: Batch) -> None:
        """Offer rows, in order; each is kept or passed over by the rule.

        Raises:
            InputError: they are not like the first ones; none was kept.
            OSError: the disk is full, say; the rows before the failing ones were kept.
        """
        check_lengths(batch)
        if count(batch) == 0:
            return
        self._expect(batch)
        at_once = self._rows.at_once
        if at_once is None or count(batch) <= at_once:
            self._add(batch)
            return
        for part in split(batch, at_once):
            self._add(part)

    @torch.inference_mode(False)
    def _add(self, batch: Batch) -> None:
        slots, counters, marks, lasting = self._rule.admit(self._counters, self._rows.marks, batch, self._generator)
        last = {slot: row for row, slot in enumerate(slots) if slot != PASSED}
        if last:
            admitted, noted = batch, marks
            if len(last) < len(slots):
                admitted = take(batch, torch.tensor(list(last.values())))
                noted = marks and [marks[row] for row in last.values()]
            self._rows.write(torch.tensor(list(last)), admitted, counters, noted)
        elif lasting:
            self._rows.count(counters)
        self._counters = counters

    def sample(self, n: int) -> Batch:
        """Draw min(n, len) rows uniformly; without columns while the memory is empty.

        Raises:
            InputError: n is no whole number or negative; or a row on disk is damaged.
        """
        at_least(0, n=n)
        n = min(n, len(self))
        return self._rows.read(self._drawn(n, self._generator)) if n else {}

    def prefetch(self, n: int) -> None:
        """Begin to read, in the background, what the next `sample(n)` will draw, if nothing is drawn or added before.

        Of use where the files are larger than what of them is in RAM; nothing that is drawn changes by it.
        """
        if isinstance(self._rows, OnDisk) and min(n, len(self)) > 0:
            chance = torch.Generator()
            chance.set_state(self._generator.get_state())
            self._rows.prefetch(self._drawn(min(n, len(self)), chance))

    def _drawn(self, n: int, chance: torch.Generator) -> Tensor:
        """The slots of so many rows."""
        length = len(self)
        drawn = torch.randint(length, (n,), generator=chance) if self._replace else _distinct(n, length, chance)
        return self._rule.slots_of(self._counters, drawn)

    def held(self, chosen: Callable[[Tensor], Tensor] | None = None) -> Batch:
        """All rows, the oldest first where the rule knows, to be read only; without columns where there are none.

        Args:
            chosen: which of them, by what the rule has noted of each: (rows,) float64 to (rows,) booleans.
        """
        slots = self._slots()
        if chosen is not None:
            slots = slots[chosen(self._rows.marks[slots])]
        return self._rows.show(slots) if len(slots) else {}

    def delete(self, **where: Any) -> int:
        """Forget rows for good: their bytes are gone, from RAM or from the disk, when this returns.

        Args:
            where: columns, and the value or values of which each must have one, as in
                ``delete(key=17)`` or ``delete(source=[3, 4])``.

        Returns:
            How many rows are gone.

        Raises:
            InputError: there is no such column, or it has more than one number a row; or a row on disk is damaged.
        """
        return self._forget(having(where))

    def expire(self, older_than: float, *, column: str = "when") -> int:
        """Forget rows that are too old, as `delete` does.

        Args:
            older_than: rows stay whose time is this or later.
            column: their time, one number a row, in the user's own unit.

        Returns:
            How many rows are gone.

        Raises:
            InputError: that is no number; there is no such column, or it has more than one number a row; or a row on
                disk is damaged.
        """
        return self._forget(older(older_than, column))

    def mend(self) -> int:
        """Forget rows that are damaged on disk, as `delete` does, of which otherwise none can be chosen or drawn.

        Returns:
            How many rows are gone.
        """
        return self._forget(DAMAGED)

    @torch.inference_mode(False)
    def _forget(self, gone: Choice) -> int:
        held = self._slots()
        marks = self._rows.chosen(held, gone)
        kept = held[~marks]
        slots, counters = kept, self._counters
        if len(held):
            slots, counters = self._rule.settle(counters, self._rows.marks, kept)
        # On disk rows may be held by what was saved alone.
        self._rows.settle(kept, slots, counters, gone)
        self._counters = counters
        return int(marks.sum())

    def flush(self) -> None:
        """Return once all rows that were added would survive a crash of the machine; in RAM, do nothing.

        A killed process alone loses no row whose `add` has returned.

        Raises:
            OSError: they may not; make the memory anew from its path.
        """
        self._rows.flush(self._counters)

    def close(self) -> None:
        """Flush, and let another process write into the folder; this memory can't be written any more."""
        if self._rows.closed:
            return
        try:
            self.flush()
        finally:
            self._rows.close()

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs: in RAM, a copy of the rows; on disk, the name of what was saved there."""
        state = {"rule": self.rule}
        if isinstance(self._rows, OnDisk):
            return state | {"save": self._rows.save(self._counters, self._generator.get_state().numpy().tobytes())}
        return state | {
            "counters": dict(self._counters),
            **self._rows.state(self._slots()),
            "marks": self._rows.marks[self._slots()],
            "generator": self._generator.get_state(),
        }

    def hold(self, state: Mapping[str, Any]) -> None:
        """Keep what `state_dict` gave, beside the last ones, until another is held; in RAM it is a copy anyway.

        What is saved after that keeps it too: a checkpoint in which a gate's state is has both.

        Raises:
            InputError: it was let go.
        """
        if isinstance(self._rows, OnDisk) and isinstance(state, Mapping) and "save" in state:
            self._rows.hold(state["save"])

    def confirm(self, state: Mapping[str, Any]) -> None:
        """What `state_dict` gave is kept, in a file that is whole, say; till then it gives way to later ones first."""
        if isinstance(self._rows, OnDisk) and isinstance(state, Mapping) and "save" in state:
            self._rows.confirm(state["save"])

    @torch.inference_mode(False)
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the memory that `state` was taken from, but for rows that were deleted on disk since.

        Raises:
            InputError: that one had another rule or capacity, its rows are elsewhere, or it is none of a memory's;
                nothing was changed.
        """
        if not isinstance(state, Mapping) or not isinstance(state.get("rule"), Mapping):
            raise InputError("this is not the state of a memory")
        if state["rule"] != self.rule:
            raise InputError(f"the saved memory is {named(state['rule'])}, this one {named(self.rule)}")
        if isinstance(self._rows, OnDisk):
            self._go_back(self._rows, state)
            return
        if "save" in state:
            raise InputError("the saved memory is on disk: make this one with the same path")
        try:
            counters, rows = checked_counters(state["counters"]), self._given(state)
            torch.Generator().set_state(state["generator"])
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            told = error if isinstance(error, InputError) else repr(error)
            raise InputError(f"this is not the state of a memory: {told!s:.200}") from error
        self._counters, self._rows = counters, rows
        self._generator.set_state(state["generator"])

    def _given(self, state: Mapping[str, Any]) -> Columns:
        """The rows that a state tells, if they are as many, and of the same kinds, as the memory can hold."""
        rows, n = Columns(self._rule.slots, self._padding), len(state["marks"])
        if self._rule.length(state["counters"]) != n:
            raise InputError("its counters tell of more rows, or of fewer")
        slots = self._rule.slots_of(state["counters"], torch.arange(n))
        if n and not (0 <= slots.min() <= slots.max() < self._rule.slots and len(slots.unique()) == n):
            raise InputError("its counters tell of slots that there are not")
        rows.load(slots, state)
        if len(self) and n:
            self.expect(rows.show(slots[:1]))
        return rows

    def _go_back(self, rows: OnDisk, state: dict[str, Any]) -> None:
        if "save" not in state:
            raise InputError("the saved memory was in RAM: make this one without path=")
        chance = rows.go_back(state["save"])
        self._counters = dict(rows.counters)
        self._generator.set_state(torch.frombuffer(bytearray(chance), dtype=torch.uint8))
        self._close_gaps(rows)

    def _check_counters(self, rows: OnDisk) -> None:
        """Refuse counters that the rule can't have left."""
        try:
            length, slots = len(self), self._rule.slots
            held = self._slots() if 0 <= length <= slots else torch.tensor([-1])
            fits = not len(held) or bool(held.min() >= 0 and held.max() < slots)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
            fits = False
        if not fits:
            rows.close()
            raise InputError("the memory can't be read, its journal is damaged: its counters are no such rule's")

    def _close_gaps(self, rows: OnDisk) -> None:
        """Where rows were deleted after a save, what was saved has gaps."""
        held = self._slots()
        kept = held[torch.isin(held, rows.in_use())]
        if len(kept) < len(held):
            slots, counters = self._rule.settle(self._counters, rows.marks, kept)
            with rows.critical():
                rows.settle(kept, slots, counters, None)
            self._counters = counters

    def _slots(self) -> Tensor:
        """Those in use, the oldest row's first where the rule knows."""
        return self._rule.slots_of(self._counters, torch.arange(len(self)))


def _below(bounds: Tensor, chance: torch.Generator) -> Tensor:
    """For each bound b, one integer from 0 to b − 1, uniformly."""
    return (torch.rand(len(bounds), dtype=torch.float64, generator=chance) * bounds).long()


def _distinct(n: int, total: int, chance: torch.Generator) -> Tensor:
    """n different integers below `total` in random order, in O(n) (Floyd's algorithm, Bentley 1987)."""
    chosen: dict[int, None] = {}
    bounds = torch.arange(total - n, total)
    for bound, draw in zip(bounds.tolist(), _below(bounds + 1, chance).tolist(), strict=True):
        chosen[bound if draw in chosen else draw] = None
    return torch.tensor(list(chosen))[torch.randperm(n, generator=chance)]
