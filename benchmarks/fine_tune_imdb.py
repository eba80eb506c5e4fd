"""Lesson 05's path on real IMDB: fine-tuning against the linear baseline, trained on the same reviews.

    COURSE_IMDB=<archive or aclImdb folder> python benchmarks/fine_tune_imdb.py --precision mixed_bfloat16

Prints a table in markdown and, as the last line, the result as JSON. After every epoch the weights are saved
to the file that --weights names; an epoch whose weights are there already is not trained again, so an
interrupted run goes on where it stood.
"""

import argparse
import json
import pathlib
import resource
import sys
import time

from course_lib import runtime


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=int, default=5000, help="training reviews")
    parser.add_argument("--test", type=int, default=2500, help="test reviews")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument(
        "--length", type=int, default=256, help="first and last tokens of a review that are kept"
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument(
        "--precision", help="Keras dtype policy; mixed_bfloat16 is faster on CPUs with AVX512_BF16"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--weights", type=pathlib.Path, default=pathlib.Path("build/fine_tune_imdb.weights.h5")
    )
    return parser.parse_args()


def train(model, batches, options):
    """Trains the epochs that are not in the weights file yet; returns the history of each as a list."""
    import keras

    from course_lib import fine_tuning

    progress = options.weights.with_suffix(".json")
    settings = {name: value for name, value in vars(options).items() if name not in ("weights", "test")}
    done = []
    if progress.is_file() and options.weights.is_file():
        saved = json.loads(progress.read_text())
        if saved["settings"] != settings:
            raise SystemExit(
                f"{options.weights} is of other settings: {saved['settings']}. Move it, or give --weights."
            )
        done = saved["epochs"]
    fine_tuning.compile_classifier(model, options.epochs * len(batches), options.learning_rate)
    if done:
        model.optimizer.build(model.trainable_variables)
        model.load_weights(options.weights)  # The optimizer's state too.
        print(f"{len(done)} epochs were done already", file=sys.stderr)
    options.weights.parent.mkdir(parents=True, exist_ok=True)
    for epoch in range(len(done), options.epochs):
        start = time.monotonic()
        keras.utils.set_random_seed(options.seed + epoch)
        history = model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0).history
        row = {name: round(values[-1], 4) for name, values in history.items()}
        done.append({**row, "minutes": round((time.monotonic() - start) / 60, 2)})
        part = options.weights.with_name(f"part-{options.weights.name}")
        model.save_weights(part)
        part.replace(options.weights)
        with runtime.atomic_write(progress) as path:
            path.write_text(json.dumps({"settings": settings, "epochs": done}))
        print(f"epoch {epoch + 1}: {done[-1]}", file=sys.stderr, flush=True)
    return done


def main():
    options = arguments()
    environment = runtime.setup(seed=options.seed, precision=options.precision)
    from course_lib import fine_tuning, imdb, weights

    corpus = imdb.load("imdb")
    texts, labels = corpus.train.texts[: options.train], corpus.train.labels[: options.train]
    test_texts, test_labels = corpus.test.texts[: options.test], corpus.test.labels[: options.test]
    start = time.monotonic()
    linear = fine_tuning.evaluate(test_labels, imdb.linear_baseline(texts, labels).predict(test_texts))
    linear_minutes = (time.monotonic() - start) / 60

    form = {"sequence_length": options.length, "how": "both"}
    with environment.scope():
        model = fine_tuning.freeze_embeddings(fine_tuning.classifier(weights.load_backbone()))
    batches = imdb.batches(texts, labels, batch_size=options.batch, shuffle=True, seed=options.seed, **form)
    epochs = train(model, batches, options)
    start = time.monotonic()
    tuned = fine_tuning.evaluate(test_labels, fine_tuning.predict(model, test_texts, **form))
    test_minutes = (time.monotonic() - start) / 60
    won, lost, p_value = fine_tuning.mcnemar(tuned.right, linear.right)

    minutes = sum(epoch["minutes"] for epoch in epochs)
    scale = 1e9 if sys.platform == "darwin" else 1e6
    print(
        f"\n| on {len(test_texts):,} test reviews | accuracy (95 % interval) | macro F1 | training minutes |"
    )
    print("|---|---|---|---|")
    for name, result, spent in [
        (f"TF-IDF and logistic regression, {len(texts):,} reviews", linear, linear_minutes),
        (f"{weights.NAME} fine-tuned, {len(texts):,} reviews, {len(epochs)} epochs", tuned, minutes),
    ]:
        low, high = result.interval
        share = f"{result.accuracy:.1%} ({low:.1%} to {high:.1%})"
        print(f"| {name} | {share} | {result.macro_f1:.3f} | {spent:.1f} |")
    print(f"\nMcNemar: only fine-tuned right {won}, only linear right {lost}, p = {p_value:.2g}")
    summary = {
        "settings": {
            name: str(value) if name == "weights" else value for name, value in vars(options).items()
        },
        "environment": {
            "versions": environment.versions,
            "device": environment.device_name,
            "precision": environment.precision,
        },
        "linear": {
            "accuracy": linear.accuracy,
            "interval": linear.interval,
            "minutes": round(linear_minutes, 2),
        },
        "fine_tuned": {
            "accuracy": tuned.accuracy,
            "interval": tuned.interval,
            "minutes": round(minutes, 2),
            "test_minutes": round(test_minutes, 2),
            "epochs": epochs,
        },
        "mcnemar": {"only_fine_tuned": won, "only_linear": lost, "p_value": p_value},
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 2),
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
