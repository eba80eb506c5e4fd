"""What a learner reads: `check` in the notebook, and the record of what is done.

Answers run here in the learner's own process; marks that count come from `course_lib.grading.grade`.
"""

import contextlib
import dataclasses
import functools
import hashlib
import html
import io
import json
import marshal
import os
import pathlib
import re
import sys
import sysconfig
import traceback

import numpy as np

from course_lib import questions, runtime
from course_lib.grading import cells, diagnosis, exceptions, judge, kept, worker

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None

COLOURS = {"right": "#1b7837", "wrong": "#b35806", "not attempted": "#4d7ea8"}
CODE = ("call", "gave", "where", "printed", "example")  # Columns of numbers must line up.
CODE_STYLE = ";font-family:monospace"
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
            f'<tr><td style="{cell};opacity:.7;white-space:nowrap">{word}</td>'
            f'<td style="{cell};white-space:pre-wrap{CODE_STYLE * (word in CODE)}">{_inline(text)}</td></tr>'
            for word, text in self.lines
        )
        return (
            f'<div style="border-left:4px solid {colour};padding:2px 10px">'
            f'<b style="color:{colour}">{html.escape(self.headline)}</b>'
            + (f'<table style="margin:2px 0;border:none">{rows}</table>' if rows else "")
            + "</div>"
        )


def _inline(text):
    """Text as HTML, with `code` between backticks."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text))


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
    """Runs an answer in this process, judges it, records it, and returns the `Feedback`.

    It runs as where marks are given: without the course's library and without `input`.
    """
    if cells.of_course(answer):
        return Feedback(
            question, "wrong", [("result", cells.closed(f"{answer.__module__}.{question.function}"))]
        )
    if not callable(answer):
        lines = [("result", f"{question.function} must be a function. Received: {type(answer).__name__}")]
        return Feedback(question, "wrong", lines)
    expectation = expected(question.id)
    outputs, errors, printed = [], [], []
    for arguments in expectation.calls:
        with contextlib.redirect_stdout(io.StringIO()) as stdout, cells.closed_to(answer):
            outcome, error = judge.outcome(answer, arguments, question.returns)
        if type(error) is NotImplementedError:  # Libraries raise kinds of their own, which are no stubs.
            message = worker.unfinished(error, question.function)
            return Feedback(question, "not attempted", [("to do", message)])
        outputs.append(outcome)
        errors.append(error)
        printed.append(stdout.getvalue())
    code = getattr(answer, "__code__", None)
    digest = hashlib.sha256(marshal.dumps(code)).hexdigest() if code else None
    return explain(question, expectation, outputs, digest, errors, printed, cells.remarks(answer, _history()))


def _history():
    """Sources of the cells that this notebook has run; empty outside of one."""
    if "IPython" not in sys.modules:
        return []
    shell = sys.modules["IPython"].get_ipython()
    return [source for source in shell.user_ns.get("_ih", []) if isinstance(source, str)] if shell else []


@functools.cache
def expected(question_id):
    """The right outputs of a question, and those of its mistakes, on the inputs that `check` uses."""
    return kept.expected(questions.get(question_id))


def calls(question_id):
    """The inputs of `check`: a list of argument tuples, to call an answer with what it failed on."""
    return kept.draw(questions.get(question_id))


def explain(question, expectation, outputs, digest=None, errors=(), printed=(), remarks=()):
    """Judges packed outputs, records the result, and puts it into words.

    Args:
        question: The `Question`.
        expectation: Of `judge.expected`.
        outputs: One entry per call, a list of arrays or `judge.Raised`.
        digest: Of the answer's code: only a changed answer is a second try.
        errors: The exception behind each `Raised`, for its traceback, else None.
        printed: What each call printed.
        remarks: What else the learner should know, in sentences.

    Returns:
        A `Feedback`.
    """
    verdict = judge.verdict(question, expectation, outputs)
    names = "+".join(mistake.name for mistake in verdict.mistakes) or (
        "" if verdict.status == "right" else GENERAL
    )
    step = record(question.id, verdict.status, names or None, digest)
    notes = [("note", text) for text in (*verdict.notes, *remarks)]
    if verdict.status == "right":
        return Feedback(question, "right", notes)
    lines = [("call", call_text(question, verdict.call, expectation.calls[verdict.call]))]
    output = outputs[verdict.call]
    if not isinstance(output, judge.Raised):
        lines.append(("gave", judge.describe(question, output)))
    lines.append(("result", verdict.message))
    if errors and errors[verdict.call] is not None and output.kind != "FormError":
        lines.append(("where", own_lines(errors[verdict.call])))
    if printed:
        lines.append(("printed", printed[verdict.call].rstrip()[:2000]))
    lines += hints(question, expectation, outputs, verdict, step)
    return Feedback(question, "wrong", [(word, text) for word, text in (*lines, *notes) if text])


def hints(question, expectation, outputs, verdict, step=0):
    """What helps with a wrong answer: pairs of a word and a text.

    Args:
        question: The `Question`.
        expectation: Of `judge.expected`.
        outputs: One entry per call.
        verdict: Of `judge.verdict`.
        step: 0 for the first hint, 1 for the fuller one, 2 for a worked example besides.
    """
    lines = []
    if not verdict.mistakes and judge.only_form(question, expectation, outputs, verdict.wrong):
        return []  # The message says all.
    if verdict.mistakes:
        several = len(verdict.mistakes) > 1
        if several:
            lines.append(
                ("hint", "Two mistakes at once, it seems. Each of these is said as if it were the only one:")
            )
        for mistake in verdict.mistakes:
            lines.append(("hint" if not several else "one of 2", mistake.more if step else mistake.hint))
    else:
        output = outputs[verdict.call]
        if isinstance(output, judge.Raised) and output.kind != "FormError":
            lines.append(("clue", exceptions.explain(output)))
        lines += [
            ("clue", text) for text in diagnosis.findings(question, expectation, outputs, verdict.wrong)
        ]
        lines.append(("hint", (question.more or question.hint) if step else question.hint))
    if step > 1:
        lines.append(("example", example(question, expectation, verdict)))
    return [(word, text) for word, text in lines if text]


def example(question, expectation, verdict):
    """A small call and its right result, as text.

    The shortest call that went wrong, because that shows the mistake; if none is short, the question's own.
    """
    wrong = () if question.judge else verdict.wrong
    texts = [_worked(question, expectation.calls[i], expectation.outputs[i]) for i in wrong]
    shortest = min(texts, key=len, default="")
    if 0 < len(shortest) <= SHORT:
        return shortest
    return _worked(question, question.example, kept.example(question)) if question.example else ""


def _worked(question, arguments, packed):
    given = ", ".join(
        f"{name}={literal(value)}" for name, value in zip(question.arguments, arguments, strict=False)
    )
    results = []
    for _, form, value in judge.parts(question, packed):
        if form == "ragged":
            results.append([row.tolist() for row in judge.rows(*value)])
        else:
            results.append(value if form == "array" else value.tolist())
    result = ", ".join(map(literal, results))
    return f"{question.function}({given})\nis {result if len(results) == 1 else f'({result})'}"


def literal(value):
    """A value as a learner would type it, floats to six digits."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"np.array({literal(value.tolist())})" if value.size else f"np.zeros({value.shape})"
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.item()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(literal, value)) + (
            "," if isinstance(value, tuple) and len(value) == 1 else ""
        )
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, float):
        return (
            f"{value:.6g}"
            if np.isfinite(value)
            else {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(value)]
        )
    return repr(value)


def call_text(question, index, arguments):
    """A call as a reader sees it, and how to repeat it."""
    again = f'{question.function}(*calls("{question.id}")[{index}])'
    return f"{again}, which has\n{arguments_text(question, arguments)}"


def arguments_text(question, arguments):
    """The arguments of a call, a line each: small ones in full, arrays by shape and dtype."""
    shown = []
    for name, value in zip(question.arguments, arguments, strict=False):
        if isinstance(value, np.ndarray):
            text = f"{name}: {value.dtype} array of shape {value.shape}"
            if value.size <= 12:
                text += " " + np.array2string(value, precision=4, separator=", ")
        else:
            text = f"{name} = {value!r}"
        shown.append(text if len(text) <= 200 else text[:200] + " ...")
    return "\n".join(shown)


def own_lines(error):
    """The learner's own lines of a traceback: not Python's, not a library's, not the course's."""
    skip = (
        *(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        str(pathlib.Path(__file__).parents[1]),
    )
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(skip) and frame.line]
    return "\n".join(f"line {frame.lineno}: {frame.line}" for frame in own)


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

ENTRY = ("right", "tries", "mistake", "answer", "step")
SHORT = 400  # Characters of an example.
GENERAL = "?"  # Stands for a mistake that is not known.


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
        `answer`, each a str or None; and which `step` of its hints was given last, an int or None.

    Raises:
        ValueError: If the file does not hold that; the message says what to do.
    """
    path = progress_file()
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: {key: entry.get(key) for key in ENTRY} for name, entry in found.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a record of progress. Move it away and check again.") from error


def record(question_id, status, mistake=None, digest=None):
    """Notes a try; returns which hint is due: 0, and one more for each changed answer with the same mistake.

    Progress is a convenience: where it cannot be kept, one line says so and the check goes on.
    """
    try:
        progress_file().parent.mkdir(parents=True, exist_ok=True)
        with _alone(progress_file()):
            known = progress()
            entry = known.get(question_id, dict.fromkeys(ENTRY))
            unchanged = digest is not None and digest == entry["answer"]
            again = mistake is not None and entry["mistake"] == mistake
            step = ((entry["step"] or 0) + (not unchanged)) if again else 0
            known[question_id] = {
                "right": bool(entry["right"]) or status == "right",  # What was once right stays done.
                "tries": (entry["tries"] or 0) + (not unchanged),
                "mistake": mistake,
                "answer": digest,
                "step": step,
            }
            with runtime.atomic_write(progress_file()) as temporary:
                temporary.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        print(f"(Progress could not be kept: {error})")
        return 0
    return step


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
    from course_lib.grading import answers
    from course_lib.grading import sandbox as sandboxes

    found = answers.read_answers(pathlib.Path(path).read_bytes())
    asked = [
        question
        for word in questions.topics()
        if any(name.startswith(f"{word}-") for name in (*found.sources, *found.malformed))
        for question in questions.topic(word)
    ]
    if not asked:
        raise ValueError(f"{path} holds no answer of this course. Is it one of exercises/?")
    tasks = [
        sandboxes.Task(
            question.function,
            found.sources.get(question.grade_id),
            expected(question.id).calls,
            question.returns,
            question.seconds,
        )
        for question in asked
    ]
    marked = []
    for question, outcome in zip(asked, sandbox.run(tasks, found.cells(asked)), strict=True):
        if reason := found.malformed.get(question.grade_id):
            marked.append(Feedback(question, "wrong", [("result", reason)]))
        elif outcome.status == "answered":
            digest = hashlib.sha256(found.sources[question.grade_id].encode()).hexdigest()
            left_out = cells.plain(found.sources[question.grade_id])[1]
            notes = [f"Left out, because only IPython knows it: {name}" for name in left_out]
            marked.append(explain(question, expected(question.id), outcome.outputs, digest, remarks=notes))
        elif outcome.status == "not attempted" and question.grade_id not in found.sources:
            missing = f"The answer's cell is missing. `course reset {path}` brings it back; yours is kept."
            marked.append(Feedback(question, "not attempted", [("to do", missing)]))
        else:
            marked.append(failed(question, outcome))
    return marked


def failed(question, outcome):
    """The `Feedback` for an answer that returned nothing: it raised, or was ended."""
    if outcome.status == "not attempted":
        return Feedback(question, outcome.status, [("to do", outcome.message)])
    lines = [
        ("result", outcome.message),
        ("clue", exceptions.explain_text(outcome.message)),
        ("hint", question.hint),
    ]
    return Feedback(question, outcome.status, [(word, text) for word, text in lines if text])
