"""How good lists of recommended films are: recall, nDCG, and the protocol that flatters.

A case is a `recommendation.Case`: its `rated` films are not listed again, its `wanted` ones are the hits.

Sources: Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", ACM TOIS 20(4), 2002;
Krichene and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020.
"""

import numpy as np


def ranked(scores, case, k, allowed=None):
    """The k best films for a case, the best first, without those that the user has rated.

    Args:
        scores: Float array `(films,)`.
        case: A `Case`.
        k: How many.
        allowed: Boolean array `(films,)` of those to choose from; None allows all.

    Returns:
        Int array of at most `k` films; equal scores in the order of the films.
    """
    scores = np.array(scores, "float64")
    scores[case.rated] = -np.inf
    if allowed is not None:
        scores[~allowed] = -np.inf
    best = np.argsort(-scores, kind="stable")[:k]
    return best[scores[best] > -np.inf]


def recall_at(films, wanted):
    """The share of the wanted films that are among the listed ones."""
    return float(np.isin(wanted, films).mean())


def ndcg_at(films, wanted, k):
    """Discounted cumulative gain of a list of k films, as a share of the best possible one's.

    A wanted film at place i, from 1, gains 1 / log2(i + 1).
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    hits = np.isin(films, wanted)
    return float(gains[: len(films)][hits].sum() / gains[: min(k, len(wanted))].sum())


def evaluate(scores, cases, k=20, allowed=None):
    """Recall and nDCG at k of every case.

    Args:
        scores: Float array `(cases, films)`.
        cases: Sequence of `Case`.
        k: Length of the lists.
        allowed: As in `ranked`.

    Returns:
        Float array `(cases, 2)`: recall, nDCG.
    """
    rows = []
    for each, case in zip(scores, cases, strict=True):
        films = ranked(each, case, k, allowed)
        rows.append((recall_at(films, case.wanted), ndcg_at(films, case.wanted, k)))
    return np.array(rows)


def sampled_hits(scores, cases, k=10, others=100, seed=0):
    """The flattering protocol: is one wanted film among the first k of itself and 100 films drawn by chance?

    Args:
        scores: Float array `(cases, films)`.
        cases: Sequence of `Case`; the last wanted film is taken.
        k: Length of the list.
        others: How many films are drawn, of those that the user has not rated.
        seed: Of the draw.

    Returns:
        Boolean array `(cases,)`.
    """
    rng, hits = np.random.default_rng(seed), []
    for each, case in zip(scores, cases, strict=True):
        free = np.setdiff1d(np.arange(len(each)), np.concatenate([case.rated, case.wanted]))
        drawn = rng.choice(free, min(others, len(free)), replace=False)
        hits.append(np.sum(each[drawn] >= each[case.wanted[-1]]) < k)
    return np.array(hits)


def paired_interval(first, second, rounds=2_000, seed=0):
    """A 95 % interval of the mean difference of two models on the same cases, by the bootstrap over cases."""
    difference = np.asarray(first, "float64") - np.asarray(second, "float64")
    draws = np.random.default_rng(seed).integers(0, len(difference), (rounds, len(difference)))
    low, high = np.quantile(difference[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)
