"""Lesson 06: weights set to zero, for any Keras 3 model, and heads and neurons taken out of an encoder.

A mask is a boolean array of a kernel's shape: False where the weight is zero and stays zero. Sparsity is the
share of zeros, at least 0 and below 1.

A module per idea: `prunable` (what may go), `criteria` (which goes), `schedules` (how much, when), `masks`,
`training`, `structured` (whole units), `channels` (which of them go together), `low_rank`, `rebuild` (models
with other layers), `report`, and `encoders`, which alone knows the course's encoder and KerasHub's and is
loaded when it is asked for.

Sources: Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
arXiv:1506.02626; Zhu and Gupta, "To prune, or not to prune", 2017, arXiv:1710.01878, for the schedule;
Michel, Levy and Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019, arXiv:1905.10650;
Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, arXiv:1608.08710; Fan, Grave and Joulin, ICLR
2020, arXiv:1909.11556, for layers dropped.
"""

import importlib

from course_lib.pruning.criteria import Gradient, Magnitude, Movement, Random, Wanda
from course_lib.pruning.curves import curves
from course_lib.pruning.low_rank import (
    FactoredDense,
    FactoredEmbedding,
    factorise,
    factorize,
    low_rank,
    rank_for_budget,
    rank_for_energy,
)
from course_lib.pruning.masks import apply_masks, load_masks, save_masks
from course_lib.pruning.prunable import kernels
from course_lib.pruning.reparameterised import Reparameterised
from course_lib.pruning.report import Report, compressed_megabytes, count, report, sensitivity
from course_lib.pruning.schedules import (
    Constant,
    OneShot,
    Polynomial,
    Schedule,
    check_sparsity,
    cubic_sparsity,
    polynomial_sparsity,
)
from course_lib.pruning.selection import magnitude_masks, n_of_m_mask
from course_lib.pruning.structured import (
    drop_blocks,
    keep,
    keep_filters,
    keep_heads,
    most_important,
)
from course_lib.pruning.training import Pruning, prune, strip

# They import the course's encoder, and with it KerasHub, which plain pruning does not need.
ENCODERS = ("FactoredBlock", "from_keras_hub", "head_importance", "neuron_importance")

__all__ = [
    "Constant",
    "FactoredBlock",
    "FactoredDense",
    "FactoredEmbedding",
    "Gradient",
    "Magnitude",
    "Movement",
    "OneShot",
    "Polynomial",
    "Pruning",
    "Random",
    "Reparameterised",
    "Report",
    "Schedule",
    "Wanda",
    "apply_masks",
    "check_sparsity",
    "compressed_megabytes",
    "count",
    "cubic_sparsity",
    "curves",
    "drop_blocks",
    "factorise",
    "factorize",
    "from_keras_hub",
    "head_importance",
    "keep",
    "keep_filters",
    "keep_heads",
    "kernels",
    "load_masks",
    "low_rank",
    "magnitude_masks",
    "most_important",
    "n_of_m_mask",
    "neuron_importance",
    "polynomial_sparsity",
    "prune",
    "rank_for_budget",
    "rank_for_energy",
    "report",
    "save_masks",
    "sensitivity",
    "strip",
]


def __getattr__(name):
    if name in ENCODERS:
        return getattr(importlib.import_module("course_lib.pruning.encoders"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
