"""What `runtime.setup` promises, on one device and on several, and what the course writes."""

import gc
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import types
import weakref

import matplotlib as mpl
import numpy as np
import pytest

from course_lib import plots, runtime

ROOT = pathlib.Path(__file__).resolve().parent.parent
OURS = ("COURSE_", "KERAS_BACKEND", "XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL", "PYTHONWARNINGS")


def run_python(code, **environment):
    """Runs code in a fresh Python on the CPU, as a learner's kernel would, without what conftest.py sets."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    kept |= {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def restored():
    """Undoes what `setup` changes in this process."""
    import keras

    policy = keras.config.dtype_policy()
    with mpl.rc_context():
        yield
    keras.config.set_dtype_policy(policy)


# setup


def trained(seed):
    """What training gives after `setup(seed)`: initial weights, shuffling and dropout draw on it."""
    import keras

    runtime.setup(seed)
    drawn = [random.random(), float(np.random.rand())]
    inputs = np.linspace(-1, 1, 96, dtype="float32").reshape(24, 4)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(inputs, inputs.sum(axis=1), batch_size=8, epochs=2, verbose=0)
    return drawn, model.get_weights()


@pytest.mark.backend
@pytest.mark.usefixtures("restored")
def test_a_seed_makes_python_numpy_and_training_repeat_exactly():
    drawn, weights = trained(3)
    again, weights_again = trained(3)
    other, weights_other = trained(4)

    assert drawn == again
    for one, two in zip(weights, weights_again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert drawn[0] != other[0]
    assert drawn[1] != other[1]
    assert np.abs(weights[0] - weights_other[0]).max() > 1e-3


@pytest.mark.backend
@pytest.mark.usefixtures("restored")
def test_setup_reports_what_it_applied(capsys):
    import keras

    environment = runtime.setup(seed=np.int64(7), precision="mixed_bfloat16")

    assert (environment.seed, type(environment.seed)) == (7, int)
    assert environment.precision == keras.config.dtype_policy().name == "mixed_bfloat16"
    assert environment.backend == keras.backend.backend()
    assert environment.versions["Keras"] == keras.__version__
    assert mpl.rcParams["image.cmap"] == plots.SEQUENTIAL
    printed = capsys.readouterr().out
    assert printed == f"{environment}\n"
    assert [line.split()[0] for line in printed.splitlines()] == ["versions", "device", "precision"]
    for fact in ("Keras " + keras.__version__, environment.device_name, "mixed_bfloat16, seed 7"):
        assert fact in printed


@pytest.mark.usefixtures("restored")
def test_precision_follows_the_device_when_none_is_asked_for(monkeypatch):
    monkeypatch.setattr(runtime, "devices", lambda backend: ("GPU", ["Tesla T4"], (7, 5)))

    assert runtime.setup().precision == "mixed_float16"
    assert runtime.setup(precision="float32").precision == "float32"


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "0", None, True])
def test_an_unusable_seed_is_refused(seed):
    with pytest.raises(ValueError, match=r"`seed` must be an integer from 0 to 2\*\*32 - 1.*Received"):
        runtime.setup(seed)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("precision", ["float99", "mixed_banana", "", 16, "int32", "string"])
def test_an_unusable_precision_is_refused_and_changes_nothing(precision):
    import keras

    before = keras.config.dtype_policy().name

    with pytest.raises(ValueError, match="`precision` must be a Keras dtype policy such as 'float32'"):
        runtime.setup(precision=precision)
    assert keras.config.dtype_policy().name == before


def test_a_backend_that_the_lessons_do_not_run_on_is_refused(monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(ValueError, match=r"run on 'torch', and .* KERAS_BACKEND=tensorflow before"):
        runtime.setup()


@pytest.mark.parametrize(
    ("variables", "settings", "said"),
    [
        ({"KERAS_BACKEND": "torch"}, None, "run on 'torch' by KERAS_BACKEND, and the .* Unset KERAS_BACKEND"),
        ({"KERAS_BACKEND": "banana"}, None, "run on 'banana' by KERAS_BACKEND"),
        (
            {},
            {"backend": "torch"},
            r"run on 'torch' by .*/keras\.json, and .* Correct .*keras\.json, or export",
        ),
        ({}, {"floatx": "float8"}, r"does not accept .*/keras\.json: .*[Ii]nvalid.* Correct or remove"),
        ({"BLOCK": "jax", "KERAS_BACKEND": "jax"}, None, "by KERAS_BACKEND, which is not installed. Unset"),
        ({"COURSE_CACHE": "cache"}, None, "COURSE_CACHE must be an absolute path.*Received: 'cache'"),
        ({"COURSE_IMDB": "../aclImdb"}, None, "COURSE_IMDB must be an absolute path"),
    ],
)
def test_what_lessons_do_not_run_on_is_refused_before_keras_is_imported(tmp_path, variables, settings, said):
    if settings:
        (tmp_path / "keras.json").write_text(json.dumps(settings))
    code = """
import importlib.util, os, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == os.environ.get("BLOCK") else found(name)
from course_lib import runtime
try:
    runtime.setup()
except ValueError as error:
    print(error)
"""
    result = run_python(code, KERAS_HOME=str(tmp_path), **variables)
    assert result.returncode == 0, result.stderr
    assert re.search(said, result.stdout), result.stdout


def test_keras_of_a_learners_own_settings_computes_as_the_lessons_do(tmp_path):
    settings = {"image_data_format": "channels_first", "floatx": "float16", "epsilon": 1e-3}
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "tensorflow", **settings}))
    code = """
from course_lib import runtime
runtime.setup()
import keras
print(keras.config.image_data_format(), keras.config.floatx(), keras.config.epsilon())
print(keras.layers.MaxPooling2D()(keras.ops.ones((1, 4, 6, 3))).shape, keras.ops.ones(1).dtype)
"""
    result = run_python(code, KERAS_HOME=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == [
        "channels_last float32 1e-07",
        "(1, 2, 3, 3) <dtype: 'float32'>",
    ]


@pytest.mark.parametrize(
    ("device", "capability", "policy"),
    [
        ("CPU", None, "float32"),
        ("TPU", None, "mixed_bfloat16"),
        ("GPU", None, "float32"),
        ("GPU", (6, 1), "float32"),
        ("GPU", (7, 0), "mixed_float16"),
        ("GPU", (7, 5), "mixed_float16"),
        ("GPU", (8, 0), "mixed_bfloat16"),
        ("GPU", (9, 0), "mixed_bfloat16"),
        ("GPU", (12, 0), "mixed_bfloat16"),
    ],
)
def test_default_precision(device, capability, policy):
    assert runtime.default_precision(device, capability) == policy


def test_devices_on_jax(monkeypatch):
    def found(**attributes):
        devices = [types.SimpleNamespace(**attributes)] * 2
        monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(devices=lambda: devices))
        return runtime.devices("jax")

    gpu = {"device_kind": "NVIDIA A100", "compute_capability": "8.0"}
    assert found(platform="gpu", **gpu) == ("GPU", ["NVIDIA A100"] * 2, (8, 0))
    assert found(platform="cuda", **gpu)[0] == "GPU"
    assert found(platform="tpu", device_kind="TPU v5 lite") == ("TPU", ["TPU v5 lite"] * 2, None)
    kind, names, capability = found(platform="cpu", device_kind="cpu")
    assert (kind, len(names), capability) == ("CPU", 2, None)
    assert "core" in names[0]


def test_devices_on_tensorflow_prefer_the_gpu(monkeypatch):
    details = {"gpu0": {"device_name": "Tesla T4", "compute_capability": (7, 5)}, "gpu1": {}}
    config = types.SimpleNamespace(
        list_physical_devices=lambda kind: list(details) if kind == "GPU" else ["cpu"],
        list_logical_devices=lambda kind: ["cpu"],
        experimental=types.SimpleNamespace(get_device_details=details.get),
    )
    monkeypatch.setitem(sys.modules, "tensorflow", types.SimpleNamespace(config=config))

    assert runtime.devices("tensorflow") == ("GPU", ["Tesla T4", "unknown model"], (7, 5))


# setup in a process of its own

LESSON = """
from course_lib import runtime
environment = runtime.setup(seed=1)
import json, keras, keras_hub, numpy as np
inputs = np.random.rand(64, 4).astype("float32")
targets = inputs @ np.array([1, 2, 3, 4], "float32")
with environment.scope():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
losses = model.fit(inputs, targets, epochs=8, batch_size=16, verbose=0).history["loss"]
print(json.dumps({
    "losses": losses, "backend": environment.backend, "device": environment.device,
    "count": environment.device_count, "precision": environment.precision,
    "strategy": type(environment.strategy).__name__,
    "distribution": type(keras.distribution.distribution()).__name__,
    "replicas": environment.strategy.num_replicas_in_sync if environment.strategy else None,
    "spread_over": len(getattr(model.weights[0].value, "devices", list)()),
}))
"""
TWO_CPUS_ON_TENSORFLOW = """
from course_lib import runtime
runtime.quiet_logs()
with runtime.hidden_stderr():
    import tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
"""


def lesson(code, **environment):
    result = run_python(code, **environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # No start-up message of any library.
    *block, last = result.stdout.splitlines()
    found = json.loads(last)
    assert found["losses"][-1] < 0.5 * found["losses"][0]
    return found, block


def test_a_lesson_without_a_gpu_writes_nothing_to_stderr():
    found, block = lesson(LESSON)

    assert len(block) == 3
    assert found["backend"] == "tensorflow"
    assert (found["device"], found["count"], found["precision"]) == ("CPU", 1, "float32")
    assert found["strategy"] == found["distribution"] == "NoneType"


def test_two_tensorflow_devices_train_under_a_mirrored_strategy():
    found, block = lesson(TWO_CPUS_ON_TENSORFLOW + LESSON)

    assert (found["count"], found["strategy"], found["replicas"]) == (2, "MirroredStrategy", 2)
    assert block[1].startswith("device     2 x CPU")


def test_two_jax_devices_train_under_data_parallel():
    pytest.importorskip("jax", reason="jax is not installed (it is in the dev extra)")
    flags = "--xla_force_host_platform_device_count=2"
    found, block = lesson(LESSON, KERAS_BACKEND="jax", XLA_FLAGS=flags)

    assert (found["backend"], found["count"]) == ("jax", 2)
    assert (found["strategy"], found["distribution"]) == ("NoneType", "DataParallel")
    assert found["spread_over"] == 2
    assert "Keras on jax" in block[1]


# hidden_stderr


def test_hidden_stderr_hides_native_lines_and_gives_stderr_back(capfd):
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    with runtime.hidden_stderr():
        os.write(2, b"hidden\n")
    os.write(2, b"shown\n")

    assert capfd.readouterr().err == "shown\n"
    if descriptors is not None:
        assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_hidden_stderr_replays_what_it_hid_when_the_block_raises(capfd, error):
    def fail():
        with runtime.hidden_stderr():
            os.write(2, b"the reason\n")
            raise error

    with pytest.raises(error):
        fail()
    os.write(2, b"later\n")

    assert capfd.readouterr().err.splitlines() == ["the reason", "later"]


# atomic_write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_atomic_write_replaces_a_file_only_when_the_block_ends(tmp_path):
    target = tmp_path / "file with spaces.txt"
    target.write_text("old")
    with runtime.atomic_write(target) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert target.read_text() == "old"

    assert target.read_text() == "new"
    assert names(tmp_path) == [target.name]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_write_keeps_the_old_file_when_the_block_raises(tmp_path, error):
    target = tmp_path / "file"
    target.write_text("old")

    def fail():
        with runtime.atomic_write(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()

    assert target.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_atomic_write_keeps_the_old_file_when_the_process_is_killed(tmp_path):
    target = tmp_path / "file"
    target.write_text("old")
    code = f"""
import os, signal
from course_lib import runtime
with runtime.atomic_write({str(target)!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_python(code).returncode == -9
    assert target.read_text() == "old"


def test_atomic_write_keeps_the_old_file_when_there_is_no_room(tmp_path):
    pytest.importorskip("resource", reason="this system has no limits on file sizes")
    target = tmp_path / "file"
    target.write_text("old")
    code = f"""
import resource
from course_lib import runtime
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with runtime.atomic_write({str(target)!r}) as temporary:
    temporary.write_bytes(b"x" * 100_000)
"""
    result = run_python(code)
    assert result.returncode == 1
    assert "OSError: [Errno 27]" in result.stderr
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_atomic_write_gives_the_permissions_that_open_would(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with runtime.atomic_write(tmp_path / "file") as temporary:
            temporary.write_text("new")
        assert os.umask(umask) == umask  # Looking at it did not change it.
    finally:
        os.umask(before)

    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_atomic_write_into_a_missing_folder_says_so(tmp_path):
    with (
        pytest.raises(FileNotFoundError, match="missing"),
        runtime.atomic_write(tmp_path / "missing" / "file"),
    ):
        pass


# cache_dir


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """An environment that names nothing, and a home that holds nothing."""
    for name in ("COURSE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def test_cache_dir_is_in_the_users_cache_folder(clean, tmp_path):
    assert runtime.cache_dir() == tmp_path / ".cache" / "attention-to-edge"
    assert runtime.cache_dir().is_dir()
    clean.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert runtime.cache_dir() == tmp_path / "xdg" / "attention-to-edge"
    assert runtime.cache_dir().is_dir()


@pytest.mark.parametrize("value", ["", "relative/cache"])
def test_cache_dir_ignores_what_is_no_cache_home(clean, tmp_path, value):
    clean.setenv("XDG_CACHE_HOME", value)
    assert runtime.cache_dir() == tmp_path / ".cache" / "attention-to-edge"


def test_course_cache_names_the_folder_itself(clean, tmp_path):
    clean.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    clean.setenv("COURSE_CACHE", "~/of mine/cache")
    assert runtime.cache_dir() == tmp_path / "of mine" / "cache"
    assert runtime.cache_dir().is_dir()
    clean.chdir(tmp_path)
    clean.setenv("COURSE_CACHE", "here")
    assert runtime.cache_dir() == tmp_path / "here"
    clean.setenv("COURSE_CACHE", "")
    assert runtime.cache_dir() == tmp_path / "xdg" / "attention-to-edge"


def test_a_cache_that_cannot_be_made_names_the_path_and_the_way_out(clean, tmp_path):
    (tmp_path / "file").write_text("")
    clean.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(OSError, match="set COURSE_CACHE to a folder you can write to") as caught:
        runtime.cache_dir()
    assert str(tmp_path / "file" / "cache") in str(caught.value)


def test_looking_into_the_cache_does_not_make_it(clean, tmp_path):
    assert runtime.cache_dir(create=False) == tmp_path / ".cache" / "attention-to-edge"
    assert names(tmp_path) == []


def test_a_cache_that_cannot_be_read_names_the_way_out(clean, shared):
    (shared.folder / "cache").mkdir(mode=0o700)
    (shared.folder / "cache").chmod(0)
    clean.setenv("COURSE_CACHE", str(shared.folder / "cache"))
    for create in (True, False):
        match = "cannot read the course's cache folder .*set COURSE_CACHE to a folder you can write to"
        with shared.read_only(), pytest.raises(OSError, match=match):
            runtime.cache_dir(create)


def test_a_read_only_cache_is_a_cache(clean, shared):
    clean.setenv("COURSE_CACHE", str(shared.folder))
    with shared.read_only():
        assert runtime.cache_dir() == runtime.cache_dir(create=False) == shared.folder


@pytest.mark.parametrize("create", [True, False])
def test_a_user_without_a_home_folder_is_told_what_to_set(clean, create):
    clean.setenv("COURSE_CACHE", "~no-such-user/cache")
    with pytest.raises(OSError, match=r"Could not determine home directory.*set COURSE_CACHE.*no-such-user"):
        runtime.cache_dir(create)


def test_release_memory_collects_what_refers_to_itself():
    class Node:
        pass

    node = Node()
    node.me = node
    seen = weakref.ref(node)
    gc.disable()
    try:
        del node
        assert seen() is not None
        runtime.release_memory()
    finally:
        gc.enable()
    assert seen() is None
