"""What pruning may touch."""

import re


def kernels(model, spare=()):
    """The kernels that pruning may touch: trainable, of two axes or more, and named `kernel`.

    Embeddings, biases and norms are not among them.

    Args:
        model: A built `keras.Model` of any kind.
        spare: Regular expressions; kernels in whose path one is found are left alone.

    Returns:
        Dict from path to variable, in the model's order.

    Raises:
        ValueError: If the model is not built, two kernels have the same path, an expression of `spare`
            matches nothing, or no kernel is left.
    """
    if not model.built:
        raise ValueError(f"The model {model.name!r} is not built: call it on a batch, or `build` it, first.")
    variables = [v for v in model.trainable_variables if v.name == "kernel" and len(v.shape) > 1]
    found = {variable.path: variable for variable in variables}
    if len(found) < len(variables):
        raise ValueError(
            f"Two layers of {model.name!r} have the same name, so their kernels cannot be told apart."
        )
    for pattern in spare:
        if not any(re.search(pattern, path) for path in found):
            raise ValueError(f"No kernel has {pattern!r} in its path. The paths are: {', '.join(found)}")
    found = {path: each for path, each in found.items() if not any(re.search(p, path) for p in spare)}
    if not found:
        raise ValueError(f"The model {model.name!r} has no kernel to prune.")
    return found
