"""Codes: numbers as integers of few bits, and back."""

import numpy as np


def scale_and_zero_point(low, high, bits=8, symmetric=True):
    """The code for numbers from `low` to `high` (Jacob et al. 2018, section 2.1).

    A symmetric code spends its integers on both sides of zero equally and leaves the lowest one unused; an
    asymmetric one puts them all between `low` and `high`. Zero is always represented exactly, so the range is
    widened to hold it.

    Args:
        low: Least number, an array of any shape.
        high: Greatest number, of the same shape.
        bits: Bits per integer, from 2 to 16.
        symmetric: Whether the zero point is 0.

    Returns:
        `(scale, zero_point)`, float32 and int32 arrays of that shape; where there is only zero, 1 and 0.

    Raises:
        ValueError: If `low` exceeds `high` somewhere, a number is not finite, or `bits` is out of range.
    """
    least, most = integers(bits)
    low, high = np.asarray(low, "float64"), np.asarray(high, "float64")
    wrong = np.atleast_1d(~(np.isfinite(low) & np.isfinite(high) & (low <= high)))
    if wrong.any():
        received = (
            f"{low=}, {high=}" if wrong.size == 1 else f"{wrong.sum()} of {wrong.size} ranges are not so"
        )
        raise ValueError(f"`low` must not exceed `high`, both finite. Received: {received}")
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    scale = np.maximum(-low, high) / most if symmetric else (high - low) / (most - least)
    scale = np.where(scale.astype("float32") > 0, scale, 1.0)
    zero_point = np.zeros_like(scale) if symmetric else np.clip(np.rint(least - low / scale), least, most)
    return scale.astype("float32"), zero_point.astype("int32")


def integers(bits):
    """The least and the largest integer of `bits` bits."""
    if bits not in range(2, 17):
        raise ValueError(f"`bits` must be a whole number from 2 to 16. Received: {bits}")
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def quantize(x, scale, zero_point=0, bits=8):
    """Rounds numbers to their code; those outside the range saturate at its ends.

    Args:
        x: Array.
        scale: Array that broadcasts to the shape of `x`.
        zero_point: Integers that broadcast to the shape of `x`.
        bits: Bits per integer, from 2 to 16.

    Returns:
        Integers of the shape of `x`: int8, or int16 from 9 bits on. Halves go to the even neighbour.

    Raises:
        ValueError: If `bits` is out of range, or a number is NaN, which has no code.
    """
    least, most = integers(bits)
    codes = np.rint(np.asarray(x, "float64") / scale) + zero_point
    if wrong := np.count_nonzero(np.isnan(codes)):
        raise ValueError(f"NaN has no code. Received: {wrong} of {np.size(codes)}, or scales of 0")
    return np.clip(codes, least, most).astype("int8" if bits <= 8 else "int16")


def dequantize(codes, scale, zero_point=0):
    """The numbers that codes stand for, in float32: scale · (codes − zero_point)."""
    return ((np.asarray(codes, "float64") - zero_point) * scale).astype("float32")


def channel_scales(kernel, bits=8, axis=-1):
    """Symmetric scales, one per channel.

    Args:
        kernel: Array.
        bits: Bits per integer.
        axis: The axis of the channels; the outputs, so that a sum over inputs has one scale. None gives the
            whole array a single scale.

    Returns:
        Float32 array that broadcasts to the kernel: its other axes have length 1.
    """
    kernel = np.asarray(kernel)
    others = None if axis is None else tuple(i for i in range(kernel.ndim) if i != axis % kernel.ndim)
    largest = np.abs(kernel).max(axis=others, keepdims=True)
    return scale_and_zero_point(-largest, largest, bits)[0]


def quantize_groups(kernel, bits=4, group_size=64):
    """Symmetric codes with a scale for every group of consecutive inputs of an output.

    Args:
        kernel: Array of shape `(inputs, outputs)`.
        bits: Bits per integer, from 2 to 8.
        group_size: Inputs per group.

    Returns:
        `(codes, scales)`, int8 of the kernel's shape and float32 of shape
        `(inputs / group_size, outputs)`.

    Raises:
        ValueError: If the kernel has not two axes or `group_size` does not divide its inputs.
    """
    kernel = np.asarray(kernel)
    check_groups(kernel.shape, group_size)
    groups = kernel.reshape(-1, group_size, kernel.shape[1])
    largest = np.abs(groups).max(axis=1, keepdims=True)
    scales = scale_and_zero_point(-largest, largest, bits)[0]
    return quantize(groups, scales, bits=bits).reshape(kernel.shape), scales[:, 0]


def dequantize_groups(codes, scales):
    """The kernel that `quantize_groups` stands for, float32 of shape `(inputs, outputs)`."""
    return dequantize(codes, np.repeat(scales, len(codes) // len(scales), axis=0))


def check_groups(shape, group_size, name="The kernel"):
    """Raises a ValueError unless groups of inputs of this size divide a kernel of this shape."""
    if len(shape) != 2:
        raise ValueError(f"{name} must have two axes, inputs and outputs. Received the shape {tuple(shape)}")
    if not isinstance(group_size, (int, np.integer)) or group_size < 1 or shape[0] % group_size:
        raise ValueError(
            f"{name} has {shape[0]} inputs, which groups of {group_size} do not divide. Take a divisor, such "
            f"as {max(d for d in range(1, 129) if shape[0] % d == 0)}, or None for one scale per output."
        )


def round_trip(values, bits, group_size=None):
    """What is left of a table after quantization, symmetric, with a scale per output or per group of inputs.

    Args:
        values: Array; its last axis are the outputs. Pass an embedding turned, `table.T`, so that each of its
            rows, or group of a row, has its scale.
        bits: Bits per integer.
        group_size: Inputs that share a scale; None has one per output.

    Returns:
        Float32 array of the same shape.

    Raises:
        ValueError: If `group_size` does not divide the inputs.
    """
    if group_size is None:
        scale = channel_scales(values, bits)
        return dequantize(quantize(values, scale, bits=bits), scale)
    return dequantize_groups(*quantize_groups(values, bits, group_size))


def pack_int4(codes):
    """Two 4-bit integers to a byte, the first in the low half, in two's complement.

    Args:
        codes: Integers from -8 to 7, of any shape.

    Returns:
        Uint8 array of shape `(ceil(size / 2),)`; the last half byte of an odd number is 0.

    Raises:
        ValueError: If an integer is out of range.
    """
    codes = np.asarray(codes).ravel()
    if codes.size and not (codes.min() >= -8 and codes.max() <= 7):
        raise ValueError(f"4 bits hold -8 to 7. Received: {codes.min()} to {codes.max()}")
    halves = np.pad(codes, (0, codes.size % 2)).astype("uint8") & 0xF
    return halves[::2] | halves[1::2] << 4


def unpack_int4(packed, shape):
    """The inverse of `pack_int4`.

    Args:
        packed: Uint8 array.
        shape: Shape of the integers.

    Returns:
        Int8 array of that shape.

    Raises:
        ValueError: If the number of bytes does not fit the shape.
    """
    count = int(np.prod(shape))
    packed = np.asarray(packed, "uint8")
    if packed.shape != ((count + 1) // 2,):
        raise ValueError(f"{tuple(shape)} takes {(count + 1) // 2} bytes. Received the shape {packed.shape}")
    halves = np.stack([packed & 0xF, packed >> 4], axis=-1).ravel()[:count].astype("int8")
    return np.where(halves > 7, halves - 16, halves).astype("int8").reshape(shape)


def sqnr(x, approximation):
    """Signal-to-quantization-noise ratio in decibels: 10 log10(sum of squares of x / of the errors).

    Infinite where there is no error.

    Args:
        x: Array.
        approximation: Array of the same shape.

    Returns:
        A float.

    Raises:
        ValueError: If the shapes differ or `x` is zero everywhere.
    """
    x, approximation = np.asarray(x, "float64"), np.asarray(approximation, "float64")
    if x.shape != approximation.shape or not np.any(x):
        raise ValueError(f"Two arrays of one shape, not all zero. Received: {x.shape}, {approximation.shape}")
    noise = np.sum((x - approximation) ** 2)
    return float(10 * np.log10(np.sum(x**2) / noise)) if noise else float("inf")
