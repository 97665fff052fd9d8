"""Reading a memory on disk, while another process may be filling it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from everlearn.chance import generator
from everlearn.memory.folder import Folder
from everlearn.memory.layout import Layout
from everlearn.memory.state import JOURNAL, ROWS, State, blocks_of, recall
from everlearn.types import Batch, InputError


class Reader:
    """A memory in a folder, to be read only, by any number of processes beside the one that writes.

    Every row is checked against its checksum when it is read; where the writer has replaced it meanwhile, what
    is held is looked up anew. What the writer added is seen from the next call on.

    Args:
        path: the memory's folder.
        seed: of the draws, which are uniform and with replacement.

    Raises:
        InputError: there is no memory, or it can't be read.

    >>> import tempfile
    >>> from everlearn.memory import Reservoir
    >>> folder = tempfile.mkdtemp()
    >>> memory = Reservoir(10, path=folder)
    >>> reader = Reader(folder)
    >>> memory.add({"x": torch.arange(3.0)})
    >>> len(reader), reader.sample(5)["x"].shape
    (3, torch.Size([3]))
    """

    def __init__(self, path: str | Path, *, seed: int = 0) -> None:
        self._folder = Folder(path, only_read=True)
        self._generator = generator(seed, "reader")
        self._stamp: Any = None
        self._look()

    def __reduce__(self) -> tuple[Any, ...]:
        return Reader, (self._folder.path,)

    @property
    def rule(self) -> Mapping[str, Any]:
        """The admission rule's name and settings."""
        return self._look().rule

    @property
    def seen(self) -> int:
        """Rows offered to the memory so far, but for those since its last flush that were passed over."""
        return int(self._look().counters.get("seen", 0))

    @property
    def saves(self) -> int:
        """How many saved states it can go back to."""
        return len(self._look().saves)

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(self._folder.size(name) for name in (ROWS, JOURNAL) if self._folder.has(name))

    def __len__(self) -> int:
        return len(self._look().places)

    def sample(self, n: int) -> Batch:
        """Draw min(n, len) rows uniformly; without columns while the memory is empty.

        Raises:
            InputError: n is negative; or a row is damaged.
        """
        if n < 0:
            raise InputError(f"cannot sample {n} rows")

        def drawn(places: Tensor) -> Tensor:
            return places[torch.randint(len(places), (min(n, len(places)),), generator=self._generator)]

        return self._read(drawn) if n and len(self) else {}

    def held(self) -> Batch:
        """All rows, in the order of their slots; without columns while the memory is empty.

        Raises:
            InputError: a row is damaged.
        """
        return self._read(lambda places: places[places[:, 0].argsort()]) if len(self) else {}

    def damaged(self) -> int:
        """How many rows, those of what was saved counted too, are not as they were written.

        While a writer is at work, rows that it has replaced count as well.
        """
        state = self._look()
        places = torch.cat([state.places, *(saved.places for saved in state.saves.values())])
        layout = state.layout
        if layout is None:
            return 0
        rows = layout.rows(self._folder.map(ROWS)) if self._folder.has(ROWS) else torch.empty(0)
        return sum(crc32(rows[block].numpy()) != checksum for block, checksum in places[:, 1:3].unique(dim=0).tolist())

    def _look(self) -> State:
        stamp = self._folder.stamp(JOURNAL) if self._folder.has(JOURNAL) else None
        if stamp is None or stamp != self._stamp:
            self._state = recall(self._folder)
            self._stamp = stamp
        return self._state

    def _read(self, choose: Callable[[Tensor], Tensor]) -> Batch:
        before = None
        # A block is used for another row only once the journal says so: damage is what it does not explain.
        while before != self._stamp:
            state, before = self._look(), self._stamp
            if state.layout is None or not len(state.places):
                return {}
            places = choose(state.places)
            rows = self._rows(state.layout)[blocks_of(places)]
            if all(map(_is_whole, rows.numpy(), places[:, 2].tolist())):
                return {name: values.clone() for name, values in state.layout.columns(rows).items()}
            self._look()
        raise InputError(f"rows at {self._folder.path} are damaged: everlearn memory check tells how many")

    def _rows(self, layout: Layout) -> Tensor:
        return layout.rows(self._folder.map(ROWS))


def _is_whole(row: Any, checksum: int) -> bool:
    return crc32(row) == checksum
