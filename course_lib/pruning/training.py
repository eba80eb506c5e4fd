"""Pruning a model, at once or while `fit` trains it.

Nothing is added to the model: no layers, no variables. What is zero is the mask, and the optimizer's own
count of batches is the step. Both are in every checkpoint, so a training that is resumed from one goes on
where it was, with the same masks.
"""

import numbers as kinds
import warnings

import keras
import numpy as np
from keras import ops

from course_lib.pruning import criteria, masks, prunable
from course_lib.pruning.report import report
from course_lib.pruning.schedules import OneShot, Schedule, check_sparsity
from course_lib.pruning.selection import Selection


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
    masks.remember(model, None)
    return model


class Plan:
    """What `prune` was asked for, checked against the model; arguments as there.

    Attributes:
        weights: Dict from path to `prunable.Weight`, of all that is to be pruned.
        asked: Dict from path to final sparsity.
    """

    def __init__(self, model, schedule, criterion, scope, exclude, include, sparsity, n_of_m, block_size):
        self.model, self.schedule, self.criterion = model, schedule, criteria.get(criterion)
        self.selection = Selection(scope, n_of_m, block_size)
        weights = prunable.prunable(model, include, exclude)
        final = dict.fromkeys(weights, schedule.final_sparsity)
        sparsity = sparsity or {}
        prunable.check_patterns(sparsity, weights)
        own = set()
        for path in weights:
            for pattern, value in sparsity.items():
                if prunable.matches([pattern], path):
                    check_sparsity(value, f"sparsity[{pattern!r}]")
                    final[path] = value
                    own.add(path)
                    break
        if n_of_m is not None:
            right = 1 - n_of_m[0] / n_of_m[1]
            for path, value in final.items():
                if value and abs(value - right) > 1e-6:
                    raise ValueError(
                        f"{n_of_m[0]} of {n_of_m[1]} is a sparsity of {right:g}. Received: {value} for {path}"
                    )
        self.weights = {path: each for path, each in weights.items() if final[path] or path not in own}
        self.asked = {path: final[path] for path in self.weights}
        self.pooled = [path for path in self.weights if path not in own] if scope == "global" else []
        self.axes = {path: prunable.input_axes(each) for path, each in self.weights.items()}
        if not (exclude or include):
            _check_reach(model, self.weights)
        _warn_of_adapters(self.weights)
        masks.remember(model, self.asked)

    def sparsities(self, step):
        """Dict from path to the sparsity at a step; None before pruning begins."""
        if self.schedule(step) is None:
            return None
        return {path: self.schedule(step, final) for path, final in self.asked.items()}

    def choose(self, step):
        """Masks for a step, as boolean arrays by path; weights that are zero go first."""
        values = {path: criteria.numbers(each) for path, each in self.weights.items()}
        scores = self.criterion(self.model, self.weights)
        for path, value in values.items():
            if np.shape(scores[path]) != value.shape:
                raise ValueError(
                    f"The criterion gives {path} scores of shape {np.shape(scores[path])}, not {value.shape}."
                )
            if not np.isfinite(scores[path]).all():
                raise ValueError(f"The criterion gives {path} scores that are not finite.")
            # Not minus infinity, which pads groups.
            scores[path] = np.where(value == 0, np.finfo("float32").min, scores[path]).astype("float32")
        found, saved = self.selection.masks(
            scores, self.sparsities(step), self.axes, getattr(self.criterion, "by_output", False), self.pooled
        )
        if saved:
            warnings.warn(
                f'With `scope="global"`, {", ".join(saved)} would have lost nearly all weights. A '
                "hundredth is kept; others go instead.",
                stacklevel=2,
            )
        return found

    def zeros(self, step):
        """How many zeros the sparsities at a step come to, after rounding down, in all."""
        sparsities = self.sparsities(step) or dict.fromkeys(self.weights, 0.0)
        total = 0
        for path, each in self.weights.items():
            if path in self.pooled:
                continue
            total += self.selection.zeros(sparsities[path], np.empty(each.variable.shape), self.axes[path])
        size = sum(int(np.prod(self.weights[path].variable.shape)) for path in self.pooled)
        return total + (int(sparsities[self.pooled[0]] * size + 1e-6) if self.pooled else 0)

    def size(self):
        """How many weights there are in all."""
        return sum(int(np.prod(each.variable.shape)) for each in self.weights.values())


def _check_reach(model, weights):
    sizes = {path: int(np.prod(each.variable.shape)) for path, each in prunable.matrices(model).items()}
    reached = sum(sizes[path] for path in weights)
    if 2 * reached < sum(sizes.values()):
        left = sorted((path for path in sizes if path not in weights), key=lambda path: -sizes[path])
        raise ValueError(
            f"Only {reached:,} of {sum(sizes.values()):,} weights of {model.name!r} would be pruned. Left: "
            + ", ".join(f"{path} ({sizes[path]:,})" for path in left[:8])
            + (" and others" if len(left) > 8 else "")
            + ". Name what is to be pruned by `include`, or by `exclude` what is to be left; a layer of your "
            "own names its weights in `get_prunable_weights`."
        )


def _warn_of_adapters(weights):
    adapted = [path for path, each in weights.items() if getattr(each.layer, "lora_enabled", False)]
    if adapted:
        warnings.warn(
            f"{', '.join(adapted)}: the frozen kernel is pruned, LoRA's adapter is not. Once the two are "
            "merged, as Keras does when it saves a model, the zeros are gone.",
            stacklevel=4,
        )


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
        self._tensors, self._sparsities, self._inner, self._done = {}, None, None, False

    def set_model(self, model):
        """Refuses a model that has not the weights of the one given to `prune`."""
        super().set_model(model)
        known = {id(variable) for variable in model.variables}
        for path, each in self.plan.weights.items():
            if id(each.variable) not in known:
                raise ValueError(
                    f"This callback prunes {self.plan.model.name!r}, whose {path} is no part of the model "
                    "that is trained. Call `prune` on the model after all that rebuilds its layers."
                )

    def on_train_begin(self, logs=None):
        """Gets ready; the weights may yet be restored by other callbacks."""
        self._begun = self._done = False
        self._follow_train_function()
        history = getattr(self.model, "history", None)
        if isinstance(history, keras.callbacks.History):
            # Keras' own callback comes last. EarlyStopping and others put weights back when training ends.
            def on_train_end(logs=None):
                type(history).on_train_end(history, logs)
                del history.on_train_end
                self._finish()

            history.on_train_end = on_train_end

    def on_epoch_begin(self, epoch, logs=None):
        """At the first: finds the step and the masks that the weights come with."""
        if not self._begun:
            self._begin(epoch)
        self._epoch_start = self.step

    def on_train_batch_end(self, batch, logs=None):
        """Counts, and chooses masks when the schedule says so."""
        if not self._begun:  # A training loop of one's own.
            self._begin(0)
            self._epoch_start = self.step
        self.step = self._epoch_start + batch + 1
        if self.plan.sparsities(self.step) != self._sparsities:
            self._choose()
        elif self._inner is None:
            self._apply()

    def on_epoch_end(self, epoch, logs=None):
        """Tells the logs how many zeros there are."""
        if logs is not None:
            lost = sum(mask.size - np.count_nonzero(mask) for mask in self.masks.values())
            logs["sparsity"] = float(lost / self.plan.size())

    def on_train_end(self, logs=None):
        """Applies the masks once more; the last word comes after all other callbacks."""
        if self._inner is not None:
            self.model.train_function, self._inner = self._inner, None
        self._apply()
        if "on_train_end" not in vars(getattr(self.model, "history", None) or object):
            self._finish()

    def _begin(self, epoch):
        self._begun = True
        seen = _batches_seen(self.model.optimizer)
        # Compiled anew, an optimizer starts to count anew, but the training goes on.
        self.step = seen or self.step
        if hasattr(self.plan.criterion, "start"):
            self.plan.criterion.start(self.plan.weights)
        if self.plan.sparsities(self.step) is not None:
            self._choose()
        steps, end = self.params.get("steps"), self.plan.schedule.end_step
        if steps:
            last = self.step + steps * (self.params["epochs"] - epoch)
            if last < end:
                warnings.warn(
                    f"`fit` ends at step {last}, the schedule of pruning at {end}: sparsity will be "
                    f"{self.plan.zeros(last) / self.plan.size():.1%} instead of "
                    f"{self.plan.zeros(end) / self.plan.size():.1%} unless training goes on.",
                    stacklevel=2,
                )

    def _choose(self):
        _ = self.model  # On JAX, this puts the trained values into the variables.
        self._sparsities = self.plan.sparsities(self.step)
        self.masks = self.plan.choose(self.step)
        self._tensors = {path: ops.convert_to_tensor(mask) for path, mask in self.masks.items()}
        self._apply()

    def _apply(self):
        if self._tensors:
            averages = _averages(self.model)
            for path, mask in self._tensors.items():
                variable = self.plan.weights[path].variable
                masks.zero_out(variable, mask)
                if id(variable) in averages:
                    masks.zero_out(averages[id(variable)], mask)

    def _follow_train_function(self):
        """Masks right behind the training step, so that it does not matter in which order callbacks stand.

        There is no public hook there: `train_function` is what `fit` calls, and on JAX its second result are
        the values of the variables.
        """
        model = self.model
        inner = getattr(model, "train_function", None)
        inner = self._inner = getattr(inner, "unmasked", inner)  # Left behind by a training that was stopped.
        if inner is None:
            return
        if keras.backend.backend() != "jax":

            def train_function(*arguments):
                logs = inner(*arguments)
                self._apply()
                return logs

        else:

            def train_function(state, *arguments):
                logs, (trained, fixed, optimizer, *rest) = inner(state, *arguments)
                trained = self._masked(trained, model.trainable_variables)
                if averages := _averages(model):
                    optimizer = self._masked(optimizer, model.optimizer.variables, averages)
                return logs, (trained, fixed, optimizer, *rest)

        train_function.unmasked = inner
        model.train_function = train_function

    def _masked(self, values, variables, averages=None):
        of = {}
        for path, mask in self._tensors.items():
            variable = self.plan.weights[path].variable
            if averages is not None:
                variable = averages.get(id(variable))
            of[id(variable)] = mask
        return [
            masks.masked(value, of[id(variable)]) if id(variable) in of else value
            for value, variable in zip(values, variables, strict=True)
        ]

    def _finish(self):
        if self._done:
            return
        self._done = True
        variables = {path: self.plan.weights[path].variable for path in self.masks}
        revived = sum(
            int(np.count_nonzero(ops.convert_to_numpy(variables[path].value)[~mask]))
            for path, mask in self.masks.items()
        )
        size, asked = self.plan.size(), self.plan.zeros(self.plan.schedule.end_step)
        if revived:
            self._apply()
            lost = sum(mask.size - np.count_nonzero(mask) for mask in self.masks.values())
            warnings.warn(
                "When training ended, another callback put weights back that had fewer zeros: "
                f"{(lost - revived) / size:.1%} instead of {lost / size:.1%}. They have been masked again, "
                "without training since.",
                stacklevel=2,
            )
        reached = sum(
            int(np.count_nonzero(ops.convert_to_numpy(each.variable.value) == 0))
            for each in self.plan.weights.values()
        )
        if reached < asked:
            warnings.warn(
                f"{reached / size:.1%} of the weights are zero, {asked / size:.1%} were asked for: training "
                f"ended at step {self.step}, the schedule ends at {self.plan.schedule.end_step}.",
                stacklevel=2,
            )


def _inner(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer)  # Of a `LossScaleOptimizer`.


def _batches_seen(optimizer):
    # `iterations` counts updates, of which accumulated gradients need several batches.
    for variable in _inner(optimizer).variables if optimizer is not None else ():
        if variable.name == "iteration":
            return int(ops.convert_to_numpy(variable.value))
    return 0


def _averages(model):
    """Averaged weights of an optimizer with `use_ema`, by the id of what they average."""
    optimizer = _inner(model.optimizer)
    if not getattr(optimizer, "use_ema", False):
        return {}
    # RMSprop calls something else "average", too; the weights' come first.
    trained, found = model.trainable_variables, {}
    candidates = [each for each in optimizer.variables if each.name.endswith("_average")][: len(trained)]
    for variable, average in zip(trained, candidates, strict=False):
        if average.name == f"{variable.path.replace('/', '_')}_average":
            found[id(variable)] = average
    return found
