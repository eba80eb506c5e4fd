"""What `benchmarks/pruning_curves.py` recorded for lesson 06, and the script itself."""

import importlib
import pathlib
import sys
import types

import numpy as np
import pytest

from course_lib import pruning

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def script():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("pruning_curves")
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_record_agrees_with_itself(script):
    record = pruning.curves()
    bench = types.SimpleNamespace(steps=100, student=None)
    assert set(record["rows"]) <= {name for name, _ in script.plan(bench)}
    for name, row in record["rows"].items():
        reviews = script.VALIDATION if name.startswith("validation") else script.TEST
        assert len(row["right"]) == row["reviews"] == reviews
        assert row["right"].mean() == pytest.approx(row["accuracy"])
        assert 0 < row["nonzero"] <= row["parameters"]
    assert {len(kept) for kept in record["importance"]["neurons"].values()} == {768}
    assert {len(heads) for heads in record["importance"]["heads"].values()} == {12}
    assert record["settings"]["steps"] == script.STEPS


def test_bits_survive_packing(script):
    bits = np.random.default_rng(0).random(1_001) < 0.5
    assert np.array_equal(script.unpacked(script.packed(bits), 1_001), bits)


def test_a_row_says_what_was_judged_right(script, monkeypatch):
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]])
    bench = types.SimpleNamespace(logits=lambda model, split: logits, y={"test": np.array([0, 1, 1])})
    monkeypatch.setattr(script.pruning, "count", lambda model: (10, 7))
    row = script.entry(bench, None, sized=False)
    assert (row["accuracy"], row["nonzero"], row["megabytes"]) == (pytest.approx(2 / 3), 7, None)
    assert script.unpacked(row["right"], 3).tolist() == [True, True, False]
    assert row["loss"] == pytest.approx(
        np.mean([np.log1p(np.exp(-2)), np.log1p(np.exp(-1)), np.log1p(np.exp(2))]), abs=1e-4
    )
