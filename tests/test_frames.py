"""The grader's end of the result pipe: no bytes make it fail or wait, and it accepts what NumPy reads."""

import contextlib
import io
import os
import subprocess
import sys
import time
import types

import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st

from course_lib.grading import frames, worker
from course_lib.grading.sandbox import Limits

examples = hypothesis.settings(deadline=None, max_examples=300, database=None, derandomize=True)


@contextlib.contextmanager
def reader_of(data, seconds=30.0):
    """A reader on a pipe that holds some bytes, and the pipe's writing end."""
    end, start = os.pipe()
    os.write(start, data)
    clock = frames.Clock(os.getpid())
    clock.start(seconds)
    with open(end, "rb"), open(start, "wb", buffering=0) as writing:
        yield frames.Reader(end, Limits(), clock), writing


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def same_as_numpy(data):
    """Parses bytes; what is accepted must be what NumPy reads in them, and plain."""
    try:
        array = frames._parse(data)
    except frames.MalformedError:
        return False
    expected = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    assert type(array) is np.ndarray
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    assert array.flags.writeable
    expected = expected.view("uint8") != 0 if array.dtype.kind == "b" else expected
    np.testing.assert_array_equal(array, expected)
    return True


PLAIN = st.one_of(
    hnp.boolean_dtypes(), hnp.integer_dtypes(endianness="="), hnp.unsigned_integer_dtypes(endianness="=")
) | st.sampled_from([np.dtype(f) for f in ("float16", "float32", "float64", "U1", "U7")])
TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")  # NumPy drops it at an end.


@examples
@hypothesis.given(
    PLAIN.flatmap(
        lambda kind: hnp.arrays(
            kind,
            hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
            elements=st.text(TEXT, max_size=kind.itemsize // 4) if kind.kind == "U" else None,
        )
    )
)
def test_what_numpy_writes_arrives(array):
    assert same_as_numpy(npy(array))


SIDES = st.sampled_from(
    [0, 1, 2, 3, 255, 2**16, 2**31, 2**32, 10**11, 10**12 - 1, 10**12, 2**62, 2**63, 2**64]
)
DESCRIPTIONS = st.sampled_from(["<f8", "<i4", "|b1", "<U3"]) | st.builds(
    "{}{}{}".format,
    st.sampled_from("<>|="),
    st.sampled_from("biufUOSVcmM?"),
    st.sampled_from([0, 1, 2, 3, 4, 7, 8, 16, 536870911, 536870912, 999999999, 10**9, 2**63]),
)


@examples
@hypothesis.given(DESCRIPTIONS, st.lists(SIDES, max_size=34), st.just(b"") | st.binary(max_size=70))
def test_no_header_is_an_error_of_the_grader(description, shape, payload):
    text = f"{{'descr': '{description}', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header = text.encode().ljust(117) + b"\n"
    same_as_numpy(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + payload)


@examples
@hypothesis.given(
    st.sampled_from([1.5, True, "text", [1, 2, 3], [[0.5], [2.5]], ["a", "bcd"], np.zeros((0, 3))]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    st.integers(-3, 3),
)
def test_no_byte_of_an_array_is_an_error_of_the_grader(value, changes, more):
    data = bytearray(npy(value))
    for place, byte in changes:
        data[place % len(data)] = byte
    same_as_numpy(bytes(data[:more] if more < 0 else data + bytes(more)))


@examples
@hypothesis.given(
    st.lists(
        st.builds(
            lambda kind, number, length, data: worker.FRAME.pack(worker.MAGIC, kind, number, length) + data,
            st.integers(0, 6),
            st.sampled_from([0, 1, 2, 2**32 - 1]),
            st.sampled_from([0, 1, 128, 129, 2**63, 2**64 - 1]),
            st.sampled_from([b"", npy(0), npy(1.5), npy("text"), npy(["a"]), npy(np.zeros((0, 2)))]),
        ),
        max_size=6,
    ),
    st.binary(max_size=20),
    st.sampled_from([("array",), ("text",), ("texts",), ("ragged",), ("array", "text")]),
)
def test_no_frames_are_an_error_of_the_grader(sent, rest, forms):
    with reader_of(b"".join(sent) + rest) as (reader, writing):
        writing.close()
        with contextlib.suppress(frames.MalformedError, frames.EndedError):
            while True:
                reader.call(forms)


@pytest.mark.parametrize(
    "shape", [(0, 999999999999, 999999999999), (999999999999, 0), (0,) * 3 + (2**16,) * 4, (0,) + (64,) * 31]
)
def test_axes_that_no_array_has_are_malformed_beside_an_empty_one(shape):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = text.encode().ljust(400) + b"\n"
    with pytest.raises(frames.MalformedError):
        frames._parse(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def test_bytes_that_are_taken_back_do_not_hold_the_reader():
    with reader_of(b"", seconds=0.3) as (reader, writing):
        poll = reader.poll

        class Thief:
            """A child that opened the pipe for reading and is quicker."""

            def poll(self, timeout):
                writing.write(b"A")
                ready = poll.poll(timeout)
                os.read(reader.file, 1)
                return ready

        reader.poll = Thief()
        began = time.monotonic()
        with pytest.raises(frames.LateError):
            reader.take(1)
        assert time.monotonic() - began < 20


# Time.


@pytest.mark.parametrize(
    ("elapsed", "had", "waited", "idle", "over"),
    [
        (9.9, 9.9, 0.0, True, False),
        (10.1, 10.1, 0.0, True, True),
        (10.1, 0.0, 0.0, True, True),  # It slept.
        (10.1, 3.0, 0.0, False, False),  # It was in time, and the grader slow to read.
        (10.1, 10.1, 0.0, False, True),  # It writes without end.
        (15.0, 3.0, 12.0, True, False),  # Others had the processors.
        (15.0, 3.0, 4.9, True, True),
        (30.0, 10.0, 29.0, True, True),  # Its own other threads had them.
        (301.0, 1.0, 300.0, True, True),
    ],
)
def test_time_that_is_waited_for_a_processor_is_not_charged(monkeypatch, elapsed, had, waited, idle, over):
    now, usage = 50.0, (7.0, {"1": 2.0, "2": 5.0})
    monkeypatch.setattr(frames, "time", types.SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(frames, "_usage", lambda pid: usage)
    clock = frames.Clock(1)
    clock.start(10.0)
    assert clock.deadline == 60.0
    now, usage = now + elapsed, (7.0 + had, {"1": 2.0, "2": 5.0 + waited, "3": waited / 2})
    assert clock.over(lambda: idle) == over
    assert clock.spent() == pytest.approx(elapsed - waited)
    if not over:
        assert clock.deadline == pytest.approx(max(60.0, now + 10.0 - elapsed + waited, now * (elapsed > 10)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who waits for a processor")
def test_a_process_that_never_sleeps_has_a_processor_or_waits_for_one():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        time.sleep(0.3)
        began, (had, waits) = time.monotonic(), frames._usage(process.pid)
        time.sleep(1.0)
        elapsed, (later, waited) = time.monotonic() - began, frames._usage(process.pid)
        process.kill()
    (thread,) = waits
    assert thread == str(process.pid)
    assert later - had + waited[thread] - waits[thread] == pytest.approx(elapsed, rel=0.3)


def test_of_a_process_that_is_gone_nothing_is_known():
    assert frames._usage(2**22 + 1) == (0.0, {})
