"""Question: token, position and segment in one vector."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.transformer._shared import _norm, transformer


def _embed_calls(rng):
    def call(batch, length, positions, vocabulary, width, dtype="float64"):
        ids = rng.integers(vocabulary, size=(batch, length))
        segments = (np.arange(length) >= rng.integers(1, length, size=(batch, 1))).astype(int)
        tables = (rng.normal(size=(rows, width)) for rows in (vocabulary, positions, 2))
        norm = rng.uniform(0.5, 2.0, width), rng.normal(size=width)
        about = "several texts" if batch > 1 else "a single text"
        return Call((ids, segments, *(array.astype(dtype) for array in (*tables, *norm))), about=about)

    return [
        call(2, 3, 5, 5, 4),
        call(3, 4, 9, 7, 6),
        call(4, 4, 4, 4, 3),
        call(1, 6, 12, 10, 5, "float32"),
        call(2, 7, 8, 30, 8),
    ]


def _embed(
    token_ids,
    segment_ids,
    token_table,
    position_table,
    segment_table,
    gamma,
    beta,
    places=None,
    parts=(1, 1, 1),
    combine=lambda parts, gamma, beta: _norm(sum(parts), gamma, beta),
):
    """Embeddings with other rows of the position table, other multiples of the parts, or another norm."""
    length = token_ids.shape[1]
    positions = position_table[:length] if places is None else places(position_table, token_ids)
    looked_up = token_table[token_ids], positions, segment_table[segment_ids]
    return combine([n * part for n, part in zip(parts, looked_up, strict=True)], gamma, beta)


def _combined(*ways):
    return tuple(functools.partial(_embed, combine=way) for way in ways)


def _placed(*ways):
    """Embeddings with other rows of the table of positions."""
    return tuple(functools.partial(_embed, places=way) for way in ways)


def _over_the_batch(ids):
    return np.arange(ids.size).reshape(ids.shape)


def _normed(*settings):
    """Embeddings with another norm of their sum."""
    return tuple(
        functools.partial(
            _embed,
            combine=lambda parts, gamma, beta, each=each: _norm(sum(parts), gamma, beta, **each),
        )
        for each in settings
    )


def _scaled_tokens(ids, segments, tokens, *rest):
    return _embed(ids, segments, tokens * math.sqrt(tokens.shape[1]), *rest)


QUESTION = Question(
    id="transformer.embed",
    title="Token, position and segment in one vector",
    points=1,
    minutes=10,
    signature="embed(token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta)",
    calls=_embed_calls,
    reference=lambda token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta: (
        transformer.layer_norm(
            token_table[token_ids] + position_table[: token_ids.shape[1]] + segment_table[segment_ids],
            gamma,
            beta,
        )
    ),
    rtol=1e-4,
    atol=1e-4,
    mistakes=(
        Mistake(
            "no_positions",
            functools.partial(_embed, parts=(1, 0, 1)),
            "One of the three summands is missing: a token has the same vector wherever it stands in its "
            "text.",
            "Attention cannot see the order of the tokens by itself, so the vectors must tell it. Which "
            "argument of the function do you not use?",
        ),
        Mistake(
            "no_segments",
            functools.partial(_embed, parts=(1, 1, 0)),
            "One of the three summands is missing: a token has the same vector in the first text and in the "
            "second.",
            "`segment_ids` says which text a token is of, and `segment_table` has a vector for each of the "
            "two. Does your sum look there?",
        ),
        Mistake(
            "no_tokens",
            functools.partial(_embed, parts=(0, 1, 1)),
            "One of the three summands is missing: all texts of the same length and segments have the same "
            "vectors, whatever their words are.",
            "Where a token stands and which text it is of is in your sum. Which table says what the token "
            "is?",
        ),
        Mistake(
            "positions_by_token",
            _placed(
                lambda table, ids: table[ids],
                lambda table, ids: table[ids % len(table)],
                lambda table, ids: table[np.minimum(ids, len(table) - 1)],
            ),
            "You look up the position vectors by token id. Does the position of a token depend on which "
            "word it is?",
            "The first token of every text gets row 0 of the position table, the second row 1, whatever "
            "their ids are. Which rows does a text of n tokens need?",
        ),
        Mistake(
            "positions_by_text",
            functools.partial(_embed, places=lambda table, ids: table[: len(ids), None]),
            "All tokens of a text get the same position vector, that of the text's place in the batch.",
            "Positions count along a text. `token_ids` has the shape (batch, length): which of the two "
            "tells how many rows you need, and along which axis do they run?",
        ),
        Mistake(
            "positions_uncut",
            functools.partial(_embed, places=lambda table, ids: table),
            "The table of positions is as long as the longest text that is possible; this text is shorter. "
            "You add the whole table.",
            "A text of n tokens needs the positions 0 to n - 1. Cut the table, then its shape (n, width) "
            "fits (batch, n, width).",
        ),
        Mistake(
            "positions_from_one",
            _placed(
                lambda table, ids: table[1 : ids.shape[1] + 1],
                lambda table, ids: table[np.arange(1, ids.shape[1] + 1)],
                lambda table, ids: table[np.arange(1, ids.shape[1] + 1) % len(table)],
            ),
            "Each token gets the position vector of the place behind it. Which number has the first place?",
            "Positions count from 0: the first token gets row 0, the last of n tokens row n - 1. A text may "
            "be as long as the table, and has just enough rows then.",
        ),
        Mistake(
            "positions_over_the_batch",
            _placed(
                lambda table, ids: table[_over_the_batch(ids)],
                lambda table, ids: table[_over_the_batch(ids) % len(table)],
                lambda table, ids: table[np.minimum(_over_the_batch(ids), len(table) - 1)],
            ),
            "A single text is right, several are not: your positions count on from one text into the next.",
            "The first token of each text is at position 0, so all texts of a batch get the same rows of the "
            "table. How many numbers does one text need, and which axis is its length?",
        ),
        Mistake(
            "last_positions",
            functools.partial(_embed, places=lambda table, ids: table[-ids.shape[1] :]),
            "Right where the text is as long as the table of positions. In shorter ones you take the last "
            "rows of the table.",
            "The first token of a text is at position 0, however long the text is. Which end of the table do "
            "you cut off?",
        ),
        Mistake(
            "no_norm",
            _combined(
                lambda parts, gamma, beta: sum(parts),
                lambda parts, gamma, beta: gamma * sum(parts) + beta,
            ),
            "The sum is right, but it is not normalised. What are gamma and beta those of?",
            "BERT normalises the sum before the first block sees it, so your layer_norm comes last.",
        ),
        Mistake(
            "normed_too_early",
            _combined(
                lambda parts, gamma, beta: _norm(parts[0], gamma, beta) + parts[1] + parts[2],
                lambda parts, gamma, beta: _norm(parts[0] + parts[1], gamma, beta) + parts[2],
                lambda parts, gamma, beta: _norm(parts[0] + parts[2], gamma, beta) + parts[1],
                lambda parts, gamma, beta: sum(_norm(part, gamma, beta) for part in parts),
            ),
            "You normalise before all three vectors are added. The sum itself is no longer normalised.",
            "With gamma 1 and beta 0 every vector of the result must have the mean 0 and the deviation 1. "
            "What has to be done first: the addition, or the norm?",
        ),
        Mistake(
            "gain_or_shift_missing",
            _combined(
                lambda parts, gamma, beta: _norm(sum(parts), 1.0, 0.0),
                lambda parts, gamma, beta: _norm(sum(parts), gamma, 0.0),
                lambda parts, gamma, beta: _norm(sum(parts), 1.0, beta),
            ),
            "Sum and norm are right. Gamma and beta are not both used.",
            "The norm of question 1 has a gain and a shift; the two that are meant here are the last "
            "arguments of `embed`.",
        ),
        Mistake(
            "norm_over_more",
            _normed({"axis": (1, 2)}, {"axis": 0}, {"axis": 1}, {"axis": None}),
            "The sum is right. Your norm is not one for each token's vector: its means and deviations are "
            "taken over other numbers, or over more of them.",
            "Each vector of the result has the mean 0 and the deviation 1 before gamma and beta, whatever "
            "other tokens and texts there are. Which axis of (batch, length, width) holds a vector?",
        ),
        Mistake(
            "another_norm",
            _normed({"power": 1.0}, {"ddof": 1}, {"epsilon": 1e-3}, {"epsilon": 1e-2}, {"power": 0.25}),
            "The sum is right. Your norm is not quite that of question 1: look at what stands under the "
            "fraction line.",
            "There stands one root, over the variance of all components and epsilon, which is tiny here. If "
            "your layer_norm of question 1 is right, call it.",
        ),
        Mistake(
            "scaled_tokens",
            _scaled_tokens,
            "Your token vectors count too much in the sum: they are multiplied by the root of the width.",
            "The first Transformer of 2017 does that, BERT does not. Here the three vectors are added as "
            "they stand in their tables.",
        ),
    ),
    hint="Three look-ups, a sum and a norm. Write down the shape of each look-up before you add.",
    more="table[ids] looks up a row for each id. The positions of a text of n tokens are the first n rows of "
    "their table, of shape (n, width), which fits to (batch, n, width). The norm of the sum comes last.",
    example=(
        np.array([[1, 0, 1]]),
        np.array([[0, 0, 1]]),
        np.array([[0.0, 0.0], [4.0, 0.0]]),
        np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 9.0], [7.0, 7.0]]),
        np.array([[0.0, 1.0], [0.0, 0.0]]),
        np.array([1.0, 10.0]),
        np.array([0.0, 5.0]),
    ),
)
