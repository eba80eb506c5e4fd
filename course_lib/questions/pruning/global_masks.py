"""Question: three arrays, one budget."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pruning._shared import (
    _MASKS,
    _comparing,
    _count,
    _cut,
    _drop_first,
    _dropping,
    _dropping_the_end,
    _dropping_the_largest,
    _inverted,
    _last_of_equal_values,
    _last_of_equals,
    _not_stable,
    _order_as_ranks,
    _partitioned,
    _quantile,
    _right_mask,
    _tied,
    pruning,
)


def _global_calls(rng):
    tied, many = _tied(rng, (4, 8, 7)), _tied(rng, (70, 150, 80))
    return [
        ((rng.normal(size=(6, 5)), 0.1 * rng.normal(size=(4, 7)), 0.4 * rng.normal(size=(3, 3))), 0.6),
        Call(((tied[:8].reshape(2, 4), tied[8:13], tied[13:].reshape(3, 2)), 0.4), "equal magnitudes"),
        (
            (
                0.5 * rng.normal(size=(3, 3, 2, 2)).astype("float32"),
                rng.normal(size=(4, 6)).astype("float32"),
                0.02 * rng.normal(size=12).astype("float32"),
            ),
            0.3,
        ),
        ((0.2 * rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=(3, 2))), 0.8),
        # So many equal ones that a sort which is not stable puts them out of order.
        Call(
            ((many[:100].reshape(10, 10), many[100:180], many[180:].reshape(3, 4, 10)), 0.4),
            "equal magnitudes",
        ),
        Call(
            ((rng.normal(size=5), rng.normal(size=(3, 2)), rng.normal(size=(2, 3))), 0.8),
            "a product that is rounded up",
        ),
    ]


def _together(decide):
    """Masks from one decision on all weights in a row."""

    def answer(weights, sparsity):
        flat = decide(np.concatenate([each.ravel() for each in weights]), sparsity)
        parts = np.split(flat, np.cumsum([each.size for each in weights])[:-1])
        return tuple(part.reshape(each.shape) for part, each in zip(parts, weights, strict=True))

    return answer


def _of_each(change):
    """Something done to each array of the right masks."""

    def answer(weights, sparsity):
        masks = _together(_right_mask)(weights, sparsity)
        return tuple(change(each, mask) for each, mask in zip(weights, masks, strict=True))

    return answer


def _scaled_by(scale):
    def answer(weights, sparsity):
        return _together(_right_mask)([each / max(scale(each), 1e-12) for each in weights], sparsity)

    return answer


def _root_of_squares(array):
    return np.sqrt(np.mean(array**2))


def _each_alone(weights, sparsity):
    return tuple(_right_mask(each, sparsity) for each in weights)


def _equal_numbers(count):
    """Each array loses the same number of weights, made of that of all three together."""

    def answer(weights, sparsity):
        each = count(sparsity * sum(array.size for array in weights))
        return tuple(_drop_first(np.abs(array), each) for array in weights)

    return answer


def _mean_threshold(threshold, compare):
    def answer(weights, sparsity):
        border = np.mean([threshold(np.sort(np.abs(each), axis=None), sparsity) for each in weights])
        return tuple(compare(np.abs(each), border) for each in weights)

    return answer


def _at_count(more):
    return lambda ordered, sparsity: ordered[min(max(_count(ordered, sparsity) + more, 0), ordered.size - 1)]


def _from_the_last(weights, sparsity):
    return _together(_right_mask)(weights[::-1], sparsity)[::-1]


QUESTION = Question(
    id="pruning.global_masks",
    title="Three arrays, one budget",
    points=2,
    minutes=10,
    signature="global_masks(weights, sparsity)",
    calls=_global_calls,
    reference=lambda weights, sparsity: tuple(
        pruning.magnitude_masks(dict(enumerate(weights)), sparsity, "global").values()
    ),
    returns=("array", "array", "array"),
    names=("masks[0]", "masks[1]", "masks[2]"),
    mistakes=(
        Mistake(
            "each_its_share",
            (
                _each_alone,
                _equal_numbers(lambda all_of_them: round(all_of_them / 3)),
                _equal_numbers(lambda all_of_them: round(all_of_them) // 3),
                _mean_threshold(_at_count(-1), np.greater),
                _mean_threshold(_at_count(0), np.greater_equal),
                _mean_threshold(np.quantile, np.greater),
                _mean_threshold(np.quantile, np.greater_equal),
            ),
            "You settle something for each array on its own: how many of its weights go, or a threshold. "
            "Here the weights of all three compete with each other.",
            "Put all magnitudes in one row before you count or sort anything, and cut the chosen mask into "
            "three afterwards. An array of small weights then loses more, perhaps all, and another hardly "
            "any.",
        ),
        Mistake(
            "by_value",
            (
                _together(_dropping(_count, score=lambda weights: weights)),
                _together(_dropping(_cut(np.floor), score=lambda weights: weights)),
                _together(_last_of_equal_values),
                _together(_comparing(np.greater, -1, score=lambda weights: weights)),
                _together(_comparing(np.greater_equal, score=lambda weights: weights)),
            ),
            "All three arrays compete, as they should, but the most negative weights lose, not the ones "
            "nearest to zero.",
            "Somewhere your weights still have their signs. A weight of -0.01 must go long before one of -2.",
        ),
        Mistake(
            "ties_all_dropped",
            _together(_comparing(np.greater, -1)),
            "Right while all magnitudes differ. Weights that are equal to your common threshold all go, and "
            "together they are too many.",
            "Exactly so many of all weights are dropped, and equal ones can lie in different arrays. A "
            "stable order of places, over the three arrays in a row, settles which ones go.",
        ),
        Mistake(
            "ties_all_kept",
            _together(_comparing(np.greater_equal)),
            "Right while all magnitudes differ. Weights that are equal to your common threshold all stay, "
            "and together the zeros are too few.",
            "A threshold cannot tell equals apart. Put the places of all three arrays in a row into a stable "
            "order, and drop exactly so many of them.",
        ),
        Mistake(
            "quantile",
            (_together(_quantile(np.greater)), _together(_quantile(np.greater_equal))),
            "A quantile gives about the right share of zeros. Here their number has to be exact.",
            "A quantile may lie between two weights or on several, so one too many goes, or a whole group of "
            "equals. Count first, then choose places.",
        ),
        Mistake(
            "standardised",
            (
                *(_scaled_by(scale) for scale in (np.std, np.ptp, np.linalg.norm, _root_of_squares)),
                _scaled_by(lambda each: np.abs(each).max()),
                _scaled_by(lambda each: np.abs(each).mean()),
            ),
            "You bring the arrays to a common scale before they compete. Then one of small weights no longer "
            "loses more than the others.",
            "Nothing is divided here: the magnitudes themselves are compared. If you do it to be fair to an "
            "array of small weights, you move back towards the same share for each.",
        ),
        Mistake(
            "order_taken_for_ranks",
            _together(_order_as_ranks),
            "The number of zeros is right, their places are not. What does the first entry of np.argsort "
            "tell you: the rank of the first weight, or something else?",
            "np.argsort lists places, the one of the least weight first. It is to be used as an index into "
            "the mask; comparing its entries with a number says nothing about the weight that stands there.",
        ),
        Mistake(
            "left_flat",
            _of_each(lambda weights, mask: mask.ravel()),
            "The right weights go, but your masks are flat. Each must have the shape of its array.",
            "After the cut into three parts, one step is missing for arrays with more than one axis.",
        ),
        Mistake(
            "not_stable",
            (_together(_not_stable), _together(_partitioned)),
            "Of many equal magnitudes you do not drop the first ones.",
            "np.argsort keeps equals in their order only with the right `kind`; with a few of them it may "
            "look so by chance.",
        ),
        Mistake(
            "last_of_equals_dropped",
            (_together(_last_of_equals), _from_the_last),
            "Of equal magnitudes it is not the first ones, in the order of the three arrays, that you drop.",
            "Put the arrays in a row in their order, and sort from the least on, stably: then the first of "
            "equals come first, and they go.",
        ),
        Mistake(
            "swapped",
            tuple(_together(_inverted(answer)) for answer in _MASKS),
            "Your masks are True where the weight goes. Multiply the weights by them: what is left?",
            "True means that the weight stays, False that it becomes zero. Sparsity is the share of False.",
        ),
        Mistake(
            "not_rounded",
            (_together(_dropping(_cut(np.floor))), _together(_dropping(_cut(np.ceil)))),
            "In some calls your count is one off: how do you make it a whole number?",
            "The number of all weights times the sparsity is rounded to the nearest whole number, once, for "
            "the three arrays together. int() and // cut off.",
        ),
        Mistake(
            "one_off",
            (
                _together(_dropping(lambda weights, sparsity: _count(weights, sparsity) + 1)),
                _together(_dropping(lambda weights, sparsity: _count(weights, sparsity) - 1)),
                _together(_comparing(np.greater)),
                _together(_comparing(np.greater_equal, -1)),
            ),
            "Even where all magnitudes differ you drop one weight too many or too few, over the three "
            "arrays.",
            "In a sorted row, the weights that go are those at the places 0 to count - 1. Count the zeros of "
            "your three masks and compare.",
        ),
        Mistake(
            "weights_returned",
            _of_each(lambda weights, mask: weights * mask),
            "You return the pruned weights. What is asked for are the three masks.",
            "A mask has True where a weight stays and False where it goes, nothing else.",
        ),
        Mistake(
            "share_that_stays",
            _together(_dropping(lambda weights, sparsity: weights.size - _count(weights, sparsity))),
            "You take the sparsity for the share that stays. It is the share that goes.",
            "With sparsity 0.8, eight of ten weights become zero, over the three arrays. Which part of your "
            "order does your count cut off?",
        ),
        Mistake(
            "largest_dropped",
            (_together(_dropping_the_largest), _together(_dropping_the_end)),
            "You drop the right number of weights, but the largest ones.",
            "An array of small weights must lose more than the others, and yours loses least. From which end "
            "of your order do you take?",
        ),
    ),
    hint="Put the three flat arrays in a row with np.concatenate, use your mask of question 1 on that, and "
    "cut it again. What np.split wants are the places of the cuts, not the sizes of the parts.",
    more="The mask of question 1 for all weights in a row settles everything, ties and rounding too. The "
    "cuts lie at the sum of the sizes so far: after the first array, and after the first two. Then each part "
    "takes the shape of its array.",
    example=((np.array([0.5, -4.0]), np.array([[-0.5], [0.1]]), np.array([3.0, 0.5])), 0.5),
)
