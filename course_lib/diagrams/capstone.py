"""Lesson 13's drawings."""

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=53)
def three_products(canvas):
    """Six stages from data to a watched service, and what each is in three products."""
    canvas.title("Three products, one way of working")
    stages = ("data with\nits problems", "baseline", "encoder,\nadapted", "8 bits", "served", "watched")
    rows = (
        (
            "customer\nservice",
            ("questions, some\nout of scope", "TF-IDF", "vectors,\nhead, index", "encoder,\nindex",
             "a dialogue", "trust\nfalls"),
        ),
        (
            "financial\nnews",
            ("statements,\nvotes differ", "a lexicon", "vectors,\nhead", "a bundle", "a stream",
             "words\nchange"),
        ),
        (
            "recommen-\ndation",
            ("ratings, new\nfilms have none", "popularity", "two towers", "item\nvectors", "a list",
             "new\nitems"),
        ),
    )  # fmt: skip
    widths = (18.5, 11.5, 14, 11, 11, 11)
    places = 14 + np.concatenate([[0], np.cumsum(np.add(widths, 1.5))[:-1]])
    for x, wide, text in zip(places, widths, stages, strict=True):
        canvas.text(x + wide / 2, 44.4, text, bold=True, size=SMALL)
    fills = ("orange", "grey", "blue", "blue", "green", "green")
    for y, (name, texts) in zip((31, 18, 5), rows, strict=True):
        canvas.text(1, y + 4.5, name, bold=True, ha="left")
        before = None
        for x, wide, text, fill in zip(places, widths, texts, fills, strict=True):
            box = canvas.box(x, y, wide, 9, text, fill=fill, size=SMALL, square=fill == "orange")
            if before is not None:
                canvas.arrow(before.right, box.left)
            before = box


@drawing(height=54)
def assistant_flow(canvas):
    """A question becomes a vector; a head proposes an intent, an index looks for evidence, a gate decides."""
    canvas.title("Two witnesses must agree before the service speaks")
    question = canvas.box(
        1, 25, 17, 9, "The tyre is flat,\nwhat now?", fill="orange", size=SMALL, square=True
    )
    encoder = canvas.box(22, 25, 11, 9, "encoder\n(frozen)", fill="blue", size=SMALL, dashed=True)
    canvas.arrow(question, encoder)
    head = canvas.box(44, 38, 22, 7, "head: which intent?", fill="blue", size=SMALL)
    index = canvas.box(44, 13, 22, 8, "index: who asked\nsomething like it?", fill="blue", size=SMALL)
    canvas.line(encoder.right, (40.6, 29.5))
    for box in (head, index):
        y = box.center[1]
        canvas.line((40.6, 29.5), (40.6, y))
        canvas.arrow((40.6, y), box.left)
    canvas.text(36.8, 30.4, "vector", size=SMALL, va="bottom")
    gate = canvas.circle(71.5, 29.5, 3.2, "×", size=14, bold=True)
    canvas.arrow(head.bottom, index.top, "intent", side="left")
    canvas.line(head.right, (71.5, head.center[1]))
    canvas.arrow((71.5, head.center[1]), gate.top)
    canvas.text(70.5, 36, "0.60", size=SMALL, ha="right")
    canvas.line(index.right, (71.5, index.center[1]))
    canvas.arrow((71.5, index.center[1]), gate.bottom)
    canvas.text(70.5, 23.6, "0.70", size=SMALL, ha="right")
    canvas.text(70.5, 14, "“Can you fix\na flat tyre?”", size=SMALL, ha="left", va="top")
    canvas.text(75.6, 29.5, "trust 0.42", size=SMALL, bold=True, ha="left")
    canvas.arrow((75.8, 31.4), (84.6, 35.5), line="green")
    canvas.arrow((75.8, 27.6), (84.6, 23.5), line="red", dashed=True)
    canvas.box(85, 32.5, 14, 7, "the reply to\nthis intent", fill="green", size=SMALL, square=True)
    canvas.box(85, 19.5, 14, 7, "a person", fill="red", size=SMALL)
    canvas.text(92, 43, "at or above\nthe threshold", size=SMALL, colour=LINES["green"])
    canvas.text(92, 16.8, "below it", size=SMALL, colour=LINES["red"])
    canvas.matrix(44, 7, 1, 11, cell=(2, 2.6), fill="orange")
    canvas.text(55, 4, "stored questions, 8 bits a number", size=SMALL, colour=FAINT)


@drawing(height=54)
def none_of_them(canvas):
    """Questions as points: a head shares out the whole plane, an index asks whether anybody is near."""
    canvas.title("A head must choose; a distance may say: none of them")
    rng = np.random.default_rng(4)
    centres = ((13, 34, "blue", "repair"), (34, 33, "green", "refund"), (19, 13.4, "orange", "opening hours"))
    for left, head in ((1, True), (53, False)):
        frame = ((left, 5), (left, 46), (left + 46, 46), (left + 46, 5), (left, 5))
        canvas.line(*frame)
        if head:
            middle = (left + 24.5, 26.5)
            for end in ((left + 24.5, 46), (left, 22), (left + 46, 20)):
                canvas.line(middle, end, line="grey", dashed=True)
        for x, y, colour, name in centres:
            if not head:
                canvas.circle(left + x, y, 5.6, fill="grey")
            for turn, far in zip(
                np.arange(7) * 2.4 + rng.uniform(0, 1), rng.uniform(0.8, 3.9, 7), strict=True
            ):
                canvas.circle(left + x + far * np.cos(turn), y + far * np.sin(turn), 0.85, fill=colour)
            canvas.text(left + x, y + 6.6, name, size=SMALL, va="bottom")
        canvas.box(left + 37, 10.5, 2.2, 2.2, fill="red", square=True)
        canvas.text(left + 44.8, 7.8, "Do you sell skis?", size=SMALL, ha="right", colour=LINES["red"])
    canvas.text(24, 2, "head: “opening hours”, for want of others", size=SMALL, bold=True)
    canvas.text(76, 2, "index: nobody near it ever asked this", size=SMALL, bold=True)


def _bell(canvas, middle, low, wide, high, line):
    places = np.linspace(-3, 3, 61)
    heights = low + high * np.exp(-(places**2) / 2)
    canvas.line(*zip(middle + wide * places, heights, strict=True), line=line, width=2)


@drawing(height=50)
def price_of_threshold(canvas):
    """Trust in replies to questions in scope and out of scope, and what each side of the threshold costs."""
    canvas.title("The threshold trades hand-overs for wrong replies")
    low = 13
    canvas.arrow((3, low), (64, low))
    canvas.text(52, 9.8, "trust in the reply", size=SMALL, colour=FAINT)
    _bell(canvas, 18, low, 4.6, 17, "orange")
    _bell(canvas, 41, low, 7.2, 24, "blue")
    canvas.text(12, 33.4, "out of scope", bold=True, colour=LINES["orange"])
    canvas.text(46, 39.5, "in scope", bold=True, colour=LINES["blue"], ha="left")
    canvas.line((27, low), (27, 42), line="red", dashed=True)
    canvas.text(26.2, 41, "threshold", size=SMALL, colour=LINES["red"], ha="right")
    canvas.brace((4, 8.4), (26.4, 8.4), "to a person: 1 each")
    canvas.brace((27.6, 8.4), (50, 8.4), "answered")
    values = [["0", "–"], ["5", "5"], ["1", "1"]]
    grid = canvas.matrix(
        79, 16, 3, 2, cell=(9.4, 6), values=values,
        fill=[["green", "white"], ["red", "red"], ["grey", "grey"]],
        row_names=["right reply", "wrong reply", "handed over"], column_names=["in scope", "out of it"],
    )  # fmt: skip
    canvas.text(grid.center[0] - 3, 41.5, "what a question costs", bold=True, size=SMALL)
    canvas.text(84, 9.5, "choose the threshold\nwhose mean cost is least", size=SMALL, colour=FAINT)


@drawing(height=50)
def tags_on_tokens(canvas):
    """A sentence's words and tags, the tokens they become, and which token's vector speaks for a word."""
    canvas.title("One tag a word, though a word may be several tokens")
    words = [("Ingrid", 2), ("Sole", 1), ("left", 1), ("Osterby", 3), (".", 1)]
    tokens = ["ing", "##rid", "sole", "left", "os", "##ter", "##by", "."]
    tags = ["B-PER", "I-PER", "O", "B-LOC", "O"]
    fills = {"PER": "blue", "LOC": "green", "": "white"}
    width, x = 9.4, 12.5
    canvas.text(1, 37.5, "words", bold=True, ha="left")
    canvas.text(1, 24.5, "tokens", bold=True, ha="left")
    canvas.text(1, 11.5, "tags", bold=True, ha="left")
    place = 0
    for (word, count), tag in zip(words, tags, strict=True):
        wide = count * width + (count - 1)
        box = canvas.box(x, 35, wide, 5, word, square=True, fill=fills[tag[2:]])
        for number in range(count):
            left = x + number * (width + 1)
            token = canvas.box(
                left, 22, width, 5, tokens[place], square=True, size=SMALL,
                fill="orange" if number == 0 else "white", dashed=number > 0,
            )  # fmt: skip
            canvas.arrow((left + width / 2, box.y), token.top, dashed=number > 0)
            if number == 0:
                label = canvas.box(left, 9, width, 5, tag, fill=fills[tag[2:]], size=SMALL)
                canvas.arrow(token.bottom, label.top)
            place += 1
        x += wide + 1
    canvas.text(
        54, 3, "orange: the first token's vector speaks for its word    dashed: no tag, no loss",
        size=SMALL, colour=FAINT,
    )  # fmt: skip


@drawing(height=46)
def cut_the_arrow(canvas):
    """A common cause makes subtitles and praise go together; setting the subtitles cuts its arrow."""
    canvas.title("Seeing is not doing: an intervention cuts the arrow")
    for left, name, do in ((2, "as reviews come", False), (53, "when you set it", True)):
        canvas.text(left + 22, 36.4, name, bold=True)
        cause = canvas.box(left + 14, 26.5, 16, 6, "art-house film", fill="orange")
        word = canvas.box(left + 0.5, 9, 14, 6, "subtitles", fill="grey" if not do else "red")
        praise = canvas.box(left + 30, 9, 14, 6, "praise", fill="blue")
        start, end = np.array([cause.x + 2, cause.y]), np.array([word.center[0] + 1, word.y + 6])
        if do:
            for share in (0, 0.68):
                cut = start + (end - start) * share, start + (end - start) * (share + 0.32)
                canvas.line(*cut, line="grey", dashed=True)
            canvas.text(*(start + end) / 2, "×", size=14, bold=True, colour=LINES["red"])
        else:
            canvas.arrow(tuple(start), tuple(end))
        canvas.arrow((cause.x + 14, cause.y), (praise.center[0] - 1, praise.y + 6))
        if do:
            canvas.text(left + 22, 13.3, "nothing", size=SMALL)
        else:
            canvas.arrow(word.right, praise.left, "goes with", line="red", dashed=True, head=False)
    canvas.text(24, 4, "praise is more frequent with subtitles", size=SMALL, colour=FAINT)
    canvas.text(75, 4, "adding subtitles changes nothing", size=SMALL, colour=FAINT)
