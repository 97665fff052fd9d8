"""The command line, made from the settings' own dataclasses."""

import sys
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from typing import Annotated

import tyro

from everlearn.cli.data import Data
from everlearn.cli.experiments import List, Paper, Play, Report, Run, Story
from everlearn.cli.gate import Gate
from everlearn.cli.language import Language
from everlearn.cli.memory import Memory
from everlearn.types import Diverged, InputError

Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Paper, tyro.conf.subcommand("paper")]
    | Annotated[Language, tyro.conf.subcommand("lm")]
    | Annotated[Story, tyro.conf.subcommand("story")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Play, tyro.conf.subcommand("play")]
    | Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Memory, tyro.conf.subcommand("memory")]
    | Annotated[Gate, tyro.conf.subcommand("gate")]
    | Annotated[Data, tyro.conf.subcommand("data")]
)


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0, 1 where a run failed, 2 for bad input, 130 after Ctrl-C."""
    markers = (
        tyro.conf.OmitArgPrefixes,
        tyro.conf.OmitSubcommandPrefixes,
        tyro.conf.CascadeSubcommandArgs,
        tyro.conf.HelptextFromCommentsOff,
    )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # A terminal without Unicode shows a mark instead.
            stream.reconfigure(errors="replace")
    try:
        command: Callable[[], int] = tyro.cli(
            Command,
            prog="everlearn",
            description="Keep a neural network learning from a stream that changes, without losing what it knew.",
            args=args,
            config=markers,
        )
        return command()
    except (InputError, Diverged, OSError) as error:
        print(f"everlearn: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name != "gymnasium":
            raise
        print("everlearn: games need gymnasium: pip install 'everlearn[rl]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
