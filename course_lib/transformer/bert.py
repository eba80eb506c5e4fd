"""The encoder of BERT as a whole: the model, what happens inside it, and what it costs."""

import keras
from keras import ops

from course_lib import attention
from course_lib.transformer.block import SPREAD, EncoderBlock, initializer
from course_lib.transformer.embeddings import PositionEmbedding
from course_lib.transformer.norms import norm_layer


def encoder(
    vocabulary_size,
    num_layers,
    num_heads,
    hidden_dim,
    intermediate_dim,
    max_length=512,
    num_segments=2,
    dropout=0.1,
    norm_first=False,
    approximate_gelu=True,
    use_causal_mask=False,
    spread=SPREAD,
    dtype=None,
):
    """The encoder of BERT (Devlin et al. 2019), as a Functional model.

    Args:
        vocabulary_size: Rows of the table of token embeddings.
        num_layers: Number of `EncoderBlock`s.
        num_heads: As in `EncoderBlock`.
        hidden_dim: Width of the vectors.
        intermediate_dim: As in `EncoderBlock`.
        max_length: Most tokens of a text.
        num_segments: Number of segments.
        dropout: As in `EncoderBlock`, and of the embeddings.
        norm_first: As in `EncoderBlock`; one more norm then follows the last block.
        approximate_gelu: As in `EncoderBlock`.
        use_causal_mask: As in `EncoderBlock`.
        spread: As in `EncoderBlock`.
        dtype: Keras dtype policy; None takes the global one.

    Returns:
        A `keras.Model` with the inputs and outputs of `keras_hub.models.BertBackbone`: from a dict of
        `token_ids`, `segment_ids` and `padding_mask`, integers of shape `(batch, length)`, to a dict of
        `sequence_output` `(batch, length, hidden_dim)` and `pooled_output` `(batch, hidden_dim)`.
    """
    policy = {"dtype": dtype}
    names = ("token_ids", "segment_ids", "padding_mask")
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}

    def embedding(rows, name):
        return keras.layers.Embedding(
            rows, hidden_dim, embeddings_initializer=initializer(), name=name, **policy
        )

    x = embedding(vocabulary_size, "token_embedding")(inputs["token_ids"])
    x = PositionEmbedding(max_length, name="position_embedding", **policy)(x)
    x = keras.layers.Add(name="embeddings_add", **policy)(
        [x, embedding(num_segments, "segment_embedding")(inputs["segment_ids"])]
    )
    x = norm_layer("embeddings_norm", **policy)(x)
    x = keras.layers.Dropout(dropout, name="embeddings_dropout", **policy)(x)
    for i in range(num_layers):
        block = EncoderBlock(
            num_heads,
            intermediate_dim,
            dropout=dropout,
            norm_first=norm_first,
            approximate_gelu=approximate_gelu,
            use_causal_mask=use_causal_mask,
            spread=spread,
            name=f"transformer_layer_{i}",
            **policy,
        )
        x = block(x, mask=inputs["padding_mask"])
    if norm_first:
        x = norm_layer("final_norm", **policy)(x)
    pooler = keras.layers.Dense(
        hidden_dim, activation="tanh", kernel_initializer=initializer(), name="pooled_dense", **policy
    )
    return keras.Model(inputs, {"sequence_output": x, "pooled_output": pooler(x[:, 0])}, name="encoder")


def blocks(model):
    """The `EncoderBlock`s of an `encoder`, in order."""
    return [layer for layer in model.layers if isinstance(layer, EncoderBlock)]


def hidden_states(model, inputs):
    """What goes into each block of an `encoder`, and what comes out of the last.

    Args:
        model: An `encoder`.
        inputs: Dict of arrays, as the encoder takes them.

    Returns:
        List of `num_layers + 1` tensors of shape `(batch, length, hidden_dim)`.
    """
    outputs = [model.get_layer("embeddings_dropout").output, *(block.output for block in blocks(model))]
    return keras.Model(model.input, outputs)(inputs, training=False)


def attention_scores(model, inputs):
    """What every head attends to.

    Args:
        model: An `encoder` whose blocks have equally many heads.
        inputs: Dict of arrays, as the encoder takes them.

    Returns:
        Tensor of shape `(num_layers, batch, num_heads, length, length)`.
    """
    states = hidden_states(model, inputs)[:-1]
    mask = inputs["padding_mask"]
    scores = [block.attention_scores(x, mask) for block, x in zip(blocks(model), states, strict=True)]
    return ops.stack(scores)


def costs(
    vocabulary_size, num_layers, hidden_dim, intermediate_dim, length=128, max_length=512, num_segments=2
):
    """Counts the parameters of an `encoder` and the multiplications that one text takes, part by part.

    Additions, norms, GELU and softmax are left out of the multiplications: they grow with the width, not with
    its square. The number of heads changes neither count.

    Args:
        vocabulary_size: As in `encoder`.
        num_layers: As in `encoder`.
        hidden_dim: As in `encoder`.
        intermediate_dim: As in `encoder`.
        length: Tokens of the text.
        max_length: As in `encoder`.
        num_segments: As in `encoder`.

    Returns:
        Dict from part to `(parameters, multiplications)`, of all layers together.
    """
    d, i, n = hidden_dim, intermediate_dim, length
    pairs = attention.multiplications(n, d)
    projections = attention.multiplications(n, d, projections=True) - pairs
    per_layer = {
        "attention: projections": (4 * (d * d + d), projections),
        "attention: scores and averages": (0, pairs),
        "feed-forward": (2 * d * i + i + d, 2 * n * d * i),
        "layer norms": (4 * d, 0),
    }
    return {
        "embeddings": ((vocabulary_size + max_length + num_segments + 2) * d, 0),
        **{part: (num_layers * a, num_layers * b) for part, (a, b) in per_layer.items()},
        "pooler": (d * d + d, d * d),
    }
