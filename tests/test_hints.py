"""Wrong answers by people who had not seen the known mistakes: none passes, and most are named."""

import collections
import pathlib
import sys

import pytest

from course_lib import questions

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _benchmarks_are_importable():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("word", questions.topics())
def test_unseen_wrong_answers_are_never_right_and_mostly_recognised(word):
    import hints

    kinds, asked = collections.Counter(), set()
    for name, said, source in hints.read(word):
        kind, verdict, lines = hints.examine(questions.get(name), source)
        assert kind != "accepted", f"{name}: {said}"
        assert verdict.message
        assert lines or "must be of" in verdict.message, f"{name}: {said}"  # A wrong dtype is said, no more.
        kinds[kind] += 1
        asked.add(name)
    assert asked == {question.id for question in questions.topic(word)}
    assert kinds["named"] >= 0.8 * kinds.total()
