"""Runs notebooks under nbval, one after the other, and prints what each took; `make notebooks` calls it.

    python tools/check_notebooks.py notebooks/01_attention.ipynb [...]

Outputs are compared strictly, but for cells tagged nbval-ignore-output. The exit status is 1 if a notebook
fails or takes more memory than the budget. Time over the budget is reported and fails nothing: the machine
may be shared.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import rich.console
import rich.table

GIBIBYTES = {"default": 4.0}
MINUTES = {
    "default": 2,
    "03_transformer": 4,
    "04_pretraining": 6,
    "05_fine_tuning": 6,
    "06_pruning": 6,
    "07_quantization": 6,
}
TOTAL_MINUTES = 30


def run(path):
    """Returns (exit status, seconds, peak memory in GiB) of one notebook under nbval."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:hypothesispytest"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", str(path)]
    start = time.monotonic()
    # A learner's own progress is not touched by running the solutions.
    with tempfile.TemporaryDirectory() as folder:
        progress = str(pathlib.Path(folder) / "progress.json")
        environment = {**os.environ, "COURSE_DATA": "sample", "COURSE_PROGRESS": progress}
        process = subprocess.Popen(command, env=environment)
        return _wait(process, start)


def _wait(process, start):
    # The peak of the largest process among pytest and the kernels that it waited for.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    scale = 2**30 if sys.platform == "darwin" else 2**20  # ru_maxrss is in bytes there, in KiB on Linux.
    return os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss / scale


def main(paths):
    if not paths:
        raise SystemExit(__doc__)
    table = rich.table.Table("notebook", "result", "seconds", "peak memory (GiB)", "time budget")
    failed, total = False, 0.0
    for path in sorted(map(pathlib.Path, paths)):
        status, seconds, memory = run(path)
        total += seconds
        minutes = MINUTES.get(path.stem, MINUTES["default"])
        result = (
            "failed"
            if status
            else "too large"
            if memory > GIBIBYTES.get(path.stem, GIBIBYTES["default"])
            else "passed"
        )
        failed |= result != "passed"
        budget = f"{minutes} min" + (" (exceeded)" if seconds > 60 * minutes else "")
        table.add_row(
            str(path),
            result,
            f"{seconds:.0f}",
            f"{memory:.2f}",
            budget,
        )
    budget = f"{TOTAL_MINUTES} min" + (" (exceeded)" if total > 60 * TOTAL_MINUTES else "")
    table.add_row("all", "failed" if failed else "passed", f"{total:.0f}", "", budget)
    rich.console.Console(width=100 if not sys.stdout.isatty() else None).print(table)
    raise SystemExit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
