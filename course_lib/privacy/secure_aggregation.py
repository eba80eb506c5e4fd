"""Secure aggregation by pairwise masks (Bonawitz et al. 2017): the server learns the sum and nothing else.

Numbers become integers modulo 2^32. Every two clients share a secret, from which both make the same mask; one
adds it, the other subtracts it, and in the sum it is gone, to the last bit. How two clients come by a secret
that the server does not know (a key agreement), and how the secrets of a client that is gone are shared among
the others, is the protocol's and not shown here.
"""

import hashlib

import numpy as np

SCALE = 2.0**16


def encode(values, scale=SCALE):
    """Numbers as integers modulo 2^32.

    Args:
        values: Float array.
        scale: Steps per unit. The sum over all clients must stay below 2^31 / scale in size.

    Returns:
        uint32 array of the same shape; negative numbers count down from 2^32.

    Raises:
        ValueError: If a number is not finite or too large.
    """
    scaled = np.round(np.asarray(values, "float64") * scale)
    if not np.all(np.abs(scaled) < 2**31):
        raise ValueError(f"Numbers must be finite and below {2**31 / scale:g} in size.")
    return scaled.astype("int64").astype("uint32")


def decode(integers, scale=SCALE):
    """The numbers that integers modulo 2^32 stand for: the inverse of `encode`, to half a step."""
    return integers.astype("int32").astype("float64") / scale


def pair_mask(secret, number, size):
    """The mask that two clients with a common secret make: uniform integers modulo 2^32.

    Args:
        secret: Bytes that only the two know.
        number: Of the round. No mask may serve twice.
        size: How many integers.

    Returns:
        uint32 array `(size,)`.
    """
    stream = hashlib.shake_256(secret + number.to_bytes(8, "big")).digest(4 * size)
    return np.frombuffer(stream, "<u4").astype("uint32")


def mask(client, secrets, number, size):
    """The sum of a client's masks: added for partners with a higher name, subtracted for lower ones.

    Args:
        client: The client's name; names can be ordered.
        secrets: Dict from each partner's name to the common secret.
        number: Of the round.
        size: How many integers.

    Returns:
        uint32 array `(size,)`.
    """
    total = np.zeros(size, "uint32")
    for partner, secret in secrets.items():
        one = pair_mask(secret, number, size)
        total = total + one if client < partner else total - one
    return total
