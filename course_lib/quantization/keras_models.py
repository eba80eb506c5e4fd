"""A whole model: its tables rounded in place, and Keras' own `quantize`."""

import contextlib
import gc
import inspect
import re
import warnings

import keras
import numpy as np
from keras import ops

from course_lib import layers, transformer
from course_lib.pruning.prunable import as_patterns
from course_lib.quantization.axes import (
    as_matrix,
    as_table,
    input_axes,
    spared,
    tables,
    values,
    without,
)
from course_lib.quantization.numbers import check_groups, round_trip


def round_weights(model, bits, group_size=None, spare=()):
    """Rounds all tables of a model to `bits` bits, in place; they stay float32.

    It shows what quantization does to accuracy, whatever format the integers are stored in.

    Args:
        model: A built `keras.Model`.
        bits: Bits per integer, from 2 to 8.
        group_size: Inputs that share a scale; None has one per output of the layer (see `input_axes`), and
            per row of an embedding.
        spare: Regular expressions, or one; tables in whose path one is found are left alone.

    Returns:
        The model.

    Raises:
        ValueError: As `tables`; if `group_size` does not divide the inputs of some table, or a number in it
            is not finite: the error names it. The model is then unchanged.
    """
    found, inputs = without(tables(model), spare), input_axes(model)
    rounded = {}
    for path, value in values(found).items():
        axes = inputs[id(found[path])]
        matrix = as_matrix(value, axes)
        if group_size is not None:
            check_groups(matrix.shape, group_size, path)
        rounded[path] = as_table(round_trip(matrix, bits, group_size), value.shape, axes)
    for path, variable in found.items():
        variable.assign(rounded[path])
    return model


MODES = ("int8", "int4", "float8", "gptq", "awq")


def quantize_model(model, mode, group_size=None, samples=None, spare=()):
    """Quantizes a model in place with Keras' own `quantize`, with the errors it lacks.

    Dense layers and embeddings of Keras become integers; layers of your own keep their other weights. Such a
    model can be saved as a `.keras` file and loaded (`course_lib.layers.load_model`), also where Keras alone
    forgets that a layer inside another one is quantized: `keras.layers.MultiHeadAttention` among them, while
    the course's layers remember it whoever quantizes them. Keep that file: what Keras 3.15 cannot is to save
    a loaded model with such a layer of Keras once more.

    Args:
        model: A built `keras.Model`.
        mode: "int8" (products of integers too), "int4" (weights only), "float8" (for training on hardware
            that has it), "gptq" or "awq" (4 bits, chosen with `samples`).
        group_size: Inputs that share a scale, for the modes of 4 bits; None has one per output.
        samples: For "gptq" and "awq", on an `encoder` or a classifier on one: integers of shape
            `(texts, length)`, token ids without padding.
        spare: Regular expressions, or one; layers in whose path one is found keep their weights.

    Returns:
        The model.

    Raises:
        ValueError: If the model is not built, quantized already or without a layer that Keras can quantize;
            if the installed Keras does not know the mode; if `group_size` does not divide a kernel's inputs,
            or a number in one is not finite; if an expression of `spare` matches nothing.

    Warns:
        UserWarning: If more than half of the weights that are worth few bits stay as they are, because Keras
            cannot quantize their layers, or if a layer would not come back from a `.keras` file; after
            "gptq" and "awq" none does in Keras 3.15.
    """
    if mode not in MODES:
        raise ValueError(f"`mode` must be one of {', '.join(MODES)}. Received: {mode!r}")
    known, every = tables(model), [layer for *_, layer in layers.walk(model)]
    # `TimeDistributed` calls its layer past Keras' switch to integers, which would come out without a scale.
    timed = [each for each in every if isinstance(each, keras.layers.TimeDistributed)]
    timed = {id(layer) for each in timed for *_, layer in layers.walk(each)}
    leaves = [each for each in every if _quantizable(each) and not layers.children(each)]
    if left := [each.path for each in leaves if id(each) in timed]:
        warnings.warn(
            f"Keras cannot quantize what `TimeDistributed` calls, so {', '.join(left)} stay as they are. "
            "`quantization.save` packs them, too.",
            stacklevel=2,
        )
        leaves = [each for each in leaves if id(each) not in timed]
    paths = [[layer.path or layer.name, *(each.path for each in layer.variables)] for layer in leaves]
    wanted = [layer for layer, out in zip(leaves, spared(paths, spare), strict=True) if not out]
    if not wanted:
        raise ValueError(f"The model {model.name!r} has no layer that Keras can quantize, or all are spared.")
    if any(layer.quantization_mode for layer in wanted):
        raise ValueError(f"The model {model.name!r} is quantized already.")
    for layer in wanted:
        if mode != "float8" and "..." in getattr(layer, "equation", ""):
            raise ValueError(
                f"Keras cannot quantize {layer.path}: its equation, {layer.equation!r}, has axes without "
                "letters. Give each axis one, or `spare` the layer."
            )
    if group_size is not None and mode in ("int8", "float8"):
        raise ValueError(f"{mode} has no groups. Received: {group_size=}")
    owners = {id(variable): layer for layer in wanted for variable in layer.variables}
    inputs = input_axes(model)
    for path, value in values({path: each for path, each in known.items() if id(each) in owners}).items():
        if group_size is not None:
            check_groups(as_matrix(value, inputs[id(known[path])]).shape, group_size, path)
    config = None
    if mode == "int4":
        config = _groups_of_int4(group_size)
    elif mode in ("gptq", "awq"):
        config = _calibrated(model, mode, group_size, samples)
    gc.freeze()  # Keras collects garbage after every layer; without what is here already that is quick.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # That a layer without kernel is left as it is.
            model.quantize(mode, config=config, filters=lambda layer: any(layer is each for each in wanted))
    finally:
        gc.unfreeze()
    if mode in ("int8", "int4", "float8"):
        _warn_of_the_rest(
            mode, {path: each for path, each in known.items() if not _matches(path, spare)}, owners
        )
    if all(_comes_back(layer) for layer in {type(each): each for each in wanted}.values()):
        _keep_policies(every)
    else:
        warnings.warn(
            f"Keras {keras.__version__} cannot load this model again, neither from a `.keras` file nor its "
            f"weights: it saves other variables of a layer in {mode} than it expects. Keep the model as it "
            "was before, and quantize that anew.",
            stacklevel=2,
        )
    return model


def _warn_of_the_rest(mode, asked, owners):
    sizes = {path: int(np.prod(each.shape)) for path, each in asked.items()}
    left = {
        path: sizes[path]
        for path, each in asked.items()
        if id(each) not in owners or not owners[id(each)].quantization_mode
    }
    reached = 1 - sum(left.values()) / sum(sizes.values())
    if reached < 0.5:
        warnings.warn(
            f"{mode} reached {reached:.0%} of the weights: Keras quantizes Dense, EinsumDense and Embedding "
            f"only. As before are {', '.join(left)}. `quantization.save` packs those, too.",
            stacklevel=3,
        )


def _keep_policies(every):
    """Tells layers that have quantized layers inside, so that their `get_config` says so.

    The course's own say it by themselves (`layers.policies`). Others of Keras' kind, which hand on the map
    that they are given, such as `MultiHeadAttention`, get it here.
    """
    for layer in every:
        inner = [each for *_, each in layers.walk(layer) if each is not layer and each.quantization_mode]
        if not inner or _is_functional(layer) or _comes_back(layer):
            continue
        if not isinstance(layer, keras.Model):
            policy = layer.dtype_policy
            policies = keras.dtype_policies.DTypePolicyMap(getattr(policy, "default_policy", policy))
            for each in inner:
                policies[each.path] = each.dtype_policy
            layer.dtype_policy = policies
        if not _comes_back(layer):
            warnings.warn(
                f"{layer.name!r} does not hand its `dtype` on to the layers that it makes, so Keras cannot "
                "load this model from a `.keras` file once it is quantized. Use `save_weights`; to load, "
                "build the model again, quantize it in the same way, and call `load_weights`.",
                stacklevel=3,
            )


def _is_functional(layer):
    """Whether a model's file has the config of each of its layers."""
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and hasattr(layer, "inputs")
    )


def _comes_back(layer):
    """Whether a layer that is made from its config, at the same place, has and takes the same variables."""
    try:
        with contextlib.ExitStack() as scopes:
            for name in layer.path.split("/")[:-1]:
                scopes.enter_context(keras.name_scope(name))
            twin = type(layer).from_config(layer.get_config())
            twin.build_from_config(layer.get_build_config())
        made, here = (
            sorted((each.name, tuple(each.shape), str(each.dtype)) for each in one.variables)
            for one in (twin, layer)
        )
        store = {}
        layer.save_own_variables(store)
        twin.load_own_variables(store)
        return made == here
    except Exception:  # Whatever the layer's own code raises, then it does not.
        return False


def _quantizable(layer):
    return isinstance(layer, keras.layers.Dense | keras.layers.EinsumDense | keras.layers.Embedding)


def _matches(path, spare):
    return any(re.search(pattern, path) for pattern in as_patterns(spare))


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

    # For its errors, before any layer is touched: ids beyond the table, texts beyond the positions.
    transformer.check_token_ids(samples, model.get_layer("token_embedding").input_dim)
    embed(ops.convert_to_tensor(samples[:1], "int32"))
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
