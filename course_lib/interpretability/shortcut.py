"""A cue that gives the label away: ratings such as 8/10 in a review's text."""

import json
import pathlib
import re

RECORD = pathlib.Path(__file__).with_name("shortcut.json")

# A number out of ten: "8/10", "7.5 / 10", "3 out of 10", "ten out of ten". Days such as 9/10 look the same.
_NUMBER = r"(?:10|[0-9](?:[.,][0-9])?|one|two|three|four|five|six|seven|eight|nine|ten)"
_RATING = re.compile(rf"(?<![\w/.]){_NUMBER}\s*(?:/|out\s+of)\s*(?:10|ten)(?![\w/]|\.\d)", re.IGNORECASE)


def ratings(text):
    """What in a text looks like a number out of ten, a list of str."""
    return _RATING.findall(text)


def replace_ratings(text, by=""):
    """The text with every rating replaced; by nothing, it is as if the writer had kept it to himself."""
    return _RATING.sub(by, text)


def shortcut_record(path=RECORD):
    """What benchmarks/shortcut.py recorded of the reviewer on test reviews, at most 256 tokens of each.

    Args:
        path: The file.

    Returns:
        Dict with `"rated"` and `"plain"`, the test reviews with and without a rating in their text. Each is
        a dict from a review's place in the test part to the log-odds of its versions by name.
    """
    found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    return {name: {int(i): each for i, each in found[name].items()} for name in ("rated", "plain")}
