"""One layer of the encoder: attention and a feed-forward part, each with a residual and a norm."""

import math

import keras
from keras import ops

from course_lib import attention, layers
from course_lib.transformer.norms import norm_layer

SPREAD = 0.02  # Standard deviation of BERT's first weights, which are drawn from a normal cut at twice that.


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


def initializer(spread=SPREAD):
    """How BERT draws its first weights, with this standard deviation."""
    # A new one for each weight: the same object would draw the same numbers again.
    return keras.initializers.TruncatedNormal(stddev=spread)


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

    def build(self, input_shape):
        """Creates attention, dense layers and norms for inputs of this shape."""
        width = input_shape[-1]
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
            kernel_initializer=initializer(self.spread),
            name="attention",
            dtype=layers.policy_of(self, "attention"),
        )
        self.attention.build(input_shape, input_shape)
        self.intermediate_dense = self.feed_forward_dense(self.intermediate_dim, "intermediate_dense")
        self.intermediate_dense.build(input_shape)
        self.output_dense = self.feed_forward_dense(width, "output_dense")
        self.output_dense.build((*input_shape[:-1], self.intermediate_dim))
        self.attention_norm = norm_layer("attention_norm", **policy)
        self.attention_norm.build(input_shape)
        self.output_norm = norm_layer("output_norm", **policy)
        self.output_norm.build(input_shape)
        self.attention_dropout = keras.layers.Dropout(self.dropout, **policy)
        self.output_dropout = keras.layers.Dropout(self.dropout, **policy)

    def feed_forward_dense(self, units, name):
        """One of the two dense layers; lesson 06 puts another kind in its place."""
        return _dense(units, self.spread, name, dtype=layers.policy_of(self, name))

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

    def compute_output_shape(self, input_shape):
        """The shape of the input."""
        return input_shape

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        names = ("num_heads", "intermediate_dim", "key_dim", "dropout", "norm_first")
        names += ("approximate_gelu", "use_causal_mask", "spread")
        config = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **config, **layers.policies(self)}


def _dense(units, spread, name, **kwargs):
    return keras.layers.Dense(units, kernel_initializer=initializer(spread), name=name, **kwargs)
