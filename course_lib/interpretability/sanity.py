"""Whether an attribution depends on what the model learned (Adebayo et al. 2018)."""

import contextlib

import numpy as np
from keras import ops

from course_lib.interpretability.attention_maps import blocks

TABLES = ("embeddings_layer_norm", "position_embedding", "segment_embedding", "token_embedding")


def ladder(model):
    """A classifier's layers with weights from the top down: a list of tuples of layer names.

    First the head, then every attention layer, the tables of embeddings together at the end.
    """
    return [("logits",), *((name,) for name in reversed(blocks(model))), TABLES]


@contextlib.contextmanager
def randomised(model, names, seed=0):
    """Within the context, some layers' weights are shuffled: each array keeps its values, not their order.

    Args:
        model: A classifier; its weights are put back at the end.
        names: Names of layers.
        seed: Of the order.

    Yields:
        The model.
    """
    rng = np.random.default_rng(seed)
    variables = [v for name in names for v in model.get_layer(name).weights]
    saved = [ops.convert_to_numpy(v) for v in variables]
    try:
        for variable, value in zip(variables, saved, strict=True):
            variable.assign(rng.permutation(value.reshape(-1)).reshape(value.shape))
        yield model
    finally:
        for variable, value in zip(variables, saved, strict=True):
            variable.assign(value)


def rank_correlation(first, second):
    """Spearman's rank correlation of two attributions of one text; 0 where one of them is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(each) - (len(each) + 1) / 2 for each in (first, second)]
    sizes = [np.sqrt(each @ each) for each in ranks]
    return float(ranks[0] @ ranks[1] / (sizes[0] * sizes[1])) if min(sizes) > 0 else 0.0
