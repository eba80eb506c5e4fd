"""Quantization-aware training."""

import numpy as np
from keras import ops

from course_lib import pruning
from course_lib.quantization.numbers import check_groups, integers


def fake_quantize(x, scale, bits=8):
    """Rounds to the numbers that a symmetric code can hold, with a gradient that ignores the rounding.

    The straight-through estimator (Bengio et al. 2013): inside the range the gradient passes as if nothing
    had happened, where numbers saturate it is 0.

    Args:
        x: Float tensor.
        scale: Tensor that broadcasts to its shape.
        bits: Bits per integer.

    Returns:
        Tensor of the shape and dtype of `x`.
    """
    least, most = integers(bits)
    clipped = ops.clip(x, least * scale, most * scale)
    return clipped + ops.stop_gradient(ops.round(clipped / scale) * scale - clipped)


def straight_through_gradient(x, gradient, scale, bits=8):
    """What `fake_quantize` hands back in training, in NumPy.

    Args:
        x: Array that was quantized.
        gradient: Gradient of the loss by the quantized numbers, of the same shape.
        scale: The scale.
        bits: Bits per integer.

    Returns:
        Gradient of the loss by `x`: `gradient` where `x / scale` is within the range, both ends included, and
        0 elsewhere.
    """
    least, most = integers(bits)
    x = np.asarray(x)
    return np.where((least * scale <= x) & (x <= most * scale), gradient, 0.0)


class QuantizationAware(pruning.Reparameterised):
    """A model that is trained with rounded kernels and gets used to them (Jacob et al. 2018, section 3).

    The stored kernels stay in full precision and collect small steps; what the model computes with is rounded
    anew at each call, and the gradient passes straight through. `strip` it when it is trained.

    Args:
        model: A built `keras.Model`.
        bits: Bits per integer.
        group_size: As in `round_weights`.
        spare: As in `pruning.kernels`.
        **kwargs: `name` and so on.

    Raises:
        ValueError: As `round_weights`.
    """

    def __init__(self, model, bits=4, group_size=None, spare=(), **kwargs):
        super().__init__(model, spare, **kwargs)
        integers(bits)
        self.bits, self.group_size = bits, group_size
        if group_size is not None:
            for path, kernel in self._found.items():
                check_groups(kernel.shape, group_size, path)

    def transform(self, path, kernel):
        """The rounded kernel."""
        shape = kernel.shape
        if self.group_size is not None:
            kernel = ops.reshape(kernel, (-1, self.group_size, shape[-1]))
        axes = tuple(range(len(shape) - 1)) if self.group_size is None else 1
        largest = ops.max(ops.abs(kernel), axis=axes, keepdims=True)
        scale = ops.stop_gradient(ops.maximum(largest, 1e-12)) / integers(self.bits)[1]
        return ops.reshape(fake_quantize(kernel, scale, self.bits), shape)
