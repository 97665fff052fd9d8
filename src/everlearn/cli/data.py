"""Commands for data sets."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from everlearn.streams.datasets import DATASETS, find, load
from everlearn.streams.source import folders


@dataclass(frozen=True)
class DataList:
    """List the data sets and whether each is here."""

    def __call__(self) -> int:
        for name, dataset in DATASETS.items():
            print(f"{name:<14} {'here' if dataset.folder() else 'not here yet':<13} {dataset.about}")
        return 0


@dataclass(frozen=True)
class DataGet:
    """Get a data set, where it isn't here yet, and check it."""

    name: tyro.conf.Positional[str]
    """Such as mnist."""

    def __call__(self) -> int:
        for key, values in load(self.name).items():
            print(f"{key:<14} {values.dtype} {values.shape}")
        print(f"in {find(self.name).folder()}")
        return 0


@dataclass(frozen=True)
class DataWhere:
    """Print the folders in which data sets are looked for, in order."""

    def __call__(self) -> int:
        print("\n".join(map(str, folders())))
        return 0


@dataclass(frozen=True)
class Data:
    """Data sets: list them, get one, or see where they are looked for."""

    do: (
        Annotated[DataList, tyro.conf.subcommand("list")]
        | Annotated[DataGet, tyro.conf.subcommand("get")]
        | Annotated[DataWhere, tyro.conf.subcommand("where")]
    )

    def __call__(self) -> int:
        return self.do()
