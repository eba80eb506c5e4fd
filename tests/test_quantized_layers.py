"""Every kind of layer: scales along its own outputs, files that hold all its weights, models that reload."""

import os
import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

from course_lib import quantization
from course_lib.quantization import axes

pytestmark = pytest.mark.backend


class Product(layers.Layer):
    """A layer of somebody's own, whose weight has a name of its own."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w")
        self.scale = self.add_weight(shape=(1, self.units), name="scale", initializer="ones")

    def call(self, x):
        return ops.matmul(x, self.w) * self.scale


def sequential(shape, *parts):
    return keras.Sequential([keras.Input(shape), *parts])


def attention_model():
    x = keras.Input((6, 16))
    y = layers.MultiHeadAttention(2, 8, name="mha")(x, x)
    return keras.Model(x, layers.Dense(3, name="head")(layers.Flatten()(y)))


def convolutional(name="net"):
    return sequential(
        (8, 8, 3),
        layers.Conv2D(8, 3, padding="same", name="a"),
        layers.BatchNormalization(name="bn"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="b"),
        layers.SeparableConv2D(4, 3, name="c"),
        layers.Conv2DTranspose(6, 2, name="d"),
        layers.Flatten(),
        layers.Dense(3, name="e"),
    )


def recurrent():
    return sequential(
        (5,),
        layers.Embedding(40, 16, mask_zero=True, name="table"),
        layers.Bidirectional(layers.LSTM(16, return_sequences=True), name="both"),
        layers.GRU(8, name="gru"),
        layers.Dense(3, name="head"),
    )


def own():
    return sequential((16,), Product(8, name="own"), layers.Dense(3, name="head"))


KINDS = {"attention": attention_model, "convolutional": convolutional, "recurrent": recurrent, "own": own}


def built(kind, seed=0):
    keras.utils.set_random_seed(seed)
    return KINDS[kind]()


def batch(model, count=4):
    rng = np.random.default_rng(0)
    shape = (count, *model.input_shape[1:])
    if isinstance(model.layers[0], layers.Embedding):
        return rng.integers(1, 40, shape)
    return rng.normal(size=shape).astype("float32")


# The axes, by hand: which share a scale.
LAYERS = [
    (layers.Dense(4), (8,), {"kernel": (0,)}),
    (layers.Conv1D(4, 3), (6, 8), {"kernel": (0, 1)}),
    (layers.Conv2D(4, 3, groups=2), (6, 6, 8), {"kernel": (0, 1, 2)}),
    (layers.DepthwiseConv1D(3, depth_multiplier=2), (6, 8), {"kernel": (0,)}),
    (layers.DepthwiseConv2D(3, depth_multiplier=2), (6, 6, 8), {"kernel": (0, 1)}),
    (layers.Conv1DTranspose(4, 3), (6, 8), {"kernel": (0, 2)}),
    (layers.Conv2DTranspose(4, 3), (6, 6, 8), {"kernel": (0, 1, 3)}),
    (layers.SeparableConv1D(4, 3), (6, 8), {"depthwise_kernel": (0,), "pointwise_kernel": (0, 1)}),
    (layers.SeparableConv2D(4, 3), (6, 6, 8), {"depthwise_kernel": (0, 1), "pointwise_kernel": (0, 1, 2)}),
    (layers.EinsumDense("abc,cde->abde", (None, 2, 4)), (6, 8), {"kernel": (0,)}),
    (layers.EinsumDense("abcd,cde->abe", (None, 4)), (6, 2, 8), {"kernel": (0, 1)}),
    (layers.EinsumDense("...x,xy->...y", (4,)), (6, 8), {"kernel": (0,)}),
    (layers.EinsumDense("abc,dbc->abd", (6, 4)), (6, 8), {"kernel": (2,)}),
    (layers.LSTM(4), (6, 8), {"kernel": (0,), "recurrent_kernel": (0,)}),
    (layers.GRU(4), (6, 8), {"kernel": (0,), "recurrent_kernel": (0,)}),
    (layers.Embedding(9, 8), (6,), {"embeddings": (1,)}),
    (Product(4), (8,), {"w": (0,)}),
]


def wide_ranges(model):
    """Spreads the outputs of every table over three powers of ten, and returns the tables' values."""
    found, inputs = quantization.tables(model), quantization.input_axes(model)
    rng = np.random.default_rng(1)
    for variable in found.values():
        shape = [1 if i in inputs[id(variable)] else n for i, n in enumerate(variable.shape)]
        variable.assign(rng.normal(size=variable.shape) * 10.0 ** rng.uniform(-3, 0, shape))
    return {path: ops.convert_to_numpy(variable) for path, variable in found.items()}


def decibels(before, after, inputs):
    noise = ((before - after) ** 2).sum(inputs)
    return 10 * np.log10((before**2).sum(inputs) / np.maximum(noise, 1e-30))


@pytest.mark.parametrize(("layer", "shape", "expected"), LAYERS)
def test_scales_lie_along_the_outputs_of_each_layer(layer, shape, expected):
    model = sequential(shape, type(layer).from_config(layer.get_config()))
    found, inputs = quantization.tables(model), quantization.input_axes(model)
    assert {variable.name: inputs[id(variable)] for variable in found.values()} == expected
    before = wide_ranges(model)
    quantization.round_weights(model, 8)
    for path, variable in found.items():
        each = decibels(before[path], ops.convert_to_numpy(variable), inputs[id(variable)])
        assert each.min() > 36  # With one scale for all, the smallest had none of its weights left.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [4, 8])
def test_a_packed_file_holds_every_matrix_of_any_model(tmp_path, kind, bits):
    model, path = built(kind), tmp_path / "model.npz"
    quantization.save(model, path, bits)
    restored = quantization.load(built(kind, seed=1), path)  # Its layers count on: `dense_1`, `dense_2`.
    tables = list(map(id, quantization.tables(model).values()))
    with np.load(path) as file:
        for i, variable in enumerate(model.weights):
            packed = "u" if bits == 4 else "i"
            assert file[f"{i}"].dtype.kind == (packed if id(variable) in tables else "f")
    for mine, variable in zip(restored.get_weights(), model.weights, strict=True):
        value = ops.convert_to_numpy(variable)
        if id(variable) not in tables:
            np.testing.assert_array_equal(mine, value)
        assert np.abs(mine - value).max() <= (0.51 / (2 ** (bits - 1) - 1)) * np.abs(value).max()
    x = batch(model)
    near = np.abs(restored.predict(x, verbose=0) - model.predict(x, verbose=0)).max()
    assert near < (1.0 if bits == 4 else 0.1)


def test_a_packed_lstm_is_small(tmp_path):
    model = sequential((None, 64), layers.LSTM(128))
    quantization.save(model, tmp_path / "model.npz", 4)
    assert (tmp_path / "model.npz").stat().st_size < 4 * model.count_params() / 6


def test_packing_per_channel_and_with_spared_tables(tmp_path):
    model, path = built("attention"), tmp_path / "model.npz"
    before = wide_ranges(model)
    quantization.save(model, path, 8, group_size=None, spare=("head",))
    quantization.load(built("attention", 1), path).get_weights()
    inputs = quantization.input_axes(model)
    restored = quantization.load(model, path)
    for name, variable in quantization.tables(restored).items():
        value = ops.convert_to_numpy(variable)
        if "head" in name:
            np.testing.assert_array_equal(value, before[name])
        else:
            assert decibels(before[name], value, inputs[id(variable)]).min() > 36


@pytest.mark.parametrize("size", [1e7, 1e30, 1e-7, 1e-30])
@pytest.mark.parametrize("bits", [4, 8])
def test_extreme_weights_survive(tmp_path, size, bits):
    model = sequential((16,), layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(0, size)))
    kernel = ops.convert_to_numpy(model.layers[0].kernel)
    quantization.save(model, tmp_path / "model.npz", bits, group_size=None)
    found = ops.convert_to_numpy(quantization.load(model, tmp_path / "model.npz").layers[0].kernel)
    assert np.abs(found - kernel).max() < (0.1 if bits == 4 else 0.005) * np.abs(kernel).max()


def test_integers_and_other_weights_are_stored_as_they_are(tmp_path):
    class Counter(layers.Layer):
        def build(self, shape):
            self.count = self.add_weight(shape=(), dtype="int32", trainable=False, name="count")
            self.dense = layers.Dense(2)
            self.dense.build(shape)

        def call(self, x):
            return self.dense(x)

    model = sequential((4,), Counter())
    model.layers[0].count.assign(2**24 + 1)  # float32 does not hold it.
    quantization.save(model, tmp_path / "model.npz")
    model.layers[0].count.assign(0)
    assert int(quantization.load(model, tmp_path / "model.npz").layers[0].count.value) == 2**24 + 1


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_an_error_names_the_layer_and_leaves_the_model(tmp_path, number):
    model = sequential((8,), layers.Dense(64, name="first"), layers.Dense(64, name="second"))
    kernel = ops.convert_to_numpy(model.layers[1].kernel).copy()
    kernel[3, 2] = number
    model.layers[1].kernel.assign(kernel)
    before = model.get_weights()
    for act in (
        lambda: quantization.round_weights(model, 8),
        lambda: quantization.save(model, tmp_path / "model.npz"),
        lambda: quantization.quantize_model(model, "int8"),
        lambda: quantization.round_weights(model, 4, group_size=5),
    ):
        with pytest.raises(ValueError, match=r"second/kernel|first/kernel") as caught:
            act()
        assert len(str(caught.value)) < 250
    for mine, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, value)
    assert not os.listdir(tmp_path)


def test_two_towers_with_the_same_names_are_both_rounded(tmp_path):
    class Tower(layers.Layer):
        def build(self, shape):
            self.dense = layers.Dense(8, name="dense")
            self.dense.build(shape)

        def call(self, x):
            return self.dense(x)

    class Pair(keras.Model):
        def __init__(self):
            super().__init__(name="pair")
            self.one, self.other = Tower(name="tower"), Tower(name="tower")

        def call(self, x):
            return self.one(x) + self.other(x)

    model = Pair()
    model(np.ones((1, 4), "float32"))
    found = quantization.tables(model)
    assert list(found) == ["pair/tower/dense/kernel", "pair/tower/dense/kernel (2)"]
    quantization.round_weights(model, 2)
    for variable in found.values():
        assert len(np.unique(np.abs(ops.convert_to_numpy(variable))[:, 0].round(6))) <= 2
    quantization.load(model, quantization.save(model, tmp_path / "model.npz") or tmp_path / "model.npz")


def test_frozen_and_lora_layers():
    model = sequential((16,), layers.Dense(8, name="a"), Product(8, name="own"), layers.Dense(2, name="b"))
    model.layers[0].enable_lora(2)
    model.layers[1].trainable = model.layers[2].trainable = False
    assert [each.name for each in quantization.tables(model).values()] == ["kernel", "w", "kernel"]


def test_spare_without_a_match_is_refused(tmp_path):
    model = built("recurrent")
    for act in (
        lambda: quantization.round_weights(model, 8, spare=("nowhere",)),
        lambda: quantization.save(model, tmp_path / "model.npz", spare=("nowhere",)),
        lambda: quantization.quantize_model(model, "int8", spare=("nowhere",)),
        lambda: quantization.QuantizationAware(model, 8, spare=("nowhere",)),
    ):
        with pytest.raises(ValueError, match="nowhere"):
            act()


# Against Keras


@pytest.mark.parametrize("kind", ["dense", "query", "attention_output", "embedding"])
def test_codes_and_scales_are_those_of_keras(kind):
    layer, shape = {
        "dense": (layers.Dense(5), (16,)),
        "query": (layers.EinsumDense("abc,cde->abde", (None, 2, 4)), (6, 16)),
        "attention_output": (layers.EinsumDense("abcd,cde->abe", (None, 16)), (6, 2, 4)),
        "embedding": (layers.Embedding(9, 16), (6,)),
    }[kind]
    model = sequential(shape, layer)
    ((_, variable),) = quantization.tables(model).items()
    inputs, value = quantization.input_axes(model)[id(variable)], ops.convert_to_numpy(variable)
    codes, scale = keras.quantizers.abs_max_quantize(value, axis=inputs, epsilon=0.0, to_numpy=True)
    matrix = axes.as_matrix(value, inputs)
    mine = quantization.channel_scales(matrix, 8)
    theirs = axes.as_matrix(np.broadcast_to(ops.convert_to_numpy(scale), value.shape), inputs)[:1]
    np.testing.assert_allclose(1 / mine, theirs, rtol=1e-6)
    found = axes.as_table(quantization.quantize(matrix, mine), value.shape, inputs)
    assert np.mean(found != ops.convert_to_numpy(codes)) < 0.01  # A half may fall to either side.
    layer.quantize("int8")
    stored = ops.convert_to_numpy(layer.embeddings if kind == "embedding" else layer.kernel)
    assert np.mean(found != stored) < 0.01


@pytest.mark.parametrize("count", [1, 6, 7])
def test_packed_bytes_are_those_of_keras(count):
    codes = np.random.default_rng(0).integers(-8, 8, count).astype("int8")
    packed, _, length = keras.quantizers.pack_int4(codes, axis=0, dtype="int8")
    mine = quantization.pack_int4(codes)
    np.testing.assert_array_equal(mine, ops.convert_to_numpy(packed).view("uint8"))
    back = keras.quantizers.unpack_int4(mine.view("int8"), length, axis=0)
    np.testing.assert_array_equal(quantization.unpack_int4(mine, (count,)), ops.convert_to_numpy(back))


def gradient(function, x):
    layer = layers.Dense(1, use_bias=False)
    layer.build((None, len(x)))
    layer.kernel.assign(x[:, None])
    weights = np.arange(1.0, len(x) + 1, dtype="float32")[:, None]
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(lambda value: ops.sum(weights * function(value)))(ops.convert_to_tensor(x[:, None]))
    if keras.backend.backend() == "torch":
        import torch

        loss = ops.sum(ops.convert_to_tensor(weights) * function(layer.kernel.value))
        return torch.autograd.grad(loss, layer.kernel.value)[0]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = ops.sum(weights * function(ops.convert_to_tensor(layer.kernel)))
    return tape.gradient(loss, layer.kernel)


@pytest.mark.parametrize("bits", [4, 8])
def test_fake_quantization_and_its_gradient_are_those_of_keras(bits):
    scale = np.float32(2.0**-6)
    low, high = -scale * 2 ** (bits - 1), scale * (2 ** (bits - 1) - 1)
    x = np.append(np.random.default_rng(0).uniform(1.3 * low, 1.3 * high, 40), [low, high]).astype("float32")

    def theirs(value):
        return keras.quantizers.fake_quant_with_min_max_vars(value, low, high, num_bits=bits)

    def mine(value):
        return quantization.fake_quantize(value, scale, bits)

    np.testing.assert_allclose(ops.convert_to_numpy(mine(x)), ops.convert_to_numpy(theirs(x)), atol=1e-6)
    found, expected = (ops.convert_to_numpy(gradient(each, x)) for each in (mine, theirs))
    np.testing.assert_allclose(found, expected, atol=1e-6)  # At the ends of the range it is whole, too.


# Training


@pytest.mark.parametrize("dtype", ["float32", "float16", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("bits", [4, 8])
def test_a_channel_of_zeros_is_harmless_in_any_precision(dtype, bits):
    model = sequential((8,), layers.Dense(6, dtype=dtype), layers.Dense(3, dtype=dtype))
    kernel = ops.convert_to_numpy(model.layers[0].kernel).copy()
    kernel[:, 0], kernel[:, 1], kernel[:, 2] = 0, 1e-7, -0.0
    model.layers[0].kernel.assign(kernel)
    aware = quantization.QuantizationAware(model, bits)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 8)).astype("float32"), rng.integers(0, 3, 32)
    aware.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(aware.fit(x, y, epochs=2, verbose=0).history["loss"]).all()
    assert all(np.isfinite(each.astype("float32")).all() for each in aware.strip().get_weights())


@pytest.mark.parametrize("kind", ["attention", "convolutional"])
@pytest.mark.parametrize("group_size", [None, 4])
def test_training_rounds_as_rounding_does(kind, group_size):
    if kind == "convolutional":
        model = sequential((6, 6, 4), layers.DepthwiseConv2D(2), layers.Conv2DTranspose(6, 2))
    else:
        model = built(kind)
    wide_ranges(model)
    before = model.get_weights()
    expected = quantization.round_weights(model, 5, group_size).get_weights()
    model.set_weights(before)
    for mine, value in zip(
        quantization.QuantizationAware(model, 5, group_size).strip().get_weights(), expected, strict=True
    ):
        np.testing.assert_allclose(mine, value, rtol=1e-5, atol=1e-9)


# Files of quantized models


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_a_quantized_model_with_attention_reloads(tmp_path, mode):
    model = built("attention")
    x = batch(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "__array__ implementation")  # Keras' of PyTorch's tensors.
        found = quantization.quantize_model(model, mode).predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), found, atol=1e-6)


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(layers.Layer):
    """It makes a layer and does not hand its dtype on."""

    def build(self, shape):
        self.dense = layers.Dense(4, name="dense")
        self.dense.build(shape)

    def call(self, x):
        return self.dense(x)


def test_a_quantized_model_that_keras_cannot_load_is_named_with_the_remedy(tmp_path):
    def make():
        return sequential((8,), Forgetful(name="forgetful"), layers.Dense(2))

    with pytest.warns(UserWarning, match=r"forgetful.*`save_weights`.*`load_weights`"):
        model = quantization.quantize_model(make(), "int8")
    model.save(tmp_path / "model.keras")
    with pytest.raises(Exception, match="could not be loaded"):
        keras.models.load_model(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    with pytest.warns(UserWarning, match="forgetful"):
        again = quantization.quantize_model(make(), "int8")
    again.load_weights(tmp_path / "model.weights.h5")
    x = batch(model)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_what_keras_leaves_unquantized_is_said():
    with pytest.warns(UserWarning, match=r"reached 1?\d% of the weights.*lstm_cell/recurrent_kernel"):
        quantization.quantize_model(sequential((5, 8), layers.LSTM(16), layers.Dense(3)), "int8")
