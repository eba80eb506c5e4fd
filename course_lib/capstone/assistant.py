"""Customer service: which of many intents a question has, or none, and the reply to it.

A head on the encoder's frozen vectors proposes an intent. An index of stored questions, kept in 8 bits, finds
the nearest one of that intent. The product of the head's probability and of that likeness is the trust in the
reply: below a threshold the question goes to a person. `Assistant` is all of it in a folder that runs without
TensorFlow; `course assist` serves it.
"""

import dataclasses
import functools
import hashlib
import io
import json
import pathlib
import shutil
import sys
import tempfile
import threading

import numpy as np

from course_lib import fetch, imdb, runtime
from course_lib.capstone import data
from course_lib.capstone.head import Head
from course_lib.deployment import folders

LENGTHS = (32, 64)  # Tokens to which a question is padded; a longer one loses its end.
WRONG = 5.0  # What a wrong reply costs, in hand-overs to a person.
SHARE = 0.1  # Of questions that are out of scope, assumed when the threshold is chosen.
FORMAT = "assistant-1"  # Of the folder: another when an older reader would misunderstand a newer one.
ENCODER, TOKENIZER, INDEX, CARD = "encoder.tflite", "tokenizer.json", "index.npz", "card.json"
AGAIN = "`course assist --bundle`, with the name of a folder that is not there, makes one."
FILES = (ENCODER, TOKENIZER, INDEX, CARD, "README.md")  # All that is in the folder.

# From vectors to trust


def unit(vectors):
    """Vectors `(n, width)`, each divided by its length, as float32; products of them are cosines."""
    vectors = np.asarray(vectors, "float32")
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def train_head(vectors, labels, regularisation=10.0):
    """A logistic regression on vectors of length one; questions out of scope are left out.

    Args:
        vectors: Array `(n, width)`.
        labels: Integer array `(n,)`, of which those below 0 are out of scope.
        regularisation: scikit-learn's `C`, the inverse of the strength.

    Returns:
        A `Head`.
    """
    from sklearn.linear_model import LogisticRegression

    inside = labels >= 0
    model = LogisticRegression(C=regularisation, max_iter=300).fit(vectors[inside], labels[inside])
    return Head(model.coef_.T.astype("float32"), model.intercept_.astype("float32"))


class Index:
    """Stored vectors of length one in 8 bits, with a scale for each, and what each belongs to.

    Args:
        vectors: Float array `(n, width)`, or int8, as stored.
        labels: Integer array `(n,)`.
        scales: Float array `(n,)`, with int8 vectors only.
    """

    def __init__(self, vectors, labels, scales=None):
        if scales is None:
            scales = np.abs(vectors).max(axis=1) / 127
            vectors = np.rint(vectors / np.maximum(scales, 1e-12)[:, None]).astype("int8")
        self.vectors, self.labels, self.scales = vectors, labels, scales.astype("float32")

    def __len__(self):
        return len(self.labels)

    def likeness(self, vectors):
        """Cosines `(m, n)` of vectors `(m, width)` of length one with the stored ones."""
        return (vectors @ self.vectors.T.astype("float32")) * self.scales

    def nearest(self, vectors, labels=None):
        """The nearest stored vector of each, of a given label if there are `labels`.

        Args:
            vectors: Float array `(m, width)` of length one.
            labels: Integer array `(m,)`, or None for any.

        Returns:
            `(places, likeness)`, both `(m,)`; the likeness is -1 where no stored vector has the label.
        """
        found = self.likeness(vectors)
        if labels is not None:
            found = np.where(self.labels == np.asarray(labels)[:, None], found, -1.0)
        places = found.argmax(axis=1)
        return places, np.take_along_axis(found, places[:, None], axis=1)[:, 0]


def judge(vectors, head, index):
    """What the assistant makes of vectors.

    Returns:
        `(labels, trust)`, both `(n,)`: the proposed intent, and the head's probability of it times the
        likeness of the nearest stored question of that intent.
    """
    probabilities = head.probabilities(vectors)
    labels = probabilities.argmax(axis=1)
    _, likeness = index.nearest(vectors, labels)
    return labels, probabilities.max(axis=1) * np.maximum(likeness, 0)


# What an answer costs


def mean_cost(threshold, trust, proposed, labels, wrong=WRONG, share=None):
    """The mean cost of a question: 0 for a right reply, 1 for a hand-over to a person, `wrong` otherwise.

    Args:
        threshold: A question is answered if the trust is at least this.
        trust: Float array `(n,)`.
        proposed: The proposed intents, `(n,)`.
        labels: The true ones, `data.OUT` for questions out of scope, to which each reply is wrong.
        wrong: What a wrong reply costs, in hand-overs.
        share: Weigh questions so that this share is out of scope; None takes them as they come.

    Returns:
        A float.

    Raises:
        ValueError: If `share` is given and one of the two kinds is missing.
    """
    labels, answered = np.asarray(labels), np.asarray(trust) >= threshold
    costs = np.where(answered, np.where(np.asarray(proposed) == labels, 0.0, wrong), 1.0)
    if share is None:
        return float(costs.mean())
    outside = labels == data.OUT
    if outside.all() or not outside.any():
        raise ValueError("With a `share`, questions in scope and out of scope are both needed.")
    return float((1 - share) * costs[~outside].mean() + share * costs[outside].mean())


def choose_threshold(trust, proposed, labels, wrong=WRONG, share=None):
    """The threshold of least mean cost, in the middle between two neighbouring values of the trust.

    Args:
        trust: As for `mean_cost`, of validation questions.
        proposed: As for `mean_cost`.
        labels: As for `mean_cost`.
        wrong: As for `mean_cost`.
        share: As for `mean_cost`.

    Returns:
        A float; of several equally good ones the lowest.
    """
    values = np.unique(trust)
    steps = np.concatenate([values[:1], (values[1:] + values[:-1]) / 2, values[-1:] + 1e-6])
    return float(min(steps, key=lambda each: mean_cost(each, trust, proposed, labels, wrong, share)))


# The folder


class Encoder:
    """The encoder as a LiteRT file, with its tokenizer: questions to vectors of length one.

    Args:
        model: The file's bytes.
        tokenizer: The tokenizer's file, as str.
        threads: How many cores it uses.
    """

    def __init__(self, model, tokenizer, threads=2):
        import tokenizers
        from ai_edge_litert.interpreter import Interpreter

        self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True  # "[SEP]" in a question is text, and ends nothing.
        self._special = [self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")]
        self._unknown = self._tokenizer.token_to_id("[UNK]")
        with runtime.hidden_stderr():  # It says how it runs.
            self._interpreter = Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
            self._runners = {
                length: self._interpreter.get_signature_runner(f"b1_l{length}") for length in LENGTHS
            }
        self._lock = threading.Lock()

    def __call__(self, texts):
        """Vectors `(n, width)`, and of each text the tokens it has and its share of unknown words."""
        vectors, counts, unknown = [], [], []
        clean = [imdb.clean(text.encode("utf-8", "replace").decode()) for text in texts]
        for encoding in self._tokenizer.encode_batch(clean, add_special_tokens=False):
            first, last = self._special
            ids = [first, *encoding.ids[: LENGTHS[-1] - 2], last]
            length = next(each for each in LENGTHS if len(ids) <= each)
            token_ids, mask = imdb.pad([ids], length)
            inputs = {"token_ids": token_ids, "segment_ids": np.zeros_like(token_ids)}
            with self._lock:
                outputs = self._runners[length](**inputs, padding_mask=mask.astype("int32"))
            vectors.append(next(iter(outputs.values()))[0])
            counts.append(len(encoding.ids) + 2)
            pieces = np.bincount(np.array(encoding.word_ids, "int64"))  # Tokens per word.
            odd = (pieces > 1).sum() + encoding.ids.count(self._unknown)
            unknown.append(float(odd / len(pieces)) if len(pieces) else 0.0)
        return unit(np.array(vectors)), counts, unknown


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the assistant makes of one question; the first fields are those of a `deployment.Prediction`.

    Attributes:
        label: Name of the proposed intent.
        probability: The head's.
        probabilities: Dict from each intent to its probability.
        tokens: How many tokens the question has, the two special ones included.
        truncated: Whether the encoder saw a part of them only.
        unknown: Share of words that the vocabulary does not hold as a whole.
        nearest: The nearest stored question of that intent.
        likeness: Its cosine with the question.
        trust: The product of probability and likeness.
        reply: What to say; None if a person shall answer.
    """

    label: str
    probability: float
    probabilities: dict
    tokens: int
    truncated: bool
    unknown: float
    nearest: str
    likeness: float
    trust: float
    reply: str | None


class Assistant:
    """A folder that `export` wrote, ready to answer. It needs numpy, tokenizers and ai-edge-litert only.

    Args:
        folder: The folder.
        threads: How many cores an answer uses.

    Attributes:
        card: What the folder says of itself, a dict.
        threshold: The trust from which it answers.

    Raises:
        ValueError: If a file is missing, damaged or of another version.
    """

    def __init__(self, folder, threads=2):
        self.card, files = _read(folder)
        try:
            self._encoder = Encoder(files[ENCODER], files[TOKENIZER].decode(), threads)
            with np.load(io.BytesIO(files[INDEX]), allow_pickle=False) as stored:
                self._index = Index(stored["vectors"], stored["labels"], stored["scales"])
                self._head = Head(stored["kernel"].astype("float32"), stored["bias"])
        except Exception as error:  # What each of the libraries raises differs.
            raise ValueError(f"{folder} holds no assistant that runs: {error}") from None
        self.threshold = self.card["threshold"]

    def __call__(self, text):
        """The `Answer` to one question."""
        return self.predict([text])[0]

    def predict(self, texts):
        """The answers to questions, a list of `Answer`.

        Raises:
            TypeError: If a question is no str.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise TypeError("`texts` is a sequence of str.")
        vectors, tokens, unknown = self._encoder(texts)
        probabilities = self._head.probabilities(vectors)
        labels = probabilities.argmax(axis=1)
        places, likeness = self._index.nearest(vectors, labels)
        trust = probabilities.max(axis=1) * np.maximum(likeness, 0)
        names, replies, stored = (self.card[key] for key in ("labels", "replies", "questions"))
        return [
            Answer(
                label=names[labels[i]],
                probability=float(probabilities[i].max()),
                probabilities=dict(zip(names, probabilities[i].tolist(), strict=True)),
                tokens=tokens[i],
                truncated=tokens[i] > LENGTHS[-1],
                unknown=unknown[i],
                nearest=stored[places[i]],
                likeness=float(likeness[i]),
                trust=float(trust[i]),
                reply=replies[labels[i]] if trust[i] >= self.threshold else None,
            )
            for i in range(len(texts))
        ]

    def warm_up(self):
        """Answers a short and a long question, which allocates what later answers need."""
        self.predict(["Hello?", "word " * LENGTHS[-1]])


def export(folder, backbone, questions, head, index, threshold, replace=False):
    """Writes an assistant as a folder that runs without TensorFlow, and measures it.

    Args:
        folder: The new folder.
        backbone: The encoder, as `weights.load_backbone("float32")` gives it.
        questions: A `data.Intents`; its training questions in scope are stored, in their order.
        head: A `Head`.
        index: An `Index` of their vectors.
        threshold: The trust from which it answers.
        replace: Whether an assistant that is there already is replaced.

    Returns:
        The folder.

    Raises:
        ValueError: If the index does not hold the training questions, or the folder is something else.
    """
    import keras

    from course_lib import quantization, weights

    inside = questions.train.labels != data.OUT
    if len(index) != inside.sum() or (index.labels != questions.train.labels[inside]).any():
        raise ValueError("`index` must hold the training questions in scope, in their order.")
    if folders.check(folder, "assistant", _own) and not replace:
        raise ValueError(f"{folder} is there already. Choose another name, or replace it (replace=True).")
    target = pathlib.Path(folder).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        model = keras.Model(backbone.input, weights.pooled(backbone))
        shapes = [(1, length) for length in LENGTHS]
        quantization.export(model, part / ENCODER, "dynamic", shapes=shapes)
        shutil.copy(weights.tokenizer_file(), part / TOKENIZER)
        stored = {"vectors": index.vectors, "labels": index.labels, "scales": index.scales}
        np.savez(part / INDEX, **stored, kernel=head.kernel.astype("float16"), bias=head.bias)
        card = {
            "format": FORMAT,
            "task": "Answers questions to a customer service, or hands them to a person.",
            "data": questions.name,
            "labels": list(questions.classes),
            "replies": list(questions.replies or map(_placeholder, questions.classes)),
            "questions": [text for text, kept in zip(questions.train.texts, inside, strict=True) if kept],
            "threshold": threshold,
            "limits": "It stores customers' questions, which may be personal. It answers one question at a "
            "time and remembers none before it.",
        }
        card["sha256"] = {name: fetch.file_sha256(part / name) for name in (ENCODER, TOKENIZER, INDEX)}
        card["version"] = hashlib.sha256("".join(card["sha256"].values()).encode()).hexdigest()[:12]
        _write(part, card)
        assistant = Assistant(part)
        watched = assistant.predict(_inside(questions.validation))
        names = list(questions.classes)
        card["reference"] = {
            "length": [each.tokens for each in watched],
            "unknown": [round(each.unknown, 4) for each in watched],
            "confidence": [round(each.probability, 4) for each in watched],
            "label": [names.index(each.label) for each in watched],
        }
        card["evaluation"] = evaluate(assistant, questions.test, names)
        card["megabytes"] = round(sum((part / name).stat().st_size for name in card["sha256"]) / 1e6, 1)
        _write(part, card)
        part.chmod(0o755)
        folders.move(part, target, "assistant", _own)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return pathlib.Path(folder)


def evaluate(assistant, part, names):
    """How an assistant does on questions: a dict of counts.

    Args:
        assistant: An `Assistant`, or anything with `predict`.
        part: A `data.Texts`.
        names: Names of the intents, by label.

    Returns:
        Dict of "questions", of which "in_scope"; of those in scope how many have the right intent
        ("right_intent"), are answered ("answered") and answered rightly ("right"); and how many out of scope
        are handed over ("handed_over").
    """
    found = assistant.predict(part.texts)
    inside = part.labels != data.OUT
    same = np.array([each.label == names[label] for each, label in zip(found, part.labels, strict=True)])
    answered = np.array([each.reply is not None for each in found])
    return {
        "questions": len(part),
        "in_scope": int(inside.sum()),
        "right_intent": int((same & inside).sum()),
        "answered": int((answered & inside).sum()),
        "right": int((answered & same & inside).sum()),
        "handed_over": int((~answered & ~inside).sum()),
    }


def make(folder, questions=None, replace=False):
    """Trains an assistant and writes it: encoder, head, index and threshold, as lesson 13 does it.

    Args:
        folder: The new folder.
        questions: A `data.Intents`; None takes the sample.
        replace: As for `export`.

    Returns:
        The folder.

    Raises:
        ValueError: As `export`.
        weights.WeightsError: If there are no pretrained weights.
    """
    questions = questions or data.sample("intents")
    runtime.quiet_logs()
    with runtime.hidden_stderr():
        from course_lib import fine_tuning, weights
    backbone = weights.load_backbone("float32")
    parts = (questions.train, questions.validation)
    train, held = (
        unit(fine_tuning.features(backbone, part.texts, sequence_length=LENGTHS[-1])) for part in parts
    )
    inside = questions.train.labels != data.OUT
    head = train_head(train, questions.train.labels)
    index = Index(train[inside], questions.train.labels[inside])
    proposed, trust = judge(held, head, index)
    share = SHARE if (questions.validation.labels == data.OUT).any() else None
    threshold = choose_threshold(trust, proposed, questions.validation.labels, WRONG, share)
    return export(folder, backbone, questions, head, index, threshold, replace)


@functools.cache
def sample_name():
    """The name of the sample's assistant in the cache: another sample has another."""
    text = json.dumps(dataclasses.asdict(data.sample("intents")), default=lambda array: array.tolist())
    return f"assistant-{hashlib.sha256(text.encode()).hexdigest()[:12]}-{FORMAT}"


def sample_assistant():
    """The sample's assistant in the cache; made at first use, which takes a minute and is said.

    Returns:
        Its folder.

    Raises:
        RuntimeError: As `make`.
    """
    folder = runtime.cache_dir(create=False) / sample_name()
    try:
        _read(folder)
    except ValueError:
        with fetch.lock(runtime.cache_dir() / folder.name):
            try:
                _read(folder)
            except ValueError:  # It is not there, or damaged.
                print(f"Making the sample's assistant, once, in {folder} ...", file=sys.stderr, flush=True)
                shutil.rmtree(folder, ignore_errors=True)  # It is the course's own.
                make(folder)
    return folder


def _placeholder(name):
    return f"(Here your team's answer would stand, on: {name.replace('_', ' ')}.)"


def _inside(part):
    return [text for text, label in zip(part.texts, part.labels, strict=True) if label != data.OUT]


def _write(folder, card):
    with runtime.atomic_write(folder / CARD) as part:
        part.write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
    found = card.get("evaluation")
    if found is None:
        return
    outside = found["questions"] - found["in_scope"]
    text = f"""# {card["task"]}

Data: {card["data"]}; {len(card["labels"])} intents, {len(card["questions"])} stored questions,
{card["megabytes"]} MB.

Of {found["in_scope"]} test questions in scope it answers {found["answered"]}, {found["right"]} of them
rightly; of {outside} out of scope it hands {found["handed_over"]} to a person.

{card["limits"]}
"""
    with runtime.atomic_write(folder / "README.md") as part:
        part.write_text(text, encoding="utf-8")


def _read(folder):
    """The card of an assistant, and the bytes of the files that it names, which are checked."""
    folder = pathlib.Path(folder)
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        files = {name: (folder / name).read_bytes() for name in (ENCODER, TOKENIZER, INDEX)}
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        right = (
            card["format"] == FORMAT
            and card["sha256"] == sums
            and len(card["labels"]) == len(card["replies"])
            and isinstance(card["threshold"], float)
            and isinstance(card["questions"], list)
        )
    except OSError as error:
        raise ValueError(
            f"{folder} is no assistant that `course assist` made: {error.filename}: {error.strerror}. {AGAIN}"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder} is no assistant that `course assist` made: {error}. {AGAIN}") from None
    if not right:
        raise ValueError(
            f"{folder} is damaged, or of another version: its files are not those of its card. {AGAIN}"
        )
    return card, files


def _own(folder):
    _read(folder)
    return FILES
