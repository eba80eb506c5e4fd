"""What a masked language model puts into a gap."""

import numpy as np
from keras import ops


def fill(model, tokenizer, text, top=5):
    """What a masked language model puts in the place of each `[MASK]`.

    Args:
        model: A `masked_language_model`.
        tokenizer: A `tokenizers.Tokenizer`.
        text: A text with one `[MASK]` or more.
        top: How many tokens to return per place.

    Returns:
        For each place a list of `(token, probability)`, the likeliest first.

    Raises:
        ValueError: If there is no `[MASK]`.
    """
    ids = tokenizer.encode(text).ids
    positions = np.flatnonzero(np.equal(ids, tokenizer.token_to_id("[MASK]")))
    if not len(positions):
        raise ValueError(f"There is no [MASK] in {text!r}.")
    token_ids = np.array([ids], "int32")
    x = {
        "token_ids": token_ids,
        "segment_ids": np.zeros_like(token_ids),
        "padding_mask": np.ones_like(token_ids),
        "mask_positions": positions[None].astype("int32"),
    }
    logits = model(x, training=False)["masked"]
    probabilities = ops.convert_to_numpy(ops.softmax(logits))[0]
    best = np.argsort(-probabilities, kind="stable")[:, :top]
    return [
        [(tokenizer.id_to_token(int(i)), float(row[i])) for i in each]
        for row, each in zip(probabilities, best, strict=True)
    ]
