"""The machine a lesson runs on: seeds, device, precision, quiet logs, folders.

`setup()` is the first call of every lesson. TensorFlow, Keras and matplotlib are imported inside functions
only, so that importing this module stays cheap.
"""

import contextlib
import ctypes
import dataclasses
import errno
import functools
import gc
import importlib.metadata
import importlib.util
import json
import numbers
import os
import pathlib
import platform
import sys
import tempfile

BACKENDS = ("tensorflow", "jax")
# Variables that name files or folders of the course.
PATHS = ("COURSE_CACHE", "COURSE_CAPSTONE", "COURSE_IMDB", "COURSE_PROGRESS", "COURSE_WEIGHTS")


@dataclasses.dataclass(frozen=True)
class Environment:
    """What `setup` found and chose.

    Attributes:
        seed: The seed given to Python, NumPy and Keras.
        backend: `"tensorflow"` or `"jax"`.
        device: `"CPU"`, `"GPU"` or `"TPU"`.
        device_count: How many of them training uses.
        device_name: The device in words, as its driver reports it.
        precision: The Keras dtype policy, for example `"float32"` or `"mixed_bfloat16"`.
        versions: Versions of Python and the libraries, by name.
        strategy: The `tf.distribute` strategy on several TensorFlow devices, else None.
    """

    seed: int
    backend: str
    device: str
    device_count: int
    device_name: str
    precision: str
    versions: dict[str, str]
    strategy: object = dataclasses.field(default=None, repr=False)

    def scope(self):
        """Context in which to build a model so that all devices hold it; does nothing on a single device."""
        return self.strategy.scope() if self.strategy is not None else contextlib.nullcontext()

    def __str__(self):
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        count = f"{self.device_count} x " if self.device_count > 1 else ""
        return "\n".join(
            [
                f"versions   {versions}",
                f"device     {count}{self.device}: {self.device_name} (Keras on {self.backend})",
                f"precision  {self.precision}, seed {self.seed}",
            ]
        )


def setup(seed=0, precision=None):
    """Prepares this process for a lesson and prints what it found.

    Seeds Python, NumPy and Keras and asks for deterministic operations; chooses the precision by device
    (`mixed_bfloat16` on a TPU and on a GPU of compute capability 8.0 or more, `mixed_float16` on a GPU of 7.0
    or more, else `float32`); spreads training over all devices of one kind; silences the start-up messages of
    TensorFlow; sets the course's matplotlib style, and Keras's own defaults where `keras.json` has others.

    Args:
        seed: Any integer from 0 to 2**32 - 1.
        precision: A Keras dtype policy to use instead of the device's own.

    Returns:
        An `Environment`.

    Raises:
        ValueError: If `seed`, `precision`, the Keras backend or a `COURSE_` variable is not usable.
    """
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must be an integer from 0 to 2**32 - 1. Received: seed={seed!r}")
    seed = int(seed)
    for name in PATHS:
        if (named := os.environ.get(name)) and not pathlib.Path(named).expanduser().is_absolute():
            raise ValueError(
                f"{name} must be an absolute path, because each notebook starts in its own folder. "
                f"Received: {named!r}"
            )
    keras = import_keras()
    backend = keras.backend.backend()
    with hidden_stderr():
        # The lessons were written and measured with these; a learner's own keras.json may say otherwise.
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        keras.utils.set_random_seed(seed)  # Imports TensorFlow on any backend.
        device, names, capability = devices(backend)
    chosen = default_precision(device, capability) if precision is None else precision
    try:
        policy = keras.dtype_policies.get(chosen)
        if "float" not in policy.compute_dtype:
            raise ValueError(f"Layers compute in floating point, not in {policy.compute_dtype}")
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"`precision` must be a Keras dtype policy such as 'float32' or 'mixed_bfloat16'. "
            f"Received: precision={precision!r}"
        ) from error
    keras.config.set_dtype_policy(policy)
    if backend == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # TensorFlow sets its own level when it is imported.
        tf.config.experimental.enable_op_determinism()
    from course_lib import plots

    plots.use_style()
    environment = Environment(
        seed=seed,
        backend=backend,
        device=device,
        device_count=len(names),
        device_name=names[0],
        precision=policy.name,
        versions=versions(),
        strategy=_distribute(backend, device, names),
    )
    print(environment)
    return environment


class KerasSettingsError(ValueError):
    """Keras is set up for something that lessons do not run on; the message says what to do.

    Attributes:
        problem: What is wrong.
        remedy: What to do.
    """

    def __init__(self, problem, remedy):
        super().__init__(f"{problem} {remedy}")
        self.problem, self.remedy = problem, remedy


def import_keras():
    """Imports Keras without its libraries' messages, unless it is set up for another backend.

    Returns:
        The module.

    Raises:
        KerasSettingsError: If the lessons do not run on the backend, it is not installed, or Keras refuses
            its settings. The backend is looked at first, because Keras cannot be imported on one that is not
            installed.
    """
    backend, where = _keras_backend()
    known = backend in BACKENDS
    if not known or not (backend in sys.modules or importlib.util.find_spec(backend)):
        remedy = "export KERAS_BACKEND=tensorflow before Python starts."
        if where == "KERAS_BACKEND":
            remedy = "Unset KERAS_BACKEND, or set it to tensorflow or jax, before Python starts."
        elif where:
            remedy = f"Correct {where}, or {remedy}"
        problem = f"Keras is set to run on {backend!r}{f' by {where}' if where else ''}, "
        problem += "which is not installed." if known else f"and the lessons run on one of {BACKENDS}."
        raise KerasSettingsError(problem, remedy)
    quiet_logs()
    with hidden_stderr():
        try:
            import keras
        except (ValueError, AssertionError) as error:  # Older ones only assert, and say nothing.
            path = keras_settings()
            if path.is_file():
                said = str(error) or "a value in it is invalid."
                raise KerasSettingsError(
                    f"Keras does not accept {path}: {said}", "Correct or remove that file."
                ) from error
            raise
    return keras


def _keras_backend():
    """The backend that Keras has or will have, and the variable or file that chose it, None for neither."""
    named = os.environ.get("KERAS_BACKEND")
    if "keras" in sys.modules:
        import keras

        return keras.backend.backend(), "KERAS_BACKEND" if named else None
    if named:
        return named, "KERAS_BACKEND"
    path = keras_settings()
    with contextlib.suppress(OSError, ValueError, AttributeError):  # What it cannot read, Keras does without.
        chosen = json.loads(path.read_text(encoding="utf-8")).get("backend")
        if chosen is not None:
            return chosen, str(path)
    return "tensorflow", None


def keras_settings():
    """The `keras.json` that Keras reads when it is imported; it need not exist."""
    if (folder := os.environ.get("KERAS_HOME")) is None:
        home = os.path.expanduser("~")
        folder = os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")  # noqa: S108
    return pathlib.Path(folder, "keras.json").expanduser()


def default_precision(device, capability=None):
    """The dtype policy that suits a device.

    Args:
        device: `"CPU"`, `"GPU"` or `"TPU"`.
        capability: CUDA compute capability as a tuple, for example `(7, 5)`; None if unknown.

    Returns:
        The name of a Keras dtype policy. Half-precision matrix units: bfloat16 since compute capability 8.0,
        float16 since 7.0 (NVIDIA, CUDA C++ Programming Guide, "Compute Capabilities").
    """
    if device == "TPU":
        return "mixed_bfloat16"
    if device == "GPU" and capability is not None:
        if capability >= (8, 0):
            return "mixed_bfloat16"
        if capability >= (7, 0):
            return "mixed_float16"
    return "float32"


def devices(backend):
    """Returns (kind, a name per device, compute capability or None) of the fastest kind of device present."""
    if backend == "jax":
        import jax

        found = jax.devices()
        kind = found[0].platform.upper()
        kind = "GPU" if kind in ("CUDA", "ROCM") else kind
        capability = getattr(found[0], "compute_capability", None)
        capability = tuple(int(part) for part in str(capability).split(".")) if capability else None
        names = [cpu_name() if kind == "CPU" else each.device_kind for each in found]
        return kind, names, capability
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        names = [each.get("device_name", "unknown model") for each in details]
        return "GPU", names, details[0].get("compute_capability")
    return "CPU", [cpu_name()] * len(tf.config.list_logical_devices("CPU")), None


def _distribute(backend, device, names):
    """Spreads training over several devices; returns the `tf.distribute` strategy where there is one."""
    if len(names) < 2:
        return None
    if backend == "jax":
        import keras

        keras.distribution.set_distribution(keras.distribution.DataParallel())
        return None
    import tensorflow as tf

    return tf.distribute.MirroredStrategy([f"{device}:{i}" for i in range(len(names))])


def hosted():
    """Whether this is Colab or Kaggle, where a notebook installs the course itself and `make` has not run."""
    return "google.colab" in sys.modules or "KAGGLE_KERNEL_RUN_TYPE" in os.environ


def quiet_logs():
    """Silences TensorFlow's and absl's start-up messages; call it before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import logging
    import warnings

    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    # Raised inside these libraries by newer NumPy and protobuf: nothing a learner can act on.
    for module in ("tensorflow", "keras", "keras_hub", "google"):
        warnings.filterwarnings("ignore", module=rf"{module}(\.|$)")
    # KerasHub's download helpers look for notebook widgets, which no lesson needs.
    warnings.filterwarnings("ignore", message="IProgress not found")


@contextlib.contextmanager
def hidden_stderr():
    """Hides what native code writes to stderr inside the block, and shows it after all if the block raises.

    TensorFlow's C++ libraries write to file descriptor 2 before their own log level applies, so neither
    Python's `redirect_stderr` nor `TF_CPP_MIN_LOG_LEVEL` reaches those lines.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        saved = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


def versions():
    """Versions of Python and of the libraries that lessons stand on, read from package metadata."""
    found = {"Python": platform.python_version()}
    for label, name in [("TensorFlow", "tensorflow"), ("Keras", "keras"), ("KerasHub", "keras-hub")]:
        try:
            found[label] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[label] = "not installed"
    return found


@functools.cache
def cpu_name():
    """The CPU's model name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


def cache_dir(create=True):
    """The one folder that the course writes to outside the clone: downloads and converted weights.

    `COURSE_CACHE` names it; the default is `attention-to-edge` in the user's cache folder. It may be another
    user's and read-only: what is complete in it is used.

    Args:
        create: Whether to make it if it is missing. Who only looks for something there must not need to.

    Returns:
        A `pathlib.Path`.

    Raises:
        OSError: If it cannot be created, or it is there and cannot be read; the message names `COURSE_CACHE`.
    """
    named = os.environ.get("COURSE_CACHE")
    path = None
    try:
        path = pathlib.Path(named).expanduser().absolute() if named else user_dir("XDG_CACHE_HOME", ".cache")
        if create:
            path.mkdir(parents=True, exist_ok=True)
        if os.path.isdir(path) and not os.access(path, os.R_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, RuntimeError) as error:  # RuntimeError: the system knows no home folder.
        problem = "read" if path and os.path.isdir(path) else "create"
        raise OSError(
            getattr(error, "errno", None) or errno.ENOENT,
            f"cannot {problem} the course's cache folder ({getattr(error, 'strerror', None) or error}): "
            "set COURSE_CACHE to a folder you can write to",
            str(path or named or "~/.cache"),
        ) from error
    return path


def user_dir(variable, default):
    """The course's folder in one of the user's own, by the XDG specification; it is not created.

    Args:
        variable: Such as `"XDG_CACHE_HOME"`. A relative path in it is to be ignored.
        default: The folder in the home folder if the variable names none, such as `".cache"`.

    Returns:
        A `pathlib.Path`.

    Raises:
        RuntimeError: If the system knows no home folder.
    """
    home = pathlib.Path(os.environ.get(variable, ""))
    return (home if home.is_absolute() else pathlib.Path.home() / default) / "attention-to-edge"


@contextlib.contextmanager
def atomic_write(path, private=False):
    """Gives a temporary path beside `path`; a block that ends well renames it to `path`, else it is removed.

    Args:
        path: The file to write. Its folder must exist.
        private: Whether only this account may read it.

    Yields:
        A `pathlib.Path` on the same file system.
    """
    path = pathlib.Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        error.filename = str(path)  # The name that the caller gave says more than one that was made up.
        raise
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        if not private:  # As mkstemp makes files; a cache may be shared.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def build_training(model, labels, outputs):
    """Makes the variables of a compiled model's optimizer and metrics before it is trained.

    Keras on TensorFlow makes them while `fit` traces the training step. TensorFlow then traces the step a
    second time, without them, which takes seconds for an encoder.

    Args:
        model: A compiled `keras.Model`. One that has no weights yet is left as it is.
        labels: Labels of any batch: an array, or a dict of arrays for several outputs. Their shape counts.
        outputs: What the model makes of such a batch, in the same form.
    """
    if not model.trainable_variables:
        return
    model.optimizer.build(model.trainable_variables)
    if isinstance(outputs, dict):  # Each output's loss then has a mean of its own.
        model.compute_loss(None, labels, outputs)
    model.compute_metrics(None, labels, outputs)
    model.reset_metrics()


def release_memory():
    """Lets go of what nothing refers to any more, and hands memory back to the system where that is possible.

    Keras models refer to themselves, so they stay until Python's collector comes by; and glibc keeps freed
    memory for later, which adds up when a lesson trains one network after another.
    """
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
