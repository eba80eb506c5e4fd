"""What pruning may touch, and under which name.

A layer of your own says it by a method: `get_prunable_weights()` returns those of its variables, or of its
sublayers', that may go. Without one, a weight is prunable if it is a matrix, has two axes or more, and

- is called `kernel`, `recurrent_kernel`, `depthwise_kernel` or `pointwise_kernel`, as Keras calls them in
  dense, einsum, convolutional, recurrent and attention layers; or
- belongs to a layer that is not Keras' own, is trained, and is not called like a table, a bias or a norm.

Frozen layers count: their weights are part of what the model computes. The adapters of LoRA do not.
"""

import dataclasses
import re

import keras
from keras import ops

from course_lib import layers

KERNELS = ("kernel", "recurrent_kernel", "depthwise_kernel", "pointwise_kernel")
# In names of other layers' weights: tables that are looked up, and what shifts or scales. A `decomposition`
# is no position, and what ends in "kernel" is one.
SPARED = re.compile(
    r"(?!.*kernel$).*(embed|token|norm|variance|lora"
    r"|(?<![a-z])(bias(es)?|gamma|beta|alpha|scales?|position(s|al)?|mean)(?![a-z]))"
)


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight of two axes or more.

    Attributes:
        path: Names of the layers from the model down to the weight's own, and its name, joined by "/".
        variable: The `keras.Variable`.
        layer: The layer that owns it.
        prunable: Whether it is prunable by default.
    """

    path: str
    variable: keras.Variable
    layer: keras.layers.Layer
    prunable: bool


def matrices(model):
    """All weights of floating point with two axes or more, each once, also where layers are shared.

    Args:
        model: A built `keras.Model` or layer.

    Returns:
        Dict from path to `Weight`, in the model's order. A path names layers, so it does not depend on how
        often the model was built, nor on what it is part of; of equal paths the later ones get a number.

    Raises:
        ValueError: If the model is not built.
    """
    if not isinstance(model, keras.Layer):
        raise ValueError(f"A `keras.Model` or a layer is needed. Received: {model!r}")
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built: call it on a batch, or `build` it, first.")
    found, seen = {}, set()
    for chain in layers.walk(model):
        layer, path = chain[-1], "/".join(each.name for each in chain[1:])
        # What the topmost layer with a say has said holds for all that is in it.
        said = next((each for each in chain if hasattr(each, "get_prunable_weights")), None)
        named = None if said is None else {id(variable) for variable in _named(said)}
        below = {id(variable) for child in layers.children(layer) for variable in child.variables}
        for variable in layer.variables:
            if id(variable) in below or id(variable) in seen:
                continue
            seen.add(id(variable))
            if not _is_matrix(variable):
                continue
            may = _by_default(layer, variable) if named is None else id(variable) in named
            key, number = _join(path, variable.name), 0
            while key in found:
                number += 1
                key = _join(f"{path}_{number}", variable.name)
            found[key] = Weight(key, variable, layer, may)
    return found


def _named(layer):
    say = layer.get_prunable_weights
    named = say() if callable(say) else None
    if named is None or isinstance(named, keras.Variable):
        raise ValueError(f"`get_prunable_weights` of {layer.name} is no method that returns a list.")
    named = list(named)  # It may be a generator.
    own = {id(variable) for variable in layer.variables}
    for variable in named:
        if id(variable) not in own or not _is_matrix(variable):
            raise ValueError(
                f"`get_prunable_weights` of {layer.name} returns {getattr(variable, 'path', variable)!r}, "
                "which is no variable of its own of floating point with two axes or more."
            )
    return named


def _is_matrix(variable):
    return len(variable.shape) >= 2 and keras.backend.is_float_dtype(variable.dtype)


def quantized(model):
    """The kernels of integers in a model, by their own paths: what has been quantized.

    Args:
        model: A built `keras.Model` or layer.

    Returns:
        Dict from path to variable.
    """
    return {
        variable.path: variable
        for variable in model.variables
        if variable.name in KERNELS and keras.backend.is_int_dtype(variable.dtype)
    }


def _join(path, name):
    return f"{path}/{name}" if path else name


def _by_default(layer, variable):
    if variable.name in KERNELS:
        return True
    if type(layer).__module__.split(".")[0] == "keras" or isinstance(layer, keras.layers.Embedding):
        return False
    trained = variable.trainable or not layer.trainable  # Of a frozen layer all is without training.
    return trained and not SPARED.match(variable.name.lower())


def prunable(model, include=(), exclude=()):
    """The weights that pruning may touch.

    Args:
        model: A built `keras.Model`.
        include: Regular expressions, or one. If given, the weights in whose path one is found are taken and
            no others, also where they would not be by default, such as a table of embeddings.
        exclude: Regular expressions, or one; weights in whose path one is found are left alone.

    Returns:
        Dict from path to `Weight`.

    Raises:
        ValueError: If the model is not built, an expression is found in no path, or no weight is left.
    """
    found = matrices(model)
    include, exclude = as_patterns(include), as_patterns(exclude)
    check_patterns(exclude, found)
    if include:
        check_patterns(include, found)
        found = {path: each for path, each in found.items() if matches(include, path)}
    else:
        found = {path: each for path, each in found.items() if each.prunable}
    found = {path: each for path, each in found.items() if not matches(exclude, path)}
    if not found:
        why = ": it is quantized. Prune first, then quantize" if quantized(model) else ""
        raise ValueError(f"The model {model.name!r} has no kernel to prune{why}.")
    return found


def as_array(variable):
    """The numbers of a variable for NumPy; of a copy, since TensorFlow's variables make NumPy 2 warn."""
    return ops.convert_to_numpy(ops.copy(variable))


def as_patterns(patterns):
    """A list of regular expressions, of one, several or None."""
    return [patterns] if isinstance(patterns, (str, re.Pattern)) else list(patterns or ())


def matches(patterns, path):
    """Whether one of the expressions is found in the path."""
    return any(re.search(pattern, path) for pattern in patterns)


def check_patterns(patterns, paths):
    """Raises ValueError if an expression is none, or is found in none of the paths."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        if not any(re.search(pattern, path) for path in paths):
            raise ValueError(f"No kernel has {pattern!r} in its path. The paths are: {', '.join(paths)}")


def kernels(model, spare=()):
    """The variables of `prunable`, without their layers.

    Args:
        model: A built `keras.Model` of any kind.
        spare: Regular expressions; kernels in whose path one is found are left alone.

    Returns:
        Dict from path to variable, in the model's order.

    Raises:
        ValueError: As `prunable`.
    """
    return {path: each.variable for path, each in prunable(model, exclude=spare).items()}


def input_axes(weight):
    """The axes of a weight that a product sums over, for whole connections and for N:M along the inputs.

    Args:
        weight: A `Weight`.

    Returns:
        Tuple of axes from 0: of an `EinsumDense` those that its equation sums, so that both projections of
        attention are right; of a convolution its input channels, of a depthwise one the places of its window.
    """
    rank, layer = len(weight.variable.shape), weight.layer
    if isinstance(layer, keras.layers.EinsumDense) and weight.variable.name == "kernel":
        inputs, kernel, outputs = re.split(r",|->", layer.equation.replace(" ", ""))
        return tuple(i for i, each in enumerate(kernel) if each in inputs and each not in outputs)
    if weight.variable.name == "depthwise_kernel" or isinstance(
        layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
    ):
        return tuple(range(rank - 2))
    if isinstance(
        layer, (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
    ):
        return (rank - 1,)
    return (rank - 2,)


def unit_axes(weight):
    """The axes of a weight along which all belong to one output: its inputs, and the places of a window.

    Args:
        weight: A `Weight`.

    Returns:
        Tuple of axes from 0.
    """
    axes = input_axes(weight)
    if isinstance(weight.layer, keras.layers.EinsumDense):
        return axes
    return tuple(sorted({*range(len(weight.variable.shape) - 2), *axes}))
