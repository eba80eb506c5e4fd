"""Models whose kernels are computed from others: training with masks that move, or with rounded weights."""

import keras
from keras import ops

from course_lib.pruning.prunable import as_patterns, kernels


class Reparameterised(keras.Model):
    """A model whose kernels are computed anew from the stored ones at every call.

    It is compiled, trained and saved like any other; a subclass says in `transform` what becomes of a kernel,
    and in `get_config` what else its constructor takes. The layers of the model itself are not touched, so
    nothing has to be taken off it afterwards. To load a `.keras` file of it, register the subclass with Keras
    or name it in `custom_objects`.

    Args:
        model: A built `keras.Model`.
        spare: As in `kernels`.
        **kwargs: `name` and so on.
    """

    def __init__(self, model, spare=(), **kwargs):
        super().__init__(**kwargs)
        self.model, self.spare = model, as_patterns(spare)
        self._found = kernels(model, self.spare)

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
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            outputs = self.model(x, training=training)
        for loss in scope.losses:  # Of `add_loss` and of what regularises activities.
            # A tensor of its own: Keras tells losses apart by identity, and its layer has claimed this one.
            self.add_loss(ops.add(loss, 0))
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

    def get_config(self):
        """Returns the arguments that make the same model again."""
        config = {"model": keras.saving.serialize_keras_object(self.model), "spare": list(self.spare)}
        return {"name": self.name, **config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of what `get_config` returned."""
        model = keras.saving.deserialize_keras_object(config["model"], custom_objects=custom_objects)
        return cls(**{**config, "model": model})
