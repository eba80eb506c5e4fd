"""What prose says of a recorded measurement is what the record says."""

import importlib.util
import json
import math
import pathlib
import re

import nbformat

ROOT = pathlib.Path(__file__).parent.parent


def load(name):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record(name):
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())


def prose(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    book = nbformat.read(path, as_version=4)
    return "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")


README = ROOT / "benchmarks" / "README.md"
NOTEBOOKS = ROOT / "notebooks"
LESSON = NOTEBOOKS / "05_fine_tuning.ipynb"


def test_the_tables_of_the_sample_are_the_recorded_ones():
    rates, variants = load("fine_tune_sample").tables(record("fine_tune_sample")).split("\n\n")
    for row in [*rates.splitlines(), *variants.splitlines()]:
        assert row in prose(README).splitlines()
    for row in variants.splitlines():
        assert row in prose(LESSON).splitlines()


def test_the_lesson_uses_the_rate_that_was_chosen():
    best = load("fine_tune_sample").best_rate(record("fine_tune_sample"))
    book = nbformat.read(LESSON, as_version=4)
    knobs = next(cell.source for cell in book.cells if "PEAK = " in cell.source)
    namespace = {}
    exec(knobs, namespace)
    assert best == namespace["PEAK"]
    settings = load("fine_tune_sample")
    assert (namespace["EPOCHS"], namespace["BATCH"]) == (settings.EPOCHS, settings.BATCH)
    assert settings.FORM["sequence_length"] == namespace["LENGTH"]


def test_the_figures_of_imdb_are_the_recorded_ones():
    found = record("fine_tune_imdb")
    for name in ("linear", "fine_tuned"):
        low, high = found[name]["interval"]
        assert f"| {found[name]['accuracy']:.1%} ({low:.1%} to {high:.1%}) |" in prose(README)
    assert f"{found['fine_tuned']['minutes']:.1f} |" in prose(README)


def test_the_table_of_three_classifiers_is_the_recorded_one():
    rows = load("encoder_imdb").table(record("encoder_imdb")).splitlines()
    for path in (README, NOTEBOOKS / "03_transformer.ipynb"):
        assert set(rows) <= set(prose(path).splitlines())


def test_the_figures_of_pretraining_are_the_recorded_ones():
    found, long = record("pretrain_imdb"), record("pretrain_imdb_long")
    lesson = NOTEBOOKS / "04_pretraining.ipynb"
    rows = [row for row in load("pretrain_imdb").tables(found).splitlines() if row]
    for path in (README, lesson):
        assert set(rows) <= set(prose(path).splitlines())
    cells = [cell.source for cell in nbformat.read(lesson, as_version=4).cells]
    values = {}
    for cell in cells:
        for name in ("RECORDED = ", "RECORDED_ACCURACY = "):
            if name in cell:
                exec(cell[cell.index(name) :], values)
    shown = {"16 tokens, then 128": found, "128 tokens from the start": long}
    assert values["RECORDED"] == {
        name: " ".join(f"{row['loss']:.2f}" for row in run["pretraining"]["curve"])
        for name, run in shown.items()
    }
    assert (found["settings"]["part"], found["settings"]["short"], long["settings"]["short"]) == (400, 10, 0)
    for start, groups in values["RECORDED_ACCURACY"].items():
        for labels, group in zip(found["settings"]["labels"], groups, strict=True):
            runs = [run for run in found["runs"] if (run["labels"], run["start"]) == (labels, start)]
            for seed, accuracy in enumerate(group):
                best = max((r for r in runs if r["seed"] == seed), key=lambda r: r["validation"])
                assert best["test"] == accuracy
    last = found["pretraining"]["curve"][-1]
    text = " ".join(prose(lesson).split())
    assert f"After {last['minutes']:.0f} minutes" in text
    assert f"{last['val_accuracy']:.0%} and perplexity {math.exp(last['val_loss']):.0f}," in text
    assert f"right in {found['shared words']['share']:.0%} of the comparisons" in text
    unigram, plateau = found["unigram loss"], long["pretraining"]["curve"][-1]["loss"]
    assert f"the loss is {plateau:.2f} (a unigram's: {unigram:.2f})" in text
    for word in ("two", "actor", "great", "bad", "best"):
        assert f"*{word}*: {', '.join(found['neighbours'][word][:3])}" in text
    lesson_05 = load("fine_tune_sample").tables(record("fine_tune_sample"))
    for share in re.findall(
        r"reaches ([\d.]+%) in lesson 05, with the published ones ([\d.]+%)", text.replace(" %", "%")
    )[0]:
        assert share in lesson_05


def test_the_figures_of_grading_are_the_recorded_ones():
    found = record("grade_class")
    for name in ("NumPy", "Keras"):
        ours, theirs = found[name], found[f"nbgrader, {name}"]["submissions a second"]
        rates = (ours["submissions a second"], ours["submissions a second from then on"])
        cells = [name, f"{ours['submissions']:,}", *(f"{rate:.1f}" for rate in rates), f"{theirs:.2f}"]
        row = f"| {' | '.join(cells)} | {found[f'ratio, {name}']:.0f} |"
        assert row in prose(README).splitlines()
        assert f"{ours['seconds until the first result']:.0f}" in prose(README)


def test_the_table_of_compression_is_the_recorded_one():
    found = record("compression")
    rows = load("compression").table(found).splitlines()
    assert set(rows) <= set(prose(README).splitlines())
    lesson = (NOTEBOOKS / "08_deployment.ipynb").read_text(encoding="utf-8")
    for name, row in (
        ("Keras float32", "float32, Keras"),
        ("LiteRT float32", "float32, LiteRT"),
        ("8 bits", "int8 dynamic, LiteRT"),
        ("pruned, 8 bits", "structured and distilled, int8 dynamic, LiteRT"),
    ):
        ((accuracy, times),) = re.findall(rf'"{name}\\": \(([0-9.]+), ([0-9.]+)\)', lesson)
        (line,) = [each for each in rows if each.startswith(f"| {row} |")]
        assert f" {float(accuracy):.1%} (" in line
        assert f" {times} times as fast" in line
    for word in ("06_pruning", "07_quantization"):
        lines = prose(NOTEBOOKS / f"{word}.ipynb").splitlines()
        shown = [
            line
            for line in lines
            if line.startswith("| ") and line.endswith(("as fast |", "as slow |", "float32 |", "timed |"))
        ]
        assert len(shown) >= 4
        assert set(shown) <= set(rows)
    assert found["settings"]["test"] >= 2500
    base = found["rows"]["float32, Keras"]
    for name, size, loss in (
        ("int8 dynamic, LiteRT", 3.9, 0.005),
        ("4 bits in groups of 32, packed file", 7, 0.02),
        ("structured and distilled, int8 dynamic, LiteRT", 6, 0.01),
    ):
        row = found["rows"][name]
        assert base["megabytes"] / row["megabytes"] > size
        assert base["accuracy"] - row["accuracy"] < loss
