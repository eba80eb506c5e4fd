"""The drawings: each can be read, and what checks that finds what cannot be read."""

import base64
import html
import io
import pathlib
import re

import matplotlib as mpl
import matplotlib.image
import nbclient
import nbformat
import numpy as np
import pytest

from course_lib import diagrams
from course_lib.diagrams import canvas as sheets
from course_lib.diagrams import welcome

ROOT = pathlib.Path(__file__).parent.parent


@pytest.mark.parametrize("name", diagrams.DRAWINGS)
def test_every_drawing_can_be_read(name):
    figure = diagrams.DRAWINGS[name]()
    assert diagrams.faults(figure) == []
    assert figure.get_figwidth() * figure.dpi == 700
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 8


@pytest.mark.parametrize("name", diagrams.DRAWINGS)
def test_every_drawing_is_called_by_its_name_and_says_what_it_shows(name):
    draw = getattr(diagrams, name)
    assert draw is diagrams.DRAWINGS[name]
    assert name in diagrams.__all__
    assert draw.__doc__.strip().endswith(".")


def test_the_encoder_can_be_read_with_its_parameters_too():
    parts = {"embeddings": 11_918_592, "attention": 3_548_160, "feed-forward": 7_089_408, "rest": 157_056}
    figure = diagrams.encoder_way(parameters=parts)
    assert diagrams.faults(figure) == []
    assert {"52.5%", "15.6%", "31.2%"} <= {text.get_text() for text in figure.axes[0].texts}


def test_texts_stand_out_from_what_is_under_them():
    """The contrast ratio of WCAG 2 (2008) that small texts need, in colour and so in grey too."""
    for fill, colour in sheets.FILLS.items():
        ink = "white" if fill == "dark" else sheets.INK
        light, dark = sorted([sheets._luminance(colour), sheets._luminance(ink)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, fill
    for name, colour in sheets.LINES.items():
        assert 1.05 / (sheets._luminance(colour) + 0.05) >= 4.5, name


def drawn(*draw):
    @sheets.drawing(height=40)
    def picture(canvas):
        """A picture."""
        for each in draw:
            each(canvas)

    del diagrams.DRAWINGS["picture"]
    return picture()


@pytest.mark.parametrize(
    ("draw", "fault"),
    [
        ([lambda c: c.text(50, 20, "one"), lambda c: c.text(51, 20, "two")], "'two' meets 'one'."),
        ([lambda c: c.text(50, 20, "one"), lambda c: c.text(50, 21, "two")], "'two' meets 'one'."),
        ([lambda c: c.box(40, 20, 8, 5, "far too long a text")], "'far too long a text' leaves its box."),
        ([lambda c: c.text(99, 20, "outside")], "'outside' leaves the sheet."),
        ([lambda c: c.box(40, 20, 8, 5), lambda c: c.text(48, 22, "edge")], "'edge' lies across the edge"),
        ([lambda c: c.text(50, 20, "crossed"), lambda c: c.arrow((20, 20), (80, 20))], "A line runs through"),
        ([lambda c: c.text(50, 20, "crossed"), lambda c: c.line((20, 20), (80, 20))], "A line runs through"),
        ([lambda c: c.matrix(10, 10, 1, 1, values=[["0.12345"]])], "'0.12345' leaves its box."),
    ],
)
def test_what_cannot_be_read_is_found(draw, fault):
    (found,) = diagrams.faults(drawn(*draw))
    assert found.startswith(fault)


def test_what_can_be_read_is_no_fault():
    assert (
        diagrams.faults(
            drawn(
                lambda c: c.title("A title"),
                lambda c: c.tokens(5, 20, ["one", "two", "##ly"]),
                lambda c: c.matrix(
                    50, 10, 2, 3, name="X", shape="2 × 3", row_names=["a", "b"], row_axis="tokens"
                ),
                lambda c: c.arrow((70, 20), (90, 20), "a label"),
                lambda c: c.brace((5, 18), (30, 18), "a sentence"),
            )
        )
        == []
    )


def test_small_texts_are_refused():
    with pytest.raises(ValueError, match="No text below 8 points"):
        drawn(lambda c: c.text(50, 20, "small", size=7))


def test_a_matrix_knows_its_cells():
    canvas = sheets.Canvas(50)
    grid = canvas.matrix(10, 20, rows=2, columns=3, cell=(4, 5))
    assert grid.cell(0, 0) == sheets.Shape(10, 25, 4, 5)
    assert grid.cell(1, 2) == sheets.Shape(18, 20, 4, 5)
    assert grid.row(1) == sheets.Shape(10, 20, 12, 5)
    assert grid.column(2) == sheets.Shape(18, 20, 4, 10)
    assert grid.right == (22, 25)


def test_a_drawing_is_the_same_whatever_style_is_set(tmp_path):
    pictures = []
    for style in ({}, {"font.size": 20, "font.family": "serif", "lines.linewidth": 9, "text.color": "red"}):
        with mpl.rc_context(style):
            path = tmp_path / f"{len(pictures)}.png"
            diagrams.one_query().savefig(path)
            pictures.append(matplotlib.image.imread(path))
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize(
    "before", [[], ["%matplotlib inline"], ["import matplotlib.pyplot as plt", "plt.plot([1]);"]]
)
def test_a_notebook_shows_a_drawing_once_and_as_large_everywhere(before):
    """Among other figures or not, 700 pixels and no margin; in words where there are no pictures."""
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(line) for line in before]
        + [nbformat.v4.new_code_cell("from course_lib import diagrams\ndiagrams.one_query()")]
    )
    nbclient.NotebookClient(book, kernel_name="python3").execute()
    (output,) = [
        each for each in book.cells[-1].outputs if each.output_type != "stream"
    ]  # A busy machine warns.
    assert output.output_type == "display_data"
    assert output.data["text/plain"] == diagrams.one_query().description == diagrams.one_query.__doc__
    picture = matplotlib.image.imread(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert picture.shape[1] == 700


def test_all_drawings_as_svg(tmp_path):
    folder = tmp_path / "new" / "slides"
    first = {path.name: path.read_bytes() for path in diagrams.save_all(folder)}
    assert list(first) == [f"{name}.svg" for name in diagrams.DRAWINGS]
    assert sorted(path.name for path in folder.iterdir()) == sorted(first)
    assert first == {path.name: path.read_bytes() for path in diagrams.save_all(folder)}
    for name, draw in diagrams.DRAWINGS.items():
        assert draw().description[:40] in html.unescape(first[f"{name}.svg"].decode())


def test_the_map_shows_which_lessons_are_written():
    shown = [number for _, _, lessons, _ in welcome.STAGES for number in lessons]
    shown += [number for number, _ in welcome.ASIDE]
    written = {path.name[:2] for path in (ROOT / "notebooks").glob("*[a-z].ipynb")} - {"00"}
    assert set(shown) == written, "then `make lessons` for 00"
    figure = diagrams.ai_infrastructure()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(text for text in texts if re.fullmatch(r"\d\d", text)) == sorted(shown)
