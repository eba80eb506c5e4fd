"""Movie reviews from archive to `tf.data`: loading, cleaning, splits, annotation, WordPiece, batches.

The Large Movie Review Dataset (Maas et al. 2011, "Learning Word Vectors for Sentiment Analysis", ACL) has
25,000 training and 25,000 test reviews, labelled positive (7 to 10 stars) or negative (1 to 4), and 50,000
without a label.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import html
import itertools
import json
import math
import os
import pathlib
import re
import shutil
import tempfile

import numpy as np

from course_lib import fetch as transfer
from course_lib import runtime, samples

ARCHIVE = "aclImdb_v1.tar.gz"
BYTES = 84_125_825
SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
SOURCES = (
    f"https://ai.stanford.edu/~amaas/data/sentiment/{ARCHIVE}",
    f"https://d2l-data.s3-accelerate.amazonaws.com/{ARCHIVE}",  # The mirror of Dive into Deep Learning.
    f"https://bj.bcebos.com/dataset/imdb%2F{ARCHIVE}",  # Paddle's mirror, quick from China.
)
PUBLISHED = {"train": 25_000, "test": 25_000, "unsup": 50_000}
LABELLED = ("train", "validation", "test")
VALIDATION_SHARE = 0.1

_FORMAT = 1  # Part of the cache folder's name: raise it when what is stored changes.
_REVIEW = re.compile(r"aclImdb/(?:(train|test)/(pos|neg)|train/(unsup))/[0-9]{1,6}_[0-9]{1,2}\.txt")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_INSIDE = re.compile(r"aclImdb/(?:train|test)/(?:pos|neg|unsup)/[^.]")


@dataclasses.dataclass(frozen=True)
class Split:
    """Reviews of one split, in a fixed mixed order: any first part is itself a sample.

    Attributes:
        texts: The reviews as they were written, HTML included.
        labels: Integer array of shape `(len(texts),)`: 1 positive, 0 negative, -1 without a label.
        ids: A stable name of each review.
        kinds: For the bundled sample, how each verdict is put (see `samples.KINDS`); else None.
    """

    texts: list[str]
    labels: np.ndarray
    ids: list[str]
    kinds: list[str] | None = None

    def __len__(self):
        return len(self.texts)


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Labelled reviews in three splits, and `unsup`, those without a label, which are read when first used.

    Attributes:
        name: `"sample"` or `"imdb"`.
        train: Training reviews.
        validation: Carved from IMDB's training reviews; a near-duplicate of one in `train` is never here.
        test: Test reviews.
        origin: Path of the archive or folder; None for the bundled sample.
        counts: Number of reviews by split.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    origin: pathlib.Path | None
    counts: dict[str, int]
    _folder: pathlib.Path | None = dataclasses.field(default=None, repr=False)

    @functools.cached_property
    def unsup(self):
        """The reviews without a label; the bundled sample has none."""
        return _read_split(self._folder, "unsup") if self._folder else Split([], np.zeros(0, "int32"), [])

    def describe(self):
        """One line for people: which reviews these are, and how many."""
        return _describe(self.name, self.origin, self.counts)


def fetch():
    """Downloads the published archive into the cache, unless it is there.

    Returns:
        Its path, as a `pathlib.Path`.

    Raises:
        fetch.FetchError: If no source gave it; the message says what each one answered.
    """
    remedy = (
        f"You can bring {ARCHIVE} here yourself and set COURSE_IMDB to it; lessons also run on the sample."
    )
    path = runtime.cache_dir() / ARCHIVE
    return transfer.download(SOURCES, path, sha256=SHA256, size=BYTES, remedy=remedy)


def load(source="auto", verbose=True):
    """Loads the reviews and says in one line which.

    Args:
        source: `"sample"` for the bundled reviews, `"imdb"` for IMDB, or `"auto"`: what `COURSE_DATA` says,
            else IMDB if `COURSE_IMDB` names an archive or folder or `fetch` was run, else the sample.
        verbose: Whether to print the line.

    Returns:
        A `Corpus`. The first load of an archive reads it into the cache (half a minute), later ones that.

    Raises:
        ValueError: If `source` or `COURSE_DATA` has another value.
        fetch.DataError: If IMDB is asked for, but is not here or cannot be used. There is no fall-back.
    """
    name, path = _resolve(source)
    if name == "sample":
        corpus = _load_sample()
    else:
        folder, counts = _imported(path)
        corpus = Corpus(name, *(_read_split(folder, each) for each in LABELLED), path, counts, folder)
    if verbose:
        print(corpus.describe())
    return corpus


def status():
    """The line that `load` would print, found without reading the reviews; raises what `load` would."""
    name, path = _resolve("auto")
    return (
        _load_sample().describe() if name == "sample" else _describe(name, path, _counts(_cache_folder(path)))
    )


def _resolve(source):
    if source not in ("auto", "imdb", "sample"):
        raise ValueError(f"`source` must be 'auto', 'imdb' or 'sample'. Received: source={source!r}")
    name, path = runtime.data_source()
    if source == "sample" or (source == "auto" and name == "sample"):
        return "sample", None
    named = os.environ.get("COURSE_IMDB")
    if path is None:  # COURSE_DATA pins the sample, but the caller asks for IMDB.
        path = pathlib.Path(named).expanduser().absolute() if named else runtime.cache_dir() / ARCHIVE
    if not path.exists():
        raise transfer.DataError(
            f"COURSE_IMDB names {path}, which does not exist. Correct it, or unset it."
            if named
            else f"IMDB is not on this machine. Run `course fetch imdb`, or set COURSE_IMDB to {ARCHIVE}."
        )
    return "imdb", path


def _load_sample():
    splits = {}
    for name in LABELLED:
        rows = [review for review in samples.load() if review.split == name]
        labels = np.array([row.label for row in rows], dtype="int32")
        kinds = [row.kind for row in rows]
        splits[name] = Split([row.text for row in rows], labels, [row.id for row in rows], kinds)
    return Corpus("sample", **splits, origin=None, counts={name: len(splits[name]) for name in LABELLED})


def _describe(name, origin, counts):
    if name == "sample":
        parts = ", ".join(f"{counts[split]} {split}" for split in LABELLED)
        return f"data: {sum(counts.values())} reviews written for this course ({parts})"
    if counts is None:
        return f"data: IMDB from {origin}, not read yet"
    found = {
        "train": counts["train"] + counts["validation"],
        "test": counts["test"],
        "unsup": counts["unsup"],
    }
    parts = [f"{n:,}{'' if n == PUBLISHED[k] else f' of {PUBLISHED[k]:,}'} {k}" for k, n in found.items()]
    parts[0] += f" ({counts['validation']:,} of them for validation)"
    return f"data: {'' if found == PUBLISHED else 'a subset of '}IMDB, {', '.join(parts)}, from {origin}"


# From an archive or folder to the cache


def read_archive(path):
    """Reads the reviews of an aclImdb archive; nothing is written.

    Args:
        path: A tar or tar.gz archive with members such as `aclImdb/train/pos/0_9.txt` (9 of 10 stars). Files
            in other folders, such as `aclImdb/README`, are passed over.

    Yields:
        One dict per review: `split` (`"train"`, `"test"` or `"unsup"`), `id`, `label` and `text`.

    Raises:
        fetch.ArchiveError: If the archive is damaged or hostile; the message names the member.
    """
    for name, content in transfer.read_tar(path, _is_review):
        yield _review(name, content)


def _is_review(name):
    if _INSIDE.match(name) and not _REVIEW.fullmatch(name):
        raise transfer.ArchiveError(f"member {name[:80]!r} is not named like a review, <number>_<rating>.txt")
    return _REVIEW.fullmatch(name) is not None


def _review(name, content):
    split, folder, unsup = _REVIEW.fullmatch(name).groups()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise transfer.ArchiveError(f"Review {name} is not UTF-8 text: {error}") from error
    label = {"pos": 1, "neg": 0, None: -1}[folder]
    return {"split": unsup or split, "id": name[len("aclImdb/") : -len(".txt")], "label": label, "text": text}


def _read_folder(path):
    root = path / "aclImdb" if (path / "aclImdb").is_dir() else path
    for folder in ("train/pos", "train/neg", "train/unsup", "test/pos", "test/neg"):
        for entry in os.listdir(root / folder) if (root / folder).is_dir() else ():
            name = f"aclImdb/{folder}/{entry}"
            if _is_review(name):
                yield _review(name, (root / folder / entry).read_bytes())


def _cache_folder(path):
    """The cache folder of what is at `path`, named by its content (of a folder: names, sizes and times)."""
    if path.is_file():
        digest = transfer.file_sha256(path)
        if path == runtime.cache_dir() / ARCHIVE and digest != SHA256:
            raise transfer.DataError(f"{path} is damaged (SHA-256 {digest}). Run `course fetch imdb` again.")
    else:
        listing = hashlib.sha256()
        for folder, folders, files in os.walk(path):
            folders.sort()
            for file in sorted(os.path.join(folder, entry) for entry in files):
                info = os.stat(file)
                listing.update(f"{file} {info.st_size} {info.st_mtime_ns}\n".encode(errors="replace"))
        digest = listing.hexdigest()
    return runtime.cache_dir() / f"imdb-{_FORMAT}-{digest[:16]}"


def _counts(folder):
    path = folder / "counts.json"
    return json.loads(path.read_text()) if path.is_file() else None


def _imported(path):
    """Returns (cache folder, counts) of the reviews at `path`; reads them into the cache first if need be."""
    folder = _cache_folder(path)
    with transfer.lock(folder):
        return folder, _counts(folder) or _import(path, folder)


def _import(path, folder):
    for stale in folder.parent.glob(f".{folder.name}.*.part"):  # Left by a killed process.
        shutil.rmtree(stale)
    print(f"Reading {path} into the cache, once ...", flush=True)
    rows = {"train": [], "test": [], "unsup": []}
    for row in read_archive(path) if path.is_file() else _read_folder(path):
        rows[row.pop("split")].append(row)
    if not rows["train"] or not rows["test"]:
        raise transfer.ArchiveError(
            f"{path} has {len(rows['train'])} training and {len(rows['test'])} test reviews in the folders "
            "aclImdb/train/pos, aclImdb/test/neg and so on: it is not IMDB, or too small a part of it."
        )
    rng = np.random.default_rng(0)
    for name, split in rows.items():
        split.sort(key=lambda row: row["id"])  # The archive's order does not count.
        rows[name] = [split[i] for i in rng.permutation(len(split))]
    train, shares = rows["train"], (1 - VALIDATION_SHARE, VALIDATION_SHARE)
    groups = duplicate_groups(len(train), near_duplicates([row["text"] for row in train])[0])
    parts = stratified_split([row["label"] for row in train], shares, groups)
    rows["train"], rows["validation"] = ([train[i] for i in part] for part in parts)
    counts = {name: len(split) for name, split in rows.items()}
    part = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    try:
        for name, split in rows.items():
            with (part / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in split)
        (part / "counts.json").write_text(json.dumps(counts))
        part.chmod(0o755)
        part.rename(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise transfer.DataError(
            f"Cannot write to {folder.parent}: {error.strerror}. Make room (140 MB), or set COURSE_CACHE."
        ) from error
    return counts


def _read_split(folder, name):
    with (folder / f"{name}.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    labels = np.array([row["label"] for row in rows], dtype="int32")
    return Split([row["text"] for row in rows], labels, [row["id"] for row in rows])


# Cleaning and splitting


def clean(text):
    """Plain text of a review: tags become spaces, entities characters, and white space single spaces.

    A `<` that opens no tag, as in `I <3 it`, stays.
    """
    return " ".join(_words(text))


def _words(text):
    # Behind the last `-->` no comment can end: looking for it from every `<!--` would take quadratic time.
    if (end := text.rfind("-->")) >= 0:
        text = _COMMENT.sub(" ", text[: end + 3]) + text[end + 3 :]
    return html.unescape(_TAG.sub(" ", text)).split()


def _first_words(text, count):
    """The first `count` words and perhaps more, without a look at the rest of a text where that suffices."""
    end = text.rfind(" ", 0, 7 * count)  # Most texts have shorter words than this.
    # What comes behind cannot change words before this space, unless a comment or a tag holds it.
    if end > 0 and "<!--" not in text[:end] and text.rfind("<", 0, end) <= text.rfind(">", 0, end):
        words = _words(text[:end])
        if len(words) >= count:
            return words
    return _words(text)


def near_duplicates(texts, threshold=0.5):
    """Finds all pairs of texts that share most of their word trigrams.

    Exact, by prefix filtering (Chaudhuri, Ganti and Kaushik 2006): two sets whose Jaccard similarity is at
    least t have one in common of the rarest (1 - t) of their elements, so only those are looked up.

    Args:
        texts: Sequence of str. Case and punctuation do not count; a text without words has no duplicate.
        threshold: Least Jaccard similarity, above 0 and at most 1. Low ones are slow on large collections.

    Returns:
        `(pairs, similarities)`: an integer array of shape `(m, 2)` with `pairs[:, 0] < pairs[:, 1]`, in
        ascending order, and a float array of shape `(m,)`.

    Raises:
        ValueError: If `threshold` is out of range.
    """
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


# Annotation


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


# From words to padded batches


def train_wordpiece(texts, vocabulary_size, min_frequency=2):
    """Learns a lower-case WordPiece vocabulary with Hugging Face `tokenizers`.

    Its trainer merges the most frequent pair of neighbours, as byte-pair encoding does, and not the pair that
    raises the likelihood most (Schuster and Nakajima 2012); the pieces are then written as BERT's are.

    Args:
        texts: Sequence of str.
        vocabulary_size: Number of pieces to stop at, the five special tokens included.
        min_frequency: Least count of a pair to be merged.

    Returns:
        List of pieces by id, special tokens first; pieces that continue a word begin with `##`.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    normal = (tokenizer.normalizer.normalize_str(text) for text in texts)
    words = {word for text in normal for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)}
    # The trainer would number characters in the order of a hash table, another in each run, and break ties by
    # number. As special tokens they have their numbers beforehand.
    characters = sorted(set("".join(words))) + sorted({f"##{inner}" for word in words for inner in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.get)


def wordpiece(word, vocabulary, unknown="[UNK]"):
    """Splits a word, from left to right, into the longest pieces in the vocabulary (Devlin et al. 2019).

    Args:
        word: A word without white space, normalised as the vocabulary is.
        vocabulary: Set or dict of pieces; those that continue a word begin with `##`.
        unknown: What stands for a word that cannot be split, or has more than 100 characters.

    Returns:
        List of pieces, or `[unknown]`.
    """
    if len(word) > 100:
        return [unknown]
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        for end in range(len(word), start, -1):
            if prefix + word[start:end] in vocabulary:
                break
        else:
            return [unknown]
        pieces.append(prefix + word[start:end])
        start = end
    return pieces


def truncate(token_ids, length, how="head"):
    """Cuts a sequence to at most `length` tokens: its first, its last, or half of them from either end.

    Both ends did best on IMDB in Sun et al. (2019), "How to Fine-Tune BERT for Text Classification?".

    Args:
        token_ids: Sequence of ids, without special tokens.
        length: Most tokens to keep.
        how: `"head"`, `"tail"` or `"both"`.

    Returns:
        List of ids.

    Raises:
        ValueError: If `how` or `length` is not usable.
    """
    if how not in ("head", "tail", "both") or length < 0:
        raise ValueError(
            f"`how` must be 'head', 'tail' or 'both', `length` >= 0. Received: {how!r}, {length}"
        )
    if len(token_ids) <= length:
        return list(token_ids)
    head = {"head": length, "tail": 0, "both": (length + 1) // 2}[how]
    return [*token_ids[:head], *token_ids[len(token_ids) - length + head :]]


def pad(sequences, length=None, multiple=1, pad_id=0):
    """Makes one rectangular array of sequences.

    Args:
        sequences: Sequences of token ids.
        length: Width of the result; None takes the longest sequence.
        multiple: The width is raised to a multiple of this.
        pad_id: Id that fills the rows up.

    Returns:
        `(token_ids, padding_mask)` of shape `(len(sequences), width)`, int32 and bool; True marks tokens.

    Raises:
        ValueError: If a sequence is longer than `length`.
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype="int64")
    longest = int(lengths.max(initial=0))
    if length is not None and longest > length:
        raise ValueError(f"`length` must hold the longest sequence, of {longest} tokens. Received: {length}")
    width = -(-(longest if length is None else length) // multiple) * multiple
    padding_mask = np.arange(width) < lengths[:, None]
    token_ids = np.full(padding_mask.shape, pad_id, dtype="int32")
    token_ids[padding_mask] = np.fromiter(itertools.chain.from_iterable(sequences), dtype="int32")
    return token_ids, padding_mask


def batches_by_length(lengths, batch_size, multiple=16, seed=None):
    """Groups examples of about equal length, so that batches hold little padding.

    Lengths count in steps of `multiple`, as padded widths do: there are few distinct shapes for XLA to
    compile, and within a step examples mix freely.

    Args:
        lengths: One length per example.
        batch_size: Examples per batch; the longest batch has the rest.
        multiple: Step of lengths.
        seed: Shuffles examples within a step, and the batches; None keeps both in ascending order.

    Returns:
        List of integer arrays of indices; each example is in one of them.
    """
    steps = -(-np.asarray(lengths, dtype="int64") // multiple)
    rng = None if seed is None else np.random.default_rng(seed)
    order = np.arange(len(steps)) if rng is None else rng.permutation(len(steps))
    order = order[np.argsort(steps[order], kind="stable")]
    groups = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    return groups if rng is None else [groups[i] for i in rng.permutation(len(groups))]


def encode(texts, tokenizer=None, sequence_length=128, how="head"):
    """Token ids of cleaned texts, with `[CLS]` before and `[SEP]` after, cut to `sequence_length` tokens.

    Args:
        texts: Sequence of str.
        tokenizer: A `tokenizers.Tokenizer`; None takes the pretrained encoder's.
        sequence_length: Most tokens per text, the two special ones included.
        how: As in `truncate`.

    Returns:
        List of lists of int.

    Raises:
        ValueError: If `how` is unknown, or `sequence_length` is below 2.
    """
    import tokenizers

    if tokenizer is None:
        from course_lib import weights

        tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
        tokenizer.no_truncation()
        tokenizer.no_padding()
    elif type(tokenizer) is not tokenizers.Tokenizer or tokenizer.truncation or tokenizer.padding:
        tokenizer = tokenizers.Tokenizer.from_str(tokenizer.to_str())  # The caller's own keeps its settings.
        tokenizer.no_truncation()
        tokenizer.no_padding()
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    length = sequence_length - 2
    truncate([], length, how)  # For its errors.
    if isinstance(tokenizer.pre_tokenizer, tokenizers.pre_tokenizers.BertPreTokenizer):
        found = _encode_words(texts, tokenizer, length, how)
    else:
        found = _encode_whole(texts, tokenizer, length, how)
    return [[first, *ids, last] for ids in found]


def _encode_whole(texts, tokenizer, length, how):
    sequences = []
    for start in range(0, len(texts), 1000):  # A part at a time: an Encoding is far larger than its ids.
        cleaned = [clean(text) for text in texts[start : start + 1000]]
        for encoding in tokenizer.encode_batch_fast(cleaned, add_special_tokens=False):
            sequences.append(truncate(encoding.ids, length, how))
    return sequences


def _encode_words(texts, tokenizer, length, how):
    """As `_encode_whole`, for a tokenizer that never looks across white space: each distinct word is
    tokenized once, and words in the middle of a long text not at all.
    """
    if not len(texts):
        return []
    places = collections.defaultdict(itertools.count().__next__)  # Of distinct words, as they come.
    parts, tables, known = [], [], 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:  # The tokenizer works while texts are split.
        for start in range(0, len(texts), 1000):
            part = texts[start : start + 1000]
            words = [_first_words(text, length + 1) if how == "head" else _words(text) for text in part]
            # A word has a token or more, so this many words at either end hold all that is kept.
            kept = [truncate(each, length, how) for each in words]
            found = np.fromiter(map(places.__getitem__, itertools.chain.from_iterable(kept)), "int64")
            whole = [len(each) <= length for each in words]
            parts.append((part, whole, found, np.cumsum([0, *map(len, kept)])))
            new = list(itertools.islice(places, known, None))
            tables.append(pool.submit(_encode_each, new, tokenizer))
            known = len(places)
    tokens, sizes = (np.concatenate(each) for each in zip(*(table.result() for table in tables), strict=True))
    begins = np.cumsum(sizes) - sizes
    sequences = []
    for part, whole, found, bounds in parts:
        spans = sizes[found]
        ends = np.cumsum(np.append(0, spans))
        joined = tokens[np.repeat(begins[found] - ends[:-1], spans) + np.arange(ends[-1])]
        rows = [joined[first:last].tolist() for first, last in itertools.pairwise(ends[bounds].tolist())]
        # Where words have no token, such as lone control characters, more words count.
        empty = np.diff(np.cumsum(np.append(0, spans == 0))[bounds])
        again = [place for place in np.flatnonzero(empty) if not whole[place]]
        longer = _encode_whole([part[place] for place in again], tokenizer, length, how)
        for place, ids in zip(again, longer, strict=True):
            rows[place] = ids
        sequences += [truncate(row, length, how) for row in rows]
    return sequences


def _encode_each(words, tokenizer, size=250):
    """Tokenizes words by themselves; returns the token ids of all in a row, and how many each word has."""
    # Many words to a text, with a special token between them: a call for each would take several times as
    # long. No word may hold that token itself.
    parts = []
    for alone, group in itertools.groupby(words, lambda word: "[" in word):
        run, step = list(group), 1 if alone else size
        parts += [run[start : start + step] for start in range(0, len(run), step)]
    encodings = tokenizer.encode_batch_fast(
        [" [SEP] ".join(part) for part in parts], add_special_tokens=False
    )
    between, tokens, sizes = tokenizer.token_to_id("[SEP]"), [[]], [[]]
    for part, encoding in zip(parts, encodings, strict=True):
        ids = np.array(encoding.ids, "int32")
        ends = np.flatnonzero(ids == between)
        if len(ends) == len(part) - 1:
            tokens.append(np.delete(ids, ends))
            sizes.append(np.diff(ends, prepend=-1, append=len(ids)) - 1)
        else:  # It is no special token here, or the word itself.
            found = [each.ids for each in tokenizer.encode_batch_fast(part, add_special_tokens=False)]
            tokens.append(list(itertools.chain.from_iterable(found)))
            sizes.append([len(each) for each in found])
    return np.concatenate(tokens).astype("int32"), np.concatenate(sizes).astype("int64")


def batches(
    texts,
    labels,
    tokenizer=None,
    batch_size=32,
    sequence_length=128,
    how="head",
    by_length=True,
    shuffle=False,
    seed=0,
    multiple=16,
):
    """Padded batches for KerasHub's BERT, as a `tf.data.Dataset`.

    Args:
        texts: Sequence of str; they are cleaned and tokenized once, here.
        labels: One label per text.
        tokenizer: As in `encode`.
        batch_size: Reviews per batch.
        sequence_length: As in `encode`.
        how: As in `encode`.
        by_length: Whether to batch reviews of about equal length, each batch padded to its own width;
            otherwise reviews stay in order and all are padded to `sequence_length`.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the shuffle.
        multiple: Widths of batches by length are multiples of this.

    Returns:
        A dataset of `(x, y)`: `x` a dict of `token_ids` (int32), `padding_mask` (bool) and `segment_ids`
        (int32, all 0) of shape `(batch, width)`, `y` int32 of shape `(batch,)`. With `by_length` or `shuffle`
        the reviews come in another order than `texts`, each with its label.

    Raises:
        ValueError: If there is not one label per text, or as `encode`.
    """
    if len(texts) != len(labels):
        raise ValueError(f"There must be one label per text. Received: {len(texts)} and {len(labels)}")
    sequences = encode(texts, tokenizer, sequence_length, how)
    # One step for all lengths lets any review stand beside any other.
    length, multiple = (None, multiple) if by_length else (sequence_length, sequence_length)
    return batch_sequences(sequences, labels, batch_size, length, shuffle, seed, multiple)


def batch_sequences(
    sequences, labels, batch_size=32, length=None, shuffle=False, seed=0, multiple=16, segments=None
):
    """Padded batches of token ids, as `batches` gives them of texts.

    Args:
        sequences: Lists of token ids.
        labels: One label per sequence.
        batch_size: Sequences per batch.
        length: Width of all batches; None pads each to its own, and puts sequences of about equal length
            together.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the shuffle.
        multiple: Sequences mix within a step of this many tokens; widths of batches are multiples of it.
        segments: Lists of segment ids, as long as the sequences; None means 0 everywhere.

    Returns:
        As `batches`.
    """
    import tensorflow as tf

    lengths, labels = [len(sequence) for sequence in sequences], np.asarray(labels, dtype="int32")
    epochs = itertools.count(seed)

    def generate():
        for index in batches_by_length(lengths, batch_size, multiple, next(epochs) if shuffle else None):
            token_ids, padding_mask = pad([sequences[i] for i in index], length, multiple)
            segment_ids = np.zeros_like(token_ids)
            if segments is not None:
                segment_ids, _ = pad([segments[i] for i in index], length, multiple)
            x = {"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": segment_ids}
            yield x, labels[index]

    spec = {"token_ids": "int32", "padding_mask": "bool", "segment_ids": "int32"}
    spec = {name: tf.TensorSpec((None, length), dtype) for name, dtype in spec.items()}
    dataset = tf.data.Dataset.from_generator(
        generate, output_signature=(spec, tf.TensorSpec((None,), "int32"))
    )
    count = -(-len(sequences) // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def linear_baseline(texts, labels, regularisation=10.0, min_count=2):
    """The model that a neural network must beat: TF-IDF of words and word pairs, and logistic regression.

    Args:
        texts: Sequence of str; they are cleaned.
        labels: One label per text.
        regularisation: scikit-learn's `C`, the inverse of the strength.
        min_count: Words and pairs in fewer texts than this are left out.

    Returns:
        A fitted `sklearn.pipeline.Pipeline`, with `predict` and `score` on texts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # scikit-learn's own pattern drops "I" and "a" and cuts "isn't" in two: negation sits in such words.
    words = {"preprocessor": _normalise, "token_pattern": r"[\w']+", "ngram_range": (1, 2)}
    vectorizer = TfidfVectorizer(**words, min_df=min_count, sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=regularisation, max_iter=1000))
    return model.fit(texts, labels)


def _normalise(text):
    return clean(text).lower()
