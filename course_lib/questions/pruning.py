"""Questions of lesson 06: masks by magnitude, the cubic schedule, 2:4, heads removed, low-rank factors."""

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

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
        (rng.normal(size=13), 0.9),
        (_tied(rng, (5, 9, 7)).reshape(3, 7), 0.4),
        (rng.normal(size=(3, 3, 2, 4)).astype("float32"), 0.25),
        (_signs(rng, np.full((4, 4), 0.5)), 0.75),
        (_tied(rng, (3, 31, 14)).reshape(6, 8), 0.7),
        # So many equal ones that a sort which is not stable puts them out of order.
        (_tied(rng, (60, 160, 80)).reshape(15, 20), 0.44),
    ]


def _drop_first(scores, count):
    mask = np.ones(scores.size, dtype=bool)
    mask[np.argsort(scores.ravel(), kind="stable")[:count]] = False
    return mask.reshape(scores.shape)


def _count(weights, sparsity):
    return round(sparsity * weights.size)


def _above(weights, sparsity):
    sizes = np.abs(weights)
    return sizes > np.sort(sizes, axis=None)[_count(weights, sparsity) - 1]


def _at_least(weights, sparsity):
    sizes = np.abs(weights)
    return sizes >= np.sort(sizes, axis=None)[_count(weights, sparsity)]


def _above_quantile(weights, sparsity):
    sizes = np.abs(weights)
    return sizes > np.quantile(sizes, sparsity)


def _not_stable(weights, sparsity):
    mask = np.ones(weights.size, dtype=bool)
    mask[np.argsort(np.abs(weights).ravel())[: _count(weights, sparsity)]] = False
    return mask.reshape(weights.shape)


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
            lambda weights, sparsity: _drop_first(weights, _count(weights, sparsity)),
            "You drop the most negative weights, and keep positive ones nearer to zero. Which weight "
            "changes an output least when it goes?",
            "A weight of -3 matters as much as one of 3. Least in magnitude means nearest to zero, from "
            "either side.",
        ),
        Mistake(
            "swapped",
            lambda weights, sparsity: ~_drop_first(np.abs(weights), _count(weights, sparsity)),
            "Your mask is True where the weight goes. Multiply the weights by it: which ones are left?",
            "True means that the weight stays, so that weights * mask is the pruned array. With a sparsity "
            "of 0.9, a tenth of the mask is True.",
        ),
        Mistake(
            "ties_all_dropped",
            _above,
            "Right while all magnitudes differ. Where several weights share the magnitude of your threshold, "
            "all of them go, and too many zeros result.",
            "Keeping what is above a threshold lets a value decide, and equal weights cannot be told apart "
            "by their value. Choose places instead: put the places in order, and take exactly so many of "
            "them.",
        ),
        Mistake(
            "ties_all_kept",
            _at_least,
            "Right while all magnitudes differ. Where several weights share the magnitude of your threshold, "
            "all of them stay, and there are too few zeros.",
            "Count the zeros in your mask of the array whose weights are all 0.5 or -0.5: there are none. "
            "Which function of NumPy gives the order of the places instead of the sorted values?",
        ),
        Mistake(
            "quantile",
            _above_quantile,
            "Your share of zeros is about right, but an exact number of them is asked for. Count the zeros "
            "for 13 weights and sparsity 0.9, and for an array whose weights are all equal.",
            "Of 13 weights, the quantile 0.9 has 11 below it, while round(0.9 * 13) is 12. Of equal "
            "magnitudes a threshold drops all or none. Choose places instead of values.",
        ),
        Mistake(
            "not_stable",
            _not_stable,
            "The number of zeros is right. But of equal magnitudes you do not drop the first ones. What does "
            "your sort do with equals?",
            "np.argsort does not keep equals in their order unless you ask for it. Look at its argument "
            "`kind`.",
        ),
    ),
    hint="Work on the magnitudes in one row, and count first how many must go. Then think of a row in which "
    "all magnitudes are equal: how can you still choose exactly so many?",
)


# Several arrays together


def _global_calls(rng):
    tied = _tied(rng, (4, 8, 7))
    return [
        ((rng.normal(size=(6, 5)), 0.1 * rng.normal(size=(4, 7)), 0.4 * rng.normal(size=(3, 3))), 0.6),
        ((tied[:8].reshape(2, 4), tied[8:13], tied[13:].reshape(3, 2)), 0.4),
        (
            (
                0.5 * rng.normal(size=(3, 3, 2, 2)).astype("float32"),
                rng.normal(size=(4, 6)).astype("float32"),
                0.02 * rng.normal(size=12).astype("float32"),
            ),
            0.3,
        ),
        ((0.2 * rng.normal(size=(5, 4)), rng.normal(size=(4, 3)), rng.normal(size=(3, 2))), 0.8),
    ]


def _together(weights, decide):
    """Masks from one decision on all magnitudes in a row."""
    flat = decide(np.concatenate([each.ravel() for each in weights]))
    parts = np.split(flat, np.cumsum([each.size for each in weights])[:-1])
    return tuple(part.reshape(each.shape) for part, each in zip(parts, weights, strict=True))


def _standardised(weights, sparsity):
    scaled = [np.abs(each) / max(each.std(), 1e-12) for each in weights]
    return _together(scaled, lambda flat: _drop_first(flat, _count(flat, sparsity)))


def _flat_masks(weights, sparsity):
    masks = _together(weights, lambda flat: _drop_first(np.abs(flat), _count(flat, sparsity)))
    return tuple(mask.ravel() for mask in masks)


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
    mistakes=(
        Mistake(
            "each_its_share",
            lambda weights, sparsity: tuple(
                _drop_first(np.abs(each), _count(each, sparsity)) for each in weights
            ),
            "Each of your arrays loses the same share. Here the weights of all three compete with each "
            "other.",
            "Yours is the scope 'layer'. For 'global', put all magnitudes in one row before you choose, and "
            "cut the chosen mask into three afterwards. An array of small weights then loses more.",
        ),
        Mistake(
            "by_value",
            lambda weights, sparsity: _together(
                weights, lambda flat: _drop_first(flat, _count(flat, sparsity))
            ),
            "All three arrays compete, as they should, but the most negative weights lose, not the ones "
            "nearest to zero.",
            "You sort the weights with their signs. A weight of -0.01 must go long before one of -2.",
        ),
        Mistake(
            "threshold",
            lambda weights, sparsity: _together(weights, lambda flat: _above(flat, sparsity)),
            "Right while all magnitudes differ. Weights that are equal to your common threshold all go, and "
            "together they are too many.",
            "Exactly so many of all weights are dropped, and equal ones can lie in different arrays. A "
            "stable order of places, over the three arrays in a row, settles which ones go.",
        ),
        Mistake(
            "standardised",
            _standardised,
            "You bring the arrays to a common scale before they compete. Then one of small weights no longer "
            "loses more than the others.",
            "Nothing is divided here: the magnitudes themselves are compared. If you do it to be fair to an "
            "array of small weights, you move back towards the same share for each.",
        ),
        Mistake(
            "order_taken_for_ranks",
            lambda weights, sparsity: _together(
                weights, lambda flat: np.argsort(np.abs(flat), kind="stable") >= _count(flat, sparsity)
            ),
            "The number of zeros is right, their places are not. What does the first entry of np.argsort "
            "tell you: the rank of the first weight, or something else?",
            "np.argsort lists places, the one of the least weight first. It is to be used as an index into "
            "the mask; comparing its entries with a number says nothing about the weight that stands there.",
        ),
        Mistake(
            "left_flat",
            _flat_masks,
            "The right weights go, but your masks are flat. Each must have the shape of its array.",
            "After the cut into three parts, one step is missing for arrays with more than one axis.",
        ),
    ),
    hint="Put the three flat arrays in a row with np.concatenate, use your mask of question 1 on that, and "
    "cut it again with np.split and the sizes.",
)


# The schedule


def _cubic_calls(rng):
    begin, length = (int(n) for n in rng.integers((20, 100), (60, 200)))
    end = begin + length
    final, initial = float(rng.uniform(0.7, 0.95)), float(rng.uniform(0.1, 0.4))
    return [
        (length // 3, length, final, 0, 0.0),
        (begin + length // 4, end, final, begin, 0.0),
        (begin + length // 2, end, final, begin, initial),
        (begin, end, final, begin, 0.0),
        (begin // 2, end, final, begin, initial),
        (end, end, final, begin, initial),
        (end + length // 2, end, final, begin, initial),
        (end - length // 5, end, 0.5, begin, 0.25),
    ]


def _progress(step, begin, end):
    return min(max((step - begin) / (end - begin), 0.0), 1.0)


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
            lambda step, end, final, begin, initial: (
                initial + (final - initial) * _progress(step, begin, end) ** 3
            ),
            "Your curve starts flat and ends steep. It must be the other way round: fast while much is "
            "redundant, slow at the end.",
            "You take the cube of the share of the schedule that has passed. Which other share becomes 0 at "
            "the end?",
        ),
        Mistake(
            "unclipped",
            lambda step, end, final, begin, initial: (
                final + (initial - final) * (1 - (step - begin) / (end - begin)) ** 3
            ),
            "Right between begin and end. After the end your sparsity goes on rising, and before the "
            "beginning it is below the first one.",
            "Outside of the schedule the progress must stay at 0 or at 1. Which function, or which two, keep "
            "a number in a range?",
        ),
        Mistake(
            "begin_ignored",
            lambda step, end, final, begin, initial: (
                final + (initial - final) * (1 - _progress(step, 0, end)) ** 3
            ),
            "Right where begin is 0. Elsewhere your sparsity rises already before pruning begins.",
            "The progress is 0 at step `begin`, not at step 0, and 1 at step `end`. Both its numerator and "
            "its denominator know of `begin`.",
        ),
        Mistake(
            "end_as_length",
            lambda step, end, final, begin, initial: (
                final + (initial - final) * (1 - _progress(step, begin, begin + end)) ** 3
            ),
            "Right where begin is 0. Elsewhere you reach the last sparsity too late: at which step, exactly?",
            "`end` is the number of a step, not the length of the schedule. How many steps lie between "
            "`begin` and `end`?",
        ),
        Mistake(
            "from_zero",
            lambda step, end, final, begin, initial: final * (1 - (1 - _progress(step, begin, end)) ** 3),
            "Right where the first sparsity is 0. Elsewhere, what do you return at step `begin`?",
            "At `begin` the result must be `initial`. The cube multiplies the whole distance between the "
            "first and the last sparsity; yours is the distance from 0.",
        ),
        Mistake(
            "zero_before_begin",
            lambda step, end, final, begin, initial: (
                0.0 if step < begin else final + (initial - final) * (1 - _progress(step, begin, end)) ** 3
            ),
            "Right from `begin` on. Before it you return 0: is that the first sparsity in every call?",
            "A network may come with zeros in it, and they stay until pruning goes on. Up to step `begin` "
            "the result is `initial`.",
        ),
    ),
    hint="First the progress, from 0 at `begin` to 1 at `end` and never outside. Then the formula, with 1 "
    "minus the progress.",
)


# 2:4


def _two_of_four_calls(rng):
    patterns = [(1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 0.5), (0.25, 0.5, 0.5, 1.0)]
    tied = np.array([rng.permuted(patterns, axis=1).ravel() for _ in range(5)]).T
    return [
        (rng.normal(size=(8, 6)),),
        (rng.normal(size=(4, 3)),),
        (_signs(rng, tied),),
        (rng.normal(size=(8, 8)).astype("float32"),),
        (rng.normal(size=(16, 5)) * rng.uniform(0.1, 2.0, size=(16, 1)),),
    ]


def _groups(kernel):
    """Magnitudes of shape `(outputs, inputs / 4, 4)`."""
    return np.abs(kernel.T).reshape(kernel.shape[1], -1, 4)


def _ungroup(mask, kernel):
    return mask.reshape(kernel.shape[::-1]).T


def _ranks(groups):
    return np.argsort(np.argsort(groups, axis=-1, kind="stable"), axis=-1)


def _flat_groups(kernel):
    return (_ranks(np.abs(kernel).reshape(-1, 4)) >= 2).reshape(kernel.shape)


def _not_turned_back(kernel):
    return (_ranks(_groups(kernel)) >= 2).reshape(kernel.shape)


def _argsort_once(kernel):
    return _ungroup(np.argsort(_groups(kernel), axis=-1, kind="stable") >= 2, kernel)


def _second_or_more(kernel):
    groups = _groups(kernel)
    return _ungroup(groups >= np.sort(groups, axis=-1)[..., 2:3], kernel)


def _by_value(kernel):
    return _ungroup(_ranks(kernel.T.reshape(kernel.shape[1], -1, 4)) >= 2, kernel)


def _first_ties_kept(kernel):
    return _ungroup(_ranks(-_groups(kernel)) < 2, kernel)


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
            _flat_groups,
            "Your groups lie along the rows of the kernel. A product sums over its inputs: along which axis "
            "are those?",
            "reshape(-1, 4) takes four neighbours of a row, which are weights of four different outputs, and "
            "may even take some from the next row. A group is four weights of one column, below each other.",
        ),
        Mistake(
            "not_turned_back",
            _not_turned_back,
            "Your groups are right, but the mask has come back in another order than the kernel. Follow the "
            "mask of one column to the place where it ends up.",
            "You group a transposed kernel, and at the end you only reshape to the kernel's shape. What was "
            "transposed must be transposed back; a reshape moves no axis.",
        ),
        Mistake(
            "order_taken_for_ranks",
            _argsort_once,
            "Every group keeps two, but not always the two largest. For the group (30, 10, 20, 40) "
            "np.argsort gives (1, 2, 0, 3): is 1 the rank of 30?",
            "np.argsort tells at which place the least stands, not which rank the first has. Use its last "
            "two entries as places in the group, or apply np.argsort to its own result, which does give "
            "ranks.",
        ),
        Mistake(
            "by_value",
            _by_value,
            "Every group keeps two, but the two greatest by value. Right while all weights of a group are "
            "positive. What about a group like (0.1, -0.5, 0.3, 0.2)?",
            "A weight of -0.5 changes an output more than one of 0.3. It is the magnitudes that have to be "
            "put in order.",
        ),
        Mistake(
            "ties_all_kept",
            _second_or_more,
            "Right while the magnitudes in a group differ. In a group like (1, 1, 1, 0.5) you keep three.",
            "You compare with the second largest magnitude, and equals of it all pass. Always two are kept; "
            "let the order of places decide, with a stable sort.",
        ),
        Mistake(
            "first_ties_kept",
            _first_ties_kept,
            "Two of each group are kept, the largest. But of equal magnitudes you keep the first ones, where "
            "the last are asked for.",
            "You sort from the largest on, so the first of equals come first. Sort from the least on, "
            "stably, and keep the last two of that order.",
        ),
    ),
    hint="Transpose, so that the inputs of one output are neighbours, and reshape the last axis to groups of "
    "4. Choose in each group by a stable np.argsort, then go both steps back.",
)


# A head removed


def _head_calls(rng):
    def call(width, num_heads, key_dim, head):
        query, key, value = rng.normal(size=(3, width, num_heads * key_dim))
        return query, key, value, rng.normal(size=(num_heads * key_dim, width)), num_heads, int(head)

    return [
        call(12, 4, 3, rng.integers(4)),
        call(12, 3, 4, 2),
        call(10, 3, 4, 1),
        call(8, 2, 5, 0),
        call(20, 4, 3, 1),
        call(8, 2, 4, 1),
    ]


def _all_but(head, num_heads):
    return [each for each in range(num_heads) if each != head]


def _own(query, num_heads, head):
    """The columns of a head."""
    key_dim = query.shape[1] // num_heads
    return slice(head * key_dim, (head + 1) * key_dim)


def _without(query, key, value, output, places):
    return (*(np.delete(each, places, axis=1) for each in (query, key, value)), np.delete(output, places, 0))


def _output_columns(query, key, value, output, num_heads, head):
    return tuple(
        np.delete(each, _own(query, num_heads, head), axis=1) for each in (query, key, value, output)
    )


def _output_left(query, key, value, output, num_heads, head):
    return (*_without(query, key, value, output, _own(query, num_heads, head))[:3], output)


def _zeroed(query, key, value, output, num_heads, head):
    query, key, value, output = (each.copy() for each in (query, key, value, output))
    places = _own(query, num_heads, head)
    for each in (query, key, value):
        each[:, places] = 0.0
    output[places] = 0.0
    return query, key, value, output


def _depth_from_width(query, key, value, output, num_heads, head):
    depth = query.shape[0] // num_heads
    return _without(query, key, value, output, slice(head * depth, (head + 1) * depth))


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
    mistakes=(
        Mistake(
            "columns_of_the_output",
            _output_columns,
            "The three projections are right. In the output kernel you remove columns: what are its columns, "
            "and what are its rows?",
            "The heads' results, side by side, are multiplied by the output kernel from the left. What a "
            "head contributes passes through the rows that meet its results; a column is a number of the "
            "layer's output, and all of those stay.",
        ),
        Mistake(
            "output_left_whole",
            _output_left,
            "The three projections are right, the output kernel still has its old size. With what would its "
            "surplus rows be multiplied?",
            "The heads now give fewer numbers side by side, and the output kernel has one row for each. "
            "Multiply the two shapes out: they no longer meet.",
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
            _zeroed,
            "You set the head to zero. The layer then computes the right thing, but it is as large and as "
            "slow as before.",
            "The arrays must become smaller, by the columns and rows that you now fill with zeros.",
        ),
        Mistake(
            "depth_from_the_width",
            _depth_from_width,
            "Right where num_heads times key_dim is the width of the layer, wrong elsewhere. From which "
            "array's which axis do you take the depth of a head?",
            "After a head has been removed, width / num_heads is no longer the depth of a head. The axis "
            "that the heads share tells it always.",
        ),
    ),
    hint="Work out key_dim from the columns of `query`, then the first and the last column of the head. "
    "np.delete with a slice and an axis does the rest.",
)


# A rank for a budget


def _rank_calls(rng):
    inputs, outputs = (int(n) for n in rng.integers((40, 100), (90, 200)))
    both, rank = inputs + outputs, int(rng.integers(5, 20))
    small = int(rng.integers(20, 30))
    return [
        (384, 384, 384 * 384 // 2),
        (384, 1536, 200_000 + int(rng.integers(100))),
        (inputs, outputs, rank * both),
        (outputs, inputs, rank * both + int(0.8 * both)),
        (inputs, outputs, both),
        (small, small + 15, 4 * small * (small + 15)),
        (small + 15, small, 4 * small * (small + 15)),
    ]


_BUDGET = Question(
    id="pruning.rank_for_budget",
    title="The rank that a budget buys",
    points=1,
    minutes=5,
    signature="rank_for_budget(inputs, outputs, parameters)",
    calls=_rank_calls,
    reference=lambda inputs, outputs, parameters: pruning.rank_for_budget(inputs, outputs, parameters),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "share_of_the_rank",
            lambda inputs, outputs, parameters: min(
                int(parameters / (inputs * outputs) * min(inputs, outputs)), inputs, outputs
            ),
            "With half of the kernel's weights as the budget you return half of its greatest rank. Count the "
            "weights of your two factors.",
            "Factors of a square kernel at half of the rank have as many weights as the kernel itself. How "
            "many weights does one unit of rank cost?",
        ),
        Mistake(
            "one_factor",
            lambda inputs, outputs, parameters: min(parameters // inputs, inputs, outputs),
            "The first factor fits into the budget, and then nothing is left for the second. Count both.",
            "The factors have the shapes (inputs, rank) and (rank, outputs). What does raising the rank by "
            "one add to the first, and what to the second?",
        ),
        Mistake(
            "rounded",
            lambda inputs, outputs, parameters: min(round(parameters / (inputs + outputs)), inputs, outputs),
            "Most calls are right, but in some your factors have more weights than the budget allows.",
            "The rank must fit, so a fraction counts for nothing, even if it is close to the next whole "
            "number.",
        ),
        Mistake(
            "exact_fit_refused",
            lambda inputs, outputs, parameters: min((parameters - 1) // (inputs + outputs), inputs, outputs),
            "Where the factors would use up the budget to the last weight, your rank is one too small.",
            "At most so many weights are allowed: equal is allowed too.",
        ),
        Mistake(
            "uncapped",
            lambda inputs, outputs, parameters: parameters // (inputs + outputs),
            "For a large budget your rank is larger than the kernel has. How many singular values has it?",
            "A kernel of shape (inputs, outputs) has no rank above its lesser side, and more budget does not "
            "change that.",
        ),
        Mistake(
            "not_whole",
            lambda inputs, outputs, parameters: min(parameters / (inputs + outputs), inputs, outputs),
            "Your rank has a fraction in most calls. How many columns has a factor of rank 104.2?",
            "The rank is a number of columns, so it must be whole, and both factors must still fit into the "
            "budget. Which division of Python gives that?",
        ),
    ),
    hint="Write down the two shapes, and what the rank costs per unit. Then think of a budget that is larger "
    "than needed.",
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
        (kernel(6, 10), 2),
        (kernel(12, 5).astype("float32"), 4),
        (kernel(9, 9), 1),
        (kernel(7, 4), 4),
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


def _same_product(answers):
    """Recognises factors whose product is that of one of these answers, whatever each factor is."""

    def recognise(arguments, outputs):
        product = _product(outputs)
        return any(_near(product, _product(answer(*arguments)), arguments[0]) for answer in answers)

    return recognise


def _mistaken(name, answer, hint, more, *variants):
    return Mistake(name, answer, hint, more, recognise=_same_product((answer, *variants)))


def _least_with_leading_vectors(kernel, rank):
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:, :rank] * values[-rank:], right[:rank]


def _least_eigenvectors(kernel, rank):
    vectors = np.linalg.eigh(kernel.T @ kernel)[1][:, :rank]
    return kernel @ vectors, vectors.T


def _right_columns(kernel, rank):
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:, :rank] * values[:rank], right[:, :rank].T


_LOW_RANK = Question(
    id="pruning.low_rank",
    title="Two thin factors",
    points=2,
    minutes=15,
    signature="low_rank(kernel, rank)",
    calls=_low_rank_calls,
    reference=lambda kernel, rank: pruning.low_rank(kernel, rank),
    returns=("array", "array"),
    judge=_judge_low_rank,
    mistakes=(
        _mistaken(
            "values_missing",
            lambda kernel, rank: _factors(kernel, rank, 0.0, 0.0),
            "Your factors have the right directions but not their strength. Which of the three results of "
            "the SVD do you not use?",
            "The columns of the left matrix and the rows of the right one all have length 1. The singular "
            "values say how much each pair counts.",
        ),
        _mistaken(
            "values_twice",
            lambda kernel, rank: _factors(kernel, rank, 1.0, 1.0),
            "Your product has the right directions, but each is too strong or too weak by a factor that is "
            "its own singular value.",
            "Both of your factors carry the singular values, so the product has their squares. Give them to "
            "one factor only, or to both in equal parts; what are equal parts of a product?",
        ),
        _mistaken(
            "root_once",
            lambda kernel, rank: _factors(kernel, rank, 0.5, 0.0),
            "Your product holds the roots of the singular values instead of the values. Which factor got "
            "none?",
            "If one factor gets the roots, the other must get them too: only then do they multiply to the "
            "singular values.",
        ),
        _mistaken(
            "least_values",
            lambda kernel, rank: _factors(kernel, rank, places=lambda rank: slice(-rank, None)),
            "Your product is far from the kernel wherever the rank is low: you keep the smallest singular "
            "values. In which order does NumPy give them?",
            "np.linalg.svd sorts from the largest on, np.linalg.eigh from the least on. Print the values "
            "that you keep.",
            _least_with_leading_vectors,
            _least_eigenvectors,
        ),
        _mistaken(
            "right_taken_by_columns",
            _right_columns,
            "Your second factor consists of columns of what np.linalg.svd returns last. Its name in NumPy "
            "ends in h: what does that stand for?",
            "np.linalg.svd returns U, S and the transpose of V, whose rows are the right singular vectors, "
            "ready for use. What belongs to the first singular value is its first row.",
        ),
        _mistaken(
            "not_cut",
            lambda kernel, rank: _factors(kernel, min(kernel.shape)),
            "Your product is the kernel itself, so your factors save nothing. Where does `rank` come in?",
            "The rank is the number of columns of the first factor and of rows of the second. Keep so many "
            "of the singular values, with the vectors that belong to them.",
        ),
    ),
    hint="Start with np.linalg.svd(kernel, full_matrices=False) and print the shapes of its three results. "
    "How do they multiply to the kernel again, and which parts of them matter most?",
)


QUESTIONS = (_MAGNITUDE, _GLOBAL, _CUBIC, _TWO_OF_FOUR, _HEAD, _BUDGET, _LOW_RANK)
