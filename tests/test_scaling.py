"""Lesson 09: operations and bytes, gradients added up, the ring, the loss' scale, plans on paper."""

import shutil
import subprocess
import sys
import time

import keras
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from course_lib import scaling, transformer
from course_lib.scaling import devices, memory

# Operations, bytes, ceilings


def test_a_product_counts_each_multiplication_with_its_addition_and_each_number_once():
    found = scaling.product("dense", 3, 4, 5, times=2)
    assert found == scaling.Operation("dense", 2 * 2 * 3 * 4 * 5, 2 * 4 * (12 + 20 + 15))
    assert found.intensity == 240 / 376
    assert scaling.product("", 3, 4, 5, itemsize=2).bytes == 2 * 47


def test_the_lower_ceiling_counts():
    machine = scaling.Ceilings(flops=100e9, bytes=10e9)
    assert machine.ridge == 10
    assert machine.attainable(1) == 10e9
    assert machine.attainable(10) == machine.attainable(1000) == 100e9
    added = scaling.elementwise("add", 1000, flops_each=1, arrays=3)
    assert machine.attainable(added.intensity) == pytest.approx(10e9 / 12)


def test_the_fastest_of_several_calls_counts_and_the_first_does_not():
    waits = iter([0.2, 0.02, 0.15, 0.15])
    found = scaling.fastest({"wait": lambda: time.sleep(next(waits)), "nothing": lambda: None}, rounds=3)
    assert 0.02 <= found["wait"] < 0.15
    assert found["nothing"] < 0.01


# Memory


def test_a_training_in_float32_keeps_16_bytes_for_each_weight():
    assert scaling.state_bytes(1000) == 16_000
    assert scaling.state_bytes(1000, weight=2, gradient=2, master=4) == 16_000
    assert scaling.state_bytes(1000, optimizer=0) == 8_000


def test_a_process_is_watched_where_nothing_counts(monkeypatch):
    def work(size, pause):
        block = np.ones(size)
        time.sleep(pause)
        return block[0]

    monkeypatch.setattr(memory, "_tensorflow_count", lambda: None)
    peak, result = scaling.peak_memory(work, 8_000_000, 0.05)
    assert result == 1
    assert 60e6 < peak < 90e6
    with pytest.raises(ZeroDivisionError):
        scaling.peak_memory(lambda: 1 / 0)


@pytest.mark.skipif(memory._tensorflow_count() is None, reason="TensorFlow does not count here")
def test_tensors_are_counted_and_what_was_there_before_is_not():
    def work():
        one = ops.ones((4_000_000,))
        two = one * 2
        return float(ops.max(one)), float(ops.max(two))

    kept = ops.ones((1_000_000,))
    peak, result = scaling.peak_memory(work)
    assert result == (1, 2)
    assert 32e6 <= peak < 36e6  # Its allocator rounds up.
    assert kept.shape == (1_000_000,)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs tf.GradientTape")
def test_keras_recomputes_a_block_in_less_memory_and_to_the_same_gradients():
    import tensorflow as tf

    def block():
        return transformer.EncoderBlock(4, 256, name="block")

    x = tf.constant(np.random.default_rng(0).normal(size=(8, 64, 64)), "float32")
    usual = [block() for _ in range(4)]
    with keras.RematScope(mode="full"):
        thrifty = [block() for _ in range(4)]

    def gradients(blocks):
        with tf.GradientTape() as tape:
            out = x
            for each in blocks:
                out = each(out)
            loss = tf.reduce_sum(out**3)
        return tape.gradient(loss, [v.value for each in blocks for v in each.trainable_variables])

    gradients(usual), gradients(thrifty)
    for one, other in zip(usual, thrifty, strict=True):
        other.set_weights(one.get_weights())
    most, expected = scaling.peak_memory(gradients, usual)
    less, found = scaling.peak_memory(gradients, thrifty)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)
    assert less < 0.8 * most


# Gradients of parts


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_parts_make_the_gradient_of_the_whole(counts, seed):
    """Of a mean of squares, whose gradient is known."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(sum(counts), 3)), rng.normal(size=3)

    def gradient(rows):
        return [2 * rows.T @ (rows @ w) / len(rows)]

    parts = np.split(x, np.cumsum(counts)[:-1])
    (found,) = scaling.average([gradient(part) for part in parts], counts)
    np.testing.assert_allclose(found, gradient(x)[0], atol=1e-9)


@pytest.mark.parametrize("counts", [[], [1], [1, 1, 1], [0, 0], [3, -1]])
def test_counts_that_do_not_fit_are_refused(counts):
    with pytest.raises(ValueError, match="one number for each part"):
        scaling.average([[np.ones(2)], [np.ones(2)]], counts)


def test_a_part_without_targets_does_not_count():
    (found,) = scaling.average([[np.array([3.0])], [np.array([7.0])]], [2, 0])
    assert found == [3.0]


def test_batches_are_split_with_their_labels():
    x = {"ids": np.arange(10).reshape(5, 2), "mask": np.ones((5, 2))}
    parts = scaling.split((x, np.arange(5)), 2)
    assert [labels.tolist() for _, labels in parts] == [[0, 1, 2], [3, 4]]
    assert parts[1][0]["ids"].tolist() == [[6, 7], [8, 9]]
    with pytest.raises(ValueError, match="from 1 to 5"):
        scaling.split(np.arange(5), 6)


@pytest.mark.backend
def test_keras_accumulates_the_mean_of_equal_parts():
    variable = keras.Variable([1.0, 2.0])
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=3)
    optimizer.build([variable])
    parts = [[np.array([0.3, -1.0])], [np.array([0.6, 2.0])], [np.array([-0.3, 4.0])]]
    for (part,) in parts:
        optimizer.apply([ops.array(part, "float32")])
    (mean,) = scaling.average(parts, [1, 1, 1])
    np.testing.assert_allclose(ops.convert_to_numpy(variable), [1, 2] - 0.5 * mean, rtol=1e-6)


# Sixteen bits


def test_float16_loses_what_is_below_its_smallest_number():
    values = np.array([0.0, 2.0**-25, 2.0**-24, -(2.0**-30), 1.0], "float32")
    assert scaling.underflow(values) == 0.5  # 2^-25 is rounded to the even neighbour, 0.
    assert scaling.underflow(values, scale=2.0**15) == 0.0
    assert scaling.underflow(values, "bfloat16") == 0.0
    assert scaling.underflow(np.zeros(3)) == 0.0
    assert float(ml_dtypes.finfo(ml_dtypes.bfloat16).smallest_normal) == 2.0**-126


# On JAX, Keras applies a `LossScaleOptimizer` inside a compiled step only.
@given(st.lists(st.sampled_from([0.5, -0.25, float("inf"), float("nan")]), max_size=12))
@settings(max_examples=15, deadline=None)
def test_the_loss_scale_moves_as_that_of_keras(gradients):
    variable = keras.Variable([0.0])
    theirs = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(1.0), initial_scale=16.0, dynamic_growth_steps=3
    )
    theirs.build([variable])
    ours, moved = scaling.LossScale(16.0, growth_steps=3), 0.0
    for gradient in gradients:
        scaled = np.array([gradient * ours.scale], "float32")
        theirs.apply([ops.array(scaled)])
        found = ours.update([scaled])
        moved -= 0.0 if found is None else float(found[0][0])
        assert ours.scale == float(theirs.dynamic_scale)
        assert moved == float(variable[0])


def test_the_loss_scale_gives_float32():
    (found,) = scaling.LossScale(4.0).update([np.array([2.0], "float16")])
    assert found.dtype == "float32"
    assert found == [0.5]


# The ring


@given(st.integers(1, 6), st.lists(st.integers(0, 4), max_size=3), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_the_ring_gives_all_workers_the_sum(workers, shape, seed):
    arrays = np.random.default_rng(seed).integers(-9, 9, size=(workers, *shape)).astype("float32")
    kept = arrays.copy()
    sums, sent = scaling.ring_all_reduce(list(arrays))
    for each in sums:
        np.testing.assert_array_equal(each, kept.sum(axis=0))
    np.testing.assert_array_equal(arrays, kept)
    assert len(sums) == len(sent) == workers


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_each_worker_sends_what_the_formula_says(workers):
    arrays = [np.ones(24, "float32") for _ in range(workers)]
    _, sent = scaling.ring_all_reduce(arrays)
    assert sent == [scaling.all_reduce_bytes(arrays[0].nbytes, workers)] * workers
    assert sent[0] < 2 * arrays[0].nbytes


def test_a_ring_needs_arrays_of_one_shape():
    for arrays in ([], [np.ones(2), np.ones(3)]):
        with pytest.raises(ValueError, match="one or more of one shape"):
            scaling.ring_all_reduce(arrays)
    with pytest.raises(ValueError, match="at least 1"):
        scaling.all_reduce_bytes(10, 0)


# Plans


def test_days_on_paper():
    flops = scaling.training_flops(7e9, 2e12)
    assert flops == pytest.approx(8.4e22)
    assert scaling.training_flops(7e9, 2e12, recompute=True) == pytest.approx(flops * 4 / 3)
    days = scaling.training_days(flops, 1024, 312e12, 0.4)
    assert days == pytest.approx(7.6, abs=0.1)
    assert scaling.utilisation(flops, 1024, 312e12, 86_400 * days) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="at most 1"):
        scaling.training_days(flops, 1, 312e12, 1.2)


def test_amdahl_is_held_up_by_what_cannot_be_shared():
    assert scaling.amdahl(0.9, 1) == pytest.approx(1)
    assert scaling.amdahl(0.5, 2) == pytest.approx(4 / 3)
    assert scaling.amdahl(1, 64) == pytest.approx(64)
    assert scaling.amdahl(0.99, 10**9) == pytest.approx(100, rel=1e-3)
    for arguments in ((1.1, 2), (-0.1, 2), (0.5, 0)):
        with pytest.raises(ValueError, match="`parallel` must be"):
            scaling.amdahl(*arguments)


def test_sending_does_not_shrink_with_workers():
    one = scaling.step_seconds(8.0, 1e9, 1, 1e9)
    assert one == 8.0
    assert scaling.step_seconds(8.0, 1e9, 8, 1e9) == 1.0 + 1.75
    assert scaling.step_seconds(8.0, 1e9, 10**6, 1e9) == pytest.approx(2, rel=1e-4)


# Devices


def test_no_framework_is_loaded():
    code = "import sys, course_lib.scaling; print(*{'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""


def test_what_cannot_be_shared_is_refused():
    ids, labels = np.zeros((1, 6, 4), int), np.zeros((1, 6), int)
    for options in ({"devices": 4}, {"devices": 3, "processes": 2}):
        with pytest.raises(ValueError, match="shared equally"):
            scaling.on_devices(ids, labels, **options)
    with pytest.raises(ValueError, match="must be of"):
        scaling.on_devices(ids, labels, kinds=("pipeline",), devices=2)


def test_without_jax_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install"):
        scaling.on_devices(np.zeros((1, 4, 4), int), np.zeros((1, 4), int))


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    ids = rng.integers(1000, 20_000, size=(2, 8, 12))
    ids[:, :, -3:] = 0
    return ids, rng.integers(0, 2, size=(2, 8))


def test_processes_and_cut_kernels_give_the_same_training(batches):
    pytest.importorskip("jax")
    alone = scaling.on_devices(*batches, ("data parallel", "model parallel"), devices=2)
    (whole,), (cut,) = alone["data parallel"], alone["model parallel"]
    both = scaling.on_devices(*batches, ("data parallel",), devices=2, processes=2)["data parallel"]
    assert [run.losses for run in both] == [whole.losses] * 2
    assert {run.digest for run in both} == {whole.digest}
    assert [run.bytes for run in both] == [whole.bytes[:1]] * 2
    assert [run.devices for run in (*both, whole, cut)] == [2] * 4
    np.testing.assert_allclose(cut.losses, whole.losses, rtol=1e-4)
    assert max(cut.bytes) < 0.55 * whole.bytes[0]


def test_processes_that_take_too_long_are_ended(batches):
    pytest.importorskip("jax")
    with pytest.raises(RuntimeError, match="took more than"):
        scaling.on_devices(*batches, devices=2, timeout=0.1)


def test_a_process_that_fails_ends_all(batches, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setattr(devices.sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="A process failed"):
        scaling.on_devices(*batches, devices=2, processes=2)
