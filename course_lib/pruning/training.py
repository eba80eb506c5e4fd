"""Pruning while a model is trained."""

import keras
from keras import ops

from course_lib.pruning.criteria import magnitude_masks
from course_lib.pruning.masks import apply_masks
from course_lib.pruning.prunable import kernels
from course_lib.pruning.schedules import _check_length, _check_schedule, _due, cubic_sparsity


def sensitivity(model, score, sparsities, spare=()):
    """What happens when one kernel alone is pruned, for each kernel; the model is as before afterwards.

    Args:
        model: A built `keras.Model`.
        score: Function without arguments that evaluates the model and returns a number.
        sparsities: Shares of zeros to try.
        spare: As in `kernels`.

    Returns:
        Dict from a kernel's path to the list of scores, one per sparsity.
    """
    found = {}
    for path, kernel in kernels(model, spare).items():
        saved, found[path] = ops.convert_to_numpy(kernel), []
        try:
            for sparsity in sparsities:
                kernel.assign(saved * magnitude_masks({path: saved}, sparsity)[path])
                found[path].append(score())
        finally:
            kernel.assign(saved)
    return found


class MagnitudePruning(keras.callbacks.Callback):
    """Prunes a model bit by bit while `fit` trains it, with any optimizer.

    What is zero stays zero: after each batch the masks are applied again. They are no part of the network, so
    a weight of zero gets a gradient like any other, and the optimizer moves it.

    Args:
        sparsity: Last sparsity.
        end: Training step from which the sparsity is reached.
        begin: Step at which pruning starts.
        every: Steps between two choices of new masks.
        scope: As in `magnitude_masks`.
        spare: As in `kernels`.

    Attributes:
        masks: Dict from path to mask, as of the last choice.

    Raises:
        ValueError: If the schedule or the sparsity is impossible, also when `fit` starts and would end before
            the schedule does.
    """

    def __init__(self, sparsity, end, begin=0, every=10, scope="layer", spare=()):
        super().__init__()
        _check_schedule(sparsity, end, begin, every)
        self.sparsity, self.end, self.begin, self.every = sparsity, end, begin, every
        self.scope, self.spare = scope, spare
        self.step, self.masks = 0, {}

    def on_train_begin(self, logs=None):
        """Looks for the kernels."""
        self._kernels = kernels(self.model, self.spare)
        _check_length(self.params, self.end - self.step, self.end)

    def on_train_batch_end(self, batch, logs=None):
        """Chooses masks when it is time, and applies them."""
        self.step += 1
        if self.step < self.begin:
            return
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()  # On JAX the variables are elsewhere while `fit` runs.
        if _due(self.step, self.begin, self.end, self.every):
            sparsity = cubic_sparsity(self.step, self.end, self.sparsity, self.begin)
            self.masks = magnitude_masks(self._kernels, sparsity, self.scope)
        apply_masks(self.model, self.masks)


class Reparameterised(keras.Model):
    """A model whose kernels are computed anew from the stored ones at every call.

    It is compiled and trained like any other; a subclass says in `transform` what becomes of a kernel. The
    layers of the model itself are not touched, so nothing has to be taken off it afterwards.

    Args:
        model: A built `keras.Model`.
        spare: As in `kernels`.
        **kwargs: `name` and so on.
    """

    def __init__(self, model, spare=(), **kwargs):
        super().__init__(**kwargs)
        self.model = model
        self._found = kernels(model, spare)

    def transform(self, path, kernel):
        """What the model computes with instead of this kernel, a tensor of the same shape."""
        raise NotImplementedError

    def call(self, x, training=None):
        """Applies the model with its transformed kernels."""
        paths = {id(variable): path for path, variable in self._found.items()}
        values = {}
        for variable in self.model.variables:
            value = ops.convert_to_tensor(variable.value)
            path = paths.get(id(variable))
            values[id(variable)] = value if path is None else self.transform(path, value)
        mapping = [(variable, values[id(variable)]) for variable in self.model.variables]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = self.model(x, training=training)
        for variable in self.model.non_trainable_variables:  # Dropout's seeds, for example.
            value = scope.get_current_value(variable)
            if value is not values[id(variable)]:
                variable.assign(value)
        return outputs

    def strip(self):
        """Stores the transformed kernels and returns the plain model."""
        for path, variable in self._found.items():
            variable.assign(self.transform(path, ops.convert_to_tensor(variable.value)))
        return self.model
