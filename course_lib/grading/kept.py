"""What references and mistakes give on the inputs of `check`, kept in files.

So that a check need not import TensorFlow. `make exercises` writes the files. They hold outputs only; inputs
are drawn anew each time, and if these are not those that the outputs were made from, so are the outputs.
"""

import functools
import hashlib
import io
import itertools
import json
import lzma
import pathlib
import zipfile

import numpy as np

from course_lib import questions, runtime
from course_lib.grading import judge

SEED = 0  # The same inputs at every check, so that a learner can work on one failing call.
FOLDER = pathlib.Path(questions.__file__).parent / "kept"
META = "meta"
MACHINE = "machine"  # Where the outputs were made.
UNREADABLE = (OSError, ValueError, KeyError, lzma.LZMAError, zipfile.BadZipFile)


def expected(question):
    """The right outputs of a question, and those of its mistakes, on the inputs that `check` uses."""
    calls = draw(question)
    return _load(question, calls) or judge.expected(question, calls)


def example(question):
    """The right output for the example of a question, packed."""
    try:
        found = _read(FOLDER / f"{question.id.partition('.')[0]}.npz.xz")
        if json.loads(str(found[META]))[question.id]["example"] == _digest(question.example):
            return _output(found, f"{question.id}/example/0")
    except UNREADABLE:
        pass
    return _example(question)


def _example(question):
    packed, error = judge.outcome(question.reference, question.example, question.returns)
    if error:
        raise RuntimeError(f"The example of {question.id} failed. {packed}")
    return packed


def draw(question):
    """The inputs that `check` uses."""
    return question.calls(np.random.default_rng(SEED))


def write(word, folder=FOLDER):
    """Writes the file of one lesson, if it would change.

    Returns:
        Its path, or None if it is as it was.
    """
    arrays, meta = {}, {}
    for question in questions.topic(word):
        calls = draw(question)
        made = judge.expected(question, calls)
        lists = {"right": made.outputs}
        for mistake, variants in made.mistakes:
            lists |= {f"{mistake.name}/{i}": variant.outputs for i, variant in enumerate(variants)}
        raised = {}
        for name, outputs in lists.items():
            for number, output in enumerate(outputs):
                if isinstance(output, judge.Raised):
                    raised[f"{name}/{number}"] = [output.kind, output.message[:200]]
                else:
                    arrays |= {f"{question.id}/{name}/{number}/{i}": a for i, a in enumerate(output)}
        meta[question.id] = {"calls": _digest(calls), "lists": list(lists), "raised": raised}
        if question.example:
            packed = _example(question)
            arrays |= {f"{question.id}/example/0/{i}": a for i, a in enumerate(packed)}
            meta[question.id]["example"] = _digest(question.example)
    arrays[META] = np.array(json.dumps(meta | {MACHINE: machine()}, sort_keys=True))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # Its many small members are best compressed together.
    path = folder / f"{word}.npz.xz"
    if path.is_file() and _same(path, arrays):
        return None
    path.parent.mkdir(exist_ok=True)
    with runtime.atomic_write(path) as temporary:
        temporary.write_bytes(lzma.compress(buffer.getvalue()))
    return path


def write_all(folder=FOLDER):
    """Writes the files of all lessons that would change; returns their paths."""
    return [path for word in questions.topics() if (path := write(word, folder))]


def _same(path, arrays):
    """Whether a file holds these arrays, up to the last digits, which differ between processors."""
    try:
        found = _read(path)
    except UNREADABLE:
        return False
    return set(found) == set(arrays) and all(_alike(found[name], array) for name, array in arrays.items())


def made_here(word):
    """Whether a lesson's file was made on a machine like this one."""
    return json.loads(str(_read(FOLDER / f"{word}.npz.xz")[META]))[MACHINE] == machine()


def _alike(one, other):
    if one.shape != other.shape or one.dtype.kind != other.dtype.kind:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    with np.errstate(all="ignore"):
        return bool(np.allclose(one, other, rtol=1e-5, atol=1e-7, equal_nan=True))


def _load(question, calls):
    """The `judge.Expected` of a question from its file, or None if the file does not have it."""
    try:
        found = _read(FOLDER / f"{question.id.partition('.')[0]}.npz.xz")
        meta = json.loads(str(found[META]))[question.id]
    except UNREADABLE:
        return None
    names = [f"{m.name}/{i}" for m in question.mistakes if not m.recognise for i in range(len(m.answers))]
    if meta["calls"] != _digest(calls) or meta["lists"] != ["right", *names]:
        return None

    def outputs(name):
        made = []
        for number in range(len(calls)):
            if raised := meta["raised"].get(f"{name}/{number}"):
                made.append(judge.Raised(*raised))
            else:
                made.append(_output(found, f"{question.id}/{name}/{number}"))
        return made

    right = outputs("right")
    mistakes = [
        (
            mistake,
            [
                judge.variant(question, calls, right, outputs(f"{mistake.name}/{i}"))
                for i in range(0 if mistake.recognise else len(mistake.answers))
            ],
        )
        for mistake in question.mistakes
    ]
    return judge.Expected(calls, right, mistakes)


def _output(found, start):
    """The arrays of one call."""
    names = itertools.takewhile(found.__contains__, (f"{start}/{i}" for i in itertools.count()))
    return judge.Returned(found[name] for name in names)


def _read(path):
    """The arrays of a file, which is read again only if it has changed."""
    return _arrays(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _arrays(path, _):
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes())), allow_pickle=False) as found:
        return dict(found)


def _digest(value):
    """SHA-256 of nested arguments, by their values; of floats without the last digits."""
    digest = hashlib.sha256()

    def add(value):
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype.str}{value.shape}".encode())
            digest.update(np.ascontiguousarray(_steps(value) if value.dtype.kind == "f" else value).tobytes())
        elif isinstance(value, (list, tuple)):
            digest.update(f"[{len(value)}".encode())
            for each in value:
                add(each)
        elif isinstance(value, dict):
            add([part for pair in sorted(value.items()) for part in pair])
        else:
            digest.update(f"{type(value).__name__}{value!r}".encode())

    add(value)
    return digest.hexdigest()


def _steps(array):
    """Floats as whole steps of a millionth of the largest: builds of NumPy differ in what is below."""
    finite = np.isfinite(array)
    values = np.where(finite, array, 0.0).astype("float64")
    _, exponent = np.frexp(np.abs(values).max(initial=0.0))
    steps = np.rint(np.ldexp(values, 20 - exponent)).astype("int64")
    special = np.select([np.isnan(array), array == np.inf, array == -np.inf], [1, 2, 3], 0)
    return np.stack([steps, special])


def machine():
    """What unstable sorts and linear algebra give here, in short: they differ between processors."""
    rng = np.random.default_rng(0)
    ties, matrix = rng.integers(5, size=1000), rng.normal(size=(20, 20))
    parts = (np.argsort(ties), np.argpartition(ties, 500), np.linalg.qr(matrix)[0], np.exp(matrix))
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
