"""What keeps the numbers of each vector in range: layer norm, and the RMS norm of later models."""

import keras
from keras import ops

EPSILON = 1e-12  # BERT's, inside the root of layer normalisation.


def layer_norm(x, gamma=1.0, beta=0.0, epsilon=EPSILON):
    """Layer normalisation (Ba, Kiros and Hinton 2016, arXiv:1607.06450) of the last axis.

    Args:
        x: Tensor of shape `(..., width)`.
        gamma: Gain, of shape `(width,)` or a number.
        beta: Shift, of shape `(width,)` or a number.
        epsilon: Added to the variance.

    Returns:
        Tensor of the shape of `x`: each vector minus its mean, over its standard deviation (that of all its
        components, not of a sample), times `gamma`, plus `beta`.
    """
    x = ops.convert_to_tensor(x)
    mean = ops.mean(x, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(x - mean), axis=-1, keepdims=True)
    # Not `*` and `+`: PyTorch's tensors do not take NumPy's arrays.
    return ops.add(ops.multiply(gamma, (x - mean) / ops.sqrt(variance + epsilon)), beta)


def rms_norm(x, gamma=1.0, epsilon=1e-6):
    """Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv:1910.07467) of the last axis.

    Args:
        x: Tensor of shape `(..., width)`.
        gamma: Gain, of shape `(width,)` or a number.
        epsilon: Added to the mean square.

    Returns:
        Tensor of the shape of `x`: each vector over the root of its components' mean square, times `gamma`.
        Unlike in `layer_norm`, no mean is subtracted and there is no shift.
    """
    x = ops.convert_to_tensor(x)
    return ops.multiply(gamma, x / ops.sqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + epsilon))


def norm_layer(name, **kwargs):
    """Keras' layer normalisation with BERT's epsilon."""
    return keras.layers.LayerNormalization(epsilon=EPSILON, name=name, **kwargs)
