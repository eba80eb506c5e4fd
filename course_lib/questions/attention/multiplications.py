"""Question: what attention costs."""

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.attention._shared import attention


def _cost_calls(rng):
    length, depth = (int(n) for n in rng.integers(3, 500, size=2))
    return [
        (3, 2),
        (3, 2, True),
        (length, depth),
        (length, depth, True),
        Call((1, 64, True), about="a single token"),
        (100_000 + length, 1000 + depth, False),
        (100_000 + length, 1000 + depth, True),
    ]


def _cost(pairs, each):
    """A count with other factors: of length² depth, and of length depth²."""
    return lambda n, d, projections=False: pairs * n * n * d + (each * n * d * d if projections else 0)


QUESTION = Question(
    id="attention.multiplications",
    title="What attention costs",
    points=1,
    minutes=5,
    signature="multiplications(length, depth, projections=False)",
    calls=_cost_calls,
    reference=lambda length, depth, projections=False: attention.multiplications(length, depth, projections),
    rtol=1e-9,
    atol=0.0,
    dtypes=("int",),
    mistakes=(
        Mistake(
            "additions_too",
            _cost(4, 8),
            "Your count is exactly twice too large. Which operations are asked for?",
            "A dot product of depth d takes d multiplications and about d additions. Speeds are often given "
            "in both together; here only the multiplications count.",
        ),
        Mistake(
            "scores_only",
            _cost(1, 4),
            "You count half of the n × n part: the scores. What happens to the weights after the softmax?",
            "There are two products with an n × n matrix in them: one makes it, from queries and keys, the "
            "other uses it. Count the second in the same way.",
        ),
        Mistake(
            "depth_forgotten",
            (
                lambda n, d, projections=False: 2 * n * n + (4 * n * d * d if projections else 0),
                lambda n, d, projections=False: n * n * d + n * n + (4 * n * d * d if projections else 0),
                lambda n, d, projections=False: n * n + (4 * n * d * d if projections else 0),
            ),
            "Your n × n part is too small: you count numbers, and each takes several multiplications.",
            "3 tokens have 9 scores, and each is a dot product of two vectors of `depth` numbers. The "
            "average has 3 · `depth` numbers, and each is a sum over 3 values.",
        ),
        Mistake(
            "softmax_too",
            (
                lambda n, d, projections=False: _cost(2, 4)(n, d, projections) + n * n,
                lambda n, d, projections=False: _cost(2, 4)(n, d, projections) + 2 * n * n,
            ),
            "You count some operations per score besides the two products: they were to be left out.",
            "For 3 tokens of depth 2 the result is 36: twice 9 · 2. The scaling and the softmax, a few "
            "operations for each of the 9 scores, do not count.",
        ),
        Mistake(
            "three_projections",
            _cost(2, 3),
            "Without projections you are right; with them you count one too few. Query, key, value: which "
            "matrix comes after the heads are joined?",
            "A multi-head layer has one projection more than it has inputs to attention: the joined heads "
            "go through it too. It costs what each of the others costs.",
        ),
        Mistake(
            "one_projection",
            _cost(2, 1),
            "Without projections you are right; with them you count a single one. How many matrices does a "
            "multi-head layer have?",
            "Count the letters W in the lesson's section on several heads, the output's among them. Each "
            "takes length · depth² multiplications.",
        ),
        Mistake(
            "length_forgotten",
            lambda n, d, projections=False: 2 * n * n * d + (4 * d * d if projections else 0),
            "Without projections you are right, and with them for a single token. How many vectors go "
            "through each projection?",
            "A projection multiplies an array of shape (length, depth) by a matrix of shape (depth, depth): "
            "an (a, b) matrix times a (b, c) matrix takes a · b · c multiplications.",
        ),
        Mistake(
            "projections_only",
            lambda n, d, projections=False: 4 * n * d * d if projections else 2 * n * n * d,
            "Without projections you are right; with them you count nothing else. They were to be added.",
            "With `projections=True` the result is the count of before and the four projections besides: "
            "for 3 tokens of depth 2 it is 36 and four times 3 · 2 · 2.",
        ),
        Mistake(
            "projections_ignored",
            _cost(2, 0),
            "Without projections you are right; with them your count is the same. What is the third argument "
            "for?",
            "With `projections=True` four more products are added, each of a (length, depth) array and a "
            "(depth, depth) matrix.",
        ),
        Mistake(
            "projections_always",
            lambda n, d, projections=False: _cost(2, 4)(n, d, True),
            "With projections you are right; without them you count them all the same.",
            "multiplications(3, 2) is 36: nothing but scores and average. When are the projections to be "
            "added?",
        ),
        Mistake(
            "exchanged",
            lambda n, d, projections=False: _cost(2, 4)(d, n, projections),
            "Length and depth have changed places in your count: twice the text should make the n × n part "
            "four times as dear.",
            "How many scores are there for 3 tokens of depth 2, and how many multiplications does each one "
            "take? It is 9 scores of 2 each, not 4 of 3.",
        ),
    ),
    hint="An (a, b) matrix times a (b, c) matrix takes a · b · c multiplications. List the products with "
    "their shapes.",
    more="The scores: (length, depth) times (depth, length). The average: (length, length) times (length, "
    "depth). Each projection: (length, depth) times (depth, depth). Multiply the three numbers of each, and "
    "add.",
    example=(2, 5, True),
)
