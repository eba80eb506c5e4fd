"""Lesson 03: the encoder of BERT from its parts, with the names, inputs and outputs of KerasHub's.

Everything runs on the TensorFlow and the JAX backend and under any Keras dtype policy. A padding mask is
True, or 1, at tokens. Widths are named as in KerasHub: vectors are `hidden_dim` wide, and `intermediate_dim`
inside the feed-forward part.

A module per idea: `embeddings`, `norms`, `block` (attention, feed-forward, residuals), `bert` (the whole
encoder and what it costs), `pooling`, `published` (the weights of a BERT), and of later models `rotary`
(positions as rotations) and `grouped` (heads that share keys and values).

Sources: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762; Devlin et al., "BERT",
NAACL 2019, arXiv:1810.04805.
"""

from course_lib.transformer.bert import attention_scores, blocks, costs, encoder, hidden_states
from course_lib.transformer.block import SPREAD, EncoderBlock, gelu
from course_lib.transformer.embeddings import PositionEmbedding, check_token_ids, segment_ids
from course_lib.transformer.grouped import grouped_query_attention
from course_lib.transformer.norms import EPSILON, layer_norm, rms_norm
from course_lib.transformer.pooling import mean_pool
from course_lib.transformer.published import PUBLISHED, load_published, published_name
from course_lib.transformer.rotary import rotate

__all__ = [
    "EPSILON",
    "PUBLISHED",
    "SPREAD",
    "EncoderBlock",
    "PositionEmbedding",
    "attention_scores",
    "blocks",
    "check_token_ids",
    "costs",
    "encoder",
    "gelu",
    "grouped_query_attention",
    "hidden_states",
    "layer_norm",
    "load_published",
    "mean_pool",
    "published_name",
    "rms_norm",
    "rotate",
    "segment_ids",
]
