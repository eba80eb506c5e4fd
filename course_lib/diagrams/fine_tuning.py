"""Lesson 05's drawings."""

import itertools
import math

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing
from course_lib.diagrams.imdb import coin_tosses


@drawing(height=60)
def four_ways(canvas):
    """Four ways to use one network, by what starts from pretrained weights and by what learns."""
    canvas.title("One network, four ways: what is pretrained, and what learns")
    parts = {  # Name -> what stands at the left, the lower edge and the height of its boxes.
        "head": ("head\n385 or 770 weights", 39, 8),
        "mean": ("mean of the tokens\nno weights", 31, 4),
        "blocks": ("6 attention blocks\n10.6 M weights", 19, 8),
        "table": ("token table\n11.7 M weights", 9, 6),
    }
    ways = {  # Name -> which parts learn, and how many weights that makes.
        "frozen": (("head",), "385"),
        "fine-tuned": (("head", "blocks"), "10.8 M"),
        "LoRA": (("head",), "0.45 M"),
        "random weights": (("head", "blocks", "table"), "22.6 M"),
    }
    for name, y, high in parts.values():
        canvas.text(18.5, y + high / 2, name, size=SMALL, ha="right")
    canvas.text(18.5, 3, "weights that learn", size=SMALL, ha="right", bold=True)
    for i, (way, (learners, count)) in enumerate(ways.items()):
        x, middle, boxes = 21 + 20 * i, 29.5 + 20 * i, []
        canvas.text(middle, 50.5, way, bold=True)
        canvas.text(middle, 3, count, bold=True, colour=LINES["green"])
        for part, (_, y, high) in parts.items():
            start = "new" if part == "head" else "random" if way == "random weights" else "pretrained"
            fill = "blue" if start == "pretrained" else "white"
            learns = part in learners
            wide = 10.5 if (way, part) == ("LoRA", "blocks") else 17
            if part == "mean":
                boxes.append(canvas.box(x, y, wide, high, "mean", size=SMALL))
                continue
            text = f"{start}\n{'learns' if learns else 'frozen'}"
            boxes.append(canvas.box(x, y, wide, high, text, fill=fill, dashed=not learns, size=SMALL))
            if learns:
                canvas.highlight(boxes[-1], pad=0.6, line="green")
            if wide < 17:
                adapter = canvas.box(x + 11.8, y, 5.2, high, "A·B\nlearn", size=SMALL)
                canvas.highlight(adapter, pad=0.6, line="green")
        for upper, lower in itertools.pairwise(boxes):
            canvas.arrow((middle, lower.top[1]), (middle, upper.y))


@drawing(height=42)
def classifier_parts(canvas):
    """A classifier's three parts with shapes: the pretrained encoder, the mean over tokens, the new head."""
    canvas.title("Three parts: encoder, pooling, head")
    words = [["[CLS]"], ["not"], ["bad"], ["[SEP]"], ["[PAD]"], ["[PAD]"]]
    text = np.array([["orange"]] * 4 + [["dark"]] * 2)
    blue = np.where(text == "orange", "blue", "dark")
    ids = canvas.matrix(2, 10, 6, 1, cell=(8, 4), values=words, fill=text, name="tokens", shape="n")
    encoder = canvas.box(16, 10, 17, 24, "token table,\nthen\n6 attention\nblocks", fill="blue")
    look = {"name": "token vectors", "shape": "n × 384"}
    vectors = canvas.matrix(40, 10, 6, 5, cell=(3, 4), fill=np.repeat(blue, 5, axis=1), **look)
    mean = canvas.box(60, 18, 9, 8, "mean")
    pooled = canvas.matrix(74, 14.5, 5, 1, cell=(3, 3), fill="blue", name="384")
    head = canvas.box(82, 18, 9, 8, "dense\n384 to 2", fill="green", size=SMALL)
    logits = canvas.matrix(95, 19, 2, 1, cell=(3, 3), fill="green", name="logits")
    parts = (ids, encoder, vectors, mean, pooled, head, logits)
    for one, other in itertools.pairwise(parts):
        canvas.arrow(one.right, other.left)
    canvas.text(64.5, 15.5, "without\npadding", size=SMALL, colour=FAINT, va="top")
    for left, right, what in (
        (16, 55, "1  encoder: pretrained, its token table frozen"),
        (58.5, 78.5, "2  pooling: no weights"),
        (80.5, 99, "3  head: new"),
    ):
        canvas.brace((left, 7), (right, 7), what)


@drawing(height=52)
def adamw_step(canvas):
    """The first step of AdamW on two weights whose gradients differ three thousandfold."""
    canvas.title("AdamW: large and small gradients make steps of one size")
    pair = {"cell": (9.5, 4), "size": SMALL}

    def column(x, y, values, name, fill):
        return canvas.matrix(x, y, 2, 1, values=[[each] for each in values], name=name, fill=fill, **pair)

    weight = column(4, 33, ("0.5", "−1.0"), "weights w", "blue")
    decay = canvas.box(36, 33.5, 19, 7, "weight decay\n× (1 − rate · 0.05)", size=SMALL)
    minus = canvas.circle(79, 37, 2, "−")
    new = column(88, 33, ("0.3975", "−0.8953"), "new w", "blue")
    gradient = column(4, 12, ("3.0", "−0.001"), "gradients g", "orange")
    mean = canvas.box(20, 19, 15, 6, "running mean\nof g", size=SMALL)
    square = canvas.box(20, 6, 15, 6, "running mean\nof g², its root", size=SMALL)
    m = column(40, 18, ("3.0", "−0.001"), "m", "orange")
    v = column(40, 5, ("3.0", "0.001"), "", "orange")
    canvas.text(44.7, 3.6, r"$\sqrt{v}$", va="top")
    canvas.text(1, 4, "both corrected, as the\nmeans start at 0", size=SMALL, colour=FAINT, ha="left")
    divide = canvas.circle(56.5, 16, 2, "÷")
    ratio = column(62, 12, ("1", "−1"), "", "green")
    rate = canvas.box(75, 12.5, 8, 7, "× rate\n0.1", size=SMALL)
    canvas.text(66.7, 10.6, "one size", size=SMALL, colour=LINES["green"], va="top")
    for one, other in (
        (weight, decay),
        (decay, minus),
        (minus, new),
        (gradient, mean),
        (gradient, square),
        (mean, m),
        (square, v),
        (m, divide),
        (v, divide),
        (divide, ratio),
        (ratio, rate),
    ):
        canvas.arrow(one.right, other.left)
    canvas.arrow(rate.top, minus.bottom)
    canvas.text(80.5, 27, "the step", size=SMALL, ha="left")
    canvas.text(45.5, 31.8, "apart from the division", size=SMALL, colour=FAINT, va="top")


@drawing(height=48)
def warm_up_and_decay(canvas):
    """The learning rate over a training: up to its peak in a tenth of the steps, then down half a cosine."""
    canvas.title("The learning rate: warm up, then decay")
    left, right, low, high, share = 14, 96, 12, 36, 0.1
    places = np.linspace(0, 1, 101)
    falling = 0.5 * (1 + np.cos(np.pi * np.clip((places - share) / (1 - share), 0, 1)))
    rates = np.where(places < share, places / share, falling)
    canvas.line(
        *zip(left + (right - left) * places, low + (high - low) * rates, strict=True), line="blue", width=2.6
    )
    canvas.arrow((left, low), (left, 41))
    canvas.arrow((left, low), (99, low))
    warm = left + (right - left) * share
    canvas.line((left, high), (warm, high), line="grey", dashed=True, width=1)
    canvas.line((warm, low), (warm, high), line="grey", dashed=True, width=1)
    canvas.text(12.5, high, "peak", size=SMALL, ha="right")
    canvas.text(12.5, low, "0", size=SMALL, ha="right")
    canvas.text(3, 24, "learning rate", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(97, 9.5, "step", size=SMALL, colour=FAINT)
    canvas.brace((left, 10), (warm, 10), "warm-up:\na tenth of the steps")
    canvas.brace((warm + 1, 10), (right - 2, 10), "decay: half a cosine")
    canvas.text(
        24.5, 19, "The head is random and Adam's\nmeans are young: small steps first.", size=SMALL, ha="left"
    )
    canvas.text(62, 34, "Near the end small steps again,\nso that the weights settle.", size=SMALL, ha="left")


@drawing(height=58)
def early_stopping(canvas):
    """The validation loss over passes, when patience ends, and which weights are kept."""
    canvas.title("Early stopping: patience 3 ends the training, the best pass is kept")
    validation = [0.62, 0.52, 0.46, 0.43, 0.45, 0.44, 0.47]
    training = [0.66, 0.53, 0.43, 0.36, 0.31, 0.27, 0.24]
    wide, left = 9.5, 23

    def place(i, loss):
        return left + wide * (i + 0.5), 24 + 62 * (loss - 0.24)

    canvas.line(*[place(i, loss) for i, loss in enumerate(training)], line="grey", dashed=True)
    canvas.line(*[place(i, loss) for i, loss in enumerate(validation)], line="blue", width=2)
    for i, loss in enumerate(validation):
        canvas.circle(*place(i, loss), 0.9, fill="green" if i == 3 else "blue")
    canvas.text(91, place(6, 0.47)[1], "validation", size=SMALL, ha="left", colour=LINES["blue"])
    canvas.text(91, place(6, 0.24)[1], "training", size=SMALL, ha="left", colour=LINES["grey"])
    canvas.text(18, 36, "loss", size=SMALL, colour=FAINT, rotation=90)
    best, waited, rows = math.inf, 0, []
    for loss in validation:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        rows.append((f"{loss:.2f}", str(waited), "save" if not waited else ""))
    fills = [["blue"] * 7, ["green"] * 4 + ["orange"] * 2 + ["red"], ["green"] * 4 + ["white"] * 3]
    names = ["validation loss", "passes with no better", "weights"]
    grid = canvas.matrix(
        left, 7, 3, 7, cell=(wide, 4), values=np.transpose(rows), fill=fills, row_names=names
    )
    for i in range(7):
        canvas.text(grid.cell(0, i).center[0], 20.6, f"{i + 1}", size=SMALL)
    canvas.text(left - 0.8, 20.6, "pass", size=SMALL, ha="right")
    canvas.text(91, 13, "3: stop", size=SMALL, ha="left", bold=True, colour=LINES["red"])
    back, end = grid.cell(2, 3), grid.cell(2, 6)
    canvas.line((end.center[0], 7), (end.center[0], 4), (back.center[0], 4), line="red")
    canvas.arrow((back.center[0], 4), (back.center[0], 7), line="red")
    canvas.text(70, 2, "back to the weights of pass 4", size=SMALL, colour=LINES["red"])


@drawing(height=57)
def lora(canvas):
    """A frozen kernel and two thin matrices beside it that learn, with their shapes; merged at the end."""
    canvas.title("LoRA: W stays as it is, two thin matrices beside it learn")
    x = canvas.box(1, 23, 8, 6, "x: 384", fill="orange", square=True, size=SMALL)
    w = canvas.box(
        17, 28, 21, 21, "W: 384 × 384\n147,456 weights\nfrozen", fill="blue", dashed=True, square=True
    )
    a = canvas.box(17, 2, 3, 21, "A", fill="green", square=True)
    b = canvas.box(32, 11, 21, 3, "B", fill="green", square=True)
    scale = canvas.box(56.5, 9.5, 7, 6, "× α / r", size=SMALL)
    plus = canvas.circle(60, 26, 2, "+")
    out = canvas.box(65, 23, 6, 6, "384", fill="orange", square=True, size=SMALL)
    steps = ((x, w), (x, a), (w, plus), (a, b), (b, scale), (plus, out))
    for one, other in steps:
        canvas.arrow(one.right, other.left)
    canvas.arrow(scale.top, plus.bottom)
    canvas.text(21.5, 5, "384 × 8 = 3,072\nlearn", size=SMALL, ha="left")
    canvas.text(42.5, 17.2, "8 × 384 = 3,072\nlearn, start at 0", size=SMALL)
    canvas.line((74, 3), (74, 49), line="grey", dashed=True, width=1)
    canvas.text(87.5, 42, "afterwards, merged:\none kernel again", size=SMALL)
    canvas.box(77, 15.5, 21, 21, "W + (α / r) A·B\n384 × 384", fill="blue", square=True)
    canvas.text(87.5, 11, "nothing beside it is\nleft to compute", size=SMALL, colour=FAINT)


@drawing(height=47)
def mcnemar_table(canvas):
    """The four cases of two models on the same reviews; a coin tells whether the two uneven ones differ."""
    canvas.title("Is the difference chance? Count pairs, then toss coins")
    counts = [["60\nboth", "10\nonly the first"], ["2\nonly the second", "28\nneither"]]
    look = {"fill": [["grey", "green"], ["blue", "grey"]], "column_names": ["second right", "second wrong"]}
    grid = canvas.matrix(
        12, 14, 2, 2, cell=(15, 9), values=counts, row_names=["first\nright", "first\nwrong"], **look
    )
    canvas.highlight(grid.cell(0, 1), pad=0)
    canvas.highlight(grid.cell(1, 0), pad=0)
    canvas.text(
        27, 8.5, "100 reviews that both models judged;\nonly the framed 12 tell them apart", size=SMALL
    )
    canvas.text(75.5, 37.5, "If neither were better: a coin for each of the 12", size=SMALL)
    p = coin_tosses(canvas, 55, 11, 12, 2, wide=3.2, high=22)
    canvas.text(
        75,
        5,
        f"how many of 12 go to the first;\nred, 10 to 2 or more uneven: p = {p:.3f}",
        size=SMALL,
        colour=LINES["red"],
    )
