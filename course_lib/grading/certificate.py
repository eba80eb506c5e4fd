"""A page that says what somebody has done, and a number by which an instructor can confirm it.

The record of `check` is the learner's own, kept on the learner's own machine: the page says so. What confirms
it is a grade: `confirm` compares the page with what `course grade` wrote.
"""

import datetime
import hashlib
import html
import json
import os
import pathlib
import re

from course_lib import questions, runtime
from course_lib.grading import answers, feedback, identity, tables
from course_lib.grading.submissions import regular

NAME_CHARACTERS = 100
PAGE_BYTES = 2**20  # Read of a certificate: far more than one has.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Attention to Edge: {name}</title>
<style>
body {{ font: 17px/1.6 Georgia, serif; color: #111; background: #fff; }}
main {{ max-width: 44rem; margin: 3rem auto; padding: 2rem 3rem; }}
main {{ border: 6px double #1b7837; text-align: center; }}
h1 {{ font-weight: normal; margin: 0.5rem 0; }}
.name {{ font-size: 2rem; margin: 0.5rem 0; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; margin: 1.5rem auto; text-align: left; }}
th, td {{ border-bottom: 1px solid #bbb; padding: 0.2rem 0.8rem; }}
.number {{ text-align: right; }}
.small {{ font: 0.8rem/1.5 system-ui, sans-serif; color: #444; }}
.digest {{ font: 0.75rem ui-monospace, monospace; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<p>Attention to Edge</p>
<h1>All exercises solved</h1>
<p class="name">{name}</p>
<p class="date">{date}</p>
<table>
<tr><th></th><th>lesson</th><th class="number">questions</th><th class="number">points</th></tr>
{rows}
</table>
<p class="small">This is the learner's own record, made on the learner's own machine. It counts once an
instructor has graded the same answers and confirmed it with <code>course certificate --confirm</code>, this
file and the folder of the grades.</p>
<p class="digest">{digest}</p>
</main>
<pre hidden id="record">{record}</pre>
</body>
</html>
"""


def digest(record):
    """The number of a record.

    Args:
        record: A dict with the `name`, the `date`, and `passed`: by question id the digest of the answer, or
            None.

    Returns:
        64 hexadecimal digits.
    """
    text = json.dumps([record["name"], record["date"], sorted(record["passed"].items())], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def answer_digest(code):
    """The digest of an answer's text, which `course grade` sees, too; the ends of lines do not count."""
    text = "\n".join(line.rstrip() for line in code.strip().splitlines())
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def write(path, name, notebooks=(), date=None):
    """Writes a certificate.

    Args:
        path: The page to write.
        name: Whose it is.
        notebooks: The notebooks that hold the answers, to be compared with those that are graded.
        date: A `datetime.date`; None is today.

    Returns:
        The record, as `digest` takes it.

    Raises:
        ValueError: If something is not done yet, the name cannot be used, or `path` is there and is no
            certificate.
    """
    if os.path.lexists(path):
        try:
            _record(path)
        except ValueError:
            raise ValueError(f"{path} is there already and is no certificate. Choose another name.") from None
    name = " ".join(name.split())
    if not name or len(name) > NAME_CHARACTERS or not name.isprintable():
        raise ValueError(f"A name of 1 to {NAME_CHARACTERS} characters is needed. Received: {name[:200]!r}")
    known = feedback.progress()
    open_ids = {word: [q.id for q in questions.topic(word) if not known.get(q.id, {}).get("right")]
                for word in questions.topics()}  # fmt: skip
    if missing := {word: ids for word, ids in open_ids.items() if ids}:
        shown = "; ".join(
            f"{word}: {', '.join(i.partition('.')[2] for i in ids)}" for word, ids in missing.items()
        )
        count = sum(map(len, missing.values()))
        raise ValueError(f"{count} questions are not done yet ({shown}). `course progress` shows what is.")
    digests = _answers(notebooks)
    record = {
        "name": name,
        "date": (date or datetime.date.today()).isoformat(),
        "passed": {q.id: digests.get(q.id) for word in questions.topics() for q in questions.topic(word)},
    }
    rows = []
    for word in questions.topics():
        asked = questions.topic(word)
        points = sum(question.points for question in asked)
        rows.append(
            f"<tr><td>{questions.number(word):02d}</td><td>{word.replace('_', ' ')}</td>"
            f'<td class="number">{len(asked)}</td><td class="number">{points}</td></tr>'
        )
    page = _PAGE.format(
        name=html.escape(name),
        date=record["date"],
        rows="\n".join(rows),
        digest=digest(record),
        record=html.escape(json.dumps(record, ensure_ascii=False, sort_keys=True)),
    )
    with runtime.atomic_write(path) as part:
        part.write_text(page, encoding="utf-8")
    return record


def _answers(notebooks):
    """Digests of the answers in notebooks, by question id."""
    by_cell = {q.grade_id: q.id for word in questions.topics() for q in questions.topic(word)}
    found = {}
    for path in notebooks:
        try:
            read = answers.read_answers(pathlib.Path(path).read_bytes())
        except answers.Unreadable as error:
            raise ValueError(f"{identity.printable(path)}: {error}") from None
        found |= {
            by_cell[cell]: answer_digest(text) for cell, text in read.sources.items() if cell in by_cell
        }
    return found


def confirm(path, folders):
    """Compares a certificate with grades.

    Args:
        path: The page.
        folders: What `course grade` wrote; several if lessons were graded one by one.

    Returns:
        Whether it is confirmed, and a list of sentences that say why or why not.

    Raises:
        ValueError: If the page is no certificate, or a folder holds no results.
    """
    record = _record(path)
    if isinstance(record, str):
        return False, [record]
    right, names, ids = {}, {}, {}
    for folder in folders:
        files = sorted(pathlib.Path(folder, "submissions").glob("*.json"))
        if not files:
            raise ValueError(f"There are no results in {identity.printable(folder)}: give the folder that "
                             "`course grade` wrote.")  # fmt: skip
        for file in files:
            try:
                result = json.loads(file.read_text(encoding="utf-8"))
                student = result["student"]
                for mark in result["questions"]:
                    if mark["status"] == "right":
                        right.setdefault(student, {}).setdefault(mark["id"], set()).add(mark["digest"])
                names.setdefault(student, {_folded(student), _folded(student).rpartition(" (")[0]})
                ids[result.get("id")] = student
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                raise ValueError(f"{identity.printable(file)} is damaged: grade again.") from None
        if (table := pathlib.Path(folder, "grades.csv")).is_file():
            for _, row in tables.read_csv(table)[1]:  # The class list knows people by their names.
                names.get(ids.get(row.get("id")), set()).add(_folded(row.get("roster name", "")))
    passed = record["passed"]

    def agreeing(student):
        own = right.get(student, {})
        return sum(code in own.get(name, ()) for name, code in passed.items())

    wanted = _folded(record["name"])
    same = [student for student, known in names.items() if wanted in known]
    student = max(same or sorted(names), key=agreeing)
    if not same and not agreeing(student):
        return False, [f"Nobody in the grades goes by the name {record['name']!r} or has these answers."]
    own = right.get(student, {})
    lines = [f"Compared with the grades of {student!r}."]
    lost = [name for name in passed if name not in own]
    other = [
        name for name, code in passed.items() if name in own and code is not None and code not in own[name]
    ]
    unknown = [name for name, code in passed.items() if name in own and code is None]
    if lost:
        lines.append(f"Not right in the grades, or not graded: {', '.join(lost)}.")
    if other:
        lines.append(f"Right in the grades, but with another text than on the page: {', '.join(other)}.")
    if unknown:
        lines.append(
            f"Right in the grades; the page does not hold the answer to compare: {', '.join(unknown)}."
        )
    if not same:
        lines.append(
            f"Nobody in the grades goes by the name {record['name']!r}: make sure that it is the same person."
        )
    if missing := [q.id for word in questions.topics() for q in questions.topic(word) if q.id not in passed]:
        lines.append(f"The page says nothing of: {', '.join(missing)}.")
    return bool(same) and not (lost or other or missing), lines


def _record(path):
    """The record of a certificate; a sentence if it was changed."""
    path = pathlib.Path(path)
    shown = identity.printable(path)
    try:
        with regular(path) as file:
            text = file.read(PAGE_BYTES).decode("utf-8")
        found = re.search(r'<pre hidden id="record">(.*?)</pre>', text, re.DOTALL)
        said = re.search(r'<p class="digest">([0-9a-f]{64})</p>', text)
        record = json.loads(html.unescape(found[1]))
        fits = digest(record) == said[1]
        shown_as = [re.search(rf'<p class="{kind}">(.*?)</p>', text)[1] for kind in ("name", "date")]
        fits = fits and shown_as == [html.escape(record["name"]), record["date"]]
    except OSError as error:
        raise ValueError(f"{shown} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{shown} is not a certificate of this course ({type(error).__name__}).") from None
    return record if fits else f"{shown} was changed: its number does not fit what it says."


def _folded(name):
    return " ".join(identity.printable(name, 200).casefold().split())
