"""What a bundle says of itself, its model card (Mitchell et al. 2019), and whether its files are those."""

import hashlib
import json
import pathlib
import re

from course_lib import runtime
from course_lib.deployment.drift import FEATURES

FORMAT = 1  # Of a bundle: raise it when an older reader would misunderstand a newer one.
MODEL, TOKENIZER, CARD = "model.tflite", "tokenizer.json", "card.json"
FILES = (MODEL, TOKENIZER, CARD, "README.md")  # All that is in a bundle.

_KEPT = {
    "head": "the first ones",
    "tail": "the last ones",
    "both": "half from the beginning, half from the end",
}


def write_card(folder, card):
    """Writes `card.json`, and `README.md` if there are measurements for it."""
    with runtime.atomic_write(folder / CARD) as part:
        part.write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
    if "latency_ms" in card:  # The last to be measured.
        with runtime.atomic_write(folder / "README.md") as part:
            part.write_text(_readme(card), encoding="utf-8")


def _readme(card):
    found, latency_ms = card["evaluation"], card["latency_ms"]
    interval = "{:.1%} to {:.1%}".format(*found["interval"])
    return f"""# Model card

{card["task"]} Labels: {", ".join(card["labels"])}.

| | |
|---|---|
| accuracy | {found["accuracy"]:.1%} on {found["texts"]} test reviews (95 % interval {interval}) |
| calibration error | {found["calibration_error"]:.3f}, after a temperature of {card["temperature"]:.2f} |
| data | {card["data"]} |
| size | {card["megabytes"]} MB ({card["mode"]}) |
| latency of one review | p50 {latency_ms["p50"]} ms, p95 {latency_ms["p95"]} ms ({card["machine"]}) |
| input | up to {card["lengths"][-1]} tokens; of longer texts {_KEPT[card["truncation"]]} |
| licence | {card["licence"]} |

**Limits.** {card["limits"]}

`card.json` holds the same for programs, and the lengths, shares of unknown words and confidences of
validation reviews, with which `course serve` compares what it receives. It holds no text.
"""


def read_card(folder):
    """The model card of a bundle, after a check of the files that it names.

    Args:
        folder: The bundle.

    Returns:
        A dict.

    Raises:
        ValueError: If a file is missing or damaged, or the bundle is of another version.
    """
    return read(folder)[0]


def read(folder):
    """The model card of a bundle and the content of the files that it names, which is what was checked.

    Args:
        folder: The bundle.

    Returns:
        `(card, files)`: a dict, and a dict from `MODEL` and `TOKENIZER` to bytes.

    Raises:
        ValueError: As `read_card`.
    """
    folder = pathlib.Path(folder)
    missing = [name for name in (CARD, MODEL, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ValueError(
            f"{folder} is no bundle: {', '.join(missing)} {verb} missing. `course export {folder}` makes one."
        )
    card = parse(folder)
    files = {}
    for name in (MODEL, TOKENIZER):
        files[name] = (folder / name).read_bytes()
        if hashlib.sha256(files[name]).hexdigest() != card["sha256"][name]:
            raise ValueError(f"{folder / name} is damaged or was changed. `course export` makes it again.")
    return card, files


def parse(folder):
    """The model card of a bundle, whatever its other files are; raises a ValueError if it is none."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is no card of format {FORMAT}: {error}. `course export` makes a bundle again."
        ) from None
    version = card.get("format") if isinstance(card, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise ValueError(
            f"{folder} was made by a newer version of course-lib: it has format {version}, and this version "
            f"knows format {FORMAT}. Update course-lib."
        )
    if version != FORMAT:
        raise ValueError(f"{path} is no card of format {FORMAT}. `course export` makes a bundle again.")
    if wrong := faults(card):
        raise ValueError(f"{path} is no card of format {FORMAT}: {'; '.join(wrong)}.")
    return card


def faults(card):
    """What is wrong with the entries of a card: a list of sentences, each about one of them."""
    wrong = [f"`{name}` is missing" for name in _NEEDED if name not in card]
    for name, (what, right) in (_NEEDED | _OPTIONAL).items():
        # What a card says of itself is not repeated: it might be long, or steer a terminal.
        if name in card and not right(card[name]):
            wrong.append(f"`{name}` must be {what}")
    return wrong


def _number(value, low=-1e9, high=1e9):
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _whole(value, low, high=10**9):
    return _number(value, low, high) and isinstance(value, int)


def _text(value):
    return isinstance(value, str) and not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", value)


def _list(value, right, least=1):
    return isinstance(value, list) and len(value) >= least and all(map(right, value))


def _dict(value, **entries):
    return isinstance(value, dict) and all(
        name in value and right(value[name]) for name, right in entries.items()
    )


def _label(value):
    return (
        isinstance(value, str) and value.isprintable() and value.strip() == value != "" and len(value) <= 100
    )


def _numbers(value):
    return _list(value, _number)


def _share(value):
    return _number(value, 0, 1)


_NEEDED = {
    "labels": (
        "two or more different names that can be printed",
        lambda value: _list(value, _label, 2) and len(set(value)) == len(value),
    ),
    "temperature": ("a number from 0.01 to 100", lambda value: _number(value, 0.01, 100)),
    "truncation": (f"one of {', '.join(_KEPT)}", lambda value: isinstance(value, str) and value in _KEPT),
    "lengths": (
        "whole numbers above 2 that increase",
        lambda value: _list(value, lambda each: _whole(each, 3)) and value == sorted(set(value)),
    ),
    "sha256": (
        "a checksum for each file",
        lambda value: _dict(value, **dict.fromkeys((MODEL, TOKENIZER), _text)),
    ),
}
_OPTIONAL = {
    **dict.fromkeys(("task", "data", "limits", "licence", "mode", "machine"), ("a text", _text)),
    "evaluation": (
        "`texts`, a whole number, and `accuracy`, its `interval` and `calibration_error`, from 0 to 1",
        lambda value: _dict(
            value,
            texts=lambda each: _whole(each, 1),
            accuracy=_share,
            calibration_error=_share,
            interval=lambda each: _list(each, _share, 2) and len(each) == 2,
        ),
    ),
    "reference": (
        f"a list of numbers for each of {', '.join(FEATURES)}",
        lambda value: (
            _dict(value, **dict.fromkeys(FEATURES, _numbers)) and all(map(_numbers, value.values()))
        ),
    ),
    "megabytes": ("a number", lambda value: _number(value, 0)),
    "latency_ms": ("`p50` and `p95`", lambda value: _dict(value, p50=_number, p95=_number)),
}
