"""What a number of noisy steps gives away: epsilon, by Google's `dp-accounting`, and by hand.

Two data sets are neighbours here if one has an example more (add or remove).
"""

import math

ORDERS = tuple(range(2, 129))


def _library():
    try:
        import dp_accounting
    except ImportError:
        raise ImportError(
            'dp-accounting, which counts epsilon, is not installed. Run `pip install "course-lib[privacy]"`.'
        ) from None
    return dp_accounting


def _event(library, noise, rate, steps):
    if noise <= 0 or not 0 < rate <= 1 or steps < 1:
        raise ValueError(
            "`noise` must be positive, `rate` above 0 and at most 1, `steps` at least 1. "
            f"Received: {noise}, {rate} and {steps}"
        )
    step = library.PoissonSampledDpEvent(rate, library.GaussianDpEvent(noise))
    return library.SelfComposedDpEvent(step, steps)


def epsilon(noise, rate, steps, delta):
    """The epsilon of DP-SGD, by privacy loss distributions (Koskela et al. 2020; Doroshenko et al. 2022).

    Args:
        noise: Standard deviation of the noise, in units of the clipping length.
        rate: Chance of an example to be in a step; 1 takes all.
        steps: Number of steps.
        delta: The chance in which epsilon may fail; keep it far below 1 / examples.

    Returns:
        A float.

    Raises:
        ImportError: Without the extra `privacy`.
        ValueError: If a number is out of range.
    """
    library = _library()
    from dp_accounting import pld

    accountant = pld.PLDAccountant(value_discretization_interval=1e-3)
    return float(accountant.compose(_event(library, noise, rate, steps)).get_epsilon(delta))


def noise_for(target, rate, steps, delta, tolerance=1e-3):
    """The least noise whose epsilon is at most a target.

    Args:
        target: The epsilon.
        rate: As in `epsilon`.
        steps: As in `epsilon`.
        delta: As in `epsilon`.
        tolerance: Of the noise.

    Returns:
        Standard deviation of the noise, in units of the clipping length.

    Raises:
        ImportError: Without the extra `privacy`.
        ValueError: If the target is not positive, or needs more noise than 1,000.
    """
    if target <= 0:
        raise ValueError(f"`target` must be positive. Received: {target}")
    low, high = 0.3, 0.6
    while epsilon(high, rate, steps, delta) > target:
        low, high = high, 2 * high
        if high > 1000:
            raise ValueError(f"No noise up to 1,000 brings epsilon down to {target}.")
    while high - low > tolerance:
        middle = (low + high) / 2
        low, high = (low, middle) if epsilon(middle, rate, steps, delta) <= target else (middle, high)
    return high


def renyi(noise, rate, order):
    """The Rényi divergence of one step (Mironov, Talwar and Zhang 2019, equation for whole orders).

    Args:
        noise: Standard deviation of the noise, in units of the clipping length.
        rate: Chance of an example to be in the step.
        order: A whole number from 2.

    Returns:
        A float; with a rate of 1 it is order / (2 noise²).
    """
    if rate == 1:
        return order / (2 * noise**2)
    terms = [
        math.log(math.comb(order, k))
        + k * math.log(rate)
        + (order - k) * math.log1p(-rate)
        + k * (k - 1) / (2 * noise**2)
        for k in range(order + 1)
    ]
    largest = max(terms)  # Taken out of the sum, which would overflow.
    return (largest + math.log(sum(math.exp(term - largest) for term in terms))) / (order - 1)


def renyi_epsilon(noise, rate, steps, delta, orders=ORDERS):
    """Epsilon by hand: divergences of steps add up; the order is the one that promises most.

    The conversion is that of Canonne, Kamath and Steinke (2020, proposition 12). It is an upper bound on
    `epsilon`.

    Args:
        noise: As in `renyi`.
        rate: As in `renyi`.
        steps: Number of steps.
        delta: As in `epsilon`.
        orders: Which orders are tried.

    Returns:
        A float.
    """
    found = [
        steps * renyi(noise, rate, order) + math.log1p(-1 / order) - math.log(delta * order) / (order - 1)
        for order in orders
    ]
    return max(0.0, min(found))
