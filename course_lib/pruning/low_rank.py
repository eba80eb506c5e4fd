"""Kernels as products of two smaller ones."""

import operator

import keras
import numpy as np
from keras import ops

from course_lib import layers
from course_lib.pruning.rebuild import check_graph, merged, named_layers, rebuild, rule, to_numpy

FACTORS = {}  # From a type of layer to the function that factors it; see `_factors_of`.


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
        ValueError: If `share` is out of range, or the values are none, not finite or not in order.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be above 0 and at most 1. Received: {share}")
    values = np.asarray(singular_values, "float64")
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or (np.diff(values) > 0).any():
        raise ValueError("`singular_values` must be finite numbers, the largest first, as an SVD gives them.")
    energy = np.cumsum(values**2)
    return int(min(np.searchsorted(energy, share * energy[-1] * (1 - 1e-12)) + 1, len(energy)))


def low_rank(kernel, rank, row_weights=None):
    """The two factors whose product is nearest to a kernel (Eckart and Young 1936), by SVD.

    Args:
        kernel: Array of shape `(inputs, outputs)`, of any precision.
        rank: From 1 to the lesser of its sides.
        row_weights: How much the error of each row counts, above 0, of shape `(inputs,)`; None counts all
            alike. For a table of embeddings: how often each word occurs, for most are rare.

    Returns:
        Float32 arrays of shapes `(inputs, rank)` and `(rank, outputs)`. Without `row_weights` each gets the
        root of the singular values, with them the rows of the second are orthonormal.

    Raises:
        ValueError: If the kernel has not two axes or is not finite, the rank is out of range, or the weights
            do not fit.
    """
    kernel = to_numpy(kernel)
    try:
        rank = operator.index(rank)
    except TypeError:
        raise ValueError(f"`rank` must be a whole number. Received: {rank!r}") from None
    if kernel.ndim != 2 or not 1 <= rank <= min(kernel.shape):
        raise ValueError(
            f"A kernel with two axes has ranks from 1 to its lesser side. Received: {rank} for {kernel.shape}"
        )
    # NumPy's linear algebra knows neither float16 nor bfloat16.
    kernel = kernel.astype(np.promote_types(kernel.dtype, "float32"), copy=False)
    if not np.isfinite(kernel).all():
        raise ValueError("The kernel holds NaN or infinity, so it has no singular values.")
    if row_weights is None:
        left, values, right = np.linalg.svd(kernel, full_matrices=False)
        roots = np.sqrt(values[:rank])
        return (left[:, :rank] * roots).astype("float32"), (roots[:, None] * right[:rank]).astype("float32")
    row_weights = np.asarray(row_weights, "float64")
    if row_weights.shape != kernel.shape[:1] or not ((row_weights > 0) & np.isfinite(row_weights)).all():
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
        use_bias: As in `keras.layers.Dense`.
        kernel_regularizer: As in `keras.layers.Dense`, of the product: its loss is that of the one kernel.
        bias_regularizer: As in `keras.layers.Dense`.
        bias_constraint: As in `keras.layers.Dense`.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(
        self,
        units,
        rank,
        activation=None,
        use_bias=True,
        kernel_regularizer=None,
        bias_regularizer=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.rank, self.use_bias = units, rank, use_bias
        self.activation = keras.activations.get(activation)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self.first = keras.layers.Dense(rank, use_bias=False, **_options(self, "first"))
        self.second = keras.layers.Dense(
            units,
            activation=activation,
            use_bias=use_bias,
            bias_regularizer=bias_regularizer,
            bias_constraint=bias_constraint,
            **_options(self, "second"),
        )

    def build(self, x_shape):
        """Creates the factors for inputs of this shape."""
        self.first.build(x_shape)
        self.second.build((*x_shape[:-1], self.rank))
        _regularize_product(self.kernel_regularizer, self.first.kernel, self.second.kernel)

    def call(self, x):
        """Applies the layer to a tensor of shape `(..., inputs)`."""
        return self.second(self.first(x))

    def compute_output_shape(self, x_shape):
        """`(..., units)`."""
        return (*x_shape[:-1], self.units)

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        config = {
            "units": self.units,
            "rank": self.rank,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.second.bias_regularizer),
            "bias_constraint": keras.constraints.serialize(self.second.bias_constraint),
        }
        return {**super().get_config(), **config, **layers.policies(self)}


@keras.saving.register_keras_serializable(package="course_lib")
class FactoredEmbedding(keras.layers.Layer):
    """A narrow embedding and a projection to the full width, as in ALBERT (Lan et al. 2020).

    Args:
        input_dim: Rows of the table.
        output_dim: Width of the output.
        rank: Width of the table.
        mask_zero: As in `keras.layers.Embedding`.
        embeddings_regularizer: As in `keras.layers.Embedding`, of the product.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, input_dim, output_dim, rank, mask_zero=False, embeddings_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.input_dim, self.output_dim, self.rank = input_dim, output_dim, rank
        self.mask_zero = self.supports_masking = mask_zero
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.autocast = False  # Half precision has not all integers.
        self.table = keras.layers.Embedding(input_dim, rank, **_options(self, "table"))
        self.projection = keras.layers.Dense(output_dim, use_bias=False, **_options(self, "projection"))

    def build(self, ids_shape):
        """Creates table and projection."""
        self.table.build(ids_shape)
        self.projection.build((*ids_shape, self.rank))
        _regularize_product(self.embeddings_regularizer, self.table.embeddings, self.projection.kernel)

    def call(self, ids):
        """From integers of shape `(...)` to vectors `(..., output_dim)`."""
        return self.projection(self.table(ids))

    def compute_mask(self, ids, mask=None):
        """False where the id is 0, with `mask_zero`."""
        return ops.not_equal(ids, 0) if self.mask_zero else None

    def compute_output_shape(self, ids_shape):
        """`(..., output_dim)`."""
        return (*ids_shape, self.output_dim)

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        names = ("input_dim", "output_dim", "rank", "mask_zero")
        regularizer = keras.regularizers.serialize(self.embeddings_regularizer)
        config = {name: getattr(self, name) for name in names} | {"embeddings_regularizer": regularizer}
        return {**super().get_config(), **config, **layers.policies(self)}


def _options(layer, name):
    """The arguments of one of a layer's two factors."""
    return {"name": name, "dtype": layers.policy_of(layer, name), "trainable": layer.trainable}


class _OfProduct(keras.regularizers.Regularizer):
    """A regularizer of a kernel, as one of its second factor: Keras collects them variable by variable."""

    def __init__(self, regularizer, first):
        self.regularizer, self.first = regularizer, first

    def __call__(self, second):
        return self.regularizer(ops.matmul(self.first, second))


def _regularize_product(regularizer, first, second):
    if regularizer is not None:
        second.regularizer = _OfProduct(regularizer, first)


def factorize(model, ranks, row_weights=None):
    """A model with low-rank factors in place of some kernels.

    LoRA of a layer that is factored is added to its kernel first; other layers keep theirs. A regularizer of
    the kernel becomes one of the product.

    Args:
        model: A built Sequential or Functional model.
        ranks: Dict from the name of a layer, `outer/inner` in a nested model, to a rank: of a `Dense`, of an
            `Embedding`, or of an `EncoderBlock`, where it is that of both feed-forward kernels.
        row_weights: As in `low_rank`, for the layers that are an `Embedding`: how often each row is used.

    Returns:
        A new model; the old one is unchanged.

    Raises:
        ValueError: If the model is neither Sequential nor Functional, there is no such layer, it is of
            another kind, already factored, quantized or has a constraint on its kernel, or a rank is out of
            range.
    """
    check_graph(model)
    if not isinstance(ranks, dict):
        raise ValueError(f"`ranks` is a dict from the name of a layer to a rank. Received: {ranks!r}")
    known, replaced = named_layers(model), {}
    for name, rank in ranks.items():
        if name not in known:
            raise ValueError(f"There is no layer {name!r}. The model has: {', '.join(known)}")
        layer = known[name]
        try:
            replaced[id(layer)] = _factors_of(layer)(layer, rank, row_weights)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return rebuild(model, replaced)


factorise = factorize  # As lessons 06 to 08 spell it.


def _factors_of(layer):
    factor = rule(FACTORS, layer)
    if factor is None:
        raise ValueError(
            f"a {type(layer).__name__} stays as it is; Dense, Embedding and EncoderBlock can be factored."
        )
    return factor


def _check_constraint(constraint):
    if constraint is not None:
        raise ValueError(
            f"its weights have a constraint ({type(constraint).__name__}), which holds for a product only if "
            "the product is computed. Set it to None first."
        )


def factor_dense(dense, rank, row_weights=None):
    """A `FactoredDense` for a `Dense`, and the function that fills it.

    Args:
        dense: A built `keras.layers.Dense`.
        rank: The rank.
        row_weights: Not used: the rows of a dense kernel count alike.

    Returns:
        The new layer and a function without arguments.

    Raises:
        ValueError: As `factorize`.
    """
    _check_constraint(dense.kernel_constraint)
    config = dense.get_config()
    for name in ("kernel_initializer", "kernel_constraint", "bias_initializer"):
        del config[name]
    for name in ("quantization_config", "lora_rank", "lora_alpha"):
        config.pop(name, None)
    config["activation"] = dense.activation
    factors = low_rank(merged(dense, "kernel"), rank)
    new = FactoredDense(rank=rank, **config)

    return new, lambda: fill_dense(dense, new, factors)


def fill_dense(dense, factored, factors):
    """Assigns the factors of a kernel, and the bias, to a built `FactoredDense`."""
    factored.first.kernel.assign(factors[0])
    factored.second.kernel.assign(factors[1])
    if dense.use_bias:
        factored.second.bias.assign(to_numpy(dense.bias))


def _factor_embedding(layer, rank, row_weights):
    _check_constraint(layer.embeddings_constraint)
    names = ("input_dim", "output_dim", "mask_zero", "embeddings_regularizer", "name", "trainable", "dtype")
    config = {name: value for name, value in layer.get_config().items() if name in names}
    table, projection = low_rank(merged(layer, "embeddings"), rank, row_weights)
    new = FactoredEmbedding(rank=rank, activity_regularizer=layer.activity_regularizer, **config)

    def fill():
        new.table.embeddings.assign(table)
        new.projection.kernel.assign(projection)

    return new, fill


FACTORS[keras.layers.Dense] = factor_dense
FACTORS[keras.layers.Embedding] = _factor_embedding
