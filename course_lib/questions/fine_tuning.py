"""Questions of lesson 05: loss, AdamW, schedule, early stopping, macro F1, LoRA, a head that generalises."""

import functools
import hashlib

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

fine_tuning = Lesson("fine_tuning")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


# Cross-entropy


def _loss_calls(rng):
    # Quarters, so that float32 holds the large ones exactly.
    near = rng.integers(-8, 9, size=(4, 3)) / 4
    hopeless = rng.permuted([[900.0, -900.0, 0.0]] * 3, axis=1)
    return [
        (rng.integers(3, size=5), rng.normal(size=(5, 3))),
        (rng.integers(4, size=(2, 3)), 2 * rng.normal(size=(2, 3, 4)).astype("float32")),
        (rng.integers(3, size=4), near + np.array([[1000.0], [0.0], [-1000.0], [1000.0]])),
        (hopeless.argmin(axis=1), hopeless),
        (rng.integers(2, size=1), rng.normal(size=(1, 2))),
    ]


def _chosen(labels, values):
    return np.take_along_axis(values, labels[..., None], axis=-1)[..., 0]


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@_quiet
def _naive(labels, logits):
    exponentials = np.exp(logits)
    return -np.log(_chosen(labels, exponentials / exponentials.sum(axis=-1, keepdims=True)))


@_quiet
def _naive_sum(labels, logits):
    return np.log(np.exp(logits).sum(axis=-1)) - _chosen(labels, logits)


@_quiet
def _log_of_softmax(labels, logits):
    return -np.log(_chosen(labels, _softmax(logits)))


@_quiet
def _clipped(labels, logits):
    return -np.log(np.clip(_chosen(labels, _softmax(logits)), 1e-7, 1.0))


def _right_loss(labels, logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1)) - _chosen(labels, shifted)


def _half_shifted(labels, logits):
    return _right_loss(labels, logits) - logits.max(axis=-1)


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
            _naive,
            "Small logits come out right, around 1000 and -1000 the loss is NaN. What does your softmax "
            "divide by what there?",
            "The logits [1000, 999] must cost what [1, 0] costs, because only differences count. Shift each "
            "row so that its largest logit becomes 0, and use the shifted row for everything that follows.",
        ),
        Mistake(
            "unshifted_sum",
            _naive_sum,
            "You use logsumexp, which is right, but it becomes infinite for large logits: exp comes before "
            "log, and the exponential alone overflows.",
            "logsumexp of [1000, 1000] is 1000 + log 2, without any large exponential. Which number can you "
            "take out of the sum, before exp, and add again after log?",
        ),
        Mistake(
            "log_of_softmax",
            _log_of_softmax,
            "Only one kind of row is wrong: where the right class is hopelessly behind, your loss is "
            "infinite. It should be the distance of the logits.",
            "The softmax of [0, 900] has a first entry of exactly 0 in floating point, and log 0 is minus "
            "infinity. Write the logarithm of the fraction as a difference, then no probability is ever "
            "needed.",
        ),
        Mistake(
            "clipped",
            _clipped,
            "Your loss never exceeds about 16: probabilities are clipped at 1e-7. It is finite, but a model "
            "that is badly wrong gets no gradient from it.",
            "The logits [0, 900] with label 0 must cost 900. Clipping hides the trouble; taking logarithms "
            "before probabilities become 0 removes it.",
        ),
        Mistake(
            "half_shifted",
            _half_shifted,
            "Your loss is off by the largest logit of each row, sometimes it is negative. Do both of its "
            "terms know of your shift?",
            "You shift the logits under the exponential, which takes their maximum off the first term. The "
            "second must lose the same, or the first must get it back.",
        ),
        Mistake(
            "averaged",
            lambda labels, logits: _right_loss(labels, logits).mean(),
            "Your single number is the mean of the losses that are asked for. Return one loss for each "
            "label.",
            "The result has the shape of `labels`. What averages the examples is the training step; there, "
            "padding or weights may still have to be applied to each.",
        ),
    ),
    hint="Write -log(softmax) as a difference of two terms, by hand, before you write code. Then shift the "
    "row.",
)


# AdamW


def _adamw_calls(rng):
    def call(shape, step, rate, decay, size=1.0):
        signs = rng.choice([-1.0, 1.0], size=(2, *shape))
        value, gradient = signs * rng.uniform(0.5, 2.0, size=(2, *shape)) * [[[1.0]], [[size]]]
        first, second = np.zeros((2, *shape))
        if step > 1:
            first, second = size * rng.normal(size=shape), size**2 * rng.uniform(0.5, 2.0, size=shape)
        return value, gradient, first, second, step, rate, decay

    step = int(rng.integers(3, 30))
    return [
        call((1, 4), 1, 0.1, 0.0),
        call((2, 3), 1, 0.1, 0.1),
        call((3, 2), step, 0.05, 0.2),
        call((1, 5), 20 * step, 0.1, 0.05),
        call((2, 2), 1, 0.1, 0.1, size=3e-6),
        tuple(a.astype("float32") if isinstance(a, np.ndarray) else a for a in call((1, 3), 2, 0.1, 0.1)),
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
    l2=False,
    corrected=True,
    kept=False,
    textbook=False,
    share=None,
    late=False,
):
    """AdamW's step with one of its parts replaced."""
    decay = 1.0 - (learning_rate * weight_decay if share is None else share * weight_decay)
    if l2:
        gradient, decay = gradient + weight_decay * value, 1.0
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    first_share, second_share = (1 - 0.9**step, 1 - 0.999**step) if corrected else (1.0, 1.0)
    if textbook:
        change = first / first_share / (np.sqrt(second / second_share) + 1e-7)
    else:
        change = first * np.sqrt(second_share) / first_share / (np.sqrt(second) + 1e-7)
    if kept:
        first, second = first / first_share, second / second_share
    change = learning_rate * change
    return (decay * (value - change) if late else decay * value - change), first, second


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
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "decay_in_the_gradient",
            functools.partial(_adamw, l2=True),
            "Without decay you are right; with it, your means are wrong already: the decay entered the "
            "gradient. That is Adam with an L2 penalty, not AdamW.",
            "In AdamW the weight decay is decoupled: the means see the gradient of the loss only. Which "
            "line shrinks the weight without passing through the division by the root?",
        ),
        Mistake(
            "uncorrected",
            functools.partial(_adamw, corrected=False),
            "Your means are right, but the first steps are too long, by about three times. What do means "
            "that start at zero lack in the first steps?",
            "At step 1 the first mean is a tenth of the gradient and the second a thousandth of its square. "
            "The corrected step must be the learning rate in size, as long as epsilon is small beside the "
            "root.",
        ),
        Mistake(
            "corrected_means_kept",
            functools.partial(_adamw, kept=True),
            "The weight is right; the two means that you return are not. They are the corrected ones.",
            "The correction is for this step only. The next step goes on from the plain means: returned "
            "corrected ones would be corrected again and again.",
        ),
        Mistake(
            "epsilon_after_the_correction",
            functools.partial(_adamw, textbook=True),
            "All is right but for tiny gradients. There it matters whether epsilon is added to the root of "
            "the plain second mean, or of the corrected one.",
            "You divide by the root of the corrected second mean, plus 1e-7. Keras folds both corrections "
            "into the learning rate first and adds 1e-7 to the plain root; at step 1 that weighs 32 times as "
            "much.",
        ),
        Mistake(
            "decay_without_the_rate",
            functools.partial(_adamw, share=1.0),
            "The means are right, but your weight shrinks too much. Should it also shrink in a step whose "
            "learning rate is 0?",
            "With weight 1, decay 0.1 and learning rate 0.1, the decay takes 0.01, not 0.1. A schedule that "
            "ends at zero has to end the decay too.",
        ),
        Mistake(
            "decay_afterwards",
            functools.partial(_adamw, late=True),
            "Very close: the means are right, the weight differs by a little. Your decay also shrinks the "
            "step that was just made.",
            "Take the decay's share of the weight as it came in. In a formula, the new weight is the old one "
            "times a factor, minus the step; nothing multiplies the step.",
        ),
    ),
    hint="Four lines in the order of the formulas. Try step 1 with a gradient of 3: without decay the weight "
    "must move by the learning rate.",
)


# Schedule


def _schedule_calls(rng):
    total, warmup = int(rng.integers(60, 200)), int(rng.integers(5, 20))
    peak = float(rng.uniform(1e-3, 1e-2))
    return [
        (0, peak, total, warmup),
        (warmup, peak, total, warmup),
        (int(rng.integers(30, 50)), peak, total, warmup),
        (total + int(rng.integers(1, 9)), peak, total, warmup),
        (np.arange(total + 12), peak, total, warmup),
        (np.arange(12), 2e-4, 10, 0),
        (np.arange(12).reshape(3, 4), 5e-5, 9, 1),
    ]


def _schedule(step, peak, total, warmup, first=1, fall=None, start=None, length=None, clip=True):
    """A schedule with one of its parts replaced."""
    step = np.asarray(step)
    progress = (step - (warmup if start is None else start)) / (length or total - warmup)
    if clip:
        progress = np.clip(progress, 0.0, 1.0)
    fall = 0.5 * (1.0 + np.cos(np.pi * progress)) if fall is None else fall(progress)
    return peak * np.where(step < warmup, (step + first) / max(warmup, 1), fall)


def _for_numbers(step, peak, total_steps, warmup_steps):
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return _schedule(step, peak, total_steps, warmup_steps)


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
            functools.partial(_schedule, first=0),
            "Your rate is 0 at step 0, so the first batch teaches nothing. The fall is right.",
            "With four steps of warm-up the first four rates are a quarter, a half, three quarters and all "
            "of the peak. Yours begin with 0.",
        ),
        Mistake(
            "falls_from_step_zero",
            lambda step, peak, total, warmup: _schedule(step, peak, total, warmup, start=0, length=total),
            "Where the warm-up ends your rate jumps: the cosine has been running since step 0. The rise and "
            "the end are right.",
            "At step warmup_steps the rate must be the peak. Count the progress of the fall from there: it "
            "goes from 0 at warmup_steps to 1 at total_steps.",
        ),
        Mistake(
            "falls_too_slowly",
            lambda step, peak, total, warmup: _schedule(step, peak, total, warmup, length=total),
            "Your rate does not reach zero at total_steps; it gets there only warmup_steps later.",
            "The fall starts at the right step. How many steps are left for it, once the warm-up has had its "
            "own? Progress must be 1 at total_steps.",
        ),
        Mistake(
            "rises_again",
            functools.partial(_schedule, clip=False),
            "Up to total_steps all is right. After it your rate rises again: a cosine does not stay at its "
            "lowest point by itself.",
            "Progress may not exceed 1, however many steps follow. Look at the rates of the steps from "
            "total_steps on: all must be 0.",
        ),
        Mistake(
            "straight_fall",
            functools.partial(_schedule, fall=lambda progress: 1.0 - progress),
            "Rise and end are right, but your rate falls along a straight line, not along half a cosine.",
            "At a quarter of the fall the rate must still be 85 % of the peak, at half 50 %. The cosine of "
            "an angle from 0 to π goes from 1 to -1: lift and halve it.",
        ),
        Mistake(
            "one_step_at_a_time",
            _for_numbers,
            "A single step works. An array of steps does not: an `if` wants one answer, and an array of "
            "steps gives many.",
            "Compute the rise and the fall for all steps, then choose between them element by element. Mind "
            "that warmup_steps may be 0.",
        ),
    ),
    hint="Three parts: the rise, the progress of the fall from 0 to 1, and the choice between them. Draw it "
    "for 20 steps.",
)


# Early stopping


def _stopping_calls(rng):
    def losses(*ranks):
        """Losses in a given order of size: 0 is the lowest, equal numbers are equal losses."""
        levels = np.cumsum(rng.uniform(0.02, 0.1, size=max(ranks) + 1)) + 0.2
        return [float(levels[rank]) for rank in ranks]

    return [
        (losses(5, 3, 2, 4, 6, 1, 0), 2),
        (losses(5, 1, 4, 3, 2, 6, 7), 3),
        (losses(3, 1, 1, 1, 2), 2),
        (losses(4, 5, 3, 6, 2, 7, 1), 2),
        (losses(0), 1),
        (losses(3, 1, 2), 5),
        (losses(*rng.permutation(12)), int(rng.integers(1, 4))),
    ]


def _stopping(losses, patience, better=lambda loss, lowest, before: loss < lowest, reset=True):
    """Early stopping with another idea of an improvement, or of what makes patience end."""
    lowest, best, waited = losses[0], 0, 0
    for epoch in range(1, len(losses)):
        if better(losses[epoch], lowest, losses[epoch - 1]):
            waited = 0 if reset else waited
        else:
            waited += 1
        if losses[epoch] < lowest or better(losses[epoch], lowest, np.inf):
            lowest, best = losses[epoch], epoch
        if waited >= patience:
            return epoch, best
    return len(losses) - 1, best


_STOPPING = Question(
    id="fine_tuning.early_stopping",
    title="When early stopping stops",
    points=2,
    minutes=10,
    signature="early_stopping(losses, patience)",
    calls=_stopping_calls,
    reference=lambda losses, patience: fine_tuning.early_stopping(losses, patience),
    returns=("array", "array"),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "knows_the_future",
            lambda losses, patience: (_stopping(losses, patience)[0], int(np.argmin(losses))),
            "You stop in the right epoch, but the best one is sometimes later than that: a training that has "
            "stopped never sees it.",
            "For the losses 3, 1, 2, 2, 0 and patience 2 training stops in epoch 3. The 0 is never measured. "
            "Among which epochs can the best one be?",
        ),
        Mistake(
            "compared_with_the_epoch_before",
            lambda losses, patience: _stopping(losses, patience, lambda loss, lowest, before: loss < before),
            "You stop too late where losses go up and down: an epoch that beats only the one before it "
            "counts as an improvement.",
            "After 5, 1, 4, 3, 2 nothing has been as good as the 1 for three epochs, although each of the "
            "last two beat the one before. With what should each loss be compared?",
        ),
        Mistake(
            "one_epoch_too_late",
            lambda losses, patience: _stopping(losses, patience + 1),
            "You train one epoch more than patience allows. Count the epochs without improvement in the "
            "first example on your fingers.",
            "With patience 1, the first epoch that is not better is also the last that is trained. Is your "
            "comparison strict where it should not be?",
        ),
        Mistake(
            "ties_improve",
            lambda losses, patience: _stopping(losses, patience, lambda loss, lowest, _: loss <= lowest),
            "Where a loss only equals the lowest, you take it for an improvement, go on, and keep the later "
            "epoch.",
            "For 3, 1, 1, 1 with patience 2, epochs 2 and 3 bring nothing new: stop in epoch 3 and keep "
            "epoch 1. Look at your comparison.",
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
            "counted_from_one",
            lambda losses, patience: tuple(epoch + 1 for epoch in _stopping(losses, patience)),
            "Both of your epochs are one too high, always. Where does counting begin here?",
            "The first epoch is epoch 0, as in Python's lists: losses[best] must be the lowest loss.",
        ),
    ),
    hint="Walk through the losses once; remember the lowest so far and its epoch. Nothing later than the "
    "current epoch is known.",
)


# Macro F1


def _f1_calls(rng):
    def call(num_classes, sizes, errors, num_all=None):
        # One example of each class is right for certain, so that a class without hits is one that is absent.
        labels = np.concatenate([np.arange(num_classes), np.repeat(np.arange(num_classes), sizes)])
        predictions = labels.copy()
        wrong = num_classes + rng.permutation(sum(sizes))[:errors]
        predictions[wrong] = rng.integers(num_classes, size=errors)
        order = rng.permutation(len(labels))
        return labels[order], predictions[order], num_all or num_classes

    return [
        call(2, (24, 6), 12),
        call(3, (20, 9, 3), 12),
        call(5, (15, 9, 6, 4, 2), 16),
        call(3, (12, 6, 4), 9, num_all=4),
        call(2, (5, 2), 0),
        (np.array([0, 0, 1, 0]), np.array([0, 1, 1, 0]), 3),
    ]


def _counts(labels, predictions, num_classes):
    """Of each class: hits, predictions, examples."""
    classes = np.arange(num_classes)[:, None]
    claimed, true = predictions == classes, labels == classes
    return (claimed & true).sum(axis=1), claimed.sum(axis=1), true.sum(axis=1)


def _safe(numerator, denominator):
    return numerator / np.maximum(denominator, 1)


def _macro_f1(labels, predictions, num_classes):
    matrix = np.zeros((num_classes, num_classes), dtype="int64")
    np.add.at(matrix, (labels, predictions), 1)
    return fine_tuning.macro_f1(matrix)


def _weighted_f1(labels, predictions, num_classes):
    hits, claimed, true = _counts(labels, predictions, num_classes)
    return (_safe(2 * hits, claimed + true) * true).sum() / len(labels)


def _present_f1(labels, predictions, num_classes):
    hits, claimed, true = _counts(labels, predictions, num_classes)
    there = claimed + true > 0
    return (2 * hits[there] / (claimed + true)[there]).mean()


@_quiet
def _undefined_f1(labels, predictions, num_classes):
    hits, claimed, true = _counts(labels, predictions, num_classes)
    precision, recall = hits / claimed, hits / true
    return np.mean(2 * precision * recall / (precision + recall))


def _f1_of_means(labels, predictions, num_classes):
    hits, claimed, true = _counts(labels, predictions, num_classes)
    precision, recall = _safe(hits, claimed).mean(), _safe(hits, true).mean()
    return 2 * precision * recall / (precision + recall)


def _macro_recall(labels, predictions, num_classes):
    hits, _, true = _counts(labels, predictions, num_classes)
    return _safe(hits, true).mean()


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
            _present_f1,
            "Right, as long as every class occurs. Where one is neither among the labels nor the "
            "predictions, you leave it out of the mean.",
            "By this question's rule an absent class counts as 0, so the mean is always over num_classes "
            "classes. Is num_classes what you divide by?",
        ),
        Mistake(
            "absent_undefined",
            _undefined_f1,
            "Right, as long as every class occurs. A class that never does turns your result into NaN: its "
            "F1 is 0 divided by 0.",
            "By this question's rule an absent class counts as 0. Look at every division: its denominator "
            "can be 0 exactly where the numerator is.",
        ),
        Mistake(
            "of_mean_precision_and_recall",
            _f1_of_means,
            "You average precision and recall over the classes first and make one F1 of the two means. It is "
            "close, but the order is the other way round.",
            "The mean of F1s is not the F1 of means. Make a vector of num_classes F1s; the mean comes last.",
        ),
        Mistake(
            "macro_recall",
            _macro_recall,
            "Your number is the mean recall: of each class the share of its examples that were found. Who "
            "pays for claiming a class too often?",
            "Predicting class 0 for all gives class 0 a recall of 1. F1 also counts the false positives: 2 "
            "TP over 2 TP + FP + FN.",
        ),
    ),
    hint="For each class count TP, FP and FN. Only then divide, and only then average.",
)


# LoRA


def _lora_calls(rng):
    def call(*lead, width, units, rank, alpha):
        shapes = ((*lead, width), (width, units), (width, rank), (rank, units))
        return (*(rng.normal(size=shape) for shape in shapes), alpha)

    untrained = call(3, width=4, units=5, rank=2, alpha=8.0)
    single = call(2, 4, width=8, units=3, rank=4, alpha=2.0)
    return [
        call(3, width=5, units=4, rank=2, alpha=4.0),
        call(2, 3, width=6, units=7, rank=3, alpha=16.0),
        call(4, width=7, units=5, rank=2, alpha=2.0),
        (*untrained[:3], np.zeros((2, 5)), untrained[4]),
        (*(array.astype("float32") for array in single[:4]), single[4]),
    ]


def _swapped(inputs, kernel, a, b, alpha):
    return inputs @ kernel + alpha / a.shape[-1] * (inputs @ b) @ a


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
            lambda inputs, kernel, a, b, alpha: inputs @ kernel + inputs @ a @ b,
            "Right where alpha equals the rank and where b is zero, else the update has the wrong size. What "
            "is alpha for?",
            "The update is multiplied by alpha / rank, so that a change of rank does not ask for another "
            "learning rate. Nothing in your output depends on alpha.",
        ),
        Mistake(
            "times_alpha",
            lambda inputs, kernel, a, b, alpha: inputs @ kernel + alpha * (inputs @ a @ b),
            "Your update grows with alpha, as it should, but it is too large each time, by a factor that is "
            "the rank.",
            "A sum over more rank-one terms is larger; the division by the rank makes up for it. Which axis "
            "of which factor tells you the rank?",
        ),
        Mistake(
            "over_width",
            lambda inputs, kernel, a, b, alpha: inputs @ kernel + alpha / len(a) * (inputs @ a @ b),
            "Your update is too small: alpha is divided by the width of the inputs. Which axis of `a` is the "
            "rank?",
            "`a` has the shape (width, rank), `b` has (rank, units). The rank is the axis that the two "
            "share, the thin one.",
        ),
        Mistake(
            "all_scaled",
            lambda inputs, kernel, a, b, alpha: alpha / a.shape[-1] * (inputs @ (kernel + a @ b)),
            "You scale the frozen layer together with the update. With b = 0, LoRA must leave the layer as "
            "it was; yours does not.",
            "Put b = 0: the output must be inputs @ kernel, whatever alpha is. What has alpha / rank as a "
            "factor, and what has not?",
        ),
        Mistake(
            "update_alone",
            lambda inputs, kernel, a, b, alpha: alpha / a.shape[-1] * (inputs @ a @ b),
            "With b = 0 your output is all zeros. Where is the layer that was trained before?",
            "LoRA is added to a frozen kernel; it does not replace it. The output has two terms, yours only "
            "the second.",
        ),
        Mistake(
            "factors_swapped",
            _swapped,
            "NumPy refuses your products: the shapes do not meet. Follow one input vector: which factor "
            "takes it from the width to the rank?",
            "`a` has the shape (width, rank), `b` has (rank, units). Vectors are rows here, so the factor "
            "that is applied first stands on the left, just behind the inputs.",
        ),
    ),
    hint="Two terms. Write down the shape of each product.",
)


def _count_calls(rng):
    width, heads, depth, units = (int(n) for n in rng.integers((40, 3, 4, 50), (60, 9, 20, 90)))
    rank = int(rng.integers(2, 9))
    return [
        ((384, 384), 8),
        ((width, units), rank),
        ((width, heads, depth), rank),
        ((384, 12, 32), 1),
        ((units, width, 2, depth), rank + 1),
    ]


def _product(numbers):
    return int(np.prod(numbers))


_COUNT = Question(
    id="fine_tuning.lora_parameters",
    title="What LoRA trains",
    points=1,
    minutes=5,
    signature="lora_parameters(kernel_shape, rank)",
    calls=_count_calls,
    reference=lambda kernel_shape, rank: fine_tuning.lora_parameters(kernel_shape, rank),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "rank_times_kernel",
            lambda shape, rank: rank * _product(shape),
            "By your count LoRA trains more weights than the kernel has. Do not multiply the sizes of the "
            "two sides: where do they meet?",
            "There are two thin matrices. Write down the shape of each, count its entries, and add the two "
            "counts.",
        ),
        Mistake(
            "frozen_too",
            lambda shape, rank: _product(shape) + rank * (_product(shape[:-1]) + shape[-1]),
            "You count the kernel itself too, but it is frozen. Which weights change in training?",
            "The optimizer sees `a` and `b` only. For (384, 384) and rank 8 that is under five per cent of "
            "the kernel; your count is more than all of it.",
        ),
        Mistake(
            "one_factor",
            lambda shape, rank: rank * _product(shape[:-1]),
            "You count one of the two factors. Which matrix leads from the rank back to the layer's outputs?",
            "The update is the product of `a` and `b`, and both learn. Your count holds only the entries of "
            "`a`.",
        ),
        Mistake(
            "ends_only",
            lambda shape, rank: rank * (shape[0] + shape[-1]),
            "Right for kernels of two axes. With three or more you pass over the axes in the middle.",
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
    ),
    hint="Write down the shapes of the two factors for a kernel of shape (384, 12, 32), and count entries.",
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
            "one_class",
            _descent(functools.partial(_standard, least=0.0)),
            "You predict one and the same class for all examples. Look at your logits: are they NaN, or have "
            "they never left their starting values?",
            "argmax of a row of NaN is 0, and so is argmax of a row of equal numbers. If it is NaN: does a "
            "column exist whose standard deviation is 0? If not: is the loss below log(number of classes) "
            "after training?",
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
)


QUESTIONS = (_LOSS, _ADAMW, _SCHEDULE, _STOPPING, _F1, _LORA, _COUNT, _HEAD)
