"""Training in one process or in many: `course train`, the same command on every host.

Another process does the work (module `training`); this one imports no framework, starts it, shows what it
reports and says in words why it ended. That takes two: where another host is gone, JAX ends a process from
native code, and no Python in it can say anything any more.
"""

import contextlib
import dataclasses
import importlib.util
import json
import numbers
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import course_lib

CHECKPOINT = "checkpoint.safetensors"
LOG = "process-{}.log"


class TrainingError(RuntimeError):
    """Training stopped; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What is trained, on what, and who takes part. All processes must have the same but for `index`.

    Attributes:
        output: Folder for the checkpoint, the result and the logs; only process 0's has the first two.
        processes: How many processes take part.
        index: Which of them this is, from 0.
        coordinator: `"HOST:PORT"` where process 0 listens and all others can reach it.
        devices: Devices per process, of a CPU; None takes what there is.
        wait: Seconds until all must have come.
        timeout: Seconds after which a process without a sign of life counts as lost.
        data: A table of texts and labels, as `read_labelled` takes it; None takes IMDB's training reviews.
        reviews: How many of them; None takes all.
        batch_size: Texts per step, of all processes together.
        epochs: Passes over the texts.
        learning_rate: Its peak; None takes 1e-3, and 1e-4 with `pretrained`.
        length: Tokens per text; longer ones lose their middle.
        pretrained: Whether the pretrained encoder is fine-tuned; otherwise a small one starts from nothing.
        layers: Blocks of the small one; without any it is a mean of token vectors.
        width: Its width.
        heads: Its heads.
        dropout: Rate of dropout.
        seed: Draws first weights, order of texts and dropout.
        every: Steps from one checkpoint to the next.
        resume: Whether a checkpoint in `output` is gone on from; otherwise it is an error that one is there.
    """

    output: str
    processes: int = 1
    index: int = 0
    coordinator: str | None = None
    devices: int | None = None
    wait: int = 300
    timeout: int = 60
    data: str | None = None
    reviews: int | None = None
    batch_size: int = 64
    epochs: int = 2
    learning_rate: float | None = None
    length: int = 256
    pretrained: bool = False
    layers: int = 2
    width: int = 64
    heads: int = 2
    dropout: float = 0.1
    seed: int = 0
    every: int = 25
    resume: bool = True

    def recipe(self):
        """The options that decide what comes out; who takes part does so only in the last digits."""
        others = (
            "output",
            "processes",
            "index",
            "coordinator",
            "devices",
            "wait",
            "timeout",
            "every",
            "resume",
        )
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in others}


def check(options):
    """Raises a ValueError for options that cannot work, before anything is loaded or waited for.

    Args:
        options: An `Options`.

    Raises:
        ValueError: The message names the option.
    """
    counts = ("processes", "wait", "timeout", "batch_size", "epochs", "width", "heads", "every")
    for name, bound in {**dict.fromkeys(counts, 1), "length": 3, "layers": 0, "index": 0, "seed": 0}.items():
        value = getattr(options, name)
        if not isinstance(value, numbers.Integral) or value < bound:
            raise ValueError(f"{_option(name)} must be a whole number from {bound} on. Received: {value!r}")
    for name in ("devices", "reviews"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"{_option(name)} must be 1 or more. Received: {value!r}")
    if options.index >= options.processes:
        raise ValueError(
            f"--index counts from 0, so of {options.processes} processes the last has "
            f"{options.processes - 1}. Received: {options.index}"
        )
    if options.processes > 1:
        if options.coordinator is None:
            raise ValueError(
                "Several processes need --coordinator HOST:PORT: an address of process 0's host that all "
                "others reach, and a free port there."
            )
        address(options.coordinator)
    shares = options.processes * (options.devices or 1)
    if options.batch_size % shares:
        raise ValueError(
            f"--batch-size counts the texts of all processes together and must be a multiple of their "
            f"{shares} devices. Received: {options.batch_size}"
        )
    if options.width % options.heads:
        raise ValueError(f"--width {options.width} cannot be shared among --heads {options.heads}.")
    if not 0 <= options.dropout < 1:
        raise ValueError(f"--dropout must be at least 0 and below 1. Received: {options.dropout}")
    if options.learning_rate is not None and not 0 < options.learning_rate < float("inf"):
        raise ValueError(f"--learning-rate must be above 0. Received: {options.learning_rate}")


def _option(name):
    return "--" + name.replace("_", "-")


def address(coordinator):
    """Splits `HOST:PORT`.

    Args:
        coordinator: Such as `"10.0.0.1:1234"`, `"node-0:1234"` or `"[::1]:1234"`.

    Returns:
        `(host, port)`.

    Raises:
        ValueError: If it is no such thing.
    """
    host, _, port = coordinator.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(f"--coordinator is HOST:PORT, such as 10.0.0.1:1234. Received: {coordinator!r}")
    return host.strip("[]"), int(port)


def _check_port(options):
    """Process 0 listens at the coordinator's port. JAX does not say it when somebody else does so already."""
    if options.processes == 1 or options.index:
        return
    host, port = address(options.coordinator)
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except socket.gaierror:
        return  # In a cluster names come a little later than processes: the working one waits for it.
    except OSError as error:
        raise TrainingError(
            f"Process 0 cannot listen at --coordinator {options.coordinator}: {error.strerror or error}. The "
            "address must be this host's, and the port free."
        ) from error


def say(line):
    """Prints a line at once, also into a launcher's log."""
    print(line, flush=True)


def train(options, show=say):
    """Takes part in a training as one of its processes; returns when it is done.

    Args:
        options: An `Options`.
        show: Called with each line of progress.

    Returns:
        Dict of what `result.json` in the folder says; in other processes than 0 only of `steps`.

    Raises:
        ValueError: As `check`, or if data, checkpoint and options do not go together.
        ImportError: If JAX is not installed.
        TrainingError: If this process or another one failed, with a cause as far as it can be known.
    """
    check(options)
    if importlib.util.find_spec("jax") is None:
        raise ImportError(
            'Training runs Keras on JAX, which is not installed: pip install "course-lib[scale]"'
        )
    if options.data is not None and not pathlib.Path(options.data).is_file():
        raise ValueError(f"There is no file {options.data}.")
    folder = pathlib.Path(options.output)
    if not options.resume and options.index == 0 and (folder / CHECKPOINT).exists():
        raise ValueError(f"There is a checkpoint already in {folder}. Remove it, or take another folder.")
    _check_port(options)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / LOG.format(options.index)
    with log.open("wb") as noise:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "course_lib.scaling.training"],
            env=_environment(options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise,
        )  # fmt: skip
    told = _Told(options, show)
    with child, _passed_on(child):
        try:
            with contextlib.suppress(BrokenPipeError):  # How it ended is seen below.
                child.stdin.write(json.dumps(dataclasses.asdict(options)).encode() + b"\n")
                child.stdin.flush()
            for line in child.stdout:
                if line.endswith(b"\n"):  # Otherwise it ended in the midst of a word.
                    told.hear(json.loads(line))
            code = child.wait()
        except BaseException:
            child.kill()
            raise
    if told.result is None:
        raise told.failure(code, log)
    return told.result


class _Told:
    """What the working process has told so far."""

    def __init__(self, options, show):
        self.options, self.show = options, show
        self.who = f"Process {options.index} of {options.processes}"
        self.joined = options.processes == 1
        self.step, self.kept = 0, None
        self.result = self.error = None

    def hear(self, event):
        kind = event.pop("event")
        if kind == "joined":
            self.joined = True
            self.show(f"{self.who}: {event['devices']} devices in all ({event['kind']}).")
        elif kind == "start":
            self.step = self.kept = event["step"]
            if self.step:
                self.show(f"{self.who}: going on from the checkpoint of step {self.step}.")
        elif kind == "step":
            self.step = event["step"]
        elif kind == "kept":
            self.kept = event["step"]
            if not self.options.index:
                self.show(
                    f"step {event['step']} of {event['steps']}  loss {event['loss']:.4f}  "
                    f"{event['rate']:.1f} texts/s"
                )
        elif kind == "done":
            self.result = event
        else:
            self.error = event

    def failure(self, code, log):
        """The exception that says why there is no result."""
        again = "Start the same command again on every host"
        if self.kept:
            again += f": training goes on from the checkpoint of step {self.kept}"
        if self.error and self.error["kind"] == "value":
            return ValueError(self.error["message"])
        lost = self.error["kind"] == "peer" if self.error else code == -signal.SIGABRT
        if lost and self.options.processes > 1:
            said = self.error["message"] if self.error else _last_words(log)
            if not self.joined:
                return TrainingError(
                    f"{self.who} and the others did not meet at {self.options.coordinator} ({said}). "
                    "Start the command on every host within --wait seconds, with the same --processes and "
                    f"--coordinator and an --index of its own. Details: {log}"
                )
            return TrainingError(
                f"{self.who} stopped after step {self.step}: another process ended, or the network to it did "
                f"({said}). {again}. Details: {log}"
            )
        if self.error:
            return TrainingError(f"{self.who} failed: {self.error['message']}. Details: {log}")
        end = f"signal {-code}" if code < 0 else f"status {code}"
        if code == -signal.SIGKILL:
            end += ", as when memory runs out"
        return TrainingError(f"{self.who} ended after step {self.step} by {end}. {again}. Details: {log}")


def _last_words(log):
    """What JAX wrote when it ended the process."""
    said = re.findall(r"absl::Status: (.*)", log.read_text(encoding="utf-8", errors="replace"))
    return said[-1][:200] if said else "no word of it"


def _environment(options):
    """The working process': Keras on JAX, and the same `course_lib` as here."""
    found = dict(os.environ)
    root = str(pathlib.Path(course_lib.__file__).resolve().parents[1])
    found["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [found.get("PYTHONPATH")])])
    found["KERAS_BACKEND"] = "jax"
    found.setdefault("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")
    if options.devices is not None:
        found["JAX_NUM_CPU_DEVICES"] = str(options.devices)
    if options.coordinator:  # gRPC would ask a proxy for the way to the other hosts.
        found["no_grpc_proxy"] = address(options.coordinator)[0]
    return found


@contextlib.contextmanager
def _passed_on(child):
    """A launcher's request to end reaches the working process, too."""
    try:
        before = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    except ValueError:  # Not in the main thread: then it is not ours to answer.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
