"""From words to token ids: WordPiece, truncation, padding."""

import collections
import concurrent.futures
import itertools
import numbers

import numpy as np

from course_lib.imdb.splits import check_texts, clean, first_words, split_words, valid


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

    Raises:
        ValueError: If `texts` is no sequence of str.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    check_texts(texts)
    texts = [valid(text) for text in texts]
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
    if how not in ("head", "tail", "both") or not isinstance(length, numbers.Integral) or length < 0:
        raise ValueError(
            f"`how` must be 'head', 'tail' or 'both', `length` >= 0, an integer. Received: {how!r}, {length}"
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


def encode(texts, tokenizer=None, sequence_length=128, how="head"):
    """Token ids of cleaned texts, with `[CLS]` before and `[SEP]` after, cut to `sequence_length` tokens.

    Where a text itself has the letters `[SEP]`, they are words and brackets like any other.

    Args:
        texts: Sequence of str.
        tokenizer: A `tokenizers.Tokenizer` with BERT's `[CLS]` and `[SEP]`; None takes the pretrained
            encoder's.
        sequence_length: Most tokens per text, the two special ones included.
        how: As in `truncate`.

    Returns:
        List of lists of int.

    Raises:
        ValueError: If `how` is unknown, `sequence_length` is below 2, `texts` is no sequence of str, or the
            tokenizer is none or of another kind.
    """
    import tokenizers

    check_texts(texts)
    if tokenizer is None:
        from course_lib import weights

        tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
        tokenizer.no_truncation()
        tokenizer.no_padding()
    elif not hasattr(tokenizer, "to_str"):  # Of the library's classes, each has it.
        raise ValueError(
            f"`tokenizer` must be a `tokenizers.Tokenizer`. Received: {type(tokenizer).__name__}"
        )
    elif type(tokenizer) is not tokenizers.Tokenizer or tokenizer.truncation or tokenizer.padding:
        tokenizer = tokenizers.Tokenizer.from_str(tokenizer.to_str())  # The caller's own keeps its settings.
        tokenizer.no_truncation()
        tokenizer.no_padding()
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    if first is None or last is None:
        raise ValueError(
            "`tokenizer` has no [CLS] or no [SEP], which BERT's encoder takes before and after a text. Give "
            "a BERT tokenizer: None for the pretrained encoder's, or one of `train_wordpiece`'s pieces."
        )
    length = sequence_length - 2
    truncate([], length, how)  # For its errors.
    if isinstance(tokenizer.pre_tokenizer, tokenizers.pre_tokenizers.BertPreTokenizer):
        found = _encode_words(texts, tokenizer, length, how)
    else:
        found = _encode_whole(texts, tokenizer, length, how)
    return [[first, *ids, last] for ids in found]


def _for_text(tokenizer, texts):
    """The tokenizer, or if a text has the letters of a special token, a copy that takes them for text."""
    names = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    if tokenizer.encode_special_tokens or not any(name in text for text in texts for name in names):
        return tokenizer
    other = type(tokenizer).from_str(tokenizer.to_str())
    other.encode_special_tokens = True
    return other


def _encode_whole(texts, tokenizer, length, how):
    sequences = []
    for start in range(0, len(texts), 1000):  # A part at a time: an Encoding is far larger than its ids.
        cleaned = [clean(text) for text in texts[start : start + 1000]]
        tokenizer = _for_text(tokenizer, cleaned)
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
            words = [first_words(text, length + 1) if how == "head" else split_words(text) for text in part]
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
    # long. No word may hold a special token itself.
    parts = []
    for alone, group in itertools.groupby(words, lambda word: "[" in word):
        run, step = list(group), 1 if alone else size
        parts += [(alone, run[start : start + step]) for start in range(0, len(run), step)]
    whole = _whole_words([part[0] for alone, part in parts if alone], tokenizer)
    joined = [" [SEP] ".join(part) for alone, part in parts if not alone]
    encodings = iter(tokenizer.encode_batch_fast(joined, add_special_tokens=False))
    between, tokens, sizes = tokenizer.token_to_id("[SEP]"), [[]], [[]]
    for alone, part in parts:
        if alone:
            ids = next(whole)
            tokens.append(ids)
            sizes.append([len(ids)])
            continue
        ids = np.array(next(encodings).ids, "int32")
        ends = np.flatnonzero(ids == between)
        if len(ends) == len(part) - 1:
            tokens.append(np.delete(ids, ends))
            sizes.append(np.diff(ends, prepend=-1, append=len(ids)) - 1)
        else:  # It is no special token here.
            found = list(_whole_words(part, tokenizer))
            tokens.append(list(itertools.chain.from_iterable(found)))
            sizes.append([len(each) for each in found])
    return np.concatenate(tokens).astype("int32"), np.concatenate(sizes).astype("int64")


def _whole_words(words, tokenizer):
    encodings = _for_text(tokenizer, words).encode_batch_fast(words, add_special_tokens=False)
    return (each.ids for each in encodings)
