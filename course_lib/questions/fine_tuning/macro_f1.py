"""Question: macro F1."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.fine_tuning._shared import fine_tuning


def _f1_calls(rng):
    def call(num_classes, sizes, errors, num_all=None, about=""):
        # One example of each class is right for certain, so that only an absent class is without a hit.
        labels = np.concatenate([np.arange(num_classes), np.repeat(np.arange(num_classes), sizes)])
        predictions = labels.copy()
        wrong = num_classes + rng.permutation(sum(sizes))[:errors]
        predictions[wrong] = rng.integers(num_classes, size=errors)
        order = rng.permutation(len(labels))
        return Call((labels[order], predictions[order], num_all or num_classes), about)

    order = rng.permutation(8)
    missed, claimed = np.array([0, 0, 0, 1, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 1, 0, 0, 1])
    return [
        call(2, (24, 6), 12),
        call(3, (20, 9, 3), 12),
        call(5, (15, 9, 6, 4, 2), 16),
        call(3, (12, 6, 4), 9, num_all=4, about="a class that occurs nowhere"),
        call(2, (5, 2), 0, about="predictions that are all right"),
        Call(
            (np.array([0, 0, 1, 0]), np.array([0, 1, 1, 0]), 3),
            "a class that occurs nowhere",
        ),
        Call((missed[order], claimed[order], 3), "a class that occurs, but is never predicted"),
        Call((claimed[order], missed[order], 3), "a class that is predicted, but does not occur"),
    ]


def _counts(labels, predictions, num_classes):
    """Of each class: hits, predictions, examples."""
    classes = np.arange(num_classes)[:, None]
    claimed, true = predictions == classes, labels == classes
    return (claimed & true).sum(axis=1), claimed.sum(axis=1), true.sum(axis=1)


def _safe(numerator, denominator):
    return numerator / np.where(denominator == 0, 1, denominator)


def _macro_f1(labels, predictions, num_classes):
    matrix = np.zeros((num_classes, num_classes), dtype="int64")
    np.add.at(matrix, (labels, predictions), 1)
    return fine_tuning.macro_f1(matrix)


def _pairs_counted_once(labels, predictions, num_classes):
    matrix = np.zeros((num_classes, num_classes))
    matrix[labels, predictions] += 1
    return np.mean(_safe(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)))


def _by_class(score, finish=np.mean):
    """An answer from each class's hits, predictions and examples."""

    def answer(labels, predictions, num_classes):
        return finish(score(*_counts(labels, predictions, num_classes)))

    return answer


def _f1(hits, claimed, true):
    return _safe(2 * hits, claimed + true)


def _bare_f1(hits, claimed, true):
    return 2 * hits / (claimed + true)


def _f1_of_shares(hits, claimed, true):
    precision, recall = hits / claimed, hits / true
    return 2 * precision * recall / (precision + recall)


def _divided_by_zero(labels, predictions, num_classes):
    scores = [
        2 * hits / (claimed + true)
        for hits, claimed, true in zip(
            *(count.tolist() for count in _counts(labels, predictions, num_classes)), strict=True
        )
    ]
    return sum(scores) / num_classes


def _shares_divided_by_zero(labels, predictions, num_classes):
    scores = []
    for hits, claimed, true in zip(
        *(count.tolist() for count in _counts(labels, predictions, num_classes)), strict=True
    ):
        precision, recall = hits / claimed, hits / true
        scores.append(2 * precision * recall / (precision + recall))
    return sum(scores) / num_classes


def _weighted_f1(labels, predictions, num_classes):
    hits, claimed, true = _counts(labels, predictions, num_classes)
    return (_safe(2 * hits, claimed + true) * true).sum() / len(labels)


def _mean_where(there):
    def answer(labels, predictions, num_classes):
        counts = _counts(labels, predictions, num_classes)
        return _f1(*counts)[there(*counts)].mean()

    return answer


def _f1_of_means(shares):
    def answer(labels, predictions, num_classes):
        precision, recall = (share.mean() for share in shares(*_counts(labels, predictions, num_classes)))
        return 2 * precision * recall / (precision + recall)

    return answer


def _class_one(labels, predictions, num_classes):
    return _f1(*_counts(labels, predictions, num_classes))[1]


def _own_accuracy(labels, predictions, num_classes):
    classes = np.arange(num_classes)[:, None]
    return np.mean((labels == classes) == (predictions == classes))


def _f1_with_negatives(labels, predictions, num_classes):
    classes = np.arange(num_classes)[:, None]
    alike = (labels == classes) == (predictions == classes)
    return np.mean(_safe(2 * alike.sum(axis=1), (2 * alike + ~alike).sum(axis=1)))


def _absent_as_one(hits, claimed, true):
    return np.where(claimed + true == 0, 1.0, _f1(hits, claimed, true))


QUESTION = Question(
    id="fine_tuning.macro_f1",
    title="Macro F1",
    points=2,
    minutes=15,
    signature="macro_f1(labels, predictions, num_classes)",
    calls=_f1_calls,
    reference=_macro_f1,
    mistakes=(
        Mistake(
            "accuracy",
            lambda labels, predictions, num_classes: np.mean(labels == predictions),
            "Your number is the accuracy. Adding up hits and errors over all classes before dividing (micro "
            "F1) gives just that.",
            "Macro means that each class gets an F1 of its own first, and a rare class counts as much as a "
            "frequent one in the mean. How many numbers do you average?",
        ),
        Mistake(
            "weighted",
            _weighted_f1,
            "Each class has its F1, but in your mean frequent classes count for more. That is called "
            "weighted F1.",
            "Macro F1 gives each of the num_classes classes the same say. A class with two examples weighs "
            "as much as one with twenty.",
        ),
        Mistake(
            "absent_left_out",
            (
                _mean_where(lambda hits, claimed, true: claimed + true > 0),
                _mean_where(lambda hits, claimed, true: true > 0),
                _mean_where(lambda hits, claimed, true: claimed > 0),
                _mean_where(lambda hits, claimed, true: hits > 0),
            ),
            "Right, as long as every class has a hit. Some class without one you leave out of the mean.",
            "By this question's rule a class that does not occur, or has no hit, counts as 0, so the mean is "
            "always over num_classes classes. Is num_classes what you divide by?",
        ),
        Mistake(
            "undefined",
            (
                _by_class(_bare_f1),
                _by_class(_f1_of_shares),
                _by_class(lambda hits, claimed, true: _f1_of_shares(*map(np.float64, (hits, claimed, true)))),
                _divided_by_zero,
                _shares_divided_by_zero,
                _by_class(
                    lambda hits, claimed, true: (
                        2
                        * _safe(hits, claimed)
                        * _safe(hits, true)
                        / (_safe(hits, claimed) + _safe(hits, true))
                    )
                ),
            ),
            "Right, as long as every class has a hit. For some class without one you divide by 0, which "
            "gives NaN or an error.",
            "By this question's rule such a class counts as 0. Look at every division: its denominator can "
            "be 0 exactly where the numerator is.",
        ),
        Mistake(
            "absent_counts_one",
            (
                _by_class(_absent_as_one),
                _by_class(
                    lambda hits, claimed, true: _f1(hits, claimed, true) + ((hits == 0) & (claimed == 0))
                ),
                _by_class(lambda hits, claimed, true: np.where(hits == 0, 1.0, _f1(hits, claimed, true))),
            ),
            "Right, as long as every class has a hit. Some class without one counts as if all were right.",
            "There are several conventions for 0 divided by 0. The text names the one that holds here.",
        ),
        Mistake(
            "of_mean_precision_and_recall",
            (
                _f1_of_means(lambda hits, claimed, true: (_safe(hits, claimed), _safe(hits, true))),
                _f1_of_means(lambda hits, claimed, true: (hits / claimed, hits / true)),
            ),
            "You average precision and recall over the classes first and make one F1 of the two means. It is "
            "close, but the order is the other way round.",
            "The mean of F1s is not the F1 of means. Make a vector of num_classes F1s; the mean comes last.",
        ),
        Mistake(
            "macro_recall",
            (
                _by_class(lambda hits, claimed, true: _safe(hits, true)),
                _by_class(lambda hits, claimed, true: hits / true),
            ),
            "Your number is the mean recall: of each class the share of its examples that were found. Who "
            "pays for claiming a class too often?",
            "Predicting class 0 for all gives class 0 a recall of 1. F1 also counts the false alarms: 2 TP "
            "over 2 TP + FP + FN.",
        ),
        Mistake(
            "macro_precision",
            (
                _by_class(lambda hits, claimed, true: _safe(hits, claimed)),
                _by_class(lambda hits, claimed, true: hits / claimed),
            ),
            "Your number is the mean precision: of each class the share of its predictions that are right. "
            "Who pays for the examples that were missed?",
            "One single right prediction of a class gives it a precision of 1. F1 also counts the misses: 2 "
            "TP over 2 TP + FP + FN.",
        ),
        Mistake(
            "hits_not_doubled",
            (
                _by_class(lambda hits, claimed, true: _safe(hits, claimed + true - hits)),
                _by_class(lambda hits, claimed, true: hits / (claimed + true - hits)),
                _by_class(lambda hits, claimed, true: _safe(hits, claimed + true)),
                _by_class(lambda hits, claimed, true: _safe(2 * hits, claimed + true - hits)),
            ),
            "The hits count double in an F1, in the numerator and in the denominator. One of the two, or "
            "both, you count once.",
            "With 3 hits, 1 false alarm and 1 miss the F1 is 6 / 8. Put these numbers into your formula.",
        ),
        Mistake(
            "errors_of_one_kind",
            (
                _by_class(lambda hits, claimed, true: _safe(2 * hits, hits + claimed)),
                _by_class(lambda hits, claimed, true: _safe(2 * hits, hits + true)),
                _by_class(lambda hits, claimed, true: 2 * hits / (hits + claimed)),
                _by_class(lambda hits, claimed, true: 2 * hits / (hits + true)),
            ),
            "Your denominators lack errors of one kind. Which two kinds of errors has a class?",
            "An example of class 0 for which 1 is predicted is a miss of class 0 and a false alarm of class "
            "1. Count both kinds for each class, on the labels and on the predictions.",
        ),
        Mistake(
            "pairs_counted_once",
            _pairs_counted_once,
            "Your counts are too small: a pair of label and prediction counts once, however often it occurs.",
            "With arrays as indices, `matrix[labels, predictions] += 1` reads all places, adds 1 and writes "
            "them back, so a place that is named twice gets 1, not 2. np.add.at adds each time; or compare "
            "and sum, class by class.",
        ),
        Mistake(
            "true_negatives_counted",
            (_own_accuracy, _f1_with_negatives),
            "You count the true negatives among the hits of a class: examples that are not of it and for "
            "which it is not predicted either. No F1 knows them.",
            "For a rare class nearly all examples are true negatives, so that number is high even if none of "
            "its examples is found. Count hits, false alarms and misses only.",
        ),
        Mistake(
            "class_one_only",
            _class_one,
            "You return the F1 of class 1 alone. That is the F1 of a task with a positive and a negative "
            "class.",
            "Here each of the num_classes classes takes its turn as the positive one; then comes the mean.",
        ),
        Mistake(
            "not_averaged",
            (_by_class(_f1, finish=np.asarray), _by_class(_f1, finish=np.sum)),
            "The F1 of each class is right. What is missing is the mean of them.",
            "One number is asked for: the sum of the classes' F1, divided by num_classes.",
        ),
    ),
    hint="For each class count TP, FP and FN. Only then divide, and only then average.",
    more="Go through the classes 0 to num_classes - 1. TP is where label and prediction are both this class, "
    "FP + FN where exactly one of them is. If there is no TP, the class counts 0, whatever the rest. In the "
    "end divide the sum by num_classes.",
    example=(np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 1]), 4),
)
