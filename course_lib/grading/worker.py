"""The program that runs answers: a warm process that imports everything once and forks for each submission.

Standalone: `sandbox.py` starts this file with a clean environment, and it imports nothing of `course_lib`,
which its children can neither import nor read, but for `cells.py` and `confine.py`, by their paths. Two lines
lead to the parent:

- A socket, which carries orders and short replies as JSON. The warm process never reads a submission nor
  looks at a child, so that no child inherits anything of another: for each it forks a keeper, which does.
- Two pipes for each child, made by the parent: the request (pickle, parent to child) and the results (frames
  and `.npy` arrays, child to parent), which the parent trusts in nothing.

Only `pack` and `FormError` are for other modules.
"""

import ast
import fcntl
import gc
import importlib.util
import io
import itertools
import json
import linecache
import math
import mmap
import os
import pickle
import random
import re
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import traceback
import types

import numpy as np

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
OUTPUT_LIMIT = 64 << 20  # Bytes that one call may return.

# A frame: magic, kind, a number, and for arrays the bytes that follow.
FRAME = struct.Struct("<2sHIQ")
MAGIC = b"A1"
READY, CELL, VALUE, RAISED, ARRAY, CHANGED = range(6)
DEFINED, UNDEFINED, FAILED = range(3)  # The number in a CELL frame.

TICK = 0.02  # Seconds between two looks at a child.


class FormError(ValueError):
    """A returned value does not have the form that was asked for; the message is for the learner."""


def unfinished(error, name):
    """What a NotImplementedError says, and whose it is if the function of that name called another stub."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    whose = trace.tb_frame.f_code.co_name if trace is not None else name
    said = str(error) or f"{name} is still to be written."
    return said if whose in (name, "<module>") else f"{whose}, which {name} calls, is not written yet. {said}"


def pack(value, forms):
    """Turns what an answer returned into plain arrays, the only thing that is compared or sent.

    Args:
        value: The returned value.
        forms: Form of each part, as `Question.returns`; with more than one, the value must be a tuple, a list
            or an array of that length.

    Returns:
        List of base-class arrays in C order and native byte order, of kinds b, i, u, f and U: one for
        `"array"`, `"text"` and `"texts"`; two for `"ragged"`, the numbers of all sequences and their lengths.

    Raises:
        FormError: If the value does not have these forms.
    """
    if value is None:
        raise FormError("The function returned None: is a `return` missing?")
    if len(forms) == 1:
        arrays = PACKERS[forms[0]]("The output", value)
    else:
        several = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim > 0)
        if not several or len(value) != len(forms):
            many = f" of {len(value)}" if several else ""
            received = f"{type(value).__name__}{many}"
            raise FormError(f"The function must return {len(forms)} values. Received: {received}")
        parts = zip(ORDINALS, forms, value, strict=False)
        arrays = [
            array
            for ordinal, form, part in parts
            for array in PACKERS[form](f"The {ordinal} returned value", part)
        ]
    if sum(array.nbytes for array in arrays) > OUTPUT_LIMIT:
        raise FormError(f"The output is larger than {OUTPUT_LIMIT >> 20} MiB.")
    return arrays


def _numbers(name, value):
    if isinstance(value, (types.GeneratorType, map, filter, zip, dict, set, frozenset)):
        raise FormError(
            f"{name} must be an array of numbers. Received: {type(value).__name__}, which is none yet."
        )
    try:
        array = np.asarray(value)
        if array.dtype.kind == "V" and array.dtype.names is None and hasattr(array.dtype.type, "__float__"):
            array = array.astype("float32")  # bfloat16 and its kin.
    except Exception as error:
        raise FormError(f"{name} cannot be made an array: {error}"[:500]) from error
    if array.dtype.kind not in "biuf":
        inside = f" of {array.dtype}" if isinstance(value, np.ndarray) or array.ndim else ""
        raise FormError(f"{name} must be an array of numbers. Received: {type(value).__name__}{inside}")
    if array.nbytes > OUTPUT_LIMIT:
        raise FormError(f"{name} is larger than {OUTPUT_LIMIT >> 20} MiB. Its shape is {array.shape}")
    wanted = array.dtype.newbyteorder("=") if array.dtype.itemsize <= 8 else np.dtype("float64")
    return [np.array(array, dtype=wanted, order="C", copy=True, subok=False)]


def _plain(name, value):
    if not isinstance(value, str):
        raise FormError(f"{name} must be a str. Received: {type(value).__name__}")
    value = str.__str__(value)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise FormError(f"{name} is not valid Unicode: it contains half of a surrogate pair.")
    return value


def _text(name, value):
    value = _plain(name, value)
    if 4 * len(value) > OUTPUT_LIMIT:
        raise FormError(f"{name} is longer than {OUTPUT_LIMIT >> 20} MiB.")
    return [np.array(value)]


def _texts(name, value):
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        raise FormError(f"{name} must be a list of str. Received: {type(value).__name__}")
    texts = [_plain(f"{name}[{i}]", text) for i, text in enumerate(value)]
    if 4 * len(texts) * max(map(len, texts), default=1) > OUTPUT_LIMIT:
        raise FormError(f"{name} is larger than {OUTPUT_LIMIT >> 20} MiB.")
    return [np.array(texts, dtype=None if texts else "U1")]


def _ragged(name, value):
    asked = f"{name} must be a list of sequences of int."
    if isinstance(value, (str, bytes, dict)):
        raise FormError(f"{asked} Received: {type(value).__name__}")
    try:
        items = list(value)
    except Exception as error:
        raise FormError(f"{asked} Received: {type(value).__name__}") from error
    rows = []
    for place, item in enumerate(items):
        try:
            row = np.asarray(item)
        except Exception as error:
            raise FormError(f"{asked} Item {place} is of lists in lists.") from error
        if row.ndim != 1:
            what = "a single value" if row.ndim == 0 else "of lists in lists"
            raise FormError(f"{asked} Item {place} is {what}.")
        if row.size and row.dtype.kind not in "iu":
            raise FormError(f"{asked} Item {place} holds {row.dtype}.")
        rows.append(row)
    if 8 * sum(row.size + 1 for row in rows) > OUTPUT_LIMIT:
        raise FormError(f"{name} is larger than {OUTPUT_LIMIT >> 20} MiB.")
    if any(row.dtype.kind == "u" and row.size and row.max() >= 2**63 for row in rows):
        raise FormError(f"{name} contains integers that do not fit into 64 bits.")
    flat = np.concatenate([np.zeros(0, "int64"), *(row.astype("int64") for row in rows)])
    return [flat, np.array([row.size for row in rows], dtype="int64")]


PACKERS = {"array": _numbers, "text": _text, "texts": _texts, "ragged": _ragged}


# The child: everything below this line runs in the process of the answer, and the parent believes none of it.


class _Results:
    """Writes frames to the result pipe."""

    def __init__(self, file):
        self.file = file

    def frame(self, kind, number=0, length=0):
        self._write(FRAME.pack(MAGIC, kind, number, length))

    def value(self, arrays, changed=()):
        for place in changed:
            self.frame(CHANGED, place)
        self.frame(VALUE, len(arrays))
        self._arrays(arrays)

    def raised(self, error, cell, frame=(RAISED, 0)):
        self.frame(*frame)
        self._arrays([np.array(part) for part in _describe(error, cell)])

    def _arrays(self, arrays):
        for array in arrays:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
            self.frame(ARRAY, 0, buffer.tell())
            self._write(buffer.getbuffer())

    def _write(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(self.file, view) :]


def _describe(error, cell):
    """Type, message and line in the cell of an exception, plain."""
    try:
        known = (FormError, MemoryError, PermissionError)
        kind = next((known.__name__ for known in known if isinstance(error, known)), type(error).__name__)
        line, trace = 0, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == cell:
                line = trace.tb_lineno
            trace = trace.tb_next
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        if isinstance(error, SyntaxError) and error.filename == cell:
            line = error.lineno or 0
        if type(error) is NotImplementedError:  # Libraries raise kinds of their own, which are no stubs.
            message = unfinished(error, cell[1:-1])
        message = str(message)[:500].encode("utf-8", "replace").decode()
        return str(kind)[:100], message, int(line)
    except BaseException:
        return "Exception", "an exception that cannot be described", 0


def _serve(request, results, cells):
    """Runs the cells of a submission in one namespace, and makes the calls.

    Args:
        request: Dict of `entries`, the answers in order, each with its `place` among them, of `own`, pairs
            of a place and the source of another cell, and of `asked`, the names of all functions asked for.
        results: `_Results`.
        cells: The module of that name.
    """
    entries = request["entries"]
    libraries = {short: sys.modules[long] for short, long in LIBRARIES.items() if long in sys.modules}
    names = cells.namespace({"np": np, "math": math, **libraries})
    own = cells.Own(request["own"], request["asked"])
    learned = False  # Whether any cell so far used TensorFlow or Keras, whose seeding takes time.
    for entry in entries:
        cell = f"<{entry['name']}>"
        source = cells.plain(entry["source"])[0]
        lines = source.splitlines(keepends=True)
        linecache.cache[cell] = (len(source), None, lines, cell)
        learned = learned or ("keras" in sys.modules and re.search(r"\b(keras|tf|tensorflow)\b", source))
        try:
            tree = ast.parse(source, cell)
            whole = compile(tree, cell, "exec", dont_inherit=True)
            own.run(entry["place"], cells.loads(whole), names)
            names.pop(entry["name"], None)
            stripped = ast.fix_missing_locations(cells.strip(tree, names))
            _seed(learned)
            with cells.no_input():
                exec(compile(stripped, cell, "exec", dont_inherit=True), names)  # noqa: S102
        except BaseException as error:
            # As in a notebook, what was defined before the error is there.
            if not isinstance(names.get(entry["name"]), types.FunctionType):
                results.raised(error, cell, (CELL, FAILED))
                continue
        function = names.get(entry["name"])
        results.frame(CELL, DEFINED if callable(function) else UNDEFINED)
        if callable(function):
            _make_calls(function, entry, cell, results, cells)


def _make_calls(function, entry, cell, results, cells):
    for index, pickled in enumerate(entry["calls"]):
        arguments = pickle.loads(pickled)  # noqa: S301 (the parent's)
        try:
            with cells.no_input():
                arrays = pack(function(*arguments), entry["forms"])
        except BaseException as error:
            results.raised(error, cell)
            if index == 0 and type(error) is NotImplementedError:
                return
        else:
            results.value(arrays, cells.changed(pickle.loads(pickled), arguments))  # noqa: S301
            del arrays


def _seed(learned):
    random.seed(0)
    np.random.seed(0)
    if learned:
        sys.modules["keras"].utils.set_random_seed(0)


def _child(request, result, errors, folder, order, options):
    """Life of a forked child, from the fork to its end."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    request = fcntl.fcntl(request, fcntl.F_DUPFD, 5)  # Its number may be one of these.
    for source, target in ((null, 0), (null, 1), (errors, 2), (result, 3), (request, 4)):
        os.dup2(source, target)
    os.closerange(5, 65536)
    os.environ.update(HOME=folder, TMPDIR=folder)
    tempfile.tempdir = folder
    os.chdir(folder)
    confine = options["confine"]
    if options["rules"] is not None:
        with open("/proc/self/oom_score_adj", "w") as file:  # If memory runs out, it goes first.
            file.write("1000")
        confine.die_with_parent()
        if os.getppid() != order["parent"]:
            os._exit(1)
        confine.limit_resources(options["limits"], order["seconds"])
        confine.confine(folder, options["rules"])
    results = _Results(3)
    results.frame(READY)  # At which the parent sends the answers, that none takes this back.
    with open(4, "rb") as file:
        work = pickle.load(file)  # noqa: S301 (the parent's)
    _serve(work, results, options["cells"])


# The warm process.

LIBRARIES = {"tf": "tensorflow", "keras": "keras"}


def serve(control, options):
    """Forks a keeper for each child that the parent orders, until the parent hangs up.

    This process reads nothing that a child wrote or was named, so that the next one inherits nothing of it.

    Args:
        control: Socket to the parent.
        options: As for `main`, with the module `confine` and the `rules`.
    """
    warm = os.getpid()
    for number in itertools.count(1):
        message, files, *_ = socket.recv_fds(control, 65536, 3)
        if not message:
            return
        keeper = os.fork()
        if keeper == 0:
            status = 1
            try:
                if options["rules"] is not None:
                    options["confine"].die_with_parent()
                if os.getppid() == warm:
                    folder = os.path.join(options["folder"], f"child-{number}")
                    _Keeper(control, options, folder).keep(json.loads(message), files)
                    status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        for file in files:
            os.close(file)
        if os.waitpid(keeper, 0)[1] != 0:
            return


class _Keeper:
    """Forks one child, watches it and removes what it left; a process of its own, which then ends."""

    def __init__(self, control, options, folder):
        self.control = control
        self.options = options
        self.limits = options["limits"]
        self.folder = folder
        self.exceeded = None

    def keep(self, order, files):
        """Follows the order to fork, and then the one to end the child."""
        if "tensorflow" in sys.modules:
            from tensorflow.python.eager import context

            if context.context()._context_handle is not None:
                why = "A tensor was made before the fork; children of this process would hang."
                self._reply({"error": why})
                return
        os.mkdir(self.folder, 0o700)
        try:
            self._fork(order, files)
            self._reply({"pid": self.pid})
            poll = select.poll()
            poll.register(self.control, select.POLLIN)
            while not poll.poll(TICK * 1000):
                self._watch()
            wanted = self.control.recv(65536)
        finally:
            status = self._end()
        if wanted:  # Else the parent has hung up.
            self._reply({"status": status, "exceeded": self.exceeded})

    def _reply(self, reply):
        self.control.sendall(json.dumps(reply).encode() + b"\n")

    def _fork(self, order, files):
        order["parent"], self.pid = os.getpid(), None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.control.detach()
                _child(*files, self.folder, order, self.options)
                os._exit(0)
            except BaseException as error:
                os.write(2, f"{type(error).__name__}: {error}"[:2000].encode("utf-8", "replace"))
            finally:
                os._exit(1)
        for file in files:
            os.close(file)

    def _end(self):
        """Kills and reaps the child, removes its folder, and returns its status."""
        status = 0
        if self.pid is not None:
            self._kill()
            status = os.waitpid(self.pid, 0)[1]
        shutil.rmtree(self.folder, ignore_errors=True)  # It follows no links.
        return status

    def _kill(self):
        for kill in (os.kill, os.killpg):
            try:
                kill(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # Not a group yet; macOS: EPERM for zombies.
                continue

    def _watch(self):
        if self.exceeded is None:
            self.exceeded = self._excess()
            if self.exceeded:
                self._kill()

    def _excess(self):
        """The limit that the child exceeds now, or None."""
        tasks = f"/proc/{self.pid}/task"
        try:
            threads = os.listdir(tasks)
        except OSError:
            threads = []  # Not Linux.
        if len(threads) > self.limits["threads"]:
            return "threads"
        for thread in threads:
            try:
                with open(f"{tasks}/{thread}/statm", "rb") as file:
                    pages = int(file.read().split()[1])
            except OSError:
                continue
            if pages * mmap.PAGESIZE > self.limits["resident"]:
                return "memory"
            if pages:  # One that has ended has none, even if it was the first.
                break
        size = 0
        try:
            with os.scandir(self.folder) as entries:
                for number, entry in enumerate(entries):
                    size += 512 * entry.stat(follow_symlinks=False).st_blocks
                    if size > self.limits["disk"] or number >= self.limits["disk_files"]:
                        return "disk"
        except OSError:
            return None  # Not confined, it removed a file meanwhile.
        return None


def _beside(name):
    """A module that lies beside this file."""
    spec = importlib.util.spec_from_file_location(name, os.path.join(os.path.dirname(__file__), f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses look there.
    spec.loader.exec_module(module)
    return module


def main(number, options):
    """Prepares, reports to the parent, and serves.

    Args:
        number: File descriptor of the control socket.
        options: JSON: `folder`, `frameworks`, `confined`, `limits`.
    """
    control = socket.socket(fileno=int(number))
    options = json.loads(options)
    package = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    options.update({name: _beside(name) for name in ("confine", "cells")})
    options["rules"] = options["confine"].readable(package) if options["confined"] else None
    if options["confined"]:  # What cannot be read need not be searched.
        roots = [root for root, _ in options["rules"]]
        sys.path[:] = [path for path in sys.path if os.path.realpath(path).startswith(tuple(roots))]
    if options["frameworks"]:
        import keras
        import tensorflow as tf

        assert keras.backend.backend() == "tensorflow"
        tf.get_logger().setLevel("ERROR")
    with open(os.devnull, "wb", buffering=0) as nowhere:  # What a child needs lazily is imported here, once.
        entry = {"name": "f", "source": "def f(x): return 1 / x", "forms": ("array",)}
        calls = [pickle.dumps((np.ones(2),)), pickle.dumps((0,))]
        request = {"entries": [{**entry, "place": 0, "calls": calls}], "own": [], "asked": ["f"]}
        _serve(request, _Results(nowhere.fileno()), options["cells"])
    options["cells"].close_course()
    gc.collect()
    gc.freeze()  # A child's collector shall not touch, and thereby copy, what it shares with this process.
    control.sendall(b'{"ready": true}\n')
    try:
        serve(control, options)
    finally:  # Also when the parent was killed while an order was on its way.
        shutil.rmtree(options["folder"], ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
