"""The pretrained encoder: found, checked against its published checksum, loaded by KerasHub.

all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020): BERT's architecture with 6 layers, 384 wide,
12 heads, 22.7 million parameters, Apache-2.0. Whoever carries the files need not be trusted: they are used
only if their SHA-256 is that of the files its authors published.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import tempfile

from course_lib import carriers, runtime

NAME = "all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
HUB = f"https://huggingface.co/sentence-transformers/{NAME}/resolve/{REVISION}"
REVIEWER = pathlib.Path(__file__).parent / "reviewer"
ADAPTER = "adapter.safetensors"
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
# What KerasHub reads from config.json. The course writes its own: a file less that needs a checksum.
CONFIG = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 384,
    "initializer_range": 0.02,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 6,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
TOKENIZER_CONFIG = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}


OTHER_CACHE = "Make room there, or set COURSE_CACHE to a folder that you can write to."
COPY = "copy the model's folder here from another machine and set COURSE_WEIGHTS to it."


class WeightsError(RuntimeError):
    """The pretrained weights cannot be used; the message says why and what to do.

    Attributes:
        problem: Why.
        remedy: What to do.
    """

    def __init__(self, problem, remedy):
        super().__init__(f"{problem} {remedy}")
        self.problem = problem
        self.remedy = remedy


class WeightsNotFoundError(WeightsError):
    """There are no weights on this machine."""


@dataclasses.dataclass(frozen=True)
class Weights:
    """Where the checked files are.

    Attributes:
        folder: Folder with `model.safetensors`, `tokenizer.json` and `vocab.txt`.
        origin: In words, who brought them.
        sha256: SHA-256 of `model.safetensors`.
    """

    folder: pathlib.Path
    origin: str
    sha256: str


def find():
    """Finds the weights and checks them.

    Looks into the folder named by `COURSE_WEIGHTS`, then the carrier package that `make lab` installs, then
    the cache that `course fetch weights` fills. On Colab and Kaggle the last is done at once, with a line
    that says so.

    Returns:
        A `Weights`.

    Raises:
        WeightsNotFoundError: If they are nowhere.
        WeightsError: If the first place that has them has other bytes than published.
    """
    named = os.environ.get("COURSE_WEIGHTS")
    if named:
        folder = pathlib.Path(os.path.expanduser(named)).absolute()
        if not os.path.isfile(folder / "model.safetensors"):
            raise WeightsNotFoundError(
                f"COURSE_WEIGHTS is set, but there is no model.safetensors in {folder}.",
                _remedy("COURSE_WEIGHTS"),
            )
        return _checked(folder, "COURSE_WEIGHTS")
    if (folder := carriers.find("weights")) is not None:
        return _checked(folder, f"package {carriers.CARRIERS['weights'].package}")
    folder = cache_folder()
    if not os.path.isfile(folder / "model.safetensors"):
        if not runtime.hosted():
            raise WeightsNotFoundError(
                f"The pretrained weights ({NAME}, 91 MB) are not on this machine.",
                "With a network: `course fetch weights`, or `make lab`, which installs them. Without: "
                f"{COPY}",
            )
        print(f"Fetching {NAME} (91 MB) from Hugging Face ...")
        fetch()
    return _checked(folder, "course fetch weights")


def cache_folder():
    """The folder in the cache that `fetch` fills."""
    return runtime.cache_dir(create=False) / NAME


def fetch():
    """Downloads the weights from Hugging Face into the cache; files that are there and right stay.

    Returns:
        The folder.

    Raises:
        fetch.FetchError: If a file cannot be had or has another checksum.
    """
    from course_lib import fetch as transfer

    folder = runtime.cache_dir() / NAME
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise transfer.FetchError(
            f"Cannot write to {folder.parent}: {error.strerror}. {OTHER_CACHE}"
        ) from error
    for name, digest in SHA256.items():
        remedy = f"`make lab` brings them from the package index. Or {COPY}"
        transfer.download([f"{HUB}/{name}"], folder / name, sha256=digest, remedy=remedy)
    return folder


def _checked(folder, origin):
    for name, expected in SHA256.items():
        path = folder / name
        if not path.is_file():
            raise WeightsError(f"{folder} (from {origin}) lacks {name}.", _remedy(origin))
        try:
            stat = path.stat()
            found = _sha256(path, stat.st_mtime_ns, stat.st_size)
        except OSError as error:
            raise _unreadable(path, error.strerror) from error
        if found != expected:
            raise WeightsError(
                f"{path} (from {origin}) is not the published file: its SHA-256 is {found}, expected "
                f"{expected}. It was not loaded.",
                _remedy(origin),
            )
    return Weights(folder, origin, SHA256["model.safetensors"])


def _unreadable(path, reason):
    remedy = f"Let its owner run `chmod -R a+rX {path.parent}`, or set COURSE_CACHE to a folder of your own."
    return WeightsError(f"{path} cannot be read: {reason}.", remedy)


def _remedy(origin):
    if origin == "COURSE_WEIGHTS":
        return "Unset COURSE_WEIGHTS, or point it to an intact copy."
    if origin.startswith("package"):
        return "Run `make clean` and `make lab` to install it anew."
    return "Run `course fetch weights` to download it anew."


@functools.cache
def _sha256(path, _modified, _size):
    return _digest(path)


def _digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def preset():
    """A folder that `from_preset` of the installed KerasHub reads.

    Up to 0.31 KerasHub knows this model's tensors only under BERT's older names, so the folder holds a copy
    with those, which newer versions read too. It is made once, in the cache.

    Returns:
        The folder, as a `pathlib.Path`.

    Raises:
        WeightsError: As `find`, or if the copy cannot be written.
    """
    found = find()
    folder = preset_folder()
    if not os.path.isdir(folder):  # One that is there may be another user's, in a cache that is read-only.
        import safetensors.numpy

        tensors = safetensors.numpy.load_file(found.folder / "model.safetensors")
        _write_preset(tensors, runtime.cache_dir() / folder.name, OTHER_CACHE)
    if not os.access(folder / "model.safetensors", os.R_OK):
        raise _unreadable(folder / "model.safetensors", "it is private or missing")
    return folder


def preset_folder():
    """Where `preset` keeps the copy, whether it is there or not."""
    return runtime.cache_dir(create=False) / f"{NAME}-keras-{SHA256['model.safetensors'][:12]}"


def _write_preset(tensors, folder, remedy):
    import safetensors.numpy

    source = find().folder
    renamed = {_older_name(key): value for key, value in tensors.items() if "position_ids" not in key}
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
            part = pathlib.Path(name) / "preset"
            part.mkdir()
            # safetensors makes its files private; a cache may be shared.
            with runtime.atomic_write(part / "model.safetensors") as file:
                safetensors.numpy.save_file(renamed, file, metadata={"format": "pt"})
            for file in ("vocab.txt", "tokenizer.json"):
                shutil.copyfile(source / file, part / file)
            (part / "config.json").write_text(json.dumps(CONFIG, indent=2))
            (part / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG, indent=2))
            if not folder.is_dir():  # Otherwise another process was first, with the same bytes.
                part.rename(folder)
    except (OSError, safetensors.SafetensorError) as error:
        if not folder.is_dir():
            reason = getattr(error, "strerror", None) or error
            problem = f"The encoder's converted copy (91 MB) cannot be written to {folder.parent}: {reason}."
            raise WeightsError(problem, remedy) from error


def _older_name(name):
    name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    return f"bert.{name}"


def load_backbone(dtype=None, pretrained=True):
    """The encoder without a head.

    Args:
        dtype: Keras dtype policy; None takes the global one.
        pretrained: False gives the same network with random weights.

    Returns:
        A `keras_hub.models.BertBackbone`: from `token_ids`, `padding_mask`, `segment_ids` of shape
        `(batch, length)` to a dict with `sequence_output` `(batch, length, 384)` and `pooled_output`
        `(batch, 384)`.

    Raises:
        WeightsError: As `find`.
    """
    import keras_hub

    return keras_hub.models.BertBackbone.from_preset(
        str(preset()), load_weights=pretrained, **({"dtype": dtype} if dtype else {})
    )


def classifier(backbone, num_classes=2, dropout=0.1):
    """Puts a new classification head on an encoder: mean of the tokens' vectors, dropout, one dense layer.

    The pretrained encoder was trained on means of token vectors (Reimers and Gurevych 2019), so the mean, and
    not BERT's `[CLS]` vector, is what it already knows to make.

    Args:
        backbone: A `keras_hub.models.BertBackbone`, as `load_backbone` gives it.
        num_classes: Number of logits.
        dropout: Rate of dropout before the dense layer.

    Returns:
        A `keras.Model` from the encoder's inputs, each `(batch, length)`, to float32 logits of shape
        `(batch, num_classes)`.
    """
    import keras

    outputs = keras.layers.Dropout(dropout, name="dropout")(pooled(backbone))
    # float32 under any policy: in half precision the loss would lose small differences between logits.
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")
    return keras.Model(backbone.input, logits(outputs), name="classifier")


def pooled(backbone):
    """The mean of an encoder's token vectors without padding: a symbolic float32 tensor `(batch, width)`.

    It is zeros for a text without tokens, where `keras.layers.GlobalAveragePooling1D` gives 0 / 0.
    """
    from keras import ops

    mask = ops.expand_dims(ops.cast(ops.cast(backbone.input["padding_mask"], "bool"), "float32"), -1)
    total = ops.sum(ops.cast(backbone.output["sequence_output"], "float32") * mask, axis=1)
    return total / ops.maximum(ops.sum(mask, axis=1), 1.0)


def load_reviewer(precision=None, path=None):
    """The course's classifier of film reviews: the encoder, fine-tuned on 20,000 IMDB reviews.

    What fine-tuning changed is part of the package, cut to matrices of low rank; it is added to the published
    weights here. `reviewer_card` says how it was made and how good it is.

    Args:
        precision: Keras dtype policy; None takes the global one.
        path: Another adapter, as `benchmarks/reviewer.py` writes it; None takes the package's.

    Returns:
        A `keras.Model`, as `classifier` makes it: from `token_ids`, `padding_mask` and `segment_ids` to the
        logits of negative and positive. It was trained on reviews cut to the card's `length` tokens, of which
        longer ones lose their middle.

    Raises:
        WeightsError: If the encoder is not here (as `find`), or the adapter is damaged.
    """
    import keras_hub
    import safetensors.numpy

    adapter = _read_adapter(REVIEWER / ADAPTER if path is None else pathlib.Path(path), path is None)
    tensors = safetensors.numpy.load_file(find().folder / "model.safetensors")
    _add(adapter, tensors)
    with tempfile.TemporaryDirectory() as name:
        remedy = "Make room there, or set TMPDIR to another folder."
        _write_preset(tensors, pathlib.Path(name) / "preset", remedy)
        backbone = keras_hub.models.BertBackbone.from_preset(
            str(pathlib.Path(name) / "preset"), **({"dtype": precision} if precision else {})
        )
    model = classifier(backbone)
    model.get_layer("logits").set_weights(
        [adapter["head.weight"].T.astype("float32"), adapter["head.bias"].astype("float32")]
    )
    return model


def reviewer_card():
    """The reviewer's card, a dict: data, recipe, versions, accuracy with interval, calibration, by kind."""
    return json.loads((REVIEWER / "card.json").read_text(encoding="utf-8"))


def _read_adapter(path, packaged):
    import safetensors
    import safetensors.numpy

    remedy = (
        "Install the course anew (`make clean`, then `make lab`)." if packaged else "Make or copy it anew."
    )
    try:
        if packaged and (found := _digest(path)) != reviewer_card()["sha256"]:
            raise WeightsError(
                f"{path} is not the file that the card describes: its SHA-256 is {found}.", remedy
            )
        return safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError, ValueError) as error:
        raise WeightsError(f"The reviewer's file {path} cannot be read: {error}.", remedy) from error


def _add(adapter, tensors):
    """Adds an adapter to the encoder's tensors, in place: `b @ a` to matrices, `delta` to the rest."""
    import numpy as np

    heads = {"head.weight": (2, CONFIG["hidden_size"]), "head.bias": (2,)}
    left = set(adapter) - set(heads)
    for name, value in tensors.items():
        if {f"{name}.a", f"{name}.b"} <= left:
            change = adapter[f"{name}.b"].astype("float32") @ adapter[f"{name}.a"].astype("float32")
        elif f"{name}.delta" in left:
            change = adapter[f"{name}.delta"].astype("float32")
        else:
            continue
        if change.shape != value.shape or not np.isfinite(change).all():
            raise WeightsError(f"The reviewer's change of {name} does not fit the encoder.", "Make it anew.")
        tensors[name] = value + change
        left -= {f"{name}.a", f"{name}.b", f"{name}.delta"}
    wrong = [name for name, shape in heads.items() if name not in adapter or adapter[name].shape != shape]
    if left or wrong:
        raise WeightsError(
            f"The file is no reviewer of this encoder: {sorted(left)[:3] + wrong} are missing, left over or "
            "of another shape.",
            "Make it anew.",
        )


def vocabulary():
    """The 30,522 WordPiece tokens of BERT's uncased English vocabulary, by id."""
    return (find().folder / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")


def tokenizer_file():
    """The path of `tokenizer.json`, for the Hugging Face `tokenizers` library."""
    return find().folder / "tokenizer.json"
