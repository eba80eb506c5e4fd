"""What goes into the first block: tokens, positions, and which text a token belongs to."""

import keras
import numpy as np
from keras import ops

from course_lib.transformer.block import initializer


def segment_ids(token_ids, end_id, pad_id=0):
    """Which of two texts each token belongs to, where every text is closed by one `end_id`.

    Args:
        token_ids: Integer tensor of shape `(..., length)`: `[CLS] first [SEP] second [SEP] [PAD] ...`, or
            with one text only.
        end_id: The id of `[SEP]`, which belongs to the text that it closes.
        pad_id: The id of padding, which is in segment 0.

    Returns:
        Int32 tensor of the shape of `token_ids`: 0 in the first text, 1 in the second.
    """
    token_ids = ops.convert_to_tensor(token_ids)
    ends = ops.cast(ops.equal(token_ids, end_id), "int32")
    before = ops.cumsum(ends, axis=-1) - ends
    return before * ops.cast(ops.not_equal(token_ids, pad_id), "int32")


def check_token_ids(token_ids, vocabulary_size):
    """Raises where the embedding would look beyond its table.

    Keras on a CPU stops with an error of TensorFlow's; a GPU gives zeros and JAX NaN, without a word.

    Args:
        token_ids: Integer array of any shape.
        vocabulary_size: Number of rows of the table.

    Raises:
        ValueError: If an id is negative or not below `vocabulary_size`.
    """
    token_ids = np.asarray(token_ids)
    low, high = (int(token_ids.min()), int(token_ids.max())) if token_ids.size else (0, 0)
    if low < 0 or high >= vocabulary_size:
        raise ValueError(
            f"Token ids must be from 0 to {vocabulary_size - 1}, the rows of the embedding. Received ids "
            f"from {low} to {high}: give the encoder the `vocabulary_size` of the tokenizer that made them."
        )


@keras.saving.register_keras_serializable(package="course_lib")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector to each position (Devlin et al. 2019; lesson 01 has the sinusoids).

    Args:
        max_length: Number of positions.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, max_length, **kwargs):
        super().__init__(**kwargs)
        self.max_length = max_length
        self.supports_masking = True

    def build(self, input_shape):
        """Creates the table, of shape `(max_length, width)`."""
        self.embeddings = self.add_weight(
            shape=(self.max_length, input_shape[-1]), initializer=initializer(), name="embeddings"
        )

    def call(self, x):
        """Adds the first `length` rows of the table to a tensor of shape `(batch, length, width)`.

        Raises:
            ValueError: If the text is known to be longer than `max_length`.
        """
        if x.shape[1] is not None and x.shape[1] > self.max_length:
            raise ValueError(
                f"There are {self.max_length} positions. Received a text of {x.shape[1]} tokens: cut it, or "
                "build the encoder with a larger `max_length`."
            )
        return x + ops.cast(self.embeddings, x.dtype)[: ops.shape(x)[1]]

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        return {**super().get_config(), "max_length": self.max_length}
