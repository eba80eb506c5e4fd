"""The page that a student gets back: each answer, whether it is right, what was wrong, and where to go on."""

import html
import re

from course_lib import runtime
from course_lib.grading import feedback

_VARYING = re.compile(r"\b0x[0-9a-fA-F]{6,}")
CODE_CHARACTERS = 20_000  # A page holds no more of one answer.
_COLOURS = {"right": "#1b7837", "counted as right": "#1b7837", "not attempted": "#4d7ea8"}
_SIGNS = {"right": "✓", "counted as right": "✓", "not attempted": "○"}
_SAID = {
    "right": "right",
    "counted as right": "counted as right by your instructor",
    "wrong": "not right yet",
    "not attempted": "not attempted",
    "crashed": "it stopped with an error",
    "timed out": "it took too long",
    "out of memory": "it took too much memory",
    "forbidden": "it did what an answer may not do",
    "grader error": "the grader failed, which is not your fault: ask your instructor",
}
_WORDS = {"right": "note", "not attempted": "to do"}  # What a message is called.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; }}
body {{ max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ margin-bottom: 0; }}
h2 {{ font-size: 1.1rem; margin: 0; }}
section {{ border-left: 4px solid #b35806; padding: 0.1rem 0 0.1rem 1rem; margin: 1.5rem 0; }}
.state {{ font-weight: bold; color: #b35806; }}
dl {{ display: grid; grid-template-columns: 8rem 1fr; gap: 0.2rem 1rem; margin: 0.5rem 0; }}
dt {{ color: #555; }}
dd {{ margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }}
pre {{ background: #f4f4f4; padding: 0.6rem 0.8rem; margin: 0.5rem 0; overflow-x: auto; }}
pre, .code {{ font: 0.85rem/1.4 ui-monospace, monospace; white-space: pre-wrap; }}
{states}
</style>
</head>
<body>
{body}
</body>
</html>
"""
_STATES = "\n".join(
    f".{name.replace(' ', '-')} {{ border-color: {colour}; }} "
    f".{name.replace(' ', '-')} .state {{ color: {colour}; }}"
    for name, colour in _COLOURS.items()
)


def write(folder, rows):
    """Writes a page for each learner's submission that counts.

    Args:
        folder: Where to; it is made if it does not exist.
        rows: List of `marks.Row`.
    """
    folder.mkdir(exist_ok=True)
    for row in rows:
        if row.counts:
            with runtime.atomic_write(folder / f"{row.result['id']}.html", private=True) as part:
                part.write_text(page(row), encoding="utf-8")


def page(row):
    """The page of a `marks.Row`, as HTML that needs no other file."""
    result = row.result
    lesson = result["lesson"].replace("_", " ")
    body = [f"<h1>{_text(row.person.name or result['student'] if row.person else result['student'])}</h1>"]
    of = f" of {result['of']}" if result["of"] is not None else ""
    mark = f"<b>{row.points}{of} points</b>" if row.points is not None else "<b>no mark</b>"
    body.append(f"<p>Lesson: {_text(lesson)} · {mark}</p>" if lesson else f"<p>{mark}</p>")
    if row.late.text:
        taken = (
            f": {row.late.penalty:g} points are taken from {row.earned:g}"
            if row.late.penalty and row.earned
            else ""
        )
        body.append(f"<p>Late: {_text(row.late.text)}{taken}.</p>")
    if row.comment:
        body.append(f"<p>From your instructor: {_text(row.comment)}</p>")
    if result["message"]:
        body.append(f"<p>{_text(result['message'])}</p>")
    if result["status"] == "unreadable" and row.points is None:
        body.append(
            "<p>So nothing could be graded, which is not a mark of 0. Ask your instructor whether you can "
            "hand it in again: the notebook itself, saved in Jupyter, with the cells that were given out.</p>"
        )
    body += [f"<p>{_text(remark)}</p>" for remark in result["remarks"]]
    body += [_question(row, number, mark) for number, mark in enumerate(result["questions"], start=1)]
    title = _text(f"Feedback: {lesson or 'exercise'}")
    return _PAGE.format(title=title, states=_STATES, body="\n".join(body))


def _question(row, number, mark):
    """What is said of one answer."""
    status, points = mark["status"], row.question_points[mark["id"]]
    outcome = row.outcome(mark)
    state = _SIGNS.get(outcome, "✗") + " " + _SAID[outcome]
    given = f"{points:g}" if points is not None else "no mark"
    lines = [
        f'<section class="{outcome.replace(" ", "-")}">',
        f"<h2>{number}. {_text(mark['title'])}</h2>",
        f'<p><span class="state">{state}</span> · {given} of {mark["of"]} points</p>',
    ]
    said = [
        ("the call", mark["call"], True),
        (_WORDS.get(status, "what happened"), mark["message"], False),
        ("calls right", f"{mark['calls_right']} of {mark['calls']}" if status == "wrong" else "", False),
        ("hint", mark["hint"], False),
        ("where to start", mark["start"], False),
        ("your instructor", row.question_comments.get(mark["id"]), False),
    ]
    shown = []
    for word, text, code in said:
        if text:
            kind = ' class="code"' if code else ""
            shown.append(f"<dt>{word}</dt><dd{kind}>{_text(text)}</dd>")
    lines.append(f"<dl>{''.join(shown)}</dl>" if shown else "")
    if mark["code"] and status != "not attempted":
        code = mark["code"]
        if len(code) > CODE_CHARACTERS:
            code = code[:CODE_CHARACTERS] + "\n... (cut)"
        lines.append(f"<pre>{_text(code)}</pre>")
    return "\n".join([*lines, "</section>"])


def call_text(question, arguments):
    """A call as a student sees it: the function, and its arguments."""
    return f"{question.signature}\n{_VARYING.sub('...', feedback.arguments_text(question, arguments))}"


def _text(value):
    """Any text, written by whomever, as HTML that is only text."""
    text = str(value).encode("utf-8", "replace").decode()
    return html.escape(
        "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    )
