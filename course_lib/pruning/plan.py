"""What `prune` was asked for, checked against the model, and the masks that follow from it."""

import warnings

import numpy as np

from course_lib.pruning import criteria, prunable
from course_lib.pruning.schedules import check_sparsity
from course_lib.pruning.selection import Selection, zeros_of


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
        sparsity = {} if sparsity is None else sparsity
        if not isinstance(sparsity, dict):
            raise ValueError(f"`sparsity` is a dict from a pattern to a share. Received: {sparsity!r}")
        prunable.check_patterns(sparsity, weights)
        own, unused = set(), set(sparsity)
        for pattern, value in sparsity.items():
            check_sparsity(value, f"sparsity[{pattern!r}]")
        for path in weights:
            for pattern, value in sparsity.items():
                if prunable.matches([pattern], path):
                    final[path] = value
                    own.add(path)
                    unused.discard(pattern)
                    break
        if unused:
            raise ValueError(
                f"In `sparsity`, of several patterns the first counts, so {', '.join(map(repr, unused))} "
                "decides nothing. Put it before those that are found in the same paths."
            )
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
        if not (exclude or include) or not self.weights:
            _check_reach(model, self.weights)
        self._warn_of_patterns()
        _warn_of_adapters(self.weights)

    def _warn_of_patterns(self):
        """Groups and blocks that do not fit a weight leave it far from what was asked for."""
        short = []
        for path, wanted in self.asked.items():
            if path not in self.pooled:
                reached = self._zeros(path, wanted) / self._size(path)
                if reached < wanted - max(0.01, 1 / self._size(path)) - 1e-6:
                    short.append(f"{path} {reached:.1%} instead of {wanted:.1%}")
        if short:
            warnings.warn(
                f"The shapes allow for fewer zeros than asked for: {', '.join(short)}. Groups keep their n, "
                "blocks go as a whole, and numbers are rounded down.",
                stacklevel=4,
            )

    def _zeros(self, path, sparsity):
        shape = tuple(self.weights[path].variable.shape)
        return self.selection.zeros(
            sparsity, shape, self.axes[path], getattr(self.criterion, "by_output", False)
        )

    def _size(self, path):
        return int(np.prod(self.weights[path].variable.shape))

    def sparsities(self, step):
        """Dict from path to the sparsity at a step; None before pruning begins."""
        if self.schedule(step) is None:
            return None
        return {path: self.schedule(step, final) for path, final in self.asked.items()}

    def choose(self, step):
        """Masks for a step, as boolean arrays by path; weights that are zero go first."""
        scores = self.criterion(self.model, self.weights)
        if not isinstance(scores, dict):
            raise ValueError(f"A criterion returns a dict from path to scores. Received: {type(scores)}")
        # A dict of its own: this one may be the criterion's.
        scores = {path: np.asarray(each) for path, each in scores.items() if path in self.weights}
        if missing := self.weights.keys() - scores.keys():
            raise ValueError(f"The criterion gives {', '.join(sorted(missing))} no scores.")
        for path, each in self.weights.items() if not getattr(self.criterion, "zeros_first", False) else ():
            value = criteria.numbers(each)
            if np.shape(scores[path]) != value.shape:
                raise ValueError(
                    f"The criterion gives {path} scores of shape {np.shape(scores[path])}, not {value.shape}."
                )
            if scores[path].dtype.kind not in "biuf" or not np.isfinite(scores[path]).all():
                raise ValueError(f"The criterion gives {path} scores that are not finite numbers.")
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
            size = sum(map(self._size, self.pooled))
            lost = size - sum(np.count_nonzero(found[path]) for path in self.pooled)
            wanted = self.sparsities(step)[self.pooled[0]]
            if lost < zeros_of(wanted, size):
                warnings.warn(
                    f"With a hundredth of each layer kept, {lost / size:.1%} of the weights are zero instead "
                    f"of {wanted:.1%}.",
                    stacklevel=2,
                )
        return found

    def stage(self, step):
        """Something that differs between two steps if their sparsities do."""
        return {self.schedule(step, final) for final in set(self.asked.values())}

    def zeros(self, step):
        """How many zeros the sparsities at a step come to, after rounding down, in all."""
        sparsities = self.sparsities(step) or dict.fromkeys(self.weights, 0.0)
        total = sum(self._zeros(path, sparsities[path]) for path in self.weights if path not in self.pooled)
        size = sum(map(self._size, self.pooled))
        return total + (zeros_of(sparsities[self.pooled[0]], size) if self.pooled else 0)

    def size(self):
        """How many weights there are in all."""
        return sum(map(self._size, self.weights))


def _check_reach(model, weights):
    found = {path: each.variable for path, each in prunable.matrices(model).items()}
    found |= prunable.quantized(model)
    sizes = {path: int(np.prod(variable.shape)) for path, variable in found.items()}
    reached = sum(sizes[path] for path in weights)
    if 2 * reached < sum(sizes.values()):
        left = sorted((path for path in sizes if path not in weights), key=lambda path: -sizes[path])
        raise ValueError(
            f"Only {reached:,} of {sum(sizes.values()):,} weights of {model.name!r} would be pruned. Left: "
            + ", ".join(f"{path} ({sizes[path]:,})" for path in left[:8])
            + (" and others" if len(left) > 8 else "")
            + ". Name what is to be pruned by `include`, or by `exclude` what is to be left; a layer of your "
            "own names its weights in `get_prunable_weights`. What is quantized cannot be pruned any more."
        )


def _warn_of_adapters(weights):
    adapted = [path for path, each in weights.items() if getattr(each.layer, "lora_enabled", False)]
    if adapted:
        warnings.warn(
            f"{', '.join(adapted)}: the frozen kernel is pruned, LoRA's adapter is not. Once the two are "
            "merged, as Keras does when it saves a model, the zeros are gone.",
            stacklevel=4,
        )
