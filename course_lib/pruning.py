"""Lesson 06: weights set to zero, for any Keras 3 model, and heads and neurons taken out of an encoder.

A mask is a boolean array of a kernel's shape: False where the weight is zero and stays zero. Sparsity is the
share of zeros, at least 0 and below 1.

Sources: Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
arXiv:1506.02626; Zhu and Gupta, "To prune, or not to prune", 2017, arXiv:1710.01878, for the schedule;
Michel, Levy and Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019, arXiv:1905.10650.
"""

import re

import keras
import numpy as np
from keras import ops

from course_lib import transformer


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
    mask = np.ones(sizes.shape, dtype=bool)
    mask[np.argsort(sizes, kind="stable")[: round(sparsity * sizes.size)]] = False
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


class MagnitudePruning(keras.callbacks.Callback):
    """Prunes a model bit by bit while `fit` trains it, with any optimizer.

    What is zero stays zero: after each batch the masks are applied again, because an optimizer with momentum
    moves also weights that get no gradient.

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
        cubic_sparsity(0, end, sparsity, begin)  # For its errors.
        if every < 1:
            raise ValueError(f"`every` must be at least 1. Received: {every}")
        self.sparsity, self.end, self.begin, self.every = sparsity, end, begin, every
        self.scope, self.spare = scope, spare
        self.step, self.masks = 0, {}

    def on_train_begin(self, logs=None):
        """Looks for the kernels."""
        self._kernels = kernels(self.model, self.spare)
        if self.params.get("steps") and self.params["steps"] * self.params["epochs"] < self.end - self.step:
            total = self.params["steps"] * self.params["epochs"]
            raise ValueError(f"`fit` runs {total} steps, but the schedule of pruning ends at {self.end}.")

    def on_train_batch_end(self, batch, logs=None):
        """Chooses masks when it is time, and applies them."""
        self.step += 1
        if self.step < self.begin:
            return
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # On JAX the variables are elsewhere while `fit` runs.
        if self.step <= self.end and ((self.step - self.begin) % self.every == 0 or self.step == self.end):
            sparsity = cubic_sparsity(self.step, self.end, self.sparsity, self.begin)
            self.masks = magnitude_masks(self._kernels, sparsity, self.scope)
        apply_masks(self.model, self.masks)


# Structured: smaller, and faster everywhere


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
    blocks = transformer.blocks(model)
    kernels_ = {block.name: block.attention.output_dense.kernel for block in blocks}
    total, count = {block.name: np.zeros(block.num_heads) for block in blocks}, 0
    for x, y in batches:
        gradients = _gradients(model, x, y, loss, list(kernels_.values()))
        for block, gradient in zip(blocks, gradients, strict=True):
            products = ops.convert_to_numpy(kernels_[block.name]) * ops.convert_to_numpy(gradient)
            total[block.name] += np.abs(products.reshape(block.num_heads, -1).sum(axis=1))
        count += 1
    if not count:
        raise ValueError("`batches` is empty: the importance of a head is measured on data.")
    return {name: each / count for name, each in total.items()}


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
        _check_kept(name, "heads", kept, blocks[name].num_heads)
    for name, kept in neurons.items():
        _check_kept(name, "neurons", kept, blocks[name].intermediate_dim)

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
        values = {
            weight.path.split(f"{old.name}/", 1)[-1]: ops.convert_to_numpy(weight) for weight in old.weights
        }
        if old.name in heads:
            depth = old.attention.key_dim
            columns = np.concatenate([np.arange(depth) + depth * head for head in heads[old.name]])
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


def _check_kept(block, what, kept, count):
    kept = [int(each) for each in kept]
    if not kept or len(set(kept)) < len(kept) or min(kept) < 0 or max(kept) >= count:
        raise ValueError(
            f"{block} has {what} 0 to {count - 1}; name at least one to keep, each once. Received: {kept}"
        )
