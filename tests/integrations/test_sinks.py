"""Sinks and a detector against the real packages: make test-extras."""

import pytest
import torch

import everlearn as el
from everlearn import integrations
from everlearn.watch import Watch

pytestmark = pytest.mark.extra


def rows(n, flip=False):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(n))
    return {"x": x, "y": ((x[:, 0] > 0) != flip).long()}


def watched(sink):
    model = el.mlp([3, 8, 2])
    learner = el.Learner(
        model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, memory=el.Reservoir(20), method=el.ER()
    )
    watch = Watch(learner, every=10, rows=5, sinks=[sink])
    for n in range(5, 20):
        watch.learn(rows(n))
    return watch.readings


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        readings = watched(integrations.tensorboard(writer))
    found = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("loss")] == [
        (one.seen, pytest.approx(one.loss)) for one in readings
    ]
    assert len(found.Scalars("forgotten")) == len(readings) - 1


@pytest.mark.filterwarnings("ignore")
def test_mlflow(tmp_path):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("watch", artifact_location=str(tmp_path))
    mlflow.set_experiment("watch")
    with mlflow.start_run() as run:
        readings = watched(integrations.mlflow_run(mlflow))
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "score")
    assert [(one.step, one.value) for one in history] == [(one.seen, one.score) for one in readings]


@pytest.mark.filterwarnings("ignore")
def test_wandb(tmp_path):
    import wandb

    with wandb.init(mode="offline", dir=tmp_path, project="watch") as run:
        readings = watched(integrations.wandb_run(run))
        run.log({"last": 1.0}, step=readings[-1].seen + 1)
        assert run.summary["loss"] == readings[-1].loss
    assert list(tmp_path.rglob("*.wandb"))


@pytest.mark.filterwarnings("ignore")
def test_river_sees_the_drift_and_none_before():
    from river import drift

    def row(n, flip=False):
        x = torch.randn(1, 3, generator=torch.Generator().manual_seed(n))
        return {"x": x, "y": ((x[:, 0] > 0) != flip).long()}

    model = el.mlp([3, 8, 2])
    learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.03), el.cross_entropy, method=el.Online())
    watch = Watch(learner, detector=drift.ADWIN())
    for n in range(1000):
        watch.learn(row(n))
    # That it gets better is a change too.
    assert all(seen < 800 for seen in watch.drifts)
    for n in range(1000, 1400):
        watch.learn(row(n, flip=True))
    assert any(1000 < seen < 1100 for seen in watch.drifts)
