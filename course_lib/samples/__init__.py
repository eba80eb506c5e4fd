"""The challenge set: 642 reviews by how the verdict is put. CC0; README.md beside this is their data card.

Language models wrote them for this course, from briefs that asked for reviews in which single words do not
give the verdict away, and earlier drafts were replaced after measuring; so they show what a classifier fails
on, and not how often it fails. Nothing is ever trained on them.
"""

import dataclasses
import functools
import importlib.resources
import json

KINDS = ("plain", "negation", "contrast", "sarcasm", "mixed")


@dataclasses.dataclass(frozen=True)
class Review:
    """One review of the challenge set.

    Attributes:
        id: Stable name, for example `"r0042"`.
        text: 30 to 120 words of English; now and then with `<br />`, as review sites store line breaks.
        label: 1 if the verdict is positive, else 0.
        kind: How the verdict is put: one of `KINDS`.
        film: The invented film it is about. Most have one review of each label; none has two of the same.
    """

    id: str
    text: str
    label: int
    kind: str
    film: str


@functools.cache
def load():
    """All reviews, as a tuple of `Review`, in a fixed mixed order."""
    text = importlib.resources.files(__package__).joinpath("reviews.jsonl").read_text(encoding="utf-8")
    return tuple(Review(**json.loads(line)) for line in text.splitlines())
