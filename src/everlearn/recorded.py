"""Runs that are recorded in a folder, and go on from where they were last saved."""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from everlearn import checkpoint
from everlearn.record import Record
from everlearn.types import Diverged, InputError

CHECKPOINT = "checkpoint.safetensors"
"""In a run's folder; `Learner.load` reads a supervised run's too."""

State = dict[str, Any]
Life = Callable[[State | None], Iterator[tuple[Any, State | None]]]
"""`life(state)` yields events (dataclasses) from the beginning, or from a saved state on; each with the state
to save, where it is time to."""


def key(config: Mapping[str, Any]) -> str:
    """Settings in six letters and digits, for a folder's name."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:6]


def is_finished(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether a folder holds the whole run with these settings."""
    try:
        lines = list(Record(folder).lines())
    except InputError:
        return False
    return _is_whole(lines) and lines[0]["config"] == config


def perform(
    folder: Path, config: Mapping[str, Any], path: str, life: Life, passing: type | tuple[type, ...]
) -> Iterator[Any]:
    """Run into a folder, or go on from where it was last saved there; nothing where it is finished.

    A run that goes on gives the same record as an unbroken one. That a run diverged is recorded too: it
    would again.

    Args:
        folder: of this run alone.
        config: all its settings.
        path: the learner's, for the record's header.
        life: what happens.
        passing: events that are not recorded.

    Yields:
        The events.

    Raises:
        InputError: the folder holds a run of other settings, or another process is running there.
        Diverged: it does, or did before.
        OSError: the disk is full; the record is whole up to the last event.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            yield from _perform(Record(folder), config, path, life, passing)
    except Timeout:
        raise InputError(f"another process is running {folder} just now") from None


def _perform(
    record: Record, config: Mapping[str, Any], path: str, life: Life, passing: type | tuple[type, ...]
) -> Iterator[Any]:
    lines, state = list(record.lines()), None
    if not lines:
        for old in record.folder.glob("*.safetensors"):
            old.unlink()
        record.start(config, path)
    elif lines[0]["config"] != config:
        raise InputError(f"{record.folder} holds a run of other settings; name another folder with --out")
    elif _is_whole(lines):
        return
    elif lines[-1]["event"] == "diverged":
        raise Diverged(f"{lines[-1]['why']} (So it was recorded; remove {record.folder} to run it again.)")
    else:
        state = _go_back(record)
    try:
        for event, saved in life(state):
            if not isinstance(event, passing):
                record.append({"event": type(event).__name__.lower(), **asdict(event)})
            if saved is not None:
                checkpoint.save(saved | {"record": record.sync()}, record.folder / CHECKPOINT)
            yield event
    except Diverged as error:
        record.append({"event": "diverged", "why": str(error)})
        raise
    record.append({"event": "finished", "peak_rss_mb": _peak_rss()})


def _go_back(record: Record) -> State | None:
    """The state that was last saved, if any; the record is brought back to that moment."""
    saved = record.folder / CHECKPOINT
    if not saved.exists():
        record.cut_to_header()
        return None
    state = checkpoint.load(saved)
    if record.path.stat().st_size < state["record"]:
        raise InputError(f"{record.path} is shorter than when {saved.name} was written: remove {record.folder}")
    record.cut(state["record"])
    return state


def _is_whole(lines: list[dict[str, Any]]) -> bool:
    return bool(lines) and lines[-1]["event"] == "finished"


def _peak_rss() -> int | None:
    """The most memory that this process has held, in MiB; None where the system does not tell."""
    status = Path("/proc/self/status")
    own = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if own is not None:
        # What getrusage tells on Linux is the parent's peak where that was higher: it outlives the exec.
        return int(own[1]) // 2**10
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
