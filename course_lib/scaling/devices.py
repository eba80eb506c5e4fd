"""A small training on several devices, with Keras: `DataParallel`, `ModelParallel`, `MirroredStrategy`.

The devices are virtual ones of this machine's processor, which must be asked for before JAX or TensorFlow
starts. So each training runs in processes of its own, which `on_devices` starts:

    python -m course_lib.scaling.devices FOLDER PROCESS

reads the batches and settings in FOLDER and writes what came out there, as JSON. It does what a script on
real accelerators does, apart from the environment that `on_devices` gives it.
"""

import dataclasses
import hashlib
import importlib.util
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np

KINDS = ("one device", "data parallel", "model parallel", "mirrored")


@dataclasses.dataclass(frozen=True)
class Run:
    """What came out of one training, as one of its processes saw it.

    Attributes:
        losses: The loss of each step, before its update.
        digest: The same for equal weights after the last step, to the last bit.
        bytes: Bytes of weights, by device that this process holds, in their order.
        devices: How many devices took part, those of other processes included.
    """

    losses: list[float]
    digest: str
    bytes: list[int]
    devices: int


def on_devices(ids, labels, kinds=("data parallel",), devices=4, processes=1, timeout=300):
    """Trains a small encoder on a few batches, once for each kind.

    Args:
        ids: Int array of shape `(steps, batch, length)`: token ids, 0 where there is padding.
        labels: Int array of shape `(steps, batch)`.
        kinds: Of `KINDS`. All but "mirrored" need JAX.
        devices: Of all processes together.
        processes: On how many the devices are shared out. Each feeds its share of every batch.
        timeout: Seconds until all processes are ended.

    Returns:
        Dict from the kind to a list of `Run`, one for each process.

    Raises:
        ImportError: If JAX is needed and missing.
        ValueError: If the devices cannot be shared equally.
        RuntimeError: If a process fails, with what it wrote, or the time is over.
    """
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"`kinds` must be of {KINDS}. Received: {sorted(unknown)}")
    if devices % processes or ids.shape[1] % devices:
        raise ValueError(
            "The devices must be shared equally by processes, and the batch by devices. "
            f"Received: devices={devices}, processes={processes}, a batch of {ids.shape[1]}"
        )
    backend = "tensorflow" if "mirrored" in kinds else "jax"
    if backend == "jax" and importlib.util.find_spec("jax") is None:
        raise ImportError('Keras shares a model among devices on JAX: pip install "course-lib[scale]"')
    settings = {"kinds": list(kinds), "devices": devices, "processes": processes, "port": _free_port()}
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices // processes}",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        np.savez(path / "batches.npz", ids=ids, labels=labels)
        (path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        command = [sys.executable, "-m", "course_lib.scaling.devices", folder]
        started = []
        try:
            for process in range(processes):
                with (path / f"{process}.log").open("w", encoding="utf-8") as log:
                    started.append(
                        subprocess.Popen(  # noqa: S603  Our own interpreter and module.
                            [*command, str(process)], stdout=log, stderr=subprocess.STDOUT, env=environment
                        )
                    )
            end = time.monotonic() + timeout
            # The first to fail ends all: the others would wait for it.
            while None in (codes := [each.poll() for each in started]) and not any(codes):
                if time.monotonic() > end:
                    raise RuntimeError(f"The processes took more than {timeout} s: {_logs(path)}")
                time.sleep(0.05)
        finally:
            for each in started:
                each.kill()
                each.wait()
        if any(codes):
            raise RuntimeError(f"A process failed: {_logs(path)}")
        found = [
            json.loads((path / f"{process}.json").read_text(encoding="utf-8")) for process in range(processes)
        ]
    return {kind: [Run(**each[kind]) for each in found] for kind in kinds}


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _logs(path):
    return "\n".join(log.read_text(encoding="utf-8", errors="replace")[-2000:] for log in path.glob("*.log"))


def small_encoder():
    """A compiled classifier of one block with weights that are the same on every machine and backend."""
    import keras

    from course_lib import transformer, weights

    encoder = transformer.encoder(len(weights.vocabulary()), 1, 4, 64, 256, max_length=128, dropout=0.0)
    logits = keras.layers.Dense(2, name="logits")(encoder.output["pooled_output"])
    model = keras.Model(encoder.input, logits)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if variable.path.endswith(("kernel", "embeddings")):
            variable.assign(rng.normal(scale=0.05, size=variable.shape).astype("float32"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def split_layout(mesh):
    """How the kernels of `small_encoder` are split over the axis "model" of a mesh of devices.

    What leads into heads and into the wide layer is split by columns, what leads out of them by rows (Shoeybi
    et al. 2019, "Megatron-LM", arXiv:1909.08053); tables are split by columns. The rest is kept whole.

    Args:
        mesh: A `keras.distribution.DeviceMesh`.

    Returns:
        A `keras.distribution.LayoutMap`.
    """
    import keras

    layout = keras.distribution.LayoutMap(mesh)
    layout["attention/(query|key|value)/kernel"] = (None, "model")
    layout["attention/(query|key|value)/bias"] = ("model",)
    layout["attention/attention_output/kernel"] = ("model", None)
    layout["intermediate_dense/kernel"] = (None, "model")
    layout["intermediate_dense/bias"] = ("model",)
    layout["output_dense/kernel"] = ("model", None)
    layout["token_embedding/embeddings"] = (None, "model")
    return layout


def distribution(kind, devices):
    """What to hand to `keras.distribution.set_distribution` for a kind of training on JAX.

    Args:
        kind: "one device", "data parallel" or "model parallel".
        devices: Names of devices, as `keras.distribution.list_devices` gives them.

    Returns:
        A `keras.distribution.Distribution`.
    """
    import keras

    if kind == "model parallel":
        mesh = keras.distribution.DeviceMesh((1, len(devices)), ("batch", "model"), devices)
        return keras.distribution.ModelParallel(
            layout_map=split_layout(mesh), batch_dim_name="batch", auto_shard_dataset=False
        )
    chosen = devices[:1] if kind == "one device" else devices
    return keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)


def train_on_jax(kind, ids, labels, process, processes):
    """Trains `small_encoder`; each process feeds its share of every batch, and sees the loss of all of it."""
    import keras

    shared = distribution(kind, keras.distribution.list_devices("cpu"))
    keras.distribution.set_distribution(shared)
    model = small_encoder()
    losses = []
    for step_ids, step_labels in zip(ids, labels, strict=True):
        mine = np.array_split(np.arange(len(step_ids)), processes)[process]
        losses.append(float(model.train_on_batch(inputs(step_ids[mine]), step_labels[mine])))
    return model, losses, shared.device_mesh.devices.size


def train_mirrored(ids, labels, count):
    """Trains `small_encoder` with TensorFlow's strategy for several devices of one process."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    with tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)]).scope():
        model = small_encoder()
    losses = []
    for step_ids, step_labels in zip(ids, labels, strict=True):
        options = {"batch_size": len(step_ids), "shuffle": False, "verbose": 0}
        losses += model.fit(inputs(step_ids), step_labels, **options).history["loss"]
    return model, losses, count


def inputs(ids):
    """What the encoder takes, of token ids of shape `(batch, length)`."""
    return {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": (ids != 0).astype("int32")}


def held(model):
    """Bytes of weights by device of this process."""
    found = {}
    for variable in model.weights:
        value = variable.value
        shards = getattr(value, "addressable_shards", None)
        if shards is None:  # TensorFlow: a mirrored variable has a whole copy on each device.
            for copy in getattr(value, "values", (value,)):
                found[copy.device] = found.get(copy.device, 0) + copy.numpy().nbytes
            continue
        for shard in shards:
            found[shard.device.id] = found.get(shard.device.id, 0) + shard.data.nbytes
    return [found[device] for device in sorted(found)]


def digest(model):
    """The same text for equal weights, to the last bit."""
    import keras

    total = hashlib.sha256()
    for variable in model.weights:
        total.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).tobytes())
    return total.hexdigest()[:16]


def main(folder, process):
    """What each process does."""
    path = pathlib.Path(folder)
    settings = json.loads((path / "settings.json").read_text(encoding="utf-8"))
    with np.load(path / "batches.npz") as file:
        ids, labels = file["ids"], file["labels"]
    processes = settings["processes"]
    import keras

    if processes > 1:
        import jax

        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        keras.distribution.initialize(f"127.0.0.1:{settings['port']}", processes, process)
    found = {}
    for kind in settings["kinds"]:
        if kind == "mirrored":
            model, losses, count = train_mirrored(ids, labels, settings["devices"])
        else:
            model, losses, count = train_on_jax(kind, ids, labels, process, processes)
        found[kind] = Run(losses, digest(model), held(model), count)
    text = json.dumps({kind: dataclasses.asdict(run) for kind, run in found.items()})
    (path / f"{process}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
