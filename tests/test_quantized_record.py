"""What benchmarks/quantized.py recorded, and how lesson 07 reads it."""

import importlib
import json
import pathlib
import sys

import numpy as np
import pytest

from course_lib import quantization
from course_lib.quantization.recorded import RECORD

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("quantized")
    sys.modules.pop("quantized")


def test_a_verdict_per_review_survives(script, tmp_path):
    right = np.random.default_rng(0).random(19) < 0.7
    point = {"accuracy": 0.0, "bytes": 5, "right": script.bits_of(right), "seconds": 0.0}
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({"points": {"a": point}, "settings": {"reviews": 19}}))
    (found,) = quantization.recorded(path).values()
    np.testing.assert_array_equal(found.right, right)
    assert found.accuracy == right.mean()
    assert found.bytes == 5


def test_the_record_is_complete_and_says_what_it_holds(script):
    points = json.loads(RECORD.read_text())["points"]
    names = {*script.FILES, *script.SPARED}
    assert {name for name in points if "bits" not in name} == names
    assert len(points) == len(names) + sum(len(widths) for widths in script.ROUNDED.values())
    for name, each in quantization.recorded().items():
        assert round(each.accuracy, 4) == points[name]["accuracy"]
        assert (each.bytes is None) == ("bits" in name)
