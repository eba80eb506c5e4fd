"""Measurement 6: from a fresh clone to the first lesson on the screen.

There is nothing to compare with. The clone gets its own environment and an empty cache. `make notebooks` says
what each lesson takes.
"""

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
COMPARED = (
    "Nothing to compare with. Left out is the way over the network: the clone is of a local folder, and the "
    "package index that pip is told of may be close by. `make notebooks` prints seconds and memory of the "
    "lessons."
)
DEFAULTS = {"lesson": "00_welcome.ipynb"}
QUICK = {}


def measure(settings, state):
    """The rows of the table, one per step."""
    folder = state / "fresh clone"
    clone = folder / "course"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = {
        "git clone, of a local folder": _timed(["git", "clone", "--quiet", str(ROOT), str(clone)], folder)
    }
    done["make .venv/.ready"] = _timed(["make", ".venv/.ready"], clone, _environment(folder))
    done["first lesson served"] = _serve(clone, settings["lesson"], _environment(folder))
    shutil.rmtree(folder)
    done = {"until the first lesson is on the screen": sum(done.values()), **done}
    return [harness.row(name, {harness.COURSE: [seconds]}, goal=None) for name, seconds in done.items()]


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
