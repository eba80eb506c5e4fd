"""Where the encoder looks: attention maps of each layer, rollout, and what happens without a choice."""

import contextlib
import functools

import keras
import numpy as np
from keras import ops

from course_lib.interpretability.words import model_inputs


def blocks(model):
    """The names of a classifier's attention layers, lowest first."""
    return [layer.name for layer in model.layers if layer.name.startswith("transformer_layer_")]


@functools.lru_cache(maxsize=2)
def hidden_states(model):
    """A model of what a classifier holds behind its embeddings and behind every attention layer."""
    names = ("embeddings_layer_norm", *blocks(model))
    return keras.Model(model.input, [model.get_layer(name).output for name in names])


def attention_maps(model, ids):
    """The attention weights of one text in every layer.

    Args:
        model: A classifier on a KerasHub BERT, such as `weights.load_reviewer`.
        ids: Token ids, `(tokens,)`.

    Returns:
        Float array `(layers, heads, tokens, tokens)`; every row sums to 1.
    """
    return np.stack([each[0] for each in _maps(model).predict_on_batch(model_inputs([ids]))])


class _Maps(keras.Model):
    """A classifier's attention weights as a model, so that they are computed as a graph."""

    def __init__(self, model):
        super().__init__(name="attention_maps")
        self.states = hidden_states(model)
        self.blocks = [model.get_layer(name) for name in blocks(model)]

    def call(self, inputs):
        *below, _ = self.states(inputs, training=False)
        given = {"padding_mask": inputs["padding_mask"], "return_attention_scores": True}
        return [layer(x, training=False, **given)[1] for layer, x in zip(self.blocks, below, strict=True)]


@functools.lru_cache(maxsize=2)
def _maps(model):
    return _Maps(model)


def rollout(maps):
    """How much of each input token is in each output vector, if layers only mixed (Abnar and Zuidema 2020).

    A layer adds its input to what attention brings, so half of the identity is added to the heads' mean; then
    the layers' matrices are multiplied.

    Args:
        maps: As `attention_maps` returns them.

    Returns:
        Float array `(tokens, tokens)`; every row sums to 1.
    """
    mixed = 0.5 * np.mean(maps, axis=1) + 0.5 * np.eye(maps.shape[-1])
    result = mixed[0]
    for layer in mixed[1:]:
        result = layer @ result
    return result


def attention_rollout(model, words):
    """Rollout as a score per word: the mean over output vectors, as the reviewer's head averages them.

    Args:
        model: As in `attention_maps`.
        words: A `Words`.

    Returns:
        Float array `(words,)`, never negative: attention does not say for which verdict a word speaks.
    """
    return words.per_word(rollout(attention_maps(model, words.ids)).mean(axis=0))


@contextlib.contextmanager
def uniform_attention(model, names):
    """Within the context, attention in some layers has no choice: all tokens weigh the same.

    With queries of zero all scores are zero, and softmax makes equal weights of them.

    Args:
        model: A classifier; its weights are put back at the end.
        names: Which of `blocks`.

    Yields:
        The model.
    """
    queries = [v for name in names for v in model.get_layer(name).weights if "/query/" in v.path]
    saved = [ops.convert_to_numpy(v) for v in queries]
    try:
        for variable, value in zip(queries, saved, strict=True):
            variable.assign(np.zeros_like(value))
        yield model
    finally:
        for variable, value in zip(queries, saved, strict=True):
            variable.assign(value)
