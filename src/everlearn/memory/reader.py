"""Reading a memory on disk, while another process may be filling it."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from everlearn.chance import generator
from everlearn.memory.chains import chained, checksums
from everlearn.memory.folder import Folder
from everlearn.memory.layout import Layout
from everlearn.memory.padding import Rows
from everlearn.memory.state import JOURNAL, ROWS, State, blocks_of, damaged, recall
from everlearn.ranges import at_least, not_negative
from everlearn.types import Batch


class Reader:
    """A memory in a folder, to be read only, by any number of processes beside the one that writes.

    Every row is checked against its checksum when it is read; where the writer has replaced it meanwhile, what
    is held is looked up anew. What the writer added is seen from the next call on, or `age` seconds later; what it
    deleted is not read again. To look costs as much as to open the memory, some 4 µs for each row held.

    Args:
        path: the memory's folder.
        age: seconds for which what is known of the memory is used again, though it may have changed.
        seed: of the draws, which are uniform and with replacement; those of each DataLoader worker are its own.

    Raises:
        InputError: there is no memory, or it can't be read; or `age` is negative.

    >>> import tempfile
    >>> from everlearn.memory import Reservoir
    >>> folder = tempfile.mkdtemp()
    >>> memory = Reservoir(10, path=folder)
    >>> reader = Reader(folder)
    >>> memory.add({"x": torch.arange(3.0)})
    >>> len(reader), reader.sample(5)["x"].shape
    (3, torch.Size([3]))
    """

    def __init__(self, path: str | Path, *, age: float = 0.0, seed: int = 0) -> None:
        not_negative(age=age)
        self._folder = Folder(path, only_read=True)
        self._age, self._seed = age, seed
        self._process = -1
        self._looked, self._stamp = -inf, None
        self._look()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Reader, age=self._age, seed=self._seed), (self._folder.path,)

    @property
    def rule(self) -> Mapping[str, Any]:
        """The admission rule's name and settings."""
        return self._look().rule

    @property
    def counters(self) -> Mapping[str, float]:
        """What the rule remembers, by name, as last written."""
        return self._look().counters

    @property
    def seen(self) -> int:
        """Rows offered to the memory so far, but for those since its last flush that were passed over."""
        return int(self._look().counters.get("seen", 0))

    @property
    def saves(self) -> int:
        """How many saved states it can go back to."""
        return len(self._look().saves.names)

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(self._folder.size(name) for name in (ROWS, JOURNAL) if self._folder.has(name))

    def __len__(self) -> int:
        return len(self._look().places)

    def sample(self, n: int) -> Batch:
        """Draw min(n, len) rows uniformly; without columns while the memory is empty.

        Raises:
            InputError: n is no whole number or negative; or a row is damaged.
        """
        at_least(0, n=n)
        chance = self._chance()

        def drawn(places: Tensor) -> Tensor:
            return places[torch.randint(len(places), (min(n, len(places)),), generator=chance)]

        found = self._read(drawn) if n else None
        return {} if found is None else found[0].batch(*found[1:])

    def held(self, chosen: Callable[[Tensor], Tensor] | None = None) -> Batch:
        """All rows, in the order of their slots; without columns where there are none.

        Args:
            chosen: which of them, by what the rule has noted of each: (rows,) float64 to (rows,) booleans. Others are
                not read.

        Raises:
            InputError: a row is damaged.
        """

        def wanted(places: Tensor) -> Tensor:
            places = _in_order(places)
            return places if chosen is None else places[chosen(places[:, 3].view(torch.float64))]

        found = self._read(wanted)
        return {} if found is None or not len(found[2]) else found[0].batch(*found[1:])

    def rows(self) -> Rows:
        """The same, but of columns whose rows differ in length each row by itself.

        Raises:
            InputError: a row is damaged.
        """
        found = self._read(_in_order)
        return {} if found is None else found[0].unpack(*found[1:])

    def damaged(self) -> int:
        """How many rows, those of what was saved counted too, are not as they were written.

        While a writer is at work, rows that it has replaced count as well.
        """
        state = self._look()
        if state.layout is None or not self._folder.has(ROWS):
            return 0
        places = torch.cat([state.places, *(one.places for one in state.moments.values())])[:, 1:3].unique(dim=0)
        blocks, taken = chained(places[:, 0], state.after)
        found = checksums(self._file(state.layout)[blocks], taken)
        return sum(one != told for one, told in zip(found, places[:, 1].tolist(), strict=True))

    def _chance(self) -> torch.Generator:
        """Of this process: a forked worker's copy would draw what all others do."""
        if self._process != os.getpid():
            worker = get_worker_info()
            self._generator = generator(self._seed + (worker.seed if worker else 0), "reader")
            self._process = os.getpid()
        return self._generator

    def _look(self, *, anew: bool = False) -> State:
        if not anew and monotonic() - self._looked < self._age:
            return self._state
        self._looked = monotonic()
        stamp = self._folder.stamp(JOURNAL) if self._folder.has(JOURNAL) else None
        if stamp is None or stamp != self._stamp:
            self._state = recall(self._folder)
            self._stamp = stamp
        return self._state

    def _read(self, choose: Callable[[Tensor], Tensor]) -> tuple[Layout, Tensor, Tensor] | None:
        """The layout of rows, their blocks, and how many each takes; None where there are no rows."""
        before = None
        # A block is used for another row only once the journal says so: damage is what it does not explain.
        while before != self._stamp:
            state, before = self._look(), self._stamp
            if state.layout is None or not len(state.places):
                return None
            places = choose(state.places)
            blocks, taken = chained(blocks_of(places), state.after)
            content = self._file(state.layout)[blocks]
            if checksums(content, taken) == places[:, 2].tolist():
                return state.layout, content, taken
            self._look(anew=True)
        raise damaged(self._folder)

    def _file(self, layout: Layout) -> Tensor:
        return layout.rows(self._folder.map(ROWS))


def _in_order(places: Tensor) -> Tensor:
    return places[places[:, 0].argsort()]
