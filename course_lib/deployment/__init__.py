"""Lesson 08: a classifier on its own, and whether it still does what it did.

A bundle is a folder with a LiteRT model, a tokenizer and a model card. Running one needs numpy, tokenizers
and ai-edge-litert: everything else is imported inside the functions that use it.

A module per idea: `card` (what a bundle says of itself), `classifier` (runs one), `bundle` (makes one),
`onnx_file`, `latency`, `calibration`, `drift`, `cost`.

Sources: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
arXiv:1706.04599; Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, arXiv:1810.03993.
"""

from course_lib.deployment.bundle import (
    BATCH_SIZE,
    LENGTHS,
    MEASURED,
    MODES,
    check_target,
    export,
    export_file,
    reviewer_bundle,
)
from course_lib.deployment.calibration import expected_calibration_error, fit_temperature
from course_lib.deployment.card import CARD, FORMAT, MODEL, TOKENIZER, read_card
from course_lib.deployment.classifier import Classifier, Prediction, micro_batches, softmax, wordless
from course_lib.deployment.cost import cost_per_thousand
from course_lib.deployment.drift import (
    FEATURES,
    WATCHED,
    Drift,
    DriftMonitor,
    features,
    population_stability_index,
)
from course_lib.deployment.latency import histogram_quantile, latency
from course_lib.deployment.onnx_file import OnnxClassifier, export_onnx
from course_lib.deployment.records import RECORDS, record

__all__ = [
    "BATCH_SIZE",
    "CARD",
    "FEATURES",
    "FORMAT",
    "LENGTHS",
    "MEASURED",
    "MODEL",
    "MODES",
    "RECORDS",
    "TOKENIZER",
    "WATCHED",
    "Classifier",
    "Drift",
    "DriftMonitor",
    "OnnxClassifier",
    "Prediction",
    "check_target",
    "cost_per_thousand",
    "expected_calibration_error",
    "export",
    "export_file",
    "export_onnx",
    "features",
    "fit_temperature",
    "histogram_quantile",
    "latency",
    "micro_batches",
    "population_stability_index",
    "read_card",
    "record",
    "reviewer_bundle",
    "softmax",
    "wordless",
]
