"""Quantization-aware training."""

import keras
import numpy as np
from keras import ops

from course_lib import pruning
from course_lib.quantization.axes import input_axes
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
    low, high = least * scale, most * scale
    inside = ops.logical_and(x >= low, x <= high)
    # Not `clip` alone: at an end of the range JAX halves its gradient.
    clipped = ops.where(inside, x, ops.stop_gradient(ops.clip(x, low, high)))
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


@keras.saving.register_keras_serializable(package="course_lib")
class QuantizationAware(pruning.Reparameterised):
    """A model that is trained with rounded kernels and gets used to them (Jacob et al. 2018, section 3).

    The stored kernels stay in full precision and collect small steps; what the model computes with is rounded
    anew at each call, and the gradient passes straight through. `strip` it when it is trained.

    The kernels are those of `pruning.kernels`; embeddings are not among them. Scales lie as in `input_axes`.

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
        kernels = pruning.kernels(model, spare)
        inputs = input_axes(model, kernels.values())
        self._inputs = {path: inputs[id(each)] for path, each in kernels.items()}
        if group_size is not None:
            for path, each in kernels.items():
                check_groups(self._matrix(path, each.shape)[1], group_size, path)

    def _matrix(self, path, shape):
        """In which order a kernel's axes give a matrix of inputs and outputs, and its shape."""
        inputs = self._inputs[path]
        order = (*inputs, *(axis for axis in range(len(shape)) if axis not in inputs))
        count = int(np.prod([shape[axis] for axis in inputs]))
        return order, (count, int(np.prod(shape)) // count)

    def transform(self, path, kernel):
        """The rounded kernel."""
        order, (count, outputs) = self._matrix(path, kernel.shape)
        # In half precision a small scale would be 0, and 0 / 0 is no number.
        wide = ops.cast(kernel, keras.backend.result_type(kernel.dtype, "float32"))
        groups = ops.reshape(ops.transpose(wide, order), (-1, self.group_size or count, outputs))
        largest = ops.stop_gradient(ops.max(ops.abs(groups), axis=1, keepdims=True))
        # A channel of zeros, or of what float32 can hardly hold, has any scale: all its codes are 0.
        scale = ops.where(largest > 1e-30, largest, 1.0) / integers(self.bits)[1]
        rounded = ops.reshape(fake_quantize(groups, scale, self.bits), [kernel.shape[axis] for axis in order])
        return ops.cast(ops.transpose(rounded, np.argsort(order).tolist()), kernel.dtype)

    def get_config(self):
        """Returns the arguments that make the same model again."""
        return {**super().get_config(), "bits": self.bits, "group_size": self.group_size}
