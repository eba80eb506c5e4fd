"""The class report: one HTML page with its pictures inside, made from what `grade` wrote."""

import base64
import collections
import contextlib
import html
import io
import json
import pathlib
import re

import numpy as np

from course_lib import plots, runtime
from course_lib.grading import tables
from course_lib.grading.grade import STATUSES
from course_lib.questions import number as lesson_number

CODE_CHARACTERS = 5_000  # Of an example.
# Neighbours differ in lightness and hatch, so that a grey print tells them apart.
_LOOKS = {
    "right": ("#56B4E9", ""),
    "wrong": ("#E69F00", "//"),
    "not attempted": ("#FFFFFF", ""),
    "crashed": ("#D55E00", "xx"),
    "timed out": ("#CC79A7", ".."),
    "out of memory": ("#0072B2", "--"),
    "forbidden": ("#000000", ""),
    "grader error": ("#FFFFFF", "**"),
}
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Class report</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #111; }}
body {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; width: 100%; font-size: 0.9rem; }}
th, td {{ border-bottom: 1px solid #bbb; padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }}
td {{ overflow-wrap: anywhere; }}
.words {{ overflow-wrap: normal; }}
.id {{ white-space: nowrap; }}
pre {{ font: 0.8rem/1.4 ui-monospace, monospace; white-space: pre-wrap; margin: 0.3rem 0; }}
.number {{ text-align: right; white-space: nowrap; }}
</style>
</head>
<body>
<h1>Class report</h1>
{body}
</body>
</html>
"""


def report(folder, path=None):
    """Writes the report of a class.

    Args:
        folder: What `grade` wrote.
        path: The page to write; None means report.html in the folder.

    Returns:
        The page's path, as a `pathlib.Path`.

    Raises:
        ValueError: If the folder holds no results, or a result is damaged.
    """
    folder = pathlib.Path(folder)
    path = folder / "report.html" if path is None else pathlib.Path(path)
    results = [_read(file) for file in sorted((folder / "submissions").glob("*.json"))]
    if not results:
        raise ValueError(f"There are no results in {folder}: give the folder that `course grade` wrote.")
    _give(results, folder / "grades.csv")
    import matplotlib.pyplot as plt

    with plt.rc_context():
        plots.use_style()
        page = _PAGE.format(body="\n".join(_sections(results)))
    with runtime.atomic_write(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def _read(file):
    """A result, of which only what is looked at below is checked."""
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        for mark in result["questions"]:
            if mark["status"] not in STATUSES:
                raise ValueError(mark["status"])
        result["status"], result["points"], result["student"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged: grade again with --resume after removing it.") from error
    return result


def _give(results, path):
    """Puts the marks that are given, after penalties and overrides, in place of those that were judged."""
    if not path.is_file():
        return
    rows = {row.get("id"): row for _, row in tables.read_csv(path)[1]}
    for result in results:
        row = rows.get(result["id"], {})
        with contextlib.suppress(ValueError):
            result["points"] = float(row["points"]) if row.get("points") else result["points"]
            for mark in result["questions"]:
                given = row.get(f"{mark['id']} points")
                mark["points"] = float(given) if given else mark["points"]


def _sections(results):
    """The parts of the page."""
    states = collections.Counter(result["status"] for result in results)
    graded = [result for result in results if result["points"] is not None]
    counts = [f"{len(results)} submission{'s' if len(results) != 1 else ''}", f"{len(graded)} with a mark"]
    counts += [f"{states[name]} {words}" for name, words in
               [("unreadable", "that could not be read"), ("grader error", "on which the grader failed"),
                ("superseded", "in whose place a later one counts")]
               if states[name]]  # fmt: skip
    yield f"<p>{', '.join(counts)}.</p>"
    questions = {}
    for result in results:
        for mark in result["questions"]:
            questions.setdefault(mark["id"], []).append(mark)
    lessons = {name.partition(".")[0] for name in questions}
    for lesson in sorted(lessons, key=lambda word: (lesson_number(word), word)):
        yield from _of_lesson(lesson, questions, results, graded)
    yield "<h2>Submissions</h2>"
    yield _submissions(results)


def _of_lesson(lesson, questions, results, graded):
    """What is said of one lesson, under its heading."""
    inside = {name: marks for name, marks in questions.items() if name.partition(".")[0] == lesson}
    yield f"<h2>Lesson: {_text(lesson.replace('_', ' '))}</h2>"
    own = [result for result in results if result["lesson"] == lesson]
    yield from _lesson(
        inside, [result for result in graded if result["lesson"] == lesson and result["of"]], own
    )


def _lesson(questions, graded, results):
    """The parts of one lesson: points, questions, mistakes, and what is no known mistake."""
    if graded:
        yield "<h3>Points</h3>"
        yield _distribution(graded)
    yield "<h3>Questions</h3>"
    rows, means = [], {}
    for name, marks in questions.items():
        count = collections.Counter(mark["status"] for mark in marks)
        judged = [mark["points"] for mark in marks if mark["points"] is not None]
        mean = f"{np.mean(judged):.2f}" if judged else "no mark"
        means[name] = 100 * np.mean(judged) / marks[0]["of"] if judged else 0.0
        never = f"{count['not attempted']} ({count['not attempted'] / len(marks):.0%})"
        title = f"{_id(name)}<br>{_text(marks[0]['title'])}"
        rows.append([title, f"{mean} of {marks[0]['of']}", f"{count['right']} of {len(marks)}", never])
    axes = plots.bars(list(means), list(means.values()), xlabel="mean points (% of the question's)")
    axes.set(xlim=(0, 100))
    yield _picture(axes, "Mean points per question; the table below has the numbers")
    yield _outcomes(questions)
    yield _table(["question", "mean points", "right", "never tried"], rows)
    yield "<h3>Common mistakes</h3>"
    mistakes = collections.Counter()
    hints = {}
    for name, marks in questions.items():
        for mark in marks:
            if mark["mistake"]:
                mistakes[name, mark["mistake"]] += 1
                hints[name, mark["mistake"]] = mark["hint"]
    common = sorted(mistakes.items(), key=lambda item: (-item[1], item[0]))
    rows = [
        [
            _id(name),
            f'<span class="words">{_text(mistake.replace("_", " "))}</span>',
            str(number),
            _text(hints[name, mistake]),
        ]
        for (name, mistake), number in common
    ]
    head = ["question", "mistake", "answers", "its hint"]
    yield _table(head, rows, numbers=(2,)) if rows else "<p>No answer was one of the usual mistakes.</p>"
    yield "<h3>Wrong answers that are no known mistake</h3>"
    rows = list(_unknown(results))
    head = ["question", "what happened", "answers", "an example"]
    yield _table(head, rows, numbers=(2,)) if rows else "<p>There is none.</p>"


def _unknown(results):
    """Rows of answers for which no hint is registered, those that went wrong in the same way together."""
    groups = collections.defaultdict(list)
    for result in results:
        for mark in result["questions"]:
            if mark["status"] not in ("right", "not attempted", "grader error") and not mark["mistake"]:
                # Numbers differ from answer to answer.
                kind = re.sub(r"[-+]?\d[\d.e+-]*", "#", mark["message"])
                groups[mark["id"], mark["status"], kind].append((mark, result))
    for (name, status, _), group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        mark, result = group[0]
        words = mark["message"] if status == "wrong" else f"{status}: {mark['message']}"
        example = _text(result["source"]).replace("/", "/<wbr>")
        if code := mark.get("code"):
            shown = code if len(code) <= CODE_CHARACTERS else code[:CODE_CHARACTERS] + "\n... (cut)"
            example = f"<details><summary>{example}</summary><pre>{_text(shown)}</pre></details>"
        yield [_id(name), _text(words), str(len(group)), example]


def _id(name):
    """A question's id, which no line break may cut."""
    return f'<span class="id">{_text(name)}</span>'


def _distribution(graded):
    """How many submissions have how many points."""
    points = np.array([result["points"] for result in graded])
    full = max(result["of"] for result in graded)
    axes = _axes(7.0, 2.8)
    edges = np.arange(full + 2) - 0.5 if full <= 40 else np.linspace(-0.5, full + 0.5, 31)
    axes.hist(points, bins=edges, color=plots.COLOURS[3], edgecolor="black")
    axes.axvline(np.median(points), color="black", linestyle="--", label=f"median {np.median(points):g}")
    axes.set(xlabel=f"points (of {full})", ylabel="submissions", xlim=(edges[0], edges[-1]))
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="upper left")
    words = f"mean {points.mean():.1f}, median {np.median(points):g}, of {full} points"
    return _picture(axes, f"Distribution of points: {words}") + f"<p>{words[0].upper()}{words[1:]}.</p>"


def _outcomes(questions):
    """One bar per question, with a part for each status that occurs."""
    names = list(questions)
    counts = {s: np.array([sum(m["status"] == s for m in questions[n]) for n in names]) for s in STATUSES}
    axes = _axes(8.5, 1.4 + 0.42 * len(names))
    rows, left = np.arange(len(names))[::-1], np.zeros(len(names))
    for status, (colour, hatch) in _LOOKS.items():
        width = counts[status]
        if width.any():
            axes.barh(rows, width, left=left, color=colour, hatch=hatch, edgecolor="black", label=status)
            left = left + width
    axes.set_yticks(rows, names)
    axes.set(xlabel="answers")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(False, axis="y")
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.4, 1.0), fontsize=9)
    return _picture(axes, "How the answers to each question ended; the table below has the numbers")


def _axes(width, height):
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _picture(axes, words):
    """A figure as an image in the page; the figure is closed."""
    import matplotlib.pyplot as plt

    image = io.BytesIO()
    axes.figure.savefig(image, format="png", dpi=150)
    plt.close(axes.figure)
    data = base64.b64encode(image.getvalue()).decode()
    return f'<img alt="{_text(words)}" src="data:image/png;base64,{data}">'


def _submissions(results):
    """All submissions, first those without a mark, with what keeps them from it."""
    rows = []
    for result in sorted(
        results, key=lambda r: (r["points"] is not None, r["lesson"], r["student"], r["id"])
    ):
        points = f"{result['points']:g} of {result['of'] or 0}" if result["points"] is not None else "no mark"
        statuses = collections.Counter(mark["status"] for mark in result["questions"])
        words = result["message"] or ", ".join(f"{statuses[s]} {s}" for s in STATUSES if statuses[s])
        rows.append([_text(result["student"]), _text(result["lesson"]), points, _text(words)])
    return _table(["student", "lesson", "points", "answers"], rows, numbers=(2,))


def _table(head, rows, numbers=()):
    """A table of cells that are HTML already."""
    kinds = [' class="number"' if column in numbers else "" for column in range(len(head))]
    lines = ["".join(f"<th{kind}>{name}</th>" for kind, name in zip(kinds, head, strict=True))]
    lines += [
        "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, row, strict=True)) for row in rows
    ]
    return "<table>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>"


def _text(value):
    """Any text, written by whomever, as HTML that is only text."""
    return html.escape(str(value))
