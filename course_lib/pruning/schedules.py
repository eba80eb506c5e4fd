"""How much is zero at which step.

Source: Zhu and Gupta, "To prune, or not to prune", 2017, arXiv:1710.01878.
"""


def cubic_sparsity(step, end, final, begin=0, initial=0.0):
    """Zhu and Gupta's schedule, their equation 1: fast while much is redundant, slow at the end.

    Args:
        step: Number of the training step.
        end: Step from which the sparsity is `final`.
        final: Last sparsity.
        begin: Step up to which it is `initial`.
        initial: First sparsity.

    Returns:
        The sparsity, a float.

    Raises:
        ValueError: If `end` does not come after `begin`, or a sparsity is out of range.
    """
    check_sparsity(initial)
    check_sparsity(final)
    if end <= begin:
        raise ValueError(f"`end` must come after `begin`. Received: {begin=}, {end=}")
    left = 1.0 - min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final + (initial - final) * left**3


def check_sparsity(sparsity):
    """Raises ValueError unless `sparsity` is at least 0 and below 1."""
    if not 0 <= sparsity < 1:
        raise ValueError(f"`sparsity` is a share, at least 0 and below 1. Received: {sparsity}")


def _check_schedule(sparsity, end, begin, every):
    cubic_sparsity(0, end, sparsity, begin)  # For its errors.
    if every < 1:
        raise ValueError(f"`every` must be at least 1. Received: {every}")


def _check_length(params, needed, end):
    if params.get("steps") and params["steps"] * params["epochs"] < needed:
        total = params["steps"] * params["epochs"]
        raise ValueError(f"`fit` runs {total} steps, but the schedule of pruning ends at {end}.")


def _due(step, begin, end, every):
    return begin <= step <= end and ((step - begin) % every == 0 or step == end)
