"""Lesson 00's drawings."""

import itertools

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing

# In the order of the work: name, what it is, lessons, fill.
STAGES = (
    ("data", "texts, cleaned\nand split", ("02",), "blue"),
    ("annotation", "labels, and whether\npeople agree", ("02",), "blue"),
    ("development", "a network and its\npretraining", ("01", "03", "04"), "green"),
    ("compute", "processors, one\nor many", ("09",), "green"),
    ("fine-tuning", "a pretrained network\nlearns your task", ("05",), "green"),
    ("compression", "fewer weights,\nfewer bits", ("06", "07"), "orange"),
    ("deployment", "a file, a service,\na page", ("08",), "orange"),
    ("monitoring", "speed, errors,\nnew kinds of text", ("08",), "orange"),
)
ASIDE = (
    ("10", "what has it learned?"),
    ("11", "private data"),
    ("12", "other frameworks"),
    ("13", "three projects"),
)


def _lesson(canvas, x, y, number, width=5.0):
    return canvas.box(x, y, width, 4, number, square=True, size=SMALL, bold=True)


def _legend(canvas, x, y, *entries):
    """What each fill says, as (fill, text), from left to right."""
    for fill, text in entries:
        canvas.box(x, y, 2.4, 2.4, fill=fill)
        canvas.text(x + 3.4, y + 1.2, text, size=SMALL, ha="left")
        x += 6.5 + 0.9 * len(text)


@drawing(height=64)
def ai_infrastructure(canvas):
    """The eight stages of AI infrastructure as a ring, each with its lessons."""
    canvas.title("AI infrastructure: eight stages, and the way back")
    _legend(canvas, 1, 54.5, ("blue", "to learn from"), ("green", "to build"), ("orange", "to use"))
    canvas.box(62, 54.5, 2.4, 2.4, square=True)
    canvas.text(65.4, 55.7, "lesson", size=SMALL, ha="left")
    places = [(1 + 26 * column, 35) for column in range(4)]
    places += [(x, 13) for x, _ in reversed(places)]
    stages = []
    for (x, y), (name, what, lessons, fill) in zip(places, STAGES, strict=True):
        stages.append(canvas.box(x, y, 20, 17, fill=fill))
        canvas.text(x + 10, y + 14.3, name, bold=True)
        canvas.text(x + 10, y + 9.3, what, size=SMALL)
        for i, number in enumerate(lessons):
            _lesson(canvas, x + 10 + 6 * i - 3 * len(lessons) + 0.5, y + 1.3, number)
    for stage, following in itertools.pairwise(stages):
        canvas.arrow(stage, following)
    canvas.arrow(stages[-1], stages[0], "what came in,\nwhat went wrong", line="red", side="right")
    canvas.text(1, 8.2, "The whole, seen from other sides:", size=SMALL, ha="left")
    for i, (number, text) in enumerate(ASIDE):
        x = 1 + 26 * i
        _lesson(canvas, x, 1.5, number)
        canvas.text(x + 6, 3.5, text, size=SMALL, ha="left")


def _step(canvas, x, y, name, what, lesson="", *, width=17, fill="white"):
    """A box with a name, a sentence under it, and a lesson's number at the right end of the name."""
    shape = canvas.box(x, y, width, 11, fill=fill)
    if lesson:
        _lesson(canvas, x + width - 5.5, y + 6.2, lesson)
        canvas.text(x + 1.2, y + 8.2, name, size=SMALL, bold=True, ha="left")
        canvas.text(x + 1.2, y + 3, what, size=SMALL, ha="left")
    else:
        canvas.text(x + width / 2, y + 8, name, bold=True)
        canvas.text(x + width / 2, y + 3.7, what, size=SMALL)
    return shape


@drawing(height=64)
def journey(canvas):
    """A network is made, lesson by lesson; below it, how a page asks it for the verdict on a review."""
    canvas.title("From a review to a verdict, lesson by lesson")
    _legend(canvas, 63, 54.5, ("green", "to build"), ("orange", "to use"))
    canvas.box(89, 54.5, 2.4, 2.4, square=True)
    canvas.text(92.4, 55.7, "lesson", size=SMALL, ha="left")
    canvas.text(1, 55.7, "Once: the network is made", size=SMALL, colour=FAINT, ha="left")
    steps = [
        _step(canvas, 1, 41.5, "pretrained", "on text without\nlabels", "04", fill="green"),
        _step(canvas, 21, 41.5, "fine-tuned", "on 20,000\nreviews", "05", fill="green"),
        _step(canvas, 41, 41.5, "pruned", "weights left out\n(optional)", "06", fill="orange"),
        _step(canvas, 61, 41.5, "8 bits", "a weight,\ninstead of 32", "07", fill="orange"),
    ]
    for step, following in itertools.pairwise(steps):
        canvas.arrow(step, following)
    canvas.box(0.5, 0.8, 99, 36, fill="orange")
    canvas.text(2.5, 33.6, "Each time: a page in your browser asks the network", size=SMALL, ha="left")
    _lesson(canvas, 46, 31.6, "08")
    text = canvas.box(2.5, 12, 16, 8, "“A heartwarming\nfilm.”", square=True, size=SMALL)
    words = ("[CLS]", "a", "heart", "##war", "##ming", "film", ".", "[SEP]")
    rows = [
        canvas.box(32, 21.8 - 2.6 * i, 12, 2.6, word, square=True, size=SMALL) for i, word in enumerate(words)
    ]
    encoder = canvas.box(58.5, 2.8, 22, 26.4, fill="green")
    canvas.text(69.5, 20.6, "in 6 blocks, each token\nlooks at the others", size=SMALL)
    for i in range(6):
        canvas.box(60.5, 3.8 + 2.3 * i, 18, 1.7)
    values = [["negative 0.07"], ["positive 0.93"]]
    verdict = canvas.matrix(85, 12, 2, 1, cell=(13, 4), fill="white", values=values)
    canvas.highlight(verdict.cell(1, 0), pad=0.2)
    canvas.arrow(steps[-1].bottom, encoder.top)
    canvas.text(71, 39.2, "this network runs", size=SMALL, ha="left")
    canvas.arrow(text.right, (rows[0].x, 16))
    canvas.arrow((rows[0].right[0], 16), encoder.left)
    canvas.arrow(encoder.right, verdict.left)
    for x, y, name, lessons in (
        ((2.5, 13.5), 21.2, "text", ("02",)),
        ((32, 39), 25.4, "tokens", ("02",)),
        ((59.9, 68.6), 24.2, "encoder", ("01", "03")),
        ((85, 93), 21.2, "verdict", ("05",)),
    ):
        canvas.text(x[0], y + 2, name, size=SMALL, bold=True, ha="left")
        for i, number in enumerate(lessons):
            _lesson(canvas, x[1] + 5.6 * i, y, number)


@drawing(height=48)
def lesson_loop(canvas):
    """How a lesson and its exercise are worked through: predict, run, compare; fill in, check, mend."""
    canvas.title("How a lesson goes, and its exercise")
    x = (1, 27.5, 54, 80.5)
    for y, text in (
        (41.2, "the lesson, in notebooks/"),
        (20.2, "from lesson 01 on, its exercise, in exercises/"),
    ):
        canvas.text(1, y, text, size=SMALL, colour=FAINT, ha="left")
    lesson = [
        _step(canvas, x[0], 28, "read", "a claim, a picture", width=18.5),
        _step(canvas, x[1], 28, "predict", "what will come out?", width=18.5, fill="blue"),
        _step(canvas, x[2], 28, "run", "Shift and Enter", width=18.5),
        _step(canvas, x[3], 28, "compare", "an assert holds\nthe text to it", width=18.5),
    ]
    exercise = [
        _step(canvas, x[0], 7, "fill in", "one function", width=18.5, fill="blue"),
        _step(canvas, x[1], 7, "check", "answers in a second", width=18.5),
        _step(canvas, x[2], 7, "✓  right", "the points are yours", width=18.5, fill="green"),
        _step(canvas, x[3], 7, "course progress", "shows what is done", width=18.5),
    ]
    for row in (lesson, exercise):
        for step, following in itertools.pairwise(row):
            canvas.arrow(step, following)
    for start, end, text in (
        (lesson[3].bottom, lesson[1].bottom, "surprised? change a cell and run it again"),
        (exercise[1].bottom, exercise[0].bottom, "✗  a hint: which mistake it looks like"),
    ):
        y = start[1] - 3
        canvas.line(start, (start[0], y), (end[0], y), line="red")
        canvas.arrow((end[0], y), end, line="red")
        canvas.text((start[0] + end[0]) / 2, y - 0.6, text, size=SMALL, colour=LINES["red"], va="top")
