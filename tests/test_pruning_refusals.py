"""Wishes that cannot be granted are refused in words, and odd ones that can are."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from course_lib import pruning
from course_lib.pruning import prunable
from course_lib.pruning.prunable import as_array

pytestmark = pytest.mark.backend
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 12)).astype("float32"), RNG.integers(0, 3, 40)


def network(*parts, shape=(12,)):
    parts = parts or (layers.Dense(16, name="a"), layers.Dense(3, name="b"))
    return keras.Sequential([keras.Input(shape), *parts])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 0.8}, "`sparsity` is a dict"),
        ({"n_of_m": 2}, "two whole numbers"),
        ({"n_of_m": [None, 4]}, "two whole numbers"),
        ({"block_size": 4}, "two whole numbers"),
    ],
)
def test_arguments_of_other_kinds(options, message):
    with pytest.raises(ValueError, match=message):
        pruning.prune(network(), 0.5, **options)


def test_none_is_no_pattern_and_a_name_is_no_model():
    assert pruning.prune(network(), 0.5, exclude=None, include=None).sparsity == 0.5
    with pytest.raises(ValueError, match=r"keras\.Model"):
        pruning.prune("classifier", 0.5)


def test_a_network_without_matrices_has_a_report():
    assert pruning.report(network(layers.BatchNormalization())).sparsity == 0
    assert "0% of 0 weights" in str(pruning.report(network(layers.BatchNormalization())))


@pytest.mark.parametrize(
    "options",
    [
        {"end_step": None},
        {"end_step": float("inf")},
        {"end_step": "20"},
        {"end_step": 20, "power": "3"},
        {"end_step": 20, "power": float("inf")},
    ],
)
def test_steps_and_powers_of_other_kinds(options):
    with pytest.raises(ValueError, match="must be a"):
        pruning.Polynomial(0.8, **options)


def test_steps_may_be_tensors_and_the_configuration_is_for_json():
    # `dataset.cardinality()` is a tensor.
    steps = ops.convert_to_tensor(20, dtype="int32")
    schedule = pruning.Polynomial(np.float32(0.75), end_step=steps, begin_step=np.int64(4))
    assert json.loads(json.dumps(schedule.get_config())) == schedule.get_config()
    assert schedule(13) == 0
    assert type(schedule.end_step) is int


class Named(layers.Layer):
    """A layer that says what may go, in one way or another."""

    def __init__(self, how, **options):
        super().__init__(**options)
        self.how = how

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 6), name="w")

    def call(self, x):
        return ops.matmul(x, self.w)

    def get_prunable_weights(self):
        return self.how(self)


def test_prunable_weights_may_be_generated():
    model = network(Named(lambda layer: (each for each in [layer.w]), name="own"), layers.Dense(3, name="b"))
    assert list(prunable.prunable(model)) == ["own/w", "b/kernel"]


@pytest.mark.parametrize("how", [lambda layer: None, lambda layer: layer.w])
def test_prunable_weights_that_are_no_list(how):
    with pytest.raises(ValueError, match="get_prunable_weights` of own"):
        pruning.prune(network(Named(how, name="own")), 0.5)


class Words(layers.Layer):
    """Matrices whose names contain the word for a table or a bias, and are none."""

    NAMES = ("decomposition", "composition_kernel", "unbiased_w", "upscale", "token_mixing_kernel", "meaning")
    OTHERS = ("position", "position_embedding", "attn_bias", "layernorm_w", "scale", "class_token", "lora_a")

    def build(self, shape):
        for name in (*self.NAMES, *self.OTHERS):
            self.add_weight(shape=(shape[-1], 6), name=name)

    def call(self, x):
        return x


def test_only_whole_words_make_a_table():
    found = prunable.prunable(network(Words(name="own")))
    assert [path.rpartition("/")[2] for path in found] == list(Words.NAMES)


def scores(change):
    def criterion(model, weights):
        return change({path: np.abs(as_array(each.variable)) for path, each in weights.items()})

    return criterion


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: None, "returns a dict"),
        (lambda found: list(found.values()), "returns a dict"),
        (lambda found: {path: each.astype(str) for path, each in found.items()}, "not finite numbers"),
        (lambda found: {path: each * np.nan for path, each in found.items()}, "not finite"),
        (lambda found: {path: each.T for path, each in found.items()}, "of shape"),
    ],
)
def test_scores_that_are_none(change, message):
    with pytest.raises(ValueError, match=message):
        pruning.prune(network(), 0.5, scores(change))


def test_scores_of_other_weights_do_not_matter():
    model = network()
    assert pruning.prune(model, 0.5, scores(lambda found: {**found, "other": np.ones(3)})).sparsity == 0.5


def test_a_floor_that_keeps_more_than_asked_for_says_both_numbers():
    with pytest.warns(UserWarning, match=r"99\.2% of the weights are zero instead of 99\.9%"):
        pruning.prune(network(), 0.999, scope="global")


def test_shapes_that_allow_for_a_little_less_say_so():
    with pytest.warns(UserWarning, match=r"a/kernel 75\.0% instead of 80\.0%"):
        pruning.prune(network(), 0.8, pruning.Wanda([X]))  # 9 of each output's 12.


def test_wanda_takes_each_groups_own_inputs():
    model = network(layers.Conv2D(4, 1, groups=2, use_bias=False, name="conv"), shape=(2, 2, 6))
    kernel = model.layers[0].kernel
    kernel.assign(np.ones((1, 1, 3, 4)))
    x = np.ones((2, 2, 2, 6)) * [1, 2, 3, 6, 5, 4]
    with pytest.warns(UserWarning, match=r"33\.3%"):
        pruning.prune(model, 0.5, pruning.Wanda([x]))
    assert np.array_equal(as_array(kernel)[0, 0], [[0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 0, 0]])


class ByKeyword(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3, name="dense")

    def call(self, x):
        return self.dense(inputs=x)


def test_wanda_sees_what_goes_in_by_keyword():
    model = ByKeyword()
    model(X)
    assert pruning.prune(model, 0.5, pruning.Wanda([X])).sparsity == 0.5


def test_gradients_of_weighted_batches():
    model = network()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    weights = prunable.prunable(model)
    first = pruning.Gradient([(X[:20], Y[:20])])(model, weights)
    # What weighs nothing does not count, but for the mean over the batch.
    second = pruning.Gradient([(X, Y, np.repeat([1.0, 0.0], 20))])(model, weights)
    for path, each in first.items():
        np.testing.assert_allclose(second[path], each / 2, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("data", [[X], (X, Y), [(X, Y, None, None)]])
def test_gradients_of_what_is_no_batch(data):
    model = network()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="list of batches"):
        pruning.prune(model, 0.5, pruning.Gradient(data))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda model: pruning.factorize(model, 8), "`ranks` is a dict"),
        (lambda model: pruning.keep(model, neurons=["a"]), "`neurons` is a dict"),
        (lambda model: pruning.keep(model, neurons={"a": 3}), "by number in a list"),
        (lambda model: pruning.drop_blocks(model, 3), "Received: 3"),
        (lambda model: pruning.apply_masks(model, [1]), "`masks` is a dict"),
    ],
)
def test_what_is_to_stay_is_told_by_name(act, message):
    with pytest.raises(ValueError, match=message):
        act(network())


def test_a_loss_of_ones_own_may_have_a_number_per_example():
    model = network()
    weights = prunable.prunable(model)

    def each(y, outputs):
        return ops.sum(outputs**2, axis=-1)

    one = pruning.Gradient([(X, Y)], each)(model, weights)
    other = pruning.Gradient([(X, Y)], lambda y, outputs: ops.mean(each(y, outputs)))(model, weights)
    for path in weights:
        np.testing.assert_allclose(one[path], other[path], rtol=1e-4, atol=1e-6)
