"""Lesson 12's record: the same training step and inference in five frameworks, eager and compiled, in turns.

    .venv-frameworks/bin/python benchmarks/frameworks.py

Each framework runs in a process of its own, kept to one core; the parent asks them in turn. What counts is
the time of the processor, which other work does not add to. Of each kind of call the fastest is kept,
and the first, which compiles. Writes course_lib/frameworks/times.json, which lesson 12 reads. Four minutes on
two quiet cores.
"""

import datetime
import importlib.metadata
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import psutil

from course_lib import runtime
from course_lib.frameworks import found, timing

PATH = pathlib.Path(__file__).parent.parent / "course_lib/frameworks/times.json"
ROUNDS, SECONDS, LEAST = 3, 0.5, 3
PACKAGES = {"PyTorch": "torch", "PaddlePaddle": "paddlepaddle"}


def megabytes():
    return round(psutil.Process().memory_info().rss / 2**20)


def processor():
    """Seconds that this process and those that it has waited for (a C++ compiler) took of the processor."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def worker(name):
    """Answers the parent's lines, each a JSON list of size, compiled and kind, with a line of JSON."""
    core = sorted(os.sched_getaffinity(0))[-1]
    os.sched_setaffinity(0, {core})
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print does not reach the parent.
    bare, start = megabytes(), processor()
    found.module(name)
    print(json.dumps({"seconds": processor() - start, "MB": megabytes() - bare}), file=answers, flush=True)
    work = {}
    for line in sys.stdin:
        size, compiled, kind = json.loads(line)
        each = work[size, compiled] = work.get((size, compiled)) or timing.Work(name, size, compiled)
        first, fastest = timing.first_and_fastest(getattr(each, kind), SECONDS, LEAST, clock=processor)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**10 - bare
        loss = each.train() if kind == "train" else None
        said = {"first": first, "fastest": fastest, "loss": loss, "MB": peak}
        print(json.dumps(said), file=answers, flush=True)


def ask(process, *question):
    print(json.dumps(question), file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


def main():
    start, folder = time.monotonic(), tempfile.TemporaryDirectory()
    here = [name for name in found.LIBRARIES if found.installed(name)]
    workers, imports = {}, {}
    for name in here:
        command = [sys.executable, __file__, name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        # What PyTorch compiled for an earlier run would make the first call cheap.
        cache = {"TORCHINDUCTOR_CACHE_DIR": folder.name, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        environment = os.environ | cache | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        workers[name] = subprocess.Popen(command, env=environment, text=True, **pipes)
        imports[name] = json.loads(workers[name].stdout.readline())
    rows = {}
    for turn in range(ROUNDS):
        for size in timing.SIZES:
            for compiled in (False, True):
                for kind in ("infer", "train"):
                    for name, process in workers.items():
                        said = ask(process, size, compiled, kind)
                        key = name, size, compiled, kind
                        kept = rows.setdefault(key, {"first": said["first"], "fastest": said["fastest"]})
                        kept["fastest"] = min(kept["fastest"], said["fastest"])
                        imports[name]["peak MB"] = said["MB"]
                        if said["loss"] is not None:
                            kept["loss"] = said["loss"]
            print(f"turn {turn + 1} of {ROUNDS}, {size}: {time.monotonic() - start:.0f} s", flush=True)
        write(rows, imports, turn + 1, time.monotonic() - start)
    for process in workers.values():
        process.stdin.close()


def write(rows, imports, turns, seconds):
    keys = ("framework", "size", "compiled", "kind")
    versions = {name: importlib.metadata.version(PACKAGES.get(name, name.lower())) for name in imports}
    record = {
        "date": datetime.date.today().isoformat(),
        "device": runtime.cpu_name(),
        "load": round(os.getloadavg()[1], 1),
        "turns": turns,
        "seconds": round(seconds),
        "versions": {"Python": sys.version.split()[0], **versions},
        "sizes": timing.SIZES,
        "imports": imports,
        "rows": [dict(zip(keys, key, strict=True)) | row for key, row in rows.items()],
    }
    with runtime.atomic_write(PATH) as path:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    worker(sys.argv[1]) if len(sys.argv) > 1 else main()
