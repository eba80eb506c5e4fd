"""The reviews of `make bench`: IMDB's where they are, else made of the bundled ones, as long as IMDB's."""

import numpy as np

from course_lib import imdb, runtime

# Words of IMDB's training reviews after cleaning, by percentile. Between these, lengths are drawn evenly.
PERCENTILES = (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 100)
WORDS = (14, 42, 64, 90, 119, 133, 150, 173, 204, 251, 325, 453, 594, 898, 2459)


def load(part, count):
    """Reviews with their labels.

    Args:
        part: "train" or "test".
        count: How many.

    Returns:
        `(texts, labels, origin)`: a list, an int32 array and words on where they come from.
    """
    kind, _ = runtime.data_source()
    split = getattr(imdb.load(kind, verbose=False), part)
    if kind == "imdb":
        return list(split.texts[:count]), np.asarray(split.labels[:count]), "IMDB"
    texts, labels = resample(split.texts, split.labels, count)
    return texts, labels, "bundled reviews, strung together to IMDB's lengths"


def resample(texts, labels, count, seed=0):
    """Texts as long as IMDB's: reviews of one label, strung together and cut to a length that is drawn.

    Args:
        texts: Sequence of str.
        labels: One label per text.
        count: How many to make; every second is of each label.
        seed: Any.

    Returns:
        `(texts, labels)`: a list and an int32 array.
    """
    rng = np.random.default_rng(seed)
    lengths = np.interp(rng.uniform(0, 100, count), PERCENTILES, WORDS).astype(int)
    found = np.unique(labels)
    words = {
        each: [text.split() for text, label in zip(texts, labels, strict=True) if label == each]
        for each in found
    }
    made, wanted = [], np.resize(found, count)
    for length, label in zip(lengths, wanted, strict=True):
        text = []
        while len(text) < length:
            text += words[label][rng.integers(len(words[label]))]
        made.append(" ".join(text[:length]))
    return made, wanted.astype("int32")
