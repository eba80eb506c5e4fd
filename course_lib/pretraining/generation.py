"""A causal language model writes, token by token, with a cache of keys and values or without."""

import numpy as np
from keras import ops

from course_lib import attention, transformer
from course_lib.pretraining.vocabulary import SPECIAL


def next_logits(model, token_ids, cache=None):
    """What a causal language model says of the token that comes next, computed for the new tokens only.

    A token's keys and values never change, because it sees no later token: those of earlier ones are kept.

    Args:
        model: A `causal_language_model`.
        token_ids: Integer array of shape `(batch, new)`, without padding: the tokens that are new.
        cache: What this function returned for the tokens before; None if there are none.

    Returns:
        `(logits, cache)`: float32 logits of shape `(batch, vocabulary_size)` after the last token, and a pair
        of keys and values per block, each `(batch, num_heads, length, key_dim)`, of all tokens so far.

    Raises:
        ValueError: If the text becomes longer than the model's positions.
    """
    past = 0 if cache is None else cache[0][0].shape[2]
    token_ids = ops.convert_to_tensor(token_ids, "int32")
    positions = model.get_layer("position_embedding").embeddings
    if past + token_ids.shape[1] > positions.shape[0]:
        raise ValueError(
            f"There are {positions.shape[0]} positions. Received: {past} tokens and "
            f"{token_ids.shape[1]} more."
        )
    x = model.get_layer("token_embedding")(token_ids)
    x = x + ops.cast(positions[past : past + token_ids.shape[1]], x.dtype)
    x = model.get_layer("embeddings_norm")(
        x + model.get_layer("segment_embedding")(ops.zeros_like(token_ids))
    )
    blocks, kept = transformer.blocks(model), []
    for block, pair in zip(blocks, cache or [None] * len(blocks), strict=True):
        x, pair = _block(block, x, pair)
        kept.append(pair)
    if blocks[0].norm_first:
        x = model.get_layer("final_norm")(x)
    return model.get_layer("next_token")(x[:, -1:])[:, 0], kept


def _block(block, x, past):
    """`EncoderBlock.call` on new tokens."""
    attended, pair = _attend(block.attention, block.attention_norm(x) if block.norm_first else x, past)
    x = x + attended
    x = x if block.norm_first else block.attention_norm(x)
    inner = block.intermediate_dense(block.output_norm(x) if block.norm_first else x)
    x = x + block.output_dense(transformer.gelu(inner, block.approximate_gelu))
    return x if block.norm_first else block.output_norm(x), pair


def _attend(layer, x, past):
    """`MultiHeadAttention.call` of new tokens to themselves and those in the cache."""
    query, key, value = (
        attention.split_heads(dense(x), layer.num_heads)
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    if past is not None:
        key, value = ops.concatenate([past[0], key], axis=2), ops.concatenate([past[1], value], axis=2)
    length, new = key.shape[2], query.shape[2]
    mask = ops.expand_dims(ops.arange(length - new, length), -1) >= ops.arange(length)
    output = attention.scaled_dot_product_attention(query, key, value, mask)
    return layer.output_dense(attention.join_heads(output)), (key, value)


def generate(model, tokenizer, prompt, tokens=30, temperature=1.0, seed=0, use_cache=True):
    """Goes on with a text, token by token, each drawn by its probability.

    Args:
        model: A `causal_language_model`.
        tokenizer: A `tokenizers.Tokenizer`.
        prompt: The beginning.
        tokens: Most tokens to add; a `[SEP]` ends the text.
        temperature: Divides the logits: low ones stay with what is likeliest.
        seed: Seed of the draws.
        use_cache: Whether keys and values are kept; without, each token computes all earlier ones anew.

    Returns:
        The prompt and what was added, as text.

    Raises:
        ValueError: If the text becomes longer than the model's positions.
    """
    rng = np.random.default_rng(seed)
    ids = tokenizer.encode(prompt).ids[:-1]  # Without the [SEP] that would end the text.
    end_id = tokenizer.token_to_id("[SEP]")
    forbidden = [i for i in map(tokenizer.token_to_id, SPECIAL) if i != end_id]
    cache, new = None, ids
    for _ in range(tokens):
        logits, kept = next_logits(model, [new], cache)
        logits = ops.convert_to_numpy(logits)[0].astype("float64")
        logits[forbidden] = -np.inf
        # The largest of logits plus Gumbel noise is a draw from their softmax.
        following = int(np.argmax(logits / temperature + rng.gumbel(size=logits.shape)))
        if following == end_id:
            break
        ids.append(following)
        cache, new = (kept, [following]) if use_cache else (None, ids)
    return tokenizer.decode(ids)
