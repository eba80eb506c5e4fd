"""From token ids to padded batches, as a `tf.data.Dataset`."""

import itertools
import numbers

import numpy as np

from course_lib.imdb.splits import check_texts
from course_lib.imdb.tokens import encode, pad


def batches_by_length(lengths, batch_size, multiple=16, seed=None):
    """Groups examples of about equal length, so that batches hold little padding.

    Lengths count in steps of `multiple`, as padded widths do: there are few distinct shapes for XLA to
    compile, and within a step examples mix freely.

    Args:
        lengths: One length per example.
        batch_size: Examples per batch; the longest batch has the rest.
        multiple: Step of lengths.
        seed: Shuffles examples within a step, and the batches; None keeps both in ascending order.

    Returns:
        List of integer arrays of indices; each example is in one of them.

    Raises:
        ValueError: If `batch_size` or `multiple` is not a positive integer.
    """
    for name, value in {"batch_size": batch_size, "multiple": multiple}.items():
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"`{name}` must be an integer above 0. Received: {value!r}")
    steps = -(-np.asarray(lengths, dtype="int64") // multiple)
    rng = None if seed is None else np.random.default_rng(seed)
    order = np.arange(len(steps)) if rng is None else rng.permutation(len(steps))
    order = order[np.argsort(steps[order], kind="stable")]
    groups = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return groups if rng is None else [groups[i] for i in rng.permutation(len(groups))]


def batches(
    texts,
    labels,
    tokenizer=None,
    batch_size=32,
    sequence_length=128,
    how="head",
    by_length=True,
    shuffle=False,
    seed=0,
    multiple=16,
):
    """Padded batches for KerasHub's BERT, as a `tf.data.Dataset`.

    Args:
        texts: Sequence of str; they are cleaned and tokenized once, here.
        labels: One integer per text.
        tokenizer: As in `encode`.
        batch_size: Reviews per batch.
        sequence_length: As in `encode`.
        how: As in `encode`.
        by_length: Whether to batch reviews of about equal length, each batch padded to its own width;
            otherwise reviews stay in order and all are padded to `sequence_length`.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the shuffle.
        multiple: Widths of batches by length are multiples of this.

    Returns:
        A dataset of `(x, y)`: `x` a dict of `token_ids` (int32), `padding_mask` (bool) and `segment_ids`
        (int32, all 0) of shape `(batch, width)`, `y` int32 of shape `(batch,)`. With `by_length` or `shuffle`
        the reviews come in another order than `texts`, each with its label.

    Raises:
        ValueError: If there is not one whole number per text as its label, or as `encode`.
    """
    check_texts(texts)
    labels = _labels(labels, len(texts))
    sequences = encode(texts, tokenizer, sequence_length, how)
    # One step for all lengths lets any review stand beside any other.
    length, multiple = (None, multiple) if by_length else (sequence_length, sequence_length)
    return batch_sequences(sequences, labels, batch_size, length, shuffle, seed, multiple)


def padded_batches(sequences, labels, batch_size=32, length=None, seed=None, multiple=16, segments=None):
    """One pass over padded batches, as NumPy arrays: what `batch_sequences` puts into a `tf.data.Dataset`.

    Args:
        sequences: Lists of token ids.
        labels: One integer per sequence.
        batch_size: As in `batch_sequences`.
        length: As in `batch_sequences`.
        seed: Seed of this pass's order; None keeps ascending lengths.
        multiple: As in `batch_sequences`.
        segments: As in `batch_sequences`.

    Yields:
        `(x, y)` as `batches` has them.

    Raises:
        ValueError: If there is not one whole number per sequence as its label.
    """
    labels = _labels(labels, len(sequences))
    lengths = [len(sequence) for sequence in sequences]
    step = multiple if length is None else 1  # A length that is given is the width, whatever divides it.
    for index in batches_by_length(lengths, batch_size, multiple, seed):
        token_ids, padding_mask = pad([sequences[i] for i in index], length, step)
        segment_ids = np.zeros_like(token_ids)
        if segments is not None:
            segment_ids, _ = pad([segments[i] for i in index], length, step)
        yield (
            {"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": segment_ids},
            labels[index],
        )


def batch_sequences(
    sequences, labels, batch_size=32, length=None, shuffle=False, seed=0, multiple=16, segments=None
):
    """Padded batches of token ids, as `batches` gives them of texts.

    Args:
        sequences: Lists of token ids.
        labels: One integer per sequence.
        batch_size: Sequences per batch.
        length: Width of all batches; None pads each to its own, and puts sequences of about equal length
            together.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the shuffle.
        multiple: Sequences mix within a step of this many tokens; without `length`, widths of batches are
            multiples of it.
        segments: Lists of segment ids, as long as the sequences; None means 0 everywhere.

    Returns:
        As `batches`.

    Raises:
        ValueError: If there is not one whole number per sequence as its label, `batch_size` or `multiple` is
            not a positive integer, a sequence is longer than `length`, or its segments are not as long as it.
    """
    import tensorflow as tf

    # Here, because TensorFlow would wrap the generator's errors when the first batch is drawn.
    labels = _labels(labels, len(sequences))
    batches_by_length([], batch_size, multiple)
    if length is not None:
        pad([max(sequences, key=len, default=[])], length)
    if segments is not None and list(map(len, segments)) != list(map(len, sequences)):
        raise ValueError(
            "`segments` must have one id per token: as many lists, each as long as its sequence."
        )
    epochs = itertools.count(seed)

    def generate():
        yield from padded_batches(
            sequences, labels, batch_size, length, next(epochs) if shuffle else None, multiple, segments
        )

    spec = {"token_ids": "int32", "padding_mask": "bool", "segment_ids": "int32"}
    spec = {name: tf.TensorSpec((None, length), dtype) for name, dtype in spec.items()}
    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=(spec, tf.TensorSpec((None,), "int32"))
    )
    count = -(-len(sequences) // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def _labels(labels, count):
    """`count` labels as an int32 array; a ValueError where that would change one."""
    expected = (
        "`labels` must have one integer per text, such as 0 for negative and 1 for positive. Received: "
    )
    try:
        found = np.asarray(labels)
    except ValueError as error:  # Rows of several lengths.
        raise ValueError(f"{expected}{labels!r:.60}") from error
    if found.ndim != 1:
        kind = f"an array of shape {found.shape}" if found.ndim else f"{labels!r:.60}"
        if found.ndim == 2:
            cure = "ravel(labels)" if found.shape[1] == 1 else "argmax(labels, axis=1)"
            kind += f": np.{cure} makes one label of each row"
        raise ValueError(f"{expected}{kind}")
    if len(found) != count:
        raise ValueError(f"There must be one label per text. Received: {count} and {len(found)}")
    if found.dtype.kind in "biuf":
        values = found.astype("float64")
        wrong = ~(np.abs(values) < 2**31) | (values != np.round(values))
    else:
        wrong = [not isinstance(each, numbers.Integral) or abs(each) >= 2**31 for each in found]
    if np.any(wrong):
        place = int(np.argmax(wrong))
        raise ValueError(f"{expected}{found.tolist()[place]!r} at index {place}")
    return found.astype("int32")
