"""Question: 80, 10, 10."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pretraining._shared import pretraining


def _corrupt_calls(rng):
    def case(*shape, mask_id=4, about=""):
        # All kinds of draws, each at chosen and at other places; no draw lies near a border.
        size, order = math.prod(shape), rng.permutation(math.prod(shape))
        low, high = np.array([[0.0, 0.1], [0.1, 0.8], [0.8, 0.9], [0.9, 1.0]])[np.arange(size) % 4].T
        draws = low + (high - low) * rng.uniform(0.05, 0.95, size=size)
        chosen = np.arange(size) // 4 % 2 == 0
        token_ids, random_ids = rng.integers(200, 300, size=size), rng.integers(300, 400, size=size)
        arrays = token_ids, chosen[order], draws[order], random_ids
        return Call((*(each.reshape(shape) for each in arrays), mask_id), about=about)

    token_ids, _, draws, random_ids, mask_id = case(2, 6)
    everything = np.ones((2, 6), dtype=bool)
    axes = "another number of axes than two"
    row = case(1, 8)
    return [
        Call((*row[:2], row[2].astype("float32"), *row[3:])),
        case(8, about=axes),
        Call((token_ids, ~everything, draws, random_ids, mask_id), about="nothing chosen"),
        Call((token_ids, everything, draws, random_ids, 103), about="everything chosen"),
        case(2, 3, 4, about=axes),
        case(5, 40, mask_id=103),
    ]


def _replaced(
    token_ids,
    chosen,
    draws,
    random_ids,
    mask_id,
    masked=0.8,
    drawn=0.9,
    where=lambda chosen: chosen,
):
    new = np.where(draws < masked, mask_id, np.where(draws < drawn, random_ids, token_ids))
    return np.where(where(chosen), new, token_ids)


def _by_borders(*borders):
    """Kinds of tokens by the draw: pairs of a border and what stands below it."""

    def answer(token_ids, chosen, draws, random_ids, mask_id):
        new = token_ids
        kinds = {"mask": mask_id, "random": random_ids, "own": token_ids}
        for border, kind in reversed(borders):
            new = np.where(draws < border, kinds[kind], new)
        return np.where(chosen, new, token_ids)

    return answer


def _overwritten(token_ids, chosen, draws, random_ids, mask_id):
    return np.where(chosen & (draws < 0.9), random_ids, token_ids)


def _random_in_order(token_ids, chosen, draws, random_ids, mask_id):
    new = _replaced(token_ids, chosen, draws, token_ids, mask_id)
    places = chosen & (draws >= 0.8) & (draws < 0.9)
    new[places] = random_ids.ravel()[: places.sum()]
    return new


def _random_anywhere(token_ids, chosen, draws, random_ids, mask_id):
    new = np.where((draws >= 0.8) & (draws < 0.9), random_ids, token_ids)
    return np.where(chosen & (draws < 0.8), mask_id, new)


def _masked_anywhere(token_ids, chosen, draws, random_ids, mask_id):
    new = np.where(draws < 0.8, mask_id, token_ids)
    return np.where(chosen & (draws >= 0.8) & (draws < 0.9), random_ids, new)


def _over_two_axes(token_ids, chosen, draws, random_ids, mask_id):
    new, (rows, columns) = np.array(token_ids), token_ids.shape
    for i in range(rows):
        for j in range(columns):
            if chosen[i, j] and draws[i, j] < 0.9:
                new[i, j] = mask_id if draws[i, j] < 0.8 else random_ids[i, j]
    return new


def _over_rows(token_ids, chosen, draws, random_ids, mask_id):
    new = np.array(token_ids)
    for i in range(token_ids.shape[0]):
        for j in range(token_ids.shape[1]):
            if chosen[i, j] and draws[i, j] < 0.9:
                new[i, j] = mask_id if draws[i, j] < 0.8 else random_ids[i, j]
    return new


def _over_lists(token_ids, chosen, draws, random_ids, mask_id):
    return np.array(
        [
            [t if not c or d >= 0.9 else mask_id if d < 0.8 else r for t, c, d, r in zip(*each, strict=True)]
            for each in zip(token_ids, chosen, draws, random_ids, strict=True)
        ]
    )


QUESTION = Question(
    id="pretraining.corrupt",
    title="80, 10, 10",
    points=1,
    minutes=10,
    signature="corrupt(token_ids, chosen, draws, random_ids, mask_id)",
    calls=_corrupt_calls,
    reference=lambda token_ids, chosen, draws, random_ids, mask_id: pretraining.corrupt(
        token_ids, chosen, draws, random_ids, mask_id
    ),
    dtypes=("int",),
    keeps_inputs=True,
    mistakes=(
        Mistake(
            "nothing_replaced",
            lambda token_ids, chosen, draws, random_ids, mask_id: token_ids,
            "Your result is `token_ids` as it came. Into which array do you write, and is it the one that "
            "you return?",
            "`new[chosen][...] = mask_id` writes into a copy, which is gone after that line: one index must "
            "say all, such as new[chosen & (...)]. What np.where makes has to be given a name, too.",
        ),
        Mistake(
            "all_masked",
            functools.partial(_replaced, masked=1.0),
            "All chosen tokens become [MASK]. Does a fine-tuned model ever see a [MASK]?",
            "Only where the draw is below 0.8 comes [MASK]. The other fifth is for random tokens and for "
            "true ones, so that the model cannot rely on a token only because it is not hidden.",
        ),
        Mistake(
            "no_random",
            functools.partial(_replaced, drawn=0.0),
            "Where the draw is 0.8 or more, you keep the true token. `random_ids` never appears; what is it "
            "for?",
            "The draws from 0.8 to 1 are two groups: one half gets the random token, the other keeps its "
            "own. At which number are they parted?",
        ),
        Mistake(
            "none_kept",
            functools.partial(_replaced, drawn=1.0),
            "Where the draw is 0.8 or more, you always take the random token. Some chosen tokens were to "
            "stay as they are.",
            "The draws from 0.8 to 1 are two groups. From 0.9 on the true token stays, so that a visible "
            "token is often enough the right one.",
        ),
        Mistake(
            "kept_before_random",
            _by_borders((0.8, "mask"), (0.9, "own"), (2.0, "random")),
            "Below 0.8 you are right. From there on the two groups have changed places.",
            "A draw of 0.85 means the random token, one of 0.95 that the token stays.",
        ),
        Mistake(
            "everywhere",
            (functools.partial(_replaced, where=np.ones_like), _random_anywhere, _masked_anywhere),
            "You replace tokens that were not chosen, too, and there should be true ones left to guess from. "
            "Which of your steps does not look at `chosen`?",
            "The draws only say what happens to a chosen token. Where `chosen` is False, `token_ids` is "
            "returned as it is, whatever the draw is.",
        ),
        Mistake(
            "the_others",
            functools.partial(_replaced, where=np.logical_not),
            "You replace the tokens that were not chosen, and leave the chosen ones.",
            "`chosen` is True where a token is to be predicted: there the draw decides. Everywhere else the "
            "token stays.",
        ),
        Mistake(
            "random_first",
            (
                _by_borders((0.1, "random"), (0.9, "mask")),
                _by_borders((0.1, "random"), (0.2, "own"), (2.0, "mask")),
                _by_borders((0.1, "own"), (0.2, "random"), (2.0, "mask")),
            ),
            "The shares are right, but not their order: you do not give the lowest draws to [MASK].",
            "A draw of 0.05 means [MASK], one of 0.85 the random token. The borders are 0.8 and 0.9, from "
            "below.",
        ),
        Mistake(
            "overwritten",
            _overwritten,
            "There is no [MASK] in your result: nine tenths of the chosen tokens are random. What does your "
            "second replacement do to the places of the first?",
            "A draw below 0.8 is below 0.9, too, so a second step with `draws < 0.9` overwrites each "
            "[MASK]. Do it in the other order, or give the second step a lower bound.",
        ),
        Mistake(
            "random_in_order",
            _random_in_order,
            "The kinds are right, but the random tokens come from other places of `random_ids` than their "
            "own.",
            "Each place has a random token of its own, in the array of the same shape. Pick it with the same "
            "mask that you use on the left, or with np.where.",
        ),
        Mistake(
            "two_axes_only",
            (_over_two_axes, _over_rows, _over_lists),
            "With two axes you are right, with one or three your function ends in an error: the text allows "
            "any number of axes.",
            "np.where works place by place, whatever the shape is: no loop over rows and columns is needed.",
        ),
    ),
    hint="One np.where inside another decides by the draw; a last one brings back what was not chosen.",
    more="Begin with the rarest case: random_ids where the draw is below 0.9, else the token. Over that, "
    "mask_id where it is below 0.8. Over that, the token itself where it was not chosen.",
    example=(
        np.array([20, 21, 22, 23, 24]),
        np.array([True, False, True, True, False]),
        np.array([0.92, 0.85, 0.1, 0.88, 0.5]),
        np.array([60, 61, 62, 63, 64]),
        3,
    ),
)
