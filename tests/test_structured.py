"""Smaller networks against the larger ones with zeros where the removed units are read."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops
from test_low_rank import Subclass, difference, numbers, randomized, zeros_at_first  # noqa: F401

from course_lib import attention, pruning, transformer

pytestmark = pytest.mark.backend
PICTURES = (3, 8, 8, 3)


def zero_rows(model, name, rows, axis=-2):
    """Zeros in a kernel for the inputs `rows`."""
    layer = model.get_layer(name)
    kernel = next(v for v in layer.weights if v.name in ("kernel", "pointwise_kernel"))
    value = np.moveaxis(ops.convert_to_numpy(kernel).copy(), axis, 0)
    value[list(rows)] = 0
    kernel.assign(np.moveaxis(value, 0, axis))


def functional(*steps, shape=PICTURES[1:]):
    inputs = x = keras.Input(shape)
    for step in steps:
        x = step(x)
    return randomized(keras.Model(inputs, x))


def shapes(model, name):
    return [value.shape for value in model.get_layer(name).get_weights()]


@pytest.mark.parametrize("kind", ["Functional", "Sequential"])
def test_filters_through_normalisation_and_flatten(kind):
    steps = [
        layers.Conv2D(6, 3, padding="same", use_bias=False, name="one"),
        layers.BatchNormalization(name="norm"),
        layers.Activation("silu"),
        layers.MaxPooling2D(),
        layers.Conv2D(5, 3, activation="relu", name="two"),
        layers.PReLU(shared_axes=[1, 2], name="prelu"),
        layers.Flatten(),
        layers.Dense(7, activation="relu", name="fc"),
        layers.Dense(3, name="out"),
    ]
    sequential = keras.Sequential([keras.Input(PICTURES[1:]), *steps])
    model = functional(*steps) if kind == "Functional" else randomized(sequential)
    smaller = pruning.keep(model, filters={"one": [0, 2, 5], "two": [1, 2, 4]}, neurons={"fc": [6, 0, 1]})
    assert type(smaller) is type(model)
    zero_rows(model, "two", [1, 3, 4])
    zero_rows(model, "fc", [place * 5 + each for place in range(4) for each in (0, 3)])
    zero_rows(model, "out", [2, 3, 4, 5])
    assert difference(model, smaller, numbers(*PICTURES)) < 1e-5
    assert shapes(smaller, "norm") == [(3,)] * 4
    assert shapes(smaller, "two") == [(3, 3, 3, 3), (3,)]
    assert shapes(smaller, "fc") == [(12, 3), (3,)]


def residual():
    inputs = keras.Input(PICTURES[1:])
    x = layers.Conv2D(6, 3, padding="same", name="stem")(inputs)
    x = shortcut = layers.ReLU()(layers.BatchNormalization(name="n0")(x))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="main")(x)
    x = layers.BatchNormalization(name="n1")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = ops.relu(layers.Add()([x, shortcut]) * 0.5)
    x = layers.GlobalAveragePooling2D()(x)
    return randomized(keras.Model(inputs, layers.Dense(2, name="out")(x)))


@pytest.mark.parametrize("named", [["stem"], ["main"], ["stem", "main"], ["depthwise"]])
def test_filters_that_a_residual_joins_go_together(named):
    model = residual()
    smaller = pruning.keep(model, filters={name: [1, 4, 5] for name in named})
    zero_rows(model, "main", [0, 2, 3])
    zero_rows(model, "out", [0, 2, 3])
    assert difference(model, smaller, numbers(*PICTURES)) < 1e-5
    assert shapes(smaller, "main") == [(3, 3, 3, 3)]
    assert shapes(smaller, "depthwise") == [(3, 3, 3, 1), (3,)]
    assert shapes(smaller, "stem") == [(3, 3, 3, 3), (3,)]


def test_joined_filters_that_differ_are_refused():
    with pytest.raises(ValueError, match="stem keeps unit 5, which goes with one that main loses"):
        pruning.keep(residual(), filters={"stem": [1, 4, 5], "main": [0, 1, 4]})


def test_a_convolution_that_takes_part_of_another_s_filters():
    inputs = keras.Input(PICTURES[1:])
    two, four = layers.Conv2D(2, 1, name="two")(inputs), layers.Conv2D(4, 1, name="four")(inputs)
    six = layers.Conv2D(6, 1, name="six")(inputs)
    x = layers.Concatenate()([two, four]) + six
    model = randomized(keras.Model(inputs, layers.Conv2D(2, 3, name="out")(x)))
    smaller = pruning.keep(model, filters={"six": [0, 3, 4]})
    zero_rows(model, "out", [1, 2, 5])
    assert difference(model, smaller, numbers(*PICTURES)) < 1e-5
    assert [smaller.get_layer(name).filters for name in ("two", "four", "six")] == [1, 2, 3]
    with pytest.raises(ValueError, match="two would have no unit left"):
        pruning.keep(model, filters={"six": [2, 3]})


def test_squeeze_and_excitation():
    inputs = keras.Input(PICTURES[1:])
    x = layers.Conv2D(6, 3, activation="relu", name="one")(inputs)
    gate = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(x))
    gate = layers.Conv2D(2, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(6, 1, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply()([x, gate])
    model = randomized(keras.Model(inputs, layers.Conv2D(2, 3, name="out")(x)))
    smaller = pruning.keep(model, filters={"one": [0, 1, 5], "squeeze": [1]})
    zero_rows(model, "squeeze", [2, 3, 4])
    zero_rows(model, "excite", [0])
    zero_rows(model, "out", [2, 3, 4])
    assert difference(model, smaller, numbers(*PICTURES)) < 1e-5
    assert smaller.get_layer("excite").filters == 3


def test_convolutions_of_one_and_three_axes_transposed_and_separable():
    one = functional(
        layers.Conv1D(4, 3, activation="relu", name="a"),
        layers.SeparableConv1D(5, 2, depth_multiplier=2, name="b"),
        layers.Conv1DTranspose(3, 2, name="c"),
        layers.LSTM(2, name="d"),
        shape=(8, 3),
    )
    smaller = pruning.keep(one, filters={"a": [0, 3], "b": [1, 4], "c": [2]})
    zero_rows(one, "b", [2, 3, 4, 5])
    zero_rows(one, "c", [0, 2, 3], axis=-1)
    zero_rows(one, "d", [0, 1])
    assert difference(one, smaller, numbers(2, 8, 3)) < 1e-5
    three = functional(layers.Conv3D(3, 2, name="a"), layers.Conv3D(2, 1, name="b"), shape=(3, 3, 3, 1))
    smaller = pruning.keep(three, filters={"a": [2]})
    zero_rows(three, "b", [0, 1])
    assert difference(three, smaller, numbers(2, 3, 3, 3, 1)) < 1e-5


def grouped():
    return functional(
        layers.Conv2D(8, 3, activation="relu", name="a"),
        layers.Conv2D(12, 3, groups=4, activation="relu", name="g"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, name="out"),
    )


def test_groups_stay_equal_or_go_whole():
    model, x = grouped(), numbers(*PICTURES)
    inputs, filters = [0, 3, 4, 7], [0, 1, 3, 4, 6, 8, 9, 10]
    smaller = pruning.keep(model, filters={"a": inputs, "g": filters})
    whole = pruning.keep(model, filters={"a": [0, 1, 4, 5], "g": [0, 1, 2, 6, 7, 8]})
    assert whole.get_layer("g").groups == 2
    assert shapes(smaller, "g") == [(3, 3, 1, 8), (8,)]
    kernel = model.get_layer("g").kernel
    value = ops.convert_to_numpy(kernel).copy()
    for output in range(12):
        for i in range(2):
            if output // 3 * 2 + i not in inputs:
                value[:, :, i, output] = 0
    kernel.assign(value)
    zero_rows(model, "out", [each for each in range(12) if each not in filters])
    assert difference(model, smaller, x) < 1e-5
    model = grouped()
    zero_rows(model, "out", [3, 4, 5, 9, 10, 11])
    assert difference(model, whole, x) < 1e-5
    for unequal in ({"a": [0, 1, 2]}, {"g": [0, 3, 4, 6, 9]}, {"a": [0, 1]}):
        with pytest.raises(ValueError, match="g has 4 groups, which need equally many"):
            pruning.keep(model, filters=unequal)


def test_a_grouped_convolution_of_one_channel_each_is_depthwise():
    model = functional(
        layers.Conv2D(4, 3, name="a"),
        layers.Conv2D(8, 3, groups=4, name="g"),
        layers.Conv2D(2, 1, name="out"),
    )
    smaller = pruning.keep(model, filters={"a": [1, 3]})
    zero_rows(model, "out", [0, 1, 4, 5])
    assert difference(model, smaller, numbers(*PICTURES)) < 1e-5
    assert smaller.get_layer("g").groups == 2
    multiplied = functional(
        layers.Conv2D(4, 3, name="a"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, name="d"),
        layers.Conv2D(2, 1, name="out"),
    )
    smaller = pruning.keep(multiplied, filters={"d": [2, 3, 6, 7]})
    zero_rows(multiplied, "out", [0, 1, 4, 5])
    assert difference(multiplied, smaller, numbers(*PICTURES)) < 1e-5
    with pytest.raises(ValueError, match="d keeps unit 1"):
        pruning.keep(multiplied, filters={"d": [1, 2, 3]})


def test_a_layer_that_is_used_twice():
    a, b, shared = keras.Input((4,)), keras.Input((4,)), layers.Dense(5, activation="relu", name="shared")
    first = layers.Dense(6, activation="relu", name="first")(a)
    second = layers.Dense(6, activation="relu", name="second")(b)
    x = layers.Concatenate()([shared(first), shared(second)])
    model = randomized(keras.Model([a, b], layers.Dense(2, name="out")(x)))
    smaller = pruning.keep(model, neurons={"shared": [0, 2], "first": [1, 2, 3]})
    zero_rows(model, "shared", [0, 4, 5])
    zero_rows(model, "out", [1, 3, 4, 6, 8, 9])
    assert difference(model, smaller, [numbers(3, 4), numbers(3, 4, seed=5)]) < 1e-5
    assert smaller.get_layer("second").units == 3


def test_units_in_a_nested_model():
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="b")(layers.Dense(6, activation="relu", name="a")(inputs))
    tower, outer = keras.Model(inputs, x, name="tower"), keras.Input((4,))
    model = randomized(keras.Model(outer, layers.Dense(2, name="out")(tower(outer))))
    smaller = pruning.keep(model, neurons={"tower/a": [1, 5]})
    zero_rows(model.get_layer("tower"), "b", [0, 2, 3, 4])
    assert difference(model, smaller, numbers(3, 4)) < 1e-5
    with pytest.raises(ValueError, match="b has to keep its units: they are an output of the model"):
        pruning.keep(model, neurons={"tower/b": [0]})


def test_masked_units_leave_their_constant_in_the_next_bias():
    model = functional(
        layers.Conv2D(6, 3, name="a"),
        layers.BatchNormalization(),
        layers.Activation("sigmoid"),
        layers.MaxPooling2D(),
        layers.Conv2D(4, 2, use_bias=False, name="b"),
        layers.SeparableConv2D(4, 2, depth_multiplier=2, use_bias=False, name="separable"),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5, activation="softplus", name="c"),
        layers.Dense(2, name="out"),
    )
    zero_rows(model, "a", [0, 2], axis=-1)
    zero_rows(model, "c", [1], axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        smaller = pruning.keep(model, filters={"a": [1, 3, 4, 5]}, neurons={"c": [0, 2, 3, 4]})
    assert difference(model, smaller, numbers(*PICTURES)) < 1e-5
    assert shapes(smaller, "b") == [(2, 2, 4, 4), (4,)]
    zero_rows(smaller, "b", [1], axis=-1)
    smaller.get_layer("b").bias.assign([0.1, 2.0, 0.3, 0.4])  # Of the second, which is masked, 2 is left.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        least = pruning.keep(smaller, filters={"b": [0, 2, 3]})
    assert difference(smaller, least, numbers(*PICTURES)) < 1e-5


def test_a_mask_is_no_channel_and_what_cannot_go_is_named():
    ids = keras.Input((5,), dtype="int32")
    hidden = layers.Embedding(20, 6, mask_zero=True, name="table")(ids)
    hidden = layers.LSTM(3, name="lstm")(layers.Dense(6, name="dense")(hidden))
    model = keras.Model(ids, layers.Dense(2, name="out")(hidden))
    smaller = pruning.keep(model, neurons={"dense": [0, 2, 3]})
    zero_rows(model, "lstm", [1, 4, 5])
    assert difference(model, smaller, np.array([[3, 4, 0, 0, 0], [1, 2, 3, 4, 5]])) < 1e-5
    with pytest.raises(ValueError, match=r"'lstm', which is a LSTM, with neurons that can go\..* dense, out"):
        pruning.keep(model, neurons={"lstm": [0]})


def test_masked_units_whose_constant_has_no_place_are_told():
    def model(bias):
        network = functional(
            layers.Conv2D(6, 3, activation="relu", name="a"),
            layers.Conv2D(4, 3, padding="same", name="b"),
        )
        zero_rows(network, "a", [0, 2], axis=-1)
        kernel, old = network.get_layer("a").get_weights()
        network.get_layer("a").set_weights([kernel, np.where(np.isin(range(6), [0, 2]), bias, old)])
        return network

    with pytest.warns(UserWarning, match=r"up to 0\.3, and the layers that read them.*: b\. Set"):
        pruning.keep(model(0.3), filters={"a": [1, 3, 4, 5]})
    network = model(0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        smaller = pruning.keep(network, filters={"a": [1, 3, 4, 5]})
    assert difference(network, smaller, numbers(*PICTURES)) < 1e-5


@pytest.mark.parametrize("kind", [layers.MultiHeadAttention, attention.MultiHeadAttention])
def test_masked_heads_leave_their_constant(kind):
    inputs = keras.Input((5, 8))
    layer = kind(4, 3, name="heads")
    model = randomized(keras.Model(inputs, layer(inputs, inputs)))
    values = next(v for v in layer.weights if v.path.endswith("value/kernel"))
    kernel = ops.convert_to_numpy(values).copy()
    kernel.reshape(8, 4, 3)[:, [1, 2]] = 0
    values.assign(kernel)
    smaller = pruning.keep(model, heads={"heads": [0, 3]})
    assert difference(model, smaller, numbers(2, 5, 8)) < 1e-5


def test_masked_heads_and_neurons_of_blocks_leave_their_constant():
    model = encoder()
    block = transformer.blocks(model)[1]
    for dense, columns in ((block.attention.value_dense, [2, 3]), (block.intermediate_dense, [0, 7])):
        kernel = ops.convert_to_numpy(dense.kernel).copy()
        kernel[:, columns] = 0
        dense.kernel.assign(kernel)
    smaller = pruning.keep(
        model,
        heads={block.name: [0, 2, 3]},
        neurons={block.name: [each for each in range(12) if each not in (0, 7)]},
    )
    assert difference(model, smaller, tokens()) < 1e-5


def test_lora_of_smaller_layers_is_merged_and_of_others_kept():
    model = functional(
        layers.Dense(6, name="a"), layers.Dense(5, name="b"), layers.Dense(4, name="c"), shape=(3,)
    )
    model.get_layer("a").enable_lora(2, lora_alpha=3)
    model.get_layer("c").enable_lora(2, lora_alpha=3)
    randomized(model)
    smaller = pruning.keep(model, neurons={"a": [0, 1]})
    zero_rows(model, "b", [2, 3, 4, 5])
    assert difference(model, smaller, numbers(3, 3)) < 1e-5
    assert [smaller.get_layer(name).lora_enabled for name in "abc"] == [False, False, True]


def test_what_mixes_channels_keeps_them():
    def model(*between, **kwargs):
        steps = [layers.Dense(4, name="a", **kwargs), *between, layers.Dense(2, name="out")]
        return functional(*steps, shape=(6, 3))

    mixed = "a has to keep its units"
    for network, message in (
        (model(layers.LayerNormalization(name="ln")), f"{mixed}: ln reads them, a LayerNormalization"),
        (model(layers.Softmax(name="s")), f"{mixed}: s reads them, a Softmax"),
        (model(activation="softmax"), f"{mixed}: the activation of a mixes channels"),
        (model(layers.Bidirectional(layers.LSTM(2), name="bi")), f"{mixed}: bi reads them"),
        (model(layers.Permute((2, 1)), layers.Flatten()), f"{mixed}: permute.* reads them"),
        (model(layers.Lambda(lambda t: t + 1, name="own")), f"{mixed}: own reads them, a Lambda"),
        (model(layers.Conv1D(2, 1, data_format="channels_first", name="cf")), f"{mixed}: cf reads them"),
    ):
        with pytest.raises(ValueError, match=message):
            pruning.keep(network, neurons={"a": [0]})
    own = model(activation=lambda t: t * ops.sigmoid(1.7 * t))
    assert pruning.keep(own, neurons={"a": [0]}).get_layer("a").units == 1


def test_impossible_wishes_are_refused():
    model, subclass = residual(), Subclass()
    subclass(numbers(2, 3))
    quantized = functional(layers.Dense(4, name="a"), layers.Dense(2, name="b"), shape=(3,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized.quantize("int8")
    elsewhere = functional(
        layers.Dense(4, name="a"), layers.Dense(3, name="b"), layers.Dense(2, name="c"), shape=(3,)
    )
    elsewhere.get_layer("c").quantize("int8")
    assert pruning.keep(elsewhere, neurons={"a": [0]}).get_layer("b").get_weights()[0].shape == (1, 3)
    for network, wish, message in (
        (model, {"filters": {"stem": [6]}}, "0 to 5"),
        (model, {"filters": {"stem": []}}, "at least one"),
        (model, {"filters": {"stem": [True, False]}}, "by number"),
        (model, {"filters": {"stem": [0.5]}}, "by number"),
        (
            model,
            {"filters": {"out": [0]}},
            "'out', which is a Dense, with filters that can go. The model has: stem",
        ),
        (model, {"neurons": {"out": [0]}}, "out has to keep its units: they are an output"),
        (model, {"heads": {"stem": [0]}}, "with heads that can go. The model has: none"),
        (subclass, {"neurons": {"dense": [0]}}, "'mine' is a Subclass. A Sequential or Functional"),
        (keras.Sequential([layers.Dense(3, name="a")]), {"neurons": {"a": [0]}}, "is not built"),
        (quantized, {"neurons": {"a": [0]}}, "a is quantized"),
    ):
        with pytest.raises(ValueError, match=message):
            pruning.keep(network, **wish)


def zero_heads(kernel, num_heads, heads):
    value = ops.convert_to_numpy(kernel).copy()
    value.reshape(num_heads, -1)[heads] = 0
    kernel.assign(value)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kind", [layers.MultiHeadAttention, attention.MultiHeadAttention])
def test_heads_of_attention(kind, use_bias):
    inputs, context = keras.Input((5, 8)), keras.Input((4, 6))
    layer = kind(4, 3, use_bias=use_bias, name="heads")
    model = randomized(keras.Model([inputs, context], layer(inputs, context)))
    smaller = pruning.keep(model, heads={"heads": [0, 2]})
    output = next(v for v in layer.weights if v.path.endswith("attention_output/kernel"))
    zero_heads(output, 4, [1, 3])
    x = [numbers(2, 5, 8), numbers(2, 4, 6, seed=3)]
    assert difference(model, smaller, x) < 1e-5
    full = layer.count_params() - (8 if use_bias else 0)
    assert smaller.count_params() == full / 2 + (8 if use_bias else 0)


def encoder(num_layers=2):
    return randomized(transformer.encoder(30, num_layers, 4, 8, 12, max_length=10))


def tokens():
    ids = np.random.default_rng(0).integers(0, 30, (3, 6)).astype("int32")
    return {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": np.ones_like(ids)}


def test_heads_and_neurons_of_blocks_with_lora():
    model = encoder()
    first, second = transformer.blocks(model)
    for dense in (first.output_dense, second.attention.query_dense, second.intermediate_dense):
        dense.enable_lora(2, lora_alpha=3)
    randomized(model)
    name = second.name
    smaller = pruning.keep(model, heads={name: [3, 1]}, neurons={name: [1, 2, 9]})
    zero_heads(second.attention.output_dense.kernel, 4, [0, 2])
    zero_heads(second.output_dense.kernel, 12, [each for each in range(12) if each not in (1, 2, 9)])
    assert difference(model, smaller, tokens()) < 1e-5
    assert transformer.blocks(smaller)[0].output_dense.lora_enabled
    assert not transformer.blocks(smaller)[1].intermediate_dense.lora_enabled


def test_neurons_of_factored_blocks():
    model = encoder()
    block = transformer.blocks(model)[1]
    factored = pruning.factorize(model, {block.name: 8})
    smaller = pruning.keep(factored, heads={block.name: [0]}, neurons={block.name: [3, 4]})
    zero_heads(block.attention.output_dense.kernel, 4, [1, 2, 3])
    zero_heads(block.output_dense.kernel, 12, [each for each in range(12) if each not in (3, 4)])
    assert difference(model, smaller, tokens()) < 2e-5


def test_importance_does_not_ask_what_is_trained():
    model = encoder()
    batches = [(tokens(), None)]

    def loss(_, outputs):
        return ops.sum(ops.square(outputs["sequence_output"]))

    before = pruning.head_importance(model, batches, loss)
    block = transformer.blocks(model)[1]
    block.trainable = False
    transformer.blocks(model)[0].attention.output_dense.enable_lora(2)
    after = pruning.head_importance(model, batches, loss)
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-3, atol=1e-5)


def test_blocks_with_lora_and_inputs_without_names():
    model = encoder(3)
    transformer.blocks(model)[2].attention.value_dense.enable_lora(2)
    randomized(model)
    smaller = pruning.drop_blocks(model, ["transformer_layer_1"])
    states = transformer.hidden_states(model, tokens())
    expected = transformer.blocks(model)[2](states[1], mask=tokens()["padding_mask"])
    got = smaller(tokens())["sequence_output"]
    np.testing.assert_allclose(ops.convert_to_numpy(got), ops.convert_to_numpy(expected), atol=1e-5)
    inputs = keras.Input((5, 8))
    block = transformer.EncoderBlock(2, 4, name="b0")
    plain = randomized(keras.Model(inputs, transformer.EncoderBlock(2, 4, name="b1")(block(inputs))))
    x = numbers(2, 5, 8)
    got = ops.convert_to_numpy(pruning.drop_blocks(plain, "b1")(x))
    np.testing.assert_allclose(got, ops.convert_to_numpy(block(x)), atol=1e-6)


def test_blocks_that_are_models_of_a_sequential():
    def block(name):
        inputs = keras.Input((4,))
        return keras.Model(inputs, layers.Add()([inputs, layers.Dense(4)(inputs)]), name=name)

    inputs = keras.Input((4,))
    by_name = keras.Model(inputs, block("d")(inputs=block("c")(inputs=inputs)))
    assert pruning.drop_blocks(by_name, ["c"]).layers[-1].name == "d"
    model = randomized(keras.Sequential([keras.Input((4,)), block("a"), block("b"), layers.Dense(2)]))
    smaller = pruning.drop_blocks(model, ["a"])
    x = numbers(3, 4)
    expected = model.layers[2](model.layers[1](x))
    np.testing.assert_allclose(ops.convert_to_numpy(smaller(x)), ops.convert_to_numpy(expected), atol=1e-6)
    for dropped in (["a", "b"], ["c"], ["dense"]):
        with pytest.raises(ValueError, match=r"not all.*has: a, b$"):
            pruning.drop_blocks(model, dropped)


def test_shares_of_nothing_known_and_heads_that_do_not_fit():
    with pytest.raises(ValueError, match="of a holds NaN"):
        pruning.most_important({"a": np.array([1.0, np.nan])}, 0.5)
    assert pruning.most_important({"a": [3, 1, 2]}, 0.7) == {"a": [0, 2]}
    wide, output = np.zeros((4, 6)), np.zeros((6, 4))
    for arrays, num_heads in (((wide, wide, wide, output), 4), ((wide, wide[:, :3], wide, output), 3)):
        with pytest.raises(ValueError, match="equally many columns"):
            pruning.keep_heads(*arrays, num_heads, [0])
