"""Questions of lesson 03: norm, segments, embeddings, GELU, feed-forward part, block, pooling, the count."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

attention = Lesson("attention")
transformer = Lesson("transformer")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


def _ways(function, *settings):
    """One way to make a mistake per dict of settings, in a tuple."""
    return tuple(functools.partial(function, **each) for each in settings)


def _shuffled(rng, *values):
    """The values in a random order: a question may need all of them and none in a given place."""
    return rng.permutation(np.array(values))


# Layer normalisation


def _norm_calls(rng):
    def call(x, *epsilon, dtype="float64", about=""):
        width = x.shape[-1]
        gamma, beta = rng.uniform(0.5, 2.0, width) * rng.choice([-1.0, 1.0], width), rng.normal(size=width)
        return Call((*(array.astype(dtype) for array in (x, gamma, beta)), *epsilon), about=about)

    level = rng.integers(2, 20, size=(3, 1)) / 4  # Quarters and a width of 4, so that the mean is exact.
    equal = np.where(_shuffled(rng, True, False, False)[:, None], rng.normal(size=(3, 4)), level)
    square = rng.normal(size=(4, 4)) * _shuffled(rng, 1.0, 2.0, 4.0, 8.0)[:, None]
    return [
        call(3 * rng.normal(size=(2, 3)) + _shuffled(rng, -4.0, 5.0)[:, None]),
        call(square, about="as many vectors as components"),
        call(rng.normal(size=(2, 3, 5)), dtype="float32", about="three axes"),
        call(equal, about="vectors whose components are all equal"),
        call(np.repeat(level, 4, axis=1), about="vectors whose components are all equal"),
        call(rng.normal(size=(3, 6)), 0.5, about="an `epsilon` that is not small"),
        call(rng.normal(size=8), 0.25, about="an `epsilon` that is not small"),
    ]


@_quiet
def _norm(
    x,
    gamma,
    beta,
    epsilon=1e-12,
    axis=-1,
    ddof=0,
    inside=True,
    power=0.5,
    kept=(True, True),
    mean_axis=None,
    variance_axis=None,
):
    """Layer normalisation with one of its parts replaced; `kept` is keepdims of mean and variance."""
    mean_axis, variance_axis = (axis if each is None else each for each in (mean_axis, variance_axis))
    mean = x.mean(axis=None if mean_axis == "all" else mean_axis, keepdims=kept[0])
    variance = x.var(axis=None if variance_axis == "all" else variance_axis, ddof=ddof, keepdims=kept[1])
    spread = (variance + epsilon) ** power if inside else variance**power + epsilon
    return gamma * (x - mean) / spread + beta


def _other_epsilon(number):
    return lambda x, gamma, beta, epsilon=1e-12: _norm(x, gamma, beta, number)


def _affine(combine):
    """A norm whose gamma and beta are used in another way."""
    return lambda x, gamma, beta, epsilon=1e-12: combine(_norm(x, 1.0, 0.0, epsilon), gamma, beta)


def _centred(above, below):
    """A norm by other sums: `above` is divided by the root of the mean of the squares of `below`."""

    @_quiet
    def answer(x, gamma, beta, epsilon=1e-12):
        middle = x.mean(axis=-1, keepdims=True)
        squares = np.mean((x - below * middle) ** 2, axis=-1, keepdims=True)
        return gamma * (x - above * middle) / np.sqrt(squares + epsilon) + beta

    return answer


@_quiet
def _unit_length(x, gamma, beta, epsilon=1e-12):
    apart = x - x.mean(axis=-1, keepdims=True)
    return gamma * apart / np.sqrt((apart**2).sum(axis=-1, keepdims=True) + epsilon) + beta


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
            "second_axis",
            functools.partial(_norm, axis=1),
            "With two axes you are right, with three or with a single one you are not: you count the axis "
            "from the front.",
            "In an array of shape (2, 3, 5) the components lie along axis 2, in one of shape (8,) along axis "
            "0. Which number names the last axis of any array?",
        ),
        Mistake(
            "over_everything",
            _ways(_norm, {"axis": None}, {"variance_axis": "all"}, {"mean_axis": "all"}),
            "Right for a single vector, wrong for several: you take a mean or a deviation of the whole "
            "array.",
            "Two vectors, one around -4 and one around 5, must both come out around beta, and equally wide. "
            "Each needs a mean and a deviation of its own: which axis do you reduce?",
        ),
        Mistake(
            "no_keepdims",
            _ways(_norm, {"kept": (False, False)}, {"kept": (True, False)}, {"kept": (False, True)}),
            "A single vector is right. With several, the means or deviations do not line up with their "
            "vectors; with four vectors of four components they even meet the columns.",
            "The means of an array of shape (4, 4) have the shape (4,), and NumPy lays that along the last "
            "axis: component j loses the mean of vector j. They need the shape (4, 1). Which argument of "
            "np.mean leaves the axis in place?",
        ),
        Mistake(
            "sample_deviation",
            _ways(_norm, {"ddof": 1}, {"ddof": 1, "inside": False}),
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
            _other_epsilon(0.0),
            "Your answer does not depend on epsilon, and where all components of a vector are equal it is "
            "NaN. What do you divide by what there?",
            "A constant vector has the variance 0 and gives 0/0. With epsilon in the denominator it is 0 "
            "over something small, so the result is beta.",
        ),
        Mistake(
            "constant_epsilon",
            tuple(_other_epsilon(number) for number in (1e-12, 1e-6, 1e-5, 1e-3)),
            "Your result does not change with the argument `epsilon`. Which number stands in its place?",
            "With epsilon = 3 the vector [-1, 1] must become [-0.5, 0.5] before gamma and beta. Also a guard "
            "for the variance 0 is no replacement: epsilon counts for every vector.",
        ),
        Mistake(
            "no_root",
            functools.partial(_norm, power=1.0),
            "Your long vectors come out short and your short ones long: they are divided by the variance, "
            "which is in squared units.",
            "x and 10 · x must give the same, as long as epsilon is small. Yours gives a tenth for the "
            "second: what makes a standard deviation of a variance?",
        ),
        Mistake(
            "two_roots",
            (
                functools.partial(_norm, power=0.25),
                _quiet(
                    lambda x, gamma, beta, epsilon=1e-12: (
                        gamma
                        * (x - x.mean(axis=-1, keepdims=True))
                        / np.sqrt(x.std(axis=-1, keepdims=True) + epsilon)
                        + beta
                    )
                ),
            ),
            "Your vectors keep something of their length: 4 · x comes out twice as long as x. How many roots "
            "do you take of the variance?",
            "np.std has taken the root already, np.var has not. The formula has one root, over the variance "
            "and epsilon.",
        ),
        Mistake(
            "gain_or_shift_missing",
            tuple(
                map(
                    _affine,
                    (
                        lambda x, gamma, beta: x + beta,
                        lambda x, gamma, beta: gamma * x,
                        lambda x, gamma, beta: x,
                    ),
                )
            ),
            "The norm itself is right. What becomes of gamma and of beta?",
            "A normalised vector is multiplied by gamma and then moved by beta, component by component. With "
            "gamma [1, 2] and beta [0, 10], [-1, 1] must become [-1, 12].",
        ),
        Mistake(
            "exchanged",
            _affine(lambda x, gamma, beta: beta * x + gamma),
            "The norm itself is right. Of gamma and beta, which multiplies and which is added?",
            "Gamma is the gain and beta the shift: a vector with equal components must come out as beta. "
            "Yours comes out as gamma.",
        ),
        Mistake(
            "shift_inside",
            _affine(lambda x, gamma, beta: gamma * (x + beta)),
            "The norm itself is right. Your beta is multiplied by gamma: look at the brackets.",
            "With gamma [1, 2] and beta [0, 10], [-1, 1] must become [-1, 12]; yours becomes [-1, 22]. Gamma "
            "has done its work before beta comes.",
        ),
        Mistake(
            "mean_kept",
            (_centred(0, 1), _centred(0, 0)),
            "Your vectors keep their mean: one around 5 comes out far from one around -4. What is taken off "
            "x before it is divided?",
            "x and x + 10 must give the same. Dividing alone is RMS normalisation, which other models use; "
            "here each vector is first moved to the mean 0.",
        ),
        Mistake(
            "squares_of_x",
            _centred(1, 0),
            "The numerator is right. Under the root stand the squares of the components themselves; a vector "
            "far from 0 comes out far too short.",
            "The variance is the mean of the squared *differences* from the mean. [10, 12] has the variance "
            "1; the mean of its squares is 122.",
        ),
        Mistake(
            "unit_length",
            _unit_length,
            "Each of your vectors has the length 1 before gamma and beta. What is asked for is the standard "
            "deviation 1, which is longer.",
            "[-1, 1] has the deviation 1 and must stay as it is; yours becomes [-0.71, 0.71]. The variance "
            "is the mean of the squared differences, not their sum.",
        ),
    ),
    hint="Mean and variance of the last axis, with keepdims=True, so that they line up with the vectors.",
    more="Three lines do: the mean of the last axis; the mean of the squared differences from it; the "
    "quotient of the formula, with epsilon under the root. axis=-1 fits any number of axes.",
    example=(np.array([[1.0, 3.0], [5.0, 5.0]]), np.array([1.0, 10.0]), np.array([0.0, 1.0]), 3.0),
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
        Call((row(12, a, b), 102), about="a single text or pair, without a batch"),
        Call((batch([row(12, a, b), row(12, c), row(12, 0, a), row(12, 3, 0)]), 102), about="several texts"),
        Call((row(a + b + 3, a, b)[None], 102, 0), about="no padding"),
        Call((row(9, c).astype("int32"), 102), about="a single text or pair, without a batch"),
        Call((other[None], 2, 1), about="padding other than 0"),
        Call((batch([row(10, b), row(10, 2, c), row(10, a + 1)]), 102), about="several texts"),
    ]


def _segments(token_ids, end_id, pad_id=0, own=0, most=9, period=9, padded=True, count=None):
    """Segment ids with one of their parts replaced; `own` is what an end already counts for itself."""
    ends = (token_ids == end_id).astype(int)
    counted = np.cumsum(ends, axis=-1) if count is None else count(ends)
    ids = np.minimum(counted - (1 - own) * ends, most) % period
    return np.where(token_ids == pad_id, 0, ids) if padded else ids


def _flat_count(ends):
    return np.cumsum(ends).reshape(ends.shape)


def _on_into_the_next_row(token_ids, end_id, pad_id=0):
    return _segments(token_ids.reshape(-1), end_id, pad_id, most=1).reshape(token_ids.shape)


def _places_of_the_first_row(token_ids, end_id, pad_id=0):
    ends = np.flatnonzero(np.atleast_2d(token_ids)[0] == end_id)
    return np.where((np.arange(token_ids.shape[-1]) > ends[0]) & (token_ids != pad_id), 1, 0)


def _row_by_row(token_ids, end_id, pad_id=0):
    found = np.zeros_like(token_ids)
    for i, row in enumerate(token_ids):
        places = [j for j, token in enumerate(row) if token == end_id]  # Raises where a row is a number.
        if len(places) > 1:
            found[i, places[0] + 1 : places[1] + 1] = 1
    return found


def _by_two_lengths(token_ids, end_id, pad_id=0):
    found, (batch, length) = np.zeros_like(token_ids), token_ids.shape
    for i in range(batch):
        segment = 0
        for j in range(length):
            if token_ids[i, j] != pad_id:
                found[i, j] = segment
                segment += token_ids[i, j] == end_id
    return found


def _token_by_token(token_ids, end_id, pad_id=0):
    found, segment = np.zeros_like(token_ids), 0
    for i, token in enumerate(token_ids):
        if token != pad_id:  # Raises where a token is a row.
            found[i] = segment
            segment += token == end_id
    return found


def _without_the_last_end(token_ids, end_id, pad_id=0):
    return np.where(token_ids == end_id, 0, _segments(token_ids, end_id, pad_id))


def _tokens_zeroed(token_ids, end_id, pad_id=0):
    return _segments(token_ids, end_id, padded=False) * (token_ids == pad_id)


def _padding_is_one(token_ids, end_id, pad_id=0):
    return np.where(token_ids == pad_id, 1, _segments(token_ids, end_id, padded=False))


_SEGMENTS = Question(
    id="transformer.segment_ids",
    title="Which text a token belongs to",
    points=1,
    minutes=10,
    signature="segment_ids(token_ids, end_id, pad_id=0)",
    calls=_segment_calls,
    reference=lambda token_ids, end_id, pad_id=0: transformer.segment_ids(token_ids, end_id, pad_id),
    dtypes=("int",),
    mistakes=(
        Mistake(
            "end_to_the_second",
            _ways(_segments, {"own": 1, "most": 1}, {"own": 1, "most": 1, "padded": False}),
            "The first [SEP] of a row has a 1 in yours. To which text does it belong, the one before it or "
            "the one behind?",
            "A [SEP] closes the text before it and has that text's number. The second text begins one place "
            "later: count the ends *before* a token, without its own.",
        ),
        Mistake(
            "own_end_counted",
            _ways(
                _segments,
                {"own": 1},
                {"own": 1, "padded": False},
                {"own": 1, "period": 2},
                {"own": 1, "period": 2, "padded": False},
            ),
            "Your numbers change at a [SEP] itself, not behind it, so that both ends of a pair are wrong. "
            "Does an end count for itself?",
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
            (functools.partial(_segments, most=1, padded=False), _padding_is_one),
            "The texts are right, but all padding is in segment 1, also behind a single text. Where should "
            "it be?",
            "With one text only, everything is 0: [CLS] text [SEP] [PAD] [PAD]. Being behind the first "
            "[SEP] is not enough for a 1: what is there must be a token, too.",
        ),
        Mistake(
            "alternating",
            functools.partial(_segments, period=2, padded=False),
            "Pairs are right, even their padding; behind a single text the padding has a 1. Is it chance "
            "that your count comes back to 0 after two texts?",
            "Odd and even say nothing of padding: after one [SEP] there may be a second text or none. A "
            "comparison with `pad_id` tells which.",
        ),
        Mistake(
            "last_end_lost",
            _without_the_last_end,
            "Only the last [SEP] of a pair is wrong: it has a 0. Which text does it close?",
            "Both [SEP] belong to the text before them, the second one to the second text. A slice ends "
            "before its second number: is it the place of the [SEP], or the one behind it?",
        ),
        Mistake(
            "tokens_zeroed",
            _tokens_zeroed,
            "All tokens have a 0, and padding keeps its count. Which of the two is to be 0?",
            "You keep what stands at padding and clear the rest. Turn the comparison with `pad_id` round.",
        ),
        Mistake(
            "down_the_batch",
            functools.partial(_segments, count=lambda ends: np.cumsum(ends, axis=0)),
            "One text without a batch is right, a batch is not: you count the ends of the texts above, not "
            "of the tokens before.",
            "In an array of shape (batch, length) the tokens of a text lie along the last axis. Count from "
            "the end, then it is right with a batch and without.",
        ),
        Mistake(
            "through_the_batch",
            (
                functools.partial(_segments, count=_flat_count),
                functools.partial(_segments, count=_flat_count, most=1),
                functools.partial(_segments, count=np.cumsum),
                _on_into_the_next_row,
            ),
            "A single row is right, several are not: what you know of one row's ends runs on into the next.",
            "Each text begins again with 0. np.cumsum without an axis makes one long row of the whole array, "
            "and a variable keeps what the row before left in it: where does each row begin anew in yours?",
        ),
        Mistake(
            "first_rows_ends",
            _places_of_the_first_row,
            "A single row is right, several are not: you look for the end in one row and use its place in "
            "all of them.",
            "The texts of a batch have different lengths, so each row has its [SEP] at a place of its own. "
            "Which comparison and which sum look at all rows at once?",
        ),
        Mistake(
            "needs_a_batch",
            (
                functools.partial(_segments, count=lambda ends: np.cumsum(ends, axis=1)),
                _row_by_row,
                _by_two_lengths,
            ),
            "A batch is right. A single text, of shape (length,), ends in an error: what does your code "
            "take for granted about the axes?",
            "The text asks for both shapes, (length,) and (batch, length). What they share is the last axis; "
            "axis=-1 names it in either.",
        ),
        Mistake(
            "one_text_only",
            _token_by_token,
            "A single text is right, a batch ends in an error: what does your loop meet in an array of shape "
            "(batch, length)?",
            "Looping over such an array gives rows, not tokens. np.cumsum with axis=-1 counts along the "
            "texts of either shape, without a loop.",
        ),
        Mistake(
            "pad_is_zero",
            (
                lambda token_ids, end_id, pad_id=0: _segments(token_ids, end_id, 0),
                lambda token_ids, end_id, pad_id=0: _segments(token_ids, end_id, 0, most=1),
            ),
            "Right while padding is 0. One call pads with another number and has a 0 among its tokens.",
            "RoBERTa's padding is 1, and its 0 is a token. Which argument tells you what padding is?",
        ),
    ),
    hint="Mark the ends as 0 and 1, and count along the text how many are before each token. Then see to the "
    "padding.",
    more="np.cumsum along the last axis counts the ends up to a token, its own included; without its own it "
    "is the number asked for, at tokens. A np.where gives padding its 0.",
    example=(np.array([[2, 8, 3, 9, 3, 1], [2, 8, 8, 3, 1, 1]]), 3, 1),
)


# Embeddings


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


# GELU


def _gelu_calls(rng):
    steps = np.array([-3.0, -2.2, -1.3, -0.5, 0.0, 0.7, 1.4, 2.2, 3.0])
    near = steps + rng.uniform(-0.05, 0.05, size=9)
    square = rng.permuted(np.linspace(-4.0, 4.0, 16)).reshape(4, 4)
    far = np.array([-50.0, -6.0, 0.0, 6.0, 50.0]) + rng.integers(0, 4, size=5) / 4
    return [
        Call((near,), about="the exact form"),
        Call((near, True), about="the form by tanh"),
        Call((square.astype("float32"), True), about="the form by tanh"),
        Call((square.reshape(2, 2, 4),), about="the exact form"),
        Call((far,), about="the exact form"),
        Call((far, True), about="the form by tanh"),
    ]


_erf = np.vectorize(math.erf, otypes=["float64"])
ROOT = math.sqrt(2 / math.pi)


def _exact(x, inside=lambda x: x / math.sqrt(2), bell=_erf):
    return 0.5 * x * (1 + bell(inside(x)))


@_quiet
def _bent(x, inside=lambda x: ROOT * (x + 0.044715 * x**3)):
    return 0.5 * x * (1 + np.tanh(inside(x)))


def _either(exact=_exact, bent=_bent):
    return lambda x, approximate=False: bent(x) if approximate else exact(x)


def _both(change):
    """The exact form, the one by tanh, or both of them changed."""
    exact, bent = change(_exact), change(_bent)
    return _either(exact=exact, bent=bent), _either(exact=exact), _either(bent=bent)


def _erfs(*insides):
    return tuple(_either(exact=functools.partial(_exact, inside=inside)) for inside in insides)


def _tanhs(*insides):
    return tuple(_either(bent=functools.partial(_bent, inside=inside)) for inside in insides)


@_quiet
def _sigmoid(x):
    return x / (1 + np.exp(-1.702 * np.maximum(x, -400)))


def _along_one_axis(x):
    return np.array([0.5 * each * (1 + math.erf(each / math.sqrt(2))) for each in x])


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
            "exchanged",
            _either(exact=_bent, bent=_exact),
            "Both forms are right, but each comes where the other is asked for. What does `approximate` say?",
            "approximate=True asks for the tanh: 2 must become 1.95460 then. Without it, 1.95450, by the "
            "error function.",
        ),
        Mistake(
            "no_half",
            _both(lambda form: lambda x: 2 * form(x)),
            "For a large x GELU is nearly x; in a form of yours it is 2 x.",
            "1 + erf and 1 + tanh run from 0 to 2, a probability from 0 to 1. What is missing between them?",
        ),
        Mistake(
            "no_x",
            _both(lambda form: _quiet(lambda x: np.where(x == 0, 0.5, form(x) / np.where(x == 0, 1, x)))),
            "In a form of yours large numbers become 1 and 0 becomes 1/2: that is Φ(x). GELU is more than "
            "that.",
            "The probability Φ(x) says how much of x gets through: for x = 2 it is 0.977, and GELU is 1.954. "
            "What is Φ(x) multiplied by?",
        ),
        Mistake(
            "no_one",
            _both(lambda form: lambda x: form(x) - 0.5 * x),
            "In a form of yours numbers far to the left become positive, and those far to the right only "
            "x/2. Which number joins erf or tanh in the brackets?",
            "erf and tanh run from -1 to 1. For a probability, from 0 to 1, add 1 and halve: in yours a part "
            "of that is missing.",
        ),
        Mistake(
            "other_argument_of_erf",
            (
                *_erfs(lambda x: x, lambda x: math.sqrt(2) * x, lambda x: x / 2),
                _either(exact=lambda x: 0.5 * x * (1 + _erf(x) / math.sqrt(2))),
            ),
            "With approximate=True you are right, the exact form is not: what stands in erf? erf is made for "
            "another bell curve than that of standard deviation 1.",
            "Φ(1) must be 0.8413. Work out what yours is, and compare the argument of erf with the formula.",
        ),
        Mistake(
            "of_one_number",
            _either(exact=lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
            "With approximate=True you are right. The exact form ends in an error: does every function that "
            "you call there take arrays?",
            "The functions of `math` take a single number. np.vectorize(math.erf) takes an array of any "
            "shape.",
        ),
        Mistake(
            "one_axis_only",
            _either(exact=_along_one_axis),
            "Arrays with one axis are right. With more, the exact form ends in an error: what does a loop "
            "over x meet then?",
            "Looping over an array of shape (2, 2, 4) gives arrays of shape (2, 4), and math.erf takes a "
            "single number. np.vectorize makes a function of it that takes any shape.",
        ),
        Mistake(
            "other_factor",
            _tanhs(
                lambda x: 2 / math.pi * (x + 0.044715 * x**3),
                lambda x: math.sqrt(2) / math.pi * (x + 0.044715 * x**3),
                lambda x: math.sqrt(math.pi / 2) * (x + 0.044715 * x**3),
                lambda x: x + 0.044715 * x**3,
                lambda x: math.sqrt(2) * (x + 0.044715 * x**3),
            ),
            "The exact form is right, and so are the brackets in your tanh. Which factor stands before them?",
            "√(2/π) is about 0.798; the root goes over the whole fraction. Print your factor.",
        ),
        Mistake(
            "no_cube",
            _tanhs(lambda x: ROOT * x, lambda x: ROOT * (x + 0.044715 * x)),
            "The exact form is right. Your approximation has no cube: it is good near 0, and off by more "
            "than 0.01 around 2.",
            "With approximate=True, 2 must become 1.95460. What stands in the tanh grows faster than x: "
            "compare it with the formula, power by power.",
        ),
        Mistake(
            "squared",
            _tanhs(lambda x: ROOT * (x + 0.044715 * x**2)),
            "The exact form is right. Your approximation is good near 0, but far to the left it falls: -50 "
            "gives -50 instead of 0. Look at the power of x.",
            "Φ(-x) = 1 - Φ(x), so what stands in the tanh must change its sign with x. A square does not.",
        ),
        Mistake(
            "brackets",
            _tanhs(
                lambda x: ROOT * x + 0.044715 * x**3,
                lambda x: ROOT * (x + 0.044715) * x**3,
                lambda x: ROOT * (x + 0.044715 * x) ** 3,
                lambda x: ROOT * (x + (0.044715 * x) ** 3),
            ),
            "The exact form is right, your approximation is not: are the brackets in the tanh where they "
            "should be?",
            "Two terms stand in the brackets, x and 0.044715 x³. The factor √(2/π) multiplies both; the "
            "power belongs to the x of the second alone.",
        ),
        Mistake(
            "other_constant",
            _tanhs(*(lambda x, c=c: ROOT * (x + c * x**3) for c in (0.44715, 0.0044715, 0.44175, 0.044175))),
            "The exact form is right. Factor, cube and brackets of your approximation are, too: compare the "
            "number before the cube, digit by digit.",
            "It is 0.044715: one zero behind the point, then 44715.",
        ),
        Mistake(
            "by_sigmoid",
            (_either(bent=_sigmoid), lambda x, approximate=False: _sigmoid(x)),
            "x · σ(1.702 x) is an approximation of GELU, too, but not the one asked for, and it is off by up "
            "to 0.02.",
            "The paper gives both. BERT uses the one with tanh, and its weights have learned to live with "
            "just that.",
        ),
    ),
    hint="Plot both beside x and 0: far left they are 0, far right x. The error function of one number is "
    "math.erf.",
    more="Write one `if approximate:` with the formula by tanh, and the other formula after it, for which "
    "np.vectorize(math.erf) takes arrays. In both, x / 2 stands before 1 + erf or 1 + tanh.",
    example=(np.array([-1.0, 0.0, 1.0, 3.0]), True),
)


# The feed-forward part


def _part_calls(rng):
    def call(shape, inner, norm_first, straight=False, dtype="float64"):
        # With `straight` all that meets a GELU is large and positive, so that only the order matters.
        width = shape[-1]
        arrays = (
            2 * rng.normal(size=shape) + 1,
            rng.normal(size=(width, inner)) / math.sqrt(width),
            rng.normal(size=inner) / 2 + 20 * straight,
            rng.normal(size=(inner, width)) * (0.2 if straight else 2) / math.sqrt(inner),
            rng.normal(size=width) + 30 * straight,
            rng.uniform(0.5, 2.0, width),
            rng.normal(size=width),
        )
        order = "pre-norm" if norm_first else "post-norm"
        return Call((*(array.astype(dtype) for array in arrays), norm_first), about=order)

    return [
        call((2, 4), 6, False),
        call((2, 4), 6, True),
        call((3, 3), 5, True, straight=True),
        call((3, 4), 5, False, straight=True),
        call((2, 3, 4), 8, False, dtype="float32"),
        call((2, 2, 5), 10, True),
    ]


def _dense_layers(activation=_bent, late=lambda x: x, biases=(1, 1)):
    """The two dense layers with another activation or without a bias."""

    def layers(x, kernel_1, bias_1, kernel_2, bias_2):
        return late(activation(x @ kernel_1 + biases[0] * bias_1) @ kernel_2 + biases[1] * bias_2)

    return layers


def _post(x, layers, norm):
    return norm(x + layers(x))


def _pre(x, layers, norm):
    return x + layers(norm(x))


def _part(post=_post, pre=_pre, layers=None):
    """The feed-forward part with other orders or layers."""
    layers = layers or _dense_layers()

    def answer(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
        order = pre if norm_first else post
        return order(
            x,
            lambda x: layers(x, kernel_1, bias_1, kernel_2, bias_2),
            lambda x: _norm(x, gamma, beta),
        )

    return answer


def _parts_with(**layers):
    return _part(layers=_dense_layers(**layers))


def _normed_part(**without):
    """The part with a norm that lacks gamma, beta or both."""

    def answer(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first):
        gamma, beta = without.get("gamma", gamma), without.get("beta", beta)
        return _part()(x, kernel_1, bias_1, kernel_2, bias_2, gamma, beta, norm_first)

    return answer


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
            (
                _part(post=lambda x, layers, norm: x + norm(layers(x))),
                _part(
                    post=lambda x, layers, norm: x + norm(layers(x)),
                    pre=lambda x, layers, norm: x + norm(layers(x)),
                ),
            ),
            "In post-norm you normalise what the dense layers give, and add x after that: the sum itself is "
            "not normalised.",
            "With gamma 1 and beta 0 a vector that leaves the post-norm part has the mean 0 and the "
            "deviation 1. So nothing may be added after the norm.",
        ),
        Mistake(
            "exchanged",
            _part(post=_pre, pre=_post),
            "Both orders are right, but each appears where the other is asked for. What does `norm_first` "
            "say?",
            "norm_first=True is pre-norm: the dense layers see normalised vectors, and what leaves the part "
            "is a plain sum.",
        ),
        Mistake(
            "always_post_norm",
            _part(pre=_post),
            "Post-norm is right. In pre-norm you give the same as in post-norm: where does your code look at "
            "`norm_first`?",
            "With norm_first=True the dense layers see normalised vectors, and the sum after them stays as "
            "it is.",
        ),
        Mistake(
            "always_pre_norm",
            _part(post=_pre),
            "Pre-norm is right. In post-norm you give the same as in pre-norm: where does your code look at "
            "`norm_first`?",
            "With norm_first=False the dense layers see x itself, and the norm comes last, over the sum.",
        ),
        Mistake(
            "residual_from_the_norm",
            _part(pre=lambda x, layers, norm: norm(x) + layers(norm(x))),
            "Post-norm is right. In pre-norm you add the dense layers' output to the normalised vectors, "
            "and x itself is lost.",
            "With kernel_2 and bias_2 all zero the pre-norm part must give back x, unchanged. Do you still "
            "have x under its name after the norm?",
        ),
        Mistake(
            "no_residual",
            (
                _part(
                    post=lambda x, layers, norm: norm(layers(x)), pre=lambda x, layers, norm: layers(norm(x))
                ),
                _part(post=lambda x, layers, norm: norm(layers(x))),
                _part(pre=lambda x, layers, norm: layers(norm(x))),
            ),
            "With kernel_2 and bias_2 all zero, nothing of x arrives at the end of your part, at least in "
            "one of the orders. What carries x around the dense layers?",
            "A residual adds the input of the part to what the layers make of it. Without it each block "
            "would have to learn to pass on what it was given.",
        ),
        Mistake(
            "normed_twice",
            (
                _part(pre=lambda x, layers, norm: norm(x + layers(norm(x)))),
                _part(post=lambda x, layers, norm: norm(x + layers(norm(x)))),
            ),
            "You normalise twice, before the dense layers and after the sum, at least in one of the orders.",
            "There is one gamma and one beta, for one norm. In pre-norm it comes first, and nothing comes "
            "after the sum; in post-norm it comes last, and nothing before the dense layers.",
        ),
        Mistake(
            "no_norm",
            (
                _part(pre=lambda x, layers, norm: x + layers(x)),
                _part(post=lambda x, layers, norm: x + layers(x)),
                _part(*[lambda x, layers, norm: x + layers(x)] * 2),
            ),
            "In one of the orders, or in both, there is no norm. Where do gamma and beta come in?",
            "norm_first says where the norm stands, not whether there is one: over the sum, or over what the "
            "dense layers see.",
        ),
        Mistake(
            "gain_or_shift_missing",
            (_normed_part(gamma=1.0, beta=0.0), _normed_part(gamma=1.0), _normed_part(beta=0.0)),
            "Both orders are right but for the norm: gamma and beta are not both used in it.",
            "After the division, the norm of question 1 multiplies by a gain and adds a shift. Those meant "
            "here are arguments of the function.",
        ),
        Mistake(
            "exact_gelu",
            _parts_with(activation=_exact),
            "Order, residual and norm are right, and you are off by very little. Which of the two GELUs is "
            "asked for?",
            "The block uses the approximation by tanh. Your gelu gives the exact form unless its second "
            "argument says otherwise.",
        ),
        Mistake(
            "no_activation",
            _parts_with(activation=lambda x: x),
            "Order, residual and norm are right. Between your two dense layers stands nothing, so that they "
            "are no more than one.",
            "Two matrix products in a row are a single one. What does the formula of F have between K₁ and "
            "K₂?",
        ),
        Mistake(
            "other_activation",
            tuple(
                _parts_with(activation=activation)
                for activation in (lambda x: np.maximum(x, 0), np.tanh, _sigmoid, lambda x: _exact(x, np.abs))
            ),
            "Order, residual and norm are right. What stands between your two dense layers is another "
            "function than the one asked for.",
            "ReLU is that of 2017's Transformer; BERT has GELU, by tanh. You have written it in question 4.",
        ),
        Mistake(
            "activated_at_the_end",
            (_parts_with(late=_bent), _parts_with(activation=lambda x: x, late=_bent)),
            "Order, residual and norm are right. After your second dense layer comes a GELU: does the "
            "formula of F have one there?",
            "What leaves F is a plain sum of products, so that the residual can be made smaller as well as "
            "larger. GELU stands between K₁ and K₂ only.",
        ),
        Mistake(
            "missing_bias",
            (_parts_with(biases=(0, 1)), _parts_with(biases=(1, 0)), _parts_with(biases=(0, 0))),
            "Order, residual and norm are right. Does each of your dense layers add its bias?",
            "There are two: bias_1 is added before GELU, bias_2 after the second product.",
        ),
    ),
    hint="Write the dense layers once, as a function of their input. Then each order is one line.",
    more="F takes what it is given through K₁, b₁, GELU by tanh, K₂ and b₂, and knows nothing of norm and "
    "residual. What is added to it is always the x that came in; norm_first only moves the norm.",
    example=(
        np.array([[1.0, 3.0]]),
        np.array([[1.0], [0.0]]),
        np.array([1.0]),
        np.array([[0.0, 2.0]]),
        np.array([0.0, 5.0]),
        np.array([1.0, 1.0]),
        np.array([0.0, 0.0]),
        True,
    ),
)


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


@_quiet
def _softmax(scores, axis=-1, shifted=True):
    exponentials = np.exp(scores - (scores.max(axis=axis, keepdims=True) if shifted else 0))
    return exponentials / exponentials.sum(axis=axis, keepdims=True)


def _hidden_by(number, axes=np.s_[:, None, None, :], of=lambda mask: mask):
    """Scores of which those outside the mask are replaced by a number."""
    return lambda scores, mask: np.where(of(mask)[axes], scores, number)


def _hidden_less(number, axes=np.s_[:, None, None, :], of=lambda mask: mask):
    """Scores from which a number is taken outside the mask."""
    return _quiet(lambda scores, mask: scores - np.where(of(mask)[axes], 0, number))


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
                {"hide": _quiet(lambda scores, mask: scores + (1 - mask[:, None, None, :]) * -np.inf)},
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


# Mean pooling


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


@_quiet
def _multiplied(sequence, mask):
    return sequence * mask[:, :, None]


@_quiet
def _pool(sequence, padding_mask, tokens=_selected, count=lambda mask: mask.sum(axis=1)[:, None], least=1.0):
    """A mean over tokens with another sum or another divisor."""
    mask = padding_mask.astype(bool)
    return tokens(sequence, mask).sum(axis=1) / np.maximum(count(mask), least)


def _pools(**settings):
    """A mistake with np.where and by a product."""
    return tuple(functools.partial(_pool, tokens=tokens, **settings) for tokens in (_selected, _multiplied))


def _each(choose, guarded=False):
    """The mean of the vectors that a function chooses of each text."""

    @_quiet
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

    @_quiet
    def answer(sequence, padding_mask):
        kept = _selected(sequence, padding_mask.astype(bool))
        counted = (kept != 0).any(axis=-1, keepdims=True) if whole else kept != 0
        return kept.sum(axis=1) / np.maximum(counted.sum(axis=1), 1)

    return answer


@_quiet
def _without_nan(sequence, padding_mask, guarded=False):
    known = ~np.isnan(sequence)
    mean = np.where(known, sequence, 0).sum(axis=1) / known.sum(axis=1)
    return np.where(padding_mask.astype(bool).any(axis=1)[:, None], mean, 0) if guarded else mean


@_quiet
def _largest(sequence, padding_mask, guarded=True):
    mask = padding_mask.astype(bool)[:, :, None]
    found = np.where(mask, sequence, -np.inf).max(axis=1)
    return np.where(mask.any(axis=1), found, 0) if guarded else found


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


# The count


def _count_calls(rng):
    vocabulary, layers, width, inner = (int(n) for n in rng.integers((50, 3, 8, 30), (900, 9, 25, 90)))
    return [
        Call((vocabulary, 1, width, inner, 20, 2), about="a single layer"),
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
    biases=(1, 1, 1),
    tables=(1, 1, 1),
    projections=4,
    norms=2,
    first_norm=1,
    poolers=lambda layers: 1,
    dense=(1, 1),
    repeated=False,
):
    """Counts an encoder's parameters with one of its parts left out or counted too often."""
    rows = tables[0] * vocabulary + tables[1] * max_length + tables[2] * num_segments
    embeddings = (rows + 2 * first_norm) * d
    attended = projections * d * (d + biases[0])
    fed = dense[0] * inner * (d + biases[1]) + dense[1] * d * (inner + biases[1])
    block = attended + fed + 2 * norms * d
    pooler = poolers(layers) * d * (d + biases[2])
    return layers * (block + embeddings) + pooler if repeated else embeddings + layers * block + pooler


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
    dtypes=("int",),
    mistakes=(
        Mistake(
            "no_biases",
            _ways(
                _count,
                {"biases": (0, 0, 0)},
                {"biases": (1, 0, 1)},
                {"biases": (1, 1, 0)},
                {"biases": (0, 0, 1)},
            ),
            "Close: every dense layer has a bias, and in your count at least one of them has none.",
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
            "half_norms",
            functools.partial(_count, norms=1, first_norm=0.5),
            "Close: what you lack grows with the number of norms, hidden_dim for each. What does a norm "
            "learn?",
            "Gamma and beta are two vectors. A norm has 2 · hidden_dim numbers.",
        ),
        Mistake(
            "one_norm_per_block",
            _ways(_count, {"norms": 1}, {"norms": 1, "first_norm": 0}),
            "Close: what you lack grows with the number of layers, 2 · hidden_dim for each. How many norms "
            "does a block have, and how many numbers each of them?",
            "A block has two residuals, and a norm after each: attention_norm and output_norm.",
        ),
        Mistake(
            "four_vectors_per_block",  # Four biases are as many numbers as two norms.
            _ways(_count, {"norms": 0}, {"biases": (0, 1, 1)}),
            "Close: what you lack grows with the number of layers, 4 · hidden_dim for each. What in a block "
            "has so few numbers?",
            "The biases of attention's four layers have hidden_dim numbers each, its norms twice as many. "
            "One of these groups is not in your count.",
        ),
        Mistake(
            "last_norm_too",
            functools.partial(_count, first_norm=2),
            "You have 2 · hidden_dim numbers too many, however many layers there are. Is there a norm after "
            "the last block?",
            "The blocks are those of question 6, in post-norm: each ends with its own norm, and nothing "
            "comes between the last one and the pooler.",
        ),
        Mistake(
            "no_pooler",
            functools.partial(_count, poolers=lambda layers: 0),
            "You count everything up to the last block. What does the encoder do with the vector of [CLS] "
            "after that?",
            "The pooler is one more dense layer, as wide as the vectors on both sides. There is one of it, "
            "whatever num_layers is.",
        ),
        Mistake(
            "pooler_in_each_block",
            _ways(_count, {"poolers": lambda layers: layers}, {"poolers": lambda layers: layers + 1}),
            "You have too much, and the more so the more layers there are: one dense layer of the width of "
            "the vectors. How many poolers are there?",
            "A block has six dense layers, four of them in attention. The pooler stands once, after the last "
            "block.",
        ),
        Mistake(
            "tables_missing",
            _ways(_count, {"tables": (1, 0, 0)}, {"tables": (1, 0, 1)}, {"tables": (1, 1, 0)}),
            "Your blocks are right, your embeddings too few. Which vectors are added to a token's own, and "
            "from which tables do they come?",
            "There are three tables with rows of hidden_dim numbers: one row per token of the vocabulary, "
            "one per position, one per segment.",
        ),
        Mistake(
            "sizes_ignored",
            (
                lambda v, n, d, inner, max_length=512, num_segments=2: _count(
                    v, n, d, inner, 512, num_segments
                ),
                lambda v, n, d, inner, max_length=512, num_segments=2: _count(v, n, d, inner, max_length, 2),
                lambda v, n, d, inner, max_length=512, num_segments=2: _count(v, n, d, inner),
            ),
            "BERT's own sizes are right, other ones are not: one of the last two arguments does not change "
            "your count as it should.",
            "Positions have `max_length` rows, segments `num_segments`. 512 and 2 are only what these are "
            "unless somebody says otherwise.",
        ),
        Mistake(
            "four_times_as_wide",
            lambda v, n, d, inner, max_length=512, num_segments=2: _count(
                v, n, d, 4 * d, max_length, num_segments
            ),
            "BERT's own sizes are right, other ones are not: you take the dense layers for four times as "
            "wide as the vectors.",
            "It is so in BERT, but not in every encoder. Which argument says how many numbers stand between "
            "the two dense layers?",
        ),
        Mistake(
            "other_projections",
            _ways(_count, {"projections": 3}, {"projections": 1}, {"projections": 2}),
            "Each of your blocks lacks dense layers in its attention. Queries, keys, values: what comes "
            "after the heads are joined?",
            "Attention has four projections of the same size, that of its output among them. The number of "
            "heads changes none of them.",
        ),
        Mistake(
            "one_dense_layer",
            _ways(_count, {"dense": (1, 0)}, {"dense": (0, 1)}, {"dense": (2, 0)}, {"dense": (0, 2)}),
            "Your feed-forward parts are not right: how many dense layers has each, and how long is the bias "
            "of each?",
            "One goes from hidden_dim to intermediate_dim, one back. Their kernels are equally large, their "
            "biases are not.",
        ),
        Mistake(
            "embeddings_in_each_block",
            _ways(
                _count,
                {"repeated": True},
                {"repeated": True, "poolers": lambda layers: layers},
            ),
            "With one layer you are right, with several you have far too much: what do you multiply by "
            "num_layers?",
            "Only what stands in a block is there num_layers times. Tables, their norm and the pooler are "
            "outside.",
        ),
    ),
    hint="List every table, dense layer and norm with its shape, outside the blocks and in one block. "
    "BERT-base must have 109,482,240.",
    more="Outside: three tables, a norm, the pooler. In a block: four dense layers of attention, two of the "
    "feed-forward part, two norms. A dense layer from a to b has a · b + b numbers, a norm 2 · hidden_dim.",
    example=(10, 2, 4, 8, 6, 2),
)


QUESTIONS = (_LAYER_NORM, _SEGMENTS, _EMBED, _GELU, _PART, _BLOCK, _POOL, _PARAMETERS)
