"""Classifiers as bundles: written, measured, and put in their place."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile

import numpy as np

from course_lib import fetch, imdb, runtime
from course_lib.deployment import folders
from course_lib.deployment.calibration import expected_calibration_error, fit_temperature
from course_lib.deployment.card import (
    FILES,
    FORMAT,
    MODEL,
    TOKENIZER,
    faults,
    parse,
    read_card,
    write_card,
)
from course_lib.deployment.classifier import Classifier, softmax
from course_lib.deployment.drift import WATCHED, features
from course_lib.deployment.latency import latency

MEASURED = ("temperature", "evaluation", "reference")  # What a card says of the bundle, not of a machine.
MODES = ("dynamic", "float16", "float32")
LENGTHS = (64, 128, 256)
BATCH_SIZE = 4  # Lesson 08 times it against single texts.


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
        ValueError: As `quantization.export` and `check_target`; if the model is no such classifier, has not
            one logit per label or knows too few tokens; or if an entry of the card is not usable.
    """
    from course_lib import quantization

    check_target(folder, replace)
    check_mode(mode)
    if not len(validation) or not len(test):
        raise ValueError("`validation` and `test` must have at least one text each.")
    if (outputs := _outputs(model)) != len(labels):
        raise ValueError(f"The model has {outputs} outputs and there are labels {labels}.")
    entries = {
        **_DEFAULT_CARD,
        **(card or {}),
        "format": FORMAT,
        "labels": list(labels),
        "temperature": 1.0,
        "truncation": truncation,
        "lengths": sorted(lengths),
        "mode": mode,
        "sha256": dict.fromkeys((MODEL, TOKENIZER), ""),  # Until they are there.
        **(measured or {}),
    }
    if wrong := faults(entries):
        raise ValueError(f"The card cannot be written: {'; '.join(wrong)}.")
    target = pathlib.Path(folder).resolve()  # Of a link, what it leads to.
    target.parent.mkdir(parents=True, exist_ok=True)
    part = pathlib.Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        shapes = [(texts, length) for length in sorted(lengths) for texts in (1, BATCH_SIZE)]
        quantization.export(model, part / MODEL, mode, shapes=shapes)
        _write_tokenizer(part / TOKENIZER)
        entries["sha256"] = {name: fetch.file_sha256(part / name) for name in (MODEL, TOKENIZER)}
        write_card(part, entries)
        if measured is None:
            entries |= _measured(part, validation, test)
        entries |= _timed(part, test)
        write_card(part, entries)
        part.chmod(0o755)
        check_target(target, replace)  # Again: making the bundle took minutes.
        folders.move(part, target, "bundle", _own)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return pathlib.Path(folder)


def _outputs(model):
    """How many logits a classifier gives; raises a ValueError for a model of another kind."""
    try:
        inputs, (_, outputs) = set(model.input), model.output_shape
    except (AttributeError, TypeError, ValueError):  # Not built, one input, several outputs, ...
        inputs, outputs = None, None
    if inputs != {"token_ids", "segment_ids", "padding_mask"} or not isinstance(outputs, int):
        raise ValueError(
            "This is no classifier of lessons 05 to 07: those take a dict of `token_ids`, `segment_ids` and "
            "`padding_mask`, and give logits of shape (batch, classes)."
        )
    return outputs


_DEFAULT_CARD = {
    "task": "Tells whether an English review is positive or negative.",
    "data": "not stated",
    "limits": "Expect more errors on other domains and languages than those of its training data, on irony, "
    "and on reviews that weigh both sides. Not for decisions about people.",
    "licence": "Apache-2.0 (code and the pretrained encoder all-MiniLM-L6-v2)",
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
    check_target(folder, replace)  # All this is found before TensorFlow loads.
    check_mode(mode)
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
        except Exception as error:  # Which one is up to what the file holds.
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
    from course_lib import weights

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
            shutil.rmtree(folder, ignore_errors=True)  # It is the course's own.
            export_file(folder)
    return folder


def check_mode(mode):
    """Raises a ValueError if a bundle cannot hold weights in this way."""
    if mode not in MODES:
        raise ValueError(f"`mode` of a bundle is one of {', '.join(MODES)}. Received: {mode!r}")


def check_target(folder, replace):
    """Raises a ValueError if a bundle cannot be put at a place, or something would be lost there.

    What is there already is replaced only if it is a bundle, with a valid card and no other files.

    Args:
        folder: The new bundle. It is left as it is.
        replace: Whether a bundle that is there may be replaced.

    Raises:
        ValueError: What is in the way, and what to do.
    """
    if folders.check(folder, "bundle", _own) and not replace:
        raise ValueError(
            f"{pathlib.Path(folder).resolve()} is there already. Choose another name, or replace it "
            "(--replace)."
        )


def _own(folder):
    parse(folder)
    return FILES


def _write_tokenizer(path):
    import tokenizers

    from course_lib import weights

    tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    path.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")  # Its own `save` hides what went wrong.


def _measured(folder, validation, test):
    """What the card says of the bundle itself, measured on it."""
    from course_lib import fine_tuning

    classifier = Classifier(folder)
    temperature = fit_temperature(classifier.logits(validation.texts), validation.labels)
    card = {**classifier.card, "temperature": temperature}
    write_card(folder, card)
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
        "reference": {name: [features(each)[name] for each in watched[:1000]] for name in WATCHED},
    }


def _timed(folder, test):
    """What the card says of the bundle on this machine."""
    seconds = latency(Classifier(folder), test.texts[:60], warmup=10)
    return {
        "megabytes": round((folder / MODEL).stat().st_size / 1e6, 1),
        "latency_ms": {f"p{q}": round(1e3 * float(np.percentile(seconds, q)), 1) for q in (50, 95)},
        "machine": f"{runtime.cpu_name()}, {min(4, os.cpu_count() or 1)} threads",
    }
