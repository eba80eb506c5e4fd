"""From scores to masks: over a layer or the model, single weights, n of every m, or blocks.

A mask is a boolean array of a weight's shape: False where the weight is zero and stays zero. Nothing gets
more zeros than asked for: numbers are rounded down, so that small layers keep at least one weight.
"""

import numbers

import keras
import numpy as np
from keras import ops

from course_lib.pruning.prunable import as_array
from course_lib.pruning.schedules import check_sparsity

# Of each layer, what global pruning leaves at least: it compares magnitudes of layers that need not be alike.
LEAST = 0.01


def magnitude_masks(weights, sparsity, scope="layer"):
    """Masks that drop the weights of least magnitude, as lesson 06 writes them out.

    Args:
        weights: Dict from name to array.
        sparsity: Share of zeros.
        scope: "layer" gives each array this share, "global" all of them together, so that arrays of small
            weights lose more.

    Returns:
        Dict from name to mask. Exactly `sparsity` times the number of weights, rounded, are False, but never
        all; of equal magnitudes the first ones are dropped.

    Raises:
        ValueError: If `sparsity` is not at least 0 and below 1, `scope` is unknown, or a weight is NaN.
    """
    check_sparsity(sparsity)
    if scope not in ("layer", "global"):
        raise ValueError(f'`scope` must be "layer" or "global". Received: {scope!r}')
    sizes = {name: np.abs(_numbers(value)) for name, value in weights.items()}
    for name, value in sizes.items():
        if np.isnan(value).any():
            raise ValueError(f"{name} has weights that are NaN: training has diverged.")
    if scope == "layer":
        return {name: _largest(value, sparsity) for name, value in sizes.items()}
    flat = _largest(np.concatenate([value.ravel() for value in sizes.values()]), sparsity)
    parts = np.split(flat, np.cumsum([value.size for value in sizes.values()])[:-1])
    return {name: part.reshape(sizes[name].shape) for name, part in zip(sizes, parts, strict=True)}


def _numbers(value):
    return as_array(value) if isinstance(value, keras.Variable) else ops.convert_to_numpy(value)


def _largest(sizes, sparsity):
    return ~lowest(sizes, min(round(sparsity * sizes.size), max(sizes.size - 1, 0)))


def lowest(scores, count):
    """Where the least scores are.

    Args:
        scores: Array.
        count: How many.

    Returns:
        Boolean array of the same shape, True at exactly so many; of equal scores at the first ones.
    """
    found = np.zeros(scores.size, bool)
    if count:
        flat = scores.ravel()
        # Partitioning is much faster than sorting all, but not where most are equal, as zeros are.
        least = flat.min()
        rest = flat[flat > least]
        last = count - 1 - (flat.size - rest.size)
        threshold = least if last < 0 else np.partition(rest, last)[last]
        found = flat < threshold
        found[np.flatnonzero(flat == threshold)[: count - np.count_nonzero(found)]] = True
    return found.reshape(scores.shape)


def n_of_m_mask(kernel, n=2, m=4, axis=0):
    """A mask that keeps the n largest of every m weights in a row, as hardware with 2:4 sparsity wants it.

    Args:
        kernel: Array.
        n: How many of each group are kept; of equal magnitudes the last ones.
        m: Size of a group. If it does not divide the axis, the last group is smaller and still keeps n.
        axis: Along which axis groups lie, or which axes taken together: those of the inputs, which a product
            sums over.

    Returns:
        The mask.

    Raises:
        ValueError: If not 0 < n < m.
    """
    if not 0 < n < m:
        raise ValueError(f"`n` must be from 1 to m - 1. Received: {n=}, {m=}")
    sizes = np.abs(_numbers(kernel))
    axes = tuple(each % sizes.ndim for each in (axis if isinstance(axis, (list, tuple)) else [axis]))
    return _in_groups(sizes, axes, m, m - n)


def _in_groups(scores, axes, m, dropped):
    rows, restore = as_rows(scores, axes)
    padding = -rows.shape[0] % m
    # What pads a group goes first, so that a smaller group keeps n, too.
    rows = np.pad(rows.astype("float32"), ((0, padding), (0, 0)), constant_values=-np.inf)
    groups = rows.reshape(-1, m, rows.shape[1])
    ranks = np.argsort(np.argsort(groups, axis=1, kind="stable"), axis=1)
    return restore((ranks >= dropped).reshape(-1, rows.shape[1])[: rows.shape[0] - padding])


def as_rows(array, axes):
    """An array as a matrix whose rows are inputs.

    Args:
        array: Of any rank.
        axes: Those of the inputs.

    Returns:
        The matrix, of shape `(inputs, outputs)`, and the function that gives a matrix of this shape the
        array's own shape again.
    """
    order = (*axes, *(i for i in range(array.ndim) if i not in axes))
    moved = array.transpose(order)

    def restore(rows):
        return rows.reshape(moved.shape).transpose(np.argsort(order))

    return moved.reshape(int(np.prod(moved.shape[: len(axes)])), -1), restore


def zeros_of(sparsity, size):
    """How many of so many weights a sparsity allows: rounded down, but for the last digit of a float."""
    return int(np.floor(sparsity * size + 1e-6))


def _is_pair(pair):
    whole = isinstance(pair, (list, tuple)) and all(isinstance(each, numbers.Integral) for each in pair)
    return whole and len(pair) == 2 and min(pair) >= 1


class Selection:
    """How scores become masks.

    Args:
        scope: "layer" or "global".
        n_of_m: `(n, m)` to keep n of every m weights along the inputs, or None.
        block_size: `(inputs, outputs)` of blocks that go or stay as a whole, or None.

    Raises:
        ValueError: If these do not fit together.
    """

    def __init__(self, scope="layer", n_of_m=None, block_size=None):
        if scope not in ("layer", "global"):
            raise ValueError(f'`scope` must be "layer" or "global". Received: {scope!r}')
        if n_of_m is not None and block_size is not None:
            raise ValueError("Give `n_of_m` or `block_size`, not both.")
        if scope == "global" and (n_of_m is not None or block_size is not None):
            raise ValueError('`scope="global"` compares single weights: no `n_of_m`, no `block_size`.')
        for name, pair in (("n_of_m", n_of_m), ("block_size", block_size)):
            if pair is not None and not _is_pair(pair):
                raise ValueError(f"`{name}` must be two whole numbers from 1. Received: {pair}")
        if n_of_m is not None and not n_of_m[0] < n_of_m[1]:
            raise ValueError(f"Of `n_of_m`, n must be below m. Received: {n_of_m}")
        self.scope, self.n_of_m, self.block_size = scope, n_of_m, block_size

    def zeros(self, sparsity, shape, axes, by_output=False):
        """How many zeros a weight of this shape gets for a sparsity.

        Args:
            sparsity: Share of zeros asked for.
            shape: Of the weight.
            axes: Its input axes.
            by_output: As in `masks`.

        Returns:
            A whole number, at most `sparsity` times the size.
        """
        size = int(np.prod(shape))
        if self.n_of_m is None and self.block_size is None:
            inputs = int(np.prod([shape[i] for i in axes])) if by_output else size
            return size // inputs * zeros_of(sparsity, inputs)
        if self.n_of_m is not None:
            m, inputs = self.n_of_m[1], int(np.prod([shape[i] for i in axes]))
            lost, rest = zeros_of(sparsity, m), inputs % m
            return size // inputs * (inputs // m * lost + (max(0, lost - m + rest) if rest else 0))
        return size - np.count_nonzero(self._one(np.zeros(shape, "float32"), sparsity, axes, by_output))

    def masks(self, scores, sparsities, axes, by_output=False, pooled=()):
        """Masks of scores.

        Args:
            scores: Dict from path to array.
            sparsities: Dict from path to the share of zeros.
            axes: Dict from path to input axes.
            by_output: Whether every output gets the same share.
            pooled: Paths that share their zeros, for `scope="global"`; their sparsities are equal.

        Returns:
            The masks by path, and the paths of those that would have lost nearly all and kept a hundredth.
        """
        found = {
            path: self._one(each, sparsities[path], axes[path], by_output)
            for path, each in scores.items()
            if path not in pooled
        }
        saved = []
        if pooled:
            flat = np.concatenate([scores[path].ravel() for path in pooled])
            count = zeros_of(sparsities[pooled[0]], flat.size)
            lost, start = lowest(flat, count), 0
            for path in pooled:
                size = scores[path].size
                least = max(1, int(np.ceil(LEAST * size)))
                if size - np.count_nonzero(lost[start : start + size]) < least:
                    saved.append(path)
                    flat[start : start + size][~lowest(scores[path].ravel(), size - least)] = np.inf
                start += size
            if saved:  # Others lose what these keep, as long as there is something to lose.
                lost = lowest(flat, min(count, np.count_nonzero(flat < np.inf)))
            parts = np.split(~lost, np.cumsum([scores[path].size for path in pooled])[:-1])
            found |= {
                path: part.reshape(scores[path].shape) for path, part in zip(pooled, parts, strict=True)
            }
        return {path: found[path] for path in scores}, saved

    def _one(self, scores, sparsity, axes, by_output):
        if self.n_of_m is not None:
            return _in_groups(scores, axes, self.n_of_m[1], zeros_of(sparsity, self.n_of_m[1]))
        if self.block_size is not None:
            return _in_blocks(scores, axes, self.block_size, sparsity)
        if not by_output:
            return ~lowest(scores, zeros_of(sparsity, scores.size))
        rows, restore = as_rows(scores, axes)
        count = zeros_of(sparsity, rows.shape[0])
        return restore(~np.stack([lowest(column, count) for column in rows.T], axis=1))


def _in_blocks(scores, axes, size, sparsity):
    rows, restore = as_rows(scores, axes)
    edges = [np.arange(0, side, step) for side, step in zip(rows.shape, size, strict=True)]

    def pool(matrix):
        return np.add.reduceat(np.add.reduceat(matrix, edges[0], axis=0), edges[1], axis=1)

    sizes = pool(np.ones_like(rows))
    means = pool(rows.astype("float64")) / sizes
    order = np.argsort(means, axis=None, kind="stable")
    lost = np.zeros(means.size, bool)
    # Blocks at the edge are smaller, so weights are counted and not blocks.
    lost[order[np.cumsum(sizes.ravel()[order]) <= zeros_of(sparsity, rows.size)]] = True
    lost = lost.reshape(means.shape)
    places = np.arange(rows.shape[0])[:, None] // size[0], np.arange(rows.shape[1]) // size[1]
    return restore(~lost[places])
