"""Places in `fit` that Keras has no public hook for: right behind the training step, and after all callbacks.

`train_function` is what `fit` and `train_on_batch` call, and on JAX the values of the variables go through
it. A callback's own `on_train_batch_end` comes late, after others have seen the weights. Several callbacks
may follow one model; what a training that was stopped leaves behind is passed over and taken off.
"""

import keras


class Follower:
    """Calls a function right behind every training step of a model, until it is released.

    Args:
        model: A compiled `keras.Model`.
        after: Function without arguments; called on other backends than JAX.
        after_stateless: On JAX: function of the training state that returns the new one.
    """

    def __init__(self, model, after, after_stateless):
        self._model, self._after, self._after_stateless = model, after, after_stateless
        self.active, self.stepped = True, False
        # Each `fit` has a history of its own, by which a training that was stopped is known to be over.
        self._history = getattr(model, "history", None)
        self.follow()

    def follow(self):
        """Goes behind the training step, also if the model has made a new one, as after `compile`.

        Returns:
            Whether it was not there before.
        """
        _take_off(self._model)
        inner = function = getattr(self._model, "train_function", None)
        while function is not None:
            if getattr(function, "follower", None) is self:
                return False
            function = getattr(function, "inner", None)
        if inner is None:  # A training loop of one's own, or one that has not begun.
            return False
        if keras.backend.backend() == "jax":

            def train_function(state, *arguments):
                logs, state = inner(state, *arguments)
                return logs, self._after_stateless(state) if self._is_on() else state

        else:

            def train_function(*arguments):
                logs = inner(*arguments)
                if self._is_on():
                    self._after()
                return logs

        train_function.inner, train_function.follower = inner, self
        self._model.train_function = train_function
        return True

    def _is_on(self):
        self.active = self.active and getattr(self._model, "history", None) is self._history
        self.stepped = True
        return self.active

    def release(self):
        """Ends it."""
        self.active = False
        _take_off(self._model)


def release(model):
    """Ends all followers of a model, as a training that was stopped leaves them."""
    function = getattr(model, "train_function", None)
    while function is not None:
        if getattr(function, "follower", None) is not None:
            function.follower.active = False
        function = getattr(function, "inner", None)
    _take_off(model)


def _take_off(model):
    """Takes off what is not active any more; below others it stays, and does nothing."""
    function = getattr(model, "train_function", None)
    while getattr(function, "follower", None) is not None and not function.follower.active:
        function = model.train_function = function.inner


def after_all_callbacks(model, function):
    """Calls a function when `fit` has called every callback's `on_train_end`.

    Args:
        model: The model in training.
        function: Function without arguments.

    Returns:
        Whether it will be called: not in a training loop of one's own, without Keras' `History`.
    """
    history = getattr(model, "history", None)
    if not isinstance(history, keras.callbacks.History):
        return False
    before = history.on_train_end

    # Keras' own callback comes last. EarlyStopping and others put weights back when training ends.
    def on_train_end(logs=None):
        vars(history).pop("on_train_end", None)
        before(logs)
        function()

    history.on_train_end = on_train_end
    return True
