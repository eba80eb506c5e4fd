"""The same training step and inference in every framework, eager and compiled, to be timed in turns."""

import time

from course_lib.frameworks import encoder, found

# Texts, tokens, width, inner width; the width of a head is 64 or, for the smallest, 16.
SIZES = {"small": (8, 16, 64, 256), "medium": (8, 64, 256, 1024), "large": (8, 128, 512, 2048)}


def heads(size):
    """Number of heads at one of `SIZES`."""
    width = SIZES[size][2]
    return max(4, width // 64)


class Work:
    """A framework's training step and inference at one size.

    Args:
        name: A key of `found.LIBRARIES`.
        size: A key of `SIZES`.
        compiled: Whether to compile.
    """

    def __init__(self, name, size, compiled):
        texts, length, width, inner = SIZES[size]
        module = found.module(name)
        x, labels = encoder.batch(texts, length, width)
        self._data = module.tensors({"x": x, "labels": labels})
        self._weights = module.tensors(encoder.arrays(width, inner))
        self._means = self._squares = encoder.zeros(self._weights)
        self._wait = _wait(name)
        count, make = heads(size), module.compiled if compiled else lambda function: function

        def logits(weights, x):
            return module.logits(weights, x, count)

        def loss(weights, x, labels, heads):
            return module.loss(weights, x, labels, heads)

        def step(weights, means, squares, x, labels):
            found_, gradients = module.loss_and_gradients(weights, x, labels, count)
            return found_, encoder.adamw(weights, means, squares, gradients, 1)

        def update(weights, means, squares, gradients):
            return encoder.adamw(weights, means, squares, gradients, 1)

        self._logits, self._step = make(logits), step
        if compiled and name in ("PyTorch", "PaddlePaddle"):
            # Their compilers take the loss, and its backward pass with it; then the update by itself.
            forward, change = make(loss), make(update)

            def in_two(weights, means, squares, x, labels):
                found_, gradients = module.loss_and_gradients(weights, x, labels, count, loss=forward)
                return found_, change(weights, means, squares, gradients)

            self._step = in_two
        elif compiled:
            self._step = make(step)

    def infer(self):
        """Computes the logits and waits for them."""
        self._wait(self._logits(self._weights, self._data["x"]))

    def train(self):
        """Takes a training step, always from the first weights, and waits for it; returns the loss."""
        given = self._weights, self._means, self._squares, self._data["x"], self._data["labels"]
        found_, (weights, _, _) = self._step(*given)
        self._wait(weights["query/kernel"])
        return float(encoder.numpy(found_))


def _wait(name):
    """JAX returns before it has computed; the others, on a CPU, do not."""
    return (lambda result: result.block_until_ready()) if name == "JAX" else (lambda result: None)


def first_and_fastest(function, seconds=1.0, least=3, clock=time.perf_counter):
    """Times a function's first call, which compiles, and its later ones.

    Args:
        function: Called without arguments.
        seconds: For how long to repeat.
        least: How many later calls there are at least.
        clock: What the calls are timed by.

    Returns:
        Seconds of the first call, and of the fastest of the later ones: what else runs only ever adds.
    """

    def once():
        begin = clock()
        function()
        return clock() - begin

    first, later, end = once(), [], time.perf_counter() + seconds
    while len(later) < least or time.perf_counter() < end:
        later.append(once())
    return first, min(later)
