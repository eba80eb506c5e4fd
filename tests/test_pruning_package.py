"""The package as others use it: what it imports, its guide, and models that compute their kernels."""

import contextlib
import importlib.util
import io
import json
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
from course_lib.pruning.prunable import as_array

pytestmark = pytest.mark.backend
GUIDE = pathlib.Path(__file__).parent.parent / "docs" / "pruning.md"
ALONE = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        first, _, rest = name.partition(".")
        blocked = {"keras_hub", "keras_nlp", "tensorflow_text", "tokenizers", "transformers", "sklearn"}
        if first in blocked and (first != "sklearn" or "torch" not in sys.modules):  # PyTorch looks for it.
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


@pytest.mark.parametrize(("number", "network"), [(0, "convolutions"), (1, "LSTM"), (2, "BERT")])
def test_the_guides_examples_do_what_they_say_and_what_pytorch_does(number, network, monkeypatch):
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
    monkeypatch.syspath_prepend(GUIDE.parent.parent / "benchmarks")
    hold_to_torch(names["model"], importlib.import_module("prune_as_torch"), network)


def hold_to_torch(model, reference, network):
    """`benchmarks/prune_as_torch.json` is what `torch.nn.utils.prune` gives for these weights."""
    recorded = json.loads(reference.FILE.read_text())[network]
    values, given = reference.weights(network), reference.weights(network, seed=1)
    scores = {path: np.abs(value) for path, value in given.items()}
    variables = {path: pruning.kernels(model)[path] for path in values}
    every = {"include": [f"^{path}$" for path in values]}

    def pruned(*arguments, **options):
        for path, variable in variables.items():
            variable.assign(values[path])
        pruning.prune(model, *arguments, **every, **options)
        return described()

    def described():
        return reference.described({path: as_array(each) != 0 for path, each in variables.items()})

    def outputs(sparsity, n):
        """Masks of whole outputs by their norm, from the numbers of those that stay."""
        masks = {}
        for path, value in values.items():
            norms = np.linalg.norm(value.reshape(-1, value.shape[-1]), ord=n, axis=0)
            left = 1 - reference.lost(sparsity, len(norms)) / len(norms)
            masks[path] = np.zeros(value.shape, bool)
            masks[path][..., pruning.most_important({path: norms}, left)[path]] = True
        return reference.described(masks)

    for sparsity in reference.SPARSITIES:
        right = recorded[str(sparsity)]
        assert pruned(sparsity) == right["layer"] == right["layer, float64"]
        assert pruned(sparsity, scope="global") == right["global"]
        assert pruned(sparsity, criterion=lambda model, weights: scores) == right["scores"]
        for n in (1, 2):
            assert outputs(sparsity, n) == right[f"outputs, norm {n}"]
        if network == "LSTM":
            for path, value in values.items():
                variables[path].assign(value)
                pruning.prune(model, sparsity, include=f"^{path}$", block_size=(len(value), 1))
            assert described() == right["outputs, norm 1"]
        # PyTorch takes the nearest number, `prune` never more than asked for.
        for scope, kind in (("layer", "layer, a share"), ("global", "global, a share")):
            assert reference.described(pruning.magnitude_masks(values, sparsity, scope)) == right[kind]
    assert pruned(0.75) == recorded["once"]["0.5 twice"]
    pruned(0.0)
    pruning.apply_masks(model, {path: value > 0 for path, value in given.items()})
    assert described() == recorded["once"]["mask"]
    if importlib.util.find_spec("torch"):
        assert reference.measured() == json.loads(reference.FILE.read_text())


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
