"""Question: a training by two AdamWs."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question

BETA_1, BETA_2 = 0.9, 0.999


def _calls(rng):
    def call(framework, steps, size, epsilon, decay, about="", rate=0.1):
        weights = rng.choice([-1.0, 1.0], size=4) * rng.uniform(0.5, 2.0, size=4)
        signs = rng.choice([-1.0, 1.0], size=4)  # Steps that add up, so that mistakes do not cancel out.
        gradients = size * signs * rng.uniform(0.3, 2.0, size=(steps, 4))
        return Call((np.round(weights, 3), gradients, rate, decay, epsilon, framework), about)

    return [
        call("torch", 1, 1.0, 1e-8, 0.0, about="a single step"),
        call("keras", 1, 1.0, 1e-7, 0.2, about="a single step"),
        call("torch", 4, 2e-5, 1e-5, 0.0, about="small gradients"),
        call("keras", 4, 2e-5, 1e-5, 0.0, about="small gradients"),
        call("torch", 6, 1.0, 1e-8, 0.3),
        call("keras", 6, 1.0, 1e-7, 0.3),
        call("keras", 12, 1e-4, 1e-5, 0.1, rate=0.05),
        call("torch", 12, 1e-4, 1e-5, 0.1, rate=0.05),
    ]


def _step_torch(m, v, t, epsilon):
    return m / (1 - BETA_1**t) / (np.sqrt(v / (1 - BETA_2**t)) + epsilon)


def _step_keras(m, v, t, epsilon):
    return np.sqrt(1 - BETA_2**t) / (1 - BETA_1**t) * m / (np.sqrt(v) + epsilon)


STEPS = {"torch": _step_torch, "keras": _step_keras}


def _answer(
    weights,
    gradients,
    rate,
    decay,
    epsilon,
    framework,
    step=STEPS.get,
    l2=False,
    shrink=lambda rate, decay: rate * decay,
    late=False,
    forget=False,
    first=1,
    advance=1,
    sign=1,
    mixed=lambda beta, old, new: beta * old + (1 - beta) * new,
    trace=False,
    square=np.square,
):
    """The training with one of its parts replaced."""
    w, m, v, t, seen = np.array(weights, float), 0.0, 0.0, first, []
    for gradient in gradients:
        g = gradient + decay * w if l2 else gradient
        m, v = (0.0, 0.0) if forget else (m, v)
        m, v = mixed(BETA_1, m, g), mixed(BETA_2, v, square(g))
        left = 1.0 if l2 else 1.0 - shrink(rate, decay)
        change = sign * rate * step(framework)(m, v, t, epsilon)
        w = left * (w - change) if late else left * w - change
        t += advance
        seen.append(w)
    return np.array(seen) if trace else w


def _reference(weights, gradients, rate, decay, epsilon, framework):
    return _answer(weights, gradients, rate, decay, epsilon, framework)


def _with(*settings):
    return tuple(functools.partial(_answer, **each) for each in settings)


def _both(torch=_step_torch, keras=_step_keras):
    return {"torch": torch, "keras": keras}.get


def _uncorrected(m, v, t, epsilon):
    return m / (np.sqrt(v) + epsilon)


def _first_only(m, v, t, epsilon):
    return m / (1 - BETA_1**t) / (np.sqrt(v) + epsilon)


def _second_only(m, v, t, epsilon):
    return m / (np.sqrt(v / (1 - BETA_2**t)) + epsilon)


def _inside(m, v, t, epsilon):
    return m / (1 - BETA_1**t) / np.sqrt(v / (1 - BETA_2**t) + epsilon)


def _inside_keras(m, v, t, epsilon):
    return np.sqrt(1 - BETA_2**t) / (1 - BETA_1**t) * m / np.sqrt(v + epsilon)


def _decay_of_the_start(weights, gradients, rate, decay, epsilon, framework):
    lost = rate * decay * weights  # In every step.
    w, m, v = np.array(weights, float), 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        m, v = BETA_1 * m + (1 - BETA_1) * g, BETA_2 * v + (1 - BETA_2) * g**2
        w = w - lost - rate * STEPS[framework](m, v, t, epsilon)
    return w


def _kept(weights, gradients, rate, decay, epsilon, framework, both=False):
    """Overwrites the means by the corrected ones; with `both`, in Keras' way as well."""
    w, m, v = np.array(weights, float), 0.0, 0.0
    for t, g in enumerate(gradients, 1):
        w = w * (1 - rate * decay)
        m, v = BETA_1 * m + (1 - BETA_1) * g, BETA_2 * v + (1 - BETA_2) * g**2
        if both or framework == "torch":
            m, v = m / (1 - BETA_1**t), v / (1 - BETA_2**t)
            w = w - rate * m / (np.sqrt(v) + epsilon)
        else:
            w = w - rate * _step_keras(m, v, t, epsilon)
    return w


def _of_the_sum(weights, gradients, *rest):
    return _answer(weights, gradients.sum(axis=0, keepdims=True), *rest)


def _of_the_mean(weights, gradients, *rest):
    return _answer(weights, gradients.mean(axis=0, keepdims=True), *rest)


QUESTION = Question(
    id="frameworks.adamw_training",
    title="A training by two AdamWs",
    points=3,
    minutes=20,
    signature="adamw_training(weights, gradients, rate, decay, epsilon, framework)",
    calls=_calls,
    reference=_reference,
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "one_for_both",
            _with({"step": _both(keras=_step_torch)}, {"step": _both(torch=_step_keras)}),
            "One framework is right. For the other, small gradients give it away: epsilon does not stand at "
            "the same place in both.",
            "PyTorch adds epsilon to the root of the corrected second mean. Keras adds it to the root of the "
            "plain one, and corrects afterwards.",
        ),
        Mistake(
            "exchanged",
            _with({"step": _both(_step_keras, _step_torch)}),
            "You have both ways of adding epsilon, and each is used for the other framework.",
            "In PyTorch epsilon comes after the correction of v.",
        ),
        Mistake(
            "decay_in_the_gradient",
            _with({"l2": True}),
            "Right without decay. With it, yours passes through the two means. That is Adam with an L2 "
            "penalty.",
            "AdamW's decay is decoupled: the weights shrink by a factor, and the means see nothing of it.",
        ),
        Mistake(
            "other_decay",
            _with({"shrink": lambda rate, decay: 0.0}, {"shrink": lambda rate, decay: decay}),
            "Right without decay. With it, your weights do not shrink by the share that the text gives.",
            "In each step they are first multiplied by 1 - rate · decay: not by 1, and not by 1 - decay.",
        ),
        Mistake(
            "decay_afterwards",
            _with({"late": True}),
            "Close: your decay also shrinks the step that was just made.",
            "First multiply the weights, then subtract the step.",
        ),
        Mistake(
            "not_corrected",
            _with(
                {"step": _both(_uncorrected, _uncorrected)},
                {"step": _both(_first_only, _first_only)},
                {"step": _both(_second_only, _second_only)},
            ),
            "The length of your first step is not the rate. Are both means corrected?",
            "Both start at zero, so both are too small at first: the first by 1 - 0.9^t, the second by "
            "1 - 0.999^t.",
        ),
        Mistake(
            "steps_not_counted",
            _with({"advance": 0}),
            "The first step is right. In the next ones, t is still 1 with you.",
            "The corrections fade as t grows. Where is your counter raised?",
        ),
        Mistake(
            "counted_from_zero",
            _with({"first": 0}, {"first": 2}),
            "Your count of steps starts at another number than 1.",
            "At t = 0 the corrections divide by 0; at the first gradient t is 1.",
        ),
        Mistake(
            "means_forgotten",
            _with({"forget": True}),
            "The first step is right. After it, your two means start at zero again.",
            "The means belong before the loop: each step goes on from those of the step before.",
        ),
        Mistake(
            "corrected_means_kept",
            (_kept, functools.partial(_kept, both=True)),
            "The first step is right. After it you go on from the corrected means, and correct them again.",
            "Keep m and v as they are. What is corrected is used in this step only.",
        ),
        Mistake(
            "epsilon_inside_the_root",
            _with(
                {"step": _both(_inside, _inside)},
                {"step": _both(_inside, _inside_keras)},
                {"step": _both(torch=_inside)},
                {"step": _both(keras=_inside_keras)},
            ),
            "Small gradients hardly move your weights: your epsilon stands inside the root.",
            "Take the root first, then add epsilon. The root of 1e-8 is 1e-4.",
        ),
        Mistake(
            "sum_of_gradients",
            (_of_the_sum, _of_the_mean),
            "A single step is right. With several you make one step for all gradients together.",
            "Row i of `gradients` is that of step i. Loop over the rows.",
        ),
        Mistake(
            "other_means",
            _with(
                {"mixed": lambda beta, old, new: beta * old + new},
                {"square": np.abs},
                {"square": lambda g: g},
            ),
            "A running mean of yours is not as in the text: follow a gradient of 3 through the first step.",
            "From zeros and a gradient of 3, m becomes 0.3 and v becomes 0.009.",
        ),
        Mistake(
            "decay_of_the_start",
            _decay_of_the_start,
            "One step is right. In later ones your decay still takes its share of the weights of the start.",
            "Multiply the weights as they are now by 1 - rate · decay.",
        ),
        Mistake(
            "wrong_sign",
            _with({"sign": -1}),
            "Your weights climb: a step goes against the gradient.",
            "With a positive gradient, a weight must become smaller.",
        ),
        Mistake(
            "every_step_returned",
            _with({"trace": True}),
            "You return the weights of every step. Asked for are the last.",
            "The result has the shape of `weights`.",
        ),
    ),
    hint="Write a loop with m, v and t. Only one line of it depends on the framework.",
    more="In each step: weights times 1 - rate · decay; the two means; then rate · m̂ / (√v̂ + ε) for PyTorch, "
    "and rate · √(1 - 0.999^t) / (1 - 0.9^t) · m / (√v + ε) for Keras.",
    example=(np.array([1.0]), np.array([[0.001], [0.001]]), 0.1, 0.0, 0.001, "torch"),
)
