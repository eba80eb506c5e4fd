"""Lesson 04's drawings."""

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=43)
def pretrain_once(canvas):
    """An encoder is pretrained once on much text, and fine-tuned often on few labels."""
    canvas.title("Pretrain once, fine-tune many times")
    text = canvas.box(2, 10.5, 17, 18, "text,\nas much as\nthere is", fill="grey", square=True)
    encoder = canvas.box(35, 12.5, 17, 14, "encoder", fill="blue", bold=True)
    canvas.arrow(text, encoder, "pretrain")
    canvas.text(27, 17, "days, no labels", size=SMALL, colour=FAINT)
    for name, y in (("good or bad?", 27.5), ("spam or not?", 16), ("which topic?", 4.5)):
        copy = canvas.box(66, y, 12, 7, "encoder", fill="blue", size=SMALL)
        canvas.box(79.5, y, 17.5, 7, name, fill="orange", size=SMALL)
        canvas.arrow(encoder.right, copy.left)
    canvas.text(56.5, 33, "copy the weights", size=SMALL, colour=FAINT)
    canvas.text(81.5, 37, "fine-tune: minutes, few labels", size=SMALL, colour=FAINT)
    canvas.text(88.2, 2, "a new head for each task", size=SMALL, colour=LINES["orange"])


@drawing(height=53)
def masking(canvas):
    """Of the chosen tokens 80 % become [MASK], 10 % a random token, 10 % stay; all are to be guessed."""
    canvas.title("Hide some tokens, and ask for them")
    words = ["the", "plot", "is", "thin", "but", "the", "actors", "are", "a", "joy"]
    read = {1: "[MASK]", 6: "tuesday", 9: "joy"}
    rules = {1: "80 %\n[MASK]", 6: "10 %\na random token", 9: "10 %\nas it is"}
    fills = ["orange" if i in read else "white" for i in range(len(words))]
    row = {"width": 7.9, "height": 5.4, "gap": 0.55, "size": SMALL}
    shown = ["blue" if i in read else "white" for i in range(len(words))]
    text = canvas.tokens(15, 38, words, fill=fills, **row)
    seen = canvas.tokens(15, 18.5, [read.get(i, word) for i, word in enumerate(words)], fill=shown, **row)
    for i, rule in rules.items():
        canvas.arrow(text[i].bottom, seen[i].top, line="orange")
        canvas.text(text[i].center[0] - 1.2, 31, rule, size=SMALL, ha="right")
    for y, name in ((40.7, "the text"), (21.2, "the network\nreads"), (6.2, "and has\nto say")):
        canvas.text(13.5, y, name, ha="right", bold=True, size=SMALL)
    for i in range(len(words)):
        x, _ = seen[i].bottom
        if i in read:
            canvas.arrow((x, 18.5), (x, 9))
            canvas.box(x - 3.95, 3.6, 7.9, 5.4, words[i], fill="green", size=SMALL, square=True)
        else:
            canvas.text(x, 6.2, "–", colour=FAINT)
    canvas.text(
        text[0].x,
        45.2,
        "chosen: 15 % of a long text (here 3 of 10, to show each case)",
        size=SMALL,
        colour=LINES["orange"],
        ha="left",
    )
    canvas.text(text[2].x, 11.5, "no loss here", size=SMALL, colour=FAINT, ha="left")


@drawing(height=54)
def masked_head(canvas):
    """At a hidden position, the vector is compared with every row of the table of token embeddings."""
    canvas.title("The head turns a vector into a score for every token")
    words = ["the", "[MASK]", "was", "dull"]
    tokens = canvas.tokens(2, 6, words, fill=["white", "blue", "white", "white"], width=8, gap=1, size=SMALL)
    canvas.box(2, 17, 35, 7, "encoder", fill="grey", bold=True)
    for i, token in enumerate(tokens):
        x, _ = token.top
        canvas.arrow((x, 11), (x, 17), width=1.0)
        canvas.arrow((x, 24), (x, 29), width=1.0)
        canvas.matrix(x - 1.6, 29, 4, 1, cell=(3.2, 2.6), fill="blue" if i == 1 else "white")
    head = canvas.box(43, 29.4, 12, 9.6, "dense\nGELU\nlayer norm", size=SMALL)
    vector = canvas.matrix(58.5, 29, 4, 1, cell=(3.2, 2.6), fill="blue")
    x, _ = tokens[1].top
    canvas.line((x, 39.4), (x, 44.4), (39.8, 44.4), (39.8, 34.2))
    canvas.arrow((39.8, 34.2), head.left)
    canvas.text(x + 1.2, 42, "a vector per position", size=SMALL, colour=FAINT, ha="left")
    canvas.arrow(head.right, vector.left)
    table = canvas.matrix(72, 24.6, 6, 4, cell=(2.6, 3.2), fill="orange")
    canvas.text(77.2, 46.6, "token table", bold=True, size=SMALL)
    canvas.arrow(vector.right, table.left)
    canvas.text(66.7, 37.6, "product\nwith each\nrow", size=SMALL)
    names = ["plot", "film", "a", "joy", "acting", "…"]
    values = ["2.9", "3.1", "–2.0", "0.3", "3.4", ""]
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        y = table.cell(i, 0).center[1]
        canvas.text(83.3, y, name, size=SMALL, ha="left")
        if value:
            canvas.box(91.5, y - 1.6, 6.5, 3.2, value, fill="green", size=SMALL, square=True)
    canvas.text(94.7, 46.6, "logits", bold=True, size=SMALL)
    canvas.text(93, 21.6, "+ a bias for\neach token", size=SMALL, colour=FAINT, va="top")
    canvas.line((77.2, 24.6), (77.2, 2.4), (6, 2.4), line="orange", dashed=True)
    canvas.arrow((6, 2.4), (6, 6), line="orange", dashed=True)
    canvas.text(
        38.3,
        5,
        "tied: the same table gives the input its vectors",
        size=SMALL,
        colour=LINES["orange"],
        ha="left",
    )


@drawing(height=47)
def packed_pairs(canvas):
    """Two texts in one sequence, and whether the second follows the first."""
    canvas.title("Two texts in one sequence: does the second follow the first?")
    first = ["[CLS]", "he", "takes", "a", "train", "[SEP]"]
    rows = (
        (28, ["it", "is", "late", "[SEP]"], "1", "the passage\nthat follows"),
        (6, ["the", "songs", "shine", "[SEP]"], "0", "from another\nreview"),
    )
    for y, second, label, origin in rows:
        fills = ["blue"] * len(first) + ["orange"] * len(second)
        tokens = canvas.tokens(12, y, first + second, fill=fills, width=6.5, height=5.2, gap=0.45, size=SMALL)
        for i, token in enumerate(tokens):
            canvas.text(token.center[0], y - 2, "01"[i >= len(first)], size=SMALL)
        canvas.text(10.8, y + 2.6, "tokens", size=SMALL, ha="right", bold=True)
        canvas.text(10.8, y - 2, "segments", size=SMALL, ha="right", bold=True)
        canvas.box(91.5, y, 6.5, 5.2, label, fill="green", bold=True, square=True)
        canvas.line((tokens[0].center[0], y + 5.2), (tokens[0].center[0], y + 10), (94.7, y + 10))
        canvas.arrow((94.7, y + 10), (94.7, y + 5.2))
        canvas.text(55, y + 7.6, origin.replace("\n", " "), size=SMALL, colour=LINES["orange"], ha="left")
        canvas.text(18, y + 7.6, "a passage of a review", size=SMALL, colour=LINES["blue"], ha="left")
    canvas.text(94.7, 24.3, "is next?", size=SMALL)
    canvas.text(94.7, 2.3, "is next?", size=SMALL)


@drawing(height=43)
def causal_shift(canvas):
    """The labels are the inputs, one position on: at each position the next token is to be said."""
    canvas.title("The text is its own label, one position on")
    words = ["[CLS]", "the", "actors", "are", "a", "joy", "[SEP]"]
    row = {"width": 10, "height": 5.6, "gap": 2, "size": SMALL}
    text = canvas.tokens(14, 30, words, **row)
    read = canvas.tokens(14, 6, words[:-1], fill="blue", **row)
    said = canvas.tokens(14, 18, words[1:], fill="green", **row)
    for below, above in zip(read, said, strict=True):
        canvas.arrow(below.top, above.bottom)
    for source, target in zip(text[1:], said, strict=True):
        canvas.arrow(source.bottom, (target.center[0] + 2.5, 23.6), line="grey", width=1.0, dashed=True)
    for y, name in ((32.8, "text"), (20.8, "label"), (8.8, "input")):
        canvas.text(12.5, y, name, ha="right", bold=True, size=SMALL)
    canvas.text(92, 8.8, "nothing\nfollows\n[SEP]", size=SMALL, colour=FAINT)
    canvas.text(
        50, 2.4, "each position may read itself and what stands to its left", size=SMALL, colour=FAINT
    )


@drawing(height=60)
def what_is_seen(canvas):
    """A masked model fills a blank from both sides, a causal one from what stands before it."""
    canvas.title("What may be read to fill the blank")
    words = ["a", "film", "so", "____", "I", "left"]
    blank = words.index("____")
    for x, name, causal in ((14, "masked: both sides", False), (64, "causal: only what comes before", True)):
        canvas.text(x - 11, 51.5, name, bold=True, ha="left")
        fills = ["blue" if not causal or i < blank else "dark" for i in range(len(words))]
        fills[blank] = "orange"
        canvas.tokens(x - 11, 43.5, words, fill=fills, width=6.6, height=5, gap=0.6, size=SMALL)
        seen = np.tri(len(words), dtype=bool) if causal else np.ones((len(words),) * 2, bool)
        grid = canvas.matrix(
            *(x, 9, 6, 6),
            cell=(4.4, 4.4),
            fill=np.where(seen, "blue", "dark"),
            row_names=words,
            column_names=words,
            row_axis="position",
            column_axis="may read",
        )
        # A causal model guesses a token at the position before it.
        canvas.highlight(grid.row(blank - causal), pad=0.2)
    for y, fill, name in ((29, "blue", "read"), (23.5, "dark", "hidden")):
        canvas.box(43.5, y, 3, 3, fill=fill, square=True)
        canvas.text(47.3, y + 1.5, name, size=SMALL, ha="left")
    canvas.text(
        50, 2.4, "framed: the position at which the blank is guessed", size=SMALL, colour=LINES["red"]
    )


@drawing(height=56)
def key_value_cache(canvas):
    """Without a cache each step computes every key and value anew; with one, only the new token's."""
    canvas.title("What is computed to write the next token")
    words = ["this", "film", "is", "a", "joy"]
    for x, name, cached in (
        (3, "without a cache: all, every time", False),
        (53, "with a cache: the new token's", True),
    ):
        canvas.text(x, 48.8, name, bold=True, ha="left")
        for step, count in enumerate((3, 4, 5)):
            y = 35 - 14.5 * step
            canvas.text(x, y + 4, f"step {step + 1}", size=SMALL, ha="left", colour=FAINT)
            for i, word in enumerate(words[:count]):
                new = not cached or i == count - 1 or step == 0
                left = x + 8 + 7.4 * i
                canvas.text(left + 3.2, y + 9.6, word, size=SMALL)
                for j, (kind, fill) in enumerate((("k", "orange"), ("v", "green"))):
                    fill = fill if new else "grey"
                    canvas.box(left, y + 4.2 - 4.2 * j, 6.4, 3.6, kind, fill=fill, size=SMALL, square=True)
    canvas.text(
        3, 2.4, "k: key, v: value; in colour: computed in this step", size=SMALL, colour=FAINT, ha="left"
    )
    canvas.text(53, 2.4, "grey: kept from the steps before", size=SMALL, colour=FAINT, ha="left")
