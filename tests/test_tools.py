"""The tools that write and execute notebooks."""

import importlib.util
import os
import pathlib
import re
import sys

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TOOLS = pathlib.Path(__file__).resolve().parent.parent / "tools"


def load(name):
    spec = importlib.util.spec_from_file_location(f"tools_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


nb, execute, check_notebooks = load("nb"), load("execute"), load("check_notebooks")

# nb.py

SCRIPT = """# %% [markdown]
# # 01 · Title
#
# Two blanks end a line:  
# and it goes on.

# %% tags=nbval-ignore-output,other
# %pip install --quiet something
value = 1

# %%
print("twice")

# %%
print("twice")
"""  # noqa: W291


@pytest.fixture
def paths(tmp_path):
    script, notebook = tmp_path / "lesson.py", tmp_path / "lesson.ipynb"
    script.write_text(SCRIPT, encoding="utf-8")
    nb.to_ipynb(script, notebook)
    return script, notebook


def read(path):
    return nbformat.read(path, as_version=4)


def test_a_script_becomes_a_valid_notebook(paths):
    book = read(paths[1])
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert book.metadata.kernelspec.name == "python3"
    assert [cell.cell_type for cell in book.cells] == ["markdown", "code", "code", "code"]
    assert book.cells[0].source == "# 01 · Title\n\nTwo blanks end a line:  \nand it goes on."
    assert book.cells[1].source == "%pip install --quiet something\nvalue = 1"
    assert book.cells[1].metadata.tags == ["nbval-ignore-output", "other"]
    assert "tags" not in book.cells[2].metadata
    assert len({cell.id for cell in book.cells}) == 4


def test_a_notebook_becomes_the_script_it_came_from(paths):
    script, notebook = paths
    nb.to_py(notebook, script.with_name("again.py"))
    assert script.with_name("again.py").read_text(encoding="utf-8") == SCRIPT


def test_cells_that_did_not_change_keep_their_ids_outputs_and_metadata(paths):
    script, notebook = paths
    book = read(notebook)
    for i, cell in enumerate(book.cells):
        cell.metadata["nbgrader"] = {"grade_id": str(i)}
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text=f"{i}\n")]
            cell.execution_count = i
    nbformat.write(book, notebook)

    edited = SCRIPT.replace("value = 1", "value = 2") + '\n# %%\nprint("new")\n'
    script.write_text(edited, encoding="utf-8")
    nb.to_ipynb(script, notebook)

    after = read(notebook)
    for i in (0, 2, 3):  # The two cells with the same source included.
        assert after.cells[i] == book.cells[i]
    assert after.cells[1].source.endswith("value = 2")
    assert after.cells[1].outputs == after.cells[4].outputs == []
    assert len({cell.id for cell in after.cells}) == 5
    assert not {after.cells[1].id, after.cells[4].id} & {cell.id for cell in book.cells}


def test_converting_again_changes_no_byte(paths):
    script, notebook = paths
    before = notebook.read_bytes()
    nb.to_ipynb(script, notebook)
    assert notebook.read_bytes() == before


LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)


def writable(line):
    """Not what the format itself gives a meaning: cell heads and commented-out magics."""
    return not nb.HEAD.match(line) and not nb.HEAD.match(f"# {line}") and not line.lstrip().startswith("# %")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["markdown", "code"]),
            st.lists(st.from_regex(r"[a-z-]{1,8}", fullmatch=True), max_size=2, unique=True),
            st.lists(LINE.filter(writable), max_size=4).map(lambda lines: "\n".join(lines).strip("\n")),
        ),
        max_size=5,
    )
)
@settings(deadline=None, max_examples=30)
def test_any_notebook_survives_the_round_trip(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("trip")
    book = nbformat.v4.new_notebook()
    for kind, tags, source in cells:
        cell = getattr(nbformat.v4, f"new_{kind}_cell")(source)
        cell.metadata = {"tags": tags} if tags else {}
        book.cells.append(cell)
    nbformat.write(book, folder / "before.ipynb")
    nb.to_py(folder / "before.ipynb", folder / "script.py")
    nb.to_ipynb(folder / "script.py", folder / "after.ipynb")

    after = [(c.cell_type, c.metadata.get("tags", []), c.source) for c in read(folder / "after.ipynb").cells]
    assert after == cells


def test_a_script_that_does_not_begin_with_a_cell_is_refused(tmp_path):
    (tmp_path / "lesson.py").write_text("import this\n# %%\n")
    with pytest.raises(ValueError, match=r"must begin with a `# %%` line. Received: 'import this'"):
        nb.to_ipynb(tmp_path / "lesson.py", tmp_path / "lesson.ipynb")
    assert not (tmp_path / "lesson.ipynb").exists()


@pytest.mark.parametrize("arguments", [[], ["to-ipynb", "a"], ["to-pdf", "a", "b"]])
def test_a_wrong_call_shows_the_usage(arguments):
    with pytest.raises(SystemExit, match="to-ipynb"):
        nb.main(arguments)


# execute.py


def book_of(*sources, tags=()):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    for i in tags:
        cells[i].metadata["tags"] = [execute.IGNORED]
    return nbformat.v4.new_notebook(
        cells=cells,
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["execute.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        execute.main()
    return int(caught.value.code)


def test_execute_saves_outputs_and_a_second_run_changes_no_byte(monkeypatch, tmp_path, capsys):
    path = tmp_path / "lesson.ipynb"
    clock = "import time; print(time.time_ns())"
    here = "import os, pathlib; print(pathlib.Path.cwd().name == " + repr(tmp_path.name) + ")"
    data = "print(os.environ['COURSE_DATA'], os.environ['COURSE_PROGRESS'] != 'mine')"
    nbformat.write(book_of(clock, here, data, "print(1); print(2)", tags=[0]), path)
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("COURSE_PROGRESS", "mine")

    assert run(monkeypatch, "--check-only", path) == 0
    assert os.environ["COURSE_PROGRESS"] == "mine"
    assert "differ from the saved ones" in capsys.readouterr().out
    assert not any(cell.outputs for cell in read(path).cells)

    assert run(monkeypatch, path) == 0
    assert "new outputs saved" in capsys.readouterr().out
    texts = [cell.outputs[0].text for cell in read(path).cells]
    assert texts[1:] == ["True\n", "sample True\n", "1\n2\n"]
    before = path.read_bytes()

    assert run(monkeypatch, path) == 0
    assert "the saved outputs hold" in capsys.readouterr().out
    assert path.read_bytes() == before


def test_a_failing_notebook_and_a_dead_kernel_leave_files_and_do_not_stop_the_rest(
    monkeypatch, tmp_path, capsys
):
    paths = [tmp_path / name for name in ("fails.ipynb", "dies.ipynb", "runs.ipynb")]
    for path, source in zip(paths, ["1 / 0", "import os; os._exit(1)", "print(3)"], strict=True):
        nbformat.write(book_of(source), path)
    before = [path.read_bytes() for path in paths]

    assert run(monkeypatch, *paths) == 1
    captured = capsys.readouterr()
    assert f"{paths[0]}: failed" in captured.err
    assert "ZeroDivisionError" in captured.err
    assert f"{paths[1]}: failed" in captured.err
    assert [path.read_bytes() for path in paths[:2]] == before[:2]
    assert read(paths[2]).cells[0].outputs[0].text == "3\n"


def versions(old, new, tags=()):
    books = [book_of("a", tags=tags), book_of("a", tags=tags)]
    for book, outputs in zip(books, [old, new], strict=True):
        book.cells[0].id = "a"
        book.cells[0].outputs = outputs
    return books


STREAM, DISPLAY = "stream", "display_data"


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ((STREAM, {"text": "1"}), (STREAM, {"text": "1"}), False),
        ((STREAM, {"text": "1"}), (STREAM, {"text": "2"}), True),
        ((STREAM, {"text": "1"}), None, True),
        ((STREAM, {"name": "stderr", "text": "1"}), (STREAM, {"name": "stderr", "text": "2"}), False),
        ((DISPLAY, {"data": {"image/png": "1"}}), (DISPLAY, {"data": {"image/png": "2"}}), False),
        ((DISPLAY, {"data": {"text/html": "1"}}), (DISPLAY, {"data": {"text/html": "2"}}), True),
        (("error", {"ename": "A", "evalue": "1"}), ("error", {"ename": "A", "evalue": "2"}), True),
    ],
)
def test_what_counts_as_a_change(old, new, differs):
    old, new = ([nbformat.v4.new_output(item[0], **item[1])] if item else [] for item in (old, new))
    assert execute.changed(*versions(old, new)) == differs
    if old and new:
        assert not execute.changed(*versions(old, new, tags=[0]))


def test_a_notebook_that_fails_or_is_too_large_fails_the_gate(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    nbformat.write(book_of("assert True"), "good.ipynb")
    nbformat.write(book_of("assert False"), "bad.ipynb")

    def gate(*paths):
        with pytest.raises(SystemExit) as caught:
            check_notebooks.main(paths)
        return int(caught.value.code), capsys.readouterr().out

    status, table = gate("good.ipynb", "bad.ipynb")
    assert status == 1
    assert re.search(r"good\.ipynb\W+passed", table)
    assert re.search(r"bad\.ipynb\W+failed", table)
    monkeypatch.setattr(check_notebooks, "GIBIBYTES", {"default": 0.001})
    status, table = gate("good.ipynb")
    assert status == 1
    assert "too large" in table


def test_pieces_of_a_stream_are_joined():
    pieces = [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]
    outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in pieces]
    assert [(o.name, o.text) for o in execute.tidy(outputs)] == [
        ("stdout", "ab"),
        ("stderr", "c"),
        ("stdout", "d"),
    ]
