"""One vector for a text from the vectors of its tokens."""

from keras import ops


def mean_pool(sequence, padding_mask):
    """The mean of each text's token vectors; padding does not count.

    Args:
        sequence: Tensor of shape `(batch, length, width)`; at padding it may hold anything, NaN among it.
        padding_mask: Tensor of shape `(batch, length)`.

    Returns:
        Tensor of shape `(batch, width)`, zeros for a text without tokens.
    """
    sequence = ops.convert_to_tensor(sequence)
    mask = ops.expand_dims(ops.cast(padding_mask, "bool"), -1)
    total = ops.sum(ops.where(mask, sequence, ops.zeros_like(sequence)), axis=1)
    return total / ops.maximum(ops.sum(ops.cast(mask, sequence.dtype), axis=1), 1.0)
