"""A text as words and tokens, and what a classifier says when some of its words are hidden."""

import dataclasses
import functools

import numpy as np

from course_lib import imdb, weights


@dataclasses.dataclass(frozen=True)
class Words:
    """A text as its words and their tokens.

    Attributes:
        words: The words that the model sees, tuple of str.
        ids: Int array `(tokens,)`, with `[CLS]` and `[SEP]` at the ends.
        owners: Int array `(tokens,)`: the place in `words` of the word that a token is a piece of, -1 for the
            two special tokens.
    """

    words: tuple[str, ...]
    ids: np.ndarray
    owners: np.ndarray

    def __len__(self):
        return len(self.words)

    def show(self, present):
        """The token ids with all other words hidden behind `[MASK]`.

        Args:
            present: Boolean array `(..., words)`.

        Returns:
            Int array `(..., tokens)`.
        """
        present = np.asarray(present, "bool")
        if present.shape[-1:] != (len(self),):
            raise ValueError(
                f"`present` must have one entry per word, {len(self)}. Received shape: {present.shape}"
            )
        kept = np.concatenate([present, np.ones((*present.shape[:-1], 1), "bool")], axis=-1)[..., self.owners]
        return np.where(kept, self.ids, _special()["[MASK]"]).astype("int32")

    def per_word(self, scores):
        """Sums the scores of each word's tokens; those of the special tokens are left out.

        Args:
            scores: Array `(tokens,)`.

        Returns:
            Float array `(words,)`.
        """
        owned = self.owners >= 0
        return np.bincount(self.owners[owned], np.asarray(scores)[owned], minlength=len(self))


@functools.cache
def _tokenizer():
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # "[MASK]" in a text is text, and hides nothing.
    return tokenizer


@functools.cache
def _special():
    return {name: _tokenizer().token_to_id(name) for name in ("[CLS]", "[SEP]", "[MASK]")}


def split(text, length=128, how="both"):
    """Splits a text at white space, and its words into tokens.

    Args:
        text: A str; tags are removed as `imdb.clean` does.
        length: Most tokens, special ones included.
        how: Which tokens of longer texts are kept, as in `imdb.truncate`. A word that is cut stays.

    Returns:
        A `Words`. Its ids are those of `imdb.encode`.

    Raises:
        ValueError: If there is no word.
    """
    words = imdb.clean(text).split()
    if not words:
        raise ValueError("There is nothing but white space or tags in the text.")
    pieces = [each.ids for each in _tokenizer().encode_batch(words, add_special_tokens=False)]
    owners = [i for i, ids in enumerate(pieces) for _ in ids]
    tokens = [token for ids in pieces for token in ids]
    kept = imdb.truncate(range(len(tokens)), length - 2, how)
    seen = sorted({owners[i] for i in kept})
    place = {word: i for i, word in enumerate(seen)}
    special = _special()
    return Words(
        words=tuple(words[i] for i in seen),
        ids=np.array([special["[CLS]"], *(tokens[i] for i in kept), special["[SEP]"]], "int32"),
        owners=np.array([-1, *(place[owners[i]] for i in kept), -1]),
    )


def model_inputs(rows):
    """What a classifier of the course is called with.

    Args:
        rows: Sequences of token ids, of any lengths.

    Returns:
        Dict of `token_ids`, `padding_mask` and `segment_ids`, int arrays `(len(rows), longest)`.
    """
    ids, mask = imdb.pad(rows)
    return {"token_ids": ids, "padding_mask": mask.astype("int32"), "segment_ids": np.zeros_like(ids)}


def log_odds(model, rows, batch_size=64):
    """How far a classifier leans to positive: its logit of positive minus that of negative.

    Unlike a probability it does not level off where the model is sure, and what several words add can be
    added up.

    Args:
        model: A classifier as `weights.load_reviewer` gives it, with two logits.
        rows: Sequences of token ids, of any lengths.
        batch_size: Rows at a time; rows of like length go together.

    Returns:
        Float array `(len(rows),)`; above 0 the verdict is positive.
    """
    lengths = np.array([len(row) for row in rows])
    result = np.empty(len(rows))
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(rows), batch_size):
        places = order[start : start + batch_size]
        logits = model.predict_on_batch(model_inputs([rows[i] for i in places]))
        result[places] = logits[:, 1] - logits[:, 0]
    return result


def lean(model, texts, length=128, how="both"):
    """`log_odds` of texts, a float array `(len(texts),)`; `length` and `how` as in `split`."""
    return log_odds(model, [split(text, length, how).ids for text in texts])


def game(model, words):
    """What the classifier says when only some words are shown, as a function that remembers its answers.

    Args:
        model: As in `log_odds`. Where its weights change, make a new game.
        words: A `Words`.

    Returns:
        Function from a boolean array `(n, words)` to the log-odds `(n,)`.
    """
    known = {}

    def value(present):
        present = np.atleast_2d(np.asarray(present, "bool"))
        keys = [row.tobytes() for row in present]
        new = dict(zip(keys, present, strict=True))
        new = {key: row for key, row in new.items() if key not in known}
        if new:
            asked = log_odds(model, list(words.show(np.stack(list(new.values())))))
            known.update(zip(new, asked, strict=True))
        return np.array([known[key] for key in keys])

    return value
