"""Question: each user's last ratings for the test."""

import collections

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _calls(rng):
    def call(counts, about="", ties=False, sort=False):
        users = rng.permutation(np.repeat(rng.permutation(40)[: len(counts)] + 3, counts))
        times = 1_000_000 + (rng.integers(0, 3, size=len(users)) if ties else rng.permutation(9 * len(users)))
        times = times[: len(users)]
        order = np.argsort(times, kind="stable") if sort else np.arange(len(users))
        return Call((users[order], times[order]), about)

    few = int(rng.integers(4, 7))
    return [
        call([few, 5, 3]),
        call([6, 2, 4, 1], about="users with one or two ratings"),
        call([5, 4], about="ratings at the same time", ties=True),
        Call(
            (np.array([5, 8, 5, 5, 8, 8]), np.array([10, 7, 20, 20, 9, 9])), about="ratings at the same time"
        ),
        call([4, 6, 3], about="ratings in order of time", sort=True),
        call([1, 2, 2], about="users with one or two ratings"),
        call([few, 8, 3, 3, 5]),
    ]


def _answer(users, times, last=2, before=1, least=3, key=lambda times, i: (times[i], i), places=(-1, -2)):
    """The parts with one of the steps replaced."""
    parts = np.zeros(len(users), int)
    for user in set(users.tolist()):
        own = sorted(np.flatnonzero(users == user).tolist(), key=lambda i: key(times, i))
        if len(own) >= least:
            parts[own[places[0]]] = last
            if len(own) > 1:
                parts[own[places[1]]] = before
    return parts


def _reference(users, times):
    return _answer(users, times)


def _with(**parts):
    return lambda users, times: _answer(users, times, **parts)


def _by_clock(users, times):
    """The last fifth of all ratings, and the fifth before."""
    parts, order = np.zeros(len(users), int), np.argsort(times, kind="stable")
    fifth = len(users) // 5
    parts[order[len(users) - 2 * fifth : len(users) - fifth]] = 1
    parts[order[len(users) - fifth :]] = 2
    return parts


def _by_tenths(users, times):
    parts, order, count = np.zeros(len(users), int), np.argsort(times, kind="stable"), len(users)
    parts[order[int(0.8 * count) : int(0.9 * count)]] = 1
    parts[order[int(0.9 * count) :]] = 2
    return parts


def _last_two(users, times):
    """The last ratings of all, one for each user."""
    parts, order = np.zeros(len(users), int), np.argsort(times, kind="stable")
    count = len(set(users.tolist()))
    parts[order[len(users) - 2 * count : len(users) - count]] = 1
    parts[order[len(users) - count :]] = 2
    return parts


def _neighbours(users, times):
    """Looks only at users that stand side by side."""
    parts = np.zeros(len(users), int)
    order = np.argsort(times, kind="stable")
    seen = collections.Counter()
    for i in order[::-1]:
        seen[users[i]] += 1
        parts[i] = {1: 2, 2: 1}.get(seen[users[i]], 0)
    return parts


def _places_as_order(users, times):
    """Forgets that places among a user's ratings are not places among all."""
    parts = np.zeros(len(users), int)
    for user in set(users.tolist()):
        order = np.argsort(times[users == user], kind="stable")
        if len(order) >= 3:
            parts[order[-1]], parts[order[-2]] = 2, 1
    return parts


def _masks(users, times):
    parts = _reference(users, times)
    return np.stack([parts == i for i in range(3)])


def _indices(users, times):
    return np.flatnonzero(_reference(users, times) == 2)


QUESTION = Question(
    id="capstone.split_by_time",
    title="Each user's last ratings",
    points=1,
    minutes=15,
    signature="split_by_time(users, times)",
    calls=_calls,
    reference=_reference,
    dtypes=("int",),
    rtol=0.0,
    mistakes=(
        Mistake(
            "first_instead_of_last",
            _with(places=(0, 1)),
            "You test on the first ratings of each user. A service knows the past and guesses what comes "
            "next.",
            "Sorted by time, the last of a user is at -1.",
        ),
        Mistake(
            "by_place",
            _with(key=lambda times, i: i),
            "You take the last ratings in the table, not the last in time. Right where the table is in order "
            "of time.",
            "Sort the places of each user by `times` first.",
        ),
        Mistake(
            "exchanged",
            _with(last=1, before=2),
            "Validation and test have changed places.",
            "The very last rating is for the test, 2. The one before is for validation, 1.",
        ),
        Mistake(
            "all_users",
            (_with(least=1), _with(least=2), _neighbours),
            "Right, unless a user has only one or two ratings. What would be left to learn from?",
            "Who has fewer than three ratings stays in training as a whole.",
        ),
        Mistake(
            "more_ratings_needed",
            (_with(least=4), _with(least=5)),
            "A user with three ratings is left in training with you.",
            "Three are enough: one to learn from, one for validation, one for the test.",
        ),
        Mistake(
            "no_validation",
            _with(before=0),
            "The test is right. Validation is missing: by what would you choose your settings?",
            "The rating before a user's last one gets a 1.",
        ),
        Mistake(
            "ties_the_other_way",
            _with(key=lambda times, i: (times[i], -i)),
            "Right but for ratings at the same time: which of them counts as the later one?",
            "The one further down in the table. A stable sort keeps that order.",
        ),
        Mistake(
            "by_the_clock",
            (_by_clock, _by_tenths, _last_two),
            "You cut all users' ratings at one moment. That is a good split, and not the one asked for.",
            "Every user with three ratings or more has just one in the test.",
        ),
        Mistake(
            "places_as_order",
            _places_as_order,
            "Your places are those among one user's ratings. You use them as places in the whole table.",
            "`own = np.flatnonzero(users == user)` are a user's places in the table; `own[order]` sorts "
            "them.",
        ),
        Mistake(
            "masks",
            _masks,
            "You return three masks. Asked for is one array with 0, 1 or 2 for each rating.",
            "The result has the shape of `users`.",
        ),
        Mistake(
            "places_of_the_test",
            _indices,
            "You return places. Asked for is a number for each rating.",
            "Start with `np.zeros(len(users), int)` and fill in the ones and the twos.",
        ),
    ),
    hint="One user at a time: where are the user's ratings, and in which order in time?",
    more='`own = np.flatnonzero(users == user)`, then `own[np.argsort(times[own], kind="stable")]`. If there '
    "are three or more, the last gets 2 and the one before gets 1.",
    example=(np.array([7, 4, 7, 7, 4]), np.array([30, 10, 20, 40, 15])),
)
