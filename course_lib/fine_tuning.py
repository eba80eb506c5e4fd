"""Fine-tuning a pretrained encoder on few labels, from the head to an honest evaluation.

The recipe follows Devlin et al. (2019, "BERT", NAACL) and Mosbach, Andriushchenko and Klakow (2021, "On the
Stability of Fine-tuning BERT", ICLR): AdamW with warm-up, no decay of biases and norms. What the course
explains is written out (schedule, loss, AdamW's step, LoRA, macro F1); training itself is Keras'.
"""

import dataclasses
import json
import re

import keras
import numpy as np
import sklearn.metrics
from keras import ops
from scipy.stats import binomtest

from course_lib import imdb, runtime
from course_lib.weights import REVIEWER, pooled
from course_lib.weights import classifier as classifier  # Lesson 05's; `weights` puts it on the reviewer.

NOT_DECAYED = ("bias", "gamma", "beta", "layer_norm", "lora")

# The network: encoder and head


def predict(model, texts, batch_size=32, sequence_length=128, how="head"):
    """Applies a model to texts, in batches by length, and returns the results in the order of the texts.

    Args:
        model: A Keras model on `token_ids`, `padding_mask` and `segment_ids` with one output `(batch, ...)`.
        texts: Sequence of str.
        batch_size: Texts per batch.
        sequence_length: Most tokens per text.
        how: Which tokens of longer texts are kept, as in `imdb.truncate`.

    Returns:
        Array of shape `(len(texts), ...)`.

    Raises:
        ValueError: If there are no texts.
    """
    if not len(texts):
        raise ValueError("`texts` must hold at least one text.")
    # Each text's label is its place, so that the order can be restored.
    dataset = imdb.batches(
        texts, np.arange(len(texts)), batch_size=batch_size, sequence_length=sequence_length, how=how
    )
    places = np.concatenate(list(dataset.map(lambda _, place: place).as_numpy_iterator()))
    outputs = model.predict(dataset.map(lambda x, _: x), verbose=0)
    result = np.empty_like(outputs)
    result[places] = outputs
    return result


def features(backbone, texts, **options):
    """What the encoder makes of texts: the mean of their tokens' vectors.

    Args:
        backbone: As in `classifier`.
        texts: Sequence of str.
        **options: As in `predict`.

    Returns:
        Float32 array of shape `(len(texts), width)`.
    """
    return predict(keras.Model(backbone.input, pooled(backbone)), texts, **options)


def train_head(features, labels, regularisation=1.0):
    """A logistic regression on frozen features, which are standardised first.

    Args:
        features: Array of shape `(n, width)`.
        labels: One label per row.
        regularisation: scikit-learn's `C`, the inverse of the strength.

    Returns:
        A fitted `sklearn.pipeline.Pipeline`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=2000))
    return model.fit(features, labels)


# Loss, schedule, optimizer


def cross_entropy(labels, logits):
    """Cross-entropy of integer labels, from logits, so that large ones neither overflow nor give log(0).

    Args:
        labels: Integer tensor of shape `(...)`.
        logits: Float tensor of shape `(..., num_classes)`.

    Returns:
        Tensor of shape `(...)`, in nats: `logsumexp(logits) - logits[label]`.
    """
    logits = ops.convert_to_tensor(logits)
    shifted = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    chosen = ops.take_along_axis(shifted, ops.expand_dims(ops.cast(labels, "int32"), -1), axis=-1)
    return ops.log(ops.sum(ops.exp(shifted), axis=-1)) - ops.squeeze(chosen, -1)


@keras.saving.register_keras_serializable(package="course_lib")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises linearly to its peak and falls along half a cosine to zero.

    Args:
        peak: Highest learning rate, reached at step `warmup_steps`.
        total_steps: Step at which zero is reached; it stays zero afterwards.
        warmup_steps: Steps of the rise. At step 0 the rate is `peak / warmup_steps`: no step is wasted.

    Raises:
        ValueError: If not `0 <= warmup_steps < total_steps`.
    """

    def __init__(self, peak, total_steps, warmup_steps=0):
        if not 0 <= warmup_steps < total_steps:
            raise ValueError(
                "`warmup_steps` must be at least 0 and below `total_steps`. "
                f"Received: {warmup_steps} and {total_steps}"
            )
        self.peak, self.total_steps, self.warmup_steps = peak, total_steps, warmup_steps

    def __call__(self, step):
        """The learning rate at a step, an integer or a scalar tensor that counts from 0."""
        step = ops.cast(step, "float32")
        rise = (step + 1.0) / max(self.warmup_steps, 1)
        progress = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        fall = 0.5 * (1.0 + ops.cos(np.pi * ops.clip(progress, 0.0, 1.0)))
        return self.peak * ops.where(step < self.warmup_steps, rise, fall)

    def get_config(self):
        """The arguments, for saving."""
        return {"peak": self.peak, "total_steps": self.total_steps, "warmup_steps": self.warmup_steps}


def adamw_step(
    value,
    gradient,
    first,
    second,
    step,
    learning_rate,
    weight_decay=0.01,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-7,
):
    """One AdamW step of one weight (Loshchilov and Hutter 2019), as Keras computes it.

    The decay is decoupled: it shrinks the weight itself and never enters the gradient's moments. Pass
    `weight_decay=0` for weights that `decays` leaves out.

    Args:
        value: The weight.
        gradient: Gradient of the loss, of the same shape.
        first: Running mean of the gradient; zeros before the first step.
        second: Running mean of its square; zeros before the first step.
        step: Number of this step, from 1.
        learning_rate: About how far a weight moves.
        weight_decay: Share of the weight, times the learning rate, that the decay takes.
        beta_1: Inertia of the first mean.
        beta_2: Inertia of the second.
        epsilon: Added to the root of the uncorrected second moment (Kingma and Ba 2015, end of section 2).

    Returns:
        `(value, first, second)` after the step.
    """
    value = value * (1.0 - learning_rate * weight_decay)
    first = beta_1 * first + (1.0 - beta_1) * gradient
    second = beta_2 * second + (1.0 - beta_2) * gradient**2
    corrected = learning_rate * (1.0 - beta_2**step) ** 0.5 / (1.0 - beta_1**step)
    return value - corrected * first / (second**0.5 + epsilon), first, second


def decays(path):
    """Whether weight decay applies to the weight of this path: not to biases, norms and LoRA's factors."""
    return not re.search("|".join(NOT_DECAYED), path)


# The recipe


def freeze_embeddings(model):
    """Freezes the token embeddings of a `classifier` or backbone and returns it.

    With few labels most rows of the table get no gradient, yet they hold half of this encoder's weights;
    frozen, they cost no optimizer memory and a step takes less time.
    """
    model.get_layer("token_embedding").trainable = False
    return model


def compile_classifier(
    model, total_steps, learning_rate=2e-4, warmup=0.1, weight_decay=0.01, optimizer="adamw"
):
    """Compiles a classifier for fine-tuning.

    Args:
        model: A model that returns logits.
        total_steps: Number of steps until the learning rate is zero.
        learning_rate: Peak of the schedule.
        warmup: Share of the steps in which the rate rises; 0 starts at the peak.
        weight_decay: AdamW's, of the weights that `decays` names.
        optimizer: `"adamw"` or `"sgd"` (with momentum 0.9).

    Returns:
        The model.

    Raises:
        ValueError: If `optimizer` is another.
    """
    schedule = WarmupCosine(learning_rate, total_steps, min(round(warmup * total_steps), total_steps - 1))
    if optimizer == "adamw":
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=weight_decay, global_clipnorm=1.0)
        optimizer.exclude_from_weight_decay(var_names=list(NOT_DECAYED))
    elif optimizer == "sgd":
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, global_clipnorm=1.0)
    else:
        raise ValueError(f"`optimizer` must be 'adamw' or 'sgd'. Received: {optimizer!r}")
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # JAX is nothing without XLA. With TensorFlow, batches by length have many shapes to compile, and on a
        # CPU that gains nothing here.
        jit_compile=keras.backend.backend() == "jax",
    )
    runtime.build_training(model, np.zeros(1), np.zeros((1, 2), "float32"))
    return model


def fine_tune(model, train, validation=None, epochs=4, patience=None, callbacks=(), **recipe):
    """Fine-tunes a classifier and keeps the weights of the epoch with the lowest validation loss.

    Args:
        model: A `classifier`.
        train: Dataset of `(x, y)` batches with a known number of batches, as `imdb.batches` gives it.
        validation: The same of the reviews to watch, or None.
        epochs: Passes over `train`; the schedule is made for all of them.
        patience: Epochs without a lower validation loss after which training stops; None never stops early.
        callbacks: Further Keras callbacks.
        **recipe: As in `compile_classifier`.

    Returns:
        The `keras.callbacks.History`.
    """
    compile_classifier(model, epochs * len(train), **recipe)
    callbacks = list(callbacks)
    if validation is not None:
        best = keras.callbacks.EarlyStopping(
            "val_loss", patience=epochs if patience is None else patience, restore_best_weights=True
        )
        callbacks.append(best)
    return model.fit(
        train, validation_data=validation, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0
    )


def early_stopping(losses, patience=1, min_delta=0.0):
    """When early stopping ends a training, and which epoch's weights it keeps.

    Args:
        losses: Validation loss of each epoch, in order.
        patience: Stop after this many epochs in a row without an improvement, at least 1.
        min_delta: What a loss must fall by to count as an improvement.

    Returns:
        `(stopped, best)`: the last epoch that is trained and the best of those, counted from 0.

    Raises:
        ValueError: If there are no losses or `patience` is below 1.
    """
    if not len(losses) or patience < 1:
        raise ValueError(
            f"There must be at least one loss, and `patience` >= 1. Received: {losses}, patience={patience}"
        )
    lowest, best = np.inf, 0
    for epoch, loss in enumerate(losses):
        if loss < lowest - min_delta:
            lowest, best = loss, epoch
        elif epoch - best >= patience:
            return epoch, best
    return len(losses) - 1, best


# LoRA


def lora(inputs, kernel, a, b, alpha=None):
    """A dense layer with a low-rank update (Hu et al. 2022, "LoRA", ICLR): only `a` and `b` learn.

    Args:
        inputs: Tensor of shape `(..., width)`.
        kernel: Frozen weight of shape `(width, units)`.
        a: Tensor of shape `(width, rank)`.
        b: Tensor of shape `(rank, units)`; zeros at the start, which leaves the layer as it was.
        alpha: The update is scaled by `alpha / rank`; None means `rank`.

    Returns:
        Tensor of shape `(..., units)`: `inputs @ kernel + alpha / rank * (inputs @ a) @ b`.
    """
    scale = 1.0 if alpha is None else alpha / ops.shape(a)[-1]
    return ops.matmul(inputs, kernel) + scale * ops.matmul(ops.matmul(inputs, a), b)


def lora_parameters(kernel_shape, rank):
    """Number of weights that LoRA trains for a kernel; Keras factors it at its last axis."""
    return rank * (int(np.prod(kernel_shape[:-1])) + kernel_shape[-1])


# Evaluation


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """How a classifier did on `total` examples.

    Attributes:
        correct, total: Numbers of examples.
        interval: Wilson's 95 % confidence interval of the accuracy, `(low, high)`.
        macro_f1: Mean of the classes' F1.
        confusion: Integer array `(num_classes, num_classes)`; rows are true classes, columns predicted ones.
        right: Boolean array `(total,)`.
    """

    correct: int
    total: int
    interval: tuple[float, float]
    macro_f1: float
    confusion: np.ndarray = dataclasses.field(repr=False)
    right: np.ndarray = dataclasses.field(repr=False)

    @property
    def accuracy(self):
        """Share of correct predictions."""
        return self.correct / self.total

    def __str__(self):
        low, high = self.interval
        return f"{self.accuracy:6.1%} ({low:.1%} to {high:.1%}), macro F1 {self.macro_f1:.3f}"


def evaluate(labels, predictions):
    """Compares predicted classes with the true ones.

    Args:
        labels: Integer array of shape `(n,)`.
        predictions: Integer array `(n,)`, or logits `(n, num_classes)`, of which the largest counts.

    Returns:
        An `Evaluation`.

    Raises:
        ValueError: If the lengths differ or there is nothing to evaluate.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if len(labels) != len(predictions) or not len(labels):
        raise ValueError(
            f"There must be one prediction per label. Received: {len(labels)} and {len(predictions)}"
        )
    if predictions.ndim == 2:
        num_classes, predictions = predictions.shape[1], predictions.argmax(axis=1)
    else:
        num_classes = int(max(labels.max(), predictions.max())) + 1
    matrix = sklearn.metrics.confusion_matrix(labels, predictions, labels=range(num_classes))
    right = labels == predictions
    correct, total = int(right.sum()), len(labels)
    return Evaluation(correct, total, wilson(correct, total), macro_f1(matrix), matrix, right)


def macro_f1(matrix):
    """Mean over the classes of F1 = 2 TP / (2 TP + FP + FN), from a confusion matrix.

    A class that neither occurs nor is predicted counts as 0, as in scikit-learn.
    """
    matrix = np.asarray(matrix)
    hits, claimed_or_true = np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1)
    return float(np.mean(2.0 * hits / np.maximum(claimed_or_true, 1)))


def wilson(correct, total):
    """95 % confidence interval of a share (Wilson 1927), which also holds for few examples and near 0 and 1.

    Args:
        correct: Number of successes, from 0 to `total`.
        total: Number of trials, at least 1.

    Returns:
        `(low, high)`.

    Raises:
        ValueError: If the numbers are out of range.
    """
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"0 <= correct <= total and total >= 1 must hold. Received: {correct} of {total}")
    interval = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def mcnemar(first, second):
    """Tests whether two classifiers of the same examples are equally often right (McNemar 1947), exactly.

    Only examples that just one of them got right count: were both equally good, each would win half of those.

    Args:
        first: Boolean array `(n,)`: where the first is right.
        second: Where the second is right.

    Returns:
        `(only_first, only_second, p_value)`, the last two-sided, from the binomial distribution.

    Raises:
        ValueError: If the lengths differ.
    """
    first, second = np.asarray(first, "bool"), np.asarray(second, "bool")
    if first.shape != second.shape:
        raise ValueError(
            f"Both must judge the same examples. Received shapes: {first.shape} and {second.shape}"
        )
    only_first, only_second = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    wins = only_first + only_second
    return only_first, only_second, float(binomtest(only_first, wins).pvalue) if wins else 1.0


def learning_curve():
    """Accuracy against the number of labels, as `benchmarks/learning_curve.py` recorded it.

    Returns:
        Dict from a method (`"tfidf"`, `"frozen"`, `"fine_tuned"`, `"random"`) to a dict from the number of
        labelled reviews, ascending, to the accuracies on the 2,500 test reviews, one for each seed.
    """
    rows = json.loads((REVIEWER / "learning_curve.json").read_text(encoding="utf-8"))["results"]
    curves = {}
    for row in sorted(rows, key=lambda row: (row["size"], row["seed"])):
        curves.setdefault(row["method"], {}).setdefault(row["size"], []).append(row["accuracy"])
    return curves
