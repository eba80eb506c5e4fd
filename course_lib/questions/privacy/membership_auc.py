"""Question: how well an attack tells members from others."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _auc_calls(rng):
    def scores(members, others, shift, digits=3):
        made = rng.normal(shift, 1, members), rng.normal(0, 1, others)
        return tuple(np.round(each, digits) + 0.0 for each in made)  # No -0.

    return [
        scores(6, 9, 0.8),
        scores(40, 25, 0.5),
        Call(scores(12, 20, 0.7, digits=0), about="equal scores"),
        Call(scores(10, 14, -3.0), about="an attack that is worse than a coin"),
        Call((np.full(4, 0.5), np.full(7, 0.5)), about="equal scores"),
        Call((np.array([2.0, 1.0, 2.0]), np.array([0.0, -1.0])), about="an attack that is never wrong"),
        scores(3, 80, 0.6),
    ]


def _pairs(score):
    """The mean over all pairs of what is scored for a member and somebody else."""
    return lambda members, others: np.mean(score(members[:, None], others[None]))


def _reference(members, others):
    return _pairs(lambda m, o: (m > o) + 0.5 * (m == o))(members, others)


def _at_the_median(members, others):
    threshold = np.median(np.concatenate([members, others]))
    return (np.mean(members > threshold) + np.mean(others <= threshold)) / 2


def _best_accuracy(members, others):
    thresholds = np.concatenate([[-np.inf], np.sort(np.concatenate([members, others]))])
    return max((np.mean(members > t) + np.mean(others <= t)) / 2 for t in thresholds)


def _side_by_side(members, others):
    n = min(len(members), len(others))
    return np.mean((members[:n] > others[:n]) + 0.5 * (members[:n] == others[:n]))


QUESTION = Question(
    id="privacy.membership_auc",
    title="How well an attack tells members from others",
    points=1,
    minutes=10,
    signature="membership_auc(members, others)",
    calls=_auc_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "ties_lost",
            _pairs(lambda m, o: m > o),
            "Right but for equal scores, which count for nothing with you. An attack that gives everyone the "
            "same score: how good is it?",
            "Between two equal scores one can only toss a coin. How often is that right?",
        ),
        Mistake(
            "ties_won",
            _pairs(lambda m, o: m >= o),
            "Right but for equal scores, which you count as if the member had the higher one.",
            "An attack that gives everyone the same score would be perfect with you. Between two equal "
            "scores one can only toss a coin.",
        ),
        Mistake(
            "turned_round",
            (
                _pairs(lambda m, o: (m < o) + 0.5 * (m == o)),
                _pairs(lambda m, o: m < o),
                _pairs(lambda m, o: m <= o),
            ),
            "Your number is on the wrong side of 0.5. Who should have the higher score?",
            "The attack gives a high score to what it takes for a member. Count the pairs in which it is "
            "right.",
        ),
        Mistake(
            "better_side",
            lambda members, others: max(_reference(members, others), 1 - _reference(members, others)),
            "Right unless the attack is worse than a coin. You turn it round then, after having seen who is "
            "a member.",
            "An attacker does not know the answers. A number below 0.5 says that the scores mislead.",
        ),
        Mistake(
            "accuracy",
            (_at_the_median, _best_accuracy),
            "You compute how often one threshold is right. Which threshold does the area need?",
            "The area needs none: it compares each member with each of the others.",
        ),
        Mistake(
            "side_by_side",
            _side_by_side,
            "You compare the first member with the first of the others, the second with the second. Which "
            "pairs are there?",
            "With 6 members and 9 others there are 54 pairs. `members[:, None]` makes a column.",
        ),
        Mistake(
            "gini",
            (
                _pairs(lambda m, o: 1.0 * (m > o) - (m < o)),
                _pairs(lambda m, o: np.abs(1.0 * (m > o) - (m < o))),
            ),
            "You subtract the pairs that are lost from those that are won, so a coin has 0 with you.",
            "The chance that a member has the higher score lies between 0 and 1, and a coin has 0.5.",
        ),
        Mistake(
            "not_divided",
            (
                lambda members, others: _reference(members, others) * len(members) * len(others),
                lambda members, others: _reference(members, others) * len(others),
                lambda members, others: _reference(members, others) * len(members),
                lambda members, others: np.sum(members[:, None] > others),
            ),
            "You count the pairs that the member wins. Out of how many?",
            "With m members and n others there are m times n pairs. A chance lies between 0 and 1.",
        ),
        Mistake(
            "means_compared",
            (
                lambda members, others: members.mean() - others.mean(),
                lambda members, others: np.mean(members > others.mean()),
                lambda members, others: np.mean(members > np.median(others)),
                lambda members, others: np.mean(members.mean() > others),
            ),
            "You compare with a mean or a median. One very high score moves a mean, and should count as one "
            "win for each of the others.",
            "Only the order of the scores matters, and of every member with every other.",
        ),
    ),
    hint="Take two members and two others and write down all four pairs. In how many does the member have "
    "the higher score?",
    more="Compare a column of the members with a row of the others: an array with an entry for each pair. 1 "
    "for higher, one half for equal, and the mean of all.",
    example=(np.array([3.0, 1.0]), np.array([1.0, 2.0])),
)
