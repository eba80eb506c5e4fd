"""Question: what a probe learned by heart."""

import numpy as np

from course_lib.questions import Call, Mistake, Question


def _probe_calls(rng):
    def call(texts, length, types, classes=3, padded=True, right=0.85, right_control=0.6):
        """Probes that are right with these probabilities; padding is predicted as badly as it can be."""
        lengths = rng.integers(2, length - 1, size=texts) if padded else np.full(texts, length)
        lengths[0] = length
        ids = rng.integers(1, types, size=(texts, length))
        ids[np.arange(length) >= lengths[:, None]] = 0
        labels = rng.integers(classes, size=ids.shape)
        control = rng.integers(classes, size=types)

        def predicted(truth, share):
            """Better in the longer texts, so that a mean over texts is another one."""
            shares = share + 0.3 * (lengths - lengths.mean()) / length
            return np.where(rng.random(ids.shape) < shares[:, None], truth, (truth + 1) % classes)

        probe, probe_control = predicted(labels, right), predicted(control[ids], right_control)
        probe = np.where(ids == 0, labels, probe)
        return ids, labels, probe, control, probe_control

    return [
        call(3, 5, 12),
        call(6, 9, 30),
        Call(call(4, 6, 15, padded=False), about="texts without padding"),
        Call(call(5, 8, 10, right=0.5, right_control=0.85), about="a probe that is better at the control"),
        call(8, 12, 60, classes=2),
    ]


def _accuracy(predicted, truth, token_ids):
    return np.mean((predicted == truth)[token_ids != 0])


def _everywhere(predicted, truth, token_ids):
    return np.mean(predicted == truth)


def _by_text(predicted, truth, token_ids):
    rows = zip(predicted, truth, token_ids, strict=True)
    return np.mean([np.mean((p == t)[i != 0]) for p, t, i in rows])


def _over_all(predicted, truth, token_ids):
    return np.sum((predicted == truth) & (token_ids != 0)) / token_ids.size


def _selectivity(accuracy=_accuracy, combine=np.subtract, truth=lambda ids, labels, control: control[ids]):
    """The selectivity with one of its parts replaced.

    Args:
        accuracy: From predictions, labels and token ids.
        combine: From the accuracies on task and control.
        truth: The control's labels, from token ids, labels and the table of types.
    """

    def answer(token_ids, labels, predicted, control, predicted_control):
        of_task = accuracy(predicted, labels, token_ids)
        of_control = accuracy(predicted_control, truth(token_ids, labels, control), token_ids)
        return combine(of_task, of_control)

    return answer


def _reference(token_ids, labels, predicted, control, predicted_control):
    return _selectivity()(token_ids, labels, predicted, control, predicted_control)


def _places_as_types(ids, labels, control):
    return np.broadcast_to(np.resize(control, ids.shape[1]), ids.shape)


def _majority(token_ids, labels, predicted, control, predicted_control):
    counts = np.bincount(labels[token_ids != 0])
    return _accuracy(predicted, labels, token_ids) - counts.max() / counts.sum()


QUESTION = Question(
    id="interpretability.selectivity",
    title="What a probe learned by heart",
    points=1,
    minutes=10,
    signature="selectivity(token_ids, labels, predicted, control, predicted_control)",
    calls=_probe_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "padding_counted",
            (
                _selectivity(_everywhere),
                lambda ids, labels, predicted, control, other: (
                    _everywhere(predicted, labels, ids) - _accuracy(other, control[ids], ids)
                ),
                lambda ids, labels, predicted, control, other: (
                    _accuracy(predicted, labels, ids) - _everywhere(other, control[ids], ids)
                ),
            ),
            "Right for texts without padding. Which positions are words at all?",
            "What a probe says of padding is neither right nor wrong. Select the positions first, for both "
            "accuracies.",
        ),
        Mistake(
            "divided_by_all",
            _selectivity(_over_all),
            "You count right words only, but divide by all positions. Of how many words are they a share?",
            "A multiplication with a mask sets padding to 0, and the mean still counts it.",
        ),
        Mistake(
            "mean_over_texts",
            _selectivity(_by_text),
            "You give each text the same weight. What is it that an accuracy over words counts?",
            "A word of a short text must count as much as one of a long text.",
        ),
        Mistake(
            "control_against_labels",
            (
                _selectivity(truth=lambda ids, labels, control: labels),
                lambda ids, labels, predicted, control, other: (
                    _accuracy(predicted, labels, ids) - _accuracy(predicted, control[ids], ids)
                ),
                lambda ids, labels, predicted, control, other: (
                    _accuracy(predicted, labels, ids) - _accuracy(predicted, other, ids)
                ),
                lambda ids, labels, predicted, control, other: (
                    _accuracy(predicted, control[ids], ids) - _accuracy(other, labels, ids)
                ),
            ),
            "You compare predictions with the labels of the other task. Which probe was trained on which?",
            "There are two probes. The one of the control is right where it gives the label that the word's "
            "type was given by chance.",
        ),
        Mistake(
            "places_as_types",
            _selectivity(truth=_places_as_types),
            "You take the control's labels by the position of a word. What is `control` indexed by?",
            "`control[7]` is the label of every word with the id 7, wherever it stands.",
        ),
        Mistake(
            "ratio",
            (
                _selectivity(combine=np.divide),
                _selectivity(combine=lambda task, control: (task - control) / (1 - control)),
                _selectivity(combine=lambda task, control: (task - control) / task),
            ),
            "You divide the accuracies. What does the task do with them?",
            "Selectivity is how many points of accuracy the probe is better on the real task.",
        ),
        Mistake(
            "numbers_of_words",
            _selectivity(lambda predicted, truth, ids: np.sum((predicted == truth)[ids != 0])),
            "You count right words. An accuracy is a share: of what?",
            "A text that is twice as long has twice as many right words, and the same accuracy.",
        ),
        Mistake(
            "sign",
            (
                _selectivity(combine=lambda task, control: control - task),
                _selectivity(combine=lambda task, control: abs(task - control)),
                _selectivity(combine=lambda task, control: max(task - control, 0.0)),
            ),
            "Your number has the right size. When is it negative?",
            "A probe that is better at labels given by chance has learned by heart: its selectivity is below "
            "0, and that has to be seen.",
        ),
        Mistake(
            "one_accuracy",
            (
                lambda ids, labels, predicted, control, other: _accuracy(predicted, labels, ids),
                lambda ids, labels, predicted, control, other: _accuracy(other, control[ids], ids),
                _majority,
            ),
            "The control's accuracy is missing, or it is all that you return. A probe of 90 percent: is that "
            "much?",
            "Without the control nobody knows how much of it a probe of this size could learn by heart.",
        ),
    ),
    hint="Make two boolean arrays of the shape of `token_ids`: where each probe is right. Then, which of "
    "their positions count?",
    more="`control[token_ids]` has the control's label at each position. Compare each probe with its own "
    "labels, select the positions that are not padding, take both means, and subtract.",
    example=(
        np.array([[5, 2, 5, 0]]),
        np.array([[1, 0, 1, 0]]),
        np.array([[1, 0, 1, 1]]),
        np.array([0, 0, 1, 0, 0, 0]),
        np.array([[0, 0, 1, 0]]),
    ),
)
