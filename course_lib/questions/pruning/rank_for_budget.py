"""Question: the rank that a budget buys."""

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.pruning._shared import pruning


def _rank_calls(rng):
    inputs, outputs = (int(n) for n in rng.integers((40, 100), (90, 200)))
    both, rank = inputs + outputs, int(rng.integers(5, 20))
    small = int(rng.integers(20, 30))
    plenty, more = "a budget that is larger than needed", (2 * small + 15) // 4
    return [
        (384, 384, 384 * 384 // 2),
        (384, 1536, 200_000 + int(rng.integers(100))),
        Call((inputs, outputs, rank * both), "factors that use up the budget"),
        Call((outputs, inputs, rank * both + int(0.8 * both)), "a budget that nearly fits the next rank"),
        Call((inputs, outputs, both), "factors that use up the budget"),
        Call((small, small + 15, 3 * small * (2 * small + 15) + more), plenty),
        Call((small + 15, small, 3 * small * (2 * small + 15) + more), plenty),
        Call((small, small + 15, small * (small + small + 15)), "factors that use up the budget"),
    ]


def _rank(rank, cap=min):
    """A rank from sides and budget, with a cap."""

    def answer(inputs, outputs, parameters):
        return cap(rank(inputs, outputs, parameters), min(inputs, outputs))

    return answer


def _fitting(inputs, outputs, parameters):
    return parameters // (inputs + outputs)


QUESTION = Question(
    id="pruning.rank_for_budget",
    title="The rank that a budget buys",
    points=1,
    minutes=5,
    signature="rank_for_budget(inputs, outputs, parameters)",
    calls=_rank_calls,
    reference=lambda inputs, outputs, parameters: pruning.rank_for_budget(inputs, outputs, parameters),
    dtypes=("int",),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "share_of_the_rank",
            _rank(lambda i, o, parameters: int(parameters / (i * o) * min(i, o))),
            "With half of the kernel's weights as the budget you return half of its greatest rank. Count the "
            "weights of your two factors.",
            "Factors of a square kernel at half of the rank have as many weights as the kernel itself. How "
            "many weights does one unit of rank cost?",
        ),
        Mistake(
            "one_factor",
            (
                _rank(lambda i, o, parameters: parameters // i),
                _rank(lambda i, o, parameters: parameters // o),
                _rank(lambda i, o, parameters: parameters // min(i, o)),
            ),
            "One factor fits into the budget, and then nothing is left for the other. Count both.",
            "The factors have the shapes (inputs, rank) and (rank, outputs). What does raising the rank by "
            "one add to the first, and what to the second?",
        ),
        Mistake(
            "rounded",
            (
                _rank(lambda i, o, parameters: round(parameters / (i + o))),
                _rank(lambda i, o, parameters: -(-parameters // (i + o))),
            ),
            "In some calls your factors have more weights than the budget allows.",
            "The rank must fit, so a fraction counts for nothing, even if it is close to the next whole "
            "number.",
        ),
        Mistake(
            "exact_fit_refused",
            (
                _rank(lambda i, o, parameters: (parameters - 1) // (i + o)),
                _rank(lambda i, o, parameters: max((parameters - 1) // (i + o), 1)),
            ),
            "Where the factors would use up the budget to the last weight, your rank is one too small.",
            "At most so many weights are allowed: equal is allowed too.",
        ),
        Mistake(
            "one_off",
            (
                _rank(lambda i, o, parameters: parameters // (i + o) - 1),
                _rank(lambda i, o, parameters: parameters // (i + o) + 1),
                lambda i, o, parameters: min(parameters // (i + o), i, o) + 1,
                lambda i, o, parameters: min(parameters // (i + o), i, o) - 1,
            ),
            "Your rank is one too small or one too large, for nearly every budget.",
            "Take the text's example: rank 3 of a kernel of 10 by 30 has 120 weights, rank 4 has 160. If you "
            "count up in a loop: which rank do you return, the last that fits or the first that does not?",
        ),
        Mistake(
            "uncapped",
            (
                _fitting,
                lambda i, o, parameters: min(parameters // (i + o), max(i, o)),
                lambda i, o, parameters: min(parameters // (i + o), i),
                lambda i, o, parameters: min(parameters // (i + o), o),
                lambda i, o, parameters: min(parameters // (i + o), i * o),
            ),
            "For a large budget your rank is larger than the kernel has. How many singular values has it?",
            "A kernel of shape (inputs, outputs) has no rank above its lesser side, and more budget does not "
            "change that.",
        ),
        Mistake(
            "cap_too_low",
            (
                _rank(_fitting, cap=lambda rank, side: min(rank, side - 1)),
                lambda i, o, parameters: min(parameters, i * o) // (i + o),
                lambda i, o, parameters: min(parameters // (i + o), min(i, o) // 2),
            ),
            "For a large budget your rank is smaller than it may be.",
            "A kernel of 10 by 30 may get factors of rank 10, its lesser side, if the budget allows that "
            "many weights: even if they are more than the kernel's own.",
        ),
        Mistake(
            "not_whole",
            (
                _rank(lambda i, o, parameters: parameters / (i + o)),
                lambda i, o, parameters: parameters / (i + o),
            ),
            "Your rank has a fraction in most calls. How many columns has a factor of rank 104.2?",
            "The rank is a number of columns, so it must be whole, and both factors must still fit into the "
            "budget. Which division of Python gives that?",
        ),
        Mistake(
            "sides_multiplied",
            (
                _rank(lambda i, o, parameters: parameters // (i * o)),
                _rank(lambda i, o, parameters: max(parameters // (i * o), 1)),
            ),
            "You divide the budget by inputs times outputs. That is the size of the kernel; how large are "
            "the factors?",
            "One unit of rank is one column of the first factor and one row of the second. How many weights "
            "have these two together?",
        ),
        Mistake(
            "weights_returned",
            lambda i, o, parameters: min(parameters // (i + o), i, o) * (i + o),
            "You return how many weights the factors have. The rank is asked for.",
            "The rank is what the two factors share: the columns of the first, the rows of the second.",
        ),
    ),
    hint="Write down the two shapes, and what one unit of rank costs. Then try a budget that fits exactly, "
    "one that lacks a single weight, and one that is far larger than needed.",
    more="Both factors together have rank * (inputs + outputs) weights. Divide, and drop the fraction; the "
    "lesser of the two sides is the limit.",
    example=(6, 14, 75),
)
