"""Runs notebooks under nbval, one after the other, and prints what each took; `make notebooks` calls it.

    python tools/check_notebooks.py notebooks/01_attention.ipynb [...]

Outputs are compared strictly, but for cells tagged nbval-ignore-output. The exit status is 1 if a notebook
fails. Time and memory over the budget are reported and fail nothing: both depend on the machine.
"""

import os
import pathlib
import subprocess
import sys
import time

import rich.console
import rich.table

GIBIBYTES = 4.0
MINUTES = {"default": 2, "05_fine_tuning": 6}
TOTAL_MINUTES = 30


def run(path):
    """Returns (exit status, seconds, peak memory in GiB) of one notebook under nbval."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:hypothesispytest"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", str(path)]
    start = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, "COURSE_DATA": "sample"})
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
        result = "failed" if status else "passed"
        failed |= result != "passed"
        budget = f"{minutes} min" + (" (exceeded)" if seconds > 60 * minutes else "")
        table.add_row(
            str(path),
            result,
            f"{seconds:.0f}",
            f"{memory:.2f}" + (" (exceeded)" if memory > GIBIBYTES else ""),
            budget,
        )
    budget = f"{TOTAL_MINUTES} min" + (" (exceeded)" if total > 60 * TOTAL_MINUTES else "")
    table.add_row("all", "failed" if failed else "passed", f"{total:.0f}", "", budget)
    rich.console.Console(width=100 if not sys.stdout.isatty() else None).print(table)
    raise SystemExit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
