"""What a bundle says of itself, its model card (Mitchell et al. 2019), and whether its files are those."""

import hashlib
import json
import pathlib

from course_lib import runtime

FORMAT = 1  # Of a bundle: raise it when an older reader would misunderstand a newer one.
MODEL, TOKENIZER, CARD = "model.tflite", "tokenizer.json", "card.json"

_KEPT = {
    "head": "the first ones",
    "tail": "the last ones",
    "both": "half from the beginning, half from the end",
}


def write_card(folder, card):
    """Writes `card.json`, and `README.md` if there are measurements for it."""
    with runtime.atomic_write(folder / CARD) as part:
        part.write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
    if "evaluation" in card:
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
    folder = pathlib.Path(folder)
    missing = [name for name in (CARD, MODEL, TOKENIZER) if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder} is no bundle: {', '.join(missing)} is missing. `course export {folder}` makes one."
        )
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        kinds = {"labels": list, "temperature": float, "truncation": str, "sha256": dict}
        wrong = [name for name, kind in kinds.items() if not isinstance(card[name], kind)]
        if wrong or card["format"] != FORMAT or not card["temperature"] > 0:
            raise ValueError(f"unusable: {', '.join(wrong) or 'format or temperature'}")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{folder / CARD} is no card of format {FORMAT}: {error}") from None
    for name in (MODEL, TOKENIZER):
        if sha256(folder / name) != card["sha256"].get(name):
            raise ValueError(f"{folder / name} is damaged or was changed. `course export` makes it again.")
    return card


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
