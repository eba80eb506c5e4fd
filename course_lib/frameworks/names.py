"""Weights by name: what each library's own encoder layer calls the arrays, and how it lays them out."""

import numpy as np

from course_lib.frameworks.encoder import DENSE, NORMS

# The block's parts in each library. The head is nobody's: each makes it as a dense layer of its own.
KERAS = {
    "query": "attention/query",
    "key": "attention/key",
    "value": "attention/value",
    "output": "attention/attention_output",
    "inner": "intermediate_dense",
    "outer": "output_dense",
    "attention_norm": "attention_norm",
    "outer_norm": "output_norm",
}
PADDLE = {
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "output": "self_attn.out_proj",
    "inner": "linear1",
    "outer": "linear2",
    "attention_norm": "norm1",
    "outer_norm": "norm2",
}
TORCH = {name: PADDLE[name] for name in ("output", "inner", "outer", "attention_norm", "outer_norm")}
WEIGHT = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
PARTS = [*((name, part) for name in DENSE if name != "head" for part in ("kernel", "bias"))]
PARTS += [(name, part) for name in NORMS for part in ("gamma", "beta")]
STACKED = ("query", "key", "value")  # One array in PyTorch.


def to_keras(arrays):
    """The block's arrays by the paths of `transformer.EncoderBlock`'s weights, the layer's name aside."""
    return {f"{KERAS[name]}/{part}": arrays[f"{name}/{part}"] for name, part in PARTS}


def from_keras(found):
    """Undoes `to_keras`."""
    return {f"{name}/{part}": np.asarray(found[f"{KERAS[name]}/{part}"]) for name, part in PARTS}


def to_paddle(arrays):
    """The block's arrays as `paddle.nn.TransformerEncoderLayer`'s state: other names, the same layout."""
    return {f"{PADDLE[name]}.{WEIGHT[part]}": arrays[f"{name}/{part}"] for name, part in PARTS}


def from_paddle(state):
    """Undoes `to_paddle`; values may be tensors."""
    return {f"{name}/{part}": np.asarray(state[f"{PADDLE[name]}.{WEIGHT[part]}"]) for name, part in PARTS}


def to_torch(arrays):
    """The block's arrays as `torch.nn.TransformerEncoderLayer`'s state.

    PyTorch's kernels are `(outputs, inputs)`, and those of query, key and value lie in one array.
    """
    found = {}
    for part, name in (("kernel", "in_proj_weight"), ("bias", "in_proj_bias")):
        stacked = [np.transpose(arrays[f"{each}/{part}"]) for each in STACKED]
        found[f"self_attn.{name}"] = np.concatenate(stacked)
    for name, part in PARTS:
        if name not in STACKED:
            found[f"{TORCH[name]}.{WEIGHT[part]}"] = np.ascontiguousarray(
                np.transpose(arrays[f"{name}/{part}"])
            )
    return found


def from_torch(state):
    """Undoes `to_torch`; values may be tensors."""
    found = {}
    for part, name in (("kernel", "in_proj_weight"), ("bias", "in_proj_bias")):
        for each, array in zip(STACKED, np.split(np.asarray(state[f"self_attn.{name}"]), 3), strict=True):
            found[f"{each}/{part}"] = np.ascontiguousarray(np.transpose(array))
    for name, part in PARTS:
        if name not in STACKED:
            array = np.transpose(np.asarray(state[f"{TORCH[name]}.{WEIGHT[part]}"]))
            found[f"{name}/{part}"] = np.ascontiguousarray(array)
    return found
