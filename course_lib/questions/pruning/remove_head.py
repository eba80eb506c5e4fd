"""Question: one head less."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pruning._shared import pruning


def _head_calls(rng):
    def call(width, num_heads, key_dim, head, about=""):
        query, key, value = rng.normal(size=(3, width, num_heads * key_dim))
        output = rng.normal(size=(num_heads * key_dim, width))
        return Call((query, key, value, output, num_heads, int(head)), about)

    apart = "a width that differs from `num_heads * key_dim`"
    return [
        call(12, 4, 3, rng.integers(1, 4)),
        call(12, 3, 4, 2),
        call(10, 3, 4, 1, apart),
        call(8, 2, 5, 0, apart),
        call(20, 4, 3, 1, apart),
        call(8, 2, 4, 1),
        call(9, 3, 3, 0),
    ]


def _all_but(head, num_heads):
    return [each for each in range(num_heads) if each != head]


def _without(query, key, value, output, places):
    return (*(np.delete(each, places, axis=1) for each in (query, key, value)), np.delete(output, places, 0))


def _without_slice(first, last):
    """A head's columns by other bounds; these are functions of the head, its depth and their number."""

    def answer(query, key, value, output, num_heads, head):
        depth = query.shape[1] // num_heads
        bounds = (bound(head, depth, num_heads) for bound in (first, last))
        return _without(query, key, value, output, slice(*bounds))

    return answer


def _without_neighbour(more):
    """Another head's columns; the last is taken for the one before the first."""

    def answer(query, key, value, output, num_heads, head):
        depth = query.shape[1] // num_heads
        places = (head + more) % num_heads * depth + np.arange(depth)
        return _without(query, key, value, output, places)

    return answer


def _from_right(change):
    """Something else made of the four arrays as they came and as they must be."""

    def answer(query, key, value, output, num_heads, head):
        depth = query.shape[1] // num_heads
        own = slice(head * depth, (head + 1) * depth)
        return change((query, key, value, output), _without(query, key, value, output, own), own)

    return answer


def _zeros_in(places):
    """Zeros instead of smaller arrays, in those of the arrays with these numbers."""

    def change(whole, _, own):
        arrays = [array.copy() for array in whole]
        for place in places:
            arrays[place][(own if place == 3 else (slice(None), own))] = 0.0
        return tuple(arrays)

    return _from_right(change)


def _kept_whole(places):
    return _from_right(lambda whole, right, _: tuple(whole[i] if i in places else right[i] for i in range(4)))


def _deleted(axes):
    """The head's places deleted along other axes."""
    return _from_right(
        lambda whole, _, own: tuple(
            np.delete(array, own, axis) for array, axis in zip(whole, axes, strict=True)
        )
    )


def _only_the_head(whole, _, own):
    return (*(array[:, own] for array in whole[:3]), whole[3][own])


def _behind_first(_, right, own):
    """What stands behind the head comes before the rest."""
    return (*(np.roll(array, -own.start, 1) for array in right[:3]), np.roll(right[3], -own.start, 0))


def _last_in_the_gap(whole, right, own):
    """The last head moves to the place of the one that goes."""
    depth, size = own.stop - own.start, whole[0].shape[1]
    places = np.arange(size)
    places[own] = places[size - depth :]
    places = places[: size - depth]
    return (*(array[:, places] for array in whole[:3]), whole[3][places])


def _depth_from_width(query, key, value, output, num_heads, head):
    depth = query.shape[0] // num_heads
    return _without(query, key, value, output, slice(head * depth, (head + 1) * depth))


def _left_in_heads(query, key, value, output, num_heads, head):
    depth = query.shape[1] // num_heads
    query, key, value = (
        np.delete(each.reshape(len(each), num_heads, depth), head, axis=1) for each in (query, key, value)
    )
    return query, key, value, np.delete(output.reshape(num_heads, depth, -1), head, axis=0)


QUESTION = Question(
    id="pruning.remove_head",
    title="One head less",
    points=3,
    minutes=15,
    signature="remove_head(query, key, value, output, num_heads, head)",
    calls=_head_calls,
    reference=lambda query, key, value, output, num_heads, head: pruning.keep_heads(
        query, key, value, output, num_heads, _all_but(head, num_heads)
    ),
    returns=("array", "array", "array", "array"),
    names=("query", "key", "value", "output"),
    mistakes=(
        Mistake(
            "columns_of_the_output",
            _deleted((1, 1, 1, 1)),
            "In the output kernel you remove columns: what are its columns, and what are its rows?",
            "The heads' results, side by side, are multiplied by the output kernel from the left. What a "
            "head contributes passes through the rows that meet its results; a column is a number of the "
            "layer's output, and all of those stay.",
        ),
        Mistake(
            "output_left_whole",
            _kept_whole((3,)),
            "Your output kernel still has its old size. With what would its surplus rows be multiplied?",
            "The heads now give fewer numbers side by side, and the output kernel has one row for each. "
            "Multiply the two shapes out: they no longer meet.",
        ),
        Mistake(
            "projection_left_whole",
            (
                _kept_whole((0, 1)),
                _kept_whole((2,)),
                _kept_whole((1, 2)),
                _kept_whole((0,)),
                _kept_whole((1,)),
                _kept_whole((0, 1, 2)),
            ),
            "A projection still has all its columns.",
            "A head has its own columns in each of the three projections: what it asks, what it is found by, "
            "and what it gives. All three lose them.",
        ),
        Mistake(
            "every_so_many",
            lambda query, key, value, output, num_heads, head: _without(
                query, key, value, output, slice(head, None, num_heads)
            ),
            "You remove as many columns as a head has, but they are scattered over the kernel. How do the "
            "columns of one head lie?",
            "A projection's result is reshaped to (..., num_heads, key_dim), so all columns of head 0 come "
            "first, then all those of head 1. Yours would fit the shape (..., key_dim, num_heads).",
        ),
        Mistake(
            "one_column",
            lambda query, key, value, output, num_heads, head: _without(query, key, value, output, head),
            "You remove a single column and a single row. How many belong to a head?",
            "The number of the head is not the number of a column. All heads together have query.shape[1] "
            "columns, each the same number of them.",
        ),
        Mistake(
            "zeroed",
            (
                _zeros_in((0, 1, 2, 3)),
                _zeros_in((0, 1, 2)),
                _zeros_in((3,)),
                _zeros_in((2, 3)),
                _zeros_in((2,)),
            ),
            "You set the head to zero. The arrays keep their sizes, so the layer is as large and as slow as "
            "before.",
            "The arrays must become smaller, by the columns and rows that belong to the head, in all four.",
        ),
        Mistake(
            "depth_from_the_width",
            _depth_from_width,
            "Right where num_heads times key_dim is the width of the layer, wrong elsewhere. From which "
            "array's which axis do you take the depth of a head?",
            "After a head has been removed, width / num_heads is no longer the depth of a head. The axis "
            "that the heads share tells it always.",
        ),
        Mistake(
            "counted_from_one",
            (
                _without_slice(lambda h, d, n: (h - 1) * d, lambda h, d, n: h * d),
                _without_slice(lambda h, d, n: (h + 1) * d, lambda h, d, n: (h + 2) * d),
                _without_neighbour(-1),
                _without_neighbour(1),
            ),
            "The head that was asked for is still there, and mostly a neighbour of it is gone. From which "
            "number do you count the heads?",
            "Head 0 owns the columns 0 to key_dim - 1. Where does head 1 begin?",
        ),
        Mistake(
            "only_the_head_kept",
            _from_right(_only_the_head),
            "You return the head that is to be removed. The others must stay.",
            "The result has the columns of all heads but one. Join what comes before the head's columns and "
            "what comes after, or delete its own.",
        ),
        Mistake(
            "order_changed",
            (_from_right(_behind_first), _from_right(_last_in_the_gap)),
            "The right head is gone, but the others do not stand in their order any more.",
            "What comes before the head stays in front, and what comes after it moves up: without head 1, "
            "the heads 0, 2 and 3 follow each other, in all four arrays.",
        ),
        Mistake(
            "rows_of_the_projections",
            (_deleted((0, 0, 0, 0)), _deleted((0, 0, 0, 1))),
            "In the projections you remove rows. Which axis is that of the heads?",
            "A projection takes an input from the width, its rows, to num_heads * key_dim numbers, its "
            "columns. The width of the layer stays as it is.",
        ),
        Mistake(
            "axis_missing",
            _deleted((None, None, None, None)),
            "Your arrays come back flat. np.delete flattens an array if it is not told an axis.",
            "Say along which axis to delete: the columns in the three projections, the rows in the output "
            "kernel.",
        ),
        Mistake(
            "one_off",
            (
                _without_slice(lambda h, d, n: h * d, lambda h, d, n: (h + 1) * d - 1),
                _without_slice(lambda h, d, n: h * d, lambda h, d, n: (h + 1) * d + 1),
                _without_slice(lambda h, d, n: h * d + 1, lambda h, d, n: (h + 1) * d),
            ),
            "You remove one column too many or too few. Where does the head end?",
            "A slice ends before its second number: slice(3, 6) is 3, 4 and 5. Write down the columns of "
            "head 1 with a key_dim of 3.",
        ),
        Mistake(
            "start_not_multiplied",
            _without_slice(lambda h, d, n: h, lambda h, d, n: h + d),
            "Right for head 0. The columns of another head do not begin at its number.",
            "Before head 1 stand all columns of head 0, key_dim of them. How many stand before head 2?",
        ),
        Mistake(
            "count_taken_for_depth",
            (
                _without_slice(lambda h, d, n: h * n, lambda h, d, n: (h + 1) * n),
                _without_slice(lambda h, d, n: h * n, lambda h, d, n: h * n + d),
            ),
            "You take the number of heads for the number of columns that a head has. Right only where the "
            "two are equal.",
            "All heads together have query.shape[1] columns. What is that, divided by num_heads?",
        ),
        Mistake(
            "left_in_heads",
            _left_in_heads,
            "The right head is gone, but your arrays still have an axis for the heads.",
            "The kernels come with two axes and go with two: bring the heads and their depth back into one "
            "axis at the end.",
        ),
    ),
    hint="Work out key_dim from the columns of `query`, then the first and the last column of the head. "
    "np.delete with a slice and an axis does the rest.",
    more="key_dim is query.shape[1] // num_heads, and the head owns the places from head * key_dim up to, "
    "not including, (head + 1) * key_dim: as columns of query, key and value, as rows of output.",
    example=(
        np.array([[1.0, 2.0, 3.0]]),
        np.array([[4.0, 5.0, 6.0]]),
        np.array([[7.0, 8.0, 9.0]]),
        np.array([[10.0], [20.0], [30.0]]),
        3,
        1,
    ),
)
