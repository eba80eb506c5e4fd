"""Lesson 07: numbers of few bits, by hand, with Keras and with LiteRT.

An affine code stores x as the integer q with x ≈ scale · (q − zero_point). It is symmetric when the zero
point is 0. Integers of b bits are signed: from −2^(b−1) to 2^(b−1) − 1.

A module per idea: `numbers` (codes of arrays), `axes` (where a layer's outputs lie), `calibration` (which
range a code covers), `training` (with rounded kernels), `keras_models`, `packed` (files), `litert`,
`graph` (what a LiteRT file is made of), `recorded` (what a benchmark measured).

Sources: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, arXiv:1712.05877; Krishnamoorthi, 2018, arXiv:1806.08342; Bengio, Léonard and
Courville, 2013, arXiv:1308.3432, for the straight-through estimator.
"""

from course_lib.quantization.axes import input_axes, tables
from course_lib.quantization.calibration import calibrate
from course_lib.quantization.graph import Operation, operations
from course_lib.quantization.keras_models import MODES, quantize_model, report, round_weights
from course_lib.quantization.litert import (
    BLOCKS,
    INTEGER_OPERATIONS,
    LITERT,
    LiteRT,
    export,
    inputs,
    quantize_file,
)
from course_lib.quantization.numbers import (
    channel_scales,
    dequantize,
    dequantize_groups,
    pack_int4,
    quantize,
    quantize_groups,
    round_trip,
    scale_and_zero_point,
    sqnr,
    unpack_int4,
)
from course_lib.quantization.packed import load, save
from course_lib.quantization.recorded import Recorded, recorded
from course_lib.quantization.training import QuantizationAware, fake_quantize, straight_through_gradient

__all__ = [
    "BLOCKS",
    "INTEGER_OPERATIONS",
    "LITERT",
    "MODES",
    "LiteRT",
    "Operation",
    "QuantizationAware",
    "Recorded",
    "calibrate",
    "channel_scales",
    "dequantize",
    "dequantize_groups",
    "export",
    "fake_quantize",
    "input_axes",
    "inputs",
    "load",
    "operations",
    "pack_int4",
    "quantize",
    "quantize_file",
    "quantize_groups",
    "quantize_model",
    "recorded",
    "report",
    "round_trip",
    "round_weights",
    "save",
    "scale_and_zero_point",
    "sqnr",
    "straight_through_gradient",
    "tables",
    "unpack_int4",
]
