"""Questions of lesson 07: codes, scales per channel, integers of 4 bits, noise, calibration, a gradient."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

quantization = Lesson("quantization")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    @functools.wraps(function)
    def quietly(*arguments, **parts):
        with np.errstate(all="ignore"):
            return function(*arguments, **parts)

    return quietly


def _each(make, *parts):
    """One variant of a mistake for each part."""
    return tuple(make(part) for part in parts)


# The code for a range


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

    @_quiet
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


_RANGE = Question(
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
            _each(
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


# Codes


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

    @_quiet
    def answer(x, scale, zero_point):
        return saturate(add(finish(quotient(x, scale)), zero_point))

    return answer


@_quiet
def _rounded_last(x, scale, zero_point):
    return _saturated(np.rint(x / scale + zero_point))


@_quiet
def _cast_last(x, scale, zero_point):
    return _saturated(x / scale + zero_point)


def _wrapping(codes):
    return np.asarray(codes).astype("int64").astype("int8")


_QUANTIZE = Question(
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


# Scales per channel


def _channel_calls(rng):
    def call(inputs, outputs, empty=None):
        """A kernel with channels of quite different sizes, in some of which the largest entry is negative."""
        sizes = 10.0 ** rng.uniform(-1.5, 0.5, size=outputs)
        kernel = rng.uniform(0.1, 0.8, size=(inputs, outputs)) * rng.choice([-1.0, 1.0], (inputs, outputs))
        kernel[0] = np.abs(kernel[0])
        kernel[1] = rng.uniform(0.9, 1.0, size=outputs) * np.where(np.arange(outputs) % 2, 1.0, -1.0)
        kernel = rng.permuted(kernel, axis=0) * sizes
        if empty is not None:
            kernel[:, empty] = 0.0
        return (kernel.astype("float32"),)

    return [
        call(5, 3),
        Call(call(4, 4), about="as many inputs as outputs"),
        call(2, 6),
        Call(call(8, 1), about="a single output"),
        Call(call(6, 4, empty=int(rng.integers(4))), about="a channel of zeros"),
    ]


def _over_inputs(kernel):
    return np.abs(kernel).max(axis=0, keepdims=True)


def _scales(largest=_over_inputs, divisor=127, finish=None):
    """Scales with one of their parts replaced."""

    @_quiet
    def answer(kernel):
        found = largest(kernel)
        return finish(found) if finish else np.where(found == 0, 1.0, found / divisor)

    return answer


def _however_divided(largest):
    """A mistake in the largest entries, with each divisor and each care for channels of zeros."""
    return tuple(
        _scales(largest, divisor, finish)
        for divisor in (127, 128)
        for finish in (
            None,
            lambda found, divisor=divisor: found / divisor,
            lambda found, divisor=divisor: np.where(found == 0, 1.0, found) / divisor,
        )
    )


_CHANNELS = Question(
    id="quantization.channel_scales",
    title="A scale per channel",
    points=2,
    minutes=10,
    signature="channel_scales(kernel)",
    calls=_channel_calls,
    reference=lambda kernel: quantization.channel_scales(kernel),
    rtol=1e-4,
    atol=1e-8,
    mistakes=(
        Mistake(
            "per_input",
            (
                *_however_divided(lambda kernel: np.abs(kernel).max(axis=1, keepdims=True)),
                *_however_divided(lambda kernel: np.abs(kernel).max(axis=1)[None]),
                *_however_divided(lambda kernel: np.abs(kernel).max(axis=1)),
            ),
            "You have one scale for each input. But an output is a sum over the inputs, and it can be scaled "
            "once, at its end, only if all its terms share a scale.",
            "The axis named in `max` is the one that the maximum goes over. The inputs of one output share a "
            "scale, so which axis is theirs?",
        ),
        Mistake(
            "per_tensor",
            (
                _scales(lambda kernel: np.abs(kernel).max()),
                _scales(lambda kernel: np.abs(kernel).max(keepdims=True)),
                _scales(lambda kernel: np.full((1, kernel.shape[1]), np.abs(kernel).max())),
            ),
            "You find one largest entry for the whole kernel. The largest channel then decides how coarsely "
            "all the others are rounded.",
            "A channel whose entries are a hundred times smaller than the largest would get no other codes "
            "than 0, 1 and -1. Tell `max` which axis to go over.",
        ),
        Mistake(
            "over_128",
            _each(lambda divisor: _scales(divisor=divisor), 128, 127.5),
            "The shape is right, the scales are a little too small, all by the same share. Which code does "
            "the entry of the largest magnitude get from you?",
            "It would get more than 127. A symmetric code uses as many integers above zero as below, and "
            "leaves -128 alone.",
        ),
        Mistake(
            "over_255",
            _each(lambda divisor: _scales(divisor=divisor), 255, 256, 254),
            "Your scales are about half of what they should be. How many steps does a symmetric code have "
            "from zero to its greatest integer?",
            "All the integers of a byte lie between the largest entry and its negative. Above zero there are "
            "only about half of them.",
        ),
        Mistake(
            "range_instead_of_magnitude",
            tuple(
                _scales(lambda kernel: np.ptp(kernel, axis=0, keepdims=True), divisor)
                for divisor in (255, 254, 256, 127)
            ),
            "You spread the codes from the least entry of a channel to its greatest. Where does zero lie in "
            "such a code?",
            "With the zero point 0, the code must reach as far below zero as above. In a channel with -3 and "
            "1, how far is that?",
        ),
        Mistake(
            "signs_kept",
            (
                *_however_divided(lambda kernel: kernel.max(axis=0, keepdims=True)),
                *_however_divided(lambda kernel: np.abs(kernel.max(axis=0, keepdims=True))),
            ),
            "Some channels are right, others get too small a scale. Look at the entry that lies furthest "
            "from zero in those: which sign has it?",
            "In a channel with -3 and 1 the code must reach to -3. The greatest entry is 1, but the entry of "
            "the largest magnitude is another one.",
        ),
        Mistake(
            "upside_down",
            (
                _scales(finish=lambda found: np.where(found == 0, 1.0, 127 / found)),
                _scales(finish=lambda found: 127 / found),
            ),
            "Your scales grow where the entries of a channel shrink. In kernel / scales, what must the "
            "largest entry become?",
            "An entry of 2.54 that gets the code 127 has the scale 0.02. What you return is 50.",
        ),
        Mistake(
            "not_divided",
            _scales(finish=lambda found: np.where(found == 0, 1.0, found)),
            "You return the largest magnitudes themselves. Which code would the largest entry get from "
            "kernel / scales?",
            "It would get the code 1, and all others 0 or 1. Which code is it to get?",
        ),
        Mistake(
            "axis_dropped",
            _however_divided(lambda kernel: np.abs(kernel).max(axis=0)),
            "There is one scale for each output, but the axis of the inputs is gone. It has to stay, with "
            "length 1.",
            "Two axes keep the scales in place beside kernels of any layout, without luck in broadcasting. "
            "`max` has an argument that keeps the axis.",
        ),
        Mistake(
            "as_a_column",
            _however_divided(lambda kernel: np.abs(kernel).max(axis=0)[:, None]),
            "There is one scale for each output, but they stand one below the other. Beside a kernel of "
            "shape (inputs, outputs), along which axis do the outputs lie?",
            "`kernel / scales` would divide each row by one number, or not fit at all. The shape asked for "
            "is (1, outputs).",
        ),
        Mistake(
            "zero_for_an_empty_channel",
            (
                _scales(finish=lambda found: found / 127),
                *(
                    _scales(finish=function)
                    for tiny in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)
                    for function in (
                        lambda found, tiny=tiny: np.maximum(found, tiny) / 127,
                        lambda found, tiny=tiny: np.maximum(found / 127, tiny),
                        lambda found, tiny=tiny: found / 127 + tiny,
                    )
                ),
            ),
            "All is right but for a channel of zeros, such as pruning leaves behind. Which scale does the "
            "task want for it?",
            "With the scale 0, 0 / 0 is NaN, and NaN as an int8 is some integer or other. Any positive scale "
            "stores zeros exactly, but one is agreed upon.",
        ),
        Mistake(
            "one_before_dividing",
            _scales(finish=lambda found: np.where(found == 0, 1.0, found) / 127),
            "All is right but for a channel of zeros. You put the 1 in, and then something happens to it.",
            "The scale of such a channel is to be 1, not its largest entry. In which order do you replace "
            "and divide?",
        ),
    ),
    hint="Find the largest magnitude in each column first. Print the shape of what you return.",
    more="`np.abs`, then a maximum over the axis of the inputs that keeps this axis, then a division, so "
    "that the largest entry gets the code 127 or -127. np.where can put the 1 where a maximum is 0.",
    example=(np.array([[0.0, -6.35, 0.254], [0.0, 1.0, -0.1]], "float32"),),
)


# Two integers to a byte


def _pack_calls(rng):
    def call(size):
        return (rng.integers(-8, 8, size=size).astype("int8"),)

    odd = "an odd number of integers"
    return [
        Call((rng.permutation(np.arange(1, 7)).astype("int8"),), about="positive integers only"),
        Call((np.array([rng.integers(-8, 0), rng.integers(1, 8)], "int8"),), about="two integers"),
        (rng.permutation(np.arange(-8, 8)).astype("int8"),),
        Call(
            (np.append(rng.permutation([-8, -1, 3, 7]), rng.integers(1, 8)).astype("int8"),),
            about=odd,
        ),
        call(12),
        Call(call(2 * int(rng.integers(4, 8)) + 1), about=odd),
        Call((rng.integers(-8, 0, size=1).astype("int8"),), about=odd),
    ]


def _even(codes):
    return np.append(codes, 0)[: codes.size + codes.size % 2].astype("int64")


def _bytes(first, second):
    return (first | second << 4).astype("uint8")


def _pairs(first, join):
    """Bytes out of what `first` makes of integers of an even number, and a way to join two."""

    @_quiet
    def answer(codes):
        halves = first(_even(codes))
        return join(halves[::2], halves[1::2])

    return answer


def _low_bits(codes):
    return codes & 15


def _as_they_are(codes):
    return codes


def _int8_bytes(first, second):
    return _bytes(first, second).view("int8")


def _one_at_a_time(codes):
    halves = codes.astype("uint8") & 15
    return np.array([halves[i] | halves[i + 1] << 4 for i in range(0, len(codes), 2)], "uint8")


def _even_only(join):
    @_quiet
    def answer(codes):
        halves = codes.astype("uint8") & 15
        return join(halves[::2], halves[1::2])

    return answer


def _halves_of_the_array(codes):
    return _bytes(*np.split(_even(codes) & 15, 2))


def _padded_in_front(codes):
    return _bytes(*_low_bits(np.append(np.zeros(codes.size % 2, "int64"), codes)).reshape(-1, 2).T)


def _one_byte_more(codes):
    packed = _pairs(_low_bits, _bytes)(codes)
    return np.append(packed, np.zeros(1 - codes.size % 2, "uint8"))


_PACK = Question(
    id="quantization.pack_int4",
    title="Two integers to a byte",
    points=2,
    minutes=15,
    signature="pack_int4(codes)",
    calls=_pack_calls,
    reference=lambda codes: quantization.pack_int4(codes),
    dtypes=("uint8",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "signed_bytes",
            (
                _pairs(_low_bits, _int8_bytes),
                _even_only(_int8_bytes),
            ),
            "Your bytes hold the right bits, but those from 128 on come out negative. Which dtype have your "
            "halves when you shift them?",
            "`codes` is int8, and so is what you compute from it: 14 shifted by four bits is 224, which an "
            "int8 reads as -32. In which dtype does 224 exist?",
        ),
        Mistake(
            "not_uint8",
            _pairs(_low_bits, lambda first, second: first | second << 4),
            "Your numbers are right, but they are stored in more than one byte each. Print the dtype of what "
            "you return.",
            "The point of packing is to need half a byte for each integer. Convert the result to the dtype "
            "that the task names.",
        ),
        Mistake(
            "high_half_first",
            (
                _pairs(_low_bits, lambda first, second: _bytes(second, first)),
                _pairs(_low_bits, lambda first, second: _int8_bytes(second, first)),
            ),
            "You join the right halves, but the wrong way round. Which half of a byte takes the first "
            "of the two integers?",
            "Written in hexadecimal, the two digits of each of your bytes are swapped. Shift by four bits "
            "what comes second.",
        ),
        Mistake(
            "not_cut_to_four_bits",
            (
                _pairs(_as_they_are, _bytes),
                _pairs(_as_they_are, lambda first, second: first | second << 4),
                _pairs(_as_they_are, _int8_bytes),
                _even_only(lambda first, second: _bytes((first ^ 8) - 8, second)),
            ),
            "Right for positive integers. Where the first of a pair is negative, the byte's upper half is "
            "all ones, whatever the second is. How many bits has your -1?",
            "In two's complement a negative int8 has ones in all its upper bits, and they cover the other "
            "half. Keep only the lower four bits of each integer before the two are joined.",
        ),
        Mistake(
            "borrowed",
            (
                _pairs(_as_they_are, lambda first, second: (first + 16 * second).astype("uint8")),
                _pairs(_as_they_are, lambda first, second: first + 16 * second),
                _pairs(_as_they_are, lambda first, second: (first + 16 * second).astype("int8")),
            ),
            "Right for positive integers. Where the first of a pair is negative, the upper half of your byte "
            "is too small by one. Whom does a negative number borrow from in a sum?",
            "3 * 16 - 1 is 47, in hexadecimal 2F; but 3F is asked for. Make each half a number from 0 to 15 "
            "before you put the two together.",
        ),
        Mistake(
            "offset_binary",
            _pairs(lambda codes: codes + 8, _bytes),
            "You add 8 to every integer. Then 0 is stored as 8, and 3 as 11. Which of them does the task "
            "store as they are?",
            "Two's complement leaves 0 to 7 alone and moves only the negative ones, by 16. Which operation "
            "of a single line does that for all?",
        ),
        Mistake(
            "sign_and_magnitude",
            (
                _pairs(lambda codes: np.where(codes < 0, 8 | -codes, codes) & 15, _bytes),
                _pairs(lambda codes: np.abs(codes) & 15, _bytes),
            ),
            "Right for positive integers. Of a negative one you store the magnitude. What does the task add "
            "to it instead?",
            "-2 is stored as 14: neither its magnitude 2, nor that with a bit for the sign, which would be "
            "10.",
        ),
        Mistake(
            "halves_of_the_array",
            _halves_of_the_array,
            "Two integers alone come out right. With more, you join each one of the first half of the array "
            "with one of the second half. Which two share a byte?",
            "Neighbours share a byte: the integers 0 and 1, then 2 and 3. Take every other one, instead of "
            "cutting the array in the middle.",
        ),
        Mistake(
            "even_numbers_only",
            (_even_only(_bytes), _one_at_a_time),
            "Right for an even number of integers. With an odd number the last one has no partner, and your "
            "code stops there.",
            "Five integers take three bytes. What stands in the last byte's upper half, and how can `codes` "
            "get an even length before it is cut in two?",
        ),
        Mistake(
            "last_one_lost",
            lambda codes: _pairs(_low_bits, _bytes)(codes[: codes.size // 2 * 2]),
            "Right for an even number of integers. With an odd number one byte is missing: the last integer "
            "has no partner, and you leave it out.",
            "`zip`, and division of the length by 2, both round down. The number of bytes has to be rounded "
            "up; the last upper half is then 0.",
        ),
        Mistake(
            "padded_in_front",
            _padded_in_front,
            "Right for an even number of integers. With an odd number all pairs are shifted: where do you "
            "put the 0 that fills up?",
            "The first integer stays in the first byte's lower half. What is missing at an odd number is a "
            "partner for the last one.",
        ),
        Mistake(
            "one_byte_too_many",
            _one_byte_more,
            "Right for an odd number of integers. With an even number you return a byte more than is needed.",
            "Six integers take three bytes, and so do five. You round up by adding 1 in any case.",
        ),
    ),
    hint="Print -1 & 15. Then bring `codes` to an even length, take every other one, shift and join.",
    more="Three steps. A 0 behind `codes` if their number is odd. Of each integer its lower four bits, as "
    "uint8: `& 15`. Then of the places 0, 2, 4, ... and 1, 3, 5, ... the second kind times 16, plus the "
    "first.",
    example=(np.array([-1, 7, -8], "int8"),),
)


def _unpack_calls(rng):
    def call(size, odd=False):
        packed = rng.integers(0, 256, size=size).astype("uint8")
        packed[0] = packed[0] & 15 | 0xC0  # The second integer is negative.
        if odd:
            packed[-1] &= 15
        return packed, 2 * size - odd

    small = rng.integers(1, 8, size=(4, 2))
    return [
        Call(((small[:, 0] | small[:, 1] << 4).astype("uint8"), 8), about="positive integers only"),
        call(6),
        Call(call(int(rng.integers(3, 7)), odd=True), about="an odd `count`"),
        (rng.permutation([0x88, 0x1F, 0x87, 0x78, 0x08]).astype("uint8"), 10),
        Call(call(1), about="a single byte"),
        Call(call(9, odd=True), about="an odd `count`"),
    ]


def _halves(packed, count):
    return np.stack([packed & 15, packed >> 4], axis=-1).ravel()[:count]


def _signed(halves, least=8, taken=16):
    halves = halves.astype("int64")
    return np.where(halves >= least, halves - taken, halves).astype("int8")


def _unpacked(sign, order=_halves):
    def answer(packed, count):
        return sign(order(packed, count))

    return answer


def _as_int8(halves):
    return halves.astype("int8")


def _in_order(order):
    """A mistake in the order of the halves, with the signs and without, cut off at `count` and not."""
    return tuple(
        _unpacked(sign, cut)
        for sign in (_signed, _as_int8)
        for cut in (lambda packed, count: order(packed)[:count], lambda packed, count: order(packed))
    )


def _one_signed(place):
    """Only the halves at places 0 (lower) or 1 (upper) of their bytes get their signs."""

    def answer(packed, count):
        halves = _halves(packed, count).astype("int8")
        halves[place::2] = _signed(halves[place::2])
        return halves

    return answer


def _not_shifted(packed, count):
    return np.stack([packed & 15, packed & 240], axis=-1).ravel()[:count]


_UNPACK = Question(
    id="quantization.unpack_int4",
    title="And back, with the sign",
    points=2,
    minutes=10,
    signature="unpack_int4(packed, count)",
    calls=_unpack_calls,
    reference=lambda packed, count: quantization.unpack_int4(packed, (count,)),
    dtypes=("int8",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "sign_lost",
            (_unpacked(_as_int8), _halves, _unpacked(lambda halves: halves.astype("int64"))),
            "Integers from 0 to 7 come out right, negative ones as 8 to 15. Which bit of a half tells the "
            "sign?",
            "Half a byte that holds 14 stands for -2. What has to be taken from every half that is above the "
            "greatest 4-bit integer?",
        ),
        Mistake(
            "sign_lost_in_uint8",
            (
                lambda packed, count: _signed(_halves(packed, count)).astype("uint8"),
                lambda packed, count: _signed(_halves(packed, count)).astype("uint8").astype("int64"),
            ),
            "Your negative integers come out near 250. The subtraction is the right one, but an unsigned "
            "byte has no number below 0.",
            "`packed` is uint8, and so is what you compute from it: 14 - 16 wraps around to 254. In which "
            "dtype does -2 exist?",
        ),
        Mistake(
            "not_int8",
            _unpacked(lambda halves: _signed(halves).astype("int64")),
            "Your integers are right, but they are stored in more than one byte each. Print the dtype of "
            "what you return.",
            "Convert the result to the dtype that the task names, after the signs are right.",
        ),
        Mistake(
            "sign_of_one_half_lost",
            _each(_one_signed, 0, 1),
            "Every other integer is right. The others lose their sign: one of the halves of a byte is "
            "treated differently from the other.",
            "Take the byte 0xEE: both its halves hold 14, and both stand for -2. Print what you get for each "
            "of the two.",
        ),
        Mistake(
            "high_half_first",
            _in_order(lambda packed: np.stack([packed >> 4, packed & 15], axis=-1).ravel()),
            "You begin each pair with the wrong half of its byte. Which half did the first integer go into?",
            "The byte 0xE3 gives 3, then -2. Yours begins with the upper half.",
        ),
        Mistake(
            "halves_in_a_row",
            _in_order(lambda packed: np.concatenate([packed & 15, packed >> 4])),
            "All lower halves come first in your result and all upper ones after them, although they were "
            "taken in turns.",
            "The second integer of the result is the upper half of the first byte. Write every other place "
            "of the result, or stack the two along a new last axis before you flatten.",
        ),
        Mistake(
            "padding_kept",
            (
                lambda packed, count: _signed(_halves(packed, None)),
                lambda packed, count: _halves(packed, None).astype("int8"),
            ),
            "With an odd `count` you return one integer too many, a 0 that nobody packed.",
            "The number of bytes does not tell whether the last upper half is an integer or filling. Which "
            "argument does?",
        ),
        Mistake(
            "last_one_lost",
            (
                lambda packed, count: _signed(_halves(packed, -1)),
                lambda packed, count: _signed(_halves(packed, count // 2 * 2)),
            ),
            "The last integer is missing for some values of `count`. When is the last upper half filling, "
            "and when is it an integer?",
            "The result must hold `count` integers, no more and no less, for an even `count` as for an odd "
            "one. Print its shape for both.",
        ),
        Mistake(
            "eight_is_positive",
            _unpacked(functools.partial(_signed, least=9)),
            "One single integer is wrong wherever it occurs: you return 8, which four bits with a sign do "
            "not hold.",
            "The halves 0 to 7 stand for themselves, and from 8 on they are negative. Look at your "
            "comparison where the half is exactly 8.",
        ),
        Mistake(
            "seven_is_negative",
            _unpacked(functools.partial(_signed, least=7)),
            "One single integer is wrong wherever it occurs: you return -9, which four bits with a sign do "
            "not hold.",
            "The halves 0 to 7 stand for themselves. Look at your comparison where the half is exactly 7.",
        ),
        Mistake(
            "wrong_amount_taken",
            (
                *_each(lambda taken: _unpacked(functools.partial(_signed, taken=taken)), 8, 14, 15, 128),
                _unpacked(lambda halves: _signed(halves.astype("int64") - 8, 99)),
            ),
            "You subtract something to get the negative integers, but not the right amount, or from all. "
            "What must a half of 15 become, and what a half of 3?",
            "Question 4 says how much was added to the integers from -8 to -1, and that the others were left "
            "alone. Undo exactly that.",
        ),
        Mistake(
            "sign_and_magnitude",
            _unpacked(lambda halves: np.where(halves > 7, 8 - halves.astype("int64"), halves).astype("int8")),
            "Positive integers come out right. Of the others you take the top bit for a minus sign, and the "
            "rest for the magnitude.",
            "In two's complement 15 is -1 and 8 is -8. Question 4 says by how much a negative integer and "
            "its half differ.",
        ),
        Mistake(
            "not_shifted",
            (
                _unpacked(_signed, _not_shifted),
                _unpacked(_as_int8, _not_shifted),
                _unpacked(lambda halves: halves, _not_shifted),
            ),
            "The lower halves come out right but for their signs, perhaps; the upper ones are multiples of "
            "16. What does `& 0xF0` leave where it was?",
            "The upper half of 0x70 is to become 7, not 112: its bits have to move to the lower end.",
        ),
    ),
    hint="Print packed & 15 and packed >> 4 for one byte: both are numbers from 0 to 15. Which of them stand "
    "for a negative integer?",
    more="Three steps: the lower and the upper half of each byte in turns, as a dtype with a sign; 16 less "
    "where a half is 8 or more; the first `count` of them.",
    example=(np.array([0x8F, 0x07], "uint8"), 3),
)


# Noise


def _sqnr_calls(rng):
    def call(shape, size, noise, shrink=1.0, dtype="float64"):
        x = size * (rng.normal(size=shape) + 0.5)
        approximation = shrink * x + size * noise * (rng.normal(size=shape) + 0.5)
        return x.astype(dtype), approximation.astype(dtype)

    exact = rng.normal(size=(2, 3))
    return [
        call((40,), 1.0, 0.1),
        call((6, 5), 3.0, 0.02, shrink=0.8),
        call((50,), 0.01, 0.01, dtype="float32"),
        Call(call((4, 3, 2), 1.0, 2.0), about="more noise than signal"),
        Call((exact, exact.copy()), about="no error at all"),
    ]


def _squares(values):
    return np.sum(values**2)


def _decibels(factor=10, log=np.log10, power=_squares, signal=None):
    """The ratio with one of its parts replaced."""

    @_quiet
    def answer(x, approximation):
        x, approximation = x.astype("float64"), approximation.astype("float64")
        above = x if signal is None else signal(x, approximation)
        return factor * log(power(above) / power(x - approximation))

    return answer


def _of_squares(measure):
    """A measure of the squares of the numbers and those of the errors."""

    @_quiet
    def answer(x, approximation):
        x, approximation = x.astype("float64"), approximation.astype("float64")
        return measure(x**2, (x - approximation) ** 2)

    return answer


def _guarded(reduce, tiny):
    return _of_squares(lambda x, noise: 10 * np.log10(reduce(x) / (reduce(noise) + tiny)))


def _plain_floats(x, approximation):
    signal, noise = (float(np.sum(values**2)) for values in (x, x - approximation))
    return 10 * math.log10(signal / noise)


def _plain_floats_upside_down(x, approximation):
    signal, noise = (float(np.sum(values**2)) for values in (x, x - approximation))
    return -10 * math.log10(noise / signal)


def _instead_of_infinite(number):
    @_quiet
    def answer(x, approximation):
        found = _decibels()(x, approximation)
        return found if np.isfinite(found) else number

    return answer


_SQNR = Question(
    id="quantization.sqnr",
    title="How much noise",
    points=1,
    minutes=5,
    signature="sqnr(x, approximation)",
    calls=_sqnr_calls,
    reference=lambda x, approximation: quantization.sqnr(x, approximation),
    rtol=1e-4,
    atol=1e-4,
    mistakes=(
        Mistake(
            "twenty",
            _decibels(factor=20),
            "Your result is twice what it should be. The factor 20 is for a ratio of amplitudes; which ratio "
            "do you put in?",
            "The sums hold squares already, so their ratio is one of powers. An error of a tenth of the "
            "numbers makes 20 dB; with you it makes 40.",
        ),
        Mistake(
            "not_squared",
            _decibels(power=np.linalg.norm),
            "Your result is half of what it should be. Is yours a ratio of squares, or of lengths?",
            "`np.linalg.norm` takes the square root of the sum. The factor 10 belongs to sums of squares "
            "without that root.",
        ),
        Mistake(
            "magnitudes",
            (
                _decibels(power=lambda values: np.sum(np.abs(values))),
                _decibels(20, power=lambda values: np.sum(np.abs(values))),
            ),
            "You add up magnitudes where the formula adds up squares.",
            "For the errors 3 and 4 the sum below the line is 25; yours is 7. The squares are taken before "
            "the sum.",
        ),
        Mistake(
            "squared_after_the_sum",
            (
                _decibels(power=lambda values: np.sum(values) ** 2),
                _decibels(power=lambda values: np.mean(values) ** 2),
            ),
            "You add up first and square then. What becomes of errors with different signs?",
            "The errors 0.5 and -0.5 cancel in your sum, as if there were none. Square each number before "
            "they are added.",
        ),
        Mistake(
            "natural_logarithm",
            _each(lambda log: _decibels(log=log), np.log, np.log2),
            "Your result is more than twice as large as it should be, always by the same factor. Which base "
            "have decibels?",
            "A ratio of 100 is 20 dB. `np.log` would make 46 of it, and `np.log2` 66.",
        ),
        Mistake(
            "bels",
            _decibels(factor=1),
            "Your result is a tenth of what it should be. What stands in front of the logarithm?",
            "A ratio of 100 has the logarithm 2, and that is 2 bels. How many decibels are those?",
        ),
        Mistake(
            "no_logarithm",
            _each(lambda factor: _decibels(factor, log=lambda ratio: ratio), 1, 10),
            "You return the ratio itself, or a multiple of it. What does the formula do with the ratio?",
            "A ratio of 100 is to become 20, and one of 1 is to become 0.",
        ),
        Mistake(
            "upside_down",
            _decibels(-10),
            "Your result has the right magnitude and the wrong sign. A better approximation must give a "
            "larger number.",
            "The signal stands above the line, the noise below it. Without any error the ratio is infinite.",
        ),
        Mistake(
            "variances",
            (
                _decibels(power=np.var),
                _decibels(power=np.std),
            ),
            "Near in most calls, but a constant offset does not count with you: the approximation x + 1 "
            "would be perfect.",
            "A variance takes the mean off first, from the signal and from the error. Both count here in "
            "full: sum the squares as they are.",
        ),
        Mistake(
            "signal_of_the_approximation",
            _decibels(signal=lambda x, approximation: approximation),
            "Good approximations come out nearly right, bad ones do not. Which of the two arrays is the "
            "signal?",
            "Above the line stands what should have been stored. An approximation that is all zeros has "
            "noise as strong as the signal, which is 0 dB, not minus infinity.",
        ),
        Mistake(
            "largest_as_signal",
            (
                _of_squares(lambda x, noise: 10 * np.log10(np.max(x) / np.mean(noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.max(x) / np.sum(noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.max(x) / np.max(noise))),
            ),
            "Above your line stands only the largest number. The formula there has a sum over all of them.",
            "With the largest number for the signal it is the *peak* ratio, as it is used for pictures. "
            "Which sums does the formula have?",
        ),
        Mistake(
            "a_mean_of_ratios",
            (
                _of_squares(lambda x, noise: np.mean(10 * np.log10(x / noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.mean(x / noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.sum(x / noise))),
            ),
            "You divide each number by its own error. Which comes first in the formula, the sums or the "
            "ratio?",
            "A single number that happens to have nearly no error would decide your result. There is one sum "
            "above the line, one below it, and one ratio.",
        ),
        Mistake(
            "no_infinity_of_plain_floats",
            (_plain_floats, _plain_floats_upside_down),
            "Where there is no error at all, your code ends in an exception. What is it to return there?",
            "Python's floats and `math` refuse to divide by 0, and know no logarithm of 0. NumPy's numbers "
            "give infinity and a warning. Or ask for this case before you divide.",
        ),
        Mistake(
            "finite_without_an_error",
            (
                *(
                    _guarded(reduce, tiny)
                    for reduce in (np.sum, np.mean)
                    for tiny in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30)
                ),
                *_each(_instead_of_infinite, 0.0, np.nan, 100.0, -np.inf),
            ),
            "Where there is no error at all, your result is not infinite. The task says what it is to be.",
            "A small number below the line, or another value put in by hand, hides that the approximation is "
            "perfect. Division by 0 gives infinity in NumPy, which is asked for, and warns at most.",
        ),
    ),
    hint="Two sums of squares, one logarithm to base 10. An error of a tenth must give 20 dB.",
    more="The error is `x - approximation`. Square `x` and the error, place by place, add up each, divide "
    "the one sum by the other, and take ten times the logarithm to base 10. An error of 0 gives infinity "
    "without any `if`.",
    example=(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])),
)


# Calibration


def _percentile_calls(rng):
    size = int(rng.integers(150, 250))
    heavy = rng.standard_t(2, size=size)
    return [
        (rng.normal(1.0, 2.0, size=size), 99.0),
        (heavy, float(rng.uniform(90.0, 98.0))),
        (rng.exponential(size=(12, 20)).astype("float32") - 0.2, float(rng.uniform(92.0, 97.0))),
        Call((rng.uniform(1.0, 3.0, size=(5, 6, 7)), 95.0), about="positive numbers only"),
        Call((heavy, 100.0), about="percentile 100"),
    ]


def _percentiles(x, low, high, **options):
    return np.percentile(x, low, **options), np.percentile(x, high, **options)


def _between(low, high=None):
    """The range between two ways to take a percentile."""

    def answer(x, percentile):
        return (
            np.percentile(x, 100 - percentile, method=low),
            np.percentile(x, percentile, method=high or low),
        )

    return answer


def _sorted_ends(places):
    def answer(x, percentile):
        ordered = np.sort(x, axis=None)
        first, last = places(ordered.size, percentile)
        return ordered[int(first)], ordered[min(int(last), ordered.size - 1)]

    return answer


def _along(axis):
    return lambda x, percentile: _percentiles(x, 100 - percentile, percentile, axis=axis)


def _of_magnitudes(x, percentile):
    largest = float(np.percentile(np.abs(x), percentile))
    return -largest, largest


def _mirrored(x, percentile):
    high = float(np.percentile(x, percentile))
    return -high, high


def _larger_end_mirrored(x, percentile):
    largest = np.max(np.abs(_percentiles(x, 100 - percentile, percentile)))
    return -largest, largest


def _widened(x, percentile):
    low, high = _percentiles(x, 100 - percentile, percentile)
    return min(low, 0.0), max(high, 0.0)


_PERCENTILE = Question(
    id="quantization.percentile_range",
    title="A range from examples",
    points=2,
    minutes=5,
    signature="percentile_range(x, percentile)",
    calls=_percentile_calls,
    reference=lambda x, percentile: quantization.calibrate(x, "percentile", percentile=percentile),
    returns=("array", "array"),
    names=("low", "high"),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "share_divided",
            lambda x, percentile: _percentiles(x, (100 - percentile) / 2, (100 + percentile) / 2),
            "Your range is a little too wide: you divide what is left out between the two ends.",
            "Percentile 99 means one hundredth at the lower end and one hundredth at the upper one. You cut "
            "off half of that on each side.",
        ),
        Mistake(
            "of_magnitudes",
            (_of_magnitudes, _mirrored, _larger_end_mirrored),
            "Your range is always symmetric about zero. Must numbers that are mostly positive have the same "
            "range on both sides?",
            "A symmetric code would need such a range. Here both ends are found on their own, from the "
            "numbers with their signs.",
        ),
        Mistake(
            "extremes",
            lambda x, percentile: (np.min(x), np.max(x)),
            "Right for percentile 100 only. You return the least and the greatest number, whatever the "
            "percentile is.",
            "One outlier decides an end of your range. How many numbers are to be left out at each end?",
        ),
        Mistake(
            "one_end_only",
            (
                lambda x, percentile: (np.min(x), np.percentile(x, percentile)),
                lambda x, percentile: (np.percentile(x, 100 - percentile), np.max(x)),
            ),
            "One of your ends is right. At the other one you leave nothing out.",
            "Outliers may lie below as well as above. Which percentile is the lower end if the upper one is "
            "the 99th?",
        ),
        Mistake(
            "upper_end_from_zero",
            (
                lambda x, percentile: (0.0, np.percentile(x, percentile)),
                lambda x, percentile: (0.0, np.percentile(np.abs(x), percentile)),
            ),
            "Your range always begins at 0, although numbers may be negative, or all lie far above it.",
            "The lower end is a percentile, too. Which one leaves out as much at the bottom as the upper one "
            "at the top?",
        ),
        Mistake(
            "ends_exchanged",
            lambda x, percentile: _percentiles(x, percentile, 100 - percentile),
            "Both numbers are right, but the greater one comes first.",
            "Which of 1 and 99 is the percentile of the lower end?",
        ),
        Mistake(
            "as_a_fraction",
            lambda x, percentile: _percentiles(x, 1 - percentile / 100, percentile / 100),
            "Both of your ends lie near the least number. In which unit does NumPy's function want its "
            "percentiles?",
            "`np.percentile` counts from 0 to 100, `np.quantile` from 0 to 1. You give to the one what the "
            "other wants.",
        ),
        Mistake(
            "nearest",
            (
                *_each(_between, "nearest", "lower", "higher", "midpoint"),
                _between("lower", "higher"),
                _between("higher", "lower"),
                _sorted_ends(lambda n, p: (n * (100 - p) / 100, n * p / 100)),
                _sorted_ends(lambda n, p: (n * (100 - p) / 100, n - 1 - n * (100 - p) // 100)),
            ),
            "Near, but your ends lie on examples, or halfway between two, while the right ones mostly lie "
            "elsewhere between. What does NumPy do there if you ask for nothing else?",
            "An index has no fraction, and neither has what a mask leaves over, but the place of a "
            "percentile has one. Without a `method`, `np.percentile` interpolates linearly, as is asked for.",
        ),
        Mistake(
            "axis_0",
            (_along(0), _along(-1)),
            "Right where `x` has one axis. With more axes you return arrays, a range for each place along "
            "the others. How many ranges are asked for?",
            "With `axis` the percentiles are taken along that axis only. All numbers of `x` are one set, "
            "whatever its shape.",
        ),
        Mistake(
            "widened",
            _widened,
            "Right where the numbers lie on both sides of zero. Where they are all positive, you return a "
            "lower end of 0 that is no percentile of them.",
            "Holding zero is the code's business, in question 1. Calibration reports where the numbers lie, "
            "no more.",
        ),
    ),
    hint="Two calls of one NumPy function, or one call with two percentiles.",
    more="`np.percentile` takes all numbers of an array of any shape and a percentile from 0 to 100. The "
    "upper end needs `percentile` itself. Which one has as much below it as that one has above?",
    example=(np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 100.0]]), 90.0),
)


# The straight-through gradient


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

    @_quiet
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


_GRADIENT = Question(
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


QUESTIONS = (_RANGE, _QUANTIZE, _CHANNELS, _PACK, _UNPACK, _SQNR, _PERCENTILE, _GRADIENT)
