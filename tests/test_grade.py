"""Grading a class: one outcome for each, the same bytes each time, nothing lost, nothing trusted.

Most tests put a sandbox in place of the real one that runs answers here and fails on demand, so that they are
quick; the last ones use the real sandbox.
"""

import csv
import dataclasses
import importlib.util
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

from course_lib import questions
from course_lib.grading import grade, judge, report, sandbox

ROOT = pathlib.Path(__file__).resolve().parent.parent


# Three questions on numbers.


def double(x):
    return 2.0 * x


def total(x):
    return np.sum(x)


def shift(x, by):
    return double(x) / 2 + by


QUESTIONS = (
    questions.Question(
        id="toys.double",
        title="Twice a vector",
        points=2,
        minutes=1,
        signature="double(x)",
        calls=lambda rng: [(rng.normal(size=3),), (rng.normal(size=(2, 2)),)],
        reference=double,
        mistakes=(
            questions.Mistake("squared", lambda x: x**2, "Look at the <sign>.", "Squares have no sign."),
            questions.Mistake("halved", lambda x: x / 2, "It is too small.", "It is a fourth."),
        ),
        hint="Multiply.",
    ),
    questions.Question(
        id="toys.total",
        title="The sum",
        points=3,
        minutes=1,
        signature="total(x)",
        calls=lambda rng: [(rng.normal(size=5),)],
        reference=total,
        mistakes=(questions.Mistake("mean", np.mean, "How many are there?", "Do not divide."),),
        hint="Add.",
    ),
    questions.Question(
        id="toys.shift",
        title="A shift",
        points=5,
        minutes=1,
        signature="shift(x, by)",
        calls=lambda rng: [(rng.normal(size=3), 1.5)],
        reference=shift,
        mistakes=(questions.Mistake("other_way", lambda x, by: x - by, "Where to?", "Mind the sign."),),
        hint="Add.",
    ),
)
DOUBLE, TOTAL, SHIFT = (question.grade_id for question in QUESTIONS)
RIGHT = {
    DOUBLE: "def double(x):\n    return 2 * x",
    TOTAL: "def total(x):\n    return x.sum()",
    SHIFT: "def shift(x, by):\n    return double(x) / 2 + by",
}


class FakeSandbox:
    """Runs answers in this process; a line `# do: WHAT` makes it fail in that way."""

    opened = 0

    def __enter__(self):
        FakeSandbox.opened += 1
        return self

    def __exit__(self, *_):
        pass

    def run(self, tasks, own=()):
        space, outcomes = {"np": np}, []
        for task in tasks:
            what = re.search(r"# do: (.+)", task.source)
            what = what and what[1]
            if what == "SandboxError":
                raise sandbox.SandboxError("the warm process is gone")
            if what == "lose":
                return outcomes
            if what:
                outcomes.append(
                    sandbox.Outcome(what, [], f"{what} at 0x7f{random.getrandbits(40):010x}", 0.1)
                )
                continue
            exec(task.source, space)
            outputs = judge.outcomes(space[task.name], task.calls, task.forms)
            outcomes.append(sandbox.Outcome("answered", outputs, "", random.random()))
        return outcomes


def use_fakes(setattr):
    setattr(questions, "topics", lambda: ["toys", "imdb"])
    setattr(questions, "topic", lambda word: {"toys": QUESTIONS, "imdb": ()}[word])
    setattr(sandbox, "missing_layers", list)
    setattr(grade, "_open_sandbox", lambda trust, frameworks: FakeSandbox())


@pytest.fixture
def fakes(monkeypatch):
    use_fakes(monkeypatch.setattr)


def notebook(answers):
    cells = [
        {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": name}}, "source": text, "outputs": []}
        for name, text in (answers.items() if isinstance(answers, dict) else answers)
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells})


def hand_in(folder, **learners):
    folder.mkdir(exist_ok=True)
    for name, answers in learners.items():
        (folder / f"{name}.ipynb").write_text(answers if isinstance(answers, str) else notebook(answers))
    return folder


def result(output, name):
    return json.loads((output / "submissions" / f"{name}.json").read_text())


def rows(output, name="grades.csv"):
    with (output / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def contents(output):
    """All files that must not differ between two runs."""
    return {
        str(path.relative_to(output)): path.read_bytes()
        for path in sorted(output.rglob("*"))
        if path.is_file() and path.name != "seconds.csv"
    }


def differences(one, other):
    """(name, bytes in one, bytes in the other) of each file that differs: what a failure has to tell."""
    one, other = contents(one), contents(other)
    return [(k, one.get(k), other.get(k)) for k in sorted({*one, *other}) if one.get(k) != other.get(k)]


CLASS = {
    "ada": RIGHT,
    "bob": RIGHT
    | {DOUBLE: "def double(x):\n    return x ** 2", SHIFT: "def shift(x, by):\n    return x + by"},
    "cem": {DOUBLE: "# do: not attempted", TOTAL: "# do: crashed", SHIFT: "# do: timed out"},
    "dan": {DOUBLE: "# do: out of memory", TOTAL: "# do: forbidden", SHIFT: "# do: malformed"},
    "eve": [(DOUBLE, RIGHT[DOUBLE]), (DOUBLE, RIGHT[DOUBLE]), (TOTAL, RIGHT[TOTAL])],
    "flo": "{",
    "gil": RIGHT | {TOTAL: "# do: SandboxError"},
    "hal": {"imdb-clean": "x"},
    "ivy": {"other": "x"},
    "joe": RIGHT | {TOTAL: "# do: lose"},
    "kim": RIGHT | {TOTAL: "# do: something new"},
}


@pytest.fixture
def graded(fakes, tmp_path):
    summary = grade.grade(
        [hand_in(tmp_path / "class", **CLASS)], tmp_path / "out", jobs=2, seed=1, gradescope=True
    )
    return summary, tmp_path / "out"


def test_each_status_is_kept_apart(graded):
    _, output = graded

    def states(name):
        return [
            (mark["status"], mark["points"], mark["mistake"]) for mark in result(output, name)["questions"]
        ]

    assert states("ada") == [("right", 2, None), ("right", 3, None), ("right", 5, None)]
    assert states("bob") == [("wrong", 0, "squared"), ("right", 3, None), ("right", 5, None)]
    assert states("cem") == [("not attempted", 0, None), ("crashed", 0, None), ("timed out", 0, None)]
    assert states("dan") == [("out of memory", 0, None), ("forbidden", 0, None), ("wrong", 0, None)]
    assert states("eve") == [("wrong", 0, None), ("right", 3, None), ("not attempted", 0, None)]
    assert states("gil") == [("grader error", None, None)] * 3
    assert states("kim") == [("right", 2, None), ("grader error", None, None), ("right", 5, None)]
    assert "Several cells" in result(output, "eve")["questions"][0]["message"]
    assert "no cell" in result(output, "eve")["questions"][2]["message"]
    assert result(output, "bob")["questions"][0]["hint"] == "Look at the <sign>."
    assert result(output, "bob")["questions"][0]["message"].startswith("Call 1: the output[0] must be")


def test_a_failure_of_the_grader_and_an_unreadable_file_give_no_mark(graded):
    summary, output = graded
    table = {row["student"]: row for row in rows(output)}
    assert {name for name, row in table.items() if row["status"] == "graded"} == {
        "ada",
        "bob",
        "cem",
        "dan",
        "eve",
    }
    assert {name for name, row in table.items() if row["status"] == "grader error"} == {"gil", "joe", "kim"}
    assert {name for name, row in table.items() if row["status"] == "unreadable"} == {"flo", "hal", "ivy"}
    for name, row in table.items():
        assert (row["points"] == "") == (row["status"] != "graded"), name
    assert table["cem"]["points"] == "0"
    assert (table["ada"]["points"], table["ada"]["of"]) == ("10", "10")
    assert "the warm process is gone" in table["gil"]["message"]
    assert "JSON" in table["flo"]["message"]
    assert "lesson with questions" in table["ivy"]["message"]
    assert table["bob"]["toys.double points"] == "0"
    assert table["bob"]["toys.double status"] == "wrong"
    assert (summary.submissions, summary.graded, summary.unreadable, summary.grader_errors) == (11, 5, 3, 3)
    assert summary.statuses["right"] == 8
    for word in ("5 of 11", "3 could not be read", "--resume", "Seed: 1"):
        assert word in str(summary)


def test_messages_are_one_plain_line(fakes, tmp_path):
    text = "a\nb\x1b[31m\u202e\ud800" + "x" * 5_000
    assert grade._plain(text).startswith("a b [31m ?xxx")
    assert len(grade._plain(text)) == grade.MESSAGE_CHARACTERS
    assert (
        grade._plain("<f at 0x7f3a41c8d0> in '/tmp/course-grade-a8_x/child-8/d'") == "<f at ...> in '.../d'"
    )


def test_gradescope_gets_a_score_and_after_a_failure_of_the_grader_none(graded, tmp_path):
    _, output = graded
    bob = json.loads((output / "results/bob.json").read_text())
    assert bob["score"] == 8
    assert [(test["score"], test["max_score"], test["status"]) for test in bob["tests"]] == [
        (0, 2, "failed"),
        (3, 3, "passed"),
        (5, 5, "passed"),
    ]
    assert "Look at the <sign>." in bob["tests"][0]["output"]
    failed = json.loads((output / "results/gil.json").read_text())
    assert not {"score", "tests"} & set(failed)
    assert json.loads((output / "results/flo.json").read_text())["score"] == 0
    grade.grade([tmp_path / "class/ada.ipynb"], tmp_path / "one", gradescope=True)
    assert json.loads((tmp_path / "one/results.json").read_text())["score"] == 10
    assert not (tmp_path / "one/results").exists()


def test_two_runs_with_the_same_seed_write_the_same_bytes(fakes, tmp_path):
    learners = {f"{name}{i}": CLASS[name] for i in range(10) for name in CLASS}
    folder = hand_in(tmp_path / "class", **learners)
    for name, jobs in (("one", 1), ("two", 3)):
        grade.grade([folder], tmp_path / name, jobs=jobs, seed=7, gradescope=True)
    assert not differences(tmp_path / "one", tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 3 * len(learners) + 4
    grade.grade([folder], tmp_path / "three", seed=8)
    assert (
        contents(tmp_path / "three")["submissions/bob0.json"]
        != contents(tmp_path / "one")["submissions/bob0.json"]
    )
    seconds = (tmp_path / "one/seconds.csv").read_text().splitlines()
    assert sum(line.startswith("ada0,toys.double,") for line in seconds) == 1


def test_a_seed_is_drawn_and_written_down(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", bob=CLASS["bob"])
    seeds = {grade.grade([folder], tmp_path / str(i)).seed for i in range(3)}
    assert len(seeds) == 3
    assert json.loads((tmp_path / "0/run.json").read_text())["seed"] in seeds
    again = grade.grade(
        [folder], tmp_path / "again", seed=json.loads((tmp_path / "0/run.json").read_text())["seed"]
    )
    assert again.seed in seeds
    assert not differences(tmp_path / "again", tmp_path / "0")


def test_inputs_of_a_question_depend_on_the_seed_and_on_nothing_else():
    first = grade._Grader(QUESTIONS[1], 5).expected.calls[0][0]
    grade._Grader(QUESTIONS[0], 5)
    np.testing.assert_array_equal(first, grade._Grader(QUESTIONS[1], 5).expected.calls[0][0])
    assert not np.array_equal(first, grade._Grader(QUESTIONS[1], 6).expected.calls[0][0])


def test_only_some_questions_with_the_functions_that_they_use(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT, hal=CLASS["hal"])
    summary = grade.grade([folder], tmp_path / "out", only="toys.shift")
    assert [mark["id"] for mark in result(tmp_path / "out", "ada")["questions"]] == ["toys.shift"]
    assert result(tmp_path / "out", "ada")["points"] == 5  # Its shift calls its double.
    assert summary.unreadable == 1
    with pytest.raises(ValueError, match=r"toys\.nothing"):
        grade.grade([folder], tmp_path / "other", only=["toys.shift", "toys.nothing"])
    assert not (tmp_path / "other").exists()


def test_a_folder_with_anything_in_it_is_refused(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    grade.grade([folder], tmp_path / "out", seed=1)
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match=r"not empty .*--resume"):
        grade.grade([folder], tmp_path / "out")
    assert contents(tmp_path / "out") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(ValueError, match="not empty"):
            grade.grade([folder], tmp_path / "mine", resume=resume)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_resume_judges_only_what_has_no_result_and_what_the_grader_failed_on(graded, tmp_path, monkeypatch):
    _, output = graded
    before = contents(output)
    (output / "submissions/ada.json").unlink()
    (output / "submissions/bob.json").write_text('{"cut')
    (output / "grades.csv").unlink()
    ran = []
    run = FakeSandbox.run
    monkeypatch.setattr(
        FakeSandbox, "run", lambda self, tasks, own: ran.append(len(tasks)) or run(self, tasks)
    )
    summary = grade.grade([tmp_path / "class"], output, resume=True, gradescope=True)
    assert len(ran) == 5  # ada, bob, gil, joe, kim
    assert summary.resumed == 6
    assert contents(output) == before


def test_resume_of_nothing_starts(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.run.json.x1.part").write_text("{")
    assert grade.grade([folder], tmp_path / "out", resume=True).graded == 1
    assert not list((tmp_path / "out").glob(".*"))


def test_resume_of_another_run_says_what_differs(graded, tmp_path):
    _, output = graded
    folder, before = tmp_path / "class", contents(output)

    def refused(words, **options):
        with pytest.raises(ValueError, match=words):
            grade.grade([folder], output, resume=True, **options)
        assert contents(output) == before

    refused("ask for the same", only="toys.double")
    refused("has the seed 1, not 2", seed=2)
    (folder / "ada.ipynb").write_text(notebook(RIGHT | {TOTAL: "x"}))
    refused("ada has changed")
    (folder / "ada.ipynb").unlink()
    hand_in(folder, zoe=RIGHT)
    refused("ada is gone, zoe is new")
    (output / "run.json").write_text("{")
    before = contents(output)
    refused("damaged")


def test_two_runs_into_one_folder_at_a_time_are_refused(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT)

    def meanwhile(done, total):
        with pytest.raises(ValueError, match="Another run"):
            grade.grade([folder], tmp_path / "out", resume=True)
        calls.append((done, total))

    calls = []
    grade.grade([folder], tmp_path / "out", progress=meanwhile)
    assert calls == [(0, 1), (1, 1)]


def test_results_and_the_seed_are_nobody_elses(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    (tmp_path / "there").mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        for output in (tmp_path / "new", tmp_path / "there"):
            grade.grade([folder], output, gradescope=True)
            for name in ("run.json", "grades.csv", "results.json", "submissions/ada.json"):
                assert (output / name).stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o755


def test_missing_layers_are_named_and_refused_unless_submissions_are_trusted(fakes, tmp_path, monkeypatch):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    opened = []
    monkeypatch.setattr(sandbox, "missing_layers", lambda: ["Landlock"])
    monkeypatch.setattr(grade, "_open_sandbox", lambda *options: opened.append(options) or FakeSandbox())
    with pytest.raises(RuntimeError, match=r"Landlock.*--trust-submissions"):
        grade.grade([folder], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert grade.grade([folder], tmp_path / "out", trust=True).graded == 1
    assert opened == [(True, False)]


def test_frameworks_are_loaded_only_if_an_answer_names_them(fakes, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(grade, "_open_sandbox", lambda *options: opened.append(options) or FakeSandbox())
    folder = hand_in(
        tmp_path / "class", ada=RIGHT, bob=RIGHT | {DOUBLE: "def double(x): return keras.ops.add(x, x)"}
    )
    grade.grade([folder], tmp_path / "out", jobs=1)
    assert opened == [(False, True)]


def test_a_sandbox_that_failed_is_replaced_and_one_that_does_not_start_ends_the_run(
    fakes, tmp_path, monkeypatch
):
    failing = RIGHT | {TOTAL: "# do: SandboxError"}
    folder = hand_in(tmp_path / "class", ada=failing, bob=RIGHT, cem=failing, dan=RIGHT)
    monkeypatch.setattr(FakeSandbox, "opened", 0)
    summary = grade.grade([folder], tmp_path / "out", jobs=1)
    assert (summary.graded, summary.grader_errors, FakeSandbox.opened) == (2, 2, 3)

    def broken(*_):
        raise sandbox.SandboxError("no memory for the warm process")

    with monkeypatch.context() as patch:
        patch.setattr(grade, "_open_sandbox", broken)
        with pytest.raises(sandbox.SandboxError, match="no memory"):
            grade.grade([folder], tmp_path / "other", jobs=2)
    assert grade.grade([folder], tmp_path / "other", resume=True).submissions == 4


def test_a_faulty_question_stops_the_run_before_anyone_is_marked(fakes, tmp_path, monkeypatch):
    faulty = dataclasses.replace(QUESTIONS[0], reference=lambda x: 1 / 0)
    monkeypatch.setattr(questions, "topic", lambda word: (faulty,))
    with pytest.raises(RuntimeError, match=r"toys\.double"):
        grade.grade([hand_in(tmp_path / "class", ada=RIGHT)], tmp_path / "out")
    assert list((tmp_path / "out/submissions").iterdir()) == []


@pytest.mark.parametrize("options", [{"jobs": 0}, {"seed": -1}])
def test_options_out_of_range(fakes, tmp_path, options):
    with pytest.raises(ValueError, match="must"):
        grade.grade([hand_in(tmp_path / "class", ada=RIGHT)], tmp_path / "out", **options)


@pytest.mark.parametrize(
    "name",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(1)",
        " =1",
        "\t=1",
        "\xa0=1",
        "＝1",
        "=cmd|' /C calc'!A0",
        '"=1"',
        "a,=1",
        "a\n=1",
    ],
)
def test_no_cell_of_the_table_is_a_formula(fakes, tmp_path, name):
    file = tmp_path / "class.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.ipynb", notebook({DOUBLE: "# do: crashed"}))
        archive.writestr(f"{name}/x_toys.ipynb", "{")
    grade.grade([file], tmp_path / "out")
    with (tmp_path / "out/grades.csv").open(encoding="utf-8-sig", newline="") as opened:
        cells = [cell for row in csv.reader(opened) for cell in row]
    assert any("1" in cell or "SUM" in cell or "calc" in cell for cell in cells)
    for cell in cells:
        assert cell.lstrip()[:1] not in ("=", "+", "-", "@", "＝") or not cell, cell
        assert "\n" not in cell


def test_progress_is_told_and_its_failure_loses_nothing(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", **CLASS)

    def interrupt(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade.grade([folder], tmp_path / "out", seed=1, jobs=2, progress=interrupt)
    assert len(list((tmp_path / "out/submissions").iterdir())) == 5
    told = []
    grade.grade([folder], tmp_path / "out", resume=True, progress=lambda *numbers: told.append(numbers))
    assert told[-1] == (11, 11)
    grade.grade([folder], tmp_path / "other", seed=1)
    assert not differences(tmp_path / "out", tmp_path / "other")


def test_what_a_killed_run_was_just_writing_goes_wherever_it_was(fakes, tmp_path):
    folder = hand_in(tmp_path / "class", **CLASS)
    options = {"seed": 1, "gradescope": True, "moodle": True, "canvas": True, "nbgrader": True}
    grade.grade([folder], tmp_path / "out", **options)
    before = contents(tmp_path / "out")
    folders = {tmp_path / "out", *(path for path in (tmp_path / "out").rglob("*") if path.is_dir())}
    assert len(folders) > 4
    for place in folders:
        (place / ".ada.html.x1.part").write_text("<p>")
    grade.grade([folder], tmp_path / "out", resume=True, **options | {"seed": None})
    assert contents(tmp_path / "out") == before
    (tmp_path / "own/deep").mkdir(parents=True)
    kept = [tmp_path / "own/.film.mp4.part", tmp_path / "own/deep/.film.mp4.part"]
    for path in kept:
        path.write_text("half of a film")
    with pytest.raises(ValueError, match="holds no run to go on with"):
        grade.grade([folder], tmp_path / "own", resume=True)
    assert all(path.exists() for path in kept)


# A thousand submissions, and a grader that is killed.

FAULTS = {
    "right": lambda rng: notebook(RIGHT),
    "mistake": lambda rng: notebook(RIGHT | {DOUBLE: "def double(x):\n    return x / 2"}),
    "raises": lambda rng: notebook(RIGHT | {TOTAL: "def total(x):\n    return 1 / 0"}),
    "crashed": lambda rng: notebook(RIGHT | {TOTAL: "# do: crashed"}),
    "timed out": lambda rng: notebook(RIGHT | {TOTAL: "# do: timed out"}),
    "out of memory": lambda rng: notebook(RIGHT | {TOTAL: "# do: out of memory"}),
    "forbidden": lambda rng: notebook(RIGHT | {TOTAL: "# do: forbidden"}),
    "malformed": lambda rng: notebook(RIGHT | {TOTAL: "# do: malformed"}),
    "stub": lambda rng: notebook(dict.fromkeys(RIGHT, "# do: not attempted")),
    "grader": lambda rng: notebook(RIGHT | {TOTAL: "# do: SandboxError"}),
    "twice": lambda rng: notebook([*RIGHT.items(), (TOTAL, RIGHT[TOTAL])]),
    "cut off": lambda rng: notebook(RIGHT)[: rng.randrange(1, 300)],
    "deep": lambda rng: "[" * 100_000,
    "noise": lambda rng: "".join(chr(rng.randrange(1, 0x300)) for _ in range(500)),
    "empty": lambda rng: "",
    "other lesson": lambda rng: notebook({"imdb-clean": "x"}),
}
STATE = {"cut off": "unreadable", "deep": "unreadable", "noise": "unreadable", "empty": "unreadable",
         "other lesson": "unreadable", "grader": "grader error"}  # fmt: skip
# The mistake's shift uses its double; the others lose the three points of the total.
POINTS = dict.fromkeys(FAULTS, 7) | {"right": 10, "mistake": 3, "stub": 0}


def many(folder, faults, size, seed=0):
    """Writes submissions, half of them right; returns what is wrong with each, by name."""
    rng = random.Random(seed)
    folder.mkdir()
    kinds = {}
    for i in range(size):
        kind = rng.choice(list(faults)) if rng.random() < 0.5 else "right"
        kind = "right" if kind == "endless" and i % 4 else kind  # They take their time.
        kinds[f"learner{i:04d}"] = kind
        (folder / f"learner{i:04d}.ipynb").write_text(faults[kind](rng), encoding="utf-8")
    assert set(kinds.values()) == set(faults)
    return kinds


def killed_twice(folder, output, size, *options):
    """Grades in processes of their own, of which the first two are killed on the way."""
    for part in (size // 3, 2 * size // 3, size + 1):
        process = subprocess.run(
            [sys.executable, __file__, str(folder), str(output), *options, str(part)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            start_new_session=True,
            timeout=600,
            check=False,
        )
        assert process.returncode == (0 if part > size else -signal.SIGKILL)
        assert part > size or len(list(output.glob("submissions/*.json"))) >= part


def check_outcomes(folder, kinds, states, points):
    """Asserts that each submission has exactly one outcome, and the one it earned."""
    table = {row["student"]: row for row in rows(folder)}
    assert len(rows(folder)) == len(table) == len(kinds)
    assert sorted(path.stem for path in (folder / "submissions").iterdir()) == sorted(kinds)
    for name, kind in kinds.items():
        state = states.get(kind, "graded")
        assert table[name]["status"] == state, (name, kind, table[name])
        earned = str(points[kind]) if state == "graded" else ""
        assert table[name]["points"] == earned, (name, kind, table[name])
    # A line is written after the result: what has a result was not judged a second time.
    lines = (folder / "seconds.csv").read_text().splitlines()
    assert len({line.rsplit(",", 1)[0] for line in lines}) == len(lines)


def test_a_thousand_submissions_and_two_kills_end_with_one_outcome_each(fakes, tmp_path):
    kinds = many(tmp_path / "class", FAULTS, 1_000)
    killed_twice(tmp_path / "class", tmp_path / "out", 1_000, "fake")
    check_outcomes(tmp_path / "out", kinds, STATE, POINTS)
    grade.grade([tmp_path / "class"], tmp_path / "other", seed=3)
    assert not differences(tmp_path / "out", tmp_path / "other")


# With the real sandbox.

confined = pytest.mark.skipif(bool(sandbox.missing_layers()), reason="this machine cannot confine answers")
REAL = {  # Statuses of an answer's function; DEF stands for its first line.
    "raises": ("crashed", "DEF\n    return 1 / 0"),
    "no function": ("crashed", "y = 1"),
    "syntax": ("crashed", "DEF\n    return ("),
    "leaves": ("crashed", "import os\nDEF\n    os._exit(0)"),
    "kills itself": ("crashed", "import os\nDEF\n    os.abort()"),
    "endless": ("timed out", "DEF\n    while True:\n        pass"),
    "memory": ("out of memory", "DEF\n    return len(bytes(1 << 40))"),
    "forks": ("forbidden", "import os\nDEF\n    return os.fork()"),
    "reads": ("forbidden", "DEF\n    return len(open('/etc/passwd').read())"),
    "stub": ("not attempted", "DEF\n    raise NotImplementedError('add them up')"),
    "nothing": ("wrong", "DEF\n    return None"),
    "not a number": ("wrong", "DEF\n    return np.nan"),
    "objects": ("wrong", "DEF\n    return np.array([1, None], dtype=object)"),
}


def real_faults(right, question, mistake):
    """Kinds of submissions for `many`.

    Args:
        right: The right answers, by grade_id.
        question: The question whose answer is at fault; no other answer uses it.
        mistake: What a wrong answer to some questions looks like, by grade_id.
    """

    def writes(*answers):
        return lambda rng: notebook([pair for one in answers for pair in one.items()])

    faults = {name: FAULTS[name] for name in ("cut off", "empty")}
    faults |= {"right": writes(right), "mistake": writes(right | mistake)}
    faults["twice"] = writes(right, {question.grade_id: right[question.grade_id]})
    for name, (_, source) in REAL.items():
        source = source.replace("DEF", f"def {question.signature}:")
        faults[name] = writes(right | {question.grade_id: source})
    return faults


@confined
def test_every_status_with_the_real_sandbox(tmp_path, monkeypatch):
    short = tuple(dataclasses.replace(question, seconds=2.0) for question in QUESTIONS)
    monkeypatch.setattr(questions, "topics", lambda: ["toys"])
    monkeypatch.setattr(questions, "topic", lambda word: short)
    folder = tmp_path / "class"
    folder.mkdir()
    for name, write in real_faults(RIGHT, QUESTIONS[1], {}).items():
        (folder / f"{name}.ipynb").write_text(write(random.Random(1)))
    summary = grade.grade([folder], tmp_path / "out", seed=1)
    assert summary.grader_errors == 0
    found = {}
    for row in rows(tmp_path / "out"):
        found[row["student"]] = row["toys.total status"]
        if row["student"] in REAL:
            assert (row["toys.double status"], row["toys.shift status"]) == ("right", "right"), row
    assert {name: found[name] for name in REAL} == {name: status for name, (status, _) in REAL.items()}
    grade.grade([folder], tmp_path / "again", seed=1, jobs=1)
    assert not differences(tmp_path / "out", tmp_path / "again")


def use_lesson(setattr):
    """Lesson 01's questions with a limit of three seconds, so that endless answers do not cost minutes."""
    topic = questions.topic
    setattr(questions, "topic", lambda word: tuple(dataclasses.replace(q, seconds=3.0) for q in topic(word)))


@confined
def test_a_class_of_lesson_01_and_two_kills_with_the_real_sandbox(tmp_path):
    spec = importlib.util.spec_from_file_location("grade_class", ROOT / "benchmarks" / "grade_class.py")
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    right = {name.replace(".", "-"): text for name, text in benchmark.NUMPY.items()}
    wrong = {name.replace(".", "-"): text for name, text in benchmark.WRONG.items()}
    question = questions.get("attention.multiplications")
    full = sum(q.points for q in questions.topic("attention"))
    size = 180  # At least two of each kind.
    kinds = many(tmp_path / "class", real_faults(right, question, wrong), size, seed=3)
    killed_twice(tmp_path / "class", tmp_path / "out", size, "real")
    missed = sum(questions.get(name).points for name in benchmark.WRONG)
    points = dict.fromkeys(kinds.values(), full - question.points)
    check_outcomes(tmp_path / "out", kinds, STATE, points | {"right": full, "mistake": full - missed})


# The report.


def test_report_shows_the_class_and_escapes_what_learners_wrote(graded, tmp_path, monkeypatch):
    _, output = graded
    attack = "<script>alert(1)</script>\"'&$\\frac$"
    (output / "submissions/eve.json").write_text(
        json.dumps(result(output, "eve") | {"student": attack}), encoding="utf-8"
    )
    flo = result(output, "flo") | {"message": attack, "lesson": attack}
    (output / "submissions/flo.json").write_text(json.dumps(flo), encoding="utf-8")
    path = report.report(output)
    assert path == output / "report.html"
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;$\\frac$") == 3
    assert "Look at the &lt;sign&gt;." in page
    assert page.count("<img ") == 3
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import", page)
    assert "11 submissions, 5 with a mark, 3 that could not be read, 3 on which the grader failed." in page
    assert "no mark" in page
    assert report.report(output, tmp_path / "page.html").read_bytes() == path.read_bytes()


def test_report_of_a_class_without_marks(fakes, tmp_path):
    grade.grade([hand_in(tmp_path / "class", flo="{")], tmp_path / "out")
    assert "1 submission, 0 with a mark" in report.report(tmp_path / "out").read_text()


def test_report_needs_results(tmp_path, graded):
    with pytest.raises(ValueError, match="no results"):
        report.report(tmp_path)
    (graded[1] / "submissions/ada.json").write_text("{}")
    with pytest.raises(ValueError, match=r"ada\.json is damaged"):
        report.report(graded[1])


def killed_after(part):
    """Kills this process when so many submissions are done, or somewhat later: it goes on meanwhile."""

    def progress(done, _):
        if done == part:
            wait = random.random() / 20
            threading.Timer(wait, os.kill, (os.getpid(), signal.SIGKILL)).start()

    return progress


if __name__ == "__main__":  # The grader that is killed.
    (use_fakes if sys.argv[3] == "fake" else use_lesson)(setattr)
    stop = killed_after(int(sys.argv[4]))
    grade.grade([sys.argv[1]], sys.argv[2], seed=3, jobs=2, resume=True, progress=stop)
