"""Questions of lesson 03: norm, segments, embeddings, GELU, feed-forward part, block, pooling, the count."""

import functools
import math

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

attention = Lesson("attention")
transformer = Lesson("transformer")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


def _shuffled(rng, *values):
    """The values in a random order: a question may need all of them and none in a given place."""
    return rng.permutation(np.array(values))


# Layer normalisation


def _norm_calls(rng):
    def call(x, *epsilon, dtype="float64"):
        width = x.shape[-1]
        gamma, beta = rng.uniform(0.5, 2.0, width) * rng.choice([-1.0, 1.0], width), rng.normal(size=width)
        return (*(array.astype(dtype) for array in (x, gamma, beta)), *epsilon)

    level = rng.integers(2, 20, size=(3, 1)) / 4  # Quarters and a width of 4, so that the mean is exact.
    equal = np.where(_shuffled(rng, True, False, False)[:, None], rng.normal(size=(3, 4)), level)
    return [
        call(3 * rng.normal(size=(2, 3)) + _shuffled(rng, -4.0, 5.0)[:, None]),
        call(rng.normal(size=(4, 4)) * _shuffled(rng, 1.0, 2.0, 4.0, 8.0)[:, None]),
        call(rng.normal(size=(2, 3, 5)), dtype="float32"),
        call(equal),
        call(rng.normal(size=(3, 6)), 0.5),
        call(rng.normal(size=8), 0.25),
    ]


@_quiet
def _norm(x, gamma, beta, epsilon=1e-12, axis=-1, ddof=0, inside=True, power=0.5):
    """Layer normalisation with one of its parts replaced."""
    mean, variance = x.mean(axis=axis, keepdims=True), x.var(axis=axis, ddof=ddof, keepdims=True)
    spread = (variance + epsilon) ** power if inside else variance**power + epsilon
    return gamma * (x - mean) / spread + beta


_LAYER_NORM = Question(
    id="transformer.layer_norm",
    title="Layer normalisation",
    points=2,
    minutes=10,
    signature="layer_norm(x, gamma, beta, epsilon=1e-12)",
    calls=_norm_calls,
    reference=lambda x, gamma, beta, epsilon=1e-12: transformer.layer_norm(x, gamma, beta, epsilon),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "over_the_batch",
            functools.partial(_norm, axis=0),
            "You average over the first axis, so that a vector depends on the others of its batch. That is "
            "batch normalisation.",
            "Layer normalisation looks at one vector at a time: the result for x[0] must stay the same when "
            "x[1] changes. Which axis holds the components of a vector?",
        ),
        Mistake(
            "over_everything",
            functools.partial(_norm, axis=None),
            "Right for a single vector, wrong for several: you take one mean and one deviation for the "
            "whole array.",
            "Two vectors, one around -4 and one around 5, must both come out around beta. Each needs a mean "
            "of its own: which axis do you reduce, and does the result still line up with the rows?",
        ),
        Mistake(
            "sample_deviation",
            functools.partial(_norm, ddof=1),
            "Your vectors come out a little too short, the more so the narrower they are. By how many "
            "numbers do you divide the sum of squares?",
            "The vector [-1, 1] has the variance 1 here: 2, the sum of squares, over 2. Over n - 1 it would "
            "be 2. PyTorch's `std` does that unless told otherwise, NumPy's does not.",
        ),
        Mistake(
            "epsilon_outside",
            functools.partial(_norm, inside=False),
            "With the tiny epsilon all is right, with a large one it is not: you add it to the standard "
            "deviation. Where does it stand in the formula?",
            "For x = [-1, 1] and epsilon = 3 you divide by 1 + 3 = 4. It should be √(1 + 3) = 2: epsilon "
            "joins the variance, under the root.",
        ),
        Mistake(
            "no_epsilon",
            _quiet(lambda x, gamma, beta, epsilon=1e-12: _norm(x, gamma, beta, 0.0)),
            "Your answer does not depend on epsilon, and where all components of a vector are equal it is "
            "NaN. What do you divide by what there?",
            "A constant vector has the variance 0 and gives 0/0. With epsilon in the denominator it is 0 "
            "over something small, so the result is beta.",
        ),
        Mistake(
            "no_root",
            functools.partial(_norm, power=1.0),
            "Your long vectors come out short and your short ones long: they are divided by the variance, "
            "which is in squared units.",
            "x and 10 · x must give the same, as long as epsilon is small. Yours gives a tenth for the "
            "second: what makes a standard deviation of a variance?",
        ),
    ),
    hint="Mean and variance of the last axis, with keepdims=True, so that they line up with the vectors.",
)


# Segment ids


def _segment_calls(rng):
    def row(length, *texts, start=101, end=102, pad=0):
        parts = [[start], *([*rng.integers(200, 999, size=size), end] for size in texts)]
        tokens = np.concatenate(parts).astype("int64")
        return np.pad(tokens, (0, length - len(tokens)), constant_values=pad)

    def batch(rows):
        return rng.permutation(np.stack(rows))

    a, b, c = (int(n) for n in rng.integers(2, 5, size=3))
    other = row(13, a, c + 1, start=0, end=2, pad=1)
    other[a + 3] = 0  # With this padding, 0 is a token like others.
    return [
        (row(12, a, b), 102),
        (batch([row(12, a, b), row(12, c), row(12, 0, a), row(12, 3, 0)]), 102),
        (row(a + b + 3, a, b)[None], 102, 0),
        (row(9, c).astype("int32"), 102),
        (batch([other, row(13, b, start=0, end=2, pad=1)]), 2, 1),
    ]


def _segments(token_ids, end_id, pad_id=0, own=0, most=9, padded=True, axis=-1):
    """Segment ids with one of their parts replaced; `own` is what an end already counts for itself."""
    ends = (token_ids == end_id).astype(int)
    ids = np.minimum(np.cumsum(ends, axis=axis) - (1 - own) * ends, most)
    return np.where(token_ids == pad_id, 0, ids) if padded else ids


_SEGMENTS = Question(
    id="transformer.segment_ids",
    title="Which text a token belongs to",
    points=1,
    minutes=10,
    signature="segment_ids(token_ids, end_id, pad_id=0)",
    calls=_segment_calls,
    reference=lambda token_ids, end_id, pad_id=0: transformer.segment_ids(token_ids, end_id, pad_id),
    mistakes=(
        Mistake(
            "end_to_the_second",
            functools.partial(_segments, own=1, most=1),
            "Only one token of a row is wrong, the first [SEP]. To which text does it belong, the one before "
            "it or the one behind?",
            "A [SEP] closes the text before it and has that text's number. The second text begins one place "
            "later: count the ends *before* a token, without its own.",
        ),
        Mistake(
            "own_end_counted",
            functools.partial(_segments, own=1),
            "Every [SEP] has a number that is 1 too large; the last one even has a 2. Does an end count for "
            "itself?",
            "np.cumsum includes the element that it has reached. What must you take away from it, so that "
            "only the ends before a token are counted?",
        ),
        Mistake(
            "padding_counted",
            functools.partial(_segments, padded=False),
            "The texts are right, the padding behind them is not: there you still count ends, and two "
            "texts leave a 2, for which the table of segments has no row.",
            "Padding is in segment 0. Everything behind the last [SEP] is padding; a comparison with "
            "`pad_id` finds it.",
        ),
        Mistake(
            "padding_in_the_second",
            functools.partial(_segments, most=1, padded=False),
            "The texts are right, but all padding is in segment 1, also behind a single text. Where should "
            "it be?",
            "With one text only, everything is 0: [CLS] text [SEP] [PAD] [PAD]. Being behind the first "
            "[SEP] is not enough for a 1: what is there must be a token, too.",
        ),
        Mistake(
            "down_the_batch",
            functools.partial(_segments, axis=0),
            "One text is right, a batch is not: you count the ends of the texts above, not of the tokens "
            "before.",
            "In an array of shape (batch, length) the tokens of a text lie along the last axis. Count from "
            "the end, then it is right with a batch and without.",
        ),
        Mistake(
            "pad_is_zero",
            lambda token_ids, end_id, pad_id=0: _segments(token_ids, end_id, 0),
            "Right while padding is 0. The last call pads with another number and has a 0 among its tokens.",
            "RoBERTa's padding is 1, and its 0 is a token. Which argument tells you what padding is?",
        ),
    ),
    hint="Mark the ends as 0 and 1, and count along the text how many are before each token. Then see to the "
    "padding.",
)


# Embeddings


def _embed_calls(rng):
    def call(batch, length, positions, vocabulary, width, dtype="float64"):
        ids = rng.integers(vocabulary, size=(batch, length))
        segments = (np.arange(length) >= rng.integers(1, length, size=(batch, 1))).astype(int)
        tables = (rng.normal(size=(rows, width)) for rows in (vocabulary, positions, 2))
        norm = rng.uniform(0.5, 2.0, width), rng.normal(size=width)
        return ids, segments, *(array.astype(dtype) for array in (*tables, *norm))

    return [
        call(2, 3, 5, 5, 4),
        call(3, 4, 9, 7, 6),
        call(4, 4, 4, 4, 3),
        call(1, 6, 12, 10, 5, "float32"),
        call(2, 7, 8, 30, 8),
    ]


def _embed(
    token_ids, segment_ids, token_table, position_table, segment_table, gamma, beta, places=None, late=False
):
    """Embeddings with other rows of the position table; `late` adds the rest after the norm."""
    tokens = token_table[token_ids]
    rest = segment_table[segment_ids]
    rest = rest + (
        position_table[: token_ids.shape[1]] if places is None else places(position_table, token_ids)
    )
    if late:
        return _norm(tokens, gamma, beta) + rest
    return _norm(tokens + rest, gamma, beta)


_EMBED = Question(
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
            functools.partial(_embed, places=lambda table, ids: 0.0),
            "One of the three summands is missing: a token has the same vector wherever it stands in its "
            "text.",
            "Attention cannot see the order of the tokens by itself, so the vectors must tell it. Which "
            "argument of the function do you not use?",
        ),
        Mistake(
            "positions_by_token",
            functools.partial(_embed, places=lambda table, ids: table[ids]),
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
            "no_norm",
            lambda ids, segments, tokens, positions, kinds, gamma, beta: (
                tokens[ids] + positions[: ids.shape[1]] + kinds[segments]
            ),
            "The sum is right. What do gamma and beta do with it?",
            "BERT normalises the sum before the first block sees it, so your layer_norm comes last.",
        ),
        Mistake(
            "normed_too_early",
            functools.partial(_embed, late=True),
            "You normalise the token vectors, and then add positions and segments. The sum itself is no "
            "longer normalised.",
            "With gamma 1 and beta 0 every vector of the result must have the mean 0 and the deviation 1. "
            "What has to be done first: the addition, or the norm?",
        ),
    ),
    hint="Three look-ups, a sum and a norm. Write down the shape of each look-up before you add.",
)


# GELU


def _gelu_calls(rng):
    steps = np.array([-3.0, -2.2, -1.3, -0.5, 0.0, 0.7, 1.4, 2.2, 3.0])
    near = steps + rng.uniform(-0.05, 0.05, size=9)
    square = rng.permuted(np.linspace(-4.0, 4.0, 16)).reshape(4, 4)
    far = np.array([-50.0, -6.0, 0.0, 6.0, 50.0]) + rng.integers(0, 4, size=5) / 4
    return [
        (near,),
        (near, True),
        (square.astype("float32"), True),
        (square.reshape(2, 2, 4),),
        (far,),
        (far, True),
    ]


_erf = np.vectorize(math.erf, otypes=["float64"])


def _exact(x, variance=2):
    return 0.5 * x * (1 + _erf(x / math.sqrt(variance)))


def _bent(x, inside=lambda x: math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)):
    return 0.5 * x * (1 + np.tanh(inside(x)))


def _either(exact=_exact, bent=_bent):
    return lambda x, approximate=False: bent(x) if approximate else exact(x)


_GELU = Question(
    id="transformer.gelu",
    title="GELU, exact and by tanh",
    points=1,
    minutes=10,
    signature="gelu(x, approximate=False)",
    calls=_gelu_calls,
    reference=lambda x, approximate=False: transformer.gelu(x, approximate),
    rtol=1e-5,
    atol=1e-5,  # The two forms differ by up to 5e-4.
    mistakes=(
        Mistake(
            "always_tanh",
            _either(exact=_bent),
            "With approximate=True you are right. Without it you are off by up to 0.0005: what you return "
            "is the approximation again.",
            "Plain GELU of 2 is 1.95450, the approximation gives 1.95460. The first needs the error "
            "function; where does your code look at `approximate`?",
        ),
        Mistake(
            "always_exact",
            _either(bent=_exact),
            "The exact form is right. With approximate=True you are off by up to 0.0005: what you return is "
            "the exact form again.",
            "With approximate=True, 2 must become 1.95460, and yours is 1.95450. The lesson's "
            "encoder uses the tanh, as KerasHub's BERT does.",
        ),
        Mistake(
            "no_root_of_two",
            _either(exact=functools.partial(_exact, variance=1)),
            "The approximation is right, the exact form rises too steeply. For which bell curve does erf "
            "stand: that of standard deviation 1?",
            "Φ(1) is 0.8413, yours is 0.9214. The argument of erf is divided by something first: compare it "
            "with the formula.",
        ),
        Mistake(
            "squared",
            _either(bent=lambda x: _bent(x, lambda x: math.sqrt(2 / math.pi) * (x + 0.044715 * x**2))),
            "The exact form is right. Your approximation is good near 0, but far to the left it falls: -50 "
            "gives -50 instead of 0. Look at the power of x.",
            "Φ(-x) = 1 - Φ(x), so what stands in the tanh must change its sign with x. A square does not.",
        ),
        Mistake(
            "cube_outside",
            _either(bent=lambda x: _bent(x, lambda x: math.sqrt(2 / math.pi) * x + 0.044715 * x**3)),
            "The exact form is right. Your approximation is off by up to 0.006: are the brackets in the tanh "
            "where they should be?",
            "The factor √(2/π) multiplies both terms, x and 0.044715 x³. In your code it reaches only the "
            "first.",
        ),
        Mistake(
            "by_sigmoid",
            _either(bent=lambda x: x / (1 + np.exp(-1.702 * np.maximum(x, -400)))),
            "The exact form is right. x · σ(1.702 x) is an approximation, too, but not this one, and it is "
            "off by up to 0.02.",
            "The paper gives both. BERT uses the one with tanh, and its weights have learned to live with "
            "just that.",
        ),
    ),
    hint="Plot both beside x and 0: far left they are 0, far right x. The error function of one number is "
    "math.erf.",
)


# The feed-forward part


def _part_calls(rng):
    def call(shape, inner, norm_first, silent=False, dtype="float64"):
        width = shape[-1]
        arrays = (
            2 * rng.normal(size=shape) + 1,
            rng.normal(size=(width, inner)) / math.sqrt(width),
            rng.normal(size=inner) / 2,
            rng.normal(size=(inner, width)) * (0 if silent else 2 / math.sqrt(inner)),
            rng.normal(size=width) * (0 if silent else 1),
            rng.uniform(0.5, 2.0, width),
            rng.normal(size=width),
        )
        return *(array.astype(dtype) for array in arrays), norm_first

    return [
        call((2, 4), 6, False),
        call((2, 4), 6, True),
        call((3, 3), 5, True, silent=True),
        call((3, 4), 5, False, silent=True),
        call((2, 3, 4), 8, False, dtype="float32"),
        call((2, 2, 5), 10, True),
    ]


def _part(
    x,
    kernel_1,
    bias_1,
    kernel_2,
    bias_2,
    gamma,
    beta,
    norm_first,
    early=False,
    again=False,
    straight=True,
    from_normed=False,
    activation=_bent,
):
    """The feed-forward part with one thing done otherwise."""
    normed = _norm(x, gamma, beta) if norm_first else x
    outer = activation(normed @ kernel_1 + bias_1) @ kernel_2 + bias_2
    shortcut = (normed if from_normed else x) if straight else 0.0
    if early and not norm_first:
        return shortcut + _norm(outer, gamma, beta)
    return shortcut + outer if norm_first and not again else _norm(shortcut + outer, gamma, beta)


def _by_the_lesson(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
    def norm(vectors):
        return np.asarray(transformer.layer_norm(vectors, gamma, beta))

    inner = (norm(x) if norm_first else x) @ kernel_1 + bias_1
    total = x + np.asarray(transformer.gelu(inner, approximate=True)) @ kernel_2 + bias_2
    return total if norm_first else norm(total)


_PART = Question(
    id="transformer.feed_forward_part",
    title="Feed-forward, residual and norm",
    points=2,
    minutes=15,
    signature="feed_forward_part(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first)",
    calls=_part_calls,
    reference=_by_the_lesson,
    rtol=2e-5,
    atol=2e-5,  # Exact GELU differs by more.
    mistakes=(
        Mistake(
            "normed_before_the_sum",
            functools.partial(_part, early=True),
            "Pre-norm is right. In post-norm you normalise what the dense layers give, and add x after "
            "that: the sum itself is not normalised.",
            "With gamma 1 and beta 0 a vector that leaves the post-norm part has the mean 0 and the "
            "deviation 1. So nothing may be added after the norm.",
        ),
        Mistake(
            "exchanged",
            lambda *arguments: _part(*arguments[:-1], not arguments[-1]),
            "Both orders are right, but each appears where the other is asked for. What does `norm_first` "
            "say?",
            "norm_first=True is pre-norm: the dense layers see normalised vectors, and what leaves the part "
            "is a plain sum.",
        ),
        Mistake(
            "residual_from_the_norm",
            functools.partial(_part, from_normed=True),
            "Post-norm is right. In pre-norm you add the dense layers' output to the normalised vectors, "
            "and x itself is lost.",
            "With kernel_2 and bias_2 all zero the pre-norm part must give back x, unchanged. Do you still "
            "have x under its name after the norm?",
        ),
        Mistake(
            "no_residual",
            functools.partial(_part, straight=False),
            "With kernel_2 and bias_2 all zero, nothing of x arrives at the end of your part. What carries x "
            "around the dense layers?",
            "A residual adds the input of the part to what the layers make of it. Without it each block "
            "would have to learn to pass on what it was given.",
        ),
        Mistake(
            "normed_twice",
            functools.partial(_part, again=True),
            "Post-norm is right. In pre-norm you normalise twice, before the dense layers and after the sum.",
            "There is one gamma and one beta, for one norm: in pre-norm it comes first, and nothing comes "
            "after the sum. That is why such encoders have one more norm at the very end.",
        ),
        Mistake(
            "exact_gelu",
            functools.partial(_part, activation=_exact),
            "Order, residual and norm are right, and you are off by very little. Which of the two GELUs is "
            "asked for?",
            "The block uses the approximation by tanh. Your gelu gives the exact form unless its second "
            "argument says otherwise.",
        ),
    ),
    hint="Write the dense layers once, as a function of their input. Then each order is one line.",
)


# A block

NAMES = ("query", "key", "value", "attention_output", "intermediate_dense", "output_dense")


def _block_calls(rng):
    def call(batch, length, heads, depth, inner, counts, dtype="float64", left=False):
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
        return rng.normal(size=(batch, length, width)).astype(dtype), mask, weights, heads

    return [
        call(1, 3, 1, 4, 6, [3]),
        call(2, 4, 2, 3, 8, [4, 4]),
        call(3, 4, 2, 2, 9, _shuffled(rng, 4, 3, 1)),
        call(2, 5, 3, 2, 12, _shuffled(rng, 2, 4), dtype="float32"),
        call(2, 6, 4, 2, 16, _shuffled(rng, 5, 3), left=True),
    ]


def _block(
    x,
    padding_mask,
    weights,
    num_heads,
    masked=True,
    divisor=None,
    mixed=False,
    projected=True,
    first=True,
    second_from_input=False,
):
    """A post-norm block with one thing done otherwise."""
    batch, length, width = x.shape

    def dense(x, name):
        kernel, bias = weights[name]
        return x @ kernel + bias

    def split(x):
        if mixed:
            return x.reshape(batch, num_heads, length, -1)
        return x.reshape(batch, length, num_heads, -1).swapaxes(1, 2)

    query, key, value = (split(dense(x, name)) for name in ("query", "key", "value"))
    scores = query @ key.swapaxes(-1, -2) / math.sqrt(divisor or query.shape[-1])
    scores = np.where(padding_mask[:, None, None, :] | (not masked), scores, -np.inf)
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    heads = exponentials / exponentials.sum(axis=-1, keepdims=True) @ value
    attended = (heads if mixed else heads.swapaxes(1, 2)).reshape(batch, length, width)
    attended = dense(attended, "attention_output") if projected else attended
    middle = _norm(x + attended if first else attended, *weights["attention_norm"])
    outer = dense(_bent(dense(middle, "intermediate_dense")), "output_dense")
    return _norm((x if second_from_input else middle) + outer, *weights["output_norm"])


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


_BLOCK = Question(
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
            functools.partial(_block, masked=False),
            "Texts without padding are right. In the others, tokens attend to padding, too: where does "
            "`padding_mask` enter your attention?",
            "No token may give weight to a key that is padding. The scores have the shape (batch, heads, "
            "queries, keys), the mask (batch, keys): which axes does it lack?",
        ),
        Mistake(
            "scaled_by_the_width",
            lambda x, padding_mask, weights, num_heads: _block(
                x, padding_mask, weights, num_heads, divisor=x.shape[-1]
            ),
            "With one head you are right. With several your attention is too even: how many terms does the "
            "dot product of one head have?",
            "A width of 768 in 12 heads gives vectors of 64 numbers, and their dot products are divided by "
            "8. Take the depth from what goes into the product, not from x.",
        ),
        Mistake(
            "heads_only_reshaped",
            functools.partial(_block, mixed=True),
            "With one head you are right. With several, the shapes fit, but a head gets all channels of a "
            "few tokens instead of a few channels of all tokens.",
            "Cut the last axis in two, (batch, length, heads, depth), and then let length and heads change "
            "places. Afterwards the same two steps, backwards.",
        ),
        Mistake(
            "no_output_projection",
            functools.partial(_block, projected=False),
            "You add the joined heads to x as they are. Which of the weights have you not used?",
            "There are four projections: one each for queries, keys and values, and one that mixes the heads "
            "after they are joined.",
        ),
        Mistake(
            "no_first_residual",
            functools.partial(_block, first=False),
            "After attention you normalise only what it returns. What has become of the block's input?",
            "A block has two residuals. The first adds x to the output of attention, before the norm; the "
            "second does the same around the dense layers.",
        ),
        Mistake(
            "second_residual_from_the_input",
            functools.partial(_block, second_from_input=True),
            "The attention part is right. Around the dense layers you add the block's own input: from where "
            "does the second residual start?",
            "A residual goes around one part, not around both. What the dense layers give is added to what "
            "went into them, the normalised vectors.",
        ),
    ),
    hint="Make the first call right first: one head, no padding. Then several heads, then the mask. Keep an "
    "eye on the shapes.",
)


# Mean pooling


def _pool_calls(rng):
    def call(counts, width, kind="int32", dtype="float64", left=False, length=4):
        mask = np.arange(length) < np.array(counts)[:, None]
        mask = mask[:, ::-1] if left else mask
        vectors = rng.normal(size=(len(counts), length, width)) + 1
        return vectors.astype(dtype), mask.astype(kind)

    return [
        call(_shuffled(rng, 4, 2), 3),
        call(_shuffled(rng, 4, 3, 2, 1), 4, kind="bool"),
        call(_shuffled(rng, 1, 3, 5), 2, dtype="float32", length=5),
        call(_shuffled(rng, 2, 3), 5, kind="bool", left=True),
        call(_shuffled(rng, 3, 0, 2), 2),
    ]


@_quiet
def _pool(sequence, padding_mask, shared=None, everything=False, least=1.0):
    """A mean over tokens with another sum or another divisor."""
    mask = padding_mask.astype("float64")[:, :, None]
    total = (sequence if everything else sequence * mask).sum(axis=1)
    return total / np.maximum(mask.sum(axis=1) if shared is None else shared(mask), least)


_POOL = Question(
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
            "padding_counted",
            lambda sequence, padding_mask: sequence.mean(axis=1),
            "You average over all places, so the vector of a short text is mostly that of padding. Where "
            "does `padding_mask` enter?",
            "The same text must give the same vector, however much padding stands beside it. Two things must "
            "leave padding out: the sum, and the number by which you divide.",
        ),
        Mistake(
            "divided_by_the_length",
            functools.partial(_pool, shared=lambda mask: mask.shape[1]),
            "The sum is right, but you divide by the length with the padding. How many vectors are in the "
            "sum?",
            "A text of one token and three places of padding must give that token's vector; yours gives a "
            "quarter of it. The mask knows how many tokens there are.",
        ),
        Mistake(
            "padding_in_the_sum",
            functools.partial(_pool, everything=True),
            "You divide by the right number, but the vectors of padding are still in the sum. They are not "
            "zero.",
            "What the encoder gives at padding is some vector like others. Multiply it by something that is "
            "0 there, before you add up; which axis does the mask lack for that?",
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
            "empty_is_nan",
            functools.partial(_pool, least=0.0),
            "Only a text without any token goes wrong: 0/0 is NaN. What should its vector be?",
            "The sum over nothing is 0. Take care that the number by which you divide is never less than 1.",
        ),
        Mistake(
            "one_count_for_all",
            functools.partial(_pool, shared=lambda mask: mask.sum()),
            "You divide every text by the number of tokens in the whole batch. Then a text's vector depends "
            "on its neighbours.",
            "padding_mask.sum() is a single number. Each text needs a count of its own: along which axis, "
            "and in which shape, so that it divides (batch, width)?",
        ),
    ),
    hint="A sum over a number. Give the mask one axis more, and both are a line each.",
)


# The count


def _count_calls(rng):
    vocabulary, layers, width, inner = (int(n) for n in rng.integers((50, 3, 8, 30), (900, 9, 25, 90)))
    return [
        (vocabulary, 1, width, inner, 20, 2),
        (vocabulary, layers, width, inner, 40, 3),
        (1000 + vocabulary, layers + 1, 2 * width, inner),
        (30522, 12, 768, 3072),
        (30000 + vocabulary, 24, 1024, 4096, 512, 1),
    ]


def _count(
    vocabulary,
    layers,
    d,
    inner,
    max_length=512,
    num_segments=2,
    bias=1,
    tables=1,
    projections=4,
    norms=2,
    first_norm=1,
    pooler=1,
):
    """Counts an encoder's parameters with one of its parts left out."""
    embeddings = (vocabulary + tables * (max_length + num_segments) + 2 * first_norm) * d
    dense = projections * d * (d + bias) + inner * (d + bias) + d * (inner + bias)
    return embeddings + layers * (dense + 2 * norms * d) + pooler * d * (d + bias)


def _parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    sizes = {"max_length": max_length, "num_segments": num_segments}
    parts = transformer.costs(vocabulary_size, num_layers, hidden_dim, intermediate_dim, **sizes)
    return sum(parameters for parameters, _ in parts.values())


_PARAMETERS = Question(
    id="transformer.parameters",
    title="How many parameters an encoder has",
    points=2,
    minutes=10,
    signature="parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, "
    "max_length=512, num_segments=2)",
    calls=_count_calls,
    reference=_parameters,
    rtol=1e-12,
    atol=0.0,
    mistakes=(
        Mistake(
            "no_biases",
            functools.partial(_count, bias=0),
            "Close: your dense layers have a kernel, but no bias.",
            "A dense layer from a numbers to b has a · b + b parameters. Six dense layers in a block and the "
            "pooler each have a bias; how long is each?",
        ),
        Mistake(
            "no_norms",
            functools.partial(_count, norms=0, first_norm=0),
            "Close: tables and dense layers are all there, but not the norms.",
            "A norm has a gain and a shift, hidden_dim numbers each. How many norms are in a block, and "
            "where is the one outside the blocks?",
        ),
        Mistake(
            "no_first_norm",
            functools.partial(_count, first_norm=0),
            "You lack only 2 · hidden_dim numbers, however many layers there are. What happens to the "
            "embeddings before the first block?",
            "Besides the two norms in each block there is one for the sum of the three embeddings.",
        ),
        Mistake(
            "no_pooler",
            functools.partial(_count, pooler=0),
            "You count everything up to the last block. What does the encoder do with the vector of [CLS] "
            "after that?",
            "The pooler is one more dense layer, as wide as the vectors on both sides. There is one of it, "
            "whatever num_layers is.",
        ),
        Mistake(
            "words_only",
            functools.partial(_count, tables=0),
            "Your blocks are right, your embeddings too few: your count does not depend on max_length. "
            "What is added to a token's vector?",
            "There are three tables with rows of hidden_dim numbers: one row per token of the vocabulary, "
            "one per position, one per segment.",
        ),
        Mistake(
            "three_projections",
            functools.partial(_count, projections=3),
            "Each of your blocks lacks one dense layer. Queries, keys, values: which layer comes after the "
            "heads are joined?",
            "Attention has four projections of the same size, that of its output among them. The number of "
            "heads changes none of them.",
        ),
    ),
    hint="List every table, dense layer and norm with its shape, outside the blocks and in one block. "
    "BERT-base must have 109,482,240.",
)


QUESTIONS = (_LAYER_NORM, _SEGMENTS, _EMBED, _GELU, _PART, _BLOCK, _POOL, _PARAMETERS)
