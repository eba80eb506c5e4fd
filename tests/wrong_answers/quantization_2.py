# %% quantization.scale_and_zero_point
# mistake: does not widen the range so that it holds zero
def scale_and_zero_point(low, high):
    scale = (high - low) / 255
    zero_point = round(-128 - low / scale)
    return scale, zero_point

# %% quantization.scale_and_zero_point
# mistake: divides by 256, the number of integers, not by the 255 steps between them
def scale_and_zero_point(low, high):
    low = min(low, 0.0)
    high = max(high, 0.0)
    scale = (high - low) / 256
    zero_point = round(-128 - low / scale)
    return scale, zero_point

# %% quantization.scale_and_zero_point
# mistake: the zero point is that of an unsigned code (0 to 255), the -128 is forgotten
def scale_and_zero_point(low, high):
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero_point = int(np.round(-low / scale))
    return scale, zero_point

# %% quantization.quantize
# mistake: clips the rounded quotient before adding the zero point, so that the sum wraps or is too narrow
def quantize(x, scale, zero_point):
    q = np.clip(np.round(x / scale), -128, 127)
    return (q + zero_point).astype(np.int8)

# %% quantization.quantize
# mistake: no saturation, the cast wraps around
def quantize(x, scale, zero_point):
    return (np.rint(x / scale) + zero_point).astype(np.int32).astype(np.int8)

# %% quantization.quantize
# mistake: adds the zero point before rounding, so with an odd zero point halves go to the wrong side
def quantize(x, scale, zero_point):
    q = np.round(x / scale + zero_point)
    return np.clip(q, -128, 127).astype(np.int8)

# %% quantization.channel_scales
# mistake: takes the maximum over the outputs (axis 1) instead of the inputs, and reshapes to fit
def channel_scales(kernel):
    scales = np.abs(kernel).max(axis=1) / 127
    scales[scales == 0] = 1
    return scales.reshape(1, -1)

# %% quantization.channel_scales
# mistake: forgets the magnitude: the maximum of the signed weights
def channel_scales(kernel):
    scales = kernel.max(axis=0, keepdims=True) / 127
    return np.where(scales == 0, 1.0, scales)

# %% quantization.channel_scales
# mistake: zero channels get the largest magnitude 1, so the scale 1/127 and not 1
def channel_scales(kernel):
    largest = np.max(np.abs(kernel), axis=0, keepdims=True)
    largest[largest == 0] = 1
    return largest / 127

# %% quantization.pack_int4
# mistake: first integer in the upper half
def pack_int4(codes):
    nibbles = codes.astype(np.uint8) & 15
    if len(nibbles) % 2:
        nibbles = np.append(nibbles, np.uint8(0))
    return (nibbles[0::2] << 4) | nibbles[1::2]

# %% quantization.pack_int4
# mistake: does not mask the first of each pair, so the sign bits of a negative one spill into the upper half
def pack_int4(codes):
    if len(codes) % 2 == 1:
        codes = np.concatenate([codes, np.zeros(1, np.int8)])
    low = codes[::2].astype(np.uint8)
    high = codes[1::2].astype(np.uint8)
    return low | (high << 4)

# %% quantization.pack_int4
# mistake: pairs the first half of the codes with the second half instead of neighbours
def pack_int4(codes):
    nibbles = np.where(codes < 0, codes.astype(int) + 16, codes)
    if nibbles.size % 2:
        nibbles = np.append(nibbles, 0)
    half = nibbles.size // 2
    return (nibbles[:half] + 16 * nibbles[half:]).astype(np.uint8)

# %% quantization.unpack_int4
# mistake: forgets the sign: integers from 0 to 15
def unpack_int4(packed, count):
    out = np.zeros(2 * len(packed), dtype=np.int8)
    out[0::2] = packed & 0x0F
    out[1::2] = packed >> 4
    return out[:count]

# %% quantization.unpack_int4
# mistake: sign-magnitude: bit 3 taken as a minus sign before the other three bits
def unpack_int4(packed, count):
    nibbles = np.stack([packed & 15, packed >> 4], axis=1).ravel().astype(np.int8)
    magnitude = nibbles & 7
    values = np.where(nibbles & 8, -magnitude, magnitude)
    return values[:count].astype(np.int8)

# %% quantization.unpack_int4
# mistake: 8 is taken as +8 (condition > 8 instead of >= 8)
def unpack_int4(packed, count):
    nibbles = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1).astype(np.int8)
    nibbles[nibbles > 8] -= 16
    return nibbles[:count]

# %% quantization.sqnr
# mistake: 20 log10 of a ratio of squared sums
def sqnr(x, approximation):
    noise = np.sum((x - approximation) ** 2)
    return 20 * np.log10(np.sum(x**2) / noise)

# %% quantization.sqnr
# mistake: a small epsilon in the denominator, so no error gives a large finite number
def sqnr(x, approximation):
    signal = np.sum(x**2)
    noise = np.sum((x - approximation) ** 2)
    return 10 * np.log10(signal / (noise + 1e-12))

# %% quantization.sqnr
# mistake: the natural logarithm
def sqnr(x, approximation):
    return 10 * np.log(np.sum(x**2) / np.sum((x - approximation) ** 2))

# %% quantization.percentile_range
# mistake: splits the hundredth over both ends: half at the bottom and half at the top
def percentile_range(x, percentile):
    tail = (100 - percentile) / 2
    return np.percentile(x, tail), np.percentile(x, 100 - tail)

# %% quantization.percentile_range
# mistake: symmetric range from the percentile of the magnitudes
def percentile_range(x, percentile):
    bound = np.percentile(np.abs(x), percentile)
    return -bound, bound

# %% quantization.percentile_range
# mistake: percentile along the first axis only, an array of ranges for arrays of more dimensions
def percentile_range(x, percentile):
    low, high = np.percentile(x, [100 - percentile, percentile], axis=0)
    return low, high

# %% quantization.straight_through_gradient
# mistake: passes the gradient everywhere, also where numbers saturate
def straight_through_gradient(x, gradient, scale):
    return gradient.copy()

# %% quantization.straight_through_gradient
# mistake: decides saturation by the rounded quotient
def straight_through_gradient(x, gradient, scale):
    q = np.round(x / scale)
    inside = (q >= -128) & (q <= 127)
    return gradient * inside

# %% quantization.straight_through_gradient
# mistake: multiplies the gradient by the scale (the division on the way in is forgotten)
def straight_through_gradient(x, gradient, scale):
    quotient = x / scale
    inside = (quotient >= -128) & (quotient <= 127)
    return np.where(inside, gradient * scale, 0)
