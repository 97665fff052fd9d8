"""What a GPU changes: shards over NCCL, bfloat16, and one graph of many seeds' steps. Skipped where there is none."""

import os

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

import everlearn as el

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
SEEDS, ROWS, RATE = 8, 30, 0.05


def steps_of(models, device):
    """One step of SGD of all models, each on a row of its own: their parameters, what is put in, and the step."""
    weights, _ = stack_module_state(models)
    weights = {name: tensor.detach().to(device) for name, tensor in weights.items()}
    x, y = torch.zeros(SEEDS, 1, 4, device=device).double(), torch.zeros(SEEDS, 1, dtype=torch.int64, device=device)

    def loss(own, x, y):
        return nn.functional.cross_entropy(functional_call(models[0], own, (x,)), y)

    descend = vmap(grad_and_value(loss))

    def step():
        gradients, losses = descend(weights, x, y)
        for name, tensor in weights.items():
            tensor.sub_(RATE * gradients[name])
        return losses

    return weights, (x, y), step


def captured(step, weights):
    """The step as a CUDA graph, the weights as they were."""
    before = {name: tensor.clone() for name, tensor in weights.items()}
    warm = torch.cuda.Stream()
    with torch.cuda.stream(warm):
        for _ in range(3):
            step()
    warm.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    for name, tensor in weights.items():
        tensor.copy_(before[name])
    return graph.replay


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_many_seeds_at_once_are_each_by_itself(device):
    """On a GPU in one graph; against the compiled path on a CPU."""
    models = [el.mlp([4, 16, 3], seed=seed).double() for seed in range(SEEDS)]
    rows = [{"x": torch.randn(SEEDS, 1, 4).double(), "y": torch.randint(3, (SEEDS, 1))} for _ in range(ROWS)]
    weights, (x, y), step = steps_of(models, device)
    run = captured(step, weights) if device == "cuda" else step
    for row in rows:
        x.copy_(row["x"])
        y.copy_(row["y"])
        run()
    for seed, model in enumerate(models):
        learner = el.Learner(model, torch.optim.SGD(model.parameters(), lr=RATE), el.cross_entropy, method=el.Online())
        for row in rows:
            learner.learn({name: values[seed] for name, values in row.items()})
        for name, value in model.named_parameters():
            torch.testing.assert_close(weights[name][seed].cpu(), value.detach(), rtol=1e-9, atol=1e-12)


def learned(device, dtype, outer_of):
    model = el.mlp([4, 32, 3], seed=1).to(device, dtype)
    outer, optimizer = outer_of(model), torch.optim.SGD(model.parameters(), lr=0.1)
    chance = torch.Generator().manual_seed(0)
    for _ in range(20):
        x, y = torch.randn(16, 4, generator=chance), torch.randint(3, (16,), generator=chance)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x.to(device, dtype)).float(), y.to(device)).backward()
        optimizer.step()
        outer.step()
    return model, outer


@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_outer_steps_on_a_gpu(dtype):
    """Slow weights of bfloat16 are float32 there too, and the weights are what these round to."""

    def reptile(model):
        return el.OuterStep.reptile(model.named_parameters(), every=5, rate=0.3)

    model, outer = learned("cuda", dtype, reptile)
    for name, slow in outer.state_dict()["slow"].items():
        assert slow.is_cuda
        assert slow.dtype is (torch.float32 if dtype is torch.bfloat16 else dtype)
        assert torch.equal(dict(model.named_parameters())[name], slow.to(dtype))
    if dtype is torch.float64:
        for ours, theirs in zip(model.parameters(), learned("cpu", dtype, reptile)[0].parameters(), strict=True):
            torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-9, atol=1e-12)


@needs_gpu
def test_shards_over_nccl(tmp_path):
    """As many processes as there are GPUs; here one of them, in which all is as in more."""
    from torch import distributed as dist
    from torch.distributed.fsdp import fully_shard

    os.environ |= {"MASTER_ADDR": "localhost"}
    dist.init_process_group("nccl", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:

        def sharded(model):
            return el.OuterStep.snoo(fully_shard(model).named_parameters(), every=4)

        model, _ = learned("cuda", torch.float32, sharded)
        alone, _ = learned("cuda", torch.float32, lambda own: el.OuterStep.snoo(own.named_parameters(), every=4))
        for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(ours.full_tensor(), theirs, rtol=1e-5, atol=1e-6)
    finally:
        dist.destroy_process_group()
