"""Question: padding and its mask."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb


def _pad_calls(rng):
    def ids(*lengths):
        return [[int(n) for n in rng.integers(100, 30000, size=length)] for length in lengths]

    inside = ids(3, 5, 2)
    inside[0][1] = 0
    again = ids(2, 3)
    again[1][1] = 9
    return [
        (ids(4, 2, 3),),
        (ids(*(int(n) for n in rng.integers(2, 9, size=3)), 1, 10),),
        Call((inside,), about="a token of the id 0"),
        Call((ids(2, 0, 4), 1), about="an empty sequence and `pad_id` 1"),
        Call((ids(3, 3), 0), about="sequences of one length"),
        (ids(1, 5), 7),
        Call((again, 9), about="a token of the id `pad_id`"),
    ]


def _padded(sequences, pad_id=0, width=max, left=False):
    """Rows of equal width, which is a function of the lengths."""
    width = width(map(len, sequences))
    token_ids = np.full((len(sequences), width), pad_id)
    mask = np.zeros(token_ids.shape, dtype=bool)
    for i, sequence in enumerate(sequences):
        cut = sequence[:width]
        place = slice(width - len(cut), None) if left else slice(len(cut))
        token_ids[i, place], mask[i, place] = cut, True
    return token_ids, mask


def _wide(change):
    return lambda sequences, pad_id=0: _padded(sequences, pad_id, lambda lengths: change(max(lengths)))


def _masked(change):
    """Padding with another mask, a function of the ids, the right mask and `pad_id`."""

    def answer(sequences, pad_id=0):
        token_ids, mask = _padded(sequences, pad_id)
        return token_ids, change(token_ids, mask, pad_id)

    return answer


def _left_in_rows_only(sequences, pad_id=0):
    return _padded(sequences, pad_id, left=True)[0], _padded(sequences, pad_id)[1]


QUESTION = Question(
    id="imdb.pad",
    title="Padding and its mask",
    points=1,
    minutes=10,
    signature="pad(sequences, pad_id=0)",
    calls=_pad_calls,
    reference=lambda sequences, pad_id=0: imdb.pad(sequences, pad_id=pad_id),
    returns=("array", "array"),
    names=("token_ids", "padding_mask"),
    dtypes=("int", None),
    mistakes=(
        Mistake(
            "left",
            (functools.partial(_padded, left=True), _left_in_rows_only),
            "Your padding stands before the text, so a row no longer begins with the first token of its "
            "sequence.",
            "[5, 6] in a batch of width 3 becomes [5, 6, 0]; yours is [0, 5, 6]. BERT learned its positions "
            "with the padding at the end.",
        ),
        Mistake(
            "mask_from_ids",
            _masked(lambda ids, mask, pad_id: ids != pad_id),
            "The ids are right, but the mask hides tokens of the text: those whose id happens to be "
            "`pad_id`.",
            "After padding, a pad token and a token of the text with that id look alike. What do you know "
            "about each row before padding that tells them apart?",
        ),
        Mistake(
            "mask_from_zero",
            (_masked(lambda ids, mask, pad_id: ids != 0), _masked(lambda ids, mask, pad_id: ids > 0)),
            "The ids are right, but your mask is True wherever an id is not 0. The padding is not always 0, "
            "and a 0 is not always padding.",
            "With `pad_id` 1 your mask shows the padding as text; and [5, 0] holds two tokens, so its mask "
            "must be [True, True]. Do not ask the ids: what do you know about each row before padding?",
        ),
        Mistake(
            "mask_inverted",
            (
                _masked(lambda ids, mask, pad_id: ~mask),
                _masked(lambda ids, mask, pad_id: ids == pad_id),
                _masked(lambda ids, mask, pad_id: ids == 0),
            ),
            "The ids are right, but your mask is True where the padding is. What does True mean in lesson "
            "01's masks, and in Keras?",
            "True marks what may be attended to: tokens. The row [5, 6, 0] of a sequence of 2 has the mask "
            "[True, True, False].",
        ),
        Mistake(
            "mask_full",
            _masked(lambda ids, mask, pad_id: np.ones_like(mask)),
            "Your mask is True everywhere, as if nothing were padding. Do you look at the lengths before or "
            "after the sequences have been filled up?",
            "If you lengthen a list itself, len() counts the padding, too. Keep the lengths first, or make "
            "new rows and leave the sequences as they are.",
        ),
        Mistake(
            "other_types",
            (
                _masked(lambda ids, mask, pad_id: mask.astype(int)),
                lambda sequences, pad_id=0: tuple(each.astype(float) for each in _padded(sequences, pad_id)),
            ),
            "All numbers are right, and all places. What is not right is their type: ids are integers, and a "
            "mask is of True and False.",
            "As an index, 1 and 0 would name places instead of choosing them, and 1.0 is no row of a table. "
            "np.full and np.zeros take a `dtype`, a comparison gives booleans by itself, and arrays have a "
            "method that converts them.",
        ),
        Mistake(
            "exchanged",
            lambda sequences, pad_id=0: _padded(sequences, pad_id)[::-1],
            "Both arrays are right, but they have changed places.",
            "Whoever calls it writes token_ids, padding_mask = pad(...). Which one comes first?",
        ),
        Mistake(
            "pad_id_ignored",
            lambda sequences, pad_id=0: _padded(sequences),
            "You always fill up with 0. Not every vocabulary has its pad token there.",
            "The second argument says which id fills the rows; RoBERTa's is 1, for example. Where is the 0 "
            "written in your code, or does it come from np.zeros?",
        ),
        Mistake(
            "too_wide",
            (
                *(_wide(lambda width, fixed=fixed: fixed) for fixed in (128, 256, 512)),
                _wide(lambda width: width + 1),
                _wide(lambda width: -(-width // 8) * 8),
                _wide(lambda width: -(-width // 16) * 16),
            ),
            "Your rows are wider than the longest sequence. The batch was to be just as wide as that one.",
            "With sequences of 4, 2 and 3 tokens the shape is (3, 4). All that is wider is work on padding.",
        ),
        Mistake(
            "too_narrow",
            (
                functools.partial(_padded, width=min),
                functools.partial(_padded, width=lambda lengths: next(iter(lengths))),
            ),
            "Your rows are not as wide as the longest sequence, so tokens of the text are cut off.",
            "With sequences of 2, 4 and 3 tokens the shape is (3, 4). Which of the three lengths is the "
            "width?",
        ),
    ),
    hint="Find the width, make an array full of `pad_id`, and write each sequence to the start of its row. "
    "The mask follows from the lengths.",
    more="The width is the largest length. np.full makes the ids, np.zeros with dtype=bool the mask; then, "
    "for each row, the first len(sequence) places get the sequence and True. Do not ask the ids what is "
    "padding.",
    example=([[0, 8], [4, 5, 6, 0], []], 0),
)
