"""Fine-tuning: pieces against Keras, scikit-learn and float64 NumPy; the recipe on a small network."""

import json
import math

import hypothesis
import keras
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import strategies as st
from keras import ops

from course_lib import fine_tuning, imdb

backend = pytest.mark.backend


def small_backbone(**options):
    from keras_hub.models import BertBackbone

    keras.utils.set_random_seed(0)
    settings = {
        "vocabulary_size": 30522,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 16,
        "intermediate_dim": 32,
    }
    return BertBackbone(**{**settings, "max_sequence_length": 64, "dropout": 0.0, **options})


def small_inputs(lengths, width, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.arange(width) < np.array(lengths)[:, None]
    ids = np.where(mask, rng.integers(1000, 30000, mask.shape), 0).astype("int32")
    return {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}


# Loss


def reference_cross_entropy(labels, logits):
    logits = np.asarray(logits, "float64")
    largest = logits.max(-1, keepdims=True)
    return (np.log(np.exp(logits - largest).sum(-1)) + largest[..., 0]) - np.take_along_axis(
        logits, labels[..., None], -1
    )[..., 0]


@backend
@pytest.mark.parametrize("shape", [(7, 2), (3, 4, 5), (1, 1)])
def test_cross_entropy_equals_keras_and_numpy(shape):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0, 3, shape).astype("float32"), rng.integers(0, shape[-1], shape[:-1])
    found = ops.convert_to_numpy(fine_tuning.cross_entropy(labels, logits))
    np.testing.assert_allclose(found, reference_cross_entropy(labels, logits), rtol=1e-5, atol=1e-6)
    by_keras = ops.sparse_categorical_crossentropy(labels, ops.convert_to_tensor(logits), from_logits=True)
    np.testing.assert_allclose(found, ops.convert_to_numpy(by_keras), rtol=1e-5, atol=1e-6)


@backend
@pytest.mark.parametrize("scale", [1e4, 1e30])
def test_cross_entropy_survives_large_logits(scale):
    logits = np.array([[scale, 0.0], [0.0, scale], [-scale, -scale]], "float32")
    found = ops.convert_to_numpy(fine_tuning.cross_entropy(np.array([0, 0, 1]), logits))
    np.testing.assert_allclose(found, [0.0, scale, math.log(2)], rtol=1e-6)


# Schedule


@backend
@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(total=st.integers(2, 500), share=st.floats(0.0, 0.99), peak=st.floats(1e-6, 1.0))
def test_schedule_rises_to_its_peak_and_falls_to_zero(total, share, peak):
    warmup = int(share * total)
    schedule = fine_tuning.WarmupCosine(peak, total, warmup)
    rates = np.array(
        [float(schedule(step)) for step in {0, max(warmup - 1, 0), warmup, total - 1, total, total + 5}]
    )
    assert np.all(rates >= 0)
    assert np.all(rates <= peak * (1 + 1e-6))
    assert float(schedule(0)) > 0
    assert float(schedule(warmup)) == pytest.approx(peak, rel=1e-5)
    assert float(schedule(total)) == pytest.approx(0.0, abs=1e-6 * peak)
    middle = warmup + (total - warmup) / 2
    assert float(schedule(middle)) == pytest.approx(peak / 2, rel=1e-4)


@backend
def test_schedule_is_a_keras_schedule_that_can_be_saved():
    schedule = fine_tuning.WarmupCosine(3e-4, 50, 5)
    optimizer = keras.optimizers.AdamW(schedule)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    for step in range(0, 60, 7):
        expected = 3e-4 * (
            (step + 1) / 5 if step < 5 else (1 + math.cos(math.pi * min(1, (step - 5) / 45))) / 2
        )
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5, abs=1e-10)
        assert float(copy._learning_rate(step)) == float(schedule(step))


@pytest.mark.parametrize(("total", "warmup"), [(10, 10), (10, -1), (0, 0)])
def test_schedule_refuses_what_cannot_be(total, warmup):
    with pytest.raises(ValueError, match="`warmup_steps` must be at least 0 and below"):
        fine_tuning.WarmupCosine(1e-3, total, warmup)


# AdamW


@backend
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_adamw_step_equals_keras(weight_decay):
    rng = np.random.default_rng(2)
    value = rng.normal(size=(3, 4))
    variable = keras.Variable(value, dtype="float32", name="kernel")
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=weight_decay)
    optimizer.build([variable])
    first = second = np.zeros_like(value)
    for step in range(1, 8):
        gradient = rng.normal(size=value.shape)
        optimizer.apply([ops.convert_to_tensor(gradient, "float32")])
        value, first, second = fine_tuning.adamw_step(
            value, gradient, first, second, step, 0.01, weight_decay=weight_decay
        )
        np.testing.assert_allclose(ops.convert_to_numpy(variable), value, rtol=2e-5, atol=2e-6)


def test_adamw_decay_is_decoupled_from_the_gradient():
    gradient, zeros = np.array([0.5, -2.0]), np.zeros(2)
    plain, m, v = fine_tuning.adamw_step(
        np.array([1.0, 1.0]), gradient, zeros, zeros, 1, 0.1, weight_decay=0.0
    )
    decayed, m_decayed, v_decayed = fine_tuning.adamw_step(
        np.array([1.0, 1.0]), gradient, zeros, zeros, 1, 0.1, weight_decay=0.2
    )
    np.testing.assert_allclose(plain - decayed, 0.1 * 0.2, rtol=1e-12)
    np.testing.assert_array_equal(m, m_decayed)
    np.testing.assert_array_equal(v, v_decayed)
    # The first step has the size of the learning rate whatever the gradient's: Adam's signature.
    np.testing.assert_allclose(plain, 1.0 - 0.1 * np.sign(gradient), rtol=1e-5)


# Early stopping


def keras_early_stopping(losses, patience, min_delta):
    class Model:
        stop_training = False
        weights = None

        def get_weights(self):
            return self.weights

        def set_weights(self, weights):
            self.weights = weights

    callback = keras.callbacks.EarlyStopping(
        "loss", patience=patience, min_delta=min_delta, mode="min", restore_best_weights=True
    )
    model = Model()
    callback.set_model(model)
    callback.on_train_begin()
    epoch = 0
    for epoch, loss in enumerate(losses):
        model.weights = epoch
        callback.on_epoch_end(epoch, {"loss": loss})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch, model.weights


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    # Multiples of powers of 2, so that ties are ties whatever the order of subtraction.
    losses=st.lists(st.integers(0, 64).map(lambda i: i / 32), min_size=1, max_size=12),
    patience=st.integers(1, 4),
    min_delta=st.sampled_from([0.0, 1 / 16]),
)
def test_early_stopping_decides_as_keras(losses, patience, min_delta):
    assert fine_tuning.early_stopping(losses, patience, min_delta) == keras_early_stopping(
        losses, patience, min_delta
    )


def test_early_stopping_by_hand():
    assert fine_tuning.early_stopping([0.7, 0.5, 0.6, 0.55, 0.1], patience=2) == (3, 1)
    assert fine_tuning.early_stopping([0.7, 0.6, 0.5]) == (2, 2)


@pytest.mark.parametrize(("losses", "patience"), [([], 1), ([0.5], 0)])
def test_early_stopping_refuses_what_cannot_be(losses, patience):
    with pytest.raises(ValueError, match="at least one loss"):
        fine_tuning.early_stopping(losses, patience)


# LoRA


@backend
@pytest.mark.parametrize("alpha", [None, 16.0])
def test_lora_equals_keras_dense(alpha):
    rng = np.random.default_rng(3)
    layer = keras.layers.Dense(5, use_bias=False)
    layer.build((None, 7))
    layer.enable_lora(3, lora_alpha=alpha)
    layer.lora_kernel_b.assign(rng.normal(size=(3, 5)))
    x = rng.normal(size=(2, 4, 7)).astype("float32")
    kernel = ops.convert_to_numpy(layer._kernel)
    found = fine_tuning.lora(x, kernel, layer.lora_kernel_a, layer.lora_kernel_b, alpha)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found), ops.convert_to_numpy(layer(x)), rtol=1e-4, atol=1e-5
    )


@backend
def test_lora_starts_from_the_pretrained_layer():
    rng = np.random.default_rng(4)
    x, kernel, a = rng.normal(size=(2, 7)), rng.normal(size=(7, 5)), rng.normal(size=(7, 3))
    found = ops.convert_to_numpy(fine_tuning.lora(x, kernel, a, np.zeros((3, 5)), 4.0))
    np.testing.assert_allclose(found, x @ kernel, rtol=1e-4, atol=1e-5)


@backend
def test_lora_parameters_counts_what_keras_trains():
    backbone = small_backbone()
    backbone.enable_lora(2)
    trained = sum(
        math.prod(variable.shape) for variable in backbone.trainable_variables if "lora" in variable.name
    )
    # Query and value of two layers: kernels (hidden, heads, head size), which Keras factors at the last axis.
    assert trained == 4 * fine_tuning.lora_parameters((16, 2, 8), 2) == 4 * 2 * (16 * 2 + 8)
    assert fine_tuning.lora_parameters((384, 1536), 8) == 8 * (384 + 1536)


# The network


@backend
def test_classifier_is_mean_then_dense_and_ignores_padding():
    backbone = small_backbone()
    model = fine_tuning.classifier(backbone, num_classes=3)
    x = small_inputs([4, 9], 9)
    found = ops.convert_to_numpy(model(x))
    tokens = ops.convert_to_numpy(backbone(x)["sequence_output"]).astype("float64")
    means = np.stack([tokens[0, :4].mean(0), tokens[1].mean(0)])
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(found, means @ kernel + bias, rtol=1e-4, atol=1e-5)
    padded = {name: np.pad(values, [(0, 0), (0, 3)]) for name, values in x.items()}
    np.testing.assert_allclose(ops.convert_to_numpy(model(padded)), found, rtol=1e-4, atol=1e-5)


@backend
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_text_without_tokens_gives_no_nan(dtype):
    x = small_inputs([5, 0, 3], 6)
    model = fine_tuning.classifier(small_backbone(dtype=dtype))
    logits = model.predict(x, verbose=0)
    alone = model.predict({name: each[:1] for name, each in x.items()}, verbose=0)
    np.testing.assert_allclose(logits[:1], alone, atol=2e-2)
    # The mean of nothing is zero, and the head makes its bias of it.
    np.testing.assert_allclose(logits[1], ops.convert_to_numpy(model.get_layer("logits").bias), atol=1e-6)
    model.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.fit(x, np.array([0, 1, 1]), epochs=2, verbose=0).history["loss"]).all()
    assert all(np.isfinite(each).all() for each in model.get_weights())


@backend
def test_logits_are_float32_under_mixed_precision():
    model = fine_tuning.classifier(small_backbone(dtype="mixed_bfloat16"))
    logits = model(small_inputs([5], 5))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


@backend
def test_weight_decay_leaves_out_biases_norms_and_embeddings_frozen():
    model = fine_tuning.freeze_embeddings(fine_tuning.classifier(small_backbone()))
    fine_tuning.compile_classifier(model, total_steps=10, weight_decay=0.1)
    model.optimizer.build(model.trainable_variables)
    assert not any("token_embedding" in variable.path for variable in model.trainable_variables)
    decayed = {
        variable.path for variable in model.trainable_variables if model.optimizer._use_weight_decay(variable)
    }
    assert decayed == {
        variable.path for variable in model.trainable_variables if fine_tuning.decays(variable.path)
    }
    # Everything that is a vector is a bias or a norm; every matrix is decayed.
    for variable in model.trainable_variables:
        is_matrix = not variable.path.endswith(("bias", "gamma", "beta"))
        assert (variable.path in decayed) == is_matrix, variable.path


def test_compile_refuses_an_unknown_optimizer():
    with pytest.raises(ValueError, match="must be 'adamw' or 'sgd'"):
        fine_tuning.compile_classifier(fine_tuning.classifier(small_backbone()), 10, optimizer="adam")


def test_the_training_step_is_traced_once():
    """Twice, if the metrics' or the optimizer's variables are made in it."""
    model = fine_tuning.compile_classifier(fine_tuning.classifier(small_backbone()), 2)
    steps, step = [], model.train_step
    model.train_step = lambda data: steps.append(1) or step(data)
    data = imdb.batch_sequences([[101, 2000, 102]] * 4, np.array([0, 1, 0, 1]), 2)
    history = model.fit(data, shuffle=False, verbose=0).history
    assert len(steps) == 1
    assert set(history) == {"accuracy", "loss"}


TEXTS = [
    "a good film, good, good",
    "good",
    "the good one is good " * 3,
    "bad",
    "so bad, bad film",
    "bad " * 9,
] * 4
LABELS = np.array([1, 1, 1, 0, 0, 0] * 4)


@backend
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_fine_tuning_learns_a_word_and_restores_the_best_epoch(minilm, optimizer):
    model = fine_tuning.classifier(small_backbone(num_layers=1), dropout=0.0)
    train = imdb.batches(TEXTS, LABELS, batch_size=8, sequence_length=32, shuffle=True)
    history = fine_tuning.fine_tune(
        model,
        train,
        imdb.batches(TEXTS[:6], LABELS[:6], sequence_length=32),
        epochs=10,
        learning_rate={"adamw": 5e-3, "sgd": 0.1}[optimizer],
        optimizer=optimizer,
    ).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    logits = fine_tuning.predict(model, TEXTS, batch_size=5, sequence_length=32)
    assert fine_tuning.evaluate(LABELS, logits).accuracy == 1.0
    best = float(np.mean(fine_tuning.cross_entropy(LABELS[:6], logits[:6])))
    assert best == pytest.approx(min(history["val_loss"]), rel=1e-3, abs=1e-5)


@backend
def test_predict_keeps_the_order_of_the_texts(minilm):
    model = fine_tuning.classifier(small_backbone())
    together = fine_tuning.predict(model, TEXTS[:6], batch_size=4, sequence_length=32)
    alone = np.concatenate([fine_tuning.predict(model, [text], sequence_length=32) for text in TEXTS[:6]])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="at least one text"):
        fine_tuning.predict(model, [])


@backend
def test_features_and_head_on_the_frozen_encoder(minilm):
    backbone = small_backbone(dtype="mixed_bfloat16")
    found = fine_tuning.features(backbone, TEXTS, sequence_length=32)
    assert found.shape == (24, 16)
    assert found.dtype == np.float32
    assert fine_tuning.train_head(found, LABELS).score(found, LABELS) == 1.0


@backend
def test_weights_saved_and_reloaded_give_the_same_logits(tmp_path, minilm):
    model = fine_tuning.classifier(small_backbone())
    logits = fine_tuning.predict(model, TEXTS[:3], sequence_length=32)
    model.save_weights(tmp_path / "model.weights.h5")
    keras.utils.set_random_seed(9)
    from keras_hub.models import BertBackbone

    other = fine_tuning.classifier(BertBackbone(30522, 2, 2, 16, 32, dropout=0.0, max_sequence_length=64))
    assert not np.allclose(fine_tuning.predict(other, TEXTS[:3], sequence_length=32), logits)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(fine_tuning.predict(other, TEXTS[:3], sequence_length=32), logits)


# Evaluation


classes = st.integers(1, 5).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1, max_size=40)
)


@hypothesis.settings(deadline=None)
@hypothesis.given(pairs=classes)
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_confusion_and_macro_f1_equal_scikit_learn(pairs):
    labels, predictions = np.array(pairs).T
    every = range(max(labels.max(), predictions.max()) + 1)
    found = fine_tuning.evaluate(labels, predictions)
    counted = [[sum(pair == (row, column) for pair in pairs) for column in every] for row in every]
    np.testing.assert_array_equal(found.confusion, counted)
    np.testing.assert_array_equal(
        found.confusion, sklearn.metrics.confusion_matrix(labels, predictions, labels=every)
    )
    expected = sklearn.metrics.f1_score(labels, predictions, labels=every, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(expected)
    assert found.accuracy == sklearn.metrics.accuracy_score(labels, predictions)
    assert found.interval[0] <= found.accuracy <= found.interval[1]


def test_evaluate_takes_logits():
    found = fine_tuning.evaluate([1, 0, 1], [[0.0, 1.0], [5.0, 1.0], [0.1, 0.0]])
    assert (found.correct, found.total) == (2, 3)
    np.testing.assert_array_equal(found.confusion, [[1, 0], [1, 1]])
    assert str(found).startswith(" 66.7% (")
    with pytest.raises(ValueError, match="one prediction per label"):
        fine_tuning.evaluate([1, 0], [1])


@pytest.mark.parametrize(("correct", "total"), [(0, 10), (10, 10), (7, 10), (150, 220), (1, 1)])
def test_wilson_equals_its_formula(correct, total):
    z, share = 1.959963984540054, correct / total
    centre = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    assert fine_tuning.wilson(correct, total) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_wilson_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    intervals = [fine_tuning.wilson(int(hits), 50) for hits in rng.binomial(50, 0.9, 2000)]
    share = np.mean([low <= 0.9 <= high for low, high in intervals])
    assert 0.92 < share < 0.98


@pytest.mark.parametrize(("correct", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses_what_cannot_be(correct, total):
    with pytest.raises(ValueError, match="must hold"):
        fine_tuning.wilson(correct, total)


def test_mcnemar_counts_only_disagreements():
    first = np.array([True] * 50 + [True] * 9 + [False] * 1 + [False] * 7)
    second = np.array([True] * 50 + [False] * 9 + [True] * 1 + [False] * 7)
    # Two-sided: at most 1 or at least 9 heads of 10 fair coins, (1 + 10 + 10 + 1) / 1024.
    assert fine_tuning.mcnemar(first, second) == (9, 1, pytest.approx(22 / 1024))
    assert fine_tuning.mcnemar(second, first) == (1, 9, pytest.approx(22 / 1024))
    assert fine_tuning.mcnemar(first, first) == (0, 0, 1.0)
    with pytest.raises(ValueError, match="same examples"):
        fine_tuning.mcnemar(first, second[:3])


# What was recorded


def test_learning_curve_is_grouped_by_method_and_size(monkeypatch, tmp_path):
    rows = [("tfidf", 200, 1, 0.7), ("tfidf", 100, 0, 0.5), ("random", 100, 0, 0.4), ("tfidf", 200, 0, 0.6)]
    keys = ("method", "size", "seed", "accuracy")
    results = [dict(zip(keys, row, strict=True)) for row in rows]
    (tmp_path / "learning_curve.json").write_text(json.dumps({"results": results}))
    monkeypatch.setattr(fine_tuning, "REVIEWER", tmp_path)
    curves = fine_tuning.learning_curve()
    assert curves == {"tfidf": {100: [0.5], 200: [0.6, 0.7]}, "random": {100: [0.4]}}
    assert list(curves["tfidf"]) == [100, 200]


def test_the_recorded_learning_curve():
    curves = fine_tuning.learning_curve()
    assert set(curves) == {"tfidf", "frozen", "fine_tuned", "random"}
    sizes = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000]
    for method, found in curves.items():
        assert list(found) == [size for size in sizes if size in found], method
        assert all(1 <= len(accuracies) <= 3 for accuracies in found.values()), method
        assert min(found[20_000]) > max(found[min(found)]) or len(found) == 1, method
    for method in ("tfidf", "frozen"):
        assert list(curves[method]) == sizes
        assert all(len(accuracies) == 3 for accuracies in curves[method].values()), method
