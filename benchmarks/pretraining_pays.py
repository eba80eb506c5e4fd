"""What pretraining buys: MiniLM and the same network from random weights on 100 to 1,000 labels (lesson 04).

    python benchmarks/pretraining_pays.py --seconds 270     make what is missing; a killed run goes on
    python benchmarks/pretraining_pays.py --table           only the table, from the record

A seed draws the labelled reviews, the same for all; one was recorded. Both networks are trained as in lesson
05, in equally many steps, and judge the same test reviews after the last. They read 64 tokens of a review,
half from each end; TF-IDF with logistic regression (lesson 02) reads all of it.
"""

import argparse
import json
import pathlib
import statistics
import time

import learning_curve
import numpy as np
import pages
import training

from course_lib import runtime

NAMES = {"fine_tuned": "MiniLM's weights", "random": "random weights", "tfidf": "no network: TF-IDF"}
EPOCHS = {100: 8, 300: 5, 1_000: 2}
BATCH, LENGTH, TEST, SEEDS = 20, 64, 1_000, (0,)
RECORDED = pathlib.Path(__file__).with_suffix(".json")


def rows(found):
    return {(row["start"], row["labels"], row["seed"]): row for row in found["results"]}


def table(found):
    """Test accuracies in markdown, the mean over the seeds."""
    done, sizes = rows(found), sorted({row["labels"] for row in found["results"]})
    lines = [
        f"| start | {' | '.join(f'{size:,} labels' for size in sizes)} |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for start, name in NAMES.items():
        cells = []
        for size in sizes:
            each = [done[start, size, seed]["accuracy"] for seed in SEEDS if (start, size, seed) in done]
            cells.append(f"{statistics.mean(each):.1%}" if each else "not recorded")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def measure(network, corpus, ids, start, size, seed):
    """Trains on `size` reviews; returns accuracies on the test reviews and on those trained on."""
    chosen = np.random.default_rng(seed).permutation(len(corpus.train))[:size]
    labels, true = corpus.train.labels[chosen], corpus.test.labels[:TEST]
    if start == "tfidf":
        from course_lib import imdb

        model = imdb.linear_baseline([corpus.train.texts[i] for i in chosen], labels)
        return {"accuracy": float(np.mean(model.predict(corpus.test.texts[:TEST]) == true))}
    train = [ids["train"][i] for i in chosen]
    steps = EPOCHS[size] * (size // BATCH)
    model = network.restart(start, seed, steps, learning_curve.RATES[start])
    batches = training.Batches(train, labels, BATCH, multiple=LENGTH, seed=seed)
    model.fit(batches, epochs=EPOCHS[size], shuffle=False, verbose=0)

    def right(sequences, labels):
        found = training.logits(model, sequences, batch_size=50, multiple=LENGTH).argmax(axis=1)
        return round(float(np.mean(found == labels)), 4)

    return {"accuracy": right(ids["test"], true), "training accuracy": right(train, labels)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no training after these")
    parser.add_argument("--starts", choices=NAMES, nargs="+", default=list(NAMES))
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    found = json.loads(RECORDED.read_text()) if RECORDED.is_file() else {"results": []}
    if options.table:
        pages.fill("pretraining_pays", table(found))
        return
    begun = time.monotonic()
    environment = runtime.setup(seed=0, precision="mixed_bfloat16")
    from course_lib import imdb

    corpus, network = imdb.load(), None
    texts = {"train": corpus.train.texts, "test": corpus.test.texts[:TEST]}
    ids = {name: imdb.encode(each, sequence_length=LENGTH, how="both") for name, each in texts.items()}
    found["settings"] = {"epochs": EPOCHS, "batch": BATCH, "length": LENGTH, "test": TEST}
    found["settings"]["learning rates"] = learning_curve.RATES
    found |= {"device": environment.device_name, "versions": environment.versions}
    wanted = [(start, size, seed) for seed in SEEDS for size in EPOCHS for start in options.starts]
    for start, size, seed in wanted:
        if (start, size, seed) in rows(found) or time.monotonic() - begun > options.seconds:
            continue
        if start != "tfidf" and network is None:
            network = learning_curve.Network()
        row = {"start": start, "labels": size, "seed": seed}
        found["results"].append(row | measure(network, corpus, ids, start, size, seed))
        print(found["results"][-1], round(time.monotonic() - begun), flush=True)
        with runtime.atomic_write(RECORDED) as path:
            path.write_text(json.dumps(found, indent=1) + "\n")
    pages.fill("pretraining_pays", table(found))


if __name__ == "__main__":
    main()
