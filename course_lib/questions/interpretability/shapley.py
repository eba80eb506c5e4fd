"""Question: a fair share for each word."""

import math

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _game_calls(rng):
    def game(players, empty=None, scale=1.0):
        worth = np.round(rng.normal(scale=scale, size=2**players), 2)
        worth[0] = empty if empty is not None else round(float(rng.uniform(0.3, 0.9)), 2)
        return (worth,)

    players = np.arange(5)
    own = np.round(rng.normal(size=5), 2)
    masks = (np.arange(32)[:, None] >> players) & 1
    return [
        game(2),
        game(3),
        Call(game(3, empty=0.0), about="an empty text that scores 0"),
        game(4),
        Call((masks @ own + 0.5,), about="words that do not depend on one another"),
        Call(game(1), about="a single word"),
        game(6, scale=3.0),
    ]


def _players(worth):
    return len(worth).bit_length() - 1


def _usual_weight(size, n):
    return math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)


def _marginals(
    weight=_usual_weight,
    bit=lambda player, n: 1 << player,
    gain=lambda worth, with_, without: worth[with_] - worth[without],
    skip=lambda without: False,
):
    """Weighted gains with one of the parts replaced.

    Args:
        weight: Of a gain, from the size of the coalition without the player, and the number of players.
        bit: Of a player, from it and their number.
        gain: From worth and both coalitions.
        skip: Whether a coalition is left out.
    """

    def answer(worth):
        n = _players(worth)
        found = np.zeros(n)
        for player in range(n):
            own = bit(player, n)
            for without in range(2**n):
                if not without & own and not skip(without):
                    size = without.bit_count()
                    found[player] += weight(size, n) * gain(worth, without | own, without)
        return found

    return answer


def _reference(worth):
    return _marginals()(worth)


def _with_itself(size, n):
    """Takes the size of the coalition with the player."""
    return math.factorial(size + 1) * math.factorial(max(n - size - 2, 0)) / math.factorial(n)


def _left_out(worth):
    n = _players(worth)
    return np.array([worth[-1] - worth[2**n - 1 - (1 << player)] for player in range(n)])


def _alone(worth):
    return np.array([worth[1 << player] - worth[0] for player in range(_players(worth))])


def _alone_worth(worth):
    return np.array([worth[1 << player] for player in range(_players(worth))])


def _in_order(worth):
    return np.array([worth[2 ** (p + 1) - 1] - worth[2**p - 1] for p in range(_players(worth))])


def _in_reverse(worth):
    n = _players(worth)
    return np.array([worth[-1 << p] - worth[(-1 << p + 1) % 2**n] for p in range(n)])


def _evenly(worth):
    n = _players(worth)
    return np.full(n, (worth[-1] - worth[0]) / n)


def _sizes_alike(size, n):
    """Each size once, without the number of coalitions of that size."""
    return 1 / n


def _divided_by_size(size, n):
    return 1 / (n * math.comb(n, size))


def _difference_of_means(worth):
    n = _players(worth)
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return np.array([worth[m == 1].mean() - worth[m == 0].mean() for m in masks.T])


def _scaled_to_sum(answer):
    def scaled(worth):
        found = answer(worth)
        return found * (worth[-1] - worth[0]) / found.sum()

    return scaled


QUESTION = Question(
    id="interpretability.shapley",
    title="A fair share for each word",
    points=3,
    minutes=25,
    signature="shapley(worth)",
    calls=_game_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "all_coalitions_alike",
            (_difference_of_means, _scaled_to_sum(_difference_of_means)),
            "You take the mean over all coalitions. There are many more of middle size than small and large "
            "ones: do all orders pass through them as often?",
            "What you have is called Banzhaf's value. In a random order, how likely is it that nobody is "
            "there before a word? And that a certain one of the others is?",
        ),
        Mistake(
            "left_out",
            (_left_out, _scaled_to_sum(_left_out)),
            "You compare the whole text with the text without the word. What of a word that says the same as "
            "another one?",
            "If one of two such words goes, nothing changes, so both would get nothing. In some orders each "
            "of them comes first.",
        ),
        Mistake(
            "alone",
            (_alone, _alone_worth, _scaled_to_sum(_alone)),
            "You look at each word alone. What does it add when others are there already?",
            "`not` alone says little. A word must be added to every set of the others.",
        ),
        Mistake(
            "one_order",
            (_in_order, _in_reverse),
            "You add the words in a single order. Would another order give the same shares?",
            "Who comes first gets what two words say together. Fair is the mean over all orders.",
        ),
        Mistake(
            "own_size_counted",
            _marginals(_with_itself),
            "Your weight belongs to a coalition of another size. Is the word itself in the one whose size "
            "you take?",
            "Before the word come those of the coalition without it, after it the rest. Together with the "
            "word itself that is everyone.",
        ),
        Mistake(
            "weights_of_orders",
            (
                _marginals(lambda size, n: math.factorial(size) * math.factorial(n - size - 1)),
                _marginals(_sizes_alike),
                _marginals(_divided_by_size),
                _marginals(lambda size, n: 1.0),
                _marginals(lambda size, n: 1 / 2**n),
            ),
            "Your gains are right, their weights are not: they do not add up to 1 for a word.",
            "For one word, add up the weights of all coalitions without it. In how many of all n! orders do "
            "exactly those come before it?",
        ),
        Mistake(
            "bits_from_the_left",
            (
                _marginals(bit=lambda player, n: 1 << (n - 1 - player)),
                lambda worth: _reference(worth)[::-1],
            ),
            "Your shares are right, but they belong to other words. Which bit is that of word 0?",
            "The index 1 is the text with word 0 alone, the index 2 that with word 1 alone.",
        ),
        Mistake(
            "empty_as_zero",
            (
                _marginals(gain=lambda worth, a, b: worth[a] - (worth[b] if b else 0.0)),
                _marginals(skip=lambda without: without == 0),
            ),
            "Right where the empty text scores 0. What does the model say of a text without any word?",
            "The first to come adds to the empty text, whose worth is the first of the array.",
        ),
        Mistake(
            "worth_instead_of_gain",
            (
                _marginals(gain=lambda worth, a, b: worth[a]),
                _marginals(gain=lambda worth, a, b: worth[b]),
            ),
            "You add up what coalitions are worth, not what a word adds to them.",
            "A share belongs to a word for the difference that it makes: with it, less without it.",
        ),
        Mistake(
            "sign",
            _marginals(gain=lambda worth, a, b: worth[b] - worth[a]),
            "Your shares have the wrong sign.",
            "A word that raises the score has a positive share.",
        ),
        Mistake(
            "evenly",
            _evenly,
            "You give each word the same share. They add up as they should, but do all words say as much?",
            "Shares that add up are not enough: each word gets the mean of what it adds itself.",
        ),
    ),
    hint="Take two words and write down both orders. What does each word add in each of them?",
    more="For a word and a set S of others: the gain is worth[S with it] - worth[S], its weight |S|! (n - "
    "|S| - 1)! / n!. In bits: `S | 1 << i` adds word i, and `S >> i & 1` tells whether it is there.",
    example=(np.array([0.0, 2.0, 4.0, 8.0]),),
)
