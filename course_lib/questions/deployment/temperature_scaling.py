"""Question: a temperature for honest probabilities."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each
from course_lib.questions.deployment._shared import deployment


def _temperature_calls(rng):
    def call(logits, labels, grid):
        """The first candidate is neither the best, nor one that the most usual wrong rules end at."""
        best = grid[int(np.argmin(_losses(logits, labels, grid)))]
        order = [float(t) for t in rng.permutation(grid)]
        first = next(t for t in order if t not in (best, min(grid), max(grid)))
        last = next(t for t in order if t not in (best, first))
        between = [t for t in order if t not in (first, last)]
        return logits, labels, np.array([first, *between, last])

    def drawn(size, classes, temperature, grid, offset=0.0):
        """Labels that follow the logits at about the given temperature."""
        logits = rng.normal(scale=2.0 * max(temperature, 1.0), size=(size, classes))
        noise = rng.gumbel(size=logits.shape)
        labels = np.argmax(logits / temperature + noise, axis=1)
        return call(logits + offset, labels, grid)

    def verdicts(right, margins, classes):
        """Logits whose largest one leads by these margins, and labels so that these verdicts are right."""
        size = len(right)
        order = rng.permuted(np.tile(np.arange(classes), (size, 1)), axis=1)
        logits = rng.uniform(-0.2, 0.0, size=(size, classes))
        logits[np.arange(size), order[:, 0]] = margins
        return logits, np.where(right, order[:, 0], order[:, 1])

    wide = [0.2, 0.35, 0.6, 1.0, 1.7, 3.0, 5.0]
    rows = rng.permuted(np.repeat([5000.0, 0.0, -5000.0], 30))[:, None]
    wrong = rng.permutation(np.repeat([False, True], [8, 52]))
    few = rng.permutation(np.repeat([False, True], [14, 6]))
    far = rng.permutation(np.repeat([False, True], [3, 5]))
    return [
        drawn(120, 2, 2.2, wide),
        drawn(200, 3, 0.4, wide),
        drawn(150, 4, 1.4, [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0]),
        Call(drawn(90, 2, 1.7, wide, offset=rows), about="large logits"),
        Call(
            call(*verdicts(wrong, np.where(wrong, 2.5, 14.0) + rng.uniform(0, 0.5, 60), 2), wide),
            about="a few verdicts that are very sure and wrong",
        ),
        Call(
            call(*verdicts(few, rng.uniform(2.0, 4.0, 20), 3), wide), about="verdicts that are mostly wrong"
        ),
        Call(
            call(*verdicts(far, rng.integers(4500, 6000, size=8).astype("float64"), 3), wide),
            about="logits of one text that lie thousands apart",
        ),
    ]


def _log_softmax(scaled, axis=1):
    shifted = scaled - scaled.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _softmax(scaled):
    return np.exp(_log_softmax(scaled))


def _of_labels(logs, labels):
    return logs[np.arange(len(labels)), labels]


def _cross_entropy(logs, labels):
    return -np.mean(_of_labels(logs, labels))


def _losses(logits, labels, temperatures):
    return [_cross_entropy(_log_softmax(logits / t), labels) for t in temperatures]


def _temperature_scaling(logits, labels, temperatures):
    """The reference: `fit_temperature` on a grid."""
    best = temperatures[int(np.argmin(_losses(logits, labels, temperatures)))]
    return best, deployment.softmax(logits / best)


def _underflowing(scaled, axis=1):
    return np.log(np.exp(_log_softmax(scaled, axis)))


def _overflowing(scaled, axis=1):
    powers = np.exp(scaled)
    return np.log(powers / powers.sum(axis=axis, keepdims=True))


def _one_largest(scaled, axis=1):
    return _overflowing(scaled - scaled.max(), axis)


def _scaling(
    logs=_log_softmax,
    scaled=lambda logits, t: logits / t,
    loss=_cross_entropy,
    choose=np.argmin,
    give=None,
    axis=1,
):
    """Temperature scaling with one of its parts replaced.

    Args:
        logs: Logarithms of a softmax.
        scaled: What that is taken of, from logits and a temperature.
        loss: What is to be small, from those logarithms and the labels.
        choose: The index of the best loss.
        give: What is returned, from logits, temperatures, the best index, and a softmax.
        axis: That of the softmax.
    """

    def answer(logits, labels, temperatures):
        found = [logs(scaled(logits, t), axis) for t in temperatures]
        best = int(choose([loss(each, labels) for each in found]))
        if give:
            return give(logits, temperatures, best, lambda x: np.exp(logs(x, axis)))
        return temperatures[best], np.exp(found[best])

    return answer


def _scalings(**parts):
    """A mistake with each kind of softmax: exact, with probabilities of 0 in the loss, with overflow."""
    return tuple(_scaling(logs, **parts) for logs in (_log_softmax, _underflowing, _overflowing))


def _given_by(logs):
    """The probabilities by another softmax than the loss."""
    return lambda logits, ts, best, softmax: (ts[best], np.exp(logs(logits / ts[best])))


def _last_lowest(losses):
    return len(losses) - 1 - int(np.argmin(losses[::-1]))


def _right(logs, labels):
    return np.argmax(logs, axis=1) == labels


def _squared_error(logs, labels):
    return np.mean(np.sum((np.exp(logs) - np.eye(logs.shape[1])[labels]) ** 2, axis=1))


QUESTION = Question(
    id="deployment.temperature_scaling",
    title="A temperature for honest probabilities",
    points=2,
    minutes=15,
    signature="temperature_scaling(logits, labels, temperatures)",
    calls=_temperature_calls,
    reference=_temperature_scaling,
    returns=("array", "array"),
    names=("temperature", "probabilities"),
    rtol=1e-4,
    atol=1e-8,
    mistakes=(
        Mistake(
            "multiplied",
            _scalings(scaled=lambda logits, t: logits * t),
            "Your temperature works the wrong way round: a high one makes your model surer of itself.",
            "A high temperature must bring the logits closer together, so that the probabilities get more "
            "alike. Yours drives the logits apart.",
        ),
        Mistake(
            "softmax_first",
            _scalings(scaled=lambda logits, t: _softmax(logits) / t),
            "Your probabilities went through a softmax twice. What is it that the temperature divides?",
            "After a softmax all numbers lie between 0 and 1, and a second one makes them nearly alike. "
            "Divide what comes out of the network.",
        ),
        Mistake(
            "over_texts",
            (
                *_scalings(axis=0),
                *_scalings(axis=None),
            ),
            "Your probabilities do not add up to 1 for each text. Over which axis does your softmax go?",
            "Each row is one text, and its classes share a probability of 1. Print the sums of your "
            "probabilities over the last axis.",
        ),
        Mistake(
            "by_accuracy",
            of_each(
                lambda choose: _scaling(
                    loss=lambda logs, labels: -np.mean(_right(logs, labels)), choose=choose
                ),
                np.argmin,
                _last_lowest,
            ),
            "Your choice is always the first of the candidates, or always the last. Does the largest of some "
            "logits become another one if all are divided by the same number?",
            "A temperature does not change which class wins, so the accuracy is the same at each. It is the "
            "probability of the right class that changes.",
        ),
        Mistake(
            "highest_loss",
            _scalings(choose=np.argmax),
            "Of all the temperatures you choose the one with the largest cross-entropy, or you have lost a "
            "minus sign on the way.",
            "The logarithm of a probability is never above 0, and the better it is, the nearer it gets to "
            "0. Minus its mean must become as small as possible.",
        ),
        Mistake(
            "labels_ignored",
            _scalings(loss=lambda logs, labels: -np.mean(logs.max(axis=1))),
            "You always end at the lowest temperature. Do the labels play a part in your loss?",
            "The logarithm of the largest probability is best when the model is as sure as can be, right or "
            "wrong. Which probability of each row does the formula take?",
        ),
        Mistake(
            "no_logarithm",
            _scaling(loss=lambda logs, labels: -np.mean(np.exp(_of_labels(logs, labels)))),
            "You take the mean of the probabilities of the labels. What does the formula take the mean of?",
            "A wrong verdict with the probability 0.01 for its label costs far more than one with 0.1, "
            "though the two differ by 0.09 only. Which function sees to that?",
        ),
        Mistake(
            "squared_error",
            _scaling(loss=_squared_error),
            "You measure squared errors of the probabilities. That is the Brier score; asked for is another "
            "measure.",
            "A very sure and wrong verdict costs 2 at most in squares. In a logarithm it may cost any "
            "amount, and that is what keeps a temperature honest.",
        ),
        Mistake(
            "confidence_gap",
            _scaling(
                loss=lambda logs, labels: abs(
                    np.mean(np.exp(logs.max(axis=1))) - np.mean(_right(logs, labels))
                )
            ),
            "You compare mean confidence and accuracy. Question 5 does so; here the best temperature is the "
            "one with the least cross-entropy.",
            "For each text take the probability of its own label, of that the logarithm, and minus the mean "
            "over the texts.",
        ),
        Mistake(
            "all_pairs",
            _scalings(loss=lambda logs, labels: -np.mean(logs[:, labels])),
            "Your probabilities are right for the temperature that you choose, but you choose another one. "
            "Print the shape of what you take the mean of.",
            "`probabilities[:, labels]` pairs every text with the label of every other, an array of shape "
            "(n, n). Each row should give you one number: that of its own label.",
        ),
        Mistake(
            "overflow",
            (_scaling(_overflowing), _scaling(give=_given_by(_overflowing))),
            "Right as long as the logits are small. Where they are near 5,000, your powers are infinite and "
            "the probabilities NaN.",
            "A softmax does not change if the same number is taken off all logits of a text. Which number "
            "makes sure that no exponent is above 0?",
        ),
        Mistake(
            "one_largest",
            (_scaling(_one_largest), _scaling(give=_given_by(_one_largest))),
            "Right as long as the texts have logits of about the same size. What is left of a text's logits "
            "near -5,000 when another text's 5,000 is taken off them?",
            "One number for all texts keeps powers from overflowing, but those of a text with small logits "
            "all become 0. Each row has a largest logit of its own.",
        ),
        Mistake(
            "log_of_zero",
            _scaling(_underflowing),
            "Right but where the logits of one text lie thousands apart. There the probability of a label "
            "becomes exactly 0, at every temperature. What does your logarithm make of that, with or without "
            "a small number added?",
            "A small number added to the probability hides the infinity, but then all temperatures seem "
            "alike. ln(exp(a) / (exp(a) + exp(b))) can be worked out on paper: what is left of ln(exp(a))?",
        ),
        Mistake(
            "last_candidate",
            _scalings(give=lambda logits, ts, best, softmax: (ts[best], softmax(logits / ts[-1]))),
            "The probabilities are not those of your temperature, but those at the candidate that you tried "
            "last.",
            "After a loop its variables hold what the last turn left in them. Compute the probabilities once "
            "more, or keep them when a candidate is the best so far.",
        ),
        Mistake(
            "unscaled_probabilities",
            _scalings(give=lambda logits, ts, best, softmax: (ts[best], softmax(logits))),
            "The probabilities are not those at your temperature, but those of the logits as they came.",
            "The second value is to be what the model says at the temperature that you found.",
        ),
        Mistake(
            "index",
            _scalings(give=lambda logits, ts, best, softmax: (best, softmax(logits / ts[best]))),
            "In place of the temperature you return where it stands in the list.",
            "`np.argmin` gives a place. Which candidate stands there?",
        ),
    ),
    hint="First write the part that turns logits and one temperature into probabilities. Then, which number "
    "tells how good a temperature is, and what do you need from each row for it?",
    more="For the loss you need ln p of one class in each row. With m the row's largest scaled logit, ln p "
    "is z - m - ln(sum of exp(z - m)): no power there is above 1, and no logarithm is one of 0. "
    "`x[np.arange(n), labels]` takes one number from each row.",
    example=(np.array([[2000.0, 0.0], [2000.0, 0.0]]), np.array([0, 1]), np.array([1.0, 2.0])),
)
