"""DP-SGD (Abadi et al. 2016): draw, clip each example's gradient, add noise, step.

The gradients of single examples are never made. For a dense layer such a gradient is the outer product of the
layer's input and its error, whose length is the product of theirs (Goodfellow 2015); so all lengths come from
two sums, and the clipped sum of a batch is one matrix product.

This is for learning. Against somebody who sees the last bits of the weights, floating-point noise from a
generator that is not cryptographic does not keep the promise (Mironov 2012): release with a vetted library.
"""

import numpy as np

from course_lib.privacy import heads


def gradient_norms(layers):
    """The length of each example's gradient over all layers.

    Args:
        layers: List of `(inputs, errors)`, as `heads.layers` gives it.

    Returns:
        Array of shape `(n,)`.
    """
    squares = sum((inputs**2).sum(axis=1) * (errors**2).sum(axis=1) for inputs, errors in layers)
    return np.sqrt(squares)


def clipped_sum(layers, clip):
    """The sum of the examples' gradients, each shortened to length `clip` if it is longer.

    Args:
        layers: List of `(inputs, errors)`.
        clip: The longest that one example may pull.

    Returns:
        List of arrays, shaped as the weights. With an example more or less it changes by at most `clip`.

    Raises:
        ValueError: If `clip` is not positive.
    """
    if clip <= 0:
        raise ValueError(f"`clip` must be positive. Received: {clip}")
    factors = np.minimum(1, clip / np.maximum(gradient_norms(layers), 1e-30))[:, None]
    return [inputs.T @ (factors * errors) for inputs, errors in layers]


def poisson_sample(count, rate, rng):
    """Which examples a step takes: each by a coin of its own, as the accountant assumes.

    Args:
        count: Number of examples.
        rate: Chance of each.
        rng: A `numpy.random.Generator`.

    Returns:
        Boolean array `(count,)`. How many it takes varies; it may be none.
    """
    return rng.random(count) < rate


def noisy_sum(layers, clip, noise, rng):
    """`clipped_sum` with Gaussian noise of standard deviation `noise * clip` on every number."""
    return [
        total + rng.normal(0, noise * clip, total.shape) if noise else total
        for total in clipped_sum(layers, clip)
    ]


def train(weights, features, labels, *, rate, steps, clip, noise, learning_rate, seed=0):
    """Trains a network of `heads` with DP-SGD.

    Args:
        weights: As `heads.head` or `heads.adapter` makes them; they stay as they are.
        features: Array of shape `(n, width)`.
        labels: Array of 0 and 1, `(n,)`.
        rate: Chance of an example to be in a step.
        steps: Number of steps.
        clip: Longest gradient of an example.
        noise: Standard deviation of the noise, in units of `clip`; 0 only clips.
        learning_rate: Of plain gradient descent.
        seed: Of sampling and noise. Whoever knows it can take the noise away: for experiments only.

    Returns:
        List of arrays like `weights`. The noisy sum is divided by the expected size of a batch, which is
        public, and not by its true size, which is not.

    Raises:
        ValueError: If a number is out of range.
    """
    if not 0 < rate <= 1 or steps < 0 or noise < 0:
        raise ValueError(
            "`rate` must be above 0 and at most 1, `steps` and `noise` not negative. "
            f"Received: {rate}, {steps} and {noise}"
        )
    rng = np.random.default_rng(seed)
    weights = [np.array(each, "float64") for each in weights]
    for _ in range(steps):
        drawn = poisson_sample(len(features), rate, rng)
        layers = heads.layers(weights, features[drawn], labels[drawn])
        total = noisy_sum(layers, clip, noise, rng)
        weights = [
            each - learning_rate * change / (rate * len(features))
            for each, change in zip(weights, total, strict=True)
        ]
    return weights
