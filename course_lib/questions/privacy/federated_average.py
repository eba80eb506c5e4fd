"""Question: one model from many."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _round_calls(rng):
    def call(sizes, lost=(), kind=np.nan, partly=False):
        start = np.round(rng.normal(size=4), 3)
        updates = np.round(start + rng.normal(scale=0.5, size=(len(sizes), 4)), 3)
        for client in lost:
            updates[client, 1 if partly else slice(None)] = kind
        return start, updates, np.array(sizes)

    small = [int(n) for n in rng.integers(3, 9, size=3)]
    return [
        call([100, small[0], 40]),
        call([small[1], 500, 20, 60]),
        Call(call([50, 50, 50]), about="clients of one size"),
        Call(call([80, 30, small[2], 10], lost=[1]), about="a client that dropped out"),
        Call(call([25, 70, 15], lost=[2], partly=True), about="a client with a single NaN"),
        Call(
            call([25, 10, 15, 8], lost=[0, 3], kind=np.inf, partly=True),
            about="a client with infinite weights",
        ),
        Call(call([30, 20], lost=[0, 1]), about="a round without any client"),
        Call(
            call([12, 90, 7, 33], lost=[3], kind=-np.inf, partly=True), about="a client with infinite weights"
        ),
    ]


def _usable(updates):
    return np.isfinite(updates).all(axis=1)


def _mean(updates, sizes):
    return sizes @ updates / sizes.sum()


def _averaged(
    usable=_usable,
    mean=lambda start, updates, sizes, here: _mean(updates[here], sizes[here]),
    empty=lambda start, updates: start,
):
    """The new weights with one of the parts replaced.

    Args:
        usable: Which clients count, from the updates.
        mean: From old weights, updates, sizes and which clients count.
        empty: What a round without clients gives, from old weights and updates.
    """

    def answer(start, updates, sizes):
        here = usable(updates)
        return mean(start, updates, sizes, here) if here.any() else empty(start, updates)

    return answer


def _reference(start, updates, sizes):
    return _averaged()(start, updates, sizes)


def _nan(start, updates):
    return np.full(len(start), np.nan)


def _zero(start, updates):
    return np.zeros(len(start))


def _divided_by_zero(start, updates):
    return np.average(updates[:0], axis=0, weights=np.zeros(0))


def _entry_by_entry(start, updates, sizes):
    good = np.isfinite(updates)
    weights = np.where(good, sizes[:, None], 0)
    total = weights.sum(axis=0)
    found = np.where(good, updates, 0.0) * weights
    return np.where(total > 0, found.sum(axis=0) / np.maximum(total, 1), start)


def _from_start(start, updates, sizes):
    """A lost client counts as one that changed nothing."""
    return _mean(np.where(_usable(updates)[:, None], updates, start), sizes)


def _entries_from_start(start, updates, sizes):
    return _mean(np.where(np.isfinite(updates), updates, start), sizes)


def _changes_only(start, updates, sizes, here):
    return _mean(updates[here] - start, sizes[here])


def _added(start, updates, sizes, here):
    return start + _mean(updates[here], sizes[here])


QUESTION = Question(
    id="privacy.federated_average",
    title="One model from many",
    points=2,
    minutes=15,
    signature="federated_average(start, updates, sizes)",
    calls=_round_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "not_weighted",
            (
                _averaged(mean=lambda start, updates, sizes, here: updates[here].mean(axis=0)),
                lambda start, updates, sizes: updates.mean(axis=0),
            ),
            "Right for clients of one size. With you, a client with 3 examples counts as much as one with "
            "500.",
            "Had all examples been in one place, each would count the same. How many stand behind each row?",
        ),
        Mistake(
            "lost_in_the_total",
            (
                _averaged(mean=lambda start, updates, sizes, here: sizes[here] @ updates[here] / sizes.sum()),
                _averaged(
                    mean=lambda start, updates, sizes, here: sizes[here] @ updates[here] / sizes.sum(),
                    empty=_zero,
                ),
                lambda start, updates, sizes: _mean(np.nan_to_num(updates, posinf=0.0, neginf=0.0), sizes),
            ),
            "Right if everyone answers. Else your weights are too small: whose examples do you still divide "
            "by, or what do you add for a client that is lost?",
            "The shares of the clients that count must add up to 1. A client that is lost brings neither "
            "weights nor examples.",
        ),
        Mistake(
            "lost_as_unchanged",
            (_from_start, _entries_from_start),
            "A client that is lost counts with you as one that has kept the old weights.",
            "That slows down everyone else. It is to be as if the client were not there at all.",
        ),
        Mistake(
            "entry_by_entry",
            _entry_by_entry,
            "You leave out single entries. A client with one NaN among its weights: do you trust the others?",
            "If anything in a row is not finite, none of it counts. One answer for each client.",
        ),
        Mistake(
            "only_nan",
            (
                _averaged(lambda updates: ~np.isnan(updates).any(axis=1)),
                _averaged(lambda updates: ~np.isnan(updates).any(axis=1), empty=_nan),
            ),
            "Right but where a client sends infinity. Is that a number to average?",
            "`np.isnan` knows one of three values that are not finite.",
        ),
        Mistake(
            "wholly_lost_only",
            (
                _averaged(lambda updates: ~np.isnan(updates).all(axis=1)),
                _averaged(lambda updates: np.isfinite(updates).any(axis=1)),
                _averaged(lambda updates: np.isfinite(updates[:, 0])),
            ),
            "You drop a client only if all its weights, or the first, are not finite. One is enough to spoil "
            "the mean.",
            "Which of `any` and `all` belongs to `np.isfinite`?",
        ),
        Mistake(
            "lost_not_dropped",
            (
                lambda start, updates, sizes: _mean(updates, sizes),
                lambda start, updates, sizes: np.average(updates, axis=0, weights=sizes),
            ),
            "Right if everyone answers. One client that is lost turns your whole model into NaN.",
            "Find the rows that can be used before you average, and take their sizes along.",
        ),
        Mistake(
            "empty_round",
            (_averaged(empty=_nan), _averaged(empty=_zero), _averaged(empty=_divided_by_zero)),
            "Right but for a round in which nobody can be used. What is the model then?",
            "A mean of nothing is no model. What does the server have before the round?",
        ),
        Mistake(
            "start_added",
            (_averaged(mean=_changes_only), _averaged(mean=_added)),
            "You mix weights and changes of weights. What do the clients send?",
            "Each row holds a client's new weights as they are. What has the mean of such rows to do with "
            "the old ones?",
        ),
        Mistake(
            "summed",
            (
                _averaged(mean=lambda start, updates, sizes, here: sizes[here] @ updates[here]),
                _averaged(mean=lambda start, updates, sizes, here: updates[here].sum(axis=0)),
                _averaged(mean=lambda start, updates, sizes, here: sizes[here] @ updates[here] / here.sum()),
            ),
            "Your weights are many times too large. What do the clients' shares add up to?",
            "A weighted mean divides by the sum of its weights.",
        ),
    ),
    hint="Which rows can be used? Select them, and their sizes with them, before you compute anything.",
    more="A row can be used if all its entries are finite. Of those: size times row, summed, over the sum of "
    "their sizes. If there is none, the old weights.",
    example=(np.array([0.0, 0.0]), np.array([[1.0, 2.0], [np.nan, 0.0], [5.0, 6.0]]), np.array([3, 9, 1])),
)
