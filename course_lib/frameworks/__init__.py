"""Lesson 12: one encoder block, its gradients and its training step in five frameworks.

`in_tensorflow`, `in_keras`, `in_jax`, `in_torch` and `in_paddle` have the same functions and are imported by
`module`, because each needs its library. `make frameworks` brings those that `.venv` lacks.
"""

from course_lib.frameworks import defaults, encoder, found, names, onnx_files, recorded, timing
from course_lib.frameworks.encoder import adamw, arrays, batch, numpy, run, zeros
from course_lib.frameworks.found import LIBRARIES, elsewhere, libraries, missing, module

__all__ = [
    "LIBRARIES",
    "adamw",
    "arrays",
    "batch",
    "defaults",
    "elsewhere",
    "encoder",
    "found",
    "libraries",
    "missing",
    "module",
    "names",
    "numpy",
    "onnx_files",
    "recorded",
    "run",
    "timing",
    "zeros",
]
