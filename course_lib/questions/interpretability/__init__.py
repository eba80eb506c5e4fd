"""Questions of lesson 10: integrated gradients, occlusion, deletion, a control, rollout, Shapley, Holm."""

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
        integrated_gradients,
        occlusion,
        deletion_area,
        selectivity,
        attention_rollout,
        shapley,
        holm,
    )
)
