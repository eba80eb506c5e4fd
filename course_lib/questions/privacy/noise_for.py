"""Question: how much noise a promise needs."""

import math

from course_lib.questions import Call, Mistake, Question


def _budget_calls(rng):
    def call(epsilon, delta, steps):
        return round(float(epsilon * rng.uniform(0.9, 1.1)), 2), delta, steps

    return [
        call(1.0, 1e-5, 100),
        call(8.0, 1e-5, 1000),
        Call(call(3.0, 1e-6, 1), about="a single step"),
        Call(call(0.2, 1e-5, 50), about="a small epsilon"),
        Call(call(100.0, 1e-3, 400), about="a large epsilon"),
    ]


def _root_of_rho(epsilon, delta, sign=1, log=math.log):
    bits = log(1 / delta)
    return sign * math.sqrt(bits + epsilon) - math.sqrt(bits)


def _rho(epsilon, delta):
    return _root_of_rho(epsilon, delta) ** 2


def _noise(rho=_rho, sigma=lambda rho, steps: math.sqrt(steps / (2 * rho))):
    """The noise with one of its two parts replaced."""
    return lambda epsilon, delta, steps: sigma(rho(epsilon, delta), steps)


def _reference(epsilon, delta, steps):
    return _noise()(epsilon, delta, steps)


def _without_the_root(epsilon, delta):
    """Solves epsilon = rho + 2 rho ln(1 / delta)."""
    return epsilon / (1 + 2 * math.log(1 / delta))


def _by_formula(epsilon, delta, p, four, two):
    """The quadratic formula for rho, with these numbers in it; 2, 4 and 2 are right."""
    p *= math.sqrt(math.log(1 / delta))
    return ((-p + math.sqrt(p**2 + four * epsilon)) / two) ** 2


def _one_mechanism(epsilon, delta, steps):
    return math.sqrt(2 * math.log(1.25 / delta)) / epsilon


def _epsilon(sigma, delta, steps):
    rho = steps / (2 * sigma**2)
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


QUESTION = Question(
    id="privacy.noise_for",
    title="How much noise a promise needs",
    points=2,
    minutes=20,
    signature="noise_for(epsilon, delta, steps)",
    calls=_budget_calls,
    reference=_reference,
    rtol=1e-3,
    atol=1e-9,
    mistakes=(
        Mistake(
            "root_kept",
            _noise(_root_of_rho),
            "You have solved for the root of rho, and go on as if it were rho.",
            "With x for the root of rho, epsilon is x² + 2 x times something. What is rho if x is known?",
        ),
        Mistake(
            "other_root",
            (
                _noise(lambda e, d: _root_of_rho(e, d, sign=-1) ** 2),
                _noise(lambda e, d: (math.sqrt(math.log(1 / d)) + math.sqrt(math.log(1 / d) + e)) ** 2),
            ),
            "Your noise is far too small: put it back into the formula and look at epsilon. A square has two "
            "roots.",
            "The root of rho cannot be negative. Which sign belongs before the root in the solution?",
        ),
        Mistake(
            "wrong_solution",
            (
                _noise(lambda e, d: _by_formula(e, d, 2, 1, 2)),
                _noise(lambda e, d: _by_formula(e, d, 2, 4, 1)),
                _noise(lambda e, d: _by_formula(e, d, 1, 4, 2)),
                _noise(lambda e, d: _by_formula(e, d, 4, 4, 2)),
            ),
            "Put your rho back into the formula for epsilon: it does not come out. Look at your solution of "
            "the quadratic equation.",
            "With x for the root of rho, x² + p x - epsilon = 0. What is p, and where do p and epsilon stand "
            "in the solution?",
        ),
        Mistake(
            "small_term_only",
            (
                _noise(lambda e, d: e),
                _noise(lambda e, d: e**2 / (4 * math.log(1 / d))),
                _noise(_without_the_root),
            ),
            "You leave out one of the two terms of epsilon, or the root in it. Put your noise back into the "
            "formula.",
            "Epsilon is a square of the root of rho plus a multiple of it. That is an equation which you "
            "know how to solve.",
        ),
        Mistake(
            "steps_ignored",
            (_noise(sigma=lambda rho, steps: math.sqrt(1 / (2 * rho))),),
            "Right for a single step. Does training for longer give nothing more away?",
            "The rho of all steps together is that of one step times their number.",
        ),
        Mistake(
            "linear_in_steps",
            (
                _noise(sigma=lambda rho, steps: steps * math.sqrt(1 / (2 * rho))),
                lambda e, d, steps: _reference(e / steps, d, 1),
                lambda e, d, steps: _reference(e / steps, d / steps, 1),
            ),
            "Right for a single step. Your noise grows with the number of steps themselves.",
            "It is rho that adds up over the steps, not epsilon. How does rho depend on the noise?",
        ),
        Mistake(
            "factor_two",
            (
                _noise(sigma=lambda rho, steps: math.sqrt(steps / rho)),
                _noise(sigma=lambda rho, steps: math.sqrt(2 * steps / rho)),
                _noise(sigma=lambda rho, steps: math.sqrt(steps / 2) / (2 * rho)),
            ),
            "Your noise is off by a factor. Where does the 2 of a step's rho end up if you solve for the "
            "noise?",
            "Put your noise back into the formulas of the text: first rho, then epsilon. Which of them does "
            "not come out?",
        ),
        Mistake(
            "variance",
            (
                _noise(sigma=lambda rho, steps: steps / (2 * rho)),
                _noise(sigma=lambda rho, steps: 2 * rho / steps),
                _noise(sigma=lambda rho, steps: math.sqrt(2 * rho / steps)),
                lambda e, d, steps: 1 / _reference(e, d, steps),
            ),
            "You return the square of the noise, or one over it. More steps must need more noise, and a "
            "standard deviation is no variance.",
            "Solve steps / (2 · noise²) = rho for the noise: one step at a time, on paper.",
        ),
        Mistake(
            "rho_returned",
            (
                _noise(sigma=lambda rho, steps: rho),
                _noise(sigma=lambda rho, steps: rho / steps),
                lambda e, d, steps: _epsilon(e, d, steps),
            ),
            "You return another of the quantities: rho, or an epsilon. The noise is asked for.",
            "Go from epsilon to rho, and from rho to the noise.",
        ),
        Mistake(
            "another_logarithm",
            (
                _noise(lambda e, d: _root_of_rho(e, d, log=math.log10) ** 2),
                _noise(lambda e, d: _root_of_rho(e, d, log=math.log2) ** 2),
                _noise(lambda e, d: _root_of_rho(e, d / 2) ** 2),
                _noise(lambda e, d: _root_of_rho(e, d / 1.25) ** 2),
            ),
            "Your logarithm is not the one of the formula. Its base is e, and what stands in it is 1 / "
            "delta.",
            "`math.log` is the natural logarithm. With delta 1e-5 it gives 11.5 for 1 / delta.",
        ),
        Mistake(
            "one_mechanism",
            (
                _one_mechanism,
                lambda e, d, steps: _one_mechanism(e, d, steps) * math.sqrt(steps),
                lambda e, d, steps: _one_mechanism(e, d, steps) * steps,
            ),
            "You use the textbook formula for a single Gaussian mechanism. It holds for small epsilon only; "
            "the task gives another one.",
            "The text has two formulas. Solve the second for rho, then the first for the noise.",
        ),
    ),
    hint="Two equations, from epsilon back to the noise. Begin with the second: it is quadratic in the root "
    "of rho.",
    more="With x for the root of rho and L for ln(1 / delta): x² + 2 x √L - epsilon = 0. The positive x, its "
    "square is rho, and noise² = steps / (2 rho). To check, put the noise back into both formulas.",
    example=(3.0, math.exp(-1.0), 2),
)
