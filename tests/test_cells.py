"""Which cells of a notebook run when its answers are judged, and what is said of those that do not."""

import ast
import builtins
import copy
import types

import numpy as np
import pytest

from course_lib import imdb, questions
from course_lib.grading import cells, feedback

PLAIN = {
    # source: (what runs, what was left out)
    "x = 5 % 3": ("x = 5 % 3", []),
    "%%time\nx = 1": ("\nx = 1", ["%%time"]),
    "\n%%capture out\nx = 1": ("\n\nx = 1", ["%%capture"]),
    "%%bash\nrm -r x": ("", ["%%bash"]),
    "%matplotlib inline\nx = 1": ("None\nx = 1", ["%matplotlib"]),
    "%time x = 1": ("x = 1", ["%time"]),
    "%timeit -n 10 -r 3 f(x)": ("f(x)", ["%timeit"]),
    "files = !ls\ny = 2": ("files =None\ny = 2", ["!ls"]),
    "if a:\n    %pip install x\ny = 1": ("if a:\n    None\ny = 1", ["%pip"]),
    "def f():\n    !true\n    return 1": ("def f():\n    None\n    return 1", ["!true"]),
    "np.sum?\nx = 1": ("None\nx = 1", ["?"]),
    "?np.sum": ("None", ["?np"]),
}


@pytest.mark.parametrize("source", PLAIN)
def test_what_is_for_ipython_is_left_out_and_lines_keep_their_numbers(source):
    found = cells.plain(source)
    assert found == PLAIN[source]
    ast.parse(found[0])
    if not source.lstrip().startswith("%%bash"):
        assert found[0].count("\n") == source.count("\n")


def run(own, answers, asked=("f", "g")):
    """Runs answers, pairs of a name and a source, with the other cells; returns the namespace."""
    names = cells.namespace({"np": np})
    others = cells.Own(own, asked)
    for place, (_, source) in enumerate(answers):
        tree = ast.parse(cells.plain(source)[0])
        others.run(place, cells.loads(compile(tree, "cell", "exec")), names)
        exec(compile(cells.strip(tree, names), "cell", "exec"), names)
    return names


def test_an_answer_gets_what_it_uses_from_above_and_below():
    own = [
        (0, "import math as m\nBASE = m.floor(2.5)"),
        (1, "def helper(x):\n    return deeper(x) + BASE"),
        (1, "class Box:\n    size = 3\n\ndef deeper(x):\n    return x * Box.size"),
        (1, "broken ="),
    ]
    names = run(own, [("f", "def f(x): return helper(x)")])
    assert names["f"](5) == 17


def test_only_what_is_used_runs_and_an_error_stops_nothing():
    own = [
        (0, "ran = []\nfirst = ran.append(1) or 1/0"),
        (0, "unused = ran.append(2)"),
        (0, "for i in range(3): ran.append(3)"),
        (0, "print(undefined)"),
        (0, "other = 7"),
    ]
    names = run(own, [("f", "def f(): return first, ran, other")])
    assert names["ran"] == [1]
    assert names["other"] == 7
    assert "unused" not in names


def test_local_names_do_not_pull_in_cells():
    names = run([(0, "scores = 1 / 0\nseen = True")], [("f", "def f(scores): return scores.seen")])
    assert "scores" not in names
    assert "seen" not in names


def test_a_constant_that_changes_between_answers_has_the_value_of_its_place():
    own = [(0, "EPS = 1"), (1, "EPS = 2"), (2, "LATE = 3")]
    answers = [("f", "def f(): return EPS\nfirst = f()"), ("g", "def g(): return EPS + LATE\nsecond = g()")]
    names = run(own, answers)
    assert (names["first"], names["second"]) == (1, 5)


def test_functions_that_are_asked_for_come_from_their_own_cells():
    answers = [("f", "def f(): return 'the answer'"), ("g", "def g(): return f()")]
    names = run([(1, "def f(): return 'a try'")], answers)
    assert names["g"]() == "the answer"


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("try:\n    import re\nexcept ImportError:\n    re = None", {"re"}),
        ("if True:\n    x, (y, z) = 1, (2, 3)", {"x", "y", "z"}),
        ("if True:\n    x = 1\n    print(x)", set()),
        ("for x in y: pass", set()),
        ("import a.b, c as d", {"a", "d"}),
        ("async def f(): pass", {"f"}),
        ("x: int = 3", {"x"}),
    ],
)
def test_what_counts_as_a_definition(source, names):
    assert cells.binds(ast.parse(source).body[0]) == names


def test_what_is_of_the_course_says_so_when_it_is_used():
    names = run([(0, "from course_lib import imdb")], [("f", "def f(x): return imdb.clean(x)")])
    with pytest.raises(ImportError, match=r"An answer cannot use course_lib\.imdb"):
        names["f"]("a")
    assert names["check"]("imdb.clean", print) is False


CHANGES = [
    (np.arange(3), lambda x: x.__setitem__(0, 9), True),
    (np.arange(3), lambda x: x + 1, False),
    (np.array([np.nan, 1.0]), lambda x: None, False),
    ([1, [2, 3]], lambda x: x[1].append(4), True),
    ([1, [2, 3]], lambda x: None, False),
    ({"a": np.zeros(2)}, lambda x: x["a"].fill(1), True),
    ({"a": 1}, lambda x: x.pop("a"), True),
    ("text", lambda x: x.upper(), False),
    (None, lambda x: None, False),
]


@pytest.mark.parametrize(("value", "change", "expected"), CHANGES)
def test_changed_arguments_are_noticed(value, change, expected):
    after = copy.deepcopy(value)
    change(after)
    assert cells.changed((1, value), (1, after)) == ((1,) if expected else ())


def written(source, **scope):
    """A function as a notebook has it."""
    exec(source, scope)
    return scope["f"]


def test_in_the_notebook_the_course_and_input_cannot_be_used_for_the_time_of_a_call():
    f = written("def helper(x): return imdb.clean(x)\ndef f(x): return helper(x)", imdb=imdb)
    inside = written("def f(x):\n    from course_lib.imdb import clean\n    return clean(x)")
    asks = written("def f(x): return input(x)")
    kept = builtins.input, builtins.__import__
    for function, words in ((f, "imdb"), (inside, "imdb"), (asks, "input")):
        stopped = pytest.raises((ImportError, RuntimeError), match=words)
        with cells.closed_to(function), cells.no_input(), stopped:
            function("a")
    assert (builtins.input, builtins.__import__) == kept
    assert f("<b>a</b>") == inside("<b>a</b>") == "a"


def test_the_librarys_own_function_is_no_answer():
    found = feedback.examine(questions.get("imdb.clean"), imdb.clean)
    assert found.status == "wrong"
    assert "write it yourself" in found.lines[0][1]


def test_what_will_not_be_there_is_said_before_the_deadline():
    history = ["TABLE = {}", "for i in range(3):\n    SQUARES = i**2", "def helper(x): return x"]
    scope = {"TABLE": {}, "SQUARES": 4, "helper": abs, "np": np}
    answer = written("def f(x): return helper(x), TABLE, SQUARES, np.sum(x)", **scope)
    said = cells.remarks(answer, history)
    assert len(said) == 1
    assert said[0].startswith("`SQUARES` is neither defined nor plainly assigned")
    assert "without your files" in cells.remarks(written("def f(x): return open(x).read()"))[0]


def test_a_module_of_the_learners_own_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = types.ModuleType("mine")
    mine.__file__ = str(tmp_path / "mine.py")
    said = cells.remarks(written("def f(x): return mine.g(x)", mine=mine), ["import mine"])
    assert said == ["`course grade` gets this notebook only, not the file that `mine` was imported from."]


@pytest.mark.parametrize("value", [np.zeros((0, 4)), np.ones((2, 3)) / 2, [1.5, None], (2,), {"a": 1}])
def test_a_value_is_shown_as_one_that_can_be_typed(value):
    again = eval(feedback.literal(value), {"np": np})
    assert type(again) is type(value)
    assert np.shape(again) == np.shape(value)
    np.testing.assert_equal(again, value)
