"""Masks, pairs and shifts against NumPy and their statistics; heads against NumPy; the objectives learn."""

import math
import os
import signal
import subprocess
import sys
import textwrap

import hypothesis
import keras
import numpy as np
import pytest
import scipy.stats
import tokenizers
from hypothesis import strategies as st
from keras import ops

from course_lib import imdb, pretraining, samples, transformer

backend = pytest.mark.backend
examples = hypothesis.settings(deadline=None, max_examples=30, database=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
WORDS = [f"w{i}" for i in range(60)]


def array(tensor):
    return ops.convert_to_numpy(tensor)


def word_tokenizer(pieces=WORDS):
    """A tokenizer whose vocabulary is known: five special tokens, then these pieces."""
    pieces = [*pretraining.SPECIAL, *pieces]
    return tokenizers.BertWordPieceTokenizer({piece: i for i, piece in enumerate(pieces)})


@pytest.fixture(scope="module")
def reviews():
    """The bundled reviews with a tokenizer of their own: (texts, tokenizer, vocabulary)."""
    texts = [review.text for review in samples.load()]
    pieces = imdb.train_wordpiece(texts, 1500)
    tokenizer = tokenizers.BertWordPieceTokenizer({piece: i for i, piece in enumerate(pieces)})
    return texts, tokenizer, pretraining.Vocabulary(tokenizer)


def small_encoder(size, **options):
    keras.utils.set_random_seed(0)
    settings = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "max_length": 40}
    return transformer.encoder(size, **{**settings, "dropout": 0.0, "spread": 0.1, **options})


def disturb(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0.1, 0.3, each.shape) for each in model.get_weights()])
    return model


# Choosing and corrupting


@examples
@hypothesis.given(seed=seeds, rows=st.integers(1, 4), length=st.integers(1, 40), rate=st.floats(0.01, 0.9))
def test_choose_takes_the_lowest_scores_of_each_text(seed, rows, length, rate):
    rng = np.random.default_rng(seed)
    scores = rng.permutation(rows * length).reshape(rows, length).astype("float32")  # No two alike.
    candidates = rng.random((rows, length)) < 0.7
    found = array(pretraining.choose(scores, candidates, rate))
    for row in range(rows):
        count = candidates[row].sum()
        expected = min(count, max(1, round(float(np.float32(rate) * np.float32(count)))))
        assert found[row].sum() == expected
        assert not (found[row] & ~candidates[row]).any()
        left = candidates[row] & ~found[row]
        if found[row].any() and left.any():
            assert scores[row][found[row]].max() < scores[row][left].min()


def test_choose_takes_ties_together_or_not_at_all():
    scores = np.array([[0.1, 0.2, 0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]], "float32")
    everywhere = np.ones_like(scores, "bool")
    assert array(pretraining.choose(scores, everywhere, 0.3)).sum() == 1  # Four would be too many.
    assert array(pretraining.choose(scores, everywhere, 0.4)).sum() == 4


def test_pieces_of_a_word_share_a_score():
    continues = np.array([[False, False, True, True, False], [True, False, True, False, True]])
    scores = np.arange(10, dtype="float32").reshape(2, 5)
    found = array(pretraining.word_scores(scores, continues))
    assert found.tolist() == [[0, 1, 1, 1, 2], [5, 5, 5, 6, 6]]


def test_corrupt_by_the_draws():
    ids = np.array([10, 11, 12, 13, 14, 15])
    draws = np.array([0.0, 0.79, 0.8, 0.89, 0.9, 0.0], "float32")
    chosen = np.array([True, True, True, True, True, False])
    found = array(pretraining.corrupt(ids, chosen, draws, np.full(6, 99), 4))
    assert found.tolist() == [4, 4, 99, 99, 14, 15]


def many(seed=0, count=1000, length=112, size=200):
    """Batches of random words, over 100,000 tokens, and their vocabulary."""
    rng = np.random.default_rng(seed)
    vocabulary = pretraining.Vocabulary(word_tokenizer([f"w{i}" for i in range(size)]))
    lengths = rng.integers(length - 10, length + 1, count)
    sequences = [[2, *rng.integers(5, 5 + size, n - 2), 3] for n in lengths]
    return imdb.batch_sequences(sequences, np.zeros(count), 50), vocabulary, sequences


def test_rates_over_a_hundred_thousand_tokens():
    dataset, vocabulary, sequences = many()
    ordinary = sum(len(sequence) - 2 for sequence in sequences)
    assert ordinary > 100_000
    chosen = mask = same = other = 0
    drawn = []
    for (before, _), (x, y, weights) in zip(dataset, pretraining.masked(dataset, vocabulary), strict=True):
        before, after = before["token_ids"].numpy(), x["token_ids"].numpy()
        positions, kept = x["mask_positions"].numpy(), weights["masked"].numpy() > 0
        true = np.take_along_axis(before, positions, 1)
        new = np.take_along_axis(after, positions, 1)
        assert np.array_equal(true[kept], y["masked"].numpy()[kept])
        assert (true[kept] >= 5).all()
        untouched = before == after
        np.put_along_axis(untouched, positions, True, 1)
        assert untouched.all()  # Nothing changes but at the positions.
        per_row = kept.sum(axis=1)
        rows = (before >= 5).sum(axis=1)
        assert np.array_equal(per_row, np.round(np.float32(0.15) * rows.astype("float32")))
        chosen += kept.sum()
        mask += (new[kept] == vocabulary.mask_id).sum()
        same += (new[kept] == true[kept]).sum()
        swapped = kept & (new != vocabulary.mask_id) & (new != true)
        other += swapped.sum()
        drawn.extend(new[swapped])
    assert chosen / ordinary == pytest.approx(0.15, abs=0.002)
    # Four standard deviations of a share; one random token in 200 is the true one again.
    spread = 4 * math.sqrt(0.25 / chosen)
    assert mask / chosen == pytest.approx(0.8, abs=spread)
    assert same / chosen == pytest.approx(0.1 + 0.1 / 200, abs=spread)
    assert other / chosen == pytest.approx(0.1 - 0.1 / 200, abs=spread)
    counts = np.bincount(drawn, minlength=205)
    assert counts[:5].sum() == 0
    assert scipy.stats.chisquare(counts[5:]).pvalue > 1e-4


def test_every_place_is_chosen_equally_often():
    dataset, vocabulary, _ = many(count=2000, length=42)
    hits, chances = np.zeros(48), np.zeros(48)
    for (before, _), (x, _, weights) in zip(dataset, pretraining.masked(dataset, vocabulary), strict=True):
        ordinary = before["token_ids"].numpy() >= 5
        chances[: ordinary.shape[1]] += ordinary.sum(axis=0)
        np.add.at(hits, x["mask_positions"].numpy()[weights["masked"].numpy() > 0], 1)
    expected = chances * hits.sum() / chances.sum()
    inner = chances > 1000
    assert (
        scipy.stats.chisquare(hits[inner], expected[inner] * hits[inner].sum() / expected[inner].sum()).pvalue
        > 1e-4
    )


def test_whole_words_are_masked_whole():
    vocabulary = pretraining.Vocabulary(word_tokenizer([*"abcdefgh", *(f"##{c}" for c in "abcdefgh")]))
    rng = np.random.default_rng(0)
    sequences = []
    for _ in range(1000):
        pieces = [
            i for _ in range(60) for i in [rng.integers(5, 13), *rng.integers(13, 21, rng.integers(0, 3))]
        ]
        sequences.append([2, *pieces, 3])
    dataset = imdb.batch_sequences(sequences, np.zeros(1000), 50)
    chosen = ordinary = 0
    for (before, _), (x, _, weights) in zip(
        dataset, pretraining.masked(dataset, vocabulary, whole_words=True), strict=True
    ):
        before = before["token_ids"].numpy()
        marked = np.zeros(before.shape, "bool")
        for row, (positions, kept) in enumerate(
            zip(x["mask_positions"].numpy(), weights["masked"].numpy(), strict=True)
        ):
            marked[row, positions[kept > 0]] = True
        continues = vocabulary.continues[before]
        assert not ((marked[:, 1:] != marked[:, :-1]) & continues[:, 1:]).any()
        chosen += marked.sum()
        ordinary += (before >= 5).sum()
    assert ordinary > 100_000
    assert 0.14 < chosen / ordinary <= 0.1501  # A word that does not fit the budget is left.


def test_masks_are_new_in_each_epoch_and_repeat_with_the_seed(reviews):
    texts, tokenizer, vocabulary = reviews
    batches = imdb.batches(texts[:40], np.zeros(40), tokenizer)
    first = pretraining.masked(batches, vocabulary, seed=1)

    def ids(dataset):
        return [x["token_ids"].numpy() for x, _, _ in dataset]

    def equal(a, b):
        return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))

    one, two = ids(first), ids(first)
    assert not equal(one, two)
    assert equal(one, ids(pretraining.masked(batches, vocabulary, seed=1)))
    assert not equal(one, ids(pretraining.masked(batches, vocabulary, seed=2)))


def test_a_tokenizer_without_a_mask_is_refused():
    with pytest.raises(ValueError, match=r"no \[CLS\], \[MASK\]"):
        pretraining.Vocabulary(
            tokenizers.Tokenizer(
                tokenizers.models.WordPiece({"[PAD]": 0, "[UNK]": 1, "[SEP]": 2}, unk_token="[UNK]")
            )
        )


def test_text_batches_lose_nothing(reviews):
    texts, tokenizer, _ = reviews
    dataset = pretraining.text_batches(texts[:50], tokenizer, batch_size=8, sequence_length=24)
    pieces = {number: [] for number in range(50)}
    rows = [
        (int(number), row[mask])
        for x, y in dataset
        for row, mask, number in zip(
            x["token_ids"].numpy(), x["padding_mask"].numpy(), y.numpy(), strict=True
        )
    ]
    for number, row in rows:
        assert (row[0], row[-1]) == (2, 3)
        assert len(row) <= 24
        pieces[number].append(row[1:-1].tolist())
    for number, found in pieces.items():
        whole = tokenizer.encode(imdb.clean(texts[number]), add_special_tokens=False).ids
        assert sorted(i for part in found for i in part) == sorted(whole)
        assert len(found) == -(-len(whole) // 22)


# Pairs


def test_sentences():
    assert pretraining.sentences('One. Two! "Three?" (Four.) Five') == [
        "One.",
        "Two!",
        '"Three?"',
        "(Four.)",
        "Five",
    ]
    assert pretraining.sentences("  ") == []
    assert pretraining.sentences("3.5 stars... fine") == ["3.5 stars...", "fine"]


def test_pairs_by_hand():
    documents = [[[1], [2, 3], [4]], [[5], [6]], [[7, 8], [9], [10]]]
    first, second, is_next = pretraining.next_sentence_pairs(documents, [2, 1, 1], [0, 2, 1])
    assert first == [[1, 2, 3], [5], [7, 8]]
    assert second == [[4], [9, 10], [6]]
    assert is_next.tolist() == [1, 0, 0]


def test_draws_of_pairs():
    documents = [[[0]] * (2 + i % 5) for i in range(3001)]
    cuts, sources = pretraining.draw_pairs(documents, seed=3)
    lengths = np.array([len(document) for document in documents])
    assert (cuts >= 1).all()
    assert (cuts < lengths).all()
    for length in range(3, 7):  # Each cut equally often; two sentences have only one.
        counts = np.bincount(cuts[lengths == length], minlength=length)[1:]
        assert scipy.stats.chisquare(counts).pvalue > 1e-4
    own = sources == np.arange(3001)
    assert own.sum() == 1501
    steps = (sources - np.arange(3001))[~own] % 3001
    assert scipy.stats.kstest(steps / 3001, "uniform").pvalue > 1e-4
    again = pretraining.draw_pairs(documents, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip((cuts, sources), again, strict=True))


@pytest.mark.parametrize("documents", [[], [[[1], [2]]], [[[1], [2]], [[3]]]])
def test_too_few_documents_are_refused(documents):
    with pytest.raises(ValueError, match="Two documents, of two sentences each"):
        pretraining.draw_pairs(documents)


@examples
@hypothesis.given(a=st.integers(0, 30), b=st.integers(0, 30), length=st.integers(5, 40))
def test_pack_drops_from_the_longer_part(a, b, length):
    first, second = list(range(100, 100 + a)), list(range(200, 200 + b))
    ids, segments = pretraining.pack(first, second, 2, 3, length)
    while len(first) + len(second) > length - 3:  # One token at a time.
        if len(first) >= len(second):
            first = first[1:]
        else:
            second = second[:-1]
    kept_first = [i for i in ids if 100 <= i < 200]
    kept_second = [i for i in ids if i >= 200]
    assert ids == [2, *kept_first, 3, *kept_second, 3]
    assert segments == [0] * (len(kept_first) + 2) + [1] * (len(kept_second) + 1)
    assert (kept_first, kept_second) == (first, second)


def test_pair_batches_hold_what_follows_and_what_does_not(reviews):
    texts, tokenizer, vocabulary = reviews
    dataset = pretraining.pair_batches(texts, tokenizer, batch_size=16, sequence_length=300, shuffle=True)
    whole = set()
    for text in texts:
        ids = tokenizer.encode(imdb.clean(text), add_special_tokens=False).ids
        whole.add(tuple(ids))
    true = total = 0
    for x, is_next in dataset:
        for ids, segments, mask, label in zip(
            *(x[name].numpy() for name in ("token_ids", "segment_ids", "padding_mask")),
            is_next.numpy(),
            strict=True,
        ):
            ids, segments = ids[mask], segments[mask]
            by_count = array(transformer.segment_ids(ids, vocabulary.end_id))
            assert segments.tolist() == by_count.tolist()
            first, second = ids[segments == 0][1:-1], ids[segments == 1][:-1]
            assert len(first)
            assert len(second)
            assert ((*first, *second) in whole) == bool(label)
            true, total = true + label, total + 1
    assert true == (total + 1) // 2
    assert total > 500


# The causal objective


def test_causal_shift():
    ids = np.array([[2, 7, 8, 3, 0, 0], [2, 9, 3, 0, 0, 0]])
    inputs, labels, weights = pretraining.causal_shift(ids)
    assert array(inputs).tolist() == ids[:, :-1].tolist()
    assert array(labels).tolist() == ids[:, 1:].tolist()
    assert array(weights).tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]


def test_causal_batches(reviews):
    texts, tokenizer, _ = reviews
    batches = imdb.batches(
        texts[:20], np.zeros(20), tokenizer, batch_size=20, by_length=False, sequence_length=64
    )
    (x, labels, weights), (before, _) = next(iter(pretraining.causal(batches))), next(iter(batches))
    assert {name: tuple(each.shape) for name, each in x.items()} == dict.fromkeys(x, (20, 63))
    assert np.array_equal(labels, before["token_ids"][:, 1:])
    assert np.array_equal(weights.numpy() > 0, before["padding_mask"].numpy()[:, 1:])


@backend
def test_causal_model_does_not_read_the_answer():
    model = pretraining.causal_language_model(disturb(small_encoder(65, use_causal_mask=True)))
    ids = np.random.default_rng(0).integers(5, 65, (1, 9)).astype("int32")
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}
    other = {**x, "token_ids": np.where(np.arange(9) < 5, ids, 7).astype("int32")}
    first, second = array(model(x)), array(model(other))
    np.testing.assert_allclose(first[:, :5], second[:, :5], atol=1e-5)
    assert np.abs(first[:, 5:] - second[:, 5:]).max() > 1e-2
    with pytest.raises(ValueError, match="use_causal_mask=True"):
        pretraining.causal_language_model(small_encoder(65))


# Heads and losses


@backend
def test_head_equals_numpy_and_is_tied():
    encoder = small_encoder(30)
    head = pretraining.TokenHead(encoder.get_layer("token_embedding"))
    x = np.random.default_rng(1).normal(size=(2, 5, 16)).astype("float32")
    head(x)
    rng = np.random.default_rng(2)
    for variable in head.weights:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    kernel, bias = array(head.dense.kernel).astype("float64"), array(head.dense.bias)
    inner = x @ kernel + bias
    inner = inner * scipy.stats.norm.cdf(inner)
    inner = (inner - inner.mean(-1, keepdims=True)) / inner.std(-1, keepdims=True)
    inner = inner * array(head.norm.gamma) + array(head.norm.beta)
    table = array(encoder.get_layer("token_embedding").embeddings)
    expected = inner @ table.T + array(head.bias)
    np.testing.assert_allclose(array(head(x)), expected, atol=1e-4)
    positions = np.array([[4, 0], [2, 2]])
    some = np.take_along_axis(expected, positions[:, :, None], 1)
    np.testing.assert_allclose(array(head(x, positions)), some, atol=1e-4)
    model = pretraining.masked_language_model(encoder, next_sentence=True)
    added = model.count_params() - encoder.count_params()
    assert added == 16 * 16 + 16 + 2 * 16 + 30 + 2 * 16 + 2  # No second table.


@backend
def test_logits_are_float32_in_half_precision():
    encoder = small_encoder(30, dtype="mixed_bfloat16")
    model = pretraining.masked_language_model(encoder, next_sentence=True)
    assert {name: each.dtype for name, each in model.output.items()} == {
        "masked": "float32",
        "next": "float32",
    }
    ids = np.ones((1, 4), "int32")
    inputs = dict.fromkeys(("token_ids", "segment_ids", "padding_mask", "mask_positions"), ids)
    assert keras.backend.standardize_dtype(model(inputs)["masked"].dtype) == "float32"


@backend
@examples
@hypothesis.given(seed=seeds, scale=st.sampled_from([1.0, 1e3]))
def test_masked_loss_equals_numpy(seed, scale):
    rng = np.random.default_rng(seed)
    logits, labels = (scale * rng.normal(size=(3, 4, 7))).astype("float32"), rng.integers(0, 7, (3, 4))
    weights = (rng.random((3, 4)) < 0.5).astype("float32")
    shifted = logits.astype("float64") - logits.max(-1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(-1)) - np.take_along_axis(shifted, labels[..., None], -1)[..., 0]
    expected = (losses * weights).sum() / max(weights.sum(), 1)
    found = float(pretraining.masked_loss(labels, logits, weights))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    logits[weights == 0] = 9e9  # What is not predicted does not count.
    assert float(pretraining.masked_loss(labels, logits, weights)) == pytest.approx(
        expected, rel=1e-4, abs=1e-5
    )
    assert float(pretraining.masked_loss(labels, logits, weights.astype("bool"))) == pytest.approx(
        expected, rel=1e-4, abs=1e-5
    )


@backend
def test_keras_minimises_the_masked_loss(reviews):
    texts, tokenizer, vocabulary = reviews
    batches = imdb.batches(texts[:24], np.zeros(24), tokenizer, batch_size=8, sequence_length=32)
    model = pretraining.masked_language_model(disturb(small_encoder(vocabulary.size)))
    pretraining.compile_language_model(model, 10)
    x, y, weights = next(pretraining.masked(batches, vocabulary).as_numpy_iterator())
    expected = float(pretraining.masked_loss(y["masked"], model(x)["masked"], weights["masked"]))
    assert 0 < weights["masked"].mean() < 1
    found = model.evaluate(x, y, sample_weight=weights, return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(expected, rel=1e-4)


def test_perplexity():
    assert pretraining.perplexity(math.log(8)) == pytest.approx(8)
    losses, weights = np.array([math.log(2), math.log(8), 99.0]), np.array([1.0, 1.0, 0.0])
    assert pretraining.perplexity(losses, weights) == pytest.approx(4)  # The geometric mean.
    assert pretraining.perplexity(losses[:2]) == pytest.approx(4)


# Learning


def cycles(words=20, count=608, seed=0):
    """Sequences in which each word determines the next: word i is followed by word 7 i + 1 of 60."""
    rng, sequences = np.random.default_rng(seed), []
    for _ in range(count):
        word, sequence = int(rng.integers(60)), [2]
        for _ in range(words):
            sequence.append(5 + word)
            word = (7 * word + 1) % 60
        sequences.append([*sequence, 3])
    return imdb.batch_sequences(sequences, np.zeros(count), 32, shuffle=True)


@backend
def test_masked_language_model_learns_what_surrounds_a_word():
    vocabulary = pretraining.Vocabulary(word_tokenizer())
    encoder = small_encoder(65, hidden_dim=64, intermediate_dim=128, spread=0.02)
    model = pretraining.masked_language_model(encoder)
    data = pretraining.masked(cycles(words=5), vocabulary, rate=0.3)
    pretraining.compile_language_model(model, 22 * len(data), learning_rate=6e-3)
    history = model.fit(data, epochs=22, shuffle=False, verbose=0).history
    assert history["loss"][0] > 3.5  # The logarithm of 60 is 4.1.
    assert history["accuracy"][-1] > 0.7  # A random word in the place of another misleads.
    text = "w1 w8 [MASK] w40 w41"  # 7 * 8 + 1 = 57, and 7 * 57 + 1 = 400 = 40 (mod 60).
    (((token, probability), *_),) = pretraining.fill(model, word_tokenizer(), text, top=3)
    assert token == "w57"
    assert 0.3 < probability <= 1


@backend
def test_causal_language_model_learns_and_goes_on():
    model = pretraining.causal_language_model(small_encoder(65, use_causal_mask=True, hidden_dim=32))
    data = pretraining.causal(cycles())
    pretraining.compile_language_model(model, 12 * len(data), learning_rate=1e-2)
    history = model.fit(data, epochs=12, shuffle=False, verbose=0).history
    assert history["accuracy"][-1] > 0.8
    tokenizer = word_tokenizer()
    text = pretraining.generate(model, tokenizer, "w1 w8", tokens=4, temperature=0.1)
    assert text == "w1 w8 w57 w40 w41 w48"
    assert text == pretraining.generate(model, tokenizer, "w1 w8", tokens=4, temperature=0.1)
    hot = {pretraining.generate(model, tokenizer, "w1", tokens=5, temperature=50.0, seed=i) for i in range(3)}
    assert len(hot) == 3


@backend
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_cache_changes_no_logits(norm_first):
    options = {"use_causal_mask": True, "num_layers": 2, "norm_first": norm_first}
    model = pretraining.causal_language_model(disturb(small_encoder(65, **options)))
    disturb(model, seed=1)
    ids = np.random.default_rng(0).integers(5, 65, (2, 9)).astype("int32")
    x = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 0 * ids + 1}
    whole, cache = array(model(x)), None
    for start, stop in ((0, 4), (4, 5), (5, 6), (6, 9)):
        logits, cache = pretraining.next_logits(model, ids[:, start:stop], cache)
        np.testing.assert_allclose(array(logits), whole[:, stop - 1], atol=1e-4, rtol=1e-4)
    assert [tuple(each.shape) for pair in cache for each in pair] == [(2, 2, 9, 8)] * 4
    with pytest.raises(ValueError, match=r"There are 40 positions\. Received: 9 tokens and 32 more"):
        pretraining.next_logits(model, np.full((2, 32), 7), cache)


@backend
def test_a_text_is_the_same_with_a_cache_and_without():
    model = pretraining.causal_language_model(disturb(small_encoder(65, use_causal_mask=True)))
    texts = [
        pretraining.generate(model, word_tokenizer(), "w1 w2", tokens=20, seed=3, use_cache=use_cache)
        for use_cache in (True, False)
    ]
    assert texts[0] == texts[1]
    assert len(texts[0].split()) > 5


@pytest.mark.parametrize("next_sentence", [False, True])
def test_the_training_step_is_traced_once(next_sentence):
    model = pretraining.masked_language_model(small_encoder(65), next_sentence=next_sentence)
    pretraining.compile_language_model(model, 10)
    steps, step = [], model.train_step
    model.train_step = lambda data: steps.append(1) or step(data)
    data = imdb.batch_sequences([list(range(5, 15))] * 4, np.array([0, 1, 0, 1]), 2)
    vocabulary = pretraining.Vocabulary(word_tokenizer())
    model.fit(pretraining.masked(data, vocabulary, next_sentence=next_sentence), shuffle=False, verbose=0)
    assert len(steps) == 1


@backend
def test_later_positions_become_copies_of_the_trained_ones():
    encoder = small_encoder(20, max_length=10)
    table = encoder.get_layer("position_embedding").embeddings
    before = array(table)
    pretraining.tile_positions(encoder, 4)
    np.testing.assert_array_equal(array(table), before[[0, 1, 2, 3, 0, 1, 2, 3, 0, 1]])
    for trained in (0, 11):
        with pytest.raises(ValueError, match=f"has 10 positions. Received: trained={trained}"):
            pretraining.tile_positions(encoder, trained)


@backend
def test_next_sentence_head_learns():
    vocabulary = pretraining.Vocabulary(word_tokenizer())
    rng = np.random.default_rng(0)
    packed, labels = [], rng.integers(0, 2, 400)
    for label in labels:  # Neighbours share their half of the vocabulary.
        half = int(rng.integers(2))
        first, second = (rng.integers(5, 35, 6) + 30 * h for h in (half, half if label else 1 - half))
        packed.append(pretraining.pack(first.tolist(), second.tolist(), 2, 3, 20))
    ids, segments = zip(*packed, strict=True)
    data = imdb.batch_sequences(ids, labels, 20, segments=segments, shuffle=True)
    model = pretraining.masked_language_model(small_encoder(65), next_sentence=True)
    data = pretraining.masked(data, vocabulary, next_sentence=True)
    pretraining.compile_language_model(model, 20 * len(data), learning_rate=5e-3)
    history = model.fit(data, epochs=20, shuffle=False, verbose=0).history
    assert history["next_accuracy"][-1] > 0.9
    assert history["masked_loss"][-1] < history["masked_loss"][0]


def test_fill_needs_a_mask(reviews):
    with pytest.raises(ValueError, match=r"no \[MASK\] in 'a film'"):
        pretraining.fill(None, reviews[1], "a film")


# Interrupted


SCRIPT = """
    import os, signal, sys
    import keras, numpy as np
    sys.path.insert(0, {tests!r})
    import test_pretraining as t
    from course_lib import pretraining

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if first and self.epoch == 2 and batch == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch
        def on_epoch_end(self, epoch, logs=None):
            print("epoch", epoch, round(logs["loss"], 3), int(self.model.optimizer.iterations), flush=True)

    # A process for each training; neither needs to import the frameworks again.
    child = os.fork()
    first = child == 0
    if not first:
        print("status", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    vocabulary = pretraining.Vocabulary(t.word_tokenizer())
    model = pretraining.masked_language_model(t.small_encoder(65))
    pretraining.compile_language_model(model, 5 * 5, learning_rate=1e-2)
    model.run_eagerly = True
    backup = keras.callbacks.BackupAndRestore({folder!r}, double_checkpoint=True)
    data = pretraining.masked(t.cycles(count=160), vocabulary)
    model.fit(data, epochs=5, verbose=0, callbacks=[backup, Kill()])
"""


def test_a_killed_training_goes_on_where_it_stood(tmp_path):
    script = textwrap.dedent(SCRIPT).format(tests=os.path.dirname(__file__), folder=str(tmp_path / "backup"))
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    lines = [line.split() for line in process.stdout.splitlines()]
    assert [line for line in lines if line[0] == "status"] == [["status", str(-signal.SIGKILL)]]
    epochs = [(int(line[1]), float(line[2]), int(line[3])) for line in lines if line[0] == "epoch"]
    assert lines.index(["status", str(-signal.SIGKILL)]) == 2
    # The first training was killed in its third epoch; the second one starts with that.
    assert [(epoch, step) for epoch, _, step in epochs] == [(0, 5), (1, 10), (2, 15), (3, 20), (4, 25)]
    assert epochs[2][1] < epochs[0][1]
    assert not (tmp_path / "backup").exists()  # Keras removes it when training has ended.


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("COURSE_IMDB"), reason="COURSE_IMDB is not set")
def test_real_reviews_are_masked_at_the_rate(minilm):
    texts = imdb.load_official().unsup.texts[:1000]
    tokenizer = tokenizers.Tokenizer.from_file(str(minilm.folder / "tokenizer.json"))
    vocabulary = pretraining.Vocabulary(tokenizer)
    batches = pretraining.text_batches(texts, tokenizer, batch_size=64)
    ordinary = chosen = 0
    for (before, _), (_, _, weights) in zip(batches, pretraining.masked(batches, vocabulary), strict=True):
        ordinary += int((~vocabulary.special[before["token_ids"].numpy()]).sum())
        chosen += int(weights["masked"].numpy().sum())
    assert ordinary > 100_000
    assert chosen / ordinary == pytest.approx(0.15, abs=0.001)
