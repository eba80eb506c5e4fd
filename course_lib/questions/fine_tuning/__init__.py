"""Questions of lesson 05: loss, AdamW, schedule, early stopping, macro F1, LoRA, a head that generalises."""

from course_lib.questions.fine_tuning import (
    adamw_step,
    cross_entropy,
    early_stopping,
    head,
    lora,
    lora_parameters,
    macro_f1,
    warmup_cosine,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        cross_entropy,
        adamw_step,
        warmup_cosine,
        early_stopping,
        macro_f1,
        lora,
        lora_parameters,
        head,
    )
)
