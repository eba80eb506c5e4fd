"""Drift and calibration against evidently, river and scikit-learn, on the same data.

What the first two found is recorded in monitoring_reference.json by monitoring_reference.py.
"""

import importlib.util
import json
import pathlib

import numpy as np
import pytest
import sklearn.calibration

from course_lib import deployment

HERE = pathlib.Path(__file__).parent
SPEC = importlib.util.spec_from_file_location("monitoring_reference", HERE / "monitoring_reference.py")
reference = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(reference)
RECORD = json.loads(reference.RECORD.read_text(encoding="utf-8"))


def reported(before, after):
    monitor = deployment.DriftMonitor({"x": list(before)}, window=len(after))
    for value in after:
        monitor.add({"x": value})
    return monitor.report()["x"]


def test_the_record_has_every_case():
    assert set(RECORD["ks"]) == set(reference.samples())
    assert set(RECORD["psi"]) == set(reference.categories())


@pytest.mark.parametrize("name", RECORD["ks"])
def test_the_p_value_is_that_of_evidently_and_of_river(name):
    found = reported(*reference.samples()[name])
    for theirs in RECORD["ks"][name].values():
        assert found.p_value == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("name", RECORD["psi"])
def test_the_index_is_that_of_evidently_but_for_the_half_observation(name):
    counts = reference.categories()[name]
    theirs = RECORD["psi"][name]
    assert deployment.population_stability_index(*counts) == pytest.approx(theirs, rel=0.015, abs=1e-4)
    # The monitor's bins are the categories, too.
    before, after = (np.repeat(np.arange(len(each)), each) for each in counts)
    assert reported(before, after).psi == pytest.approx(theirs, rel=0.015, abs=1e-4)


def test_the_index_orders_what_the_tests_order():
    found = {name: reported(*pair).psi for name, pair in reference.samples().items()}
    assert found["the same"] < 0.01
    assert min(found["narrowed"], found["rounded"]) > max(found["skewed"], found["shifted"], 0.25)


def test_the_temperature_is_that_of_scikit_learn():
    logits, labels = reference.logits()
    assert deployment.fit_temperature(logits, labels) == pytest.approx(RECORD["temperature"], rel=1e-3)


@pytest.mark.parametrize("bins", [5, 10])
def test_the_calibration_error_is_that_of_scikit_learn_s_curve(bins):
    logits, labels = reference.logits()
    probabilities = deployment.softmax(logits)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    accuracies, confidences = sklearn.calibration.calibration_curve(right, confidence, n_bins=bins)
    counts = np.histogram(confidence, bins, (0, 1))[0]
    counts = counts[counts > 0]
    expected = np.sum(counts * np.abs(accuracies - confidences)) / counts.sum()
    error, rows = deployment.expected_calibration_error(probabilities, labels, bins)
    assert error == pytest.approx(expected, rel=1e-9)
    assert [count for *_, count in rows] == counts.tolist()
