"""Lesson 12's drawings."""

import itertools

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, drawing

NAMES = ("TensorFlow", "Keras", "JAX", "PyTorch", "PaddlePaddle")


@drawing(height=52)
def one_block_five_ways(canvas):
    """The same arrays go through five frameworks; outputs, gradients and trained weights are compared."""
    canvas.title("One computation, five spellings")
    numbers = canvas.matrix(4, 16.9, 5, 4, cell=3, fill="orange", name="18 arrays of weights")
    canvas.text(numbers.center[0], 14, "and one batch,\nmade by NumPy", size=SMALL, colour=FAINT, va="top")
    dialects = (
        "tf.nn.softmax(s)",
        "keras.ops.softmax(s)",
        "jax.nn.softmax(s)",
        "s.softmax(dim=-1)",
        "F.softmax(s)",
    )
    equal = canvas.circle(73, 24.4, 3, "=", size=14, bold=True, fill="green")
    for i, (name, code) in enumerate(zip(NAMES, dialects, strict=True)):
        y = 38 - 8.4 * i
        box = canvas.box(31, y, 30, 6.4, f"{name}\n{code}", fill="grey", size=SMALL)
        canvas.arrow(numbers.right, box.left, line="grey", width=1.0)
        canvas.arrow(box.right, equal, line="grey", width=1.0)
    for i, (name, near) in enumerate(
        (("outputs", "section 1"), ("gradients", "section 2"), ("weights after\nthree steps", "section 3"))
    ):
        y = 34 - 13 * i
        box = canvas.box(83, y, 16, 6.6, name, fill="green", size=SMALL, square=True)
        canvas.arrow(equal, box.left, line="green")
        canvas.text(91, y - 0.8, near, size=SMALL, colour=FAINT, va="top")


@drawing(height=57)
def three_ways_to_a_gradient(canvas):
    """A tape that records, a function made of a function, and tensors that know where they came from."""
    canvas.title("Who remembers what was computed?")
    for i, (who, idea, code) in enumerate(
        (
            (
                "TensorFlow",
                "a tape",
                "with tf.GradientTape() as tape:\n    value = loss(w)\ntape.gradient(value, w)",
            ),
            ("JAX", "nobody: a new function", "gradient = jax.grad(loss)\ngradient(w)"),
            ("PyTorch, PaddlePaddle", "each tensor", "value = loss(w)\nvalue.backward()\nw.grad"),
        )
    ):
        x = 1 + 33.5 * i
        canvas.text(x, 48, who, bold=True, ha="left", va="baseline")
        canvas.text(x, 44.6, idea, size=SMALL, colour=FAINT, ha="left", va="baseline")
        canvas.box(x, 1.5, 31, 11.5, fill="grey", square=True)
        canvas.text(x + 2, 7.2, code, size=SMALL, ha="left")
    for i, text in enumerate(("w · x", "softmax", "− log")):
        op = canvas.box(2, 36 - 8.5 * i, 11, 5, text, size=SMALL)
        note = canvas.box(20, 36 - 8.5 * i, 11, 5, f"{i + 1}. {text}", fill="orange", size=SMALL, square=True)
        canvas.arrow(op.right, note.left, line="orange", dashed=True)
    for y in (36, 27.5):
        canvas.arrow((7.5, y), (7.5, y - 3.5))
    canvas.arrow((32.2, 19.5), (32.2, 41), line="blue", width=2)
    canvas.text(25.5, 16.2, "the tape, played\nbackwards", size=SMALL, colour=LINES["blue"])
    first = canvas.box(37, 35, 12, 6, "loss(w)", size=SMALL)
    made = canvas.box(51.5, 18.5, 14, 6, "gradient(w)", fill="blue", size=SMALL)
    grad = canvas.circle(58.5, 38, 4.2, "jax.\ngrad", size=SMALL, fill="orange")
    canvas.arrow(first, grad)
    canvas.arrow(grad, made)
    canvas.text(43, 21.5, "a function\nas well", size=SMALL, colour=LINES["blue"])
    boxes = [
        canvas.box(72, 36 - 8.5 * i, 14, 5, text, fill="orange", size=SMALL, square=True)
        for i, text in enumerate(("w", "scores", "value"))
    ]
    for i, (one, other) in enumerate(itertools.pairwise(boxes)):
        canvas.arrow((76, one.y), (76, other.y + other.height))
        canvas.arrow((82, other.y + other.height), (82, one.y), line="blue", width=2)
        canvas.text(
            83.2,
            one.y - 1.75,
            ("softmax, back", "−log, back")[i],
            size=SMALL,
            colour=LINES["blue"],
            ha="left",
        )


@drawing(height=50)
def a_gradient_of_nothing(canvas):
    """A key's bias shifts all scores alike; softmax does not see it, and AdamW makes much of it."""
    canvas.title("A gradient that is only rounding, and what AdamW makes of it")
    before, after = np.array([2.0, 0.0, 1.0]), np.array([5.0, 3.0, 4.0])
    weights = np.exp(before) / np.exp(before).sum()
    for y, scores, text in ((33, before, "scores of a query"), (20, after, "with a bias of all keys")):
        row = canvas.matrix(4, y, 1, 3, cell=(6, 5), values=[[f"{each:.0f}" for each in scores]], fill="grey")
        canvas.text(4, y + 6.6, text, size=SMALL, ha="left")
        soft = canvas.box(30, y - 0.5, 12, 6, "softmax", size=SMALL)
        same = canvas.matrix(
            50, y, 1, 3, cell=(6, 5), values=[[f"{each:.2f}" for each in weights]], fill="green"
        )
        canvas.arrow(row, soft)
        canvas.arrow(soft, same)
    canvas.text(59, 29.3, "the same", size=SMALL, bold=True, colour=LINES["green"])
    canvas.text(13, 28.8, "+3 each", size=SMALL, bold=True, colour=LINES["red"], va="center")
    canvas.text(85, 36, "so the loss\ndoes not move:\ngradient 0", size=SMALL)
    canvas.arrow((69, 35.5), (76, 35.5), line="grey")
    canvas.line((1, 15.5), (99, 15.5), line="grey", dashed=True, width=1.0)
    found = canvas.box(2, 3, 22, 8.5, "float32 finds\n0.000000003", fill="orange", size=SMALL, square=True)
    divide = canvas.box(34, 3, 30, 8.5, "AdamW divides by the\ngradient's size plus ε", size=SMALL)
    step = canvas.box(
        74, 3, 24, 8.5, "up to a quarter step,\nits sign by chance", fill="red", size=SMALL, square=True
    )
    canvas.arrow(found, divide)
    canvas.arrow(divide, step)


@drawing(height=42)
def where_epsilon_stands(canvas):
    """Epsilon added after the correction, or before it, where it weighs up to 32 times as much."""
    canvas.title("The same epsilon, in two places")
    canvas.text(99, 38.6, "v: running mean of squared gradients", size=SMALL, colour=FAINT, ha="right")
    for x, who, formula, note, fill in (
        (
            2,
            "PyTorch, PaddlePaddle",
            r"$\sqrt{v / (1-\beta_2^t)} + \epsilon$",
            "first correct, then add",
            "green",
        ),
        (
            52,
            "Keras",
            r"$(\sqrt{v} + \epsilon) \; / \sqrt{1-\beta_2^t}$",
            "first add, then correct",
            "orange",
        ),
    ):
        canvas.text(x, 33, who, bold=True, ha="left")
        canvas.box(x, 19.5, 46, 10.5, formula, fill=fill, size=14, square=True)
        canvas.text(x + 23, 16.5, note, size=SMALL)
    canvas.text(2, 9.6, "Keras' epsilon, in the\nother's units", size=SMALL, ha="left")
    steps = [1, 10, 100, 1000, 10000]
    for i, step in enumerate(steps):
        x, factor = 31 + 13.6 * i, 1 / (1 - 0.999**step) ** 0.5
        canvas.box(
            x, 6.8, 12, 5.6, f"{factor:.{0 if factor > 9 else 1}f} ε", fill="orange", size=SMALL, square=True
        )
        canvas.text(x + 6, 4, f"step {step:,}", size=SMALL, colour=FAINT)


@drawing(height=52)
def eager_and_compiled(canvas):
    """Eager: Python asks for each operation. Compiled: the function is read once and runs as one program."""
    canvas.title("Line by line, or read once and run as one")
    names = ("matmul", "add", "softmax", "matmul", "add")
    canvas.text(1, 43, "eager: every time", bold=True, ha="left")
    for i, name in enumerate(names):
        x = 14 + 17 * i
        ask = canvas.box(x, 35.5, 14, 5, "Python asks", fill="orange", size=SMALL)
        do = canvas.box(x, 26.5, 14, 5, name, fill="blue", size=SMALL)
        canvas.arrow(ask, do)
        if i < 4:
            canvas.arrow((x + 14, 29), (x + 17.2, 37), line="grey", width=1.0)
    canvas.line((1, 23.2), (99, 23.2), line="grey", dashed=True, width=1.0)
    canvas.text(1, 19.6, "compiled: the first call", bold=True, ha="left")
    read = canvas.box(2, 4.5, 15, 10, "read the\nfunction:\na graph", fill="orange", size=SMALL)
    fuse = canvas.box(22, 4.5, 19, 10, "merge, order,\ntranslate: seconds", fill="red", size=SMALL)
    canvas.arrow(read, fuse)
    canvas.text(50, 19.6, "every later call", bold=True, ha="left")
    ask = canvas.box(50, 4.5, 13, 10, "Python asks\nonce", fill="orange", size=SMALL)
    run = canvas.box(
        69,
        4.5,
        28,
        10,
        "one program for all:\nmatmul + add + softmax +\nmatmul + add",
        fill="blue",
        size=SMALL,
    )
    canvas.arrow(fuse, ask)
    canvas.arrow(ask, run)
    canvas.text(99, 0.6, "another shape: read again", size=SMALL, colour=FAINT, ha="right", va="bottom")


@drawing(height=58)
def kernels_laid_out(canvas):
    """Kernels lie as (inputs, outputs) in Keras and Paddle, turned over and stacked in PyTorch."""
    canvas.title("The same kernel, by its name and layout")
    small = {"cell": (2.6, 2.6)}
    fills = {"q": "blue", "k": "orange", "v": "green"}
    canvas.text(1, 49, "Keras, PaddlePaddle", bold=True, ha="left")
    for i, (letter, fill) in enumerate(fills.items()):
        grid = canvas.matrix(7 + 16.5 * i, 30, 4, 4, fill=fill, name=letter, shape="32 × 32", **small)
        if not i:
            canvas.text(5.6, grid.center[1], "inputs", size=SMALL, colour=FAINT, rotation=90)
        canvas.text(grid.center[0], 28.6, "outputs", size=SMALL, colour=FAINT, va="top")
    canvas.text(1, 23, "Keras: attention/query/kernel, …/key/kernel, …", size=SMALL, ha="left")
    canvas.text(1, 19.5, "Paddle: self_attn.q_proj.weight, …k_proj.weight, …", size=SMALL, ha="left")
    canvas.text(66, 49, "PyTorch", bold=True, ha="left")
    stacked = np.repeat(list(fills.values()), 4)[:, None].repeat(4, axis=1)
    grid = canvas.matrix(72, 11.5, 12, 4, fill=stacked, shape="96 × 32", **small)
    for i, letter in enumerate(fills):
        canvas.text(84.2, 11.5 + 2.6 * (10 - 4 * i), rf"${letter}^⊤$", ha="left")
    canvas.text(70.6, grid.center[1], "outputs", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(grid.center[0], 10.2, "inputs", size=SMALL, colour=FAINT, va="top")
    canvas.text(77.2, 4.6, "self_attn.in_proj_weight", size=SMALL)
    canvas.arrow((56, 35.2), (69, 35.2), "turn, stack", line="grey")
    canvas.text(1, 11.6, "x @ W", bold=True, ha="left")
    canvas.text(12, 11.6, "reads the left layout as it is;", size=SMALL, ha="left")
    canvas.text(1, 7, "x @ W.T", bold=True, ha="left")
    canvas.text(12, 7, "is what torch.nn.Linear does. A square kernel", size=SMALL, ha="left")
    canvas.text(12, 3.6, "fits both ways, and no shape warns you.", size=SMALL, ha="left")


@drawing(height=52)
def ways_to_onnx(canvas):
    """Four frameworks have a converter that ends in a file for ONNX Runtime; JAX goes through another."""
    canvas.title("Many ways in, one runtime")
    ways = ("tf2onnx", "model.export", None, "torch.onnx.export", "paddle2onnx")
    file = canvas.box(64, 19.5, 13, 9, "encoder.onnx", fill="green", size=SMALL, square=True)
    boxes = {}
    for i, (name, way) in enumerate(zip(NAMES, ways, strict=True)):
        y = 38 - 8.4 * i
        boxes[name] = canvas.box(2, y, 19, 6, name, fill="orange", size=SMALL)
        if way:
            box = canvas.box(34, y, 21, 6, way, size=SMALL)
            canvas.arrow(boxes[name], box)
            canvas.arrow(box.right, file.left, line="grey")
    closed = canvas.box(34, 21.2, 21, 6, "jax2tf: a closed box", fill="red", size=SMALL, dashed=True)
    canvas.arrow(boxes["JAX"], closed, dashed=True)
    run = canvas.box(83, 19.5, 16, 9, "ONNX Runtime", fill="blue", size=SMALL)
    canvas.arrow(file, run)
    canvas.arrow((11.5, 27.2), (11.5, 29.6), line="blue", width=2)
    canvas.text(14, 28.5, "weights by name", size=SMALL, colour=LINES["blue"], ha="left")
