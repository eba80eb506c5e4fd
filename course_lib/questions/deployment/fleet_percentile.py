"""Question: one percentile for many machines."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _fleet_calls(rng):
    def machine(size, median):
        return np.round(median * rng.lognormal(sigma=0.5, size=size), 2)

    return [
        ([machine(6, 10.0), machine(3, 90.0)], 75.0),
        ([machine(120, 10.0), machine(20, 90.0)], 95.0),
        ([machine(int(rng.integers(20, 80)), rng.uniform(5, 50)) for _ in range(5)], 99.0),
        ([machine(300, 8.0), machine(8, 200.0), machine(90, 20.0)], float(rng.integers(90, 98))),
        Call(([machine(50, 12.0)], 95.0), about="a single machine"),
        ([machine(40, 30.0), machine(11, 5.0), machine(70, 12.0), machine(25, 20.0)], 50.0),
        Call(([machine(9, 30.0), machine(14, 20.0)], 100.0), about="percentile 100"),
    ]


def _fleet_percentile(samples, percentile):
    """The reference: what one machine would have measured."""
    return np.percentile(np.concatenate(samples), percentile)


def _percentiles(samples, q):
    return [np.percentile(sample, q) for sample in samples]


def _of_all(method):
    return lambda samples, q: np.percentile(np.concatenate(samples), q, method=method)


def _at_place(place):
    """The request at a place in the queue of all."""

    def answer(samples, q):
        ordered = np.sort(np.concatenate(samples))
        return ordered[min(max(int(place(len(ordered), q)), 0), len(ordered) - 1)]

    return answer


def _at_place_unguarded(samples, q):
    ordered = np.sort(np.concatenate(samples))
    return ordered[int(len(ordered) * q / 100)]


QUESTION = Question(
    id="deployment.fleet_percentile",
    title="One percentile for many machines",
    points=1,
    minutes=5,
    signature="fleet_percentile(samples, percentile)",
    calls=_fleet_calls,
    reference=_fleet_percentile,
    rtol=1e-5,
    atol=1e-6,
    mistakes=(
        Mistake(
            "mean_of_percentiles",
            lambda samples, q: np.mean(_percentiles(samples, q)),
            "You take the mean of the machines' percentiles. Suppose one machine is slow and gets one "
            "request in a thousand: how many users wait?",
            "Percentiles cannot be averaged: each is a place in a queue of its own. Which queue does the "
            "percentile of all requests look at?",
        ),
        Mistake(
            "weighted_mean",
            lambda samples, q: np.average(
                _percentiles(samples, q), weights=[len(sample) for sample in samples]
            ),
            "You weigh the machines' percentiles by their requests. That is right for means, but a "
            "percentile is not one.",
            "A fast machine has its percentile, too, and it pulls yours down, though the slow requests of "
            "the other are still there. Do not compute a percentile before all requests are together.",
        ),
        Mistake(
            "worst_machine",
            lambda samples, q: np.max(_percentiles(samples, q)),
            "You return the percentile of the slowest machine. It tells which machine to look at, but not "
            "what users see.",
            "If the slowest machine gets few of the requests, most of the slow 5 percent are somewhere "
            "else. Every request must count once, wherever it was served.",
        ),
        Mistake(
            "percentile_of_percentiles",
            lambda samples, q: np.percentile(_percentiles(samples, q), q),
            "You take a percentile of the machines' percentiles. What share of all requests is above it?",
            "Your second percentile ranks machines, not requests: one with 8 requests counts as much as one "
            "with 300.",
        ),
        Mistake(
            "median_of_percentiles",
            lambda samples, q: np.median(_percentiles(samples, q)),
            "You take the median of the machines' percentiles. What if most requests go to a machine that is "
            "not in the middle?",
            "A machine with 8 requests counts as much with you as one with 300. Which list holds every "
            "request once?",
        ),
        Mistake(
            "of_means",
            (
                lambda samples, q: np.percentile([np.mean(sample) for sample in samples], q),
                lambda samples, q: np.percentile([np.median(sample) for sample in samples], q),
            ),
            "You reduce each machine to one number first. What a single user had to wait is lost then.",
            "A machine's mean says nothing of its slowest requests, and those are what a high percentile is "
            "about. Take the percentile first and last of the requests themselves.",
        ),
        Mistake(
            "mean_of_all",
            lambda samples, q: np.mean(np.concatenate(samples)),
            "You return the mean latency of all requests. What is `percentile` for?",
            "The mean does not tell what the slowest see. Put the requests in order: where in that queue is "
            "the one asked for?",
        ),
        Mistake(
            "one_machine",
            (
                lambda samples, q: np.percentile(samples[0], q),
                lambda samples, q: np.percentile(samples[-1], q),
                lambda samples, q: np.percentile(max(samples, key=len), q),
            ),
            "You return the percentile of one machine only. Where are the requests of the others?",
            "A `return` inside a loop ends it at the first machine; a variable that each turn overwrites "
            "holds the last. All requests together make the queue.",
        ),
        Mistake(
            "fastest_machine",
            lambda samples, q: np.min(_percentiles(samples, q)),
            "You return the percentile of the fastest machine. Do all users get that one?",
            "Every request must count once, wherever it was served. Which list holds them all?",
        ),
        Mistake(
            "cut_to_the_shortest",
            lambda samples, q: np.percentile([sample[: min(map(len, samples))] for sample in samples], q),
            "Right where all machines have the same number of requests. Else some of the requests are "
            "missing: which?",
            "`zip` ends with the shortest of its lists. NumPy has a function that joins arrays of different "
            "lengths, one behind the other.",
        ),
        Mistake(
            "not_joined",
            lambda samples, q: np.percentile(samples, q),
            "Right for a single machine. An array has rows of one length, and the machines have different "
            "numbers of requests.",
            "NumPy cannot make one array with a row for each machine. It can put arrays of any lengths one "
            "behind the other: look for a function that joins.",
        ),
        Mistake(
            "as_a_fraction",
            lambda samples, q: np.percentile(np.concatenate(samples), q / 100),
            "You return nearly the fastest request of all. In which unit does NumPy's function want its "
            "percentile?",
            "`np.percentile` counts from 0 to 100, `np.quantile` from 0 to 1. You give to the one what the "
            "other wants.",
        ),
        Mistake(
            "from_the_slowest",
            lambda samples, q: np.percentile(np.concatenate(samples), 100 - q),
            "You count from the wrong end: 95 percent of the requests are slower than your result.",
            "Percentile 95 lies near the slow end. Which percentile do you ask for?",
        ),
        Mistake(
            "not_interpolated",
            (
                *of_each(_of_all, "nearest", "lower", "higher", "midpoint"),
                _at_place(lambda n, q: n * q / 100),
                _at_place(lambda n, q: np.ceil(n * q / 100) - 1),
                _at_place_unguarded,
            ),
            "Near. You take all requests together, but return one of them, or the middle of two, where the "
            "right number mostly lies elsewhere between two.",
            "The place in the queue has a fraction, and an index has none. `np.percentile` without a "
            "`method` does what is asked for.",
        ),
    ),
    hint="If all requests had gone to one single machine, what would you have computed?",
    more="Put the arrays one behind the other to a single one: NumPy has a function for that. Then it is one "
    "call.",
    example=([np.array([4.0, 1.0, 3.0, 2.0]), np.array([10.0])], 90.0),
)
