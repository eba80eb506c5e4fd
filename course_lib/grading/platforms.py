"""Writes marks and feedback as Moodle, Canvas and nbgrader take them.

Only one row per learner goes out. Who has several of which nothing tells the last is left out and named: a
mark that may be the wrong one is not uploaded.
"""

import collections
import contextlib
import pathlib
import re

from course_lib import runtime
from course_lib.grading import handback, identity, submissions, tables


def write_moodle(output, rows, people, policy, title):
    """Writes moodle/grades.csv, a grading worksheet, and moodle/feedback.zip, both for each lesson.

    Moodle finds a learner by the number in the worksheet's Identifier and in the folder's name; both are
    those of the download. A class list that is Moodle's own worksheet is filled in.
    """
    notes, folder = [], output / "moodle"
    folder.mkdir(exist_ok=True)
    for lesson, chosen in _lessons(rows, "moodle", notes):
        ending = f"-{lesson}" if _several(rows) else ""
        by = {row.number: row for row in chosen}
        worksheet = _worksheet(people)
        if worksheet:
            head, columns = worksheet
            _compare_maximum(people, chosen, notes)
            table = [head]
            for person in people:
                cells, row = dict(person.row), by.get(re.sub(r"\D", "", person.id))
                if row and row.points is not None:
                    cells[columns["grade"]] = row.points
                    if columns["comments"]:
                        cells[columns["comments"]] = _comment(row)
                table.append([cells.get(name, "") for name in head])
        else:
            table = [["Identifier", "Full name", "Grade", "Maximum grade", "Last modified (grade)",
                      "Feedback comments"]]  # fmt: skip
            for row in chosen:
                name, full = row.submission.learner.own_name, row.result["of"]
                table.append([f"Participant {row.number}", name, _mark(row), full, "", _comment(row)])
        tables.write_csv(folder / f"grades{ending}.csv", table, mark=False)
        pages = {}
        for row in chosen:
            name = row.submission.learner.own_name.replace("/", " ")
            place = f"{name}_{row.number}_assignsubmission_file_/feedback.html"
            pages[place] = handback.page(row).encode()
        tables.write_zip(folder / f"feedback{ending}.zip", pages)
    return [*notes, f"For Moodle: {folder}"]


def _worksheet(people):
    """The columns of a class list that is Moodle's worksheet, and those to fill in; else None."""
    head = list(people[0].row) if people else []
    columns = {
        "id": tables.column(head, "identifier"),
        "grade": tables.column(head, "grade"),
        "comments": tables.column(head, "feedbackcomments"),
    }
    return (head, columns) if columns["id"] and columns["grade"] else None


def _compare_maximum(people, chosen, notes):
    """Notes it if Moodle's points for the assignment are others than the course's."""
    name = tables.column(people[0].row, "maximumgrade")
    full = max(row.result["of"] or 0 for row in chosen)
    with contextlib.suppress(TypeError, ValueError):
        maximum = float(people[0].row[name].replace(",", ".")) if name else full
        if full and maximum != full:
            notes.append(
                f"Moodle's maximum is {maximum:g} points and the course's {full}: set the assignment's "
                f"maximum to {full} before you upload the marks."
            )


def write_canvas(output, rows, people, policy, title):
    """Writes canvas/gradebook.csv for the import into Canvas' gradebook, a column per lesson.

    Canvas finds a learner by the ID. If the class list is an export of the gradebook, names, logins and
    sections are those that stand there, and an assignment of it keeps its column's name if `title` begins it.
    """
    notes, folder = [], output / "canvas"
    folder.mkdir(exist_ok=True)
    lessons = dict(_lessons(rows, "canvas", notes))
    listed = {re.sub(r"\D", "", person.id): person for person in people or ()}
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    existing = list(people[0].row) if people else []
    titles = {}
    for lesson in lessons:
        wanted = title if title and len(lessons) == 1 else f"{title} {lesson}" if title else lesson
        known = [name for name in existing if re.fullmatch(re.escape(wanted) + r"( \(\d+\))?", name)]
        titles[lesson] = known[0] if known else wanted
        if existing and not known:
            notes.append(
                f"The class list has no column {wanted!r}: Canvas will ask whether to make an assignment of "
                "that name. If it should not, pass --title with the assignment's name."
            )
    table = [[*head, *titles.values()]]
    fulls = [max(row.result["of"] or 0 for row in lessons[lesson]) for lesson in lessons]
    table.append(["    Points Possible", "", "", "", "", *fulls])
    by = collections.defaultdict(dict)
    for lesson, chosen in lessons.items():
        for row in chosen:
            by[row.number][lesson] = row
    for number, marks in by.items():
        person = listed.get(number)
        row = next(iter(marks.values()))
        cells = person.row if person else {}
        names = [tables.column(cells, key) for key in ("student", "sisuserid", "sisloginid", "section")]
        student, user, login, section = (cells.get(name, "") if name else "" for name in names)
        student = student or row.submission.learner.own_name
        table.append([student, number, user, login, section,
                      *(_mark(marks[lesson]) if lesson in marks else "" for lesson in lessons)])  # fmt: skip
    tables.write_csv(folder / "gradebook.csv", table, mark=False)
    return [*notes, f"For Canvas: {folder / 'gradebook.csv'}"]


def write_nbgrader(output, rows, people, policy, title):
    """Writes nbgrader/grades.csv, as `nbgrader export` does, and nbgrader/feedback/LEARNER/ASSIGNMENT/.

    The folder is laid out as `nbgrader release_feedback` wants it.
    """
    notes, folder = [], output / "nbgrader"
    folder.mkdir(exist_ok=True)
    head = ["assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email",
            "raw_score", "late_submission_penalty", "score", "max_score"]  # fmt: skip
    due = policy.after.isoformat(" ") if policy.after else ""
    table = [head]
    for lesson, chosen in _lessons(rows, "nbgrader", notes):
        handed = set()
        full = max(row.result["of"] or 0 for row in chosen)
        for row in chosen:
            learner, places = row.submission.learner, re.split(r"[/\\!]", row.result["source"])
            below = places[places.index("submitted") + 2 :] if "submitted" in places else []
            assignment = title or (below[0] if len(below) > 1 else lesson)
            last, first, email = _names(row.person)
            table.append([assignment, due, row.late.time, learner.name, last, first, email, row.earned,
                          row.late.penalty, _mark(row), row.result["of"] or full])  # fmt: skip
            handed.add(row.person)
            stem = identity.printable(identity.stem(places[-1]), 60) or "feedback"
            place = folder / "feedback" / _folder(learner.name) / _folder(assignment)
            place.mkdir(parents=True, exist_ok=True)
            _copy_stamps(row, place)
            with runtime.atomic_write(place / f"{identity.slug(stem)}.html", private=True) as part:
                part.write_text(handback.page(row), encoding="utf-8")
        for person in people or ():
            if person not in handed:
                last, first, email = _names(person)
                who = person.id or person.name
                table.append([title or lesson, due, "", who, last, first, email, 0.0, 0.0, 0.0, full])
    tables.write_csv(folder / "grades.csv", table, mark=False)
    return [*notes, f"For nbgrader: {folder}"]


def _copy_stamps(row, place):
    """Copies what `nbgrader release_feedback` needs beside a page: whose submission of when it is of."""
    path = pathlib.Path(row.result["source"])
    if "submitted" not in path.parts:
        return
    depth = path.parts.index("submitted")
    for name in ("timestamp.txt", "submission_secret.txt"):
        with contextlib.suppress(OSError, ValueError):
            with submissions.regular(pathlib.Path(*path.parts[: depth + 3], name)) as file:
                data = file.read(1_000)
            with runtime.atomic_write(place / name, private=True) as part:
                part.write_bytes(data)


def _folder(name):
    """A name as it is, since nbgrader looks for that, if it can be a folder's."""
    safe = name == identity.printable(name, 100) and not re.search(r"^\.|[/\\]", name)
    return name if safe and len(name.encode()) <= 200 else identity.slug(name)


def _names(person):
    """Last name, first name and email of a person, as far as the class list has them."""
    if person is None:
        return "", "", ""
    last, comma, first = person.name.partition(",")
    if not comma:
        first, _, last = person.name.rpartition(" ")
    return last.strip(), first.strip(), person.email


def _lessons(rows, platform, notes):
    """Yields each lesson with the rows that go out; adds to `notes` who does not."""
    known = [row for row in rows if row.counts and row.submission.learner.platform == platform]
    if foreign := [row for row in rows if row.counts and row.submission.learner.platform != platform]:
        notes.append(
            f"{len(foreign)} submissions do not come from {platform}'s layout and are not in its files, "
            f"such as {foreign[0].result['student']}."
        )
    groups = collections.defaultdict(list)
    for row in known:
        groups[row.result["lesson"], row.submission.learner.key].append(row)
    lessons = collections.defaultdict(list)
    for (lesson, _), group in groups.items():
        marked = [row for row in group if row.points is not None]
        if len(group) == 1:
            lessons[lesson].append(group[0])
        elif len(marked) == 1:
            lessons[lesson].append(marked[0])
        else:
            notes.append(
                f"Not in {platform}'s files, because several may count: {group[0].result['student']}."
            )
    for lesson in sorted(filter(None, lessons)):
        yield lesson, lessons[lesson]
    if lost := lessons.get(""):
        notes.append(f"Not in {platform}'s files, because they have no mark: "
                     f"{', '.join(row.result['student'] for row in lost[:5])}.")  # fmt: skip


def _several(rows):
    return len({row.result["lesson"] for row in rows if row.result["lesson"]}) > 1


def _mark(row):
    """The mark, empty without one: that is not the same as 0."""
    return "" if row.points is None else row.points


def _comment(row):
    """One line for a platform's field of comments."""
    said = [f"{mark['title']}: {row.outcome(mark)}" for mark in row.result["questions"]]
    parts = [row.comment, row.result["message"], f"Late: {row.late.text}" if row.late.text else ""]
    return "; ".join(filter(None, [*parts, *said]))
