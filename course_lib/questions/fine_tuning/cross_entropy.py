"""Question: a loss that survives large logits."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.fine_tuning._shared import _softmax, fine_tuning


def _loss_calls(rng):
    # Quarters, so that float32 holds the large ones exactly.
    near = rng.integers(-8, 9, size=(4, 3)) / 4
    far, wide = (
        rng.permuted([[900.0, -900.0, 0.0]] * 3, axis=1) + np.array([[0.0], [64.0], [128.0]])
        for _ in range(2)
    )
    # Each row of labels has a class that is no valid index of the axis before the classes.
    batch = np.array([rng.permutation([0, 1, 3]), rng.permutation([1, 2, 3])])
    return [
        (rng.integers(3, size=5), rng.normal(size=(5, 3))),
        Call((batch, 2 * rng.normal(size=(2, 3, 4)).astype("float32")), "labels of shape `(batch, n)`"),
        Call(
            (rng.integers(3, size=4), near + np.array([[1000.0], [0.0], [-1000.0], [1000.0]])),
            "logits around 1000 and -1000",
        ),
        Call((far.argmin(axis=1), far), "a right class whose logit is far behind another"),
        Call((wide.argmax(axis=1), wide), "a right class whose logit is far ahead of all others"),
        Call((rng.integers(2, size=1), rng.normal(size=(1, 2))), "a single example"),
    ]


def _chosen(labels, values):
    return np.take_along_axis(values, labels[..., None], axis=-1)[..., 0]


def _log_loss(labels, logits, change=lambda p: p, **options):
    """The loss by way of a probability."""
    return -np.log(change(_chosen(labels, _softmax(logits, **options))))


def _sum_loss(labels, logits, shift=lambda x: x.max(axis=-1, keepdims=True), axis=-1):
    """The loss by way of logsumexp."""
    shifted = logits - shift(logits)
    return np.log(np.exp(shifted).sum(axis=axis)) - _chosen(labels, shifted)


_naive = functools.partial(_log_loss, shift=lambda logits: 0.0)


_naive_sum = functools.partial(_sum_loss, shift=lambda logits: 0.0)


def _clips():
    """Losses that are capped, by clipping a probability or by adding a little to it."""
    for exponent in (*range(5, 17), 20, 30, 38, 45, 100, 300):
        least = 10.0**-exponent
        yield functools.partial(_log_loss, change=lambda p, least=least: np.maximum(p, least))
        yield functools.partial(_log_loss, change=lambda p, least=least: p + least)
    for least in (np.finfo("float32").eps, np.finfo("float64").eps, np.finfo("float64").tiny):
        yield functools.partial(_log_loss, change=lambda p, least=float(least): np.maximum(p, least))
        yield functools.partial(_log_loss, change=lambda p, least=float(least): p + least)


def _clipped_logits(labels, logits, most):
    return _sum_loss(labels, np.clip(logits, -most, most))


def _off_by_the_largest(labels, logits, sign):
    return _sum_loss(labels, logits) + sign * logits.max(axis=-1)


def _of_the_lesson(labels, logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1)) - np.take_along_axis(shifted, labels[:, None], axis=-1)[:, 0]


def _by_two_indices(labels, logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1)) - shifted[np.arange(len(labels)), labels]


def _without_keepdims(labels, logits):
    shifted = logits - logits.max(axis=-1)
    return np.log(np.exp(shifted).sum(axis=-1)) - _chosen(labels, shifted)


def _softmax_without_keepdims(labels, logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return -np.log(_chosen(labels, exponentials / exponentials.sum(axis=-1)))


def _exponentials_without_keepdims(labels, logits):
    exponentials = np.exp(logits - logits.max(axis=-1))
    return -np.log(_chosen(labels, exponentials / exponentials.sum(axis=-1)))


def _of_all_classes(labels, logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted


def _mean(logits):
    return logits.mean(axis=-1, keepdims=True)


def _least(logits):
    return logits.min(axis=-1, keepdims=True)


def _hidden(answer):
    return lambda labels, logits: np.nan_to_num(answer(labels, logits))


def _axis_one(logits):
    return logits.max(axis=1, keepdims=True)


def _axis_one_with_keepdims(labels, logits):
    shifted = logits - _axis_one(logits)
    chosen = np.take_along_axis(shifted, labels[..., None], axis=-1)
    return (np.log(np.exp(shifted).sum(axis=1, keepdims=True)) - chosen)[..., 0]


QUESTION = Question(
    id="fine_tuning.cross_entropy",
    title="A loss that survives large logits",
    points=2,
    minutes=10,
    signature="cross_entropy(labels, logits)",
    calls=_loss_calls,
    reference=lambda labels, logits: fine_tuning.cross_entropy(labels, logits),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "unshifted",
            (_naive, _naive_sum),
            "Small logits come out right, around 1000 and -1000 the loss is NaN or infinite. What is "
            "exp(1000) there, and what a sum of exp(-1000)?",
            "The logits [1000, 999] must cost what [1, 0] costs, because only differences count. Shift each "
            "row so that its largest logit becomes 0, and use the shifted row for everything that follows.",
        ),
        Mistake(
            "no_sum",
            (
                lambda labels, logits: logits.max(axis=-1) - _chosen(labels, logits),
                lambda labels, logits: _chosen(labels, logits) - logits.max(axis=-1),
            ),
            "Your number is the distance between the largest logit and that of the right class. That is the "
            "loss only where one class is far ahead of all others: what should two equal logits cost?",
            "The logits [0, 0] must cost log 2, and [0, 0, 0] log 3, although no class is ahead. Which term "
            "of the loss knows of all the classes, and do you still have it after the shift?",
        ),
        Mistake(
            "log_of_softmax",
            _log_loss,
            "Only one kind of row is wrong: where the right class is hopelessly behind, your loss is "
            "infinite. It should be the distance of the logits.",
            "The softmax of [0, 900] has a first entry of exactly 0 in floating point, and log 0 is minus "
            "infinity. Write the logarithm of the fraction as a difference, then no probability is ever "
            "needed.",
        ),
        Mistake(
            "clipped",
            tuple(_clips()),
            "Your loss never exceeds a certain number: a probability is clipped, or a little is added to it, "
            "before the logarithm. A model that is badly wrong gets no gradient from that.",
            "The logits [0, 900] with label 0 must cost 900. Clipping hides the trouble; taking logarithms "
            "before probabilities become 0 removes it.",
        ),
        Mistake(
            "half_shifted",
            (
                functools.partial(_off_by_the_largest, sign=-1),
                functools.partial(_off_by_the_largest, sign=1),
            ),
            "Your loss is off by the largest logit of each row. Do both of its terms know of your shift?",
            "A shift of all logits cancels in the difference of the two terms, if both have it. Take one row "
            "and write down each term, before and after the shift.",
        ),
        Mistake(
            "averaged",
            (
                lambda labels, logits: _sum_loss(labels, logits).mean(),
                lambda labels, logits: _sum_loss(labels, logits).sum(),
                lambda labels, logits: _sum_loss(labels, logits).mean(axis=-1),
                lambda labels, logits: _log_loss(labels, logits).mean(),
                lambda labels, logits: _naive(labels, logits).mean(),
            ),
            "You average the losses, or add them up. Return one loss for each label.",
            "The result has the shape of `labels`. What averages the examples is the training step; there, "
            "padding or weights may still have to be applied to each.",
        ),
        Mistake(
            "largest_of_all",
            (
                functools.partial(_sum_loss, shift=np.max),
                functools.partial(_log_loss, shift=np.max),
                functools.partial(_sum_loss, shift=lambda x: x.max(axis=0)),
                functools.partial(_log_loss, shift=lambda x: x.max(axis=0)),
            ),
            "A row of logits around -1000 comes out wrong if another row has some around 1000. What do you "
            "take off that row, and along which axis was it found?",
            "The largest logit of the whole array, or of a class over all rows, is far above a row of small "
            "ones: all its exponentials become 0. Each row needs a shift of its own, one number for all its "
            "classes.",
        ),
        Mistake(
            "one_axis_of_labels",
            (_of_the_lesson, _by_two_indices),
            "Right for labels of shape (n,), not for (batch, n). Which of your indices counts on a single "
            "axis of labels?",
            "The class of a label is a place along the last axis of `logits`, however many axes stand before "
            "it. Give `labels` a new last axis (not a second one) and take along that, or compare the labels "
            "with np.arange of the number of classes.",
        ),
        Mistake(
            "axis_one",
            (
                functools.partial(_log_loss, axis=1),
                functools.partial(_sum_loss, shift=_axis_one, axis=1),
                functools.partial(_sum_loss, axis=1),
                _axis_one_with_keepdims,
                functools.partial(_log_loss, axis=1, shift=lambda x: x.max(axis=-1, keepdims=True)),
            ),
            "Right for logits with two axes. With three, you still reduce axis 1: what stands there?",
            "The classes are on the last axis, whichever number that has. Counted from the end it is always "
            "the same.",
        ),
        Mistake(
            "keepdims_missing",
            (_without_keepdims, _softmax_without_keepdims, _exponentials_without_keepdims),
            "A maximum or a sum over the last axis has one axis less than `logits`. NumPy then lines the "
            "rest up with the columns, not with the rows: it refuses, or computes nonsense where rows and "
            "columns are equally many.",
            "What you take off a row, or divide a row by, has to keep an axis of length 1 in the place of "
            "the classes. The reductions have an argument for this.",
        ),
        Mistake(
            "every_class",
            (
                _of_all_classes,
                (lambda labels, logits: -np.log(_softmax(logits))),
                (lambda labels, logits: -np.log(_softmax(logits, shift=lambda x: 0.0))),
            ),
            "You return a loss for each class. Only that of the right class is asked for.",
            "For each label, one number is picked from the last axis: the one at the label's place. Where do "
            "you use `labels`?",
        ),
        Mistake(
            "no_logarithm",
            (
                lambda labels, logits: _chosen(labels, _softmax(logits)),
                lambda labels, logits: -_chosen(labels, _softmax(logits)),
                lambda labels, logits: 1.0 - _chosen(labels, _softmax(logits)),
            ),
            "Your number is made from the probability of the right class, but there is no logarithm in it.",
            "A probability of 1 costs 0, one of 1/2 costs 0.693, one of 1/4 twice that. How do you get from "
            "a probability to this cost, and then there without the probability?",
        ),
        Mistake(
            "negative",
            (
                lambda labels, logits: -_sum_loss(labels, logits),
                lambda labels, logits: -_log_loss(labels, logits),
            ),
            "Your losses are negative: the less likely the right class, the lower. What should a certain "
            "and right model cost, and what a wrong one?",
            "The logarithm of a probability is never above 0, and a loss never below. Which term must be "
            "taken off which?",
        ),
        Mistake(
            "shift_too_small",
            tuple(
                functools.partial(answer, shift=shift)
                for shift in (_mean, _least)
                for answer in (_sum_loss, _log_loss)
            ),
            "You shift each row, but not far enough: a logit that is far above the others still overflows "
            "under the exponential.",
            "After the shift no logit may be large, so the largest itself has to become 0. The mean of the "
            "row [900, -900, 0] is 0, its least number -900: what is left of the 900 with your shift?",
        ),
        Mistake(
            "logits_clipped",
            tuple(
                functools.partial(_clipped_logits, most=most)
                for most in (10, 15, 20, 30, 50, 60, 80, 85, 88, 100, 200, 300, 500, 600, 700, 709, 745)
            ),
            "You clip the logits. Where they are large, their differences are lost, and with them the loss.",
            "[1000, 999] must cost what [1, 0] costs; clipped, both logits are the same. A shift of the "
            "whole row keeps the differences, a clip does not.",
        ),
        Mistake(
            "hidden",
            (_hidden(_naive), _hidden(_naive_sum), _hidden(_log_loss)),
            "You replace NaN and infinity by other numbers at the end. They are finite then, but not the "
            "losses that are asked for.",
            "Where NaN or infinity arose, the right number is lost. See in which line the first one appears "
            "for the logits [1000, 0], and compute that line from a shifted row, without probabilities.",
        ),
    ),
    hint="Write -log(softmax) as a difference of two terms, by hand, before you write code. Then shift the "
    "row.",
    more="-log(exp(z_y) / sum of exp(z)) is log(sum of exp(z)) - z_y. Both terms may lose the same number, "
    "one for each row: choose it so that no exponential is large and not all are 0. Reduce the last axis, "
    "and let the picking of z_y work for any number of axes before it.",
    example=(np.array([1, 0, 1]), np.array([[3.0, 3.0], [-1000.0, -1000.0], [500.0, 100.0]])),
)
