"""Exercises are what solutions generate; their stubs run and say what to do; nbgrader takes them."""

import ast
import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types

import nbformat
import pytest

from course_lib import questions
from course_lib.grading import exercises, feedback

ROOT = pathlib.Path(__file__).parent.parent
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
SOURCE = '''def double(x):
    """Return twice `x`."""
    ### BEGIN SOLUTION
    y = x
    return x + y
    ### END SOLUTION
'''


def solutions(function):
    return pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)(function)


def cells(path, key):
    book = exercises.read(path)
    return [cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get(key)]


def test_there_is_a_solution_for_every_lesson_with_questions():
    assert [path.stem[3:] for path in SOLUTIONS] == sorted(questions.topics(), key=_number)
    assert sorted(path.name for path in (ROOT / "exercises").glob("*.ipynb")) == [p.name for p in SOLUTIONS]


def _number(word):
    return next(path.stem for path in (ROOT / "notebooks").glob(f"??_{word}.ipynb"))


@solutions
def test_exercises_are_generated(path):
    text = (ROOT / "exercises" / path.name).read_text(encoding="utf-8")
    assert text == exercises.text(exercises.generate(exercises.read(path))), "run `make exercises`"
    assert "SOLUTION" not in text
    nbformat.validate(nbformat.reads(text, 4))


@solutions
def test_every_question_has_its_cells(path):
    asked = questions.topic(path.stem[3:])
    answers, checks = cells(path, "solution"), cells(path, "grade")
    assert [cell["metadata"]["nbgrader"]["grade_id"] for cell in answers] == [q.grade_id for q in asked]
    for cell, question in zip(checks, asked, strict=True):
        data = cell["metadata"]["nbgrader"]
        assert data["grade_id"] == f"{question.grade_id}-check"
        assert data["points"] == question.points
        assert f'passed = check("{question.id}", {question.function})' in "".join(cell["source"])
    for cell in exercises.read(path)["cells"]:
        data = cell["metadata"]["nbgrader"]
        allowed = {"schema_version", "grade", "locked", "solution", "task", "grade_id", "points"}
        assert set(data) <= allowed
        assert data["schema_version"] == 3
        assert data["locked"] != data["solution"]


@solutions
def test_a_solution_is_written_without_the_course(path):
    for cell in cells(path, "solution"):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("course_lib") for name in names)


@solutions
def test_stubs_run_and_say_what_to_do(path):
    for cell, question in zip(
        cells(ROOT / "exercises" / path.name, "solution"), questions.topic(path.stem[3:]), strict=True
    ):
        source = "".join(cell["source"])
        namespace = {}
        exec(source, namespace)  # The stub of our own file.
        arity = len(ast.parse(f"def {question.signature}: pass").body[0].args.args)
        with pytest.raises(NotImplementedError) as caught:
            namespace[question.function](*[None] * arity)
        assert len(str(caught.value).split()) >= 4
        definition = next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef))
        assert f"{definition.name}({ast.unparse(definition.args)})" == question.signature


def test_a_stub_keeps_everything_but_the_solution():
    stub = exercises.stub("import math\n\n\n" + SOURCE)
    assert stub == 'import math\n\n\ndef double(x):\n    """Return twice `x`."""\n' + (
        '    raise NotImplementedError("Return twice `x`.")\n'
    )
    long = exercises.stub(SOURCE.replace("twice `x`.", "twice " * 40 + "\n\n    Args: none."))
    namespace = {}
    exec(long, namespace)
    assert max(map(len, long.splitlines()[2:])) <= 110
    with pytest.raises(NotImplementedError, match=r"^Return( twice)+$"):
        namespace["double"](1)


@pytest.mark.parametrize(
    "source",
    [
        SOURCE.replace("    ### END SOLUTION\n", ""),
        SOURCE + SOURCE,
        SOURCE.replace('    """Return twice `x`."""\n', ""),
        "x = 1\n### BEGIN SOLUTION\n### END SOLUTION\n",
    ],
)
def test_markers_that_do_not_fit_are_refused(source):
    with pytest.raises(ValueError, match="An answer cell must hold one function"):
        exercises.stub(source)


def test_markers_outside_an_answer_cell_are_refused():
    cell = {"cell_type": "code", "metadata": {}, "source": SOURCE, "outputs": [], "execution_count": None}
    with pytest.raises(ValueError, match="Cell 0"):
        exercises.generate({"cells": [cell]})


@pytest.fixture
def clone(tmp_path):
    for folder in ("solutions", "exercises"):
        (tmp_path / folder).mkdir()
    for path in SOLUTIONS[:1]:
        shutil.copy(path, tmp_path / "solutions")
    return tmp_path


def test_generating_and_resetting_lose_no_answer(clone):
    (path,) = exercises.write_all(clone)
    fresh = path.read_bytes()
    assert exercises.write_all(clone) == []
    solved = fresh.replace(b"raise NotImplementedError(", b"return (")
    path.write_bytes(solved)
    assert exercises.write_all(clone) == [path]
    assert path.read_bytes() == fresh
    assert path.with_name(f"{path.stem}.kept-1.ipynb").read_bytes() == solved
    path.write_bytes(b"mine, and broken")
    assert exercises.reset(path).read_bytes() == b"mine, and broken"
    assert path.read_bytes() == fresh
    path.unlink()
    assert exercises.reset(path) is None  # One that is gone comes back, and there is nothing to keep.
    assert path.read_bytes() == fresh
    copied = clone / "my try.ipynb"
    copied.write_bytes(solved)
    assert exercises.reset(copied).read_bytes() == solved
    assert copied.read_bytes() == fresh
    solution = clone / "solutions" / path.name
    before = solution.read_bytes()
    for named in (solution, clone / "exercises" / ".." / "solutions" / path.name):
        with pytest.raises(ValueError, match="is a solution"):
            exercises.reset(named)
    assert solution.read_bytes() == before
    solution.unlink()
    path.unlink()
    with pytest.raises(ValueError, match="There is no"):
        exercises.reset(path)
    path.write_bytes(solved)
    exercises.write_all(clone)
    assert not path.exists()
    assert len(list((clone / "exercises").iterdir())) == 3


def test_what_is_no_notebook_is_named(tmp_path):
    (tmp_path / "a.ipynb").write_text(json.dumps([1]))
    with pytest.raises(ValueError, match=r"a\.ipynb is not a notebook"):
        exercises.read(tmp_path / "a.ipynb")


RECORDER = """
import sys, time
from course_lib.grading import feedback

read = feedback.progress

def read_slowly():
    known = read()
    time.sleep(0.02)  # Time for the other process to write what this one would then overwrite.
    return known

feedback.progress = read_slowly
print("ready", flush=True)
sys.stdin.readline()
for number in range(10):
    feedback.record(f"{sys.argv[1]}.{number}", "right")
"""


def test_two_checks_at_once_lose_no_progress(tmp_path):
    kept = tmp_path / "progress.json"
    recorders = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDER, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "COURSE_PROGRESS": str(kept)},
        )
        for name in "ab"
    ]
    try:
        for recorder in recorders:
            assert recorder.stdout.readline() == "ready\n"
        for recorder in recorders:
            recorder.stdin.write("\n")
            recorder.stdin.flush()
        for recorder in recorders:
            assert recorder.communicate(timeout=60)[0] == ""
            assert recorder.returncode == 0
    finally:
        for recorder in recorders:
            recorder.kill()
            recorder.wait()
    assert set(json.loads(kept.read_text())) == {f"{name}.{number}" for name in "ab" for number in range(10)}


def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize("fcntl", [None, types.SimpleNamespace(LOCK_EX=2, flock=no_locks)])
def test_progress_is_kept_where_there_are_no_locks(monkeypatch, tmp_path, fcntl):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(feedback, "fcntl", fcntl)
    feedback.record("attention.softmax", "right")
    assert feedback.progress()["attention.softmax"]["right"] is True


def test_nbgrader_takes_the_files(tmp_path):
    pytest.importorskip("nbgrader", reason="only contributors have it")
    from nbgrader.api import Gradebook

    solution = SOLUTIONS[0]
    source = tmp_path / "source" / "course"
    source.mkdir(parents=True)
    shutil.copy(solution, source)
    # nbgrader calls alembic by its bare name.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "COURSE_PROGRESS": str(tmp_path / "progress.json")}

    def nbgrader(*arguments):
        command = [sys.executable, "-m", "nbgrader", *arguments, "--Application.log_level=30"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, env=env)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    root = f"--CourseDirectory.root={tmp_path}"
    nbgrader("generate_assignment", "course", "--create", root)
    released = tmp_path / "release" / "course" / solution.name
    for cell in cells(released, "solution"):
        assert "NotImplementedError" in "".join(cell["source"])
        assert "SOLUTION" not in "".join(cell["source"])

    assert "Success" in nbgrader("validate", str(source / solution.name))
    for student, handed_in in (("ada", solution), ("bob", ROOT / "exercises" / solution.name)):
        folder = tmp_path / "submitted" / student / "course"
        folder.mkdir(parents=True)
        shutil.copy(handed_in, folder)
    nbgrader("autograde", "course", root)
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        points = {each.student.id: each.score for each in book.assignment_submissions("course")}
    assert points == {"ada": sum(question.points for question in questions.topic("attention")), "bob": 0.0}
