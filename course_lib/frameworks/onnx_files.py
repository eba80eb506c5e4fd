"""The same encoder as an ONNX file, by each framework's own converter, with the weights inside."""

import logging
import pathlib
import tempfile
import warnings

import numpy as np

from course_lib import runtime
from course_lib.frameworks import found

OPSET = 18


def run(path, x):
    """What ONNX Runtime makes of an array with the file's one input: an array."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def export(name, arrays, x, path, heads=4):
    """Writes the encoder as an ONNX file for inputs of one shape.

    Args:
        name: A key of `EXPORTS`: a framework that has a way to ONNX.
        arrays: Dict of float32 arrays, as `encoder.arrays` makes them.
        x: An input, of shape `(texts, length, width)`.
        path: The file to write.
        heads: Number of heads.

    Raises:
        KeyError: If the framework has no way to ONNX that ends well.
    """
    module = found.module(name)
    with warnings.catch_warnings(), runtime.hidden_stderr():
        warnings.simplefilter("ignore")
        EXPORTS[name](module, arrays, x, path, heads)


def _tensorflow(module, arrays, x, path, heads):
    import tensorflow as tf
    import tf2onnx

    given = [tf.TensorSpec(x.shape, x.dtype, "x")]
    # Made inside, or the weights would be inputs of the graph.
    function = tf.function(lambda x: module.logits(module.tensors(arrays), x, heads), input_signature=given)
    tf2onnx.convert.from_function(function, given, opset=OPSET, output_path=str(path))


def _keras(module, arrays, x, path, heads):
    import keras

    weights = module.tensors(arrays)

    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.held = {name: keras.Variable(each) for name, each in weights.items()}

        def call(self, x):
            return module.logits(self.held, x, heads)

    model = Encoder()
    model(x)
    model.export(str(path), format="onnx", opset_version=OPSET, verbose=False)


def _torch(module, arrays, x, path, heads):
    import torch

    weights = module.tensors(arrays)

    class Encoder(torch.nn.Module):
        def forward(self, x):
            return module.logits(weights, x, heads)

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    logging.getLogger("onnx_ir").setLevel(logging.ERROR)
    given = (torch.from_numpy(x),)
    torch.onnx.export(Encoder(), given, str(path), dynamo=True, verbose=False, opset_version=OPSET)


def _paddle(module, arrays, x, path, heads):
    import paddle

    weights = module.tensors(arrays)

    class Encoder(paddle.nn.Layer):
        def __init__(self):
            super().__init__()
            self.held = paddle.nn.ParameterList(
                [paddle.create_parameter(each.shape, each.dtype) for each in weights.values()]
            )
            for mine, each in zip(self.held, weights.values(), strict=True):
                mine.set_value(each)

        def forward(self, x):
            return module.logits(dict(zip(weights, self.held)), x, heads)  # noqa: B905

    model = Encoder()
    model.eval()
    with tempfile.TemporaryDirectory() as folder:
        spec = [paddle.static.InputSpec(list(x.shape), str(x.dtype))]
        paddle.jit.save(model, str(pathlib.Path(folder, "model")), input_spec=spec)
        # In a process of its own: beside TensorFlow, its protobuf ends this one. Left to choose, it would
        # also have pip install an optimizer while it runs.
        source = "import sys, paddle2onnx as p; f = sys.argv[1]; "
        source += (
            f"p.export(f + '/model.json', f + '/model.pdiparams', sys.argv[2], {OPSET}, optimize_tool='')"
        )
        found.elsewhere("-c", source, folder, path)


EXPORTS = {"TensorFlow": _tensorflow, "Keras": _keras, "PyTorch": _torch, "PaddlePaddle": _paddle}


def operations_of_jax(arrays, x, heads=4):
    """Why JAX is not in `EXPORTS`: the kinds of operations in what `jax2tf` makes of the encoder.

    `jax2tf` packs the program that XLA is to compile into one operation, which tf2onnx cannot open.

    Args:
        arrays: As in `export`.
        x: As in `export`.
        heads: As in `export`.

    Returns:
        A set of names of TensorFlow's operations.
    """
    import tensorflow as tf
    from jax.experimental import jax2tf

    module = found.module("JAX")
    weights = module.tensors(arrays)
    converted = jax2tf.convert(lambda x: module.logits(weights, x, heads))
    given = [tf.TensorSpec(np.shape(x), x.dtype)]
    graph = tf.function(converted, given, autograph=False).get_concrete_function().graph
    return {each.type for each in graph.get_operations()}
