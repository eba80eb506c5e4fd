"""Lesson 01: scaled dot-product and multi-head attention, masks, positions, gradients and cost.

Everything runs on the TensorFlow and the JAX backend. Float16 and bfloat16 inputs are computed in float32 and
rounded once at the end: float16 ends at 65504, which a dot product, an exponential or a sum over a long row
soon passes. Float64 stays float64 (JAX makes it float32 unless its 64-bit mode is on); integers become
`keras.config.floatx()`.

A mask is boolean and True means "may attend", as in Keras. A query that may attend to nothing gets weights of
zero and an output of zeros, and passes back a gradient of zeros.

Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762.
"""

import functools
import math
import numbers

import keras
import numpy as np
from keras import ops

from course_lib import layers


def softmax(scores, axis=-1, mask=None):
    """Turns scores into weights that are positive and sum to 1, whatever the size of the scores.

    Args:
        scores: Tensor of any shape.
        axis: The axis along which the weights sum to 1.
        mask: Boolean tensor that broadcasts to `scores`; where it is False the weight is 0. None means all
            True.

    Returns:
        Tensor of the shape and dtype of `scores`. Where a whole row is masked, or is `-inf`, all its weights
        are 0.

    Raises:
        ValueError: If `mask` is not boolean or does not broadcast to `scores`.
    """
    scores, dtype = _in_one_dtype(scores)
    if mask is not None:
        mask = _checked_mask(mask, scores)
        scores = ops.where(mask, scores, -math.inf)
    # Subtracting the largest score changes no weight (it cancels) and makes the largest exponential 1.
    # For the same reason no gradient need pass through it.
    largest = ops.stop_gradient(ops.max(scores, axis=axis, keepdims=True, initial=-math.inf))
    largest = ops.where(largest == -math.inf, 0.0, largest)  # Else -inf - -inf, NaN, where all is masked.
    exponentials = ops.exp(scores - largest)
    total = ops.sum(exponentials, axis=axis, keepdims=True)
    return ops.cast(exponentials / ops.where(total == 0.0, 1.0, total), dtype)


def scaled_dot_product_attention(query, key, value, mask=None, return_weights=False, dropout=None):
    """Computes softmax(query keyᵀ / √d) value: for each query, an average of the values, weighted by fit.

    Args:
        query: Tensor of shape `(..., query_length, d)`.
        key: Tensor of shape `(..., key_length, d)`.
        value: Tensor of shape `(..., key_length, value_depth)`. Leading dimensions of all three broadcast.
        mask: Boolean tensor that broadcasts to `(..., query_length, key_length)`, True where the query may
            attend to the key. None means everywhere.
        return_weights: Whether to return the weights too.
        dropout: None, or a function that is applied to the weights before they average the values.

    Returns:
        Tensor of shape `(..., query_length, value_depth)`; with `return_weights`, a tuple of it and the
        weights before dropout, of shape `(..., query_length, key_length)`. The dtype is what the three inputs
        promote to.

    Raises:
        ValueError: If the shapes do not fit together, or `mask` is not boolean.
    """
    query, key, value, dtype = _in_one_dtype(query, key, value)
    _check_shapes(query, key, value)
    weights = _weights(query, key, mask)
    output = ops.cast(ops.matmul(weights if dropout is None else dropout(weights), value), dtype)
    return (output, ops.cast(weights, dtype)) if return_weights else output


def attention_gradients(query, key, value, upstream, mask=None):
    """Computes the gradient of attention by the chain rule, without automatic differentiation.

    With scores S = Q Kᵀ / √d, weights W = softmax(S), upstream gradient U, and ∘ for the elementwise product:

        dV = Wᵀ U        dW = U Vᵀ        dS = W ∘ (dW - rowsum(W ∘ dW))
        dQ = dS K / √d   dK = dSᵀ Q / √d

    Args:
        query: Tensor of shape `(..., query_length, d)`.
        key: Tensor of shape `(..., key_length, d)`.
        value: Tensor of shape `(..., key_length, value_depth)`.
        upstream: Gradient of a scalar with respect to the output, `(..., query_length, value_depth)`.
        mask: As in `scaled_dot_product_attention`.

    Returns:
        Tuple of the gradients with respect to query, key and value, each of the shape of what it belongs to.

    Raises:
        ValueError: If the shapes do not fit together, or the leading dimensions differ.
    """
    query, key, value, upstream, dtype = _in_one_dtype(query, key, value, upstream)
    _check_shapes(query, key, value)
    expected = (*query.shape[:-1], value.shape[-1])
    if not query.shape[:-2] == key.shape[:-2] == value.shape[:-2] or tuple(upstream.shape) != expected:
        raise ValueError(
            "`query`, `key` and `value` must have the same leading dimensions, and `upstream` the shape of "
            f"the output, {expected}. Received: "
            f"{_shapes(query=query, key=key, value=value, upstream=upstream)}"
        )
    weights = _weights(query, key, mask)
    value_gradient = ops.matmul(ops.swapaxes(weights, -1, -2), upstream)
    weights_gradient = ops.matmul(upstream, ops.swapaxes(value, -1, -2))
    mean = ops.sum(weights * weights_gradient, axis=-1, keepdims=True)
    scores_gradient = weights * (weights_gradient - mean) / math.sqrt(query.shape[-1])
    query_gradient = ops.matmul(scores_gradient, key)
    key_gradient = ops.matmul(ops.swapaxes(scores_gradient, -1, -2), query)
    return tuple(ops.cast(each, dtype) for each in (query_gradient, key_gradient, value_gradient))


def causal_mask(query_length, key_length=None):
    """Returns the mask under which position i attends to positions 0 to i: no token sees a later one.

    Args:
        query_length: Number of queries, at least 1.
        key_length: Number of keys; None means as many.

    Returns:
        Boolean tensor of shape `(query_length, key_length)`.

    Raises:
        ValueError: If a length is not a positive integer.
    """
    key_length = query_length if key_length is None else key_length
    _check_positive(query_length=query_length, key_length=key_length)
    return _causal_mask(query_length, key_length)


def padding_mask(token_ids, pad_id=0):
    """Returns the mask under which no query attends to padding.

    Args:
        token_ids: Integer tensor of shape `(..., length)`.
        pad_id: The id of the padding token.

    Returns:
        Boolean tensor of shape `(..., 1, length)`: it broadcasts over the queries. Combine it with
        `causal_mask(length)` by `&`; for heads, add their axis: `mask[:, None]`.
    """
    return ops.expand_dims(ops.not_equal(token_ids, pad_id), -2)


def split_heads(x, num_heads):
    """Cuts the last axis into heads and moves them before the sequence, so that each head attends by itself.

    Args:
        x: Tensor of shape `(..., length, num_heads * depth)`.
        num_heads: Number of heads.

    Returns:
        Tensor of shape `(..., num_heads, length, depth)`.

    Raises:
        ValueError: If the last axis cannot be cut into `num_heads` equal parts.
    """
    x = ops.convert_to_tensor(x)
    _check_positive(num_heads=num_heads)
    if len(x.shape) < 2 or x.shape[-1] % num_heads:
        raise ValueError(
            f"`x` must have shape (..., length, num_heads * depth). Received: x.shape={tuple(x.shape)}, "
            f"num_heads={num_heads}"
        )
    x = ops.reshape(x, (*ops.shape(x)[:-1], num_heads, x.shape[-1] // num_heads))
    return ops.swapaxes(x, -2, -3)


def join_heads(x):
    """Undoes `split_heads`: writes the heads' outputs side by side.

    Args:
        x: Tensor of shape `(..., num_heads, length, depth)`.

    Returns:
        Tensor of shape `(..., length, num_heads * depth)`.

    Raises:
        ValueError: If `x` has fewer than three axes.
    """
    x = ops.convert_to_tensor(x)
    if len(x.shape) < 3:
        raise ValueError(
            f"`x` must have shape (..., num_heads, length, depth). Received: x.shape={tuple(x.shape)}"
        )
    x = ops.swapaxes(x, -2, -3)
    return ops.reshape(x, (*ops.shape(x)[:-2], x.shape[-2] * x.shape[-1]))


def sinusoidal_positions(length, depth, dtype=None):
    """Returns the position vectors of Vaswani et al. (2017, section 3.5), to be added to embeddings.

    Channel 2i is sin(position / 10000^(2i / depth)) and channel 2i + 1 is the cosine of the same angle.

    Args:
        length: Number of positions.
        depth: Number of channels.
        dtype: Dtype of the result; None means `keras.config.floatx()`.

    Returns:
        Tensor of shape `(length, depth)`, values from -1 to 1.

    Raises:
        ValueError: If `length` or `depth` is not a positive integer.
    """
    _check_positive(length=length, depth=depth)
    # In NumPy's float64, because float32 loses the phase of the quick channels at large positions.
    channels = np.arange(depth)
    angles = np.arange(length)[:, None] / 10000.0 ** (channels // 2 * 2 / depth)
    waves = np.where(channels % 2 == 0, np.sin(angles), np.cos(angles))
    return ops.convert_to_tensor(waves, dtype=dtype or keras.config.floatx())


def multiplications(length, depth, projections=False):
    """Counts the multiplications in the matrix products of self-attention.

    The scores take length² · depth and the weighted average as many. The number of heads does not matter:
    each has its share of the depth. Softmax and scaling, a few operations per score, are left out.

    Args:
        length: Number of tokens, n.
        depth: Width of the vectors over all heads together, d.
        projections: Whether to add the four projections (query, key, value, output) of depth² per token each.

    Returns:
        An integer: 2n²d, or 2n²d + 4nd² with projections.

    Raises:
        ValueError: If `length` or `depth` is not a positive integer.
    """
    _check_positive(length=length, depth=depth)
    length, depth = int(length), int(depth)  # NumPy's integers would wrap around.
    return 2 * length**2 * depth + (4 * length * depth**2 if projections else 0)


@keras.saving.register_keras_serializable(package="course_lib")
class MultiHeadAttention(keras.layers.Layer):
    """Multi-head attention from the functions above, called as `keras.layers.MultiHeadAttention` is.

    It has no grouped heads or fused kernel: to train a large model, use the Keras layer.

    Args:
        num_heads: Number of heads.
        key_dim: Depth of each head.
        use_bias: Whether the four projections have a bias.
        dropout: Share of the attention weights that is set to zero in training.
        kernel_initializer: Initializer of the four kernels.
        **kwargs: `name`, `dtype` and so on, as for any layer.

    Raises:
        ValueError: If `num_heads` or `key_dim` is not a positive integer.
    """

    def __init__(
        self, num_heads, key_dim, use_bias=True, dropout=0.0, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        _check_positive(num_heads=num_heads, key_dim=key_dim)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.use_bias = use_bias
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True

    def build(self, query_shape, value_shape, key_shape=None):
        """Creates the four projections for inputs of these shapes."""
        depth = self.num_heads * self.key_dim
        self.query_dense = self._dense(depth, "query", query_shape)
        self.key_dense = self._dense(depth, "key", key_shape or value_shape)
        self.value_dense = self._dense(depth, "value", value_shape)
        self.output_dense = self._dense(query_shape[-1], "attention_output", (*query_shape[:-1], depth))
        # Without autocast it takes the weights as they are computed, in float32 also in half precision.
        self.weights_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy, autocast=False)

    def _dense(self, units, name, input_shape):
        dense = keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            # One object for all four would give them the same numbers.
            kernel_initializer=self.kernel_initializer.clone(),
            name=name,
            dtype=layers.policy_of(self, name),
        )
        dense.build(input_shape)
        return dense

    def call(
        self,
        query,
        value,
        key=None,
        value_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        use_causal_mask=False,
        training=None,
    ):
        """Lets every query attend to the keys, once per head.

        Args:
            query: Tensor of shape `(..., query_length, query_depth)`.
            value: Tensor of shape `(..., key_length, value_depth)`; the same as `query` for self-attention.
            key: Tensor of shape `(..., key_length, any depth)`; None means `value`.
            value_mask: Boolean tensor of shape `(..., key_length)`, False at padding. Keras passes it by
                itself after a layer such as `Embedding(mask_zero=True)`.
            attention_mask: Boolean tensor that broadcasts to `(..., query_length, key_length)`.
            return_attention_scores: Whether to return the weights too.
            use_causal_mask: Whether to hide later positions.
            training: Whether dropout is on.

        Returns:
            Tensor of the shape of `query`; with `return_attention_scores`, a tuple of it and the weights
            before dropout, of shape `(..., num_heads, query_length, key_length)`.
        """
        query = split_heads(self.query_dense(query), self.num_heads)
        key = split_heads(self.key_dense(value if key is None else key), self.num_heads)
        value = split_heads(self.value_dense(value), self.num_heads)
        masks = []
        if attention_mask is not None:
            masks.append(ops.expand_dims(attention_mask, -3))  # The axis of the heads.
        if value_mask is not None:
            masks.append(ops.expand_dims(value_mask, (-3, -2)))  # The axes of the heads and of the queries.
        if use_causal_mask:
            masks.append(_causal_mask(ops.shape(query)[-2], ops.shape(key)[-2]))
        mask = functools.reduce(ops.logical_and, masks) if masks else None
        output, weights = scaled_dot_product_attention(
            query, key, value, mask, True, lambda each: self.weights_dropout(each, training=training)
        )
        output = self.output_dense(join_heads(output))
        return (output, weights) if return_attention_scores else output

    def copy_weights_from(self, layer):
        """Takes over the weights of a built `keras.layers.MultiHeadAttention` of the same sizes.

        Keras keeps a kernel as `(depth, heads, key_dim)` where this layer has `(depth, heads * key_dim)`: the
        same numbers in the same order.

        Args:
            layer: The layer to copy from.

        Raises:
            ValueError: If either layer is not built or the sizes differ.
        """
        pairs = list(zip(self.weights, layer.weights, strict=False))
        sizes = [(math.prod(mine.shape), math.prod(other.shape)) for mine, other in pairs]
        if (
            not pairs
            or len(self.weights) != len(layer.weights)
            or any(mine != other for mine, other in sizes)
            or self.num_heads != layer.num_heads
        ):
            raise ValueError(
                "Both layers must be built, with the same heads and sizes. Received: "
                f"{[tuple(each.shape) for each in layer.weights]} with {layer.num_heads} heads for "
                f"{[tuple(each.shape) for each in self.weights]} with {self.num_heads} heads"
            )
        for mine, other in pairs:
            mine.assign(ops.reshape(other, mine.shape))

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        config = {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
        return {**super().get_config(), **config, **layers.policies(self)}


def _causal_mask(query_length, key_length):
    # Lengths may be symbolic here: in a graph they are known only when it runs.
    return ops.expand_dims(ops.arange(query_length), -1) >= ops.arange(key_length)


def _weights(query, key, mask):
    # Scaling the query rather than the scores keeps the products small.
    scaled = query / math.sqrt(query.shape[-1])
    return softmax(ops.matmul(scaled, ops.swapaxes(key, -1, -2)), mask=mask)


def _in_one_dtype(*tensors):
    """Returns the tensors in the dtype to compute in, and the dtype to return, which they promote to."""
    tensors = [ops.convert_to_tensor(each) for each in tensors]
    dtype = keras.backend.result_type(*(each.dtype for each in tensors), float)
    compute_dtype = keras.backend.result_type(dtype, "float32")
    return *(ops.cast(each, compute_dtype) for each in tensors), dtype


def _shapes(**tensors):
    return ", ".join(f"{name}.shape={tuple(each.shape)}" for name, each in tensors.items())


def _differ(first, second):
    """Whether two sizes are certain to differ; None is a size not known before the call."""
    return first is not None and second is not None and first != second


def _check_shapes(query, key, value):
    received = f"Received: {_shapes(query=query, key=key, value=value)}"
    if min(len(query.shape), len(key.shape), len(value.shape)) < 2:
        raise ValueError(f"`query`, `key` and `value` must have shape (..., length, depth). {received}")
    if _differ(query.shape[-1], key.shape[-1]):
        raise ValueError(f"`query` and `key` must have the same depth, their last axis. {received}")
    if _differ(key.shape[-2], value.shape[-2]):
        raise ValueError(f"`key` and `value` must have the same length, their last axis but one. {received}")
    leading = [each.shape[:-2] for each in (query, key, value)]
    for i in range(1, max(map(len, leading)) + 1):
        sizes = {shape[-i] for shape in leading if len(shape) >= i} - {1, None}
        if len(sizes) > 1:
            raise ValueError(f"Leading dimensions of `query`, `key` and `value` must broadcast. {received}")


def _checked_mask(mask, scores):
    mask = ops.convert_to_tensor(mask)
    if keras.backend.standardize_dtype(mask.dtype) != "bool":
        raise ValueError(
            "`mask` must be boolean, True where a query may attend. Write `mask > 0` for a mask of ones and "
            "zeros, `mask == 0` for one of zeros and large negative numbers. Received: mask of dtype "
            f"{keras.backend.standardize_dtype(mask.dtype)}"
        )
    missing = len(scores.shape) - len(mask.shape)
    pairs = zip(mask.shape, scores.shape[missing:], strict=True) if missing >= 0 else ()
    if missing < 0 or any(size != 1 and _differ(size, full) for size, full in pairs):
        raise ValueError(
            "`mask` must broadcast to the scores, (..., query_length, key_length): a mask over keys needs an "
            f"axis of size 1 for queries, and one for heads. Received: {_shapes(mask=mask, scores=scores)}"
        )
    return mask


def _check_positive(**numbers_):
    for name, value in numbers_.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}")
