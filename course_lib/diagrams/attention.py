"""Lesson 01's drawings."""

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, Shape, drawing

WORDS = ("the", "thirsty", "cat", "drinks", "fresh", "milk")
# How well the query of each word fits the key of each, as lesson 01 computes it.
SCORES = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 2, 2, 0, 0, 0],
        [0, 4, 2, 0, 2, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 2, 2],
        [0, 2, 0, 0, 4, 2],
    ]
)
CAT = WORDS.index("cat")


def _softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)


@drawing(height=55)
def bottleneck(canvas):
    """A summary of fixed size blurs a text; a look-up keeps every word and fetches what is asked for."""
    canvas.title("A summary of fixed size, and a look-up")
    canvas.text(1, 46, "All words into one vector", bold=True, ha="left")
    canvas.text(53, 46, "Every word keeps its vector", bold=True, ha="left")
    canvas.line((50, 3), (50, 47.5), line="grey", dashed=True, width=1.0)
    summary = canvas.matrix(21, 13, 8, 1, cell=(3.4, 3), fill="grey")
    query = canvas.box(32, 29, 16, 8, "cat asks: which\nadjective?", fill="blue", size=SMALL, square=True)
    answer = canvas.box(32, 13, 16, 8, "a blur of\nsix words", fill="red", size=SMALL, square=True)
    canvas.arrow(query, answer)
    canvas.arrow((summary.x + summary.width, 17), answer.left)
    asks = canvas.box(83, 29, 16, 8, "cat asks: which\nadjective?", fill="blue", size=SMALL, square=True)
    gets = canvas.box(83, 13, 16, 8, "thirsty", fill="green", size=SMALL, square=True)
    canvas.arrow(asks, gets)
    for i, word in enumerate(WORDS):
        y = 38 - 6.2 * i
        left = canvas.box(1, y, 10, 4.6, word, size=SMALL, square=True)
        canvas.arrow(left.right, (summary.x, 25 + 0.55 * (y + 2.3 - 25)), line="grey", width=1.0)
        canvas.box(53, y, 10, 4.6, word, size=SMALL, square=True)
        kept = canvas.matrix(64, y, 1, 4, cell=(2.2, 4.6), fill="orange")
        line, width = ("blue", 2.6) if word == "thirsty" else ("grey", 0.8)
        canvas.arrow((asks.x, 33.8 - 0.3 * i), kept.right, line=line, width=width)
    canvas.text(21, 3, "64 numbers,\nfor 6 words or 600", size=SMALL, ha="left", va="bottom")
    canvas.text(81, 3, "64 numbers a word:\nit grows with the text", size=SMALL, ha="left", va="bottom")


@drawing(height=60)
def one_query(canvas):
    """One query is compared with every key, and takes that share of each value."""
    scores = SCORES[CAT]
    weights = _softmax(scores)
    canvas.title("One query looks things up")
    query = canvas.box(
        1, 20.5, 16, 11, "query of cat:\nwhich adjective\nis mine?", fill="blue", size=SMALL, square=True
    )
    found = f"output of cat:\n{weights[1]:.2f} thirsty,\n{weights[4]:.2f} fresh"
    output = canvas.box(86, 20.5, 13, 11, found, fill="grey", size=SMALL, square=True)
    for i, (word, score, weight) in enumerate(zip(WORDS, scores, weights, strict=True)):
        y = 44 - 8 * i
        key = canvas.box(27, y, 14, 5, f"key of {word}", fill="orange", size=SMALL, square=True)
        value = canvas.box(64.5, y, 15, 5, f"value of {word}", fill="green", size=SMALL, square=True)
        canvas.arrow(query.right, key.left, line="grey", width=1.0)
        canvas.text(46.5, y + 2.5, str(score))
        canvas.matrix(53, y + 1, 1, 1, cell=(8, 3), shades=[[weight]], values=[[f"{weight:.2f}"]])
        canvas.arrow(value.right, output.left, line="green", width=0.5 + 5 * weight)
    for x, text in ((34, "1  compare"), (46.5, "2  score"), (57, "3  weight"), (72, "4  mix values")):
        canvas.text(x, 51.5, text, size=SMALL, bold=True)
    canvas.text(45.5, 1, "query · key", size=SMALL, colour=FAINT, va="bottom")
    canvas.text(58, 1, "softmax: sum 1", size=SMALL, colour=FAINT, va="bottom")
    canvas.text(83, 47.5, "as wide as\nthe weight", size=SMALL, colour=LINES["green"], ha="left")


@drawing(height=64)
def attention_flow(canvas):
    """From the tokens' vectors to queries, keys and values, to scores, to weights, to output: each shape."""
    canvas.title("From X to the output, with every shape")
    x = canvas.matrix(
        5,
        24,
        6,
        8,
        cell=2,
        fill="white",
        name="X",
        shape="n × d",
        row_axis="tokens",
        column_axis="features",
    )
    projected = {}
    for y, letter, fill, columns, depth in (
        (43, "Q", "blue", 3, "$d_k$"),
        (24, "K", "orange", 3, "$d_k$"),
        (5, "V", "green", 2, "$d_v$"),
    ):
        product = canvas.box(27, y + 2.6, 10, 6.8, f"× $W^{letter}$\nd × {depth}", size=SMALL)
        grid = canvas.matrix(43, y, 6, columns, cell=2, fill=fill, name=letter, shape=f"n × {depth}")
        canvas.arrow(x.right, product.left)
        canvas.arrow(product.right, grid.left)
        projected[letter] = grid
    scores = canvas.matrix(58, 33.5, 6, 6, cell=2, fill="grey", name="scores", shape="n × n")
    weights = canvas.matrix(82, 33.5, 6, 6, cell=2, shades=_softmax(SCORES), name="weights", shape="n × n")
    canvas.arrow(projected["Q"].right, (scores.x, 42))
    canvas.arrow(projected["K"].right, (scores.x, 37))
    canvas.text(64, 32.3, r"$Q K^⊤ / \sqrt{d_k}$", va="top")
    canvas.arrow(scores.right, weights.left, "softmax")
    canvas.text(88, 49.5, "each row sums to 1", size=SMALL, colour=FAINT, va="bottom")
    times = canvas.circle(70, 11, 2.4, "×")
    output = canvas.matrix(87, 5, 6, 2, cell=2, fill="green", name="output", shape="n × $d_v$")
    canvas.arrow(projected["V"].right, times.left)
    canvas.line(weights.bottom, (weights.bottom[0], 24), (70, 24))
    canvas.arrow((70, 24.1), times.top)
    canvas.arrow(times.right, output.left)
    for grid in (x, projected["Q"], scores, weights, output):
        canvas.highlight(grid.row(CAT), pad=0)
    canvas.text(1, 2, "n = 6 tokens, d = 8,\n$d_k$ = 3, $d_v$ = 2", size=SMALL, ha="left", va="bottom")
    canvas.text(1, 7, "framed: cat", size=SMALL, colour=LINES["red"], ha="left", va="bottom")


@drawing(height=66)
def heads(canvas):
    """Queries, keys and values are cut into heads, each attends by itself, and all are joined and mixed."""
    canvas.title("Split, attend, join")
    fills, numbers = ["white", "white", "grey", "grey", "pink", "pink"], ["0", "0", "1", "1", "2", "2"]
    small = {"cell": (2.4, 2.2)}
    x = canvas.matrix(2, 46, 4, 6, fill="white", name="X", shape="n × d", **small)
    project = canvas.box(2, 33, 14.4, 8.5, "× $W^Q$, $W^K$, $W^V$\neach d × $h d_k$", size=SMALL)
    for i in (1, 2):  # Two more sheets behind the first.
        x0, x1, y0, y1 = (start + 1.2 * i for start in (2, 16.4, 15, 23.8))
        canvas.line((x0, y1 - 1.2), (x0, y1), (x1, y1), (x1, y0), (x1 - 1.2, y0), width=1.2)
    canvas.matrix(2, 15, 4, 6, fill=[fills] * 4, values=[numbers] * 4, **small)
    canvas.text(9.2, 13.8, "Q, K and V:\neach n × $h d_k$", va="top")
    canvas.arrow(x.bottom, project.top)
    canvas.arrow(project.bottom, (9.2, 26.2))
    joined = canvas.matrix(83.6, 15, 4, 6, fill=[fills] * 4, values=[numbers] * 4, **small)
    canvas.text(90.8, 13.8, "joined:\nn × $h d_k$", va="top")
    mix = canvas.box(83.6, 33, 14.4, 8.5, "× $W^O$\n$h d_k$ × d", size=SMALL)
    output = canvas.matrix(83.6, 46, 4, 6, fill="white", name="output", shape="n × d", **small)
    canvas.arrow(joined.top, mix.bottom)
    canvas.arrow(mix.top, output.bottom)
    back = np.eye(4, k=-1)
    back[0, 0] = 1
    looks = [
        ("one token back", back),
        ("at the first token", np.eye(4)[[0] * 4]),
        ("everywhere", np.full((4, 4), 0.25)),
    ]
    for i, (name, weights) in enumerate(looks):
        y, two = 44 - 19.5 * i, {"fill": fills[2 * i], "values": [[str(i)] * 2] * 4, **small}
        query = canvas.matrix(28, y, 4, 2, name="Q", **two)
        key = canvas.matrix(34.5, y, 4, 2, name="K", **two)
        seen = canvas.matrix(46, y, 4, 4, shades=weights, cell=2.2, name="A", shape="n × n")
        canvas.matrix(58.5, y, 4, 2, name="V", **two)
        got = canvas.matrix(67, y, 4, 2, shape="n × $d_k$", **two)
        canvas.text(50.4, y - 0.6, f"head {i} looks {name}", size=SMALL, colour=FAINT, va="top")
        canvas.arrow((19, 20.4), query.left)
        canvas.arrow(key.right, seen.left)
        canvas.text(56.6, y + 4.4, "×")
        canvas.text(65.1, y + 4.4, "=")
        canvas.arrow(got.right, joined.left)
    canvas.text(99, 2, "h = 3 heads", size=SMALL, ha="right", va="bottom")


@drawing(height=46)
def masks(canvas):
    """What each token may see: not the padding, not the future, and neither."""
    canvas.title("Which token may look where")
    words = ["cats", "like", "milk", "pad", "pad"]
    padding, causal = np.tile([True, True, True, False, False], (5, 1)), np.tri(5, dtype=bool)
    shown = [
        ("padding mask", "no one looks at padding", padding),
        ("causal mask", "no one looks ahead", causal),
        ("both, by &", "neither", padding & causal),
    ]
    for i, (name, says, mask) in enumerate(shown):
        grid = canvas.matrix(
            9 + 32 * i,
            7,
            5,
            5,
            cell=4.9,
            fill=np.where(mask, "green", "dark"),
            values=np.where(mask, "✓", ""),
            column_names=words,
            row_names=words if i == 0 else (),
            row_axis="query" if i == 0 else "",
        )
        canvas.text(grid.center[0], 36.5, name, bold=True, va="baseline")
        canvas.text(grid.center[0], 4, says, size=SMALL, va="baseline")
        if i < 2:
            canvas.text(grid.x + grid.width + 3.7, grid.center[1], "&="[i], size=14)
    canvas.text(
        99, 45, "columns: keys   ✓ may look   dark: hidden", size=SMALL, colour=FAINT, ha="right", va="top"
    )


@drawing(height=64)
def clock_hands(canvas):
    """Quick clock hands tell neighbouring positions apart, slow ones tell far from near."""
    canvas.title("A position is where its clock hands point")
    canvas.text(99, 63, "to the right: sine   up: cosine", size=SMALL, colour=FAINT, ha="right", va="top")
    for column in range(6):
        canvas.text(28 + 13 * column, 55, f"position {column}", size=SMALL)
    speeds = 10000 ** (-2 * np.arange(4) / 16)
    for row, speed in enumerate(speeds):
        y = 47.5 - 12 * row
        canvas.text(1, y, f"channels {2 * row}, {2 * row + 1}\n{speed:.2g} rad a step", size=SMALL, ha="left")
        for column in range(6):
            x, angle = 28 + 13 * column, column * speed
            canvas.circle(x, y, 4.6)
            canvas.arrow((x, y), (x + 4.4 * np.sin(angle), y + 4.4 * np.cos(angle)), line="blue", width=2.0)
    canvas.highlight(Shape(62.4, 6.9, 9.2, 45.2), pad=1)
    numbers = "   ".join(f"{np.sin(3 * speed):.2f} {np.cos(3 * speed):.2f}" for speed in speeds)
    vector = f"the vector of position 3:   {numbers}".replace("-", "−")
    canvas.text(99, 1, vector, size=SMALL, ha="right", va="bottom")
    canvas.text(1, 1, "d = 16: four of eight hands", size=SMALL, colour=FAINT, ha="left", va="bottom")


@drawing(height=46)
def cost_grid(canvas):
    """Twice the tokens make four times the scores."""
    canvas.title("Twice the tokens, four times the scores")
    for x, n in ((10, 4), (31, 8), (60, 16)):
        label = {
            "name": f"n = {n}:",
            "shape": f"{n * n} scores",
            "row_axis": "queries",
            "column_axis": "keys",
        }
        grid = canvas.matrix(x, 3.5, n, n, cell=2.1, fill="blue", **label)
        if n > 4:
            canvas.highlight(grid.block(0, 0, n // 2, n // 2), pad=0)
    canvas.text(49, 33, "framed:\nthe square\nbefore", size=SMALL, colour=LINES["red"])
