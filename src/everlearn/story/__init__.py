"""The story of forgetting: a few small experiments and what they show, as one HTML page."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from tqdm import tqdm

from everlearn.files import write_whole
from everlearn.launch import cores
from everlearn.story.addition import course
from everlearn.story.dilemma import point, sweep
from everlearn.story.page import story_page
from everlearn.story.tradeoff import LEARNERS, look
from everlearn.streams.datasets import load

NETWORKS = range(10, 15)
"""Seeds of the networks that learn to add; the settings were tried out on others."""


def tell(path: Path, workers: int | None = None) -> None:
    """Run everything and write the page.

    Args:
        path: the HTML file, written whole or not at all.
        workers: processes at once, one a core by default.

    Raises:
        InputError: MNIST could not be had.
        OSError: the page can't be written.
    """
    load("mnist")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or cores(), context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # The longest first, so that no core waits for them at the end.
        mer = [pool.submit(course, True, seed) for seed in NETWORKS]
        seen = {name: pool.submit(look, name) for name in LEARNERS}
        points = {
            method: [pool.submit(point, method, knob, one) for knob, one in own] for method, own in sweep().items()
        }
        plain = [pool.submit(course, False, seed) for seed in NETWORKS]
        started = [*mer, *seen.values(), *(one for own in points.values() for one in own), *plain]
        for _ in tqdm(as_completed(started), total=len(started), unit="experiment"):
            pass
        html = story_page(
            [one.result() for one in plain],
            [one.result() for one in mer],
            {method: [one.result() for one in own] for method, own in points.items()},
            {name: one.result() for name, one in seen.items()},
        )
    write_whole(path, html.encode())
