"""Sinks: `sink(values, seen)` hands measures on to a library that the user has set up."""

import json
from pathlib import Path
from typing import Any

from everlearn.types import Sink


def tensorboard(writer: Any) -> Sink:
    """Scalars of a `torch.utils.tensorboard.SummaryWriter`."""

    def sink(values: dict[str, float], seen: int) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, seen)

    return sink


def mlflow_run(mlflow: Any) -> Sink:
    """Metrics of the module `mlflow`'s active run."""
    return lambda values, seen: mlflow.log_metrics(values, step=seen)


def wandb_run(run: Any) -> Sink:
    """The history of what `wandb.init` gave."""
    return lambda values, seen: run.log(values, step=seen)


def json_lines(path: str | Path) -> Sink:
    """A line for each reading, at the end of a file."""

    def sink(values: dict[str, float], seen: int) -> None:
        with Path(path).open("a") as file:
            file.write(json.dumps({"seen": seen} | values) + "\n")

    return sink
