"""Question: the gradient by hand."""

import numpy as np

from course_lib.questions import Call, Mistake, Question
from course_lib.questions.attention._shared import _divided, _over, _scores, _softmax, attention


def _gradient_calls(rng):
    def arrays(queries, keys, depth, width):
        shapes = ((queries, depth), (keys, depth), (keys, width), (queries, width))
        return tuple(1.5 * rng.normal(size=shape) for shape in shapes)

    return [
        arrays(3, 3, 2, 2),
        arrays(4, 4, 9, 3),
        Call(arrays(3, 5, 4, 2), about="more keys than queries"),
        Call(arrays(2, 1, 4, 3), about="a single key"),
    ]


def _right_through(w, dw):
    return w * (dw - (w * dw).sum(axis=-1, keepdims=True))


def _backward(
    through=_right_through, powers=(0.5, 0.5), value_power=0.0, forward=0.5, parts=None, weigh=_softmax
):
    """Gradients with a part replaced.

    Args:
        through: The derivative of the softmax, a function of the weights and their gradient.
        powers: Of the depth, by which the gradients of query and key are divided.
        value_power: The same for the value.
        forward: The power of the depth by which the scores are divided.
        weigh: The softmax.
        parts: Function of the gradient of the scores, weights, query, key and upstream that returns three
            products; None for the right ones.
    """
    parts = parts or (lambda ds, w, query, key, upstream: (ds @ key, ds.T @ query, w.T @ upstream))

    def answer(query, key, value, upstream):
        depth = query.shape[-1]
        weights = weigh(_scores(query, key, forward))
        products = parts(through(weights, upstream @ value.T), weights, query, key, upstream)
        return tuple(
            each / depth**power for each, power in zip(products, (*powers, value_power), strict=True)
        )

    return answer


def _in_order(*places):
    return lambda *arguments: tuple(_backward()(*arguments)[place] for place in places)


QUESTION = Question(
    id="attention.gradients",
    title="The gradient by hand",
    points=4,
    minutes=30,
    signature="attention_gradients(query, key, value, upstream)",
    calls=_gradient_calls,
    reference=lambda query, key, value, upstream: attention.attention_gradients(query, key, value, upstream),
    returns=("array", "array", "array"),
    names=("query_gradient", "key_gradient", "value_gradient"),
    rtol=1e-4,
    atol=1e-5,
    mistakes=(
        Mistake(
            "no_row_sum",
            _backward(lambda w, dw: w * dw),
            "The gradient of the values is right; queries and keys get too much. Can you raise one weight "
            "of a row and leave the others as they are?",
            "Weights of a row always sum to 1, so the gradients of a row's scores must sum to 0. Yours do "
            "not. Write out sum_i dW_i p_i (δ_ij - p_j): you have the first of its two terms.",
        ),
        Mistake(
            "diagonal_only",
            _backward(lambda w, dw: w * (1 - w) * dw),
            "The gradient of the values is right. Through the softmax you let each score move only its own "
            "weight, as a sigmoid would.",
            "p_j (1 - p_j) is the Jacobian's diagonal. A score also lowers all the other weights of its "
            "row; which entries of the Jacobian say so, and what do they contribute to the sum?",
        ),
        Mistake(
            "sum_over_queries",
            (
                _backward(lambda w, dw: w * (dw - (w * dw).sum(axis=0, keepdims=True))),
                _backward(lambda w, dw: w * (dw - (w * dw).sum())),
            ),
            "The gradient of the values is right. In the softmax's derivative you sum over the queries, but "
            "different queries have nothing to do with each other.",
            "Each query has a softmax of its own, over the keys. So what you subtract is one number per "
            "query: of which shape is it, and along which axis is the sum?",
        ),
        Mistake(
            "unweighted_sum",
            (
                _backward(lambda w, dw: w * (dw - dw.sum(axis=-1, keepdims=True))),
                _backward(lambda w, dw: w * (dw - dw.mean(axis=-1, keepdims=True))),
                _backward(lambda w, dw: w * (dw - (w * dw).mean(axis=-1, keepdims=True))),
            ),
            "The gradient of the values is right. In the softmax's derivative you subtract something per "
            "row, but not the right thing: check that the gradients of a row's scores sum to 0.",
            "Write out sum_i dW_i p_i (δ_ij - p_j). In the second term each dW_i still has a factor p_i, so "
            "that those count more that have more weight, and it is a sum.",
        ),
        Mistake(
            "factor_forgotten",
            _backward(lambda w, dw: dw - (w * dw).sum(axis=-1, keepdims=True)),
            "The gradient of the values is right. In the softmax's derivative you subtract the right sum, "
            "but a factor is missing: check that the gradients of a row's scores sum to 0.",
            "Of sum_i dW_i p_i (δ_ij - p_j) two terms are left, one of dW_j alone and one of the whole row. "
            "Both have a factor in common that belongs to j; which one is it?",
        ),
        Mistake(
            "without_keepdims",
            _backward(lambda w, dw: w * (dw - (w * dw).sum(axis=-1))),
            "In the softmax's derivative you subtract each query's sum from the wrong place: the shapes do "
            "not fit, or, with as many keys as queries, they fit by chance.",
            "The sums have shape (query_length,), and NumPy lines that up with the keys. Which shape would "
            "line up with the queries, and which argument of the sum keeps it?",
        ),
        Mistake(
            "softmax_skipped",
            _backward(lambda w, dw: dw),
            "The gradient of the values is right. On the way from the weights back to the scores you pass by "
            "the softmax as if it were not there.",
            "upstream @ value.T is the gradient of the weights, not of the scores. The second rule of the "
            "text takes it through the softmax, row by row.",
        ),
        Mistake(
            "unscaled",
            (_backward(powers=(0, 0)), _backward(powers=(-0.5, -0.5))),
            "The directions are right, but the gradients of queries and keys are too long, the more so the "
            "deeper the vectors. That of the values is right.",
            "The scores were divided by √d on the way forward. A constant factor on the way forward is the "
            "same factor on the way back.",
        ),
        Mistake(
            "scaled_twice",
            _backward(powers=(1, 1)),
            "The directions are right, but the gradients of queries and keys are too short, the more so the "
            "deeper the vectors. That of the values is right.",
            "The scores were divided by √d once, so the way back has this factor once, too. Where does your "
            "code have it, and where again?",
        ),
        Mistake(
            "scaled_on_one_side",
            (_backward(powers=(0.5, 0)), _backward(powers=(0, 0.5))),
            "One of the gradients of query and key is right, the other is too long: the factor 1/√d is "
            "missing there.",
            "S = QKᵀ / √d depends on both factors in the same way, so both gradients get the 1/√d. It is "
            "easily put into the gradient of the scores, which goes into both.",
        ),
        Mistake(
            "scaled_everywhere",
            _backward(value_power=0.5),
            "The gradients of query and key are right. That of the values is too short: what has the "
            "division by √d to do with them?",
            "O = WV has no √d in it but for the one inside W. The first rule of the text gives dV from W "
            "and U alone.",
        ),
        Mistake(
            "other_weights",
            (
                _backward(forward=0),
                _backward(powers=(0, 0), forward=0),
                _backward(weigh=_divided(_over(np.max, 0), _over(np.sum, 0))),
                _backward(weigh=_divided(_over(np.max), _over(np.sum, 0))),
                _backward(
                    through=lambda w, dw: w * (dw - (w * dw).sum(axis=0, keepdims=True)),
                    weigh=_divided(_over(np.max, 0), _over(np.sum, 0)),
                ),
                _backward(weigh=_divided(np.max, np.sum)),
            ),
            "Even the gradient of the values is wrong, which needs nothing but the weights and `upstream`: "
            "your weights are not those of the way forward.",
            "W = softmax(S), each row by itself, with S = QKᵀ / √d. Compare your weights with those that "
            "question 2 computes, for the same query and key.",
        ),
        Mistake(
            "exchanged",
            _in_order(1, 0, 2),
            "The numbers are right, but the gradients of query and key have changed places.",
            "The gradient of the query has the shape of the query. Where both lengths are equal the shapes "
            "cannot tell you: the score of query i and key j moves query i along key j.",
        ),
        Mistake(
            "other_order",
            (_in_order(2, 0, 1), _in_order(2, 1, 0), _in_order(0, 2, 1), _in_order(1, 2, 0)),
            "The numbers are right, but the three gradients stand in another order than the one asked for.",
            "The gradient with respect to the values is the first that one finds on the way back, and it is "
            "asked for last: query, key, value.",
        ),
        Mistake(
            "own_matrices",
            _backward(parts=lambda ds, w, query, key, upstream: (ds @ query, ds.T @ key, w.T @ upstream)),
            "The gradient of the values is right where the shapes fit. But you build the gradient of the "
            "queries from queries and that of the keys from keys.",
            "For a product AB, dA is made with B, and dB with A. S is a product of the queries and the keys: "
            "along which vectors does a query move when its scores change?",
        ),
        Mistake(
            "not_transposed",
            (
                _backward(parts=lambda ds, w, query, key, upstream: (ds @ key, ds @ query, w.T @ upstream)),
                _backward(parts=lambda ds, w, query, key, upstream: (ds @ key, ds.T @ query, w @ upstream)),
                _backward(parts=lambda ds, w, query, key, upstream: (ds @ key, ds @ query, w @ upstream)),
            ),
            "A matrix is not transposed that should be. With as many keys as queries the shapes fit all the "
            "same; with more keys they do not.",
            "Write the shapes under each product, for 3 queries and 5 keys: weights and their gradients are "
            "(3, 5). The gradients of keys and values need 5 rows, a sum over the queries.",
        ),
    ),
    hint="Go backwards through weights @ value, the softmax of each row, and query @ key.T / √d, one step "
    "at a time; compare each with finite differences.",
    more="From `upstream` the first rule gives two things: the gradient of the values and that of the "
    "weights. The sum in the second rule splits into two terms; the second is p_j times one number per row. "
    "With the gradient of the scores, the first rule gives those of query and key; 1/√d goes with them.",
    example=(
        np.array([[0.0, 2.0, 0.0, 0.0]]),
        np.array([[1.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]]),
        np.array([[0.0], [4.0]]),
        np.array([[1.0]]),
    ),
)
