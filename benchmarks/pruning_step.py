"""What pruning adds to a training step: the same network with `pruning.prune` and without, in turns.

    python benchmarks/pruning_step.py                       prints a table; fails if a goal is missed
    KERAS_BACKEND=jax python benchmarks/pruning_step.py     the same on JAX

A turn is one `fit` of some steps under a schedule that is under way, so the choice of masks every 100 steps
and what `fit` does once are in it. The ratio is the median of those of neighbouring turns, with quartiles.
"""

import argparse
import sys
import time

import keras
import numpy as np
from keras import layers

from course_lib import pruning, transformer

GOAL = 1.10
NETWORKS = {
    "dense, 2.1 M weights": (
        (1024,),
        32,
        lambda: [layers.Dense(1024, activation="relu"), layers.Dense(1024, activation="relu")],
    ),
    "convolutions, 0.1 M": (
        (32, 32, 3),
        32,
        lambda: [
            layers.Conv2D(64, 3, strides=2, activation="relu"),
            layers.Conv2D(128, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
    ),
    "LSTM, 0.5 M": ((32, 256), 32, lambda: [layers.LSTM(256)]),
    "encoder blocks, 1.6 M": (
        (64, 256),
        32,
        lambda: [
            *(transformer.EncoderBlock(num_heads=4, intermediate_dim=1024) for _ in range(2)),
            layers.GlobalAveragePooling1D(),
        ],
    ),
}


def network(shape, hidden):
    """A compiled classifier."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(shape), *hidden(), layers.Dense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def ratios(shape, batch, hidden, steps, rounds):
    """Milliseconds a step without pruning, and quartiles of the ratio with to without."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch * steps, *shape)).astype("float32")
    y = rng.integers(0, 2, len(x))
    plain, pruned = network(shape, hidden), network(shape, hidden)
    # Longer than all turns together, so that masks are chosen to the end.
    schedule = pruning.Polynomial(0.8, end_step=steps * (rounds + 1))
    callback = pruning.prune(pruned, schedule)
    seconds = []
    for turn in range(rounds + 1):
        pair = []
        sides = ((plain, []), (pruned, [callback]))
        for model, callbacks in sides if turn % 2 else sides[::-1]:
            start = time.perf_counter()
            model.fit(x, y, batch_size=batch, shuffle=False, verbose=0, callbacks=callbacks)
            pair.append(time.perf_counter() - start)
        seconds.append(pair if turn % 2 else pair[::-1])
    seconds = np.array(seconds[1:])  # The first compiles.
    return 1e3 * np.median(seconds[:, 0]) / steps, np.quantile(
        seconds[:, 1] / seconds[:, 0], [0.25, 0.5, 0.75]
    )


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200, help="a turn; default %(default)s")
    parser.add_argument("--rounds", type=int, default=9, help="turns; default %(default)s")
    options = parser.parse_args()
    missed = False
    print(f"Keras {keras.__version__} on {keras.backend.backend()}; turns of {options.steps} steps")
    for name, (shape, batch, hidden) in NETWORKS.items():
        milliseconds, (low, middle, high) = ratios(shape, batch, hidden, options.steps, options.rounds)
        missed |= middle > GOAL
        print(f"{name:<22}{milliseconds:6.1f} ms a step, ", end="")
        print(f"{middle:.2f} times with pruning ({low:.2f} to {high:.2f})", flush=True)
    return int(missed)


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore", category=UserWarning, module="course_lib")  # Each turn ends too soon.
    sys.exit(main())
