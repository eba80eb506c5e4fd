"""Positions as rotations of queries and keys."""

import numpy as np
from keras import ops


def rotate(x, positions=None, base=10_000.0):
    """Rotary position embedding (Su et al. 2021, arXiv:2104.09864) of queries or keys.

    Components 2i and 2i + 1 are a point in a plane, which turns about the origin by the angle
    `position * base ** (-2i / depth)`. The dot product of a rotated query and a rotated key then depends on
    their two positions only by the difference. `keras_hub.layers.RotaryEmbedding` pairs component i with
    i + depth / 2 instead, as many published models do: the same up to an order of the components.

    Args:
        x: Float tensor of shape `(..., length, depth)`.
        positions: Numbers of shape `(length,)`, or of any that broadcasts with `x.shape[:-1]`; None counts
            from 0.
        base: How slowly the slowest plane turns.

    Returns:
        Tensor of the shape of `x`; every vector keeps its length.

    Raises:
        ValueError: If the depth is odd.
    """
    x = ops.convert_to_tensor(x)
    depth = x.shape[-1]
    if depth % 2:
        raise ValueError(f"Rotary positions need an even depth. Received: x.shape={tuple(x.shape)}")
    # Half precision cannot tell late positions apart: bfloat16 has no 257.
    precision = "float64" if x.dtype == "float64" else "float32"
    positions = ops.arange(ops.shape(x)[-2]) if positions is None else positions
    frequencies = ops.cast(base ** (-np.arange(0, depth, 2) / depth), precision)
    angles = ops.expand_dims(ops.cast(positions, precision), -1) * frequencies
    cosine, sine = ops.cast(ops.cos(angles), x.dtype), ops.cast(ops.sin(angles), x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    rotated = ops.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1)
    return ops.reshape(rotated, ops.shape(x))
