"""Runs notebooks under nbval, two at a time, and prints what each took; `make notebooks` calls it.

    python tools/check_notebooks.py notebooks/01_attention.ipynb [...]

Outputs are compared strictly and pictures within a tolerance (tools/pictures.py), but for cells tagged
nbval-ignore-output. Lessons stand on what `make lab` installs: COURSE_IMDB and COURSE_CAPSTONE are not
passed on to them.

Much of a lesson keeps one core busy, so two at a time (`--jobs`) end sooner; each then takes longer than the
header of a lesson says. What compares times runs alone, and so does all on less than 12 GiB.

A fixed small training is timed first, and says how many seconds a notebook would take on the slow machine, on
which the budgets are counted. The exit status is 1 if a notebook fails or takes more memory than the budget.
Time over the budget is reported and fails nothing: the machine may be shared.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import execute
import rich.console
import rich.table

TOOLS = pathlib.Path(__file__).resolve().parent
GIBIBYTES = 4.0
MINUTES = {  # On the slow machine; six where a real network is trained.
    "default": 3,
    "03_transformer": 6,
    "04_pretraining": 6,
    "05_fine_tuning": 6,
    "06_pruning": 6,
    "07_quantization": 6,
    "11_privacy": 6,
}
TOTAL_MINUTES = 40
ALONE = ("01_attention", "08_deployment")  # They assert how times compare.
# What tools/calibrate.py printed on two cores of an AMD EPYC with nothing else to do, on 27 November 2026.
QUIET_SECONDS = 0.40
# The slow machine, two cores of an Intel Xeon, took 528 s for lesson 04, and that one 200 s.
SLOW = 2.6


def calibrate():
    """Returns the seconds of the fixed training, timed in a process of its own."""
    command = [sys.executable, str(TOOLS / "calibrate.py")]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout)


def default_jobs():
    """Two, if there are as many cores, and memory for two kernels and what else runs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return 2 if (os.cpu_count() or 1) > 1 and memory > 12 else 1


def run(path, compare_pictures=True):
    """Returns (exit status, seconds, peak memory in GiB, what pytest said) of one notebook under nbval."""
    command = [sys.executable, str(TOOLS / "pictures.py"), "-q", "--no-header"]
    command += [] if compare_pictures else ["-p", "no:pictures"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", str(path)]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        environment = execute.environment(folder)
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)
        # The peak of the largest process among pytest and the kernels that it waited for.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        said.seek(0)
        scale = 2**30 if sys.platform == "darwin" else 2**20  # Of ru_maxrss: bytes there, KiB on Linux.
        return os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss / scale, said.read()


def run_all(paths, jobs, compare_pictures=True):
    """Yields (path, result of `run`) as they end: first, `jobs` at a time, those with a large budget."""
    alone = [path for path in paths if path.stem in ALONE]
    together = sorted(set(paths) - set(alone), key=lambda path: (-minutes(path), path))
    for group, size in ((together, jobs), (alone, 1)):
        with concurrent.futures.ThreadPoolExecutor(size) as pool:
            running = {pool.submit(run, path, compare_pictures): path for path in group}
            for done in concurrent.futures.as_completed(running):
                yield running[done], done.result()


def minutes(path):
    """A notebook's budget; a solution has a lesson's name and none of its work."""
    return (
        MINUTES["default"] if path.parent.name == "solutions" else MINUTES.get(path.stem, MINUTES["default"])
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="+", type=pathlib.Path)
    parser.add_argument(
        "--no-pictures",
        action="store_true",
        help="compare no pictures: another release of Matplotlib draws text otherwise",
    )
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="notebooks at a time")
    options = parser.parse_args(arguments)
    console = rich.console.Console(width=110 if not sys.stdout.isatty() else None, highlight=False)
    calibration = calibrate()
    slower = SLOW * QUIET_SECONDS / calibration
    console.print(
        f"Calibration: {calibration:.2f} s; a quiet AMD EPYC takes {QUIET_SECONDS:.2f} s. "
        f"The slow machine would take {slower:.1f} times as long as this one.",
        soft_wrap=True,
    )
    start, results = time.monotonic(), {}
    for path, (status, seconds, memory, said) in run_all(
        options.notebooks, options.jobs, not options.no_pictures
    ):
        too_large = memory > GIBIBYTES
        result = "failed" if status else "too large" if too_large else "passed"
        results[path] = (result, seconds, minutes(path), f"{memory:.2f}")
        if status:
            print(said)
        console.print(f"{path}: {result}", soft_wrap=True)
    failed = any(result != "passed" for result, *_ in results.values())

    title = f"{options.jobs} at a time" if options.jobs > 1 else None
    table = rich.table.Table(
        "notebook", "result", "seconds", "slow machine", "budget", "peak GiB", title=title
    )

    def row(name, result, seconds, minutes, memory=""):
        budget = f"{60 * minutes}" + (" (exceeded)" if seconds * slower > 60 * minutes else "")
        table.add_row(name, result, f"{seconds:.0f}", f"{seconds * slower:.0f}", budget, memory)

    for path in sorted(results):
        row(str(path), *results[path])
    row("all", "failed" if failed else "passed", time.monotonic() - start, TOTAL_MINUTES)
    console.print(table)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
