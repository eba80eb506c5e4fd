"""Question: one vector for a text."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.transformer._shared import _shuffled, transformer


def _pool_calls(rng):
    def call(
        counts,
        width,
        kind="int32",
        dtype="float64",
        left=False,
        length=4,
        at_padding=None,
        zero=False,
        about="",
    ):
        mask = np.arange(length) < np.array(counts)[:, None]
        mask = mask[:, ::-1] if left else mask
        vectors = rng.normal(size=(len(counts), length, width)) + 1
        if zero:
            vectors[:, 0] = 0
        if at_padding is not None:
            vectors = np.where(mask[:, :, None], vectors, np.resize(at_padding, vectors.shape))
        return Call((vectors.astype(dtype), mask.astype(kind)), about=about)

    return [
        call(_shuffled(rng, 4, 2), 3),
        call(_shuffled(rng, 4, 3, 2, 1), 4, kind="bool"),
        call(_shuffled(rng, 1, 3, 5), 2, dtype="float32", length=5),
        call(_shuffled(rng, 2, 3), 5, kind="bool", left=True, about="padding on the left"),
        call(_shuffled(rng, 3, 0, 2), 2, about="a text without tokens"),
        call(_shuffled(rng, 4, 2), 3, zero=True, about="a token whose vector is 0"),
        call(
            _shuffled(rng, 3, 1),
            3,
            kind="bool",
            at_padding=[np.nan],
            about="NaN or infinite numbers at padding",
        ),
        call(
            _shuffled(rng, 2, 4, 3),
            2,
            at_padding=[np.inf, -np.inf, np.nan, -np.inf, np.inf],
            about="NaN or infinite numbers at padding",
        ),
    ]


def _selected(sequence, mask):
    return np.where(mask[:, :, None], sequence, 0)


def _multiplied(sequence, mask):
    return sequence * mask[:, :, None]


def _pool(sequence, padding_mask, tokens=_selected, count=lambda mask: mask.sum(axis=1)[:, None], least=1.0):
    """A mean over tokens with another sum or another divisor."""
    mask = padding_mask.astype(bool)
    return tokens(sequence, mask).sum(axis=1) / np.maximum(count(mask), least)


def _pools(**settings):
    """A mistake with np.where and by a product."""
    return tuple(functools.partial(_pool, tokens=tokens, **settings) for tokens in (_selected, _multiplied))


def _each(choose, guarded=False):
    """The mean of the vectors that a function chooses of each text."""

    def answer(sequence, padding_mask):
        found = np.full((len(sequence), sequence.shape[2]), np.nan)
        for i, (vectors, mask) in enumerate(zip(sequence, padding_mask, strict=True)):
            chosen = choose(vectors, mask)
            found[i] = (chosen.sum(axis=0) / len(chosen)) if len(chosen) else np.nan
            if guarded and not mask.any():
                found[i] = 0
        return found

    return answer


def _first_ones(vectors, mask):
    return vectors[: int(mask.sum())]


def _by_index(vectors, mask):
    return vectors[mask]


def _by_tilde(sequence, padding_mask):
    outside = ~padding_mask  # Of integers never 0: -1 or -2.
    return np.where(outside[:, :, None], 0, sequence).sum(axis=1) / np.maximum(
        padding_mask.sum(axis=1)[:, None], 1
    )


def _without_zeros(whole):
    """A mean over what is not 0, by components or by whole vectors."""

    def answer(sequence, padding_mask):
        kept = _selected(sequence, padding_mask.astype(bool))
        counted = (kept != 0).any(axis=-1, keepdims=True) if whole else kept != 0
        return kept.sum(axis=1) / np.maximum(counted.sum(axis=1), 1)

    return answer


def _without_nan(sequence, padding_mask, guarded=False):
    known = ~np.isnan(sequence)
    mean = np.where(known, sequence, 0).sum(axis=1) / known.sum(axis=1)
    return np.where(padding_mask.astype(bool).any(axis=1)[:, None], mean, 0) if guarded else mean


def _largest(sequence, padding_mask, guarded=True):
    mask = padding_mask.astype(bool)[:, :, None]
    found = np.where(mask, sequence, -np.inf).max(axis=1)
    return np.where(mask.any(axis=1), found, 0) if guarded else found


QUESTION = Question(
    id="transformer.mean_pool",
    title="One vector for a text",
    points=1,
    minutes=10,
    signature="mean_pool(sequence, padding_mask)",
    calls=_pool_calls,
    reference=lambda sequence, padding_mask: transformer.mean_pool(sequence, padding_mask),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "multiplied",
            functools.partial(_pool, tokens=_multiplied),
            "Right as long as numbers stand at padding. With NaN or infinity there, your result has NaN: "
            "what is 0 · NaN?",
            "A product with 0 does not make everything 0: 0 · NaN and 0 · inf are NaN. Choose between the "
            "vector and 0 instead of multiplying.",
        ),
        Mistake(
            "padding_counted",
            lambda sequence, padding_mask: sequence.mean(axis=1),
            "You average over all places, so the vector of a short text is mostly that of padding. Where "
            "does `padding_mask` enter?",
            "The same text must give the same vector, however much padding stands beside it. Two things must "
            "leave padding out: the sum, and the number by which you divide.",
        ),
        Mistake(
            "divided_by_the_length",
            _pools(count=lambda mask: mask.shape[1]),
            "Your sum leaves padding out, but you divide by the length with the padding. How many vectors "
            "are in the sum?",
            "A text of one token and three places of padding must give that token's vector; yours gives a "
            "quarter of it. The mask knows how many tokens there are.",
        ),
        Mistake(
            "padding_in_the_sum",
            functools.partial(_pool, tokens=lambda sequence, mask: sequence),
            "You divide by the right number, but the vectors of padding are still in the sum. They are not "
            "zero.",
            "What the encoder gives at padding is some vector like others. Put 0 in its place before you add "
            "up; which axis does the mask lack for that?",
        ),
        Mistake(
            "only_summed",
            _pools(count=lambda mask: 1),
            "You return the sum over the tokens: a long text gets a long vector.",
            "The vectors [1, 2] and [3, 6] have the mean [2, 4]; yours is [4, 8]. By what must be divided?",
        ),
        Mistake(
            "first_token",
            lambda sequence, padding_mask: sequence[:, 0],
            "You take the first vector, that of [CLS]. That is another way to get one vector from a text; "
            "here the mean of all tokens is asked for.",
            "A text of two tokens must give the point half-way between their vectors. And where padding "
            "stands on the left, your first vector is padding.",
        ),
        Mistake(
            "first_ones",
            (_each(_first_ones, guarded=True), _each(_first_ones)),
            "Padding on the right is left out, on the left it is not: you take as many vectors from the "
            "beginning as there are tokens.",
            "The number of tokens does not say where they stand. With the mask [0, 0, 1, 1] the mean is that "
            "of the last two vectors.",
        ),
        Mistake(
            "mask_as_index",
            (_each(_by_index), _each(_by_index, guarded=True)),
            "With a boolean mask the tokens are right, with one of integers they are not: what does "
            "`vectors[[1, 1, 0]]` take?",
            "Integers in an index name places: you get the vectors 1, 1 and 0, as many as the text is long. "
            "Booleans select; astype(bool) makes them.",
        ),
        Mistake(
            "tilde_of_integers",
            _by_tilde,
            "With a boolean mask you are right. With one of integers everything becomes 0: what is ~1?",
            "~ turns the bits of an integer: ~1 is -2 and ~0 is -1, and both count as true. Compare with 0, "
            "or make booleans first.",
        ),
        Mistake(
            "empty_is_nan",
            (*_pools(least=0.0), _each(lambda vectors, mask: vectors[mask.astype(bool)])),
            "A text without any token goes wrong: 0/0 is NaN. What should its vector be?",
            "The sum over nothing is 0. Take care that the number by which you divide is never less than 1.",
        ),
        Mistake(
            "divided_by_more",
            (
                *_pools(count=lambda mask: mask.sum(axis=1)[:, None] + 1),
                *_pools(count=lambda mask: mask.sum(axis=1)[:, None] + 1e-2, least=0.0),
                *_pools(count=lambda mask: mask.sum(axis=1)[:, None] + 1e-3, least=0.0),
            ),
            "Your vectors are too short, the more so the shorter the text is: you divide by something more "
            "than the number of tokens.",
            "A text of one token must give that token's vector, and yours is shorter. To avoid 0/0, change "
            "the divisor only where it would be 0.",
        ),
        Mistake(
            "one_count_for_all",
            (*_pools(count=lambda mask: mask.sum()), *_pools(count=lambda mask: mask.sum(axis=1).max())),
            "You divide all texts of a batch by the same number, so that a text's vector depends on its "
            "neighbours.",
            "padding_mask.sum() is a single number, and so is the largest of several. Each text needs a "
            "count of its own: along which axis, and in which shape, so that it divides (batch, width)?",
        ),
        Mistake(
            "zeros_not_counted",
            (_without_zeros(whole=False), _without_zeros(whole=True)),
            "Right until a token's vector is 0: you count what is not 0 instead of tokens.",
            "[4, 4] and [0, 0] have the mean [2, 2]. How many tokens a text has, the mask says; the vectors "
            "do not.",
        ),
        Mistake(
            "only_nan_left_out",
            (_without_nan, functools.partial(_without_nan, guarded=True)),
            "You leave out what is NaN. But padding is what the mask says, and mostly it holds numbers like "
            "others.",
            "With the mask [1, 1, 0] the third vector must not count, be it NaN, infinite or [9, 9]. Where "
            "do you use the mask?",
        ),
        Mistake(
            "maximum",
            (
                _largest,
                functools.partial(_largest, guarded=False),
                lambda sequence, padding_mask: sequence.max(axis=1),
                lambda sequence, padding_mask: _multiplied(sequence, padding_mask.astype(bool)).max(axis=1),
            ),
            "You take the largest number of each component. That is max pooling; the mean is asked for.",
            "[1, 2] and [3, 6] must become [2, 4]; the maximum is [3, 6].",
        ),
    ),
    hint="A sum over a number. Give the mask one axis more, and both are a line each.",
    more="padding_mask[:, :, None] has the shape (batch, length, 1) and lines up with the vectors: np.where "
    "puts 0 where it is not true. Sum over the tokens, and divide by their number, which is at least 1.",
    example=(
        np.array(
            [
                [[9.0, 9.0], [4.0, 0.0], [2.0, 1.0], [0.0, 5.0]],
                [[np.nan, 9.0], [np.inf, 9.0], [1.0, 2.0], [3.0, 2.0]],
            ]
        ),
        np.array([[0, 1, 1, 1], [0, 0, 1, 1]]),
    ),
)
