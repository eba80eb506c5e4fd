"""Layers inside layers: how to find them, and how they come back from a file."""

import importlib
import re
import zipfile

import keras


def children(layer):
    """The layers right inside a layer or model, in its order, each once.

    A model lists them; what another layer holds stands in its attributes, whatever their names, or in dicts,
    lists, tuples and sets there.
    """
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    found, seen, waiting = {}, set(), [*vars(layer).values()]
    for value in waiting:  # It grows.
        if isinstance(value, keras.layers.Layer):
            if value is not layer:
                found.setdefault(id(value), value)
        elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            waiting += value.values() if isinstance(value, dict) else value
    return list(found.values())


def walk(model):
    """All layers in a model at any depth, the model first, each once: where it is found first.

    Args:
        model: A `keras.Model` or layer.

    Yields:
        Tuples of the layers from the model down to this one, which is the last.
    """
    seen, waiting = set(), [(model,)]
    while waiting:
        chain = waiting.pop()
        if id(chain[-1]) not in seen:
            seen.add(id(chain[-1]))
            yield chain
            waiting += [(*chain, child) for child in reversed(children(chain[-1]))]


def policies(layer):
    """What a layer's `get_config` must add so that quantized layers inside it come back from a file.

    Keras writes how a layer is quantized into that layer's own config. One that another layer makes has none
    in the file, so it was made anew in floats, and its integers did not fit. A map from names to policies is
    what Keras offers for such layers. Here the names count from this layer on, because a path from the model
    down changes with what the layer is built in.

    Args:
        layer: A layer that makes other layers, with `policy_of`.

    Returns:
        Dict with the entry `dtype`, or without any if nothing inside is quantized.
    """
    found = {}
    for chain in walk(layer):
        if len(chain) > 1 and chain[-1].quantization_mode:
            policy = chain[-1].dtype_policy
            if isinstance(policy, keras.dtype_policies.DTypePolicyMap):  # Of a layer that is none of these.
                policy = policy[chain[-1].path]
            found["/".join(each.name for each in chain[1:])] = policy
    if not found:
        return {}
    own = layer.dtype_policy
    policy = keras.dtype_policies.DTypePolicyMap(getattr(own, "default_policy", own), found)
    return {"dtype": keras.dtype_policies.serialize(policy)}


def policy_of(layer, name):
    """The `dtype` for a layer that another one makes.

    Args:
        layer: The one that makes it.
        name: The new one's name.

    Returns:
        What `policies` wrote of it; else the policy of `layer`.
    """
    own = layer.dtype_policy
    if not isinstance(own, keras.dtype_policies.DTypePolicyMap):
        return own
    if name in own:
        return own[name]
    inner = {path.removeprefix(f"{name}/"): own[path] for path in own if path.startswith(f"{name}/")}
    # A map of paths from the model down, as Keras has them, goes on as it is.
    return keras.dtype_policies.DTypePolicyMap(own.default_policy, inner) if inner else own


def load_model(path, **options):
    """Loads a `.keras` file with layers of the course, whatever of `course_lib` has been imported before.

    Keras knows a layer that is not its own only once the module that registers it is imported. A file says
    which one that is, and for Keras' own packages Keras looks there; this does so for `course_lib`.

    Args:
        path: The file.
        **options: As for `keras.models.load_model`.

    Returns:
        The `keras.Model`.

    Raises:
        ValueError: If there is no such file, or it is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json").decode()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no .keras file: {error}") from None
    for module in sorted(set(re.findall(r'"module": "(course_lib(?:\.\w+)+)"', config))):
        importlib.import_module(module)
    return keras.models.load_model(path, **options)
