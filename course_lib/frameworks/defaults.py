"""Defaults that differ from library to library, read from the libraries themselves."""

import inspect

import numpy as np


def default(function, name):
    """The default of an argument; "none" where it must be given, "no such argument" where there is none.

    Args:
        function: A function or a class.
        name: The argument's name.

    Returns:
        The value.
    """
    arguments = inspect.signature(function).parameters
    if name not in arguments:
        return "no such argument"
    value = arguments[name].default
    return "none" if value is inspect.Parameter.empty else value


def table(libraries):
    """What each library does unless it is told otherwise.

    Args:
        libraries: As `found.libraries` returns them.

    Returns:
        Dict from a framework's name to a dict of what is asked to what was found.
    """
    return {name: ROWS[name](library) for name, library in libraries.items() if name in ROWS}


def _keras(keras):
    norm, dense, wide = keras.layers.LayerNormalization(), keras.layers.Dense(4), keras.layers.Dense(400)
    dense.build((None, 3))
    wide.build((None, 100))
    adamw = keras.optimizers.AdamW
    return {
        "norm's epsilon": norm.epsilon,
        "GELU": _gelu(lambda x: np.asarray(keras.activations.gelu(x))),
        "first kernels": _initialiser(np.asarray(wide.kernel)),
        "first bias": _bias(np.asarray(wide.bias)),
        "kernel of 3 to 4": tuple(dense.kernel.shape),
        "AdamW's decay": default(adamw, "weight_decay"),
        "AdamW's epsilon": default(adamw, "epsilon"),
        "epsilon added": _place(_keras_steps(keras)),
    }


def _torch(torch):
    norm, dense, wide = torch.nn.LayerNorm(4), torch.nn.Linear(3, 4), torch.nn.Linear(100, 400)
    adamw = torch.optim.AdamW
    return {
        "norm's epsilon": norm.eps,
        "GELU": _gelu(lambda x: torch.nn.functional.gelu(torch.tensor(x)).numpy()),
        "first kernels": _initialiser(wide.weight.detach().numpy().T),
        "first bias": _bias(wide.bias.detach().numpy()),
        "kernel of 3 to 4": tuple(dense.weight.shape),
        "AdamW's decay": default(adamw, "weight_decay"),
        "AdamW's epsilon": default(adamw, "eps"),
        "epsilon added": _place(_torch_steps(torch)),
    }


def _paddle(paddle):
    norm, dense, wide = paddle.nn.LayerNorm(4), paddle.nn.Linear(3, 4), paddle.nn.Linear(100, 400)
    adamw = paddle.optimizer.AdamW
    return {
        "norm's epsilon": norm._epsilon,
        "GELU": _gelu(lambda x: paddle.nn.functional.gelu(paddle.to_tensor(x)).numpy()),
        "first kernels": _initialiser(wide.weight.numpy()),
        "first bias": _bias(wide.bias.numpy()),
        "kernel of 3 to 4": tuple(dense.weight.shape),
        "AdamW's decay": default(adamw, "weight_decay"),
        "AdamW's epsilon": default(adamw, "epsilon"),
        "epsilon added": _place(_paddle_steps(paddle)),
    }


def _tensorflow(tf):
    return {"GELU": _gelu(lambda x: tf.nn.gelu(x).numpy())}


def _jax(jax):
    return {
        "norm's epsilon": default(jax.nn.standardize, "epsilon"),
        "GELU": _gelu(lambda x: np.asarray(jax.nn.gelu(x))),
    }


ROWS = {"TensorFlow": _tensorflow, "Keras": _keras, "JAX": _jax, "PyTorch": _torch, "PaddlePaddle": _paddle}


def _gelu(function):
    """Whether GELU is "exact" or by "tanh", by what comes out at 2: the two differ there by 0.0001."""
    found = float(function(np.full(1, 2.0, "float32"))[0])
    return min({"exact": 1.954500, "tanh": 1.954598}.items(), key=lambda each: abs(each[1] - found))[0]


def _initialiser(kernel):
    """The rule whose uniform distribution has a kernel's largest number as its bound."""
    bound = np.abs(kernel).max()
    inputs, outputs = kernel.shape
    known = {"Glorot": (6 / (inputs + outputs)) ** 0.5, "He, a = √5": inputs**-0.5}
    return min(known, key=lambda name: abs(known[name] - bound))


def _bias(bias):
    return "zeros" if not bias.any() else "uniform"


def _keras_steps(keras):
    variable = keras.Variable(np.ones(1, "float64"), dtype="float64")
    optimizer = keras.optimizers.AdamW(2.0**-10, weight_decay=0.0, epsilon=1e-3)
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(np.full(1, 1e-3))], [variable])
    return 1 - float(keras.ops.convert_to_numpy(variable)[0])


def _torch_steps(torch):
    variable = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([variable], 2.0**-10, weight_decay=0.0, eps=1e-3)
    variable.grad = torch.full((1,), 1e-3, dtype=torch.float64)
    optimizer.step()
    return 1 - variable.item()


def _paddle_steps(paddle):
    variable = paddle.to_tensor(np.ones(1), stop_gradient=False)
    optimizer = paddle.optimizer.AdamW(2.0**-10, parameters=[variable], weight_decay=0.0, epsilon=1e-3)
    (variable * 1e-3).sum().backward()
    optimizer.step()
    return 1 - variable.item()


def _place(moved, gradient=1e-3, epsilon=1e-3):
    """Where epsilon was added, by how far the first step of a weight went."""
    known = {
        "after": gradient / (gradient + epsilon),
        "before": gradient / (gradient + epsilon / (1 - 0.999) ** 0.5),
    }
    return min(known, key=lambda name: abs(known[name] - moved * 2**10))
