"""Question: and back, with the sign."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.quantization._shared import quantization


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


QUESTION = Question(
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
            of_each(_one_signed, 0, 1),
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
                *of_each(lambda taken: _unpacked(functools.partial(_signed, taken=taken)), 8, 14, 15, 128),
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
