"""An encoder with a head that predicts tokens, hidden or next."""

import keras
import numpy as np
from keras import ops

from course_lib import layers, transformer


@keras.saving.register_keras_serializable(package="course_lib")
class TokenHead(keras.layers.Layer):
    """Predicts tokens from vectors: dense, GELU, norm, then products with the rows of the embedding table.

    The table is the encoder's own (tied; Press and Wolf 2017, arXiv:1608.05859), so only a bias is added.

    Args:
        embedding: The encoder's `keras.layers.Embedding`.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, embedding, **kwargs):
        super().__init__(**kwargs)
        self.embedding = embedding
        # A padding mask is of no use here: the weights of the loss say what counts.
        self.supports_masking = True

    def compute_mask(self, sequence, previous_mask=None):
        """Passes no mask on, because Keras would apply it to the loss."""

    def build(self, sequence_shape, positions_shape=None):
        """Creates the dense layer, the norm and the bias."""
        width = sequence_shape[-1]
        initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.dense = keras.layers.Dense(
            width, kernel_initializer=initializer, name="dense", dtype=layers.policy_of(self, "dense")
        )
        self.dense.build(sequence_shape)
        self.norm = keras.layers.LayerNormalization(epsilon=transformer.EPSILON, dtype=self.dtype_policy)
        self.norm.build(sequence_shape)
        # Added to float32 logits, so half precision must not round it.
        self.bias = self.add_weight(
            shape=(self.embedding.input_dim,), initializer="zeros", name="bias", autocast=False
        )

    def call(self, sequence, positions=None):
        """Predicts the tokens at some places.

        Args:
            sequence: Tensor of shape `(batch, length, width)`.
            positions: Integer tensor of shape `(batch, predictions)`; None means all.

        Returns:
            Float32 logits of shape `(batch, predictions, vocabulary_size)`.
        """
        if positions is not None:
            sequence = ops.take_along_axis(sequence, ops.expand_dims(positions, -1), axis=1)
        x = self.norm(transformer.gelu(self.dense(sequence)))
        table = ops.cast(self.embedding.embeddings, x.dtype)
        return ops.cast(ops.matmul(x, ops.transpose(table)), "float32") + self.bias

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        config = {"embedding": keras.layers.serialize(self.embedding)}
        return {**super().get_config(), **config, **layers.policies(self)}

    @classmethod
    def from_config(cls, config):
        """Makes the layer again."""
        return cls(keras.layers.deserialize(config.pop("embedding")), **config)


def masked_language_model(encoder, next_sentence=False):
    """Puts BERT's pretraining heads on an encoder.

    Args:
        encoder: A `transformer.encoder`.
        next_sentence: Whether to predict, too, if the second segment follows the first.

    Returns:
        A `keras.Model` from `x` of `masked` to a dict of float32 logits: `"masked"`, of shape
        `(batch, predictions, vocabulary_size)`, and with `next_sentence` `"next"`, `(batch, 2)`.
    """
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    features = encoder.output
    head = TokenHead(encoder.get_layer("token_embedding"), name="masked")
    outputs = {"masked": head(features["sequence_output"], positions)}
    if next_sentence:
        dense = keras.layers.Dense(2, dtype="float32", name="next")
        outputs["next"] = dense(features["pooled_output"])
    return keras.Model({**encoder.input, "mask_positions": positions}, outputs)


def causal_language_model(encoder):
    """Puts a head on an encoder with causal mask that predicts the next token at every place.

    Args:
        encoder: A `transformer.encoder` with `use_causal_mask=True`.

    Returns:
        A `keras.Model` from the encoder's inputs to float32 logits `(batch, length, vocabulary_size)`.

    Raises:
        ValueError: If the encoder's tokens see later ones: it would read the answer.
    """
    if not all(block.use_causal_mask for block in transformer.blocks(encoder)):
        raise ValueError("The encoder must be built with `use_causal_mask=True`, or it reads the answer.")
    head = TokenHead(encoder.get_layer("token_embedding"), name="next_token")
    return keras.Model(encoder.input, head(encoder.output["sequence_output"]))


def tile_positions(encoder, trained):
    """Lets an encoder that was trained on short texts begin on longer ones.

    Its later positions become copies of the trained ones, in a row (Beltagy, Peters and Cohan 2020,
    arXiv:2004.05150, section 5), because what looks at a neighbour then works there too.

    Args:
        encoder: A `transformer.encoder`.
        trained: How many positions were trained, from the first on.

    Raises:
        ValueError: If it has not so many.
    """
    table = encoder.get_layer("position_embedding").embeddings
    rows = table.shape[0]
    if not 1 <= trained <= rows:
        raise ValueError(f"The encoder has {rows} positions. Received: {trained=}")
    table.assign(ops.convert_to_numpy(table)[np.arange(rows) % trained])
