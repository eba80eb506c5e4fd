"""How many submissions `course grade` judges in a second, and how many times as fast it is as nbgrader.

    python benchmarks/grade_class.py
    python benchmarks/grade_class.py --nbgrader 0 --size 500

Generates a class whose notebooks answer lesson 01's questions, half of them right and half with a usual
mistake, once with NumPy and once with Keras; grades each; and lets `nbgrader autograde` execute some of the
same notebooks on the same machine right after. Start-up counts on both sides: of the warm processes here, of
the kernels there.
"""

import argparse
import collections
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

from course_lib import questions, runtime

NUMPY = {
    "attention.softmax": """
def softmax(scores):
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
""",
    "attention.scaled_dot_product": """
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = query @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    return softmax(scores) @ value
""",
    "attention.causal_mask": """
def causal_mask(length):
    return np.arange(length)[:, None] >= np.arange(length)
""",
    "attention.split_heads": """
def split_heads(x, num_heads):
    parts = x.reshape(*x.shape[:-1], num_heads, x.shape[-1] // num_heads)
    return np.swapaxes(parts, -2, -3)
""",
    "attention.join_heads": """
def join_heads(x):
    x = np.swapaxes(x, -2, -3)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])
""",
    "attention.sinusoidal_positions": """
def sinusoidal_positions(length, depth):
    channels = np.arange(depth)
    angles = np.arange(length)[:, None] / 10000 ** ((channels - channels % 2) / depth)
    return np.where(channels % 2 == 0, np.sin(angles), np.cos(angles))
""",
    "attention.gradients": """
def attention_gradients(query, key, value, upstream):
    root = np.sqrt(query.shape[-1])
    weights = softmax(query @ key.T / root)
    change = upstream @ value.T
    scores = weights * (change - (weights * change).sum(axis=-1, keepdims=True)) / root
    return scores @ key, scores.T @ query, weights.T @ upstream
""",
    "attention.multiplications": """
def multiplications(length, depth, projections=False):
    return 2 * length**2 * depth + (4 * length * depth**2 if projections else 0)
""",
}
KERAS = NUMPY | {
    "attention.softmax": """
def softmax(scores):
    return keras.ops.softmax(scores, axis=-1)
""",
    "attention.scaled_dot_product": """
def scaled_dot_product_attention(query, key, value, mask=None):
    scores = keras.ops.matmul(query, np.swapaxes(key, -1, -2)) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = keras.ops.where(mask, scores, -1e9)
    return keras.ops.matmul(keras.ops.softmax(scores), value)
""",
    "attention.causal_mask": """
def causal_mask(length):
    return keras.ops.tril(keras.ops.ones((length, length), dtype="bool"))
""",
    "attention.split_heads": """
def split_heads(x, num_heads):
    parts = keras.ops.reshape(x, (*x.shape[:-1], num_heads, x.shape[-1] // num_heads))
    return keras.ops.swapaxes(parts, -2, -3)
""",
    "attention.gradients": """
def attention_gradients(query, key, value, upstream):
    query, key, value = map(tf.constant, (query, key, value))
    with tf.GradientTape() as tape:
        tape.watch((query, key, value))
        scores = tf.matmul(query, key, transpose_b=True) / query.shape[-1] ** 0.5
        result = tf.reduce_sum(tf.matmul(tf.nn.softmax(scores), value) * upstream)
    return tuple(tape.gradient(result, (query, key, value)))
""",
}
WRONG = {  # Every second learner has this answer instead.
    "attention.causal_mask": """
def causal_mask(length):
    return np.arange(length)[:, None] > np.arange(length)
""",
}


def notebook(answers, tests=None):
    """A submission with cells as nbgrader wants them: each answer, then a test (of `tests`, by question)."""
    asked = [question for question in questions.topic("attention") if question.id in answers]
    cells = [_cell(0, "import math\n\nimport numpy as np", "imports", locked=True)]
    if any("keras" in text for text in answers.values()):
        cells.append(_cell(1, "import keras\nimport tensorflow as tf", "frameworks", locked=True))
    for question in asked:
        cells.append(_cell(len(cells), answers[question.id].strip(), question.grade_id, solution=True))
        test = (tests or {}).get(question.id, f"assert callable({question.function})")
        cells.append(
            _cell(
                len(cells),
                test,
                f"{question.grade_id}-check",
                locked=True,
                grade=True,
                points=question.points,
            )
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _cell(number, source, name, **nbgrader):
    flags = {"grade": False, "locked": False, "solution": False, "schema_version": 3} | nbgrader
    return {
        "cell_type": "code",
        "id": f"cell-{number}",
        "metadata": {"nbgrader": flags | {"grade_id": name}},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def hand_in(folder, answers, size, tests=None):
    """Writes a class in nbgrader's layout."""
    for i in range(size):
        path = folder / "submitted" / f"learner{i:04d}" / "attention" / "01_attention.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook(answers | WRONG if i % 2 else answers, tests)))


def measure(folder, answers, size, jobs):
    """Grades a class with the `course` command; returns a dict of what was measured."""
    hand_in(folder, answers, size)
    output = folder / "grades"
    jobs = [f"--jobs={jobs}"] if jobs else []
    began = time.time()
    _run(folder, "course_lib.cli", "grade", "submitted", f"--output={output}", "--seed=1", *jobs)
    ended = time.time()
    results = list((output / "submissions").glob("*.json"))
    states = collections.Counter(
        mark["status"] for path in results for mark in json.loads(path.read_text())["questions"]
    )
    wrong = size // 2 * len(WRONG)
    assert states == {"right": size * len(answers) - wrong, "wrong": wrong}, states
    first = min(path.stat().st_mtime for path in results)
    return {
        "submissions": size,
        "seconds": ended - began,
        "submissions a second": size / (ended - began),
        "seconds until the first result": first - began,
        "submissions a second from then on": (size - 1) / (ended - first),
    }


def measure_nbgrader(folder, size):
    """Lets nbgrader execute the first notebooks of the class; returns a dict of what was measured."""
    source = folder / "source" / "attention"
    source.mkdir(parents=True)
    original = folder / "submitted" / "learner0000" / "attention" / "01_attention.ipynb"
    (source / original.name).write_bytes(original.read_bytes())
    _run(folder, "nbgrader", "generate_assignment", "attention")
    began = time.perf_counter()  # One command for all of them: its own start-up counts once.
    _run(folder, "nbgrader", "autograde", "attention", f"--student=learner000[0-{size - 1}]")
    seconds = time.perf_counter() - began
    done = len(list(folder.glob("autograded/*/attention/*.ipynb")))
    assert done == size, f"nbgrader graded {done} of {size} notebooks"
    return {"submissions": size, "seconds": seconds, "submissions a second": size / seconds}


def _run(folder, *arguments):
    command = [sys.executable, "-m", *arguments]
    # For nbgrader, which calls the `alembic` beside this interpreter by name.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{' '.join(arguments)}:\n{result.stderr[-3000:]}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=200, help="submissions with NumPy answers")
    parser.add_argument("--keras-size", type=int, default=60, help="submissions with Keras answers")
    parser.add_argument(
        "--nbgrader", type=int, default=5, choices=range(11), help="how many of them nbgrader grades, too"
    )
    parser.add_argument("--jobs", type=int, default=None, help="sandboxes at a time (default: one per core)")
    parser.add_argument("--results", type=pathlib.Path, help="JSON file to write")
    options = parser.parse_args()
    if options.nbgrader and importlib.util.find_spec("nbgrader") is None:
        parser.error("nbgrader is not installed: pip install -e '.[dev]', or pass --nbgrader 0")
    results = {"machine": runtime.cpu_name(), "Python": platform.python_version(), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as temporary:
        for name, answers, size in (("NumPy", NUMPY, options.size), ("Keras", KERAS, options.keras_size)):
            folder = pathlib.Path(temporary, name)
            results[name] = measure(folder, answers, size, options.jobs)
            count = min(options.nbgrader, size)
            if count:
                other = results[f"nbgrader, {name}"] = measure_nbgrader(folder, count)
                ratio = results[name]["submissions a second"] / other["submissions a second"]
                results[f"ratio, {name}"] = ratio
    print(json.dumps(results, indent=2))
    if options.results:
        options.results.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
