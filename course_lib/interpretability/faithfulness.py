"""Whether an attribution names the words that the verdict hangs on: deletion and insertion."""

import numpy as np

SHARES = np.linspace(0, 1, 11)


def removal_curve(value, order, insert=False):
    """The value while words are hidden one by one, or shown one by one (Samek et al. 2017; Petsiuk 2018).

    Args:
        value: Function from a boolean array `(n, words)` to values `(n,)`, such as `game`.
        order: The words' places, that to be changed first in front.
        insert: Whether one begins with nothing and shows words.

    Returns:
        Float array `(words + 1,)`: with 0, 1, ... words changed.

    Raises:
        ValueError: If `order` is no order.
    """
    order = np.asarray(order)
    if sorted(order.tolist()) != list(range(len(order))):
        raise ValueError(f"`order` must hold each word's place once. Received: {order.tolist()}")
    changed = np.argsort(order) < np.arange(len(order) + 1)[:, None]
    return np.asarray(value(changed if insert else ~changed))


def on_shares(curve):
    """A `removal_curve` at 0, 10, ..., 100 % of the words, so that texts of all lengths can be averaged."""
    return np.interp(SHARES, np.linspace(0, 1, len(curve)), curve)


def area(curve):
    """The mean height of a `removal_curve`, by trapezoids."""
    curve = np.asarray(curve, "float64")
    return float(np.mean((curve[1:] + curve[:-1]) / 2))
