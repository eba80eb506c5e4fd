"""The notebook lint: what a lesson must look like, so that it can be trusted, read and compared."""

import ast
import pathlib
import re
import statistics
import sys
import tomllib

import nbformat
import pytest

from course_lib import links

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import execute  # noqa: E402
import nb  # noqa: E402
import reading  # noqa: E402

# Not a learner's own copies, such as 02_imdb.kept-1.ipynb.
LESSONS = sorted((ROOT / "notebooks").glob("*[a-z].ipynb"))
PUBLISHED = LESSONS + sorted((ROOT / "solutions").glob("*[a-z].ipynb"))
IGNORED = "nbval-ignore-output"
SETUP = """\
# On Colab, and on Kaggle with Internet on, this installs the course; elsewhere it does nothing.
import os
import sys

if "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
    {install}

from course_lib import runtime

environment = runtime.setup(seed=0)"""
ENDING = ["What you can do now", "On Colab: GPU or TPU", "Exercise", "Sources"]
# Lines that libraries log, and what only this run or this machine has.
NOISE = [
    (
        re.compile(r"^(WARNING|INFO|ERROR):|^[IWEF]\d{4} \d\d:\d\d|^I0000 |absl::|oneDNN|cuda", re.M),
        "a log line",
    ),
    (re.compile(r"\b\w+Warning: "), "a warning"),
    (re.compile(r"<[\w. ]+ at 0x[0-9a-f]+>|<Axes"), "an object's memory address or repr"),
    (re.compile(r"/(root|home|work|tmp|Users)/"), "a path of one machine"),
    (re.compile(r"\x1b\[|\r"), "terminal control codes"),
]


def lessons(function):
    return pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)(function)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def has_assertion(cell):
    """Whether running the cell can fail because something it states is false."""
    lines = [re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in cell.source.splitlines()]
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.startswith("np.testing.assert_"):
                return True
    return False


def unasserted(book):
    """Cells tagged nbval-ignore-output with no assertion in them nor in the next code cell."""
    cells = code_cells(book)
    return [
        cell.source
        for cell, following in zip(cells, [*cells[1:], None], strict=True)
        if IGNORED in tags(cell) and not has_assertion(cell) and not (following and has_assertion(following))
    ]


def undescribed(book):
    """Code cells that show a picture which nothing is said of, or that say something of none."""
    found = []
    for cell in code_cells(book):
        pictures = sum("image/png" in output.get("data", {}) for output in cell.outputs)
        texts = nb.descriptions(cell)
        if len(texts) != pictures or not all(text.strip().endswith(".") for text in texts):
            found.append(cell.source)
    return found


def noise(book):
    """(what, text) for each output that a library, a run or a machine left behind."""
    found = []
    for cell in code_cells(book):
        for output in cell.outputs:
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                found.append(("an error", output.ename))
            if output.output_type == "stream" and output.name == "stderr":
                found.append(("stderr", output.text))
            texts = [output.get("text", ""), *output.get("data", {}).get("text/plain", "").splitlines()]
            found += [(what, text) for text in texts for pattern, what in NOISE if pattern.search(text)]
    return found


def test_lessons_are_there_and_named():
    assert [path.name for path in LESSONS][:3] == ["00_welcome.ipynb", "01_attention.ipynb", "02_imdb.ipynb"]
    for path in LESSONS:
        assert re.fullmatch(r"\d\d_[a-z]+(_[a-z]+)*", path.stem), path
    numbers = [path.stem[:2] for path in LESSONS]
    assert len(set(numbers)) == len(numbers)


def test_no_stray_files_beside_notebooks():
    # A lesson writes nothing beside itself, because the course's folder may be read-only.
    for folder in ("notebooks", "solutions", "exercises"):
        stray = [
            path.name
            for path in (ROOT / folder).iterdir()
            if path.suffix != ".ipynb" and path.name not in ("README.md", ".ipynb_checkpoints", "__pycache__")
        ]
        assert not stray


@lessons
def test_opening(path):
    book = read(path)
    slug = links.repository(ROOT)
    first, second = book.cells[0], book.cells[1]
    number, words = path.stem.split("_", 1)
    lines = first.source.splitlines()
    assert first.cell_type == "markdown"
    assert lines[0] == links.badge(slug, f"notebooks/{path.name}")
    assert re.fullmatch(rf"# {number} · .+", lines[2]), lines[2]
    assert "you can" in lines[4] or "you will" in lines[4], f"{words}: say what the reader will be able to do"
    assert re.search(r"\*\*Time\*\* .*two cores.* · \*\*Memory\*\* .* · \*\*Before this\*\* .+", first.source)
    assert second.source == SETUP.format(install=links.install_line(slug))
    assert tags(second) == [IGNORED]


@lessons
def test_ending(path):
    headings = [
        line[3:]
        for cell in read(path).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    ]
    assert headings[-len(ENDING) :] == ENDING


@lessons
def test_ignored_outputs_are_asserted(path):
    book = read(path)
    assert not unasserted(book)
    # Strict comparison is the rule; lessons 05 to 08 train a network first, so most of what they print is the
    # machine's.
    share = sum(IGNORED in tags(cell) for cell in code_cells(book)) / len(code_cells(book))
    trained = path.stem in ("05_fine_tuning", "06_pruning", "07_quantization", "08_deployment")
    assert share <= (0.65 if trained else 0.34), f"{share:.0%} of the cells are not compared"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_executed_from_top_to_bottom_without_noise(path):
    book = read(path)
    counts = [cell.execution_count for cell in code_cells(book)]
    assert counts == list(range(1, len(counts) + 1)), "run `make lessons`"
    assert not noise(book)
    assert not [cell.source for cell in code_cells(book) if "nbval-skip" in tags(cell)]


@lessons
def test_every_picture_is_described_for_who_cannot_see_it(path):
    assert not undescribed(read(path)), "write a sentence for each picture: tools/nb.py says how"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_form(path):
    book = read(path)
    nbformat.validate(book)
    assert (book.nbformat, book.nbformat_minor) >= (4, 5)
    assert book.metadata.kernelspec.name == "python3"
    assert set(book.metadata) <= {"kernelspec", "language_info"}
    sources = [cell.source for cell in code_cells(book)]
    assert all(sources), "an empty code cell"
    assert statistics.median(len(source.splitlines()) for source in sources) <= 10
    assert path.stat().st_size < 3_000_000, "outputs too large to read on GitHub"


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_no_cell_ends_with_a_semicolon(path):
    """It hides the last value from Jupyter, but not from nbval, which then finds more than is saved."""
    for number, cell in enumerate(read(path).cells):
        assert cell.cell_type != "code" or not cell.source.rstrip().endswith(";"), f"cell {number}"


def test_nothing_is_copied_from_lesson_to_lesson():
    seen = {}
    for path in LESSONS:
        for cell in code_cells(read(path))[1:]:
            if len(cell.source.splitlines()) >= 5:
                assert seen.setdefault(cell.source, path) == path, (
                    f"{path.stem} repeats a cell of {seen[cell.source]}"
                )


def test_images_have_no_other_address_than_the_badge():
    for path in PUBLISHED:
        for cell in read(path).cells:
            if cell.cell_type == "markdown":
                addresses = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", cell.source)
                assert set(addresses) <= {links.BADGE}, f"{path.stem}: a figure must be drawn by the lesson"


def test_readme_lists_every_lesson():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    slug = links.repository(ROOT)
    for path in LESSONS:
        row = [
            line for line in text.splitlines() if line.startswith("|") and f"notebooks/{path.name}" in line
        ]
        assert len(row) == 1, f"README's table must have one row for {path.name}"
        assert links.badge(slug, f"notebooks/{path.name}") in row[0]
    listed = set(re.findall(r"notebooks/(\d\d_\w+\.ipynb)", text))
    assert listed == {path.name for path in LESSONS}


def test_readme_shows_the_figure_that_a_lesson_drew():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\((docs/[^)]+)\)", text)
    drawn = {f"docs/{path.stem[:2]}.png": execute.readme_figure(read(path)) for path in LESSONS}
    assert len(shown) == 1
    assert (ROOT / shown[0]).read_bytes() == drawn[shown[0]], "run `make lessons`"


def test_every_documented_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for name in ("README.md", "CONTRIBUTING.md"):
        used = set(re.findall(r"`make ([a-z-]+)", (ROOT / name).read_text(encoding="utf-8")))
        assert used
        assert used <= targets, f"{name} names targets that the Makefile lacks"


def test_package_data_is_built_into_the_wheel():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["course_lib"]
    for folder, names in {
        "samples": {"reviews.jsonl", "LICENSE", "README.md"},
        "reviewer": {"adapter.safetensors", "card.json", "learning_curve.json", "README.md"},
        "imdb": {"splits.npz"},
    }.items():
        assert {path.name for path in (ROOT / "course_lib" / folder).iterdir()} >= names


# The lint itself must be able to fail.


def book_of(*sources, outputs=(), cell_tags=()):
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": list(cell_tags)}) for source in sources]
    cells[0].outputs = list(outputs)
    return nbformat.v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("sources", "count"),
    [
        (["print(1)"], 1),
        (["print(1)", "print(2)"], 2),
        (["x = 1\nassert x == 1"], 0),
        (["x = 1\nassert True"], 1),
        (["np.testing.assert_allclose(a, b)"], 0),
    ],
)
def test_lint_finds_missing_assertions(sources, count):
    assert len(unasserted(book_of(*sources, cell_tags=[IGNORED]))) == count


@pytest.mark.parametrize(
    "text",
    [
        "WARNING: All log messages",
        "UserWarning: no",
        "<Axes: >",
        "saved to /tmp/x",
        "\x1b[31mred",
        "I0000 00:00:1 x",
    ],
)
def test_lint_finds_noise(text):
    output = nbformat.v4.new_output("stream", name="stdout", text=text + "\n")
    assert noise(book_of("1", outputs=[output]))


def test_lint_finds_stderr_and_errors():
    assert noise(book_of("1", outputs=[nbformat.v4.new_output("stream", name="stderr", text="x")]))
    assert noise(book_of("1", outputs=[nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]))
    assert not noise(book_of("1", outputs=[nbformat.v4.new_output("stream", name="stdout", text="fine\n")]))


@pytest.mark.parametrize(
    ("pictures", "alts", "count"),
    [
        (["<Figure size 700x360>"], [], 1),
        (["<Figure size 700x360>"], ["A line rises."], 0),
        (["<Figure size 700x360>"], ["A line rises"], 1),
        (["<Figure size 700x360>"] * 2, ["A line rises."], 1),
        (["A drawing shows it."], [], 0),
        (["A drawing shows it.", "<Figure size 700x360>"], [], 1),
        ([], ["A line rises."], 1),
        ([], [], 0),
    ],
)
def test_lint_finds_pictures_without_a_description(pictures, alts, count):
    show = [
        nbformat.v4.new_output("display_data", data={"image/png": "", "text/plain": text})
        for text in pictures
    ]
    book = book_of("show()", outputs=show)
    if alts:
        book.cells[0].metadata["alt"] = alts
    assert len(undescribed(book)) == count


@lessons
def test_times_are_those_of_the_rule_and_of_the_header(path):
    book = read(path)
    shown = re.search(r"\*\*Reading\*\* (\d+) minutes · \*\*Time\*\*", book.cells[0].source)
    assert shown, "python tools/reading.py writes it"
    assert int(shown[1]) == reading.minutes(book)
    (row,) = re.findall(
        rf"^\| \[[^]]+\]\(notebooks/{path.name}\) \| [^|]+ \| (\d+) \| ([^|]+) \|",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.M,
    )
    assert row == (shown[1], reading.running(book))
