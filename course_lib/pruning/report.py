"""What has gone, what is left, and what it takes."""

import dataclasses
import zlib

import numpy as np

from course_lib.pruning import masks as asked_for
from course_lib.pruning.prunable import as_array, kernels, matrices, unit_axes
from course_lib.pruning.selection import as_rows, magnitude_masks


@dataclasses.dataclass(frozen=True)
class Row:
    """What a report says of one weight.

    Attributes:
        path: As in `prunable.Weight`.
        shape: Its shape.
        asked: Share of zeros asked for; None where it was not to be pruned, or nothing is known.
        reached: Share of zeros.
        dead: Outputs without any weight that is not zero: whatever comes in, they give their bias.
        outputs: How many outputs there are.
    """

    path: str
    shape: tuple[int, ...]
    asked: float | None
    reached: float
    dead: int
    outputs: int

    @property
    def size(self):
        """How many numbers."""
        return int(np.prod(self.shape))


@dataclasses.dataclass(frozen=True)
class Report:
    """Row by row, what became of the weights with two axes or more; prints as a table.

    Attributes:
        rows: A `Row` per weight.
    """

    rows: tuple[Row, ...]

    @property
    def pruned(self):
        """The rows of weights that were to be pruned."""
        return tuple(row for row in self.rows if row.asked is not None)

    @property
    def left(self):
        """The rows of weights that were not."""
        return tuple(row for row in self.rows if row.asked is None)

    @property
    def sparsity(self):
        """Share of zeros in what was to be pruned; in all, if nothing was; 0 of no weights."""
        rows = self.pruned or self.rows
        return sum(row.reached * row.size for row in rows) / max(1, sum(row.size for row in rows))

    def __getitem__(self, path):
        for row in self.rows:
            if row.path == path:
                return row
        raise KeyError(path)

    def __str__(self):
        head = ("weight", "shape", "asked", "reached", "dead units")
        cells = [
            (
                row.path,
                " x ".join(map(str, row.shape)),
                "left" if row.asked is None else f"{row.asked:.1%}",
                f"{row.reached:.1%}",
                f"{row.dead} of {row.outputs}",
            )
            for row in self.rows
        ]
        size = sum(row.size for row in self.rows)
        share = sum(row.size for row in self.pruned) / max(1, size)
        total = f"{share:.0%} of {size:,} weights"
        cells.append(("total", total, "", f"{self.sparsity:.1%}", ""))
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in (head, *cells)
        ]
        return "\n".join(lines)


def report(model):
    """What pruning has done to a model.

    Args:
        model: A built `keras.Model`, whether it came from `prune` or not.

    Returns:
        A `Report` on all its weights of floating point with two axes or more.
    """
    asked, rows = asked_for.asked(model), []
    for path, each in matrices(model).items():
        value = as_array(each.variable)
        outputs = as_rows(value != 0, unit_axes(each))[0].any(axis=0)
        reached = float(np.mean(value == 0))
        dead = int(outputs.size - np.count_nonzero(outputs))
        rows.append(Row(path, tuple(value.shape), asked.get(path), reached, dead, outputs.size))
    return Report(tuple(rows))


def count(model):
    """How many parameters a model has, and how many of them are not zero: `(parameters, non_zeros)`."""
    values = [as_array(weight) for weight in model.weights]
    return sum(value.size for value in values), sum(int(np.count_nonzero(value)) for value in values)


def compressed_megabytes(model, level=1):
    """Size of all weights after zlib, in megabytes: what a sparse model takes to send, not to run."""
    packer, size = zlib.compressobj(level), 0
    for weight in model.weights:
        size += len(packer.compress(np.ascontiguousarray(as_array(weight)).tobytes()))
    return (size + len(packer.flush())) / 1e6


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
        saved, found[path] = as_array(kernel), []
        try:
            for sparsity in sparsities:
                kernel.assign(saved * magnitude_masks({path: saved}, sparsity)[path])
                found[path].append(score())
        finally:
            kernel.assign(saved)
    return found
