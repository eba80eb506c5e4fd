"""What the three products work on: real data sets if they are here, and small samples that always are.

The samples were written by language models for this course, and are CC0: invented banks, firms, films and
people. They show how each product works; how well it works is measured on the real data.

Sources: Larson et al., "An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction", EMNLP
2019; Casanueva et al., "Efficient Intent Detection with Dual Sentence Encoders", NLP4ConvAI 2020; Malo et
al., "Good Debt or Bad Debt: Detecting Semantic Orientations in Economic Texts", JASIST 65(4), 2014; Harper
and Konstan, "The MovieLens Datasets: History and Context", ACM TiiS 5(4), 2015.
"""

import csv
import dataclasses
import importlib.resources
import io
import json

import numpy as np

from course_lib.capstone import sources

OUT = -1  # The label of a question that is out of scope.
SENTIMENTS = ("negative", "neutral", "positive")
SAMPLES = ("intents", "news", "ratings", "entities")


@dataclasses.dataclass(frozen=True)
class Texts:
    """Texts and their labels.

    Attributes:
        texts: Tuple of str.
        labels: Int32 array of shape `(len(texts),)`.
    """

    texts: tuple
    labels: np.ndarray

    def __len__(self):
        return len(self.texts)


@dataclasses.dataclass(frozen=True)
class Intents:
    """Questions to a service and what each is about.

    Attributes:
        name: Of the data set.
        real: False for a sample.
        classes: Names of the intents; a label is a place in it, or `OUT`.
        train: `Texts` to learn from.
        validation: `Texts` to choose by.
        test: `Texts` to report on.
        replies: Of the sample, what the service answers to each intent; None otherwise.
    """

    name: str
    real: bool
    classes: tuple
    train: Texts
    validation: Texts
    test: Texts
    replies: tuple | None = None


@dataclasses.dataclass(frozen=True)
class Statements:
    """Statements of financial news.

    Attributes:
        name: Of the data set.
        real: False for a sample.
        texts: Tuple of str, each once.
        labels: Int32 array `(n,)`: places in `SENTIMENTS`.
        agreement: Float32 array `(n,)`: at least this share of the annotators chose the label.
        votes: Of the sample, int32 array `(n, annotators)` of each annotator's label; None otherwise.
        dates: Of the sample, array `(n,)` of `datetime64[D]`, in order; None otherwise.
    """

    name: str
    real: bool
    texts: tuple
    labels: np.ndarray
    agreement: np.ndarray
    votes: np.ndarray | None = None
    dates: np.ndarray | None = None

    def __len__(self):
        return len(self.texts)


@dataclasses.dataclass(frozen=True)
class Ratings:
    """Ratings of films.

    Attributes:
        name: Of the data set.
        real: False for a sample.
        users: Int32 array `(n,)`, from 0.
        items: Int32 array `(n,)`: places in `titles`.
        ratings: Float32 array `(n,)`, 0.5 to 5 stars.
        times: Int64 array `(n,)`: seconds since 1970.
        titles: Tuple of str, of all films, rated or not.
        genres: Tuple of tuples of str, one per film.
        descriptions: Of the sample, a sentence per film; None otherwise.
    """

    name: str
    real: bool
    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    times: np.ndarray
    titles: tuple
    genres: tuple
    descriptions: tuple | None = None

    @property
    def user_count(self):
        """Number of users."""
        return int(self.users.max()) + 1

    @property
    def item_count(self):
        """Number of films, rated or not."""
        return len(self.titles)


@dataclasses.dataclass(frozen=True)
class Entities:
    """Sentences with the names in them.

    Attributes:
        name: Of the data set.
        real: False for a sample.
        train: Tuple of `(words, tags)`, both tuples of str; tags such as `"B-PER"`, `"I-PER"`, `"O"`.
        test: As `train`.
    """

    name: str
    real: bool
    train: tuple
    test: tuple


def clinc150():
    """CLINC150: 15,000 / 3,000 / 4,500 questions of 150 intents, and 100 / 100 / 1,000 out of scope.

    Returns:
        An `Intents`.

    Raises:
        fetch.DataError: If it is not here, or not as published; the message says what to do.
    """
    rows = json.loads(sources.read("clinc150")["data_full.json"])
    classes = tuple(sorted({intent for _, intent in rows["train"]}))
    number = {name: place for place, name in enumerate(classes)} | {"oos": OUT}

    def part(name):
        both = rows[name] + rows[f"oos_{name}"]
        return _texts((text, number[intent]) for text, intent in both)

    return Intents("CLINC150", True, classes, part("train"), part("val"), part("test"))


def banking77():
    """Banking77: 10,003 questions, of which every tenth of an intent is for validation, and 3,080 to test.

    Returns:
        An `Intents`. No question is out of scope.

    Raises:
        fetch.DataError: As `clinc150`.
    """
    files = sources.read("banking77")
    classes = tuple(json.loads(files["categories.json"]))
    number = {name: place for place, name in enumerate(classes)}

    def rows(name):
        lines = csv.DictReader(io.StringIO(files[name].decode("utf-8"), newline=""))
        return [(line["text"], number[line["category"]]) for line in lines]

    seen, parts = dict.fromkeys(number.values(), 0), ([], [])
    for text, label in rows("train.csv"):
        parts[seen[label] % 10 == 9].append((text, label))
        seen[label] += 1
    return Intents("Banking77", True, classes, *map(_texts, parts), _texts(rows("test.csv")))


def phrasebank():
    """Financial PhraseBank: the statements on whose sentiment at least three of four annotators agree.

    Returns:
        A `Statements`; `agreement` is 1 where all annotators agree, else 0.75.

    Raises:
        fetch.DataError: As `clinc150`.
    """
    files, found = sources.read("phrasebank"), {}
    for name, agreement in (("Sentences_AllAgree.txt", 1.0), ("Sentences_75Agree.txt", 0.75)):
        for line in files[name].decode("latin-1").splitlines():
            text, _, label = line.rpartition("@")
            found.setdefault(text, (SENTIMENTS.index(label), agreement))
    return _statements("Financial PhraseBank", True, ((text, *rest) for text, rest in found.items()))


def movielens():
    """MovieLens' small data set of October 2016: 100,004 ratings of 9,125 films by 671 users.

    Returns:
        A `Ratings`.

    Raises:
        fetch.DataError: As `clinc150`.
    """
    files = sources.read("movielens")
    films, ratings = (
        list(csv.DictReader(io.StringIO(files[name].decode("utf-8"), newline="")))
        for name in ("movies.csv", "ratings.csv")
    )
    place = {film["movieId"]: number for number, film in enumerate(films)}
    genres = [film["genres"].split("|") if film["genres"][0] != "(" else () for film in films]
    rows = (
        (int(each["userId"]) - 1, place[each["movieId"]], each["rating"], each["timestamp"])
        for each in ratings
    )
    return _ratings("MovieLens (small, 2016)", True, rows, [film["title"] for film in films], genres)


def sample(name):
    """A small sample that comes with the course.

    Args:
        name: `"intents"`, `"news"`, `"ratings"` or `"entities"`.

    Returns:
        An `Intents`, `Statements`, `Ratings` or `Entities`, with `real` False.

    Raises:
        ValueError: For another name.
    """
    if name not in SAMPLES:
        raise ValueError(f"The samples are {', '.join(SAMPLES)}. Received: {name!r}")
    text = importlib.resources.files("course_lib.capstone").joinpath("samples", f"{name}.json")
    found, title = json.loads(text.read_text(encoding="utf-8")), "sample written for the course"
    if name == "intents":
        parts = (_texts(map(tuple, found[part])) for part in ("train", "validation", "test"))
        return Intents(title, False, tuple(found["classes"]), *parts, tuple(found["replies"]))
    if name == "news":
        statements = _statements(title, False, found["rows"])
        votes, dates = np.array(found["votes"], "int32"), np.array(found["dates"], "datetime64[D]")
        return dataclasses.replace(statements, votes=votes, dates=dates)
    if name == "ratings":
        ratings = _ratings(title, False, found["ratings"], found["titles"], found["genres"])
        return dataclasses.replace(ratings, descriptions=tuple(found["descriptions"]))
    tagged = {
        part: tuple((tuple(words), tuple(tags)) for words, tags in found[part]) for part in ("train", "test")
    }
    return Entities(title, False, **tagged)


def _texts(rows):
    texts, labels = zip(*rows, strict=True)
    return Texts(texts, np.array(labels, "int32"))


def _statements(name, real, rows):
    texts, labels, agreement = zip(*rows, strict=True)
    return Statements(name, real, texts, np.array(labels, "int32"), np.array(agreement, "float32"))


def _ratings(name, real, rows, titles, genres):
    users, items, ratings, times = zip(*rows, strict=True)
    return Ratings(
        name,
        real,
        np.array(users, "int32"),
        np.array(items, "int32"),
        np.array(ratings, "float32"),
        np.array(times, "int64"),
        tuple(titles),
        tuple(map(tuple, genres)),
    )
