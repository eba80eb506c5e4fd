"""Question: a head that generalises."""

import functools
import hashlib

import numpy as np

from course_lib.questions import Mistake, Question
from course_lib.questions.fine_tuning._shared import _softmax, fine_tuning

ENOUGH = 0.9  # Of the unseen examples; a logistic regression gets 0.97 or more.


LOUD = 6  # Columns in hundreds that tell little; the others tell much, in small numbers.


# The classes of unseen examples, by the digest of their features. An answer's confined process is given
# arguments only, so the classes cannot be among those. Nor may a rule of this open file lead from arguments
# to classes: an answer could hold a copy of it. Whoever judges has made the calls, in the same process.
_HIDDEN = {}


def _digest(unseen):
    return hashlib.sha256(np.ascontiguousarray(unseen).tobytes()).digest()


def _head_calls(rng):
    def call(num_classes, hidden):
        width, seen = int(rng.integers(25, 61)), rng.permutation(np.arange(400) % num_classes)

        def centres(size, distance):
            """Orthogonal ones, so that no seed is harder than another."""
            return distance * np.linalg.qr(rng.normal(size=(size, num_classes)))[0].T

        quiet = width - LOUD - 1
        means = np.hstack([centres(LOUD, 2.1), centres(quiet, 4.2), np.zeros((num_classes, 1))])
        powers = np.concatenate([rng.uniform(2.0, 2.5, LOUD), rng.uniform(-2.0, 0.5, quiet)])
        scales = np.append(10.0**powers, 0.0)  # The last column is constant.
        offsets, order = 3.0 * rng.normal(size=width), rng.permutation(width)

        def features(labels):
            values = (means[labels] + rng.normal(size=(len(labels), width)) + offsets) * scales
            return (values + (scales == 0.0))[:, order].astype("float32")

        unseen = features(hidden)
        _HIDDEN[_digest(unseen)] = hidden
        return features(seen), seen, unseen

    return [
        call(4, rng.permutation(np.arange(300) % 4)),
        call(4, rng.permutation(np.arange(240) % 4)),
        call(3, np.full(80, rng.integers(3))),
    ]


def _judge_head(arguments, outputs):
    num_classes, classes = int(arguments[1].max()) + 1, outputs[0]
    if not np.isin(classes, np.arange(num_classes)).all():
        return (
            f"The output must hold whole numbers from 0 to {num_classes - 1}, one class per row of `unseen`."
        )
    accuracy = _accuracy(arguments, outputs)
    if accuracy < ENOUGH:
        return f"{accuracy:.0%} of the unseen examples are right; at least {ENOUGH:.0%} must be."
    return None


def _accuracy(arguments, outputs):
    """Share of right predictions; NaN, for which no comparison holds, if they do not have the right shape."""
    hidden = _HIDDEN[_digest(arguments[2])]
    return np.mean(outputs[0] == hidden) if outputs[0].shape == hidden.shape else np.nan


def _mixed(arguments):
    """Whether the unseen examples are of several classes."""
    return len(np.unique(_HIDDEN[_digest(arguments[2])])) > 1


def _lacks_classes(arguments, outputs):
    """Whether some classes are never predicted, where there are several to be told apart."""
    if outputs[0].shape != (len(arguments[2]),):
        return False
    return not _mixed(arguments) or 1 < np.unique(outputs[0]).size <= arguments[1].max()


def _between(low, high):
    """Recognises an accuracy in a range, where there are several classes to be told apart."""

    def recognise(arguments, outputs):
        accuracy = _accuracy(arguments, outputs)
        return low <= accuracy < high or (not np.isnan(accuracy) and not _mixed(arguments))

    return recognise


def _standard(features, unseen, least=1e-12):
    mean, spread = features.mean(axis=0), features.std(axis=0)
    return [(x - mean) / np.maximum(spread, least) for x in (features, unseen)]


def _logits(features, labels, unseen, rate=0.5, steps=60):
    """A softmax regression by gradient descent."""
    features, unseen = (np.asarray(x, "float64") for x in (features, unseen))
    targets = np.eye(labels.max() + 1)[labels]
    kernel, bias = np.zeros((features.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
    for _ in range(steps):
        gradient = (_softmax(features @ kernel + bias) - targets) / len(labels)
        kernel, bias = kernel - rate * features.T @ gradient, bias - rate * gradient.sum(axis=0)
    return unseen @ kernel + bias


def _descent(prepare, rate=0.5, steps=60, finish=lambda logits: logits.argmax(axis=1)):
    def answer(features, labels, unseen):
        seen, new = prepare(features, unseen)
        return finish(_logits(seen, labels, new, rate, steps))

    return answer


def _train_and_predict(features, labels, unseen):
    return fine_tuning.train_head(features, labels).predict(unseen)


QUESTION = Question(
    id="fine_tuning.head",
    title="A head that generalises",
    points=4,
    minutes=30,
    signature="train_and_predict(features, labels, unseen)",
    calls=_head_calls,
    reference=_train_and_predict,
    judge=_judge_head,
    seconds=30.0,
    mistakes=(
        Mistake(
            "logits_returned",
            _descent(_standard, finish=_softmax),
            "You return one number per class, logits or probabilities. What is asked for is the class "
            "itself, one per example.",
            "Your output has the shape (rows, classes). The predicted class is the place of the largest "
            "number in each row.",
            recognise=lambda arguments, outputs: outputs[0].ndim == 2,
        ),
        Mistake(
            "training_examples_predicted",
            _descent(lambda features, unseen: _standard(features, features)),
            "You return one class per training example. It is the rows of `unseen` that are to be "
            "classified.",
            "That a head knows what it was trained on says little. Which array goes through the head at the "
            "very end?",
            recognise=lambda arguments, outputs: outputs[0].shape == (len(arguments[0]),),
        ),
        Mistake(
            "argmax_over_rows",
            _descent(_standard, finish=lambda logits: logits.argmax(axis=0)),
            "You return one number per class: your argmax runs along the examples.",
            "Each row of the logits belongs to an example, each column to a class. Which axis must be gone "
            "after argmax?",
            recognise=lambda arguments, outputs: (
                outputs[0].shape == (arguments[1].max() + 1,) and len(arguments[2]) > outputs[0].size
            ),
        ),
        Mistake(
            "one_class",
            _descent(functools.partial(_standard, least=0.0)),
            "You predict one and the same class for all examples. Look at your logits: are they NaN, are "
            "they equal, or is one class far ahead in every row?",
            "NaN: does a column exist whose standard deviation is 0? Equal numbers: is the loss below "
            "log(number of classes) after training? One class far ahead: print the largest number of each "
            "column as it enters the head. Is one so large that nothing else counts?",
            recognise=lambda arguments, outputs: (
                outputs[0].shape == (len(arguments[2]),) and np.unique(outputs[0]).size == 1
            ),
        ),
        Mistake(
            "own_statistics",
            _descent(
                lambda features, unseen: (_standard(features, features)[0], _standard(unseen, unseen)[0])
            ),
            "Right while `unseen` holds all classes, wrong when it holds only one. Do your predictions for "
            "one row depend on the other rows?",
            "Standardised by their own mean, examples of a single class lie around 0, where nothing tells "
            "the class any more. Which mean and standard deviation did the head get to know in training?",
            recognise=lambda arguments, outputs: (
                _mixed(arguments) == (_accuracy(arguments, outputs) >= ENOUGH)
            ),
        ),
        Mistake(
            "classes_missing",
            _descent(_standard, finish=lambda logits: logits[:, :-1].argmax(axis=1)),
            "Some classes you never predict, though `unseen` has them. How many columns has your kernel, and "
            "which numbers can your last line return?",
            "There are as many classes as labels.max() + 1, three or four, and each needs a column of logits "
            "and of one-hot labels. Print both shapes, and the range of the argmax.",
            recognise=_lacks_classes,
        ),
        Mistake(
            "no_better_than_guessing",
            _descent(_standard, rate=-0.5),
            "Your predictions are hardly better than guesses. Print the loss every few steps: does it fall? "
            "And does `unseen` enter the head in the form in which the training features did?",
            "A loss that rises means a step uphill. If it falls, compare the columns' means and standard "
            "deviations of what you train on with those of what you predict from: they must be alike. If "
            "they are, see whether labels and features still stand in the same order.",
            recognise=_between(0.0, 0.5),
        ),
        Mistake(
            "unscaled",
            _descent(lambda features, unseen: (features, unseen), rate=1e-6, steps=300),
            "Better than guessing, but far from what is in these features. Print mean and standard deviation "
            "of each column as they enter the head, in training and for `unseen`.",
            "Some columns count in hundreds, others in hundredths, and the gradient of a weight grows with "
            "its column. Bring all to a common centre and scale before you train, and `unseen` by the very "
            "same numbers. If they are: train for more steps, and see that no class is lost on the way.",
            recognise=_between(0.5, ENOUGH),
        ),
    ),
    hint="Look at the columns' means and standard deviations first. Then a softmax regression by gradient "
    "descent, a hundred steps, is enough.",
    more="Take mean and standard deviation of each column from `features`, with 1 in place of a deviation of "
    "0, and bring `features` and `unseen` to that scale. Steps of 0.1 to 1 along the mean gradient do then; "
    "print the loss every ten steps: from log(number of classes) it must fall well below 0.2. Last, argmax "
    "of each row of the logits of `unseen`.",
    example=(
        np.array([[1.0, 300.0], [2.0, 310.0], [1.0, 700.0], [2.0, 690.0]], "float32"),
        np.array([0, 0, 1, 1]),
        np.array([[2.0, 680.0], [1.0, 320.0], [2.0, 710.0]], "float32"),
    ),
)
