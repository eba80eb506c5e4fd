"""What drawings of ideas are made of: boxes, arrows, matrices with named axes, rows of tokens, highlights.

A drawing is a function that is given a `Canvas` and draws on it; `@drawing` makes it one that lessons call.
Coordinates run from 0 to 100 across and from 0 to the drawing's height upwards; 100 are seven inches, which
a notebook shows as 700 pixels. No text is smaller than 8 points, and colour never says anything alone.
"""

import dataclasses
import functools
import inspect
import io

import matplotlib as mpl
import matplotlib.backends.backend_agg
import matplotlib.figure
import matplotlib.patches
import numpy as np

INCHES = 7.0
INK = "#1A1A1A"
FAINT = "#595959"  # Still 7 : 1 on white.
# Tints of Okabe and Ito's colours (2008) under which black text reads well, and the same colours for lines.
FILLS = {
    "white": "#FFFFFF",
    "grey": "#E3E3E3",
    "blue": "#BFDDF0",
    "orange": "#FBDFA0",
    "green": "#A5DEC9",
    "pink": "#EBC9DD",
    "red": "#F6C3A3",
    "dark": "#3A3A3A",
}
LINES = {
    "ink": INK,
    "grey": "#767676",
    "blue": "#00629B",
    "orange": "#8F6000",
    "green": "#00684B",
    "red": "#A84300",
}
SMALL, NORMAL, LARGE = 8, 9, 11
STYLE = {"font.family": "DejaVu Sans", "mathtext.fontset": "dejavusans"}


class Drawing(matplotlib.figure.Figure):
    """A figure that a notebook shows as a cell's last value.

    pyplot does not know it, and so shows it no second time. Its size is the same wherever in a notebook it
    stands, where Jupyter's settings for matplotlib add a margin to what comes behind the first figure.

    Attributes:
        description: What it shows, in a sentence.
    """

    description = ""

    def _ipython_display_(self):
        from IPython.display import display  # Where there is no notebook, there may be no IPython.

        with io.BytesIO() as buffer:
            self.savefig(buffer, format="png")
            display({"image/png": buffer.getvalue(), "text/plain": self.description}, raw=True)


@dataclasses.dataclass(frozen=True)
class Shape:
    """Where something stands: its lower left corner, its width and its height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self):
        """The middle of its left side, (x, y)."""
        return self.x, self.y + self.height / 2

    @property
    def right(self):
        """The middle of its right side."""
        return self.x + self.width, self.y + self.height / 2

    @property
    def top(self):
        """The middle of its upper side."""
        return self.x + self.width / 2, self.y + self.height

    @property
    def bottom(self):
        """The middle of its lower side."""
        return self.x + self.width / 2, self.y

    @property
    def center(self):
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def facing(self, point):
        """The middle of the side nearest to a point that lies outside."""
        x, y = point[0] - self.center[0], point[1] - self.center[1]
        if abs(x) * self.height > abs(y) * self.width:
            return self.right if x > 0 else self.left
        return self.top if y > 0 else self.bottom


@dataclasses.dataclass(frozen=True)
class Grid(Shape):
    """Where a matrix stands, and each of its cells."""

    rows: int
    columns: int

    def cell(self, row, column):
        """The `Shape` of a cell; row 0 is the top one."""
        return self.block(row, column, 1, 1)

    def row(self, row):
        """The `Shape` of a row; 0 is the top one."""
        return self.block(row, 0, 1, self.columns)

    def column(self, column):
        """The `Shape` of a column."""
        return self.block(0, column, self.rows, 1)

    def block(self, row, column, rows, columns):
        """The `Shape` of `rows` by `columns` cells, the upper left one being (row, column)."""
        width, height = self.width / self.columns, self.height / self.rows
        top = self.y + self.height - row * height
        return Shape(self.x + column * width, top - rows * height, columns * width, rows * height)


class Canvas:
    """A sheet to draw on, 100 wide; the origin is the lower left corner.

    Args:
        height: The sheet's height, in hundredths of its width.
    """

    def __init__(self, height):
        self.height = height
        self.figure = Drawing(figsize=(INCHES, INCHES * height / 100), dpi=100, facecolor="white")
        matplotlib.backends.backend_agg.FigureCanvasAgg(self.figure)  # Which measures texts.
        self.ax = self.figure.add_axes((0, 0, 1, 1))
        self.ax.set(xlim=(0, 100), ylim=(0, height))
        self.ax.set_axis_off()
        self.count = 0

    def box(
        self,
        x,
        y,
        width,
        height,
        text="",
        *,
        fill="white",
        size=NORMAL,
        bold=False,
        dashed=False,
        square=False,
    ):
        """A box with a text in its middle.

        Args:
            x: Its left edge.
            y: Its lower edge.
            width: Its width.
            height: Its height.
            text: What stands in it; may have several lines.
            fill: A key of `FILLS`.
            size: Of the text, in points.
            bold: Whether the text is bold.
            dashed: Whether the frame is dashed, for what is absent, frozen or optional.
            square: Whether the corners are sharp, as those of data are; those of what computes are round.

        Returns:
            Its `Shape`.
        """
        round_by = 0 if square else min(1.2, width / 4, height / 4)
        patch = matplotlib.patches.FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={round_by}",
            facecolor=FILLS[fill],
            edgecolor=INK,
            linewidth=1.2,
            linestyle=(0, (4, 2)) if dashed else "-",
            zorder=2,
        )
        shape = Shape(x, y, width, height)
        self._inside(patch, shape, text, size=size, bold=bold, colour="white" if fill == "dark" else INK)
        return shape

    def circle(self, x, y, radius, text="", *, fill="white", size=NORMAL, bold=False):
        """A circle around (x, y) with a text in it, for an operation such as + or ×. Returns its `Shape`."""
        patch = matplotlib.patches.Circle(
            (x, y), radius, facecolor=FILLS[fill], edgecolor=INK, linewidth=1.2, zorder=2
        )
        shape = Shape(x - radius, y - radius, 2 * radius, 2 * radius)
        self._inside(patch, shape, text, size=size, bold=bold, colour=INK)
        return shape

    def _inside(self, patch, shape, text, **style):
        self.count += 1
        patch.set_gid(f"box-{self.count}")
        self.ax.add_patch(patch)
        if text:
            self._text(*shape.center, text, gid=f"text-{self.count}", **style)

    def _text(self, x, y, text, *, size, bold, colour, ha="center", va="center", rotation=0, gid=None):
        if size < SMALL:
            raise ValueError(f"No text below {SMALL} points can be read in a notebook. Received: size={size}")
        return self.ax.text(
            x,
            y,
            text,
            fontsize=size,
            weight="bold" if bold else "normal",
            color=colour,
            ha=ha,
            va=va,
            rotation=rotation,
            linespacing=1.25,
            gid=gid,
            zorder=4,
        )

    def text(self, x, y, text, *, size=NORMAL, bold=False, colour=INK, ha="center", va="center", rotation=0):
        """A text standing free. `colour` is `INK`, `FAINT` or one of `LINES`; the rest as in matplotlib."""
        self._text(x, y, text, size=size, bold=bold, colour=colour, ha=ha, va=va, rotation=rotation)

    def title(self, text):
        """A heading at the upper left corner; leave the uppermost 6 units free for it."""
        self._text(1, self.height - 1, text, size=LARGE, bold=True, colour=INK, ha="left", va="top")

    def arrow(
        self, start, end, text="", *, line="ink", dashed=False, bend=0.0, width=1.4, head=True, side="above"
    ):
        """An arrow from one place to another.

        Args:
            start: A point, or a `Shape`, from whose side it then starts.
            end: A point or a `Shape`.
            text: What stands beside its middle.
            line: A key of `LINES`.
            dashed: Whether it is dashed.
            bend: How far its middle lies to the right of the straight way, as a share of its length.
            width: Of the line, in points.
            head: Whether it has a head; without, it is a line.
            side: Where the text stands: "above", "below", "left" or "right" of the middle.
        """
        if isinstance(start, Shape):
            start = start.facing(end.center if isinstance(end, Shape) else end)
        if isinstance(end, Shape):
            end = end.facing(start)
        patch = matplotlib.patches.FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>,head_length=4,head_width=2.2" if head else "-",
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=0,
            shrinkB=0,
            color=LINES[line],
            linewidth=width,
            linestyle=(0, (4, 2)) if dashed else "-",
            zorder=3,
            joinstyle="miter",
        )
        self.ax.add_patch(patch)
        if text:
            x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
            x, y = x + bend * (end[1] - start[1]) / 2, y - bend * (end[0] - start[0]) / 2
            dx, dy, ha, va = {
                "above": (0, 0.8, "center", "bottom"),
                "below": (0, -0.8, "center", "top"),
                "left": (-1, 0, "right", "center"),
                "right": (1, 0, "left", "center"),
            }[side]
            self._text(x + dx, y + dy, text, size=SMALL, bold=False, colour=LINES[line], ha=ha, va=va)

    def line(self, *points, line="ink", dashed=False, width=1.4):
        """A line through points, without a head; `arrow` from the last of them gives it one."""
        x, y = zip(*points, strict=True)
        self.ax.plot(
            x, y, color=LINES[line], linewidth=width, linestyle=(0, (4, 2)) if dashed else "-", zorder=1.5
        )

    def matrix(
        self,
        x,
        y,
        rows,
        columns,
        *,
        cell=4.0,
        fill="blue",
        shades=None,
        values=None,
        name="",
        shape="",
        row_names=(),
        column_names=(),
        row_axis="",
        column_axis="",
        size=SMALL,
    ):
        """A matrix as a grid of cells.

        Args:
            x: Its left edge.
            y: Its lower edge.
            rows: The number of rows.
            columns: The number of columns.
            cell: Width and height of a cell, or a pair of them.
            fill: A key of `FILLS`, or an array of keys, one per cell.
            shades: None, or numbers from 0 to 1, one per cell: its darkness, up to `fill`'s line colour.
            values: None, or one text per cell ("" for none).
            name: Stands above it, in bold.
            shape: Stands above it behind the name, such as "n × d".
            row_names: One text per row, to its left.
            column_names: One text per column, above it.
            row_axis: What the rows are, turned, at the far left.
            column_axis: What the columns are, below it.
            size: Of values and names, in points.

        Returns:
            Its `Grid`.
        """
        wide, high = np.broadcast_to(cell, 2)
        grid = Grid(x, y, wide * columns, high * rows, rows, columns)
        fills = np.broadcast_to(np.asarray(fill), (rows, columns))
        for row, column in np.ndindex(rows, columns):
            place = grid.cell(row, column)
            colour, ink = FILLS[fills[row, column]], INK
            if shades is not None:
                colour = mpl.colors.to_hex(_shade(LINES[fills[row, column]], np.asarray(shades)[row, column]))
            if fills[row, column] == "dark" or (shades is not None and _luminance(colour) < 0.179):
                ink = "white"  # What stands out more, by the contrast ratios of WCAG 2 (2008).
            patch = matplotlib.patches.Rectangle(
                (place.x, place.y), wide, high, facecolor=colour, edgecolor="#8C8C8C", linewidth=0.6, zorder=2
            )
            text = "" if values is None else str(np.asarray(values, dtype=object)[row, column])
            self._inside(patch, place, text, size=size, bold=False, colour=ink)
        self.ax.add_patch(
            matplotlib.patches.Rectangle(
                (x, y), grid.width, grid.height, fill=False, linewidth=1.2, zorder=2.5
            )
        )
        above = y + grid.height + 0.8
        for column, text in enumerate(column_names):
            self.text(grid.cell(0, column).center[0], above, text, size=size, va="bottom")
        if name or shape:
            label = " ".join(filter(None, [rf"$\bf{{{name}}}$" if len(name) == 1 else name, shape]))
            self.text(grid.center[0], above + (2.8 if column_names else 0), label, va="bottom")
        for row, text in enumerate(row_names):
            self.text(x - 0.8, grid.cell(row, 0).center[1], text, size=size, ha="right")
        if row_axis:
            longest = max((len(text) for text in row_names), default=0)
            self.text(
                x - 2.8 - 0.14 * size * longest,
                grid.center[1],
                row_axis,
                size=SMALL,
                colour=FAINT,
                rotation=90,
            )
        if column_axis:
            self.text(grid.center[0], y - 0.8, column_axis, size=SMALL, colour=FAINT, va="top")
        return grid

    def tokens(self, x, y, words, *, fill="white", width=None, height=5.0, gap=1.0, size=NORMAL):
        """A row of tokens, each a box with sharp corners.

        Args:
            x: The left edge of the first.
            y: Their lower edge.
            words: Their texts.
            fill: A key of `FILLS`, or one per word.
            width: Of each; None gives each what its text needs.
            height: Of each.
            gap: Between two of them.
            size: Of the texts, in points.

        Returns:
            A list of `Shape`.
        """
        fills = [fill] * len(words) if isinstance(fill, str) else fill
        shapes = []
        for word, each in zip(words, fills, strict=True):
            wide = width or 2.0 + 0.135 * size * max(2, len(word))
            shapes.append(self.box(x, y, wide, height, word, fill=each, size=size, square=True))
            x += wide + gap
        return shapes

    def highlight(self, shape, *, pad=0.5, line="red"):
        """A thick frame around a shape, for what the text now speaks of."""
        self.ax.add_patch(
            matplotlib.patches.Rectangle(
                (shape.x - pad, shape.y - pad),
                shape.width + 2 * pad,
                shape.height + 2 * pad,
                fill=False,
                edgecolor=LINES[line],
                linewidth=2.4,
                zorder=3,
            )
        )

    def brace(self, start, end, text, *, below=True):
        """A bracket under (or over) what lies between two x, at the height of their y, with a text."""
        (left, y), (right, _) = start, end
        step = -1.2 if below else 1.2
        self.line((left, y), (left, y + step), (right, y + step), (right, y), width=1.0)
        self.text((left + right) / 2, y + 1.7 * step, text, size=SMALL, va="top" if below else "bottom")


def _shade(colour, share):
    """A colour mixed with white; a share of 1 is the colour."""
    return 1 - np.clip(share, 0, 1) * (1 - np.asarray(mpl.colors.to_rgb(colour)))


def _luminance(colour):
    channels = np.asarray(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


# Name -> the function that makes it.
DRAWINGS = {}


def drawing(height):
    """Makes of a function that draws on a `Canvas` one that returns the finished figure, and lists it.

    Args:
        height: The canvas' height, in hundredths of its width.
    """

    def wrap(function):
        @functools.wraps(function)
        def draw(**options):
            with mpl.rc_context():
                mpl.rcdefaults()  # The same picture whatever style a lesson, or a reader, has set.
                mpl.rcParams.update(STYLE)
                canvas = Canvas(height)
                function(canvas, **options)
            canvas.figure.description = " ".join(inspect.getdoc(function).split())
            return canvas.figure

        signature = inspect.signature(function)
        draw.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        DRAWINGS[function.__name__] = draw
        return draw

    return wrap


def faults(figure):
    """What cannot be read in a drawing: texts that meet, leave their box, or are crossed by a line.

    Args:
        figure: What a drawing returned.

    Returns:
        A list of sentences; empty if all is well.
    """
    figure.draw_without_rendering()
    (ax,) = figure.axes
    boxes = {patch.get_gid(): patch.get_window_extent() for patch in ax.patches if patch.get_gid()}
    lines = list(_lines(ax))
    texts = [text for text in ax.texts if text.get_text()]
    extents = [text.get_window_extent() for text in texts]
    found = []
    for i, (text, extent) in enumerate(zip(texts, extents, strict=True)):
        name = repr(text.get_text())
        for other, theirs in zip(texts[:i], extents[:i], strict=True):
            # Closer than a blank is wide, two texts on one line read as one.
            if _meet(extent.padded(1.5, 0), theirs.padded(1.5, 0)):
                found.append(f"{name} meets {other.get_text()!r}.")
        own = boxes.get((text.get_gid() or "").replace("text", "box"))
        if not _within(extent, own or figure.bbox):
            found.append(f"{name} leaves {'its box' if own else 'the sheet'}.")
        elif any(_meet(extent, box) and not _within(extent, box) for box in boxes.values()):
            found.append(f"{name} lies across the edge of a box.")
        if any(_crosses(points, extent) for points in lines):
            found.append(f"A line runs through {name}.")
    return found


def _within(extent, room):
    return room.x0 <= extent.x0 and extent.x1 <= room.x1 and room.y0 <= extent.y0 and extent.y1 <= room.y1


def _meet(one, other):
    return (
        min(one.x1, other.x1) - max(one.x0, other.x0) > 1
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 1
    )


def _crosses(points, extent):
    inside = (points > (extent.x0 + 1, extent.y0 + 1)) & (points < (extent.x1 - 1, extent.y1 - 1))
    return inside.all(axis=1).any()


def _lines(ax):
    """Points along every arrow and line, in pixels, close enough that none of them jumps over a letter."""
    for patch in ax.patches:
        if isinstance(patch, matplotlib.patches.FancyArrowPatch):
            path = patch.get_path()
            # Where a head is closed stands a point at 0, 0; Matplotlib before 3.11 interpolates to it, too.
            kept = path.codes != path.CLOSEPOLY
            path = type(path)(path.vertices[kept], path.codes[kept]).interpolated(50)
            yield patch.get_transform().transform_path(path).vertices
    for line in ax.lines:
        yield line.get_transform().transform_path(line.get_path().interpolated(50)).vertices
