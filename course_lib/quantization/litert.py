"""LiteRT files: written, and run."""

import contextlib
import os
import pathlib
import sys
import tempfile
import warnings

import keras
import numpy as np

from course_lib import imdb, runtime
from course_lib.quantization.axes import tables

LITERT = ("float32", "float16", "dynamic", "integer")

INTEGER_OPERATIONS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "GATHER"}


def export(model, path, mode="float32", length=128, samples=None, shapes=None):
    """Writes a model as a LiteRT file for one example, of a fixed length where the model leaves that open.

    Args:
        model: A built Functional or Sequential `keras.Model` in float32, such as a classifier of token ids.
            Its inputs are one tensor, or a list or a dict of them; its outputs likewise.
        path: The file, ending in `.tflite`; it is replaced only when the new one is complete.
        mode: "float32"; "float16" stores weights in 16 bits and computes in 32; "dynamic" stores them in 8
            and rounds the inputs of dense layers at run time; "integer" fixes the scales of these inputs and
            outputs beforehand, from `samples`, and leaves softmax and norms in float32.
        length: Size of every axis that the model leaves open: tokens per text; shorter ones are padded.
        samples: For "integer": iterable of inputs, as `LiteRT` takes them; `inputs` makes them of texts.
        shapes: Pairs of texts and tokens, instead of one text of `length`. The file then has a signature
            `b4_l64` for 4 texts of 64 tokens, and so on, and one copy of the weights for all.

    Raises:
        ValueError: If the mode is unknown, samples are missing, the model is not built or quantized, computes
            in half precision, or does not say what its inputs are, or Keras does not run on TensorFlow.
    """
    path = pathlib.Path(path)
    if mode not in LITERT or path.suffix != ".tflite":
        raise ValueError(
            f"`mode` is one of {', '.join(LITERT)}, `path` ends in .tflite. Received: {mode!r}, {path}"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError("LiteRT files are written with Keras on TensorFlow: set KERAS_BACKEND=tensorflow.")
    samples = None if samples is None else list(samples)
    if (mode == "integer") != bool(samples):
        raise ValueError('`samples` belong to the mode "integer", which needs at least one.')
    if shapes and mode == "integer":
        raise ValueError('The mode "integer" takes one length, not `shapes`.')
    tables(model)  # For its errors.
    tensors = _named_inputs(model)
    halves = sorted({layer.compute_dtype for layer in model.layers} - {"float32"})
    if halves:
        raise ValueError(f"The model computes in {halves[0]}. Build it under float32 and copy the weights.")
    import tensorflow as tf

    def structured(x):
        if isinstance(model.input, dict):
            return x
        return list(x.values()) if isinstance(model.input, list | tuple) else next(iter(x.values()))

    named = {f"b{texts}_l{tokens}": (texts, tokens) for texts, tokens in shapes or [(1, length)]}
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, shape in named.items():
        signature = {
            each: tf.TensorSpec(_fixed(tensor.shape, *shape), tensor.dtype, name=each)
            for each, tensor in tensors.items()
        }
        archive.add_endpoint(
            name, lambda x: model(structured(x), training=False), input_signature=[signature]
        )
    with tempfile.TemporaryDirectory() as folder, _quiet():
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(named))
        if mode != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if mode == "integer":
            samples = [each if isinstance(each, dict) else {next(iter(tensors)): each} for each in samples]
            content = _integer(converter, samples)
        else:
            content = converter.convert()
    with runtime.atomic_write(path) as part:
        part.write_bytes(content)


def _named_inputs(model):
    """Dict from a name to each of a model's input tensors, in their order."""
    try:
        tensors = model.input
    except (AttributeError, ValueError):
        tensors = None
    if isinstance(tensors, dict):
        named = dict(tensors)
    elif tensors is not None:
        several = tensors if isinstance(tensors, list | tuple) else [tensors]
        # A name that nobody gave counts up with every model.
        named = {
            f"input_{i}" if str(getattr(each, "name", "")).startswith("keras_tensor") else each.name: each
            for i, each in enumerate(several)
            if hasattr(each, "name")
        }
        named = named if len(named) == len(several) else None
    if tensors is None or not named or not all(hasattr(each, "shape") for each in named.values()):
        raise ValueError(
            f"{model.name!r} does not say what its inputs are. Export a Functional or Sequential model with "
            "one input, or a list or a dict of them. `keras.Model(x, model(x))` is one, x = keras.Input(...)."
        )
    return named


def _fixed(shape, examples, length):
    """A shape without open axes."""
    return (examples, *(length if size is None else size for size in shape[1:]))


def _integer(converter, samples):
    """Integers in dense layers and tables only: the masked scores of attention are minus infinity, and no
    scale covers those.
    """
    import tensorflow as tf
    from tensorflow.lite.python.schema_py_generated import BuiltinOperator

    converter.representative_dataset = lambda: iter(samples)
    others = sorted({name for name in vars(BuiltinOperator) if name.isupper()} - INTEGER_OPERATIONS)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=lambda: iter(samples),
        debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=others),
    )
    return debugger.get_nondebug_quantized_model()


@contextlib.contextmanager
def _quiet():
    """Keeps what C++ code writes to the process' streams out of the notebook; errors come as exceptions."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(stream) for stream in (1, 2)]
    try:
        with open(os.devnull, "wb") as nowhere:
            for stream in (1, 2):
                os.dup2(nowhere.fileno(), stream)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The converter uses an interpreter that it calls deprecated.
            yield
    finally:
        for stream, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, stream)
            os.close(copy)


def inputs(texts, length=128, how="head"):
    """Texts as a LiteRT file of a fixed length takes them.

    Args:
        texts: Sequence of str.
        length: Tokens per text.
        how: Which tokens of longer texts are kept, as in `imdb.truncate`.

    Returns:
        List of dicts of int32 arrays `(1, length)`, one dict per text: `token_ids`, `segment_ids`,
        `padding_mask`.
    """
    ids, mask = imdb.pad(imdb.encode(texts, sequence_length=length, how=how), length)
    return [
        {
            "token_ids": ids[i : i + 1],
            "segment_ids": np.zeros((1, length), "int32"),
            "padding_mask": mask[i : i + 1].astype("int32"),
        }
        for i in range(len(ids))
    ]


class LiteRT:
    """A LiteRT file that is ready to run.

    Args:
        path: The file, as `export` writes it.
        threads: How many cores it uses.

    Raises:
        ValueError: If the file is no LiteRT model.
    """

    def __init__(self, path, threads=2):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _quiet():
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
                self._run = self._interpreter.get_signature_runner()
        except ValueError as error:
            raise ValueError(f"{path} is no LiteRT model: {error}") from None

    def __call__(self, inputs):
        """Applies the model to one example.

        Args:
            inputs: Dict from the inputs' names to arrays `(1, ...)`, or the array if there is one input.

        Returns:
            The output, `(1, ...)`, or a dict from names to outputs if there are several.

        Raises:
            ValueError: If the names are others.
        """
        names = sorted(self._run.get_input_details())
        if not isinstance(inputs, dict):
            inputs = {names[0]: inputs} if len(names) == 1 else {}
        if sorted(inputs) != names:
            raise ValueError(f"This model takes a dict of {', '.join(names)}. Received: {', '.join(inputs)}")
        outputs = self._run(**inputs)
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def predict(self, inputs):
        """Applies the model to a list of inputs; the outputs as one array `(n, ...)`, or a dict of them."""
        outputs = [self(each) for each in inputs]
        if not outputs:
            raise ValueError("`inputs` must hold one example at least.")
        if isinstance(outputs[0], dict):
            return {name: np.concatenate([each[name] for each in outputs]) for name in outputs[0]}
        return np.concatenate(outputs)
