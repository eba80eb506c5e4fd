"""Lessons 06 and 07 on real IMDB: what pruning and quantization save, and what they cost.

    COURSE_IMDB=<archive or aclImdb folder> python benchmarks/fine_tune_imdb.py --train 10000 --length 128 \\
        --precision mixed_bfloat16 --learning-rate 1e-4
    COURSE_IMDB=<archive or aclImdb folder> python benchmarks/compression.py

The first command trains the classifier once and keeps its weights, the second makes all the others of it.
Prints a table in markdown and writes the result as JSON. What has been trained or evaluated is kept in the
folder that --state names; a model whose result is there is not made again.
"""

import argparse
import json
import pathlib
import time

from course_lib import runtime

HEADS, NEURONS, RANK = 2 / 3, 1 / 2, 192


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    weights = pathlib.Path("build/fine_tune_imdb.weights.h5")
    parser.add_argument("--weights", type=pathlib.Path, default=weights, help="of fine_tune_imdb.py")
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("build/compression"))
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("build/compression.json"))
    parser.add_argument("--train", type=int, default=10_000, help="reviews to recover with")
    parser.add_argument("--passes", type=int, default=2, help="passes over them")
    parser.add_argument("--test", type=int, default=2_500)
    parser.add_argument("--length", type=int, default=128, help="tokens per review")
    parser.add_argument("--rounds", type=int, default=40, help="rounds of the latencies")
    parser.add_argument("--precision", default="mixed_bfloat16", help="of the training")
    return parser.parse_args()


class Bench:
    """The classifier, the reviews, and what has been found out."""

    def __init__(self, options):
        import keras

        from course_lib import fine_tuning, imdb, pruning, quantization, transformer, weights

        self.keras, self.imdb, self.transformer = keras, imdb, transformer
        self.fine_tuning, self.pruning, self.quantization = fine_tuning, pruning, quantization
        self.options = options
        options.state.mkdir(parents=True, exist_ok=True)
        if not options.weights.is_file():
            raise SystemExit(f"{options.weights} is missing. Make it first:\n{__doc__}")
        corpus = imdb.load("imdb")
        self.train = corpus.train.texts[: options.train], corpus.train.labels[: options.train]
        self.test = corpus.test.texts[: options.test], corpus.test.labels[: options.test]
        backbone = weights.load_backbone()
        tuned = fine_tuning.classifier(backbone)
        tuned.load_weights(options.weights)
        self.original = fine_tuning.classifier(pruning.from_keras_hub(backbone))
        self.original.get_layer("logits").set_weights(tuned.get_layer("logits").get_weights())
        self.form = {"sequence_length": options.length, "how": "both"}
        self.results, self.kept = [], None
        self.progress = options.state / "results.json"
        self.known = json.loads(self.progress.read_text()) if self.progress.is_file() else {}

    def copy(self, model=None):
        """A copy of a model with its weights, without an optimizer."""
        model = model or self.original
        copy = self.keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        return copy

    def path(self, name, suffix):
        return self.options.state / f"{''.join(c if c.isalnum() else '_' for c in name)}{suffix}"

    def add(self, name, make, kind="keras", mode=None, bits=None):
        """Evaluates a model in one of three forms: a Keras file, a LiteRT file, a packed file."""
        if name not in self.known:
            start = time.monotonic()
            model = make()
            parameters, non_zeros = self.pruning.count(model)
            row = {"parameters": parameters, "non_zeros": non_zeros}
            if kind == "litert":
                path = self.path(name, ".tflite")
                samples = self.inputs_of(self.train[0][:64]) if mode == "integer" else None
                self.quantization.export(model, path, mode, self.options.length, samples)
                runner = self.quantization.LiteRT(path)
                logits = runner.predict(self.inputs_of(self.test[0]))
            else:
                path = self.path(name, ".npz" if bits else ".weights.h5")
                if bits:
                    self.quantization.save(model, path, *bits)
                    model = self.quantization.load(model, path)
                else:
                    self.keras.Model(model.input, model.output).save_weights(path)
                logits = self.fine_tuning.predict(model, self.test[0], **self.form)
            found = self.fine_tuning.evaluate(self.test[1], logits)
            row |= {"kind": kind, "file": path.name, "megabytes": round(path.stat().st_size / 1e6, 2)}
            row |= {"compressed": round(compressed(path), 2), "accuracy": found.accuracy}
            row |= {"interval": found.interval, "minutes": round((time.monotonic() - start) / 60, 2)}
            row["right"] = "".join("01"[int(each)] for each in found.right)
            self.known[name] = row
            with runtime.atomic_write(self.progress) as part:
                part.write_text(json.dumps(self.known))
            print(f"{name}: {found}, {row['megabytes']} MB", flush=True)
        self.results.append(name)

    def inputs_of(self, texts):
        return self.quantization.inputs(texts, self.options.length, "both")

    def distil(self, name, student, rate=1e-4):
        """Teaches a student by the original and returns it; kept weights are taken instead."""
        path = self.path(name, ".trained.weights.h5")
        if path.is_file():
            student.load_weights(path)
            return student
        keras = self.keras
        batches = self.imdb.batches(*self.train, batch_size=32, shuffle=True, seed=1, **self.form)
        for layer in student.layers:  # Tables stay as they are: they are half of the work of the optimizer.
            if layer.name == "token_embedding":
                layer.trainable = False
        keras.utils.set_random_seed(1)
        teacher = self.copy()  # It is frozen for good.
        with halves([student, teacher], self.options.precision):
            distiller = keras.distillation.Distiller(
                teacher=teacher,
                student=student,
                distillation_losses=keras.distillation.LogitsDistillation(
                    temperature=2.0,
                    # As an instance: by default, a name, Keras 3.15.1 leaves out the softmax.
                    loss=keras.losses.KLDivergence(),
                ),
                student_loss_weight=0.5,
            )
            passes = self.options.passes
            self.fine_tuning.compile_classifier(distiller, passes * len(batches), rate)
            distiller.fit(batches, epochs=passes, shuffle=False, verbose=0)
        part = path.with_name(f"part-{path.name}")
        keras.Model(student.input, student.output).save_weights(part)
        part.replace(path)
        return student


class halves:  # noqa: N801
    """Computes in half precision for a while; weights, pooling and head stay in float32."""

    def __init__(self, models, policy):
        self.layers = [
            layer
            for model in models
            for part in model.layers
            if part.name not in ("mean_of_tokens", "logits")
            for layer in part._flatten_layers()
        ]
        self.policy = policy

    def __enter__(self):
        for layer in self.layers:
            layer.dtype_policy = self.policy

    def __exit__(self, *_):
        for layer in self.layers:
            layer.dtype_policy = "float32"


def compressed(path):
    """Size of a file after zlib, in MB."""
    import zlib

    packer, size = zlib.compressobj(6), 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            size += len(packer.compress(block))
    return (size + len(packer.flush())) / 1e6


def structured(bench):
    """Two thirds of the heads, half of the neurons, a narrow table."""
    import keras

    pruning = bench.pruning
    if bench.kept is None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        texts, labels = bench.train[0][:512], bench.train[1][:512]
        batches = list(bench.imdb.batches(texts, labels, batch_size=8, **bench.form))
        bench.kept = (
            pruning.most_important(pruning.head_importance(bench.original, batches, loss), HEADS),
            pruning.most_important(pruning.neuron_importance(bench.original, batches, loss), NEURONS),
        )
    return pruning.factorise(pruning.keep(bench.original, *bench.kept), {"token_embedding": RANK})


def by_use(bench, model):
    """Exchanges the table, which training left alone, for one in which the rows that are used count more."""
    import numpy as np

    ids = bench.imdb.encode(bench.train[0], **bench.form)
    table = bench.original.get_layer("token_embedding").embeddings
    uses = np.bincount(np.concatenate(ids), minlength=table.shape[0])
    model.get_layer("token_embedding").set_weights(bench.pruning.low_rank(table, RANK, uses + 0.1))
    return model


def models(bench):
    """All rows."""
    pruning, original = bench.pruning, bench.original

    def magnitude(sparsity, scope="global"):
        model = bench.copy()
        pruning.apply_masks(
            model, pruning.magnitude_masks(pruning.kernels(model, ("logits",)), sparsity, scope)
        )
        return model

    def two_of_four():
        model = bench.copy()
        spare = ("logits",)
        masks = {name: pruning.n_of_m_mask(each) for name, each in pruning.kernels(model, spare).items()}
        pruning.apply_masks(model, masks)
        return model

    def shrunk():
        return by_use(bench, bench.distil("structured", structured(bench)))

    def factored():
        return pruning.factorise(bench.copy(), {"token_embedding": RANK})

    bench.add("float32, Keras", lambda: original)
    bench.add("float32, LiteRT", lambda: original, "litert", "float32")
    bench.add("float16, LiteRT", lambda: original, "litert", "float16")
    bench.add("int8 dynamic, LiteRT", lambda: original, "litert", "dynamic")
    bench.add("int8 static, LiteRT", lambda: original, "litert", "integer")
    bench.add("4 bits in groups of 32, packed file", bench.copy, bits=(4, 32))
    bench.add("4 bits in groups of 64, packed file", bench.copy, bits=(4, 64))
    bench.add("70 % zeros at once, Keras", lambda: magnitude(0.7))
    bench.add("2:4 at once, Keras", two_of_four)
    bench.add("narrow table, Keras", factored)
    bench.add("narrow table, rows by use, Keras", lambda: by_use(bench, factored()))
    bench.add("structured, not trained, Keras", lambda: structured(bench))
    bench.add("structured and distilled, Keras", shrunk)
    bench.add("structured and distilled, LiteRT", shrunk, "litert", "float32")
    bench.add("structured and distilled, int8 dynamic, LiteRT", shrunk, "litert", "dynamic")
    bench.add("structured and distilled, 4 bits in groups of 32, packed file", shrunk, bits=(4, 32))


def latencies(bench):
    """Milliseconds for one review: every model in turns, the median and the least of all rounds."""
    import numpy as np
    import tensorflow as tf

    one = bench.inputs_of(bench.test[0][:1])[0]
    one = {name: tf.constant(value) for name, value in one.items()}
    runners = {}

    def keras_runner(model):
        function = tf.function(lambda x: model(x, training=False))
        return lambda: function(one)

    shrunk = structured(bench)
    made = {
        "float32, Keras": lambda: bench.original,
        "70 % zeros at once, Keras": lambda: load(bench, bench.copy(), "70 % zeros at once, Keras"),
        "narrow table, Keras": lambda: bench.pruning.factorise(bench.copy(), {"token_embedding": RANK}),
        "structured and distilled, Keras": lambda: shrunk,
    }
    for name in bench.results:
        if bench.known[name]["kind"] == "litert":
            run = bench.quantization.LiteRT(bench.options.state / bench.known[name]["file"])
            arrays = {key: value.numpy() for key, value in one.items()}
            runners[name] = lambda run=run, arrays=arrays: run(arrays)
        elif name in made:
            runners[name] = keras_runner(made[name]())
    times = {name: [] for name in runners}
    for turn in range(bench.options.rounds + 3):
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            if turn >= 3:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: [round(float(np.median(each)), 2), round(min(each), 2)] for name, each in times.items()}


def load(bench, model, name):
    model.load_weights(bench.options.state / bench.known[name]["file"])
    return model


def table(found):
    """The rows of the table in benchmarks/README.md."""
    rows, base = found["rows"], found["rows"]["float32, Keras"]
    lines = [
        "| | parameters (not zero) | file, MB | against float32 | compressed, MB "
        "| accuracy (95 % interval) | one review against Keras float32 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        low, high = row["interval"]
        millions = f"{row['parameters'] / 1e6:.1f} M ({row['non_zeros'] / 1e6:.1f} M)"
        speed = "as its float32" if "packed" in name else "not timed"
        if "milliseconds" in row:
            ratio = base["milliseconds"][1] / row["milliseconds"][1]
            speed = f"{ratio:.1f} times as fast" if ratio >= 1 else f"{1 / ratio:.1f} times as slow"
        smaller = base["megabytes"] / row["megabytes"]
        lines.append(
            f"| {name} | {millions} | {row['megabytes']:.1f} | 1/{smaller:.1f} | {row['compressed']:.1f} "
            f"| {row['accuracy']:.1%} ({low:.1%} to {high:.1%}) | {speed} |"
        )
    return "\n".join(lines)


def main():
    options = arguments()
    environment = runtime.setup(seed=0, precision="float32")
    bench = Bench(options)
    models(bench)
    measured = latencies(bench)
    rows = {}
    for name in bench.results:
        rows[name] = {k: v for k, v in bench.known[name].items() if k not in ("file", "right")}
        if name in measured:
            rows[name]["milliseconds"] = measured[name]
        won, lost, p_value = bench.fine_tuning.mcnemar(
            *([each == "1" for each in bench.known[which]["right"]] for which in (name, "float32, Keras"))
        )
        rows[name]["against_float32"] = {"only_this": won, "only_float32": lost, "p_value": p_value}
    found = {
        "settings": {
            **{
                key: value
                for key, value in vars(options).items()
                if key not in ("weights", "state", "output")
            },
            "heads": HEADS,
            "neurons": NEURONS,
            "rank": RANK,
        },
        "environment": {"versions": environment.versions, "device": environment.device_name},
        "rows": rows,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with runtime.atomic_write(options.output) as part:
        part.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
