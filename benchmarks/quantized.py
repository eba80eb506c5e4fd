"""Lesson 07's table: what the reviewer loses in fewer bits, on all 2,500 test reviews.

    python benchmarks/quantized.py

Rounds the reviewer's tables in several ways, writes its LiteRT files, and judges each on the same reviews,
cut to 64 tokens. Which reviews each got right is kept, so that the lesson can test any two on the same
reviews. A run that was cut off, or that --minutes ended, goes on where it stopped. Writes
course_lib/quantization/recorded.json, which the lesson reads.
"""

import argparse
import datetime
import json
import pathlib
import tempfile
import time

import numpy as np

from course_lib import runtime

RECORD = pathlib.Path(__file__).parent.parent / "course_lib/quantization/recorded.json"
LENGTH = 64
FORM = {"sequence_length": LENGTH, "how": "both"}
# Bits of the tables of weights; activations stay in float32.
ROUNDED = {
    "channel": (4, 3, 2, 8),
    "groups of 32": (4, 3, 2),
    "tensor": (8, 6),
}
FILES = {
    "float32": {"mode": "float32"},
    "float16": {"mode": "float16"},
    "int8, dynamic": {"mode": "dynamic"},
    "int8, static": {"mode": "integer"},
    "int4, per channel": {"mode": "int4"},
    "int4, blocks of 32": {"mode": "int4", "block": 32},
}
# Static ranges but in six layers: those that write the outlier channels, or as many others of the same size.
SPARED = {
    "int8, static but for output_dense": "/output_dense",
    "int8, static but for intermediate_dense": "/intermediate_dense",
}


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reviews", type=int, default=2500, help="test reviews")
    parser.add_argument("--samples", type=int, default=50, help="training reviews that fix the ranges")
    parser.add_argument("--minutes", type=float, default=60, help="start no point after so many")
    parser.add_argument("--output", type=pathlib.Path, default=RECORD)
    return parser.parse_args()


def bits_of(right):
    """Which reviews are right, as text: four to a letter."""
    return np.packbits(right).tobytes().hex()


def fixed_but_for(source, path, spared, samples):
    """Writes a float32 file in int8, with fixed ranges but in dense layers whose name has `spared`."""
    from litert_quantizer import calibrator, qtyping, quantizer, recipe_manager
    from litert_quantizer.utils import qsv_utils

    rules = recipe_manager.RecipeManager()
    rules.add_dynamic_config(".*", qtyping.TFLOperationName.FULLY_CONNECTED, 8)
    rules.add_static_config(f"^(?!.*{spared})", qtyping.TFLOperationName.FULLY_CONNECTED, 8, 8)
    content = bytearray(source.read_bytes())
    ranges = calibrator.Calibrator(
        content,
        mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
        qsv_update_func=qsv_utils.min_max_update,
    )
    ranges.calibrate({f"b1_l{LENGTH}": samples}, rules)
    made = quantizer.Quantizer(content, rules.get_quantization_recipe())
    path.write_bytes(made.quantize(ranges.get_model_qsvs(), enable_progress_report=False).quantized_model)


def main():
    options = arguments()
    start = time.monotonic()
    environment = runtime.setup(seed=0)

    from course_lib import fine_tuning, imdb, pruning, quantization, weights

    corpus = imdb.load(verbose=False)
    test = corpus.test.first(options.reviews)
    labels = np.asarray(test.labels)
    samples = quantization.inputs(corpus.train.texts[: options.samples], LENGTH, "both")
    inputs = quantization.inputs(test.texts, LENGTH, "both")
    model = pruning.from_keras_hub(weights.load_reviewer("float32"))
    exact = model.get_weights()
    found = {"points": {}}
    if options.output.exists():
        found = json.loads(options.output.read_text())
    settings = {"reviews": options.reviews, "samples": options.samples, "length": LENGTH}
    if found.get("settings", settings) != settings:
        raise SystemExit(f"{options.output} has other settings: {found['settings']}")

    def keep(name, logits, size, began):
        right = logits.argmax(axis=1) == labels
        point = {"accuracy": round(float(right.mean()), 4), "bytes": size, "right": bits_of(right)}
        found["points"][name] = {**point, "seconds": round(time.monotonic() - began, 1)}
        found["settings"], found["versions"] = settings, environment.versions
        found["machine"], found["date"] = environment.device_name, datetime.date.today().isoformat()
        with runtime.atomic_write(options.output) as path:
            path.write_text(json.dumps(found, indent=1) + "\n")
        print(name, point["accuracy"], f"{found['points'][name]['seconds']} s", flush=True)

    def wanted(name):
        return name not in found["points"] and time.monotonic() - start < 60 * options.minutes

    with tempfile.TemporaryDirectory() as folder:
        path, source = pathlib.Path(folder) / "made.tflite", pathlib.Path(folder) / "float32.tflite"
        for name, how in FILES.items():
            if wanted(name):
                began = time.monotonic()
                fixed = samples if how["mode"] == "integer" else None
                quantization.export(model, path, length=LENGTH, samples=fixed, **how)
                keep(name, quantization.LiteRT(path).predict(inputs), path.stat().st_size, began)
        for name, spared in SPARED.items():
            if wanted(name):
                began = time.monotonic()
                if not source.exists():
                    quantization.export(model, source, length=LENGTH)
                fixed_but_for(source, path, spared, samples)
                keep(name, quantization.LiteRT(path).predict(inputs), path.stat().st_size, began)
        for granularity, widths in ROUNDED.items():
            for bits in widths:
                name = f"{bits} bits per {granularity}".replace("per groups", "in groups")
                if wanted(name):
                    began = time.monotonic()
                    model.set_weights(exact)
                    if granularity == "tensor":
                        for variable in quantization.tables(model).values():
                            value = np.asarray(variable)
                            scale = quantization.channel_scales(value, bits, axis=None)
                            codes = quantization.quantize(value, scale, bits=bits)
                            variable.assign(quantization.dequantize(codes, scale))
                    else:
                        quantization.round_weights(model, bits, 32 if "32" in granularity else None)
                    keep(name, fine_tuning.predict(model, test.texts, **FORM), None, began)
    left = len(FILES) + len(SPARED) + sum(map(len, ROUNDED.values())) - len(found["points"])
    print(f"{left} points are left." if left else "Complete.")


if __name__ == "__main__":
    main()
