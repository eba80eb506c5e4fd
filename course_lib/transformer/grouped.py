"""Query heads that share keys and values."""

from keras import ops

from course_lib import attention


def grouped_query_attention(query, key, value, mask=None):
    """Attention in which several query heads share one head of keys and values.

    It keeps fewer keys and values in memory (Ainslie et al. 2023, arXiv:2305.13245). With as many key heads
    as query heads it is multi-head attention; with one it is multi-query attention (Shazeer 2019,
    arXiv:1911.02150).

    Args:
        query: Tensor of shape `(..., heads, queries, depth)`.
        key: Tensor of shape `(..., groups, keys, depth)`. Consecutive query heads share one of these.
        value: Tensor of shape `(..., groups, keys, depth)`.
        mask: As in `attention.scaled_dot_product_attention`.

    Returns:
        Tensor of shape `(..., heads, queries, depth)`.

    Raises:
        ValueError: If `heads` is not a multiple of `groups`.
    """
    heads, groups = query.shape[-3], key.shape[-3]
    if heads % groups:
        raise ValueError(f"{heads} query heads cannot share {groups} heads of keys and values equally.")
    key, value = (ops.repeat(each, heads // groups, axis=-3) for each in (key, value))
    return attention.scaled_dot_product_attention(query, key, value, mask)
