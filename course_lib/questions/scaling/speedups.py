"""Question: what more workers bring."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _speedup_calls(rng):
    def call(serial, workers):
        parallel = round(float(rng.uniform(20, 90)), 1)
        return round(float(serial * parallel), 1), parallel, workers

    return [
        call(rng.uniform(0.1, 0.3), 4),
        call(rng.uniform(0.02, 0.08), int(rng.integers(16, 64))),
        Call(call(rng.uniform(1.5, 3.0), 8), about="a job that is mostly serial"),
        Call(call(0.25, 1), about="a single worker"),
        Call(call(0.0, 6), about="nothing serial"),
        call(rng.uniform(0.1, 0.3), 1000),
    ]


def _fixed(serial, parallel, workers):
    return (serial + parallel) / (serial + parallel / workers)


def _grown(serial, parallel, workers):
    return (serial + parallel * workers) / (serial + parallel)


def _reference(serial, parallel, workers):
    return _fixed(serial, parallel, workers), _grown(serial, parallel, workers)


def _both(fixed=_fixed, grown=_grown):
    return lambda *arguments: (fixed(*arguments), grown(*arguments))


def _shares_exchanged(serial, parallel, workers):
    return _reference(parallel, serial, workers)


def _inverse(function):
    return lambda *arguments: 1 / function(*arguments)


def _per_worker(function):
    return lambda serial, parallel, workers: function(serial, parallel, workers) / workers


QUESTION = Question(
    id="scaling.speedups",
    title="What more workers bring",
    points=1,
    minutes=5,
    signature="speedups(serial, parallel, workers)",
    calls=_speedup_calls,
    reference=_reference,
    returns=("array", "array"),
    names=("fixed", "grown"),
    mistakes=(
        Mistake(
            "serial_divided",
            (_both(fixed=lambda s, p, n: n), _both(fixed=lambda s, p, n: n, grown=lambda s, p, n: n)),
            "Your speed-up is the number of workers, whatever the serial part. Who helps during that?",
            "The seconds in which one worker loads the data are the same on a thousand workers. Write the "
            "time of the job as a sum of two.",
        ),
        Mistake(
            "parts_exchanged",
            _shares_exchanged,
            "You share out the serial seconds and leave the parallel ones as they are.",
            "Which of the two parts gets shorter when more workers take part?",
        ),
        Mistake(
            "one_law_for_both",
            (_both(grown=_fixed), _both(fixed=_grown)),
            "You return the same speed-up twice. What is different about the two jobs?",
            "Who gets ten times the workers often takes on ten times the work. Which part of the job is "
            "that?",
        ),
        Mistake(
            "serial_grows",
            (
                _both(grown=lambda s, p, n: n),
                _both(grown=lambda s, p, n: n * _fixed(s, p, n)),
                _both(grown=lambda s, p, n: (n * s + p) / (s + p)),
            ),
            "Your first number is right. What of the job grows with the workers, and what stays?",
            "In the larger job there are `workers` times the parallel seconds and the same serial ones. How "
            "long would one worker take for it?",
        ),
        Mistake(
            "time_of_the_small_job",
            _both(grown=lambda s, p, n: (s + p * n) / (s + p / n)),
            "Your first number is right. For the second you divide the time of the large job by that of the "
            "small one.",
            "Both times of a speed-up belong to the same job. How long do all workers take for the "
            "larger one?",
        ),
        Mistake(
            "as_shares",
            (
                lambda s, p, n: (1 / (s + p / n), s + p * n),
                _both(fixed=lambda s, p, n: 1 / (s + p / n)),
                lambda s, p, n: (1 / (s + (1 - s) / n), s + (1 - s) * n),
            ),
            "You put seconds where the formula from books has shares, which add up to 1.",
            "A speed-up is a time divided by a time. What is the time of the whole job on one worker?",
        ),
        Mistake(
            "upside_down",
            (
                _both(_inverse(_fixed), _inverse(_grown)),
                _both(_inverse(_fixed)),
            ),
            "A speed-up below 1 would mean that more workers take longer. What do you divide by what?",
            "The time of one worker stands above, that of all workers below.",
        ),
        Mistake(
            "times_returned",
            (
                lambda s, p, n: (s + p / n, s + p),
                lambda s, p, n: (s + p / n, s + p * n),
                lambda s, p, n: (s + p - (s + p / n), s + p * n - (s + p)),
            ),
            "You return seconds. A speed-up has no unit: it says how many times as fast.",
            "With the two times of a job in hand, one step is missing.",
        ),
        Mistake(
            "efficiency",
            _both(_per_worker(_fixed), _per_worker(_grown)),
            "You divide by the number of workers at the end. What you have is the efficiency.",
            "The efficiency says what share of the workers' time is used. Asked for is how many times as "
            "fast the job is.",
        ),
        Mistake(
            "changed_places",
            lambda *arguments: _reference(*arguments)[::-1],
            "Both numbers are right, and they have changed places.",
            "The first is that of the job that stays as it is, which is never the larger one.",
        ),
        Mistake(
            "the_limit",
            _both(fixed=lambda s, p, n: np.float64(s + p) / s),
            "You return what endless workers would bring. How long do the parallel seconds take with those "
            "that there are?",
            "Nothing is left of the parallel seconds only if the workers are without number.",
        ),
    ),
    hint="Write down four times: the job as it is on one worker and on all, the grown job on one worker and "
    "on all.",
    more="As it is: serial + parallel on one, serial + parallel / workers on all. Grown: serial + parallel * "
    "workers on one. On all workers, how long do the grown parallel seconds take?",
    example=(2.0, 6.0, 3),
)
