"""Question: what LoRA trains."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.fine_tuning._shared import fine_tuning


def _count_calls(rng):
    width, heads, depth, units = (int(n) for n in rng.integers((40, 3, 4, 50), (60, 9, 20, 90)))
    rank = int(rng.integers(2, 9))
    return [
        Call(((384, 384), 8), "a kernel of two axes"),
        Call(((width, units), rank), "a kernel of two axes"),
        Call(((width, heads, depth), rank), "a kernel of three axes or more"),
        Call(((384, 12, 32), 1), "a kernel of three axes or more"),
        Call(((units, width, 2, depth), rank + 1), "a kernel of three axes or more"),
    ]


def _product(numbers):
    return int(np.prod(numbers))


def _two_axes(shape, rank):
    rows, columns = shape
    return rank * (rows + columns)


QUESTION = Question(
    id="fine_tuning.lora_parameters",
    title="What LoRA trains",
    points=1,
    minutes=5,
    signature="lora_parameters(kernel_shape, rank)",
    calls=_count_calls,
    reference=lambda kernel_shape, rank: fine_tuning.lora_parameters(kernel_shape, rank),
    dtypes=("int",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "rank_times_kernel",
            lambda shape, rank: rank * _product(shape),
            "You multiply the rank by the size of the whole kernel. Do not multiply the sizes of the two "
            "sides: where do they meet?",
            "There are two thin matrices. Write down the shape of each, count its entries, and add the two "
            "counts.",
        ),
        Mistake(
            "frozen_too",
            (
                lambda shape, rank: _product(shape) + rank * (_product(shape[:-1]) + shape[-1]),
                lambda shape, rank: _product(shape),
            ),
            "You count the kernel itself, but it is frozen. Which weights change in training?",
            "The optimizer sees `a` and `b` only. For (384, 384) and rank 8 that is under five per cent of "
            "the kernel; your count is at least all of it.",
        ),
        Mistake(
            "one_factor",
            (
                lambda shape, rank: rank * _product(shape[:-1]),
                lambda shape, rank: rank * shape[-1],
            ),
            "You count one of the two factors.",
            "The update is the product of `a` and `b`, and both learn. Write down both shapes for the text's "
            "example, (2, 3, 4) with rank 1: they have 6 and 4 entries.",
        ),
        Mistake(
            "rank_on_one_factor",
            (
                lambda shape, rank: rank * _product(shape[:-1]) + shape[-1],
                lambda shape, rank: _product(shape[:-1]) + rank * shape[-1],
                lambda shape, rank: _product(shape[:-1]) + shape[-1],
            ),
            "Right for rank 1. With a higher rank, some factor of yours keeps the size that it has at rank "
            "1.",
            "Both `a` and `b` have the rank as an axis, so both counts are multiplied by it. Look at your "
            "parentheses, too.",
        ),
        Mistake(
            "sizes_added",
            (
                lambda shape, rank: _product(shape[:-1]) + rank + rank + shape[-1],
                lambda shape, rank: sum(shape[:-1]) + rank + rank + shape[-1],
                lambda shape, rank: rank * _product(shape[:-1]) + rank + shape[-1],
                lambda shape, rank: rank * _product(shape[:-1]) + rank,
                lambda shape, rank: sum(shape) + rank,
            ),
            "In the count of some factor you add the lengths of its axes.",
            "An array of shape (4, 5) has 20 entries, not 9. Within a factor the lengths are multiplied; the "
            "counts of the two factors are added.",
        ),
        Mistake(
            "factors_multiplied",
            lambda shape, rank: rank * _product(shape[:-1]) * rank * shape[-1],
            "You multiply the counts of the two factors. How many entries have two arrays together?",
            "`a` and `b` are stored side by side, not multiplied out: with 6 and 4 entries, 10 numbers "
            "learn.",
        ),
        Mistake(
            "ends_only",
            (
                lambda shape, rank: rank * (shape[0] + shape[-1]),
                lambda shape, rank: rank * (shape[0] + shape[1]),
                lambda shape, rank: rank * (shape[-2] + shape[-1]),
            ),
            "Right for kernels of two axes. With three or more you pass over some of the axes.",
            "`a` has all axes of the kernel but the last, followed by the rank. How many entries has an "
            "array of shape (384, 12, rank)?",
        ),
        Mistake(
            "axes_added",
            lambda shape, rank: rank * sum(shape),
            "Right for kernels of two axes. With three you add the sizes of the axes, as if there were one "
            "matrix for each.",
            "There are always two factors, also for three axes: the cut is before the last one. The sizes on "
            "the left of it belong to one array; how many entries has that?",
        ),
        Mistake(
            "cut_after_the_first",
            lambda shape, rank: rank * (shape[0] + _product(shape[1:])),
            "Right for kernels of two axes. With more, you cut the kernel in two behind its first axis; "
            "Keras does it elsewhere.",
            "Cut in front of the last axis: for (384, 12, 32) one factor has the axes 384 and 12, the other "
            "has 32. Yours are 384 on one side, 12 and 32 on the other.",
        ),
        Mistake(
            "a_pair_for_each",
            lambda shape, rank: rank * _product(shape[1:-1]) * (shape[0] + shape[-1]),
            "Right for kernels of two axes. With three you count a pair of factors for each head.",
            "There is one `a` and one `b` for the whole kernel. `a` has all the axes but the last; `b` has "
            "only the last, and serves all heads.",
        ),
        Mistake(
            "two_axes_only",
            _two_axes,
            "Right for kernels of two axes. A shape with more does not fit into two variables.",
            "Split the tuple into all but the last number and the last one, by slices or with a star. The "
            "first part may have any length: multiply its numbers.",
        ),
        Mistake(
            "not_added",
            lambda shape, rank: (rank * _product(shape[:-1]), rank * shape[-1]),
            "You return the counts of the two factors one by one. Their sum is asked for.",
            "One integer is to be returned: how many weights learn, in `a` and `b` together.",
        ),
    ),
    hint="Write down the shapes of the two factors for a kernel of shape (384, 12, 32), and count entries.",
    more="`a` has the shape (*kernel_shape[:-1], rank), `b` has (rank, kernel_shape[-1]). The entries of an "
    "array are the product of its lengths; math.prod multiplies any number of them. Add the two counts.",
    example=((5, 2, 3, 7), 2),
)
