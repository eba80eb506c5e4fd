"""How long opening the corpus takes and how much memory: the goal is under two seconds and under 400 MB.

    python benchmarks/open_corpus.py
    COURSE_IMDB=<archive or aclImdb folder> python benchmarks/open_corpus.py

`imdb.load()` runs in processes of its own, from the package beside the environment and, with COURSE_IMDB,
from the archive: the first time, when it is read into an empty cache, and then from that cache. The seconds
are those of `imdb.load()`, the memory is the peak of the whole process. Writes open_corpus.json and README's
table.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import harness
import pages

from course_lib import runtime

RECORDED = pathlib.Path(__file__).with_suffix(".json")
ROUNDS = 5
SECONDS, MEGABYTES = 2.0, 400  # The goals.
OPEN = """
import json, resource, sys, time
from course_lib import imdb
start, busy = time.perf_counter(), time.process_time()
corpus = imdb.load(verbose=False)
seconds, busy = time.perf_counter() - start, time.process_time() - busy
assert (len(corpus.train), len(corpus.validation), len(corpus.test)) == (20_000, 2_500, 2_500)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
found = {"seconds": round(seconds, 2), "processor": round(busy, 2), "megabytes": round(peak)}
print(json.dumps({"source": corpus.source, **found}))
"""


def opened(cache, archive=None):
    """What one process says that opens the corpus."""
    environment = {name: value for name, value in os.environ.items() if name != "COURSE_IMDB"}
    environment |= {"COURSE_CACHE": str(cache), **({"COURSE_IMDB": archive} if archive else {})}
    command = [sys.executable, "-c", OPEN]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def measure(archive):
    """All rows: by name, the seconds of each process and the highest peak."""
    rows = {}

    def add(name, runs):
        rows[name] = {
            "seconds": [run["seconds"] for run in runs],
            "processor": [run["processor"] for run in runs],
            "megabytes": max(run["megabytes"] for run in runs),
        }

    with tempfile.TemporaryDirectory() as cache:
        runs = [opened(cache) for _ in range(ROUNDS)]
        add(runs[0]["source"], runs)
        if archive:
            add("the archive, first time", [opened(cache, archive)])
            add("the archive, from then on", [opened(cache, archive) for _ in range(ROUNDS)])
    return rows


def table(found):
    """The result as a table in markdown."""
    lines = [
        "| the corpus from | seconds, median (slowest) | of these on a processor | peak memory, MB "
        f"| under {SECONDS:g} s and {MEGABYTES} MB |",
        "|---|---|---|---|---|",
    ]
    for name, row in found["rows"].items():
        middle, slowest = statistics.median(row["seconds"]), max(row["seconds"])
        taken = f"{middle:.2f} ({slowest:.2f})" if len(row["seconds"]) > 1 else f"{middle:.1f}, once"
        met = middle < SECONDS and row["megabytes"] < MEGABYTES
        busy = statistics.median(row["processor"])
        lines.append(f"| {name} | {taken} | {busy:.2f} | {row['megabytes']} | {'yes' if met else 'no'} |")
    where = (
        f"Recorded on {found['measured on']} on {found['machine']}, load {found['load before']} before it."
    )
    return "\n".join([*lines, "", where])


def main():
    load = round(os.getloadavg()[0], 2)
    found = {
        "rows": measure(os.environ.get("COURSE_IMDB")),
        "machine": runtime.cpu_name(),
        "load before": load,
        "measured on": time.strftime("%d %B %Y").lstrip("0"),
    }
    harness.write_json(RECORDED, found)
    pages.fill("open_corpus", table(found))
    print(table(found))


if __name__ == "__main__":
    main()
