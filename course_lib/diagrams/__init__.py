"""Drawings of the course's ideas, one function each, such as `diagrams.one_query()`.

A notebook shows what such a function returns. `save_all` writes them all as SVG, for slides.
"""

import pathlib

import matplotlib as mpl

from course_lib import runtime
from course_lib.diagrams.attention import (
    attention_flow,
    bottleneck,
    clock_hands,
    cost_grid,
    heads,
    masks,
    one_query,
)
from course_lib.diagrams.canvas import DRAWINGS, Canvas, Drawing, drawing, faults
from course_lib.diagrams.capstone import (
    assistant_flow,
    cut_the_arrow,
    news_lookahead,
    news_stream,
    news_votes,
    none_of_them,
    price_of_threshold,
    tags_on_tokens,
    three_products,
    towers_cold,
    towers_cut,
    towers_meet,
)
from course_lib.diagrams.deployment import (
    browser_page,
    bundle_parts,
    drift,
    micro_batching,
    path_to_device,
    queue_tail,
    watched_service,
)
from course_lib.diagrams.fine_tuning import (
    adamw_step,
    classifier_parts,
    early_stopping,
    four_ways,
    lora,
    mcnemar_table,
    warm_up_and_decay,
)
from course_lib.diagrams.frameworks import (
    a_gradient_of_nothing,
    eager_and_compiled,
    kernels_laid_out,
    one_block_five_ways,
    three_ways_to_a_gradient,
    ways_to_onnx,
    where_epsilon_stands,
)
from course_lib.diagrams.imdb import (
    batches_by_length,
    cut_ends,
    padding_mask,
    paired_verdicts,
    pieces_grow,
    raters_agree,
    review_to_batch,
    split_with_a_leak,
    word_into_pieces,
)
from course_lib.diagrams.interpretability import (
    all_orders,
    delete_and_compare,
    five_questions,
    hide_one,
    leaked_label,
    probe_and_control,
    random_from_the_top,
    rollout_layers,
    straight_path,
    swap_one_word,
)
from course_lib.diagrams.pretraining import (
    causal_shift,
    key_value_cache,
    masked_head,
    masking,
    packed_pairs,
    pretrain_once,
    what_is_seen,
)
from course_lib.diagrams.privacy import (
    clip_and_noise,
    federated_round,
    membership_test,
    pairwise_masks,
    shadow_models,
    three_leaks,
    two_worlds,
    words_in_gradient,
)
from course_lib.diagrams.pruning import (
    every_second_layer,
    head_leaves,
    kinds_of_zeros,
    low_rank_factors,
    pruning_loop,
    teacher_student,
    two_of_four,
    wanda_score,
)
from course_lib.diagrams.quantization import (
    four_bit_path,
    gptq_error_flow,
    outlier_channel,
    outlier_migration,
    qlora,
    quantizer_staircase,
    scale_sharing,
    straight_through,
)
from course_lib.diagrams.scaling import (
    accumulation,
    data_parallel,
    loss_scaling,
    mixed_step,
    one_step,
    recomputation,
    ring,
    split_kernels,
    two_ceilings,
    two_processes,
)
from course_lib.diagrams.transformer import (
    embedding_sum,
    encoder_block,
    encoder_decoder,
    encoder_way,
    grouped_queries,
    norm_axes,
    rms_norm,
    rotary_positions,
    swiglu,
)
from course_lib.diagrams.welcome import ai_infrastructure, journey, lesson_loop

__all__ = [
    "DRAWINGS",
    "Canvas",
    "Drawing",
    "a_gradient_of_nothing",
    "accumulation",
    "adamw_step",
    "ai_infrastructure",
    "all_orders",
    "assistant_flow",
    "attention_flow",
    "batches_by_length",
    "bottleneck",
    "browser_page",
    "bundle_parts",
    "causal_shift",
    "classifier_parts",
    "clip_and_noise",
    "clock_hands",
    "cost_grid",
    "cut_ends",
    "cut_the_arrow",
    "data_parallel",
    "delete_and_compare",
    "drawing",
    "drift",
    "eager_and_compiled",
    "early_stopping",
    "embedding_sum",
    "encoder_block",
    "encoder_decoder",
    "encoder_way",
    "every_second_layer",
    "faults",
    "federated_round",
    "five_questions",
    "four_bit_path",
    "four_ways",
    "gptq_error_flow",
    "grouped_queries",
    "head_leaves",
    "heads",
    "hide_one",
    "journey",
    "kernels_laid_out",
    "key_value_cache",
    "kinds_of_zeros",
    "leaked_label",
    "lesson_loop",
    "lora",
    "loss_scaling",
    "low_rank_factors",
    "masked_head",
    "masking",
    "masks",
    "mcnemar_table",
    "membership_test",
    "micro_batching",
    "mixed_step",
    "news_lookahead",
    "news_stream",
    "news_votes",
    "none_of_them",
    "norm_axes",
    "one_block_five_ways",
    "one_query",
    "one_step",
    "outlier_channel",
    "outlier_migration",
    "packed_pairs",
    "padding_mask",
    "paired_verdicts",
    "pairwise_masks",
    "path_to_device",
    "pieces_grow",
    "pretrain_once",
    "price_of_threshold",
    "probe_and_control",
    "pruning_loop",
    "qlora",
    "quantizer_staircase",
    "queue_tail",
    "random_from_the_top",
    "raters_agree",
    "recomputation",
    "review_to_batch",
    "ring",
    "rms_norm",
    "rollout_layers",
    "rotary_positions",
    "save_all",
    "scale_sharing",
    "shadow_models",
    "split_kernels",
    "split_with_a_leak",
    "straight_path",
    "straight_through",
    "swap_one_word",
    "swiglu",
    "tags_on_tokens",
    "teacher_student",
    "three_leaks",
    "three_products",
    "three_ways_to_a_gradient",
    "towers_cold",
    "towers_cut",
    "towers_meet",
    "two_ceilings",
    "two_of_four",
    "two_processes",
    "two_worlds",
    "wanda_score",
    "warm_up_and_decay",
    "watched_service",
    "ways_to_onnx",
    "what_is_seen",
    "where_epsilon_stands",
    "word_into_pieces",
    "words_in_gradient",
]


def save_all(folder):
    """Writes every drawing as an SVG file, named as its function.

    Args:
        folder: Where to; it is made if it is missing. Files of these names are replaced.

    Returns:
        The paths.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in DRAWINGS.items():
        path = folder / f"{name}.svg"
        figure = draw()
        about = {"Title": name.replace("_", " "), "Description": figure.description, "Date": None}
        # The same drawing gives the same file: no random ids, no date.
        with runtime.atomic_write(path) as temporary, mpl.rc_context({"svg.hashsalt": name}):
            figure.savefig(temporary, format="svg", metadata=about)
        paths.append(path)
    return paths
