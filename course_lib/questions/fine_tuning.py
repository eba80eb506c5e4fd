"""Questions of lesson 05: loss, AdamW, schedule, early stopping, macro F1, LoRA, a head that generalises."""

import functools
import hashlib
import math

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

fine_tuning = Lesson("fine_tuning")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


# Cross-entropy


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


def _softmax(logits, axis=-1, shift=None):
    """Softmax with another axis, or with another number taken off the logits."""
    shift = logits.max(axis=axis, keepdims=True) if shift is None else shift(logits)
    exponentials = np.exp(logits - shift)
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


@_quiet
def _log_loss(labels, logits, change=lambda p: p, **options):
    """The loss by way of a probability."""
    return -np.log(change(_chosen(labels, _softmax(logits, **options))))


@_quiet
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


@_quiet
def _without_keepdims(labels, logits):
    shifted = logits - logits.max(axis=-1)
    return np.log(np.exp(shifted).sum(axis=-1)) - _chosen(labels, shifted)


@_quiet
def _softmax_without_keepdims(labels, logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return -np.log(_chosen(labels, exponentials / exponentials.sum(axis=-1)))


@_quiet
def _exponentials_without_keepdims(labels, logits):
    exponentials = np.exp(logits - logits.max(axis=-1))
    return -np.log(_chosen(labels, exponentials / exponentials.sum(axis=-1)))


@_quiet
def _of_all_classes(labels, logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted


def _mean(logits):
    return logits.mean(axis=-1, keepdims=True)


def _least(logits):
    return logits.min(axis=-1, keepdims=True)


def _hidden(answer):
    return _quiet(lambda labels, logits: np.nan_to_num(answer(labels, logits)))


def _axis_one(logits):
    return logits.max(axis=1, keepdims=True)


@_quiet
def _axis_one_with_keepdims(labels, logits):
    shifted = logits - _axis_one(logits)
    chosen = np.take_along_axis(shifted, labels[..., None], axis=-1)
    return (np.log(np.exp(shifted).sum(axis=1, keepdims=True)) - chosen)[..., 0]


_LOSS = Question(
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
                _quiet(lambda labels, logits: -np.log(_softmax(logits))),
                _quiet(lambda labels, logits: -np.log(_softmax(logits, shift=lambda x: 0.0))),
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


# AdamW


def _adamw_calls(rng):
    def call(shape, step, rate, decay, about="", size=1.0, dtype="float64"):
        signs = rng.choice([-1.0, 1.0], size=(2, *shape))
        value, gradient = signs * rng.uniform(0.5, 2.0, size=(2, *shape)) * [[[1.0]], [[size]]]
        first, second = np.zeros((2, *shape))
        if step > 1:
            first, second = size * rng.normal(size=shape), size**2 * rng.uniform(0.5, 2.0, size=shape)
        arrays = (array.astype(dtype) for array in (value, gradient, first, second))
        return Call((*arrays, step, rate, decay), about)

    step = int(rng.integers(3, 30))
    return [
        call((1, 4), 1, 0.1, 0.0, "a weight decay of 0"),
        call((2, 3), 1, 0.1, 0.1),
        call((3, 2), step, 0.05, 0.2),
        call((1, 5), 20 * step, 0.1, 0.05, "a step far from the first"),
        call((2, 2), 1, 0.1, 0.1, "tiny gradients", size=3e-6),
        call((1, 3), 2, 0.1, 0.1, dtype="float32"),
    ]


@_quiet
def _adamw(
    value,
    gradient,
    first,
    second,
    step,
    learning_rate,
    weight_decay,
    l2=0.0,
    factor=lambda t: np.sqrt(1 - 0.999**t) / (1 - 0.9**t),
    kept=False,
    textbook=False,
    epsilon=1e-7,
    inside=False,
    factor_of_decay=lambda rate, decay: 1.0 - rate * decay,
    late=False,
    share=(0.9, 0.1, 0.999, 0.001),
    numerator=lambda gradient, old, new: new,
    divisor=lambda old, new: new,
    square=np.square,
    root=np.sqrt,
    sign=-1.0,
):
    """AdamW's step with one of its parts replaced."""
    old_first, old_second = first, second
    seen = gradient + l2 * weight_decay * value
    first = share[0] * first + share[1] * seen
    second = share[2] * second + share[3] * square(seen)
    used, divided_by = numerator(seen, old_first, first), divisor(old_second, second)
    if textbook:
        used, divided_by = used / (1 - 0.9**step), divided_by / (1 - 0.999**step)
    else:
        used = used * factor(step)
    change = used / (root(divided_by + epsilon) if inside else root(divided_by) + epsilon)
    if kept:
        first, second = first / (1 - 0.9**step), second / (1 - 0.999**step)
    change = sign * learning_rate * change
    decay = factor_of_decay(learning_rate, weight_decay)
    return (decay * (value + change) if late else decay * value + change), first, second


def _adamw_with(*options):
    """Variants of the step; a single one has the question's signature too."""
    return tuple(functools.partial(_adamw, **each) for each in options)


def _step_without_rate(value, gradient, first, second, step, learning_rate, weight_decay):
    return _adamw(value, gradient, first, second, step, 1.0, learning_rate * weight_decay)


def _no_decay(learning_rate, weight_decay):
    return 1.0


_ADAMW = Question(
    id="fine_tuning.adamw_step",
    title="One step of AdamW",
    points=2,
    minutes=15,
    signature="adamw_step(value, gradient, first, second, step, learning_rate, weight_decay)",
    calls=_adamw_calls,
    reference=lambda value, gradient, first, second, step, learning_rate, weight_decay: (
        fine_tuning.adamw_step(value, gradient, first, second, step, learning_rate, weight_decay)
    ),
    returns=("array", "array", "array"),
    names=("value", "first", "second"),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "decay_in_the_gradient",
            _adamw_with({"l2": 1.0, "factor_of_decay": _no_decay}, {"l2": 1.0}),
            "Without decay you are right; with it, your means are wrong already: the decay entered the "
            "gradient. That is Adam with an L2 penalty, not AdamW.",
            "In AdamW the weight decay is decoupled: the means see the gradient of the loss only. Which "
            "line shrinks the weight without passing through the division by the root?",
        ),
        Mistake(
            "uncorrected",
            _adamw_with({"factor": lambda t: 1.0}),
            "The first steps of your weight are too long, by about three times. What do means "
            "that start at zero lack in the first steps?",
            "At step 1 the first mean is a tenth of the gradient and the second a thousandth of its square. "
            "The corrected step must be the learning rate in size, as long as epsilon is small beside the "
            "root.",
        ),
        Mistake(
            "wrong_correction",
            _adamw_with(
                {"factor": lambda t: 1 / (1 - 0.9**t)},
                {"factor": lambda t: np.sqrt(1 - 0.999**t)},
                {"factor": lambda t: (1 - 0.999**t) / (1 - 0.9**t)},
                {"factor": lambda t: (1 - 0.9**t) / np.sqrt(1 - 0.999**t)},
                {"factor": lambda t: 1 / ((1 - 0.9**t) * np.sqrt(1 - 0.999**t))},
                {"factor": lambda t: np.sqrt((1 - 0.999**t) / (1 - 0.9**t))},
                {"factor": lambda t: np.sqrt(1 - 0.9**t) / (1 - 0.999**t)},
                {"factor": lambda t: np.sqrt(1 - 0.999 ** (t + 1)) / (1 - 0.9 ** (t + 1))},
                {"factor": lambda t: np.sqrt(1 - 0.999) / (1 - 0.9)},
                {"factor": lambda t: np.sqrt(1 - 0.999**t) / np.sqrt(1 - 0.9**t)},
            ),
            "Your weight moves by another length: the fraction with the powers of t has another value than "
            "in the formula. Compute yours for t = 1, 2 and 100.",
            "For t = 1 it is √0.001 / 0.1, about 0.316; for t = 2 it is √0.001999 / 0.19, about 0.235; later "
            "on it grows towards 1. Check numerator, denominator, root and exponent one by one.",
        ),
        Mistake(
            "corrected_means_kept",
            _adamw_with({"kept": True}, {"kept": True, "textbook": True}),
            "The two means that you return are the corrected ones.",
            "The correction is for this step only. The next step goes on from the plain means: returned "
            "corrected ones would be corrected again and again.",
        ),
        Mistake(
            "epsilon_after_the_correction",
            _adamw_with({"textbook": True}),
            "All is right but for tiny gradients. There it matters whether epsilon is added to the root of "
            "the plain second mean, or of the corrected one.",
            "You divide by the root of the corrected second mean, plus 1e-7. Keras folds both corrections "
            "into the learning rate first and adds 1e-7 to the plain root; at step 1 that weighs 32 times as "
            "much.",
        ),
        Mistake(
            "epsilon_inside_the_root",
            _adamw_with({"inside": True}, {"inside": True, "textbook": True}),
            "Tiny gradients hardly move your weight. Where does epsilon stand: in the root, or behind it?",
            "The root of 1e-7 is 3e-4, which is large beside the root of a tiny second mean. Take the root "
            "first, then add.",
        ),
        Mistake(
            "another_epsilon",
            _adamw_with(
                *(
                    {"epsilon": epsilon, "textbook": textbook}
                    for epsilon in (0.0, 1e-8, 1e-6, 1e-10, 1e-12)
                    for textbook in (False, True)
                )
            ),
            "All is right but for tiny gradients. There the divisor is mostly epsilon: which number do you "
            "add, and to which root?",
            "Libraries differ: PyTorch adds 1e-8, Keras 1e-7. The text says which one is wanted here, and "
            "that it is added to the root of v' itself.",
        ),
        Mistake(
            "step_without_the_rate",
            _step_without_rate,
            "Your step has one length, whatever the learning rate is.",
            "At step 1 the weight must move by about the learning rate, 0.1 or 0.05 here. Yours moves by "
            "about 1. What stands before the fraction in the formula?",
        ),
        Mistake(
            "decay_forgotten",
            _adamw_with({"factor_of_decay": _no_decay}),
            "Right where the weight decay is 0. Elsewhere nothing of yours depends on it: that is Adam, "
            "without its W.",
            "Besides the step, the weight itself shrinks, by a share of it that is learning rate times "
            "decay. The means know nothing of it.",
        ),
        Mistake(
            "decay_without_the_rate",
            _adamw_with({"factor_of_decay": lambda rate, decay: 1.0 - decay}),
            "Your weight shrinks too much. Should it also shrink in a step whose learning rate is 0?",
            "With weight 1, decay 0.1 and learning rate 0.1, the decay takes 0.01, not 0.1. A schedule that "
            "ends at zero has to end the decay too.",
        ),
        Mistake(
            "decay_afterwards",
            _adamw_with({"late": True}),
            "Very close: the weight differs by a little. Your decay also shrinks the "
            "step that was just made.",
            "Take the decay's share of the weight as it came in. In a formula, the new weight is the old one "
            "times a factor, minus the step; nothing multiplies the step.",
        ),
        Mistake(
            "old_means",
            _adamw_with(
                {"numerator": lambda gradient, old, new: old},
                {"divisor": lambda old, new: old},
                {"numerator": lambda gradient, old, new: old, "divisor": lambda old, new: old},
            ),
            "Your step is made with a mean from before this gradient.",
            "The step uses m' and v', not m and v: at step 1, when both means are 0, the gradient must count "
            "already. Look at which names stand in your last line.",
        ),
        Mistake(
            "gradient_in_the_step",
            _adamw_with(
                {"numerator": lambda gradient, old, new: gradient},
                {"numerator": lambda gradient, old, new: gradient, "factor": lambda t: 1.0},
                {
                    "numerator": lambda gradient, old, new: gradient,
                    "factor": lambda t: np.sqrt(1 - 0.999**t),
                },
            ),
            "Your weight moves along the gradient, not along its running mean.",
            "What is divided by the root is m', which remembers earlier gradients. You compute it and return "
            "it; where else must it stand?",
        ),
        Mistake(
            "shares_mixed_up",
            _adamw_with(
                {"share": (0.999, 0.001, 0.9, 0.1)},
                {"share": (0.1, 0.9, 0.001, 0.999)},
                {"share": (0.1, 0.9, 0.999, 0.001)},
                {"share": (0.9, 0.1, 0.001, 0.999)},
                {"share": (0.9, 0.1, 0.9, 0.1)},
                {"share": (0.9, 0.1, 0.99, 0.01)},
                {"share": (0.9, 1.0, 0.999, 1.0)},
                {"share": (0.999, 0.001, 0.999, 0.001)},
                {
                    "share": (0.999, 0.001, 0.9, 0.1),
                    "factor": lambda t: np.sqrt(1 - 0.9**t) / (1 - 0.999**t),
                },
            ),
            "A running mean of yours is not as in the formulas: how much of the old one stays, and how much "
            "of the new comes in, for each of the two?",
            "From a mean of 0 and a gradient of 3, the first mean becomes 0.3 and the second 0.009. From "
            "means of 1 and a gradient of 0 they become 0.9 and 0.999. Try both.",
        ),
        Mistake(
            "square_or_root",
            _adamw_with(
                {"square": lambda gradient: gradient},
                {"square": np.abs},
                {"root": lambda mean: mean},
                {"root": np.square},
                {"square": lambda gradient: 0.001 * np.square(gradient)},
            ),
            "A square or a root is not where the formulas have it. Follow a gradient of 3 at step 1: what "
            "are your second mean, and your divisor?",
            "From zeros and a gradient of 3, v' is 0.009 and what you divide by 0.095. The second mean is "
            "one of squares, never negative, and its root has the unit of a gradient again.",
        ),
        Mistake(
            "wrong_sign",
            _adamw_with(
                {"sign": 1.0},
                {"factor_of_decay": lambda rate, decay: 1.0 + rate * decay},
                {"sign": 1.0, "factor_of_decay": lambda rate, decay: 1.0 + rate * decay},
            ),
            "One of the two changes of the weight, or both, have the wrong sign.",
            "With a positive gradient the weight must fall, and the decay must bring it nearer to zero, "
            "whatever its sign. Which of the two do you get?",
        ),
    ),
    hint="Four lines in the order of the formulas. Try step 1 with a gradient of 3: without decay the weight "
    "must move by the learning rate.",
    more="Compute m' and v' first, and return those. Then one number from t: √(1 - 0.999^t) / (1 - 0.9^t). "
    "The new weight is (1 - rate · decay) times the old one, minus rate · that number · m' / (√v' + 1e-7).",
    example=(
        np.array([2.0, 2.0]),
        np.array([-1.0, 1e-6]),
        np.array([0.0, 0.0]),
        np.array([0.0, 0.0]),
        1,
        0.5,
        0.2,
    ),
)


# Schedule


def _schedule_calls(rng):
    total, warmup = int(rng.integers(60, 200)), int(rng.integers(5, 20))
    peak = float(rng.uniform(1e-3, 1e-2))
    return [
        Call((0, peak, total, warmup), "`step` 0"),
        Call((warmup, peak, total, warmup), "the step at which the warm-up ends"),
        Call((warmup - 2, peak, total, warmup), "a step of the warm-up"),
        (int(rng.integers(30, 50)), peak, total, warmup),
        Call((total + int(rng.integers(1, 9)), peak, total, warmup), "a step after the end"),
        Call((np.arange(total + 12), peak, total, warmup), "an array of steps"),
        Call((np.arange(12), 2e-4, 10, 0), "an array of steps and no warm-up"),
        Call((int(rng.integers(2, 7)), 3e-4, 9, 0), "a single step and no warm-up"),
        Call((np.arange(12).reshape(3, 4), 5e-5, 9, 1), "steps of two axes"),
    ]


def _cosine(progress):
    return 0.5 * (1.0 + np.cos(np.pi * progress))


@_quiet
def _schedule(
    step,
    peak,
    total,
    warmup,
    rise=lambda step, warmup: (step + 1) / max(warmup, 1),
    fall=_cosine,
    progress=lambda step, warmup, total: (step - warmup) / (total - warmup),
    clip=True,
    rises=np.less,
    peaks=(1.0, 1.0),
    ends=False,
):
    """A schedule with one of its parts replaced."""
    step = np.asarray(step)
    share = progress(step, warmup, total)
    if clip:
        share = np.clip(share, 0.0, 1.0)
    rising, falling = (
        peak**power * value for power, value in zip(peaks, (rise(step, warmup), fall(share)), strict=True)
    )
    rates = np.where(rises(step, warmup), rising, falling)
    return np.where(step >= total, 0.0, rates) if ends else rates


def _scheduled(*options):
    return tuple(functools.partial(_schedule, **each) for each in options)


def _for_numbers(step, peak, total_steps, warmup_steps):
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return float(_schedule(step, peak, total_steps, warmup_steps))


def _by_math(step, peak, total_steps, warmup_steps):
    rise = (step + 1) / max(warmup_steps, 1)
    progress = np.minimum((step - warmup_steps) / (total_steps - warmup_steps), 1.0)
    return peak * np.where(step < warmup_steps, rise, 0.5 + 0.5 * math.cos(math.pi * progress))


@_quiet
def _dividing_by_warmup(step, peak, total_steps, warmup_steps):
    rise = (step + 1) / warmup_steps
    return np.where(step < warmup_steps, peak * rise, _schedule(step, peak, total_steps, warmup_steps))


@_quiet
def _min_of_rise(step, peak, total_steps, warmup_steps):
    # The rise without a choice: 0 / 0 or a division by 0 where there is no warm-up.
    rise = np.minimum((np.asarray(step) + 1) / np.float64(warmup_steps), 1.0) if warmup_steps else np.nan
    return rise * _schedule(step, peak, total_steps, warmup_steps, rises=lambda step, warmup: step < 0)


def _like_the_steps(step, peak, total_steps, warmup_steps):
    return _schedule(step, peak, total_steps, warmup_steps).astype(np.asarray(step).dtype)


def _like_the_steps_of_an_array(step, peak, total_steps, warmup_steps):
    if np.ndim(step):
        return _like_the_steps(step, peak, total_steps, warmup_steps)
    return _schedule(step, peak, total_steps, warmup_steps)


def _flat(step, peak, total_steps, warmup_steps):
    return np.atleast_1d(_schedule(step, peak, total_steps, warmup_steps)).ravel()


def _flat_arrays(step, peak, total_steps, warmup_steps):
    rates = _schedule(step, peak, total_steps, warmup_steps)
    return rates.ravel() if np.ndim(step) else rates


def _loop_over_one_axis(step, peak, total_steps, warmup_steps):
    if np.ndim(step) == 0:
        return _for_numbers(step, peak, total_steps, warmup_steps)
    return [_for_numbers(each, peak, total_steps, warmup_steps) for each in step]


_SCHEDULE = Question(
    id="fine_tuning.warmup_cosine",
    title="Warm-up, then cosine",
    points=2,
    minutes=10,
    signature="warmup_cosine(step, peak, total_steps, warmup_steps)",
    calls=_schedule_calls,
    reference=lambda step, peak, total_steps, warmup_steps: fine_tuning.WarmupCosine(
        peak, total_steps, warmup_steps
    )(step),
    rtol=1e-4,
    atol=1e-8,  # Rates are small.
    mistakes=(
        Mistake(
            "starts_at_zero",
            _scheduled({"rise": lambda step, warmup: step / max(warmup, 1)}),
            "Your rate is 0 at step 0, so the first batch teaches nothing.",
            "With four steps of warm-up the first four rates are a quarter, a half, three quarters and all "
            "of the peak. Yours begin with 0.",
        ),
        Mistake(
            "falls_from_step_zero",
            _scheduled({"progress": lambda step, warmup, total: step / total}),
            "Where the warm-up ends your rate jumps: the cosine has been running since step 0.",
            "At step warmup_steps the rate must be the peak. Count the progress of the fall from there: it "
            "goes from 0 at warmup_steps to 1 at total_steps.",
        ),
        Mistake(
            "falls_too_slowly",
            _scheduled(
                *(
                    {"progress": lambda step, warmup, total: (step - warmup) / total, "ends": ends}
                    for ends in (False, True)
                )
            ),
            "Your cosine is not down at zero at total_steps; it would get there only warmup_steps later.",
            "The fall starts at the right step. How many steps are left for it, once the warm-up has had its "
            "own? Progress must be 1 at total_steps.",
        ),
        Mistake(
            "falls_off_by_one",
            _scheduled(
                {"progress": lambda step, warmup, total: (step - warmup + 1) / (total - warmup)},
                {"progress": lambda step, warmup, total: (step - warmup) / (total - warmup - 1)},
                {"progress": lambda step, warmup, total: (step - warmup) / (total - warmup + 1)},
                {"progress": lambda step, warmup, total: (step - warmup - 1) / (total - warmup)},
                {"progress": lambda step, warmup, total: (step - warmup + 1) / (total - warmup + 1)},
                {
                    "progress": lambda step, warmup, total: (step - warmup) / (total - warmup + 1),
                    "ends": True,
                },
                {
                    "progress": lambda step, warmup, total: (step - warmup - 1) / (total - warmup),
                    "ends": True,
                },
            ),
            "Very close: your fall is off by one step at its beginning or its end.",
            "At step warmup_steps the progress is exactly 0, at step total_steps exactly 1. Put both into "
            "your formula, by hand.",
        ),
        Mistake(
            "rises_again",
            _scheduled({"clip": False}),
            "Up to total_steps all is right. After it your rate rises again: a cosine does not stay at its "
            "lowest point by itself.",
            "Progress may not exceed 1, however many steps follow. Look at the rates of the steps from "
            "total_steps on: all must be 0.",
        ),
        Mistake(
            "straight_fall",
            _scheduled({"fall": lambda progress: 1.0 - progress}),
            "Your rate falls along a straight line, not along half a cosine.",
            "At a quarter of the fall the rate must still be 85 % of the peak, at half 50 %. The cosine of "
            "an angle from 0 to π goes from 1 to -1: lift and halve it.",
        ),
        Mistake(
            "another_cosine",
            _scheduled(
                {"fall": lambda progress: np.cos(np.pi * progress)},
                {"fall": lambda progress: np.maximum(np.cos(np.pi * progress), 0.0)},
                {"fall": lambda progress: 1.0 + np.cos(np.pi * progress)},
                {"fall": lambda progress: np.cos(np.pi * progress / 2)},
                {"fall": lambda progress: 0.5 * np.cos(np.pi * progress)},
                {"fall": lambda progress: 0.5 * (1.0 + np.cos(2 * np.pi * progress))},
                {"fall": lambda progress: 0.5 * (1.0 - np.cos(np.pi * progress))},
                {"fall": lambda progress: 0.5 * (1.0 + np.cos(progress))},
                {"fall": lambda progress: 0.5 * (1.0 + np.sin(np.pi * progress))},
            ),
            "Your fall is not the half cosine of the text. At progress 0, 0.5 and 1 it must be the peak, "
            "half of it and 0: what is yours at these three?",
            "The angle goes from 0 to π, so the cosine goes from 1 to -1. Adding 1 lifts it to 2 to 0, and "
            "halving that gives a share of the peak. Which of the three is missing?",
        ),
        Mistake(
            "one_step_at_a_time",
            (_for_numbers, _by_math),
            "A single step works. An array of steps does not: an `if`, min, max or a function of `math` "
            "wants one number, and an array has many.",
            "Compute the rise and the fall for all steps with functions of NumPy, then choose between them "
            "element by element. Mind that warmup_steps may be 0.",
        ),
        Mistake(
            "one_axis_of_steps",
            (_loop_over_one_axis, _flat, _flat_arrays),
            "Your rates do not have the shape of `step`, which may have no axis, one, or two.",
            "Do without a loop: arithmetic and np.where work on all elements and keep the shape, whatever it "
            "is. What would your code return for a single number, and for np.arange(6).reshape(2, 3)?",
        ),
        Mistake(
            "rise_one_step_too_long",
            _scheduled({"rises": np.less_equal}),
            "At step warmup_steps your rate is above the peak. Which steps belong to the rise?",
            "The rise has warmup_steps steps, from 0 to warmup_steps - 1: the last of them reaches the peak. "
            "Look at your comparison.",
        ),
        Mistake(
            "rise_with_another_length",
            _scheduled(
                {"rise": lambda step, warmup: (step + 1) / (warmup + 1)},
                {"rise": lambda step, warmup: step / max(warmup - 1, 1)},
                {"rise": lambda step, warmup: (step + 1) / max(warmup - 1, 1)},
            ),
            "In the rise, the rate of some step is not the share of the peak that the "
            "text gives: try the first and the last step of a warm-up of four.",
            "With a warm-up of four the rates of the steps 0 to 3 are a quarter, a half, three quarters and "
            "all of the peak. How many parts does that make?",
        ),
        Mistake(
            "no_rise",
            (
                *_scheduled({"rises": lambda step, warmup: np.zeros(np.shape(step), dtype=bool)}),
                *_scheduled(
                    {
                        "rises": lambda step, warmup: np.zeros(np.shape(step), dtype=bool),
                        "progress": lambda step, warmup, total: step / total,
                    }
                ),
            ),
            "Your rate is the peak, or near it, from the first step on: there is no rise.",
            "For the first warmup_steps steps another formula holds. Choose between rise and fall by "
            "comparing the step with warmup_steps.",
        ),
        Mistake(
            "peak_missing",
            _scheduled({"peaks": (0.0, 0.0)}, {"peaks": (1.0, 0.0)}, {"peaks": (0.0, 1.0)}),
            "Somewhere you return a share of the peak, a number up to 1, and not a learning rate.",
            "Rise and fall both go between 0 and `peak`. Multiply each of them, or the choice between them.",
        ),
        Mistake(
            "division_by_no_warmup",
            (_dividing_by_warmup, _min_of_rise),
            "Right while there is a warm-up. Without one, something is divided by warmup_steps, which is 0.",
            "A formula for the rise is computed even if no step uses it. Divide by a number that is never 0, "
            "or do not come to that line without a warm-up.",
        ),
        Mistake(
            "whole_numbers",
            (_like_the_steps, _like_the_steps_of_an_array),
            "Your rates are cut to whole numbers, which makes nearly all of them 0. Which dtype has the "
            "array that you fill?",
            "`step` is of integers, and so is an array made like it. What is written into such an array "
            "loses its fraction.",
        ),
    ),
    hint="Three parts: the rise, the progress of the fall from 0 to 1, and the choice between them. Draw it "
    "for 20 steps.",
    more="Write all of it with NumPy, so that arrays work. The progress is (step - warmup_steps) / "
    "(total_steps - warmup_steps), never above 1. np.where chooses, element by element; see that no "
    "warm-up of 0 is divided by.",
    example=(np.array([0, 3, 4, 6, 8, 9]), 10.0, 8, 4),
)


# Early stopping


def _stopping_calls(rng):
    def losses(*ranks, size=1.0):
        """Losses in a given order of size: 0 is the lowest, equal numbers are equal losses."""
        levels = np.cumsum(rng.uniform(0.02, 0.1, size=max(ranks) + 1)) + 0.2
        return [size * float(levels[rank]) for rank in ranks]

    return [
        (losses(5, 3, 2, 4, 6, 1, 0), 2),
        Call(
            (losses(5, 1, 4, 3, 2, 6, 7), 3),
            "losses that fall again without coming down to the lowest so far",
        ),
        Call((losses(3, 1, 1, 1, 2), 2), "losses that equal the lowest so far"),
        Call((losses(4, 5, 3, 6, 2, 7, 1), 2), "bad epochs that are never so many in a row"),
        Call((losses(0), 1), "a single epoch"),
        Call((losses(3, 1, 2), 5), "more patience than epochs"),
        Call((losses(5, 4, 6, 3, 7, 8, 2, size=20.0), 2), "losses above 1"),
        (losses(4, 2, 3, 1, 5, 0), 1),
        Call((losses(5, 4, 3, 2, 1, 0), 3), "losses that fall to the end"),
        (losses(*rng.permutation(12)), int(rng.integers(1, 4))),
    ]


def _below(loss, lowest, before):
    return loss < lowest


def _not_above(loss, lowest, before):
    return loss <= lowest


def _below_the_last(loss, lowest, before):
    return loss < before


def _stopping(losses, patience, better=_below, keeps=None, reset=True, start=None, moves=True):
    """Early stopping with another idea of an improvement, of the epoch to keep, or of what ends patience."""
    keeps = keeps or better
    lowest, best, waited = losses[0] if start is None else start, 0, 0
    for epoch in range(start is None, len(losses)):
        before = losses[epoch - 1]
        waited = (0 if reset else waited) if better(losses[epoch], lowest, before) else waited + 1
        if keeps(losses[epoch], lowest, before):
            lowest, best = losses[epoch] if moves else lowest, epoch
        if waited >= patience:
            return epoch, best
    return len(losses) - 1, best


def _stopping_with(*options):
    return tuple(functools.partial(_stopping, **each) for each in options)


def _stops(losses, patience):
    """Whether training is stopped before the list ends, or just there."""
    return _stopping([*losses, np.inf], patience)[0] < len(losses)


def _too_early(losses, patience):
    stopped, best = _stopping(losses, patience)
    return (stopped - _stops(losses, patience)), best


def _counts_every_epoch(losses, patience):
    best = waited = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best, waited = epoch, 0
        waited += 1
        if waited >= patience:
            return epoch, best
    return len(losses) - 1, best


def _less_patient(losses, patience):
    return _stopping(losses, max(patience - 1, 1))


def _counting_from(first, second):
    return lambda losses, patience: tuple(
        epoch + more for epoch, more in zip(_stopping(losses, patience), (first, second), strict=True)
    )


def _best_changed(change):
    """The right epoch at which training stops, and another one to keep."""

    def answer(losses, patience):
        stopped, best = _stopping(losses, patience)
        return stopped, change(losses, patience, stopped, best)

    return answer


def _no_end(losses, patience):
    return _stopping(losses, patience) if _stops(losses, patience) else None


def _past_the_end(losses, patience):
    stopped, best = _stopping(losses, patience)
    return (stopped if _stops(losses, patience) else len(losses)), best


_STOPPING = Question(
    id="fine_tuning.early_stopping",
    title="When early stopping stops",
    points=2,
    minutes=10,
    signature="early_stopping(losses, patience)",
    calls=_stopping_calls,
    reference=lambda losses, patience: fine_tuning.early_stopping(losses, patience),
    returns=("array", "array"),
    names=("stopped", "best"),
    dtypes=("int", "int"),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "knows_the_future",
            _best_changed(lambda losses, patience, stopped, best: int(np.argmin(losses))),
            "Your best epoch is sometimes later than the one in which training stops: a training that has "
            "stopped never sees it.",
            "For the losses 3, 1, 2, 2, 0 and patience 2 training stops in epoch 3. The 0 is never measured. "
            "Among which epochs can the best one be?",
        ),
        Mistake(
            "compared_with_the_epoch_before",
            _stopping_with({"better": _below_the_last, "keeps": _below}, {"better": _below_the_last}),
            "An epoch that beats only the one before it counts as an improvement with you, where losses go "
            "up and down.",
            "After 5, 1, 4, 3, 2 nothing has been as good as the 1 for three epochs, although each of the "
            "last two beat the one before. With what should each loss be compared?",
        ),
        Mistake(
            "one_epoch_too_late",
            (
                lambda losses, patience: _stopping(losses, patience + 1),
                lambda losses, patience: (
                    min(_stopping(losses, patience)[0] + 1, len(losses) - 1),
                    _stopping(losses, patience)[1],
                ),
            ),
            "You train one epoch more than patience allows. Count the epochs without improvement in the "
            "first example on your fingers.",
            "With patience 1, the first epoch that is not better is also the last that is trained. Is your "
            "comparison strict where it should not be?",
        ),
        Mistake(
            "one_epoch_too_early",
            (_too_early, _less_patient, _counts_every_epoch),
            "You stop too early, by one epoch of patience. With patience 2, how many bad epochs are trained?",
            "The epochs without improvement are trained, too: their losses have to be known. The last of "
            "them, the one that uses patience up, is `stopped`.",
        ),
        Mistake(
            "ties_improve",
            _stopping_with(
                {"better": _not_above}, {"better": _not_above, "keeps": _below}, {"keeps": _not_above}
            ),
            "Where a loss only equals the lowest, you take it for an improvement.",
            "For 3, 1, 1, 1 with patience 2, epochs 2 and 3 bring nothing new: stop in epoch 3 and keep "
            "epoch 1. Look at your comparisons, and at what finds the best epoch.",
        ),
        Mistake(
            "patience_never_renewed",
            functools.partial(_stopping, reset=False),
            "You stop too early where bad epochs are scattered: it is epochs in a row that count. What "
            "happens to the count when a new lowest loss arrives?",
            "With the losses 4, 5, 3, 6, 2 and patience 2 there are two bad epochs, but never two in a row: "
            "training goes on to the end.",
        ),
        Mistake(
            "patience_ignored",
            lambda losses, patience: _stopping(losses, 1),
            "You stop at the first epoch that is not better, whatever the patience is.",
            "With patience 3, training survives two bad epochs in a row. Something has to count them, and "
            "start again at an improvement.",
        ),
        Mistake(
            "never_stops",
            lambda losses, patience: (len(losses) - 1, int(np.argmin(losses))),
            "You always go on to the end of the list. Where does patience come in?",
            "Walk from epoch to epoch and count those without a new lowest loss. When the count reaches "
            "`patience`, the function is done: what comes later was never trained.",
        ),
        Mistake(
            "counted_from_one",
            (_counting_from(1, 1), _counting_from(1, 0), _counting_from(0, 1)),
            "An epoch of yours is one too high, always. Where does counting begin here?",
            "The first epoch is epoch 0, as in Python's lists: losses[best] must be the lowest loss that was "
            "seen, and `stopped` is the number of an epoch, not how many there were.",
        ),
        Mistake(
            "end_forgotten",
            (_past_the_end, _no_end),
            "Right where training stops early. Look at what you return where it does not.",
            "Where patience is never used up, all epochs of the list are trained. What comes after your loop "
            "has to return the number of the last one, counted from 0, and the best.",
        ),
        Mistake(
            "exchanged",
            lambda losses, patience: _stopping(losses, patience)[::-1],
            "You return the two epochs in the other order.",
            "First the last epoch that is trained, then the one whose weights are kept; the first is never "
            "the smaller of the two.",
        ),
        Mistake(
            "loss_returned",
            _best_changed(lambda losses, patience, stopped, best: losses[best]),
            "Where an epoch is asked for, you return a loss.",
            "Weights are kept by the number of their epoch. Remember two things at each improvement: the "
            "loss, to compare with, and the place where it stood.",
        ),
        Mistake(
            "last_epoch_kept",
            _best_changed(lambda losses, patience, stopped, best: stopped),
            "You keep the weights of the last epoch. Is it the one with the lowest loss?",
            "When patience is used up, the last epochs were the bad ones. The best one has to be remembered "
            "when it comes by.",
        ),
        Mistake(
            "best_from_patience",
            (
                _best_changed(lambda losses, patience, stopped, best: stopped - patience),
                _best_changed(lambda losses, patience, stopped, best: max(stopped - patience, 0)),
            ),
            "You count `patience` epochs back from the last one. Right where training was stopped; and where "
            "the list just ended?",
            "At the end of the list fewer bad epochs may have passed, or none. Remember the best epoch when "
            "it comes by, then nothing has to be counted back.",
        ),
        Mistake(
            "lowest_not_updated",
            _stopping_with({"moves": False}),
            "You compare each loss with one from the start of training. What is the lowest so far, after an "
            "improvement?",
            "For 5, 1, 4, 3, 2 the losses after the 1 are all below the first one, and still no improvement. "
            "At each improvement there are three things to do.",
        ),
        Mistake(
            "starts_too_low",
            _stopping_with({"start": 0.0}, {"start": 1.0}),
            "Your lowest loss starts at a number that some losses never come down to.",
            "Before the first epoch nothing was seen, so the first loss is always the lowest so far. Which "
            "number is above every loss? Or begin with the first loss itself.",
        ),
    ),
    hint="Walk through the losses once; remember the lowest so far and its epoch. Nothing later than the "
    "current epoch is known.",
    more="Begin with epoch 0 as the best, and a count of 0. For each later epoch: if its loss is below the "
    "lowest, it is the best and the count starts again; else the count grows, and when it reaches patience, "
    "return. After the loop, the last epoch of the list was trained.",
    example=([0.9, 0.4, 0.8, 0.3, 0.3, 0.5, 0.1], 2),
)


# Macro F1


def _f1_calls(rng):
    def call(num_classes, sizes, errors, num_all=None, about=""):
        # One example of each class is right for certain, so that only an absent class is without a hit.
        labels = np.concatenate([np.arange(num_classes), np.repeat(np.arange(num_classes), sizes)])
        predictions = labels.copy()
        wrong = num_classes + rng.permutation(sum(sizes))[:errors]
        predictions[wrong] = rng.integers(num_classes, size=errors)
        order = rng.permutation(len(labels))
        return Call((labels[order], predictions[order], num_all or num_classes), about)

    order = rng.permutation(8)
    missed, claimed = np.array([0, 0, 0, 1, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 0, 0, 1])
    return [
        call(2, (24, 6), 12),
        call(3, (20, 9, 3), 12),
        call(5, (15, 9, 6, 4, 2), 16),
        call(3, (12, 6, 4), 9, num_all=4, about="a class that occurs nowhere"),
        call(2, (5, 2), 0, about="predictions that are all right"),
        Call(
            (np.array([0, 0, 1, 0]), np.array([0, 1, 1, 0]), 3),
            "a class that occurs nowhere",
        ),
        Call((missed[order], claimed[order], 3), "a class that occurs, but is never predicted"),
        Call((claimed[order], missed[order], 3), "a class that is predicted, but does not occur"),
    ]


def _counts(labels, predictions, num_classes):
    """Of each class: hits, predictions, examples."""
    classes = np.arange(num_classes)[:, None]
    claimed, true = predictions == classes, labels == classes
    return (claimed & true).sum(axis=1), claimed.sum(axis=1), true.sum(axis=1)


def _safe(numerator, denominator):
    return numerator / np.where(denominator == 0, 1, denominator)


def _macro_f1(labels, predictions, num_classes):
    matrix = np.zeros((num_classes, num_classes), dtype="int64")
    np.add.at(matrix, (labels, predictions), 1)
    return fine_tuning.macro_f1(matrix)


def _pairs_counted_once(labels, predictions, num_classes):
    matrix = np.zeros((num_classes, num_classes))
    matrix[labels, predictions] += 1
    return np.mean(_safe(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)))


def _by_class(score, finish=np.mean):
    """An answer from each class's hits, predictions and examples."""

    @_quiet
    def answer(labels, predictions, num_classes):
        return finish(score(*_counts(labels, predictions, num_classes)))

    return answer


def _f1(hits, claimed, true):
    return _safe(2 * hits, claimed + true)


def _bare_f1(hits, claimed, true):
    return 2 * hits / (claimed + true)


def _f1_of_shares(hits, claimed, true):
    precision, recall = hits / claimed, hits / true
    return 2 * precision * recall / (precision + recall)


def _divided_by_zero(labels, predictions, num_classes):
    scores = [
        2 * hits / (claimed + true)
        for hits, claimed, true in zip(
            *(count.tolist() for count in _counts(labels, predictions, num_classes)), strict=True
        )
    ]
    return sum(scores) / num_classes


def _shares_divided_by_zero(labels, predictions, num_classes):
    scores = []
    for hits, claimed, true in zip(
        *(count.tolist() for count in _counts(labels, predictions, num_classes)), strict=True
    ):
        precision, recall = hits / claimed, hits / true
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / num_classes


def _weighted_f1(labels, predictions, num_classes):
    hits, claimed, true = _counts(labels, predictions, num_classes)
    return (_safe(2 * hits, claimed + true) * true).sum() / len(labels)


def _mean_where(there):
    @_quiet
    def answer(labels, predictions, num_classes):
        counts = _counts(labels, predictions, num_classes)
        return _f1(*counts)[there(*counts)].mean()

    return answer


def _f1_of_means(shares):
    @_quiet
    def answer(labels, predictions, num_classes):
        precision, recall = (share.mean() for share in shares(*_counts(labels, predictions, num_classes)))
        return 2 * precision * recall / (precision + recall)

    return answer


def _class_one(labels, predictions, num_classes):
    return _f1(*_counts(labels, predictions, num_classes))[1]


def _own_accuracy(labels, predictions, num_classes):
    classes = np.arange(num_classes)[:, None]
    return np.mean((labels == classes) == (predictions == classes))


def _f1_with_negatives(labels, predictions, num_classes):
    classes = np.arange(num_classes)[:, None]
    alike = (labels == classes) == (predictions == classes)
    return np.mean(_safe(2 * alike.sum(axis=1), (2 * alike + ~alike).sum(axis=1)))


def _absent_as_one(hits, claimed, true):
    return np.where(claimed + true == 0, 1.0, _f1(hits, claimed, true))


_F1 = Question(
    id="fine_tuning.macro_f1",
    title="Macro F1",
    points=2,
    minutes=15,
    signature="macro_f1(labels, predictions, num_classes)",
    calls=_f1_calls,
    reference=_macro_f1,
    mistakes=(
        Mistake(
            "accuracy",
            lambda labels, predictions, num_classes: np.mean(labels == predictions),
            "Your number is the accuracy. Adding up hits and errors over all classes before dividing (micro "
            "F1) gives just that.",
            "Macro means that each class gets an F1 of its own first, and a rare class counts as much as a "
            "frequent one in the mean. How many numbers do you average?",
        ),
        Mistake(
            "weighted",
            _weighted_f1,
            "Each class has its F1, but in your mean frequent classes count for more. That is called "
            "weighted F1.",
            "Macro F1 gives each of the num_classes classes the same say. A class with two examples weighs "
            "as much as one with twenty.",
        ),
        Mistake(
            "absent_left_out",
            (
                _mean_where(lambda hits, claimed, true: claimed + true > 0),
                _mean_where(lambda hits, claimed, true: true > 0),
                _mean_where(lambda hits, claimed, true: claimed > 0),
                _mean_where(lambda hits, claimed, true: hits > 0),
            ),
            "Right, as long as every class has a hit. Some class without one you leave out of the mean.",
            "By this question's rule a class that does not occur, or has no hit, counts as 0, so the mean is "
            "always over num_classes classes. Is num_classes what you divide by?",
        ),
        Mistake(
            "undefined",
            (
                _by_class(_bare_f1),
                _by_class(_f1_of_shares),
                _by_class(lambda hits, claimed, true: _f1_of_shares(*map(np.float64, (hits, claimed, true)))),
                _divided_by_zero,
                _shares_divided_by_zero,
                _by_class(
                    lambda hits, claimed, true: (
                        2
                        * _safe(hits, claimed)
                        * _safe(hits, true)
                        / (_safe(hits, claimed) + _safe(hits, true))
                    )
                ),
            ),
            "Right, as long as every class has a hit. For some class without one you divide by 0, which "
            "gives NaN or an error.",
            "By this question's rule such a class counts as 0. Look at every division: its denominator can "
            "be 0 exactly where the numerator is.",
        ),
        Mistake(
            "absent_counts_one",
            (
                _by_class(_absent_as_one),
                _by_class(
                    lambda hits, claimed, true: _f1(hits, claimed, true) + ((hits == 0) & (claimed == 0))
                ),
                _by_class(lambda hits, claimed, true: np.where(hits == 0, 1.0, _f1(hits, claimed, true))),
            ),
            "Right, as long as every class has a hit. Some class without one counts as if all were right.",
            "There are several conventions for 0 divided by 0. The text names the one that holds here.",
        ),
        Mistake(
            "of_mean_precision_and_recall",
            (
                _f1_of_means(lambda hits, claimed, true: (_safe(hits, claimed), _safe(hits, true))),
                _f1_of_means(lambda hits, claimed, true: (hits / claimed, hits / true)),
            ),
            "You average precision and recall over the classes first and make one F1 of the two means. It is "
            "close, but the order is the other way round.",
            "The mean of F1s is not the F1 of means. Make a vector of num_classes F1s; the mean comes last.",
        ),
        Mistake(
            "macro_recall",
            (
                _by_class(lambda hits, claimed, true: _safe(hits, true)),
                _by_class(lambda hits, claimed, true: hits / true),
            ),
            "Your number is the mean recall: of each class the share of its examples that were found. Who "
            "pays for claiming a class too often?",
            "Predicting class 0 for all gives class 0 a recall of 1. F1 also counts the false alarms: 2 TP "
            "over 2 TP + FP + FN.",
        ),
        Mistake(
            "macro_precision",
            (
                _by_class(lambda hits, claimed, true: _safe(hits, claimed)),
                _by_class(lambda hits, claimed, true: hits / claimed),
            ),
            "Your number is the mean precision: of each class the share of its predictions that are right. "
            "Who pays for the examples that were missed?",
            "One single right prediction of a class gives it a precision of 1. F1 also counts the misses: 2 "
            "TP over 2 TP + FP + FN.",
        ),
        Mistake(
            "hits_not_doubled",
            (
                _by_class(lambda hits, claimed, true: _safe(hits, claimed + true - hits)),
                _by_class(lambda hits, claimed, true: hits / (claimed + true - hits)),
                _by_class(lambda hits, claimed, true: _safe(hits, claimed + true)),
                _by_class(lambda hits, claimed, true: _safe(2 * hits, claimed + true - hits)),
            ),
            "The hits count double in an F1, in the numerator and in the denominator. One of the two, or "
            "both, you count once.",
            "With 3 hits, 1 false alarm and 1 miss the F1 is 6 / 8. Put these numbers into your formula.",
        ),
        Mistake(
            "errors_of_one_kind",
            (
                _by_class(lambda hits, claimed, true: _safe(2 * hits, hits + claimed)),
                _by_class(lambda hits, claimed, true: _safe(2 * hits, hits + true)),
                _by_class(lambda hits, claimed, true: 2 * hits / (hits + claimed)),
                _by_class(lambda hits, claimed, true: 2 * hits / (hits + true)),
            ),
            "Your denominators lack errors of one kind. Which two kinds of errors has a class?",
            "An example of class 0 for which 1 is predicted is a miss of class 0 and a false alarm of class "
            "1. Count both kinds for each class, on the labels and on the predictions.",
        ),
        Mistake(
            "pairs_counted_once",
            _pairs_counted_once,
            "Your counts are too small: a pair of label and prediction counts once, however often it occurs.",
            "With arrays as indices, `matrix[labels, predictions] += 1` reads all places, adds 1 and writes "
            "them back, so a place that is named twice gets 1, not 2. np.add.at adds each time; or compare "
            "and sum, class by class.",
        ),
        Mistake(
            "true_negatives_counted",
            (_own_accuracy, _f1_with_negatives),
            "You count the true negatives among the hits of a class: examples that are not of it and for "
            "which it is not predicted either. No F1 knows them.",
            "For a rare class nearly all examples are true negatives, so that number is high even if none of "
            "its examples is found. Count hits, false alarms and misses only.",
        ),
        Mistake(
            "class_one_only",
            _class_one,
            "You return the F1 of class 1 alone. That is the F1 of a task with a positive and a negative "
            "class.",
            "Here each of the num_classes classes takes its turn as the positive one; then comes the mean.",
        ),
        Mistake(
            "not_averaged",
            (_by_class(_f1, finish=np.asarray), _by_class(_f1, finish=np.sum)),
            "The F1 of each class is right. What is missing is the mean of them.",
            "One number is asked for: the sum of the classes' F1, divided by num_classes.",
        ),
    ),
    hint="For each class count TP, FP and FN. Only then divide, and only then average.",
    more="Go through the classes 0 to num_classes - 1. TP is where label and prediction are both this class, "
    "FP + FN where exactly one of them is. If there is no TP, the class counts 0, whatever the rest. In the "
    "end divide the sum by num_classes.",
    example=(np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1]), 4),
)


# LoRA


def _lora_calls(rng):
    def call(*lead, width, units, rank, alpha, about="", dtype="float64", trained=True):
        shapes = ((*lead, width), (width, units), (width, rank), (rank, units))
        inputs, kernel, a, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
        return Call((inputs, kernel, a, b if trained else np.zeros_like(b), alpha), about)

    return [
        call(3, width=5, units=4, rank=2, alpha=4.0),
        call(2, 3, width=6, units=7, rank=3, alpha=16.0, about="inputs of three axes"),
        call(4, width=7, units=5, rank=2, alpha=2.0, about="an alpha that equals the rank"),
        call(3, width=4, units=5, rank=2, alpha=8.0, about="a `b` of zeros", trained=False),
        call(2, 4, width=8, units=3, rank=4, alpha=2.0, about="inputs of three axes", dtype="float32"),
        call(width=6, units=3, rank=2, alpha=6.0, about="a single vector as `inputs`"),
        call(5, width=4, units=4, rank=4, alpha=3.0, about="width, units and rank all equal"),
    ]


def _lora(scale, frozen=1.0):
    """LoRA with another factor before the update."""

    def answer(inputs, kernel, a, b, alpha):
        return frozen * (inputs @ kernel) + scale(a, b, alpha) * (inputs @ a @ b)

    return answer


def _rate(a, alpha):
    return alpha / a.shape[-1]


def _without_inputs(add):
    """An update that never meets the inputs."""
    return lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * add(a @ b)


def _letters(inputs, kernel, a, b, alpha):
    update = np.einsum("nw,wr,ru->nu", inputs, a, b)
    return np.einsum("nw,wu->nu", inputs, kernel) + _rate(a, alpha) * update


def _for_two_axes(inputs, kernel, a, b, alpha):
    if inputs.ndim != 2:
        raise ValueError("not enough values to unpack")
    return inputs @ kernel + _rate(a, alpha) * (inputs @ a @ b)


_LORA = Question(
    id="fine_tuning.lora",
    title="A dense layer with LoRA",
    points=1,
    minutes=10,
    signature="lora(inputs, kernel, a, b, alpha)",
    calls=_lora_calls,
    reference=lambda inputs, kernel, a, b, alpha: fine_tuning.lora(inputs, kernel, a, b, alpha),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "unscaled",
            _lora(lambda a, b, alpha: 1.0),
            "Right where alpha equals the rank and where b is zero, else the update has the wrong size. What "
            "is alpha for?",
            "The update is multiplied by alpha / rank, so that a change of rank does not ask for another "
            "learning rate. Nothing in your output depends on alpha.",
        ),
        Mistake(
            "times_alpha",
            _lora(lambda a, b, alpha: alpha),
            "Your update grows with alpha, as it should, but it is too large each time, by a factor that is "
            "the rank.",
            "A sum over more rank-one terms is larger; the division by the rank makes up for it. Which axis "
            "of which factor tells you the rank?",
        ),
        Mistake(
            "another_axis",
            (
                _lora(lambda a, b, alpha: alpha / len(a)),
                _lora(lambda a, b, alpha: alpha / b.shape[-1]),
            ),
            "Your update has the wrong size: alpha is divided by the length of another axis than the rank.",
            "`a` has the shape (width, rank), `b` has (rank, units). The rank is the axis that the two "
            "share, the thin one.",
        ),
        Mistake(
            "root_of_the_rank",
            _lora(lambda a, b, alpha: alpha / np.sqrt(a.shape[-1])),
            "Your update is too large: alpha is divided by the root of the rank.",
            "Such a variant of LoRA exists. The text's formula divides by the rank itself.",
        ),
        Mistake(
            "another_fraction",
            (
                _lora(lambda a, b, alpha: 1 / a.shape[-1]),
                _lora(lambda a, b, alpha: a.shape[-1] / alpha),
                _lora(lambda a, b, alpha: alpha * a.shape[-1]),
                _lora(lambda a, b, alpha: alpha // a.shape[-1]),
                _lora(lambda a, b, alpha: (alpha / a.shape[-1]) ** 2),
                _lora(lambda a, b, alpha: np.sqrt(alpha / a.shape[-1])),
            ),
            "The two terms are there, but the factor before the update is not the one of the formula.",
            "With alpha 16 and rank 8 the update counts twice; with alpha 8 and rank 16, half. Which number "
            "stands above the line, which one below, and how often does the factor come in?",
        ),
        Mistake(
            "all_scaled",
            lambda inputs, kernel, a, b, alpha: _rate(a, alpha) * (inputs @ (kernel + a @ b)),
            "You scale the frozen layer together with the update. With b = 0, LoRA must leave the layer as "
            "it was; yours does not.",
            "Put b = 0: the output must be inputs @ kernel, whatever alpha is. What has alpha / rank as a "
            "factor, and what has not?",
        ),
        Mistake(
            "update_alone",
            (
                lambda inputs, kernel, a, b, alpha: _rate(a, alpha) * (inputs @ a @ b),
                lambda inputs, kernel, a, b, alpha: inputs @ a @ b,
            ),
            "With b = 0 your output is all zeros. Where is the layer that was trained before?",
            "LoRA is added to a frozen kernel; it does not replace it. The output has two terms, yours only "
            "the second.",
        ),
        Mistake(
            "inputs_forgotten",
            tuple(
                map(
                    _without_inputs,
                    (
                        lambda update: update,
                        lambda update: update.sum(axis=0),
                        lambda update: update.mean(axis=0),
                    ),
                )
            ),
            "Your update does not depend on the inputs. Which shape has a @ b, and which one the first term?",
            "a @ b has the shape of the kernel, (width, units): it is a change of the weights, and acts on "
            "an input as the kernel does. Does adding it up make an output of it?",
        ),
        Mistake(
            "kernel_alone",
            lambda inputs, kernel, a, b, alpha: inputs @ kernel,
            "Your output is that of the frozen layer: right while b is zero, as at the start.",
            "What is learned stands in `a` and `b`. Which second term do they add?",
        ),
        Mistake(
            "taken_off",
            _lora(lambda a, b, alpha: -_rate(a, alpha)),
            "The update has the right size, but you take it off instead of adding it.",
            "The layer computes with W plus the update. Look at the sign between your two terms.",
        ),
        Mistake(
            "factors_swapped",
            (
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ b) @ a,
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * inputs @ (b @ a),
            ),
            "You multiply by `b` before `a`. Follow one input vector: which factor takes it from the width "
            "to the rank?",
            "`a` has the shape (width, rank), `b` has (rank, units). Vectors are rows here, so the factor "
            "that is applied first stands on the left, just behind the inputs.",
        ),
        Mistake(
            "transposed",
            (
                lambda inputs, kernel, a, b, alpha: inputs @ kernel.T + _rate(a, alpha) * (inputs @ a @ b),
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ a.T @ b.T),
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ (a @ b).T),
                lambda inputs, kernel, a, b, alpha: (
                    inputs @ kernel + _rate(a, alpha) * (inputs @ (b.T @ a.T))
                ),
                lambda inputs, kernel, a, b, alpha: (
                    inputs @ kernel.T + _rate(a, alpha) * (inputs @ a.T @ b.T)
                ),
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ b.T @ a.T),
            ),
            "You transpose a matrix that already stands the right way round.",
            "Shapes are (inputs, outputs) here, as in Keras: x @ kernel, x @ a and then @ b fit together as "
            "they are. Elsewhere the outputs come first, and then one transposes.",
        ),
        Mistake(
            "two_axes_only",
            (_for_two_axes, _letters),
            "Right for `inputs` of two axes, not for a single vector and for three axes.",
            "The width is the last axis, however many stand before it. @ takes care of all of them: nothing "
            "needs the number of rows, and no letters for axes.",
        ),
    ),
    hint="Two terms. Write down the shape of each product.",
    more="The first term is inputs @ kernel, the second inputs @ a @ b, of the same shape. Only the second "
    "has a factor: alpha over the rank, and the rank is the length of the axis that `a` and `b` share.",
    example=(
        np.array([[1.0, 2.0]]),
        np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array([[10.0, 0.0], [0.0, 100.0]]),
        1.0,
    ),
)


def _count_calls(rng):
    width, heads, depth, units = (int(n) for n in rng.integers((40, 3, 4, 50), (60, 9, 20, 90)))
    rank = int(rng.integers(2, 9))
    return [
        Call(((384, 384), 8), "a kernel of two axes"),
        Call(((width, units), rank), "a kernel of two axes"),
        Call(((width, heads, depth), rank), "a kernel of three axes or more"),
        Call(((384, 12, 32), 1), "a kernel of three axes or more"),
        Call(((units, width, 2, depth), rank + 1), "a kernel of three axes or more"),
    ]


def _product(numbers):
    return int(np.prod(numbers))


def _two_axes(shape, rank):
    rows, columns = shape
    return rank * (rows + columns)


_COUNT = Question(
    id="fine_tuning.lora_parameters",
    title="What LoRA trains",
    points=1,
    minutes=5,
    signature="lora_parameters(kernel_shape, rank)",
    calls=_count_calls,
    reference=lambda kernel_shape, rank: fine_tuning.lora_parameters(kernel_shape, rank),
    dtypes=("int",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "rank_times_kernel",
            lambda shape, rank: rank * _product(shape),
            "You multiply the rank by the size of the whole kernel. Do not multiply the sizes of the two "
            "sides: where do they meet?",
            "There are two thin matrices. Write down the shape of each, count its entries, and add the two "
            "counts.",
        ),
        Mistake(
            "frozen_too",
            (
                lambda shape, rank: _product(shape) + rank * (_product(shape[:-1]) + shape[-1]),
                lambda shape, rank: _product(shape),
            ),
            "You count the kernel itself, but it is frozen. Which weights change in training?",
            "The optimizer sees `a` and `b` only. For (384, 384) and rank 8 that is under five per cent of "
            "the kernel; your count is at least all of it.",
        ),
        Mistake(
            "one_factor",
            (
                lambda shape, rank: rank * _product(shape[:-1]),
                lambda shape, rank: rank * shape[-1],
            ),
            "You count one of the two factors.",
            "The update is the product of `a` and `b`, and both learn. Write down both shapes for the text's "
            "example, (2, 3, 4) with rank 1: they have 6 and 4 entries.",
        ),
        Mistake(
            "rank_on_one_factor",
            (
                lambda shape, rank: rank * _product(shape[:-1]) + shape[-1],
                lambda shape, rank: _product(shape[:-1]) + rank * shape[-1],
                lambda shape, rank: _product(shape[:-1]) + shape[-1],
            ),
            "Right for rank 1. With a higher rank, some factor of yours keeps the size that it has at rank "
            "1.",
            "Both `a` and `b` have the rank as an axis, so both counts are multiplied by it. Look at your "
            "parentheses, too.",
        ),
        Mistake(
            "sizes_added",
            (
                lambda shape, rank: _product(shape[:-1]) + rank + rank + shape[-1],
                lambda shape, rank: sum(shape[:-1]) + rank + rank + shape[-1],
                lambda shape, rank: rank * _product(shape[:-1]) + rank + shape[-1],
                lambda shape, rank: rank * _product(shape[:-1]) + rank,
                lambda shape, rank: sum(shape) + rank,
            ),
            "In the count of some factor you add the lengths of its axes.",
            "An array of shape (4, 5) has 20 entries, not 9. Within a factor the lengths are multiplied; the "
            "counts of the two factors are added.",
        ),
        Mistake(
            "factors_multiplied",
            lambda shape, rank: rank * _product(shape[:-1]) * rank * shape[-1],
            "You multiply the counts of the two factors. How many entries have two arrays together?",
            "`a` and `b` are stored side by side, not multiplied out: with 6 and 4 entries, 10 numbers "
            "learn.",
        ),
        Mistake(
            "ends_only",
            (
                lambda shape, rank: rank * (shape[0] + shape[-1]),
                lambda shape, rank: rank * (shape[0] + shape[1]),
                lambda shape, rank: rank * (shape[-2] + shape[-1]),
            ),
            "Right for kernels of two axes. With three or more you pass over some of the axes.",
            "`a` has all axes of the kernel but the last, followed by the rank. How many entries has an "
            "array of shape (384, 12, rank)?",
        ),
        Mistake(
            "axes_added",
            lambda shape, rank: rank * sum(shape),
            "Right for kernels of two axes. With three you add the sizes of the axes, as if there were one "
            "matrix for each.",
            "There are always two factors, also for three axes: the cut is before the last one. The sizes on "
            "the left of it belong to one array; how many entries has that?",
        ),
        Mistake(
            "cut_after_the_first",
            lambda shape, rank: rank * (shape[0] + _product(shape[1:])),
            "Right for kernels of two axes. With more, you cut the kernel in two behind its first axis; "
            "Keras does it elsewhere.",
            "Cut in front of the last axis: for (384, 12, 32) one factor has the axes 384 and 12, the other "
            "has 32. Yours are 384 on one side, 12 and 32 on the other.",
        ),
        Mistake(
            "a_pair_for_each",
            lambda shape, rank: rank * _product(shape[1:-1]) * (shape[0] + shape[-1]),
            "Right for kernels of two axes. With three you count a pair of factors for each head.",
            "There is one `a` and one `b` for the whole kernel. `a` has all the axes but the last; `b` has "
            "only the last, and serves all heads.",
        ),
        Mistake(
            "two_axes_only",
            _two_axes,
            "Right for kernels of two axes. A shape with more does not fit into two variables.",
            "Split the tuple into all but the last number and the last one, by slices or with a star. The "
            "first part may have any length: multiply its numbers.",
        ),
        Mistake(
            "not_added",
            lambda shape, rank: (rank * _product(shape[:-1]), rank * shape[-1]),
            "You return the counts of the two factors one by one. Their sum is asked for.",
            "One integer is to be returned: how many weights learn, in `a` and `b` together.",
        ),
    ),
    hint="Write down the shapes of the two factors for a kernel of shape (384, 12, 32), and count entries.",
    more="`a` has the shape (*kernel_shape[:-1], rank), `b` has (rank, kernel_shape[-1]). The entries of an "
    "array are the product of its lengths; math.prod multiplies any number of them. Add the two counts.",
    example=((5, 2, 3, 7), 2),
)


# A head on frozen features

ENOUGH = 0.9  # Of the unseen examples; a logistic regression gets 0.97 or more.
LOUD = 6  # Columns in hundreds that tell little; the others tell much, in small numbers.

# The classes of unseen examples, by the digest of their features. An answer's confined process is given
# arguments only, so the classes cannot be among those. Nor may a rule of this open file lead from arguments
# to classes: an answer could hold a copy of it. Whoever judges has made the calls, in the same process.
_HIDDEN = {}


def _digest(unseen):
    return hashlib.sha256(np.ascontiguousarray(unseen).tobytes()).digest()


def _head_calls(rng):
    def call(num_classes, hidden):
        width, seen = int(rng.integers(25, 61)), rng.permutation(np.arange(400) % num_classes)

        def centres(size, distance):
            """Orthogonal ones, so that no seed is harder than another."""
            return distance * np.linalg.qr(rng.normal(size=(size, num_classes)))[0].T

        quiet = width - LOUD - 1
        means = np.hstack([centres(LOUD, 2.1), centres(quiet, 4.2), np.zeros((num_classes, 1))])
        powers = np.concatenate([rng.uniform(2.0, 2.5, LOUD), rng.uniform(-2.0, 0.5, quiet)])
        scales = np.append(10.0**powers, 0.0)  # The last column is constant.
        offsets, order = 3.0 * rng.normal(size=width), rng.permutation(width)

        def features(labels):
            values = (means[labels] + rng.normal(size=(len(labels), width)) + offsets) * scales
            return (values + (scales == 0.0))[:, order].astype("float32")

        unseen = features(hidden)
        _HIDDEN[_digest(unseen)] = hidden
        return features(seen), seen, unseen

    return [
        call(4, rng.permutation(np.arange(300) % 4)),
        call(4, rng.permutation(np.arange(240) % 4)),
        call(3, np.full(80, rng.integers(3))),
    ]


def _judge_head(arguments, outputs):
    num_classes, classes = int(arguments[1].max()) + 1, outputs[0]
    if not np.isin(classes, np.arange(num_classes)).all():
        return (
            f"The output must hold whole numbers from 0 to {num_classes - 1}, one class per row of `unseen`."
        )
    accuracy = _accuracy(arguments, outputs)
    if accuracy < ENOUGH:
        return f"{accuracy:.0%} of the unseen examples are right; at least {ENOUGH:.0%} must be."
    return None


def _accuracy(arguments, outputs):
    """Share of right predictions; NaN, for which no comparison holds, if they do not have the right shape."""
    hidden = _HIDDEN[_digest(arguments[2])]
    return np.mean(outputs[0] == hidden) if outputs[0].shape == hidden.shape else np.nan


def _mixed(arguments):
    """Whether the unseen examples are of several classes."""
    return len(np.unique(_HIDDEN[_digest(arguments[2])])) > 1


def _lacks_classes(arguments, outputs):
    """Whether some classes are never predicted, where there are several to be told apart."""
    if outputs[0].shape != (len(arguments[2]),):
        return False
    return not _mixed(arguments) or 1 < np.unique(outputs[0]).size <= arguments[1].max()


def _between(low, high):
    """Recognises an accuracy in a range, where there are several classes to be told apart."""

    def recognise(arguments, outputs):
        accuracy = _accuracy(arguments, outputs)
        return low <= accuracy < high or (not np.isnan(accuracy) and not _mixed(arguments))

    return recognise


def _standard(features, unseen, least=1e-12):
    mean, spread = features.mean(axis=0), features.std(axis=0)
    return [(x - mean) / np.maximum(spread, least) for x in (features, unseen)]


def _logits(features, labels, unseen, rate=0.5, steps=60):
    """A softmax regression by gradient descent."""
    features, unseen = (np.asarray(x, "float64") for x in (features, unseen))
    targets = np.eye(labels.max() + 1)[labels]
    kernel, bias = np.zeros((features.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
    for _ in range(steps):
        gradient = (_softmax(features @ kernel + bias) - targets) / len(labels)
        kernel, bias = kernel - rate * features.T @ gradient, bias - rate * gradient.sum(axis=0)
    return unseen @ kernel + bias


def _descent(prepare, rate=0.5, steps=60, finish=lambda logits: logits.argmax(axis=1)):
    @_quiet
    def answer(features, labels, unseen):
        seen, new = prepare(features, unseen)
        return finish(_logits(seen, labels, new, rate, steps))

    return answer


def _train_and_predict(features, labels, unseen):
    return fine_tuning.train_head(features, labels).predict(unseen)


_HEAD = Question(
    id="fine_tuning.head",
    title="A head that generalises",
    points=4,
    minutes=30,
    signature="train_and_predict(features, labels, unseen)",
    calls=_head_calls,
    reference=_train_and_predict,
    judge=_judge_head,
    seconds=30.0,
    mistakes=(
        Mistake(
            "logits_returned",
            _descent(_standard, finish=_softmax),
            "You return one number per class, logits or probabilities. What is asked for is the class "
            "itself, one per example.",
            "Your output has the shape (rows, classes). The predicted class is the place of the largest "
            "number in each row.",
            recognise=lambda arguments, outputs: outputs[0].ndim == 2,
        ),
        Mistake(
            "training_examples_predicted",
            _descent(lambda features, unseen: _standard(features, features)),
            "You return one class per training example. It is the rows of `unseen` that are to be "
            "classified.",
            "That a head knows what it was trained on says little. Which array goes through the head at the "
            "very end?",
            recognise=lambda arguments, outputs: outputs[0].shape == (len(arguments[0]),),
        ),
        Mistake(
            "argmax_over_rows",
            _descent(_standard, finish=lambda logits: logits.argmax(axis=0)),
            "You return one number per class: your argmax runs along the examples.",
            "Each row of the logits belongs to an example, each column to a class. Which axis must be gone "
            "after argmax?",
            recognise=lambda arguments, outputs: (
                outputs[0].shape == (arguments[1].max() + 1,) and len(arguments[2]) > outputs[0].size
            ),
        ),
        Mistake(
            "one_class",
            _descent(functools.partial(_standard, least=0.0)),
            "You predict one and the same class for all examples. Look at your logits: are they NaN, are "
            "they equal, or is one class far ahead in every row?",
            "NaN: does a column exist whose standard deviation is 0? Equal numbers: is the loss below "
            "log(number of classes) after training? One class far ahead: print the largest number of each "
            "column as it enters the head. Is one so large that nothing else counts?",
            recognise=lambda arguments, outputs: (
                outputs[0].shape == (len(arguments[2]),) and np.unique(outputs[0]).size == 1
            ),
        ),
        Mistake(
            "own_statistics",
            _descent(
                lambda features, unseen: (_standard(features, features)[0], _standard(unseen, unseen)[0])
            ),
            "Right while `unseen` holds all classes, wrong when it holds only one. Do your predictions for "
            "one row depend on the other rows?",
            "Standardised by their own mean, examples of a single class lie around 0, where nothing tells "
            "the class any more. Which mean and standard deviation did the head get to know in training?",
            recognise=lambda arguments, outputs: (
                _mixed(arguments) == (_accuracy(arguments, outputs) >= ENOUGH)
            ),
        ),
        Mistake(
            "classes_missing",
            _descent(_standard, finish=lambda logits: logits[:, :-1].argmax(axis=1)),
            "Some classes you never predict, though `unseen` has them. How many columns has your kernel, and "
            "which numbers can your last line return?",
            "There are as many classes as labels.max() + 1, three or four, and each needs a column of logits "
            "and of one-hot labels. Print both shapes, and the range of the argmax.",
            recognise=_lacks_classes,
        ),
        Mistake(
            "no_better_than_guessing",
            _descent(_standard, rate=-0.5),
            "Your predictions are hardly better than guesses. Print the loss every few steps: does it fall? "
            "And does `unseen` enter the head in the form in which the training features did?",
            "A loss that rises means a step uphill. If it falls, compare the columns' means and standard "
            "deviations of what you train on with those of what you predict from: they must be alike. If "
            "they are, see whether labels and features still stand in the same order.",
            recognise=_between(0.0, 0.5),
        ),
        Mistake(
            "unscaled",
            _descent(lambda features, unseen: (features, unseen), rate=1e-6, steps=300),
            "Better than guessing, but far from what is in these features. Print mean and standard deviation "
            "of each column as they enter the head, in training and for `unseen`.",
            "Some columns count in hundreds, others in hundredths, and the gradient of a weight grows with "
            "its column. Bring all to a common centre and scale before you train, and `unseen` by the very "
            "same numbers. If they are: train for more steps, and see that no class is lost on the way.",
            recognise=_between(0.5, ENOUGH),
        ),
    ),
    hint="Look at the columns' means and standard deviations first. Then a softmax regression by gradient "
    "descent, a hundred steps, is enough.",
    more="Take mean and standard deviation of each column from `features`, with 1 in place of a deviation of "
    "0, and bring `features` and `unseen` to that scale. Steps of 0.1 to 1 along the mean gradient do then; "
    "print the loss every ten steps: from log(number of classes) it must fall well below 0.2. Last, argmax "
    "of each row of the logits of `unseen`.",
    example=(
        np.array([[1.0, 300.0], [2.0, 310.0], [1.0, 700.0], [2.0, 690.0]], "float32"),
        np.array([0, 0, 1, 1]),
        np.array([[2.0, 680.0], [1.0, 320.0], [2.0, 710.0]], "float32"),
    ),
)


QUESTIONS = (_LOSS, _ADAMW, _SCHEDULE, _STOPPING, _F1, _LORA, _COUNT, _HEAD)
