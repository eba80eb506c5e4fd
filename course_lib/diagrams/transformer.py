"""Lesson 03's drawings."""

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=71)
def encoder_way(canvas, parameters=None):
    """A text's way through the encoder: table rows, blocks of attention and feed-forward, one vector.

    Args:
        canvas: Where to draw.
        parameters: None, or a dict from "embeddings", "attention", "feed-forward" and "rest" to numbers,
            which are then drawn as bars at the right: shares of their sum.
    """
    canvas.title("From token ids to one vector")
    left, wide = 4, 60
    columns = [left + 15.5 * i for i in range(4)]
    for x, word in zip(columns, ("[CLS]", "not", "great", "[SEP]"), strict=True):
        each = canvas.box(x, 2, 13.5, 4.6, word, square=True)
        canvas.arrow(each.top, (each.top[0], 10), width=1.0)
        for y, end in ((20.5, 27), (49.5, 56)):
            canvas.matrix(x, y - 3, 1, 5, cell=(2.7, 3), fill="blue" if word == "great" else "white")
            canvas.arrow((each.top[0], y), (each.top[0], end), width=1.0)
        canvas.arrow((each.top[0], 14.8), (each.top[0], 17.5), width=1.0)
        canvas.arrow((each.top[0], 32), (each.top[0], 36), width=1.0)
        part = canvas.box(x, 36, 13.5, 6.2, "feed-\nforward", fill="grey", size=SMALL)
        canvas.arrow(part.top, (each.top[0], 46.5), width=1.0)
    canvas.box(left, 10, wide, 4.8, "three table rows, added", fill="grey")
    canvas.box(left, 27, wide, 5, "attention: every token reads every token", fill="grey")
    mean = canvas.box(left, 56, wide, 4.8, "mean over the tokens", fill="grey")
    canvas.line((1.5, 24.4), (66.5, 24.4), (66.5, 44.6), (1.5, 44.6), (1.5, 24.4), dashed=True)
    canvas.text(68, 34.5, "× 6", bold=True, ha="left")
    vector = canvas.matrix(27.25, 62, 1, 5, cell=(2.7, 3), fill="green")
    canvas.arrow(mean.top, vector.bottom, width=1.0)
    for y, text in ((4.3, "n ids"), (19, "n × 384"), (48, "n × 384"), (63.5, "384")):
        canvas.text(68, y, text, size=SMALL, colour=FAINT, ha="left")
    if parameters is None:
        block = "a block; the same\nsizes go in and come out\n(sums and norms around\nboth parts: left out)"
        canvas.text(86, 34.5, block, size=SMALL)
        canvas.text(87, 12.4, "what, where, and\nin which text", size=SMALL)
        canvas.text(87, 58.4, "padding left out", size=SMALL)
        return
    total = sum(parameters.values())
    canvas.text(77, 65, "share of the\nparameters", size=SMALL, bold=True, ha="left")
    for y, name in (
        (10.5, "embeddings"),
        (27.6, "attention"),
        (37.2, "feed-forward"),
    ):
        share = parameters[name] / total
        bar = canvas.box(77, y, 30 * share, 3.8, fill="orange", square=True)
        canvas.text(bar.right[0] + 1, bar.right[1], f"{share:.1%}", size=SMALL, ha="left")
    canvas.text(77, 58.4, "none", size=SMALL, ha="left")
    canvas.text(77, 21.5, "(sums and norms\nare not drawn)", size=SMALL, colour=FAINT, ha="left")
    canvas.text(77, 48, f"pooler, norms: {parameters['rest'] / total:.1%}", size=SMALL, ha="left")


@drawing(height=47)
def embedding_sum(canvas):
    """A token's first vector is the sum of three table rows: of the token, its position and its segment."""
    canvas.title("Each token starts as a sum of three table rows")
    words = ["[CLS]", "fine", "film", "[SEP]", "i", "agree", "[SEP]"]
    rows = [
        ("token", "blue", words, "30,522 rows"),
        ("position", "orange", list(range(7)), "512 rows"),
        ("segment", "pink", [0, 0, 0, 0, 1, 1, 1], "2 rows"),
    ]
    for i, (name, fill, texts, size) in enumerate(rows):
        y = 32 - 8.5 * i
        canvas.text(11, y + 2.5, name, bold=True, ha="right")
        for k, text in enumerate(texts):
            canvas.box(13 + 10.2 * k, y, 9.2, 5, str(text), fill=fill, square=True)
            if i:
                canvas.text(17.6 + 10.2 * k, y + 6.7, "+", bold=True)
        canvas.text(86, y + 2.5, f"a table of\n{size}", size=SMALL, colour=FAINT, ha="left")
    for k in range(7):
        canvas.arrow((17.6 + 10.2 * k, 14.6), (17.6 + 10.2 * k, 11), width=1.0)
        canvas.matrix(13 + 10.2 * k, 8, 1, 4, cell=(2.3, 3), fill="grey")
    canvas.text(86, 9.5, "7 × 384,\nthen a norm", size=SMALL, colour=FAINT, ha="left")
    canvas.text(11, 9.5, "sum", bold=True, ha="right")
    canvas.brace((13, 6.6), (52.8, 6.6), "first text")
    canvas.brace((53.8, 6.6), (83.4, 6.6), "second text")


@drawing(height=57)
def norm_axes(canvas):
    """Layer norm averages over one token's features, batch norm over one feature of all tokens."""
    canvas.title("What is averaged to normalise one number?")
    texts = [["a", "fine", "old", "film"], ["no", "thanks", "[PAD]", "[PAD]"]]
    for x, name, over in (
        (12, "layer norm", "over the features of one token:\nno other token counts"),
        (64, "batch norm", "over one feature of all tokens:\nother texts and padding count"),
    ):
        canvas.text(x + 14, 48.5, name, bold=True)
        for y, rows in zip((30, 10.5), texts, strict=True):
            fills = np.full((4, 7), "white", dtype=object)
            if name == "layer norm" and rows is texts[0]:
                fills[1] = "blue"
            if name == "batch norm":
                fills[:, 2] = "blue"
            fills[[row == "[PAD]" for row in rows]] = "grey"
            if name == "batch norm" and rows is texts[1]:
                fills[2:, 2] = "red"
            grid = canvas.matrix(x, y, 4, 7, cell=4, fill=fills.astype(str), row_names=rows)
            if rows is texts[0]:
                canvas.highlight(grid.cell(1, 2), pad=0)
        canvas.text(x + 14, 8.2, "features", size=SMALL, colour=FAINT)
        canvas.text(x + 14, 3.4, over, size=SMALL)
    for y, name in ((38, "first text"), (18.5, "second text")):
        canvas.text(2, y, name, size=SMALL, colour=FAINT, rotation=90)


@drawing(height=75)
def encoder_block(canvas):
    """The two orders of a block: the norm on the stream of residuals, or on the branches beside it."""
    canvas.title("A block writes into a stream")
    for x, name, after in ((13, "post-norm: BERT", True), (61, "pre-norm: GPT-2, Llama", False)):
        canvas.text(x + 8.5, 66, name, bold=True, ha="left")
        stops = [(x, 5)]
        for y, part in ((8, "attention"), (37, "feed-forward")):
            branch = x + 21
            canvas.line((x, y), (branch, y))
            canvas.text(x + 2.5, y + 2, "a copy", size=SMALL, colour=FAINT, ha="left")
            box = canvas.box(branch - 9, y + 9, 18, 6, part, fill="grey")
            if after:
                canvas.arrow((branch, y), box.bottom)
            else:
                norm = canvas.box(branch - 6, y + 2.3, 12, 4.2, "norm", fill="orange")
                canvas.line((branch, y), norm.bottom)
                canvas.arrow(norm.top, box.bottom)
            canvas.line(box.top, (branch, y + 20))
            canvas.arrow((branch, y + 20), (x + 2, y + 20))
            canvas.circle(x, y + 20, 2, "+", bold=True, size=11)
            stops += [(x, y + 18), (x, y + 22)]
            if after:
                canvas.box(x - 6, y + 23.6, 12, 4.2, "norm", fill="orange")
                stops += [(x, y + 23.6), (x, y + 27.8)]
        stops.append((x, 66))
        for start, end in zip(stops[::2], stops[1::2], strict=True):
            canvas.line(start, end, line="blue", width=4)
        canvas.arrow((x, 65.5), (x, 69), line="blue", width=4)
        canvas.text(x, 2.6, "one vector per token", size=SMALL)
    canvas.text(21, 33.7, "the norm is in the stream", size=SMALL, colour=LINES["red"], ha="left")
    canvas.text(64, 33.7, "only sums are in the stream", size=SMALL, colour=LINES["blue"], ha="left")


@drawing(height=74)
def encoder_decoder(canvas):
    """The encoder reads a whole source; the decoder sees what it wrote, and the source by cross-attention."""
    canvas.title("Encoder, decoder, and the way between them")
    for x, name, words in (
        (4, "encoder", ["ein", "guter", "Film"]),
        (56, "decoder", ["[start]", "a", "good"]),
    ):
        canvas.text(x + 18, 62.5, name, bold=True)
        for i, word in enumerate(words):
            each = canvas.box(x + 12.2 * i, 3, 11, 5, word, square=True)
            canvas.arrow(each.top, (each.top[0], 13), width=1.0)
    own = canvas.box(4, 13, 35.4, 7, "self-attention:\nevery token of the source", fill="grey", size=SMALL)
    forward = canvas.box(4, 27, 35.4, 6, "feed-forward", fill="grey", size=SMALL)
    source = canvas.matrix(13.7, 46.5, 3, 5, cell=(3.2, 2.6), fill="green")
    canvas.text(21.7, 56.5, "one vector per source token", size=SMALL)
    canvas.arrow(own.top, forward.bottom)
    canvas.arrow(forward.top, source.bottom)
    masked = canvas.box(
        56, 13, 35.4, 7, "self-attention, causal:\nonly what is written so far", fill="grey", size=SMALL
    )
    cross = canvas.box(56, 28, 35.4, 7, "cross-attention:\nlooks the source up", fill="grey", size=SMALL)
    last = canvas.box(56, 43, 35.4, 6, "feed-forward", fill="grey", size=SMALL)
    canvas.arrow(masked.top, cross.bottom, "queries", line="blue", side="right")
    canvas.arrow(cross.top, last.bottom)
    canvas.line(source.right, (48, source.right[1]), (48, 31.5), line="green")
    canvas.arrow((48, 31.5), cross.left, line="green")
    canvas.text(46.8, 37, "keys,\nvalues", size=SMALL, colour=LINES["green"], ha="right")
    for i, word in enumerate(("a", "good", "film")):
        x = 56 + 12.2 * i
        canvas.arrow((x + 5.5, 49), (x + 5.5, 54), width=1.0)
        canvas.box(x, 54, 11, 5, word, square=True)
    canvas.text(97, 56.5, "next\ntoken", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(47.7, 6, "not drawn: the\nsum and norm\nafter each part", size=SMALL, colour=FAINT)
    canvas.text(21.7, 67, "alone: BERT", size=SMALL, colour=FAINT)
    canvas.text(73.7, 67, "alone, without cross-attention: GPT, Llama", size=SMALL, colour=FAINT)


def _ring(canvas, x, y, radius):
    """A circle as a line, so that what is drawn in it stays visible."""
    angles = np.linspace(0, 2 * np.pi, 100)
    canvas.line(*zip(x + radius * np.cos(angles), y + radius * np.sin(angles), strict=True), width=1.2)


def _clock(canvas, x, y, radius, angles, labels):
    """A query and a key as hands of a clock, and the arc between them."""
    _ring(canvas, x, y, radius)
    for angle, colour, label in zip(angles, ("blue", "orange"), labels, strict=True):
        direction = np.array([np.cos(angle), np.sin(angle)])
        canvas.arrow(
            (x, y),
            (x + 0.97 * radius * direction[0], y + 0.97 * radius * direction[1]),
            line=colour,
            width=2.4,
        )
        dx, dy = (radius + 1.2) * direction
        ha = "center" if abs(dx) < 0.35 * radius else "left" if dx > 0 else "right"
        canvas.text(x + dx, y + dy + 0.8 * np.sign(dy), label, size=SMALL, colour=LINES[colour], ha=ha)
    arc = np.linspace(*angles, 30)
    canvas.line(
        *zip(x + 0.45 * radius * np.cos(arc), y + 0.45 * radius * np.sin(arc), strict=True), line="red"
    )


@drawing(height=53)
def rotary_positions(canvas):
    """Queries and keys turn with their positions, so that the angle between them depends on the distance."""
    canvas.title("RoPE: a position is a turn")
    turn = 0.35  # Radians per position.
    for x, key, query in ((17, 1, 4), (52, 5, 8)):
        _clock(
            canvas,
            x,
            27,
            11,
            (0.15 + turn * query, 0.15 + turn * key),
            (f"query at {query}", f"key at {key}"),
        )
        canvas.text(x, 10.5, f"positions {key} and {query}", bold=True)
    canvas.text(34.5, 4.5, "both 3 apart: the same angle, so the same dot product", colour=LINES["red"])
    canvas.text(86, 44.5, "each pair of components\nis a clock of its own", size=SMALL, bold=True)
    for i, (name, speed) in enumerate((("fast", 0.9), ("slower", 0.3), ("slowest", 0.1))):
        y = 35 - 12 * i
        _ring(canvas, 80, y, 4.6)
        for position in range(4):
            angle = speed * position
            canvas.arrow((80, y), (80 + 4.4 * np.cos(angle), y + 4.4 * np.sin(angle)), line="blue", width=1.0)
        canvas.text(86.5, y, f"{name}:\npositions 0 to 3", size=SMALL, ha="left")


@drawing(height=38)
def rms_norm(canvas):
    """RMSNorm divides by the root of the mean square only; layer norm subtracts the mean first."""
    canvas.title("RMSNorm leaves two steps out")
    x = np.array([1.0, 2.0, 3.0, 6.0])
    centred = x - x.mean()
    lanes = [
        (
            22,
            "layer norm",
            [("subtract\nthe mean", centred), ("divide by the\ndeviation", centred / centred.std())],
        ),
        (6, "RMSNorm", [None, ("divide by the root\nmean square", x / np.sqrt(np.mean(x**2)))]),
    ]
    for y, name, steps in lanes:
        canvas.text(1, y + 2.2, name, bold=True, ha="left")
        before = canvas.matrix(14, y, 1, 4, cell=4.4, fill="white", values=[[f"{v:.0f}" for v in x]])
        for step, left in zip(steps, (43, 72), strict=True):
            if step is None:
                continue
            text, values = step
            last = left == 72
            grid = canvas.matrix(
                left - 3 * last,
                y,
                1,
                4,
                cell=(4.4 + 0.8 * last, 4.4),
                fill="orange" if last else "white",
                values=[[f"{v:.1f}" if last else f"{v:.0f}" for v in values]],
            )
            canvas.arrow(before.right, grid.left)
            canvas.text((before.right[0] + grid.left[0]) / 2, y + 5.6, text, size=SMALL, va="bottom")
            before = grid
        end = "× γ + β" if name == "layer norm" else "× γ"
        canvas.text(before.right[0] + 1.5, y + 2.2, end, ha="left")


@drawing(height=56)
def swiglu(canvas):
    """SwiGLU's feed-forward has two dense layers side by side; one of them is a gate for the other."""
    canvas.title("SwiGLU: one dense layer opens and closes another")
    canvas.text(20, 47.5, "2017: two layers", bold=True)
    canvas.text(72, 47.5, "SwiGLU: three layers", bold=True)
    start = canvas.matrix(14, 3, 1, 4, cell=3, fill="blue")
    first = canvas.box(8, 11, 24, 5.5, "dense  d → 4d", fill="grey", size=SMALL)
    bend = canvas.box(12, 21, 16, 5, "GELU or ReLU", size=SMALL)
    second = canvas.box(8, 31, 24, 5.5, "dense  4d → d", fill="grey", size=SMALL)
    end = canvas.matrix(14, 41, 1, 4, cell=3, fill="blue")
    for one, other in zip((start, first, bend, second), (first, bend, second, end), strict=True):
        canvas.arrow(one.top, other.bottom)
    begin = canvas.matrix(66, 3, 1, 4, cell=3, fill="blue")
    gate = canvas.box(47, 11, 22, 5.5, "gate  d → 8d/3", fill="grey", size=SMALL)
    up = canvas.box(75, 11, 22, 5.5, "values  d → 8d/3", fill="grey", size=SMALL)
    swish = canvas.box(50, 21, 16, 5, "swish", size=SMALL)
    product = canvas.circle(72, 23.5, 2.4, "×", bold=True, size=11)
    down = canvas.box(60, 31, 24, 5.5, "dense  8d/3 → d", fill="grey", size=SMALL)
    out = canvas.matrix(66, 41, 1, 4, cell=3, fill="blue")
    for part in (gate, up):
        canvas.line(begin.top, (72, 8), (part.bottom[0], 8))
        canvas.arrow((part.bottom[0], 8), part.bottom)
    canvas.arrow(gate.top, swish.bottom)
    canvas.arrow(swish.right, product.left)
    canvas.line(up.top, (up.top[0], 23.5))
    canvas.arrow((up.top[0], 23.5), product.right)
    canvas.arrow(product.top, down.bottom)
    canvas.arrow(down.top, out.bottom)


@drawing(height=50)
def grouped_queries(canvas):
    """Query heads that share keys and values: all their own, in groups, or one for all; and what is kept."""
    canvas.title("Query heads can share keys and values")
    for left, name, pairs in ((3, "multi-head", 8), (37, "grouped: 2 groups", 2), (71, "multi-query", 1)):
        canvas.text(left + 13, 41, name, bold=True)
        step, share = 26 / 8, 8 // pairs
        for group in range(pairs):
            middle = left + step * (group + 0.5) * share
            key = canvas.box(middle - 1.25, 29, 2.5, 4, fill="orange", square=True)
            canvas.box(middle - 1.25, 33, 2.5, 4, fill="green", square=True)
            for head in range(group * share, (group + 1) * share):
                query = canvas.box(left + step * (head + 0.5) - 1.25, 15, 2.5, 4, fill="blue", square=True)
                canvas.arrow(query.top, key.bottom, width=1.0, head=False)
        canvas.box(left, 4.5, 26, 3.4, dashed=True, square=True)
        canvas.box(left, 4.5, 26 * pairs / 8, 3.4, fill="grey", square=True)
        canvas.text(left + 13, 10, f"kept per token: {pairs / 8:.1%}".replace(".0%", "%"), size=SMALL)
    canvas.text(33, 35, "values", size=SMALL, colour=LINES["green"])
    canvas.text(33, 31, "keys", size=SMALL, colour=LINES["orange"])
    canvas.text(33, 17, "queries", size=SMALL, colour=LINES["blue"])
