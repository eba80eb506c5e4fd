"""Questions of lesson 03: norm, segments, embeddings, GELU, feed-forward part, block, pooling, the count."""

from course_lib.questions.transformer import (
    embed,
    encoder_block,
    feed_forward_part,
    gelu,
    layer_norm,
    mean_pool,
    parameters,
    segment_ids,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        layer_norm,
        segment_ids,
        embed,
        gelu,
        feed_forward_part,
        encoder_block,
        mean_pool,
        parameters,
    )
)
