"""Compares an answer's outputs with the right ones and with those of the usual mistakes.

Only packed outputs are compared: lists of plain arrays, as `worker.pack` makes them, so that nothing of an
answer's own runs here.
"""

import contextlib
import copy
import dataclasses
import functools
import re

import numpy as np

from course_lib.grading import cells, worker
from course_lib.questions import Mistake

SHOWN = 20  # Sequences and numbers of a list that a message shows.


class Returned(list):
    """What a call returned: a list of arrays.

    Attributes:
        changed: Indices of the arguments that the call changed in place.
    """

    changed = ()


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
class Variant:
    """One way to make a mistake.

    Attributes:
        outputs: One entry per call, as `outcomes` returns them.
        shows: Indices of the calls in which it goes wrong.
    """

    outputs: list
    shows: frozenset


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the reference and each mistake give on a list of calls; made once and used for many answers.

    Attributes:
        calls: List of argument tuples.
        outputs: The right outputs, one list of arrays per call.
        mistakes: Pairs of a `Mistake` and its `Variant`s; none for one that is recognised by a function.
    """

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
        mistakes: The usual mistake that explains all that went wrong, or the two that do so together.
        wrong: Indices of all calls that went wrong.
        notes: What a right answer should know of, in sentences.
    """

    status: str
    call: int | None = None
    message: str = ""
    mistakes: tuple[Mistake, ...] = ()
    wrong: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def mistake(self):
        """The first of the mistakes, or None."""
        return self.mistakes[0] if self.mistakes else None


def outcomes(function, calls, forms):
    """Calls a function and packs what it returns.

    Args:
        function: Any callable; it gets copies of the arguments.
        calls: List of argument tuples.
        forms: As `Question.returns`.

    Returns:
        One entry per call: `Returned` or `Raised`.
    """
    return [outcome(function, arguments, forms)[0] for arguments in calls]


def outcome(function, arguments, forms):
    """Makes one call, with copies of the arguments.

    Returns:
        `(Returned, None)`, or a `Raised` and the exception.
    """
    given = copy.deepcopy(tuple(arguments))
    try:
        with cells.no_input():
            packed = Returned(worker.pack(function(*given), forms))
    except worker.FormError as error:
        return Raised("FormError", str(error)), error
    except Exception as error:
        return Raised(type(error).__name__, str(error)), error
    packed.changed = cells.changed(arguments, given)
    return packed, None


def expected(question, calls):
    """Runs the reference and every mistake on the calls.

    Raises:
        RuntimeError: If the reference itself fails, which is a fault of the question.
    """
    with np.errstate(all="ignore"):  # A warning of theirs would appear in the learner's notebook.
        return _expected(question, calls)


def _expected(question, calls):
    right = outcomes(question.reference, calls, question.returns)
    for outcome in right:
        if isinstance(outcome, Raised):
            raise RuntimeError(f"The reference of {question.id} failed. {outcome}")
    mistakes = []
    for mistake in question.mistakes:
        answers = () if mistake.recognise else mistake.answers
        ended = (outcomes(answer, calls, question.returns) for answer in answers)
        mistakes.append((mistake, [variant(question, calls, right, outputs) for outputs in ended]))
    return Expected(calls, right, mistakes)


def variant(question, calls, right, outputs):
    """A `Variant` from the outputs of one way to make a mistake."""
    each = enumerate(zip(calls, right, outputs, strict=True))
    return Variant(outputs, frozenset(i for i, ended in each if _wrong(question, *ended)))


def verdict(question, expectation, outputs):
    """Judges an answer.

    Args:
        question: The `Question`.
        expectation: What `expected` made of it.
        outputs: One entry per call, as `outcomes` returns them: whatever else arrives counts as wrong.

    Returns:
        A `Verdict`.
    """
    calls = zip(expectation.calls, expectation.outputs, outputs, strict=True)
    messages = {i: message for i, each in enumerate(calls) if (message := _wrong(question, *each))}
    changed = _changed(question, outputs)
    if messages:
        first = min(messages)
        mistakes = _mistakes(question, expectation, outputs, frozenset(messages))
        return Verdict("wrong", first, messages[first], mistakes, tuple(messages), changed)
    if changed and question.keeps_inputs:
        calls = [i for i, output in enumerate(outputs) if getattr(output, "changed", ())]
        return Verdict("wrong", calls[0], changed[0], (), tuple(calls))
    return Verdict("right", notes=changed)


def _changed(question, outputs):
    """A sentence on the arguments that were changed in place, in a tuple, or none."""
    places = {place for output in outputs for place in getattr(output, "changed", ())}
    names = [f"`{name}`" for place, name in enumerate(question.arguments) if place in places]
    if not names:
        return ()
    what = "an input" if len(names) == 1 else "inputs"
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return (f"The function changes {listed}, {what} that its caller may still need: work on a copy.",)


def _wrong(question, arguments, right, got):
    """None if one call's outputs are right, else what is wrong with them."""
    if isinstance(got, Raised):
        return got.message if got.kind == "FormError" else str(got)
    return _compare(question, arguments, right, got) or _dtypes(question, right, got)


def _compare(question, arguments, right, got):
    """As `_wrong`, of shapes and values only."""
    shapes = _shapes(question, right, got)
    if shapes or not question.judge:
        return shapes or _values(question, right, got)
    return question.judge(arguments, got)


def _shapes(question, right, got):
    if len(right) != len(got):
        return f"{len(right)} arrays were expected. Received: {len(got)}"
    for name, form, one, other in parts(question, right, got):
        if form == "ragged":
            if len(one[1]) != len(other[1]):
                return f"{name} must hold {len(one[1])} sequences. Received: {len(other[1])}"
            continue
        if (one.dtype.kind == "U") != (other.dtype.kind == "U"):
            return f"{name} must be {'text' if one.dtype.kind == 'U' else 'numbers'}"
        if one.shape != other.shape:
            if form == "texts":
                return f"{name} must hold {one.size} texts. Received: {other.size}, {_texts(other)}"
            return f"{name} must {_shaped(one.shape)}. Received: {_shape(other.shape)}"
    return None


def _values(question, right, got):
    for name, form, one, other in parts(question, right, got):
        if form == "ragged":
            for place, (wanted, received) in enumerate(zip(rows(*one), rows(*other), strict=True)):
                if not np.array_equal(wanted, received):
                    return f"{name}[{place}] must be {_sequence(wanted)}. Received: {_sequence(received)}"
            continue
        same = agree(question, one, other)
        if not same.all():
            place = tuple(int(i) for i in np.argwhere(~np.atleast_1d(same))[0])
            a, b = np.atleast_1d(one)[place], np.atleast_1d(other)[place]
            at = f"[{', '.join(map(str, place))}]" if one.ndim else ""
            count = f" ({int((~same).sum())} of {same.size} differ)" if same.size > 1 else ""
            return f"{name}{at} must be {_show(a)}. Received: {_show(b)}{count}"
    return None


def _dtypes(question, right, got):
    """What is wrong with the dtypes of outputs whose values are right."""
    asked = question.dtypes or (None,) * len(question.returns)
    for (name, form, one, other), wanted in zip(parts(question, right, got), asked, strict=True):
        if form != "array" or not other.size:  # An empty list becomes an array of floats.
            continue
        if wanted is None and one.dtype.kind == "b" and other.dtype.kind != "b":
            return (
                f"{name} must be of booleans, True and False. Received: numbers of {other.dtype}, "
                f"which are no "
                "mask: as an index, 0 and 1 name places"
            )
        if wanted == "int" and other.dtype.kind not in "iu":
            return f"{name} must be of integers. Received: the right numbers, but as {other.dtype}"
        if wanted not in (None, "int", other.dtype.name):
            return f"{name} must be of dtype {wanted}. Received: the right numbers, but as {other.dtype}"
    return None


def only_form(question, expectation, outputs, wrong):
    """Whether all values are right, and what went wrong is a dtype or a changed input."""
    return all(
        not isinstance(outputs[i], Raised)
        and _compare(question, expectation.calls[i], expectation.outputs[i], outputs[i]) is None
        for i in wrong
    )


def agree(question, one, other):
    """Where two arrays of one shape agree; an array of booleans."""
    if one.dtype.kind == "U":
        return np.asarray(one == other)
    with np.errstate(all="ignore"):
        return np.isclose(
            other.astype("float64"),
            one.astype("float64"),
            rtol=question.rtol,
            atol=question.atol,
            equal_nan=True,
        )


def _mistakes(question, expectation, outputs, wrong):
    """The mistake that explains all calls that went wrong, or the two that do so together; a tuple.

    A mistake explains a call if both end alike. Two explain an answer if each accounts for the calls in which
    it alone shows: what both together give is not known. At last, a mistake may show in calls that the answer
    has right, because people guard against a case and are wrong in all others; the fewer of these the better.
    """
    if question.judge:
        return _recognised(question, expectation, outputs, wrong)
    firm = {i for i in wrong if not isinstance(outputs[i], Raised)}
    known = []
    for order, (mistake, variants) in enumerate(expectation.mistakes):
        for variant in variants:
            alike = {
                i for i in wrong if i in variant.shows and _alike(question, variant.outputs[i], outputs[i])
            }
            if alike:
                known.append((order, mistake, variant, alike))
    for _, mistake, variant, alike in known:
        if alike == wrong == variant.shows:
            return (mistake,)
    if pair := _pair(known, wrong, firm):
        return pair
    guarded = [
        (len(variant.shows - wrong), order, mistake)
        for order, mistake, variant, alike in known
        if alike == wrong and firm and len(variant.shows - wrong) <= len(wrong)
    ]
    return (min(guarded, key=lambda each: each[:2])[2],) if guarded else ()


def _pair(known, wrong, firm):
    """The two mistakes that together explain most calls, at least half of them; None if there are none."""
    best, most = None, (len(wrong) - 1) // 2
    for i, (_, mistake, one, by_one) in enumerate(known):
        for _, another, other, by_other in known[i + 1 :]:
            explained = len(by_one | by_other)
            if mistake is another or one.shows | other.shows != wrong or explained <= most:
                continue
            only_one, only_other = one.shows - other.shows, other.shows - one.shows
            if only_one & firm and only_other & firm and only_one <= by_one and only_other <= by_other:
                best, most = (mistake, another), explained
    return best


def _recognised(question, expectation, outputs, wrong):
    """The first mistake whose own function recognises all calls, or else all that went wrong."""
    if only_form(question, expectation, outputs, wrong):
        return ()
    for indices in (range(len(outputs)), wrong):
        for mistake, _ in expectation.mistakes:
            if all(
                _recognise(mistake, expectation.calls[i], expectation.outputs[i], outputs[i]) for i in indices
            ):
                return (mistake,)
    return ()


def _recognise(mistake, arguments, right, got):
    """Whether a mistake's own function knows a call; it is not asked for what is far too large."""
    if not mistake.recognise or isinstance(got, Raised) or len(got) != len(right):
        return False
    known = [*right, *(argument for argument in arguments if isinstance(argument, np.ndarray))]
    largest = 16 + 4 * max((size for array in known for size in array.shape), default=0)
    if any(size > largest for array in got for size in array.shape):
        return False
    with contextlib.suppress(Exception), np.errstate(all="ignore"):
        return bool(mistake.recognise(arguments, got))
    return False


def _alike(question, one, other):
    """Whether a call ended the same way for a mistake and an answer."""
    if isinstance(one, Raised) or isinstance(other, Raised):
        both = isinstance(one, Raised) and isinstance(other, Raised)
        return both and one.kind == other.kind and _gist(one.message) == _gist(other.message)
    return _shapes(question, one, other) is None and _values(question, one, other) is None


def _gist(message):
    """What an exception says, without the shapes, numbers and texts of this call."""
    return re.sub(r"'[^']*'|[\d\s(),.\[\]-]+", " ", message)[:60].strip()


def parts(question, *packed):
    """The returned values of several packed outputs, side by side.

    Yields:
        Name for messages, form, and of each of the outputs the array; of the form `"ragged"` the pair of
        numbers and lengths.
    """
    place = 0
    for name, form in zip(_names(question), question.returns, strict=True):
        if form == "ragged":
            yield (name, form, *((arrays[place], arrays[place + 1]) for arrays in packed))
        else:
            yield (name, form, *(arrays[place] for arrays in packed))
        place += 1 + (form == "ragged")


def rows(numbers, lengths):
    """The sequences that were packed as numbers and lengths, one after the other."""
    start = 0
    for length in lengths:
        yield numbers[start : start + length]
        start += length


@functools.cache
def _names(question):
    """How the returned values of a question are called in messages."""
    count = len(question.returns)
    if question.names:
        return [f"`{name}`" for name in question.names]
    if count == 1:
        return ["the output"]
    words = ("first", "second", "third", "fourth", "fifth", "sixth")
    return [f"the {words[i]} of the {count} returned values" for i in range(count)]


def _shaped(shape):
    return "be a single number" if shape == () else f"have the shape {shape}"


def _shape(shape):
    return "a single number" if shape == () else f"{shape}"


def _show(value):
    if value.dtype.kind == "U":
        return repr(str(value))[:200]
    return str(value.item()) if value.dtype.kind in "bi" else f"{value.item():.6g}"


def _sequence(numbers):
    """A sequence of integers, cut if it is long."""
    text = ", ".join(map(str, numbers[:SHOWN].tolist()))
    return f"[{text}{', ...' if len(numbers) > SHOWN else ''}]"


def _texts(array):
    return repr([str(text)[:60] for text in np.atleast_1d(array)[:SHOWN]])[:300]


def describe(question, packed):
    """What a call gave, for people: single texts and short lists in full, arrays by dtype and shape."""
    said = []
    for _, form, value in parts(question, packed):
        if form == "ragged":
            shown = [_sequence(row) for row in rows(value[0], value[1][:SHOWN])]
            said.append(f"[{', '.join(shown)}{', ...' if len(value[1]) > SHOWN else ''}]"[:500])
        elif form == "text":
            said.append(repr(str(value))[:300])
        elif form == "texts":
            said.append(_texts(value))
        elif value.ndim == 0:
            said.append(f"the number {_show(value[()])}")
        elif value.size <= (24 if value.ndim == 1 else 12):
            said.append(f"{_array(value)} {np.array2string(value, precision=4, separator=', ')}")
        else:
            said.append(_array(value))
    if len(said) == 1:
        return said[0]
    return "\n".join(f"{name}: {text}" for name, text in zip(_names(question), said, strict=True))


def _array(array):
    return f"{array.dtype} array of shape {array.shape}"
