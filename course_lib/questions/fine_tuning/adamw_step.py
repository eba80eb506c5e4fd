"""Question: one step of AdamW."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.fine_tuning._shared import fine_tuning


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


QUESTION = Question(
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
