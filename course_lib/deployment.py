"""Lesson 08: a classifier on its own, and whether it still does what it did.

A bundle is a folder with a LiteRT model, a tokenizer and a model card. Running one needs numpy, tokenizers
and ai-edge-litert: everything else is imported inside the functions that use it.

Sources: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
arXiv:1706.04599; Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, arXiv:1810.03993.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time

import numpy as np

from course_lib import imdb, runtime

FORMAT = 1  # Of a bundle: raise it when an older reader would misunderstand a newer one.
MEASURED = ("temperature", "evaluation", "reference")  # What a card says of the bundle, not of a machine.
MODEL, TOKENIZER, CARD = "model.tflite", "tokenizer.json", "card.json"
LENGTHS = (64, 128, 256)
BATCH_SIZE = 4  # Lesson 08 times it against single texts.
FEATURES = ("length", "unknown", "confidence")

_SIGNATURE = re.compile(r"b([0-9]+)_l([0-9]+)")


# Running


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a classifier says of one text.

    Attributes:
        label: Name of the likeliest class.
        probability: Its probability.
        probabilities: Dict from each label to its probability.
        tokens: How many tokens the text has, the two special ones included.
        truncated: Whether the model saw a part of them only.
        unknown: Share of words that the vocabulary does not hold as a whole; 0 for a text without words.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    tokens: int
    truncated: bool
    unknown: float


class Classifier:
    """A bundle that is ready to run. Several threads may share one.

    Args:
        folder: As `export` writes it.
        threads: How many cores a prediction uses; None takes all, at most 4.
        longest: The largest of the bundle's padded lengths to use; longer texts are cut. None takes all.

    Attributes:
        card: The model card, a dict.
        labels: Names of the classes.
        lengths: The padded lengths that are used, in increasing order.

    Raises:
        ValueError: If a file is missing, damaged or of another version, or the bundle has not that length.
    """

    def __init__(self, folder, threads=None, longest=None):
        import tokenizers

        folder = pathlib.Path(folder)
        self.card = read_card(folder)
        self.labels = tuple(self.card["labels"])
        self._temperature = self.card["temperature"]
        self._how = self.card["truncation"]
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # tokenizers raises nothing more specific.
            raise ValueError(f"{folder / TOKENIZER} is no tokenizer: {error}") from None
        self._special = [self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[MASK]")]
        self._unknown = self._tokenizer.token_to_id("[UNK]")
        self._threads = threads or min(4, os.cpu_count() or 1)
        self._path = folder / MODEL
        self._engine = _Engine(self._path, self._threads)
        shapes = self._engine.shapes
        self.lengths = tuple(sorted({length for _, length in shapes}))
        self.batch_size = max((texts for texts, _ in shapes), default=0)
        lacking = {(n, length) for n in (1, self.batch_size) for length in self.lengths} - shapes
        if lacking or not shapes or None in self._special:
            raise ValueError(f"{folder} holds no classifier that `course export` wrote.")
        if longest is not None:
            if longest not in self.lengths:
                raise ValueError(f"`longest` must be one of {self.lengths}. Received: {longest!r}")
            self.lengths = self.lengths[: self.lengths.index(longest) + 1]

    def __call__(self, text):
        """The `Prediction` for one text."""
        return self.predict([text])[0]

    def predict(self, texts):
        """The predictions for texts of any length, a list of `Prediction`; see `logits`."""
        encodings = self._tokenizer.encode_batch(_clean(texts), add_special_tokens=False)
        logits = self._run([self._frame(encoding.ids) for encoding in encodings])
        probabilities = softmax(logits / self._temperature)
        return [self._prediction(*both) for both in zip(encodings, probabilities, strict=True)]

    def logits(self, texts):
        """What the network gives, before the temperature.

        Args:
            texts: Sequence of str. HTML is removed; of a text that is too long the model sees the part that
                the card's `truncation` says.

        Returns:
            Float32 array of shape `(len(texts), len(labels))`.

        Raises:
            TypeError: If a text is no str.
        """
        encodings = self._tokenizer.encode_batch_fast(_clean(texts), add_special_tokens=False)
        return self._run([self._frame(encoding.ids) for encoding in encodings])

    def word_importance(self, text):
        """By how much the verdict's probability falls when a word is hidden behind `[MASK]`.

        One prediction per word that the model sees (occlusion; Zeiler and Fergus 2014, arXiv:1311.2901).

        Args:
            text: A str.

        Returns:
            List of `(word, change)`; the change is None for a word that the model does not see.
        """
        words = imdb.clean(_valid(text)).split()
        tokens = [
            encoding.ids for encoding in self._tokenizer.encode_batch_fast(words, add_special_tokens=False)
        ]
        owners = [number for number, ids in enumerate(tokens) for _ in ids]
        kept = imdb.truncate(range(len(owners)), self.lengths[-1] - 2, self._how)
        flat = [token for ids in tokens for token in ids]
        mask = self._special[2]
        seen = sorted({owners[i] for i in kept})
        variants = [
            self._frame([mask if owners[i] == word else flat[i] for i in kept]) for word in [None, *seen]
        ]
        probabilities = softmax(self._run(variants) / self._temperature)
        verdict = probabilities[0].argmax()
        changes = dict(zip(seen, probabilities[0, verdict] - probabilities[1:, verdict], strict=True))
        return [(word, float(changes[i]) if i in changes else None) for i, word in enumerate(words)]

    def _frame(self, ids):
        first, last, _ = self._special
        return [first, *imdb.truncate(ids, self.lengths[-1] - 2, self._how), last]

    def _prediction(self, encoding, probabilities):
        best = int(probabilities.argmax())
        tokens = len(encoding.ids) + 2
        pieces = np.bincount(np.array(encoding.word_ids, "int64"))  # Tokens per word.
        unknown = (pieces > 1).sum() + encoding.ids.count(self._unknown)
        return Prediction(
            label=self.labels[best],
            probability=float(probabilities[best]),
            probabilities={name: float(p) for name, p in zip(self.labels, probabilities, strict=True)},
            tokens=tokens,
            truncated=tokens > self.lengths[-1],
            unknown=float(unknown / len(pieces)) if len(pieces) else 0.0,
        )

    def _run(self, sequences):
        result = np.empty((len(sequences), len(self.labels)), "float32")
        jobs = []
        for length, rows in micro_batches([len(ids) for ids in sequences], self.lengths, self.batch_size):
            # The file knows batches of one and of `batch_size`; a smaller group goes one by one.
            step = len(rows) if len(rows) == self.batch_size else 1
            jobs += [(length, rows[start : start + step]) for start in range(0, len(rows), step)]

        def work(engine):
            while jobs:
                try:
                    length, rows = jobs.pop()  # The longest first.
                except IndexError:  # Another engine took it.
                    return
                result[rows] = engine(*imdb.pad([sequences[i] for i in rows], length))

        if len(jobs) == 1 or self._threads == 1:
            work(self._engine)
        else:
            list(self._pool.map(work, self._engines))
        return result

    @functools.cached_property
    def _engines(self):
        """For many texts: one engine per core does more than all cores on one engine."""
        return [_Engine(self._path, 1) for _ in range(self._threads)]

    @functools.cached_property
    def _pool(self):
        return concurrent.futures.ThreadPoolExecutor(self._threads, "classifier")


class _Engine:
    """An interpreter of a bundle's model; threads that share one wait for each other."""

    def __init__(self, path, threads):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with runtime.hidden_stderr():  # It says how it runs.
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
            names = self._interpreter.get_signature_list()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path} is no LiteRT model: {error}") from None
        self.shapes = {tuple(map(int, found.groups())) for found in map(_SIGNATURE.fullmatch, names) if found}
        self._runners = {}
        self._lock = threading.Lock()

    def __call__(self, ids, mask):
        name = "b{}_l{}".format(*ids.shape)
        with self._lock:
            if name not in self._runners:
                self._runners[name] = self._interpreter.get_signature_runner(name)
            (logits,) = self._runners[name](
                token_ids=ids, segment_ids=np.zeros_like(ids), padding_mask=mask.astype("int32")
            ).values()
        return logits


def wordless(text):
    """Whether nothing is left of a text without tags and white space; such a text deserves no verdict."""
    return not imdb.clean(_valid(text))


def _clean(texts):
    if isinstance(texts, str):
        raise TypeError("`texts` is a sequence of texts. Call the classifier itself on a single one.")
    return [imdb.clean(_valid(text)) for text in texts]


def _valid(text):
    if not isinstance(text, str):
        raise TypeError(f"A text must be a str. Received: {type(text).__name__}")
    return text.encode("utf-8", "replace").decode()  # Half of a surrogate pair is no character.


def softmax(logits):
    """Probabilities `(n, classes)`, float64, from logits of that shape."""
    logits = np.asarray(logits, "float64")
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def micro_batches(lengths, buckets, batch_size):
    """Groups waiting texts so that those that run together need the same padded length.

    Args:
        lengths: Tokens per text, in order of arrival.
        buckets: Padded lengths that the model can run.
        batch_size: Most texts in a group.

    Returns:
        List of `(bucket, indices)`: shorter buckets first, in each the texts in order of arrival. A text
        is in the smallest bucket that holds it.

    Raises:
        ValueError: If a text is longer than the largest bucket, or `batch_size` is below 1.
    """
    buckets = sorted(buckets)
    if batch_size < 1 or max(lengths, default=0) > buckets[-1]:
        raise ValueError(
            f"`batch_size` must be at least 1 and no text longer than {buckets[-1]} tokens. Received: "
            f"{batch_size}, {max(lengths, default=0)}"
        )
    members = {bucket: [] for bucket in buckets}
    for index, length in enumerate(lengths):
        members[next(bucket for bucket in buckets if length <= bucket)].append(index)
    return [
        (bucket, found[start : start + batch_size])
        for bucket, found in members.items()
        for start in range(0, len(found), batch_size)
    ]


# Bundles


def export(
    model,
    folder,
    validation,
    test,
    labels=("negative", "positive"),
    mode="dynamic",
    lengths=LENGTHS,
    truncation="both",
    card=None,
    replace=False,
    measured=None,
):
    """Writes a classifier as a bundle that runs without TensorFlow, and measures it.

    Args:
        model: A built `keras.Model` in float32, from a dict of token ids to logits `(batch, classes)`.
        folder: The new bundle.
        validation: An `imdb.Split`: the temperature is fitted on it, and it is what inputs are compared with
            when the service is watched. Of these texts only numbers are kept: lengths, shares, confidences.
        test: An `imdb.Split`: accuracy and calibration are measured on it.
        labels: Names of the classes.
        mode: `"dynamic"`, `"float16"` or `"float32"`, as in `quantization.export`.
        lengths: Padded lengths; a text runs at the smallest that holds it.
        truncation: What is kept of texts beyond the largest, as in `imdb.truncate`.
        card: Dict of further entries of the model card: `task`, `data`, `limits`, `licence` and so on.
        replace: Whether a bundle that is there already is replaced.
        measured: What a card says under `MEASURED`, if the same bundle was measured before; then only its
            speed is measured, on the first texts of `test`.

    Returns:
        The folder.

    Raises:
        ValueError: As `quantization.export`, if the model has not one logit per label, or if there is
            something in `folder` already that is no bundle or shall not be replaced.
    """
    from course_lib import quantization

    folder = pathlib.Path(folder)
    check_target(folder, replace)
    if mode not in ("dynamic", "float16", "float32"):
        raise ValueError(f'`mode` of a bundle is "dynamic", "float16" or "float32". Received: {mode!r}')
    if not len(validation) or not len(test):
        raise ValueError("`validation` and `test` must have at least one text each.")
    if model.output_shape[-1] != len(labels):
        raise ValueError(f"The model has {model.output_shape[-1]} outputs and there are labels {labels}.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        shapes = [(texts, length) for length in sorted(lengths) for texts in (1, BATCH_SIZE)]
        quantization.export(model, part / MODEL, mode, shapes=shapes)
        _write_tokenizer(part / TOKENIZER)
        entries = {
            **_DEFAULT_CARD,
            **(card or {}),
            "format": FORMAT,
            "labels": list(labels),
            "temperature": 1.0,
            "truncation": truncation,
            "lengths": sorted(lengths),
            "mode": mode,
            "sha256": {name: _sha256(part / name) for name in (MODEL, TOKENIZER)},
        }
        _write_card(part, entries)
        entries |= _measured(part, validation, test) if measured is None else measured
        entries |= _timed(part, test)
        _write_card(part, entries)
        part.chmod(0o755)
        _move(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


_DEFAULT_CARD = {
    "task": "Tells whether an English review is positive or negative.",
    "data": "not stated",
    "limits": "Expect more errors on other domains and languages than those of its training data, on irony, "
    "and on reviews that weigh both sides. Not for decisions about people.",
    "licence": "Apache-2.0 (code and the pretrained encoder all-MiniLM-L6-v2)",
}


_KEPT = {
    "head": "the first ones",
    "tail": "the last ones",
    "both": "half from the beginning, half from the end",
}


def export_file(folder, path=None, mode="dynamic", replace=False):
    """Makes a bundle of a classifier of film reviews; the command `course export`.

    Args:
        folder: The new bundle.
        path: A `.keras` file; None takes the reviewer. Of its 8-bit bundle the measurement is recorded, so
            that takes seconds, and all others minutes.
        mode: As in `export`.
        replace: As in `export`.

    Returns:
        The folder.

    Raises:
        ValueError: As `export`, or if the file is no Keras model.
        RuntimeError: If reviews or pretrained weights are missing, as `imdb.load` and `weights.find`.
    """
    check_target(pathlib.Path(folder), replace)  # This and a missing file are found before TensorFlow loads.
    if path is not None and not pathlib.Path(path).is_file():
        raise ValueError(f"There is no file {path}.")
    corpus = imdb.load(verbose=False)
    parts = (corpus.validation.first(1000), corpus.test)
    runtime.quiet_logs()
    with runtime.hidden_stderr():
        import keras
        import keras_hub  # noqa: F401  It and `transformer` register the layers that a file may hold.

        from course_lib import transformer, weights  # noqa: F401
    measured = None
    if path is None:
        made = weights.reviewer_card()
        card = {"data": made["data"]}
        measured = made["bundle"] if mode == "dynamic" else None
        model = weights.load_reviewer("float32")
    else:
        card = {"data": "not stated; evaluated on the course's test reviews of Maas et al. (2011)"}
        try:
            model = keras.models.load_model(path, compile=False)
        except (OSError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is no classifier that Keras can load: {error}") from None
    if measured is None:
        print("It is measured on thousands of reviews, which takes minutes ...", file=sys.stderr, flush=True)
    return export(model, folder, *parts, mode=mode, card=card, replace=replace, measured=measured)


def reviewer_bundle():
    """The reviewer's 8-bit bundle in the cache; made at first use, which takes seconds and is said.

    Returns:
        Its folder.

    Raises:
        RuntimeError: As `export_file`.
    """
    from course_lib import fetch, weights

    name = f"reviewer-{weights.reviewer_card()['sha256'][:12]}-{FORMAT}"
    folder = runtime.cache_dir(create=False) / name
    with contextlib.suppress(ValueError):  # Without the lock: a shared cache may be read-only.
        read_card(folder)
        return folder
    with fetch.lock(runtime.cache_dir() / name):
        try:
            read_card(folder)
        except ValueError:  # It is not there, or damaged.
            print(f"Making the reviewer's 8-bit bundle, once, in {folder} ...", file=sys.stderr, flush=True)
            export_file(folder, replace=True)
    return folder


def check_target(folder, replace):
    """Raises a ValueError if `folder` holds something that `export` must not replace."""
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / CARD).is_file()):
        raise ValueError(f"{folder} is there already and is no bundle. Choose another name.")
    if any(folder.iterdir()) and not replace:
        raise ValueError(f"{folder} is there already. Choose another name, or replace it (--replace).")


def _move(part, folder):
    if not folder.exists():
        part.rename(folder)
        return
    old = part.with_name(f"{part.name}.old")
    folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_tokenizer(path):
    import tokenizers

    from course_lib import weights

    tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(path))


def _measured(folder, validation, test):
    """What the card says of the bundle itself, measured on it."""
    from course_lib import fine_tuning

    classifier = Classifier(folder)
    temperature = fit_temperature(classifier.logits(validation.texts), validation.labels)
    card = {**classifier.card, "temperature": temperature}
    _write_card(folder, card)
    classifier = Classifier(folder)
    logits = classifier.logits(test.texts)
    found = fine_tuning.evaluate(test.labels, logits)
    error, _ = expected_calibration_error(softmax(logits / temperature), test.labels)
    watched = classifier.predict(validation.texts)
    return {
        "temperature": temperature,
        "evaluation": {
            "texts": found.total,
            "accuracy": round(found.accuracy, 4),
            "interval": [round(bound, 4) for bound in found.interval],
            "calibration_error": round(error, 4),
        },
        "reference": {
            name: [round(float(features(each)[name]), 4) for each in watched[:1000]] for name in FEATURES
        },
    }


def _timed(folder, test):
    """What the card says of the bundle on this machine."""
    seconds = latency(Classifier(folder), test.texts[:60], warmup=10)
    return {
        "megabytes": round((folder / MODEL).stat().st_size / 1e6, 1),
        "latency_ms": {f"p{q}": round(1e3 * float(np.percentile(seconds, q)), 1) for q in (50, 95)},
        "machine": f"{runtime.cpu_name()}, {min(4, os.cpu_count() or 1)} threads",
    }


def _write_card(folder, card):
    with runtime.atomic_write(folder / CARD) as part:
        part.write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
    if "evaluation" in card:
        with runtime.atomic_write(folder / "README.md") as part:
            part.write_text(_readme(card), encoding="utf-8")


def _readme(card):
    found, latency_ms = card["evaluation"], card["latency_ms"]
    interval = "{:.1%} to {:.1%}".format(*found["interval"])
    return f"""# Model card

{card["task"]} Labels: {", ".join(card["labels"])}.

| | |
|---|---|
| accuracy | {found["accuracy"]:.1%} on {found["texts"]} test reviews (95 % interval {interval}) |
| calibration error | {found["calibration_error"]:.3f}, after a temperature of {card["temperature"]:.2f} |
| data | {card["data"]} |
| size | {card["megabytes"]} MB ({card["mode"]}) |
| latency of one review | p50 {latency_ms["p50"]} ms, p95 {latency_ms["p95"]} ms ({card["machine"]}) |
| input | up to {card["lengths"][-1]} tokens; of longer texts {_KEPT[card["truncation"]]} |
| licence | {card["licence"]} |

**Limits.** {card["limits"]}

`card.json` holds the same for programs, and the lengths, shares of unknown words and confidences of
validation reviews, with which `course serve` compares what it receives. It holds no text.
"""


def read_card(folder):
    """The model card of a bundle, after a check of the files that it names.

    Args:
        folder: The bundle.

    Returns:
        A dict.

    Raises:
        ValueError: If a file is missing or damaged, or the bundle is of another version.
    """
    folder = pathlib.Path(folder)
    missing = [name for name in (CARD, MODEL, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} is no bundle: {', '.join(missing)} is missing. `course export {folder}` makes one."
        )
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        kinds = {"labels": list, "temperature": float, "truncation": str, "sha256": dict}
        wrong = [name for name, kind in kinds.items() if not isinstance(card[name], kind)]
        if wrong or card["format"] != FORMAT or not card["temperature"] > 0:
            raise ValueError(f"unusable: {', '.join(wrong) or 'format or temperature'}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{folder / CARD} is no card of format {FORMAT}: {error}") from None
    for name in (MODEL, TOKENIZER):
        if _sha256(folder / name) != card["sha256"].get(name):
            raise ValueError(f"{folder / name} is damaged or was changed. `course export` makes it again.")
    return card


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Latency and cost


def latency(call, inputs, warmup=3):
    """Seconds that each of some calls takes, after others that do not count.

    Args:
        call: Function of one input.
        inputs: Sequence of inputs, of the kinds and lengths that will come.
        warmup: How many of them run first, without being counted; the first calls allocate memory.

    Returns:
        Float array of shape `(len(inputs),)`.
    """
    for each in inputs[:warmup]:
        call(each)
    seconds = []
    for each in inputs:
        start = time.perf_counter()
        call(each)
        seconds.append(time.perf_counter() - start)
    return np.array(seconds)


def histogram_quantile(q, bounds, counts):
    """A quantile from a histogram, as Prometheus' `histogram_quantile` estimates it.

    Within a bucket it assumes that observations are spread evenly.

    Args:
        q: From 0 to 1.
        bounds: Upper bounds of the buckets, increasing and positive; the first bucket begins at 0.
        counts: Observations per bucket (not cumulative), and one more for those above the last bound.

    Returns:
        A float; the last bound if the quantile lies above it, NaN if there are no observations.

    Raises:
        ValueError: If `q`, the bounds or the numbers are not usable.
    """
    bounds, counts = np.asarray(bounds, "float64"), np.asarray(counts, "float64")
    if (
        not 0 <= q <= 1
        or not bounds.size
        or counts.shape != (len(bounds) + 1,)
        or (np.diff(bounds) <= 0).any()
        or bounds[0] <= 0
    ):
        raise ValueError(
            "`q` must be from 0 to 1, `bounds` positive and increasing, with one more count than bounds. "
            f"Received: {q}, {bounds.tolist()}, {counts.tolist()}"
        )
    total = counts.sum()
    if not total:
        return float("nan")
    below = np.concatenate([[0.0], np.cumsum(counts)])
    bucket = min(int(np.searchsorted(below[1:], q * total)), len(bounds))
    if bucket == len(bounds):
        return float(bounds[-1])
    low = bounds[bucket - 1] if bucket else 0.0
    share = (q * total - below[bucket]) / counts[bucket] if counts[bucket] else 0.0
    return float(low + share * (bounds[bucket] - low))


def cost_per_thousand(price_per_hour, requests_per_second, utilisation=1.0):
    """What a thousand requests cost on a machine that is paid by the hour.

    Args:
        price_per_hour: Of the machine, in any currency.
        requests_per_second: What it can serve.
        utilisation: Share of that which it does serve on average, above 0 and at most 1.

    Returns:
        A float, in the currency of the price.

    Raises:
        ValueError: If a number is out of range.
    """
    if price_per_hour < 0 or requests_per_second <= 0 or not 0 < utilisation <= 1:
        raise ValueError(
            "The price must not be negative, requests positive, utilisation in (0, 1]. Received: "
            f"{price_per_hour}, {requests_per_second}, {utilisation}"
        )
    return 1000 * price_per_hour / (3600 * requests_per_second * utilisation)


# Calibration


def expected_calibration_error(probabilities, labels, bins=10):
    """How far confidence and accuracy are apart (Guo et al. 2017, equation 3).

    Args:
        probabilities: Array of shape `(n, classes)`.
        labels: Integer array of shape `(n,)`.
        bins: Bins of equal width between 0 and 1; each holds its upper bound.

    Returns:
        `(error, rows)`: the mean over texts of the gap between a bin's mean confidence and its accuracy, and
        for each bin that is not empty `(confidence, accuracy, count)`.

    Raises:
        ValueError: If the shapes do not fit or there is nothing to measure.
    """
    probabilities, labels = np.asarray(probabilities, "float64"), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not labels.size:
        raise ValueError(
            f"Shapes (n, classes) and (n,) with n > 0. Received: {probabilities.shape}, {labels.shape}"
        )
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    which = np.searchsorted(np.arange(1, bins) / bins, confidence)
    rows = [
        (float(confidence[which == b].mean()), float(right[which == b].mean()), int((which == b).sum()))
        for b in np.unique(which)
    ]
    return sum(count * abs(sure - accuracy) for sure, accuracy, count in rows) / len(labels), rows


def fit_temperature(logits, labels):
    """The temperature that makes probabilities fit best (Guo et al. 2017, section 4.2).

    Args:
        logits: Array of shape `(n, classes)`, of texts that were not trained on.
        labels: Integer array of shape `(n,)`.

    Returns:
        The T, from 0.05 to 20, for which `softmax(logits / T)` has the least cross-entropy.

    Raises:
        ValueError: If the shapes do not fit or there is nothing to fit.
    """
    logits, labels = np.asarray(logits, "float64"), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
        raise ValueError(f"Shapes (n, classes) and (n,) with n > 0. Received: {logits.shape}, {labels.shape}")
    from scipy import optimize, special

    def loss(log_temperature):
        scaled = special.log_softmax(logits / np.exp(log_temperature), axis=1)
        return -scaled[np.arange(len(labels)), labels].mean()

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


# Drift


def features(prediction):
    """The three numbers of a `Prediction` that are watched: a dict with the keys `FEATURES`. No text."""
    return {
        "length": prediction.tokens,
        "unknown": prediction.unknown,
        "confidence": prediction.probability,
    }


def population_stability_index(expected, actual):
    """How far two histograms over the same bins are apart: the sum of (a − e) · ln(a / e) over the bins.

    It is the symmetric Kullback-Leibler divergence of the two shares e and a. Half an observation is added to
    every bin of both, so that an empty one does not make it infinite. By a rule of thumb of credit scoring it
    is small below 0.1 and large above 0.25; without any drift it is about (bins − 1) · (1/n + 1/m) for n and
    m observations, so a window must not be too short.

    Args:
        expected: Counts per bin in the reference, an array of shape `(bins,)`.
        actual: Counts per bin now, of the same shape.

    Returns:
        A float, 0 for equal counts.

    Raises:
        ValueError: If the shapes differ, or a side is empty or has a negative count.
    """
    expected, actual = np.asarray(expected, "float64"), np.asarray(actual, "float64")
    sides = (expected, actual)
    if expected.shape != actual.shape or any(
        side.ndim != 1 or side.sum() <= 0 or side.min() < 0 for side in sides
    ):
        raise ValueError(
            "Two arrays of counts over the same bins, neither empty. Received: "
            f"{expected.tolist()}, {actual.tolist()}"
        )
    e, a = ((side + 0.5) / (side + 0.5).sum() for side in sides)
    return float(np.sum((a - e) * np.log(a / e)))


@dataclasses.dataclass(frozen=True)
class Drift:
    """How far one feature's last values are from the reference.

    Attributes:
        psi: Population stability index.
        p_value: Of the two-sample Kolmogorov-Smirnov test.
        alert: Whether both say that it has moved.
    """

    psi: float
    p_value: float
    alert: bool


class DriftMonitor:
    """Compares the last inputs and outputs of a service with those of its reference.

    An index alone cries wolf in short windows, a test alone in long ones, where it finds differences that do
    not matter: an alert takes both.

    Args:
        reference: Dict from a feature's name to its values, at least 20; such as a card's `reference`.
        window: How many of the last observations are compared.
        threshold: Index from which a feature is reported.
        p_value: Level of the test for all features together (Bonferroni).
        bins: Bins of the index, bounded by quantiles of the reference.

    Raises:
        ValueError: If a number or the reference is not usable.
    """

    def __init__(self, reference, window=100, threshold=0.25, p_value=0.001, bins=5):
        sizes = {name: len(values) for name, values in reference.items()}
        if not sizes or min(sizes.values()) < 20 or window < 20 or not 0 < p_value < 1 or bins < 2:
            raise ValueError(
                "At least 20 values per feature, a window of 20, two bins and a level between 0 and 1. "
                f"Received: {sizes}, {window=}, {bins=}, {p_value=}"
            )
        self.window, self.threshold, self.p_value = window, threshold, p_value
        self._reference = {name: np.asarray(values, "float64") for name, values in reference.items()}
        shares = np.arange(1, bins) / bins
        self._edges = {name: np.unique(np.quantile(each, shares)) for name, each in self._reference.items()}
        self._recent = {name: collections.deque(maxlen=window) for name in reference}

    def add(self, values):
        """Takes in one observation: a dict from every feature's name to its value."""
        for name, recent in self._recent.items():
            recent.append(float(values[name]))

    def report(self):
        """Dict from a feature's name to its `Drift`; empty until the window is full."""
        from scipy import stats

        found = {}
        for name, recent in self._recent.items():
            if len(recent) < self.window:
                return {}
            now, before, edges = np.array(recent), self._reference[name], self._edges[name]
            counts = [
                np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
                for values in (before, now)
            ]
            index = population_stability_index(*counts)
            p_value = float(stats.ks_2samp(before, now).pvalue)
            alert = index > self.threshold and p_value < self.p_value / len(self._recent)
            found[name] = Drift(index, p_value, bool(alert))
        return found
