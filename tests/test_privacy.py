"""course_lib.privacy against independent computations and its own promises."""

import math
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from course_lib.privacy import (
    accounting,
    dp_sgd,
    federated,
    heads,
    membership,
    reconstruction,
    records,
    secure_aggregation,
)


def examples(count=30, width=6, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, width))
    return features, (features[:, 0] + rng.normal(size=count) > 0).astype(int)


def networks(width=6):
    rng = np.random.default_rng(5)
    shapes = heads.head(width), heads.adapter(width, 3)
    return [[rng.normal(size=each.shape) for each in weights] for weights in shapes]


# Heads and adapters


@pytest.mark.parametrize("weights", networks(), ids=["head", "adapter"])
def test_a_gradient_is_that_of_finite_differences(weights):
    features, labels = examples()

    def loss(weights, i):
        logits, _ = heads.forward(weights, features[i : i + 1])
        return heads.losses(logits, labels[i : i + 1])[0]

    for k, (inputs, errors) in enumerate(heads.layers(weights, features, labels)):
        assert inputs.shape == (30, weights[k].shape[0])
        assert errors.shape == (30, weights[k].shape[1])
        for i in (0, 7):
            found = np.outer(inputs[i], errors[i])
            for place in np.ndindex(found.shape):
                pair = []
                for step in (1e-6, -1e-6):
                    moved = [each.copy() for each in weights]
                    moved[k][place] += step
                    pair.append(loss(moved, i))
                assert found[place] == pytest.approx((pair[0] - pair[1]) / 2e-6, abs=1e-7)


def test_an_adapter_starts_as_a_head():
    features, _ = examples()
    last = np.random.default_rng(0).normal(size=(7, 1))
    start = [*heads.adapter(6, 3)[:2], last]
    np.testing.assert_array_equal(heads.forward(start, features)[0], heads.forward([last], features)[0])


def test_features_are_scaled_by_the_public_only():
    features, _ = examples()
    public = np.random.default_rng(1).normal(3, 2, (500, 6))
    scaled = heads.scale(features, public)
    np.testing.assert_array_equal(scaled[3], heads.scale(features[3:4], public)[0])
    assert np.linalg.norm(heads.scale(public, public), axis=1).mean() == pytest.approx(1, abs=0.1)


def test_heads_trained_at_once_are_those_trained_alone():
    features, labels = examples(60)
    member = np.random.default_rng(2).random((60, 4)) < 0.5
    together = heads.train_heads(features, labels, member, steps=50, rate=0.5)
    for i in range(4):
        inside = member[:, i]
        alone = heads.train_heads(
            features[inside], labels[inside], np.ones((inside.sum(), 1), bool), steps=50, rate=0.5
        )
        np.testing.assert_allclose(together[:, i], alone[:, 0], atol=1e-10)


def test_a_model_without_examples_is_refused():
    features, labels = examples()
    with pytest.raises(ValueError, match="at least one example per model"):
        heads.train_heads(features, labels, np.zeros((30, 1), bool))


def test_losses_do_not_overflow():
    np.testing.assert_allclose(heads.losses(np.array([1e4, -1e4, 1e4]), np.array([1, 1, 0])), [0, 1e4, 1e4])


# Membership


@hypothesis.settings(deadline=None, max_examples=50)
@hypothesis.given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=30),
    st.lists(st.integers(-5, 5), min_size=1, max_size=30),
)
def test_auc_is_sklearns_and_the_area_under_roc(members, others):
    truth = np.repeat([1, 0], [len(members), len(others)])
    found = membership.auc(members, others)
    assert found == pytest.approx(sklearn.metrics.roc_auc_score(truth, members + others))
    false, true = membership.roc(np.array(members), np.array(others))
    assert found == pytest.approx(np.trapezoid(true, false))
    assert membership.auc(others, members) == pytest.approx(1 - found)


def test_true_positives_keep_the_share_of_false_ones():
    rng = np.random.default_rng(0)
    members, others = rng.normal(1, 1, 500), rng.normal(0, 1, 1000)
    for share in (0.001, 0.01, 0.2):
        found = membership.true_positives(members, others, share)
        false, true = membership.roc(members, others)
        assert found == pytest.approx(true[false <= share + 1e-12].max())
    assert membership.true_positives(members, others, 1.0) == 1
    assert membership.true_positives([1.0], [1.0, 0.0], 0.0) == 0


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng, inside = np.random.default_rng(0), 0
    truth = scipy.stats.norm.cdf(1 / math.sqrt(2))
    for seed in range(40):
        low, high = membership.interval(rng.normal(1, 1, 80), rng.normal(0, 1, 80), repeats=200, seed=seed)
        inside += low <= truth <= high
    assert 33 <= inside <= 40


def test_lira_finds_what_the_loss_alone_does_not():
    """Members' margins are a little higher, but reviews differ in difficulty by far more."""
    rng = np.random.default_rng(0)
    member = rng.random((400, 33)) < 0.5
    margins = rng.normal(0, 5, (400, 1)) + member * 1.5 + rng.normal(0, 0.7, (400, 33))
    score, inside = membership.lira(margins, member, 0), member[:, 0]
    assert membership.auc(score[inside], score[~inside]) > 0.9
    assert membership.auc(margins[inside, 0], margins[~inside, 0]) < 0.65


def test_lira_needs_shadows_on_both_sides():
    with pytest.raises(ValueError, match="Train more shadows"):
        membership.lira(np.zeros((2, 3)), np.ones((2, 3), bool), 0)


def test_no_scores_are_refused():
    with pytest.raises(ValueError, match="members and of others"):
        membership.auc([], [1.0])


# Gradients


def tables(texts, vocabulary=40, width=12, places=15, seed=0):
    """Gradients of two tables whose rows are added, for token and place, as an encoder has them."""
    rng = np.random.default_rng(seed)
    token, place = np.zeros((vocabulary, width)), np.zeros((places, width))
    for text in texts:
        for i, word in enumerate(text):
            gradient = rng.normal(size=width)
            token[word] += gradient
            place[i] += gradient
    return token, place


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(st.lists(st.integers(0, 39), min_size=1, max_size=10), st.integers(0, 99))
def test_a_text_is_read_from_its_gradient_with_its_order_and_repetitions(text, seed):
    token, place = tables([text], seed=seed)
    assert reconstruction.tokens_used(token).tolist() == sorted(set(text))
    assert reconstruction.tokens_in_order(token, place).tolist() == text


def test_two_texts_or_noise_give_words_but_no_order():
    token, place = tables([[1, 2, 3, 4], [5, 6, 2, 7]])
    assert reconstruction.tokens_used(token).tolist() == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(ValueError, match="no order"):
        reconstruction.tokens_in_order(token, place)
    token, place = tables([[1, 2, 3, 4]])
    noise = np.random.default_rng(0).normal(0, 1, token.shape)
    with pytest.raises(ValueError, match="no order"):
        reconstruction.tokens_in_order(token + noise, place)


def test_features_come_out_of_a_heads_gradient():
    features, error = np.random.default_rng(0).normal(size=8), np.array([0.3, -0.3])
    found = reconstruction.features_from_head(np.outer(features, error), error)
    np.testing.assert_allclose(found, features)
    with pytest.raises(ValueError, match="error of the example is zero"):
        reconstruction.features_from_head(np.zeros((8, 2)), np.zeros(2))


# DP-SGD


def explicit(weights, features, labels):
    """Each example's gradient as one vector."""
    layers = heads.layers(weights, features, labels)
    return np.stack(
        [
            np.concatenate([np.outer(inputs[i], errors[i]).ravel() for inputs, errors in layers])
            for i in range(len(features))
        ]
    )


@pytest.mark.parametrize("weights", networks(), ids=["head", "adapter"])
def test_norms_and_clipped_sums_are_those_of_explicit_gradients(weights):
    features, labels = examples()
    gradients = explicit(weights, features, labels)
    norms = np.linalg.norm(gradients, axis=1)
    layers = heads.layers(weights, features, labels)
    np.testing.assert_allclose(dp_sgd.gradient_norms(layers), norms)
    clip = float(np.median(norms))
    expected = (gradients * np.minimum(1, clip / norms)[:, None]).sum(axis=0)
    found = np.concatenate([each.ravel() for each in dp_sgd.clipped_sum(layers, clip)])
    np.testing.assert_allclose(found, expected, atol=1e-10)


@hypothesis.settings(deadline=None, max_examples=40)
@hypothesis.given(
    st.integers(0, 29), st.floats(0.01, 5), st.sampled_from([0, 1]), st.floats(0.01, 1000), st.integers(0, 9)
)
def test_one_example_moves_the_sum_by_at_most_the_clip(out, clip, kind, size, seed):
    """Sensitivity: the bound that the noise is scaled by, whatever the example is like."""
    weights = networks()[kind]
    features, labels = examples(seed=seed)
    features[out] *= size
    rest = np.arange(30) != out
    sums = [
        dp_sgd.clipped_sum(heads.layers(weights, features[chosen], labels[chosen]), clip)
        for chosen in (slice(None), rest)
    ]
    moved = np.sqrt(sum(np.sum((one - other) ** 2) for one, other in zip(*sums, strict=True)))
    assert moved <= clip * (1 + 1e-9)


def test_the_noise_has_the_scale_that_it_must_have():
    layers = heads.layers(heads.head(6), *examples())
    (clean,) = dp_sgd.clipped_sum(layers, 0.7)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([dp_sgd.noisy_sum(layers, 0.7, 1.3, rng)[0] - clean for _ in range(3000)]).ravel()
    assert scipy.stats.kstest(drawn / (0.7 * 1.3), "norm").pvalue > 0.01
    assert drawn.std() == pytest.approx(0.7 * 1.3, rel=0.02)
    pairs = drawn.reshape(-1, 7)
    assert abs(np.corrcoef(pairs[:, 0], pairs[:, 1])[0, 1]) < 0.06


def test_the_noise_in_training_is_that_of_every_step():
    """Without examples in a step, weights are a sum of noises: their variance grows with the steps."""
    features, labels = examples()
    recipe = {"rate": 1e-9, "clip": 2.0, "noise": 1.5, "learning_rate": 1e-9}
    found = np.concatenate(
        [
            dp_sgd.train(heads.head(6), features, labels, steps=25, seed=seed, **recipe)[0]
            for seed in range(300)
        ]
    )
    assert found.std() == pytest.approx(2.0 * 1.5 * math.sqrt(25) / 30, rel=0.05)


def test_sampling_is_poisson_at_the_accountants_rate():
    """Each by a coin of its own: so the counts are binomial, and two examples independent."""
    rng = np.random.default_rng(0)
    drawn = np.stack([dp_sgd.poisson_sample(200, 0.1, rng) for _ in range(4000)])
    counts = drawn.sum(axis=1)
    assert counts.mean() == pytest.approx(20, rel=0.02)
    assert counts.var() == pytest.approx(200 * 0.1 * 0.9, rel=0.08)  # Batches of one size would have none.
    together = (drawn[:, 0] & drawn[:, 1]).mean()
    assert together == pytest.approx(0.01, abs=0.006)


def test_training_draws_that_sample_and_divides_by_the_expected_batch(monkeypatch):
    features, labels = examples()
    rates = []
    real = dp_sgd.poisson_sample
    monkeypatch.setattr(
        dp_sgd,
        "poisson_sample",
        lambda count, rate, rng: rates.append((count, rate)) or real(count, rate, rng),
    )
    recipe = {"rate": 0.3, "clip": 1.0, "noise": 0.0, "learning_rate": 2.0, "seed": 4}
    (found,) = dp_sgd.train(heads.head(6), features, labels, steps=1, **recipe)
    assert rates == [(30, 0.3)]
    drawn = real(30, 0.3, np.random.default_rng(4))
    (total,) = dp_sgd.clipped_sum(heads.layers(heads.head(6), features[drawn], labels[drawn]), 1.0)
    np.testing.assert_allclose(found, -2.0 * total / 9)


def test_without_noise_and_with_a_wide_clip_it_is_gradient_descent():
    features, labels = examples()
    start = heads.adapter(6, 3)
    found = dp_sgd.train(start, features, labels, rate=1.0, steps=7, clip=1e9, noise=0.0, learning_rate=0.5)
    plain = federated.local_training(start, features, labels, steps=7, learning_rate=0.5)
    for one, other in zip(found, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def test_numbers_out_of_range_are_refused():
    features, labels = examples()
    good = {"rate": 0.5, "steps": 1, "clip": 1.0, "noise": 1.0, "learning_rate": 1.0}
    for wrong, said in (
        ({"rate": 0.0}, "`rate` must be"),
        ({"noise": -1.0}, "not negative"),
        ({"clip": 0.0}, "`clip` must be positive"),
    ):
        with pytest.raises(ValueError, match=said):
            dp_sgd.train(heads.head(6), features, labels, **{**good, **wrong})


# Epsilon


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.0, 0.05, 200), (2.0, 0.1, 50), (4.0, 0.5, 10)])
def test_renyi_by_hand_is_the_librarys(noise, rate, steps):
    library = pytest.importorskip("dp_accounting")
    from dp_accounting import rdp

    accountant = rdp.RdpAccountant(orders=list(accounting.ORDERS))
    step = library.PoissonSampledDpEvent(rate, library.GaussianDpEvent(noise))
    accountant.compose(library.SelfComposedDpEvent(step, steps))
    expected = accountant.get_epsilon(1e-5)
    assert accounting.renyi_epsilon(noise, rate, steps, 1e-5) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("noise", "steps"), [(1.0, 1), (3.0, 4), (8.0, 100)])
def test_epsilon_of_whole_batches_is_the_exact_one(noise, steps):
    """Balle and Wang (2018): many Gaussian steps are one with less noise, whose delta is known exactly."""
    pytest.importorskip("dp_accounting")
    found = accounting.epsilon(noise, 1.0, steps, 1e-5)
    scale = noise / math.sqrt(steps)
    shift = 1 / (2 * scale)
    cdf = scipy.stats.norm.cdf
    delta = cdf(shift - found * scale) - math.exp(found) * cdf(-shift - found * scale)
    assert delta == pytest.approx(1e-5, rel=0.05)


def test_epsilon_of_one_sampled_step_is_that_of_numerical_integration():
    """Both directions of the two worlds, integrated on a fine grid without any library."""
    pytest.importorskip("dp_accounting")
    noise, rate = 0.8, 0.2
    grid = np.linspace(-14, 15, 400_001)
    without = scipy.stats.norm.pdf(grid, 0, noise)
    both = (1 - rate) * without + rate * scipy.stats.norm.pdf(grid, 1, noise)

    def delta(epsilon):
        pairs = ((both, without), (without, both))
        return max(np.trapezoid(np.maximum(0, p - math.exp(epsilon) * q), grid) for p, q in pairs)

    found = accounting.epsilon(noise, rate, 1, 1e-4)
    assert delta(found) <= 1e-4 * 1.001
    assert delta(found - 0.01) > 1e-4


def test_epsilon_is_below_the_renyi_bound_and_moves_the_right_way():
    pytest.importorskip("dp_accounting")
    found = accounting.epsilon(1.5, 0.1, 100, 1e-5)
    assert found < accounting.renyi_epsilon(1.5, 0.1, 100, 1e-5)
    assert accounting.epsilon(2.0, 0.1, 100, 1e-5) < found
    assert accounting.epsilon(1.5, 0.1, 200, 1e-5) > found
    assert accounting.epsilon(1.5, 0.2, 100, 1e-5) > found


def test_noise_for_a_target():
    pytest.importorskip("dp_accounting")
    noise = accounting.noise_for(2.0, 0.1, 100, 1e-5)
    assert accounting.epsilon(noise, 0.1, 100, 1e-5) <= 2.0
    assert accounting.epsilon(noise - 0.01, 0.1, 100, 1e-5) > 2.0
    with pytest.raises(ValueError, match="`target` must be positive"):
        accounting.noise_for(0.0, 0.1, 100, 1e-5)
    with pytest.raises(ValueError, match="`noise` must be positive"):
        accounting.epsilon(0.0, 0.1, 100, 1e-5)


def test_without_the_accountant_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    with pytest.raises(ImportError, match=r'pip install "course-lib\[privacy\]"'):
        accounting.epsilon(1.0, 0.1, 1, 1e-5)


# Federated


def test_one_step_each_is_one_step_on_everything():
    features, labels = examples(60)
    start = networks()[1]
    parts = np.split(np.arange(60), [5, 30])
    updates = [federated.local_training(start, features[p], labels[p], steps=1) for p in parts]
    central = federated.local_training(start, features, labels, steps=1)
    for one, other in zip(federated.average(updates, [5, 25, 30]), central, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    unweighted = federated.average(updates, [1, 1, 1])
    assert any(np.abs(one - other).max() > 1e-3 for one, other in zip(unweighted, central, strict=True))


def test_averaging_nobody_is_refused():
    with pytest.raises(ValueError, match="There must be clients"):
        federated.average([], [])


def test_nonsense_is_screened_and_the_median_ignores_it():
    rng = np.random.default_rng(0)
    start = [np.zeros((4, 2))]
    fine = [[rng.normal(1, 0.1, (4, 2))] for _ in range(3)]
    for bad in (np.nan, np.inf, 1e6, 1e200):
        assert federated.screen([*fine, [np.full((4, 2), bad)]], start) == [True, True, True, False]
    assert federated.screen([[np.full((4, 2), np.nan)]], start) == [False]
    (middle,) = federated.median([*fine, [np.full((4, 2), 1e6)], [np.full((4, 2), -1e6)]])
    np.testing.assert_allclose(middle, np.median(np.stack([each[0] for each in fine]), axis=0))


def test_a_client_moves_a_private_average_by_a_bounded_length():
    start = [np.zeros(3)]
    options = {"clip": 1.0, "noise": 0.0, "expected": 4, "rng": np.random.default_rng(0)}
    (few,) = federated.private_average([[np.ones(3)]], start, **options)
    (more,) = federated.private_average([[np.ones(3)], [np.full(3, 1e9)]], start, **options)
    assert np.linalg.norm(more - few) == pytest.approx(1 / 4)
    noisy = [
        federated.private_average([], start, **{**options, "noise": 2.0, "rng": np.random.default_rng(i)})[0]
        for i in range(2000)
    ]
    assert np.std(noisy) == pytest.approx(2.0 / 4, rel=0.05)


# Secure aggregation


def pair_secrets(names):
    return {(one, other): f"{one}{other}".encode() for i, one in enumerate(names) for other in names[i + 1 :]}


def own(name, secrets):
    return {(set(pair) - {name}).pop(): secret for pair, secret in secrets.items() if name in pair}


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(st.integers(2, 6), st.integers(1, 50), st.integers(0, 99))
def test_the_sum_under_masks_is_exact(count, size, seed):
    names = [f"client {i}" for i in range(count)]
    secrets, rng = pair_secrets(names), np.random.default_rng(seed)
    values = rng.uniform(-1000, 1000, (count, size))
    sent = [
        secure_aggregation.encode(row) + secure_aggregation.mask(name, own(name, secrets), 3, size)
        for name, row in zip(names, values, strict=True)
    ]
    total = np.sum(np.stack(sent), axis=0, dtype="uint32")
    rounded = np.round(values * secure_aggregation.SCALE).sum(axis=0) / secure_aggregation.SCALE
    np.testing.assert_array_equal(secure_aggregation.decode(total), rounded)


def test_what_is_sent_is_uniform_and_no_mask_serves_twice():
    masks = secure_aggregation.mask("a", {"b": b"secret"}, 1, 20_000)
    sent = secure_aggregation.encode(np.zeros(20_000)) + masks
    assert scipy.stats.kstest(sent / 2**32, "uniform").pvalue > 0.01
    assert (
        secure_aggregation.pair_mask(b"secret", 1, 9) != secure_aggregation.pair_mask(b"secret", 2, 9)
    ).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 4e4])
def test_what_does_not_fit_is_refused(value):
    with pytest.raises(ValueError, match="finite and below 32768"):
        secure_aggregation.encode([value])


# Records


def test_the_record_of_margins():
    found = records.membership()
    assert list(found) == [100, 250, 20_000]
    for size, each in found.items():
        assert len(each.members) == min(size, 500)
        assert len(each.others) == (500 if size == 20_000 else 1_000)
        assert (each.members > 0).mean() > (each.others > 0).mean()


def test_what_the_reviewer_got_right_is_what_its_card_says():
    """The first 500 test reviews of the 2,500 that the card counts."""
    from course_lib import weights

    right = (records.membership()[20_000].others > 0).mean()
    assert right == pytest.approx(weights.reviewer_card()["test"]["accuracy"], abs=0.03)
