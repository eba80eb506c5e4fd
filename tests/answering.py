"""What the grader says of answers that tests write themselves."""

import numpy as np
import pytest

from course_lib import questions
from course_lib.grading import judge


def verdict(question_id, answer, seed):
    """The grader's verdict on a function as the answer to a question, with calls drawn from a seed."""
    asked = questions.get(question_id)
    expected = judge.expected(asked, asked.calls(np.random.default_rng(seed)))
    with np.errstate(all="ignore"):
        return judge.verdict(asked, expected, judge.outcomes(answer, expected.calls, asked.returns))


def by_question(answers):
    """Parametrises a test by `question_id` and `answer`, from a dict of an id to answers."""
    pairs = [(name, answer) for name, several in answers.items() for answer in several]
    return pytest.mark.parametrize(
        ("question_id", "answer"), pairs, ids=[f"{name}-{answer.__name__}" for name, answer in pairs]
    )
