"""Lesson 01's drawings."""

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=52)
def one_query(canvas):
    """One query is compared with every key, and takes that share of each value."""
    canvas.title("One query looks things up")
    rows = [("the", "0.1", 0.05), ("thirsty", "2.9", 0.80), ("cat", "0.8", 0.10), ("drinks", "0.1", 0.05)]
    query = canvas.box(1, 17, 17, 10, "query of cat\n“my adjective?”", fill="blue", size=SMALL)
    output = canvas.box(86, 17, 13, 10, "output:\na thirsty cat", fill="grey", size=SMALL)
    for i, (word, score, weight) in enumerate(rows):
        y = 35 - 10 * i
        key = canvas.box(30, y, 14, 6, f"key of {word}", fill="orange", size=SMALL)
        value = canvas.box(64, y, 15, 6, f"value of {word}", fill="green", size=SMALL)
        canvas.arrow(query.right, key.left, line="grey", width=1.0)
        canvas.text(48, y + 3, score, size=SMALL)
        canvas.matrix(53, y + 1.5, 1, 1, cell=(7, 3), shades=[[weight]], values=[[f"{weight:.2f}"]])
        canvas.arrow(value.right, output.left, line="green", width=0.6 + 4 * weight)
    for x, text in ((37, "1  compare"), (47.5, "2  score"), (57.5, "3  softmax"), (71.5, "4  mix values")):
        canvas.text(x, 43.5, text, size=SMALL, bold=True)
    canvas.text(48, 1.2, "query · key", size=SMALL, colour=FAINT)
    canvas.text(57.5, 1.2, "sum 1", size=SMALL, colour=FAINT)
    canvas.text(82, 41, "the share is the\nline's width", size=SMALL, colour=LINES["green"], ha="left")
