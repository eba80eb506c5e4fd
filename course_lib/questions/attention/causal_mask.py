"""Question: a causal mask."""

import functools

import numpy as np

from course_lib.questions import Mistake, Question
from course_lib.questions.attention._shared import attention

QUESTION = Question(
    id="attention.causal_mask",
    title="A causal mask",
    points=1,
    minutes=5,
    signature="causal_mask(length)",
    calls=lambda rng: [(3,), (1,), (2,), *((int(n),) for n in rng.integers(4, 40, size=3))],
    reference=lambda length: attention.causal_mask(length),
    mistakes=(
        Mistake(
            "without_itself",
            lambda length: np.tri(length, k=-1, dtype=bool),
            "Your diagonal is False: no token sees itself, and the first sees nothing at all. What would "
            "its softmax divide by?",
            "Position i attends to positions 0 to i, and i is among them. For length 1 the mask is [[True]].",
        ),
        Mistake(
            "one_more",
            lambda length: np.tri(length, k=1, dtype=bool),
            "Each token sees one place too many: the next one, which it is to predict.",
            "Row 0 has a single True, row 1 has two. Print yours for length 3 and look at the place right of "
            "the diagonal.",
        ),
        Mistake(
            "transposed",
            lambda length: np.tri(length, dtype=bool).T,
            "In your mask the first token sees everything and the last only itself. Do rows stand for the "
            "queries, or for the keys?",
            "Row i is what query i may see. Row 0 has a single True, the last row is all True; yours is the "
            "other way round.",
        ),
        Mistake(
            "forbidden_marked",
            lambda length: ~np.tri(length, dtype=bool),
            "Your mask is True exactly where a token must not look. What does True mean in this course, and "
            "in Keras?",
            "The diagonal and everything to its left is allowed, and allowed is True. Your diagonal is "
            "False.",
        ),
        Mistake(
            "everything",
            lambda length: np.ones((length, length), dtype=bool),
            "Your mask is True everywhere, so each token sees all that come after it.",
            "Compare two positions: that of the query, which changes from row to row, and that of the key, "
            "which changes from column to column. Both as rows of the same shape are equal everywhere.",
        ),
        Mistake(
            "numbers",
            lambda length: np.tri(length),
            "The places are right, but a mask is of True and False, and yours holds the numbers 1 and 0. As "
            "an index, these would name places instead of choosing them.",
            "A comparison gives booleans by itself; functions that make arrays take a `dtype`.",
        ),
        Mistake(
            "additive",
            tuple(
                functools.partial(lambda number, length: np.where(np.tri(length), 0.0, number), number)
                for number in (-np.inf, -1e9, -1e4)
            ),
            "You return numbers to add to the scores: 0 where a token may look, a very low one elsewhere. "
            "Here a mask only says yes or no.",
            "Some libraries add such a matrix to the scores. In this course the mask is boolean, and "
            "attention decides what a hidden score becomes. Which comparison gives True in place of your 0?",
        ),
    ),
    hint="Compare the position of the query, as a column, with the position of the key, as a row.",
    more="np.arange(length) holds the positions. As a column, of shape (length, 1), and as a row, of shape "
    "(length,), NumPy compares each with each. Which comparison is true on the diagonal and left of it?",
    example=(3,),
)
