"""Grades a class: answers run in a sandbox, inputs, references, comparison and score stay here.

This process never imports, unpickles or executes anything of a submission. Threads wait for the sandboxes,
one each; the main thread judges what they give back and writes all files.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import pathlib
import queue
import re
import zlib

import numpy as np

from course_lib import questions, runtime
from course_lib.grading import (
    answers,
    certificate,
    feedback,
    handback,
    judge,
    late,
    marks,
    platforms,
    roster,
    runs,
    similar,
    submissions,
    tables,
)
from course_lib.grading import gradescope as gradescope_files
from course_lib.grading import pool as pools

STATUSES = (
    "right",
    "wrong",
    "not attempted",
    "crashed",
    "timed out",
    "out of memory",
    "forbidden",
    "grader error",
)
MESSAGE_CHARACTERS = 1_000
# Addresses, and the sandbox's folder.
_VARYING = re.compile(r"\b0x[0-9a-fA-F]{6,}|[^\s'\"]*/course-grade-\w+(?:/child-\d+)?")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        folder: Where the results are.
        seed: What the inputs were drawn from.
        submissions: How many there are.
        graded: How many have a mark.
        unreadable: How many could not be read; they have no mark.
        grader_errors: How many have no mark because the grader failed; `resume` judges them again.
        resumed: How many of them an earlier run had done already.
        statuses: How many answers ended in which status.
        superseded: How many have no mark because a later one of the same learner counts.
        notes: What else an instructor should know, in sentences.
    """

    folder: pathlib.Path
    seed: int
    submissions: int
    graded: int
    unreadable: int
    grader_errors: int
    resumed: int
    statuses: dict[str, int]
    superseded: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self):
        lines = [f"{self.graded} of {self.submissions} submissions have a mark: {self.folder / 'grades.csv'}"]
        if self.resumed:
            lines.append(f"{self.resumed} of them were done in an earlier run.")
        if self.unreadable:
            lines.append(f"{self.unreadable} could not be read; the table says why.")
        if self.superseded:
            lines.append(f"{self.superseded} do not count, because a later one of the same learner does.")
        if self.grader_errors:
            lines.append(
                f"{self.grader_errors} have no mark because the grader failed: try them again with --resume."
            )
        counts = [f"{self.statuses[status]} {status}" for status in STATUSES if self.statuses.get(status)]
        lines.append(f"Answers: {', '.join(counts) or 'none'}. Seed: {self.seed}")
        return "\n".join([*lines, *self.notes])


def grade(
    paths,
    output,
    jobs=None,
    seed=None,
    only=None,
    resume=False,
    gradescope=False,
    trust=False,
    progress=None,
    *,
    partial=False,
    roster_file=None,
    late_after=None,
    late_penalty=0.0,
    overrides=None,
    moodle=False,
    canvas=False,
    nbgrader=False,
    title=None,
):
    """Grades all submissions in `paths`.

    Two runs with the same seed write the same bytes, but for seconds.csv, which is no part of the result.
    What stands in submissions/ is judged once; tables, pages and files for platforms are made from it at each
    run, so that `resume` also applies other overrides, penalties or a roster to a run that is done.

    Args:
        paths: Notebooks, folders and zip files; see `submissions.find`.
        output: Folder for the results: a new or empty one, or with `resume` that of the run to go on with.
        jobs: How many sandboxes work at a time; None takes one per core.
        seed: Non-negative integer from which inputs are drawn; None draws one. One below 2**63 can be
            guessed.
        only: Question id or list of ids to grade, or None for all.
        resume: Go on with a run that was ended early. What has a result keeps it.
        gradescope: Also write Gradescope's results.json, or one file each in results/ if there are several.
        trust: Run answers without confining them, for machines that cannot.
        progress: Function of (done, total) that is called after each submission; None shows a bar if stderr
            is a terminal.
        partial: Give a wrong answer its share of the points for the calls that it gets right.
        roster_file: A CSV file of the class; see `roster.read`.
        late_after: A time, as `late.Policy` takes it: what came later is late.
        late_penalty: Percent of the points that can be had that each late day, begun or whole, costs.
        overrides: A CSV file of marks that replace those given here; see `marks.read_overrides`.
        moodle: Also write Moodle's grading worksheet and a zip of feedback files.
        canvas: Also write a file for the import into Canvas' gradebook.
        nbgrader: Also write a table and a folder of feedback as nbgrader lays them out.
        title: What the platform calls the assignment; None takes the lesson's word.

    Returns:
        A `Summary`.

    Raises:
        ValueError: If an argument does not fit, nothing is found, or the folder holds something else.
        RuntimeError: If answers cannot be confined here, the sandbox does not start, or a question is faulty.
        OSError: If results cannot be written.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"`jobs` must be at least 1. Received: {jobs}")
    if seed is not None and seed < 0:
        raise ValueError(f"`seed` must not be negative. Received: {seed}")
    only = [only] if isinstance(only, str) else only
    only = None if not only else sorted({questions.get(question_id).id for question_id in only})
    policy = late.Policy(late_after, late_penalty)
    people = roster.read(roster_file) if roster_file else None
    changes = marks.read_overrides(overrides) if overrides else []
    _check_layers(trust)
    found = submissions.find(paths)
    matches = roster.match(people, found) if people else None
    changes = marks.resolve(changes, found, matches)
    output = pathlib.Path(output)
    # Marks, and the seed, are nobody else's on a machine that several share.
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    with runs.locked(output):
        seed, done = runs.open_run(output, found, seed, only, resume)
        results = _judge_all(output, found, done, seed, only, jobs, trust, progress)
        results = [results[submission.id] for submission in found]
        rows = marks.settle(results, found, policy, partial, changes, matches)
        _write_table(output / "grades.csv", rows)
        notes = _notes(seed, rows, policy)
        if people:
            notes += roster.write(output / "roster.csv", people, matches, rows)
        handback.write(output / "feedback", rows)
        similar.write(output / "similar.csv", rows)
        if gradescope:
            gradescope_files.write(output, rows)
        for wanted, write in (
            (moodle, platforms.write_moodle),
            (canvas, platforms.write_canvas),
            (nbgrader, platforms.write_nbgrader),
        ):
            if wanted:
                notes += write(output, rows, people, policy, title)
        made = {"roster.csv": people, "moodle": moodle, "canvas": canvas, "nbgrader": nbgrader}
        for name, wanted in (made | {"gradescope": gradescope}).items():
            if not wanted and (output / name).exists():
                option = name.removesuffix(".csv")
                notes.append(
                    f"{output / name} was not renewed and is of an earlier run: pass --{option} again."
                )
    states = collections.Counter(result["status"] for result in results)
    return Summary(
        folder=output,
        seed=seed,
        submissions=len(results),
        graded=states["graded"],
        unreadable=states["unreadable"],
        grader_errors=states["grader error"],
        resumed=len(done),
        statuses=dict(collections.Counter(q["status"] for result in results for q in result["questions"])),
        superseded=states["superseded"],
        notes=tuple(notes),
    )


def _notes(seed, rows, policy):
    """What an instructor should know of a run, in sentences."""
    notes = []
    if seed < runs.SMALL_SEEDS:
        notes.append(
            f"The seed {seed} is small enough to be guessed by an answer that tries them all: for marks that "
            "count, leave --seed away."
        )
    if policy.percent and policy.after is None:
        notes.append("Without --late-after only what Canvas calls late costs points.")
    if late_rows := [row for row in rows if row.late.days]:
        weak = sum(row.late.weak for row in late_rows)
        why = f", {weak} of them by the date of a file, which a copy changes: look at them" if weak else ""
        notes.append(f"{len(late_rows)} came late{why}.")
    if warned := sum(bool(row.warning) for row in rows):
        notes.append(f"Warnings in the table: {warned}. Read them before you give the marks out.")
    return notes


def _check_layers(trust):
    from course_lib.grading import sandbox

    missing = [] if trust else sandbox.missing_layers()
    if missing:
        raise RuntimeError(
            f"This machine cannot confine answers: {', '.join(missing)} is missing. Grade on Linux with a "
            "current kernel, or pass --trust-submissions to run them like programs of your own."
        )


def _open_sandbox(trust, frameworks):
    """Starts a sandbox; the tests put another in its place."""
    from course_lib.grading import sandbox

    return sandbox.Sandbox(confined=not trust, frameworks=frameworks)


# Judging.


def _judge_all(output, found, done, seed, only, jobs, trust, progress):
    """Judges what has no result yet and writes each result as soon as it is there; returns all, by id."""
    results, waiting = dict(done), queue.SimpleQueue()

    def finish(result):
        runs.write_json(output / "submissions" / f"{result['id']}.json", result)
        results[result["id"]] = result
        show(len(results), len(found))

    with contextlib.ExitStack() as stack:
        show = progress or stack.enter_context(pools.bar(len(found)))
        show(len(results), len(found))
        left = []
        for submission in found:
            if submission.id not in results:
                if why := _unreadable(submission):
                    finish(_result(submission, "unreadable", why, []))
                elif submission.superseded:
                    finish(_result(submission, "superseded", submission.superseded, []))
                else:
                    left.append(submission)
        if not left:
            return results
        # Of all submissions, not of those that are left: a run that was resumed gives the same results.
        frameworks = any(answers.use_frameworks(s.answers) for s in found if s.answers)
        start = functools.partial(_open_sandbox, trust, frameworks)
        pool = stack.enter_context(pools.Pool(min(jobs or pools.cores(), len(left)), start, waiting))
        # While the sandboxes start: the references, too, may have to import TensorFlow.
        lessons, graders = _prepare(sorted({submission.lesson for submission in left}), seed, only)
        count = 0
        for submission in left:
            asked = [q for q in lessons[submission.lesson] if _usable(q, submission)]
            if lessons[submission.lesson]:
                tasks = [graders[q.id].task(submission, only) for q in asked]
                waiting.put((submission, tasks, submission.answers.cells(asked)))
                count += 1
            else:
                why = f"No question of its lesson, {submission.lesson!r}, is to be graded."
                finish(_result(submission, "unreadable", why, []))
        file = stack.enter_context((output / "seconds.csv").open("a", encoding="utf-8"))
        for submission, outcomes in pool.outcomes(count):
            judged, times = _marks(submission, lessons[submission.lesson], graders, outcomes, only)
            failed = [mark["message"] for mark in judged if mark["status"] == "grader error"]
            finish(_result(submission, *(("grader error", failed[0]) if failed else ("graded", "")), judged))
            file.writelines(f"{submission.id},{name},{spent:.3f}\n" for name, spent in times)
            file.flush()
    return results


def _unreadable(submission):
    """Why a submission cannot be graded; empty if it can."""
    if submission.problem:
        return submission.problem
    if not submission.lesson:
        return "Neither its cells nor its name are of a lesson with questions."
    asked = {question.grade_id for question in questions.topic(submission.lesson)}
    if asked and not asked & {*submission.answers.sources, *submission.answers.malformed}:
        return (
            f"It has no answer to a question of its lesson, {submission.lesson!r}: the cells' metadata is "
            "gone, or it is another notebook. Copy the answers into a new exercise."
        )
    return ""


def _prepare(names, seed, only):
    """The questions of lessons, by lesson, and a `_Grader` for each question, by id."""
    runtime.quiet_logs()
    with runtime.hidden_stderr():
        lessons = {name: _wanted(name, only) for name in names}
        return lessons, {q.id: _Grader(q, seed) for asked in lessons.values() for q in asked}


def _wanted(lesson, only):
    """A lesson's questions up to the last one that is asked for: an answer may use earlier ones."""
    asked = list(questions.topic(lesson))
    while asked and only is not None and asked[-1].id not in only:
        asked.pop()
    return asked


def _usable(question, submission):
    return question.grade_id in submission.answers.sources


@functools.cache
def _key(seed):
    """What inputs are drawn from; so slow to make that an answer cannot try many seeds while it runs."""
    text = str(seed).encode()
    key = hashlib.scrypt(text, salt=b"course grade", n=2**15, r=8, p=2, maxmem=2**27, dklen=32)
    return int.from_bytes(key, "big")


class _Grader:
    """A question with the inputs of this run, and what the reference and the mistakes make of them."""

    def __init__(self, question, seed):
        self.question = question
        rng = np.random.default_rng([_key(seed), zlib.crc32(question.id.encode())])
        self.expected = judge.expected(question, question.calls(rng))

    def task(self, submission, only):
        """What the sandbox is to run: of a question that is not asked for, only the answer's cell."""
        from course_lib.grading import sandbox

        wanted = only is None or self.question.id in only
        return sandbox.Task(
            name=self.question.function,
            source=submission.answers.sources[self.question.grade_id],
            calls=self.expected.calls if wanted else [],
            forms=self.question.returns,
            seconds=self.question.seconds,
        )

    def mark(self, outcome):
        """What is said of an answer, as a dict with the keys of a mark."""
        if outcome.status != "answered":
            status = "wrong" if outcome.status == "malformed" else outcome.status
            told = [] if status == "not attempted" else feedback.failed(self.question, outcome).lines[1:]
            return {"status": status, "message": outcome.message, "hint": _told(told)}
        calls = len(outcome.outputs)
        with np.errstate(all="ignore"):
            verdict = judge.verdict(self.question, self.expected, outcome.outputs)
            if verdict.status == "right":
                return {"status": "right", "message": " ".join(verdict.notes), "calls_right": calls}
            told = feedback.hints(self.question, self.expected, outcome.outputs, verdict)
        return {
            "status": "wrong",
            "message": f"Call {verdict.call + 1}: " * (calls > 1) + verdict.message,
            "mistake": "+".join(each.name for each in verdict.mistakes) or None,
            "hint": _told(told),
            "call": handback.call_text(self.question, self.expected.calls[verdict.call]),
            "calls_right": calls - len(verdict.wrong),
        }


def _told(lines):
    return "\n".join(text for _, text in lines) or None


def _marks(submission, asked, graders, outcomes, only):
    """Marks the answers of one submission.

    Args:
        submission: The `Submission`.
        asked: The questions that were to run.
        graders: `_Grader` by question id.
        outcomes: What the sandbox gave back for those with an answer, or an exception.
        only: As for `grade`.

    Returns:
        A list of marks, and a list of (question, seconds).
    """
    failure = outcomes if isinstance(outcomes, Exception) else None
    rest = iter([] if failure else outcomes)
    found, times = [], []
    for question in asked:
        outcome = None
        if _usable(question, submission) and not failure:
            outcome = next(rest)
            times.append((question.id, outcome.seconds))
        if only is not None and question.id not in only:
            continue
        if question.grade_id in submission.answers.malformed:
            said = {"status": "wrong", "message": submission.answers.malformed[question.grade_id]}
        elif not _usable(question, submission):
            said = {
                "status": "not attempted",
                "message": f"The notebook has no cell {question.grade_id!r}.",
            }
        elif failure:
            said = {"status": "grader error", "message": f"The grader failed: {failure}"}
        else:
            try:
                said = graders[question.id].mark(outcome)
                if said["status"] not in STATUSES:
                    raise ValueError(f"unknown status {said['status']!r}")
            except Exception as error:  # Whatever goes wrong here is not the learner's fault.
                message = f"The grader failed: {type(error).__name__}: {error}"
                said = {"status": "grader error", "message": message}
        status, code = said["status"], submission.answers.sources.get(question.grade_id)
        found.append(
            {
                "id": question.id,
                "title": question.title,
                "status": status,
                "points": None if status == "grader error" else question.points * (status == "right"),
                "of": question.points,
                "message": _plain(said["message"]),
                "mistake": said.get("mistake"),
                "hint": said.get("hint"),
                "start": question.hint if status == "not attempted" else None,
                "call": said.get("call"),
                "calls": len(graders[question.id].expected.calls),
                "calls_right": said.get("calls_right", 0),
                "code": code,
                "digest": None if code is None else certificate.answer_digest(code),
            }
        )
    return found, times


def _result(submission, status, message, found):
    """What is written of a submission. Without a mark, `points` is None: that is not the same as 0."""
    return {
        "id": submission.id,
        "student": submission.student,
        "source": submission.source,
        "sha256": submission.sha256,
        "lesson": submission.lesson,
        "status": status,
        "message": _plain(message),
        "warning": submission.warning,
        "points": sum(mark["points"] for mark in found) if status == "graded" else None,
        "of": sum(mark["of"] for mark in found) if found else None,
        "remarks": submission.answers.problems if submission.answers else [],
        "questions": found,
    }


def _plain(text):
    """A text of a submission as one printable line of bounded length, the same in every run."""
    text = _VARYING.sub("...", text[: 10 * MESSAGE_CHARACTERS])
    text = text.encode("utf-8", "replace").decode()
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= MESSAGE_CHARACTERS else text[: MESSAGE_CHARACTERS - 4] + " ..."


# Tables.


def _write_table(path, rows):
    """One row per submission, with two columns per question."""
    columns = _columns(rows)
    head = ["student", "id", "source", "lesson", "status", "points", "of", "message"]
    more = ["warning", "number", "submitted", "late", "before penalty", "comment"]
    people = ["roster id", "roster name", "email"] if any(row.person for row in rows) else []
    table = [
        [*head, *more, *people, *(f"{name} {what}" for name in columns for what in ("points", "status"))]
    ]
    for row in rows:
        result = row.result
        person = row.person
        cells = [result["student"], result["id"], result["source"], result["lesson"], result["status"]]
        cells += [row.points, result["of"], result["message"], row.warning, row.number]
        cells += [row.late.time, row.late.text, row.earned if row.late.penalty else None, row.comment]
        cells += [person.id, person.name, person.email] if person else [None] * len(people)
        asked = {mark["id"]: mark for mark in result["questions"]}
        for name in columns:
            mark = asked.get(name)
            cells += [row.question_points[name], mark["status"]] if mark else [None, None]
        table.append(cells)
    tables.write_csv(path, table)


def _columns(rows):
    """The questions that occur, lessons in alphabetical order, each lesson's in its own."""
    present = {mark["id"] for row in rows for mark in row.result["questions"]}
    lessons = sorted({name.partition(".")[0] for name in present})
    return [q.id for lesson in lessons for q in questions.topic(lesson) if q.id in present]
