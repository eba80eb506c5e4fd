"""Which weights go: the smallest, over a layer or the model, or n of every m."""

import numpy as np
from keras import ops

from course_lib.pruning.schedules import check_sparsity


def magnitude_masks(weights, sparsity, scope="layer"):
    """Masks that drop the weights of least magnitude.

    Args:
        weights: Dict from name to array.
        sparsity: Share of zeros.
        scope: "layer" gives each array this share, "global" all of them together, so that arrays of small
            weights lose more.

    Returns:
        Dict from name to mask. Exactly `sparsity` times the number of weights, rounded, are False; of equal
        magnitudes the first ones are dropped.

    Raises:
        ValueError: If `sparsity` is not at least 0 and below 1, or `scope` is unknown.
    """
    check_sparsity(sparsity)
    if scope not in ("layer", "global"):
        raise ValueError(f'`scope` must be "layer" or "global". Received: {scope!r}')
    sizes = {name: np.abs(ops.convert_to_numpy(value)) for name, value in weights.items()}
    if scope == "layer":
        return {name: _largest(value.ravel(), sparsity).reshape(value.shape) for name, value in sizes.items()}
    flat = _largest(np.concatenate([value.ravel() for value in sizes.values()]), sparsity)
    parts = np.split(flat, np.cumsum([value.size for value in sizes.values()])[:-1])
    return {name: part.reshape(sizes[name].shape) for name, part in zip(sizes, parts, strict=True)}


def _largest(sizes, sparsity):
    count = round(sparsity * sizes.size)
    if not count:
        return np.ones(sizes.shape, dtype=bool)
    threshold = np.partition(sizes, count - 1)[count - 1]  # Much faster than sorting all.
    mask = sizes > threshold
    equal = np.flatnonzero(sizes == threshold)
    mask[equal[count - np.count_nonzero(sizes < threshold) :]] = True
    return mask


def n_of_m_mask(kernel, n=2, m=4, axis=0):
    """A mask that keeps the n largest of every m weights in a row, as hardware with 2:4 sparsity wants it.

    Args:
        kernel: Array.
        n: How many of each group are kept; of equal magnitudes the last ones.
        m: Size of a group.
        axis: Along which axis groups lie; the axis of the inputs, which a product sums over.

    Returns:
        The mask.

    Raises:
        ValueError: If not 0 < n < m, or m does not divide the axis.
    """
    sizes = np.moveaxis(np.abs(ops.convert_to_numpy(kernel)), axis, -1)
    if not 0 < n < m:
        raise ValueError(f"`n` must be from 1 to m - 1. Received: {n=}, {m=}")
    if sizes.shape[-1] % m:
        raise ValueError(f"Groups of {m} do not divide axis {axis} of shape {kernel.shape}.")
    groups = sizes.reshape(*sizes.shape[:-1], -1, m)
    ranks = np.argsort(np.argsort(groups, axis=-1, kind="stable"), axis=-1)
    return np.moveaxis((ranks >= m - n).reshape(sizes.shape), -1, axis)
