"""Question: when early stopping stops."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.fine_tuning._shared import fine_tuning


def _stopping_calls(rng):
    def losses(*ranks, size=1.0):
        """Losses in a given order of size: 0 is the lowest, equal numbers are equal losses."""
        levels = np.cumsum(rng.uniform(0.02, 0.1, size=max(ranks) + 1)) + 0.2
        return [size * float(levels[rank]) for rank in ranks]

    return [
        (losses(5, 3, 2, 4, 6, 1, 0), 2),
        Call(
            (losses(5, 1, 4, 3, 2, 6, 7), 3),
            "losses that fall again without coming down to the lowest so far",
        ),
        Call((losses(3, 1, 1, 1, 2), 2), "losses that equal the lowest so far"),
        Call((losses(4, 5, 3, 6, 2, 7, 1), 2), "bad epochs that are never so many in a row"),
        Call((losses(0), 1), "a single epoch"),
        Call((losses(3, 1, 2), 5), "more patience than epochs"),
        Call((losses(5, 4, 6, 3, 7, 8, 2, size=20.0), 2), "losses above 1"),
        (losses(4, 2, 3, 1, 5, 0), 1),
        Call((losses(5, 4, 3, 2, 1, 0), 3), "losses that fall to the end"),
        (losses(*rng.permutation(12)), int(rng.integers(1, 4))),
    ]


def _below(loss, lowest, before):
    return loss < lowest


def _not_above(loss, lowest, before):
    return loss <= lowest


def _below_the_last(loss, lowest, before):
    return loss < before


def _stopping(losses, patience, better=_below, keeps=None, reset=True, start=None, moves=True):
    """Early stopping with another idea of an improvement, of the epoch to keep, or of what ends patience."""
    keeps = keeps or better
    lowest, best, waited = losses[0] if start is None else start, 0, 0
    for epoch in range(start is None, len(losses)):
        before = losses[epoch - 1]
        waited = (0 if reset else waited) if better(losses[epoch], lowest, before) else waited + 1
        if keeps(losses[epoch], lowest, before):
            lowest, best = losses[epoch] if moves else lowest, epoch
        if waited >= patience:
            return epoch, best
    return len(losses) - 1, best


def _stopping_with(*options):
    return tuple(functools.partial(_stopping, **each) for each in options)


def _stops(losses, patience):
    """Whether training is stopped before the list ends, or just there."""
    return _stopping([*losses, np.inf], patience)[0] < len(losses)


def _too_early(losses, patience):
    stopped, best = _stopping(losses, patience)
    return (stopped - _stops(losses, patience)), best


def _counts_every_epoch(losses, patience):
    best = waited = 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < losses[best]:
            best, waited = epoch, 0
        waited += 1
        if waited >= patience:
            return epoch, best
    return len(losses) - 1, best


def _less_patient(losses, patience):
    return _stopping(losses, max(patience - 1, 1))


def _counting_from(first, second):
    return lambda losses, patience: tuple(
        epoch + more for epoch, more in zip(_stopping(losses, patience), (first, second), strict=True)
    )


def _best_changed(change):
    """The right epoch at which training stops, and another one to keep."""

    def answer(losses, patience):
        stopped, best = _stopping(losses, patience)
        return stopped, change(losses, patience, stopped, best)

    return answer


def _no_end(losses, patience):
    return _stopping(losses, patience) if _stops(losses, patience) else None


def _past_the_end(losses, patience):
    stopped, best = _stopping(losses, patience)
    return (stopped if _stops(losses, patience) else len(losses)), best


QUESTION = Question(
    id="fine_tuning.early_stopping",
    title="When early stopping stops",
    points=2,
    minutes=10,
    signature="early_stopping(losses, patience)",
    calls=_stopping_calls,
    reference=lambda losses, patience: fine_tuning.early_stopping(losses, patience),
    returns=("array", "array"),
    names=("stopped", "best"),
    dtypes=("int", "int"),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "knows_the_future",
            _best_changed(lambda losses, patience, stopped, best: int(np.argmin(losses))),
            "Your best epoch is sometimes later than the one in which training stops: a training that has "
            "stopped never sees it.",
            "For the losses 3, 1, 2, 2, 0 and patience 2 training stops in epoch 3. The 0 is never measured. "
            "Among which epochs can the best one be?",
        ),
        Mistake(
            "compared_with_the_epoch_before",
            _stopping_with({"better": _below_the_last, "keeps": _below}, {"better": _below_the_last}),
            "An epoch that beats only the one before it counts as an improvement with you, where losses go "
            "up and down.",
            "After 5, 1, 4, 3, 2 nothing has been as good as the 1 for three epochs, although each of the "
            "last two beat the one before. With what should each loss be compared?",
        ),
        Mistake(
            "one_epoch_too_late",
            (
                lambda losses, patience: _stopping(losses, patience + 1),
                lambda losses, patience: (
                    min(_stopping(losses, patience)[0] + 1, len(losses) - 1),
                    _stopping(losses, patience)[1],
                ),
            ),
            "You train one epoch more than patience allows. Count the epochs without improvement in the "
            "first example on your fingers.",
            "With patience 1, the first epoch that is not better is also the last that is trained. Is your "
            "comparison strict where it should not be?",
        ),
        Mistake(
            "one_epoch_too_early",
            (_too_early, _less_patient, _counts_every_epoch),
            "You stop too early, by one epoch of patience. With patience 2, how many bad epochs are trained?",
            "The epochs without improvement are trained, too: their losses have to be known. The last of "
            "them, the one that uses patience up, is `stopped`.",
        ),
        Mistake(
            "ties_improve",
            _stopping_with(
                {"better": _not_above}, {"better": _not_above, "keeps": _below}, {"keeps": _not_above}
            ),
            "Where a loss only equals the lowest, you take it for an improvement.",
            "For 3, 1, 1, 1 with patience 2, epochs 2 and 3 bring nothing new: stop in epoch 3 and keep "
            "epoch 1. Look at your comparisons, and at what finds the best epoch.",
        ),
        Mistake(
            "patience_never_renewed",
            functools.partial(_stopping, reset=False),
            "You stop too early where bad epochs are scattered: it is epochs in a row that count. What "
            "happens to the count when a new lowest loss arrives?",
            "With the losses 4, 5, 3, 6, 2 and patience 2 there are two bad epochs, but never two in a row: "
            "training goes on to the end.",
        ),
        Mistake(
            "patience_ignored",
            lambda losses, patience: _stopping(losses, 1),
            "You stop at the first epoch that is not better, whatever the patience is.",
            "With patience 3, training survives two bad epochs in a row. Something has to count them, and "
            "start again at an improvement.",
        ),
        Mistake(
            "never_stops",
            lambda losses, patience: (len(losses) - 1, int(np.argmin(losses))),
            "You always go on to the end of the list. Where does patience come in?",
            "Walk from epoch to epoch and count those without a new lowest loss. When the count reaches "
            "`patience`, the function is done: what comes later was never trained.",
        ),
        Mistake(
            "counted_from_one",
            (_counting_from(1, 1), _counting_from(1, 0), _counting_from(0, 1)),
            "An epoch of yours is one too high, always. Where does counting begin here?",
            "The first epoch is epoch 0, as in Python's lists: losses[best] must be the lowest loss that was "
            "seen, and `stopped` is the number of an epoch, not how many there were.",
        ),
        Mistake(
            "end_forgotten",
            (_past_the_end, _no_end),
            "Right where training stops early. Look at what you return where it does not.",
            "Where patience is never used up, all epochs of the list are trained. What comes after your loop "
            "has to return the number of the last one, counted from 0, and the best.",
        ),
        Mistake(
            "exchanged",
            lambda losses, patience: _stopping(losses, patience)[::-1],
            "You return the two epochs in the other order.",
            "First the last epoch that is trained, then the one whose weights are kept; the first is never "
            "the smaller of the two.",
        ),
        Mistake(
            "loss_returned",
            _best_changed(lambda losses, patience, stopped, best: losses[best]),
            "Where an epoch is asked for, you return a loss.",
            "Weights are kept by the number of their epoch. Remember two things at each improvement: the "
            "loss, to compare with, and the place where it stood.",
        ),
        Mistake(
            "last_epoch_kept",
            _best_changed(lambda losses, patience, stopped, best: stopped),
            "You keep the weights of the last epoch. Is it the one with the lowest loss?",
            "When patience is used up, the last epochs were the bad ones. The best one has to be remembered "
            "when it comes by.",
        ),
        Mistake(
            "best_from_patience",
            (
                _best_changed(lambda losses, patience, stopped, best: stopped - patience),
                _best_changed(lambda losses, patience, stopped, best: max(stopped - patience, 0)),
            ),
            "You count `patience` epochs back from the last one. Right where training was stopped; and where "
            "the list just ended?",
            "At the end of the list fewer bad epochs may have passed, or none. Remember the best epoch when "
            "it comes by, then nothing has to be counted back.",
        ),
        Mistake(
            "lowest_not_updated",
            _stopping_with({"moves": False}),
            "You compare each loss with one from the start of training. What is the lowest so far, after an "
            "improvement?",
            "For 5, 1, 4, 3, 2 the losses after the 1 are all below the first one, and still no improvement. "
            "At each improvement there are three things to do.",
        ),
        Mistake(
            "starts_too_low",
            _stopping_with({"start": 0.0}, {"start": 1.0}),
            "Your lowest loss starts at a number that some losses never come down to.",
            "Before the first epoch nothing was seen, so the first loss is always the lowest so far. Which "
            "number is above every loss? Or begin with the first loss itself.",
        ),
    ),
    hint="Walk through the losses once; remember the lowest so far and its epoch. Nothing later than the "
    "current epoch is known.",
    more="Begin with epoch 0 as the best, and a count of 0. For each later epoch: if its loss is below the "
    "lowest, it is the best and the count starts again; else the count grows, and when it reaches patience, "
    "return. After the loop, the last epoch of the list was trained.",
    example=([0.9, 0.4, 0.8, 0.3, 0.3, 0.5, 0.1], 2),
)
