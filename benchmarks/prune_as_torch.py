"""Which weights `torch.nn.utils.prune` takes: the masks that tests hold `course_lib.pruning` to.

    python benchmarks/prune_as_torch.py         writes prune_as_torch.json, with PyTorch
    python benchmarks/prune_as_torch.py --check fails if what is there is not what PyTorch gives

The weights have the shapes of those in the three examples of docs/pruning.md, and come from a seed, so the
file holds counts and digests of masks and no arrays. No two of their magnitudes are equal.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys

import numpy as np

FILE = pathlib.Path(__file__).with_suffix(".json")
SPARSITIES = (0.3, 0.5, 0.75, 0.9)
_BLOCK = {
    "self_attention_layer/query/kernel": (16, 2, 8),
    "self_attention_layer/key/kernel": (16, 2, 8),
    "self_attention_layer/value/kernel": (16, 2, 8),
    "self_attention_layer/attention_output/kernel": (2, 8, 16),
    "feedforward_intermediate_dense/kernel": (16, 32),
    "feedforward_output_dense/kernel": (32, 16),
}
NETWORKS = {
    "convolutions": {
        "conv/kernel": (3, 3, 3, 16),
        "separable/depthwise_kernel": (3, 3, 16, 1),
        "separable/pointwise_kernel": (1, 1, 16, 32),
        "logits/kernel": (32, 2),
    },
    "LSTM": {
        "lstm/lstm_cell/kernel": (16, 96),
        "lstm/lstm_cell/recurrent_kernel": (24, 96),
        "logits/kernel": (24, 2),
    },
    "BERT": {
        **{f"transformer_layer_0/{path}": shape for path, shape in _BLOCK.items()},
        "pooled_dense/kernel": (16, 16),
        "logits/kernel": (16, 2),
    },
}


def weights(network, dtype="float32", seed=0):
    """Weights of a network, those of each layer wider spread than those of the one before.

    Args:
        network: A key of `NETWORKS`.
        dtype: "float32" or "float64".
        seed: Of the generator.

    Returns:
        Dict from path to array.
    """
    rng, shapes = np.random.default_rng(seed), NETWORKS[network]
    return {
        path: (rng.normal(size=shape) * (1 + i / len(shapes))).astype(dtype)
        for i, (path, shape) in enumerate(shapes.items())
    }


def lost(sparsity, size):
    """How many weights `course_lib.pruning` takes: PyTorch, given a share, rounds to the nearest number."""
    return int(np.floor(sparsity * size + 1e-6))


def described(masks):
    """Counts and a digest.

    Args:
        masks: Dict from path to boolean array.

    Returns:
        Dict of "zeros", the number of each, and "masks", the first digits of the SHA-256 of all, packed.
    """
    packed = b"".join(np.packbits(np.ascontiguousarray(mask, bool)).tobytes() for mask in masks.values())
    counts = [int(mask.size - np.count_nonzero(mask)) for mask in masks.values()]
    return {"zeros": counts, "masks": hashlib.sha256(packed).hexdigest()[:16]}


def one_by_one(values, function):
    """Masks of PyTorch for arrays, each in a module of its own.

    Args:
        values: Dict from path to array.
        function: Prunes the parameter "weight" of a module; it gets the path, too.

    Returns:
        Dict from path to mask.
    """
    import torch

    found = {}
    for path, value in values.items():
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(torch.from_numpy(value.copy()))
        function(module, path)
        found[path] = module.weight_mask.numpy() != 0
        assert np.array_equal(module.weight.detach().numpy() != 0, found[path])
    return found


def together(values, amount):
    """The same for all arrays together."""
    import torch
    from torch.nn.utils import prune

    modules = [
        torch.nn.ParameterDict({"weight": torch.from_numpy(value.copy())}) for value in values.values()
    ]
    prune.global_unstructured([(each, "weight") for each in modules], prune.L1Unstructured, amount=amount)
    return {path: each.weight_mask.numpy() != 0 for path, each in zip(values, modules, strict=True)}


def at(sparsity, network):
    """The masks of one network at one sparsity.

    Args:
        sparsity: Share of zeros.
        network: A key of `NETWORKS`.

    Returns:
        Dict from a kind of pruning to masks by path.
    """
    import torch
    from torch.nn.utils import prune

    values, doubles = weights(network), weights(network, "float64")
    scores = {path: torch.from_numpy(np.abs(score)) for path, score in weights(network, seed=1).items()}

    def smallest(module, path):
        prune.l1_unstructured(module, "weight", lost(sparsity, module.weight.numel()))

    def by_scores(module, path):
        prune.l1_unstructured(module, "weight", lost(sparsity, module.weight.numel()), scores[path])

    def outputs(n):  # Keras has them on the last axis.
        def function(module, path):
            count = lost(sparsity, module.weight.shape[-1])
            prune.ln_structured(module, "weight", count, n=n, dim=-1)

        return function

    return {
        "layer": one_by_one(values, smallest),
        "layer, float64": one_by_one(doubles, smallest),
        "layer, a share": one_by_one(values, lambda one, _: prune.l1_unstructured(one, "weight", sparsity)),
        "global": together(values, lost(sparsity, sum(value.size for value in values.values()))),
        "global, a share": together(values, sparsity),
        "scores": one_by_one(values, by_scores),
        "outputs, norm 1": one_by_one(values, outputs(1)),
        "outputs, norm 2": one_by_one(values, outputs(2)),
    }


def once(network):
    """What does not depend on a sparsity: a mask that is given, and 0.5 twice, then of the rest."""
    import torch
    from torch.nn.utils import prune

    given = {path: torch.from_numpy(score > 0) for path, score in weights(network, seed=1).items()}

    def custom(module, path):
        prune.custom_from_mask(module, "weight", given[path])

    def twice(module, path):
        for _ in range(2):
            prune.l1_unstructured(module, "weight", 0.5)

    return {
        "mask": one_by_one(weights(network), custom),
        "0.5 twice": one_by_one(weights(network), twice),
    }


def measured():
    """What PyTorch gives: dict from network to sparsity, or "once", to kind to what `described` returns."""
    return {
        network: {
            str(step): {kind: described(masks) for kind, masks in found.items()}
            for step, found in [*((s, at(s, network)) for s in SPARSITIES), ("once", once(network))]
        }
        for network in NETWORKS
    }


def main():
    """Writes the file, or checks it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    found = measured()
    if parser.parse_args().check:
        return int(found != json.loads(FILE.read_text()))
    lines = json.dumps(found, indent=1)
    FILE.write_text(re.sub(r"\[[\d\s,]*\]", lambda each: "".join(each[0].split()), lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
