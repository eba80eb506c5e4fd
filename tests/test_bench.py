"""The harness of `make bench`: turns, statistics, tables. No test looks at how long something took."""

import importlib
import json
import pathlib
import sys
import tomllib

import numpy as np
import pytest

from course_lib import weights

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="module")
def _benchmarks_are_importable():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def harness():
    return importlib.import_module("harness")


class Log:
    """A side that writes down when it is its turn."""

    def __init__(self, settings):
        self.path, self.name = pathlib.Path(settings["log"]), type(self).__name__

    def write(self, what):
        with self.path.open("a") as file:
            file.write(f"{self.name}{what} ")

    def run(self, case, lap):
        if case == "long":
            for part in "123":
                self.write(part)
                lap()
        self.write(".")
        return case

    def answer(self, case, outcome):
        return outcome.upper()


class Short(Log):
    """One with fewer laps."""

    def run(self, case, lap):
        self.write("1")
        lap()
        self.write(".")
        return case


class Broken(Log):
    def run(self, case, lap):
        raise ZeroDivisionError("no")


class Absent(Log):
    packages = ("json", "no_such_package")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def test_sides_take_turns_and_warm_up_first(harness, log):
    with harness.workers({"course": Log, "other": Short}, {"log": str(log)}) as running:
        del running["other"]
        seconds, answers = harness.take_turns(running, "quick", rounds=3, warmups=2)
    assert log.read_text().split() == ["Log."] * 5
    assert len(seconds["course"]) == 3
    assert answers == {"course": "QUICK"}

    log.unlink()
    with harness.workers({"course": Log, "again": Log}, {"log": str(log)}) as running:
        seconds, _ = harness.take_turns(running, "quick", rounds=2)
        assert all(worker.peak_gigabytes > 0 for worker in running.values())
    assert log.read_text().split() == ["Log."] * 6
    assert {name: len(each) for name, each in seconds.items()} == {"course": 2, "again": 2}


def test_laps_hand_the_machine_over(harness, log):
    with harness.workers({"course": Log, "other": Short}, {"log": str(log)}) as running:
        seconds, answers = harness.take_laps(running, "long")
    assert log.read_text().split() == ["Log1", "Short1", "Log2", "Short.", "Log3", "Log."]
    assert {name: len(each) for name, each in seconds.items()} == {"course": 4, "other": 2}
    assert answers == {"course": "LONG", "other": "LONG"}


def test_laps_are_no_rounds(harness, log):
    with (
        harness.workers({"course": Log}, {"log": str(log)}) as running,
        pytest.raises(harness.SideError, match="take_laps"),
    ):
        harness.take_turns(running, "long", rounds=1)


def test_an_error_comes_with_its_traceback(harness, log):
    with (
        harness.workers({"course": Log, "broken": Broken}, {"log": str(log)}) as running,
        pytest.raises(harness.SideError, match=r"(?s)broken: Traceback.*ZeroDivisionError"),
    ):
        harness.take_turns(running, "quick", rounds=1)


def test_what_is_not_installed_is_named_and_not_started(harness, log):
    assert harness.missing(Absent) == ["no_such_package"]
    assert harness.missing(Log) == []
    with harness.workers({"course": Log, "absent": Absent}, {"log": str(log)}) as running:
        assert list(running) == ["course"]


def test_a_ratio_is_of_pairs(harness):
    found = harness.ratio([1.0, 2.0, 4.0], [3.0, 4.0, 4.0])
    assert (found.median, found.low, found.high) == (2.0, 1.5, 2.5)
    assert harness.Spread.of([7.0]) == harness.Spread(7.0, 7.0, 7.0)
    numbers = np.random.default_rng(0).normal(size=20)
    spread = harness.Spread.of(numbers.tolist())
    np.testing.assert_allclose(
        [spread.low, spread.median, spread.high], np.percentile(numbers, [25, 50, 75]), rtol=1e-12
    )
    with pytest.raises(ValueError, match="zip"):
        harness.ratio([1.0], [1.0, 2.0])


def test_the_goal_is_against_the_fastest(harness):
    seconds = {"course": [1.0, 1.0, 1.0], "slow": [4.0, 5.0, 6.0], "fast": [2.0, 2.0, 3.0]}
    row = harness.row("it", seconds, goal=2.0, scale=1e3, unit="ms")
    assert (row["fastest"], row["goals"], row["rounds"]) == ("fast", {"fast": 2.0}, 3)
    assert row["times"] == {"course": 1000.0, "slow": 5000.0, "fast": 2000.0}
    assert row["ratios"]["slow"] == {"ratio": 5.0, "low": 4.5, "high": 5.5}
    assert harness.row("it", seconds, goal=2.0, goals={"slow": 50.0})["goals"] == {"slow": 50.0, "fast": 2.0}
    assert harness.row("it", seconds, goal=1.0, goals={"fast": 3.0})["goals"] == {"fast": 3.0}


def test_who_is_less_accurate_meets_and_sets_no_goal(harness):
    seconds = {"course": [1.0, 1.0], "fast": [2.0, 2.0], "slow": [4.0, 4.0]}
    rows = [harness.row("it", seconds, goal=1.0, unequal=names) for names in ([], ["fast"], ["course"])]
    assert [row["fastest"] for row in rows] == ["fast", "slow", "fast"]
    tables = [harness.table({"it": {"title": "It", "rows": [row], "absent": {}}}) for row in rows]
    assert [("met" in table, "**missed**" in table) for table in tables] == [
        (True, False),
        (True, False),
        (False, True),
    ]


def test_of_a_librarys_ways_those_with_float32s_labels_count():
    inference = importlib.import_module("inference")
    side = inference.Side.__new__(inference.Side)
    side.texts, side.settings = [str(number) for number in range(50)], {"batch": 8}

    def right(texts):
        return np.array([[0, int(text) % 3 - 1] for text in texts], "float32")

    def wrong(texts):  # And faster.
        return np.tile(np.float32([0, 1]), (len(texts), 1))

    for names in ({"right": right, "wrong": wrong}, {"wrong": wrong, "right": right}):
        assert side.choose(names, lambda way, texts: way(texts), right) == "right"
    assert side.choose({"wrong": wrong}, lambda way, texts: way(texts), right) == "wrong"


def test_laps_are_added_up(harness):
    row = harness.row("it", {"course": [1.0, 3.0], "other": [2.0, 3.0]}, goal=1.5, laps=True)
    assert row["times"] == {"course": 4.0, "other": 5.0}
    assert row["ratios"]["other"] == {"ratio": 1.25, "low": 1.25, "high": 1.75}
    table = harness.table({"it": {"title": "It", "rows": [row], "absent": {}}})
    assert "| 1.25 of sums (turns: 1.25 to 1.75) |" in table


def test_a_whisker_belongs_to_a_median(harness, monkeypatch, tmp_path):
    import matplotlib.axes

    drawn = []
    original = matplotlib.axes.Axes.plot
    monkeypatch.setattr(
        matplotlib.axes.Axes,
        "plot",
        lambda ax, x, y, **form: (drawn.append(x), original(ax, x, y, **form))[1],
    )
    seconds = {"course": [1.0, 1.0, 1.0], "other": [9.0, 2.0, 3.0]}
    for laps, expected in ((False, [[2.5, 6.0], [3.0, 3.0]]), (True, [[3.0, 3.0]])):
        row = harness.row("it", seconds, goal=3.0, laps=laps)
        drawn.clear()
        harness.plot({"it": {"title": "It", "rows": [row], "absent": {}}}, tmp_path / "it.png")
        assert drawn == expected


def results(harness):
    fast = harness.row(
        "one",
        {"course": [0.001, 0.001], "A": [0.003, 0.003], "B": [0.002, 0.002]},
        goal=3.0,
        scale=1e3,
        unit="ms",
        notes={"A": "90.0%"},
    )
    alone = harness.row("clone", {"course": [123.4]}, goal=None, notes={"course": "2.0 GiB"})
    return {
        "first": {"title": "First", "rows": [fast], "absent": {"C": ["c"]}},
        "second": {"title": "Second", "rows": [alone], "absent": {}},
    }


def test_the_table_says_what_was_met_missed_and_not_installed(harness):
    lines = harness.table(results(harness)).splitlines()
    assert lines[2:] == [
        "| First: one | A | | 1.00 ms | 3.00 ms, 90.0% | 3.00 (3.00 to 3.00) | |",
        "| First: one | B | 3 | 1.00 ms | 2.00 ms | 2.00 (2.00 to 2.00) | **missed** |",
        "| First: one | C | | 1.00 ms | not installed | | |",
        "| Second: clone | | | 123 s, 2.0 GiB | | | |",
    ]
    assert {line.count("|") for line in lines} == {8}


def test_results_survive_json_and_are_drawn_whole_or_not_at_all(harness, tmp_path):
    harness.write_json(tmp_path / "new" / "results.json", results(harness))
    known = json.loads((tmp_path / "new" / "results.json").read_text())
    assert harness.table(known) == harness.table(results(harness))
    harness.plot(known, tmp_path / "results.png")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "results.json",
        "results.png",
    ]


def test_different_work_is_refused(harness):
    harness.check_equal({"course": 1, "other": 1})
    with pytest.raises(harness.DifferentWorkError, match="other answered 2, the course 1"):
        harness.check_equal({"course": 1, "other": 2})


def test_the_page_is_made_of_the_recorded_results():
    path = ROOT / "benchmarks" / "results.json"
    if not path.is_file():
        pytest.skip("`make bench` has not been run yet")
    results = json.loads(path.read_text())
    page = importlib.import_module("bench").page(results)
    assert page == path.with_suffix(".md").read_text()
    for name, result in results.items():
        module = importlib.import_module(name)
        assert (result["title"], result["compared"]) == (module.TITLE, module.COMPARED)
        assert set(result["settings"]) == set(module.DEFAULTS)


def test_the_page_says_when_something_else_ran():
    bench = importlib.import_module("bench")
    result = {"title": "It", "compared": "All.", "rows": [], "absent": {}, "remarks": ["On a ship."]}
    result |= {"settings": {"a": 1}, "environment": {"machine": "M", "versions": {"Python": "3"}}}
    result |= {"minutes": 1, "measured on": "1 May 2026"}
    pages = [
        bench.page({"one": result | {"load before": load}, "two": result | {"load before": 0}})
        for load in (0.9, 2.3)
    ]
    assert ["The load before it" in page for page in pages] == [False, True]
    assert pages[1].count("was 2.3:") == 1
    assert pages[0].count("On a ship.") == 1


def test_rows_say_which_weights_learn_and_which_network_runs():
    epoch, pruned = (importlib.import_module(name) for name in ("fine_tuning_epoch", "pruned_inference"))
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    (row,) = results["fine_tuning_epoch"]["rows"]
    assert row["what"] == epoch.what(epoch.DEFAULTS)
    for row in results["pruned_inference"]["rows"]:
        assert row["what"].endswith(pruned.network(pruned.DEFAULTS))
    assert pruned.network(pruned.DEFAULTS) == "; 2/3 of the heads and 1/2 of the neurons, with the others all"


def test_the_weights_that_learn_are_those_of_the_published_file():
    import safetensors

    epoch = importlib.import_module("fine_tuning_epoch")
    with safetensors.safe_open(weights.find().folder / "model.safetensors", "np") as file:
        sizes = {name: int(np.prod(file.get_slice(name).get_shape())) for name in file.keys()}  # noqa: SIM118
    sizes = {name: size for name, size in sizes.items() if "position_ids" not in name}
    frozen = sizes["embeddings.word_embeddings.weight"]
    pooler = sum(size for name, size in sizes.items() if name.startswith("pooler."))
    head = 2 * weights.CONFIG["hidden_size"] + 2
    everything = sum(sizes.values()) + head
    assert epoch.learning_weights(weights.CONFIG) == (everything - frozen - pooler, everything)


def test_every_comparison_has_what_the_entry_needs(harness):
    bench = importlib.import_module("bench")
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["bench"]
    assert {"torch", "transformers", "onnxruntime", "nbgrader", "otter-grader"} <= {
        each.split(">")[0] for each in extra
    }
    for name in bench.COMPARISONS:
        module = importlib.import_module(name)
        assert module.TITLE
        assert set(module.QUICK) <= set(module.DEFAULTS)
        assert callable(module.measure)
        assert not module.SIDES or harness.COURSE in module.SIDES
        assert module.COMPARED.endswith(".")


def test_the_tests_of_the_graded_notebooks_tell_right_from_wrong():
    grading, grade_class = (importlib.import_module(name) for name in ("grading", "grade_class"))
    right = {"np": np}
    for answer in grade_class.NUMPY.values():
        exec(answer, right)
    for question in grading.QUESTIONS:
        exec(grading.TESTS[question.id], right)
    for name, answer in grade_class.WRONG.items():
        wrong = dict(right)
        exec(answer, wrong)
        with pytest.raises(AssertionError):
            exec(grading.TESTS[name], wrong)
    assert [question.id for question in grading.QUESTIONS] == list(grade_class.NUMPY)


def test_a_test_of_otter_is_a_doctest_of_the_same_code():
    grading = importlib.import_module("grading")
    question = grading.QUESTIONS[0]
    found = {}
    exec(grading.otter_test(question, "a = 1\nassert a"), found)
    (suite,) = found["test"]["suites"]
    assert suite["cases"][0]["code"] == ">>> a = 1\n>>> assert a"
    assert found["test"]["name"] == question.grade_id
