"""Question: perplexity."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.pretraining._shared import _weighted, pretraining


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


QUESTION = Question(
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
            with_each(_perplexity, {"power": np.exp2}, {"power": lambda mean: 10.0**mean}),
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
