"""Names in sentences: a tag for every word, and what counts as found.

Sources: Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 Shared Task", CoNLL 2003; Nakayama,
"seqeval: A Python framework for sequence labeling evaluation", 2018, whose definition of a span `spans` has.
"""

import functools

import numpy as np

from course_lib import imdb


@functools.cache
def _tokenizer():
    import tokenizers

    from course_lib import weights

    return tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))


def first_tokens(words):
    """A sentence's token ids, and where each word begins among them.

    Args:
        words: Sequence of str.

    Returns:
        `(ids, places)`: the ids with the two special ones, and for each word the place of its first token.

    Raises:
        ValueError: If a word has no token, such as an empty one.
    """
    tokenizer = _tokenizer()
    tokenizer.no_padding()
    tokenizer.no_truncation()
    encoding = tokenizer.encode(list(words), is_pretokenized=True)
    places = {}
    for place, word in enumerate(encoding.word_ids):
        if word is not None:
            places.setdefault(word, place)
    if len(places) != len(words):
        missing = next(word for number, word in enumerate(words) if number not in places)
        raise ValueError(f"Each word needs a token. Received: {missing!r}")
    return encoding.ids, [places[number] for number in range(len(words))]


def word_vectors(backbone, sentences):
    """The encoder's vector of each word's first token.

    Args:
        backbone: A `keras_hub.models.BertBackbone`.
        sentences: Sequence of sequences of words.

    Returns:
        List of float32 arrays `(words, width)`, one per sentence.
    """
    rows = [first_tokens(words) for words in sentences]
    token_ids, mask = imdb.pad([ids for ids, _ in rows])
    inputs = {"token_ids": token_ids, "padding_mask": mask, "segment_ids": np.zeros_like(token_ids)}
    outputs = backbone.predict(inputs, verbose=0)["sequence_output"]
    return [output[places].astype("float32") for output, (_, places) in zip(outputs, rows, strict=True)]


def shape(words):
    """What an uncased tokenizer drops: whether each word has a capital, and whether it is the first.

    Returns:
        Float32 array `(words, 2)`.
    """
    return np.array([[word[:1].isupper(), place == 0] for place, word in enumerate(words)], "float32")


def spans(tags):
    """The names that BIO tags say, as `seqeval` reads them by default.

    A name begins at a `B-`, and also at an `I-` that continues nothing of its type.

    Args:
        tags: Sequence of str such as `"B-PER"`, `"I-PER"`, `"O"`.

    Returns:
        Set of `(type, first, last)`: places of its first and its last word.
    """
    found, begin = set(), None
    for place, tag in enumerate([*tags, "O"]):
        kind = tag[2:]
        if begin is not None and (tag[0] != "I" or kind != tags[begin][2:]):
            found.add((tags[begin][2:], begin, place - 1))
            begin = None
        if begin is None and tag != "O":
            begin = place
    return found


def span_scores(true, predicted):
    """Precision, recall and F1 of names: one counts if its type, its first and its last word are right.

    Args:
        true: Sequence of sequences of tags.
        predicted: Likewise, of the same lengths.

    Returns:
        `(precision, recall, f1)`; 0 where nothing is there to divide by, as in seqeval.

    Raises:
        ValueError: If the lengths differ.
    """
    if [len(tags) for tags in true] != [len(tags) for tags in predicted]:
        raise ValueError("Each sentence needs as many predicted tags as true ones.")
    right = said = there = 0
    for ours, theirs in zip(true, predicted, strict=True):
        a, b = spans(ours), spans(theirs)
        right, said, there = right + len(a & b), said + len(b), there + len(a)
    precision, recall = right / said if said else 0.0, right / there if there else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0
