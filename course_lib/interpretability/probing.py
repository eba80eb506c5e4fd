"""What can be read from each layer's vectors, and how much of that is the probe's own memory."""

import numpy as np

from course_lib import fine_tuning
from course_lib.interpretability.attention_maps import hidden_states
from course_lib.interpretability.words import model_inputs


def layer_means(model, rows, batch_size=64):
    """The mean of the token vectors, without padding, behind the embeddings and behind every layer.

    Args:
        model: A classifier on a KerasHub BERT.
        rows: Sequences of token ids.
        batch_size: Rows at a time.

    Returns:
        Float32 array `(layers + 1, len(rows), width)`.
    """
    states = hidden_states(model)
    order = np.argsort([len(row) for row in rows], kind="stable")
    result = None
    for start in range(0, len(rows), batch_size):
        places = order[start : start + batch_size]
        inputs = model_inputs([rows[i] for i in places])
        mask = inputs["padding_mask"][..., None].astype("float32")
        found = [np.asarray(each, "float32") for each in states.predict_on_batch(inputs)]
        means = np.stack([(each * mask).sum(axis=1) / mask.sum(axis=1) for each in found])
        if result is None:
            result = np.empty((len(means), len(rows), means.shape[-1]), "float32")
        result[:, places] = means
    return result


def swap_neighbours(ids, seed=0):
    """A sequence with two neighbouring tokens exchanged (the bigram shift of Conneau et al. 2018).

    Args:
        ids: Token ids with a special token at either end, which stay.
        seed: Which two; they are two different tokens.

    Returns:
        Int array; unchanged if no two neighbours differ.
    """
    ids = np.array(ids)
    places = 1 + np.flatnonzero(ids[1:-2] != ids[2:-1])
    if len(places):
        place = np.random.default_rng(seed).choice(places)
        ids[[place, place + 1]] = ids[[place + 1, place]]
    return ids


def control_labels(types, seed=0):
    """Labels that mean nothing, one for each type (Hewitt and Liang 2019).

    What a probe gets right of these it has learned by heart. Beginning with the most frequent type, the rarer
    label is given, so that both are about equally frequent; a coin decides where they are.

    Args:
        types: One hashable per example, such as its first word.
        seed: Of the coin.

    Returns:
        Int array `(len(types),)` of 0 and 1; equal types have equal labels.
    """
    names, places, counts = np.unique(np.asarray(types), return_inverse=True, return_counts=True)
    rng = np.random.default_rng(seed)
    labels, load = np.zeros(len(names), "int64"), [0, 0]
    for i in np.argsort(-counts + rng.random(len(counts)) / 2, kind="stable"):
        labels[i] = int(rng.random() < 0.5) if load[0] == load[1] else int(load[1] < load[0])
        load[labels[i]] += counts[i]
    return labels[places]


def probe(train, labels, test, truth, regularisation=0.01):
    """Accuracy of a logistic regression on frozen vectors, as `fine_tuning.train_head` makes it.

    Args:
        train: Float array `(n, width)`.
        labels: Int array `(n,)`.
        test: Float array `(m, width)`.
        truth: Int array `(m,)`.
        regularisation: scikit-learn's `C`.

    Returns:
        The share of `test` that is right.
    """
    return float(fine_tuning.train_head(train, labels, regularisation).score(test, truth))
