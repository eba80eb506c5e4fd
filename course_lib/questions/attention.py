"""Questions of lesson 01: softmax, attention, masks, heads, positions, the gradient and the cost."""

import functools

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

attention = Lesson("attention")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _softmax(scores, axis=-1):
    with np.errstate(all="ignore"):
        exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
        return exponentials / exponentials.sum(axis=axis, keepdims=True)


# Softmax


def _softmax_calls(rng):
    # Quarters, so that float32 holds the large ones exactly.
    near = rng.integers(-8, 9, size=(3, 3)) / 4
    hidden = np.where(np.tri(4, dtype=bool), rng.normal(size=(4, 4)), -np.inf)
    return [
        (rng.normal(size=(2, 3)),),
        (3 * rng.normal(size=(3, 3)),),
        (rng.normal(size=(2, 4, 4)).astype("float32"),),
        (near + np.array([[1000.0], [0.0], [-1000.0]]),),
        (rng.integers(-8, 9, size=5) / 4 + 800.0,),
        (hidden,),
    ]


def _unshifted(scores, axis=-1):
    with np.errstate(all="ignore"):
        exponentials = np.exp(scores)
        return exponentials / exponentials.sum(axis=axis, keepdims=True)


def _one_largest(scores):
    with np.errstate(all="ignore"):
        exponentials = np.exp(scores - scores.max())
        return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _without_keepdims(scores):
    with np.errstate(all="ignore"):
        exponentials = np.exp(scores - scores.max(axis=-1))
        return exponentials / exponentials.sum(axis=-1)


_SOFTMAX = Question(
    id="attention.softmax",
    title="A softmax that survives large scores",
    points=1,
    minutes=5,
    signature="softmax(scores)",
    calls=_softmax_calls,
    reference=lambda scores: attention.softmax(scores),
    mistakes=(
        Mistake(
            "unshifted",
            _unshifted,
            "Small scores come out right, but around 1000 and -1000 the weights are NaN. What is exp(1000)?",
            "The scores [1000, 999] must get the same weights as [1, 0], because only differences count. "
            "Which shift of a row makes all its exponentials at most 1, and at least one of them 1?",
        ),
        Mistake(
            "over_queries",
            lambda scores: _softmax(scores, axis=0),
            "In a matrix of scores your columns sum to 1, not your rows. Which index names the query, and "
            "which the keys that share its attention?",
            "Print weights.sum(axis=0) and weights.sum(axis=-1) of your result: the second must be all "
            "ones. Look at the axis of every reduction that you make.",
        ),
        Mistake(
            "over_queries_unshifted",
            lambda scores: _unshifted(scores, axis=0),
            "Two things: your columns sum to 1 where the rows should, and large scores give NaN.",
            "First look at the axis of the sum: weights.sum(axis=-1) must be all ones. Then try it on "
            "[1000, 999], which must give what [1, 0] gives.",
        ),
        Mistake(
            "one_sum",
            lambda scores: _softmax(scores, axis=None),
            "All your weights together sum to 1, but each row should do so by itself.",
            "Each row is one query's attention, so each row has a total of its own. For two rows of equal "
            "scores every row must be [0.5, 0.5]; yours holds quarters.",
        ),
        Mistake(
            "one_largest",
            _one_largest,
            "Some rows come out NaN where the rows of a matrix lie far apart. What is left of a row near 0 "
            "when you subtract 1000 from it?",
            "For [[1000, 999], [1, 0]] both rows must be alike. One number for the whole matrix protects "
            "only the row that it comes from; the others underflow to 0/0.",
        ),
        Mistake(
            "without_keepdims",
            _without_keepdims,
            "A single row is right, but with several rows the shapes do not fit, or worse: in a square "
            "matrix they fit, and every number is divided by another row's total.",
            "The sum over the last axis of a (3, 3) array has shape (3,), and NumPy lines that up with the "
            "columns. Which shape would line up with the rows, and which argument of the reduction keeps it?",
        ),
    ),
    hint="Exponentiate and divide by the sum, row by row. Before that, use that a shift of a whole row "
    "changes no weight.",
)


# Scaled dot-product attention


def _some(rng, *shape):
    """A mask in which every row and every column of three or more has both True and False."""
    lead = rng.integers(3, size=(*shape[:-2], 1, 1))
    return (np.add.outer(np.arange(shape[-2]), np.arange(shape[-1])) + lead) % 3 > 0


def _attention_calls(rng):
    return [
        (rng.normal(size=(2, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 2))),
        (rng.normal(size=(5, 9)), rng.normal(size=(4, 9)), rng.normal(size=(4, 3)), None),
        (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), _some(rng, 3, 3)),
        (*rng.normal(size=(3, 2, 3, 4, 8)), _some(rng, 2, 1, 4, 4)),
        (*rng.normal(size=(3, 2, 5, 4)).astype("float32"), _some(rng, 5, 5)),
    ]


def _scores(query, key, power=0.5):
    return query @ np.swapaxes(key, -1, -2) / query.shape[-1] ** power


def _hidden(scores, mask):
    return scores if mask is None else np.where(mask, scores, -np.inf)


def _weighted(query, key, value, mask=None, power=0.5, axis=-1):
    return _softmax(_hidden(_scores(query, key, power), mask), axis) @ value


def _zeroed(query, key, value, mask=None):
    weights = _softmax(_scores(query, key))
    return (weights if mask is None else weights * mask) @ value


def _added(query, key, value, mask=None):
    return _softmax(_scores(query, key) + (0 if mask is None else mask)) @ value


_ATTENTION = Question(
    id="attention.scaled_dot_product",
    title="Scaled dot-product attention with a mask",
    points=2,
    minutes=15,
    signature="scaled_dot_product_attention(query, key, value, mask=None)",
    calls=_attention_calls,
    reference=lambda query, key, value, mask=None: attention.scaled_dot_product_attention(
        query, key, value, mask
    ),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "unscaled",
            functools.partial(_weighted, power=0),
            "Your attention is more decided than it should be, and the more so the deeper the vectors. What "
            "keeps the variance of a dot product from growing with d?",
            "With query [[2, 0, 0, 0]] and keys [[2, 0, 0, 0], [0, 0, 0, 0]] the scores that go into the "
            "softmax must be 2 and 0. Yours are 4 and 0.",
        ),
        Mistake(
            "scaled_by_depth",
            functools.partial(_weighted, power=1),
            "Your attention is too even: the scores are made smaller than they should be. A dot product of "
            "d terms has variance d; what is its standard deviation?",
            "At d = 4 a score of 4 must become 2, at d = 9 a score of 9 must become 3. Yours become 1.",
        ),
        Mistake(
            "over_queries",
            functools.partial(_weighted, axis=-2),
            "Your weights sum to 1 over the queries: each key shares itself out. Who is it that shares out "
            "its attention?",
            "The scores have shape (..., query_length, key_length). Print the sums of your weights over "
            "each of the last two axes; a query's weights over all keys must sum to 1.",
        ),
        Mistake(
            "mask_inverted",
            lambda query, key, value, mask=None: _weighted(
                query, key, value, None if mask is None else ~mask
            ),
            "Without a mask all is right. With one, each query attends to exactly the keys that it must not "
            "see.",
            "True means “may attend”. Try a mask with a single True in a row: the output of that row must "
            "be the value at that place.",
        ),
        Mistake(
            "weights_zeroed",
            _zeroed,
            "With a mask your weights no longer sum to 1: the hidden keys are gone, but they still took "
            "their share.",
            "Let all scores be equal and hide one of two keys: the other must get the weight 1, yours gets "
            "0.5. What must a hidden score be before the softmax, so that its exponential is 0?",
        ),
        Mistake(
            "mask_added",
            _added,
            "The hidden keys still get weight: your mask shifts the scores of the others by 1 only. NumPy "
            "takes True for 1 and False for 0.",
            "A hidden key must get the weight 0 exactly, so its exponential must be 0. Adding 0 to its "
            "score does not do that. Choose, by the mask, between the score and another number.",
        ),
    ),
    hint="Swap the last two axes of the keys only, multiply, scale, hide, softmax, multiply. Compare shapes "
    "at each step.",
)


# Causal mask


_CAUSAL = Question(
    id="attention.causal_mask",
    title="A causal mask",
    points=1,
    minutes=5,
    signature="causal_mask(length)",
    calls=lambda rng: [(3,), (1,), (2,), *((int(n),) for n in rng.integers(4, 40, size=3))],
    reference=lambda length: attention.causal_mask(length),
    mistakes=(
        Mistake(
            "without_itself",
            lambda length: np.tri(length, k=-1, dtype=bool),
            "Your diagonal is False: no token sees itself, and the first sees nothing at all. What would "
            "its softmax divide by?",
            "Position i attends to positions 0 to i, and i is among them. For length 1 the mask is [[True]].",
        ),
        Mistake(
            "transposed",
            lambda length: np.tri(length, dtype=bool).T,
            "In your mask the first token sees everything and the last only itself. Do rows stand for the "
            "queries, or for the keys?",
            "Row i is what query i may see. Row 0 has a single True, the last row is all True; yours is the "
            "other way round.",
        ),
        Mistake(
            "forbidden_marked",
            lambda length: ~np.tri(length, dtype=bool),
            "Your mask is True exactly where a token must not look. What does True mean in this course, and "
            "in Keras?",
            "The diagonal and everything to its left is allowed, and allowed is True. Your diagonal is "
            "False.",
        ),
        Mistake(
            "additive",
            lambda length: np.where(np.tri(length, dtype=bool), 0.0, -np.inf),
            "You return numbers to add to the scores: 0 and -inf. Here a mask only says yes or no.",
            "Some libraries add such a matrix to the scores. In this course the mask is boolean, and "
            "attention decides what a hidden score becomes. Which comparison gives True in place of your 0?",
        ),
    ),
    hint="Compare the position of the query, as a column, with the position of the key, as a row.",
)


# Heads


def _heads_calls(rng):
    return [
        (np.arange(8.0).reshape(2, 4) + 10 * rng.integers(1, 9), 2),
        (rng.normal(size=(3, 12)), 4),
        (rng.normal(size=(2, 5, 6)), 2),
        (rng.normal(size=(2, 3, 4, 6)).astype("float32"), 3),
        (rng.normal(size=(3, 5)), 1),
        (rng.normal(size=(2, 4, 3)), 3),
    ]


def _cut(x, *sizes):
    """Cuts the last axis into parts."""
    return x.reshape(*x.shape[:-1], *sizes)


_SPLIT = Question(
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
            lambda x, heads: _cut(x, heads, x.shape[-1] // heads),
            "You cut the channels in the right places, but the axis of the heads stands behind the "
            "sequence. What would a matrix product over the last two axes then multiply?",
            "Your shape is (..., length, num_heads, depth); attention needs (length, depth) last. Two "
            "neighbouring axes have to change places.",
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
            "heads_first",
            lambda x, heads: np.stack(np.split(x, heads, axis=-1)),
            "For a single text it is right. With a batch, your heads stand before the batch.",
            "The new axis belongs just before the sequence, behind all leading axes: (batch, num_heads, "
            "length, depth). Count from the end, then it is right for any number of leading axes.",
        ),
        Mistake(
            "depth_first",
            lambda x, heads: np.moveaxis(_cut(x, heads, x.shape[-1] // heads), -3, -1),
            "Each head is there, but lies on its side: depth before length. Has one axis more been moved "
            "than needed?",
            "Your shape is (..., num_heads, depth, length). The swap of length and depth is for the keys "
            "and comes later, inside attention. Here length and depth keep their order.",
        ),
    ),
    hint="One reshape that cuts the last axis in two, then one swap of two axes, counted from the end.",
)


def _joined_calls(rng):
    return [
        (np.arange(8.0).reshape(2, 2, 2) + 10 * rng.integers(1, 9),),
        (rng.normal(size=(4, 3, 2)),),
        (rng.normal(size=(2, 2, 5, 3)),),
        (rng.normal(size=(2, 3, 2, 4, 2)).astype("float32"),),
        (rng.normal(size=(1, 3, 5)),),
    ]


def _side_by_side(x):
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


_JOIN = Question(
    id="attention.join_heads",
    title="Joining the heads again",
    points=1,
    minutes=5,
    signature="join_heads(x)",
    calls=_joined_calls,
    reference=lambda x: attention.join_heads(x),
    mistakes=(
        Mistake(
            "only_reshaped",
            lambda x: x.reshape(*x.shape[:-3], x.shape[-2], x.shape[-3] * x.shape[-1]),
            "The shape is right, but the first rows come from the first head alone: tokens and heads got "
            "mixed up.",
            "A reshape keeps the order in memory, and there all tokens of head 0 come first. Which two axes "
            "must change places before the last two can be merged?",
        ),
        Mistake(
            "interleaved",
            lambda x: _side_by_side(np.moveaxis(x, -3, -1)),
            "Each token has its own numbers, but the heads are dealt out like cards. They should stand side "
            "by side.",
            "With two heads [a, b] and [c, d] of a token the result is [a, b, c, d]; yours is [a, c, b, d]. "
            "Which of the last two axes runs faster when they are merged?",
        ),
        Mistake(
            "along_the_sequence",
            lambda x: x.reshape(*x.shape[:-3], -1, x.shape[-1]),
            "You put the heads one below the other: the sequence became longer, and each row holds one head.",
            "The number of tokens stays; the rows get wider, to num_heads * depth. Heads and depth have to "
            "be neighbours before they are merged.",
        ),
        Mistake(
            "averaged",
            lambda x: x.mean(axis=-3),
            "You average over the heads, and what the single heads found is lost. The result must be as "
            "wide as all heads together.",
            "Nothing is computed here, numbers only move: joining what split_heads split must give back "
            "every number of it. Where do the heads of one token go?",
        ),
    ),
    hint="Undo the steps of split_heads, the last one first.",
)


# Positions


def _positions_calls(rng):
    lengths, halves = rng.integers(3, 40, size=3), rng.integers(3, 9, size=3)
    return [
        (3, 4),
        *((int(length), 2 * int(half)) for length, half in zip(lengths, halves, strict=True)),
        (int(lengths[0]) + 1, 2 * int(halves[0]) + 1),
        (4, 1),
    ]


def _waves(length, depth, divisor=None, even=np.sin, odd=np.cos, first=0):
    """Positions with one of their parts replaced; `divisor` makes the exponent of each channel."""
    channel = np.arange(depth)
    exponent = channel // 2 * 2 / depth if divisor is None else divisor(channel) / depth
    angles = np.arange(first, first + length)[:, None] / 10000.0**exponent
    return np.where(channel % 2 == 0, even(angles), odd(angles))


def _in_halves(length, depth):
    waves = _waves(length, depth)
    return np.concatenate([waves[:, ::2], waves[:, 1::2]], axis=1)


_POSITIONS = Question(
    id="attention.sinusoidal_positions",
    title="Sinusoidal positions",
    points=2,
    minutes=15,
    signature="sinusoidal_positions(length, depth)",
    calls=_positions_calls,
    reference=lambda length, depth: attention.sinusoidal_positions(length, depth, dtype="float64"),
    rtol=1e-4,
    atol=1e-4,
    mistakes=(
        Mistake(
            "in_halves",
            _in_halves,
            "All your numbers are right but not their places: the sines fill the first half and the cosines "
            "the second.",
            "Both layouts are in use. Here, as in the paper, sine and cosine take turns: at depth 4, "
            "position 1 is [sin 1, cos 1, sin 0.01, cos 0.01]. Even and odd channels can be assigned as "
            "slices with a step.",
        ),
        Mistake(
            "pair_exponent",
            functools.partial(_waves, divisor=lambda channel: channel // 2),
            "Your waves slow down only half as fast as they should: the last pair turns too quickly.",
            "At depth 4 the second pair divides the position by 10000^(2/4) = 100; yours by 10000^(1/4) = "
            "10. Compare your exponent with the formula's.",
        ),
        Mistake(
            "every_channel_its_own",
            functools.partial(_waves, divisor=lambda channel: channel),
            "Your sines are right, your cosines are too slow. A sine and the cosine beside it belong to the "
            "same hand of the clock.",
            "Channels 2i and 2i + 1 share one angle: sin² + cos² of neighbours must be 1. Which i does "
            "channel 3 belong to?",
        ),
        Mistake(
            "channel_for_pair",
            functools.partial(_waves, divisor=lambda channel: 2 * channel),
            "Nearly all your waves are too slow, and a sine and its cosine have different angles. What does "
            "i count in the formula?",
            "i counts pairs, not channels: at depth 4 it is 0, 0, 1, 1. You put 0, 1, 2, 3 into 2i/d.",
        ),
        Mistake(
            "exchanged",
            functools.partial(_waves, even=np.cos, odd=np.sin),
            "Sine and cosine have changed places: position 0 must begin with 0, yours begins with 1.",
            "Position 0 is [0, 1, 0, 1, ...] in the formula. Which of the two has the even channels?",
        ),
        Mistake(
            "from_one",
            functools.partial(_waves, first=1),
            "Your first row is that of position 1. What should the first row be, where every angle is 0?",
            "The first row is [0, 1, 0, 1, ...], and your first row should be the second. Where does your "
            "counting of the positions begin?",
        ),
    ),
    hint="Make one array of angles, of shape (length, depth), first. Write down for depth 6 which i each "
    "channel has.",
)


# The gradient


def _gradient_calls(rng):
    def arrays(queries, keys, depth, width):
        shapes = ((queries, depth), (keys, depth), (keys, width), (queries, width))
        return tuple(1.5 * rng.normal(size=shape) for shape in shapes)

    return [arrays(3, 3, 2, 2), arrays(4, 4, 9, 3), arrays(3, 5, 4, 2), arrays(2, 1, 4, 3)]


def _backward(through_softmax, power=0.5):
    """Gradients with another derivative of the softmax, a function of the weights and their gradient."""

    def answer(query, key, value, upstream):
        weights = _softmax(_scores(query, key))
        scores_gradient = through_softmax(weights, upstream @ value.T) / query.shape[-1] ** power
        return scores_gradient @ key, scores_gradient.T @ query, weights.T @ upstream

    return answer


def _right_through(w, dw):
    return w * (dw - (w * dw).sum(axis=-1, keepdims=True))


def _exchanged(*arguments):
    query, key, value = _backward(_right_through)(*arguments)
    return key, query, value


_GRADIENTS = Question(
    id="attention.gradients",
    title="The gradient by hand",
    points=4,
    minutes=30,
    signature="attention_gradients(query, key, value, upstream)",
    calls=_gradient_calls,
    reference=lambda query, key, value, upstream: attention.attention_gradients(query, key, value, upstream),
    returns=("array", "array", "array"),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "no_row_sum",
            _backward(lambda w, dw: w * dw),
            "The gradient of the values is right; queries and keys get too much. Can you raise one weight "
            "of a row and leave the others as they are?",
            "Weights of a row always sum to 1, so the gradients of a row's scores must sum to 0. Yours do "
            "not. Write out sum_i dW_i p_i (δ_ij - p_j): you have the first of its two terms.",
        ),
        Mistake(
            "diagonal_only",
            _backward(lambda w, dw: w * (1 - w) * dw),
            "The gradient of the values is right. Through the softmax you let each score move only its own "
            "weight, as a sigmoid would.",
            "p_j (1 - p_j) is the Jacobian's diagonal. A score also lowers all the other weights of its "
            "row; which entries of the Jacobian say so, and what do they contribute to the sum?",
        ),
        Mistake(
            "sum_over_queries",
            _backward(lambda w, dw: w * (dw - (w * dw).sum(axis=0, keepdims=True))),
            "The gradient of the values is right. In the softmax's derivative you sum over the queries, but "
            "different queries have nothing to do with each other.",
            "Each query has a softmax of its own, over the keys. So what you subtract is one number per "
            "query: of which shape is it, and along which axis is the sum?",
        ),
        Mistake(
            "unweighted_sum",
            _backward(lambda w, dw: w * (dw - dw.sum(axis=-1, keepdims=True))),
            "The gradient of the values is right. In the softmax's derivative you subtract something per "
            "row, but not the right thing: check that the gradients of a row's scores sum to 0.",
            "Write out sum_i dW_i p_i (δ_ij - p_j). In the second term each dW_i still has a factor p_i, so "
            "that it is an average, not a plain sum.",
        ),
        Mistake(
            "unscaled",
            _backward(_right_through, power=0),
            "The directions are right, but the gradients of queries and keys are too long, the more so the "
            "deeper the vectors. That of the values is right.",
            "The scores were divided by √d on the way forward. A constant factor on the way forward is the "
            "same factor on the way back. At d = 9 your gradients are 3 times too large.",
        ),
        Mistake(
            "exchanged",
            _exchanged,
            "The numbers are right, but the gradients of query and key have changed places.",
            "The gradient of the query has the shape of the query. Where both lengths are equal the shapes "
            "cannot tell you: the score of query i and key j moves query i along key j.",
        ),
    ),
    hint="Go backwards through weights @ value, the softmax of each row, and query @ key.T / √d, one step "
    "at a time; compare each with finite differences.",
)


# The cost


def _cost_calls(rng):
    length, depth = (int(n) for n in rng.integers(3, 500, size=2))
    return [
        (3, 2),
        (3, 2, True),
        (length, depth),
        (length, depth, True),
        (1, 64, True),
        (100_000 + length, 1000 + depth, False),
        (100_000 + length, 1000 + depth, True),
    ]


def _cost(pairs, each):
    """A count with other factors: of length² depth, and of length depth²."""
    return lambda n, d, projections=False: pairs * n * n * d + (each * n * d * d if projections else 0)


_COST = Question(
    id="attention.multiplications",
    title="What attention costs",
    points=1,
    minutes=5,
    signature="multiplications(length, depth, projections=False)",
    calls=_cost_calls,
    reference=lambda length, depth, projections=False: attention.multiplications(length, depth, projections),
    rtol=1e-9,
    atol=0.0,
    mistakes=(
        Mistake(
            "additions_too",
            _cost(4, 8),
            "Your count is exactly twice too large. Which operations are asked for?",
            "A dot product of depth d takes d multiplications and about d additions. Speeds are often given "
            "in both together; here only the multiplications count.",
        ),
        Mistake(
            "scores_only",
            _cost(1, 4),
            "You count half of the n × n part: the scores. What happens to the weights after the softmax?",
            "There are two products with an n × n matrix in them: one makes it, from queries and keys, the "
            "other uses it. Count the second in the same way.",
        ),
        Mistake(
            "three_projections",
            _cost(2, 3),
            "Without projections you are right; with them you count one too few. Query, key, value: which "
            "matrix comes after the heads are joined?",
            "A multi-head layer has one projection more than it has inputs to attention: the joined heads "
            "go through it too. It costs what each of the others costs.",
        ),
        Mistake(
            "one_projection",
            _cost(2, 1),
            "Without projections you are right; with them you count a single one. How many matrices does a "
            "multi-head layer have?",
            "Count the letters W in the lesson's section on several heads, the output's among them. Each "
            "takes length · depth² multiplications.",
        ),
        Mistake(
            "exchanged",
            lambda n, d, projections=False: _cost(2, 4)(d, n, projections),
            "Length and depth have changed places in your count: twice the text should make the n × n part "
            "four times as dear.",
            "How many scores are there for 3 tokens of depth 2, and how many multiplications does each one "
            "take? It is 9 scores of 2 each, not 4 of 3.",
        ),
    ),
    hint="An (a, b) matrix times a (b, c) matrix takes a · b · c multiplications. List the products with "
    "their shapes.",
)


QUESTIONS = (_SOFTMAX, _ATTENTION, _CAUSAL, _SPLIT, _JOIN, _POSITIONS, _GRADIENTS, _COST)
