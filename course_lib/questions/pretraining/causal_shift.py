"""Question: at each place the next token."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.pretraining._shared import pretraining


def _shift_calls(rng):
    def batch(*counts, length, pad_id=0):
        token_ids = rng.integers(5, 100, size=(len(counts), length))
        return np.where(np.arange(length) < np.array(counts)[:, None], token_ids, pad_id)

    zeros = batch(3, 5, 6, length=6, pad_id=1)
    zeros[1:, 2] = 0
    other = "another padding than 0"
    return [
        (batch(6, 4, length=6),),
        Call((zeros, 1), about=other),
        Call((batch(2, 1, length=2).astype("int32"),), about="texts of two places"),
        (batch(*(int(n) for n in rng.integers(2, 10, size=4)), length=10),),
        Call((batch(4, 7, 7, length=7, pad_id=3), 3), about=other),
    ]


def _columns(start, stop):
    return lambda token_ids: token_ids[:, start:stop]


_early, _late, _all = _columns(None, -1), _columns(1, None), _columns(None, None)


def _shifted(token_ids, pad_id=0, read=_early, said=_late, weighed=None, weight=np.not_equal):
    """Inputs, labels and weights by the columns that are read, said and weighed."""
    inputs, labels = read(token_ids), said(token_ids)
    weights = weight(labels if weighed is None else weighed(token_ids), pad_id)
    return inputs, labels, weights.astype("float32")


def _rolled(token_ids):
    return np.roll(token_ids, -1, axis=1)


def _filled(token_ids, pad_id=0):
    labels = np.pad(token_ids[:, 1:], ((0, 0), (0, 1)), constant_values=pad_id)
    return token_ids, labels, (labels != pad_id).astype("float32")


def _ignored(number):
    def answer(token_ids, pad_id=0):
        inputs, labels, weights = _shifted(token_ids, pad_id)
        return inputs, np.where(weights == 0, number, labels), weights

    return answer


QUESTION = Question(
    id="pretraining.causal_shift",
    title="At each place the next token",
    points=1,
    minutes=10,
    signature="causal_shift(token_ids, pad_id=0)",
    calls=_shift_calls,
    reference=lambda token_ids, pad_id=0: pretraining.causal_shift(token_ids, pad_id),
    returns=("array", "array", "array"),
    names=("inputs", "labels", "weights"),
    mistakes=(
        Mistake(
            "unshifted",
            with_each(_shifted, {"said": _early}, {"said": _early, "weighed": _late}, {"read": _late}),
            "Your labels are the inputs: the model is asked for a token that it reads at the same place.",
            "A causal mask hides what is later, not the place itself. At place 0 the model reads token 0 "
            "and has to say token 1.",
        ),
        Mistake(
            "backwards",
            with_each(
                _shifted, {"read": _late, "said": _early}, {"read": _late, "said": _early, "weighed": _late}
            ),
            "Your model reads each token and has to say the one before it, which a causal model has already "
            "seen.",
            "Of [5, 6, 7] the model reads [5, 6] and says [6, 7]. Which of the two loses its first column, "
            "and which its last?",
        ),
        Mistake(
            "weights_of_inputs",
            functools.partial(_shifted, weighed=_early),
            "Inputs and labels are right. After the last token of a short text you still ask for one more: "
            "the padding.",
            "A place counts if there is something to say, not if there is something to read. Compare the "
            "labels with `pad_id`.",
        ),
        Mistake(
            "weights_uncut",
            functools.partial(_shifted, weighed=_all),
            "Inputs and labels are right. Your weights have a column too many: of which array are they made?",
            "There is one weight for each label. Compare the labels with `pad_id`, not all tokens.",
        ),
        Mistake(
            "weights_inverted",
            with_each(_shifted, {"weight": np.equal}, {"weight": np.equal, "weighed": _early}),
            "Inputs and labels are right. Your weights are 1 at padding and 0 at tokens.",
            "Where the label is `pad_id`, there is nothing to learn, so the weight is 0. Which comparison is "
            "true at tokens?",
        ),
        Mistake(
            "all_counted",
            functools.partial(_shifted, weight=lambda labels, pad_id: np.ones_like(labels)),
            "Inputs and labels are right, but all weights are 1. The model would mostly learn to say [PAD].",
            "In a batch of short and long texts much is padding. Where the label is `pad_id`, the weight "
            "is 0.",
        ),
        Mistake(
            "zero_for_padding",
            functools.partial(_shifted, weight=lambda labels, pad_id: labels != 0),
            "With `pad_id` 0 all is right. With another you still compare with 0, which may be a token of "
            "the text.",
            "The second argument says which id is padding; RoBERTa's is 1, for example. Where is the 0 "
            "written in your code?",
        ),
        Mistake(
            "labels_replaced",
            tuple(_ignored(number) for number in (-100, -1)),
            "Inputs and weights are right. At padding your labels have another number than the token that "
            "stands there.",
            "Some libraries mark with -100 what does not count. Here the weights do that, and the labels are "
            "the tokens as they follow.",
        ),
        Mistake(
            "column_too_many",
            (functools.partial(_shifted, read=_all, said=_rolled), _filled),
            "Your arrays have a column too many. What does the model have to say after the last token?",
            "np.roll brings the first token in again at the other end, and a filled-up column says nothing, "
            "either. All three arrays have one column less: take slices.",
        ),
        Mistake(
            "inputs_uncut",
            functools.partial(_shifted, read=_all),
            "Labels and weights are right. Your inputs have a column too many: which token is read, but has "
            "none after it?",
            "Nothing follows the last column, so the model need not read it. Inputs, labels and weights have "
            "the same shape.",
        ),
        Mistake(
            "rows_shifted",
            functools.partial(
                _shifted, read=lambda token_ids: token_ids[:-1], said=lambda token_ids: token_ids[1:]
            ),
            "You shift the rows: the label of a token is that of the next text. Along which axis does a text "
            "run?",
            "token_ids[1:] drops the first text. The columns are the second axis: what must stand before the "
            "comma?",
        ),
    ),
    hint="Two slices along the second axis, and a comparison for the weights. Try a row of three tokens.",
    more="Inputs are all columns but the last, labels all but the first. The weights are 1.0 where the "
    "labels are not `pad_id`.",
    example=(np.array([[5, 0, 7, 1], [8, 9, 1, 1]]), 1),
)
