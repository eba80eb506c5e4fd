"""Drawings of lesson 09: one training step, made larger, then shared."""

import itertools

import numpy as np

from course_lib.diagrams.canvas import FAINT, LINES, SMALL, Shape, drawing


@drawing(height=55)
def one_step(canvas):
    """One training step, and the four things that it keeps in memory: only one grows with the batch."""
    canvas.title("One training step, and what it keeps in memory")
    batch = canvas.box(3, 34, 11, 9, "a batch of\nreviews", fill="orange", square=True, size=SMALL)
    forward = canvas.box(22, 34, 13, 9, "forward", bold=True)
    loss = canvas.box(42, 34, 8, 9, "loss", square=True, size=SMALL)
    backward = canvas.box(57, 34, 13, 9, "backward", bold=True)
    update = canvas.box(81, 34, 16, 9, "update", bold=True)
    for one, other in itertools.pairwise((batch, forward, loss, backward, update)):
        canvas.arrow(one.right, other.left)
    canvas.box(3, 10, 17, 11, "weights\n4 bytes each", fill="blue", square=True, size=SMALL)
    canvas.box(28, 10, 29, 11, "activations\nof every layer", fill="orange", square=True, size=SMALL)
    canvas.box(62, 10, 15, 11, "gradients\n4 bytes each", fill="green", square=True, size=SMALL)
    canvas.box(81, 10, 16, 11, "AdamW's means\n2 × 4 bytes", fill="grey", square=True, size=SMALL)
    canvas.line((14, 21), (14, 27.5), (25, 27.5))
    canvas.arrow((25, 27.5), (25, 34))
    canvas.arrow((31, 34), (36, 21), line="orange")
    canvas.text(32, 26, "kept", size=SMALL, colour=LINES["orange"], ha="right")
    canvas.arrow((50, 21), (60, 34), line="orange")
    canvas.text(53.5, 30.5, "needed again", size=SMALL, colour=LINES["orange"], ha="right")
    canvas.arrow((66, 34), (68, 21), line="green")
    canvas.arrow((73, 21), (84, 34), line="green")
    canvas.arrow((88, 21), (88, 34))
    canvas.arrow((92, 34), (92, 21))
    canvas.line((89, 43), (89, 47.5), (1, 47.5), (1, 15.5))
    canvas.arrow((1, 15.5), (3, 15.5))
    canvas.text(48, 45.6, "new weights", size=SMALL, colour=FAINT)
    canvas.brace((3, 8.4), (20, 8.4), "the same for any batch")
    canvas.brace((28, 8.4), (57, 8.4), "grow with the batch")
    canvas.brace((62, 8.4), (97, 8.4), "the same for any batch")


@drawing(height=54)
def two_ceilings(canvas):
    """A roofline: few operations per byte are held up by memory, many by the arithmetic units."""
    canvas.title("Two ceilings: the memory's and the arithmetic's")
    left, low, ridge, high = 13.0, 12.0, 52.0, 40.0
    canvas.line((left, low + 4), (ridge, high), line="orange", width=3)
    canvas.line((ridge, high), (97, high), line="blue", width=3)
    canvas.line((ridge, low), (ridge, high), line="grey", dashed=True, width=1)
    canvas.arrow((left, low), (left, 46))
    canvas.arrow((left, low), (98, low))
    canvas.text(6, 28, "operations a second", size=SMALL, colour=FAINT, rotation=90)
    canvas.text(55, 3.4, "operations for each byte that is moved", size=SMALL, colour=FAINT)
    canvas.text(22, 10.2, "few: add two arrays", size=SMALL, va="top")
    canvas.text(84, 10.2, "many: multiply large matrices", size=SMALL, va="top")
    canvas.text(ridge, 10.2, "the ridge", size=SMALL, bold=True, va="top")
    canvas.text(
        15.5,
        37,
        "memory's ceiling:\nbytes a second ×\noperations per byte",
        size=SMALL,
        bold=True,
        ha="left",
        colour=LINES["orange"],
    )
    canvas.text(75, 43, "arithmetic's ceiling", size=SMALL, bold=True, colour=LINES["blue"])

    def ceiling(x):
        return low + 4 + (high - low - 4) * (x - left) / (ridge - left)

    for x, y in ((20, ceiling(20) - 1.4), (32, ceiling(32) - 2.2), (66, 37.2), (90, 38)):
        canvas.circle(x, y, 1.1, fill="orange" if x < ridge else "blue")
    canvas.circle(78, 22, 1.1, fill="red")
    canvas.arrow((78, 24), (78, 39), line="red", dashed=True)
    text = "below its ceiling: units idle,\npieces too small, waiting"
    canvas.text(76, 28, text, size=SMALL, colour=LINES["red"], ha="right")


@drawing(height=48)
def accumulation(canvas):
    """Four small batches one after the other, their gradients added up, and one update at the end."""
    canvas.title("Accumulation: four small batches in turn, one update")
    xs = (3, 22, 41, 60)
    for i, x in enumerate(xs):
        part = canvas.box(x, 33, 14, 6, "8 reviews", fill="orange", square=True, size=SMALL)
        step = canvas.box(x, 21, 14, 7, "forward,\nbackward", size=SMALL)
        total = canvas.box(x, 9, 14, 6, f"sum over {8 * (i + 1)}", fill="green", square=True, size=SMALL)
        canvas.arrow(part.bottom, step.top)
        canvas.arrow(step.bottom, total.top)
        if i:
            canvas.arrow((xs[i - 1] + 14, 12), (x, 12))
    update = canvas.box(83, 8, 14, 8, "one update", bold=True)
    canvas.arrow((74, 12), update.left)
    canvas.text(78.3, 13, "÷ 32", size=SMALL, va="bottom")
    canvas.text(88, 30, "the memory of 8,\nthe gradient of 32", bold=True)
    canvas.arrow((3, 5), (97, 5), line="grey")
    canvas.text(50, 2.4, "time", size=SMALL, colour=FAINT)


@drawing(height=66)
def recomputation(canvas):
    """Keep every block's activations, or only each block's input and compute the rest a second time."""
    canvas.title("Recomputation: keep each block's input, compute the rest again")
    rows = (
        (44, "usual", "forward keeps all"),
        (25, "instead", "forward keeps\nonly the inputs"),
        (6, "", "backward, at block 3:\nforward again from\nits input"),
    )
    for row, (y, name, text) in enumerate(rows):
        if name:
            canvas.text(2, y + 12.5, name, bold=True, ha="left")
        canvas.text(2, y + (8 if row == 0 else 7), text, size=SMALL, ha="left")
        for i in range(4):
            x = 29 + 18.5 * i
            done = row == 2 and i == 3
            block = canvas.box(
                x, y + 7, 13, 6, f"block {i + 1}", fill="grey" if done else "blue", size=SMALL, dashed=done
            )
            full = row == 0 or (row == 2 and i == 2)
            for j in range(4):
                fill = "orange" if full else "white"
                canvas.box(x + 3.35 * j, y, 2.95, 4.5, fill=fill, square=True, dashed=not full)
            if row == 0:
                canvas.arrow((x - 5.5, y + 10), block.left)
            elif not done:
                canvas.box(x - 4.6, y + 8, 2.4, 4, fill="orange", square=True)
                canvas.arrow((x - 2.2, y + 10), block.left)
            if row == 1 and i:
                canvas.line((x - 5.5, y + 10), (x - 4.6, y + 10))
        if row == 2:
            canvas.highlight(Shape(66 - 4.6, y - 0.6, 18.0, 14.2), pad=0.4)
    canvas.text(62.5, 2, "orange: in memory      dashed: thrown away", size=SMALL, colour=FAINT)
    canvas.text(92, 20.6, "done", size=SMALL, colour=FAINT)


@drawing(height=57)
def mixed_step(canvas):
    """A step in mixed precision: weights in float32, products in 16 bits, the loss scaled between them."""
    canvas.title("Mixed precision: compute in 16 bits, add up in 32")
    canvas.box(2, 25, 15, 9, "weights\nfloat32", fill="blue", square=True)
    copy = canvas.box(25, 39, 15, 9, "a copy\n16 bits", fill="blue", square=True)
    forward = canvas.box(48, 39, 14, 9, "forward\n16 bits", bold=True)
    loss = canvas.box(72, 39, 12, 9, "loss\nfloat32", square=True)
    scale = canvas.circle(92, 43.5, 3.2, "× S", fill="orange")
    backward = canvas.box(72, 11, 14, 9, "backward\n16 bits", bold=True)
    gradient = canvas.box(48, 11, 15, 9, "gradients × S\n16 bits", fill="green", square=True, size=SMALL)
    unscale = canvas.circle(38, 15.5, 3.2, "÷ S", fill="orange")
    update = canvas.box(19, 11, 13, 9, "update\nfloat32", bold=True)
    canvas.line((9.5, 34), (9.5, 43.5))
    canvas.arrow((9.5, 43.5), copy.left)
    for one, other in itertools.pairwise((copy, forward, loss, scale)):
        canvas.arrow(one.right, other.left)
    canvas.line((92, 40.3), (92, 15.5))
    canvas.arrow((92, 15.5), backward.right)
    for one, other in itertools.pairwise((backward, gradient, unscale, update)):
        canvas.arrow(one.left, other.right)
    canvas.line((19, 15.5), (9.5, 15.5))
    canvas.arrow((9.5, 15.5), (9.5, 25))
    canvas.arrow((55, 39), (75, 20), line="orange")
    canvas.text(63.5, 27, "activations,\nhalf as large", size=SMALL, colour=LINES["orange"], ha="right")
    text = "an infinite or undefined gradient: skip this update and halve S"
    canvas.text(55.5, 5, text, size=SMALL, colour=LINES["red"])
    canvas.arrow((55.5, 6.4), (55.5, 11), line="red", head=False)


@drawing(height=62)
def loss_scaling(canvas):
    """Small gradients fall below what float16 holds; multiplied by 2 to the 15th they all lie inside."""
    canvas.title("Loss scaling moves all gradients up, into what float16 can hold")

    def place(power):
        return 6 + 90 * (power + 45) / 65

    floor, ceiling = place(-24), place(16)
    powers = np.linspace(-41, -13, 200)
    heights = 11 * np.exp(-(((powers + 27) / 5.5) ** 2))
    for base, shift, name in ((34, 0, "gradients as they are"), (12, 15, "after the loss × 2¹⁵")):
        xs = np.array([place(power + shift) for power in powers])
        lost = xs < floor
        for part, line in ((lost, "red"), (~lost, "green")):
            if part.any():
                edge = np.flatnonzero(part)
                points = list(zip(xs[edge], base + heights[edge], strict=True))
                canvas.ax.fill_between(*zip(*points, strict=True), base, color=LINES[line], alpha=0.35, lw=0)
                canvas.line(*points, line=line, width=1.6)
        canvas.line((4, base), (98, base), width=1.0)
        canvas.text(2, base + 13.5, name, bold=True, ha="left")
    for power, name in ((-40, "2⁻⁴⁰"), (-24, "2⁻²⁴"), (0, "1"), (16, "2¹⁶")):
        canvas.line((place(power), 11.2), (place(power), 12.8), width=1.0)
        canvas.text(place(power), 10, name, size=SMALL, va="top")
    for x in (floor, ceiling):
        canvas.line((x, 12), (x, 50), line="grey", dashed=True, width=1.0)
    canvas.text((floor + ceiling) / 2, 52, "float16", size=SMALL, bold=True)
    canvas.arrow((52, 52), (floor, 52), line="grey")
    canvas.arrow((73, 52), (ceiling, 52), line="grey")
    canvas.text(place(-29.5), 37, "become 0", size=SMALL, bold=True)
    canvas.text(50, 3, "size of a gradient, in powers of two", size=SMALL, colour=FAINT)
    canvas.text(place(-45), 52, "below its smallest number", size=SMALL, colour=LINES["red"], ha="left")


@drawing(height=56)
def data_parallel(canvas):
    """Four workers with the same weights, a quarter of the batch each; their gradients are added up."""
    canvas.title("Data parallel: the same sum, side by side")
    canvas.box(2, 8, 9, 38, "32\nreviews", fill="orange", square=True)
    canvas.box(62, 8, 14, 38, "all-reduce:\nadd all,\ngive all\nthe sum", fill="grey", bold=True)
    for i in range(4):
        y = 38 - 10 * i
        part = canvas.box(17, y, 11, 8, "8 reviews", fill="orange", square=True, size=SMALL)
        step = canvas.box(33, y, 14, 8, f"worker {i}:\nall weights", fill="blue", size=SMALL)
        grad = canvas.box(51.5, y + 1.5, 6, 5, f"$g_{i}$", fill="green", square=True)
        new = canvas.box(82, y, 15, 8, f"worker {i}:\nthe same update", fill="blue", size=SMALL)
        canvas.arrow((11, y + 4), part.left)
        canvas.arrow(part.right, step.left)
        canvas.arrow(step.right, grad.left)
        canvas.arrow(grad.right, (62, y + 4))
        canvas.arrow((76, y + 4), new.left)
    canvas.text(50, 3, "only gradients travel: no reviews, no weights", size=SMALL, colour=FAINT)


@drawing(height=66)
def ring(canvas):
    """Four workers in a ring add up pieces of their gradients in three steps, and share them in three."""
    canvas.title("Ring all-reduce: pass a piece to the next worker, six times")
    count = 4
    have = np.ones((count, count), int)  # Of how many workers a worker holds the sum, for each piece.
    for step in range(2 * count - 1):
        row, column = divmod(step, count)
        x, y = (9 + 24 * column, 35) if row == 0 else (9 + 24 * (column + 1), 6)
        adding = step < count - 1
        sent = [(worker - step) % count for worker in range(count)]
        fills = np.where(have == count, "green", np.where(have == 1, "white", "orange"))
        grid = canvas.matrix(x, y, count, count, cell=(3.9, 4.2), fill=fills, values=have)
        name = f"after step {step}" if step else "start"
        canvas.text(grid.center[0], y + 18.4, name, size=SMALL, bold=True)
        for worker in range(count if step == 0 else 0):
            canvas.text(x - 1, grid.cell(worker, 0).center[1], f"worker {worker}", size=SMALL, ha="right")
        if step == 2 * (count - 1):
            break
        after = have.copy()
        for worker, piece in enumerate(sent):
            canvas.highlight(grid.cell(worker, piece), pad=-0.35)
            other = (worker + 1) % count
            after[other, piece] = have[worker, piece] + (have[other, piece] if adding else 0)
        have = after
    canvas.text(9, 57, "1  add up (reduce-scatter)", bold=True, ha="left")
    canvas.text(33, 28.4, "2  share (all-gather)", bold=True, ha="left")
    canvas.text(9 + 7.8, 33.6, "4 pieces of the gradient", size=SMALL, colour=FAINT, va="top")
    canvas.text(
        2,
        15,
        "number: the sum of\nhow many workers\n\nred frame: goes to\nthe next worker\n(3 sends to 0)",
        size=SMALL,
        ha="left",
    )


@drawing(height=58)
def split_kernels(canvas):
    """A feed-forward part on two devices: one kernel split by columns, the next by rows, then a sum."""
    canvas.title("Tensor parallel: each device holds half of both kernels")
    x = canvas.matrix(3, 24, 4, 2, cell=(3, 3), fill="orange", name="X", shape="n × d")
    plus = canvas.circle(82, 30, 2.4, "+", fill="grey")
    y = canvas.matrix(91, 24, 4, 2, cell=(3, 3), fill="orange", name="Y", shape="n × d")
    for device, low in ((0, 33), (1, 8)):
        canvas.box(15, low - 3.5, 59, 21, dashed=True)
        canvas.text(16.5, low + 15, f"device {device}", size=SMALL, bold=True, ha="left")
        look = {"cell": (3, 3), "size": SMALL}
        first = canvas.matrix(21, low + 3, 2, 3, fill="blue", **look)
        canvas.text(first.center[0], low + 11.2, f"columns {device + 1} of 2", size=SMALL)
        gelu = canvas.box(36, low + 3, 8, 6, "GELU", size=SMALL)
        hidden = canvas.matrix(48.5, low, 4, 3, fill="orange", **look)
        second = canvas.matrix(64, low + 1.5, 3, 2, fill="blue", **look)
        canvas.text(second.center[0], low + 13.4, f"rows {device + 1} of 2", size=SMALL)
        canvas.arrow(x.right, first.left)
        for one, other in itertools.pairwise((first, gelu, hidden, second)):
            canvas.arrow(one.right, other.left)
        canvas.arrow(second.right, plus)
    canvas.arrow(plus.right, y.left)
    canvas.text(83.5, 40.5, "all-reduce:\nadd up", size=SMALL)
    canvas.text(
        45,
        2,
        "nothing travels between the two products: GELU needs no other column",
        size=SMALL,
        colour=FAINT,
    )


@drawing(height=48)
def two_processes(canvas):
    """Two processes, each with a device and its half of the batch; gradients travel between them."""
    canvas.title("Two processes: each feeds its half, and both hold the same weights")
    batch = canvas.box(38, 35, 24, 6, "a batch of 32 reviews", fill="orange", square=True, size=SMALL)
    for process, left, half_at, device_at in ((0, 3, 6, 26), (1, 55, 80, 58)):
        canvas.box(left, 8, 42, 21, dashed=True)
        canvas.text(left + 21, 26, f"process {process}", bold=True)
        half = canvas.box(half_at, 13, 14, 6, "16 reviews", fill="orange", square=True, size=SMALL)
        device = canvas.box(device_at, 11.5, 16, 9, f"device {process}\nall weights", fill="blue", size=SMALL)
        canvas.arrow(half, device)
        side = batch.left if process == 0 else batch.right
        canvas.line(side, (half.center[0], side[1]))
        canvas.arrow((half.center[0], side[1]), half.top)
    canvas.arrow((42, 17), (58, 17), line="green")
    canvas.arrow((58, 15), (42, 15), line="green")
    canvas.text(50, 20, "gradients", size=SMALL, colour=LINES["green"])
    text = "one command each, told its number, how many there are and where number 0 listens"
    canvas.text(50, 3.5, text, size=SMALL, colour=FAINT)
