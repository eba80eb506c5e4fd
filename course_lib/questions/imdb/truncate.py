"""Question: which end to keep."""

import functools

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb


def _truncate_calls(rng):
    def ids(count):
        return [int(n) for n in rng.integers(1000, 30000, size=count)]

    return [
        (ids(8), 3, "head"),
        (ids(8), 3, "tail"),
        (ids(8), 4, "both"),
        Call((ids(9), 5, "both"), about="both ends and an odd `length`"),
        Call((ids(int(rng.integers(10, 30))), 7, "both"), about="both ends and an odd `length`"),
        Call((ids(5), 1, "both"), about="both ends and `length` 1"),
        (ids(4), 0, "tail"),
        Call((ids(3), 4, "both"), about="a sequence shorter than `length`"),
        (ids(4), 4, "tail"),
        ([], 3, "head"),
        (ids(3), 0, "both"),
        Call((ids(3), 5, "tail"), about="a sequence shorter than `length`"),
        (ids(3), 0, "head"),
        Call((ids(2), 7, "both"), about="a sequence shorter than `length`"),
    ]


def _cut(token_ids, length, how, head=lambda length: (length + 1) // 2, tail=lambda length: length // 2):
    """The right cut, but for the sizes of the two parts in "both"."""
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    return token_ids[: head(length)] + token_ids[len(token_ids) - tail(length) :]


def _minus_zero(*hows):
    """A cut that counts the tail from the end in these ways of cutting."""

    def truncate(token_ids, length, how):
        if how not in hows or len(token_ids) <= length:
            return imdb.truncate(token_ids, length, how)
        head = 0 if how == "tail" else (length + 1) // 2
        return token_ids[:head] + token_ids[-(length - head) :]

    return truncate


def _both_halves_down(token_ids, length, how):
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    return token_ids[: length // 2] + token_ids[-(length // 2) :]


def _halves_of_anything(token_ids, length, how):
    if how == "head":
        return token_ids[:length]
    half = length // 2
    return token_ids[-length:] if how == "tail" else token_ids[:half] + token_ids[-half:]


def _overlapping(token_ids, length, how):
    if how != "both":
        return imdb.truncate(token_ids, length, how)
    head, tail = (length + 1) // 2, length // 2
    return token_ids[:head] + token_ids[max(0, len(token_ids) - tail) :]


def _from_the_front(*hows):
    """A cut that counts the start of the tail from the front, also where that is below 0."""

    def truncate(token_ids, length, how):
        if how not in hows:
            return imdb.truncate(token_ids, length, how)
        head = 0 if how == "tail" else (length + 1) // 2
        return token_ids[:head] + token_ids[len(token_ids) - (length - head) :]

    return truncate


def _half_of_text(token_ids, length, how):
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    half = len(token_ids) // 2
    return token_ids[:half] + token_ids[len(token_ids) - half :]


def _backwards(token_ids, length, how):
    if how == "head" or len(token_ids) <= length:
        return token_ids[:length]
    head = 0 if how == "tail" else (length + 1) // 2
    return token_ids[:head] + token_ids[::-1][: length - head]


def _tail_before_head(token_ids, length, how):
    if how != "both" or len(token_ids) <= length:
        return imdb.truncate(token_ids, length, how)
    return token_ids[len(token_ids) - length // 2 :] + token_ids[: (length + 1) // 2]


QUESTION = Question(
    id="imdb.truncate",
    title="Which end to keep",
    points=1,
    minutes=10,
    signature="truncate(token_ids, length, how)",
    calls=_truncate_calls,
    reference=lambda token_ids, length, how: imdb.truncate(token_ids, length, how),
    mistakes=(
        Mistake(
            "minus_zero",
            (_minus_zero("tail", "both"), _minus_zero("both"), _minus_zero("tail")),
            "All is right until nothing is to be kept of the tail: then you keep everything. What is -0?",
            "ids[-k:] holds the last k ids for k = 1, 2, 3, but ids[-0:] is ids[0:]. With both ends and "
            "length 1 the tail gets 0, too. Count the start of the tail from the front instead.",
        ),
        Mistake(
            "negative_start",
            (_from_the_front("tail"), _from_the_front("tail", "both"), _from_the_front("both")),
            "A sequence shorter than `length` does not come back whole: you lose its beginning, or have a "
            "part of it twice. What is len(token_ids) - length there?",
            "Below 0 a slice's start counts from the end. Which sequences need no cut at all, and when is it "
            "best to find that out?",
        ),
        Mistake(
            "tail_larger",
            functools.partial(_cut, head=lambda length: length // 2, tail=lambda length: (length + 1) // 2),
            "With an odd length you give the extra token to the tail; it was to go to the head.",
            "Of 5 tokens the head has 3 and the tail 2. Integer division rounds down: what must be added to "
            "the length before it?",
        ),
        Mistake(
            "one_short",
            (
                functools.partial(_cut, head=lambda length: length // 2),
                _both_halves_down,
                _halves_of_anything,
            ),
            "With an odd length your result has a wrong number of tokens: both halves are rounded down.",
            "Of 5 tokens the head has 3 and the tail 2; yours have 2 each. If you know how long the head "
            "is, how long is the tail?",
        ),
        Mistake(
            "one_long",
            functools.partial(_cut, tail=lambda length: (length + 1) // 2),
            "With an odd length your result is one token longer than `length`: both halves are rounded up.",
            "Of 5 tokens the head has 3 and the tail 2; yours have 3 each. If you know how long the head "
            "is, how long is the tail?",
        ),
        Mistake(
            "whole_at_each_end",
            functools.partial(_cut, head=lambda length: length, tail=lambda length: length),
            "With both ends you keep `length` tokens of each, twice as many as asked for.",
            "At most `length` tokens remain in all. With 5, the head has 3 of them and the tail 2.",
        ),
        Mistake(
            "half_of_text",
            _half_of_text,
            "With both ends you keep half of the sequence at each end, so that next to nothing is cut. What "
            "was to be halved?",
            "At most `length` tokens remain. With 5, the head has 3 of them and the tail 2, however long the "
            "sequence is.",
        ),
        Mistake(
            "overlapping",
            _overlapping,
            "A sequence shorter than `length` comes out wrong with both ends: its middle is in the head and "
            "in the tail.",
            "For [1, 2, 3] and length 4 the head is [1, 2] and the tail [2, 3]: together the 2 is there "
            "twice. What should happen to a sequence that needs no cut?",
        ),
        Mistake(
            "ends_exchanged",
            lambda ids, length, how: imdb.truncate(
                ids, length, {"head": "tail", "tail": "head"}.get(how, how)
            ),
            "Head and tail have changed places: you return the last tokens for one and the first for the "
            "other.",
            '"head" says what is kept, not what is cut off: of [1, 2, 3, 4] with length 1 it keeps [1].',
        ),
        Mistake(
            "tail_before_head",
            _tail_before_head,
            "With both ends the right tokens are there, but the end of the review stands before its "
            "beginning.",
            "Tokens keep their order. Of [1, 2, 3, 4, 5, 6] with length 3 the result is [1, 2, 6].",
        ),
        Mistake(
            "backwards",
            _backwards,
            "The tail has the right tokens, but in reversed order: the review now reads backwards.",
            "Of [1, 2, 3, 4] the last two are [3, 4], yours are [4, 3]. Take a slice that ends at the end "
            "instead of turning the list round.",
        ),
    ),
    hint="First return what needs no cut. Then find how many tokens the head gets, 0 for the tail alone; "
    "the rest of `length` comes from the end.",
    more="Three numbers: the head's share of `length`, the tail's, and where the tail starts, counted from "
    "the front. The shares are (length, 0), (0, length), or the larger and the smaller half. Try lengths 0 "
    "and 1.",
    example=([10, 20, 30, 40, 50, 60, 70], 5, "both"),
)
