"""benchmarks/reviewer.py: what folding keeps, held to NumPy."""

import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import reviewer

    yield reviewer
    sys.path.remove(str(ROOT / "benchmarks"))


def test_folding_keeps_a_change_of_low_rank_and_the_best_of_any_other(script):
    rng = np.random.default_rng(0)
    base = {"w": rng.normal(size=(30, 20)), "v": rng.normal(size=30), "same": rng.normal(size=(4, 4))}
    low = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 20))
    trained = {"w": base["w"] + low, "v": base["v"] + 0.01, "same": base["same"].copy()}
    trained |= {"head.weight": rng.normal(size=(2, 30)), "head.bias": rng.normal(size=2)}
    small = script.fold(trained, base, rank=3)
    assert set(small) == {"w.a", "w.b", "v.delta", "head.weight", "head.bias"}
    assert all(value.dtype == "float16" for value in small.values())
    assert small["w.a"].shape == (3, 20)
    found = small["w.b"].astype("float64") @ small["w.a"].astype("float64")
    np.testing.assert_allclose(found, low, atol=0.02)
    # Of a change of full rank the error is that of the singular values left out (Eckart and Young 1936).
    full = rng.normal(size=(30, 20))
    small = script.fold({"w": base["w"] + full}, {"w": base["w"]}, rank=5)
    found = small["w.b"].astype("float64") @ small["w.a"].astype("float64")
    left = np.linalg.svd(full, compute_uv=False)[5:]
    assert np.linalg.norm(full - found) == pytest.approx(np.sqrt(np.sum(left**2)), rel=1e-3)
