"""The reviews in three splits, the same for everybody."""

import dataclasses
import functools
import importlib.resources

import numpy as np

from course_lib.imdb import sources
from course_lib.imdb.splits import duplicate_groups, near_duplicates, stratified_split

SPLITS = ("train", "validation", "test")
FRACTIONS = (0.8, 0.1, 0.1)


@dataclasses.dataclass(frozen=True)
class Split:
    """Reviews of one split, in a fixed mixed order: any first part is itself a sample.

    Attributes:
        texts: The reviews as they were written, HTML included.
        labels: Integer array of shape `(len(texts),)`: 1 positive, 0 negative, -1 without a label.
        ids: A stable name of each review.
    """

    texts: list[str]
    labels: np.ndarray
    ids: list[str]

    def __len__(self):
        return len(self.texts)

    def first(self, count):
        """The first `count` reviews, as a `Split`."""
        return Split(self.texts[:count], self.labels[:count], self.ids[:count])


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The 25,000 labelled training reviews of Maas et al. (2011), split for the course.

    Near-duplicates are in the same split, and each split has as many positive as negative reviews.

    Attributes:
        train: 20,000 reviews to learn from.
        validation: 2,500 to choose by.
        test: 2,500 to report on. The official test reviews are others: `load_official` has them.
        source: In words, where they came from; the reviews are the same whichever it was.
    """

    train: Split
    validation: Split
    test: Split
    source: str

    def describe(self):
        """One line for people: which reviews these are, and how many."""
        sizes = ", ".join(f"{len(getattr(self, name)):,} {name}" for name in SPLITS)
        return f"data: {sources.LABELLED:,} IMDB reviews ({sizes}) from {self.source}"


@dataclasses.dataclass(frozen=True)
class Official:
    """What only the archive has; read when first used.

    Attributes:
        source: In words, which archive.
    """

    source: str

    @functools.cached_property
    def test(self):
        """The official test reviews, 25,000 in the published archive, as a `Split`."""
        return _official("test")

    @functools.cached_property
    def unsup(self):
        """The 50,000 reviews without a label, as a `Split`."""
        return _official("unsup")


def load(verbose=True):
    """Loads the labelled reviews.

    They come from what `COURSE_IMDB` names (the archive or its folder), else from the archive that `course
    fetch imdb` downloaded, else from the package that `make lab` brought. Their content is checked, and the
    splits are the same in each case, byte for byte.

    Args:
        verbose: Whether to print a line that says which they are.

    Returns:
        A `Corpus`, in a second or two; the first time from an archive, half a minute.

    Raises:
        fetch.DataError: If there are none, or not those that were published. There is no fall-back.
    """
    source = sources.find()
    labels, texts = sources.read_labelled(source)
    with importlib.resources.files(__package__).joinpath("splits.npz").open("rb") as file:
        places = dict(np.load(file))
    splits = {}
    for name in SPLITS:
        rows = places[name].tolist()
        splits[name] = Split([texts[i] for i in rows], labels[rows], [f"imdb-{i:05d}" for i in rows])
    corpus = Corpus(**splits, source=str(source))
    if verbose:
        print(corpus.describe())
    return corpus


def load_official():
    """The official test reviews and those without a label, where the archive is. No lesson uses them.

    Returns:
        An `Official`, with `test` and `unsup`.

    Raises:
        fetch.DataError: If the archive is not here.
    """
    source = sources.find_archive()
    if source is None:
        sources.read_official("test")  # Raises, and says how to get it.
    return Official(str(source))


def _official(name):
    rows = sources.read_official(name)
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    labels = np.array([row["label"] for row in rows], dtype="int32")
    return Split([row["text"] for row in rows], labels, [row["id"] for row in rows])


def status():
    """Where `load` would take the reviews from, in words, without reading them; raises what `load` would."""
    return f"{sources.LABELLED:,} IMDB reviews from {sources.find()}"


def make_splits(labels, texts):
    """Decides which review is in which split; `splits.npz` holds the result, so that loading takes no time.

    Args:
        labels: As `sources.read_labelled` returns them.
        texts: Likewise.

    Returns:
        Dict from `SPLITS` to uint16 arrays of indices, in a mixed order.
    """
    pairs, _ = near_duplicates(texts)
    parts = stratified_split(labels, FRACTIONS, duplicate_groups(len(texts), pairs))
    rng = np.random.default_rng(0)
    return {name: rng.permutation(part).astype("uint16") for name, part in zip(SPLITS, parts, strict=True)}
