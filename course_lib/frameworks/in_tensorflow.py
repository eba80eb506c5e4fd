"""Lesson 12's encoder and its gradients in plain TensorFlow."""

import tensorflow as tf

from course_lib.frameworks.encoder import dense

EPSILON = 1e-12  # Of the norms, BERT's; every library has another default.


def tensors(arrays):
    """The same arrays as tensors, by the same names, in their own types."""
    return {name: tf.convert_to_tensor(array) for name, array in arrays.items()}


def attention(x, weights, heads):
    """Self-attention over tokens; x has shape `(batch, length, width)`."""
    width = x.shape[-1]
    query, key, value = (
        tf.transpose(
            tf.reshape(dense(x, weights, name), (-1, x.shape[1], heads, width // heads)), (0, 2, 1, 3)
        )
        for name in ("query", "key", "value")
    )
    scores = query @ tf.linalg.matrix_transpose(key) / (width // heads) ** 0.5
    mixed = tf.transpose(tf.nn.softmax(scores) @ value, (0, 2, 1, 3))
    return dense(tf.reshape(mixed, (-1, x.shape[1], width)), weights, "output")


def norm(x, weights, name):
    """Layer normalization."""
    mean, variance = tf.nn.moments(x, axes=-1, keepdims=True)
    x = (x - mean) * tf.math.rsqrt(variance + EPSILON)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def gelu(x):
    """X times Φ(x); `tf.nn.gelu` rounds 1/√2 to float32, whatever x is."""
    return 0.5 * x * (1 + tf.math.erf(x / 2**0.5))


def logits(weights, x, heads):
    """One post-norm encoder block, the mean over tokens, a linear head: shape `(batch, classes)`."""
    x = norm(x + attention(x, weights, heads), weights, "attention_norm")
    inner = gelu(dense(x, weights, "inner"))
    x = norm(x + dense(inner, weights, "outer"), weights, "outer_norm")
    return dense(tf.reduce_mean(x, axis=1), weights, "head")


def loss(weights, x, labels, heads):
    """The mean cross-entropy."""
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits(weights, x, heads))
    return tf.reduce_mean(each)


def loss_and_gradients(weights, x, labels, heads):
    """The loss and its gradient for each weight, by name."""
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = loss(weights, x, labels, heads)
    return found, tape.gradient(found, weights)


def compiled(function):
    """The function as a graph that TensorFlow traces at the first call."""
    return tf.function(function)
