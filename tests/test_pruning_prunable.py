"""What pruning reaches, under which names, and by which criterion."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops

from course_lib import pruning
from course_lib.pruning import prunable
from course_lib.pruning.selection import Selection

pytestmark = pytest.mark.backend


def sequential(*parts, shape=(12,)):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(shape), *parts])


def numpy(variable):
    return prunable.as_array(variable)


class Own(layers.Layer):
    """A layer as users write them, with a matrix, a table and a bias of two axes."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 6), name="w")
        self.table = self.add_weight(shape=(5, 6), name="position_embedding")
        self.b = self.add_weight(shape=(1, 6), name="bias")

    def call(self, x):
        return ops.matmul(x, self.w) + self.b + self.table[0]


class Chosen(Own):
    def get_prunable_weights(self):
        return [self.table]


class Block(layers.Layer):
    """Layers in a list and in an attribute, of which two have one name."""

    def __init__(self, **options):
        super().__init__(**options)
        self.parts = [layers.Dense(12, name="same"), layers.Dense(12, name="same")]
        self.last = layers.Dense(3, name="last")

    def build(self, shape):
        for part in (*self.parts, self.last):
            part.build(shape)

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return self.last(x)


RECURRENT = {"kernel", "recurrent_kernel"}
KINDS = {
    "dense": (lambda: layers.Dense(4), (12,), {"dense/kernel"}),
    "einsum": (lambda: layers.EinsumDense("ab,bc->ac", 4, bias_axes="c"), (12,), {"einsum_dense/kernel"}),
    "depthwise": (lambda: layers.DepthwiseConv2D(3), (6, 6, 4), {"depthwise_conv2d/kernel"}),
    "transposed": (lambda: layers.Conv2DTranspose(4, 3), (6, 6, 4), {"conv2d_transpose/kernel"}),
    "separable": (
        lambda: layers.SeparableConv2D(4, 3),
        (6, 6, 4),
        {"separable_conv2d/depthwise_kernel", "separable_conv2d/pointwise_kernel"},
    ),
    "lstm": (lambda: layers.LSTM(4), (5, 3), {f"lstm/lstm_cell/{name}" for name in RECURRENT}),
    "cells": (
        lambda: layers.RNN([layers.GRUCell(4), layers.SimpleRNNCell(3)]),
        (5, 3),
        {
            f"rnn/stacked_rnn_cells/{cell}/{name}"
            for cell in ("gru_cell", "simple_rnn_cell")
            for name in RECURRENT
        },
    ),
    "bidirectional": (
        lambda: layers.Bidirectional(layers.GRU(4, name="gru")),
        (5, 3),
        {f"bidirectional/{way}_gru/gru_cell/{name}" for way in ("forward", "backward") for name in RECURRENT},
    ),
    "own": (Own, (12,), {"own/w"}),
    "protocol": (Chosen, (12,), {"chosen/position_embedding"}),
    "block": (Block, (12,), {"block/same/kernel", "block/same_1/kernel", "block/last/kernel"}),
    "norms": (
        lambda: keras.Sequential(
            [layers.LayerNormalization(axis=(1, 2)), layers.Conv1D(4, 1), layers.PReLU()]
        ),
        (6, 4),
        {"sequential/conv1d/kernel"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_is_reached(kind):
    make, shape, expected = KINDS[kind]
    keras.backend.clear_session()  # Names without numbers.
    layer = make()
    model = sequential(layer, shape=shape)
    if isinstance(layer, keras.Sequential):
        layer.name = "sequential"
    found = prunable.prunable(model)
    assert set(found) == expected
    if kind not in ("protocol", "norms"):  # There the tables, or what norms have of two axes, are the most.
        report = pruning.prune(model, 0.5)
        assert {row.path for row in report.pruned} == expected
        for row in report.pruned:
            assert row.reached == np.floor(0.5 * row.size) / row.size


def test_multi_head_attention_is_reached_along_its_inputs():
    x = keras.Input((5, 8))
    model = keras.Model(x, layers.MultiHeadAttention(2, 4, name="mha")(x, x))
    found = prunable.prunable(model)
    assert len(found) == 4
    assert {prunable.input_axes(each) for path, each in found.items() if "output" in path} == {(0, 1)}
    assert {prunable.input_axes(each) for path, each in found.items() if "output" not in path} == {(0,)}
    pruning.prune(model, 0.5, n_of_m=(2, 4))
    for _path, each in found.items():
        groups = numpy(each.variable).reshape(2, 4, -1)  # 8 inputs, or 2 heads of depth 4.
        assert (np.count_nonzero(groups, axis=1) == 2).all()


@pytest.mark.parametrize(
    ("make", "shape", "axes"),
    [
        (lambda: layers.Conv2D(8, 3), (6, 6, 4), (2,)),
        (lambda: layers.Conv2DTranspose(8, 3), (6, 6, 4), (3,)),
        (lambda: layers.DepthwiseConv2D(3), (6, 6, 4), (0, 1)),
        (lambda: layers.EinsumDense("abc,cd->abd", (None, 8)), (6, 4), (0,)),
        (lambda: layers.LSTM(8), (6, 4), (0,)),
    ],
)
def test_inputs_lie_on_the_layers_own_axis(make, shape, axes):
    weight = next(iter(prunable.prunable(sequential(make(), shape=shape)).values()))
    assert prunable.input_axes(weight) == axes


def test_frozen_layers_count_and_little_reached_is_refused():
    model = sequential(layers.Dense(32, name="body"), layers.Dense(2, name="head"))
    model.layers[0].trainable = False
    assert list(prunable.prunable(model)) == ["body/kernel", "head/kernel"]
    tables = sequential(layers.Embedding(100, 8, name="table"), layers.LSTM(4, name="lstm"), shape=(5,))
    with pytest.raises(ValueError, match=r"Only 192 of 992 weights .* table/embeddings \(800\)"):
        pruning.prune(tables, 0.5)
    assert pruning.prune(tables, 0.5, exclude="table")["lstm/lstm_cell/recurrent_kernel"].reached == 0.5
    assert pruning.prune(tables, 0.5, include="table")["table/embeddings"].reached == 0.5


def test_include_exclude_and_a_sparsity_of_its_own():
    model = sequential(layers.Dense(20, name="a"), layers.Dense(20, name="b"), layers.Dense(5, name="c"))
    report = pruning.prune(model, 0.5, exclude="^c/", sparsity={"^b/": 0.9})
    assert [row.path for row in report.left] == ["c/kernel"]
    assert [(row.path, row.asked, row.reached) for row in report.pruned] == [
        ("a/kernel", 0.5, 0.5),
        ("b/kernel", 0.9, 0.9),
    ]
    for options in ({"exclude": "d"}, {"include": ["d"]}, {"sparsity": {"d": 0.5}}):
        with pytest.raises(ValueError, match="No kernel has 'd' in its path"):
            pruning.prune(model, 0.5, **options)
    for sparsity in (1.0, "0.5", None):
        with pytest.raises(ValueError, match=r"sparsity\['a'\].*at least 0 and below 1"):
            pruning.prune(model, 0.5, sparsity={"a": sparsity})
    with pytest.raises(ValueError, match="so '\\^b/' decides nothing"):
        pruning.prune(model, 0.5, sparsity={"kernel": 0.9, "^b/": 0.2})
    with pytest.raises(ValueError, match="Only 0 of "):
        pruning.prune(model, 0.5, exclude="^c/", sparsity={".": 0})
    with pytest.raises(ValueError, match="'a\\[' is no regular expression"):
        pruning.prune(model, 0.5, exclude="a[")
    report = pruning.prune(model, 0.6, exclude=re.compile("a"))
    assert [(row.asked, row.reached) for row in report.rows] == [(0.5, 0.5), (0.6, 0.9), (0.6, 0.6)]


def test_quantized_kernels_are_said_to_be_lost():
    model = sequential(layers.Dense(20, name="a"), layers.Dense(20, name="b"))
    model.layers[0].quantize("int8")
    with pytest.raises(ValueError, match="What is quantized cannot be pruned any more"):
        pruning.prune(sequential_of(model, layers.Dense(2)), 0.5)
    model.layers[1].quantize("int8")
    with pytest.raises(ValueError, match=r"it is quantized\. Prune first, then quantize"):
        pruning.prune(model, 0.5)


def sequential_of(model, *parts):
    return keras.Sequential([keras.Input((12,)), model.layers[0], *parts])


class Named(layers.Dense):
    def get_prunable_weights(self):
        return [self.kernel, self.bias]


def test_a_layer_that_names_what_cannot_be_pruned():
    with pytest.raises(ValueError, match=r"returns 'sequential.*/bias', which is no variable of its own"):
        pruning.prune(sequential(Named(8)), 0.5)


def test_masks_are_made_of_booleans():
    model = sequential(layers.Dense(8, name="a"))
    pruning.apply_masks(model, {"a/kernel": np.eye(12, 8)})  # As PyTorch keeps them.
    assert np.count_nonzero(numpy(model.layers[0].kernel)) == 8
    with pytest.raises(ValueError, match="values other than True and False"):
        pruning.apply_masks(model, {"a/kernel": np.full((12, 8), 0.5)})


def towers():
    def tower(name):
        x = keras.Input((8,))
        return keras.Model(x, layers.Dense(4, name="inner")(x), name=name)

    x = keras.Input((8,))
    return keras.Model(x, layers.Add()([tower("left")(x), tower("right")(x)]))


def test_paths_tell_towers_apart_and_name_shared_layers_once(tmp_path):
    model = towers()
    assert list(prunable.prunable(model)) == ["left/inner/kernel", "right/inner/kernel"]
    pruning.prune(model, 0.75)
    shared, x = layers.Dense(8, name="shared"), keras.Input((8,))
    assert list(pruning.kernels(keras.Model(x, shared(shared(x))))) == ["shared/kernel"]


def test_masks_fit_a_model_built_twice_or_loaded(tmp_path):
    def build():
        return sequential(layers.Dense(6), layers.Dense(6), layers.Dense(2, name="head"))

    first, second = build(), build()
    masks = pruning.magnitude_masks(pruning.kernels(first), 0.5)
    first.save(tmp_path / "net.keras")
    for model in (second, keras.saving.load_model(tmp_path / "net.keras")):
        pruning.apply_masks(model, masks)
        for variable, mask in zip(pruning.kernels(model).values(), masks.values(), strict=True):
            assert not numpy(variable)[~mask].any()
            assert numpy(variable)[mask].all()


def test_lora_is_said_to_stay():
    model = sequential(layers.Dense(16, name="a"), layers.Dense(2, name="b"))
    model.layers[0].enable_lora(2)
    with pytest.warns(UserWarning, match="a/kernel: the frozen kernel is pruned"):
        report = pruning.prune(model, 0.5)
    assert report["a/kernel"].reached == 0.5
    assert {row.path for row in report.left} == {"a/lora_kernel_a", "a/lora_kernel_b"}


def test_small_layers_never_get_more_than_asked():
    model = sequential(layers.Dense(3, name="a"), layers.Dense(4, name="b"), shape=(4,))
    report = pruning.prune(model, 0.99)
    assert [row.reached for row in report.rows] == [11 / 12, 11 / 12]
    assert pruning.prune(sequential(layers.Dense(10)), 0.7).rows[0].reached == 84 / 120  # Not 83, by a float.


def test_global_pruning_keeps_a_hundredth_of_each_layer_and_says_so():
    model = sequential(layers.Dense(100, name="a"), layers.Dense(100, name="small"), shape=(100,))
    model.layers[1].kernel.assign(1e-4 * model.layers[1].kernel)
    with pytest.warns(UserWarning, match="small/kernel would have lost nearly all"):
        report = pruning.prune(model, 0.7, scope="global")
    assert report["small/kernel"].reached == 0.99
    assert report["a/kernel"].reached == pytest.approx(0.41)
    assert report.sparsity == pytest.approx(0.7)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverged_network_is_not_called_sparse(value):
    model = sequential(layers.Dense(4, name="a"))
    broken = numpy(model.layers[0].kernel).copy()
    broken[0, 0] = value
    model.layers[0].kernel.assign(broken)
    with pytest.raises(ValueError, match="a/kernel has 1 of 48 numbers that are not finite"):
        pruning.prune(model, 0.5)
    if np.isnan(value):
        with pytest.raises(ValueError, match="a/kernel has weights that are NaN"):
            pruning.magnitude_masks(pruning.kernels(model), 0.5)


def test_dead_units_are_reported():
    model = sequential(layers.Dense(4, name="a"))
    kernel = numpy(model.layers[0].kernel).copy()
    kernel[:, 1] = 0
    model.layers[0].kernel.assign(kernel)
    windows = sequential(layers.Conv2D(4, 3, name="conv"), shape=(6, 6, 2))
    assert pruning.report(windows)["conv/kernel"].outputs == 4
    row = pruning.report(model)["a/kernel"]
    assert (row.dead, row.outputs, row.asked) == (1, 4, None)
    assert "1 of 4" in str(pruning.report(model))
    pruning.prune(model, 0.5)
    assert pruning.report(model)["a/kernel"].asked == 0.5
    assert pruning.strip(model) is model
    assert pruning.report(model)["a/kernel"].asked is None


def test_two_of_four_and_blocks_hold_at_the_edges():
    model = sequential(layers.Dense(5, name="a"), shape=(10,))
    pruning.prune(model, 0.5, n_of_m=(2, 4))
    kernel = numpy(model.layers[0].kernel)
    for start in (0, 4, 8):
        assert (np.count_nonzero(kernel[start : start + 4], axis=0) == 2).all()
    model = sequential(layers.Dense(10, name="a"), shape=(10,))
    report = pruning.prune(model, 0.6, block_size=(4, 4))
    kernel = numpy(model.layers[0].kernel)
    for i in (0, 4, 8):
        for j in (0, 4, 8):
            block = kernel[i : i + 4, j : j + 4] != 0
            assert block.all() or not block.any()
    assert 0.4 < report["a/kernel"].reached <= 0.6
    for count, options in ((1, {"n_of_m": (2, 4)}), (2, {"n_of_m": (2, 4)}), (9, {"block_size": (16, 16)})):
        with pytest.warns(UserWarning, match=r"fewer zeros than asked for: c/kernel 0\.0% instead of 50\.0%"):
            pruning.prune(sequential(layers.Conv1D(8, 1, name="c"), shape=(4, count)), 0.5, **options)
    for inputs in range(1, 12):
        scores, selection = np.random.default_rng(0).random((inputs, 3)), Selection(n_of_m=(2, 4))
        mask = selection.masks({"a": scores}, {"a": 0.5}, {"a": (0,)})[0]["a"]
        assert selection.zeros(0.5, (inputs, 3), (0,)) == np.count_nonzero(~mask)
    with pytest.raises(ValueError, match=r"2 of 4 is a sparsity of 0\.5\. Received: 0\.8"):
        pruning.prune(model, 0.8, n_of_m=(2, 4))
    for options, message in (
        ({"n_of_m": (4, 4)}, "below m"),
        ({"n_of_m": (2, 4), "block_size": (2, 2)}, "not both"),
        ({"block_size": (0, 2)}, "whole numbers from 1"),
        ({"block_size": (2, 2), "scope": "global"}, "single weights"),
        ({"scope": "model"}, "must be"),
    ):
        with pytest.raises(ValueError, match=message):
            Selection(**options)


def test_gradients_are_those_of_the_loss():
    model = sequential(layers.Dense(1, use_bias=False, name="a"), shape=(4,))
    x = np.array([[1.0, 10.0, 0.1, 100.0]], "float32")
    model.layers[0].kernel.assign([[1.0], [1.0], [1.0], [0.001]])
    model.layers[0].trainable = False  # Frozen ones have gradients, too.
    data = [(x, np.zeros((1, 1), "float32"))]
    pruning.prune(model, 0.5, criterion=pruning.Gradient(data, lambda y, found: ops.sum(found)))
    # |w g| is 1, 10, 0.1 and 0.1: by magnitude the last one would go and the third stay.
    assert np.flatnonzero(numpy(model.layers[0].kernel)).tolist() == [0, 1]
    model.layers[0].kernel.assign([[1.0], [1.0], [1.0], [0.001]])
    with pytest.raises(ValueError, match="a compiled model"):
        pruning.prune(model, 0.5, criterion=pruning.Gradient(data))
    model.compile("sgd", "mse")
    pruning.prune(model, 0.5, criterion=pruning.Gradient(data))
    assert np.flatnonzero(numpy(model.layers[0].kernel)).tolist() == [0, 1]


def test_wanda_weighs_inputs_and_prunes_every_output_alike():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 6, 8)).astype("float32") * np.logspace(0, 2, 8).astype("float32")
    inputs = keras.Input((6, 8))
    hidden = layers.Dense(8, name="dense")(inputs)
    hidden = layers.MultiHeadAttention(2, 4, name="mha")(hidden, hidden)
    model = keras.Model(inputs, layers.Conv1D(4, 3, padding="same", name="conv")(hidden))
    before = {path: numpy(each).copy() for path, each in pruning.kernels(model).items()}
    pruning.prune(model, 0.5, criterion=pruning.Wanda([x]))
    kernel = numpy(model.get_layer("dense").kernel)
    scores = np.abs(before["dense/kernel"]) * np.sqrt((x**2).sum(axis=(0, 1)))[:, None]
    for column in range(8):
        kept = kernel[:, column] != 0
        assert kept.sum() == 4
        assert scores[kept, column].min() > scores[~kept, column].max()
    assert all(abs(row.reached - 0.5) < 0.01 for row in pruning.report(model).pruned)
    assert "call" not in vars(model.get_layer("dense"))
    # An equation that multiplies each place with a kernel of its own has norms for each place.
    model = sequential(layers.EinsumDense("abc,bcd->abd", (6, 7), name="own"), shape=(6, 8))
    kernel = np.abs(numpy(model.layers[0].kernel))
    scores = pruning.Wanda([x])(model, prunable.prunable(model))["own/kernel"]
    np.testing.assert_allclose(scores, kernel * np.sqrt((x**2).sum(axis=0))[..., None], rtol=1e-5)
    with pytest.raises(ValueError, match="Wanda knows"):
        pruning.prune(sequential(layers.LSTM(4), shape=(5, 3)), 0.5, criterion=pruning.Wanda([x]))


def test_criteria_by_name():
    model = sequential(layers.Dense(16, name="a"))
    before = numpy(model.layers[0].kernel).copy()
    pruning.prune(model, 0.5, criterion="random")
    kept = numpy(model.layers[0].kernel) != 0
    assert kept.mean() == 0.5
    assert np.abs(before)[kept].min() < np.abs(before)[~kept].max()
    for criterion, message in (
        ("wanda", r"criterion=pruning.Wanda\(data\)"),
        ("gradient", r"criterion=pruning.Gradient\(data\)"),
        ("size", "one of magnitude, random, movement"),
        ("movement", "seen in training"),
        (lambda model, weights: {"a/kernel": np.zeros((2, 2))}, "scores of shape"),
        (lambda model, weights: {"a/kernel": np.full((12, 16), np.nan)}, "not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            pruning.prune(model, 0.5, criterion=criterion)
