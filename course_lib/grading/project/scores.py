"""Scores of a model and of its baseline on the same held-out examples, and whether they differ.

`fine_tuning` has McNemar's test and macro F1, too; importing it loads Keras, which nothing here needs.
"""

import dataclasses

import numpy as np

RESAMPLES = 1_000
SEED = 0


def _accuracy(labels, predictions, _):
    return np.mean(labels == predictions)


def _macro_f1(labels, predictions, classes):
    """The mean F1 of the classes; those that a resample has neither as a label nor predicted are left out."""
    hits = np.bincount(labels[labels == predictions], minlength=classes)[:classes]
    below = sum(np.bincount(each, minlength=classes)[:classes] for each in (labels, predictions))
    return np.mean(2 * hits[below > 0] / below[below > 0])


def _mean_absolute_error(labels, predictions, _):
    return np.mean(np.abs(labels - predictions))


# Function, whether the labels are numbers, and whether more is better.
METRICS = {
    "accuracy": (_accuracy, False, True),
    "macro_f1": (_macro_f1, False, True),
    "mean_absolute_error": (_mean_absolute_error, True, False),
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A model beside its baseline.

    Attributes:
        metric: One of `METRICS`.
        examples: How many.
        score: Of the model.
        baseline: Of the baseline.
        low: Lower end of the 95 % interval of score - baseline, by paired bootstrap.
        high: Its upper end.
        only_ours: Examples that only the model has right; None if labels are numbers.
        only_baseline: Examples that only the baseline has right.
        p_value: Of McNemar's exact test, or None.
    """

    metric: str
    examples: int
    score: float
    baseline: float
    low: float
    high: float
    only_ours: int | None = None
    only_baseline: int | None = None
    p_value: float | None = None

    @property
    def better(self):
        """Whether the model is better outside chance: by p < 0.05 if there is one, else by the interval."""
        more = METRICS[self.metric][2]
        if not (self.score > self.baseline if more else self.score < self.baseline):
            return False
        if self.metric == "accuracy":  # Which is what McNemar's test is about.
            return self.p_value < 0.05
        return self.low > 0 if more else self.high < 0


def score(labels, predictions, metric="accuracy"):
    """The score of predictions by one of `METRICS`, a float."""
    (labels, predictions), classes = _coded(metric, labels, predictions)
    return float(METRICS[metric][0](labels, predictions, classes))


def compare(labels, ours, baseline, metric="accuracy"):
    """Scores both and tests the difference, on the same examples.

    Args:
        labels: Sequence of str, or of floats for `"mean_absolute_error"`.
        ours: What the model predicts.
        baseline: What the baseline predicts.
        metric: One of `METRICS`.

    Returns:
        A `Comparison`. The macro F1 is over the classes among `labels`.
    """
    function = METRICS[metric][0]
    (labels, ours, baseline), classes = _coded(metric, labels, ours, baseline)
    rng, count, differences = np.random.default_rng(SEED), len(labels), []
    for _ in range(RESAMPLES):
        drawn = rng.integers(count, size=count)
        one, other = (function(labels[drawn], each[drawn], classes) for each in (ours, baseline))
        differences.append(one - other)
    low, high = np.quantile(differences, [0.025, 0.975])
    found = Comparison(
        metric,
        count,
        float(function(labels, ours, classes)),
        float(function(labels, baseline, classes)),
        float(low),
        float(high),
    )
    if METRICS[metric][1]:
        return found
    return dataclasses.replace(found, **_mcnemar(labels, ours, baseline))


def _coded(metric, labels, *others):
    """Labels and predictions as arrays of numbers, and how many classes there are."""
    if METRICS[metric][1]:
        return [np.asarray(each, "float64") for each in (labels, *others)], 0
    names = {name: number for number, name in enumerate(dict.fromkeys(labels))}
    classes = len(names)  # What no label is gets the number behind them.
    return [np.array([names.get(each, classes) for each in values]) for values in (labels, *others)], classes


def _mcnemar(labels, ours, baseline):
    from scipy import stats

    b = int(np.sum((ours == labels) & (baseline != labels)))
    c = int(np.sum((ours != labels) & (baseline == labels)))
    p = float(stats.binomtest(b, b + c).pvalue) if b + c else 1.0
    return {"only_ours": b, "only_baseline": c, "p_value": p}
