"""Questions of lesson 01: softmax, attention, masks, heads, positions, the gradient and the cost."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

attention = Lesson("attention")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    @functools.wraps(function)
    def quietly(*arguments, **parts):
        with np.errstate(all="ignore"):
            return function(*arguments, **parts)

    return quietly


def _over(reduce, axis=-1, keepdims=True):
    return functools.partial(reduce, axis=axis, keepdims=keepdims)


_MAX, _SUM = _over(np.max), _over(np.sum)


def _divided(shift=_MAX, total=_SUM):
    """A softmax out of what is subtracted from the scores and what their exponentials are divided by."""

    @_quiet
    def softmax(scores):
        exponentials = np.exp(scores - shift(scores))
        return exponentials / total(exponentials)

    return softmax


def _no_shift(scores):
    return 0.0


_softmax = _divided()

# Softmax


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


_SOFTMAX = Question(
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


# Scaled dot-product attention


def _some(rng, *shape):
    """A mask in which every row and every column of three or more has both True and False."""
    lead = rng.integers(3, size=(*shape[:-2], 1, 1))
    return (np.add.outer(np.arange(shape[-2]), np.arange(shape[-1])) + lead) % 3 > 0


def _large_case(rng):
    """Scores of thousands, either way, exact in float32. In the first row the largest is hidden."""
    query, key = (rng.integers(-8, 9, size=(count, 4)) / 4 for count in (3, 5))
    query[:, 0], key[:, 0] = [88.0, -88.0, 0.25], [64.0, -64.0, -64.0, 64.0, -64.0]
    mask = np.array([[0, 1, 1, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 1, 0]], dtype=bool)
    return query, key, rng.normal(size=(5, 2)), mask


def _attention_calls(rng):
    return [
        (rng.normal(size=(2, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 2))),
        (rng.normal(size=(5, 9)), rng.normal(size=(4, 9)), rng.normal(size=(4, 3)), None),
        Call((*rng.normal(size=(3, 3, 4)), _some(rng, 3, 3)), about="a mask"),
        Call((*rng.normal(size=(3, 2, 3, 4, 8)), _some(rng, 2, 1, 4, 4)), about="a mask"),
        Call((*rng.normal(size=(3, 2, 5, 4)).astype("float32"), _some(rng, 5, 5)), about="a mask"),
        Call(_large_case(rng), about="a mask"),
        (rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 4, 6)), rng.normal(size=(2, 4, 5))),
        # At depth 1 there is nothing to scale, so that a mistake with the mask shows by itself.
        Call((rng.normal(size=(4, 1)), *rng.normal(size=(2, 4, 1)), _some(rng, 4, 4)), about="a mask"),
    ]


def _scores(query, key, power=0.5):
    return query @ np.swapaxes(key, -1, -2) / query.shape[-1] ** power


def _hidden(scores, mask):
    return scores if mask is None else np.where(mask, scores, -np.inf)


def _weighted(power=0.5, hide=_hidden, weigh=_softmax):
    """Attention with a part replaced."""

    @_quiet
    def answer(query, key, value, mask=None):
        return weigh(hide(_scores(query, key, power), mask)) @ value

    return answer


def _by_root_of(size):
    """Attention with the root of another size, a function of query, key and value."""

    @_quiet
    def answer(query, key, value, mask=None):
        scores = query @ np.swapaxes(key, -1, -2) / math.sqrt(size(query, key, value))
        return _softmax(_hidden(scores, mask)) @ value

    return answer


@_quiet
def _scaled_after(query, key, value, mask=None):
    return _softmax(_hidden(_scores(query, key, 0), mask)) / math.sqrt(query.shape[-1]) @ value


def _multiplied_by(product):
    """Attention with another product of queries and keys."""

    @_quiet
    def answer(query, key, value, mask=None):
        return _softmax(_hidden(product(query, key) / math.sqrt(query.shape[-1]), mask)) @ value

    return answer


def _after(change):
    """Attention that hides keys in the weights; `change` makes new ones from them and the mask."""

    @_quiet
    def answer(query, key, value, mask=None):
        weights = _softmax(_scores(query, key))
        return (weights if mask is None else change(weights, mask)) @ value

    return answer


def _divided_again(weights, mask):
    weights = weights * mask
    return weights / weights.sum(axis=-1, keepdims=True)


def _if(test):
    """A way to hide that applies to masks only."""
    return lambda scores, mask: scores if mask is None else test(scores, mask)


def _in_place_of_hidden(number):
    return _weighted(hide=_if(lambda scores, mask: np.where(mask, scores, number)))


def _added_to_hidden(number):
    return _weighted(hide=_if(lambda scores, mask: scores + (1.0 - mask) * number))


def _mask_as_index(scores, mask):
    scores[~mask] = -np.inf
    return scores


_ATTENTION = Question(
    id="attention.scaled_dot_product",
    title="Scaled dot-product attention with a mask",
    points=2,
    minutes=15,
    signature="scaled_dot_product_attention(query, key, value, mask=None)",
    calls=_attention_calls,
    reference=lambda query, key, value, mask=None: attention.scaled_dot_product_attention(
        query, key, value, mask
    ),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "unscaled",
            (_weighted(power=0), _weighted(power=-0.5)),
            "Your attention is more decided than it should be, and the more so the deeper the vectors. What "
            "keeps the variance of a dot product from growing with d?",
            "With query [[2, 0, 0, 0]] and keys [[2, 0, 0, 0], [0, 0, 0, 0]] the scores that go into the "
            "softmax must be 2 and 0. Your first one is larger.",
        ),
        Mistake(
            "scaled_by_depth",
            _weighted(power=1),
            "Your attention is too even: the scores are made smaller than they should be. A dot product of "
            "d terms has variance d; what is its standard deviation?",
            "At d = 4 a score of 4 must become 2, at d = 9 a score of 9 must become 3. Yours become 1.",
        ),
        Mistake(
            "scaled_by_another_axis",
            (
                _by_root_of(lambda query, key, value: query.shape[-2]),
                _by_root_of(lambda query, key, value: key.shape[-2]),
                _by_root_of(lambda query, key, value: value.shape[-1]),
                _by_root_of(lambda query, key, value: query.shape[0]),
                _by_root_of(lambda query, key, value: query.shape[1]),
            ),
            "You divide the scores by the root of the wrong length. d is how many terms a dot product of a "
            "query and a key has.",
            "Print the number under your root for a query of shape (2, 5, 9) and values of depth 3: it must "
            "be 9. Which index of which shape is that, with any number of leading axes?",
        ),
        Mistake(
            "scaled_after",
            _scaled_after,
            "You divide by √d after the softmax: your weights are more decided than they should be, and they "
            "sum to 1/√d instead of 1.",
            "The division is there to keep the scores small that go into the softmax. In softmax(QKᵀ / √d) "
            "V, what stands inside the parentheses?",
        ),
        Mistake(
            "over_queries",
            (
                _weighted(weigh=_divided(_over(np.max, -2), _over(np.sum, -2))),
                _weighted(weigh=_divided(_over(np.max, 0), _over(np.sum, 0))),
                _weighted(weigh=_divided(np.max, np.sum)),
                _weighted(weigh=_divided(_over(np.max, (-2, -1)), _over(np.sum, (-2, -1)))),
                *(
                    _weighted(
                        hide=_if(lambda scores, mask, number=number: np.where(mask, scores, number)),
                        weigh=_divided(_over(np.max, shift), _over(np.sum, -2)),
                    )
                    for number in (-np.inf, -1e9)
                    for shift in (-2, -1)
                    if (number, shift) != (-np.inf, -2)
                ),
            ),
            "Your weights do not sum to 1 for each query. Over which axis does a query share out its "
            "attention?",
            "The scores have shape (..., query_length, key_length). Print the sums of your weights over the "
            "last axis; a query's weights over all keys must sum to 1, whatever the other queries do.",
        ),
        Mistake(
            "axes_counted",
            (
                _multiplied_by(lambda query, key: query @ key.T),
                _multiplied_by(lambda query, key: np.dot(query, np.swapaxes(key, -1, -2))),
                _multiplied_by(lambda query, key: query @ np.transpose(key, (0, 2, 1))),
                _weighted(weigh=_divided(_over(np.max, 1), _over(np.sum, 1))),
            ),
            "Your code is right for one number of axes and not for others: texts and heads may stand before "
            "the length, or nothing.",
            "Go through it with shapes: query (2, 8, 5, 4), key (2, 8, 6, 4). Which operations name axes by "
            "their place from the front, turn round all of them, or only know matrices? Count from the end.",
        ),
        Mistake(
            "without_keepdims",
            (
                _weighted(weigh=_divided(_over(np.max, keepdims=False), _over(np.sum, keepdims=False))),
                _weighted(weigh=_divided(total=_over(np.sum, keepdims=False))),
                _weighted(weigh=_divided(np.max, _over(np.sum, keepdims=False))),
                _weighted(weigh=_divided(_no_shift, _over(np.sum, keepdims=False))),
            ),
            "In your softmax the shapes do not fit, or, where there are as many queries as keys, they fit "
            "and each number meets what belongs to another query.",
            "What a reduction over the last axis leaves has shape (..., query_length), and NumPy lines that "
            "up with the keys. Which argument keeps the axis, with the length 1? Question 1 needs it, too.",
        ),
        Mistake(
            "unshifted",
            _weighted(weigh=_divided(_no_shift)),
            "All is right until scores are large; then NaN appears. Question 1 is about this.",
            "Scores of some thousands, either way, are allowed here. Your softmax must not take exp of 2000, "
            "nor divide by a sum that underflowed to 0: call the one of question 1.",
        ),
        Mistake(
            "largest_of_others",
            (
                _weighted(weigh=_divided(np.max)),
                _after(_divided_again),
                _weighted(
                    hide=_if(
                        lambda scores, mask: np.where(
                            mask, scores - scores.max(axis=-1, keepdims=True), -np.inf
                        )
                    ),
                    weigh=_divided(_no_shift),
                ),
            ),
            "All is right until scores lie far apart; then NaN appears, because everything that a query may "
            "see underflows to 0. What did you subtract there?",
            "Take the scores [3000, -3000, -2999] with the first one hidden: what is subtracted must be the "
            "largest of what this query may see, -2999. So what has to come before the softmax?",
        ),
        Mistake(
            "mask_ignored",
            (lambda query, key, value, mask=None: _weighted()(query, key, value), _added_to_hidden(-1e-9)),
            "Without a mask all is right. With one, the result is as if there were none.",
            "What does your code do with `mask`, and does the result of that reach the softmax? Print the "
            "weights for a mask with a single True in a row: all others must be 0.",
        ),
        Mistake(
            "mask_inverted",
            _weighted(hide=_if(lambda scores, mask: np.where(mask, -np.inf, scores))),
            "Without a mask all is right. With one, each query attends to exactly the keys that it must not "
            "see.",
            "True means “may attend”. Try a mask with a single True in a row: the output of that row must "
            "be the value at that place.",
        ),
        Mistake(
            "weights_zeroed",
            (
                _after(lambda weights, mask: weights * mask),
                _after(lambda weights, mask: np.where(mask, weights, -np.inf)),
            ),
            "You hide keys in the weights, after the softmax. By then the hidden ones have taken their share "
            "of the sum.",
            "Let all scores be equal and hide one of two keys: the other must get the weight 1, yours gets "
            "0.5. What must a hidden score be before the softmax, so that its exponential is 0?",
        ),
        Mistake(
            "mask_added",
            _weighted(hide=_if(lambda scores, mask: scores + mask)),
            "The hidden keys still get weight: your mask shifts the scores of the others by 1 only. NumPy "
            "takes True for 1 and False for 0.",
            "A hidden key must get the weight 0 exactly, so its exponential must be 0. Adding 0 to its "
            "score does not do that. Choose, by the mask, between the score and another number.",
        ),
        Mistake(
            "not_low_enough",
            (
                *(_in_place_of_hidden(n) for n in (0, -1e-9, -1, -5, -10, -15, -20, -50, -100, -1000)),
                *(_added_to_hidden(n) for n in (-5, -10, -15, -20, -50, -100, -1000)),
            ),
            "A hidden key still gets weight, at least for some scores: what stands for its score is not low "
            "enough. Which score has the exponential 0, whatever the others are?",
            "exp(0) is 1, exp(-1e-9) is nearly 1, and beside visible scores of -3000 and -2999 even -1000 "
            "takes all the weight. Look for the one number that is below all others.",
        ),
        Mistake(
            "zero_times_infinity",
            (
                _weighted(hide=_if(lambda scores, mask: scores + (1 - mask) * -np.inf)),
                _weighted(hide=_if(lambda scores, mask: np.where(mask, scores * -np.inf * 0, -np.inf))),
            ),
            "With a mask everything is NaN. What is 0 times infinity?",
            "Where the mask is True nothing must change, but 0 · -inf is NaN, and so is what you add it to. "
            "Choose between two numbers instead of multiplying: which function of NumPy does that by a mask?",
        ),
        Mistake(
            "mask_as_index",
            _weighted(hide=_if(_mask_as_index)),
            "A mask of the shape of the scores is right, but one that has to be broadcast fails: as an "
            "index, a mask must have the very shape of what it selects from.",
            "A mask of shape (5, 5) is to hold for all texts of scores of shape (2, 5, 5). Which function "
            "of NumPy chooses between two numbers by a mask, and broadcasts as arithmetic does?",
        ),
    ),
    hint="Swap the last two axes of the keys only, multiply, scale, hide, softmax, multiply. Compare shapes "
    "at each step.",
    more="The scores have shape (..., query_length, key_length). Divide them by the root of the length of "
    "the query's last axis; where the mask is False, put what has the exponential 0; then the softmax of "
    "question 1 over the keys, the last axis. First try it without a mask and without leading axes.",
    example=(
        np.array([[1.0, 1.0, 1.0, 1.0]]),
        np.array([[3.0, 3.0, 3.0, 3.0], [1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 2.0, 0.0]]),
        np.array([[9.0, 9.0], [1.0, 0.0], [3.0, 8.0]]),
        np.array([[False, True, True]]),
    ),
)


# Causal mask


_CAUSAL = Question(
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


# Heads


def _heads_calls(rng):
    return [
        (np.arange(8.0).reshape(2, 4) + 10 * rng.integers(1, 9), 2),
        (rng.normal(size=(3, 12)), 4),
        (rng.normal(size=(2, 5, 6)), 2),
        (rng.normal(size=(2, 3, 4, 6)).astype("float32"), 3),
        Call((rng.normal(size=(3, 5)), 1), about="a single head"),
        Call((rng.normal(size=(2, 4, 3)), 3), about="heads of depth 1"),
    ]


def _cut(x, *sizes):
    """Cuts the last axis into parts."""
    return x.reshape(*x.shape[:-1], *sizes)


def _cut_heads(x, heads):
    return _cut(x, heads, x.shape[-1] // heads)


def _for_matrices(x, heads):
    length, channels = x.shape
    return x.reshape(length, heads, channels // heads).transpose(1, 0, 2)


def _for_batches(x, heads):
    batch, length, channels = x.shape
    return x.reshape(batch, length, heads, channels // heads).transpose(0, 2, 1, 3)


_SPLIT = Question(
    id="attention.split_heads",
    title="Splitting into heads",
    points=2,
    minutes=10,
    signature="split_heads(x, num_heads)",
    calls=_heads_calls,
    reference=lambda x, num_heads: attention.split_heads(x, num_heads),
    mistakes=(
        Mistake(
            "only_reshaped",
            lambda x, heads: x.reshape(*x.shape[:-2], heads, x.shape[-2], x.shape[-1] // heads),
            "The shape is right, but your first head holds all channels of the first tokens instead of the "
            "first channels of all tokens.",
            "A reshape keeps the order in which numbers lie in memory: token after token. Head 0 must be "
            "x[..., :depth]. Cut one axis into two without touching the others, and move an axis after that.",
        ),
        Mistake(
            "heads_behind",
            (_cut_heads, lambda x, heads: np.swapaxes(_cut_heads(x, heads), -1, -2)),
            "You cut the channels in the right places, but the axis of the heads stands behind the "
            "sequence. What would a matrix product over the last two axes then multiply?",
            "In your shape the length comes before the heads; attention needs (length, depth) last, and the "
            "heads before both. Which axis has to change places with which?",
        ),
        Mistake(
            "interleaved",
            lambda x, heads: np.moveaxis(_cut(x, x.shape[-1] // heads, heads), -1, -3),
            "Your heads take the channels in turn, like cards that are dealt. A head's channels lie side by "
            "side.",
            "With 4 channels and 2 heads, head 0 has channels 0 and 1; yours has 0 and 2. In which order do "
            "the two parts of the cut axis go into the reshape?",
        ),
        Mistake(
            "sizes_exchanged",
            lambda x, heads: np.swapaxes(_cut(x, x.shape[-1] // heads, heads), -2, -3),
            "You make heads of `num_heads` channels each, not `num_heads` heads. Where both numbers are "
            "equal, that cannot be seen.",
            "With 12 channels and 4 heads the result has 4 heads of 3 channels; yours has 3 heads of 4. Name "
            "the depth first: how is it computed from the number of channels?",
        ),
        Mistake(
            "heads_first",
            lambda x, heads: np.stack(np.split(x, heads, axis=-1)),
            "For a single text it is right. With a batch, your heads stand before the batch.",
            "The new axis belongs just before the sequence, behind all leading axes: (batch, num_heads, "
            "length, depth). Count from the end, then it is right for any number of leading axes.",
        ),
        Mistake(
            "matrix_only",
            (
                _for_matrices,
                lambda x, heads: _cut_heads(x, heads).transpose(1, 0, 2),
                lambda x, heads: np.swapaxes(_cut_heads(x, heads), 0, 1),
            ),
            "A single text of shape (length, channels) is right; with leading axes it is not. Your code "
            "counts on exactly two axes.",
            "Take x.shape[:-1] for whatever stands before the channels, and name the two axes that change "
            "places by negative numbers.",
        ),
        Mistake(
            "batch_only",
            (
                _for_batches,
                lambda x, heads: _cut_heads(x, heads).transpose(0, 2, 1, 3),
                lambda x, heads: np.swapaxes(_cut_heads(x, heads), 1, 2),
                lambda x, heads: np.stack(np.split(x, heads, axis=-1), axis=1),
            ),
            "A batch of shape (batch, length, channels) is right; without leading axes, or with two, it is "
            "not.",
            "Your code counts on exactly one leading axis. Take x.shape[:-1] for whatever stands before the "
            "channels, and count the axes that you move from the end.",
        ),
        Mistake(
            "depth_first",
            lambda x, heads: np.moveaxis(_cut_heads(x, heads), -3, -1),
            "Each head is there, but lies on its side: depth before length. Has one axis more been moved "
            "than needed?",
            "Your shape is (..., num_heads, depth, length). The swap of length and depth is for the keys "
            "and comes later, inside attention. Here length and depth keep their order.",
        ),
    ),
    hint="One reshape that cuts the last axis in two, then one swap of two axes, counted from the end.",
    more="x.shape[:-1] is whatever stands before the channels. Reshape to that, then num_heads, then depth: "
    "this cuts each token's channels and nothing else. The heads now stand behind the length and must come "
    "before it.",
    example=(np.arange(1.0, 13.0).reshape(2, 6), 3),
)


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


_JOIN = Question(
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


# Positions


def _positions_calls(rng):
    lengths, halves = rng.integers(3, 40, size=3), rng.integers(3, 9, size=3)
    return [
        (3, 4),
        *((int(length), 2 * int(half)) for length, half in zip(lengths, halves, strict=True)),
        Call((int(lengths[0]) + 1, 2 * int(halves[0]) + 1), about="an odd depth"),
        Call((4, 1), about="an odd depth"),
    ]


@_quiet
def _waves(length, depth, exponent=None, even=np.sin, odd=np.cos, first=0, base=10000.0, divide=np.divide):
    """Positions with one of their parts replaced; `exponent` is a function of the channels and the depth."""
    channel = np.arange(depth)
    exponent = channel // 2 * 2 / depth if exponent is None else exponent(channel, depth)
    angles = divide(np.arange(first, first + length)[:, None], base**exponent)
    return np.where(channel % 2 == 0, even(angles), odd(angles))


def _other(**parts):
    return lambda length, depth: _waves(length, depth, **parts)


def _angles(length, depth, pairs):
    return np.arange(length)[:, None] / 10000.0 ** (2 * np.arange(pairs) / depth)


def _in_halves(length, depth):
    waves = _waves(length, depth)
    return np.concatenate([waves[:, ::2], waves[:, 1::2]], axis=1)


def _whole_halves(round_up):
    def answer(length, depth):
        angles = _angles(length, depth, (depth + round_up) // 2)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)

    return answer


def _assigned(round_up):
    """Sines and cosines of equally many pairs, assigned to slices: for an odd depth one does not fit."""

    def answer(length, depth):
        angles = _angles(length, depth, (depth + round_up) // 2)
        result = np.zeros((length, depth))
        result[:, 0::2] = np.sin(angles)
        result[:, 1::2] = np.cos(angles)
        return result

    return answer


def _whole_pairs(length, depth):
    angles = _angles(length, depth, depth // 2)
    result = np.zeros((length, depth))
    for pair in range(depth // 2):
        result[:, 2 * pair], result[:, 2 * pair + 1] = np.sin(angles[:, pair]), np.cos(angles[:, pair])
    return result


def _channel_too_many(length, depth):
    angles = _angles(length, depth, (depth + 1) // 2)
    result = np.zeros((length, depth))
    for channel in range(0, depth, 2):
        result[:, channel] = np.sin(angles[:, channel // 2])
        result[:, channel + 1] = np.cos(angles[:, channel // 2])
    return result


def _stacked(round_up):
    def answer(length, depth):
        pairs = (depth + round_up) // 2
        angles = _angles(length, depth, pairs)
        return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, 2 * pairs)

    return answer


def _by_position(length, depth):
    angles = _angles(length, depth, (depth + 1) // 2).repeat(2, axis=1)[:, :depth]
    return np.where(np.arange(length)[:, None] % 2 == 0, np.sin(angles), np.cos(angles))


def _misread(angles):
    """Positions with other angles, a function of the position, the pair and the depth."""

    @_quiet
    def answer(length, depth):
        channel = np.arange(depth)
        angle = angles(np.arange(length)[:, None], channel // 2, depth)
        return np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))

    return answer


_POSITIONS = Question(
    id="attention.sinusoidal_positions",
    title="Sinusoidal positions",
    points=2,
    minutes=15,
    signature="sinusoidal_positions(length, depth)",
    calls=_positions_calls,
    reference=lambda length, depth: attention.sinusoidal_positions(length, depth, dtype="float64"),
    rtol=1e-4,
    atol=1e-4,
    mistakes=(
        Mistake(
            "in_halves",
            (_in_halves, _whole_halves(0), _whole_halves(1)),
            "Your numbers are right but not their places: the sines fill the first half and the cosines "
            "the second.",
            "Both layouts are in use. Here, as in the paper, sine and cosine take turns: at depth 4, "
            "position 1 is [sin 1, cos 1, sin 0.01, cos 0.01]. Even and odd channels can be assigned as "
            "slices with a step.",
        ),
        Mistake(
            "pair_exponent",
            _other(exponent=lambda channel, depth: channel // 2 / depth),
            "Your waves slow down only half as fast as they should: the last pair turns too quickly.",
            "At depth 4 the second pair divides the position by 10000^(2/4) = 100; yours by 10000^(1/4) = "
            "10. Compare your exponent with the formula's.",
        ),
        Mistake(
            "every_channel_its_own",
            _other(exponent=lambda channel, depth: channel / depth),
            "Your sines are right, your cosines are too slow. A sine and the cosine beside it belong to the "
            "same hand of the clock.",
            "Channels 2i and 2i + 1 share one angle: sin² + cos² of neighbours must be 1. Which i does "
            "channel 3 belong to?",
        ),
        Mistake(
            "channel_for_pair",
            _other(exponent=lambda channel, depth: 2 * channel / depth),
            "Nearly all your waves are too slow, and a sine and its cosine have different angles. What does "
            "i count in the formula?",
            "i counts pairs, not channels: at depth 4 it is 0, 0, 1, 1. You put 0, 1, 2, 3 into 2i/d.",
        ),
        Mistake(
            "last_at_10000",
            _other(exponent=lambda channel, depth: channel // 2 / max(depth // 2 - 1, 1)),
            "Your first pair is right and the others are too slow. In your version the last pair has the "
            "period of 10000 in full; in the formula it does not get that far.",
            "At depth 4 the second and last pair divides the position by 10000^(2/4) = 100, yours by 10000. "
            "Some libraries do it like you; compare the denominator of your exponent with the formula's.",
        ),
        Mistake(
            "other_base",
            (_other(base=1000.0), _other(base=100000.0), _other(base=np.e)),
            "The first sine and cosine are right, all later pairs turn at the wrong speed. Compare the base "
            "of your power with the formula's, digit by digit.",
            "At depth 4 position 1 is [sin 1, cos 1, sin 0.01, cos 0.01]. Print what you divide the position "
            "by: it must be 1, 1, 100, 100.",
        ),
        Mistake(
            "multiplied",
            _other(divide=np.multiply),
            "Your later waves turn faster and faster, and they should turn slower and slower. On which side "
            "of the fraction does the power of 10000 stand?",
            "At depth 4, position 1 ends with sin 0.01 and cos 0.01; yours with sin 100 and cos 100.",
        ),
        Mistake(
            "precedence",
            (
                _misread(lambda position, pair, depth: position / (10000.0**2 * pair / depth)),
                _misread(lambda position, pair, depth: position / 10000.0 ** (2 * pair) / depth),
                _misread(lambda position, pair, depth: position / (10000.0 ** (2 * pair) / depth)),
            ),
            "Already the first sine is wrong, where 10000⁰ = 1 should leave the position as it is. What does "
            "Python compute first, a power, or the product and the quotient behind it?",
            "10000 ** 2 * i / d is (10000²) · i / d. All of 2i/d belongs into the exponent: which "
            "parentheses are missing?",
        ),
        Mistake(
            "exchanged",
            _other(even=np.cos, odd=np.sin),
            "Sine and cosine have changed places: position 0 must begin with 0, yours begins with 1.",
            "Position 0 is [0, 1, 0, 1, ...] in the formula. Which of the two has the even channels?",
        ),
        Mistake(
            "only_sines",
            _other(odd=np.sin),
            "Your odd channels hold sines, too, so that the two of a pair are alike.",
            "Position 0 is [0, 1, 0, 1, ...]; yours is all zeros. Which function do channels 1, 3, 5 have?",
        ),
        Mistake(
            "by_position",
            _by_position,
            "Sine and cosine take turns from position to position in your result. They were to do so from "
            "channel to channel.",
            "Position 0 is [0, 1, 0, 1, ...]: both occur within one row. Which axis do you take even and odd "
            "places of?",
        ),
        Mistake(
            "from_one",
            _other(first=1),
            "Your first row is that of position 1. What should the first row be, where every angle is 0?",
            "The first row is [0, 1, 0, 1, ...], and your first row should be the second. Where does your "
            "counting of the positions begin?",
        ),
        Mistake(
            "odd_depth",
            (
                _assigned(1),
                _assigned(0),
                _whole_pairs,
                _channel_too_many,
                _stacked(1),
                _stacked(0),
            ),
            "Even depths are right. With an odd one the last channel is a sine without a cosine: your sines "
            "and cosines are equally many.",
            "At depth 5 there are 3 sines and 2 cosines. Compute the angles for the sines, and cut off the "
            "one that has no cosine; or decide for each channel by itself which of the two it has.",
        ),
    ),
    hint="Make one array of angles, of shape (length, depth), first. Write down for depth 6 which i each "
    "channel has.",
    more="For channel c, i is c // 2. The angle is the position, as a column, divided by 10000 to the power "
    "of 2i/d, as a row. Even channels take the sine of it, odd ones the cosine: np.where, or slices with a "
    "step.",
    example=(2, 3),
)


# The gradient


def _gradient_calls(rng):
    def arrays(queries, keys, depth, width):
        shapes = ((queries, depth), (keys, depth), (keys, width), (queries, width))
        return tuple(1.5 * rng.normal(size=shape) for shape in shapes)

    return [
        arrays(3, 3, 2, 2),
        arrays(4, 4, 9, 3),
        Call(arrays(3, 5, 4, 2), about="more keys than queries"),
        Call(arrays(2, 1, 4, 3), about="a single key"),
    ]


def _right_through(w, dw):
    return w * (dw - (w * dw).sum(axis=-1, keepdims=True))


def _backward(
    through=_right_through, powers=(0.5, 0.5), value_power=0.0, forward=0.5, parts=None, weigh=_softmax
):
    """Gradients with a part replaced.

    Args:
        through: The derivative of the softmax, a function of the weights and their gradient.
        powers: Of the depth, by which the gradients of query and key are divided.
        value_power: The same for the value.
        forward: The power of the depth by which the scores are divided.
        weigh: The softmax.
        parts: Function of the gradient of the scores, weights, query, key and upstream that returns three
            products; None for the right ones.
    """
    parts = parts or (lambda ds, w, query, key, upstream: (ds @ key, ds.T @ query, w.T @ upstream))

    def answer(query, key, value, upstream):
        depth = query.shape[-1]
        weights = weigh(_scores(query, key, forward))
        products = parts(through(weights, upstream @ value.T), weights, query, key, upstream)
        return tuple(
            each / depth**power for each, power in zip(products, (*powers, value_power), strict=True)
        )

    return answer


def _in_order(*places):
    return lambda *arguments: tuple(_backward()(*arguments)[place] for place in places)


_GRADIENTS = Question(
    id="attention.gradients",
    title="The gradient by hand",
    points=4,
    minutes=30,
    signature="attention_gradients(query, key, value, upstream)",
    calls=_gradient_calls,
    reference=lambda query, key, value, upstream: attention.attention_gradients(query, key, value, upstream),
    returns=("array", "array", "array"),
    names=("query_gradient", "key_gradient", "value_gradient"),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "no_row_sum",
            _backward(lambda w, dw: w * dw),
            "The gradient of the values is right; queries and keys get too much. Can you raise one weight "
            "of a row and leave the others as they are?",
            "Weights of a row always sum to 1, so the gradients of a row's scores must sum to 0. Yours do "
            "not. Write out sum_i dW_i p_i (δ_ij - p_j): you have the first of its two terms.",
        ),
        Mistake(
            "diagonal_only",
            _backward(lambda w, dw: w * (1 - w) * dw),
            "The gradient of the values is right. Through the softmax you let each score move only its own "
            "weight, as a sigmoid would.",
            "p_j (1 - p_j) is the Jacobian's diagonal. A score also lowers all the other weights of its "
            "row; which entries of the Jacobian say so, and what do they contribute to the sum?",
        ),
        Mistake(
            "sum_over_queries",
            (
                _backward(lambda w, dw: w * (dw - (w * dw).sum(axis=0, keepdims=True))),
                _backward(lambda w, dw: w * (dw - (w * dw).sum())),
            ),
            "The gradient of the values is right. In the softmax's derivative you sum over the queries, but "
            "different queries have nothing to do with each other.",
            "Each query has a softmax of its own, over the keys. So what you subtract is one number per "
            "query: of which shape is it, and along which axis is the sum?",
        ),
        Mistake(
            "unweighted_sum",
            (
                _backward(lambda w, dw: w * (dw - dw.sum(axis=-1, keepdims=True))),
                _backward(lambda w, dw: w * (dw - dw.mean(axis=-1, keepdims=True))),
                _backward(lambda w, dw: w * (dw - (w * dw).mean(axis=-1, keepdims=True))),
            ),
            "The gradient of the values is right. In the softmax's derivative you subtract something per "
            "row, but not the right thing: check that the gradients of a row's scores sum to 0.",
            "Write out sum_i dW_i p_i (δ_ij - p_j). In the second term each dW_i still has a factor p_i, so "
            "that those count more that have more weight, and it is a sum.",
        ),
        Mistake(
            "factor_forgotten",
            _backward(lambda w, dw: dw - (w * dw).sum(axis=-1, keepdims=True)),
            "The gradient of the values is right. In the softmax's derivative you subtract the right sum, "
            "but a factor is missing: check that the gradients of a row's scores sum to 0.",
            "Of sum_i dW_i p_i (δ_ij - p_j) two terms are left, one of dW_j alone and one of the whole row. "
            "Both have a factor in common that belongs to j; which one is it?",
        ),
        Mistake(
            "without_keepdims",
            _backward(lambda w, dw: w * (dw - (w * dw).sum(axis=-1))),
            "In the softmax's derivative you subtract each query's sum from the wrong place: the shapes do "
            "not fit, or, with as many keys as queries, they fit by chance.",
            "The sums have shape (query_length,), and NumPy lines that up with the keys. Which shape would "
            "line up with the queries, and which argument of the sum keeps it?",
        ),
        Mistake(
            "softmax_skipped",
            _backward(lambda w, dw: dw),
            "The gradient of the values is right. On the way from the weights back to the scores you pass by "
            "the softmax as if it were not there.",
            "upstream @ value.T is the gradient of the weights, not of the scores. The second rule of the "
            "text takes it through the softmax, row by row.",
        ),
        Mistake(
            "unscaled",
            (_backward(powers=(0, 0)), _backward(powers=(-0.5, -0.5))),
            "The directions are right, but the gradients of queries and keys are too long, the more so the "
            "deeper the vectors. That of the values is right.",
            "The scores were divided by √d on the way forward. A constant factor on the way forward is the "
            "same factor on the way back.",
        ),
        Mistake(
            "scaled_twice",
            _backward(powers=(1, 1)),
            "The directions are right, but the gradients of queries and keys are too short, the more so the "
            "deeper the vectors. That of the values is right.",
            "The scores were divided by √d once, so the way back has this factor once, too. Where does your "
            "code have it, and where again?",
        ),
        Mistake(
            "scaled_on_one_side",
            (_backward(powers=(0.5, 0)), _backward(powers=(0, 0.5))),
            "One of the gradients of query and key is right, the other is too long: the factor 1/√d is "
            "missing there.",
            "S = QKᵀ / √d depends on both factors in the same way, so both gradients get the 1/√d. It is "
            "easily put into the gradient of the scores, which goes into both.",
        ),
        Mistake(
            "scaled_everywhere",
            _backward(value_power=0.5),
            "The gradients of query and key are right. That of the values is too short: what has the "
            "division by √d to do with them?",
            "O = WV has no √d in it but for the one inside W. The first rule of the text gives dV from W "
            "and U alone.",
        ),
        Mistake(
            "other_weights",
            (
                _backward(forward=0),
                _backward(powers=(0, 0), forward=0),
                _backward(weigh=_divided(_over(np.max, 0), _over(np.sum, 0))),
                _backward(weigh=_divided(_over(np.max), _over(np.sum, 0))),
                _backward(
                    through=lambda w, dw: w * (dw - (w * dw).sum(axis=0, keepdims=True)),
                    weigh=_divided(_over(np.max, 0), _over(np.sum, 0)),
                ),
                _backward(weigh=_divided(np.max, np.sum)),
            ),
            "Even the gradient of the values is wrong, which needs nothing but the weights and `upstream`: "
            "your weights are not those of the way forward.",
            "W = softmax(S), each row by itself, with S = QKᵀ / √d. Compare your weights with those that "
            "question 2 computes, for the same query and key.",
        ),
        Mistake(
            "exchanged",
            _in_order(1, 0, 2),
            "The numbers are right, but the gradients of query and key have changed places.",
            "The gradient of the query has the shape of the query. Where both lengths are equal the shapes "
            "cannot tell you: the score of query i and key j moves query i along key j.",
        ),
        Mistake(
            "other_order",
            (_in_order(2, 0, 1), _in_order(2, 1, 0), _in_order(0, 2, 1), _in_order(1, 2, 0)),
            "The numbers are right, but the three gradients stand in another order than the one asked for.",
            "The gradient with respect to the values is the first that one finds on the way back, and it is "
            "asked for last: query, key, value.",
        ),
        Mistake(
            "own_matrices",
            _backward(parts=lambda ds, w, query, key, upstream: (ds @ query, ds.T @ key, w.T @ upstream)),
            "The gradient of the values is right where the shapes fit. But you build the gradient of the "
            "queries from queries and that of the keys from keys.",
            "For a product AB, dA is made with B, and dB with A. S is a product of the queries and the keys: "
            "along which vectors does a query move when its scores change?",
        ),
        Mistake(
            "not_transposed",
            (
                _backward(parts=lambda ds, w, query, key, upstream: (ds @ key, ds @ query, w.T @ upstream)),
                _backward(parts=lambda ds, w, query, key, upstream: (ds @ key, ds.T @ query, w @ upstream)),
                _backward(parts=lambda ds, w, query, key, upstream: (ds @ key, ds @ query, w @ upstream)),
            ),
            "A matrix is not transposed that should be. With as many keys as queries the shapes fit all the "
            "same; with more keys they do not.",
            "Write the shapes under each product, for 3 queries and 5 keys: weights and their gradients are "
            "(3, 5). The gradients of keys and values need 5 rows, a sum over the queries.",
        ),
    ),
    hint="Go backwards through weights @ value, the softmax of each row, and query @ key.T / √d, one step "
    "at a time; compare each with finite differences.",
    more="From `upstream` the first rule gives two things: the gradient of the values and that of the "
    "weights. The sum in the second rule splits into two terms; the second is p_j times one number per row. "
    "With the gradient of the scores, the first rule gives those of query and key; 1/√d goes with them.",
    example=(
        np.array([[0.0, 2.0, 0.0, 0.0]]),
        np.array([[1.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]]),
        np.array([[0.0], [4.0]]),
        np.array([[1.0]]),
    ),
)


# The cost


def _cost_calls(rng):
    length, depth = (int(n) for n in rng.integers(3, 500, size=2))
    return [
        (3, 2),
        (3, 2, True),
        (length, depth),
        (length, depth, True),
        Call((1, 64, True), about="a single token"),
        (100_000 + length, 1000 + depth, False),
        (100_000 + length, 1000 + depth, True),
    ]


def _cost(pairs, each):
    """A count with other factors: of length² depth, and of length depth²."""
    return lambda n, d, projections=False: pairs * n * n * d + (each * n * d * d if projections else 0)


_COST = Question(
    id="attention.multiplications",
    title="What attention costs",
    points=1,
    minutes=5,
    signature="multiplications(length, depth, projections=False)",
    calls=_cost_calls,
    reference=lambda length, depth, projections=False: attention.multiplications(length, depth, projections),
    rtol=1e-9,
    atol=0.0,
    dtypes=("int",),
    mistakes=(
        Mistake(
            "additions_too",
            _cost(4, 8),
            "Your count is exactly twice too large. Which operations are asked for?",
            "A dot product of depth d takes d multiplications and about d additions. Speeds are often given "
            "in both together; here only the multiplications count.",
        ),
        Mistake(
            "scores_only",
            _cost(1, 4),
            "You count half of the n × n part: the scores. What happens to the weights after the softmax?",
            "There are two products with an n × n matrix in them: one makes it, from queries and keys, the "
            "other uses it. Count the second in the same way.",
        ),
        Mistake(
            "depth_forgotten",
            (
                lambda n, d, projections=False: 2 * n * n + (4 * n * d * d if projections else 0),
                lambda n, d, projections=False: n * n * d + n * n + (4 * n * d * d if projections else 0),
                lambda n, d, projections=False: n * n + (4 * n * d * d if projections else 0),
            ),
            "Your n × n part is too small: you count numbers, and each takes several multiplications.",
            "3 tokens have 9 scores, and each is a dot product of two vectors of `depth` numbers. The "
            "average has 3 · `depth` numbers, and each is a sum over 3 values.",
        ),
        Mistake(
            "softmax_too",
            (
                lambda n, d, projections=False: _cost(2, 4)(n, d, projections) + n * n,
                lambda n, d, projections=False: _cost(2, 4)(n, d, projections) + 2 * n * n,
            ),
            "You count some operations per score besides the two products: they were to be left out.",
            "For 3 tokens of depth 2 the result is 36: twice 9 · 2. The scaling and the softmax, a few "
            "operations for each of the 9 scores, do not count.",
        ),
        Mistake(
            "three_projections",
            _cost(2, 3),
            "Without projections you are right; with them you count one too few. Query, key, value: which "
            "matrix comes after the heads are joined?",
            "A multi-head layer has one projection more than it has inputs to attention: the joined heads "
            "go through it too. It costs what each of the others costs.",
        ),
        Mistake(
            "one_projection",
            _cost(2, 1),
            "Without projections you are right; with them you count a single one. How many matrices does a "
            "multi-head layer have?",
            "Count the letters W in the lesson's section on several heads, the output's among them. Each "
            "takes length · depth² multiplications.",
        ),
        Mistake(
            "length_forgotten",
            lambda n, d, projections=False: 2 * n * n * d + (4 * d * d if projections else 0),
            "Without projections you are right, and with them for a single token. How many vectors go "
            "through each projection?",
            "A projection multiplies an array of shape (length, depth) by a matrix of shape (depth, depth): "
            "an (a, b) matrix times a (b, c) matrix takes a · b · c multiplications.",
        ),
        Mistake(
            "projections_only",
            lambda n, d, projections=False: 4 * n * d * d if projections else 2 * n * n * d,
            "Without projections you are right; with them you count nothing else. They were to be added.",
            "With `projections=True` the result is the count of before and the four projections besides: "
            "for 3 tokens of depth 2 it is 36 and four times 3 · 2 · 2.",
        ),
        Mistake(
            "projections_ignored",
            _cost(2, 0),
            "Without projections you are right; with them your count is the same. What is the third argument "
            "for?",
            "With `projections=True` four more products are added, each of a (length, depth) array and a "
            "(depth, depth) matrix.",
        ),
        Mistake(
            "projections_always",
            lambda n, d, projections=False: _cost(2, 4)(n, d, True),
            "With projections you are right; without them you count them all the same.",
            "multiplications(3, 2) is 36: nothing but scores and average. When are the projections to be "
            "added?",
        ),
        Mistake(
            "exchanged",
            lambda n, d, projections=False: _cost(2, 4)(d, n, projections),
            "Length and depth have changed places in your count: twice the text should make the n × n part "
            "four times as dear.",
            "How many scores are there for 3 tokens of depth 2, and how many multiplications does each one "
            "take? It is 9 scores of 2 each, not 4 of 3.",
        ),
    ),
    hint="An (a, b) matrix times a (b, c) matrix takes a · b · c multiplications. List the products with "
    "their shapes.",
    more="The scores: (length, depth) times (depth, length). The average: (length, length) times (length, "
    "depth). Each projection: (length, depth) times (depth, depth). Multiply the three numbers of each, and "
    "add.",
    example=(2, 5, True),
)


QUESTIONS = (_SOFTMAX, _ATTENTION, _CAUSAL, _SPLIT, _JOIN, _POSITIONS, _GRADIENTS, _COST)
