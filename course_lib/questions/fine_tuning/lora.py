"""Question: a dense layer with LoRA."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.fine_tuning._shared import fine_tuning


def _lora_calls(rng):
    def call(*lead, width, units, rank, alpha, about="", dtype="float64", trained=True):
        shapes = ((*lead, width), (width, units), (width, rank), (rank, units))
        inputs, kernel, a, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
        return Call((inputs, kernel, a, b if trained else np.zeros_like(b), alpha), about)

    return [
        call(3, width=5, units=4, rank=2, alpha=4.0),
        call(2, 3, width=6, units=7, rank=3, alpha=16.0, about="inputs of three axes"),
        call(4, width=7, units=5, rank=2, alpha=2.0, about="an alpha that equals the rank"),
        call(3, width=4, units=5, rank=2, alpha=8.0, about="a `b` of zeros", trained=False),
        call(2, 4, width=8, units=3, rank=4, alpha=2.0, about="inputs of three axes", dtype="float32"),
        call(width=6, units=3, rank=2, alpha=6.0, about="a single vector as `inputs`"),
        call(5, width=4, units=4, rank=4, alpha=3.0, about="width, units and rank all equal"),
    ]


def _lora(scale, frozen=1.0):
    """LoRA with another factor before the update."""

    def answer(inputs, kernel, a, b, alpha):
        return frozen * (inputs @ kernel) + scale(a, b, alpha) * (inputs @ a @ b)

    return answer


def _rate(a, alpha):
    return alpha / a.shape[-1]


def _without_inputs(add):
    """An update that never meets the inputs."""
    return lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * add(a @ b)


def _letters(inputs, kernel, a, b, alpha):
    update = np.einsum("nw,wr,ru->nu", inputs, a, b)
    return np.einsum("nw,wu->nu", inputs, kernel) + _rate(a, alpha) * update


def _for_two_axes(inputs, kernel, a, b, alpha):
    if inputs.ndim != 2:
        raise ValueError("not enough values to unpack")
    return inputs @ kernel + _rate(a, alpha) * (inputs @ a @ b)


QUESTION = Question(
    id="fine_tuning.lora",
    title="A dense layer with LoRA",
    points=1,
    minutes=10,
    signature="lora(inputs, kernel, a, b, alpha)",
    calls=_lora_calls,
    reference=lambda inputs, kernel, a, b, alpha: fine_tuning.lora(inputs, kernel, a, b, alpha),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "unscaled",
            _lora(lambda a, b, alpha: 1.0),
            "Right where alpha equals the rank and where b is zero, else the update has the wrong size. What "
            "is alpha for?",
            "The update is multiplied by alpha / rank, so that a change of rank does not ask for another "
            "learning rate. Nothing in your output depends on alpha.",
        ),
        Mistake(
            "times_alpha",
            _lora(lambda a, b, alpha: alpha),
            "Your update grows with alpha, as it should, but it is too large each time, by a factor that is "
            "the rank.",
            "A sum over more rank-one terms is larger; the division by the rank makes up for it. Which axis "
            "of which factor tells you the rank?",
        ),
        Mistake(
            "another_axis",
            (
                _lora(lambda a, b, alpha: alpha / len(a)),
                _lora(lambda a, b, alpha: alpha / b.shape[-1]),
            ),
            "Your update has the wrong size: alpha is divided by the length of another axis than the rank.",
            "`a` has the shape (width, rank), `b` has (rank, units). The rank is the axis that the two "
            "share, the thin one.",
        ),
        Mistake(
            "root_of_the_rank",
            _lora(lambda a, b, alpha: alpha / np.sqrt(a.shape[-1])),
            "Your update is too large: alpha is divided by the root of the rank.",
            "Such a variant of LoRA exists. The text's formula divides by the rank itself.",
        ),
        Mistake(
            "another_fraction",
            (
                _lora(lambda a, b, alpha: 1 / a.shape[-1]),
                _lora(lambda a, b, alpha: a.shape[-1] / alpha),
                _lora(lambda a, b, alpha: alpha * a.shape[-1]),
                _lora(lambda a, b, alpha: alpha // a.shape[-1]),
                _lora(lambda a, b, alpha: (alpha / a.shape[-1]) ** 2),
                _lora(lambda a, b, alpha: np.sqrt(alpha / a.shape[-1])),
            ),
            "The two terms are there, but the factor before the update is not the one of the formula.",
            "With alpha 16 and rank 8 the update counts twice; with alpha 8 and rank 16, half. Which number "
            "stands above the line, which one below, and how often does the factor come in?",
        ),
        Mistake(
            "all_scaled",
            lambda inputs, kernel, a, b, alpha: _rate(a, alpha) * (inputs @ (kernel + a @ b)),
            "You scale the frozen layer together with the update. With b = 0, LoRA must leave the layer as "
            "it was; yours does not.",
            "Put b = 0: the output must be inputs @ kernel, whatever alpha is. What has alpha / rank as a "
            "factor, and what has not?",
        ),
        Mistake(
            "update_alone",
            (
                lambda inputs, kernel, a, b, alpha: _rate(a, alpha) * (inputs @ a @ b),
                lambda inputs, kernel, a, b, alpha: inputs @ a @ b,
            ),
            "With b = 0 your output is all zeros. Where is the layer that was trained before?",
            "LoRA is added to a frozen kernel; it does not replace it. The output has two terms, yours only "
            "the second.",
        ),
        Mistake(
            "inputs_forgotten",
            tuple(
                map(
                    _without_inputs,
                    (
                        lambda update: update,
                        lambda update: update.sum(axis=0),
                        lambda update: update.mean(axis=0),
                    ),
                )
            ),
            "Your update does not depend on the inputs. Which shape has a @ b, and which one the first term?",
            "a @ b has the shape of the kernel, (width, units): it is a change of the weights, and acts on "
            "an input as the kernel does. Does adding it up make an output of it?",
        ),
        Mistake(
            "kernel_alone",
            lambda inputs, kernel, a, b, alpha: inputs @ kernel,
            "Your output is that of the frozen layer: right while b is zero, as at the start.",
            "What is learned stands in `a` and `b`. Which second term do they add?",
        ),
        Mistake(
            "taken_off",
            _lora(lambda a, b, alpha: -_rate(a, alpha)),
            "The update has the right size, but you take it off instead of adding it.",
            "The layer computes with W plus the update. Look at the sign between your two terms.",
        ),
        Mistake(
            "factors_swapped",
            (
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ b) @ a,
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * inputs @ (b @ a),
            ),
            "You multiply by `b` before `a`. Follow one input vector: which factor takes it from the width "
            "to the rank?",
            "`a` has the shape (width, rank), `b` has (rank, units). Vectors are rows here, so the factor "
            "that is applied first stands on the left, just behind the inputs.",
        ),
        Mistake(
            "transposed",
            (
                lambda inputs, kernel, a, b, alpha: inputs @ kernel.T + _rate(a, alpha) * (inputs @ a @ b),
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ a.T @ b.T),
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ (a @ b).T),
                lambda inputs, kernel, a, b, alpha: (
                    inputs @ kernel + _rate(a, alpha) * (inputs @ (b.T @ a.T))
                ),
                lambda inputs, kernel, a, b, alpha: (
                    inputs @ kernel.T + _rate(a, alpha) * (inputs @ a.T @ b.T)
                ),
                lambda inputs, kernel, a, b, alpha: inputs @ kernel + _rate(a, alpha) * (inputs @ b.T @ a.T),
            ),
            "You transpose a matrix that already stands the right way round.",
            "Shapes are (inputs, outputs) here, as in Keras: x @ kernel, x @ a and then @ b fit together as "
            "they are. Elsewhere the outputs come first, and then one transposes.",
        ),
        Mistake(
            "two_axes_only",
            (_for_two_axes, _letters),
            "Right for `inputs` of two axes, not for a single vector and for three axes.",
            "The width is the last axis, however many stand before it. @ takes care of all of them: nothing "
            "needs the number of rows, and no letters for axes.",
        ),
    ),
    hint="Two terms. Write down the shape of each product.",
    more="The first term is inputs @ kernel, the second inputs @ a @ b, of the same shape. Only the second "
    "has a factor: alpha over the rank, and the rank is the length of the axis that `a` and `b` share.",
    example=(
        np.array([[1.0, 2.0]]),
        np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array([[10.0, 0.0], [0.0, 100.0]]),
        1.0,
    ),
)
