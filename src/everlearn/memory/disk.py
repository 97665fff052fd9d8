"""Columns in a folder: rows in blocks of one file, and in a journal what the blocks are.

A row is written into a block that nothing refers to (or several, where columns differ in length), and
only then into the journal; the block of the row that it replaces is used again once the journal is
synced. So whatever a crash cuts short, each slot has a whole row: its new one, or the one before. What
is saved refers to blocks as well, which stay until it is let go: neither saving nor going back copies rows.
"""

import os
from base64 import b64encode
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4
from zlib import crc32

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from everlearn.batches import check_alike, kinds
from everlearn.memory.chains import END, chained
from everlearn.memory.choice import Choice
from everlearn.memory.fitting import spare
from everlearn.memory.folder import Folder
from everlearn.memory.journal import framed
from everlearn.memory.layout import Layout, selected
from everlearn.memory.padding import Padding
from everlearn.memory.state import JOURNAL, PLACE, ROWS, Counters, Saved, State, blocks_of, named, recall
from everlearn.types import Batch, InputError

LONG = 2**20
"""Bytes of journal from which on it is written anew, once most of it is past."""


class OnDisk:
    """Room for rows in a folder, which one process at a time may write.

    Args:
        folder: where; what is there already is gone on with.
        rule: the admission rule's name and settings; the folder must be of the same.
        slots: how many rows there is room for.
        keep: how many saves can be gone back to.
        padding: the columns whose rows differ in length.

    Raises:
        InputError: another process writes there, or it holds another memory, or none that can be read.
    """

    def __init__(self, folder: Folder, rule: dict[str, Any], slots: int, keep: int, padding: Padding) -> None:
        self.slots, self.padding = slots, padding
        self._folder = folder
        self._lock = _locked(folder)
        self._process = os.getpid()
        self.closed = False
        self._held: str | None = None
        self._failed: BaseException | None = None
        try:
            state = recall(folder) if folder.has(JOURNAL) else State(rule)
            _check_fits(state, rule, slots, folder.path)
            self._places = torch.full((slots, len(PLACE) - 1), -1, dtype=torch.int64)
            self._file = torch.empty((0, 0), dtype=torch.uint8)
            self._columns: Batch = {}
            self._state = replace(state, keep=keep)
            self._map()
            self._become(self._state)
        except BaseException:
            self._lock.release()
            raise

    @property
    def counters(self) -> Counters:
        """The rule's, as last written."""
        return self._state.counters

    @property
    def at_once(self) -> int:
        """Rows that are best written at once, at most: more of them need more room."""
        return spare(self.slots)

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(self._folder.size(name) for name in (ROWS, JOURNAL) if self._folder.has(name))

    def expect(self, batch: Batch) -> None:
        """Check that rows are like those written before.

        Raises:
            InputError: a column's name, shape or dtype is not as in the first batch.
        """
        if self._state.layout is None:
            Layout.of(batch, self.padding)
        else:
            check_alike(self._state.layout.kinds, kinds(batch, self.padding))

    @property
    def marks(self) -> Tensor:
        """(slots,) float64, what the rule has noted of each row; to be read only."""
        return self._places[:, 2].view(torch.float64)

    def write(self, slots: Tensor, batch: Batch, counters: Counters, marks: Sequence[float] | None = None) -> None:
        """Put the rows of `batch`, which `expect` has seen, into `slots` (each slot at most once).

        Raises:
            OSError: the disk is full, say; all is as it was.
        """
        layout = self._state.layout or Layout.of(batch, self.padding)
        packed, taken = layout.pack(batch)
        if self._state.layout is None:
            self._become(replace(self._state, layout=layout))
        blocks = self._allocate(len(packed))
        borders, content = list(pairwise([0, *taken.cumsum(0).tolist()])), packed.numpy()
        rows = [blocks[start:end] for start, end in borders]
        checksums = [crc32(content[start:end]) for start, end in borders]
        noted = torch.tensor(marks or [0.0] * len(rows), dtype=torch.float64).view(torch.int64)
        places = torch.stack([torch.tensor([row[0] for row in rows]), torch.tensor(checksums), noted], 1)
        table = torch.cat([slots[:, None], places], 1).tolist()
        added = [[*place, *row[1:]] for place, row in zip(table, rows, strict=True)]
        try:
            with self.critical(OSError):
                self._write_blocks(blocks, packed)
                self._append({"add": added, "counters": counters})
                replaced = self._places[slots, 0]
                freed = self._blocks(replaced[replaced >= 0])
                self._places[slots] = places
                if self._is_ragged:
                    self._state.after[blocks] = torch.tensor([one for row in rows for one in (*row[1:], END)])
                self._state.counters = dict(counters)
                self._waiting += freed[~self._pinned[freed]].tolist()
        except OSError:
            self._free += blocks
            raise

    def read(self, slots: Tensor) -> Batch:
        """A copy of the rows in `slots`, in that order."""
        first = self._places[slots, 0]
        if not self._is_ragged:
            return {name: selected(values, first) for name, values in self._columns.items()}
        assert self._state.layout is not None
        blocks, taken = chained(first, self._state.after)
        return self._state.layout.batch(self._file.index_select(0, blocks), taken) if len(slots) else {}

    def prefetch(self, slots: Tensor) -> None:
        """Begin to read these rows, in the background."""
        blocks = self._blocks(self._places[slots, 0]).sort().values.tolist()
        self._folder.prefetch(ROWS, [(block * self._size, self._size) for block in blocks])

    def show(self, slots: Tensor) -> Batch:
        """The same."""
        return self.read(slots)

    def chosen(self, slots: Tensor, choice: Choice) -> Tensor:
        """Which of the rows in `slots` are meant: (slots,) booleans."""
        return self._chosen(self._places[slots, 0], choice)

    def _chosen(self, first: Tensor, choice: Choice) -> Tensor:
        if self._state.layout is None or not len(first):
            return torch.zeros(len(first), dtype=torch.bool)
        choice.check(self._state.layout.kinds)
        return choice({name: self._columns[name][first] for name in choice.columns})

    def in_use(self) -> Tensor:
        """The slots that have rows, in order."""
        return (self._places[:, 0] >= 0).nonzero()[:, 0]

    def flush(self, counters: Counters) -> None:
        """Return once all that was written would survive a crash.

        Raises:
            OSError: it may not; open the memory anew.
        """
        self._sync(ROWS)
        self._append({"synced": True, "counters": counters})
        self._sync(JOURNAL)
        self._state.counters = dict(counters)
        self._free += self._waiting
        self._waiting = []
        if self._end > max(LONG, 4 * self._head):
            self._become(replace(self._state, places=self._table()))

    def save(self, counters: Counters, generator: bytes) -> str:
        """Remember this moment, and flush.

        Returns:
            Its name, for `go_back`.
        """
        name = uuid4().hex
        entry = {"save": name, "generator": b64encode(generator).decode(), "counters": counters}
        with self.critical(OSError):
            self._append(entry)
            self._state.remember(name, Saved(dict(counters), generator, self._table()), self._held)
            self._refer()
        self.flush(counters)
        return name

    def hold(self, name: str) -> None:
        """Keep a save, beside the last ones, until another is held or this object is no more."""
        self._held = name

    def go_back(self, name: str) -> bytes:
        """Become what was saved, but for rows that were deleted since.

        Returns:
            The generator's state.

        Raises:
            InputError: that was let go since.
        """
        if name not in self._state.saves:
            raise InputError(
                f"the memory at {self._folder.path} can't go back to where this was saved, only to its last "
                f"{self._state.keep} saves (saves=), or it is another memory"
            )
        saved = self._state.saves[name]
        state = replace(self._state, places=saved.places, counters=dict(saved.counters), saves=dict(self._state.saves))
        state.remember(name, saved, self._held)
        self._become(state)
        return saved.generator

    def settle(self, kept: Tensor, slots: Tensor, counters: Counters, gone: Choice | None) -> None:
        """Move rows to other slots, and wipe all others from the disk, and from what was saved.

        Args:
            kept: the slots of rows that stay.
            slots: where to, in that order.
            counters: the rule's, after that.
            gone: which rows of what was saved must not stay either.
        """
        saves = dict(self._state.saves)
        if gone is not None:
            for name, saved in saves.items():
                goes = self._chosen(blocks_of(saved.places), gone)
                saves[name] = replace(saved, places=saved.places[~goes])
        places = torch.cat([slots[:, None], self._places[kept]], 1)
        self._become(replace(self._state, places=places, counters=dict(counters), saves=saves, unclean=True))

    def close(self) -> None:
        """Let other processes write; this object can't any more."""
        self.closed = True
        self._folder.close()
        self._lock.release()

    def _become(self, state: State) -> None:
        """Write the journal anew, with another state, and only then be in it.

        The journal is short after that, and no block that is free holds what was deleted.
        """
        if self._folder.has(ROWS):
            self._sync(ROWS)
        self._check_failed()
        head = framed(state.head())
        self._folder.prepare(JOURNAL, head)
        with self.critical():
            self._folder.put(JOURNAL)
            self._state, self._end, self._head = state, len(head), len(head)
            self._places.fill_(-1)
            self._places[state.places[:, 0]] = state.places[:, 1:]
            self._free = []
            self._refer()
            self._free, self._waiting = self._waiting, []
            if state.unclean:
                self._write_blocks(self._free, torch.zeros((len(self._free), self._size), dtype=torch.uint8))
                self._sync(ROWS)
                state.unclean = False
                self._append({"clean": True, "counters": state.counters})

    @contextmanager
    def critical(self, *harmless: type[BaseException]) -> Generator[None]:
        """What is cut short within leaves this object and the disk apart: nothing more is written then.

        Args:
            harmless: errors that come before anything has changed.
        """
        try:
            yield
        except BaseException as error:
            if not isinstance(error, harmless):
                self._failed = error
            raise

    def _refer(self) -> None:
        """Note what is referred to; what is no more waits until the journal is synced."""
        self._pinned = torch.zeros(len(self._file), dtype=torch.bool)
        for saved in self._state.saves.values():
            self._pinned[self._blocks(blocks_of(saved.places))] = True
        taken = self._pinned.clone()
        taken[self._blocks(blocks_of(self._table()))] = True
        taken[self._free] = True
        self._waiting = (~taken).nonzero()[:, 0].tolist()

    def _table(self) -> Tensor:
        """(rows, 4) as `PLACE` has it."""
        slots = self.in_use()
        return torch.cat([slots[:, None], self._places[slots]], 1)

    def _allocate(self, n: int) -> list[int]:
        if len(self._free) < n and self._waiting and len(self._file) >= self._planned():
            self.flush(self._state.counters)
        if len(self._free) < n:
            self._grow(n - len(self._free))
        taken, self._free = self._free[:n], self._free[n:]
        return taken

    def _planned(self) -> int:
        """Blocks with which there is seldom a flush for want of one."""
        if not self._is_ragged:
            return self.slots + self.at_once
        used = len(self._file) - len(self._free) - len(self._waiting)
        return used + spare(used)

    def _grow(self, need: int) -> None:
        """Twice as many blocks, up to what is planned; beyond that, with what was saved, as few as can be.

        Where rows differ in length the plan is not known beforehand: then a sixteenth more.
        """
        have = len(self._file)
        more = spare(have) if self._is_ragged else min(max(2 * have, 64), self._planned()) - have
        blocks = have + max(need, more)
        self._folder.resize(ROWS, blocks * self._size)
        self._map()
        self._pinned = torch.cat([self._pinned, torch.zeros(blocks - have, dtype=torch.bool)])
        if self._is_ragged:
            self._state.after = torch.cat([self._state.after, torch.full((blocks - have,), END)])
        self._free += range(have, blocks)

    def _map(self) -> None:
        if self._state.layout is not None and self._folder.has(ROWS):
            self._file = self._state.layout.rows(self._folder.map(ROWS))
            fields = self._state.layout.fields
            self._columns = {name: self._state.layout.column(name, self._file) for name in fields}

    def _blocks(self, first: Tensor) -> Tensor:
        """All blocks of rows."""
        return chained(first, self._state.after)[0]

    @property
    def _is_ragged(self) -> bool:
        return self._state.layout is not None and bool(self._state.layout.ragged)

    @property
    def _size(self) -> int:
        return 0 if self._state.layout is None else self._state.layout.size

    def _write_blocks(self, blocks: list[int], packed: Tensor) -> None:
        self._check_failed()
        for start, end in _runs(blocks):
            self._folder.write(ROWS, blocks[start] * self._size, packed[start:end].numpy().data)

    def _append(self, entry: dict[str, Any]) -> None:
        self._check_failed()
        data = framed(entry)
        self._folder.write(JOURNAL, self._end, data)
        self._end += len(data)

    def _sync(self, name: str) -> None:
        self._check_failed()
        try:
            self._folder.sync(name)
        except OSError as error:
            # What was written since the last sync may be lost, though the next sync would not say so.
            self._failed = error
            raise

    def _check_failed(self) -> None:
        if self.closed:
            raise InputError(f"this memory was closed: make it anew from {self._folder.path}")
        if self._process != os.getpid():
            raise InputError(f"another process is writing the memory at {self._folder.path}: the one that opened it")
        if self._failed is not None:
            raise OSError(f"the disk failed before; open the memory at {self._folder.path} anew") from self._failed

    def __getstate__(self) -> None:
        raise InputError("a memory on disk can't be copied: one writes there, others read it by memory.reader.Reader")


def _locked(folder: Folder) -> FileLock:
    folder.check("lock")
    lock = FileLock(folder.path / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another process is writing the memory at {folder.path} just now") from None
    return lock


def _check_fits(state: State, rule: dict[str, Any], slots: int, path: Path) -> None:
    if state.rule != rule:
        raise InputError(f"the memory at {path} is {named(state.rule)}, not {named(rule)}")
    if state.layout is not None and state.layout.padding != rule.get("padding", {}):
        raise InputError(f"the memory at {path} can't be read, its journal is damaged: it tells of two paddings")
    if len(state.places) and int(state.places[:, 0].max()) >= slots:
        raise InputError(f"the memory at {path} holds rows beyond the {slots} slots there are")


def _runs(blocks: list[int]) -> Iterator[tuple[int, int]]:
    """Where blocks that follow each other begin and end."""
    breaks = [place for place, (one, other) in enumerate(pairwise(blocks), 1) if other != one + 1]
    return pairwise([0, *breaks, len(blocks)]) if blocks else iter(())
