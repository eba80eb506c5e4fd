"""Classifiers on cached features of a frozen encoder: a head, and an adapter under it, in NumPy.

A network here is a list of weight matrices whose last row is the bias, so that a layer is one product of its
input, with a 1 behind it, and one matrix. Its layers' inputs and errors (the gradients of the loss by their
outputs) are all that a gradient needs: for one example it is the outer product of the two.
"""

import numpy as np


def scale(features, public):
    """Puts features on a common scale that no private example has a say in.

    Args:
        features: Array of shape `(n, width)`.
        public: Features of public texts, `(m, width)`; their mean and standard deviation are used.

    Returns:
        Array of shape `(n, width)`, whose rows are about 1 long if they are like the public ones.
    """
    spread = np.maximum(public.std(axis=0), 1e-6)
    return (features - public.mean(axis=0)) / (spread * features.shape[1] ** 0.5)


def with_one(inputs):
    """Inputs `(n, width)` with a column of ones behind them, which the bias multiplies."""
    return np.concatenate([inputs, np.ones((len(inputs), 1), inputs.dtype)], axis=1)


def sigmoid(logits):
    """The probability of the positive class, without overflow."""
    return np.exp(-np.logaddexp(0, -logits))


def head(width):
    """The weights of a linear head: `[(width + 1, 1)]`, zeros."""
    return [np.zeros((width + 1, 1))]


def adapter(width, rank=8, seed=0):
    """The weights of a bottleneck adapter (Houlsby et al. 2019) with a head on it.

    Args:
        width: Length of a feature vector.
        rank: Width of the bottleneck.
        seed: Of the first matrix; the others are zeros, so that the network starts as a head.

    Returns:
        `[(width + 1, rank), (rank + 1, width), (width + 1, 1)]`.
    """
    first = np.random.default_rng(seed).normal(0, 1, (width + 1, rank))
    return [first, np.zeros((rank + 1, width)), *head(width)]


def forward(weights, features):
    """The logits, and the input of each layer.

    Args:
        weights: As `head` or `adapter` makes them.
        features: Array of shape `(n, width)`.

    Returns:
        `(logits, inputs)`: shape `(n,)`, and one array with its column of ones per layer.
    """
    if len(weights) == 1:
        inputs = [with_one(features)]
    else:
        down, up, _ = weights
        first = with_one(features)
        second = with_one(np.tanh(first @ down))
        inputs = [first, second, with_one(features + second @ up)]
    return (inputs[-1] @ weights[-1])[:, 0], inputs


def layers(weights, features, labels):
    """Each layer's inputs and errors, which hold the gradient of every example's cross-entropy.

    Args:
        weights: As `head` or `adapter` makes them.
        features: Array of shape `(n, width)`.
        labels: Array of 0 and 1, `(n,)`.

    Returns:
        List of `(inputs, errors)`, of shapes `(n, width of the layer + 1)` and `(n, units)`. The gradient of
        example i is `np.outer(inputs[i], errors[i])`.
    """
    logits, inputs = forward(weights, features)
    error = (sigmoid(logits) - labels)[:, None]
    if len(weights) == 1:
        return [(inputs[0], error)]
    _, up, last = weights
    middle = error * last[:-1, 0]
    first = (middle @ up[:-1].T) * (1 - inputs[1][:, :-1] ** 2)
    return list(zip(inputs, (first, middle, error), strict=True))


def losses(logits, labels):
    """The cross-entropy of each example, in nats, from logits of the same shape as the labels."""
    return np.logaddexp(0, np.where(labels > 0, -logits, logits))


def accuracy(weights, features, labels):
    """The share of right verdicts."""
    return float(np.mean((forward(weights, features)[0] > 0) == labels))


def train_heads(features, labels, members, steps=300, rate=8.0):
    """Linear heads trained at once, each on examples of its own, by gradient descent with momentum 0.9.

    Args:
        features: Array of shape `(n, width)`.
        labels: Array of 0 and 1, `(n,)`.
        members: Boolean array `(n, models)`: which examples a model learns from.
        steps: Number of steps, each on all of a model's examples.
        rate: Learning rate.

    Returns:
        Weights of shape `(width + 1, models)`: each column is a head.

    Raises:
        ValueError: If a model has no example, or the shapes do not fit.
    """
    if members.shape[0] != len(features) or not members.any(axis=0).all():
        raise ValueError(
            f"`members` must have a row per example and at least one example per model. "
            f"Received: {members.shape} for {len(features)} examples"
        )
    inputs = with_one(features)
    share = (members / members.sum(axis=0)).astype(inputs.dtype)
    weights = np.zeros((inputs.shape[1], members.shape[1]), inputs.dtype)
    speed = np.zeros_like(weights)
    for _ in range(steps):
        error = (sigmoid(inputs @ weights) - labels[:, None]) * share
        speed = 0.9 * speed - rate * (inputs.T @ error)
        weights = weights + speed
    return weights
