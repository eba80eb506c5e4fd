"""What prose says of a recorded measurement is what the record says."""

import importlib.util
import json
import pathlib

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
LESSON = ROOT / "notebooks" / "05_fine_tuning.ipynb"


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


def test_the_figures_of_grading_are_the_recorded_ones():
    found = record("grade_class")
    for name in ("NumPy", "Keras"):
        ours, theirs = found[name], found[f"nbgrader, {name}"]["submissions a second"]
        rates = (ours["submissions a second"], ours["submissions a second from then on"])
        cells = [name, f"{ours['submissions']:,}", *(f"{rate:.1f}" for rate in rates), f"{theirs:.2f}"]
        row = f"| {' | '.join(cells)} | {found[f'ratio, {name}']:.0f} |"
        assert row in prose(README).splitlines()
        assert f"{ours['seconds until the first result']:.0f}" in prose(README)
