"""Question: whether the input has changed."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.deployment._shared import deployment


def _drift_calls(rng):
    def counts(bins, size):
        return rng.multinomial(size, rng.dirichlet(np.full(bins, 3.0))) + 1

    hole, other = counts(5, 200), counts(5, 150)
    hole[int(rng.integers(1, 3))] = 0
    other[int(rng.integers(3, 5))] = 0
    new = counts(4, 90)
    new[int(rng.integers(4))] = 0
    same = counts(4, 100)
    return [
        (counts(5, 200), counts(5, 200)),
        (counts(4, 1000), counts(4, 60)),
        Call((hole, other), about="empty bins"),
        Call((same, same.copy()), about="two equal sides"),
        (counts(6, 40), counts(6, 500)),
        Call((counts(4, 300), new), about="empty bins"),
    ]


def _shares(counts):
    return (counts + 0.5) / (counts + 0.5).sum()


def _plain(counts):
    return counts / counts.sum()


def _relative(e, a):
    return (a - e) * np.log(a / e)


def _index(shares=_shares, measure=_relative, combine=np.sum, actual_shares=None):
    """The index with one of its parts replaced."""

    def answer(expected, actual):
        return combine(measure(shares(expected), (actual_shares or shares)(actual)))

    return answer


def _shares_where_empty(counts):
    filled = np.where(counts == 0, 0.5, counts)
    return filled / filled.sum()


def _unless_empty(shares):
    """The index over the bins that are empty on neither side."""

    def answer(expected, actual):
        full = (expected > 0) & (actual > 0)
        return np.sum(_relative(*shares(expected, actual, full)))

    return answer


def _one_total(which):
    def answer(expected, actual):
        e, a = expected + 0.5, actual + 0.5
        total = (e, a)[which].sum()
        return np.sum(_relative(e / total, a / total))

    return answer


def _raised(tiny):
    """Ways to keep shares away from 0 by a small number."""
    return (
        _index(lambda counts: _plain(counts) + tiny),
        _index(lambda counts: np.maximum(_plain(counts), tiny)),
        _index(lambda counts: _plain(counts + tiny)),
        _index(_plain, lambda e, a: (a - e) * np.log((a + tiny) / (e + tiny))),
    )


QUESTION = Question(
    id="deployment.population_stability_index",
    title="Whether the input has changed",
    points=2,
    minutes=10,
    signature="population_stability_index(expected, actual)",
    calls=_drift_calls,
    reference=lambda expected, actual: deployment.population_stability_index(expected, actual),
    rtol=1e-5,
    atol=1e-8,
    mistakes=(
        Mistake(
            "counts",
            (_index(lambda counts: counts + 0.5), _index(lambda counts: counts)),
            "Your index grows with the number of requests. What do the formula's e and a stand for?",
            "The reference may hold 5,000 reviews and the window 100. Their counts cannot be compared "
            "before both sides add up to 1.",
        ),
        Mistake(
            "not_smoothed",
            _index(_plain),
            "Nearly right where all bins are full. Where one is empty, your index is infinite or NaN. Which "
            "step of the task keeps shares away from 0?",
            "A single review of a new kind would make your alert fire. Half an observation more in each "
            "bin, on both sides, keeps the logarithm finite.",
        ),
        Mistake(
            "a_tiny_number_added",
            tuple(
                answer
                for tiny in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)
                for answer in _raised(tiny)
            ),
            "Finite, but nearly right at most where all bins are full: you keep shares away from 0 by some "
            "small number of your own. Which one does the task name, and where is it added?",
            "The smaller your number, the larger the index for a single empty bin. Half an observation is "
            "the same small part of any bin's count, and it is added before the shares are made.",
        ),
        Mistake(
            "a_whole_observation",
            _index(lambda counts: _plain(counts + 1)),
            "Near. How much do you add to each bin?",
            "Add-one smoothing is common elsewhere. Here the task names another number.",
        ),
        Mistake(
            "one_sided",
            of_each(
                lambda measure: _index(measure=measure),
                lambda e, a: a * np.log(a / e),
                lambda e, a: e * np.log(e / a),
                lambda e, a: e * np.log(a / e),
                lambda e, a: a * np.log(e / a),
            ),
            "In front of your logarithm stands one share alone: that is a Kullback-Leibler divergence, give "
            "or take its sign. It is not the same if the two sides are swapped; this index must be.",
            "In front of the logarithm stands the difference of the two shares, not one of them.",
        ),
        Mistake(
            "wrong_sign",
            _index(measure=lambda e, a: (e - a) * np.log(a / e)),
            "The size is right, the sign is not. When a bin has become fuller, which sign has your "
            "difference, and which has your logarithm?",
            "Both factors must change their sign together, so that no bin ever counts below 0. In one of "
            "yours, e and a stand the wrong way round.",
        ),
        Mistake(
            "another_logarithm",
            of_each(lambda log: _index(measure=lambda e, a: (a - e) * log(a / e)), np.log2, np.log10),
            "Your index is off by the same factor in every call. To which base is ln?",
            "`np.log` is the natural logarithm. Those to base 2 and 10 have names of their own.",
        ),
        Mistake(
            "no_logarithm",
            of_each(
                lambda measure: _index(measure=measure),
                lambda e, a: (a - e) ** 2 / e,
                lambda e, a: (a - e) * a / e,
                lambda e, a: (a - e) ** 2,
                lambda e, a: np.abs(a - e),
                lambda e, a: np.log(a / e),
            ),
            "Of the two factors of each bin one is missing, or another one stands there. Compare with the "
            "formula: a difference, times a logarithm.",
            "For the first bin of the example the two factors are 0.45 - 0.95 and ln(0.45 / 0.95). Print "
            "yours.",
        ),
        Mistake(
            "mean_of_bins",
            _index(combine=np.mean),
            "Your index gets smaller the more bins there are. How are the bins put together?",
            "The formula has a sum over the bins. You divide it by their number.",
        ),
        Mistake(
            "empty_bins_only",
            (
                _index(_shares_where_empty),
                _index(lambda counts: _shares(counts) if (counts == 0).any() else _plain(counts)),
            ),
            "Near, and finite where a bin is empty. When does a bin get half an observation from you, and "
            "when in the task?",
            "A full bin gets its half as well, always. Work out the example with yours: the bins with 9, 4 "
            "and 5 should have got it.",
        ),
        Mistake(
            "empty_bins_dropped",
            of_each(
                _unless_empty,
                lambda e, a, full: (_plain(e)[full], _plain(a)[full]),
                lambda e, a, full: (_shares(e)[full], _shares(a)[full]),
                lambda e, a, full: (_plain(e[full]), _plain(a[full])),
                lambda e, a, full: (_shares(e[full]), _shares(a[full])),
            ),
            "You leave out bins that are empty on one side. A kind of review that has come, or gone, for "
            "good would not count at all.",
            "An empty bin is the strongest sign of a change. What does the task do to every bin before it "
            "makes shares, so that none has to be left out?",
        ),
        Mistake(
            "one_side_smoothed",
            (_index(_shares, actual_shares=_plain), _index(_plain, actual_shares=_shares)),
            "Near where all bins are full. You smooth one of the two sides only.",
            "Either side may have an empty bin: with e = 0 the fraction is infinite, with a = 0 its "
            "logarithm is. Who gets the half in the task?",
        ),
        Mistake(
            "old_total",
            of_each(lambda more: _index(lambda counts: (counts + 0.5) / (counts.sum() + more)), 0, 0.5, 1),
            "Very near. You add half an observation to every bin and then divide. Do your shares add up to "
            "1?",
            "With five bins there are 2.5 observations more than before. Which total do you divide by?",
        ),
        Mistake(
            "shares_smoothed",
            (
                _index(lambda counts: _plain(counts) + 0.5),
                _index(lambda counts: _plain(_plain(counts) + 0.5)),
            ),
            "Your index is far too small. To what do you add the half, to counts or to shares?",
            "Half an observation is little beside 100 of them, but 0.5 is much beside a share of 0.01. The "
            "half comes first, the shares after it.",
        ),
        Mistake(
            "one_total_for_both",
            of_each(_one_total, 0, 1),
            "Right where the two sides have the same number of observations. By which total do you divide "
            "each side?",
            "The shares of each side must add up to 1. Print both sums for a reference of 1,000 and a window "
            "of 60.",
        ),
    ),
    hint="Do the example by hand as far as the two lists of shares. Each must add up to 1, and none may be "
    "0.",
    more="Three steps for each side: add 0.5 to every count, sum that up, divide by this sum. Then, bin by "
    "bin, the difference of the two shares times the natural logarithm of their ratio, and the sum of these.",
    example=(np.array([0, 4]), np.array([4, 0])),
)
