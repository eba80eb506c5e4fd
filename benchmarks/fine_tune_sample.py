"""How far lesson 05's result on the bundled reviews can be trusted: its rate, its seeds, and its rivals.

    python benchmarks/fine_tune_sample.py

First a five-fold cross-validation on the training reviews (films kept together) compares learning rates; the
test reviews play no part in it. Then the best rate, and each change that lesson 05 speaks of, is trained from
several seeds and judged on the test reviews. Every finished training is kept in the file that --results
names, so an interrupted run goes on where it stood. At the end the tables are printed in markdown.
"""

import argparse
import json
import pathlib
import time

import numpy as np

from course_lib import runtime, samples

RATES = (1e-4, 2e-4, 3e-4)
FOLDS = 5
SEEDS = 3
EPOCHS, BATCH = 5, 16
FORM = {"sequence_length": 128, "how": "both"}  # As in lesson 05.
VARIANTS = {
    "fine-tuned": {},
    "LoRA, rank 8": {"lora": 8, "learning_rate": 5e-3},
    "SGD, rate 0.05": {"optimizer": "sgd", "learning_rate": 0.05},
    "random weights": {"pretrained": False},
}


def train(texts, labels, validation, seed, pretrained=True, lora=None, **recipe):
    """Lesson 05's recipe, started anew; returns the model and its history."""
    import keras

    from course_lib import fine_tuning, imdb, weights

    keras.utils.set_random_seed(seed)
    encoder = weights.load_backbone(pretrained=pretrained)
    model = fine_tuning.classifier(encoder)
    encoder.enable_lora(lora) if lora else fine_tuning.freeze_embeddings(encoder)
    batches = imdb.batches(texts, labels, batch_size=BATCH, shuffle=True, seed=seed, **FORM)
    watched = imdb.batches(*validation, **FORM) if validation else None
    history = fine_tuning.fine_tune(model, batches, watched, epochs=EPOCHS, **recipe)
    return model, history.history


def cross_validation(corpus, rate, fold):
    """Trains on four fifths of the training reviews; returns the accuracy on the other fifth."""
    from sklearn.model_selection import StratifiedGroupKFold

    from course_lib import fine_tuning

    films = [review.film for review in samples.load() if review.split == "train"]
    texts, labels = np.array(corpus.train.texts, dtype=object), corpus.train.labels
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(texts, labels, films)
    kept, left = list(folds)[fold]
    model, _ = train(texts[kept], labels[kept], None, fold, learning_rate=rate)
    result = fine_tuning.evaluate(labels[left], fine_tuning.predict(model, texts[left], **FORM))
    return {"correct": result.correct, "total": result.total}


def seed_run(corpus, variant, seed, rate):
    """Trains a variant as the lesson does; returns its figures on the test reviews."""
    from course_lib import fine_tuning

    validation = (corpus.validation.texts, corpus.validation.labels)
    recipe = {"learning_rate": rate, **VARIANTS[variant]}
    model, history = train(corpus.train.texts, corpus.train.labels, validation, seed, **recipe)
    tuned = fine_tuning.evaluate(corpus.test.labels, fine_tuning.predict(model, corpus.test.texts, **FORM))
    record = {
        "correct": tuned.correct,
        "total": tuned.total,
        "weights": sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        "history": {key: [round(float(value), 4) for value in values] for key, values in history.items()},
    }
    for name, right in linear_models(corpus).items():
        won, lost, p_value = fine_tuning.mcnemar(tuned.right, right)
        record[f"against {name}"] = {"won": won, "lost": lost, "p_value": p_value}
    return record


def pieces(texts):
    """Each text as the ids of its WordPiece pieces, which the linear baseline then takes for words."""
    from course_lib import imdb

    return [" ".join(map(str, ids[1:-1])) for ids in imdb.encode(texts, sequence_length=10_000)]


def linear_models(corpus):
    """Which test reviews the linear baselines get right: on words, and on WordPiece's pieces."""
    from course_lib import imdb

    right = {}
    for name, prepare in {"words": list, "pieces": pieces}.items():
        model = imdb.linear_baseline(prepare(corpus.train.texts), corpus.train.labels)
        right[name] = model.predict(prepare(corpus.test.texts)) == corpus.test.labels
    return right


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=pathlib.Path, default=pathlib.Path(__file__).with_suffix(".json"))
    options = parser.parse_args()
    environment = runtime.setup(seed=0)
    from course_lib import imdb

    corpus = imdb.load("sample", verbose=False)
    results = json.loads(options.results.read_text()) if options.results.is_file() else {"runs": {}}
    results["environment"] = {
        "versions": environment.versions,
        "device": environment.device_name,
        "precision": environment.precision,
    }

    def record(key, function, *arguments):
        if key not in results["runs"]:
            start = time.monotonic()
            found = function(corpus, *arguments)
            results["runs"][key] = {**found, "seconds": round(time.monotonic() - start, 1)}
            with runtime.atomic_write(options.results) as path:
                path.write_text(json.dumps(results, indent=1) + "\n")
            print(f"{key}: {found['correct'] / found['total']:.1%}", flush=True)
        return results["runs"][key]

    for rate in RATES:
        for fold in range(FOLDS):
            record(f"rate {rate:g}, fold {fold}", cross_validation, rate, fold)
    best = best_rate(results)
    for seed in range(SEEDS):
        for variant in VARIANTS:
            record(f"{variant}, seed {seed}", seed_run, variant, seed, best)
    print("\n" + tables(results))


def mean_accuracy(results, rate):
    """Accuracy of a rate over the folds."""
    folds = [results["runs"][f"rate {rate:g}, fold {fold}"] for fold in range(FOLDS)]
    return sum(fold["correct"] for fold in folds) / sum(fold["total"] for fold in folds)


def best_rate(results):
    """The rate that does best in cross-validation."""
    return max(RATES, key=lambda rate: mean_accuracy(results, rate))


def tables(results):
    """The two tables of benchmarks/README.md, in markdown."""
    lines = ["| learning rate | accuracy in cross-validation |", "|---|---|"]
    lines += [f"| {rate:g} | {mean_accuracy(results, rate):.1%} |" for rate in RATES]
    lines += ["", "| | trained weights | test accuracy, mean (lowest to highest) | last training loss |"]
    lines += ["|---|---|---|---|"]
    for variant in VARIANTS:
        found = [results["runs"][f"{variant}, seed {seed}"] for seed in range(SEEDS)]
        accuracies = [run["correct"] / run["total"] for run in found]
        loss = np.mean([run["history"]["loss"][-1] for run in found])
        spread = f"{np.mean(accuracies):.1%} ({min(accuracies):.1%} to {max(accuracies):.1%})"
        lines.append(f"| {variant} | {found[0]['weights']:,} | {spread} | {loss:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
