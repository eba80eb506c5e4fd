"""course_lib.attention against plain Python, against Keras and against its own promises, on each backend."""

import math

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from course_lib import attention

pytestmark = pytest.mark.backend

TENSORFLOW = keras.backend.backend() == "tensorflow"
WIDEST = "float64" if TENSORFLOW else "float32"  # JAX has no float64 unless its 64-bit mode is on.
TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-12}

examples = hypothesis.settings(deadline=None, max_examples=20, database=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def reference(query, key, value, mask=None):
    """Attention of one sequence, written out in Python's own floats: returns output and weights."""
    output, weights = np.zeros((len(query), value.shape[1])), np.zeros((len(query), len(key)))
    for i, q in enumerate(query):
        allowed = [j for j in range(len(key)) if mask is None or mask[i][j]]
        fits = {
            j: math.exp(math.fsum(a * b for a, b in zip(q, key[j], strict=True)) / len(q) ** 0.5)
            for j in allowed
        }
        for j in allowed:
            weights[i, j] = fits[j] / math.fsum(fits.values())
            for c in range(value.shape[1]):
                output[i, c] += weights[i, j] * value[j, c]
    return output, weights


def inputs(seed, leading=(), queries=4, keys=5, depth=3, value_depth=2, dtype=WIDEST):
    rng = np.random.default_rng(seed)
    shapes = [(queries, depth), (keys, depth), (keys, value_depth)]
    return [ops.cast(rng.normal(size=leading + shape).astype(WIDEST), dtype) for shape in shapes]


def array(tensor):
    return ops.convert_to_numpy(ops.cast(tensor, WIDEST)).astype("float64")


def arrays(*tensors):
    return [array(each) for each in tensors]


def autodiff(function, tensors):
    """Gradients of the scalar `function(*tensors)` by the backend's automatic differentiation."""
    if TENSORFLOW:
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(each) for each in tensors]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            result = function(*tensors)
        return arrays(*tape.gradient(result, tensors))
    if keras.backend.backend() == "torch":
        import torch

        tensors = [ops.convert_to_tensor(each).detach().requires_grad_() for each in tensors]
        return [each.numpy().astype("float64") for each in torch.autograd.grad(function(*tensors), tensors)]
    import jax

    return arrays(*jax.grad(function, argnums=tuple(range(len(tensors))))(*tensors))


class TestSoftmax:
    def test_gives_the_textbook_values(self):
        expected = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
        np.testing.assert_allclose(array(attention.softmax([1.0, 2.0, 3.0])), expected, rtol=1e-6)

    @examples
    @hypothesis.given(seeds, st.floats(0.01, 1e4), st.sampled_from([0, 1, -1]))
    def test_sums_to_one_along_its_axis_only(self, seed, spread, axis):
        scores = np.random.default_rng(seed).normal(size=(3, 4)) * spread
        weights = array(attention.softmax(scores.astype(WIDEST), axis=axis))
        assert weights.shape == (3, 4)
        assert (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(axis=axis), 1.0, atol=1e-6)

    @examples
    @hypothesis.given(seeds, st.integers(-(10**6), 10**6))
    def test_is_blind_to_a_shift(self, seed, shift):
        scores = np.random.default_rng(seed).integers(
            -8, 8, size=6
        )  # Integers: the shift itself rounds nothing.
        np.testing.assert_array_equal(
            array(attention.softmax((scores + shift).astype(WIDEST))),
            array(attention.softmax(scores.astype(WIDEST))),
        )

    @pytest.mark.parametrize("dtype", ["float16", "float32"])
    def test_survives_scores_whose_exponentials_overflow(self, dtype):
        weights = array(attention.softmax(ops.convert_to_tensor([60000.0, 59998.0, -60000.0], dtype=dtype)))
        if dtype == "float32":
            np.testing.assert_allclose(weights, [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2)), 0], atol=1e-6)
        assert np.isfinite(weights).all()
        assert weights.sum() == pytest.approx(1.0, abs=1e-3)

    def test_survives_rows_whose_sum_overflows_float16(self):
        length = 2**17  # As many ones sum to twice float16's largest number.
        weights = array(attention.softmax(ops.zeros((1, length), dtype="float16")))
        np.testing.assert_array_equal(weights, 2.0**-17)

    def test_takes_whole_numbers_as_floats(self):
        weights = attention.softmax(np.array([[1, 2], [3, 3]]))
        assert keras.backend.standardize_dtype(weights.dtype) == keras.config.floatx()
        np.testing.assert_allclose(array(weights)[1], [0.5, 0.5])

    @pytest.mark.parametrize("shape", [(2, 0), (2, 3)])
    def test_gives_zeros_where_nothing_may_be_attended_to(self, shape):
        weights = attention.softmax(np.ones(shape, "float32"), mask=np.zeros(shape, "bool"))
        np.testing.assert_array_equal(array(weights), np.zeros(shape))

    def test_gives_zeros_for_a_row_of_minus_infinity(self):
        weights = attention.softmax(np.array([[-np.inf, -np.inf], [-np.inf, 0.0]], "float32"))
        np.testing.assert_array_equal(array(weights), [[0, 0], [0, 1]])

    def test_is_differentiable_at_a_masked_infinity(self):
        mask = np.array([True, True, False])
        scores = ops.convert_to_tensor([1.0, 2.0, math.inf])
        (gradient,) = autodiff(lambda s: attention.softmax(s, mask=mask)[0], [scores])
        p = 1 / (1 + math.e)
        np.testing.assert_allclose(gradient, [p * (1 - p), -p * (1 - p), 0], rtol=1e-5)


class TestScaledDotProductAttention:
    @pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
    @pytest.mark.parametrize("masked", [False, True])
    def test_equals_plain_python(self, dtype, masked):
        if dtype == "float64" and not TENSORFLOW:
            pytest.skip("JAX has no float64 unless its 64-bit mode is on")
        tensors = inputs(1, dtype=dtype)
        mask = np.random.default_rng(2).random((4, 5)) < 0.6 if masked else None
        output, weights = attention.scaled_dot_product_attention(*tensors, mask, return_weights=True)
        for got, expected in zip((output, weights), reference(*arrays(*tensors), mask), strict=True):
            assert keras.backend.standardize_dtype(got.dtype) == dtype
            np.testing.assert_allclose(array(got), expected, atol=TOLERANCE[dtype])

    def test_returns_the_output_alone_unless_asked(self):
        assert attention.scaled_dot_product_attention(*inputs(0)).shape == (4, 2)

    @examples
    @hypothesis.given(seeds, st.lists(st.integers(1, 3), max_size=3))
    def test_treats_leading_dimensions_as_separate_sequences(self, seed, leading):
        tensors = inputs(seed, tuple(leading))
        output = array(attention.scaled_dot_product_attention(*tensors))
        assert output.shape == (*leading, 4, 2)
        for index in np.ndindex(*leading):
            expected, _ = reference(*(each[index] for each in arrays(*tensors)))
            np.testing.assert_allclose(output[index], expected, atol=TOLERANCE[WIDEST])

    def test_broadcasts_one_key_and_value_over_many_heads(self):
        query = inputs(0, (3,))[0]
        _, key, value = inputs(1)
        output = array(attention.scaled_dot_product_attention(query, key, value))
        for i in range(3):
            expected, _ = reference(array(query)[i], array(key), array(value))
            np.testing.assert_allclose(output[i], expected, atol=TOLERANCE[WIDEST])

    @examples
    @hypothesis.given(seeds, st.permutations(range(5)))
    def test_moves_with_the_order_of_its_tokens(self, seed, order):
        x = inputs(seed)[1]
        moved = ops.take(x, order, axis=0)
        np.testing.assert_allclose(
            array(attention.scaled_dot_product_attention(moved, moved, moved)),
            array(attention.scaled_dot_product_attention(x, x, x))[list(order)],
            atol=TOLERANCE[WIDEST],
        )

    @examples
    @hypothesis.given(seeds)
    def test_stays_inside_the_range_of_the_values(self, seed):
        query, key, value = inputs(seed)
        output = array(attention.scaled_dot_product_attention(query * 5, key, value))
        assert (output <= array(value).max(axis=0) + TOLERANCE[WIDEST]).all()
        assert (output >= array(value).min(axis=0) - TOLERANCE[WIDEST]).all()

    def test_returns_the_fitting_value_for_float16_scores_beyond_its_range(self):
        key = 200.0 * np.eye(3, 64, dtype="float16") + np.float16(200)
        value = np.array([[1.0], [2.0], [3.0]], "float16")
        with np.errstate(over="ignore"):
            assert np.isinf(key @ key.T).all()  # What this test is about.
        output = array(attention.scaled_dot_product_attention(key, key, value))
        np.testing.assert_array_equal(output, value)

    def test_averages_long_float16_rows(self):
        length = 70_000
        key = ops.zeros((length, 2), dtype="float16")
        value = ops.concatenate([ops.ones((length // 2, 1)), 3 * ops.ones((length // 2, 1))])
        output = attention.scaled_dot_product_attention(key[:2], key, ops.cast(value, "float16"))
        np.testing.assert_allclose(array(output), 2.0, atol=2e-3)

    def test_promotes_mixed_dtypes(self):
        query, key, value = inputs(0, dtype="float16")
        output = attention.scaled_dot_product_attention(query, key, ops.cast(value, "float32"))
        assert keras.backend.standardize_dtype(output.dtype) == "float32"

    def test_equals_the_fused_operation_of_keras(self):
        tensors = inputs(3, (2, 4), depth=8, value_depth=8, keys=4, dtype="float32")
        mask = np.random.default_rng(4).random((2, 1, 4, 4)) < 0.5
        mask[..., 0] = True  # The fused operation averages a row with nothing to attend to.
        fused = ops.nn.dot_product_attention(*(ops.swapaxes(each, 1, 2) for each in tensors), mask=mask)
        got = attention.scaled_dot_product_attention(*tensors, mask)
        np.testing.assert_allclose(array(got), array(ops.swapaxes(fused, 1, 2)), atol=1e-5)


class TestMasks:
    def test_causal(self):
        np.testing.assert_array_equal(attention.causal_mask(3), [[1, 0, 0], [1, 1, 0], [1, 1, 1]])
        np.testing.assert_array_equal(attention.causal_mask(2, 4), [[1, 0, 0, 0], [1, 1, 0, 0]])
        assert keras.backend.standardize_dtype(attention.causal_mask(1).dtype) == "bool"

    def test_padding(self):
        mask = attention.padding_mask(np.array([[5, 7, 0], [4, 0, 0]]))
        np.testing.assert_array_equal(mask, [[[1, 1, 0]], [[1, 0, 0]]])
        np.testing.assert_array_equal(attention.padding_mask([5, 0, 1], pad_id=1), [[1, 1, 0]])

    @examples
    @hypothesis.given(seeds, st.integers(1, 4))
    def test_no_token_sees_a_later_one(self, seed, kept):
        x = array(inputs(seed)[1])
        other = np.concatenate([x[:kept], -x[kept:] + 1])
        first, second = (
            array(
                attention.scaled_dot_product_attention(*[each.astype(WIDEST)] * 3, attention.causal_mask(5))
            )
            for each in (x, other)
        )
        np.testing.assert_allclose(first[:kept], second[:kept], atol=TOLERANCE[WIDEST])
        assert not np.allclose(first[kept:], second[kept:], atol=1e-3)

    def test_padding_is_as_good_as_absent(self):
        x = inputs(0, keys=6, depth=4, dtype="float32")[1]
        padded = ops.concatenate([x, 1e4 * ops.ones((3, 4))])
        ids = [1] * 6 + [0] * 3
        output = attention.scaled_dot_product_attention(padded, padded, padded, attention.padding_mask(ids))
        expected = attention.scaled_dot_product_attention(x, x, x)
        np.testing.assert_allclose(array(output)[:6], array(expected), atol=1e-5)

    @pytest.mark.parametrize("dtype", ["float16", "float32"])
    def test_a_query_that_may_attend_to_nothing_gets_zeros_and_passes_no_gradient(self, dtype):
        tensors = inputs(0, dtype=dtype)
        mask = np.ones((4, 5), "bool")
        mask[1] = False
        output, weights = attention.scaled_dot_product_attention(*tensors, mask, return_weights=True)
        assert not array(output)[1].any()
        assert not array(weights)[1].any()
        assert np.isfinite(array(output)).all()
        by_autodiff = autodiff(
            lambda *each: ops.sum(attention.scaled_dot_product_attention(*each, mask) ** 2), tensors
        )
        upstream = ops.ones((4, 2), dtype=dtype)
        for gradients in (by_autodiff, arrays(*attention.attention_gradients(*tensors, upstream, mask))):
            assert all(np.isfinite(each).all() for each in gradients)
            assert not gradients[0][1].any()
            assert gradients[0][0].any()


class TestGradients:
    @pytest.mark.parametrize("masked", [False, True])
    def test_equal_finite_differences(self, masked):
        query, key, value = arrays(*inputs(5))
        mask = np.random.default_rng(6).random((4, 5)) < 0.6 if masked else None
        upstream = np.random.default_rng(7).normal(size=(4, 2))
        tensors = [each.astype(WIDEST) for each in (query, key, value, upstream)]
        got = arrays(*attention.attention_gradients(*tensors, mask))
        step = 1e-6
        for which, gradient in enumerate(got):
            expected = np.zeros_like(gradient)
            for index in np.ndindex(gradient.shape):
                ends = []
                for sign in (1, -1):
                    moved = [query.copy(), key.copy(), value.copy()]
                    moved[which][index] += sign * step
                    ends.append((reference(*moved, mask)[0] * upstream).sum())
                expected[index] = (ends[0] - ends[1]) / (2 * step)
            assert expected.any()
            np.testing.assert_allclose(gradient, expected, atol=1e-8 if TENSORFLOW else 1e-5)

    @examples
    @hypothesis.given(seeds, st.sampled_from([(), (2,), (2, 3)]))
    def test_equal_automatic_differentiation(self, seed, leading):
        tensors = inputs(seed, leading)
        upstream = inputs(seed + 1, leading, keys=4)[2]
        expected = autodiff(
            lambda *each: ops.sum(attention.scaled_dot_product_attention(*each) * upstream), tensors
        )
        for got, right in zip(attention.attention_gradients(*tensors, upstream), expected, strict=True):
            np.testing.assert_allclose(array(got), right, atol=10 * TOLERANCE[WIDEST])


class TestHeads:
    def test_each_head_gets_its_slice_of_the_channels(self):
        x = np.arange(2 * 3 * 8, dtype="float32").reshape(2, 3, 8)
        heads = array(attention.split_heads(x, 4))
        assert heads.shape == (2, 4, 3, 2)
        for head in range(4):
            np.testing.assert_array_equal(heads[:, head], x[:, :, 2 * head : 2 * head + 2])

    @examples
    @hypothesis.given(
        st.lists(st.integers(1, 3), max_size=2), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)
    )
    def test_joining_undoes_splitting(self, leading, length, num_heads, depth):
        shape = (*leading, length, num_heads * depth)
        x = np.arange(math.prod(shape), dtype="float32").reshape(shape)
        np.testing.assert_array_equal(array(attention.join_heads(attention.split_heads(x, num_heads))), x)


class TestPositions:
    def test_follow_the_paper_channel_by_channel(self):
        waves = array(attention.sinusoidal_positions(50, 8))
        for position in (0, 1, 49):
            for i in range(4):
                angle = position / 10000 ** (2 * i / 8)
                expected = [math.sin(angle), math.cos(angle)]
                np.testing.assert_allclose(waves[position, 2 * i : 2 * i + 2], expected, atol=1e-6)

    def test_dot_products_depend_on_the_distance_only(self):
        waves = array(attention.sinusoidal_positions(40, 32, dtype=WIDEST))
        products = waves @ waves.T
        for distance in range(40):
            diagonal = np.diagonal(products, distance)
            np.testing.assert_allclose(diagonal, diagonal[0], atol=10 * TOLERANCE[WIDEST])
        assert products[0, 0] > products[0, 1] > products[0, 4]

    def test_an_odd_depth_ends_on_a_sine(self):
        np.testing.assert_allclose(
            array(attention.sinusoidal_positions(9, 7)[:, 6]),
            np.sin(np.arange(9) / 10000 ** (6 / 7)),
            atol=1e-6,
        )

    def test_come_in_the_dtype_asked_for(self):
        assert keras.backend.standardize_dtype(attention.sinusoidal_positions(2, 2).dtype) == "float32"
        assert (
            keras.backend.standardize_dtype(attention.sinusoidal_positions(2, 2, "float16").dtype)
            == "float16"
        )


class Counted:
    """A number that counts the multiplications it takes part in."""

    count = 0

    def __mul__(self, other):
        Counted.count += 1
        return self

    def __add__(self, other):
        return self


class TestMultiplications:
    @pytest.mark.parametrize(("length", "depth"), [(1, 1), (3, 5), (7, 2)])
    @pytest.mark.parametrize("projections", [False, True])
    def test_equal_a_count_of_them(self, length, depth, projections):
        x = np.full((length, depth), Counted())
        kernel, weights = np.full((depth, depth), Counted()), np.full((length, length), Counted())
        Counted.count = 0
        _ = x @ x.T, weights @ x
        if projections:
            _ = [x @ kernel for _ in range(4)]
        assert attention.multiplications(length, depth, projections=projections) == Counted.count > 0

    def test_do_not_wrap_around(self):
        assert attention.multiplications(np.int32(100_000), np.int32(1024)) == 2 * 10**10 * 1024


def both_layers(seed=0, query_depth=6, value_depth=6, num_heads=2, key_dim=4, use_bias=True, dtype="float32"):
    """The course's layer and Keras' with the same weights, none of them zero, and inputs for them."""
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    query = rng.normal(size=(2, 5, query_depth)).astype("float32")
    value = rng.normal(size=(2, 7, value_depth)).astype("float32")
    settings = {"num_heads": num_heads, "key_dim": key_dim, "use_bias": use_bias, "dtype": dtype}
    theirs = keras.layers.MultiHeadAttention(**settings)
    theirs.build(query.shape, value.shape)
    theirs.set_weights([rng.normal(size=each.shape) for each in theirs.weights])
    ours = attention.MultiHeadAttention(**settings)
    ours.build(query.shape, value.shape)
    ours.copy_weights_from(theirs)
    return ours, theirs, query, value


class TestLayer:
    @pytest.mark.parametrize("use_bias", [True, False])
    @pytest.mark.parametrize("causal", [True, False])
    @pytest.mark.parametrize("masked", [True, False])
    def test_equals_the_layer_of_keras(self, use_bias, causal, masked):
        ours, theirs, query, value = both_layers(use_bias=use_bias, value_depth=3)
        mask = np.random.default_rng(0).random((2, 5, 7)) < 0.5
        mask[0, 3] = False
        call = {
            "use_causal_mask": causal,
            "return_attention_scores": True,
            "attention_mask": mask if masked else None,
        }
        for got, expected in zip(ours(query, value, **call), theirs(query, value, **call), strict=True):
            np.testing.assert_allclose(array(got), array(expected), atol=1e-4)

    def test_takes_a_key_of_its_own(self):
        ours, theirs, query, value = both_layers()
        key = value[:, ::-1] ** 2  # Not `value` plus something: attention is blind to a shift of all keys.
        np.testing.assert_allclose(
            array(ours(query, value, key)), array(theirs(query, value, key)), atol=1e-4
        )

    def test_runs_in_mixed_precision(self):
        ours, theirs, query, value = both_layers(dtype="mixed_float16")
        output = ours(query, value)
        assert keras.backend.standardize_dtype(output.dtype) == "float16"
        np.testing.assert_allclose(array(output), array(theirs(query, value)), rtol=0.02, atol=0.1)

    @pytest.mark.parametrize("causal", [True, False])
    def test_honours_the_mask_of_an_embedding_in_a_model_of_any_length(self, causal):
        ids = keras.Input((None,), dtype="int32")
        embedded = keras.layers.Embedding(10, 6, mask_zero=True)(ids)
        output = attention.MultiHeadAttention(2, 4)(embedded, embedded, use_causal_mask=causal)
        model = keras.Model(ids, output)
        assert model.output_shape == (None, None, 6)
        short = model.predict(np.array([[3, 4, 5]]), verbose=0)
        padded = model.predict(np.array([[3, 0, 4, 5, 0], [1, 2, 3, 4, 5]]), verbose=0)
        np.testing.assert_allclose(padded[0, [0, 2, 3]], short[0], atol=1e-5)

    def test_gives_padding_no_weight(self):
        embedded = keras.layers.Embedding(10, 6, mask_zero=True)(np.array([[3, 0, 5, 0, 0]]))
        _, weights = attention.MultiHeadAttention(2, 4)(embedded, embedded, return_attention_scores=True)
        assert weights.shape == (1, 2, 5, 5)
        assert not array(weights)[..., [1, 3, 4]].any()
        np.testing.assert_allclose(array(weights).sum(axis=-1), 1.0, atol=1e-5)

    def test_learns_to_copy_the_first_token(self):
        keras.utils.set_random_seed(0)
        x = np.random.default_rng(0).normal(size=(64, 4, 3)).astype("float32")
        x[:, 0] += np.array([4.0, 0.0, 0.0])
        inputs_ = keras.Input((4, 3))
        model = keras.Model(inputs_, attention.MultiHeadAttention(1, 8)(inputs_, inputs_))
        model.compile(keras.optimizers.Adam(0.02), "mse")
        target = np.repeat(x[:, :1], 4, axis=1)
        losses = model.fit(x, target, epochs=30, batch_size=64, verbose=0).history["loss"]
        assert losses[-1] < 0.3 * losses[0]

    def test_is_saved_and_loaded(self, tmp_path):
        inputs_ = keras.Input((4, 3))
        model = keras.Model(
            inputs_, attention.MultiHeadAttention(2, 5, use_bias=False, name="heads")(inputs_, inputs_)
        )
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        config = again.get_layer("heads").get_config()
        assert (config["num_heads"], config["key_dim"], config["use_bias"]) == (2, 5, False)
        x = np.random.default_rng(0).normal(size=(1, 4, 3)).astype("float32")
        np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)

    @pytest.mark.parametrize(
        "change", [{"num_heads": 4, "key_dim": 2}, {"use_bias": False}, {"value_depth": 3}]
    )
    def test_refuses_weights_of_other_sizes(self, change):
        ours = both_layers()[0]
        theirs = both_layers(**change)[1]
        before = ours.get_weights()
        with pytest.raises(ValueError, match="same heads and sizes"):
            ours.copy_weights_from(theirs)
        for old, new in zip(before, ours.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)

    def test_refuses_weights_of_a_layer_not_built(self):
        with pytest.raises(ValueError, match="must be built"):
            both_layers()[0].copy_weights_from(keras.layers.MultiHeadAttention(2, 4))
        with pytest.raises(ValueError, match="must be built"):
            attention.MultiHeadAttention(2, 4).copy_weights_from(both_layers()[1])


def zeros(*shape):
    return np.zeros(shape, "float32")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: attention.scaled_dot_product_attention(zeros(3), zeros(3), zeros(3)),
            r"\(\.\.\., length, depth\)",
        ),
        (
            lambda: attention.scaled_dot_product_attention(zeros(2, 3), zeros(5, 4), zeros(5, 4)),
            r"same depth.*query\.shape=\(2, 3\), key\.shape=\(5, 4\)",
        ),
        (
            lambda: attention.scaled_dot_product_attention(zeros(2, 3), zeros(5, 3), zeros(4, 3)),
            r"same length.*key\.shape=\(5, 3\), value\.shape=\(4, 3\)",
        ),
        (
            lambda: attention.scaled_dot_product_attention(zeros(2, 2, 3), zeros(3, 2, 3), zeros(3, 2, 3)),
            r"must broadcast.*query\.shape=\(2, 2, 3\)",
        ),
        (
            lambda: attention.scaled_dot_product_attention(
                zeros(2, 3), zeros(5, 3), zeros(5, 3), zeros(2, 5)
            ),
            r"must be boolean.*float32",
        ),
        (
            lambda: attention.scaled_dot_product_attention(
                zeros(4, 2, 3), zeros(4, 5, 3), zeros(4, 5, 3), np.ones((4, 5), bool)
            ),
            r"must broadcast to the scores.*mask\.shape=\(4, 5\), scores\.shape=\(4, 2, 5\)",
        ),
        (
            lambda: attention.scaled_dot_product_attention(
                zeros(2, 3), zeros(5, 3), zeros(5, 3), np.ones((7, 2, 5), bool)
            ),
            r"must broadcast to the scores.*mask\.shape=\(7, 2, 5\)",
        ),
        (
            lambda: attention.attention_gradients(zeros(2, 3), zeros(5, 3), zeros(5, 4), zeros(2, 3)),
            r"the shape of the output, \(2, 4\)",
        ),
        (
            lambda: attention.attention_gradients(zeros(7, 2, 3), zeros(5, 3), zeros(5, 4), zeros(7, 2, 4)),
            "same leading dimensions",
        ),
        (lambda: attention.split_heads(zeros(2, 9), 2), r"num_heads \* depth.*\(2, 9\), num_heads=2"),
        (
            lambda: attention.split_heads(zeros(2, 4), 0),
            "`num_heads` must be a positive integer.*num_heads=0",
        ),
        (lambda: attention.join_heads(zeros(2, 9)), r"\(\.\.\., num_heads, length, depth\).*\(2, 9\)"),
        (lambda: attention.causal_mask(0), "`query_length` must be a positive integer.*query_length=0"),
        (lambda: attention.causal_mask(2, 2.5), r"`key_length` must be a positive integer.*2\.5"),
        (lambda: attention.sinusoidal_positions(3, -2), "`depth` must be a positive integer.*depth=-2"),
        (lambda: attention.multiplications(True, 2), "`length` must be a positive integer.*length=True"),
        (lambda: attention.MultiHeadAttention(0, 2), "`num_heads` must be a positive integer"),
        (lambda: attention.MultiHeadAttention(2, "4"), "`key_dim` must be a positive integer.*'4'"),
    ],
)
def test_errors_say_what_was_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
