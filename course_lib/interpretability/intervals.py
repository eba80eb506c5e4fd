"""Intervals and corrections for claims about many texts."""

import dataclasses
import math

import numpy as np
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Gap:
    """A mean of paired differences.

    Attributes:
        mean: The mean.
        low, high: Its 95 % interval, by Student's t.
        p: Two-sided, for a mean of 0.
        count: The number of pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    count: int

    def __str__(self):
        return f"{self.mean:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def gap(differences):
    """The mean of paired differences, with its interval.

    Args:
        differences: Float array `(n,)`, two or more.

    Returns:
        A `Gap`.

    Raises:
        ValueError: If there are fewer than two.
    """
    differences = np.asarray(differences, "float64")
    if differences.ndim != 1 or len(differences) < 2:
        raise ValueError(f"There must be two differences or more. Received shape: {differences.shape}")
    mean, error = differences.mean(), differences.std(ddof=1) / math.sqrt(len(differences))
    half = stats.t.ppf(0.975, len(differences) - 1) * error
    with np.errstate(divide="ignore", invalid="ignore"):  # Without spread: 0 / 0 is no gap, else infinite.
        ratio = np.nan_to_num(abs(mean / error), posinf=np.inf)
    p = 2 * stats.t.sf(ratio, len(differences) - 1)
    return Gap(float(mean), float(mean - half), float(mean + half), float(p), len(differences))


def holm(p_values):
    """Values of p, corrected for their number (Holm 1979).

    The smallest is multiplied by their number, the next by one less, and so on; none falls below one that was
    smaller, and none exceeds 1. The chance of one false finding or more is then at most the level.

    Args:
        p_values: Sequence of numbers from 0 to 1.

    Returns:
        Float array in the same order.
    """
    p_values = np.asarray(p_values, "float64")
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    result = np.empty_like(p_values)
    result[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return result


def correlation(first, second, given=None):
    """Spearman's rank correlation with its 95 % interval (Bonett and Wright 2000).

    Args:
        first: Float array `(n,)`, four or more.
        second: Float array `(n,)`.
        given: None, or a third array: what of the correlation is left when its ranks are held fixed.

    Returns:
        `(r, low, high)`.
    """
    ranks = [stats.rankdata(each) for each in (first, second, *([] if given is None else [given]))]
    held = 0
    if given is not None:
        line = np.stack([np.ones(len(ranks[2])), ranks[2]], axis=1)
        ranks = [each - line @ np.linalg.lstsq(line, each, rcond=None)[0] for each in ranks[:2]]
        held = 1
    r = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    half = 1.96 * math.sqrt((1 + r * r / 2) / (len(ranks[0]) - 3 - held))
    low, high = np.tanh(np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)) + np.array([-half, half]))
    return r, float(low), float(high)
