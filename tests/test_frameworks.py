"""Lesson 12's five encoders against NumPy and against one another, and what moves between them."""

import os
import subprocess
import sys
import types

import numpy as np
import pytest
import scipy.special

from course_lib import frameworks
from course_lib.frameworks import defaults, encoder, found, names, onnx_files, recorded, timing

HEADS = 4


@pytest.fixture(scope="module", autouse=True)
def libraries():
    here = frameworks.libraries()
    yield here
    if "JAX" in here:  # Other tests of this process have JAX as it comes.
        here["JAX"].config.update("jax_enable_x64", False)


@pytest.fixture(params=list(frameworks.LIBRARIES))
def name(request, libraries):
    if request.param not in libraries:
        pytest.skip(f"{request.param} is not here: make frameworks")
    return request.param


def by_numpy(w, x, heads):
    """The encoder once more, without any framework."""

    def dense(x, part):
        return x @ w[f"{part}/kernel"] + w[f"{part}/bias"]

    def norm(x, part):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        return x * w[f"{part}/gamma"] + w[f"{part}/beta"]

    batch, length, width = x.shape
    split = (batch, length, heads, width // heads)
    query, key, value = (dense(x, part).reshape(split) for part in ("query", "key", "value"))
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(width // heads)
    mixed = np.einsum("bhqk,bkhd->bqhd", scipy.special.softmax(scores, axis=-1), value)
    x = norm(x + dense(mixed.reshape(x.shape), "output"), "attention_norm")
    inner = dense(x, "inner")
    x = norm(x + dense(inner * scipy.special.ndtr(inner), "outer"), "outer_norm")
    return dense(x.mean(1), "head")


def numpy_loss(w, x, labels):
    return -np.mean(scipy.special.log_softmax(by_numpy(w, x, HEADS), axis=-1)[np.arange(len(x)), labels])


def test_weights_are_the_same_numbers_in_both_types():
    single, double = encoder.arrays(dtype="float32"), encoder.arrays(dtype="float64")
    assert len(single) == 18
    assert set(single) == set(double)
    for key, each in single.items():
        assert each.dtype == "float32"
        np.testing.assert_array_equal(each, double[key].astype("float32"))
    assert single["inner/kernel"].shape == (32, 64)
    assert single["head/kernel"].shape == (32, 3)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_logits_are_those_of_numpy(name, dtype, tolerance):
    w, (x, _) = encoder.arrays(dtype=dtype), encoder.batch(dtype=dtype)
    module = frameworks.module(name)
    data = module.tensors({"x": x})
    logits = encoder.numpy(module.logits(module.tensors(w), data["x"], HEADS))
    assert logits.dtype == dtype
    assert logits.shape == (8, 3)
    np.testing.assert_allclose(logits, by_numpy(w, x, HEADS), atol=tolerance)


def test_gradients_are_those_of_small_differences(name):
    w, (x, labels) = encoder.arrays(dtype="float64"), encoder.batch(dtype="float64")
    module, rng = frameworks.module(name), np.random.default_rng(3)
    data = module.tensors({"x": x, "labels": labels})
    compute = getattr(module, "quick", module.loss_and_gradients)
    loss, gradients = compute(module.tensors(w), data["x"], data["labels"], HEADS)
    np.testing.assert_allclose(float(encoder.numpy(loss)), numpy_loss(w, x, labels), rtol=1e-12)
    assert set(gradients) == set(w)
    for key in w:
        assert tuple(gradients[key].shape) == w[key].shape
    way = {key: rng.normal(size=each.shape) for key, each in w.items()}
    step = 1e-5
    ahead, behind = ({k: w[k] + sign * step * way[k] for k in w} for sign in (1, -1))
    slope = (numpy_loss(ahead, x, labels) - numpy_loss(behind, x, labels)) / (2 * step)
    along = sum((encoder.numpy(gradients[key]) * way[key]).sum() for key in w)
    np.testing.assert_allclose(along, slope, rtol=1e-6)


def test_three_steps_are_those_of_tensorflow(name):
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-10)):
        given = encoder.arrays(dtype=dtype), *encoder.batch(dtype=dtype)
        one, other = (encoder.run(frameworks.module(each), *given) for each in ("TensorFlow", name))
        np.testing.assert_allclose(one["logits"], other["logits"], atol=tolerance)
        for key in given[0]:
            np.testing.assert_allclose(one["gradients"][key], other["gradients"][key], atol=tolerance)
            if key != "key/bias" or dtype == "float64":  # In float32 its gradient is nothing but rounding.
                np.testing.assert_allclose(one["trained"][key], other["trained"][key], atol=tolerance)


def test_compiled_computes_the_same(name):
    if name == "PyTorch":
        pytest.skip("compiling takes longer than all other tests together; the record's losses are compared")
    module = frameworks.module(name)
    w, (x, labels) = module.tensors(encoder.arrays()), encoder.batch()
    data = module.tensors({"x": x, "labels": labels})

    def loss(w, x, labels):
        return module.loss(w, x, labels, HEADS)

    one, other = (f(w, data["x"], data["labels"]) for f in (loss, module.compiled(loss)))
    np.testing.assert_allclose(float(encoder.numpy(one)), float(encoder.numpy(other)), rtol=1e-5)


def plain_adamw(w, gradients, betas=(0.9, 0.999), rate=2**-10, decay=2**-6, epsilon=1e-8):
    """AdamW's steps for one array, with the formulas in another order than the course's."""
    mean, square = np.zeros_like(w), np.zeros_like(w)
    for step, gradient in enumerate(gradients, 1):
        mean += (1 - betas[0]) * (gradient - mean)
        square += (1 - betas[1]) * (gradient * gradient - square)
        w = w * (1 - rate * decay)
        w -= rate * (mean / (1 - betas[0] ** step)) / (np.sqrt(square / (1 - betas[1] ** step)) + epsilon)
    return w


@pytest.fixture
def steps():
    rng = np.random.default_rng(0)
    return rng.normal(size=5), rng.normal(size=(4, 5)) * 10.0 ** -np.arange(5)


def test_adamw_is_the_published_one(steps):
    w, gradients = steps
    state = {"w": w}, {"w": 0 * w}, {"w": 0 * w}
    for step, gradient in enumerate(gradients, 1):
        state = encoder.adamw(*state, {"w": gradient}, step)
    np.testing.assert_allclose(state[0]["w"], plain_adamw(w, gradients), atol=1e-12)


def test_adamw_is_that_of_pytorch(steps, libraries):
    if "PyTorch" not in libraries:
        pytest.skip("PyTorch is not here: make frameworks")
    torch, (w, gradients) = libraries["PyTorch"], steps
    weight = torch.tensor(w, requires_grad=True)
    optimizer = torch.optim.AdamW([weight], 2**-10, weight_decay=2**-6)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(weight.detach().numpy(), plain_adamw(w, gradients), atol=1e-10)


def test_adamw_is_that_of_paddle(steps, libraries):
    if "PaddlePaddle" not in libraries:
        pytest.skip("PaddlePaddle is not here: make frameworks")
    paddle, (w, gradients) = libraries["PaddlePaddle"], steps
    weight = paddle.to_tensor(w, stop_gradient=False)
    optimizer = paddle.optimizer.AdamW(2**-10, parameters=[weight], weight_decay=2**-6)
    for gradient in gradients:
        (weight * paddle.to_tensor(gradient)).sum().backward()
        optimizer.step()
        optimizer.clear_grad()
    np.testing.assert_allclose(weight.numpy(), plain_adamw(w, gradients), atol=1e-8)


def test_defaults_are_read_from_the_libraries(libraries):
    table = defaults.table(libraries)
    assert list(table) == list(libraries)
    assert table["Keras"]["norm's epsilon"] == libraries["Keras"].layers.LayerNormalization().epsilon
    assert table["Keras"]["epsilon added"] == "before"
    assert table["Keras"]["kernel of 3 to 4"] == (3, 4)
    assert table["TensorFlow"]["GELU"] == "exact"
    expected = {
        "JAX": ("GELU", "tanh"),
        "PyTorch": ("epsilon added", "after"),
        "PaddlePaddle": ("epsilon added", "after"),
    }
    for each, (row, value) in expected.items():
        assert each not in table or table[each][row] == value
    assert table.get("PyTorch", {"kernel of 3 to 4": (4, 3)})["kernel of 3 to 4"] == (4, 3)


def test_a_default_is_told_from_none():
    def function(a, b=3):
        return a, b

    assert [defaults.default(function, each) for each in "abc"] == ["none", 3, "no such argument"]


# Names

TABLES = {
    "PyTorch": (names.to_torch, names.from_torch),
    "PaddlePaddle": (names.to_paddle, names.from_paddle),
    "Keras": (names.to_keras, names.from_keras),
}


def block():
    return {key: each for key, each in encoder.arrays().items() if not key.startswith("head/")}


@pytest.mark.parametrize("library", TABLES)
def test_names_are_complete_and_undone(library):
    to, back = TABLES[library]
    moved = to(encoder.arrays())
    again = back(moved)
    assert set(again) == set(block())
    assert sum(each.size for each in moved.values()) == sum(each.size for each in block().values())
    for key, each in block().items():
        np.testing.assert_array_equal(again[key], each)


def by_numpy_block(x):
    """The mean over tokens of the block's output: the encoder with a head that changes nothing."""
    w = encoder.arrays(dtype="float64")
    width = x.shape[-1]
    return by_numpy(w | {"head/kernel": np.eye(width), "head/bias": np.zeros(width)}, x, HEADS)


def test_own_layers_take_all_names_and_compute_the_same(libraries):
    from course_lib import transformer

    x, _ = encoder.batch()
    expected = by_numpy_block(x.astype("float64"))
    layer = transformer.EncoderBlock(HEADS, 64, approximate_gelu=False, name="block")
    layer.build((None, None, 32))
    state = names.to_keras(encoder.arrays())
    assert {each.path.removeprefix("block/") for each in layer.weights} == set(state)
    for each in layer.weights:
        each.assign(state[each.path.removeprefix("block/")])
    np.testing.assert_allclose(encoder.numpy(layer(x)).mean(1), expected, atol=1e-5)
    options = {"dropout": 0.0, "activation": "gelu", "layer_norm_eps": 1e-12}
    if "PyTorch" in libraries:
        torch = libraries["PyTorch"]
        layer = torch.nn.TransformerEncoderLayer(32, HEADS, 64, batch_first=True, **options)
        state = {key: torch.from_numpy(each) for key, each in names.to_torch(encoder.arrays()).items()}
        assert set(layer.state_dict()) == set(state)
        layer.load_state_dict(state)
        np.testing.assert_allclose(encoder.numpy(layer(torch.from_numpy(x))).mean(1), expected, atol=1e-5)
        again = names.from_torch({key: each.detach() for key, each in layer.state_dict().items()})
        np.testing.assert_array_equal(again["key/kernel"], encoder.arrays()["key/kernel"])
    if "PaddlePaddle" in libraries:
        paddle = libraries["PaddlePaddle"]
        layer = paddle.nn.TransformerEncoderLayer(32, HEADS, 64, **options)
        state = names.to_paddle(encoder.arrays())
        assert set(layer.state_dict()) == set(state)
        layer.set_state_dict(state)
        np.testing.assert_allclose(layer(paddle.to_tensor(x)).numpy().mean(1), expected, atol=1e-5)


def test_onnx_files_compute_the_same(name, tmp_path):
    x, _ = encoder.batch()
    if name not in onnx_files.EXPORTS:
        with pytest.raises(KeyError):
            onnx_files.export(name, encoder.arrays(), x, tmp_path / "a.onnx")
        assert "XlaCallModule" in onnx_files.operations_of_jax(encoder.arrays(), x)
        return
    onnx_files.export(name, encoder.arrays(), x, tmp_path / "a.onnx")
    w = encoder.arrays(dtype="float64")
    np.testing.assert_allclose(onnx_files.run(tmp_path / "a.onnx", x), by_numpy(w, x, HEADS), atol=1e-5)


# What is here


def test_what_is_missing_is_said_in_one_line():
    assert found.missing(dict.fromkeys(found.LIBRARIES)) == ""
    said = found.missing({"TensorFlow": 1, "Keras": 2, "JAX": 3})
    assert said.startswith("Not here: PyTorch, PaddlePaddle. ")
    assert "`make frameworks`" in said
    assert "\n" not in said


def test_on_colab_it_says_pip(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert "%pip install" in found.missing({})


def test_an_environment_of_another_python_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(found, "ROOT", tmp_path)
    before = list(sys.path)
    found._add_environment()
    assert sys.path == before
    (tmp_path / ".venv-frameworks").mkdir()
    (tmp_path / ".venv-frameworks/.ready").touch()
    found._add_environment()
    (added,) = set(sys.path) - set(before)
    assert added.startswith(str(tmp_path))
    assert sys.path.index(added) < max(i for i, each in enumerate(sys.path) if each.endswith("-packages"))
    sys.path.remove(added)


def test_elsewhere_returns_what_was_printed_and_raises_what_failed():
    assert found.elsewhere("-c", "import os; print(os.environ['A'], 1 + 1)", A="b") == "b 2\n"
    with pytest.raises(RuntimeError, match=r"ended with 1[\s\S]*ZeroDivisionError"):
        found.elsewhere("-c", "1 / 0")


def test_importing_the_package_imports_no_framework():
    source = "import sys; from course_lib import frameworks; "
    source += f"print([n for n in {list(frameworks.LIBRARIES.values())} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"


# The record


def test_the_record_has_every_time_and_its_losses_agree():
    rows = recorded.record()["rows"]
    assert len(rows) == 2 * 2 * len(timing.SIZES) * len(frameworks.LIBRARIES)
    assert recorded.record()["sizes"] == {key: list(value) for key, value in timing.SIZES.items()}
    for size in timing.SIZES:
        losses = [row["loss"] for row in rows if row["size"] == size and "loss" in row]
        assert len(losses) >= len(frameworks.LIBRARIES)
        np.testing.assert_allclose(losses, losses[0], rtol=1e-5)
    for row in rows:
        assert 0 < row["fastest"] <= row["first"] * 1.5 or not row["compiled"]
    assert recorded.milliseconds("JAX", "small", True, "train") > 0
    with pytest.raises(KeyError, match="No row of the record"):
        recorded.milliseconds("JAX", "huge", True, "train")


def test_work_trains_and_infers(libraries):
    work = timing.Work("TensorFlow", "small", compiled=False)
    first, fastest = timing.first_and_fastest(work.infer, seconds=0.01, least=2)
    assert fastest > 0
    assert first > 0
    module, size = frameworks.module("TensorFlow"), timing.SIZES["small"]
    x, labels = encoder.batch(size[0], size[1], size[2])
    data = module.tensors({"x": x, "labels": labels})
    loss = module.loss(module.tensors(encoder.arrays(size[2], size[3])), data["x"], data["labels"], 4)
    assert work.train() == pytest.approx(float(loss), rel=1e-6)
    assert timing.heads("large") == 8
