"""How late a submission is, by what the platform says of it, and what that costs."""

import dataclasses
import datetime
import math

from course_lib.grading import identity, tables

# As Moodle writes times in English, with commas and the hours of both kinds.
_MOODLE_FORMS = ("%A, %d %B %Y, %I:%M %p", "%A, %d %B %Y, %H:%M", "%A, %B %d, %Y, %I:%M %p")
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
        after: A `datetime.datetime`, which is this machine's time if it has no zone, or a text as
            `identity.read_time` reads it. None: then only what Canvas calls late is.
        percent: Percent of the points that can be had that each day costs.

    Raises:
        ValueError: If they do not fit.
    """

    def __init__(self, after=None, percent=0.0):
        self.after = identity.read_time(after) if isinstance(after, str) else after
        if isinstance(after, str) and ":" not in after:
            raise ValueError(f"Say the time of the day, too, such as {self.after:%Y-%m-%d}T23:59.")
        if self.after is not None and self.after.tzinfo is None:
            self.after = self.after.astimezone()
        self.percent = float(percent)
        if not 0 <= self.percent <= 100:
            raise ValueError(f"The penalty must be from 0 to 100 percent a day. Received: {percent}")

    def late(self, submission, of, person=None):
        """How late a submission is.

        Args:
            submission: A `submissions.Submission`.
            of: The points that can be had.
            person: Its `roster.Person`: Moodle's worksheet says when each handed in.

        Returns:
            A `Late`.
        """
        if listed := _listed(person):
            submission = dataclasses.replace(submission, time=listed, weak=False)
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


def _listed(person):
    """When Gradescope's list, or Moodle's if it is in English, says that a person handed in; else None."""
    if person and isinstance(created := person.row.get(":created_at"), datetime.datetime):
        return created if created.tzinfo else created.replace(tzinfo=datetime.UTC)
    name = tables.column(person.row, "lastmodifiedsubmission") if person else None
    for form in _MOODLE_FORMS if name else ():
        try:
            return datetime.datetime.strptime(person.row[name], form).astimezone()
        except (ValueError, OverflowError, OSError):
            continue
    return None
