"""Question: a softmax that survives large scores."""

import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.attention._shared import _divided, _no_shift, _over, attention


def _softmax_calls(rng):
    # Quarters, so that float32 holds the large ones exactly.
    near = rng.integers(-8, 9, size=(3, 3)) / 4
    hidden = np.where(np.tri(4, dtype=bool), rng.normal(size=(4, 4)), -np.inf)
    spread = np.stack([rng.permutation([1000.0, 999.0, 0.25, -1000.0]) for _ in range(2)])
    return [
        (rng.normal(size=(2, 3)),),
        (3 * rng.normal(size=(3, 3)),),
        (rng.normal(size=(2, 4, 4)).astype("float32"),),
        Call((near + np.array([[1000.0], [0.0], [-1000.0]]),), about="rows that lie far apart"),
        Call((rng.integers(-8, 9, size=5) / 4 + 800.0,), about="a single row of large scores"),
        Call((hidden,), about="scores of -inf"),
        Call((spread,), about="scores that lie far apart in one row"),
    ]


def _by_math(scores):
    rows = scores.reshape(-1, scores.shape[-1]).tolist()
    weights = [[math.exp(s) / sum(math.exp(t) for t in row) for s in row] for row in rows]
    return np.array(weights).reshape(scores.shape)


def _each_first(scores):
    return np.stack([_divided(np.max, np.sum)(row) for row in scores])


def _each_first_as_list(scores):
    result = []
    for row in scores:
        largest = max(row)
        exponentials = [math.exp(score - largest) for score in row]
        result.append([each / sum(exponentials) for each in exponentials])
    return np.array(result)


def _each_first_by_index(scores):
    result = np.zeros(scores.shape)
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            exponentials = np.exp(scores[i] - np.max(scores[i]))
            result[i, j] = exponentials[j] / np.sum(exponentials)
    return result


QUESTION = Question(
    id="attention.softmax",
    title="A softmax that survives large scores",
    points=1,
    minutes=5,
    signature="softmax(scores)",
    calls=_softmax_calls,
    reference=lambda scores: attention.softmax(scores),
    mistakes=(
        Mistake(
            "unshifted",
            (
                _divided(_no_shift),
                _divided(_no_shift, lambda x: x.sum(axis=-1, keepdims=True) + 1e-9),
                _by_math,
            ),
            "Small scores come out right, but around 1000 and -1000 the weights do not. What is exp(1000)?",
            "The scores [1000, 999] must get the same weights as [1, 0], because only differences count. "
            "Which shift of a row makes all its exponentials at most 1, and at least one of them 1?",
        ),
        Mistake(
            "another_shift",
            (
                _divided(_over(np.mean)),
                _divided(_over(np.min)),
                _divided(lambda x: np.abs(x).max(axis=-1, keepdims=True)),
            ),
            "You shift each row, which changes no weight, but not by the number that keeps its exponentials "
            "from being too large, or from being 0 all together.",
            "For [1000, 0, -1000], [-1000, -999] and [0, -inf] write down what you subtract and what goes "
            "into np.exp. The largest number that goes in must be 0 each time.",
        ),
        Mistake(
            "clipped",
            (
                lambda scores: _divided(_no_shift)(np.clip(scores, -500, 500)),
                lambda scores: _divided(_no_shift)(np.minimum(scores, 500)),
            ),
            "You cut large scores off at some number. They no longer overflow, but scores above it are all "
            "alike now: [1000, 999] must get the weights of [1, 0].",
            "Cutting off loses the differences, and only those count. What can you subtract from all scores "
            "of a row, so that the differences stay?",
        ),
        Mistake(
            "nan_replaced",
            lambda scores: np.nan_to_num(_divided(_no_shift)(scores)),
            "You put another number where the division gave NaN. The weights of such a row no longer sum to "
            "1: replacing NaN does not bring back what the overflow lost.",
            "[1000, 999] must get the weights of [1, 0]. Keep exp from overflowing in the first place: which "
            "shift of a row changes no weight and makes all its exponentials at most 1?",
        ),
        Mistake(
            "over_queries",
            (
                _divided(_over(np.max, 0), _over(np.sum, 0)),
                _divided(_over(np.max), _over(np.sum, 0)),
            ),
            "In a matrix of scores your columns sum to 1, not your rows. Which index names the query, and "
            "which the keys that share its attention?",
            "Print weights.sum(axis=0) and weights.sum(axis=-1) of your result: the second must be all "
            "ones. Look at the axis of every reduction that you make.",
        ),
        Mistake(
            "second_axis",
            (_divided(_over(np.max, 1), _over(np.sum, 1)), _divided(_over(np.max), _over(np.sum, 1))),
            "A matrix comes out right, but neither a single row nor an array of three axes does. Which axis "
            "is the last one there?",
            "You name an axis by its number from the front. A single row has only axis 0, and three axes end "
            "with axis 2. How do you name the last axis, however many there are?",
        ),
        Mistake(
            "row_by_row",
            (_each_first, _each_first_as_list, _each_first_by_index),
            "You go through the rows of a matrix. A single row of scores has no rows, and the rows of an "
            "array of three axes are matrices.",
            "Which reductions of NumPy work along the last axis, however many stand before it? With `axis` "
            "and `keepdims` no loop is needed.",
        ),
        Mistake(
            "one_sum",
            (_divided(np.max, np.sum), _divided(total=np.sum)),
            "All your weights together sum to 1, but each row should do so by itself.",
            "Each row is one query's attention, so each row has a total of its own. For two rows of equal "
            "scores every row must be [0.5, 0.5]; yours holds quarters.",
        ),
        Mistake(
            "one_largest",
            _divided(np.max),
            "Some rows come out NaN where the rows of a matrix lie far apart. What is left of a row near 0 "
            "when you subtract 1000 from it?",
            "For [[1000, 999], [1, 0]] both rows must be alike. One number for the whole matrix protects "
            "only the row that it comes from; the others underflow to 0/0.",
        ),
        Mistake(
            "without_keepdims",
            (
                _divided(_over(np.max, keepdims=False), _over(np.sum, keepdims=False)),
                _divided(total=_over(np.sum, keepdims=False)),
                _divided(np.max, _over(np.sum, keepdims=False)),
                _divided(_over(np.max, keepdims=False)),
            ),
            "A single row is right, but with several rows the shapes do not fit, or worse: in a square "
            "matrix they fit, and each number meets what belongs to another row.",
            "The sum over the last axis of a (3, 3) array has shape (3,), and NumPy lines that up with the "
            "columns. Which shape would line up with the rows, and which argument of the reduction keeps it?",
        ),
    ),
    hint="Exponentiate and divide by the sum, row by row. Before that, use that a shift of a whole row "
    "changes no weight.",
    more="Three steps along the last axis, with the axis kept: the largest score of each row, the "
    "exponentials of the scores minus it, their sum. Try [1000, 999], [-1000, -999] and [0, -inf], one "
    "after the other.",
    example=(np.array([[500.0, 500.0, -np.inf], [-7.0, -7.0, -7.0]]),),
)
