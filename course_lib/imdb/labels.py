"""Labels from people: sentences with every rater's score, agreement beyond chance, and label noise."""

import ast
import dataclasses
import functools
import math

import numpy as np

from course_lib import carriers
from course_lib import fetch as transfer
from course_lib.imdb import sources
from course_lib.imdb.corpus import Split

RATED = {
    "films": "movieReviewSnippets",
    "products": "amazonReviewSnippets",
    "editorials": "nytEditorialSnippets",
    "tweets": "tweets",
}
RATERS_SHA256 = "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"
SCALE = (-4, 4)

_MEMBER_BYTES = 2**22
_FEWEST = 10  # Raters of a sentence: fewer are a malformed row.


@dataclasses.dataclass(frozen=True)
class Rated:
    """One sentence and what people said of it.

    Attributes:
        id: Its number in the published file.
        text: The sentence.
        scores: Int array, one score a rater, from -4 (extremely negative) over 0 (neutral) to 4. The files do
            not say who gave which, so the same place in two sentences need not be the same person.
    """

    id: str
    text: str
    scores: np.ndarray

    @property
    def mean(self):
        """Mean score."""
        return float(self.scores.mean())


def rated(kind="films"):
    """Sentences that 15 or more people rated one by one (Hutto and Gilbert 2014, "VADER", ICWSM).

    Args:
        kind: `"films"` (10,605 sentences of film reviews), `"products"` (3,708), `"editorials"` (5,190) or
            `"tweets"` (4,200).

    Returns:
        Tuple of `Rated`, in the published order.

    Raises:
        ValueError: If `kind` is another.
        fetch.DataError: If they are not here, or not as published.
    """
    if kind not in RATED:
        raise ValueError(f"`kind` must be one of {', '.join(RATED)}. Received: {kind!r}")
    folder = carriers.find("raters")
    if folder is None:
        raise transfer.DataError(
            "The rated sentences are not on this machine. Run `make lab` or `course fetch data` (2.4 MB)."
        )
    return _rated(folder / "hutto.tar.gz", kind)


@functools.cache
def _rated(path, kind):
    with transfer.reading(path, "Remove its folder and run `course fetch data`."):
        digest = transfer.file_sha256(path)
    if digest != RATERS_SHA256:
        raise transfer.DataError(
            f"{path} is not the published file: its SHA-256 is {digest[:12]}..., expected "
            f"{RATERS_SHA256[:12]}.... It was not read. Remove its folder and run `course fetch data`."
        )
    names = [f"hutto_ICWSM_2014/{RATED[kind]}_{which}.txt" for which in ("GroundTruth", "anonDataRatings")]
    files = dict(transfer.read_tar(path, set(names).__contains__, member_bytes=_MEMBER_BYTES))
    texts, scores = ([_fields(line, name) for line in _lines(files, name)] for name in names)
    ratings = {number: scores for number, _, _, scores in scores}
    if len(ratings) != len(texts) or ratings.keys() != {row[0] for row in texts}:
        raise transfer.DataError(f"{path}: the sentences of {kind} and their scores do not belong together.")
    return tuple(Rated(number, text, _scores(ratings[number], number)) for number, _, text in texts)


def _lines(files, name):
    if name not in files:
        raise transfer.DataError(f"The archive of rated sentences lacks {name}.")
    text = files[name].decode("utf-8-sig")  # Not splitlines, which also cuts at characters within sentences.
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]


def _fields(line, name):
    wanted = 3 if name.endswith("GroundTruth.txt") else 4
    fields = line.rstrip("\n").split("\t", wanted - 1)
    if len(fields) != wanted:
        raise transfer.DataError(f"{name} has a malformed row: {line[:60]!r}")
    return fields


def _scores(text, number):
    try:
        scores = np.array(ast.literal_eval(text))
    except (ValueError, SyntaxError) as error:
        raise transfer.DataError(f"Sentence {number} has malformed scores: {text[:60]!r}") from error
    low, high = SCALE
    if (
        scores.ndim != 1
        or len(scores) < _FEWEST
        or scores.dtype.kind != "i"
        or not (low <= scores.min() and scores.max() <= high)
    ):
        raise transfer.DataError(f"Sentence {number} has malformed scores: {text[:60]!r}")
    scores = scores.astype("int8")
    scores.flags.writeable = False  # The result is cached.
    return scores


def sentences():
    """The 8,530 sentences that Pang and Lee (2005) labelled by the critic's verdict, as a `Split`.

    Raises:
        fetch.DataError: If they are not here, or not as published.
    """
    labels, texts = sources.read_sentences()
    order = np.random.default_rng(0).permutation(len(texts))
    return Split([texts[i] for i in order], labels[order], [f"sentence-{i:04d}" for i in order])


def cohen_kappa(first, second):
    """Agreement of two annotators beyond chance (Cohen 1960).

    Args:
        first: One label per item.
        second: The other annotator's labels of the same items.

    Returns:
        (observed - chance) / (1 - chance) agreement: 1 if they always agree, 0 if no more than by chance, NaN
        if both gave the same one label to all items, where nothing can be told.

    Raises:
        ValueError: If there are no items, or the lengths differ.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"Both must label the same items. Received: {len(first)} and {len(second)} labels")
    first, second = np.asarray(first), np.asarray(second)
    observed = np.mean(first == second)
    chance = sum(np.mean(first == label) * np.mean(second == label) for label in np.union1d(first, second))
    return float((observed - chance) / (1.0 - chance)) if chance < 1.0 else math.nan


def krippendorff_alpha(ratings, level="nominal"):
    """Agreement of any number of annotators beyond chance (Krippendorff 2004).

    Items may have different numbers of ratings, and it does not matter who gave which: every pair of ratings
    of one item is compared, and then every pair of all ratings.

    Args:
        ratings: One sequence of numbers per item; items with fewer than two say nothing and are left out.
        level: `"nominal"`, where ratings are the same or not, or `"interval"`, where their distance squared
            counts.

    Returns:
        1 - observed / chance disagreement: 1 if they always agree, 0 if no more than by chance, NaN if all
        ratings are the same, where nothing can be told.

    Raises:
        ValueError: If `level` is another, or no item has two ratings.
    """
    if level not in ("nominal", "interval"):
        raise ValueError(f"`level` must be 'nominal' or 'interval'. Received: {level!r}")
    items = [np.asarray(item) for item in ratings if len(item) > 1]
    if not items:
        raise ValueError("At least one item must have two ratings or more.")
    values, codes = np.unique(np.concatenate(items), return_inverse=True)
    counts = np.zeros((len(items), len(values)))
    np.add.at(counts, (np.repeat(np.arange(len(items)), [len(item) for item in items]), codes), 1)
    if level == "nominal":
        distance = 1.0 - np.eye(len(values))
    else:
        distance = (values[:, None] - values[None, :]).astype("float64") ** 2
    sizes = counts.sum(axis=1)
    # Pairs within an item, each item weighted by its number of ratings.
    observed = np.einsum("iv,vw,iw->i", counts, distance, counts) / (sizes - 1)
    totals = counts.sum(axis=0)
    chance = totals @ distance @ totals / (totals.sum() - 1)
    return float(1.0 - observed.sum() / chance) if chance else math.nan


def flip(labels, share, seed=0):
    """Labels of which a share is wrong: each label is turned over in as many places of its own.

    Args:
        labels: Array of zeros and ones.
        share: From 0 to 1, of each label.
        seed: Which ones.

    Returns:
        A copy.

    Raises:
        ValueError: If `share` is out of range.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"`share` must be from 0 to 1. Received: {share}")
    labels = np.array(labels)
    rng = np.random.default_rng(seed)
    wrong = [
        rng.permutation(np.flatnonzero(labels == label))[: round(share * np.sum(labels == label))]
        for label in (0, 1)
    ]
    labels[np.concatenate(wrong)] = 1 - labels[np.concatenate(wrong)]
    return labels
