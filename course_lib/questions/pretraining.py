"""Questions of lesson 04: what is masked, and how; loss, perplexity; pairs of texts; the causal shift."""

import functools
import math

import numpy as np

from course_lib.questions import Lesson, Mistake, Question

pretraining = Lesson("pretraining")

# Mistakes are plain NumPy, and quiet: a warning of theirs would appear in the learner's notebook.


def _quiet(function):
    return np.errstate(all="ignore")(function)


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
    def case(counts, length, *rate):
        return _distinct(rng, len(counts), length), _candidates(rng, counts, length), *rate

    counts = [int(n) for n in rng.choice([4, 6, 7, 11, 13, 17, 19, 22, 26, 33], size=4, replace=False)]
    few, candidates = case((14, 25), 32)
    low = _distinct(rng, 2, 12) / 10
    apart, words = case((18, 13), 24)
    return [
        case((8,), 12),
        case((12, 3, 8), 20),
        (np.where(candidates, 0.5 + few / 2, few / 4), candidates),
        (low, _candidates(rng, (5, 9), 12)),
        ((0.4 * apart + [[0.0], [0.5]]).astype("float32"), words),
        case((7, 2, 4, 1), 12, 0.4),
        case(counts, 40, 0.15),
    ]


def _lowest(scores, allowed, count):
    ranks = np.argsort(np.argsort(np.where(allowed, scores, np.inf), axis=-1), axis=-1)
    return ranks < count


def _share(places, rate, rounded=np.round, least=1):
    return np.maximum(least, rounded(rate * places.sum(axis=-1, keepdims=True)))


def _chosen(scores, candidates, rate=0.15, **kwargs):
    return candidates & _lowest(scores, candidates, _share(candidates, rate, **kwargs))


def _whole_row(scores, candidates, rate=0.15):
    count = _share(np.ones_like(candidates), rate)
    return candidates & _lowest(scores, candidates, count)


def _any_token(scores, candidates, rate=0.15):
    return _lowest(scores, np.ones_like(candidates), _share(candidates, rate))


def _one_argsort(scores, candidates, rate=0.15):
    order = np.argsort(np.where(candidates, scores, np.inf), axis=-1)
    return candidates & (order < _share(candidates, rate))


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
            lambda scores, candidates, rate=0.15: candidates & (scores < rate),
            "You toss a coin for each token: on average the share is right, but some rows get too many and "
            "some none at all. How many does each row have to get?",
            "Where all scores of a row lie above 0.15 you choose nothing, and that text teaches nothing. "
            "First fix the number of tokens of a row, then take as many with the lowest scores, whatever "
            "the scores are.",
        ),
        Mistake(
            "whole_row",
            _whole_row,
            "You choose candidates only, but too many in some rows. Which tokens do you count before you "
            "take the share of them?",
            "A row of 20 with 8 candidates gets the share of 8, not of 20. Otherwise a short text in a wide "
            "batch loses far more of its words than a long one.",
        ),
        Mistake(
            "any_token",
            _any_token,
            "The number per row is right, but some of what you choose is padding or a special token. What "
            "do the scores at these places do in your sorting?",
            "Nothing can be learned from guessing [PAD]. Before you sort, give the places where "
            "`candidates` is False a score with which they never come first.",
        ),
        Mistake(
            "one_argsort",
            _one_argsort,
            "You compare what argsort returns with the number to choose. What does its first entry say: the "
            "rank of the first token, or the place of the lowest score?",
            "argsort lists places in the order of their scores. The rank of each token is the argsort of "
            "that list; or set the first entries of the list, as places, to True.",
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
            "no_minimum",
            functools.partial(_chosen, least=0),
            "Short rows get nothing to predict: for 3 candidates the share is 0.45 tokens, which you round "
            "to 0.",
            "A text without a prediction is read in vain. After rounding, which function keeps a number "
            "from falling below 1?",
        ),
    ),
    hint="Two numbers decide: how many tokens a row gets, and each candidate's rank among the candidates of "
    "its row. The argsort of an argsort gives ranks.",
)


# Whole words


def _words_calls(rng):
    # In the word of three pieces, the score of the middle one is the lowest and the last one's the highest.
    first = _distinct(rng, 1, 7)
    first[0, 1:4] = np.sort(first[0, 1:4])[[1, 0, 2]]
    split = rng.random((3, 9)) < 0.4
    split[:, 0] = False
    return [
        (first, np.array([[0, 0, 1, 1, 0, 1, 0]], dtype=bool)),
        (_distinct(rng, 2, 5), np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0]], dtype=bool)),
        (_distinct(rng, 2, 4), np.zeros((2, 4), dtype=bool)),
        (_distinct(rng, 2, 6), np.array([[0, 1, 1, 1, 1, 1], [0, 0, 1, 0, 1, 0]], dtype=bool)),
        (_distinct(rng, 3, 9).astype("float32"), split),
    ]


def _first_pieces(continues):
    """For each piece the place where its word begins."""
    places = np.arange(continues.shape[1])
    return np.maximum.accumulate(np.where(continues, 0, places), axis=1)


def _own_score(scores, continues):
    return np.take_along_axis(scores, _first_pieces(continues), axis=1)


def _of_pieces(function):
    """Gives each word what a function makes of the scores of its pieces."""

    def answer(scores, continues):
        rows = zip(scores, _first_pieces(continues), strict=True)
        return np.array([[function(row[first == each]) for each in first] for row, first in rows])

    return answer


def _counted_from_one(scores, continues):
    return np.take_along_axis(scores, np.cumsum(~continues, axis=1), axis=1)


def _counted_on(scores, continues):
    return scores.ravel()[np.cumsum(~continues) - 1].reshape(scores.shape)


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
            _own_score,
            "All pieces of a word agree, as they should. But behind the first split word your words have "
            "other scores than was asked for: those that stand above their first pieces.",
            "Any rule that gives each word one score would do for masking; so that there is one right "
            "answer, the k-th word of a row takes the k-th score of the row. Count the words, not the "
            "pieces.",
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
            "mean_piece",
            _of_pieces(np.mean),
            "A word of yours gets the mean score of its pieces. How often is a mean of three below 0.15, "
            "and how often a single score?",
            "Means crowd around 0.5, so words of many pieces would hardly ever be chosen. Each word must "
            "have exactly one draw: the k-th word the k-th score.",
        ),
        Mistake(
            "counted_from_one",
            _counted_from_one,
            "Your words take the score of the word after them, and where nothing is split the last one "
            "finds none. From which number do you count?",
            "A running sum over the beginnings of words is 1 at the first word, and the first score has "
            "the index 0.",
        ),
        Mistake(
            "counted_on",
            _counted_on,
            "The first row is right. In the second you go on counting where the first has stopped.",
            "Each text begins again with its own first score. np.cumsum without an axis runs through the "
            "whole array.",
        ),
    ),
    hint="Where does a word begin? A running count of the beginnings tells each piece which word it is of; "
    "np.take_along_axis fetches that word's score.",
)


# What stands in their place


def _corrupt_calls(rng):
    def case(*shape, mask_id=4):
        # All kinds of draws, each at chosen and at other places; no draw lies near a border.
        size, order = math.prod(shape), rng.permutation(math.prod(shape))
        low, high = np.array([[0.0, 0.1], [0.1, 0.8], [0.8, 0.9], [0.9, 1.0]])[np.arange(size) % 4].T
        draws = low + (high - low) * rng.uniform(0.05, 0.95, size=size)
        chosen = np.arange(size) // 4 % 2 == 0
        token_ids, random_ids = rng.integers(200, 300, size=size), rng.integers(300, 400, size=size)
        arrays = token_ids, chosen[order], draws[order], random_ids
        return *(each.reshape(shape) for each in arrays), mask_id

    token_ids, _, draws, random_ids, mask_id = case(2, 6)
    everything = np.ones((2, 6), dtype=bool)
    return [
        case(1, 8),
        case(8),
        (token_ids, ~everything, draws, random_ids, mask_id),
        (token_ids, everything, draws.astype("float32"), random_ids, 103),
        case(2, 3, 4),
        case(5, 40, mask_id=103),
    ]


def _replaced(token_ids, chosen, draws, random_ids, mask_id, masked=0.8, drawn=0.9, everywhere=False):
    new = np.where(draws < masked, mask_id, np.where(draws < drawn, random_ids, token_ids))
    return new if everywhere else np.where(chosen, new, token_ids)


def _random_first(token_ids, chosen, draws, random_ids, mask_id):
    new = np.where(draws < 0.1, random_ids, np.where(draws < 0.9, mask_id, token_ids))
    return np.where(chosen, new, token_ids)


def _overwritten(token_ids, chosen, draws, random_ids, mask_id):
    return np.where(chosen & (draws < 0.9), random_ids, token_ids)


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
    mistakes=(
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
            "everywhere",
            functools.partial(_replaced, everywhere=True),
            "You replace tokens that were not chosen, too: in the end hardly a true token is left to guess "
            "from.",
            "The draws only say what happens to a chosen token. Where `chosen` is False, `token_ids` is "
            "returned as it is, whatever the draw is.",
        ),
        Mistake(
            "random_first",
            _random_first,
            "The shares are right, but not their order: you give the lowest tenth of the draws to the "
            "random tokens.",
            "A draw of 0.05 means [MASK], one of 0.85 the random token. The borders are 0.8 and 0.9, not "
            "0.1 and 0.9.",
        ),
        Mistake(
            "overwritten",
            _overwritten,
            "There is no [MASK] in your result: nine tenths of the chosen tokens are random. What does your "
            "second replacement do to the places of the first?",
            "A draw below 0.8 is below 0.9, too, so a second step with `draws < 0.9` overwrites each "
            "[MASK]. Do it in the other order, or give the second step a lower bound.",
        ),
    ),
    hint="One np.where inside another decides by the draw; a last one brings back what was not chosen.",
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
    return [
        (rng.integers(3, size=4), near(4, 3), np.array([1.0, 0.0, 1.0, 0.0])),
        (rng.integers(5, size=(2, 6)), near(2, 6, 5).astype("float32"), weights(5, 2, length=6)),
        (rng.integers(3, size=4), large, np.array([1.0, 1.0, 1.0, 0.0])),
        (rng.integers(4, size=(3, 7)), 3 * rng.normal(size=(3, 7, 4)), weights(1, 6, 3, length=7) * 1.0),
        (rng.integers(2, size=(1, 3)), near(1, 3, 2).astype("float32"), np.ones((1, 3), "float32")),
    ]


def _entropies(labels, logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    right = np.take_along_axis(shifted, labels[..., None], axis=-1)[..., 0]
    return np.log(np.exp(shifted).sum(axis=-1)) - right


def _loss(labels, logits, weights):
    return (_entropies(labels, logits) * weights).sum() / weights.sum()


@_quiet
def _unshifted(labels, logits, weights):
    exponentials = np.exp(logits)
    probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
    losses = -np.log(np.take_along_axis(probabilities, labels[..., None], axis=-1)[..., 0])
    return (losses * weights).sum() / weights.sum()


def _mean_of_rows(labels, logits, weights):
    return ((_entropies(labels, logits) * weights).sum(axis=-1) / weights.sum(axis=-1)).mean()


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
            lambda labels, logits, weights: (_entropies(labels, logits) * weights).mean(),
            "Your loss is too small: places without weight add nothing, but you still divide by their "
            "number.",
            "With one of four places predicted your loss is a quarter of what it should be, and a batch "
            "with more padding seems to do better. How many losses are there in your sum?",
        ),
        Mistake(
            "summed",
            lambda labels, logits, weights: (_entropies(labels, logits) * weights).sum(),
            "You return the sum over the predicted tokens. It grows with their number; what was asked for "
            "does not.",
            "Two tokens that cost 1 each have the mean 1. Which sum counts the predicted tokens?",
        ),
        Mistake(
            "unweighted",
            lambda labels, logits, weights: _entropies(labels, logits).mean(),
            "You average over all places, also over those where nothing was hidden. Which argument says "
            "where the model is asked at all?",
            "A label of weight 0 is there only because an array needs a number at each place. Change it: "
            "the loss must stay the same, and yours does not.",
        ),
        Mistake(
            "mean_of_rows",
            _mean_of_rows,
            "You average within each row first. A token in a row with few predictions then counts more "
            "than one in a row with many.",
            "With 1 and 6 predictions in two rows, the single one is a seventh of the mean; in yours it is "
            "a half. One sum over everything, one count over everything.",
        ),
        Mistake(
            "bits",
            lambda labels, logits, weights: _loss(labels, logits, weights) / math.log(2),
            "Your loss is 1.44 times too large, everywhere. To which base is your logarithm?",
            "1.44 is 1 / log 2: you count in bits. Nats come from the natural logarithm, and Keras reports "
            "them, too.",
        ),
        Mistake(
            "unshifted",
            _unshifted,
            "Small logits come out right; with some around 1000 and -1000 the loss is NaN. What is "
            "exp(1000)?",
            "The logits [1000, 999] must cost what [1, 0] costs, because only differences count. Take the "
            "largest logit off each row before you do anything else with it.",
        ),
    ),
    hint="First make the losses of all places, as an array of the shape of `labels`. Then average those "
    "that count.",
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
        (np.full(4, math.log(count)), np.array([1.0, 0.0, 1.0, 1.0])),
        (hard + np.array([[1.5], [0.0], [0.7]]), weights),
        losses(8, length=8),
        tuple(each.astype("float32") for each in losses(2, 7, length=7)),
    ]


def _mean(values, weights):
    return (values * weights).sum() / weights.sum()


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
            lambda losses, weights: _mean(np.exp(losses), weights),
            "You take the mean of the exponentials. Where all losses are equal it makes no difference; "
            "elsewhere the hardest tokens decide nearly alone.",
            "Losses of log 2 and log 8 have the perplexity 4, the geometric mean; yours is 5. In which "
            "order do you take the mean and the exponential?",
        ),
        Mistake(
            "unweighted",
            lambda losses, weights: np.exp(np.mean(losses)),
            "You let all losses count, also those with the weight 0. What are the weights for?",
            "Losses of log 2, log 8 and log 50 with the weights 1, 1, 0 have the perplexity 4, whatever the "
            "third is.",
        ),
        Mistake(
            "over_all_places",
            lambda losses, weights: np.exp(np.mean(losses * weights)),
            "Your perplexity is too small: places without weight add nothing to the sum, but you divide by "
            "their number, too.",
            "Four equal losses of log 7, of which three count, have the perplexity 7. What must the sum of "
            "the three be divided by?",
        ),
        Mistake(
            "bits",
            lambda losses, weights: 2 ** _mean(losses, weights),
            "Your base is 2, but the losses are in nats. Which power undoes a natural logarithm?",
            "A loss of log 8 must give 8. You get about 4.2: right would be 2 to the power of bits, or e "
            "to the power of nats.",
        ),
        Mistake(
            "summed",
            lambda losses, weights: np.exp((losses * weights).sum()),
            "Your number is huge, and it grows with the text: you take the exponential of the sum of the "
            "losses.",
            "The sum belongs to the probability of the whole text. Per token it is the mean: two losses of "
            "log 8 must give 8, not 64.",
        ),
        Mistake(
            "mean_of_rows",
            lambda losses, weights: np.exp((losses * weights).sum(axis=-1) / weights.sum(axis=-1)).mean(),
            "With a single row it is right. With several you take the mean of the perplexities of the rows, "
            "but each token counts the same, whichever row it is in.",
            "Take one mean loss over all tokens of all rows, then a single exponential.",
        ),
    ),
    hint="It is one weighted mean and one exponential. Losses of log 2 and log 8 make 4.",
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

    return [
        (documents([[2, 1, 2], [1, 2], [2, 2, 1, 1]]), np.array([1, 1, 3]), np.array([0, 2, 1])),
        (documents([[2, 1], [1, 1, 3]]), np.array([1, 2]), np.array([1, 0])),
        (documents([[1, 3, 1], [2, 2], [4, 1, 1]]), np.array([2, 1, 1]), np.array([0, 1, 2])),
        some(6),
        some(9),
    ]


def _flat(sentences):
    return [token for sentence in sentences for token in sentence]


def _paired(second, first=lambda documents, cuts, i, source: documents[i][: cuts[i]], inverted=False):
    """Pairs of which a function of documents, cuts, number and source gives each part."""

    def answer(documents, cuts, sources):
        numbers = list(enumerate(sources))
        return (
            [_flat(first(documents, cuts, i, source)) for i, source in numbers],
            [_flat(second(documents, cuts, i, source)) for i, source in numbers],
            np.array([(i == source) != inverted for i, source in numbers]).astype("int32"),
        )

    return answer


def _ending(documents, cuts, i, source):
    return documents[source][cuts[source] :]


def _ending_or_all(documents, cuts, i, source):
    return documents[i][cuts[i] :] if i == source else documents[source]


def _ending_or_beginning(documents, cuts, i, source):
    return documents[i][cuts[i] :] if i == source else documents[source][: cuts[source]]


_PAIRS = Question(
    id="pretraining.next_sentence_pairs",
    title="Pairs, half of them wrong",
    points=2,
    minutes=15,
    signature="next_sentence_pairs(documents, cuts, sources)",
    calls=_pairs_calls,
    reference=lambda documents, cuts, sources: pretraining.next_sentence_pairs(documents, cuts, sources),
    returns=("ragged", "ragged", "array"),
    mistakes=(
        Mistake(
            "own_cut",
            _paired(lambda documents, cuts, i, source: documents[source][cuts[i] :]),
            "Pairs from one document are right. A stranger's ending begins at the wrong sentence: whose cut "
            "do you use?",
            "Document 1 with the source 2 takes the ending of document 2, and that begins at `cuts[2]`. "
            "With the cut of document 1 it may even be empty.",
        ),
        Mistake(
            "inverted",
            _paired(_ending, inverted=True),
            "The parts are right, but your labels are the other way round: 1 stands for strangers.",
            "`is_next` answers the question “does the second part follow the first?”. If the source of "
            "document 0 is 0, it does, and the label is 1.",
        ),
        Mistake(
            "strangers_beginning",
            _paired(_ending_or_beginning),
            "Pairs from one document are right. Of a stranger you take the beginning. By what could a model "
            "tell such pairs without comparing the parts?",
            "If only wrong pairs had a beginning as second part, its first words would give them away. "
            "Both kinds of pairs must end with an ending.",
        ),
        Mistake(
            "whole_stranger",
            _paired(_ending_or_all),
            "Pairs from one document are right. Of a stranger you take the whole document. By what could a "
            "model tell such pairs without reading them?",
            "Wrong pairs would have longer second parts, and length alone would give the answer. A "
            "stranger, too, gives only what stands behind its cut.",
        ),
        Mistake(
            "one_sentence",
            _paired(lambda documents, cuts, i, source: [documents[source][cuts[source]]]),
            "Your second part stops after one sentence. In spite of the name, the parts are as long as "
            "there is text.",
            "The cut is where a slice begins: the sentence with that number and all after it belong to the "
            "second part, joined into one list of ids.",
        ),
        Mistake(
            "exchanged",
            _paired(
                lambda documents, cuts, i, source: documents[i][cuts[i] :],
                first=lambda documents, cuts, i, source: documents[source][: cuts[source]],
            ),
            "Beginning and ending have changed roles: you take the document's own ending, and the beginning "
            "of its source.",
            "Pair i begins with the beginning of document i, always. The source says whose ending follows.",
        ),
    ),
    hint="Write one function that joins sentences to a list of ids. The rest is two slices per document.",
)


# Packing a pair


def _pack_calls(rng):
    def case(first, second, length, ids=(2, 3)):
        tokens = rng.permutation(np.arange(200, 400))[: first + second].tolist()
        return tokens[:first], tokens[first:], *ids, length

    short, long = (int(n) for n in rng.integers(2, 5, size=2))
    return [
        case(2, 3, 12),
        case(short, long, short + long + 3, ids=(101, 102)),
        case(5, 5, 12),
        case(9, 2 + short, 14),
        case(short, 9, 14),
        case(6, 8, 13, ids=(101, 102)),
        case(20 + short, 30 + long, 16),
        case(4, 7, 5),
    ]


def _kept(first, second, room):
    keep = min(len(first), max(room // 2, room - len(second)))
    return keep, min(len(second), room - keep)


def _packed(first, second, start_id, end_id, length, kept=_kept, head=False):
    one, two = kept(first, second, length - 3)
    first, second = first[:one] if head else first[len(first) - one :], second[:two]
    return [start_id, *first, end_id, *second, end_id], [0] * (one + 2) + [1] * (two + 1)


def _halves(first, second, room):
    return min(len(first), room // 2), min(len(second), room - room // 2)


def _odd_to_first(first, second, room):
    return _kept(second, first, room)[::-1]


def _no_middle_end(first, second, start_id, end_id, length):
    one, two = _kept(first, second, length - 3)
    return [start_id, *first[len(first) - one :], *second[:two], end_id], [0] * (one + 1) + [1] * (two + 1)


def _middle_end_in_second(*arguments):
    token_ids, segment_ids = _packed(*arguments)
    ones = sum(segment_ids) + 1
    return token_ids, [0] * (len(token_ids) - ones) + [1] * ones


def _cut_at_end(first, second, start_id, end_id, length):
    token_ids = [start_id, *first, end_id, *second, end_id]
    segment_ids = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    return token_ids[:length], segment_ids[:length]


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
    mistakes=(
        Mistake(
            "no_middle_end",
            _no_middle_end,
            "There is one [SEP] in your sequence; two are needed. What tells the model, besides the "
            "segments, where one text ends?",
            "The form is [CLS] first [SEP] second [SEP]. The [SEP] in the middle belongs to the first "
            "segment.",
        ),
        Mistake(
            "middle_end_in_second",
            _middle_end_in_second,
            "The tokens are right. The [SEP] in the middle has the segment 1 in yours: which text does it "
            "end?",
            "[CLS], the first text and its [SEP] are segment 0; the second text and its [SEP] are "
            "segment 1. Count the zeros: the first text and two more.",
        ),
        Mistake(
            "cut_at_end",
            _cut_at_end,
            "What fits is right. What is too long you cut at the end of the finished sequence, and the last "
            "[SEP] goes with it, perhaps the whole second text.",
            "Shorten the two texts first, to `length` less the three special tokens. Put the special tokens "
            "around them after that.",
        ),
        Mistake(
            "head_of_first",
            functools.partial(_packed, head=True),
            "The lengths are right, but of the first text you keep the beginning. Which of its words tell "
            "most about what comes next?",
            "What stands next to the cut between the texts must stay: the last tokens of the first text, "
            "the first ones of the second.",
        ),
        Mistake(
            "halves",
            functools.partial(_packed, kept=_halves),
            "You always give each text half of the room. If one is short, its places stay empty while the "
            "other is cut.",
            "With room for 9 and texts of 20 and 2 tokens, 7 of the first fit; you keep 4. A token is "
            "dropped only if there is no room for it, and then one of the longer text.",
        ),
        Mistake(
            "odd_to_first",
            functools.partial(_packed, kept=_odd_to_first),
            "Only where both texts are cut and the room is odd are you off by one: you give the odd place "
            "to the first text.",
            "When both texts are equally long, it is the first that loses a token. So with room for 9 and "
            "two texts of 5 tokens, 4 and 5 stay.",
        ),
    ),
    hint="Drop token by token in a loop, as the rule says, until both texts and three special tokens fit. "
    "Only then put the sequence together.",
)


# The causal shift


def _shift_calls(rng):
    def batch(*counts, length, pad_id=0):
        token_ids = rng.integers(5, 100, size=(len(counts), length))
        return np.where(np.arange(length) < np.array(counts)[:, None], token_ids, pad_id)

    zeros = batch(3, 5, 6, length=6, pad_id=1)
    zeros[1:, 2] = 0
    return [
        (batch(6, 4, length=6),),
        (zeros, 1),
        (batch(2, 1, length=2).astype("int32"),),
        (batch(*(int(n) for n in rng.integers(2, 10, size=4)), length=10),),
        (batch(4, 7, 7, length=7, pad_id=3), 3),
    ]


def _shifted(token_ids, pad_id=0, read=slice(None, -1), said=slice(1, None), weighed=None):
    """Inputs, labels and weights by the columns that are read, said and weighed."""
    inputs, labels = token_ids[:, read], token_ids[:, said]
    weighed = labels if weighed is None else token_ids[:, weighed]
    return inputs, labels, (weighed != pad_id).astype("float32")


def _all_counted(token_ids, pad_id=0):
    inputs, labels, weights = _shifted(token_ids)
    return inputs, labels, np.ones_like(weights)


def _rolled(token_ids, pad_id=0):
    labels = np.roll(token_ids, -1, axis=1)
    return token_ids, labels, (labels != pad_id).astype("float32")


_SHIFT = Question(
    id="pretraining.causal_shift",
    title="At each place the next token",
    points=1,
    minutes=10,
    signature="causal_shift(token_ids, pad_id=0)",
    calls=_shift_calls,
    reference=lambda token_ids, pad_id=0: pretraining.causal_shift(token_ids, pad_id),
    returns=("array", "array", "array"),
    mistakes=(
        Mistake(
            "unshifted",
            functools.partial(_shifted, said=slice(None, -1)),
            "Your labels are the inputs: the model is asked for a token that it reads at the same place.",
            "A causal mask hides what is later, not the place itself. At place 0 the model reads token 0 "
            "and has to say token 1.",
        ),
        Mistake(
            "backwards",
            functools.partial(_shifted, read=slice(1, None), said=slice(None, -1)),
            "Your model reads each token and has to say the one before it, which a causal model has already "
            "seen.",
            "Of [5, 6, 7] the model reads [5, 6] and says [6, 7]. Which of the two loses its first column, "
            "and which its last?",
        ),
        Mistake(
            "weights_of_inputs",
            functools.partial(_shifted, weighed=slice(None, -1)),
            "Inputs and labels are right. After the last token of a short text you still ask for one more: "
            "the padding.",
            "A place counts if there is something to say, not if there is something to read. Compare the "
            "labels with `pad_id`.",
        ),
        Mistake(
            "all_counted",
            _all_counted,
            "Inputs and labels are right, but all weights are 1. The model would mostly learn to say [PAD].",
            "In a batch of short and long texts much is padding. Where the label is `pad_id`, the weight "
            "is 0.",
        ),
        Mistake(
            "zero_for_padding",
            lambda token_ids, pad_id=0: _shifted(token_ids),
            "With `pad_id` 0 all is right. With another you still compare with 0, which may be a token of "
            "the text.",
            "The second argument says which id is padding; RoBERTa's is 1, for example. Where is the 0 "
            "written in your code?",
        ),
        Mistake(
            "rolled",
            _rolled,
            "Your arrays have a column too many. In the last one the label is the first token of the text: "
            "what runs out at one end comes in again at the other.",
            "np.roll goes round in a circle. After the last token there is nothing to say, so all three "
            "arrays have one column less. Take slices.",
        ),
    ),
    hint="Two slices along the second axis, and a comparison for the weights. Try a row of three tokens.",
)


QUESTIONS = (_CHOOSE, _WORDS, _CORRUPT, _LOSS, _PERPLEXITY, _PAIRS, _PACK, _SHIFT)
