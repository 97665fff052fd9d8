"""The gate's command: exit statuses for pipelines, and what it prints."""

import pytest
import torch
from safetensors.torch import save_file

import everlearn as el
from everlearn.cli import main

SERVING = """
import torch
import everlearn as el

def make_learner():
    model = el.mlp([2, 8, 2])
    return el.Learner(model, torch.optim.SGD(model.parameters(), 0.5), el.cross_entropy, method=el.Online())

def score(learner, probe):
    return (learner.predict(probe).argmax(1) == probe["y"]).double()

def make_agent():
    from everlearn.rl import DQN

    network = el.mlp([2, 8, 2])
    return DQN(network, torch.optim.SGD(network.parameters(), 0.5), 2, method=el.ER(), memory=el.Fifo(9))

def values(agent, probe):
    return agent.values(probe["x"].numpy())[:, 0]

def broken(learner, probe):
    return 1 / 0

def leaving():
    raise SystemExit(0)

number = 3
"""


def rows(n, seed, flip=False):
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))
    return {"x": x, "y": ((x[:, 0] > 0) != flip).long()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two checkpoints, of a learner that forgets, and two probes: a file and a memory."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "serving.py").write_text(SERVING)
    model = el.mlp([2, 8, 2])
    learner = el.Learner(
        model, torch.optim.SGD(model.parameters(), 0.5), el.cross_entropy, memory=el.Reservoir(5), method=el.ER()
    )
    for seed in range(40):
        learner.learn(rows(20, seed))
    learner.save(folder / "old")
    for seed in range(40):
        learner.learn(rows(20, seed, flip=True))
    learner.save(folder / "new")
    save_file(rows(200, 100), folder / "before.safetensors")
    memory = el.Fifo(300, path=folder / "after")
    memory.add(rows(200, 101, flip=True))
    memory.close()
    el.Fifo(3, path=folder / "empty").close()
    return folder


@pytest.mark.parametrize("score", ["accuracy", "serving:score", "loss"])
def test_what_forgets_is_refused(place, capsys, monkeypatch, score):
    monkeypatch.chdir(place)
    base = ["--learner", "serving:make_learner", "--score", score]
    probes = ["--probes", "before.safetensors", "after"]
    assert main(["gate", "new", "--against", "old", *base, *probes]) == 1
    told = capsys.readouterr().out
    assert told.startswith("refused\n  before: ")
    assert "worse by more than 0: 100.0% sure" in told
    assert "on 200; fine" in told
    assert main(["gate", "old", "--against", "old", *base, *probes]) == 0
    assert capsys.readouterr().out.startswith("accepted\n")
    assert main(["gate", "new", "--against", "old", *base, "--probes", "after"]) == 0
    capsys.readouterr()
    assert main(["gate", "new", "--against", "old", *base, *probes, "--tolerance", "100"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--learner": ["nowhere:make"]}, "there is no 'nowhere:make': name a function as module:function"),
        ({"--learner": ["serving"]}, "there is no 'serving'"),
        ({"--learner": ["builtins:dict"]}, "builtins:dict must give an everlearn.Learner or an agent, not a dict"),
        ({"--probes": ["serving.py"]}, "serving.py is no safetensors file of rows"),
        ({"--against": ["serving.py"]}, "not a whole checkpoint"),
        ({"--probes": ["nothing"]}, "nothing is no safetensors file of rows"),
        ({"--probes": ["empty"]}, "empty holds no rows: it can't be a probe"),
        ({"--learner": ["serving:make_agent"]}, "what is no Learner needs a --score of its own, not loss"),
        ({"--score": ["serving:broken"]}, "ZeroDivisionError"),
        ({"--learner": ["serving:leaving"]}, "SystemExit"),
    ],
)
def test_bad_input(place, capsys, monkeypatch, change, message):
    monkeypatch.chdir(place)
    given = {"--against": ["old"], "--learner": ["serving:make_learner"], "--probes": ["before.safetensors"]} | change
    assert main(["gate", "new", *(word for name, words in given.items() for word in (name, *words))]) == 2
    assert message in capsys.readouterr().err


def test_an_agent_passes_too(place, capsys, monkeypatch):
    monkeypatch.chdir(place)
    from serving import make_agent

    agent = make_agent()
    agent.save("agent", also={"frame": 3})
    with torch.no_grad():
        agent.learner.model[2].bias -= 1
    agent.save("worse")
    assert make_agent().load("agent") == {"frame": 3}
    told = ["--learner", "serving:make_agent", "--score", "serving:values", "--probes", "before.safetensors"]
    assert main(["gate", "worse", "--against", "agent", *told]) == 1
    assert "(-1) on 200; worse by more than 0: 100.0% sure" in capsys.readouterr().out
    assert main(["gate", "agent", "--against", "worse", *told]) == 0
