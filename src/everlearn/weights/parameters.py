"""The parameters that an outer step is of."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor
from torch import distributed as dist

from everlearn.types import InputError

ZERO = ("ds_id", "_hp_mapping")
"""What DeepSpeed notes at parameters that it has taken over: ZeRO's stage 3; its other stages, and bfloat16."""


def trainable(parameters: Iterable[Any]) -> dict[str, Tensor]:
    """By name, or number, each tensor once."""
    listed = [*parameters] if isinstance(parameters, Iterable) and not isinstance(parameters, Tensor) else [parameters]
    named = [one if isinstance(one, tuple) and len(one) == 2 else (str(i), one) for i, one in enumerate(listed)]
    if isinstance(parameters, Tensor) or not all(isinstance(tensor, Tensor) for _, tensor in named):
        raise InputError(
            "parameters must be tensors, or pairs of names and tensors, such as model.named_parameters(), not "
            f"{type(parameters).__name__}"
        )
    if not named:
        raise InputError("there are no parameters: a generator of them gives them once")
    once = {id(tensor): name for name, tensor in reversed(named)}
    found = {name: tensor for name, tensor in named if tensor.requires_grad and once[id(tensor)] == name}
    if len(found) < sum(tensor.requires_grad for tensor in {id(tensor): tensor for _, tensor in named}.values()):
        raise InputError("two parameters have one name: give those of several models names of their own")
    if not found:
        raise InputError("there is nothing to train: none of the parameters requires a gradient")
    for name, tensor in found.items():
        check_there(name, tensor)
    if any(getattr(tensor, name, None) is not None for tensor in found.values() for name in ZERO):
        raise InputError(
            "these parameters are DeepSpeed's: its optimizers keep the weights that count elsewhere, in float32, and "
            "would undo an outer step at once. Use FSDP2 (torch.distributed.fsdp.fully_shard) instead"
        )
    return found


def check_there(name: str, tensor: Tensor) -> None:
    """Refuse a tensor whose numbers are not there, to read which may end the process."""
    if tensor.is_meta:
        raise InputError(f"parameter {name} is on the meta device: give the model its numbers first")
    shard = local(tensor)
    if shard.numel() and not shard.untyped_storage().nbytes():
        raise InputError(
            f"parameter {name} was freed: under fully_shard it was gathered for an evaluation when this OuterStep was "
            "made. Make it before any, or call model.reshard() first"
        )


def check_alike(parameters: Mapping[str, Tensor], group: dist.ProcessGroup | None) -> None:
    """Refuse parameters that are not the same in all processes of a group, or of which they hold different shards."""
    own = {name: (tuple(tensor.shape), _place(tensor)) for name, tensor in parameters.items()}
    theirs: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(theirs, own, group=group)
    for name in {name for other in theirs for name in other}:
        shapes, places = zip(*(other.get(name, (None, None)) for other in theirs), strict=True)
        if len({*shapes}) > 1:
            raise InputError(f"parameter {name} is not the same in all processes: {', '.join(map(str, shapes))}")
        if len({*places}) > 1:
            raise InputError(
                f"parameter {name} is sharded over processes whose mean would mix its shards: group= must be of those "
                "that hold the same shard, such as mesh.get_group() of a mesh's replicated axis"
            )


def _place(tensor: Tensor) -> tuple[int, ...]:
    """Which shard of it this process has: its place along each axis of the mesh over which it is sharded."""
    if type(tensor.detach()) is Tensor:
        return ()
    from torch.distributed.tensor import DTensor, Replicate  # noqa: PLC0415

    if not isinstance(tensor, DTensor):
        return ()
    places = zip(tensor.placements, tensor.device_mesh.get_coordinate() or (), strict=False)
    return tuple(place for placement, place in places if not isinstance(placement, Replicate))


def local(tensor: Tensor) -> Tensor:
    """This process's shard."""
    if type(tensor) is Tensor:
        return tensor
    # Two seconds to import, and of use only where there are processes.
    from torch.distributed.tensor import DTensor  # noqa: PLC0415

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
