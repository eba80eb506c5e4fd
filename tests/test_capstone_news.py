"""The capstone's financial news: lexicons, heads, the ceiling, when to be silent, the watch, back-tests."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_lib import capstone, fetch, fine_tuning, weights
from course_lib.capstone import data, news

examples = hypothesis.settings(deadline=None, max_examples=25, database=None, derandomize=True)


def random_problem(count=200, width=6, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(3, 2, (count, width))
    labels = np.argmax(features[:, :3] + rng.normal(0, 1, (count, 3)), axis=1)
    return features, labels


# Baselines


def test_the_lexicon_adds_up_words_and_ignores_case_and_numbers():
    texts = ["Profit ROSE, profit rose 12 %", "Sales fell.", "The report is due in May", ""]
    assert news.lexicon_scores(texts).tolist() == [4, -1, 0, 0]
    assert news.by_sign(news.lexicon_scores(texts)).tolist() == [2, 0, 1, 1]
    assert news.lexicon_scores(["up down up"], {"up": 0.5, "down": -2}).tolist() == [-1]


def test_a_word_is_not_both_good_and_bad():
    assert not news.UP & news.DOWN
    assert all(word == word.lower() and word.isalpha() for word in news.UP | news.DOWN)


def test_by_sign_is_neutral_within_the_margin():
    assert news.by_sign([-0.6, -0.5, 0, 0.5, 0.6]).tolist() == [0, 1, 1, 1, 2]
    assert news.by_sign([-3, 3], margin=3).tolist() == [1, 1]


def test_the_general_lexicon_is_vaders():
    found = news.general_lexicon()
    assert len(found) == 7_502
    assert found["gross"] == -2.1
    assert all(-4 <= score <= 4 for score in found.values())


def test_without_the_archive_the_general_lexicon_says_what_to_do(monkeypatch):
    monkeypatch.setattr(news.carriers, "find", lambda name: None)
    with pytest.raises(fetch.DataError, match="course fetch data"):
        news.general_lexicon()


def test_the_linear_baseline_learns_words():
    texts = ["profit rose", "sales rose", "profit fell", "sales fell", "report due", "meeting due"] * 3
    labels = [2, 2, 0, 0, 1, 1] * 3
    model = news.linear_baseline(texts, labels)
    assert model.predict(["it rose", "it fell", "all due"]).tolist() == [2, 0, 1]


# The encoder's features


def test_a_folded_head_has_the_logits_of_the_pipeline():
    features, labels = random_problem()
    head = news.train_head(features, labels, 0.1)
    pipeline = fine_tuning.train_head(features, labels, 0.1)
    np.testing.assert_allclose(head.logits(features), pipeline.decision_function(features), atol=1e-4)
    assert head.kernel.shape == (6, 3)
    assert head.kernel.dtype == head.bias.dtype == np.float32


def test_adapting_changes_only_the_last_blocks():
    statements = data.sample("news")
    backbone = weights.load_backbone("float32")
    before = {each.path: each.numpy() for each in backbone.weights}
    texts = list(statements.texts[:8])
    model = news.adapt(backbone, texts, statements.labels[:8], blocks=1, epochs=2, sequence_length=16)
    changed = {each.path for each in backbone.weights if (before[each.path] != each.numpy()).any()}
    assert changed
    assert all("transformer_layer_5" in path for path in changed)
    assert fine_tuning.predict(model, texts, sequence_length=16).shape == (8, 3)


# The ceiling, and silence


def test_the_ceiling_by_hand():
    assert news.ceiling([[0, 0, 0], [2, 2, 2]]) == 1
    # Left out, the third disagrees with two; with the first or second left out, the others have no majority.
    assert news.ceiling([[1, 1, 2]]) == 0
    votes = [[0, 0, 0, 0, 1]]
    assert news.ceiling(votes) == 4 / 5


@examples
@hypothesis.given(hnp.arrays("int32", (7, 5), elements=st.integers(0, 2)))
def test_the_ceiling_does_not_depend_on_who_is_who(votes):
    hypothesis.assume(any((votes[:, 1:] == vote).sum(axis=1).max() > 2 for vote in range(3)))
    assert news.ceiling(votes) == pytest.approx(news.ceiling(votes[:, ::-1]))


def test_the_threshold_is_the_least_that_keeps_the_wanted_accuracy():
    sure = np.array([0.9, 0.8, 0.7, 0.6])
    probabilities = np.column_stack([sure, 1 - sure])
    assert news.choose_threshold(probabilities, [0, 0, 1, 0], 0.75) == (0.6, 1)
    assert news.choose_threshold(probabilities, [0, 0, 1, 0], 0.8) == (0.8, 0.5)
    assert news.choose_threshold(probabilities, [1, 1, 1, 1], 0.8) == (np.inf, 0)


@examples
@hypothesis.given(st.integers(0, 1_000), st.floats(0.3, 1))
def test_what_is_answered_is_as_often_right_as_wanted(seed, accuracy):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), 50).round(1)  # Many equal ones.
    labels = rng.integers(0, 3, 50)
    threshold, coverage = news.choose_threshold(probabilities, labels, accuracy)
    answered = probabilities.max(axis=1) >= threshold
    assert coverage == pytest.approx(answered.mean())
    if answered.any():
        assert np.mean(probabilities[answered].argmax(axis=1) == labels[answered]) >= accuracy - 1e-12


def test_the_judge_is_silent_below_its_threshold():
    logits = {"up": [0, 0, 4], "hm": [0, 0.1, 0]}
    judge = news.Judge(lambda texts: [logits[text] for text in texts], threshold=0.8)
    assert judge("up").label == "positive"
    assert judge("hm").label is None
    assert sum(judge("hm").probabilities.values()) == pytest.approx(1)
    warm = news.Judge(judge.logits, temperature=10, threshold=0.8)
    assert warm("up").label is None
    assert warm("up").probability < judge("up").probability


# Watched


def watch_of(texts):
    judge = news.Judge(lambda texts: np.tile([0.0, 2.0, 0.0], (len(texts), 1)))
    return judge, news.Watch(texts, texts, judge.judge(texts), window=20)


def test_the_watch_alarms_when_words_change_and_not_before():
    rng = np.random.default_rng(0)
    old, new = (["profit", "sales", "rose", "fell", "report", "due"], ["moon", "rekt", "hodl", "lambo"])
    draw = lambda words: " ".join(rng.choice(words, 5))  # noqa: E731
    judge, watch = watch_of([draw(old) for _ in range(100)])
    calm = [watch.add(text, judge(text)) for text in (draw(old) for _ in range(40))]
    loud = [watch.add(text, judge(text)) for text in (draw(new) for _ in range(20))]
    assert not any(calm)
    assert loud[-1] == ["unknown"]


def test_the_watch_keeps_no_text():
    judge, watch = watch_of([f"profit number {i}" for i in range(30)])
    assert set(watch.observe("", judge(""))) == set(news.WATCHED)
    assert watch.observe("", judge(""))["unknown"] == 0
    assert all(isinstance(each, (int, float)) for each in watch.observe("a b", judge("a b")).values())


# Back-tests


def test_the_market_gives_nothing_to_who_waits_a_day():
    gains = []
    for seed in range(30):
        tone, returns = news.efficient_market(1_000, seed=seed)
        assert news.sharpe(news.trade(tone, returns, lag=0)) > 3
        gains.append(news.sharpe(news.trade(tone, returns, lag=1)))
    # One Sharpe ratio of four years of chance has a standard deviation of about one half.
    assert abs(np.mean(gains)) < 3 * 0.5 / np.sqrt(30)


def test_a_lag_moves_the_decision_before_the_return():
    np.testing.assert_allclose(news.trade([1, -1, 0], [0.1, 0.2, 0.3], lag=1), [0.2, -0.3])
    np.testing.assert_allclose(news.trade([1, -1, 0], [0.1, 0.2, 0.3], lag=0), [0.1, -0.2, 0])
    profits = np.array([0.01, 0.02, 0.03])
    assert news.sharpe(profits) == pytest.approx(np.sqrt(250) * profits.mean() / profits.std())


def test_labels_made_with_hindsight_are_only_known_within_the_same_days():
    by_chance = [news.hindsight_scores(seed=seed)[0] for seed in range(3)]
    by_time = [news.hindsight_scores(by_time=True, seed=seed, days=120) for seed in range(20)]
    assert min(by_chance) > 0.9
    assert abs(np.mean([accuracy for accuracy, _ in by_time]) - 0.5) < 0.12


# What was recorded


def test_the_record_is_of_the_recorded_statements():
    record = capstone.record("news")
    sizes = record["statements"]
    assert sizes["train"] + sizes["validation"] + sizes["test"] == sum(sizes["classes"]) == 3_448
    for each in record["models"].values():
        right = [each[part]["accuracy"] * each[part]["statements"] for part in each]
        assert right[0] == pytest.approx(right[1] + right[2], abs=0.2)
    assert sum(map(sum, record["confusion"])) == sizes["test"]


def test_the_record_of_the_lexicon_is_what_it_does():
    try:
        bank = data.phrasebank()
    except fetch.DataError:
        pytest.skip("Financial PhraseBank is not here.")
    share = np.mean(news.by_sign(news.lexicon_scores(bank.texts)) == bank.labels)
    recorded = capstone.record("news")["models"]["course's lexicon"]["all"]
    spread = np.sqrt(share * (1 - share) / recorded["statements"])
    assert abs(share - recorded["accuracy"]) < 4 * spread


def test_the_card_has_what_was_measured_and_fits_a_line():
    lines = news.card().splitlines()
    assert [line.split()[0] for line in lines][:: len(lines) - 1] == ["task", "limits"]
    assert all(len(line) <= 105 for line in lines)
