"""`course train`: the same command on every host, and what happens when one of them is lost."""

import contextlib
import csv
import dataclasses
import functools
import importlib.util
import json
import os
import pathlib
import queue
import random
import re
import shlex
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import safetensors.numpy
import typer.main
import yaml

from course_lib import cli
from course_lib.scaling import launch, training

ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = "--batch-size 8 --epochs 40 --length 16 --layers 0 --width 8 --every 10 --wait 150 --timeout 25"
TINY = shlex.split(TINY)
needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="training needs JAX")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """80 texts whose words say what they are."""
    draw = random.Random(0)
    words = [["bad", "awful", "dull", "poor", "boring"], ["good", "great", "fine", "warm", "funny"]]
    path = tmp_path_factory.mktemp("data") / "texts.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for i in range(80):
            said = draw.choices(["the", "film", "a", "story", "plot", "actor"], k=6) + draw.choices(
                words[i % 2], k=2
            )
            out.writerow([" ".join(said), ("negative", "positive")[i % 2]])
    return path


# Hosts


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def namespaces():
    """Two hosts as the kernel makes them: each with a network of its own, and a cable between."""
    names = [f"course-{os.getpid()}-{i}" for i in range(2)]
    ends = [f"c{os.getpid()}-{i}" for i in range(2)]
    with contextlib.ExitStack() as stack:
        for name in names:
            ip("netns", "add", name)
            stack.callback(ip, "netns", "delete", name)
        peer = ["type", "veth", "peer", "name", ends[1], "netns", names[1]]
        ip("link", "add", ends[0], "netns", names[0], *peer)
        for i, (name, end) in enumerate(zip(names, ends, strict=True)):
            ip("-n", name, "address", "add", f"10.213.7.{i + 1}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield [["ip", "netns", "exec", name] for name in names], "10.213.7.1:4711"


@functools.cache
def able():
    """Whether this machine makes network namespaces; it takes root, and more than some containers allow."""
    try:
        with namespaces():
            return True
    except (OSError, subprocess.SubprocessError):
        return False


@pytest.fixture(scope="module", params=["two network namespaces", "loopback"])
def hosts(request):
    """What to put before a command so that it runs on either host, and the coordinator's address."""
    if request.param == "loopback":
        if able():
            pytest.skip("ran in two network namespaces instead")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        yield [[], []], f"127.0.0.1:{port}"
    elif not able():
        pytest.skip("this machine makes no network namespaces: runs on loopback instead")
    else:
        with namespaces() as found:
            yield found


class Process:
    """One `course train` that runs."""

    def __init__(self, folder, table, *options, prefix=(), compiled=None):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if compiled:  # Compiling takes longer than training here.
            environment["JAX_COMPILATION_CACHE_DIR"] = str(compiled)
            environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
            environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
        command = [
            *prefix,
            sys.executable,
            "-m",
            "course_lib.cli",
            "train",
            str(folder),
            "--data",
            str(table),
        ]
        self.running = subprocess.Popen(
            [*command, *options], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.running.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def wait_for(self, pattern, seconds=240):
        """The first line with a pattern."""
        end = time.monotonic() + seconds
        while True:
            line = self.lines.get(timeout=max(0.1, end - time.monotonic()))
            if line is None:
                raise AssertionError(f"no {pattern} in: {''.join(self.seen)}")
            self.seen.append(line)
            if re.search(pattern, line):
                return line

    def end(self, seconds=240):
        """Waits for the end; returns exit status and all output."""
        code = self.running.wait(seconds)
        while (line := self.lines.get(timeout=10)) is not None:
            self.seen.append(line)
        return code, "".join(self.seen)

    def kill(self):
        self.running.kill()


@contextlib.contextmanager
def both(hosts, folders, table, *options, compiled=None):
    prefixes, coordinator = hosts
    options = [*TINY, *options, "--processes", "2", "--coordinator", coordinator]
    made = [
        Process(folder, table, *options, "--index", str(i), prefix=prefix, compiled=compiled)
        for i, (folder, prefix) in enumerate(zip(folders, prefixes, strict=True))
    ]
    try:
        yield made
    finally:
        for each in made:
            each.kill()
            each.running.wait()


@needs_jax
def test_whoever_is_killed_the_rest_say_so_and_the_losses_are_those_of_one_process(
    hosts, table, tmp_path, minilm
):
    alone = Process(tmp_path / "alone", table, *TINY, "--devices", "2")
    folders = [tmp_path / "first", tmp_path / "second"]  # They share no disk.
    compiled = tmp_path / "compiled"
    at = [0]
    for victim in (1, 0):
        with both(hosts, folders, table, compiled=compiled) as processes:
            line = processes[0].wait_for(r"^step \d+ of 360")
            survivor = processes[1 - victim]
            processes[victim].kill()
            began = time.monotonic()
            code, said = survivor.end()
            assert time.monotonic() - began < 30
            assert code == 1
            words = (
                rf"course: Process {1 - victim} of 2 stopped after step \d+: another process ended, or the"
            )
            assert re.search(words, said), said
            assert "training goes on from the checkpoint of step" in said
            assert int(line.split()[1]) > at[-1]
            if victim == 0:
                assert f"going on from the checkpoint of step {at[-1]}" in said
            at.append(len(checkpoint(folders[0])["losses"]))
            assert at[-1] % 10 == 0
            assert at[-1] < 360
    with both(hosts, folders, table, compiled=compiled) as processes:
        for i, process in enumerate(processes):
            code, said = process.end()
            assert code == 0, said
            assert f"Process {i} of 2: going on from the checkpoint of step {at[-1]}." in said
    assert not (folders[1] / launch.CHECKPOINT).exists()
    code, said = alone.end()
    assert code == 0, said
    want, found = (
        json.loads((folder / training.RESULT).read_text()) for folder in (tmp_path / "alone", folders[0])
    )
    assert found["losses"] == want["losses"]
    assert len(want["losses"]) == 360
    assert np.mean(want["losses"][-20:]) < 0.3 < np.mean(want["losses"][:5])
    assert found["accuracy"] == want["accuracy"] >= 0.75
    assert (found["devices"], found["processes"], want["processes"]) == ("2 x cpu", 2, 1)
    same = checkpoint(folders[0]), checkpoint(tmp_path / "alone")
    assert all(np.array_equal(same[0][name], value) for name, value in same[1].items())


def checkpoint(folder):
    return safetensors.numpy.load_file(folder / launch.CHECKPOINT)


@needs_jax
def test_one_that_stays_alone_says_so(table, tmp_path, minilm):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        options = ["--coordinator", f"127.0.0.1:{probe.getsockname()[1]}", "--wait", "1"]  # Closed at once.
    alone = Process(tmp_path, table, *TINY, "--processes", "2", "--index", "1", *options)
    code, said = alone.end()
    assert code == 1
    assert re.search(
        r"course: Process 1 of 2 and the others did not meet at 127.0.0.1:\d+ \(DEADLINE", said
    ), said


# Options


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"index": 2, "processes": 2}, "of 2 processes the last has 1. Received: 2"),
        ({"index": -1}, "--index must be a whole number from 0 on. Received: -1"),
        ({"processes": 0}, "--processes must be a whole number from 1 on"),
        ({"processes": 2}, "Several processes need --coordinator HOST:PORT"),
        ({"processes": 2, "coordinator": "host"}, "--coordinator is HOST:PORT, such as 10.0.0.1:1234"),
        ({"processes": 2, "coordinator": "host:0"}, "--coordinator is HOST:PORT"),
        ({"processes": 2, "coordinator": "host:99999"}, "--coordinator is HOST:PORT"),
        ({"processes": 3, "coordinator": "host:1"}, "must be a multiple of their 3 devices. Received: 64"),
        ({"devices": 5}, "must be a multiple of their 5 devices"),
        ({"devices": 0}, "--devices must be 1 or more"),
        ({"reviews": 0}, "--reviews must be 1 or more"),
        ({"width": 10, "heads": 4}, "--width 10 cannot be shared among --heads 4"),
        ({"dropout": 1.0}, "--dropout must be at least 0 and below 1"),
        ({"learning_rate": float("nan")}, "--learning-rate must be above 0"),
        ({"batch_size": 0}, "--batch-size must be a whole number from 1 on"),
        ({"every": 0}, "--every must be"),
    ],
)
def test_options_that_cannot_work(tmp_path, changed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        launch.train(launch.Options(str(tmp_path / "out"), **changed))
    assert not list(tmp_path.iterdir())


def test_the_commands_options_are_those_of_the_module(monkeypatch, tmp_path):
    given = []

    def train(options):
        given.append(options)
        return {"accuracy": 0.5, "held_out": 2}

    monkeypatch.setattr(launch, "train", train)
    monkeypatch.setattr(sys, "argv", ["course", "train", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert not caught.value.code
    assert given == [launch.Options(str(tmp_path))]


@pytest.mark.parametrize(
    ("coordinator", "found"),
    [
        ("10.0.0.1:1234", ("10.0.0.1", 1234)),
        ("node-0.train:80", ("node-0.train", 80)),
        ("[::1]:9", ("::1", 9)),
    ],
)
def test_addresses(coordinator, found):
    assert launch.address(coordinator) == found


@needs_jax
def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        coordinator = f"127.0.0.1:{other.getsockname()[1]}"
        options = launch.Options(str(tmp_path / "out"), processes=2, coordinator=coordinator)
        with pytest.raises(launch.TrainingError, match=r"cannot listen at --coordinator .* the port free"):
            launch.train(options)


@needs_jax
def test_no_resume_keeps_a_checkpoint(tmp_path):
    (tmp_path / launch.CHECKPOINT).write_bytes(b"precious")
    with pytest.raises(ValueError, match="There is a checkpoint already"):
        launch.train(launch.Options(str(tmp_path), resume=False))
    assert (tmp_path / launch.CHECKPOINT).read_bytes() == b"precious"


def test_without_jax_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install .course-lib\[scale\]"):
        launch.train(launch.Options(str(tmp_path / "out")))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("text,label\nfine,1\ngood,maybe\n", "Line 3 of .* its `label` is none of 0, 1, negative, positive"),
        ("text,label\nfine,1\n,0\n", "Line 3 of .* no text"),
        ("text,n\nfine,1\n", "Line 2 of .* it has no `label`"),
        ("text,label\nfine,1\ngood,1\n", "must have texts of both labels"),
    ],
)
def test_texts_that_cannot_be_used(tmp_path, rows, message):
    (tmp_path / "in.csv").write_text(rows)
    with pytest.raises(ValueError, match=message):
        training.read_labelled(tmp_path / "in.csv")


@needs_jax
def test_an_error_of_the_working_process_is_said(tmp_path, minilm):
    (tmp_path / "in.csv").write_text("text,label\nfine,1\nbad,0\ngood,1\n")
    with pytest.raises(ValueError, match=r"2 texts are less than one batch. Choose a smaller --batch-size"):
        launch.train(launch.Options(str(tmp_path / "out"), data=str(tmp_path / "in.csv")))


# Parts


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_the_shares_of_all_are_the_batch(processes):
    options = [launch.Options("", processes, i, batch_size=8, seed=3) for i in range(processes)]
    one = launch.Options("", batch_size=8, seed=3)
    for epoch in range(2):
        steps = [
            np.concatenate([training.share(each, 30, epoch, step) for each in options]) for step in range(3)
        ]
        assert np.array_equal(steps, [training.share(one, 30, epoch, step) for step in range(3)])
        assert len(set(np.ravel(steps))) == 24
    assert not np.array_equal(training.share(one, 30, 0, 0), training.share(one, 30, 1, 0))


def test_processes_that_were_not_started_alike(monkeypatch):
    multihost = pytest.importorskip("jax.experimental.multihost_utils")
    options = launch.Options("", 2, 1, seed=1)
    here = {"versions": training.versions(), "recipe": options.recipe(), "processes": 2}

    def meets(other):
        text = json.dumps(other, sort_keys=True).encode()
        monkeypatch.setattr(
            multihost,
            "process_allgather",
            lambda mine: np.stack([np.frombuffer(text.ljust(len(mine)), "uint8"), mine]),
        )
        training._agree(options, here)

    meets(here)
    with pytest.raises(ValueError, match="not started alike, in this order: seed: 0 and 1"):
        meets({**here, "recipe": dataclasses.replace(options, seed=0).recipe()})
    with pytest.raises(ValueError, match=r"jax: '0.1' and '\d"):
        meets({**here, "versions": {**here["versions"], "jax": "0.1"}})
    with pytest.raises(ValueError, match="the number of processes"):
        meets({**here, "processes": 3})


def test_a_checkpoint_of_other_options(tmp_path):
    recipe = {"seed": 0, "data": "abc"}
    data = safetensors.numpy.save({"losses": np.zeros(2)}, {"recipe": json.dumps(recipe)})
    training._check_recipe(tmp_path, data, recipe)
    with pytest.raises(ValueError, match=r"was made with other options \(seed: 0, now 1\)"):
        training._check_recipe(tmp_path, data, {**recipe, "seed": 1})
    for broken in (b"", b"x" * 100, safetensors.numpy.save({"losses": np.zeros(2)})):
        with pytest.raises(ValueError, match="is no checkpoint of `course train`"):
            training._check_recipe(tmp_path, broken, recipe)


def test_a_name_that_comes_late(monkeypatch):
    real, calls = socket.getaddrinfo, []

    def late(host, *arguments, **more):
        calls.append(host)
        if len(calls) < 2:
            raise socket.gaierror(-2, "Name or service not known")
        return real("127.0.0.1", *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", late)
    assert training._own_address("train-0.train", wait=30) == "127.0.0.1"
    assert len(calls) == 2
    calls.clear()
    with pytest.raises(training.PeerError, match=r"train-0.train: Name or service not known"):
        training._own_address("train-0.train", wait=-1)


@pytest.mark.parametrize("message", ["UNKNOWN: Gloo AllReduce failed: closed", "UNAVAILABLE: Socket closed"])
def test_what_native_code_says_of_the_others_is_told_from_other_errors(message):
    with pytest.raises(training.PeerError, match=message), training._peers():
        raise ValueError(message)
    with pytest.raises(ValueError, match="--batch-size"), training._peers():
        raise ValueError("--batch-size")


# What the page says


def commands():
    """The course's commands in docs/SCALING.md, as lists of words."""
    text = (ROOT / "docs" / "SCALING.md").read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"^```(?:sh|yaml)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in re.findall(r"course (?:train|score|export) [^'\n#]*", block):
            found.append(shlex.split(line.rstrip('\\"] ').replace('"$', "$").replace('"', "")))
    return found


def test_the_page_has_commands_for_slurm_and_kubernetes():
    assert {command[1] for command in commands()} == {"train", "score", "export"}
    assert len([command for command in commands() if "$SLURM_PROCID" in command]) == 1
    assert len([command for command in commands() if "$JOB_COMPLETION_INDEX" in command]) == 1


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_the_page_names_real_options(command):
    known = typer.main.get_command(cli.app).commands[command[1]]
    example = {
        "$SLURM_NTASKS": "4",
        "$SLURM_PROCID": "3",
        "$COORDINATOR": "a:1",
        "$JOB_COMPLETION_INDEX": "1",
    }
    words = [example.get(word, word) for word in command[2:]]
    given = known.make_context("course", words, resilient_parsing=False).params
    if command[1] == "train":
        launch.check(launch.Options(**{**given, "output": str(given["output"])}))


def test_the_manifest_is_yaml_that_belongs_together():
    text = (ROOT / "docs" / "SCALING.md").read_text(encoding="utf-8")
    service, job = yaml.safe_load_all(re.search(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1])
    pod = job["spec"]["template"]["spec"]
    assert service["metadata"]["name"] == pod["subdomain"]
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    (container,) = pod["containers"]
    said = container["command"][-1]
    assert f"--processes {job['spec']['completions']} " in said
    assert f"--coordinator {job['metadata']['name']}-0.{pod['subdomain']}:1234" in said
    assert container["volumeMounts"][0]["name"] == pod["volumes"][0]["name"]
