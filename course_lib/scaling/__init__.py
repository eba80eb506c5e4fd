"""Lesson 09: one training step, made larger on one machine, then shared by several.

A module per idea: `roofline` (operations, bytes, two ceilings), `memory`, `gradients` (parts added up),
`precision` (16 bits and the loss' scale), `collectives` (the ring), `devices` (Keras on several devices, in
processes of their own) and `plan` (how long, on paper). None of them imports a framework when it is imported.
"""

from course_lib.scaling.collectives import all_reduce_bytes, ring_all_reduce
from course_lib.scaling.devices import Run, on_devices
from course_lib.scaling.gradients import average, split
from course_lib.scaling.memory import peak_memory, state_bytes
from course_lib.scaling.plan import amdahl, step_seconds, training_days, training_flops, utilisation
from course_lib.scaling.precision import LossScale, underflow
from course_lib.scaling.roofline import Ceilings, Operation, elementwise, fastest, product

__all__ = [
    "Ceilings",
    "LossScale",
    "Operation",
    "Run",
    "all_reduce_bytes",
    "amdahl",
    "average",
    "elementwise",
    "fastest",
    "on_devices",
    "peak_memory",
    "product",
    "ring_all_reduce",
    "split",
    "state_bytes",
    "step_seconds",
    "training_days",
    "training_flops",
    "underflow",
    "utilisation",
]
