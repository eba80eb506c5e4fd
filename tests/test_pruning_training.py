"""Whatever else happens during `fit`: the zeros that were asked for are there afterwards."""

import csv
import itertools
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from course_lib import fine_tuning, pruning
from course_lib.pruning import masks
from course_lib.pruning.prunable import as_array

pytestmark = pytest.mark.backend
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SIZE, ASKED = 12 * 16 + 16 * 3, 153 + 38  # 80 % of both kernels, each rounded down.


def network():
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(16, activation="relu", name="a"), layers.Dense(3, name="b")]
    return keras.Sequential([keras.Input((12,)), *parts])


def data(count=80):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 12)).astype("float32"), rng.integers(0, 3, count)


def zeros(model):
    return sum(int(np.sum(as_array(v) == 0)) for v in pruning.kernels(model).values())


def polynomial(**options):
    return pruning.Polynomial(0.8, **{"end_step": 25, "frequency": 5, **options})


def fit(model, callbacks, **options):
    """Ten steps an epoch; any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        return model.fit(*data(), batch_size=8, verbose=0, callbacks=callbacks, **{"epochs": 3, **options})


def compiled(optimizer="adam", **options):
    model = network()
    model.compile(optimizer() if callable(optimizer) else optimizer, LOSS, **options)
    return model


OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adamw": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
    "averaged": lambda: keras.optimizers.Adam(1e-2, use_ema=True),
    "overwritten": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_overwrite_frequency=7),
    "two averages": lambda: keras.optimizers.RMSprop(1e-2, use_ema=True, centered=True),
    "accumulated": lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=4),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(1e-2, use_ema=True), initial_scale=2.0
    ),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_leaves_the_zeros(optimizer):
    model = compiled(OPTIMIZERS[optimizer])
    callback = pruning.prune(model, polynomial())
    history = fit(model, [callback])
    assert zeros(model) == ASKED
    assert callback.step == 30
    for path, variable in pruning.kernels(model).items():
        found = as_array(variable)
        assert np.array_equal(found != 0, callback.masks[path])
    assert history.history["sparsity"][-1] == pytest.approx(ASKED / SIZE)
    if "average" not in optimizer and optimizer not in ("overwritten", "scaled"):
        # On JAX, Keras itself cannot train a second time after `use_ema`: two variables share a buffer.
        fit(model, [callback], epochs=1)
        assert zeros(model) == ASKED


@pytest.mark.parametrize("first", [True, False])
def test_averaged_weights_are_masked_wherever_they_are_swapped_in(first):
    model, seen = compiled(OPTIMIZERS["averaged"]), []
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(zeros(model)))
    callback = pruning.prune(model, pruning.Constant(0.8))
    fit(model, [callback, swap, look] if first else [swap, look, callback], validation_data=data())
    assert seen == [ASKED] * 3
    assert zeros(model) == ASKED


# With PyTorch, Keras takes one step per execution.
AT_ONCE = 1 if keras.backend.backend() == "torch" else 5


@pytest.mark.parametrize("options", [{"steps_per_execution": AT_ONCE}, {"jit_compile": True}])
def test_every_way_to_run_steps_counts_them(options):
    model = compiled(**options)
    callback = pruning.prune(model, polynomial())
    fit(model, [callback])
    assert (zeros(model), callback.step) == (ASKED, 30)


@pytest.mark.parametrize("dtype", ["mixed_float16", "bfloat16"])
def test_half_precision(dtype):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        model = network()
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), LOSS)
    fit(model, [pruning.prune(model, polynomial(end_step=15))])
    assert zeros(model) == ASKED


@pytest.mark.parametrize("first", [True, False])
def test_weights_that_another_callback_puts_back_are_masked_and_it_is_said(first):
    model = compiled()
    stop = keras.callbacks.EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True)
    callback = pruning.prune(model, polynomial())
    with pytest.warns(UserWarning, match=r"fewer zeros: \d\d\.\d% instead of 79\.6%"):
        model.fit(
            *data(),
            batch_size=8,
            epochs=3,
            verbose=0,
            callbacks=[callback, stop] if first else [stop, callback],
        )
    assert zeros(model) == ASKED


def test_the_courses_own_fine_tuning_keeps_the_zeros():
    model = network()
    model.compile(keras.optimizers.Adam(0.05), LOSS, metrics=["accuracy"])
    x, y = data()
    train = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 80, 8)]
    callback = pruning.prune(model, polynomial())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Which epoch was best is not the matter here.
        fine_tuning.fine_tune(model, Batches(train), Batches(train), epochs=3, callbacks=[callback])
    assert zeros(model) == ASKED


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


class Killed(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("end_step", [15, 25])
def test_a_killed_run_is_resumed_with_the_same_zeros(tmp_path, first, end_step):
    def run(*more):
        model = compiled()
        callback = pruning.prune(model, polynomial(end_step=end_step))
        backup = keras.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        fit(model, [*([callback, backup] if first else [backup, callback]), *more])
        return model, callback

    with pytest.raises(KeyboardInterrupt):
        run(Killed())
    model, callback = run()
    assert (zeros(model), callback.step) == (ASKED, 30)


def test_a_loaded_checkpoint_goes_on_where_it_was(tmp_path):
    model = compiled()
    first = pruning.prune(model, polynomial())
    with pytest.warns(UserWarning, match="unless training goes on"):
        model.fit(*data(), batch_size=8, epochs=2, verbose=0, callbacks=[first])
    model.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    second = pruning.prune(again, polynomial())
    fit(again, [second], epochs=3, initial_epoch=2)
    assert (zeros(again), second.step) == (ASKED, 30)
    for path, mask in first.masks.items():  # What was zero then is zero now.
        assert not second.masks[path][~mask].any()


def test_a_loop_of_fits_goes_on_and_a_fit_too_short_says_both_numbers():
    model = compiled()
    callback = pruning.prune(model, polynomial())
    for _ in range(2):
        with pytest.warns(UserWarning, match="unless training goes on") as said:
            model.fit(*data(), batch_size=8, verbose=0, callbacks=[callback])
        first, last = (str(each.message) for each in said if each.category is UserWarning)
        assert "instead of 79.6%" in first
        assert f"{zeros(model) / SIZE:.1%} of the weights are zero, 79.6% were asked for" in last
    model.compile("sgd", LOSS)  # The new optimizer counts from 0, the training does not.
    fit(model, [callback], epochs=1)
    assert (zeros(model), callback.step) == (ASKED, 30)


def test_what_is_left_of_the_training_counts_and_not_its_epochs():
    model = compiled()
    with pytest.warns(UserWarning, match=r"ends at step 10, the schedule of pruning at 25"):
        model.fit(
            *data(),
            batch_size=8,
            verbose=0,
            epochs=5,
            initial_epoch=4,
            callbacks=[pruning.prune(model, polynomial())],
        )


@pytest.mark.parametrize("first", [True, False])
def test_no_other_callback_ever_sees_a_dense_model(tmp_path, first):
    model = compiled()
    checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}-{batch}.keras"), save_freq=4)
    callback = pruning.prune(model, pruning.Constant(0.8))
    fit(model, [callback, checkpoint] if first else [checkpoint, callback], epochs=1)
    files = list(tmp_path.glob("*.keras"))
    assert len(files) == 2
    for file in files:
        assert zeros(keras.saving.load_model(file)) == ASKED


def test_zeros_stay_while_a_pruned_model_is_trained_on():
    model = compiled()
    pruning.prune(model, 0.8)
    before = [each != 0 for each in model.get_weights() if each.ndim > 1]
    fit(model, [pruning.prune(model, pruning.Constant(0.8))])
    for mask, value in zip(before, [each for each in model.get_weights() if each.ndim > 1], strict=True):
        assert np.array_equal(mask, value != 0)
    assert pruning.report(pruning.strip(model)).sparsity == pytest.approx(ASKED / SIZE)


def test_nothing_happens_before_begin_step_nor_between_choices():
    model, seen = compiled(), []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(zeros(self.model))

    schedule = pruning.Polynomial(0.8, end_step=20, begin_step=8, initial_sparsity=0.5, frequency=4)
    fit(model, [pruning.prune(model, schedule), Look()], epochs=3)
    assert seen[:7] == [0] * 7
    assert seen[7] == 96 + 24
    # Two thirds and one third of the way left, cubed.
    for step, left in ((12, 2 / 3), (16, 1 / 3)):
        sparsity = 0.8 - 0.3 * left**3
        assert seen[step - 1 : step + 3] == [int(192 * sparsity) + int(48 * sparsity)] * 4
    assert seen[19:] == [ASKED] * 11


def test_movement_keeps_what_training_makes_larger():
    model = compiled(lambda: keras.optimizers.SGD(0.5))
    before = as_array(model.layers[0].kernel)
    callback = pruning.prune(model, pruning.Constant(0.5, begin_step=10), criterion="movement")
    fit(model, [callback], epochs=1)
    after = as_array(model.layers[0].kernel)
    kept = callback.masks["a/kernel"]
    assert kept.mean() == 0.5
    gain = after**2 - before**2
    # Of those that are gone the end is not known; of those that stay, most have grown, and some were small.
    assert np.median(gain[kept]) > 0
    assert np.abs(before)[~kept].max() > np.abs(before)[kept].min()
    model = compiled()
    callback = pruning.prune(model, pruning.Constant(0.5), criterion="movement")
    with pytest.raises(ValueError, match="No weight has moved yet"):
        fit(model, [callback])


@pytest.mark.parametrize("options", [{"n_of_m": (2, 4)}, {"block_size": (4, 2)}])
def test_patterns_hold_during_training(options):
    model = compiled()
    schedule = pruning.Polynomial(0.5, end_step=15, frequency=5)
    fit(model, [pruning.prune(model, schedule, exclude="b", **options)])
    kept = as_array(model.layers[0].kernel) != 0
    assert kept.mean() == 0.5
    if "n_of_m" in options:
        assert (kept.reshape(3, 4, 16).sum(axis=1) == 2).all()
    else:
        blocks = kept.reshape(3, 4, 8, 2).sum(axis=(1, 3))
        assert set(blocks.ravel()) == {0, 8}


def test_frozen_weights_and_recurrent_ones_are_pruned_in_training():
    keras.utils.set_random_seed(0)
    parts = [layers.Bidirectional(layers.LSTM(4)), layers.Dense(3)]
    model = keras.Sequential([keras.Input((4, 3)), *parts])
    model.layers[0].forward_layer.trainable = False
    model.compile("adam", LOSS)
    x, y = data()
    callback = pruning.prune(model, polynomial(end_step=8))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(x.reshape(-1, 4, 3), y, batch_size=8, verbose=0, callbacks=[callback])
    report = pruning.report(model)
    assert len(report.pruned) == 5
    assert all(row.reached == int(0.8 * row.size) / row.size for row in report.pruned)


def test_sparsity_is_in_the_log_file(tmp_path):
    model = compiled()
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    fit(model, [pruning.prune(model, polynomial()), log])
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert float(rows[-1]["sparsity"]) == pytest.approx(ASKED / SIZE)


def test_a_training_loop_of_ones_own():
    model = compiled()
    x, y = data()
    callback = pruning.prune(model, polynomial())
    callback.set_model(model)
    callback.on_train_begin()
    for step in range(30):
        model.train_on_batch(x[:8], y[:8])
        callback.on_train_batch_end(step)
    callback.on_train_end()
    assert zeros(model) == ASKED


def test_a_callback_of_another_model_and_impossible_arguments_are_refused():
    model = compiled()
    with pytest.raises(ValueError, match="is no part of the model that is trained"):
        fit(compiled(), [pruning.prune(model, polynomial())])
    with pytest.raises(ValueError, match="a number or one of pruning's schedules"):
        pruning.prune(model, "polynomial")
    with pytest.raises(ValueError, match="is not built"):
        pruning.prune(keras.Sequential([layers.Dense(2)]), 0.5)
    model.compile(keras.optimizers.SGD(1e30), LOSS)
    with pytest.raises(ValueError, match="numbers that are not finite"):
        fit(model, [pruning.prune(model, polynomial())])


@pytest.mark.parametrize(
    "schedule",
    [
        pruning.OneShot(0.5),
        pruning.Constant(0.5, begin_step=3),
        pruning.Polynomial(0.8, end_step=9, begin_step=2, initial_sparsity=0.1, power=2, frequency=3),
    ],
)
def test_schedules_are_saved_and_made_again(schedule):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert [again(step) for step in range(12)] == [schedule(step) for step in range(12)]
    assert repr(schedule) == repr(again)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"end_step": 5, "begin_step": 5}, "must come after"),
        ({"initial_sparsity": 0.9}, "cannot exceed"),
        ({"frequency": 0}, "whole number from 1"),
        ({"begin_step": 1.5}, "whole number from 0"),
        ({"power": 0}, "above 0"),
    ],
)
def test_impossible_schedules_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        polynomial(**options)


def test_several_callbacks_prune_one_fit():
    model = compiled()
    first = pruning.prune(model, polynomial(), include="a/")
    second = pruning.prune(model, pruning.Polynomial(0.5, 25, frequency=5), include="b/")
    assert not pruning.report(model).pruned
    fit(model, [first, second])
    report = pruning.report(model)
    assert [(row.asked, row.reached) for row in report.rows] == [(0.8, 153 / 192), (0.5, 0.5)]
    # The same seen from a model around it, until it is stripped.
    inputs = keras.Input((12,))
    outer = keras.Model(inputs, model(inputs))
    assert [row.asked for row in pruning.report(outer).rows] == [0.8, 0.5]
    pruning.strip(outer)
    assert not pruning.report(model).pruned
    # Nothing is left on the training step.
    assert not hasattr(model.train_function, "follower")


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise RuntimeError("stopped")


def test_a_training_that_was_stopped_leaves_nothing_behind():
    model = compiled()
    callback = pruning.prune(model, polynomial())
    with pytest.raises(RuntimeError, match="stopped"):
        fit(model, [callback, Stop()])
    fit(model, [callback])
    assert callback.step == 40
    assert zeros(model) == ASKED
    with pytest.raises(RuntimeError, match="stopped"):
        fit(model, [callback, Stop()])
    fit(model, [], epochs=1)
    assert zeros(model) == 0  # Trained on without the callback.


def test_loops_of_ones_own_with_keras_list_of_callbacks():
    x, y = data()
    model = compiled()
    fit(model, [], epochs=1)  # There is a train function now, which the second loop does not call.
    callback = pruning.prune(model, polynomial(end_step=48))
    listed = keras.callbacks.CallbackList([callback], model=model, epochs=2, steps=10)
    one, other = model.layers[0].kernel, model.layers[1].kernel
    for way in range(2):
        listed.on_train_begin()
        for epoch in range(2):
            listed.on_epoch_begin(epoch)
            for batch in range(10):
                if way:
                    one.assign(one.value + 1)
                    other.assign(other.value + 1)
                else:
                    model.train_on_batch(x[:8], y[:8])
                listed.on_train_batch_end(batch)
            listed.on_epoch_end(epoch, {})
        listed.on_train_end()
        assert callback.step == (30, 50)[way]
    assert zeros(model) == ASKED


def test_an_execution_that_runs_out_of_data_is_counted_right():
    x, y = data()
    batches = ((x[i : i + 8], y[i : i + 8]) for i in range(0, 80, 8))
    model = compiled(steps_per_execution=min(4, AT_ONCE))
    callback = pruning.prune(model, polynomial(end_step=10))
    model.fit(batches, verbose=0, callbacks=[callback])
    assert callback.step == 10
    assert zeros(model) == ASKED


@pytest.mark.parametrize("criterion", ["magnitude", "random", "movement"])
def test_what_is_zero_stays_zero_from_choice_to_choice(criterion):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(callback.masks)

    # Steps so long that masked weights would not be the smallest after one.
    model = compiled(keras.optimizers.SGD(1.0, momentum=0.9))
    callback = pruning.prune(model, polynomial(begin_step=5), criterion=criterion)
    fit(model, [callback, Look()])
    for before, after in itertools.pairwise(seen):
        assert not any((after[path] & ~before[path]).any() for path in after)
    assert zeros(model) == ASKED


@pytest.mark.parametrize("anew", [False, True])
def test_movement_is_resumed(anew):
    model = compiled()
    callback = pruning.prune(model, polynomial(begin_step=5, end_step=20), criterion="movement")
    fit(model, [callback], epochs=2)
    if anew:
        before, callback = callback, pruning.prune(model, callback.plan.schedule, criterion="movement")
        callback.masks = before.masks
    masks = callback.masks
    fit(model, [callback], epochs=1)
    assert zeros(model) == ASKED
    assert all(np.array_equal(masks[path], callback.masks[path]) for path in masks)


def test_a_model_that_a_callback_thaws_and_compiles_anew():
    class Thaw(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.model.trainable = True
                self.model.compile(keras.optimizers.Adam(1e-2, use_ema=True), LOSS)
                self.model.optimizer.build(self.model.trainable_variables)
                self.model.make_train_function()

    model = network()
    model.layers[0].trainable = False
    model.compile("adam", LOSS)
    callback = pruning.prune(model, polynomial())
    fit(model, [Thaw(), callback])
    assert callback.step == 30
    assert zeros(model) == ASKED


def test_a_model_that_is_compiled_between_fits_does_not_go_back():
    model, steps = compiled(), []
    callback = pruning.prune(model, polynomial(end_step=50))
    for epochs in (2, 1, 1, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Each ends short of step 50 but the last.
            model.fit(*data(), batch_size=8, epochs=epochs, verbose=0, callbacks=[callback])
        steps.append((callback.step, zeros(model)))
        if len(steps) == 1:
            model.compile("adam", LOSS)
    assert [step for step, _ in steps] == [20, 30, 40, 50]
    assert sorted(steps) == steps
    assert steps[-1][1] == ASKED


def test_strip_ends_what_a_stopped_training_left():
    def stop(batch, logs):
        raise KeyboardInterrupt

    model = compiled()
    callbacks = [
        pruning.prune(model, pruning.Constant(0.8)),
        keras.callbacks.LambdaCallback(on_train_batch_end=stop),
    ]
    with pytest.raises(KeyboardInterrupt):
        fit(model, callbacks)
    assert zeros(model) == ASKED
    pruning.strip(model)
    model.train_on_batch(*data(8))
    assert zeros(model) < ASKED


def test_new_masks_are_applied_by_what_the_first_fit_has_compiled(monkeypatch):
    made, make = [], masks.applier
    monkeypatch.setattr(masks, "applier", lambda variables: made.append(variables) or make(variables))
    model = compiled()
    callback = pruning.prune(model, polynomial(end_step=20))
    with pytest.warns(UserWarning, match="the schedule of pruning at 20"):
        model.fit(*data(), batch_size=8, epochs=1, verbose=0, callbacks=[callback])
    before = zeros(model)
    model.fit(*data(), batch_size=8, epochs=1, verbose=0, callbacks=[callback])
    assert before < zeros(model) == ASKED
    assert len(made) == 1
