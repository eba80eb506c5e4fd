"""LiteRT files from inside: their operations, and the numbers that these hold.

The format is TensorFlow's `schema.fbs`; `ai_edge_litert` reads it.
"""

import collections
import dataclasses
import pathlib

import numpy as np

from course_lib import runtime


@dataclasses.dataclass(frozen=True, order=True)
class Operation:
    """Operations of one kind in a LiteRT file.

    Attributes:
        name: The kind as LiteRT writes it, such as "FULLY_CONNECTED".
        activations: Number type of the result, such as "FLOAT32" or "INT8".
        weights: Number type in which the file stores their weights; "" if they have none.
        count: How many there are.
        parameters: How many numbers their weights are, in all. What several operations share counts once.
    """

    name: str
    activations: str
    weights: str
    count: int
    parameters: int


def operations(path, signature=None):
    """Lists the operations of a LiteRT file: what computes with integers, and what stays in floats.

    Args:
        path: The file.
        signature: The name of one of its signatures; None takes the first. They differ in their shapes.

    Returns:
        List of `Operation`, sorted: one for each kind and pair of number types. An operation that multiplies
        8-bit weights with activations which it rounds itself has float activations and integer weights;
        weights that it takes from a DEQUANTIZE have the type before that. Biases are not looked at where
        there is a kernel.

    Raises:
        ValueError: If the file is no LiteRT model or has no such signature.
        FileNotFoundError: If there is no such file.
    """
    network = read(pathlib.Path(path).read_bytes(), path)
    graphs = {each.signatureKey.decode(): each.subgraphIndex for each in network.signatureDefs or ()}
    if signature is not None and signature not in graphs:
        raise ValueError(f"{path} has the signatures {', '.join(graphs) or 'none'}. Received: {signature!r}")
    first = next(iter(graphs.values()), 0) if signature is None else graphs[signature]
    counts, stored = collections.Counter(), collections.defaultdict(dict)
    for graph in _reached(network, first):
        producers = {index: operator for operator in graph.operators for index in operator.outputs}
        for operator in graph.operators:
            held = _weights(network, graph, operator, producers)
            key = (
                _name(network, operator),
                _type(graph.tensors[operator.outputs[0]]) if len(operator.outputs) else "",
                _type(held) if held is not None else "",
            )
            counts[key] += 1
            if held is not None:
                stored[key][held.buffer] = int(np.prod(held.shape))
    return sorted(Operation(*key, count, sum(stored[key].values())) for key, count in counts.items())


def read(content, path="This"):
    """A LiteRT file's bytes as the objects of its schema.

    Args:
        content: bytes of the file.
        path: What an error calls it.

    Raises:
        ValueError: If it is none.
    """
    with runtime.hidden_stderr():
        from ai_edge_litert.tools import flatbuffer_utils

    try:
        if bytes(content[4:8]) != b"TFL3":
            raise ValueError("its first bytes say otherwise")
        return flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    except Exception as error:  # Which one is up to where the file is broken.
        raise ValueError(f"{path} is no LiteRT model: {error}") from None


def of_kind(network, *kinds):
    """Yields graph and operator for each operation of some kinds whose weights are stored as floats."""
    for graph in network.subgraphs:
        producers = {index: operator for operator in graph.operators for index in operator.outputs}
        for operator in graph.operators:
            if _name(network, operator) in kinds:
                held = _weights(network, graph, operator, producers)
                if held is not None and _type(held) == "FLOAT32":
                    yield graph, operator, held


def _reached(network, first):
    """A signature's graph, and those of its loops and branches."""
    found, waiting = [], [first]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.append(index)
            for operator in network.subgraphs[index].operators:
                options = vars(operator.builtinOptions) if operator.builtinOptions is not None else {}
                waiting += [value for key, value in options.items() if key.lower().endswith("subgraphindex")]
    return [network.subgraphs[index] for index in found]


def _weights(network, graph, operator, producers):
    """The largest stored tensor of numbers among an operation's inputs, or None.

    Sizes, axes and other settings are stored as inputs too: integers without a scale, or a single number.
    """
    found = []
    for index in operator.inputs:
        before = producers.get(index)
        if before is not None and _name(network, before) == "DEQUANTIZE":
            index = before.inputs[0]
        if index < 0 or index in producers:
            continue
        tensor = graph.tensors[index]
        data = network.buffers[tensor.buffer].data
        scaled = tensor.quantization is not None and (
            tensor.quantization.scale is not None or tensor.quantization.details is not None
        )
        numbers = _type(tensor) in ("FLOAT32", "FLOAT16", "BFLOAT16") or scaled
        if data is not None and len(data) and numbers and np.prod(tensor.shape) > 1:
            found.append(tensor)
    return max(found, key=lambda tensor: np.prod(tensor.shape), default=None)


def _name(network, operator):
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.opcode_to_name(network, operator.opcodeIndex)


def _type(tensor):
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.type_to_name(tensor.type)
