"""Masks on a model and in a file."""

import functools
import json
import re
import weakref
import zipfile
import zlib

import keras
import numpy as np
from keras import ops

from course_lib import runtime
from course_lib.pruning.prunable import matrices

# What `prune` was asked for: the sparsity and a weak reference to the variable, by its id. Not saved.
_ASKED = {}


def asked(model):
    """The sparsities that `prune` was asked for, by path; empty if it was not, or after `strip`."""
    found = {path: _ASKED.get(id(each.variable)) for path, each in matrices(model).items()}
    return {path: known[0] for path, known in found.items() if known is not None}


def remember(weights, sparsities):
    """Keeps what was asked for, for reports.

    Args:
        weights: Dict from path to `prunable.Weight`.
        sparsities: Dict from path to sparsity.
    """
    for path, each in weights.items():
        key = id(each.variable)
        _ASKED[key] = sparsities[path], weakref.ref(each.variable, lambda _, key=key: _ASKED.pop(key, None))


def forget(model):
    """Ends that for the weights of a model."""
    for each in matrices(model).values():
        _ASKED.pop(id(each.variable), None)


def apply_masks(model, masks):
    """Sets the weights to zero where a mask is False.

    Args:
        model: A built `keras.Model`.
        masks: Dict from the path of a weight to its mask. If no path is the model's but all differ from its
            own only in the numbers that Keras gives to layers without names, as when a model is built twice,
            the masks are taken in order.

    Raises:
        ValueError: If a path or a shape does not fit the model, or a mask has other values than True and
            False; the model is then unchanged.
    """
    found = {path: each.variable for path, each in matrices(model).items()}
    if not isinstance(masks, dict):
        raise ValueError(f"`masks` is a dict from the path of a weight to its mask. Received: {type(masks)}")
    masks = _renamed(masks, found)
    for path, mask in masks.items():
        if path not in found:
            raise ValueError(f"The model has no kernel {path!r}. It has: {', '.join(found)}")
        if tuple(found[path].shape) != np.shape(mask):
            raise ValueError(f"{path} has shape {tuple(found[path].shape)}, its mask {np.shape(mask)}.")
        if not np.isin(np.asarray(mask), (0, 1)).all():
            raise ValueError(f"The mask of {path} has values other than True and False, or 1 and 0.")
    for path, mask in masks.items():
        zero_out(found[path], ops.convert_to_tensor(np.asarray(mask, bool)))


def zero_out(variable, mask):
    """Sets a variable to zero where a boolean tensor is False."""
    variable.assign(masked(variable.value, mask))


def applier(variables):
    """A function that sets variables to zero where masks are False, compiled where that saves time.

    Args:
        variables: List of variables.

    Returns:
        A function of the list of their masks, boolean tensors. It may take a list that it has seen for
        unchanged: give other masks in a new one.
    """

    def apply(masks):
        for variable, mask in zip(variables, masks, strict=True):
            zero_out(variable, mask)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not any(isinstance(variable.value, tf.distribute.DistributedValues) for variable in variables):
            return _compiled(apply)
    return apply


def _compiled(apply):
    """With masks in variables of its own, which saves a step the time to hand them over."""
    import tensorflow as tf

    held, seen, run = [], None, None

    def apply_held(masks):
        nonlocal held, seen, run
        if run is None:
            held = [tf.Variable(mask, trainable=False) for mask in masks]
            # Without XLA it takes twice as long.
            run = tf.function(lambda: apply(held), jit_compile=True).get_concrete_function()
        elif masks is not seen:
            for variable, mask in zip(held, masks, strict=True):
                variable.assign(mask)
        seen = masks
        run()

    return apply_held


@functools.cache
def value_applier():
    """The same for JAX, where values are handed from step to step instead of variables.

    Returns:
        A function of a list of values, which it may overwrite, and of the list of their masks; it returns the
        new values.
    """
    import jax

    def apply(values, masks):
        return [masked(value, mask) for value, mask in zip(values, masks, strict=True)]

    return jax.jit(apply, donate_argnums=0)


def masked(value, mask):
    """A tensor with zeros where a boolean tensor is False."""
    return ops.where(mask, value, ops.cast(0, value.dtype))


def _renamed(masks, found):
    def shape_of(paths):
        return [re.sub(r"_\d+(?=/|$)", "", path) for path in paths]

    if set(masks) <= set(found):
        return masks
    taken = [path for path in found if shape_of([path])[0] in set(shape_of(masks))]
    if shape_of(masks) != shape_of(taken):
        return masks
    return dict(zip(taken, masks.values(), strict=True))


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
