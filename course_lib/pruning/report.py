"""What is left."""

import zlib

import numpy as np
from keras import ops


def count(model):
    """How many parameters a model has, and how many of them are not zero: `(parameters, non_zeros)`."""
    values = [ops.convert_to_numpy(weight) for weight in model.weights]
    return sum(value.size for value in values), sum(int(np.count_nonzero(value)) for value in values)


def compressed_megabytes(model, level=1):
    """Size of all weights after zlib, in megabytes: what a sparse model takes to send, not to run."""
    packer, size = zlib.compressobj(level), 0
    for weight in model.weights:
        size += len(packer.compress(np.ascontiguousarray(ops.convert_to_numpy(weight)).tobytes()))
    return (size + len(packer.flush())) / 1e6
