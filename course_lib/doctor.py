"""Whether this machine can run the course: a table of what matters, each line with what mends it."""

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import re
import shutil
import sys

from course_lib import runtime

OK, WARNING, PROBLEM = "ok", "warning", "problem"
STYLES = {OK: "green", WARNING: "yellow", PROBLEM: "bold red"}
REINSTALL = "make clean && make lab"
UNSET = "unset PYTHONPATH, then start again"
OTHER_CACHE = "export COURSE_CACHE=/a/folder/you/can/write/to"
MEMORY_GB = 4.0  # What the largest lesson may use.
DISK_GB = 2.0  # The converted weights, what lessons save, and perhaps the official archive.


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the report.

    Attributes:
        name: What was looked at.
        status: `"ok"`, `"warning"` (lessons run, with limits) or `"problem"` (a lesson could not run).
        detail: What was found.
        remedy: The command or step that mends it; empty if all is well.
    """

    name: str
    status: str
    detail: str
    remedy: str = ""


def report():
    """Examines the machine.

    Returns:
        A list of `Line`s. It imports TensorFlow and Keras, which takes some seconds.
    """
    checks = [
        ("Python", _python),
        ("TensorFlow", lambda: _package("TensorFlow", "tensorflow", "2.20")),
        ("Keras", lambda: _package("Keras", "keras", "3.13")),
        ("KerasHub", lambda: _package("KerasHub", "keras-hub", "0.26")),
        ("Backend", _backend),
        ("Device", _device),
        ("CPU", _cpu),
        ("Memory", _memory),
        ("Disk", _disk),
        ("Weights", _weights),
        ("Reviews", _reviews),
        ("Raters", _raters),
        ("JupyterLab", _jupyterlab),
        ("Grading", _grading),
    ]
    return [_guarded(name, check) for name, check in checks]


def healthy(lines):
    """Whether every lesson could run: no line is a problem."""
    return all(line.status != PROBLEM for line in lines)


def table(lines):
    """The report as a `rich.table.Table`."""
    from rich.table import Table
    from rich.text import Text

    view = Table(title="course doctor", title_justify="left")
    view.add_column("what", no_wrap=True)
    view.add_column("status", no_wrap=True)
    view.add_column("found", overflow="fold")
    view.add_column("what to do", overflow="fold")
    for line in lines:
        # Text, because plain strings are read as markup and a path may hold brackets.
        view.add_row(
            Text(line.name), Text(line.status, STYLES[line.status]), Text(line.detail), Text(line.remedy)
        )
    return view


def _short(path):
    """A path as a person would say it: from the clone or from the home folder."""
    path = pathlib.Path(path)
    clone = pathlib.Path(__file__).resolve().parent.parent
    if path.is_relative_to(clone):
        return str(path.relative_to(clone))
    with contextlib.suppress(RuntimeError):
        if path.is_relative_to(pathlib.Path.home()):
            return f"~/{path.relative_to(pathlib.Path.home())}"
    return str(path)


def _guarded(name, check):
    """Runs a check; whatever foreign code raises in it is a finding, not a crash of the doctor."""
    try:
        return check()
    except Exception as error:
        remedy = UNSET if _shadowed() else REINSTALL
        return Line(name, PROBLEM, f"{type(error).__name__}: {error}", remedy)


def _shadowed():
    """Packages of this environment of which PYTHONPATH brings another copy, in words; empty if none."""
    folders = [os.path.abspath(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    if not folders:
        return ""
    theirs, ours = (
        {each.name.lower().replace("_", "-") for each in importlib.metadata.distributions(path=path)}
        for path in (folders, [each for each in sys.path if os.path.abspath(each) not in folders])
    )
    names = sorted(theirs & ours)
    others = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"PYTHONPATH brings other copies of {', '.join(names[:3])}{others}" if names else ""


def _python():
    found = f"{platform.python_version()} at {_short(sys.executable)}"
    if shadowed := _shadowed():
        return Line("Python", PROBLEM, f"{found}; {shadowed}", UNSET)
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Line("Python", OK, found)
    return Line("Python", PROBLEM, found, f"use Python 3.11, 3.12 or 3.13: {REINSTALL} PYTHON=python3.12")


def _package(label, name, at_least):
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Line(label, PROBLEM, "not installed", "make lab (on Colab, Kaggle: run a lesson's first cell)")
    if _number(found) < _number(at_least):
        return Line(label, PROBLEM, f"{found}, older than {at_least}", REINSTALL)
    return Line(label, OK, found)


def _number(version):
    """The first two numbers; `2.21.0rc1` and `3.16.dev0` have them too."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _backend():
    try:
        found = runtime.import_keras().backend.backend()
    except runtime.KerasSettingsError as error:
        return Line("Backend", PROBLEM, error.problem, error.remedy)
    return Line("Backend", OK, f"Keras on {found}")


def _device():
    try:
        keras = runtime.import_keras()
    except runtime.KerasSettingsError:
        return Line("Device", PROBLEM, "Keras does not start", "see Backend")
    with runtime.hidden_stderr():
        kind, names, capability = runtime.devices(keras.backend.backend())
    policy = runtime.default_precision(kind, capability)
    return Line("Device", OK, f"{len(names)} x {kind} ({names[0]}), lessons use {policy}")


def _cpu():
    flags = set()
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                flags = set(line.split(":", 1)[1].split())
                break
    wanted = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"]
    found = [flag for flag in wanted if flag in flags]
    extensions = ", ".join(found) or "no vector extensions found"
    detail = f"{platform.machine()}, {os.cpu_count()} cores: {extensions}"
    if platform.machine() == "x86_64" and flags and "avx2" not in flags:
        return Line("CPU", WARNING, detail, "lessons are slower without AVX2: take the course on Colab")
    return Line("CPU", OK, detail)


def _memory():
    import psutil

    memory = psutil.virtual_memory()
    free, total = memory.available / 1e9, memory.total / 1e9
    detail = f"{free:.1f} GB free of {total:.1f} GB"
    if free < MEMORY_GB:
        remedy = f"lessons use up to {MEMORY_GB:.0f} GB: close other kernels and programs"
        return Line("Memory", WARNING, detail, remedy)
    return Line("Memory", OK, detail)


def _disk():
    try:
        folder = runtime.cache_dir()
    except OSError as error:
        return Line("Disk", PROBLEM, str(error), OTHER_CACHE)
    if not os.access(folder, os.W_OK):
        from course_lib import weights

        if os.path.isdir(weights.preset_folder()):
            return Line("Disk", WARNING, f"{folder} is not writable, only what is in it is used", OTHER_CACHE)
        return Line("Disk", PROBLEM, f"{folder} is not writable", OTHER_CACHE)
    free = shutil.disk_usage(folder).free / 1e9
    detail = f"{free:.1f} GB free for the cache {_short(folder)}"
    if free < DISK_GB:
        return Line("Disk", WARNING, detail, "export COURSE_CACHE=/a/folder/on/a/larger/disk")
    return Line("Disk", OK, detail)


def _weights():
    from course_lib import weights

    try:
        found = weights.find()
    except weights.WeightsError as error:
        return Line("Weights", PROBLEM, error.problem, error.remedy)
    except OSError as error:
        return Line("Weights", PROBLEM, str(error), OTHER_CACHE)
    digest = f"SHA-256 {found.sha256[:12]}... as published"
    return Line("Weights", OK, f"{weights.NAME}, {digest}, from {found.origin}")


def _reviews():
    from course_lib import imdb

    try:
        corpus = imdb.load(verbose=False)  # Takes a second, and checks every byte.
    except OSError as error:
        return Line("Reviews", PROBLEM, str(error), OTHER_CACHE)
    except (ValueError, RuntimeError) as error:
        if os.environ.get("COURSE_IMDB"):
            remedy = "unset COURSE_IMDB"
        elif os.path.isfile(runtime.cache_dir(create=False) / imdb.ARCHIVE):
            remedy = "course fetch imdb"
        else:
            remedy = _fetch_anew("reviews")
        return Line("Reviews", PROBLEM, str(error), remedy)
    detail = f"{corpus.describe().removeprefix('data: ')}, content as published"
    return Line("Reviews", OK, detail)


def _fetch_anew(name):
    from course_lib import carriers

    folder = carriers.find(name)  # What is there is not fetched again.
    return "course fetch data" if folder is None else f"rm -r {folder} && course fetch data"


def _raters():
    from course_lib import carriers, imdb

    try:
        imdb.rated("products")
    except (ValueError, OSError, RuntimeError) as error:
        # Lessons run without, but for a section of 02 and of 08.
        remedy = OTHER_CACHE if isinstance(error, OSError) else _fetch_anew("raters")
        return Line("Raters", WARNING, str(error), remedy)
    return Line("Raters", OK, f"{carriers.CARRIERS['raters'].what}, as published")


def _jupyterlab():
    colab = importlib.util.find_spec("google") and importlib.util.find_spec("google.colab")
    if colab or runtime.hosted():  # In a terminal of Colab nothing has imported google.colab.
        return Line("JupyterLab", OK, "Colab and Kaggle bring their own")
    try:
        return Line("JupyterLab", OK, importlib.metadata.version("jupyterlab"))
    except importlib.metadata.PackageNotFoundError:
        shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
        if getattr(shell, "kernel", None):
            return Line("JupyterLab", OK, "not installed, and not needed: this notebook runs")
        return Line("JupyterLab", PROBLEM, "not installed", "make lab")


def _grading():
    from course_lib.grading import sandbox

    missing = sandbox.missing_layers()
    if not missing:
        return Line("Grading", OK, "answers can be confined")
    # Only instructors need it: lessons and a learner's own checks run without.
    remedy = "for `course grade`: a newer Linux kernel, or --trust-submissions"
    return Line("Grading", WARNING, f"answers cannot be confined: {', '.join(missing)}", remedy)
