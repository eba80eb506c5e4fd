"""Federated learning: clients train where their data are and send weights (McMahan et al. 2017)."""

import numpy as np

from course_lib import scaling
from course_lib.privacy import heads


def local_training(weights, features, labels, steps=5, learning_rate=4.0):
    """What a client does in a round: gradient descent on all of its own examples.

    Args:
        weights: As `heads.head` or `heads.adapter` makes them; they stay as they are.
        features: Array of shape `(n, width)`.
        labels: Array of 0 and 1, `(n,)`.
        steps: Number of steps.
        learning_rate: Of gradient descent.

    Returns:
        The new weights, a list of arrays.
    """
    weights = [np.array(each, "float64") for each in weights]
    for _ in range(steps):
        layers = heads.layers(weights, features, labels)
        weights = [
            each - learning_rate * (inputs.T @ errors) / len(features)
            for each, (inputs, errors) in zip(weights, layers, strict=True)
        ]
    return weights


def average(updates, sizes):
    """The mean of the clients' weights, each counted as often as it has examples.

    Args:
        updates: One list of arrays per client.
        sizes: Number of examples of each.

    Returns:
        A list of arrays.

    Raises:
        ValueError: If there is no client, or not one size per client.
    """
    if not updates or len(updates) != len(sizes):
        raise ValueError(
            f"There must be clients, and one size for each. Received: {len(updates)} and {len(sizes)}"
        )
    return scaling.average(updates, sizes)  # As gradients of a batch's parts are averaged in lesson 09.


def length(arrays):
    """The Euclidean length of a list of arrays, taken as one vector."""
    return float(np.sqrt(sum(np.sum(np.square(each)) for each in arrays)))


def changes(updates, start):
    """What each client changed: its weights less those that it was sent."""
    return [[new - old for new, old in zip(arrays, start, strict=True)] for arrays in updates]


def screen(updates, start, factor=3.0):
    """Which updates may be averaged: finite ones, whose change is not far longer than the others'.

    Args:
        updates: One list of arrays per client.
        start: The weights that the clients were sent.
        factor: How many times the median length of a change is too long.

    Returns:
        List of bool.
    """
    with np.errstate(all="ignore"):
        lengths = np.array([length(change) for change in changes(updates, start)])
    finite = np.sort(lengths[np.isfinite(lengths)])
    if not len(finite):
        return [False] * len(updates)
    middle = finite[(len(finite) - 1) // 2]  # Of two, the shorter: the longer one may be the nonsense.
    return [bool(np.isfinite(each) and each <= factor * middle) for each in lengths]


def median(updates):
    """The median of the clients' weights, number by number (Yin et al. 2018); sizes do not count.

    Args:
        updates: One list of finite arrays per client.

    Returns:
        A list of arrays.
    """
    return [np.median(np.stack(arrays), axis=0) for arrays in zip(*updates, strict=True)]


def private_average(updates, start, *, clip, noise, expected, rng):
    """The mean change with differential privacy for clients (McMahan et al. 2018).

    Every client counts the same, is cut to the same length, and the noise is that of DP-SGD with a client in
    the place of an example.

    Args:
        updates: One list of arrays per client that took part.
        start: The weights that they were sent.
        clip: The longest change of a client.
        noise: Standard deviation of the noise, in units of `clip`.
        expected: How many clients take part on average.
        rng: A `numpy.random.Generator`.

    Returns:
        The new weights, a list of arrays.
    """
    total = [np.zeros_like(each) for each in start]
    for change in changes(updates, start):
        factor = min(1.0, clip / max(length(change), 1e-30))
        total = [each + factor * array for each, array in zip(total, change, strict=True)]
    return [
        old + (each + rng.normal(0, noise * clip, each.shape)) / expected
        for old, each in zip(start, total, strict=True)
    ]
