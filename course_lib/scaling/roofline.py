"""Where the time of a step goes: operations and bytes by counting, and a machine's two ceilings by measuring.

Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model for Multicore
Architectures", Communications of the ACM 52 (4), 2009.
"""

import dataclasses
import time


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a network.

    Attributes:
        name: In words.
        flops: Additions and multiplications, each counted as one.
        bytes: That have to be read and written at least: each input and each output once.
    """

    name: str
    flops: float
    bytes: float

    @property
    def intensity(self):
        """Operations per byte."""
        return self.flops / self.bytes


@dataclasses.dataclass(frozen=True)
class Ceilings:
    """What a machine can do at best.

    Attributes:
        flops: Operations a second.
        bytes: Bytes a second, read and written.
    """

    flops: float
    bytes: float

    @property
    def ridge(self):
        """The operations per byte from which on arithmetic is the limit, and no longer memory."""
        return self.flops / self.bytes

    def attainable(self, intensity):
        """Operations a second that an operation of this intensity, a number, can reach at best."""
        return min(self.flops, intensity * self.bytes)


def product(name, rows, inner, columns, times=1, itemsize=4):
    """A product of matrices: `rows` × `inner` times `inner` × `columns`.

    Args:
        name: In words.
        rows: Rows of the first matrix and of the result.
        inner: What is summed over.
        columns: Columns of the second matrix and of the result.
        times: How many such products, with matrices of their own.
        itemsize: Bytes of a number.

    Returns:
        An `Operation`: two operations for each multiplication, because its result is added.
    """
    moved = rows * inner + inner * columns + rows * columns
    return Operation(name, times * 2 * rows * inner * columns, times * itemsize * moved)


def elementwise(name, size, flops_each, arrays=2, itemsize=4):
    """An operation on each number of an array by itself, or along a short axis.

    Args:
        name: In words.
        size: Numbers in the array.
        flops_each: Operations for each of them.
        arrays: How many arrays of this size are read or written.
        itemsize: Bytes of a number.

    Returns:
        An `Operation`.
    """
    return Operation(name, size * flops_each, arrays * itemsize * size)


def fastest(functions, rounds=5):
    """The least seconds of each function; they take turns, so that what disturbs one disturbs all.

    Args:
        functions: Dict from a name to a function without arguments.
        rounds: How often each is called, after a first call that does not count.

    Returns:
        Dict from the name to seconds.
    """
    least = dict.fromkeys(functions, float("inf"))
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:
                least[name] = min(least[name], time.perf_counter() - start)
    return least
