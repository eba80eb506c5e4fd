"""The page's model in Chromium, beside the same bundle in Python and transformers.js in the same browser.

    python benchmarks/browser.py prepare     pages, the ONNX model, the JavaScript packages, into --state
    python benchmarks/browser.py equal       logits of 500 test reviews, as Python's, in 8 bits and in float32
    python benchmarks/browser.py time        times per review, in laps; what is there is not measured again
    python benchmarks/browser.py table       README's table, from the record

All sides get the same texts, the first words of test reviews, cleaned and short enough to be read whole, so
that all read the same token ids. transformers.js runs the reviewer as int8 ONNX, made as its documentation
says (`quantize_dynamic`). Both sides in the browser have one thread, as on a host that sends no headers of
cross-origin isolation; the page's is in its worker, as always, and transformers.js in the page.
"""

import argparse
import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import harness
import numpy as np
import pages

from course_lib import deployment, imdb, runtime, weights
from course_lib.serving import static

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tools"))
from chromium import chromium

RECORDED = deployment.RECORDS / "browser.json"  # In the package, for lesson 08.
PACKAGES = {  # The second is what the first asks for.
    "@huggingface/transformers": "4.3.2",
    "onnxruntime-web": "1.31.0-dev.20260914-8d85527a0",
}
LENGTHS = (32, 64, 128, 256)  # Most tokens of the texts of a group.
TEXTS, LAPS, PART, EQUAL = 8, 21, 100, 500
MODES = ("dynamic", "float32")
PAGE = """<!DOCTYPE html>
<script type="module">
const sides = {};
window.open_side = async (name, folder) => {
  if (name === "page") {
    const base = new URL(`${folder}/`, location);
    const {connect} = await import(new URL("client.js", base));
    const {files} = await (await fetch(new URL("page.json", base))).json();
    const names = ["card.json", "tokenizer.json", "model.tflite"];
    const client = await connect(base, Object.fromEntries(names.map(name => [name, files[name]])));
    sides[name] = async text => (await client.predict(text)).logits;
  } else {
    const {AutoModelForSequenceClassification, AutoTokenizer, env} = await import(
      "/packages/transformers.min.js");
    env.allowRemoteModels = false;
    env.allowLocalModels = true;
    env.localModelPath = "/models/";
    env.backends.onnx.wasm.wasmPaths = "/packages/";
    env.backends.onnx.wasm.numThreads = 1;
    const tokenizer = await AutoTokenizer.from_pretrained("reviewer");
    const options = {dtype: "q8", device: "wasm"};
    const model = await AutoModelForSequenceClassification.from_pretrained("reviewer", options);
    sides[name] = async text => [...(await model(await tokenizer(text))).logits.data].map(Number);
  }
};
window.measure = async (name, texts) => {
  const found = [];
  for (const text of texts) {
    const begun = performance.now();
    const logits = await sides[name](text);
    found.push([performance.now() - begun, logits]);
  }
  return found;
};
</script>
"""


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=("prepare", "equal", "time", "table"))
    parser.add_argument("--state", type=pathlib.Path, default=pathlib.Path("build/browser"))
    return parser.parse_args()


# What is compared


def prepare(state):
    state.mkdir(parents=True, exist_ok=True)
    (state / "index.html").write_text(PAGE, encoding="utf-8")
    if not (state / "packages").is_dir():
        bring(state / "packages")
    if not (state / "models" / "reviewer").is_dir():
        export_onnx(state / "models" / "reviewer")
    for mode in MODES:
        static.write(bundle(state, mode), state / mode)


def bundle(state, mode):
    if mode == "dynamic":
        return deployment.reviewer_bundle()
    folder = state / "bundles" / mode
    if not folder.is_dir():
        few = imdb.load(verbose=False).test.first(20)
        card = deployment.read_card(deployment.reviewer_bundle())  # Only logits are compared.
        measured = {name: card[name] for name in deployment.MEASURED}
        deployment.export(
            weights.load_reviewer("float32"),
            folder,
            few,
            few,
            mode=mode,
            lengths=(64, 256),
            measured=measured,
        )
    return folder


def bring(folder):
    """The files of transformers.js and ONNX Runtime that a browser loads, by npm."""
    with tempfile.TemporaryDirectory() as work:
        names = [f"{name}@{version}" for name, version in PACKAGES.items()]
        subprocess.run(["npm", "pack", "--ignore-scripts", *names], cwd=work, check=True)
        part = pathlib.Path(work, "packages")
        part.mkdir()
        for archive in pathlib.Path(work).glob("*.tgz"):
            with tarfile.open(archive) as packed:
                for member in packed:
                    name = pathlib.PurePosixPath(member.name).name
                    if name == "transformers.min.js" or name.startswith("ort-wasm-simd-threaded."):
                        (part / name).write_bytes(packed.extractfile(member).read())
        shutil.move(part, folder)


def export_onnx(folder):
    """The reviewer as transformers.js takes it: int8 ONNX, its tokenizer, two configurations."""
    import onnx
    from onnxruntime import quantization

    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "onnx").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as work:
        plain = pathlib.Path(work, "plain.onnx")
        deployment.export_onnx(weights.load_reviewer("float32"), plain)
        model = onnx.load(plain)
        theirs = {"token_ids": "input_ids", "padding_mask": "attention_mask", "segment_ids": "token_type_ids"}
        for given in model.graph.input:
            cast = onnx.helper.make_node(
                "Cast", [theirs[given.name]], [given.name], to=onnx.TensorProto.INT32
            )
            model.graph.node.insert(0, cast)
            given.name, given.type.tensor_type.elem_type = theirs[given.name], onnx.TensorProto.INT64
        onnx.save(model, plain)
        kind = quantization.QuantType.QInt8
        quantization.quantize_dynamic(
            plain, part / "onnx" / "model_quantized.onnx", per_channel=True, weight_type=kind
        )
    shutil.copy(weights.tokenizer_file(), part / "tokenizer.json")
    config = {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}
    config["id2label"] = {"0": "negative", "1": "positive"}
    (part / "config.json").write_text(json.dumps(config))
    (part / "tokenizer_config.json").write_text(
        json.dumps(
            {"tokenizer_class": "BertTokenizer", "model_max_length": LENGTHS[-1], "do_lower_case": True}
        )
    )
    part.rename(folder)


def texts():
    """First words of test reviews, by the most tokens that they may have; each has nearly that many."""
    reviews = iter(imdb.load(verbose=False).test.texts)
    found = {most: [] for most in LENGTHS}
    for most, group in found.items():
        while len(group) < TEXTS:
            words = imdb.clean(next(reviews)).split()
            tokens = 2 + np.cumsum([len(ids) - 2 for ids in imdb.encode(words, sequence_length=most)])
            count = int(np.searchsorted(tokens, most, side="right"))
            if count and tokens[count - 1] > 0.9 * most:
                group.append(" ".join(words[:count]))
    return found


# Measuring


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, form, *values):
        pass


@contextlib.contextmanager
def browser(state):
    """Chromium on a server of the folder `state`; yields a driver."""
    handler = functools.partial(Quiet, directory=state)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with tempfile.TemporaryDirectory() as profile, chromium(profile) as driver:
            driver.set_script_timeout(230)
            driver.get(f"http://127.0.0.1:{server.server_port}/")
            yield driver
        server.shutdown()


def call(driver, name, *values):
    """Runs one of the page's functions and waits for what it gives."""
    script = f"""
        const done = arguments[arguments.length - 1];
        window.{name}(...[...arguments].slice(0, -1)).then(
          value => done({{value}}), error => done({{error: String(error)}}));"""
    answer = driver.execute_async_script(script, *values)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer.get("value")


def recorded():
    return json.loads(RECORDED.read_text()) if RECORDED.is_file() else {"equal": {}, "laps": []}


def about(driver):
    return {
        "machine": runtime.cpu_name(),
        "browser": f"Chromium {driver.capabilities['browserVersion']}",
        "date": time.strftime("%Y-%m-%d"),
        "packages": {**PACKAGES, "@litertjs/core": "2.5.3", **runtime.versions()},
    }


def equal(state):
    """Compares logits, a hundred reviews at a time."""
    reviews = imdb.load(verbose=False).test.texts[:EQUAL]
    for mode in MODES:
        with browser(state) as driver:
            found = recorded()
            done = found["equal"].setdefault(mode, {"differences": [], "labels": 0})
            classifier = deployment.Classifier(bundle(state, mode))
            call(driver, "open_side", "page", mode)
            while (start := len(done["differences"])) < EQUAL:
                part = reviews[start : start + PART]
                logits = classifier.logits(part)
                theirs = np.array([each[1] for each in call(driver, "measure", "page", part)])
                done["differences"] += [round(float(d), 7) for d in np.abs(theirs - logits).max(axis=1)]
                done["labels"] += int((theirs.argmax(1) == logits.argmax(1)).sum())
                harness.write_json(RECORDED, {**found, **about(driver)})
                print(f"{mode}: {start + len(part)} of {EQUAL}", file=sys.stderr, flush=True)


def measure(state):
    """One lap after the other; in each, all sides take turns text by text."""
    with browser(state) as driver:
        classifiers = {
            "Python, 1 thread": deployment.Classifier(bundle(state, "dynamic"), threads=1),
            "Python": deployment.Classifier(bundle(state, "dynamic")),
        }
        groups = texts()
        sides = {name: functools.partial(python, each) for name, each in classifiers.items()}
        for name, folder in (("page", "dynamic"), ("transformers.js", "")):
            call(driver, "open_side", name, folder)
            sides[name] = functools.partial(call, driver, "measure", name)
        for side in sides.values():
            side([group[0] for group in groups.values()])  # The first run takes longer.
        while len((found := recorded())["laps"]) < LAPS:
            lap = {"load": round(os.getloadavg()[0], 2), "milliseconds": {}, "labels": {}}
            order = list(sides) if len(found["laps"]) % 2 else list(sides)[::-1]
            for most, group in groups.items():
                outcome = {name: [] for name in sides}
                for text in group:
                    for name in order:
                        outcome[name] += sides[name]([text])
                lap["milliseconds"][most] = {
                    name: [round(each[0], 2) for each in answers] for name, answers in outcome.items()
                }
                lap["labels"][most] = {
                    name: [int(np.argmax(each[1])) for each in answers] for name, answers in outcome.items()
                }
            found["laps"].append(lap)
            harness.write_json(RECORDED, {**found, **about(driver)})
            print(f"lap {len(found['laps'])} of {LAPS}, load {lap['load']}", file=sys.stderr, flush=True)


def python(classifier, group):
    found = []
    for text in group:
        begun = time.perf_counter()
        logits = classifier.logits([text])[0].tolist()
        found.append([1e3 * (time.perf_counter() - begun), logits])
    return found


# What is told of it

NAMES = {
    "page": "the page (LiteRT.js, 1 thread)",
    "transformers.js": "transformers.js (int8 ONNX, 1 thread)",
    "Python, 1 thread": "the same bundle in Python, 1 thread",
    "Python": "the same bundle in Python, all cores",
}


def table(found):
    """Times and ratios as a page shows them."""
    laps = found["laps"]
    lines = [
        "| milliseconds per review (times the page's) | "
        + " | ".join(f"{most} tokens" for most in LENGTHS)
        + " | the page's labels |",
        "|---" * (len(LENGTHS) + 2) + "|",
    ]
    for name, shown in NAMES.items():
        cells, same, count = [], 0, 0
        for most in map(str, LENGTHS):
            ours, theirs = (
                np.min([lap["milliseconds"][most][side] for lap in laps], axis=0) for side in ("page", name)
            )
            ratio = f" ({np.median(theirs / ours):.2f})" if name != "page" else ""
            cells.append(f"{np.median(theirs):.0f}{ratio}")
            labels = [np.array([lap["labels"][most][side] for lap in laps]) for side in ("page", name)]
            same, count = same + (labels[0] == labels[1]).sum(), count + labels[0].size
        agreed = f"{same / count:.0%}" if name != "page" else ""
        lines.append(f"| {shown} | {' | '.join(cells)} | {agreed} |")
    loads = [lap["load"] for lap in laps]
    lines += [
        "",
        f"{TEXTS} texts of each length; of each the best of {len(laps)} laps, then the median. "
        f"{found['browser']} on {found['machine']}, load {min(loads)} to {max(loads)} meanwhile, "
        f"{found['date']}.",
        "",
        "| whole test reviews, page and Python | largest difference of a logit | median | same labels |",
        "|---|---|---|---|",
    ]
    for mode, each in found["equal"].items():
        differences = each["differences"]
        lines.append(
            f"| {'8 bits' if mode == 'dynamic' else mode} | {max(differences):.2g} | "
            f"{statistics.median(differences):.2g} | {each['labels']} of {len(differences)} |"
        )
    return "\n".join(lines)


def main():
    wanted = arguments()
    if wanted.stage == "table":
        pages.fill("browser", table(recorded()))
        return
    {"prepare": prepare, "equal": equal, "time": measure}[wanted.stage](wanted.state)


if __name__ == "__main__":
    main()
