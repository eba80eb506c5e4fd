"""What is handed back: late days, overrides, class lists, pages, files for platforms, certificates."""

import csv
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from test_grade import (
    CLASS,
    DOUBLE,
    QUESTIONS,
    RIGHT,
    SHIFT,
    TOTAL,
    contents,
    hand_in,
    notebook,
    result,
    use_fakes,
)

from course_lib import questions
from course_lib.grading import (
    certificate,
    feedback,
    grade,
    gradescope,
    handback,
    identity,
    late,
    report,
    roster,
    similar,
    tables,
)

ROOT = pathlib.Path(__file__).resolve().parent.parent
HALF = RIGHT | {DOUBLE: "def double(x):\n    return 2 * x if x.ndim == 1 else x"}  # One call of two.


@pytest.fixture(autouse=True)
def _fakes(monkeypatch):
    use_fakes(monkeypatch.setattr)


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text if isinstance(text, str) else notebook(text), encoding="utf-8")
    return root


def table(path, encoding="utf-8"):
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def marks(output):
    return {row["student"]: row for row in table(output / "grades.csv", "utf-8-sig")}


# Tables.


def test_tables_are_quoted_and_marked_as_utf_8(tmp_path):
    hand_in(tmp_path / "class", **{"Jürgen": RIGHT, "x;=1+1;": RIGHT})
    grade.grade([tmp_path / "class"], tmp_path / "out")
    data = (tmp_path / "out/grades.csv").read_bytes()
    assert data.startswith(b'\xef\xbb\xbf"student","id"')
    assert all(line.startswith('"') and line.endswith('"') for line in data.decode("utf-8-sig").splitlines())
    assert '"x;=1+1;"' in data.decode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a\0b", "not a table"),
        (b'a,"' + b"x" * 200_000, "not a table"),
    ],
)
def test_what_is_no_table_is_named_so(tmp_path, data, words):
    (tmp_path / "a.csv").write_bytes(data)
    with pytest.raises(ValueError, match=words):
        tables.read_csv(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="no file"):
        tables.read_csv(tmp_path / "b.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_any_spreadsheet_are_read(tmp_path, encoding, separator):
    text = separator.join(["Full name", "E-Mail", "Student_ID"]) + "\r\n"
    text += separator.join(["Jürgen Müller", "jm@x.org", "7"]) + "\r\n\r\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    (person,) = roster.read(tmp_path / "a.csv")
    assert (person.id, person.name, person.email) == ("7", "Jürgen Müller", "jm@x.org")


# Seeds.


def test_small_seeds_are_warned_of_and_drawn_ones_are_large(tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    assert "small enough to be guessed" in str(grade.grade([folder], tmp_path / "a", seed=2026))
    drawn = grade.grade([folder], tmp_path / "b")
    assert 2**63 <= drawn.seed < 2**64
    assert "guessed" not in str(drawn)


def test_inputs_are_not_drawn_from_the_seed_itself():
    import zlib

    import numpy as np

    rng = np.random.default_rng([2026, zlib.crc32(b"toys.total")])
    drawn = grade._Grader(QUESTIONS[1], 2026).expected.calls[0][0]
    assert not np.array_equal(drawn, QUESTIONS[1].calls(rng)[0][0])


# No answer is no zero.


def test_a_notebook_without_any_answer_is_not_graded_zero(tmp_path):
    bare = json.loads(notebook(RIGHT))
    for cell in bare["cells"]:
        cell["metadata"] = {}
    bare["cells"] = [cell | {"source": "1 + 1"} for cell in bare["cells"]]
    write(
        tmp_path / "class",
        {"eve/01_toys.ipynb": json.dumps(bare), "ada.ipynb": {DOUBLE: "# do: not attempted"}},
    )
    grade.grade([tmp_path / "class"], tmp_path / "out")
    found = marks(tmp_path / "out")
    assert (found["eve"]["status"], found["eve"]["points"]) == ("unreadable", "")
    assert "no answer to a question of its lesson, 'toys'" in found["eve"]["message"]
    assert (found["ada"]["status"], found["ada"]["points"]) == ("graded", "0")
    assert "no answer to a question" in html.unescape((tmp_path / "out/feedback/eve.html").read_text())


def test_superseded_submissions_are_not_judged_and_say_so(tmp_path):
    files = {"adal_5_10_01_toys.ipynb": {DOUBLE: "# do: crashed"}, "adal_5_11_01_toys-1.ipynb": RIGHT}
    write(tmp_path / "class", files)
    summary = grade.grade([tmp_path / "class"], tmp_path / "out", canvas=True, seed=1)
    old, new = sorted(table(tmp_path / "out/grades.csv", "utf-8-sig"), key=lambda row: row["points"])
    assert (old["status"], old["points"], new["points"]) == ("superseded", "", "10")
    assert "A later one counts" in old["message"]
    assert "in place of 1" in new["warning"]
    assert (summary.superseded, summary.graded) == (1, 1)
    assert "1 do not count" in str(summary)
    assert len(list((tmp_path / "out/feedback").iterdir())) == 1
    assert "1 in whose place a later one counts" in report.report(tmp_path / "out").read_text()
    before = contents(tmp_path / "out")
    grade.grade([tmp_path / "class"], tmp_path / "out", canvas=True, resume=True)
    assert contents(tmp_path / "out") == before


def test_a_name_of_many_bytes_is_graded_and_handed_back(tmp_path):
    name = "\U0001f600" * 60
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr(f"{name}.ipynb", notebook(RIGHT))
        archive.writestr("ada.ipynb", notebook(RIGHT))
    summary = grade.grade([tmp_path / "class.zip"], tmp_path / "out", gradescope=True)
    assert summary.graded == 2
    assert {row["student"] for row in table(tmp_path / "out/grades.csv", "utf-8-sig")} == {name, "ada"}


# Partial credit.


def test_partial_credit_counts_calls_and_is_off_by_default(tmp_path):
    folder = hand_in(tmp_path / "class", ada=HALF, bob=CLASS["bob"], cem=CLASS["cem"])
    grade.grade([folder], tmp_path / "out", seed=1)
    assert marks(tmp_path / "out")["ada"]["points"] == "8"
    grade.grade([folder], tmp_path / "out", resume=True, partial=True)
    found = marks(tmp_path / "out")
    assert (found["ada"]["points"], found["ada"]["toys.double points"]) == ("9", "1")
    assert (found["bob"]["points"], found["cem"]["points"]) == ("8", "0")
    mark = result(tmp_path / "out", "ada")["questions"][0]
    assert (mark["calls_right"], mark["calls"]) == (1, 2)


# Late.


STAMPS = {
    "in time": ("2026-11-24 23:58:00 UTC", 0),
    "to the second": ("2026-11-24 23:59:00.0 UTC", 0),
    "a minute": ("2026-11-25 00:00:00 UTC", 1),
    "a day": ("2026-11-25 23:59:00 UTC", 1),
    "more": ("2026-11-26 00:00:00 UTC", 2),
    "elsewhere": ("2026-11-25 00:30:00 Europe/Berlin", 0),
    "many": ("2027-01-25 00:30:00 UTC", 62),
}


def test_late_days_are_begun_days_of_the_platforms_own_time(tmp_path):
    for name, (stamp, _) in STAMPS.items():
        write(tmp_path / "class", {f"submitted/{name}/toys/01_toys.ipynb": RIGHT,
                                   f"submitted/{name}/toys/timestamp.txt": stamp})  # fmt: skip
    options = {"late_after": "2026-11-24T23:59+00:00", "late_penalty": 10}
    summary = grade.grade([tmp_path / "class"], tmp_path / "out", nbgrader=True, **options)
    found = marks(tmp_path / "out")
    for name, (_, days) in STAMPS.items():
        assert float(found[name]["points"]) == max(10 - days, 0), name
        assert found[name]["late"] == (f"{days} day{'s' * (days > 1)}" if days else ""), name
        assert found[name]["submitted"].startswith("2026-11-2" if days < 9 else "2027"), name
    assert "4 came late." in str(summary)
    exported = {row["student_id"]: row for row in table(tmp_path / "out/nbgrader/grades.csv")}
    assert (exported["more"]["raw_score"], exported["more"]["late_submission_penalty"]) == ("10", "2.0")
    assert (exported["more"]["score"], exported["more"]["max_score"]) == ("8", "10")
    page = (tmp_path / "out/nbgrader/feedback/more/toys/01_toys.html").read_text()
    assert "Late: 2 days: 2 points are taken from 10" in page


def test_canvas_says_late_and_dates_of_files_are_called_weak(tmp_path):
    write(
        tmp_path / "class", {"adal_LATE_5_10_x.ipynb": RIGHT, "bob_6_11_x.ipynb": RIGHT, "cem.ipynb": RIGHT}
    )
    for path in (tmp_path / "class").iterdir():
        os.utime(path, (1_795_600_000, 1_795_600_000))  # 25 November 2026.
    summary = grade.grade(
        [tmp_path / "class"], tmp_path / "out", late_after="2026-11-24T00:00+00:00", late_penalty=20
    )
    found = marks(tmp_path / "out")
    assert found["adal (5)"]["points"] == "8"
    assert "says Canvas" in found["adal (5)"]["late"]
    assert (found["bob (6)"]["points"], found["bob (6)"]["late"]) == ("10", "")
    assert (found["cem"]["points"], found["cem"]["submitted"]) == ("6", "")
    assert "2 days by the date of the file, which a copy changes" in found["cem"]["late"]
    assert "2 came late, 1 of them by the date of a file" in str(summary)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"late_after": "tomorrow"}, "Not a time: 'tomorrow'"),
        ({"late_after": "\x1b[31m"}, "Not a time"),
        ({"late_after": "2026-11-24"}, "time of the day, too, such as 2026-11-24T23:59"),
        ({"late_penalty": 101}, "0 to 100"),
        ({"late_penalty": -1}, "0 to 100"),
        ({"late_penalty": float("nan")}, "0 to 100"),
    ],
)
def test_what_is_no_time_or_penalty_is_said_before_anything_is_written(tmp_path, options, words):
    with pytest.raises(ValueError, match=re.escape(words) if "Not" in words else words):
        grade.grade([hand_in(tmp_path / "class", ada=RIGHT)], tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_penalty_without_a_time_is_said_to_cost_nothing(tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    summary = grade.grade([folder], tmp_path / "out", late_penalty=10)
    assert "Without --late-after only what Canvas calls late costs points." in summary.notes
    again = grade.grade(
        [folder], tmp_path / "out", resume=True, late_penalty=10, late_after="2026-11-24T10:00"
    )
    assert not any("Without" in note for note in again.notes)


def test_times_are_read_with_their_zones():
    import datetime

    assert late.Policy(datetime.datetime(2026, 11, 24)).after.tzinfo is not None
    assert identity.read_time("2026-11-24T10:00+02:00").isoformat() == "2026-11-24T10:00:00+02:00"
    assert identity.read_time("2026-11-24 15:58:23.948203 UTC").microsecond == 948203
    assert identity.read_time("2026-07-01 10:00:00 Europe/Berlin").utcoffset().seconds == 7200
    assert identity.read_time("2026-11-24").tzinfo is not None


# Overrides.


def overrides(path, *rows):
    path.write_text("student,question,points,comment\n" + "\n".join(rows), encoding="utf-8")
    return path


def test_overrides_count_survive_a_regrade_and_are_shown(tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT, bob=CLASS["bob"], flo="{")
    file = overrides(
        tmp_path / "marks.csv",
        "bob,toys.double,1.5,Nearly <b>.",
        'ada,total,9,"Talked, agreed."',
        "flo,total,4,By paper.",
    )
    for name, options in (("one", {}), ("two", {"resume": False})):
        grade.grade([folder], tmp_path / name, seed=1, overrides=file, **options)
        found = marks(tmp_path / name)
        assert (found["bob"]["points"], found["bob"]["toys.double points"]) == ("9.5", "1.5")
        assert (found["ada"]["points"], found["ada"]["comment"]) == ("9", "Talked, agreed.")
        assert (found["flo"]["points"], found["flo"]["status"]) == ("4", "unreadable")
        assert "Nearly &lt;b&gt;." in (tmp_path / name / "feedback/bob.html").read_text()
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    grade.grade([folder], tmp_path / "one", resume=True)
    assert marks(tmp_path / "one")["bob"]["points"] == "8"  # As it was judged.
    grade.grade([folder], tmp_path / "one", resume=True, overrides=file)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert "mean 9.2, median 9.25" in report.report(tmp_path / "one").read_text().lower()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("zoe,total,3,", "line 2: 'zoe', 'total' fits no submission"),
        ("ada,toys.nothing,3,", "line 2"),
        ("ada,total,many,", "must be a number"),
        ("ada,total,-1,", "must be a number"),
        ("ada,total,nan,", "must be a number"),
        ("ada,total,1,\nada,total,2,", "line 2 is of the same student"),
        ("ada,imdb.total,1,", "fits no submission"),
    ],
)
def test_overrides_that_fit_nothing_are_errors_before_anything_is_written(tmp_path, row, words):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    with pytest.raises(ValueError, match=re.escape(words) if "'" in words else words):
        grade.grade([folder], tmp_path / "out", overrides=overrides(tmp_path / "m.csv", row))
    assert not (tmp_path / "out").exists()
    (tmp_path / "m.csv").write_text("who,what\nada,total\n")
    with pytest.raises(ValueError, match="must have the columns"):
        grade.grade([folder], tmp_path / "out", overrides=tmp_path / "m.csv")


def test_one_student_by_two_names_has_one_override_for_each_question(tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT)
    (tmp_path / "r.csv").write_text("id,name\n7,Ada Lovelace\n8,ada\n")
    for second in ("toys.double", "toys.total"):
        rows = ("ada,toys.double,1,", "ada,total,9,", f"8,{second},2,")
        with pytest.raises(
            ValueError, match=f"line 4: line {2 if second == 'toys.double' else 3} is of the same"
        ):
            grade.grade([folder], tmp_path / "out", roster_file=tmp_path / "r.csv",
                        overrides=overrides(tmp_path / "m.csv", *rows))  # fmt: skip


def test_an_override_above_the_points_that_can_be_had_is_warned_of(tmp_path):
    folder = hand_in(tmp_path / "class", ada=RIGHT, bob=RIGHT, cem=RIGHT)
    file = overrides(tmp_path / "m.csv", "ada,toys.double,20,", "bob,total,11,", "cem,total,10,")
    grade.grade([folder], tmp_path / "out", overrides=file)
    found = marks(tmp_path / "out")
    assert found["ada"]["warning"] == "The override of toys.double gives more than its 2 points."
    assert found["bob"]["warning"] == "The override gives more than the 10 points that can be had."
    assert (found["ada"]["points"], found["bob"]["points"], found["cem"]["warning"]) == ("28", "11", "")


def test_an_answer_that_the_instructor_counts_as_right_is_called_so_everywhere(tmp_path):
    place = "Bob B_13_assignsubmission_file_/01_toys.ipynb"
    write(tmp_path / "class", {place: CLASS["bob"]})
    file = overrides(tmp_path / "m.csv", "Bob B (13),toys.double,2,")
    options = {"moodle": True, "gradescope": True}
    grade.grade([tmp_path / "class"], tmp_path / "out", seed=1, **options)
    assert "✗ not right yet" in (tmp_path / "out/feedback/Bob-B-13.html").read_text()
    grade.grade([tmp_path / "class"], tmp_path / "out", resume=True, overrides=file, **options)
    page = (tmp_path / "out/feedback/Bob-B-13.html").read_text()
    assert "✓ counted as right by your instructor" in page
    assert "not right yet" not in page
    (row,) = table(tmp_path / "out/moodle/grades.csv")
    assert (row["Grade"], row["Feedback comments"].partition(";")[0]) == (
        "10",
        "Twice a vector: counted as right",
    )
    tests = json.loads((tmp_path / "out/results.json").read_text())["tests"]
    assert [test["status"] for test in tests] == ["passed"] * 3


# The class list.


def test_gradescopes_own_list_says_whose_each_folder_is_and_since_when(tmp_path):
    write(tmp_path / "class", {f"submission_{i}/01_toys.ipynb": RIGHT for i in (41, 42)})
    entry = "submission_{}:\n  :submitters:\n{}  :created_at: 2026-11-24 {}.310000000 Z\n  :score: 0.0\n"
    one = "  - :name: {0}\n    :sid: '7'\n    :email: {1}\n"
    pair = one.format("Zoë O'Brien", "z@x.org") + one.format("Bob B", "b@x.org")
    (tmp_path / "class/submission_metadata.yml").write_text(
        "---\n"
        + entry.format(41, one.format("Ada L", "a@x.org"), "10:00:00")
        + entry.format(42, pair, "10:00:01"),
        encoding="utf-8",
    )
    options = {"late_after": "2026-11-24T10:00:01+00:00", "late_penalty": 10}
    roster_file = tmp_path / "class/submission_metadata.yml"
    grade.grade([tmp_path / "class"], tmp_path / "out", roster_file=roster_file, **options)
    found = marks(tmp_path / "out")
    ada, zoe = found["submission_41"], found["submission_42"]
    assert (ada["roster name"], ada["email"], ada["points"]) == ("Ada L", "a@x.org", "10")
    assert (zoe["roster name"], zoe["email"], zoe["points"]) == (
        "Zoë O'Brien; Bob B",
        "z@x.org; b@x.org",
        "9",
    )
    assert zoe["late"] == "1 day"
    assert "<h1>Ada L</h1>" in (tmp_path / "out/feedback/submission_41.html").read_text()


@pytest.mark.parametrize(
    "text", ["a: 1", "- a", "", "{", "a: {':submitters': [1]}", "!!python/name:os.system"]
)
def test_what_is_not_gradescopes_list_is_named_so(tmp_path, text):
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(ValueError, match=r"a\.yml is no submission_metadata\.yml"):
        roster.read(tmp_path / "a.yml")
    with pytest.raises(ValueError, match="no file"):
        roster.read(tmp_path / "b.yml")


def test_the_class_list_says_who_is_missing_and_who_is_unknown(tmp_path):
    write(
        tmp_path / "class",
        {
            "Ada Lovelace_12_assignsubmission_file_/01_toys.ipynb": RIGHT,
            "lovelaceada_99_1_x.ipynb": RIGHT,
            "turing.ipynb": RIGHT,
            "Zoë Q.ipynb": RIGHT,
            "Bob B.ipynb": RIGHT,
        },
    )
    (tmp_path / "roster.csv").write_text(
        "Identifier,Full name,Email address\n"
        "Participant 12,Somebody Else,a@x.org\nParticipant 13,Alan Turing,turing@x.org\n"
        "Participant 14,Zoe\u0308 Q,q@x.org\nParticipant 15,Bob B,b1@x.org\nParticipant 16,Bob B,b2@x.org\n"
        "Participant 17,Never There,n@x.org\n",
        encoding="utf-8",
    )
    summary = grade.grade([tmp_path / "class"], tmp_path / "out", roster_file=tmp_path / "roster.csv")
    found = {
        (row["what"], row["name"]): row["submissions"]
        for row in table(tmp_path / "out/roster.csv", "utf-8-sig")
    }
    assert found["handed in", "Somebody Else"] == "Ada-Lovelace-12"  # The number counts, not the name.
    assert found["handed in", "Alan Turing"] == "turing"
    assert found["handed in", "Zoe\u0308 Q"] == "Zoë-Q"
    assert ("missing", "Bob B") in found  # Two have that name: nothing is guessed.
    assert {name for what, name in found if what == "unknown"} == {"Bob B", "lovelaceada (99)"}
    assert ("missing", "Never There") in found
    assert "handed nothing in: 3" in str(summary)
    assert marks(tmp_path / "out")["turing"]["email"] == "turing@x.org"


def test_numbers_of_a_school_are_not_taken_for_those_of_the_platform(tmp_path):
    write(tmp_path / "class", {"Ada Lovelace_12_assignsubmission_file_/01_toys.ipynb": RIGHT})
    for text, name in (
        ("id,name\n12,Bob B\n99,Ada Lovelace\n", "Ada Lovelace"),
        ("id,name\n12,Lovelace Ada\n99,Bob B\n", "Lovelace Ada"),
    ):
        (tmp_path / "r.csv").write_text(text)
        grade.grade([tmp_path / "class"], tmp_path / name, roster_file=tmp_path / "r.csv")
        assert marks(tmp_path / name)["Ada Lovelace (12)"]["roster name"] == name
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_list_without_known_columns_or_with_one_id_twice_is_refused(tmp_path):
    for text, words in (
        ("colour\nred\n", "no column id, name or email"),
        ("id\n1\n1\n", "twice"),
        ("id\n", "nobody"),
    ):
        (tmp_path / "r.csv").write_text(text)
        with pytest.raises(ValueError, match=words):
            roster.read(tmp_path / "r.csv")


def test_moodles_worksheet_tells_when_somebody_handed_in():
    row = {"Last modified (submission)": "Tuesday, 24 November 2026, 9:05 PM"}
    person = roster.Person("Participant 1", "A", "", row)
    assert late._listed(person).replace(tzinfo=None).isoformat() == "2026-11-24T21:05:00"
    assert late._listed(roster.Person("1", "A", "", {"Last modified (submission)": "-"})) is None
    assert late._listed(None) is None


# What is handed back.


def test_who_handed_in_what_cannot_be_read_is_told_what_to_do(tmp_path):
    folder = hand_in(tmp_path / "class", flo="{", bob=CLASS["bob"])
    grade.grade([folder], tmp_path / "out")
    page = (tmp_path / "out/feedback/flo.html").read_text()
    assert "hand it in again" in page
    assert "Lesson:" not in page  # Nobody knows which.
    assert "hand it in again" not in (tmp_path / "out/feedback/bob.html").read_text()
    file = overrides(tmp_path / "m.csv", "flo,total,4,By paper.")
    grade.grade([folder], tmp_path / "out", resume=True, overrides=file)
    assert "hand it in again" not in (tmp_path / "out/feedback/flo.html").read_text()


def test_no_points_are_said_to_be_taken_from_none(tmp_path):
    folder = hand_in(tmp_path / "class", cem=CLASS["cem"])
    os.utime(folder / "cem.ipynb", (1_795_600_000, 1_795_600_000))  # 25 November 2026.
    grade.grade([folder], tmp_path / "out", late_after="2026-11-24T00:00", late_penalty=10)
    page = (tmp_path / "out/feedback/cem.html").read_text()
    assert "Late: " in page
    assert "are taken" not in page


def test_each_learner_gets_a_page_that_holds_answers_as_text_only(tmp_path):
    attack = "</pre><script>alert(1)</script>\x1b\u202e"
    answers = CLASS["bob"] | {TOTAL: f"def total(x):\n    '''{attack}'''\n    return x.mean()"}
    grade.grade(
        [hand_in(tmp_path / "class", bob=answers, flo="{", cem=CLASS["cem"])], tmp_path / "out", seed=1
    )
    assert sorted(path.name for path in (tmp_path / "out/feedback").iterdir()) == [
        "bob.html",
        "cem.html",
        "flo.html",
    ]
    page = (tmp_path / "out/feedback/bob.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    assert "default-src &#x27;none&#x27;" not in page
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in page
    text = html.unescape(re.sub(r"<[^>]+>", "\n", page))
    for words in ("5 of 10 points", "Look at the <sign>.", "How many are there?", "return x ** 2", "0 of 2",
                  "double(x)", "float64 array of shape (3,)", "✗ not right yet", "✓ right"):  # fmt: skip
        assert words in text, words
    assert "JSON" in (tmp_path / "out/feedback/flo.html").read_text()
    assert "no mark" in (tmp_path / "out/feedback/flo.html").read_text()


def test_a_call_is_shown_without_addresses_and_in_bounds():
    import numpy as np

    shown = handback.call_text(QUESTIONS[2], (np.zeros((100, 100)), object()))
    assert "x: float64 array of shape (100, 100)" in shown
    assert "0x" not in shown
    assert len(handback.call_text(QUESTIONS[2], ("x" * 5_000, 1))) < 1_000


# Files for platforms.

MOODLE = {
    "Ada Lovelace_12_assignsubmission_file_/01_toys.ipynb": RIGHT,
    "Bob B_13_assignsubmission_file_/01_toys.ipynb": CLASS["bob"],
    "Flo F_14_assignsubmission_file_/01_toys.ipynb": "{",
    "plain.ipynb": RIGHT,
}
WORKSHEET = (
    "Identifier,Full name,Grade,Maximum grade,Last modified (grade),Feedback comments\n"
    "Participant 12,Ada Lovelace,,15.00,-,\nParticipant 13,Bob B,3.00,15.00,-,old\n"
    "Participant 99,Nobody,,15.00,-,\n"
)


def test_moodle_gets_a_worksheet_and_a_zip_with_its_own_folder_names(tmp_path):
    write(tmp_path / "class", MOODLE)
    summary = grade.grade([tmp_path / "class"], tmp_path / "out", seed=1, moodle=True)
    ada, bob, flo = table(tmp_path / "out/moodle/grades.csv")
    assert (ada["Identifier"], ada["Full name"], ada["Grade"]) == ("Participant 12", "Ada Lovelace", "10")
    assert (bob["Grade"], flo["Grade"]) == ("8", "")  # No mark is not 0.
    assert "Last modified (grade)" in ada  # Moodle takes no worksheet without.
    assert "Twice a vector: wrong" in bob["Feedback comments"]
    with zipfile.ZipFile(tmp_path / "out/moodle/feedback.zip") as archive:
        names = archive.namelist()
        assert names[0] == "Ada Lovelace_12_assignsubmission_file_/feedback.html"
        assert len(names) == 3
        page = (tmp_path / "out/feedback/Bob-B-13.html").read_bytes()
        assert archive.read("Bob B_13_assignsubmission_file_/feedback.html") == page
    assert "do not come from moodle's layout" in str(summary)
    again = grade.grade([tmp_path / "class"], tmp_path / "out", resume=True)
    assert f"{tmp_path / 'out/moodle'} was not renewed" in str(again)
    assert "not renewed" not in str(summary)


def test_moodles_own_worksheet_is_filled_in(tmp_path):
    write(tmp_path / "class", MOODLE)
    (tmp_path / "sheet.csv").write_text(WORKSHEET)
    summary = grade.grade(
        [tmp_path / "class"], tmp_path / "out", moodle=True, roster_file=tmp_path / "sheet.csv"
    )
    rows = table(tmp_path / "out/moodle/grades.csv")
    assert [row["Grade"] for row in rows] == ["10", "8", ""]
    assert [row["Last modified (grade)"] for row in rows] == ["-", "-", "-"]
    assert list(rows[0]) == WORKSHEET.splitlines()[0].split(",")
    assert "Moodle's maximum is 15 points and the course's 10" in str(summary)


def test_canvas_gets_its_gradebook(tmp_path):
    write(tmp_path / "class", {"lovelaceada_12_1_x.ipynb": RIGHT, "bobb_13_2_x.ipynb": "{"})
    grade.grade([tmp_path / "class"], tmp_path / "a", canvas=True)
    possible, ada = table(tmp_path / "a/canvas/gradebook.csv")
    assert list(ada) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "toys"]
    assert (possible["Student"].strip(), possible["toys"]) == ("Points Possible", "10")
    assert (ada["ID"], ada["toys"]) == ("12", "10")
    (tmp_path / "book.csv").write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section,Week 1 (4711)\n    Points Possible,,,,,10\n"
        '"Lovelace, Ada",12,s12,ada,CS 1,\n"Student, Test",1,,,CS 1,\n'
    )
    summary = grade.grade([tmp_path / "class"], tmp_path / "b", canvas=True, title="Week 1",
                          roster_file=tmp_path / "book.csv")  # fmt: skip
    rows = table(tmp_path / "b/canvas/gradebook.csv")
    ada = rows[-1]
    assert (ada["Student"], ada["SIS Login ID"], ada["Section"]) == ("Lovelace, Ada", "ada", "CS 1")
    assert ada["Week 1 (4711)"] == "10"
    assert "In the class list: 1." in str(summary)
    assert "no column" not in str(summary)
    again = grade.grade([tmp_path / "class"], tmp_path / "b", canvas=True, title="Week", resume=True,
                        roster_file=tmp_path / "book.csv")  # fmt: skip
    assert "The class list has no column 'Week'" in str(again)


def test_nbgrader_gets_its_table_and_folders_with_those_who_are_missing(tmp_path):
    files = {
        "01_toys.ipynb": RIGHT,
        "timestamp.txt": "2026-11-24 10:00:00 UTC",
        "submission_secret.txt": "s3cret",
    }
    write(tmp_path / "class", {f"submitted/ada/ps1/{name}": text for name, text in files.items()})
    write(tmp_path / "class", {"submitted/flo/ps1/01_toys.ipynb": "{"})
    (tmp_path / "r.csv").write_text(
        "id,first_name,last_name,email\nada,Ada,Lovelace,a@x.org\nbob,Bob,B,b@x.org\n"
    )
    grade.grade([tmp_path / "class"], tmp_path / "out", nbgrader=True, roster_file=tmp_path / "r.csv")
    ada, flo, bob = table(tmp_path / "out/nbgrader/grades.csv")
    assert (flo["score"], flo["max_score"]) == ("", "10")
    columns = "assignment duedate timestamp student_id last_name first_name email raw_score "
    assert list(ada) == (columns + "late_submission_penalty score max_score").split()
    assert (ada["assignment"], ada["student_id"], ada["last_name"], ada["score"]) == (
        "ps1",
        "ada",
        "Lovelace",
        "10",
    )
    assert (bob["student_id"], bob["score"]) == ("bob", "0.0")
    feedback_folder = tmp_path / "out/nbgrader/feedback/ada/ps1"
    assert (feedback_folder / "01_toys.html").is_file()
    assert (feedback_folder / "timestamp.txt").read_text() == files["timestamp.txt"]
    assert (feedback_folder / "submission_secret.txt").read_text() == "s3cret"
    (tmp_path / "class/submitted/ada/ps1/submission_secret.txt").unlink()
    (tmp_path / "class/submitted/ada/ps1/submission_secret.txt").symlink_to("/etc/hostname")
    grade.grade([tmp_path / "class"], tmp_path / "two", nbgrader=True)
    assert not (tmp_path / "two/nbgrader/feedback/ada/ps1/submission_secret.txt").exists()


def test_nbgrader_itself_hands_the_feedback_out(tmp_path):
    pytest.importorskip("nbgrader")
    write(
        tmp_path / "c",
        {
            "submitted/ada/ps1/01_toys.ipynb": RIGHT,
            "submitted/ada/ps1/timestamp.txt": "2026-11-24 10:00:00.0 UTC",
            "submitted/ada/ps1/submission_secret.txt": "s3cret",
            "nbgrader_config.py": f"c = get_config()\nc.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
            "c.CourseDirectory.course_id = 'c'\n",
        },
    )
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange").chmod(0o777)
    grade.grade([tmp_path / "c/submitted"], tmp_path / "out", nbgrader=True)
    shutil.copytree(tmp_path / "out/nbgrader/feedback", tmp_path / "c/feedback")
    command = [sys.executable, "-m", "nbgrader", "release_feedback", "ps1"]
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path / "c", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (released,) = (tmp_path / "exchange/c/feedback").iterdir()
    assert released.read_bytes() == (tmp_path / "out/feedback/ada.html").read_bytes()


def test_who_has_two_of_which_none_is_the_last_is_in_no_platforms_file(tmp_path):
    place = "Ada Lovelace_12_assignsubmission_file_"
    write(tmp_path / "class", {f"{place}/01_toys.ipynb": RIGHT, f"{place}/copy.ipynb": CLASS["bob"]})
    summary = grade.grade([tmp_path / "class"], tmp_path / "out", moodle=True)
    assert not (tmp_path / "out/moodle/grades.csv").exists()
    assert "because several may count: Ada Lovelace (12)" in str(summary)
    assert all("nothing tells" in row["warning"] for row in table(tmp_path / "out/grades.csv", "utf-8-sig"))


def test_gradescopes_autograder_runs_what_it_holds(tmp_path):
    gradescope.autograder(tmp_path / "a.zip", ["--partial"])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = set(archive.namelist())
        assert {"setup.sh", "run_autograder", "pyproject.toml", "course_lib/cli.py"} <= names
        assert not any("solutions" in name or "__pycache__" in name for name in names)
        for name in ("setup.sh", "run_autograder"):
            assert archive.getinfo(name).external_attr >> 16 & 0o111
            assert archive.read(name).startswith(b"#!/usr/bin/env bash\n")
        script = archive.read("run_autograder").decode()
    # As on Gradescope, with a command in place of the course that notes how it was called.
    for folder in ("submission", "results", "course/bin"):
        (tmp_path / folder).mkdir(parents=True)
    command = tmp_path / "course/bin/course"
    command.write_text('#!/bin/sh\necho "$@" > "$4/results.json"\n')
    command.chmod(0o755)
    (tmp_path / "run_autograder").write_text(script)
    environment = {**os.environ, "AUTOGRADER": str(tmp_path)}
    subprocess.run(["bash", tmp_path / "run_autograder"], env=environment, check=True)
    called = (tmp_path / "results/results.json").read_text()
    assert called.startswith(f"grade {tmp_path}/submission --output ")
    assert called.endswith("--gradescope --partial\n")
    command.write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "results/results.json").unlink()
    assert subprocess.run(["bash", tmp_path / "run_autograder"], env=environment, check=False).returncode
    assert not (tmp_path / "results/results.json").exists()
    with pytest.raises(ValueError, match="must be plain"):
        gradescope.autograder(tmp_path / "b.zip", ["; rm -rf /"])


# Equal answers.

LONG = """def total(x):
    result = 0.0
    for index in range(len(x)):
        if x[index] > 0:
            result = result + x[index] * 1.0
        elif x[index] < 0:
            result = result - abs(x[index]) * 1.0
        else:
            result = result + 0.0
    return result
"""


def test_equal_answers_are_listed_if_they_are_long_and_rare(tmp_path):
    other = (
        LONG.replace("result", "s")
        .replace("index", "i")
        .replace("    s = 0.0\n", "    # Mine.\n    s = 0.0\n")
    )
    folder = hand_in(
        tmp_path / "class",
        ada={TOTAL: LONG, DOUBLE: RIGHT[DOUBLE]},
        bob={TOTAL: other, DOUBLE: RIGHT[DOUBLE]},
        cem={TOTAL: "# do: not attempted\n" + LONG},
        dan=RIGHT,
        eve={TOTAL: LONG.replace("0.0", "0"), DOUBLE: RIGHT[DOUBLE]},
        fay=CLASS["bob"],
    )
    grade.grade([folder], tmp_path / "out")
    (row,) = table(tmp_path / "out/similar.csv", "utf-8-sig")
    assert (row["question"], row["students"], row["what is alike"]) == (
        "toys.total",
        "ada; bob",
        "the code but for names",
    )
    assert int(row["tokens"]) >= 60
    assert not re.search(r"cheat|plagiar|copied|fraud", json.dumps(row))
    assert "one obvious solution" in row["remark"]


def test_common_answers_are_not_listed_and_equal_files_are(tmp_path):
    everybody = {f"l{i}": {TOTAL: LONG, DOUBLE: f"def double(x):\n    return x * 2  # {i}"} for i in range(8)}
    folder = hand_in(tmp_path / "class", **everybody)
    grade.grade([folder], tmp_path / "out")
    assert table(tmp_path / "out/similar.csv", "utf-8-sig") == []
    hand_in(folder, m=everybody["l0"])
    grade.grade([folder], tmp_path / "two")
    (row,) = table(tmp_path / "two/similar.csv", "utf-8-sig")
    assert (row["what is alike"], row["students"]) == ("the whole file", "l0; m")


def test_what_is_no_python_is_compared_as_words():
    assert similar.tokens("def (") == ["def", "("]
    assert similar.tokens("x\0y '''")
    assert similar.tokens("a = b  # c\n") == ["name 0", "=", "name 1"]


# The report.


def test_report_lists_wrong_answers_without_a_hint_by_what_they_gave(tmp_path):
    odd = RIGHT | {DOUBLE: "def double(x):\n    return x + 100"}
    raises = RIGHT | {DOUBLE: "def double(x):\n    raise KeyError('<b>')", SHIFT: "# do: not attempted"}
    folder = hand_in(tmp_path / "class", ada=odd, bob=odd, cem=raises, dan=CLASS["bob"])
    grade.grade([folder], tmp_path / "out", seed=1)
    page = report.report(tmp_path / "out").read_text(encoding="utf-8")
    section = page.partition("no known mistake")[2].partition("<h2>")[0]
    rows = [
        re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>(.*?)</tr>", section, re.DOTALL)[1:]
    ]
    assert len(rows) == 3  # And shift, which uses double.
    assert "output[0]" in rows[0]
    assert "2" in rows[0]
    assert "ada.ipynb" in " ".join(rows[0])
    assert "KeyError" in " ".join(rows[2])
    assert "return x + 100" in section
    assert "return x ** 2" not in section
    assert '<span class="id">toys.double</span>' in page
    assert ".id { white-space: nowrap; }" in page
    assert '<span class="words">squared</span>' in page
    assert ".words { overflow-wrap: normal; }" in page


def test_report_draws_percentages_from_0_to_100(tmp_path, monkeypatch):
    drawn = []
    picture = report._picture
    monkeypatch.setattr(
        report, "_picture", lambda axes, words: drawn.append((axes.get_xlim(), words)) or picture(axes, words)
    )
    grade.grade([hand_in(tmp_path / "class", cem=CLASS["cem"])], tmp_path / "out")
    report.report(tmp_path / "out")
    assert [limits for limits, words in drawn if words.startswith("Mean points")] == [(0, 100)]


# The certificate.


@pytest.fixture
def done(tmp_path, monkeypatch):
    """A learner who has solved everything, with the notebook that holds the answers."""
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setattr(questions, "topics", lambda: ["toys"])
    for question in QUESTIONS:
        feedback.record(question.id, "right", None, "0")
    return write(tmp_path, {"01_toys.ipynb": RIGHT}) / "01_toys.ipynb"


def test_a_certificate_is_confirmed_by_the_grades_of_the_same_answers(done, tmp_path):
    record = certificate.write(tmp_path / "c.html", "  Ada  <Lovelace>", [done])
    assert record["name"] == "Ada <Lovelace>"
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert certificate.digest(record) in page
    assert "<Lovelace>" not in page
    assert "own record" in page
    hand_in(
        tmp_path / "class", **{"Ada <Lovelace>": RIGHT, "bob": CLASS["bob"], "cem": RIGHT | {TOTAL: LONG}}
    )
    grade.grade([tmp_path / "class"], tmp_path / "out", seed=1)
    assert certificate.confirm(tmp_path / "c.html", [tmp_path / "out"]) == (
        True,
        ["Compared with the grades of 'Ada <Lovelace>'."],
    )
    certificate.write(tmp_path / "b.html", "bob", [done])
    agreed, lines = certificate.confirm(tmp_path / "b.html", [tmp_path / "out"])
    assert (agreed, "toys.double" in " ".join(lines)) == (False, True)
    certificate.write(tmp_path / "d.html", "cem", [done])
    agreed, lines = certificate.confirm(tmp_path / "d.html", [tmp_path / "out"])
    assert (agreed, "another text than on the page: toys.total" in " ".join(lines)) == (False, True)
    certificate.write(tmp_path / "e.html", "Eve", [done])
    agreed, lines = certificate.confirm(tmp_path / "e.html", [tmp_path / "out"])
    assert (agreed, "Nobody in the grades goes by the name 'Eve': make sure" in " ".join(lines)) == (
        False,
        True,
    )
    (tmp_path / "r.csv").write_text("id,name\nbob,Bob\nAda <Lovelace>,Ada\ncem,Eve\n")
    hand_in(tmp_path / "later", cem=RIGHT)
    grade.grade([tmp_path / "later"], tmp_path / "two", seed=1, roster_file=tmp_path / "r.csv")
    assert certificate.confirm(tmp_path / "e.html", [tmp_path / "two"])[0]
    hand_in(tmp_path / "none", gil=CLASS["cem"])
    grade.grade([tmp_path / "none"], tmp_path / "three", seed=1)
    agreed, lines = certificate.confirm(tmp_path / "e.html", [tmp_path / "three"])
    assert (agreed, lines) == (False, ["Nobody in the grades goes by the name 'Eve' or has these answers."])


def test_a_changed_certificate_is_not_confirmed(done, tmp_path):
    certificate.write(tmp_path / "c.html", "Ada", [done])
    grade.grade([hand_in(tmp_path / "class", Bob=RIGHT)], tmp_path / "out", seed=1)
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    for old, new in (("Ada", "Bob"), ('class="name">Ada', 'class="name">Bob')):
        (tmp_path / "d.html").write_text(page.replace(old, new), encoding="utf-8")
        agreed, lines = certificate.confirm(tmp_path / "d.html", [tmp_path / "out"])
        assert (agreed, "was changed" in lines[0]) == (False, True)
    (tmp_path / "d.html").write_text("<p>hello</p>")
    with pytest.raises(ValueError, match="not a certificate"):
        certificate.confirm(tmp_path / "d.html", [tmp_path / "out"])
    with pytest.raises(ValueError, match="no results"):
        certificate.confirm(tmp_path / "c.html", [tmp_path])


def test_no_certificate_while_something_is_missing_or_without_a_name(done, tmp_path):
    for name in ("", " ", "x" * 101, "a\x1bb"):
        with pytest.raises(ValueError, match="A name of 1 to 100"):
            certificate.write(tmp_path / "c.html", name, [done])
    (tmp_path / "progress.json").unlink()
    with pytest.raises(ValueError, match=r"3 questions are not done yet \(toys: double, total, shift\)"):
        certificate.write(tmp_path / "c.html", "Ada", [done])
    assert not (tmp_path / "c.html").exists()


def test_the_commands_of_the_teaching_guide_are_understood(monkeypatch, tmp_path):
    import shlex

    import typer.testing

    from course_lib import cli

    monkeypatch.chdir(tmp_path)
    called = []
    monkeypatch.setattr(grade, "grade", lambda *paths, **options: called.append(options) or "done")
    monkeypatch.setattr(report, "report", lambda folder: called.append(folder) or folder)
    monkeypatch.setattr(gradescope, "autograder", lambda *_: called.append(_))
    monkeypatch.setattr(certificate, "confirm", lambda *_: called.append(_) or (True, []))
    text = (ROOT / "docs" / "TEACHING.md").read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    for line in lines:
        command, *arguments = shlex.split(line)
        assert command == "course"
        done = typer.testing.CliRunner().invoke(cli.app, arguments)
        assert done.exit_code == 0, (line, done.output)
    assert len(called) == len(lines) >= 9
    for option in ("moodle", "canvas", "gradescope", "nbgrader"):
        assert any(options.get(option) for options in called if isinstance(options, dict)), option


def test_lessons_are_numbered_as_their_files_are(monkeypatch):
    monkeypatch.undo()
    for path in (ROOT / "exercises").glob("*.ipynb"):
        number, _, word = path.stem.partition("_")
        assert questions.number(word) == int(number)
    assert questions.topics()[:2] == ["attention", "imdb"]
    assert len(questions.topics()) == len(list((ROOT / "exercises").glob("[0-9]*.ipynb")))
