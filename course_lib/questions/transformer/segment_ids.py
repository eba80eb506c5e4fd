"""Question: which text a token belongs to."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.transformer._shared import transformer


def _segment_calls(rng):
    def row(length, *texts, start=101, end=102, pad=0):
        parts = [[start], *([*rng.integers(200, 999, size=size), end] for size in texts)]
        tokens = np.concatenate(parts).astype("int64")
        return np.pad(tokens, (0, length - len(tokens)), constant_values=pad)

    def batch(rows):
        return rng.permutation(np.stack(rows))

    a, b, c = (int(n) for n in rng.integers(2, 5, size=3))
    other = row(13, a, c + 1, start=0, end=2, pad=1)
    other[a + 3] = 0  # With this padding, 0 is a token like others.
    return [
        Call((row(12, a, b), 102), about="a single text or pair, without a batch"),
        Call((batch([row(12, a, b), row(12, c), row(12, 0, a), row(12, 3, 0)]), 102), about="several texts"),
        Call((row(a + b + 3, a, b)[None], 102, 0), about="no padding"),
        Call((row(9, c).astype("int32"), 102), about="a single text or pair, without a batch"),
        Call((other[None], 2, 1), about="padding other than 0"),
        Call((batch([row(10, b), row(10, 2, c), row(10, a + 1)]), 102), about="several texts"),
    ]


def _segments(token_ids, end_id, pad_id=0, own=0, most=9, period=9, padded=True, count=None):
    """Segment ids with one of their parts replaced; `own` is what an end already counts for itself."""
    ends = (token_ids == end_id).astype(int)
    counted = np.cumsum(ends, axis=-1) if count is None else count(ends)
    ids = np.minimum(counted - (1 - own) * ends, most) % period
    return np.where(token_ids == pad_id, 0, ids) if padded else ids


def _flat_count(ends):
    return np.cumsum(ends).reshape(ends.shape)


def _on_into_the_next_row(token_ids, end_id, pad_id=0):
    return _segments(token_ids.reshape(-1), end_id, pad_id, most=1).reshape(token_ids.shape)


def _places_of_the_first_row(token_ids, end_id, pad_id=0):
    ends = np.flatnonzero(np.atleast_2d(token_ids)[0] == end_id)
    return np.where((np.arange(token_ids.shape[-1]) > ends[0]) & (token_ids != pad_id), 1, 0)


def _row_by_row(token_ids, end_id, pad_id=0):
    found = np.zeros_like(token_ids)
    for i, row in enumerate(token_ids):
        places = [j for j, token in enumerate(row) if token == end_id]  # Raises where a row is a number.
        if len(places) > 1:
            found[i, places[0] + 1 : places[1] + 1] = 1
    return found


def _by_two_lengths(token_ids, end_id, pad_id=0):
    found, (batch, length) = np.zeros_like(token_ids), token_ids.shape
    for i in range(batch):
        segment = 0
        for j in range(length):
            if token_ids[i, j] != pad_id:
                found[i, j] = segment
                segment += token_ids[i, j] == end_id
    return found


def _token_by_token(token_ids, end_id, pad_id=0):
    found, segment = np.zeros_like(token_ids), 0
    for i, token in enumerate(token_ids):
        if token != pad_id:  # Raises where a token is a row.
            found[i] = segment
            segment += token == end_id
    return found


def _without_the_last_end(token_ids, end_id, pad_id=0):
    return np.where(token_ids == end_id, 0, _segments(token_ids, end_id, pad_id))


def _tokens_zeroed(token_ids, end_id, pad_id=0):
    return _segments(token_ids, end_id, padded=False) * (token_ids == pad_id)


def _padding_is_one(token_ids, end_id, pad_id=0):
    return np.where(token_ids == pad_id, 1, _segments(token_ids, end_id, padded=False))


QUESTION = Question(
    id="transformer.segment_ids",
    title="Which text a token belongs to",
    points=1,
    minutes=10,
    signature="segment_ids(token_ids, end_id, pad_id=0)",
    calls=_segment_calls,
    reference=lambda token_ids, end_id, pad_id=0: transformer.segment_ids(token_ids, end_id, pad_id),
    dtypes=("int",),
    mistakes=(
        Mistake(
            "end_to_the_second",
            with_each(_segments, {"own": 1, "most": 1}, {"own": 1, "most": 1, "padded": False}),
            "The first [SEP] of a row has a 1 in yours. To which text does it belong, the one before it or "
            "the one behind?",
            "A [SEP] closes the text before it and has that text's number. The second text begins one place "
            "later: count the ends *before* a token, without its own.",
        ),
        Mistake(
            "own_end_counted",
            with_each(
                _segments,
                {"own": 1},
                {"own": 1, "padded": False},
                {"own": 1, "period": 2},
                {"own": 1, "period": 2, "padded": False},
            ),
            "Your numbers change at a [SEP] itself, not behind it, so that both ends of a pair are wrong. "
            "Does an end count for itself?",
            "np.cumsum includes the element that it has reached. What must you take away from it, so that "
            "only the ends before a token are counted?",
        ),
        Mistake(
            "padding_counted",
            functools.partial(_segments, padded=False),
            "The texts are right, the padding behind them is not: there you still count ends, and two "
            "texts leave a 2, for which the table of segments has no row.",
            "Padding is in segment 0. Everything behind the last [SEP] is padding; a comparison with "
            "`pad_id` finds it.",
        ),
        Mistake(
            "padding_in_the_second",
            (functools.partial(_segments, most=1, padded=False), _padding_is_one),
            "The texts are right, but all padding is in segment 1, also behind a single text. Where should "
            "it be?",
            "With one text only, everything is 0: [CLS] text [SEP] [PAD] [PAD]. Being behind the first "
            "[SEP] is not enough for a 1: what is there must be a token, too.",
        ),
        Mistake(
            "alternating",
            functools.partial(_segments, period=2, padded=False),
            "Pairs are right, even their padding; behind a single text the padding has a 1. Is it chance "
            "that your count comes back to 0 after two texts?",
            "Odd and even say nothing of padding: after one [SEP] there may be a second text or none. A "
            "comparison with `pad_id` tells which.",
        ),
        Mistake(
            "last_end_lost",
            _without_the_last_end,
            "Only the last [SEP] of a pair is wrong: it has a 0. Which text does it close?",
            "Both [SEP] belong to the text before them, the second one to the second text. A slice ends "
            "before its second number: is it the place of the [SEP], or the one behind it?",
        ),
        Mistake(
            "tokens_zeroed",
            _tokens_zeroed,
            "All tokens have a 0, and padding keeps its count. Which of the two is to be 0?",
            "You keep what stands at padding and clear the rest. Turn the comparison with `pad_id` round.",
        ),
        Mistake(
            "down_the_batch",
            functools.partial(_segments, count=lambda ends: np.cumsum(ends, axis=0)),
            "One text without a batch is right, a batch is not: you count the ends of the texts above, not "
            "of the tokens before.",
            "In an array of shape (batch, length) the tokens of a text lie along the last axis. Count from "
            "the end, then it is right with a batch and without.",
        ),
        Mistake(
            "through_the_batch",
            (
                functools.partial(_segments, count=_flat_count),
                functools.partial(_segments, count=_flat_count, most=1),
                functools.partial(_segments, count=np.cumsum),
                _on_into_the_next_row,
            ),
            "A single row is right, several are not: what you know of one row's ends runs on into the next.",
            "Each text begins again with 0. np.cumsum without an axis makes one long row of the whole array, "
            "and a variable keeps what the row before left in it: where does each row begin anew in yours?",
        ),
        Mistake(
            "first_rows_ends",
            _places_of_the_first_row,
            "A single row is right, several are not: you look for the end in one row and use its place in "
            "all of them.",
            "The texts of a batch have different lengths, so each row has its [SEP] at a place of its own. "
            "Which comparison and which sum look at all rows at once?",
        ),
        Mistake(
            "needs_a_batch",
            (
                functools.partial(_segments, count=lambda ends: np.cumsum(ends, axis=1)),
                _row_by_row,
                _by_two_lengths,
            ),
            "A batch is right. A single text, of shape (length,), ends in an error: what does your code "
            "take for granted about the axes?",
            "The text asks for both shapes, (length,) and (batch, length). What they share is the last axis; "
            "axis=-1 names it in either.",
        ),
        Mistake(
            "one_text_only",
            _token_by_token,
            "A single text is right, a batch ends in an error: what does your loop meet in an array of shape "
            "(batch, length)?",
            "Looping over such an array gives rows, not tokens. np.cumsum with axis=-1 counts along the "
            "texts of either shape, without a loop.",
        ),
        Mistake(
            "pad_is_zero",
            (
                lambda token_ids, end_id, pad_id=0: _segments(token_ids, end_id, 0),
                lambda token_ids, end_id, pad_id=0: _segments(token_ids, end_id, 0, most=1),
            ),
            "Right while padding is 0. One call pads with another number and has a 0 among its tokens.",
            "RoBERTa's padding is 1, and its 0 is a token. Which argument tells you what padding is?",
        ),
    ),
    hint="Mark the ends as 0 and 1, and count along the text how many are before each token. Then see to the "
    "padding.",
    more="np.cumsum along the last axis counts the ends up to a token, its own included; without its own it "
    "is the number asked for, at tokens. A np.where gives padding its 0.",
    example=(np.array([[2, 8, 3, 9, 3, 1], [2, 8, 8, 3, 1, 1]]), 3, 1),
)
