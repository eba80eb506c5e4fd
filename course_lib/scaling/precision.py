"""Sixteen bits: what becomes of gradients in them, and the scale that saves them.

Micikevicius et al., "Mixed Precision Training", ICLR 2018, arXiv:1710.03740.
"""

import numpy as np


def underflow(values, dtype="float16", scale=1.0):
    """The share of numbers other than zero that become zero in another type.

    Args:
        values: Array of floats.
        dtype: Such as `"float16"` or `"bfloat16"`.
        scale: What they are multiplied by before.

    Returns:
        A float from 0 to 1.
    """
    if dtype == "bfloat16":
        from ml_dtypes import bfloat16 as dtype  # NumPy itself has no such type.
    values = np.asarray(values, "float32")
    values = values[values != 0]
    if not values.size:
        return 0.0
    with np.errstate(over="ignore"):
        return float(np.mean((values * np.float32(scale)).astype(dtype) == 0))


class LossScale:
    """The loss' factor that keeps gradients inside float16: halved when one overflows, doubled at times.

    Args:
        scale: To begin with.
        growth_steps: After how many good steps in a row it is doubled.

    Attributes:
        scale: The factor now.
    """

    def __init__(self, scale=2.0**15, growth_steps=2000):
        self.scale, self.growth_steps, self._good = scale, growth_steps, 0

    def update(self, gradients):
        """Takes the gradients of the scaled loss.

        Args:
            gradients: List of arrays.

        Returns:
            The gradients of the loss itself, in float32; None if one is infinite or undefined: that step is
            to be skipped.
        """
        scale = self.scale
        if not all(np.isfinite(each).all() for each in gradients):
            self.scale, self._good = scale / 2, 0
            return None
        self._good += 1
        if self._good == self.growth_steps:
            self.scale, self._good = scale * 2, 0
        return [np.asarray(each, "float32") / scale for each in gradients]
