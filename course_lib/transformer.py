"""Lesson 03: the encoder of BERT from its parts, with the names, inputs and outputs of KerasHub's.

Everything runs on the TensorFlow and the JAX backend and under any Keras dtype policy. A padding mask is
True, or 1, at tokens. Widths are named as in KerasHub: vectors are `hidden_dim` wide, and `intermediate_dim`
inside the feed-forward part.

Sources: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762; Devlin et al., "BERT",
NAACL 2019, arXiv:1810.04805.
"""

import math

import keras
import numpy as np
from keras import ops

from course_lib import attention

EPSILON = 1e-12  # BERT's, inside the root of layer normalisation.
SPREAD = 0.02  # Standard deviation of BERT's first weights, which are drawn from a normal cut at twice that.
PUBLISHED = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "attention/query": "attention.self.query",
    "attention/key": "attention.self.key",
    "attention/value": "attention.self.value",
    "attention/attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate_dense": "intermediate.dense",
    "output_dense": "output.dense",
    "output_norm": "output.LayerNorm",
    "pooled_dense": "pooler.dense",
}


# Functions


def gelu(x, approximate=False):
    """Gaussian error linear unit (Hendrycks and Gimpel 2016, arXiv:1606.08415): x times Φ(x).

    Args:
        x: Tensor of any shape.
        approximate: Whether to use their approximation of Φ by a hyperbolic tangent (section 2), as
            KerasHub's BERT does. It differs by at most 0.0005.

    Returns:
        Tensor of the shape of `x`.
    """
    x = ops.convert_to_tensor(x)
    if approximate:
        return 0.5 * x * (1.0 + ops.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + ops.erf(x / math.sqrt(2.0)))


def layer_norm(x, gamma=1.0, beta=0.0, epsilon=EPSILON):
    """Layer normalisation (Ba, Kiros and Hinton 2016, arXiv:1607.06450) of the last axis.

    Args:
        x: Tensor of shape `(..., width)`.
        gamma: Gain, of shape `(width,)` or a number.
        beta: Shift, of shape `(width,)` or a number.
        epsilon: Added to the variance.

    Returns:
        Tensor of the shape of `x`: each vector minus its mean, over its standard deviation (that of all its
        components, not of a sample), times `gamma`, plus `beta`.
    """
    x = ops.convert_to_tensor(x)
    mean = ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(x - mean), axis=-1, keepdims=True)
    return gamma * (x - mean) / ops.sqrt(variance + epsilon) + beta


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


def mean_pool(sequence, padding_mask):
    """The mean of each text's token vectors; padding does not count.

    Args:
        sequence: Tensor of shape `(batch, length, width)`; at padding it may hold anything, NaN among it.
        padding_mask: Tensor of shape `(batch, length)`.

    Returns:
        Tensor of shape `(batch, width)`, zeros for a text without tokens.
    """
    sequence = ops.convert_to_tensor(sequence)
    mask = ops.expand_dims(ops.cast(padding_mask, "bool"), -1)
    total = ops.sum(ops.where(mask, sequence, ops.zeros_like(sequence)), axis=1)
    return total / ops.maximum(ops.sum(ops.cast(mask, sequence.dtype), axis=1), 1.0)


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


# Layers


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

    def build(self, x_shape):
        """Creates the table, of shape `(max_length, width)`."""
        self.embeddings = self.add_weight(
            shape=(self.max_length, x_shape[-1]), initializer=_initializer(), name="embeddings"
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

    def compute_output_shape(self, x_shape):
        """The shape of the input."""
        return x_shape

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        return {**super().get_config(), "max_length": self.max_length}


@keras.saving.register_keras_serializable(package="course_lib")
class EncoderBlock(keras.layers.Layer):
    """One layer of the encoder: self-attention, then two dense layers, each with a residual and a norm.

    BERT normalises after each residual (post-norm); with `norm_first` the inputs of both parts are normalised
    and the residuals are left alone (pre-norm; Xiong et al. 2020, arXiv:2002.04745).

    Args:
        num_heads: Number of heads.
        intermediate_dim: Width between the two dense layers.
        key_dim: Depth of each head; None shares the width among the heads.
        dropout: Rate, in training: of the attention weights, and before each residual is added.
        norm_first: Whether to normalise first.
        approximate_gelu: As in `gelu`.
        use_causal_mask: Whether each token sees only those before it and itself, as in GPT.
        spread: Standard deviation of the first kernels.
        **kwargs: `name`, `dtype` and so on, as for any layer.

    Raises:
        ValueError: When it is built without `key_dim` and the width cannot be shared among the heads.
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        key_dim=None,
        dropout=0.0,
        norm_first=False,
        approximate_gelu=True,
        use_causal_mask=False,
        spread=SPREAD,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.key_dim = key_dim
        self.dropout = dropout
        self.norm_first = norm_first
        self.approximate_gelu = approximate_gelu
        self.use_causal_mask = use_causal_mask
        self.spread = spread
        self.supports_masking = True

    def build(self, x_shape):
        """Creates attention, dense layers and norms for inputs of this shape."""
        width = x_shape[-1]
        if self.key_dim is None and width % self.num_heads:
            raise ValueError(
                f"A width of {width} cannot be shared among {self.num_heads} heads. Choose another number of "
                "heads, or give `key_dim`."
            )
        policy = {"dtype": self.dtype_policy}
        self.attention = attention.MultiHeadAttention(
            self.num_heads,
            self.key_dim or width // self.num_heads,
            dropout=self.dropout,
            kernel_initializer=_initializer(self.spread),
            name="attention",
            **policy,
        )
        self.attention.build(x_shape, x_shape)
        self.intermediate_dense = self.feed_forward_dense(self.intermediate_dim, "intermediate_dense")
        self.intermediate_dense.build(x_shape)
        self.output_dense = self.feed_forward_dense(width, "output_dense")
        self.output_dense.build((*x_shape[:-1], self.intermediate_dim))
        self.attention_norm = _norm("attention_norm", **policy)
        self.attention_norm.build(x_shape)
        self.output_norm = _norm("output_norm", **policy)
        self.output_norm.build(x_shape)
        self.attention_dropout = keras.layers.Dropout(self.dropout, **policy)
        self.output_dropout = keras.layers.Dropout(self.dropout, **policy)

    def feed_forward_dense(self, units, name):
        """One of the two dense layers; lesson 06 puts another kind in its place."""
        return _dense(units, self.spread, name, dtype=self.dtype_policy)

    def call(self, x, mask=None, training=None):
        """Applies the layer.

        Args:
            x: Tensor of shape `(batch, length, width)`.
            mask: Tensor of shape `(batch, length)`, False at padding. Keras passes it by itself after a layer
                such as `Embedding(mask_zero=True)`.
            training: Whether dropout is on.

        Returns:
            Tensor of the shape of `x`.
        """
        attended = self._attend(self.attention_norm(x) if self.norm_first else x, mask, training=training)
        x = x + self.attention_dropout(attended, training=training)
        x = x if self.norm_first else self.attention_norm(x)
        inner = self.intermediate_dense(self.output_norm(x) if self.norm_first else x)
        outer = self.output_dense(gelu(inner, self.approximate_gelu))
        x = x + self.output_dropout(outer, training=training)
        return x if self.norm_first else self.output_norm(x)

    def _attend(self, x, mask, **options):
        mask = None if mask is None else ops.cast(mask, "bool")
        return self.attention(x, x, value_mask=mask, use_causal_mask=self.use_causal_mask, **options)

    def attention_scores(self, x, mask=None):
        """What each token attends to.

        Args:
            x: As in `call`.
            mask: As in `call`.

        Returns:
            Tensor of shape `(batch, num_heads, length, length)`; each row sums to 1.
        """
        x = self.attention_norm(x) if self.norm_first else x
        return self._attend(x, mask, return_attention_scores=True)[1]

    def compute_output_shape(self, x_shape):
        """The shape of the input."""
        return x_shape

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        names = ("num_heads", "intermediate_dim", "key_dim", "dropout", "norm_first")
        names += ("approximate_gelu", "use_causal_mask", "spread")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _initializer(spread=SPREAD):
    # A new one for each weight: the same object would draw the same numbers again.
    return keras.initializers.TruncatedNormal(stddev=spread)


def _dense(units, spread, name, **kwargs):
    return keras.layers.Dense(units, kernel_initializer=_initializer(spread), name=name, **kwargs)


def _norm(name, **kwargs):
    return keras.layers.LayerNormalization(epsilon=EPSILON, name=name, **kwargs)


# The encoder


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
            rows, hidden_dim, embeddings_initializer=_initializer(), name=name, **policy
        )

    x = embedding(vocabulary_size, "token_embedding")(inputs["token_ids"])
    x = PositionEmbedding(max_length, name="position_embedding", **policy)(x)
    x = keras.layers.Add(name="embeddings_add", **policy)(
        [x, embedding(num_segments, "segment_embedding")(inputs["segment_ids"])]
    )
    x = _norm("embeddings_norm", **policy)(x)
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
        x = _norm("final_norm", **policy)(x)
    pooler = keras.layers.Dense(
        hidden_dim, activation="tanh", kernel_initializer=_initializer(), name="pooled_dense", **policy
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


def published_name(path):
    """The name of a weight of an `encoder` in BERT's published files.

    Args:
        path: The weight's path in Keras, such as `transformer_layer_0/output_dense/bias`.

    Returns:
        The name, such as `encoder.layer.0.output.dense.bias`.

    Raises:
        ValueError: If BERT has no such weight.
    """
    layer, _, kind = path.rpartition("/")
    block, _, rest = layer.partition("/")
    prefix = ""
    if block.startswith("transformer_layer_"):
        prefix, layer = f"encoder.layer.{block.removeprefix('transformer_layer_')}.", rest
    if layer not in PUBLISHED:
        raise ValueError(f"BERT has no weight that belongs to {path!r}.")
    return f"{prefix}{PUBLISHED[layer]}.{'bias' if kind in ('bias', 'beta') else 'weight'}"


def load_published(model, tensors):
    """Fills an `encoder` with the weights of a published BERT; nothing is left over on either side.

    Dense kernels are published as `(outputs, inputs)` and transposed here.

    Args:
        model: An `encoder` of the same sizes, post-norm.
        tensors: Dict from name to array, as `safetensors.numpy.load_file` gives it. The tensor `position_ids`
            that some files have is no weight and passed over.

    Returns:
        List of `(path, name, shape)`: what went where, with the shape in Keras.

    Raises:
        ValueError: If a weight is missing, left over, or of another shape. The model is then unchanged.
    """
    tensors = {name: value for name, value in tensors.items() if not name.endswith("position_ids")}
    names = {variable.path: published_name(variable.path) for variable in model.weights}
    missing, unused = set(names.values()) - set(tensors), set(tensors) - set(names.values())
    if missing or unused:
        raise ValueError(
            f"The file is not of this encoder: it lacks {sorted(missing)[:3]} ({len(missing)} in all) and "
            f"has {sorted(unused)[:3]} besides ({len(unused)} in all)."
        )
    values = {}
    for variable in model.weights:
        value = tensors[names[variable.path]]
        values[variable.path] = value.T if variable.path.endswith("kernel") else value
        if values[variable.path].shape != tuple(variable.shape):
            raise ValueError(
                f"{names[variable.path]} has shape {values[variable.path].shape}, but {variable.path} "
                f"{tuple(variable.shape)}: the encoder has other sizes."
            )
    for variable in model.weights:
        variable.assign(values[variable.path])
    return [(variable.path, names[variable.path], tuple(variable.shape)) for variable in model.weights]


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
