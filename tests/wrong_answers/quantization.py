# %% quantization.scale_and_zero_point
# mistake: does not widen a range that does not hold zero
def scale_and_zero_point(low, high):
    scale = (high - low) / 255
    zero_point = -128 - round(low / scale)
    return scale, zero_point


# %% quantization.scale_and_zero_point
# mistake: the zero point of an unsigned code, 128 too large
def scale_and_zero_point(low, high):
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero_point = int(np.round(-low / scale))
    return scale, zero_point


# %% quantization.scale_and_zero_point
# mistake: widens only downwards, a range below zero is left as it is
def scale_and_zero_point(low, high):
    if low > 0:
        low = 0.0
    qmin, qmax = -128, 127
    scale = (high - low) / (qmax - qmin)
    zero_point = np.round(qmin - low / scale)
    return scale, zero_point


# %% quantization.scale_and_zero_point
# mistake: two: divides the range by 256 steps instead of 255, and cuts the zero point off with int() instead of rounding
def scale_and_zero_point(low, high):
    low = min(0.0, low)
    high = max(0.0, high)
    scale = (high - low) / 2**8
    zero_point = int(-128 - low / scale)
    return scale, zero_point


# %% quantization.quantize
# mistake: adds the zero point before rounding, which turns halves the other way where it is odd
def quantize(x, scale, zero_point):
    return np.clip(np.round(x / scale + zero_point), -128, 127).astype(np.int8)


# %% quantization.quantize
# mistake: casts to int8 before it clips, so large numbers wrap around
def quantize(x, scale, zero_point):
    q = np.round(x / scale) + zero_point
    q = q.astype("int64").astype("int8")
    return np.clip(q, -128, 127)


# %% quantization.quantize
# mistake: clips before it adds the zero point, so the codes leave the range again and wrap
def quantize(x, scale, zero_point):
    codes = np.rint(np.divide(x, scale))
    codes = np.clip(codes, -128, 127)
    codes = codes + zero_point
    return codes.astype(np.int32).astype(np.int8)


# %% quantization.quantize
# mistake: two: rounds halves up with floor(x + 0.5), and clips at -127 instead of -128
def quantize(x, scale, zero_point):
    q = np.floor(x / scale + 0.5) + zero_point
    q = np.minimum(np.maximum(q, -127), 127)
    return q.astype(np.int8)


# %% quantization.channel_scales
# mistake: takes the maximum along the outputs, a scale per input
def channel_scales(kernel):
    largest = np.max(np.abs(kernel), axis=1, keepdims=True)
    scales = largest / 127
    scales[scales == 0] = 1
    return scales


# %% quantization.channel_scales
# mistake: sets the largest magnitude of an all-zero channel to 1 before the division, so its scale is 1/127
def channel_scales(kernel):
    largest = np.abs(kernel).max(axis=0, keepdims=True)
    largest[largest == 0] = 1
    return largest / 127


# %% quantization.channel_scales
# mistake: takes the largest entry, not the largest magnitude (no abs)
def channel_scales(kernel):
    scales = np.ones((1, kernel.shape[1]))
    for j in range(kernel.shape[1]):
        largest = kernel[:, j].max()
        if largest != 0:
            scales[0, j] = largest / 127
    return scales


# %% quantization.channel_scales
# mistake: two: returns the shape (outputs,) without the first axis, and divides by 128
def channel_scales(kernel):
    largest = np.max(np.abs(kernel), axis=0)
    return np.where(largest == 0, 1.0, largest / 128)


# %% quantization.pack_int4
# mistake: the first integer goes to the upper half and the second to the lower
def pack_int4(codes):
    nibbles = codes.astype(np.uint8) & 0x0F
    if len(nibbles) % 2 == 1:
        nibbles = np.append(nibbles, np.uint8(0))
    return (nibbles[0::2] << 4) | nibbles[1::2]


# %% quantization.pack_int4
# mistake: an odd number of integers is not filled up; the halves differ in length: a ValueError from 5 integers on, wrong bytes for 3 and none for 1
def pack_int4(codes):
    unsigned = np.where(codes < 0, codes + 16, codes).astype(np.uint8)
    low = unsigned[::2]
    high = unsigned[1::2]
    return low + high * 16


# %% quantization.pack_int4
# mistake: the sign bits of a negative first integer are not masked off and spill into the upper half
def pack_int4(codes):
    codes = np.concatenate([codes, np.zeros(len(codes) % 2, dtype=codes.dtype)])
    low, high = codes[0::2], codes[1::2]
    return (low | (high << 4)).astype(np.uint8)


# %% quantization.pack_int4
# mistake: stays in int8, bytes above 127 come out as negative numbers
def pack_int4(codes):
    padded = np.zeros((len(codes) + 1) // 2 * 2, dtype=np.int8)
    padded[: len(codes)] = codes
    pairs = padded.reshape(-1, 2) & 15
    return pairs[:, 0] | (pairs[:, 1] << 4)


# %% quantization.unpack_int4
# mistake: forgets the sign, 8 to 15 stay as they are
def unpack_int4(packed, count):
    result = np.zeros(2 * len(packed), dtype=np.int8)
    result[0::2] = packed & 0x0F
    result[1::2] = packed >> 4
    return result[:count]


# %% quantization.unpack_int4
# mistake: two: puts all lower halves before all upper ones instead of alternating, and does not cut off at count
def unpack_int4(packed, count):
    low = (packed % 16).astype(np.int8)
    high = (packed // 16).astype(np.int8)
    codes = np.concatenate([low, high])
    codes[codes > 7] -= 16
    return codes


# %% quantization.unpack_int4
# mistake: subtracts 16 only above 8, so -8 comes back as 8
def unpack_int4(packed, count):
    codes = []
    for byte in packed:
        for nibble in (int(byte) & 15, int(byte) >> 4):
            codes.append(nibble - 16 if nibble > 8 else nibble)
    return np.array(codes[:count], dtype=np.int8)


# %% quantization.unpack_int4
# mistake: the arithmetic shift brings the sign back in the upper half only, the lower half stays unsigned
def unpack_int4(packed, count):
    signed = packed.astype(np.int8)
    low = signed & 0x0F
    high = signed >> 4
    return np.stack([low, high], axis=1).reshape(-1)[:count]


# %% quantization.sqnr
# mistake: takes variances, which leave out the means of the signal and of the error
def sqnr(x, approximation):
    return 10 * np.log10(np.var(x) / np.var(x - approximation))


# %% quantization.sqnr
# mistake: a small number is added to the noise against division by zero, so no error at all is not infinite
def sqnr(x, approximation):
    signal = np.sum(np.square(x))
    noise = np.sum(np.square(x - approximation))
    return 10 * np.log10(signal / (noise + 1e-12))


# %% quantization.sqnr
# mistake: 20 instead of 10 before the logarithm, though the sums are of squares already
def sqnr(x, approximation):
    error = (x - approximation).ravel()
    flat = x.ravel()
    return 20 * np.log10(np.dot(flat, flat) / np.dot(error, error))


# %% quantization.sqnr
# mistake: divides Python floats, which raises a ZeroDivisionError where there is no error
def sqnr(x, approximation):
    import math

    signal = sum(float(value) ** 2 for value in x.ravel())
    noise = sum(float(a - b) ** 2 for a, b in zip(x.ravel(), approximation.ravel()))
    return 10 * math.log10(signal / noise)


# %% quantization.percentile_range
# mistake: splits the rest between the two ends, half a hundredth each for percentile 99
def percentile_range(x, percentile):
    rest = (100 - percentile) / 2
    return np.percentile(x, rest), np.percentile(x, 100 - rest)


# %% quantization.percentile_range
# mistake: takes the percentile of the magnitudes and returns a symmetric range
def percentile_range(x, percentile):
    high = np.percentile(np.abs(x), percentile)
    return -high, high


# %% quantization.percentile_range
# mistake: picks from the sorted examples by a whole index and does not interpolate
def percentile_range(x, percentile):
    values = np.sort(x.ravel())
    skip = int(len(values) * (100 - percentile) / 100)
    return values[skip], values[-1 - skip]


# %% quantization.percentile_range
# mistake: leaves out numbers at the top only, the lower end is the minimum
def percentile_range(x, percentile):
    low = x.min()
    high = np.quantile(x, percentile / 100)
    return low, high


# %% quantization.straight_through_gradient
# mistake: decides by the rounded quotient, so 127.2 does not saturate
def straight_through_gradient(x, gradient, scale):
    q = np.round(x / scale)
    inside = (q >= -128) & (q <= 127)
    return np.where(inside, gradient, 0)


# %% quantization.straight_through_gradient
# mistake: takes a symmetric range, quotients between -128 and -127 count as saturated
def straight_through_gradient(x, gradient, scale):
    return gradient * (np.abs(x / scale) <= 127)


# %% quantization.straight_through_gradient
# mistake: compares x itself instead of its quotient with -128 and 127
def straight_through_gradient(x, gradient, scale):
    result = gradient.copy()
    result[x < -128] = 0
    result[x > 127] = 0
    return result


# %% quantization.straight_through_gradient
# mistake: two: multiplies by the scale (division and multiplication cancel), and counts exactly -128 and 127 as saturated
def straight_through_gradient(x, gradient, scale):
    quotient = x / scale
    mask = np.logical_and(quotient > -128, quotient < 127).astype(np.float32)
    return gradient * mask * scale
