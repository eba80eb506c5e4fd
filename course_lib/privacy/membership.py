"""Membership inference: was this text among those that the model learned from?

Shokri et al. (2017) put the question, Yeom et al. (2018) answer it by the loss alone, Carlini et al. (2022)
by how models with and without the text judge it, and ask for true positives at few false ones.
"""

import numpy as np


def auc(members, others):
    """The chance that a member scores higher than somebody else; 0.5 is a coin's.

    Args:
        members: Scores of members, the higher the surer, `(m,)`.
        others: Scores of others, `(n,)`.

    Returns:
        Area under the receiver operating characteristic, a float; ties count one half.

    Raises:
        ValueError: If there are none of either.
    """
    members, others = np.asarray(members), np.asarray(others)
    if not len(members) or not len(others):
        raise ValueError("There must be scores of members and of others.")
    others = np.sort(others)
    below = np.searchsorted(others, members, side="left") + np.searchsorted(others, members, side="right")
    return float(below.sum() / 2 / (len(members) * len(others)))


def true_positives(members, others, false_positives=0.01):
    """The share of members that are found if at most so many others are taken for members.

    Args:
        members: Scores of members, `(m,)`.
        others: Scores of others, `(n,)`.
        false_positives: Highest share of others above the threshold.

    Returns:
        A float from 0 to 1.
    """
    others = np.sort(np.asarray(others))[::-1]
    allowed = int(false_positives * len(others) + 1e-9)
    if allowed >= len(others):
        return 1.0
    return float(np.mean(np.asarray(members) > others[allowed]))


def roc(members, others):
    """The whole curve: shares of others and of members above every threshold.

    Returns:
        `(false positives, true positives)`, each from 0 to 1.
    """
    from sklearn.metrics import roc_curve

    is_member = np.repeat([True, False], [len(members), len(others)])
    return roc_curve(is_member, np.concatenate([members, others]), drop_intermediate=False)[:2]


def interval(members, others, statistic=auc, repeats=1000, seed=0):
    """A 95 % interval by the bootstrap: members and others are drawn anew, each from their own.

    Args:
        members: Scores of members.
        others: Scores of others.
        statistic: Function of the two, such as `auc` or `true_positives`.
        repeats: Number of draws.
        seed: Of the draws.

    Returns:
        `(low, high)`.
    """
    rng = np.random.default_rng(seed)
    members, others = np.asarray(members), np.asarray(others)
    found = [
        statistic(rng.choice(members, len(members)), rng.choice(others, len(others))) for _ in range(repeats)
    ]
    return tuple(float(each) for each in np.quantile(found, (0.025, 0.975)))


def margin(logits, labels):
    """The logit of the right class, log(p / (1 - p)), which Carlini et al. (2022) find close to normal."""
    return np.where(labels > 0, logits, -logits)


def lira(margins, members, target):
    """The likelihood-ratio attack on one model, with the others as its shadows (Carlini et al. 2022).

    For each example a normal distribution is fitted to the margins of the shadows that learned from it, and
    one to those of the others; the score is the logarithm of how much likelier the target's margin is under
    the first. The standard deviations are pooled over all examples, as is best with few shadows.

    Args:
        margins: Array of shape `(examples, models)`.
        members: Boolean array of that shape: which examples a model learned from.
        target: Number of the model that is attacked.

    Returns:
        Scores, `(examples,)`.

    Raises:
        ValueError: If an example was in all shadows or in none.
    """
    shadows = np.arange(margins.shape[1]) != target
    score, seen = np.zeros(len(margins)), margins[:, target]
    for inside, sign in ((members[:, shadows], 1), (~members[:, shadows], -1)):
        count = inside.sum(axis=1)
        if not count.all():
            raise ValueError("Every example must be in some shadows and out of others. Train more shadows.")
        values = margins[:, shadows]
        mean = (values * inside).sum(axis=1) / count
        freedom = (count - 1).sum()
        spread = np.sqrt((((values - mean[:, None]) ** 2) * inside).sum() / max(freedom, 1))
        spread = max(spread, 1e-12)
        score += sign * (-((seen - mean) ** 2) / (2 * spread**2) - np.log(spread))
    return score
