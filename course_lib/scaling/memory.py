"""Where the memory of a training goes: by counting, and by watching this process."""

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


def peak_memory(function, *args, every=0.001):
    """The most memory that this process takes while a function runs, beyond what it has before.

    The memory of the process is looked at again and again from a thread, so what lasts less than
    `every` may be missed. Memory that was freed before and not handed back to the system is not seen
    when it is used again; the function is therefore best the first of its size.

    Args:
        function: What to watch.
        *args: What it is called with.
        every: Seconds between two looks.

    Returns:
        `(peak, result)`: bytes, and what the function returned.
    """
    runtime.release_memory()
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
