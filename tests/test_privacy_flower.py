"""Flower: a real server and real clients, processes on loopback, of which one leaves and one lies."""

import sys

import numpy as np
import pytest

from course_lib.privacy import federated, flower, heads, records


def clients():
    rng = np.random.default_rng(0)
    made = {}
    for name, size in {"short": 90, "middling": 60, "long": 30}.items():
        features = rng.normal(size=(size, 16)) / 4
        made[name] = features, (features.sum(axis=1) + rng.normal(0, 0.3, size) > 0).astype(int)
    return made


FAULTS = {"short": (2, "nonsense"), "long": (3, "leaves")}
AVERAGED = [["long", "middling", "short"], ["long", "middling"], ["middling", "short"], ["middling", "short"]]


def by_hand():
    """The same four rounds in one process."""
    weights, data = heads.head(16), clients()
    for names in AVERAGED:
        updates = [federated.local_training(weights, *data[name]) for name in names]
        weights = federated.average(updates, [len(data[name][1]) for name in names])
    return weights


def test_a_server_and_three_clients_average_as_by_hand(tmp_path):
    pytest.importorskip("flwr", reason="the extra `federated`")
    weights, history = flower.run(tmp_path, heads.head(16), clients(), 4, FAULTS, seconds=120)
    assert [each["averaged"] for each in history] == AVERAGED
    assert [each["rejected"] for each in history] == [[], ["short"], [], []]
    assert [each["lost"] for each in history] == [0, 0, 1, 0]
    np.testing.assert_allclose(weights[0], by_hand()[0], atol=1e-12)


def test_the_recorded_run_is_what_the_code_does():
    found = records.flower()
    assert [each["averaged"] for each in found["history"]] == AVERAGED
    np.testing.assert_allclose(found["weights"][0], by_hand()[0].ravel(), atol=1e-9)
    assert set(found["logs"]) == {"server", "short", "middling", "long"}


def test_without_flower_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "flwr", None)
    monkeypatch.setitem(sys.modules, "flwr.client", None)
    with pytest.raises(ImportError, match=r'pip install "course-lib\[federated\]"'):
        flower.run(tmp_path, heads.head(2), {}, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["client", "--folder", "x"],
        ["client", "--folder", "x", "--name", "a", "--fault", "2:sulks"],
        ["client", "--folder", "x", "--name", "a", "--fault", "leaves"],
        ["bystander", "--folder", "x"],
    ],
)
def test_a_command_line_that_cannot_be_meant(arguments, capsys):
    with pytest.raises(SystemExit):
        flower.main(arguments)
    assert capsys.readouterr().err
