"""Question: agreement beyond chance."""

import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb


def _kappa_calls(rng):
    first = rng.permutation(np.repeat([0, 1], 20))
    rare = rng.permutation(np.repeat([0, 1], [50, 10]))
    kinds = np.array(["plain", "negation", "mixed"])
    truth = rng.permutation(np.repeat([0, 1, 2], [14, 8, 4]))
    agreed = kinds[truth], kinds[np.where(rng.permutation(26) < 6, (truth + 1) % 3, truth)]
    less = first, np.where(rng.permutation(40) < int(rng.integers(26, 34)), 1 - first, first)
    return [
        (np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0])),
        (first, np.where(rng.permutation(40) < 12, 0, first)),
        Call(less, about="less agreement than by chance"),
        (rare, np.roll(rare, 1)),
        Call(agreed, about="strings as labels"),
        Call((kinds[truth], kinds[truth]), about="full agreement"),
        Call(
            (np.zeros(5, dtype="int64"), np.repeat([0, 3], [4, 1])), about="an annotator with a single label"
        ),
        Call((np.full(4, 2), np.full(4, 2)), about="the same one label everywhere"),
    ]


def _frequencies(first, second):
    labels = np.union1d(first, second)
    return [np.array([np.mean(each == label) for label in labels]) for each in (first, second)]


def _by_formula(agreement, chance):
    return (agreement - chance) / (1 - chance)


def _kappa_with(chance, formula=_by_formula):
    """Kappa with another idea of chance, a function of both annotators' frequencies, or another formula."""

    def kappa(first, second):
        expected = np.float64(chance(*_frequencies(first, second)))
        return formula(np.mean(first == second), expected)

    return kappa


def _right_chance(one, two):
    return one @ two


def _counted_chance(over):
    """Kappa with chance from counts, divided by a function of the number of items."""

    def kappa(first, second):
        one, two = (len(first) * each for each in _frequencies(first, second))
        return _by_formula(np.mean(first == second), one @ two / over(len(first)))

    return kappa


def _in_the_end(change):
    return lambda first, second: change(imdb.cohen_kappa(first, second))


def _of_ones(first, second):
    one, two = first.mean(), second.mean()
    return _by_formula(np.mean(first == second), one * two + (1 - one) * (1 - two))


def _of_zeros_and_ones(first, second):
    chance = sum(np.mean(first == label) * np.mean(second == label) for label in (0, 1))
    return _by_formula(np.mean(first == second), chance)


def _of_counts(first, second):
    chance = (np.bincount(first) / len(first)) @ (np.bincount(second) / len(second))
    return _by_formula(np.mean(first == second), chance)


def _of_counts_up_to_largest(first, second):
    size = max(first.max(), second.max()) + 1
    one, two = (np.bincount(each, minlength=size) / len(each) for each in (first, second))
    return _by_formula(np.mean(first == second), one @ two)


def _of_table(first, second):
    table = np.zeros((len(np.union1d(first, second)),) * 2)
    for one, two in zip(first, second, strict=True):
        table[one, two] += 1 / len(first)
    return _by_formula(np.trace(table), table.sum(axis=0) @ table.sum(axis=1))


def _in_python_floats(first, second):
    return _by_formula(float(np.mean(first == second)), float(_right_chance(*_frequencies(first, second))))


def _joint_chance(first, second):
    together = [np.mean((first == label) & (second == label)) for label in np.union1d(first, second)]
    return _by_formula(np.mean(first == second), np.sum(together))


def _zero_without_rounding(first, second):
    return math.nan if (first == second).all() else 0.0


def _nan_for_one_habit(first, second):
    if any(len(np.unique(each)) == 1 for each in (first, second)):
        return math.nan
    return imdb.cohen_kappa(first, second)


QUESTION = Question(
    id="imdb.cohen_kappa",
    title="Agreement beyond chance",
    points=1,
    minutes=10,
    signature="cohen_kappa(first, second)",
    calls=_kappa_calls,
    reference=lambda first, second: imdb.cohen_kappa(first, second),
    mistakes=(
        Mistake(
            "agreement",
            lambda first, second: np.mean(first == second),
            "You return the share of items on which the two agree. Two people who toss coins agree on half "
            "of them; kappa was to be 0 then.",
            "Compute how often they would agree if each kept the frequencies of their labels and ignored "
            "the items. Which part of your number is only that, and how much could be above it?",
        ),
        Mistake(
            "undivided",
            _kappa_with(_right_chance, lambda agreement, chance: agreement - chance),
            "You subtract chance, but perfect agreement does not give 1 in your result.",
            "With two labels used equally often, chance is 0.5, so perfect agreement leaves 1 - 0.5. What "
            "is the most that observed agreement can be above chance?",
        ),
        Mistake(
            "another_denominator",
            (
                _kappa_with(_right_chance, lambda agreement, chance: (agreement - chance) / chance),
                _kappa_with(_right_chance, lambda agreement, chance: (agreement - chance) / (1 - agreement)),
            ),
            "You subtract chance, and then divide by something else than what the two could reach beyond "
            "chance.",
            "Perfect agreement must give 1, whatever chance is. Put 1 for the observed agreement: what must "
            "the denominator be?",
        ),
        Mistake(
            "uniform_chance",
            (_kappa_with(lambda one, two: 1 / len(one)), _kappa_with(lambda one, two: 0.5)),
            "Your chance agreement takes all labels for equally frequent. Do these annotators use them "
            "equally often?",
            "Two moderators who mark 3 of 100 comments each agree on about 94 of 100 by luck, not on 50. "
            "For each label, with which probability do both give it?",
        ),
        Mistake(
            "pooled_chance",
            _kappa_with(lambda one, two: np.sum(((one + two) / 2) ** 2)),
            "You pool the labels of both annotators before you compute chance. That is another statistic, "
            "Scott's pi; Cohen's lets each have their own habits.",
            "If one always says 0 and the other 0 or 3, luck agrees exactly where the second says 0. Which "
            "two frequencies of the label 0 have to be multiplied?",
        ),
        Mistake(
            "one_annotators_chance",
            (_kappa_with(lambda one, two: one @ one), _kappa_with(lambda one, two: two @ two)),
            "Your chance agreement is that of one annotator with themselves: you square the frequencies of "
            "one.",
            "For each label the two frequencies that are multiplied come from different people: how often "
            "does the first give it, and how often the second?",
        ),
        Mistake(
            "joint_chance",
            (_joint_chance, _zero_without_rounding),
            "Your kappa is 0, but for rounding, or not a number, whoever labels: as chance agreement you "
            "count how often the two really agree.",
            "How often both give a label to the same item is the observed agreement. By chance is what would "
            "be if neither looked at the items: which two shares, each of one person, are multiplied?",
        ),
        Mistake(
            "counts_for_shares",
            (_counted_chance(lambda n: 1), _counted_chance(lambda n: n)),
            "Your chance agreement is larger than 1, which no share can be. Do you multiply counts where "
            "shares were asked for?",
            "Of 4 items two have the label 1: the share is 2/4. A product of two counts must be divided by "
            "the number of items once for each of them.",
        ),
        Mistake(
            "certain_labels",
            (_of_ones, _of_zeros_and_ones, _of_counts, _of_counts_up_to_largest, _of_table),
            "Your code counts on certain labels, such as 0 and 1. Labels may be any integers, or strings.",
            "Try first = ['a', 'b', 'c'] and second = ['a', 'b', 'b'], as arrays. Which labels there are, "
            "the data say: go through np.unique of both together.",
        ),
        Mistake(
            "never_negative",
            (
                _in_the_end(lambda kappa: kappa if math.isnan(kappa) else max(kappa, 0.0)),
                _in_the_end(lambda kappa: max(0.0, kappa)),
                _in_the_end(abs),
            ),
            "Where the two agree less often than luck would, your result is not negative. What does the "
            "formula give?",
            "Kappa is negative when two annotators agree less than by chance, for example because one has "
            "exchanged the labels. That is worth knowing, so its sign is kept.",
        ),
        Mistake(
            "one_label_agrees",
            (
                _in_the_end(lambda kappa: 1.0 if math.isnan(kappa) else kappa),
                _in_the_end(lambda kappa: 0.0 if math.isnan(kappa) else kappa),
                _in_python_floats,
            ),
            "All is right but for the case in which both give the same one label to everything: nothing "
            "can be told then, and NaN was asked for.",
            "With a single label, chance agreement is 1 already: there is nothing beyond it to reach, and "
            "the fraction is 0/0. Look at the denominator before you divide.",
        ),
        Mistake(
            "nan_too_often",
            _nan_for_one_habit,
            "You return NaN too often. Kappa is not defined only where both give the same one label to all "
            "items, that is, where the denominator is 0.",
            "If one always says 0 and the other 0 or 3, chance agreement is the share of the second's zeros, "
            "which is below 1. So kappa is a number; which one?",
        ),
    ),
    hint="The formula needs two numbers: the share of equal labels, and the sum over labels of the product "
    "of the two annotators' frequencies.",
    more="np.mean(first == second) is the observed agreement. For chance, go through all labels that occur "
    "in either array: np.mean(first == label) times np.mean(second == label), added up. Then the formula; "
    "where its denominator is 0, NaN.",
    example=(np.array([1, 1, 2, 2, 3]), np.array([1, 1, 2, 3, 3])),
)
