"""Measurement 6: from a fresh clone to the first lesson on the screen, and what each lesson takes.

There is nothing to compare with. The clone gets its own environment and an empty cache; what the package
index takes to answer counts. The lessons then run under nbval in that environment, by
`tools/check_notebooks.py`. A run that was stopped goes on where it stood.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import harness

ROOT = pathlib.Path(__file__).resolve().parent.parent
TITLE = "From a fresh clone"
PACKAGES, SIDES = (), {}
DEFAULTS = {"lesson": "00_welcome.ipynb", "notebooks": "notebooks/*.ipynb"}
QUICK = {"notebooks": "notebooks/00*.ipynb"}
RUN = """
import json, pathlib, sys
sys.path.insert(0, "tools")
import check_notebooks
print(json.dumps(check_notebooks.run(pathlib.Path(sys.argv[1]))))
"""


def measure(settings, state):
    """The rows of the table, one per step."""
    folder = state / "fresh clone"
    progress, clone = folder / "progress.json", folder / "course"
    done = json.loads(progress.read_text()) if progress.is_file() else {}
    if not done:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        done["git clone"] = [_timed(["git", "clone", "--quiet", str(ROOT), str(clone)], folder), None]
        done["make .venv/.ready"] = [_timed(["make", ".venv/.ready"], clone, _environment(folder)), None]
        harness.write_json(progress, done)
    if "first lesson served" not in done:
        done["first lesson served"] = [_serve(clone, settings["lesson"], _environment(folder)), None]
        harness.write_json(progress, done)
    for path in sorted(clone.glob(settings["notebooks"])):
        if path.name not in done:
            done[path.name] = _lesson(clone, path, _environment(folder))
            harness.write_json(progress, done)
    shutil.rmtree(folder)
    start = sum(seconds for name, (seconds, _) in done.items() if not name.endswith(".ipynb"))
    lessons = sum(seconds for name, (seconds, _) in done.items() if name.endswith(".ipynb"))
    done = {"until the first lesson is on the screen": [start, None], **done, "all lessons": [lessons, None]}
    return [
        harness.row(name, {harness.COURSE: [seconds]}, goal=None, notes=_memory(gibibytes))
        for name, (seconds, gibibytes) in done.items()
    ]


def _memory(gibibytes):
    return {harness.COURSE: f"{gibibytes:.1f} GiB"} if gibibytes else {}


def _environment(folder):
    """Without what would make an older environment or cache take part."""
    ours = ("COURSE_", "JUPYTER_", "IPYTHON", "KERAS_", "MPL", "TF_", "MAKE", "VIRTUAL_ENV", *harness.POOLS)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return clean | {"COURSE_CACHE": str(folder / "cache")}


def _timed(command, folder, environment=None):
    start = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def _serve(clone, lesson, environment):
    """Seconds from `make lab` until the server hands out JupyterLab's page and the lesson."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token="
    start = time.monotonic()
    server = subprocess.Popen(
        ["make", "lab", f"ARGS={options}"],
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for page in (f"lab/tree/notebooks/{lesson}", f"api/contents/notebooks/{lesson}"):
            while not _answers(f"http://127.0.0.1:{port}/{page}"):
                if server.poll() is not None or time.monotonic() - start > 120:
                    raise harness.SideError("JupyterLab did not start")
                time.sleep(0.05)
        return time.monotonic() - start
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _answers(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _lesson(clone, path, environment):
    """Seconds and peak memory in GiB of a notebook under nbval."""
    command = [".venv/bin/python", "-c", RUN, str(path.relative_to(clone))]
    result = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=True)
    status, seconds, gibibytes = json.loads(result.stdout.splitlines()[-1])
    if status:
        raise harness.SideError(f"{path.name} failed:\n{result.stdout[-3000:]}")
    return seconds, gibibytes
