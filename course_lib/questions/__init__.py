"""What the exercises ask: one module per lesson, with its questions as data.

A question names the signature that is asked for, makes inputs from a seed, knows the right answer (a function
of `course_lib`) and the usual mistakes, each with hints of its own. The engine in `course_lib.grading` does
the rest.
"""

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Callable

# The place is the number.
LESSONS = (
    "welcome",
    "attention",
    "imdb",
    "transformer",
    "pretraining",
    "fine_tuning",
    "pruning",
    "quantization",
    "deployment",
    "scaling",
    "interpretability",
    "privacy",
    "frameworks",
    "capstone",
)


class Call(tuple):
    """The arguments of a call and what is special about it.

    Args:
        arguments: Tuple of the arguments.
        about: A few words that complete "wrong only in calls with ...", such as `"equal scores"`.
    """

    def __new__(cls, arguments, about=""):  # noqa: D102 (of the class)
        self = super().__new__(cls, arguments)
        self.about = about
        return self


@dataclasses.dataclass(frozen=True)
class Mistake:
    """A wrong implementation that people write.

    Attributes:
        name: In snake case, such as `"softmax_over_queries"`.
        answer: The wrong function, with the question's signature, or a tuple of several ways to write it.
            Plain NumPy: where it runs, NumPy's warnings are off.
        hint: What is seen and what to think about, without the answer.
        more: The fuller hint at the second try with the same mistake.
        recognise: For questions with a `judge` only: a function of one call's arguments and packed outputs
            (lists of arrays, as `worker.pack` makes them) that tells whether the mistake was made; the
            arrays may have any shape. Else the outputs are compared with those of each `answer`.
    """

    name: str
    answer: Callable | tuple[Callable, ...]
    hint: str
    more: str
    recognise: Callable | None = None

    @property
    def answers(self):
        """All ways to write it, as a tuple."""
        return self.answer if isinstance(self.answer, tuple) else (self.answer,)


def of_each(make, *parts):
    """Several ways to write a mistake: one that `make` makes of each part."""
    return tuple(make(part) for part in parts)


def with_each(function, *settings):
    """Several ways to write a mistake: the function with each dict of settings."""
    return tuple(functools.partial(function, **each) for each in settings)


@dataclasses.dataclass(frozen=True, eq=False)  # Examples hold arrays, which have no hash.
class Question:
    """One question.

    Attributes:
        id: Topic and name, such as `"attention.softmax"`.
        title: A few words.
        points: What a right answer earns.
        minutes: About how long it takes.
        signature: The function's name and arguments, such as `"softmax(scores)"`.
        calls: Function of a `numpy.random.Generator` that returns a list of argument tuples, of arrays,
            numbers, strings, None, and tuples, lists and dicts of those. A `Call` also says what is special.
        reference: The right answer.
        mistakes: The usual wrong ones. Their outputs on `calls` differ from the right ones and from each
            other.
        hint: Where to start.
        more: A fuller hint, for those whom the first did not help.
        example: Arguments of a call that is small enough to be worked out by hand; it is shown with the right
            result to those who are still stuck.
        returns: Form of each returned value: `"array"`, `"text"`, `"texts"` or `"ragged"` (sequences of
            integers).
        rtol: Relative tolerance of numbers.
        atol: Absolute one.
        names: What the returned values are called in messages, if there are several.
        dtypes: The dtype that the text asks for, of each returned array, such as `"int8"`, or None. Without
            it, booleans must be booleans, and other numbers may have any dtype.
        keeps_inputs: Whether the text says that inputs must not be changed. Else that is only remarked.
        judge: For questions with many right answers: a function of one call's arguments and packed outputs
            that returns None if they are right, else a sentence that says what is wrong. It replaces the
            comparison.
        seconds: Time limit of all calls together in `course grade`.
    """

    id: str
    title: str
    points: int
    minutes: int
    signature: str
    calls: Callable
    reference: Callable
    mistakes: tuple[Mistake, ...]
    hint: str
    more: str = ""
    example: tuple = ()
    returns: tuple[str, ...] = ("array",)
    names: tuple[str, ...] = ()
    dtypes: tuple[str | None, ...] = ()
    keeps_inputs: bool = False
    rtol: float = 1e-5
    atol: float = 1e-6
    judge: Callable | None = None
    seconds: float = 10.0

    @property
    def function(self):
        """The name of the function that is asked for."""
        return self.signature.partition("(")[0]

    @property
    def grade_id(self):
        """The id of the answer's cell in a notebook; nbgrader allows no dot there."""
        return self.id.replace(".", "-")

    @property
    def arguments(self):
        """The names of the function's arguments."""
        parts = self.signature.partition("(")[2].rstrip(")").split(",")
        return [part.partition("=")[0].strip() for part in parts]


class Lesson:
    """A lesson's module, imported when something of it is used.

    So that asking for hints and progress need not wait for TensorFlow.
    """

    def __init__(self, word):
        self._name = f"course_lib.{word}"

    def __getattr__(self, name):
        return getattr(importlib.import_module(self._name), name)


def number(word):
    """A lesson's number; those that are not known come last."""
    return LESSONS.index(word) if word in LESSONS else len(LESSONS)


def topics():
    """The words of the lessons that have questions, in the lessons' order."""
    found = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return sorted(found, key=lambda word: (number(word), word))


def topic(word):
    """The questions of one lesson, in order.

    Raises:
        ValueError: If no lesson of that name has questions.
    """
    if word not in topics():
        raise ValueError(f"No lesson {word!r} has questions. There are: {', '.join(topics())}")
    return importlib.import_module(f"{__name__}.{word}").QUESTIONS


def get(question_id):
    """The question of an id.

    Raises:
        ValueError: If there is none; the message names those of its lesson.
    """
    word = str(question_id).partition(".")[0]
    questions = topic(word)
    for question in questions:
        if question.id == question_id:
            return question
    names = ", ".join(question.id for question in questions)
    raise ValueError(f"There is no question {question_id!r}. Lesson {word!r} asks: {names}")
