"""A nested state in one file: tensors by safetensors, their places and all else as JSON in its header.

Tensors have their place in the state as names, and checksums, so that damage is found and named.
"""

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from glob import escape
from pathlib import Path
from time import time
from typing import Any
from zlib import crc32

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from everlearn.files import sync_names
from everlearn.types import InputError

FORMAT = "everlearn/2"

FORGOTTEN = 3600.0
"""Seconds after which a file that was begun is no one's any more: who wrote it was killed."""


def save(state: Any, path: str | Path) -> None:
    """Write a state atomically: after a crash the file is whole, or as it was before.

    Args:
        state: dicts, lists and tuples of tensors, numbers, strings, booleans and None; keys are
            strings or integers.
        path: the file; its folder is made.

    Raises:
        InputError: something in the state is of another kind, such as a process's shard of a tensor.
        OSError: the disk is full, or the folder can't be written.
    """
    if not str(path):
        raise InputError("name a file for the checkpoint")
    path = Path(path)
    tensors: dict[str, Tensor] = {}
    try:
        tree = json.dumps(_take_out(state, tensors, ""))
    except (RecursionError, ValueError) as error:
        raise InputError(f"a checkpoint can't hold this: {error}") from error
    sums = json.dumps({name: checksum(tensor) for name, tensor in tensors.items()})
    header = {"format": FORMAT, "state": tree, "sums": sums, "sum": str(crc32((tree + sums).encode()))}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, aside, metadata=header)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        aside.replace(path)
        sync_names(path.parent)
        _clear(path)
    except SafetensorError as error:
        raise OSError(f"{path} could not be written: {error}") from error
    finally:
        aside.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Remove what killed processes left of the file's next content."""
    for left in path.parent.glob(f"{escape(path.name)}.*.part"):
        with suppress(OSError):
            if time() - left.stat().st_mtime > FORGOTTEN:
                left.unlink()


def load(path: str | Path) -> Any:
    """Read what `save` wrote, onto the CPU.

    Raises:
        InputError: there is no such file, it is no checkpoint of this format, or it is damaged; the message
            names the part that is.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            return _read(header, file.get_tensor)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a whole checkpoint: {error}") from error


def checksum(tensor: Tensor) -> int:
    """CRC-32 of a tensor's dtype, shape and bytes.

    >>> checksum(torch.zeros(2, 3)) == checksum(torch.zeros(3, 2))
    False
    """
    data = tensor.contiguous().view(-1).view(torch.uint8) if tensor.numel() else torch.empty(0, dtype=torch.uint8)
    return crc32(data.numpy().data, crc32(f"{tensor.dtype} {tuple(tensor.shape)}".encode()))


def _read(header: Mapping[str, str], tensor: Callable[[str], Tensor]) -> Any:
    if header.get("format") != FORMAT:
        raise ValueError(f"it is of the format {header.get('format')}, not {FORMAT}")
    tree, sums = header["state"], header["sums"]
    if str(crc32((tree + sums).encode())) != header["sum"]:
        raise ValueError("its state is damaged")
    sums = json.loads(sums)

    def checked(name: str) -> Tensor:
        found = tensor(name)
        if checksum(found) != sums[name]:
            raise ValueError(f"{name} is damaged")
        return found

    return _put_back(json.loads(tree), checked)


def _take_out(state: Any, tensors: dict[str, Tensor], place: str) -> Any:
    """The state as JSON can hold it, its tensors moved into `tensors`, by their place in it."""
    match state:
        case Tensor():
            plain = state.detach()
            if type(plain) is not Tensor:
                raise InputError(
                    f"a checkpoint holds whole tensors, and {place or 'this'} is a {type(plain).__name__}: shards are "
                    "saved by torch.distributed.checkpoint"
                )
            if plain.layout is not torch.strided or plain.dtype is torch.complex128:
                told = plain.dtype if plain.layout is torch.strided else plain.layout
                raise InputError(f"a checkpoint can't hold tensors of {told}, and {place or 'this'} is one")
            name = (place or "/").encode("ascii", "backslashreplace").decode()
            # Keys with slashes can make two places alike.
            name = name if name not in tensors else f"{name}#{len(tensors)}"
            # A copy each: safetensors refuses tensors that share storage, as tied weights do.
            tensors[name] = plain.cpu().clone(memory_format=torch.contiguous_format)
            return {"tensor": name}
        case Mapping():
            return {"dict": [[_key(key), _take_out(value, tensors, f"{place}/{key}")] for key, value in state.items()]}
        case tuple():
            return {"tuple": [_take_out(value, tensors, f"{place}/{n}") for n, value in enumerate(state)]}
        case list():
            return [_take_out(value, tensors, f"{place}/{n}") for n, value in enumerate(state)]
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
