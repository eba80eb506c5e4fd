"""Lesson 10: explanations of a verdict, against formulas and against brute force."""

import itertools
import math

import keras
import keras_hub
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy import stats

from course_lib import imdb, interpretability, weights

TEXT = "A warm, unhurried film, and not a dull one."
backend = pytest.mark.backend


@pytest.fixture(scope="module")
def model(minilm):
    keras.utils.set_random_seed(3)
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=30522,
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        max_sequence_length=64,
    )
    made = weights.classifier(encoder)
    rng = np.random.default_rng(0)
    for variable in made.weights:
        if variable.path.endswith(("kernel", "embeddings")):
            variable.assign(rng.normal(size=variable.shape) * 0.3)
    return made


@pytest.fixture(scope="module")
def words(minilm):
    return interpretability.split(TEXT)


class Linear:
    """Each player adds his own number."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers, "float64")

    def __call__(self, present):
        return np.asarray(present, "float64") @ self.numbers - 1.0


def random_game(count, seed):
    values = np.random.default_rng(seed).normal(size=2**count)
    return lambda present: values[np.asarray(present) @ (2 ** np.arange(count))]


def state(model):
    return [ops.convert_to_numpy(v).copy() for v in model.weights]


# Words


@pytest.mark.parametrize("how", ["head", "tail", "both"])
@pytest.mark.parametrize("text", [TEXT, "word " * 90, "[MASK] <br />unbelievable", "so-so... 7/10!"])
def test_ids_are_those_of_the_batches(minilm, text, how):
    found = interpretability.split(text, length=40, how=how)
    (expected,) = imdb.encode([text], sequence_length=40, how=how)
    assert found.ids.tolist() == list(expected)
    assert len(found.owners) == len(found.ids) <= 40
    assert set(found.owners[1:-1]) == set(range(len(found)))


def test_hidden_words_are_masked_with_all_their_tokens(words):
    present = np.ones(len(words), "bool")
    present[2] = False  # "unhurried", several tokens.
    shown = words.show(present)
    (mask,) = set(shown[words.owners == 2].tolist())
    assert weights.vocabulary()[mask] == "[MASK]"
    assert sum(words.owners == 2) > 1
    np.testing.assert_array_equal(shown[words.owners != 2], words.ids[words.owners != 2])
    assert words.show(np.ones((3, len(words)), "bool")).shape == (3, len(words.ids))
    with pytest.raises(ValueError, match=r"one entry per word, 9. Received shape: \(2,\)"):
        words.show([True, False])


def test_scores_of_tokens_add_up_by_word(words):
    scores = np.arange(len(words.ids), dtype=float)
    assert words.per_word(scores).sum() == scores[1:-1].sum()


def test_a_text_without_words_is_refused(minilm):
    with pytest.raises(ValueError, match="nothing but white space"):
        interpretability.split(" <br /> ")


@backend
def test_log_odds_do_not_depend_on_what_runs_beside(model, words):
    rows = [words.ids, words.ids[:4], np.concatenate([words.ids, words.ids[1:]])]
    together = interpretability.log_odds(model, rows, batch_size=2)
    alone = [interpretability.log_odds(model, [row])[0] for row in rows]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.ptp(together) > 1e-3
    np.testing.assert_allclose(interpretability.lean(model, [TEXT])[0], together[0], atol=1e-5)


@backend
def test_a_game_is_asked_with_words_hidden(model, words):
    value = interpretability.game(model, words)
    present = np.ones((3, len(words)), "bool")
    present[1, :2] = False
    expected = interpretability.log_odds(model, list(words.show(present)))
    np.testing.assert_allclose(value(present), expected, atol=1e-5)
    found = value(present[::-1])  # Remembered.
    np.testing.assert_allclose(found, expected[::-1], atol=1e-5)
    assert value(present[0]).shape == (1,)


# Attention


@backend
def test_maps_are_shares_and_those_of_the_layer(model, words):
    maps = interpretability.attention_maps(model, words.ids)
    assert maps.shape == (2, 2, len(words.ids), len(words.ids))
    np.testing.assert_allclose(maps.sum(axis=-1), 1.0, atol=1e-5)
    layer = model.get_layer("transformer_layer_0")
    weight = {v.path.split("/", 1)[1].replace("self_attention_layer/", ""): v for v in layer.weights}
    inputs = interpretability.model_inputs([words.ids])
    tables = keras.Model(model.input, model.get_layer("embeddings_layer_norm").output)
    x = ops.convert_to_numpy(tables(inputs))[0]

    def dense(name):
        kernel, bias = (ops.convert_to_numpy(weight[f"{name}/{part}"]) for part in ("kernel", "bias"))
        return np.einsum("td,dhk->htk", x, kernel) + bias[:, None]

    scores = np.einsum("hqk,htk->hqt", dense("query"), dense("key")) / math.sqrt(8)
    shares = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(maps[0], shares, atol=1e-4)


def test_rollout_multiplies_from_the_first_layer_up():
    rng = np.random.default_rng(0)
    maps = rng.dirichlet(np.ones(4), size=(3, 2, 4))
    found = interpretability.rollout(maps)
    expected = np.zeros((4, 4))
    mixed = [each.mean(axis=0) / 2 + np.eye(4) / 2 for each in maps]
    for path in itertools.product(range(4), repeat=4):  # Every way from an output down to an input.
        share = mixed[2][path[0], path[1]] * mixed[1][path[1], path[2]] * mixed[0][path[2], path[3]]
        expected[path[0], path[3]] += share
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(interpretability.rollout(np.tile(np.eye(4), (3, 2, 1, 1))), np.eye(4))


@backend
def test_rollout_of_words_leaves_out_the_special_tokens(model, words):
    scores = interpretability.attention_rollout(model, words)
    assert scores.shape == (len(words),)
    assert scores.min() > 0
    assert scores.sum() < 1


@backend
def test_uniform_attention_has_no_choice_and_goes_away(model, words):
    before = state(model)
    with interpretability.uniform_attention(model, ["transformer_layer_1"]):
        maps = interpretability.attention_maps(model, words.ids)
    np.testing.assert_allclose(maps[1], 1 / len(words.ids), atol=1e-6)
    assert np.ptp(maps[0]) > 1e-3
    for one, other in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(one, other)


# Gradients


@backend
def test_a_classifier_cut_behind_its_embeddings_says_the_same(model, words):
    cut = interpretability.Embedded(model)
    x = cut.embed([words.ids])
    np.testing.assert_allclose(
        ops.convert_to_numpy(cut.log_odds(x)), interpretability.log_odds(model, [words.ids]), atol=1e-5
    )


@backend
def test_gradient_times_input_is_the_slope_along_the_input(model, words):
    cut = interpretability.Embedded(model)
    x = cut.embed([words.ids])
    scores = interpretability.gradient_times_input(cut, words)
    for word in (0, 2):
        step = np.where((words.owners == word)[None, :, None], 1e-2 * x, 0.0).astype("float32")
        up, down = (float(cut.log_odds(x + sign * step)[0]) for sign in (1, -1))
        assert scores[word] == pytest.approx((up - down) / 2e-2, abs=2e-3)


@backend
def test_integrated_gradients_add_up(model, words):
    scores = interpretability.integrated_gradients(model, words, steps=64)
    value = interpretability.game(model, words)
    all_words, none = value(np.array([[True] * len(words), [False] * len(words)]))
    assert abs(all_words - none) > 1e-3
    # The special tokens are the same at both ends and have no share.
    assert scores.sum() == pytest.approx(all_words - none, rel=1e-2, abs=1e-3)


@given(st.integers(1, 9), st.integers(0, 10))
@settings(max_examples=20, deadline=None)
def test_the_path_integral_is_exact_where_the_gradient_is_linear(steps, seed):
    rng = np.random.default_rng(seed)
    a, start, end = rng.normal(size=(3, 5))
    found = interpretability.path_integral(lambda x: 2 * a * x, start, end, steps, batch_size=2)
    np.testing.assert_allclose(found, a * (end**2 - start**2), atol=1e-10)


def test_a_path_has_a_step():
    with pytest.raises(ValueError, match=r"at least 1\. Received: 0"):
        interpretability.path_integral(lambda x: x, np.zeros(2), np.ones(2), 0)


@backend
def test_the_gradient_of_a_formula():
    found = interpretability.gradient(lambda x: ops.sum(x**3), np.array([1.0, -2.0], "float32"))
    np.testing.assert_allclose(found, [3.0, 12.0])


# Occlusion and Shapley values


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=7), st.integers(0, 9))
@settings(deadline=None, max_examples=40)
def test_where_words_only_add_up_all_ways_agree(numbers, seed):
    value, count = Linear(numbers), len(numbers)
    means, errors = interpretability.shapley_sampled(value, count, orders=4, seed=seed)
    for found in (
        interpretability.occlusion(value, count),
        interpretability.shapley_exact(value, count),
        means,
    ):
        np.testing.assert_allclose(found, numbers, atol=1e-9)
    np.testing.assert_allclose(errors, 0, atol=1e-9)


@given(st.integers(1, 5), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_exact_values_are_the_mean_over_all_orders(count, seed):
    value = random_game(count, seed)
    total = np.zeros(count)
    orders = list(itertools.permutations(range(count)))
    for order in orders:
        present = np.zeros(count, "bool")
        for player in order:
            before = value(present[None])[0]
            present[player] = True
            total[player] += value(present[None])[0] - before
    np.testing.assert_allclose(interpretability.shapley_exact(value, count), total / len(orders), atol=1e-12)


def test_the_glove_game():
    """Player 0 has a left glove, 1 and 2 a right one, and a pair is worth 1: Shapley's 2/3, 1/6, 1/6."""

    def value(present):
        present = np.asarray(present)
        return (present[:, 0] & present[:, 1:].any(axis=1)).astype(float)

    np.testing.assert_allclose(interpretability.shapley_exact(value, 3), [2 / 3, 1 / 6, 1 / 6])


def test_sampled_values_add_up_and_come_near():
    value, count = random_game(6, 1), 6
    exact = interpretability.shapley_exact(value, count)
    means, errors = interpretability.shapley_sampled(value, count, orders=4000, seed=0)
    everyone, nobody = value(np.array([[True] * count, [False] * count]))
    assert means.sum() == pytest.approx(everyone - nobody)
    assert (np.abs(means - exact) < 4 * errors).all()
    assert errors.max() < 0.05


def test_shapley_refuses_what_it_cannot_do():
    with pytest.raises(ValueError, match=r"1 to 12 players\. Received: 13"):
        interpretability.shapley_exact(Linear(np.ones(13)), 13)
    with pytest.raises(ValueError, match=r"even and at least 2\. Received: 3"):
        interpretability.shapley_sampled(Linear(np.ones(3)), 3, orders=3)


# Faithfulness and sanity


def test_deletion_and_insertion_of_words_that_add_up():
    value = Linear([3.0, -1.0, 2.0])
    np.testing.assert_allclose(interpretability.removal_curve(value, [0, 2, 1]), [3, 0, -2, -1])
    np.testing.assert_allclose(interpretability.removal_curve(value, [0, 2, 1], insert=True), [-1, 2, 4, 3])
    assert interpretability.area([2.0, 1.0, 0.0]) == 1.0
    np.testing.assert_allclose(interpretability.on_shares([1.0, 0.0]), np.linspace(1, 0, 11))
    with pytest.raises(ValueError, match="each word's place once"):
        interpretability.removal_curve(value, [0, 0, 1])


@given(st.permutations(range(5)), st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_no_order_deletes_faster_than_that_of_the_true_scores(order, seed):
    numbers = np.random.default_rng(seed).normal(size=5)
    value = Linear(numbers)
    best = interpretability.area(interpretability.removal_curve(value, np.argsort(-numbers)))
    assert best <= interpretability.area(interpretability.removal_curve(value, order)) + 1e-12


@backend
def test_randomised_weights_keep_their_values_and_come_back(model):
    before = state(model)
    with interpretability.randomised(model, ["transformer_layer_1", "logits"], seed=1):
        within = state(model)
    changed = 0
    for variable, one, other, after in zip(model.weights, before, within, state(model), strict=True):
        np.testing.assert_array_equal(one, after)
        np.testing.assert_array_equal(np.sort(one, axis=None), np.sort(other, axis=None))
        hit = "transformer_layer_1" in variable.path or variable.path.startswith("logits")
        changed += not np.array_equal(one, other)
        assert hit or np.array_equal(one, other)
    assert changed > 5


def test_the_ladder_reaches_every_weight_once(model):
    names = [name for step in interpretability.ladder(model) for name in step]
    reached = [v.path for name in names for v in model.get_layer(name).weights]
    assert sorted(reached) == sorted(v.path for v in model.weights)
    assert interpretability.ladder(model)[:2] == [("logits",), ("transformer_layer_1",)]


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 5, (2, 30))
    assert interpretability.rank_correlation(one, other) == pytest.approx(stats.spearmanr(one, other)[0])
    assert interpretability.rank_correlation(np.ones(5), np.arange(5)) == 0.0


# Probing


@backend
def test_layer_means_are_means_without_padding(model, words):
    rows = [words.ids, words.ids[:5]]
    found = interpretability.layer_means(model, rows)
    assert found.shape == (3, 2, 16)
    last = keras.Model(model.input, model.get_layer("transformer_layer_1").output)
    states = ops.convert_to_numpy(last(interpretability.model_inputs([rows[1]])))
    np.testing.assert_allclose(found[2, 1], states[0].mean(axis=0), atol=1e-5)


@given(st.lists(st.integers(5, 9), min_size=1, max_size=12), st.integers(0, 99))
@settings(deadline=None)
def test_two_neighbours_are_swapped(inner, seed):
    ids = np.array([1, *inner, 2])
    found = interpretability.swap_neighbours(ids, seed)
    assert sorted(found) == sorted(ids)
    assert (found[0], found[-1]) == (1, 2)
    places = np.flatnonzero(found != ids)
    if len(set(inner)) > 1:
        assert len(places) == 2
        assert places[1] - places[0] == 1
    else:
        assert not len(places)


def test_control_labels_belong_to_types_and_are_balanced():
    types = np.random.default_rng(0).zipf(1.5, 500) % 60
    labels = interpretability.control_labels(types, seed=0)
    for each in np.unique(types):
        assert len(set(labels[types == each])) == 1
    assert 0.4 < labels.mean() < 0.6
    assert (labels != interpretability.control_labels(types, seed=1)).any()


def test_a_probe_finds_what_is_there():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8))
    y = (x[:, 2] > 0).astype(int)
    assert interpretability.probe(x[:200], y[:200], x[200:], y[200:], 1.0) > 0.9
    assert interpretability.probe(x[:200], rng.permutation(y[:200]), x[200:], y[200:], 1.0) < 0.7
