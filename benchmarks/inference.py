"""Comparison 3: text to logits with the 8-bit bundle, against ONNX Runtime and PyTorch in 8 bit, and Keras.

All sides run the classifier of comparison 2. Each gets texts and returns logits, so cleaning and tokenizing
count, and all but the bundle, which has its own lengths, pad a batch to its longest review. The two other
8-bit sides are prepared in several of the ways that their documentation recommends; the fastest is taken of
those that give float32's labels.
"""

import hashlib
import pathlib
import shutil
import time

import fine_tuning_epoch
import harness
import models
import numpy as np

from course_lib import imdb

TITLE = "Inference, 8 bit"
PACKAGES = ("ai-edge-litert", "keras", "onnxruntime", "tensorflow", "torch", "transformers")
COMPARED = (
    "All sides run one classifier, that of the fine-tuning epoch, from text to logits. Beside each time is "
    "the accuracy on the test reviews; the course's must be float32's within the points that the settings "
    "give, or it fails."
)
AGREE = 0.98  # Share of float32's labels.
DEFAULTS = {
    "train": 2000,
    "ones": 64,
    "batches": 4,
    "batch": 32,
    "test": 1000,
    "rounds": 15,
    "points": 1.0,
    "agree": AGREE,
}
QUICK = {"train": 128, "ones": 8, "batches": 1, "test": 64, "rounds": 3, "points": 100.0, "agree": 0.0}
GOAL, GOAL_KERAS = 1.0, 3.0
KERAS = "Keras, float32"


class Side:
    """Reads the reviews; subclasses have `logits(texts)` for a list of texts."""

    def __init__(self, settings):
        self.settings = settings
        self.folder = pathlib.Path(settings["folder"])
        self.texts = imdb.load(verbose=False).test.first(settings["test"]).texts

    def run(self, case, lap):
        """`"ones"`: reviews one by one; `"batches"`: as they come; `"test"`: all, batched by length."""
        size = self.settings["batch"]
        if case == "ones":
            return [self.logits([text]) for text in self.texts[: self.settings["ones"]]]
        if case == "batches":
            texts = self.texts[: size * self.settings["batches"]]
            return [self.logits(texts[i : i + size]) for i in range(0, len(texts), size)]
        return self.all_logits(self.logits)

    def all_logits(self, logits):
        """What a function from texts to logits makes of all reviews, batched by length."""
        order = np.argsort([len(text) for text in self.texts])
        result = np.empty((len(order), 2), "float32")
        for part in np.array_split(order, -(-len(order) // self.settings["batch"])):
            result[part] = logits([self.texts[i] for i in part])
        return result

    def choose(self, candidates, run, reference):
        """The fastest candidate's name, of those with the reference's labels, or of all if there is none."""
        labels = self.all_logits(lambda texts: run(reference, texts)).argmax(1)
        agree = {
            name: np.mean(self.all_logits(lambda texts, each=each: run(each, texts)).argmax(1) == labels)
            for name, each in candidates.items()
        }
        good = {name: each for name, each in candidates.items() if agree[name] >= AGREE}
        return fastest(good or candidates, run, self.texts)


class Course(Side):
    """The bundle, as `course export` writes it."""

    def __init__(self, settings):
        super().__init__(settings)
        self.logits = open_bundle(self.folder / settings["bundle"])


def open_bundle(folder):
    """A function from texts to logits: the course's 8-bit classifier."""
    from course_lib import deployment

    return deployment.Classifier(folder, threads=harness.THREADS).logits


def write_bundle(model, folder):
    """Writes a Keras classifier as the 8-bit bundle that `open_bundle` opens."""
    from course_lib import deployment

    few = imdb.load(verbose=False).validation.first(20)  # Its card is not looked at.
    form = {
        "lengths": (32, 64, models.LENGTH),
        "truncation": "head",
    }  # No more of a text than the others see.
    deployment.export(model, folder, few, few, replace=True, **form)


class Keras(Side):
    """The classifier in float32, compiled to a graph."""

    packages = ("tensorflow",)

    def __init__(self, settings):
        import tensorflow as tf

        super().__init__(settings)
        model, self.tokenizer = models.keras_classifier(self.folder), models.Tokenizer()
        spec = [tf.TensorSpec((None, None), "int32")] * 3
        names = ("token_ids", "padding_mask", "segment_ids")
        self.graph = tf.function(
            lambda *inputs: model(dict(zip(names, inputs, strict=True)), training=False), input_signature=spec
        )

    def logits(self, texts):
        return self.graph(*self.tokenizer(texts, "int32")).numpy()


class PyTorch(Side):
    """`quantize_dynamic` of all linear layers, as it is or traced and frozen, with either of two engines."""

    packages = ("torch", "transformers")

    def __init__(self, settings):
        import torch

        super().__init__(settings)
        torch.set_num_threads(harness.THREADS)
        self.tokenizer, candidates = models.Tokenizer(), {}
        self.torch = torch
        for engine in ("x86", "fbgemm"):
            torch.backends.quantized.engine = engine
            module = torch.ao.quantization.quantize_dynamic(
                models.torch_classifier(self.folder), {torch.nn.Linear}, dtype=torch.qint8
            )
            example = self._tensors(self.texts[:2])
            with torch.inference_mode():
                traced = torch.jit.freeze(torch.jit.trace(module, example, check_trace=False))
                other = self._tensors(self.texts[:5])
                assert torch.allclose(module(*other), traced(*other), atol=1e-4)
            candidates |= {f"{engine}, eager": (engine, module), f"{engine}, traced": (engine, traced)}
        reference = engine, models.torch_classifier(self.folder)
        self.way = self.choose(candidates, self._run, reference)
        self.chosen = candidates[self.way]

    def _tensors(self, texts):
        return tuple(map(self.torch.from_numpy, self.tokenizer(texts)))

    def _run(self, candidate, texts):
        engine, module = candidate
        self.torch.backends.quantized.engine = engine
        with self.torch.inference_mode():
            return module(*self._tensors(texts)).numpy()

    def logits(self, texts):
        return self._run(self.chosen, texts)


class OnnxRuntime(Side):
    """`quantize_dynamic`, per tensor or channel, of the plain graph or of ONNX Runtime's optimized one."""

    packages = ("onnxruntime", "onnx", "torch", "transformers")

    def __init__(self, settings):
        import onnxruntime

        super().__init__(settings)
        self.tokenizer = models.Tokenizer()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = harness.THREADS
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        candidates = {
            path.stem: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            for path in sorted((self.folder / "onnx").glob("*.onnx"))
        }
        reference = candidates.pop("plain")
        del candidates["optimized"]
        self.way = self.choose(candidates, self._run, reference)
        self.chosen = candidates[self.way]

    def _run(self, session, texts):
        names = ("input_ids", "attention_mask", "token_type_ids")
        return session.run(None, dict(zip(names, self.tokenizer(texts), strict=True)))[0]

    def logits(self, texts):
        return self._run(self.chosen, texts)


def fastest(candidates, run, texts, rounds=5):
    """The name of the candidate that is fastest on a review and a batch of them, each weighed the same."""
    seconds = {name: {1: [], 32: []} for name in candidates}
    for turn in range(rounds + 1):
        for name, candidate in candidates.items():
            for size, found in seconds[name].items():
                start = time.perf_counter()
                run(candidate, texts[:size])
                if turn:
                    found.append(time.perf_counter() - start)
    return min(seconds, key=lambda name: np.prod([min(found) for found in seconds[name].values()]))


class Preparation:
    """Writes the bundle and the ONNX files of a classifier."""

    def __init__(self, settings):
        self.folder = pathlib.Path(settings["folder"])

    def run(self, case, lap):
        """`"bundle"` or `"onnx"`."""
        if case == "bundle":
            write_bundle(models.keras_classifier(self.folder), self.folder / "bundle")
        else:
            write_onnx(self.folder)


def write_onnx(state):
    """Exports the PyTorch classifier and quantizes it in the ways of which `OnnxRuntime` takes the best."""
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer

    folder = state / "onnx.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names = ("input_ids", "attention_mask", "token_type_ids")
    axes = {name: {0: "batch", 1: "length"} for name in names} | {"logits": {0: "batch"}}
    example = tuple(torch.ones((2, 16), dtype=torch.int64) for _ in names)
    plain, optimized = str(folder / "plain.onnx"), str(folder / "optimized.onnx")
    torch.onnx.export(
        models.torch_classifier(state, attention="eager"),  # ONNX Runtime knows its pattern.
        example,
        plain,
        input_names=list(names),
        output_names=["logits"],
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    heads, width = (models.weights.CONFIG[name] for name in ("num_attention_heads", "hidden_size"))
    found = optimizer.optimize_model(plain, model_type="bert", num_heads=heads, hidden_size=width)
    assert found.get_fused_operator_statistics()["Attention"] == models.weights.CONFIG["num_hidden_layers"]
    found.save_model_to_file(optimized)
    for path in (plain, optimized):
        for way, per_channel in (("tensor", False), ("channel", True)):
            quantize_dynamic(
                path,
                str(folder / f"int8_{pathlib.Path(path).stem}_per_{way}.onnx"),
                weight_type=QuantType.QInt8,
                per_channel=per_channel,
                extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
            )
    shutil.rmtree(state / "onnx", ignore_errors=True)
    folder.rename(state / "onnx")


PEERS = {"ONNX Runtime, int8": OnnxRuntime, "PyTorch, int8": PyTorch, KERAS: Keras}
SIDES = {harness.COURSE: Course, **PEERS}


def prepare(settings, state):
    """Makes what the sides open, unless it is there for this very classifier."""
    fine_tuning_epoch.ensure(settings, state)
    digest = hashlib.sha256((state / models.NAME).read_bytes()).hexdigest()
    for case in ("bundle", "onnx"):
        mark = state / f"{case}.made"
        if mark.is_file() and mark.read_text() == digest:
            continue
        if case == "onnx" and harness.missing(OnnxRuntime):
            continue
        with harness.workers({"preparation": Preparation}, {"folder": str(state)}) as running:
            harness.take_turns(running, case, rounds=0)
        mark.write_text(digest)


def measure(settings, state):
    """The rows of the table."""
    prepare(settings, state)
    return rows(settings, state, "bundle", GOAL, {KERAS: GOAL_KERAS})


def rows(settings, state, bundle, goal, goals, strict=True, network=""):
    """Measures all sides, ours with the bundle of this name; `strict` as in `check_accuracy`.

    `network` says in the rows' names which network that is, if it is not everybody's.
    """
    with harness.workers(SIDES, settings | {"folder": str(state), "bundle": bundle}) as running:
        _, logits = harness.take_turns(running, "test", rounds=0)
        notes, unequal = check_accuracy(settings, logits, strict)
        measured = {
            case: harness.take_turns(running, case, settings["rounds"])[0] for case in ("ones", "batches")
        }
    return [
        harness.row(
            f"{what}{network}",
            measured[case],
            goal=goal,
            goals=goals,
            scale=1e3 / settings[case],
            unit="ms",
            notes=notes,
            unequal=unequal,
        )
        for case, what in (("ones", "one review"), ("batches", f"a batch of {settings['batch']}"))
    ]


def check_accuracy(settings, logits, strict=True):
    """Returns all accuracies in words, and who is less accurate than float32; `strict` raises if we are."""
    from course_lib import fine_tuning

    labels = imdb.load(verbose=False).test.first(settings["test"]).labels
    found = {name: fine_tuning.evaluate(labels, each) for name, each in logits.items()}
    known = KERAS if KERAS in found else harness.COURSE
    notes, unequal = {}, []
    for name, each in found.items():
        points = 100 * (found[known].accuracy - each.accuracy)
        agree = np.mean(logits[name].argmax(1) == logits[known].argmax(1))
        notes[name] = f"{each.accuracy:.1%}"
        if points <= settings["points"] and agree >= settings["agree"]:
            continue
        if name == harness.COURSE and strict:
            raise harness.DifferentWorkError(
                f"The course's {each} is {points:.1f} points below float32's {found[known]}, and "
                f"{agree:.1%} of the labels agree"
            )
        unequal.append(name)
        notes[name] += f", other labels for {1 - agree:.1%}"
        notes[name] += "" if name == harness.COURSE else ": no goal"
    return notes, unequal
