"""Question: a gradient through the rounding."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.quantization._shared import quantization


def _gradient_calls(rng):
    def call(codes, scale, size=1.0):
        codes = np.asarray(codes, "float64")
        gradient = size * rng.uniform(0.5, 2.0, codes.shape) * rng.choice([-1.0, 1.0], codes.shape)
        return (codes * scale).astype("float32"), gradient.astype("float32"), scale

    wide = np.array([-300.0, -140.3, -90.6, -2.2, 3.7, 88.1, 141.2, 260.4])
    return [
        call(rng.permuted(wide).reshape(2, 4), float(rng.uniform(0.01, 0.05))),
        Call(call(rng.permuted(wide), 2.0), about="a scale above 1"),
        Call(
            call(rng.permutation([-128.3, 127.3, -127.7, 126.7, 0.2, 300.0]), float(rng.uniform(0.01, 0.05))),
            about="numbers less than a step from an end of the range",
        ),
        Call(
            call(rng.permutation([-128.0, 127.0, -129.0, 128.0, 0.0, 64.0]), 2.0 ** -int(rng.integers(3, 7))),
            about="numbers on an end of the range",
        ),
        Call(
            call(rng.uniform(-250, 250, size=(3, 5)).round() + 0.4, 2.0**-7, size=10.0),
            about="large gradients",
        ),
    ]


def _where(inside, passed=None):
    """The gradient where a condition on the quotient and the scale holds."""

    def answer(x, gradient, scale):
        handed = gradient if passed is None else passed(x, gradient, scale)
        return np.where(inside(x / scale, scale), handed, 0.0)

    return answer


def _in_range(quotient, scale):
    return (quotient >= -128) & (quotient <= 127)


def _without_ends(quotient, scale):
    return (quotient > -128) & (quotient < 127)


def _rounded_in_range(quotient, scale):
    return _in_range(np.rint(quotient), scale)


def _forward(finish):
    return lambda x, gradient, scale: np.clip(finish(x / scale), -128, 127) * scale


QUESTION = Question(
    id="quantization.straight_through_gradient",
    title="A gradient through the rounding",
    points=2,
    minutes=10,
    signature="straight_through_gradient(x, gradient, scale)",
    calls=_gradient_calls,
    reference=lambda x, gradient, scale: quantization.straight_through_gradient(x, gradient, scale),
    rtol=1e-5,
    atol=1e-6,
    mistakes=(
        Mistake(
            "all_through",
            lambda x, gradient, scale: gradient,
            "Inside the range you are right. You also hand the gradient to numbers that saturate: does the "
            "output change if such a number moves a little?",
            "All numbers beyond the last code become that code. Only the rounding is passed over as if it "
            "were not there; the saturation is not.",
        ),
        Mistake(
            "one_side_only",
            (
                _where(lambda quotient, scale: quotient <= 127),
                _where(lambda quotient, scale: quotient >= -128),
            ),
            "At one end of the range you are right. Beyond the other end you let the gradient through.",
            "Numbers saturate at -128 and at 127. Which of the two does your condition leave out?",
        ),
        Mistake(
            "true_derivative",
            lambda x, gradient, scale: np.zeros_like(gradient),
            "You return zeros everywhere: that is the true derivative of stairs. With it nothing would "
            "learn.",
            "The estimator takes the derivative of the forward pass without its rounding. Inside the range, "
            "how far does that move if x moves a little?",
        ),
        Mistake(
            "inverted",
            _where(lambda quotient, scale: ~_in_range(quotient, scale)),
            "You let the gradient through just where the numbers saturate, and stop it everywhere else.",
            "A number beyond the last code gives the same output if it moves a little. Which of the two "
            "groups has the derivative 0?",
        ),
        Mistake(
            "gradient_forgotten",
            _where(_in_range, lambda x, gradient, scale: np.ones_like(x)),
            "You return the derivative of the forward pass alone: ones and zeros. Where does `gradient` come "
            "in?",
            "By the chain rule, the gradient of the loss by x is `gradient` times that derivative, place by "
            "place.",
        ),
        Mistake(
            "forward_pass",
            (
                _forward(np.rint),
                _forward(np.asarray),
                _where(_in_range, lambda x, gradient, scale: x),
                _where(_in_range, lambda x, gradient, scale: np.rint(x / scale) * scale),
            ),
            "You return what becomes of `x` in the forward pass. Asked for is a gradient.",
            "Each place of the result is the number of `gradient` there, or 0. `x` decides which of the two, "
            "and nothing else.",
        ),
        Mistake(
            "gradient_clipped",
            (
                lambda x, gradient, scale: np.clip(gradient, -128 * scale, 127 * scale),
                _where(_in_range, lambda x, gradient, scale: np.clip(gradient, -128 * scale, 127 * scale)),
            ),
            "You limit the gradient to the range of the codes. The range is one of `x`; the gradient may "
            "have any size.",
            "In the forward pass it is `x` that is clipped. On the way back the gradient is either let "
            "through as it is or set to 0, and `x` decides which.",
        ),
        Mistake(
            "range_by_the_gradient",
            lambda x, gradient, scale: np.where(_in_range(gradient / scale, scale), gradient, 0.0),
            "You ask whether the gradient lies in the range of the codes. What is it that saturates in the "
            "forward pass?",
            "A number of `x` saturates or does not, whatever its gradient is. Which array has to be divided "
            "by the scale and compared?",
        ),
        Mistake(
            "range_in_codes",
            (
                lambda x, gradient, scale: np.where((x >= -128) & (x <= 127), gradient, 0.0),
                _where(lambda quotient, scale: (quotient >= -128 * scale) & (quotient <= 127 * scale)),
                _where(lambda quotient, scale: (quotient * scale**2 >= -128) & (quotient * scale**2 <= 127)),
            ),
            "The two sides of your comparison are in different units: one is in steps of the scale, the "
            "other is not.",
            "-128 and 127 are codes, `x` is not one yet. What has to be done to one of them, and only to "
            "one, before they can be compared?",
        ),
        Mistake(
            "unsigned",
            _where(lambda quotient, scale: (quotient >= 0) & (quotient <= 255)),
            "You take the codes for those from 0 to 255. Which codes does the task name?",
            "Negative numbers have codes, too, with the zero point 0: -2.4 steps become the code -2.",
        ),
        Mistake(
            "rounded_first",
            _where(_rounded_in_range),
            "All right but for numbers less than half a step beyond an end: you let their gradient through. "
            "Do you round before you compare?",
            "A quotient of 127.3 rounds to 127, yet it lies above the greatest code. Here the range is "
            "checked on the unrounded quotient; PyTorch, by the way, checks the rounded one.",
        ),
        Mistake(
            "ends_left_out",
            (
                _where(_without_ends),
                _where(lambda quotient, scale: (quotient >= -128) & (quotient < 127)),
                _where(lambda quotient, scale: (quotient > -128) & (quotient <= 127)),
            ),
            "All right but for numbers that lie exactly on an end of the range. They belong to it.",
            "A quotient of exactly -128 or 127 is a code and loses nothing. Look at your two comparisons.",
        ),
        Mistake(
            "symmetric_range",
            (
                _where(lambda quotient, scale: np.abs(quotient) <= 127),
                _where(lambda quotient, scale: np.abs(quotient) < 127),
                _where(lambda quotient, scale: np.abs(quotient) <= 128),
                _where(lambda quotient, scale: np.abs(quotient) < 128),
            ),
            "Your range reaches as far below zero as above. Which are the two ends that the task names?",
            "There is one code more below zero than above. So one comparison of a magnitude cannot do for "
            "both ends.",
        ),
        Mistake(
            "scaled",
            tuple(
                _where(inside, passed)
                for inside in (_in_range, _without_ends, _rounded_in_range, lambda quotient, scale: True)
                for passed in (
                    lambda x, gradient, scale: gradient * scale,
                    lambda x, gradient, scale: gradient / scale,
                )
            ),
            "You multiply or divide the gradient by the scale. The forward pass uses the scale twice: what "
            "do the two uses do to a derivative?",
            "The division by the scale has the derivative 1 / scale, the multiplication has scale. By the "
            "chain rule the two are multiplied.",
        ),
    ),
    hint="Write down the forward pass without its rounding. Then take one number inside the range and one "
    "beyond it: how far does the result move if the number moves a little?",
    more="Without the rounding, dividing and multiplying by the scale cancel, so inside the range the "
    "derivative is 1, and where numbers saturate it is 0. Compare x / scale with -128 and 127, and hand on "
    "`gradient` where it is within.",
    example=(
        np.array([31.75, 31.8, -32.0, -32.1, 5.0], "float32"),
        np.array([1.0, -2.0, 3.0, 4.0, -5.0], "float32"),
        0.25,
    ),
)
