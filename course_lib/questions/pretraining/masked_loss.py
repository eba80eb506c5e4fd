"""Question: the loss of what is hidden."""

import functools
import math

import numpy as np

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.pretraining._shared import _weighted, pretraining

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


def _loss(labels, logits, weights, mean=_weighted, change=lambda losses: losses, **kwargs):
    """The loss with another mean or other losses."""
    return mean(change(_entropies(labels, logits, **kwargs)), weights)


def _losses(*settings):
    return with_each(_loss, *settings)


def _clips():
    """Losses that are capped, by clipping a probability or by adding a little to it."""
    eps = (float(np.finfo(dtype).eps) for dtype in ("float32", "float64"))
    for least in (*(10.0**-exponent for exponent in range(5, 17)), *eps):
        for cap in (np.add, np.maximum):
            yield {"change": lambda losses, least=least, cap=cap: -np.log(cap(np.exp(-losses), least))}


def _weighted_logits(labels, logits, weights, mean=lambda losses, weights: losses.sum() / weights.sum()):
    return mean(_entropies(labels, logits * weights[..., None]), weights)


def _shifts(*shifts):
    return _losses(*({"shift": shift, "by_softmax": by} for shift in shifts for by in (False, True)))


def _mean_of_rows(losses, weights):
    return ((losses * weights).sum(axis=-1) / weights.sum(axis=-1)).mean()


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


QUESTION = Question(
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
            with_each(_weighted_logits, {}, {"mean": lambda losses, weights: losses.mean()}),
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
