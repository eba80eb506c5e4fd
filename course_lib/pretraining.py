"""Lesson 04: masked language model, next-sentence prediction and the causal objective.

Masks are drawn anew in every epoch, inside `tf.data`. What is random comes in as an argument, so that each
step can be computed by hand: a score or a draw is uniform between 0 and 1.

Sources: Devlin et al., "BERT", NAACL 2019, arXiv:1810.04805, section 3.1 and appendix A; Radford et al.,
"Improving Language Understanding by Generative Pre-Training", 2018, for the causal objective.
"""

import math
import re

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from course_lib import imdb, runtime, transformer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
RATE = 0.15


# Masked language model: which tokens, and what stands in their place


def word_scores(scores, continues):
    """Gives all pieces of a word one score, so that a word is chosen whole or not at all.

    Args:
        scores: Float tensor of shape `(batch, length)`; the k-th word of a text gets the k-th.
        continues: Boolean tensor of the same shape: where a piece continues the word before it.

    Returns:
        Tensor of the shape of `scores`.
    """
    word = tf.cumsum(tf.cast(~continues, "int32"), axis=1) - 1
    return tf.gather(scores, tf.maximum(word, 0), batch_dims=1)


def choose(scores, candidates, rate=RATE):
    """Chooses the tokens to predict: in each text the share `rate` of the candidates with the lowest scores.

    Args:
        scores: Float tensor of shape `(batch, length)`. Equal scores are chosen together or not at all.
        candidates: Boolean tensor of the same shape, False at padding and special tokens.
        rate: Share of the candidates.

    Returns:
        Boolean tensor of the shape of `scores`. A text with n candidates gets `rate` times n, rounded and at
        least one; fewer, if those with the next score are too many to fit.
    """
    # A rank counts the token itself and all ties: beyond the budget, none of them is taken.
    lower = (scores[:, None, :] <= scores[:, :, None]) & candidates[:, None, :]
    ranks = tf.reduce_sum(tf.cast(lower, "int32"), axis=-1)
    return candidates & (ranks <= budget(tf.reduce_sum(tf.cast(candidates, "int32"), -1, True), rate))


def budget(count, rate=RATE):
    """How many of `count` candidates are predicted: the share `rate`, rounded, at least one."""
    return tf.maximum(1, tf.cast(tf.round(rate * tf.cast(count, "float32")), "int32"))


def corrupt(token_ids, chosen, draws, random_ids, mask_id):
    """Replaces 80 % of the chosen tokens by `[MASK]` and 10 % by random tokens; 10 % stay (section 3.1).

    Args:
        token_ids: Integer tensor of any shape.
        chosen: Boolean tensor of the same shape.
        draws: Float tensor of the same shape: below 0.8 `[MASK]`, below 0.9 the random token.
        random_ids: Integer tensor of the same shape.
        mask_id: The id of `[MASK]`.

    Returns:
        Integer tensor of the same shape.
    """
    replaced = tf.where(draws < 0.8, mask_id, tf.where(draws < 0.9, random_ids, token_ids))
    return tf.where(chosen, replaced, token_ids)


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


def masked(dataset, vocabulary, rate=RATE, whole_words=False, next_sentence=False, seed=0):
    """Makes batches for a masked language model of batches of texts, with new masks in every epoch.

    Args:
        dataset: Batches of `(x, y)` as `imdb.batches` gives them, or `pair_batches`.
        vocabulary: The tokenizer's `Vocabulary`.
        rate: As in `choose`.
        whole_words: Whether all pieces of a word are chosen together.
        next_sentence: Whether `y` says if the second segment follows the first.
        seed: Seed of the masks.

    Returns:
        A dataset of `(x, labels, weights)`. `x` has the corrupted `token_ids`, `segment_ids`, `padding_mask`
        and `mask_positions`, int32 of shape `(batch, predictions)`; `labels` and `weights` are dicts with
        `"masked"`, of that shape (the true ids, and 1.0, or 0.0 where there are fewer predictions than
        columns), and with `next_sentence` `"next"`, of shape `(batch,)` (`y`, and 1.0).
    """
    special, continues = tf.constant(vocabulary.special), tf.constant(vocabulary.continues)
    ordinary = tf.constant(np.flatnonzero(~vocabulary.special), "int32")

    def mask(batch, key):
        x, y = batch
        true = x["token_ids"]
        scores, draws, places = tf.unstack(tf.random.stateless_uniform((3, *tf.unstack(tf.shape(true))), key))
        if whole_words:
            scores = word_scores(scores, tf.gather(continues, true))
        chosen = choose(scores, ~tf.gather(special, true) & tf.cast(x["padding_mask"], "bool"), rate)
        places = tf.cast(places * tf.cast(tf.size(ordinary), "float32"), "int32")
        token_ids = corrupt(true, chosen, draws, tf.gather(ordinary, places), vocabulary.mask_id)
        # The chosen places of each row, in order; rows with fewer are filled up with places of no weight.
        columns = budget(tf.shape(true)[1], rate)
        positions = tf.argsort(tf.where(chosen, 0, 1), stable=True)[:, :columns]
        weights = tf.gather(tf.cast(chosen, "float32"), positions, batch_dims=1)
        labels, weights = {"masked": tf.gather(true, positions, batch_dims=1)}, {"masked": weights}
        if next_sentence:
            labels["next"], weights["next"] = y, tf.ones_like(y, "float32")
        return {**x, "token_ids": token_ids, "mask_positions": positions}, labels, weights

    keys = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip(dataset, keys).map(mask, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def text_batches(texts, tokenizer, batch_size=32, sequence_length=128, shuffle=False, seed=0):
    """Padded batches of whole texts: what does not fit into one sequence goes on in the next.

    Args:
        texts: Sequence of str; they are cleaned.
        tokenizer: A `tokenizers.Tokenizer`.
        batch_size: Sequences per batch.
        sequence_length: Most tokens per sequence, `[CLS]` and `[SEP]` included.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the shuffle.

    Returns:
        A dataset of `(x, y)` as `imdb.batches` gives it, with the number of the text as `y`.
    """
    room, sequences, numbers = sequence_length - 2, [], []
    for number, (start, *ids, end) in enumerate(imdb.encode(texts, tokenizer, sequence_length=10**6)):
        for i in range(0, len(ids), room):
            # An array, because a list of so many integers would take ten times the memory.
            sequences.append(np.array([start, *ids[i : i + room], end], "int32"))
            numbers.append(number)
    return imdb.batch_sequences(sequences, numbers, batch_size, shuffle=shuffle, seed=seed)


# Next-sentence prediction


def sentences(text):
    """Cuts a cleaned text after each `.`, `!` or `?`, and a closing mark, that white space follows."""
    return [part for part in re.split(r"(?<=[.!?])\s+|(?<=[.!?][\"')\]])\s+", text.strip()) if part]


def next_sentence_pairs(documents, cuts, sources):
    """Pairs of a document's beginning and an ending, its own or that of another document.

    Args:
        documents: One list of sentences per document, each a list of token ids.
        cuts: Per document the number of sentences in its beginning.
        sources: Per document the number of the document whose ending becomes the second part.

    Returns:
        `(first, second, is_next)`: two lists with one list of token ids per document, and an int32 array: 1
        where the second part follows the first, 0 where it is a stranger's.
    """
    first = [_join(document[:cut]) for document, cut in zip(documents, cuts, strict=True)]
    second = [_join(documents[source][cuts[source] :]) for source in sources]
    return first, second, np.equal(sources, np.arange(len(documents))).astype("int32")


def _join(lists):
    return [each for part in lists for each in part]


def draw_pairs(documents, seed=0):
    """Draws the cuts and sources of `next_sentence_pairs`.

    Args:
        documents: Lists of two sentences or more.
        seed: Seed of the draws.

    Returns:
        `(cuts, sources)`, two integer arrays. A cut leaves a sentence on either side. Half of the documents,
        rounded up, are their own source; each other one gets any document but itself, with equal chances.

    Raises:
        ValueError: If there are fewer than two documents, or one has fewer than two sentences.
    """
    count = len(documents)
    if count < 2 or min(map(len, documents)) < 2:
        raise ValueError(f"Two documents, of two sentences each, are needed at least. Received: {count}")
    rng = np.random.default_rng(seed)
    cuts = np.array([rng.integers(1, len(document)) for document in documents])
    steps = rng.integers(1, count, count)  # 1 to count - 1 places on, round the ring: never back to itself.
    steps[rng.permutation(count)[: (count + 1) // 2]] = 0
    return cuts, (np.arange(count) + steps) % count


def pack(first, second, start_id, end_id, length):
    """`[CLS] first [SEP] second [SEP]`, cut to `length`, and which of the two each token is of.

    What lies farthest from the cut between the two is dropped, from the longer part first.

    Args:
        first: List of ids of the first part.
        second: List of ids of the second.
        start_id: The id of `[CLS]`.
        end_id: The id of `[SEP]`.
        length: Most tokens, at least 3.

    Returns:
        `(token_ids, segment_ids)`, two lists of equal length.
    """
    room = length - 3
    short = room // 2
    keep_first = min(len(first), max(short, room - len(second)))
    keep_second = min(len(second), room - keep_first)
    first, second = first[len(first) - keep_first :], second[:keep_second]
    token_ids = [start_id, *first, end_id, *second, end_id]
    return token_ids, [0] * (len(first) + 2) + [1] * (len(second) + 1)


def pair_batches(texts, tokenizer, batch_size=32, sequence_length=128, shuffle=False, seed=0):
    """Batches of sentence pairs, padded to their own width.

    Args:
        texts: Sequence of str; they are cleaned. Those of a single sentence are left out.
        tokenizer: A `tokenizers.Tokenizer`.
        batch_size: Pairs per batch.
        sequence_length: Most tokens per pair.
        shuffle: Whether to mix anew in every epoch.
        seed: Seed of the pairs and of the shuffle.

    Returns:
        A dataset of `(x, is_next)`, with `x` as in `imdb.batches`.
    """
    vocabulary = Vocabulary(tokenizer)
    parts = [sentences(imdb.clean(text)) for text in texts]
    ids = iter(imdb.encode(_join(parts), tokenizer, sequence_length=10**6))
    documents = [[next(ids)[1:-1] for _ in part] for part in parts]
    documents = [document for document in documents if len(document) > 1]
    *pairs, is_next = next_sentence_pairs(documents, *draw_pairs(documents, seed))
    ends = (vocabulary.start_id, vocabulary.end_id, sequence_length)
    packed = [pack(first, second, *ends) for first, second in zip(*pairs, strict=True)]
    token_ids, segments = zip(*packed, strict=True)
    return imdb.batch_sequences(token_ids, is_next, batch_size, shuffle=shuffle, seed=seed, segments=segments)


# The causal objective


def causal_shift(token_ids, pad_id=0):
    """What a causal language model reads and what it has to say: at each place the next token.

    Args:
        token_ids: Integer tensor of shape `(batch, length)`.
        pad_id: The id of padding.

    Returns:
        `(inputs, labels, weights)`, each of shape `(batch, length - 1)`; weights are 0.0 where the label is
        padding, else 1.0.
    """
    inputs, labels = token_ids[:, :-1], token_ids[:, 1:]
    return inputs, labels, tf.cast(labels != pad_id, "float32")


def causal(dataset, pad_id=0):
    """Makes batches for a causal language model of batches of texts.

    Args:
        dataset: Batches of `(x, y)` as `imdb.batches` gives them.
        pad_id: The id of padding.

    Returns:
        A dataset of `(x, labels, weights)`, `x` one column shorter.
    """

    def shift(x, _):
        token_ids, labels, weights = causal_shift(x["token_ids"], pad_id)
        return {**{name: each[:, :-1] for name, each in x.items()}, "token_ids": token_ids}, labels, weights

    return dataset.map(shift, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


# Models


@keras.saving.register_keras_serializable(package="course_lib")
class TokenHead(keras.layers.Layer):
    """Predicts tokens from vectors: dense, GELU, norm, then products with the rows of the embedding table.

    The table is the encoder's own (tied; Press and Wolf 2017, arXiv:1608.05859), so only a bias is added.

    Args:
        embedding: The encoder's `keras.layers.Embedding`.
        **kwargs: `name`, `dtype` and so on, as for any layer.
    """

    def __init__(self, embedding, **kwargs):
        super().__init__(**kwargs)
        self.embedding = embedding
        self.supports_masking = (
            True  # A padding mask is of no use here: the weights of the loss say what counts.
        )

    def compute_mask(self, sequence, previous_mask=None):
        """Passes no mask on, because Keras would apply it to the loss."""

    def build(self, sequence_shape, positions_shape=None):
        """Creates the dense layer, the norm and the bias."""
        width = sequence_shape[-1]
        initializer = keras.initializers.TruncatedNormal(stddev=0.02)
        self.dense = keras.layers.Dense(width, kernel_initializer=initializer, dtype=self.dtype_policy)
        self.dense.build(sequence_shape)
        self.norm = keras.layers.LayerNormalization(epsilon=transformer.EPSILON, dtype=self.dtype_policy)
        self.norm.build(sequence_shape)
        self.bias = self.add_weight(shape=(self.embedding.input_dim,), initializer="zeros", name="bias")

    def call(self, sequence, positions=None):
        """Predicts the tokens at some places.

        Args:
            sequence: Tensor of shape `(batch, length, width)`.
            positions: Integer tensor of shape `(batch, predictions)`; None means all.

        Returns:
            Float32 logits of shape `(batch, predictions, vocabulary_size)`.
        """
        if positions is not None:
            sequence = ops.take_along_axis(sequence, ops.expand_dims(positions, -1), axis=1)
        x = self.norm(transformer.gelu(self.dense(sequence)))
        table = ops.cast(self.embedding.embeddings, x.dtype)
        return ops.cast(ops.matmul(x, ops.transpose(table)), "float32") + self.bias

    def get_config(self):
        """Returns the arguments that make the same layer again."""
        return {**super().get_config(), "embedding": keras.layers.serialize(self.embedding)}

    @classmethod
    def from_config(cls, config):
        """Makes the layer again."""
        return cls(keras.layers.deserialize(config.pop("embedding")), **config)


def masked_language_model(encoder, next_sentence=False):
    """Puts BERT's pretraining heads on an encoder.

    Args:
        encoder: A `transformer.encoder`.
        next_sentence: Whether to predict, too, if the second segment follows the first.

    Returns:
        A `keras.Model` from `x` of `masked` to a dict of float32 logits: `"masked"`, of shape
        `(batch, predictions, vocabulary_size)`, and with `next_sentence` `"next"`, `(batch, 2)`.
    """
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    features = encoder.output
    head = TokenHead(encoder.get_layer("token_embedding"), name="masked")
    outputs = {"masked": head(features["sequence_output"], positions)}
    if next_sentence:
        dense = keras.layers.Dense(2, dtype="float32", name="next")
        outputs["next"] = dense(features["pooled_output"])
    return keras.Model({**encoder.input, "mask_positions": positions}, outputs)


def causal_language_model(encoder):
    """Puts a head on an encoder with causal mask that predicts the next token at every place.

    Args:
        encoder: A `transformer.encoder` with `use_causal_mask=True`.

    Returns:
        A `keras.Model` from the encoder's inputs to float32 logits `(batch, length, vocabulary_size)`.

    Raises:
        ValueError: If the encoder's tokens see later ones: it would read the answer.
    """
    if not all(block.use_causal_mask for block in transformer.blocks(encoder)):
        raise ValueError("The encoder must be built with `use_causal_mask=True`, or it reads the answer.")
    head = TokenHead(encoder.get_layer("token_embedding"), name="next_token")
    return keras.Model(encoder.input, head(encoder.output["sequence_output"]))


def masked_loss(labels, logits, weights):
    """Mean cross-entropy over the predicted tokens, in nats.

    Args:
        labels: Integer tensor of shape `(...)`.
        logits: Float tensor of shape `(..., vocabulary_size)`.
        weights: Tensor of shape `(...)`: 1.0 where a token is predicted, 0.0 elsewhere.

    Returns:
        A scalar; 0.0 if nothing is predicted.
    """
    losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    weights = ops.cast(weights, losses.dtype)
    return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)


def perplexity(losses, weights=None):
    """Among how many equally likely tokens a model is undecided, on average.

    Args:
        losses: Cross-entropies in nats: an array of one per token, or their mean.
        weights: Array of the same shape, 1.0 where a token counts, else 0.0; None counts all.

    Returns:
        The exponential of the mean loss, a float.
    """
    return math.exp(np.average(losses, weights=weights))


def compile_language_model(
    model, total_steps, learning_rate=1e-3, warmup=0.1, weight_decay=0.01, beta_2=0.98
):
    """Compiles a model of this lesson: AdamW with warm-up, the loss averaged over predicted tokens only.

    Args:
        model: A `masked_language_model` or `causal_language_model`.
        total_steps: Number of steps until the learning rate is zero.
        learning_rate: Peak of the schedule, from which it falls along half a cosine.
        warmup: Share of the steps in which the rate rises.
        weight_decay: AdamW's; biases and norms are left out.
        beta_2: AdamW's; 0.98 instead of 0.999 as in RoBERTa (Liu et al. 2019, arXiv:1907.11692, section 3.1).

    Returns:
        The model.
    """
    warmup_steps = int(warmup * total_steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        total_steps - warmup_steps,
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=weight_decay, beta_2=beta_2, global_clipnorm=1.0
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])

    def loss():
        # By default Keras divides by the number of entries, and entries without weight would count.
        return keras.losses.SparseCategoricalCrossentropy(True, reduction="mean_with_sample_weight")

    def metric():
        return keras.metrics.SparseCategoricalAccuracy("accuracy")

    names = model.output_names if isinstance(model.output, dict) else None
    outputs = keras.tree.map_structure(lambda each: np.zeros([n or 1 for n in each.shape]), model.output)
    model.compile(
        optimizer,
        loss={name: loss() for name in names} if names else loss(),
        weighted_metrics={name: metric() for name in names} if names else [metric()],
        # Batches by length have many shapes, and on a CPU XLA gains nothing here; JAX is slow without it.
        jit_compile=keras.backend.backend() == "jax",
    )
    runtime.build_training(model, keras.tree.map_structure(lambda each: each[..., 0], outputs), outputs)
    return model


def tile_positions(encoder, trained):
    """Lets an encoder that was trained on short texts begin on longer ones.

    Its later positions become copies of the trained ones, in a row (Beltagy, Peters and Cohan 2020,
    arXiv:2004.05150, section 5), because what looks at a neighbour then works there too.

    Args:
        encoder: A `transformer.encoder`.
        trained: How many positions were trained, from the first on.

    Raises:
        ValueError: If it has not so many.
    """
    table = encoder.get_layer("position_embedding").embeddings
    rows = table.shape[0]
    if not 1 <= trained <= rows:
        raise ValueError(f"The encoder has {rows} positions. Received: {trained=}")
    table.assign(ops.convert_to_numpy(table)[np.arange(rows) % trained])


# Looking at what was learned


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


def generate(model, tokenizer, prompt, tokens=30, temperature=1.0, seed=0):
    """Goes on with a text, token by token, each drawn by its probability.

    Args:
        model: A `causal_language_model`.
        tokenizer: A `tokenizers.Tokenizer`.
        prompt: The beginning.
        tokens: Most tokens to add; a `[SEP]` ends the text.
        temperature: Divides the logits: low ones stay with what is likeliest.
        seed: Seed of the draws.

    Returns:
        The prompt and what was added, as text.
    """
    rng = np.random.default_rng(seed)
    ids = tokenizer.encode(prompt).ids[:-1]  # Without the [SEP] that would end the text.
    end_id = tokenizer.token_to_id("[SEP]")
    forbidden = [i for i in map(tokenizer.token_to_id, SPECIAL) if i != end_id]
    width = len(ids) + tokens
    for _ in range(tokens):
        token_ids, padding_mask = imdb.pad([ids], width)  # One width for all steps: one graph.
        x = {"token_ids": token_ids, "padding_mask": padding_mask, "segment_ids": np.zeros_like(token_ids)}
        logits = ops.convert_to_numpy(model.predict_on_batch(x))[0, len(ids) - 1].astype("float64")
        logits[forbidden] = -np.inf
        # The largest of logits plus Gumbel noise is a draw from their softmax.
        following = int(np.argmax(logits / temperature + rng.gumbel(size=logits.shape)))
        if following == end_id:
            break
        ids.append(following)
    return tokenizer.decode(ids)
