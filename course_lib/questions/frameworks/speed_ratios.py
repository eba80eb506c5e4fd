"""Question: how many times as long a program takes."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _calls(rng):
    def call(rounds, ratios, warm_up, about="", drift=1.0, jumps=2):
        ratios = np.array(ratios)
        base = rng.uniform(0.8, 1.2) * np.linspace(1.0, drift, rounds + warm_up)[:, None]
        seconds = base * ratios * rng.uniform(0.97, 1.03, size=(rounds + warm_up, len(ratios)))
        seconds[:warm_up] *= rng.uniform(5, 40, size=(warm_up, len(ratios)))  # Tracing, compiling, caches.
        for _ in range(jumps):  # Something else needed the processor.
            seconds[warm_up + rng.integers(rounds), rng.integers(len(ratios))] *= rng.uniform(2, 6)
        return Call((np.round(seconds, 4), warm_up), about)

    return [
        call(9, (1.0, 1.7), 2),
        call(11, (1.0, 0.4, 2.5), 3),
        call(8, (1.0, 1.3, 0.6), 1, about="an even number of rounds"),
        call(9, (1.0, 1.5), 2, about="a machine that gets slower", drift=5.0, jumps=1),
        call(7, (1.0, 0.8, 1.1, 3.0), 0, about="no round to warm up"),
        call(10, (1.0, 3.0), 4),
    ]


def _ratios(seconds):
    return seconds / seconds[:, :1]


def _reference(seconds, warm_up):
    return np.median(_ratios(seconds[warm_up:]), axis=0)


def _of_kept(function):
    """Leaves the first rounds out, then applies the function."""
    return lambda seconds, warm_up: function(seconds[warm_up:])


def _over_first(function):
    def answer(seconds):
        each = function(seconds)
        return each / each[0]

    return answer


QUESTION = Question(
    id="frameworks.speed_ratios",
    title="How many times as long",
    points=1,
    minutes=10,
    signature="speed_ratios(seconds, warm_up)",
    calls=_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "ratio_of_medians",
            _of_kept(_over_first(lambda seconds: np.median(seconds, axis=0))),
            "You divide medians. Times of one round belong together: both saw the same machine.",
            "Divide in each round first; the median of these ratios comes after that.",
        ),
        Mistake(
            "ratio_of_means",
            (
                _of_kept(_over_first(lambda seconds: seconds.mean(axis=0))),
                _of_kept(_over_first(lambda seconds: seconds.sum(axis=0))),
            ),
            "You divide means, or sums, of times. One round in which the machine was busy moves them.",
            "Compute a ratio for each round, and take what stands in the middle.",
        ),
        Mistake(
            "mean_of_ratios",
            (
                _of_kept(lambda seconds: _ratios(seconds).mean(axis=0)),
                _of_kept(lambda seconds: np.exp(np.log(_ratios(seconds)).mean(axis=0))),
            ),
            "Your ratios are right, but you take their mean. A single bad round moves it.",
            "The median does not care how bad the worst rounds are.",
        ),
        Mistake(
            "not_the_middle",
            (
                _of_kept(lambda seconds: np.sort(_ratios(seconds), axis=0)[len(seconds) // 2]),
                _of_kept(lambda seconds: np.sort(_ratios(seconds), axis=0)[(len(seconds) - 1) // 2]),
            ),
            "Right for an odd number of rounds. Of an even number, none stands in the middle.",
            "Take the mean of the two middle ones, or let `np.median` do it.",
        ),
        Mistake(
            "ratio_of_best",
            _of_kept(_over_first(lambda seconds: seconds.min(axis=0))),
            "You divide the best times. They may come from different rounds, when the machine was not the "
            "same.",
            "Compare within a round, then take the median of the rounds.",
        ),
        Mistake(
            "warm_up_counted",
            lambda seconds, warm_up: np.median(_ratios(seconds), axis=0),
            "Your median includes the rounds in which the programs were traced and compiled.",
            "Leave the first `warm_up` rounds out.",
        ),
        Mistake(
            "last_rounds_left_out",
            lambda seconds, warm_up: np.median(_ratios(seconds[: len(seconds) - warm_up]), axis=0),
            "You leave rounds out at the end. Which are the ones that warm up?",
            "`seconds[warm_up:]` begins after the first ones.",
        ),
        Mistake(
            "one_round_too_many",
            (
                lambda seconds, warm_up: _reference(seconds, warm_up + 1),
                lambda seconds, warm_up: _reference(seconds, max(warm_up - 1, 0)),
                lambda seconds, warm_up: _reference(seconds, 1),
            ),
            "You leave out another number of rounds than `warm_up`.",
            "With `warm_up` 2, rounds 0 and 1 go, and round 2 is the first that counts.",
        ),
        Mistake(
            "upside_down",
            _of_kept(lambda seconds: np.median(seconds[:, :1] / seconds, axis=0)),
            "A program that takes twice as long has 0.5 with you.",
            "The result says how many times as long: the reference's time stands below.",
        ),
        Mistake(
            "reference_left_out",
            _of_kept(lambda seconds: np.median(_ratios(seconds), axis=0)[1:]),
            "One result is missing: that of the reference itself, which is 1.",
            "The result has a number for each column.",
        ),
        Mistake(
            "other_reference",
            (
                _of_kept(lambda seconds: np.median(seconds / seconds[:, -1:], axis=0)),
                _of_kept(lambda seconds: np.median(seconds / seconds.min(axis=1, keepdims=True), axis=0)),
            ),
            "You divide by another program's time than that of column 0.",
            "The first number of the result must be exactly 1.",
        ),
        Mistake(
            "medians_returned",
            _of_kept(lambda seconds: np.median(seconds, axis=0)),
            "You return seconds. Asked for are ratios.",
            "Divide each column by column 0, row by row, before the median.",
        ),
        Mistake(
            "over_the_programs",
            _of_kept(lambda seconds: np.median(_ratios(seconds), axis=1)),
            "Your median runs over the programs, not over the rounds.",
            "Rounds are axis 0. The result has a number for each program.",
        ),
    ),
    hint="Leave out, divide, take the median: in which order, and along which axis?",
    more="`seconds[warm_up:]` has only rounds that count. Its column 0, kept as a column by `[:, :1]`, "
    "divides every column. The median is taken along axis 0.",
    example=(np.array([[9.0, 50.0], [2.0, 3.0], [2.0, 8.0], [4.0, 8.0]]), 1),
)
