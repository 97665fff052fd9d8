"""What commands share: they run experiments into records, and show records."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from everlearn.cli.told import told
from everlearn.launch import Launched, launch
from everlearn.report import (
    alignment_table,
    game_table,
    language_table,
    read_lives,
    read_readings,
    read_results,
    reproduction_table,
    text_table,
    transfer_table,
    write_page,
)
from everlearn.types import InputError


def check_page(path: Path) -> None:
    """Before anything is done for it: a page can be written there."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"the page can't be written to {path}: name a file with --out")


def launch_and_show(
    experiments: Sequence[Launched],
    out: Path,
    workers: int | None,
    report: Path | None = None,
    table: int | None = None,
) -> int:
    """Run, then show what the runs gave, and what the paper's table holds beside."""
    outcome = launch(experiments, out, workers)
    for folder, error in outcome.failures.items():
        print(f"everlearn: {folder.name}: {told(error)}", file=sys.stderr)
    if outcome.interrupted:
        print("everlearn: stopped; what was done is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    done = [out / one.folder() for one in experiments if out / one.folder() not in outcome.failures]
    if done:
        show(done, report, table)
        print(f"\nrecords: {out.resolve()}")
        if report is not None:
            print(f"report: {report.resolve()}")
    return 1 if outcome.failures else 0


def show(places: Sequence[Path], page: Path | None, table: int | None = None) -> None:
    """Print the tables of what is recorded at or below some folders, and write the page where there is to be one."""
    results, games, readings = read_results(places), read_lives(places), read_readings(places)
    if not (results or games or readings):
        raise InputError(f"no finished run at or below {', '.join(map(str, places))}")
    if page is not None:
        write_page(results, page, games, readings)
    tables = [text_table(results), alignment_table(results), game_table(games), language_table(readings)]
    if table == 5:
        tables.append(transfer_table(results))
    if table in (7, 8, 9):
        tables.append(reproduction_table(results))
    print("\n\n".join(filter(None, tables)))
