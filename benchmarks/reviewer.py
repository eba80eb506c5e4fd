"""The reviewer: MiniLM fine-tuned on the 20,000 training reviews, folded into a file small enough to ship.

    python benchmarks/reviewer.py train --length 256 --epochs 3      train and fold; choose by `validation`
    python benchmarks/reviewer.py record build/reviewer --rank 32    put it into the package and measure it
    python benchmarks/reviewer.py card                               write its pages anew, from card.json

Training is lesson 05's: a mean of token vectors, a dense layer, AdamW, warm-up and a cosine. Then the change
of every kernel is cut to its largest singular values (`--ranks`), and the rest is stored in half precision:
`course_lib.weights.load_reviewer` adds it to the published weights again. `train` looks at the validation
reviews only; `record` at the test reviews, once. A run that was killed goes on with its last whole epoch.
With a GPU: KERAS_BACKEND=jax.
"""

import argparse
import hashlib
import json
import pathlib
import tempfile
import time

import numpy as np
import pages

from course_lib import runtime

HERE = pathlib.Path(__file__).parent


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument(
        "--length", type=int, default=256, help="tokens per review; longer ones lose their middle"
    )
    train.add_argument("--epochs", type=int, default=3)
    train.add_argument("--learning-rate", type=float, default=1e-4)
    train.add_argument("--batch", type=int, default=32)
    train.add_argument("--dropout", type=float, default=0.1)
    train.add_argument("--weight-decay", type=float, default=0.01)
    train.add_argument("--ranks", type=int, nargs="+", default=[8, 16, 32, 40])
    train.add_argument("--train", type=int, default=20_000, help="number of training reviews")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--precision", default=None)
    train.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/reviewer"))
    record = commands.add_parser("record")
    record.add_argument("folder", type=pathlib.Path)
    record.add_argument("--rank", type=int, required=True)
    commands.add_parser("card")
    return parser.parse_args()


def published(backbone, head):
    """Weights by the names of BERT's published file; the head as `head.weight` and `head.bias`."""
    from course_lib import pruning, transformer

    encoder = pruning.from_keras_hub(backbone)
    found = {}
    for variable in encoder.weights:
        value = np.asarray(variable.numpy() if hasattr(variable, "numpy") else variable)
        name = transformer.published_name(variable.path)
        found[name] = value.T if variable.path.endswith("kernel") else value
    kernel, bias = head.get_weights()
    return found | {"head.weight": kernel.T, "head.bias": bias}


def fold(trained, base, rank):
    """What training changed, in few numbers.

    Args:
        trained: Dict from published name to array.
        base: The published weights.
        rank: Of each matrix' change.

    Returns:
        Dict of float16 arrays: `NAME.a` and `NAME.b` with `base + b @ a` the matrix, `NAME.delta` for
        vectors, and the head as it is. What did not change is left out.
    """
    small = {}
    for name, value in trained.items():
        if name.startswith("head."):
            small[name] = value
            continue
        change = value.astype("float64") - base[name]
        if not change.any():
            continue
        if change.ndim == 1 or min(change.shape) <= rank:
            small[f"{name}.delta"] = change
            continue
        u, s, vt = np.linalg.svd(change, full_matrices=False)
        root = np.sqrt(s[:rank])
        small[f"{name}.b"], small[f"{name}.a"] = u[:, :rank] * root, root[:, None] * vt[:rank]
    return {name: np.ascontiguousarray(value, dtype="float16") for name, value in small.items()}


def train(options):
    environment = runtime.setup(seed=options.seed, precision=options.precision)
    import keras
    import safetensors.numpy
    import training

    from course_lib import fine_tuning, imdb, weights

    settings = {
        name: value for name, value in vars(options).items() if name not in ("output", "command", "ranks")
    }
    corpus = imdb.load()
    part, seen = corpus.train.first(options.train), corpus.validation
    form = {"sequence_length": options.length, "how": "both"}
    ids = imdb.encode(part.texts, **form)
    seen_ids = imdb.encode(seen.texts, **form)
    with environment.scope():
        backbone = weights.load_backbone()
        model = fine_tuning.classifier(backbone, dropout=options.dropout)
        fine_tuning.freeze_embeddings(model)
    batches = training.Batches(ids, part.labels, options.batch, options.length, options.seed)
    fine_tuning.compile_classifier(
        model,
        options.epochs * len(batches),
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
    )

    def validate():
        found = training.logits(model, seen_ids)
        return {"validation": round(float(np.mean(found.argmax(axis=1) == seen.labels)), 4)}

    begun = time.monotonic()
    epochs = training.fit(
        model, batches, options.epochs, options.output, settings, options.seed, after=validate
    )
    base = safetensors.numpy.load_file(weights.find().folder / "model.safetensors")
    trained, ranks = published(backbone, model.get_layer("logits")), {}
    for rank in options.ranks:
        path = options.output / f"rank{rank}.safetensors"
        with runtime.atomic_write(path) as temporary:
            safetensors.numpy.save_file(fold(trained, base, rank), temporary)
        merged = weights.load_reviewer(path=path)
        merged.compile(jit_compile=keras.backend.backend() == "jax")
        found = training.logits(merged, seen_ids)
        ranks[rank] = {
            "validation": round(float(np.mean(found.argmax(axis=1) == seen.labels)), 4),
            "megabytes": round(path.stat().st_size / 1e6, 2),
        }
    result = {
        "settings": settings,
        "environment": {
            "versions": environment.versions,
            "device": environment.device_name,
            "backend": environment.backend,
            "precision": environment.precision,
        },
        "minutes": round((time.monotonic() - begun) / 60, 2),
        "epochs": epochs,
        "ranks": ranks,
    }
    with runtime.atomic_write(options.output / "train.json") as path:
        path.write_text(json.dumps(result, indent=1))
    print(json.dumps(result))


def record(options):
    runtime.setup(seed=0, precision="float32")
    import training

    from course_lib import deployment, fine_tuning, imdb, samples, weights

    result = json.loads((options.folder / "train.json").read_text())
    settings = result["settings"]
    weights.REVIEWER.mkdir(exist_ok=True)
    target = weights.REVIEWER / weights.ADAPTER
    with runtime.atomic_write(target) as path:
        path.write_bytes((options.folder / f"rank{options.rank}.safetensors").read_bytes())
    form = {"sequence_length": settings["length"], "how": "both"}
    model = weights.load_reviewer(path=target)
    corpus = imdb.load()
    challenge = samples.load()
    linear = imdb.linear_baseline(corpus.train.texts, corpus.train.labels)
    ours = training.logits(model, imdb.encode(corpus.test.texts, **form))
    hard = training.logits(model, imdb.encode([each.text for each in challenge], **form)).argmax(axis=1)
    words = linear.predict([each.text for each in challenge])
    found = fine_tuning.evaluate(corpus.test.labels, ours)
    baseline = fine_tuning.evaluate(corpus.test.labels, linear.predict(corpus.test.texts))
    won, lost, p_value = fine_tuning.mcnemar(found.right, baseline.right)
    kinds = {}
    for kind in samples.KINDS:
        rows = [i for i, each in enumerate(challenge) if each.kind == kind]
        labels = np.array([challenge[i].label for i in rows])
        kinds[kind] = {
            "reviews": len(rows),
            "reviewer": int(np.sum(hard[rows] == labels)),
            "tfidf": int(np.sum(words[rows] == labels)),
        }
    error, _ = deployment.expected_calibration_error(deployment.softmax(ours), corpus.test.labels)
    card = {
        "what": "MiniLM-L6 fine-tuned to tell positive from negative film reviews; its change, of low rank",
        "encoder": f"{weights.NAME} ({weights.REVISION})",
        "data": "20,000 of the 25,000 training reviews of Maas et al. (2011); 2,500 to choose, 2,500 to test",
        "licence": "Apache-2.0, as the encoder",
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "megabytes": round(target.stat().st_size / 1e6, 2),
        "rank": options.rank,
        "length": settings["length"],
        "training": result,
        "test": _summary(found),
        "calibration_error": round(error, 4),
        "tfidf": _summary(baseline),
        "mcnemar": {"only_reviewer": won, "only_tfidf": lost, "p": float(f"{p_value:.2g}")},
        "challenge": kinds,
        "logits": {
            name: np.round(row, 4).tolist() for name, row in zip(corpus.test.ids[:64], ours[:64], strict=True)
        },
    }
    with runtime.atomic_write(weights.REVIEWER / "card.json") as path:
        path.write_text(json.dumps(card, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as name:
        bundle = deployment.export(
            model, pathlib.Path(name) / "bundle", corpus.validation.first(1000), corpus.test
        )
        measured = deployment.read_card(bundle)
    card["bundle"] = {key: measured[key] for key in deployment.MEASURED}
    with runtime.atomic_write(weights.REVIEWER / "card.json") as path:
        path.write_text(json.dumps(card, indent=1) + "\n")
    write_pages(card)
    print(tables(card))


def _summary(found):
    low, high = found.interval
    return {
        "accuracy": found.accuracy,
        "correct": found.correct,
        "total": found.total,
        "interval": [round(low, 4), round(high, 4)],
        "macro_f1": round(found.macro_f1, 4),
    }


def write_pages(card):
    """Writes the README.md beside the card, and this script's part of benchmarks/README.md."""
    from course_lib import weights

    with runtime.atomic_write(weights.REVIEWER / "README.md") as path:
        path.write_text(readme(card), encoding="utf-8")
    pages.fill("reviewer", tables(card))


def tables(card):
    """What was measured, as markdown: passes, ranks, accuracy, the challenge set."""
    return "\n\n".join([_training(card["training"]), *_measured(card)])


def command(training):
    """The command that trained it."""
    chosen = {name: training["settings"][name] for name in ("length", "epochs", "learning_rate", "batch")}
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in chosen.items())
    backend = "KERAS_BACKEND=jax " if training["environment"]["backend"] == "jax" else ""
    return f"{backend}python benchmarks/reviewer.py train {options}"


def _training(training):
    """Passes and ranks, from train.json, which is also in the card."""
    where, settings, epochs = training["environment"], training["settings"], training["epochs"]
    minutes = sum(epoch["minutes"] for epoch in epochs)  # `minutes` are those since it last went on.
    lines = [
        f"Trained on {settings['train']:,} reviews of up to {settings['length']} tokens in {minutes:.1f} "
        f"minutes on one {where['device']} ({where['precision']}, Keras {where['versions']['Keras']} on "
        f"{where['backend']}).{training.get('remark', '')}",
        "",
        "| pass | training loss | training accuracy | validation accuracy | minutes |",
        "|---|---|---|---|---|",
    ]
    for number, epoch in enumerate(epochs, 1):
        accuracies = f"{epoch['accuracy']:.1%} | {epoch['validation']:.1%}"
        lines.append(f"| {number} | {epoch['loss']:.3f} | {accuracies} | {epoch['minutes']:.1f} |")
    lines += ["", "| change cut to rank | file, MB | validation accuracy |", "|---|---|---|"]
    for rank, found in training["ranks"].items():
        lines.append(f"| {rank} | {found['megabytes']:.1f} | {found['validation']:.1%} |")
    return "\n".join(lines)


def _measured(card):
    """Accuracy on the test reviews, and on the challenge set by kind."""
    found, bundle = card["test"], card["bundle"]
    lines = [
        f"| on {found['total']:,} test reviews | accuracy (95 % interval) | calibration error |",
        "|---|---|---|",
        f"| the reviewer, rank {card['rank']}, float32 | {pages.share(found)} "
        f"| {card['calibration_error']:.3f} |",
        f"| its 8-bit bundle, temperature {bundle['temperature']:.2f} | {pages.share(bundle['evaluation'])} "
        f"| {bundle['evaluation']['calibration_error']:.3f} |",
        f"| TF-IDF and logistic regression, same training reviews | {pages.share(card['tfidf'])} | |",
    ]
    kinds = [
        "| kind in the challenge set | reviews | right: the reviewer | right: TF-IDF |",
        "|---|---|---|---|",
    ]
    for kind, row in card["challenge"].items():
        right = (f"{row[name]} ({row[name] / row['reviews']:.0%})" for name in ("reviewer", "tfidf"))
        kinds.append(f"| {kind} | {row['reviews']} | {' | '.join(right)} |")
    return "\n".join(lines), pages.versus(card["mcnemar"]), "\n".join(kinds)


def readme(card):
    """The card for people."""
    settings = card["training"]["settings"]
    recipe = (
        f"AdamW, rate {settings['learning_rate']:g} after a warm-up and along a cosine, {settings['epochs']} "
        f"passes in batches of {settings['batch']}, dropout {settings['dropout']}, weight decay "
        f"{settings['weight_decay']}, seed {settings['seed']}, token table frozen; then the change of each "
        f"matrix cut to rank {card['rank']}"
    )
    use = f"up to {card['length']} token ids, of longer reviews the first and the last ones, to two logits"
    made = f"`{command(card['training'])}`, then `python benchmarks/reviewer.py record build/reviewer "
    return f"""# Model card: the reviewer

Made by `benchmarks/reviewer.py` from `card.json`, which holds the same for programs.

| | |
|---|---|
| what | {card["what"]} |
| encoder | {card["encoder"]} |
| data | {card["data"]} |
| file | `adapter.safetensors`, {card["megabytes"]} MB of float16, SHA-256 {card["sha256"]} |
| use | `weights.load_reviewer()`: {use} |
| recipe | {recipe} |
| made by | {made}--rank {card["rank"]}` |
| good for | English film reviews: what the lessons compress, serve and explain |
| not good for | verdicts against the words (below); other domains and languages; decisions about people |
| licence | {card["licence"]} |

{tables(card)}
"""


if __name__ == "__main__":
    chosen = arguments()
    if chosen.command == "card":
        from course_lib import weights

        write_pages(weights.reviewer_card())
    else:
        train(chosen) if chosen.command == "train" else record(chosen)
