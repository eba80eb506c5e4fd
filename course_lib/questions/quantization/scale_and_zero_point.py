"""Question: the code for a range."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.quantization._shared import quantization


def _range_calls(rng):
    def call(zero_point, off):
        """A range whose unrounded zero point lies `off` above a whole number, far from a half."""
        scale = rng.uniform(0.005, 0.05)
        low = scale * (-128 - zero_point - off)
        return float(low), float(low + 255 * scale)

    near, far = (float(x) for x in rng.uniform((0.3, 2.0), (1.0, 6.0)))
    return [
        call(int(rng.integers(-110, -20)), float(rng.uniform(0.1, 0.3))),
        call(int(rng.integers(20, 110)), float(rng.uniform(-0.3, -0.1))),
        call(int(rng.integers(1, 20)), float(rng.uniform(0.1, 0.3))),
        call(int(rng.integers(-110, -20)), float(rng.uniform(-0.3, -0.1))),
        Call((0.0, far), about="a range that begins or ends at 0"),
        Call((near, far), about="a range on one side of 0"),
        Call((-far, -near), about="a range on one side of 0"),
        Call((-far, 0.0), about="a range that begins or ends at 0"),
    ]


def _both_ends(low, high):
    return min(low, 0.0), max(high, 0.0)


def _code(steps=255, least=-128, finish=np.rint, widen=_both_ends, zero=None, scale=None):
    """The asymmetric code with one of its parts replaced."""

    def answer(low, high):
        low, high = widen(low, high)
        step = scale(low, high) if scale else (high - low) / steps
        return step, finish(zero(low, high, step) if zero else least - low / step)

    return answer


def _within_8_bits(code):
    return np.clip(np.rint(code), -128, 127)


def _as_given(low, high):
    return low, high


def _unrounded(code):
    return code


def _however_finished(**parts):
    """A mistake in the scale or the range, with each way to make the zero point a whole number."""
    return tuple(_code(**parts, finish=finish) for finish in (np.rint, int, np.floor, _unrounded))


def _symmetric(divisor, finish):
    def answer(low, high):
        scale = max(abs(low), abs(high)) / divisor
        return scale, finish(low, scale)

    return answer


QUESTION = Question(
    id="quantization.scale_and_zero_point",
    title="The code for a range",
    points=2,
    minutes=15,
    signature="scale_and_zero_point(low, high)",
    calls=_range_calls,
    reference=lambda low, high: quantization.scale_and_zero_point(low, high, symmetric=False),
    returns=("array", "array"),
    names=("scale", "zero_point"),
    rtol=1e-4,
    atol=1e-8,  # Scales are small.
    mistakes=(
        Mistake(
            "not_widened",
            _however_finished(widen=_as_given),
            "Right where the range holds zero. Where both ends lie on one side of zero, your zero point is "
            "no code of 8 bits any more.",
            "From 2 to 5.1 your code cannot write a 0 at all, but padding is 0, and so is much of what a "
            "ReLU lets through. Before anything is computed, which of the two ends has to move, and where "
            "to?",
        ),
        Mistake(
            "zero_point_clipped",
            _code(widen=_as_given, finish=_within_8_bits),
            "Right where the range holds zero. Elsewhere your zero point is a code of 8 bits, but the scale "
            "is still that of the narrow range.",
            "From 2 to 5.1, with a zero point of -128 and that scale, your code ends at 3.1, and all that is "
            "greater saturates. Which end has to move before the scale is computed?",
        ),
        Mistake(
            "widened_at_one_end",
            tuple(
                _code(widen=widen, finish=finish)
                for widen in (
                    lambda low, high: (min(low, 0.0), high),
                    lambda low, high: (low, max(high, 0.0)),
                )
                for finish in (np.rint, _within_8_bits)
            ),
            "Of the ranges that lie on one side of zero, you get those on one of the sides right, but not "
            "those on the other.",
            "You widen one end only. From -5.1 to -2 the range lacks zero just as from 2 to 5.1: which end "
            "has to move in each of the two?",
        ),
        Mistake(
            "unsigned",
            _however_finished(least=0),
            "Your scale is right, and your zero point is too large by about the same in every call. Which "
            "integer does `low` get from you?",
            "Your codes run from 0 to 255, as in an unsigned byte. Here `low` has to get the least number of "
            "a signed one.",
        ),
        Mistake(
            "one_step_too_many",
            _however_finished(steps=256),
            "Your scale is a little too small in every call, by the same share. Count again: how many steps "
            "lie between the least code and the greatest?",
            "Eight bits make 256 codes. Three fence posts hold two panels: `low` sits on the first post, "
            "`high` on the last, and the scale is the width of a panel.",
        ),
        Mistake(
            "a_code_unused",
            (*_however_finished(steps=254, least=-127), *_however_finished(steps=254)),
            "Your scale is a little too large in every call, by the same share: you spread one code too few "
            "over the range. Which are the least code and the greatest?",
            "From -127 to 127 there are 254 steps. That is how a symmetric code counts; here `low` gets "
            "-128.",
        ),
        Mistake(
            "symmetric",
            (
                _symmetric(127, lambda low, scale: 0),
                _symmetric(127.5, lambda low, scale: 0),
                _symmetric(127, lambda low, scale: np.rint(-128 - low / scale)),
            ),
            "Your scale comes from the larger of the two magnitudes, as in a symmetric code. What does that "
            "leave for a range that lies mostly on one side of zero?",
            "From -1 to 4.1 a symmetric code has integers for the numbers down to -4.1, which never come. "
            "Here `low` gets -128 and `high` 127, however far each is from zero.",
        ),
        Mistake(
            "upside_down",
            (
                _code(scale=lambda low, high: 255 / (high - low)),
                _code(
                    scale=lambda low, high: 255 / (high - low),
                    zero=lambda low, high, step: -128 - low * step,
                ),
            ),
            "Your scale is 1 divided by the right one. How far apart are the numbers of two neighbouring "
            "codes?",
            "In x ≈ scale · (q - zero_point) a step of 1 in q must move x by the scale. A range of 5.1 with "
            "255 steps has steps of 0.02; yours would be 50.",
        ),
        Mistake(
            "signs_confused",
            (
                _code(zero=lambda low, high, step: -128 + low / step),
                _code(zero=lambda low, high, step: 128 + low / step),
                _code(zero=lambda low, high, step: 127 + high / step),
                _code(zero=lambda low, high, step: 128 - low / step),
            ),
            "Your scale is right; in your zero point a sign is wrong. Put q = -128 into the formula of the "
            "task: does `low` come out?",
            "Write down low = scale · (-128 - zero_point) and solve it for the zero point, one step at a "
            "time. For a range from -1 on, with the scale 0.02, it lies 50 above -128.",
        ),
        Mistake(
            "in_numbers",
            of_each(
                lambda zero: _code(zero=zero, finish=_unrounded),
                lambda low, high, step: low,
                lambda low, high, step: -low,
                lambda low, high, step: low + 128 * step,
                lambda low, high, step: -128 * step - low,
            ),
            "Your scale is right, but your zero point is measured in the unit of x. It is a code: an "
            "integer, as q is.",
            "In x ≈ scale · (q - zero_point) the zero point is subtracted from a code. How many steps of the "
            "scale is it from `low` to zero?",
        ),
        Mistake(
            "not_rounded",
            _code(finish=_unrounded),
            "Your zero point is right but for its fraction. Which codes are there?",
            "A zero point of -77.7 is no integer, so no code stands for zero exactly. What does the task say "
            "about the fraction?",
        ),
        Mistake(
            "cut_off",
            _code(finish=int),
            "Your zero point is sometimes right and sometimes off by one, towards 0. How does it become a "
            "whole number?",
            "`int` and `astype` cut the fraction off: -77.7 becomes -77, although -78 is nearer.",
        ),
        Mistake(
            "rounded_down",
            _code(finish=np.floor),
            "Your zero point is sometimes right and sometimes too small by one. How does it become a whole "
            "number?",
            "Cut off or rounded down, 50.8 steps become 50, although 51 is nearer. `np.floor`, `//`, and "
            "`int` of a positive number all do that.",
        ),
        Mistake(
            "rounded_up",
            _code(finish=np.ceil),
            "Your zero point is sometimes right and sometimes too large by one. How does it become a whole "
            "number?",
            "Rounded up, 50.2 becomes 51, although 50 is nearer. Subtracting what `//` or `np.floor` gives "
            "rounds up, too.",
        ),
    ),
    hint="Widen the range, then two equations: `low` gets -128 and `high` gets 127 in "
    "x = scale * (q - zero_point). Their difference gives the scale.",
    more="From low = scale · (-128 - z) and high = scale · (127 - z) follows high - low = scale · 255. Put "
    "the scale into the first equation for z, and round it to the nearest whole number. Before that, `low` "
    "must be 0 or less and `high` 0 or more.",
    example=(-10.2, -5.1),
)
