"""Lesson 12's encoder and its gradients in JAX."""

import functools

import jax
import jax.numpy as jnp

from course_lib.frameworks.encoder import dense

EPSILON = 1e-12


def tensors(arrays):
    """The same arrays as JAX's, by the same names; float64 stays so only where `jax_enable_x64` is on."""
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def attention(x, weights, heads):
    """Self-attention over tokens; x has shape `(batch, length, width)`."""
    batch, length, width = x.shape
    query, key, value = (
        dense(x, weights, name).reshape(batch, length, heads, width // heads)
        for name in ("query", "key", "value")
    )
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / (width // heads) ** 0.5
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), value)
    return dense(mixed.reshape(batch, length, width), weights, "output")


def norm(x, weights, name):
    """Layer normalization."""
    x = jax.nn.standardize(x, epsilon=EPSILON)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def logits(weights, x, heads):
    """One post-norm encoder block, the mean over tokens, a linear head: shape `(batch, classes)`."""
    x = norm(x + attention(x, weights, heads), weights, "attention_norm")
    inner = jax.nn.gelu(dense(x, weights, "inner"), approximate=False)
    x = norm(x + dense(inner, weights, "outer"), weights, "outer_norm")
    return dense(x.mean(axis=1), weights, "head")


def loss(weights, x, labels, heads):
    """The mean cross-entropy."""
    each = jax.nn.log_softmax(logits(weights, x, heads))
    return -jnp.take_along_axis(each, labels[:, None], axis=1).mean()


def loss_and_gradients(weights, x, labels, heads):
    """The loss and its gradient for each weight, by name."""
    return jax.value_and_grad(functools.partial(loss, heads=heads))(weights, x, labels)


# Without it, JAX compiles each operation by itself when it first meets it, which takes longer than the whole.
quick = jax.jit(loss_and_gradients, static_argnames="heads")


def compiled(function):
    """The function, traced and compiled by XLA at the first call."""
    return jax.jit(function)
