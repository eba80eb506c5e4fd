"""Lesson 07: numbers of few bits, by hand, with Keras and with LiteRT.

An affine code stores x as the integer q with x ≈ scale · (q − zero_point). It is symmetric when the zero
point is 0. Integers of b bits are signed: from −2^(b−1) to 2^(b−1) − 1.

Sources: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, arXiv:1712.05877; Krishnamoorthi, 2018, arXiv:1806.08342; Bengio, Léonard and
Courville, 2013, arXiv:1308.3432, for the straight-through estimator.
"""

import contextlib
import gc
import inspect
import json
import os
import pathlib
import re
import sys
import tempfile
import warnings
import zipfile

import keras
import numpy as np
from keras import ops

from course_lib import imdb, pruning, runtime, transformer

# Codes


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
    least, most = _integers(bits)
    low, high = np.asarray(low, "float64"), np.asarray(high, "float64")
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
        raise ValueError(f"`low` must not exceed `high`, both finite. Received: {low=}, {high=}")
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    scale = np.maximum(-low, high) / most if symmetric else (high - low) / (most - least)
    scale = np.where(scale > 0, scale, 1.0)
    zero_point = np.zeros_like(scale) if symmetric else np.clip(np.rint(least - low / scale), least, most)
    return scale.astype("float32"), zero_point.astype("int32")


def _integers(bits):
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
        ValueError: If `bits` is out of range.
    """
    least, most = _integers(bits)
    codes = np.rint(np.asarray(x, "float64") / scale) + zero_point
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
    _check_groups(kernel.shape, group_size)
    groups = kernel.reshape(-1, group_size, kernel.shape[1])
    largest = np.abs(groups).max(axis=1, keepdims=True)
    scales = scale_and_zero_point(-largest, largest, bits)[0]
    return quantize(groups, scales, bits=bits).reshape(kernel.shape), scales[:, 0]


def dequantize_groups(codes, scales):
    """The kernel that `quantize_groups` stands for, float32 of shape `(inputs, outputs)`."""
    return dequantize(codes, np.repeat(scales, len(codes) // len(scales), axis=0))


def _check_groups(shape, group_size, name="The kernel"):
    if len(shape) != 2:
        raise ValueError(f"{name} must have two axes, inputs and outputs. Received the shape {tuple(shape)}")
    if group_size < 1 or shape[0] % group_size:
        raise ValueError(
            f"{name} has {shape[0]} inputs, which groups of {group_size} do not divide. Take a divisor, such "
            f"as {max(d for d in range(1, 129) if shape[0] % d == 0)}."
        )


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


# Calibration


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
        ValueError: If `how` is unknown, or `percentile` out of range.
    """
    x = np.asarray(x, "float64").ravel()
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


# Quantization-aware training


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
    least, most = _integers(bits)
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
    least, most = _integers(bits)
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
        _integers(bits)
        self.bits, self.group_size = bits, group_size
        if group_size is not None:
            for path, kernel in self._found.items():
                _check_groups(kernel.shape, group_size, path)

    def transform(self, path, kernel):
        """The rounded kernel."""
        shape = kernel.shape
        if self.group_size is not None:
            kernel = ops.reshape(kernel, (-1, self.group_size, shape[-1]))
        axes = tuple(range(len(shape) - 1)) if self.group_size is None else 1
        largest = ops.max(ops.abs(kernel), axis=axes, keepdims=True)
        scale = ops.stop_gradient(ops.maximum(largest, 1e-12)) / _integers(self.bits)[1]
        return ops.reshape(fake_quantize(kernel, scale, self.bits), shape)


# A whole model


def tables(model):
    """The weights that are worth few bits: kernels and embedding tables; the rest is a percent.

    Args:
        model: A built `keras.Model`.

    Returns:
        Dict from path to variable.

    Raises:
        ValueError: If the model is not built, has none, or is quantized already.
    """
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built: call it on a batch, or `build` it, first.")
    codes = [
        variable.path for variable in model.variables if "int" in str(variable.dtype) and _is_table(variable)
    ]
    if codes:
        raise ValueError(f"The model {model.name!r} is quantized already: {codes[0]} holds integers.")
    found = {variable.path: variable for variable in model.variables if _is_table(variable)}
    if not found:
        raise ValueError(f"The model {model.name!r} has no layer with a kernel or a table of embeddings.")
    return found


def _is_table(variable):
    return variable.name in ("kernel", "embeddings") and len(variable.shape) > 1


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


def round_weights(model, bits, group_size=None):
    """Rounds all tables of a model to `bits` bits, in place; they stay float32.

    It shows what quantization does to accuracy, whatever format the integers are stored in.

    Args:
        model: A built `keras.Model`.
        bits: Bits per integer, from 2 to 8.
        group_size: Inputs that share a scale; None has one per output, and per row of an embedding.

    Returns:
        The model.

    Raises:
        ValueError: As `tables`, or if `group_size` does not divide some table; the model is then unchanged.
    """
    found = {path: _turned(path, variable) for path, variable in tables(model).items()}
    for path, value in found.items():
        if group_size is not None:
            _check_groups(value.shape, group_size, path)
    for path, variable in tables(model).items():
        value = round_trip(found[path], bits, group_size)
        variable.assign(value.T if path.endswith("embeddings") else value)
    return model


def _turned(path, variable):
    value = ops.convert_to_numpy(variable)
    return value.T if path.endswith("embeddings") else value


def save(model, path, bits=4, group_size=64):
    """Writes a model's weights with few bits per number: tables as packed integers, the rest in float32.

    The scales are float16. The file is of the kind "weights plus code": the same network must be built before
    `load` fills it.

    Args:
        model: A built `keras.Model`, not quantized.
        path: The file; it is replaced only when the new one is complete.
        bits: 4 or 8.
        group_size: Inputs that share a scale; for an embedding, numbers of a row.

    Raises:
        ValueError: As `round_weights`, or if `bits` is another.
    """
    if bits not in (4, 8):
        raise ValueError(f"`bits` must be 4 or 8. Received: {bits}")
    found = tables(model)
    for name, variable in found.items():
        _check_groups(_turned(name, variable).shape, group_size, name)
    arrays, names = {}, []
    for i, variable in enumerate(model.weights):
        names.append([variable.path, list(variable.shape)])
        if variable.path not in found:
            arrays[f"{i}"] = ops.convert_to_numpy(variable).astype("float32")
            continue
        values = _turned(variable.path, variable)
        scales = quantize_groups(values, bits, group_size)[1].astype("float16")
        scales = np.maximum(scales, np.finfo("float16").smallest_subnormal)
        # Rounded with the scales as they are stored.
        codes = quantize(values, np.repeat(scales.astype("float32"), group_size, axis=0), bits=bits)
        arrays[f"{i}"] = pack_int4(codes) if bits == 4 else codes
        arrays[f"{i}_scales"] = scales
    header = json.dumps({"bits": bits, "weights": names})
    with runtime.atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, header=np.array(header), **arrays)


def load(model, path):
    """Fills a model from a file that `save` wrote.

    Args:
        model: A built `keras.Model` of the same network, not quantized.
        path: The file.

    Returns:
        The model.

    Raises:
        ValueError: If the file is of another network or holds something else; the model is then unchanged,
            and nothing in the file is executed.
    """
    found = tables(model)
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            bits, names = header["bits"], header["weights"]
            arrays = {name: file[name] for name in file.files if name != "header"}
    except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no weights that `save` wrote: {error}") from None
    if names != [[variable.path, list(variable.shape)] for variable in model.weights]:
        raise ValueError(f"{path} is of another network than {model.name!r}: names or shapes differ.")
    try:
        values = [
            _unpacked(arrays, i, name, shape, bits) if name in found else arrays[f"{i}"].reshape(shape)
            for i, (name, shape) in enumerate(names)
        ]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no weights that `save` wrote: {error}") from None
    model.set_weights(values)
    return model


def _unpacked(arrays, i, name, shape, bits):
    shape = shape[::-1] if name.endswith("embeddings") else shape
    codes = unpack_int4(arrays[f"{i}"], shape) if bits == 4 else arrays[f"{i}"].reshape(shape)
    scales = arrays[f"{i}_scales"].astype("float32")
    if scales.shape[1:] != tuple(shape[1:]) or shape[0] % len(scales):
        raise ValueError(f"the scales of {name} do not fit it")
    value = dequantize_groups(codes, scales)
    return value.T if name.endswith("embeddings") else value


MODES = ("int8", "int4", "float8", "gptq", "awq")


def quantize_model(model, mode, group_size=None, samples=None, spare=()):
    """Quantizes a model in place with Keras' own `quantize`, with the errors it lacks.

    Dense layers and embeddings of Keras become integers; layers of your own keep their other weights.

    Args:
        model: A built `keras.Model`.
        mode: "int8" (products of integers too), "int4" (weights only), "float8" (for training on hardware
            that has it), "gptq" or "awq" (4 bits, chosen with `samples`).
        group_size: Inputs that share a scale, for the modes of 4 bits; None has one per output.
        samples: For "gptq" and "awq", on an `encoder` or a classifier on one: integers of shape
            `(texts, length)`, token ids without padding.
        spare: Regular expressions; layers in whose path one is found keep their weights.

    Returns:
        The model.

    Raises:
        ValueError: If the model is not built, quantized already or without a layer that Keras can quantize;
            if the installed Keras does not know the mode; if `group_size` does not divide a kernel's inputs.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(MODES)}. Received: {mode!r}")
    known = tables(model)
    layers = [layer for layer in _leaves(model) if _quantizable(layer) and not _is_spared(layer, spare)]
    if not layers:
        raise ValueError(f"The model {model.name!r} has no layer that Keras can quantize, or all are spared.")
    if any(layer.quantization_mode for layer in layers):
        raise ValueError(f"The model {model.name!r} is quantized already.")
    if group_size is not None and mode in ("int8", "float8"):
        raise ValueError(f"{mode} has no groups. Received: {group_size=}")
    if group_size is not None:
        for layer in layers:
            for variable in layer.variables:
                if variable.path in known:
                    _check_groups(_turned(variable.path, variable).shape, group_size, variable.path)
    config = None
    if mode == "int4":
        config = _groups_of_int4(group_size)
    elif mode in ("gptq", "awq"):
        config = _calibrated(model, mode, group_size, samples)
    gc.freeze()  # Keras collects garbage after every layer; without what is here already that is quick.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # That a layer without kernel is left as it is.
            model.quantize(mode, config=config, filters=lambda layer: any(layer is each for each in layers))
    finally:
        gc.unfreeze()
    return model


def _leaves(model):
    return [layer for layer in model._flatten_layers() if len(list(layer._flatten_layers())) == 1]


def _quantizable(layer):
    return isinstance(layer, keras.layers.Dense | keras.layers.EinsumDense | keras.layers.Embedding)


def _is_spared(layer, spare):
    return any(re.search(pattern, layer.path or layer.name) for pattern in spare)


def _groups_of_int4(group_size):
    config = getattr(keras.quantizers, "Int4QuantizationConfig", None)
    if config is not None and "block_size" in inspect.signature(config).parameters:
        return config(block_size=group_size)
    if group_size is not None:
        raise ValueError(f"Keras {keras.__version__} has no groups in int4; keras>=3.15 has.")
    return None  # Older ones have a scale per output, and no other way.


def _config(name, **options):
    if not hasattr(keras.quantizers, name):
        raise ValueError(f"Keras {keras.__version__} has no {name}. Newer ones have: install keras>=3.15.")
    return getattr(keras.quantizers, name)(**options)


def _calibrated(model, mode, group_size, samples):
    samples = None if samples is None else np.asarray(samples)
    if samples is None or samples.ndim != 2 or not samples.size:
        raise ValueError(f"{mode} needs `samples`, token ids of shape (texts, length).")
    blocks = transformer.blocks(model)
    if not blocks:
        raise ValueError(f"{mode} goes through a model block by block; this one has no `EncoderBlock`.")
    embeddings = keras.Model(model.input, model.get_layer("embeddings_dropout").output)

    def embed(ids):
        return embeddings(
            {"token_ids": ids, "segment_ids": ops.zeros_like(ids), "padding_mask": ops.ones_like(ids)}
        )

    return _config(
        f"{mode.upper()}Config",
        dataset=list(samples),
        tokenizer=lambda row: row,
        num_samples=len(samples),
        sequence_length=samples.shape[1],
        group_size=-1 if group_size is None else group_size,
        quantization_layer_structure={"pre_block_layers": [embed], "sequential_blocks": blocks},
        **({"weight_bits": 4} if mode == "gptq" else {}),
    )


def report(model):
    """What a model's weights are stored as.

    Args:
        model: A built `keras.Model`.

    Returns:
        List of `(path, dtype, parameters, bytes)`, one per variable; packed 4-bit integers count as int8 with
        half as many parameters.
    """
    rows = []
    for variable in model.variables:
        size = int(np.prod(variable.shape))
        rows.append(
            (variable.path, str(variable.dtype), size, size * np.dtype(_plain(variable.dtype)).itemsize)
        )
    return rows


def _plain(dtype):
    return {"bfloat16": "float16", "float8_e4m3fn": "int8", "float8_e5m2": "int8"}.get(str(dtype), str(dtype))


# LiteRT

LITERT = ("float32", "float16", "dynamic", "integer")
INTEGER_OPERATIONS = {"FULLY_CONNECTED", "GATHER"}


def export(model, path, mode="float32", length=128, samples=None, shapes=None):
    """Writes a classifier of token ids as a LiteRT file for one text of a fixed length.

    Args:
        model: A built `keras.Model` in float32, from a dict of integers `(batch, length)` to one tensor.
        path: The file, ending in `.tflite`; it is replaced only when the new one is complete.
        mode: "float32"; "float16" stores weights in 16 bits and computes in 32; "dynamic" stores them in 8
            and rounds the inputs of dense layers at run time; "integer" fixes the scales of these inputs and
            outputs beforehand, from `samples`, and leaves softmax and norms in float32.
        length: Tokens per text; shorter ones are padded.
        samples: For "integer": iterable of inputs, as `inputs` gives them.
        shapes: Pairs of texts and tokens, instead of one text of `length`. The file then has a signature
            `b4_l64` for 4 texts of 64 tokens, and so on, and one copy of the weights for all.

    Raises:
        ValueError: If the mode is unknown, samples are missing, the model is not built or quantized, computes
            in half precision, or Keras does not run on TensorFlow.
    """
    path = pathlib.Path(path)
    if mode not in LITERT or path.suffix != ".tflite":
        raise ValueError(
            f"`mode` is one of {', '.join(LITERT)}, `path` ends in .tflite. Received: {mode!r}, {path}"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError("LiteRT files are written with Keras on TensorFlow: set KERAS_BACKEND=tensorflow.")
    samples = None if samples is None else list(samples)
    if (mode == "integer") != bool(samples):
        raise ValueError('`samples` belong to the mode "integer", which needs at least one.')
    if shapes and mode == "integer":
        raise ValueError('The mode "integer" takes one length, not `shapes`.')
    tables(model)  # For its errors.
    halves = sorted({layer.compute_dtype for layer in model.layers} - {"float32"})
    if halves:
        raise ValueError(f"The model computes in {halves[0]}. Build it under float32 and copy the weights.")
    import tensorflow as tf

    named = {f"b{texts}_l{tokens}": (texts, tokens) for texts, tokens in shapes or [(1, length)]}
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, shape in named.items():
        signature = {each: tf.TensorSpec(shape, tf.int32, name=each) for each in model.input}
        archive.add_endpoint(name, lambda x: model(x, training=False), input_signature=[signature])
    with tempfile.TemporaryDirectory() as folder, _quiet():
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(named))
        if mode != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = _integer(converter, samples) if mode == "integer" else converter.convert()
    with runtime.atomic_write(path) as part:
        part.write_bytes(content)


def _integer(converter, samples):
    """Integers in dense layers and tables only: the masked scores of attention are minus infinity, and no
    scale covers those.
    """
    import tensorflow as tf
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator

    converter.representative_dataset = lambda: iter(samples)
    others = sorted({name for name in vars(BuiltinOperator) if name.isupper()} - INTEGER_OPERATIONS)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=lambda: iter(samples),
        debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=others),
    )
    return debugger.get_nondebug_quantized_model()


@contextlib.contextmanager
def _quiet():
    """Keeps what C++ code writes to the process' streams out of the notebook; errors come as exceptions."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(stream) for stream in (1, 2)]
    try:
        with open(os.devnull, "wb") as nowhere:
            for stream in (1, 2):
                os.dup2(nowhere.fileno(), stream)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The converter uses an interpreter that it calls deprecated.
            yield
    finally:
        for stream, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, stream)
            os.close(copy)


def inputs(texts, length=128, how="head"):
    """Texts as a LiteRT file of a fixed length takes them.

    Args:
        texts: Sequence of str.
        length: Tokens per text.
        how: Which tokens of longer texts are kept, as in `imdb.truncate`.

    Returns:
        List of dicts of int32 arrays `(1, length)`, one dict per text: `token_ids`, `segment_ids`,
        `padding_mask`.
    """
    ids, mask = imdb.pad(imdb.encode(texts, sequence_length=length, how=how), length)
    return [
        {
            "token_ids": ids[i : i + 1],
            "segment_ids": np.zeros((1, length), "int32"),
            "padding_mask": mask[i : i + 1].astype("int32"),
        }
        for i in range(len(ids))
    ]


class LiteRT:
    """A LiteRT file that is ready to run.

    Args:
        path: The file, as `export` writes it.
        threads: How many cores it uses.

    Raises:
        ValueError: If the file is no LiteRT model.
    """

    def __init__(self, path, threads=2):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _quiet():
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner()
        except ValueError as error:
            raise ValueError(f"{path} is no LiteRT model: {error}") from None

    def __call__(self, inputs):
        """Applies the model to a dict of arrays for one text and returns its output, `(1, ...)`."""
        (output,) = self._run(**inputs).values()
        return output

    def predict(self, inputs):
        """Applies the model to a list of inputs and returns the outputs as one array `(n, ...)`."""
        return np.concatenate([self(each) for each in inputs])
