"""Masks against what they promise, and training that keeps them."""

import hypothesis
import keras
import keras_hub
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from course_lib import pruning, transformer, weights

pytestmark = pytest.mark.backend
examples = hypothesis.settings(deadline=None, max_examples=30, database=None, derandomize=True)


def network(seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)]
    return keras.Sequential(layers)


def data(count=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 8)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


def zeros(model):
    return {
        path: float(np.mean(ops.convert_to_numpy(each) == 0)) for path, each in pruning.kernels(model).items()
    }


@examples
@hypothesis.given(
    seed=st.integers(0, 2**16), sparsity=st.floats(0, 0.99), scope=st.sampled_from(["layer", "global"])
)
def test_masks_drop_the_smallest(seed, sparsity, scope):
    rng = np.random.default_rng(seed)
    weights = {"a": rng.integers(-3, 4, (4, 5)).astype("float32"), "b": rng.normal(size=(3, 2, 2))}
    masks = pruning.magnitude_masks(weights, sparsity, scope)
    groups = [["a"], ["b"]] if scope == "layer" else [["a", "b"]]
    for group in groups:
        size = np.concatenate([np.abs(weights[name]).ravel() for name in group])
        kept = np.concatenate([masks[name].ravel() for name in group])
        assert np.sum(~kept) == min(round(sparsity * size.size), size.size - 1)
        if kept.any() and not kept.all():
            assert size[kept].min() >= size[~kept].max()


def test_of_equal_magnitudes_the_first_are_dropped():
    (mask,) = pruning.magnitude_masks({"a": np.ones((2, 3))}, 0.5).values()
    assert mask.tolist() == [[False, False, False], [True, True, True]]


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.2])
def test_impossible_sparsities_are_refused(sparsity):
    for function in (
        lambda: pruning.magnitude_masks({"a": np.ones(3)}, sparsity),
        lambda: pruning.cubic_sparsity(0, 10, sparsity),
        lambda: pruning.Polynomial(sparsity, end_step=10),
        lambda: pruning.prune(network(), sparsity),
    ):
        with pytest.raises(ValueError, match="at least 0 and below 1"):
            function()


def test_two_of_four():
    kernel = np.random.default_rng(0).normal(size=(8, 3))
    mask = pruning.n_of_m_mask(kernel)
    for column in range(3):
        for start in (0, 4):
            group, kept = np.abs(kernel[start : start + 4, column]), mask[start : start + 4, column]
            assert kept.sum() == 2
            assert group[kept].min() > group[~kept].max()
    assert np.array_equal(pruning.n_of_m_mask(kernel.T, axis=1), mask.T)
    assert pruning.n_of_m_mask(np.ones((4, 1)))[:, 0].tolist() == [False, False, True, True]
    # Of 8 rows in threes the last group has two, and keeps both.
    assert pruning.n_of_m_mask(kernel, 2, 3).sum(axis=0).tolist() == [6, 6, 6]
    assert pruning.n_of_m_mask(kernel, 2, 3)[6:].all()
    parts = pruning.n_of_m_mask(kernel.reshape(4, 2, 3), axis=(0, 1))
    assert np.array_equal(parts, mask.reshape(4, 2, 3))
    with pytest.raises(ValueError, match="from 1 to m - 1"):
        pruning.n_of_m_mask(kernel, 4, 4)


def test_cubic_schedule():
    # Equation 1 with s_i = 0, s_f = 0.8, t_0 = 10, n Δt = 20, by hand: half-way an eighth is left to go.
    assert pruning.cubic_sparsity(20, 30, 0.8, begin=10) == pytest.approx(0.7)
    assert pruning.cubic_sparsity(0, 30, 0.8, begin=10) == 0
    assert pruning.cubic_sparsity(99, 30, 0.8, begin=10, initial=0.5) == 0.8
    with pytest.raises(ValueError, match="must come after"):
        pruning.cubic_sparsity(0, 10, 0.8, begin=10)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)

    def call(self, x):
        return self.dense(x)


def test_kernels_of_every_kind_of_model():
    model = Subclassed()
    with pytest.raises(ValueError, match="is not built"):
        pruning.kernels(model)
    model(np.ones((1, 3), "float32"))
    assert len(pruning.kernels(model)) == 1
    sizes = {"vocabulary_size": 20, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    ours, theirs = transformer.encoder(**sizes), keras_hub.models.BertBackbone(**sizes)
    for each in (ours, theirs):
        assert len(pruning.kernels(each)) == 2 * 6 + 1
        assert len(pruning.kernels(each, spare=["pooled", "layer_0"])) == 6
    with pytest.raises(ValueError, match="No kernel has 'layer_7' in its path"):
        pruning.kernels(ours, spare=["layer_7"])
    with pytest.raises(ValueError, match="no kernel to prune"):
        pruning.kernels(ours, spare=["."])


def test_masks_that_do_not_fit_change_nothing():
    model = network()
    before = model.get_weights()
    first, second = pruning.kernels(model)
    good = np.zeros((8, 16), bool)
    for masks, message in (
        ({first: good, "other/kernel": good}, "no kernel 'other/kernel'"),
        ({first: good, second: good}, r"has shape \(16, 2\), its mask \(8, 16\)"),
    ):
        with pytest.raises(ValueError, match=message):
            pruning.apply_masks(model, masks)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    pruning.apply_masks(model, {first: good})
    assert zeros(model)[first] == 1
    x = np.ones((1, 8), "float32")
    bias = ops.convert_to_numpy(model.layers[-1].bias)
    np.testing.assert_allclose(ops.convert_to_numpy(model(x))[0], bias)  # A plain model: nothing to strip.


# Structured


def encoder(**options):
    keras.utils.set_random_seed(0)
    sizes = {"vocabulary_size": 20, "num_layers": 2, "num_heads": 4, "hidden_dim": 8, "intermediate_dim": 6}
    model = transformer.encoder(**{**sizes, "spread": 0.5, **options})
    rng = np.random.default_rng(0)
    model.set_weights([each + rng.normal(0, 0.1, each.shape) for each in model.get_weights()])
    return model


def inputs():
    token_ids = np.random.default_rng(1).integers(1, 20, (3, 7)).astype("int32")
    padding_mask = (np.arange(7) < [[7], [4], [5]]).astype("int32")
    return {"token_ids": token_ids, "segment_ids": 0 * token_ids, "padding_mask": padding_mask}


@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"use_causal_mask": True}])
def test_without_heads_and_neurons_it_computes_what_masks_gave(options):
    model = encoder(**options)
    heads, neurons = (
        {"transformer_layer_0": [2, 0]},
        {"transformer_layer_0": [5], "transformer_layer_1": [0, 3, 4]},
    )
    smaller = pruning.keep(model, heads, neurons)
    before = model.get_weights()
    found = smaller(inputs())
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # The same by zeros: what a dropped head or neuron writes counts for nothing.
    rows = np.repeat([True, False, True, False], 2)[:, None]
    masks = {
        "transformer_layer_0/attention/attention_output/kernel": np.broadcast_to(rows, (8, 8)),
        "transformer_layer_0/output_dense/kernel": np.broadcast_to(np.eye(6)[5][:, None] > 0, (6, 8)),
        "transformer_layer_1/output_dense/kernel": np.broadcast_to(
            np.isin(np.arange(6), [0, 3, 4])[:, None], (6, 8)
        ),
    }
    pruning.apply_masks(model, masks)
    expected = model(inputs())
    for name in expected:
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[name]), ops.convert_to_numpy(expected[name]), atol=1e-5
        )
    # 2 heads of depth 2 gone: 3 kernels (8, 4), 3 biases, 1 kernel (4, 8); 5 and 3 neurons of 8 + 1 + 8.
    assert model.count_params() - smaller.count_params() == 4 * 32 + 3 * 4 + (5 + 3) * 17
    assert [block.num_heads for block in transformer.blocks(smaller)] == [2, 4]


def test_importance_is_the_derivative_by_a_factor_before_the_head():
    model = encoder(hidden_dim=12, num_heads=3)

    def loss(y, outputs):
        return ops.mean(ops.square(ops.subtract(outputs["sequence_output"], y)))

    rng = np.random.default_rng(2)
    batches = [(inputs(), rng.normal(size=(3, 7, 12)).astype("float32")) for _ in range(2)]
    found = pruning.head_importance(model, batches, loss)
    for block in transformer.blocks(model):
        kernel = block.attention.output_dense.kernel
        before = ops.convert_to_numpy(kernel).copy()
        for head in range(3):
            slopes = []
            for x, y in batches:
                values = []
                for factor in (0.99, 1.01):  # By differences, which no gradient is needed for.
                    scaled = before.copy()
                    scaled[4 * head : 4 * head + 4] *= factor
                    kernel.assign(scaled)
                    values.append(float(loss(y, model(x))))
                slopes.append(abs(values[1] - values[0]) / 0.02)
            kernel.assign(before)
            assert found[block.name][head] == pytest.approx(np.mean(slopes), rel=0.05, abs=1e-4)
    with pytest.raises(ValueError, match="`batches` is empty"):
        pruning.head_importance(model, [], loss)


def test_a_smaller_encoder_is_saved_and_loaded(tmp_path):
    smaller = pruning.keep(encoder(), {"transformer_layer_1": [3]})
    smaller.save(tmp_path / "small.keras")
    again = keras.saving.load_model(tmp_path / "small.keras")
    for name, value in smaller(inputs()).items():
        np.testing.assert_array_equal(
            ops.convert_to_numpy(again(inputs())[name]), ops.convert_to_numpy(value)
        )


@pytest.mark.parametrize(
    ("heads", "neurons", "message"),
    [
        ({"transformer_layer_0": []}, {}, "at least one to keep"),
        ({"transformer_layer_0": [4]}, {}, "has heads 0 to 3"),
        ({"transformer_layer_0": [1, 1]}, {}, "each once"),
        ({}, {"transformer_layer_0": [-1]}, "has neurons 0 to 5"),
        ({"block": [0]}, {}, "no layer 'block'"),
    ],
)
def test_what_cannot_be_kept_is_refused(heads, neurons, message):
    with pytest.raises(ValueError, match=message):
        pruning.keep(encoder(), heads, neurons)


# Masks in a file, one kernel at a time


def test_masks_are_saved_and_restored(tmp_path):
    model = network()
    masks = pruning.magnitude_masks(pruning.kernels(model), 0.37)
    pruning.save_masks(tmp_path / "masks.npz", masks)
    restored = pruning.load_masks(tmp_path / "masks.npz")
    assert list(restored) == list(masks)
    for path, mask in masks.items():
        np.testing.assert_array_equal(restored[path], mask)
        assert restored[path].dtype == bool
    pruning.apply_masks(model, restored)
    assert set(zeros(model).values()) == {round(0.37 * 128) / 128, round(0.37 * 32) / 32}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_a_file_without_masks_is_refused(tmp_path, content):
    path = tmp_path / "masks.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds no masks"):
        pruning.load_masks(path)


def test_a_file_with_other_arrays_or_pickles_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", shapes=np.array([{"a": 1}], dtype=object))
    for name in ("other.npz", "pickle.npz"):
        with pytest.raises(ValueError, match="holds no masks"):
            pruning.load_masks(tmp_path / name)


def test_masks_that_were_there_survive_a_failed_save(tmp_path):
    path = tmp_path / "masks.npz"
    pruning.save_masks(path, {"a": np.ones((2, 2), bool)})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        pruning.save_masks(path, {1.5: np.ones((2, 2), bool), ("no", "key"): np.ones(2, bool)})
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["masks.npz"]


def test_sensitivity_prunes_one_kernel_at_a_time():
    model = network()
    before = [ops.convert_to_numpy(weight).copy() for weight in model.weights]
    found = pruning.sensitivity(model, lambda: sum(value > 0 for value in zeros(model).values()), [0.25, 0.5])
    assert list(found) == list(pruning.kernels(model))
    assert list(found.values()) == [[1, 1], [1, 1]]
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)


def test_sensitivity_restores_the_kernel_after_an_error():
    model = network()
    before = zeros(model)

    def fails():
        raise RuntimeError("no data")

    with pytest.raises(RuntimeError, match="no data"):
        pruning.sensitivity(model, fails, [0.5])
    assert zeros(model) == before


# Kernels that are computed anew at every call


class Halved(pruning.Reparameterised):
    def transform(self, path, kernel):
        return kernel / 2


def test_transformed_kernels_train_and_strip_leaves_a_plain_model():
    inner, (x, y) = network(), data()
    model = Halved(inner)
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(x, y, epochs=4, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    halved = model.predict(x, verbose=0)
    assert model.strip() is inner
    np.testing.assert_allclose(inner.predict(x, verbose=0), halved, atol=1e-6)


def test_the_seed_of_dropout_moves_with_transformed_kernels():
    layers = [keras.layers.Dense(16, activation="relu"), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    inner = keras.Sequential([keras.Input((8,)), *layers])
    model, x = Halved(inner), data()[0]
    (state,) = [v for v in inner.non_trainable_variables if "seed" in v.path]
    before = ops.convert_to_numpy(state).copy()
    first, second = (ops.convert_to_numpy(model(x, training=True)) for _ in range(2))
    assert not np.array_equal(first, second)
    if keras.backend.backend() != "torch":  # Whose own dropout Keras takes, with a seed of PyTorch's.
        assert not np.array_equal(ops.convert_to_numpy(state), before)


# KerasHub, fewer neurons and blocks


def hub():
    keras.utils.set_random_seed(1)
    return keras_hub.models.BertBackbone(50, 3, 4, 16, 32, max_sequence_length=20)


def tokens(count=3, length=7):
    rng = np.random.default_rng(0)
    mask = np.ones((count, length), "int32")
    mask[0, 4:] = 0
    return {
        "token_ids": rng.integers(50, size=(count, length)).astype("int32"),
        "segment_ids": np.zeros((count, length), "int32"),
        "padding_mask": mask,
    }


def test_a_keras_hub_bert_becomes_an_encoder():
    backbone, inputs = hub(), tokens()
    encoder = pruning.from_keras_hub(backbone)
    for name, expected in backbone(inputs).items():
        got = ops.convert_to_numpy(encoder(inputs)[name])
        np.testing.assert_allclose(got, ops.convert_to_numpy(expected), atol=2e-5)


def test_a_classifier_on_a_keras_hub_bert_keeps_its_head():
    model, inputs = weights.classifier(hub(), num_classes=3, dropout=0.2), tokens()
    ours = pruning.from_keras_hub(model)
    assert len(transformer.blocks(ours)) == 3
    assert ours.get_layer("dropout").rate == 0.2
    expected = ops.convert_to_numpy(model(inputs))
    np.testing.assert_allclose(ops.convert_to_numpy(ours(inputs)), expected, atol=2e-5)


def test_another_network_is_no_bert():
    with pytest.raises(ValueError, match="BertBackbone is needed"):
        pruning.from_keras_hub(network())


def test_most_important_keeps_a_share_of_each_block():
    importance = {"a": np.array([0.1, 0.4, 0.3, 0.4]), "b": np.array([1.0, 0.0, 2.0, 3.0])}
    assert pruning.most_important(importance, 0.5) == {"a": [1, 3], "b": [2, 3]}
    assert pruning.most_important(importance, 0.01) == {"a": [1], "b": [3]}
    with pytest.raises(ValueError, match="at most 1"):
        pruning.most_important(importance, 1.2)


def test_importance_of_neurons_is_the_derivative_by_a_factor_before_each():
    model, inputs = pruning.from_keras_hub(hub()), tokens(1, 5)

    def loss(y, outputs):
        return ops.sum(ops.multiply(outputs["sequence_output"], y))

    y = np.random.default_rng(1).normal(size=(1, 5, 16)).astype("float32")
    importance = pruning.neuron_importance(model, [(inputs, y)], loss)
    block = transformer.blocks(model)[1]
    kernel = ops.convert_to_numpy(block.output_dense.kernel).copy()
    step, values = 1e-2, []
    for factor in (1 + step, 1 - step):
        changed = kernel.copy()
        changed[3] *= factor
        block.output_dense.kernel.assign(changed)
        values.append(float(loss(y, model(inputs))))
    block.output_dense.kernel.assign(kernel)
    assert importance[block.name].shape == (32,)
    assert importance[block.name][3] == pytest.approx(
        abs(values[0] - values[1]) / (2 * step), rel=0.02, abs=1e-3
    )


def test_dropped_blocks_are_passed_over():
    model, inputs = pruning.from_keras_hub(hub()), tokens()
    smaller = pruning.drop_blocks(model, ["transformer_layer_1"])
    assert [block.name for block in transformer.blocks(smaller)] == [
        "transformer_layer_0",
        "transformer_layer_2",
    ]
    assert smaller.count_params() < model.count_params()
    states = transformer.hidden_states(model, inputs)
    last = transformer.blocks(model)[2](states[1], mask=inputs["padding_mask"])
    np.testing.assert_allclose(
        ops.convert_to_numpy(smaller(inputs)["sequence_output"]), ops.convert_to_numpy(last), atol=1e-5
    )
    for dropped in (["other"], [block.name for block in transformer.blocks(model)]):
        with pytest.raises(ValueError, match="not all"):
            pruning.drop_blocks(model, dropped)


@examples
@hypothesis.given(seed=st.integers(0, 99), kept=st.sets(st.integers(0, 3), min_size=1))
def test_keep_heads_is_what_attention_without_the_others_computes(seed, kept):
    rng = np.random.default_rng(seed)
    query, key, value = rng.normal(size=(3, 6, 8))
    output = rng.normal(size=(8, 6))
    x = rng.normal(size=(5, 6))

    def attend(query, key, value, output, heads):
        total = 0
        for q, k, v, o in zip(
            *(np.split(x @ each, heads, axis=1) for each in (query, key, value)),
            np.split(output, heads),
            strict=True,
        ):
            weights = np.exp(q @ k.T)
            total = total + weights / weights.sum(axis=1, keepdims=True) @ v @ o
        return total

    kept = sorted(kept)
    masked = output.copy()
    masked.reshape(4, 2, 6)[[head for head in range(4) if head not in kept]] = 0
    smaller = pruning.keep_heads(query, key, value, output, 4, kept)
    np.testing.assert_allclose(
        attend(*smaller, len(kept)), attend(query, key, value, masked, 4), rtol=1e-9, atol=1e-9
    )


# Filters


def pictures(normalised=False):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(6, 3, padding="same", name="one"),
            *([keras.layers.BatchNormalization()] if normalised else []),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(5, 3, padding="same", activation="relu", name="two"),
            keras.layers.Flatten(),
            keras.layers.Dense(7, activation="relu"),
            keras.layers.Dense(3),
        ]
    )


@pytest.mark.parametrize("normalised", [False, True])
def test_removed_filters_compute_what_zeroed_ones_did(normalised):
    model, kept = pictures(normalised), {"one": [0, 2, 5], "two": [1, 4]}
    smaller = pruning.keep_filters(model, kept)
    for name, filters in kept.items():
        layer = model.get_layer(name)
        gone = [i for i in range(layer.filters) if i not in filters]
        kernel, bias = layer.get_weights()
        kernel[..., gone], bias[gone] = 0, 0
        layer.set_weights([kernel, bias])
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    np.testing.assert_allclose(
        ops.convert_to_numpy(smaller(x)), ops.convert_to_numpy(model(x)), rtol=1e-4, atol=1e-5
    )
    assert smaller.count_params() < model.count_params()
    assert smaller.get_layer("one").filters == 3


def test_filters_that_do_not_exist_are_refused():
    model = pictures()
    for filters, message in (
        ({"three": [0]}, "no layer 'three' with filters"),
        ({"one": [6]}, "0 to 5"),
        ({"two": []}, "at least"),
    ):
        with pytest.raises(ValueError, match=message):
            pruning.keep_filters(model, filters)
    recurrent = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2)])
    with pytest.raises(ValueError, match="has: none"):
        pruning.keep_filters(recurrent, {"lstm": [0]})


# Low rank


@examples
@hypothesis.given(inputs=st.integers(1, 40), outputs=st.integers(1, 40), parameters=st.integers(1, 2000))
def test_the_rank_fits_the_budget_and_the_next_does_not(inputs, outputs, parameters):
    if parameters < inputs + outputs:
        with pytest.raises(ValueError, match="Rank 1"):
            pruning.rank_for_budget(inputs, outputs, parameters)
        return
    rank = pruning.rank_for_budget(inputs, outputs, parameters)
    assert 1 <= rank <= min(inputs, outputs)
    assert rank * (inputs + outputs) <= parameters
    assert rank == min(inputs, outputs) or (rank + 1) * (inputs + outputs) > parameters


def test_rank_for_energy():
    values = [2.0, 1.0, 1.0]
    assert [pruning.rank_for_energy(values, share) for share in (0.1, 4 / 6, 0.67, 5 / 6, 0.9, 1.0)] == [
        1,
        1,
        2,
        2,
        3,
        3,
    ]
    for share in (0.0, 1.2):
        with pytest.raises(ValueError, match="at most 1"):
            pruning.rank_for_energy(values, share)


@examples
@hypothesis.given(seed=st.integers(0, 99), rank=st.integers(1, 5))
def test_low_rank_leaves_the_singular_values_that_it_drops(seed, rank):
    kernel = np.random.default_rng(seed).normal(size=(5, 9)).astype("float32")
    first, second = pruning.low_rank(kernel, rank)
    assert first.shape == (5, rank)
    assert second.shape == (rank, 9)
    dropped = np.linalg.svd(kernel.astype("float64"), compute_uv=False)[rank:]
    assert np.linalg.norm(kernel - first @ second) == pytest.approx(np.sqrt(np.sum(dropped**2)), abs=1e-4)


@examples
@hypothesis.given(seed=st.integers(0, 99), rank=st.integers(1, 4))
def test_rows_that_weigh_more_lose_less(seed, rank):
    rng = np.random.default_rng(seed)
    kernel, weights_ = rng.normal(size=(12, 5)), rng.uniform(0.01, 100, 12)
    errors = {}
    for name, given in (("even", None), ("weighted", weights_)):
        first, second = pruning.low_rank(kernel, rank, given)
        errors[name] = np.sum(weights_[:, None] * (kernel - first @ second) ** 2)
    scaled = np.sqrt(weights_)[:, None] * kernel
    least = np.sum(np.linalg.svd(scaled, compute_uv=False)[rank:] ** 2)
    assert errors["weighted"] == pytest.approx(least, rel=1e-3, abs=1e-3)
    assert errors["weighted"] <= errors["even"] * 1.001
    for wrong in (weights_[1:], np.zeros(12)):
        with pytest.raises(ValueError, match="one per row"):
            pruning.low_rank(kernel, rank, wrong)


@pytest.mark.parametrize("rank", [0, 9])
def test_impossible_ranks_are_refused(rank):
    with pytest.raises(ValueError, match="lesser side"):
        pruning.low_rank(np.zeros((8, 10)), rank)


def test_full_rank_factors_compute_the_same(tmp_path):
    model, inputs = pruning.from_keras_hub(hub()), tokens()
    ranks = {"token_embedding": 16, "transformer_layer_0": 16, "transformer_layer_2": 16, "pooled_dense": 16}
    factored = pruning.factorise(model, ranks)
    for name, expected in model(inputs).items():
        got = ops.convert_to_numpy(factored(inputs)[name])
        np.testing.assert_allclose(got, ops.convert_to_numpy(expected), atol=5e-5)
    assert isinstance(factored.get_layer("transformer_layer_0"), pruning.FactoredBlock)
    factored.save(tmp_path / "factored.keras")
    again = keras.models.load_model(tmp_path / "factored.keras")
    for name, expected in factored(inputs).items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(again(inputs)[name]), ops.convert_to_numpy(expected), atol=1e-6
        )


def test_small_ranks_save_parameters_as_computed():
    model = pruning.from_keras_hub(hub())
    factored = pruning.factorise(model, {"token_embedding": 4, "transformer_layer_1": 5})
    saved = 50 * 16 - 4 * (50 + 16) + 2 * (16 * 32 - 5 * (16 + 32))
    assert factored.count_params() == model.count_params() - saved


def test_layers_that_cannot_be_factored_are_refused():
    model = pruning.from_keras_hub(hub())
    factored = pruning.factorise(model, {"token_embedding": 4})
    for network_, ranks, message in (
        (model, {"nothing": 4}, "no layer"),
        (model, {"embeddings_norm": 4}, "can be factored"),
        (model, {"token_embedding": 17}, "lesser side"),
        (factored, {"token_embedding": 2}, "can be factored"),
    ):
        with pytest.raises(ValueError, match=message):
            pruning.factorise(network_, ranks)


def test_zeros_are_counted_and_compress():
    model = network()
    parameters, before = pruning.count(model)
    assert parameters == model.count_params()
    size = pruning.compressed_megabytes(model)
    pruning.apply_masks(model, pruning.magnitude_masks(pruning.kernels(model), 0.75))
    assert pruning.count(model) == (parameters, before - 96 - 24)
    assert pruning.compressed_megabytes(model) < 0.6 * size


# At lower temperatures probabilities fall below 1e-7, where Keras clips them.
@hypothesis.given(st.integers(0, 2**16), st.floats(1, 8))
@hypothesis.settings(max_examples=20, deadline=None)
def test_the_loss_that_the_lessons_distil_with_is_hintons(seed, temperature):
    teacher, student = np.random.default_rng(seed).normal(0, 2, (2, 5, 3))
    log_p, log_q = (
        z / temperature - np.log(np.exp(z / temperature).sum(-1, keepdims=True)) for z in (teacher, student)
    )
    expected = temperature**2 * np.mean(np.sum(np.exp(log_p) * (log_p - log_q), axis=-1))
    loss = keras.distillation.LogitsDistillation(temperature, loss=keras.losses.KLDivergence())
    found = float(loss.compute_loss(ops.cast(teacher, "float32"), ops.cast(student, "float32")))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
