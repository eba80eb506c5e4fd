"""What benchmarks/frameworks.py recorded for lesson 12."""

import functools
import json
import pathlib


@functools.cache
def record():
    """The whole record: "date", "device", "versions", "sizes", "imports" and "rows"."""
    return json.loads(pathlib.Path(__file__).with_name("times.json").read_text(encoding="utf-8"))


def milliseconds(framework, size, compiled, kind, which="fastest"):
    """A time from the record.

    Args:
        framework: A key of `LIBRARIES`.
        size: A key of `timing.SIZES`.
        compiled: Whether the function was compiled.
        kind: `"infer"` or `"train"`.
        which: `"fastest"`, or `"first"` for the first call.

    Returns:
        Milliseconds, a float.

    Raises:
        KeyError: If the record has no such row.
    """
    wanted = {"framework": framework, "size": size, "compiled": compiled, "kind": kind}
    for row in record()["rows"]:
        if wanted.items() <= row.items():
            return 1000 * row[which]
    raise KeyError(f"No row of the record is {wanted}.")
