"""What scripts that train classifiers share: batches for any Keras backend, training that resumes."""

import json
import sys
import time

import keras
import numpy as np

from course_lib import imdb, runtime


class Batches(keras.utils.PyDataset):
    """Padded batches by length, mixed anew in every epoch; unlike `imdb.batches` they need no TensorFlow.

    Args:
        sequences: Lists of token ids.
        labels: One label per sequence.
        batch_size: Sequences per batch.
        multiple: Widths are multiples of this. To train, as much as the longest: with TensorFlow, Keras takes
            the widths of the first two batches for those of all; and XLA compiles each width.
        seed: Seed of the order; None keeps ascending lengths.
    """

    def __init__(self, sequences, labels, batch_size=32, multiple=64, seed=None):
        super().__init__()
        self.sequences, self.labels = sequences, labels
        self.options = {"batch_size": batch_size, "multiple": multiple}
        self.seed, self.epoch = seed, 0
        self.start(0)

    def start(self, epoch):
        """Puts the batches in the order of an epoch."""
        self.epoch = epoch
        seed = None if self.seed is None else self.seed + epoch
        self.found = list(imdb.padded_batches(self.sequences, self.labels, seed=seed, **self.options))

    def __len__(self):
        return len(self.found)

    def __getitem__(self, index):
        return self.found[index]

    def on_epoch_end(self):
        """Mixes anew."""
        if self.seed is not None:
            self.start(self.epoch + 1)


def logits(model, sequences, batch_size=64, multiple=64):
    """The model's outputs for token ids, in their order."""
    result = None
    for x, places in Batches(sequences, np.arange(len(sequences)), batch_size, multiple).found:
        # A batch at a time: with TensorFlow, Keras takes the widths of the first two for those of all.
        outputs = model.predict_on_batch(x)
        if result is None:
            result = np.empty((len(sequences), *outputs.shape[1:]), outputs.dtype)
        result[places] = outputs
    return result


def fit(model, batches, epochs, folder, settings, seed=0, after=None):
    """Trains a compiled model; a run that was killed goes on with the last whole epoch.

    Args:
        model: A compiled model.
        batches: `Batches`.
        epochs: Number of passes.
        folder: Where the state is kept.
        settings: Dict: a state of other settings is not gone on with.
        seed: Of dropout.
        after: Function that is called after each epoch and returns a dict to record.

    Returns:
        One dict per epoch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state, progress = folder / "state.weights.h5", folder / "progress.json"
    done = []
    if progress.is_file() and state.is_file():
        found = json.loads(progress.read_text())
        if found["settings"] == settings:
            done = found["epochs"]
            model.optimizer.build(model.trainable_variables)
            model.load_weights(state)  # The optimizer's state too.
            print(f"{len(done)} epochs were done already", file=sys.stderr)
    for epoch in range(len(done), epochs):
        begun = time.monotonic()
        keras.utils.set_random_seed(seed + epoch)
        batches.start(epoch)
        history = model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0).history
        row = {name: round(values[-1], 4) for name, values in history.items()}
        row["minutes"] = round((time.monotonic() - begun) / 60, 2)
        done.append({**row, **(after() if after else {})})
        part = state.with_name("part.weights.h5")
        model.save_weights(part)
        part.replace(state)
        with runtime.atomic_write(progress) as path:
            path.write_text(json.dumps({"settings": settings, "epochs": done}))
        print(f"epoch {epoch + 1}: {done[-1]}", file=sys.stderr, flush=True)
    return done
