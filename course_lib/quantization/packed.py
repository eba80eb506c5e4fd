"""A model's weights as a file of packed integers."""

import json
import zipfile

import numpy as np
from keras import ops

from course_lib import runtime
from course_lib.quantization.keras_models import tables, turned
from course_lib.quantization.numbers import (
    check_groups,
    dequantize_groups,
    pack_int4,
    quantize,
    quantize_groups,
    unpack_int4,
)


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
        check_groups(turned(name, variable).shape, group_size, name)
    arrays, names = {}, []
    for i, variable in enumerate(model.weights):
        names.append([variable.path, list(variable.shape)])
        if variable.path not in found:
            arrays[f"{i}"] = ops.convert_to_numpy(variable).astype("float32")
            continue
        values = turned(variable.path, variable)
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
