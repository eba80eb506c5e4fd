"""Which range a code should cover."""

import numpy as np

from course_lib.quantization.numbers import dequantize, quantize, scale_and_zero_point


def calibrate(x, how="extremes", bits=8, percentile=99.9):
    """The range that an asymmetric code should cover, from examples of what it will meet.

    Args:
        x: Array of examples.
        how: "extremes" covers all; "percentile" leaves out as much at either end as `percentile` says; "mse"
            takes that of 100 shrunken ranges whose code has the least mean squared error on `x`.
        bits: Bits per integer, for "mse".
        percentile: From 50 to 100; 99.9 leaves out a thousandth at either end.

    Returns:
        `(low, high)`, floats.

    Raises:
        ValueError: If `how` is unknown, `percentile` out of range, or `x` empty or not finite.
    """
    x = np.asarray(x, "float64").ravel()
    if not x.size or not np.isfinite(x).all():
        wrong = np.count_nonzero(~np.isfinite(x))
        raise ValueError(f"`x` must hold finite numbers. Received: {x.size}, of which {wrong} are not finite")
    if not 50 < percentile <= 100:
        raise ValueError(f"`percentile` must be above 50 and at most 100. Received: {percentile}")
    if how == "extremes":
        return float(x.min()), float(x.max())
    if how == "percentile":
        low, high = np.percentile(x, [100 - percentile, percentile])
        return float(low), float(high)
    if how != "mse":
        raise ValueError(f'`how` must be "extremes", "percentile" or "mse". Received: {how!r}')

    def error(share):
        code = scale_and_zero_point(share * min(x.min(), 0.0), share * max(x.max(), 0.0), bits, False)
        return np.mean((dequantize(quantize(x, *code, bits), *code) - x) ** 2)

    best = min(np.linspace(1.0, 0.01, 100), key=error)
    return float(best * min(x.min(), 0.0)), float(best * max(x.max(), 0.0))
