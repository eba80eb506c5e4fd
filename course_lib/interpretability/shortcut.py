"""A cue that gives the label away: ratings such as 8/10 in a review's text."""

import re

# A number out of ten: "8/10", "7.5 / 10", "3 out of 10", "ten out of ten". Days such as 9/10 look the same.
_NUMBER = r"(?:10|[0-9](?:[.,][0-9])?|one|two|three|four|five|six|seven|eight|nine|ten)"
RATING = re.compile(rf"(?<![\w/.]){_NUMBER}\s*(?:/|out\s+of)\s*(?:10|ten)(?![\w/]|\.\d)", re.IGNORECASE)


def ratings(text):
    """What in a text looks like a number out of ten, a list of str."""
    return RATING.findall(text)


def replace_ratings(text, by=""):
    """The text with every rating replaced; by nothing, it is as if the writer had kept it to himself."""
    return RATING.sub(by, text)
