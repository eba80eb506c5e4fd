"""Question: a range from examples."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.quantization._shared import quantization


def _percentile_calls(rng):
    size = int(rng.integers(150, 250))
    heavy = rng.standard_t(2, size=size)
    return [
        (rng.normal(1.0, 2.0, size=size), 99.0),
        (heavy, float(rng.uniform(90.0, 98.0))),
        (rng.exponential(size=(12, 20)).astype("float32") - 0.2, float(rng.uniform(92.0, 97.0))),
        Call((rng.uniform(1.0, 3.0, size=(5, 6, 7)), 95.0), about="positive numbers only"),
        Call((heavy, 100.0), about="percentile 100"),
    ]


def _percentiles(x, low, high, **options):
    return np.percentile(x, low, **options), np.percentile(x, high, **options)


def _between(low, high=None):
    """The range between two ways to take a percentile."""

    def answer(x, percentile):
        return (
            np.percentile(x, 100 - percentile, method=low),
            np.percentile(x, percentile, method=high or low),
        )

    return answer


def _sorted_ends(places):
    def answer(x, percentile):
        ordered = np.sort(x, axis=None)
        first, last = places(ordered.size, percentile)
        return ordered[int(first)], ordered[min(int(last), ordered.size - 1)]

    return answer


def _along(axis):
    return lambda x, percentile: _percentiles(x, 100 - percentile, percentile, axis=axis)


def _of_magnitudes(x, percentile):
    largest = float(np.percentile(np.abs(x), percentile))
    return -largest, largest


def _mirrored(x, percentile):
    high = float(np.percentile(x, percentile))
    return -high, high


def _larger_end_mirrored(x, percentile):
    largest = np.max(np.abs(_percentiles(x, 100 - percentile, percentile)))
    return -largest, largest


def _widened(x, percentile):
    low, high = _percentiles(x, 100 - percentile, percentile)
    return min(low, 0.0), max(high, 0.0)


QUESTION = Question(
    id="quantization.percentile_range",
    title="A range from examples",
    points=2,
    minutes=5,
    signature="percentile_range(x, percentile)",
    calls=_percentile_calls,
    reference=lambda x, percentile: quantization.calibrate(x, "percentile", percentile=percentile),
    returns=("array", "array"),
    names=("low", "high"),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "share_divided",
            lambda x, percentile: _percentiles(x, (100 - percentile) / 2, (100 + percentile) / 2),
            "Your range is a little too wide: you divide what is left out between the two ends.",
            "Percentile 99 means one hundredth at the lower end and one hundredth at the upper one. You cut "
            "off half of that on each side.",
        ),
        Mistake(
            "of_magnitudes",
            (_of_magnitudes, _mirrored, _larger_end_mirrored),
            "Your range is always symmetric about zero. Must numbers that are mostly positive have the same "
            "range on both sides?",
            "A symmetric code would need such a range. Here both ends are found on their own, from the "
            "numbers with their signs.",
        ),
        Mistake(
            "extremes",
            lambda x, percentile: (np.min(x), np.max(x)),
            "Right for percentile 100 only. You return the least and the greatest number, whatever the "
            "percentile is.",
            "One outlier decides an end of your range. How many numbers are to be left out at each end?",
        ),
        Mistake(
            "one_end_only",
            (
                lambda x, percentile: (np.min(x), np.percentile(x, percentile)),
                lambda x, percentile: (np.percentile(x, 100 - percentile), np.max(x)),
            ),
            "One of your ends is right. At the other one you leave nothing out.",
            "Outliers may lie below as well as above. Which percentile is the lower end if the upper one is "
            "the 99th?",
        ),
        Mistake(
            "upper_end_from_zero",
            (
                lambda x, percentile: (0.0, np.percentile(x, percentile)),
                lambda x, percentile: (0.0, np.percentile(np.abs(x), percentile)),
            ),
            "Your range always begins at 0, although numbers may be negative, or all lie far above it.",
            "The lower end is a percentile, too. Which one leaves out as much at the bottom as the upper one "
            "at the top?",
        ),
        Mistake(
            "ends_exchanged",
            lambda x, percentile: _percentiles(x, percentile, 100 - percentile),
            "Both numbers are right, but the greater one comes first.",
            "Which of 1 and 99 is the percentile of the lower end?",
        ),
        Mistake(
            "as_a_fraction",
            lambda x, percentile: _percentiles(x, 1 - percentile / 100, percentile / 100),
            "Both of your ends lie near the least number. In which unit does NumPy's function want its "
            "percentiles?",
            "`np.percentile` counts from 0 to 100, `np.quantile` from 0 to 1. You give to the one what the "
            "other wants.",
        ),
        Mistake(
            "nearest",
            (
                *of_each(_between, "nearest", "lower", "higher", "midpoint"),
                _between("lower", "higher"),
                _between("higher", "lower"),
                _sorted_ends(lambda n, p: (n * (100 - p) / 100, n * p / 100)),
                _sorted_ends(lambda n, p: (n * (100 - p) / 100, n - 1 - n * (100 - p) // 100)),
            ),
            "Near, but your ends lie on examples, or halfway between two, while the right ones mostly lie "
            "elsewhere between. What does NumPy do there if you ask for nothing else?",
            "An index has no fraction, and neither has what a mask leaves over, but the place of a "
            "percentile has one. Without a `method`, `np.percentile` interpolates linearly, as is asked for.",
        ),
        Mistake(
            "axis_0",
            (_along(0), _along(-1)),
            "Right where `x` has one axis. With more axes you return arrays, a range for each place along "
            "the others. How many ranges are asked for?",
            "With `axis` the percentiles are taken along that axis only. All numbers of `x` are one set, "
            "whatever its shape.",
        ),
        Mistake(
            "widened",
            _widened,
            "Right where the numbers lie on both sides of zero. Where they are all positive, you return a "
            "lower end of 0 that is no percentile of them.",
            "Holding zero is the code's business, in question 1. Calibration reports where the numbers lie, "
            "no more.",
        ),
    ),
    hint="Two calls of one NumPy function, or one call with two percentiles.",
    more="`np.percentile` takes all numbers of an array of any shape and a percentile from 0 to 100. The "
    "upper end needs `percentile` itself. Which one has as much below it as that one has above?",
    example=(np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 100.0]]), 90.0),
)
