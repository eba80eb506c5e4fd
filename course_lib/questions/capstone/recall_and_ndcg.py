"""Question: how good the first k recommendations are."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _calls(rng):
    def call(users, items, k, few=1, many=4, about="", ties=False, seen_share=0.3):
        scores = np.round(rng.normal(size=(users, items)), 3)
        if ties:
            scores = np.round(scores)
        seen = rng.uniform(size=(users, items)) < seen_share
        relevant = np.zeros((users, items), bool)
        for user in range(users):
            few_left = max(k - int((~seen[user]).sum()), 0)
            seen[user, np.flatnonzero(seen[user])[:few_left]] = False
            free = np.flatnonzero(~seen[user])
            count = min(int(rng.integers(few, many + 1)), len(free))
            relevant[user, rng.choice(free, size=count, replace=False)] = True
            scores[user, relevant[user]] += 0.0 if ties else 0.7
            scores[user, seen[user]] += 0.0 if ties else 1.5  # Who has rated something likes it.
        return Call((scores, seen, relevant, k), about)

    def alone(k):
        """A user without anything relevant among others."""
        scores, seen, relevant, _ = call(5, 12, k, few=2)
        relevant[[1, 3]] = False
        return Call((scores, seen, relevant, k), about="users without a relevant item")

    def below_zero(k):
        scores, *others = call(4, 10, k)
        return Call((scores - 10.0, *others), about="scores below 0")

    return [
        call(4, 12, 3),
        call(5, 20, 5, few=1, many=3),
        call(3, 16, 2, few=4, many=6, about="more relevant items than k"),
        alone(4),
        call(6, 9, 3, about="equal scores", ties=True),
        call(2, 14, 1, few=2, about="`k` 1"),
        call(4, 10, 8, few=1, many=2),
        below_zero(3),
    ]


def _top(scores, seen, k):
    return np.argsort(np.where(seen, np.inf, -scores), kind="stable")[:k]


def _answer(
    scores,
    seen,
    relevant,
    k,
    hide=True,
    top=_top,
    below=lambda count, k: count,
    ideal=lambda count, k: min(count, k),
    discount=lambda rank: 1 / np.log2(rank + 1),
    nothing=None,
    normed=True,
):
    """Mean recall and nDCG with one of the steps replaced."""
    recalls, gains = [], []
    for user_scores, user_seen, wanted in zip(scores, seen, relevant, strict=True):
        count = int(wanted.sum())
        if not count:
            if nothing is not None:
                recalls.append(nothing)
                gains.append(nothing)
            continue
        hits = wanted[top(user_scores, user_seen & hide, k)]
        recalls.append(hits.sum() / below(count, k))
        gain = (hits * discount(np.arange(1, len(hits) + 1))).sum()
        best = discount(np.arange(1, ideal(count, k) + 1)).sum() if normed else 1.0
        gains.append(gain / best)
    return np.mean(recalls), np.mean(gains)


def _reference(scores, seen, relevant, k):
    return _answer(scores, seen, relevant, k)


def _with(*settings):
    return tuple(functools.partial(_answer, **each) for each in settings)


def _pooled(scores, seen, relevant, k):
    """Adds hits and relevant items of all users up first."""
    hits = sum(
        wanted[_top(each, known, k)].sum() for each, known, wanted in zip(scores, seen, relevant, strict=True)
    )
    return hits / relevant.sum(), _reference(scores, seen, relevant, k)[1]


def _ties_late(scores, seen, k):
    return np.argsort(np.where(seen, -np.inf, scores), kind="stable")[::-1][:k]


def _least(scores, seen, k):
    return np.argsort(np.where(seen, np.inf, scores), kind="stable")[:k]


def _zeroed(scores, seen, k):
    return np.argsort(-np.where(seen, 0.0, scores), kind="stable")[:k]


def _cut_first(scores, seen, k):
    """Takes the first k, then leaves out what was seen."""
    order = np.argsort(-scores, kind="stable")[:k]
    return order[~seen[order]]


def _hit_rate(scores, seen, relevant, k):
    found = [
        bool(wanted[_top(each, known, k)].any())
        for each, known, wanted in zip(scores, seen, relevant, strict=True)
        if wanted.any()
    ]
    return np.mean(found), _reference(scores, seen, relevant, k)[1]


QUESTION = Question(
    id="capstone.recall_and_ndcg",
    title="How good the first k recommendations are",
    points=3,
    minutes=20,
    signature="recall_and_ndcg(scores, seen, relevant, k)",
    calls=_calls,
    reference=_reference,
    returns=("array", "array"),
    names=("recall", "ndcg"),
    mistakes=(
        Mistake(
            "seen_recommended",
            _with({"hide": False}),
            "Your list recommends what the user has rated already. It takes the places of what is new.",
            "Give items that were seen a score of minus infinity before you sort.",
        ),
        Mistake(
            "seen_as_zero",
            _with({"top": _zeroed}),
            "Right in some calls: you give items that were seen a score of 0. Can other scores be below 0?",
            "Only minus infinity is below every score.",
        ),
        Mistake(
            "seen_removed_too_late",
            _with({"top": _cut_first}),
            "You take the first k and strike out what was seen, so the list gets shorter than k.",
            "Strike out first. Then take k of what is left.",
        ),
        Mistake(
            "precision",
            _with({"below": lambda count, k: k}),
            "You divide the hits by k. That is the precision; recall asks how much of what is relevant was "
            "found.",
            "Below the fraction stands the number of the user's relevant items.",
        ),
        Mistake(
            "recall_limited",
            _with({"below": lambda count, k: min(count, k)}),
            "Right, unless there are more relevant items than k. By the text, can the recall be 1 then?",
            "Recall divides by all relevant items of the user. It is nDCG that is measured against what k "
            "places allow.",
        ),
        Mistake(
            "hit_rate",
            _hit_rate,
            "Your first number is the share of users with a hit. Asked for is the recall.",
            "For each user: hits among the first k, divided by the user's relevant items.",
        ),
        Mistake(
            "pooled",
            _pooled,
            "You add up hits and relevant items of all users before you divide. Each user is to count the "
            "same.",
            "A recall for each user first, then their mean.",
        ),
        Mistake(
            "ideal_of_all",
            _with({"ideal": lambda count, k: count}),
            "Right, unless there are more relevant items than k. How good can a list of k be at best?",
            "With five relevant items and k = 2, the best list has two hits, not five.",
        ),
        Mistake(
            "ideal_of_k",
            _with({"ideal": lambda count, k: k}),
            "You measure against a list in which all k are hits. Few users have so many relevant items.",
            "The ideal list has hits at the first min(k, relevant) places.",
        ),
        Mistake(
            "not_normed",
            _with({"normed": False}),
            "Your second number is the DCG. What makes an nDCG of it?",
            "Divide by the DCG of the ideal list, user by user.",
        ),
        Mistake(
            "nobody_counts_as_zero",
            _with({"nothing": 0.0}, {"nothing": 1.0}, {"nothing": np.nan}),
            "Right, unless a user has no relevant item at all. What can be found of nothing?",
            "Such users are left out of both means.",
        ),
        Mistake(
            "other_discount",
            _with(
                {"discount": lambda rank: 1 / np.log2(rank + 2)},
                {"discount": lambda rank: 1.0 / rank},
                {"discount": lambda rank: np.ones(len(rank))},
                {"discount": lambda rank: 1 / np.log2(np.maximum(rank, 2))},
            ),
            "The recall is right. What is a hit at rank 1 worth with you, and one at rank 2?",
            "1 / log2(rank + 1), with ranks from 1: 1, 0.631, 0.5, ...",
        ),
        Mistake(
            "least_first",
            _with({"top": _least}),
            "You recommend what has the lowest scores.",
            "`np.argsort` begins with the least. Sort the negative scores.",
        ),
        Mistake(
            "ties_the_other_way",
            _with({"top": _ties_late}),
            "Right but for equal scores: which item comes first then?",
            'The one with the lower number: sort the negative scores with `kind="stable"`.',
        ),
        Mistake(
            "changed_places",
            lambda *arguments: _reference(*arguments)[::-1],
            "Both numbers are right, and they have changed places.",
            "Return `(recall, ndcg)`, in this order.",
        ),
    ),
    hint="Do it for one user with pen and paper: the list without what was seen, the hits, their ranks.",
    more='For one user, `np.argsort(np.where(seen, np.inf, -scores), kind="stable")[:k]`. Recall: hits '
    "/ relevant. DCG: 1 / log2(rank + 1) for each hit. Divide by that of hits at the first min(k, relevant) "
    "ranks.",
    example=(
        np.array([[0.9, 0.8, 0.7, 0.1]]),
        np.array([[True, False, False, False]]),
        np.array([[False, False, True, True]]),
        2,
    ),
)
