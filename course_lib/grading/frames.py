"""The grader's end of the result pipe: reads what a child sent, and believes none of it.

Frames and `.npy` arrays as an honest child sends them are accepted, and nothing else. Their sizes are judged
before they are read, and a child cannot make the grader wait for longer than a task may take.
"""

import contextlib
import math
import os
import re
import select
import time

import numpy as np

from course_lib.grading import worker
from course_lib.grading.judge import Raised, Returned

MIB = 1 << 20
MOST_ARGUMENTS = 20
PATIENCE = 30  # How many times its seconds a task may take by the clock, on a machine that others use.


class EndedError(Exception):
    """The child closed its end of the pipe."""


class LateError(Exception):
    """A task's time is over."""


class MalformedError(Exception):
    """The child sent what no honest child sends."""


class Clock:
    """The time of a task. What it waits for processors that others use is not charged to it.

    Else the threads of one answer would let another's time run out. So the time does not count in which a
    thread of the child was ready to run and had no processor, until the child has had as many processor
    seconds as the task has: one that keeps itself waiting uses them up.

    Args:
        pid: The child.
    """

    def __init__(self, pid):
        self.pid = pid

    def start(self, seconds):
        """Begins a task of so many seconds."""
        self.seconds, self.began = seconds, time.monotonic()
        self.deadline = self.began + seconds
        self.before = _usage(self.pid)

    def spent(self):
        """Seconds that the task is charged so far."""
        return self._spent(_usage(self.pid)[1])

    def over(self, idle):
        """Whether the task's time is over.

        Args:
            idle: Function that says whether there is nothing to read. What an answer gave in time and this
                process was slow to read is not late.
        """
        if time.monotonic() < self.deadline:
            return False
        had, waits = _usage(self.pid)
        left = self.seconds - self._spent(waits)
        if had - self.before[0] >= self.seconds or (left <= 0 and idle()):
            return True
        self.deadline = time.monotonic() + max(0.0, left)
        return self.deadline - self.began > PATIENCE * self.seconds

    def _spent(self, waits):
        waited = (waits[thread] - self.before[1].get(thread, 0.0) for thread in waits)
        return time.monotonic() - self.began - max(waited, default=0.0)


def _usage(pid):
    """Processor seconds of a process, and for each thread the seconds that it waited for a processor."""
    waits = {}
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = file.read().rpartition(b")")[2].split()[11:13]
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as file:
                waits[thread] = int(file.read().split()[1]) / 1e9
    except OSError:  # Not Linux, or the process is gone.
        return 0.0, {}
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), waits


class Reader:
    """Reads what a child sent, in time; accepts only frames and arrays as an honest one sends.

    Args:
        file: Descriptor of the pipe's end. It is made non-blocking: what `poll` announces, a child that opens
            the pipe for reading can take back.
        limits: `Limits`.
        clock: `Clock` of the child.
    """

    HEADER = re.compile(
        rb"\{'descr': '([<>|=][biufU]\d{1,9})', 'fortran_order': False, "
        rb"'shape': (\(\)|\(\d{1,12},\)|\(\d{1,12}(?:, \d{1,12}){1,31}\)), \} *\n"
    )

    def __init__(self, file, limits, clock):
        self.file = file
        self.clock = clock
        self.call_limit = limits.output
        self.left = 4 * limits.output
        self.buffer = bytearray()
        self.poll = select.poll()
        self.poll.register(file, select.POLLIN)
        os.set_blocking(file, False)

    def take(self, count):
        """The next bytes, exactly so many."""
        while len(self.buffer) < count:
            if self.clock.over(idle=lambda: not self.poll.poll(0)):
                raise LateError
            self.poll.poll(max(0, math.ceil((self.clock.deadline - time.monotonic()) * 1000)))
            try:
                part = os.read(self.file, min(MIB, max(65536, count - len(self.buffer))))
            except BlockingIOError:
                continue
            if not part:
                raise EndedError
            self.buffer += part
        data = bytes(memoryview(self.buffer)[:count])
        del self.buffer[:count]
        return data

    def frame(self, *kinds):
        """The next frame's number and length, or with several kinds also which one it is."""
        magic, kind, number, length = worker.FRAME.unpack(self.take(worker.FRAME.size))
        if magic != worker.MAGIC or kind not in kinds:
            raise MalformedError("a frame that does not fit here")
        if kind != worker.ARRAY and length:
            raise MalformedError("a frame with a length that it cannot have")
        return (number, length) if len(kinds) == 1 else (kind, number)

    def call(self, forms):
        """One call's outputs: `Returned` or `Raised`."""
        kind, number = self.frame(worker.VALUE, worker.RAISED, worker.CHANGED)
        changed = []
        while kind == worker.CHANGED:
            if len(changed) == MOST_ARGUMENTS:
                raise MalformedError("more changed arguments than there are")
            changed.append(number)
            kind, number = self.frame(worker.VALUE, worker.CHANGED)
        if kind == worker.RAISED:
            return self.raised()
        if number != sum(2 if form == "ragged" else 1 for form in forms):
            raise MalformedError(f"{number} arrays")
        arrays, left = Returned(), self.call_limit + 4096
        arrays.changed = tuple(changed)
        for form in forms:
            for _ in range(2 if form == "ragged" else 1):
                arrays.append(self.array(left))
                left -= arrays[-1].nbytes
            _expect_form(form, arrays)
        return arrays

    def raised(self):
        """A description of an exception: kind, message, line."""
        kind, message, line = (self.array(4096) for _ in range(3))
        if kind.dtype.kind != "U" or message.dtype.kind != "U" or line.dtype.kind != "i":
            raise MalformedError("an exception that is none")
        if kind.ndim or message.ndim or line.ndim or not str(kind).isidentifier():
            raise MalformedError("an exception that is none")
        return Raised(str(kind)[:100], one_line(str(message)), max(0, int(line)))

    def array(self, limit):
        """The next array, a copy; its size is judged before it is read."""
        _, length = self.frame(worker.ARRAY)
        if length > min(limit, self.left):
            raise MalformedError(f"an array of {length} bytes")
        self.left -= length
        return _parse(self.take(length))


def _parse(data):
    """An array from the bytes of an .npy file (version 1.0, as NumPy writes it); evaluates nothing."""
    if data[:8] != b"\x93NUMPY\x01\x00":
        raise MalformedError("an array in another format")
    start = 10 + int.from_bytes(data[8:10], "little")
    header = Reader.HEADER.fullmatch(data[10:start])
    if start > len(data) or header is None:
        raise MalformedError("an array with a header that NumPy does not write")
    try:
        dtype = np.dtype(header[1].decode())
    except (TypeError, ValueError) as error:
        raise MalformedError("an array of an unknown type") from error
    shape = tuple(int(number) for number in re.findall(rb"\d+", header[2]))
    if not dtype.isnative or dtype.itemsize == 0 or (dtype.kind != "U" and dtype.itemsize > 8):
        raise MalformedError("an array of an unknown type")
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise MalformedError("an array whose size is not what its header says")
    if math.prod(filter(None, shape)) * dtype.itemsize > worker.OUTPUT_LIMIT:  # Beside an axis of length 0.
        raise MalformedError("an array with axes that are too long")
    if dtype.kind == "b":
        return (np.frombuffer(data, "uint8", offset=start) != 0).reshape(shape)
    if dtype.kind == "U":
        points = np.frombuffer(data, "uint32", offset=start)
        if ((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))).any():
            raise MalformedError("text that is not Unicode")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).copy()


def _expect_form(form, arrays):
    """Refuses arrays that `worker.pack` does not make for a form."""
    array = arrays[-1]
    text = array.dtype.kind == "U"
    if form == "ragged":
        flat, lengths = arrays[-2:]
        good = flat.dtype == lengths.dtype == np.int64 and flat.ndim == lengths.ndim == 1
        good = good and (lengths >= 0).all() and (lengths <= len(flat)).all() and lengths.sum() == len(flat)
    else:
        good = not text if form == "array" else text and array.ndim == (form == "texts")
    if not good:
        raise MalformedError(f"arrays that are not of the form {form!r}")


def one_line(text):
    """Text as one line that can be printed anywhere."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:600]).split())[:500]
