"""Question: splitting into heads."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.attention._shared import attention


def _heads_calls(rng):
    return [
        (np.arange(8.0).reshape(2, 4) + 10 * rng.integers(1, 9), 2),
        (rng.normal(size=(3, 12)), 4),
        (rng.normal(size=(2, 5, 6)), 2),
        (rng.normal(size=(2, 3, 4, 6)).astype("float32"), 3),
        Call((rng.normal(size=(3, 5)), 1), about="a single head"),
        Call((rng.normal(size=(2, 4, 3)), 3), about="heads of depth 1"),
    ]


def _cut(x, *sizes):
    """Cuts the last axis into parts."""
    return x.reshape(*x.shape[:-1], *sizes)


def _cut_heads(x, heads):
    return _cut(x, heads, x.shape[-1] // heads)


def _for_matrices(x, heads):
    length, channels = x.shape
    return x.reshape(length, heads, channels // heads).transpose(1, 0, 2)


def _for_batches(x, heads):
    batch, length, channels = x.shape
    return x.reshape(batch, length, heads, channels // heads).transpose(0, 2, 1, 3)


QUESTION = Question(
    id="attention.split_heads",
    title="Splitting into heads",
    points=2,
    minutes=10,
    signature="split_heads(x, num_heads)",
    calls=_heads_calls,
    reference=lambda x, num_heads: attention.split_heads(x, num_heads),
    mistakes=(
        Mistake(
            "only_reshaped",
            lambda x, heads: x.reshape(*x.shape[:-2], heads, x.shape[-2], x.shape[-1] // heads),
            "The shape is right, but your first head holds all channels of the first tokens instead of the "
            "first channels of all tokens.",
            "A reshape keeps the order in which numbers lie in memory: token after token. Head 0 must be "
            "x[..., :depth]. Cut one axis into two without touching the others, and move an axis after that.",
        ),
        Mistake(
            "heads_behind",
            (_cut_heads, lambda x, heads: np.swapaxes(_cut_heads(x, heads), -1, -2)),
            "You cut the channels in the right places, but the axis of the heads stands behind the "
            "sequence. What would a matrix product over the last two axes then multiply?",
            "In your shape the length comes before the heads; attention needs (length, depth) last, and the "
            "heads before both. Which axis has to change places with which?",
        ),
        Mistake(
            "interleaved",
            lambda x, heads: np.moveaxis(_cut(x, x.shape[-1] // heads, heads), -1, -3),
            "Your heads take the channels in turn, like cards that are dealt. A head's channels lie side by "
            "side.",
            "With 4 channels and 2 heads, head 0 has channels 0 and 1; yours has 0 and 2. In which order do "
            "the two parts of the cut axis go into the reshape?",
        ),
        Mistake(
            "sizes_exchanged",
            lambda x, heads: np.swapaxes(_cut(x, x.shape[-1] // heads, heads), -2, -3),
            "You make heads of `num_heads` channels each, not `num_heads` heads. Where both numbers are "
            "equal, that cannot be seen.",
            "With 12 channels and 4 heads the result has 4 heads of 3 channels; yours has 3 heads of 4. Name "
            "the depth first: how is it computed from the number of channels?",
        ),
        Mistake(
            "heads_first",
            lambda x, heads: np.stack(np.split(x, heads, axis=-1)),
            "For a single text it is right. With a batch, your heads stand before the batch.",
            "The new axis belongs just before the sequence, behind all leading axes: (batch, num_heads, "
            "length, depth). Count from the end, then it is right for any number of leading axes.",
        ),
        Mistake(
            "matrix_only",
            (
                _for_matrices,
                lambda x, heads: _cut_heads(x, heads).transpose(1, 0, 2),
                lambda x, heads: np.swapaxes(_cut_heads(x, heads), 0, 1),
            ),
            "A single text of shape (length, channels) is right; with leading axes it is not. Your code "
            "counts on exactly two axes.",
            "Take x.shape[:-1] for whatever stands before the channels, and name the two axes that change "
            "places by negative numbers.",
        ),
        Mistake(
            "batch_only",
            (
                _for_batches,
                lambda x, heads: _cut_heads(x, heads).transpose(0, 2, 1, 3),
                lambda x, heads: np.swapaxes(_cut_heads(x, heads), 1, 2),
                lambda x, heads: np.stack(np.split(x, heads, axis=-1), axis=1),
            ),
            "A batch of shape (batch, length, channels) is right; without leading axes, or with two, it is "
            "not.",
            "Your code counts on exactly one leading axis. Take x.shape[:-1] for whatever stands before the "
            "channels, and count the axes that you move from the end.",
        ),
        Mistake(
            "depth_first",
            lambda x, heads: np.moveaxis(_cut_heads(x, heads), -3, -1),
            "Each head is there, but lies on its side: depth before length. Has one axis more been moved "
            "than needed?",
            "Your shape is (..., num_heads, depth, length). The swap of length and depth is for the keys "
            "and comes later, inside attention. Here length and depth keep their order.",
        ),
    ),
    hint="One reshape that cuts the last axis in two, then one swap of two axes, counted from the end.",
    more="x.shape[:-1] is whatever stands before the channels. Reshape to that, then num_heads, then depth: "
    "this cuts each token's channels and nothing else. The heads now stand behind the length and must come "
    "before it.",
    example=(np.arange(1.0, 13.0).reshape(2, 6), 3),
)
