"""What pruning costs the reviewer: the curves and recoveries of lesson 06, on 1,000 test reviews.

    python benchmarks/pruning_curves.py --seconds 200       make what is missing; a killed run goes on
    python benchmarks/pruning_curves.py --try 50            all on 50 reviews and 2 steps, recorded nowhere

Every row keeps which reviews were judged right, so that the lesson can compare rows review by review. All
models read 64 tokens of a review, half from each end. What is chosen (masks, heads, a block, the rates of
learning) is chosen on training or validation reviews; the test reviews choose nothing.
"""

import argparse
import datetime
import json
import pathlib
import re
import time

import keras
import numpy as np

from course_lib import pruning, runtime

LENGTH, TEST, VALIDATION = 64, 1000, 300
STEPS, BATCH, SPARSITY = 60, 16, 0.7
# Peaks of the learning rate, for whole and for cut networks: the best on validation reviews.
RATES = {"sparse": [5e-5, 1e-4], "small": [2e-5, 5e-5, 1e-4]}
CALIBRATION, GRADED = 128, 64  # Training reviews that Wanda sees, and that importance is taken of.
RECORDED = pathlib.Path(pruning.__file__).with_name("curves.json")  # In the package, for the lesson.


class Bench:
    """The reviewer, the reviews as ids, and what choices are made by."""

    def __init__(self, test=TEST, validation=VALIDATION, steps=STEPS):
        from course_lib import imdb, weights

        self.steps, self.corpus = steps, imdb.load(verbose=False)
        self.original = pruning.from_keras_hub(weights.load_reviewer("float32"))
        self.saved = self.original.get_weights()
        self.work = copy_of(self.original)
        parts = {
            "test": self.corpus.test.first(test),
            "validation": self.corpus.validation.first(validation),
            "train": self.corpus.train.first(max(steps * BATCH, CALIBRATION)),
        }
        self.x = {name: self.read(part.texts) for name, part in parts.items()}
        self.y = {name: part.labels for name, part in parts.items()}
        self.importance, self.rows = None, {}

    def read(self, texts):
        """The model's inputs for texts, in their order."""
        from course_lib import imdb

        ids, mask = imdb.pad(imdb.encode(texts, sequence_length=LENGTH, how="both"), LENGTH)
        return {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}

    def logits(self, model, split="test", size=50):
        """The model's logits for the reviews of a split."""
        count = len(self.y[split])
        return np.concatenate(
            [
                model.predict_on_batch(
                    {name: each[i : min(i + size, count)] for name, each in self.x[split].items()}
                )
                for i in range(0, count, size)
            ]
        )

    def masked(self, share, **options):
        """The whole network with zeros, in one shot."""
        self.work.set_weights(self.saved)
        pruning.prune(self.work, share, exclude="logits", **options)
        return self.work

    def wanda(self):
        """The criterion, on training reviews."""
        return pruning.Wanda([{name: each[:CALIBRATION] for name, each in self.x["train"].items()}])

    def rate(self, kind):
        """The rate that was best on validation reviews: the highest accuracy, then the lowest loss."""
        rows = {rate: self.rows[f"validation {kind} {rate:g}"] for rate in RATES[kind]}
        return max(rows, key=lambda rate: (rows[rate]["accuracy"], -rows[rate]["loss"]))

    def trained(self, schedule, criterion="magnitude", rate=None):
        """The whole network, pruned while it is trained."""
        model = frozen(copy_of(self.original))
        callback = pruning.prune(model, schedule, criterion, exclude="logits")
        self.train(model, rate or self.rate("sparse"), [callback])
        return model

    def train(self, model, rate, callbacks=()):
        """`STEPS` steps of the lesson's recipe."""
        from course_lib import fine_tuning

        keras.utils.set_random_seed(0)
        order = np.random.default_rng(0).permutation(self.steps * BATCH)
        x = {name: each[order] for name, each in self.x["train"].items()}
        fine_tuning.compile_classifier(model, self.steps, learning_rate=rate)
        options = {"batch_size": BATCH, "epochs": 1, "shuffle": False, "verbose": 0}
        model.fit(x, self.y["train"][order], callbacks=list(callbacks), **options)

    def measure_importance(self):
        """Importance of the heads, and which half of the neurons matters more, on single training reviews."""
        single = [
            ({name: each[i : i + 1] for name, each in self.x["train"].items()}, self.y["train"][i : i + 1])
            for i in range(GRADED)
        ]
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        heads = pruning.head_importance(self.original, single, loss)
        neurons = pruning.most_important(pruning.neuron_importance(self.original, single, loss), 1 / 2)
        return {
            "heads": {name: [float(f"{value:.4g}") for value in each] for name, each in heads.items()},
            "neurons": {name: packed(np.isin(np.arange(1536), each)) for name, each in neurons.items()},
        }

    def chosen(self, what, share, seed=None):
        """The heads or neurons that stay: the most important ones, or by chance."""
        if seed is not None:
            rng, count = np.random.default_rng(seed), {"heads": 12, "neurons": 1536}[what]
            drawn = {name: rng.random(count) for name in self.importance["heads"]}
            return pruning.most_important(drawn, share)
        if what == "neurons":
            return {
                name: np.flatnonzero(unpacked(each, 1536)) for name, each in self.importance[what].items()
            }
        return pruning.most_important(self.importance[what], share)

    def kept(self, heads=1, neurons=1, seed=None):
        """A network with a share of the heads and neurons of each block."""
        options = {}
        if heads < 1:
            options["heads"] = self.chosen("heads", heads, seed)
        if neurons < 1:
            options["neurons"] = self.chosen("neurons", neurons, seed)
        return pruning.keep(self.original, **options)

    def block(self):
        """The block without which the validation reviews are judged best."""
        rows = [self.rows[f"validation without {block}"] for block in range(6)]
        return max(range(6), key=lambda block: (rows[block]["accuracy"], -rows[block]["loss"]))

    def without(self, *blocks):
        """A network without some blocks."""
        return pruning.drop_blocks(self.original, [f"transformer_layer_{i}" for i in blocks])

    def uses(self):
        """How often each token occurs in 2,000 training reviews, plus a little for those that never do."""
        from course_lib import imdb

        ids = imdb.encode(self.corpus.train.first(2000).texts, sequence_length=256, how="both")
        return np.bincount(np.concatenate(ids), minlength=30522) + 0.1

    def narrow(self, model, rank=96, by_use=True):
        """A network with a narrow token table."""
        rows = self.uses() if by_use else np.ones(30522)
        return pruning.factorize(model, {"token_embedding": rank}, rows)

    def thin_layers(self, rank):
        """A network with low-rank feed-forward kernels."""
        return pruning.factorize(self.original, {f"transformer_layer_{i}": rank for i in range(6)})

    def student(self):
        """Half of the heads, half of the neurons, a table of rank 96."""
        return self.narrow(self.kept(heads=1 / 2, neurons=1 / 2))

    def recovered(self, by_teacher, rate=None):
        """The student after the same steps, from labels or from the original's logits alone."""
        student, rate = frozen(self.student()), rate or self.rate("small")
        if not by_teacher:
            self.train(student, rate)
            return student
        distiller = keras.distillation.Distiller(
            teacher=copy_of(self.original),
            student=student,
            distillation_losses=keras.distillation.LogitsDistillation(
                temperature=2.0, loss=keras.losses.KLDivergence()
            ),
            student_loss_weight=0.0,
        )
        self.train(distiller, rate)
        return student


def packed(bits):
    return np.packbits(bits).tobytes().hex()


def unpacked(text, count):
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8), count=count).astype(bool)


def copy_of(model):
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def frozen(model):
    """A model whose token table does not learn."""
    model.get_layer("token_embedding").trainable = False
    return model


def plan(bench):
    """What is made, in order: pairs of a name and the function that makes it."""
    steps = bench.steps
    cubic = pruning.Polynomial(SPARSITY, end_step=int(0.7 * steps) or 1, frequency=5)
    at_once, half = pruning.Constant(SPARSITY), 1 / 2
    yield "unpruned", lambda: bench.masked(1e-6)
    for percent in (30, 50, 60, 70, 80):
        yield f"magnitude {percent}%", lambda percent=percent: bench.masked(percent / 100)
    yield "random 30%", lambda: bench.masked(0.3, criterion="random")
    yield "wanda 70%", lambda: bench.masked(0.7, criterion=bench.wanda())
    for percent in (50, 70):
        yield f"global {percent}%", lambda percent=percent: bench.masked(percent / 100, scope="global")
    yield "2:4 magnitude", lambda: bench.masked(half, n_of_m=(2, 4))
    yield "heads 6 of 12", lambda: bench.kept(heads=half)
    for seed in range(3):
        yield f"heads 6 of 12, random {seed}", lambda seed=seed: bench.kept(heads=half, seed=seed)
    yield "neurons 768 of 1536", lambda: bench.kept(neurons=half)
    yield "neurons 768 of 1536, random 0", lambda: bench.kept(neurons=half, seed=0)
    yield "table rank 96, plain", lambda: bench.narrow(bench.original, by_use=False)
    yield "table rank 96, by use", lambda: bench.narrow(bench.original)
    yield "feed-forward rank 192", lambda: bench.thin_layers(192)
    yield "blocks without 1 3 5", lambda: bench.without(1, 3, 5)
    for block in range(6):
        yield f"validation without {block}", lambda block=block: bench.without(block)
    yield "blocks without one", lambda: bench.without(bench.block())
    yield "student, as cut", bench.student
    for rate in RATES["small"]:
        yield f"validation small {rate:g}", lambda rate=rate: bench.recovered(by_teacher=False, rate=rate)
    yield "student, labels", lambda: bench.recovered(by_teacher=False)
    yield "student, teacher", lambda: bench.recovered(by_teacher=True)
    for rate in RATES["sparse"]:
        yield f"validation sparse {rate:g}", lambda rate=rate: bench.trained(at_once, rate=rate)
    yield "at once 70%, trained", lambda: bench.trained(at_once)
    yield "gradual 70%", lambda: bench.trained(cubic)
    yield "random 70%, trained", lambda: bench.trained(at_once, "random")


def entry(bench, model, split="test", sized=True):
    """What the record keeps of a model; its size when compressed takes seconds, so not of each."""
    logits, labels = bench.logits(model, split), bench.y[split]
    right = logits.argmax(axis=1) == labels
    losses = np.logaddexp.reduce(logits, axis=1) - np.take_along_axis(logits, labels[:, None], axis=1)[:, 0]
    parameters, nonzero = pruning.count(model)
    return {
        "accuracy": float(right.mean()),
        "loss": round(float(losses.mean()), 4),
        "parameters": parameters,
        "nonzero": nonzero,
        "megabytes": round(pruning.compressed_megabytes(model), 1) if sized else None,
        "reviews": len(labels),
        "right": packed(right),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing after these")
    parser.add_argument("--try", type=int, dest="reviews", help="reviews for a trial that records nothing")
    options = parser.parse_args()
    begun, trial = time.monotonic(), options.reviews is not None
    environment = runtime.setup(seed=0, precision="float32")
    bench = Bench(options.reviews, options.reviews, 2) if trial else Bench()
    found = json.loads(RECORDED.read_text()) if RECORDED.is_file() and not trial else {"rows": {}}
    names = ["LENGTH", "TEST", "VALIDATION", "STEPS", "BATCH", "SPARSITY", "CALIBRATION", "GRADED", "RATES"]
    found["settings"] = {name.lower(): globals()[name] for name in names}
    found |= {"device": environment.device_name, "versions": environment.versions}

    def save(name):
        seconds = round(time.monotonic() - begun)
        print(name, found["rows"].get(name, {}).get("accuracy"), f"{seconds} s", flush=True)
        if not trial:
            found["date"] = datetime.date.today().isoformat()
            with runtime.atomic_write(RECORDED) as path:
                path.write_text(json.dumps(found, indent=1) + "\n")

    for name, function in plan(bench):
        if RECORDED.is_file() and not trial:  # Another run may have made some meanwhile.
            found["rows"] = json.loads(RECORDED.read_text())["rows"]
        left = options.seconds - (time.monotonic() - begun)
        trains = re.search("trained|gradual|labels|teacher|validation s", name)
        bench.rows = found["rows"]
        if name in found["rows"] or left < (60 if trains else 0):
            continue
        if re.search("heads|neurons|student", name) and bench.importance is None:
            if "importance" not in found:
                found["importance"] = bench.measure_importance()
                save("importance")
            bench.importance = found["importance"]
        start = time.monotonic()
        model = function()
        sized = not re.search("random|global|validation|plain|magnitude [368]0%|at once", name)
        row = entry(bench, model, "validation" if name.startswith("validation") else "test", sized)
        found["rows"][name] = row | {"seconds": round(time.monotonic() - start, 1)}
        save(name)
        if model is not bench.work:
            del model
            runtime.release_memory()


if __name__ == "__main__":
    main()
