"""Columns in a folder: rows in blocks of one file, and in a journal what the blocks are.

A row is written into a block that nothing refers to (or several, where columns differ in length), and
only then into the journal; the block of the row that it replaces is used again once the journal is
synced. So whatever a crash cuts short, each slot has a whole row: its new one, or the one before. What
is saved refers to blocks as well, which stay until it is let go: neither saving nor going back copies rows.
"""

import os
from base64 import b64encode
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from everlearn.batches import check_alike, kinds
from everlearn.memory.chains import END, chained, checksums
from everlearn.memory.choice import DAMAGED, Choice
from everlearn.memory.fitting import spare
from everlearn.memory.folder import Folder
from everlearn.memory.journal import FLUSHED, framed
from everlearn.memory.layout import Layout, selected
from everlearn.memory.padding import Padding
from everlearn.memory.saves import Saves
from everlearn.memory.state import JOURNAL, PLACE, ROWS, Counters, Moment, State, blocks_of, damaged, named, recall
from everlearn.types import Batch, InputError

LONG = 2**20
"""Bytes of journal from which on it is written anew, once most of it is past."""


class OnDisk:
    """Room for rows in a folder, which one process at a time may write.

    Args:
        folder: where; what is there already is gone on with.
        rule: the admission rule's name and settings; the folder must be of the same.
        slots: how many rows there is room for.
        keep: how many saves can be gone back to, at least.
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
        self._failed: BaseException | None = None
        self._allocated = 0
        try:
            state = recall(folder) if folder.has(JOURNAL) else State(rule)
            _check_fits(state, rule, slots, folder.path)
            self._places = torch.full((slots, len(PLACE) - 1), -1, dtype=torch.int64)
            self._file = torch.empty((0, 0), dtype=torch.uint8)
            self._columns: Batch = {}
            self._intact = torch.zeros(0, dtype=torch.bool)
            self._state = replace(state, saves=replace(state.saves, keep=keep))
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
        self._check_failed()
        layout = self._state.layout or Layout.of(batch, self.padding)
        packed, taken = layout.pack(batch)
        if self._state.layout is None:
            self._become(replace(self._state, layout=layout))
        blocks = self._allocate(len(packed))
        rows = [blocks[start:end] for start, end in pairwise([0, *taken.cumsum(0).tolist()])]
        noted = torch.tensor(marks or [0.0] * len(rows), dtype=torch.float64).view(torch.int64)
        places = torch.stack([torch.tensor([row[0] for row in rows]), torch.tensor(checksums(packed, taken)), noted], 1)
        table = torch.cat([slots[:, None], places], 1).tolist()
        added = [[*place, *row[1:]] for place, row in zip(table, rows, strict=True)]
        try:
            with self.critical(OSError):
                self._write_blocks(blocks, packed)
                self._append({"add": added} | self._changed(counters))
                replaced = self._places[slots, 0]
                freed = self._blocks(replaced[replaced >= 0])
                self._places[slots] = places
                self._intact[places[:, 0]] = True
                if self._is_ragged:
                    self._state.after[blocks] = torch.tensor([one for row in rows for one in (*row[1:], END)])
                self._state.counters = dict(counters)
                self._waiting += freed[~self._pinned[freed]].tolist()
        except OSError:
            self._free += blocks
            raise

    def count(self, counters: Counters) -> None:
        """Write the rule's counters, where no row is.

        Raises:
            OSError: the disk is full, say; all is as it was.
        """
        changed = self._changed(counters)
        if changed:
            with self.critical(OSError):
                self._append(changed)
                self._state.counters = dict(counters)

    def read(self, slots: Tensor) -> Batch:
        """A copy of the rows in `slots`, in that order.

        Raises:
            InputError: one of them is damaged; of each that is asked when it is looked at for the first time.
        """
        first = self._places[slots, 0]
        if not self._intact[first].all():
            self._check_intact(self._places[slots])
        if not self._is_ragged:
            return {name: selected(values, first) for name, values in self._columns.items()}
        assert self._state.layout is not None
        blocks, taken = chained(first, self._state.after)
        return self._state.layout.batch(self._file.index_select(0, blocks), taken) if len(slots) else {}

    def _check_intact(self, places: Tensor) -> None:
        if not self._are_intact(places).all():
            raise damaged(self._folder)

    def _are_intact(self, places: Tensor) -> Tensor:
        """Which rows are as they were written, given (rows, 2 or more) first blocks and checksums."""
        intact = self._intact[places[:, 0]]
        if not intact.all():
            unsure = places[~intact].unique(dim=0)
            blocks, taken = chained(unsure[:, 0], self._state.after)
            found = torch.tensor(checksums(self._file[blocks], taken))
            self._intact[unsure[:, 0]] = found == unsure[:, 1]
            intact = self._intact[places[:, 0]]
        return intact

    def prefetch(self, slots: Tensor) -> None:
        """Begin to read these rows, in the background, and the pages that the next rows will be written to.

        A page is read before a part of it is written. The next rows are taken to be as many as the last ones.
        """
        blocks = self._blocks(self._places[slots, 0]).sort().values.tolist() + self._free[: self._allocated]
        self._folder.prefetch(ROWS, [(block * self._size, self._size) for block in blocks])

    def show(self, slots: Tensor) -> Batch:
        """The same."""
        return self.read(slots)

    def chosen(self, slots: Tensor, choice: Choice) -> Tensor:
        """Which of the rows in `slots` are meant: (slots,) booleans."""
        return self._chosen(self._places[slots], choice)

    def _chosen(self, places: Tensor, choice: Choice) -> Tensor:
        if self._state.layout is None or not len(places):
            return torch.zeros(len(places), dtype=torch.bool)
        if choice is DAMAGED:
            return ~self._are_intact(places)
        choice.check(self._state.layout.kinds)
        self._check_intact(places)
        return choice({name: self._columns[name][places[:, 0]] for name in choice.columns})

    def in_use(self) -> Tensor:
        """The slots that have rows, in order."""
        return (self._places[:, 0] >= 0).nonzero()[:, 0]

    def flush(self, counters: Counters) -> None:
        """Return once all that was written would survive a crash.

        Raises:
            OSError: it may not; open the memory anew.
        """
        self._sync(ROWS)
        self._append({"synced": True} | self._changed(counters))
        self._sync(JOURNAL)
        self._state.counters = dict(counters)
        self._free += self._waiting
        self._waiting = []
        self._append(FLUSHED)
        if self._end > max(LONG, 4 * self._head):
            with suppress(OSError):  # It stays as long as it is.
                self._become(replace(self._state, places=self._table()))

    def save(self, counters: Counters, generator: bytes) -> str:
        """Remember this moment, and flush.

        Returns:
            Its name, for `go_back`.
        """
        name = uuid4().hex
        entry = {"save": name, "generator": b64encode(generator).decode()} | self._changed(counters)
        with self.critical(OSError):
            self._append(entry)
            self._state.counters = dict(counters)
            self._state.moments[name] = Moment(dict(counters), generator, self._table())
            self._stay(self._state.saves.after(entry))
        self.flush(counters)
        return name

    def confirm(self, name: str) -> None:
        """What a save was for is there: it no longer gives way to others that are only tried."""
        if name in self._state.saves.tried:
            with suppress(OSError):  # It stays among those tried.
                self._note({"confirm": name})

    def hold(self, name: str) -> None:
        """Keep a save, beside the last ones, until another is held.

        Raises:
            InputError: it was let go.
        """
        self._check_saved(name)
        if self._state.saves.held != name:
            self._note({"hold": name})

    def _note(self, entry: dict[str, str]) -> None:
        with self.critical(OSError):
            self._append(entry)
            self._stay(self._state.saves.after(entry))

    def _stay(self, saves: Saves) -> None:
        self._state.stay(saves)
        self._refer()

    def go_back(self, name: str) -> bytes:
        """Become what was saved, but for rows that were deleted since.

        Returns:
            The generator's state.

        Raises:
            InputError: that was let go since.
        """
        self._check_saved(name)
        moment = self._state.moments[name]
        state = replace(self._state, places=moment.places, counters=dict(moment.counters))
        state.stay(self._state.saves.back(name))
        self._become(state)
        return moment.generator

    def _check_saved(self, name: str) -> None:
        if not isinstance(name, str) or name not in self._state.moments:
            raise InputError(
                f"the memory at {self._folder.path} can't go back to where this was saved, only to its last "
                f"{self._state.saves.keep} saves (saves=), or it is another memory"
            )

    def settle(self, kept: Tensor, slots: Tensor, counters: Counters, gone: Choice | None) -> None:
        """Move rows to other slots, and wipe all others from the disk, and from what was saved.

        Args:
            kept: the slots of rows that stay.
            slots: where to, in that order.
            counters: the rule's, after that.
            gone: which rows of what was saved must not stay either.
        """
        moments = dict(self._state.moments)
        if gone is not None:
            for name, one in moments.items():
                moments[name] = replace(one, places=one.places[~self._chosen(one.places[:, 1:], gone)])
        places = torch.cat([slots[:, None], self._places[kept]], 1)
        self._become(replace(self._state, places=places, counters=dict(counters), moments=moments, unclean=True))

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
            state.places = state.places[:0].clone()  # They go by slot from here on.
            self._free = []
            self._refer()
            self._free, self._waiting = self._waiting, []
            if state.unclean:
                self._write_blocks(self._free, torch.zeros((len(self._free), self._size), dtype=torch.uint8))
                self._sync(ROWS)
                state.unclean = False
                self._append({"clean": True})

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
                self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        """Nothing is written any more; the folder may be opened anew."""
        if self._failed is None and self._process == os.getpid():
            self._failed = error
            self._lock.release()

    def _refer(self) -> None:
        """Note what is referred to; what is no more waits until the journal is synced."""
        self._pinned = torch.zeros(len(self._file), dtype=torch.bool)
        for moment in self._state.moments.values():
            self._pinned[self._blocks(blocks_of(moment.places))] = True
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
        taken, self._allocated = self._free[:n], n
        del self._free[:n]
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
            new = torch.zeros(len(self._file) - len(self._intact), dtype=torch.bool)
            self._intact = torch.cat([self._intact, new])
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

    def _changed(self, counters: Counters) -> dict[str, Counters]:
        """What an entry tells of counters: those that are not as last told. None goes but with a new head."""
        told = self._state.counters
        changed = {name: number for name, number in counters.items() if told.get(name) != number}
        return {"counters": changed} if changed else {}

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
            self._fail(error)
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
