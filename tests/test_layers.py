"""Layers inside layers: found, each once, and back from a file with the precision that they had."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

from course_lib import fine_tuning, layers, pretraining, pruning, quantization, transformer
from course_lib.pruning import encoders

needs_new_keras = pytest.mark.skipif(
    not hasattr(keras.quantizers, "AWQConfig"), reason="Keras before 3.15 has neither AWQ nor groups in int4"
)

pytestmark = pytest.mark.backend


def encoder():
    keras.utils.set_random_seed(0)
    return transformer.encoder(60, 1, 2, 16, 32, max_length=24, spread=0.2)


def sequential():
    block = transformer.EncoderBlock(2, 32, name="block")
    return keras.Sequential([keras.Input((6, 16)), block, keras.layers.Dense(2)], name="sequential")


def nested():
    inner = fine_tuning.classifier(encoder())
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in inner.input}
    return keras.Model(inputs, keras.layers.Dense(3)(inner(inputs)))


def factored():
    model = pruning.factorise(fine_tuning.classifier(encoder()), {"token_embedding": 4})
    head = encoders.FactoredBlock(rank=4, num_heads=2, intermediate_dim=32, name="more")
    return keras.Model(model.input, head(model.get_layer("transformer_layer_0").output))


MODELS = {
    "classifier": lambda: fine_tuning.classifier(encoder()),
    "sequential": sequential,
    "nested": nested,
    "factored": factored,
    "masked": lambda: pretraining.masked_language_model(encoder()),
}


def batch(model):
    rng = np.random.default_rng(0)
    if isinstance(model, keras.Sequential):
        return rng.normal(size=(3, 6, 16)).astype("float32")
    ids = rng.integers(1, 60, size=(3, 6)).astype("int32")
    known = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}
    return {name: known.get(name, ids[:, :2] % 6) for name in model.input}


def predicted(model, x):
    found = model(x, training=False)
    return keras.ops.convert_to_numpy(found["masked"] if isinstance(found, dict) else found)


def kinds(model):
    return sorted((each.name, tuple(each.shape), str(each.dtype)) for each in model.weights)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("classifier", "int8"),
        ("classifier", "float8"),
        ("sequential", "int4"),
        ("nested", "int8"),
        ("factored", "int4"),
        ("masked", "int8"),
    ],
)
def test_what_keras_has_quantized_reloads_again_and_again(tmp_path, kind, mode):
    model, path = MODELS[kind](), tmp_path / "model.keras"
    x = batch(model)
    before = predicted(model, x)
    model.quantize(mode)
    expected = predicted(model, x)
    assert np.abs(expected - before).max() > 0
    again = model
    for _ in range(2):
        again.save(path)
        again = keras.models.load_model(path)
        assert kinds(again) == kinds(model)
        np.testing.assert_allclose(predicted(again, x), expected, atol=1e-6)


def test_a_quantized_block_says_how_its_layers_are_stored():
    model = sequential()
    assert model.get_layer("block").get_config()["dtype"]["class_name"] == "DTypePolicy"
    quantization.quantize_model(model, "int8", spare=("query", "output_dense"))
    block = model.get_layer("block")
    assert isinstance(block.dtype_policy, keras.dtype_policies.DTypePolicy)  # `get_config` alone says it.
    policy = keras.dtype_policies.deserialize(block.get_config()["dtype"])
    projections = ["attention/attention_output", "attention/key", "attention/value"]
    assert sorted(policy) == [*projections, "intermediate_dense"]
    assert {each.quantization_mode for each in policy.values()} == {"int8"}
    assert policy.default_policy.name == "float32"
    twin = transformer.EncoderBlock.from_config(block.get_config())
    twin.build((None, 6, 16))
    assert kinds(twin) == kinds(block)


def test_a_map_of_paths_as_keras_has_it_is_passed_on():
    policy = keras.dtype_policies.DTypePolicyMap("float32")
    policy[".*/intermediate_dense"] = "int8_from_float32"
    block = transformer.EncoderBlock(2, 32, name="block", dtype=policy)
    model = keras.Sequential([keras.Input((6, 16)), block])
    assert str(block.intermediate_dense.kernel.dtype) == "int8"
    assert str(block.output_dense.kernel.dtype) == "float32"
    assert model(np.ones((1, 6, 16), "float32")).shape == (1, 6, 16)


@pytest.mark.parametrize("mode", ["gptq", pytest.param("awq", marks=needs_new_keras)])
def test_calibrated_modes_that_keras_cannot_load_are_said(tmp_path, mode):
    samples, path = np.random.default_rng(0).integers(1, 60, size=(4, 8)), tmp_path / "model.weights.h5"

    def make():
        model = fine_tuning.classifier(encoder())
        return quantization.quantize_model(model, mode, samples=samples, spare=("logits", "embedding"))

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model, again = make(), make()
    model.save_weights(path)
    try:
        again.load_weights(path)
        loaded = True
    except ValueError:
        loaded = False
    assert loaded != any("cannot load this model again" in str(each.message) for each in said)


def test_a_file_brings_the_modules_that_its_layers_are_from(tmp_path):
    path = tmp_path / "model.keras"
    model = factored()
    model.save(path)
    code = f"from course_lib import layers; print(layers.load_model({str(path)!r}).count_params())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split()[-1:] == [str(model.count_params())], done.stderr
    path.write_bytes(b"nothing")
    for wrong in (path, tmp_path / "none.keras"):
        with pytest.raises(ValueError, match=r"is no \.keras file"):
            layers.load_model(wrong)


@keras.saving.register_keras_serializable(package="tests")
class Holder(keras.layers.Layer):
    def __init__(self, shared, **kwargs):
        super().__init__(**kwargs)
        self.one = shared
        a, b, c = (keras.layers.Dense(1, name=f"in_{name}") for name in ("a", "b", "set"))
        self.many = {"a": [a], "b": (b, shared)}
        self.others = {c}

    def call(self, x):
        return self.one(x)


def test_walk_finds_each_layer_once_and_says_where():
    shared = keras.layers.Dense(4, name="shared")
    x = keras.Input((4,))
    inner = keras.Model(x, Holder(shared, name="holder")(x), name="inner")
    model = keras.Sequential([keras.Input((4,)), shared, inner], name="outer")
    found = ["/".join(each.name for each in chain) for chain in layers.walk(model)]
    holder = "outer/inner/holder"
    assert found[:2] == ["outer", "outer/shared"]
    assert sorted(path for path in found if path.startswith(holder)) == sorted(
        [holder, f"{holder}/in_a", f"{holder}/in_b", f"{holder}/in_set"]
    )
    assert sum("shared" in path for path in found) == 1
    assert len(found) == len(set(found))
    assert [each.name for each in layers.children(model)] == ["shared", "inner"]
