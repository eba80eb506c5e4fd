"""What knows the course's encoder or KerasHub's BERT."""

import keras
import numpy as np
from keras import ops

from course_lib import transformer, weights
from course_lib.pruning.low_rank import FactoredDense, _values
from course_lib.pruning.structured import _checked, _columns, _importance

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
