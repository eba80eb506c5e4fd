"""What benchmarks/quantized.py measured: the reviewer in fewer bits, judged on all 2,500 test reviews."""

import dataclasses
import json
import pathlib

import numpy as np

RECORD = pathlib.Path(__file__).with_name("recorded.json")


@dataclasses.dataclass(frozen=True)
class Recorded:
    """One version of the reviewer.

    Attributes:
        right: Boolean array, one per test review in their order: whether its verdict was right.
        bytes: Size of its file, or None where weights were only rounded.
    """

    right: np.ndarray = dataclasses.field(repr=False)
    bytes: int | None

    @property
    def accuracy(self):
        """Share of right verdicts."""
        return float(self.right.mean())


def recorded(path=RECORD):
    """Reads what benchmarks/quantized.py wrote.

    Args:
        path: The file.

    Returns:
        Dict from a version's name, such as "4 bits per channel" or "int8, static", to a `Recorded`.
    """
    found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    count = found["settings"]["reviews"]
    return {
        name: Recorded(
            np.unpackbits(np.frombuffer(bytes.fromhex(point["right"]), "uint8"), count=count).astype(bool),
            point["bytes"],
        )
        for name, point in found["points"].items()
    }
