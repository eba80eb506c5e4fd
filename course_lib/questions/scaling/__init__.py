"""Questions of lesson 09: accumulation, all-reduce, speed-up, loss scaling, shards, a roofline, a plan."""

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
        accumulated_gradient,
        loss_scaling,
        all_reduce_bytes,
        speedups,
        shard,
        roofline,
        training_days,
    )
)
