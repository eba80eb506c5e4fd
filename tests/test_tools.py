"""The tools that write and execute notebooks."""

import base64
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

import matplotlib.pyplot as plt
import nbclient
import nbconvert
import nbformat
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from course_lib import serving

TOOLS = pathlib.Path(__file__).resolve().parent.parent / "tools"
sys.path.insert(0, str(TOOLS))
import check_notebooks  # noqa: E402
import drawings  # noqa: E402
import execute  # noqa: E402
import nb  # noqa: E402
import picture_of_page  # noqa: E402
import pictures  # noqa: E402

# nb.py

SCRIPT = """# %% [markdown]
# # 01 · Title
#
# Two blanks end a line:  
# and it goes on.

# %% tags=nbval-ignore-output,other
# alt: A line that rises.
# alt: A line that “falls”.
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
    assert book.cells[1].metadata.alt == ["A line that rises.", "A line that “falls”."]
    assert not book.cells[2].metadata
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


def test_a_script_from_before_a_description_was_written_does_not_lose_it(paths):
    script, notebook = paths
    before = notebook.read_bytes()
    script.write_text("".join(line for line in SCRIPT.splitlines(True) if not line.startswith(nb.ALT)))
    nb.to_ipynb(script, notebook)
    assert notebook.read_bytes() == before


def test_converting_again_changes_no_byte(paths):
    script, notebook = paths
    before = notebook.read_bytes()
    nb.to_ipynb(script, notebook)
    assert notebook.read_bytes() == before


LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=20)


def writable(line):
    """Not what the format itself gives a meaning: cell heads, descriptions and commented-out magics."""
    if line.startswith(nb.ALT):
        return False
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
    data = "print('COURSE_IMDB' in os.environ, os.environ['COURSE_PROGRESS'] != 'mine')"
    nbformat.write(book_of(clock, here, data, "print(1); print(2)", tags=[0]), path)
    monkeypatch.setenv("COURSE_IMDB", "archive")
    monkeypatch.setenv("COURSE_PROGRESS", "mine")

    assert run(monkeypatch, "--check-only", path) == 0
    assert os.environ["COURSE_PROGRESS"] == "mine"
    assert "differ from the saved ones" in capsys.readouterr().out
    assert not any(cell.outputs for cell in read(path).cells)

    assert run(monkeypatch, path) == 0
    assert "new outputs saved" in capsys.readouterr().out
    texts = [cell.outputs[0].text for cell in read(path).cells]
    assert texts[1:] == ["True\n", "False True\n", "1\n2\n"]
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
        ((DISPLAY, {"data": {"image/svg+xml": "1"}}), (DISPLAY, {"data": {"image/svg+xml": "2"}}), True),
        ((DISPLAY, {"data": {"text/html": "1"}}), (DISPLAY, {"data": {"text/html": "2"}}), True),
        (("error", {"ename": "A", "evalue": "1"}), ("error", {"ename": "A", "evalue": "2"}), True),
    ],
)
def test_what_counts_as_a_change(old, new, differs):
    old, new = ([nbformat.v4.new_output(item[0], **item[1])] if item else [] for item in (old, new))
    assert execute.changed(*versions(old, new)) == differs
    if old and new:
        assert not execute.changed(*versions(old, new, tags=[0]))


# check_notebooks.py


@pytest.fixture
def gate(monkeypatch, tmp_path, capsys):
    """Runs the check in an empty folder, as on the slow machine; returns exit status and what it printed."""
    monkeypatch.chdir(tmp_path)
    slow = check_notebooks.SLOW * check_notebooks.QUIET_SECONDS
    monkeypatch.setattr(check_notebooks, "calibrate", lambda: slow)

    def check(*arguments):
        with pytest.raises(SystemExit) as caught:
            check_notebooks.main(arguments)
        return int(caught.value.code), capsys.readouterr().out

    return check


def test_a_notebook_that_fails_or_draws_another_picture_fails_the_gate(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_IMDB", "archive")
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(check_notebooks.__file__))
    source = "import os; assert 'COURSE_IMDB' not in os.environ; block = bytearray(300 * 2**20)"
    nbformat.write(book_of(source), "good.ipynb")
    nbformat.write(book_of("assert False"), "bad.ipynb")
    book = book_of(SHOW.format(repr(chart())))
    book.cells[0].execution_count, book.cells[0].outputs = 1, [shown(chart(bar=0.7))]
    nbformat.write(book, "redrawn.ipynb")

    def gate(*arguments):
        """In a small process, because to a child's memory counts what it inherits from a large one."""
        code = "import sys, check_notebooks as c; c.calibrate = lambda: c.QUIET_SECONDS; c.main(sys.argv[1:])"
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout

    status, table = gate("good.ipynb", "bad.ipynb", "redrawn.ipynb")
    assert status == 1
    good = re.search(r"good\.ipynb\W+passed\W+\d+\W+\d+\W+180\W+(\d\.\d+)", table)
    assert 0.29 < float(good[1]) < 0.8  # The kernel's memory.
    assert re.search(r"bad\.ipynb\W+failed", table)
    assert re.search(r"redrawn\.ipynb\W+failed", table)
    assert gate("--no-pictures", "redrawn.ipynb")[0] == 0


@pytest.mark.parametrize(
    ("seconds", "gibibytes", "calibration", "row", "status"),
    [
        (179, 3.9, 1.0, r"passed\W+179\W+179\W+180\W+3\.90", 0),
        (181, 3.9, 1.0, r"passed\W+181\W+181\W+180 \(exceeded\)\W+3\.90", 0),
        (100, 3.9, 0.5, r"passed\W+100\W+200\W+180 \(exceeded\)\W+3\.90", 0),
        (181, 3.9, 1.5, r"passed\W+181\W+121\W+180\W+3\.90", 0),
        (1, 4.1, 1.0, r"too large\W+1\W+1\W+180\W+4\.10", 1),
    ],
)
def test_time_is_counted_on_the_slow_machine_and_only_memory_fails(
    monkeypatch, gate, seconds, gibibytes, calibration, row, status
):
    slow = check_notebooks.calibrate()
    monkeypatch.setattr(check_notebooks, "calibrate", lambda: calibration * slow)
    monkeypatch.setattr(check_notebooks, "run", lambda path, compare_pictures: (0, seconds, gibibytes, ""))
    code, table = gate("lesson.ipynb")
    assert code == status
    assert re.search(r"lesson\.ipynb\W+" + row, table), table


def test_lessons_run_two_at_a_time_and_those_that_compare_times_alone(monkeypatch, gate):
    running, seen, lock, meet = [], {}, threading.Lock(), threading.Barrier(2, timeout=60)
    pair = ("05_fine_tuning", "07_quantization")

    def run(path, compare_pictures):
        with lock:
            running.append(path.stem)
        if path.stem in pair:
            meet.wait()
        else:
            time.sleep(0.2)
        with lock:
            seen[path.stem] = len(running)
        if path.stem in pair:
            meet.wait()  # Neither leaves before the other has counted.
        with lock:
            running.remove(path.stem)
        return int(path.stem == "07_quantization"), 1.0, 1.0, f"what {path.stem} said"

    monkeypatch.setattr(check_notebooks, "run", run)
    names = ("08_deployment", "05_fine_tuning", "07_quantization", "01_attention", "00_welcome")
    status, said = gate("--jobs", "2", *(f"notebooks/{name}.ipynb" for name in names))
    assert status == 1
    assert sorted(seen) == sorted(names)
    assert seen["08_deployment"] == seen["01_attention"] == 1
    assert seen["05_fine_tuning"] == 2
    assert "what 07_quantization said" in said  # Of those that pass nothing is printed but the line.
    assert "what 00_welcome said" not in said


# pictures.py

SHOW = "import base64; from IPython.display import Image, display\ndisplay(Image(base64.b64decode({})))"
DRAW = SHOW.splitlines()[1]


def png(figure, **options):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, **options)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()


def chart(bar=0.6, line=0.0, width=7.0):
    """Five bars of which one is `bar` high, and five curves that lie `line` pixels higher than usual."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(width, 3.6))
    left.bar(range(5), [0.5, bar, 0.75, 0.8, 0.9])
    x = np.linspace(0, 6, 100)
    for i in range(5):
        right.plot(x, np.sin(x + i) + 2 * line / 277)
    left.set_ylim(0, 1)
    right.set_ylim(-1.1, 1.1)
    return png(figure)


def diagram(built=True):
    """Eight boxes, of which one is filled or not."""
    figure, axes = plt.subplots(2, 4, figsize=(10.6, 3.7))
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[], facecolor="#e9f2fa")
        ax.text(0.1, 0.5, "a box of the map")
    axes[1, 2].set_facecolor("#e9f2fa" if built else "white")
    return png(figure)


def shown(picture):
    """The output that `DRAW` leaves; without its picture if that is None."""
    data = {"text/plain": "<IPython.core.display.Image object>"}
    return nbformat.v4.new_output("display_data", data=data | ({"image/png": picture} if picture else {}))


@pytest.mark.parametrize(
    ("saved", "drawn", "found"),
    [
        ([chart()], [chart()], None),
        ([chart()], [chart(line=0.2)], None),
        ([diagram()], [diagram()], None),
        ([chart()], [chart(bar=0.61)], "RMS"),
        ([chart()], [chart(line=3)], "RMS"),
        ([diagram()], [diagram(built=False)], "RMS"),
        ([chart()], [chart(width=7.02)], "saved with 700 x 360 pixels, drawn with 702 x 360"),
        ([chart()], [], "1 saved, 0 drawn"),
        ([], [chart()], "0 saved, 1 drawn"),
        ([chart(), diagram()], [chart(), diagram(built=False)], "RMS"),
        ([chart(), diagram()], [diagram(), chart()], "pixels"),
    ],
    ids=lambda value: None,
)
def test_what_a_picture_may_change(saved, drawn, found):
    differences = pictures.differences(*([shown(picture) for picture in side] for side in (saved, drawn)))
    assert bool(differences) == bool(found)
    assert not found or found in differences[0]


def test_pictures_are_compared_in_the_run_of_nbval(tmp_path):
    bars, other = chart(), chart(bar=0.7)
    text_only = "display({'text/plain': '<IPython.core.display.Image object>'}, raw=True)"
    cells = [  # Tag, what the cell runs, the saved picture, whether the cell passes.
        (None, SHOW.format(repr(bars)), bars, True),
        (None, DRAW.format(repr(chart(line=0.2))), bars, True),
        (None, DRAW.format(repr(other)), bars, False),
        (None, text_only, bars, False),
        (None, DRAW.format(repr(bars)), None, False),
        (execute.IGNORED, DRAW.format(repr(other)), bars, True),
        (execute.IGNORED, text_only, bars, True),
    ]
    book = book_of(*(source for _, source, _, _ in cells))
    for i, (cell, (tag, _, saved, _)) in enumerate(zip(book.cells, cells, strict=True)):
        cell.metadata["tags"] = [tag] if tag else []
        cell.execution_count = i + 1
        cell.outputs = [shown(saved)]
    nbformat.write(book, tmp_path / "lesson.ipynb")

    # Without a summary: where CI is set, pytest repeats each whole message there.
    command = [
        sys.executable,
        str(TOOLS / "pictures.py"),
        "-v",
        "-rN",
        "--color=no",
        "--nbval",
        "--nbval-current-env",
    ]
    done = subprocess.run([*command, "lesson.ipynb"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    results = re.findall(r"Cell (\d) (PASSED|FAILED)", done.stdout)
    assert results[: len(cells)] == [
        (str(i), "PASSED" if passes else "FAILED") for i, (*_, passes) in enumerate(cells)
    ]
    said = re.findall(
        r"lesson\.ipynb, cell (\d): not the saved picture: (.*?)\. Look at what `make lessons", done.stdout
    )
    assert [cell for cell, _ in said] == ["2", "3", "4"]
    assert re.fullmatch(r"RMS \d+\.\d \(at most 8\)", said[0][1])
    assert [text for _, text in said[1:]] == ["1 saved, 0 drawn", "0 saved, 1 drawn"]


def test_execute_says_which_picture_changed_and_saves_it(monkeypatch, tmp_path, capsys):
    path = tmp_path / "lesson.ipynb"
    drawn = [chart(), chart(bar=0.7), chart(bar=0.7), chart(line=0.2)]
    book = book_of(
        SHOW.format(repr(drawn[0])), *(DRAW.format(repr(picture)) for picture in drawn[1:]), tags=[2]
    )
    for i, cell in enumerate(book.cells):
        cell.execution_count, cell.outputs = i + 1, [shown(chart())]
    nbformat.write(book, path)

    assert run(monkeypatch, "--check-only", path) == 0
    assert "the outputs differ from the saved ones\n    cell 1: new picture: RMS" in capsys.readouterr().out
    assert run(monkeypatch, path) == 0
    printed = capsys.readouterr().out
    assert "new outputs saved" in printed
    assert re.findall(r"cell (\d)", printed) == ["1"]
    assert pictures.of(read(path).cells[1].outputs)[0].strip() == drawn[1]
    assert run(monkeypatch, path) == 0
    assert "the saved outputs hold" in capsys.readouterr().out


def test_pieces_of_a_stream_are_joined():
    pieces = [("stdout", "a"), ("stdout", "b"), ("stderr", "c"), ("stdout", "d")]
    outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in pieces]
    assert [(o.name, o.text) for o in execute.tidy(outputs)] == [
        ("stdout", "ab"),
        ("stderr", "c"),
        ("stdout", "d"),
    ]


# Makefile and setup.sh, on stand-ins for Python: nothing is installed

STAND_IN = """#!/bin/sh
case "$1" in
--version) echo "Python {version}"; exit ;;
-c) case "$2" in *sys.version_info*) exit {unfit} ;; esac; exit ;;
esac
printf '%s\\n' "$PATH" >path
printf '%s\\n' "$*" >>arguments
printf '%s' "$COURSE_CACHE|$COURSE_IMDB" >variables
printf '%s' "$PYTHONDONTWRITEBYTECODE" >no-bytecode
[ "$2" != venv ] || {{ mkdir -p .venv/bin; cp "{good}" .venv/bin/python; }}
"""


def stand_in(path, version, good=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    unfit = int(not (3, 11) <= tuple(map(int, version.split("."))) <= (3, 13))
    path.write_text(STAND_IN.format(version=version, unfit=unfit, good=good))
    path.chmod(0o755)
    return path


def small_clone(root):
    """What `make lab` needs of a clone."""
    for name in ("requirements.lock", "pyproject.toml", "course_lib/carriers.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("uv==1.0\n    # via course\n")
    (root / "tools").mkdir()
    for name in ("Makefile", "tools/setup.sh"):
        (root / name).write_bytes((TOOLS.parent / name).read_bytes())
    return root


def make(root, *arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COURSE_", "MAKE"))}
    return subprocess.run(
        ["make", "--silent", *arguments], cwd=root, env={**kept, **environment}, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_wrong_python_is_named_and_leaves_nothing(tmp_path):
    root, old = small_clone(tmp_path / "clone"), stand_in(tmp_path / "python3.10", "3.10")
    result = make(root, "setup", PYTHON=str(old))
    assert result.returncode != 0
    assert f"needs Python 3.11, 3.12 or 3.13, and {old} is Python 3.10" in result.stderr
    assert "unset PYTHON" in result.stderr
    assert "make PYTHON=" in result.stderr
    assert not (root / ".venv").exists()
    assert "none that runs" in make(root, "setup", f"PYTHON={tmp_path / 'missing'}").stderr


@pytest.mark.parametrize("here", ["3.10", "3.14", "gone", "without pip", "3.12"])
def test_a_venv_that_does_not_fit_is_made_anew(tmp_path, here):
    root = small_clone(tmp_path / "clone")
    good = stand_in(tmp_path / "python3.13", "3.13")
    new = stand_in(tmp_path / "bin" / "python3.13", "3.13", good=good)
    python = stand_in(root / ".venv/bin/python", here if here[0] == "3" else "3.12")
    if here == "gone":
        python.unlink()
        python.symlink_to(tmp_path / "usr/bin/python3.12")
    if here == "without pip":
        python.write_text(
            STAND_IN.format(version="3.12", unfit=0, good="").replace("-c)", "-c) exit 1 ;; -x)")
        )
    before = python.read_text() if here != "gone" else None
    result = make(root, "setup", PYTHON=str(new))
    assert result.returncode == 0, result.stderr
    assert (root / ".venv/.ready").is_file()
    assert ("Making .venv with Python 3.13" in result.stdout) == (here != "3.12")
    assert (python.read_text() == before) == (here == "3.12")


def test_a_ready_venv_whose_python_went_away_is_made_anew(tmp_path):
    root = small_clone(tmp_path / "clone")
    good = stand_in(tmp_path / "python3.13", "3.13")
    new = stand_in(tmp_path / "bin" / "python3.13", "3.13", good=good)
    assert make(root, "setup", PYTHON=str(new)).returncode == 0
    assert make(root, "setup", PYTHON=str(new)).stdout == ""
    (root / ".venv/bin/python").unlink()
    assert "Making .venv" in make(root, "setup", PYTHON=str(new)).stdout


ODD = [
    "plain",
    "a b",
    "$HOME",
    "`touch bad`",
    'quo"te',
    "apo's",
    "a;touch bad",
    "$(touch bad)",
    "ünï",
    "100%",
]


@pytest.mark.parametrize("name", ODD)
def test_the_shell_does_not_read_the_folders_name(tmp_path, name):
    root = small_clone(tmp_path / name)
    stand_in(root / ".venv/bin/python", "3.12")
    (root / ".venv/.ready").touch()
    result = make(root, "lab", COURSE_CACHE="my $cache", COURSE_IMDB="/data/of $mine")
    assert result.returncode == 0, result.stderr
    assert (root / "path").read_text().split(":")[0] == str(root / ".venv/bin")
    assert f"--ServerApp.root_dir={root} --LabApp" in (root / "arguments").read_text()
    # Relative to where make runs, so that a kernel in notebooks/ means the same.
    assert (root / "variables").read_text() == f"{root}/my $cache|/data/of $mine"
    assert not list(tmp_path.rglob("bad"))


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("", ""),
        ("~/cache", "~/cache"),
        ("/a/b c", "/a/b c"),
        ("../x", "{root}/../x"),
        ("a, b", "{root}/a, b"),
    ],
)
def test_a_relative_folder_on_makes_command_line_is_made_absolute(tmp_path, given, seen):
    root = small_clone(tmp_path / "clone")
    stand_in(root / ".venv/bin/python", "3.12")
    (root / ".venv/.ready").touch()
    assert make(root, "lab", f"COURSE_CACHE={given}").returncode == 0
    assert (root / "variables").read_text() == seen.format(root=root) + "|"


def test_what_a_process_compiles_is_kept_for_the_next(tmp_path):
    root = small_clone(tmp_path / "clone")
    stand_in(root / ".venv/bin/python", "3.12")
    (root / ".venv/.ready").touch()
    assert make(root, "lab", PYTHONDONTWRITEBYTECODE="1").returncode == 0
    assert (root / "no-bytecode").read_text() == ""


# Where others set the course up: Binder, Codespaces


def make_targets(text):
    """The targets that a text calls make for, and those that there are."""
    known = re.findall(r"^([a-z-]+):", (TOOLS.parent / "Makefile").read_text(encoding="utf-8"), re.M)
    return re.findall(r"\bmake ([a-z-]+)", text), known


def test_a_codespace_is_set_up_by_make_on_a_supported_python():
    settings = json.loads((TOOLS.parent / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    used, known = make_targets(settings["postCreateCommand"])
    assert used
    assert set(used) <= set(known)
    assert re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:3\.1[123]", settings["image"])
    here = "${containerWorkspaceFolder}/.venv/bin"
    assert (
        settings["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"] == f"{here}/python"
    )
    assert settings["remoteEnv"]["PATH"].startswith(f"{here}:")
    for name in settings["customizations"]["codespaces"]["openFiles"]:
        assert (TOOLS.parent / name).is_file()


def test_binder_and_conda_start_from_the_same_python():
    files = [TOOLS.parent / ".binder/environment.yml", TOOLS.parent / "environment.yml"]
    binder, conda = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in files)
    assert binder["dependencies"] == conda["dependencies"]
    assert binder["channels"] == conda["channels"]


def test_binders_kernel_is_that_of_the_lock(tmp_path):
    script = TOOLS.parent / ".binder" / "postBuild"
    assert os.access(script, os.X_OK)
    used, known = make_targets(script.read_text(encoding="utf-8"))
    assert used == ["setup"]
    assert "setup" in known
    (tmp_path / "make").write_text("#!/bin/sh\n")  # It is set up already: .venv is the one that tests run in.
    (tmp_path / "make").chmod(0o755)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "conda" / "bin").mkdir(parents=True)
    variables = {"NB_PYTHON_PREFIX": str(tmp_path / "conda"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", script], cwd=tmp_path, env={**os.environ, **variables}, check=True, timeout=60)
    spec = json.loads((tmp_path / "conda/share/jupyter/kernels/python3/kernel.json").read_text())
    prefix = subprocess.check_output(
        [spec["argv"][0], "-c", "import sys; print(sys.prefix)"], text=True
    ).strip()
    assert os.path.realpath(prefix) == os.path.realpath(sys.prefix)
    assert (tmp_path / "conda/bin/course").readlink() == tmp_path / ".venv/bin/course"


# What notebooks say of their language


def test_every_notebook_names_its_language_as_the_tools_write_it():
    paths = [
        path
        for name in ("notebooks", "solutions", "exercises")
        for path in (TOOLS.parent / name).glob("*.ipynb")
    ]
    assert len(paths) > 20
    for path in paths:
        assert read(path).metadata == nb.METADATA, path


def test_a_notebook_of_the_tools_becomes_a_python_script(paths):
    text, resources = nbconvert.ScriptExporter().from_filename(str(paths[1]))
    assert resources["output_extension"] == ".py"
    compile(text, "lesson.py", "exec")  # Magics included.


# drawings.py


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("diagrams.one_query()", "one_query"),
        ("# Look.\ndiagrams.one_query()", "one_query"),
        ("x = diagrams.one_query()", None),
        ("diagrams.one_query()\nprint(1)", None),
        ("diagrams.save_all(folder)", None),
        ("%matplotlib inline\nprint(1)", None),
    ],
)
def test_cells_that_only_show_a_drawing(source, name):
    assert drawings.shown(source) == name


def test_drawings_are_renewed_as_running_the_cell_would(tmp_path, capsys):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("from course_lib import diagrams")])
    book.cells.append(nbformat.v4.new_code_cell("diagrams.one_query()"))
    path = tmp_path / "lesson.ipynb"
    nbformat.write(book, path)
    drawings.main([path])
    assert "1 drawings" in capsys.readouterr().out
    renewed = nbformat.read(path, as_version=4).cells
    nbclient.NotebookClient(book, kernel_name="python3").execute()
    assert renewed[0].outputs == []
    assert renewed[1].outputs == book.cells[1].outputs


# picture_of_page.py


def test_the_picture_of_the_page_shows_this_page_and_this_classifier():
    with Image.open(serving.PICTURE) as picture:
        assert picture.width == 700
        assert picture.info["Verdict"].startswith("positive")
        assert picture.info["Subject"] == picture_of_page.subject(), "run tools/picture_of_page.py"
    assert serving.PICTURE.stat().st_size < 60_000
    assert picture_of_page.TEXT in (TOOLS.parent / "notebooks" / "00_welcome.ipynb").read_text("utf-8")


@pytest.mark.browser
def test_a_picture_of_the_page_can_be_taken(driver):
    with picture_of_page.service() as address:
        taken, verdict = picture_of_page.photograph(driver, address)
    with Image.open(io.BytesIO(taken)) as new, Image.open(serving.PICTURE) as saved:
        assert new.width == saved.width
        assert abs(new.height - saved.height) < 60  # Another system has other fonts.
        assert verdict[:10] == saved.info["Verdict"][:10]
