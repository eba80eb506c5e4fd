"""What one process of `course train` does: Keras on JAX, data parallel, with a checkpoint to go on from.

Every process holds the whole model and feeds its share of each batch; the gradients are averaged over all.
The order of texts, the dropout and the first weights depend on the seed and the step alone, so that a run
that was cut off goes on to the same losses, digit for digit, and two processes with a device each give those
of one process with two.

Sources: Keras, "Distributed training with Keras 3" (keras.io/guides/distribution); JAX, "Introduction to
multi-controller JAX" (docs.jax.dev/en/latest/multi_process.html).
"""

import contextlib
import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import socket
import sys
import threading
import time
import traceback

import numpy as np

from course_lib import runtime
from course_lib.scaling import launch

RESULT = "result.json"
MODEL = "model.keras"
LIBRARIES = ("jax", "jaxlib", "keras", "numpy")
# How native code begins where it says that it lost the others: gloo's collectives, JAX's coordination.
PEERS = ("Gloo", "oordination", "DEADLINE_EXCEEDED", "UNAVAILABLE", "NCCL", "Barrier")


class PeerError(RuntimeError):
    """Another process is gone."""


def main():
    """Trains as standard input says and reports in lines of JSON; the working process of `launch.train`."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What libraries print goes to the log.

    def report(event, **more):
        events.write(json.dumps({"event": event, **more}) + "\n")
        events.flush()

    options = launch.Options(**json.loads(sys.stdin.buffer.readline()))
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    if not options.pretrained:
        # Keras on JAX imports TensorFlow where it is, to seed it too: ten seconds for what nobody uses here.
        sys.modules["tensorflow"] = None
    code = 1
    try:
        train(options, report)
        code = 0
    except PeerError as error:
        report("error", kind="peer", message=str(error))
    except ValueError as error:
        traceback.print_exc()
        report("error", kind="value", message=str(error))
    except Exception as error:
        traceback.print_exc()
        report("error", kind="other", message=str(error) or type(error).__name__)
    sys.stderr.flush()
    if code and options.processes > 1:
        time.sleep(1)  # Where all have the same to say, JAX must not end the others before they did.
    os._exit(code)  # JAX's own end waits minutes for processes that are gone.


def _end_with_launcher():
    """Standard input ends when the process that started this one does, even if that was killed."""
    sys.stdin.buffer.read()
    os._exit(1)


def train(options, report):
    """Takes part in a training.

    Args:
        options: A `launch.Options`.
        report: Called with an event's name and its values: "joined", "start", "step", "kept" and "done".

    Raises:
        ValueError: If data, checkpoint and options do not go together.
        PeerError: If another process is gone.
    """
    began = time.monotonic()
    token_ids, labels, held_out = _data(options)
    steps_per_epoch = len(labels) // options.batch_size
    if not steps_per_epoch:
        raise ValueError(f"{len(labels)} texts are less than one batch. Choose a smaller --batch-size.")
    steps = steps_per_epoch * options.epochs
    with _peers():
        kind, count = _join(options)
        report("joined", devices=count, kind=kind)
        shares = count if count > 1 else options.processes
        if options.batch_size % shares:
            raise ValueError(
                f"--batch-size must be a multiple of the {shares} devices. Received: {options.batch_size}"
            )
        recipe = {**options.recipe(), "data": _digest(token_ids, labels)}
        _agree(options, {"versions": versions(), "recipe": recipe, "processes": options.processes})
        model = _model(options, steps)
        losses = _restore(options, model, recipe)
        report("start", step=len(losses), steps=steps)
        first, started = len(losses), time.monotonic()
        while len(losses) < steps:
            epoch, step = divmod(len(losses), steps_per_epoch)
            rows = share(options, len(labels), epoch, step)
            losses.append(float(model.train_on_batch(_inputs(token_ids[rows]), labels[rows])))
            done = len(losses)
            report("step", step=done)
            if done % options.every == 0 or done == steps:
                if options.index == 0:
                    _keep(options, model, recipe, losses)
                rate = (done - first) * options.batch_size / (time.monotonic() - started)
                report("kept", step=done, steps=steps, loss=losses[-1], rate=rate)
        weights = [np.asarray(value) for value in model.get_weights()] if options.index == 0 else None
        _leave(options)
    if options.index:
        return report("done", steps=steps)
    result = {
        "steps": steps,
        "losses": losses,
        **_finish(options, weights, *held_out),
        "texts": len(labels),
        "processes": options.processes,
        "devices": f"{count} x {kind}",
        "seconds": round(time.monotonic() - began, 1),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions(),
        "recipe": recipe,
    }
    with runtime.atomic_write(pathlib.Path(options.output, RESULT)) as path:
        path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return report("done", **result)


def versions():
    """Versions of Python and of the libraries that decide about digits, by name."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }


# Data


def _data(options):
    """Returns token ids `(n, length)` and labels `(n,)` to train on, and the same of what is held out."""
    from course_lib import imdb

    if options.data is None:
        corpus = imdb.load(verbose=False)
        texts, labels = list(corpus.train.texts), np.array(corpus.train.labels)
        held_out = corpus.validation.first(1000)
        more, answers = list(held_out.texts), np.array(held_out.labels)
    else:
        texts, labels = read_labelled(options.data)
        order = np.random.default_rng(0).permutation(len(texts))
        texts, labels = [texts[place] for place in order], labels[order]
        cut = max(1, len(texts) // 10)
        (more, texts), (answers, labels) = (texts[:cut], texts[cut:]), np.split(labels, [cut])
    texts, labels = texts[: options.reviews], labels[: options.reviews]

    def rows(texts):
        encoded = imdb.encode(texts, sequence_length=options.length, how="both")
        return imdb.pad(encoded, options.length)[0]

    return rows(texts), labels.astype("int32"), (rows(more), answers)


def read_labelled(path):
    """Reads texts and their labels.

    Args:
        path: A table as `course score` takes it, with columns `text` and `label`: 0 and 1, or negative and
            positive.

    Returns:
        `(texts, labels)`: a list of str and an int32 array.

    Raises:
        ValueError: If the file is none, a row is malformed, or a label is another.
    """
    from course_lib.scaling import tables

    known = {"0": 0, "1": 1, "negative": 0, "positive": 1}
    texts, labels = [], []
    with tables.open_table(path) as table:
        for row in table:
            given = None if row.reason else table.value(row, "label")
            label = known.get(str(given))
            if label is None:
                wrong = "it has no `label`" if given is None else f"its `label` is none of {', '.join(known)}"
                reason = row.reason or wrong
                raise ValueError(f"Line {row.line} of {path} cannot be used: {reason}.")
            texts.append(row.text)
            labels.append(label)
    if len(set(labels)) < 2:
        raise ValueError(f"{path} must have texts of both labels.")
    return texts, np.array(labels, "int32")


def share(options, total, epoch, step):
    """Which texts this process feeds into a step.

    Args:
        options: A `launch.Options`.
        total: How many texts there are.
        epoch: Passes done.
        step: Steps done in this pass. What does not fill a batch at its end is left out.

    Returns:
        Integer array of shape `(batch_size / processes,)`: the shares of all, one after the other, are the
        batch that one process would feed.
    """
    order = np.random.default_rng((options.seed, epoch)).permutation(total)
    batch = order[step * options.batch_size : (step + 1) * options.batch_size]
    return np.split(batch, options.processes)[options.index]


def _inputs(token_ids):
    mask = (token_ids != 0).astype("int32")  # [PAD] is 0.
    return {"token_ids": token_ids, "segment_ids": np.zeros_like(token_ids), "padding_mask": mask}


def _digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)).hexdigest()


# The others


@contextlib.contextmanager
def _peers():
    """Turns what native code says of lost processes into a `PeerError`."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # jaxlib raises either.
        first = str(error).partition("\n")[0]
        if any(word in first for word in PEERS):
            traceback.print_exc()
            raise PeerError(first[:200]) from error
        raise


def _join(options):
    """Waits until all processes have come; returns the kind of device and how many there are of all."""
    import jax

    if options.processes > 1:
        host, port = launch.address(options.coordinator)
        here = _own_address(host, options.wait)
        # `keras.distribution.initialize` calls just this, without limits of time: it would take minutes to
        # see that a process is gone. Its other half draws a common seed; ours is an option.
        jax.distributed.initialize(
            options.coordinator,
            options.processes,
            options.index,
            initialization_timeout=options.wait,
            heartbeat_timeout_seconds=options.timeout,
            shutdown_timeout_seconds=options.wait,
            # Who is alone on this machine is heard by nobody else on the network.
            coordinator_bind_address=f"{host}:{port}" if here.startswith("127.") or here == "::1" else None,
        )
        _announce(here)
    devices = jax.devices()
    if options.devices is not None and devices[0].platform != "cpu":
        raise ValueError(f"--devices is for CPUs; here JAX runs on {devices[0].device_kind}.")
    return devices[0].platform, len(devices)


def _own_address(host, wait):
    """This host's address on the way to another, whose name may not be known yet."""
    end = time.monotonic() + wait
    while True:
        try:
            family, *_, where = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(where)  # Sends nothing.
                return probe.getsockname()[0]
        except OSError as error:
            if time.monotonic() > end:
                raise PeerError(f"{host}: {error.strerror or error}") from error
            time.sleep(1)


def _announce(here):
    """Has gloo, which carries the gradients of CPUs, listen where the other hosts can reach it.

    By itself it takes what the host's own name resolves to, which is 127.0.0.1 or 127.0.1.1 on many a
    machine, and JAX has no setting for it yet.
    """
    import jax.extend

    def client():
        from jax._src import distributed, xla_bridge
        from jax._src.lib import _jax

        gloo = _jax.make_gloo_tcp_collectives(
            distributed_client=distributed.global_state.client, hostname=here
        )
        return xla_bridge.make_cpu_client(collectives=gloo)

    jax.extend.backend.register_backend_factory("cpu", client, priority=0, fail_quietly=False)


def _agree(options, mine):
    """Raises a ValueError if another process was started with other options, data or versions."""
    from jax.experimental import multihost_utils

    if options.processes == 1:
        return
    size = 8192
    text = json.dumps(mine, sort_keys=True).encode()[:size]
    found = multihost_utils.process_allgather(np.frombuffer(text.ljust(size), "uint8"))
    first = json.loads(found[0].tobytes())
    if mine != first:
        flat = [{**each["versions"], **each["recipe"]} for each in (first, mine)]
        other = [name for name in flat[1] if flat[0].get(name) != flat[1][name]]
        unequal = "; ".join(f"{name}: {flat[0].get(name)!r} and {flat[1][name]!r}" for name in other)
        raise ValueError(
            f"Process 0 and process {options.index} were not started alike, in this order: "
            f"{unequal or 'the number of processes'}."
        )
    if any(json.loads(each.tobytes()) != first for each in found):
        raise ValueError("Another process was not started as process 0 was; there it is said in what.")


def _leave(options):
    """All end together: nobody takes the other's end for a failure."""
    import jax

    if options.processes > 1:
        jax.distributed.shutdown()


# The model and what is kept of it


def _model(options, steps):
    keras = runtime.import_keras()
    from course_lib import fine_tuning

    keras.utils.set_random_seed(options.seed)
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    model = _build(options)
    peak = options.learning_rate or (1e-4 if options.pretrained else 1e-3)
    schedule = fine_tuning.WarmupCosine(peak, steps, min(steps // 10, steps - 1))
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.01, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=list(fine_tuning.NOT_DECAYED))
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    optimizer.build(model.trainable_variables)
    return model


def _build(options):
    from course_lib import fine_tuning, transformer, weights

    if options.pretrained:
        return fine_tuning.freeze_embeddings(
            weights.classifier(weights.load_backbone("float32"), dropout=options.dropout)
        )
    encoder = transformer.encoder(
        weights.CONFIG["vocab_size"],
        options.layers,
        options.heads,
        options.width,
        4 * options.width,
        dropout=options.dropout,
        dtype="float32",
    )
    return weights.classifier(encoder, dropout=options.dropout)


def _variables(model):
    """All that a step reads and changes, by name: weights, states of dropout, moments, the step."""
    found = [*model.variables, *model.optimizer.variables]
    return {f"{number:04d} {each.path}": each for number, each in enumerate(found)}


def _keep(options, model, recipe, losses):
    import safetensors.numpy

    tensors = {name: np.asarray(each.value) for name, each in _variables(model).items()}
    about = {"recipe": json.dumps(recipe), "versions": json.dumps(versions())}
    data = safetensors.numpy.save({**tensors, "losses": np.array(losses)}, about)
    with runtime.atomic_write(pathlib.Path(options.output, launch.CHECKPOINT)) as path:
        path.write_bytes(data)


def _restore(options, model, recipe):
    """Puts process 0's checkpoint into the model of every process; returns the losses up to there."""
    import safetensors
    import safetensors.numpy
    from jax.experimental import multihost_utils

    path = pathlib.Path(options.output, launch.CHECKPOINT)
    data = b""
    if options.index == 0 and path.is_file():
        data = path.read_bytes()
        _check_recipe(path, data, recipe)
    if options.processes > 1:  # Its folder may be on process 0's disk only.
        size = int(multihost_utils.broadcast_one_to_all(np.array(len(data), "int32")))
        sent = np.frombuffer(data.ljust(size, b"\0"), "uint8")
        data = multihost_utils.broadcast_one_to_all(sent).tobytes() if size else b""
    if not data:
        return []
    try:
        tensors = safetensors.numpy.load(data)
        losses = tensors.pop("losses").tolist()
        own = _variables(model)
        if {name: value.shape for name, value in tensors.items()} != {
            name: tuple(each.shape) for name, each in own.items()
        }:
            raise ValueError("it holds other weights")
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be gone on from: {error}. Remove it to start anew.") from error
    for name, each in own.items():
        each.assign(tensors[name])
    return losses


def _check_recipe(path, data, recipe):
    """Raises a ValueError if a checkpoint was not made with these options and texts."""
    try:
        size = int.from_bytes(data[:8], "little")
        before = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no checkpoint of `course train`. Remove it to start anew.") from error
    other = [name for name in recipe if before.get(name) != recipe[name]]
    if other:
        unequal = ", ".join(f"{name}: {before.get(name)!r}, now {recipe[name]!r}" for name in other)
        raise ValueError(
            f"{path} was made with other options ({unequal}). Give those, take another folder, or remove it."
        )


def _finish(options, weights, token_ids, labels):
    """Process 0, alone: writes the trained model and returns how it does on texts that were held out."""
    keras = runtime.import_keras()
    keras.distribution.set_distribution(None)
    model = _build(options)
    model.set_weights(weights)
    with runtime.atomic_write(pathlib.Path(options.output, MODEL)) as path:
        whole = path.with_suffix(".keras")  # Keras writes no other name.
        try:
            model.save(whole)
            whole.replace(path)
        finally:
            whole.unlink(missing_ok=True)
    logits = model.predict(_inputs(token_ids), batch_size=options.batch_size, verbose=0)
    return {"held_out": len(labels), "accuracy": float(np.mean(logits.argmax(-1) == labels))}


if __name__ == "__main__":
    main()
