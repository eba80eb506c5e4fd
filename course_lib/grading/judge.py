"""Compares an answer's outputs with the right ones and with those of the usual mistakes.

Only packed outputs are compared: lists of plain arrays, as `worker.pack` makes them, so that nothing of an
answer's own runs here.
"""

import copy
import dataclasses
import functools

import numpy as np

from course_lib.grading import worker
from course_lib.questions import Mistake


@dataclasses.dataclass(frozen=True)
class Raised:
    """A call that raised instead of returning.

    Attributes:
        kind: The exception's type, such as `"ValueError"`.
        message: Its message.
        line: The line in the answer's cell, or 0.
    """

    kind: str
    message: str
    line: int = 0

    def __str__(self):
        where = f" in line {self.line}" if self.line else ""
        return f"{self.kind}{where}: {self.message}"


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the reference and each mistake give on a list of calls; made once and used for many answers."""

    calls: list
    outputs: list
    mistakes: list


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is to be said of an answer.

    Attributes:
        status: `"right"` or `"wrong"`.
        call: Index of the first call that went wrong, or None.
        message: What was wrong with it, in a sentence; empty if right.
        mistake: The usual mistake that gives the same outputs, or None.
    """

    status: str
    call: int | None = None
    message: str = ""
    mistake: Mistake | None = None


def outcomes(function, calls, forms):
    """Calls a function and packs what it returns.

    Args:
        function: Any callable; it gets copies of the arguments.
        calls: List of argument tuples.
        forms: As `Question.returns`.

    Returns:
        One entry per call: a list of arrays, or `Raised`.
    """
    return [outcome(function, arguments, forms)[0] for arguments in calls]


def outcome(function, arguments, forms):
    """Makes one call, with copies of the arguments.

    Returns:
        `(packed, None)`, or a `Raised` and the exception.
    """
    try:
        return worker.pack(function(*copy.deepcopy(arguments)), forms), None
    except worker.FormError as error:
        return Raised("FormError", str(error)), error
    except Exception as error:
        return Raised(type(error).__name__, str(error)), error


def expected(question, calls):
    """Runs the reference and every mistake on the calls.

    Raises:
        RuntimeError: If the reference itself fails, which is a fault of the question.
    """
    right = outcomes(question.reference, calls, question.returns)
    for outcome in right:
        if isinstance(outcome, Raised):
            raise RuntimeError(f"The reference of {question.id} failed. {outcome}")
    mistakes = [
        (mistake, None if mistake.recognise else outcomes(mistake.answer, calls, question.returns))
        for mistake in question.mistakes
    ]
    return Expected(calls, right, mistakes)


def verdict(question, expectation, outputs):
    """Judges an answer.

    Args:
        question: The `Question`.
        expectation: What `expected` made of it.
        outputs: One entry per call, as `outcomes` returns them: whatever else arrives counts as wrong.

    Returns:
        A `Verdict`.
    """
    for index, (arguments, right, got) in enumerate(
        zip(expectation.calls, expectation.outputs, outputs, strict=True)
    ):
        wrong = _compare(question, arguments, right, got)
        if wrong:
            return Verdict("wrong", index, wrong, _mistake(question, expectation, outputs))
    return Verdict("right")


def _compare(question, arguments, right, got):
    """None if one call's outputs are right, else what is wrong with them."""
    if isinstance(got, Raised):
        return got.message if got.kind == "FormError" else str(got)
    if question.judge:
        return _shapes(question, right, got) or question.judge(arguments, got)
    return _shapes(question, right, got) or _values(question, right, got)


def _shapes(question, right, got):
    if len(right) != len(got):
        return f"{len(right)} arrays were expected. Received: {len(got)}"
    for name, one, other in zip(_names(question), right, got, strict=True):
        if (one.dtype.kind == "U") != (other.dtype.kind == "U"):
            return f"{name} must be {'text' if one.dtype.kind == 'U' else 'numbers'}"
        if one.shape != other.shape and not name.endswith("lengths"):
            if name.endswith("numbers"):
                continue  # The lengths, which come next, say it better.
            return f"{name} must have the shape {one.shape}. Received: {other.shape}"
        if name.endswith("lengths") and (one.shape != other.shape or (one != other).any()):
            return f"{name} of the sequences must be {one.tolist()}. Received: {other.tolist()}"[:500]
    return None


def _values(question, right, got):
    for name, one, other in zip(_names(question), right, got, strict=True):
        same = _same(question, one, other)
        if not same.all():
            place = tuple(int(i) for i in np.argwhere(~np.atleast_1d(same))[0])
            a, b = np.atleast_1d(one)[place], np.atleast_1d(other)[place]
            at = f"[{', '.join(map(str, place))}]" if one.ndim else ""
            count = f" ({int((~same).sum())} of {same.size} differ)" if same.size > 1 else ""
            return f"{name}{at} must be {_show(a)}. Received: {_show(b)}{count}"
    return None


def _same(question, one, other):
    """Where two arrays of one shape agree; an array of booleans."""
    if one.dtype.kind == "U":
        return np.asarray(one == other)
    if one.dtype.kind == "b" and other.dtype.kind != "b" and not np.isin(other, (0, 1)).all():
        return np.asarray(one.astype("int8") == other)
    with np.errstate(all="ignore"):
        return np.isclose(
            other.astype("float64"),
            one.astype("float64"),
            rtol=question.rtol,
            atol=question.atol,
            equal_nan=True,
        )


def _mistake(question, expectation, outputs):
    """The first usual mistake that explains every call."""
    for mistake, wrong in expectation.mistakes:
        if mistake.recognise:
            packed = zip(expectation.calls, outputs, strict=True)
            if all(isinstance(o, list) and mistake.recognise(a, o) for a, o in packed):
                return mistake
        elif all(
            _alike(question, *pair, arguments)
            for *pair, arguments in zip(wrong, outputs, expectation.calls, strict=True)
        ):
            return mistake
    return None


def _alike(question, one, other, arguments):
    """Whether a call ended the same way for a mistake and an answer."""
    if isinstance(one, Raised) or isinstance(other, Raised):
        return isinstance(one, Raised) and isinstance(other, Raised) and one.kind == other.kind
    plain = dataclasses.replace(question, judge=None)
    return _compare(plain, arguments, one, other) is None


@functools.cache
def _names(question):
    """How the packed arrays of a question are called in messages."""
    several = len(question.returns) > 1
    names = []
    for index, form in enumerate(question.returns):
        base = f"output {index + 1}" if several else "the output"
        names += [f"{base}: the numbers", f"{base}: the lengths"] if form == "ragged" else [base]
    return names


def _show(value):
    if value.dtype.kind == "U":
        return repr(str(value))[:200]
    return str(value.item()) if value.dtype.kind in "bi" else f"{value.item():.6g}"
