"""A nested state in one file: tensors by safetensors, their places and all else as JSON in its header."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from everlearn.types import InputError

FORMAT = "everlearn/1"


def save(state: Any, path: str | Path) -> None:
    """Write a state atomically: after a crash the file is whole, or as it was before.

    Args:
        state: dicts, lists and tuples of tensors, numbers, strings, booleans and None; keys are
            strings or integers.
        path: the file; its folder is made.

    Raises:
        InputError: something in the state is of another kind.
        OSError: the disk is full, or the folder can't be written.
    """
    path = Path(path)
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_take_out(state, tensors))
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, aside, metadata={"format": FORMAT, "state": tree})
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    except SafetensorError as error:
        raise OSError(f"{path} could not be written: {error}") from error
    finally:
        aside.unlink(missing_ok=True)


def load(path: str | Path) -> Any:
    """Read what `save` wrote, onto the CPU.

    Raises:
        InputError: there is no such file, or it is not a checkpoint of this format.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise InputError(f"{path} is not a checkpoint of the format {FORMAT}")
            return _put_back(json.loads(header["state"]), file.get_tensor)
    except SafetensorError as error:
        raise InputError(f"{path} is not a whole checkpoint: {error}") from error


def _take_out(state: Any, tensors: dict[str, Tensor]) -> Any:
    """The state as JSON can hold it, its tensors moved into `tensors`."""
    match state:
        case Tensor():
            name = str(len(tensors))
            # A copy each: safetensors refuses tensors that share storage, as tied weights do.
            tensors[name] = state.detach().cpu().clone(memory_format=torch.contiguous_format)
            return {"tensor": name}
        case Mapping():
            return {"dict": [[_key(key), _take_out(value, tensors)] for key, value in state.items()]}
        case tuple():
            return {"tuple": [_take_out(value, tensors) for value in state]}
        case list():
            return [_take_out(value, tensors) for value in state]
        case None | bool() | int() | float() | str():
            return state
    raise InputError(f"a checkpoint holds tensors, numbers, strings and their dicts and lists, not {type(state)}")


def _key(key: Any) -> str | int:
    if not isinstance(key, str | int):
        raise InputError(f"a checkpoint's dicts have strings or integers as keys, not {key!r}")
    return key


def _put_back(tree: Any, tensor: Callable[[str], Tensor]) -> Any:
    match tree:
        case {"tensor": name}:
            return tensor(name)
        case {"dict": items}:
            return {key: _put_back(value, tensor) for key, value in items}
        case {"tuple": items}:
            return tuple(_put_back(value, tensor) for value in items)
        case list():
            return [_put_back(value, tensor) for value in tree]
    return tree
