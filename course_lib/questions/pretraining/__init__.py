"""Questions of lesson 04: what is masked, and how; loss, perplexity; pairs of texts; the causal shift."""

from course_lib.questions.pretraining import (
    causal_shift,
    choose,
    corrupt,
    masked_loss,
    next_sentence_pairs,
    pack,
    perplexity,
    word_scores,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        choose,
        word_scores,
        corrupt,
        masked_loss,
        perplexity,
        next_sentence_pairs,
        pack,
        causal_shift,
    )
)
