"""Gradients by any of a model's variables, frozen ones among them, on each of Keras' backends."""

import keras


def gradients(function, variables):
    """The gradients of a number by some variables.

    Args:
        function: Function without arguments that computes with the variables and returns a scalar.
        variables: List of variables.

    Returns:
        List of tensors; zeros where the number does not depend on a variable.

    Raises:
        ValueError: If Keras runs on a backend without gradients.
    """
    backend = keras.backend.backend()
    values = [variable.value for variable in variables]
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)  # Frozen ones, too.
            value = function()
        found = tape.gradient(value, values, unconnected_gradients="zero")
        return [tf.convert_to_tensor(each) for each in found]
    if backend == "jax":
        import jax

        def of(values):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function()

        return jax.grad(of)(values)
    if backend == "torch":
        import torch

        trained = [value.requires_grad for value in values]
        try:
            for value in values:
                value.requires_grad_(True)
            with torch.enable_grad():
                found = torch.autograd.grad(function(), values, allow_unused=True, materialize_grads=True)
        finally:
            for value, flag in zip(values, trained, strict=True):
                value.requires_grad_(flag)
        return list(found)
    raise ValueError(f"Gradients are taken on TensorFlow, JAX and PyTorch. Received: {backend}")
