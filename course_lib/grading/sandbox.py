"""The grader's side of the sandbox: sends answers to be run, and believes nothing that comes back.

`worker.py` runs as a process of its own and forks a confined child for each submission. All that returns are
frames and `.npy` arrays, whose sizes are judged before they are read. What became of an answer is decided
here, from the frames read, the child's exit status and the limit that ended it.
"""

import contextlib
import dataclasses
import json
import math
import os
import pickle
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from course_lib.grading import confine, frames, worker
from course_lib.grading.judge import Raised

MIB = 1 << 20


class SandboxError(RuntimeError):
    """The grader itself failed. Never a mark."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes:
        data: Bytes of private memory.
        address_space: Bytes of addresses; libraries reserve far more than they use.
        resident: Bytes in use, shared libraries included, at which the child is killed.
        threads: Number of threads.
        file: Bytes of one file.
        disk: Bytes of all files.
        disk_files: Number of files.
        output: Bytes that one call may return; a submission may return four times as much.
        start: Seconds for the warm process to import its libraries.
    """

    data: int = 2048 * MIB
    address_space: int = 8192 * MIB
    resident: int = 3072 * MIB
    threads: int = 256
    file: int = 16 * MIB
    disk: int = 64 * MIB
    disk_files: int = 1000
    output: int = worker.OUTPUT_LIMIT
    start: float = 180.0


@dataclasses.dataclass(frozen=True)
class Task:
    """One question of one submission.

    Attributes:
        name: Name of the function that is asked for.
        source: Text of the answer cell; None if it is missing.
        calls: List of argument tuples.
        forms: Forms of the returned values, as `Question.returns`.
        seconds: Time limit for the cell and all calls together.
    """

    name: str
    source: str | None
    calls: list
    forms: tuple[str, ...]
    seconds: float


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes:
        status: `"answered"`, `"not attempted"`, `"crashed"`, `"timed out"`, `"out of memory"`,
            `"forbidden"` or `"malformed"`.
        outputs: If answered, one entry per call: a list of arrays, or `Raised`. A returned value of the wrong
            form is a `Raised` of kind `"FormError"`.
        message: One line for people.
        seconds: How long it took.
    """

    status: str
    outputs: list
    message: str
    seconds: float


def missing_layers():
    """Names what this machine lacks to confine answers; empty if it can."""
    return confine.missing()


class Sandbox:
    """Runs submissions, one at a time, each in a forked child of one warm process.

    A context manager; the first `run` or the `with` statement starts the warm process.

    Args:
        confined: Whether to confine the answers. Without, they only have a time limit: that is for the
            learner's own.
        frameworks: Whether the warm process imports TensorFlow and Keras.
        limits: `Limits`.

    Raises:
        SandboxError: If answers are to be confined and this machine lacks a layer for it.
    """

    def __init__(self, confined=True, frameworks=True, limits=Limits()):
        if confined and (missing := missing_layers()):
            raise SandboxError(f"Answers cannot be confined here. Missing: {'; '.join(missing)}")
        self.confined, self.frameworks, self.limits = confined, frameworks, limits
        self._process = self._control = self._folder = None
        self._owed = False  # Whether a reply to an order has not been read yet.

    def __enter__(self):
        self._start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends the warm process, and with it any child, and removes the temporary folder."""
        if self._process is None:
            return
        self._control.close()  # At which it kills its child, cleans up and ends.
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._process = None

    def run(self, tasks, own=()):
        """Runs the answers of one submission, in order.

        Args:
            tasks: List of `Task`. A later one may use what an earlier cell defined. After an answer that
                killed its process, a new one goes on with the next task; earlier cells are executed again.
            own: The submission's other cells, pairs of a place among the tasks and a source. Of these,
                answers get what they use, see `cells`.

        Returns:
            List of `Outcome`, one per task.

        Raises:
            SandboxError: If the grader itself failed, twice in a row.
        """
        submission = _Submission(tasks, own)
        failed = False
        while submission.pending:
            try:
                self._start()
                self._attempt(submission)
                failed = False
            except _GraderError as error:
                self.close()
                if failed:
                    raise SandboxError(str(error)) from error
                failed = True
            except BaseException:
                self.close()
                raise
        return submission.outcomes

    def _start(self):
        if self._process is not None:
            return
        self._folder = os.path.realpath(tempfile.mkdtemp(prefix="course-grade-"))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed in close)
        options = {
            "folder": self._folder,
            "frameworks": self.frameworks,
            "confined": self.confined,
            "limits": dataclasses.asdict(self.limits),
        }
        self._owed = False
        self._control, theirs = socket.socketpair()
        # -P and -s with a clean environment isolate as -I does, but that would ignore PYTHONHASHSEED.
        command = [
            sys.executable,
            "-P",
            "-s",
            "-B",
            worker.__file__,
            str(theirs.fileno()),
            json.dumps(options),
        ]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (this interpreter, this package)
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                cwd=self._folder,
                env=_environment(self._folder),
                start_new_session=True,  # Ctrl-C is for this process, which then closes that one.
            )
        try:
            self._reply(self.limits.start)
        except _GraderError as error:
            self._log.seek(0)
            last = self._log.read()[-2000:].decode("utf-8", "replace").strip()
            self.close()
            raise SandboxError(f"The process that runs answers did not start. {error}\n{last}") from error

    def _order(self, order, files=(), wait=True):
        if self._owed:
            self._reply(30)
        try:
            socket.send_fds(self._control, [json.dumps(order).encode() + b"\n"], files)
        except OSError as error:
            raise _GraderError(f"The process that runs answers has ended: {error}") from error
        self._owed = True
        return self._reply(30) if wait else None

    def _reply(self, seconds):
        """The warm process's answer to an order; no child can write there."""
        self._control.settimeout(seconds)
        message = b""
        try:
            while not message.endswith(b"\n"):
                part = self._control.recv(65536)
                if not part:
                    raise _GraderError("The process that runs answers has ended.")
                message += part
        except OSError as error:
            raise _GraderError(f"The process that runs answers does not reply: {error}") from error
        self._owed = False
        reply = json.loads(message)
        if "error" in reply:
            raise _GraderError(reply["error"])
        return reply

    def _attempt(self, submission):
        """Forks a child for the pending tasks; settles at least one of them, or one cell's repetition."""
        request_end, request = os.pipe()
        results, results_end = os.pipe()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, results)
            stack.callback(lambda: os.close(request) if request is not None else None)
            try:
                self._order(
                    {"do": "fork", "seconds": submission.processor_time()}, [request_end, results_end]
                )
            finally:
                os.close(request_end)
                os.close(results_end)
            reader = frames.Reader(results, self.limits)
            ended_by = None
            try:
                reader.deadline = time.monotonic() + 30
                request = _send(request, submission.request(), reader.deadline)
                reader.frame(worker.READY)
                submission.ready = True
                submission.read(reader)
            except (frames.EndedError, frames.LateError, frames.MalformedError) as error:
                ended_by = error
            # One that has finished is removed while its answers are judged.
            end = self._order({"do": "end"}, wait=ended_by is not None)
        if ended_by is not None:
            if not submission.ready:
                raise _GraderError(f"A child did not start. {_death(end)[1]}. {end['errors']}".strip())
            submission.settle_end(ended_by, end)


class _GraderError(Exception):
    """A failure that is not the submission's; the first one leads to a new warm process and another try."""


class _Submission:
    """The tasks of a submission and what became of them, over the lives of all its children."""

    def __init__(self, tasks, own):
        self.tasks, self.own = list(tasks), list(own)
        self.outcomes = [
            Outcome("not attempted", [], "The answer cell is missing", 0.0) if task.source is None else None
            for task in self.tasks
        ]
        self.deadly = set()  # Cells that are not executed again.
        self.repetition = sum(task.seconds for task in self.tasks)  # What is left for executing cells again.
        self.ready = False

    @property
    def pending(self):
        return [index for index, outcome in enumerate(self.outcomes) if outcome is None]

    def request(self):
        """What the next child is to do, pickled: earlier cells without calls, and the pending tasks."""
        self.ready = False
        first, self.plan = self.pending[0], []
        for index, task in enumerate(self.tasks):
            again = index < first
            if task.source is not None and not (again and (index in self.deadly or self.repetition <= 0)):
                self.plan.append((index, again))
        entries = [
            {
                "name": self.tasks[index].name,
                "source": self.tasks[index].source,
                "place": index,
                "calls": [] if again else [pickle.dumps(tuple(call)) for call in self.tasks[index].calls],
                "forms": tuple(self.tasks[index].forms),
            }
            for index, again in self.plan
        ]
        asked = [task.name for task in self.tasks]
        return pickle.dumps({"entries": entries, "own": self.own, "asked": asked})

    def processor_time(self):
        """Limit of processor seconds: a second line, for a grader that is stuck. The clock is what counts."""
        return 30 + (os.cpu_count() or 1) * 2 * sum(task.seconds for task in self.tasks)

    def read(self, reader):
        """Reads a child's results and settles the tasks; stops at the exception that ends it."""
        for index, again in self.plan:
            self.index, self.again = index, again
            task = self.tasks[self.index]
            self.began = time.monotonic()
            reader.deadline = self.began + (
                min(task.seconds, self.repetition) if self.again else task.seconds
            )
            number, _ = reader.frame(worker.CELL)
            if number == worker.FAILED:
                raised = reader.raised()
            elif number not in (worker.DEFINED, worker.UNDEFINED):
                raise frames.MalformedError(f"a cell's frame with the number {number}")
            if self.again:
                self.repetition -= time.monotonic() - self.began
            elif number == worker.FAILED:
                self._settle(_of_raised(raised), f"{raised}", [])
            elif number == worker.UNDEFINED:
                self._settle("crashed", f"The cell does not define the function {task.name}", [])
            else:
                self._settle(*self._calls(task, reader))

    def _calls(self, task, reader):
        outputs = []
        for index in range(len(task.calls)):
            outputs.append(reader.call(task.forms))
            if index == 0 and isinstance(outputs[0], Raised) and outputs[0].kind == "NotImplementedError":
                return "not attempted", outputs[0].message, []
        if outputs and all(isinstance(output, Raised) and output.kind != "FormError" for output in outputs):
            return _of_raised(outputs[0]), str(outputs[0]), []
        return "answered", "", outputs

    def _settle(self, status, message, outputs):
        seconds = time.monotonic() - self.began
        self.outcomes[self.index] = Outcome(status, outputs, frames.one_line(message), seconds)

    def settle_end(self, error, end):
        """Settles the task, or the repeated cell, at which a child was ended or ended itself."""
        self.deadly.add(self.index)
        if self.again:
            self.repetition -= time.monotonic() - self.began
            return
        if isinstance(error, frames.LateError):
            status, message = "timed out", f"It took longer than {self.tasks[self.index].seconds:g} s"
        elif isinstance(error, frames.MalformedError):
            status, message = "malformed", f"It sent what is not an answer: {error}"
        else:
            status, message = _death(end)
        self._settle(status, message, [])


def _of_raised(raised):
    """The status of an answer that raised."""
    if raised.kind in ("MemoryError", "ResourceExhaustedError"):
        return "out of memory"
    if raised.kind in ("PermissionError", "PermissionDeniedError"):
        return "forbidden"
    return "not attempted" if raised.kind == "NotImplementedError" else "crashed"


def _death(end):
    """Status and message for a child that ended before it had finished."""
    messages = {
        "memory": ("out of memory", "It used too much memory"),
        "threads": ("forbidden", "It started too many threads"),
        "disk": ("forbidden", "It wrote too much to the disk"),
    }
    if end["exceeded"]:
        return messages[end["exceeded"]]
    code = os.waitstatus_to_exitcode(end["status"])
    if code == -signal.SIGXCPU:
        return "timed out", "It used too much processor time"
    if code == -signal.SIGSYS:
        return "forbidden", "It made a system call that is not allowed"
    if code >= 0:
        return "crashed", f"It ended its process with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return "crashed", f"Its process was ended by {name}"


def _send(file, data, deadline):
    """Writes a request and closes the pipe; returns None in place of the file."""
    os.set_blocking(file, False)
    poll = select.poll()
    poll.register(file, select.POLLOUT)
    view = memoryview(data)
    try:
        while view:
            if not poll.poll(max(0, math.ceil((deadline - time.monotonic()) * 1000))):
                raise frames.LateError
            with contextlib.suppress(BlockingIOError):
                view = view[os.write(file, view) :]
    except BrokenPipeError as error:
        raise frames.EndedError from error
    os.close(file)


def _environment(folder):
    """A clean environment: nothing of the grader's, one thread each for what counts processors."""
    keep = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    one = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    one += ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    fixed = {
        "PATH": os.defpath,
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "MALLOC_ARENA_MAX": "2",
        "MPLBACKEND": "Agg",
        "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES",  # macOS
    }
    return keep | dict.fromkeys(one, "1") | fixed
