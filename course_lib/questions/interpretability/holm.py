"""Question: many tests at once."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _test_calls(rng):
    def values(*exponents):
        """p-values of about these powers of ten."""
        return np.round(10.0 ** -np.array(exponents) * rng.uniform(1.0, 1.3, size=len(exponents)), 7)

    shuffled = rng.permutation
    close = np.round(0.01 + 0.0012 * rng.permutation(6) + rng.uniform(0, 1e-4, size=6), 6)
    tied = shuffled(np.array([0.012, 0.012, 0.03, 0.2, 0.03, 0.004]))
    return [
        (values(1.8, 3.0, 1.2, 2.4),),
        Call((close,), about="p-values that are close together"),
        Call((shuffled(np.array([0.6, 0.3, 0.9, 0.02, 0.45])),), about="p-values that are large"),
        Call((tied,), about="equal p-values"),
        Call((values(1.5),), about="a single test"),
        (shuffled(np.round(rng.uniform(0.0005, 0.2, size=12) ** 1.5, 6)),),
        Call((np.sort(close),), about="p-values in order already"),
    ]


def _holm(factor=lambda rank, m: m - rank, monotone=np.maximum.accumulate, limit=1.0, back=True):
    """Adjusted p-values with one of their parts replaced.

    Args:
        factor: Of a p-value, from its rank, 0 for the least, and the number of tests.
        monotone: Of the products in order.
        limit: Of an adjusted value.
        back: Whether the values return to their places.
    """

    def answer(p_values):
        order, m = np.argsort(p_values, kind="stable"), len(p_values)
        adjusted = np.minimum(monotone(p_values[order] * factor(np.arange(m), m)), limit)
        if not back:
            return adjusted
        found = np.empty(m)
        found[order] = adjusted
        return found

    return answer


def _reference(p_values):
    return _holm()(p_values)


def _from_the_largest(products):
    return np.minimum.accumulate(products[::-1])[::-1]


def _sidak(p_values):
    order, m = np.argsort(p_values, kind="stable"), len(p_values)
    found = np.empty(m)
    found[order] = np.maximum.accumulate(1 - (1 - p_values[order]) ** np.arange(m, 0, -1))
    return found


def _by_order(p_values):
    """Takes what argsort gives for the ranks."""
    return np.minimum(p_values * (len(p_values) - np.argsort(p_values, kind="stable")), 1.0)


def _sorted_by_order(p_values):
    """Puts the values back with the order itself instead of its inverse."""
    order = np.argsort(p_values, kind="stable")
    return _holm(back=False)(p_values)[order]


def _maximum_in_given_order(p_values):
    products = _holm(monotone=lambda products: products, limit=np.inf)(p_values)
    return np.minimum(np.maximum.accumulate(products), 1.0)


def _in_given_order(p_values):
    m = len(p_values)
    return np.minimum(np.maximum.accumulate(p_values * (m - np.arange(m))), 1.0)


QUESTION = Question(
    id="interpretability.holm",
    title="Many tests at once",
    points=2,
    minutes=15,
    signature="holm(p_values)",
    calls=_test_calls,
    reference=_reference,
    atol=1e-9,
    mistakes=(
        Mistake(
            "bonferroni",
            (
                lambda p_values: np.minimum(p_values * len(p_values), 1.0),
                lambda p_values: p_values * len(p_values),
            ),
            "You multiply every p-value by the number of tests. That is Bonferroni's correction; Holm's is "
            "kinder to all but the least.",
            "Once the least p-value has been dealt with, how many tests are left?",
        ),
        Mistake(
            "sidak",
            _sidak,
            "You compute with powers of 1 - p. That is Šidák's form of the correction, which is nearly the "
            "same where p is small.",
            "Holm's own form multiplies each p-value by a whole number.",
        ),
        Mistake(
            "not_monotone",
            _holm(monotone=lambda products: products),
            "A larger p-value ends up below a smaller one with you. Could a weaker result be rejected where "
            "a stronger one is not?",
            "Go through the products from the least p-value up. What must be done with one that is smaller "
            "than the one before?",
        ),
        Mistake(
            "monotone_from_above",
            _holm(monotone=_from_the_largest),
            "You go from the largest p-value down and take minima. That is Hochberg's procedure, which needs "
            "more assumptions.",
            "Holm stops at the first test that it cannot reject. In which direction do you go then?",
        ),
        Mistake(
            "false_discovery_rate",
            (
                _holm(lambda rank, m: m / (rank + 1), _from_the_largest),
                _holm(lambda rank, m: m / (rank + 1), lambda products: products),
                _holm(lambda rank, m: m / (rank + 1)),
            ),
            "You divide by the rank. That is Benjamini and Hochberg's procedure, which allows some false "
            "finds among many.",
            "Holm multiplies each p-value by the number of tests that are still open.",
        ),
        Mistake(
            "not_limited",
            _holm(limit=np.inf),
            "Right but where the values are above 1. Can a p-value be?",
            "A p-value is a probability.",
        ),
        Mistake(
            "one_off",
            (
                _holm(lambda rank, m: m - rank - 1),
                _holm(lambda rank, m: m - rank + 1),
                _holm(lambda rank, m: np.maximum(m - rank - 1, 1)),
            ),
            "Your factors are one too small or one too large. With a single test, which factor is right?",
            "The least of m p-values gets the factor m, the largest the factor 1. Count your ranks from 0 or "
            "from 1?",
        ),
        Mistake(
            "factors_reversed",
            (
                _holm(lambda rank, m: rank + 1),
                _holm(lambda rank, m: rank + 1, lambda products: products),
            ),
            "The least p-value gets the smallest factor with you. Which one has to compete with all tests?",
            "Among many tests the smallest p-value is the one that chance made small most easily.",
        ),
        Mistake(
            "sorted_returned",
            _holm(back=False),
            "Your values are right, but they stand in order of size. Which test does each belong to?",
            "The caller wants the value of test 3 at place 3. Keep the order by which you sorted, to put "
            "them back.",
        ),
        Mistake(
            "order_as_ranks",
            (_by_order, _sorted_by_order),
            "`np.argsort` tells which test is the least, the second, and so on. You use it as if it told the "
            "rank of each test.",
            "Assign to the places: `result[order] = sorted_values`. Reading at `order` is something else.",
        ),
        Mistake(
            "not_sorted",
            of_each(
                lambda answer: answer,
                _in_given_order,
                lambda p_values: np.minimum(p_values * (len(p_values) - np.arange(len(p_values))), 1.0),
            ),
            "Right for p-values that are in order already. Does the factor depend on the place in the list?",
            "It is the rank by size that counts, not which test came first.",
        ),
        Mistake(
            "maximum_in_given_order",
            _maximum_in_given_order,
            "Your factors are right. The maximum runs through the values as they were given; in which order "
            "must it run?",
            "Take the running maximum while the products are still sorted, and put them back after that.",
        ),
        Mistake(
            "decisions",
            of_each(
                lambda alpha: lambda p_values: _reference(p_values) <= alpha,
                0.05,
                0.01,
            ),
            "You return decisions. Asked for are the adjusted p-values themselves.",
            "Whoever reads them may choose a level of their own. What did you compare at the end?",
        ),
    ),
    hint="Sort the example by hand. With how many tests does each p-value have to compete?",
    more="In order of size: times m, times m - 1, and so on, to times 1. A running maximum, a limit of 1, "
    "and back to the places where they came from.",
    example=(np.array([0.04, 0.03, 0.005]),),
)
