"""What prose says of a recorded measurement is what the record says."""

import importlib
import json
import math
import pathlib
import sys

import nbformat
import numpy as np
import pytest

from course_lib import weights

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="module")
def _benchmarks_are_importable():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


def load(name):
    return importlib.import_module(name)


def record(name):
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())


def prose(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    book = nbformat.read(path, as_version=4)
    return "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")


def cells(path):
    return nbformat.read(path, as_version=4).cells


README = ROOT / "benchmarks" / "README.md"
NOTEBOOKS = ROOT / "notebooks"


def test_the_table_of_three_classifiers_is_the_recorded_one():
    rows = load("encoder_imdb").table(record("encoder_imdb")).splitlines()
    assert set(rows) <= set(prose(README).splitlines())
    # The lesson leaves out how long training took: the times are of another machine.
    without_time = {row.rsplit("|", 2)[0] + "|" for row in rows}
    assert without_time <= set(prose(NOTEBOOKS / "03_transformer.ipynb").splitlines())


def test_the_figures_of_pretraining_are_the_recorded_ones():
    found, long = record("pretrain_imdb"), record("pretrain_imdb_long")
    accuracies, fills = load("pretrain_imdb").tables(found).split("\n\n")
    lesson = NOTEBOOKS / "04_pretraining.ipynb"
    assert set(f"{accuracies}\n{fills}".splitlines()) <= set(prose(README).splitlines())
    assert set(accuracies.splitlines()) <= set(prose(lesson).splitlines())
    last, last_long = (run["pretraining"]["curve"][-1] for run in (found, long))
    assert (
        f"After {last['minutes']:.1f} minutes the masked loss on held-out reviews is {last['val_loss']:.2f}, "
        f"from 128 tokens on and after {last_long['minutes']:.1f} minutes {last_long['val_loss']:.2f}; a "
        f"unigram's is {found['unigram loss']:.2f}."
    ) in " ".join(prose(README).split())
    settings = found["settings"]
    tokens = settings["part"] * (settings["short"] * 64 * 16 + settings["long"] * 16 * 128)
    text = " ".join(prose(lesson).split())
    assert f"for {last['minutes']:.0f} minutes" in text
    perplexities = [math.exp(loss) for loss in (last["val_loss"], found["unigram loss"])]
    assert (
        "After {:.0f} million tokens it is undecided among {:.0f} tokens instead of {:.0f},".format(
            tokens / 1e6, *perplexities
        )
        in text
    )
    short = settings["short"]
    before, after = found["pretraining"]["curve"][short - 1 : short + 1]
    cliff = (math.exp(loss) for loss in (before["val_loss"], after["val_loss"]))
    assert "from {:.0f} to {:.0f} falls where".format(*cliff) in text
    assert f"the perplexity was down to {math.exp(before['loss']):.0f} already" in text
    tokens = long["settings"]["part"] * long["settings"]["long"] * 16 * 128
    perplexity = math.exp(last_long["val_loss"])
    assert f"still at {perplexity:.0f} after {tokens / 1e6:.0f} million tokens" in text
    assert found["pretraining"]["fills"]["This movie is a waste of [MASK]."][0][0] == "time"
    (shown,) = [cell.source for cell in cells(lesson) if "RECORDED_LOSSES = " in cell.source]
    curve = " ".join(f"{row['val_loss']:.2f}" for row in found["pretraining"]["curve"])
    assert curve in " ".join(shown.split())
    assert found["neighbours"]["bad"][0] == "good"
    assert "*good* is the token nearest to *bad*" in text


def test_the_figures_of_what_pretraining_buys_are_the_recorded_ones():
    script, found = load("pretraining_pays"), record("pretraining_pays")
    done = script.rows(found)
    values = {}
    for cell in cells(NOTEBOOKS / "04_pretraining.ipynb"):
        if "RECORDED = {" in cell.source:
            exec(cell.source, values)
    assert values["LABELS"] == tuple(script.EPOCHS)
    assert values["RECORDED"] == {
        name: [done[start, size, 0]["accuracy"] for size in script.EPOCHS if (start, size, 0) in done]
        for start, name in script.NAMES.items()
    }
    assert load("pages").filled("pretraining_pays") == script.table(found)


def test_the_figures_of_grading_are_the_recorded_ones():
    found = record("grade_class")
    for name in ("NumPy", "Keras"):
        ours, theirs = found[name], found[f"nbgrader, {name}"]["submissions a second"]
        rates = (ours["submissions a second"], ours["submissions a second from then on"])
        cells = [name, f"{ours['submissions']:,}", *(f"{rate:.1f}" for rate in rates), f"{theirs:.2f}"]
        row = f"| {' | '.join(cells)} | {found[f'ratio, {name}']:.0f} |"
        assert row in prose(README).splitlines()
        assert f"{ours['seconds until the first result']:.0f}" in prose(README)


def test_the_two_figures_of_grading_stand_together():
    (row,) = record("results")["grading"]["rows"]
    ours, theirs = row["times"]["course"], row["times"]["nbgrader"]
    text = " ".join(prose(README).split())
    assert (
        f"There it needs {theirs:,.0f} ms a notebook, {1e3 / theirs:.2f} a second, and the course {ours:.1f} "
        f"ms, {1e3 / ours:.1f} a second: the ratio is {row['ratios']['nbgrader']['ratio']:.1f}."
    ) in text


def test_the_figures_of_the_missed_goals_are_the_recorded_ones():
    results, text = record("results"), " ".join(prose(README).split())
    epoch = results["fine_tuning_epoch"]["rows"][0]["ratios"]
    half, full = epoch["Transformers, bfloat16"], epoch["Transformers, float32"]
    assert (
        f"{half['ratio']:.2f} times the Trainer in bfloat16 for a goal of 1.5; {full['ratio']:.2f} times"
        in text
    )
    assert f"at least {half['high']:.2f} and {full['high']:.2f} times as fast" in text
    assert "10.8 M weights learn, with the others 22.7 M" in results["fine_tuning_epoch"]["rows"][0]["what"]
    assert "The course trains 10.8 M weights and the Trainer 22.7 M" in text
    batch = results["inference"]["rows"][1]["ratios"]["Keras, float32"]["ratio"]
    assert f"{batch:.2f} times for a goal of 3" in text
    one, many = (row["ratios"] for row in results["pruned_inference"]["rows"])
    onnx = [found["ONNX Runtime, int8"]["ratio"] for found in (one, many)]
    assert f"{onnx[0]:.2f} times ONNX Runtime for one review and just under 2 for 32" in text
    assert 1.99 < onnx[1] < 2
    plain = [found["Keras, float32"]["ratio"] for found in (one, many)]
    assert f"{plain[0]:.2f} and {plain[1]:.2f} times Keras float32" in text
    notes = results["pruned_inference"]["rows"][0]["notes"]
    points = float(notes["Keras, float32"].rstrip("%")) - float(notes["course"].split("%")[0])
    assert f"at {points:.1f} points below float32" in text


def test_the_pages_of_the_reviewer_are_made_of_its_card():
    card, script = weights.reviewer_card(), load("reviewer")
    assert (weights.REVIEWER / "README.md").read_text(encoding="utf-8") == script.readme(card)
    assert load("pages").filled("reviewer") == script.tables(card)
    assert script.command(card["training"]) in prose(README)
    assert f"record build/reviewer --rank {card['rank']}\n" in prose(README)


def test_the_tables_of_the_learning_curve_are_the_recorded_ones():
    found = json.loads((weights.REVIEWER / "learning_curve.json").read_text(encoding="utf-8"))
    assert load("pages").filled("learning_curve") == load("learning_curve").tables(found)


def test_the_table_of_the_official_reviews_is_the_recorded_one():
    assert load("pages").filled("official") == load("official").table(record("official"))


def test_the_table_of_the_opened_corpus_is_the_recorded_one():
    assert load("pages").filled("open_corpus") == load("open_corpus").table(record("open_corpus"))


def test_tables_are_put_between_their_marks_only(tmp_path):
    pages, path = load("pages"), tmp_path / "page.md"
    path.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n")
    pages.fill("x", r"| \1 |", path)
    assert pages.filled("x", path) == r"| \1 |"
    assert pages.filled("y", path) == ""
    assert path.read_text() == "a\n<!-- x -->\n\n| \\1 |\n\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n"
    with pytest.raises(ValueError, match="no marks <!-- z -->"):
        pages.fill("z", "", path)


@pytest.mark.parametrize(
    ("won", "lost", "p", "words"),
    [
        (131, 111, 0.22, "p = 0.22, no difference that these reviews could show."),
        (160, 100, 0.0002, "p = 0.0002, the reviewer is better."),
        (100, 160, 0.0002, "p = 0.0002, TF-IDF is better."),
    ],
)
def test_a_difference_within_chance_is_called_that(won, lost, p, words):
    text = load("pages").versus({"only_reviewer": won, "only_tfidf": lost, "p": p})
    assert text.endswith(words)
    assert text.startswith(f"{won} reviews are judged right by the reviewer only, {lost} by TF-IDF only")


def test_a_learning_curve_is_told_with_its_spread_and_its_machines():
    where = {"precision": "float32", "backend": "tensorflow", "versions": {"Keras": "3.15.1"}}
    rows = [("tfidf", 100, 0.5, "CPU"), ("tfidf", 100, 0.6, "CPU"), ("random", 20_000, 0.75, "GPU")]
    rows += [("frozen", 100, accuracy, "CPU") for accuracy in (0.5, 0.6, 0.7)]
    results = [
        {"method": method, "size": size, "accuracy": accuracy, "seconds": 90, "device": device, **where}
        for method, size, accuracy, device in rows
    ]
    lines = load("learning_curve").tables({"results": results}).splitlines()
    assert lines[2:4] == [
        "| 100 | 55.0% (50.0% to 60.0%, 2 seeds) | 60.0% (50.0% to 70.0%) | not recorded | not recorded |",
        "| 20,000 | not recorded | not recorded | not recorded | 75.0% (one seed) |",
    ]
    assert lines[-2:] == [
        "| CPU | 3.15.1, tensorflow, float32 | TF-IDF: 100; frozen encoder: 100 | 5 | 8 |",
        "| GPU | 3.15.1, tensorflow, float32 | from random weights: 20,000 | 1 | 2 |",
    ]


def test_judging_the_official_reviews_goes_on_where_it_stood(monkeypatch, tmp_path):
    official = load("official")
    monkeypatch.setattr(official, "PART", 4)
    texts, seen = [str(i) for i in range(10)], []

    class Classifier:
        def logits(self, texts):
            seen.extend(texts)
            return np.array([[0, int(text) % 3 - 1] for text in texts])

    expected = [int(i % 3 == 2) for i in range(10)]
    found, minutes = official.judge(Classifier(), texts, tmp_path / "state")
    assert found.tolist() == expected
    assert minutes is not None
    (tmp_path / "state" / "00004.json").unlink()
    seen.clear()
    found, minutes = official.judge(Classifier(), texts, tmp_path / "state")
    assert (found.tolist(), seen) == (expected, texts[4:8])
    assert minutes is None  # It would be that of a part.


def test_the_official_figures_are_of_the_same_reviews():
    official = load("official")
    labels = np.array([0, 1] * 10)
    ours, theirs = labels.copy(), labels.copy()
    ours[:2] = 1 - ours[:2]
    theirs[1:6] = 1 - theirs[1:6]
    found = official.compare(labels, ours, theirs)
    assert (found["reviewer"]["correct"], found["tfidf"]["correct"], found["reviews"]) == (18, 15, 20)
    assert found["mcnemar"] == {"only_reviewer": 4, "only_tfidf": 1, "p": 0.38}
    found |= {"copies": 3, "minutes": 1.5, "machine": "M", "measured on": "1 May 2026"}
    lines = official.table(found).splitlines()
    assert lines[2].startswith("| the reviewer, 8-bit bundle | 90.0% (")
    assert "3 of these reviews" in lines[-1]


def test_a_corpus_that_opens_slowly_or_takes_much_misses_the_goal():
    rows = {
        name: {"seconds": seconds, "processor": seconds, "megabytes": megabytes}
        for name, seconds, megabytes in (
            ("good", [1.0, 1.5, 3.0], 300),
            ("slow", [2.0, 2.1, 2.2], 300),
            ("large", [1.0, 1.0, 1.0], 400),
            ("first", [13.2], 300),
        )
    }
    found = {"rows": rows, "machine": "M", "load before": 0.5, "measured on": "1 May 2026"}
    lines = load("open_corpus").table(found).splitlines()
    assert lines[2] == "| good | 1.50 (3.00) | 1.50 | 300 | yes |"
    assert [line.endswith("| no |") for line in lines[2:6]] == [False, True, True, True]
    assert lines[5].startswith("| first | 13.2, once |")
