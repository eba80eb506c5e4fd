"""Lesson 12's encoder and its gradients in PyTorch."""

import torch
from torch.nn import functional

from course_lib.frameworks.encoder import dense

EPSILON = 1e-12


def tensors(arrays):
    """Copies of the arrays as tensors, by the same names, in their own types."""
    return {name: torch.tensor(array) for name, array in arrays.items()}


def attention(x, weights, heads):
    """Self-attention over tokens; x has shape `(batch, length, width)`."""
    query, key, value = (
        dense(x, weights, name).unflatten(-1, (heads, -1)).transpose(1, 2)
        for name in ("query", "key", "value")
    )
    scores = query @ key.transpose(2, 3) / key.shape[-1] ** 0.5
    mixed = scores.softmax(dim=-1) @ value
    return dense(mixed.transpose(1, 2).flatten(2), weights, "output")


def norm(x, weights, name):
    """Layer normalization."""
    pair = weights[f"{name}/gamma"], weights[f"{name}/beta"]
    return functional.layer_norm(x, x.shape[-1:], *pair, eps=EPSILON)


def logits(weights, x, heads):
    """One post-norm encoder block, the mean over tokens, a linear head: shape `(batch, classes)`."""
    x = norm(x + attention(x, weights, heads), weights, "attention_norm")
    inner = functional.gelu(dense(x, weights, "inner"))
    x = norm(x + dense(inner, weights, "outer"), weights, "outer_norm")
    return dense(x.mean(dim=1), weights, "head")


def loss(weights, x, labels, heads):
    """The mean cross-entropy."""
    return functional.cross_entropy(logits(weights, x, heads), labels)


def loss_and_gradients(weights, x, labels, heads, loss=loss):
    """The loss and its gradient for each weight, by name."""
    weights = {name: each.detach().requires_grad_() for name, each in weights.items()}
    found = loss(weights, x, labels, heads)
    return found, dict(zip(weights, torch.autograd.grad(found, list(weights.values())), strict=True))


def compiled(function):
    """The function, compiled by TorchInductor at the first call, which on a CPU needs a C++ compiler."""
    return torch.compile(function)
