"""What knows the course's encoder or KerasHub's BERT."""

import keras
import numpy as np

from course_lib import attention, layers, transformer, weights
from course_lib.pruning.gradients import gradients
from course_lib.pruning.low_rank import FACTORS, FactoredDense, fill_dense, low_rank
from course_lib.pruning.rebuild import copy_state, merged, remake, to_numpy
from course_lib.pruning.structured import UNITS, head_columns

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
        values[path] = to_numpy(variable)
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
        ValueError: If there is no batch, or Keras runs on a backend without gradients.
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
    # The gradient by a kernel is that by the kernel with LoRA added.
    variables = [next(v for v in dense.weights if v.name == "kernel") for dense, _ in parts.values()]
    kernels = [merged(dense, "kernel") for dense, _ in parts.values()]
    total, number = {name: np.zeros(count) for name, (_, count) in parts.items()}, 0
    for x, y in batches:
        # PyTorch's tensors do not go together with NumPy's arrays.
        y = y if y is None else keras.tree.map_structure(keras.ops.convert_to_tensor, y)
        found = gradients(lambda x=x, y=y: loss(y, model(x, training=False)), variables)
        for (name, (_, count)), kernel, gradient in zip(parts.items(), kernels, found, strict=True):
            products = kernel * to_numpy(gradient)
            total[name] += np.abs(products.reshape(count, -1).sum(axis=1))
        number += 1
    if not number:
        raise ValueError("`batches` is empty: importance is measured on data.")
    return {name: each / number for name, each in total.items()}


@keras.saving.register_keras_serializable(package="course_lib")
class FactoredBlock(transformer.EncoderBlock):
    """An `EncoderBlock` whose two feed-forward kernels are products.

    Import this module before a file with one is loaded, or use `course_lib.layers.load_model`.

    Args:
        rank: Of both.
        **kwargs: As in `EncoderBlock`.
    """

    def __init__(self, *, rank, **kwargs):
        super().__init__(**kwargs)
        self.rank = rank

    def feed_forward_dense(self, units, name):
        """The factored layer in place of the dense one."""
        return FactoredDense(units, self.rank, name=name, dtype=layers.policy_of(self, name))

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        return {**super().get_config(), "rank": self.rank}


def _smaller_block(block, heads=None, neurons=None):
    """A block with fewer heads and neurons, and the function that fills it."""
    config = {"key_dim": block.attention.key_dim}
    if heads is not None:
        config["num_heads"] = len(heads)
    if neurons is not None:
        config["intermediate_dim"] = len(neurons)
    new = remake(block, **config)

    def fill():
        _fill_attention(block.attention, new.attention, heads)
        for one, other, cut in (
            (block.intermediate_dense, new.intermediate_dense, {"columns": neurons}),
            (block.output_dense, new.output_dense, {"rows": neurons}),
        ):
            if isinstance(one, FactoredDense):
                _fill(one.first, other.first, rows=cut.get("rows"))
                _fill(one.second, other.second, columns=cut.get("columns"))
            else:
                _fill(one, other, **cut)
        if neurons is not None and not isinstance(block.intermediate_dense, FactoredDense):
            # A masked neuron gives what GELU makes of its bias.
            masked = ~merged(block.intermediate_dense, "kernel").any(axis=0)
            masked[neurons] = False
            given = transformer.gelu(to_numpy(block.intermediate_dense.bias)[masked], block.approximate_gelu)
            _add_bias(new.output_dense, to_numpy(given), merged(block.output_dense, "kernel")[masked])
        for name in ("attention_norm", "output_norm"):
            copy_state(getattr(block, name), getattr(new, name))

    return new, fill


def _smaller_attention(layer, heads):
    new = remake(layer, num_heads=len(heads))
    return new, lambda: _fill_attention(layer, new, heads)


def _fill_attention(old, new, heads):
    columns = None
    if heads is not None:
        columns = head_columns(old.name, heads, old.num_heads, old.num_heads * old.key_dim)
    for name in ("query_dense", "key_dense", "value_dense"):
        _fill(getattr(old, name), getattr(new, name), columns=columns)
    _fill(old.output_dense, new.output_dense, rows=columns)
    if heads is not None and old.use_bias:
        # A head whose values are masked gives their bias at every place, for its weights sum to 1.
        masked = ~merged(old.value_dense, "kernel").reshape(-1, old.num_heads, old.key_dim).any(axis=(0, 2))
        masked[heads] = False
        rows = np.repeat(masked, old.key_dim)
        bias = to_numpy(old.value_dense.bias)[rows]
        _add_bias(new.output_dense, bias, merged(old.output_dense, "kernel")[rows])


def _add_bias(dense, constants, rows):
    dense.bias.assign(to_numpy(dense.bias) + constants @ rows)


def _fill(old, new, rows=None, columns=None):
    if rows is None and columns is None:
        copy_state(old, new)
        return
    kernel = merged(old, "kernel")
    kernel = kernel if rows is None else kernel[rows]
    new.kernel.assign(kernel if columns is None else kernel[:, columns])
    if old.use_bias:
        bias = to_numpy(old.bias)
        new.bias.assign(bias if columns is None else bias[columns])
    if new.trainable != old.trainable:
        new.trainable = old.trainable


def _factored_block(block, rank, row_weights=None):
    """A `FactoredBlock` for an `EncoderBlock`, and the function that fills it."""
    names = ("intermediate_dense", "output_dense")
    factors = [low_rank(merged(getattr(block, name), "kernel"), rank) for name in names]
    new = FactoredBlock(rank=rank, **block.get_config())

    def fill():
        for name, each in zip(names, factors, strict=True):
            fill_dense(getattr(block, name), getattr(new, name), each)
        for name in ("attention", "attention_norm", "output_norm"):
            copy_state(getattr(block, name), getattr(new, name))

    return new, fill


def _block_counts(block):
    return {"heads": block.num_heads, "neurons": block.intermediate_dim}


UNITS[transformer.EncoderBlock] = UNITS[FactoredBlock] = (_block_counts, _smaller_block)
UNITS[attention.MultiHeadAttention] = (lambda layer: {"heads": layer.num_heads}, _smaller_attention)
FACTORS[transformer.EncoderBlock] = _factored_block
