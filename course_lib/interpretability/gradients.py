"""Attributions from gradients: times the input, and integrated along a path."""

import functools

import keras
import numpy as np
from keras import ops


class Embedded:
    """A classifier cut behind its token embeddings, so that there are gradients by them.

    Args:
        model: A classifier on a KerasHub BERT. Its weights are shared, not copied.
    """

    def __init__(self, model):
        table = model.get_layer("token_embedding")
        self._embed = table
        inputs = [table.output, model.input["padding_mask"], model.input["segment_ids"]]
        self._rest = keras.Model(inputs, model.output)
        self._gradients = functools.partial(_gradient, lambda x: ops.sum(self.log_odds(x)))
        if keras.backend.backend() == "tensorflow":  # As a graph it takes a fifth of the time.
            import tensorflow as tf

            self._gradients = tf.function(self._gradients, reduce_retracing=True)

    def embed(self, rows):
        """Token embeddings `(n, tokens, width)`, float32, of token ids `(n, tokens)`."""
        return ops.convert_to_numpy(ops.cast(self._embed(np.asarray(rows, "int32")), "float32"))

    def log_odds(self, embeddings):
        """Log-odds `(n,)`, a tensor, from token embeddings `(n, tokens, width)` without padding."""
        embeddings = ops.convert_to_tensor(embeddings)
        shape = ops.shape(embeddings)[:2]
        mask, segments = ops.ones(shape, "int32"), ops.zeros(shape, "int32")
        logits = self._rest([embeddings, mask, segments], training=False)
        return logits[:, 1] - logits[:, 0]

    def gradients(self, embeddings):
        """The log-odds' gradients by token embeddings, an array of the same shape."""
        return ops.convert_to_numpy(self._gradients(ops.convert_to_tensor(embeddings)))


def gradient(function, inputs):
    """The gradient of a number by an array, on each of Keras' backends.

    Args:
        function: Function from a tensor to a scalar tensor.
        inputs: Float array.

    Returns:
        Array of the shape of `inputs`.

    Raises:
        ValueError: If Keras runs on a backend without gradients.
    """
    return ops.convert_to_numpy(_gradient(function, ops.convert_to_tensor(inputs)))


def _gradient(function, inputs):
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(inputs)
        return tape.gradient(value, inputs)
    if backend == "jax":
        import jax

        return jax.grad(function)(inputs)
    if backend == "torch":
        import torch

        with torch.enable_grad():
            inputs = inputs.detach().requires_grad_(True)
            return torch.autograd.grad(function(inputs), inputs)[0]
    raise ValueError(f"Gradients are taken on TensorFlow, JAX and PyTorch. Received: {backend}")


def gradient_times_input(model, words):
    """What each word's embedding would add if the classifier were linear around this text.

    Args:
        model: A classifier, or an `Embedded`.
        words: A `Words`.

    Returns:
        Float array `(words,)`: the gradient of the log-odds times the embedding, summed over its width.
    """
    embedded = _embedded(model)
    x = embedded.embed([words.ids])
    return words.per_word((embedded.gradients(x) * x)[0].sum(axis=-1))


def integrated_gradients(model, words, steps=64, batch_size=32):
    """Gradients averaged on the straight way from a text of `[MASK]` to this one, times the way.

    Sundararajan, Taly and Yan (2017): the scores add up to the difference of the log-odds between both ends
    ("completeness"). The integral is a sum at the middles of `steps` equal parts.

    Args:
        model: A classifier, or an `Embedded`.
        words: A `Words`.
        steps: Points on the way.
        batch_size: Points at a time.

    Returns:
        Float array `(words,)`.
    """
    embedded = _embedded(model)
    start, end = embedded.embed([words.show(np.zeros(len(words), "bool")), words.ids])
    return words.per_word(path_integral(embedded.gradients, start, end, steps, batch_size).sum(axis=-1))


def path_integral(gradients, start, end, steps=64, batch_size=32):
    """The integral of gradients along the straight line between two points, entry by entry.

    Args:
        gradients: Function from points `(n, ...)` to gradients of that shape.
        start: Float array `(...)`.
        end: Float array of the same shape.
        steps: Points on the line.
        batch_size: Points at a time.

    Returns:
        Float array `(...)`; its sum is the difference of the function between both ends, up to the error of
        the sum.

    Raises:
        ValueError: If `steps` is below 1.
    """
    if steps < 1:
        raise ValueError(f"`steps` must be at least 1. Received: {steps}")
    shares = (np.arange(steps) + 0.5) / steps
    total = np.zeros(np.shape(start))
    for first in range(0, steps, batch_size):
        share = shares[first : first + batch_size].reshape(-1, *[1] * np.ndim(start))
        points = (start + share * (end - start)).astype(np.asarray(start).dtype)
        total += np.sum(gradients(points), axis=0)
    return (end - start) * total / steps


def _embedded(model):
    return model if isinstance(model, Embedded) else _cut(model)


@functools.lru_cache(maxsize=2)
def _cut(model):
    return Embedded(model)
