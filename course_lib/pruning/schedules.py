"""How much is zero at which step.

A step is a batch that the optimizer has seen, counted from the start of training, over all calls of `fit`.

Source: Zhu and Gupta, "To prune, or not to prune", 2017, arXiv:1710.01878.
"""

import numbers

import keras


def check_sparsity(sparsity, name="sparsity"):
    """Raises ValueError unless `sparsity` is at least 0 and below 1."""
    if isinstance(sparsity, bool) or not isinstance(sparsity, numbers.Real) or not 0 <= sparsity < 1:
        raise ValueError(f"`{name}` is a share, at least 0 and below 1. Received: {sparsity!r}")


def polynomial_sparsity(step, end, final, begin=0, initial=0.0, power=3):
    """Zhu and Gupta's schedule: fast while much is redundant, slow at the end.

    Args:
        step: Number of the training step.
        end: Step from which the sparsity is `final`.
        final: Last sparsity.
        begin: Step up to which it is `initial`.
        initial: First sparsity.
        power: 3 in their equation 1; 1 is a straight line.

    Returns:
        The sparsity, a float.

    Raises:
        ValueError: If `end` does not come after `begin`, or a sparsity is out of range.
    """
    check_sparsity(initial)
    check_sparsity(final)
    if end <= begin:
        raise ValueError(f"`end` must come after `begin`. Received: {begin=}, {end=}")
    left = 1.0 - min(max((step - begin) / (end - begin), 0.0), 1.0)
    return final + (initial - final) * left**power


def cubic_sparsity(step, end, final, begin=0, initial=0.0):
    """`polynomial_sparsity` with power 3, the form that lesson 06 writes out."""
    return polynomial_sparsity(step, end, final, begin, initial)


class Schedule:
    """What all schedules have in common.

    Args:
        final_sparsity: Share of zeros in the end, at least 0 and below 1.
        begin_step: Step at which the first weights go.
    """

    def __init__(self, final_sparsity, begin_step=0):
        check_sparsity(final_sparsity, "final_sparsity")
        self.final_sparsity, self.begin_step = float(final_sparsity), _whole("begin_step", begin_step)

    @property
    def end_step(self):
        """Step from which the sparsity is final."""
        return self.begin_step

    def __call__(self, step, final_sparsity=None):
        """The sparsity from this step on.

        Args:
            step: Steps done.
            final_sparsity: To follow the same course to another end; None for the schedule's own.

        Returns:
            A float; None before `begin_step`, when nothing is masked.
        """
        if step < self.begin_step:
            return None
        return self.final_sparsity if final_sparsity is None else final_sparsity

    def get_config(self):
        """Returns the arguments that make the same schedule again."""
        return {"final_sparsity": self.final_sparsity, "begin_step": self.begin_step}

    @classmethod
    def from_config(cls, config):
        """The schedule of what `get_config` returned."""
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


@keras.saving.register_keras_serializable(package="course_lib")
class OneShot(Schedule):
    """At once, without training.

    Args:
        final_sparsity: Share of zeros.
    """

    def __init__(self, final_sparsity):
        super().__init__(final_sparsity)

    def get_config(self):
        """Returns the arguments that make the same schedule again."""
        return {"final_sparsity": self.final_sparsity}


@keras.saving.register_keras_serializable(package="course_lib")
class Constant(Schedule):
    """All at one step of the training, and zero from then on; with `begin_step=0`, before the first.

    It is also what keeps the zeros of a pruned model while the model is trained on.

    Args:
        final_sparsity: Share of zeros.
        begin_step: Step at which they are chosen.
    """


@keras.saving.register_keras_serializable(package="course_lib")
class Polynomial(Schedule):
    """Bit by bit, along `polynomial_sparsity`.

    Args:
        final_sparsity: Share of zeros in the end.
        end_step: Step from which it is reached.
        begin_step: Step at which it starts.
        initial_sparsity: Share at `begin_step`.
        power: Of the curve.
        frequency: Steps between two choices of new masks.

    Raises:
        ValueError: If these do not fit together.
    """

    def __init__(self, final_sparsity, end_step, begin_step=0, initial_sparsity=0.0, power=3, frequency=100):
        super().__init__(final_sparsity, begin_step)
        check_sparsity(initial_sparsity, "initial_sparsity")
        end_step, frequency = _whole("end_step", end_step), _whole("frequency", frequency, 1)
        if initial_sparsity > final_sparsity:
            raise ValueError(
                f"What is zero stays zero, so `initial_sparsity` cannot exceed `final_sparsity`. "
                f"Received: {initial_sparsity=}, {final_sparsity=}"
            )
        if end_step <= self.begin_step:
            raise ValueError(f"`end_step` must come after `begin_step`. Received: {begin_step=}, {end_step=}")
        if isinstance(power, bool) or not isinstance(power, numbers.Real) or not 0 < power < float("inf"):
            raise ValueError(f"`power` must be a number above 0. Received: {power!r}")
        self._end_step, self.initial_sparsity, self.power = end_step, float(initial_sparsity), float(power)
        self.frequency = frequency

    @property
    def end_step(self):
        """Step from which the sparsity is final."""
        return self._end_step

    def __call__(self, step, final_sparsity=None):
        """As `Schedule`: it changes at every `frequency`-th step only, and at `end_step`."""
        final = super().__call__(step, final_sparsity)
        if final is None:
            return None
        if step < self.end_step:
            step -= (step - self.begin_step) % self.frequency
        initial = min(self.initial_sparsity, final)
        return polynomial_sparsity(step, self.end_step, final, self.begin_step, initial, self.power)

    def get_config(self):
        """Returns the arguments that make the same schedule again."""
        names = ("end_step", "initial_sparsity", "power", "frequency")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _whole(name, value, least=0):
    """A step as an int, also of a tensor, as `cardinality` of a dataset is."""
    try:
        found = int(value)
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or isinstance(value, (bool, str)) or found != value or found < least:
        raise ValueError(f"`{name}` must be a whole number from {least}. Received: {value!r}")
    return found
