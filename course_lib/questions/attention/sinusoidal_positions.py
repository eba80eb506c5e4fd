"""Question: sinusoidal positions."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.attention._shared import attention


def _positions_calls(rng):
    lengths, halves = rng.integers(3, 40, size=3), rng.integers(3, 9, size=3)
    return [
        (3, 4),
        *((int(length), 2 * int(half)) for length, half in zip(lengths, halves, strict=True)),
        Call((int(lengths[0]) + 1, 2 * int(halves[0]) + 1), about="an odd depth"),
        Call((4, 1), about="an odd depth"),
    ]


def _waves(length, depth, exponent=None, even=np.sin, odd=np.cos, first=0, base=10000.0, divide=np.divide):
    """Positions with one of their parts replaced; `exponent` is a function of the channels and the depth."""
    channel = np.arange(depth)
    exponent = channel // 2 * 2 / depth if exponent is None else exponent(channel, depth)
    angles = divide(np.arange(first, first + length)[:, None], base**exponent)
    return np.where(channel % 2 == 0, even(angles), odd(angles))


def _other(**parts):
    return lambda length, depth: _waves(length, depth, **parts)


def _angles(length, depth, pairs):
    return np.arange(length)[:, None] / 10000.0 ** (2 * np.arange(pairs) / depth)


def _in_halves(length, depth):
    waves = _waves(length, depth)
    return np.concatenate([waves[:, ::2], waves[:, 1::2]], axis=1)


def _whole_halves(round_up):
    def answer(length, depth):
        angles = _angles(length, depth, (depth + round_up) // 2)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)

    return answer


def _assigned(round_up):
    """Sines and cosines of equally many pairs, assigned to slices: for an odd depth one does not fit."""

    def answer(length, depth):
        angles = _angles(length, depth, (depth + round_up) // 2)
        result = np.zeros((length, depth))
        result[:, 0::2] = np.sin(angles)
        result[:, 1::2] = np.cos(angles)
        return result

    return answer


def _whole_pairs(length, depth):
    angles = _angles(length, depth, depth // 2)
    result = np.zeros((length, depth))
    for pair in range(depth // 2):
        result[:, 2 * pair], result[:, 2 * pair + 1] = np.sin(angles[:, pair]), np.cos(angles[:, pair])
    return result


def _channel_too_many(length, depth):
    angles = _angles(length, depth, (depth + 1) // 2)
    result = np.zeros((length, depth))
    for channel in range(0, depth, 2):
        result[:, channel] = np.sin(angles[:, channel // 2])
        result[:, channel + 1] = np.cos(angles[:, channel // 2])
    return result


def _stacked(round_up):
    def answer(length, depth):
        pairs = (depth + round_up) // 2
        angles = _angles(length, depth, pairs)
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, 2 * pairs)

    return answer


def _by_position(length, depth):
    angles = _angles(length, depth, (depth + 1) // 2).repeat(2, axis=1)[:, :depth]
    return np.where(np.arange(length)[:, None] % 2 == 0, np.sin(angles), np.cos(angles))


def _misread(angles):
    """Positions with other angles, a function of the position, the pair and the depth."""

    def answer(length, depth):
        channel = np.arange(depth)
        angle = angles(np.arange(length)[:, None], channel // 2, depth)
        return np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))

    return answer


QUESTION = Question(
    id="attention.sinusoidal_positions",
    title="Sinusoidal positions",
    points=2,
    minutes=15,
    signature="sinusoidal_positions(length, depth)",
    calls=_positions_calls,
    reference=lambda length, depth: attention.sinusoidal_positions(length, depth, dtype="float64"),
    rtol=1e-4,
    atol=1e-4,
    mistakes=(
        Mistake(
            "in_halves",
            (_in_halves, _whole_halves(0), _whole_halves(1)),
            "Your numbers are right but not their places: the sines fill the first half and the cosines "
            "the second.",
            "Both layouts are in use. Here, as in the paper, sine and cosine take turns: at depth 4, "
            "position 1 is [sin 1, cos 1, sin 0.01, cos 0.01]. Even and odd channels can be assigned as "
            "slices with a step.",
        ),
        Mistake(
            "pair_exponent",
            _other(exponent=lambda channel, depth: channel // 2 / depth),
            "Your waves slow down only half as fast as they should: the last pair turns too quickly.",
            "At depth 4 the second pair divides the position by 10000^(2/4) = 100; yours by 10000^(1/4) = "
            "10. Compare your exponent with the formula's.",
        ),
        Mistake(
            "every_channel_its_own",
            _other(exponent=lambda channel, depth: channel / depth),
            "Your sines are right, your cosines are too slow. A sine and the cosine beside it belong to the "
            "same hand of the clock.",
            "Channels 2i and 2i + 1 share one angle: sin² + cos² of neighbours must be 1. Which i does "
            "channel 3 belong to?",
        ),
        Mistake(
            "channel_for_pair",
            _other(exponent=lambda channel, depth: 2 * channel / depth),
            "Nearly all your waves are too slow, and a sine and its cosine have different angles. What does "
            "i count in the formula?",
            "i counts pairs, not channels: at depth 4 it is 0, 0, 1, 1. You put 0, 1, 2, 3 into 2i/d.",
        ),
        Mistake(
            "last_at_10000",
            _other(exponent=lambda channel, depth: channel // 2 / max(depth // 2 - 1, 1)),
            "Your first pair is right and the others are too slow. In your version the last pair has the "
            "period of 10000 in full; in the formula it does not get that far.",
            "At depth 4 the second and last pair divides the position by 10000^(2/4) = 100, yours by 10000. "
            "Some libraries do it like you; compare the denominator of your exponent with the formula's.",
        ),
        Mistake(
            "other_base",
            (_other(base=1000.0), _other(base=100000.0), _other(base=np.e)),
            "The first sine and cosine are right, all later pairs turn at the wrong speed. Compare the base "
            "of your power with the formula's, digit by digit.",
            "At depth 4 position 1 is [sin 1, cos 1, sin 0.01, cos 0.01]. Print what you divide the position "
            "by: it must be 1, 1, 100, 100.",
        ),
        Mistake(
            "multiplied",
            _other(divide=np.multiply),
            "Your later waves turn faster and faster, and they should turn slower and slower. On which side "
            "of the fraction does the power of 10000 stand?",
            "At depth 4, position 1 ends with sin 0.01 and cos 0.01; yours with sin 100 and cos 100.",
        ),
        Mistake(
            "precedence",
            (
                _misread(lambda position, pair, depth: position / (10000.0**2 * pair / depth)),
                _misread(lambda position, pair, depth: position / 10000.0 ** (2 * pair) / depth),
                _misread(lambda position, pair, depth: position / (10000.0 ** (2 * pair) / depth)),
            ),
            "Already the first sine is wrong, where 10000⁰ = 1 should leave the position as it is. What does "
            "Python compute first, a power, or the product and the quotient behind it?",
            "10000 ** 2 * i / d is (10000²) · i / d. All of 2i/d belongs into the exponent: which "
            "parentheses are missing?",
        ),
        Mistake(
            "exchanged",
            _other(even=np.cos, odd=np.sin),
            "Sine and cosine have changed places: position 0 must begin with 0, yours begins with 1.",
            "Position 0 is [0, 1, 0, 1, ...] in the formula. Which of the two has the even channels?",
        ),
        Mistake(
            "only_sines",
            _other(odd=np.sin),
            "Your odd channels hold sines, too, so that the two of a pair are alike.",
            "Position 0 is [0, 1, 0, 1, ...]; yours is all zeros. Which function do channels 1, 3, 5 have?",
        ),
        Mistake(
            "by_position",
            _by_position,
            "Sine and cosine take turns from position to position in your result. They were to do so from "
            "channel to channel.",
            "Position 0 is [0, 1, 0, 1, ...]: both occur within one row. Which axis do you take even and odd "
            "places of?",
        ),
        Mistake(
            "from_one",
            _other(first=1),
            "Your first row is that of position 1. What should the first row be, where every angle is 0?",
            "The first row is [0, 1, 0, 1, ...], and your first row should be the second. Where does your "
            "counting of the positions begin?",
        ),
        Mistake(
            "odd_depth",
            (
                _assigned(1),
                _assigned(0),
                _whole_pairs,
                _channel_too_many,
                _stacked(1),
                _stacked(0),
            ),
            "Even depths are right. With an odd one the last channel is a sine without a cosine: your sines "
            "and cosines are equally many.",
            "At depth 5 there are 3 sines and 2 cosines. Compute the angles for the sines, and cut off the "
            "one that has no cosine; or decide for each channel by itself which of the two it has.",
        ),
    ),
    hint="Make one array of angles, of shape (length, depth), first. Write down for depth 6 which i each "
    "channel has.",
    more="For channel c, i is c // 2. The angle is the position, as a column, divided by 10000 to the power "
    "of 2i/d, as a row. Even channels take the sine of it, odd ones the cosine: np.where, or slices with a "
    "step.",
    example=(2, 3),
)
