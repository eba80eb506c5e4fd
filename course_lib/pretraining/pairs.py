"""Next-sentence prediction: pairs of texts, half of which belong together (BERT, section 3.1)."""

import re

import numpy as np

from course_lib import imdb
from course_lib.pretraining.vocabulary import Vocabulary


def sentences(text):
    """Cuts a cleaned text after each `.`, `!` or `?`, and a closing mark, that white space follows."""
    return [part for part in re.split(r"(?<=[.!?])\s+|(?<=[.!?][\"')\]])\s+", text.strip()) if part]


def next_sentence_pairs(documents, cuts, sources):
    """Pairs of a document's beginning and an ending, its own or that of another document.

    Args:
        documents: One list of sentences per document, each a list of token ids.
        cuts: Per document the number of sentences in its beginning.
        sources: Per document the number of the document whose ending becomes the second part.

    Returns:
        `(first, second, is_next)`: two lists with one list of token ids per document, and an int32 array: 1
        where the second part follows the first, 0 where it is a stranger's.
    """
    first = [_join(document[:cut]) for document, cut in zip(documents, cuts, strict=True)]
    second = [_join(documents[source][cuts[source] :]) for source in sources]
    return first, second, np.equal(sources, np.arange(len(documents))).astype("int32")


def _join(lists):
    return [each for part in lists for each in part]


def draw_pairs(documents, seed=0):
    """Draws the cuts and sources of `next_sentence_pairs`.

    Args:
        documents: Lists of two sentences or more.
        seed: Seed of the draws.

    Returns:
        `(cuts, sources)`, two integer arrays. A cut leaves a sentence on either side. Half of the documents,
        rounded up, are their own source; each other one gets any document but itself, with equal chances.

    Raises:
        ValueError: If there are fewer than two documents, or one has fewer than two sentences.
    """
    count = len(documents)
    if count < 2 or min(map(len, documents)) < 2:
        raise ValueError(f"Two documents, of two sentences each, are needed at least. Received: {count}")
    rng = np.random.default_rng(seed)
    cuts = np.array([rng.integers(1, len(document)) for document in documents])
    steps = rng.integers(1, count, count)  # 1 to count - 1 places on, round the ring: never back to itself.
    steps[rng.permutation(count)[: (count + 1) // 2]] = 0
    return cuts, (np.arange(count) + steps) % count


def pack(first, second, start_id, end_id, length):
    """`[CLS] first [SEP] second [SEP]`, cut to `length`, and which of the two each token is of.

    What lies farthest from the cut between the two is dropped, from the longer part first.

    Args:
        first: List of ids of the first part.
        second: List of ids of the second.
        start_id: The id of `[CLS]`.
        end_id: The id of `[SEP]`.
        length: Most tokens, at least 3.

    Returns:
        `(token_ids, segment_ids)`, two lists of equal length.
    """
    room = length - 3
    short = room // 2
    keep_first = min(len(first), max(short, room - len(second)))
    keep_second = min(len(second), room - keep_first)
    first, second = first[len(first) - keep_first :], second[:keep_second]
    token_ids = [start_id, *first, end_id, *second, end_id]
    return token_ids, [0] * (len(first) + 2) + [1] * (len(second) + 1)


def pair_batches(texts, tokenizer, batch_size=32, sequence_length=128, shuffle=False, seed=0):
    """Batches of sentence pairs, padded to their own width.

    Args:
        texts: Sequence of str; they are cleaned. Those of a single sentence are left out.
        tokenizer: A `tokenizers.Tokenizer`.
        batch_size: Pairs per batch.
        sequence_length: Most tokens per pair.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the pairs and of the shuffle.

    Returns:
        A dataset of `(x, is_next)`, with `x` as in `imdb.batches`.
    """
    vocabulary = Vocabulary(tokenizer)
    parts = [sentences(imdb.clean(text)) for text in texts]
    ids = iter(imdb.encode(_join(parts), tokenizer, sequence_length=10**6))
    documents = [[next(ids)[1:-1] for _ in part] for part in parts]
    documents = [document for document in documents if len(document) > 1]
    *pairs, is_next = next_sentence_pairs(documents, *draw_pairs(documents, seed))
    ends = (vocabulary.start_id, vocabulary.end_id, sequence_length)
    packed = [pack(first, second, *ends) for first, second in zip(*pairs, strict=True)]
    token_ids, segments = zip(*packed, strict=True)
    return imdb.batch_sequences(token_ids, is_next, batch_size, shuffle=shuffle, seed=seed, segments=segments)
