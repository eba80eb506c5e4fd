"""Comparison 1: from texts to padded batches, against Hugging Face `tokenizers` and Transformers."""

import hashlib

import harness
import numpy as np

from course_lib import imdb, weights

TITLE = "Texts to batches"
GOAL = 2.0
PACKAGES = ("tensorflow", "tokenizers", "transformers")
COMPARED = "All sides make the same token ids, which is checked."
DEFAULTS = {"reviews": 10_000, "length": 128, "batch": 32, "rounds": 7}
QUICK = {"reviews": 500, "rounds": 3}


class Side:
    """Reads the texts; subclasses make batches of them, each a dict of arrays."""

    def __init__(self, settings):
        self.length, self.batch = settings["length"], settings["batch"]
        self.texts = imdb.load(verbose=False).train.first(settings["reviews"]).texts

    def answer(self, _, batches):
        """A digest of all token ids, in whatever order and however padded the reviews came."""
        rows = [
            ids[mask.astype(bool)].astype("int32").tobytes()
            for batch in batches
            for ids, mask in zip(batch["ids"], batch["mask"], strict=True)
        ]
        return len(rows), hashlib.sha256(b"|".join(sorted(rows))).hexdigest()


class Course(Side):
    """`imdb.batches`."""

    def run(self, _, lap):
        """All batches."""
        labels = np.zeros(len(self.texts), "int32")
        dataset = imdb.batches(self.texts, labels, batch_size=self.batch, sequence_length=self.length)
        return [{"ids": x["token_ids"], "mask": x["padding_mask"]} for x, _ in dataset.as_numpy_iterator()]


class Tokenizers(Side):
    """`encode_batch`, a batch at a time, each padded to its longest review; the texts cleaned as ours are."""

    packages = ("tokenizers",)
    method = "encode_batch"

    def __init__(self, settings):
        import tokenizers

        super().__init__(settings)
        self.tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
        self.tokenizer.enable_truncation(self.length)
        self.tokenizer.enable_padding()
        self.encode = getattr(self.tokenizer, self.method)

    def run(self, _, lap):
        """All batches."""
        batches = []
        for start in range(0, len(self.texts), self.batch):
            found = self.encode([imdb.clean(text) for text in self.texts[start : start + self.batch]])
            batches.append(
                {
                    "ids": np.array([each.ids for each in found], "int32"),
                    "mask": np.array([each.attention_mask for each in found], "int32"),
                    "segments": np.array([each.type_ids for each in found], "int32"),
                }
            )
        return batches


class FastTokenizers(Tokenizers):
    """The same without offsets, which the library has had since its version 0.20."""

    method = "encode_batch_fast"


class Transformers(Side):
    """Transformers' fast tokenizer, as its documentation calls it."""

    packages = ("transformers",)

    def __init__(self, settings):
        import transformers

        super().__init__(settings)
        names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
        self.tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(weights.tokenizer_file()), **names
        )

    def run(self, _, lap):
        """All batches."""
        form = {"padding": True, "truncation": True, "max_length": self.length, "return_tensors": "np"}
        batches = []
        for start in range(0, len(self.texts), self.batch):
            found = self.tokenizer(
                [imdb.clean(text) for text in self.texts[start : start + self.batch]], **form
            )
            batches.append({"ids": found["input_ids"], "mask": found["attention_mask"]})
        return batches


SIDES = {
    harness.COURSE: Course,
    "tokenizers, encode_batch": Tokenizers,
    "tokenizers, encode_batch_fast": FastTokenizers,
    "Transformers' tokenizer": Transformers,
}


def measure(settings, _):
    """The rows of the table."""
    with harness.workers(SIDES, settings) as running:
        seconds, answers = harness.take_turns(running, "all", settings["rounds"])
    harness.check_equal(answers)
    what = f"{settings['reviews']:,} reviews, {settings['length']} tokens"
    return [harness.row(what, seconds, goal=GOAL)]
