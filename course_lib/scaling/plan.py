"""Training on paper: how long, for how much money, and what keeps more accelerators from helping.

Kaplan et al., "Scaling Laws for Neural Language Models", 2020, arXiv:2001.08361, for 6 N D; Amdahl, "Validity
of the Single Processor Approach to Achieving Large Scale Computing Capabilities", AFIPS 1967.
"""

from course_lib.scaling.collectives import all_reduce_bytes


def training_flops(parameters, tokens, recompute=False):
    """Operations of a training: 6 for each weight and token.

    Two for the forward pass, a multiplication and an addition; twice as many for the backward pass, which
    needs the gradient of the inputs and that of the weights. Attention among tokens is left out, and so are
    tables, from which rows are only looked up.

    Args:
        parameters: Weights in matrices that each token passes through.
        tokens: All that are read in the training.
        recompute: Whether the forward pass is computed a second time; 8 instead of 6 then.

    Returns:
        A number.
    """
    return (8 if recompute else 6) * parameters * tokens


def utilisation(flops, accelerators, peak, seconds):
    """The share of what accelerators could do at best that a training took.

    Args:
        flops: As `training_flops` counts them.
        accelerators: How many.
        peak: Of each of them, operations a second.
        seconds: How long it took.

    Returns:
        A float; more than 1 means that something was not counted as it should be.
    """
    return flops / (accelerators * peak * seconds)


def training_days(flops, accelerators, peak, share):
    """Days that a training takes.

    Args:
        flops: As `training_flops` counts them.
        accelerators: How many.
        peak: Of each of them, operations a second.
        share: Of the peak that it reaches, above 0 and at most 1: measured, or known from others' trainings.

    Returns:
        A float.

    Raises:
        ValueError: If `share` is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be above 0 and at most 1. Received: share={share}")
    return flops / (accelerators * peak * share) / 86_400


def amdahl(parallel, workers):
    """How many times faster work is on some workers, if a part of it cannot be shared.

    Args:
        parallel: The share of the time on one worker that can be shared, from 0 to 1.
        workers: How many.

    Returns:
        A float, at most `1 / (1 - parallel)`.

    Raises:
        ValueError: If `parallel` or `workers` is out of range.
    """
    if not 0 <= parallel <= 1 or workers < 1:
        raise ValueError(
            f"`parallel` must be from 0 to 1, `workers` at least 1. Received: {parallel} and {workers}"
        )
    return 1 / (1 - parallel + parallel / workers)


def step_seconds(compute, size, workers, bandwidth):
    """Seconds of a data-parallel step with a given global batch: computing is shared, sending is not.

    Args:
        compute: Seconds of the whole batch on one worker.
        size: Bytes of the gradients.
        workers: How many.
        bandwidth: Bytes a second that a worker can send.

    Returns:
        A float. It assumes that sending begins when computing ends; frameworks let them overlap in part.
    """
    return compute / workers + all_reduce_bytes(size, workers) / bandwidth
