"""Masks against what they promise, and training that keeps them."""

import hypothesis
import keras
import keras_hub
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from course_lib import pruning, transformer

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
        assert np.sum(~kept) == round(sparsity * size.size)
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
        lambda: pruning.MagnitudePruning(sparsity, end=10),
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
    with pytest.raises(ValueError, match="Groups of 3 do not divide axis 0"):
        pruning.n_of_m_mask(kernel, 2, 3)
    with pytest.raises(ValueError, match="from 1 to m - 1"):
        pruning.n_of_m_mask(kernel, 4, 4)


def test_cubic_schedule():
    # Equation 1 with s_i = 0, s_f = 0.8, t_0 = 10, n Δt = 20, by hand: half-way an eighth is left to go.
    assert pruning.cubic_sparsity(20, 30, 0.8, begin=10) == pytest.approx(0.7)
    assert pruning.cubic_sparsity(0, 30, 0.8, begin=10) == 0
    assert pruning.cubic_sparsity(99, 30, 0.8, begin=10, initial=0.5) == 0.8
    with pytest.raises(ValueError, match="must come after"):
        pruning.cubic_sparsity(0, 10, 0.8, begin=10)


@pytest.mark.parametrize(
    "optimizer",
    [keras.optimizers.Adam, keras.optimizers.AdamW, lambda: keras.optimizers.SGD(0.1, momentum=0.9)],
)
def test_training_keeps_the_masks(optimizer):
    model = network()
    model.compile(optimizer(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback = pruning.MagnitudePruning(0.75, end=20, every=5)
    model.fit(*data(), batch_size=8, epochs=5, callbacks=[callback], verbose=0)
    assert all(share == 0.75 for share in zeros(model).values())
    for path, kernel in pruning.kernels(model).items():
        assert not ops.convert_to_numpy(kernel)[~callback.masks[path]].any()
        assert ops.convert_to_numpy(kernel)[callback.masks[path]].all()
    before = callback.masks
    model.fit(*data(), batch_size=8, epochs=1, callbacks=[callback], verbose=0)
    assert all(np.array_equal(before[path], mask) for path, mask in callback.masks.items())


def test_a_schedule_longer_than_the_training_is_refused():
    model = network()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback = pruning.MagnitudePruning(0.5, end=20)
    with pytest.raises(ValueError, match="runs 8 steps, but the schedule of pruning ends at 20"):
        model.fit(*data(), batch_size=8, epochs=1, callbacks=[callback], verbose=0)


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
        return ops.mean(ops.square(outputs["sequence_output"] - y))

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
        ({"block": [0]}, {}, "no block 'block'"),
    ],
)
def test_what_cannot_be_kept_is_refused(heads, neurons, message):
    with pytest.raises(ValueError, match=message):
        pruning.keep(encoder(), heads, neurons)
