"""Lesson 08's drawings."""

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=52)
def bundle_parts(canvas):
    """A text's way to a verdict, and which file of a bundle decides each step: weights are one of them."""
    canvas.title("Weights are one part of an answer")
    stops = [
        (1.5, 12.5, "A warm,\nfunny film.", "white"),
        (18, 10, "clean", "grey"),
        (33, 13, "tokenize", "grey"),
        (51.5, 11, "cut, pad,\nmask", "grey"),
        (67.5, 12, "network", "blue"),
        (84, 14.5, "÷ T, softmax,\nlabel", "grey"),
    ]
    boxes = []
    for i, (x, width, text, fill) in enumerate(stops):
        boxes.append(canvas.box(x, 30, width, 8, text, fill=fill, size=SMALL, bold=i == 4, square=i == 0))
        if i:
            canvas.arrow(boxes[i - 1], boxes[i])
    _, clean, tokenize, cut, network, label = boxes
    verdict = canvas.box(label.x, 41.5, label.width, 4.6, "positive, 93 %", size=SMALL, square=True)
    canvas.arrow(label.top, verdict.bottom)
    canvas.line((29.5, 4), (99.2, 4), (99.2, 25.5), (29.5, 25.5), (29.5, 4), dashed=True)
    canvas.text(99.2, 1.8, "the bundle: a folder", size=SMALL, colour=FAINT, ha="right")
    file = {"fill": "orange", "size": SMALL, "square": True}
    for stop, text in (
        (tokenize, "tokenizer.json\nvocabulary, rules"),
        (network, "model.tflite\nweights, shapes"),
    ):
        box = canvas.box(stop.center[0] - 8.5, 15.5, 17, 6.6, text, **file)
        canvas.arrow(box.top, stop.bottom)
    canvas.box(31, 5.8, 17, 6.6, "README.md\nfor people", **file)
    card = canvas.box(51.5, 5.8, 46, 6.6, "card.json\nwhere to cut, lengths, temperature, labels", **file)
    for stop in (cut, label):
        canvas.arrow((stop.center[0], card.y + card.height), stop.bottom)
    code = canvas.box(17, 15.5, 11, 6.6, "code, same\nversion", size=SMALL, dashed=True)
    canvas.arrow((clean.center[0], code.y + code.height), clean.bottom, dashed=True)


@drawing(height=48)
def path_to_device(canvas):
    """From one Keras model to files for two runtimes, in float32 and in 8 bits, and on to devices."""
    canvas.title("One network, two files, many devices")
    keras = canvas.box(2, 18, 12, 9, "Keras\nmodel", fill="blue", bold=True)
    rows = (
        (
            30,
            "LiteRT",
            "export",
            "91 MB",
            "25 MB",
            (("LiteRT: server, phone, Pi", 33.3), ("LiteRT.js: browser", 26.7)),
        ),
        (8, "ONNX", "export_onnx", "90 MB", "23 MB", (("ONNX Runtime: server,\nphone, browser", 7),)),
    )
    for y, name, first, whole, small, runs in rows:
        canvas.text(44.5, y + 9, f"{name} file", bold=True)
        start = canvas.box(21, y, 13, 5.4, first, fill="grey", size=SMALL)
        canvas.line(keras.right, (17.5, 22.5), (17.5, y + 2.7))
        canvas.arrow((17.5, y + 2.7), start.left)
        exact = canvas.box(38, y - 0.8, 13, 7, f"float32\n{whole}", fill="orange", size=SMALL, square=True)
        eight = canvas.box(59, y - 0.8, 11, 7, f"8 bits\n{small}", fill="green", size=SMALL, square=True)
        canvas.arrow(start, exact)
        canvas.arrow(exact, eight, "round")
        for text, at in runs:
            high = 7.4 if "\n" in text else 5
            end = canvas.box(75.5, at if len(runs) > 1 else y - 1, 23, high, text, size=SMALL)
            canvas.arrow(eight.right, end.left)
    canvas.text(
        44.5, 2.4, "the same answers as Keras: logits within 1e-4", size=SMALL, colour=LINES["orange"]
    )
    canvas.text(87, 2.4, "answers are compared", size=SMALL, colour=LINES["green"])


_WAITING = (12, 200, 30, 256, 70, 9, 33)


@drawing(height=50)
def micro_batching(canvas):
    """Texts that wait, padded to the longest of all, or grouped by the length that each is padded to."""
    canvas.title("Group the texts that wait by their padded length")
    scale = 34 / 256

    def bar(x, y, tokens, length):
        canvas.box(x, y, length * scale, 3.4, fill="dark", square=True)
        canvas.box(x, y, tokens * scale, 3.4, fill="blue", square=True)
        canvas.text(x - 1, y + 1.7, str(tokens), size=SMALL, ha="right")

    canvas.text(7, 41.5, "one batch, all as long as the longest", bold=True, size=SMALL, ha="left")
    for i, tokens in enumerate(_WAITING):
        bar(7, 35 - 4.7 * i, tokens, 256)
    canvas.text(58, 41.5, "a batch for each length", bold=True, size=SMALL, ha="left")
    y = 35
    for length in (64, 128, 256):
        group = [tokens for tokens in _WAITING if length / 2 < max(tokens, 33) <= length]
        top = y + 3.4
        for tokens in group:
            bar(58, y, tokens, length)
            y -= 4.1
        bottom = y + 4.1
        edge = 58 + length * scale + 1
        canvas.line((edge, top), (edge + 0.9, top), (edge + 0.9, bottom), (edge, bottom), width=1.0)
        canvas.text(edge + 1.9, (top + bottom) / 2, str(length), size=SMALL, ha="left")
        y -= 1.2
    for x, fill, name in ((7, "blue", "tokens"), (20, "dark", "padding, computed for nothing")):
        canvas.box(x, 1.6, 2.6, 2.6, fill=fill, square=True)
        canvas.text(x + 3.6, 2.9, name, size=SMALL, ha="left")


@drawing(height=46)
def queue_tail(canvas):
    """The same five requests, spread out and close together: in a queue, waits are handed on."""
    canvas.title("One long call keeps those behind it waiting")
    works = (4, 4, 11, 4, 4)
    for x, name, arrivals in (
        (7, "spread out: nobody waits", (0, 7, 14, 28, 35)),
        (57, "close together: each waits for all before it", (0, 7, 9, 12, 14)),
    ):
        canvas.text(x - 4, 37.5, name, bold=True, size=SMALL, ha="left")
        free = 0
        for i, (arrival, work) in enumerate(zip(arrivals, works, strict=True)):
            y = 31 - 5.6 * i
            begin = max(arrival, free)
            canvas.text(x - 2, y + 1.9, "ABCDE"[i], size=SMALL)
            if begin > arrival:
                canvas.box(
                    x + arrival,
                    y,
                    begin - arrival,
                    3.8,
                    "waits" if begin - arrival > 6 else "",
                    fill="red",
                    size=SMALL,
                    square=True,
                )
            canvas.box(
                x + begin, y, work, 3.8, "long" if work > 9 else "", fill="green", size=SMALL, square=True
            )
            canvas.line((x + arrival, y - 0.8), (x + arrival, y + 4.6), width=2.2)
            free = begin + work
        canvas.arrow((x, 5.6), (x + 39, 5.6), width=1.0)
        canvas.text(x + 39, 3.2, "time", size=SMALL, colour=FAINT, ha="right")
    for x, fill, name in ((14, "red", "waits"), (24, "green", "is computed")):
        canvas.box(x, 1.4, 2.6, 2.6, fill=fill, square=True)
        canvas.text(x + 3.6, 2.7, name, size=SMALL, ha="left")
    canvas.line((8, 1.4), (8, 4), width=2.2)
    canvas.text(7, 2.7, "arrives", size=SMALL, ha="right")


@drawing(height=52)
def watched_service(canvas):
    """A service with its limits, and Prometheus, which asks it for numbers, keeps them and raises alerts."""
    canvas.title("A service answers; others watch it")
    clients = [canvas.box(2, 37 - 8 * i, 11, 5.4, "client", size=SMALL) for i in range(3)]
    canvas.line((20, 15), (71, 15), (71, 46), (20, 46), (20, 15), dashed=True)
    canvas.text(21.2, 43.6, "the service", size=SMALL, colour=FAINT, ha="left")
    parts = [
        canvas.box(23, 27.5, 11, 8.4, "limits", fill="grey"),
        canvas.box(39, 27.5, 13, 8.4, "micro-\nbatches", fill="grey"),
        canvas.box(57, 27.5, 12, 8.4, "bundle", fill="blue"),
    ]
    for client in clients:
        canvas.arrow(client.right, parts[0].left, width=1.0)
    canvas.arrow(parts[0], parts[1])
    canvas.arrow(parts[1], parts[2])
    canvas.line((28.5, 35.9), (28.5, 40.3), (16.5, 40.3), line="red")
    canvas.arrow((17.5, 40.3), (13, 40.3), line="red")
    canvas.text(30, 40.3, "too large, too many: 4xx, 503", size=SMALL, colour=LINES["red"], ha="left")
    numbers = canvas.box(
        39, 17, 30, 5.4, "/metrics: counts, no texts", size=SMALL, square=True, fill="orange"
    )
    canvas.arrow((63, 27.5), (63, 22.4), "", width=1.0)
    prometheus = canvas.box(39, 3, 30, 6.6, "Prometheus: keeps, draws,\ntests rules", size=SMALL, fill="grey")
    canvas.arrow(prometheus.top, numbers.bottom, "asks every few seconds", side="right")
    alert = canvas.box(79, 3, 19, 6.6, "Alertmanager", size=SMALL, fill="grey")
    canvas.arrow(prometheus, alert, "true for\n10 minutes")
    person = canvas.box(79, 27.5, 19, 8.4, "somebody looks,\nand labels", size=SMALL, square=True)
    canvas.arrow(alert.top, person.bottom, "message", side="left")


@drawing(height=51)
def drift(canvas):
    """Numbers of the last requests are counted in bins that each hold a fifth of the reference."""
    canvas.title("Has the input changed? Compare counts, keep no text")
    steps = ("a text", "length, unknown\nwords, confidence", "the last 100", "counts in 5 bins")
    x, last = 2, None
    for i, (step, width) in enumerate(zip(steps, (11, 23, 19, 23), strict=True)):
        shape = canvas.box(
            x, 37, width, 7, step, fill="white" if i == 0 else "grey", size=SMALL, square=i == 0
        )
        if last:
            canvas.arrow(last, shape)
        x, last = x + width + 6.5, shape
    for x, name, now, verdict in (
        (10, "another day, the same kind of text", (22, 18, 21, 19, 20), "index near 0"),
        (60, "texts of another kind", (6, 10, 16, 28, 40), "index above 0.25"),
    ):
        canvas.text(x - 4, 31.5, name, bold=True, size=SMALL, ha="left")
        for i, share in enumerate(now):
            canvas.box(x + 6.4 * i, 7, 2.6, 20 * 0.5, fill="grey", square=True)
            canvas.box(x + 6.4 * i + 2.6, 7, 2.6, share * 0.5, fill="green" if x < 50 else "red", square=True)
        canvas.line((x - 1, 7), (x + 32, 7))
        canvas.text(x + 15.4, 4.6, "bins, a fifth of the reference in each", size=SMALL, colour=FAINT)
        canvas.text(x - 2.4, 13, "share", size=SMALL, colour=FAINT, rotation=90)
        colour = LINES["green" if x < 50 else "red"]
        canvas.text(x - 4, 28.4, verdict, size=SMALL, ha="left", colour=colour)
    for x, fill, name in (
        (10, "grey", "reference"),
        (24, "green", "now"),
        (60, "grey", "reference"),
        (74, "red", "now"),
    ):
        canvas.box(x, 0.8, 2.2, 2.2, fill=fill, square=True)
        canvas.text(x + 3.2, 1.9, name, size=SMALL, ha="left")


@drawing(height=54)
def browser_page(canvas):
    """The page's files come once from any host; from then on the text never leaves the browser."""
    canvas.title("The model comes to the text")
    names = (
        "page, style",
        "LiteRT.js (WebAssembly)",
        "tokenizers.js",
        "model.tflite",
        "tokenizer.json, card.json",
    )
    canvas.text(14.5, 43.5, "any static host", bold=True, size=SMALL)
    for i, name in enumerate(names):
        fill = "orange" if i > 2 else "white"
        canvas.box(1.5, 36 - 6.2 * i, 26, 5, name, size=SMALL, square=True, fill=fill)
    canvas.line((44, 3), (98.5, 3), (98.5, 46.5), (44, 46.5), (44, 3), dashed=True)
    canvas.text(97.3, 44, "the reader's browser", size=SMALL, colour=FAINT, ha="right")
    cache = canvas.box(46.5, 20, 14, 9, "service worker:\nkeeps the files", fill="grey", size=SMALL)
    canvas.arrow((27.5, 24.5), cache.left, "once", side="above")
    canvas.text(36, 21.5, "later: offline", size=SMALL, colour=FAINT)
    canvas.box(66, 36.5, 30, 5.4, "A warm, funny film.|", square=True, size=SMALL)
    tokens = canvas.box(66, 26, 13.5, 6, "tokenize", fill="grey", size=SMALL)
    network = canvas.box(82.5, 26, 13.5, 6, "network", fill="blue", size=SMALL)
    canvas.arrow((72.75, 36.5), tokens.top)
    canvas.arrow(tokens, network)
    canvas.arrow((cache.right[0], 27.5), (66, 27.5), width=1.0)
    canvas.box(66, 13.5, 30, 6, "positive, 93 %", square=True, fill="green", size=SMALL)
    canvas.arrow((89.25, 26), (89.25, 19.5))
    canvas.text(81, 9.2, "and which words mattered: each\nhidden in turn", size=SMALL, colour=FAINT)
    canvas.line((66, 39.2), (39, 39.2), line="red", dashed=True)
    canvas.text(36, 39.2, "×", bold=True, colour=LINES["red"], size=14)
    canvas.text(36, 35, "no text goes out", size=SMALL, colour=LINES["red"])
