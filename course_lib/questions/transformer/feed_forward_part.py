"""Question: feed-forward, residual and norm."""

import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.transformer._shared import _bent, _by_the_lesson, _exact, _norm, _sigmoid


def _part_calls(rng):
    def call(shape, inner, norm_first, straight=False, dtype="float64"):
        # With `straight` all that meets a GELU is large and positive, so that only the order matters.
        width = shape[-1]
        arrays = (
            2 * rng.normal(size=shape) + 1,
            rng.normal(size=(width, inner)) / math.sqrt(width),
            rng.normal(size=inner) / 2 + 20 * straight,
            rng.normal(size=(inner, width)) * (0.2 if straight else 2) / math.sqrt(inner),
            rng.normal(size=width) + 30 * straight,
            rng.uniform(0.5, 2.0, width),
            rng.normal(size=width),
        )
        order = "pre-norm" if norm_first else "post-norm"
        return Call((*(array.astype(dtype) for array in arrays), norm_first), about=order)

    return [
        call((2, 4), 6, False),
        call((2, 4), 6, True),
        call((3, 3), 5, True, straight=True),
        call((3, 4), 5, False, straight=True),
        call((2, 3, 4), 8, False, dtype="float32"),
        call((2, 2, 5), 10, True),
    ]


def _dense_layers(activation=_bent, late=lambda x: x, biases=(1, 1)):
    """The two dense layers with another activation or without a bias."""

    def layers(x, kernel_1, bias_1, kernel_2, bias_2):
        return late(activation(x @ kernel_1 + biases[0] * bias_1) @ kernel_2 + biases[1] * bias_2)

    return layers


def _post(x, layers, norm):
    return norm(x + layers(x))


def _pre(x, layers, norm):
    return x + layers(norm(x))


def _part(post=_post, pre=_pre, layers=None):
    """The feed-forward part with other orders or layers."""
    layers = layers or _dense_layers()

    def answer(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
        order = pre if norm_first else post
        return order(
            x,
            lambda x: layers(x, kernel_1, bias_1, kernel_2, bias_2),
            lambda x: _norm(x, gamma, beta),
        )

    return answer


def _parts_with(**layers):
    return _part(layers=_dense_layers(**layers))


def _normed_part(**without):
    """The part with a norm that lacks gamma, beta or both."""

    def answer(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
        gamma, beta = without.get("gamma", gamma), without.get("beta", beta)
        return _part()(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first)

    return answer


QUESTION = Question(
    id="transformer.feed_forward_part",
    title="Feed-forward, residual and norm",
    points=2,
    minutes=15,
    signature="feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first)",
    calls=_part_calls,
    reference=_by_the_lesson,
    rtol=2e-5,
    atol=2e-5,  # Exact GELU differs by more.
    mistakes=(
        Mistake(
            "normed_before_the_sum",
            (
                _part(post=lambda x, layers, norm: x + norm(layers(x))),
                _part(
                    post=lambda x, layers, norm: x + norm(layers(x)),
                    pre=lambda x, layers, norm: x + norm(layers(x)),
                ),
            ),
            "In post-norm you normalise what the dense layers give, and add x after that: the sum itself is "
            "not normalised.",
            "With gamma 1 and beta 0 a vector that leaves the post-norm part has the mean 0 and the "
            "deviation 1. So nothing may be added after the norm.",
        ),
        Mistake(
            "exchanged",
            _part(post=_pre, pre=_post),
            "Both orders are right, but each appears where the other is asked for. What does `norm_first` "
            "say?",
            "norm_first=True is pre-norm: the dense layers see normalised vectors, and what leaves the part "
            "is a plain sum.",
        ),
        Mistake(
            "always_post_norm",
            _part(pre=_post),
            "Post-norm is right. In pre-norm you give the same as in post-norm: where does your code look at "
            "`norm_first`?",
            "With norm_first=True the dense layers see normalised vectors, and the sum after them stays as "
            "it is.",
        ),
        Mistake(
            "always_pre_norm",
            _part(post=_pre),
            "Pre-norm is right. In post-norm you give the same as in pre-norm: where does your code look at "
            "`norm_first`?",
            "With norm_first=False the dense layers see x itself, and the norm comes last, over the sum.",
        ),
        Mistake(
            "residual_from_the_norm",
            _part(pre=lambda x, layers, norm: norm(x) + layers(norm(x))),
            "Post-norm is right. In pre-norm you add the dense layers' output to the normalised vectors, "
            "and x itself is lost.",
            "With kernel_2 and bias_2 all zero the pre-norm part must give back x, unchanged. Do you still "
            "have x under its name after the norm?",
        ),
        Mistake(
            "no_residual",
            (
                _part(
                    post=lambda x, layers, norm: norm(layers(x)), pre=lambda x, layers, norm: layers(norm(x))
                ),
                _part(post=lambda x, layers, norm: norm(layers(x))),
                _part(pre=lambda x, layers, norm: layers(norm(x))),
            ),
            "With kernel_2 and bias_2 all zero, nothing of x arrives at the end of your part, at least in "
            "one of the orders. What carries x around the dense layers?",
            "A residual adds the input of the part to what the layers make of it. Without it each block "
            "would have to learn to pass on what it was given.",
        ),
        Mistake(
            "normed_twice",
            (
                _part(pre=lambda x, layers, norm: norm(x + layers(norm(x)))),
                _part(post=lambda x, layers, norm: norm(x + layers(norm(x)))),
            ),
            "You normalise twice, before the dense layers and after the sum, at least in one of the orders.",
            "There is one gamma and one beta, for one norm. In pre-norm it comes first, and nothing comes "
            "after the sum; in post-norm it comes last, and nothing before the dense layers.",
        ),
        Mistake(
            "no_norm",
            (
                _part(pre=lambda x, layers, norm: x + layers(x)),
                _part(post=lambda x, layers, norm: x + layers(x)),
                _part(*[lambda x, layers, norm: x + layers(x)] * 2),
            ),
            "In one of the orders, or in both, there is no norm. Where do gamma and beta come in?",
            "norm_first says where the norm stands, not whether there is one: over the sum, or over what the "
            "dense layers see.",
        ),
        Mistake(
            "gain_or_shift_missing",
            (_normed_part(gamma=1.0, beta=0.0), _normed_part(gamma=1.0), _normed_part(beta=0.0)),
            "Both orders are right but for the norm: gamma and beta are not both used in it.",
            "After the division, the norm of question 1 multiplies by a gain and adds a shift. Those meant "
            "here are arguments of the function.",
        ),
        Mistake(
            "exact_gelu",
            _parts_with(activation=_exact),
            "Order, residual and norm are right, and you are off by very little. Which of the two GELUs is "
            "asked for?",
            "The block uses the approximation by tanh. Your gelu gives the exact form unless its second "
            "argument says otherwise.",
        ),
        Mistake(
            "no_activation",
            _parts_with(activation=lambda x: x),
            "Order, residual and norm are right. Between your two dense layers stands nothing, so that they "
            "are no more than one.",
            "Two matrix products in a row are a single one. What does the formula of F have between K₁ and "
            "K₂?",
        ),
        Mistake(
            "other_activation",
            tuple(
                _parts_with(activation=activation)
                for activation in (lambda x: np.maximum(x, 0), np.tanh, _sigmoid, lambda x: _exact(x, np.abs))
            ),
            "Order, residual and norm are right. What stands between your two dense layers is another "
            "function than the one asked for.",
            "ReLU is that of 2017's Transformer; BERT has GELU, by tanh. You have written it in question 4.",
        ),
        Mistake(
            "activated_at_the_end",
            (_parts_with(late=_bent), _parts_with(activation=lambda x: x, late=_bent)),
            "Order, residual and norm are right. After your second dense layer comes a GELU: does the "
            "formula of F have one there?",
            "What leaves F is a plain sum of products, so that the residual can be made smaller as well as "
            "larger. GELU stands between K₁ and K₂ only.",
        ),
        Mistake(
            "missing_bias",
            (_parts_with(biases=(0, 1)), _parts_with(biases=(1, 0)), _parts_with(biases=(0, 0))),
            "Order, residual and norm are right. Does each of your dense layers add its bias?",
            "There are two: bias_1 is added before GELU, bias_2 after the second product.",
        ),
    ),
    hint="Write the dense layers once, as a function of their input. Then each order is one line.",
    more="F takes what it is given through K₁, b₁, GELU by tanh, K₂ and b₂, and knows nothing of norm and "
    "residual. What is added to it is always the x that came in; norm_first only moves the norm.",
    example=(
        np.array([[1.0, 3.0]]),
        np.array([[1.0], [0.0]]),
        np.array([1.0]),
        np.array([[0.0, 2.0]]),
        np.array([0.0, 5.0]),
        np.array([1.0, 1.0]),
        np.array([0.0, 0.0]),
        True,
    ),
)
