"""Lists answers that are equal but for white space, comments and names.

Equal code has innocent causes, most often that there is one obvious way to write it. So a short answer is
never listed, nor one that many have.
"""

import builtins
import collections
import functools
import hashlib
import io
import keyword
import tokenize

from course_lib.grading import tables

TOKENS = 60  # Shorter answers coincide.
CODE_CHARACTERS = 20_000
# Of the answers to a question: what more have, and more than three, or all, is common.
SHARE = 0.05
_REMARK = "Look at both: a shared source, work in pairs or one obvious solution make answers equal, too."
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
_KEPT = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "tf", "keras", "math"}


def write(path, rows):
    """Writes what is alike.

    Args:
        path: The file.
        rows: List of `marks.Row`.
    """
    table = [["question", "what is alike", "students", "ids", "tokens", "answers to the question", "remark"]]
    rows = [row for row in rows if row.counts]
    for what, name, size, group, total in [*_files(rows), *_answers(rows)]:
        students = "; ".join(row.result["student"] for row in group)
        ids = " ".join(row.result["id"] for row in group)
        table.append([name, what, students, ids, size, total, _REMARK])
    tables.write_csv(path, table)


def _files(rows):
    """Files that are equal byte for byte, with an answer long enough to tell."""
    groups = collections.defaultdict(list)
    for row in rows:
        if any(mark["status"] != "not attempted" for mark in row.result["questions"]):
            groups[row.result["sha256"]].append(row)
    for group in groups.values():
        if _learners(group) > 1:
            tried = [m for m in group[0].result["questions"] if m["status"] != "not attempted" and m["code"]]
            size = sum(len(tokens(mark["code"])) for mark in tried)
            if size >= TOKENS:
                yield "the whole file", group[0].result["lesson"], size, group, len(rows)


def _answers(rows):
    """Answers whose code is equal."""
    groups, totals = collections.defaultdict(list), collections.Counter()
    for row in rows:
        for mark in row.result["questions"]:
            if not mark["code"] or mark["status"] == "not attempted":
                continue
            totals[mark["id"]] += 1
            found = tokens(mark["code"])
            if len(found) >= TOKENS:
                digest = hashlib.sha256("\x1f".join(found).encode("utf-8", "replace")).hexdigest()
                groups[mark["id"], digest].append((row, mark["code"], len(found)))
    for (name, _), group in sorted(groups.items()):
        same = [row for row, _, _ in group]
        learners, total = _learners(same), totals[name]
        if 1 < learners <= max(3, SHARE * total) and (learners < total or total < 3):
            exact = len({" ".join(_words(code)) for _, code, _ in group}) == 1
            what = "the code" if exact else "the code but for names"
            yield what, name, group[0][2], same, total


def _learners(rows):
    return len({row.submission.learner.key for row in rows})


@functools.lru_cache(maxsize=4096)
def tokens(code):
    """The tokens of a code without white space and comments, its own names numbered as they occur."""
    names, found = {}, []
    for word in _words(code):
        own = word.isidentifier() and word not in _KEPT
        found.append(names.setdefault(word, f"name {len(names)}") if own else word)
    return found


def _words(code):
    """The tokens of a code, or its words if it is not Python."""
    if len(code) > CODE_CHARACTERS:  # Nobody writes that by hand, and to split it takes long.
        return code.split()
    try:
        read = tokenize.generate_tokens(io.StringIO(code).readline)
        return [token.string for token in read if token.type not in _LAYOUT]
    except (tokenize.TokenError, SyntaxError, ValueError, RecursionError):
        return code.split()
