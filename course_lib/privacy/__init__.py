"""Lesson 11: what a model gives away, and what silence costs.

A module per idea: `heads` (classifiers on cached features, in NumPy, on which all of it is measured),
`membership` (was this text learned from?), `reconstruction` (words from gradients), `dp_sgd` (clipping and
noise), `accounting` (epsilon), `federated` (averaging, screening, clients' privacy), `secure_aggregation`
(masks), `records` (what benchmarks/privacy.py recorded). `flower`, server and clients as processes, is
imported by its own name, because it is also a command. Nothing here imports Keras or TensorFlow.
"""

from course_lib.privacy import (
    accounting,
    dp_sgd,
    federated,
    heads,
    membership,
    reconstruction,
    secure_aggregation,
)
from course_lib.privacy.accounting import epsilon, noise_for
from course_lib.privacy.membership import auc, lira, true_positives

__all__ = [
    "accounting",
    "auc",
    "dp_sgd",
    "epsilon",
    "federated",
    "heads",
    "lira",
    "membership",
    "noise_for",
    "reconstruction",
    "secure_aggregation",
    "true_positives",
]
