"""From what was judged to the mark that is given: partial credit, late penalties, the instructor's word."""

import dataclasses
import math

from course_lib import questions
from course_lib.grading import identity, late, roster, tables


@dataclasses.dataclass(frozen=True)
class Override:
    """A mark that the instructor gives.

    Attributes:
        line: Where it stands in its file.
        student: As the file names them.
        question: A question's id, or `"total"`, also of one lesson, as in `"attention.total"`.
        points: The points that count.
        comment: For the learner to read.
    """

    line: int
    student: str
    question: str
    points: float | None
    comment: str


@dataclasses.dataclass(frozen=True)
class Row:
    """A submission with the mark that is given.

    Attributes:
        result: What was judged, as it stands in submissions/.
        submission: The `submissions.Submission`.
        person: The `roster.Person`, or None.
        late: The `late.Late`.
        question_points: Points by question id, after partial credit and overrides.
        question_comments: The instructor's comments, by question id.
        earned: Points before a penalty, or None.
        points: Points that count, or None without a mark.
        warning: What to look at before the mark is given.
        comment: The instructor's comment.
    """

    result: dict
    submission: object
    person: roster.Person | None
    late: late.Late
    question_points: dict
    question_comments: dict
    earned: float | None
    points: float | None
    warning: str
    comment: str

    @property
    def number(self):
        """The platform's own number of the learner."""
        return self.submission.learner.number

    def outcome(self, mark):
        """How an answer ended: its status, or "counted as right" if the instructor gave it all points."""
        points = self.question_points[mark["id"]]
        given = points is not None and points >= mark["of"] and mark["id"] in self.question_comments
        return "counted as right" if given and mark["status"] != "right" else mark["status"]

    @property
    def counts(self):
        """Whether no later submission of the learner counts in its place."""
        return self.result["status"] != "superseded"


def read_overrides(path):
    """Reads marks that the instructor gives.

    Args:
        path: A CSV file with the columns student, question, points and comment. A student is named as in
            grades.csv or in the class list; the question is an id or "total". Without points the comment
            stands alone.

    Returns:
        List of `Override`.

    Raises:
        ValueError: If it is no such file.
    """
    columns, rows = tables.read_csv(path)
    student = tables.column(columns, "student", "id", "name", "email")
    question = tables.column(columns, "question", "what")
    names = [student, question, tables.column(columns, "points", "score", "grade")]
    if None in names:
        raise ValueError(
            f"{identity.printable(path)} must have the columns student, question, points and, if you like, "
            f"comment. It has: {identity.printable(', '.join(columns), 200)}"
        )
    comment = tables.column(columns, "comment", "comments", "remark")
    found, seen = [], {}
    for line, row in rows:
        student, question, text = (row.get(name, "") for name in names)
        where = f"{identity.printable(path)}, line {line}"
        question = question or "total"
        if not question.endswith("total"):
            try:
                questions.get(question)
            except (ValueError, KeyError) as error:
                raise ValueError(f"{where}: {error}") from None
        try:
            points = _number(float(text.replace(",", "."))) if text else None
        except ValueError:
            points = math.nan
        if points is not None and not 0 <= points < math.inf:
            raise ValueError(f"{where}: the points must be a number, 0 or more. Received: {text!r}")
        if (student, question) in seen:
            raise ValueError(f"{where}: line {seen[student, question]} is of the same student and question.")
        seen[student, question] = line
        found.append(Override(line, student, question, points, row.get(comment, "") if comment else ""))
    return found


def resolve(overrides, found, matches):
    """Finds the submission that each override is of.

    Args:
        overrides: List of `Override`.
        found: List of `submissions.Submission`.
        matches: Of `roster.match`, or None.

    Returns:
        A dict of lists of `Override` by submission id.

    Raises:
        ValueError: If one is of nobody or of several submissions.
    """
    resolved = {}
    for override in overrides:
        wanted = override.student.casefold()
        lesson = override.question.rpartition(".")[0] if override.question.endswith("total") else (
            override.question.partition(".")[0])  # fmt: skip
        fitting = []
        for submission in found:
            person = (matches or {}).get(submission.id)
            names = [submission.student, submission.id, submission.learner.number]
            names += [person.id, person.name, person.email] if person else []
            own = wanted in [name.casefold() for name in names if name]
            if own and not submission.superseded and lesson in ("", submission.lesson):
                fitting.append(submission)
        exact = [s for s in fitting if s.id.casefold() == wanted]
        fitting = exact or fitting
        if len(fitting) != 1:
            what = "fits no submission: name the student as in grades.csv or in the class list"
            if fitting:
                what = (
                    f"fits {len(fitting)} submissions: name the id of one in grades.csv, or a lesson, as in "
                    "attention.total"
                )
            student = identity.printable(override.student, 60)
            raise ValueError(f"Overrides, line {override.line}: {student!r}, {override.question!r} {what}.")
        same = resolved.setdefault(fitting[0].id, {})
        what = "total" if override.question.endswith("total") else override.question
        other = same.setdefault(what, override)
        if other is not override:  # By another name of the student.
            raise ValueError(
                f"Overrides, line {override.line}: line {other.line} is of the same student and question."
            )
    return {name: list(same.values()) for name, same in resolved.items()}


def settle(results, found, policy, partial, overrides, matches):
    """Makes the marks that are given.

    Args:
        results: What was judged, in the order of `found`.
        found: List of `submissions.Submission`.
        policy: A `late.Policy`.
        partial: Whether a wrong answer gets a share for the calls that are right.
        overrides: Of `resolve`.
        matches: Of `roster.match`, or None.

    Returns:
        List of `Row`.
    """
    rows = []
    for result, submission in zip(results, found, strict=True):
        points = {mark["id"]: _points(mark, partial) for mark in result["questions"]}
        comments, total, warning = {}, None, submission.warning
        for override in overrides.get(submission.id, []):
            if override.question.endswith("total"):
                total = override
            elif override.question in points:
                comments[override.question] = override.comment
                if override.points is not None:
                    points[override.question] = override.points
                    full = next(mark["of"] for mark in result["questions"] if mark["id"] == override.question)
                    if override.points > full:
                        warning += f" The override of {override.question} gives more than its {full} points."
            else:
                warning += f" The override of {override.question} is of a question that was not marked."
        lateness = late.Late()
        earned = given = None
        if result["status"] != "superseded":
            lateness = policy.late(submission, result["of"], (matches or {}).get(submission.id))
            if result["questions"] and None not in points.values():
                earned = _number(sum(points.values()))
                given = _number(max(earned - lateness.penalty, 0))
        if total and total.points is not None:
            given = total.points  # The last word, so that no penalty is taken from it.
            if given > (result["of"] or given):
                warning += f" The override gives more than the {result['of']} points that can be had."
            lateness = dataclasses.replace(lateness, penalty=0.0)
        rows.append(
            Row(
                result,
                submission,
                (matches or {}).get(submission.id),
                lateness,
                points,
                comments,
                earned,
                given,
                warning.strip(),
                total.comment if total else "",
            )
        )
    return rows


def _points(mark, partial):
    if partial and mark["status"] == "wrong" and mark["calls"]:
        return _number(mark["of"] * mark["calls_right"] / mark["calls"])
    return mark["points"]


def _number(value):
    """At most two decimals, and none if there need be none."""
    value = round(value, 2)
    return int(value) if value == int(value) else value
