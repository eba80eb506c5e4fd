"""Codes against their definition, files that survive a round trip, models that keep their predictions."""

import os

import hypothesis
import hypothesis.extra.numpy as hnp
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from course_lib import fine_tuning, pruning, quantization, transformer
from course_lib.pruning.gradients import gradients

needs_new_keras = pytest.mark.skipif(
    not hasattr(keras.quantizers, "AWQConfig"), reason="Keras before 3.15 has neither AWQ nor groups in int4"
)

examples = hypothesis.settings(deadline=None, max_examples=40, database=None, derandomize=True)
numbers = st.floats(-1e3, 1e3, width=32)
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="LiteRT files are written with Keras on TensorFlow"
)


# Codes


@examples
@hypothesis.given(
    low=numbers, width=st.floats(0, 1e3, width=32), bits=st.integers(2, 16), symmetric=st.booleans()
)
def test_a_code_covers_its_range_and_holds_zero(low, width, bits, symmetric):
    scale, zero_point = quantization.scale_and_zero_point(low, low + width, bits, symmetric)
    assert scale > 0
    assert (
        quantization.dequantize(quantization.quantize(0.0, scale, zero_point, bits), scale, zero_point) == 0
    )
    for x in (low, low + width):
        back = quantization.dequantize(quantization.quantize(x, scale, zero_point, bits), scale, zero_point)
        assert abs(back - x) <= scale * 1.01 + 1e-6
    if symmetric:
        assert zero_point == 0


@examples
@hypothesis.given(x=hnp.arrays("float32", st.integers(1, 30), elements=numbers), bits=st.integers(2, 12))
def test_rounding_is_off_by_half_a_step_at_most(x, bits):
    scale, zero_point = quantization.scale_and_zero_point(-np.abs(x).max(), np.abs(x).max(), bits)
    back = quantization.dequantize(quantization.quantize(x, scale, zero_point, bits), scale)
    assert np.all(np.abs(back - x) <= 0.5001 * scale + 1e-6)


def test_codes_by_hand():
    scale, zero_point = quantization.scale_and_zero_point(-1.0, 3.0, 8, symmetric=False)
    assert scale == pytest.approx(4 / 255)
    assert zero_point == -64
    codes = quantization.quantize([-9.0, -1.0, 0.0, 0.5, 3.0, 9.0], scale, zero_point)
    assert codes.dtype == np.int8
    assert codes.tolist() == [-128, -128, -64, -32, 127, 127]
    assert quantization.scale_and_zero_point(0.0, 0.0)[0] == 1
    assert quantization.quantize([0.5, 1.5, 2.5], 1.0).tolist() == [0, 2, 2]
    assert quantization.quantize(300.0, 1.0, bits=9).dtype == np.int16


def test_the_code_is_that_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    x = np.random.default_rng(0).normal(size=200).astype("float32")
    scale, zero_point = quantization.scale_and_zero_point(-1.7, 2.2, 8, symmetric=False)
    low, high = (float(quantization.dequantize(code, scale, zero_point)) for code in (-128, 127))
    expected = tf.quantization.fake_quant_with_min_max_args(x, min=low, max=high, num_bits=8)
    mine = quantization.dequantize(quantization.quantize(x, scale, zero_point), scale, zero_point)
    assert np.mean(np.abs(mine - expected) > 1e-5) < 0.02  # Halves go to another side there.
    np.testing.assert_allclose(mine, expected, atol=1.001 * scale)


@pytest.mark.parametrize(
    "arguments", [(1.0, 0.0), (-np.inf, 0.0), (0.0, np.nan), (0.0, 1.0, 1), (0.0, 1.0, 17)]
)
def test_impossible_codes_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        quantization.scale_and_zero_point(*arguments)


@examples
@hypothesis.given(
    kernel=hnp.arrays("float32", (6, 4), elements=numbers), axis=st.sampled_from([0, 1, -1, None])
)
def test_channels_have_their_own_scales(kernel, axis):
    scales = quantization.channel_scales(kernel, 8, axis)
    assert scales.shape == {0: (6, 1), 1: (1, 4), -1: (1, 4), None: (1, 1)}[axis]
    assert np.abs(quantization.quantize(kernel, scales).astype(int)).max() <= 127
    finer = quantization.channel_scales(kernel, 8, -1)
    assert np.all(finer <= quantization.channel_scales(kernel, 8, None) + (finer == 1))


def test_groups_are_channels_of_a_taller_kernel():
    kernel = np.random.default_rng(1).normal(size=(12, 5)).astype("float32")
    codes, scales = quantization.quantize_groups(kernel, 4, 4)
    assert codes.shape == (12, 5)
    assert scales.shape == (3, 5)
    back = quantization.dequantize_groups(codes, scales)
    for group in range(3):
        part = kernel[4 * group : 4 * group + 4]
        np.testing.assert_array_equal(back[4 * group : 4 * group + 4], quantization.round_trip(part, 4))


@pytest.mark.parametrize(("shape", "group_size"), [((12, 5), 5), ((12, 5), 0), ((12, 5), 24), ((12,), 4)])
def test_groups_that_do_not_divide_are_refused(shape, group_size):
    with pytest.raises(ValueError, match=r"do not divide|two axes"):
        quantization.quantize_groups(np.ones(shape), 4, group_size)


@examples
@hypothesis.given(codes=hnp.arrays("int8", st.integers(0, 33), elements=st.integers(-8, 7)))
def test_packed_integers_come_back(codes):
    packed = quantization.pack_int4(codes)
    assert packed.dtype == np.uint8
    assert packed.nbytes == (codes.size + 1) // 2
    np.testing.assert_array_equal(quantization.unpack_int4(packed, codes.shape), codes)


def test_packing_by_hand_and_its_errors():
    assert quantization.pack_int4([[1, -1], [-8, 7]]).tolist() == [0xF1, 0x78]
    with pytest.raises(ValueError, match="-8 to 7"):
        quantization.pack_int4([8])
    with pytest.raises(ValueError, match="takes 2 bytes"):
        quantization.unpack_int4(np.zeros(3, "uint8"), (2, 2))


@pytest.mark.parametrize("bits", [6, 8, 10, 12])
def test_a_bit_is_worth_six_decibels(bits):
    x = np.random.default_rng(2).uniform(-1, 1, 200_000)
    scale, _ = quantization.scale_and_zero_point(-1.0, 1.0, bits)
    found = quantization.sqnr(x, quantization.dequantize(quantization.quantize(x, scale, bits=bits), scale))
    # Signal 1/3, noise scale² / 12; 6.02 dB per bit but for the unused lowest integer.
    assert found == pytest.approx(20 * np.log10(2 * (2 ** (bits - 1) - 1)), abs=0.03)
    assert found == pytest.approx(6.02 * bits, abs=0.3)


def test_sqnr_of_no_error_and_of_nothing():
    assert quantization.sqnr(np.ones(3), np.ones(3)) == np.inf
    assert quantization.sqnr([3.0, 4.0], [3.0, 4.5]) == pytest.approx(20.0)
    for x, y in ((np.zeros(2), np.zeros(2)), (np.ones(2), np.ones(3))):
        with pytest.raises(ValueError, match="one shape"):
            quantization.sqnr(x, y)


def test_calibration_leaves_outliers_out():
    x = np.concatenate([np.random.default_rng(3).normal(size=100_000), [80.0]])
    ranges = {how: quantization.calibrate(x, how, bits=4) for how in ("extremes", "percentile", "mse")}
    assert ranges["extremes"] == (x.min(), 80.0)
    assert ranges["percentile"] == pytest.approx(tuple(np.percentile(x, [0.1, 99.9])))

    def error(how):
        code = quantization.scale_and_zero_point(*ranges[how], 4, symmetric=False)
        return np.mean((quantization.dequantize(quantization.quantize(x, *code, 4), *code) - x) ** 2)

    assert error("mse") <= error("extremes")
    assert ranges["mse"][1] < 40
    with pytest.raises(ValueError, match="percentile"):
        quantization.calibrate(x, "percentile", percentile=101)
    with pytest.raises(ValueError, match="extremes"):
        quantization.calibrate(x, "guess")
    for wrong in ([], [1.0, np.nan], [np.inf]):
        with pytest.raises(ValueError, match="must hold finite numbers"):
            quantization.calibrate(wrong)


def test_what_has_no_code_is_refused():
    for x, scale in ((np.nan, 1.0), ([1.0, np.nan], 0.5), (0.0, 0.0)):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="has no code"):
            quantization.quantize(x, scale)
    assert quantization.quantize([np.inf, -np.inf], 1.0).tolist() == [127, -128]
    with pytest.raises(ValueError, match="3 of 3 ranges") as caught:
        quantization.round_trip(np.full((4, 3), np.nan), 4)
    assert len(str(caught.value)) < 120  # No arrays.


# Training


@pytest.mark.backend
@pytest.mark.parametrize("bits", [4, 8])
def test_fake_quantization_rounds_and_passes_the_gradient(bits):
    x = np.array([-9.0, -0.31, 0.02, 0.27, 9.0], "float32")
    scale = np.float32(1.0 / 2 ** (bits - 1))
    expected = quantization.dequantize(quantization.quantize(x, scale, bits=bits), scale)
    np.testing.assert_allclose(
        ops.convert_to_numpy(quantization.fake_quantize(x, scale, bits)), expected, atol=1e-6
    )
    variable = keras.Variable(x)
    upstream = np.arange(1.0, 6.0, dtype="float32")

    class Product(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.kernel = self.add_weight(shape=(5,), name="kernel")

        def call(self, y):
            return y * quantization.fake_quantize(ops.convert_to_tensor(self.kernel), scale, bits)

    model = keras.Sequential([keras.Input((5,)), Product()])
    model.layers[0].kernel.assign(variable)
    (gradient,) = gradients(lambda: ops.sum(model(upstream[None])), [model.layers[0].kernel])
    mine = quantization.straight_through_gradient(x, upstream, scale, bits)
    np.testing.assert_allclose(ops.convert_to_numpy(gradient), mine)
    assert mine.tolist() == [0, 2, 3, 4, 0]


def network(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)]
    )


@pytest.mark.backend
@pytest.mark.parametrize("group_size", [None, 4])
def test_training_with_rounded_kernels(group_size):
    inner = network()
    model = quantization.QuantizationAware(inner, bits=3, group_size=group_size)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    rounded = network()
    quantization.round_weights(rounded, 3, group_size)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(x)), ops.convert_to_numpy(rounded(x)), rtol=1e-4, atol=1e-5
    )
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(x, y, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    trained = model.predict(x, verbose=0)
    plain = model.strip()
    assert plain is inner
    np.testing.assert_allclose(plain.predict(x, verbose=0), trained, atol=1e-5)
    before = [ops.convert_to_numpy(weight).copy() for weight in plain.weights]
    quantization.round_weights(plain, 3, group_size)  # Nothing is left to round.
    for weight, value in zip(plain.weights, before, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(weight), value, atol=1e-6)


def test_training_refuses_groups_that_do_not_divide():
    with pytest.raises(ValueError, match="do not divide"):
        quantization.QuantizationAware(network(), 4, group_size=5)


# Whole models


def classifier(seed=0, rank=None, dtype=None):
    keras.utils.set_random_seed(seed)
    encoder = transformer.encoder(60, 2, 2, 16, 32, max_length=24, spread=0.2, dtype=dtype)
    model = fine_tuning.classifier(encoder)
    return pruning.factorise(model, {"token_embedding": rank}) if rank else model


def inputs(count=4, length=8, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.arange(length) < rng.integers(3, length + 1, size=(count, 1))
    return {
        "token_ids": (rng.integers(1, 60, size=(count, length)) * mask).astype("int32"),
        "segment_ids": np.zeros((count, length), "int32"),
        "padding_mask": mask.astype("int32"),
    }


def rows(batch):
    return [{name: value[i : i + 1] for name, value in batch.items()} for i in range(len(batch["token_ids"]))]


@pytest.mark.backend
def test_tables_are_kernels_and_embeddings():
    found = quantization.tables(classifier())
    assert len(found) == 3 + 2 * 6 + 1  # Three embeddings, six kernels per block, the head.
    assert all(path.endswith(("kernel", "embeddings")) for path in found)
    bare = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="not built"):
        quantization.tables(bare)
    norm = keras.Sequential([keras.Input((4,)), keras.layers.LayerNormalization()])
    with pytest.raises(ValueError, match="no layer with a kernel"):
        quantization.tables(norm)


@pytest.mark.backend
def test_rounded_weights_get_closer_with_bits_and_with_groups():
    batch, errors = inputs(), {}
    expected = ops.convert_to_numpy(classifier()(batch))
    for form in ((8, None), (4, None), (4, 4)):
        model = quantization.round_weights(classifier(), *form)
        errors[form] = np.abs(ops.convert_to_numpy(model(batch)) - expected).max()
    assert errors[8, None] < errors[4, 4] < errors[4, None]
    model = classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match="do not divide"):
        quantization.round_weights(model, 4, 5)
    for mine, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, value)


@pytest.mark.backend
@pytest.mark.parametrize("bits", [4, 8])
def test_a_packed_file_holds_the_rounded_model(tmp_path, bits):
    model, path, batch = classifier(), tmp_path / "model.npz", inputs()
    quantization.save(model, path, bits, group_size=8)
    restored = quantization.load(classifier(seed=1), path)
    steps = 2 ** (bits - 1) - 1
    for mine, weight in zip(restored.get_weights(), model.weights, strict=True):
        value, table = ops.convert_to_numpy(weight), weight.path in quantization.tables(model)
        largest = np.abs(value).max(initial=0.0)
        # Half a step of the coarsest group, and what float16 takes off its scale.
        np.testing.assert_allclose(mine, value, atol=(0.5 / steps + 1e-3) * largest if table else 1e-7)
    expected = ops.convert_to_numpy(quantization.round_weights(classifier(), bits, 8)(batch))
    assert np.abs(ops.convert_to_numpy(restored(batch)) - expected).max() < 0.1
    quantization.save(restored, tmp_path / "again.npz", bits, group_size=8)
    twice = quantization.load(classifier(seed=2), tmp_path / "again.npz")
    for mine, expected in zip(twice.get_weights(), restored.get_weights(), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=2e-3, atol=1e-6)


def test_a_packed_file_is_small(tmp_path):
    model = keras.Sequential([keras.Input((512,)), keras.layers.Dense(512)])
    sizes = {}
    for bits in (4, 8):
        quantization.save(model, tmp_path / "model.npz", bits, group_size=64)
        sizes[bits] = (tmp_path / "model.npz").stat().st_size
    assert sizes[4] < 4 * model.count_params() / 7
    assert sizes[8] < 4 * model.count_params() / 3.7


def test_a_file_of_another_network_changes_nothing(tmp_path):
    path, model = tmp_path / "model.npz", classifier()
    quantization.save(network(), path, 4, group_size=8)
    before = model.get_weights()
    with pytest.raises(ValueError, match="another network"):
        quantization.load(model, path)
    content = path.read_bytes()
    for part in (b"", content[: len(content) // 2], b"no archive"):
        path.write_bytes(part)
        with pytest.raises(ValueError, match="holds no weights"):
            quantization.load(model, path)
    np.savez(path, header=np.array({"bits": 4}, dtype=object))
    with pytest.raises(ValueError, match="holds no weights"):
        quantization.load(model, path)
    for mine, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, value)


def test_a_damaged_file_with_a_good_header_is_refused(tmp_path):
    path, model = tmp_path / "model.npz", network()
    quantization.save(model, path, 4, group_size=8)
    with np.load(path) as file:
        arrays = dict(file)
    before = model.get_weights()
    for broken in ({"0": arrays["0"][:-1]}, {"0_scales": arrays["0_scales"][:, :-1]}, {"0": None}):
        changed = {name: value for name, value in {**arrays, **broken}.items() if value is not None}
        np.savez(path, **changed)
        with pytest.raises(ValueError, match="holds no weights"):
            quantization.load(model, path)
    for mine, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, value)


def test_saving_refuses_what_it_cannot_pack_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "model.npz"
    quantization.save(network(), path, 4, group_size=8)
    before = path.read_bytes()
    for arguments, message in (
        ((network(), path, 5, 8), "4 or 8"),
        ((network(), path, 4, 5), "do not divide"),
    ):
        with pytest.raises(ValueError, match=message):
            quantization.save(*arguments)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.npz"]


# Keras


@pytest.mark.parametrize(
    ("mode", "group_size", "near"),
    [("int8", None, 0.1), ("int4", None, 2.0), pytest.param("int4", 8, 2.0, marks=needs_new_keras)],
)
def test_keras_quantizes_and_reloads_to_the_same(tmp_path, mode, group_size, near):
    model, batch = classifier(), inputs()
    expected = ops.convert_to_numpy(model(batch))
    assert quantization.quantize_model(model, mode, group_size) is model
    found = model.predict(batch, verbose=0)
    assert 0 < np.abs(found - expected).max() < near
    kinds = {path: dtype for path, dtype, _, _ in quantization.report(model)}
    assert kinds["transformer_layer_0/attention/query/kernel"] == "int8"
    assert kinds["token_embedding/embeddings"] == "int8"
    assert kinds["position_embedding/embeddings"] == "float32"
    assert kinds["embeddings_norm/gamma"] == "float32"
    model.save_weights(tmp_path / "quantized.weights.h5")
    again = quantization.quantize_model(classifier(seed=1), mode, group_size)
    again.load_weights(tmp_path / "quantized.weights.h5")
    np.testing.assert_array_equal(again.predict(batch, verbose=0), found)


@pytest.mark.backend
@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_a_quantized_classifier_reloads(tmp_path, mode):
    model, batch = quantization.quantize_model(classifier(), mode, spare=("logits",)), inputs()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    kinds, expected = ({(w.path, str(w.dtype)) for w in each.weights} for each in (again, model))
    assert kinds == expected
    np.testing.assert_allclose(again.predict(batch, verbose=0), model.predict(batch, verbose=0), atol=1e-6)


def test_factored_and_spared_layers():
    model = quantization.quantize_model(classifier(rank=4), "int8", spare=("logits", "layer_1"))
    kinds = {path: dtype for path, dtype, _, _ in quantization.report(model)}
    assert kinds["token_embedding/table/embeddings"] == kinds["token_embedding/projection/kernel"] == "int8"
    assert kinds["logits/kernel"] == kinds["transformer_layer_1/output_dense/kernel"] == "float32"
    assert kinds["transformer_layer_0/output_dense/kernel"] == "int8"


@pytest.mark.parametrize("mode", ["gptq", pytest.param("awq", marks=needs_new_keras)])
def test_calibrated_modes_run_on_an_encoder(mode):
    model, batch = classifier(), inputs(length=8)
    batch["padding_mask"][:] = 1
    expected = ops.convert_to_numpy(model(batch))
    samples = np.random.default_rng(0).integers(1, 60, size=(6, 8))
    quantization.quantize_model(model, mode, 8, samples, spare=("logits", "embedding"))
    error = np.abs(model.predict(batch, verbose=0) - expected).max()
    assert 0 < error < 2.0
    with pytest.raises(ValueError, match="quantized already"):
        quantization.quantize_model(model, "int8")


def test_misuse_is_refused():
    model = classifier()
    for arguments, message in (
        (("int7",), "must be one of"),
        (("int8", 8), "has no groups"),
        (("int4", 5), "do not divide"),
        (("gptq", 8), "needs `samples`"),
        (("awq", 8, [[]]), "needs `samples`"),
        (("gptq", 8, np.full((2, 8), 60)), "Token ids must be from 0 to 59"),
        (("gptq", 8, np.ones((2, 25), int)), "There are 24 positions"),
        (("int8", None, None, (".",)), "no layer that Keras can quantize"),
    ):
        with pytest.raises(ValueError, match=message):
            quantization.quantize_model(model, *arguments)
    assert not any(layer.quantization_mode for layer in model._flatten_layers())
    quantization.quantize_model(model, "int8")
    with pytest.raises(ValueError, match="quantized already"):
        quantization.quantize_model(model, "int8")
    with pytest.raises(ValueError, match="quantized already"):
        quantization.save(model, "never.npz")
    with pytest.raises(ValueError, match="not built"):
        quantization.quantize_model(keras.Sequential([keras.layers.Dense(3)]), "int8")
    with pytest.raises(ValueError, match="block by block"):
        quantization.quantize_model(network(), "gptq", None, np.ones((2, 3)))


def test_a_mode_that_keras_lacks_is_named(monkeypatch):
    monkeypatch.delattr(keras.quantizers, "AWQConfig", raising=False)
    with pytest.raises(ValueError, match="has no AWQConfig"):
        quantization.quantize_model(classifier(), "awq", 8, np.ones((2, 8), int))


def test_groups_that_keras_lacks_are_named(monkeypatch):
    monkeypatch.setattr(keras.quantizers, "Int4QuantizationConfig", object)
    with pytest.raises(ValueError, match="no groups in int4"):
        quantization.quantize_model(classifier(), "int4", 8)


# LiteRT


@on_tensorflow
@pytest.mark.parametrize(
    ("mode", "near"),
    [("float32", 1e-4), ("float16", 0.02), ("dynamic", 0.2), ("integer", 0.5), ("int4", 1.0)],
)
def test_a_litert_file_predicts_what_keras_does(tmp_path, mode, near):
    model, batch, path = classifier(), inputs(), tmp_path / "model.tflite"
    samples = rows(inputs(20, seed=1)) if mode == "integer" else None
    quantization.export(model, path, mode, length=8, samples=samples)
    found = quantization.LiteRT(path, threads=1).predict(rows(batch))
    assert found.shape == (4, 2)
    assert np.abs(found - ops.convert_to_numpy(model(batch))).max() < near
    assert os.listdir(tmp_path) == ["model.tflite"]
    weights = {each.weights for each in quantization.operations(path) if each.name == "FULLY_CONNECTED"}
    stored = {"float32": "FLOAT32", "float16": "FLOAT16", "int4": "INT4"}
    assert weights == {stored.get(mode, "INT8")}


def wide(inputs=64, outputs=6, bias=True):
    x = keras.Input((inputs,))
    model = keras.Model(x, keras.layers.Dense(outputs, use_bias=bias)(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=each.shape) for each in model.weights])
    return model


def kernel_of(path, inputs):
    """The kernel with which a file of a dense layer without bias multiplies."""
    unit = np.eye(inputs, dtype="float32")
    return quantization.LiteRT(path).predict([unit[i : i + 1] for i in range(inputs)])


@on_tensorflow
@pytest.mark.parametrize(("inputs", "block"), [(64, None), (33, None), (64, 32), (64, 64), (256, 128)])
def test_four_bits_are_those_of_numpy(tmp_path, inputs, block):
    import ml_dtypes

    model, path = wide(inputs, bias=False), tmp_path / "model.tflite"
    quantization.export(model, path, "int4", block=block)
    kernel = model.get_weights()[0]
    parts = kernel.reshape(-1, block or inputs, kernel.shape[1])
    scales = np.abs(parts).max(axis=1, keepdims=True) / 7
    if block:  # LiteRT keeps these in the bits that bfloat16 has.
        scales = scales.astype(ml_dtypes.bfloat16).astype("float32")
    expected = np.clip(np.rint(parts / scales), -8, 7) * scales
    np.testing.assert_allclose(kernel_of(path, inputs), expected.reshape(kernel.shape), atol=1e-5)
    (found,) = quantization.operations(path)
    assert found == quantization.Operation("FULLY_CONNECTED", "FLOAT32", "INT4", 1, kernel.size)


@on_tensorflow
@pytest.mark.parametrize("mode", ["dynamic", "int4"])
def test_eight_bits_and_four_have_a_scale_per_output(tmp_path, mode):
    model, path = wide(bias=False), tmp_path / "model.tflite"
    kernel = model.get_weights()[0] * 10.0 ** np.arange(-3, 3)
    model.set_weights([kernel])
    quantization.export(model, path, mode)
    steps = np.abs(kernel).max(axis=0) / (127 if mode == "dynamic" else 7)
    assert np.all(np.abs(kernel_of(path, 64) - kernel) < 0.6 * steps)


@on_tensorflow
def test_zeros_and_tiny_weights_are_harmless_in_blocks(tmp_path):
    model, path = wide(bias=False), tmp_path / "model.tflite"
    kernel = model.get_weights()[0]
    kernel[:32, 0], kernel[:, 1], kernel[:, 2] = 0, 0, kernel[:, 2] * 1e-9
    model.set_weights([kernel])
    for block in (None, 32):
        quantization.export(model, path, "int4", block=block)
        found = kernel_of(path, 64)
        assert np.all(found[:, 1] == 0)
        assert np.all(found[:32, 0] == 0)
        assert np.all(np.abs(found - kernel) <= np.maximum(0.6 * np.abs(kernel).max(axis=0) / 7, 1e-6))
    model.set_weights([kernel * 1e6])
    with pytest.raises(ValueError, match="no scale of 16 bits"):
        quantization.export(model, path, "int4", block=32)


@on_tensorflow
def test_a_block_must_divide_the_inputs_and_belongs_to_four_bits(tmp_path):
    path = tmp_path / "model.tflite"
    for arguments, message in (
        ({"mode": "int4", "block": 48}, "32, 64, 128, 256.*block=48"),
        ({"mode": "dynamic", "block": 32}, "belongs to the mode"),
        ({"mode": "int4", "block": 256}, "must divide .* has 64 inputs"),
    ):
        with pytest.raises(ValueError, match=message):
            quantization.export(wide(), path, **arguments)
    assert not path.exists()


@on_tensorflow
@pytest.mark.parametrize(("mode", "block"), [("dynamic", None), ("int4", 32)])
def test_signatures_share_their_weights(tmp_path, mode, block):
    keras.utils.set_random_seed(0)
    model = fine_tuning.classifier(transformer.encoder(4000, 1, 2, 64, 128, max_length=24))
    one, several = tmp_path / "one.tflite", tmp_path / "more.tflite"
    quantization.export(model, one, mode, length=8, block=block)
    quantization.export(model, several, mode, shapes=[(4, 8), (1, 16)], block=block)
    graphs = 2 * 40_000  # A graph of this encoder without weights is less.
    assert several.stat().st_size < one.stat().st_size + graphs < 2 * one.stat().st_size
    from ai_edge_litert.interpreter import Interpreter

    batch, interpreter = inputs(), Interpreter(str(several))
    together = interpreter.get_signature_runner("b4_l8")(**batch)
    alone = quantization.LiteRT(one).predict(rows(batch))
    np.testing.assert_allclose(*together.values(), alone, atol=1e-4)
    long = {name: np.pad(value[:1], ((0, 0), (0, 8))) for name, value in batch.items()}
    padded = interpreter.get_signature_runner("b1_l16")(**long)
    np.testing.assert_allclose(*padded.values(), alone[:1], atol=0.1)
    assert quantization.operations(several, "b4_l8") == quantization.operations(one)
    with pytest.raises(ValueError, match=r"b1_l16, b4_l8\. Received: 'b2_l8'"):
        quantization.operations(several, "b2_l8")


@on_tensorflow
def test_what_stays_in_floats_is_listed(tmp_path):
    x = keras.Input((6,), dtype="int32")
    h = keras.layers.LayerNormalization()(keras.layers.Embedding(40, 8)(x))
    model, path = keras.Model(x, keras.layers.Dense(3, activation="softmax")(h)), tmp_path / "model.tflite"

    def found(mode, samples=None):
        quantization.export(model, path, mode, samples=samples)
        return {each.name: each for each in quantization.operations(path)}

    one = quantization.Operation
    for mode, weights, activations in (
        ("float32", "FLOAT32", "FLOAT32"),
        ("float16", "FLOAT16", "FLOAT32"),
        ("dynamic", "INT8", "FLOAT32"),
        ("integer", "INT8", "INT8"),
    ):
        samples = [np.full((1, 6), i, "int32") for i in range(40)] if mode == "integer" else None
        listed = found(mode, samples)
        assert listed["FULLY_CONNECTED"] == one("FULLY_CONNECTED", activations, weights, 1, 24)
        table = weights if "FLOAT" in weights else "INT8"
        assert listed["GATHER"] == one("GATHER", "INT8" if table == "INT8" else "FLOAT32", table, 1, 320)
        assert listed["SOFTMAX"] == one("SOFTMAX", "FLOAT32", "", 1, 0)
    assert found("int4")["GATHER"].weights == "INT8"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no LiteRT model"):
        quantization.operations(path)
    path.write_bytes(b"0000TFL3 and then nothing")
    with pytest.raises(ValueError, match="is no LiteRT model"):
        quantization.operations(path)
    with pytest.raises(FileNotFoundError):
        quantization.operations(tmp_path / "none.tflite")


@on_tensorflow
@pytest.mark.parametrize(("mode", "near"), [("dynamic", 0.01), ("integer", 0.02), ("int4", 0.1)])
def test_the_loop_of_a_recurrent_layer_is_quantized(tmp_path, mode, near):
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 4))
    model, path = keras.Model(x, keras.layers.Dense(2)(keras.layers.LSTM(8)(x))), tmp_path / "model.tflite"
    batch = np.random.default_rng(0).normal(size=(6, 6, 4)).astype("float32")
    samples = [batch[i : i + 1] for i in range(6)]
    quantization.export(model, path, mode, samples=samples if mode == "integer" else None)
    error = np.abs(quantization.LiteRT(path).predict(samples) - model.predict(batch, verbose=0)).max()
    assert 0 < error < near
    dense = [each for each in quantization.operations(path) if each.name == "FULLY_CONNECTED"]
    assert [(each.weights, each.count) for each in dense] == [("INT4" if mode == "int4" else "INT8", 3)]


@on_tensorflow
def test_calibration_takes_the_whole_range_in_any_order(tmp_path):
    model, path = wide(), tmp_path / "model.tflite"
    rng = np.random.default_rng(0)
    samples = [(10.0**i * rng.normal(size=(1, 64))).astype("float32") for i in (0, 1, -1)]
    files = []
    for order in (samples, samples[::-1]):
        quantization.export(model, path, "integer", samples=order)
        files.append(path.read_bytes())
    assert files[0] == files[1]
    for each in samples:
        assert (
            np.abs(quantization.LiteRT(path)(each) - model(each)).max()
            < 0.02 * np.abs(model(samples[1])).max()
        )


@on_tensorflow
def test_a_float_file_is_quantized_as_its_model_is(tmp_path):
    model, samples = classifier(), rows(inputs())
    source, of_file, of_model = (tmp_path / f"{name}.tflite" for name in ("float", "file", "model"))
    quantization.export(model, source, length=8)
    for way in ({"mode": "dynamic"}, {"mode": "int4"}, {"mode": "integer", "samples": samples}):
        quantization.quantize_file(source, of_file, **way)
        quantization.export(model, of_model, length=8, **way)
        assert quantization.operations(of_file) == quantization.operations(of_model)
        first, second = (quantization.LiteRT(path).predict(samples) for path in (of_file, of_model))
        np.testing.assert_allclose(first, second, atol=1e-5)
    for way, message in (
        ({"mode": "float16"}, "dynamic, integer, int4.*float16"),
        ({"mode": "integer"}, "needs at least one"),
        ({"mode": "int4", "block": 48}, "block=48"),
    ):
        with pytest.raises(ValueError, match=message):
            quantization.quantize_file(source, tmp_path / "none.tflite", **way)
    assert not (tmp_path / "none.tflite").exists()


@on_tensorflow
def test_export_writes_nothing_to_the_notebook(tmp_path, capfd):
    quantization.export(classifier(), tmp_path / "model.tflite", "integer", 8, samples=rows(inputs()))
    assert capfd.readouterr() == ("", "")


@on_tensorflow
def test_padding_changes_nothing_in_a_litert_file(tmp_path):
    model, path = classifier(), tmp_path / "model.tflite"
    quantization.export(model, path, length=12)
    short, long = inputs(2, 8), inputs(2, 8)
    long = {name: np.pad(value, ((0, 0), (0, 4))) for name, value in long.items()}
    found = quantization.LiteRT(path, threads=1).predict(rows(long))
    np.testing.assert_allclose(found, ops.convert_to_numpy(model(short)), atol=1e-4)


def spatial():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.DepthwiseConv2D(3)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Conv2DTranspose(5, 3)(x)
    return keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(x)))


def pair():
    one, other = keras.Input((5,)), keras.Input((None, 3), name="steps")
    x = keras.layers.Concatenate()([one, keras.layers.GRU(4)(other)])
    return keras.Model([one, other], [keras.layers.Dense(2)(x), keras.layers.Dense(1)(x)])


@on_tensorflow
@pytest.mark.parametrize(
    ("mode", "near"), [("float32", 1e-5), ("dynamic", 0.1), ("integer", 0.2), ("int4", 0.3)]
)
def test_a_litert_file_of_a_convolutional_network(tmp_path, mode, near):
    keras.utils.set_random_seed(0)
    model, x = spatial(), np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype("float32")
    samples = [x[i : i + 1] for i in range(6)]
    quantization.export(
        model, tmp_path / "model.tflite", mode, samples=samples if mode == "integer" else None
    )
    found = quantization.LiteRT(tmp_path / "model.tflite").predict(samples)
    assert np.abs(found - model.predict(x, verbose=0)).max() < near
    listed = {each.name: each.weights for each in quantization.operations(tmp_path / "model.tflite")}
    few = "FLOAT32" if mode == "float32" else "INT8"  # There is no product with 4 bits for two of them.
    assert listed["DEPTHWISE_CONV_2D"] == listed["TRANSPOSE_CONV"] == few
    assert listed["CONV_2D"] == listed["FULLY_CONNECTED"] == ("INT4" if mode == "int4" else few)


@on_tensorflow
def test_a_litert_file_of_a_list_of_inputs_and_two_outputs(tmp_path):
    rng = np.random.default_rng(0)
    one, steps = (rng.normal(size=shape).astype("float32") for shape in ((4, 5), (4, 7, 3)))
    model = pair()
    quantization.export(model, tmp_path / "model.tflite", length=7)
    runner = quantization.LiteRT(tmp_path / "model.tflite")
    found = runner.predict([{"input_0": one[i : i + 1], "steps": steps[i : i + 1]} for i in range(4)])
    expected = model.predict([one, steps], verbose=0)
    for mine, value in zip((found["output_0"], found["output_1"]), expected, strict=True):
        np.testing.assert_allclose(mine, value, atol=1e-5)
    for wrong in ({"one": one[:1], "steps": steps[:1]}, one[:1]):
        with pytest.raises(ValueError, match="takes a dict of input_0, steps"):
            runner(wrong)


@on_tensorflow
def test_export_names_a_model_whose_inputs_are_not_known(tmp_path):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model(np.ones((1, 3), "float32"))
    with pytest.raises(ValueError, match="does not say what its inputs are"):
        quantization.export(model, tmp_path / "model.tflite")
    x = keras.Input((3,))
    quantization.export(keras.Model(x, model(x)), tmp_path / "model.tflite")
    ones = np.ones((1, 3), "float32")
    np.testing.assert_allclose(quantization.LiteRT(tmp_path / "model.tflite")(ones), model(ones), atol=1e-6)


def test_export_refuses_misuse_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"before")
    half = classifier(dtype="mixed_bfloat16")
    samples = rows(inputs())
    for arguments, message in (
        ((classifier(), path, "int2"), "`mode` is one of"),
        ((classifier(), tmp_path / "model.bin"), "ends in .tflite"),
        ((classifier(), path, "integer"), "needs at least one"),
        ((classifier(), path, "dynamic", 8, samples), "needs at least one"),
        ((half, path), "computes in bfloat16"),
        ((quantization.quantize_model(classifier(), "int8"), path), "quantized already"),
    ):
        with pytest.raises(ValueError, match=message):
            quantization.export(*arguments)
    assert path.read_bytes() == b"before"


def test_a_file_that_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="is no LiteRT model"):
        quantization.LiteRT(path)


def test_texts_become_inputs_of_one_length():
    found = quantization.inputs(["A good film.", "Bad " * 40], length=16)
    assert len(found) == 2
    for each in found:
        assert {value.shape for value in each.values()} == {(1, 16)}
        assert {value.dtype for value in each.values()} == {np.dtype("int32")}
    assert found[0]["padding_mask"].sum() == 6
    assert found[1]["padding_mask"].sum() == 16


def test_one_expression_spares_what_it_finds_and_no_letters_of_it():
    keras.utils.set_random_seed(0)
    parts = [keras.layers.Dense(16, name="first"), keras.layers.Dense(4, name="last")]
    model = keras.Sequential([keras.Input((16,)), *parts])
    before = [np.array(layer.kernel.numpy()) for layer in parts]
    quantization.round_weights(model, 2, spare="last/")
    assert [np.array_equal(layer.kernel, old) for layer, old in zip(parts, before, strict=True)] == [
        False,
        True,
    ]
    quantization.quantize_model(model, "int8", spare="last/")
    assert [layer.quantization_mode for layer in parts] == ["int8", None]


def test_groups_are_whole_numbers():
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16)])
    with pytest.raises(ValueError, match=r"groups of 4\.5"):
        quantization.round_weights(model, 4, group_size=4.5)


def test_a_kernel_without_inputs_is_saved_and_loaded(tmp_path):
    layer = keras.layers.EinsumDense("abc,bc->abc", (5, 4))
    model = keras.Sequential([keras.Input((5, 4)), layer])
    kernel = layer.kernel.numpy()
    quantization.save(model, tmp_path / "file.npz", bits=4)
    layer.kernel.assign(np.zeros((5, 4)))
    quantization.load(model, tmp_path / "file.npz")
    np.testing.assert_allclose(layer.kernel, kernel, rtol=1e-3)  # Each number has a scale of its own.


def test_what_is_called_step_by_step_stays_in_floats():
    # `TimeDistributed` takes `call` and not what Keras calls for integers, which had lost their scale.
    keras.utils.set_random_seed(0)
    inner = keras.layers.Dense(4, name="inner")
    parts = [keras.layers.TimeDistributed(inner), keras.layers.Dense(8, name="outer")]
    model = keras.Sequential([keras.Input((5, 4)), *parts])
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    before = model(x).numpy()
    with pytest.warns(UserWarning, match=r"TimeDistributed. calls, so \S*inner stay"):
        quantization.quantize_model(model, "int8")
    np.testing.assert_allclose(model(x), before, atol=0.05)
    assert [inner.quantization_mode, parts[1].quantization_mode] == [None, "int8"]


def test_equations_that_keras_cannot_quantize_change_nothing():
    parts = [keras.layers.Dense(4, name="first"), keras.layers.EinsumDense("...x,xy->...y", 6, name="dots")]
    model = keras.Sequential([keras.Input((5, 4)), *parts])
    with pytest.raises(ValueError, match=r"dots: its equation"):
        quantization.quantize_model(model, "int8")
    assert parts[0].quantization_mode is None
