"""Questions of lesson 07: codes, scales per channel, integers of 4 bits, noise, calibration, a gradient."""

import functools

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

quantization = Lesson("quantization")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


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
        (0.0, far),
        (near, far),
        (-far, -near),
    ]


def _code(low, high, steps=255, least=-128, finish=np.rint, widen=True):
    """The asymmetric code with one of its parts replaced."""
    if widen:
        low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / steps
    return scale, finish(least - low / scale)


_RANGE = Question(
    id="quantization.scale_and_zero_point",
    title="The code for a range",
    points=2,
    minutes=15,
    signature="scale_and_zero_point(low, high)",
    calls=_range_calls,
    reference=lambda low, high: quantization.scale_and_zero_point(low, high, symmetric=False),
    returns=("array", "array"),
    rtol=1e-4,
    atol=1e-8,  # Scales are small.
    mistakes=(
        Mistake(
            "not_widened",
            functools.partial(_code, widen=False),
            "Right where the range runs from a negative number to a positive one. Where both ends lie on one "
            "side of zero, your zero point is no code of 8 bits any more.",
            "From 2 to 5.1 your code cannot write a 0 at all, but padding is 0, and so is much of what a "
            "ReLU lets through. Before anything is computed, which of the two ends has to move, and where "
            "to?",
        ),
        Mistake(
            "zero_point_clipped",
            functools.partial(_code, widen=False, finish=lambda code: np.clip(np.rint(code), -128, 127)),
            "Right where the range runs from a negative number to a positive one. Elsewhere you clip the "
            "zero point to 8 bits, but the scale is still that of the narrow range.",
            "From 2 to 5.1, with the zero point clipped to -128, your code ends at 3.1, and all that is "
            "greater saturates. Which end has to move before the scale is computed?",
        ),
        Mistake(
            "unsigned",
            functools.partial(_code, least=0),
            "Your scale is right, and your zero point is too large by the same amount in every call. Which "
            "integer does `low` get from you?",
            "Your codes run from 0 to 255, as in an unsigned byte. Here `low` has to get the least number of "
            "a signed one.",
        ),
        Mistake(
            "one_step_too_many",
            functools.partial(_code, steps=256),
            "Your scale is a little too small in every call, by the same share. Count again: how many steps "
            "lie between the least code and the greatest?",
            "Eight bits make 256 codes. Three fence posts hold two panels: `low` sits on the first post, "
            "`high` on the last, and the scale is the width of a panel.",
        ),
        Mistake(
            "cut_off",
            functools.partial(_code, finish=int),
            "Your zero point is sometimes right and sometimes off by one, towards 0. How does it become a "
            "whole number?",
            "`int` and `astype` cut the fraction off: -77.7 becomes -77, although -78 is nearer.",
        ),
        Mistake(
            "rounded_down",
            functools.partial(_code, finish=np.floor),
            "Your zero point is sometimes right and sometimes too small by one. How does it become a whole "
            "number?",
            "`np.floor` and `//` go to the next whole number below: 50.8 becomes 50, although 51 is nearer.",
        ),
    ),
    hint="Widen the range, then two equations: `low` gets -128 and `high` gets 127 in "
    "x = scale * (q - zero_point). Their difference gives the scale.",
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
        call(rng.permutation(np.append(beyond, rng.integers(-120, 121, size=3))), float(scales[1]), 0),
        # Only at the end where a code that was clipped too early stays one of 8 bits.
        call(rng.permutation([131, 133, 300, -55, *rng.integers(-50, 120, size=3)]), float(scales[2]), below),
        call(
            rng.permutation([-132, -134, -300, 55, *rng.integers(-120, 50, size=3)]), float(scales[3]), above
        ),
        ((rng.permutation(halves) / 8).astype("float32"), 0.125, 0),
        # An odd zero point, added before rounding, would send halves to the other neighbour.
        ((rng.permutation(halves[:5]) / 8).astype("float32"), 0.125, 7),
        call(rng.integers(-100, 101, size=(3, 4)), *channels),
    ]


def _saturated(codes, least=-128):
    return np.clip(codes, least, 127)


_QUANTIZE = Question(
    id="quantization.quantize",
    title="From numbers to codes",
    points=2,
    minutes=10,
    signature="quantize(x, scale, zero_point)",
    calls=_quantize_calls,
    reference=lambda x, scale, zero_point: quantization.quantize(x, scale, zero_point),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "wrapped",
            lambda x, scale, zero_point: (np.rint(x / scale) + zero_point).astype("int64").astype("int8"),
            "Inside the range you are right. Just above it your codes are large negative numbers, just below "
            "it large positive ones. What does an int8 make of 130?",
            "A cast to int8 keeps the last eight bits, so that 130 becomes -126. Bring the codes into the "
            "range while they are still wide, and cast after that.",
        ),
        Mistake(
            "cut_off",
            lambda x, scale, zero_point: _saturated(x / scale + zero_point).astype("int8"),
            "Many of your codes are off by one, always towards 0. What becomes of the fraction when you cast "
            "to an integer?",
            "A cast cuts 2.9 down to 2, which makes the largest error a whole step; the nearest integer "
            "errs by half a step at most. Which NumPy function gives that one?",
        ),
        Mistake(
            "clipped_too_early",
            lambda x, scale, zero_point: _saturated(np.rint(x / scale)) + zero_point,
            "Right as long as the zero point is 0. With another one, your codes stop short of one end of the "
            "range. Which number has to fit into 8 bits?",
            "It is the finished code that must lie between -128 and 127. With zero point -50, a quotient of "
            "150 makes the code 100, which fits; yours is 77.",
        ),
        Mistake(
            "zero_point_subtracted",
            lambda x, scale, zero_point: _saturated(np.rint(x / scale) - zero_point),
            "Right as long as the zero point is 0. Else your codes are off by twice the zero point. Which "
            "code does x = 0 get from you?",
            "x = 0 must get the zero point itself as its code. Subtracting it belongs to the way back, from "
            "codes to numbers.",
        ),
        Mistake(
            "halves_away_from_zero",
            lambda x, scale, zero_point: _saturated(np.floor(x / scale + 0.5) + zero_point),
            "All is right but for quotients that end in exactly a half: you bring them all up. Where do they "
            "have to go?",
            "0.5 goes to 0, 1.5 and 2.5 both go to 2. Rounded up each time, halves would add a small "
            "drift to every sum. NumPy's own rounding does what is asked.",
        ),
        Mistake(
            "lowest_code_unused",
            lambda x, scale, zero_point: _saturated(np.rint(x / scale) + zero_point, least=-127),
            "Only the lowest of your codes is wrong: you never use one of the 256 that 8 bits have.",
            "You saturate at -127. Symmetric codes for kernels, such as Keras', do so, but here the code may "
            "be asymmetric and needs all integers. What is the least int8?",
        ),
    ),
    hint="Divide, round, add the zero point. Then think of the numbers that lie outside the range.",
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

    return [call(5, 3), call(4, 4), call(2, 6), call(8, 1), call(6, 4, empty=int(rng.integers(4)))]


def _scales(largest, divisor=127):
    return np.where(largest == 0, 1.0, largest / divisor)


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
            lambda kernel: _scales(np.abs(kernel).max(axis=1, keepdims=True)),
            "You have one scale for each input. But an output is a sum over the inputs, and it can be scaled "
            "once, at its end, only if all its terms share a scale.",
            "The axis named in `max` is the one that the maximum goes over. The inputs of one output share a "
            "scale, so which axis is theirs?",
        ),
        Mistake(
            "per_tensor",
            lambda kernel: _scales(np.abs(kernel).max()),
            "You return a single number for the whole kernel. Its largest channel then decides how coarsely "
            "all the others are rounded.",
            "A channel whose entries are a hundred times smaller than the largest would get no other codes "
            "than 0, 1 and -1. Tell `max` which axis to go over.",
        ),
        Mistake(
            "over_128",
            lambda kernel: _scales(np.abs(kernel).max(axis=0, keepdims=True), 128),
            "The shape is right, the scales are a little too small, all by the same share. Which code does "
            "the largest positive entry of a channel get from you?",
            "It would get 128, which an int8 does not hold. A symmetric code uses as many integers above "
            "zero as below, and leaves -128 alone.",
        ),
        Mistake(
            "signs_kept",
            lambda kernel: _scales(kernel.max(axis=0, keepdims=True)),
            "Some channels are right, others get too small a scale. Look at the entry that lies furthest "
            "from zero in those: which sign has it?",
            "In a channel with -3 and 1 the code must reach to -3. The greatest entry is 1, but the entry of "
            "the largest magnitude is another one.",
        ),
        Mistake(
            "axis_dropped",
            lambda kernel: _scales(np.abs(kernel).max(axis=0)),
            "The numbers are right, the shape is not: the axis of the inputs is gone. It has to stay, with "
            "length 1.",
            "Two axes keep the scales in place beside kernels of any layout, without luck in broadcasting. "
            "`max` has an argument that keeps the axis.",
        ),
        Mistake(
            "zero_for_an_empty_channel",
            lambda kernel: np.abs(kernel).max(axis=0, keepdims=True) / 127,
            "All is right but for a channel of zeros, such as pruning leaves behind. What happens when it is "
            "divided by your scale?",
            "0 / 0 is NaN, and NaN as an int8 is some integer or other. Any positive scale stores zeros "
            "exactly; the task says which one to take.",
        ),
    ),
    hint="Find the largest magnitude in each column first. Print the shape of what you return.",
)


# Two integers to a byte


def _pack_calls(rng):
    def call(size):
        return (rng.integers(-8, 8, size=size).astype("int8"),)

    return [
        (rng.permutation(np.arange(1, 7)).astype("int8"),),
        (np.array([rng.integers(-8, 0), rng.integers(1, 8)], "int8"),),
        (rng.permutation(np.arange(-8, 8)).astype("int8"),),
        (np.append(rng.permutation([-8, -1, 3, 7]), rng.integers(1, 8)).astype("int8"),),
        call(12),
        call(2 * int(rng.integers(4, 8)) + 1),
    ]


def _even(codes):
    return np.append(codes, 0)[: codes.size + codes.size % 2].astype("int64")


def _bytes(first, second):
    return (first | second << 4).astype("uint8")


def _high_first(codes):
    halves = _even(codes) & 15
    return _bytes(halves[1::2], halves[::2])


def _unmasked(codes):
    codes = _even(codes)
    return _bytes(codes[::2], codes[1::2])


def _borrowed(codes):
    codes = _even(codes)
    return (codes[::2] + 16 * codes[1::2]).astype("uint8")


def _halves_of_the_array(codes):
    return _bytes(*np.split(_even(codes) & 15, 2))


def _even_only(codes):
    halves = codes.astype("uint8") & 15
    return _bytes(halves[::2], halves[1::2])


_PACK = Question(
    id="quantization.pack_int4",
    title="Two integers to a byte",
    points=2,
    minutes=15,
    signature="pack_int4(codes)",
    calls=_pack_calls,
    reference=lambda codes: quantization.pack_int4(codes),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "high_half_first",
            _high_first,
            "Your bytes hold the right halves, but the wrong way round. Which half of a byte takes the first "
            "of the two integers?",
            "Written in hexadecimal, the two digits of each of your bytes are swapped. Shift by four bits "
            "what comes second.",
        ),
        Mistake(
            "not_cut_to_four_bits",
            _unmasked,
            "Right for positive integers. Where the first of a pair is negative, the byte's upper half is "
            "all ones, whatever the second is. How many bits has your -1?",
            "In two's complement a negative int8 has ones in all its upper bits, and they cover the other "
            "half. Keep only the lower four bits of each integer before the two are joined.",
        ),
        Mistake(
            "borrowed",
            _borrowed,
            "Right for positive integers. Where the first of a pair is negative, the upper half of your byte "
            "is too small by one. Whom does a negative number borrow from in a sum?",
            "3 * 16 - 1 is 47, in hexadecimal 2F; but 3F is asked for. Make each half a number from 0 to 15 "
            "before you put the two together.",
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
            _even_only,
            "Right for an even number of integers. With an odd number, one slice is longer than the other, "
            "and NumPy cannot join them.",
            "Five integers take three bytes. What stands in the last byte's upper half, and how can `codes` "
            "get an even length before it is cut in two?",
        ),
        Mistake(
            "last_one_lost",
            lambda codes: _unmasked(codes[: codes.size // 2 * 2] & 15),
            "Right for an even number of integers. With an odd number one byte is missing: the last integer "
            "has no partner, and you leave it out.",
            "`zip`, and division of the length by 2, both round down. The number of bytes has to be rounded "
            "up; the last upper half is then 0.",
        ),
    ),
    hint="Print -1 & 15. Then bring `codes` to an even length, take every other one, shift and join.",
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
        ((small[:, 0] | small[:, 1] << 4).astype("uint8"), 8),
        call(6),
        call(int(rng.integers(3, 7)), odd=True),
        (rng.permutation([0x88, 0x1F, 0x87, 0x08]).astype("uint8"), 8),
        call(1, odd=False),
        call(9, odd=True),
    ]


def _halves(packed, count):
    return np.stack([packed & 15, packed >> 4], axis=-1).ravel()[:count]


def _signed(halves, greatest=7):
    halves = halves.astype("int64")
    return np.where(halves > greatest, halves - 16, halves)


_UNPACK = Question(
    id="quantization.unpack_int4",
    title="And back, with the sign",
    points=2,
    minutes=10,
    signature="unpack_int4(packed, count)",
    calls=_unpack_calls,
    reference=lambda packed, count: quantization.unpack_int4(packed, (count,)),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "sign_lost",
            _halves,
            "Integers from 0 to 7 come out right, negative ones as 8 to 15. Which bit of a half tells the "
            "sign?",
            "Half a byte that holds 14 stands for -2. What has to be taken from every half that is above the "
            "greatest 4-bit integer?",
        ),
        Mistake(
            "sign_lost_in_uint8",
            lambda packed, count: np.where(
                _halves(packed, count) > 7, _halves(packed, count) - 16, _halves(packed, count)
            ),
            "Your negative integers come out near 250. The subtraction is the right one, but an unsigned "
            "byte has no number below 0.",
            "`packed` is uint8, and so is what you compute from it: 14 - 16 wraps around to 254. In which "
            "dtype does -2 exist?",
        ),
        Mistake(
            "high_half_first",
            lambda packed, count: _signed(
                np.stack([packed >> 4, packed & 15], axis=-1).ravel()[:count],
            ),
            "The integers of each pair come out in the wrong order. Which half did the first one go into?",
            "The byte 0xE3 gives 3, then -2. Yours begins with the upper half.",
        ),
        Mistake(
            "halves_in_a_row",
            lambda packed, count: _signed(np.concatenate([packed & 15, packed >> 4])[:count]),
            "A single byte comes out right. With more, all lower halves come first and all upper ones after "
            "them, although they were taken in turns.",
            "The second integer of the result is the upper half of the first byte. Write every other place "
            "of the result, or stack the two along a new last axis before you flatten.",
        ),
        Mistake(
            "padding_kept",
            lambda packed, count: _signed(_halves(packed, None)),
            "Right for an even `count`. With an odd one, you return a 0 that nobody packed.",
            "The number of bytes does not tell whether the last upper half is an integer or filling. Which "
            "argument does?",
        ),
        Mistake(
            "eight_is_positive",
            lambda packed, count: _signed(_halves(packed, count), greatest=8),
            "One single integer is wrong wherever it occurs: you return 8, which four bits with a sign do "
            "not hold.",
            "The halves 0 to 7 stand for themselves, and from 8 on they are negative. Look at your "
            "comparison where the half is exactly 8.",
        ),
    ),
    hint="Print packed & 15 and packed >> 4 for one byte: both are numbers from 0 to 15. Which of them stand "
    "for a negative integer?",
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
        call((4, 3, 2), 1.0, 2.0),
        (exact, exact.copy()),
    ]


@_quiet
def _decibels(x, approximation, factor=10, log=np.log10, power=lambda values: np.sum(values**2), signal=None):
    """The ratio with one of its parts replaced."""
    x, approximation = x.astype("float64"), approximation.astype("float64")
    above = x if signal is None else signal(x, approximation)
    return factor * log(power(above) / power(x - approximation))


@_quiet
def _upside_down(x, approximation):
    return -_decibels(x, approximation)


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
            functools.partial(_decibels, factor=20),
            "Your result is twice what it should be. The factor 20 is for a ratio of amplitudes; which ratio "
            "do you put in?",
            "The sums hold squares already, so their ratio is one of powers. An error of a tenth of the "
            "numbers makes 20 dB; with you it makes 40.",
        ),
        Mistake(
            "not_squared",
            functools.partial(_decibels, power=lambda values: np.sqrt(np.sum(values**2))),
            "Your result is half of what it should be. Is yours a ratio of squares, or of lengths?",
            "`np.linalg.norm` takes the square root of the sum. The factor 10 belongs to sums of squares "
            "without that root.",
        ),
        Mistake(
            "natural_logarithm",
            functools.partial(_decibels, log=np.log),
            "Your result is more than twice as large as it should be, always by the same factor. Which base "
            "have decibels?",
            "A ratio of 100 is 20 dB. `np.log` is the natural logarithm and makes 46 of it.",
        ),
        Mistake(
            "upside_down",
            _upside_down,
            "Your result has the right magnitude and the wrong sign. A better approximation must give a "
            "larger number.",
            "The signal stands above the line, the noise below it. Without any error the ratio is infinite.",
        ),
        Mistake(
            "variances",
            functools.partial(_decibels, power=np.var),
            "Near, but a constant offset leaves your result untouched: the approximation x + 1 would be "
            "perfect to you.",
            "A variance takes the mean off first, from the signal and from the error. Both count here in "
            "full: sum the squares as they are.",
        ),
        Mistake(
            "signal_of_the_approximation",
            functools.partial(_decibels, signal=lambda x, approximation: approximation),
            "Good approximations come out nearly right, bad ones do not. Which of the two arrays is the "
            "signal?",
            "Above the line stands what should have been stored. An approximation that is all zeros has "
            "noise as strong as the signal, which is 0 dB, not minus infinity.",
        ),
    ),
    hint="Two sums of squares, one logarithm to base 10. An error of a tenth must give 20 dB.",
)


# Calibration


def _percentile_calls(rng):
    size = int(rng.integers(150, 250))
    heavy = rng.standard_t(2, size=size)
    return [
        (rng.normal(1.0, 2.0, size=size), 99.0),
        (heavy, float(rng.uniform(90.0, 98.0))),
        (rng.exponential(size=(12, 20)).astype("float32") - 0.2, float(rng.uniform(92.0, 97.0))),
        (rng.uniform(1.0, 3.0, size=(5, 6, 7)), 95.0),
        (heavy, 100.0),
    ]


def _percentiles(x, low, high, **options):
    return np.percentile(x, low, **options), np.percentile(x, high, **options)


def _of_magnitudes(x, percentile):
    largest = float(np.percentile(np.abs(x), percentile))
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
            _of_magnitudes,
            "Your range is always symmetric about zero. Must numbers that are mostly positive have the same "
            "range on both sides?",
            "You take the percentile of the magnitudes, which a symmetric code would need. Here both ends "
            "are found on their own, from the numbers with their signs.",
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
            lambda x, percentile: _percentiles(x, 100 - percentile, percentile, method="nearest"),
            "Near, but both of your ends are examples themselves, while the right ones mostly lie between "
            "two. What does NumPy do there if you ask for nothing else?",
            '`method="nearest"` takes the nearer of two examples. Without the argument, `np.percentile` '
            "interpolates linearly, as is asked for.",
        ),
        Mistake(
            "axis_0",
            lambda x, percentile: _percentiles(x, 100 - percentile, percentile, axis=0),
            "Right where `x` has one axis. With more axes you return arrays, a range for each place along "
            "the others. How many ranges are asked for?",
            "With `axis=0` the percentiles are taken along the first axis only. All numbers of `x` are one "
            "set, whatever its shape.",
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
        call(rng.permuted(wide), 2.0),
        call(rng.permutation([-128.3, 127.3, -127.7, 126.7, 0.2, 300.0]), float(rng.uniform(0.01, 0.05))),
        call(rng.permutation([-128.0, 127.0, -129.0, 128.0, 0.0, 64.0]), 2.0 ** -int(rng.integers(3, 7))),
        call(rng.uniform(-250, 250, size=(3, 5)).round() + 0.4, 2.0**-7, size=10.0),
    ]


def _where(inside):
    return lambda x, gradient, scale: np.where(inside(x, scale), gradient, 0.0)


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
            "gradient_clipped",
            lambda x, gradient, scale: np.clip(gradient, -128 * scale, 127 * scale),
            "You limit the gradient to the range of the codes. The range is one of `x`; the gradient may "
            "have any size.",
            "In the forward pass it is `x` that is clipped. On the way back the gradient is either let "
            "through as it is or set to 0, and `x` decides which.",
        ),
        Mistake(
            "range_in_codes",
            _where(lambda x, scale: (x >= -128) & (x <= 127)),
            "You let the right numbers through only by chance: `x` is compared with -128 and 127, whatever "
            "the scale is.",
            "-128 and 127 are codes, `x` is not one yet. Bring both sides of the comparison into the same "
            "unit.",
        ),
        Mistake(
            "rounded_first",
            _where(lambda x, scale: (np.rint(x / scale) >= -128) & (np.rint(x / scale) <= 127)),
            "All right but for numbers less than half a step beyond an end: you let their gradient through. "
            "Do you round before you compare?",
            "A quotient of 127.3 rounds to 127, yet it lies above the greatest code. Here the range is "
            "checked on the unrounded quotient; PyTorch, by the way, checks the rounded one.",
        ),
        Mistake(
            "ends_left_out",
            _where(lambda x, scale: (x > -128 * scale) & (x < 127 * scale)),
            "All right but for numbers that lie exactly on an end of the range. They belong to it.",
            "A quotient of exactly 127 is a code and loses nothing. Look at your two comparisons.",
        ),
        Mistake(
            "scaled",
            lambda x, gradient, scale: np.where(
                (x >= -128 * scale) & (x <= 127 * scale), gradient * scale, 0.0
            ),
            "The right numbers get a gradient, but each is multiplied by the scale. The forward pass uses "
            "the scale twice: what do the two uses do to a derivative?",
            "The division by the scale has the derivative 1 / scale, the multiplication has scale. By the "
            "chain rule the two are multiplied.",
        ),
    ),
    hint="Write down the forward pass without its rounding. Then take one number inside the range and one "
    "beyond it: how far does the result move if the number moves a little?",
)


QUESTIONS = (_RANGE, _QUANTIZE, _CHANNELS, _PACK, _UNPACK, _SQNR, _PERCENTILE, _GRADIENT)
