"""Lesson 13: three systems that people pay for, from data to a running service.

A module per product: `assistant` (which of many intents a question has, or none, and the reply to it), `news`
(the sentiment of financial statements in a stream), `recommendation` (films for users, by two towers);
`entities` finds names in sentences. `data` loads what they work on, `sources` finds and fetches it.
"""

import json
import pathlib

from course_lib.capstone import data

__all__ = ["data", "record"]


def record(name):
    """What a script in benchmarks/ recorded on the real data, as a dict.

    Args:
        name: `"assistant"`, `"news"` or `"recommendation"`: the script is benchmarks/capstone_NAME.py.
    """
    return json.loads(pathlib.Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
