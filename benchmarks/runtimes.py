"""Lesson 08's table: the reviewer in LiteRT and in ONNX Runtime, each in float32 and in 8 bits.

    python benchmarks/runtimes.py              # what is missing; --reviews 2500 for all test reviews
    python benchmarks/runtimes.py --memory     # the peak of Keras' own ONNX export, in a process of its own

Which of the first test reviews each of them gets wrong, its file's size, and the CPU time of single texts on
one thread: reviews and single sentences, so of all lengths. In each round every text is run by all of them in
turn, and the best round of each counts, so that other work on the machine tells little. LiteRT pads a text to
64, 128 or 256 tokens, ONNX Runtime runs it at its own length. A result that is in the package is not made
again, nor a file in --folder.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

from course_lib import deployment, imdb, runtime

RESULT = deployment.RECORDS / "runtimes.json"
CUTS = (128, 64)
STEP = 50  # Reviews that all of them judge before they are written down.
EXPORT = """
import sys
from course_lib import runtime
runtime.setup(seed=0)
import keras
from course_lib import weights
model = weights.load_reviewer("float32")
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
signature = {name: keras.InputSpec(shape=(None, None), dtype="int32", name=name) for name in model.input}
model.export(sys.argv[1], format="onnx", verbose=False, input_signature=[signature])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def make(folder):
    """Writes the four files, those that are not there yet."""
    whole, small = folder / "float32.onnx", folder / "int8.onnx"
    if small.is_file():
        return
    with runtime.hidden_stderr():
        import keras
        import onnxruntime.quantization

        from course_lib import weights

        keras.config.set_dtype_policy("float32")
        model = weights.load_reviewer()
    few = imdb.load(verbose=False).test.first(2)
    for mode in ("float32", "dynamic"):
        deployment.export(model, folder / mode, few, few, mode=mode, replace=True)
    deployment.export_onnx(model, whole)
    onnxruntime.quantization.quantize_dynamic(
        whole, small, per_channel=True, weight_type=onnxruntime.quantization.QuantType.QInt8
    )


def load(folder, threads):
    """The files, and a function from a list of texts to logits for each way to run them."""
    tokenizer, bundle = folder / "dynamic" / deployment.TOKENIZER, folder / "dynamic"
    files = {
        "LiteRT, float32": folder / "float32" / deployment.MODEL,
        "LiteRT, 8 bits": bundle / deployment.MODEL,
        "ONNX Runtime, float32": folder / "float32.onnx",
        "ONNX Runtime, 8 bits": folder / "int8.onnx",
    }
    runs = {}
    for name, path in files.items():
        if path.suffix == ".onnx":
            runs[name] = deployment.OnnxClassifier(path, tokenizer, threads=threads).logits
        else:
            runs[name] = deployment.Classifier(path.parent, threads=threads).logits
    for length in CUTS:
        short = deployment.Classifier(bundle, threads=threads, longest=length)
        runs[f"LiteRT, 8 bits, {length} tokens"] = short.logits
    return files, runs


def judge(logits, split, begin, end):
    """The numbers of the reviews from `begin` to `end` that are judged wrong."""
    wrong = np.argmax(logits(split.texts[begin:end]), axis=1) != split.labels[begin:end]
    return (begin + np.flatnonzero(wrong)).tolist()


def cpu_seconds(run, text):
    """What one text costs; of a process that waits while others compute, the clock would tell less."""
    begin = time.process_time()
    run([text])
    return time.process_time() - begin


def traffic(corpus, count):
    """Texts of all lengths: as many reviews as sentences out of reviews."""
    sentences = [each.text for each in imdb.rated("films")[:count]]
    return [each for pair in zip(corpus.test.texts[:count], sentences, strict=True) for each in pair]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reviews", type=int, default=1000, help="test reviews to judge")
    parser.add_argument("--timed", type=int, default=12, help="reviews to time, and as many sentences")
    parser.add_argument("--rounds", type=int, default=4, help="calls for each text, of which the best counts")
    parser.add_argument("--seconds", type=float, default=np.inf, help="begin nothing new after so many")
    parser.add_argument("--memory", action="store_true", help="only measure Keras' own export")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("build/runtimes"))
    parser.add_argument("--output", type=pathlib.Path, default=RESULT)
    options = parser.parse_args()
    result = json.loads(options.output.read_text()) if options.output.is_file() else {}
    start = time.monotonic()

    def keep():
        result["recorded"] = {
            "date": datetime.date.today().isoformat(),
            "machine": f"{runtime.cpu_name()}, which other work shared",
        }
        with runtime.atomic_write(options.output) as part:
            part.write_text(json.dumps(result) + "\n")

    if options.memory:
        with tempfile.TemporaryDirectory() as name:
            command = [sys.executable, "-c", EXPORT, f"{name}/keras.onnx"]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        before, after = (round(int(line) / 2**20, 1) for line in output.split()[-2:])
        result["keras_export_gib"] = {"model loaded": before, "peak": after}
        keep()
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    make(options.folder)
    files, runs = load(options.folder, threads=1)
    corpus = imdb.load(verbose=False)
    result["megabytes"] = {name: round(path.stat().st_size / 1e6, 1) for name, path in files.items()}
    if (result.get("timed"), result.get("rounds")) != (options.timed, options.rounds):
        texts = traffic(corpus, options.timed)
        times = {name: np.full(len(texts), np.inf) for name in runs}
        for _ in range(options.rounds):
            for i, text in enumerate(texts):
                for name, run in runs.items():
                    times[name][i] = min(times[name][i], cpu_seconds(run, text))
        shown = {name: [round(1e3 * second, 3) for second in best] for name, best in times.items()}
        result |= {"timed": options.timed, "rounds": options.rounds, "milliseconds": shown}
        keep()
    _, runs = load(options.folder, threads=2)
    wrong = result.setdefault("wrong", {name: [] for name in runs})
    done = result.setdefault("reviews", 0)
    for begin in range(done, options.reviews, STEP):
        if time.monotonic() - start > options.seconds:
            break
        end = min(begin + STEP, options.reviews)
        found = {name: judge(run, corpus.test, begin, end) for name, run in runs.items()}
        for name, numbers in found.items():
            wrong[name] += numbers
        result["reviews"] = end
        keep()
        print(f"{end} reviews, {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
