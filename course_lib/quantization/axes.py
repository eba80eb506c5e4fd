"""Where a layer's outputs lie: which weights may share a scale, for every kind of layer.

A scale can be taken out of a sum only if all its terms have it. So the axes that a layer sums over, here its
inputs, share one, and each of its outputs has its own.
"""

import re

import keras
import numpy as np

from course_lib import layers
from course_lib.pruning.prunable import as_patterns

VECTORS = r"bias|gamma|beta|alpha|moving_\w+"  # Few, added or multiplied by element, and left as they are.
ADAPTERS = r"lora_\w+"  # As in Dettmers et al., "QLoRA", NeurIPS 2023, arXiv:2305.14314.
NAMED = r"(\w+_)?(kernel|embeddings)"


def tables(model):
    """The weights that are worth few bits: kernels and embedding tables; the rest is a percent.

    Every matrix that a layer multiplies with is among them: `recurrent_kernel`, `depthwise_kernel`, what a
    layer of your own calls `w`, frozen ones; biases, norms and LoRA's factors are not.

    Args:
        model: A built `keras.Model`.

    Returns:
        Dict from path to variable. Where two have one path, the second ends in " (2)".

    Raises:
        ValueError: If the model is not built, has none, or is quantized already.
    """
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built: call it on a batch, or `build` it, first.")
    owners = _owners(model)
    found = {}
    for variable in model.weights:
        if not _is_table(variable, owners.get(id(variable))):
            continue
        if "int" in str(variable.dtype) or "float8" in str(variable.dtype):
            raise ValueError(
                f"The model {model.name!r} is quantized already: {variable.path} holds {variable.dtype}."
            )
        count = sum(re.sub(r" \(\d+\)$", "", path) == variable.path for path in found)
        found[f"{variable.path} ({count + 1})" if count else variable.path] = variable
    if not found:
        raise ValueError(f"The model {model.name!r} has no layer with a kernel or a table of embeddings.")
    return found


def input_axes(model, variables=None):
    """Which axes of each table share a scale.

    Args:
        model: A built `keras.Model`.
        variables: Weights of the model with two axes or more; None takes its `tables`.

    Returns:
        Dict from the `id` of a variable to a tuple of axes, those that its layer sums over: all but the last
        in a dense, recurrent or convolutional layer; all but the last two in a depthwise convolution, all but
        the last but one in a transposed one; those that an `EinsumDense` has not in its output. The rows of
        an embedding have a scale each. Of a layer that is none of Keras', the axis before the last counts as
        the inputs.
    """
    owners = _owners(model)
    variables = tables(model).values() if variables is None else variables
    return {id(each): _input_axes(owners.get(id(each)), each) for each in variables}


def _owners(model):
    """Dict from a variable's `id` to the layer that made it: which has it, and no layer inside has."""
    found = {}
    for *_, layer in layers.walk(model):
        inner = {id(variable) for part in layers.children(layer) for variable in part.variables}
        found |= {id(variable): layer for variable in layer.variables if id(variable) not in inner}
    return found


def _is_table(variable, layer):
    if len(variable.shape) < 2 or re.fullmatch(rf"{VECTORS}|{ADAPTERS}", variable.name):
        return False
    if re.fullmatch(NAMED, variable.name):
        return True
    trained = variable.trainable or (layer is not None and not layer.trainable)
    return "float" in str(variable.dtype) and trained and sum(size > 1 for size in variable.shape) > 1


def _input_axes(layer, variable):
    rank = len(variable.shape)
    if isinstance(layer, keras.layers.EinsumDense) and variable.name == "kernel":
        spec, outputs = layer.equation.replace(" ", "").split(",")[1].split("->")
        return tuple(axis for axis, letter in enumerate(spec) if letter not in outputs)
    if variable.name == "depthwise_kernel" or isinstance(layer, _DEPTHWISE):
        outputs = (rank - 2, rank - 1)
    elif isinstance(layer, _TRANSPOSED):
        outputs = (rank - 2,)
    elif variable.name.endswith("embeddings") and variable.name != "reverse_embeddings":
        outputs = tuple(range(rank - 1))
    elif rank == 2 or isinstance(layer, _OUTPUTS_LAST):
        outputs = (rank - 1,)
    else:
        return (rank - 2,)
    return tuple(axis for axis in range(rank) if axis not in outputs)


_DEPTHWISE = keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D
_TRANSPOSED = keras.layers.Conv1DTranspose | keras.layers.Conv2DTranspose | keras.layers.Conv3DTranspose
_OUTPUTS_LAST = (
    keras.layers.Dense
    | keras.layers.Conv1D
    | keras.layers.Conv2D
    | keras.layers.Conv3D
    | keras.layers.SeparableConv1D
    | keras.layers.SeparableConv2D
)


def as_matrix(value, inputs):
    """A table as an array `(inputs, outputs)`; `inputs` are the axes that share a scale."""
    outputs = [axis for axis in range(value.ndim) if axis not in inputs]
    size = int(np.prod([value.shape[axis] for axis in inputs]))
    return value.transpose(*inputs, *outputs).reshape(size, -1)


def as_table(matrix, shape, inputs):
    """The inverse of `as_matrix`."""
    order = [*inputs, *(axis for axis in range(len(shape)) if axis not in inputs)]
    return matrix.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))


def values(found):
    """The numbers of tables, in float32 or float64.

    Args:
        found: Dict from path to variable.

    Returns:
        Dict from path to array.

    Raises:
        ValueError: If a number is not finite; it names the table.
    """
    arrays = {}
    for path, variable in found.items():
        array = np.asarray(variable)
        array = array.astype("float64" if array.dtype == "float64" else "float32")
        if wrong := np.count_nonzero(~(np.abs(array) <= np.finfo("float32").max)):
            raise ValueError(
                f"{path} has {wrong} of {array.size} numbers that are not finite: no scale covers them."
            )
        arrays[path] = array
    return arrays


def spared(paths, spare):
    """Which of several things are to be left alone.

    Args:
        paths: List with a list of paths for each.
        spare: Regular expressions, or one; a thing is spared if one is found in one of its paths.

    Returns:
        List of bool.

    Raises:
        ValueError: If an expression is found nowhere.
    """
    spare = as_patterns(spare)
    for pattern in spare:
        if not any(re.search(pattern, path) for each in paths for path in each):
            known = ", ".join(path for each in paths for path in each[:1])
            raise ValueError(f"`spare` has {pattern!r}, which is in no path. The paths are: {known}")
    return [any(re.search(pattern, path) for pattern in spare for path in each) for each in paths]


def without(found, spare):
    """A dict of tables by path, without those in whose path an expression of `spare` is found."""
    left = spared([[path] for path in found], spare)
    return {path: each for (path, each), out in zip(found.items(), left, strict=True) if not out}
