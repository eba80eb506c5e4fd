"""Question: the cubic schedule."""

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pruning._shared import pruning


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


QUESTION = Question(
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
