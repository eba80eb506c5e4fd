"""Question: from numbers to codes."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.quantization._shared import quantization


def _quantize_calls(rng):
    def between(codes):
        """Numbers a bit off whole numbers of steps: neither near a half nor a whole number."""
        codes = np.asarray(codes)
        return codes + rng.choice([-1.0, 1.0], codes.shape) * rng.uniform(0.1, 0.4, codes.shape)

    def call(codes, scale, zero_point):
        return (between(codes) * scale).astype("float32"), scale, zero_point

    scales = rng.uniform(0.01, 0.2, size=4)
    below, above = (int(n) for n in rng.integers((-60, 20), (-19, 61)))
    beyond = np.array([131, 200, 290, -132, -201, -290])
    channels = rng.uniform(0.01, 0.2, size=(1, 4)).astype("float32"), rng.integers(-20, 21, size=(1, 4))
    halves = np.array([0.5, 1.5, 2.5, 6.5, 40.5, 97.5, 127.5])  # Positive, so that up is away from zero.
    return [
        call(rng.integers(-120, 121, size=(2, 4)), float(scales[0]), 0),
        Call(
            call(rng.permutation(np.append(beyond, rng.integers(-120, 121, size=3))), float(scales[1]), 0),
            about="numbers beyond the range",
        ),
        # Only at the end where a code that was clipped too early stays one of 8 bits.
        Call(
            call(
                rng.permutation([131, 133, 300, -55, *rng.integers(-50, 120, size=3)]),
                float(scales[2]),
                below,
            ),
            about="numbers beyond the range and a zero point that is not 0",
        ),
        Call(
            call(
                rng.permutation([-132, -134, -300, 55, *rng.integers(-120, 50, size=3)]),
                float(scales[3]),
                above,
            ),
            about="numbers beyond the range and a zero point that is not 0",
        ),
        Call(
            ((rng.permutation(halves) / 8).astype("float32"), 0.125, 0), about="quotients that end in a half"
        ),
        # An odd zero point, added before rounding, would send halves to the other neighbour.
        Call(
            ((rng.permutation(halves[:5]) / 8).astype("float32"), 0.125, 7),
            about="quotients that end in a half and an odd zero point",
        ),
        Call(call(rng.integers(-100, 101, size=(3, 4)), *channels), about="a scale for each column"),
    ]


def _saturated(codes, least=-128, most=127):
    return np.clip(codes, least, most).astype("int8")


def _codes(finish=np.rint, saturate=_saturated, quotient=np.divide, add=np.add):
    """Codes with one of the steps replaced."""

    def answer(x, scale, zero_point):
        return saturate(add(finish(quotient(x, scale)), zero_point))

    return answer


def _rounded_last(x, scale, zero_point):
    return _saturated(np.rint(x / scale + zero_point))


def _cast_last(x, scale, zero_point):
    return _saturated(x / scale + zero_point)


def _wrapping(codes):
    return np.asarray(codes).astype("int64").astype("int8")


QUESTION = Question(
    id="quantization.quantize",
    title="From numbers to codes",
    points=2,
    minutes=10,
    signature="quantize(x, scale, zero_point)",
    calls=_quantize_calls,
    reference=lambda x, scale, zero_point: quantization.quantize(x, scale, zero_point),
    dtypes=("int8",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "wrapped",
            (
                _codes(saturate=_wrapping),
                _codes(finish=lambda x: _wrapping(np.rint(x)).astype("int64")),
            ),
            "Inside the range you are right. Beyond it your codes jump to the other end. What does an int8 "
            "make of 130?",
            "A cast to int8 keeps the last eight bits, so that 130 becomes -126. Bring the codes into the "
            "range while they are still wide, and cast after that.",
        ),
        Mistake(
            "not_limited",
            _codes(saturate=np.asarray),
            "You return codes that eight bits cannot hold, such as 200. What becomes of numbers beyond the "
            "range?",
            "Which is the least int8, and which the greatest? All codes beyond them become those two. And "
            "the dtype of the result is to be int8.",
        ),
        Mistake(
            "not_int8",
            _codes(saturate=lambda codes: np.clip(codes, -128, 127)),
            "Your codes are right, but they are stored in more than the one byte each that they need. Print "
            "the dtype of what you return.",
            "Arrays have a method that converts them to another dtype. Use it last: as int8 they could no "
            "longer be limited.",
        ),
        Mistake(
            "unsigned",
            (
                _codes(saturate=lambda codes: np.clip(codes, 0, 255).astype("uint8")),
                _codes(saturate=lambda codes: np.clip(codes, 0, 127).astype("int8")),
            ),
            "You return no code below 0. Which codes are there in the code of question 1?",
            "Codes from 0 to 255 are those of an unsigned byte, uint8. With int8, the least code is "
            "negative.",
        ),
        Mistake(
            "cut_off",
            (_cast_last, _codes(finish=np.trunc)),
            "Many of your codes are off by one, always towards 0. What becomes of the fraction when you cast "
            "to an integer?",
            "A cast cuts 2.9 down to 2, which makes the largest error a whole step; the nearest integer "
            "errs by half a step at most. Which NumPy function gives that one?",
        ),
        Mistake(
            "rounded_down",
            _codes(finish=np.floor),
            "Many of your codes are too small by one, those of negative numbers, too. Which whole number is "
            "nearest to 2.9?",
            "`np.floor` and `//` always go down: 2.9 becomes 2, and -2.1 becomes -3. Which NumPy function "
            "gives the nearest one?",
        ),
        Mistake(
            "half_added_and_cut",
            _codes(finish=lambda quotient: np.trunc(quotient + 0.5)),
            "Positive numbers come out right, but for halves; of the negative ones many are too large by "
            "one. What does your way of rounding make of -2.9?",
            "-2.9 + 0.5 is -2.4, and cutting that off gives -2; the nearest is -3. NumPy has a function that "
            "rounds, whatever the sign.",
        ),
        Mistake(
            "clipped_too_early",
            lambda x, scale, zero_point: (_saturated(np.rint(x / scale)).astype("int64") + zero_point).astype(
                "int8"
            ),
            "Right as long as the zero point is 0. With another one, your codes stop short of one end of the "
            "range. Which number has to fit into 8 bits?",
            "It is the finished code that must lie between -128 and 127. With zero point -50, a quotient of "
            "150 makes the code 100, which fits; yours is 77.",
        ),
        Mistake(
            "zero_point_subtracted",
            _codes(add=np.subtract),
            "Right as long as the zero point is 0. Else your codes are off by twice the zero point. Which "
            "code does x = 0 get from you?",
            "x = 0 must get the zero point itself as its code. Subtracting it belongs to the way back, from "
            "codes to numbers.",
        ),
        Mistake(
            "zero_point_ignored",
            _codes(add=lambda codes, zero_point: codes),
            "Right as long as the zero point is 0. Else your codes are off by the zero point. Which code "
            "does x = 0 get from you?",
            "x = 0 must get the zero point itself as its code. Where in your function does it appear?",
        ),
        Mistake(
            "zero_point_in_numbers",
            (
                lambda x, scale, zero_point: _saturated(np.rint((x + zero_point) / scale)),
                lambda x, scale, zero_point: _saturated(np.rint((x - zero_point) / scale)),
            ),
            "Right as long as the zero point is 0. Is the zero point a number like x, or a code?",
            "The zero point is counted in steps, as the codes are. Before the division there are no steps "
            "yet.",
        ),
        Mistake(
            "multiplied",
            _codes(quotient=np.multiply),
            "You multiply by the scale. With a scale of 0.5, how many steps does it take to get to 3?",
            "From codes to numbers one multiplies by the scale; this is the way from numbers to codes.",
        ),
        Mistake(
            "halves_away_from_zero",
            (
                _codes(finish=lambda quotient: np.floor(quotient + 0.5)),
                _codes(finish=lambda quotient: np.trunc(quotient + np.copysign(0.5, quotient))),
            ),
            "All is right but for quotients that end in exactly a half: you bring them all up. Where do they "
            "have to go?",
            "0.5 goes to 0, 1.5 and 2.5 both go to 2. Rounded up each time, halves would add a small "
            "drift to every sum. NumPy's own rounding does what is asked.",
        ),
        Mistake(
            "rounded_after_the_zero_point",
            _rounded_last,
            "All is right but for quotients that end in exactly a half, where the zero point is odd. In "
            "which order do you round and add?",
            "1.5 is to be rounded to 2, and with the zero point 7 that makes 9. But 1.5 + 7 is 8.5, and the "
            "even number beside that is 8.",
        ),
        Mistake(
            "lowest_code_unused",
            _codes(saturate=functools.partial(_saturated, least=-127)),
            "Only the lowest of your codes is wrong: you never use one of the 256 that 8 bits have.",
            "You saturate at -127. Symmetric codes for kernels, such as Keras', do so, but here the code may "
            "be asymmetric and needs all integers. What is the least int8?",
        ),
    ),
    hint="Divide, round, add the zero point. Then think of the numbers that lie outside the range.",
    more="Four steps: the quotient, the nearest whole number (np.round sends halves to the even one), plus "
    "the zero point, and the result limited to what an int8 holds. The cast to int8 comes last.",
    example=(np.array([1.0, 0.375, -0.6, 40.0, -32.0], "float32"), 0.25, -3),
)
