"""Comparison 5: `course grade` against `nbgrader autograde` and `otter run`, on the same notebooks.

The notebooks answer lesson 01's questions, every second with a usual mistake, and hold the tests that the
others execute. The course judges a large class, the others the first few of it, as many at a time as there
are cores; every mark that two of them give must be the same. Start-up counts on all sides.
"""

import concurrent.futures
import json
import pathlib
import shutil
import tempfile
import zipfile

import grade_class
import harness

from course_lib import questions

TITLE = "Grading"
GOAL = 50.0
PACKAGES = ("course-lib", "tensorflow", "nbgrader", "otter-grader")
COMPARED = (
    "The course judges the class with one command; nbgrader and otter-grader get a process per core and the "
    "first notebooks of the class, with tests that execute the answers. All marks are the same, which is "
    'checked. In README.md, "Grading a class", nbgrader has one process, as its command has by itself: that '
    "ratio is another, and larger."
)
DEFAULTS = {"class": 1000, "nbgrader": 8, "otter": 4, "rounds": 3}
QUICK = {"class": 20, "nbgrader": 2, "otter": 2, "rounds": 1}
NAME = "01_attention.ipynb"

TESTS = {
    "attention.softmax": """
found = softmax(np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]]))
np.testing.assert_allclose(found, [[0.09003057, 0.24472847, 0.66524096], [1, 0, 0]], atol=1e-6)
""",
    "attention.scaled_dot_product": """
found = scaled_dot_product_attention(np.eye(2), np.eye(2), np.array([[1.0], [3.0]]))
np.testing.assert_allclose(found, [[1.6604769], [2.3395231]], atol=1e-6)
""",
    "attention.causal_mask": """
assert np.asarray(causal_mask(3)).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
""",
    "attention.split_heads": """
found = split_heads(np.arange(8.0).reshape(2, 4), 2)
np.testing.assert_allclose(found, [[[0, 1], [4, 5]], [[2, 3], [6, 7]]])
""",
    "attention.join_heads": """
assert np.asarray(join_heads(np.arange(8.0).reshape(2, 2, 2))).tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]
""",
    "attention.sinusoidal_positions": """
found = sinusoidal_positions(2, 4)
np.testing.assert_allclose(found, [[0, 1, 0, 1], [0.841471, 0.540302, 0.01, 0.99995]], atol=1e-5)
""",
    "attention.gradients": """
found = attention_gradients(np.eye(2), np.eye(2), np.eye(2), np.ones((2, 2)))
np.testing.assert_allclose(found[2], [[1, 1], [1, 1]], atol=1e-6)
""",
    "attention.multiplications": """
assert multiplications(4, 8) == 256
assert multiplications(4, 8, projections=True) == 1280
""",
}
QUESTIONS = [question for question in questions.topic("attention") if question.id in TESTS]


class Side:
    """Makes a class; subclasses grade its first `settings[self.count]` notebooks."""

    count = "class"

    def __init__(self, settings):
        self.size = settings[self.count]
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        tests = {name: text.strip() for name, text in TESTS.items()}
        grade_class.hand_in(self.folder, grade_class.NUMPY, self.size, tests)

    def submission(self, i):
        """The path of a learner's notebook, below the folder `submitted`."""
        return self.folder / "submitted" / f"learner{i:04d}" / "attention" / NAME


class Course(Side):
    """One command for the whole class."""

    def run(self, case, lap):
        output = self.folder / "grades"
        shutil.rmtree(output, ignore_errors=True)
        grade_class._run(
            self.folder, "course_lib.cli", "grade", "submitted", f"--output={output}", "--seed=1"
        )
        return output

    def answer(self, case, output):
        """For each notebook, whether each question was answered right."""
        found = {}
        for path in (output / "submissions").glob("*.json"):
            marks = {
                each["id"]: each["status"] == "right" for each in json.loads(path.read_text())["questions"]
            }
            learner = int(path.stem.partition("learner")[2][:4])
            found[learner] = [marks[question.id] for question in QUESTIONS]
        return found


class Nbgrader(Side):
    """`nbgrader autograde`, a course folder per core, each with its share of the class."""

    packages = ("nbgrader",)
    count = "nbgrader"

    def __init__(self, settings):
        super().__init__(settings)
        self.courses = [self.folder / f"course{core}" for core in range(min(harness.THREADS, self.size))]
        for core, course in enumerate(self.courses):
            (course / "source" / "attention").mkdir(parents=True)
            shutil.copy(self.submission(0), course / "source" / "attention" / NAME)
            for i in range(core, self.size, len(self.courses)):
                learner = self.submission(i).parent.parent
                shutil.copytree(learner, course / "submitted" / learner.name)
            grade_class._run(course, "nbgrader", "generate_assignment", "attention")

    def run(self, case, lap):
        """All of them."""
        with concurrent.futures.ThreadPoolExecutor(len(self.courses)) as pool:
            command = ("nbgrader", "autograde", "attention", "--force")
            list(pool.map(lambda course: grade_class._run(course, *command), self.courses))

    def answer(self, case, _):
        """As the course's."""
        from nbgrader.api import Gradebook

        found = {}
        for course in self.courses:
            with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
                for submission in book.assignment_submissions("attention"):
                    grades = {each.name: each for each in submission.notebooks[0].grades}
                    marks = [grades[f"{question.grade_id}-check"] for question in QUESTIONS]
                    learner = int(submission.student.id.removeprefix("learner"))
                    found[learner] = [each.auto_score == each.max_score for each in marks]
        return found


class Otter(Side):
    """`otter run`, a notebook per core at a time."""

    packages = ("otter",)
    count = "otter"

    def __init__(self, settings):
        super().__init__(settings)
        tests = self.folder / "tests"
        tests.mkdir()
        for question in QUESTIONS:
            (tests / f"{question.grade_id}.py").write_text(otter_test(question, TESTS[question.id].strip()))
        self.autograder = self.folder / "autograder.zip"
        options = [
            "-t",
            "tests",
            "-o",
            str(self.autograder),
            "--no-requirements",
            "--no-environment",
            "--no-config",
        ]
        grade_class._run(self.folder, "otter", "generate", *options)
        assert zipfile.is_zipfile(self.autograder)

    def run(self, case, lap):
        """All of them."""
        with concurrent.futures.ThreadPoolExecutor(harness.THREADS) as pool:
            list(pool.map(self._grade, range(self.size)))

    def _grade(self, i):
        folder = self.submission(i).parent
        options = ["-a", str(self.autograder), "-o", str(folder), "--no-logo", NAME]
        grade_class._run(folder, "otter", "run", *options)

    def answer(self, case, _):
        """As the course's."""
        found = {}
        for i in range(self.size):
            results = json.loads((self.submission(i).parent / "results.json").read_text())
            tests = [each for each in results["tests"] if "score" in each]  # The first one is a summary.
            scores = {each["name"]: each["score"] == each["max_score"] for each in tests}
            found[i] = [scores[question.grade_id] for question in QUESTIONS]
        return found


def otter_test(question, code):
    """A test file in otter's format, which has each statement as a doctest."""
    case = {"code": "\n".join(f">>> {line}" for line in code.splitlines()), "hidden": False, "locked": False}
    suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
    test = {"name": question.grade_id, "points": question.points, "suites": [suite]}
    return f"OK_FORMAT = True\ntest = {test!r}\n"


SIDES = {harness.COURSE: Course, "nbgrader": Nbgrader, "otter-grader": Otter}


def measure(settings, _):
    """The row of the table: milliseconds per notebook."""
    with harness.workers(SIDES, settings) as running:
        seconds, marks = harness.take_turns(running, "class", settings["rounds"], warmups=0)
    ours = marks[harness.COURSE]
    assert len(ours) == settings["class"]
    for name, theirs in marks.items():
        wrong = [learner for learner, each in theirs.items() if each != ours[learner]]
        if wrong or len(theirs) != settings[SIDES[name].count]:
            raise harness.DifferentWorkError(f"{name} marks {len(theirs)} notebooks, differently: {wrong}")
    each = {name: [taken / len(marks[name]) for taken in times] for name, times in seconds.items()}
    notes = {name: f"{len(marks[name]):,} notebooks" for name in marks}
    goals = {name: GOAL for name in each if name != harness.COURSE}
    return [harness.row("a notebook", each, goal=GOAL, goals=goals, scale=1e3, unit="ms", notes=notes)]
