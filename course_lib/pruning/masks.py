"""Masks on a model and in a file."""

import json
import zipfile
import zlib

import numpy as np
from keras import ops

from course_lib import runtime
from course_lib.pruning.prunable import kernels


def apply_masks(model, masks):
    """Sets the weights to zero where a mask is False.

    Args:
        model: A built `keras.Model`.
        masks: Dict from the path of a kernel to its mask.

    Raises:
        ValueError: If a path or a shape does not fit the model, which is then unchanged.
    """
    found = kernels(model)
    for path, mask in masks.items():
        if path not in found:
            raise ValueError(f"The model has no kernel {path!r}. It has: {', '.join(found)}")
        if tuple(found[path].shape) != np.shape(mask):
            raise ValueError(f"{path} has shape {tuple(found[path].shape)}, its mask {np.shape(mask)}.")
    for path, mask in masks.items():
        value = ops.convert_to_tensor(found[path])
        found[path].assign(ops.where(mask, value, ops.zeros_like(value)))


def save_masks(path, masks):
    """Writes masks to a file, one bit per weight.

    Args:
        path: The file; it is replaced only when the new one is complete.
        masks: Dict from the path of a kernel to its mask.
    """
    arrays = {f"bits{i}": np.packbits(np.asarray(mask, bool)) for i, mask in enumerate(masks.values())}
    shapes = {name: list(np.shape(mask)) for name, mask in masks.items()}
    with runtime.atomic_write(path) as part, part.open("wb") as file:
        np.savez_compressed(file, shapes=np.array(json.dumps(shapes)), **arrays)


def load_masks(path):
    """Reads what `save_masks` wrote.

    Args:
        path: The file.

    Returns:
        Dict from the path of a kernel to its mask.

    Raises:
        ValueError: If the file holds something else; nothing in it is executed.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            shapes = json.loads(str(file["shapes"]))
            bits = [file[f"bits{i}"] for i in range(len(shapes))]
        return {
            name: np.unpackbits(each, count=int(np.prod(shape))).astype(bool).reshape(shape)
            for (name, shape), each in zip(shapes.items(), bits, strict=True)
        }
    except (
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f"{path} holds no masks that `save_masks` wrote: {error}") from None
