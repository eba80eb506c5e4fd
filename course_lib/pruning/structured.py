"""Heads, neurons, filters and blocks taken out: smaller, and faster everywhere."""

import keras
import numpy as np
from keras import layers

from course_lib.pruning import channels, constants
from course_lib.pruning.rebuild import (
    check_graph,
    merged,
    named_layers,
    rebuild,
    remake,
    rule,
    sublayers,
    to_numpy,
)

# From a type of layer with units that no other layer sees to a pair of functions: of the layer, how many
# heads and neurons it has; of the layer and those that stay, the smaller layer and what fills it.
UNITS = {}


def most_important(importance, share):
    """The units to keep: in every block the same share, of the greatest importance.

    Args:
        importance: Dict from a block's name to an array, as `head_importance` gives it.
        share: Share to keep, above 0 and at most 1; at least one unit stays.

    Returns:
        Dict from a block's name to a sorted list of numbers.

    Raises:
        ValueError: If `share` is out of range, or an importance is NaN.
    """
    if not 0 < share <= 1:
        raise ValueError(f"`share` must be above 0 and at most 1. Received: {share}")
    for name, each in importance.items():
        if np.isnan(each).any():
            raise ValueError(f"The importance of {name} holds NaN, so its units have no order.")
    return {
        name: sorted(
            np.argsort(-np.asarray(each), kind="stable")[: max(1, round(share * len(each)))].tolist()
        )
        for name, each in importance.items()
    }


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
        ValueError: If there is no such head, one is named twice, none would stay, or the heads do not share
            the columns evenly.
    """
    query, key, value, output = map(to_numpy, (query, key, value, output))
    sizes = {query.shape[-1], key.shape[-1], value.shape[-1], output.shape[0]}
    if len(sizes) > 1 or query.shape[-1] % num_heads:
        raise ValueError(
            f"{num_heads} heads have equally many columns of the projections and the same rows of the output "
            f"kernel. Received shapes: {query.shape}, {key.shape}, {value.shape}, {output.shape}"
        )
    columns = head_columns("The layer", kept, num_heads, query.shape[-1])
    return query[:, columns], key[:, columns], value[:, columns], output[columns]


def head_columns(name, kept, num_heads, size):
    """The columns that belong to the heads that stay, in the order of `kept`; errors as `keep_heads`."""
    return np.arange(size).reshape(num_heads, -1)[checked(name, "heads", kept, num_heads)].ravel()


def checked(name, what, kept, count):
    """The numbers of units as a list of int; ValueError unless each exists, once, and there is one."""
    kept = list(kept) if np.iterable(kept) else kept
    numbers = np.asarray(kept)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(f"{name}: give {what} by number in a list, from 0 to {count - 1}. Received: {kept}")
    kept = numbers.astype(int).ravel().tolist()
    if not kept or len(set(kept)) < len(kept) or min(kept) < 0 or max(kept) >= count:
        raise ValueError(
            f"{name} has {what} 0 to {count - 1}; name at least one to keep, each once. Received: {kept}"
        )
    return kept


def keep(model, heads=None, neurons=None, filters=None):
    """A network with fewer heads, neurons and filters, which computes what the old one does without them.

    Its outputs are those of the old network with zeros in the kernels that read the removed units. Of units
    that are masked, with kernels of zeros, they are those of the masked network: the constant that such a
    unit still gives, from its bias or a normalisation, goes into the next bias, or a warning says that it
    cannot.

    Units that are joined go together: where a residual connection adds the outputs of two convolutions, name
    one of them, or both with the same filters. Batch normalisation, pooling, depthwise and grouped
    convolutions, concatenation and flattening are followed; what is not known keeps the units that it reads.

    Args:
        model: A built Sequential or Functional model, channels last.
        heads: Dict from the name of a layer to the heads that stay, by number from 0: of a
            `keras.layers.MultiHeadAttention` or of the course's, or of a `transformer.EncoderBlock`. In a
            nested model the name is `outer/inner`.
        neurons: The same for a `Dense`, or for the feed-forward part of an `EncoderBlock`.
        filters: The same for a convolution of any kind.

    Returns:
        A new model of the same inputs and outputs; the old one is unchanged. LoRA of a layer that gets
        smaller is added to its kernel first.

    Raises:
        ValueError: If the model is neither Sequential nor Functional, there is no such layer or unit, nothing
            would stay, or the units cannot go: they are outputs of the model, a layer reads them that is not
            known, or another layer that they are joined to was to keep them.
    """
    check_graph(model)
    known, inside, joined = named_layers(model), {}, {}
    for what, asked in (("heads", heads), ("neurons", neurons), ("filters", filters)):
        if not isinstance(asked, dict | None):
            raise ValueError(f"`{what}` is a dict from the name of a layer to numbers. Received: {asked!r}")
        for name, kept in (asked or {}).items():
            counts = _counts(known[name]) if name in known else {}
            if what not in counts:
                names = [each for each, layer in known.items() if what in _counts(layer)]
                kind = f", which is a {type(known[name]).__name__}," if name in known else ""
                raise ValueError(
                    f"There is no layer {name!r}{kind} with {what} that can go. The model has: "
                    f"{', '.join(names) or 'none'}"
                )
            kept = checked(name, what, kept, counts[what])
            if rule(UNITS, known[name]):
                inside.setdefault(name, {})[what] = kept
            else:
                joined.setdefault(name.rpartition("/")[0], {})[name.rpartition("/")[2]] = kept
    replaced = {
        id(known[name]): rule(UNITS, known[name])[1](known[name], **kept) for name, kept in inside.items()
    }
    for owner, kept in joined.items():
        replaced.update(_smaller(known[owner] if owner else model, kept))
    return rebuild(model, replaced)


def _counts(layer):
    if rule(UNITS, layer):
        return rule(UNITS, layer)[0](layer)
    if type(layer) is layers.Dense:
        return {"neurons": layer.units}
    if type(layer) in channels.FILTERS:
        return {"filters": layer.filters}
    if type(layer) in channels.DEPTHWISE:
        return {"filters": layer.output.shape[-1]}
    return {}


def _smaller(model, kept):
    """The layers of one model that change when some lose units, as `rebuild` wants them."""
    graph, gone = channels.Channels(model), {}
    held = graph.held()
    for name in kept:
        if name not in graph.sources:
            raise ValueError(
                f"{name} cannot lose units: what goes into it is not known, or it has its channels first."
            )
        for root in graph.roots(np.delete(graph.sources[name], kept[name])).tolist():
            if root in held:
                raise ValueError(f"{name} has to keep its units: {held[root]}.")
            gone.setdefault(root, name)
    biases = constants.biases(model, graph, gone)
    replaced, found = {}, {layer.name: layer for layer in model.layers}
    for name, ids in graph.sources.items():
        stays, reads = (~np.isin(graph.roots(each), list(gone)) for each in (ids, graph.reads[name]))
        if not stays[kept.get(name, [])].all():
            number = next(each for each in kept[name] if not stays[each])
            other = gone[graph.roots(ids[[number]])[0]]
            raise ValueError(
                f"{name} keeps unit {number}, which goes with one that {other} loses: they are joined, by an "
                "addition for example. Name one of the two layers, or both with the same units."
            )
        if len(ids) and not stays.any():
            raise ValueError(f"{name} would have no unit left.")
        if not stays.all() or not reads.all():
            replaced[id(found[name])] = channels.smaller(found[name], reads, stays, biases.get(name))
    return replaced


def keep_filters(model, filters):
    """`keep` for filters alone.

    Args:
        model: As in `keep`.
        filters: As in `keep`.

    Returns:
        As `keep`.
    """
    return keep(model, filters=filters)


def drop_blocks(model, dropped):
    """A network without some of its blocks, as in LayerDrop (Fan et al. 2020).

    Args:
        model: A built Sequential or Functional model with blocks in it: layers or models made of layers,
            whose output has the shape of their first input. A residual connection belongs inside the block.
        dropped: Names of the blocks that go; in a nested model, `outer/inner`.

    Returns:
        A new model of the same inputs and outputs; the old one is unchanged.

    Raises:
        ValueError: If the model is neither Sequential nor Functional, has no such block, or would have
            none of the kind left.
    """
    check_graph(model)
    found = {name: layer for name, layer in named_layers(model).items() if _is_block(layer)}
    dropped = {dropped} if not np.iterable(dropped) or isinstance(dropped, str) else set(dropped)
    kinds = {type(found[name]) for name in dropped & set(found)}
    left = {type(layer) for name, layer in found.items() if name not in dropped}
    if not dropped <= set(found) or not kinds <= left:
        raise ValueError(
            "Name some of the blocks, layers made of layers that keep the shape of their input, and not all. "
            f"Received: {', '.join(map(str, dropped))}. The model has: {', '.join(found) or 'none'}"
        )
    return rebuild(model, {}, [id(found[name]) for name in dropped])


def _is_block(layer):
    if len(sublayers(layer)) < 2 or not layer.weights:
        return False
    try:
        first, made = keras.tree.flatten(layer.input)[0], layer.output
    except (AttributeError, ValueError):  # Never called.
        return False
    return isinstance(made, keras.KerasTensor) and first.shape == made.shape


def _attention_counts(layer):
    return {"heads": layer.num_heads}


def _smaller_attention(layer, heads):
    values = {}
    for variable in layer.weights:
        part, name = variable.path.split("/")[-2:]
        values[part, name] = to_numpy(variable)
    for part in {part for part, name in values if name == "lora_kernel_a"}:
        dense = next(each for each in sublayers(layer) if each.name == part)
        values[part, "kernel"] = merged(dense, "kernel")
    if any(value.dtype.kind in "iu" for value in values.values()):
        raise ValueError(f"{layer.name} is quantized. Prune first, then quantize.")
    new = remake(layer, num_heads=len(heads))
    if ("value", "bias") in values:
        # A head whose values are masked gives their bias at every place, for its weights sum to 1.
        kernel, bias = values["value", "kernel"], values["value", "bias"]
        masked = ~kernel.any(axis=(0, 2))
        masked[heads] = False
        output = values["attention_output", "kernel"]
        values["attention_output", "bias"] = values["attention_output", "bias"] + np.tensordot(
            bias[masked], output[masked], axes=2
        )

    def fill():
        for variable in new.weights:
            part, name = variable.path.split("/")[-2:]
            value = values[part, name]
            if part == "attention_output":  # Kernel `(heads, key_dim, width)`; the bias is of the width.
                value = value[heads] if name == "kernel" else value
            else:  # Kernels `(width, heads, key_dim)`, biases `(heads, key_dim)`.
                value = np.take(value, heads, axis=-2)
            variable.assign(value)

    return new, fill


UNITS[layers.MultiHeadAttention] = (_attention_counts, _smaller_attention)
