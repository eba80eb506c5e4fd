"""Question: two of four."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pruning._shared import _right_mask, _signs, pruning

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


QUESTION = Question(
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
