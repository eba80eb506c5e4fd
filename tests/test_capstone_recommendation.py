"""The capstone's recommendation: the split in time, measures, factorisation, two towers, the index."""

import dataclasses

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from course_lib import capstone
from course_lib.capstone import data
from course_lib.capstone import recommendation as rec

examples = hypothesis.settings(deadline=None, max_examples=25, database=None, derandomize=True)


@pytest.fixture(scope="module")
def ratings():
    return data.sample("ratings")


@pytest.fixture(scope="module")
def parted(ratings):
    return rec.split(ratings)


@pytest.fixture(scope="module")
def text(ratings):
    """A stand-in for the encoder's vectors: a direction per genre, and noise."""
    rng, genres = np.random.default_rng(0), sorted(set(sum(ratings.genres, ())))
    directions = rng.normal(0, 1, (len(genres), 24))
    rows = [sum(directions[genres.index(each)] for each in own) for own in ratings.genres]
    return rec.centred(np.array(rows) + rng.normal(0, 0.3, (len(rows), 24)))


@pytest.fixture(scope="module")
def towers(parted, text):
    return rec.train_towers(parted.histories, text, cuts=20, width=16)


def cosine(films):
    return films / np.linalg.norm(films, axis=1, keepdims=True)


# The split


def test_nothing_of_the_future_is_learned(ratings, parted):
    times = {
        pair: time
        for *pair, time in zip(ratings.users.tolist(), ratings.items.tolist(), ratings.times, strict=True)
        for pair in [tuple(pair)]
    }
    early = {pair for pair, time in times.items() if time < parted.cut}
    assert set(np.flatnonzero(parted.known)) <= {film for _, film in early}
    for case in parted.cases:
        moment = min(times[case.user, film] for film in case.wanted)
        assert moment >= parted.cut
        assert all(times[case.user, film] <= moment for film in case.history)
        assert not set(case.wanted) & set(case.rated)
        assert set(case.history) <= set(case.rated)
        assert len(case.history) >= 5
    likes = np.sum((ratings.ratings >= rec.LIKED) & (ratings.times < parted.cut))
    assert sum(map(len, parted.histories)) == likes


def test_a_validation_split_ends_where_the_test_set_begins(ratings, parted):
    earlier = rec.split(ratings, until=parted.cut)
    assert earlier.cut < parted.cut
    last = {(u, i): t for u, i, t in zip(ratings.users, ratings.items, ratings.times, strict=True)}
    assert all(last[case.user, film] < parted.cut for case in earlier.cases for film in case.wanted)


def test_a_split_needs_ratings(ratings):
    with pytest.raises(ValueError, match="between 0 and 1"):
        rec.split(ratings, share=1)
    with pytest.raises(ValueError, match="nobody"):
        rec.split(ratings, fewest=1_000)


def test_texts_have_title_genres_and_description(ratings):
    assert rec.text_of(ratings)[0] == (
        "The Long Orbit. Sci-Fi, Adventure. a crew drifts past Saturn with one engine left."
    )
    bare = dataclasses.replace(ratings, descriptions=None, genres=((),) * ratings.item_count)
    assert rec.text_of(bare)[0] == "The Long Orbit."


def test_centred_vectors_have_length_one(text):
    np.testing.assert_allclose(np.linalg.norm(text, axis=1), 1, atol=1e-6)


# Measures


@examples
@hypothesis.given(st.integers(0, 10_000), st.integers(1, 12))
def test_ndcg_is_scikit_learns(seed, k):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(20).astype("float64")
    wanted = rng.choice(20, rng.integers(1, 8), replace=False)
    case = rec.Case(0, np.array([], int), np.array([], int), wanted)
    films = rec.ranked(scores, case, k)
    theirs = ndcg_score([np.isin(np.arange(20), wanted)], [scores], k=k)
    assert rec.ndcg_at(films, wanted, k) == pytest.approx(theirs)
    assert 0 <= rec.recall_at(films, wanted) <= min(1, k / len(wanted))


def test_a_list_leaves_out_what_was_rated_and_what_is_not_allowed():
    case = rec.Case(0, np.array([1]), np.array([1, 2]), np.array([4]))
    scores = [0.1, 0.9, 0.8, 0.5, 0.5]
    assert rec.ranked(scores, case, 2).tolist() == [3, 4]
    allowed = np.array([True, True, False, False, True])
    assert rec.ranked(scores, case, 5, allowed).tolist() == [4, 0]
    assert rec.evaluate([scores], [case], 2).tolist() == [[1.0, pytest.approx(1 / np.log2(3))]]
    assert scores[1] == 0.9  # Unchanged.


def test_among_few_films_by_chance_almost_anything_is_a_hit():
    rng = np.random.default_rng(0)
    cases = [rec.Case(i, np.array([0]), np.array([0]), rng.integers(1, 500, 1)) for i in range(400)]
    hits = rec.sampled_hits(rng.random((400, 500)), cases, k=10, others=19)
    assert abs(hits.mean() - 10 / 20) < 0.1


def test_the_paired_interval_holds_the_mean_difference():
    rng = np.random.default_rng(0)
    first, noise = rng.random(300), rng.normal(0.1, 0.05, 300)
    low, high = rec.paired_interval(first + noise, first)
    assert low < noise.mean() < high
    assert high - low < 0.02


# Factorisation


def test_folding_in_solves_the_weighted_ridge():
    rng = np.random.default_rng(0)
    factors, liked = rng.normal(0, 1, (30, 4)), np.array([2, 7, 9])
    wish = np.isin(np.arange(30), liked).astype(float)
    trust = np.diag(1 + 2.0 * wish)
    expected = np.linalg.solve(factors.T @ trust @ factors + 0.5 * np.eye(4), factors.T @ trust @ wish)
    np.testing.assert_allclose(rec.fold_in(liked, factors, 0.5, 2.0), expected)


def test_each_round_of_factorisation_lowers_the_loss():
    histories = [np.array(each) for each in ([0, 1, 2], [1, 2, 3], [4, 5], [4, 5, 6], [0, 3])]

    def loss(factors):
        total = np.sum(factors**2)
        for liked in histories:
            own = rec.fold_in(liked, factors)
            wish = np.isin(np.arange(8), liked)
            total += np.sum((1 + wish) * (wish - factors @ own) ** 2) + np.sum(own**2)
        return total

    losses = [loss(rec.factorise(histories, 8, width=3, rounds=rounds)) for rounds in range(1, 6)]
    assert losses == sorted(losses, reverse=True)


def test_a_film_without_fans_has_no_factors(ratings, parted):
    factors = rec.factorise(parted.histories, ratings.item_count, rounds=2)
    np.testing.assert_array_equal(factors.any(axis=1), parted.known)


# Towers


def test_histories_are_padded_at_the_end_with_the_latest_films():
    rows = rec.padded([np.array([4, 5]), np.arange(6)], window=3)
    assert rows.tolist() == [[5, 6, 0], [4, 5, 6]]


def test_examples_are_cut_between_past_and_future():
    before, after = rec.examples([np.arange(10), np.arange(3)], cuts=25, wanted=4)
    assert before.shape == (25, rec.WINDOW)
    assert after.shape == (25, 4)
    for past, future in zip(before, after, strict=True):
        past, future = past[past > 0] - 1, np.sort(future[future > 0]) - 1
        assert past.tolist() == list(range(len(past)))
        assert future.tolist() == list(range(len(past), min(10, len(past) + 4)))
        assert len(past) >= 3


def test_the_loss_is_the_mean_cross_entropy_of_what_was_wanted():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (2, 6)).astype("float32")
    logits[:, [0, 5]] = -1e9  # No film, and one that nobody liked.
    wanted = np.array([[1, 3, 0], [2, 5, 0]])
    chances = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = [-(chances[0, 1] + chances[0, 3]) / 2, -chances[1, 2]]
    np.testing.assert_allclose(rec.next_film_loss(wanted, logits), expected, rtol=1e-5)


def test_what_is_served_is_what_was_trained(ratings, parted, towers):
    served = towers.served()
    logits = keras.ops.convert_to_numpy(towers(rec.padded([case.history for case in parted.cases])))[:, 1:]
    scores = served.scores(parted.cases)
    np.testing.assert_allclose(scores[:, parted.known], logits[:, parted.known], atol=1e-3)
    assert (logits[:, ~parted.known] < -1e8).all()
    np.testing.assert_allclose(np.linalg.norm(served.films, axis=1), 1, atol=1e-5)
    user = np.append(served.user(parted.cases[0].history), 1)
    np.testing.assert_allclose(served.rows() @ user, scores[0], atol=1e-5)


def test_towers_that_learned_nothing_recommend_what_is_popular(parted, text):
    counts = rec.popularity(parted.histories, len(text))
    towers = rec.TwoTowers(text, counts, temperature=1e6)
    logits = keras.ops.convert_to_numpy(towers(rec.padded(parted.histories[:3])))[:, 1:]
    np.testing.assert_allclose(
        logits[:, parted.known], np.log1p(counts[parted.known])[None].repeat(3, 0), atol=1e-5
    )


def test_a_film_without_fans_has_its_text_alone(parted, text, towers):
    films = towers.served().films
    read = keras.ops.convert_to_numpy(towers.read.kernel)
    np.testing.assert_allclose(films[~parted.known], cosine(text @ read)[~parted.known], atol=1e-5)
    assert np.abs(films - cosine(text @ read))[parted.known].max() > 1e-3


def test_trained_towers_beat_popularity(ratings, parted, towers):
    mine = rec.evaluate(towers.served().scores(parted.cases), parted.cases, 5)[:, 0].mean()
    popular = np.tile(rec.popularity(parted.histories, ratings.item_count), (len(parted.cases), 1))
    assert mine > rec.evaluate(popular, parted.cases, 5)[:, 0].mean() + 0.05


# Served


@examples
@hypothesis.given(st.integers(0, 10_000))
def test_the_index_finds_the_largest_products_of_its_own_rows(seed):
    rng = np.random.default_rng(seed)
    index = rec.Index(rng.normal(0, rng.uniform(0.1, 5), (40, 6)))
    vector = rng.normal(0, 1, 6)
    places, scores = index.search(vector, 5)
    exact = index.decoded() @ vector
    np.testing.assert_allclose(np.sort(scores)[::-1], np.sort(exact)[::-1][:5], atol=1e-4)
    np.testing.assert_allclose(scores, exact[places], atol=1e-5)


def test_the_index_takes_a_byte_a_number_and_stays_within_half_a_step():
    rows = np.random.default_rng(0).normal(0, 1, (50, 16))
    index = rec.Index(rows)
    assert index.nbytes == 50 * (16 + 4)
    assert (np.abs(index.decoded() - rows) <= 0.5001 * index.scale).all()


def test_the_recommender_keeps_places_for_new_films(ratings, parted, towers, text):
    recommender = rec.Recommender(towers.served(), ratings.titles, text)
    history = parted.cases[0].history
    shown = recommender.recommend(history, count=6, new=2, rated=[0, 1])
    assert [film.new for film in shown] == [False] * 4 + [True] * 2
    assert not {film.number for film in shown} & {*history.tolist(), 0, 1}
    assert all(film.title == ratings.titles[film.number] for film in shown)
    assert all(film.new != parted.known[film.number] for film in shown)
    best = [film.score for film in shown[:4]]
    assert best == sorted(best, reverse=True)
    assert len(recommender.recommend(history, count=3, new=0)) == 3


@pytest.mark.parametrize("history", [[], [-1], [64]])
def test_the_recommender_says_what_a_history_is(ratings, towers, text, history):
    recommender = rec.Recommender(towers.served(), ratings.titles, text)
    with pytest.raises(ValueError, match="at least one film from 0 to 63"):
        recommender.recommend(history)


# What was recorded


def test_the_record_holds_together():
    record = capstone.record("recommendation")
    assert record["split"]["films"] == 9_125
    for each in record["models"].values():
        assert 0 < each["recall"] < each["sampled_hit_10"] < 1
    low, high = record["intervals_recall"]["matrix factorisation - popularity"]
    models = record["models"]
    assert low < models["matrix factorisation"]["recall"] - models["popularity"]["recall"] < high
    assert record["index"]["megabytes_int8"] < 0.3 * record["index"]["megabytes_float32"]


def test_the_card_has_what_was_measured_and_fits_a_line():
    lines = rec.card().splitlines()
    assert [line.split()[0] for line in lines][:: len(lines) - 1] == ["task", "limits"]
    assert all(len(line) <= 105 for line in lines)
