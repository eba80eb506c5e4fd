"""Questions of lesson 02: cleaning, duplicates, splits, agreement, WordPiece, cuts, padding, batches."""

from course_lib.questions.imdb import (
    batches_by_length,
    clean,
    cohen_kappa,
    duplicate_groups,
    pad,
    split,
    truncate,
    wordpiece,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        clean,
        duplicate_groups,
        split,
        cohen_kappa,
        wordpiece,
        truncate,
        pad,
        batches_by_length,
    )
)
