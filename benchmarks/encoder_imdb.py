"""Lesson 03's three classifiers on real IMDB: a bag of words, a bidirectional LSTM and one encoder block.

    python benchmarks/encoder_imdb.py

Same reviews, vocabulary, width, optimizer and number of epochs, all from random weights; of the epochs the
one that is best on the validation reviews counts. The models take turns, so that a busy machine slows all of
them. Writes the result as JSON to the file that --output names and prints it as a table in markdown.

encoder_imdb.json was recorded with an earlier split, whose test reviews were 2,500 of the official ones.
"""

import argparse
import json
import pathlib
import statistics
import time

from course_lib import runtime

NAMES = {
    "bag of words": "mean of the embeddings, no network",
    "lstm": "bidirectional LSTM",
    "encoder": "one encoder block",
}


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=10000, help="training reviews")
    parser.add_argument("--test", type=int, default=2500, help="test reviews, and most validation reviews")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--units", type=int, default=48, help="of the LSTM, in each direction")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/encoder_imdb.json"))
    return parser.parse_args()


def classifier(name, options, size):
    """One of the three, from token ids to two logits."""
    import keras

    from course_lib import transformer

    pool = keras.layers.GlobalAveragePooling1D()
    middle = {
        "bag of words": [pool],
        "lstm": [keras.layers.Bidirectional(keras.layers.LSTM(options.units))],
        "encoder": [
            transformer.PositionEmbedding(options.length),
            transformer.EncoderBlock(4, 4 * options.width, dropout=0.1, spread=0.05),
            pool,
        ],
    }[name]
    first = keras.layers.Embedding(size, options.width, mask_zero=True)
    return keras.Sequential([first, *middle, keras.layers.Dropout(0.1), keras.layers.Dense(2)])


def table(found):
    """The result as a table in markdown."""
    rows = [
        "| | parameters | test accuracy, mean (range) | training time, times the bag's |",
        "|---|---|---|---|",
    ]
    # The fastest run of each: the others waited for other programs.
    base = min(run["seconds"] for run in found["runs"] if run["model"] == "bag of words")
    for name, shown in NAMES.items():
        runs = [run for run in found["runs"] if run["model"] == name]
        right = [run["test"] for run in runs]
        share = f"{statistics.mean(right):.1%} ({min(right):.1%} to {max(right):.1%})"
        slower = min(run["seconds"] for run in runs) / base
        rows.append(f"| {shown} | {runs[0]['parameters']:,} | {share} | {slower:.3g} |")
    return "\n".join(rows)


def main():
    options = arguments()
    environment = runtime.setup(seed=0)
    import keras
    import tokenizers

    from course_lib import imdb

    corpus = imdb.load()
    texts, labels = corpus.train.texts[: options.train], corpus.train.labels[: options.train]
    pieces = imdb.train_wordpiece([imdb.clean(text) for text in texts], options.vocabulary)
    tokenizer = tokenizers.BertWordPieceTokenizer({piece: i for i, piece in enumerate(pieces)})

    def batches(texts, labels, **kwargs):
        form = {"sequence_length": options.length, "how": "both", "by_length": False}
        found = imdb.batches(texts, labels, tokenizer, batch_size=options.batch, **form, **kwargs)
        return found.map(lambda x, y: (x["token_ids"], y))

    held_out, test = (
        batches(split.texts[: options.test], split.labels[: options.test])
        for split in (corpus.validation, corpus.test)
    )
    runs = []
    for seed in range(options.seeds):
        for name in NAMES:
            keras.utils.set_random_seed(seed)
            model = classifier(name, options, len(pieces))
            optimizer = keras.optimizers.Adam(options.learning_rate)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
            train = batches(texts, labels, shuffle=True, seed=seed)
            best, seconds, curve = None, 0.0, []
            for _ in range(options.epochs):
                start = time.monotonic()
                model.fit(train, shuffle=False, verbose=0)
                seconds += time.monotonic() - start
                curve.append(round(model.evaluate(held_out, verbose=0)[1], 4))
                if curve[-1] == max(curve):
                    best = model.get_weights()
            model.set_weights(best)
            runs.append(
                {
                    "model": name,
                    "seed": seed,
                    "parameters": model.count_params(),
                    "validation": curve,
                    "test": round(model.evaluate(test, verbose=0)[1], 4),
                    "seconds": round(seconds, 1),
                }
            )
            print(runs[-1], flush=True)
    settings = {key: value for key, value in vars(options).items() if key != "output"}
    result = {
        "settings": settings,
        "versions": environment.versions,
        "device": environment.device_name,
        "runs": runs,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with runtime.atomic_write(options.output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
