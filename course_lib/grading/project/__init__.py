"""A learner's own project: the folder that `course capstone` begins, and what `course check` measures of it.

`save` and `measure` run in the learner's notebook and write small files. `check` reads these, in the folder
or in a zip of it, and runs nothing of the learner's: anything in them may be missing, wrong or hostile.
docs/CAPSTONE.md is the rubric.
"""

from course_lib.grading.project.criteria import CRITERIA, Report, check, is_project
from course_lib.grading.project.files import Unreadable
from course_lib.grading.project.scores import METRICS, compare, score
from course_lib.grading.project.writing import begin, measure, save, shared

__all__ = [
    "CRITERIA",
    "METRICS",
    "Report",
    "Unreadable",
    "begin",
    "check",
    "compare",
    "is_project",
    "measure",
    "save",
    "score",
    "shared",
]
