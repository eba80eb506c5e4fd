"""Which channels of a network go together: a dependency graph over a Functional model.

A channel is a number along the last axis of a tensor. A filter makes one, normalisation, pooling and
depthwise convolutions hand it on, an addition joins it to the channel that it is added to, and the next
kernel reads it. The channels that are joined go together or stay together (Fang et al., "DepGraph: Towards
Any Structural Pruning", CVPR 2023, arXiv:2301.12900). What is not known here keeps the channels that it
reads.

The graph is read from the model's configuration, as `.keras` files hold it.
"""

import collections

import keras
import numpy as np
from keras import layers, ops

from course_lib.pruning.rebuild import merged, remake

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
FILTERS = (*CONVOLUTIONS, *TRANSPOSED, *SEPARABLE)
RECURRENT = (layers.SimpleRNN, layers.LSTM, layers.GRU)
# What computes each channel from that channel alone, and has no weights.
SPATIAL = (
    *("Cropping", "GlobalAveragePooling", "GlobalMaxPooling", "AveragePooling", "MaxPooling"),
    *("SpatialDropout", "UpSampling", "ZeroPadding"),
)
CHANNELWISE = (
    *(getattr(layers, f"{name}{axes}D") for name in SPATIAL for axes in (1, 2, 3)),
    *(layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise),
    *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity, layers.ActivityRegularization),
    *(layers.RepeatVector, layers.Resizing),
)
MERGES = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
# The same among the functions of `keras.ops`, by the name of the operation that a call makes.
UNARY = {
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Silu", "Sigmoid", "HardSigmoid", "Tanh"),
    *("HardSilu", "Softplus", "Softsign", "Exp", "Sqrt", "Square", "Absolute", "Negative", "Clip", "Cast"),
}
BINARY = {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum"}
REDUCTIONS = {"Mean", "Sum", "Max", "Min"}


class Channels:
    """The channels of a model, and which of them go together.

    Args:
        model: A built Sequential or Functional model.

    Attributes:
        sources: Dict from the name of a layer to the numbers of the channels that it makes.
        reads: Dict from the name of a layer to the numbers of the channels that it reads.
        calls: How often each of these layers is called.
    """

    def __init__(self, model):
        self.sources, self.reads, self.calls = {}, {}, collections.Counter()
        self._parents, self._held, self._tensors = [], {}, {}
        plain = keras.Model(model.inputs, model.outputs)
        config, self._operations = plain.get_config(), {each.name: each for each in plain.operations}
        self._done, waiting = set(), []
        for each in config["layers"]:
            # A Functional model inside this one has a node of its own before it is called.
            first = int(isinstance(self._operations[each["name"]], keras.Function))
            nodes = each["inbound_nodes"]
            waiting += [(each["name"], first + i, node) for i, node in enumerate(nodes)]
            if not nodes:
                self._done.add((each["name"], first))
        while waiting:
            later = [node for node in waiting if not self._follow(*node)]
            if len(later) == len(waiting):
                raise ValueError(f"The graph of {model.name!r} cannot be followed from {later[0][0]!r} on.")
            waiting = later
        for key in _leaves(config["output_layers"]):
            self.hold(self._tensors.get(key), "they are an output of the model")

    # Numbers

    def new(self, count):
        """Numbers of channels that nothing else has."""
        ids = np.arange(len(self._parents), len(self._parents) + count)
        self._parents.extend(ids.tolist())
        return ids

    def roots(self, ids):
        """One number for all channels that go together, for each of `ids`."""
        return np.array([self._root(each) for each in np.asarray(ids).tolist()], dtype=int)

    def _root(self, each):
        while self._parents[each] != each:
            self._parents[each] = each = self._parents[self._parents[each]]
        return each

    def join(self, ids, others):
        """Channels go with others, pair by pair."""
        for one, other in zip(self.roots(ids).tolist(), self.roots(others).tolist(), strict=True):
            one, other = self._root(one), self._root(other)
            if one != other:
                self._parents[other] = one

    def hold(self, ids, reason):
        """These channels have to stay."""
        if ids is not None:
            for root in set(self.roots(ids).tolist()):
                self._held.setdefault(root, reason)

    def held(self):
        """Why channels have to stay: dict from the one number of those that go together to a reason."""
        return {self._root(each): why for each, why in self._held.items()}

    # Nodes

    def _follow(self, name, index, node):
        kwargs = dict(node["kwargs"])
        masked = list(_tensors(kwargs.pop("mask", None)))  # Of places, not of channels.
        found = list(_tensors((node["args"], kwargs)))
        if any(tensor[:2] not in self._done for tensor in found + masked):
            return False
        operation, shapes = self._operations[name], [tensor[3] for tensor in found]
        inputs = [self._read(tensor[:3], tensor[3]) for tensor in found]
        outputs = _known(self, operation, node, inputs, shapes)
        if outputs is None:
            for ids in inputs:
                self.hold(ids, f"{name} reads them, a {type(operation).__name__}")
        self._tensors[name, index, 0] = outputs
        self._done.add((name, index))
        return True

    def _read(self, key, shape):
        """The channels of a tensor; those that nothing known made have to stay."""
        if self._tensors.get(key) is None and len(shape) > 1 and shape[-1] is not None:
            self._tensors[key] = self.new(shape[-1])
            operation = self._operations[key[0]]
            made = f"{key[0]} makes them, a {type(operation).__name__}"
            is_input = isinstance(operation, layers.InputLayer)
            self.hold(self._tensors[key], "they are an input of the model" if is_input else made)
        return self._tensors.get(key)

    def layer(self, layer, inputs, count=None, repeats=1):
        """The channels that a layer with weights makes: the same at each of its calls.

        Args:
            layer: The layer.
            inputs: Channels that it reads.
            count: How many it makes; None hands on what it reads.
            repeats: How many it makes of each that it hands on.

        Returns:
            Their numbers.
        """
        self.calls[layer.name] += 1
        if layer.name in self.reads:
            self.join(self.reads[layer.name], inputs)
        else:
            self.reads[layer.name] = inputs
            self.sources[layer.name] = np.repeat(inputs, repeats) if count is None else self.new(count)
        return self.sources[layer.name]


def _tensors(value):
    """`(layer, node, place, shape)` of the tensors in the arguments of a call."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            config = value["config"]
            yield (*config["keras_history"], tuple(config["shape"]))
        else:
            for each in value.values():
                yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _leaves(value):
    if isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str):
        yield tuple(value)
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)


def channelwise(function):
    """Whether an activation computes each channel from that channel alone, tried on numbers."""
    x = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    try:
        whole, part = (ops.convert_to_numpy(function(ops.convert_to_tensor(each))) for each in (x, x[:, :3]))
    except Exception:  # A function of the user's, which may fail on this shape in any way.
        return False
    return whole.shape == x.shape and np.allclose(whole[:, :3], part, atol=1e-6)


def _known(graph, operation, node, inputs, shapes):
    """The channels of the output of a call, or None where it is not known what it does with them."""
    if not inputs or any(ids is None for ids in inputs):
        return _source(graph, operation)
    if not isinstance(operation, keras.Layer):
        return _function(graph, operation, node, inputs, shapes)
    kind, ids, shape = type(operation), inputs[0], shapes[0]
    if getattr(operation, "data_format", "channels_last") != "channels_last":
        return None
    if kind in MERGES:
        return _joined(graph, inputs)
    if kind is layers.Concatenate:
        return _concatenated(graph, operation.axis, inputs, shapes)
    if len(inputs) != 1:
        return None
    if kind in CHANNELWISE:
        return ids
    if kind is layers.Activation:
        return ids if channelwise(operation.activation) else None
    if kind is layers.Flatten:
        return _reshaped(ids, shape, (-1,))
    if kind is layers.Reshape:
        flat = _reshaped(ids, shape, operation.target_shape)
        return None if flat is None else graph.layer(operation, flat)
    if kind is layers.Permute:
        return ids if operation.dims[-1] == len(operation.dims) else None
    if kind is layers.BatchNormalization and operation.axis in (-1, len(shape) - 1):
        return graph.layer(operation, ids)
    if kind is layers.PReLU:
        return graph.layer(operation, ids)
    if kind in DEPTHWISE:
        made = graph.layer(operation, ids, repeats=operation.depth_multiplier)
        return _activated(graph, operation, made)
    if kind in CONVOLUTIONS and operation.groups == len(ids) > 1:
        made = graph.layer(operation, ids, repeats=operation.filters // operation.groups)
        return _activated(graph, operation, made)
    if kind in FILTERS:
        return _activated(graph, operation, graph.layer(operation, ids, operation.filters))
    if kind is layers.Dense:
        return _activated(graph, operation, graph.layer(operation, ids, operation.units))
    if kind in RECURRENT:
        made = graph.layer(operation, ids, operation.units)
        graph.hold(made, f"{operation.name} reads them again, a {kind.__name__}")
        return made
    return None


def _source(graph, operation):
    if type(operation) is layers.Embedding and not operation.quantization_mode:
        return graph.layer(operation, np.zeros(0, int), operation.output_dim)
    return None


def _activated(graph, layer, ids):
    if not channelwise(layer.activation):
        graph.hold(ids, f"the activation of {layer.name} mixes channels")
    return ids


def _joined(graph, inputs):
    count = max(len(ids) for ids in inputs)
    if any(len(ids) not in (1, count) for ids in inputs):
        return None
    wide = [ids for ids in inputs if len(ids) == count]
    for ids in wide[1:]:
        graph.join(wide[0], ids)
    return wide[0]


def _concatenated(graph, axis, inputs, shapes):
    if axis in (-1, len(shapes[0]) - 1):
        return np.concatenate(inputs)
    return _joined(graph, inputs) if len({len(ids) for ids in inputs}) == 1 else None


def _reshaped(ids, shape, target):
    """The channels after a change of shape, or None where one place then holds several."""
    if target[-1] == shape[-1]:
        return ids
    if len(target) == 1 and None not in shape[1:]:
        return np.tile(ids, int(np.prod(shape[1:-1])))
    return None


def _function(graph, operation, node, inputs, shapes):
    name = type(operation).__name__
    plain = all(not isinstance(each, dict | list) for each in _literals((node["args"], node["kwargs"])))
    if not type(operation).__module__.startswith("keras.") or not plain:
        return None
    if name in UNARY and len(inputs) == 1:
        return inputs[0]
    if name in BINARY:
        return _joined(graph, inputs)
    if name == "Concatenate":
        return _concatenated(graph, operation.axis, inputs, shapes)
    if name in REDUCTIONS and len(inputs) == 1 and operation.axis is not None:
        axes = [axis % len(shapes[0]) for axis in np.atleast_1d(operation.axis).tolist()]
        return inputs[0] if len(shapes[0]) - 1 not in axes and 0 not in axes else None
    return None


def _literals(value):
    """The arguments of a call that are no tensors of the graph; an array among them is a dict."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return
    if isinstance(value, dict) and "class_name" in value:
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _literals(each)
    else:
        yield value


# Smaller layers


def smaller(layer, rows, columns, bias=None):
    """A layer that reads and makes fewer channels.

    Args:
        layer: A built layer of a kind that `Channels` knows.
        rows: Mask of the channels that it still reads.
        columns: Mask of those that it still makes.
        bias: What its bias gains, one number for each channel that it makes now; None gains nothing.

    Returns:
        The new layer and a function that fills it once it is built.

    Raises:
        ValueError: If groups would have unequal sizes, or the layer is quantized.
    """
    kind, values = type(layer), {variable.name: merged(layer, variable.name) for variable in layer.weights}
    values = {name: value for name, value in values.items() if not name.startswith("lora_")}
    if bias is not None:
        values["bias"] = values.get("bias", 0) + bias
    changes = {name: None for name in ("lora_rank", "lora_alpha") if name in layer.get_config()}
    if kind in DEPTHWISE:
        values["kernel"] = values["kernel"][..., rows, :]
    elif kind in CONVOLUTIONS and layer.groups > 1:
        values["kernel"], changes["groups"] = _grouped(layer, values["kernel"], rows, columns)
        changes["filters"] = int(columns.sum())
    elif kind in CONVOLUTIONS or kind is layers.Dense:
        values["kernel"] = values["kernel"][..., rows, :][..., columns]
        changes["units" if kind is layers.Dense else "filters"] = int(columns.sum())
    elif kind in TRANSPOSED:
        values["kernel"] = values["kernel"][..., columns, :][..., rows]
        changes["filters"] = int(columns.sum())
    elif kind in SEPARABLE:
        inner = np.repeat(rows, layer.depth_multiplier)
        values["depthwise_kernel"] = values["depthwise_kernel"][..., rows, :]
        values["pointwise_kernel"] = values["pointwise_kernel"][..., inner, :][..., columns]
        changes["filters"] = int(columns.sum())
    elif kind in RECURRENT:
        values["kernel"] = values["kernel"][rows]
    elif kind is layers.Embedding:
        values["embeddings"], changes["output_dim"] = values["embeddings"][:, columns], int(columns.sum())
    elif kind is layers.Reshape:
        flat = len(layer.target_shape) == 1
        changes["target_shape"] = (-1,) if flat else (*layer.target_shape[:-1], int(columns.sum()))
    else:  # Normalisation and PReLU: one number per channel, unless the channels share it.
        values = {
            name: value[..., columns] if value.shape[-1:] == columns.shape else value
            for name, value in values.items()
        }
    if "bias" in values and kind not in RECURRENT:
        values["bias"] = values["bias"][columns]
    if bias is not None:
        changes["use_bias"] = True
    new = remake(layer, **changes)

    def fill():
        for variable in new.weights:
            variable.assign(values[variable.name])

    return new, fill


def _grouped(layer, kernel, rows, columns):
    rows = rows.reshape(layer.groups, -1)
    columns = columns.reshape(layer.groups, -1)
    used = [group for group in range(layer.groups) if rows[group].any() or columns[group].any()]
    sizes = {(int(rows[group].sum()), int(columns[group].sum())) for group in used}
    if len(sizes) > 1 or 0 in next(iter(sizes)):
        raise ValueError(
            f"{layer.name} has {layer.groups} groups, which need equally many inputs and equally many "
            f"filters each. They would have, inputs and filters: "
            f"{[(int(a.sum()), int(b.sum())) for a, b in zip(rows, columns, strict=True)]}"
        )
    parts = np.split(kernel, layer.groups, axis=-1)
    return np.concatenate([parts[g][..., rows[g], :][..., columns[g]] for g in used], axis=-1), len(used)
