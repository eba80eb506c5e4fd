"""Where the memory of a training goes: by counting, and by watching."""

import sys
import threading

import psutil

from course_lib import runtime


def state_bytes(parameters, weight=4, gradient=4, optimizer=8, master=0):
    """Bytes that a training keeps whatever the batch: for each weight, and none for activations.

    Args:
        parameters: Weights that learn.
        weight: Bytes of a weight as the network computes with it.
        gradient: Bytes of a gradient.
        optimizer: Bytes of what the optimizer remembers; AdamW's two means in float32 are 8.
        master: Bytes of a second copy of the weight, in float32 where the first is in 16 bits.

    Returns:
        A number of bytes: 16 for each weight in float32.
    """
    return parameters * (weight + gradient + optimizer + master)


def peak_memory(function, *args):
    """The most memory that is in use while a function runs, beyond what is in use before.

    TensorFlow counts the bytes that it has given to tensors, on a GPU and, with oneDNN, on a processor.
    NumPy's arrays are not among them. Where it does not count, the memory of the process is looked at every
    millisecond instead. That misses what was freed before, kept by the process, and is now used again.

    Args:
        function: What to watch.
        *args: What it is called with.

    Returns:
        `(peak, result)`: bytes, and what the function returned.
    """
    runtime.release_memory()
    if (count := _tensorflow_count()) is None:
        return _peak_of_process(function, args)
    statistics, device = count
    statistics.reset_memory_stats(device)
    before = statistics.get_memory_info(device)["current"]
    result = function(*args)
    return statistics.get_memory_info(device)["peak"] - before, result


def _tensorflow_count():
    """TensorFlow's functions that count, and the device, or None if they do not count there."""
    if "tensorflow" not in sys.modules:
        return None
    import tensorflow as tf

    device = "GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0"
    try:
        tf.config.experimental.reset_memory_stats(device)
    except (ValueError, RuntimeError, tf.errors.OpError):
        return None
    return tf.config.experimental, device


def _peak_of_process(function, args, every=0.001):
    process, done = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch():
        nonlocal highest
        while not done.wait(every):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        result = function(*args)
        highest = max(highest, process.memory_info().rss)
    finally:
        done.set()
        watcher.join()
    return highest - before, result
