"""Question: gELU, exact and by tanh."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.transformer._shared import ROOT, _bent, _erf, _exact, _sigmoid, transformer


def _gelu_calls(rng):
    steps = np.array([-3.0, -2.2, -1.3, -0.5, 0.0, 0.7, 1.4, 2.2, 3.0])
    near = steps + rng.uniform(-0.05, 0.05, size=9)
    square = rng.permuted(np.linspace(-4.0, 4.0, 16)).reshape(4, 4)
    far = np.array([-50.0, -6.0, 0.0, 6.0, 50.0]) + rng.integers(0, 4, size=5) / 4
    return [
        Call((near,), about="the exact form"),
        Call((near, True), about="the form by tanh"),
        Call((square.astype("float32"), True), about="the form by tanh"),
        Call((square.reshape(2, 2, 4),), about="the exact form"),
        Call((far,), about="the exact form"),
        Call((far, True), about="the form by tanh"),
    ]


def _either(exact=_exact, bent=_bent):
    return lambda x, approximate=False: bent(x) if approximate else exact(x)


def _both(change):
    """The exact form, the one by tanh, or both of them changed."""
    exact, bent = change(_exact), change(_bent)
    return _either(exact=exact, bent=bent), _either(exact=exact), _either(bent=bent)


def _erfs(*insides):
    return tuple(_either(exact=functools.partial(_exact, inside=inside)) for inside in insides)


def _tanhs(*insides):
    return tuple(_either(bent=functools.partial(_bent, inside=inside)) for inside in insides)


def _along_one_axis(x):
    return np.array([0.5 * each * (1 + math.erf(each / math.sqrt(2))) for each in x])


QUESTION = Question(
    id="transformer.gelu",
    title="GELU, exact and by tanh",
    points=1,
    minutes=10,
    signature="gelu(x, approximate=False)",
    calls=_gelu_calls,
    reference=lambda x, approximate=False: transformer.gelu(x, approximate),
    rtol=1e-5,
    atol=1e-5,  # The two forms differ by up to 5e-4.
    mistakes=(
        Mistake(
            "always_tanh",
            _either(exact=_bent),
            "With approximate=True you are right. Without it you are off by up to 0.0005: what you return "
            "is the approximation again.",
            "Plain GELU of 2 is 1.95450, the approximation gives 1.95460. The first needs the error "
            "function; where does your code look at `approximate`?",
        ),
        Mistake(
            "always_exact",
            _either(bent=_exact),
            "The exact form is right. With approximate=True you are off by up to 0.0005: what you return is "
            "the exact form again.",
            "With approximate=True, 2 must become 1.95460, and yours is 1.95450. The lesson's "
            "encoder uses the tanh, as KerasHub's BERT does.",
        ),
        Mistake(
            "exchanged",
            _either(exact=_bent, bent=_exact),
            "Both forms are right, but each comes where the other is asked for. What does `approximate` say?",
            "approximate=True asks for the tanh: 2 must become 1.95460 then. Without it, 1.95450, by the "
            "error function.",
        ),
        Mistake(
            "no_half",
            _both(lambda form: lambda x: 2 * form(x)),
            "For a large x GELU is nearly x; in a form of yours it is 2 x.",
            "1 + erf and 1 + tanh run from 0 to 2, a probability from 0 to 1. What is missing between them?",
        ),
        Mistake(
            "no_x",
            _both(lambda form: lambda x: np.where(x == 0, 0.5, form(x) / np.where(x == 0, 1, x))),
            "In a form of yours large numbers become 1 and 0 becomes 1/2: that is Φ(x). GELU is more than "
            "that.",
            "The probability Φ(x) says how much of x gets through: for x = 2 it is 0.977, and GELU is 1.954. "
            "What is Φ(x) multiplied by?",
        ),
        Mistake(
            "no_one",
            _both(lambda form: lambda x: form(x) - 0.5 * x),
            "In a form of yours numbers far to the left become positive, and those far to the right only "
            "x/2. Which number joins erf or tanh in the brackets?",
            "erf and tanh run from -1 to 1. For a probability, from 0 to 1, add 1 and halve: in yours a part "
            "of that is missing.",
        ),
        Mistake(
            "other_argument_of_erf",
            (
                *_erfs(lambda x: x, lambda x: math.sqrt(2) * x, lambda x: x / 2),
                _either(exact=lambda x: 0.5 * x * (1 + _erf(x) / math.sqrt(2))),
            ),
            "With approximate=True you are right, the exact form is not: what stands in erf? erf is made for "
            "another bell curve than that of standard deviation 1.",
            "Φ(1) must be 0.8413. Work out what yours is, and compare the argument of erf with the formula.",
        ),
        Mistake(
            "of_one_number",
            _either(exact=lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
            "With approximate=True you are right. The exact form ends in an error: does every function that "
            "you call there take arrays?",
            "The functions of `math` take a single number. np.vectorize(math.erf) takes an array of any "
            "shape.",
        ),
        Mistake(
            "one_axis_only",
            _either(exact=_along_one_axis),
            "Arrays with one axis are right. With more, the exact form ends in an error: what does a loop "
            "over x meet then?",
            "Looping over an array of shape (2, 2, 4) gives arrays of shape (2, 4), and math.erf takes a "
            "single number. np.vectorize makes a function of it that takes any shape.",
        ),
        Mistake(
            "other_factor",
            _tanhs(
                lambda x: 2 / math.pi * (x + 0.044715 * x**3),
                lambda x: math.sqrt(2) / math.pi * (x + 0.044715 * x**3),
                lambda x: math.sqrt(math.pi / 2) * (x + 0.044715 * x**3),
                lambda x: x + 0.044715 * x**3,
                lambda x: math.sqrt(2) * (x + 0.044715 * x**3),
            ),
            "The exact form is right, and so are the brackets in your tanh. Which factor stands before them?",
            "√(2/π) is about 0.798; the root goes over the whole fraction. Print your factor.",
        ),
        Mistake(
            "no_cube",
            _tanhs(lambda x: ROOT * x, lambda x: ROOT * (x + 0.044715 * x)),
            "The exact form is right. Your approximation has no cube: it is good near 0, and off by more "
            "than 0.01 around 2.",
            "With approximate=True, 2 must become 1.95460. What stands in the tanh grows faster than x: "
            "compare it with the formula, power by power.",
        ),
        Mistake(
            "squared",
            _tanhs(lambda x: ROOT * (x + 0.044715 * x**2)),
            "The exact form is right. Your approximation is good near 0, but far to the left it falls: -50 "
            "gives -50 instead of 0. Look at the power of x.",
            "Φ(-x) = 1 - Φ(x), so what stands in the tanh must change its sign with x. A square does not.",
        ),
        Mistake(
            "brackets",
            _tanhs(
                lambda x: ROOT * x + 0.044715 * x**3,
                lambda x: ROOT * (x + 0.044715) * x**3,
                lambda x: ROOT * (x + 0.044715 * x) ** 3,
                lambda x: ROOT * (x + (0.044715 * x) ** 3),
            ),
            "The exact form is right, your approximation is not: are the brackets in the tanh where they "
            "should be?",
            "Two terms stand in the brackets, x and 0.044715 x³. The factor √(2/π) multiplies both; the "
            "power belongs to the x of the second alone.",
        ),
        Mistake(
            "other_constant",
            _tanhs(*(lambda x, c=c: ROOT * (x + c * x**3) for c in (0.44715, 0.0044715, 0.44175, 0.044175))),
            "The exact form is right. Factor, cube and brackets of your approximation are, too: compare the "
            "number before the cube, digit by digit.",
            "It is 0.044715: one zero behind the point, then 44715.",
        ),
        Mistake(
            "by_sigmoid",
            (_either(bent=_sigmoid), lambda x, approximate=False: _sigmoid(x)),
            "x · σ(1.702 x) is an approximation of GELU, too, but not the one asked for, and it is off by up "
            "to 0.02.",
            "The paper gives both. BERT uses the one with tanh, and its weights have learned to live with "
            "just that.",
        ),
    ),
    hint="Plot both beside x and 0: far left they are 0, far right x. The error function of one number is "
    "math.erf.",
    more="Write one `if approximate:` with the formula by tanh, and the other formula after it, for which "
    "np.vectorize(math.erf) takes arrays. In both, x / 2 stands before 1 + erf or 1 + tanh.",
    example=(np.array([-1.0, 0.0, 1.0, 3.0]), True),
)
