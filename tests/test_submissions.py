"""Submissions: every layout is found, and nothing that a file holds stops the others."""

import io
import json
import os
import stat
import zipfile

import pytest

from course_lib import questions
from course_lib.grading import archives, submissions


@pytest.fixture(autouse=True)
def _lessons(monkeypatch):
    monkeypatch.setattr(questions, "topics", lambda: ["attention", "fine_tuning", "imdb"])


def cell(grade_id, source="x = 1", **changes):
    nbgrader = {"grade": False, "grade_id": grade_id, "locked": False, "schema_version": 3, "solution": True}
    return {
        "cell_type": "code",
        "metadata": {"nbgrader": nbgrader},
        "source": source,
        "outputs": [],
    } | changes


def notebook(*cells, **changes):
    cells = cells or (cell("attention-softmax"),)
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)} | changes
    ).encode()


def write(root, files):
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def pack(members, compression=zipfile.ZIP_DEFLATED):
    """A zip file; members are (name or ZipInfo, bytes)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def link(name, mode=stat.S_IFLNK):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (mode | 0o777) << 16
    return info


def only(paths):
    (found,) = submissions.find(paths)
    return found


MOODLE = {
    "Ada Lovelace_12345_assignsubmission_file_/01_attention.ipynb": notebook(),
    "Émile du Châtelet_12346_assignsubmission_file_/sub/my work.ipynb": notebook(),
    "Ada Lovelace_12347_assignsubmission_file_01_attention.ipynb": notebook(),
}
CANVAS = {
    "lovelaceada_12345_67890_01_attention-1.ipynb": notebook(),
    "turingalan_LATE_12346_67891_work.ipynb": notebook(),
}
NBGRADER = {
    "submitted/ada/attention/01_attention.ipynb": notebook(),
    "submitted/alan/attention/01_attention.ipynb": notebook(),
    "submitted/alan/attention/timestamp.txt": b"2026-11-24",
}
PLAIN = {
    "ada/01_attention.ipynb": notebook(),
    "ada/.ipynb_checkpoints/01_attention-checkpoint.ipynb": notebook(),
    "__MACOSX/ada/._01_attention.ipynb": b"\0",
    "alan.ipynb": notebook(),
    "week/grace.ipynb": notebook(),
    "readme.txt": b"",
}


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize(
    ("files", "students", "ids"),
    [
        (
            MOODLE,
            ["Ada Lovelace (12345)", "Ada Lovelace (12347)", "Émile du Châtelet (12346)"],
            ["Ada-Lovelace-12345", "Ada-Lovelace-12347", "Émile-du-Châtelet-12346"],
        ),
        (
            CANVAS,
            ["lovelaceada (12345)", "turingalan (12346)"],
            ["lovelaceada-12345", "turingalan-12346"],
        ),
        (NBGRADER, ["ada", "alan"], ["ada", "alan"]),
        (PLAIN, ["ada", "alan", "week/grace"], ["ada", "alan", "week-grace"]),
    ],
    ids=["moodle", "canvas", "nbgrader", "plain"],
)
def test_layouts(tmp_path, form, files, students, ids):
    if form == "folder":
        path = write(tmp_path / "class", files)
    else:
        path = tmp_path / "class.zip"
        path.write_bytes(pack(files.items()))
    found = submissions.find([path])
    assert [s.student for s in found] == students
    assert [s.id for s in found] == ids
    assert [s.problem for s in found] == [""] * len(found)
    assert {s.lesson for s in found} == {"attention"}
    assert {s.answers.sources["attention-softmax"] for s in found} == {"x = 1"}


@pytest.mark.parametrize("bytes_", ["Müller".encode(), "Müller".encode("cp437")], ids=["mac", "windows"])
def test_names_of_zips_that_do_not_say_their_encoding_are_read(tmp_path, bytes_):
    data = pack([("M".ljust(len(bytes_), "x") + ".ipynb", notebook()), ("ada.ipynb", notebook())])
    (tmp_path / "class.zip").write_bytes(data.replace(b"M".ljust(len(bytes_), b"x"), bytes_))
    assert [s.student for s in submissions.find([tmp_path / "class.zip"])] == ["Müller", "ada"]
    assert not any(s.problem for s in submissions.find([tmp_path / "class.zip"]))


@pytest.mark.parametrize(
    "files", [MOODLE, CANVAS, NBGRADER, PLAIN], ids=["moodle", "canvas", "nbgrader", "plain"]
)
def test_a_zip_in_a_folder_is_one_learners_whatever_names_are_in_it(tmp_path, files):
    write(tmp_path, {"bob.zip": pack(files.items()), "zoe.ipynb": notebook()})
    *bobs, zoe = submissions.find([tmp_path])
    assert zoe.student == "zoe"
    assert len(bobs) == (3 if files in (MOODLE, PLAIN) else 2)
    for submission in bobs:
        assert submission.student.startswith("bob/")
        assert ("name the folder or zip" in submission.warning) == (files is not PLAIN)


FORGED = {  # The file, and whose it is.
    "bob.zip": (
        pack([("submitted/ada/attention/01_attention.ipynb", notebook())]),
        "bob/submitted/ada/attention",
    ),
    "eve/submitted/ada/attention/01_attention.ipynb": (notebook(), "eve/submitted/ada/attention"),
    "gil/Ada_12345_assignsubmission_file_/01_attention.ipynb": (
        notebook(),
        "gil/Ada_12345_assignsubmission_file_",
    ),
    "submitted.zip": (pack([("ada/attention/01_attention.ipynb", notebook())]), "submitted/ada/attention"),
    "mallorym_4_5_hw.zip": (
        pack([("Ada_12345_assignsubmission_file_/01_attention.ipynb", notebook())]),
        "mallorym (4)",
    ),
    "trent_7_8_lovelaceada_12345_assignsubmission_file_.ipynb": (notebook(), "trent (7)"),
    "Ivan I_9_assignsubmission_file_/lovelaceada_12345_67890_01_attention.ipynb": (notebook(), "Ivan I (9)"),
    "Judy_11_assignsubmission_file_x_12345_6_y.ipynb": (notebook(), "Judy (11)"),
    "submitted/bob/attention/submitted/ada/attention/01_attention.ipynb": (notebook(), "bob"),
}


@pytest.mark.parametrize("name", FORGED)
def test_no_name_that_a_learner_chose_is_an_identity(tmp_path, name):
    data, student = FORGED[name]
    write(tmp_path, {"submitted/ada/attention/01_attention.ipynb": notebook(), name: data})
    found = submissions.find([tmp_path])
    assert sorted(s.student for s in found) == sorted(["ada", student])
    assert len({s.learner.key for s in found}) == 2


def test_a_notebook_by_name_is_that_of_the_outermost_learner(tmp_path):
    write(tmp_path, {"submitted/bob/attention/submitted/ada/attention/01_attention.ipynb": notebook()})
    assert only(list(tmp_path.rglob("*.ipynb"))).student == "bob"
    write(tmp_path, {"x/Ada L_12_assignsubmission_file_/01_attention.ipynb": notebook()})
    assert only([tmp_path / "x/Ada L_12_assignsubmission_file_"]).student == "Ada L (12)"


# Several of one learner.


def counted(paths):
    found = submissions.find(paths)
    return {s.source.split("class/")[-1]: s.superseded for s in found}, {s.warning for s in found}


def test_of_two_canvas_files_the_later_counts(tmp_path):
    write(
        tmp_path / "class",
        {
            "smithjohn_4321_900_01_attention.ipynb": notebook(cell("attention-softmax", "old")),
            "smithjohn_LATE_4321_77_01_attention-1.ipynb": notebook(cell("attention-softmax", "new")),
            "smithjohn_4321_901_02_imdb.ipynb": notebook(cell("imdb-clean", "another lesson")),
            "doejane_1_100_b.ipynb": notebook(cell("attention-softmax", "new")),
            "doejane_1_99_c.ipynb": notebook(cell("attention-softmax", "old")),
        },
    )
    found = {s.source.split("class/")[-1]: s for s in submissions.find([tmp_path / "class"])}
    old = {name for name, s in found.items() if s.superseded}
    assert old == {"smithjohn_4321_900_01_attention.ipynb", "doejane_1_99_c.ipynb"}
    last = found["smithjohn_LATE_4321_77_01_attention-1.ipynb"]
    assert last.learner.late
    assert "in place of 1" in last.warning
    assert "-1.ipynb" in found["smithjohn_4321_900_01_attention.ipynb"].superseded
    assert found["smithjohn_4321_901_02_imdb.ipynb"].warning == ""


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_of_two_nbgrader_downloads_the_later_counts(tmp_path, form):
    stamps = {"one": "2026-11-24 09:00:00.5 UTC", "two": "2026-11-24 09:30:00 Europe/Berlin"}  # 08:30 UTC.
    paths = []
    for name, stamp in stamps.items():
        files = {
            "submitted/ada/attention/01_attention.ipynb": notebook(cell("attention-softmax", name)),
            "submitted/ada/attention/timestamp.txt": stamp.encode(),
        }
        paths.append(tmp_path / name if form == "folder" else tmp_path / f"{name}.zip")
        if form == "folder":
            write(paths[-1], files)
        else:
            paths[-1].write_bytes(pack(files.items()))
    one, two = submissions.find(paths)
    assert (one.student, two.student) == ("ada", "ada")
    assert (one.superseded, one.weak, one.time.isoformat()) == ("", False, "2026-11-24T09:00:00.500000+00:00")
    assert "A later one counts" in two.superseded


def test_of_two_moodle_downloads_the_later_counts_by_the_dates_in_them(tmp_path):
    name = "Ada L_12_assignsubmission_file_/01_attention.ipynb"
    for file, day in (("one", 3), ("two", 2)):
        info = zipfile.ZipInfo(name, (2026, 11, day, 8, 0, 0))
        (tmp_path / f"{file}.zip").write_bytes(pack([(info, notebook(cell("attention-softmax", file)))]))
    one, two = submissions.find([tmp_path / "one.zip", tmp_path / "two.zip"])
    assert (one.superseded, one.weak) == ("", True)
    assert "A later one counts" in two.superseded


def test_the_same_notebook_twice_counts_once_and_what_cannot_be_told_is_said(tmp_path):
    write(tmp_path / "a", {"submitted/ada/attention/x.ipynb": notebook()})
    write(tmp_path / "b", {"submitted/ada/attention/x.ipynb": notebook()})
    first, second = submissions.find([tmp_path / "a", tmp_path / "b"])
    assert (first.superseded, "the same notebook" in second.superseded) == ("", True)
    write(
        tmp_path / "c",
        {
            "ada/01_attention.ipynb": notebook(),
            "ada/01_attention (1).ipynb": notebook(cell("attention-mask")),
        },
    )
    found = submissions.find([tmp_path / "c"])
    assert [s.student for s in found] == ["ada", "ada"]
    assert [s.superseded for s in found] == ["", ""]
    assert all("nothing tells which is the last" in s.warning for s in found)


def test_composed_and_decomposed_letters_are_two_learners_and_a_warning(tmp_path):
    composed, decomposed = "Zo\u00eb", "Zoe\u0308"
    write(
        tmp_path,
        {f"{composed}/01_attention.ipynb": notebook(), f"{decomposed}/01_attention.ipynb": notebook()},
    )
    first, second = submissions.find([tmp_path])
    assert first.student == second.student == composed
    assert first.id != second.id
    assert first.superseded == second.superseded == ""
    assert all("Another place gives the same name" in s.warning for s in (first, second))


def test_parts_of_nbgraders_layout_and_shell_patterns_name_the_same_students(tmp_path):
    write(tmp_path, NBGRADER)
    for paths in (
        [tmp_path / "submitted"],
        [tmp_path / "submitted/ada", tmp_path / "submitted/alan"],
        sorted(tmp_path.glob("submitted/*/attention/*.ipynb")),
    ):
        assert [s.student for s in submissions.find(paths)] == ["ada", "alan"]


def test_a_zip_of_one_learner_and_a_notebook_by_name(tmp_path):
    write(
        tmp_path,
        {
            "ada.zip": pack([("01_attention.ipynb", notebook())]),
            "alan/01_attention.ipynb": notebook(),
            "lovelaceada_1_2_hw.zip": pack([("a/01_attention.ipynb", notebook())]),
        },
    )
    assert only([tmp_path / "ada.zip"]).student == "ada"
    assert only([tmp_path / "alan/01_attention.ipynb"]).student == "alan"
    assert only([tmp_path / "lovelaceada_1_2_hw.zip"]).student == "lovelaceada (1)"


def test_ids_are_unique_and_safe_as_file_names(tmp_path):
    names = ["a b", "a-b", "A b", "a\nb", "x..", "-x", "é" * 90, "é" * 100]
    write(tmp_path, {f"{name}/01_attention.ipynb": notebook() for name in names})
    write(tmp_path, {os.fsdecode(b"\xff\xfe") + "/01_attention.ipynb": notebook()})
    found = submissions.find([tmp_path])
    ids = [s.id for s in found]
    assert len({i.casefold() for i in ids}) == len(names) + 1
    for submission in found:
        assert len(submission.id.encode()) < 200
        assert submission.id == submission.id.strip(".-_ ")
        assert not set(submission.id) & set("/\\\n:*?\"<>|'`$ ")
        assert submission.student.isprintable()
        assert submission.source.isprintable()


def test_a_file_named_twice_counts_once_and_the_order_does_not_matter(tmp_path, monkeypatch):
    write(tmp_path, PLAIN)
    monkeypatch.chdir(tmp_path)
    once = submissions.find(["ada", "alan.ipynb"])
    assert [s.id for s in once] == ["ada", "alan"]
    assert submissions.find(["alan.ipynb", "ada", "./ada", tmp_path / "alan.ipynb"])[0] == once[0]
    assert len(submissions.find(["alan.ipynb", "ada", "./ada", tmp_path / "alan.ipynb"])) == 2


@pytest.mark.parametrize(
    ("name", "cells", "lesson"),
    [
        ("x", [cell("imdb-cohen_kappa")], "imdb"),
        ("05_fine_tuning", [cell("imdb-clean"), cell("imdb-pad"), cell("attention-softmax")], "imdb"),
        ("05_fine_tuning-1", [cell("nothing")], "fine_tuning"),
        ("02_imdb (2)", [cell("nothing")], "imdb"),
        ("notes", [cell("nothing")], ""),
    ],
)
def test_lesson_is_that_of_the_cells_or_of_the_name(tmp_path, name, cells, lesson):
    write(tmp_path, {f"{name}.ipynb": notebook(*cells)})
    assert only([tmp_path]).lesson == lesson


def test_paths_that_cannot_be_meant_are_errors(tmp_path):
    write(tmp_path, {"a.txt": b"", "empty/readme.md": b""})
    with pytest.raises(ValueError, match="no such file"):
        submissions.find([tmp_path / "gone"])
    with pytest.raises(ValueError, match="Neither a notebook"):
        submissions.find([tmp_path / "a.txt"])
    with pytest.raises(ValueError, match="No notebook was found"):
        submissions.find([tmp_path / "empty"])


def test_who_handed_in_something_else_is_not_forgotten(tmp_path):
    write(
        tmp_path,
        MOODLE | {
            "Eve_9_assignsubmission_file_/answer.pdf": b"",
            "lovelaceada_1_2_answer.docx": b"",
            "Ada Lovelace_12345_assignsubmission_file_/picture.png": b"",
            "bob.zip": pack([("answer.py", b"")]),
        },
    )  # fmt: skip
    problems = {s.student: s.problem for s in submissions.find([tmp_path]) if s.problem}
    assert sorted(problems) == ["Eve (9)", "bob", "lovelaceada (1)"]
    assert all("no notebook" in problem for problem in problems.values())


# Hostile notebooks.

UNREADABLE = {
    "empty": (b"", "JSON"),
    "text": (b"print('hello')", "JSON"),
    "cut off": (notebook()[:-20], "JSON"),
    "zeros": (b"\0" * 1000, "JSON"),
    "deep": (b"[" * 200_000, "nested|JSON"),
    "deep, closed": (b"[" * 200_000 + b"]" * 200_000, "nested"),
    "many lists": (b"[" + b"[]," * 1_100_000 + b"[]]", "more lists"),
    "long number": (b'{"nbformat": ' + b"9" * 100_000 + b"}", "JSON|another notebook format"),
    "huge": (b" " * (submissions.NOTEBOOK_BYTES + 1), "larger than 20 MB"),
    "list": (b"[1, 2]", "not a notebook"),
    "number": (b"4", "not a notebook"),
    "null": (b"null", "not a notebook"),
    "object": (b'{"cells": []}', "not a notebook"),
    "version 3": (b'{"nbformat": 3, "worksheets": [{"cells": []}]}', "another notebook format"),
    "version of another type": (notebook(nbformat=[4]), "another notebook format"),
    "no cells": (b'{"nbformat": 4}', "without a list of cells"),
    "cells of another type": (notebook(cells={"0": cell("attention-softmax")}), "without a list of cells"),
    "pickle": (b"\x80\x04\x95\x00", "JSON"),
    "utf-16, cut off": (b"\xff\xfe{", "JSON"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_notebook_is_named_so(tmp_path, name):
    data, words = UNREADABLE[name]
    with pytest.raises(submissions.Unreadable, match=words) as caught:
        submissions.read_answers(data)
    assert len(str(caught.value)) < 200
    write(tmp_path, {"eve/01_attention.ipynb": data, "ada/01_attention.ipynb": notebook()})
    found = submissions.find([tmp_path])
    assert [s.id for s in found if s.problem] == ["eve"]
    assert [s.id for s in found if s.answers] == ["ada"]


# Hostile folders.


def test_links_in_folders_are_not_followed(tmp_path):
    write(tmp_path, {"secret/solution.ipynb": notebook(), "class/ada/01_attention.ipynb": notebook()})
    (tmp_path / "class/eve").mkdir()
    (tmp_path / "class/eve/01_attention.ipynb").symlink_to(tmp_path / "secret/solution.ipynb")
    (tmp_path / "class/mallory").symlink_to(tmp_path / "secret")
    (tmp_path / "class/loop").symlink_to(tmp_path / "class")
    (tmp_path / "class/gone.zip").symlink_to(tmp_path / "nowhere.zip")
    found = {s.student: s for s in submissions.find([tmp_path / "class"])}
    assert sorted(found) == ["ada", "eve", "gone", "loop", "mallory"]
    assert {name for name, s in found.items() if "link" in s.problem} == {"eve", "gone", "loop", "mallory"}


def test_a_link_on_the_command_line_is_the_instructors_own(tmp_path):
    write(tmp_path, {"there/ada/01_attention.ipynb": notebook()})
    (tmp_path / "here").symlink_to(tmp_path / "there")
    (tmp_path / "ada.ipynb").symlink_to(tmp_path / "there/ada/01_attention.ipynb")
    assert only([tmp_path / "here"]).answers
    assert only([tmp_path / "ada.ipynb"]).answers


def test_pipes_do_not_block_and_folders_named_like_files_are_folders(tmp_path):
    write(tmp_path, {"ada/01_attention.ipynb": notebook(), "odd.ipynb/alan.ipynb": notebook()})
    os.mkfifo(tmp_path / "eve.ipynb")
    found = {s.student: s.problem for s in submissions.find([tmp_path])}
    assert found == {"ada": "", "odd.ipynb/alan": "", "eve": "It is not a plain file."}


def test_folders_may_not_be_endlessly_deep(tmp_path):
    write(tmp_path, {"ada/01_attention.ipynb": notebook(), "d/" * 50 + "eve.ipynb": notebook()})
    assert ["deep" in s.problem for s in submissions.find([tmp_path])] == [False, True]


# Hostile archives.


def lie(data, size):
    """The same zip, but its first member is said to unpack to `size` bytes."""
    data = bytearray(data)
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = size.to_bytes(4, "little")
    return bytes(data)


BOMB = pack([("eve.ipynb", b"0" * 15_000_000)])
ARCHIVES = {
    "declared": (lie(BOMB, 2**31), "unpacks to 2,147,483,648 bytes"),
    "ratio": (BOMB, "more than 200 times"),
    "too small a size": (lie(pack([("eve.ipynb", notebook())]), 5), "damaged"),
    "too large a size": (lie(pack([("eve.ipynb", notebook())]), 5_000), "damaged"),
    "link": (pack([(link("eve.ipynb"), b"/etc/passwd")]), "link"),
    "pipe": (pack([(link("eve.ipynb", stat.S_IFIFO), b"")]), "special file"),
    "up": (pack([("../eve.ipynb", notebook())]), "leads out"),
    "up later": (pack([("x/../../../eve.ipynb", notebook())]), "leads out"),
    "absolute": (pack([("/etc/eve.ipynb", notebook())]), "leads out"),
    "drive": (pack([("C:\\eve.ipynb", notebook())]), "leads out"),
    "twice": (None, "several members"),
    "bzip2": (pack([("eve.ipynb", notebook())], zipfile.ZIP_BZIP2), "unusual way"),
    "lzma": (pack([("eve.ipynb", notebook())], zipfile.ZIP_LZMA), "unusual way"),
    "third level": (
        pack([("a.zip", pack([("b.zip", pack([("eve.ipynb", notebook())]))]))]),
        "zip file in a zip file",
    ),
    "no zip inside": (pack([("eve.zip", b"nothing")]), "not a zip file"),
    "encrypted": (None, "encrypted"),
}


def archive(name):
    data = ARCHIVES[name][0]
    if name == "twice":
        with pytest.warns(UserWarning, match="Duplicate"):
            return pack([("eve.ipynb", notebook()), ("eve.ipynb", notebook(cell("attention-mask")))])
    if name == "encrypted":
        data = bytearray(pack([("eve.ipynb", notebook())]))
        data[6] |= 1
        data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_members_are_refused_and_the_others_read(tmp_path, name):
    words = ARCHIVES[name][1]
    (tmp_path / "class.zip").write_bytes(archive(name))
    hostile = only([tmp_path / "class.zip"])
    assert words in hostile.problem
    assert hostile.answers is None
    file = io.BytesIO(archive(name))
    with zipfile.ZipFile(file, "a") as opened:
        opened.writestr("zoe/01_attention.ipynb", notebook())
    (tmp_path / "class.zip").write_bytes(file.getvalue())
    first, last = submissions.find([tmp_path / "class.zip"])
    assert (first.problem, last.problem) == (hostile.problem, "") or name == "declared"
    assert (last.student, sorted(last.answers.sources)) == ("zoe", ["attention-softmax"])
    assert [path.name for path in tmp_path.rglob("*")] == ["class.zip"]  # Nothing was unpacked.


def cut(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a zip file"),
        (b"PK\x05\x06" + b"\0" * 18, "no notebook"),
        (b"PK\x05\x06" + b"\xff" * 18, "not a zip file"),
        (cut(pack(PLAIN.items())), "not a zip file"),
        (pack([(f"{i}.txt", b"") for i in range(1_500)]), "too many for one learner"),
        (pack([(f"{i}.ipynb", notebook()) for i in range(30)]), "too many for one learner"),
        (pack([(f"{i}.zip", b"") for i in range(30)]), "too many for one learner"),
    ],
)
def test_an_archive_that_cannot_be_used_is_one_row(tmp_path, data, words):
    write(tmp_path, {"ada/01_attention.ipynb": notebook(), "eve.zip": data})
    ada, eve = submissions.find([tmp_path])
    assert (ada.problem, eve.student) == ("", "eve")
    assert words in eve.problem


def test_a_zip_named_on_the_command_line_may_hold_a_class_but_not_any_number(tmp_path):
    (tmp_path / "class.zip").write_bytes(pack([(f"{i}/01_attention.ipynb", notebook()) for i in range(100)]))
    assert sum(s.answers is not None for s in submissions.find([tmp_path / "class.zip"])) == 100
    (tmp_path / "class.zip").write_bytes(pack([(f"{i}.txt", b"") for i in range(submissions.MEMBERS + 1)]))
    assert "too many" in only([tmp_path / "class.zip"]).problem


def test_a_long_table_of_contents_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "DIRECTORY_BYTES", 2_000)
    (tmp_path / "class.zip").write_bytes(pack([(f"{i}.txt", b"") for i in range(100)]))
    assert "not a zip file" in only([tmp_path / "class.zip"]).problem


def test_all_members_together_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "TOTAL_FROM", 10_000)
    monkeypatch.setattr(submissions, "TOTAL_RATIO", 0)
    large = notebook(cell("attention-softmax", "x" * 4_000))
    (tmp_path / "class.zip").write_bytes(pack([(f"{i}/01_attention.ipynb", large) for i in range(5)]))
    assert [bool(s.problem) for s in submissions.find([tmp_path / "class.zip"])] == [False] * 2 + [True] * 3


# What one learner may hand in.


@pytest.mark.parametrize("layout", ["bob", "submitted/bob/attention", "Bob_3_assignsubmission_file_"])
def test_many_notebooks_in_many_zips_are_one_row(tmp_path, layout):
    inner = pack([(f"{i}.ipynb", notebook(cell("attention-softmax", f"x = {i}"))) for i in range(15)])
    write(tmp_path, {f"{layout}/{i}.zip": inner for i in range(20)} | {"zoe.ipynb": notebook()})
    found = {s.student: s for s in submissions.find([tmp_path])}
    assert sorted(found) == ["Bob (3)" if "Bob" in layout else "bob", "zoe"]
    assert sum("more than 60 notebooks" in s.problem for s in submissions.find([tmp_path])) == 1


def test_many_notebooks_in_zips_in_one_upload_are_one_row(tmp_path):
    inner = pack([(f"{i}.ipynb", notebook(cell("attention-softmax", f"x = {i}"))) for i in range(15)])
    upload = pack([(f"{i}.zip", inner) for i in range(20)])
    write(tmp_path, {"bob.zip": upload, "zoe.ipynb": notebook()})
    bob, zoe = submissions.find([tmp_path])
    assert (bob.student, "more than 60 notebooks" in bob.problem, zoe.problem) == ("bob", True, "")
    (tmp_path / "class.zip").write_bytes(
        pack([(f"b_1_{i}_x.zip", inner) for i in range(20)] + [("z_3_4_x.ipynb", notebook())])
    )
    bob, zoe = submissions.find([tmp_path / "class.zip"])
    assert (bob.student, "more than 60 notebooks" in bob.problem, zoe.problem) == ("b (1)", True, "")


@pytest.mark.parametrize("layout", ["bob", "submitted/bob/attention"])
def test_many_files_of_one_learner_are_one_row_and_the_run_goes_on(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(submissions, "LEARNER_FILES", 50)
    files = {f"{layout}/deep/{i}.txt": b"" for i in range(60)} | {f"{layout}/01_attention.ipynb": notebook()}
    write(tmp_path, files | {f"{layout.replace('bob', 'zoe')}/01_attention.ipynb": notebook()})
    bob, zoe = submissions.find([tmp_path])
    assert (bob.student, zoe.student, zoe.problem) == ("bob", "zoe", "")
    assert "more than 50 files" in bob.problem


def test_a_class_in_one_folder_may_be_large(tmp_path):
    write(tmp_path, {f"l{i}.ipynb": notebook() for i in range(150)})
    write(tmp_path, {f"submitted/m{i}/attention/01_attention.ipynb": notebook() for i in range(150)})
    assert [s.problem for s in submissions.find([tmp_path])] == [""] * 300


def test_zips_in_an_upload_share_one_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "LEARNER_BYTES", 10_000)
    large = pack([("01_attention.ipynb", notebook(cell("attention-softmax", "x" * 4_000)))])
    write(tmp_path, {"bob.zip": pack([(f"{i}.zip", large) for i in range(4)]), "zoe.zip": large})
    *bobs, zoe = submissions.find([tmp_path])
    assert [bool(s.problem) for s in bobs] == [False, False, True, True]
    assert zoe.problem == ""


def test_long_names_in_many_bytes_and_control_characters_in_messages(tmp_path):
    name = "\U0001f600" * 60
    (tmp_path / "class.zip").write_bytes(pack([(f"{name}.ipynb", notebook())]))
    found = only([tmp_path / "class.zip"])
    assert len(found.id.encode()) <= 100
    odd = tmp_path / "a\x1b[31mb.txt"
    odd.write_text("")
    for path, words in ((odd, "Neither"), (tmp_path / "\x1b]0;gone", "no such file")):
        with pytest.raises(ValueError, match=words) as caught:
            submissions.find([path])
        assert str(caught.value).isprintable()
    (tmp_path / "\x1b[0m").mkdir()
    with pytest.raises(ValueError, match="No notebook") as caught:
        submissions.find([tmp_path / "\x1b[0m"])
    assert str(caught.value).isprintable()
