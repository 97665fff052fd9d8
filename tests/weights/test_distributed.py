"""Outer steps in several processes that form a group: equal on all, and equal to what one would do."""

import os

import pytest
import torch
from processes import together
from torch import distributed as dist
from torch import nn

import everlearn as el
from everlearn import OuterStep

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
    pytest.mark.filterwarnings("ignore"),
]


def model_of():
    return el.mlp([4, 8, 8, 3], seed=1).double()


def batch(step):
    """(12,) rows, the same in every process."""
    chance = torch.Generator().manual_seed(step)
    return torch.randn(12, 4, generator=chance).double(), torch.randint(3, (12,), generator=chance)


def share(step, rank, processes):
    return [part.chunk(processes)[rank] for part in batch(step)]


def learn(model, optimizer, outer, steps, rank=0, processes=1):
    for step in steps:
        x, y = share(step, rank, processes)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        outer.step()


def adam(model):
    return torch.optim.AdamW(model.parameters(), lr=0.01)


def weights_of(model):
    """Whole, also where they are sharded."""
    return {
        name: (value.full_tensor() if hasattr(value, "full_tensor") else value).detach().clone()
        for name, value in model.named_parameters()
    }


def check_close(ours, theirs):
    for (name, one), (other_name, other) in zip(ours.items(), theirs.items(), strict=True):
        assert name.removeprefix("module.") == other_name.removeprefix("module.")
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def alone(make_outer, steps=12):
    model = model_of()
    learn(model, adam(model), make_outer(model), range(steps))
    return weights_of(model)


def reptile(model):
    return OuterStep.reptile(model.named_parameters(), every=5, rate=0.3)


def snoo(model):
    return OuterStep.snoo(model.named_parameters(), every=4)


@pytest.mark.parametrize("make_outer", [reptile, snoo])
def test_with_ddp_it_is_one_process_with_the_joined_batch(make_outer, tmp_path):
    def run(rank):
        model = nn.parallel.DistributedDataParallel(model_of())
        learn(model, adam(model), make_outer(model.module), range(12), rank, 2)
        return weights_of(model)

    first, second = together(run, 2, tmp_path)
    assert all(torch.equal(first[name], second[name]) for name in first)
    check_close(first, alone(make_outer))


def sharded():
    from torch.distributed.fsdp import fully_shard

    model = model_of()
    for layer in model:
        if isinstance(layer, nn.Linear):
            fully_shard(layer)
    return fully_shard(model)


class Watched:
    """An outer step, and how often it communicated."""

    def __init__(self, outer):
        from torch.distributed.tensor.debug import CommDebugMode

        self.outer, self.mode, self.times = outer, CommDebugMode(), 0

    def step(self):
        with self.mode:
            self.outer.step()
        self.times += self.mode.get_total_counts()


@pytest.mark.parametrize("make_outer", [reptile, snoo])
def test_with_fsdp_slow_weights_are_shards_and_nothing_is_gathered(make_outer, tmp_path):
    def run(rank):
        model = sharded()
        outer = Watched(make_outer(model))
        learn(model, adam(model), outer, range(12), rank, 2)
        held = sum(value.to_local().numel() for value in outer.outer.state_dict()["slow"].values())
        with outer.mode:
            gathered = weights_of(model)
        return {"weights": gathered, "held": held, "times": outer.times, "seen": outer.mode.get_total_counts()}

    first, second = together(run, 2, tmp_path)
    assert first["times"] == second["times"] == 0 < first["seen"]
    assert first["held"] + second["held"] == sum(value.numel() for value in first["weights"].values())
    assert all(torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"])
    check_close(first["weights"], alone(make_outer))


AVERAGED = {
    "local_sgd": (lambda p: OuterStep.local_sgd(p, 3), lambda p: OuterStep(p, 1, lambda s: torch.optim.SGD(s, 1.0))),
    "batched_reptile": (
        lambda p: OuterStep.batched_reptile(p, 3, 0.4),
        lambda p: OuterStep(p, 1, lambda s: torch.optim.SGD(s, 0.4)),
    ),
    "diloco": (lambda p: OuterStep.diloco(p, 3), lambda p: OuterStep.snoo(p, 1)),
}


@pytest.mark.parametrize("name", AVERAGED)
def test_averaged_steps_are_those_of_the_mean_of_two(name, tmp_path):
    """Against both workers in one process, and an outer step of their mean."""
    make, of_mean = AVERAGED[name]

    def run(rank):
        model = model_of()
        learn(model, adam(model), make(model.named_parameters()), range(9), rank, 2)
        return weights_of(model)

    first, second = together(run, 2, tmp_path)
    assert all(torch.equal(first[one], second[one]) for one in first)

    mean = model_of()
    outer, workers = of_mean(mean.named_parameters()), [model_of(), model_of()]
    optimizers = [adam(worker) for worker in workers]
    for start in range(0, 9, 3):
        for rank, (worker, optimizer) in enumerate(zip(workers, optimizers, strict=True)):
            never = OuterStep(worker.parameters(), 100, lambda s: torch.optim.SGD(s, 1.0))
            learn(worker, optimizer, never, range(start, start + 3), rank, 2)
        with torch.no_grad():
            for parameter, *both in zip(mean.parameters(), *(one.parameters() for one in workers), strict=True):
                parameter.copy_(sum(both) / 2)
            outer.step()
            for worker in workers:
                worker.load_state_dict(mean.state_dict())
    check_close(first, weights_of(mean))


@pytest.mark.parametrize("make", [make for make, _ in AVERAGED.values()])
def test_processes_that_begin_apart_are_brought_together(make, tmp_path):
    def run(rank):
        model = el.mlp([4, 8, 8, 3], seed=rank).double()
        outer = make(model.named_parameters())
        begun = weights_of(model)
        learn(model, adam(model), outer, range(6), rank, 2)
        return {"begun": begun, "end": weights_of(model)}

    first, second = together(run, 2, tmp_path)
    check_close(
        first["begun"],
        {name: value.detach() for name, value in el.mlp([4, 8, 8, 3], seed=0).double().named_parameters()},
    )
    for when in ("begun", "end"):
        assert all(torch.equal(first[when][name], second[when][name]) for name in first[when])


def test_an_outer_step_of_what_the_model_was_before_it_was_sharded_warns(tmp_path):
    def run(rank):
        from torch.distributed.fsdp import fully_shard

        model = model_of()
        outer = reptile(model)
        fully_shard(model)
        with pytest.warns(UserWarning, match="no parameter moved"):
            learn(model, adam(model), outer, range(6), rank, 2)
        return True

    assert together(run, 2, tmp_path) == [True, True]


def test_shards_are_not_averaged_with_other_shards(tmp_path):
    def run(rank):
        from torch.distributed.fsdp import fully_shard

        model = model_of()
        fully_shard(model)
        before = weights_of(model)
        for make, _ in AVERAGED.values():
            with pytest.raises(el.InputError, match="whose mean would mix its shards"):
                make(model.named_parameters())
        return {"kept": all(torch.equal(before[name], value) for name, value in weights_of(model).items())}

    assert together(run, 2, tmp_path) == [{"kept": True}, {"kept": True}]


def test_other_models_are_not_averaged(tmp_path):
    def run(rank):
        with pytest.raises(el.InputError, match=r"is not the same in all processes: \(\d+, 4\), \(\d+, 4\)"):
            OuterStep.diloco([nn.Parameter(torch.zeros(3 + rank, 4))])
        return True

    assert together(run, 2, tmp_path) == [True, True]


def test_shards_are_averaged_with_the_same_shards_of_other_replicas(tmp_path):
    def run(rank):
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicas", "shards"))
        model = model_of()
        fully_shard(model, mesh=mesh["shards"])
        across = [dist.new_group([0, 3]), dist.new_group([1, 2])][rank in (1, 2)]
        with pytest.raises(el.InputError, match="whose mean would mix its shards"):
            OuterStep.local_sgd(model.named_parameters(), 2, group=across)
        outer = OuterStep.local_sgd(model.named_parameters(), 2, group=mesh["replicas"].get_group())
        learn(model, adam(model), outer, range(2), rank, 4)
        return weights_of(model)

    first, *others = together(run, 4, tmp_path)
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)


def test_an_outer_step_made_after_an_evaluation_is_told(tmp_path):
    def run(rank):
        from torch.distributed.fsdp import fully_shard

        model = model_of()
        fully_shard(model)
        optimizer = adam(model)
        with torch.no_grad():
            model(batch(0)[0])
        outer = reptile(model)
        with pytest.raises(el.InputError, match="was freed: under fully_shard"):
            learn(model, optimizer, outer, range(6), rank, 2)
        return True

    assert together(run, 2, tmp_path) == [True, True]


@pytest.mark.parametrize("done", [2, 7])
def test_a_checkpoint_of_two_processes_is_gone_on_with_by_one_and_three(done, tmp_path):
    from torch.distributed import checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    def parts(model, optimizer, outer):
        weights, moments = get_state_dict(model, optimizer)
        return {"model": weights, "optimizer": moments, "outer": outer.state_dict()}

    def begin(rank):
        model = sharded()
        return model, adam(model), snoo(model)

    def save(rank):
        model, optimizer, outer = begin(rank)
        learn(model, optimizer, outer, range(done), rank, 2)
        dcp.save(parts(model, optimizer, outer), checkpoint_id=tmp_path / "saved")
        before = weights_of(model)
        learn(model, optimizer, outer, range(done, 12), rank, 2)
        return {"before": before, "end": weights_of(model)}

    def go_on(processes):
        def run(rank):
            model, optimizer, outer = begin(rank)
            state = parts(model, optimizer, outer)
            dcp.load(state, checkpoint_id=tmp_path / "saved")
            set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
            outer.load_state_dict(state["outer"])
            before = weights_of(model)
            learn(model, optimizer, outer, range(done, 12), rank, processes)
            return {"before": before, "end": weights_of(model), "taken": outer.taken}

        return run

    saved = together(save, 2, tmp_path / "2")[0]
    for processes in (1, 2, 3):
        for found in together(go_on(processes), processes, tmp_path / f"on-{processes}"):
            assert all(torch.equal(found["before"][name], saved["before"][name]) for name in saved["before"])
            assert found["taken"] == 12
            check_close(found["end"], saved["end"])
