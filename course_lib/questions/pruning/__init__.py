"""Questions of lesson 06: masks by magnitude, the cubic schedule, 2:4, heads removed, low-rank factors."""

from course_lib.questions.pruning import (
    cubic_sparsity,
    global_masks,
    low_rank,
    magnitude_mask,
    rank_for_budget,
    remove_head,
    two_of_four,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        magnitude_mask,
        global_masks,
        cubic_sparsity,
        two_of_four,
        remove_head,
        rank_for_budget,
        low_rank,
    )
)
