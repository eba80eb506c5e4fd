"""What several questions of the lesson share."""

import math

from course_lib.questions import Lesson

pretraining = Lesson("pretraining")


def _distinct(rng, *shape):
    """Scores between 0 and 1 in random order, evenly spread, so that no two are equal."""
    size = math.prod(shape)
    return (rng.permutation(size).reshape(shape) + 0.5) / size


def _weighted(losses, weights):
    return (losses * weights).sum() / weights.sum()
