"""Question: how many members are found almost surely."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _rate_calls(rng):
    def scores(members, others, shift, digits=3):
        made = rng.normal(shift, 1, members), rng.normal(0, 1, others)
        return tuple(np.round(each, digits) + 0.0 for each in made)  # No -0.

    tied = np.array([3.0, 2.0, 2.0, 2.0, 1.0, 1.0, 0.0, 0.0])
    on_it = rng.permutation(np.array([4.0, 3.0, 2.0, 2.0, 1.0, 1.5, 0.5, 2.5, 3.5, 3.2]))
    low = np.append(np.round(rng.normal(1, 1, 6), 3), [-2.0, -2.5])
    far = np.array([9.0, 8.0, 1.0, 0.4, 0.3])
    dense, few = np.linspace(-3, 4, 50), np.array([3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -2.5])
    return [
        (*scores(300, 33, 1.2), 0.1),
        (*scores(250, 45, 0.8), 0.3),
        Call((on_it, rng.permutation(tied), 0.25), about="others with equal scores"),
        Call((*scores(200, 16, 1.0), 0.125), about="a share of the others that is met exactly"),
        Call((*scores(30, 40, 1.5), 0.01), about="a share that is less than one of the others"),
        Call((far, np.array([2.0, 0.5, 0.2, 0.1]), 0.25), about="members between two others"),
        (np.round(rng.permutation(dense) + rng.uniform(0, 0.1), 3), rng.permutation(few), 0.25),
        Call((rng.permutation(low), np.array([1.0, 2.0, 0.5]), 1.0), about="a share of 1"),
        (*scores(200, 150, 1.0, digits=1), 0.05),
    ]


def _allowed(others, share):
    return int(share * len(others) + 1e-9)


def _reference(members, others, false_positives):
    allowed = _allowed(others, false_positives)
    if allowed >= len(others):
        return 1.0
    return np.mean(members > np.sort(others)[::-1][allowed])


def _by_threshold(threshold, above=np.greater):
    return lambda members, others, share: np.mean(above(members, threshold(members, others, share)))


def _best(good, thresholds=lambda members, others: np.concatenate([members, others, [-np.inf, np.inf]])):
    """The greatest share of members above or at a threshold whose share of others is good."""

    def answer(members, others, share):
        rates = [(np.mean(others >= t), np.mean(members >= t)) for t in thresholds(members, others)]
        return max((found for false, found in rates if good(false, share)), default=0.0)

    return answer


def _interpolated(members, others, share):
    thresholds = np.unique(np.concatenate([members, others, [np.inf]]))[::-1]
    false = [np.mean(others >= t) for t in thresholds]
    return np.interp(share, false, [np.mean(members >= t) for t in thresholds])


def _at(place, above=np.greater):
    """Above, or not below, the score of the other at a place from the highest."""

    def answer(members, others, share):
        ordered, first = np.sort(others)[::-1], max(place(others, share), 0)
        return 1.0 if first >= len(others) else np.mean(above(members, ordered[first]))

    return answer


def _precision(members, others, share):
    threshold = np.append(np.sort(others)[::-1], -np.inf)[_allowed(others, share)]
    found, wrong = np.sum(members > threshold), np.sum(others > threshold)
    return found / max(found + wrong, 1)


def _ties_broken(members, others, share):
    """Walks down one sorted list, members first among equals, until too many others have been met."""
    both = sorted([(-s, 0) for s in members] + [(-s, 1) for s in others])
    left, found = _allowed(others, share), 0
    for _, other in both:
        if other and not left:
            break
        left, found = left - other, found + (not other)
    return found / len(members)


QUESTION = Question(
    id="privacy.true_positives",
    title="How many members are found almost surely",
    points=2,
    minutes=15,
    signature="true_positives(members, others, false_positives)",
    calls=_rate_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "interpolated",
            (
                _interpolated,
                _by_threshold(lambda members, others, share: np.quantile(others, 1 - share)),
                _by_threshold(
                    lambda members, others, share: np.quantile(others, 1 - share), np.greater_equal
                ),
            ),
            "You draw a line between two points of the curve, or between two scores. Is there a threshold "
            "at every point of it?",
            "One other more is above the threshold, or it is not. Which is the lowest threshold that lets no "
            "more of them pass than may?",
        ),
        Mistake(
            "one_other_more",
            (
                _at(lambda others, share: _allowed(others, share) + 1),
                _at(lambda others, share: int(np.ceil(share * len(others)))),
                _at(lambda others, share: round(share * len(others))),
            ),
            "More others are above your threshold than may be, or a member counts that is no higher than one "
            "of them.",
            "Count the others that pass at your threshold. Does the one at the threshold itself pass?",
        ),
        Mistake(
            "one_other_less",
            (
                _at(lambda others, share: _allowed(others, share) - 1),
                _best(lambda false, share: false < share - 1e-9),
            ),
            "Your threshold is higher than it must be. May the share of others be met exactly?",
            "At most means that the share itself is allowed, and the threshold may go down to just above "
            "the first other that has to stay out.",
        ),
        Mistake(
            "thresholds_of_others",
            (
                _best(lambda false, share: false <= share + 1e-9, lambda members, others: others),
                _at(lambda others, share: _allowed(others, share) - 1, np.greater_equal),
            ),
            "Your threshold is always the score of one of the others. Some members lie between two of them.",
            "Between the last other that may pass and the first that may not, the threshold can be "
            "anywhere. Where does it find the most members?",
        ),
        Mistake(
            "ties_broken",
            (_ties_broken, _at(_allowed, np.greater_equal)),
            "Right but where scores are equal. Can a threshold separate two equal scores?",
            "All who have the same score pass together, members and others, or none of them does.",
        ),
        Mistake(
            "threshold_from_members",
            (
                _by_threshold(lambda members, others, share: np.quantile(members, 1 - share)),
                lambda members, others, share: _reference(others, members, share),
            ),
            "You set the threshold by the members' scores. Whose share is limited?",
            "False positives are others who are taken for members. Sort those.",
        ),
        Mistake(
            "turned_round",
            (
                lambda members, others, share: _reference(-members, -others, share),
                _by_threshold(lambda members, others, share: np.quantile(others, share)),
                _by_threshold(lambda members, others, share: np.quantile(others, share), np.less),
                _by_threshold(lambda members, others, share: np.quantile(others, share), np.less_equal),
            ),
            "You begin at the wrong end. Does a high or a low score speak for a member?",
            "Only the highest scores are taken for members. Which others are the first to pass by mistake?",
        ),
        Mistake(
            "false_positives_returned",
            (
                lambda members, others, share: _allowed(others, share) / len(others),
                lambda members, others, share: np.mean(
                    others > np.append(np.sort(others)[::-1], -np.inf)[_allowed(others, share)]
                ),
            ),
            "You return the share of others that pass. Which share is asked for?",
            "The threshold comes from the others; what is counted above it are the members.",
        ),
        Mistake(
            "share_of_all_found",
            _precision,
            "You divide by all who pass. That is the precision; asked for is a share of the members.",
            "How many of all members are found? What stands below the line then?",
        ),
        Mistake(
            "share_of_1",
            (
                lambda members, others, share: np.mean(
                    members > np.sort(others)[::-1][min(_allowed(others, share), len(others) - 1)]
                ),
                lambda members, others, share: (
                    _reference(members, others, share) if share < 1 else np.mean(members > others.min())
                ),
            ),
            "Right but with a share of 1. How many members are found if all others may pass?",
            "Then no other has to stay out, and the threshold may be as low as one likes.",
        ),
    ),
    hint="How many of the others may pass? Sort them from the highest, and put your finger on the first that "
    "must not.",
    more="With k = the whole part of share * len(others), the other at place k from the highest, counted "
    "from 0, must stay out. All members above its score are found. If there is no such other, all are.",
    example=(np.array([5.0, 3.0, 1.0]), np.array([4.0, 2.0]), 0.5),
)
