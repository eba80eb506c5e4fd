"""Question: which tokens to predict."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.pretraining._shared import _distinct, pretraining


def _candidates(rng, counts, length):
    """A row per count: [CLS], so many words with a [SEP] somewhere among them, then padding."""
    candidates = np.zeros((len(counts), length), dtype=bool)
    for row, count in zip(candidates, counts, strict=True):
        row[1 : count + 2] = True
        row[rng.integers(1, count + 2)] = False
    return candidates


def _choose_calls(rng):
    # No count times its rate lies near the middle between two integers.
    def case(counts, length, *rate, about=""):
        scores = _distinct(rng, len(counts), length)
        return Call((scores, _candidates(rng, counts, length), *rate), about=about)

    counts = [int(n) for n in rng.choice([4, 6, 7, 11, 13, 17, 19, 22, 26, 33], size=4, replace=False)]
    few, candidates = case((14, 25), 32)
    low = _distinct(rng, 2, 12) / 10
    apart, words = case((18, 13), 24)
    return [
        case((8,), 12, about="a single row"),
        case((12, 3, 8), 20),
        Call(
            (np.where(candidates, 0.5 + few / 2, few / 4), candidates),
            about="the lowest scores at places that are no candidates",
        ),
        Call((low, _candidates(rng, (5, 9), 12)), about="scores that are all below the rate"),
        Call(
            ((0.4 * apart + [[0.0], [0.5]]).astype("float32"), words),
            about="rows of which one has all low scores",
        ),
        case((7, 2, 4, 1), 12, 0.4, about="another rate than 0.15"),
        case(counts, 40, 0.15),
        case((2, 2), 7, 0.8, about="another rate than 0.15"),
    ]


def _ranks(scores):
    return np.argsort(np.argsort(scores, axis=-1), axis=-1)


def _share(places, rate, rounded=np.round, least=1):
    return np.maximum(least, rounded(rate * places.sum(axis=-1, keepdims=True)))


def _chosen(scores, candidates, rate=0.15, counted=None, hidden=np.inf, sign=1, **kwargs):
    """The lowest of the candidates, with another count or other scores."""
    count = _share(candidates if counted is None else counted(candidates), rate, **kwargs)
    return candidates & (_ranks(np.where(candidates, sign * scores, hidden)) < count)


def _any_token(scores, candidates, rate=0.15, hidden=None):
    scores = scores if hidden is None else np.where(candidates, scores, hidden)
    return _ranks(scores) < _share(candidates, rate)


def _masked_too_late(scores, candidates, rate=0.15, hidden=None):
    return candidates & _any_token(scores, candidates, rate, hidden)


def _one_argsort(scores, candidates, rate=0.15, masked=True):
    order = np.argsort(np.where(candidates, scores, np.inf), axis=-1)
    return (candidates | (not masked)) & (order < _share(candidates, rate))


def _threshold(scores, candidates, rate=0.15, at_least_one=False):
    found = candidates & (scores < rate)
    for row, places, numbers in zip(found, candidates, scores, strict=True):
        if at_least_one and not row.any():
            row[np.argmin(np.where(places, numbers, np.inf))] = True
    return found


def _places_among_candidates(scores, candidates, rate=0.15):
    found = np.zeros_like(candidates)
    for row, places, numbers in zip(found, candidates, scores, strict=True):
        count = max(1, round(rate * int(places.sum())))
        row[np.argsort(numbers[places])[:count]] = True
    return found


def _whole_batch(scores, candidates, rate=0.15):
    ranks = _ranks(np.where(candidates, scores, np.inf).ravel()).reshape(scores.shape)
    return candidates & (ranks < max(1, np.round(rate * candidates.sum())))


def _mean_of_batch(scores, candidates, rate=0.15, rounded=np.round):
    count = max(1, rounded(rate * candidates.sum(axis=-1).mean()))
    return candidates & (_ranks(np.where(candidates, scores, np.inf)) < count)


def _one_off(scores, candidates, rate=0.15, more=1):
    count = _share(candidates, rate) + more
    return candidates & (_ranks(np.where(candidates, scores, np.inf)) < count)


def _below_quantile(scores, candidates, rate=0.15, included=True):
    found = np.zeros_like(candidates)
    for row, places, numbers in zip(found, candidates, scores, strict=True):
        border = np.quantile(numbers[places], rate)
        row[:] = places & ((numbers <= border) if included else (numbers < border))
    return found


QUESTION = Question(
    id="pretraining.choose",
    title="Which tokens to predict",
    points=2,
    minutes=20,
    signature="choose(scores, candidates, rate=0.15)",
    calls=_choose_calls,
    reference=lambda scores, candidates, rate=0.15: pretraining.choose(scores, candidates, rate),
    mistakes=(
        Mistake(
            "threshold",
            with_each(_threshold, {}, {"at_least_one": True}),
            "You toss a coin for each token: on average the share is right, but some rows get too many and "
            "some too few. How many does each row have to get?",
            "Where all scores of a row lie below 0.15, you choose every candidate. First fix the number of "
            "tokens of a row, then take as many with the lowest scores, whatever the scores are.",
        ),
        Mistake(
            "below_quantile",
            with_each(_below_quantile, {}, {"included": False}),
            "You choose what lies below a quantile of the scores. That is near the number asked for, but in "
            "some rows one off.",
            "A quantile lies somewhere between two scores, by a rule of its own. Here the number is given: "
            "rate · n, rounded, and at least one. Take as many.",
        ),
        Mistake(
            "whole_row",
            functools.partial(_chosen, counted=np.ones_like),
            "You choose candidates only, but too many in some rows. Which tokens do you count before you "
            "take the share of them?",
            "A row of 20 with 8 candidates gets the share of 8, not of 20. Otherwise a short text in a wide "
            "batch loses far more of its words than a long one.",
        ),
        Mistake(
            "whole_batch",
            (
                _whole_batch,
                functools.partial(
                    _chosen,
                    counted=lambda candidates: np.full_like(candidates, candidates.sum(), dtype=int)[:, :1],
                ),
                *with_each(_mean_of_batch, {}, {"rounded": np.floor}),
            ),
            "A single row is right, rows of different lengths are not: what you choose in a row depends on "
            "the candidates of the whole batch. What does a row have to do with its neighbours?",
            "Each row gets the share of its own candidates, and ranks run within the row. Give the sum and "
            "the sorting an axis, and the sum keepdims=True.",
        ),
        Mistake(
            "any_token",
            with_each(_any_token, {}, {"hidden": 0.0}),
            "The number per row is right, but some of what you choose is padding or a special token. What "
            "do the scores at these places do in your sorting?",
            "Nothing can be learned from guessing [PAD]. Before you sort, give the places where "
            "`candidates` is False a score with which they never come first.",
        ),
        Mistake(
            "masked_too_late",
            with_each(_masked_too_late, {}, {"hidden": 0.0}),
            "You choose candidates only, but too few of them: padding and special tokens take part in your "
            "sorting and use up places.",
            "Removing them after the choice is too late. With which score do the places where `candidates` "
            "is False come last in the sorting?",
        ),
        Mistake(
            "one_argsort",
            with_each(_one_argsort, {}, {"masked": False}),
            "You compare what argsort returns with the number to choose. What does its first entry say: the "
            "rank of the first token, or the place of the lowest score?",
            "argsort lists places in the order of their scores. The rank of each token is the argsort of "
            "that list; or set the first entries of the list, as places, to True.",
        ),
        Mistake(
            "places_among_candidates",
            _places_among_candidates,
            "The number per row is right, the places are not: you sort the candidates only. Of which list "
            "are the places that argsort gives then?",
            "In scores[candidates] the first candidate has the place 0, but in its row it stands behind "
            "[CLS]. np.flatnonzero(candidates) says which place of the row each has.",
        ),
        Mistake(
            "highest",
            functools.partial(_chosen, sign=-1),
            "The number per row is right, but you take the candidates with the highest scores.",
            "argsort begins with the lowest. Those are the ones asked for: is there a minus, a [::-1] or a "
            "`>` too many?",
        ),
        Mistake(
            "rounded_down",
            functools.partial(_chosen, rounded=np.floor),
            "Some rows get one token too few: with 12 candidates the share is 1.8 tokens. What do you make "
            "of the .8?",
            "int() and // cut off what stands behind the point. To the nearest integer 1.8 is 2, and 1.2 "
            "is 1.",
        ),
        Mistake(
            "rounded_up",
            functools.partial(_chosen, rounded=np.ceil),
            "Some rows get one token too many: with 8 candidates the share is 1.2 tokens. What do you make "
            "of the .2?",
            "ceil always goes up. To the nearest integer 1.2 is 1, and 1.8 is 2.",
        ),
        Mistake(
            "no_minimum",
            with_each(_chosen, {"least": 0}, {"least": 0, "rounded": np.floor}),
            "Short rows get nothing to predict: for 3 candidates the share is 0.45 tokens, which you round "
            "to 0.",
            "A text without a prediction is read in vain. After rounding, which function keeps a number "
            "from falling below 1?",
        ),
        Mistake(
            "one_off",
            with_each(_one_off, {}, {"more": -1}),
            "Your rows get one token too many, or one too few, whatever their share is. Look at your "
            "comparison or your slice.",
            "The lowest candidate has the rank 0, so two tokens have the ranks 0 and 1. Is it a `<` or a "
            "`<=` that takes just these?",
        ),
        Mistake(
            "constant_rate",
            lambda scores, candidates, rate=0.15: _chosen(scores, candidates, 0.15),
            "With the rate 0.15 all is right. With another you still choose 15 %: where does your code use "
            "`rate`?",
            "0.15 is only what the argument is if nothing is given. Where is that number written in your "
            "code?",
        ),
    ),
    hint="Two numbers decide: how many tokens a row gets, and each candidate's rank among the candidates of "
    "its row. The argsort of an argsort gives ranks.",
    more="Give infinity as score to what is no candidate, and take the ranks along the row: 0 for the "
    "lowest. True where the rank is below the row's number, which is rounded and at least 1, in the shape "
    "(batch, 1).",
    example=(
        np.array([[0.05, 0.6, 0.2, 0.1, 0.9, 0.3], [0.5, 0.8, 0.7, 0.1, 0.2, 0.3]]),
        np.array([[False, True, True, True, True, False], [False, True, True, False, False, False]]),
        0.4,
    ),
)
