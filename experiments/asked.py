"""What all of these scripts are asked alike: python experiments/NAME.py [run [PROCESSES]]."""

import sys
from collections.abc import Sequence
from pathlib import Path

from everlearn.launch import Launched, launch


def to_run() -> bool:
    """Whether to run what is missing, too."""
    return sys.argv[1:2] == ["run"]


def processes() -> int | None:
    """How many at once; by default as many as there are cores."""
    return int(sys.argv[2]) if len(sys.argv) > 2 else None


def run_missing(experiments: Sequence[Launched], records: Path) -> None:
    """Run what has no whole record yet, and tell what failed."""
    for folder, error in launch(experiments, records, processes()).failures.items():
        print(f"{folder.name}: {error}", file=sys.stderr)
