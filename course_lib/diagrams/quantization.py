"""Drawings of lesson 07: what few bits do to numbers, to layers and to training."""

import itertools

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=56)
def quantizer_staircase(canvas):
    """Numbers go up a staircase of sixteen integers; beyond its ends they are clipped."""
    canvas.title("A quantizer is a staircase: every number on a step gets its integer")
    left, right, floor = 22.0, 82.0, 12.0
    wide, high = (right - left) / 15, 2.25
    points = [(9, floor)]
    for i in range(15):
        x = left + (i + 0.5) * wide
        points += [(x, floor + i * high), (x, floor + (i + 1) * high)]
    canvas.line(*points, (97, floor + 15 * high), line="blue", width=2.2)
    canvas.line((left, floor), (right, floor + 15 * high), line="grey", dashed=True, width=1.0)
    canvas.line((9, 8), (97, 8), width=1.0)
    for x, name in ((left, "–1.00"), (left + 4 * wide, "0"), (right, "2.75")):
        canvas.line((x, 7.2), (x, 8.8), width=1.0)
        canvas.text(x, 6.6, name, size=SMALL, va="top")
    canvas.text(52, 2.6, "x, a float", size=SMALL, colour=FAINT)
    canvas.line((9, floor - 1), (9, floor + 15 * high + 1), width=1.0)
    for i in (0, 4, 15):
        canvas.text(8, floor + i * high, f"{i - 8}".replace("-", "–"), size=SMALL, ha="right")
    canvas.text(3, floor + 7.5 * high, "q, an integer of 4 bits", size=SMALL, colour=FAINT, rotation=90)
    zero = (left + 4 * wide, floor + 4 * high)
    canvas.line((zero[0], 8.8), zero, (9, zero[1]), line="orange", dashed=True, width=1.2)
    canvas.text(10.5, zero[1] + 1, "zero point", size=SMALL, colour=LINES["orange"], ha="left", va="bottom")
    at = left + 9.5 * wide
    canvas.line((at, floor + 8.4 * high), (at, floor + 5.2 * high), line="grey", width=0.8)
    canvas.line((at + wide, floor + 9.4 * high), (at + wide, floor + 5.2 * high), line="grey", width=0.8)
    canvas.arrow((at - 3.2, floor + 5.8 * high), (at, floor + 5.8 * high), width=1.2)
    canvas.arrow((at + wide + 3.2, floor + 5.8 * high), (at + wide, floor + 5.8 * high), width=1.2)
    canvas.text(at + wide / 2, floor + 4.9 * high, "scale: 0.25", size=SMALL, va="top")
    canvas.text(89.5, floor + 15 * high - 2.4, "clipped", size=SMALL, colour=LINES["red"], va="top")
    canvas.text(15, floor + 1.6, "clipped", size=SMALL, colour=LINES["red"], va="bottom")
    canvas.text(54, floor + 12.2 * high, "rounded: off by half\na step at most", size=SMALL, ha="right")


@drawing(height=53)
def scale_sharing(canvas):
    """One kernel with one scale for all of it, one per output, and one per group of inputs of an output."""
    canvas.title("Who shares a scale: the whole kernel, a column, or a part of a column")
    panels = (
        (6, "per tensor", 1, 1),
        (38, "per channel (output)", 1, 6),
        (70, "in groups of 4 inputs", 2, 6),
    )
    tones = ("blue", "green", "grey", "white")
    for x, name, down, across in panels:
        count = down * across
        for part in range(count):
            row, column = divmod(part, across)
            wide = 6 // across
            left = x + (26.4 - 4.1 * 6) / 2 + column * 4.4 if across > 1 else x + 1
            high = 8 // down
            values = np.full((high, wide), "", dtype=object)
            if column == 4:
                values[:] = "7.9"
            elif across == 1:
                values[:, 4] = "7.9"
            fill = tones[0] if across == 1 else tones[(column + row) % 2]
            bottom = 11 + (down - 1 - row) * 14.4
            canvas.matrix(left, bottom, high, wide, cell=(4, 3.2), fill=fill, values=values)
        canvas.text(x + 13.2, 44.6, name, bold=True, va="top")
        canvas.text(x + 13.2, 9.4, f"{count} scale{'s' if count > 1 else ''}", size=SMALL, va="top")
        canvas.text(x - 1.4, 25, "inputs", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(
        50,
        2.6,
        "7.9: the column of large weights. A scale of its own keeps it from setting the step of the others.",
        size=SMALL,
        colour=LINES["red"],
    )


@drawing(height=39)
def outlier_channel(canvas):
    """One large channel sets the step for all, so that the others are rounded coarsely."""
    canvas.title("An outlier channel: its range sets the step for all the others")
    _rounded_product(
        canvas, 11, "X", [["1", "2", "90"], ["2", "1", "80"]], [["3", "1"], ["2", "2"], ["1", "1"]]
    )
    canvas.text(
        50, 3, "1 becomes 0.7: one large channel makes the small ones coarse", size=SMALL, colour=LINES["red"]
    )


@drawing(height=63)
def outlier_migration(canvas):
    """A factor that moves from the large channel into its row of the kernel makes the steps fine."""
    canvas.title("The cure: move the factor from the channel into the kernel")
    fills = [["blue", "blue", "red"]] * 2
    before = canvas.matrix(
        7, 38, 2, 3, cell=(6, 5), fill=fills, values=[["1", "2", "90"], ["2", "1", "80"]], row_axis="tokens"
    )
    kernel = canvas.matrix(
        84, 35.5, 3, 2, cell=(6, 5), fill="orange", values=[["3", "1"], ["2", "2"], ["1", "1"]]
    )
    canvas.text(before.center[0], 52, r"$\bf{X}$: activations", va="bottom")
    canvas.text(kernel.center[0], 52, r"$\bf{W}$: kernel", va="bottom")
    canvas.text(
        54.5, 43, "X' W' = X W: the product stays,\nand X' has steps a tenth as wide", size=SMALL, bold=True
    )
    _rounded_product(
        canvas, 5, "X'", [["1", "2", "9"], ["2", "1", "8"]], [["3", "1"], ["2", "2"], ["10", "10"]]
    )
    canvas.arrow((22, 37.2), (22, 26.2), line="red")
    canvas.text(20.8, 31.7, "÷ 10", size=SMALL, colour=LINES["red"], ha="right")
    canvas.arrow((90, 34.7), (90, 26.2), line="green")
    canvas.text(88.8, 30.5, "last row × 10", size=SMALL, colour=LINES["green"], ha="right")


def _rounded_product(canvas, y, name, values, kernel_values):
    """X, the step that its largest number sets, what rounding leaves of it, and the kernel."""
    outlier = name == "X"
    step = "90 / 127 = 0.71" if outlier else "9 / 127 = 0.07"
    left = (
        [["0.7", "2.1", "90.0"], ["2.1", "0.7", "80.1"]]
        if outlier
        else [["1.0", "2.0", "9.0"], ["2.0", "1.0", "8.0"]]
    )
    fills = [["blue", "blue", "red" if outlier else "blue"]] * 2
    x = canvas.matrix(7, y + 2.5, 2, 3, cell=(6, 5), fill=fills, values=values, row_axis="tokens")
    canvas.text(x.center[0], y + 16.5, rf"$\bf{{{name}}}$: activations", va="bottom")
    canvas.text(x.center[0], y + 1.6, "channels", size=SMALL, colour=FAINT, va="top")
    box = canvas.box(31, y + 2, 20, 11, f"one range\nfor all of {name}: step\n{step}", size=SMALL)
    rounded = canvas.matrix(
        57,
        y + 2.5,
        2,
        3,
        cell=(6.4, 5),
        fill=[["red" if outlier else "green"] * 2 + ["blue"]] * 2,
        values=left,
    )
    canvas.text(rounded.center[0], y + 16.5, rf"$\bf{{{name}}}$ rounded", va="bottom")
    canvas.text(
        rounded.center[0] - 3.2,
        y + 1.6,
        "coarse" if outlier else "fine",
        size=SMALL,
        colour=LINES["red" if outlier else "green"],
        va="top",
    )
    canvas.arrow(x.right, box.left)
    canvas.arrow(box.right, rounded.left)
    canvas.text(80.1, x.center[1], "·", size=11, bold=True)
    fills = [["orange"] * 2, ["orange"] * 2, ["orange" if outlier else "green"] * 2]
    kernel = canvas.matrix(84, y, 3, 2, cell=(6, 5), fill=fills, values=kernel_values)
    canvas.text(kernel.center[0], y + 16.5, rf"$\bf{{{name.replace('X', 'W')}}}$: kernel", va="bottom")


@drawing(height=50)
def gptq_error_flow(canvas):
    """GPTQ rounds one input's weights after the other and passes the error on to those not yet rounded."""
    canvas.title("GPTQ rounds row by row; rows not yet rounded make up for the error")
    names = ["done", "done", "now", "", "", ""]
    fills = [["grey"] * 4, ["grey"] * 4, ["red"] * 4, *[["orange"] * 4] * 3]
    kernel = canvas.matrix(
        *(20, 9, 6, 4),
        cell=(6, 5),
        fill=fills,
        row_names=names,
        column_axis="outputs",
        row_axis="inputs",
    )
    canvas.text(kernel.center[0], 40.2, "kernel", bold=True, va="bottom")
    canvas.text(17, 16.5, "not yet", size=SMALL, ha="right")
    error = canvas.box(55, kernel.row(2).center[1] - 3.5, 17, 7, "error of\nrounding", fill="red", size=SMALL)
    canvas.arrow(kernel.row(2).right, error.left)
    for row, width in ((3, 2.6), (4, 1.8), (5, 1.0)):
        _, y = kernel.row(row).center
        canvas.line((57 + 3.2 * (row - 2), error.y), (57 + 3.2 * (row - 2), y), line="red", width=width)
        canvas.arrow((57 + 3.2 * (row - 2), y), (kernel.x + kernel.width, y), line="red", width=width)
    canvas.text(
        75,
        19.6,
        "how much each row\ntakes follows from the\ninputs X: (XᵀX)⁻¹",
        size=SMALL,
        ha="left",
    )
    canvas.text(75, 38, "grey: in 4 bits", size=SMALL, ha="left", colour=FAINT)
    canvas.text(75, 34.4, "orange: still floats", size=SMALL, ha="left", colour=LINES["orange"])


@drawing(height=49)
def straight_through(canvas):
    """Forwards the weight is rounded; backwards the gradient passes as if it had not been."""
    canvas.title("Forwards rounded, backwards straight through")
    stored = canvas.box(3, 22, 17, 9, "stored weight\n0.30, a float", fill="orange", size=SMALL, square=True)
    stairs = canvas.box(33, 20, 18, 13, fill="grey")
    steps = [(35.5, 22.5), (38.7, 22.5), (38.7, 25.2), (42, 25.2), (42, 27.9), (45.3, 27.9)]
    steps += [(45.3, 30.6), (48.5, 30.6)]
    for start, end in itertools.pairwise(steps):
        canvas.arrow(start, end, line="blue", width=2.2, head=False)
    canvas.text(42, 34.2, "round", size=SMALL, bold=True, va="bottom")
    rounded = canvas.box(64, 22, 15, 9, "computed with\n0.25", fill="blue", size=SMALL, square=True)
    loss = canvas.box(88, 22, 10, 9, "loss", fill="white", bold=True)
    for start, end in ((stored, stairs), (stairs, rounded), (rounded, loss)):
        canvas.arrow(start, end)
    canvas.text(26.5, 28, "forwards", size=SMALL, va="bottom")
    y = 11.5
    canvas.line((93, 22), (93, y), (11.5, y), line="red", dashed=True, width=1.8)
    canvas.arrow((11.5, y), (11.5, 22), line="red", dashed=True, width=1.8)
    canvas.text(
        42, y + 1.2, "gradient: as if there were no stairs", size=SMALL, colour=LINES["red"], va="bottom"
    )
    canvas.text(42, y - 1.4, "(0 for a clipped weight)", size=SMALL, colour=LINES["red"], va="top")
    canvas.text(
        50,
        3.2,
        "small steps add up in the stored weight until it reaches the next stair",
        size=SMALL,
        bold=True,
    )
    canvas.text(
        50, 39.6, "the stairs' own slope is 0: nothing would learn", size=SMALL, colour=FAINT, va="bottom"
    )


@drawing(height=47)
def four_bit_path(canvas):
    """From the Keras model over a float32 file and a list of rules to a file whose 4-bit weights run."""
    canvas.title("From Keras to a file whose four bits run")
    model = canvas.box(2, 26, 15, 11, "Keras model\nfloat32", fill="white", size=SMALL)
    plain = canvas.box(28, 26, 18, 11, "float32.tflite\n90 MB", fill="grey", size=SMALL, square=True)
    tool = canvas.box(55, 26, 17, 11, "quantizer", fill="white", bold=True)
    small = canvas.box(82, 26, 16, 11, "int4.tflite\n18 MB", fill="green", size=SMALL, square=True)
    canvas.arrow(model, plain, "export")
    canvas.arrow(plain, tool)
    canvas.arrow(tool, small)
    rules = canvas.box(
        *(43, 3, 41 - 12, 15.5),
        "rules\ndense layers: 4 bits, in blocks\nof 32; tables: 8 bits;\nthe rest: float32",
        fill="orange",
        size=SMALL,
        square=True,
    )
    canvas.arrow((63.5, rules.y + rules.height), (63.5, 26))
    runs = canvas.box(
        *(77, 3, 21, 15.5),
        "runs in LiteRT:\ninputs rounded to\n8 bits, times int4;\nthe rest in float32",
        fill="blue",
        size=SMALL,
    )
    canvas.arrow((90, 26), (90, runs.y + runs.height))
    canvas.text(
        2,
        10.8,
        "The same rules with 8 bits\ninstead of 4 make the int8 file.",
        size=SMALL,
        colour=FAINT,
        ha="left",
    )


@drawing(height=65)
def qlora(canvas):
    """A frozen 4-bit base computes beside two small factors that alone are trained."""
    canvas.title("QLoRA: the base lies in 4 bits and stays; the adapter learns")
    canvas.box(44, 5, 12, 6, "x", fill="blue", bold=True, square=True)
    codes = canvas.matrix(6, 16.9, 6, 6, cell=(3.2, 3.2), fill="grey")
    canvas.text(codes.center[0], 38, "base: 4-bit codes", size=SMALL, bold=True)
    canvas.text(codes.center[0], 15, "frozen, no gradient kept", size=SMALL, colour=FAINT, va="top")
    unpacked = canvas.box(33, 21, 16, 11, "× scales,\nas floats,\nfor this product", fill="white", size=SMALL)
    canvas.arrow(codes.right, unpacked.left)
    a = canvas.matrix(70, 15, 6, 2, cell=(3.2, 2.2), fill="green")
    b = canvas.matrix(63.6, 33, 2, 6, cell=(3.2, 2.6), fill="green")
    canvas.text(85, a.center[1], "A: floats,\ntrained", size=SMALL, ha="left")
    canvas.text(85, b.center[1], "B: floats,\ntrained", size=SMALL, ha="left")
    canvas.arrow(a.top, b.bottom)
    plus = canvas.circle(50, 46, 2.4, "+", bold=True)
    canvas.line((47, 11), (47, 16), (41, 16), width=1.4)
    canvas.arrow((41, 16), unpacked.bottom)
    canvas.line((53, 11), (53, 12.6), (73.2, 12.6), width=1.4)
    canvas.arrow((73.2, 12.6), a.bottom)
    canvas.line(unpacked.top, (41, 46), width=1.4)
    canvas.arrow((41, 46), plus.left)
    canvas.line(b.top, (73.2, 46), width=1.4)
    canvas.arrow((73.2, 46), plus.right)
    loss = canvas.box(42.5, 52.4, 15, 5.6, "output, loss", size=SMALL)
    canvas.arrow(plus.top, loss.bottom)
    canvas.line(loss.right, (79.6, loss.right[1]), line="red", dashed=True)
    canvas.arrow((79.6, loss.right[1]), (79.6, b.y + b.height), line="red", dashed=True)
    canvas.line((79.6, b.y), (79.6, a.center[1]), line="red", dashed=True)
    canvas.arrow((79.6, a.center[1]), a.right, line="red", dashed=True)
    canvas.text(81, 48, "gradient:\nto B and A only", size=SMALL, colour=LINES["red"], ha="left")
