"""The loss over the tokens that are predicted, perplexity, and the recipe of training."""

import math

import keras
import numpy as np
from keras import ops

from course_lib import runtime


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
        return keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        )

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
