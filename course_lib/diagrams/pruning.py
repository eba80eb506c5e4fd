"""Lesson 06's drawings."""

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing


@drawing(height=49)
def kinds_of_zeros(canvas):
    """The same half of a kernel's weights set to zero anywhere, two of every four, or as whole columns."""
    canvas.title("Half of the weights are zero, in three patterns")
    rng, size = np.random.default_rng(5), 8
    anywhere = rng.permutation(np.arange(size * size) % 2 == 0).reshape(size, size)
    fours = np.concatenate(
        [
            np.stack([rng.permutation([True, True, False, False]) for _ in range(size)], axis=1)
            for _ in range(2)
        ]
    )
    columns = np.broadcast_to(np.isin(np.arange(size), [1, 2, 5, 7]), (size, size))
    patterns = (
        ("anywhere", anywhere, "smaller: the file, compressed", "faster: with code made for it"),
        ("2 of every 4", fours, "smaller: 9/16 of the bytes", "faster: on sparse tensor cores"),
        ("whole columns", columns, "smaller: the matrix itself", "faster: everywhere"),
    )
    for i, (name, zero, smaller, faster) in enumerate(patterns):
        x = 6 + 33 * i
        grid = canvas.matrix(x, 13, size, size, cell=3.3, fill=np.where(zero, "dark", "blue"))
        canvas.text(grid.center[0], 41.4, name, bold=True)
        canvas.text(grid.center[0], 9.2, smaller, size=SMALL)
        canvas.text(grid.center[0], 5.6, faster, size=SMALL)
        if i == 1:
            canvas.highlight(grid.block(0, 0, 4, 1), pad=0.2)
    canvas.text(2.6, 26.2, "inputs", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(
        50,
        1.6,
        "blue: a weight    dark: a zero    framed: four neighbouring inputs of one output",
        size=SMALL,
        colour=FAINT,
    )


@drawing(height=53)
def pruning_loop(canvas):
    """Pruning while training: gradient, step, mask, and every few steps a new mask from the schedule."""
    canvas.title("A training step, and the mask after it")
    keep = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], bool)
    look = {"cell": (5.6, 4.2)}
    first = [["0.8", "0", "−0.5"], ["0", "1.1", "0.6"], ["−0.7", "0.9", "0"]]
    moved = [["0.7", "0.1", "−0.6"], ["−0.2", "1.2", "0.5"], ["−0.7", "0.8", "0.1"]]
    fills = np.where(keep, "blue", "dark")
    weights = canvas.matrix(2, 26, 3, 3, values=first, fill=fills, name="weights", **look)
    gradient = canvas.box(25, 27.8, 14, 9, "gradient of\nevery weight,\nzeros too", size=SMALL)
    step = canvas.box(44, 27.8, 12, 9, "optimizer's\nstep", size=SMALL)
    stepped = canvas.matrix(61, 26, 3, 3, values=moved, fill=np.where(keep, "blue", "red"), **look)
    canvas.text(69.4, 41, "zeros have moved", size=SMALL, colour=LINES["red"])
    times = canvas.circle(85, 32.3, 2.2, "×")
    for one, other in ((weights, gradient), (gradient, step), (step, stepped), (stepped, times)):
        canvas.arrow(one.right, other.left)
    mask = canvas.matrix(76.6, 6, 3, 3, values=keep.astype(int), fill=fills, **look)
    canvas.arrow((85, 18.6), times.bottom)
    canvas.text(85, 2.9, "mask", bold=True)
    schedule = canvas.box(30, 7.8, 15, 9, "schedule:\nhow many\nzeros by now?", fill="orange", size=SMALL)
    choose = canvas.box(53, 7.8, 15, 9, "criterion:\nwhich weights\nmatter least?", fill="orange", size=SMALL)
    canvas.arrow(schedule.right, choose.left)
    canvas.arrow(choose.right, mask.left)
    canvas.text(45, 3.9, "every few steps", size=SMALL, colour=LINES["orange"])
    canvas.line(times.top, (85, 45.5), (10.4, 45.5))
    canvas.arrow((10.4, 45.5), (10.4, 42.4))
    canvas.text(40, 43.3, "the next step starts from zeros again", size=SMALL, colour=FAINT)


@drawing(height=48)
def wanda_score(canvas):
    """Wanda: a weight's size times how large its input usually is; each output drops its lowest scores."""
    canvas.title("Wanda: a weight matters as much as what comes through it")
    weights = np.array([[0.9, -0.2, 0.4], [-0.1, 0.3, 0.2], [0.5, -0.6, 0.8], [0.2, 0.7, -0.3]])
    norms = np.array([1.0, 6.0, 0.5, 2.0])
    scores = np.abs(weights) * norms[:, None]
    keep = np.argsort(np.argsort(scores, axis=0), axis=0) >= 2
    look = {"cell": (6.2, 5)}
    norm = canvas.matrix(
        10,
        14,
        4,
        1,
        values=[[f"{v:g}"] for v in norms],
        fill="green",
        row_names=["input 1", "input 2", "input 3", "input 4"],
        **look,
    )
    canvas.text(norm.center[0], 39, "norm of\neach input", size=SMALL)
    canvas.text(23, 24, "×", bold=True)
    kernel = canvas.matrix(
        29,
        14,
        4,
        3,
        values=[[f"{v:g}".replace("-", "−") for v in row] for row in weights],
        fill="blue",
        **look,
    )
    canvas.text(kernel.center[0], 37.5, "kernel", bold=True)
    canvas.text(kernel.center[0], 11.5, "3 outputs", size=SMALL, colour=FAINT)
    canvas.text(53, 24, "=", bold=True)
    score = canvas.matrix(
        58,
        14,
        4,
        3,
        values=[[f"{v:.2g}" for v in row] for row in scores],
        fill=np.where(keep, "orange", "dark"),
        **look,
    )
    canvas.text(score.center[0], 37.5, "scores", bold=True)
    canvas.highlight(score.column(0), pad=0.3)
    canvas.text(79, 29, "each output\nkeeps its\nhighest half", size=SMALL, ha="left")
    canvas.text(79, 18, "dark: set to zero", size=SMALL, colour=FAINT, ha="left")
    canvas.text(
        50,
        4,
        "By size alone, −0.1 would be the first of output 1 to go;\n"
        "but its input is six times as large as that of 0.9.",
        size=SMALL,
        colour=LINES["red"],
    )


@drawing(height=46)
def two_of_four(canvas):
    """A 2:4 column is stored as its values and their places; only as many products are left."""
    canvas.title("2:4 stored: four values and where they stand, instead of eight")
    column = [0.9, 0, 0, -0.4, 0, 0.2, -0.7, 0]
    inputs = [f"x{i}" for i in range(8)]
    values = [v for v in column if v]
    places = [i % 4 for i, v in enumerate(column) if v]
    texts = [[f"{v:g}".replace("-", "−")] for v in column]
    look = {"cell": (7, 3.6)}
    dense = canvas.matrix(
        9, 6, 8, 1, values=texts, fill=[["blue" if v else "dark"] for v in column], row_names=inputs, **look
    )
    canvas.text(dense.center[0], 37.6, "column", bold=True)
    canvas.line((7.5, dense.cell(3, 0).y), (17.5, dense.cell(3, 0).y), line="red", width=2.2)
    kept = canvas.matrix(
        33, 13.2, 4, 1, values=[[f"{v:g}".replace("-", "−")] for v in values], fill="blue", **look
    )
    where = canvas.matrix(44, 13.2, 4, 1, values=[[f"{p:02b}"] for p in places], fill="orange", **look)
    canvas.text(kept.center[0], 30.4, "values", bold=True)
    canvas.text(where.center[0], 30.4, "places", bold=True)
    canvas.text(kept.center[0], 10, "16 bits each", size=SMALL, colour=FAINT)
    canvas.text(where.center[0] + 0.6, 10, "2 bits", size=SMALL, colour=FAINT)
    canvas.arrow((18, dense.center[1]), (31.5, 20.4), "keep two\nof each four")
    gathered = canvas.matrix(
        65, 13.2, 4, 1, values=[[inputs[i]] for i, v in enumerate(column) if v], fill="green", **look
    )
    canvas.text(gathered.center[0], 30.4, "inputs taken", bold=True)
    canvas.arrow((52, 20.4), (63.5, 20.4), "choose")
    product = canvas.box(80, 16.4, 15, 8, "4 products\ninstead of 8", size=SMALL)
    canvas.arrow((72.5, 20.4), product.left)
    canvas.text(62, 4, "8 · 16 bits become 4 · (16 + 2): 9/16 of the bytes", size=SMALL, colour=LINES["red"])


@drawing(height=57)
def head_leaves(canvas):
    """A head leaves: its columns of the query, key and value kernels and its rows of the output kernel."""
    canvas.title("One head leaves: columns of three kernels, rows of the fourth")
    heads, gone = 4, 2
    look = {"cell": (4, 3.6)}
    fills = np.where(np.arange(heads) == gone, "dark", "blue")
    for i, name in enumerate(("query", "key", "value")):
        grid = canvas.matrix(7 + 21 * i, 31, 4, heads, fill=np.broadcast_to(fills, (4, heads)), **look)
        canvas.text(grid.center[0], 48.2, name, bold=True)
        canvas.highlight(grid.column(gone), pad=0.3)
        for head in range(heads):
            canvas.text(grid.cell(3, head).center[0], 29, str(head), size=SMALL)
    canvas.text(3, 38.2, "width 384", size=SMALL, colour=FAINT, rotation=90)
    output = canvas.matrix(78, 31, heads, 4, fill=np.broadcast_to(fills[:, None], (heads, 4)), **look)
    canvas.text(output.center[0], 48.2, "output", bold=True)
    canvas.highlight(output.row(gone), pad=0.3)
    for head in range(heads):
        canvas.text(76.5, output.cell(head, 0).center[1], str(head), size=SMALL)
    canvas.text(86, 29, "width 384", size=SMALL, colour=FAINT)
    canvas.text(36, 25.3, "head", size=SMALL, colour=FAINT)
    canvas.arrow((50, 22), (50, 17.5), line="red")
    canvas.text(52, 19.9, "copy what stays into smaller kernels", size=SMALL, colour=LINES["red"], ha="left")
    for i in range(3):
        canvas.matrix(9 + 21 * i, 2.4, 4, 3, fill="blue", cell=(4, 3.6))
    canvas.matrix(78, 4.2, 3, 4, fill="blue", cell=(4, 3.6))


@drawing(height=54)
def low_rank_factors(canvas):
    """A kernel and a table of embeddings as products of two thin matrices."""
    canvas.title("Low rank: a thin matrix times a thin matrix")
    canvas.box(3, 33, 36, 9, "384 × 1,536", fill="blue", square=True)
    canvas.text(21, 44.5, "a feed-forward kernel", bold=True)
    canvas.text(42, 37.5, "≈", bold=True)
    canvas.box(46, 33, 5, 9, "A", fill="orange", square=True, bold=True)
    canvas.text(53.5, 37.5, "·", bold=True)
    canvas.box(56, 35.2, 36, 4.6, "B", fill="orange", square=True, bold=True)
    canvas.text(48.5, 30.6, "384 × r", size=SMALL, colour=FAINT)
    canvas.text(74, 32.8, "r × 1,536", size=SMALL, colour=FAINT)
    canvas.text(74, 44.5, "smaller if r < 307", size=SMALL, colour=LINES["orange"])
    canvas.box(15, 2.5, 9, 22, "30,522\n× 384", fill="blue", square=True, size=SMALL)
    canvas.text(19.5, 27, "the token table", bold=True)
    canvas.text(42, 13.5, "≈", bold=True)
    canvas.box(47, 2.5, 3.4, 22, "A", fill="orange", square=True, bold=True)
    canvas.text(53.5, 13.5, "·", bold=True)
    canvas.box(56, 11.6, 9, 3.8, "B", fill="orange", square=True, bold=True)
    canvas.text(60.5, 9.5, "r × 384", size=SMALL, colour=FAINT)
    canvas.text(46, 22, "30,522\n× r", size=SMALL, colour=FAINT, ha="right")
    canvas.text(
        70,
        14,
        "a narrow table, then a\nprojection to 384:\nsmaller if r < 379",
        size=SMALL,
        ha="left",
        colour=LINES["orange"],
    )


@drawing(height=55)
def teacher_student(canvas):
    """Distillation: the small network learns to answer as softly as the large one; labels are not used."""
    canvas.title("The student learns the teacher's answers, not only who won")
    review = canvas.box(2, 20, 13, 9, "a review", fill="grey", square=True)
    teacher = canvas.box(
        23, 31, 19, 13, "teacher\n22.6 M weights\nfrozen", fill="blue", dashed=True, size=SMALL
    )
    student = canvas.box(25, 8, 15, 9, "student\ncut", fill="orange", size=SMALL)
    canvas.line(review.right, (19, 24.5))
    canvas.line((19, 37.5), (19, 12.5))
    canvas.arrow((19, 37.5), teacher.left)
    canvas.arrow((19, 12.5), student.left)
    pair = {"cell": (7.5, 4), "size": SMALL, "column_names": ["neg", "pos"]}
    z = canvas.matrix(48, 35.5, 1, 2, values=[["−1.0", "2.0"]], fill="green", **pair)
    v = canvas.matrix(48, 10.5, 1, 2, values=[["0.2", "0.6"]], fill="green", **pair)
    canvas.arrow(teacher.right, z.left)
    canvas.arrow(student.right, v.left)
    p = canvas.matrix(75, 35.5, 1, 2, values=[["18 %", "82 %"]], fill="green", **pair)
    q = canvas.matrix(75, 10.5, 1, 2, values=[["45 %", "55 %"]], fill="green", **pair)
    canvas.arrow(z.right, p.left, "softmax")
    canvas.text(69, 34.8, "T = 2", size=SMALL, colour=FAINT)
    canvas.arrow(v.right, q.left, "softmax")
    canvas.text(69, 9.8, "T = 2", size=SMALL, colour=FAINT)
    loss = canvas.box(74, 21.5, 17, 7, "loss: KL(p ‖ q)", size=SMALL, bold=True)
    canvas.arrow((82.5, 35.5), loss.top)
    canvas.arrow((82.5, 17.6), loss.bottom)
    canvas.line(loss.left, (52, 25), line="red", dashed=True)
    canvas.line((52, 25), (32.5, 25), line="red", dashed=True)
    canvas.arrow((32.5, 25), student.top, line="red", dashed=True)
    canvas.text(53, 27.4, "gradient, to the student only", size=SMALL, colour=LINES["red"])
    canvas.text(50, 3, "the label, positive, would only say 0 % and 100 %", size=SMALL, colour=FAINT)


@drawing(height=44)
def every_second_layer(canvas):
    """The encoder of the course was itself made by keeping every second layer of a twelve-layer one."""
    canvas.title("Depth: this encoder is every second layer of a twelve-layer one")
    wide = 6.2
    for i in range(12):
        stays = i % 2 == 1
        x = 14 + 7 * i
        each = canvas.box(x, 28, wide, 6, fill="blue" if stays else "white", dashed=not stays)
        if stays:
            target = canvas.box(x - 3.5, 14, wide, 6, str(i // 2), fill="blue")
            canvas.arrow(each.bottom, target.top, width=1.0)
    canvas.text(
        54,
        37,
        "one of each two, drawn as the second: the model card does not say which",
        size=SMALL,
        colour=FAINT,
    )
    canvas.text(12.5, 31, "12 layers:\nMiniLM-L12", size=SMALL, bold=True, ha="right")
    canvas.text(12.5, 17, "6 blocks:\nMiniLM-L6", size=SMALL, bold=True, ha="right")
    canvas.text(12.5, 6, "and again?", size=SMALL, bold=True, ha="right")
    for i in range(6):
        stays = i in (0, 2, 4)
        name = str(i) if stays else ""
        canvas.box(17.5 + 14 * i, 3, wide, 6, name, fill="blue" if stays else "white", dashed=not stays)
