"""The masked language model: which tokens are hidden, and what stands in their place (BERT, section 3.1).

What is random comes in as an argument, so that each step can be computed by hand: a score or a draw is
uniform between 0 and 1.
"""

import numpy as np
import tensorflow as tf

from course_lib import imdb

RATE = 0.15


def word_scores(scores, continues):
    """Gives all pieces of a word one score, so that a word is chosen whole or not at all.

    Args:
        scores: Float tensor of shape `(batch, length)`; the k-th word of a text gets the k-th.
        continues: Boolean tensor of the same shape: where a piece continues the word before it.

    Returns:
        Tensor of the shape of `scores`.
    """
    word = tf.cumsum(tf.cast(~continues, "int32"), axis=1) - 1
    return tf.gather(scores, tf.maximum(word, 0), batch_dims=1)


def choose(scores, candidates, rate=RATE):
    """Chooses the tokens to predict: in each text the share `rate` of the candidates with the lowest scores.

    Args:
        scores: Float tensor of shape `(batch, length)`. Equal scores are chosen together or not at all.
        candidates: Boolean tensor of the same shape, False at padding and special tokens.
        rate: Share of the candidates.

    Returns:
        Boolean tensor of the shape of `scores`. A text with n candidates gets `rate` times n, rounded and at
        least one; fewer, if those with the next score are too many to fit.
    """
    # A rank counts the token itself and all ties: beyond the budget, none of them is taken.
    lower = (scores[:, None, :] <= scores[:, :, None]) & candidates[:, None, :]
    ranks = tf.reduce_sum(tf.cast(lower, "int32"), axis=-1)
    return candidates & (ranks <= budget(tf.reduce_sum(tf.cast(candidates, "int32"), -1, True), rate))


def budget(count, rate=RATE):
    """How many of `count` candidates are predicted: the share `rate`, rounded, at least one."""
    return tf.maximum(1, tf.cast(tf.round(rate * tf.cast(count, "float32")), "int32"))


def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    """Replaces 80 % of the chosen tokens by `[MASK]` and 10 % by random tokens; 10 % stay (section 3.1).

    Args:
        token_ids: Integer tensor of any shape.
        chosen: Boolean tensor of the same shape.
        draws: Float tensor of the same shape: below 0.8 `[MASK]`, below 0.9 the random token.
        random_ids: Integer tensor of the same shape.
        mask_id: The id of `[MASK]`.

    Returns:
        Integer tensor of the same shape.
    """
    replaced = tf.where(draws < 0.8, mask_id, tf.where(draws < 0.9, random_ids, token_ids))
    return tf.where(chosen, replaced, token_ids)


def masked(dataset, vocabulary, rate=RATE, whole_words=False, next_sentence=False, seed=0):
    """Makes batches for a masked language model of batches of texts, with new masks in every epoch.

    Args:
        dataset: Batches of `(x, y)` as `imdb.batches` gives them, or `pair_batches`.
        vocabulary: The tokenizer's `Vocabulary`.
        rate: As in `choose`.
        whole_words: Whether all pieces of a word are chosen together.
        next_sentence: Whether `y` says if the second segment follows the first.
        seed: Seed of the masks.

    Returns:
        A dataset of `(x, labels, weights)`. `x` has the corrupted `token_ids`, `segment_ids`, `padding_mask`
        and `mask_positions`, int32 of shape `(batch, predictions)`; `labels` and `weights` are dicts with
        `"masked"`, of that shape (the true ids, and 1.0, or 0.0 where there are fewer predictions than
        columns), and with `next_sentence` `"next"`, of shape `(batch,)` (`y`, and 1.0).
    """
    special, continues = tf.constant(vocabulary.special), tf.constant(vocabulary.continues)
    ordinary = tf.constant(np.flatnonzero(~vocabulary.special), "int32")

    def mask(batch, key):
        x, y = batch
        true = x["token_ids"]
        scores, draws, places = tf.unstack(tf.random.stateless_uniform((3, *tf.unstack(tf.shape(true))), key))
        if whole_words:
            scores = word_scores(scores, tf.gather(continues, true))
        chosen = choose(scores, ~tf.gather(special, true) & tf.cast(x["padding_mask"], "bool"), rate)
        places = tf.cast(places * tf.cast(tf.size(ordinary), "float32"), "int32")
        token_ids = corrupt(true, chosen, draws, tf.gather(ordinary, places), vocabulary.mask_id)
        # The chosen places of each row, in order; rows with fewer are filled up with places of no weight.
        columns = budget(tf.shape(true)[1], rate)
        positions = tf.argsort(tf.where(chosen, 0, 1), stable=True)[:, :columns]
        weights = tf.gather(tf.cast(chosen, "float32"), positions, batch_dims=1)
        labels, weights = {"masked": tf.gather(true, positions, batch_dims=1)}, {"masked": weights}
        if next_sentence:
            labels["next"], weights["next"] = y, tf.ones_like(y, "float32")
        return {**x, "token_ids": token_ids, "mask_positions": positions}, labels, weights

    keys = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip(dataset, keys).map(mask, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def text_batches(texts, tokenizer, batch_size=32, sequence_length=128, shuffle=False, seed=0):
    """Padded batches of whole texts: what does not fit into one sequence goes on in the next.

    Args:
        texts: Sequence of str; they are cleaned.
        tokenizer: A `tokenizers.Tokenizer`.
        batch_size: Sequences per batch.
        sequence_length: Most tokens per sequence, `[CLS]` and `[SEP]` included.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the shuffle.

    Returns:
        A dataset of `(x, y)` as `imdb.batches` gives it, with the number of the text as `y`.
    """
    room, sequences, numbers = sequence_length - 2, [], []
    for number, (start, *ids, end) in enumerate(imdb.encode(texts, tokenizer, sequence_length=10**6)):
        for i in range(0, len(ids), room):
            # An array, because a list of so many integers would take ten times the memory.
            sequences.append(np.array([start, *ids[i : i + room], end], "int32"))
            numbers.append(number)
    return imdb.batch_sequences(sequences, numbers, batch_size, shuffle=shuffle, seed=seed)
