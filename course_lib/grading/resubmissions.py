"""Decides which counts of several notebooks that one learner handed in for one lesson."""

import collections
import dataclasses

from course_lib.grading import identity


def compared(found):
    """Decides which of several submissions of one learner for one lesson counts.

    Args:
        found: List of `submissions.Submission`.

    Returns:
        The same list, in which others are `superseded` by the last, or all have a `warning` if nothing tells
        which it is; and a warning where two learners go by the same name.
    """
    groups, names = collections.defaultdict(list), collections.defaultdict(set)
    for index, submission in enumerate(found):
        names[submission.student.casefold()].add(submission.learner.key)
        if not submission.problem and submission.lesson:
            groups[submission.learner.key, submission.lesson].append(index)
    found = list(found)

    def warn(index, text):
        texts = filter(None, (found[index].warning, text))
        found[index] = dataclasses.replace(found[index], warning=" ".join(texts))

    for group in groups.values():
        last = [i for i in group if all(_later(found[i], found[j], i < j) for j in group if j != i)]
        for index in group if len(group) > 1 else ():
            if not last:
                warn(index, f"{len(group)} notebooks of this learner are of this lesson, and nothing tells "
                     "which is the last.")  # fmt: skip
            elif index == last[0]:
                warn(index, f"It counts in place of {len(group) - 1} of the same learner.")
            else:
                reason = f"A later one counts: {found[last[0]].source}"
                if found[index].sha256 == found[last[0]].sha256:
                    reason = f"It is the same notebook as {found[last[0]].source}"
                found[index] = dataclasses.replace(found[index], superseded=reason)
    for index, submission in enumerate(found):
        if len(names[submission.student.casefold()]) > 1:
            warn(index, "Another place gives the same name: make sure whose it is.")
        if submission.problem and any(
            other.learner.key == submission.learner.key and not other.problem and not other.superseded
            for other in found
        ):
            warn(index, "Another notebook of this learner could be read.")
    return found


def _later(one, other, first):
    """Whether a submission counts in place of another of the same learner; None if nothing tells."""
    if one.sha256 == other.sha256:
        return first
    if one.learner.platform == "canvas":
        return identity.later(one.learner, other.learner)
    if one.learner.platform not in ("moodle", "nbgrader") or None in (one.time, other.time):
        return None
    seconds = (one.time - other.time).total_seconds()
    # Moodle names no time; the dates of its files have the two seconds of a zip.
    if one.learner.platform == "nbgrader" and (one.weak or other.weak):
        return None
    return None if abs(seconds) < (2 if one.weak else 1e-6) else seconds > 0
