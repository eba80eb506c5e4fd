"""Question: attention through all layers."""

import functools

import numpy as np

from course_lib.questions import Call, Mistake, Question, of_each


def _rollout_calls(rng):
    def attention(layers, heads, length, causal=False):
        scores = rng.normal(scale=1.5, size=(layers, heads, length, length))
        if causal:
            scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)

    return [
        (attention(2, 2, 3),),
        (attention(4, 3, 5),),
        Call((attention(1, 4, 4),), about="a single layer"),
        Call((attention(3, 1, 4),), about="a single head"),
        Call((attention(3, 2, 5, causal=True),), about="causal attention"),
        (attention(6, 2, 6),),
    ]


def _halves(weights):
    return (weights + np.eye(weights.shape[-1])) / 2


def _later_on_the_left(layers):
    return functools.reduce(lambda before, layer: layer @ before, layers)


def _rolled(
    heads=lambda layer: layer.mean(axis=0),
    mixed=_halves,
    product=_later_on_the_left,
    after=lambda found: found,
):
    """The rollout with one of its parts replaced.

    Args:
        heads: One matrix from those of a layer's heads.
        mixed: That with the residual.
        product: Of all layers.
        after: What is done at the end.
    """
    return lambda attention: after(product([mixed(heads(layer)) for layer in attention]))


def _reference(attention):
    return _rolled()(attention)


def _earlier_on_the_left(layers):
    return functools.reduce(lambda before, layer: before @ layer, layers)


def _attention_first(attention):
    first, *later = (layer.mean(axis=0) for layer in attention)
    return _later_on_the_left([first, *map(_halves, later)])


def _normalised(matrix):
    return matrix / matrix.sum(axis=-1, keepdims=True)


def _heads_apart(attention):
    return np.mean([_rolled()(attention[:, head : head + 1]) for head in range(attention.shape[1])], axis=0)


def _columns_normalised(weights):
    mixed = weights + np.eye(len(weights))
    return mixed / mixed.sum(axis=0, keepdims=True)


QUESTION = Question(
    id="interpretability.attention_rollout",
    title="Attention through all layers",
    points=2,
    minutes=10,
    signature="attention_rollout(attention)",
    calls=_rollout_calls,
    reference=_reference,
    mistakes=(
        Mistake(
            "no_residual",
            _rolled(mixed=lambda weights: weights),
            "You multiply attention alone. What else does a layer pass on to the next?",
            "Each block adds its input to what attention brings. Which matrix leaves every position as it "
            "is?",
        ),
        Mistake(
            "no_residual_at_first",
            _attention_first,
            "Your first layer is attention alone. Does it not pass on its input, too?",
            "Every layer has the identity, also the one next to the input. Begin with the identity, and "
            "multiply by all layers in your loop.",
        ),
        Mistake(
            "residual_not_halved",
            (
                _rolled(mixed=lambda weights: weights + np.eye(len(weights))),
                _rolled(mixed=_columns_normalised),
            ),
            "The rows of your result do not add up to 1. What does a row of attention plus 1 on the diagonal "
            "add up to?",
            "What a position holds is shared out among the inputs, so the shares of a row make 1 after each "
            "layer.",
        ),
        Mistake(
            "wrong_order",
            _rolled(product=_earlier_on_the_left),
            "Right for a single layer. The last layer looks at what the one before has made: on which side "
            "of a product does it stand?",
            "Take two layers. Position i of the second holds a share A2[i, k] of each position k, and that a "
            "share A1[k, j] of input j. Which product sums over k?",
        ),
        Mistake(
            "transposed",
            (
                _rolled(after=np.transpose),
                _rolled(heads=lambda layer: layer.mean(axis=0).T),
            ),
            "Your rows and columns have changed places.",
            "Row i of the result tells what position i of the last layer is made of, and its numbers add up "
            "to 1.",
        ),
        Mistake(
            "heads_otherwise",
            (
                _rolled(heads=lambda layer: layer.max(axis=0)),
                _rolled(heads=lambda layer: layer.min(axis=0)),
                _rolled(heads=lambda layer: layer[0]),
                _rolled(heads=lambda layer: layer.sum(axis=0)),
                _rolled(
                    heads=lambda layer: layer.sum(axis=0),
                    mixed=lambda weights: _normalised(weights + np.eye(len(weights))),
                ),
                _rolled(
                    heads=lambda layer: layer.max(axis=0),
                    mixed=lambda weights: _normalised(weights + np.eye(len(weights))),
                ),
            ),
            "Right for a single head. What does the task make of several?",
            "The heads of a layer count alike: one matrix, whose rows still add up to 1.",
        ),
        Mistake(
            "layers_averaged",
            lambda attention: _later_on_the_left([_halves(head) for head in attention.mean(axis=0)]),
            "You take the mean over layers, and then multiply heads. What is the first axis of `attention`?",
            "Print the shape: layers, heads, positions, positions. Which of them is averaged, and along "
            "which do you go in your loop?",
        ),
        Mistake(
            "heads_apart",
            _heads_apart,
            "You follow each head through all layers by itself. Does a head of the second layer see only "
            "what the same head of the first has done?",
            "The output projection mixes the heads in every layer. At which point are they to be averaged?",
        ),
        Mistake(
            "residual_once",
            (
                _rolled(mixed=lambda weights: weights, after=_halves),
                _rolled(
                    mixed=lambda weights: weights, after=lambda found: _normalised(found + np.eye(len(found)))
                ),
            ),
            "Right for a single layer. You put the residual in once; how many blocks have one?",
            "Every layer passes its own input on. Where in your loop must the identity be?",
        ),
        Mistake(
            "entry_by_entry",
            (
                _rolled(product=functools.partial(functools.reduce, np.multiply)),
                _rolled(product=functools.partial(functools.reduce, np.multiply), after=_normalised),
            ),
            "You multiply entry by entry. Can position 0 get something of input 2 by way of position 1?",
            "The ways over all positions in between must be added up. Which product does that?",
        ),
        Mistake(
            "no_product",
            of_each(
                lambda product: _rolled(product=product),
                lambda layers: np.mean(layers, axis=0),
                lambda layers: layers[-1],
                lambda layers: layers[0],
                lambda layers: np.sum(layers, axis=0),
            ),
            "Right for a single layer. Your layers do not build upon one another.",
            "The second layer attends to positions that are mixtures already. A mean over layers knows "
            "nothing of that.",
        ),
        Mistake(
            "identity_of_ones",
            (
                _rolled(mixed=lambda weights: (weights + 1) / 2),
                _rolled(mixed=lambda weights: _normalised(weights + 1)),
                _rolled(mixed=lambda weights: weights / 2 + 0.5),
            ),
            "You add 1 everywhere. From where does a residual connection bring something?",
            "A position passes on itself only: its own place on the diagonal.",
        ),
    ),
    hint="What does one layer do to the shares, if its heads are averaged and half of everything is passed "
    "on unchanged? Write that matrix down, and let two of them follow one another.",
    more="For each layer half of the mean over its heads plus half of the identity. Begin with the first "
    "layer, and multiply each later one from the left.",
    example=(np.array([[[[0.0, 1.0], [0.5, 0.5]]], [[[1.0, 0.0], [1.0, 0.0]]]]),),
)
