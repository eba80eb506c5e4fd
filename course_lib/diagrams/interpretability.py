"""Lesson 10's drawings."""

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=56)
def five_questions(canvas):
    """One verdict and five questions about its words: where it looks, slopes, the way, hiding, all orders."""
    canvas.title("One verdict, five ways to ask which words it rests on")
    words = canvas.tokens(14, 43, ["a", "warm", "but", "slow", "film"], fill="orange", width=9)
    model = canvas.box(68, 42.5, 12, 6, "reviewer", fill="blue")
    verdict = canvas.box(86, 42.5, 12, 6, "positive\n+1.9", fill="green", square=True, size=SMALL)
    canvas.arrow(words[-1].right, model.left)
    canvas.arrow(model.right, verdict.left)
    ways = (
        ("attention", "Where does\nit look?", "one run"),
        ("gradient × input", "Which way is\nuphill here?", "one gradient"),
        ("integrated\ngradients", "And on the whole\nway up to here?", "many gradients"),
        ("occlusion", "What if one\nword is hidden?", "one run a word"),
        ("Shapley values", "What does it add,\nover all orders?", "many runs a word"),
    )
    boxes = []
    for i, (name, question, cost) in enumerate(ways):
        x = 1 + 19.8 * i
        boxes.append(canvas.box(x, 25, 18.4, 7, name, bold=True, size=SMALL))
        canvas.text(x + 9.2, 20, question, size=SMALL)
        canvas.text(x + 9.2, 15, cost, size=SMALL, colour=FAINT)
        if name in ("integrated\ngradients", "Shapley values"):
            canvas.text(x + 9.2, 11.5, "scores add up", size=SMALL, colour=LINES["green"])
    middle = (39.0, 38)
    for box in boxes:
        canvas.arrow((box.top[0], 36), box.top)
    canvas.line((boxes[0].top[0], 36), (boxes[-1].top[0], 36))
    canvas.line((middle[0], 42), (middle[0], 36))
    canvas.brace((1, 8.5), (59, 8.5), "read inside the model: needs its weights")
    canvas.brace((60.4, 8.5), (98.6, 8.5), "ask it again: works on any bundle")


@drawing(height=50)
def rollout_layers(canvas):
    """Two layers' attention with half of the identity added, multiplied into one map of inputs to outputs."""
    canvas.title("Rollout: mix each layer's map with the identity, then multiply")
    first = np.array([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]])
    second = np.array([[0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]])
    mixed = [0.5 * each + 0.5 * np.eye(3) for each in (first, second)]
    product = mixed[1] @ mixed[0]
    words = ["not", "a", "bore"]

    def shown(x, y, values, name, **axes):
        return canvas.matrix(
            x,
            y,
            3,
            3,
            cell=(5.6, 5),
            values=np.vectorize("{:.2f}".format)(values),
            shades=0.75 * values,
            name=name,
            **axes,
        )

    top = shown(13, 27.5, first, "attention, layer 1", row_names=words)
    low = shown(13, 4, second, "attention, layer 2", row_names=words)
    ends = []
    for source, values, name in ((top, mixed[0], "mixed, layer 1"), (low, mixed[1], "mixed, layer 2")):
        end = shown(43, source.y, values, name)
        canvas.arrow(source.right, end.left, "½ map\n+ ½ identity")
        ends.append(end)
    result = shown(78, 15.7, product, "rollout", column_names=words)
    times = canvas.circle(67.5, 23.2, 2.2, "×", fill="blue")
    for end in ends:
        canvas.arrow(end.right, times)
    canvas.arrow(times.right, result.left)
    canvas.text(67.5, 13, "layer 2\ntimes\nlayer 1", size=SMALL, colour=FAINT)
    canvas.text(86.5, 10.5, "each row: what an\noutput is made of", size=SMALL, colour=FAINT, va="top")


@drawing(height=54)
def straight_path(canvas):
    """The log-odds on the way from a masked text to the text; flat at its end, where the slope is small."""
    canvas.title("Integrated gradients: add up the slopes on the whole way")
    left, right, low, high = 14, 66, 14, 44
    places = np.linspace(0, 1, 101)
    curve = 1 / (1 + np.exp(-14 * (places - 0.4)))

    def at(share):
        height = 1 / (1 + np.exp(-14 * (share - 0.4)))
        return left + (right - left) * share, low + (high - low) * height

    canvas.line(
        *zip(left + (right - left) * places, low + (high - low) * curve, strict=True), line="blue", width=2.6
    )
    canvas.arrow((left, low - 1), (left, 47.5))
    canvas.arrow((left, low - 1), (70, low - 1))
    for share, reach in ((0.1, 0.09), (0.3, 0.05), (0.5, 0.05), (0.7, 0.08), (0.9, 0.09)):
        x, y = at(share)
        slope = 14 * (y - low) * (high - y) / (high - low)
        wide = reach * (right - left)
        canvas.line((x - wide, y - reach * slope), (x + wide, y + reach * slope), line="red", width=2.2)
        canvas.circle(x, y, 0.8, fill="red")
    canvas.text(8, 29, "log-odds", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(left, 10.5, "[MASK] [MASK]", size=SMALL, ha="center")
    canvas.text(right, 10.5, "superb film", size=SMALL, ha="center")
    canvas.text(40, 10.5, "share of the way", size=SMALL, colour=FAINT)
    canvas.text(40, 5.5, "both embeddings move in a straight line, together", size=SMALL, colour=FAINT)
    canvas.box(
        74, 34, 25, 10, "gradient × input\nsees this end only:\nit is flat here", fill="orange", size=SMALL
    )
    canvas.arrow((74, 41), (67.2, 43.8))
    canvas.box(
        74,
        14,
        25,
        13,
        "average of the slopes\n× the way\n= the whole rise\n(completeness)",
        fill="green",
        size=SMALL,
    )
    canvas.line((68, low), (70.5, low), line="grey", dashed=True)
    canvas.line((68, high - 0.3), (70.5, high - 0.3), line="grey", dashed=True)
    canvas.arrow((69.4, low), (69.4, high - 0.8), line="green")
    canvas.arrow((74, 20.5), (70.2, 20.5), line="green")


@drawing(height=50)
def hide_one(canvas):
    """Occlusion as a table: each row hides one word, and the log-odds that are lost are that word's score."""
    canvas.title("Occlusion: hide one word, ask again, take the difference")
    words = ["not", "a", "dull", "film"]
    scores = (1.8, -2.6, 1.5, 2.1, 0.9)
    rows = [None, 0, 1, 2, 3]
    canvas.text(17.5, 41.3, "what the model is given", size=SMALL, colour=FAINT)
    canvas.text(58, 41.3, "log-odds", size=SMALL, colour=FAINT)
    canvas.text(82, 41.3, "score of the hidden word", size=SMALL, colour=FAINT)
    for i, hidden in enumerate(rows):
        y = 33 - 7.5 * i
        shown = ["[MASK]" if j == hidden else word for j, word in enumerate(words)]
        fills = ["dark" if j == hidden else "orange" for j in range(4)]
        tokens = canvas.tokens(1, y, shown, fill=fills, width=9, size=SMALL, gap=0.6)
        value = canvas.box(53, y, 10, 5, f"{scores[i]:+.1f}".replace("-", "−"), fill="green", square=True)
        canvas.arrow(tokens[-1].right, value.left, "reviewer" if i == 0 else "")
        if hidden is not None:
            lost = scores[0] - scores[i]
            text = f"{words[hidden]}: 1.8 − {scores[i]:.1f} = {lost:+.1f}".replace("- -", "+ ").replace(
                "-", "−"
            )
            text = text.replace("− −", "+ ")
            box = canvas.box(
                70,
                y,
                25,
                5,
                text,
                fill="grey" if abs(lost) < 0.5 else "blue" if lost > 0 else "red",
                size=SMALL,
            )
            canvas.arrow(value.right, box.left)
    canvas.text(82, 35.5, "all words shown", size=SMALL)


@drawing(height=56)
def all_orders(canvas):
    """Shapley values of two words that only work together: each order gives other gains, the mean is fair."""
    canvas.title("Shapley: what a word adds, on average over all orders")
    values = {(): "0.0", ("not",): "−0.2", ("bad",): "−2.0", ("not", "bad"): "+1.0"}
    spots = {(): (3, 24.5), ("not",): (24, 38), ("bad",): (24, 11), ("not", "bad"): (45, 24.5)}
    boxes = {}
    for key, (x, y) in spots.items():
        shown = " ".join(word if word in key else "[MASK]" for word in ("not", "bad"))
        boxes[key] = canvas.box(
            x, y, 15, 7.5, f"{shown}\n{values[key]}", fill="orange", square=True, size=SMALL
        )
    canvas.arrow(boxes[()].top, boxes[("not",)].left, line="blue")
    canvas.arrow(boxes[()].bottom, boxes[("bad",)].left, line="red")
    canvas.arrow(boxes[("not",)].right, boxes[("not", "bad")].top, line="red")
    canvas.arrow(boxes[("bad",)].right, boxes[("not", "bad")].bottom, line="blue")
    canvas.text(9.5, 41.5, "+ not\n−0.2", size=SMALL, colour=LINES["blue"])
    canvas.text(9.5, 15, "+ bad\n−2.0", size=SMALL, colour=LINES["red"])
    canvas.text(53, 41.5, "+ bad\n+1.2", size=SMALL, colour=LINES["red"])
    canvas.text(53, 15, "+ not\n+3.0", size=SMALL, colour=LINES["blue"])
    gains = [["−0.2", "+1.2"], ["+3.0", "−2.0"], ["+1.4", "−0.4"]]
    canvas.matrix(
        79,
        20.5,
        3,
        2,
        cell=(9.5, 5.5),
        values=gains,
        fill=[["white", "white"], ["white", "white"], ["green", "green"]],
        row_names=["not first", "bad first", "mean"],
        column_names=["not", "bad"],
    )
    canvas.text(83, 14, "+1.4 − 0.4 = +1.0,\nthe whole difference", size=SMALL, colour=FAINT)
    canvas.text(
        50,
        3.5,
        "n words have 2ⁿ subsets: count them all for a short text, draw random orders for a long one",
        size=SMALL,
    )


@drawing(height=50)
def delete_and_compare(canvas):
    """Deletion: hide words in the order of their scores; the faster the log-odds fall, the truer they are."""
    canvas.title("Deletion: if the scores are true, the verdict falls fast")
    left, right, low, high = 13, 58, 11, 39
    steps = np.arange(6)
    good, chance = np.array([1.0, 0.42, 0.2, 0.1, 0.06, 0.05]), np.array([1.0, 0.86, 0.62, 0.5, 0.22, 0.05])

    def points(values):
        return [
            (left + (right - left) * i / 5, low + (high - low) * v)
            for i, v in zip(steps, values, strict=True)
        ]

    for values, line, dashed in ((chance, "grey", True), (good, "blue", False)):
        canvas.line(*points(values), line=line, dashed=dashed, width=2.2)
        for x, y in points(values):
            canvas.circle(x, y, 0.7, fill="grey" if dashed else "blue")
    canvas.arrow((left, low - 1), (left, 42.5))
    canvas.arrow((left, low - 1), (62, low - 1))
    canvas.text(7, 25, "log-odds of the verdict", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(35.5, 5, "words hidden", size=SMALL, colour=FAINT)
    for x, y in points(np.zeros(6)):
        canvas.text(x, y - 3.2, str(round((x - left) / (right - left) * 5)), size=SMALL)
    canvas.text(47, 33.5, "in random order", size=SMALL, colour=LINES["grey"])
    canvas.text(21.5, 17, "highest\nscore first", size=SMALL, colour=LINES["blue"])
    rows = [
        ["a", "warm", "slow", "film", "here"],
        ["a", "—", "slow", "film", "here"],
        ["a", "—", "slow", "—", "here"],
    ]
    for i, row in enumerate(rows):
        y = 33 - 8 * i
        fills = ["dark" if word == "—" else "orange" for word in row]
        canvas.tokens(
            66, y, ["" if word == "—" else word for word in row], fill=fills, width=6, size=SMALL, gap=0.5
        )
    canvas.text(
        82, 12.5, "Insertion is the way back: begin with\nnothing and show the highest first.", size=SMALL
    )


@drawing(height=52)
def random_from_the_top(canvas):
    """Layers lose what they learned, from the head down; scores that stay say nothing of the model."""
    canvas.title("Randomise from the top: whatever explains the model must change")
    parts = ["head", "layer 6", "layer 5", "layer 4", "…", "tables"]
    for i in range(4):
        x = 3 + 17 * i
        lost = (0, 1, 2, 6)[i]
        for j, part in enumerate(parts):
            broken = j < lost
            canvas.box(
                x,
                37.2 - 5 * j,
                12,
                4.2,
                part if not broken or part == "…" else f"{part} ?",
                fill="red" if broken else "blue",
                dashed=broken,
                size=SMALL,
            )
        canvas.text(x + 6, 43.8, ("as learned", "head lost", "two lost", "all lost")[i], size=SMALL)
        if i:
            canvas.arrow((x - 4.5, 28), (x - 0.5, 28))
    rows = [[0.9, 0.1, 0.6, 0.2], [0.5, 0.3, 0.4, 0.6], [0.2, 0.7, 0.1, 0.5]]
    for i, shades in enumerate([rows[0], rows[1], rows[2], [0.4, 0.5, 0.8, 0.1]]):
        canvas.matrix(3 + 17 * i, 5, 1, 4, cell=(3, 3.5), fill="green", shades=[shades])
    canvas.text(70, 7, "scores of four words", size=SMALL, ha="left", colour=FAINT)
    canvas.box(
        72,
        29,
        26,
        13,
        "rank correlation with\nthose as learned\nmust fall towards 0",
        fill="green",
        size=SMALL,
    )
    canvas.text(
        85, 19.5, "If it stays high, the scores\nshow the text, and not\nwhat the model learned.", size=SMALL
    )


@drawing(height=50)
def leaked_label(canvas):
    """The stars became the label, and the writer typed them, too: a model may read those, not the review."""
    canvas.title("A short cut: the label stands in the text")
    stars = canvas.box(2, 25, 16, 8, "the writer's\nstars: 8 of 10", fill="grey", square=True, size=SMALL)
    label = canvas.box(82, 36, 16, 6, "label: positive", fill="green", square=True, size=SMALL)
    opinion = canvas.box(30, 20, 26, 6, "“The cast is a delight.”", fill="orange", square=True, size=SMALL)
    rating = canvas.box(30, 11, 26, 6, "“8/10”", fill="red", square=True, size=SMALL)
    model = canvas.box(64, 14, 11, 9, "reviewer", fill="blue")
    verdict = canvas.box(82, 15.5, 16, 6, "positive", fill="green", square=True, size=SMALL)
    canvas.line(stars.top, (10, 39))
    canvas.arrow((10, 39), label.left, "7 or more: positive")
    canvas.arrow(stars.right, opinion.left, "why")
    canvas.line(stars.bottom, (10, 14), line="red")
    canvas.arrow((10, 14), rating.left, "typed as well", line="red", side="below")
    canvas.arrow(opinion.right, (64, 20))
    canvas.arrow(rating.right, (64, 16.5), line="red")
    canvas.arrow(model.right, verdict.left)
    canvas.arrow(verdict.top, label.bottom, "compared", dashed=True, side="left")
    canvas.text(43, 28.6, "the review", size=SMALL, colour=FAINT)
    canvas.text(
        50,
        4,
        "No test with such ratings tells which of the two ways the verdict took.",
        size=SMALL,
    )


@drawing(height=50)
def probe_and_control(canvas):
    """A probe reads a layer's vectors; the same probe on labels by coin shows what it learns by heart."""
    canvas.title("A probe, and its control: what the layer knows is the difference")
    x = []
    for i, name in enumerate(("tables", "layer 1", "…", "layer 6")):
        y = 9 + 8 * i
        canvas.box(3, y, 15, 6, name, fill="blue", size=SMALL)
        if name != "…":
            x.append(canvas.matrix(24, y + 1.5, 1, 5, cell=3, fill="blue"))
            canvas.arrow((18, y + 3), (24, y + 3))
        if i:
            canvas.arrow((10.5, y - 2), (10.5, y))
    canvas.text(31.5, 41.5, "mean vector, frozen", size=SMALL, colour=FAINT)
    real = canvas.box(48, 28, 17, 8, "probe:\nlogistic regression", size=SMALL)
    control = canvas.box(48, 12, 17, 8, "probe:\nlogistic regression", size=SMALL)
    for one in (real, control):
        canvas.arrow(x[1].right, one.left)
    canvas.text(56.5, 38.4, "labels that mean something", size=SMALL)
    canvas.text(56.5, 8.8, "a coin for each first word", size=SMALL)
    task = canvas.box(72, 29, 11, 6, "88 %", fill="green", square=True)
    heart = canvas.box(72, 13, 11, 6, "63 %", fill="orange", square=True)
    canvas.arrow(real.right, task.left)
    canvas.arrow(control.right, heart.left)
    canvas.line((83.6, 32), (86, 32), (86, 16), (83.6, 16))
    canvas.text(87, 24, "25 points\nselectivity", size=SMALL, ha="left", bold=True)


@drawing(height=46)
def swap_one_word(canvas):
    """A template with one word exchanged; its gaps in log-odds get a mean, an interval and Holm's p."""
    canvas.title("A fair model does not care: exchange one word, keep the rest")
    for i, (group, score, fill) in enumerate((("a tall", "+0.4", "blue"), ("a short", "−0.3", "orange"))):
        y = 30 - 8.5 * i
        x = 2
        for text, wide, colour in (
            ("It was made by", 18, "white"),
            (group, 13, fill),
            ("director.", 12, "white"),
            ("We talked about it.", 21, "white"),
        ):
            box = canvas.box(x, y, wide, 5.5, text, fill=colour, square=True, size=SMALL)
            x += wide + 0.8
        value = canvas.box(79, y, 9, 5.5, score, fill="green", square=True)
        canvas.arrow(box.right, value.left, "reviewer" if i == 0 else "")
    canvas.line((88.5, 32.7), (90.3, 32.7), (90.3, 24.2), (88.5, 24.2))
    canvas.text(91.2, 28.5, "gap\n0.7", size=SMALL, ha="left", bold=True)
    canvas.text(9, 11, "many verdicts,\nmany groups", size=SMALL)
    canvas.arrow((17, 11), (22, 11))
    canvas.line((24, 11), (51, 11), line="grey")
    for x in (26, 28, 29, 31, 32, 33, 35, 38, 48):
        canvas.circle(x, 11, 0.8, fill="blue")
    canvas.line((44.5, 8), (44.5, 14), dashed=True)
    canvas.text(44.5, 16, "0", size=SMALL)
    canvas.text(37.5, 5, "gaps to the mean group, sentence by sentence", size=SMALL, colour=FAINT)
    canvas.arrow((53, 11), (58, 11))
    mean = canvas.box(59, 7.5, 17, 7, "mean gap with\nits interval, p", fill="green", size=SMALL)
    holm = canvas.box(81, 7.5, 17, 7, "Holm: p for\nmany questions", fill="green", size=SMALL)
    canvas.arrow(mean.right, holm.left)
