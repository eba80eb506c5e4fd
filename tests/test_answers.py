"""Reading a notebook: which cells are answers, and which of the others they may use."""

import json
import pathlib

import pytest

from course_lib import questions
from course_lib.grading import answers
from course_lib.grading.answers import read_answers, use_frameworks


def code(source):
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}


def cell(grade_id, source="x = 1", **changes):
    return code(source) | {"metadata": {"nbgrader": {"grade_id": grade_id, "solution": True}}} | changes


def notebook(*cells):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings(encoding):
    text = notebook(cell("attention-softmax", "é = '日本'")).decode().encode().decode("unicode_escape")
    found = read_answers(text.encode(encoding))
    assert found.sources == {"attention-softmax": "é = '日本'"}
    assert found.problems == []


def test_invalid_bytes_are_replaced_and_reported():
    found = read_answers(notebook(cell("attention-softmax", "x = '?'")).replace(b"?", b"\xff"))
    assert found.sources == {"attention-softmax": "x = '�'"}
    assert "not valid UTF-8" in found.problems[0]


def test_half_a_surrogate_pair_becomes_text_that_can_be_written():
    found = read_answers(notebook(cell("attention-softmax", "x = '\ud800'")))
    found.sources["attention-softmax"].encode()


def test_only_cells_with_an_id_count_and_lists_of_lines_are_joined():
    odd = [None, 3, "text", [], {}, {"metadata": None}, {"metadata": {"nbgrader": []}}, {"cell_type": "code"}]
    ids = [None, 3, [], {}, "", "a b", "a.b", "é", "x" * 101, "../x"]
    found = read_answers(
        notebook(
            *odd,
            *map(cell, ids),
            cell("attention-softmax", ["a = 1\n", "b = 2"]),
            cell("attention-causal_mask", ""),
        )
    )
    assert found.sources == {"attention-softmax": "a = 1\nb = 2", "attention-causal_mask": ""}
    assert (found.malformed, found.problems) == ({}, [])


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([cell("imdb-clean", "x = 1"), cell("imdb-clean", "x = 2")], "Several cells"),
        (
            [cell("imdb-clean", "x = 1"), cell("imdb-clean", "x = 2"), cell("imdb-clean", "x = 3")],
            "Several cells",
        ),
        ([cell("imdb-clean", None), cell("imdb-clean", "x = 2")], "Several cells"),
        ([cell("imdb-clean", "x"), cell("imdb-clean", cell_type="markdown")], "Several cells"),
        ([cell("imdb-clean", None)], "does not hold text"),
        ([cell("imdb-clean", 3)], "does not hold text"),
        ([cell("imdb-clean", {"0": "x"})], "does not hold text"),
        ([cell("imdb-clean", ["x", 3])], "does not hold text"),
        ([cell("imdb-clean", [["x"]])], "does not hold text"),
        ([cell("imdb-clean", "x" * 200_001)], "longer than"),
        ([cell("imdb-clean", cell_type="markdown")], "not a code cell"),
        ([cell("imdb-clean", cell_type=["code"])], "not a code cell"),
    ],
)
def test_a_malformed_answer_is_not_guessed_and_spares_the_others(cells, words):
    found = read_answers(notebook(*cells, cell("imdb-pad", "y = 1")))
    assert found.sources == {"imdb-pad": "y = 1"}
    assert list(found.malformed) == ["imdb-clean"]
    assert words in found.malformed["imdb-clean"]


def test_only_what_answers_name_needs_a_framework():
    root = pathlib.Path(__file__).parent.parent
    book = json.loads((root / "solutions" / "01_attention.ipynb").read_text(encoding="utf-8"))
    assert "import keras" in json.dumps(book)  # In the locked cell, which is ignored.
    assert not use_frameworks(read_answers(json.dumps(book).encode()))
    for cell in book["cells"]:
        if cell["metadata"]["nbgrader"]["grade_id"] == "attention-softmax":
            cell["source"] = "def softmax(scores):\n    return keras.ops.softmax(scores)"
    assert use_frameworks(read_answers(json.dumps(book).encode()))


# The other cells


def test_own_cells_stand_before_the_next_answer_and_given_ones_are_known():
    found = read_answers(
        notebook(
            cell("imdb-imports", "import re"),
            code("def helper(x): return x"),
            cell("imdb-clean", "def clean(text): return helper(text)"),
            code("  \n"),
            cell("imdb-clean-check", "passed = 1"),
            {"cell_type": "markdown", "metadata": {}, "source": "words"},
            cell("imdb-pad", "def pad(x): return x"),
            code("EPS = 1e-6"),
        )
    )
    assert [(own.source, own.before, own.given) for own in found.own] == [
        ("import re", "imdb-clean", True),
        ("def helper(x): return x", "imdb-clean", False),
        ("passed = 1", "imdb-pad", True),
        ("EPS = 1e-6", "", False),
    ]
    asked = questions.topic("imdb")
    places = [place for place, _ in found.cells(asked)]
    assert places == [0, 0, [q.function for q in asked].index("pad"), len(asked)]


def stripped(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    for each in book["cells"]:
        each["metadata"] = {}
    return json.dumps(book).encode()


SOLUTIONS = sorted((pathlib.Path(__file__).parent.parent / "solutions").glob("*.ipynb"))


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_without_metadata_answers_are_found_by_their_names(path):
    found = read_answers(stripped(path))
    asked = questions.topic(path.stem[3:])
    assert found.lesson == path.stem[3:]
    assert set(found.sources) == {question.grade_id for question in asked}
    assert len(found.problems) == len(asked)
    assert "clean was found by its name" in " ".join(found.problems) or path.stem != "02_imdb"


def test_an_answer_outside_its_cell_is_taken_and_a_whole_one_is_not_replaced():
    found = read_answers(
        notebook(
            cell("imdb-clean", "# moved below"),
            code("def clean(text): return 1"),
            code("def clean(text): return 2"),
            cell("imdb-pad", "def pad(x): return x"),
            code("def pad(x): return 3"),
        )
    )
    assert found.sources == {"imdb-clean": "def clean(text): return 2", "imdb-pad": "def pad(x): return x"}


def test_what_nobody_asks_for_is_not_kept_and_all_code_together_has_a_limit(monkeypatch):
    monkeypatch.setattr(answers, "OWN_CHARACTERS", 100)
    found = read_answers(
        notebook(code("a" * 80), cell("imdb-pad", "def pad(x): return x"), code("b" * 80), cell("q", "c"))
    )
    assert [own.source[0] for own in found.own] == ["b", "c"]
    assert "so much code" in found.problems[0]
