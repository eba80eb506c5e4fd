"""What was found about a classifier, added to the card of its bundle."""

import dataclasses
import json
import math
import pathlib

from course_lib import fine_tuning, runtime
from course_lib.deployment.card import CARD, read_card

KEY = "findings"  # In `card.json`.
HEADING = "## What was found about its verdicts"
_README = "README.md"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One measured claim.

    Attributes:
        section: What it is about, such as `"fairness"`.
        what: What was measured, in words.
        value: The number.
        low, high: Its 95 % interval; None where there is none.
        count: How many texts or pairs it was measured on.
        unit: Of the number, such as `"%"`.
    """

    section: str
    what: str
    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None
    unit: str = ""

    def __post_init__(self):
        numbers = [each for each in (self.value, self.low, self.high) if each is not None]
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"{self.what}: a finding is a finite number. Received: {numbers}")
        if (self.low is None) != (self.high is None) or (
            self.low is not None and not self.low <= self.value <= self.high
        ):
            raise ValueError(
                f"{self.what}: an interval has two ends around the value. "
                f"Received: {self.low}, {self.value}, {self.high}"
            )

    @classmethod
    def gap(cls, section, what, found, unit=""):
        """A finding of an `intervals.Gap`."""
        return cls(section, what, found.mean, found.low, found.high, found.count, unit)

    @classmethod
    def share(cls, section, what, good, count):
        """A finding of `good` among `count`, in per cent with Wilson's interval."""
        low, high = fine_tuning.wilson(good, count)
        return cls(section, what, 100 * good / count, 100 * low, 100 * high, count, "%")


def markdown(findings, limits=""):
    """Findings as a section of a model card.

    Args:
        findings: Sequence of `Finding`.
        limits: What they do not show, a sentence or two.

    Returns:
        Markdown with a table, the sections in the order of their first finding.
    """
    lines = [HEADING, "", "| | measured | value | 95 % interval | on |", "|---|---|---|---|---|"]
    for section in dict.fromkeys(each.section for each in findings):
        for i, each in enumerate(each for each in findings if each.section == section):
            unit = f" {each.unit}".rstrip()
            interval = "" if each.low is None else f"{each.low:.3g} to {each.high:.3g}{unit}"
            count = "" if each.count is None else f"{each.count:,}"
            name = "" if i else section
            lines.append(f"| {name} | {_cell(each.what)} | {each.value:.3g}{unit} | {interval} | {count} |")
    return "\n".join([*lines, "", *([f"**Not shown.** {limits}", ""] if limits else [])])


def _cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def model_card(folder, findings, limits=""):
    """Adds findings to a bundle: to `card.json` for programs, to `README.md` for people.

    What was added before is replaced. Each file is whole at any time, and the model is not touched.

    Args:
        folder: A bundle, as `deployment.export` writes it.
        findings: Sequence of `Finding`, at least one.
        limits: What they do not show.

    Returns:
        The Markdown that was added.

    Raises:
        ValueError: If there are no findings, or the folder is no bundle or damaged.
    """
    folder = pathlib.Path(folder)
    if not findings:
        raise ValueError("There must be at least one finding.")
    added = markdown(findings, limits)
    card = read_card(folder)
    card[KEY] = {"limits": limits, "found": [dataclasses.asdict(each) for each in findings]}
    readme = folder / _README
    before = readme.read_text(encoding="utf-8") if readme.is_file() else "# Model card\n"
    with runtime.atomic_write(readme) as part:
        part.write_text(f"{before.partition(HEADING)[0].rstrip()}\n\n{added}", encoding="utf-8")
    with runtime.atomic_write(folder / CARD) as part:
        part.write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
    return added
