"""Lesson 12's encoder in `keras.ops`, for TensorFlow, JAX and PyTorch; gradients are the backend's."""

import keras
from keras import ops

from course_lib.frameworks.encoder import dense

EPSILON = 1e-12


def tensors(arrays):
    """The same arrays as tensors of the backend, by the same names."""
    return {name: ops.convert_to_tensor(array) for name, array in arrays.items()}


def attention(x, weights, heads):
    """Self-attention over tokens; x has shape `(batch, length, width)`."""
    batch, length, width = ops.shape(x)
    query, key, value = (
        ops.reshape(dense(x, weights, name), (batch, length, heads, width // heads))
        for name in ("query", "key", "value")
    )
    scores = ops.einsum("bqhd,bkhd->bhqk", query, key) / (width // heads) ** 0.5
    mixed = ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores), value)
    return dense(ops.reshape(mixed, (batch, length, width)), weights, "output")


def norm(x, weights, name):
    """Layer normalization."""
    mean, variance = ops.moments(x, axes=-1, keepdims=True)
    x = (x - mean) * ops.rsqrt(variance + EPSILON)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def gelu(x):
    """X times Φ(x), in x's own precision, which `ops.gelu` does not keep on TensorFlow."""
    return 0.5 * x * (1 + ops.erf(x / 2**0.5))


def logits(weights, x, heads):
    """One post-norm encoder block, the mean over tokens, a linear head: shape `(batch, classes)`."""
    x = norm(x + attention(x, weights, heads), weights, "attention_norm")
    inner = gelu(dense(x, weights, "inner"))
    x = norm(x + dense(inner, weights, "outer"), weights, "outer_norm")
    return dense(ops.mean(x, axis=1), weights, "head")


def loss(weights, x, labels, heads):
    """The mean cross-entropy."""
    found = keras.losses.sparse_categorical_crossentropy(labels, logits(weights, x, heads), from_logits=True)
    return ops.mean(found)


def loss_and_gradients(weights, x, labels, heads):
    """The loss and its gradient for each weight, by name."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.value_and_grad(loss)(weights, x, labels, heads)
    if backend == "torch":
        import torch

        weights = {name: each.detach().requires_grad_() for name, each in weights.items()}
        found = loss(weights, x, labels, heads)
        return found, dict(zip(weights, torch.autograd.grad(found, list(weights.values())), strict=True))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = loss(weights, x, labels, heads)
    return found, tape.gradient(found, weights)


def compiled(function):
    """The function, compiled as `compile(jit_compile=True)` would have the backend do it."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(function)
    if backend == "torch":
        import torch

        return torch.compile(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True)
