"""The figures: names on the axes, labels that fit, errors, and legibility without colour."""

import types

import matplotlib as mpl
import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib import plots

RUN = {"loss": [1.0, 0.6, 0.5], "val_loss": [1.1, 0.8, 0.9], "accuracy": [0.5, 0.7, 0.8]}


@pytest.fixture(autouse=True)
def _style():
    with mpl.rc_context():
        plots.use_style()
        yield
        plt.close("all")


def luminance(colour):
    """Relative luminance, as WCAG 2 defines it."""
    channels = np.asarray(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, two):
    dark, bright = sorted([luminance(one), luminance(two)])
    return (bright + 0.05) / (dark + 0.05)


def assert_nothing_is_cut(figure):
    """Every label that is drawn lies inside the figure."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    seen = 0
    for ax in figure.axes:
        labels = [ax.xaxis.label, ax.yaxis.label, ax.title, *ax.get_xticklabels(), *ax.get_yticklabels()]
        for label in [*labels, *ax.texts]:
            if not label.get_text().strip():
                continue
            for axis, coordinate in [(ax.xaxis, 0), (ax.yaxis, 1)]:
                low, high = sorted(axis.get_view_interval())
                if label in axis.get_ticklabels() and not low <= label.get_position()[coordinate] <= high:
                    break  # A tick outside the axes is not drawn.
            else:
                seen += 1
                box = label.get_window_extent()
                inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
                assert inside, f"{label.get_text()!r} is cut: {box} in {width} x {height}"
    assert seen >= 2


def assert_apart(labels):
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    assert len(boxes) > 1
    for i, one in enumerate(boxes):
        for two in boxes[i + 1 :]:
            assert not one.overlaps(two)


# grey prints and colour-blind readers


def test_lightness_of_the_colour_map_rises_with_the_value():
    shades = [luminance(colour) for colour in plt.get_cmap(plots.SEQUENTIAL)(np.linspace(0, 1, 256))[:, :3]]
    assert np.all(np.diff(shades) > 0)
    assert contrast(plt.get_cmap(plots.SEQUENTIAL)(0.0), plt.get_cmap(plots.SEQUENTIAL)(1.0)) > 10


def test_neighbouring_colours_differ_in_lightness_and_all_markers_differ():
    assert len(set(plots.COLOURS)) == len(set(plots.MARKERS)) == 7
    for one, two in zip(plots.COLOURS, plots.COLOURS[1:], strict=False):
        assert contrast(one, two) > 1.1
    for one, two in zip(plots.COLOURS[:4], plots.COLOURS[1:4], strict=False):
        assert contrast(one, two) > 1.9  # The first ones, which most figures use, stand well apart.


@pytest.mark.parametrize("top", [0.11, 1.0])
def test_values_in_a_heat_map_stand_out_from_their_cell(top):
    values = np.linspace(0, top, 144).reshape(12, 12)
    ax = plots.attention_heatmap(values, [f"t{i}" for i in range(12)])
    assert len(ax.texts) == 144
    for text in ax.texts:
        column, row = text.get_position()
        cell = ax.images[0].to_rgba(values[int(row), int(column)])[:3]
        assert contrast(text.get_color(), cell) >= 4.5
        assert text.get_text() == f"{values[int(row), int(column)]:.2f}"


def test_runs_differ_without_their_colour():
    figure = plots.training_curves({f"run {i}": RUN for i in range(7)}, metrics=("loss",))
    looks = [
        (line.get_linestyle(), line.get_marker(), line.get_markerfacecolor() == "white")
        for line in figure.axes[0].lines
    ]
    assert len(set(looks)) == len(looks) == 14


def test_models_differ_in_size_accuracy():
    ax = plots.size_accuracy([(f"m{i}", 10.0 + i, 0.8, 0.01) for i in range(14)])
    points = [container.lines[0] for container in ax.containers]
    looks = [(point.get_marker(), point.get_color()) for point in points]
    assert len(set(looks)) == len(looks) == 14


# attention_heatmap


def test_heat_map_names_its_axes_and_tokens():
    weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    ax = plots.attention_heatmap(weights, ["a", "b"], ["x", "y", "z"], title="Head 1")

    assert (ax.get_xlabel(), ax.get_ylabel()) == ("key token (attended to)", "query token (attends)")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert ax.get_title() == "Head 1"
    np.testing.assert_array_equal(ax.images[0].get_array(), weights)
    assert ax.images[0].get_clim()[0] == 0.0
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["attention weight"]


def test_heat_map_of_a_sentence_with_itself_on_given_axes():
    _, ax = plt.subplots()
    drawn = plots.attention_heatmap(np.eye(2), ["a", "b"], ax=ax)
    assert drawn is ax
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]


def test_heat_maps_to_compare_share_their_colours():
    ax = plots.attention_heatmap(np.full((2, 2), 0.2), ["a", "b"], top=1)
    assert ax.images[0].get_clim() == (0.0, 1.0)


def test_heat_map_of_nothing_but_zeros():
    ax = plots.attention_heatmap(np.zeros((2, 2)), ["a", "b"])
    assert [text.get_text() for text in ax.texts] == ["0.00"] * 4


@pytest.mark.parametrize(
    ("weights", "columns"),
    [(np.ones((2, 3)), None), (np.ones((3, 2)), ["x", "y"]), (np.ones(2), None), (np.ones((1, 2, 2)), None)],
)
def test_heat_map_refuses_labels_that_do_not_fit(weights, columns):
    with pytest.raises(ValueError, match=r"one row per row label.*Received: weights.shape="):
        plots.attention_heatmap(weights, ["a", "b"], columns)
    assert plt.get_fignums() == []


def test_a_large_heat_map_has_no_numbers():
    assert not plots.attention_heatmap(np.eye(13), [str(i) for i in range(13)]).texts


@pytest.mark.parametrize(("rows", "columns"), [(1, 12), (2, 2), (16, 16), (40, 40)])
def test_labels_of_heat_maps_are_not_cut(rows, columns):
    ax = plots.attention_heatmap(
        np.ones((rows, columns)),
        [f"##token{i}" for i in range(rows)],
        [f"##token{i}" for i in range(columns)],
    )
    assert_nothing_is_cut(ax.figure)


# training_curves


@pytest.mark.parametrize("history", [RUN, types.SimpleNamespace(history=RUN)], ids=["dict", "History"])
def test_curves_of_one_run(history):
    figure = plots.training_curves(history)

    loss, accuracy = figure.axes
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in figure.axes] == [
        ("epoch", "loss"),
        ("epoch", "accuracy"),
    ]
    training, validation = loss.lines
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(training.get_ydata(), RUN["loss"])
    np.testing.assert_array_equal(validation.get_ydata(), RUN["val_loss"])
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert len(accuracy.lines) == 1  # It has no validation accuracy.
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "validation"]


def test_curves_of_several_runs_and_a_metric_that_only_some_have():
    runs = {"AdamW": types.SimpleNamespace(history=RUN), "random weights": {"loss": [0.7, 0.7]}}
    figure = plots.training_curves(runs, xlabel="pass")
    assert [len(ax.lines) for ax in figure.axes] == [3, 1]
    assert figure.axes[0].get_xlabel() == "pass"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["AdamW, training", "AdamW, validation", "random weights, training"]


@pytest.mark.parametrize("runs", [1, 3, 6])
@pytest.mark.parametrize("metrics", [("loss",), ("loss", "accuracy")])
def test_the_legend_of_curves_hides_nothing(runs, metrics):
    figure = plots.training_curves({f"a run, number {i}": RUN for i in range(runs)}, metrics=metrics)
    assert_nothing_is_cut(figure)
    legend = figure.legends[0].get_window_extent()
    assert 0 <= legend.x0 < legend.x1 <= figure.bbox.x1
    for ax in figure.axes:
        assert not legend.overlaps(ax.get_tightbbox())
        assert ax.get_window_extent().height > 150


@pytest.mark.parametrize("epochs", [1, 2, 100])
def test_epochs_are_whole_numbers(epochs):
    figure = plots.training_curves({"loss": [0.5] * epochs}, metrics=("loss",))
    ticks = figure.axes[0].get_xticks()
    assert len(ticks)
    np.testing.assert_array_equal(ticks, np.round(ticks))


@pytest.mark.parametrize("epochs", [3, 29, 30, 1000])
def test_markers_do_not_run_into_each_other(epochs):
    figure = plots.training_curves({"loss": [0.5] * epochs}, metrics=("loss",))
    (line,) = figure.axes[0].lines
    assert min(epochs, 8) <= len(range(0, epochs, line.get_markevery())) <= 30
    np.testing.assert_array_equal(line.get_xdata(), range(1, epochs + 1))


@pytest.mark.parametrize("history", [RUN, {}, {"run": {}}])
def test_an_unknown_metric_is_refused(history):
    with pytest.raises(ValueError, match=r"No run has the metric 'auc'. Received a history of"):
        plots.training_curves(history, metrics=("auc",))
    assert plt.get_fignums() == []


# confusion_matrix


def test_confusion_matrix_shows_counts_and_shares_of_the_true_class():
    ax = plots.confusion_matrix([[90, 10], [30, 20]], ["negative", "positive"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    assert [text.get_text() for text in ax.texts] == ["90\n90%", "10\n10%", "30\n60%", "20\n40%"]
    assert ax.images[0].get_clim() == (0.0, 1.0)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["negative", "positive"]


def test_confusion_matrix_of_a_class_without_examples():
    ax = plots.confusion_matrix([[0, 0], [1, 3]], ["a", "b"])
    assert [text.get_text() for text in ax.texts][:2] == ["0\n0%", "0\n0%"]


@pytest.mark.parametrize("matrix", [[[1, 2, 3], [4, 5, 6]], [[1]], [1, 2]])
def test_confusion_matrix_refuses_what_is_not_square(matrix):
    with pytest.raises(ValueError, match=r"`matrix` must be square with one row per label. Received"):
        plots.confusion_matrix(matrix, ["a", "b"])


@pytest.mark.parametrize(
    "labels",
    [["a", "b"], ["negative", "positive"], ["plain", "negation", "mixed feelings", "another long name", "x"]],
)
def test_labels_of_a_confusion_matrix_are_neither_cut_nor_overlap(labels):
    ax = plots.confusion_matrix(np.eye(len(labels), dtype=int) * 100, labels)
    assert_nothing_is_cut(ax.figure)
    if not ax.get_xticklabels()[0].get_rotation():
        assert_apart(ax.get_xticklabels())


# size_accuracy


def test_size_accuracy_draws_each_model_with_its_interval():
    ax = plots.size_accuracy([("float32", 91.2, 0.91, 0.01), ("int8", 23.5, 0.90, None)])
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_xscale()) == (
        "size (MB, logarithmic)",
        "accuracy",
        "log",
    )
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["float32", "int8"]
    first, second = ax.containers
    assert (first.lines[0].get_xdata()[0], first.lines[0].get_ydata()[0]) == (91.2, 0.91)
    (segment,) = first.lines[2][0].get_segments()
    np.testing.assert_allclose(segment[:, 1], [0.90, 0.92])
    assert not second.has_yerr


@pytest.mark.parametrize("sizes", [(60.5, 91.2), (3.0, 91.2), (0.02, 700.0)])
def test_sizes_are_written_as_plain_numbers(sizes):
    ax = plots.size_accuracy([("a", sizes[0], 0.8, 0.01), ("b", sizes[1], 0.9, 0.01)])
    ax.figure.canvas.draw()
    ticks = [*ax.get_xticklabels(), *ax.get_xticklabels(minor=True)]
    low, high = ax.get_xlim()
    shown = [tick.get_text() for tick in ticks if tick.get_text() and low <= tick.get_position()[0] <= high]
    assert len(shown) >= 2
    for text in shown:
        assert low <= float(text) <= high
        assert "$" not in text


@pytest.mark.parametrize("points", [[], [("a", 0.0, 0.9, None)], [("a", -1.0, 0.9, None)]])
def test_size_accuracy_refuses_what_has_no_place_on_a_logarithmic_axis(points):
    with pytest.raises(ValueError, match="megabytes > 0"):
        plots.size_accuracy(points)


# bars


@pytest.mark.parametrize("errors", [None, [0.1, 0.2, 0.3], [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]])
def test_bars_stand_in_the_order_given_with_their_values(errors):
    ax = plots.bars(["a", "b", "c"], [0.5, 4021.4, -1.5], errors=errors, xlabel="reviews per second")
    assert ax.get_xlabel() == "reviews per second"
    tops = {tick.get_text(): tick.get_position()[1] for tick in ax.get_yticklabels()}
    assert tops["a"] > tops["b"] > tops["c"]
    assert [patch.get_width() for patch in ax.patches] == [0.5, 4021.4, -1.5]
    assert [text.get_text() for text in ax.texts] == ["0.5", "4,021", "-1.5"]


def test_values_stand_outside_bars_and_intervals():
    ax = plots.bars(["up", "down"], [2.0, -2.0], errors=[0.5, 0.25], xlabel="difference")
    ax.figure.canvas.draw()
    up, down = (text.get_window_extent() for text in ax.texts)
    assert up.x0 > ax.transData.transform((2.5, 0))[0]
    assert down.x1 < ax.transData.transform((-2.25, 0))[0]


def test_bars_name_their_axis_and_are_not_cut():
    ax = plots.bars(
        ["majority", "TF-IDF with bigrams and logistic regression"], [0.5, 0.749], errors=[0.03, 0.02]
    )
    assert ax.get_xlabel()
    assert_nothing_is_cut(ax.figure)


def test_bars_refuse_a_missing_value():
    with pytest.raises(ValueError, match=r"One value per name. Received: 2 names and 1 values"):
        plots.bars(["a", "b"], [1.0])
