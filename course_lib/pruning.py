"""Lesson 06: weights set to zero, for any Keras 3 model, and heads and neurons taken out of an encoder.

A mask is a boolean array of a kernel's shape: False where the weight is zero and stays zero. Sparsity is the
share of zeros, at least 0 and below 1.

Sources: Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
arXiv:1506.02626; Zhu and Gupta, "To prune, or not to prune", 2017, arXiv:1710.01878, for the schedule;
Michel, Levy and Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019, arXiv:1905.10650;
Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, arXiv:1608.08710; Fan, Grave and Joulin, ICLR
2020, arXiv:1909.11556, for layers dropped.
"""

import json
import re
import zipfile
import zlib

import keras
import numpy as np
from keras import ops

from course_lib import runtime, transformer, weights


def kernels(model, spare=()):
    """The kernels that pruning may touch: trainable, of two axes or more, and named `kernel`.

    Embeddings, biases and norms are not among them.

    Args:
        model: A built `keras.Model` of any kind.
        spare: Regular expressions; kernels in whose path one is found are left alone.

    Returns:
        Dict from path to variable, in the model's order.

    Raises:
        ValueError: If the model is not built, two kernels have the same path, an expression of `spare`
            matches nothing, or no kernel is left.
    """
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built: call it on a batch, or `build` it, first.")
    variables = [v for v in model.trainable_variables if v.name == "kernel" and len(v.shape) > 1]
    found = {variable.path: variable for variable in variables}
    if len(found) < len(variables):
        raise ValueError(
            f"Two layers of {model.name!r} have the same name, so their kernels cannot be told apart."
        )
    for pattern in spare:
        if not any(re.search(pattern, path) for path in found):
            raise ValueError(f"No kernel has {pattern!r} in its path. The paths are: {', '.join(found)}")
    found = {path: each for path, each in found.items() if not any(re.search(p, path) for p in spare)}
    if not found:
        raise ValueError(f"The model {model.name!r} has no kernel to prune.")
    return found


def magnitude_masks(weights, sparsity, scope="layer"):
    """Masks that drop the weights of least magnitude.

    Args:
        weights: Dict from name to array.
        sparsity: Share of zeros.
        scope: "layer" gives each array this share, "global" all of them together, so that arrays of small
            weights lose more.

    Returns:
        Dict from name to mask. Exactly `sparsity` times the number of weights, rounded, are False; of equal
        magnitudes the first ones are dropped.

    Raises:
        ValueError: If `sparsity` is not at least 0 and below 1, or `scope` is unknown.
    """
    check_sparsity(sparsity)
    if scope not in ("layer", "global"):
        raise ValueError(f'`scope` must be "layer" or "global". Received: {scope!r}')
    sizes = {name: np.abs(ops.convert_to_numpy(value)) for name, value in weights.items()}
    if scope == "layer":
        return {name: _largest(value.ravel(), sparsity).reshape(value.shape) for name, value in sizes.items()}
    flat = _largest(np.concatenate([value.ravel() for value in sizes.values()]), sparsity)
    parts = np.split(flat, np.cumsum([value.size for value in sizes.values()])[:-1])
    return {name: part.reshape(sizes[name].shape) for name, part in zip(sizes, parts, strict=True)}


def _largest(sizes, sparsity):
    count = round(sparsity * sizes.size)
    if not count:
        return np.ones(sizes.shape, dtype=bool)
    threshold = np.partition(sizes, count - 1)[count - 1]  # Much faster than sorting all.
    mask = sizes > threshold
    equal = np.flatnonzero(sizes == threshold)
    mask[equal[count - np.count_nonzero(sizes < threshold) :]] = True
    return mask


def n_of_m_mask(kernel, n=2, m=4, axis=0):
    """A mask that keeps the n largest of every m weights in a row, as hardware with 2:4 sparsity wants it.

    Args:
        kernel: Array.
        n: How many of each group are kept; of equal magnitudes the last ones.
        m: Size of a group.
        axis: Along which axis groups lie; the axis of the inputs, which a product sums over.

    Returns:
        The mask.

    Raises:
        ValueError: If not 0 < n < m, or m does not divide the axis.
    """
    sizes = np.moveaxis(np.abs(ops.convert_to_numpy(kernel)), axis, -1)
    if not 0 < n < m:
        raise ValueError(f"`n` must be from 1 to m - 1. Received: {n=}, {m=}")
    if sizes.shape[-1] % m:
        raise ValueError(f"Groups of {m} do not divide axis {axis} of shape {kernel.shape}.")
    groups = sizes.reshape(*sizes.shape[:-1], -1, m)
    ranks = np.argsort(np.argsort(groups, axis=-1, kind="stable"), axis=-1)
    return np.moveaxis((ranks >= m - n).reshape(sizes.shape), -1, axis)


def cubic_sparsity(step, end, final, begin=0, initial=0.0):
    """Zhu and Gupta's schedule, their equation 1: fast while much is redundant, slow at the end.

    Args:
        step: Number of the training step.
        end: Step from which the sparsity is `final`.
        final: Last sparsity.
        begin: Step up to which it is `initial`.
        initial: First sparsity.

    Returns:
        The sparsity, a float.

    Raises:
        ValueError: If `end` does not come after `begin`, or a sparsity is out of range.
    """
    check_sparsity(initial)
    check_sparsity(final)
    if end <= begin:
        raise ValueError(f"`end` must come after `begin`. Received: {begin=}, {end=}")
    left = 1.0 - min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final + (initial - final) * left**3


def check_sparsity(sparsity):
    """Raises ValueError unless `sparsity` is at least 0 and below 1."""
    if not 0 <= sparsity < 1:
        raise ValueError(f"`sparsity` is a share, at least 0 and below 1. Received: {sparsity}")


def apply_masks(model, masks):
    """Sets the weights to zero where a mask is False.

    Args:
        model: A built `keras.Model`.
        masks: Dict from the path of a kernel to its mask.

    Raises:
        ValueError: If a path or a shape does not fit the model, which is then unchanged.
    """
    found = kernels(model)
    for path, mask in masks.items():
        if path not in found:
            raise ValueError(f"The model has no kernel {path!r}. It has: {', '.join(found)}")
        if tuple(found[path].shape) != np.shape(mask):
            raise ValueError(f"{path} has shape {tuple(found[path].shape)}, its mask {np.shape(mask)}.")
    for path, mask in masks.items():
        value = ops.convert_to_tensor(found[path])
        found[path].assign(ops.where(mask, value, ops.zeros_like(value)))


def save_masks(path, masks):
    """Writes masks to a file, one bit per weight.

    Args:
        path: The file; it is replaced only when the new one is complete.
        masks: Dict from the path of a kernel to its mask.
    """
    arrays = {f"bits{i}": np.packbits(np.asarray(mask, bool)) for i, mask in enumerate(masks.values())}
    shapes = {name: list(np.shape(mask)) for name, mask in masks.items()}
    with runtime.atomic_write(path) as part, part.open("wb") as file:
        np.savez_compressed(file, shapes=np.array(json.dumps(shapes)), **arrays)


def load_masks(path):
    """Reads what `save_masks` wrote.

    Args:
        path: The file.

    Returns:
        Dict from the path of a kernel to its mask.

    Raises:
        ValueError: If the file holds something else; nothing in it is executed.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            shapes = json.loads(str(file["shapes"]))
            bits = [file[f"bits{i}"] for i in range(len(shapes))]
        return {
            name: np.unpackbits(each, count=int(np.prod(shape))).astype(bool).reshape(shape)
            for (name, shape), each in zip(shapes.items(), bits, strict=True)
        }
    except (
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f"{path} holds no masks that `save_masks` wrote: {error}") from None


def sensitivity(model, score, sparsities, spare=()):
    """What happens when one kernel alone is pruned, for each kernel; the model is as before afterwards.

    Args:
        model: A built `keras.Model`.
        score: Function without arguments that evaluates the model and returns a number.
        sparsities: Shares of zeros to try.
        spare: As in `kernels`.

    Returns:
        Dict from a kernel's path to the list of scores, one per sparsity.
    """
    found = {}
    for path, kernel in kernels(model, spare).items():
        saved, found[path] = ops.convert_to_numpy(kernel), []
        try:
            for sparsity in sparsities:
                kernel.assign(saved * magnitude_masks({path: saved}, sparsity)[path])
                found[path].append(score())
        finally:
            kernel.assign(saved)
    return found


class MagnitudePruning(keras.callbacks.Callback):
    """Prunes a model bit by bit while `fit` trains it, with any optimizer.

    What is zero stays zero: after each batch the masks are applied again. They are no part of the network, so
    a weight of zero gets a gradient like any other, and the optimizer moves it.

    Args:
        sparsity: Last sparsity.
        end: Training step from which the sparsity is reached.
        begin: Step at which pruning starts.
        every: Steps between two choices of new masks.
        scope: As in `magnitude_masks`.
        spare: As in `kernels`.

    Attributes:
        masks: Dict from path to mask, as of the last choice.

    Raises:
        ValueError: If the schedule or the sparsity is impossible, also when `fit` starts and would end before
            the schedule does.
    """

    def __init__(self, sparsity, end, begin=0, every=10, scope="layer", spare=()):
        super().__init__()
        _check_schedule(sparsity, end, begin, every)
        self.sparsity, self.end, self.begin, self.every = sparsity, end, begin, every
        self.scope, self.spare = scope, spare
        self.step, self.masks = 0, {}

    def on_train_begin(self, logs=None):
        """Looks for the kernels."""
        self._kernels = kernels(self.model, self.spare)
        _check_length(self.params, self.end - self.step, self.end)

    def on_train_batch_end(self, batch, logs=None):
        """Chooses masks when it is time, and applies them."""
        self.step += 1
        if self.step < self.begin:
            return
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # On JAX the variables are elsewhere while `fit` runs.
        if _due(self.step, self.begin, self.end, self.every):
            sparsity = cubic_sparsity(self.step, self.end, self.sparsity, self.begin)
            self.masks = magnitude_masks(self._kernels, sparsity, self.scope)
        apply_masks(self.model, self.masks)


class Reparameterised(keras.Model):
    """A model whose kernels are computed anew from the stored ones at every call.

    It is compiled and trained like any other; a subclass says in `transform` what becomes of a kernel. The
    layers of the model itself are not touched, so nothing has to be taken off it afterwards.

    Args:
        model: A built `keras.Model`.
        spare: As in `kernels`.
        **kwargs: `name` and so on.
    """

    def __init__(self, model, spare=(), **kwargs):
        super().__init__(**kwargs)
        self.model = model
        self._found = kernels(model, spare)

    def transform(self, path, kernel):
        """What the model computes with instead of this kernel, a tensor of the same shape."""
        raise NotImplementedError

    def call(self, x, training=None):
        """Applies the model with its transformed kernels."""
        paths = {id(variable): path for path, variable in self._found.items()}
        values = {}
        for variable in self.model.variables:
            value = ops.convert_to_tensor(variable.value)
            path = paths.get(id(variable))
            values[id(variable)] = value if path is None else self.transform(path, value)
        mapping = [(variable, values[id(variable)]) for variable in self.model.variables]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = self.model(x, training=training)
        for variable in self.model.non_trainable_variables:  # Dropout's seeds, for example.
            value = scope.get_current_value(variable)
            if value is not values[id(variable)]:
                variable.assign(value)
        return outputs

    def strip(self):
        """Stores the transformed kernels and returns the plain model."""
        for path, variable in self._found.items():
            variable.assign(self.transform(path, ops.convert_to_tensor(variable.value)))
        return self.model


def _check_schedule(sparsity, end, begin, every):
    cubic_sparsity(0, end, sparsity, begin)  # For its errors.
    if every < 1:
        raise ValueError(f"`every` must be at least 1. Received: {every}")


def _check_length(params, needed, end):
    if params.get("steps") and params["steps"] * params["epochs"] < needed:
        total = params["steps"] * params["epochs"]
        raise ValueError(f"`fit` runs {total} steps, but the schedule of pruning ends at {end}.")


def _due(step, begin, end, every):
    return begin <= step <= end and ((step - begin) % every == 0 or step == end)


# Structured: smaller, and faster everywhere


RENAMED = {
    "embeddings_layer_norm": "embeddings_norm",
    "self_attention_layer_norm": "attention_norm",
    "self_attention_layer": "attention",
    "feedforward_intermediate_dense": "intermediate_dense",
    "feedforward_output_dense": "output_dense",
    "feedforward_layer_norm": "output_norm",
}


def from_keras_hub(network):
    """A KerasHub BERT as a `transformer.encoder`, which can lose heads and neurons.

    KerasHub's layers derive the depth of a head from the width and the number of heads, so they cannot have
    fewer of the same depth.

    Args:
        network: A `keras_hub.models.BertBackbone`, or a `weights.classifier` on one.

    Returns:
        An `encoder`, or a `weights.classifier` on one, with copies of the weights and the same outputs.

    Raises:
        ValueError: If it is another network.
    """
    layers = {layer.name: layer for layer in network.layers}
    blocks = [layer for name, layer in layers.items() if name.startswith("transformer_layer_")]
    try:
        ours = transformer.encoder(
            layers["token_embedding"].input_dim,
            len(blocks),
            blocks[0].num_heads,
            layers["token_embedding"].output_dim,
            blocks[0].intermediate_dim,
            max_length=layers["position_embedding"].sequence_length,
            num_segments=layers["segment_embedding"].input_dim,
            dropout=blocks[0].dropout,
        )
    except (AttributeError, IndexError, KeyError) as error:
        raise ValueError(f"A keras_hub.models.BertBackbone is needed, but: {error}") from None
    if "logits" in layers:
        ours = weights.classifier(ours, layers["logits"].units, layers["dropout"].rate)
    variables, values = {variable.path: variable for variable in ours.weights}, {}
    for variable in network.weights:
        path = "/".join(RENAMED.get(part, part) for part in variable.path.split("/"))
        values[path] = ops.convert_to_numpy(variable)
    if set(values) != set(variables):
        raise ValueError(f"A BERT has other weights: {sorted(set(values) ^ set(variables))[:3]}")
    for path, variable in variables.items():
        # KerasHub's kernels have the heads on an axis of their own.
        variable.assign(values[path].reshape(variable.shape))
    return ours


def head_importance(model, batches, loss):
    """How much the loss depends on each head: E |∂L/∂ξ|, with ξ a factor before the head.

    Michel et al. 2019, section 4.1. A head's output is multiplied by its rows of the output kernel W, so
    ∂L/∂ξ is the sum of W times ∂L/∂W over these rows, and nothing has to be added to the model.

    Args:
        model: A built `keras.Model` with `transformer.EncoderBlock`s in it; dropout is off.
        batches: Iterable of `(x, y)`. The mean is over batches: with several texts in one, their derivatives
            are added before the absolute value is taken.
        loss: Function of `(y, model's output)` that returns a scalar.

    Returns:
        Dict from a block's name to an array of shape `(num_heads,)`.

    Raises:
        ValueError: If there is no batch, or Keras runs on another backend than TensorFlow or JAX.
    """
    return _importance(model, batches, loss, lambda block: (block.attention.output_dense, block.num_heads))


def neuron_importance(model, batches, loss):
    """The same for the neurons of the feed-forward parts, each with its row of the output kernel.

    Args:
        model: As in `head_importance`.
        batches: As in `head_importance`.
        loss: As in `head_importance`.

    Returns:
        Dict from a block's name to an array of shape `(intermediate_dim,)`.

    Raises:
        ValueError: As `head_importance`.
    """
    return _importance(model, batches, loss, lambda block: (block.output_dense, block.intermediate_dim))


def _importance(model, batches, loss, part):
    parts = {block.name: part(block) for block in transformer.blocks(model)}
    variables = [dense.kernel for dense, _ in parts.values()]
    total, number = {name: np.zeros(count) for name, (_, count) in parts.items()}, 0
    for x, y in batches:
        gradients = _gradients(model, x, y, loss, variables)
        for (name, (dense, count)), gradient in zip(parts.items(), gradients, strict=True):
            products = ops.convert_to_numpy(dense.kernel) * ops.convert_to_numpy(gradient)
            total[name] += np.abs(products.reshape(count, -1).sum(axis=1))
        number += 1
    if not number:
        raise ValueError("`batches` is empty: importance is measured on data.")
    return {name: each / number for name, each in total.items()}


def most_important(importance, share):
    """The units to keep: in every block the same share, of the greatest importance.

    Args:
        importance: Dict from a block's name to an array, as `head_importance` gives it.
        share: Share to keep, above 0 and at most 1; at least one unit stays.

    Returns:
        Dict from a block's name to a sorted list of numbers.

    Raises:
        ValueError: If `share` is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be above 0 and at most 1. Received: {share}")
    return {
        name: sorted(np.argsort(-each, kind="stable")[: max(1, round(share * len(each)))].tolist())
        for name, each in importance.items()
    }


def _gradients(model, x, y, loss, variables):
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=False))
        return tape.gradient(value, [variable.value for variable in variables])
    if backend == "jax":
        import jax

        fixed = [variable.value for variable in model.non_trainable_variables]

        def of(trained):
            return loss(y, model.stateless_call(trained, fixed, x, training=False)[0])

        gradients = jax.grad(of)([variable.value for variable in model.trainable_variables])
        place = {variable.path: i for i, variable in enumerate(model.trainable_variables)}
        return [gradients[place[variable.path]] for variable in variables]
    raise ValueError(f"Gradients are taken on TensorFlow and JAX. Received: {backend}")


def keep_heads(query, key, value, output, num_heads, kept):
    """The four kernels of multi-head attention without the heads that are not kept.

    A head owns neighbouring columns of the three projections, and the same rows of the output kernel.

    Args:
        query: Array of shape `(width, num_heads * key_dim)`.
        key: As `query`.
        value: As `query`.
        output: Array of shape `(num_heads * key_dim, width)`.
        num_heads: Number of heads.
        kept: Numbers of the heads that stay, from 0.

    Returns:
        The four smaller arrays, with the heads in the order of `kept`.

    Raises:
        ValueError: If there is no such head, one is named twice, or none would stay.
    """
    columns = _columns("The layer", kept, num_heads, np.shape(query)[-1])
    query, key, value, output = map(np.asarray, (query, key, value, output))
    return query[:, columns], key[:, columns], value[:, columns], output[columns]


def _columns(name, kept, num_heads, size):
    kept = _checked(name, "heads", kept, num_heads)
    return np.arange(size).reshape(num_heads, -1)[kept].ravel()


def keep(model, heads=None, neurons=None):
    """An encoder with fewer heads and neurons, which computes what the old one does without them.

    Args:
        model: A built `keras.Model` made of layers and functions, with `transformer.EncoderBlock`s in it.
        heads: Dict from a block's name to the heads that stay, by number from 0.
        neurons: Dict from a block's name to the neurons of its feed-forward part that stay.

    Returns:
        A new model of the same inputs and outputs; the old one is unchanged.

    Raises:
        ValueError: If the model has no such block, or a block no such head or neuron, or nothing would stay.
    """
    heads, neurons = heads or {}, neurons or {}
    blocks = {block.name: block for block in transformer.blocks(model)}
    for name in (*heads, *neurons):
        if name not in blocks:
            raise ValueError(f"There is no block {name!r}. The model has: {', '.join(blocks)}")
    for name, kept in heads.items():
        _checked(name, "heads", kept, blocks[name].num_heads)
    for name, kept in neurons.items():
        _checked(name, "neurons", kept, blocks[name].intermediate_dim)

    def clone(layer):
        config = layer.get_config()
        if layer.name in heads:
            config["key_dim"] = layer.attention.key_dim
            config["num_heads"] = len(heads[layer.name])
        if layer.name in neurons:
            config["intermediate_dim"] = len(neurons[layer.name])
        return layer.__class__.from_config(config)

    smaller = keras.models.clone_model(model, clone_function=clone)
    for old, new in zip(model.layers, smaller.layers, strict=True):
        values = _values(old)
        if old.name in heads:
            columns = _columns(
                old.name, heads[old.name], old.num_heads, old.attention.key_dim * old.num_heads
            )
            for name in ("query", "key", "value"):
                values[f"attention/{name}/kernel"] = values[f"attention/{name}/kernel"][:, columns]
                values[f"attention/{name}/bias"] = values[f"attention/{name}/bias"][columns]
            output = "attention/attention_output/kernel"
            values[output] = values[output][columns]
        if old.name in neurons:
            kept = np.asarray(neurons[old.name])
            values["intermediate_dense/kernel"] = values["intermediate_dense/kernel"][:, kept]
            values["intermediate_dense/bias"] = values["intermediate_dense/bias"][kept]
            values["output_dense/kernel"] = values["output_dense/kernel"][kept]
        new.set_weights(list(values.values()))
    return smaller


def _checked(block, what, kept, count):
    kept = [int(each) for each in kept]
    if not kept or len(set(kept)) < len(kept) or min(kept) < 0 or max(kept) >= count:
        raise ValueError(
            f"{block} has {what} 0 to {count - 1}; name at least one to keep, each once. Received: {kept}"
        )
    return kept


def drop_blocks(model, dropped):
    """An encoder without some of its blocks, as in LayerDrop (Fan et al. 2020).

    Args:
        model: A built `keras.Model` made of layers and functions, with `transformer.EncoderBlock`s in it.
        dropped: Names of the blocks that go.

    Returns:
        A new model of the same inputs and outputs; the old one is unchanged.

    Raises:
        ValueError: If the model has no such block or would have none left.
    """
    names = [block.name for block in transformer.blocks(model)]
    dropped = set(dropped)
    if not dropped < set(names):
        raise ValueError(f"Name some of the blocks, not all: {', '.join(names)}. Received: {sorted(dropped)}")

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in dropped else layer(*args, **kwargs)

    smaller = keras.models.clone_model(model, call_function=call)
    for layer in smaller.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return smaller


def keep_filters(model, filters):
    """A convolutional network with fewer filters, which computes what the old one does without them.

    A filter is a slice of a convolution's kernel, its bias, its part of a batch normalisation, and the inputs
    of the next kernel that read it. Removed filters must give 0 for the outputs to stay the same, as they do
    when kernel and bias are 0 and no normalisation adds a constant.

    Args:
        model: A built `keras.Sequential` of `Conv2D`, `BatchNormalization`, `Dense`, and layers without
            weights; channels last.
        filters: Dict from the name of a `Conv2D` to the filters that stay, by number from 0.

    Returns:
        A new model; the old one is unchanged.

    Raises:
        ValueError: If a name or a filter does not exist, or the network has other layers with weights.
    """
    convolutions = {layer.name: layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}
    for name, kept in filters.items():
        if name not in convolutions:
            raise ValueError(f"There is no Conv2D {name!r}. The model has: {', '.join(convolutions)}")
        _checked(name, "filters", kept, convolutions[name].filters)
    layers, values, inputs = [], [], slice(None)  # `inputs`: which inputs of the next kernel stay.
    for layer in model.layers:
        config, weights = layer.get_config(), layer.get_weights()
        if isinstance(layer, keras.layers.Conv2D):
            kept = np.asarray(filters.get(layer.name, range(layer.filters)))
            weights[0] = weights[0][:, :, inputs]
            weights, config["filters"], inputs = [each[..., kept] for each in weights], len(kept), kept
        elif isinstance(layer, keras.layers.BatchNormalization):
            weights = [each[inputs] for each in weights]
        elif isinstance(layer, keras.layers.Flatten) and not isinstance(inputs, slice):
            channels = layer.input.shape[-1]
            places = int(np.prod(layer.input.shape[1:-1]))
            inputs = (np.arange(places)[:, None] * channels + inputs).ravel()
        elif isinstance(layer, keras.layers.Dense):
            weights[0], inputs = weights[0][inputs], slice(None)
        elif weights:
            raise ValueError(f"{layer.name} is a {type(layer).__name__}, which `keep_filters` does not know.")
        layers.append(type(layer).from_config(config))
        values.append(weights)
    smaller = keras.Sequential([keras.Input(model.input_shape[1:]), *layers], name=model.name)
    for layer, weights in zip(smaller.layers, values, strict=True):
        layer.set_weights(weights)
    return smaller


# Low-rank factors


def rank_for_budget(inputs, outputs, parameters):
    """The greatest rank at which two factors of a kernel have at most so many weights.

    Args:
        inputs: Rows of the kernel.
        outputs: Its columns.
        parameters: Weights that `(inputs, rank)` and `(rank, outputs)` may have together.

    Returns:
        The rank, at most the lesser of the kernel's sides.

    Raises:
        ValueError: If not even rank 1 fits.
    """
    rank = int(parameters // (inputs + outputs))
    if rank < 1:
        raise ValueError(
            f"Rank 1 of a kernel of {inputs} by {outputs} takes {inputs + outputs} weights, the budget is "
            f"{parameters}."
        )
    return min(rank, inputs, outputs)


def rank_for_energy(singular_values, share):
    """The least rank that keeps a share of the energy, the sum of the squares of the singular values.

    Args:
        singular_values: Array of shape `(n,)`, largest first.
        share: Above 0 and at most 1.

    Returns:
        The rank, from 1 to n.

    Raises:
        ValueError: If `share` is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be above 0 and at most 1. Received: {share}")
    energy = np.cumsum(np.asarray(singular_values, "float64") ** 2)
    return int(min(np.searchsorted(energy, share * energy[-1] * (1 - 1e-12)) + 1, len(energy)))


def low_rank(kernel, rank, row_weights=None):
    """The two factors whose product is nearest to a kernel (Eckart and Young 1936), by SVD.

    Args:
        kernel: Array of shape `(inputs, outputs)`.
        rank: From 1 to the lesser of its sides.
        row_weights: How much the error of each row counts, above 0, of shape `(inputs,)`; None counts all
            alike. For a table of embeddings: how often each word occurs, for most are rare.

    Returns:
        Float32 arrays of shapes `(inputs, rank)` and `(rank, outputs)`. Without `row_weights` each gets the
        root of the singular values, with them the rows of the second are orthonormal.

    Raises:
        ValueError: If the kernel has not two axes, the rank is out of range, or the weights do not fit.
    """
    kernel = ops.convert_to_numpy(kernel)
    if kernel.ndim != 2 or not 1 <= rank <= min(kernel.shape):
        raise ValueError(
            f"A kernel with two axes has ranks from 1 to its lesser side. Received: {rank} for {kernel.shape}"
        )
    if row_weights is None:
        left, values, right = np.linalg.svd(kernel, full_matrices=False)
        roots = np.sqrt(values[:rank])
        return (left[:, :rank] * roots).astype("float32"), (roots[:, None] * right[:rank]).astype("float32")
    row_weights = np.asarray(row_weights, "float64")
    if row_weights.shape != kernel.shape[:1] or not (row_weights > 0).all():
        raise ValueError(f"`row_weights` must be {kernel.shape[0]} numbers above 0, one per row.")
    # The right singular vectors of the weighted kernel: of its product with itself they need far less time.
    vectors = np.linalg.eigh(kernel.T @ (row_weights[:, None] * kernel))[1]  # Of ascending eigenvalues.
    second = vectors[:, ::-1][:, :rank].T
    return (kernel @ second.T).astype("float32"), second.astype("float32")


@keras.saving.register_keras_serializable(package="course_lib")
class FactoredDense(keras.layers.Layer):
    """A dense layer whose kernel is a product of two: `x @ first @ second + bias`.

    Args:
        units: Width of the output.
        rank: Width between the factors.
        activation: As in `keras.layers.Dense`.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, units, rank, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rank, self.activation = units, rank, keras.activations.get(activation)
        policy = {"dtype": self.dtype_policy}
        self.first = keras.layers.Dense(rank, use_bias=False, name="first", **policy)
        self.second = keras.layers.Dense(units, activation=activation, name="second", **policy)

    def build(self, x_shape):
        """Creates the factors for inputs of this shape."""
        self.first.build(x_shape)
        self.second.build((*x_shape[:-1], self.rank))

    def call(self, x):
        """Applies the layer to a tensor of shape `(..., inputs)`."""
        return self.second(self.first(x))

    def compute_output_shape(self, x_shape):
        """`(..., units)`."""
        return (*x_shape[:-1], self.units)

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        config = {"units": self.units, "rank": self.rank}
        return {**super().get_config(), **config, "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable(package="course_lib")
class FactoredEmbedding(keras.layers.Layer):
    """A narrow embedding and a projection to the full width, as in ALBERT (Lan et al. 2020).

    Args:
        input_dim: Rows of the table.
        output_dim: Width of the output.
        rank: Width of the table.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, input_dim, output_dim, rank, **kwargs):
        super().__init__(**kwargs)
        self.input_dim, self.output_dim, self.rank = input_dim, output_dim, rank
        policy = {"dtype": self.dtype_policy}
        self.table = keras.layers.Embedding(input_dim, rank, name="table", **policy)
        self.projection = keras.layers.Dense(output_dim, use_bias=False, name="projection", **policy)

    def build(self, ids_shape):
        """Creates table and projection."""
        self.table.build(ids_shape)
        self.projection.build((*ids_shape, self.rank))

    def call(self, ids):
        """From integers of shape `(...)` to vectors `(..., output_dim)`."""
        return self.projection(self.table(ids))

    def compute_output_shape(self, ids_shape):
        """`(..., output_dim)`."""
        return (*ids_shape, self.output_dim)

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        names = ("input_dim", "output_dim", "rank")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="course_lib")
class FactoredBlock(transformer.EncoderBlock):
    """An `EncoderBlock` whose two feed-forward kernels are products.

    Args:
        rank: Of both.
        **kwargs: As in `EncoderBlock`.
    """

    def __init__(self, *, rank, **kwargs):
        super().__init__(**kwargs)
        self.rank = rank

    def feed_forward_dense(self, units, name):
        """The factored layer in place of the dense one."""
        return FactoredDense(units, self.rank, name=name, dtype=self.dtype_policy)

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        return {**super().get_config(), "rank": self.rank}


def factorise(model, ranks, row_weights=None):
    """A model with low-rank factors in place of some kernels.

    Args:
        model: A built `keras.Sequential`, or `keras.Model` made of layers and functions.
        ranks: Dict from the name of a layer to a rank: of a `Dense`, of an `Embedding`, or of an
            `EncoderBlock`, where it is that of both feed-forward kernels.
        row_weights: As in `low_rank`, for the layers that are an `Embedding`: how often each row is used.

    Returns:
        A new model; the old one is unchanged.

    Raises:
        ValueError: If there is no such layer, it is of another kind or already factored, or a rank is out of
            range.
    """
    known = {layer.name: layer for layer in model.layers}
    factors = {}
    for name, rank in ranks.items():
        if name not in known:
            raise ValueError(f"There is no layer {name!r}. The model has: {', '.join(known)}")
        layer = known[name]
        if type(layer) is keras.layers.Dense:
            factors[name] = _dense_factors(layer, rank)
        elif type(layer) is keras.layers.Embedding:
            table, projection = low_rank(layer.embeddings, rank, row_weights)
            factors[name] = {"table/embeddings": table, "projection/kernel": projection}
        elif type(layer) is transformer.EncoderBlock:
            factors[name] = {
                **_dense_factors(layer.intermediate_dense, rank, "intermediate_dense/"),
                **_dense_factors(layer.output_dense, rank, "output_dense/"),
            }
        else:
            raise ValueError(
                f"{name} is a {type(layer).__name__}; Dense, Embedding and EncoderBlock can be factored."
            )

    def clone(layer):
        if layer.name not in ranks:
            return layer.__class__.from_config(layer.get_config())
        config = {"name": layer.name, "dtype": layer.dtype_policy, "trainable": layer.trainable}
        if isinstance(layer, keras.layers.Dense):
            return FactoredDense(layer.units, ranks[layer.name], layer.activation, **config)
        if isinstance(layer, keras.layers.Embedding):
            return FactoredEmbedding(layer.input_dim, layer.output_dim, ranks[layer.name], **config)
        return FactoredBlock(rank=ranks[layer.name], **layer.get_config())

    smaller = keras.models.clone_model(model, clone_function=clone)
    for layer in smaller.layers:
        values = {**_values(known[layer.name]), **factors.get(layer.name, {})}
        layer.set_weights([values[_suffix(layer, weight)] for weight in layer.weights])
    return smaller


def _suffix(layer, weight):
    return weight.path.split(f"{layer.name}/", 1)[-1]


def _values(layer):
    return {_suffix(layer, weight): ops.convert_to_numpy(weight) for weight in layer.weights}


def _dense_factors(dense, rank, prefix=""):
    first, second = low_rank(dense.kernel, rank)
    bias = ops.convert_to_numpy(dense.bias) if dense.use_bias else np.zeros(dense.units, "float32")
    return {f"{prefix}first/kernel": first, f"{prefix}second/kernel": second, f"{prefix}second/bias": bias}


# What is left


def count(model):
    """How many parameters a model has, and how many of them are not zero: `(parameters, non_zeros)`."""
    values = [ops.convert_to_numpy(weight) for weight in model.weights]
    return sum(value.size for value in values), sum(int(np.count_nonzero(value)) for value in values)


def compressed_megabytes(model, level=1):
    """Size of all weights after zlib, in megabytes: what a sparse model takes to send, not to run."""
    packer, size = zlib.compressobj(level), 0
    for weight in model.weights:
        size += len(packer.compress(np.ascontiguousarray(ops.convert_to_numpy(weight)).tobytes()))
    return (size + len(packer.flush())) / 1e6
