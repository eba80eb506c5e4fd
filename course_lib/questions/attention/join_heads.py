"""Question: joining the heads again."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.attention._shared import attention


def _joined_calls(rng):
    return [
        (np.arange(8.0).reshape(2, 2, 2) + 10 * rng.integers(1, 9),),
        (rng.normal(size=(4, 3, 2)),),
        (rng.normal(size=(2, 2, 5, 3)),),
        (rng.normal(size=(2, 3, 2, 4, 2)).astype("float32"),),
        Call((rng.normal(size=(1, 3, 5)),), about="a single head"),
    ]


def _side_by_side(x):
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def _into(x, moved):
    """Numbers in the order of `moved`, in the shape that is right for `x`."""
    return moved.reshape(*x.shape[:-3], x.shape[-2], x.shape[-3] * x.shape[-1])


def _joined(x):
    return _side_by_side(np.swapaxes(x, -2, -3))


def _join_matrices(x):
    heads, length, depth = x.shape
    return x.transpose(1, 0, 2).reshape(length, heads * depth)


def _join_batches(x):
    batch, heads, length, depth = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, length, heads * depth)


QUESTION = Question(
    id="attention.join_heads",
    title="Joining the heads again",
    points=1,
    minutes=5,
    signature="join_heads(x)",
    calls=_joined_calls,
    reference=lambda x: attention.join_heads(x),
    mistakes=(
        Mistake(
            "only_reshaped",
            lambda x: _into(x, x),
            "The shape is right, but the first rows come from the first head alone: tokens and heads got "
            "mixed up.",
            "A reshape keeps the order in memory, and there all tokens of head 0 come first. Which two axes "
            "must change places before the last two can be merged?",
        ),
        Mistake(
            "other_axes_swapped",
            (lambda x: _into(x, np.swapaxes(x, -1, -2)), lambda x: _into(x, np.swapaxes(x, -1, -3))),
            "The shape is right, but you swapped another pair of axes before the reshape: the numbers of a "
            "token do not stand in its row.",
            "A reshape merges axes that are neighbours, in their order. Write down the order of axes that "
            "you need before it: first what becomes the rows, then, as neighbours, the two that are merged.",
        ),
        Mistake(
            "interleaved",
            lambda x: _side_by_side(np.moveaxis(x, -3, -1)),
            "Each token has its own numbers, but the heads are dealt out like cards. They should stand side "
            "by side.",
            "With two heads [a, b] and [c, d] of a token the result is [a, b, c, d]; yours is [a, c, b, d]. "
            "Which of the last two axes runs faster when they are merged?",
        ),
        Mistake(
            "along_the_sequence",
            (
                lambda x: x.reshape(*x.shape[:-3], -1, x.shape[-1]),
                lambda x: np.swapaxes(x, -2, -3).reshape(*x.shape[:-3], -1, x.shape[-1]),
            ),
            "You put the heads one below the other: the sequence became longer, and each row holds one head.",
            "The number of tokens stays; the rows get wider, to num_heads * depth. Heads and depth have to "
            "be neighbours before they are merged.",
        ),
        Mistake(
            "not_merged",
            lambda x: np.swapaxes(x, -2, -3),
            "The heads stand in the right place now, but they are still an axis of their own.",
            "Your shape is (..., length, num_heads, depth), and (..., length, num_heads * depth) was asked "
            "for. The two are neighbours already; what makes one axis of two?",
        ),
        Mistake(
            "transposed",
            lambda x: np.swapaxes(_joined(x), -1, -2),
            "The numbers are right, but the result lies on its side: its rows are channels, and they were to "
            "be tokens.",
            "The last axis of the result is num_heads * depth, the one before it the length. Which swap is "
            "one too many, or puts the length last?",
        ),
        Mistake(
            "matrix_only",
            (
                lambda x: np.concatenate(list(x), axis=-1),
                lambda x: np.hstack(list(x)),
                _join_matrices,
                lambda x: x.transpose(1, 0, 2).reshape(x.shape[1], -1),
                lambda x: _side_by_side(np.swapaxes(x, 0, 1)),
                lambda x: _into(x, np.swapaxes(x, 0, 1)),
            ),
            "Without leading axes it is right. With them it is not: the first axis is then not that of the "
            "heads.",
            "Your code takes the heads for axis 0. With a batch they are axis 1, and always the third from "
            "the end; count the axes that you move from there.",
        ),
        Mistake(
            "batch_only",
            (
                _join_batches,
                lambda x: x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1),
                lambda x: _side_by_side(np.swapaxes(x, 1, 2)),
            ),
            "With one leading axis it is right; without any, or with two, it is not.",
            "Your code counts on a shape (batch, num_heads, length, depth). Take x.shape[:-3] for whatever "
            "stands before the heads, and name the axes that you move by negative numbers.",
        ),
        Mistake(
            "averaged",
            (lambda x: x.mean(axis=-3), lambda x: x.sum(axis=-3)),
            "You add the heads up, and what the single heads found is lost. The result must be as wide as "
            "all heads together.",
            "Nothing is computed here, numbers only move: joining what split_heads split must give back "
            "every number of it. Where do the heads of one token go?",
        ),
    ),
    hint="Undo the steps of split_heads, the last one first.",
    more="First the swap of two axes, counted from the end, so that the heads of a token become neighbours "
    "of its depth; then one reshape that merges these two. x.shape[:-3] is whatever stands before the heads.",
    example=(np.arange(1.0, 13.0).reshape(3, 2, 2),),
)
