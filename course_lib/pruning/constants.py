"""What a masked unit still gives: a constant, which moves into the bias of the kernel that reads it.

A filter whose kernel is zero gives its bias, and what the layers after it make of that. It does not depend on
the inputs, so it can be measured: once it is in the next bias, the unit can go and nothing changes.
"""

import warnings

import keras
import numpy as np
from keras import layers

from course_lib.pruning import channels
from course_lib.pruning.rebuild import merged, to_numpy

TRIED = 16  # Length of axes that the model leaves open, in the inputs that it is tried on.


def biases(model, graph, gone):
    """What the biases of layers gain when masked units go.

    Args:
        model: A built Sequential or Functional model.
        graph: Its `Channels`.
        gone: Dict from the roots of the channels that go to the name of the layer that loses them.

    Returns:
        Dict from the name of a layer to an array, one number for each unit that it has now. Warns of layers
        that read a constant other than 0 and have no place for it, as a convolution with padding has none:
        the outputs will then not be those of the masked network.
    """
    masked = set(gone) - _alive(model, graph)
    readers = {}
    for layer in model.layers:
        if layer.name in graph.reads and _reads(layer):
            mask = np.isin(graph.roots(graph.reads[layer.name]), list(masked))
            if mask.any():
                readers[layer.name] = (layer, mask)
    if not readers:
        return {}
    found, lost = {}, {}
    for name, values in _tried(model, [layer for layer, _ in readers.values()]).items():
        layer, mask = readers[name]
        values = values.reshape(-1, len(mask))[:, mask]
        if np.abs(values).max() < 1e-7:
            continue
        if _has_place(layer) and graph.calls[name] == 1 and np.ptp(values, axis=0).max() < 1e-5:
            found[name] = values[0] @ _of_constants(layer)[mask]
        else:
            lost[name] = float(np.abs(values).max())
    if lost:
        warnings.warn(
            "The outputs will differ from those of the masked network. Masked units still give constants, up "
            f"to {max(lost.values()):.2g}, and the layers that read them have padding, groups or a state, or "
            f"are used twice: {', '.join(lost)}. Set the units' biases, and the offsets of normalisation, to "
            "0 first.",
            stacklevel=5,
        )
    return found


def _alive(model, graph):
    """The roots of channels that some layer makes with a kernel that is not all zeros."""
    alive = set()
    for layer in model.layers:
        kind, name = type(layer), layer.name
        if name not in graph.sources or not (_reads(layer) or kind is layers.Embedding):
            continue
        if kind in channels.RECURRENT or getattr(layer, "quantization_mode", None):
            used = np.ones(len(graph.sources[name]), bool)
        elif kind is layers.Embedding:
            used = merged(layer, "embeddings").any(axis=0)
        else:
            kernel = merged(layer, "pointwise_kernel" if kind in channels.SEPARABLE else "kernel")
            kernel = np.swapaxes(kernel, -1, -2) if kind in channels.TRANSPOSED else kernel
            used = kernel.reshape(-1, kernel.shape[-1]).any(axis=0)
        alive.update(graph.roots(graph.sources[name])[used].tolist())
    return alive


def _reads(layer):
    """Whether a layer sums over channels, rather than handing each on."""
    if type(layer) in channels.CONVOLUTIONS:
        return layer.groups == 1 or layer.groups < layer.input.shape[-1]
    return type(layer) in (*channels.FILTERS, *channels.RECURRENT, layers.Dense)


def _of_constants(layer):
    """The matrix that a layer multiplies inputs with that are the same at all places."""
    if type(layer) not in channels.SEPARABLE:
        kernel = merged(layer, "kernel")
        return kernel.reshape(-1, *kernel.shape[-2:]).sum(axis=0)
    depthwise, pointwise = merged(layer, "depthwise_kernel"), merged(layer, "pointwise_kernel")
    depthwise = depthwise.reshape(-1, *depthwise.shape[-2:]).sum(axis=0)
    return np.einsum("im,imo->io", depthwise, pointwise.reshape(*depthwise.shape, -1))


def _has_place(layer):
    if type(layer) is layers.Dense:
        return True
    convolutions = (*channels.CONVOLUTIONS, *channels.SEPARABLE)
    if type(layer) not in convolutions or getattr(layer, "groups", 1) > 1:
        return False
    return layer.padding == "valid" or set(layer.kernel_size) == {1}


def _tried(model, readers):
    """What the layers read when the model is tried on random inputs, as arrays by their names."""
    rng, x = np.random.default_rng(0), []
    for each in model.inputs:
        shape = [2, *(TRIED if size is None else size for size in each.shape[1:])]
        floating = keras.backend.is_float_dtype(each.dtype)
        x.append(rng.normal(size=shape).astype("float32") if floating else np.zeros(shape, each.dtype))
    # A mask comes after what it masks.
    read = {layer.name: keras.tree.flatten(layer.input)[0] for layer in readers}
    found = keras.Model(model.inputs, read)(x, training=False)
    return {name: to_numpy(value).astype("float32") for name, value in found.items()}
