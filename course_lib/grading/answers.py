"""Reads the answers out of a notebook, and what else of it they may use.

Everything here was written by others, perhaps with ill intent: sizes are limited, and nothing is parsed as
Python.
"""

import dataclasses
import json
import re

from course_lib import questions

NOTEBOOK_BYTES = 20 * 2**20
ANSWER_CHARACTERS = 200_000
# JSON's lists and objects: 20 MB of "[]," would become half a gigabyte of Python lists.
BRACKETS = 1_000_000
MAGIC = re.compile(r"^[ \t]*(%{1,2}[a-z]\w*|![a-z]\w*)", re.MULTILINE)
OWN_CHARACTERS = 1_000_000  # Of all cells together that are no answers.


class Unreadable(ValueError):  # noqa: N818 - it is a state of a submission, not an error of the grader.
    """A submission cannot be read; the message says why, in a sentence for its author."""


@dataclasses.dataclass(frozen=True)
class Own:
    """A cell that is no answer; answers may use what it defines.

    Attributes:
        source: Its text.
        before: The `grade_id` of the next answer's cell, or an empty text behind the last.
        given: Whether it has nbgrader's metadata, as the exercise's own cells have.
    """

    source: str
    before: str
    given: bool


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a notebook answers.

    Attributes:
        sources: The text of each answer's cell, by `grade_id`.
        malformed: Why an answer cannot be used, by `grade_id`: such an answer is wrong, nothing is guessed.
        problems: Further remarks on the notebook, in sentences.
        own: The other code cells, in order.
    """

    sources: dict[str, str]
    malformed: dict[str, str]
    problems: list[str]
    own: tuple[Own, ...] = ()

    @property
    def lesson(self):
        """The word of the lesson that most of the answers belong to, or an empty text."""
        words = [name.partition("-")[0] for name in (*self.sources, *self.malformed)]
        return max(dict.fromkeys(words), key=words.count, default="")

    def cells(self, asked):
        """The other cells, for `sandbox.Sandbox.run`: pairs of a place among the questions and a source."""
        places = {question.grade_id: place for place, question in enumerate(asked)}
        return [(places.get(each.before, len(asked)), each.source) for each in self.own]


def read_answers(data):
    """Reads a notebook: the cells with the `grade_id` of a question, and those beside them.

    An answer whose cell is missing, or does not define its function, is looked for by the function's name.

    Args:
        data: The bytes of an .ipynb file.

    Returns:
        `Answers`.

    Raises:
        Unreadable: If it is not a notebook that can be read.
    """
    cells, problems = _cells(data)
    known = {question.grade_id for word in questions.topics() for question in questions.topic(word)}
    ids = [_grade_id(cell) for cell in cells]
    found, malformed = {}, {}  # Numbers of cells, and reasons.
    for number, (cell, grade_id) in enumerate(zip(cells, ids, strict=True)):
        if grade_id not in known:
            continue
        if grade_id in found or grade_id in malformed:
            found.pop(grade_id, None)
            malformed[grade_id] = f"Several cells have the id {grade_id!r}: keep one of them."
            continue
        try:
            _source(cell)
            found[grade_id] = number
        except Unreadable as error:
            malformed[grade_id] = str(error)
    _by_name(cells, ids, known, found, malformed, problems)
    sources = {grade_id: _source(cells[number]) for grade_id, number in found.items()}
    for grade_id, source in sources.items():
        if left_out := MAGIC.findall(source):
            problems.append(f"{grade_id}: lines for IPython are left out ({', '.join(left_out[:3])}).")
    return Answers(sources, malformed, problems, _own(cells, ids, found, problems))


def _cells(data):
    """The list of a notebook's cells, and remarks on it."""
    if len(data) > NOTEBOOK_BYTES:
        raise Unreadable(
            f"The notebook is larger than {NOTEBOOK_BYTES // 2**20} MB: clear its outputs and save it."
        )
    if data.count(b"[") + data.count(b"{") > BRACKETS:
        raise Unreadable(
            "The notebook holds more lists than any notebook needs: clear its outputs and save it."
        )
    problems = []
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        problems.append("Some of its characters are not valid UTF-8 and were replaced.")
    try:
        notebook = json.loads(text)
    except RecursionError:
        raise Unreadable("It is nested more deeply than any notebook is.") from None
    except (ValueError, MemoryError) as error:
        # Of the error itself only the kind: its text may quote megabytes.
        raise Unreadable(
            f"It is not a notebook: it cannot be read as JSON ({type(error).__name__})."
        ) from None
    if not isinstance(notebook, dict) or "nbformat" not in notebook:
        raise Unreadable("It is JSON, but not a notebook.")
    if notebook["nbformat"] != 4:
        raise Unreadable("It has another notebook format than 4: open it in a current Jupyter and save it.")
    if not isinstance(notebook.get("cells"), list):
        raise Unreadable("It is a notebook without a list of cells.")
    return notebook["cells"], problems


def _by_name(cells, ids, known, found, malformed, problems):
    """Adds to `found` the answers outside their own cells: the last cell that defines the function."""
    defined = {}
    for number, cell in enumerate(cells):
        if ids[number] not in known and isinstance(cell, dict) and cell.get("cell_type") == "code":
            try:
                names = re.findall(r"^def (\w+)\(", _source(cell), re.MULTILINE)
            except Unreadable:
                continue
            defined.update(dict.fromkeys(names, number))
    word = Answers(found, malformed, problems).lesson or _guess(defined)
    if not word or word not in questions.topics():
        return
    for question in questions.topic(word):
        number = defined.get(question.function)
        there = found.get(question.grade_id)
        if number is None or question.grade_id in malformed:
            continue
        definition = re.compile(rf"^def {question.function}\(", re.MULTILINE)
        if there is None or not definition.search(_source(cells[there])):
            found[question.grade_id] = number
            problems.append(f"{question.function} was found by its name, outside its own cell.")


def _guess(defined):
    """The lesson that asks for most of these functions, or an empty text."""
    counts = {
        word: sum(question.function in defined for question in questions.topic(word))
        for word in questions.topics()
    }
    best = max(counts, key=counts.get)
    return best if counts[best] else ""


def _own(cells, ids, found, problems):
    """The code cells that are no answers."""
    own, characters, before = [], 0, ""
    answers = {number: grade_id for grade_id, number in found.items()}
    for number in range(len(cells) - 1, -1, -1):
        if number in answers:
            before = answers[number]
            continue
        cell = cells[number]
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        try:
            source = _source(cell)
        except Unreadable:
            continue
        characters += len(source)
        if characters > OWN_CHARACTERS:
            problems.append("It holds so much code besides the answers that some of it was not looked at.")
            break
        if source.strip():
            own.append(Own(source, before, ids[number] is not None))
    return tuple(reversed(own))


def use_frameworks(answers):
    """Whether an answer names TensorFlow or Keras: its sandbox must import them, which takes ten seconds."""
    texts = [*answers.sources.values(), *(each.source for each in answers.own if not each.given)]
    return any(re.search(r"keras|tensorflow|\btf\b", text) for text in texts)


def _grade_id(cell):
    """The id that nbgrader gave a cell, or None."""
    for key in ("metadata", "nbgrader", "grade_id"):
        if not isinstance(cell, dict):
            return None
        cell = cell.get(key)
    return cell if isinstance(cell, str) and re.fullmatch(r"[\w-]{1,100}", cell, re.ASCII) else None


def _source(cell):
    """The text of a cell."""
    if cell.get("cell_type") != "code":
        raise Unreadable("The answer's cell is not a code cell.")
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise Unreadable("The answer's cell does not hold text.")
    if len(source) > ANSWER_CHARACTERS:
        raise Unreadable(f"The answer is longer than {ANSWER_CHARACTERS:,} characters.")
    return source.encode("utf-8", "replace").decode()  # JSON can hold half a surrogate pair, UTF-8 cannot.
