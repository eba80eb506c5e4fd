"""Whether a classifier is as often right as it is sure (Guo et al. 2017)."""

import numbers

import numpy as np


def expected_calibration_error(probabilities, labels, bins=10):
    """How far confidence and accuracy are apart (Guo et al. 2017, equation 3).

    Args:
        probabilities: Array of shape `(n, classes)`.
        labels: Integer array of shape `(n,)`.
        bins: Bins of equal width between 0 and 1; each holds its upper bound.

    Returns:
        `(error, rows)`: the mean over texts of the gap between a bin's mean confidence and its accuracy, and
        for each bin that is not empty `(confidence, accuracy, count)`.

    Raises:
        ValueError: If the shapes do not fit, there is nothing to measure, or a row or a label is none.
    """
    if not isinstance(bins, numbers.Integral) or bins < 1:
        raise ValueError(f"`bins` must be a whole number above 0. Received: {bins!r}")
    probabilities, labels = _checked(probabilities, labels)
    if not _are_probabilities(probabilities):
        raise ValueError("Probabilities must not be negative and sum to 1; `softmax` makes them of logits.")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.searchsorted(np.arange(1, bins) / bins, confidence)
    rows = [
        (float(confidence[which == b].mean()), float(right[which == b].mean()), int((which == b).sum()))
        for b in np.unique(which)
    ]
    return sum(count * abs(sure - accuracy) for sure, accuracy, count in rows) / len(labels), rows


def fit_temperature(logits, labels):
    """The temperature that makes probabilities fit best (Guo et al. 2017, section 4.2).

    Args:
        logits: Array of shape `(n, classes)`, of texts that were not trained on.
        labels: Integer array of shape `(n,)`.

    Returns:
        The T, from 0.05 to 20, for which `softmax(logits / T)` has the least cross-entropy. Of texts that are
        all classified rightly, as a few may be by chance, it is the least.

    Raises:
        ValueError: If the shapes do not fit, there is nothing to fit, a logit or a label is none, or these
            are probabilities.
    """
    logits, labels = _checked(logits, labels)
    if _are_probabilities(logits):
        raise ValueError(
            "These are probabilities, each row sums to 1. A temperature belongs to logits: take what "
            "the model gives before its softmax, or the logarithm."
        )
    from scipy import optimize, special

    def loss(log_temperature):
        scaled = special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -scaled[np.arange(len(labels)), labels].mean()

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


def _are_probabilities(scores):
    return bool((scores >= -1e-6).all() and np.abs(scores.sum(axis=1) - 1).max() <= 1e-3)


def _checked(scores, labels):
    scores, labels = np.asarray(scores, "float64"), np.asarray(labels)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not labels.size:
        raise ValueError(f"Shapes (n, classes) and (n,) with n > 0. Received: {scores.shape}, {labels.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("Logits and probabilities must be finite.")
    classes = scores.shape[1]
    usable = labels.dtype.kind in "biuf" and np.isfinite(labels).all()
    if not usable or (labels != np.rint(labels)).any() or labels.min() < 0 or labels.max() >= classes:
        received = f"{labels.min()} to {labels.max()}" if labels.dtype.kind in "biuf" else labels.dtype
        raise ValueError(
            f"Labels of {classes} classes are whole numbers from 0 to {classes - 1}. Received: {received}"
        )
    return scores, labels.astype("int64")
