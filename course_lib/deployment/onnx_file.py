"""The same classifier as an ONNX file, for ONNX Runtime and what is built on it: written, and run."""

import pathlib

import numpy as np

from course_lib import imdb, runtime

OPSET = 20  # The first with GELU as one operation.
_MUCH = np.float32(1e9)


def export_onnx(model, path):
    """Writes a classifier as an ONNX file with free sizes, for texts and tokens.

    `model.export(path, format="onnx")` does that for any Keras model. For this one, of 91 MB, its converter
    takes 6.5 GB of memory (`record("runtimes")`); writing the graph takes hardly more than the weights.

    Args:
        model: A `weights.classifier` in float32, on a KerasHub BERT or on a `transformer.encoder` with norms
            behind the residuals, which may have lost heads and neurons.
        path: The file; it is replaced only when the new one is complete.

    Raises:
        ValueError: If it is another network.
    """
    import onnx

    from course_lib import pruning, transformer

    ours = model if transformer.blocks(model) else pruning.from_keras_hub(model)
    blocks = transformer.blocks(ours)
    graph = _Graph({each.path: np.asarray(each.value) for each in ours.weights})
    try:
        logits = _classifier(graph, blocks)
        file = onnx.helper.make_model(
            graph.finished(logits), opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=9
        )
        onnx.checker.check_model(file)
    except (KeyError, onnx.checker.ValidationError) as error:  # An array that other networks lack.
        raise ValueError(f"This is no classifier on a BERT with plain dense layers: {error}") from None
    with runtime.atomic_write(pathlib.Path(path)) as part:
        part.write_bytes(file.SerializeToString())


def _classifier(graph, blocks):
    """Lesson 03's encoder and lesson 05's head, operation by operation; returns the name of the logits."""
    node = graph.node
    length = node("Gather", node("Shape", "token_ids"), graph.array("one", np.int64(1)))
    tokens = node("Gather", "token_embedding/embeddings", "token_ids")
    segments = node("Gather", "segment_embedding/embeddings", "segment_ids")
    first, axis = graph.array("first", np.array([0])), graph.array("axis", np.array([0]))
    end = node("Unsqueeze", length, axis)
    positions = node("Slice", "position_embedding/embeddings", first, end)
    x = node("Add", node("Add", tokens, segments), positions)
    x = graph.norm(x, "embeddings_norm")
    mask = node("Cast", "padding_mask", to=1)
    # A padded token's score is lowered by more than any other can make up for.
    hidden = node("Mul", node("Sub", mask, graph.array("ones", np.float32(1))), graph.array("much", _MUCH))
    hidden = node("Unsqueeze", hidden, graph.array("heads_queries", np.array([1, 2])))
    for block in blocks:
        x = _block(graph, x, hidden, block)
    weight = node("Unsqueeze", mask, graph.array("last", np.array([2])))
    axes = graph.array("tokens", np.array([1]))
    total = node("ReduceSum", node("Mul", x, weight), axes, keepdims=0)
    count = node("Max", node("ReduceSum", weight, axes, keepdims=0), graph.array("least", np.float32(1)))
    return graph.dense(node("Div", total, count), "logits")


def _block(graph, x, hidden, block):
    node, name, heads = graph.node, block.name, block.num_heads
    if block.norm_first:
        raise KeyError("the norms come first")
    depth = graph.arrays[f"{name}/attention/query/kernel"].shape[1] // heads
    apart = graph.array("apart", np.array([0, 0, heads, depth]))
    together = graph.array("together", np.array([0, 0, heads * depth]))

    def split(part, order):
        projected = graph.dense(x, f"{name}/attention/{part}")
        return node("Transpose", node("Reshape", projected, apart), perm=order)

    query, key = split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1])
    scores = node("Mul", node("MatMul", query, key), graph.array("scale", np.float32(depth**-0.5)))
    weights = node("Softmax", node("Add", scores, hidden), axis=-1)
    values = node("Transpose", node("MatMul", weights, split("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
    attended = graph.dense(node("Reshape", values, together), f"{name}/attention/attention_output")
    x = graph.norm(node("Add", x, attended), f"{name}/attention_norm")
    inner = node(
        "Gelu",
        graph.dense(x, f"{name}/intermediate_dense"),
        approximate="tanh" if block.approximate_gelu else "none",
    )
    outer = graph.dense(inner, f"{name}/output_dense")
    return graph.norm(node("Add", x, outer), f"{name}/output_norm")


class _Graph:
    """Operations in the order in which they were added, and the arrays that they use."""

    def __init__(self, arrays):
        self.arrays, self.nodes = arrays, []

    def array(self, name, value):
        self.arrays[name] = np.asarray(value)
        return name

    def node(self, operation, *inputs, **attributes):
        import onnx

        output = f"{operation}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operation, inputs, [output], output, **attributes))
        return output

    def dense(self, x, name):
        return self.node("Add", self.node("MatMul", x, f"{name}/kernel"), f"{name}/bias")

    def norm(self, x, name):
        return self.node("LayerNormalization", x, f"{name}/gamma", f"{name}/beta", epsilon=1e-12)

    def finished(self, output):
        import onnx

        used = {name for node in self.nodes for name in node.input}
        arrays = [onnx.numpy_helper.from_array(v, k) for k, v in self.arrays.items() if k in used]
        sizes, kind = ["texts", "tokens"], onnx.TensorProto.INT32
        inputs = [
            onnx.helper.make_tensor_value_info(name, kind, sizes)
            for name in ("token_ids", "segment_ids", "padding_mask")
        ]
        last = onnx.helper.make_node("Identity", [output], ["logits"], "logits")
        result = onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["texts", None])
        return onnx.helper.make_graph([*self.nodes, last], "classifier", inputs, [result], arrays)


class OnnxClassifier:
    """An ONNX file with a bundle's tokenizer. Texts run one by one, each at its own length: none is padded.

    Args:
        path: A file as `export_onnx` writes it, or what `onnxruntime.quantization` makes of it.
        tokenizer: A bundle's `tokenizer.json`.
        threads: How many cores a text uses.
        length: Most tokens of a text; longer ones lose their middle.
    """

    def __init__(self, path, tokenizer, threads=1, length=256):
        import onnxruntime
        import tokenizers

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer))
        self._tokenizer.encode_special_tokens = True  # As a bundle's `Classifier` does.
        self._ends = [self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")]
        self._length = length

    def logits(self, texts):
        """What the network gives: a float32 array of shape `(len(texts), classes)`."""
        return np.concatenate([self._logits(text) for text in texts])

    def _logits(self, text):
        found = self._tokenizer.encode(imdb.clean(imdb.splits.valid(text)), add_special_tokens=False).ids
        first, last = self._ends
        ids = np.array([[first, *imdb.truncate(found, self._length - 2, "both"), last]], "int32")
        inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones_like(ids)}
        return self._session.run(None, inputs)[0]
