"""What the gradient of a training step says of its text (Melis et al. 2019; Fowl et al. 2023)."""

import numpy as np


def tokens_used(table_gradient):
    """The ids whose row in the gradient of a token table is not zero: the tokens of the batch, exactly.

    Args:
        table_gradient: Array of shape `(vocabulary, width)`.

    Returns:
        Sorted integer array.
    """
    return np.flatnonzero(np.any(np.asarray(table_gradient) != 0, axis=1))


def tokens_in_order(table_gradient, position_gradient, tolerance=0.1):
    """The tokens of one text, in their order, from two gradients of one step.

    Where token and position are added, both are given the same gradient. So the row of a token is the sum of
    the rows of its positions: `table = counts @ position`, solved here for the counts by least squares.

    Args:
        table_gradient: Array of shape `(vocabulary, width)`.
        position_gradient: Array of shape `(positions, width)`, its rows beyond the text's end zero.
        tolerance: How far a solved count may be from 0 or 1.

    Returns:
        Integer array `(length,)`.

    Raises:
        ValueError: If the counts are not zeros and ones: the step had several texts, or noise.
    """
    used = tokens_used(table_gradient)
    places = np.flatnonzero(np.any(np.asarray(position_gradient) != 0, axis=1))
    table, position = (
        np.asarray(gradient, "float64")[rows]
        for gradient, rows in ((table_gradient, used), (position_gradient, places))
    )
    counts = np.linalg.lstsq(position.T, table.T, rcond=None)[0]  # (places, tokens)
    near = np.abs(counts - np.round(counts)).max(initial=0) < tolerance
    if not near or not (np.round(counts).sum(axis=1) == 1).all():
        raise ValueError("The gradients are not those of one text: no order explains them.")
    return used[counts.argmax(axis=1)]


def features_from_head(kernel_gradient, bias_gradient):
    """The features of the only example of a step, from the gradient of a linear head.

    The gradient of its kernel is features times error, that of its bias the error.

    Args:
        kernel_gradient: Array of shape `(width, classes)`.
        bias_gradient: Array of shape `(classes,)`.

    Returns:
        Array of shape `(width,)`.

    Raises:
        ValueError: If the error is zero.
    """
    largest = np.abs(bias_gradient).argmax()
    if bias_gradient[largest] == 0:
        raise ValueError("The error of the example is zero, and with it the whole gradient.")
    return kernel_gradient[:, largest] / bias_gradient[largest]
