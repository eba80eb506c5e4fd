"""What holds for every question, whatever it asks."""

import ast
import dataclasses
import inspect
import warnings

import numpy as np
import pytest

from course_lib import questions
from course_lib.grading import judge, kept

QUESTIONS = [question for word in questions.topics() for question in questions.topic(word)]
SEEDS = (0, 1, 2)


def expectation(question, seed):
    return judge.expected(question, question.calls(np.random.default_rng(seed)))


def outputs(question, function, calls):
    with np.errstate(all="ignore"):
        return judge.outcomes(function, calls, question.returns)


@pytest.fixture(scope="module", params=QUESTIONS, ids=lambda question: question.id)
def question(request):
    return request.param


def test_lessons_have_questions():
    assert {"attention", "fine_tuning", "imdb"} <= set(questions.topics())
    for word in questions.topics():
        assert len(questions.topic(word)) >= 6
    ids = [question.id for question in QUESTIONS]
    assert len(ids) == len(set(ids))


def test_a_question_is_complete(question):
    assert question.id.partition(".")[0] in questions.topics()
    assert questions.get(question.id) is question
    assert question.points >= 1
    assert 3 <= question.minutes <= 40
    assert 3 <= len(question.mistakes) <= 16
    assert question.hint.strip()
    definition = ast.parse(f"def {question.signature}: pass").body[0]
    asked = [argument.arg for argument in definition.args.args]
    assert asked == list(inspect.signature(question.reference).parameters)[: len(asked)]


def test_mistakes_have_hints_of_their_own(question):
    texts = [text for mistake in question.mistakes for text in (mistake.hint, mistake.more)]
    assert all(len(text.split()) >= 5 for text in texts)
    assert len(texts) == len(set(texts))
    assert len({mistake.name for mistake in question.mistakes}) == len(question.mistakes)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_is_right(question, seed):
    expected = expectation(question, seed)
    assert 2 <= len(expected.calls) <= 20
    assert judge.verdict(question, expected, expected.outputs).status == "right"


@pytest.mark.parametrize("seed", SEEDS)
def test_each_mistake_fails_with_its_own_hint(question, seed):
    expected = expectation(question, seed)
    for mistake in question.mistakes:
        for number, answer in enumerate(mistake.answers):
            found = judge.verdict(question, expected, outputs(question, answer, expected.calls))
            assert found.status == "wrong", (mistake.name, number)
            assert found.mistakes == (mistake,), (mistake.name, number, found)
            assert found.message


def test_what_is_kept_is_what_comes_out(question):
    known = kept._load(question, kept.draw(question))
    assert known is not None, "run `make exercises`"
    made = expectation(question, kept.SEED)
    assert judge.verdict(question, made, known.outputs).status == "right", "run `make exercises`"
    if not kept.made_here(question.id.partition(".")[0]):
        return  # Unstable sorts, for one, give other orders on other processors.
    pairs = [
        (a, b)
        for (_, first), (_, second) in zip(known.mistakes, made.mistakes, strict=True)
        for a, b in zip(first, second, strict=True)
    ]
    assert [a.shows for a, _ in pairs] == [b.shows for _, b in pairs]
    for a, b in ((a, b) for one, other in pairs for a, b in zip(one.outputs, other.outputs, strict=True)):
        assert type(a) is type(b)
        if isinstance(a, judge.Raised):
            assert a.kind == b.kind, "run `make exercises`"
        else:
            assert len(a) == len(b)
            assert all(map(kept._alike, a, b)), "run `make exercises`"


def test_the_last_digits_of_inputs_do_not_count():
    matrix = np.random.default_rng(0).normal(size=(30, 30))
    other = np.nextafter(matrix, 0)
    assert kept._digest((matrix, 3)) == kept._digest((other, 3))
    assert kept._digest((matrix, 3)) != kept._digest((matrix + 1e-3, 3))
    assert kept._digest((matrix, 3)) != kept._digest((matrix, 4))
    holes = np.array([np.nan, np.inf, -np.inf, 0.0])
    assert len({kept._digest((np.roll(holes, i),)) for i in range(4)}) == 4


def test_a_damaged_or_old_file_is_made_anew(monkeypatch, tmp_path):
    asked = questions.get("imdb.cohen_kappa")
    monkeypatch.setattr(kept, "FOLDER", tmp_path)
    (tmp_path / "imdb.npz.xz").write_bytes(b"not compressed")
    assert kept._load(asked, kept.draw(asked)) is None
    assert kept.write("imdb", tmp_path) == tmp_path / "imdb.npz.xz"
    assert kept.write("imdb", tmp_path) is None
    assert kept._load(asked, kept.draw(asked)) is not None
    fewer = dataclasses.replace(asked, mistakes=asked.mistakes[1:])
    assert kept._load(fewer, kept.draw(asked)) is None
    assert kept._load(asked, asked.calls(np.random.default_rng(1))) is None
    assert len(kept.expected(fewer).mistakes) == len(asked.mistakes) - 1


def smallest_by_svd(kernel, rank):
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:, -rank:], values[-rank:, None] * right[-rank:]


def smallest_values_with_leading_vectors(kernel, rank):
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:, :rank] * np.sqrt(values[-rank:]), np.sqrt(values[-rank:, None]) * right[:rank]


def smallest_by_eigh(kernel, rank):
    _, vectors = np.linalg.eigh(kernel.T @ kernel)
    return kernel @ vectors[:, :rank], vectors[:, :rank].T


@pytest.mark.parametrize("answer", [smallest_by_svd, smallest_values_with_leading_vectors, smallest_by_eigh])
def test_smallest_singular_values_are_recognised_however_they_are_taken(answer):
    asked = questions.get("pruning.low_rank")
    expected = expectation(asked, 0)
    found = judge.verdict(asked, expected, outputs(asked, answer, expected.calls))
    assert (found.status, found.mistake.name) == ("wrong", "least_values")


def test_no_mistake_warns_in_the_learners_notebook(question):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        made = expectation(question, 0)
    outcomes = [
        outcome for _, variants in made.mistakes for variant in variants for outcome in variant.outputs
    ]
    assert not any(
        isinstance(outcome, judge.Raised) and outcome.kind == "RuntimeWarning" for outcome in outcomes
    )


def test_inputs_come_from_the_seed(question):
    def text(seed):
        with np.printoptions(threshold=10**7, precision=17):
            return repr(question.calls(np.random.default_rng(seed)))

    assert text(3) == text(3)
    assert text(3) != text(4)


def test_an_answer_of_another_form_is_wrong(question):
    expected = expectation(question, 0)
    for answer in (lambda *_: None, lambda *_: object(), lambda *_: "x", lambda *_: np.zeros((1, 2, 3))):
        found = judge.verdict(question, expected, outputs(question, answer, expected.calls))
        assert found.status == "wrong"
        assert found.message


def test_an_unknown_question_is_named():
    with pytest.raises(ValueError, match=r"no question 'attention\.nonsense'"):
        questions.get("attention.nonsense")
    with pytest.raises(ValueError, match=r"No lesson 'nonsense' has questions"):
        questions.get("nonsense.softmax")
