"""Settings and fixtures of the unit tests; kernels of notebooks under nbval keep Jupyter's own figures."""

import contextlib
import os
import pathlib
import shutil
import tempfile
import types

import chromium
import matplotlib as mpl
import pytest

from course_lib import weights

mpl.use("agg")  # Figures need no screen.


@pytest.fixture(scope="session")
def minilm():
    """The pretrained weights, `weights.Weights`; skips what needs them where they are not."""
    try:
        return weights.find()
    except weights.WeightsNotFoundError as error:
        pytest.skip(f"no pretrained weights: {error}")


@pytest.fixture
def shared():
    """A folder as a teacher shares it with a class, and a context in which nothing in it can be written.

    Root may write anywhere, so it becomes another user; anybody else takes the permission away.
    """
    folder = pathlib.Path(tempfile.mkdtemp())  # `tmp_path` is private.
    folder.chmod(0o755)

    @contextlib.contextmanager
    def read_only():
        inside = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        modes = [path.stat().st_mode for path in inside]
        if root := os.geteuid() == 0:
            os.setresuid(65534, 65534, 0)
        else:
            for path, mode in zip(inside, modes, strict=True):
                path.chmod(mode & ~0o222)
        try:
            yield
        finally:
            if root:
                os.setresuid(0, 0, 0)
            for path, mode in zip(inside, modes, strict=True):
                path.chmod(mode)

    yield types.SimpleNamespace(folder=folder, read_only=read_only)
    shutil.rmtree(folder)


@contextlib.contextmanager
def _steered(profile):
    with contextlib.ExitStack() as stack:
        try:
            driver = stack.enter_context(chromium.chromium(profile))
        except chromium.NoChromiumError as error:
            pytest.skip(str(error))
        yield driver


@pytest.fixture
def driver(tmp_path):
    """A Chromium to steer; skips where there is none."""
    with _steered(tmp_path / "profile") as driver:
        yield driver


@pytest.fixture(scope="module")
def shared_driver(tmp_path_factory):
    """One for all tests of a module, because it takes seconds to start."""
    with _steered(tmp_path_factory.mktemp("profile")) as driver:
        yield driver
