"""The causal objective: at each position the next token (Radford et al. 2018)."""

import tensorflow as tf


def causal_shift(token_ids, pad_id=0):
    """What a causal language model reads and what it has to say: at each place the next token.

    Args:
        token_ids: Integer tensor of shape `(batch, length)`.
        pad_id: The id of padding.

    Returns:
        `(inputs, labels, weights)`, each of shape `(batch, length - 1)`; weights are 0.0 where the label is
        padding, else 1.0.
    """
    inputs, labels = token_ids[:, :-1], token_ids[:, 1:]
    return inputs, labels, tf.cast(labels != pad_id, "float32")


def causal(dataset, pad_id=0):
    """Makes batches for a causal language model of batches of texts.

    Args:
        dataset: Batches of `(x, y)` as `imdb.batches` gives them.
        pad_id: The id of padding.

    Returns:
        A dataset of `(x, labels, weights)`, `x` one column shorter.
    """

    def shift(x, _):
        token_ids, labels, weights = causal_shift(x["token_ids"], pad_id)
        return {**{name: each[:, :-1] for name, each in x.items()}, "token_ids": token_ids}, labels, weights

    return dataset.map(shift, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
