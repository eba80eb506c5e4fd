"""What several questions of the lesson share."""

import functools

import numpy as np

from course_lib.questions import Lesson

quantization = Lesson("quantization")


# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    @functools.wraps(function)
    def quietly(*arguments, **parts):
        with np.errstate(all="ignore"):
            return function(*arguments, **parts)

    return quietly


def _each(make, *parts):
    """One variant of a mistake for each part."""
    return tuple(make(part) for part in parts)
