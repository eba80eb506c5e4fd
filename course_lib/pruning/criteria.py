"""Which weights are worth least.

A criterion is a function of the model and its prunable weights, a dict from path to `prunable.Weight`. It
returns a dict from path to an array of scores; the least go first. Weights that are zero already go before
all others, so what has been pruned stays pruned whatever the criterion says.

Sources: Han et al., NeurIPS 2015, arXiv:1506.02626, for magnitudes; Molchanov et al., ICLR 2017,
arXiv:1611.06440, and Lee et al., ICLR 2019, arXiv:1810.02340, for gradients; Sanh, Wolf and Rush, NeurIPS
2020, arXiv:2005.07683, for movement; Sun et al., ICLR 2024, arXiv:2306.11695, for Wanda.
"""

import functools
import re

import keras
import numpy as np
from keras import ops

from course_lib.pruning.gradients import gradients
from course_lib.pruning.prunable import as_array


def numbers(weight):
    """The numbers of a weight in float32.

    Args:
        weight: A `prunable.Weight`.

    Returns:
        Array.

    Raises:
        ValueError: If they are not all finite: they would look like zeros or like the greatest of weights.
    """
    value = as_array(weight.variable).astype("float32")
    lost = int(value.size - np.count_nonzero(np.isfinite(value)))
    if lost:
        raise ValueError(
            f"{weight.path} has {lost} of {value.size} numbers that are not finite. Training has diverged: "
            "prune a state from before, with a lower learning rate."
        )
    return value


class Magnitude:
    """The absolute value of a weight."""

    zeros_first = True  # By itself.

    def __call__(self, model, weights):
        """Scores by path."""
        return {path: np.abs(numbers(each)) for path, each in weights.items()}


class Random:
    """By chance: the control that any other criterion must beat.

    Args:
        seed: Of the generator; the same seed gives the same weights their turn.
    """

    def __init__(self, seed=0):
        self.seed = seed

    def __call__(self, model, weights):
        """Scores by path."""
        rng = np.random.default_rng(self.seed)
        return {path: rng.random(each.variable.shape, "float32") for path, each in weights.items()}


class NothingSeenError(ValueError):
    """A criterion that watches training has not seen enough of it to tell weights apart."""


class Movement:
    """How far training has moved a weight away from zero.

    Sanh et al. add up -w times its gradient. Of plain gradient descent that is the sum of w times its change,
    which is (w^2 - w_0^2) / 2 but for the size of a step; this form holds for any optimizer and costs nothing
    per step. w_0 is the weight when training began, or was resumed by another callback.
    """

    def __init__(self):
        self._start, self._variables = None, []

    def start(self, weights):
        """Remembers the weights when the first `fit` begins."""
        variables = [each.variable for each in weights.values()]
        if list(map(id, variables)) != list(map(id, self._variables)):
            self._start, self._variables = {path: numbers(each) for path, each in weights.items()}, variables

    def __call__(self, model, weights):
        """Scores by path."""
        if self._start is None:
            raise ValueError("Movement is seen in training: give `prune` a schedule such as `Polynomial`.")
        scores = {path: numbers(each) ** 2 - self._start[path] ** 2 for path, each in weights.items()}
        if not any(each.any() for each in scores.values()):
            raise NothingSeenError("No weight has moved yet: let the schedule begin at a later `begin_step`.")
        return scores


class Gradient:
    """|w times the derivative of the loss by w|: what its removal changes, to first order.

    Args:
        data: List of `(x, y)` or, for the loss the model is compiled with, `(x, y, sample_weight)`; the mean
            of their derivatives is taken.
        loss: Function of `(y, model's output)` that returns a number, or one per example,
            of which the mean is taken; None for the loss the model is compiled with.
    """

    def __init__(self, data, loss=None):
        self.data, self.loss = data, loss

    def __call__(self, model, weights):
        """Scores by path."""
        if self.loss is None and not model.compiled:
            raise ValueError("`Gradient` needs a `loss`, or a compiled model.")

        def loss(x, y, sample_weight=None):
            outputs = model(x, training=False)
            if self.loss is not None:
                return ops.mean(self.loss(y, outputs))  # A number already, or one per example.
            return model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, training=False)

        variables = [each.variable for each in weights.values()]
        total, count = [0.0] * len(variables), 0
        most = 3 if self.loss is None else 2
        for batch in self.data:
            if not isinstance(batch, (tuple, list)) or not 2 <= len(batch) <= most:
                raise ValueError(
                    "`data` is a list of batches `(x, y)`, or, without a `loss` of your own, also of "
                    f"`(x, y, sample_weight)`. Received a batch of {type(batch).__name__}."
                )
            found = gradients(functools.partial(loss, *batch), variables)
            total = [a + ops.convert_to_numpy(b).astype("float32") for a, b in zip(total, found, strict=True)]
            count += 1
        if not count:
            raise ValueError("`data` is empty: gradients are taken on batches `(x, y)`.")
        return {
            path: np.abs(numbers(each) * gradient / count)
            for (path, each), gradient in zip(weights.items(), total, strict=True)
        }


class Wanda:
    """|w| times the norm of its input over some data; every output keeps the same share of its weights.

    Args:
        data: List of inputs `x`, or of `(x, y)`, of which y is not used.
    """

    by_output = True

    def __init__(self, data):
        self.data = data

    def __call__(self, model, weights):
        """Scores by path."""
        layers = {id(each.layer): each.layer for each in weights.values()}
        for path, each in weights.items():
            if each.variable.name != "kernel" or not isinstance(each.layer, _WANDA):
                raise ValueError(
                    f"Wanda knows Dense, EinsumDense and convolutions. {path} belongs to a "
                    f"{type(each.layer).__name__}: `exclude` it, or choose another criterion."
                )
        squares = dict.fromkeys(layers, 0.0)
        try:
            for layer in layers.values():
                layer.call = _recorded(layer, squares)
            for batch in self.data:
                model(batch[0] if isinstance(batch, tuple) else batch, training=False)
        finally:
            for layer in layers.values():
                if "call" in vars(layer):
                    del layer.call
        scores = {}
        for path, each in weights.items():
            if isinstance(squares[id(each.layer)], float):
                raise ValueError(f"`data` never reaches the layer of {path}.")
            value, norms = np.abs(numbers(each)), np.sqrt(squares[id(each.layer)])
            scores[path] = value * _as_kernel(each.layer, norms, value.ndim)
        return scores


_WANDA = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)


def _recorded(layer, squares):
    call = layer.call

    def recording(*arguments, **options):
        value = ops.convert_to_numpy([*arguments, *options.values()][0]).astype("float32")
        squares[id(layer)] = squares[id(layer)] + _over_inputs(layer, value**2)
        return call(*arguments, **options)

    return recording


def _over_inputs(layer, value):
    """Adds up all axes but those that a weight of the kernel has a place on."""
    if not isinstance(layer, keras.layers.EinsumDense):
        channels = 1 if getattr(layer, "data_format", None) == "channels_first" else value.ndim - 1
        return value.sum(axis=tuple(i for i in range(value.ndim) if i != channels))
    names, kernel, _ = re.split(r",|->", layer.equation.replace(" ", ""))
    names = names.replace("...", "." * (value.ndim - len(names.replace("...", ""))))
    places = [names.index(each) for each in kernel if each in names]
    value = value.sum(axis=tuple(i for i in range(value.ndim) if i not in places))
    return value.transpose(np.argsort(np.argsort(places)))  # In the order of the kernel.


def _as_kernel(layer, norms, rank):
    if not isinstance(layer, keras.layers.EinsumDense):
        # Broadcasts to (..., inputs, outputs); of groups, every output has the inputs of its own.
        groups = getattr(layer, "groups", 1)
        norms = norms.reshape(groups, -1).T
        return norms if groups == 1 else np.repeat(norms, layer.filters // groups, axis=1)
    names, kernel, _ = re.split(r",|->", layer.equation.replace(" ", ""))
    sizes = iter(norms.shape)
    return norms.reshape([next(sizes) if each in names else 1 for each in kernel])


CRITERIA = {"magnitude": Magnitude, "random": Random, "movement": Movement}


def get(criterion):
    """The criterion of a name, or what is given if it can be called.

    Args:
        criterion: "magnitude", "random", "movement", or a function as this module describes, such as
            `Gradient(data)` or `Wanda(data)`.

    Returns:
        The function.

    Raises:
        ValueError: If there is none of this name.
    """
    if callable(criterion) and not isinstance(criterion, type):
        return criterion
    if criterion in CRITERIA:
        return CRITERIA[criterion]()
    if criterion in ("gradient", "wanda", Gradient, Wanda):
        name = str(getattr(criterion, "__name__", criterion)).capitalize()
        raise ValueError(f"This criterion is measured on data: give `criterion=pruning.{name}(data)`.")
    raise ValueError(f"`criterion` is one of {', '.join(CRITERIA)}, or a function. Received: {criterion!r}")
