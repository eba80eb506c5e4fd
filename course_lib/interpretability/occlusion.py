"""What a classifier says without a word."""

import numpy as np


def occlusion(value, count):
    """By how much the value falls if one player leaves and all others stay (Zeiler and Fergus 2014).

    Args:
        value: Function from a boolean array `(n, count)`, who is there, to values `(n,)`, such as `game`.
        count: The number of players.

    Returns:
        Float array `(count,)`.
    """
    present = np.concatenate([np.ones((1, count), "bool"), ~np.eye(count, dtype="bool")])
    whole, *without = value(present)
    return whole - np.array(without)
