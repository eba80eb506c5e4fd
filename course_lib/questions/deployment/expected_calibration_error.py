"""Question: how honest a confidence is."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.deployment._shared import deployment


def _calibration_calls(rng):
    def call(confidence, right, classes, bins):
        """Probabilities with these confidences, and labels so that these verdicts are right."""
        size = len(confidence)
        rest = rng.uniform(0.2, 0.8, size=size)
        probabilities = np.zeros((size, classes))
        order = rng.permuted(np.tile(np.arange(classes), (size, 1)), axis=1)
        rows = np.arange(size)
        probabilities[rows, order[:, 0]] = confidence
        if classes == 2:
            probabilities[rows, order[:, 1]] = 1 - confidence
        else:
            probabilities[rows, order[:, 1]] = (1 - confidence) * rest
            probabilities[rows, order[:, 2]] = (1 - confidence) * (1 - rest)
        return probabilities, np.where(right, order[:, 0], order[:, 1]), bins

    def drawn(size, low):
        """Too sure of itself above, not sure enough below."""
        confidence = rng.uniform(low, 0.99, size=size)
        return confidence, rng.random(size) < np.where(confidence < 0.75, 0.95, 0.6)

    levels = np.repeat([0.5, 0.625, 0.75, 0.875, 1.0], rng.integers(4, 8, size=5))
    right, order = np.isin(levels, (0.5, 0.75)), rng.permutation(len(levels))
    return [
        call(*drawn(6, 0.51), 2, 5),
        call(*drawn(40, 0.51), 2, 10),
        Call(call(*drawn(70, 0.53), 3, 5), about="three classes"),
        Call(
            call(levels[order], right[order], 3, 4), about="confidences that lie exactly on a border of bins"
        ),
        call(*drawn(25, 0.51), 2, 20),
        call(*drawn(15, 0.51), 2, 7),
    ]


def _error(
    confidence=lambda probabilities: probabilities.max(axis=1),
    right=lambda probabilities, labels: probabilities.argmax(axis=1) == labels,
    which=lambda confidence, bins: np.ceil(confidence * bins) - 1,
    gap=lambda sure, hit, index, bins: abs(sure.mean() - hit.mean()),
    combine=lambda gaps, counts, bins: np.sum(gaps * counts) / counts.sum(),
    empty=False,
):
    """The error with one of its parts replaced.

    Args:
        confidence: From the probabilities.
        right: Whether each verdict is right, from probabilities and labels.
        which: The bin of each text, from the confidences and the number of bins.
        gap: Of one bin, from its confidences, whether they are right, its index and the number of bins.
        combine: The error, from the gaps, the number of texts in each bin, and the number of bins.
        empty: Whether bins without texts are kept.
    """

    def answer(probabilities, labels, bins):
        sure, hit = confidence(probabilities), right(probabilities, labels)
        bin_of = which(sure, bins).astype("int64")
        gaps, counts = [], []
        for index in range(bins) if empty else np.unique(bin_of):
            here = bin_of == index
            if not here.any():
                gaps.append(np.nan)
            else:
                gaps.append(gap(sure[here], hit[here], index, bins))
            counts.append(here.sum())
        return combine(np.array(gaps), np.array(counts), bins)

    return answer


def _of_class_1(probabilities):
    return probabilities[:, 1]


def _class_1_bin(confidence, bins):
    return np.maximum(np.ceil(confidence * bins) - 1, 0)


def _of_the_label(probabilities, labels, bins):
    own = probabilities[np.arange(len(labels)), labels]
    return _error(lambda _: own, which=_class_1_bin)(probabilities, labels, bins)


def _bins_from(low):
    """Bins of equal width from another number up to 1, or up to the greatest confidence."""

    def which(confidence, bins):
        edges = np.linspace(low(confidence), 1.0, bins + 1)
        return np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)

    return _error(which=which)


def _between_extremes(confidence, bins):
    edges = np.linspace(confidence.min(), confidence.max(), bins + 1)
    return np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, bins - 1)


def _lost_at_1(of_all):
    """Bins that hold their lower bound, so that a confidence of 1 is in none."""

    def answer(probabilities, labels, bins):
        kept = probabilities.max(axis=1) < 1
        error = _error(which=lambda confidence, bins: np.floor(confidence * bins))
        return error(probabilities[kept], labels[kept], bins) * (kept.mean() if of_all else 1.0)

    return answer


def _of_equal_size(probabilities, labels, bins):
    sure = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == labels
    parts = [part for part in np.array_split(np.argsort(sure, kind="stable"), bins) if len(part)]
    return sum(len(part) * abs(sure[part].mean() - hit[part].mean()) for part in parts) / len(labels)


def _whole_accuracy(probabilities, labels, bins):
    accuracy = np.mean(probabilities.argmax(axis=1) == labels)
    return _error(gap=lambda sure, hit, index, bins: abs(sure.mean() - accuracy))(probabilities, labels, bins)


QUESTION = Question(
    id="deployment.expected_calibration_error",
    title="How honest a confidence is",
    points=2,
    minutes=15,
    signature="expected_calibration_error(probabilities, labels, bins)",
    calls=_calibration_calls,
    reference=lambda probabilities, labels, bins: deployment.expected_calibration_error(
        probabilities, labels, bins
    )[0],
    rtol=1e-5,
    atol=1e-7,
    mistakes=(
        Mistake(
            "not_weighted",
            (
                _error(combine=lambda gaps, counts, bins: np.mean(gaps)),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps) / bins),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps)),
            ),
            "Your gaps are right, and you give every bin the same weight. Should a bin with one text count "
            "as much as one with a hundred?",
            "The error is a mean over texts, not over bins: each text brings in the gap of its bin.",
        ),
        Mistake(
            "divided_by_another_number",
            (
                _error(combine=lambda gaps, counts, bins: np.sum(gaps * counts) / bins),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps * counts) / len(counts)),
                _error(combine=lambda gaps, counts, bins: np.sum(gaps * counts)),
            ),
            "Your gaps are right, and so are their weights. What must the weighted gaps be divided by to "
            "make a mean?",
            "A mean of weighted numbers is divided by the sum of the weights. What do the numbers of texts "
            "in all bins add up to?",
        ),
        Mistake(
            "lower_bound",
            (
                _error(which=lambda confidence, bins: np.minimum(np.floor(confidence * bins), bins - 1)),
                _error(which=lambda confidence, bins: np.floor(confidence * bins)),
                *of_each(_lost_at_1, True, False),
            ),
            "Right but for confidences that lie exactly on the border of a bin. Which bin do you put them "
            "into?",
            "A bin holds its upper bound: with four bins, 0.5 belongs to the second, from 0.25 to 0.5, and 1 "
            "to the fourth.",
        ),
        Mistake(
            "another_range_of_bins",
            (
                _bins_from(lambda confidence: 0.5),
                _bins_from(np.min),
                _error(which=_between_extremes),
            ),
            "Your bins begin where the confidences do, instead of at 0. Which range does the task divide?",
            "With two classes no confidence is below 0.5, so the lower half of the bins stays empty: that is "
            "as it should be. np.histogram takes the range of the numbers unless it is told another.",
        ),
        Mistake(
            "bins_of_equal_size",
            _of_equal_size,
            "Your bins hold the same number of texts. What is to be equal about them?",
            "Four bins divide the numbers from 0 to 1 at 0.25, 0.5 and 0.75, however many texts lie in each.",
        ),
        Mistake(
            "no_bins",
            lambda probabilities, labels, bins: np.mean(
                np.abs(probabilities.max(axis=1) - (probabilities.argmax(axis=1) == labels))
            ),
            "You take the gap of each text by itself. A verdict that is 0.8 sure and right has the gap 0.2 "
            "with you; is its model badly calibrated?",
            "One text says nothing: it is right or wrong. Only of many together can 80 percent be right. So "
            "first the means of a bin, then their distance.",
        ),
        Mistake(
            "signed",
            (
                _error(gap=lambda sure, hit, index, bins: sure.mean() - hit.mean()),
                _error(gap=lambda sure, hit, index, bins: hit.mean() - sure.mean()),
                lambda probabilities, labels, bins: abs(
                    probabilities.max(axis=1).mean() - np.mean(probabilities.argmax(axis=1) == labels)
                ),
            ),
            "Bins that are too sure and bins that are not sure enough cancel in your sum.",
            "A model that is 0.2 too sure in one half of the texts and 0.2 too modest in the other is badly "
            "calibrated. What has to be done with a gap before it is added?",
        ),
        Mistake(
            "squared",
            (
                _error(combine=lambda gaps, counts, bins: np.sum(gaps**2 * counts) / counts.sum()),
                _error(combine=lambda gaps, counts, bins: np.sqrt(np.sum(gaps**2 * counts) / counts.sum())),
            ),
            "You square the gaps. What does the task call a gap?",
            "A distance is a difference without its sign: 0.2 counts as 0.2, not as 0.04.",
        ),
        Mistake(
            "largest_gap",
            _error(combine=lambda gaps, counts, bins: np.max(gaps)),
            "You return the largest gap. That is the maximum calibration error; asked for is the expected "
            "one.",
            "The largest gap may be that of a bin with a single text. All bins count, each as much as it has "
            "texts.",
        ),
        Mistake(
            "confidence_of_class_1",
            _error(_of_class_1, which=_class_1_bin),
            "You take the probability of class 1 as the confidence. If a model gives 0.9 to class 0, how "
            "sure is it of its verdict?",
            "The verdict is the likeliest class, whichever it is, and the confidence is its probability. "
            "With three classes, column 1 is just one of them.",
        ),
        Mistake(
            "share_of_class_1",
            _error(_of_class_1, lambda probabilities, labels: labels == 1, _class_1_bin),
            "You compare the probability of class 1 with the share of class 1. That is a fair question "
            "about two classes, but another one.",
            "Asked for are confidence and accuracy: the probability of the likeliest class, and whether "
            "that class is the label.",
        ),
        Mistake(
            "two_classes_only",
            (
                _error(
                    right=lambda probabilities, labels: (probabilities[:, 1] > 0.5).astype("int64") == labels
                ),
                _error(
                    lambda probabilities: np.maximum(probabilities[:, 1], 1 - probabilities[:, 1]),
                    lambda probabilities, labels: (probabilities[:, 1] > 0.5).astype("int64") == labels,
                ),
            ),
            "Right with two classes. With three, your verdict knows only whether it is class 1 or not.",
            "The verdict is the class whose probability is the largest, and that may be below 0.5. Which "
            "function gives the place of the largest number of a row?",
        ),
        Mistake(
            "probability_of_the_label",
            _of_the_label,
            "You take the probability of the label as the confidence. Does the model know the label when it "
            "gives its verdict?",
            "The confidence is that of the verdict, right or wrong: the largest probability of a row.",
        ),
        Mistake(
            "middle_of_the_bin",
            of_each(
                lambda distance: _error(
                    gap=lambda sure, hit, index, bins: distance((index + 0.5) / bins - hit.mean())
                ),
                np.abs,
                np.positive,
                np.negative,
            ),
            "You compare the accuracy of a bin with its middle. What does the task compare it with?",
            "The confidences of a bin need not lie around its middle. Take the mean of those that are there.",
        ),
        Mistake(
            "accuracy_of_all",
            _whole_accuracy,
            "You compare the confidence of each bin with the accuracy over all texts. Whose accuracy belongs "
            "to a bin?",
            "Both numbers of a gap are means over the same texts: those in the bin.",
        ),
        Mistake(
            "empty_bins",
            _error(empty=True),
            "You return NaN. What is the mean confidence of a bin that holds no text?",
            "The mean of nothing is NaN, and NaN times 0 is still NaN. With two classes no confidence is "
            "below 0.5, so half of the bins are always empty: leave them out.",
        ),
    ),
    hint="Make two arrays of length n first: how sure the model is of its verdict, and whether the verdict "
    "is right. The bins come after that.",
    more="A confidence c lies in the bin number ceil(c · bins), counted from 1. For each bin that holds "
    "texts: the mean of their confidences, the share of them that is right, the distance of the two, times "
    "the number of these texts. All that, added up and divided by n.",
    example=(np.array([[0.7, 0.3], [0.75, 0.25], [0.2, 0.8]]), np.array([1, 0, 1]), 4),
)
