"""What scripts in benchmarks/ recorded for lesson 08: runtimes, emulated cores, browsers."""

import json
import pathlib

RECORDS = pathlib.Path(__file__).parent


def record(name):
    """A recorded measurement, a dict.

    Args:
        name: Of the script in benchmarks/ that made it, such as `"runtimes"`.

    Returns:
        What it wrote, or None if nothing was recorded.
    """
    path = RECORDS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
