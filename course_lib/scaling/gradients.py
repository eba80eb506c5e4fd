"""Gradients that are added up: over small batches in turn, or over workers side by side."""

import numpy as np


def average(gradients, counts):
    """The gradient of a whole batch from the gradients of its parts.

    Each part's loss is a mean over what it counts: reviews, or masked tokens. The mean over all is not the
    mean of these means unless all parts count equally many.

    Args:
        gradients: One list of arrays for each part, all with the same shapes.
        counts: How many losses each part's mean is over.

    Returns:
        List of arrays: the gradient of the mean over all parts.

    Raises:
        ValueError: If there is not one count for each part, or they do not sum to more than 0.
    """
    total = sum(counts)
    if len(gradients) != len(counts) or not counts or min(counts) < 0 or total <= 0:
        raise ValueError(
            "`counts` must hold one number for each part, at least 0, and not only zeros. "
            f"Received: {len(gradients)} parts and counts={list(counts)}"
        )
    return [
        sum(np.asarray(each) * (count / total) for each, count in zip(parts, counts, strict=True))
        for parts in zip(*gradients, strict=True)
    ]


def split(arrays, parts):
    """Cuts a batch into parts, as equal as they can be; the first ones are longer by one.

    Args:
        arrays: Array of shape `(batch, ...)`, or a dict or tuple of such arrays of the same length.
        parts: How many.

    Returns:
        List of `parts` of the kind of `arrays`.

    Raises:
        ValueError: If there are more parts than examples.
    """
    if isinstance(arrays, dict):
        cut = {name: split(each, parts) for name, each in arrays.items()}
        return [{name: each[i] for name, each in cut.items()} for i in range(parts)]
    if isinstance(arrays, tuple):
        return list(zip(*(split(each, parts) for each in arrays), strict=True))
    if not 1 <= parts <= len(arrays):
        raise ValueError(f"`parts` must be from 1 to {len(arrays)}, the batch. Received: parts={parts}")
    return np.array_split(arrays, parts)
