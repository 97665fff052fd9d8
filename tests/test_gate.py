"""The gate: what is worse is refused and gone back from, what is not passes, as often as it says."""

import numpy as np
import pytest
import torch

import everlearn as el
from everlearn.gate import accuracy
from everlearn.memory.reader import Reader
from everlearn.rl import DQN


class Fixed:
    """Its scores are its state."""

    def __init__(self, scores):
        self.scores = torch.as_tensor(scores)

    def state_dict(self):
        return {"scores": self.scores.clone()}

    def load_state_dict(self, state):
        self.scores = state["scores"].clone()


def given(subject, probe):
    return subject.scores[probe] if probe is not None else subject.scores


def gate(**settings):
    return el.Gate({"all": None}, score=given, **settings)


def test_the_sureness_is_that_of_a_paired_t_test():
    """Differences −1, −2, −3: t = −2√3 with two degrees of freedom, whose distribution has a closed form."""
    one, subject = gate(), Fixed([5.0, 5.0, 5.0])
    one.accept(subject)
    subject.scores = torch.tensor([4.0, 3.0, 2.0])
    (slice_,) = one.check(subject).slices
    t = 2 * 3**0.5
    assert slice_.worse == pytest.approx(0.5 + t / (2 * (2 + t**2) ** 0.5))
    assert slice_.unharmed == pytest.approx(1 - slice_.worse)
    assert (slice_.before, slice_.after, slice_.rows) == (5.0, 3.0, 3)


def test_what_is_worse_is_brought_back_and_what_is_better_is_kept():
    told = []
    one, subject = gate(sinks=[lambda values, number: told.append((values, number))]), Fixed([0.0, 1.0, 0.0, 1.0])
    assert one.admit(subject).accepted
    subject.scores = torch.tensor([0.5, 1.5, 0.4, 1.6])
    assert one.admit(subject).accepted
    better = subject.scores.clone()
    subject.scores = better - torch.tensor([0.5, 0.6, 0.4, 0.5])
    verdict = one.admit(subject)
    assert not verdict.accepted
    assert "all: 1 before, 0.5 now (-0.5) on 4; worse by more than 0: 99." in str(verdict)
    assert torch.equal(subject.scores, better)
    assert [(number, values["accepted"]) for values, number in told] == [(1, 1.0), (2, 1.0), (3, 0.0)]
    sure = verdict.slices[0].worse
    assert told[2][0] == pytest.approx({"accepted": 0.0, "all before": 1.0, "all after": 0.5, "all worse": sure})


@pytest.mark.parametrize(
    ("fall", "tolerance", "refuse", "accepted"),
    [
        (0.5, 0.4, "worse", False),
        (0.5, 0.6, "worse", True),
        (0.5, 0.6, "unsure", True),
        (0.5, 0.51, "worse", True),
        (0.5, 0.51, "unsure", False),
        (-0.1, 0.0, "unsure", True),
        (0.0, 0.0, "worse", True),
    ],
)
def test_tolerance_and_doubt(fall, tolerance, refuse, accepted):
    noise = torch.randn(50, generator=torch.Generator().manual_seed(0)) * 0.1
    noise -= noise.mean()
    one, subject = gate(tolerance=tolerance, refuse=refuse), Fixed(torch.zeros(50))
    one.accept(subject)
    subject.scores = noise - fall if fall else torch.zeros(50)
    assert one.check(subject).accepted == accepted


def test_harmless_updates_are_refused_as_rarely_as_it_says():
    """Two thousand candidates that differ by noise alone, on five probes: one of twenty is refused, at most."""
    chance = torch.Generator().manual_seed(0)
    refused = 0
    probes = {f"{n}": torch.arange(n * 40, n * 40 + 40) for n in range(5)}
    for _ in range(2_000):
        one, subject = el.Gate(probes, score=given), Fixed(torch.zeros(200))
        one.accept(subject)
        subject.scores = torch.randn(200, generator=chance)
        refused += not one.check(subject).accepted
    assert 0.03 < refused / 2_000 < 0.065


def test_one_slice_that_is_forgotten_is_enough():
    probes = {"old": torch.arange(30), "new": torch.arange(30, 60)}
    one, subject = el.Gate(probes, score=given, tolerance={"old": 0.1, "new": 0.5}), Fixed(torch.zeros(60))
    one.accept(subject)
    subject.scores = torch.cat([torch.full((30,), -0.2), torch.ones(30)])
    verdict = one.check(subject)
    assert [slice_.refused for slice_ in verdict.slices] == [True, False]
    assert not verdict.accepted
    assert "new: 0 before, 1 now (+1) on 30; fine" in str(verdict)


def test_small_losses_add_up_unless_it_compares_with_the_best():
    for against, end in (("last", -0.25), ("best", -0.05)):
        one, subject = gate(tolerance=0.06, against=against), Fixed(torch.zeros(20))
        one.accept(subject)
        for _ in range(5):
            subject.scores = subject.scores - 0.05
            one.admit(subject)
        assert float(subject.scores.mean()) == pytest.approx(end)


def test_a_candidate_that_diverged_is_refused():
    one, subject = gate(tolerance=100.0), Fixed([0.0, 1.0])
    one.accept(subject)
    subject.scores = torch.tensor([0.0, float("nan")])
    assert not one.admit(subject).accepted
    assert torch.equal(subject.scores, torch.tensor([0.0, 1.0]))


def rows(n, flip=False, seed=0):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return {"x": x, "y": ((x[:, 0] > 0) != flip).long()}


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_learner_is_brought_back_whole(make_learner, tmp_path, on_disk):
    """Weights, optimizer, memory with its generator and counters: it goes on as if the update had never been."""

    def go_on(learner):
        return [float(learner.learn({name: values[i : i + 1] for name, values in rows(20).items()})) for i in range(20)]

    model = el.mlp([3, 8, 2]).double()
    memory = el.Reservoir(10, path=tmp_path if on_disk else None)
    learner = make_learner(
        el.ER(replayed=3), model=model, optimizer=torch.optim.Adam(model.parameters(), 0.05), memory=memory
    )
    one = el.Gate({"probe": rows(100, seed=1)}, score=accuracy, tolerance=0.05)
    for _ in range(5):
        go_on(learner)
    assert one.admit(learner).accepted
    state = learner.state_dict()
    expected = go_on(learner)
    learner.load_state_dict(state)
    for _ in range(20):
        learner.learn(rows(20, flip=True))
    verdict = one.admit(learner)
    assert not verdict.accepted
    assert verdict.slices[0].before > 0.9
    assert verdict.slices[0].after < 0.5
    assert go_on(learner) == expected


def test_a_version_accepted_before_many_checkpoints_is_gone_back_to(make_learner, tmp_path):
    learner = make_learner(el.ER(replayed=3), memory=el.Reservoir(10, path=tmp_path / "memory"), lr=0.5)
    one = el.Gate({"probe": rows(100, seed=1)}, score=accuracy, tolerance=0.05)
    for _ in range(30):
        learner.learn(rows(20))
    one.admit(learner)
    before = learner.memory.held()["x"]
    for n in range(30):
        learner.learn(rows(20, flip=True))
        if n % 5 == 0:
            learner.save(tmp_path / "checkpoint")
    assert not one.admit(learner).accepted
    assert torch.equal(learner.memory.held()["x"], before)


def on_disk(make_learner, folder):
    learner = make_learner(el.ER(replayed=3), memory=el.Reservoir(10, path=folder), lr=0.5)
    return learner, el.Gate({"probe": rows(100, seed=1)}, score=accuracy, tolerance=0.05)


def test_versions_accepted_let_go_of_no_checkpoint(make_learner, tmp_path):
    learner, one = on_disk(make_learner, tmp_path / "memory")
    for _ in range(30):
        learner.learn(rows(20))
    learner.save(tmp_path / "checkpoint")
    before = learner.memory.held()["x"]
    for seed in range(7):
        learner.learn(rows(20, seed=seed))
        assert one.admit(learner).accepted
    learner.load(tmp_path / "checkpoint")
    assert torch.equal(learner.memory.held()["x"], before)


def test_after_a_restart_a_gate_goes_back_to_what_was_accepted_before_it(make_learner, tmp_path):
    """However many checkpoints come after the restart, and though another version was accepted before the crash."""
    learner, one = on_disk(make_learner, tmp_path / "memory")
    for _ in range(30):
        learner.learn(rows(20))
    one.admit(learner)
    before = learner.memory.held()["x"]
    learner.learn(rows(20, seed=5))
    learner.save(tmp_path / "checkpoint", also={"gate": one.state_dict()})
    for seed in range(3):
        learner.learn(rows(20, seed=6 + seed))
        assert one.admit(learner).accepted
    learner.memory.close()

    again, other = on_disk(make_learner, tmp_path / "memory")
    other.load_state_dict(again.load(tmp_path / "checkpoint")["gate"])
    for _ in range(5):
        again.learn(rows(20, flip=True))
        again.save(tmp_path / "checkpoint", also={"gate": other.state_dict()})
    for _ in range(20):
        again.learn(rows(20, flip=True))
    assert not other.admit(again).accepted
    assert torch.equal(again.memory.held()["x"], before)


def test_what_a_gate_let_go_is_not_held_for_ever(make_learner, tmp_path):
    learner, one = on_disk(make_learner, tmp_path / "memory")
    for seed in range(10):
        learner.learn(rows(20, seed=seed))
        one.accept(learner)
        learner.save(tmp_path / "checkpoint")
    # Two checkpoints, and what was accepted when they were saved.
    assert Reader(tmp_path / "memory").saves == 4


def test_rows_kept_back_survive_a_restart_and_are_forgotten_on_request(make_learner):
    def make():
        return make_learner(el.Online(), lr=0.5), el.Gate({"kept back": el.Fifo(40)}, score=accuracy)

    learner, one = make()
    one._probes["kept back"].add(rows(30) | {"key": torch.arange(30)})
    for _ in range(10):
        learner.learn(rows(50))
    one.accept(learner)
    again, other = make()
    again.load_state_dict(learner.state_dict())
    other.load_state_dict(one.state_dict())
    assert other.admit(again).accepted
    other.delete(key=[3, 4])
    other.expire(10, column="key")
    for _ in range(30):
        again.learn(rows(50, flip=True))
    (slice_,) = other.check(again).slices
    assert slice_.rows == 20
    assert slice_.refused
    other.delete(key=range(30))
    assert str(other.check(again)) == "accepted: there was nothing to compare it on"


def test_an_agent_is_brought_back_whatever_was_saved_in_between(tmp_path):
    network, memory = el.mlp([2, 8, 2]), el.Reservoir(20, path=tmp_path / "memory")
    agent = DQN(network, torch.optim.SGD(network.parameters(), 0.1), 2, method=el.ER(), memory=memory)
    one = el.Gate({"value": torch.zeros(3, 2)}, score=lambda agent, seen: agent.learner.predict({"x": seen})[:, 0])
    one.accept(agent)
    for frame in range(40):
        agent.learn(np.zeros(2, np.float32), 0, -1.0, np.zeros(2, np.float32), over=True)
        if frame % 5 == 0:
            agent.save(tmp_path / "agent")
    assert not one.admit(agent).accepted
    assert len(agent.learner.memory) == 0


def test_the_default_score_is_the_loss_of_each_row(make_learner):
    learner, probe = make_learner(el.Online(), lr=0.5), rows(2_500)
    one = el.Gate({"all": probe})
    one.accept(learner)
    before = learner.losses(probe)
    for _ in range(10):
        learner.learn(rows(50))
    (slice_,) = one.check(learner).slices
    assert slice_.before == pytest.approx(-float(before.mean()))
    assert slice_.after == pytest.approx(-float(learner.losses(probe).mean()))


def test_rows_kept_back_in_a_memory_are_looked_up_when_a_version_is_accepted(make_learner):
    learner, kept_back = make_learner(el.Online(), lr=0.5), el.Fifo(40)
    one = el.Gate({"kept back": kept_back}, score=accuracy)
    assert one.admit(learner).slices == ()
    kept_back.add(rows(30))
    assert one.admit(learner).slices == ()
    kept_back.add(rows(20, seed=3))
    verdict = one.check(learner)
    assert [slice_.rows for slice_ in verdict.slices] == [30]
    one.accept(learner)
    assert [slice_.rows for slice_ in one.check(learner).slices] == [40]


def test_a_gate_is_saved_with_the_learner(make_learner, tmp_path):
    def make():
        return make_learner(el.Online(), lr=0.5), el.Gate(
            {"old": rows(100, seed=1), "kept": el.Fifo(9)}, score=accuracy
        )

    learner, one = make()
    one._probes["kept"].add(rows(9))
    for _ in range(10):
        learner.learn(rows(50))
    one.accept(learner)
    learner.learn(rows(5))
    learner.save(tmp_path / "file", also={"gate": one.state_dict()})
    again, other = make()
    other.load_state_dict(again.load(tmp_path / "file")["gate"])
    for each in (learner, again):
        for _ in range(30):
            each.learn(rows(50, flip=True))
    assert str(one.check(learner)) == str(other.check(again))
    assert not other.admit(again).accepted
    with pytest.raises(el.InputError, match="the saved gate had the probes old, kept; this one has other"):
        el.Gate({"other": rows(5)}).load_state_dict(one.state_dict())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: el.Gate({}), "at least one probe"),
        (lambda: el.Gate([1]), "at least one probe by its name"),
        (lambda: gate(tolerance="x"), "tolerance of all must be a number, not 'x'"),
        (lambda: gate(confidence="high"), "confidence must be a number, not 'high'"),
        (lambda: gate(tolerance=-1.0), "tolerance of all must be at least 0"),
        (lambda: gate(confidence=1.0), "confidence must be between 0.5 and 1, not 1.0"),
        (lambda: gate(refuse="never"), "refuse must be one of worse, unsure, not 'never'"),
        (lambda: gate(tolerance={"al": 0.1}), "tolerance must name the probes: all; it names al"),
        (lambda: el.Gate({"kept": el.Fifo(3)}, against="best"), "needs probes that stay the same"),
        (lambda: gate(against="first"), "against must be one of last, best, not 'first'"),
        (lambda: gate().check(Fixed([1.0])), "nothing to compare with yet"),
        (lambda: gate().accept(Fixed([1.0])), "the probe 'all' must give two finite scores or more"),
        (lambda: gate().accept(Fixed([1.0, float("nan")])), "two finite scores"),
        (lambda: gate().accept(Fixed([[1.0], [2.0]])), r"must be one number a row, not \(2, 1\)"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(el.InputError, match=message):
        make()


def test_another_number_of_scores_is_refused():
    one, subject = gate(), Fixed([1.0, 2.0])
    one.accept(subject)
    with pytest.raises(el.InputError, match="gave 2 scores before, and 3 now"):
        one.check(Fixed([1.0, 2.0, 3.0]))
