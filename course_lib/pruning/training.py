"""Pruning a model, at once or while `fit` trains it.

Nothing is added to the model: no layers, no variables. What is zero is the mask, and the optimizer's own
count of batches is the step. Both are in every checkpoint, so a training that is resumed from one goes on
where it was, with the same masks.
"""

import itertools
import numbers as kinds
import threading
import warnings

import keras
import numpy as np
from keras import ops

from course_lib.pruning import criteria, hooks, masks, prunable
from course_lib.pruning.plan import Plan
from course_lib.pruning.report import report
from course_lib.pruning.schedules import OneShot, Schedule


def prune(
    model,
    schedule,
    criterion="magnitude",
    scope="layer",
    exclude=(),
    include=(),
    sparsity=None,
    n_of_m=None,
    block_size=None,
):
    """Prunes a model at once, or gives the callback that prunes it during `fit`.

    ```python
    callback = pruning.prune(model, pruning.Polynomial(0.8, end_step=2000), exclude="logits")
    model.fit(x, y, epochs=5, callbacks=[callback])
    print(pruning.report(model))
    ```

    Args:
        model: A built `keras.Model` of any kind.
        schedule: A `Schedule`; a number is `OneShot` of that sparsity.
        criterion: Which weights are worth least; a name or a function, see `criteria`.
        scope: "layer" gives every weight the same sparsity; "global" lets all weights together have it, so
            that layers of small weights lose more, each keeping a hundredth at least.
        exclude: Regular expressions, or one; weights in whose path one is found are left alone.
        include: The same for those that are taken, and no others. See `prunable`.
        sparsity: Dict from a regular expression to a final sparsity for the weights in whose path it is
            found; of several the first counts. 0 leaves a weight alone.
        n_of_m: `(2, 4)` keeps 2 of every 4 weights along the inputs, as sparse tensor cores want it; the
            final sparsity must then be 1 - n / m.
        block_size: `(inputs, outputs)`: blocks of this size go or stay as a whole.

    Returns:
        For a number or `OneShot` the `Report`; else a callback, `Pruning`, for `fit`.

    Raises:
        ValueError: If an argument is impossible, a weight is not finite, or, unless `include` or `exclude`
            says so, less than half of the model's weights with two axes or more would be pruned.
    """
    if isinstance(schedule, kinds.Real) and not isinstance(schedule, bool):
        schedule = OneShot(float(schedule))
    if not isinstance(schedule, Schedule):
        raise ValueError(f"`schedule` must be a number or one of pruning's schedules. Received: {schedule!r}")
    plan = Plan(model, schedule, criterion, scope, exclude, include, sparsity, n_of_m, block_size)
    if not isinstance(schedule, OneShot):
        return Pruning(plan)
    found = plan.choose(0)
    for path, mask in found.items():
        masks.zero_out(plan.weights[path].variable, ops.convert_to_tensor(mask))
    masks.remember(plan.weights, plan.asked)
    return report(model)


def strip(model):
    """Ends pruning: what is zero stays zero until the model is trained again, and nothing is left to remove.

    Args:
        model: A model from `prune`, or a `Reparameterised` one.

    Returns:
        The plain model; it is the same object unless it was `Reparameterised`.
    """
    if hasattr(model, "strip"):
        return model.strip()
    masks.forget(model)
    hooks.release(model)
    return model


class Pruning(keras.callbacks.Callback):
    """Prunes a model while `fit` trains it, with any optimizer; made by `prune`.

    What is zero stays zero: the masks are applied after every call of the training step, before any other
    callback sees the weights, and again when all callbacks have ended. Averaged weights (`use_ema`) get the
    same zeros. `logs` gets "sparsity" at the end of each epoch; callbacks that come before this one do not
    see it. A training that ends short of what was asked for says so in a warning, with both numbers.

    Args:
        plan: A `Plan`.

    Attributes:
        masks: Dict from path to boolean array, as of the last choice.
        step: Batches that training has seen.
    """

    def __init__(self, plan):
        super().__init__()
        self.plan, self.masks, self.step = plan, {}, 0
        self._masked, self._masks, self._stage = [], [], None
        self._begun, self._revived, self._updates = False, 0, 0
        self._counter, self._before = None, 0  # The optimizer that counts, and the steps before it.

    # `on_train_batch_end` may come from another thread, so Keras need not wait for the numbers of each step.
    async_safe = True

    def set_model(self, model):
        """Refuses a model that has not the weights of the one given to `prune`."""
        super().set_model(model)
        self._trained = model  # On JAX, `self.model` would copy the training state into the variables.
        known = {id(variable) for variable in model.variables}
        for path, each in self.plan.weights.items():
            if id(each.variable) not in known:
                raise ValueError(
                    f"This callback prunes {self.plan.model.name!r}, whose {path} is no part of the model "
                    "that is trained. Call `prune` on the model after all that rebuilds its layers."
                )

    def on_train_begin(self, logs=None):
        """Gets ready; the weights may yet be restored by other callbacks."""
        self._begun, self._revived, self._epoch_start = False, 0, self.step
        masks.remember(self.plan.weights, self.plan.asked)
        self._thread, self._waiting = threading.get_ident(), []
        self._follower = hooks.Follower(self._trained, self._after_step, self._after_stateless_step)
        self._awaited = hooks.after_all_callbacks(self._trained, self._finish)

    def on_epoch_begin(self, epoch, logs=None):
        """At the first: finds the step and the masks that the weights come with."""
        if not self._begun:
            self._begin(epoch)
        self._epoch_start, self._updates = self.step, _batches_seen(self.model)

    def on_train_batch_begin(self, batch, logs=None):
        """Keeps up with a model that another callback has compiled anew."""
        self._catch_up()
        if self._follower.follow() and self._begun:
            self._prepare()

    def on_train_batch_end(self, batch, logs=None):
        """Does nothing in `fit`, where masks come right behind the training step; else it is the place."""
        if not self._follower.stepped:
            self._waiting.append(batch)
            if threading.get_ident() == self._thread:
                self._catch_up()

    def on_epoch_end(self, epoch, logs=None):
        """Tells the logs how many zeros there are."""
        self._catch_up()
        steps, size = (self.params or {}).get("steps"), self._trained.steps_per_execution or 1
        updates = _batches_seen(self.model) - self._updates
        if not steps and size > 1 and updates > 0:
            self.step = self._epoch_start + updates  # The last execution may have run out of data.
        if logs is not None:
            lost = sum(mask.size - np.count_nonzero(mask) for mask in self.masks.values())
            logs["sparsity"] = float(lost / self.plan.size())

    def on_train_end(self, logs=None):
        """Applies the masks once more; the last word comes after all other callbacks."""
        self._catch_up()
        self._follower.release()
        self._restore_zeros()
        if not self._awaited:
            self._finish()

    def _catch_up(self):
        while self._waiting:
            self._waiting.pop()
            self._after_step(1)

    def _begin(self, epoch):
        self._begun = True
        optimizer = _optimizer(self.model)
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        seen = _batches_seen(self.model)
        if self._counter is not optimizer:
            # Compiled anew, an optimizer starts to count anew, but the training goes on.
            self._counter, self._before = optimizer, 0 if seen else self.step
        self.step = self._before + seen if seen else self.step
        if hasattr(self.plan.criterion, "start"):
            self.plan.criterion.start(self.plan.weights)
        self._prepare()
        steps, end = (self.params or {}).get("steps"), self.plan.schedule.end_step
        if steps:
            last = self.step + steps * (self.params["epochs"] - epoch)
            if last < end:
                warnings.warn(
                    f"`fit` ends at step {last}, the schedule of pruning at {end}: sparsity will be "
                    f"{self.plan.zeros(last) / self.plan.size():.1%} instead of "
                    f"{self.plan.zeros(end) / self.plan.size():.1%} unless training goes on.",
                    stacklevel=2,
                )

    def _prepare(self):
        """Finds what is to be masked, and masks it."""
        averages, before = _averages(self.model), self._masked
        self._masked = [each.variable for each in self.plan.weights.values()]
        self._averaged = [id(variable) in averages for variable in self._masked]
        self._masked += [averages[id(each)] for each in self._masked if id(each) in averages]
        if list(map(id, self._masked)) != list(map(id, before)):  # Compiling takes as long as many steps.
            self._applier = masks.applier(self._masked)
        self._places = {}
        self._choose()

    def _count(self, size):
        """Counts what the training step has done; returns whether it is time to choose masks."""
        # The last execution of an epoch may take fewer steps than the others.
        steps = (self.params or {}).get("steps")
        left = self._epoch_start + steps - self.step if steps else size
        self.step += max(1, min(size, left))
        return not self._begun or self.plan.stage(self.step) != self._stage

    def _after_step(self, size=None):
        due = self._count(size or self._trained.steps_per_execution or 1)
        self._apply()  # First, so that what has been zero goes first.
        if not self._begun:  # A training loop of one's own.
            self._begin(0)
        elif due:
            self._choose()

    def _after_stateless_step(self, state):
        """The same on JAX, where the values are not in the variables but in the state."""
        model = self._trained
        trained, fixed, optimizer, *rest = state
        before = self.step
        if self._count(model.steps_per_execution or 1):
            self.step = before
            known = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
            for variables, values in zip(known, (trained, fixed, optimizer), strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
            self._after_step()
            trained, fixed, optimizer = ([each.value for each in variables] for variables in known)
        elif self._masks:
            values = [*trained, *optimizer]
            if not self._places:
                known = [*model.trainable_variables, *model.optimizer.variables]
                self._places = {id(variable): i for i, variable in enumerate(known)}
            # Frozen weights have no place here; they do not move.
            moved = [
                (self._places[id(variable)], mask)
                for variable, mask in zip(self._masked, self._masks, strict=True)
                if id(variable) in self._places
            ]
            new = masks.value_applier()([values[i] for i, _ in moved], [mask for _, mask in moved])
            for (i, _), value in zip(moved, new, strict=True):
                values[i] = value
            trained, optimizer = values[: len(trained)], values[len(trained) :]
        return trained, fixed, optimizer, *rest

    def _choose(self):
        self._stage = self.plan.stage(self.step)
        if self.plan.sparsities(self.step) is not None:
            try:
                self.masks = self.plan.choose(self.step)
            except criteria.NothingSeenError:
                if not self.step:
                    raise
                # Resumed: the zeros say which masks there were. The next step knows more.
                values = {path: criteria.numbers(each) for path, each in self.plan.weights.items()}
                self.masks, self._stage = {path: value != 0 for path, value in values.items()}, None
            tensors = [ops.convert_to_tensor(mask) for mask in self.masks.values()]
            self._masks = tensors + list(itertools.compress(tensors, self._averaged))
            self._apply()

    def _apply(self):
        if self._masks:
            self._applier(self._masks)

    def _restore_zeros(self):
        revived = sum(
            int(np.count_nonzero((prunable.as_array(self.plan.weights[path].variable) != 0) & ~mask))
            for path, mask in self.masks.items()
        )
        self._revived = max(self._revived, revived)
        self._apply()

    def _finish(self):
        self._restore_zeros()
        size, asked = self.plan.size(), self.plan.zeros(self.plan.schedule.end_step)
        if self._revived:
            lost = sum(mask.size - np.count_nonzero(mask) for mask in self.masks.values())
            warnings.warn(
                "When training ended, another callback put weights back that had fewer zeros: "
                f"{(lost - self._revived) / size:.1%} instead of {lost / size:.1%}. They have been masked "
                "again, without training since.",
                stacklevel=2,
            )
        reached = sum(
            int(np.count_nonzero(prunable.as_array(each.variable) == 0))
            for each in self.plan.weights.values()
        )
        if reached < asked:
            warnings.warn(
                f"{reached / size:.1%} of the weights are zero, {asked / size:.1%} were asked for: training "
                f"ended at step {self.step}, the schedule ends at {self.plan.schedule.end_step}.",
                stacklevel=2,
            )


def _optimizer(model):
    optimizer = getattr(model, "optimizer", None)  # A model that is not compiled has none.
    return getattr(optimizer, "inner_optimizer", optimizer)  # Of a `LossScaleOptimizer`.


def _batches_seen(model):
    # `iterations` counts updates, of which accumulated gradients need several batches.
    optimizer = _optimizer(model)
    for variable in optimizer.variables if optimizer is not None else ():
        if variable.name == "iteration":
            return int(prunable.as_array(variable))
    return 0


def _averages(model):
    """Averaged weights of an optimizer with `use_ema`, by the id of what they average."""
    optimizer, trained, found = _optimizer(model), model.trainable_variables, {}
    if not getattr(optimizer, "use_ema", False):
        return found
    # RMSprop calls something else "average", too; the weights' come first.
    candidates = [each for each in optimizer.variables if each.name.endswith("_average")][: len(trained)]
    for variable, average in zip(trained, candidates, strict=False):
        if average.name == f"{variable.path.replace('/', '_')}_average":
            found[id(variable)] = average
    return found
