"""Lesson 02's drawings."""

import itertools
import math

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing

# Three short reviews as BERT numbers them, the first of them in words.
WORDS = ["[CLS]", "not", "dull", "!", "i", "love", "it", ".", "[SEP]"]
IDS = [
    [101, 2025, 10634, 999, 1045, 2293, 2009, 1012, 102],
    [101, 1037, 4030, 1010, 10634, 2143, 1012, 102, 0],
    [101, 2307, 4569, 999, 102, 0, 0, 0, 0],
]


@drawing(height=72)
def review_to_batch(canvas):
    """What becomes of a review on its way to a network, step by step, and what each step can do wrong."""
    canvas.title("From a review to a batch")
    canvas.text(18, 64.8, "what you have then", size=SMALL, colour=FAINT, ha="left")
    canvas.text(77, 64.8, "what goes wrong", size=SMALL, colour=FAINT, ha="left")
    steps = {  # Name -> its height and its risk.
        "look": (58, "you train on what\nyou never read"),
        "clean": (50, "markup takes\nthe tokens"),
        "split": (42, "the test holds copies\nof the training"),
        "label": (34, "people disagree,\nand slip"),
        "tokens": (25, "words that nobody\nhas seen"),
        "batch": (12, "up to half of it\nis padding"),
        "baseline": (1.5, "the network loses\nto a linear model"),
    }
    boxes = []
    for name, (y, risk) in steps.items():
        boxes.append(canvas.box(1, y, 13, 5, name, fill="blue", bold=True))
        canvas.text(77, y + 2.5, risk, size=SMALL, colour=LINES["red"], ha="left")
    for upper, lower in itertools.pairwise(boxes):
        canvas.arrow(upper.bottom, lower.top)
    canvas.box(18, 58, 56, 5, "Not dull!<br /><br />I love it.", square=True)
    canvas.box(18, 50, 56, 5, "Not dull! I love it.", square=True)
    canvas.box(18, 42, 40, 5, "training: your review is here", square=True, size=SMALL)
    canvas.box(59, 42, 8, 5, "valid.", square=True, fill="grey", size=SMALL)
    canvas.box(68, 42, 6, 5, "test", square=True, fill="grey", size=SMALL)
    canvas.box(18, 34, 56, 5, "1: positive", square=True, fill="green")
    cell = (56 / 9, 3)
    canvas.matrix(18, 27.5, 1, 9, cell=cell, values=[WORDS], fill="white")
    canvas.matrix(18, 24.5, 1, 9, cell=cell, values=IDS[:1], fill="orange")
    fills = np.where(np.array(IDS) == 0, "dark", "orange")
    canvas.matrix(18, 10, 3, 9, cell=cell, values=IDS, fill=fills)
    canvas.text(
        18, 20.6, "three reviews, the shorter ones filled up with 0", size=SMALL, colour=FAINT, ha="left"
    )
    canvas.box(
        18, 1.5, 56, 5, "an accuracy that later lessons must beat", square=True, fill="grey", size=SMALL
    )


@drawing(height=48)
def split_with_a_leak(canvas):
    """Twelve reviews, two of them posted twice: shuffled and cut, and with near-duplicates kept together."""
    canvas.title("A split leaks if near-duplicates stand on both sides")
    panels = [
        (2, "shuffle and cut", "DEABFGHIC", ["A′", "J", "C′"]),
        (53, "keep near-duplicates together", ["A", "A′", "B", "D", "E", "F", "C", "C′", "G"], "HIJ"),
    ]
    for left, name, train, test in panels:
        canvas.text(left + 22.5, 39.5, name, bold=True)
        canvas.box(left, 10, 28, 23, square=True)
        canvas.box(left + 34, 10, 11, 23, square=True)
        canvas.text(left + 14, 35, "training", size=SMALL, colour=FAINT)
        canvas.text(left + 39.5, 35, "test", size=SMALL, colour=FAINT)
        places = {each: (left + 2 + 8.5 * (i % 3), 26 - 7 * (i // 3)) for i, each in enumerate(train)}
        places |= {each: (left + 36, 26 - 7 * i) for i, each in enumerate(test)}
        boxes = {}
        for each, (x, y) in places.items():
            fill = "orange" if each[0] in "AC" else "grey"
            boxes[each] = canvas.box(x, y, 7, 5, each, fill=fill, square=True)
        for one, other in (("A", "A′"), ("C", "C′")):
            leaks = other in test
            canvas.arrow(boxes[one], boxes[other], line="red" if leaks else "ink", width=2.4, head=leaks)
    canvas.text(
        24.5,
        6.5,
        "two of three test reviews were\nas good as seen in training",
        size=SMALL,
        colour=LINES["red"],
    )
    canvas.text(75.5, 6.5, "every test review is new", size=SMALL, colour=LINES["green"])
    canvas.text(50, 1.6, "A′ is nearly the same text as A, and C′ as C", size=SMALL, colour=FAINT)


def coin_tosses(canvas, x, y, n, k, *, wide, high):
    """Draws how probable 0 to n heads in n tosses are; those at least as uneven as k to n - k are red.

    Returns:
        The probability of the red ones: McNemar's p.
    """
    chances = np.array([math.comb(n, i) / 2**n for i in range(n + 1)])
    uneven = np.minimum(range(n + 1), range(n, -1, -1)) <= k
    for i, chance in enumerate(chances):
        height = high * chance / max(chances)
        canvas.box(x + wide * i, y, 0.8 * wide, height, fill="red" if uneven[i] else "grey", square=True)
        canvas.text(x + wide * (i + 0.4), y - 1.8, str(i), size=SMALL)
    return chances[uneven].sum()


@drawing(height=52)
def paired_verdicts(canvas):
    """Two models on the same 16 reviews: only those that exactly one of them gets right tell them apart."""
    canvas.title("Two models, the same reviews: which one is better?")
    first, second = "1101111011110111", "1111010010110010"
    marks = [["✓" if right == "1" else "✗" for right in row] for row in (first, second)]
    pairs = list(zip(first, second, strict=True))
    fills = ["green" if a > b else "blue" if a < b else "white" for a, b in pairs]
    names = {"row_names": ["first model", "second model"], "column_names": range(1, 17)}
    canvas.matrix(15, 34, 2, 16, cell=(5.2, 4), values=marks, fill=[fills] * 2, **names)
    canvas.text(14.2, 43.6, "review", size=SMALL, ha="right")
    legend = {
        "green": "only the first model is right: {}",
        "blue": "only the second model is right: {}",
        "white": "both right or both wrong: {},\nwhich say nothing",
    }
    for i, (fill, text) in enumerate(legend.items()):
        canvas.box(3, 24 - 7.5 * i, 4, 4, fill=fill, square=True)
        canvas.text(9, 26 - 7.5 * i, text.format(fills.count(fill)), size=SMALL, ha="left")
    first_only, second_only = fills.count("green"), fills.count("blue")
    tosses = first_only + second_only
    canvas.text(
        76,
        29.5,
        f"If neither were better, each of the {tosses} would\nfall to either like a tossed coin:",
        size=SMALL,
    )
    p = coin_tosses(canvas, 58.5, 8, tosses, second_only, wide=5, high=14)
    canvas.text(75.5, 2.6, f"how many of the {tosses} the first model wins", size=SMALL, colour=FAINT)
    canvas.text(
        49.5,
        15,
        f"{first_only} to {second_only}, or\nmore uneven:\np = {p:.2f}",
        size=SMALL,
        colour=LINES["red"],
    )


@drawing(height=60)
def raters_agree(canvas):
    """How far apart two scores of one sentence lie, and any two: what alpha compares."""
    canvas.title("Agreement: two scores of one sentence, or any two")
    sentences = [  # From Hutto and Gilbert (2014): how many raters gave -4, -3, ... 4.
        (37, "“Go see it and enjoy.”\n\nThe raters agree.", [0, 0, 0, 0, 0, 3, 8, 5, 0]),
        (16, "“Lavishly, exhilaratingly\ntasteless.”\n\nThe raters do not.", [1, 1, 3, 2, 1, 1, 5, 3, 0]),
    ]
    scores, given = np.arange(-4, 5), []

    def dot(score, level, y):
        return 50 + 5 * score, y + 1.1 + 1.7 * level

    for y, text, raters in sentences:
        each = np.repeat(scores, raters)
        given.append(each)
        canvas.text(1, y + 6, text, size=SMALL, ha="left")
        canvas.line((dot(-4, 0, y)[0] - 2, y), (dot(4, 0, y)[0] + 2, y))
        for score, count in zip(scores, raters, strict=True):
            canvas.text(dot(score, 0, y)[0], y - 1.7, f"{score}".replace("-", "−"), size=SMALL)
            for level in range(count):
                canvas.circle(*dot(score, level, y), 0.75, fill="blue")
        about = f"{len(each)} raters\nmean {each.mean():.1f}\nstandard deviation {each.std():.1f}"
        canvas.text(76, y + 6, about, size=SMALL, ha="left")
    squares = [np.subtract.outer(each, each) ** 2 for each in (*given, np.concatenate(given))]
    sizes = [len(each) for each in given]
    observed = sum(s.sum() / (n - 1) for s, n in zip(squares, sizes, strict=False)) / sum(sizes)
    expected = squares[-1].sum() / (sum(sizes) - 1) / sum(sizes)
    canvas.arrow(dot(-2, 2, 16), dot(2, 2, 16), line="red", width=2)
    canvas.arrow(dot(3, 2, 16), dot(1, 0, 37), dashed=True, width=2)
    canvas.text(22, 8, "two scores of\none sentence", size=SMALL, colour=LINES["red"])
    canvas.text(22, 3, f"$D_o$ = {observed:.1f}", colour=LINES["red"])
    canvas.text(50, 8, "any two scores\n(dashed)", size=SMALL)
    canvas.text(50, 3, f"$D_e$ = {expected:.1f}")
    canvas.text(80, 8, "alpha: 1 if all agree,\n0 if it is luck", size=SMALL)
    canvas.text(80, 3, f"$1 - D_o / D_e$ = {1 - observed / expected:.2f}", bold=True)


@drawing(height=40)
def pieces_grow(canvas):
    """The pieces of one word while a list of pieces grows: neighbours are joined again and again."""
    canvas.title("A list of pieces grows: two neighbours are joined, again and again")
    rows = {
        "single characters": "u ##n ##w ##a ##t ##c ##h ##a ##b ##l ##e",
        "250 pieces": "u ##n ##w ##at ##ch ##a ##b ##le",
        "500 pieces": "un ##w ##atch ##able",
        "8,000 pieces": "unwatchable",
    }
    for i, (name, pieces) in enumerate(rows.items()):
        y, x = 2 + 8 * i, 21
        canvas.text(19, y + 2.5, name, size=SMALL, ha="right")
        for piece in pieces.split():
            wide = 7 * len(piece.removeprefix("##"))
            fill = "green" if wide > 7 else "white"
            box = canvas.box(x + 0.4, y, wide - 0.8, 5, piece, fill=fill, square=True)
            if i < 3:
                canvas.arrow(box.top, (box.top[0], y + 8), line="grey", width=1, head=False)
            x += wide


@drawing(height=61)
def word_into_pieces(canvas):
    """WordPiece on one word: the longest piece that is in the list is taken, then the same for the rest."""
    canvas.title("Take the longest piece that is in the list, then do so with the rest")
    word, wide, left = "unwatchable", 6, 18
    steps = [  # Where it starts, the end of what is found, and how high its tries begin.
        (0, 2, 43.5, "1  from the\nfirst letter"),
        (2, 7, 26.5, "2  from the\nthird letter"),
        (7, 11, 9.5, "3  from the\neighth letter"),
    ]
    canvas.matrix(left, 49, 1, len(word), cell=(wide, 4), values=[list(word)], fill="white", size=9)
    canvas.text(17, 51, "the word", size=SMALL, ha="right")
    for start, found, y, name in steps:
        canvas.text(1, y + 1, name, size=SMALL, ha="left")
        for end in (*range(len(word), found, -1)[:2], found):
            text = ("##" if start else "") + word[start:end]
            fill = "green" if end == found else "white"
            place = (left + wide * start + 0.3, y, wide * (end - start) - 0.6, 3.4)
            box = canvas.box(*place, text, fill=fill, dashed=end != found, square=True)
            if end == found:
                canvas.text(box.right[0] + 1.2, box.right[1], "✓", bold=True, colour=LINES["green"])
            else:
                canvas.text(86, box.right[1], "not in the list", size=SMALL, colour=FAINT, ha="left")
            y -= 4.1
            if end == len(word) - 1:
                more = f"{end - 1 - found} more, each a letter shorter"
                canvas.text(left + wide * start + 0.5, y + 2.1, more, size=SMALL, colour=FAINT, ha="left")
                y -= 3.0
    canvas.tokens(left, 1.5, ["un", "##watch", "##able"], fill="green")
    canvas.text(17, 4, "its pieces", size=SMALL, ha="right")


@drawing(height=36)
def cut_ends(canvas):
    """Three ways to cut a review of sixteen tokens to eight: the head, the tail, or both ends."""
    canvas.title("Eight of sixteen tokens: which do you keep?")
    head = ["i", "went", "in", "with", "no", "hopes", "at", "all"]
    words = [*head, ",", "but", "the", "end", "won", "me", "over", "."]
    kept = {"head": range(8), "tail": range(8, 16), "both": [*range(4), *range(12, 16)]}
    for i, (name, places) in enumerate(kept.items()):
        y = 22 - 8 * i
        fills = [["orange" if j in places else "grey" for j in range(16)]]
        grid = canvas.matrix(9, y, 1, 16, cell=(5.6, 5), values=[words], fill=fills)
        canvas.text(7.5, y + 2.5, name, bold=True, ha="right")
    canvas.brace((grid.cell(0, 9).x, 5.6), (grid.right[0], 5.6), "the verdict")
    canvas.text(9, 2.4, "orange: kept     grey: cut", size=SMALL, colour=FAINT, ha="left")


@drawing(height=32)
def padding_mask(canvas):
    """Three reviews of different length as one rectangle of ids, and the mask that says what is text."""
    canvas.title("A batch is a rectangle: fill it up with 0, and say where")
    ids = np.array(IDS)
    texts = ["Not dull! I love it.", "A slow, dull film.", "Great fun!"]
    fills = np.where(ids > 0, "orange", "dark")
    look = {"fill": fills, "column_axis": "position"}
    canvas.matrix(
        19, 9, 3, 9, cell=(5.2, 4), values=ids, name="token_ids", shape="3 × 9", row_names=texts, **look
    )
    canvas.matrix(
        71, 9, 3, 9, cell=(3.1, 4), values=(ids > 0).astype(int), name="padding_mask", shape="3 × 9", **look
    )
    canvas.text(19, 2.6, "dark: no text. Attention must not look there.", size=SMALL, colour=FAINT, ha="left")


@drawing(height=53)
def batches_by_length(canvas):
    """Twelve reviews in three batches: padded to the limit, to each batch's longest, and sorted first."""
    canvas.title("Reviews of about equal length in one batch need little padding")
    lengths = np.array([5, 13, 9, 12, 16, 7, 14, 4, 10, 16, 6, 11])
    ways = {
        "as they come,\nto the limit (dark: padding)": (lengths, 16),
        "as they come,\nto the batch's longest": (lengths, None),
        "by length,\nto the batch's longest": (np.sort(lengths), None),
    }
    for i, (name, (order, limit)) in enumerate(ways.items()):
        left, cells = 4.5 + 32.8 * i, 0
        canvas.text(left, 43.5, name, bold=True, ha="left", size=SMALL)
        for b, batch in enumerate(order.reshape(3, 4)):
            width = limit or batch.max()
            cells += 4 * width
            fills = np.where(np.arange(width) < batch[:, None], "orange", "dark")
            canvas.matrix(left, 29.5 - 11.5 * b, 4, width, cell=(1.75, 2.5), fill=fills)
            if i == 0:
                canvas.text(left - 2, 34.5 - 11.5 * b, f"batch {b + 1}", size=SMALL, rotation=90)
        padding = cells - lengths.sum()
        text = f"{padding} of {cells} cells are padding: {100 * padding / cells:.0f} %"
        canvas.text(left, 3.2, text, size=SMALL, ha="left")
