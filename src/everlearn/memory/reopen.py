"""A memory from its folder alone."""

from pathlib import Path

from everlearn.memory.balanced import Balanced
from everlearn.memory.bottom_k import BottomK
from everlearn.memory.bounded import BoundedMemory
from everlearn.memory.fifo import Fifo
from everlearn.memory.folder import Folder
from everlearn.memory.reservoir import Reservoir
from everlearn.memory.ring import Ring
from everlearn.memory.state import recall
from everlearn.memory.weighted import Weighted
from everlearn.types import InputError

KINDS = {
    "balanced": Balanced,
    "bottom-k": BottomK,
    "fifo": Fifo,
    "reservoir": Reservoir,
    "ring": Ring,
    "weighted": Weighted,
}
"""By their rule's name."""

MOST = 2**27
"""Rows for which a stranger's word is taken: their table takes 3 GiB."""


def reopen(path: str | Path, *, seed: int = 0) -> BoundedMemory:
    """The memory that is kept in a folder, to go on with: it draws with replacement, and keeps two saved states.

    Args:
        path: the folder.
        seed: of the admissions and the draws from now on.

    Raises:
        InputError: there is none, it can't be read, or another process is writing there.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> Fifo(10, path=folder).close()
    >>> reopen(folder).capacity
    10
    """
    rule = dict(recall(Folder(path, only_read=True)).rule)
    if isinstance(rule.get("capacity"), int) and rule["capacity"] > MOST:
        raise InputError(f"the memory at {path} is to have room for {rule['capacity']:,} rows: make it by its class")
    try:
        kind = KINDS[rule.pop("name")]
        return kind(**rule, seed=seed, path=path)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the memory at {path} is of a kind that is not known here: {error}") from error
