"""Lesson 04: masked language model, next-sentence prediction and the causal objective.

Masks are drawn anew in every epoch, inside `tf.data`.

Sources: Devlin et al., "BERT", NAACL 2019, arXiv:1810.04805, section 3.1 and appendix A; Radford et al.,
"Improving Language Understanding by Generative Pre-Training", 2018, for the causal objective.
"""

from course_lib.pretraining.filling import fill
from course_lib.pretraining.generation import generate, next_logits
from course_lib.pretraining.masking import RATE, budget, choose, corrupt, masked, text_batches, word_scores
from course_lib.pretraining.models import (
    TokenHead,
    causal_language_model,
    masked_language_model,
    tile_positions,
)
from course_lib.pretraining.pairs import draw_pairs, next_sentence_pairs, pack, pair_batches, sentences
from course_lib.pretraining.shift import causal, causal_shift
from course_lib.pretraining.training import compile_language_model, masked_loss, perplexity
from course_lib.pretraining.vocabulary import SPECIAL, Vocabulary

__all__ = [
    "RATE",
    "SPECIAL",
    "TokenHead",
    "Vocabulary",
    "budget",
    "causal",
    "causal_language_model",
    "causal_shift",
    "choose",
    "compile_language_model",
    "corrupt",
    "draw_pairs",
    "fill",
    "generate",
    "masked",
    "masked_language_model",
    "masked_loss",
    "next_logits",
    "next_sentence_pairs",
    "pack",
    "pair_batches",
    "perplexity",
    "sentences",
    "text_batches",
    "tile_positions",
    "word_scores",
]
