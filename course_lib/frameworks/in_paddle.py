"""Lesson 12's encoder and its gradients in PaddlePaddle."""

import paddle
from paddle.nn import functional

from course_lib.frameworks.encoder import dense

EPSILON = 1e-12


def tensors(arrays):
    """Copies of the arrays as tensors, by the same names, in their own types."""
    return {name: paddle.to_tensor(array) for name, array in arrays.items()}


def attention(x, weights, heads):
    """Self-attention over tokens; x has shape `(batch, length, width)`."""
    query, key, value = (
        dense(x, weights, name).reshape([0, 0, heads, -1]).transpose([0, 2, 1, 3])
        for name in ("query", "key", "value")
    )
    scores = query @ key.transpose([0, 1, 3, 2]) / key.shape[-1] ** 0.5
    mixed = functional.softmax(scores) @ value
    return dense(mixed.transpose([0, 2, 1, 3]).flatten(2), weights, "output")


def norm(x, weights, name):
    """Layer normalization."""
    pair = weights[f"{name}/gamma"], weights[f"{name}/beta"]
    return functional.layer_norm(x, x.shape[-1:], *pair, epsilon=EPSILON)


def logits(weights, x, heads):
    """One post-norm encoder block, the mean over tokens, a linear head: shape `(batch, classes)`."""
    x = norm(x + attention(x, weights, heads), weights, "attention_norm")
    inner = functional.gelu(dense(x, weights, "inner"))
    x = norm(x + dense(inner, weights, "outer"), weights, "outer_norm")
    return dense(x.mean(axis=1), weights, "head")


def loss(weights, x, labels, heads):
    """The mean cross-entropy."""
    return functional.cross_entropy(logits(weights, x, heads), labels)


def loss_and_gradients(weights, x, labels, heads, loss=loss):
    """The loss and its gradient for each weight, by name."""
    weights = {name: each.detach() for name, each in weights.items()}
    for each in weights.values():
        each.stop_gradient = False  # Where PyTorch has requires_grad, the other way round.
    found = loss(weights, x, labels, heads)
    return found, dict(zip(weights, paddle.grad(found, list(weights.values())), strict=True))


def compiled(function):
    """The function as a static graph, traced at the first call."""
    return paddle.jit.to_static(function, full_graph=True)
