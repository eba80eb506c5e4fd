"""Questions of lesson 01: softmax, attention, masks, heads, positions, the gradient and the cost."""

from course_lib.questions.attention import (
    causal_mask,
    gradients,
    join_heads,
    multiplications,
    scaled_dot_product,
    sinusoidal_positions,
    softmax,
    split_heads,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        softmax,
        scaled_dot_product,
        causal_mask,
        split_heads,
        join_heads,
        sinusoidal_positions,
        gradients,
        multiplications,
    )
)
