"""Question: whether a model is better than a baseline."""

import math

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _calls(rng):
    def call(ours, baseline, both_right, both_wrong, about=""):
        """Labels with these numbers of examples that only one, both or neither gets right."""
        kinds = rng.permutation([0] * ours + [1] * baseline + [2] * both_right + [3] * both_wrong)
        labels = rng.integers(0, 4, size=len(kinds))
        wrong = (labels + rng.integers(1, 4, size=len(kinds))) % 4
        other = (labels + rng.integers(1, 4, size=len(kinds))) % 4
        return Call(
            (labels, np.where((kinds == 0) | (kinds == 2), labels, wrong),
             np.where((kinds == 1) | (kinds == 2), labels, other)),
            about,
        )  # fmt: skip

    a, b = (int(n) for n in rng.integers(2, 5, size=2))
    return [
        call(9 + a, 3, 40, 12),
        call(5, 11 + b, 30, 8, about="a baseline that is better"),
        call(6, 6, 20, 5, about="as many on both sides"),
        call(0, 0, 12, 6, about="models that agree"),
        call(5 + a, 0, 30, 3),
        call(30 + a, 17 + b, 60, 20),
        call(1, 0, 10, 2),
    ]


def _counts(labels, ours, baseline):
    ours, baseline = ours == labels, baseline == labels
    return int(np.sum(ours & ~baseline)), int(np.sum(baseline & ~ours))


def _tail(most, count):
    """The chance of at most so many heads among so many coins."""
    return sum(math.comb(count, i) for i in range(most + 1)) / 2**count


def _exact(b, c):
    return min(1.0, 2 * _tail(min(b, c), b + c))


def _answer(counts=_counts, test=_exact, order=lambda b, c, p: (b, c, p)):
    def answer(labels, ours, baseline):
        b, c = counts(labels, ours, baseline)
        return order(b, c, test(b, c))

    return answer


def _reference(labels, ours, baseline):
    return _answer()(labels, ours, baseline)


def _normal(statistic):
    """The two-sided chance of a chi-squared number with one degree of freedom."""
    return math.erfc(math.sqrt(statistic / 2))


def _chi_squared(less):
    def test(b, c):
        return _normal((max(abs(b - c) - less, 0)) ** 2 / (b + c)) if b + c else 1.0

    return test


def _mid_p(b, c):
    return _exact(b, c) - math.comb(b + c, b) / 2 ** (b + c) if b + c else 1.0


def _of_all(labels, ours, baseline):
    """Takes all examples for coins."""
    b, c = _counts(labels, ours, baseline)
    return b, c, min(1.0, 2 * _tail(min(b, c), len(labels)))


def _rights(labels, ours, baseline):
    return int(np.sum(ours == labels)), int(np.sum(baseline == labels))


def _wrongs(labels, ours, baseline):
    return int(np.sum(ours != labels)), int(np.sum(baseline != labels))


def _unpaired(labels, ours, baseline):
    n, (a, b) = len(labels), _rights(labels, ours, baseline)
    share = (a + b) / (2 * n)
    z = (a - b) / n / math.sqrt(2 * share * (1 - share) / n)
    return (*_counts(labels, ours, baseline), _normal(z**2))


def _disagreements(labels, ours, baseline):
    """Counts examples on which the two say different things, also where both are wrong."""
    differ = ours != baseline
    b = int(np.sum(differ & (ours == labels)))
    return b, int(differ.sum()) - b


QUESTION = Question(
    id="capstone.mcnemar",
    title="Whether a model is better than a baseline",
    points=2,
    minutes=15,
    signature="mcnemar(labels, ours, baseline)",
    calls=_calls,
    reference=_reference,
    returns=("array", "array", "array"),
    names=("only_ours", "only_baseline", "p_value"),
    rtol=1e-4,
    atol=1e-9,
    mistakes=(
        Mistake(
            "one_sided",
            (
                _answer(test=lambda b, c: _tail(min(b, c), b + c)),
                _answer(test=lambda b, c: _tail(c, b + c)),
            ),
            "Both counts are right. Your p-value is one-sided: it looks at one of the two directions.",
            "Before you looked, either of the two could have been the better one: twice the smaller tail.",
        ),
        Mistake(
            "not_limited",
            _answer(test=lambda b, c: 2 * _tail(min(b, c), b + c)),
            "Your p-value can be above 1. Can a probability be?",
            "Where both counts are equal, the two tails overlap. Nothing is above 1.",
        ),
        Mistake(
            "chi_squared",
            (_answer(test=_chi_squared(0)), _answer(test=_chi_squared(1))),
            "You use McNemar's statistic with the chi-squared distribution, which is an approximation. Asked "
            "for is the exact test.",
            "Add up binomial coefficients: `math.comb(n, i) / 2**n`.",
        ),
        Mistake(
            "mid_p",
            _answer(test=_mid_p),
            "You count the observed case half. That is the mid-p form; the exact test counts it in full.",
            "At most min(b, c) heads: the case of just that many is included.",
        ),
        Mistake(
            "observed_left_out",
            _answer(test=lambda b, c: min(1.0, 2 * _tail(min(b, c) - 1, b + c))),
            "Your tail ends one too early. Is the observed count part of it?",
            "`range(k)` ends at k - 1. At most k heads are k + 1 cases.",
        ),
        Mistake(
            "always_one_side",
            (
                _answer(test=lambda b, c: min(1.0, 2 * _tail(c, b + c))),
                _answer(test=lambda b, c: min(1.0, 2 * _tail(b, b + c))),
            ),
            "Right, unless it is the other model that wins more often. To which count do you add up?",
            "k is the smaller of the two counts, whichever that is.",
        ),
        Mistake(
            "larger_tail",
            _answer(test=lambda b, c: min(1.0, 2 * _tail(max(b, c), b + c))),
            "Your p-value is always 1: your tail ends at the larger of the two counts, and holds nearly all.",
            "Surprising is how few heads there were: add up to the smaller count.",
        ),
        Mistake(
            "one_case_only",
            (
                _answer(test=lambda b, c: math.comb(b + c, b) / 2 ** (b + c)),
                _answer(test=lambda b, c: min(1.0, 2 * math.comb(b + c, b) / 2 ** (b + c))),
            ),
            "Yours is the chance of just this result. Results that are more extreme belong to it as well.",
            "Add up the cases 0, 1, ... up to the smaller of the two counts.",
        ),
        Mistake(
            "all_examples",
            _of_all,
            "You take all examples for coins. On most of them the two models are both right or both wrong, "
            "which says nothing of who is better.",
            "There are only_ours + only_baseline coins.",
        ),
        Mistake(
            "right_counted",
            (_answer(counts=_rights), _answer(counts=_wrongs)),
            "You count how often each model is right, or wrong. The test compares where just one of them is.",
            "For each example there are four cases. Two of them count.",
        ),
        Mistake(
            "both_wrong_counted",
            _answer(counts=_disagreements),
            "Where both are wrong in different ways, you count it for one side. Nobody has won there.",
            "only_baseline: the baseline is right, and ours is not.",
        ),
        Mistake(
            "unpaired",
            _unpaired,
            "The counts are right. Your p-value compares two shares as if they came from different examples.",
            "Both models saw the same examples. The two counts that you return hold all that is needed.",
        ),
        Mistake(
            "exchanged",
            (
                _answer(order=lambda b, c, p: (c, b, p)),
                _answer(order=lambda b, c, p: (p, b, c)),
            ),
            "The three numbers are right, in another order than asked for.",
            "Return `(only_ours, only_baseline, p_value)`, in this order.",
        ),
        Mistake(
            "no_coins_no_chance",
            of_each(
                lambda value: _answer(test=lambda b, c: _exact(b, c) if b + c else value), 0.0, float("nan")
            ),
            "Right, unless the two models are right on the same examples. How surprising is that, if they "
            "are equally good?",
            "Without a coin there is one case, and it has happened: its chance is 1.",
        ),
    ),
    hint="Count the two kinds of examples on which just one model is right. If the models were equally good, "
    "each such example would be a fair coin.",
    more="With n coins and k the smaller count: add up math.comb(n, i) for i from 0 to k, divide by 2**n, "
    "double it, and cut it at 1.",
    example=(np.array([0, 1, 1, 0, 2, 2]), np.array([0, 1, 1, 0, 2, 1]), np.array([0, 1, 0, 1, 2, 2])),
)
