"""Many runs over processes, one per core, under one progress display."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from threading import Thread
from time import monotonic
from typing import Any, Protocol

import torch
from tqdm import tqdm

from everlearn.ranges import at_least
from everlearn.types import InputError


@dataclass(frozen=True)
class Outcome:
    """How the launch of some runs ended."""

    failures: dict[Path, Exception]
    """What went wrong in which run's folder; all other runs went on."""
    interrupted: bool
    """Ctrl-C came; what was done is kept."""


@dataclass(frozen=True)
class _Progress:
    """What a worker tells of its run, a few times a second."""

    name: str
    seen: int
    note: str
    finished: bool


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Launched(Protocol):
    """What can be launched: a value that runs into a folder. It is sent to another process, and compared."""

    @property
    def length(self) -> int:
        """Of the whole run, in units of its own."""
        ...

    @property
    def unit(self) -> str:
        """What these are called, in short."""
        ...

    @property
    def label(self) -> str:
        """A short name of the run."""
        ...

    def folder(self) -> str:
        """The name of the run's folder."""
        ...

    def is_finished(self, folder: Path, /) -> bool:
        """Whether a folder holds this run, whole."""
        ...

    def perform(self, folder: Path, /) -> Iterator[Any]:
        """Run into a folder, or go on there; yields events."""
        ...

    def progress(self, event: Any, /) -> tuple[int, str] | None:
        """How far the run is after an event, and what to show beside; None where the event does not tell."""
        ...


def launch(experiments: Sequence[Launched], out: Path, workers: int | None = None) -> Outcome:
    """Perform experiments, each into its own folder below `out`, as many at once as there are cores.

    What is recorded already is not done again, and what was cut short goes on. Ctrl-C stops all
    runs; nothing recorded is lost.

    Args:
        experiments: any number; each runs on one thread.
        out: the folder of folders.
        workers: processes at once, one a core by default.

    Raises:
        InputError: fewer than one worker, or `out` is no folder that can be written to.
    """
    workers = cores() if workers is None else workers
    at_least(1, workers=workers)
    _check_folder(out)
    recorded = {one for one in experiments if one.is_finished(out / one.folder())}
    experiments = [one for one in dict.fromkeys(experiments) if one not in recorded]
    if not experiments:
        return Outcome({}, interrupted=False)
    context = multiprocessing.get_context("spawn")
    messages, stop = context.Queue(), context.Event()
    failures: dict[Path, Exception] = {}
    folders: dict[Future, Path] = {}
    interrupted = False
    size = min(workers, len(experiments))
    with (
        _Bars(experiments) as bars,
        ProcessPoolExecutor(size, context, initializer=_prepare, initargs=(messages, stop)) as pool,
    ):
        try:
            with _ctrl_c_later():
                folders |= {pool.submit(_perform, one, out / one.folder()): out / one.folder() for one in experiments}
            _watch(list(folders), messages, bars)
        except KeyboardInterrupt:
            interrupted = True
            stop.set()
            pool.shutdown(cancel_futures=True)
        for future, folder in folders.items():
            error = None if future.cancelled() else future.exception()
            if isinstance(error, BrokenProcessPool):
                error = RuntimeError("its process died (out of memory, or killed)")
            if isinstance(error, Exception):
                failures[folder] = error
    return Outcome(failures, interrupted)


@contextmanager
def _ctrl_c_later() -> Generator[None]:
    """Ctrl-C within comes at the end; to processes that start within it never comes."""
    came: list[bool] = []
    handler = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    # Another thread may still take it for this process; processes have what is blocked from this thread.
    blocked = None if sys.platform == "win32" else signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def _check_folder(out: Path) -> None:
    """Before processes start for it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"records can't be written to {out}: {error.strerror}; name a folder with --out") from error
    if not os.access(out, os.W_OK):
        raise InputError(f"records can't be written to {out}: name a folder with --out")


def _watch(futures: list[Future], messages: Any, bars: "_Bars") -> None:
    """Show what comes until all runs have ended."""
    while wait(futures, timeout=0).not_done:
        try:
            bars.show(messages.get(timeout=0.2))
        except Empty:
            continue
    while not messages.empty():
        bars.show(messages.get())


_messages: Any = None
_stop: Any = None


def _prepare(messages: Any, stop: Any) -> None:
    """Once in each process: its end of the line, one thread, and no life after the parent's."""
    global _messages, _stop
    _messages, _stop = messages, stop
    torch.set_num_threads(1)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _perform(experiment: Launched, folder: Path) -> None:
    last = 0.0
    for event in experiment.perform(folder):
        if _stop.is_set():
            return
        if monotonic() - last > 0.2 and (progress := experiment.progress(event)) is not None:
            last = monotonic()
            _messages.put(_Progress(folder.name, *progress, finished=False))
    _messages.put(_Progress(folder.name, experiment.length, "", finished=True))


class _Bars:
    """One bar for all runs, and one below for each that is under way."""

    def __init__(self, experiments: Sequence[Launched]) -> None:
        self._sizes = {one.folder(): one for one in experiments}
        self._seen: dict[str, int] = {}
        self._running: dict[str, tqdm] = {}
        self._done = 0
        # The time left is told from the mean speed so far: runs differ in what an example costs.
        total = sum(one.length for one in experiments)
        self._all = tqdm(total=total, unit=experiments[0].unit, smoothing=0, dynamic_ncols=True)

    def __enter__(self) -> "_Bars":
        self._all.set_description(f"0/{len(self._sizes)} runs")
        return self

    def __exit__(self, *_: object) -> None:
        for bar in [*self._running.values(), self._all]:
            bar.close()

    def show(self, progress: _Progress) -> None:
        name = progress.name
        if name not in self._running and not progress.finished:
            self._running[name] = self._bar(name)
        step = progress.seen - self._seen.get(name, 0)
        self._seen[name] = progress.seen
        self._all.update(step)
        bar = self._running.get(name)
        if bar is not None:
            bar.set_postfix_str(progress.note, refresh=False)
            bar.update(step)
        if progress.finished:
            self._done += 1
            self._all.set_description(f"{self._done}/{len(self._sizes)} runs")
            if bar is not None:
                self._running.pop(name).close()

    def _bar(self, name: str) -> tqdm:
        one = self._sizes[name]
        return tqdm(total=one.length, desc=f"  {one.label:<16}", unit=one.unit, leave=False, dynamic_ncols=True)
