"""Questions of lesson 10: rollout, integrated gradients, occlusion, Shapley, deletion, a control, Holm."""

from course_lib.questions.interpretability import (
    attention_rollout,
    deletion_area,
    holm,
    integrated_gradients,
    occlusion,
    selectivity,
    shapley,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        attention_rollout,
        integrated_gradients,
        occlusion,
        shapley,
        deletion_area,
        selectivity,
        holm,
    )
)
