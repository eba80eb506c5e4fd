"""Comparison 2: one epoch of fine-tuning, against Transformers' Trainer on PyTorch.

All sides get the same reviews, batch size, length limit, optimizer and schedule, and each its own recipe for
the rest: the course freezes the table of token embeddings and puts its head on the mean of the tokens; the
others train all of `AutoModelForSequenceClassification` with dynamic padding, grouped by length. Where the
processor has bfloat16, the course uses it, and the Trainer once with it and once in float32, its default.
"""

import json
import pathlib
import tempfile

import harness
import models

from course_lib import imdb, runtime, weights

TITLE = "A fine-tuning epoch"
GOAL = 1.5
MARK = "classifier.json"  # How the classifier in the folder was trained.
PACKAGES = ("tensorflow", "keras", "keras-hub", "torch", "transformers")
COMPARED = (
    "Each side has its own recipe: the course freezes the table of token embeddings, the Trainer trains all "
    "weights. Beside each time are the accuracy on the test reviews and the peak memory. It fails if the "
    "course is less accurate by McNemar's test (p < 0.05)."
)
DEFAULTS = {"train": 2000, "test": 1000, "length": models.LENGTH, "batch": 32, "rate": 2e-4, "lap": 7}
QUICK = {"train": 128, "test": 64, "lap": 2}


def has_bfloat16():
    """Whether this processor multiplies bfloat16."""
    path = pathlib.Path("/proc/cpuinfo")
    flags = path.read_text() if path.is_file() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


class Side:
    """Reads the reviews; subclasses train on them and predict."""

    def __init__(self, settings):
        self.settings = settings
        corpus = imdb.load(verbose=False)
        train = corpus.train.first(settings["train"])
        self.texts, self.labels = train.texts, train.labels
        self.test_texts = corpus.test.first(settings["test"]).texts

    def run(self, case, lap):
        """`"train"`: from texts to a trained network; `"test"`: logits of the test reviews."""
        return self.train(lap) if case == "train" else self.predict()


class Course(Side):
    """`fine_tuning.fine_tune`."""

    def __init__(self, settings):
        import keras

        from course_lib import fine_tuning

        super().__init__(settings)
        runtime.setup(seed=0, precision="mixed_bfloat16" if has_bfloat16() else "float32")
        keras.utils.set_random_seed(0)
        self.model = fine_tuning.freeze_embeddings(fine_tuning.classifier(weights.load_backbone()))

    def train(self, lap):
        import keras

        from course_lib import fine_tuning

        every = self.settings["lap"]
        batches = imdb.batches(
            self.texts,
            self.labels,
            batch_size=self.settings["batch"],
            sequence_length=self.settings["length"],
            shuffle=True,
        )
        stop = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda step, logs: lap() if _is_lap(step + 1, every, len(batches)) else None
        )
        fine_tuning.fine_tune(
            self.model, batches, epochs=1, callbacks=[stop], learning_rate=self.settings["rate"]
        )

    def predict(self):
        from course_lib import fine_tuning

        models.save(self.model, self.settings["folder"])
        return fine_tuning.predict(self.model, self.test_texts, sequence_length=self.settings["length"])


def _is_lap(step, every, steps):
    return step % every == 0 and step < steps


class Transformers(Side):
    """`Trainer`, with the optimizer and schedule of the course, in bfloat16 where the processor has it."""

    packages = ("torch", "transformers", "accelerate")
    half = True

    def __init__(self, settings):
        import torch
        import transformers

        super().__init__(settings)
        torch.set_num_threads(harness.THREADS)
        transformers.set_seed(0)
        folder = str(weights.find().folder)
        self.tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(weights.tokenizer_file()), pad_token="[PAD]"
        )
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)

    def _dataset(self, texts, labels=None):
        # A list of dicts is all that the Trainer asks of a dataset.
        found = self.tokenizer(list(texts), truncation=True, max_length=self.settings["length"])
        names = ("input_ids", "attention_mask")
        rows = [dict(zip(names, values, strict=True)) for values in zip(*map(found.get, names), strict=True)]
        if labels is not None:
            for row, label in zip(rows, labels, strict=True):
                row["labels"] = int(label)
        return rows

    def _trainer(self, folder, train=None, callbacks=(), strategy="random"):
        import transformers

        options = transformers.TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            bf16=self.half and has_bfloat16(),
            per_device_train_batch_size=self.settings["batch"],
            per_device_eval_batch_size=self.settings["batch"],
            num_train_epochs=1,
            optim="adamw_torch",
            learning_rate=self.settings["rate"],
            lr_scheduler_type="cosine",
            warmup_steps=round(0.1 * self.settings["train"] / self.settings["batch"]),
            weight_decay=0.01,
            max_grad_norm=1.0,
            train_sampling_strategy=strategy,  # `predict` would obey it, too, and mix up its answers.
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=0,
        )
        collator = transformers.DataCollatorWithPadding(self.tokenizer)
        return transformers.Trainer(
            self.model, options, data_collator=collator, train_dataset=train, callbacks=list(callbacks)
        )

    def train(self, lap):
        import transformers

        every = self.settings["lap"]

        class Laps(transformers.TrainerCallback):
            def on_step_end(self, args, state, control, **_):
                if _is_lap(state.global_step, every, state.max_steps):
                    lap()

        with tempfile.TemporaryDirectory() as folder:
            dataset = self._dataset([imdb.clean(text) for text in self.texts], self.labels)
            self._trainer(folder, dataset, [Laps()], "group_by_length").train()

    def predict(self):
        with tempfile.TemporaryDirectory() as folder:
            dataset = self._dataset([imdb.clean(text) for text in self.test_texts])
            return self._trainer(folder).predict(dataset).predictions


class TransformersFloat32(Transformers):
    """The same in the Trainer's default precision."""

    half = False


SIDES = {
    harness.COURSE: Course,
    "Transformers, bfloat16": Transformers,
    "Transformers, float32": TransformersFloat32,
}


def measure(settings, state):
    """The row of the table; leaves the trained classifier in the folder `state`."""
    from course_lib import fine_tuning

    settings = settings | {"folder": str(state)}
    with harness.workers(SIDES, settings) as running:
        seconds, _ = harness.take_laps(running, "train")
        _, logits = harness.take_turns(running, "test", rounds=0)
        peaks = {name: worker.peak_gigabytes for name, worker in running.items()}
    harness.write_json(state / MARK, _recipe(settings))
    labels = imdb.load(verbose=False).test.first(settings["test"]).labels
    found = {name: fine_tuning.evaluate(labels, each) for name, each in logits.items()}
    for name, theirs in found.items():
        won, lost, p_value = fine_tuning.mcnemar(found[harness.COURSE].right, theirs.right)
        if p_value < 0.05 and won < lost:
            raise harness.DifferentWorkError(
                f"{name} is more accurate: {theirs} against {found[harness.COURSE]}, p = {p_value:.4f}"
            )
        if theirs.interval[0] < 0.5 and settings["test"] >= 500:
            raise harness.DifferentWorkError(f"{name} learned nothing: {theirs}. Something is wrong with it.")
    notes = {name: f"{each.accuracy:.1%}, {peaks[name]:.1f} GB" for name, each in found.items()}
    return [harness.row(what(settings), seconds, goal=GOAL, notes=notes, laps=True)]


def what(settings):
    """The row's name, which says which weights learn."""
    ours, theirs = (f"{count / 1e6:.1f} M" for count in learning_weights(models.weights.CONFIG))
    work = f"{settings['train']:,} reviews, {settings['length']} tokens"
    return f"{work}; {ours} weights learn, with the others {theirs}"


def learning_weights(config):
    """How many weights learn: `(ours, theirs)`, the latter with the token table and BERT's pooler."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    block = 4 * (width + 1) * width + (width + 1) * inner + (inner + 1) * width + 4 * width
    rest = (config["max_position_embeddings"] + config["type_vocab_size"] + 2) * width
    ours = config["num_hidden_layers"] * block + rest + 2 * (width + 1)
    return ours, ours + config["vocab_size"] * width + (width + 1) * width


def ensure(settings, state):
    """Trains the classifier, without the other sides, unless the folder `state` has it."""
    settings = DEFAULTS | {"train": settings["train"], "folder": str(state)}
    if not (state / models.NAME).is_file() or _mark(state) != _recipe(settings):
        with harness.workers({harness.COURSE: Course}, settings) as running:
            harness.take_laps(running, "train")
            harness.take_turns(running, "test", rounds=0)
        harness.write_json(state / MARK, _recipe(settings))


def _recipe(settings):
    return {name: settings[name] for name in ("train", "length", "batch", "rate")}


def _mark(state):
    return json.loads((state / MARK).read_text()) if (state / MARK).is_file() else None
