"""The loss of language models: its mean over rows is the mean over tokens."""

import pickle

import pytest
import torch
from torch.nn import functional as F

import everlearn as el

CHANCE = torch.Generator().manual_seed(0)
LOGITS = torch.randn(3, 5, 7, generator=CHANCE, dtype=torch.float64)
TOKENS = torch.randint(7, (3, 5), generator=CHANCE)


def test_it_predicts_each_token_from_those_before():
    losses = el.next_token(LOGITS, {"input_ids": TOKENS.to(torch.uint16)})
    by_hand = -LOGITS[:, :-1].log_softmax(2).gather(2, TOKENS[:, 1:, None])[:, :, 0]
    torch.testing.assert_close(losses, by_hand.mean(1))


def test_rows_with_fewer_tokens_count_by_their_tokens():
    labels = TOKENS.clone()
    labels[0, 2:], labels[1, :4] = -100, -100
    losses = el.next_token(LOGITS, {"input_ids": TOKENS, "labels": labels})
    over_tokens = F.cross_entropy(LOGITS[:, :-1].reshape(-1, 7), labels[:, 1:].reshape(-1))
    torch.testing.assert_close(losses.mean(), over_tokens)
    assert losses.shape == (3,)


def test_what_is_padding_is_no_label():
    mask = torch.ones_like(TOKENS)
    mask[0, -1] = 0
    padded = {"input_ids": TOKENS, "attention_mask": mask}
    labels = torch.where(mask > 0, TOKENS, -100)
    assert torch.equal(el.next_token(LOGITS, padded), el.next_token(LOGITS, {"input_ids": TOKENS, "labels": labels}))
    assert not torch.equal(el.next_token(LOGITS, padded), el.next_token(LOGITS, {"input_ids": TOKENS}))
    assert torch.equal(el.next_token(LOGITS, padded | {"labels": TOKENS}), el.next_token(LOGITS, {"input_ids": TOKENS}))


def test_a_learner_steps_on_the_mean_over_new_and_old_tokens():
    model = torch.nn.Sequential(torch.nn.Embedding(7, 4), torch.nn.Linear(4, 7))
    twin = torch.nn.Sequential(torch.nn.Embedding(7, 4), torch.nn.Linear(4, 7))
    twin.load_state_dict(model.state_dict())
    memory = el.Fifo(2, padding={"labels": -100, "input_ids": 0})
    old = {"input_ids": TOKENS[:2, :3], "labels": TOKENS[:2, :3]}
    memory.add(old)
    learner = el.Learner(
        model,
        torch.optim.SGD(model.parameters(), 0.5),
        el.next_token,
        memory=memory,
        method=el.MERBatches(replayed=2),
        forward=lambda model, batch: model(batch["input_ids"]),
    )
    drawn = memory._generator.get_state()
    new = {"input_ids": TOKENS[2:], "labels": TOKENS[2:]}
    learner.learn(new)
    memory._generator.set_state(drawn)
    again = el.Fifo(2, padding={"labels": -100, "input_ids": 0})
    again.add(old)
    again._generator.set_state(drawn)
    rows = [TOKENS[2], *again.sample(2)["input_ids"]]
    losses = [F.cross_entropy(twin(row[:-1]), row[1:], reduction="sum") for row in rows]
    (sum(losses) / sum(len(row) - 1 for row in rows)).backward()
    for ours, plain in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, plain - 0.5 * plain.grad)


@pytest.mark.parametrize(
    ("output", "batch", "message"),
    [
        (LOGITS[0], {"input_ids": TOKENS}, r"needs logits \(rows, tokens, vocabulary\), not \(5, 7\)"),
        ({"logits": LOGITS}, {"input_ids": TOKENS}, "not dict, and a label for each token"),
        (LOGITS, {"input_ids": TOKENS[:, :4]}, r"a label for each token, not \(3, 4\)"),
        (LOGITS, {"input_ids": TOKENS + 3}, "is out of range: the model knows 7 tokens"),
        (LOGITS, {"labels": TOKENS - 50}, "is out of range: the model knows 7 tokens"),
        (LOGITS, {"labels": torch.full((3, 5), -100)}, "no token of this batch counts"),
        (LOGITS, {"input_ids": TOKENS, "attention_mask": 0 * TOKENS}, "or all of it is padding"),
        (LOGITS, {"x": TOKENS}, "next_token needs the column 'input_ids'"),
    ],
)
def test_what_does_not_fit_is_refused(output, batch, message):
    with pytest.raises(el.InputError, match=message):
        el.next_token(output, batch)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (F.mse_loss, r"mse_loss an output and targets: use torch's module, such as torch.nn.MSELoss"),
        (F.cross_entropy, "cross_entropy an output and targets"),
        ("mse", "loss must be a function of the output and the batch, or a torch module, not 'mse'"),
    ],
)
def test_what_is_no_loss_of_a_batch_is_refused(loss, message):
    model = torch.nn.Linear(2, 2)
    with pytest.raises(el.InputError, match=message):
        el.Learner(model, torch.optim.SGD(model.parameters(), 0.1), loss, method=el.Online())


def test_a_learner_with_a_torch_module_as_its_loss_can_be_pickled(make_learner):
    learner = make_learner(el.Online(), loss=torch.nn.CrossEntropyLoss(reduction="none"))
    again = pickle.loads(pickle.dumps(learner))
    batch = {"x": torch.zeros(2, 3).double(), "y": torch.tensor([0, 1])}
    assert torch.equal(again.learn(batch), learner.learn(batch))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.uint32, torch.int64])
def test_labels_may_be_any_integers(dtype):
    labels = torch.tensor([2, 0]).to(dtype)
    logits = torch.randn(2, 3)
    assert torch.equal(el.cross_entropy(logits, {"y": labels}), el.cross_entropy(logits, {"y": labels.long()}))
    with pytest.raises(el.InputError, match="label 2 in column 'y' is out of range"):
        el.cross_entropy(logits[:, :2], {"y": labels})


def test_chosen_huber_needs_a_tensor():
    with pytest.raises(el.InputError, match=r"needs outputs \(rows, outputs\), not dict"):
        el.chosen_huber({}, {"action": torch.zeros(1).long(), "target": torch.zeros(1)})
