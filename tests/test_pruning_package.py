"""The package as others use it: what it imports, its guide, and models that compute their kernels."""

import contextlib
import io
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from course_lib import pruning

pytestmark = pytest.mark.backend
GUIDE = pathlib.Path(__file__).parent.parent / "docs" / "pruning.md"
ALONE = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        first, _, rest = name.partition(".")
        if first in {"keras_hub", "keras_nlp", "tensorflow_text", "tokenizers", "transformers", "sklearn"}:
            raise ImportError(f"{name} is not needed")
        if first == "course_lib" and rest and rest.split(".")[0] not in ("layers", "pruning", "runtime"):
            raise ImportError(f"{name} is not needed")

sys.meta_path.insert(0, Blocked())
import keras
from course_lib import pruning

import contextlib
import numpy as np

scope = contextlib.nullcontext()
if keras.backend.backend() == "jax":
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]))
elif keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two)
    scope = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
with scope:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8), keras.layers.Dense(8)])
    model.compile(keras.optimizers.Adam(use_ema=True), "mse")
x = np.ones((32, 8), "float32")
schedule = pruning.Polynomial(0.5, end_step=6, frequency=2)
model.fit(x, x, batch_size=4, verbose=0, callbacks=[pruning.prune(model, schedule)])
sparsity = pruning.report(model).sparsity
pruning.save_masks("masks.npz", pruning.magnitude_masks(pruning.kernels(model), 0.75))
pruning.apply_masks(model, pruning.load_masks("masks.npz"))
print(sparsity, pruning.report(model).sparsity)
"""


def test_it_needs_keras_and_numpy_alone_and_prunes_on_two_devices(tmp_path):
    path = os.pathsep.join([str(GUIDE.parent.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": path,
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["0.5", "0.75"]


def examples():
    """The programs of the guide, each with the output that is printed below it, if one is."""
    pattern = r"<!-- run -->\n```python\n(.*?)```(?:\n\n```text\n(.*?)```)?"
    return re.findall(pattern, GUIDE.read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(3))
def test_the_guides_examples_do_what_they_say(number):
    program, output = examples()[number]
    assert len([line for line in program.splitlines() if line.strip()]) <= 22
    printed, names = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(compile(program, str(GUIDE), "exec"), names)
    report = pruning.report(names["model"])
    assert [row.path for row in report.left if row.path.endswith("kernel")] == ["logits/kernel"] * (
        number != 1
    )
    sizes = sum(row.size for row in report.pruned)
    wanted = sum(row.asked * row.size for row in report.pruned)
    assert wanted - len(report.pruned) <= report.sparsity * sizes <= wanted
    if output:
        dead = r" +\d+ of \d+$"  # They differ between machines.
        assert re.sub(dead, "", printed.getvalue(), flags=re.M) == re.sub(dead, "", output, flags=re.M)


def test_the_guide_has_three_examples():
    assert len(examples()) == 3


class Halved(pruning.Reparameterised):
    def transform(self, path, kernel):
        return kernel / 2


class Adding(layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.mean(x**2))
        return x


def regularised():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(6, activity_regularizer=keras.regularizers.L2(0.1), name="a"),
            Adding(),
            layers.Dense(2, kernel_regularizer="l2", name="b"),
        ]
    )


def test_a_wrapper_keeps_losses_that_layers_add():
    x, y = np.random.default_rng(0).normal(size=(32, 4)).astype("float32"), np.zeros((32, 2), "float32")

    class Same(pruning.Reparameterised):
        def transform(self, path, kernel):
            return kernel

    expected, found = regularised(), Same(regularised())
    for model in (expected, found):
        model.compile("sgd", "mse")
    assert found.evaluate(x, y, verbose=0) == pytest.approx(expected.evaluate(x, y, verbose=0), rel=1e-5)
    one, other = (model.fit(x, y, epochs=3, verbose=0).history["loss"] for model in (expected, found))
    assert other == pytest.approx(one, rel=1e-4)
    plain = keras.Sequential(regularised().layers[:1])
    assert one[0] > 1.1 * float(np.mean(plain.predict(x, verbose=0) ** 2))  # The added losses are in it.


def test_a_wrapper_is_saved_at_every_epoch_and_loaded(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(32, 4)).astype("float32"), np.zeros((32, 2), "float32")
    model = Halved(regularised_without_own(), spare=["b"])
    model.compile("sgd", "mse")
    save = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")
    model.fit(x, y, epochs=2, verbose=0, callbacks=[save])
    again = keras.saving.load_model(tmp_path / "best.keras", custom_objects={"Halved": Halved})
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    assert again.spare == ["b"]
    np.testing.assert_allclose(
        pruning.strip(again).predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def regularised_without_own():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), layers.Dense(6, name="a"), layers.Dense(2, name="b")])
