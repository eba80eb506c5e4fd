"""What the objectives must know of a tokenizer."""

import numpy as np

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


class Vocabulary:
    """What masking must know of a tokenizer.

    Args:
        tokenizer: A `tokenizers.Tokenizer` with BERT's special tokens.

    Attributes:
        pieces: The tokens by id.
        size: Their number.
        special: Boolean array `(size,)`: the special tokens.
        continues: Boolean array `(size,)`: pieces that continue a word.
        pad_id, start_id, end_id, mask_id: Ids of `[PAD]`, `[CLS]`, `[SEP]` and `[MASK]`.

    Raises:
        ValueError: If the tokenizer lacks a special token.
    """

    def __init__(self, tokenizer):
        ids = tokenizer.get_vocab()
        missing = [token for token in SPECIAL if token not in ids]
        if missing:
            raise ValueError(f"The tokenizer has no {', '.join(missing)}: it is not one of BERT's form.")
        self.pieces = sorted(ids, key=ids.get)
        self.size = len(self.pieces)
        self.special = np.isin(self.pieces, SPECIAL)
        self.continues = np.array([piece.startswith("##") for piece in self.pieces])
        self.pad_id, self.start_id, self.end_id, self.mask_id = (ids[SPECIAL[i]] for i in (0, 2, 3, 4))
