"""Compares the pictures of notebooks, which nbval leaves out; a plugin for pytest beside nbval.

    python tools/pictures.py --nbval notebooks/01_attention.ipynb     pytest with nbval and the plugin

A picture holds if no square of 64 pixels in it differs from the saved one by more than `TOLERANCE` in root
mean square, in grey levels of 255. One square is looked at, not the whole, so that a small change in a
large picture counts. Both are averaged over blocks of four pixels first: the edge of a line that another
machine's rounding moved by a tenth of a pixel then counts little, a filled area in full. Measured: 0 for
the same versions; 2 and 6 for five curves 0.1 and 0.3 pixels higher; 11 for one of five bars higher by
0.002 of the axis; 9 for one cell of a heat map that is 0.05 darker; 21 for one box of lesson 00's map.
Another size is a failure without tolerance: the frame is cut to its content, so something in it grew or is
gone.

This holds for the versions in requirements.lock. Matplotlib brings its own font and FreeType; another
release, or other hinting, moves text by whole pixels (11 to 58), and no tolerance can tell that from a
change.
"""

import base64
import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

TOLERANCE = 8.0
BLOCK = 4  # Pixels that are averaged, in each direction.
SQUARE = 16  # Blocks that are judged together, in each direction.


def of(outputs):
    """The PNG pictures among a cell's outputs, as base64 text."""
    return [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]


def decode(picture):
    return Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")


def rms(old, new):
    """The root mean square difference of two images of one size, in the square where it is largest."""
    size = [max(1, round(length / BLOCK)) for length in old.size]
    old, new = (np.asarray(image.resize(size, Image.Resampling.BOX), np.float64) for image in (old, new))
    errors = np.mean((old - new) ** 2, axis=-1)
    window = [min(SQUARE, length) for length in errors.shape]
    squares = np.lib.stride_tricks.sliding_window_view(errors, window)
    return float(np.sqrt(np.max(np.mean(squares, axis=(-2, -1)))))


def differences(old, new):
    """How each picture that does not hold differs, in words; `old` and `new` are the outputs of one cell."""
    old, new = of(old), of(new)
    if len(old) != len(new):
        return [f"{len(old)} saved, {len(new)} drawn"]
    found = []
    for before, after in zip(old, new, strict=True):
        if before == after:
            continue
        before, after = decode(before), decode(after)
        if before.size != after.size:
            found.append("saved with {} x {} pixels, drawn with {} x {}".format(*before.size, *after.size))
        elif (difference := rms(before, after)) > TOLERANCE:
            found.append(f"RMS {difference:.1f} (at most {TOLERANCE:.0f})")
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Compares pictures after nbval has run a cell and compared its text, where nbval compares at all."""
    result = yield
    compared = (
        hasattr(item, "test_outputs") and item.options["check"] and item.cell.execution_count is not None
    )
    if compared and (found := differences(item.cell.outputs, item.test_outputs)):
        item.raise_cell_error(
            f"{item.path.name}, cell {item.cell_num}: not the saved picture: {'; '.join(found)}. "
            f"Look at what `make lessons NOTEBOOKS={item.path.parent.name}/{item.path.name}` saves."
        )
    return result


if __name__ == "__main__":
    # A script's folder is on its path, so pytest finds this plugin by name; kernels do not inherit that path.
    # Other installed plugins are left out: importing them takes two seconds for each notebook.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # So is the grammar of international addresses: jsonschema, where it finds it, takes another second or two
    # to build it, for a format that the schema of notebooks does not use.
    sys.modules["rfc3987_syntax"] = None
    raise SystemExit(pytest.main(["-p", "nbval.plugin", "-p", "pictures", *sys.argv[1:]]))
