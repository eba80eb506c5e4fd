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

INTEGER_OPERATIONS = {"FULLY_CONNECTED", "GATHER"}


def export(model, path, mode="float32", length=128, samples=None, shapes=None):
    """Writes a classifier of token ids as a LiteRT file for one text of a fixed length.

    Args:
        model: A built `keras.Model` in float32, from a dict of integers `(batch, length)` to one tensor.
        path: The file, ending in `.tflite`; it is replaced only when the new one is complete.
        mode: "float32"; "float16" stores weights in 16 bits and computes in 32; "dynamic" stores them in 8
            and rounds the inputs of dense layers at run time; "integer" fixes the scales of these inputs and
            outputs beforehand, from `samples`, and leaves softmax and norms in float32.
        length: Tokens per text; shorter ones are padded.
        samples: For "integer": iterable of inputs, as `inputs` gives them.
        shapes: Pairs of texts and tokens, instead of one text of `length`. The file then has a signature
            `b4_l64` for 4 texts of 64 tokens, and so on, and one copy of the weights for all.

    Raises:
        ValueError: If the mode is unknown, samples are missing, the model is not built or quantized, computes
            in half precision, or Keras does not run on TensorFlow.
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
    halves = sorted({layer.compute_dtype for layer in model.layers} - {"float32"})
    if halves:
        raise ValueError(f"The model computes in {halves[0]}. Build it under float32 and copy the weights.")
    import tensorflow as tf

    named = {f"b{texts}_l{tokens}": (texts, tokens) for texts, tokens in shapes or [(1, length)]}
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, shape in named.items():
        signature = {each: tf.TensorSpec(shape, tf.int32, name=each) for each in model.input}
        archive.add_endpoint(name, lambda x: model(x, training=False), input_signature=[signature])
    with tempfile.TemporaryDirectory() as folder, _quiet():
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(named))
        if mode != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if mode == "float16":
            converter.target_spec.supported_types = [tf.float16]
        content = _integer(converter, samples) if mode == "integer" else converter.convert()
    with runtime.atomic_write(path) as part:
        part.write_bytes(content)


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
        """Applies the model to a dict of arrays for one text and returns its output, `(1, ...)`."""
        (output,) = self._run(**inputs).values()
        return output

    def predict(self, inputs):
        """Applies the model to a list of inputs and returns the outputs as one array `(n, ...)`."""
        return np.concatenate([self(each) for each in inputs])
