"""Questions of lesson 06: masks by magnitude, the cubic schedule, 2:4, heads removed, low-rank factors."""

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

pruning = Lesson("pruning")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _signs(rng, magnitudes):
    return rng.choice([-1.0, 1.0], size=np.shape(magnitudes)) * magnitudes


def _tied(rng, counts):
    """Magnitudes 0.25, 0.5 and 1 so many times, in random order and with random signs."""
    return _signs(rng, rng.permutation(np.repeat([0.25, 0.5, 1.0], counts)))


# One array


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


def _count(weights, sparsity):
    return round(sparsity * weights.size)


def _stable(sizes):
    return np.argsort(sizes, axis=None, kind="stable")


def _drop(weights, places):
    mask = np.ones(weights.size, dtype=bool)
    mask[places] = False
    return mask.reshape(weights.shape)


def _drop_first(scores, count):
    return _drop(scores, _stable(scores)[:count])


def _right_mask(weights, sparsity):
    return _drop_first(np.abs(weights), _count(weights, sparsity))


def _dropping(count, score=np.abs):
    """A mask that drops the first places of a stable order, with another count or score."""
    return lambda weights, sparsity: _drop_first(score(weights), count(weights, sparsity))


def _comparing(compare, more=0, score=np.abs):
    """A mask that compares with the magnitude at a place of the sorted ones."""

    def answer(weights, sparsity):
        ordered = np.sort(np.abs(weights), axis=None)
        place = min(max(_count(weights, sparsity) + more, 0), weights.size - 1)
        return compare(score(weights), ordered[place])

    return answer


def _quantile(compare, share=lambda sparsity: sparsity):
    return lambda weights, sparsity: compare(np.abs(weights), np.quantile(np.abs(weights), share(sparsity)))


_COMPARISONS = (np.greater, np.greater_equal)


def _above_share(scale, compare):
    """A threshold that is the sparsity times something of the magnitudes."""
    return lambda weights, sparsity: compare(np.abs(weights), sparsity * scale(np.abs(weights)))


def _not_stable(weights, sparsity):
    return _drop(weights, np.argsort(np.abs(weights).ravel())[: _count(weights, sparsity)])


def _partitioned(weights, sparsity):
    count = _count(weights, sparsity)
    return _drop(weights, np.argpartition(np.abs(weights).ravel(), count)[:count])


def _last_of_equals(weights, sparsity):
    kept = weights.size - _count(weights, sparsity)
    return _drop(weights, _stable(-np.abs(weights))[kept:])


def _last_of_equal_values(weights, sparsity):
    return _drop(weights, _stable(-weights)[weights.size - _count(weights, sparsity) :])


def _dropping_the_largest(weights, sparsity):
    return _drop(weights, _stable(-np.abs(weights))[: _count(weights, sparsity)])


def _dropping_the_end(weights, sparsity):
    return _drop(weights, _stable(np.abs(weights))[weights.size - _count(weights, sparsity) :])


def _order_as_ranks(weights, sparsity):
    return (_stable(np.abs(weights)) >= _count(weights, sparsity)).reshape(weights.shape)


def _each_row(weights, sparsity):
    rows = np.abs(weights).reshape(-1, weights.shape[-1])
    mask = np.stack([_drop_first(row, _count(row, sparsity)) for row in rows])
    return mask.reshape(weights.shape)


def _cut(number):
    return lambda weights, sparsity: int(number(sparsity * weights.size))


def _inverted(answer):
    return lambda weights, sparsity: ~answer(weights, sparsity)


# Who takes True for "goes" may do so with any of these.
_MASKS = (
    _right_mask,
    _comparing(np.greater, -1),
    _comparing(np.greater_equal),
    _quantile(np.greater),
    _quantile(np.greater_equal),
    _not_stable,
    _partitioned,
    _last_of_equals,
    _dropping(_cut(np.floor)),
    _dropping(_cut(np.ceil)),
)


_MAGNITUDE = Question(
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


# Several arrays together


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


_GLOBAL = Question(
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


# The schedule


def _cubic_calls(rng):
    begin, length = (int(n) for n in rng.integers((20, 100), (60, 200)))
    end = begin + length
    final, initial = float(rng.uniform(0.7, 0.95)), float(rng.uniform(0.1, 0.4))
    return [
        Call((length // 3, length, final, 0, 0.0), "`begin` and `initial` 0"),
        Call((begin + length // 4, end, final, begin, 0.0), "`initial` 0"),
        (begin + length // 2, end, final, begin, initial),
        Call((begin, end, final, begin, 0.0), "`step` equal to `begin`"),
        Call((begin // 2, end, final, begin, initial), "a step before `begin`"),
        Call((end, end, final, begin, initial), "`step` equal to `end`"),
        Call((end + length // 2, end, final, begin, initial), "a step after `end`"),
        (end - length // 5, end, 0.5, begin, 0.25),
        Call((length // 2, length, final, 0, initial), "`begin` 0"),
    ]


def _clip(progress):
    return min(max(progress, 0.0), 1.0)


def _passed(step, begin, end):
    return (step - begin) / (end - begin)


def _cubic(
    progress=_passed,
    clip=_clip,
    curve=lambda left: left**3,
    formula=lambda final, initial, left: final + (initial - final) * left,
    before=None,
    guarded=False,
):
    """The schedule with one of its parts replaced."""

    def answer(step, end, final, begin, initial):
        if before and step < begin:
            return before(final, initial)
        if guarded and step <= begin:
            return initial
        if guarded and step >= end:
            return final
        return formula(final, initial, curve(1 - clip(progress(step, begin, end))))

    return answer


def _from_begin_zero(step, begin, end):
    return step / end


def _begin_below_only(step, begin, end):
    return step / (end - begin)


_CUBIC = Question(
    id="pruning.cubic_sparsity",
    title="The cubic schedule",
    points=2,
    minutes=10,
    signature="cubic_sparsity(step, end, final, begin, initial)",
    calls=_cubic_calls,
    reference=lambda step, end, final, begin, initial: pruning.cubic_sparsity(
        step, end, final, begin, initial
    ),
    mistakes=(
        Mistake(
            "slow_first",
            (
                _cubic(curve=lambda left: 1 - (1 - left) ** 3),
                _cubic(curve=lambda left: 1 - (1 - left) ** 3, guarded=True),
            ),
            "Your curve starts flat and ends steep. It must be the other way round: fast while much is "
            "redundant, slow at the end.",
            "You take the cube of the share of the schedule that has passed. Which other share becomes 0 at "
            "the end?",
        ),
        Mistake(
            "unclipped",
            (
                _cubic(clip=lambda progress: progress),
                _cubic(clip=lambda progress: min(progress, 1.0)),
                _cubic(clip=lambda progress: max(progress, 0.0)),
            ),
            "Right between begin and end, but not everywhere outside.",
            "Outside of the schedule the progress must stay at 0 or at 1, on both sides. Which function, or "
            "which two, keep a number in a range?",
        ),
        Mistake(
            "begin_ignored",
            (
                _cubic(progress=_from_begin_zero),
                _cubic(progress=_begin_below_only),
                _cubic(progress=_from_begin_zero, guarded=True),
                _cubic(progress=_begin_below_only, guarded=True),
            ),
            "Right where begin is 0. Elsewhere your sparsity is already on its way when pruning begins.",
            "The progress is 0 at step `begin`, not at step 0, and 1 at step `end`. Both its numerator and "
            "its denominator know of `begin`.",
        ),
        Mistake(
            "end_as_length",
            (
                _cubic(progress=lambda step, begin, end: (step - begin) / end),
                _cubic(progress=lambda step, begin, end: (step - begin) / end, guarded=True),
            ),
            "Right where begin is 0. Elsewhere your sparsity rises too slowly: at which step is your "
            "progress 1?",
            "`end` is the number of a step, not the length of the schedule. How many steps lie between "
            "`begin` and `end`?",
        ),
        Mistake(
            "from_zero",
            (
                _cubic(formula=lambda final, initial, left: final * (1 - left)),
                _cubic(formula=lambda final, initial, left: final * (1 - left), guarded=True),
            ),
            "Right where the first sparsity is 0. Elsewhere your curve starts at 0, too.",
            "At the beginning of pruning the formula must give `initial`. The cube multiplies the whole "
            "distance between the first and the last sparsity; yours is the distance from 0.",
        ),
        Mistake(
            "initial_on_top",
            (
                _cubic(formula=lambda final, initial, left: initial + final * (1 - left)),
                _cubic(formula=lambda final, initial, left: initial + final * (1 - left), guarded=True),
            ),
            "Right where the first sparsity is 0. Elsewhere your curve starts right, but rises too far: to "
            "which sparsity, at step `end`?",
            "The curve covers the distance from `initial` to `final`, not that from 0 to `final`, put on top "
            "of `initial`. Look at your parentheses, too: a factor belongs to the whole difference.",
        ),
        Mistake(
            "another_start",
            (
                _cubic(before=lambda final, initial: 0.0),
                _cubic(before=lambda final, initial: final),
                _cubic(clip=lambda progress: min(abs(progress), 1.0)),
            ),
            "Right from `begin` on. What do you return before it, and is that the first sparsity?",
            "A network may come with zeros in it, and they stay until pruning goes on. Up to step `begin` "
            "the result is `initial`.",
        ),
        Mistake(
            "another_power",
            tuple(
                _cubic(curve=lambda left, power=power: left**power, guarded=guarded)
                for power in (1, 2, 4, 1 / 3)
                for guarded in (False, True)
            ),
            "Both ends are right, the way between them is not: it has another power than the third.",
            "When half of the way in time has passed, an eighth of the distance is left; when a third has "
            "passed, 8/27. What is left with you?",
        ),
        Mistake(
            "backwards",
            (
                _cubic(formula=lambda final, initial, left: initial + (final - initial) * left),
                _cubic(curve=lambda left: (1 - left) ** 3),
                _cubic(formula=lambda final, initial, left: initial + (final - initial) * left, guarded=True),
                _cubic(curve=lambda left: (1 - left) ** 3, guarded=True),
            ),
            "Your formula runs backwards: it begins with the last sparsity and ends with the first.",
            "At progress 0 it must give `initial`, at progress 1 `final`. Put both into it by hand, and see "
            "which term is left.",
        ),
        Mistake(
            "wrong_sign",
            (
                _cubic(formula=lambda final, initial, left: final + (final - initial) * left),
                _cubic(formula=lambda final, initial, left: final + (final - initial) * left, guarded=True),
                _cubic(formula=lambda final, initial, left: final + (final + initial) * left),
            ),
            "Your sparsity comes down to the last one from above; it must come up from the first one.",
            "What the cube multiplies is the distance that is left, to be taken off `final`. Which sign has "
            "it, with initial below final?",
        ),
        Mistake(
            "whole_division",
            (
                _cubic(progress=lambda step, begin, end: (step - begin) // (end - begin)),
                _cubic(clip=lambda progress: float(round(_clip(progress)))),
            ),
            "Your sparsity jumps from the first to the last at one step. Which values does your progress "
            "take?",
            "Between `begin` and `end` the progress is a fraction. Whole numbers come from //, int or round.",
        ),
    ),
    hint="First the progress, from 0 at `begin` to 1 at `end` and never outside. Then the formula, with 1 "
    "minus the progress.",
    more="The progress is (step - begin) / (end - begin), kept between 0 and 1 by min and max. Its distance "
    "from 1, cubed, is the share of the way from `initial` to `final` that is still to go.",
    example=(15, 25, 0.9, 5, 0.1),
)


# 2:4


def _two_of_four_calls(rng):
    patterns = [(1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 0.5), (0.25, 0.5, 0.5, 1.0)]
    tied = np.array([rng.permuted(patterns, axis=1).ravel() for _ in range(5)]).T
    return [
        (rng.normal(size=(8, 6)),),
        Call((rng.normal(size=(4, 3)),), "a single group in each column"),
        Call((_signs(rng, tied),), "equal magnitudes"),
        Call((rng.normal(size=(8, 8)).astype("float32"),), "as many inputs as outputs"),
        (rng.normal(size=(16, 5)) * rng.uniform(0.1, 2.0, size=(16, 1)),),
        Call((np.abs(rng.normal(size=(12, 4))),), "positive weights only"),
    ]


def _groups(kernel):
    """Weights of shape `(outputs, inputs / 4, 4)`."""
    return kernel.T.reshape(kernel.shape[1], -1, 4)


def _ungroup(mask, kernel):
    return mask.reshape(kernel.shape[::-1]).T


def _ranks(groups):
    return np.argsort(np.argsort(groups, axis=-1, kind="stable"), axis=-1)


def _in_groups(choose, score=np.abs, back=_ungroup):
    """A mask from a choice in groups of four."""
    return lambda kernel: back(choose(_groups(score(kernel))), kernel)


def _two_largest(groups):
    return _ranks(groups) >= 2


def _flat_groups(kernel):
    return _two_largest(np.abs(kernel).reshape(-1, 4)).reshape(kernel.shape)


def _groups_of_a_row(kernel):
    return _two_largest(np.abs(kernel).reshape(kernel.shape[0], -1, 4)).reshape(kernel.shape)


def _columns_as_groups(kernel):
    """Groups along the inputs, but of rows that are number of groups apart."""
    groups = np.abs(kernel).reshape(4, -1, kernel.shape[1])
    return (np.argsort(np.argsort(groups, axis=0, kind="stable"), axis=0) >= 2).reshape(kernel.shape)


def _half_of_all(kernel):
    return _right_mask(kernel, 0.5)


def _half_of_each_column(kernel):
    return np.stack([_right_mask(column, 0.5) for column in kernel.T], axis=1)


def _half_of_each_row(kernel):
    return np.stack([_right_mask(row, 0.5) for row in kernel])


def _axis_missing(first, second):
    """Ranks by two sorts of which one, or both, run along the outputs."""

    def answer(kernel):
        groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
        order = np.argsort(groups, axis=first, kind="stable")
        return (np.argsort(order, axis=second) >= 2).reshape(kernel.shape)

    return answer


def _places_along_the_outputs(kernel):
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
    mask = np.zeros(groups.shape, dtype=bool)
    np.put_along_axis(mask, np.argsort(groups, kind="stable")[:, 2:], True, axis=1)
    return mask.reshape(kernel.shape)


def _one_choice(score):
    """The same rows of each group in all columns."""

    def answer(kernel):
        chosen = _two_largest(score(np.abs(kernel)).reshape(-1, 4)).reshape(-1, 1)
        return np.repeat(chosen, kernel.shape[1], axis=1)

    return answer


_right_groups = _in_groups(_two_largest)

_TWO_OF_FOUR = Question(
    id="pruning.two_of_four",
    title="Two of four",
    points=3,
    minutes=15,
    signature="two_of_four(kernel)",
    calls=_two_of_four_calls,
    reference=lambda kernel: pruning.n_of_m_mask(kernel, 2, 4, 0),
    mistakes=(
        Mistake(
            "along_the_outputs",
            (_flat_groups, _groups_of_a_row),
            "Your groups lie along the rows of the kernel. A product sums over its inputs: along which axis "
            "are those?",
            "A reshape takes four neighbours of a row, which are weights of four different outputs, and may "
            "even take some from the next row. A group is four weights of one column, below each other.",
        ),
        Mistake(
            "not_turned_back",
            (
                _in_groups(_two_largest, back=lambda mask, kernel: mask.reshape(kernel.shape)),
                _in_groups(
                    _two_largest,
                    back=lambda mask, kernel: np.moveaxis(mask, -1, 0).reshape(kernel.shape),
                ),
            ),
            "The mask has come back in another order than the kernel. Follow the "
            "mask of one column to the place where it ends up.",
            "You group a transposed kernel. What was transposed must be transposed back, in the reverse "
            "order of steps; a reshape moves no axis.",
        ),
        Mistake(
            "left_transposed",
            _in_groups(_two_largest, back=lambda mask, kernel: mask.reshape(kernel.shape[::-1])),
            "The right weights stay, but your mask is that of the transposed kernel.",
            "The mask must have the shape (inputs, outputs). Where the kernel is square the shape alone does "
            "not tell: the last step back is missing.",
        ),
        Mistake(
            "order_taken_for_ranks",
            (
                _in_groups(lambda groups: np.argsort(groups, axis=-1, kind="stable") >= 2),
                _in_groups(lambda groups: np.argsort(-groups, axis=-1, kind="stable") < 2),
            ),
            "Every group keeps two, but not always the two largest. For the group (30, 10, 20, 40) "
            "np.argsort gives (1, 2, 0, 3): is 1 the rank of 30?",
            "np.argsort tells at which place the least stands, not which rank the first has. Use its last "
            "two entries as places in the group, or apply np.argsort to its own result, which does give "
            "ranks.",
        ),
        Mistake(
            "by_value",
            (
                _in_groups(_two_largest, score=lambda kernel: kernel),
                _in_groups(lambda groups: _ranks(-groups) < 2, score=lambda kernel: kernel),
                _in_groups(
                    lambda groups: groups >= np.sort(groups, axis=-1)[..., 2:3], score=lambda kernel: kernel
                ),
            ),
            "You keep the greatest by value: right while all weights of a group are positive. What about a "
            "group like (0.1, -0.5, 0.3, 0.2)?",
            "A weight of -0.5 changes an output more than one of 0.3. It is the magnitudes that have to be "
            "put in order.",
        ),
        Mistake(
            "ties_all_kept",
            _in_groups(lambda groups: groups >= np.sort(groups, axis=-1)[..., 2:3]),
            "Right while the magnitudes in a group differ. In a group like (1, 1, 1, 0.5) you keep three.",
            "You compare with the second largest magnitude, and equals of it all pass. Always two are kept; "
            "let the order of places decide, with a stable sort.",
        ),
        Mistake(
            "ties_all_dropped",
            (
                _in_groups(lambda groups: groups > np.sort(groups, axis=-1)[..., 1:2]),
                _in_groups(lambda groups: groups > np.median(groups, axis=-1, keepdims=True)),
            ),
            "Right while the magnitudes in a group differ. In a group like (1, 1, 1, 1) you keep none.",
            "You keep what lies above a threshold, and equals of it all go. Always two are kept; let the "
            "order of places decide, with a stable sort.",
        ),
        Mistake(
            "first_ties_kept",
            _in_groups(lambda groups: _ranks(-groups) < 2),
            "Of equal magnitudes in a group you keep the first ones, where the last are asked for.",
            "You sort from the largest on, so the first of equals come first. Sort from the least on, "
            "stably, and keep the last two of that order.",
        ),
        Mistake(
            "swapped",
            (
                lambda kernel: ~_right_groups(kernel),
                _in_groups(lambda groups: _ranks(-groups) >= 2),
                _in_groups(lambda groups: groups < np.sort(groups, axis=-1)[..., 2:3]),
                _in_groups(lambda groups: groups <= np.sort(groups, axis=-1)[..., 1:2]),
            ),
            "Your mask is True for the two smallest of each group. Which ones stay?",
            "True means that the weight stays, False that it becomes zero. The two of largest magnitude "
            "stay.",
        ),
        Mistake(
            "groups_too_large",
            (_half_of_all, _half_of_each_column, _half_of_each_row),
            "Half of the weights stay, but not two of every four neighbours: your choice is among more of "
            "them.",
            "2:4 is stricter than one half. Rows 0 to 3 of a column are a group of their own, rows 4 to 7 "
            "the next; no group makes up for another.",
        ),
        Mistake(
            "axis_missing",
            (_axis_missing(-1, -1), _axis_missing(-1, 1), _axis_missing(1, -1), _places_along_the_outputs),
            "Your groups are right, but a sort of yours puts outputs in order, not the four weights of a "
            "group. Which axis does np.argsort take if it is told none?",
            "In an array of shape (groups, 4, outputs) the four weights of a group lie along the middle "
            "axis. Name it in each sort, and where you write the mask.",
        ),
        Mistake(
            "one_choice_for_all",
            tuple(
                map(
                    _one_choice,
                    (
                        lambda sizes: sizes.sum(axis=1),
                        lambda sizes: np.square(sizes).sum(axis=1),
                        lambda sizes: sizes.max(axis=1),
                        lambda sizes: sizes[:, 0],
                    ),
                )
            ),
            "Your mask has the same rows in all columns. What does one output know of what another one "
            "needs?",
            "In each group of four, each column chooses its own two weights. A choice for whole rows removes "
            "inputs, for all outputs at once: another kind of pruning.",
        ),
        Mistake(
            "scattered_groups",
            _columns_as_groups,
            "Right where a column is a single group. Else your groups are four rows that lie apart.",
            "A group is four rows below each other: 0 to 3, then 4 to 7. When an axis is cut in two by a "
            "reshape, which of the two new axes counts faster, the first or the last?",
        ),
        Mistake(
            "weights_returned",
            lambda kernel: kernel * _right_groups(kernel),
            "You return the pruned kernel. What is asked for is the mask that makes it.",
            "A mask is of booleans: True where a weight stays, False where it becomes zero.",
        ),
        Mistake(
            "left_in_groups",
            (
                _in_groups(_two_largest, back=lambda mask, kernel: mask),
                _in_groups(_two_largest, back=lambda mask, kernel: mask.reshape(-1, 4)),
            ),
            "The choice in the groups is right, but your mask still has an axis of 4. It must have the shape "
            "of the kernel.",
            "Undo your steps from the last to the first: the groups back into columns, then the columns back "
            "to their places.",
        ),
        Mistake(
            "another_number_kept",
            (
                _in_groups(lambda groups: _ranks(groups) >= 3),
                _in_groups(lambda groups: _ranks(groups) >= 1),
                _in_groups(lambda groups: groups == groups.max(axis=-1, keepdims=True)),
            ),
            "Count the True in each group of four: there must be two.",
            "Sorted, the four places of a group are 0, 1, 2 and 3. The last two of them stay: where must "
            "your slice or your comparison cut?",
        ),
    ),
    hint="Transpose, so that the inputs of one output are neighbours, and reshape the last axis to groups of "
    "4. Choose in each group by a stable np.argsort, then go both steps back.",
    more="kernel.T.reshape(-1, 4) has one group in each row. Of a stable np.argsort of its magnitudes along "
    "the last axis, the last two columns are the places that stay; np.put_along_axis writes True there. Then "
    "reshape to the transposed shape, and transpose.",
    example=(np.array([[3.0, 1.0], [-4.0, 0.2], [0.1, -1.0], [3.0, 0.5]]),),
)


# A head removed


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


_HEAD = Question(
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


# A rank for a budget


def _rank_calls(rng):
    inputs, outputs = (int(n) for n in rng.integers((40, 100), (90, 200)))
    both, rank = inputs + outputs, int(rng.integers(5, 20))
    small = int(rng.integers(20, 30))
    plenty, more = "a budget that is larger than needed", (2 * small + 15) // 4
    return [
        (384, 384, 384 * 384 // 2),
        (384, 1536, 200_000 + int(rng.integers(100))),
        Call((inputs, outputs, rank * both), "factors that use up the budget"),
        Call((outputs, inputs, rank * both + int(0.8 * both)), "a budget that nearly fits the next rank"),
        Call((inputs, outputs, both), "factors that use up the budget"),
        Call((small, small + 15, 3 * small * (2 * small + 15) + more), plenty),
        Call((small + 15, small, 3 * small * (2 * small + 15) + more), plenty),
        Call((small, small + 15, small * (small + small + 15)), "factors that use up the budget"),
    ]


def _rank(rank, cap=min):
    """A rank from sides and budget, with a cap."""

    def answer(inputs, outputs, parameters):
        return cap(rank(inputs, outputs, parameters), min(inputs, outputs))

    return answer


def _fitting(inputs, outputs, parameters):
    return parameters // (inputs + outputs)


_BUDGET = Question(
    id="pruning.rank_for_budget",
    title="The rank that a budget buys",
    points=1,
    minutes=5,
    signature="rank_for_budget(inputs, outputs, parameters)",
    calls=_rank_calls,
    reference=lambda inputs, outputs, parameters: pruning.rank_for_budget(inputs, outputs, parameters),
    dtypes=("int",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "share_of_the_rank",
            _rank(lambda i, o, parameters: int(parameters / (i * o) * min(i, o))),
            "With half of the kernel's weights as the budget you return half of its greatest rank. Count the "
            "weights of your two factors.",
            "Factors of a square kernel at half of the rank have as many weights as the kernel itself. How "
            "many weights does one unit of rank cost?",
        ),
        Mistake(
            "one_factor",
            (
                _rank(lambda i, o, parameters: parameters // i),
                _rank(lambda i, o, parameters: parameters // o),
                _rank(lambda i, o, parameters: parameters // min(i, o)),
            ),
            "One factor fits into the budget, and then nothing is left for the other. Count both.",
            "The factors have the shapes (inputs, rank) and (rank, outputs). What does raising the rank by "
            "one add to the first, and what to the second?",
        ),
        Mistake(
            "rounded",
            (
                _rank(lambda i, o, parameters: round(parameters / (i + o))),
                _rank(lambda i, o, parameters: -(-parameters // (i + o))),
            ),
            "In some calls your factors have more weights than the budget allows.",
            "The rank must fit, so a fraction counts for nothing, even if it is close to the next whole "
            "number.",
        ),
        Mistake(
            "exact_fit_refused",
            (
                _rank(lambda i, o, parameters: (parameters - 1) // (i + o)),
                _rank(lambda i, o, parameters: max((parameters - 1) // (i + o), 1)),
            ),
            "Where the factors would use up the budget to the last weight, your rank is one too small.",
            "At most so many weights are allowed: equal is allowed too.",
        ),
        Mistake(
            "one_off",
            (
                _rank(lambda i, o, parameters: parameters // (i + o) - 1),
                _rank(lambda i, o, parameters: parameters // (i + o) + 1),
                lambda i, o, parameters: min(parameters // (i + o), i, o) + 1,
                lambda i, o, parameters: min(parameters // (i + o), i, o) - 1,
            ),
            "Your rank is one too small or one too large, for nearly every budget.",
            "Take the text's example: rank 3 of a kernel of 10 by 30 has 120 weights, rank 4 has 160. If you "
            "count up in a loop: which rank do you return, the last that fits or the first that does not?",
        ),
        Mistake(
            "uncapped",
            (
                _fitting,
                lambda i, o, parameters: min(parameters // (i + o), max(i, o)),
                lambda i, o, parameters: min(parameters // (i + o), i),
                lambda i, o, parameters: min(parameters // (i + o), o),
                lambda i, o, parameters: min(parameters // (i + o), i * o),
            ),
            "For a large budget your rank is larger than the kernel has. How many singular values has it?",
            "A kernel of shape (inputs, outputs) has no rank above its lesser side, and more budget does not "
            "change that.",
        ),
        Mistake(
            "cap_too_low",
            (
                _rank(_fitting, cap=lambda rank, side: min(rank, side - 1)),
                lambda i, o, parameters: min(parameters, i * o) // (i + o),
                lambda i, o, parameters: min(parameters // (i + o), min(i, o) // 2),
            ),
            "For a large budget your rank is smaller than it may be.",
            "A kernel of 10 by 30 may get factors of rank 10, its lesser side, if the budget allows that "
            "many weights: even if they are more than the kernel's own.",
        ),
        Mistake(
            "not_whole",
            (
                _rank(lambda i, o, parameters: parameters / (i + o)),
                lambda i, o, parameters: parameters / (i + o),
            ),
            "Your rank has a fraction in most calls. How many columns has a factor of rank 104.2?",
            "The rank is a number of columns, so it must be whole, and both factors must still fit into the "
            "budget. Which division of Python gives that?",
        ),
        Mistake(
            "sides_multiplied",
            (
                _rank(lambda i, o, parameters: parameters // (i * o)),
                _rank(lambda i, o, parameters: max(parameters // (i * o), 1)),
            ),
            "You divide the budget by inputs times outputs. That is the size of the kernel; how large are "
            "the factors?",
            "One unit of rank is one column of the first factor and one row of the second. How many weights "
            "have these two together?",
        ),
        Mistake(
            "weights_returned",
            lambda i, o, parameters: min(parameters // (i + o), i, o) * (i + o),
            "You return how many weights the factors have. The rank is asked for.",
            "The rank is what the two factors share: the columns of the first, the rows of the second.",
        ),
    ),
    hint="Write down the two shapes, and what one unit of rank costs. Then try a budget that fits exactly, "
    "one that lacks a single weight, and one that is far larger than needed.",
    more="Both factors together have rank * (inputs + outputs) weights. Divide, and drop the fraction; the "
    "lesser of the two sides is the limit.",
    example=(6, 14, 75),
)


# Low-rank factors


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
    with np.errstate(all="ignore"):
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
    with np.errstate(all="ignore"):
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


_LOW_RANK = Question(
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


QUESTIONS = (_MAGNITUDE, _GLOBAL, _CUBIC, _TWO_OF_FOUR, _HEAD, _BUDGET, _LOW_RANK)
