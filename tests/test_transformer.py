"""The encoder and the newer parts against NumPy in float64, Keras and KerasHub, and their own promises."""

import math

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops
from scipy.special import erf

from course_lib import transformer, weights

pytestmark = pytest.mark.backend

TENSORFLOW = keras.backend.backend() == "tensorflow"
WIDEST = "float64" if TENSORFLOW else "float32"  # JAX has no float64 unless its 64-bit mode is on.
SIZES = {"vocabulary_size": 50, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 20}
examples = hypothesis.settings(deadline=None, max_examples=25, database=None, derandomize=True)
vectors = hnp.arrays("float64", (3, 5), elements=st.floats(-50, 50, width=32))


def array(tensor):
    return ops.convert_to_numpy(tensor).astype("float64")


def inputs(lengths=(7, 4), width=7, size=50, seed=0):
    mask = np.arange(width) < np.array(lengths)[:, None]
    ids = np.where(mask, np.random.default_rng(seed).integers(5, size, mask.shape), 0).astype("int32")
    segments = (mask & (np.arange(width) > 2)).astype("int32")
    return {"token_ids": ids, "segment_ids": segments, "padding_mask": mask.astype("int32")}


def disturbed(layer, seed=0):
    """Random numbers for all weights, so that a bias or gain that is used wrongly shows."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0.1, 0.3, each.shape).astype("float32") for each in layer.get_weights()])
    return layer


# Functions


@pytest.mark.parametrize("dtype", ["float32", WIDEST])
def test_gelu_is_x_times_the_normal_distribution(dtype):
    x = np.linspace(-6, 6, 241)
    expected = x * 0.5 * (1 + erf(x / math.sqrt(2)))
    tolerance = 1e-6 if dtype == "float32" or not TENSORFLOW else 1e-12
    np.testing.assert_allclose(array(transformer.gelu(x.astype(dtype))), expected, atol=tolerance)
    by_keras = keras.activations.gelu(ops.convert_to_tensor(x.astype(dtype)), approximate=True)
    found = array(transformer.gelu(x.astype(dtype), approximate=True))
    np.testing.assert_allclose(found, array(by_keras), atol=1e-6)
    assert 4e-4 < np.abs(found - expected).max() <= 5e-4  # As the docstring says.


@examples
@hypothesis.given(x=vectors)
def test_layer_norm_equals_numpy_and_keras(x):
    gamma, beta = np.linspace(0.5, 2, 5), np.linspace(-1, 1, 5)
    expected = gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3) + beta
    found = transformer.layer_norm(x.astype(WIDEST), gamma.astype(WIDEST), beta.astype(WIDEST), 1e-3)
    tolerance = 1e-9 if TENSORFLOW else 1e-3
    np.testing.assert_allclose(array(found), expected, atol=tolerance, rtol=tolerance)
    layer = keras.layers.LayerNormalization(epsilon=1e-3)
    layer.build(x.shape)
    layer.set_weights([gamma, beta])
    np.testing.assert_allclose(array(layer(x.astype("float32"))), expected, atol=2e-3, rtol=2e-3)


@examples
@hypothesis.given(x=vectors, scale=st.floats(0.5, 20), shift=st.floats(-20, 20))
def test_layer_norm_is_blind_to_scale_and_shift(x, scale, shift):
    hypothesis.assume((x.std(-1) > 0.1).all())
    found = array(transformer.layer_norm((scale * x + shift).astype(WIDEST)))
    np.testing.assert_allclose(found, array(transformer.layer_norm(x.astype(WIDEST))), atol=5e-3)
    np.testing.assert_allclose(found.mean(-1), 0, atol=1e-3)
    np.testing.assert_allclose(found.std(-1), 1, atol=1e-3)


def test_layer_norm_of_a_constant_is_finite():
    assert np.isfinite(array(transformer.layer_norm(np.full((2, 3), 7.0, "float32")))).all()


def test_segment_ids():
    pair, single, bare = [2, 9, 3, 8, 8, 3, 0, 0], [2, 9, 9, 9, 9, 9, 9, 3], [2, 3, 3, 0, 0, 0, 0, 0]
    found = array(transformer.segment_ids(np.array([pair, single, bare]), end_id=3))
    assert found.tolist() == [[0, 0, 0, 1, 1, 1, 0, 0], [0] * 8, [0, 0, 1, 0, 0, 0, 0, 0]]


def test_mean_pool_counts_tokens_only():
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(3, 4, 2)), np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    found = array(transformer.mean_pool(x.astype("float32"), mask))
    np.testing.assert_allclose(found, [x[0].mean(0), x[1, :2].mean(0), [0, 0]], atol=1e-6)
    by_keras = keras.layers.GlobalAveragePooling1D()(x[:2].astype("float32"), mask=mask[:2].astype("bool"))
    np.testing.assert_allclose(found[:2], array(by_keras), atol=1e-6)


@pytest.mark.parametrize("kind", ["bool", "int32"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_mean_pool_never_sees_what_stands_at_padding(value, kind):
    x = np.array([[[1, 2], [3, 6], [5, 5]], [[7, 8], [1, 1], [4, 4]], [[0, 0], [1, 1], [2, 2]]], "float32")
    mask = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 0]], kind)
    x[mask == 0] = value
    expected = [[2, 4], [2.5, 2.5], [0, 0]]
    np.testing.assert_array_equal(array(transformer.mean_pool(x, mask)), expected)


def test_ids_beyond_the_table_are_named():
    transformer.check_token_ids([[0, 49]], 50)
    transformer.check_token_ids(np.zeros((0, 3), "int32"), 50)
    with pytest.raises(
        ValueError, match=r"from 0 to 49.*from 0 to 50: give the encoder the `vocabulary_size`"
    ):
        transformer.check_token_ids([[0, 50]], 50)
    with pytest.raises(ValueError, match=r"ids from -1 to 3"):
        transformer.check_token_ids([-1, 3], 50)


# Layers


def test_positions_are_added_and_bounded():
    layer = transformer.PositionEmbedding(6)
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    found = array(layer(x))
    np.testing.assert_allclose(found, x + array(layer.embeddings)[:4], atol=1e-6)
    assert layer.compute_output_shape((None, 4, 3)) == (None, 4, 3)
    with pytest.raises(ValueError, match=r"There are 6 positions\. Received a text of 7 tokens"):
        layer(np.zeros((1, 7, 3), "float32"))


def block_by_hand(block, x, mask):
    """An encoder block in NumPy's float64, one text, head and token at a time."""
    w = {variable.path.split("/", 1)[1]: array(variable) for variable in block.weights}

    def norm(x, name):
        return (
            w[f"{name}/gamma"] * (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
            + w[f"{name}/beta"]
        )

    def dense(x, name):
        return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    def attend(x):
        query, key, value = (dense(x, f"attention/{name}") for name in ("query", "key", "value"))
        depth = query.shape[1] // block.num_heads
        output = np.zeros_like(query)
        for head in range(block.num_heads):
            part = slice(head * depth, (head + 1) * depth)
            for i in range(len(x)):
                seen = [j for j in range(len(x)) if mask[j] and (j <= i or not block.use_causal_mask)]
                scores = np.exp([query[i, part] @ key[j, part] / math.sqrt(depth) for j in seen])
                output[i, part] = (scores / scores.sum()) @ value[seen][:, part]
        return dense(output, "attention/attention_output")

    def feed_forward(x):
        inner = dense(x, "intermediate_dense")
        if block.approximate_gelu:
            inner *= 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        else:
            inner *= 0.5 * (1 + erf(inner / math.sqrt(2)))
        return dense(inner, "output_dense")

    if block.norm_first:
        x = x + attend(norm(x, "attention_norm"))
        return x + feed_forward(norm(x, "output_norm"))
    x = norm(x + attend(x), "attention_norm")
    return norm(x + feed_forward(x), "output_norm")


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("approximate_gelu", [False, True])
@pytest.mark.parametrize("use_causal_mask", [False, True])
def test_block_equals_numpy(norm_first, approximate_gelu, use_causal_mask):
    block = transformer.EncoderBlock(
        2, 12, norm_first=norm_first, approximate_gelu=approximate_gelu, use_causal_mask=use_causal_mask
    )
    x = np.random.default_rng(1).normal(size=(2, 5, 6)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3]])
    block.build(x.shape)
    found = array(disturbed(block)(x, mask=mask))
    for text in range(2):
        np.testing.assert_allclose(found[text], block_by_hand(block, x[text], mask[text]), atol=2e-5)


@pytest.mark.parametrize("norm_first", [False, True])
def test_block_equals_kerashub(norm_first):
    from keras_hub.layers import TransformerEncoder

    theirs = TransformerEncoder(
        20,
        2,
        activation=lambda x: keras.activations.gelu(x, approximate=True),
        layer_norm_epsilon=1e-12,
        normalize_first=norm_first,
    )
    x = np.random.default_rng(2).normal(size=(2, 5, 8)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3]])
    theirs(x)
    ours = transformer.EncoderBlock(2, 20, norm_first=norm_first)
    ours.build(x.shape)
    attention = theirs._self_attention_layer
    ours.attention.copy_weights_from(attention)
    for mine, other in [
        (ours.attention_norm, theirs._self_attention_layer_norm),
        (ours.intermediate_dense, theirs._feedforward_intermediate_dense),
        (ours.output_dense, theirs._feedforward_output_dense),
        (ours.output_norm, theirs._feedforward_layer_norm),
    ]:
        mine.set_weights(other.get_weights())
    np.testing.assert_allclose(array(ours(x, mask=mask)), array(theirs(x, padding_mask=mask)), atol=1e-5)


def test_padding_changes_nothing():
    block = transformer.EncoderBlock(2, 12)
    x = np.random.default_rng(1).normal(size=(1, 6, 4)).astype("float32")
    other = x.copy()
    other[:, 4:] = 1e3
    mask = np.array([[1, 1, 1, 1, 0, 0]])
    first, second, short = (
        array(block(each, mask=m)) for each, m in [(x, mask), (other, mask), (x[:, :4], None)]
    )
    np.testing.assert_allclose(first[:, :4], second[:, :4], atol=1e-6)
    np.testing.assert_allclose(first[:, :4], short, atol=1e-6)


def test_causal_block_does_not_see_later_tokens():
    block = transformer.EncoderBlock(2, 12, use_causal_mask=True, spread=0.5)
    x = np.random.default_rng(1).normal(size=(1, 5, 4)).astype("float32")
    other = x.copy()
    other[:, 3:] += 5.0
    first, second = array(block(x)), array(block(other))
    np.testing.assert_allclose(first[:, :3], second[:, :3], atol=1e-6)
    assert np.abs(first[:, 3:] - second[:, 3:]).max() > 0.1


def test_mask_comes_by_itself_from_an_embedding():
    ids = inputs()["token_ids"]
    block = transformer.EncoderBlock(2, 12, spread=0.5)
    model = keras.Sequential(
        [keras.layers.Embedding(50, 8, mask_zero=True), transformer.PositionEmbedding(9), block]
    )
    found = array(model(ids))
    x = model.layers[1](model.layers[0](ids))
    np.testing.assert_allclose(found, array(block(x, mask=ids != 0)), atol=1e-6)
    plain = ops.convert_to_tensor(array(x).astype("float32"))  # Without the mask that Keras attached.
    assert np.abs(found - array(block(plain)))[1, :4].max() > 1e-4
    pooled = keras.Sequential([*model.layers, keras.layers.GlobalAveragePooling1D()])
    np.testing.assert_allclose(array(pooled(ids))[1], found[1, :4].mean(0), atol=1e-6)


def test_block_says_when_heads_do_not_fit():
    with pytest.raises(ValueError, match="width of 8 cannot be shared among 3 heads"):
        transformer.EncoderBlock(3, 12).build((None, 4, 8))
    block = transformer.EncoderBlock(3, 12, key_dim=2)
    assert block(np.zeros((1, 4, 8), "float32")).shape == (1, 4, 8)
    assert block.attention.query_dense.kernel.shape == (8, 6)


def test_dropout_acts_in_training_only():
    x = np.random.default_rng(1).normal(size=(1, 6, 4)).astype("float32")
    block = transformer.EncoderBlock(2, 12, dropout=0.5, spread=0.5)
    np.testing.assert_array_equal(array(block(x)), array(block(x, training=False)))
    assert np.abs(array(block(x, training=True)) - array(block(x))).max() > 1e-2


def test_attention_weights_are_dropped_and_returned_whole():
    from course_lib import attention

    layer = attention.MultiHeadAttention(2, 3, dropout=0.5)
    x = np.random.default_rng(1).normal(size=(1, 6, 4)).astype("float32")
    output, scores = layer(x, x, return_attention_scores=True, training=True)
    np.testing.assert_allclose(array(scores).sum(-1), 1, atol=1e-6)
    assert np.abs(array(output) - array(layer(x, x))).max() > 1e-3
    again = attention.MultiHeadAttention.from_config(layer.get_config())
    assert (again.dropout, again.num_heads) == (0.5, 2)


def test_layers_are_made_again_from_their_config():
    options = {
        "num_heads": 2,
        "intermediate_dim": 12,
        "key_dim": 3,
        "dropout": 0.1,
        "norm_first": True,
        "approximate_gelu": False,
        "use_causal_mask": True,
        "spread": 0.5,
    }
    config = transformer.EncoderBlock(**options, name="one").get_config()
    assert {name: config[name] for name in options} == options
    assert transformer.EncoderBlock.from_config(config).get_config() == config
    config = transformer.PositionEmbedding(7).get_config()
    assert transformer.PositionEmbedding.from_config(config).max_length == 7
    assert transformer.EncoderBlock(2, 12).compute_output_shape((None, None, 8)) == (None, None, 8)


def test_spread_is_the_standard_deviation_of_the_first_kernels():
    block = transformer.EncoderBlock(4, 256, spread=0.1)
    block.build((None, None, 64))
    kernels = [variable for variable in block.weights if variable.path.endswith("kernel")]
    assert len(kernels) == 6
    for kernel in kernels:
        assert array(kernel).std() == pytest.approx(0.088, abs=0.005)  # Of a normal cut at two deviations.
    firsts = [array(kernel).ravel()[0] for kernel in kernels]
    assert len(set(firsts)) == 6  # Not the same draw again and again.


# The encoder


def published(model):
    """The weights of a model as they would be published."""
    return {
        transformer.published_name(each.path): array(each).T if each.path.endswith("kernel") else array(each)
        for each in model.weights
    }


def kerashub(seed=0, **options):
    from keras_hub.models import BertBackbone

    return disturbed(BertBackbone(**SIZES, **options), seed)


def as_published(backbone):
    """The weights of KerasHub's BERT under the names of the published files."""
    tensors = {
        "embeddings.word_embeddings.weight": backbone.get_layer("token_embedding").embeddings,
        "embeddings.position_embeddings.weight": backbone.get_layer("position_embedding").position_embeddings,
        "embeddings.token_type_embeddings.weight": backbone.get_layer("segment_embedding").embeddings,
        "embeddings.LayerNorm.weight": backbone.get_layer("embeddings_layer_norm").gamma,
        "embeddings.LayerNorm.bias": backbone.get_layer("embeddings_layer_norm").beta,
        "pooler.dense.bias": backbone.get_layer("pooled_dense").bias,
    }
    tensors = {name: array(value) for name, value in tensors.items()}
    tensors["pooler.dense.weight"] = array(backbone.get_layer("pooled_dense").kernel).T
    for i in range(backbone.num_layers):
        layer, prefix = backbone.get_layer(f"transformer_layer_{i}"), f"encoder.layer.{i}"
        attention = layer._self_attention_layer
        for name, dense in [
            ("attention.self.query", attention.query_dense),
            ("attention.self.key", attention.key_dense),
            ("attention.self.value", attention.value_dense),
        ]:
            tensors[f"{prefix}.{name}.weight"] = array(dense.kernel).reshape(backbone.hidden_dim, -1).T
            tensors[f"{prefix}.{name}.bias"] = array(dense.bias).ravel()
        kernel = array(attention.output_dense.kernel).reshape(-1, backbone.hidden_dim)
        tensors[f"{prefix}.attention.output.dense.weight"] = kernel.T
        tensors[f"{prefix}.attention.output.dense.bias"] = array(attention.output_dense.bias)
        for name, dense in [
            ("intermediate.dense", layer._feedforward_intermediate_dense),
            ("output.dense", layer._feedforward_output_dense),
        ]:
            tensors[f"{prefix}.{name}.weight"] = array(dense.kernel).T
            tensors[f"{prefix}.{name}.bias"] = array(dense.bias)
        for name, norm in [
            ("attention.output.LayerNorm", layer._self_attention_layer_norm),
            ("output.LayerNorm", layer._feedforward_layer_norm),
        ]:
            tensors[f"{prefix}.{name}.weight"], tensors[f"{prefix}.{name}.bias"] = (
                array(norm.gamma),
                array(norm.beta),
            )
    return tensors


@pytest.fixture
def small():
    keras.utils.set_random_seed(0)
    return disturbed(transformer.encoder(**SIZES, max_length=16))


def test_encoder_equals_kerashub():
    theirs = kerashub(max_sequence_length=16)
    ours = transformer.encoder(**SIZES, max_length=16)
    rows = transformer.load_published(ours, as_published(theirs))
    assert len(rows) == len(ours.weights) == len(theirs.weights)
    assert ours.count_params() == theirs.count_params()
    x = inputs()
    found, expected = ours(x), theirs(x)
    assert set(found) == set(expected)
    for name in expected:
        assert found[name].shape == expected[name].shape
        np.testing.assert_allclose(array(found[name]), array(expected[name]), atol=2e-5)
    assert {each.name for each in ours.inputs} == {each.name for each in theirs.inputs}


def test_minilm_equals_kerashub(minilm):
    import safetensors.numpy

    ours = transformer.encoder(30522, 6, 12, 384, 1536)
    transformer.load_published(ours, safetensors.numpy.load_file(minilm.folder / "model.safetensors"))
    theirs = weights.load_backbone()
    x = inputs((24, 11), 24, size=30000)
    states = transformer.hidden_states(ours, x)
    names = ["embeddings_dropout", *(f"transformer_layer_{i}" for i in range(6))]
    expected = keras.Model(theirs.input, [theirs.get_layer(name).output for name in names])(x)
    assert len(states) == len(expected) == 7
    for found, other in zip(states, expected, strict=True):
        largest = np.abs(array(other)).max()
        np.testing.assert_allclose(array(found), array(other), rtol=0, atol=1e-5 * largest)


@pytest.mark.skipif(not TENSORFLOW, reason="shapes do not depend on the backend, and JAX compiles for each")
@examples
@hypothesis.given(
    layers=st.integers(1, 3),  # Before Keras 3.15 an input that no layer uses is an error.
    heads=st.integers(1, 3),
    depth=st.integers(1, 4),
    inner=st.integers(1, 9),
    size=st.integers(1, 30),
    length=st.integers(1, 12),
    segments=st.integers(1, 3),
)
def test_parameters_are_counted(layers, heads, depth, inner, size, length, segments):
    width = heads * depth
    model = transformer.encoder(size, layers, heads, width, inner, max_length=length, num_segments=segments)
    parts = transformer.costs(size, layers, width, inner, 7, max_length=length, num_segments=segments)
    assert sum(parameters for parameters, _ in parts.values()) == model.count_params()


def test_multiplications_are_counted():
    found = transformer.costs(50, 2, 8, 20, length=3)
    # Two layers; shapes (a, b) times (b, c) take a b c.
    assert found["attention: projections"][1] == 2 * 4 * 3 * 8 * 8
    assert found["attention: scores and averages"][1] == 2 * 2 * 3 * 8 * 3
    assert found["feed-forward"][1] == 2 * (3 * 8 * 20 + 3 * 20 * 8)
    assert found["pooler"][1] == 64


@pytest.mark.parametrize("how", ["missing", "besides", "shape"])
def test_a_file_of_another_model_is_refused_and_changes_nothing(small, how):
    tensors = published(disturbed(transformer.encoder(**SIZES, max_length=16), seed=9))
    if how == "missing":
        del tensors["pooler.dense.bias"]
    elif how == "besides":
        tensors["encoder.layer.2.output.dense.bias"] = np.zeros(8)
    else:
        tensors["encoder.layer.1.output.dense.bias"] = np.zeros(9)
    before = small.get_weights()
    message = {
        "missing": r"lacks \['pooler.dense.bias'\]",
        "besides": "layer.2.output",
        "shape": r"shape \(9,\)",
    }
    with pytest.raises(ValueError, match=message[how]):
        transformer.load_published(small, tensors)
    for old, new in zip(before, small.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_pre_norm_encoder_takes_no_published_weights():
    model = transformer.encoder(**SIZES, norm_first=True)
    with pytest.raises(ValueError, match="final_norm"):
        transformer.load_published(model, {})


def test_states_and_scores(small):
    x = inputs()
    states = transformer.hidden_states(small, x)
    assert [tuple(each.shape) for each in states] == [(2, 7, 8)] * 3
    np.testing.assert_allclose(array(states[-1]), array(small(x)["sequence_output"]), atol=1e-6)
    scores = array(transformer.attention_scores(small, x))
    assert scores.shape == (2, 2, 2, 7, 7)
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-6)
    assert scores[:, 1, :, :, 4:].max() == 0  # The padding of the shorter text.


@pytest.mark.parametrize(
    "options", [{}, {"norm_first": True, "use_causal_mask": True, "approximate_gelu": False}]
)
def test_saved_and_reloaded_it_gives_the_same(tmp_path, options):
    model = disturbed(transformer.encoder(**SIZES, max_length=16, **options))
    x = inputs()
    expected = array(model(x)["sequence_output"])
    model.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    np.testing.assert_array_equal(array(again(x)["sequence_output"]), expected)
    assert array(again(x)["pooled_output"]).shape == (2, 8)
    model.save_weights(tmp_path / "encoder.weights.h5")
    other = transformer.encoder(**SIZES, max_length=16, **options)
    other.load_weights(tmp_path / "encoder.weights.h5")
    np.testing.assert_array_equal(array(other(x)["sequence_output"]), expected)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_stays_close(small, policy):
    half = transformer.encoder(**SIZES, max_length=16, dtype=policy)
    half.set_weights(small.get_weights())
    x = inputs()
    found, expected = half(x)["sequence_output"], small(x)["sequence_output"]
    assert keras.backend.standardize_dtype(found.dtype) == policy.removeprefix("mixed_")
    assert {keras.backend.standardize_dtype(each.dtype) for each in half.weights} == {"float32"}
    difference = np.abs(array(ops.cast(found, "float32")) - array(expected))
    assert difference.max() < (0.15 if policy == "mixed_bfloat16" else 0.02)


@pytest.mark.parametrize("norm_first", [False, True])
def test_it_learns_compiled(norm_first):
    keras.utils.set_random_seed(0)
    sizes = {**SIZES, "num_layers": 1}  # XLA takes seconds for each.
    encoder = transformer.encoder(**sizes, max_length=16, norm_first=norm_first, dropout=0.0)
    model = keras.Model(encoder.input, keras.layers.Dense(2)(encoder.output["pooled_output"]))
    model.compile(
        keras.optimizers.Adam(3e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=True,
    )
    x = inputs(lengths=(7,) * 16)
    y = (x["token_ids"][:, 3] > 25).astype("int32")
    losses = model.fit(x, y, epochs=30, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]
    assert all(np.isfinite(each).all() for each in model.get_weights())


# What changed since


def rotated_by_complex_numbers(x, positions, base=10_000.0):
    """Each pair of components as a complex number, times one of length 1: in NumPy's float64."""
    turns = np.exp(1j * np.multiply.outer(positions, base ** (-np.arange(0, x.shape[-1], 2) / x.shape[-1])))
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * turns
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)


@pytest.mark.parametrize("dtype", ["float32", WIDEST])
def test_rotation_equals_complex_numbers(dtype):
    x = np.random.default_rng(0).normal(size=(2, 3, 7, 8))
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    for positions in (None, np.arange(7) + 90, np.array([0, 5, 5, 2, 1, 300, 1])):
        found = array(transformer.rotate(x.astype(dtype), positions))
        expected = rotated_by_complex_numbers(x, np.arange(7) if positions is None else positions)
        # An angle of 300 radians is itself rounded to 2e-5 in float32.
        np.testing.assert_allclose(found, expected, atol=tolerance if positions is None else 20 * tolerance)
    each_text = np.array([[[0, 1, 2, 3, 4, 5, 6]], [[3, 4, 5, 6, 7, 8, 9]]])
    found = array(transformer.rotate(x.astype(dtype), each_text, base=100.0))
    for text in range(2):
        expected = rotated_by_complex_numbers(x[text], each_text[text, 0], base=100.0)
        np.testing.assert_allclose(found[text], expected, atol=tolerance)


@examples
@hypothesis.given(
    query=hnp.arrays("float64", 6, elements=st.floats(-5, 5, width=32)),
    key=hnp.arrays("float64", 6, elements=st.floats(-5, 5, width=32)),
    place=st.integers(0, 100),
    distance=st.integers(0, 100),
    shift=st.integers(0, 100),
)
def test_rotated_scores_depend_on_the_distance_only(query, key, place, distance, shift):
    def score(offset):
        pair = np.stack([query, key]).astype(WIDEST)
        turned = array(transformer.rotate(pair, np.array([place + offset + distance, place + offset])))
        return turned[0] @ turned[1], np.linalg.norm(turned, axis=-1)

    (here, lengths), (there, _) = score(0), score(shift)
    tolerance = 1e-10 if TENSORFLOW else 5e-3
    np.testing.assert_allclose(here, there, atol=tolerance)
    np.testing.assert_allclose(lengths, [np.linalg.norm(query), np.linalg.norm(key)], atol=tolerance)
    if distance == 0:
        np.testing.assert_allclose(here, query @ key, atol=tolerance)


def test_rotation_equals_kerashub_in_another_order():
    from keras_hub.layers import RotaryEmbedding

    x = np.random.default_rng(0).normal(size=(2, 9, 3, 8)).astype("float32")  # Texts, tokens, heads, depth.
    halves = np.concatenate([x[..., 0::2], x[..., 1::2]], axis=-1)
    theirs = array(RotaryEmbedding()(halves))
    ours = array(transformer.rotate(np.swapaxes(x, 1, 2))).swapaxes(1, 2)
    np.testing.assert_allclose(np.concatenate([ours[..., 0::2], ours[..., 1::2]], -1), theirs, atol=1e-5)


def test_rotation_in_half_precision_tells_late_positions_apart():
    x = ops.cast(np.ones((1, 2, 4)), "bfloat16")
    late = transformer.rotate(x, np.array([256, 257]))
    assert keras.backend.standardize_dtype(late.dtype) == "bfloat16"
    late = array(ops.cast(late, "float32"))
    expected = rotated_by_complex_numbers(np.ones((1, 2, 4)), np.array([256, 257]))
    np.testing.assert_allclose(late, expected, atol=2e-2)


def test_rotation_needs_pairs_and_takes_any_length():
    with pytest.raises(ValueError, match=r"even depth\. Received: x\.shape=\(4, 3\)"):
        transformer.rotate(np.ones((4, 3), "float32"))

    class Turn(keras.layers.Layer):
        def call(self, x):
            return transformer.rotate(x)

    symbolic = keras.Input((None, 4))
    found = keras.Model(symbolic, Turn()(symbolic))(np.ones((1, 5, 4), "float32"))
    expected = rotated_by_complex_numbers(np.ones((1, 5, 4)), np.arange(5))
    np.testing.assert_allclose(array(found), expected, atol=1e-6)


@examples
@hypothesis.given(x=vectors, scale=st.floats(0.5, 20))
def test_rms_norm_equals_numpy_and_keras(x, scale):
    hypothesis.assume((np.abs(x).max(-1) > 0.1).all())
    gamma = np.linspace(0.5, 2, 5)
    expected = gamma * x / np.sqrt(np.mean(x**2, -1, keepdims=True) + 1e-6)
    tolerance = 1e-9 if TENSORFLOW else 1e-4
    found = array(transformer.rms_norm(x.astype(WIDEST), gamma.astype(WIDEST)))
    np.testing.assert_allclose(found, expected, atol=tolerance)
    layer = keras.layers.RMSNormalization(epsilon=1e-6)
    layer.build(x.shape)
    layer.set_weights([gamma])
    np.testing.assert_allclose(array(layer(x.astype("float32"))), expected, atol=1e-4)
    scaled = array(transformer.rms_norm((scale * x).astype(WIDEST), gamma.astype(WIDEST)))
    np.testing.assert_allclose(scaled, expected, atol=1e-3)


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("masked", [False, True])
def test_grouped_queries_equal_keras(groups, masked):
    from course_lib import attention

    theirs = keras.layers.GroupQueryAttention(4, 6, groups)
    x = np.random.default_rng(3).normal(size=(2, 5, 8)).astype("float32")
    mask = np.arange(5) < np.array([[5], [3]])
    theirs(x, x)
    disturbed(theirs)
    w = {each.path.split("/", 1)[1]: array(each) for each in theirs.weights}

    def heads(name):
        kernel, bias = w[f"{name}/kernel"], w[f"{name}/bias"]
        return (np.einsum("btm,mhd->bhtd", x, kernel) + bias[:, None]).astype("float32")

    options = {"mask": mask[:, None, None]} if masked else {}
    found = transformer.grouped_query_attention(heads("query"), heads("key"), heads("value"), **options)
    assert found.shape == (2, 6, 5, 4)
    if groups == 6:
        plain = attention.scaled_dot_product_attention(
            heads("query"), heads("key"), heads("value"), **options
        )
        np.testing.assert_array_equal(array(found), array(plain))
    output = (
        np.einsum("bhtd,hdm->btm", array(found), w["attention_output/kernel"]) + w["attention_output/bias"]
    )
    expected = theirs(x, x, **({"value_mask": mask} if masked else {}))
    np.testing.assert_allclose(output, array(expected), atol=1e-5)


def test_groups_must_fit():
    x = np.ones((1, 6, 2, 4), "float32")
    with pytest.raises(ValueError, match="6 query heads cannot share 4 heads"):
        transformer.grouped_query_attention(x, x[:, :4], x[:, :4])
