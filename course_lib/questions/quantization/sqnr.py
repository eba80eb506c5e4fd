"""Question: how much noise."""

import math

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.quantization._shared import quantization


def _sqnr_calls(rng):
    def call(shape, size, noise, shrink=1.0, dtype="float64"):
        x = size * (rng.normal(size=shape) + 0.5)
        approximation = shrink * x + size * noise * (rng.normal(size=shape) + 0.5)
        return x.astype(dtype), approximation.astype(dtype)

    exact = rng.normal(size=(2, 3))
    return [
        call((40,), 1.0, 0.1),
        call((6, 5), 3.0, 0.02, shrink=0.8),
        call((50,), 0.01, 0.01, dtype="float32"),
        Call(call((4, 3, 2), 1.0, 2.0), about="more noise than signal"),
        Call((exact, exact.copy()), about="no error at all"),
    ]


def _squares(values):
    return np.sum(values**2)


def _decibels(factor=10, log=np.log10, power=_squares, signal=None):
    """The ratio with one of its parts replaced."""

    def answer(x, approximation):
        x, approximation = x.astype("float64"), approximation.astype("float64")
        above = x if signal is None else signal(x, approximation)
        return factor * log(power(above) / power(x - approximation))

    return answer


def _of_squares(measure):
    """A measure of the squares of the numbers and those of the errors."""

    def answer(x, approximation):
        x, approximation = x.astype("float64"), approximation.astype("float64")
        return measure(x**2, (x - approximation) ** 2)

    return answer


def _guarded(reduce, tiny):
    return _of_squares(lambda x, noise: 10 * np.log10(reduce(x) / (reduce(noise) + tiny)))


def _plain_floats(x, approximation):
    signal, noise = (float(np.sum(values**2)) for values in (x, x - approximation))
    return 10 * math.log10(signal / noise)


def _plain_floats_upside_down(x, approximation):
    signal, noise = (float(np.sum(values**2)) for values in (x, x - approximation))
    return -10 * math.log10(noise / signal)


def _instead_of_infinite(number):
    def answer(x, approximation):
        found = _decibels()(x, approximation)
        return found if np.isfinite(found) else number

    return answer


QUESTION = Question(
    id="quantization.sqnr",
    title="How much noise",
    points=1,
    minutes=5,
    signature="sqnr(x, approximation)",
    calls=_sqnr_calls,
    reference=lambda x, approximation: quantization.sqnr(x, approximation),
    rtol=1e-4,
    atol=1e-4,
    mistakes=(
        Mistake(
            "twenty",
            _decibels(factor=20),
            "Your result is twice what it should be. The factor 20 is for a ratio of amplitudes; which ratio "
            "do you put in?",
            "The sums hold squares already, so their ratio is one of powers. An error of a tenth of the "
            "numbers makes 20 dB; with you it makes 40.",
        ),
        Mistake(
            "not_squared",
            _decibels(power=np.linalg.norm),
            "Your result is half of what it should be. Is yours a ratio of squares, or of lengths?",
            "`np.linalg.norm` takes the square root of the sum. The factor 10 belongs to sums of squares "
            "without that root.",
        ),
        Mistake(
            "magnitudes",
            (
                _decibels(power=lambda values: np.sum(np.abs(values))),
                _decibels(20, power=lambda values: np.sum(np.abs(values))),
            ),
            "You add up magnitudes where the formula adds up squares.",
            "For the errors 3 and 4 the sum below the line is 25; yours is 7. The squares are taken before "
            "the sum.",
        ),
        Mistake(
            "squared_after_the_sum",
            (
                _decibels(power=lambda values: np.sum(values) ** 2),
                _decibels(power=lambda values: np.mean(values) ** 2),
            ),
            "You add up first and square then. What becomes of errors with different signs?",
            "The errors 0.5 and -0.5 cancel in your sum, as if there were none. Square each number before "
            "they are added.",
        ),
        Mistake(
            "natural_logarithm",
            of_each(lambda log: _decibels(log=log), np.log, np.log2),
            "Your result is more than twice as large as it should be, always by the same factor. Which base "
            "have decibels?",
            "A ratio of 100 is 20 dB. `np.log` would make 46 of it, and `np.log2` 66.",
        ),
        Mistake(
            "bels",
            _decibels(factor=1),
            "Your result is a tenth of what it should be. What stands in front of the logarithm?",
            "A ratio of 100 has the logarithm 2, and that is 2 bels. How many decibels are those?",
        ),
        Mistake(
            "no_logarithm",
            of_each(lambda factor: _decibels(factor, log=lambda ratio: ratio), 1, 10),
            "You return the ratio itself, or a multiple of it. What does the formula do with the ratio?",
            "A ratio of 100 is to become 20, and one of 1 is to become 0.",
        ),
        Mistake(
            "upside_down",
            _decibels(-10),
            "Your result has the right magnitude and the wrong sign. A better approximation must give a "
            "larger number.",
            "The signal stands above the line, the noise below it. Without any error the ratio is infinite.",
        ),
        Mistake(
            "variances",
            (
                _decibels(power=np.var),
                _decibels(power=np.std),
            ),
            "Near in most calls, but a constant offset does not count with you: the approximation x + 1 "
            "would be perfect.",
            "A variance takes the mean off first, from the signal and from the error. Both count here in "
            "full: sum the squares as they are.",
        ),
        Mistake(
            "signal_of_the_approximation",
            _decibels(signal=lambda x, approximation: approximation),
            "Good approximations come out nearly right, bad ones do not. Which of the two arrays is the "
            "signal?",
            "Above the line stands what should have been stored. An approximation that is all zeros has "
            "noise as strong as the signal, which is 0 dB, not minus infinity.",
        ),
        Mistake(
            "largest_as_signal",
            (
                _of_squares(lambda x, noise: 10 * np.log10(np.max(x) / np.mean(noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.max(x) / np.sum(noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.max(x) / np.max(noise))),
            ),
            "Above your line stands only the largest number. The formula there has a sum over all of them.",
            "With the largest number for the signal it is the *peak* ratio, as it is used for pictures. "
            "Which sums does the formula have?",
        ),
        Mistake(
            "a_mean_of_ratios",
            (
                _of_squares(lambda x, noise: np.mean(10 * np.log10(x / noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.mean(x / noise))),
                _of_squares(lambda x, noise: 10 * np.log10(np.sum(x / noise))),
            ),
            "You divide each number by its own error. Which comes first in the formula, the sums or the "
            "ratio?",
            "A single number that happens to have nearly no error would decide your result. There is one sum "
            "above the line, one below it, and one ratio.",
        ),
        Mistake(
            "no_infinity_of_plain_floats",
            (_plain_floats, _plain_floats_upside_down),
            "Where there is no error at all, your code ends in an exception. What is it to return there?",
            "Python's floats and `math` refuse to divide by 0, and know no logarithm of 0. NumPy's numbers "
            "give infinity and a warning. Or ask for this case before you divide.",
        ),
        Mistake(
            "finite_without_an_error",
            (
                *(
                    _guarded(reduce, tiny)
                    for reduce in (np.sum, np.mean)
                    for tiny in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-16, 1e-20, 1e-30)
                ),
                *of_each(_instead_of_infinite, 0.0, np.nan, 100.0, -np.inf),
            ),
            "Where there is no error at all, your result is not infinite. The task says what it is to be.",
            "A small number below the line, or another value put in by hand, hides that the approximation is "
            "perfect. Division by 0 gives infinity in NumPy, which is asked for, and warns at most.",
        ),
    ),
    hint="Two sums of squares, one logarithm to base 10. An error of a tenth must give 20 dB.",
    more="The error is `x - approximation`. Square `x` and the error, place by place, add up each, divide "
    "the one sum by the other, and take ten times the logarithm to base 10. An error of 0 gives infinity "
    "without any `if`.",
    example=(np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [0.0, 1.0]])),
)
