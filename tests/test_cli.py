"""The `course` command: light to start, plain in its errors."""

import contextlib
import html
import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
import typer.testing

import course_lib
from course_lib import cli, imdb, weights

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEAVY = ["tensorflow", "keras", "keras_hub", "matplotlib", "sklearn", "jax", "torch", "scipy", "pandas"]


def course(monkeypatch, *arguments):
    """Runs the entry point in this process; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["course", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code or 0


@pytest.mark.parametrize(
    "code",
    [
        "import course_lib",
        "from course_lib import cli; sys.argv = ['course', '--help']; run(cli.main)",
        "from course_lib import cli; sys.argv = ['course', 'doctor', '--help']; run(cli.main)",
        "from course_lib import cli; sys.argv = ['course', '--version']; run(cli.main)",
        "from course_lib import cli; sys.argv = ['course', 'predict', '--help']; run(cli.main)",
        "from course_lib import runtime, links, weights, doctor",
        "from course_lib import questions; [questions.topic(word) for word in questions.topics()]",
    ],
)
def test_starting_imports_no_framework(code):
    script = f"""
import sys
def run(main):
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
{code}
assert "course_lib" in sys.modules
print([name for name in {HEAVY} if name in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"
    assert result.stderr == ""


def test_course_is_installed_as_a_command():
    try:
        importlib.metadata.distribution("course-lib")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("course-lib itself is not installed in this environment")
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="course")
    assert entry.load() is cli.main


def test_help_names_every_command(monkeypatch, capsys):
    assert course(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    for command in ("doctor", "fetch", "links", "export", "predict", "explain", "serve", "page"):
        assert command in out


@pytest.mark.parametrize("command", sorted(typer.main.get_command(cli.app).commands))
def test_help_says_what_each_argument_is(monkeypatch, capsys, command):
    assert course(monkeypatch, command, "--help") == 0
    out = capsys.readouterr().out
    assert "\\[" not in out  # Markup that nobody renders.
    assert out.lower().count("arguments:\n") <= 1
    for line in re.findall(r"Arguments:\n((?:  .*\n)+)", out)[:1]:
        for name, said in re.findall(r"^  (\S.*?)  +(.*)", line, re.MULTILINE):
            assert not said.startswith("["), f"{command}: {name} has no help"


def test_version(monkeypatch, capsys):
    assert course(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"course {course_lib.__version__}\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp437", "utf-8"])
def test_a_terminal_that_lacks_a_character_gets_the_rest(tmp_path, encoding):
    code = "from course_lib import cli; cli.main()"
    ours = {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT), "COURSE_CACHE": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", code, "progress"],
        env={**os.environ, **ours}, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    bar = ("░" * 20).encode(encoding, errors="replace").decode(encoding)
    lines = result.stdout.decode(encoding).splitlines()
    assert lines[0].startswith(f"01 attention         {bar} 0 of ")
    assert any(line.startswith(f"10 interpretability  {bar} 0 of ") for line in lines)
    assert lines[-1] == f"(kept in {tmp_path / 'progress.json'})"


def test_the_version_stands_once_in_truth():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("version", course_lib.__version__) == course_lib.__version__


@pytest.mark.parametrize("error", [ValueError, OSError, RuntimeError])
@pytest.mark.parametrize(("command", "module"), [("imdb", imdb), ("weights", weights)])
def test_an_error_is_one_line_on_stderr(monkeypatch, capsys, command, module, error):
    def fail():
        raise error("No source gave the file. Look at your network.")

    monkeypatch.setattr(module, "fetch", fail)
    assert course(monkeypatch, "fetch", command) == 1
    captured = capsys.readouterr()
    assert captured.err == "course: No source gave the file. Look at your network.\n"
    assert captured.out == ""


@pytest.mark.parametrize(("command", "module"), [("imdb", imdb), ("weights", weights)])
def test_fetch_says_where_it_is(monkeypatch, capsys, tmp_path, command, module):
    monkeypatch.setattr(module, "fetch", lambda: tmp_path / "here")
    assert course(monkeypatch, "fetch", command) == 0
    assert str(tmp_path / "here") in capsys.readouterr().out


def test_links_outside_a_clone(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert course(monkeypatch, "links", "--repo", "you/fork") == 1
    error = capsys.readouterr().err
    assert error.startswith("course: There is no pyproject.toml in ")
    assert error.count("\n") == 1


def test_links_with_an_impossible_name(monkeypatch, capsys):
    assert course(monkeypatch, "links", "--repo", "nonsense", "--root", str(ROOT)) == 1
    error = capsys.readouterr().err
    assert error == "course: A repository is named OWNER/NAME, for example you/course. Received: 'nonsense'\n"


def test_links_reports_what_it_changed(monkeypatch, capsys, tmp_path):
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[project.urls]\nRepository = "https://github.com/me/course"\n')
    assert course(monkeypatch, "links", "--repo", "you/fork", "--root", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "1 files changed" in out or "1 file changed" in out
    assert str(pyproject) in out
    assert "https://github.com/you/fork" in pyproject.read_text()
    assert course(monkeypatch, "links", "--repo", "you/fork", "--root", str(tmp_path)) == 0
    assert "All addresses name you/fork already." in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["nonsense"], ["links"], ["fetch", "mnist"], ["doctor", "--xml"]])
def test_a_wrong_call_is_exit_status_2_and_names_the_mistake(arguments):
    result = typer.testing.CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert any(word in result.stderr for word in ("nonsense", "--repo", "mnist", "--xml"))
    assert "Traceback" not in result.stderr


# Exercises


def run(*arguments, **options):
    return typer.testing.CliRunner().invoke(cli.app, arguments, **options)


@pytest.fixture
def exercise(tmp_path, monkeypatch):
    """A small clone with the first exercise, and a place for progress."""
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    for folder in ("solutions", "exercises"):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / "01_attention.ipynb", tmp_path / folder)
    return tmp_path / "exercises" / "01_attention.ipynb"


def answer(path, grade_id, source):
    book = json.loads(path.read_text())
    for cell in book["cells"]:
        if cell["metadata"]["nbgrader"]["grade_id"] == grade_id:
            cell["source"] = source
    path.write_text(json.dumps(book))


def test_check_marks_a_notebook_and_progress_keeps_it(exercise):
    answer(exercise, "attention-causal_mask", "def causal_mask(length):\n    return np.tri(length) > 0")
    wrong = "def softmax(scores):\n    e = np.exp(scores)\n    return e / e.sum(-1, keepdims=True)"
    answer(exercise, "attention-softmax", wrong)
    answer(exercise, "attention-multiplications", "def multiplications(*size):\n    return 1 / 0")
    result = run("check", str(exercise))
    assert result.exit_code == 1
    assert "✓ A causal mask: right, 1 point" in result.output
    assert "✗ A softmax that survives large scores: not right yet" in result.output
    assert "exp(1000)" in result.output
    assert "ZeroDivisionError in line 2: division by zero" in result.output
    assert "○ The gradient by hand: not attempted yet" in result.output
    assert "1 of 8 right, 1 points." in result.output
    shown = run("progress").output
    assert re.search(r"01 attention +█+░+ 1 of 8 questions, 1 of 14 points", shown)
    assert re.findall(r"(?m)^(\d\d) ", shown) == sorted(re.findall(r"(?m)^(\d\d) ", shown))


def test_check_of_what_is_no_exercise_says_so(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.ipynb").write_text('{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}')
    for name, message in (
        ("a.ipynb", "holds no answer of this course"),
        ("b.ipynb", "There is no notebook"),
    ):
        monkeypatch.setattr("sys.argv", ["course", "check", str(tmp_path / name)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == 1
        assert message in capsys.readouterr().err


def test_a_hint_and_a_reset(exercise):
    assert "softmax(scores)" in run("hint", "attention.softmax").output
    answer(exercise, "attention-softmax", "mine")
    mine = exercise.read_bytes()
    assert run("reset", str(exercise), input="n\n").exit_code == 1
    assert exercise.read_bytes() == mine
    assert run("reset", str(exercise), input="y\n").exit_code == 0
    assert exercise.read_bytes() != mine
    assert exercise.with_name("01_attention.kept-1.ipynb").read_bytes() == mine


def test_watch_marks_at_every_save_outlives_a_file_that_is_away_and_stops_at_ctrl_c(exercise, monkeypatch):
    whole = exercise.read_text(encoding="utf-8")
    steps = iter(
        [
            lambda: exercise.write_text(whole + " ", encoding="utf-8"),
            lambda: exercise.write_text("{", encoding="utf-8"),
            exercise.unlink,
            lambda: None,
            lambda: exercise.write_text(whole + "  ", encoding="utf-8"),
        ]
    )
    marked = []

    def sleep(_):
        step = next(steps, None)
        if step is None:
            raise KeyboardInterrupt
        step()

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr(cli, "_mark", lambda path, _: marked.append(len(path.read_text()) - len(whole)))
    monkeypatch.setattr("course_lib.grading.sandbox.Sandbox", lambda **_: contextlib.nullcontext())
    result = run("watch", str(exercise))
    assert result.exit_code == 0
    assert marked == [0, 1, 2]
    assert result.output.startswith(f"Watching {exercise}")
    assert "It is not a notebook" in result.output
    assert "Stopped." in result.output


def test_grade_and_report_pass_on_what_they_were_given(tmp_path, monkeypatch):
    given = {}

    def grade(paths, output, **options):
        given.update(options, paths=paths, output=output)
        return "3 of 3 submissions have a mark"

    monkeypatch.setattr("course_lib.grading.grade.grade", grade)
    monkeypatch.setattr("course_lib.grading.report.report", lambda folder: folder / "report.html")
    arguments = ["a", "b", "--output", "out", "--jobs", "2", "--seed", "7", "--only", "attention.softmax"]
    more = ["--roster", "class.csv", "--late-after", "2026-11-24T23:59", "--late-penalty", "10"]
    more += [
        "--overrides",
        "marks.csv",
        "--title",
        "Week 1",
        "--partial",
        "--moodle",
        "--canvas",
        "--nbgrader",
    ]
    result = run("grade", *arguments, *more, "--resume", "--gradescope", "--trust-submissions")
    assert "3 of 3 submissions" in result.output
    assert given == {
        "paths": [pathlib.Path("a"), pathlib.Path("b")],
        "output": pathlib.Path("out"),
        "jobs": 2,
        "seed": 7,
        "only": ["attention.softmax"],
        "resume": True,
        "gradescope": True,
        "trust": True,
        "partial": True,
        "roster_file": pathlib.Path("class.csv"),
        "late_after": "2026-11-24T23:59",
        "late_penalty": 10.0,
        "overrides": pathlib.Path("marks.csv"),
        "moodle": True,
        "canvas": True,
        "nbgrader": True,
        "title": "Week 1",
    }
    run("grade", "a")
    assert (given["only"], given["seed"], given["trust"]) == (None, None, False)
    assert (given["partial"], given["late_after"], given["late_penalty"], given["moodle"]) == (
        False,
        None,
        0.0,
        False,
    )
    assert str(pathlib.Path("out") / "report.html") in run("report", "out").output


def test_a_certificate_is_written_and_confirmed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    for arguments, words in (([], "Say whose it is"), (["--name", "Ada"], "questions are not done yet")):
        monkeypatch.setattr("sys.argv", ["course", "certificate", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert caught.value.code == 1
        assert words in capsys.readouterr().err
    known = {q: dict.fromkeys(("right", "tries", "mistake", "answer", "fuller"), True) for q in _ids()}
    (tmp_path / "progress.json").write_text(json.dumps(known))
    page = tmp_path / "c.html"
    for _ in range(2):  # Its own kind is replaced.
        written = run(
            "certificate", "--name", "Ada", "--output", str(page), "--notebooks", str(ROOT / "solutions")
        )
    assert "Its number: " in written.output
    (tmp_path / "thesis.html").write_text("mine")
    refused = run("certificate", "--name", "Ada", "--output", str(tmp_path / "thesis.html"))
    assert "is there already and is no certificate" in str(refused.exception)
    assert (tmp_path / "thesis.html").read_text() == "mine"
    lost = run("certificate", "--confirm", str(tmp_path / "lost.html"))
    assert "lost.html cannot be read: No such file or directory." in str(lost.exception)
    os.mkfifo(tmp_path / "pipe.html")  # Reading it would wait for ever.
    assert "is not a certificate" in str(
        run("certificate", "--confirm", str(tmp_path / "pipe.html")).exception
    )
    marks = [{"id": q, "status": "right", "digest": d} for q, d in _passed(page).items()]
    assert None not in _passed(page).values()
    (tmp_path / "grades/submissions").mkdir(parents=True)
    result = tmp_path / "grades/submissions/Ada.json"
    result.write_text(json.dumps({"student": "Ada", "questions": marks}))
    confirmed = run("certificate", "--confirm", str(page), str(tmp_path / "grades"))
    assert (confirmed.exit_code, confirmed.output.startswith("Yes")) == (0, True)
    result.write_text(json.dumps({"student": "Ada", "questions": marks[1:]}))
    refused = run("certificate", "--confirm", str(page), str(tmp_path / "grades"))
    assert (refused.exit_code, refused.output.startswith("No.")) == (1, True)


def _ids():
    from course_lib import questions

    return [question.id for word in questions.topics() for question in questions.topic(word)]


def _passed(page):
    record = re.search(r'id="record">(.*?)</pre>', page.read_text())[1]
    return json.loads(html.unescape(record))["passed"]


def test_an_autograder_is_written(tmp_path):
    result = run("autograder", str(tmp_path / "a.zip"), "--partial")
    assert "Upload it" in result.output
    assert (tmp_path / "a.zip").stat().st_size > 100_000
    assert run("autograder", str(tmp_path / "a.zip")).exit_code == 0  # Its own kind is replaced.


@pytest.mark.parametrize("what", ["a file", "a zip", "a folder"])
def test_an_autograder_replaces_nothing_else(tmp_path, monkeypatch, capsys, what):
    path = tmp_path / "mine.zip"
    if what == "a folder":
        path.mkdir()
    elif what == "a zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("thesis.txt", "mine")
    else:
        path.write_text("mine")
    before = None if path.is_dir() else path.read_bytes()
    assert course(monkeypatch, "autograder", str(path)) == 1
    assert "is there already and is no autograder" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["mine.zip"]
    assert before is None or path.read_bytes() == before


def test_an_error_of_the_system_names_the_file_and_no_number(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    assert course(monkeypatch, "capstone", str(tmp_path / "file" / "project")) == 1
    assert capsys.readouterr().err == f"course: {tmp_path / 'file' / 'project'}: Not a directory.\n"
    assert course(monkeypatch, "autograder", str(tmp_path / "file" / "a.zip")) == 1
    assert capsys.readouterr().err == f"course: {tmp_path / 'file' / 'a.zip'}: Not a directory.\n"


def test_words_without_quotes_are_no_bundle(monkeypatch, capsys):
    assert course(monkeypatch, "explain", "Wonderful", "film") == 1
    assert capsys.readouterr().err.endswith("If it is text, put all of the text in quotes.\n")


def test_an_error_obeys_no_escape_sequence_of_a_name(tmp_path, monkeypatch, capsys):
    odd = tmp_path / "a\x1b[31m.txt"
    odd.write_text("")
    assert course(monkeypatch, "grade", str(odd), "--trust-submissions") == 1
    assert course(monkeypatch, "check", str(tmp_path / "b\x1b]0;x\x07.ipynb")) == 1
    shown = capsys.readouterr().err
    assert "Neither a notebook" in shown
    assert "There is no notebook" in shown
    assert not set(shown) & {"\x1b", "\x07"}
