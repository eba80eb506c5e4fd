"""Shapley values: what a player adds, on average over all orders in which players can come."""

import itertools
import math

import numpy as np

MOST = 12  # Players of an exact enumeration: 4,096 values.


def shapley_exact(value, count):
    """Shapley values (Shapley 1953) from the value of every subset.

    Args:
        value: Function from a boolean array `(n, count)`, who is there, to values `(n,)`.
        count: The number of players, at most `MOST`.

    Returns:
        Float array `(count,)`. It adds up to the value of all minus the value of none.

    Raises:
        ValueError: If there are too many players.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"Exact values need 1 to {MOST} players. Received: {count}")
    subsets = np.array(list(itertools.product([False, True], repeat=count)))
    values = np.asarray(value(subsets), "float64")
    sizes = subsets.sum(axis=1)
    result = np.empty(count)
    for player in range(count):
        without = np.flatnonzero(~subsets[:, player])
        joined = without + 2 ** (count - 1 - player)  # Where `product` put the subset with the player.
        # Of all orders, the share in which exactly these come before the player.
        share = np.array([1 / (count * math.comb(count - 1, size)) for size in sizes[without]])
        result[player] = share @ (values[joined] - values[without])
    return result


def shapley_sampled(value, count, orders=20, seed=0):
    """Shapley values from random orders (Castro, Gómez and Tejada 2009).

    Every second order is the one before it backwards, which makes the errors smaller (Mitchell et al. 2022).

    Args:
        value: As in `shapley_exact`.
        count: The number of players.
        orders: The number of orders, even.
        seed: Of the orders.

    Returns:
        `(means, errors)`, float arrays `(count,)`: the mean of what a player added, and its standard error
        over pairs of orders (NaN for a single pair). The means add up exactly as Shapley values do.

    Raises:
        ValueError: If `orders` is not even or below 2.
    """
    if orders < 2 or orders % 2:
        raise ValueError(f"`orders` must be even and at least 2. Received: {orders}")
    rng = np.random.default_rng(seed)
    drawn = [order for _ in range(orders // 2) for order in _both_ways(rng.permutation(count))]
    ranks = np.argsort(drawn, axis=1)  # (orders, count): when each player comes.
    present = ranks[:, None, :] < np.arange(count + 1)[:, None]  # (orders, step, count)
    values = np.asarray(value(present.reshape(-1, count)), "float64").reshape(orders, count + 1)
    gains = np.take_along_axis(np.diff(values, axis=1), ranks, axis=1)
    pairs = gains.reshape(-1, 2, count).mean(axis=1)
    errors = pairs.std(axis=0, ddof=1) / math.sqrt(len(pairs)) if len(pairs) > 1 else np.full(count, math.nan)
    return pairs.mean(axis=0), errors


def _both_ways(order):
    return order, order[::-1]
