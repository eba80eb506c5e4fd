"""Whether a classifier is as often right as it is sure (Guo et al. 2017)."""

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
        ValueError: If the shapes do not fit or there is nothing to measure.
    """
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not labels.size:
        raise ValueError(
            f"Shapes (n, classes) and (n,) with n > 0. Received: {probabilities.shape}, {labels.shape}"
        )
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
        The T, from 0.05 to 20, for which `softmax(logits / T)` has the least cross-entropy.

    Raises:
        ValueError: If the shapes do not fit or there is nothing to fit.
    """
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
        raise ValueError(f"Shapes (n, classes) and (n,) with n > 0. Received: {logits.shape}, {labels.shape}")
    from scipy import optimize, special

    def loss(log_temperature):
        scaled = special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -scaled[np.arange(len(labels)), labels].mean()

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))
