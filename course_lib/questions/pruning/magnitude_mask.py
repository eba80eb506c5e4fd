"""Question: a mask by magnitude."""

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
    _signs,
    _tied,
    pruning,
)


def _magnitude_calls(rng):
    return [
        (rng.normal(size=(4, 5)), 0.5),
        Call((rng.normal(size=13), 0.9), "a product that is rounded up"),
        Call((_tied(rng, (5, 9, 7)).reshape(3, 7), 0.4), "equal magnitudes"),
        (rng.normal(size=(3, 3, 2, 4)).astype("float32"), 0.25),
        Call((_signs(rng, np.full((4, 4), 0.5)), 0.75), "equal magnitudes"),
        Call((_tied(rng, (3, 31, 14)).reshape(6, 8), 0.7), "equal magnitudes"),
        # So many equal ones that a sort which is not stable puts them out of order.
        Call((_tied(rng, (60, 160, 80)).reshape(15, 20), 0.44), "equal magnitudes"),
        Call((rng.normal(size=(3, 7)), 0.3), "a product that is rounded down"),
    ]


_COMPARISONS = (np.greater, np.greater_equal)


def _above_share(scale, compare):
    """A threshold that is the sparsity times something of the magnitudes."""
    return lambda weights, sparsity: compare(np.abs(weights), sparsity * scale(np.abs(weights)))


def _each_row(weights, sparsity):
    rows = np.abs(weights).reshape(-1, weights.shape[-1])
    mask = np.stack([_drop_first(row, _count(row, sparsity)) for row in rows])
    return mask.reshape(weights.shape)


QUESTION = Question(
    id="pruning.magnitude_mask",
    title="A mask by magnitude",
    points=2,
    minutes=10,
    signature="magnitude_mask(weights, sparsity)",
    calls=_magnitude_calls,
    reference=lambda weights, sparsity: pruning.magnitude_masks({"w": weights}, sparsity)["w"],
    mistakes=(
        Mistake(
            "by_value",
            (
                _dropping(_count, score=lambda weights: weights),
                _dropping(_cut(np.floor), score=lambda weights: weights),
                _last_of_equal_values,
                _comparing(np.greater, -1, score=lambda weights: weights),
                _comparing(np.greater_equal, score=lambda weights: weights),
            ),
            "You drop the most negative weights, and keep positive ones nearer to zero. Which weight "
            "changes an output least when it goes?",
            "A weight of -3 matters as much as one of 3. Least in magnitude means nearest to zero, from "
            "either side.",
        ),
        Mistake(
            "swapped",
            tuple(map(_inverted, _MASKS)),
            "Your mask is True where the weight goes. Multiply the weights by it: which ones are left?",
            "True means that the weight stays, so that weights * mask is the pruned array. With a sparsity "
            "of 0.9, a tenth of the mask is True.",
        ),
        Mistake(
            "ties_all_dropped",
            _comparing(np.greater, -1),
            "Right while all magnitudes differ. Where several weights share the magnitude of your threshold, "
            "all of them go, and too many zeros result.",
            "Keeping what is above a threshold lets a value decide, and equal weights cannot be told apart "
            "by their value. Choose places instead: put the places in order, and take exactly so many of "
            "them.",
        ),
        Mistake(
            "ties_all_kept",
            _comparing(np.greater_equal),
            "Right while all magnitudes differ. Where several weights share the magnitude of your threshold, "
            "all of them stay, and there are too few zeros.",
            "Count the zeros in your mask of the array whose weights are all 0.5 or -0.5: there are none. "
            "Which function of NumPy gives the order of the places instead of the sorted values?",
        ),
        Mistake(
            "quantile",
            (_quantile(np.greater), _quantile(np.greater_equal)),
            "Your share of zeros is about right, but an exact number of them is asked for. Count the zeros "
            "for 13 weights and sparsity 0.9, and for an array whose weights are all equal.",
            "Of 13 weights, the quantile 0.9 has 11 below it, while round(0.9 * 13) is 12. Of equal "
            "magnitudes a threshold drops all or none. Choose places instead of values.",
        ),
        Mistake(
            "not_stable",
            (_not_stable, _partitioned),
            "Of equal magnitudes you do not drop the first ones. What does your sort do with equals?",
            "np.argsort does not keep equals in their order unless you ask for it, and a partition never "
            "does. Look at the argument `kind` of np.argsort.",
        ),
        Mistake(
            "not_rounded",
            (_dropping(_cut(np.floor)), _dropping(_cut(np.ceil))),
            "In some calls you drop one weight too many or too few: how do you make "
            "the count a whole number?",
            "0.9 of 13 weights are 11.7, to be rounded to 12; 0.3 of 21 are 6.3, to be rounded to 6. int() "
            "and // cut off, ceil always goes up.",
        ),
        Mistake(
            "one_off",
            (
                _dropping(lambda weights, sparsity: _count(weights, sparsity) + 1),
                _dropping(lambda weights, sparsity: _count(weights, sparsity) - 1),
                _comparing(np.greater),
                _comparing(np.greater_equal, -1),
            ),
            "Even where all magnitudes differ you drop one weight too many or too few. Count the zeros.",
            "Sorted, the weights that go are those at the places 0 to count - 1. Which entry comes first "
            "among those that stay, and on which side of your comparison or slice is it?",
        ),
        Mistake(
            "last_of_equals_dropped",
            _last_of_equals,
            "Of equal magnitudes you drop the last ones, not the first.",
            "Sorted from the largest on, the first of equals come first and stay. In which direction must "
            "you sort, stably, for the first of equals to be among those that go?",
        ),
        Mistake(
            "order_taken_for_ranks",
            _order_as_ranks,
            "The number of zeros is right, their places are not. What does the first entry of np.argsort "
            "tell you: the rank of the first weight, or something else?",
            "np.argsort lists places, the one of the least weight first. It is to be used as an index into "
            "the mask; comparing its entries with a number says nothing about the weight that stands there.",
        ),
        Mistake(
            "weights_returned",
            lambda weights, sparsity: weights * _right_mask(weights, sparsity),
            "You return the pruned weights. What is asked for is the mask that makes them.",
            "A mask has True where a weight stays and False where it goes. Who has it can multiply any array "
            "by it, later on, too.",
        ),
        Mistake(
            "left_flat",
            lambda weights, sparsity: _right_mask(weights, sparsity).ravel(),
            "The right weights go, but your mask is flat. It must have the shape of `weights`.",
            "You put the weights in one row to choose among them. One step back is missing at the end.",
        ),
        Mistake(
            "share_that_stays",
            _dropping(lambda weights, sparsity: weights.size - _count(weights, sparsity)),
            "You take the sparsity for the share that stays here. It is the share that goes.",
            "With sparsity 0.9, nine of ten weights become zero. Which of the two parts of your order does "
            "your count cut off?",
        ),
        Mistake(
            "largest_dropped",
            (_dropping_the_largest, _dropping_the_end),
            "You drop the right number of weights, but the largest ones.",
            "Pruning by magnitude takes away what changes the outputs least. np.argsort begins with the "
            "smallest; from which end do you take?",
        ),
        Mistake(
            "each_row",
            _each_row,
            "Right for one axis. With more, each of your rows loses its own share, and the weights of "
            "different rows never compete.",
            "The share is one of the whole array, whatever its shape: put all magnitudes into a single row "
            "before you sort. np.argsort alone sorts along the last axis.",
        ),
        Mistake(
            "another_threshold",
            (
                *(_quantile(compare, lambda sparsity: sparsity / 100) for compare in _COMPARISONS),
                *(_above_share(scale, compare) for scale in (np.max, np.mean) for compare in _COMPARISONS),
            ),
            "Your threshold is not the one that `sparsity` of the weights lie below: count the zeros. What "
            "does the share mean to the function or the product that makes the threshold?",
            "np.percentile wants per cent, from 0 to 100; and how many weights lie below half of the largest "
            "magnitude, or of the mean, nobody knows. Even the right threshold could not tell equal "
            "magnitudes apart: choose places instead of values.",
        ),
    ),
    hint="Work on the magnitudes in one row, and count first how many must go. Then think of a row in which "
    "all magnitudes are equal: how can you still choose exactly so many?",
    more="A stable np.argsort of the flat magnitudes lists the places from the least on, equals in their "
    "order. Make a flat mask of True, set it to False at the first round(sparsity * size) of these places, "
    "and give it the shape of the weights.",
    example=(np.array([[-3.0, 0.5, 2.0], [-0.5, 0.5, 1.0]]), 0.3),
)
