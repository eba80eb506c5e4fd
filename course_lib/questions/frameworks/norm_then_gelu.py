"""Question: a layer norm and a GELU with each framework's defaults."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.transformer._shared import _bent, _exact

EPSILON = {"keras": 1e-3, "torch": 1e-5, "jax": 1e-6, "paddle": 1e-5}


def _calls(rng):
    def call(framework, shape, size, about=""):
        x = size * (rng.normal(size=shape) + rng.normal(size=(*shape[:-1], 1)))
        scale, offset = rng.uniform(0.5, 2.0, size=shape[-1]), rng.normal(size=shape[-1])
        return Call((np.round(x, 6), np.round(scale, 3), np.round(offset, 3), framework), about)

    equal = np.full((2, 4), round(float(rng.uniform(1, 3)), 2))
    return [
        call("keras", (3, 6), 0.03),
        call("torch", (4, 5), 0.004),
        call("jax", (3, 8), 0.002),
        call("paddle", (2, 6), 0.003),
        call("jax", (2, 3, 6), 2.0, about="three axes"),
        call("keras", (2, 2, 5), 1.0, about="three axes"),
        Call((equal, np.ones(4), np.array([-1.0, 0.0, 1.0, 2.0]), "torch"), about="rows of equal numbers"),
    ]


def _own_gelu(framework):
    return _bent if framework == "jax" else _exact


def _answer(
    x,
    scale,
    offset,
    framework,
    epsilon=EPSILON.get,
    gelu=_own_gelu,
    axis=-1,
    root=lambda variance, epsilon: np.sqrt(variance + epsilon),
    ddof=0,
    affine=lambda x, scale, offset: x * scale + offset,
    finish=lambda normed, bent: bent,
):
    """The two layers with one of their parts replaced."""
    mean, variance = x.mean(axis=axis, keepdims=True), x.var(axis=axis, ddof=ddof, keepdims=True)
    normed = affine((x - mean) / root(variance, epsilon(framework)), scale, offset)
    return finish(normed, gelu(framework)(normed))


def _reference(x, scale, offset, framework):
    return _answer(x, scale, offset, framework)


def _with(*settings):
    return tuple(functools.partial(_answer, **each) for each in settings)


def _formula(exact, tanh=_bent):
    return lambda framework: tanh if framework == "jax" else exact


def _gelu_first(x, scale, offset, framework):
    return _answer(_own_gelu(framework)(x), scale, offset, framework, finish=lambda normed, bent: normed)


QUESTION = Question(
    id="frameworks.norm_then_gelu",
    title="Two layers, four frameworks",
    points=2,
    minutes=15,
    signature="norm_then_gelu(x, scale, offset, framework)",
    calls=_calls,
    reference=_reference,
    rtol=1e-5,
    atol=1e-5,
    mistakes=(
        Mistake(
            "one_epsilon",
            _with(
                *({"epsilon": lambda framework, e=e: e} for e in (1e-3, 1e-5, 1e-6, 1e-12)),
                {"epsilon": lambda framework: 1e-3 if framework == "keras" else 1e-5},
                {"epsilon": lambda framework: 1e-3 if framework == "keras" else 1e-6},
            ),
            "Right for some frameworks, wrong for others: your epsilon is not that of each.",
            "Look up epsilon in the table by `framework`. Where the numbers of a row are close together, it "
            "decides how large the result is.",
        ),
        Mistake(
            "epsilon_beside_the_root",
            _with({"root": lambda variance, epsilon: np.sqrt(variance) + epsilon}),
            "You add epsilon to the standard deviation. All four frameworks add it elsewhere.",
            "In a variance of 0.0004, an epsilon of 0.001 is a lot; beside its root of 0.02 it is little. "
            "Add first, then take the root.",
        ),
        Mistake(
            "by_the_variance",
            _with({"root": lambda variance, epsilon: variance + epsilon}),
            "You divide by the variance. The result should not depend on the unit of `x`, but for epsilon.",
            "Divide by the root of variance plus epsilon.",
        ),
        Mistake(
            "of_one_number",
            _with(
                {"gelu": _formula(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))))},
                {"gelu": lambda framework: lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))},
            ),
            "The exact form ends in an error: does every function that you call there take arrays?",
            "The functions of `math` take a single number. `np.vectorize(math.erf)` takes an array.",
        ),
        Mistake(
            "unbiased_variance",
            _with({"ddof": 1}),
            "Your variance is too large: you divide by one less than the width.",
            "`np.var` divides by the number of entries, as layer norms do. Which `ddof` or which sum do you "
            "use?",
        ),
        Mistake(
            "always_exact",
            _with({"gelu": lambda framework: _exact}),
            "One framework's GELU is not the exact one unless it is asked for. Which, by the table?",
            'With "jax", use the formula with tanh. The two forms differ by up to 0.0005.',
        ),
        Mistake(
            "always_tanh",
            _with({"gelu": lambda framework: _bent}),
            "You use the tanh for every framework. Three of the four compute the exact GELU by default.",
            'Write `if framework == "jax"`; the error function of one number is `math.erf`, and '
            "`np.vectorize(math.erf)` takes an array.",
        ),
        Mistake(
            "forms_exchanged",
            _with({"gelu": lambda framework: _exact if framework == "jax" else _bent}),
            "Both forms of GELU are right, but each is used where the other belongs.",
            "By the table, who computes the tanh by default is JAX alone.",
        ),
        Mistake(
            "other_formula",
            _with(
                {"gelu": _formula(lambda x: _exact(x, inside=lambda x: x))},
                {"gelu": _formula(lambda x: _exact(x, inside=lambda x: x * np.sqrt(2)))},
                {"gelu": _formula(lambda x: 2 * _exact(x), lambda x: 2 * _bent(x))},
                {
                    "gelu": _formula(
                        lambda x: _exact(x), lambda x: _bent(x, inside=lambda x: x + 0.044715 * x**3)
                    )
                },
                {"gelu": _formula(lambda x: x / (1 + np.exp(-1.702 * x)))},
            ),
            "The layer norm is right; a GELU is not. Compare it with the formula, piece by piece.",
            "The exact GELU of 1 is 0.8413, that by tanh 0.8412. What are yours?",
        ),
        Mistake(
            "other_axis",
            _with({"axis": 0}, {"axis": None}),
            "Your mean and variance are taken over the wrong axis. What is normalised, by the text?",
            "Each row has a mean and a variance of its own: axis -1, with keepdims=True. This is no batch "
            "norm.",
        ),
        Mistake(
            "gelu_first",
            _gelu_first,
            "You bend first and normalise after that. The text says the other order.",
            "After a GELU, results are never below -0.17. Which of your results are?",
        ),
        Mistake(
            "no_gelu",
            _with({"finish": lambda normed, bent: normed}),
            "What you return is the layer norm alone.",
            "Apply the GELU to the normalised, scaled and shifted numbers.",
        ),
        Mistake(
            "no_scale_or_offset",
            _with(
                {"affine": lambda x, scale, offset: x},
                {"affine": lambda x, scale, offset: x * scale},
                {"affine": lambda x, scale, offset: x + offset},
                {"affine": lambda x, scale, offset: (x + offset) * scale},
            ),
            "The learned scale and offset are missing in part, or come in another order.",
            "After the division: times `scale`, then plus `offset`. Only then comes the GELU.",
        ),
    ),
    hint="Do the layer norm of one row by hand, with the epsilon of its framework, before any GELU.",
    more="Take mean and np.var along the last axis with keepdims=True, divide by the root of variance plus "
    "epsilon, multiply by `scale`, add `offset`. Then the GELU that the table gives.",
    example=(np.array([[0.0, 0.02, 0.04]]), np.ones(3), np.zeros(3), "keras"),
)
