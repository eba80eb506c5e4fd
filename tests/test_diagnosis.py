"""What is said of a wrong answer that is no known mistake: true sentences, and none that could be false."""

import dataclasses

import numpy as np
import pytest

from course_lib.grading import diagnosis, exceptions, feedback, judge
from course_lib.grading.judge import Raised
from course_lib.questions import Call, Mistake, Question

RNG = np.random.default_rng(0)
SQUARE, ROW = RNG.normal(size=(4, 4)), RNG.normal(size=6)
OBLONG = RNG.normal(size=(3, 5))


def asked(reference, inputs, returns=("array",), **changes):
    settings = {
        "id": "attention.made_up",
        "title": "Made up",
        "points": 1,
        "minutes": 5,
        "signature": "made_up(x)",
        "calls": lambda rng: inputs,
        "reference": reference,
        "mistakes": (),
        "hint": "Think.",
        "returns": returns,
        **changes,
    }
    return Question(**settings)


def found(reference, answer, inputs, returns=("array",), **changes):
    question = asked(reference, [i if isinstance(i, tuple) else (i,) for i in inputs], returns, **changes)
    expectation = judge.expected(question, question.calls(None))
    outputs = judge.outcomes(answer, expectation.calls, returns)
    verdict = judge.verdict(question, expectation, outputs)
    assert verdict.status == "wrong"
    return diagnosis.findings(question, expectation, outputs, verdict.wrong)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def same(x):
    return x


ARRAYS = [
    # (the right function, the answer, inputs, the sentence)
    (lambda x: x**3 - 1, same, [ROW, OBLONG], "It is `x`, as it came in."),
    (same, lambda x: x.T, [SQUARE], "Rows and columns are exchanged."),
    (same, lambda x: x.T, [OBLONG], "The numbers are right, but axes -2 and -1 are exchanged."),
    (same, lambda x: x[::-1], [ROW], "The order is reversed."),
    (same, lambda x: x[:, ::-1], [OBLONG], "The order is reversed along axis -1."),
    (same, lambda x: np.roll(x, 1), [ROW], "All is shifted by one place, to higher indices."),
    (same, lambda x: np.append(x[1:], 0), [ROW], "All is shifted by one place, to lower indices."),
    (same, lambda x: np.sort(x), [ROW], "The right values, but at other places."),
    (same, lambda x: -x, [ROW], "The sign is wrong everywhere."),
    (softmax, lambda x: 1 - softmax(x), [ROW, OBLONG], "Each number is 1 minus the right one."),
    (same, lambda x: x / 2, [ROW, OBLONG], "Each number is the right one times 1/2."),
    (same, lambda x: 100 * x, [ROW], "Each number is the right one times 100, as for per cent."),
    (
        same,
        lambda x: x / np.log(2),
        [ROW],
        "Each number is the right one times 1/ln 2, as between nats and bits.",
    ),
    (same, lambda x: x * len(x) ** 0.5, [ROW, RNG.normal(size=7)], "√ of the length of axis -1 of `x`."),
    (same, lambda x: 1.37 * x, [ROW, OBLONG], "Each number is the right one times 1.37."),
    (same, lambda x: x * len(x) ** 0.2, [ROW, OBLONG], "a constant, which differs from call to call."),
    (same, lambda x: x + 1, [ROW, OBLONG], "Each number is 1 too large."),
    (lambda x: x.size, lambda x: x.size - 1, [ROW, OBLONG], "Each number is 1 too small."),
    (same, np.round, [ROW], "The numbers are rounded to a whole number."),
    (lambda x: x + 3, lambda x: np.floor(x + 3), [ROW], "The numbers are rounded down."),
    (lambda x: x**2, lambda x: x**4, [ROW], "Each number is the square of the right one."),
    (softmax, lambda x: np.log(softmax(x)), [ROW], "Each number is the natural logarithm of the right one."),
    (same, np.cumsum, [ROW], "Each number is the sum of the right ones up to its place."),
    (same, lambda x: x[None], [ROW], "The numbers are right, but there is an axis of length 1 too many."),
    (same, lambda x: x.ravel(), [OBLONG], "The right numbers in the right order, but in another shape."),
    (same, lambda x: x.mean(), [OBLONG], "It is the mean of all the numbers that are asked for."),
    (same, lambda x: x.sum(axis=0), [OBLONG], "It is the sum over axis -2 of what is asked for."),
    (lambda x: x.mean(axis=-1), same, [OBLONG], "The mean over its axis -1 would be right."),
    (same, lambda x: x[:-1], [ROW], "Along axis -1, 1 at the end is missing."),
    (same, lambda x: np.append(x, 0), [ROW], "Along axis -1, 1 at the end is too many."),
    (same, lambda x: x[0], [OBLONG], "Only the first row of what is asked for is there."),
    (
        same,
        lambda x: np.broadcast_to(x[:1], x.shape),
        [OBLONG],
        "What is right for the first place along axis -2 stands at all of them.",
    ),
    (lambda x: x > 0, lambda x: x <= 0, [ROW], "True and False are exchanged."),
    (lambda x: x > 0, lambda x: np.ones_like(x, bool), [ROW], "Everything is True."),
    (lambda x: x > 0, lambda x: x > 0.5, [ROW], "What is True is right, but some are missing."),
    (lambda x: x > 0.5, lambda x: x > 0, [ROW], "All that must be True is, but there is more."),
    (
        softmax,
        lambda x: softmax(x.T).T,
        [OBLONG],
        "Your numbers sum to 1 along axis -2; they must along axis -1.",
    ),
    (
        same,
        lambda x: np.where(np.arange(6) == 2, np.nan, x),
        [ROW],
        "There is NaN where a number must be; all other places are right.",
    ),
    (same, lambda x: np.append(x[:-1], 9), [ROW], "Only the last place is wrong."),
    (same, lambda x: x * (1 - np.eye(4)), [SQUARE], "Only the diagonal is wrong."),
    (same, lambda x: np.maximum(x, 0), [ROW], "Only numbers that must be negative are wrong."),
]


@pytest.mark.parametrize(("reference", "answer", "inputs", "sentence"), ARRAYS)
def test_what_outputs_have_in_common(reference, answer, inputs, sentence):
    assert any(text.endswith(sentence) for text in found(reference, answer, inputs)), sentence


OTHERS = [
    (lambda x: x.upper(), same, ["Ab"], ("text",), "Lower case and capitals differ."),
    (lambda x: x.strip(), same, [" a "], ("text",), "Only white space at the ends differs."),
    (lambda x: list(x), lambda x: list(x)[::-1], ["abc"], ("texts",), "The values are in reverse order."),
    (lambda x: list(x), lambda x: list(x)[:-1], ["abc"], ("texts",), "1 at the end is missing."),
    (same, lambda x: [r[::-1] for r in x], [[[1, 2], [3, 4]]], ("ragged",), "another order."),
    (
        same,
        lambda x: [r[:-1] for r in x],
        [[[1, 2], [3, 4]]],
        ("ragged",),
        "Each sequence lacks its last number.",
    ),
    (
        same,
        lambda x: [[1], [2, 3, 4]],
        [[[1, 2], [3, 4]]],
        ("ragged",),
        "the borders between sequences are elsewhere.",
    ),
]


@pytest.mark.parametrize(("reference", "answer", "inputs", "returns", "sentence"), OTHERS)
def test_what_texts_and_sequences_have_in_common(reference, answer, inputs, returns, sentence):
    assert any(text.endswith(sentence) for text in found(reference, answer, inputs, returns)), sentence


def test_one_of_several_outputs_and_exchanged_ones():
    two = ("array", "array")
    said = found(lambda x: (x, x + 1), lambda x: (x, x), [ROW], two, names=("value", "next"))
    assert said[:2] == [
        "Of the returned values `value` is right, `next` is not.",
        "Of `next`: each number is 1 too small.",
    ]
    said = found(lambda x: (x, x + 1), lambda x: (x + 1, x), [ROW], two)
    assert said[0].endswith("have changed places.")


def test_a_sentence_holds_for_every_wrong_call_or_is_not_said():
    said = found(same, lambda x: 2 * x if len(x) == 6 else 3 * x, [ROW, OBLONG])
    assert said == ["Each number is the right one times a constant, which differs from call to call."]
    said = found(same, lambda x: 2 * x if len(x) == 6 else x + 1, [ROW, OBLONG])
    assert said == []


@pytest.mark.parametrize(
    ("inputs", "wrong", "sentence"),
    [
        ([Call((ROW,), about="ties"), (OBLONG,), (SQUARE,)], [0], "all calls but those with ties."),
        ([(ROW,), (OBLONG,), (None,)], [2], "all calls but those with `x` None."),
        ([(np.zeros(0),), (OBLONG,), (ROW,)], [0], "all calls but those with an empty `x`."),
        ([(ROW,), (SQUARE,), (RNG.normal(size=(2, 2, 2)),)], [0], "all calls but those with `x` of 1 axis."),
        ([(OBLONG,), (SQUARE,), (RNG.normal(size=(2, 5)),)], [0], "It is right in 2 of 3 calls."),
    ],
)
def test_what_wrong_calls_have_in_common(inputs, wrong, sentence):
    (said,) = diagnosis._of_calls(asked(same, inputs), inputs, wrong)
    assert said.endswith(sentence)


def trace(function):
    """A `Raised` of what a function really raises here, with this NumPy and this Python."""
    (outcome,) = judge.outcomes(function, [()], ("array",))
    assert isinstance(outcome, Raised)
    return outcome


EXCEPTIONS = [
    (lambda: np.ones((2, 3)) / np.ones(2), "keepdims=True"),
    (lambda: np.ones((2, 3)) + np.ones((4, 3)), "4 stands over|2 stands over"),
    (lambda: np.ones(3).sum(axis=1), "Count them from the end"),
    (lambda: np.ones(3)[:, 0], "You index more axes"),
    (lambda: 1 if np.ones(3) else 2, "write `is None`"),
    (lambda: [1, 2][2], "last turn of the loop"),
    (lambda: np.ones(3)[3], "last turn of the loop"),
    (lambda: __import__("math").exp(np.ones(3)), "NumPy has its own for arrays"),
    (lambda: np.ones((2, 3)) @ np.ones((2, 3)), "last axis of the first"),
    (lambda: np.ones(3) & 0.8, "parentheses"),
    (lambda: ~np.ones(3), "inverts booleans"),
    (lambda: np.ones(6).reshape(4, 2), "keeps the count"),
    (lambda: np.ones(3)[np.array([True, False])], "length of the axis"),
    (lambda: [1].shape, "np.asarray"),
    (lambda: np.ones(3).__setitem__(np.array([True, False, True]), np.ones(3)), "with the same mask"),
    (lambda: np.ones((3, 2)).__setitem__((slice(None), 0), np.ones(2)), "that part's shape"),
    (lambda: np.ones(3).transpose(0, 2, 1), "count from the end"),
    (lambda: np.add(np.ones(2, int), 0.5, out=np.ones(2, int)), "array of integers in place"),
    (lambda: np.zeros(0).max(), "one of the inputs is empty"),
    (lambda: max([]), "one of the inputs is empty"),
    (lambda: 1 / 0, "divided by 0"),
    (lambda: np.concatenate([]), "nothing to put together"),
    (lambda: np.array([[1], [1, 2]]), "different lengths"),
    (lambda: __import__("math").log(0), "what has none"),
    (lambda: (lambda a: a)(), "do not fit"),
    (lambda: None + 1, "None here"),
    (lambda: {[1]: 2}, "keys of a dict"),
    (lambda: "a" + 1, "types of both"),
    (lambda: [1, 2][len([1]) / 2], "`//` an integer"),
    (lambda: [].pop(), "empty by then"),
    (lambda: undefined, "not defined where answers are judged"),  # noqa: F821
    (lambda: (lambda a, b: a)(*[1, 2, 3]), "do not fit"),
]


@pytest.mark.parametrize(("function", "words"), EXCEPTIONS)
def test_what_an_exception_points_to(function, words):
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(exceptions.explain(trace(function)))


def test_an_unknown_exception_is_not_explained():
    assert exceptions.explain(Raised("OddError", "something odd")) == ""


# Two mistakes, guards, and steps


def negative(x):
    return np.where(x.ndim == 2, -x, x)


def shifted(x):
    return x + (x.dtype == "float32")


MISTAKES = (
    Mistake("negative", negative, "The sign.", "More of the sign."),
    Mistake(
        "shifted", (shifted, lambda x: x + 2 * (x.dtype == "float32")), "The place.", "More of the place."
    ),
)
INPUTS = [ROW, OBLONG, ROW.astype("float32"), OBLONG.astype("float32")]


def judged(answer):
    question = asked(
        same, [(x,) for x in INPUTS], mistakes=MISTAKES, example=(np.array([1.0]),), more="Think more."
    )
    expectation = judge.expected(question, question.calls(None))
    return question, expectation, judge.outcomes(answer, expectation.calls, ("array",))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (negative, ["negative"]),
        (lambda x: x + 2 * (x.dtype == "float32"), ["shifted"]),
        (lambda x: negative(shifted(x)), ["negative", "shifted"]),
        (lambda x: negative(x) if x.dtype == "float64" else x, ["negative"]),  # A guard.
        (lambda x: 3 * x, []),
        (lambda x: x + 1, []),
    ],
)
def test_mistakes_variants_guards_and_two_at_once(answer, names):
    question, expectation, outputs = judged(answer)
    assert [mistake.name for mistake in judge.verdict(question, expectation, outputs).mistakes] == names


def test_there_is_always_a_next_step():
    question, expectation, outputs = judged(lambda x: 3 * x)
    verdict = judge.verdict(question, expectation, outputs)
    told = [feedback.hints(question, expectation, outputs, verdict, step) for step in range(3)]
    assert ("hint", "Think.") in told[0]
    assert ("hint", "Think more.") in told[1]
    word, text = told[2][-1]
    assert word == "example"
    assert text.startswith("made_up(x=np.array([-0.544259,")  # The shortest call that went wrong.
    assert "\nis np.array([-0.544259," in text
    question = dataclasses.replace(question, calls=lambda rng: [(np.ones(200),)])
    expectation = judge.expected(question, question.calls(None))
    outputs = judge.outcomes(lambda x: 3 * x, expectation.calls, ("array",))
    verdict = judge.verdict(question, expectation, outputs)
    (*_, last) = feedback.hints(question, expectation, outputs, verdict, 2)
    assert last == ("example", "made_up(x=np.array([1]))\nis np.array([1])")  # Its own.
    question, expectation, outputs = judged(lambda x: x[99])
    verdict = judge.verdict(question, expectation, outputs)
    words = [word for word, _ in feedback.hints(question, expectation, outputs, verdict, 2)]
    assert words == ["clue", "hint", "example"]
