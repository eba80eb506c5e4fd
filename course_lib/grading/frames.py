"""The grader's end of the result pipe: reads what a child sent, and believes none of it.

Frames and `.npy` arrays as an honest child sends them are accepted, and nothing else. Their sizes are judged
before they are read, and a child cannot make the grader wait for longer than a task may take.
"""

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


class EndedError(Exception):
    """The child closed its end of the pipe."""


class LateError(Exception):
    """A task's time is over."""


class MalformedError(Exception):
    """The child sent what no honest child sends."""


class Reader:
    """Reads what a child sent, with a deadline; accepts only frames and arrays as an honest one sends."""

    HEADER = re.compile(
        rb"\{'descr': '([<>|=][biufU]\d{1,9})', 'fortran_order': False, "
        rb"'shape': (\(\)|\(\d{1,12},\)|\(\d{1,12}(?:, \d{1,12}){1,31}\)), \} *\n"
    )

    def __init__(self, file, limits):
        self.file = file
        self.deadline = 0.0
        self.call_limit = limits.output
        self.left = 4 * limits.output
        self.buffer = bytearray()
        self.poll = select.poll()
        self.poll.register(file, select.POLLIN)

    def take(self, count):
        """The next bytes, exactly so many."""
        while len(self.buffer) < count:
            left = self.deadline - time.monotonic()
            if left <= 0 or not self.poll.poll(math.ceil(left * 1000)):
                raise LateError
            part = os.read(self.file, min(MIB, max(65536, count - len(self.buffer))))
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
    except TypeError as error:
        raise MalformedError("an array of an unknown type") from error
    shape = tuple(int(number) for number in re.findall(rb"\d+", header[2]))
    if not dtype.isnative or dtype.itemsize == 0 or (dtype.kind != "U" and dtype.itemsize > 8):
        raise MalformedError("an array of an unknown type")
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise MalformedError("an array whose size is not what its header says")
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
