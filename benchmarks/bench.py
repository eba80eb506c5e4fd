"""Compares the course with what people use instead; `make bench` calls it.

    python benchmarks/bench.py                            all comparisons that have not been measured yet
    python benchmarks/bench.py text_to_batches grading    these, anew
    python benchmarks/bench.py --fresh                    all, anew
    python benchmarks/bench.py --pages                    none: results.md and .png from results.json

Every comparison lets its sides work in turns, checks their results against each other, and keeps its own in
build/bench. benchmarks/results.md, .json and .png are written of all results that are there. Another machine,
version or setting makes a result count as not measured. --quick tries everything out on little data, for
developers: it touches only build/bench-quick.
"""

import argparse
import importlib
import json
import os
import pathlib
import sys
import time
import traceback

import harness

from course_lib import runtime

BENCHMARKS = pathlib.Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
COMPARISONS = (
    "text_to_batches",
    "fine_tuning_epoch",
    "inference",
    "pruned_inference",
    "grading",
    "fresh_clone",
)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="comparison", help=", ".join(COMPARISONS))
    parser.add_argument("--fresh", action="store_true", help="measure what has been measured, too")
    parser.add_argument("--pages", action="store_true", help="only write .md and .png, from results.json")
    parser.add_argument("--quick", action="store_true", help="little data; for trying out")
    options = parser.parse_args()
    for name in options.names:
        if name not in COMPARISONS:
            parser.error(f"there is no comparison {name!r}; there are: {', '.join(COMPARISONS)}")
    return options


def measure(module, state, settings, environment):
    """Measures one comparison and returns its result."""
    load, start = os.getloadavg()[0], time.monotonic()
    rows = module.measure(settings, state)
    return {
        "title": module.TITLE,
        "compared": module.COMPARED,
        "rows": rows,
        "remarks": [],  # On this run; for people to write.
        "absent": {name: lacks for name, side in module.SIDES.items() if (lacks := harness.missing(side))},
        "settings": settings,
        "environment": environment,
        "load before": round(load, 2),
        "minutes": round((time.monotonic() - start) / 60, 1),
        "measured on": time.strftime("%d %B %Y").lstrip("0"),
    }


def page(results):
    """What results.md says."""
    lines = [
        "# The course against what people use instead",
        "",
        "Made by `make bench`. The sides of a comparison take turns, each in a process of its own with "
        f"{harness.THREADS} threads. Times are medians, and how many times as fast is the median of the "
        "ratios of times measured one right after the other, with quartiles. A long training has turns that "
        "are parts of one whole: its times are sums, and its ratio is that of the sums, which need not lie "
        "between the quartiles of the turns. What differs besides the tool is said with each comparison.",
        "",
        *(f"{remark}\n" for remark in dict.fromkeys(each for r in results.values() for each in r["remarks"])),
        harness.table(results),
        "",
        "![All ratios with their goals](results.png)",
        "",
    ]
    for name, result in results.items():
        environment = result["environment"]
        versions = ", ".join(f"{key} {value}" for key, value in environment["versions"].items())
        settings = ", ".join(f"{key} {value}" for key, value in result["settings"].items())
        lines += [
            f"**{result['title']}** (`make bench ARGS={name}`): {result['compared']} Settings: {settings}. "
            f"Recorded on {result['measured on']} in {result['minutes']} minutes on "
            f"{environment['machine']}; {versions}.{_load(result['load before'])}",
            "",
        ]
    return "\n".join(lines)


def _load(before):
    """A sentence if something else was, or may have been, at work."""
    if before <= 1:
        return ""
    return (
        f" The load before it, a mean over a minute, was {before}: other programs ran, or the comparison "
        "before it had just ended."
    )


def write(results, output):
    """Writes results.md and results.png."""
    with runtime.atomic_write(output / "results.md") as part:
        part.write_text(page(results))
    harness.plot(results, output / "results.png")


def main():
    options = arguments()
    if options.pages:
        write(json.loads((BENCHMARKS / "results.json").read_text()), BENCHMARKS)
        return
    state = ROOT / "build" / ("bench-quick" if options.quick else "bench")
    output = state if options.quick else BENCHMARKS
    state.mkdir(parents=True, exist_ok=True)
    runtime.quiet_logs()
    results, failed = {}, []
    for name in COMPARISONS:
        module = importlib.import_module(name)
        settings = module.DEFAULTS | (module.QUICK if options.quick else {})
        environment, path = harness.environment(*module.PACKAGES), state / f"{name}.json"
        known = json.loads(path.read_text()) if path.is_file() else None
        if known and (known["settings"], known["environment"]) != (settings, environment):
            known = None
        if name in options.names or (not options.names and (options.fresh or known is None)):
            print(f"{name}: measuring ...", flush=True)
            try:
                known = measure(module, state, settings, environment)
                harness.write_json(path, known)
            except Exception:  # The other comparisons go on.
                traceback.print_exc()
                failed.append(name)
                known = None
        if known:
            results[name] = known
    if results:
        harness.write_json(output / "results.json", results)
        write(results, output)
        print(harness.table(results))
    if failed:
        print(f"Failed: {', '.join(failed)}; see above.", file=sys.stderr)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
