"""What is right in the notebook is right in `course check` and in `course grade`; so is what is wrong."""

import copy
import json
import pathlib
import re

import nbformat
import pytest
from nbclient import NotebookClient

from course_lib import questions
from course_lib.grading import exercises, feedback, grade, sandbox

ROOT = pathlib.Path(__file__).parent.parent


def code(source):
    return nbformat.v4.new_code_cell(source)


def learner(book):
    """Writes the answers of lesson 02 in the ways that people do; returns which are right."""
    cells = {cell["metadata"].get("nbgrader", {}).get("grade_id"): cell for cell in book["cells"]}
    solved = {name: cell["source"] for name, cell in cells.items()}

    def place(name, before=0):
        return book["cells"].index(cells[name]) + before

    # A magic, and a shell line inside the function.
    cells["imdb-clean"]["source"] = "%%time\n" + solved["imdb-clean"].replace(
        '    """Return', '    !true\n    """Return', 1
    )
    # A helper and a constant in cells of their own, below the answer, and an import inside `try`.
    body = re.sub(r"def duplicate_groups", "def grouped", solved["imdb-duplicate_groups"])
    cells["imdb-duplicate_groups"]["source"] = (
        "def duplicate_groups(count, pairs):\n    return to_array(grouped(count, pairs)) + NOTHING"
    )
    below = [
        "try:\n    from numpy import asarray as to_array\nexcept ImportError:\n    to_array = None",
        body,
        "NOTHING = 0",
        "for each in range(3):\n    SQUARES = each**2",
    ]
    # The library's own function, and one that asks.
    cells["imdb-split"]["source"] = (
        "from course_lib import imdb as library\n\n\ndef split_by_groups(labels, groups, share):\n"
        "    return library.stratified_split(labels, (1 - share, share), groups)[1]"
    )
    cells["imdb-cohen_kappa"]["source"] = "def cohen_kappa(first, second):\n    return float(input())"
    # An error behind the function, and a change of the input.
    cells["imdb-wordpiece"]["source"] = solved["imdb-wordpiece"] + "\n\nwordpiece(1, 2, 3, 4)"
    cells["imdb-truncate"]["source"] = solved["imdb-truncate"] + "\n\nassert check and plt"
    # A function in another cell than its own; one that writes into its argument.
    moved = solved["imdb-pad"]
    cells["imdb-pad"]["source"] = "# See below."
    cells["imdb-batches_by_length"]["source"] = (
        re.sub(r"def batches_by_length", "def _batches", solved["imdb-batches_by_length"])
        + "\n\n\ndef batches_by_length(lengths, batch_size, multiple):\n"
        "    made = _batches(lengths, batch_size, multiple)\n    lengths[:] = 0\n    return made"
    )
    for source in reversed(below):
        book["cells"].insert(place("imdb-duplicate_groups", 1), code(source))
    book["cells"].insert(place("imdb-pad", 1), code(moved))
    for cell in book["cells"]:
        cell["metadata"].setdefault("tags", []).append("raises-exception")
    return {
        "imdb.clean": True,
        "imdb.duplicate_groups": True,
        "imdb.split": False,
        "imdb.cohen_kappa": False,
        "imdb.wordpiece": True,
        "imdb.truncate": True,
        "imdb.pad": True,
        "imdb.batches_by_length": True,
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learner")
    book = nbformat.from_dict(exercises.read(ROOT / "solutions" / "02_imdb.ipynb"))
    for cell in book["cells"]:
        cell["source"] = "".join(cell["source"])
    right = learner(book)
    signatures = {question.id: question.signature for question in questions.topic("imdb")}
    assert set(right) == set(signatures)
    path = folder / "02_imdb.ipynb"
    path.write_text(json.dumps(book), encoding="utf-8")
    return path, book, right


def test_notebook_check_and_grade_agree(written, monkeypatch, tmp_path):
    path, book, right = written
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    NotebookClient(copy.deepcopy(book), timeout=120, kernel_name="python3").execute()
    known = feedback.progress()
    assert {name: known.get(name, {}).get("right", False) for name in right} == right

    with sandbox.Sandbox(confined=False, frameworks=False) as running:
        marked = {each.question.id: each for each in feedback.check_notebook(path, running)}
    assert {name: each.status == "right" for name, each in marked.items()} == right
    assert ("note", "Left out, because only IPython knows it: %%time") in marked["imdb.clean"].lines
    told = dict(marked["imdb.batches_by_length"].lines)
    assert "changes `lengths`" in told["note"]
    assert "An answer cannot use course_lib" in str(marked["imdb.split"])
    assert "input() cannot be used" in str(marked["imdb.cohen_kappa"])

    (tmp_path / "class" / "ada").mkdir(parents=True)
    (tmp_path / "class" / "ada" / path.name).write_bytes(path.read_bytes())
    grade.grade([tmp_path / "class"], tmp_path / "grades", seed=0, trust=bool(sandbox.missing_layers()))
    result = json.loads((tmp_path / "grades" / "submissions" / "ada.json").read_text(encoding="utf-8"))
    assert {mark["id"]: mark["status"] == "right" for mark in result["questions"]} == right
    assert any("left out (%%time, !true)" in remark for remark in result["remarks"])
