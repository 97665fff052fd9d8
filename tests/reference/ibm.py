"""The reference of Riemer et al. 2019 re-derived from its description, quirks included, in numpy.

A network is a list of (weights, biases); draws come from outside, so that both sides can be
fed the same ones. Its quirks live here and not in the library:

* the reservoir draws from one value too many (`reservoir_slot`),
* Algorithm 7 does not train on the very first example (`mer7`),
* the evaluation never tests the last example, yet divides by all (`evaluate`).
"""

import numpy as np


def copy(net):
    return [(w.copy(), b.copy()) for w, b in net]


def forward(net, x):
    activations = [x]
    for i, (w, b) in enumerate(net):
        z = w @ activations[-1] + b
        activations.append(np.maximum(z, 0) if i < len(net) - 1 else z)
    return activations


def softmax(logits):
    e = np.exp(logits - logits.max())
    return e / e.sum()


def gradient(net, x, y):
    """Of the softmax cross-entropy of one example."""
    activations = forward(net, x)
    delta = softmax(activations[-1])
    delta[y] -= 1
    grads = []
    for i in reversed(range(len(net))):
        grads.append((np.outer(delta, activations[i]), delta.copy()))
        delta = (net[i][0].T @ delta) * (activations[i] > 0)
    return grads[::-1]


def sgd(net, x, y, lr):
    return [(w - lr * gw, b - lr * gb) for (w, b), (gw, gb) in zip(net, gradient(net, x, y), strict=True)]


def reptile(before, net, rate):
    return [(w0 + rate * (w - w0), b0 + rate * (b - b0)) for (w0, b0), (w, b) in zip(before, net, strict=True)]


def mer1(net, current, draws, alpha, beta, gamma):
    """Algorithm 1: `draws` holds, for each of the s batches, its memory examples."""
    start = copy(net)
    for old in draws:
        before = copy(net)
        for x, y in [current, *old]:
            net = sgd(net, x, y, alpha)
        net = reptile(before, net, beta)
    return reptile(start, net, gamma)


def mer6(net, current, old, alpha, gamma, copies=1):
    """Algorithm 6 as the paper has it: memories, then copies of the current example."""
    before = copy(net)
    for x, y in [*old, *[current] * copies]:
        net = sgd(net, x, y, alpha)
    return reptile(before, net, gamma)


def mer7(net, current, old, order, alpha, gamma, s, age):
    """Algorithm 7; `order` shuffles [current, *old]. Quirk: nothing at age 1."""
    if age == 1:
        return net
    before, batch = copy(net), [current, *old]
    for i in order:
        net = sgd(net, *batch[i], alpha * s if i == 0 else alpha)
    return reptile(before, net, gamma)


def er4(net, batch, lr):
    """Algorithm 4: one step on the mean over current and memory examples."""
    grads = [gradient(net, x, y) for x, y in batch]
    return _step(net, [[1 / len(batch)] * len(batch)], grads, lr)


def er5(net, batch, tasks, lr):
    """Algorithm 5: one step on the sum over tasks of each task's mean loss."""
    grads = [gradient(net, x, y) for x, y in batch]
    weights = [[(task == other) / tasks.count(task) for other in tasks] for task in set(tasks)]
    return _step(net, weights, grads, lr)


def _step(net, weights, grads, lr):
    total = np.sum(weights, axis=0)
    return [
        (
            w - lr * sum(f * g[i][0] for f, g in zip(total, grads, strict=True)),
            b - lr * sum(f * g[i][1] for f, g in zip(total, grads, strict=True)),
        )
        for i, (w, b) in enumerate(net)
    ]


def reservoir_slot(age, capacity, random):
    """The slot of example number `age`, counted from 1, or None. Quirk: age + 1 values, not age."""
    if age <= capacity:
        return age - 1
    place = random.randint(0, age)
    return place if place < capacity else None


def evaluate(net, x, y):
    """Accuracy. Quirk: the last example is never tested."""
    right = sum(int(np.argmax(forward(net, x[i])[-1]) == y[i]) for i in range(len(x) - 1))
    return right / len(x)
