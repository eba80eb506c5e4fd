"""Questions of lesson 12: two AdamWs, attention's weights moved, names, defaults, a port's fault, times."""

from course_lib.questions.frameworks import (
    adamw_training,
    attention_to_torch,
    first_difference,
    load_report,
    norm_then_gelu,
    speed_ratios,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        norm_then_gelu,
        attention_to_torch,
        load_report,
        first_difference,
        adamw_training,
        speed_ratios,
    )
)
