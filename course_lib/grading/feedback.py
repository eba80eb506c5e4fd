"""What a learner reads: `check` in the notebook, and the record of what is done.

Answers run here in the learner's own process; marks that count come from `course_lib.grading.grade`.
"""

import contextlib
import copy
import dataclasses
import functools
import hashlib
import html
import io
import json
import marshal
import os
import pathlib
import sysconfig
import traceback

import numpy as np

from course_lib import questions, runtime
from course_lib.grading import judge, worker

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None

SEED = 0  # The same inputs at every check, so that a learner can work on one failing call.
COLOURS = {"right": "#1b7837", "wrong": "#b35806", "not attempted": "#4d7ea8"}
MARKS = {"right": "✓", "wrong": "✗", "not attempted": "○"}


@dataclasses.dataclass(frozen=True)
class Feedback:
    """What is said of an answer, as rich HTML and as plain text.

    Attributes:
        question: The `Question`.
        status: `"right"`, `"not attempted"` or any other, which means wrong.
        lines: Pairs of a word ("call", "result", "hint") and a text.
    """

    question: questions.Question
    status: str
    lines: list

    @property
    def headline(self):
        """Mark, title and outcome in one line."""
        points = f"{self.question.points} point{'s' * (self.question.points > 1)}"
        outcome = {"right": f"right, {points}", "not attempted": "not attempted yet"}.get(
            self.status, "not right yet" if self.status == "wrong" else self.status
        )
        return f"{MARKS.get(self.status, '✗')} {self.question.title}: {outcome}"

    def __str__(self):
        rows = [self.headline]
        for word, text in self.lines:
            first, *rest = text.split("\n")
            rows += [f"  {word:<8}{first}", *(f"  {'':<8}{line}" for line in rest)]
        return "\n".join(rows)

    def _repr_html_(self):
        colour = COLOURS.get(self.status, COLOURS["wrong"])
        cell = "text-align:left;vertical-align:top;padding:1px 10px 1px 0"
        rows = "".join(
            f'<tr><td style="{cell};opacity:.7">{word}</td><td style="{cell}">'
            f'<span style="white-space:pre-wrap">{html.escape(text)}</span></td></tr>'
            for word, text in self.lines
        )
        return (
            f'<div style="border-left:4px solid {colour};padding:2px 10px">'
            f'<b style="color:{colour}">{html.escape(self.headline)}</b>'
            + (f'<table style="margin:2px 0;border:none">{rows}</table>' if rows else "")
            + "</div>"
        )


def check(question_id, answer):
    """Marks an answer and shows what is to be said of it.

    Args:
        question_id: Such as `"attention.softmax"`.
        answer: The function that was written.

    Returns:
        Whether it is right.

    Raises:
        ValueError: If there is no such question.
        AssertionError: Under nbgrader only, which takes a cell that does not raise for a right one.
    """
    question = questions.get(question_id)
    feedback = examine(question, answer)
    _display(feedback)
    if feedback.status != "right" and os.environ.get("NBGRADER_EXECUTION"):
        raise AssertionError(feedback.headline)
    return feedback.status == "right"


def examine(question, answer):
    """Runs an answer in this process, judges it, records it, and returns the `Feedback`."""
    if not callable(answer):
        lines = [("result", f"{question.function} must be a function. Received: {type(answer).__name__}")]
        return Feedback(question, "wrong", lines)
    expectation = expected(question.id)
    outputs, errors, printed = [], [], []
    for arguments in expectation.calls:
        with contextlib.redirect_stdout(io.StringIO()) as stdout:
            outcome, error = judge.outcome(answer, arguments, question.returns)
        if isinstance(error, NotImplementedError):
            message = worker.unfinished(error, question.function)
            return Feedback(question, "not attempted", [("to do", message)])
        outputs.append(outcome)
        errors.append(error)
        printed.append(stdout.getvalue())
    code = getattr(answer, "__code__", None)
    digest = hashlib.sha256(marshal.dumps(code)).hexdigest() if code else None
    return explain(question, expectation, outputs, digest, errors, printed)


@functools.cache
def expected(question_id):
    """The right outputs of a question, and those of its mistakes, on the inputs that `check` uses."""
    question = questions.get(question_id)
    return judge.expected(question, question.calls(np.random.default_rng(SEED)))


def calls(question_id):
    """The inputs of `check`: a list of argument tuples, to call an answer with what it failed on."""
    return copy.deepcopy(expected(question_id).calls)


def explain(question, expectation, outputs, digest=None, errors=(), printed=()):
    """Judges packed outputs, records the result, and puts it into words.

    Args:
        question: The `Question`.
        expectation: Of `judge.expected`.
        outputs: One entry per call, a list of arrays or `judge.Raised`.
        digest: Of the answer's code: only a changed answer is a second try.
        errors: The exception behind each `Raised`, for its traceback, else None.
        printed: What each call printed.

    Returns:
        A `Feedback`.
    """
    verdict = judge.verdict(question, expectation, outputs)
    mistake = verdict.mistake.name if verdict.mistake else None
    again = record(question.id, verdict.status, mistake, digest)
    if verdict.status == "right":
        return Feedback(question, "right", [])
    lines = [("call", call_text(question, verdict.call, expectation.calls[verdict.call]))]
    output = outputs[verdict.call]
    if not isinstance(output, judge.Raised):
        lines.append(("gave", ", ".join(map(_form, output))))
    lines.append(("result", verdict.message))
    if errors and errors[verdict.call] is not None and output.kind != "FormError":
        lines.append(("where", own_lines(errors[verdict.call])))
    if printed:
        lines.append(("printed", printed[verdict.call].rstrip()[:2000]))
    if verdict.mistake:
        lines.append(("hint", verdict.mistake.more if again else verdict.mistake.hint))
    elif not isinstance(output, judge.Raised):
        lines.append(("hint", f"It is none of the usual mistakes. Where to start: {question.hint}"))
    return Feedback(question, "wrong", [(word, text) for word, text in lines if text])


def call_text(question, index, arguments):
    """A call as a reader sees it: small arguments in full, arrays by shape and dtype; how to repeat it."""
    names = question.signature.partition("(")[2].rstrip(")").split(",")
    shown = []
    for name, value in zip(names, arguments, strict=False):
        name = name.partition("=")[0].strip()
        if isinstance(value, np.ndarray):
            text = f"{name}: {_form(value)}"
            if value.size <= 12:
                text += " " + np.array2string(value, precision=4, separator=", ")
        else:
            text = f"{name} = {value!r}"
        shown.append(text if len(text) <= 200 else text[:200] + " ...")
    again = f'{question.function}(*calls("{question.id}")[{index}])'
    return f"{again}, which has\n" + "\n".join(shown)


def own_lines(error):
    """The learner's own lines of a traceback: not Python's, not a library's, not the course's."""
    skip = (
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(pathlib.Path(__file__).parents[1]),
    )
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(skip) and frame.line]
    return "\n".join(f"line {frame.lineno}: {frame.line}" for frame in own)


def _form(array):
    if array.dtype.kind == "U":
        return "text" if array.ndim == 0 else f"{array.size} texts"
    return f"{array.dtype} array of shape {array.shape}" if array.ndim else f"a number, {array.item()}"


def _display(feedback):
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        get_ipython = None
    if get_ipython and get_ipython():
        display({"text/html": feedback._repr_html_(), "text/plain": str(feedback)}, raw=True)
    else:
        print(feedback)


# What is done

ENTRY = ("right", "tries", "mistake", "answer", "fuller")


def progress_file():
    """The file of progress: `COURSE_PROGRESS` names it, else it is `progress.json` in the cache folder.

    Where the cache is another user's, as a teacher's for a class, it is in the user's own state folder.
    """
    if named := os.environ.get("COURSE_PROGRESS"):
        return pathlib.Path(named)
    path = runtime.cache_dir(create=False) / "progress.json"
    owner = next((each.stat().st_uid for each in (path, path.parent) if os.path.exists(each)), None)
    if owner is None or not hasattr(os, "getuid") or owner == os.getuid():
        return path
    return runtime.user_dir("XDG_STATE_HOME", ".local/state") / "progress.json"


def progress():
    """What is known of each question, by its id.

    Returns:
        Dict of dicts: `right`, whether it ever was; `tries`; the last try's `mistake` and a digest of its
        `answer`, each a str or None; and whether the `fuller` hint was given.

    Raises:
        ValueError: If the file does not hold that; the message says what to do.
    """
    path = progress_file()
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: {key: entry[key] for key in ENTRY} for name, entry in found.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a record of progress. Move it away and check again.") from error


def record(question_id, status, mistake=None, digest=None):
    """Notes a try; returns whether the fuller hint is due: for the same mistake in a changed answer.

    Progress is a convenience: where it cannot be kept, one line says so and the check goes on.
    """
    try:
        progress_file().parent.mkdir(parents=True, exist_ok=True)
        with _alone(progress_file()):
            known = progress()
            entry = known.get(question_id, dict.fromkeys(ENTRY))
            unchanged = digest is not None and digest == entry["answer"]
            again = mistake is not None and entry["mistake"] == mistake
            fuller = again and (entry["fuller"] or not unchanged)
            known[question_id] = {
                "right": bool(entry["right"]) or status == "right",  # What was once right stays done.
                "tries": (entry["tries"] or 0) + (not unchanged),
                "mistake": mistake,
                "answer": digest,
                "fuller": fuller,
            }
            with runtime.atomic_write(progress_file()) as temporary:
                temporary.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except (OSError, ValueError, RuntimeError) as error:
        print(f"(Progress could not be kept: {error})")
        return False
    return fuller


@contextlib.contextmanager
def _alone(path):
    """Lets one check at a time into the block, of all processes that keep their progress in the file `path`.

    The lock is on a file beside it, which stays, because `path` itself is replaced at each write. On Windows,
    and on drives without locks, there is none: two checks at the same moment may then lose one of the tries.
    """
    with contextlib.ExitStack() as stack:
        if fcntl:
            with contextlib.suppress(OSError):
                lock = stack.enter_context(path.with_name(f".{path.name}.lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# A whole notebook


def check_notebook(path, sandbox):
    """Marks every answer of a notebook.

    Args:
        path: The notebook, an exercise of this course.
        sandbox: A `sandbox.Sandbox` that runs the answers in a process of their own.

    Returns:
        A list of `Feedback`, in the order of the lesson's questions.

    Raises:
        ValueError: If it is not an exercise.
    """
    from course_lib.grading import sandbox as sandboxes
    from course_lib.grading import submissions

    answers = submissions.read_answers(pathlib.Path(path).read_bytes())
    asked = [
        question
        for word in questions.topics()
        if any(name.startswith(f"{word}-") for name in (*answers.sources, *answers.malformed))
        for question in questions.topic(word)
    ]
    if not asked:
        raise ValueError(f"{path} holds no answer cell of this course. Is it one of exercises/?")
    tasks = [
        sandboxes.Task(
            question.function,
            answers.sources.get(question.grade_id),
            expected(question.id).calls,
            question.returns,
            question.seconds,
        )
        for question in asked
    ]
    found = []
    for question, outcome in zip(asked, sandbox.run(tasks), strict=True):
        if reason := answers.malformed.get(question.grade_id):
            found.append(Feedback(question, "wrong", [("result", reason)]))
        elif outcome.status == "answered":
            digest = hashlib.sha256(answers.sources[question.grade_id].encode()).hexdigest()
            found.append(explain(question, expected(question.id), outcome.outputs, digest))
        else:
            word = "to do" if outcome.status == "not attempted" else "result"
            found.append(Feedback(question, outcome.status, [(word, outcome.message)]))
    return found
