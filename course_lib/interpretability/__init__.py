"""Lesson 10: why a classifier said that, and whether the answer is true.

A module per idea. Explaining one verdict: `words` (what is hidden and asked), `attention_maps`, `gradients`,
`occlusion`, `shapley`, `pictures`. Judging explanations: `faithfulness`, `sanity`. Judging the model:
`shortcut`, `probing`, `templates`, `intervals`, `card`.

Sources are named where they are used; what a service shows of a verdict is lesson 08's
`deployment.Classifier.word_importance`, occlusion in probabilities.
"""

from course_lib.interpretability.attention_maps import (
    attention_maps,
    attention_rollout,
    blocks,
    rollout,
    uniform_attention,
)
from course_lib.interpretability.card import Finding, markdown, model_card
from course_lib.interpretability.faithfulness import SHARES, area, on_shares, removal_curve
from course_lib.interpretability.gradients import (
    Embedded,
    gradient,
    gradient_times_input,
    integrated_gradients,
    path_integral,
)
from course_lib.interpretability.intervals import Gap, correlation, gap, holm
from course_lib.interpretability.occlusion import occlusion
from course_lib.interpretability.pictures import word_table
from course_lib.interpretability.probing import control_labels, layer_means, probe, swap_neighbours
from course_lib.interpretability.sanity import TABLES, ladder, randomised, rank_correlation
from course_lib.interpretability.shapley import shapley_exact, shapley_sampled
from course_lib.interpretability.shortcut import ratings, replace_ratings, shortcut_record
from course_lib.interpretability.templates import (
    AFRICAN_AMERICAN,
    BRITISH,
    GROUP_FRAMES,
    GROUPS,
    NAME_FRAMES,
    NAMES,
    behaviours,
    dialects,
    swaps,
)
from course_lib.interpretability.words import Words, game, lean, log_odds, model_inputs, split

__all__ = [
    "AFRICAN_AMERICAN",
    "BRITISH",
    "GROUPS",
    "GROUP_FRAMES",
    "NAMES",
    "NAME_FRAMES",
    "SHARES",
    "TABLES",
    "Embedded",
    "Finding",
    "Gap",
    "Words",
    "area",
    "attention_maps",
    "attention_rollout",
    "behaviours",
    "blocks",
    "control_labels",
    "correlation",
    "dialects",
    "game",
    "gap",
    "gradient",
    "gradient_times_input",
    "holm",
    "integrated_gradients",
    "ladder",
    "layer_means",
    "lean",
    "log_odds",
    "markdown",
    "model_card",
    "model_inputs",
    "occlusion",
    "on_shares",
    "path_integral",
    "probe",
    "randomised",
    "rank_correlation",
    "ratings",
    "removal_curve",
    "replace_ratings",
    "rollout",
    "shapley_exact",
    "shapley_sampled",
    "shortcut_record",
    "split",
    "swap_neighbours",
    "swaps",
    "uniform_attention",
    "word_table",
]
