"""A model's weights as a file of packed integers."""

import json
import zipfile

import numpy as np

from course_lib import runtime
from course_lib.quantization.axes import as_matrix, as_table, input_axes, tables, values, without
from course_lib.quantization.numbers import (
    check_groups,
    dequantize_groups,
    pack_int4,
    quantize,
    quantize_groups,
    unpack_int4,
)


def save(model, path, bits=4, group_size="auto", spare=()):
    """Writes a model's weights with few bits per number: tables as packed integers, the rest as it is.

    The scales are float16, or float32 in tables where float16 would overflow or lose digits. The file is of
    the kind "weights plus code": the same network must be built before `load` fills it.

    Args:
        model: A built `keras.Model` with any layers, not quantized.
        path: The file; it is replaced only when the new one is complete.
        bits: 4 or 8.
        group_size: Inputs that share a scale, as in `round_weights`; for an embedding, numbers of a row.
            "auto" takes the largest divisor of a table's inputs from 16 to 64, and if there is none one scale
            per output.
        spare: As in `round_weights`.

    Raises:
        ValueError: As `round_weights`, or if `bits` or `group_size` is another.
    """
    if bits not in (4, 8):
        raise ValueError(f"`bits` must be 4 or 8. Received: {bits}")
    if isinstance(group_size, str) and group_size != "auto":
        raise ValueError(f'`group_size` is a number, "auto" or None. Received: {group_size!r}')
    found, inputs = without(tables(model), spare), input_axes(model)
    known = {id(found[name]): (name, value) for name, value in values(found).items()}
    arrays, header = {}, []
    for i, variable in enumerate(model.weights):
        if id(variable) not in known:
            arrays[f"{i}"] = _plain(np.asarray(variable))
            header.append([variable.path, list(variable.shape), None])
            continue
        name, value = known[id(variable)]
        matrix = as_matrix(value, inputs[id(variable)])
        size = _group_size(len(matrix), group_size)
        check_groups(matrix.shape, size, name)
        scales = _stored(quantize_groups(matrix, bits, size)[1])
        # Rounded with the scales as they are stored.
        codes = quantize(matrix, np.repeat(scales.astype("float32"), size, axis=0), bits=bits)
        arrays[f"{i}"] = pack_int4(codes) if bits == 4 else codes
        arrays[f"{i}_scales"] = scales
        header.append([variable.path, list(variable.shape), list(inputs[id(variable)])])
    with runtime.atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, header=np.array(json.dumps({"bits": bits, "weights": header})), **arrays)


def _group_size(count, asked):
    if asked == "auto":
        return max((size for size in range(16, 65) if count % size == 0), default=count)
    return count if asked is None else asked


def _stored(scales):
    limits = np.finfo("float16")
    fits = scales.min() >= limits.tiny and scales.max() <= limits.max
    return scales.astype("float16") if fits else scales


def _plain(array):
    """In a dtype that a file without pickle can hold."""
    return array if array.dtype.kind in "biu" or array.dtype == "float64" else array.astype("float32")


def load(model, path):
    """Fills a model from a file that `save` wrote.

    Args:
        model: A built `keras.Model` of the same network, not quantized. Its layers may have other names.
        path: The file.

    Returns:
        The model.

    Raises:
        ValueError: If the file is of another network or holds something else; the model is then unchanged,
            and nothing in the file is executed.
    """
    tables(model)  # For its errors.
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            bits, weights = header["bits"], header["weights"]
            arrays = {name: file[name] for name in file.files if name != "header"}
            saved = [(name.rpartition("/")[2], tuple(shape)) for name, shape, _ in weights]
    except (AttributeError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no weights that `save` wrote: {error}") from None
    # Not the whole path: names such as `dense_3` count up while a process builds models.
    mine = [(variable.name, tuple(variable.shape)) for variable in model.weights]
    if saved != mine:
        raise ValueError(f"{path} is of another network than {model.name!r}: weights or shapes differ.")
    try:
        loaded = [_restored(arrays, i, bits, *each) for i, each in enumerate(weights)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no weights that `save` wrote: {error}") from None
    model.set_weights(loaded)
    return model


def _restored(arrays, i, bits, name, shape, inputs):
    if inputs is None:
        return arrays[f"{i}"].reshape(shape)
    if sorted(set(inputs)) != sorted(inputs) or not set(inputs) <= set(range(len(shape))):
        raise ValueError(f"{name} has not the axes {inputs}")
    count = int(np.prod([shape[axis] for axis in inputs]))
    matrix = (count, int(np.prod(shape)) // count)
    codes = unpack_int4(arrays[f"{i}"], matrix) if bits == 4 else arrays[f"{i}"].reshape(matrix)
    scales = arrays[f"{i}_scales"].astype("float32")
    if scales.shape[1:] != matrix[1:] or not len(scales) or count % len(scales):
        raise ValueError(f"the scales of {name} do not fit it")
    return as_table(dequantize_groups(codes, scales), shape, inputs)
