"""Question: a gradient that gives nobody away."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _private_calls(rng):
    def call(examples, expected, noise, clip=1.0, scale=1.0, width=4):
        gradients = np.round(scale * rng.normal(size=(examples, width)), 3)
        return gradients, clip, noise, np.round(rng.normal(size=width), 3), expected

    zero = call(5, 4.0, 1.1, clip=0.8)
    zero[0][2] = 0.0
    single, _, _, draw, _ = call(1, 2.0, 0.7)
    return [
        call(6, 5.0, 0.0, clip=1.5),
        call(7, 8.0, 0.9, clip=1.7),
        Call(call(5, 6.0, 1.2, clip=2.0, scale=0.1), about="gradients that are all short"),
        Call(zero, about="a gradient of zeros"),
        Call(call(0, 3.0, 1.3, clip=0.5), about="a step without examples"),
        Call((single, 0.6, 0.7, draw, 2.0), about="a single example"),
        call(30, 32.0, 1.1, clip=0.4, scale=4.0, width=6),
    ]


def _norms(gradients):
    return np.linalg.norm(gradients, axis=1, keepdims=True)


def _clipped(gradients, clip):
    return gradients * np.minimum(1.0, clip / np.maximum(_norms(gradients), 1e-30))


def _private(
    clipped=_clipped,
    scale=lambda clip, noise: noise * clip,
    noisy=lambda clipped, noise, expected: (clipped.sum(axis=0) + noise) / expected,
):
    """The gradient with one of its parts replaced.

    Args:
        clipped: Gradients of the examples, from these and the limit.
        scale: Standard deviation of the noise, from limit and multiplier.
        noisy: The end of it, from clipped gradients, scaled noise and the expected number of examples.
    """

    def answer(gradients, clip, noise, draw, expected):
        return noisy(clipped(gradients, clip), scale(clip, noise) * draw, expected)

    return answer


def _reference(gradients, clip, noise, draw, expected):
    return _private()(gradients, clip, noise, draw, expected)


def _sum_clipped(gradients, clip, noise, draw, expected):
    total = gradients.sum(axis=0)
    total = total * min(1.0, clip / max(np.linalg.norm(total), 1e-30))
    return (total + noise * clip * draw) / expected


def _mean_clipped(gradients, clip, noise, draw, expected):
    mean = gradients.sum(axis=0) / expected
    mean = mean * min(1.0, clip / max(np.linalg.norm(mean), 1e-30))
    return mean + noise * clip * draw / expected


def _mean_clipped_noise_whole(gradients, clip, noise, draw, expected):
    mean = gradients.sum(axis=0) / expected
    return mean * min(1.0, clip / max(np.linalg.norm(mean), 1e-30)) + noise * clip * draw


def _jointly(gradients, clip):
    return gradients * min(1.0, clip / max(np.linalg.norm(gradients), 1e-30))


def _normalised(gradients, clip):
    return gradients * clip / np.maximum(_norms(gradients), 1e-30)


def _nan_for_zero(gradients, clip):
    return gradients / _norms(gradients) * np.minimum(_norms(gradients), clip)


def _dropped(gradients, clip):
    return np.where(_norms(gradients) > clip, 0.0, gradients)


def _nothing_without_examples(gradients, clip, noise, draw, expected):
    return _reference(gradients, clip, noise, draw, expected) * (len(gradients) > 0)


def _divided(count):
    """Divides by something else than what was expected."""
    return _private(
        noisy=lambda clipped, noise, expected: (clipped.sum(axis=0) + noise) / count(clipped, expected)
    )


QUESTION = Question(
    id="privacy.private_gradient",
    title="A gradient that gives nobody away",
    points=3,
    minutes=20,
    signature="private_gradient(gradients, clip, noise, draw, expected)",
    calls=_private_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "sum_clipped",
            (_sum_clipped, _mean_clipped, _mean_clipped_noise_whole),
            "You clip what all examples give together. How far can a single one of them pull that?",
            "An example with a gradient a thousand times as long would decide the direction alone, and "
            "everyone would see it. Whose length must be limited?",
        ),
        Mistake(
            "not_clipped",
            _private(lambda gradients, clip: gradients),
            "Right where all gradients are short. What do you do with a long one?",
            "The noise can only hide an example whose influence has a limit.",
        ),
        Mistake(
            "normalised",
            _private(_normalised),
            "You do something to gradients that are short, or 0. A limit is no target.",
            "A gradient shorter than `clip` stays exactly as it is, and one of length 0 cannot be made "
            "longer.",
        ),
        Mistake(
            "nan_for_zero",
            _private(_nan_for_zero),
            "You return NaN where an example's gradient is 0. What do you divide by?",
            "An example that is learned already has a gradient of length 0. It needs no clipping: see that "
            "the division does no harm.",
        ),
        Mistake(
            "entry_by_entry",
            (
                _private(lambda gradients, clip: np.clip(gradients, -clip, clip)),
                _private(
                    lambda gradients, clip: (
                        gradients
                        * np.minimum(
                            1, clip / np.maximum(np.abs(gradients).sum(axis=1, keepdims=True), 1e-30)
                        )
                    )
                ),
                _private(
                    lambda gradients, clip: (
                        gradients
                        * np.minimum(
                            1, clip / np.maximum(np.abs(gradients).max(axis=1, keepdims=True), 1e-30)
                        )
                    )
                ),
                _private(
                    lambda gradients, clip: (
                        gradients * np.minimum(1, clip / np.maximum(_norms(gradients) ** 2, 1e-30))
                    )
                ),
            ),
            "You limit something else than the length of a gradient: its entries, their sum, or the square.",
            "The length is the root of the sum of squares. One number for each example, one factor for all "
            "its entries.",
        ),
        Mistake(
            "clipped_together",
            (
                _private(_jointly),
                _private(
                    lambda gradients, clip: (
                        gradients
                        * np.minimum(
                            1, clip / np.maximum(np.linalg.norm(gradients, axis=0, keepdims=True), 1e-30)
                        )
                    )
                ),
            ),
            "Right for a single example. Along which axis do you take the length?",
            "Each row is the gradient of one example, and has a length of its own. Without an axis, NumPy "
            "takes one length for the whole array.",
        ),
        Mistake(
            "long_ones_dropped",
            _private(_dropped),
            "You leave out gradients that are too long. What would the model learn from hard examples then?",
            "They are made shorter, not thrown away, and keep their direction.",
        ),
        Mistake(
            "noise_without_clip",
            (
                _private(scale=lambda clip, noise: noise),
                _private(scale=lambda clip, noise: noise / clip),
                _private(scale=lambda clip, noise: noise**2 * clip),
                _private(scale=lambda clip, noise: np.sqrt(noise) * clip),
                _private(scale=lambda clip, noise: noise**2 * clip**2),
                _private(scale=lambda clip, noise: np.sqrt(noise * clip)),
                _private(scale=lambda clip, noise: 1.0),
                _private(scale=lambda clip, noise: clip),
            ),
            "The scale of your noise is not right. In which unit is `noise`?",
            "The noise must hide the largest influence of one example. If that may be twice as large, what "
            "has to happen to the noise?",
        ),
        Mistake(
            "noise_not_divided",
            (
                _private(noisy=lambda c, noise, expected: c.sum(axis=0) / expected + noise),
                _private(noisy=lambda c, noise, expected: c.sum(axis=0) / max(len(c), 1) + noise),
                _private(noisy=lambda c, noise, expected: c.sum(axis=0) / np.float64(len(c)) + noise),
                _private(noisy=lambda c, noise, expected: (c.sum(axis=0) + noise / expected) / expected),
            ),
            "Your noise is added at the wrong moment: a mean needs less of it than a sum.",
            "The limit holds for what one example adds to the sum. Which comes first, the noise or the "
            "division?",
        ),
        Mistake(
            "noise_for_each",
            _private(noisy=lambda c, noise, expected: (c + noise).sum(axis=0) / expected),
            "You add the noise once for each example.",
            "What is published is the sum. How often is `draw` to be added to it?",
        ),
        Mistake(
            "no_noise",
            _private(noisy=lambda c, noise, expected: c.sum(axis=0) / expected),
            "Right where `noise` is 0. Where is the noise?",
            "`draw` holds standard normal numbers. They need a scale before they hide anything.",
        ),
        Mistake(
            "nothing_without_examples",
            _nothing_without_examples,
            "Right but for a step without examples, which gives zeros with you. Who could see that from "
            "outside?",
            "A result without noise says for sure that nobody was drawn. The sum of no rows is 0: what is "
            "added to it?",
        ),
        Mistake(
            "true_number",
            (
                _divided(lambda c, expected: max(len(c), 1)),
                _divided(lambda c, expected: np.float64(len(c))),
                _divided(lambda c, expected: 1.0),
                _private(noisy=lambda c, noise, expected: c.sum(axis=0) / max(len(c), 1) + noise / expected),
                _private(
                    noisy=lambda c, noise, expected: c.sum(axis=0) / np.float64(len(c)) + noise / expected
                ),
            ),
            "You divide by something else than what was expected. Who may know how many examples a step "
            "really had?",
            "The true number depends on whether a certain person was drawn. The expected one is known to "
            "everybody beforehand.",
        ),
    ),
    hint="Three steps, in this order: each example's gradient by itself, the sum with noise, the division. "
    "Which of the five arguments belongs to which?",
    more="A column with the length of each row; a factor min(1, clip / length), where length 0 must do no "
    "harm; the sum of the rows; plus noise * clip * draw; over `expected`.",
    example=(np.array([[3.0, 4.0], [0.0, 0.5]]), 1.0, 2.0, np.array([0.5, -0.5]), 4.0),
)
