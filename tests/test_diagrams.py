"""The drawings: each can be read, and what checks that finds what cannot be read."""

import re

import matplotlib as mpl
import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib import diagrams
from course_lib.diagrams import canvas as sheets


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
    parts = {"embeddings": 11_918_592, "attention": 3_548_160, "feed-forward": 7_089_408}
    figure = diagrams.encoder_way(parameters=parts)
    assert diagrams.faults(figure) == []
    assert {"53%", "16%", "31%"} <= {text.get_text() for text in figure.axes[0].texts}


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


def test_a_notebook_shows_a_drawing_once():
    before = plt.get_fignums()
    figure = diagrams.one_query()
    assert plt.get_fignums() == before  # What pyplot knows, a notebook shows at the end of a cell.
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_all_drawings_as_svg(tmp_path):
    folder = tmp_path / "new" / "slides"
    first = {path.name: path.read_bytes() for path in diagrams.save_all(folder)}
    assert list(first) == [f"{name}.svg" for name in diagrams.DRAWINGS]
    assert sorted(path.name for path in folder.iterdir()) == sorted(first)
    assert first == {path.name: path.read_bytes() for path in diagrams.save_all(folder)}
    for name, draw in diagrams.DRAWINGS.items():
        text = first[f"{name}.svg"].decode()
        assert re.sub(r"\s+", " ", draw.__doc__.strip())[:40] in re.sub(r"\s+", " ", text)
