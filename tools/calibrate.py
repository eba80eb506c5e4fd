"""Times a fixed small training on this machine and prints its seconds; tools/check_notebooks.py calls it.

The work is a lesson's: an encoder's matrix products, forwards and backwards, in Keras on TensorFlow.
"""

import os
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

TOKENS, WIDTH, BATCH, STEPS, REPEATS = 128, 128, 32, 4, 8


def encoder(blocks=2):
    """A small encoder that reads token ids and gives one logit."""
    ids = keras.Input((TOKENS,), dtype="int32")
    x = keras.layers.Embedding(2000, WIDTH)(ids)
    for _ in range(blocks):
        y = keras.layers.MultiHeadAttention(4, WIDTH // 4)(x, x)
        x = keras.layers.LayerNormalization()(x + y)
        y = keras.layers.Dense(WIDTH)(keras.layers.Dense(4 * WIDTH, activation="gelu")(x))
        x = keras.layers.LayerNormalization()(x + y)
    return keras.Model(ids, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(x)))


def seconds():
    """The shortest time of `STEPS` training steps: one that another process disturbs does not count."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    ids, labels = rng.integers(0, 2000, (BATCH, TOKENS)), rng.integers(0, 2, (BATCH, 1))
    model = encoder()
    model.compile("adamw", keras.losses.BinaryCrossentropy(from_logits=True))
    model.train_on_batch(ids, labels)  # Traced and compiled here, before the clock starts.
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(STEPS):
            model.train_on_batch(ids, labels)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    print(f"{seconds():.3f}")
