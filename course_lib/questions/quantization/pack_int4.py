"""Question: two integers to a byte."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.quantization._shared import quantization


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


QUESTION = Question(
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
