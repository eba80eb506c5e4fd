"""Questions of lesson 11: clipping and noise, a budget, averaging, masks, membership twice, words."""

from course_lib.questions.privacy import (
    federated_average,
    membership_auc,
    noise_for,
    pairwise_masks,
    private_gradient,
    true_positives,
    words_used,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        membership_auc,
        true_positives,
        words_used,
        private_gradient,
        noise_for,
        federated_average,
        pairwise_masks,
    )
)
