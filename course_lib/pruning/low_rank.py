"""Kernels as products of two smaller ones."""

import keras
import numpy as np
from keras import ops


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
        ValueError: If `share` is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be above 0 and at most 1. Received: {share}")
    energy = np.cumsum(np.asarray(singular_values, "float64") ** 2)
    return int(min(np.searchsorted(energy, share * energy[-1] * (1 - 1e-12)) + 1, len(energy)))


def low_rank(kernel, rank, row_weights=None):
    """The two factors whose product is nearest to a kernel (Eckart and Young 1936), by SVD.

    Args:
        kernel: Array of shape `(inputs, outputs)`.
        rank: From 1 to the lesser of its sides.
        row_weights: How much the error of each row counts, above 0, of shape `(inputs,)`; None counts all
            alike. For a table of embeddings: how often each word occurs, for most are rare.

    Returns:
        Float32 arrays of shapes `(inputs, rank)` and `(rank, outputs)`. Without `row_weights` each gets the
        root of the singular values, with them the rows of the second are orthonormal.

    Raises:
        ValueError: If the kernel has not two axes, the rank is out of range, or the weights do not fit.
    """
    kernel = ops.convert_to_numpy(kernel)
    if kernel.ndim != 2 or not 1 <= rank <= min(kernel.shape):
        raise ValueError(
            f"A kernel with two axes has ranks from 1 to its lesser side. Received: {rank} for {kernel.shape}"
        )
    if row_weights is None:
        left, values, right = np.linalg.svd(kernel, full_matrices=False)
        roots = np.sqrt(values[:rank])
        return (left[:, :rank] * roots).astype("float32"), (roots[:, None] * right[:rank]).astype("float32")
    row_weights = np.asarray(row_weights, "float64")
    if row_weights.shape != kernel.shape[:1] or not (row_weights > 0).all():
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
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, units, rank, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rank, self.activation = units, rank, keras.activations.get(activation)
        policy = {"dtype": self.dtype_policy}
        self.first = keras.layers.Dense(rank, use_bias=False, name="first", **policy)
        self.second = keras.layers.Dense(units, activation=activation, name="second", **policy)

    def build(self, x_shape):
        """Creates the factors for inputs of this shape."""
        self.first.build(x_shape)
        self.second.build((*x_shape[:-1], self.rank))

    def call(self, x):
        """Applies the layer to a tensor of shape `(..., inputs)`."""
        return self.second(self.first(x))

    def compute_output_shape(self, x_shape):
        """`(..., units)`."""
        return (*x_shape[:-1], self.units)

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        config = {"units": self.units, "rank": self.rank}
        return {**super().get_config(), **config, "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable(package="course_lib")
class FactoredEmbedding(keras.layers.Layer):
    """A narrow embedding and a projection to the full width, as in ALBERT (Lan et al. 2020).

    Args:
        input_dim: Rows of the table.
        output_dim: Width of the output.
        rank: Width of the table.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, input_dim, output_dim, rank, **kwargs):
        super().__init__(**kwargs)
        self.input_dim, self.output_dim, self.rank = input_dim, output_dim, rank
        policy = {"dtype": self.dtype_policy}
        self.table = keras.layers.Embedding(input_dim, rank, name="table", **policy)
        self.projection = keras.layers.Dense(output_dim, use_bias=False, name="projection", **policy)

    def build(self, ids_shape):
        """Creates table and projection."""
        self.table.build(ids_shape)
        self.projection.build((*ids_shape, self.rank))

    def call(self, ids):
        """From integers of shape `(...)` to vectors `(..., output_dim)`."""
        return self.projection(self.table(ids))

    def compute_output_shape(self, ids_shape):
        """`(..., output_dim)`."""
        return (*ids_shape, self.output_dim)

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        names = ("input_dim", "output_dim", "rank")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def factorise(model, ranks, row_weights=None):
    """A model with low-rank factors in place of some kernels.

    Args:
        model: A built `keras.Sequential`, or `keras.Model` made of layers and functions.
        ranks: Dict from the name of a layer to a rank: of a `Dense`, of an `Embedding`, or of an
            `EncoderBlock`, where it is that of both feed-forward kernels.
        row_weights: As in `low_rank`, for the layers that are an `Embedding`: how often each row is used.

    Returns:
        A new model; the old one is unchanged.

    Raises:
        ValueError: If there is no such layer, it is of another kind or already factored, or a rank is out of
            range.
    """
    from course_lib import transformer  # Both load much.
    from course_lib.pruning.encoders import FactoredBlock

    known = {layer.name: layer for layer in model.layers}
    factors = {}
    for name, rank in ranks.items():
        if name not in known:
            raise ValueError(f"There is no layer {name!r}. The model has: {', '.join(known)}")
        layer = known[name]
        if type(layer) is keras.layers.Dense:
            factors[name] = _dense_factors(layer, rank)
        elif type(layer) is keras.layers.Embedding:
            table, projection = low_rank(layer.embeddings, rank, row_weights)
            factors[name] = {"table/embeddings": table, "projection/kernel": projection}
        elif type(layer) is transformer.EncoderBlock:
            factors[name] = {
                **_dense_factors(layer.intermediate_dense, rank, "intermediate_dense/"),
                **_dense_factors(layer.output_dense, rank, "output_dense/"),
            }
        else:
            raise ValueError(
                f"{name} is a {type(layer).__name__}; Dense, Embedding and EncoderBlock can be factored."
            )

    def clone(layer):
        if layer.name not in ranks:
            return layer.__class__.from_config(layer.get_config())
        config = {"name": layer.name, "dtype": layer.dtype_policy, "trainable": layer.trainable}
        if isinstance(layer, keras.layers.Dense):
            return FactoredDense(layer.units, ranks[layer.name], layer.activation, **config)
        if isinstance(layer, keras.layers.Embedding):
            return FactoredEmbedding(layer.input_dim, layer.output_dim, ranks[layer.name], **config)
        return FactoredBlock(rank=ranks[layer.name], **layer.get_config())

    smaller = keras.models.clone_model(model, clone_function=clone)
    for layer in smaller.layers:
        values = {**_values(known[layer.name]), **factors.get(layer.name, {})}
        layer.set_weights([values[_suffix(layer, weight)] for weight in layer.weights])
    return smaller


def _suffix(layer, weight):
    return weight.path.split(f"{layer.name}/", 1)[-1]


def _values(layer):
    return {_suffix(layer, weight): ops.convert_to_numpy(weight) for weight in layer.weights}


def _dense_factors(dense, rank, prefix=""):
    first, second = low_rank(dense.kernel, rank)
    bias = ops.convert_to_numpy(dense.bias) if dense.use_bias else np.zeros(dense.units, "float32")
    return {f"{prefix}first/kernel": first, f"{prefix}second/kernel": second, f"{prefix}second/bias": bias}
