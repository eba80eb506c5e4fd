"""Lesson 08: a bundle as a service that stays up, is watched, and keeps no text.

`course serve` runs it. A module per idea: `limits` (`Settings`, and the guard that enforces them),
`batching` (waiting texts run together), `metrics` (what Prometheus reads), `page` (for people), `app` (all
of it as one application), `server` (the process). `course page` writes the page that needs no service:
`static`, with the JavaScript that `packages` brings. `dialogue` is lesson 13's: an assistant that answers
questions or hands them over, with a page (`course assist`).
"""

from course_lib.serving import dialogue, static
from course_lib.serving.app import LOCAL_HOSTS, create_app
from course_lib.serving.limits import Settings
from course_lib.serving.page import PICTURE
from course_lib.serving.server import serve

__all__ = ["LOCAL_HOSTS", "PICTURE", "Settings", "create_app", "dialogue", "serve", "static"]
