"""Running answers and judging them: in the notebook (`check`), and from outside (`course grade`)."""


def calls(question_id):
    """The inputs that `check` uses, to look at one; see `course_lib.grading.feedback.calls`."""
    from course_lib.grading import feedback

    return feedback.calls(question_id)


def check(question_id, answer):
    """Marks an answer in the notebook; see `course_lib.grading.feedback.check`."""
    from course_lib.grading import feedback

    return feedback.check(question_id, answer)
