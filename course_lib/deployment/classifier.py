"""A bundle that is ready to run: texts in, verdicts out.

It needs numpy, tokenizers and ai-edge-litert only.
"""

import concurrent.futures
import copy
import dataclasses
import functools
import os
import pathlib
import re
import threading

import numpy as np

from course_lib import imdb, runtime
from course_lib.deployment.card import MODEL, TOKENIZER, read

MOST_THREADS = 64  # Beyond one per core, of which there may be more, an engine only takes memory.

_SIGNATURE = re.compile(r"b([0-9]+)_l([0-9]+)")


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

    Its files are read once: what happens to the folder afterwards does not matter.

    Args:
        folder: As `export` writes it.
        threads: How many cores a prediction uses; None takes all, at most 4.
        longest: The largest of the bundle's padded lengths to use; longer texts are cut. None takes all.

    Attributes:
        card: The model card, a dict.
        labels: Names of the classes.
        lengths: The padded lengths that are used, in increasing order.

    Raises:
        ValueError: If a file is missing, damaged or of another version, the files do not belong together, the
            bundle has not that length, or there cannot be so many threads.
    """

    def __init__(self, folder, threads=None, longest=None):
        import tokenizers

        folder = pathlib.Path(folder)
        self.card, files = read(folder)
        self.labels = tuple(self.card["labels"])
        self._temperature = self.card["temperature"]
        self._how = self.card["truncation"]
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(files[TOKENIZER].decode())
        except Exception as error:  # tokenizers raises nothing more specific.
            raise ValueError(f"{folder / TOKENIZER} is no tokenizer: {error}") from None
        self._tokenizer.no_truncation()  # Both are done here, as the card says.
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a text is text, and ends nothing.
        self._special = [self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[MASK]")]
        self._unknown = self._tokenizer.token_to_id("[UNK]")
        self._model = files[MODEL]
        self._threads = _usable(threads)
        try:
            self._engine = _Engine(self._model, self._threads)
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{folder / MODEL} is no LiteRT model: {error}") from None
        shapes = self._engine.shapes
        self.lengths = tuple(sorted({length for _, length in shapes}))
        self.batch_size = max((texts for texts, _ in shapes), default=0)
        lacking = {(n, length) for n in (1, self.batch_size) for length in self.lengths} - shapes
        if lacking or not shapes or None in (*self._special, self._unknown):
            raise ValueError(f"{folder} holds no classifier that `course export` wrote.")
        self._try_out(folder)
        if longest is not None:
            if longest not in self.lengths:
                raise ValueError(f"`longest` must be one of {self.lengths}. Received: {longest!r}")
            self.lengths = self.lengths[: self.lengths.index(longest) + 1]

    def _try_out(self, folder):
        """Runs the last of the tokenizer's tokens: whether model, tokenizer and labels belong together."""
        last = max(self._tokenizer.get_vocab().values())
        try:
            outputs = self._engine(*imdb.pad([[last]], self.lengths[0])).shape[-1]
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"The model in {folder} does not take the {last + 1:,} tokens of the tokenizer: {error}"
            ) from None
        if outputs != len(self.labels):
            raise ValueError(
                f"The model in {folder} has {outputs} outputs, and its card {len(self.labels)} labels."
            )

    def copy(self, threads=None):
        """The same classifier with engines of its own: neither waits for the other.

        Args:
            threads: As for a `Classifier`.

        Returns:
            A `Classifier`.
        """
        other = copy.copy(self)
        for made in ("_engines", "_pool"):
            vars(other).pop(made, None)
        other._threads = _usable(threads)
        other._engine = _Engine(self._model, other._threads)
        return other

    def warm_up(self):
        """Makes all engines and runs each signature once, which allocates what later calls need."""
        for length in self.lengths:
            for texts in {1, self.batch_size}:
                ids, mask = imdb.pad([[self._unknown] * length] * texts, length)
                for engine in {self._engine, *self._engines}:
                    engine(ids, mask)

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
        """For many texts: one engine per core does more than all cores on one engine.

        Who asks for single texts only, on a phone say, shall not pay their memory: so they are made when they
        are needed, or in `warm_up`, and from the bytes that were checked.
        """
        if self._threads == 1:
            return [self._engine]
        return [_Engine(self._model, 1) for _ in range(min(self._threads, os.cpu_count() or 1))]

    @functools.cached_property
    def _pool(self):
        return concurrent.futures.ThreadPoolExecutor(len(self._engines), "classifier")


def _usable(threads):
    if threads is None:
        return min(4, os.cpu_count() or 1)
    if not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        raise ValueError(f"`threads` is a whole number from 1 to {MOST_THREADS}. Received: {threads!r}")
    return threads


class _Engine:
    """An interpreter of a bundle's model; threads that share one wait for each other."""

    def __init__(self, content, threads):
        from ai_edge_litert.interpreter import Interpreter

        with runtime.hidden_stderr():  # It says how it runs.
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        names = self._interpreter.get_signature_list()
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
