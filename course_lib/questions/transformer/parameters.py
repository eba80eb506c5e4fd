"""Question: how many parameters an encoder has."""

import functools

from course_lib.questions import Call, Mistake, Question, with_each
from course_lib.questions.transformer._shared import transformer


def _count_calls(rng):
    vocabulary, layers, width, inner = (int(n) for n in rng.integers((50, 3, 8, 30), (900, 9, 25, 90)))
    return [
        Call((vocabulary, 1, width, inner, 20, 2), about="a single layer"),
        (vocabulary, layers, width, inner, 40, 3),
        (1000 + vocabulary, layers + 1, 2 * width, inner),
        (30522, 12, 768, 3072),
        (30000 + vocabulary, 24, 1024, 4096, 512, 1),
    ]


def _count(
    vocabulary,
    layers,
    d,
    inner,
    max_length=512,
    num_segments=2,
    biases=(1, 1, 1),
    tables=(1, 1, 1),
    projections=4,
    norms=2,
    first_norm=1,
    poolers=lambda layers: 1,
    dense=(1, 1),
    repeated=False,
):
    """Counts an encoder's parameters with one of its parts left out or counted too often."""
    rows = tables[0] * vocabulary + tables[1] * max_length + tables[2] * num_segments
    embeddings = (rows + 2 * first_norm) * d
    attended = projections * d * (d + biases[0])
    fed = dense[0] * inner * (d + biases[1]) + dense[1] * d * (inner + biases[1])
    block = attended + fed + 2 * norms * d
    pooler = poolers(layers) * d * (d + biases[2])
    return layers * (block + embeddings) + pooler if repeated else embeddings + layers * block + pooler


def _parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_length=512, num_segments=2):
    sizes = {"max_length": max_length, "num_segments": num_segments}
    parts = transformer.costs(vocabulary_size, num_layers, hidden_dim, intermediate_dim, **sizes)
    return sum(parameters for parameters, _ in parts.values())


QUESTION = Question(
    id="transformer.parameters",
    title="How many parameters an encoder has",
    points=2,
    minutes=10,
    signature="parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, "
    "max_length=512, num_segments=2)",
    calls=_count_calls,
    reference=_parameters,
    rtol=1e-12,
    atol=0.0,
    dtypes=("int",),
    mistakes=(
        Mistake(
            "no_biases",
            with_each(
                _count,
                {"biases": (0, 0, 0)},
                {"biases": (1, 0, 1)},
                {"biases": (1, 1, 0)},
                {"biases": (0, 0, 1)},
            ),
            "Close: every dense layer has a bias, and in your count at least one of them has none.",
            "A dense layer from a numbers to b has a · b + b parameters. Six dense layers in a block and the "
            "pooler each have a bias; how long is each?",
        ),
        Mistake(
            "no_norms",
            functools.partial(_count, norms=0, first_norm=0),
            "Close: tables and dense layers are all there, but not the norms.",
            "A norm has a gain and a shift, hidden_dim numbers each. How many norms are in a block, and "
            "where is the one outside the blocks?",
        ),
        Mistake(
            "no_first_norm",
            functools.partial(_count, first_norm=0),
            "You lack only 2 · hidden_dim numbers, however many layers there are. What happens to the "
            "embeddings before the first block?",
            "Besides the two norms in each block there is one for the sum of the three embeddings.",
        ),
        Mistake(
            "half_norms",
            functools.partial(_count, norms=1, first_norm=0.5),
            "Close: what you lack grows with the number of norms, hidden_dim for each. What does a norm "
            "learn?",
            "Gamma and beta are two vectors. A norm has 2 · hidden_dim numbers.",
        ),
        Mistake(
            "one_norm_per_block",
            with_each(_count, {"norms": 1}, {"norms": 1, "first_norm": 0}),
            "Close: what you lack grows with the number of layers, 2 · hidden_dim for each. How many norms "
            "does a block have, and how many numbers each of them?",
            "A block has two residuals, and a norm after each: attention_norm and output_norm.",
        ),
        Mistake(
            "four_vectors_per_block",  # Four biases are as many numbers as two norms.
            with_each(_count, {"norms": 0}, {"biases": (0, 1, 1)}),
            "Close: what you lack grows with the number of layers, 4 · hidden_dim for each. What in a block "
            "has so few numbers?",
            "The biases of attention's four layers have hidden_dim numbers each, its norms twice as many. "
            "One of these groups is not in your count.",
        ),
        Mistake(
            "last_norm_too",
            functools.partial(_count, first_norm=2),
            "You have 2 · hidden_dim numbers too many, however many layers there are. Is there a norm after "
            "the last block?",
            "The blocks are those of question 6, in post-norm: each ends with its own norm, and nothing "
            "comes between the last one and the pooler.",
        ),
        Mistake(
            "no_pooler",
            functools.partial(_count, poolers=lambda layers: 0),
            "You count everything up to the last block. What does the encoder do with the vector of [CLS] "
            "after that?",
            "The pooler is one more dense layer, as wide as the vectors on both sides. There is one of it, "
            "whatever num_layers is.",
        ),
        Mistake(
            "pooler_in_each_block",
            with_each(_count, {"poolers": lambda layers: layers}, {"poolers": lambda layers: layers + 1}),
            "You have too much, and the more so the more layers there are: one dense layer of the width of "
            "the vectors. How many poolers are there?",
            "A block has six dense layers, four of them in attention. The pooler stands once, after the last "
            "block.",
        ),
        Mistake(
            "tables_missing",
            with_each(_count, {"tables": (1, 0, 0)}, {"tables": (1, 0, 1)}, {"tables": (1, 1, 0)}),
            "Your blocks are right, your embeddings too few. Which vectors are added to a token's own, and "
            "from which tables do they come?",
            "There are three tables with rows of hidden_dim numbers: one row per token of the vocabulary, "
            "one per position, one per segment.",
        ),
        Mistake(
            "sizes_ignored",
            (
                lambda v, n, d, inner, max_length=512, num_segments=2: _count(
                    v, n, d, inner, 512, num_segments
                ),
                lambda v, n, d, inner, max_length=512, num_segments=2: _count(v, n, d, inner, max_length, 2),
                lambda v, n, d, inner, max_length=512, num_segments=2: _count(v, n, d, inner),
            ),
            "BERT's own sizes are right, other ones are not: one of the last two arguments does not change "
            "your count as it should.",
            "Positions have `max_length` rows, segments `num_segments`. 512 and 2 are only what these are "
            "unless somebody says otherwise.",
        ),
        Mistake(
            "four_times_as_wide",
            lambda v, n, d, inner, max_length=512, num_segments=2: _count(
                v, n, d, 4 * d, max_length, num_segments
            ),
            "BERT's own sizes are right, other ones are not: you take the dense layers for four times as "
            "wide as the vectors.",
            "It is so in BERT, but not in every encoder. Which argument says how many numbers stand between "
            "the two dense layers?",
        ),
        Mistake(
            "other_projections",
            with_each(_count, {"projections": 3}, {"projections": 1}, {"projections": 2}),
            "Each of your blocks lacks dense layers in its attention. Queries, keys, values: what comes "
            "after the heads are joined?",
            "Attention has four projections of the same size, that of its output among them. The number of "
            "heads changes none of them.",
        ),
        Mistake(
            "one_dense_layer",
            with_each(_count, {"dense": (1, 0)}, {"dense": (0, 1)}, {"dense": (2, 0)}, {"dense": (0, 2)}),
            "Your feed-forward parts are not right: how many dense layers has each, and how long is the bias "
            "of each?",
            "One goes from hidden_dim to intermediate_dim, one back. Their kernels are equally large, their "
            "biases are not.",
        ),
        Mistake(
            "embeddings_in_each_block",
            with_each(
                _count,
                {"repeated": True},
                {"repeated": True, "poolers": lambda layers: layers},
            ),
            "With one layer you are right, with several you have far too much: what do you multiply by "
            "num_layers?",
            "Only what stands in a block is there num_layers times. Tables, their norm and the pooler are "
            "outside.",
        ),
    ),
    hint="List every table, dense layer and norm with its shape, outside the blocks and in one block. "
    "BERT-base must have 109,482,240.",
    more="Outside: three tables, a norm, the pooler. In a block: four dense layers of attention, two of the "
    "feed-forward part, two norms. A dense layer from a to b has a · b + b numbers, a norm 2 · hidden_dim.",
    example=(10, 2, 4, 8, 6, 2),
)
