"""Question: gradients along a path."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _path_calls(rng):
    def call(inputs, hidden, steps, baseline=True):
        x, start = rng.normal(scale=1.5, size=(2, inputs))
        start = 0.4 * start if baseline else np.zeros(inputs)
        return x, start, rng.normal(size=(inputs, hidden)), rng.normal(size=hidden), steps

    same = call(4, 3, 4)
    same[0][1] = same[1][1]
    still = call(3, 2, 4)
    return [
        call(3, 4, 4),
        call(5, 2, 3),
        Call(call(4, 3, 5, baseline=False), about="a baseline of zeros"),
        Call(call(3, 3, 1), about="a single step"),
        Call(same, about="an input that is that of the baseline"),
        Call((still[0], still[0].copy(), *still[2:]), about="a baseline that is the input itself"),
        call(8, 6, 50),
    ]


def _gradient(x, kernel, output):
    return kernel @ (output * (1 - np.tanh(x @ kernel) ** 2))


def _midpoints(steps):
    return (np.arange(steps) + 0.5) / steps


def _path(
    places=_midpoints,
    gradient=_gradient,
    point=lambda x, baseline, place: baseline + place * (x - baseline),
    weights=lambda places: np.full(len(places), 1 / len(places)),
    times=lambda x, baseline: x - baseline,
):
    """The attributions with one of their parts replaced.

    Args:
        places: On the way, from 0 to 1, from the number of steps.
        gradient: At a point, from it, kernel and output.
        point: From input, baseline and place.
        weights: Of the gradients in the sum, from the places.
        times: What the mean gradient is multiplied by.
    """

    def answer(x, baseline, kernel, output, steps):
        where = places(steps)
        found = [gradient(point(x, baseline, place), kernel, output) for place in where]
        return times(x, baseline) * (weights(where) @ found) + 0.0  # No -0.

    return answer


def _reference(x, baseline, kernel, output, steps):
    return _path()(x, baseline, kernel, output, steps)


def _trapezoid(places):
    if len(places) == 1:
        return np.ones(1)
    weights = np.full(len(places), 1 / (len(places) - 1))
    weights[[0, -1]] /= 2
    return weights


QUESTION = Question(
    id="interpretability.integrated_gradients",
    title="Gradients along a path",
    points=3,
    minutes=20,
    signature="integrated_gradients(x, baseline, kernel, output, steps)",
    calls=_path_calls,
    reference=_reference,
    rtol=1e-4,
    atol=1e-6,
    mistakes=(
        Mistake(
            "left_ends",
            _path(lambda steps: np.arange(steps) / steps),
            "Your points are the beginnings of the steps. The gradient at the baseline itself counts with "
            "you, that near the input does not.",
            "Divide the way from 0 to 1 into steps of equal length. Where in each of them is the gradient to "
            "be taken?",
        ),
        Mistake(
            "right_ends",
            _path(lambda steps: np.arange(1, steps + 1) / steps),
            "Your points are the ends of the steps. With a single step that is the gradient at the input.",
            "With one step from 0 to 1, which place does the task ask for?",
        ),
        Mistake(
            "both_ends",
            (
                _path(lambda steps: np.linspace(0, 1, steps)),
                _path(lambda steps: np.linspace(0, 1, steps + 1)),
                _path(lambda steps: np.linspace(0, 1, steps + 1), weights=_trapezoid),
                _path(lambda steps: np.linspace(0, 1, steps), weights=_trapezoid),
            ),
            "Your points include both ends of the path. How many gradients does the task want, and where?",
            "Points at both ends divide the way into one step less than there are points. Each step has one "
            "point, which lies inside it.",
        ),
        Mistake(
            "inner_points",
            (
                _path(lambda steps: np.arange(1, steps + 1) / (steps + 1)),
                _path(lambda steps: np.linspace(0, 1, steps + 2)[1:-1]),
                _path(lambda steps: (np.arange(steps) + 0.5) / (steps + 1)),
            ),
            "Your points lie inside the path, but not in the middle of steps of equal length.",
            "With two steps the middles are at a quarter and at three quarters. Print your places.",
        ),
        Mistake(
            "not_multiplied",
            (_path(times=lambda x, baseline: 1.0),),
            "You return mean gradients. What turns a slope into a share of the difference?",
            "A slope says how much the output changes per unit. How many units did each input move?",
        ),
        Mistake(
            "times_input",
            (
                _path(times=lambda x, baseline: x),
                _path(times=lambda x, baseline: np.abs(x - baseline)),
                _path(times=lambda x, baseline: baseline - x),
            ),
            "Your mean gradient is right. It is multiplied by something else than the way that each input "
            "went.",
            "If an input is that of the baseline, it has not moved, and gets nothing. With a falling input "
            "the way is negative.",
        ),
        Mistake(
            "one_gradient",
            (
                _path(lambda steps: np.ones(1)),
                _path(lambda steps: np.ones(1), times=lambda x, baseline: x),
                _path(lambda steps: np.zeros(1)),
                _path(lambda steps: np.full(1, 0.5)),
            ),
            "You take a gradient at one point only. Does the slope stay the same all the way?",
            "A tanh is flat where its argument is large: there the gradient at the input says that nothing "
            "matters. What do the points before it say?",
        ),
        Mistake(
            "path_from_zero",
            (
                _path(point=lambda x, baseline, place: place * x),
                _path(point=lambda x, baseline, place: place * (x - baseline)),
                _path(point=lambda x, baseline, place: baseline + place * x),
            ),
            "Right with a baseline of zeros. Else your path does not lead from the baseline to the input.",
            "Put 0 and 1 into your formula for the point: what comes out at each?",
        ),
        Mistake(
            "summed",
            of_each(
                lambda power: _path(weights=lambda places: np.full(len(places), float(len(places)) ** power)),
                0,
                -2,
            ),
            "More steps make your attributions larger or smaller. Is it the sum of the gradients that is "
            "asked for?",
            "The attributions add up to about the difference of the outputs, however many steps there are.",
        ),
        Mistake(
            "wrong_derivative",
            (
                _path(gradient=lambda x, kernel, output: kernel @ (output * (1 - np.tanh(x @ kernel)))),
                _path(gradient=lambda x, kernel, output: kernel @ output),
                _path(gradient=lambda x, kernel, output: kernel @ (1 - np.tanh(x @ kernel) ** 2)),
                _path(gradient=lambda x, kernel, output: kernel @ (output * np.tanh(x @ kernel))),
                _path(gradient=lambda x, kernel, output: kernel @ (output * (1 - (x @ kernel) ** 2))),
            ),
            "Your gradient is not that of the network. Compare it with a difference: move one input by "
            "0.001, and see what the output does.",
            "By the chain rule a hidden unit passes on its weight in the output, times the derivative of "
            "tanh at its sum, times its weights in the kernel.",
        ),
        Mistake(
            "outputs_instead",
            of_each(
                lambda times: _path(
                    gradient=lambda x, kernel, output: np.full(len(x), np.tanh(x @ kernel) @ output),
                    times=times,
                ),
                lambda x, baseline: x - baseline,
                lambda x, baseline: 1.0,
            ),
            "You take the mean of outputs along the path. The method is called after something else.",
            "How does the output change if one of the inputs moves a little? That is what is added up on the "
            "way.",
        ),
    ),
    hint="Begin with the gradient at one point, and check it against a small difference. Then print the "
    "places on the path for two steps.",
    more="The gradient at a point is kernel @ (output * (1 - tanh(point @ kernel)**2)). The places are the "
    "middles of the steps. Mean of the gradients, times the way of each input.",
    example=(np.array([2.0]), np.array([0.0]), np.array([[1.0]]), np.array([1.0]), 2),
)
