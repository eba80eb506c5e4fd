"""Cleaning and splitting: plain text, near-duplicates, splits without leakage."""

import collections.abc
import html
import itertools
import math
import re

import numpy as np

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
# Python makes no integer of more than 4,300 digits, and html.unescape would raise. Eight without leading
# zeros are beyond Unicode's last character.
_LEADING_ZEROS = re.compile(r"&#0+(?=[0-9])")
_NO_CHARACTER = re.compile(r"&#[0-9]{8,};?")


def clean(text):
    """Plain text of a review: tags become spaces, entities characters, and white space single spaces.

    A `<` that opens no tag, as in `I <3 it`, stays. What is no character, such as `&#99999999;` or half of a
    surrogate pair, becomes U+FFFD, so the result can always be encoded.

    Args:
        text: Any str.

    Returns:
        A str.

    Raises:
        ValueError: If `text` is no str.
    """
    return " ".join(split_words(text))


def check_texts(texts):
    """Raises a ValueError that names the culprit unless `texts` is a sequence of str, such as a list."""
    expected = '`texts` must be a sequence of str, such as ["good film"]. Received: '
    sliced = hasattr(texts, "__getitem__") and hasattr(texts, "__len__") and getattr(texts, "ndim", 1) == 1
    if not sliced or isinstance(texts, (str, bytes, collections.abc.Mapping)):
        raise ValueError(f"{expected}{texts!r:.60}")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"{expected}{text!r:.60} at index {i}")


def valid(text):
    """A text with pairs of surrogates joined, and each half that stands alone replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def split_words(text):
    """The words of a text as `clean` joins them."""
    if not isinstance(text, str):
        raise ValueError(f"`text` must be a str. Received: {text!r:.60}")
    text = valid(text)
    # Behind the last `-->` no comment can end: looking for it from every `<!--` would take quadratic time.
    if (end := text.rfind("-->")) >= 0:
        text = _COMMENT.sub(" ", text[: end + 3]) + text[end + 3 :]
    text = _LEADING_ZEROS.sub("&#", _TAG.sub(" ", text))
    return html.unescape(_NO_CHARACTER.sub("\ufffd", text)).split()


def first_words(text, count):
    """The first `count` words and perhaps more, without a look at the rest of a text where that suffices."""
    end = text.rfind(" ", 0, 7 * count)  # Most texts have shorter words than this.
    # What comes behind cannot change words before this space, unless a comment or a tag holds it.
    if end > 0 and "<!--" not in text[:end] and text.rfind("<", 0, end) <= text.rfind(">", 0, end):
        words = split_words(text[:end])
        if len(words) >= count:
            return words
    return split_words(text)


def near_duplicates(texts, threshold=0.5):
    """Finds all pairs of texts that share most of their word trigrams.

    Exact, by prefix filtering (Chaudhuri, Ganti and Kaushik 2006): of two sets whose Jaccard similarity is at
    least t, one of the floor((1 - t) n) + 1 rarest of the n elements of each is in both, so only those are
    looked up.

    Args:
        texts: Sequence of str. Case and punctuation do not count; a text without words has no duplicate.
        threshold: Least Jaccard similarity, above 0 and at most 1. Low ones are slow on large collections.

    Returns:
        `(pairs, similarities)`: an integer array of shape `(m, 2)` with `pairs[:, 0] < pairs[:, 1]`, in
        ascending order, and a float array of shape `(m,)`.

    Raises:
        ValueError: If `texts` is no sequence of str, or `threshold` is out of range.
    """
    check_texts(texts)
    if not 0.0 < threshold <= 1.0:
        raise ValueError(f"`threshold` must be above 0 and at most 1. Received: {threshold}")
    document, trigram, counts = _trigrams(texts)
    sizes = np.bincount(document, minlength=len(texts))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rank = np.arange(len(document)) - starts[document]
    prefix = rank < np.floor((1.0 - threshold) * sizes + 1e-9)[document] + 1
    prefix &= counts[trigram] > 1
    order = np.argsort(trigram[prefix], kind="stable")
    shared, owner = trigram[prefix][order], document[prefix][order]
    codes = [np.zeros(0, dtype="int64")]
    for offset in range(1, len(order)):  # Owners of one trigram that are `offset` places apart in its list.
        same = np.flatnonzero(shared[:-offset] == shared[offset:])
        if not len(same):
            break
        first, second = owner[same], owner[same + offset]
        small, large = np.minimum(sizes[first], sizes[second]), np.maximum(sizes[first], sizes[second])
        codes.append((first * len(texts) + second)[small >= threshold * large - 1e-9])
    pairs = np.stack(np.divmod(np.unique(np.concatenate(codes)), max(len(texts), 1)), axis=1)
    sets = {i: trigram[starts[i] : starts[i + 1]] for i in np.unique(pairs)}
    common = [len(np.intersect1d(sets[a], sets[b], assume_unique=True)) for a, b in pairs]
    similarities = common / np.maximum(sizes[pairs].sum(axis=1) - common, 1)
    keep = similarities >= threshold - 1e-9
    return pairs[keep], similarities[keep]


def _trigrams(texts):
    """Distinct trigrams of words by text: arrays `document` and `trigram` of pairs, ascending, and `counts`.

    Trigrams are numbered from rare to common; `counts` has how often each one is there.
    """
    vocabulary = collections.defaultdict(itertools.count(1).__next__)
    rows = [[vocabulary[word] for word in re.findall(r"\w+", text.lower())] for text in texts]
    rows = [np.array(row + [0] * (3 - len(row) if row else 2), dtype="uint64") for row in rows]
    factor = np.uint64(0x9E3779B97F4A7C15)  # 64 random bits: two trigrams hardly ever meet in one number.
    keys = [(row[:-2] * factor + row[1:-1]) * factor + row[2:] for row in rows]
    document = np.repeat(np.arange(len(keys)), [len(key) for key in keys])
    flat = np.concatenate([np.zeros(0, "uint64"), *keys])
    _, number, counts = np.unique(flat, return_inverse=True, return_counts=True)
    rarity = np.empty(len(counts), dtype="int64")
    rarity[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    pairs = np.sort(
        document * len(counts) + rarity[number]
    )  # np.unique is many times slower on such numbers.
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return *np.divmod(pairs, max(len(counts), 1)), np.sort(counts)


def duplicate_groups(count, pairs):
    """Gives texts that are linked by a chain of pairs the same group number.

    Args:
        count: Number of texts.
        pairs: Integer array of shape `(m, 2)`, as `near_duplicates` returns it.

    Returns:
        Integer array of shape `(count,)`.
    """
    from scipy.sparse import coo_array, csgraph

    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return csgraph.connected_components(links, directed=False)[1]


def stratified_split(labels, fractions, groups=None, seed=0):
    """Splits so that each part has its share of every label, and no group is torn apart.

    Args:
        labels: One label per example.
        fractions: Share of each part; they sum to 1.
        groups: One group per example, such as its film or `duplicate_groups`; None lets each stand alone.
        seed: Seed of the shuffle.

    Returns:
        One ascending integer array of indices per part. Without groups each part has its share of each label
        to within 1; with groups, to within about the size of the largest.

    Raises:
        ValueError: If `fractions` do not sum to 1, or the lengths differ.
    """
    if min(fractions) < 0 or not math.isclose(sum(fractions), 1.0):
        raise ValueError(f"`fractions` must be at least 0 and sum to 1. Received: {fractions}")
    if groups is not None and len(groups) != len(labels):
        raise ValueError(
            f"`groups` needs one entry per label. Received: {len(groups)} for {len(labels)} labels"
        )
    labels = np.asarray(labels)
    members = collections.defaultdict(list)
    for i in np.random.default_rng(seed).permutation(len(labels)).tolist():
        members[i if groups is None else groups[i]].append(i)
    totals = collections.Counter(labels.tolist())
    missing = [{label: share * total for label, total in totals.items()} for share in fractions]
    parts = [[] for _ in fractions]
    for group in sorted(
        members.values(), key=len, reverse=True
    ):  # Large ones first: small ones even them out.
        has = collections.Counter(labels[group].tolist())
        part = max(range(len(parts)), key=lambda i: sum(n * missing[i][label] for label, n in has.items()))
        parts[part].extend(group)
        for label, n in has.items():
            missing[part][label] -= n
    return [np.sort(np.array(part, dtype="int64")) for part in parts]
