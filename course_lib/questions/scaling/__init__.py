"""Questions of lesson 09: a roofline, accumulation, loss scaling, all-reduce, shards, speed-up, a plan."""

from course_lib.questions.scaling import (
    accumulated_gradient,
    all_reduce_bytes,
    loss_scaling,
    roofline,
    shard,
    speedups,
    training_days,
)

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        roofline,
        accumulated_gradient,
        loss_scaling,
        all_reduce_bytes,
        shard,
        speedups,
        training_days,
    )
)
