"""Question: a loss scale that finds its own size."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each

_LIMIT = 65504.0  # The largest number of float16.


def _scaling_calls(rng):
    def steps(*overflows, scale, growth_steps, spare=0.3):
        """Gradients that overflow in these steps, by the reference's own scales."""
        largest = []
        for overflow in overflows:
            current = _run(np.array([*largest, 1.0]), scale, growth_steps)[0][-1]
            largest.append(_LIMIT / current * (rng.uniform(1.2, 1.8) if overflow else spare))
        return np.array(largest), scale, growth_steps

    exact, _, _ = steps(0, 0, 1, 0, 0, scale=1024.0, growth_steps=3)
    exact[1] = _LIMIT / 1024.0
    holes = steps(0, 0, 0, 1, 0, 0, 0, scale=256.0, growth_steps=4)
    holes[0][1] = np.nan
    infinite = steps(0, 0, 0, 0, 0, 0, scale=64.0, growth_steps=2)
    infinite[0][2] = np.inf
    far, _, _ = steps(0, 1, 0, 0, 0, 0, scale=4096.0, growth_steps=2)
    far[1] *= 10
    random = steps(*(rng.random(24) < 0.2), scale=32768.0, growth_steps=3)
    return [
        steps(0, 1, 0, 0, 0, 0, 0, 1, 0, 0, scale=2048.0, growth_steps=3),
        Call(steps(1, 1, 1, 0, 0, 0, scale=65536.0, growth_steps=5), about="several overflows in a row"),
        Call(
            steps(0, 0, 1, 0, 0, 1, 0, 0, 0, scale=512.0, growth_steps=3),
            about="good steps that are broken off",
        ),
        Call((exact, 1024.0, 3), about="a gradient that just fits"),
        Call(holes, about="a NaN among the gradients"),
        Call(infinite, about="a gradient that is infinite by itself"),
        Call(steps(0, 0, 0, 1, 0, scale=16.0, growth_steps=1), about="growth after every good step"),
        Call((far, 4096.0, 2), about="a gradient that is far too large once"),
        random,
        Call(steps(1, 1, 0, 0, 1, 0, scale=1.0, growth_steps=2), about="a scale below 1"),
    ]


def _overflows(largest, scale):
    return not largest * scale <= _LIMIT


def _run(
    largest,
    scale,
    growth_steps,
    overflows=_overflows,
    on_skip=lambda good: 0,
    on_growth=0,
    grow=2.0,
    shrink=0.5,
    smaller=lambda scale: scale,
    late=0,
    grows_at_once=False,
    after=False,
    applied=False,
    retries=False,
):
    """The machine with one of its parts replaced.

    Args:
        largest: As in the question.
        scale: As in the question.
        growth_steps: As in the question.
        overflows: Whether a step does, from its largest gradient and the scale.
        on_skip: The number of good steps after a skipped one, from that before.
        on_growth: The number of good steps after the scale grew; None leaves it.
        grow: Factor after enough good steps.
        shrink: Factor after an overflow.
        smaller: What is done to the scale after that.
        late: By how many steps the scale grows too late.
        grows_at_once: Whether the step after which the scale grows has the new scale already.
        after: Whether the scale after each step is returned.
        applied: Whether steps that are not skipped are returned.
        retries: Whether the scale is halved until the step fits.
    """
    scales, skipped, good = [], [], 0
    for each in largest:
        used, skip = scale, overflows(each, scale)
        if skip:
            scale, good = smaller(scale * shrink), on_skip(good)
            while retries and np.isfinite(each) and overflows(each, scale):
                scale *= shrink
        else:
            good += 1
            if good >= growth_steps + late:
                scale, good = scale * grow, good if on_growth is None else on_growth
                used = scale if grows_at_once else used
        scales.append(scale if after else used)
        skipped.append(skip != applied)
    return np.array(scales), np.array(skipped)


def _reference(largest, scale, growth_steps):
    return _run(largest, scale, growth_steps)


def _with(**parts):
    return lambda largest, scale, growth_steps: _run(largest, scale, growth_steps, **parts)


def _growing_every(largest, scale, growth_steps):
    """Doubles at every multiple of `growth_steps`, counted over all steps."""
    scales, skipped = [], []
    for step, each in enumerate(largest, start=1):
        scales.append(scale)
        skipped.append(_overflows(each, scale))
        if skipped[-1]:
            scale /= 2
        elif step % growth_steps == 0:
            scale *= 2
    return np.array(scales), np.array(skipped)


QUESTION = Question(
    id="scaling.loss_scaling",
    title="A loss scale that finds its own size",
    points=3,
    minutes=20,
    signature="loss_scaling(largest, scale, growth_steps)",
    calls=_scaling_calls,
    reference=_reference,
    returns=("array", "array"),
    names=("scales", "skipped"),
    mistakes=(
        Mistake(
            "after_the_step",
            _with(after=True),
            "Your scales are those after each step. Which scale did the first step use?",
            "In a loop, note the scale before you change it: what a step finds out counts for the next one.",
        ),
        Mistake(
            "count_goes_on",
            _with(on_skip=lambda good: good),
            "Right until an overflow comes between good steps. How many good steps **in a row** are there "
            "after it?",
            "An overflow says that the scale is at its limit. What must happen to your count of good steps?",
        ),
        Mistake(
            "skipped_counts",
            (_with(on_skip=lambda good: good + 1), _growing_every),
            "You count steps that were skipped, or all steps since the start, as good ones.",
            "Only steps in a row that fit let the scale grow. What is a step that overflows to your count?",
        ),
        Mistake(
            "growth_keeps_counting",
            _with(on_growth=None),
            "Once the scale has grown, yours grows again at the very next good step.",
            "After a doubling the new scale has to prove itself as long as the old one did. Where does your "
            "count begin then?",
        ),
        Mistake(
            "one_too_late",
            _with(late=1),
            "Your scale grows one good step too late. With 3 as `growth_steps`, how many good steps come "
            "before the larger scale?",
            "Count the present step first, and compare then: at 3 of 3 it is time.",
        ),
        Mistake(
            "grows_at_once",
            _with(grows_at_once=True),
            "The step after which the scale grows has the larger scale in your list already.",
            "A step's gradients are computed at one scale. What is learned from it changes the scale of the "
            "next one.",
        ),
        Mistake(
            "never_grows",
            _with(grow=1.0),
            "Your scale only falls. What happens after `growth_steps` good steps?",
            "One overflow by chance would keep the scale low for the rest of the training. Where is your "
            "count of good steps?",
        ),
        Mistake(
            "never_shrinks",
            _with(shrink=1.0),
            "Your scale stays as it is after an overflow. What will the next step do?",
            "A gradient that did not fit will not fit at the same scale. By which factor does the task bring "
            "it down?",
        ),
        Mistake(
            "nan_passes",
            (
                _with(overflows=lambda largest, scale: largest * scale > _LIMIT),
                _with(overflows=lambda largest, scale: np.isinf(largest) or largest * scale > _LIMIT),
            ),
            "Right but for a NaN, which passes with you. Ask Python whether `nan > 65504`.",
            "Every comparison with NaN is false. A step may only be taken if its gradients are surely "
            "numbers that fit.",
        ),
        Mistake(
            "just_fits",
            _with(overflows=lambda largest, scale: not largest * scale < _LIMIT),
            "Right but where the scaled gradient is exactly the largest number of float16. Does that fit?",
            "65,504 is a number of float16 like any other. Look at the sign of your comparison.",
        ),
        Mistake(
            "not_below_1",
            of_each(lambda smaller: _with(smaller=smaller), lambda scale: max(scale, 1.0), np.floor),
            "Right while the scale is at least 1. What is half of 1 with you?",
            "Gradients may be too large even without a scale, so the task sets no lower limit: half of 1 is "
            "0.5, a float.",
        ),
        Mistake(
            "unscaled",
            of_each(
                lambda overflows: _with(overflows=overflows),
                lambda largest, scale: not largest <= _LIMIT,
                lambda largest, scale: not largest / scale <= _LIMIT,
                lambda largest, scale: not np.isfinite(largest),
            ),
            "You skip too few steps. At which size are the gradients when they are held in float16?",
            "The loss is multiplied by the scale, so the gradients are, too. It is the product that must "
            "fit.",
        ),
        Mistake(
            "retried",
            _with(retries=True),
            "After an overflow you halve the scale until the same gradients would fit. The step is lost all "
            "the same.",
            "One step, one look: it overflows, it is skipped, the scale is halved once. The next step comes "
            "with new data.",
        ),
        Mistake(
            "applied",
            _with(applied=True),
            "Your scales are right. Does your second array say which steps are taken, or which are skipped?",
            "True stands for a step that is lost because its gradients do not fit.",
        ),
    ),
    hint="Write down three variables by hand for the example, step by step: the scale, whether the step "
    "fits, and how many steps in a row have fitted.",
    more="For each step: note the scale; note whether the product does not fit, where NaN never fits; if so, "
    "halve and count from 0; else count, and at `growth_steps` double and count from 0.",
    example=(np.array([100.0, 100.0, 100.0, 100.0]), 1024.0, 2),
)
