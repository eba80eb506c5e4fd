"""Question: whether an explanation knows what matters."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _deletion_calls(rng):
    def call(words, noise=1.0, ties=False):
        values = np.round(rng.normal(loc=0.2, scale=1.0, size=words), 2)
        attributions = np.round(values + noise * rng.normal(size=words), 2)
        if ties:
            attributions = np.round(attributions / 2) * 2 + 0.0  # No -0.
        return attributions, values, round(float(rng.uniform(-0.6, -0.2)), 2)

    one = call(1)
    positive = np.round(rng.uniform(0.1, 2.0, size=6), 2)
    return [
        call(5),
        Call(call(10, ties=True), about="equal attributions"),
        Call((positive, *call(6)[1:]), about="attributions that are all positive"),
        call(9, noise=0.2),
        Call(one, about="a single word"),
        Call(call(14, ties=True), about="equal attributions"),
        call(30, noise=3.0),
    ]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _order(attributions):
    return np.argsort(-attributions, kind="stable")


def _removed(values, bias, order):
    """The scores with all words, without the first of an order, without the first two, and so on."""
    left = np.concatenate([[values.sum()], values.sum() - np.cumsum(values[order])])
    return _sigmoid(bias + left)


def _inserted(values, bias, order):
    return _sigmoid(bias + np.concatenate([[0.0], np.cumsum(values[order])]))


def _one_at_a_time(values, bias, order):
    return _sigmoid(bias + values.sum() - np.concatenate([[0.0], values[order]]))


def _trapezoid(scores):
    return np.sum(scores[1:] + scores[:-1]) / 2 / max(len(scores) - 1, 1)


def _area(order=_order, curve=_removed, area=_trapezoid):
    """The area with one of its parts replaced."""
    return lambda attributions, values, bias: area(curve(values, bias, order(attributions)))


def _reference(attributions, values, bias):
    return _area()(attributions, values, bias)


def _ranks(attributions):
    return np.argsort(_order(attributions), kind="stable")


def _last_of_equals(attributions):
    return np.argsort(attributions, kind="stable")[::-1]


def _logits(values, bias, order):
    scores = _removed(values, bias, order)
    return np.log(scores / (1 - scores))


QUESTION = Question(
    id="interpretability.deletion_area",
    title="Whether an explanation knows what matters",
    points=2,
    minutes=15,
    signature="deletion_area(attributions, values, bias)",
    calls=_deletion_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "least_first",
            (
                _area(lambda attributions: np.argsort(attributions, kind="stable")),
                _area(lambda attributions: np.argsort(attributions)),
            ),
            "You remove the least important word first. Which one should go first if the curve is to fall "
            "quickly?",
            "`np.argsort` begins with the smallest number.",
        ),
        Mistake(
            "by_magnitude",
            (
                _area(lambda attributions: np.argsort(-np.abs(attributions), kind="stable")),
                _area(lambda attributions: np.argsort(np.abs(attributions), kind="stable")[::-1]),
            ),
            "Right where all attributions are positive. Where does a word go that speaks against class 1?",
            "A large negative attribution says that the score rises without the word. When is it removed?",
        ),
        Mistake(
            "last_of_equals",
            (
                _area(_last_of_equals),
                _area(lambda attributions: np.lexsort((-np.arange(len(attributions)), -attributions))),
            ),
            "Right but where attributions are equal. Which of them does the task remove first?",
            "An order that is turned round at the end turns round equal numbers as well. Change the sign "
            "before sorting, and ask for a stable sort.",
        ),
        Mistake(
            "in_reading_order",
            (_area(lambda attributions: np.arange(len(attributions))), _area(_ranks)),
            "You do not remove the words in the order of their attributions.",
            "`np.argsort` gives the places in the order in which they are to go. Print it for the example.",
        ),
        Mistake(
            "put_back",
            _area(curve=_one_at_a_time),
            "Each of your scores lacks a single word. Where are those that were removed before?",
            "After three steps three words are gone. At the end there is none left.",
        ),
        Mistake(
            "insertion",
            _area(curve=_inserted),
            "You begin without any word and add them. That is the insertion curve, on which high is good.",
            "The first point of the curve is the score of the whole text.",
        ),
        Mistake(
            "rectangles",
            (
                _area(area=lambda scores: scores[:-1].mean()),
                _area(area=lambda scores: scores[1:].mean()),
                _area(area=np.mean),
                _area(area=lambda scores: scores.sum() / (len(scores) - 1)),
            ),
            "You add up rectangles, or take a mean of scores. Which area do straight lines between the "
            "points enclose?",
            "Between two points the curve runs from one height to the other, so its mean height there is "
            "that of both.",
        ),
        Mistake(
            "width_of_1",
            (
                _area(area=lambda scores: _trapezoid(scores) * (len(scores) - 1)),
                _area(area=lambda scores: _trapezoid(scores) * (len(scores) - 1) / len(scores)),
            ),
            "A longer text gets a larger area with you. How wide is one step?",
            "The whole curve runs from 0 to 1, from no word removed to all of them. With n words there are n "
            "steps.",
        ),
        Mistake(
            "ends_missing",
            (
                _area(area=lambda scores: _trapezoid(scores[:-1])),
                _area(area=lambda scores: _trapezoid(scores[1:])),
                _area(area=lambda scores: _trapezoid(scores[:-1]) * (len(scores) - 2) / (len(scores) - 1)),
                _area(area=lambda scores: _trapezoid(scores[1:]) * (len(scores) - 2) / (len(scores) - 1)),
            ),
            "One end of your curve is missing: the whole text, or the text without any word.",
            "With n words the curve has n + 1 points. Count yours.",
        ),
        Mistake(
            "no_bias",
            of_each(
                lambda curve: _area(curve=curve),
                lambda values, bias, order: _removed(values, 0.0, order),
                lambda values, bias, order: _removed(values, -bias, order),
            ),
            "Your scores are not those of the model. What is its score when all words are gone?",
            "Without words the sum of the values is 0, and the bias remains.",
        ),
        Mistake(
            "no_sigmoid",
            (
                _area(curve=_logits),
                _area(curve=lambda values, bias, order: np.exp(-_logits(values, bias, order))),
            ),
            "Your curve is not one of probabilities: it leaves the range from 0 to 1.",
            "The sum of bias and values is the logit. Which function makes a probability of it?",
        ),
        Mistake(
            "by_values",
            (
                lambda attributions, values, bias: _reference(values, values, bias),
                lambda attributions, values, bias: _reference(attributions, attributions, bias),
            ),
            "You use the same array for the order and for the scores. What does each of the two arguments "
            "stand for?",
            "The attributions are what an explanation claims, the values are what the model really adds up.",
        ),
    ),
    hint="Make the curve first, as a list of n + 1 scores, and print it for the example. Where attributions "
    "are equal: which word goes first with you?",
    more="Order the places by falling attribution, stable (NumPy's usual sort is not). The sum of all "
    "values, less the values removed so far, plus the bias, through a sigmoid: n + 1 scores. The mean of the "
    "middles between neighbours.",
    example=(np.array([0.5, 2.0]), np.array([1.0, 3.0]), 0.0),
)
