"""Heads, neurons, filters and blocks taken out: smaller, and faster everywhere."""

import keras
import numpy as np
from keras import ops


def _importance(model, batches, loss, part):
    from course_lib import transformer  # Needed here alone, and loads much.

    parts = {block.name: part(block) for block in transformer.blocks(model)}
    variables = [dense.kernel for dense, _ in parts.values()]
    total, number = {name: np.zeros(count) for name, (_, count) in parts.items()}, 0
    for x, y in batches:
        gradients = _gradients(model, x, y, loss, variables)
        for (name, (dense, count)), gradient in zip(parts.items(), gradients, strict=True):
            products = ops.convert_to_numpy(dense.kernel) * ops.convert_to_numpy(gradient)
            total[name] += np.abs(products.reshape(count, -1).sum(axis=1))
        number += 1
    if not number:
        raise ValueError("`batches` is empty: importance is measured on data.")
    return {name: each / number for name, each in total.items()}


def most_important(importance, share):
    """The units to keep: in every block the same share, of the greatest importance.

    Args:
        importance: Dict from a block's name to an array, as `head_importance` gives it.
        share: Share to keep, above 0 and at most 1; at least one unit stays.

    Returns:
        Dict from a block's name to a sorted list of numbers.

    Raises:
        ValueError: If `share` is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be above 0 and at most 1. Received: {share}")
    return {
        name: sorted(np.argsort(-each, kind="stable")[: max(1, round(share * len(each)))].tolist())
        for name, each in importance.items()
    }


def _gradients(model, x, y, loss, variables):
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=False))
        return tape.gradient(value, [variable.value for variable in variables])
    if backend == "jax":
        import jax

        fixed = [variable.value for variable in model.non_trainable_variables]

        def of(trained):
            return loss(y, model.stateless_call(trained, fixed, x, training=False)[0])

        gradients = jax.grad(of)([variable.value for variable in model.trainable_variables])
        place = {variable.path: i for i, variable in enumerate(model.trainable_variables)}
        return [gradients[place[variable.path]] for variable in variables]
    raise ValueError(f"Gradients are taken on TensorFlow and JAX. Received: {backend}")


def keep_heads(query, key, value, output, num_heads, kept):
    """The four kernels of multi-head attention without the heads that are not kept.

    A head owns neighbouring columns of the three projections, and the same rows of the output kernel.

    Args:
        query: Array of shape `(width, num_heads * key_dim)`.
        key: As `query`.
        value: As `query`.
        output: Array of shape `(num_heads * key_dim, width)`.
        num_heads: Number of heads.
        kept: Numbers of the heads that stay, from 0.

    Returns:
        The four smaller arrays, with the heads in the order of `kept`.

    Raises:
        ValueError: If there is no such head, one is named twice, or none would stay.
    """
    columns = _columns("The layer", kept, num_heads, np.shape(query)[-1])
    query, key, value, output = map(np.asarray, (query, key, value, output))
    return query[:, columns], key[:, columns], value[:, columns], output[columns]


def _columns(name, kept, num_heads, size):
    kept = _checked(name, "heads", kept, num_heads)
    return np.arange(size).reshape(num_heads, -1)[kept].ravel()


def _checked(block, what, kept, count):
    kept = [int(each) for each in kept]
    if not kept or len(set(kept)) < len(kept) or min(kept) < 0 or max(kept) >= count:
        raise ValueError(
            f"{block} has {what} 0 to {count - 1}; name at least one to keep, each once. Received: {kept}"
        )
    return kept


def drop_blocks(model, dropped):
    """An encoder without some of its blocks, as in LayerDrop (Fan et al. 2020).

    Args:
        model: A built `keras.Model` made of layers and functions, with `transformer.EncoderBlock`s in it.
        dropped: Names of the blocks that go.

    Returns:
        A new model of the same inputs and outputs; the old one is unchanged.

    Raises:
        ValueError: If the model has no such block or would have none left.
    """
    from course_lib import transformer

    names = [block.name for block in transformer.blocks(model)]
    dropped = set(dropped)
    if not dropped < set(names):
        raise ValueError(f"Name some of the blocks, not all: {', '.join(names)}. Received: {sorted(dropped)}")

    def call(layer, *args, **kwargs):
        return args[0] if layer.name in dropped else layer(*args, **kwargs)

    smaller = keras.models.clone_model(model, call_function=call)
    for layer in smaller.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return smaller


def keep_filters(model, filters):
    """A convolutional network with fewer filters, which computes what the old one does without them.

    A filter is a slice of a convolution's kernel, its bias, its part of a batch normalisation, and the inputs
    of the next kernel that read it. Removed filters must give 0 for the outputs to stay the same, as they do
    when kernel and bias are 0 and no normalisation adds a constant.

    Args:
        model: A built `keras.Sequential` of `Conv2D`, `BatchNormalization`, `Dense`, and layers without
            weights; channels last.
        filters: Dict from the name of a `Conv2D` to the filters that stay, by number from 0.

    Returns:
        A new model; the old one is unchanged.

    Raises:
        ValueError: If a name or a filter does not exist, or the network has other layers with weights.
    """
    convolutions = {layer.name: layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}
    for name, kept in filters.items():
        if name not in convolutions:
            raise ValueError(f"There is no Conv2D {name!r}. The model has: {', '.join(convolutions)}")
        _checked(name, "filters", kept, convolutions[name].filters)
    layers, values, inputs = [], [], slice(None)  # `inputs`: which inputs of the next kernel stay.
    for layer in model.layers:
        config, weights = layer.get_config(), layer.get_weights()
        if isinstance(layer, keras.layers.Conv2D):
            kept = np.asarray(filters.get(layer.name, range(layer.filters)))
            weights[0] = weights[0][:, :, inputs]
            weights, config["filters"], inputs = [each[..., kept] for each in weights], len(kept), kept
        elif isinstance(layer, keras.layers.BatchNormalization):
            weights = [each[inputs] for each in weights]
        elif isinstance(layer, keras.layers.Flatten) and not isinstance(inputs, slice):
            channels = layer.input.shape[-1]
            places = int(np.prod(layer.input.shape[1:-1]))
            inputs = (np.arange(places)[:, None] * channels + inputs).ravel()
        elif isinstance(layer, keras.layers.Dense):
            weights[0], inputs = weights[0][inputs], slice(None)
        elif weights:
            raise ValueError(f"{layer.name} is a {type(layer).__name__}, which `keep_filters` does not know.")
        layers.append(type(layer).from_config(config))
        values.append(weights)
    smaller = keras.Sequential([keras.Input(model.input_shape[1:]), *layers], name=model.name)
    for layer, weights in zip(smaller.layers, values, strict=True):
        layer.set_weights(weights)
    return smaller
