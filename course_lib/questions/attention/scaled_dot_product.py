"""Question: scaled dot-product attention with a mask."""

import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.attention._shared import (
    _divided,
    _no_shift,
    _over,
    _scores,
    _softmax,
    attention,
)


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


def _hidden(scores, mask):
    return scores if mask is None else np.where(mask, scores, -np.inf)


def _weighted(power=0.5, hide=_hidden, weigh=_softmax):
    """Attention with a part replaced."""

    def answer(query, key, value, mask=None):
        return weigh(hide(_scores(query, key, power), mask)) @ value

    return answer


def _by_root_of(size):
    """Attention with the root of another size, a function of query, key and value."""

    def answer(query, key, value, mask=None):
        scores = query @ np.swapaxes(key, -1, -2) / math.sqrt(size(query, key, value))
        return _softmax(_hidden(scores, mask)) @ value

    return answer


def _scaled_after(query, key, value, mask=None):
    return _softmax(_hidden(_scores(query, key, 0), mask)) / math.sqrt(query.shape[-1]) @ value


def _multiplied_by(product):
    """Attention with another product of queries and keys."""

    def answer(query, key, value, mask=None):
        return _softmax(_hidden(product(query, key) / math.sqrt(query.shape[-1]), mask)) @ value

    return answer


def _after(change):
    """Attention that hides keys in the weights; `change` makes new ones from them and the mask."""

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


QUESTION = Question(
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
