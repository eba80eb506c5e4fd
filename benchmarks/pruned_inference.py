"""Comparison 4: the classifier without a third of its heads and half of its neurons, in 8 bit.

It is against the same others as in comparison 3, which run the whole classifier; that one teaches the smaller
one, without any label.
"""

import fractions
import hashlib

import harness
import inference
import models

from course_lib import imdb

TITLE = "Inference, ours pruned and 8 bit"
PACKAGES, SIDES = inference.PACKAGES, inference.SIDES
COMPARED = (
    "The course runs a smaller network, the others the whole classifier: the ratios are of pruning and "
    "runtime together. If the course loses more points than the settings allow, it misses its goals."
)
GOAL = 2.0
DEFAULTS = inference.DEFAULTS | {
    "heads": 2 / 3,
    "neurons": 1 / 2,
    "recover": 6000,
    "rate": 1e-4,
    "agree": 0.9,
}
QUICK = inference.QUICK | {"recover": 64}


class Pruning:
    """Makes the smaller classifier and its bundle."""

    def __init__(self, settings):
        self.settings = settings

    def run(self, case, lap):
        """Writes the bundle."""
        import pathlib

        folder = pathlib.Path(self.settings["folder"])
        model = pruned(models.keras_classifier(folder), self.settings)
        inference.write_bundle(model, folder / "pruned")


def pruned(original, settings):
    """The smaller classifier: least important heads and neurons left out, then taught by the original."""
    import fine_tuning_epoch
    import keras

    from course_lib import fine_tuning, pruning

    train = imdb.load(verbose=False).train.first(settings["recover"])
    texts, labels = train.texts, train.labels
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    seen = list(imdb.batches(texts[:512], labels[:512], batch_size=8))
    student = pruning.keep(
        original,
        pruning.most_important(pruning.head_importance(original, seen, loss), settings["heads"]),
        pruning.most_important(pruning.neuron_importance(original, seen, loss), settings["neurons"]),
    )
    fine_tuning.freeze_embeddings(student)
    keras.utils.set_random_seed(1)
    batches = imdb.batches(texts, labels, shuffle=True, seed=1)
    policy = "mixed_bfloat16" if fine_tuning_epoch.has_bfloat16() else "float32"
    with halves([student, original], policy):
        distiller = keras.distillation.Distiller(
            teacher=original,
            student=student,
            # An instance: given as a name, the default, Keras 3.15.1 measures the divergence of raw logits.
            distillation_losses=keras.distillation.LogitsDistillation(
                temperature=2.0, loss=keras.losses.KLDivergence()
            ),
            student_loss_weight=0.0,  # The labels play no part.
        )
        fine_tuning.compile_classifier(distiller, len(batches), settings["rate"])
        distiller.fit(batches, epochs=1, shuffle=False, verbose=0)
    return student


class halves:  # noqa: N801
    """Computes in half precision for a while; weights, pooling and head stay in float32."""

    def __init__(self, models, policy):
        self.layers = [
            layer
            for model in models
            for part in model.layers
            if part.name not in ("mean_of_tokens", "logits")
            for layer in part._flatten_layers()
        ]
        self.policy = policy

    def __enter__(self):
        for layer in self.layers:
            layer.dtype_policy = self.policy

    def __exit__(self, *_):
        for layer in self.layers:
            layer.dtype_policy = "float32"


def network(settings):
    """What our side runs, in words; the others run the whole classifier."""
    heads, neurons = (
        fractions.Fraction(settings[name]).limit_denominator(12) for name in ("heads", "neurons")
    )
    return f"; {heads} of the heads and {neurons} of the neurons, with the others all"


def measure(settings, state):
    """The rows of the table."""
    inference.prepare(settings, state)
    digest = hashlib.sha256((state / models.NAME).read_bytes() + repr(sorted(settings.items())).encode())
    mark = state / "pruned.made"
    if not mark.is_file() or mark.read_text() != digest.hexdigest():
        with harness.workers({"pruning": Pruning}, settings | {"folder": str(state)}) as running:
            harness.take_turns(running, "bundle", rounds=0)
        mark.write_text(digest.hexdigest())
    return inference.rows(settings, state, "pruned", GOAL, {}, strict=False, network=network(settings))
