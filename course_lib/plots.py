"""The figures that lessons share. Readable in grey and for colour-blind readers; every axis is named."""

import collections.abc

import matplotlib.pyplot as plt
import matplotlib.ticker
import numpy as np

# Okabe and Ito's colour-blind safe palette (2008), ordered so that neighbours also differ in lightness.
COLOURS = ("#0072B2", "#E69F00", "#000000", "#56B4E9", "#CC79A7", "#D55E00", "#009E73")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SEQUENTIAL = "cividis"  # Lightness rises evenly: the order of values survives a grey print.


def use_style():
    """Applies the course's matplotlib style to all later figures."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "grid.alpha": 0.3,
            "image.cmap": SEQUENTIAL,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
        }
    )


def _axes(width, height):
    """New axes on a figure that makes room for every label, whether or not `use_style` was called."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _write(ax, image, values, texts):
    """Writes a text into each cell of an image, in whichever of black and white stands out more."""
    for (row, column), text in np.ndenumerate(texts):
        channels = np.asarray(image.to_rgba(values[row, column])[:3])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        luminance = linear @ (0.2126, 0.7152, 0.0722)
        # Where the contrast ratios of WCAG 2 (2008) with black and with white are equal.
        shade = "black" if luminance > 0.179 else "white"
        ax.text(column, row, text, ha="center", va="center", color=shade, fontsize=9)


def attention_heatmap(weights, rows, columns=None, title=None, ax=None, top=None):
    """Draws attention weights as a heat map with the value in each cell where there is room.

    Args:
        weights: Array of shape `(len(rows), len(columns))`, values from 0 to 1.
        rows: One label per query token.
        columns: One label per key token; None means `rows`.
        title: Title of the figure.
        ax: Axes to draw on; None makes a new figure.
        top: The weight at the upper end of the colours, for maps that are to be compared; None means the
            largest.

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: If the shape does not fit the labels.
    """
    weights = np.asarray(weights, dtype="float64")
    columns = rows if columns is None else columns
    if weights.shape != (len(rows), len(columns)):
        raise ValueError(
            f"`weights` must have one row per row label and one column per column label. Received: "
            f"weights.shape={weights.shape} with {len(rows)} row and {len(columns)} column labels"
        )
    if ax is None:
        ax = _axes(min(1.8 + 0.62 * len(columns), 11.0), min(max(1.4 + 0.5 * len(rows), 2.8), 9.0))
    top = max(1e-12, weights.max()) if top is None else top
    image = ax.imshow(weights, vmin=0.0, vmax=top, cmap=SEQUENTIAL, aspect="auto")
    size = 10 if max(weights.shape) <= 24 else 7
    ax.set_xticks(
        range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=size
    )
    ax.set_yticks(range(len(rows)), rows, fontsize=size)
    ax.set(xlabel="key token (attended to)", ylabel="query token (attends)", title=title)
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label="attention weight")
    if weights.size <= 144:
        _write(ax, image, weights, np.vectorize("{:.2f}".format)(weights))
    return ax


def training_curves(history, metrics=("loss", "accuracy"), xlabel="epoch"):
    """Draws training (solid) and validation (dashed) curves, one panel per metric.

    Args:
        history: What `model.fit` returned, its `history` dict, or a dict from a run's name to one of these.
        metrics: Names of metrics as in the history.
        xlabel: Name of the horizontal axis.

    Returns:
        The matplotlib Figure.

    Raises:
        ValueError: If no run has one of the metrics.
    """
    runs = history if isinstance(history, collections.abc.Mapping) else {"": history}
    if runs and all(_is_numbers(values) for values in runs.values()):
        runs = {"": runs}
    runs = {name: getattr(run, "history", run) for name, run in runs.items()}
    known = {key.removeprefix("val_") for run in runs.values() for key in run}
    for metric in metrics:
        if metric not in known:
            raise ValueError(f"No run has the metric {metric!r}. Received a history of: {sorted(known)}")
    # The legend stands below, in as many columns as its labels allow (9 points high, 0.07 inches a letter).
    panels = len(metrics)
    widest = max(len(str(name)) for name in runs) + len(", validation")
    columns = max(1, int(4.2 * panels / (0.55 + 0.07 * widest)))
    height = 3.2 + 0.2 * -(-2 * len(runs) // columns)
    size = (4.2 * panels, height)
    figure, axes = plt.subplots(1, panels, figsize=size, squeeze=False, layout="constrained")
    lines = {}
    for ax, metric in zip(axes[0], metrics, strict=True):
        for i, (name, run) in enumerate(runs.items()):
            marker = {"color": COLOURS[i % 7], "marker": MARKERS[i % 7]}
            solid = {**marker, "linestyle": "-", "label": f"{name}, training" if name else "training"}
            dashed = {**marker, "linestyle": "--", "label": f"{name}, validation" if name else "validation"}
            dashed["markerfacecolor"] = "white"
            for key, style in [(metric, solid), (f"val_{metric}", dashed)]:
                if key in run:
                    every = max(1, len(run[key]) // 15)  # Markers that do not run into each other.
                    (line,) = ax.plot(range(1, len(run[key]) + 1), run[key], markevery=every, **style)
                    lines.setdefault(style["label"], line)
        ax.set(xlabel=xlabel, ylabel=metric)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=columns, fontsize=9)
    return figure


def _is_numbers(values):
    return isinstance(values, list | tuple | np.ndarray) and np.ndim(values) == 1


def confusion_matrix(matrix, labels, ax=None):
    """Draws a confusion matrix with counts and shares of the true class.

    Args:
        matrix: Integer array of shape `(n, n)`; rows are true classes, columns predicted ones.
        labels: The `n` names of the classes.
        ax: Axes to draw on; None makes a new figure.

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: If the matrix is not square or does not fit the labels.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(labels), len(labels)):
        raise ValueError(
            f"`matrix` must be square with one row per label. Received: {matrix.shape}, {labels}"
        )
    if ax is None:
        ax = _axes(2.8 + 1.1 * len(labels), 1.6 + 0.8 * len(labels))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = ax.imshow(shares, vmin=0.0, vmax=1.0, cmap=SEQUENTIAL, aspect="auto")
    _write(ax, image, shares, np.vectorize("{}\n{:.0%}".format)(matrix, shares))
    long = max(len(str(label)) for label in labels) > 9
    turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
    ax.set_xticks(range(len(labels)), labels, **turned)
    ax.set_yticks(range(len(labels)), labels)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label="share of the true class")
    return ax


def size_accuracy(points, ax=None):
    """Draws accuracy against size on a logarithmic axis, one labelled point per model.

    Args:
        points: Sequence of `(name, megabytes, accuracy, half_interval)`; `half_interval` is half the width of
            the confidence interval of the accuracy, or None.
        ax: Axes to draw on; None makes a new figure.

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: If there is no point or a size is not positive.
    """
    if not points or any(size <= 0 for _, size, _, _ in points):
        raise ValueError(
            f"`points` must be (name, megabytes > 0, accuracy, half_interval). Received: {points}"
        )
    if ax is None:
        ax = _axes(7.0, 3.6)
    for i, (name, size, accuracy, half) in enumerate(points):
        # The markers' cycle shifts at each turn of the colours, so that 49 models differ.
        style = {"color": COLOURS[i % 7], "marker": MARKERS[(i + i // 7) % 7], "markersize": 8, "capsize": 4}
        ax.errorbar(size, accuracy, yerr=half, linestyle="none", label=name, **style)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(
        matplotlib.ticker.LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5))
    )
    ax.set(xlabel="size (MB, logarithmic)", ylabel="accuracy")
    ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def bars(names, values, errors=None, xlabel="value", ax=None):
    """Draws horizontal bars in the order given, first on top, each with its value written beside it.

    Args:
        names: One name per bar.
        values: One number per bar.
        errors: None, or per bar half the width of an interval, or a `(2, n)` array of distances below and
            above.
        xlabel: What the values are, with their unit.
        ax: Axes to draw on; None makes a new figure.

    Returns:
        The matplotlib Axes.

    Raises:
        ValueError: If there is not one value per name.
    """
    values = np.asarray(values, dtype="float64")
    if len(names) != len(values):
        raise ValueError(f"One value per name. Received: {len(names)} names and {len(values)} values")
    if ax is None:
        ax = _axes(7.0, 0.9 + 0.45 * len(names))
    positions = np.arange(len(names))[::-1]
    ax.barh(positions, values, xerr=errors, color=COLOURS[3], edgecolor="black", capsize=4)
    below, above = np.broadcast_to(np.zeros(1) if errors is None else errors, (2, len(values)))
    ends = np.where(values < 0, values - below, values + above)
    for position, value, end in zip(positions, values, ends, strict=True):
        text = f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
        side = {"xytext": (-5, 0), "ha": "right"} if value < 0 else {"xytext": (5, 0), "ha": "left"}
        ax.annotate(text, (end, position), textcoords="offset points", va="center", **side)
    ax.set_yticks(positions, names)
    ax.set(xlabel=xlabel)
    ax.margins(x=0.15)
    ax.grid(False, axis="y")
    return ax
