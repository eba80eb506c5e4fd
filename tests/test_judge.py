"""How outputs are compared, and what a learner reads of it."""

import dataclasses
import json
import os

import numpy as np
import pytest

from course_lib.grading import feedback, judge
from course_lib.questions import Mistake, Question


def double(x):
    return 2.0 * x


def question(**changes):
    settings = {
        "id": "attention.double",
        "title": "Twice as much",
        "points": 2,
        "minutes": 5,
        "signature": "double(x)",
        "calls": lambda rng: [(rng.normal(size=(2, 3)),), (rng.normal(size=4),)],
        "reference": double,
        "mistakes": (
            Mistake("square", lambda x: x**2, "You multiplied each number by itself.", "Think of 3: 6 or 9?"),
            Mistake("crash", lambda x: x + "2", "You add a text.", "A text is no number."),
        ),
        "hint": "Add it to itself.",
        **changes,
    }
    return Question(**settings)


def judged(asked, answer):
    expectation = judge.expected(asked, asked.calls(np.random.default_rng(0)))
    return judge.verdict(asked, expectation, judge.outcomes(answer, expectation.calls, asked.returns))


@pytest.mark.parametrize(
    "answer",
    [
        double,
        lambda x: (x + x).astype("float32"),
        lambda x: (2 * x).tolist(),
        lambda x: 2 * x * (1 + 1e-7),
    ],
)
def test_right_answers(answer):
    assert judged(question(), answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x, r"the output\[0(, 0)?\] must be .* Received: .* differ"),
        (lambda x: 2 * x.T, r"must have the shape \(2, 3\). Received: \(3, 2\)"),
        (lambda x: np.where(x == x.max(), np.nan, 2 * x), "Received: nan"),
        (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda x, y: x, "TypeError: .*missing"),
        (lambda x: "2", "number|text"),
        (lambda x: None, "None"),
    ],
)
def test_wrong_answers_say_what_is_wrong(answer, message):
    verdict = judged(question(), answer)
    assert verdict.status == "wrong"
    assert verdict.mistake is None
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(verdict.message)


def test_a_mistake_must_explain_every_call():
    assert judged(question(), lambda x: x * x).mistake.name == "square"
    assert judged(question(), lambda x: x**2 if x.ndim == 2 else 0 * x).mistake is None
    assert judged(question(), lambda x: x**2 if x.ndim == 2 else 2 * x).mistake.name == "square"
    assert judged(question(), lambda x: x + "a").mistake.name == "crash"
    assert judged(question(), lambda x: [][0]).mistake is None


def test_an_answer_cannot_change_the_inputs():
    def spoil(x):
        x *= 2
        return x

    calls = question().calls(np.random.default_rng(0))
    before = [arguments[0].copy() for arguments in calls]
    assert judged(question(), spoil).status == "right"
    judge.outcomes(spoil, calls, ("array",))
    for arguments, kept in zip(calls, before, strict=True):
        np.testing.assert_array_equal(arguments[0], kept)


def test_booleans_texts_and_sequences():
    boolean = question(reference=lambda x: x > 0)
    assert judged(boolean, lambda x: (x > 0).tolist()).status == "right"
    assert "of booleans" in judged(boolean, lambda x: (x > 0).astype(int)).message
    assert judged(boolean, lambda x: 2 * (x > 0)).status == "wrong"
    ragged = question(reference=lambda x: [[1, 2], [3]], returns=("ragged",))
    assert judged(ragged, lambda x: [np.array([1, 2]), (3,)]).status == "right"
    found = judged(ragged, lambda x: [[1], [2, 3]]).message
    assert found == "the output[0] must be [1, 2]. Received: [1]"
    assert "the output[1] must be [3]. Received: [4]" in judged(ragged, lambda x: [[1, 2], [4]]).message
    assert "must hold 2 sequences. Received: 1" in judged(ragged, lambda x: [[1, 2]]).message
    texts = question(reference=lambda x: ["a", "b"], returns=("texts",))
    assert (
        judged(texts, lambda x: ["a", "c"]).message
        == "the output[1] must be 'b'. Received: 'c' (1 of 2 differ)"
    )
    several = question(reference=lambda x: (x, x.sum()), returns=("array", "array"))
    message = judged(several, lambda x: (x, x.sum() + 1)).message
    assert message.startswith("the second of the 2 returned values must be")
    named = dataclasses.replace(several, names=("x", "total"))
    assert judged(named, lambda x: (x, x.sum() + 1)).message.startswith("`total` must be")
    assert judged(several, lambda x: x).status == "wrong"


def test_many_right_answers():
    def positive(arguments, outputs):
        return None if (outputs[0] > 0).all() else "all of it must be positive"

    asked = question(
        reference=lambda x: x**2 + 1,
        judge=positive,
        mistakes=(Mistake("negative", lambda x: -(x**2) - 1, "a", "b", lambda a, o: bool((o[0] < 0).all())),),
    )
    assert judged(asked, lambda x: np.exp(x)).status == "right"
    found = judged(asked, lambda x: -np.exp(x))
    assert (found.message, found.mistake.name) == ("all of it must be positive", "negative")
    assert judged(asked, lambda x: np.where(x > 0, 1, -1)).mistake is None
    assert "shape" in judged(asked, lambda x: 1.0).message


def test_a_reference_that_fails_is_the_questions_fault():
    with pytest.raises(RuntimeError, match=r"reference of attention\.double failed"):
        judge.expected(question(reference=lambda x: 1 / 0), [(np.ones(2),)])


# Feedback


@pytest.fixture
def progress(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return tmp_path / "progress.json"


@pytest.fixture
def asked(monkeypatch, progress):
    made = question()
    monkeypatch.setattr(feedback.questions, "get", lambda name: made)
    feedback.expected.cache_clear()
    yield made
    feedback.expected.cache_clear()


def test_check_says_what_is_wrong_and_hints_twice(asked, progress, capsys):
    def square(x):
        return x**2

    assert feedback.check(asked.id, square) is False
    first = capsys.readouterr().out
    assert "✗ Twice as much: not right yet" in first
    assert "float64 array of shape (2, 3)" in first
    assert "must be" in first
    assert "by itself" in first
    assert "6 or 9" not in first
    assert f'double(*calls("{asked.id}")[0])' in first
    feedback.check(asked.id, square)  # The same answer again is no second try.
    assert capsys.readouterr().out == first
    for answer in (lambda x: x * x, lambda x: np.square(x)):
        feedback.check(asked.id, answer)
        assert "6 or 9" in capsys.readouterr().out
    assert feedback.check(asked.id, double) is True
    assert capsys.readouterr().out == "✓ Twice as much: right, 2 points\n"
    kept = json.loads(progress.read_text())[asked.id]
    assert (kept["right"], kept["tries"], kept["mistake"]) == (True, 4, None)
    feedback.check(asked.id, square)
    assert json.loads(progress.read_text())[asked.id]["right"] is True


def test_a_stub_is_not_a_mistake(asked, progress, capsys):
    def stub(x):
        raise NotImplementedError("Return twice x.")

    assert feedback.check(asked.id, stub) is False
    assert "not attempted yet" in (shown := capsys.readouterr().out)
    assert "Return twice x." in shown
    assert not progress.exists()
    feedback.check(asked.id, 3)
    assert "must be a function. Received: int" in capsys.readouterr().out


def test_a_stub_that_an_answer_calls_is_named(asked, capsys):
    def softmax(x):
        raise NotImplementedError("Return weights.")

    def double(x):
        return softmax(x)

    feedback.check(asked.id, double)
    shown = capsys.readouterr().out
    assert "not attempted yet" in shown
    assert "softmax, which double calls, is not written yet. Return weights." in shown


def test_what_the_failing_call_printed_is_shown_and_an_unknown_mistake_gets_the_first_hint(asked, capsys):
    def triple(x):
        print("shape", x.shape)
        return 3 * x

    feedback.check(asked.id, triple)
    shown = capsys.readouterr().out
    assert "printed shape (2, 3)\n" in shown
    assert "clue    Each number is the right one times 1.5." in shown
    assert "hint    Add it to itself." in shown
    np.testing.assert_array_equal(feedback.calls(asked.id)[0][0].shape, (2, 3))


def test_an_exception_shows_the_learners_own_lines(asked, capsys):
    def helper(x):
        return np.linalg.inv(x)  # raises inside NumPy

    feedback.check(asked.id, lambda x: helper(x))
    shown = capsys.readouterr().out
    assert "LinAlgError" in shown
    assert "return np.linalg.inv(x)" in shown
    assert "site-packages" not in shown
    assert "raise LinAlgError" not in shown
    assert "feedback.py" not in shown
    assert "judge.py" not in shown


def test_under_nbgrader_a_wrong_answer_raises(asked, monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert feedback.check(asked.id, double)
    with pytest.raises(AssertionError, match="not right yet"):
        feedback.check(asked.id, np.sign)


def test_html_is_escaped(asked):
    shown = feedback.examine(asked, lambda x: {}["<script>alert(1)</script>"])._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_broken_record_is_kept_and_named(asked, progress, capsys):
    progress.write_text('{"a": 1}')
    assert feedback.check(asked.id, double) is True
    assert "is not a record of progress. Move it away" in capsys.readouterr().out
    assert progress.read_text() == '{"a": 1}'


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_stops_no_check(asked, progress, capsys):
    progress.parent.chmod(0o500)
    assert feedback.check(asked.id, double) is True
    assert "Progress could not be kept" in capsys.readouterr().out
