"""Does pretraining help? Lesson 04 on IMDB: a small BERT pretrained on the 50,000 reviews without a label.

    COURSE_IMDB=<archive or aclImdb folder> python benchmarks/pretrain_imdb.py

Learns a vocabulary, pretrains with the masked-language-model objective, fine-tunes on few labels from these
weights and from random ones, and writes the result as JSON to the file that --output names. An interrupted
run goes on where it stood: the folder that --state names holds vocabulary, weights and what is done.

pretrain_imdb.json was recorded with an earlier split, whose test reviews were 2,500 of the official ones.
"""

import argparse
import csv
import functools
import itertools
import json
import pathlib
import resource
import sys
import time

from course_lib import runtime

PROMPTS = (
    "This movie is a waste of [MASK].",
    "The acting was [MASK].",
    "I [MASK] every minute of it.",
    "It is one of the [MASK] films I have ever seen.",
    "He plays the role of a young [MASK] in New York.",
)
WORDS = ("two", "actor", "great", "bad", "best")
RATES = (3e-4, 1e-3)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--part", type=int, default=400, help="steps between two points of the curve")
    parser.add_argument("--short", type=int, default=10, help="parts of 64 sequences of 16 tokens a step")
    parser.add_argument("--long", type=int, default=22, help="then parts of 16 sequences of 128 tokens")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="of pretraining")
    parser.add_argument("--spread", type=float, default=0.05, help="of the first weights")
    parser.add_argument("--labels", type=int, nargs="*", default=[200, 2000])
    parser.add_argument(
        "--epochs", type=int, nargs="*", default=[20, 8], help="of fine-tuning, one per --labels"
    )
    parser.add_argument("--test", type=int, default=2500, help="test reviews")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("build/pretrain_imdb"))
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/pretrain_imdb.json"))
    return parser.parse_args()


def once(path, make):
    """The content of a JSON file, made first if it is not there."""
    if not path.is_file():
        value = make()
        with runtime.atomic_write(path) as part:
            part.write_text(json.dumps(value))
    return json.loads(path.read_text())


def new_encoder(options, size, dropout):
    from course_lib import transformer

    return transformer.encoder(
        size,
        options.layers,
        options.width // 64,
        options.width,
        4 * options.width,
        max_length=128,
        spread=options.spread,
        dropout=dropout,
    )


def pretrain(options, unlabelled, held_out, tokenizer):
    """Pretrains on texts unless the weights are there; returns the curve, a point per part."""
    import keras

    from course_lib import pretraining

    record, log = options.state / "pretraining.json", options.state / "log.csv"
    if record.is_file():
        return json.loads(record.read_text())
    vocabulary = pretraining.Vocabulary(tokenizer)
    encoder = new_encoder(options, vocabulary.size, dropout=0.0)  # Hardly any text is seen twice.
    model = pretraining.masked_language_model(encoder)
    parts = options.short + options.long
    pretraining.compile_language_model(model, parts * options.part, options.learning_rate)
    # The parts that an interrupted run has done, with the minutes they took.
    done = [line.split(",") for line in log.read_text().splitlines()[1:]] if log.is_file() else []
    started = time.monotonic() - (60 * float(done[-1][3]) if done else 0)

    def batches(texts, length, size, seed=0, shuffle=True):
        texts = pretraining.text_batches(
            texts, tokenizer, batch_size=size, sequence_length=length, shuffle=shuffle
        )
        return pretraining.masked(texts.repeat() if shuffle else texts, vocabulary, seed=seed)

    train = batches(unlabelled, 128, 16, seed=len(done))
    left = options.part * max(0, options.short - len(done))
    if left:
        # More reviews than the short sequences can use would only take memory.
        short = batches(unlabelled[:16000], 16, 64, seed=len(done))
        train = short.take(left).concatenate(train)

    class Parts(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == options.short:
                pretraining.tile_positions(encoder, 16 if options.short else 128)

        def on_epoch_end(self, epoch, logs):
            logs["minutes"] = (time.monotonic() - started) / 60
            print(epoch + 1, logs, file=sys.stderr, flush=True)

    model.fit(
        train,
        validation_data=batches(held_out, 128, 64, seed=10**6, shuffle=False),
        epochs=parts,
        steps_per_epoch=options.part,
        callbacks=[
            keras.callbacks.BackupAndRestore(options.state / "backup", double_checkpoint=True),
            Parts(),
            keras.callbacks.CSVLogger(log, append=True),
        ],
        verbose=0,
    )
    encoder.save_weights(options.state / "encoder.weights.h5")
    with log.open(newline="") as file:
        curve = [{key: round(float(value), 4) for key, value in row.items()} for row in csv.DictReader(file)]
    result = {
        "curve": curve,
        "parameters": encoder.count_params(),
        "fills": {prompt: pretraining.fill(model, tokenizer, prompt)[0] for prompt in PROMPTS},
    }
    with runtime.atomic_write(record) as path:
        path.write_text(json.dumps(result))
    return result


def fine_tune(options, corpus, tokenizer, size, labels, epochs, start, rate, seed):
    """Accuracy on validation and test reviews after training on `labels` reviews."""
    import keras

    from course_lib import fine_tuning, imdb

    keras.utils.set_random_seed(seed)
    encoder = new_encoder(options, size, dropout=0.1)
    if start == "pretrained":
        encoder.load_weights(options.state / "encoder.weights.h5")
    model = fine_tuning.classifier(encoder)
    form = {"tokenizer": tokenizer, "sequence_length": 128, "how": "both"}
    part = slice(seed * labels, (seed + 1) * labels)  # Other reviews for each seed.
    train = imdb.batches(
        corpus.train.texts[part], corpus.train.labels[part], batch_size=16, shuffle=True, seed=seed, **form
    )
    fine_tuning.compile_classifier(model, epochs * len(train), rate)
    history = model.fit(train, epochs=epochs, shuffle=False, verbose=0).history
    found = {
        "labels": labels,
        "start": start,
        "rate": rate,
        "seed": seed,
        "training loss": round(history["loss"][-1], 4),
    }
    for name, split in (("validation", corpus.validation), ("test", corpus.test)):
        batches = imdb.batches(
            split.texts[: options.test], split.labels[: options.test], batch_size=64, **form
        )
        found[name] = round(float(model.evaluate(batches, verbose=0)[1]), 4)
    return found


def neighbours(options, tokenizer):
    """The five tokens whose embeddings are most like a word's after pretraining, by cosine."""
    import keras
    import numpy as np

    encoder = new_encoder(options, tokenizer.get_vocab_size(), dropout=0.0)
    encoder.load_weights(options.state / "encoder.weights.h5")
    table = keras.ops.convert_to_numpy(encoder.get_layer("token_embedding").embeddings)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    found = {}
    for word in WORDS:
        nearest = np.argsort(-(unit @ unit[tokenizer.token_to_id(word)]))[1:6]
        found[word] = [tokenizer.id_to_token(int(i)) for i in nearest]
    return found


def unigram(unlabelled, held_out, tokenizer):
    """The masked loss of knowing only how often each token occurs, on the reviews of the curve."""
    import numpy as np

    from course_lib import imdb, pretraining

    special = pretraining.Vocabulary(tokenizer).special

    def counts(texts):
        ids = np.concatenate(imdb.encode(texts, tokenizer, sequence_length=10**6))
        return np.bincount(ids, minlength=len(special))[~special]

    known = counts(unlabelled[:5000]) + 1
    return round(float(-np.average(np.log(known / known.sum()), weights=counts(held_out))), 4)


def shared_words(corpus):
    """How often a review's first half shares more words with its own second half than with a stranger's."""
    import numpy as np
    import sklearn.feature_extraction.text

    from course_lib import imdb, pretraining

    parts = [pretraining.sentences(imdb.clean(text)) for text in corpus.validation.texts[:1000]]
    parts = [part for part in parts if len(part) > 3]
    tfidf = sklearn.feature_extraction.text.TfidfVectorizer(stop_words="english")
    tfidf.fit(map(imdb.clean, corpus.train.texts[:5000]))
    first = tfidf.transform([" ".join(part[: len(part) // 2]) for part in parts])
    second = tfidf.transform([" ".join(part[len(part) // 2 :]) for part in parts])
    likeness = (first @ second.T).toarray()
    own, other = np.diag(likeness)[:, None], ~np.eye(len(parts), dtype=bool)
    better = np.mean((own > likeness)[other]) + np.mean((own == likeness)[other]) / 2
    return {"reviews": len(parts), "share": round(float(better), 4)}


def tables(found):
    """The accuracies and the fills as tables in markdown."""
    starts = {
        "random": "random weights",
        "pretrained": "its own pretraining",
        "linear": "no network: TF-IDF and logistic regression",
    }
    labels = found["settings"]["labels"]
    rows = [
        f"| start | {' | '.join(f'{count:,} labels' for count in labels)} |",
        "|---" * (len(labels) + 1) + "|",
    ]
    for start, shown in starts.items():
        cells = []
        for count in labels:
            right = []
            for seed in range(found["settings"]["seeds"]):
                of = (count, start, seed)
                runs = [run for run in found["runs"] if (run["labels"], run["start"], run["seed"]) == of]
                right.append(max(runs, key=lambda run: run.get("validation", 0))["test"])
            mean = sum(right) / len(right)
            cells.append(f"{mean:.1%} ({min(right):.1%} to {max(right):.1%})")
        rows.append(f"| {shown} | {' | '.join(cells)} |")
    rows += ["", "| text | fills |", "|---|---|"]
    for prompt, tokens in found["pretraining"]["fills"].items():
        best = ", ".join(f"*{token}* {share:.0%}" for token, share in tokens[:3])
        rows.append(f"| {prompt} | {best} |")
    return "\n".join(rows)


def main():
    options = arguments()
    environment = runtime.setup(seed=0)
    import tokenizers

    from course_lib import imdb

    corpus, unlabelled = imdb.load(), imdb.load_official().unsup.texts
    held_out = corpus.validation.texts[:300]  # For the losses.
    options.state.mkdir(parents=True, exist_ok=True)
    pieces = once(
        options.state / "vocabulary.json",
        lambda: imdb.train_wordpiece([imdb.clean(text) for text in unlabelled[:20000]], options.vocabulary),
    )
    tokenizer = tokenizers.BertWordPieceTokenizer({piece: i for i, piece in enumerate(pieces)})
    result = {
        "settings": {name: value for name, value in vars(options).items() if name not in ("state", "output")},
        "versions": environment.versions,
        "device": environment.device_name,
    }
    result["pretraining"] = pretrain(options, unlabelled, held_out, tokenizer)
    runs = []
    for labels, epochs in zip(options.labels, options.epochs, strict=True):
        for seed, start, rate in itertools.product(range(options.seeds), ("pretrained", "random"), RATES):
            path = options.state / f"{labels}-{start}-{rate}-{seed}.json"
            arguments_ = (options, corpus, tokenizer, len(pieces), labels, epochs, start, rate, seed)
            runs.append(once(path, functools.partial(fine_tune, *arguments_)))
            print(runs[-1], file=sys.stderr, flush=True)
        for seed in range(options.seeds):
            part = slice(seed * labels, (seed + 1) * labels)
            linear = imdb.linear_baseline(corpus.train.texts[part], corpus.train.labels[part])
            right = linear.predict(corpus.test.texts[: options.test]) == corpus.test.labels[: options.test]
            runs.append(
                {"labels": labels, "start": "linear", "seed": seed, "test": round(float(right.mean()), 4)}
            )
            print(runs[-1], file=sys.stderr, flush=True)
    result["runs"] = runs
    result["unigram loss"] = unigram(unlabelled, held_out, tokenizer)
    result["neighbours"] = neighbours(options, tokenizer)
    result["shared words"] = shared_words(corpus)
    scale = 1e9 if sys.platform == "darwin" else 1e6
    result["peak memory (GB)"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 2)
    with runtime.atomic_write(options.output) as path:
        path.write_text(json.dumps(result, indent=1) + "\n")
    if options.labels:
        print(tables(result))


if __name__ == "__main__":
    main()
