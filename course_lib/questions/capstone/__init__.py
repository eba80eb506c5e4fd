"""Questions of lesson 13: a threshold, labels of word pieces, spans and their F1, ranking, splits, a test."""

from course_lib.questions.capstone import (
    align_labels,
    choose_threshold,
    mcnemar,
    recall_and_ndcg,
    span_f1,
    spans,
    split_by_time,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        choose_threshold,
        mcnemar,
        split_by_time,
        recall_and_ndcg,
        align_labels,
        spans,
        span_f1,
    )
)
