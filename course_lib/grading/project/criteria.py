"""What `course check` measures of a project, against docs/CAPSTONE.md."""

import dataclasses
import math
import pathlib
import re
import textwrap

import numpy as np

from course_lib.grading import identity
from course_lib.grading.project import files as reading
from course_lib.grading.project.files import Unreadable
from course_lib.grading.project.scores import METRICS, compare

# Criterion and points; the other 60 of 100 are a reader's.
CRITERIA = {"held-out data": 8, "score": 8, "comparison": 8, "size": 4, "latency": 6, "card": 6}
EXAMPLES, ROUNDS, WORDS = 100, 20, 25
MODEL_BYTES = 2 * 10**9
SECTIONS = ("Problem", "Data", "Baseline", "Model", "Results", "Limits", "Use")
UNITS = {"bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}


@dataclasses.dataclass(frozen=True)
class Line:
    """What is to be said of one criterion.

    Attributes:
        criterion: One of `CRITERIA`.
        met: Whether it is.
        found: What was measured, in sentences.
        missing: What is missing, in sentences; none if it is met.
    """

    criterion: str
    met: bool
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured of a project.

    Attributes:
        title: Of the project; empty if it says none.
        lines: A `Line` for each of `CRITERIA`.
    """

    title: str
    lines: tuple[Line, ...]

    @property
    def points(self):
        """Of the criteria that are met."""
        return sum(CRITERIA[line.criterion] for line in self.lines if line.met)

    @property
    def complete(self):
        """Whether all are."""
        return all(line.met for line in self.lines)

    def __str__(self):
        said = [self.title] if self.title else []
        for line in self.lines:
            points = f"{CRITERIA[line.criterion] if line.met else 0} of {CRITERIA[line.criterion]} points"
            said.append(f"{'✓' if line.met else '✗'} {line.criterion}: {points}")
            for sentence in (*line.found, *line.missing):
                said += textwrap.wrap(sentence, 96, initial_indent="    ", subsequent_indent="    ")
        total = sum(CRITERIA.values())
        said.append(
            f"{self.points} of {total} points that can be measured. The other {100 - total} are a reader's:"
        )
        said.append("docs/CAPSTONE.md in the course's repository says for what.")
        return "\n".join(said)


def is_project(path):
    """Whether a path names a project: a folder, a zip, or a notebook with a CARD.md beside it."""
    path = pathlib.Path(path)
    if path.suffix == ".ipynb":
        return path.with_name("CARD.md").is_file() and not re.match(r"\d\d_", path.name)
    return path.is_dir() or path.suffix.lower() == ".zip"


def check(path):
    """Measures a project. Nothing of it is run.

    Args:
        path: Its folder, a zip of that, or its notebook.

    Returns:
        A `Report`.

    Raises:
        ValueError: If there is no project, or it cannot be read at all.
    """
    path = pathlib.Path(path)
    with reading.opened(path.parent if path.suffix == ".ipynb" else path) as files:
        names = {**files.sizes, **files.others}
        if not any(name.startswith(("CARD.md", "results/", "model/")) for name in names):
            raise Unreadable(
                "there is no project, neither CARD.md nor a folder results. `course capstone FOLDER` begins "
                "one; of exercises, name the notebook."
            )
        sections, card_problem = _card(files)
        project, project_problem = _attempt(reading.record, files, "results/project.json")
        project = project or {}
        tables = _Tables(files)
        results = sections.get("Results", "")
        comparison, lines = None, [_held_out(tables)]
        if not tables.problems:
            comparison, problem = _attempt(_compare, tables, project, project_problem)
        else:
            problem = "The held-out data have to be right first."
        lines.append(_score(comparison, problem, results))
        lines.append(_comparison(comparison, results))
        lines.append(_size(files, results))
        lines.append(_latency(files, results))
        lines.append(_filled(sections, card_problem))
    title = project.get("title")
    return Report(identity.printable(title, 100) if isinstance(title, str) else "", tuple(lines))


def _attempt(function, *arguments):
    """What the function returns and an empty text, or None and why it could not be read."""
    try:
        return function(*arguments), ""
    except Unreadable as error:
        return None, str(error)


class _Tables:
    """The four tables of the held-out data, and what is wrong with them."""

    def __init__(self, files):
        self.problems, columns = [], ["id", "label"]
        self.labels = self._read(files, "labels", columns)
        self.ours = self._read(files, "predictions", columns)
        self.baseline = self._read(files, "baseline", columns)
        self.training = self._read(files, "training", columns[:1], reading.TRAINING_ROWS)
        names = {f"results/{name}.csv" for name in ("labels", "predictions", "baseline", "training")}
        if names - files.sizes.keys() - files.others.keys():
            self.problems.append("`project.save`, at the end of the notebook, writes all four.")
        for name, found in (("predictions", self.ours), ("baseline", self.baseline)):
            if found is not None and self.labels is not None and found.keys() != self.labels.keys():
                lost, more = len(self.labels.keys() - found.keys()), len(found.keys() - self.labels.keys())
                self.problems.append(
                    f"results/{name}.csv must have the ids of results/labels.csv: {lost} of them are "
                    f"missing, and {more} are not among them."
                )

    def _read(self, files, name, columns, rows=None):
        rows = rows or reading.ROWS
        found, problem = _attempt(reading.table, files, f"results/{name}.csv", columns, rows)
        self.problems += [problem] if problem else []
        return found


def _held_out(tables):
    missing = list(tables.problems)
    found = []
    if tables.labels is not None:
        count, kinds = len(tables.labels), len(set(tables.labels.values()))
        found.append(f"{count:,} held-out examples with {kinds:,} different labels.")
        if count < EXAMPLES:
            missing.append(f"Hold out at least {EXAMPLES} examples: of fewer, a score says little.")
        if kinds < 2:
            missing.append("All labels are the same: there is nothing to tell apart.")
        if tables.training is not None:
            both = len(tables.labels.keys() & tables.training.keys())
            found.append(f"{both:,} of them are among the {len(tables.training):,} of training.")
            if both:
                missing.append("What the model was trained on says nothing of new examples: take it out.")
            if not tables.training:
                missing.append("results/training.csv names no example: what was the model trained on?")
    return Line("held-out data", not missing, tuple(found), tuple(missing))


def _compare(tables, project, problem):
    if problem:
        raise Unreadable(problem)
    metric = project.get("metric")
    if not isinstance(metric, str) or metric not in METRICS:
        raise Unreadable(f"results/project.json: `metric` must be one of {', '.join(METRICS)}.")
    columns = [[each[key] for key in tables.labels] for each in (tables.labels, tables.ours, tables.baseline)]
    if not columns[0]:
        raise Unreadable("There is no held-out example.")
    if METRICS[metric][1]:
        columns = [[_number(value) for value in column] for column in columns]
    return compare(*columns, metric)


def _number(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e15:
        raise Unreadable(
            "For the mean absolute error all labels must be numbers. Received: "
            f"{identity.printable(text, 60)}"
        )
    return value


def _score(comparison, problem, results):
    if comparison is None:
        return Line("score", False, (), (problem,))
    share = comparison.metric != "mean_absolute_error"
    name = comparison.metric.replace("_", " ")
    scores = {"your model": comparison.score, "the baseline": comparison.baseline}
    shown = [f"{value:.1%}" if share else f"{value:.4g}" for value in scores.values()]
    found = f"Recomputed {name}: {shown[0]} by your model, {shown[1]} by the baseline."
    missing = [
        f"The card does not state {text} of {who} under ## Results."
        for (who, value), text in zip(scores.items(), shown, strict=True)
        if not states(results, value, share)
    ]
    return Line("score", not missing, (found,), tuple(missing))


def _comparison(comparison, results):
    if comparison is None:
        return Line("comparison", False, (), ("There are no scores to compare.",))
    low, high = comparison.low, comparison.high
    span = f"{low:+.4g} and {high:+.4g}"
    if comparison.metric != "mean_absolute_error":
        span = f"{100 * low:+.1f} and {100 * high:+.1f} percentage points"
    found = [f"Model less baseline: between {span} (95 %, paired bootstrap)."]
    if comparison.p_value is not None:
        found.append(
            f"Only the model is right on {comparison.only_ours:,} examples, only the baseline on "
            f"{comparison.only_baseline:,}: McNemar's p = {comparison.p_value:.2g}."
        )
    if comparison.better:
        return Line("comparison", True, (*found, "That is better than the baseline, outside chance."))
    if re.search(r"\b(in|with)in\s+chance\b", results, re.IGNORECASE):
        return Line("comparison", True, (*found, "Not better outside chance, and the card says so."))
    missing = (
        "That is not better than the baseline, outside chance. If it stays so, say in the card's section "
        "Results that the difference is within chance: an honest failure has all points.",
    )
    return Line("comparison", False, tuple(found), missing)


def _size(files, results):
    inside = {name: size for name, size in files.sizes.items() if name.startswith("model/")}
    others = [name for name in files.others if name == "model" or name.startswith("model/")]
    total = sum(inside.values())
    many = "1 file" if len(inside) == 1 else f"{len(inside):,} files"
    found = (f"The folder model holds {many} with {total:,} bytes.",) if inside else ()
    missing = []
    if not inside:
        missing.append(
            "There is no folder model with what a service would load: `export` in the notebook writes it."
        )
    missing += [f"{identity.printable(name, 80)} {files.others[name]}." for name in others[:3]]
    if total > MODEL_BYTES:
        missing.append(f"That is more than {MODEL_BYTES // 10**9} GB: compress it, as lessons 06 and 07 do.")
    elif inside and not states_size(results, total):
        missing.append(f"The card does not state the size, such as {_megabytes(total)}, under ## Results.")
    return Line("size", not missing, found, tuple(missing))


def _megabytes(total):
    return f"{total / 10**6:.1f} MB" if total >= 10**5 else f"{total:,} bytes"


def _latency(files, results):
    try:
        record = reading.record(files, "results/latency.json")
        seconds = _times(record.get("seconds"))
    except Unreadable as error:
        maker = "`project.measure`, at the end of the notebook, writes it."
        return Line("latency", False, (), (str(error), maker))
    names = {key: record.get(key) for key in ("machine", "yardstick")}
    missing = [
        f"results/latency.json: `{key}` must say which it was."
        for key, value in names.items()
        if not isinstance(value, str) or not value.strip()
    ]
    middle, late = 1000 * np.quantile(seconds[:, 0], [0.5, 0.95])
    ratio = float(np.median(seconds[:, 0] / seconds[:, 1]))
    machine, yardstick = (identity.printable(value, 80) for value in names.values())
    found = (
        f"{len(seconds)} rounds on {machine}, by your own clock: {middle:.3g} ms at the median, and "
        f"{late:.3g} ms or less in 95 of 100.",
        f"That is {ratio:.3g} times as long as {yardstick}, which took turns.",
    )
    if not missing and not (states(results, middle) or states(results, ratio)):
        missing.append(f"The card states neither {middle:.3g} ms nor {ratio:.3g} times under ## Results.")
    return Line("latency", not missing, found, tuple(missing))


def _times(pairs):
    good = (
        isinstance(pairs, list)
        and ROUNDS <= len(pairs) <= 100_000
        and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)
        and all(type(each) in (int, float) and 0 < each <= 3600 for pair in pairs for each in pair)
    )
    if not good:
        raise Unreadable(
            f"results/latency.json: `seconds` must hold at least {ROUNDS} pairs of times, of your model and "
            "of the yardstick."
        )
    return np.array(pairs, "float64")


def _card(files):
    """The card's sections by heading, and why it cannot be read, or an empty text."""
    text, problem = _attempt(reading.text, files, "CARD.md")
    if problem:
        there = "CARD.md" in files.sizes or "CARD.md" in files.others
        return {}, problem if there else f"{problem} `course capstone` with a new folder writes one to fill."
    text = re.sub(r"<!--.*?(?:-->|\Z)", " ", text, flags=re.DOTALL)  # What the template asks.
    sections, name = {}, None
    for line in text.splitlines():
        if heading := re.match(r"##[ \t]+([^#\s][^\n]{0,80})$", line.rstrip()):
            name = heading[1].strip().rstrip(":").capitalize()
            sections.setdefault(name, "")
        elif name is not None:
            sections[name] += f"{line}\n"
    return sections, ""


def _filled(sections, problem):
    if problem:
        return Line("card", False, (), (problem,))
    missing = []
    for name in SECTIONS:
        words = len(re.findall(r"\w+", sections.get(name, "")))
        if name not in sections:
            missing.append(f"CARD.md has no section ## {name}.")
        elif words < WORDS:
            missing.append(f"Its section {name} has {words} words of your own; write at least {WORDS}.")
    if "Data" in sections and not re.search(
        r"licen[cs]e|public domain|\bCC\b|\bCC0\b", sections["Data"], re.I
    ):
        missing.append("Its section Data does not say under which licence the data are.")
    words = sum(len(re.findall(r"\w+", text)) for text in sections.values())
    return Line(
        "card", not missing, (f"CARD.md has {words:,} words in {len(sections)} sections.",), tuple(missing)
    )


def states(text, value, share=False):
    """Whether a text states a number, rounded to as many digits as it gives.

    Args:
        text: Any text.
        value: The number.
        share: Whether it is one of all: then `86 %` and `0.86` state it, and `0.9` is too rough.
    """
    for number, percent in re.findall(
        r"(?<![\w.])(\d{1,12}(?:\.\d{1,12})?)(?![\d.]*\d)\s{0,2}(%?)", _plain(text)
    ):
        digits = len(number.partition(".")[2])
        if share and not percent and digits < 2:
            continue
        wanted = 100 * value if share and percent else value
        if abs(float(number) - wanted) <= 0.5 * 10.0**-digits + 1e-9:
            return True
    return False


def states_size(text, total):
    """Whether a text states a number of bytes, rounded to as many digits as it gives."""
    for number, unit in re.findall(
        r"(?<![\w.])(\d{1,12}(?:\.\d{1,12})?)\s{0,2}(bytes|[kMG]B)\b", _plain(text), re.IGNORECASE
    ):
        half = 0.5 * 10.0 ** -len(number.partition(".")[2])
        if abs(float(number) - total / UNITS[unit.lower()]) <= half + 1e-9:
            return True
    return False


def _plain(text):
    """Numbers without commas at the thousands."""
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
