"""How late a submission is, by what the platform says of it, and what that costs."""

import dataclasses
import datetime
import math

from course_lib.grading import identity

DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Late:
    """How late a submission is.

    Attributes:
        days: Late days, each begun one whole; 0 if it is in time or nothing is known.
        penalty: Points that this costs.
        weak: Whether it is known only from the date of a file.
        time: When it was handed in, if the platform says so.
        text: In words; empty if it is in time.
    """

    days: int = 0
    penalty: float = 0.0
    weak: bool = False
    time: str = ""
    text: str = ""


class Policy:
    """When a submission is late and what that costs.

    Args:
        after: A `datetime.datetime` with a zone, or a text as `identity.read_time` reads it, or None: then
            only what Canvas calls late is.
        percent: Percent of the points that can be had that each day costs.

    Raises:
        ValueError: If they do not fit.
    """

    def __init__(self, after=None, percent=0.0):
        self.after = identity.read_time(after) if isinstance(after, str) else after
        self.percent = float(percent)
        if not 0 <= self.percent <= 100:
            raise ValueError(f"The penalty must be from 0 to 100 percent a day. Received: {percent}")

    def late(self, submission, of):
        """How late a submission is of which `of` points can be had, as a `Late`."""
        time = "" if submission.weak or submission.time is None else submission.time.isoformat()
        learner = submission.learner
        if learner.platform == "canvas":  # It says LATE of what is, and nothing of the rest.
            if not learner.late:
                return Late()
            return Late(
                1, self._penalty(1, of), text="late, says Canvas, and not by how much: one day counted"
            )
        if self.after is None or submission.time is None or submission.time <= self.after:
            return Late(time=time)
        days = math.ceil((submission.time - self.after) / DAY)
        text = f"{days} day{'s' * (days > 1)}"
        if submission.weak:
            text += " by the date of the file, which a copy changes"
        return Late(days, self._penalty(days, of), submission.weak, time, text)

    def _penalty(self, days, of):
        return round(min(days * self.percent / 100, 1.0) * (of or 0), 2)
