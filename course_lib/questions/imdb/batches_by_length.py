"""Question: batches with little padding."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.imdb._shared import imdb


def _batches_calls(rng):
    steps = 16 * int(rng.integers(1, 5))
    return [
        (np.array([5, 2, 9, 2, 7]) + int(rng.integers(9)), 2, 1),
        (np.array([33, 17, 16, 15, 32, 1]) + steps, 2, 16),
        (rng.permutation(60)[:11] + 3, 4, 1),
        (rng.integers(10, 128, size=50), 8, 16),
        Call((np.full(5, int(rng.integers(5, 50))), 3, 8), about="equal lengths"),
        Call((np.array([3, 1]) + steps, 32, 1), about="fewer examples than `batch_size`"),
        Call((rng.integers(1, 128, size=400), 32, 32), about="many equal widths"),
        Call((np.array([9, 1, 5, 4, 12, 8]), 3, 1), about="as many examples as the batches hold"),
    ]


def _steps(lengths, multiple):
    return -(-lengths // multiple)


def _sliced(order, batch_size):
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


def _grouped(keys, batch_size):
    return _sliced(np.argsort(keys, kind="stable"), batch_size)


def _right_order(lengths, multiple):
    return np.argsort(_steps(lengths, multiple), kind="stable")


def _later_first(lengths, size, multiple):
    order = sorted(range(len(lengths)), key=lambda i: (_steps(lengths[i], multiple), -i))
    return _sliced(np.array(order), size)


def _per_width(lengths, size, multiple):
    widths = _steps(lengths, multiple)
    return [batch for width in np.unique(widths) for batch in _sliced(np.flatnonzero(widths == width), size)]


QUESTION = Question(
    id="imdb.batches_by_length",
    title="Batches with little padding",
    points=2,
    minutes=10,
    signature="batches_by_length(lengths, batch_size, multiple)",
    calls=_batches_calls,
    reference=lambda lengths, batch_size, multiple: imdb.batches_by_length(lengths, batch_size, multiple),
    returns=("ragged",),
    mistakes=(
        Mistake(
            "lengths_returned",
            (
                lambda lengths, size, multiple: _sliced(lengths[_right_order(lengths, multiple)], size),
                lambda lengths, size, multiple: _sliced(np.sort(_steps(lengths, multiple) * multiple), size),
            ),
            "Your batches hold lengths or widths. Their order is right, but which examples are they?",
            "The result is used as [sequences[i] for i in batch], so it must hold indices. Sorting gives "
            "values; which function gives the order that would sort them?",
        ),
        Mistake(
            "multiple_ignored",
            lambda lengths, size, multiple: _grouped(lengths, size),
            "With `multiple` 1 all is right. With 16 you still tell 15 from 16, though both are padded to "
            "16 and count as equal.",
            "Compute the padded width of each example first, and sort by that alone. Among equal widths the "
            "smaller index comes first, whatever the lengths.",
        ),
        Mistake(
            "rounded_down",
            lambda lengths, size, multiple: _grouped(lengths // multiple, size),
            "Your steps begin one too early: 15 and 16 fall into different ones, and 16 and 17 into the "
            "same.",
            "A width must hold the text, so it is rounded up: 15 and 16 become 16, and 17 becomes 32. What "
            "does // do, and how do you turn that round?",
        ),
        Mistake(
            "rounded_to_nearest",
            lambda lengths, size, multiple: _grouped(np.round(lengths / multiple), size),
            "You round to the nearest multiple: 17 becomes 16, and a text of 17 tokens does not fit into "
            "that.",
            "A width must hold the text: 15 and 16 become 16, and 17 becomes 32. Which function of NumPy "
            "always rounds up?",
        ),
        Mistake(
            "ties_out_of_order",
            (
                lambda lengths, size, multiple: _sliced(np.argsort(_steps(lengths, multiple)), size),
                lambda lengths, size, multiple: _sliced(np.argsort(np.ceil(lengths / multiple)), size),
                lambda lengths, size, multiple: _sliced(
                    np.argsort((np.ceil(lengths / multiple) * multiple).astype(int)), size
                ),
                lambda lengths, size, multiple: _sliced(
                    np.argsort(_steps(lengths, multiple) * multiple), size
                ),
                _later_first,
            ),
            "Your widths ascend, but examples of equal width do not stand in the order of their indices. "
            "What does your sort promise about equal numbers?",
            "A sort that keeps equal numbers in their order is called stable. np.argsort is not, unless you "
            "ask for a kind that is; with few numbers one does not notice.",
        ),
        Mistake(
            "longest_first",
            (
                lambda lengths, size, multiple: _grouped(-_steps(lengths, multiple), size),
                lambda lengths, size, multiple: _sliced(_right_order(lengths, multiple)[::-1], size),
            ),
            "Your first batch has the longest examples. The order was to ascend.",
            "This matters for the rest, too: with 5 examples in batches of 2, the single one must be the "
            "longest, and yours is the shortest.",
        ),
        Mistake(
            "rest_dropped",
            lambda lengths, size, multiple: _sliced(_right_order(lengths, multiple), size)[
                : len(lengths) // size
            ],
            "Some examples are in no batch: those that are left when all full batches are made.",
            "5 examples in batches of 2 make three batches, of 2, 2 and 1. How far must the starts of the "
            "batches go?",
        ),
        Mistake(
            "empty_batch",
            lambda lengths, size, multiple: [
                _right_order(lengths, multiple)[i * size : (i + 1) * size]
                for i in range(len(lengths) // size + 1)
            ],
            "Where all batches are full you return one more, which is empty.",
            "6 examples in batches of 3 make two batches. Count the batches by rounding up, or let the "
            "starts go from 0 to n in steps of `batch_size`.",
        ),
        Mistake(
            "evened_out",
            (
                lambda lengths, size, multiple: np.array_split(
                    _right_order(lengths, multiple), -(-len(lengths) // size)
                ),
                lambda lengths, size, multiple: np.array_split(
                    _right_order(lengths, multiple), max(1, len(lengths) // size)
                ),
            ),
            "The order is right, but your batches are made about equally large. Each was to be full, and "
            "only the last one smaller.",
            "np.array_split evens out: 11 examples in 3 parts become 4, 4, 3, and 5 in 3 parts 2, 2, 1, but "
            "9 in 4 parts become 3, 2, 2, 2. Slices with a step give full batches.",
        ),
        Mistake(
            "size_for_count",
            lambda lengths, size, multiple: np.array_split(_right_order(lengths, multiple), size),
            "You make `batch_size` batches. It was to be the number of examples in each.",
            "11 examples with `batch_size` 4 make three batches, of 4, 4 and 3. What does the second "
            "argument of your function for splitting mean?",
        ),
        Mistake(
            "batches_per_width",
            _per_width,
            "You begin a new batch with each new width, so that many batches are not full.",
            "Only the last batch may be smaller. The width decides the order; where one batch ends and the "
            "next begins, only the count decides.",
        ),
        Mistake(
            "unsorted",
            lambda lengths, size, multiple: _sliced(np.arange(len(lengths)), size),
            "Your batches take the examples as they come: long and short ones share a batch, and the short "
            "ones are padded.",
            "Before you cut the indices into batches, bring them into an order in which neighbours are "
            "about equally long.",
        ),
    ),
    hint="Round up, sort the indices by the result with a sort that keeps ties in order, cut into pieces.",
    more="The width is -(-length // multiple) * multiple, or the same with np.ceil. np.argsort with "
    'kind="stable" gives the order of the indices. Then slices of it: from 0, from `batch_size`, from '
    "twice that, and so on.",
    example=(np.array([9, 8, 20, 1, 7]), 2, 8),
)
