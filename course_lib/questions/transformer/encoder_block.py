"""Question: a whole encoder block."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question
from course_lib.questions.transformer._shared import (
    _bent,
    _by_the_lesson,
    _norm,
    _shuffled,
    transformer,
)

attention = Lesson("attention")


# A block

NAMES = ("query", "key", "value", "attention_output", "intermediate_dense", "output_dense")


def _move_scores(rng, x, mask, weights, heads):
    """Makes scores of around -1400 in every other head and 800 in the rest.

    Those of padding are higher by so much that -1000 does not hide them, be it put in their place or added.
    """
    width = x.shape[-1]
    depth = width // heads
    low = np.arange(width) // depth % 2 == rng.integers(2)
    # A bias of the keys adds the same to all scores of a query, so that softmax stays as it is.
    query, (kernel, _) = np.where(low, -3.5, 2.0) / depth**0.25, weights["key"]
    weights["query"] = 1e-4 * weights["query"][0], query
    weights["key"] = kernel, np.full(width, 400 / depth**0.25)
    first = np.flatnonzero(low)[:depth]
    rise = kernel[:, first] @ query[first] / math.sqrt(depth)
    x[~mask] = 1300 * rise / (rise @ rise)


def _block_calls(rng):
    def call(batch, length, heads, depth, inner, counts, dtype="float64", left=False, far=False, about=""):
        width = heads * depth
        sizes = {**dict.fromkeys(NAMES, (width, width)), "intermediate_dense": (width, inner)}
        sizes["output_dense"] = (inner, width)
        sharp = {"query": 2.0, "key": 2.0}  # So that attention has something to prefer.
        weights = {}
        for name, (rows, columns) in sizes.items():
            kernel = sharp.get(name, 1.0) * rng.normal(size=(rows, columns)) / math.sqrt(rows)
            weights[name] = kernel.astype(dtype), (rng.normal(size=columns) / 2).astype(dtype)
        for name in ("attention_norm", "output_norm"):
            gamma, beta = rng.uniform(0.5, 1.5, width), rng.normal(size=width) / 2
            weights[name] = gamma.astype(dtype), beta.astype(dtype)
        mask = np.arange(length) < np.array(counts)[:, None]
        mask = mask[:, ::-1].copy() if left else mask
        x = rng.normal(size=(batch, length, width))
        if far:
            _move_scores(rng, x, mask, weights, heads)
        return Call((x.astype(dtype), mask, weights, heads), about=about)

    return [
        call(1, 3, 1, 4, 6, [3], about="one head"),
        call(2, 4, 2, 3, 8, [4, 4], about="several heads"),
        call(3, 4, 1, 3, 9, _shuffled(rng, 4, 3, 1), about="padding"),
        call(2, 5, 3, 2, 12, _shuffled(rng, 2, 4), dtype="float32", about="several heads"),
        call(4, 6, 4, 2, 16, _shuffled(rng, 5, 3, 2, 4), left=True, about="several heads"),
        call(2, 5, 2, 4, 8, _shuffled(rng, 2, 3), far=True, about="large scores"),
    ]


def _softmax(scores, axis=-1, shifted=True):
    exponentials = np.exp(scores - (scores.max(axis=axis, keepdims=True) if shifted else 0))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def _hidden_by(number, axes=np.s_[:, None, None, :], of=lambda mask: mask):
    """Scores of which those outside the mask are replaced by a number."""
    return lambda scores, mask: np.where(of(mask)[axes], scores, number)


def _hidden_less(number, axes=np.s_[:, None, None, :], of=lambda mask: mask):
    """Scores from which a number is taken outside the mask."""
    return lambda scores, mask: scores - np.where(of(mask)[axes], 0, number)


_right_hiding = _hidden_by(-np.inf)


def _cut(x, heads):
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def _cut_by_reshape(x, heads):
    return x.reshape(x.shape[0], heads, x.shape[1], -1)


def _cut_interleaved(x, heads):
    return x.reshape(*x.shape[:2], -1, heads).transpose(0, 3, 1, 2)


def _join(x):
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


def _join_by_reshape(x):
    return x.reshape(x.shape[0], x.shape[2], -1)


def _join_interleaved(x):
    return x.transpose(0, 2, 3, 1).reshape(x.shape[0], x.shape[2], -1)


def _residuals(x, attend, feed_forward, norm, again):
    middle = norm(x + attend(x))
    return again(middle + feed_forward(middle))


def _block(
    hide=_right_hiding,
    softmax=_softmax,
    after=lambda shares, mask: shares,
    scale=lambda width, depth, heads: math.sqrt(depth),
    cut=_cut,
    join=_join,
    sources=("query", "key", "value"),
    projected=True,
    no_bias=(),
    order=_residuals,
    heads=None,
    before=lambda x, mask: x,
    attended=lambda x, mask: x,
    finally_=lambda x, mask: x,
    activation=_bent,
    late=lambda x: x,
    norms=None,
):
    """A post-norm block with one thing done otherwise.

    `sources` are the names of the layers that make queries, keys and values, or None for x itself; `norms`
    are settings of `_norm`.
    """

    def answer(x, padding_mask, weights, num_heads):
        number = heads or num_heads

        def dense(x, name):
            kernel, bias = weights[name]
            return x @ kernel + (0 if name in no_bias else bias)

        def attend(x):
            query, key, value = (cut(dense(x, name) if name else x, number) for name in sources)
            scores = query @ key.swapaxes(-1, -2) / scale(x.shape[-1], query.shape[-1], num_heads)
            shares = after(softmax(hide(scores, padding_mask)), padding_mask)
            joined = join(shares @ value)
            return attended(dense(joined, "attention_output") if projected else joined, padding_mask)

        def feed_forward(x):
            return late(dense(activation(dense(x, "intermediate_dense")), "output_dense"))

        def norm(name):
            return lambda x: _norm(x, *weights[name], **(norms or {}))

        x = before(x, padding_mask)
        return finally_(
            order(x, attend, feed_forward, norm("attention_norm"), norm("output_norm")), padding_mask
        )

    return answer


def _blocks(*settings):
    return tuple(_block(**each) for each in settings)


def _orders(*orders):
    return tuple(_block(order=order) for order in orders)


def _zeroed(x, mask):
    return x * mask[:, :, None]


def _unnormed(scores, empty=0):
    """Scores in place of weights, with a number for hidden ones; None leaves them."""
    return scores if empty is None else np.where(np.isfinite(scores), scores, empty)


def _block_by_the_lesson(x, padding_mask, weights, num_heads):
    def heads(name):
        kernel, bias = weights[name]
        return attention.split_heads(x @ kernel + bias, num_heads)

    seen = padding_mask[:, None, None, :]
    attended = attention.scaled_dot_product_attention(heads("query"), heads("key"), heads("value"), seen)
    kernel, bias = weights["attention_output"]
    total = x + np.asarray(attention.join_heads(attended)) @ kernel + bias
    middle = np.asarray(transformer.layer_norm(total, *weights["attention_norm"]))
    dense = (*weights["intermediate_dense"], *weights["output_dense"])
    return _by_the_lesson(middle, *dense, *weights["output_norm"], norm_first=False)


def _block_example():
    """One token of a width of 2: what attention does is two dense layers."""
    same, norm = ([[1, 0], [0, 1]], [0, 0]), ([1, 1], [0, 0])
    weights = {
        **dict.fromkeys(("query", "key", "attention_output"), same),
        "value": ([[0, 0], [1, 1]], [0, 1]),
        "intermediate_dense": ([[0], [0]], [0]),
        "output_dense": ([[0, 0]], [3, 0]),
        **dict.fromkeys(("attention_norm", "output_norm"), norm),
    }
    return np.array([[[0.0, 2.0]]]), np.array([[True]]), weights, 1


QUESTION = Question(
    id="transformer.encoder_block",
    title="A whole encoder block",
    points=4,
    minutes=30,
    signature="encoder_block(x, padding_mask, weights, num_heads)",
    calls=_block_calls,
    reference=_block_by_the_lesson,
    rtol=1e-3,
    atol=3e-3,  # So that either form of GELU passes here.
    mistakes=(
        Mistake(
            "mask_ignored",
            _blocks(
                {"hide": lambda scores, mask: scores},
                {"hide": lambda scores, mask: scores, "before": _zeroed},
            ),
            "Texts without padding are right. In the others, tokens attend to padding, too: where does "
            "`padding_mask` enter your attention?",
            "No token may give weight to a key that is padding. The scores have the shape (batch, heads, "
            "queries, keys), the mask (batch, keys): which axes does it lack?",
        ),
        Mistake(
            "mask_at_other_axes",
            _blocks(
                {"hide": _hidden_by(-np.inf, np.s_[:, None, :, None])},
                {"hide": _hidden_by(-1e9, np.s_[:, None, :, None])},
                {"hide": _hidden_by(-np.inf, np.s_[:, None, :])},
                {"hide": _hidden_by(-1e9, np.s_[:, None, :])},
                {"hide": _hidden_less(1e9, np.s_[:, None, :])},
                {"hide": _hidden_by(-np.inf, np.s_[:1, None, None, :])},
                {"hide": _hidden_by(-1e9, np.s_[:1, None, None, :])},
            ),
            "Without padding you are right. With it, the mask does not meet the keys of its own text: which "
            "axes of the scores does it line up with?",
            "The scores have the shape (batch, heads, queries, keys). The mask says which *keys* of which "
            "text may be seen, so its two axes must stand first and last, with axes of length 1 between.",
        ),
        Mistake(
            "mask_inverted",
            _blocks(
                {"hide": _hidden_by(-np.inf, of=np.logical_not)},
                {"hide": _hidden_by(-1e9, of=np.logical_not)},
                {"hide": _hidden_less(1e9, of=np.logical_not)},
            ),
            "Your tokens attend to padding and not to tokens. What does True mean in `padding_mask`?",
            "padding_mask is True at tokens: these keep their scores. In yours, where there is padding, only "
            "that is seen.",
        ),
        Mistake(
            "finite_hiding",
            _blocks(
                {"hide": lambda scores, mask: scores * mask[:, None, None, :]},
                *({"hide": _hidden_by(number)} for number in (-1.0, -5.0, -10.0, -50.0, -100.0, -1000.0)),
                *({"hide": _hidden_less(number)} for number in (1.0, 10.0, 100.0, 1000.0)),
            ),
            "Hidden keys still get weight, at the latest where all scores that may be seen are far below 0. "
            "Which number do you give to a hidden score?",
            "exp(0) is 1, not 0; and -1000 is a high score beside those of -1400. Which number is below all "
            "others, whatever they are?",
        ),
        Mistake(
            "weights_do_not_sum_to_one",
            _blocks(
                {
                    "hide": lambda scores, mask: scores,
                    "after": lambda shares, mask: shares * mask[:, None, None, :],
                },
                {"softmax": functools.partial(_softmax, axis=-2)},
                {"softmax": functools.partial(_softmax, axis=-2), "hide": _hidden_by(-1e9)},
                {"softmax": _unnormed},
                {"softmax": functools.partial(_unnormed, empty=None)},
                {"softmax": functools.partial(_unnormed, empty=None), "hide": lambda scores, mask: scores},
                {"softmax": functools.partial(_unnormed, empty=None), "hide": _hidden_by(-1e9)},
            ),
            "Your weights do not sum to 1 for each query over the keys that it may see, at least where there "
            "is padding.",
            "Print the sums of your weights along the last axis, that of the keys: all must be 1, while "
            "padding has the weight 0. Is there a softmax, along that axis, and is the mask used before it?",
        ),
        Mistake(
            "padding_touched",
            _blocks(
                {"finally_": _zeroed},
                {"before": _zeroed},
                {"attended": _zeroed},
                {
                    "hide": lambda scores, mask: np.where(
                        mask[:, None, :, None], _right_hiding(scores, mask), -np.inf
                    )
                },
                {
                    "hide": lambda scores, mask: np.where(
                        mask[:, None, :, None], _right_hiding(scores, mask), -1e9
                    )
                },
                {"after": lambda shares, mask: shares * mask[:, None, :, None]},
            ),
            "All tokens are right. Only what comes out at places of padding is not: what do you do to them?",
            "The mask hides padding as a *key*. As a query, a place of padding attends to the tokens and "
            "goes through the rest of the block like any other; nothing is set to 0.",
        ),
        Mistake(
            "not_a_number",
            _blocks(
                {"softmax": functools.partial(_softmax, shifted=False)},
                {"hide": (lambda scores, mask: scores + (1 - mask[:, None, None, :]) * -np.inf)},
            ),
            "There is NaN in your result. Which step of your attention can make it: exp of a large score, or "
            "0 times infinity?",
            "exp(800) is infinite, exp(-800) is 0, and inf/inf, 0/0 and 0 · inf are NaN. Only differences of "
            "scores count in softmax; and np.where hides without a product.",
        ),
        Mistake(
            "other_scale",
            _blocks(
                {"scale": lambda width, depth, heads: math.sqrt(width)},
                {"scale": lambda width, depth, heads: 1.0},
                {"scale": lambda width, depth, heads: depth},
                {"scale": lambda width, depth, heads: width},
                {"scale": lambda width, depth, heads: math.sqrt(heads)},
            ),
            "Your attention is too even or too sharp: by what do you divide the dot products, if at all?",
            "A width of 768 in 12 heads gives vectors of 64 numbers, and their dot products are divided by "
            "8. Take the depth from what goes into the product, not from x.",
        ),
        Mistake(
            "heads_only_reshaped",
            _blocks(
                {"cut": _cut_by_reshape, "join": _join_by_reshape},
                {"join": _join_by_reshape},
                {"cut": _cut_by_reshape},
            ),
            "With one head you are right. With several, the shapes fit, but a reshape alone mixes tokens and "
            "channels, where the heads are cut or where they are joined.",
            "Cut the last axis in two, (batch, length, heads, depth), and then let length and heads change "
            "places. Afterwards the same two steps, backwards.",
        ),
        Mistake(
            "other_channels",
            _blocks(
                {"heads": 1},
                {"heads": 1, "scale": lambda width, depth, heads: math.sqrt(width / heads)},
                {"cut": _cut_interleaved, "join": _join_interleaved},
                {"cut": _cut_interleaved},
            ),
            "With one head you are right. With several: which channels of the queries make head 0 in yours, "
            "and how many are they?",
            "With a width of 6 and two heads, head 0 has the channels 0, 1 and 2: not all six, and not 0, 2 "
            "and 4. Each head has a softmax of its own.",
        ),
        Mistake(
            "projections",
            _blocks(
                {"projected": False},
                {"sources": ("query", "query", "value")},
                {"sources": ("key", "key", "value")},
                {"sources": ("key", "query", "value")},
                {"sources": ("query", "key", "key")},
                {"sources": ("query", "key", "query")},
                {"sources": ("query", "value", "key")},
                {"sources": ("query", "key", None)},
                {"sources": (None, None, None)},
            ),
            "Attention has four dense layers. At least one of them is not used in your code, or not where it "
            "should be.",
            "Queries, keys and values each come from x by the layer of their name, the joined heads go "
            'through "attention_output". Query i is multiplied with key j for row i and column j of the '
            "scores. Go through your names one by one.",
        ),
        Mistake(
            "missing_bias",
            _blocks(
                {"no_bias": ("attention_output",)},
                {"no_bias": ("query",)},
                {"no_bias": ("value",)},
                {"no_bias": ("query", "key", "value")},
                {"no_bias": ("query", "key", "value", "attention_output")},
                {"no_bias": ("intermediate_dense",)},
                {"no_bias": ("output_dense",)},
                {"no_bias": ("intermediate_dense", "output_dense")},
                {"no_bias": NAMES},
            ),
            "Heads, mask and norms are right. Does every dense layer of yours add its bias?",
            "Six pairs of the dict hold a kernel and a bias. Go through them one by one: is the second of "
            "the pair used?",
        ),
        Mistake(
            "norms_elsewhere",
            _orders(
                lambda x, attend, feed, norm, again: _residuals(x, attend, feed, again, norm),
                lambda x, attend, feed, norm, again: _residuals(x, attend, feed, norm, norm),
                lambda x, attend, feed, norm, again: _residuals(x, attend, feed, again, again),
                lambda x, attend, feed, norm, again: _residuals(x, attend, feed, lambda x: x, again),
                lambda x, attend, feed, norm, again: _residuals(x, attend, feed, norm, lambda x: x),
                lambda x, attend, feed, norm, again: _residuals(x, attend, feed, lambda x: x, lambda x: x),
                lambda x, attend, feed, norm, again: (middle := x + attend(norm(x))) + feed(again(middle)),
                lambda x, attend, feed, norm, again: (middle := x + norm(attend(x))) + again(feed(middle)),
                lambda x, attend, feed, norm, again: again((middle := x + attend(norm(x))) + feed(middle)),
                lambda x, attend, feed, norm, again: again((middle := x + norm(attend(x))) + feed(middle)),
                lambda x, attend, feed, norm, again: (middle := norm(x + attend(x))) + feed(again(middle)),
                lambda x, attend, feed, norm, again: (middle := norm(x + attend(x))) + again(feed(middle)),
            ),
            "Look at your two norms: which vectors does each get, and with whose gamma and beta?",
            'In post-norm "attention_norm" takes x + A(x), and "output_norm" takes h + F(h), which is the '
            "last thing that is done.",
        ),
        Mistake(
            "another_norm",
            tuple(
                _block(norms=each)
                for each in (
                    {"axis": (1, 2)},
                    {"axis": 1},
                    {"axis": 0},
                    {"ddof": 1},
                    {"power": 1.0},
                )
            ),
            "Your two norms stand where they should, but they are not those of question 1: over which "
            "numbers do they average, and what do they divide by?",
            "Each vector is normalised by itself, by the mean of its own components and by the root of their "
            "variance, over all of them. If your layer_norm of question 1 is right, call it.",
        ),
        Mistake(
            "residuals",
            _orders(
                lambda x, attend, feed, norm, again: again((middle := norm(attend(x))) + feed(middle)),
                lambda x, attend, feed, norm, again: again(feed(norm(attend(x)))),
                lambda x, attend, feed, norm, again: again((middle := attend(x)) + feed(middle)),
                lambda x, attend, feed, norm, again: again(feed(attend(x))),
                lambda x, attend, feed, norm, again: again(x + feed(norm(x + attend(x)))),
                lambda x, attend, feed, norm, again: again(feed(norm(x + attend(x)))),
                lambda x, attend, feed, norm, again: again((middle := x + attend(x)) + feed(norm(middle))),
                lambda x, attend, feed, norm, again: again(norm(x + attend(x)) + feed(x)),
                lambda x, attend, feed, norm, again: again(x + feed(norm(attend(x)))),
            ),
            "A block has two residuals, each around one part. Where does each of yours begin and end, and "
            "what goes into the part that it leads around?",
            "What goes into a part is added to what comes out of it, and the sum is normalised. Into "
            "attention goes x, into the dense layers what the first norm gave.",
        ),
        Mistake(
            "feed_forward",
            (
                *_blocks(
                    {"activation": lambda x: x},
                    {"activation": lambda x: np.maximum(x, 0)},
                    {"activation": np.tanh},
                    {"late": _bent},
                    {"activation": lambda x: x, "late": _bent},
                ),
                *_orders(
                    lambda x, attend, feed, norm, again: norm(x + attend(x)),
                    lambda x, attend, feed, norm, again: again(norm(x + attend(x))),
                    lambda x, attend, feed, norm, again: again(2 * norm(x + attend(x))),
                ),
            ),
            "Attention and its norm are right, your h is, too. What is missing or wrong is F: compare it "
            "with the formula of question 5, sign by sign.",
            "F is a dense layer, GELU and another dense layer, in this order, with nothing after them. Are "
            "all of them there, and is it GELU?",
        ),
    ),
    hint="Look at each step by itself, with the inputs of a small call: queries, keys, values, and which "
    "layer makes them; weights, whose rows sum to 1; the joined heads; h, normalised; the result.",
    more="Go from shape to shape: (batch, length, width) through a dense layer; cut to (batch, length, "
    "heads, depth) and swapped to (batch, heads, length, depth); scores (batch, heads, queries, keys), where "
    "the mask hides keys, then softmax; and back the same way. The rest is layer_norm and feed_forward_part.",
    example=_block_example(),
)
