"""LiteRT files: written, and run."""

import contextlib
import io
import os
import pathlib
import re
import sys
import tempfile
import warnings

import keras
import numpy as np

from course_lib import imdb, runtime
from course_lib.quantization import graph
from course_lib.quantization.axes import tables

LITERT = ("float32", "float16", "dynamic", "integer", "int4")
BLOCKS = (32, 64, 128, 256)

INTEGER_OPERATIONS = {"CONV_2D", "CONV_2D_TRANSPOSE", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "GATHER"}


def export(model, path, mode="float32", length=128, samples=None, shapes=None, block=None):
    """Writes a model as a LiteRT file for one example, of a fixed length where the model leaves that open.

    Args:
        model: A built Functional or Sequential `keras.Model` in float32, such as a classifier of token ids.
            Its inputs are one tensor, or a list or a dict of them; its outputs likewise.
        path: The file, ending in `.tflite`; it is replaced only when the new one is complete.
        mode: How weights are stored and multiplied:
            - "float32";
            - "float16": in 16 bits, and multiplied in 32;
            - "dynamic": kernels in 8 bits, a scale for each of a layer's outputs; the layer rounds its inputs
              to 8 bits when it runs, by their range then;
            - "integer": likewise, with the ranges of inputs and outputs fixed beforehand, from `samples`;
              softmax, norms and sums stay in float32;
            - "int4": as "dynamic", with the kernels of dense layers and of convolutions in 4 bits. Those that
              LiteRT has no 4-bit product for (depthwise and transposed convolutions) have 8.
            Tables of embeddings are stored in 8 bits with one scale in the last three: LiteRT looks up
            nothing finer. `operations` lists what became of each.
        length: Size of every axis that the model leaves open: tokens per text; shorter ones are padded.
        samples: For "integer": iterable of inputs, as `LiteRT` takes them; `inputs` makes them of texts.
        shapes: Pairs of texts and tokens, instead of one text of `length`. The file then has a signature
            `b4_l64` for 4 texts of 64 tokens, and so on, and one copy of the weights for all.
        block: For "int4": how many of a dense layer's inputs share a scale: 32, 64, 128 or 256. None takes
            all of them. Convolutions always have one scale for each output.

    Raises:
        ValueError: If the mode or the block is unknown, the block does not divide a dense layer's inputs,
            samples are missing, the model is not built or quantized, computes in half precision, or does not
            say what its inputs are, or Keras does not run on TensorFlow.

    Source: LiteRT's quantizer, https://github.com/google-ai-edge/LiteRT/tree/main/litert_quantizer.
    """
    path, samples = _checked(path, mode, samples, block, LITERT)
    if keras.backend.backend() != "tensorflow":
        raise ValueError("LiteRT files are written with Keras on TensorFlow: set KERAS_BACKEND=tensorflow.")
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
        if mode == "float16":
            # The quantizer casts no table that is looked up, which is half of a small encoder.
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        content = converter.convert()
        if mode in ("dynamic", "integer", "int4"):
            samples = [
                each if isinstance(each, dict) else {next(iter(tensors)): each} for each in samples or ()
            ]
            content = _quantized(content, mode, block, {next(iter(named)): samples})
    with runtime.atomic_write(path) as part:
        part.write_bytes(content)


def quantize_file(source, path, mode, samples=None, block=None):
    """Writes a LiteRT file of float32 anew in fewer bits, as `export` does, without the model.

    Args:
        source: The file to read, as `export` writes it in the mode "float32".
        path: The file to write, ending in `.tflite`; it is replaced only when the new one is complete.
        mode: "dynamic", "integer" or "int4", as for `export`.
        samples: As for `export`: inputs of the file's first signature.
        block: As for `export`.

    Raises:
        ValueError: If the mode or the block is unknown, the block does not divide a dense layer's inputs, or
            samples are missing.
    """
    path, samples = _checked(path, mode, samples, block, ("dynamic", "integer", "int4"))
    content = pathlib.Path(source).read_bytes()
    if samples:
        from ai_edge_litert.interpreter import Interpreter

        name, inputs_of = next(iter(Interpreter(model_content=content).get_signature_list().items()))
        first = inputs_of["inputs"][0]
        samples = {name: [each if isinstance(each, dict) else {first: each} for each in samples]}
    with _quiet():
        content = _quantized(content, mode, block, samples or {})
    with runtime.atomic_write(path) as part:
        part.write_bytes(content)


def _checked(path, mode, samples, block, modes):
    """The path and the samples, as `Path` and list, if they and the rest fit each other."""
    path = pathlib.Path(path)
    if mode not in modes or path.suffix != ".tflite":
        raise ValueError(
            f"`mode` is one of {', '.join(modes)}, `path` ends in .tflite. Received: {mode!r}, {path}"
        )
    if block is not None and (mode != "int4" or block not in BLOCKS):
        raise ValueError(
            f'`block` belongs to the mode "int4": {", ".join(map(str, BLOCKS))}, or None for one scale per '
            f"output. Received: block={block!r}, mode={mode!r}"
        )
    samples = None if samples is None else list(samples)
    if (mode == "integer") != bool(samples):
        raise ValueError('`samples` belong to the mode "integer", which needs at least one.')
    return path, samples


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


def _quantized(content, mode, block, samples):
    """A float32 file's content in fewer bits; `samples` is a dict from a signature to its inputs."""
    from litert_quantizer import calibrator, qtyping, quantizer, recipe_manager
    from litert_quantizer.utils import qsv_utils

    operation, granularity = qtyping.TFLOperationName, qtyping.QuantGranularity
    network = graph.read(content)
    rules = recipe_manager.RecipeManager()
    if mode == "integer":
        # Softmax and norms are not among them: the masked scores of attention are minus infinity, and no
        # scale covers those.
        for name in sorted(INTEGER_OPERATIONS - {"GATHER"}):
            rules.add_static_config(".*", operation(name), 8, 8)
    else:
        rules.add_dynamic_config(".*", operation.ALL_SUPPORTED, 8)
    if mode == "int4":
        rules.add_dynamic_config(".*", operation.CONV_2D, 4)
        if block is not None:
            _check_block(network, block)
        blocks = granularity.CHANNELWISE if block is None else granularity(f"BLOCKWISE_{block}")
        rules.add_dynamic_config(".*", operation.FULLY_CONNECTED, 4, blocks)
    ranges = {}
    if mode == "integer":
        # The other kind of calibration does not see into the loop of a recurrent layer, and the default takes
        # a moving average, mostly of the first sample, instead of the whole range.
        found = calibrator.Calibrator(
            content,
            num_threads=2,
            mode=calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED,
            qsv_update_func=qsv_utils.min_max_update,
        )
        found.calibrate(samples, rules)
        ranges |= found.get_model_qsvs()
    # To the quantizer a look-up is no product with weights, only something that passes activations on. So
    # each look-up in a table has a rule of its own, and the table's range stands for a calibration.
    for part, operator, table in graph.of_kind(network, "GATHER"):
        values = np.frombuffer(network.buffers[table.buffer].data, "float32")
        ranges[table.name.decode()] = {
            "min": values.min().reshape([1] * len(table.shape)),
            "max": values.max().reshape([1] * len(table.shape)),
        }
        name = part.tensors[operator.outputs[0]].name.decode()
        rules.add_static_config(f"^{re.escape(name)};$", operation.GATHER, 8, 8)
    found = quantizer.Quantizer(bytearray(content), rules.get_quantization_recipe())
    content = found.quantize(ranges or None, enable_progress_report=False).quantized_model
    return content if block is None else _without_tiny_blocks(content, block)


def _without_tiny_blocks(content, block):
    """Zeros for the blocks whose scale is below every float16: LiteRT refuses a scale of 0."""
    from ai_edge_litert.tools import flatbuffer_utils

    network, changed = graph.read(content), False
    for part in network.subgraphs:
        for tensor in part.tensors:
            details = getattr(tensor.quantization, "details", None)
            if not getattr(details, "blockSize", 0):
                continue
            held, codes = (network.buffers[each.buffer] for each in (part.tensors[details.scales], tensor))
            scales = np.frombuffer(held.data, "float16").copy()
            if not np.isfinite(scales).all():
                name = tensor.name.decode().split(";")[0]
                raise ValueError(f"{name} has weights that no scale of 16 bits reaches. Leave `block` out.")
            if not scales.all():
                pairs = np.frombuffer(codes.data, "uint8").reshape(-1, block // 2).copy()
                pairs[scales == 0] = 0
                scales[scales == 0] = np.finfo("float16").tiny
                held.data, codes.data, changed = scales.view("uint8"), pairs.ravel(), True
    return bytes(flatbuffer_utils.convert_object_to_bytearray(network)) if changed else content


def _check_block(network, block):
    for part, operator, kernel in graph.of_kind(network, "FULLY_CONNECTED"):
        if (width := int(kernel.shape[-1])) % block:
            name = part.tensors[operator.outputs[0]].name.decode().split(";")[0]
            raise ValueError(
                f"`block` must divide the inputs of every dense layer. Received: block={block}, and {name} "
                f"has {width} inputs."
            )


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
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):  # Progress bars.
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
