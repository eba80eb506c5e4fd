"""Question: layer normalisation."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.transformer._shared import _norm, _shuffled, transformer


def _norm_calls(rng):
    def call(x, *epsilon, dtype="float64", about=""):
        width = x.shape[-1]
        gamma, beta = rng.uniform(0.5, 2.0, width) * rng.choice([-1.0, 1.0], width), rng.normal(size=width)
        return Call((*(array.astype(dtype) for array in (x, gamma, beta)), *epsilon), about=about)

    level = rng.integers(2, 20, size=(3, 1)) / 4  # Quarters and a width of 4, so that the mean is exact.
    equal = np.where(_shuffled(rng, True, False, False)[:, None], rng.normal(size=(3, 4)), level)
    square = rng.normal(size=(4, 4)) * _shuffled(rng, 1.0, 2.0, 4.0, 8.0)[:, None]
    return [
        call(3 * rng.normal(size=(2, 3)) + _shuffled(rng, -4.0, 5.0)[:, None]),
        call(square, about="as many vectors as components"),
        call(rng.normal(size=(2, 3, 5)), dtype="float32", about="three axes"),
        call(equal, about="vectors whose components are all equal"),
        call(np.repeat(level, 4, axis=1), about="vectors whose components are all equal"),
        call(rng.normal(size=(3, 6)), 0.5, about="an `epsilon` that is not small"),
        call(rng.normal(size=8), 0.25, about="an `epsilon` that is not small"),
    ]


def _other_epsilon(number):
    return lambda x, gamma, beta, epsilon=1e-12: _norm(x, gamma, beta, number)


def _affine(combine):
    """A norm whose gamma and beta are used in another way."""
    return lambda x, gamma, beta, epsilon=1e-12: combine(_norm(x, 1.0, 0.0, epsilon), gamma, beta)


def _centred(above, below):
    """A norm by other sums: `above` is divided by the root of the mean of the squares of `below`."""

    def answer(x, gamma, beta, epsilon=1e-12):
        middle = x.mean(axis=-1, keepdims=True)
        squares = np.mean((x - below * middle) ** 2, axis=-1, keepdims=True)
        return gamma * (x - above * middle) / np.sqrt(squares + epsilon) + beta

    return answer


def _unit_length(x, gamma, beta, epsilon=1e-12):
    apart = x - x.mean(axis=-1, keepdims=True)
    return gamma * apart / np.sqrt((apart**2).sum(axis=-1, keepdims=True) + epsilon) + beta


QUESTION = Question(
    id="transformer.layer_norm",
    title="Layer normalisation",
    points=2,
    minutes=10,
    signature="layer_norm(x, gamma, beta, epsilon=1e-12)",
    calls=_norm_calls,
    reference=lambda x, gamma, beta, epsilon=1e-12: transformer.layer_norm(x, gamma, beta, epsilon),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "over_the_batch",
            functools.partial(_norm, axis=0),
            "You average over the first axis, so that a vector depends on the others of its batch. That is "
            "batch normalisation.",
            "Layer normalisation looks at one vector at a time: the result for x[0] must stay the same when "
            "x[1] changes. Which axis holds the components of a vector?",
        ),
        Mistake(
            "second_axis",
            functools.partial(_norm, axis=1),
            "With two axes you are right, with three or with a single one you are not: you count the axis "
            "from the front.",
            "In an array of shape (2, 3, 5) the components lie along axis 2, in one of shape (8,) along axis "
            "0. Which number names the last axis of any array?",
        ),
        Mistake(
            "over_everything",
            with_each(_norm, {"axis": None}, {"variance_axis": "all"}, {"mean_axis": "all"}),
            "Right for a single vector, wrong for several: you take a mean or a deviation of the whole "
            "array.",
            "Two vectors, one around -4 and one around 5, must both come out around beta, and equally wide. "
            "Each needs a mean and a deviation of its own: which axis do you reduce?",
        ),
        Mistake(
            "no_keepdims",
            with_each(_norm, {"kept": (False, False)}, {"kept": (True, False)}, {"kept": (False, True)}),
            "A single vector is right. With several, the means or deviations do not line up with their "
            "vectors; with four vectors of four components they even meet the columns.",
            "The means of an array of shape (4, 4) have the shape (4,), and NumPy lays that along the last "
            "axis: component j loses the mean of vector j. They need the shape (4, 1). Which argument of "
            "np.mean leaves the axis in place?",
        ),
        Mistake(
            "sample_deviation",
            with_each(_norm, {"ddof": 1}, {"ddof": 1, "inside": False}),
            "Your vectors come out a little too short, the more so the narrower they are. By how many "
            "numbers do you divide the sum of squares?",
            "The vector [-1, 1] has the variance 1 here: 2, the sum of squares, over 2. Over n - 1 it would "
            "be 2. PyTorch's `std` does that unless told otherwise, NumPy's does not.",
        ),
        Mistake(
            "epsilon_outside",
            functools.partial(_norm, inside=False),
            "With the tiny epsilon all is right, with a large one it is not: you add it to the standard "
            "deviation. Where does it stand in the formula?",
            "For x = [-1, 1] and epsilon = 3 you divide by 1 + 3 = 4. It should be √(1 + 3) = 2: epsilon "
            "joins the variance, under the root.",
        ),
        Mistake(
            "no_epsilon",
            _other_epsilon(0.0),
            "Your answer does not depend on epsilon, and where all components of a vector are equal it is "
            "NaN. What do you divide by what there?",
            "A constant vector has the variance 0 and gives 0/0. With epsilon in the denominator it is 0 "
            "over something small, so the result is beta.",
        ),
        Mistake(
            "constant_epsilon",
            tuple(_other_epsilon(number) for number in (1e-12, 1e-6, 1e-5, 1e-3)),
            "Your result does not change with the argument `epsilon`. Which number stands in its place?",
            "With epsilon = 3 the vector [-1, 1] must become [-0.5, 0.5] before gamma and beta. Also a guard "
            "for the variance 0 is no replacement: epsilon counts for every vector.",
        ),
        Mistake(
            "no_root",
            functools.partial(_norm, power=1.0),
            "Your long vectors come out short and your short ones long: they are divided by the variance, "
            "which is in squared units.",
            "x and 10 · x must give the same, as long as epsilon is small. Yours gives a tenth for the "
            "second: what makes a standard deviation of a variance?",
        ),
        Mistake(
            "two_roots",
            (
                functools.partial(_norm, power=0.25),
                (
                    lambda x, gamma, beta, epsilon=1e-12: (
                        gamma
                        * (x - x.mean(axis=-1, keepdims=True))
                        / np.sqrt(x.std(axis=-1, keepdims=True) + epsilon)
                        + beta
                    )
                ),
            ),
            "Your vectors keep something of their length: 4 · x comes out twice as long as x. How many roots "
            "do you take of the variance?",
            "np.std has taken the root already, np.var has not. The formula has one root, over the variance "
            "and epsilon.",
        ),
        Mistake(
            "gain_or_shift_missing",
            tuple(
                map(
                    _affine,
                    (
                        lambda x, gamma, beta: x + beta,
                        lambda x, gamma, beta: gamma * x,
                        lambda x, gamma, beta: x,
                    ),
                )
            ),
            "The norm itself is right. What becomes of gamma and of beta?",
            "A normalised vector is multiplied by gamma and then moved by beta, component by component. With "
            "gamma [1, 2] and beta [0, 10], [-1, 1] must become [-1, 12].",
        ),
        Mistake(
            "exchanged",
            _affine(lambda x, gamma, beta: beta * x + gamma),
            "The norm itself is right. Of gamma and beta, which multiplies and which is added?",
            "Gamma is the gain and beta the shift: a vector with equal components must come out as beta. "
            "Yours comes out as gamma.",
        ),
        Mistake(
            "shift_inside",
            _affine(lambda x, gamma, beta: gamma * (x + beta)),
            "The norm itself is right. Your beta is multiplied by gamma: look at the brackets.",
            "With gamma [1, 2] and beta [0, 10], [-1, 1] must become [-1, 12]; yours becomes [-1, 22]. Gamma "
            "has done its work before beta comes.",
        ),
        Mistake(
            "mean_kept",
            (_centred(0, 1), _centred(0, 0)),
            "Your vectors keep their mean: one around 5 comes out far from one around -4. What is taken off "
            "x before it is divided?",
            "x and x + 10 must give the same. Dividing alone is RMS normalisation, which other models use; "
            "here each vector is first moved to the mean 0.",
        ),
        Mistake(
            "squares_of_x",
            _centred(1, 0),
            "The numerator is right. Under the root stand the squares of the components themselves; a vector "
            "far from 0 comes out far too short.",
            "The variance is the mean of the squared *differences* from the mean. [10, 12] has the variance "
            "1; the mean of its squares is 122.",
        ),
        Mistake(
            "unit_length",
            _unit_length,
            "Each of your vectors has the length 1 before gamma and beta. What is asked for is the standard "
            "deviation 1, which is longer.",
            "[-1, 1] has the deviation 1 and must stay as it is; yours becomes [-0.71, 0.71]. The variance "
            "is the mean of the squared differences, not their sum.",
        ),
    ),
    hint="Mean and variance of the last axis, with keepdims=True, so that they line up with the vectors.",
    more="Three lines do: the mean of the last axis; the mean of the squared differences from it; the "
    "quotient of the formula, with epsilon under the root. axis=-1 fits any number of axes.",
    example=(np.array([[1.0, 3.0], [5.0, 5.0]]), np.array([1.0, 10.0]), np.array([0.0, 1.0]), 3.0),
)
