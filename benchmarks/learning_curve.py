"""Accuracy against the number of labels, 100 to 20,000, for four ways to classify reviews.

    python benchmarks/learning_curve.py run --methods fine_tuned random     make what is missing
    python benchmarks/learning_curve.py collect                             all into the package and README

A seed draws the labelled reviews and everything random; all are tested on the same 2,500 test reviews, after
the last pass, so that nothing is chosen. Methods: `tfidf` (lesson 02's baseline, whole texts), `frozen`
(logistic regression on the pretrained encoder's mean token vectors), `fine_tuned` (lesson 05's recipe) and
`random` (the same network, recipe and steps from random weights). In both networks all weights learn, the
token table too. A result that is there is not made again, so a run that was killed goes on. With a GPU:
KERAS_BACKEND=jax.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import time

import numpy as np
import pages

from course_lib import runtime

NAMES = {
    "tfidf": "TF-IDF",
    "frozen": "frozen encoder",
    "fine_tuned": "fine-tuned",
    "random": "from random weights",
}
METHODS = tuple(NAMES)
# Passes over the labelled reviews: fewer labels need more of them for as good a fit.
EPOCHS = {20_000: 2, 10_000: 2, 5_000: 2, 2_000: 3, 1_000: 4, 500: 5, 200: 8, 100: 10}
BATCH = {size: 50 if size > 2_000 else 20 for size in EPOCHS}  # Whole batches: two shapes for XLA in all.
RATES = {"fine_tuned": 2e-4, "random": 5e-4}
SEEDS = (0, 1, 2)
LENGTH = 128
FOLDER = pathlib.Path("build/learning_curve")
RECORDED = pathlib.Path(__file__).parent.parent / "course_lib" / "reviewer" / "learning_curve.json"


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--methods", choices=METHODS, nargs="+", default=METHODS)
    run.add_argument("--sizes", type=int, choices=EPOCHS, nargs="+", default=list(EPOCHS))
    run.add_argument("--precision", default=None)
    for command in (run, commands.add_parser("collect")):
        command.add_argument("--folder", type=pathlib.Path, default=FOLDER)
    return parser.parse_args()


class Curve:
    """What the methods share: the corpus, its token ids, and one network that starts anew for each run."""

    def __init__(self):
        from course_lib import imdb

        self.corpus = imdb.load()
        self.networks = {}

    def ids(self, name):
        """Token ids of a split, made once."""
        from course_lib import imdb

        if name not in self.__dict__:
            texts = getattr(self.corpus, name).texts
            self.__dict__[name] = imdb.encode(texts, sequence_length=LENGTH, how="both")
        return self.__dict__[name]

    def accuracy(self, method, size, seed):
        """Trains on `size` reviews and returns the accuracy on the test reviews."""
        rows = np.random.default_rng(seed).permutation(len(self.corpus.train))[:size]
        labels = self.corpus.train.labels[rows]
        if method == "tfidf":
            found = self._tfidf(rows, labels)
        elif method == "frozen":
            found = self._frozen(rows, labels)
        else:
            found = self._network(method, size, seed, rows, labels)
        return round(float(np.mean(found == self.corpus.test.labels)), 4)

    def _tfidf(self, rows, labels):
        from course_lib import imdb

        model = imdb.linear_baseline([self.corpus.train.texts[i] for i in rows], labels)
        return model.predict(self.corpus.test.texts)

    def _frozen(self, rows, labels):
        import keras
        import training

        from course_lib import fine_tuning, weights

        if not hasattr(self, "vectors"):
            backbone = weights.load_backbone()
            model = keras.Model(backbone.input, weights.pooled(backbone))
            model.compile(jit_compile=keras.backend.backend() == "jax")
            self.vectors = {
                name: training.logits(model, self.ids(name), batch_size=50, multiple=LENGTH)
                for name in ("train", "test")
            }
        return fine_tuning.train_head(self.vectors["train"][rows], labels).predict(self.vectors["test"])

    def _network(self, method, size, seed, rows, labels):
        import keras
        import training

        keras.utils.set_random_seed(seed)
        if not self.networks:
            self.networks["one"] = Network()
        model = self.networks["one"].restart(
            method, seed, EPOCHS[size] * (size // BATCH[size]), RATES[method]
        )
        batches = training.Batches(
            [self.ids("train")[i] for i in rows], labels, BATCH[size], multiple=LENGTH, seed=seed
        )
        model.fit(batches, epochs=EPOCHS[size], shuffle=False, verbose=0)
        return training.logits(model, self.ids("test"), batch_size=50, multiple=LENGTH).argmax(axis=1)


class Network:
    """Lesson 05's classifier, compiled once: doing so anew would take longer than most runs."""

    def __init__(self):
        import keras

        from course_lib import fine_tuning, weights

        self.start = {}
        for method in ("random", "fine_tuned"):
            keras.utils.set_random_seed(0)
            backbone = weights.load_backbone(pretrained=method == "fine_tuned")
            self.model = fine_tuning.classifier(backbone)
            self.start[method] = self.model.get_weights()
        fine_tuning.compile_classifier(self.model, total_steps=1, warmup=0)
        self.optimizer = self.model.optimizer
        self.schedule = Adjustable(self.optimizer)
        self.optimizer.learning_rate = self.schedule

    def restart(self, method, seed, steps, rate):
        """Gives the model its first weights and a new optimizer; returns it."""
        import keras

        values = [value.copy() for value in self.start[method]]
        if method == "random":  # Another draw for each seed: each matrix is shuffled, which keeps its spread.
            rng = np.random.default_rng(seed)
            values = [rng.permutation(value.ravel()).reshape(value.shape) for value in values]
        self.model.set_weights(values)
        head = self.model.get_layer("logits")
        head.kernel.assign(keras.initializers.GlorotUniform(seed)(head.kernel.shape))
        for variable in self.optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        for place, variable in enumerate(self.model.variables):
            if "seed_generator_state" in variable.path:  # Of dropout.
                variable.assign([seed, place])
        self.schedule.steps.assign(steps)
        self.schedule.peak.assign(rate)
        return self.model


def _schedule():
    import keras
    from keras import ops

    class Adjustable(keras.optimizers.schedules.LearningRateSchedule):
        """`fine_tuning.WarmupCosine` with its numbers in variables of the optimizer, so that a change of them
        needs no new compilation."""

        def __init__(self, optimizer):
            self.steps = optimizer.add_variable(
                (), name="schedule_steps", initializer="ones", dtype="float32"
            )
            self.peak = optimizer.add_variable((), name="schedule_peak", initializer="zeros", dtype="float32")

        def __call__(self, step):
            step, steps = ops.cast(step, "float32"), ops.convert_to_tensor(self.steps)
            warmup = ops.round(0.1 * steps)
            rise = (step + 1.0) / ops.maximum(warmup, 1.0)
            fall = 0.5 * (1.0 + ops.cos(np.pi * ops.clip((step - warmup) / (steps - warmup), 0.0, 1.0)))
            return ops.convert_to_tensor(self.peak) * ops.where(step < warmup, rise, fall)

        def get_config(self):
            return {}

    return Adjustable


def Adjustable(optimizer):  # noqa: N802
    """Keras is imported late, so that `--help` answers at once."""
    return _schedule()(optimizer)


def read(folder):
    """The results that are there, by (method, size, seed)."""
    rows = {}
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            rows[row["method"], row["size"], row["seed"]] = row
    return rows


def run(options):
    environment = runtime.setup(seed=0, precision=options.precision)
    done = read(options.folder)
    wanted = [(m, n, s) for s in SEEDS for n in options.sizes for m in options.methods]
    options.folder.mkdir(parents=True, exist_ok=True)
    curve = Curve()
    where = {
        "device": environment.device_name,
        "precision": environment.precision,
        "backend": environment.backend,
        "versions": environment.versions,
    }
    for method, size, seed in wanted:
        if (method, size, seed) in done:
            continue
        begun = time.monotonic()
        accuracy = curve.accuracy(method, size, seed)
        row = {"method": method, "size": size, "seed": seed, "accuracy": accuracy}
        row |= {"seconds": round(time.monotonic() - begun, 1), **where}
        with (options.folder / f"{'-'.join(options.methods)}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(method, size, seed, accuracy, row["seconds"], flush=True)


def collect(options):
    rows = read(options.folder)
    missing = {(m, n, s) for m in METHODS for n in EPOCHS for s in SEEDS} - set(rows)
    if missing:  # They are named in the table, and left out of the lesson's picture.
        print(f"{len(missing)} results are missing, such as {sorted(missing)[:3]}")
    settings = {
        "length": LENGTH,
        "epochs": EPOCHS,
        "batch": BATCH,
        "learning_rates": RATES,
        "test": 2_500,
        "seeds": SEEDS,
    }
    found = [rows[key] for key in itertools.product(METHODS, sorted(EPOCHS), SEEDS) if key in rows]
    RECORDED.parent.mkdir(exist_ok=True)
    with runtime.atomic_write(RECORDED) as path:
        path.write_text(json.dumps({"settings": settings, "results": found}, indent=1))
    pages.fill("learning_curve", tables(json.loads(RECORDED.read_text())))
    print(f"{len(found)} results in {RECORDED}")


def tables(found):
    """What was recorded, in markdown: accuracies by number of labels, and where it was."""
    rows = {}
    for each in found["results"]:
        rows.setdefault(each["size"], {}).setdefault(each["method"], []).append(each["accuracy"])
    lines = [f"| labels | {' | '.join(NAMES.values())} |", "|---" * (1 + len(NAMES)) + "|"]
    for size in sorted(rows):
        cells = [_spread(rows[size].get(method)) for method in NAMES]
        lines.append(f"| {size:,} | {' | '.join(cells)} |")
    places = {}
    for each in found["results"]:
        key = (each["device"], each["precision"], each["backend"], each["versions"]["Keras"])
        places.setdefault(key, []).append(each)
    lines += ["", "| device | Keras | what | trainings | minutes |", "|---|---|---|---|---|"]
    for (device, precision, backend, version), runs in places.items():
        what = {}
        for run in sorted(runs, key=lambda run: (METHODS.index(run["method"]), run["size"])):
            what.setdefault(NAMES[run["method"]], {})[f"{run['size']:,}"] = None
        what = "; ".join(f"{name}: {', '.join(sizes)}" for name, sizes in what.items())
        minutes = sum(run["seconds"] for run in runs) / 60
        lines.append(
            f"| {device} | {version}, {backend}, {precision} | {what} | {len(runs)} | {minutes:.0f} |"
        )
    return "\n".join(lines)


def _spread(accuracies):
    if accuracies is None:
        return "not recorded"
    if len(accuracies) == 1:
        return f"{accuracies[0]:.1%} (one seed)"
    few = f", {len(accuracies)} seeds" if len(accuracies) < len(SEEDS) else ""
    return f"{statistics.mean(accuracies):.1%} ({min(accuracies):.1%} to {max(accuracies):.1%}{few})"


if __name__ == "__main__":
    chosen = arguments()
    run(chosen) if chosen.command == "run" else collect(chosen)
