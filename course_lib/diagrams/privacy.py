"""Lesson 11's drawings."""

import math

import numpy as np

from course_lib.diagrams.canvas import FAINT, LARGE, LINES, SMALL, drawing


def _bell(canvas, middle, low, wide, high, *, line, dashed=False, reach=3.2):
    """A bell curve on a base line at `low`, with standard deviation `wide`."""
    places = np.linspace(-reach, reach, 81)
    heights = low + high * np.exp(-(places**2) / 2)
    canvas.line(*zip(middle + wide * places, heights, strict=True), line=line, dashed=dashed, width=2)


@drawing(height=47)
def three_leaks(canvas):
    """A private review's way into a model and its answers, and the three places where it can get out."""
    canvas.title("A review that nobody publishes gets out in three places")
    review = canvas.box(2, 20, 15, 8, "your review", fill="orange", square=True)
    train = canvas.box(28, 20, 16, 8, "training", fill="white")
    model = canvas.box(54, 20, 14, 8, "model", fill="blue")
    anyone = canvas.box(81, 20, 16, 8, "whoever\nasks it", fill="grey")
    canvas.arrow(review.right, train.left)
    canvas.arrow(train.right, model.left)
    canvas.arrow(model.right, (80.4, 24), "answers")
    server = canvas.box(26, 34, 20, 6, "who adds up updates", fill="grey", size=SMALL)
    canvas.arrow(train.top, (36, 33.4), "gradients", side="right")
    log = canvas.box(26, 7.5, 20, 6, "a log of requests", fill="grey", size=SMALL)
    canvas.line((9.5, 20), (9.5, 10.5))
    canvas.arrow((9.5, 10.5), (25.4, 10.5), "to be judged")
    for shape in (server, log, anyone):
        canvas.highlight(shape, pad=0.5)
    look = {"size": SMALL, "colour": LINES["red"]}
    canvas.text(48.5, 37, "2  gradients spell out its words", ha="left", **look)
    canvas.text(48.5, 10.5, "3  a log keeps lengths and times, without names", ha="left", **look)
    canvas.text(89, 29.6, "1  the loss says what\nwas trained on", va="bottom", **look)
    canvas.text(
        50, 2.6, "blue: what is released    grey, framed: who learns something about you", size=SMALL,
        colour=FAINT,
    )  # fmt: skip


@drawing(height=46)
def membership_test(canvas):
    """The losses of reviews that trained a model and of others, and a threshold that tells them apart."""
    canvas.title("Was it trained on this? Low loss says yes")
    left, low = 4, 12
    canvas.arrow((left, low), (62, low))
    canvas.text(45, 8.7, "loss of a review under the model", size=SMALL, colour=FAINT)
    _bell(canvas, 23, low, 4.2, 24, line="blue")
    _bell(canvas, 38, low, 7.2, 15, line="orange")
    canvas.text(21, 37.6, "trained on", bold=True, colour=LINES["blue"])
    canvas.text(43.5, 27, "never seen", bold=True, colour=LINES["orange"], ha="left")
    canvas.line((26.5, low), (26.5, 33), line="red", dashed=True)
    canvas.text(28, 32, "threshold", size=SMALL, colour=LINES["red"], ha="left")
    canvas.brace((6, 9.5), (26.3, 9.5), "taken for members")
    rows = [["80 %", "20 %"], ["5 %", "95 %"]]
    grid = canvas.matrix(
        79, 18, 2, 2, cell=(9.4, 7), values=rows, fill=[["green", "grey"], ["red", "grey"]],
        row_names=["trained on", "never seen"], column_names=["says yes", "says no"], size=SMALL,
    )  # fmt: skip
    canvas.text(grid.center[0], 37.6, "this threshold", bold=True, size=SMALL)
    canvas.text(
        83, 9, "green: true positives\nred: false positives\nall thresholds together: the AUC",
        size=SMALL, colour=FAINT,
    )  # fmt: skip


@drawing(height=52)
def shadow_models(canvas):
    """One review's margins under models that saw it and models that did not, and the target's among them."""
    canvas.title("Shadow models: what would this review look like, seen and unseen?")
    inside = np.array([[1, 0, 1, 0, 1, 0, 0, 1], [0, 1, 1, 0, 0, 1, 0, 1], [1, 1, 0, 0, 1, 0, 1, 0]], bool)
    grid = canvas.matrix(
        20, 26, 3, 8, cell=(5.4, 4.4), fill=np.where(inside, "blue", "white"),
        row_names=["this review", "another", "a third"],
        values=np.where(inside, "in", "out"),
        column_names=[str(i + 1) for i in range(8)], size=SMALL,
    )  # fmt: skip
    canvas.text(grid.center[0], 43.5, "8 models, each trained on a random half", size=SMALL, bold=True)
    canvas.highlight(grid.row(0), pad=0.3)
    low = 8
    canvas.arrow((12, low), (68, low))
    canvas.text(40, 4.8, "margin: the right class's logit less the other's", size=SMALL, colour=FAINT)
    _bell(canvas, 31, low, 4.6, 13, line="orange", reach=3)
    _bell(canvas, 49, low, 4.6, 13, line="blue", reach=3)
    for x in (26, 29.5, 32.5, 35):
        canvas.circle(x, low, 0.8, fill="white")
    for x in (44.5, 47.8, 50.2, 54):
        canvas.circle(x, low, 0.8, fill="blue")
    canvas.text(23.5, 18, "out", bold=True, colour=LINES["orange"])
    canvas.text(56, 18, "in", bold=True, colour=LINES["blue"])
    canvas.arrow((46.2, 23), (46.2, low + 0.4), line="red", width=2)
    canvas.text(47.6, 22.4, "the target's margin", size=SMALL, colour=LINES["red"], ha="left")
    canvas.text(72, 13, "score: how much\nlikelier under “in”\nthan under “out”", size=SMALL, ha="left")
    canvas.text(67, 32.6, "each review is compared\nwith itself, so a hard one\nis not taken for a new one",
                size=SMALL, ha="left", colour=FAINT)  # fmt: skip


@drawing(height=58)
def words_in_gradient(canvas):
    """The gradient of a token table has rows for the words used only; equal rows of positions order them."""
    canvas.title("The gradient of “not bad at all”, read without the text")
    table = {
        "all": ("−3", "1", 4), "at": ("2", "5", 3), "awful": ("0", "0", 0), "bad": ("4", "−1", 2),
        "film": ("0", "0", 0), "good": ("0", "0", 0), "not": ("−2", "−6", 1),
    }  # fmt: skip
    colours = ["white", "blue", "orange", "green", "pink"]
    fills = [[colours[place]] * 2 for _, _, place in table.values()]
    tokens = canvas.matrix(
        16, 15, 7, 2, cell=(8, 4.4), fill=fills, values=[row[:2] for row in table.values()],
        row_names=list(table), row_axis="vocabulary",
    )  # fmt: skip
    canvas.text(tokens.center[0], 48.3, "token table's gradient", bold=True, size=SMALL)
    order = sorted((place, name) for name, (_, _, place) in table.items() if place)
    values = [table[name][:2] for _, name in order] + [("0", "0")] * 3
    places = canvas.matrix(
        62, 15, 7, 2, cell=(8, 4.4), values=values,
        fill=[[colours[place]] * 2 for place, _ in order] + [["white"] * 2] * 3,
    )  # fmt: skip
    canvas.text(places.center[0], 48.3, "position table's gradient", bold=True, size=SMALL)
    for i in range(7):
        canvas.text(79, places.cell(i, 0).center[1], f"place {i + 1}", size=SMALL, ha="left")
    for place, name in order:
        start = tokens.cell(list(table).index(name), 1).right
        canvas.arrow(start, places.cell(place - 1, 0).left, line="red", width=1.1)
    canvas.text(tokens.center[0], 12, "not zero: these words were used", size=SMALL, colour=FAINT)
    canvas.text(places.center[0], 12, "equal rows: this is where", size=SMALL, colour=FAINT)
    words = canvas.tokens(38, 2.5, [name for _, name in order], fill=colours[1:], height=5)
    canvas.text(words[0].x - 1.5, 5, "read off:", size=SMALL, ha="right", bold=True)


@drawing(height=47)
def two_worlds(canvas):
    """A noisy sum with and without one review: two bell curves so close that what is seen fits either."""
    canvas.title("With you or without you: what comes out must be nearly as likely")
    low = 11
    canvas.arrow((6, low), (70, low))
    canvas.text(28, 7.6, "the sum of clipped gradients, plus noise", size=SMALL, colour=FAINT)
    _bell(canvas, 34, low, 9, 22, line="orange", reach=2.9)
    _bell(canvas, 40, low, 9, 22, line="blue", reach=2.9)
    canvas.text(22.5, 33, "without\nyour review", size=SMALL, bold=True, colour=LINES["orange"])
    canvas.text(52.5, 33, "with\nyour review", size=SMALL, bold=True, colour=LINES["blue"])
    canvas.brace((34, 34.3), (40, 34.3), "at most C", below=False)
    seen = 54
    heights = [low + 22 * math.exp(-(((seen - middle) / 9) ** 2) / 2) for middle in (34, 40)]
    canvas.line((seen, low), (seen, heights[1]), line="red", width=2)
    for height, fill in zip(heights, ("orange", "blue"), strict=True):
        canvas.circle(seen, height, 0.9, fill=fill)
    canvas.text(seen, 4.4, "what is seen", size=SMALL, colour=LINES["red"])
    canvas.arrow((seen, 6), (seen, low - 0.3), line="red")
    canvas.text(73, 26, "ε bounds the ratio\nof the two heights:", size=SMALL, ha="left", va="bottom")
    canvas.text(
        75, 21.5, r"$\dfrac{\mathrm{with}}{\mathrm{without}} \leq e^{\varepsilon}$", size=LARGE, ha="left"
    )
    canvas.text(
        73, 8, "more noise: wider bells,\nsmaller ε; δ is the chance\nof a spot where the\nbound fails",
        size=SMALL, ha="left", va="bottom", colour=FAINT,
    )  # fmt: skip


@drawing(height=48)
def clip_and_noise(canvas):
    """Four reviews' gradients, each cut to one length, then added up with noise as wide as that length."""
    canvas.title("DP-SGD: no review pulls further than C, and noise hides that much")
    gradients = [(4.4, 3.4), (-3.2, 5.0), (12.4, -3.6), (-3.0, -3.6)]
    radius = 7.0
    for middle, clipped in ((17, False), (50, True)):
        canvas.circle(middle, 22, radius)
        for i, (x, y) in enumerate(gradients):
            size = math.hypot(x, y)
            factor = min(1, radius / size) if clipped else 1
            canvas.arrow(
                (middle, 22),
                (middle + factor * x, 22 + factor * y),
                line="red" if i == 2 else "blue",
                width=2,
            )
    canvas.text(17, 38, "one gradient per review", bold=True, size=SMALL)
    canvas.text(50, 38, "each clipped to length C", bold=True, size=SMALL)
    canvas.text(83.5, 38, "the sum, and noise", bold=True, size=SMALL)
    canvas.text(24.5, 13.2, "an odd review", size=SMALL, colour=LINES["red"], ha="left")
    canvas.text(17, 9.6, "circle: radius C", size=SMALL, colour=FAINT)
    canvas.text(50, 9.6, "short ones stay as they are", size=SMALL, colour=FAINT)
    factors = [min(1, radius / math.hypot(*each)) for each in gradients]
    total = np.sum([factor * np.array(each) for factor, each in zip(factors, gradients, strict=True)], axis=0)
    start = np.array([76.5, 18.5])
    end = start + total
    canvas.circle(*end.tolist(), 9.5, fill="grey")
    noisy = end + np.array([-3.6, 7.4])
    canvas.arrow(tuple(start), tuple(end), line="blue", width=2)
    canvas.arrow(tuple(end), tuple(noisy), line="red", dashed=True, width=1.6)
    canvas.arrow(tuple(start), tuple(noisy), line="green", width=2)
    canvas.text(83.5, 9.6, "blue: sum   red: noise   green: both", size=SMALL, colour=FAINT)
    canvas.text(83.5, 6.6, "grey: spread of the noise", size=SMALL, colour=FAINT)
    canvas.arrow((29, 22), (38, 22), "clip")
    canvas.arrow((60, 22), (68, 22), "add up")
    canvas.text(50, 4, "the noise has a standard deviation of σ · C in every direction", size=SMALL)


@drawing(height=48)
def federated_round(canvas):
    """A round of federated averaging: weights go out, weights come back, reviews stay where they are."""
    canvas.title("Federated averaging: weights travel, reviews stay")
    canvas.box(
        32, 33, 36, 8, "server: mean of the weights,\neach counted by its reviews", fill="blue", size=SMALL
    )  # fmt: skip
    clients = (("short reviews", "900"), ("middling ones", "600"), ("long reviews", "300"))
    for i, (name, count) in enumerate(clients):
        x = 5 + 33 * i
        box = canvas.box(x, 5.5, 24, 15)
        canvas.text(x + 12, 18, f"client: {name}", size=SMALL, bold=True)
        canvas.box(x + 2, 7.5, 9, 7, f"{count}\nreviews", fill="orange", square=True, size=SMALL)
        canvas.box(x + 13, 7.5, 9, 7, "5 steps\nhere", fill="green", size=SMALL)
        below, above = box.top[0], 50 + 11 * (i - 1)
        canvas.arrow((above - 1.6, 33), (below - 1.6, 20.5), line="blue")
        canvas.arrow((below + 1.6, 20.5), (above + 1.6, 33), line="green")
    canvas.text(3, 31, "blue: the weights\nof the last round", size=SMALL, colour=LINES["blue"], ha="left")
    canvas.text(97, 31, "green: the weights\nafter 5 steps", size=SMALL, colour=LINES["green"], ha="right")
    canvas.text(50, 2.2, "orange never leaves its client", size=SMALL, colour=LINES["orange"])


@drawing(height=47)
def pairwise_masks(canvas):
    """Three clients' numbers under masks that each pair shares; in the sum the masks are gone."""
    canvas.title("Pairwise masks: each number hidden, the sum exact (here modulo 100)")
    values, masks = (17, 40, 5), {"ab": 62, "ac": 88, "bc": 31}
    signs = {"ab": (1, -1, 0), "ac": (1, 0, -1), "bc": (0, 1, -1)}
    rows, fills = [], []
    for i, value in enumerate(values):
        parts = [f"{'+' if signs[pair][i] > 0 else '−'} {mask}" if signs[pair][i] else ""
                 for pair, mask in masks.items()]  # fmt: skip
        sent = (value + sum(signs[pair][i] * mask for pair, mask in masks.items())) % 100
        rows.append([str(value), *parts, str(sent)])
        fills.append(["orange", *["grey" if part else "white" for part in parts], "blue"])
    total = sum(values) % 100
    rows.append([str(total), "0", "0", "0", str(sum(int(row[-1]) for row in rows) % 100)])
    fills.append(["green", "white", "white", "white", "green"])
    grid = canvas.matrix(
        24, 11, 4, 5, cell=(12, 5.2), values=rows, fill=fills,
        row_names=["client a", "client b", "client c", "sum, modulo 100"],
        column_names=["its number", "mask a, b", "mask a, c", "mask b, c", "what it sends"], size=SMALL,
    )  # fmt: skip
    canvas.highlight(grid.block(0, 1, 3, 3), pad=0)
    canvas.highlight(grid.row(3), pad=0.4, line="green")
    canvas.text(54, 38.6, "each pair shares a secret: one adds the mask, the other subtracts it", size=SMALL,
                colour=LINES["red"])  # fmt: skip
    canvas.text(
        54, 4.8, "The server sees the blue column only. Every value in it could hide any number.\n"
        "Its sum is the sum of the orange column.", size=SMALL,
    )  # fmt: skip
