"""Writes what Gradescope takes (https://gradescope-autograders.readthedocs.io/en/latest/specs/)."""

import json
import os
import pathlib
import re
import zipfile

from course_lib import runtime
from course_lib.grading import tables


def write(output, rows):
    """Writes results.json, or one file each in results/ if there are several submissions, and the autograder.

    The autograder is left out where the course is not run from a clone, as on Gradescope itself.
    """
    if _sources():
        (output / "gradescope").mkdir(exist_ok=True)
        autograder(output / "gradescope" / "autograder.zip")
    if len(rows) == 1:
        _write_json(output / "results.json", report(rows[0]))
        return
    folder = output / "results"
    folder.mkdir(exist_ok=True)
    for row in rows:
        _write_json(folder / f"{row.result['id']}.json", report(row))


def report(row):
    """One submission in Gradescope's form.

    After a failure of the grader there is neither a score nor a test in it: Gradescope then says that the
    autograder failed, instead of giving a mark.
    """
    result = row.result
    said = " ".join(
        filter(None, [result["message"], row.comment, f"Late: {row.late.text}." * bool(row.late.text)])
    )
    report = {"output": said, "output_format": "text", "visibility": "visible"}
    if result["status"] == "grader error" and row.points is None:
        return report

    def comment(mark):
        return row.question_comments.get(mark["id"])

    tests = [
        {
            "name": f"{mark['id']}: {mark['title']}",
            "number": str(number),
            "score": row.question_points[mark["id"]],
            "max_score": mark["of"],
            "status": "passed" if row.outcome(mark) in ("right", "counted as right") else "failed",
            "output": "\n".join(
                filter(None, [row.outcome(mark), mark["message"], mark["hint"], comment(mark)])
            ),
            "output_format": "text",
        }
        for number, mark in enumerate(result["questions"], start=1)
        if row.question_points[mark["id"]] is not None
    ]
    return {"score": row.points or 0, **report, "tests": tests}


_SETUP = """#!/usr/bin/env bash
set -e
apt-get update
apt-get install -y python3 python3-pip python3-venv
python3 -m venv /autograder/course
/autograder/course/bin/pip install /autograder/source
"""
_RUN = """#!/usr/bin/env bash
# Without a result Gradescope says that the autograder failed, and gives no mark.
root="${AUTOGRADER:-/autograder}"
results="$(mktemp -d)"
"$root/course/bin/course" grade "$root/submission" --output "$results" --gradescope OPTIONS || exit 1
cp "$results/results.json" "$root/results/results.json"
"""


def autograder(path, options=()):
    """Writes the zip that Gradescope takes as an autograder: setup.sh, run_autograder and the course.

    Args:
        path: The file to write.
        options: Further options for `course grade`.

    Raises:
        ValueError: If the course is not run from a clone, whose sources go into the zip, or if `path` is
            there and is no autograder.
    """
    if os.path.lexists(path) and not _is_autograder(path):
        raise ValueError(f"{path} is there already and is no autograder. Choose another name.")
    sources = _sources()
    if not sources:
        raise ValueError("Run this from a clone of the course, whose sources go into the zip.")
    for option in options:
        if not re.fullmatch(r"[\w.=-]+", option):
            raise ValueError(f"An option for the autograder must be plain. Received: {option!r}")
    run = _RUN.replace(" OPTIONS", "".join(f" {option}" for option in options))
    files = {"setup.sh": _SETUP.encode(), "run_autograder": run.encode()}
    files |= {name: file.read_bytes() for name, file in sources.items()}
    tables.write_zip(path, files, programs=("setup.sh", "run_autograder"))


def _is_autograder(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return "run_autograder" in archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _sources():
    """The files of the clone that the course is run from, by name; none if it is run from no clone."""
    root = pathlib.Path(__file__).resolve().parents[2]
    files = [root / name for name in ("pyproject.toml", "README.md", "LICENSE")]
    if not all(file.is_file() for file in files):
        return {}
    files += sorted(file for file in (root / "course_lib").rglob("*") if file.is_file())
    return {f.relative_to(root).as_posix(): f for f in files if "__pycache__" not in f.parts}


def _write_json(path, value):
    with runtime.atomic_write(path, private=True) as part:
        part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
