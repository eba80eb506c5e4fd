"""How workers add up their gradients, and how many bytes each of them sends for it.

Patarasuk and Yuan, "Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations", Journal of
Parallel and Distributed Computing 69 (2), 2009.
"""

import numpy as np


def ring_all_reduce(arrays):
    """The sum of all workers' arrays, at each of them, by passing pieces around a ring.

    Each array is cut into as many pieces as there are workers. In the first half (reduce-scatter) each worker
    passes on what it has added up so far, and holds the whole sum of one piece at the end; in the second half
    (all-gather) these are passed around.

    Args:
        arrays: One array for each worker, all of the same shape.

    Returns:
        `(sums, sent)`: one array for each worker, and how many bytes each of them sent.

    Raises:
        ValueError: If there is no array or they differ in shape.
    """
    if not arrays or len({np.shape(each) for each in arrays}) != 1:
        raise ValueError(
            f"`arrays` must be one or more of one shape. Received: {[np.shape(each) for each in arrays]}"
        )
    count, shape = len(arrays), np.shape(arrays[0])
    pieces = [[part.copy() for part in np.array_split(np.ravel(each), count)] for each in arrays]
    sent = [0] * count
    for step in range(2 * (count - 1)):
        moves = [(i, (i - step) % count) for i in range(count)]
        messages = [pieces[i][piece].copy() for i, piece in moves]  # All are sent at the same time.
        for (i, piece), message in zip(moves, messages, strict=True):
            other = pieces[(i + 1) % count]
            other[piece] = other[piece] + message if step < count - 1 else message
            sent[i] += message.nbytes
    return [np.concatenate(each).reshape(shape) for each in pieces], sent


def all_reduce_bytes(size, workers):
    """Bytes that each worker sends in a ring all-reduce.

    Args:
        size: Bytes of the array.
        workers: How many.

    Returns:
        A float: `2 (workers - 1) / workers` times the size, which never reaches twice the size.

    Raises:
        ValueError: If there is no worker.
    """
    if workers < 1:
        raise ValueError(f"`workers` must be at least 1. Received: workers={workers}")
    return 2 * (workers - 1) / workers * size
