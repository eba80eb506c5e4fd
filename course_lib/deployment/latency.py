"""How long calls take, and what a histogram can say of it."""

import time

import numpy as np


def latency(call, inputs, warmup=3):
    """Seconds that each of some calls takes, after others that do not count.

    Args:
        call: Function of one input.
        inputs: Sequence of inputs, of the kinds and lengths that will come.
        warmup: How many of them run first, without being counted; the first calls allocate memory.

    Returns:
        Float array of shape `(len(inputs),)`.
    """
    for each in inputs[:warmup]:
        call(each)
    seconds = []
    for each in inputs:
        start = time.perf_counter()
        call(each)
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def histogram_quantile(q, bounds, counts):
    """A quantile from a histogram, as Prometheus' `histogram_quantile` estimates it.

    Within a bucket it assumes that observations are spread evenly.

    Args:
        q: From 0 to 1.
        bounds: Upper bounds of the buckets, increasing and positive; the first bucket begins at 0.
        counts: Observations per bucket (not cumulative), and one more for those above the last bound.

    Returns:
        A float; the last bound if the quantile lies above it, NaN if there are no observations.

    Raises:
        ValueError: If `q`, the bounds or the numbers are not usable.
    """
    bounds, counts = np.asarray(bounds, "float64"), np.asarray(counts, "float64")
    if (
        not 0 <= q <= 1
        or not bounds.size
        or counts.shape != (len(bounds) + 1,)
        or (np.diff(bounds) <= 0).any()
        or bounds[0] <= 0
    ):
        raise ValueError(
            "`q` must be from 0 to 1, `bounds` positive and increasing, with one more count than bounds. "
            f"Received: {q}, {bounds.tolist()}, {counts.tolist()}"
        )
    total = counts.sum()
    if not total:
        return float("nan")
    below = np.concatenate([[0.0], np.cumsum(counts)])
    bucket = min(int(np.searchsorted(below[1:], q * total)), len(bounds))
    if bucket == len(bounds):
        return float(bounds[-1])
    low = bounds[bucket - 1] if bucket else 0.0
    share = (q * total - below[bucket]) / counts[bucket] if counts[bucket] else 0.0
    return float(low + share * (bounds[bucket] - low))
