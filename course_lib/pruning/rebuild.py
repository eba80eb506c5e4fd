"""A model made anew with some of its layers replaced, through Keras' public API.

Sequential and Functional models are rebuilt, with other such models nested in them; a layer that is used
twice is made once. What is not replaced is copied with its weights, its LoRA and its `trainable` flags.
"""

import importlib
import inspect
import tempfile
import warnings

import keras
import numpy as np
from keras import ops


def is_graph(layer):
    """Whether a layer is a Sequential or Functional model, whose layers and their order Keras knows."""
    return isinstance(layer, keras.Sequential | keras.Function) and isinstance(layer, keras.Model)


def rule(rules, layer):
    """What a table has for the type of a layer, or None; subclasses may compute something else.

    Args:
        rules: Dict from a type to anything.
        layer: The layer.

    Returns:
        The entry.
    """
    if type(layer).__module__.startswith(("course_lib.attention", "course_lib.transformer")):
        importlib.import_module("course_lib.pruning.encoders")  # It enters the course's own layers.
    return rules.get(type(layer))


def check_graph(model):
    """Raises ValueError unless the model is built and Sequential or Functional."""
    if not is_graph(model):
        raise ValueError(
            f"{model.name!r} is a {type(model).__name__}. A Sequential or Functional model is needed: what a "
            "subclass of keras.Model does with its layers is known to its `call` alone."
        )
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built: call it on a batch, or `build` it, first.")


def named_layers(model, prefix=""):
    """The layers of a model by name, those of nested models as `outer/inner`.

    Args:
        model: A built Sequential or Functional model.
        prefix: Goes before each name.

    Returns:
        Dict from name to layer.
    """
    found = {}
    for layer in model.layers:
        found[prefix + layer.name] = layer
        if is_graph(layer):
            found.update(named_layers(layer, f"{prefix}{layer.name}/"))
    return found


def sublayers(layer):
    """A layer and all layers inside it, found in its attributes, each once and before those inside it.

    Args:
        layer: A `keras.Layer`.

    Returns:
        List of layers.
    """
    found = {}

    def walk(value):
        if isinstance(value, keras.Layer):
            if id(value) not in found:
                found[id(value)] = value
                walk(vars(value))
        elif isinstance(value, dict):
            walk(list(value.values()))
        elif isinstance(value, list | tuple):
            for each in value:
                walk(each)

    walk(layer)
    return list(found.values())


def to_numpy(x):
    """An array of its own from a tensor or variable."""
    if isinstance(x, keras.Variable) and keras.backend.backend() != "torch":
        # NumPy warns when it asks a variable for a copy, which Keras and TensorFlow cannot give.
        return np.array(np.asarray(x))
    return ops.convert_to_numpy(x)


def merged(layer, name):
    """A weight of a layer with the update of LoRA added to it (Hu et al. 2021, equation 3).

    Args:
        layer: A built layer.
        name: Name of one of its variables, such as `kernel`.

    Returns:
        The array, at least float32 where there is an update.

    Raises:
        ValueError: If the layer is quantized.
    """
    if mode := getattr(layer, "quantization_mode", None):
        raise ValueError(f"{layer.name} is quantized ({mode}). Factor and prune first, then quantize.")
    values = {variable.name: variable for variable in layer.weights}
    value = to_numpy(values[name])
    if f"lora_{name}_a" not in values:
        return value
    first, second = (to_numpy(values[f"lora_{name}_{factor}"]) for factor in "ab")
    return value + layer.lora_alpha / layer.lora_rank * np.matmul(first, second)


def remake(layer, **changes):
    """A new layer of the same configuration.

    Args:
        layer: The layer, or another `keras.Operation`.
        **changes: Entries of its configuration that change.

    Returns:
        The new one, not built.

    Raises:
        ValueError: If its `get_config` and `from_config` do not make one.
    """
    try:
        config = layer.get_config()
        # A function of the user's is not registered with Keras, which then could not find it by its name.
        given = {name: getattr(layer, name, None) for name in config}
        config.update({name: value for name, value in given.items() if inspect.isfunction(value)})
        config.update(changes)
        if type(layer) is not keras.layers.Lambda:
            return type(layer).from_config(config)
        config.update(function=layer.function, mask=layer.mask, arguments=layer.arguments)
        if isinstance(config.get("output_shape"), dict):
            del config["output_shape"]  # A function: Keras finds the shape without it.
        return keras.layers.Lambda(**config)
    except (TypeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        raise ValueError(
            f"{layer.name} cannot be made anew: the `get_config` of {type(layer).__name__} does not give "
            f"what its constructor wants ({error})."
        ) from error


def copy_state(old, new):
    """Gives a layer what another of the same configuration has: weights, LoRA and what is trainable.

    Args:
        old: The layer to copy from.
        new: A built layer of the same configuration.

    Raises:
        ValueError: If they have other sublayers or other weights.
    """
    pairs = zip(sublayers(old), sublayers(new), strict=False)
    pairs = [(one, other) for one, other in pairs if type(one) is type(other)]
    for one, other in pairs:
        if other.trainable != one.trainable:
            other.trainable = one.trainable
        if getattr(one, "lora_enabled", False) and not getattr(other, "lora_enabled", True):
            other.enable_lora(one.lora_rank)
        if getattr(one, "lora_enabled", False):
            other.lora_alpha = one.lora_alpha  # A layer made from its configuration has the rank here.
    if [(v.name, v.shape) for v in old.weights] != [(v.name, v.shape) for v in new.weights]:
        raise ValueError(
            f"{old.name} cannot be copied: a {type(old).__name__} made from its `get_config` has other "
            "weights."
        )
    for one, other in zip(old.weights, new.weights, strict=True):
        other.assign(to_numpy(one))  # A copy: JAX may give a shared buffer away in `fit`.
        if other.trainable != one.trainable:
            other.trainable = one.trainable
    for one, other in pairs:
        if hasattr(one, "adapt"):
            _copy_adapted(one, other)


def _copy_adapted(old, new):
    """What a layer of preprocessing learned by `adapt`: it computes with more than its weights."""
    store = {}
    old.save_own_variables(store)
    new.load_own_variables(store)
    if hasattr(old, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)


def rebuild(model, replaced, dropped=()):
    """A model of the same graph with some layers replaced.

    Args:
        model: A built Sequential or Functional model.
        replaced: Dict from the `id` of a layer to a pair: the layer that takes its place, not built, and a
            function without arguments that fills its weights once it is built.
        dropped: The `id`s of layers that hand on their first argument instead.

    Returns:
        A new model of the same inputs and outputs; the old one is unchanged. If the old one is compiled, the
        new one is, with a new optimizer, where Keras can copy loss and metrics.

    Raises:
        ValueError: If a layer cannot be made anew.
    """
    check_graph(model)
    made, remade = {}, {}
    smaller = _rebuild(model, replaced, set(dropped), made, remade)
    for old, new in remade.values():
        if isinstance(old, keras.Layer):
            copy_state(old, new)
    for _, fill in replaced.values():
        fill()
    for old, new in [*made.values(), (model, smaller)]:
        if id(old) in replaced and not old.trainable:
            new.trainable = False  # And with it all that is inside.
        elif is_graph(old) and new.trainable != old.trainable:
            _set_trainable(new, old)
    if model.compiled:
        try:
            smaller.compile_from_config(model.get_compile_config())
        except (TypeError, ValueError) as error:
            warnings.warn(
                f"The new model is not compiled, for Keras cannot copy the loss or metrics: {error}",
                stacklevel=3,
            )
    return smaller


def _set_trainable(new, old):
    # Setting the flag of a model sets those of all its layers.
    flags = [layer.trainable for layer in sublayers(new)]
    new.trainable = old.trainable
    for layer, flag in zip(sublayers(new)[1:], flags[1:], strict=True):
        if layer.trainable != flag:
            layer.trainable = flag


def _rebuild(model, replaced, dropped, made, remade):
    def clone(layer):
        if id(layer) in dropped:
            return layer
        if id(layer) not in made:
            made[id(layer)] = (layer, _clone(layer, replaced, dropped, made, remade))
        return made[id(layer)][1]

    def call(layer, *args, **kwargs):
        return [*args, *kwargs.values()][0] if id(layer) in dropped else layer(*args, **kwargs)

    if isinstance(model, keras.Sequential):
        layers = [clone(layer) for layer in model.layers if id(layer) not in dropped]
        return keras.Sequential([_input(model), *layers], name=model.name)
    # A plain one on the same layers: neither compiled nor of a class with a constructor of its own.
    plain = keras.Model(model.input, model.output, name=model.name)
    inputs = {id(layer.output): layer for layer in plain.layers if isinstance(layer, keras.layers.InputLayer)}
    return keras.models.clone_model(
        plain,
        # Keras would name the new inputs after tensors, which nothing else in the model is named after.
        input_tensors=keras.tree.map_structure(lambda x: remake(inputs[id(x)]).output, plain.input),
        clone_function=clone,
        call_function=call,
    )


def _input(sequential):
    (x,) = sequential.inputs
    return keras.Input(batch_shape=x.shape, dtype=x.dtype, sparse=x.sparse, name=x.name)


def _clone(layer, replaced, dropped, made, remade):
    if id(layer) in replaced:
        return replaced[id(layer)][0]
    if is_graph(layer) and layer.built:
        inside = {id(each) for each in named_layers(layer).values()}
        plain = type(layer) in (keras.Sequential, type(keras.Model(layer.inputs, layer.outputs)))
        if plain or inside & (set(replaced) | dropped):
            return _rebuild(layer, replaced, dropped, made, remade)
    remade[id(layer)] = (layer, remake(layer))
    return remade[id(layer)][1]
