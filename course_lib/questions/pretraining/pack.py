"""Question: two texts in one sequence."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.pretraining._shared import pretraining


def _pack_calls(rng):
    def case(first, second, length, ids=(2, 3), about=""):
        tokens = rng.permutation(np.arange(200, 400))[: first + second].tolist()
        return Call((tokens[:first], tokens[first:], *ids, length), about=about)

    short, long = (int(n) for n in rng.integers(2, 5, size=2))
    return [
        case(2, 3, 12, about="room to spare"),
        case(short, long, short + long + 3, ids=(101, 102), about="texts that just fit"),
        case(5, 5, 12, about="texts that must be cut"),
        case(9, 2 + short, 14, about="texts that must be cut"),
        case(short, 9, 14, about="texts that must be cut"),
        case(6, 8, 13, ids=(101, 102), about="texts that must be cut"),
        case(20 + short, 30 + long, 16, about="texts that must be cut"),
        case(4, 7, 5, about="texts that must be cut"),
    ]


def _kept(first, second, room):
    """How many tokens stay of two texts of such lengths."""
    keep = min(first, max(room // 2, room - second))
    return keep, min(second, room - keep)


def _if_too_long(kept):
    return lambda first, second, room: kept(first, second, room) if first + second > room else (first, second)


def _packed(
    first,
    second,
    start_id,
    end_id,
    length,
    kept=_kept,
    specials=3,
    ends=("tail", "head"),
    segments=lambda one, two: [0] * (one + 2) + [1] * (two + 1),
    build=lambda start, first, end, second: [start, *first, end, *second, end],
    finish=lambda ids, segments, length: (ids, segments),
):
    one, two = kept(len(first), len(second), length - specials)
    parts = {"tail": lambda text, n: text[len(text) - n :], "head": lambda text, n: text[:n]}
    first, second = parts[ends[0]](first, one), parts[ends[1]](second, two)
    return finish(build(start_id, first, end_id, second), segments(len(first), len(second)), length)


def _by_halves(first, second, room):
    return min(first, room // 2), min(second, room - room // 2)


def _by_halves_of_each(first, second, room):
    return min(first, room // 2), min(second, room // 2)


def _by_larger_halves(first, second, room):
    return min(first, room - room // 2), min(second, room // 2)


def _odd_to_first(first, second, room):
    return _kept(second, first, room)[::-1]


def _at_once(first, second, room, least=0):
    more = max(0, first + second - room)
    return (max(least, first - more), second) if first >= second else (first, max(least, second - more))


def _in_turns(first, second, room):
    turn = 0
    while first + second > room:
        if (turn == 0 and first) or not second:
            first -= 1
        else:
            second -= 1
        turn = 1 - turn
    return first, second


def _shorter_first(first, second, room, least=0, ties=True):
    while first + second > room:
        if (first < second + ties and first > least) or second <= least:
            first -= 1
        else:
            second -= 1
    return first, second


def _shorter_never_left(first, second, start_id, end_id, length, ties=True, least=0):
    """Drops from the shorter text, until an empty one raises; `least` is how many the first has to have."""
    first, second = list(first), list(second)
    while len(first) + len(second) + 3 > length:
        if len(first) < len(second) + ties and len(first) >= least:
            first.pop(0)
        else:
            second.pop()
    return _packed(first, second, start_id, end_id, length)


def _cut_at_end(ids, segments, length):
    return ids[:length], segments[:length]


def _end_kept(ids, segments, length):
    return ([*ids[: length - 1], ids[-1]] if len(ids) > length else ids), segments[:length]


def _padded(ids, segments, length):
    return ids + [0] * (length - len(ids)), segments + [0] * (length - len(segments))


def _everything(first, second, room):
    return first, second


QUESTION = Question(
    id="pretraining.pack",
    title="Two texts in one sequence",
    points=3,
    minutes=20,
    signature="pack(first, second, start_id, end_id, length)",
    calls=_pack_calls,
    reference=lambda first, second, start_id, end_id, length: pretraining.pack(
        first, second, start_id, end_id, length
    ),
    returns=("array", "array"),
    names=("token_ids", "segment_ids"),
    mistakes=(
        Mistake(
            "no_middle_end",
            functools.partial(
                _packed,
                build=lambda start, first, end, second: [start, *first, *second, end],
                segments=lambda one, two: [0] * (one + 1) + [1] * (two + 1),
            ),
            "There is one [SEP] in your sequence; two are needed. What tells the model, besides the "
            "segments, where one text ends?",
            "The form is [CLS] first [SEP] second [SEP]. The [SEP] in the middle belongs to the first "
            "segment.",
        ),
        Mistake(
            "no_last_end",
            functools.partial(
                _packed,
                build=lambda start, first, end, second: [start, *first, end, *second],
                segments=lambda one, two: [0] * (one + 2) + [1] * two,
            ),
            "Your sequence ends with the second text. What closes a text?",
            "The form is [CLS] first [SEP] second [SEP]: three special tokens, two of them [SEP].",
        ),
        Mistake(
            "segments_of_specials",
            with_each(
                _packed,
                {"segments": lambda one, two: [0] * (one + 1) + [1] * (two + 2)},
                {"segments": lambda one, two: [0] * (one + 2) + [1] * two + [0]},
                {"segments": lambda one, two: [0] * one + [1] * two},
                {"segments": lambda one, two: [0] * (one + 1) + [1] * (two + 1)},
                {"segments": lambda one, two: [0] * (one + 2) + [1] * two},
            ),
            "The tokens are right. The segments are not: which do the special tokens have, and does each of "
            "them have one?",
            "[CLS], the first text and its [SEP] are segment 0; the second text and its [SEP] are "
            "segment 1. Count the zeros: the first text and two more.",
        ),
        Mistake(
            "cut_at_end",
            with_each(
                _packed,
                {"kept": _everything, "finish": _cut_at_end},
                {"kept": _everything, "finish": _end_kept},
            ),
            "What fits is right. What is too long you cut at the end of the finished sequence, and that "
            "costs only the second text, perhaps all of it.",
            "Shorten the two texts first, to `length` less the three special tokens. Put the special tokens "
            "around them after that.",
        ),
        Mistake(
            "not_cut",
            functools.partial(_packed, kept=_everything),
            "What fits is right. What is too long stays too long: where does `length` come in?",
            "The sequence has at most `length` tokens, the three special ones among them. Drop tokens of the "
            "texts until that holds.",
        ),
        Mistake(
            "head_of_first",
            functools.partial(_packed, ends=("head", "head")),
            "The lengths are right, but of the first text you keep the beginning. Which of its words tell "
            "most about what comes next?",
            "What stands next to the cut between the texts must stay: the last tokens of the first text, "
            "the first ones of the second.",
        ),
        Mistake(
            "tail_of_second",
            functools.partial(_packed, ends=("tail", "tail")),
            "The lengths are right, but of the second text you keep the end. Which of its tokens stand next "
            "to the first text?",
            "`second` loses its last token each time, so that its beginning stays. list.pop() takes the last "
            "one, pop(0) the first.",
        ),
        Mistake(
            "halves",
            with_each(
                _packed,
                *({"kept": kept} for kept in (_by_halves, _by_halves_of_each, _by_larger_halves)),
                *(
                    {"kept": _if_too_long(kept)}
                    for kept in (_by_halves, _by_halves_of_each, _by_larger_halves)
                ),
            ),
            "You give each text half of the room. If one is short, its places stay empty while the other is "
            "cut.",
            "With room for 9 and texts of 20 and 2 tokens, 7 of the first fit. A token is dropped only if "
            "there is no room for it, and then one of the longer text.",
        ),
        Mistake(
            "odd_to_first",
            functools.partial(_packed, kept=_odd_to_first),
            "Only where both texts are cut and the room is odd are you off by one: you give the odd place "
            "to the first text.",
            "When both texts are equally long, it is the first that loses a token. So with room for 9 and "
            "two texts of 5 tokens, 4 and 5 stay.",
        ),
        Mistake(
            "specials_forgotten",
            with_each(_packed, {"specials": 0}, {"specials": 1}, {"specials": 2}),
            "Where texts are cut, your sequences are longer than `length`. What else has to fit in?",
            "The form has three special tokens, and they count. How many are left for the texts?",
        ),
        Mistake(
            "one_too_few",
            functools.partial(_packed, specials=4),
            "Your sequences are at most `length` - 1 tokens long; texts that just fit lose one.",
            "With `length` 7 there is room for four tokens of the texts, and four may stay. Is it `>` or "
            "`>=` that ends your loop, and how many special tokens do you count?",
        ),
        Mistake(
            "only_one_cut",
            with_each(
                _packed,
                {"kept": lambda first, second, room: (max(0, min(first, room - second)), second)},
                {"kept": lambda first, second, room: (first, max(0, min(second, room - first)))},
            ),
            "You cut always the same text, however long the other is.",
            "Each token that must go is taken from the text that is longer at that moment, so with two long "
            "texts both end about equally long.",
        ),
        Mistake(
            "all_at_once",
            # Without a bound, a slice [:n] with n below 0 leaves some of the text.
            with_each(_packed, {"kept": _at_once}, {"kept": functools.partial(_at_once, least=-math.inf)}),
            "You compare the lengths once, and the longer text pays for everything. Soon it would be the "
            "shorter one.",
            "With room for 10 and texts of 6 and 8 tokens, four must go: two of the second, then one of "
            "each. Compare anew before each token.",
        ),
        Mistake(
            "in_turns",
            functools.partial(_packed, kept=_in_turns),
            "You drop one token of each text in turns, also where one is much shorter.",
            "With room for 4 and texts of 3 and 9 tokens, first the long one is cut to 3; only then do both "
            "lose tokens. Which is longer at that moment?",
        ),
        Mistake(
            "shorter_loses",
            (
                *(
                    functools.partial(_packed, kept=functools.partial(_shorter_first, least=least, ties=ties))
                    for least in (0, 1)
                    for ties in (True, False)
                ),
                *with_each(
                    _shorter_never_left,
                    *({"ties": ties, "least": least} for ties in (True, False) for least in (0, 2)),
                ),
            ),
            "You drop tokens of the shorter text, until nothing of it is left, or hardly anything. Which way "
            "round is your comparison?",
            "The longer text loses a token, and the first one if both are equally long.",
        ),
        Mistake(
            "padded",
            functools.partial(_packed, finish=_padded),
            "You fill the sequence up to `length`. `length` is only the most that it may have.",
            "Padding is made later, when sequences are put into a batch. Here the result ends with the "
            "second [SEP].",
        ),
    ),
    hint="Drop token by token in a loop, as the rule says, until both texts and three special tokens fit. "
    "Only then put the sequence together.",
    more="While the two texts have more than `length` - 3 tokens together, drop one: the first of `first` if "
    "it is at least as long as `second`, else the last of `second`. Then [CLS], first, [SEP], second, [SEP]; "
    "the segments follow from the two lengths.",
    example=([5, 6, 7, 8], [11, 12, 13], 2, 3, 8),
)
