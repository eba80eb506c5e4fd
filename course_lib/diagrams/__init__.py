"""Drawings of the course's ideas, one function each, such as `diagrams.one_query()`.

A notebook shows what such a function returns. `save_all` writes them all as SVG, for slides.
"""

import pathlib

import matplotlib as mpl

from course_lib import runtime
from course_lib.diagrams.attention import one_query
from course_lib.diagrams.canvas import DRAWINGS, Canvas, Drawing, drawing, faults
from course_lib.diagrams.pretraining import (
    causal_shift,
    key_value_cache,
    masked_head,
    masking,
    packed_pairs,
    pretrain_once,
    what_is_seen,
)

__all__ = [
    "DRAWINGS",
    "Canvas",
    "Drawing",
    "causal_shift",
    "drawing",
    "faults",
    "key_value_cache",
    "masked_head",
    "masking",
    "one_query",
    "packed_pairs",
    "pretrain_once",
    "save_all",
    "what_is_seen",
]


def save_all(folder):
    """Writes every drawing as an SVG file, named as its function.

    Args:
        folder: Where to; it is made if it is missing. Files of these names are replaced.

    Returns:
        The paths.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, draw in DRAWINGS.items():
        path = folder / f"{name}.svg"
        about = {"Title": name.replace("_", " "), "Description": draw.__doc__.strip(), "Date": None}
        # The same drawing gives the same file: no random ids, no date.
        with runtime.atomic_write(path) as temporary, mpl.rc_context({"svg.hashsalt": name}):
            draw().savefig(temporary, format="svg", metadata=about)
        paths.append(path)
    return paths
