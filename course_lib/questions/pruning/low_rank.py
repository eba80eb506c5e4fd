"""Question: two thin factors."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pruning._shared import pruning


def _low_rank_calls(rng):
    def kernel(inputs, outputs):
        """One whose singular values are well apart, so that the nearest of each rank is clear."""
        size = min(inputs, outputs)
        left, right = (np.linalg.qr(rng.normal(size=(n, size)))[0] for n in (inputs, outputs))
        return left * (rng.uniform(3.0, 4.0) * 0.7 ** np.arange(size)) @ right.T

    return [
        (kernel(8, 8), 3),
        Call((kernel(6, 10), 2), "more outputs than inputs"),
        (kernel(12, 5).astype("float32"), 4),
        Call((kernel(9, 9), 1), "rank 1"),
        Call((kernel(7, 4), 4), "a rank that is the lesser side"),
    ]


def _factors(kernel, rank, first=1.0, second=0.0, places=None):
    """Left and right vectors, with these powers of the singular values."""
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    places = slice(rank) if places is None else places(rank)
    return left[:, places] * values[places] ** first, values[places, None] ** second * right[places]


def _product(outputs):
    """The product of the factors; None if they do not meet."""
    first, second = outputs
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[0]:
        return None
    return first.astype("float64") @ second.astype("float64")


def _near(product, wanted, kernel):
    # A thousandth of the kernel's size: more than float32 costs, also by way of the kernel's square.
    allowed = 1e-3 * np.linalg.norm(kernel)
    return product is not None and product.shape == wanted.shape and np.abs(product - wanted).max() <= allowed


def _judge_low_rank(arguments, outputs):
    kernel, rank = arguments
    product, best = _product(outputs), _product(_factors(kernel, rank))
    if _near(product, best, kernel):
        return None
    yours, least = (float(np.linalg.norm(kernel - each)) for each in (product, best))
    return (
        f"The product of your factors is at a distance of {yours:.4g} from the kernel, the nearest of rank "
        f"{rank} at {least:.4g} (root of the sum of the squares of the differences)."
    )


def _turned(change):
    """Recognises factors that are right, once they are changed back."""

    def recognise(arguments, outputs):
        changed = change(*outputs)
        right = _product(_factors(*arguments))
        shapes = tuple(factor.shape for factor in _factors(*arguments))
        if tuple(each.shape for each in outputs) == shapes and _near(_product(outputs), right, arguments[0]):
            return False
        return _near(_product(changed), right, arguments[0])

    return recognise


def _same_product(answers):
    """Recognises factors whose product is that of one of these answers, whatever each factor is."""

    def recognise(arguments, outputs):
        product = _product(outputs)
        return any(_near(product, _product(answer(*arguments)), arguments[0]) for answer in answers)

    return recognise


def _mistaken(name, answers, hint, more):
    return Mistake(name, answers, hint, more, recognise=_same_product(answers))


def _least_with_leading_vectors(kernel, rank):
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:, :rank] * values[-rank:], right[:rank]


def _least_eigenvectors(kernel, rank):
    vectors = np.linalg.eigh(kernel.T @ kernel)[1][:, :rank]
    return kernel @ vectors, vectors.T


def _right_columns(full_matrices):
    def answer(kernel, rank):
        left, values, right = np.linalg.svd(kernel, full_matrices=full_matrices)
        return left[:, :rank] * values[:rank], right[:, :rank].T

    return answer


def _left_rows(kernel, rank):
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:rank].T * values[:rank], right[:rank]


def _by_qr(kernel, rank):
    first, second = np.linalg.qr(kernel)
    return first[:, :rank], second[:rank]


def _first_columns(kernel, rank):
    return kernel[:, :rank], np.eye(rank, kernel.shape[1])


def _first_rows(kernel, rank):
    return np.eye(kernel.shape[0], rank), kernel[:rank]


def _centred(axis):
    return lambda kernel, rank: _factors(kernel - kernel.mean(axis=axis, keepdims=axis is not None), rank)


def _values_reversed(kernel, rank):
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:, :rank] * values[:rank][::-1], right[:rank]


def _columns_scaled(kernel, rank):
    left, values, right = np.linalg.svd(kernel)
    scale = np.zeros(len(right))
    scale[: len(values)] = values
    return left[:, :rank], right[:rank] * scale


def _rows_scaled(kernel, rank):
    left, values, right = np.linalg.svd(kernel)
    scale = np.zeros(len(left))
    scale[: len(values)] = values
    return scale[:, None] * left[:, :rank], right[:rank]


def _one_value(value):
    def answer(kernel, rank):
        left, values, right = np.linalg.svd(kernel, full_matrices=False)
        return left[:, :rank] * value(values[:rank]), right[:rank]

    return answer


QUESTION = Question(
    id="pruning.low_rank",
    title="Two thin factors",
    points=2,
    minutes=15,
    signature="low_rank(kernel, rank)",
    calls=_low_rank_calls,
    reference=lambda kernel, rank: pruning.low_rank(kernel, rank),
    returns=("array", "array"),
    names=("first", "second"),
    judge=_judge_low_rank,
    mistakes=(
        _mistaken(
            "values_missing",
            (lambda kernel, rank: _factors(kernel, rank, 0.0, 0.0),),
            "Your factors have the right directions but not their strength. Which of the three results of "
            "the SVD do you not use?",
            "The columns of the left matrix and the rows of the right one all have length 1. The singular "
            "values say how much each pair counts.",
        ),
        _mistaken(
            "values_twice",
            (lambda kernel, rank: _factors(kernel, rank, 1.0, 1.0),),
            "Your product has the right directions, but each is too strong or too weak by a factor that is "
            "its own singular value.",
            "Your product has the squares of the singular values. Give the values to one factor only, or to "
            "both in equal parts; what are equal parts of a product?",
        ),
        _mistaken(
            "root_once",
            (lambda kernel, rank: _factors(kernel, rank, 0.5, 0.0),),
            "Your product holds the roots of the singular values instead of the values. Which factor got "
            "none?",
            "If one factor gets the roots, the other must get them too: only then do they multiply to the "
            "singular values.",
        ),
        _mistaken(
            "least_values",
            (
                lambda kernel, rank: _factors(kernel, rank, places=lambda rank: slice(-rank, None)),
                _least_with_leading_vectors,
                _least_eigenvectors,
            ),
            "Your product is far from the kernel wherever the rank is low: you keep the smallest singular "
            "values. In which order does NumPy give them?",
            "np.linalg.svd sorts from the largest on, np.linalg.eigh from the least on. Print the values "
            "that you keep.",
        ),
        _mistaken(
            "right_taken_by_columns",
            (_right_columns(True), _right_columns(False)),
            "Your second factor consists of columns of what np.linalg.svd returns last. Its name in NumPy "
            "ends in h: what does that stand for?",
            "np.linalg.svd returns U, S and the transpose of V, whose rows are the right singular vectors, "
            "ready for use. What belongs to the first singular value is its first row.",
        ),
        _mistaken(
            "left_taken_by_rows",
            (_left_rows,),
            "Your first factor consists of rows of the left matrix. Where do its singular vectors stand?",
            "The left singular vectors are the columns of U, the right ones the rows of what comes last. "
            "Cut each along the axis that counts the vectors.",
        ),
        _mistaken(
            "not_cut",
            (lambda kernel, rank: _factors(kernel, min(kernel.shape)),),
            "Your product is the kernel itself, so your factors save nothing. Where does `rank` come in?",
            "The rank is the number of columns of the first factor and of rows of the second. Keep so many "
            "of the singular values, with the vectors that belong to them.",
        ),
        Mistake(
            "a_factor_transposed",
            (
                lambda kernel, rank: (_factors(kernel, rank)[0], _factors(kernel, rank)[1].T),
                lambda kernel, rank: (_factors(kernel, rank)[0].T, _factors(kernel, rank)[1]),
                lambda kernel, rank: tuple(factor.T for factor in _factors(kernel, rank)),
            ),
            "The numbers are right, but a factor is transposed. Print both shapes.",
            "`first` is tall, (inputs, rank), and `second` is wide, (rank, outputs): first @ second has the "
            "shape of the kernel.",
            recognise=lambda arguments, outputs: any(
                _turned(change)(arguments, outputs)
                for change in (
                    lambda first, second: (first, second.T),
                    lambda first, second: (first.T, second),
                    lambda first, second: (first.T, second.T),
                )
            ),
        ),
        Mistake(
            "factors_exchanged",
            lambda kernel, rank: _factors(kernel, rank)[::-1],
            "The factors are right, but in the other order.",
            "`first` has the kernel's inputs as its rows, `second` its outputs as its columns.",
            recognise=_turned(lambda first, second: (second, first)),
        ),
        _mistaken(
            "not_by_singular_values",
            (_by_qr, _first_columns, _first_rows),
            "Your factors come from the first columns or rows of the kernel, or from a QR decomposition. "
            "Their product has the right rank, but is not the nearest.",
            "Which columns come first in a kernel says nothing about what matters. The singular values do: "
            "they are sorted by how much each pair of vectors contributes.",
        ),
        _mistaken(
            "mean_taken_off",
            (_centred(0), _centred(1), _centred(None)),
            "You take a mean off the kernel before you factor it, as for principal components. Nothing adds "
            "it again.",
            "The matrix that is to be approximated is the kernel as it stands. Factor it without centring.",
        ),
        _mistaken(
            "values_along_another_axis",
            (_columns_scaled, _rows_scaled),
            "The singular values scale the inputs or the outputs with you, not the pairs of vectors. Along "
            "which axis of a factor are its vectors counted?",
            "A row of numbers times a matrix scales its columns; to scale the rows, the numbers need a "
            "second axis. The value at place i belongs to column i of the first factor, or to row i of the "
            "second.",
        ),
        _mistaken(
            "one_value_for_all",
            tuple(map(_one_value, (np.max, np.sum, np.mean))),
            "All your pairs of vectors have the same strength. How many singular values do you use?",
            "Each pair has a value of its own, and they fall from the first on. A single number before the "
            "product cannot tell the pairs apart.",
        ),
        _mistaken(
            "values_out_of_order",
            (_values_reversed,),
            "The right singular values are there, but they stand with the wrong vectors.",
            "The value at place i belongs to column i of the left matrix and to row i of the right one. Did "
            "you sort or reverse one of the three alone?",
        ),
    ),
    hint="Start with np.linalg.svd(kernel, full_matrices=False) and print the shapes of its three results. "
    "How do they multiply to the kernel again, and which parts of them matter most?",
    more="Of the three results keep the first `rank` columns, the first `rank` values and the first `rank` "
    "rows. Two factors are asked for, so the values have to go into one of them: each scales a column of the "
    "first, or a row of the second.",
    example=(np.array([[0.0, 5.0, 0.0], [2.0, 0.0, 0.0]]), 1),
)
