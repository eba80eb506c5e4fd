"""What several questions of the lesson share."""

from course_lib.questions import Lesson

deployment = Lesson("deployment")
