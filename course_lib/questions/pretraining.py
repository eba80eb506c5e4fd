"""Questions of lesson 04: what is masked, and how; loss, perplexity; pairs of texts; the causal shift."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Lesson, Mistake, Question

pretraining = Lesson("pretraining")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


def _ways(function, *settings):
    """One way to make a mistake per dict of settings, in a tuple."""
    return tuple(functools.partial(function, **each) for each in settings)


def _distinct(rng, *shape):
    """Scores between 0 and 1 in random order, evenly spread, so that no two are equal."""
    size = math.prod(shape)
    return (rng.permutation(size).reshape(shape) + 0.5) / size


# Which tokens to predict


def _candidates(rng, counts, length):
    """A row per count: [CLS], so many words with a [SEP] somewhere among them, then padding."""
    candidates = np.zeros((len(counts), length), dtype=bool)
    for row, count in zip(candidates, counts, strict=True):
        row[1 : count + 2] = True
        row[rng.integers(1, count + 2)] = False
    return candidates


def _choose_calls(rng):
    # No count times its rate lies near the middle between two integers.
    def case(counts, length, *rate, about=""):
        scores = _distinct(rng, len(counts), length)
        return Call((scores, _candidates(rng, counts, length), *rate), about=about)

    counts = [int(n) for n in rng.choice([4, 6, 7, 11, 13, 17, 19, 22, 26, 33], size=4, replace=False)]
    few, candidates = case((14, 25), 32)
    low = _distinct(rng, 2, 12) / 10
    apart, words = case((18, 13), 24)
    return [
        case((8,), 12, about="a single row"),
        case((12, 3, 8), 20),
        Call(
            (np.where(candidates, 0.5 + few / 2, few / 4), candidates),
            about="the lowest scores at places that are no candidates",
        ),
        Call((low, _candidates(rng, (5, 9), 12)), about="scores that are all below the rate"),
        Call(
            ((0.4 * apart + [[0.0], [0.5]]).astype("float32"), words),
            about="rows of which one has all low scores",
        ),
        case((7, 2, 4, 1), 12, 0.4, about="another rate than 0.15"),
        case(counts, 40, 0.15),
        case((2, 2), 7, 0.8, about="another rate than 0.15"),
    ]


def _ranks(scores):
    return np.argsort(np.argsort(scores, axis=-1), axis=-1)


def _share(places, rate, rounded=np.round, least=1):
    return np.maximum(least, rounded(rate * places.sum(axis=-1, keepdims=True)))


def _chosen(scores, candidates, rate=0.15, counted=None, hidden=np.inf, sign=1, **kwargs):
    """The lowest of the candidates, with another count or other scores."""
    count = _share(candidates if counted is None else counted(candidates), rate, **kwargs)
    return candidates & (_ranks(np.where(candidates, sign * scores, hidden)) < count)


def _any_token(scores, candidates, rate=0.15, hidden=None):
    scores = scores if hidden is None else np.where(candidates, scores, hidden)
    return _ranks(scores) < _share(candidates, rate)


def _masked_too_late(scores, candidates, rate=0.15, hidden=None):
    return candidates & _any_token(scores, candidates, rate, hidden)


def _one_argsort(scores, candidates, rate=0.15, masked=True):
    order = np.argsort(np.where(candidates, scores, np.inf), axis=-1)
    return (candidates | (not masked)) & (order < _share(candidates, rate))


def _threshold(scores, candidates, rate=0.15, at_least_one=False):
    found = candidates & (scores < rate)
    for row, places, numbers in zip(found, candidates, scores, strict=True):
        if at_least_one and not row.any():
            row[np.argmin(np.where(places, numbers, np.inf))] = True
    return found


def _places_among_candidates(scores, candidates, rate=0.15):
    found = np.zeros_like(candidates)
    for row, places, numbers in zip(found, candidates, scores, strict=True):
        count = max(1, round(rate * int(places.sum())))
        row[np.argsort(numbers[places])[:count]] = True
    return found


def _whole_batch(scores, candidates, rate=0.15):
    ranks = _ranks(np.where(candidates, scores, np.inf).ravel()).reshape(scores.shape)
    return candidates & (ranks < max(1, np.round(rate * candidates.sum())))


def _mean_of_batch(scores, candidates, rate=0.15, rounded=np.round):
    count = max(1, rounded(rate * candidates.sum(axis=-1).mean()))
    return candidates & (_ranks(np.where(candidates, scores, np.inf)) < count)


def _one_off(scores, candidates, rate=0.15, more=1):
    count = _share(candidates, rate) + more
    return candidates & (_ranks(np.where(candidates, scores, np.inf)) < count)


def _below_quantile(scores, candidates, rate=0.15, included=True):
    found = np.zeros_like(candidates)
    for row, places, numbers in zip(found, candidates, scores, strict=True):
        border = np.quantile(numbers[places], rate)
        row[:] = places & ((numbers <= border) if included else (numbers < border))
    return found


_CHOOSE = Question(
    id="pretraining.choose",
    title="Which tokens to predict",
    points=2,
    minutes=20,
    signature="choose(scores, candidates, rate=0.15)",
    calls=_choose_calls,
    reference=lambda scores, candidates, rate=0.15: pretraining.choose(scores, candidates, rate),
    mistakes=(
        Mistake(
            "threshold",
            _ways(_threshold, {}, {"at_least_one": True}),
            "You toss a coin for each token: on average the share is right, but some rows get too many and "
            "some too few. How many does each row have to get?",
            "Where all scores of a row lie below 0.15, you choose every candidate. First fix the number of "
            "tokens of a row, then take as many with the lowest scores, whatever the scores are.",
        ),
        Mistake(
            "below_quantile",
            _ways(_below_quantile, {}, {"included": False}),
            "You choose what lies below a quantile of the scores. That is near the number asked for, but in "
            "some rows one off.",
            "A quantile lies somewhere between two scores, by a rule of its own. Here the number is given: "
            "rate · n, rounded, and at least one. Take as many.",
        ),
        Mistake(
            "whole_row",
            functools.partial(_chosen, counted=np.ones_like),
            "You choose candidates only, but too many in some rows. Which tokens do you count before you "
            "take the share of them?",
            "A row of 20 with 8 candidates gets the share of 8, not of 20. Otherwise a short text in a wide "
            "batch loses far more of its words than a long one.",
        ),
        Mistake(
            "whole_batch",
            (
                _whole_batch,
                functools.partial(
                    _chosen,
                    counted=lambda candidates: np.full_like(candidates, candidates.sum(), dtype=int)[:, :1],
                ),
                *_ways(_mean_of_batch, {}, {"rounded": np.floor}),
            ),
            "A single row is right, rows of different lengths are not: what you choose in a row depends on "
            "the candidates of the whole batch. What does a row have to do with its neighbours?",
            "Each row gets the share of its own candidates, and ranks run within the row. Give the sum and "
            "the sorting an axis, and the sum keepdims=True.",
        ),
        Mistake(
            "any_token",
            _ways(_any_token, {}, {"hidden": 0.0}),
            "The number per row is right, but some of what you choose is padding or a special token. What "
            "do the scores at these places do in your sorting?",
            "Nothing can be learned from guessing [PAD]. Before you sort, give the places where "
            "`candidates` is False a score with which they never come first.",
        ),
        Mistake(
            "masked_too_late",
            _ways(_masked_too_late, {}, {"hidden": 0.0}),
            "You choose candidates only, but too few of them: padding and special tokens take part in your "
            "sorting and use up places.",
            "Removing them after the choice is too late. With which score do the places where `candidates` "
            "is False come last in the sorting?",
        ),
        Mistake(
            "one_argsort",
            _ways(_one_argsort, {}, {"masked": False}),
            "You compare what argsort returns with the number to choose. What does its first entry say: the "
            "rank of the first token, or the place of the lowest score?",
            "argsort lists places in the order of their scores. The rank of each token is the argsort of "
            "that list; or set the first entries of the list, as places, to True.",
        ),
        Mistake(
            "places_among_candidates",
            _places_among_candidates,
            "The number per row is right, the places are not: you sort the candidates only. Of which list "
            "are the places that argsort gives then?",
            "In scores[candidates] the first candidate has the place 0, but in its row it stands behind "
            "[CLS]. np.flatnonzero(candidates) says which place of the row each has.",
        ),
        Mistake(
            "highest",
            functools.partial(_chosen, sign=-1),
            "The number per row is right, but you take the candidates with the highest scores.",
            "argsort begins with the lowest. Those are the ones asked for: is there a minus, a [::-1] or a "
            "`>` too many?",
        ),
        Mistake(
            "rounded_down",
            functools.partial(_chosen, rounded=np.floor),
            "Some rows get one token too few: with 12 candidates the share is 1.8 tokens. What do you make "
            "of the .8?",
            "int() and // cut off what stands behind the point. To the nearest integer 1.8 is 2, and 1.2 "
            "is 1.",
        ),
        Mistake(
            "rounded_up",
            functools.partial(_chosen, rounded=np.ceil),
            "Some rows get one token too many: with 8 candidates the share is 1.2 tokens. What do you make "
            "of the .2?",
            "ceil always goes up. To the nearest integer 1.2 is 1, and 1.8 is 2.",
        ),
        Mistake(
            "no_minimum",
            _ways(_chosen, {"least": 0}, {"least": 0, "rounded": np.floor}),
            "Short rows get nothing to predict: for 3 candidates the share is 0.45 tokens, which you round "
            "to 0.",
            "A text without a prediction is read in vain. After rounding, which function keeps a number "
            "from falling below 1?",
        ),
        Mistake(
            "one_off",
            _ways(_one_off, {}, {"more": -1}),
            "Your rows get one token too many, or one too few, whatever their share is. Look at your "
            "comparison or your slice.",
            "The lowest candidate has the rank 0, so two tokens have the ranks 0 and 1. Is it a `<` or a "
            "`<=` that takes just these?",
        ),
        Mistake(
            "constant_rate",
            lambda scores, candidates, rate=0.15: _chosen(scores, candidates, 0.15),
            "With the rate 0.15 all is right. With another you still choose 15 %: where does your code use "
            "`rate`?",
            "0.15 is only what the argument is if nothing is given. Where is that number written in your "
            "code?",
        ),
    ),
    hint="Two numbers decide: how many tokens a row gets, and each candidate's rank among the candidates of "
    "its row. The argsort of an argsort gives ranks.",
    more="Give infinity as score to what is no candidate, and take the ranks along the row: 0 for the "
    "lowest. True where the rank is below the row's number, which is rounded and at least 1, in the shape "
    "(batch, 1).",
    example=(
        np.array([[0.05, 0.6, 0.2, 0.1, 0.9, 0.3], [0.5, 0.8, 0.7, 0.1, 0.2, 0.3]]),
        np.array([[False, True, True, True, True, False], [False, True, True, False, False, False]]),
        0.4,
    ),
)


# Whole words


def _words_calls(rng):
    # In the word of three pieces, the score of the middle one is the lowest and the last one's the highest.
    first = _distinct(rng, 1, 7)
    first[0, 1:4] = np.sort(first[0, 1:4])[[1, 0, 2]]
    split = rng.random((3, 9)) < 0.4
    split[:, 0] = False
    split[:, 4:6] = [[False, True], [True, True], [True, False]]
    return [
        Call((first, np.array([[0, 0, 1, 1, 0, 1, 0]], dtype=bool)), about="a single row"),
        (_distinct(rng, 2, 5), np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0]], dtype=bool)),
        Call((_distinct(rng, 2, 4), np.zeros((2, 4), dtype=bool)), about="no split word"),
        Call(
            (_distinct(rng, 2, 6), np.array([[0, 1, 1, 1, 1, 1], [0, 0, 1, 0, 1, 0]], dtype=bool)),
            about="a row that is a single word",
        ),
        (_distinct(rng, 3, 9).astype("float32"), split),
    ]


def _first_pieces(continues):
    """For each piece the place where its word begins."""
    places = np.arange(continues.shape[1])
    return np.maximum.accumulate(np.where(continues, 0, places), axis=1)


def _of_pieces(function):
    """Gives each word what a function makes of the scores of its pieces."""

    def answer(scores, continues):
        rows = zip(scores, _first_pieces(continues), strict=True)
        return np.array([[function(row[first == each]) for each in first] for row, first in rows])

    return answer


def _taken(word):
    """Takes from each row the scores of the numbers that a function makes of `continues`."""
    return lambda scores, continues: np.take_along_axis(scores, word(continues), axis=1)


def _number(continues):
    return np.cumsum(~continues, axis=1) - 1


def _counted_on(scores, continues):
    return scores.ravel()[np.cumsum(~continues) - 1].reshape(scores.shape)


def _left_neighbour(scores, continues):
    return np.where(continues, np.roll(scores, 1, axis=1), scores)


_WORDS = Question(
    id="pretraining.word_scores",
    title="Whole words",
    points=2,
    minutes=15,
    signature="word_scores(scores, continues)",
    calls=_words_calls,
    reference=lambda scores, continues: pretraining.word_scores(scores, continues),
    mistakes=(
        Mistake(
            "own_score",
            _of_pieces(lambda pieces: pieces[0]),
            "All pieces of a word agree, as they should. But behind the first split word your words have "
            "other scores than was asked for: those that stand above their first pieces.",
            "Any rule that gives each word one score would do for masking; so that there is one right "
            "answer, the k-th word of a row takes the k-th score of the row. Count the words, not the "
            "pieces.",
        ),
        Mistake(
            "left_neighbour",
            _left_neighbour,
            "A piece takes the score to its left, and only one step: a word of three pieces has two scores "
            "in yours.",
            "The third piece must look past the second, to the beginning of its word. Besides, the k-th word "
            "takes the k-th score of the row: which number has a word if you count the words before it?",
        ),
        Mistake(
            "last_piece",
            _of_pieces(lambda pieces: pieces[-1]),
            "All pieces of a word agree, but they have the score that stands above the last of them. Does "
            "a later piece overwrite what an earlier one has set?",
            "The k-th word of a row takes the k-th score of the row, no matter at which places its pieces "
            "stand. What number does a word have if you count the words before it?",
        ),
        Mistake(
            "lowest_piece",
            _of_pieces(np.min),
            "A word of yours gets the lowest score of its pieces. Which words are then chosen more often "
            "than others?",
            "With the lowest of three scores a word is chosen about two and a half times as often as one of "
            "a single piece, so rare words are hidden too often. Each word must have exactly one draw: the "
            "k-th word the k-th score.",
        ),
        Mistake(
            "highest_piece",
            _of_pieces(np.max),
            "A word of yours gets the highest score of its pieces. How often is the highest of three below "
            "0.15?",
            "Words of many pieces would hardly ever be chosen. Each word must have exactly one draw: the "
            "k-th word of a row takes the k-th score of the row.",
        ),
        Mistake(
            "mean_piece",
            _of_pieces(np.mean),
            "A word of yours gets the mean score of its pieces. How often is a mean of three below 0.15, "
            "and how often a single score?",
            "Means crowd around 0.5, so words of many pieces would hardly ever be chosen. Each word must "
            "have exactly one draw: the k-th word the k-th score.",
        ),
        Mistake(
            "counted_from_one",
            (
                _taken(lambda continues: _number(continues) + 1),
                _taken(lambda continues: np.minimum(_number(continues) + 1, continues.shape[1] - 1)),
            ),
            "Your words take the score of the word after them, and where nothing is split the last one "
            "finds none of its own. From which number do you count?",
            "A running sum over the beginnings of words is 1 at the first word, and the first score has "
            "the index 0.",
        ),
        Mistake(
            "counted_too_soon",
            _taken(lambda continues: np.cumsum(~continues, axis=1) - ~continues),
            "Where a word begins you are right. The pieces that continue it take the score of the word after "
            "it: at which piece does your count go on?",
            "The number of the word goes up when the next word begins, not as soon as a first piece has its "
            "score. Of [False, True, False] the words have the numbers 0, 0, 1.",
        ),
        Mistake(
            "pieces_counted",
            (
                _taken(lambda continues: np.cumsum(continues, axis=1)),
                _taken(lambda continues: np.cumsum(continues, axis=1) - 1),
            ),
            "Your count goes on at the pieces that continue a word, and stands still at new words. Which of "
            "the two is to be counted?",
            "`continues` is False where a word begins. Of [False, False, True, False] the words have the "
            "numbers 0, 1, 1, 2.",
        ),
        Mistake(
            "counted_on",
            _counted_on,
            "The first row is right. In the second you go on counting where the first has stopped.",
            "Each text begins again with its own first score. np.cumsum without an axis runs through the "
            "whole array.",
        ),
        Mistake(
            "down_the_batch",
            _taken(lambda continues: np.maximum(np.cumsum(~continues, axis=0) - 1, 0)),
            "You count down the batch: a piece gets a number by the rows above it, not by the words before "
            "it.",
            "In an array of shape (batch, length) the pieces of a text lie along the last axis. Along which "
            "one do you sum?",
        ),
        Mistake(
            "scores_of_the_first_row",
            lambda scores, continues: scores[0][_number(continues)],
            "The first row is right. In the others the words have the right numbers, but you look them up in "
            "the scores of the first row.",
            "Each row has scores of its own. np.take_along_axis takes from row i what the numbers of row i "
            "name.",
        ),
        Mistake(
            "each_row_in_each",
            lambda scores, continues: scores[:, _number(continues)],
            "Your result has an axis too many: the numbers of every row are looked up in the scores of every "
            "row.",
            "scores[:, word] takes all rows of `scores` for all of `word`. np.take_along_axis pairs row with "
            "row.",
        ),
    ),
    hint="Where does a word begin? A running count of the beginnings tells each piece which word it is of; "
    "np.take_along_axis fetches that word's score.",
    more="~continues is True at the beginnings. Its np.cumsum along the row, less 1, is the number of the "
    "word that a piece is of, from 0; with that array as indices, take along the row.",
    example=(
        np.array([[0.5, 0.1, 0.9, 0.3, 0.7]]),
        np.array([[False, True, True, False, False]]),
    ),
)


# What stands in their place


def _corrupt_calls(rng):
    def case(*shape, mask_id=4, about=""):
        # All kinds of draws, each at chosen and at other places; no draw lies near a border.
        size, order = math.prod(shape), rng.permutation(math.prod(shape))
        low, high = np.array([[0.0, 0.1], [0.1, 0.8], [0.8, 0.9], [0.9, 1.0]])[np.arange(size) % 4].T
        draws = low + (high - low) * rng.uniform(0.05, 0.95, size=size)
        chosen = np.arange(size) // 4 % 2 == 0
        token_ids, random_ids = rng.integers(200, 300, size=size), rng.integers(300, 400, size=size)
        arrays = token_ids, chosen[order], draws[order], random_ids
        return Call((*(each.reshape(shape) for each in arrays), mask_id), about=about)

    token_ids, _, draws, random_ids, mask_id = case(2, 6)
    everything = np.ones((2, 6), dtype=bool)
    axes = "another number of axes than two"
    row = case(1, 8)
    return [
        Call((*row[:2], row[2].astype("float32"), *row[3:])),
        case(8, about=axes),
        Call((token_ids, ~everything, draws, random_ids, mask_id), about="nothing chosen"),
        Call((token_ids, everything, draws, random_ids, 103), about="everything chosen"),
        case(2, 3, 4, about=axes),
        case(5, 40, mask_id=103),
    ]


def _replaced(
    token_ids,
    chosen,
    draws,
    random_ids,
    mask_id,
    masked=0.8,
    drawn=0.9,
    where=lambda chosen: chosen,
):
    new = np.where(draws < masked, mask_id, np.where(draws < drawn, random_ids, token_ids))
    return np.where(where(chosen), new, token_ids)


def _by_borders(*borders):
    """Kinds of tokens by the draw: pairs of a border and what stands below it."""

    def answer(token_ids, chosen, draws, random_ids, mask_id):
        new = token_ids
        kinds = {"mask": mask_id, "random": random_ids, "own": token_ids}
        for border, kind in reversed(borders):
            new = np.where(draws < border, kinds[kind], new)
        return np.where(chosen, new, token_ids)

    return answer


def _overwritten(token_ids, chosen, draws, random_ids, mask_id):
    return np.where(chosen & (draws < 0.9), random_ids, token_ids)


def _random_in_order(token_ids, chosen, draws, random_ids, mask_id):
    new = _replaced(token_ids, chosen, draws, token_ids, mask_id)
    places = chosen & (draws >= 0.8) & (draws < 0.9)
    new[places] = random_ids.ravel()[: places.sum()]
    return new


def _random_anywhere(token_ids, chosen, draws, random_ids, mask_id):
    new = np.where((draws >= 0.8) & (draws < 0.9), random_ids, token_ids)
    return np.where(chosen & (draws < 0.8), mask_id, new)


def _masked_anywhere(token_ids, chosen, draws, random_ids, mask_id):
    new = np.where(draws < 0.8, mask_id, token_ids)
    return np.where(chosen & (draws >= 0.8) & (draws < 0.9), random_ids, new)


def _over_two_axes(token_ids, chosen, draws, random_ids, mask_id):
    new, (rows, columns) = np.array(token_ids), token_ids.shape
    for i in range(rows):
        for j in range(columns):
            if chosen[i, j] and draws[i, j] < 0.9:
                new[i, j] = mask_id if draws[i, j] < 0.8 else random_ids[i, j]
    return new


def _over_rows(token_ids, chosen, draws, random_ids, mask_id):
    new = np.array(token_ids)
    for i in range(token_ids.shape[0]):
        for j in range(token_ids.shape[1]):
            if chosen[i, j] and draws[i, j] < 0.9:
                new[i, j] = mask_id if draws[i, j] < 0.8 else random_ids[i, j]
    return new


def _over_lists(token_ids, chosen, draws, random_ids, mask_id):
    return np.array(
        [
            [t if not c or d >= 0.9 else mask_id if d < 0.8 else r for t, c, d, r in zip(*each, strict=True)]
            for each in zip(token_ids, chosen, draws, random_ids, strict=True)
        ]
    )


_CORRUPT = Question(
    id="pretraining.corrupt",
    title="80, 10, 10",
    points=1,
    minutes=10,
    signature="corrupt(token_ids, chosen, draws, random_ids, mask_id)",
    calls=_corrupt_calls,
    reference=lambda token_ids, chosen, draws, random_ids, mask_id: pretraining.corrupt(
        token_ids, chosen, draws, random_ids, mask_id
    ),
    dtypes=("int",),
    keeps_inputs=True,
    mistakes=(
        Mistake(
            "nothing_replaced",
            lambda token_ids, chosen, draws, random_ids, mask_id: token_ids,
            "Your result is `token_ids` as it came. Into which array do you write, and is it the one that "
            "you return?",
            "`new[chosen][...] = mask_id` writes into a copy, which is gone after that line: one index must "
            "say all, such as new[chosen & (...)]. What np.where makes has to be given a name, too.",
        ),
        Mistake(
            "all_masked",
            functools.partial(_replaced, masked=1.0),
            "All chosen tokens become [MASK]. Does a fine-tuned model ever see a [MASK]?",
            "Only where the draw is below 0.8 comes [MASK]. The other fifth is for random tokens and for "
            "true ones, so that the model cannot rely on a token only because it is not hidden.",
        ),
        Mistake(
            "no_random",
            functools.partial(_replaced, drawn=0.0),
            "Where the draw is 0.8 or more, you keep the true token. `random_ids` never appears; what is it "
            "for?",
            "The draws from 0.8 to 1 are two groups: one half gets the random token, the other keeps its "
            "own. At which number are they parted?",
        ),
        Mistake(
            "none_kept",
            functools.partial(_replaced, drawn=1.0),
            "Where the draw is 0.8 or more, you always take the random token. Some chosen tokens were to "
            "stay as they are.",
            "The draws from 0.8 to 1 are two groups. From 0.9 on the true token stays, so that a visible "
            "token is often enough the right one.",
        ),
        Mistake(
            "kept_before_random",
            _by_borders((0.8, "mask"), (0.9, "own"), (2.0, "random")),
            "Below 0.8 you are right. From there on the two groups have changed places.",
            "A draw of 0.85 means the random token, one of 0.95 that the token stays.",
        ),
        Mistake(
            "everywhere",
            (functools.partial(_replaced, where=np.ones_like), _random_anywhere, _masked_anywhere),
            "You replace tokens that were not chosen, too, and there should be true ones left to guess from. "
            "Which of your steps does not look at `chosen`?",
            "The draws only say what happens to a chosen token. Where `chosen` is False, `token_ids` is "
            "returned as it is, whatever the draw is.",
        ),
        Mistake(
            "the_others",
            functools.partial(_replaced, where=np.logical_not),
            "You replace the tokens that were not chosen, and leave the chosen ones.",
            "`chosen` is True where a token is to be predicted: there the draw decides. Everywhere else the "
            "token stays.",
        ),
        Mistake(
            "random_first",
            (
                _by_borders((0.1, "random"), (0.9, "mask")),
                _by_borders((0.1, "random"), (0.2, "own"), (2.0, "mask")),
                _by_borders((0.1, "own"), (0.2, "random"), (2.0, "mask")),
            ),
            "The shares are right, but not their order: you do not give the lowest draws to [MASK].",
            "A draw of 0.05 means [MASK], one of 0.85 the random token. The borders are 0.8 and 0.9, from "
            "below.",
        ),
        Mistake(
            "overwritten",
            _overwritten,
            "There is no [MASK] in your result: nine tenths of the chosen tokens are random. What does your "
            "second replacement do to the places of the first?",
            "A draw below 0.8 is below 0.9, too, so a second step with `draws < 0.9` overwrites each "
            "[MASK]. Do it in the other order, or give the second step a lower bound.",
        ),
        Mistake(
            "random_in_order",
            _random_in_order,
            "The kinds are right, but the random tokens come from other places of `random_ids` than their "
            "own.",
            "Each place has a random token of its own, in the array of the same shape. Pick it with the same "
            "mask that you use on the left, or with np.where.",
        ),
        Mistake(
            "two_axes_only",
            (_over_two_axes, _over_rows, _over_lists),
            "With two axes you are right, with one or three your function ends in an error: the text allows "
            "any number of axes.",
            "np.where works place by place, whatever the shape is: no loop over rows and columns is needed.",
        ),
    ),
    hint="One np.where inside another decides by the draw; a last one brings back what was not chosen.",
    more="Begin with the rarest case: random_ids where the draw is below 0.9, else the token. Over that, "
    "mask_id where it is below 0.8. Over that, the token itself where it was not chosen.",
    example=(
        np.array([20, 21, 22, 23, 24]),
        np.array([True, False, True, True, False]),
        np.array([0.92, 0.85, 0.1, 0.88, 0.5]),
        np.array([60, 61, 62, 63, 64]),
        3,
    ),
)


# The loss


def _masked_loss_calls(rng):
    # Quarters, so that float32 holds the large ones exactly.
    def near(*shape):
        return rng.integers(-8, 9, size=shape) / 4

    def weights(*counts, length):
        places = np.arange(length) < np.array(counts)[:, None]
        return rng.permuted(places, axis=1).astype("float32")

    large = near(4, 3) + np.array([[1000.0], [0.0], [-1000.0], [800.0]])
    far = near(2, 3, 4) + rng.permuted(
        [[[1000.0], [-1000.0], [100.0]], [[-600.0], [900.0], [-900.0]]], axis=1
    )
    apart = "places whose logits lie far apart"
    # A plain logarithm of the softmax stays right there, one of a clipped probability does not.
    behind = near(3, 4)
    behind[:2] -= 2.0
    places, labels = np.arange(3), rng.integers(4, size=3)
    behind[places[:2], (labels[:2] + 1) % 4] = 0.0
    behind[places[:2], labels[:2]] = -17.0 + rng.integers(-4, 5) / 4, -40.0
    return [
        (rng.integers(3, size=4), near(4, 3), np.array([1.0, 0.0, 1.0, 0.0])),
        (rng.integers(5, size=(2, 6)), near(2, 6, 5).astype("float32"), weights(5, 2, length=6)),
        Call((rng.integers(3, size=4), large, np.array([1.0, 1.0, 1.0, 0.0])), about=apart),
        (rng.integers(4, size=(3, 7)), 3 * rng.normal(size=(3, 7, 4)), weights(1, 6, 3, length=7) * 1.0),
        Call(
            (rng.integers(2, size=(1, 3)), near(1, 3, 2).astype("float32"), np.ones((1, 3), "float32")),
            about="a single row in which all is predicted",
        ),
        Call(
            (rng.integers(4, size=(2, 3)), far, np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])),
            about=apart,
        ),
        (rng.integers(3, size=4), near(4, 3) + 1000, np.array([1.0, 1.0, 0.0, 1.0])),
        Call((labels, behind, np.array([1.0, 1.0, 0.0])), about="labels far behind another token"),
    ]


@_quiet
def _entropies(
    labels, logits, shift=lambda logits: logits.max(axis=-1, keepdims=True), axis=-1, by_softmax=False
):
    """The losses of all places; by the logarithm of a softmax or, as one should, without."""
    shifted = logits - shift(logits)
    right = np.take_along_axis(shifted, labels[..., None], axis=-1)[..., 0]
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=axis, keepdims=True)
    if by_softmax:
        return -np.log(np.take_along_axis(exponentials / total, labels[..., None], axis=-1)[..., 0])
    return (
        np.log(np.take_along_axis(np.broadcast_to(total, logits.shape), labels[..., None], axis=-1)[..., 0])
        - right
    )


def _weighted(losses, weights):
    return (losses * weights).sum() / weights.sum()


@_quiet
def _loss(labels, logits, weights, mean=_weighted, change=lambda losses: losses, **kwargs):
    """The loss with another mean or other losses."""
    return mean(change(_entropies(labels, logits, **kwargs)), weights)


def _losses(*settings):
    return _ways(_loss, *settings)


def _clips():
    """Losses that are capped, by clipping a probability or by adding a little to it."""
    eps = (float(np.finfo(dtype).eps) for dtype in ("float32", "float64"))
    for least in (*(10.0**-exponent for exponent in range(5, 17)), *eps):
        for cap in (np.add, np.maximum):
            yield {"change": lambda losses, least=least, cap=cap: -np.log(cap(np.exp(-losses), least))}


@_quiet
def _weighted_logits(labels, logits, weights, mean=lambda losses, weights: losses.sum() / weights.sum()):
    return mean(_entropies(labels, logits * weights[..., None]), weights)


def _shifts(*shifts):
    return _losses(*({"shift": shift, "by_softmax": by} for shift in shifts for by in (False, True)))


def _mean_of_rows(losses, weights):
    return ((losses * weights).sum(axis=-1) / weights.sum(axis=-1)).mean()


@_quiet
def _log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def _by_one_index(labels, logits, weights):
    return -_weighted(_log_softmax(logits)[np.arange(len(labels)), labels], weights)


def _by_two_indices(labels, logits, weights):
    batch, length = labels.shape
    return -_weighted(_log_softmax(logits)[np.arange(batch)[:, None], np.arange(length), labels], weights)


def _by_two_indices_of_shape(labels, logits, weights):
    places = np.arange(labels.shape[0])[:, None], np.arange(labels.shape[1])
    return -_weighted(_log_softmax(logits)[(*places, labels)], weights)


_LOSS = Question(
    id="pretraining.masked_loss",
    title="The loss of what is hidden",
    points=2,
    minutes=15,
    signature="masked_loss(labels, logits, weights)",
    calls=_masked_loss_calls,
    reference=lambda labels, logits, weights: pretraining.masked_loss(
        labels, logits, weights.astype(logits.dtype)
    ),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "over_all_places",
            functools.partial(_loss, mean=lambda losses, weights: (losses * weights).mean()),
            "Your loss is too small: places without weight add nothing, but you still divide by their "
            "number.",
            "With one of four places predicted your loss is a quarter of what it should be, and a batch "
            "with more padding seems to do better. How many losses are there in your sum?",
        ),
        Mistake(
            "over_the_rows",
            functools.partial(_loss, mean=lambda losses, weights: (losses * weights).sum() / len(losses)),
            "You divide the sum by the length of the first axis. How many losses are there in it?",
            "Of two rows with 5 and 2 predicted tokens the mean is that of 7 losses. Which sum counts the "
            "predicted tokens?",
        ),
        Mistake(
            "summed",
            functools.partial(_loss, mean=lambda losses, weights: (losses * weights).sum()),
            "You return the sum over the predicted tokens. It grows with their number; what was asked for "
            "does not.",
            "Two tokens that cost 1 each have the mean 1. Which sum counts the predicted tokens?",
        ),
        Mistake(
            "unweighted",
            functools.partial(_loss, mean=lambda losses, weights: losses.mean()),
            "You average over all places, also over those where nothing was hidden. Which argument says "
            "where the model is asked at all?",
            "A label of weight 0 is there only because an array needs a number at each place. Change it: "
            "the loss must stay the same, and yours does not.",
        ),
        Mistake(
            "mean_of_rows",
            functools.partial(_loss, mean=_mean_of_rows),
            "You average within each row first. A token in a row with few predictions then counts more "
            "than one in a row with many.",
            "With 1 and 6 predictions in two rows, the single one is a seventh of the mean; in yours it is "
            "a half. One sum over everything, one count over everything.",
        ),
        Mistake(
            "one_per_row",
            functools.partial(
                _loss, mean=lambda losses, weights: (losses * weights).sum(axis=-1) / weights.sum(axis=-1)
            ),
            "With one axis you are right. With two you return one loss per row; a single number is asked "
            "for.",
            "Both sums, of the losses and of the weights, run over all axes: every predicted token counts "
            "the same, whichever row it stands in.",
        ),
        Mistake(
            "no_minus",
            functools.partial(_loss, change=np.negative),
            "Your loss is negative. The logarithm of a probability is, too: what makes a loss of it?",
            "The better the model, the smaller the loss: with the probability 1 it is 0, with 1/2 log 2. "
            "Look at the sign in the formula.",
        ),
        Mistake(
            "no_logarithm",
            _losses(
                {"change": lambda losses: np.exp(-losses)},
                {"change": lambda losses: -np.exp(-losses)},
                {"change": lambda losses: 1 - np.exp(-losses)},
            ),
            "You average probabilities. What does cross-entropy take of the probability of the label?",
            "A label with the probability 1/2 costs log 2 = 0.693, one with 1/8 three times as much.",
        ),
        Mistake(
            "bits",
            functools.partial(_loss, change=lambda losses: losses / math.log(2)),
            "Your loss is 1.44 times too large, everywhere. To which base is your logarithm?",
            "1.44 is 1 / log 2: you count in bits. Nats come from the natural logarithm, and Keras reports "
            "them, too.",
        ),
        Mistake(
            "unshifted",
            _shifts(lambda logits: 0.0),
            "Small logits come out right; with some around 1000 the loss is no number. What is exp(1000)?",
            "The logits [1000, 999] must cost what [1, 0] costs, because only differences count. Take the "
            "largest logit off each row before you do anything else with it.",
        ),
        Mistake(
            "one_maximum",
            _shifts(
                lambda logits: logits.max(),
                lambda logits: logits.max(axis=0, keepdims=True),
            ),
            "The maximum that you take off before exp is not that of each place alone: it is one over "
            "several places, and those far below it end in log 0.",
            "One place may have logits around 1000 and another around -1000. exp(-2000) is 0, so each place "
            "needs a maximum of its own: along which axis, and with which shape?",
        ),
        Mistake(
            "clipped",
            _losses(*_clips()),
            "Where the label is far behind another token, your loss is too small: a probability is clipped, "
            "or a little is added to it, before the logarithm.",
            "A label with a logit 17 below the largest must cost 17, one 40 below it 40. With the largest "
            "logit taken off each place, is there still a 0 to be afraid of?",
        ),
        Mistake(
            "logits_weighted",
            _ways(_weighted_logits, {}, {"mean": lambda losses, weights: losses.mean()}),
            "You multiply the logits by the weights. What does a place cost whose logits are all 0?",
            "Equal logits are a guess among all tokens, and a guess among eight costs log 8. Which array "
            "must be multiplied by the weights, so that such a place adds nothing to the sum?",
        ),
        Mistake(
            "softmax_over_places",
            _losses({"axis": 0, "shift": lambda logits: logits.max(axis=0, keepdims=True)}, {"axis": 0}),
            "Your softmax runs over the wrong axis: the places share out the probability, not the tokens of "
            "the vocabulary.",
            "The logits of one place lie along the last axis. Their probabilities sum to 1.",
        ),
        Mistake(
            "fixed_axes",
            (_by_one_index, _by_two_indices, _by_two_indices_of_shape),
            "Labels with one number of axes are right, those with another are not. How do you fetch the "
            "logit of the label?",
            "Indices made of np.arange fit one shape only. np.take_along_axis(logits, labels[..., None], "
            "axis=-1) fits all.",
        ),
    ),
    hint="First make the losses of all places, as an array of the shape of `labels`. Then average those "
    "that count.",
    more="Take off each place its largest logit. The loss is then log of the sum of the exponentials less "
    "the logit of the label, which np.take_along_axis fetches along the last axis. Then one sum over "
    "another.",
    example=(np.array([[1, 0]]), np.array([[[0.0, 0.0], [1000.0, 1002.0]]]), np.array([[1.0, 1.0]])),
)


# Perplexity


def _perplexity_calls(rng):
    def losses(*counts, length):
        counts = np.array(counts)[:, None]
        weights = rng.permuted(np.arange(length) < counts, axis=1)
        return rng.uniform(0.2, 4.0, size=weights.shape), weights.astype("float64")

    # Rows that differ in the number of tokens and in how hard they are.
    hard, weights = losses(1, 5, 3, length=6)
    count = int(rng.integers(3, 30))
    return [
        (np.log([2.0, 8.0, float(count)]), np.array([1.0, 1.0, 0.0])),
        Call((np.full(4, math.log(count)), np.array([1.0, 0.0, 1.0, 1.0])), about="equal losses"),
        Call((hard + np.array([[1.5], [0.0], [0.7]]), weights), about="several rows"),
        Call(losses(8, length=8), about="a single row in which all counts"),
        Call(tuple(each.astype("float32") for each in losses(2, 7, length=7)), about="several rows"),
    ]


def _perplexity(losses, weights, mean=_weighted, power=np.exp):
    return power(mean(losses, weights))


def _rows(losses, weights):
    return (losses * weights).sum(axis=-1) / weights.sum(axis=-1)


_PERPLEXITY = Question(
    id="pretraining.perplexity",
    title="Perplexity",
    points=1,
    minutes=5,
    signature="perplexity(losses, weights)",
    calls=_perplexity_calls,
    reference=lambda losses, weights: pretraining.perplexity(losses, weights),
    rtol=1e-4,
    mistakes=(
        Mistake(
            "mean_of_exponentials",
            (
                lambda losses, weights: _weighted(np.exp(losses), weights),
                lambda losses, weights: np.exp(losses * weights).sum() / weights.sum(),
                lambda losses, weights: np.exp(losses * weights).mean(),
            ),
            "You take the exponential of each loss and average after that. The hardest tokens then decide "
            "nearly alone.",
            "Losses of log 2 and log 8 have the perplexity 4, the geometric mean; the mean of 2 and 8 is 5. "
            "In which order do you take the mean and the exponential?",
        ),
        Mistake(
            "unweighted",
            functools.partial(_perplexity, mean=lambda losses, weights: losses.mean()),
            "You let all losses count, also those with the weight 0. What are the weights for?",
            "Losses of log 2, log 8 and log 50 with the weights 1, 1, 0 have the perplexity 4, whatever the "
            "third is.",
        ),
        Mistake(
            "over_all_places",
            functools.partial(_perplexity, mean=lambda losses, weights: (losses * weights).mean()),
            "Your perplexity is too small: places without weight add nothing to the sum, but you divide by "
            "their number, too.",
            "Four equal losses of log 7, of which three count, have the perplexity 7. What must the sum of "
            "the three be divided by?",
        ),
        Mistake(
            "other_base",
            _ways(_perplexity, {"power": np.exp2}, {"power": lambda mean: 10.0**mean}),
            "The mean is right, but your power has another base than the losses, which are in nats. Which "
            "power undoes a natural logarithm?",
            "A loss of log 8 must give 8. 2 to the power of nats gives about 4.2, 10 to that power 120; "
            "right would be e.",
        ),
        Mistake(
            "no_exponential",
            functools.partial(_perplexity, power=lambda mean: mean),
            "You return the mean loss. What makes a number of tokens of it?",
            "The mean of log 2 and log 8 is log 4, about 1.39. The perplexity is 4.",
        ),
        Mistake(
            "inverse",
            functools.partial(_perplexity, power=lambda mean: np.exp(-mean)),
            "Yours lies between 0 and 1: the probability that an average token gets. Perplexity is its "
            "reciprocal.",
            "A loss of log 8 must give 8, yours gives 1/8. Is there a minus too many?",
        ),
        Mistake(
            "summed",
            functools.partial(_perplexity, mean=lambda losses, weights: (losses * weights).sum()),
            "Your number is huge, and it grows with the text: you take the exponential of the sum of the "
            "losses.",
            "The sum belongs to the probability of the whole text. Per token it is the mean: two losses of "
            "log 8 must give 8, not 64.",
        ),
        Mistake(
            "mean_of_rows",
            (
                lambda losses, weights: np.exp(_rows(losses, weights)).mean(),
                lambda losses, weights: np.exp(_rows(losses, weights).mean()),
            ),
            "With a single row it is right. With several you average per row first, and then over the rows; "
            "but each token counts the same, whichever row it is in.",
            "Take one mean loss over all tokens of all rows, then a single exponential.",
        ),
        Mistake(
            "one_per_row",
            lambda losses, weights: np.exp(_rows(losses, weights)),
            "With one axis it is right. With two you return a perplexity per row; a single number is asked "
            "for.",
            "Both sums, of the losses and of the weights, run over all tokens of all rows.",
        ),
        Mistake(
            "over_the_rows",
            functools.partial(
                _perplexity, mean=lambda losses, weights: (losses * weights).sum() / len(losses)
            ),
            "You divide the sum by the length of the first axis. How many losses are there in it?",
            "Of two rows with 2 and 7 tokens that count the mean is that of 9 losses. Which sum counts them?",
        ),
    ),
    hint="It is one weighted mean and one exponential. Losses of log 2 and log 8 make 4.",
    more="The sum of losses · weights over the sum of the weights, both over all axes, is the mean loss. Its "
    "exponential, to the base e, is the perplexity.",
    example=(np.array([[0.0, 2.0, 9.0], [1.0, 1.0, 1.0]]), np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])),
)


# Pairs for next-sentence prediction


def _pairs_calls(rng):
    def documents(lengths):
        """Documents of sentences of such lengths, in which no token occurs twice."""
        ids = iter(rng.permutation(5 + np.arange(sum(map(sum, lengths)))).tolist())
        return [[[next(ids) for _ in range(length)] for length in document] for document in lengths]

    def some(count):
        sizes = rng.integers(2, 6, size=count)
        cuts = np.array([rng.integers(1, size) for size in sizes])
        sources = np.where(np.arange(count) % 2, (np.arange(count) + 1) % count, np.arange(count))
        return documents([rng.integers(1, 6, size=size).tolist() for size in sizes]), cuts, sources

    one, other, alike = documents([[2, 1, 3], [1, 2, 2], [2, 2, 2]])
    alike = [*alike[:2], one[2]]
    return [
        (documents([[2, 1, 2], [1, 2], [2, 2, 1, 1]]), np.array([1, 1, 3]), np.array([0, 2, 1])),
        Call((documents([[2, 1], [1, 1, 3]]), np.array([1, 2]), np.array([1, 0])), about="no own ending"),
        Call(
            (documents([[1, 3, 1], [2, 2], [4, 1, 1]]), np.array([2, 1, 1]), np.array([0, 1, 2])),
            about="only own endings",
        ),
        some(6),
        some(9),
        Call(
            ([one, other, alike, other], np.array([2, 1, 2, 1]), np.array([2, 3, 1, 3])),
            about="documents that end alike",
        ),
    ]


def _flat(sentences):
    return [token for sentence in sentences for token in sentence]


def _beginning(documents, cuts, i, source):
    return documents[i][: cuts[i]]


def _ending(documents, cuts, i, source):
    return documents[source][cuts[source] :]


def _same(documents, cuts, i, source):
    return i == source


def _paired(first=_beginning, second=_ending, label=_same):
    """Pairs of which a function of documents, cuts, number and source gives each part."""

    def answer(documents, cuts, sources):
        numbers = list(enumerate(sources))
        return (
            [_flat(first(documents, cuts, i, source)) for i, source in numbers],
            [_flat(second(documents, cuts, i, source)) for i, source in numbers],
            np.array([label(documents, cuts, i, source) for i, source in numbers]).astype("int32"),
        )

    return answer


def _of_strangers(second):
    """The own ending, or what a function gives of another document."""

    def answer(documents, cuts, i, source):
        return (_ending if i == source else second)(documents, cuts, i, source)

    return answer


def _whole(documents, cuts, i, source):
    return documents[source]


def _sources_beginning(documents, cuts, i, source):
    return documents[source][: cuts[source]]


def _moved(first=0, second=0):
    return _paired(
        lambda documents, cuts, i, source: documents[i][: cuts[i] + first],
        lambda documents, cuts, i, source: documents[source][cuts[source] + second :],
    )


_PAIRS = Question(
    id="pretraining.next_sentence_pairs",
    title="Pairs, half of them wrong",
    points=2,
    minutes=15,
    signature="next_sentence_pairs(documents, cuts, sources)",
    calls=_pairs_calls,
    reference=lambda documents, cuts, sources: pretraining.next_sentence_pairs(documents, cuts, sources),
    returns=("ragged", "ragged", "array"),
    names=("first", "second", "is_next"),
    dtypes=(None, None, "int"),
    mistakes=(
        Mistake(
            "own_cut",
            _paired(second=lambda documents, cuts, i, source: documents[source][cuts[i] :]),
            "Pairs from one document are right. A stranger's ending begins at the wrong sentence: whose cut "
            "do you use?",
            "Document 1 with the source 2 takes the ending of document 2, and that begins at `cuts[2]`. "
            "With the cut of document 1 it may even be empty.",
        ),
        Mistake(
            "cut_of_the_source",
            _paired(first=lambda documents, cuts, i, source: documents[i][: cuts[source]]),
            "The second parts are right. The first ones end at the wrong sentence where the source is "
            "another document: whose cut do you use?",
            "The first part is always the beginning of document i, and that ends before `cuts[i]`, wherever "
            "the second comes from.",
        ),
        Mistake(
            "source_ignored",
            (
                _paired(second=lambda documents, cuts, i, source: documents[i][cuts[i] :]),
                _paired(
                    second=lambda documents, cuts, i, source: documents[i][cuts[i] :],
                    label=lambda documents, cuts, i, source: True,
                ),
            ),
            "The second part of yours is always the document's own ending. What are `sources` for?",
            "Pair i takes the ending of document `sources[i]`. In about half of the pairs that is a "
            "stranger, so that there is something to tell apart.",
        ),
        Mistake(
            "inverted",
            _paired(label=lambda documents, cuts, i, source: i != source),
            "The parts are right, but your labels are the other way round: 1 stands for strangers.",
            "`is_next` answers the question “does the second part follow the first?”. If the source of "
            "document 0 is 0, it does, and the label is 1.",
        ),
        Mistake(
            "label_by_text",
            (
                _paired(
                    label=lambda documents, cuts, i, source: (
                        _flat(_ending(documents, cuts, i, source)) == _flat(documents[i][cuts[i] :])
                    )
                ),
                _paired(label=lambda documents, cuts, i, source: documents[i] == documents[source]),
            ),
            "The parts are right, and nearly all labels. Yours compare texts: what if two documents have the "
            "same one?",
            "Many reviews end in the same sentence. The label asks for the *document* that the second part "
            "is from, and its number says that.",
        ),
        Mistake(
            "strangers_beginning",
            (_paired(second=_of_strangers(_sources_beginning)), _paired(second=_sources_beginning)),
            "Of a stranger you take the beginning. By what could a model tell such pairs without comparing "
            "the parts?",
            "A second part always begins at a cut and goes to the end of its document, whoever it is of: "
            "what stands on which side of the colon in your slice?",
        ),
        Mistake(
            "whole_stranger",
            (_paired(second=_of_strangers(_whole)), _paired(second=_whole)),
            "Of a stranger you take the whole document. By what could a model tell such pairs without "
            "reading them?",
            "Such parts are longer, and length alone would give the answer. Of every source only what stands "
            "behind its cut is taken.",
        ),
        Mistake(
            "one_sentence",
            (
                _paired(second=lambda documents, cuts, i, source: [documents[source][cuts[source]]]),
                _paired(first=lambda documents, cuts, i, source: [documents[i][cuts[i] - 1]]),
                _paired(first=lambda documents, cuts, i, source: [documents[i][0]]),
                _paired(
                    first=lambda documents, cuts, i, source: [documents[i][cuts[i] - 1]],
                    second=lambda documents, cuts, i, source: [documents[source][cuts[source]]],
                ),
                _paired(
                    first=lambda documents, cuts, i, source: [documents[i][0]],
                    second=lambda documents, cuts, i, source: [documents[source][cuts[source]]],
                ),
            ),
            "A part of yours is a single sentence. In spite of the name, the parts are as long as there is "
            "text.",
            "The cut is where a slice begins or ends: all sentences before it make the first part, the one "
            "with its number and all behind it the second, joined into one list of ids.",
        ),
        Mistake(
            "cut_elsewhere",
            (_moved(1, 0), _moved(0, 1), _moved(1, 1), _moved(-1, 0), _moved(0, -1)),
            "A part of yours begins or ends one sentence too early or too late. To which part does the "
            "sentence with the number of the cut belong?",
            "With the cut 1 the beginning is sentence 0 alone, and sentence 1 begins the ending. A slice "
            "[:n] ends before n, [n:] begins with it.",
        ),
        Mistake(
            "cut_in_tokens",
            _paired(
                first=lambda documents, cuts, i, source: [_flat(documents[i])[: cuts[i]]],
                second=lambda documents, cuts, i, source: [_flat(documents[source])[cuts[source] :]],
            ),
            "Your parts are divided after so many tokens. What does a cut count?",
            "`cuts[i]` is a number of sentences. Cut the list of sentences first, and join them after that.",
        ),
        Mistake(
            "exchanged",
            _paired(
                first=_sources_beginning,
                second=lambda documents, cuts, i, source: documents[i][cuts[i] :],
            ),
            "Beginning and ending have changed roles: you take the document's own ending, and the beginning "
            "of its source.",
            "Pair i begins with the beginning of document i, always. The source says whose ending follows.",
        ),
    ),
    hint="Write one function that joins sentences to a list of ids. The rest is two slices per document.",
    more="The first part of pair i joins documents[i][:cuts[i]]. The second joins a slice of another "
    "document, whose number is sources[i], from the cut of that document on. is_next compares two numbers.",
    example=([[[7], [8], [9, 5]], [[6, 4], [3]]], np.array([2, 1]), np.array([1, 1])),
)


# Packing a pair


def _pack_calls(rng):
    def case(first, second, length, ids=(2, 3), about=""):
        tokens = rng.permutation(np.arange(200, 400))[: first + second].tolist()
        return Call((tokens[:first], tokens[first:], *ids, length), about=about)

    short, long = (int(n) for n in rng.integers(2, 5, size=2))
    return [
        case(2, 3, 12, about="room to spare"),
        case(short, long, short + long + 3, ids=(101, 102), about="texts that just fit"),
        case(5, 5, 12, about="texts that must be cut"),
        case(9, 2 + short, 14, about="texts that must be cut"),
        case(short, 9, 14, about="texts that must be cut"),
        case(6, 8, 13, ids=(101, 102), about="texts that must be cut"),
        case(20 + short, 30 + long, 16, about="texts that must be cut"),
        case(4, 7, 5, about="texts that must be cut"),
    ]


def _kept(first, second, room):
    """How many tokens stay of two texts of such lengths."""
    keep = min(first, max(room // 2, room - second))
    return keep, min(second, room - keep)


def _if_too_long(kept):
    return lambda first, second, room: kept(first, second, room) if first + second > room else (first, second)


def _packed(
    first,
    second,
    start_id,
    end_id,
    length,
    kept=_kept,
    specials=3,
    ends=("tail", "head"),
    segments=lambda one, two: [0] * (one + 2) + [1] * (two + 1),
    build=lambda start, first, end, second: [start, *first, end, *second, end],
    finish=lambda ids, segments, length: (ids, segments),
):
    one, two = kept(len(first), len(second), length - specials)
    parts = {"tail": lambda text, n: text[len(text) - n :], "head": lambda text, n: text[:n]}
    first, second = parts[ends[0]](first, one), parts[ends[1]](second, two)
    return finish(build(start_id, first, end_id, second), segments(len(first), len(second)), length)


def _by_halves(first, second, room):
    return min(first, room // 2), min(second, room - room // 2)


def _by_halves_of_each(first, second, room):
    return min(first, room // 2), min(second, room // 2)


def _by_larger_halves(first, second, room):
    return min(first, room - room // 2), min(second, room // 2)


def _odd_to_first(first, second, room):
    return _kept(second, first, room)[::-1]


def _at_once(first, second, room, least=0):
    more = max(0, first + second - room)
    return (max(least, first - more), second) if first >= second else (first, max(least, second - more))


def _in_turns(first, second, room):
    turn = 0
    while first + second > room:
        if (turn == 0 and first) or not second:
            first -= 1
        else:
            second -= 1
        turn = 1 - turn
    return first, second


def _shorter_first(first, second, room, least=0, ties=True):
    while first + second > room:
        if (first < second + ties and first > least) or second <= least:
            first -= 1
        else:
            second -= 1
    return first, second


def _shorter_never_left(first, second, start_id, end_id, length, ties=True, least=0):
    """Drops from the shorter text, until an empty one raises; `least` is how many the first has to have."""
    first, second = list(first), list(second)
    while len(first) + len(second) + 3 > length:
        if len(first) < len(second) + ties and len(first) >= least:
            first.pop(0)
        else:
            second.pop()
    return _packed(first, second, start_id, end_id, length)


def _cut_at_end(ids, segments, length):
    return ids[:length], segments[:length]


def _end_kept(ids, segments, length):
    return ([*ids[: length - 1], ids[-1]] if len(ids) > length else ids), segments[:length]


def _padded(ids, segments, length):
    return ids + [0] * (length - len(ids)), segments + [0] * (length - len(segments))


def _everything(first, second, room):
    return first, second


_PACK = Question(
    id="pretraining.pack",
    title="Two texts in one sequence",
    points=3,
    minutes=20,
    signature="pack(first, second, start_id, end_id, length)",
    calls=_pack_calls,
    reference=lambda first, second, start_id, end_id, length: pretraining.pack(
        first, second, start_id, end_id, length
    ),
    returns=("array", "array"),
    names=("token_ids", "segment_ids"),
    mistakes=(
        Mistake(
            "no_middle_end",
            functools.partial(
                _packed,
                build=lambda start, first, end, second: [start, *first, *second, end],
                segments=lambda one, two: [0] * (one + 1) + [1] * (two + 1),
            ),
            "There is one [SEP] in your sequence; two are needed. What tells the model, besides the "
            "segments, where one text ends?",
            "The form is [CLS] first [SEP] second [SEP]. The [SEP] in the middle belongs to the first "
            "segment.",
        ),
        Mistake(
            "no_last_end",
            functools.partial(
                _packed,
                build=lambda start, first, end, second: [start, *first, end, *second],
                segments=lambda one, two: [0] * (one + 2) + [1] * two,
            ),
            "Your sequence ends with the second text. What closes a text?",
            "The form is [CLS] first [SEP] second [SEP]: three special tokens, two of them [SEP].",
        ),
        Mistake(
            "segments_of_specials",
            _ways(
                _packed,
                {"segments": lambda one, two: [0] * (one + 1) + [1] * (two + 2)},
                {"segments": lambda one, two: [0] * (one + 2) + [1] * two + [0]},
                {"segments": lambda one, two: [0] * one + [1] * two},
                {"segments": lambda one, two: [0] * (one + 1) + [1] * (two + 1)},
                {"segments": lambda one, two: [0] * (one + 2) + [1] * two},
            ),
            "The tokens are right. The segments are not: which do the special tokens have, and does each of "
            "them have one?",
            "[CLS], the first text and its [SEP] are segment 0; the second text and its [SEP] are "
            "segment 1. Count the zeros: the first text and two more.",
        ),
        Mistake(
            "cut_at_end",
            _ways(
                _packed,
                {"kept": _everything, "finish": _cut_at_end},
                {"kept": _everything, "finish": _end_kept},
            ),
            "What fits is right. What is too long you cut at the end of the finished sequence, and that "
            "costs only the second text, perhaps all of it.",
            "Shorten the two texts first, to `length` less the three special tokens. Put the special tokens "
            "around them after that.",
        ),
        Mistake(
            "not_cut",
            functools.partial(_packed, kept=_everything),
            "What fits is right. What is too long stays too long: where does `length` come in?",
            "The sequence has at most `length` tokens, the three special ones among them. Drop tokens of the "
            "texts until that holds.",
        ),
        Mistake(
            "head_of_first",
            functools.partial(_packed, ends=("head", "head")),
            "The lengths are right, but of the first text you keep the beginning. Which of its words tell "
            "most about what comes next?",
            "What stands next to the cut between the texts must stay: the last tokens of the first text, "
            "the first ones of the second.",
        ),
        Mistake(
            "tail_of_second",
            functools.partial(_packed, ends=("tail", "tail")),
            "The lengths are right, but of the second text you keep the end. Which of its tokens stand next "
            "to the first text?",
            "`second` loses its last token each time, so that its beginning stays. list.pop() takes the last "
            "one, pop(0) the first.",
        ),
        Mistake(
            "halves",
            _ways(
                _packed,
                *({"kept": kept} for kept in (_by_halves, _by_halves_of_each, _by_larger_halves)),
                *(
                    {"kept": _if_too_long(kept)}
                    for kept in (_by_halves, _by_halves_of_each, _by_larger_halves)
                ),
            ),
            "You give each text half of the room. If one is short, its places stay empty while the other is "
            "cut.",
            "With room for 9 and texts of 20 and 2 tokens, 7 of the first fit. A token is dropped only if "
            "there is no room for it, and then one of the longer text.",
        ),
        Mistake(
            "odd_to_first",
            functools.partial(_packed, kept=_odd_to_first),
            "Only where both texts are cut and the room is odd are you off by one: you give the odd place "
            "to the first text.",
            "When both texts are equally long, it is the first that loses a token. So with room for 9 and "
            "two texts of 5 tokens, 4 and 5 stay.",
        ),
        Mistake(
            "specials_forgotten",
            _ways(_packed, {"specials": 0}, {"specials": 1}, {"specials": 2}),
            "Where texts are cut, your sequences are longer than `length`. What else has to fit in?",
            "The form has three special tokens, and they count. How many are left for the texts?",
        ),
        Mistake(
            "one_too_few",
            functools.partial(_packed, specials=4),
            "Your sequences are at most `length` - 1 tokens long; texts that just fit lose one.",
            "With `length` 7 there is room for four tokens of the texts, and four may stay. Is it `>` or "
            "`>=` that ends your loop, and how many special tokens do you count?",
        ),
        Mistake(
            "only_one_cut",
            _ways(
                _packed,
                {"kept": lambda first, second, room: (max(0, min(first, room - second)), second)},
                {"kept": lambda first, second, room: (first, max(0, min(second, room - first)))},
            ),
            "You cut always the same text, however long the other is.",
            "Each token that must go is taken from the text that is longer at that moment, so with two long "
            "texts both end about equally long.",
        ),
        Mistake(
            "all_at_once",
            # Without a bound, a slice [:n] with n below 0 leaves some of the text.
            _ways(_packed, {"kept": _at_once}, {"kept": functools.partial(_at_once, least=-math.inf)}),
            "You compare the lengths once, and the longer text pays for everything. Soon it would be the "
            "shorter one.",
            "With room for 10 and texts of 6 and 8 tokens, four must go: two of the second, then one of "
            "each. Compare anew before each token.",
        ),
        Mistake(
            "in_turns",
            functools.partial(_packed, kept=_in_turns),
            "You drop one token of each text in turns, also where one is much shorter.",
            "With room for 4 and texts of 3 and 9 tokens, first the long one is cut to 3; only then do both "
            "lose tokens. Which is longer at that moment?",
        ),
        Mistake(
            "shorter_loses",
            (
                *(
                    functools.partial(_packed, kept=functools.partial(_shorter_first, least=least, ties=ties))
                    for least in (0, 1)
                    for ties in (True, False)
                ),
                *_ways(
                    _shorter_never_left,
                    *({"ties": ties, "least": least} for ties in (True, False) for least in (0, 2)),
                ),
            ),
            "You drop tokens of the shorter text, until nothing of it is left, or hardly anything. Which way "
            "round is your comparison?",
            "The longer text loses a token, and the first one if both are equally long.",
        ),
        Mistake(
            "padded",
            functools.partial(_packed, finish=_padded),
            "You fill the sequence up to `length`. `length` is only the most that it may have.",
            "Padding is made later, when sequences are put into a batch. Here the result ends with the "
            "second [SEP].",
        ),
    ),
    hint="Drop token by token in a loop, as the rule says, until both texts and three special tokens fit. "
    "Only then put the sequence together.",
    more="While the two texts have more than `length` - 3 tokens together, drop one: the first of `first` if "
    "it is at least as long as `second`, else the last of `second`. Then [CLS], first, [SEP], second, [SEP]; "
    "the segments follow from the two lengths.",
    example=([5, 6, 7, 8], [11, 12, 13], 2, 3, 8),
)


# The causal shift


def _shift_calls(rng):
    def batch(*counts, length, pad_id=0):
        token_ids = rng.integers(5, 100, size=(len(counts), length))
        return np.where(np.arange(length) < np.array(counts)[:, None], token_ids, pad_id)

    zeros = batch(3, 5, 6, length=6, pad_id=1)
    zeros[1:, 2] = 0
    other = "another padding than 0"
    return [
        (batch(6, 4, length=6),),
        Call((zeros, 1), about=other),
        Call((batch(2, 1, length=2).astype("int32"),), about="texts of two places"),
        (batch(*(int(n) for n in rng.integers(2, 10, size=4)), length=10),),
        Call((batch(4, 7, 7, length=7, pad_id=3), 3), about=other),
    ]


def _columns(start, stop):
    return lambda token_ids: token_ids[:, start:stop]


_early, _late, _all = _columns(None, -1), _columns(1, None), _columns(None, None)


def _shifted(token_ids, pad_id=0, read=_early, said=_late, weighed=None, weight=np.not_equal):
    """Inputs, labels and weights by the columns that are read, said and weighed."""
    inputs, labels = read(token_ids), said(token_ids)
    weights = weight(labels if weighed is None else weighed(token_ids), pad_id)
    return inputs, labels, weights.astype("float32")


def _rolled(token_ids):
    return np.roll(token_ids, -1, axis=1)


def _filled(token_ids, pad_id=0):
    labels = np.pad(token_ids[:, 1:], ((0, 0), (0, 1)), constant_values=pad_id)
    return token_ids, labels, (labels != pad_id).astype("float32")


def _ignored(number):
    def answer(token_ids, pad_id=0):
        inputs, labels, weights = _shifted(token_ids, pad_id)
        return inputs, np.where(weights == 0, number, labels), weights

    return answer


_SHIFT = Question(
    id="pretraining.causal_shift",
    title="At each place the next token",
    points=1,
    minutes=10,
    signature="causal_shift(token_ids, pad_id=0)",
    calls=_shift_calls,
    reference=lambda token_ids, pad_id=0: pretraining.causal_shift(token_ids, pad_id),
    returns=("array", "array", "array"),
    names=("inputs", "labels", "weights"),
    mistakes=(
        Mistake(
            "unshifted",
            _ways(_shifted, {"said": _early}, {"said": _early, "weighed": _late}, {"read": _late}),
            "Your labels are the inputs: the model is asked for a token that it reads at the same place.",
            "A causal mask hides what is later, not the place itself. At place 0 the model reads token 0 "
            "and has to say token 1.",
        ),
        Mistake(
            "backwards",
            _ways(
                _shifted, {"read": _late, "said": _early}, {"read": _late, "said": _early, "weighed": _late}
            ),
            "Your model reads each token and has to say the one before it, which a causal model has already "
            "seen.",
            "Of [5, 6, 7] the model reads [5, 6] and says [6, 7]. Which of the two loses its first column, "
            "and which its last?",
        ),
        Mistake(
            "weights_of_inputs",
            functools.partial(_shifted, weighed=_early),
            "Inputs and labels are right. After the last token of a short text you still ask for one more: "
            "the padding.",
            "A place counts if there is something to say, not if there is something to read. Compare the "
            "labels with `pad_id`.",
        ),
        Mistake(
            "weights_uncut",
            functools.partial(_shifted, weighed=_all),
            "Inputs and labels are right. Your weights have a column too many: of which array are they made?",
            "There is one weight for each label. Compare the labels with `pad_id`, not all tokens.",
        ),
        Mistake(
            "weights_inverted",
            _ways(_shifted, {"weight": np.equal}, {"weight": np.equal, "weighed": _early}),
            "Inputs and labels are right. Your weights are 1 at padding and 0 at tokens.",
            "Where the label is `pad_id`, there is nothing to learn, so the weight is 0. Which comparison is "
            "true at tokens?",
        ),
        Mistake(
            "all_counted",
            functools.partial(_shifted, weight=lambda labels, pad_id: np.ones_like(labels)),
            "Inputs and labels are right, but all weights are 1. The model would mostly learn to say [PAD].",
            "In a batch of short and long texts much is padding. Where the label is `pad_id`, the weight "
            "is 0.",
        ),
        Mistake(
            "zero_for_padding",
            functools.partial(_shifted, weight=lambda labels, pad_id: labels != 0),
            "With `pad_id` 0 all is right. With another you still compare with 0, which may be a token of "
            "the text.",
            "The second argument says which id is padding; RoBERTa's is 1, for example. Where is the 0 "
            "written in your code?",
        ),
        Mistake(
            "labels_replaced",
            tuple(_ignored(number) for number in (-100, -1)),
            "Inputs and weights are right. At padding your labels have another number than the token that "
            "stands there.",
            "Some libraries mark with -100 what does not count. Here the weights do that, and the labels are "
            "the tokens as they follow.",
        ),
        Mistake(
            "column_too_many",
            (functools.partial(_shifted, read=_all, said=_rolled), _filled),
            "Your arrays have a column too many. What does the model have to say after the last token?",
            "np.roll brings the first token in again at the other end, and a filled-up column says nothing, "
            "either. All three arrays have one column less: take slices.",
        ),
        Mistake(
            "inputs_uncut",
            functools.partial(_shifted, read=_all),
            "Labels and weights are right. Your inputs have a column too many: which token is read, but has "
            "none after it?",
            "Nothing follows the last column, so the model need not read it. Inputs, labels and weights have "
            "the same shape.",
        ),
        Mistake(
            "rows_shifted",
            functools.partial(
                _shifted, read=lambda token_ids: token_ids[:-1], said=lambda token_ids: token_ids[1:]
            ),
            "You shift the rows: the label of a token is that of the next text. Along which axis does a text "
            "run?",
            "token_ids[1:] drops the first text. The columns are the second axis: what must stand before the "
            "comma?",
        ),
    ),
    hint="Two slices along the second axis, and a comparison for the weights. Try a row of three tokens.",
    more="Inputs are all columns but the last, labels all but the first. The weights are 1.0 where the "
    "labels are not `pad_id`.",
    example=(np.array([[5, 0, 7, 1], [8, 9, 1, 1]]), 1),
)


QUESTIONS = (_CHOOSE, _WORDS, _CORRUPT, _LOSS, _PERPLEXITY, _PAIRS, _PACK, _SHIFT)
