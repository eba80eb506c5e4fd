"""What runs in the learner's own notebook: begins a project, and writes the files that `check` reads."""

import csv
import hashlib
import json
import numbers
import pathlib
import re
import time

import numpy as np

from course_lib import runtime
from course_lib.grading.project.scores import METRICS, compare

TEMPLATE = pathlib.Path(__file__).parent
RESULTS = "results"


def begin(folder):
    """Makes a new folder with the notebook and the card to fill.

    Returns:
        The path of the notebook.

    Raises:
        FileExistsError: If the folder is there and holds something.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"There is something in {folder} already. Give a new folder.")
    card = (TEMPLATE / "card.md").read_text(encoding="utf-8")
    (folder / "CARD.md").write_text(card, encoding="utf-8")
    path = folder / "capstone.ipynb"
    path.write_text(json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def notebook():
    """The template as a notebook, as JSON's dicts and lists: each block of Python is a cell."""
    text = (TEMPLATE / "notebook.md").read_text(encoding="utf-8")
    cells = []
    for number, part in enumerate(re.split(r"^```(?:python)?\n", text, flags=re.MULTILINE)):
        cell = {
            "cell_type": "code" if number % 2 else "markdown",
            "id": f"p{number:03}",
            "metadata": {},
            "source": part.strip().splitlines(keepends=True),
        }
        cells.append(cell | ({"execution_count": None, "outputs": []} if number % 2 else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [cell for cell in cells if cell["source"]]
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def digest(example):
    """A name for an example, from its content: equal texts have the same, whatever their case and spaces.

    Raises:
        ValueError: If it is neither a str, nor bytes, nor an array of numbers, nor a number.
    """
    if isinstance(example, str):
        data = " ".join(example.casefold().split()).encode("utf-8", "surrogatepass")
    elif isinstance(example, bytes):
        data = example
    else:
        array = np.asarray(example)
        if array.dtype.kind not in "biufU":
            raise ValueError(
                "An example must be a text, bytes, or an array of numbers. Received: "
                f"{type(example).__name__}"
            )
        data = f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(data).hexdigest()[:16]


def shared(train, held_out):
    """Places of the held-out examples that are also among those of training, as a list of ints."""
    known = set(map(digest, train))
    return [place for place, example in enumerate(held_out) if digest(example) in known]


def save(folder, title, train, held_out, labels, predictions, baseline, metric="accuracy"):
    """Writes what a project is judged by into `folder/results`, and tells the scores.

    Args:
        folder: The project's.
        title: A few words.
        train: All examples that the model or a choice of yours has seen, those of validation included: texts,
            bytes, or arrays. Only digests of them are written.
        held_out: The examples of the test.
        labels: Their labels; numbers for `"mean_absolute_error"`.
        predictions: What your model says.
        baseline: What the baseline says.
        metric: `"accuracy"`, `"macro_f1"` or `"mean_absolute_error"`.

    Returns:
        A `scores.Comparison`.

    Raises:
        ValueError: If lengths differ, a held-out example is there twice, or the metric is not known.
    """
    if metric not in METRICS:
        raise ValueError(f"`metric` must be one of {', '.join(METRICS)}. Received: {metric!r}")
    lengths = [len(each) for each in (held_out, labels, predictions, baseline)]
    if len(set(lengths)) != 1 or not lengths[0]:
        raise ValueError(
            "`held_out`, `labels`, `predictions` and `baseline` must have one length, above 0. Received: "
            f"{lengths}"
        )
    ids = list(map(digest, held_out))
    if twice := len(ids) - len(set(ids)):
        raise ValueError(f"{twice} held-out examples are equal to another one: keep one of each.")
    values = [list(map(_written, each)) for each in (labels, predictions, baseline)]
    found = compare(*values, metric)
    place = pathlib.Path(folder) / RESULTS
    place.mkdir(exist_ok=True)
    for name, column in zip(("labels", "predictions", "baseline"), values, strict=True):
        _write_table(place / f"{name}.csv", ["id", "label"], zip(ids, column, strict=True))
    _write_table(place / "training.csv", ["id"], ([each] for each in dict.fromkeys(map(digest, train))))
    _write_json(place / "project.json", {"title": str(title), "metric": metric})
    return found


def measure(folder, predict, examples, rounds=30, yardstick=None):
    """Times your model, taking turns with a yardstick, and writes the times into `folder/results`.

    Args:
        folder: The project's.
        predict: Function of a list of examples.
        examples: Sequence of examples such as users send; each round takes the next, as a list of one.
        rounds: How many rounds count, at least 20. Three more come first, to warm up.
        yardstick: Function without arguments with which your model takes turns; default: the course's
            reviewer, in 8 bits, on a review of about 100 words.

    Returns:
        Float array of shape `(rounds, 2)`: seconds of your model and of the yardstick.
    """
    name = getattr(yardstick, "__name__", "a function") if yardstick else "the course's reviewer"
    yardstick = yardstick or _reviewer()
    seconds = []
    for number in range(rounds + 3):
        example = [examples[number % len(examples)]]
        times = [time.perf_counter()]
        predict(example)
        times.append(time.perf_counter())
        yardstick()
        times.append(time.perf_counter())
        seconds.append([max(each, 1e-9) for each in np.diff(times).tolist()])
    place = pathlib.Path(folder) / RESULTS
    place.mkdir(exist_ok=True)
    record = {"machine": runtime.cpu_name(), "yardstick": name, "seconds": seconds[3:]}
    _write_json(place / "latency.json", record)
    return np.array(seconds[3:])


def _reviewer():
    from course_lib import deployment, samples

    classifier = deployment.Classifier(deployment.reviewer_bundle())
    text = min((each.text for each in samples.load()), key=lambda text: abs(len(text.split()) - 100))
    return lambda: classifier(text)


def _written(label):
    """A label as it is written: 1, 1.0 and np.int64(1) alike."""
    label = label.item() if isinstance(label, np.generic) else label
    if isinstance(label, numbers.Real) and float(label).is_integer():
        return str(int(label))
    return str(label).strip()


def _write_table(path, header, rows):
    with runtime.atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_json(path, record):
    with runtime.atomic_write(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
