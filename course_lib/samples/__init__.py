"""The bundled reviews: written for this course, CC0. README.md beside this file is their data card."""

import dataclasses
import functools
import importlib.resources
import json

KINDS = ("plain", "negation", "contrast", "sarcasm", "mixed")


@dataclasses.dataclass(frozen=True)
class Review:
    """One bundled review.

    Attributes:
        id: Stable name, for example `"r0042"`.
        text: 30 to 120 words of English; now and then with `<br />`, as review sites store line breaks.
        label: 1 if the verdict is positive, else 0.
        kind: How the verdict is put: one of `KINDS`.
        film: The invented film it is about. Most have one review of each label; none has two of the same.
        split: `"train"`, `"validation"` or `"test"`; both reviews of a film are in the same one.
    """

    id: str
    text: str
    label: int
    kind: str
    film: str
    split: str


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What one annotator, who saw only the text, said of one review."""

    review: str
    annotator: str
    label: int
    kind: str


@dataclasses.dataclass(frozen=True)
class Product:
    """One bundled review of a product or a service: another domain than the films, to show drift.

    Attributes:
        id: Stable name, for example `"p0042"`.
        text: 5 to 60 words of English, here and there with typos, abbreviations or an emoji.
        label: 1 if the verdict is positive, else 0.
        product: What it is about, for example `"kettle"`. Each has one review of each label.
    """

    id: str
    text: str
    label: int
    product: str


def _lines(name):
    text = importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@functools.cache
def load():
    """All bundled reviews, as a tuple of `Review`, in a fixed mixed order."""
    return tuple(Review(**line) for line in _lines("reviews.jsonl"))


@functools.cache
def annotations():
    """Two annotators' independent judgements of the same 60 reviews, as a tuple of 120 `Annotation`s."""
    return tuple(Annotation(**line) for line in _lines("annotations.jsonl"))


@functools.cache
def products():
    """All bundled reviews of products and services, as a tuple of `Product`, in a fixed mixed order."""
    return tuple(Product(**line) for line in _lines("products.jsonl"))
