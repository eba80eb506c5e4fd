"""Which frameworks this Python can import, and how to import them into one process."""

import contextlib
import importlib
import importlib.util
import logging
import os
import pathlib
import subprocess
import sys
import sysconfig
import warnings

from course_lib import runtime

LIBRARIES = {
    "TensorFlow": "tensorflow",
    "Keras": "keras",
    "JAX": "jax",
    "PyTorch": "torch",
    "PaddlePaddle": "paddle",
}
ROOT = pathlib.Path(__file__).parents[2]


def libraries():
    """Imports the frameworks that are here, with JAX's 64-bit types on and one thread for PyTorch.

    `make frameworks` puts what `.venv` lacks into `.venv-frameworks` beside it. That folder is made
    importable here, so that one kernel sees all of them.

    Returns:
        Dict from a framework's name to its module, in the order of `LIBRARIES`, of those that are installed.
    """
    found = {}
    for name, module in LIBRARIES.items():
        if installed(name):
            with _own_symbols() if name == "PaddlePaddle" else contextlib.nullcontext():
                found[name] = runtime.import_keras() if name == "Keras" else _quietly(module)
    if "JAX" in found:
        found["JAX"].config.update("jax_enable_x64", True)
    if "PyTorch" in found:
        # Its threads wait for one another actively, which takes long on cores that others use, too.
        found["PyTorch"].set_num_threads(1)
    return found


def installed(name):
    """Whether this Python, with `.venv-frameworks`, has one of `LIBRARIES`."""
    _add_environment()
    module = LIBRARIES[name]
    return module in sys.modules or importlib.util.find_spec(module) is not None


def missing(found):
    """Which frameworks are not among those that were found, and how to get them, in one line; "" for none."""
    names = [name for name in LIBRARIES if name not in found]
    if not names:
        return ""
    how = "`%pip install torch paddlepaddle`" if runtime.hosted() else "`make frameworks` in a terminal"
    return f"Not here: {', '.join(names)}. The cells leave them out; {how} brings them."


def module(name):
    """This package's module for one of `LIBRARIES`, such as `in_jax` for `"JAX"`."""
    _add_environment()
    with _own_symbols() if name == "PaddlePaddle" else contextlib.nullcontext():
        return importlib.import_module(f"course_lib.frameworks.in_{LIBRARIES[name]}")


def elsewhere(*arguments, **variables):
    """Runs Python with these arguments in a process of its own, which finds the same packages.

    Args:
        *arguments: Such as `"-m"` and a module's name.
        **variables: Environment variables to set besides, such as `KERAS_BACKEND="torch"`.

    Returns:
        What it printed to standard output.

    Raises:
        RuntimeError: If it failed; the message holds the end of what it printed to standard error.
    """
    given = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | variables
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _add_environment():
    """Puts `.venv-frameworks`, if it is of this Python, before the environment that it was made to extend."""
    own = sysconfig.get_path("purelib")
    extra = sysconfig.get_path("purelib", vars={"base": str(ROOT / ".venv-frameworks")})
    if extra != own and extra not in sys.path and os.path.isfile(ROOT / ".venv-frameworks/.ready"):
        sys.path.insert(sys.path.index(own) if own in sys.path else len(sys.path), extra)
        importlib.invalidate_caches()


@contextlib.contextmanager
def _own_symbols():
    """Libraries loaded inside the block take their own symbols before those of other libraries.

    TensorFlow and Paddle each bring a protobuf, of different releases. Without this, whichever comes second
    calls the other's functions and the process dies. It is glibc's (`man dlopen`); elsewhere nothing is done.
    """
    if not hasattr(os, "RTLD_DEEPBIND"):
        yield
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | os.RTLD_DEEPBIND)
    try:
        yield
    finally:
        sys.setdlopenflags(flags)


def _quietly(name):
    """Imports a module without its warnings, and keeps it from changing what this process logs."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with warnings.catch_warnings(), runtime.hidden_stderr():
        warnings.simplefilter("ignore")
        imported = importlib.import_module(name)
    root.setLevel(level)
    root.handlers[:] = handlers
    return imported
