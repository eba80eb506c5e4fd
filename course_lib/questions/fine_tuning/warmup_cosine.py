"""Question: warm-up, then cosine."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.fine_tuning._shared import fine_tuning


def _schedule_calls(rng):
    total, warmup = int(rng.integers(60, 200)), int(rng.integers(5, 20))
    peak = float(rng.uniform(1e-3, 1e-2))
    return [
        Call((0, peak, total, warmup), "`step` 0"),
        Call((warmup, peak, total, warmup), "the step at which the warm-up ends"),
        Call((warmup - 2, peak, total, warmup), "a step of the warm-up"),
        (int(rng.integers(30, 50)), peak, total, warmup),
        Call((total + int(rng.integers(1, 9)), peak, total, warmup), "a step after the end"),
        Call((np.arange(total + 12), peak, total, warmup), "an array of steps"),
        Call((np.arange(12), 2e-4, 10, 0), "an array of steps and no warm-up"),
        Call((int(rng.integers(2, 7)), 3e-4, 9, 0), "a single step and no warm-up"),
        Call((np.arange(12).reshape(3, 4), 5e-5, 9, 1), "steps of two axes"),
    ]


def _cosine(progress):
    return 0.5 * (1.0 + np.cos(np.pi * progress))


def _schedule(
    step,
    peak,
    total,
    warmup,
    rise=lambda step, warmup: (step + 1) / max(warmup, 1),
    fall=_cosine,
    progress=lambda step, warmup, total: (step - warmup) / (total - warmup),
    clip=True,
    rises=np.less,
    peaks=(1.0, 1.0),
    ends=False,
):
    """A schedule with one of its parts replaced."""
    step = np.asarray(step)
    share = progress(step, warmup, total)
    if clip:
        share = np.clip(share, 0.0, 1.0)
    rising, falling = (
        peak**power * value for power, value in zip(peaks, (rise(step, warmup), fall(share)), strict=True)
    )
    rates = np.where(rises(step, warmup), rising, falling)
    return np.where(step >= total, 0.0, rates) if ends else rates


def _scheduled(*options):
    return tuple(functools.partial(_schedule, **each) for each in options)


def _for_numbers(step, peak, total_steps, warmup_steps):
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return float(_schedule(step, peak, total_steps, warmup_steps))


def _by_math(step, peak, total_steps, warmup_steps):
    rise = (step + 1) / max(warmup_steps, 1)
    progress = np.minimum((step - warmup_steps) / (total_steps - warmup_steps), 1.0)
    return peak * np.where(step < warmup_steps, rise, 0.5 + 0.5 * math.cos(math.pi * progress))


def _dividing_by_warmup(step, peak, total_steps, warmup_steps):
    rise = (step + 1) / warmup_steps
    return np.where(step < warmup_steps, peak * rise, _schedule(step, peak, total_steps, warmup_steps))


def _min_of_rise(step, peak, total_steps, warmup_steps):
    # The rise without a choice: 0 / 0 or a division by 0 where there is no warm-up.
    rise = np.minimum((np.asarray(step) + 1) / np.float64(warmup_steps), 1.0) if warmup_steps else np.nan
    return rise * _schedule(step, peak, total_steps, warmup_steps, rises=lambda step, warmup: step < 0)


def _like_the_steps(step, peak, total_steps, warmup_steps):
    return _schedule(step, peak, total_steps, warmup_steps).astype(np.asarray(step).dtype)


def _like_the_steps_of_an_array(step, peak, total_steps, warmup_steps):
    if np.ndim(step):
        return _like_the_steps(step, peak, total_steps, warmup_steps)
    return _schedule(step, peak, total_steps, warmup_steps)


def _flat(step, peak, total_steps, warmup_steps):
    return np.atleast_1d(_schedule(step, peak, total_steps, warmup_steps)).ravel()


def _flat_arrays(step, peak, total_steps, warmup_steps):
    rates = _schedule(step, peak, total_steps, warmup_steps)
    return rates.ravel() if np.ndim(step) else rates


def _loop_over_one_axis(step, peak, total_steps, warmup_steps):
    if np.ndim(step) == 0:
        return _for_numbers(step, peak, total_steps, warmup_steps)
    return [_for_numbers(each, peak, total_steps, warmup_steps) for each in step]


QUESTION = Question(
    id="fine_tuning.warmup_cosine",
    title="Warm-up, then cosine",
    points=2,
    minutes=10,
    signature="warmup_cosine(step, peak, total_steps, warmup_steps)",
    calls=_schedule_calls,
    reference=lambda step, peak, total_steps, warmup_steps: fine_tuning.WarmupCosine(
        peak, total_steps, warmup_steps
    )(step),
    rtol=1e-4,
    atol=1e-8,  # Rates are small.
    mistakes=(
        Mistake(
            "starts_at_zero",
            _scheduled({"rise": lambda step, warmup: step / max(warmup, 1)}),
            "Your rate is 0 at step 0, so the first batch teaches nothing.",
            "With four steps of warm-up the first four rates are a quarter, a half, three quarters and all "
            "of the peak. Yours begin with 0.",
        ),
        Mistake(
            "falls_from_step_zero",
            _scheduled({"progress": lambda step, warmup, total: step / total}),
            "Where the warm-up ends your rate jumps: the cosine has been running since step 0.",
            "At step warmup_steps the rate must be the peak. Count the progress of the fall from there: it "
            "goes from 0 at warmup_steps to 1 at total_steps.",
        ),
        Mistake(
            "falls_too_slowly",
            _scheduled(
                *(
                    {"progress": lambda step, warmup, total: (step - warmup) / total, "ends": ends}
                    for ends in (False, True)
                )
            ),
            "Your cosine is not down at zero at total_steps; it would get there only warmup_steps later.",
            "The fall starts at the right step. How many steps are left for it, once the warm-up has had its "
            "own? Progress must be 1 at total_steps.",
        ),
        Mistake(
            "falls_off_by_one",
            _scheduled(
                {"progress": lambda step, warmup, total: (step - warmup + 1) / (total - warmup)},
                {"progress": lambda step, warmup, total: (step - warmup) / (total - warmup - 1)},
                {"progress": lambda step, warmup, total: (step - warmup) / (total - warmup + 1)},
                {"progress": lambda step, warmup, total: (step - warmup - 1) / (total - warmup)},
                {"progress": lambda step, warmup, total: (step - warmup + 1) / (total - warmup + 1)},
                {
                    "progress": lambda step, warmup, total: (step - warmup) / (total - warmup + 1),
                    "ends": True,
                },
                {
                    "progress": lambda step, warmup, total: (step - warmup - 1) / (total - warmup),
                    "ends": True,
                },
            ),
            "Very close: your fall is off by one step at its beginning or its end.",
            "At step warmup_steps the progress is exactly 0, at step total_steps exactly 1. Put both into "
            "your formula, by hand.",
        ),
        Mistake(
            "rises_again",
            _scheduled({"clip": False}),
            "Up to total_steps all is right. After it your rate rises again: a cosine does not stay at its "
            "lowest point by itself.",
            "Progress may not exceed 1, however many steps follow. Look at the rates of the steps from "
            "total_steps on: all must be 0.",
        ),
        Mistake(
            "straight_fall",
            _scheduled({"fall": lambda progress: 1.0 - progress}),
            "Your rate falls along a straight line, not along half a cosine.",
            "At a quarter of the fall the rate must still be 85 % of the peak, at half 50 %. The cosine of "
            "an angle from 0 to π goes from 1 to -1: lift and halve it.",
        ),
        Mistake(
            "another_cosine",
            _scheduled(
                {"fall": lambda progress: np.cos(np.pi * progress)},
                {"fall": lambda progress: np.maximum(np.cos(np.pi * progress), 0.0)},
                {"fall": lambda progress: 1.0 + np.cos(np.pi * progress)},
                {"fall": lambda progress: np.cos(np.pi * progress / 2)},
                {"fall": lambda progress: 0.5 * np.cos(np.pi * progress)},
                {"fall": lambda progress: 0.5 * (1.0 + np.cos(2 * np.pi * progress))},
                {"fall": lambda progress: 0.5 * (1.0 - np.cos(np.pi * progress))},
                {"fall": lambda progress: 0.5 * (1.0 + np.cos(progress))},
                {"fall": lambda progress: 0.5 * (1.0 + np.sin(np.pi * progress))},
            ),
            "Your fall is not the half cosine of the text. At progress 0, 0.5 and 1 it must be the peak, "
            "half of it and 0: what is yours at these three?",
            "The angle goes from 0 to π, so the cosine goes from 1 to -1. Adding 1 lifts it to 2 to 0, and "
            "halving that gives a share of the peak. Which of the three is missing?",
        ),
        Mistake(
            "one_step_at_a_time",
            (_for_numbers, _by_math),
            "A single step works. An array of steps does not: an `if`, min, max or a function of `math` "
            "wants one number, and an array has many.",
            "Compute the rise and the fall for all steps with functions of NumPy, then choose between them "
            "element by element. Mind that warmup_steps may be 0.",
        ),
        Mistake(
            "one_axis_of_steps",
            (_loop_over_one_axis, _flat, _flat_arrays),
            "Your rates do not have the shape of `step`, which may have no axis, one, or two.",
            "Do without a loop: arithmetic and np.where work on all elements and keep the shape, whatever it "
            "is. What would your code return for a single number, and for np.arange(6).reshape(2, 3)?",
        ),
        Mistake(
            "rise_one_step_too_long",
            _scheduled({"rises": np.less_equal}),
            "At step warmup_steps your rate is above the peak. Which steps belong to the rise?",
            "The rise has warmup_steps steps, from 0 to warmup_steps - 1: the last of them reaches the peak. "
            "Look at your comparison.",
        ),
        Mistake(
            "rise_with_another_length",
            _scheduled(
                {"rise": lambda step, warmup: (step + 1) / (warmup + 1)},
                {"rise": lambda step, warmup: step / max(warmup - 1, 1)},
                {"rise": lambda step, warmup: (step + 1) / max(warmup - 1, 1)},
            ),
            "In the rise, the rate of some step is not the share of the peak that the "
            "text gives: try the first and the last step of a warm-up of four.",
            "With a warm-up of four the rates of the steps 0 to 3 are a quarter, a half, three quarters and "
            "all of the peak. How many parts does that make?",
        ),
        Mistake(
            "no_rise",
            (
                *_scheduled({"rises": lambda step, warmup: np.zeros(np.shape(step), dtype=bool)}),
                *_scheduled(
                    {
                        "rises": lambda step, warmup: np.zeros(np.shape(step), dtype=bool),
                        "progress": lambda step, warmup, total: step / total,
                    }
                ),
            ),
            "Your rate is the peak, or near it, from the first step on: there is no rise.",
            "For the first warmup_steps steps another formula holds. Choose between rise and fall by "
            "comparing the step with warmup_steps.",
        ),
        Mistake(
            "peak_missing",
            _scheduled({"peaks": (0.0, 0.0)}, {"peaks": (1.0, 0.0)}, {"peaks": (0.0, 1.0)}),
            "Somewhere you return a share of the peak, a number up to 1, and not a learning rate.",
            "Rise and fall both go between 0 and `peak`. Multiply each of them, or the choice between them.",
        ),
        Mistake(
            "division_by_no_warmup",
            (_dividing_by_warmup, _min_of_rise),
            "Right while there is a warm-up. Without one, something is divided by warmup_steps, which is 0.",
            "A formula for the rise is computed even if no step uses it. Divide by a number that is never 0, "
            "or do not come to that line without a warm-up.",
        ),
        Mistake(
            "whole_numbers",
            (_like_the_steps, _like_the_steps_of_an_array),
            "Your rates are cut to whole numbers, which makes nearly all of them 0. Which dtype has the "
            "array that you fill?",
            "`step` is of integers, and so is an array made like it. What is written into such an array "
            "loses its fraction.",
        ),
    ),
    hint="Three parts: the rise, the progress of the fall from 0 to 1, and the choice between them. Draw it "
    "for 20 steps.",
    more="Write all of it with NumPy, so that arrays work. The progress is (step - warmup_steps) / "
    "(total_steps - warmup_steps), never above 1. np.where chooses, element by element; see that no "
    "warm-up of 0 is divided by.",
    example=(np.array([0, 3, 4, 6, 8, 9]), 10.0, 8, 4),
)
