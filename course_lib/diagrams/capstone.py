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
    canvas.title("A head and an index are asked; a threshold decides who answers")
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


@drawing(height=50)
def news_stream(canvas):
    """Statements go to the judge; what it is not sure of goes to a person; what it sees is watched."""
    canvas.title("A judge that may say “ask a person”, and is watched")
    for i, text in enumerate(("profit rose to 9 mn", "report due in May", "$NOPA tanking")):
        canvas.box(1.5, 35 - 6.5 * i, 19, 5, text, fill="grey", size=SMALL, square=True)
    canvas.text(11, 42.4, "a stream of statements", size=SMALL, bold=True)
    encoder = canvas.box(27, 26.5, 14, 9, "encoder,\nhead", fill="blue", bold=True)
    canvas.line((20.5, 37.5), (23.7, 37.5), (23.7, 24.5), (20.5, 24.5))
    canvas.line((20.5, 31), (23.7, 31))
    canvas.arrow((23.7, 31), encoder.left)
    sure = canvas.box(48, 26.5, 15, 9, "softmax,\nsure enough?", size=SMALL)
    canvas.arrow(encoder.right, sure.left)
    label = canvas.box(73, 34, 25.5, 7, "negative, neutral, positive", fill="green", size=SMALL, square=True)
    person = canvas.box(73, 20, 25.5, 7, "a person reads it", fill="orange", size=SMALL)
    canvas.line(sure.right, (67, 31))
    canvas.line((67, 37.5), (67, 23.5))
    canvas.arrow((67, 37.5), label.left)
    canvas.arrow((67, 23.5), person.left)
    canvas.text(69.5, 39.3, "yes", size=SMALL)
    canvas.text(69.5, 21.7, "no", size=SMALL)
    watch = canvas.box(27, 5, 36, 8, "watch: length, unknown words, confidence", fill="grey", size=SMALL)
    canvas.arrow(sure.bottom, (55.5, 13), "numbers, no text", side="left")
    alarm = canvas.box(73, 5, 25.5, 8, "alarm: the stream\nhas changed", fill="red", size=SMALL)
    canvas.arrow(watch.right, alarm.left)
    canvas.arrow(alarm.top, person.bottom, "label what is new", side="left")


@drawing(height=46)
def news_votes(canvas):
    """Five people label four statements; where they disagree, no model can please all of them."""
    canvas.title("People disagree: the best model cannot please them all")
    rows = (
        ("Operating profit rose to EUR 9 mn.", "+++++"),
        ("The report is due in May.", "00000"),
        ("The loss narrowed to EUR 2 mn.", "+++−+"),
        ("It closes a plant to save EUR 5 mn a year.", "+−+−+"),
    )
    fills = {"+": "green", "0": "white", "−": "red"}
    grid = canvas.matrix(
        46,
        9.5,
        4,
        5,
        cell=(6, 6),
        values=[list(votes) for _, votes in rows],
        fill=np.array([[fills[vote] for vote in votes] for _, votes in rows]),
        column_names=[f"{i}" for i in range(1, 6)],
    )
    canvas.text(grid.center[0], 38.3, "annotator", size=SMALL, bold=True)
    canvas.text(86, 35.5, "agree", size=SMALL, bold=True)
    for i, (text, votes) in enumerate(rows):
        y = grid.cell(i, 0).center[1]
        canvas.text(44, y, text, size=SMALL, ha="right")
        top = max(votes.count(vote) for vote in set(votes))
        canvas.text(86, y, f"{top} of 5", bold=top < 5)
    canvas.text(
        50,
        4,
        "+ good news   0 neither   − bad news for shareholders.  Their agreement is the ceiling.",
        size=SMALL,
        colour=FAINT,
    )


@drawing(height=46)
def news_lookahead(canvas):
    """News that tells what the price did today, traded at this morning's price, and at tomorrow's."""
    canvas.title("The news came after the price")
    canvas.arrow((4, 21), (98, 21))
    for x, text in (
        (12, "Monday\nopens"),
        (44, "Monday\ncloses"),
        (60, "Tuesday\nopens"),
        (92, "Tuesday\ncloses"),
    ):
        canvas.line((x, 20.2), (x, 21.8))
        canvas.text(x, 17, text, size=SMALL)
    canvas.line((12, 24), (20, 25), (30, 28), (38, 32), (44, 33), line="blue", width=2.4)
    canvas.line((60, 33), (68, 31.5), (76, 34), (84, 32), (92, 33), line="blue", width=2.4)
    canvas.text(21, 29.5, "price", size=SMALL, colour=LINES["blue"], bold=True)
    canvas.box(37, 35.8, 23, 4.8, "“Shares rose today.”", fill="grey", size=SMALL, square=True)
    canvas.arrow((48, 35.8), (48, 21.3), dashed=True)
    for start, end, y, fill in ((12, 44, 8, "red"), (60, 92, 2, "green")):
        canvas.box(start, y, end - start, 4.6, fill=fill, square=True)
        canvas.text((start + end) / 2, y + 2.3, "holds the shares", size=SMALL)
    canvas.text(46, 10.3, "at Monday's opening price: rich, and impossible", size=SMALL, ha="left")
    canvas.text(58, 4.3, "once the news is out: a coin toss", size=SMALL, ha="right")


@drawing(height=55)
def towers_meet(canvas):
    """A user and a film tower make a vector each; the score is their dot product and what is popular."""
    canvas.title("Two towers that meet in one dot product")
    canvas.text(23, 46, "user tower", bold=True)
    canvas.text(79, 46, "film tower", bold=True)
    liked = [
        canvas.box(1 + 15 * i, 4.5, 14, 5, "film vector", fill="orange", size=SMALL, square=True)
        for i in range(3)
    ]
    canvas.text(23, 2.2, "of what the user liked", size=SMALL, colour=FAINT)
    mean = canvas.box(11, 15.5, 24, 6, "mean", size=SMALL)
    for each, x in zip(liked, (15, 23, 31), strict=True):
        canvas.arrow(each.top, (x, 15.5))
    layer = canvas.box(11, 26.5, 24, 6, "one layer", fill="blue", size=SMALL)
    canvas.arrow(mean.top, layer.bottom)
    user = canvas.matrix(13, 38, 1, 4, cell=(5, 4.4), fill="blue")
    canvas.arrow(layer.top, user.bottom)
    text = canvas.box(57, 2.5, 19, 7, "title, genres,\ndescription", fill="grey", size=SMALL, square=True)
    own = canvas.box(80, 2.5, 19, 7, "its number, if\nanybody liked it", fill="grey", size=SMALL, square=True)
    encoder = canvas.box(57, 15.5, 19, 6, "MiniLM, frozen", size=SMALL, dashed=True)
    table = canvas.box(80, 15.5, 19, 6, "an embedding", fill="orange", size=SMALL)
    canvas.arrow(text.top, encoder.bottom)
    canvas.arrow(own.top, table.bottom, dashed=True)
    layer = canvas.box(57, 26.5, 19, 6, "one layer", fill="orange", size=SMALL)
    canvas.arrow(encoder.top, layer.bottom)
    plus = canvas.circle(89.5, 29.5, 2.2, "+")
    canvas.arrow(table.top, plus.bottom)
    canvas.arrow(layer.right, plus.left)
    film = canvas.matrix(69, 38, 1, 4, cell=(5, 4.4), fill="orange")
    canvas.line(plus.top, (89.5, 35), (79, 35))
    canvas.arrow((79, 35), film.bottom)
    dot = canvas.circle(51, 40.2, 2.6, "·", bold=True)
    canvas.arrow(user.right, dot.left)
    canvas.arrow(film.left, dot.right)
    canvas.text(51, 45.4, "score", bold=True)
    canvas.text(51, 35.4, "+ what is\npopular", size=SMALL, colour=FAINT)


@drawing(height=46)
def towers_cut(canvas):
    """One cut in time for everybody: what was liked before trains; what came last after it is wanted."""
    canvas.title("One cut in time: nothing from the future is learned")
    cut = 58
    rows = (
        ("Ana", (14, 20, 25, 33), ()),
        ("Ben", (18, 30, 38, 47, 54), ()),
        ("Cleo", (28, 36, 44, 51, 64), (72, 80)),
        ("Dan", (62, 67, 72, 77, 82), (88,)),
    )
    for i, (name, history, wanted) in enumerate(rows):
        y = 31.5 - 6.8 * i
        canvas.text(3, y, name, ha="left", bold=True)
        ends = [11, *[x + side for x in wanted for side in (-2, 2)], 97]
        for start, end in zip(ends[::2], ends[1::2], strict=True):
            canvas.line((start, y), (end, y), line="grey", width=0.8)
        for x in history:
            canvas.circle(x, y, 1.7, fill="blue" if x < cut else "white")
        for x in wanted:
            canvas.circle(x, y, 2, "?", fill="orange", size=SMALL, bold=True)
    canvas.line((cut, 7.5), (cut, 36), line="red", width=2.4)
    canvas.text(cut, 38, "the cut", size=SMALL, colour=LINES["red"], bold=True)
    canvas.arrow((80, 37.5), (97, 37.5), "time")
    for x, fill, text in (
        (5, "blue", "liked before: trains"),
        (33, "white", "liked after: only read"),
        (63, "orange", "liked last: hidden, wanted"),
    ):
        canvas.circle(x, 3.5, 1.7, fill=fill)
        canvas.text(x + 3, 3.5, text, size=SMALL, ha="left")


@drawing(height=50)
def towers_cold(canvas):
    """A film that nobody has rated has no factors; the towers still have its text."""
    canvas.title("A new film: an empty column, but a text")
    likes = np.array([[1, 0, 1, 0, 0], [0, 1, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 1, 1, 0]])
    grid = canvas.matrix(
        11,
        16,
        4,
        5,
        cell=(5.4, 5),
        fill=np.where(likes > 0, "blue", "white"),
        values=np.where(likes > 0, "♥", "").tolist(),
        row_names=[f"user {i}" for i in range(1, 5)],
        column_names=["A", "B", "C", "D", "new"],
    )
    canvas.text(grid.center[0], 42.2, "who liked what", bold=True)
    canvas.highlight(grid.column(4), pad=0.3)
    canvas.text(grid.column(4).center[0], 13.5, "nobody yet", size=SMALL, colour=LINES["red"])
    factors = canvas.box(49, 22, 18, 8, "matrix\nfactorisation", size=SMALL)
    canvas.arrow((38.5, 26), factors.left)
    zeros = canvas.matrix(76, 23.8, 1, 4, cell=(5, 4.4), values=[["0"] * 4], fill="dark")
    canvas.arrow(factors.right, zeros.left)
    canvas.text(zeros.center[0], 21, "no place among the films", size=SMALL, colour=LINES["red"])
    text = canvas.box(4.5, 3, 33.5, 5.4, "“a mutiny on a mining rig …”", fill="grey", size=SMALL, square=True)
    tower = canvas.box(49, 1.7, 18, 8, "film tower:\nits text", fill="orange", size=SMALL)
    canvas.arrow(text.right, tower.left)
    vector = canvas.matrix(76, 3.5, 1, 4, cell=(5, 4.4), fill="green")
    canvas.arrow(tower.right, vector.left)
    canvas.text(vector.center[0], 10.2, "near other films in space", size=SMALL, colour=LINES["green"])
