"""Factored models against the models that they come from, and against NumPy's SVD."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from course_lib import pruning, transformer

pytestmark = pytest.mark.backend
INITIALIZERS = ("VarianceScaling", "RandomUniform", "TruncatedNormal", "Orthogonal")


@pytest.fixture(autouse=True)
def zeros_at_first(monkeypatch):
    """New layers are zero: JAX compiles each draw of random numbers for a second, and all are overwritten."""

    def zeros(self, shape, dtype=None, **kwargs):
        return ops.zeros(shape, dtype)

    for name in INITIALIZERS:
        monkeypatch.setattr(getattr(keras.initializers, name), "__call__", zeros)


def randomized(model, seed=0):
    """The model with other weights than its first ones, which are zero in biases and LoRA."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        low, high = (0.5, 2.0) if variable.name in ("moving_variance", "gamma") else (-0.8, 0.8)
        variable.assign(rng.uniform(low, high, variable.shape))
    return model


def numbers(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def difference(one, other, x):
    found = (keras.tree.flatten(model(x)) for model in (one, other))
    pairs = ([ops.convert_to_numpy(each).astype("float32") for each in tensors] for tensors in found)
    return max(np.abs(a - b).max() for a, b in zip(*pairs, strict=True))


def dense_model(**kwargs):
    inputs = keras.Input((8,))
    hidden = layers.Dense(8, activation="tanh", name="a", **kwargs)(inputs)
    return randomized(keras.Model(inputs, layers.Dense(3, name="b")(hidden)))


def test_inputs_need_no_name():
    model = dense_model()
    factored = pruning.factorize(model, {"a": 8})
    assert difference(model, factored, numbers(4, 8)) < 1e-5
    assert [layer.name for layer in factored.layers] == [layer.name for layer in model.layers]
    assert pruning.factorise is pruning.factorize


def test_dicts_and_integers_go_in_as_before():
    inputs = {"ids": keras.Input((4,), dtype="int32", name="ids"), "x": keras.Input((3,), name="x")}
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(9, 5, name="e")(inputs["ids"]))
    joined = layers.Concatenate()([pooled, inputs["x"]])
    model = randomized(keras.Model(inputs, {"y": layers.Dense(2)(joined)}))
    x = {"ids": np.array([[1, 2, 3, 8]], "int32"), "x": numbers(1, 3)}
    factored = pruning.factorize(model, {"e": 5})
    assert difference(model, factored, x) < 1e-5
    assert list(factored.output) == ["y"]
    assert factored.input["ids"].dtype == "int32"


def test_an_embedding_keeps_its_mask():
    steps = [layers.Embedding(20, 5, mask_zero=True, name="e"), layers.LSTM(4), layers.Dense(2)]
    model = randomized(keras.Sequential([keras.Input((6,), dtype="int32"), *steps]))
    x = np.array([[3, 4, 19, 0, 0, 0], [7, 1, 2, 5, 0, 0]], "int32")
    factored = pruning.factorize(model, {"e": 5})
    assert isinstance(factored, keras.Sequential)
    assert difference(model, factored, x) < 1e-5
    unmasked = pruning.FactoredEmbedding(20, 5, 5)
    unmasked.build((None, 6))
    assert unmasked.compute_mask(x) is None


def test_a_factored_dense_hands_the_mask_on():
    steps = [layers.Embedding(20, 5, mask_zero=True), layers.Dense(5, name="d"), layers.GRU(4)]
    model = randomized(keras.Sequential([keras.Input((6,), dtype="int32"), *steps]))
    x = np.array([[3, 4, 19, 0, 0, 0], [7, 1, 2, 5, 0, 0]], "int32")
    assert difference(model, pruning.factorize(model, {"d": 5}), x) < 1e-5


def test_regularizers_give_the_same_loss_in_training_too(tmp_path):
    model = dense_model(
        kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2),
        bias_regularizer="l2",
        bias_constraint="non_neg",
        activity_regularizer="l1",
    )
    factored = pruning.factorize(model, {"a": 8})
    x, y = numbers(4, 8), np.array([0, 1, 2, 0])
    losses = []
    for each in (model, factored):
        each.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        losses.append(each.evaluate(x, y, verbose=0))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert isinstance(factored.get_layer("a").second.bias_constraint, keras.constraints.NonNeg)
    layer = factored.get_layer("a")
    before = np.abs(layer.first.get_weights()[0] @ layer.second.get_weights()[0]).sum()
    factored.fit(x, y, epochs=3, verbose=0)
    assert np.abs(layer.first.get_weights()[0] @ layer.second.get_weights()[0]).sum() < before
    assert (layer.second.get_weights()[1] >= 0).all()
    factored.save(tmp_path / "factored.keras")
    again = keras.models.load_model(tmp_path / "factored.keras")
    assert difference(factored, again, x) < 1e-6
    assert again.evaluate(x, y, verbose=0) == pytest.approx(factored.evaluate(x, y, verbose=0), rel=1e-5)


def test_an_embedding_keeps_its_regularizer():
    steps = [layers.Embedding(9, 5, embeddings_regularizer="l2", name="e"), layers.Flatten()]
    model = randomized(keras.Sequential([keras.Input((3,), dtype="int32"), *steps]))
    factored = pruning.factorize(model, {"e": 5})
    assert float(factored.losses[0]) == pytest.approx(float(model.losses[0]), rel=1e-5)


def test_an_absent_bias_stays_absent():
    model = dense_model(use_bias=False)
    factored = pruning.factorize(model, {"a": 8})
    assert difference(model, factored, numbers(4, 8)) < 1e-5
    assert [v.path for v in factored.get_layer("a").weights] == ["a/first/kernel", "a/second/kernel"]
    assert factored.get_layer("a").get_config()["use_bias"] is False


def test_a_constraint_on_the_kernel_is_refused():
    embedding = keras.Sequential(
        [keras.Input((3,)), layers.Embedding(9, 5, embeddings_constraint="max_norm", name="a")]
    )
    for model in (dense_model(kernel_constraint="max_norm"), embedding):
        with pytest.raises(ValueError, match="a: its weights have a constraint"):
            pruning.factorize(model, {"a": 2})


def test_lora_of_other_layers_is_kept_and_of_the_factored_merged():
    model = dense_model()
    model.get_layer("a").enable_lora(2, lora_alpha=5)
    randomized(model)
    x = numbers(4, 8)
    kept, merged = pruning.factorize(model, {"b": 3}), pruning.factorize(model, {"a": 8})
    assert difference(model, kept, x) < 1e-5
    assert difference(model, merged, x) < 1e-5
    assert kept.get_layer("a").lora_enabled
    frozen = [[v.path for v in each.layers[1].non_trainable_weights] for each in (model, kept)]
    assert frozen == [["a/kernel"], ["a/kernel"]]
    assert not any("lora" in v.path for v in merged.weights)


def tokens():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 30, (3, 6)).astype("int32")
    return {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones_like(ids)}


def encoder():
    return randomized(transformer.encoder(30, 2, 4, 8, 12, max_length=10))


def test_lora_and_frozen_parts_of_an_encoder_stay():
    model, x = encoder(), tokens()
    first, second = transformer.blocks(model)
    first.attention.query_dense.enable_lora(2, lora_alpha=3)
    second.intermediate_dense.enable_lora(3)
    randomized(model)
    first.output_norm.trainable = False
    for ranks in ({"pooled_dense": 8}, {"transformer_layer_0": 8, "transformer_layer_1": 8}):
        factored = pruning.factorize(model, ranks)
        assert difference(model, factored, x) < 1e-5
        block = transformer.blocks(factored)[0]
        assert block.attention.query_dense.lora_enabled
        assert not block.output_norm.trainable
    block = transformer.blocks(pruning.factorize(model, {"pooled_dense": 8}))[1]
    assert block.intermediate_dense.lora_enabled


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_float16"])
def test_half_precision(dtype):
    model = dense_model(dtype=dtype)
    factored = pruning.factorize(model, {"a": 8})
    kernel = factored.get_layer("a").first.kernel
    assert factored.get_layer("a").dtype_policy == model.get_layer("a").dtype_policy
    assert keras.backend.standardize_dtype(kernel.dtype) == ("float32" if "mixed" in dtype else dtype)
    assert difference(model, factored, numbers(4, 8)) < 0.05


def test_ids_beyond_the_integers_of_half_precision():
    embedding = layers.Embedding(4100, 2, name="e", dtype="mixed_float16")
    model = randomized(keras.Sequential([keras.Input((1,)), embedding]))
    factored = pruning.factorize(model, {"e": 2})
    assert difference(model, factored, np.array([[4097.0], [2049.0]], "float32")) < 5e-3


def nested():
    inner_inputs = keras.Input((8,))
    inner = layers.Dense(8, name="d")(layers.Dense(8, activation="relu", name="c")(inner_inputs))
    tower, shared = keras.Model(inner_inputs, inner, name="tower"), layers.Dense(4, name="shared")
    a, b = keras.Input((8,)), keras.Input((8,))
    joined = layers.Concatenate()([shared(tower(a)), shared(tower(b))])
    return randomized(keras.Model([a, b], layers.Dense(2, name="h")(joined)))


def test_nested_and_shared_layers():
    model, x = nested(), [numbers(4, 8), numbers(4, 8, seed=2)]
    factored = pruning.factorize(model, {"tower/c": 8, "shared": 4})
    assert difference(model, factored, x) < 1e-5
    added = 8 * 16 - 64 + 4 * (8 + 4) - 32
    assert factored.count_params() == model.count_params() + added
    with pytest.raises(ValueError, match=r"no layer 'c'\. The model has: .*tower/c"):
        pruning.factorize(model, {"c": 8})


@keras.saving.register_keras_serializable(package="test")
class Backbone(keras.Model):
    """A Functional model with a constructor of its own, as KerasHub's are."""

    def __init__(self, units, **kwargs):
        inputs = keras.Input((8,))
        hidden = layers.Dense(units, activation="relu", name="c")(inputs)
        super().__init__(inputs, layers.Dense(8, name="d")(hidden), **kwargs)
        self.units = units

    def get_config(self):
        return {"units": self.units, "name": self.name}


def test_a_backbone_inside_keeps_its_class_weights_and_lora():
    backbone, inputs = Backbone(6, name="backbone"), keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(2, name="head")(backbone(inputs)))
    backbone.get_layer("c").enable_lora(2)
    randomized(model)
    for ranks, kind in (({"head": 2}, Backbone), ({"backbone/d": 6}, keras.Model)):
        factored = pruning.factorize(model, ranks)
        assert difference(model, factored, numbers(4, 8)) < 1e-5
        assert isinstance(factored.get_layer("backbone"), kind)


def test_what_was_frozen_stays_frozen(tmp_path):
    model = dense_model()
    model.get_layer("a").trainable = False
    factored = pruning.factorize(model, {"a": 4})
    factored.save(tmp_path / "factored.keras")
    again = keras.models.load_model(tmp_path / "factored.keras")
    for each in (factored, again):
        assert [v.path for v in each.trainable_variables] == ["b/kernel", "b/bias"]
    model = nested()
    model.get_layer("tower").trainable = False
    model.get_layer("tower").get_layer("c").trainable = True
    factored = pruning.factorize(model, {"tower/c": 2, "h": 2})
    names = {layer.name: layer.trainable for layer in factored.get_layer("tower").layers[1:]}
    assert names == {"c": True, "d": False}
    model.trainable = False
    assert not pruning.factorize(model, {"h": 2}).trainable_variables


def test_the_old_model_is_unchanged_and_shares_nothing():
    model, x = dense_model(), numbers(16, 8)
    before = [ops.convert_to_numpy(v).copy() for v in model.weights]
    factored = pruning.factorize(model, {"a": 4})
    factored.compile("sgd", "mse")
    factored.fit(x, numbers(16, 3), epochs=2, verbose=0)
    for variable, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
    assert model.get_layer("a").output is model.get_layer("b").input


@keras.saving.register_keras_serializable(package="test")
def own_loss(y, predicted):
    return ops.mean(ops.square(y - predicted))


def test_compiled_models_are_compiled_where_keras_can():
    model = dense_model()
    model.compile("adam", own_loss)
    assert pruning.factorize(model, {"a": 4}).compiled
    model.compile("adam", lambda y, predicted: own_loss(y, predicted))
    with pytest.warns(UserWarning, match="not compiled"):
        factored = pruning.factorize(model, {"a": 4})
    assert not factored.compiled


def test_what_layers_learned_by_adapting_stays():
    normalization, discretization = layers.Normalization(), layers.Discretization(num_bins=4)
    normalization.adapt(numbers(64, 3) * 5 + 2)
    discretization.adapt(numbers(64, 3))
    lookup = layers.IntegerLookup(num_oov_indices=1)
    lookup.adapt(np.array([7, 9, 9, 12]))
    floats, ids = keras.Input((3,)), keras.Input((2,), dtype="int64")
    table = layers.Flatten()(layers.Embedding(6, 2)(lookup(ids)))
    parts = [normalization(floats), ops.cast(discretization(floats), "float32"), table]
    model = keras.Model([floats, ids], layers.Dense(2, name="d")(layers.Concatenate()(parts)))
    for layer in model.layers:
        if isinstance(layer, layers.Embedding | layers.Dense):
            randomized(layer)
    factored = pruning.factorize(model, {"d": 2})
    x = [numbers(4, 3), np.array([[7, 9], [12, 5], [9, 9], [12, 7]])]
    assert difference(model, factored, x) < 1e-5


class Scale(layers.Layer):
    """Not registered, as a user's own layer is."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Forgetful(Scale):
    def get_config(self):
        return layers.Layer.get_config(self)


def test_own_layers_and_functions():
    def model(scale):
        inputs = keras.Input((8,))
        x = layers.Dense(8, name="a")(scale(inputs))
        return randomized(keras.Model(inputs, layers.Lambda(lambda t: t * 2)(ops.relu(x) + inputs)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of Keras, that a lambda is unsafe to load.
        own = model(Scale(3.0))
        assert difference(own, pruning.factorize(own, {"a": 8}), numbers(4, 8)) < 1e-4
    with pytest.raises(ValueError, match="forgetful cannot be made anew: the `get_config` of Forgetful"):
        pruning.factorize(model(Forgetful(3.0)), {"a": 8})


class Subclass(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.dense = layers.Dense(3, name="dense")

    def call(self, x):
        return self.dense(x)


def test_what_cannot_be_factored_says_why():
    subclass = Subclass()
    subclass(numbers(2, 3))
    quantized = dense_model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized.quantize("int8")
    inputs = keras.Input((5, 8))
    block = keras.Model(inputs, transformer.EncoderBlock(2, 4, name="a")(inputs))
    block.get_layer("a").output_dense.quantize("int8")
    convolution = keras.Sequential([keras.Input((8, 1)), layers.Conv1D(2, 3, name="a")])
    for model, rank, message in (
        (subclass, 2, "'mine' is a Subclass. A Sequential or Functional"),
        (keras.Sequential([layers.Dense(3, name="a")]), 2, "is not built"),
        (block, 2, "a: output_dense is quantized"),
        (quantized, 2, "a: a is quantized"),
        (convolution, 1, "a: a Conv1D stays as it is"),
        (dense_model(), 2.5, "a: `rank` must be a whole number"),
        (dense_model(), 9, "a: .*lesser side"),
    ):
        with pytest.raises(ValueError, match=message):
            pruning.factorize(model, {"a": rank})


def test_factors_are_those_of_numpys_svd():
    kernel = np.random.default_rng(0).normal(size=(7, 5))
    left, values, right = np.linalg.svd(kernel)
    for dtype, tolerance in (("float64", 1e-6), ("float32", 1e-5), ("float16", 1e-2)):
        first, second = pruning.low_rank(kernel.astype(dtype), 3)
        best = (left[:, :3] * values[:3]) @ right[:3]
        np.testing.assert_allclose(first @ second, best, atol=tolerance)
        assert first.dtype == second.dtype == "float32"
    half = ops.convert_to_tensor(kernel, "bfloat16")
    np.testing.assert_allclose(np.matmul(*pruning.low_rank(half, 5)), kernel, atol=0.03)


def test_numbers_without_a_rank_are_refused():
    with pytest.raises(ValueError, match="NaN or infinity"):
        pruning.low_rank(np.full((3, 3), np.nan), 2)
    with pytest.raises(ValueError, match="one per row"):
        pruning.low_rank(np.eye(3), 2, [1, np.inf, 1])
    for values in ([], [1.0, 2.0], [np.nan, 1.0], [[1.0]]):
        with pytest.raises(ValueError, match="largest first"):
            pruning.rank_for_energy(values, 0.5)
