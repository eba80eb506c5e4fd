"""What benchmarks/privacy.py recorded for lesson 11."""

import dataclasses
import json
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Margins:
    """The logit of the right class less the other's, as one model judged reviews.

    Attributes:
        members: Of training reviews, in the order of `imdb.load().train`.
        others: Of test reviews, in their order.
        length: To how many tokens the reviews were cut.
    """

    members: np.ndarray
    others: np.ndarray
    length: int


def membership():
    """Reads the margins of models that were fine-tuned as the reviewer was.

    Returns:
        Dict from the number of training reviews to a `Margins`; the largest is the reviewer itself.
    """
    rows = json.loads((FOLDER / "membership.json").read_text(encoding="utf-8"))["rows"]
    return {
        int(size): Margins(np.array(row["members"]), np.array(row["others"]), row["length"])
        for size, row in rows.items()
    }


def flower():
    """Reads a run of `flower.run`: "history", "weights" and each process' "logs", with date and versions."""
    return json.loads((FOLDER / "flower.json").read_text(encoding="utf-8"))
