"""A whole model: its tables rounded in place, and Keras' own `quantize`."""

import gc
import inspect
import re
import warnings

import keras
import numpy as np
from keras import ops

from course_lib import transformer
from course_lib.quantization.numbers import check_groups, round_trip


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
    found = {path: turned(path, variable) for path, variable in tables(model).items()}
    for path, value in found.items():
        if group_size is not None:
            check_groups(value.shape, group_size, path)
    for path, variable in tables(model).items():
        value = round_trip(found[path], bits, group_size)
        variable.assign(value.T if path.endswith("embeddings") else value)
    return model


def turned(path, variable):
    """A table as an array with its outputs on the last axis."""
    value = ops.convert_to_numpy(variable)
    return value.T if path.endswith("embeddings") else value


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
                    check_groups(turned(variable.path, variable).shape, group_size, variable.path)
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
