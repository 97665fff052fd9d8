"""What tells the other methods from MER: where their steps go, what they need."""

import pytest
import torch

import everlearn as el
from everlearn.methods.reptile import meta_update


def weights(learner):
    return torch.nn.utils.parameters_to_vector(learner.model.parameters()).detach().clone()


def test_reptile_goes_back_only_after_every_few_rows(make_learner, toy):
    reptile, online = make_learner(el.Reptile(steps=3, gamma=0.25)), make_learner(el.Online())
    start = weights(reptile)
    for i, row in enumerate(toy(3), 1):
        reptile.learn(row)
        online.learn(row)
        if i < 3:
            torch.testing.assert_close(weights(reptile), weights(online), rtol=0, atol=1e-12)
    torch.testing.assert_close(weights(reptile), start + 0.25 * (weights(online) - start))


def test_reptile_counts_rows_not_batches(make_learner, toy):
    rows = toy(6)
    together = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    one, many = make_learner(el.Reptile(steps=4)), make_learner(el.Reptile(steps=4))
    many.learn(together)
    for row in rows:
        one.learn(row)
    assert torch.equal(weights(one), weights(many))


def test_mer_over_batches_is_replay_but_for_its_reptile_steps(make_learner, toy):
    """Every third batch goes a quarter of the way that replay, with the same draws, would go."""
    mer, replay = make_learner(el.MERBatches(replayed=4, steps=3, gamma=0.25)), make_learner(el.ER(replayed=4))
    rows = toy(24)
    batches = [{name: torch.cat([row[name] for row in rows[i : i + 2]]) for name in rows[0]} for i in range(0, 24, 2)]
    for begin in range(0, 12, 3):
        start = weights(mer)
        torch.nn.utils.vector_to_parameters(start.clone(), replay.model.parameters())
        for batch in batches[begin : begin + 2]:
            assert torch.equal(mer.learn(batch), replay.learn(batch))
            torch.testing.assert_close(weights(mer), weights(replay), rtol=0, atol=1e-12)
        mer.learn(batches[begin + 2])
        replay.learn(batches[begin + 2])
        torch.testing.assert_close(weights(mer), start + 0.25 * (weights(replay) - start))
    assert mer.steps == 12


def test_a_reptile_step_after_each_batch_is_refused():
    with pytest.raises(el.InputError, match="steps must be at least 2, not 1"):
        el.MERBatches(steps=1)
    with pytest.raises(el.InputError, match="steps must be a whole number, not 2.5"):
        el.MERBatches(steps=2.5)


def test_a_row_that_the_memory_can_t_take_is_not_learned(make_learner, toy):
    for method in (el.ER(), el.TaskER(), el.MER(), el.MERBatches(), el.MERBig(), el.MERCurrent(), el.AGEM()):
        learner = make_learner(method, memory=el.Weighted(5))
        before = weights(learner)
        with pytest.raises(el.InputError, match="Weighted needs the column 'weight'"):
            learner.learn(toy(1)[0])
        assert torch.equal(weights(learner), before)


def test_er_without_replay_is_online_learning(make_learner, toy):
    er, online = make_learner(el.ER(replayed=0)), make_learner(el.Online())
    for row in toy(5):
        assert er.learn(row) == online.learn(row)
    assert torch.equal(weights(er), weights(online))


def test_task_er_names_the_column_it_needs(make_learner):
    learner = make_learner(el.TaskER())
    with pytest.raises(el.InputError, match="TaskER needs the column 'task'; this batch has: x, y"):
        learner.learn((torch.zeros(1, 3).double(), torch.tensor([0])))
    assert len(learner.memory) == 0


@pytest.mark.parametrize("method", [el.ER(), el.MER(), el.MERBatches(), el.MERBig(), el.MERCurrent(), el.TaskER()])
def test_methods_that_replay_say_that_they_need_a_memory(toy, method):
    model = el.mlp([3, 4]).double()
    learner = el.Learner(model, torch.optim.SGD(model.parameters(), 0.1), el.cross_entropy, method=method)
    with pytest.raises(el.InputError, match=f"{type(method).__name__} needs a memory"):
        learner.learn(toy(1)[0])


def test_one_big_batch_makes_one_reptile_step(make_learner, toy):
    learner = make_learner(el.MERBig(batches=2, replayed=3, gamma=1.0))
    for row in toy(10):
        learner.learn(row)
    before = learner.steps
    learner.learn(toy(1, seed=5)[0])
    assert learner.steps - before == 2 * 3 + 2


def test_a_meta_update_goes_part_of_the_way_that_the_steps_within_went(make_learner, toy):
    learner, plain = make_learner(el.Online()), make_learner(el.Online())
    start = learner.snapshot()
    with meta_update(learner, 0.25):
        learner.descend_each(toy(1)[0])
    plain.descend_each(toy(1)[0])
    for name, parameter in learner.model.named_parameters():
        end = dict(plain.model.named_parameters())[name]
        torch.testing.assert_close(parameter, start[name] + 0.25 * (end - start[name]))


def test_a_meta_update_of_rate_1_takes_no_snapshot(make_learner):
    learner = make_learner(el.Online())
    learner.snapshot = None
    with meta_update(learner, 1.0):
        pass
