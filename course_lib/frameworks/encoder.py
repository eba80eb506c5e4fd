"""What all five frameworks are given and do alike: weights and batches in NumPy, AdamW, training steps.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv:1711.05101.
"""

import numpy as np

DENSE = ("query", "key", "value", "output", "inner", "outer", "head")
NORMS = ("attention_norm", "outer_norm")


def arrays(width=32, inner=64, classes=3, dtype="float32", seed=0):
    """Weights of an encoder block and a head, drawn from a seed.

    Args:
        width: Of a token's vector.
        inner: Width between the two feed-forward layers.
        classes: Number of logits.
        dtype: `"float32"` or `"float64"`; both have the same numbers, up to rounding.
        seed: Of the random numbers.

    Returns:
        Dict from a name such as `"query/kernel"` to an array; kernels have shape `(inputs, outputs)`.
    """
    rng, found = np.random.default_rng(seed), {}
    for name in DENSE:
        rows = inner if name == "outer" else width
        columns = {"inner": inner, "head": classes}.get(name, width)
        found[f"{name}/kernel"] = rng.normal(0, rows**-0.5, (rows, columns))
        found[f"{name}/bias"] = rng.normal(0, 0.1, columns)
    for name in NORMS:
        found[f"{name}/gamma"] = rng.normal(1, 0.1, width)
        found[f"{name}/beta"] = rng.normal(0, 0.1, width)
    return {name: each.astype(dtype) for name, each in found.items()}


def batch(texts=8, length=10, width=32, classes=3, dtype="float32", seed=1):
    """Random inputs: tokens' vectors of shape `(texts, length, width)`, and labels of shape `(texts,)`."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(texts, length, width)).astype(dtype), rng.integers(0, classes, texts)


def dense(x, weights, name):
    """X times a kernel of shape `(inputs, outputs)`, plus a bias: the same operators in all five."""
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def adamw(
    weights,
    means,
    squares,
    gradients,
    step,
    learning_rate=2.0**-10,
    weight_decay=2.0**-6,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-8,
):
    """One step of AdamW, in operators that every framework's tensors understand.

    Args:
        weights: Dict of tensors.
        means: Running means of the gradients, by the same names.
        squares: Running means of their squares.
        gradients: Dict of tensors.
        step: 1 in the first step; a number or a tensor.
        learning_rate: How far a step goes; a power of two, which float32 holds exactly, as is the decay.
        weight_decay: Share of a weight that is taken off, times the rate.
        beta_1: How much of `means` is kept.
        beta_2: How much of `squares` is kept.
        epsilon: Added to the root after the correction, as by Kingma and Ba's algorithm 1 (arXiv:1412.6980).

    Returns:
        New weights, means and squares.
    """
    new = {}, {}, {}
    for name, weight in weights.items():
        mean = beta_1 * means[name] + (1 - beta_1) * gradients[name]
        square = beta_2 * squares[name] + (1 - beta_2) * gradients[name] ** 2
        root = (square / (1 - beta_2**step)) ** 0.5
        change = mean / (1 - beta_1**step) / (root + epsilon) + weight_decay * weight
        new[0][name], new[1][name], new[2][name] = weight - learning_rate * change, mean, square
    return new


def zeros(weights):
    """Zeros in the shapes of a dict of tensors, for AdamW's means before the first step."""
    return {name: 0 * each for name, each in weights.items()}


def numpy(tensor):
    """Any framework's tensor as an array."""
    return np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor)


def run(module, given, x, labels, heads=4, steps=3):
    """What a framework makes of the same weights and the same batch.

    Args:
        module: One of this package's `in_...` modules.
        given: Dict of arrays, as `arrays` makes them.
        x: Array of shape `(texts, length, width)`.
        labels: Array of shape `(texts,)`.
        heads: Number of heads.
        steps: How many steps of AdamW.

    Returns:
        Dict of arrays: "logits", "gradients" by name, and "trained" weights by name.
    """
    weights, data = module.tensors(given), module.tensors({"x": x, "labels": labels})
    compute = getattr(module, "quick", module.loss_and_gradients)
    logits = module.logits(weights, data["x"], heads)
    _, first = compute(weights, data["x"], data["labels"], heads)
    means = squares = zeros(weights)
    for step in range(1, steps + 1):
        _, gradients = compute(weights, data["x"], data["labels"], heads)
        weights, means, squares = adamw(weights, means, squares, gradients, step)
    return {
        "logits": numpy(logits),
        "gradients": {name: numpy(each) for name, each in first.items()},
        "trained": {name: numpy(each) for name, each in weights.items()},
    }
