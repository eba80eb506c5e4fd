"""The weights of a published BERT, by their names, into an `encoder`."""

PUBLISHED = {
    "token_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embeddings_norm": "embeddings.LayerNorm",
    "attention/query": "attention.self.query",
    "attention/key": "attention.self.key",
    "attention/value": "attention.self.value",
    "attention/attention_output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "intermediate_dense": "intermediate.dense",
    "output_dense": "output.dense",
    "output_norm": "output.LayerNorm",
    "pooled_dense": "pooler.dense",
}


def published_name(path):
    """The name of a weight of an `encoder` in BERT's published files.

    Args:
        path: The weight's path in Keras, such as `transformer_layer_0/output_dense/bias`.

    Returns:
        The name, such as `encoder.layer.0.output.dense.bias`.

    Raises:
        ValueError: If BERT has no such weight.
    """
    layer, _, kind = path.rpartition("/")
    block, _, rest = layer.partition("/")
    prefix = ""
    if block.startswith("transformer_layer_"):
        prefix, layer = f"encoder.layer.{block.removeprefix('transformer_layer_')}.", rest
    if layer not in PUBLISHED:
        raise ValueError(f"BERT has no weight that belongs to {path!r}.")
    return f"{prefix}{PUBLISHED[layer]}.{'bias' if kind in ('bias', 'beta') else 'weight'}"


def load_published(model, tensors):
    """Fills an `encoder` with the weights of a published BERT; nothing is left over on either side.

    Dense kernels are published as `(outputs, inputs)` and transposed here.

    Args:
        model: An `encoder` of the same sizes, post-norm.
        tensors: Dict from name to array, as `safetensors.numpy.load_file` gives it. The tensor `position_ids`
            that some files have is no weight and passed over.

    Returns:
        List of `(path, name, shape)`: what went where, with the shape in Keras.

    Raises:
        ValueError: If a weight is missing, left over, or of another shape. The model is then unchanged.
    """
    tensors = {name: value for name, value in tensors.items() if not name.endswith("position_ids")}
    names = {variable.path: published_name(variable.path) for variable in model.weights}
    missing, unused = set(names.values()) - set(tensors), set(tensors) - set(names.values())
    if missing or unused:
        raise ValueError(
            f"The file is not of this encoder: it lacks {sorted(missing)[:3]} ({len(missing)} in all) and "
            f"has {sorted(unused)[:3]} besides ({len(unused)} in all)."
        )
    values = {}
    for variable in model.weights:
        value = tensors[names[variable.path]]
        values[variable.path] = value.T if variable.path.endswith("kernel") else value
        if values[variable.path].shape != tuple(variable.shape):
            raise ValueError(
                f"{names[variable.path]} has shape {values[variable.path].shape}, but {variable.path} "
                f"{tuple(variable.shape)}: the encoder has other sizes."
            )
    for variable in model.weights:
        variable.assign(values[variable.path])
    return [(variable.path, names[variable.path], tuple(variable.shape)) for variable in model.weights]
