"""Attributions as a picture: words in columns, ways to explain in rows, numbers in the cells."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np

_POSITIVE, _NEGATIVE = np.array([0.34, 0.71, 0.91]), np.array([0.90, 0.62, 0.0])  # Okabe and Ito (2008).
_UNSIGNED = np.full(3, 0.6)


def word_table(words, scores, title=None, per_row=12):
    """Draws several attributions of one text.

    In each row the largest score counts as 100. Blue speaks for positive and orange for negative; signs and
    hatching say the same without colour. A row without any negative score is grey and has no signs.

    Args:
        words: Sequence of str.
        scores: Dict from a name to an array `(words,)`.
        title: Title of the figure.
        per_row: Words side by side; longer texts are continued below.

    Returns:
        The matplotlib Figure.

    Raises:
        ValueError: If there is not one score per word.
    """
    for name, each in scores.items():
        if len(each) != len(words):
            raise ValueError(f"One score per word. Received: {len(words)} words, {len(each)} of {name!r}")
    shares = {name: 100 * np.asarray(each) / max(np.abs(each).max(), 1e-12) for name, each in scores.items()}
    parts = [range(start, min(start + per_row, len(words))) for start in range(0, len(words), per_row)]
    height = 0.55 + 0.27 * len(scores)
    figure, axes = plt.subplots(
        len(parts), 1, figsize=(7.6, height * len(parts) + 0.4), squeeze=False, layout="constrained"
    )
    for ax, part in zip(axes[:, 0], parts, strict=True):
        for row, each in enumerate(shares.values()):
            for column, i in enumerate(part):
                _cell(ax, column, row, each[i], signed=each.min() < 0)
        ax.set(xlim=(-0.5, min(per_row, len(words)) - 0.5), ylim=(len(shares) - 0.5, -0.5))
        ax.set_yticks(range(len(shares)), shares, fontsize=9)
        names = [textwrap.shorten(words[i], 14, placeholder="…") for i in part]
        ax.set_xticks(range(len(part)), names, fontsize=9, rotation=25, ha="left", rotation_mode="anchor")
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.grid(False)
        for side in ax.spines.values():
            side.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _cell(ax, column, row, score, signed):
    share = min(abs(score) / 100, 1.0)
    colour = 1 - share * (1 - (_NEGATIVE if score < 0 else _POSITIVE if signed else _UNSIGNED))
    hatch = "////" if score <= -25 else None
    ax.add_patch(
        plt.Rectangle(
            (column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor="white", hatch=hatch, linewidth=0.5
        )
    )
    text = f"{score:+.0f}".replace("-", "−") if signed and round(score) else f"{abs(score):.0f}"
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1} if hatch else None
    ax.text(column, row, text, ha="center", va="center", fontsize=9, bbox=box)
