"""Question: attention's weights in another framework's layout."""

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _calls(rng):
    def call(heads, size, about=""):
        width = heads * size
        kernels = np.round(rng.normal(size=(3, width, heads, size)), 3)
        biases, output = rng.normal(size=(3, heads, size)), rng.normal(size=(heads, size, width))
        return Call((*kernels, np.round(biases, 3), np.round(output, 3)), about)

    return [
        call(2, 3),
        call(3, 4),
        call(4, 2),
        call(1, 4, about="a single head"),
        call(3, 1, about="heads of size 1"),
    ]


def _rows(kernel):
    """`(width, heads, size)` to `(heads * size, width)`."""
    return kernel.reshape(len(kernel), -1).T


def _stacked(*parts):
    return np.concatenate(parts)


def _answer(
    query,
    key,
    value,
    biases,
    output,
    rows=_rows,
    stacked=_stacked,
    flat=lambda biases: biases.reshape(-1),
    out=lambda output: output.reshape(-1, output.shape[-1]).T,
    order=(0, 1, 2),
):
    """The three arrays with one of the steps replaced."""
    kernels = [(query, key, value)[i] for i in order]
    return stacked(*map(rows, kernels)), flat(biases[list(order)]), out(output)


def _reference(query, key, value, biases, output):
    return _answer(query, key, value, biases, output)


def _with(**parts):
    return lambda *arguments: _answer(*arguments, **parts)


def _flat_kernel(kernel):
    return kernel.reshape(len(kernel), -1)


def _flat_output(output):
    return output.reshape(-1, output.shape[-1])


def _size_first(kernel):
    return kernel.transpose(2, 1, 0).reshape(-1, len(kernel))


def _biases_size_first(biases):
    return biases.transpose(0, 2, 1).reshape(-1)


def _output_size_first(output):
    return output.transpose(2, 1, 0).reshape(output.shape[-1], -1)


def _by_head(query, key, value, biases, output, with_biases=True):
    """Query, key and value of head 0, then those of head 1."""
    kernels = np.stack([query, key, value]).transpose(2, 0, 3, 1).reshape(-1, len(query))
    flat = biases.transpose(1, 0, 2).reshape(-1) if with_biases else biases.reshape(-1)
    return kernels, flat, _flat_output(output).T


QUESTION = Question(
    id="frameworks.attention_to_torch",
    title="Attention moves from Keras to PyTorch",
    points=3,
    minutes=25,
    signature="attention_to_torch(query, key, value, biases, output)",
    calls=_calls,
    reference=_reference,
    returns=("array", "array", "array"),
    names=("in_proj_weight", "in_proj_bias", "out_proj_weight"),
    rtol=0.0,
    atol=1e-6,
    mistakes=(
        Mistake(
            "not_transposed",
            (_with(rows=_flat_kernel), _with(rows=_flat_kernel, out=_flat_output)),
            "The shape of `in_proj_weight` fits, its numbers do not: PyTorch has outputs in rows, Keras has "
            "them in columns.",
            "Keras computes `x @ kernel`, PyTorch `x @ weight.T`. A square matrix fits both ways, and only "
            "one is right.",
        ),
        Mistake(
            "output_not_transposed",
            _with(out=_flat_output),
            "`in_proj_weight` is right. The output's kernel maps heads to width: are its outputs in rows "
            "with you?",
            "`out_proj_weight` has a row for each output. Which axis of Keras' (heads, size, width) is that?",
        ),
        Mistake(
            "size_before_head",
            (
                _with(rows=_size_first),
                _with(rows=_size_first, flat=_biases_size_first),
                _with(rows=_size_first, flat=_biases_size_first, out=_output_size_first),
                _with(rows=_size_first, out=_output_size_first),
            ),
            "Your rows are the right ones in another order: with a single head it does not show. Which comes "
            "first, all rows of head 0 or the first row of every head?",
            "Transposing all three axes at once also turns heads and size around. Make two axes of the three "
            "first, then transpose.",
        ),
        Mistake(
            "biases_size_first",
            _with(flat=_biases_size_first),
            "Only the biases are wrong: their heads and sizes have changed places.",
            "Row i of `in_proj_weight` and entry i of `in_proj_bias` belong to the same output.",
        ),
        Mistake(
            "biases_head_by_head",
            _with(flat=lambda biases: biases.transpose(1, 0, 2).reshape(-1)),
            "The matrices are right. Your biases are sorted by heads first, then by query, key and value.",
            "Entry i of `in_proj_bias` belongs to row i of `in_proj_weight`: all of the query come first.",
        ),
        Mistake(
            "output_size_first",
            _with(out=_output_size_first),
            "Only `out_proj_weight` is wrong: its columns are in the order of sizes, not of heads.",
            "The columns of `out_proj_weight` meet the heads' results, joined head after head.",
        ),
        Mistake(
            "other_order",
            of_each(lambda order: _with(order=order), (1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1)),
            "The three blocks of rows are right, but not in the order query, key, value.",
            "PyTorch takes the first `width` rows as the query's. Which block stands first with you?",
        ),
        Mistake(
            "head_by_head",
            (_by_head, lambda *arguments: _by_head(*arguments, with_biases=False)),
            "You sort by heads first, and by query, key, value inside of a head. Some models do; PyTorch's "
            "layer does not.",
            "First all heads of the query, then all heads of the key, then those of the value.",
        ),
        Mistake(
            "side_by_side",
            (
                _with(stacked=lambda *parts: np.concatenate(parts, axis=1)),
                _with(rows=_flat_kernel, stacked=lambda *parts: np.concatenate(parts, axis=1)),
                _with(stacked=lambda *parts: np.stack(parts)),
            ),
            "The three kernels must stand one below the other, in one matrix.",
            "`in_proj_weight` has 3 · width rows and width columns.",
        ),
        Mistake(
            "biases_not_flat",
            (
                _with(flat=lambda biases: biases.reshape(3, -1)),
                _with(flat=lambda biases: biases),
            ),
            "The two matrices are right. The biases belong into one vector.",
            "`in_proj_bias` has one axis, of length 3 · width, in the order of the rows of `in_proj_weight`.",
        ),
        Mistake(
            "three_axes_kept",
            (
                _with(out=lambda output: output),
                _with(out=lambda output: output.transpose(2, 0, 1)),
                _with(rows=lambda kernel: kernel.transpose(1, 2, 0)),
            ),
            "A matrix of yours still has an axis for the heads. PyTorch knows none there.",
            "Heads and size become one axis, of length width: `reshape`.",
        ),
    ),
    hint="Take one kernel, `query`. Which of its axes is the input? In PyTorch that one is the last.",
    more="For each kernel: reshape to (width, heads · size), then transpose. Put the three below each other. "
    "The output's kernel has its heads in front: reshape to (heads · size, width), then transpose.",
    example=(
        np.array([[[1.0], [2.0]], [[3.0], [4.0]]]),
        np.array([[[5.0], [6.0]], [[7.0], [8.0]]]),
        np.array([[[0.0], [1.0]], [[2.0], [0.0]]]),
        np.array([[[0.1], [0.2]], [[0.3], [0.4]], [[0.5], [0.6]]]),
        np.array([[[1.0, 2.0]], [[3.0, 4.0]]]),
    ),
)
