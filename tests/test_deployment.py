"""Lesson 08: bundles, what they say, and the arithmetic of watching them."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import scipy.stats
import sklearn.calibration
import sklearn.linear_model
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from course_lib import cli, deployment, fetch, fine_tuning, imdb, pruning, quantization, transformer, weights

TEXTS = [f"review {i} of a film that was {'good ' * i}" for i in range(8)]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    made = fine_tuning.classifier(
        transformer.encoder(len(weights.vocabulary()), 1, 2, 16, 32, max_length=256)
    )
    kernel = made.weights[-2]
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape) * 3)  # So that the classes differ.
    return made


@pytest.fixture(scope="module")
def split():
    texts = [f"{'fine ' * (i % 40)} film number {i}" for i in range(60)]
    return imdb.Split(texts, np.arange(60) % 2, [f"t{i}" for i in range(60)])


@pytest.fixture(scope="module")
def bundle(model, split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "float32"
    return deployment.export(model, folder, split, split, mode="float32", lengths=(16, 32))


@pytest.fixture(scope="module")
def bundle_classifier(bundle):
    return deployment.Classifier(bundle)


@pytest.fixture
def corpus(split, monkeypatch):
    """What `imdb.load` gives: 60 texts that need no package."""
    found = imdb.Corpus(split, split, split, "a test")
    monkeypatch.setattr(imdb, "load", lambda **_: found)
    return found


def test_a_model_with_a_softmax_is_refused(model, split, tmp_path):
    probabilities = keras.Model(model.input, keras.layers.Softmax()(model.output))
    with pytest.raises(ValueError, match="before its softmax"):
        deployment.export(probabilities, tmp_path / "bundle", split, split, mode="float32", lengths=(32,))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["[SEP]", "[PAD]", "[MASK]", "[CLS]", "[UNK]"])
def test_a_typed_special_token_is_text(bundle_classifier, name):
    vocabulary = weights.vocabulary()
    typed = f"a fine {name} film"
    (found,) = imdb.encode([typed], sequence_length=32)
    assert sum(vocabulary[i] == name for i in found) == (name in ("[CLS]", "[SEP]"))
    spelt = typed.replace("[", "[ ").replace("]", " ]")
    np.testing.assert_array_equal(*(bundle_classifier.logits([each]) for each in (typed, spelt)))


@pytest.fixture
def copied(bundle, tmp_path):
    return pathlib.Path(shutil.copytree(bundle, tmp_path / "bundle"))


def keras_logits(model, texts, length=32):
    ids, mask = imdb.pad(imdb.encode(texts, sequence_length=length, how="both"), length)
    batch = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": mask.astype("int32")}
    return keras.ops.convert_to_numpy(model(batch, training=False))


class TestBundle:
    def test_it_says_what_the_keras_model_says(self, model, bundle, split):
        texts = [*split.texts, "", "<br />", "one <b>bold</b> film &amp; more"]
        found = deployment.Classifier(bundle).logits(texts)
        np.testing.assert_allclose(found, keras_logits(model, texts), atol=1e-4)

    def test_eight_bits_are_smaller_and_close(self, model, split, bundle, tmp_path):
        small = deployment.export(model, tmp_path / "b", split, split, lengths=(32,))
        assert (small / "model.tflite").stat().st_size < 0.5 * (bundle / "model.tflite").stat().st_size
        exact = keras_logits(model, split.texts)
        found = deployment.Classifier(small).logits(split.texts)
        assert np.abs(found - exact).max() < 0.1 * np.abs(exact).max()

    def test_one_by_one_and_together_are_the_same(self, bundle, split):
        classifier = deployment.Classifier(bundle)
        alone = np.concatenate([classifier.logits([text]) for text in split.texts])
        np.testing.assert_allclose(classifier.logits(split.texts), alone, atol=1e-5)
        assert classifier.logits([]).shape == (0, 2)
        assert classifier.predict([]) == []

    def test_a_prediction_holds_what_it_rests_on(self, bundle):
        classifier = deployment.Classifier(bundle)
        found = classifier("zxqwv film")
        assert found.label == max(found.probabilities, key=found.probabilities.get)
        assert found.probability == pytest.approx(max(found.probabilities.values()))
        assert sum(found.probabilities.values()) == pytest.approx(1)
        assert found.unknown == 0.5
        assert not found.truncated
        long = classifier("film " * 500)
        assert (long.tokens, long.truncated, long.unknown) == (502, True, 0.0)
        expected = deployment.softmax(classifier.logits(["film"]) / classifier.card["temperature"])
        np.testing.assert_allclose(list(classifier("film").probabilities.values()), expected[0])

    @settings(max_examples=30, deadline=None)
    @given(st.text(st.characters(), max_size=300))
    def test_any_unicode_has_a_verdict(self, bundle_classifier, text):
        found = bundle_classifier(text)
        assert 0.5 <= found.probability <= 1
        assert found.tokens >= 2

    def test_the_longest_length_can_be_lowered(self, bundle, split):
        cut = deployment.Classifier(bundle, longest=16)
        assert cut.lengths == (16,)
        found = cut("film " * 20 + "fine " * 20)
        assert (found.tokens, found.truncated) == (42, True)
        whole = deployment.Classifier(bundle)
        expected = whole.logits(["film " * 7 + "fine " * 7])
        np.testing.assert_allclose(cut.logits(["film " * 20 + "fine " * 20]), expected, atol=1e-5)
        with pytest.raises(ValueError, match=r"one of \(16, 32\)"):
            deployment.Classifier(bundle, longest=24)

    @pytest.mark.parametrize("wrong", [None, b"bytes", 3, ["nested"]])
    def test_what_is_no_text_is_refused(self, bundle, wrong):
        with pytest.raises(TypeError, match="must be a str"):
            deployment.Classifier(bundle).predict([wrong])

    def test_a_single_text_in_place_of_several_is_refused(self, bundle):
        with pytest.raises(TypeError, match="Call the classifier itself"):
            deployment.Classifier(bundle).predict("film")

    def test_it_runs_without_the_large_libraries(self, bundle):
        code = (
            "import sys\n"
            "large = ('tensorflow', 'keras', 'keras_hub', 'torch', 'jax', 'scipy', 'sklearn', 'matplotlib')\n"
            "sys.modules.update(dict.fromkeys(large))\n"
            "from course_lib import deployment\n"
            "print(deployment.Classifier(sys.argv[1])('a film').label)\n"
        )
        process = subprocess.run(
            [sys.executable, "-c", code, str(bundle)], capture_output=True, text=True, check=True
        )
        assert process.stdout.strip() == deployment.Classifier(bundle)("a film").label
        assert "XNNPACK" not in process.stderr

    def test_the_card_holds_measurements_and_no_text(self, bundle, split):
        card = deployment.read_card(bundle)
        logits = deployment.Classifier(bundle).logits(split.texts)
        assert card["evaluation"]["accuracy"] == pytest.approx(
            np.mean(logits.argmax(axis=1) == split.labels), abs=1e-3
        )
        assert {len(values) for values in card["reference"].values()} == {60}
        assert set(card["reference"]) == set(deployment.WATCHED)
        assert card["reference"]["label"] == logits.argmax(axis=1).tolist()
        written = "".join((bundle / name).read_text(encoding="utf-8") for name in ("card.json", "README.md"))
        assert "film number" not in written
        assert f"{card['evaluation']['accuracy']:.1%}" in written

    def test_threads_share_one_classifier(self, bundle, split):
        import concurrent.futures

        classifier = deployment.Classifier(bundle)
        expected = [each.label for each in classifier.predict(split.texts)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert [each.label for each in pool.map(classifier, split.texts)] == expected

    def test_all_answers_come_from_the_files_that_were_checked(self, copied, split):
        classifier = deployment.Classifier(copied, threads=2)
        alone = [classifier(text).probabilities for text in split.texts[:12]]
        shutil.rmtree(copied)  # Or another bundle takes its place: engines are made later, too.
        together = classifier.predict(split.texts[:12])
        for one, each in zip(alone, together, strict=True):
            assert each.probabilities == pytest.approx(one, abs=1e-5)
        assert classifier.copy()("a film").label in classifier.labels

    def test_a_copy_waits_for_nobody(self, bundle, split):
        classifier = deployment.Classifier(bundle, threads=2)
        classifier.warm_up()
        other = classifier.copy(threads=1)
        np.testing.assert_allclose(other.logits(split.texts), classifier.logits(split.texts), atol=1e-5)
        engines = {classifier._engine, *classifier._engines}
        with contextlib.ExitStack() as stack:
            for engine in engines:
                stack.enter_context(engine._lock)
            assert other("a film").label in other.labels
            assert len(other.predict(split.texts[:9])) == 9
        assert not engines & {other._engine, *other._engines}

    @pytest.mark.parametrize("threads", [-1, 0, 65, 1.5, "2"])
    def test_threads_must_be_usable(self, bundle, threads):
        with pytest.raises(ValueError, match="`threads` is a whole number from 1 to 64"):
            deployment.Classifier(bundle, threads=threads)


def change_card(folder, **changes):
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**card, **changes}), encoding="utf-8")


def change_tokenizer(folder, change):
    """Changes the tokenizer by hand, and its checksum, too."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    card = deployment.card.parse(folder)
    change_card(folder, sha256={**card["sha256"], path.name: fetch.file_sha256(path)})


class TestDamage:
    @pytest.mark.parametrize("name", ["model.tflite", "tokenizer.json", "card.json"])
    def test_a_missing_file_is_named(self, copied, name):
        (copied / name).unlink()
        with pytest.raises(ValueError, match=f"{name} is missing"):
            deployment.Classifier(copied)

    @pytest.mark.parametrize("name", ["model.tflite", "tokenizer.json"])
    def test_a_changed_file_is_noticed(self, copied, name):
        content = (copied / name).read_bytes()
        (copied / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(ValueError, match="damaged or was changed"):
            deployment.Classifier(copied)

    @pytest.mark.parametrize(
        "change",
        [
            {"format": 0},
            {"format": "1"},
            {"labels": "ab"},
            {"labels": [0, 1]},
            {"labels": [None, None]},
            {"labels": [{}, {}]},
            {"labels": ["good", "good"]},
            {"labels": ["good"]},
            {"labels": ["good", ""]},
            {"labels": ["good", "\x1b[31mbad"]},
            {"labels": ["good", "\ud800"]},
            {"temperature": 5e-324},
            {"temperature": 10**400},
            {"temperature": True},
            {"temperature": "1.0"},
            {"lengths": []},
            {"lengths": [32, 16]},
            {"sha256": {"model.tflite": "abc"}},
            {"truncation": "middle"},
            {"truncation": []},
            {"task": {"en": "Tells"}},
            {"data": {"train": 374}},
            {"limits": "\ud800"},
            {"evaluation": {"accuracy": 0.5}},
            {"evaluation": {"texts": 1, "accuracy": 2, "calibration_error": 0, "interval": [0, 1]}},
            {"reference": {"length": [1.0]}},
            {"reference": {name: [[1.0]] for name in deployment.FEATURES}},
            {"reference": {name: [10**400] for name in deployment.FEATURES}},
            {"reference": {name: [float("nan")] for name in deployment.FEATURES}},
            {"reference": {name: [1.0] if name != "label" else None for name in deployment.WATCHED}},
            {"temperature": 0.0},
            {"temperature": -1.0},
            {"temperature": float("nan")},
            {"sha256": []},
            {"truncation": 3},
        ],
    )
    def test_an_unusable_card_is_refused(self, copied, change):
        change_card(copied, **change)
        with pytest.raises(ValueError, match="no card of format 1") as caught:
            deployment.Classifier(copied)
        (name,) = change
        assert name in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500

    def test_a_newer_bundle_says_what_to_do(self, copied):
        change_card(copied, format=2, labels=None)
        with pytest.raises(ValueError, match=r"made by a newer version of course-lib.*Update course-lib"):
            deployment.Classifier(copied)

    @pytest.mark.parametrize("labels", [["a", "b", "c"], ["a", "b", "c", "d"]])
    def test_labels_that_are_not_the_models_are_refused(self, copied, labels):
        change_card(copied, labels=labels)
        with pytest.raises(ValueError, match=f"has 2 outputs, and its card {len(labels)} labels"):
            deployment.Classifier(copied)

    def test_a_tokenizer_that_cuts_and_pads_does_neither(self, copied, bundle):
        texts = ["a film", "good " * 40]
        expected = deployment.Classifier(bundle).predict(texts)
        tokenizer = tokenizers.Tokenizer.from_file(str(copied / "tokenizer.json"))
        tokenizer.enable_truncation(8)
        tokenizer.enable_padding(length=20)
        written = json.loads(tokenizer.to_str())
        change_tokenizer(copied, lambda content: content.update(written))
        assert deployment.Classifier(copied).predict(texts) == expected

    def test_a_tokenizer_without_its_unknown_token_is_refused(self, copied):
        change_tokenizer(copied, lambda content: content["model"]["vocab"].pop("[UNK]"))
        change_tokenizer(copied, lambda content: content.update(added_tokens=[]))
        with pytest.raises(ValueError, match=r"no classifier that `course export` wrote|is no tokenizer"):
            deployment.Classifier(copied)

    def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(self, copied):
        change_tokenizer(copied, lambda content: content["model"]["vocab"].update({"zzzz": 40_000}))
        with pytest.raises(ValueError, match="does not take the 40,001 tokens of the tokenizer"):
            deployment.Classifier(copied)

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "[" * 100_000])
    def test_a_card_that_is_none_is_refused(self, copied, content):
        (copied / "card.json").write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match="no card of format 1"):
            deployment.Classifier(copied)

    @pytest.mark.parametrize(
        ("name", "message"), [("model.tflite", "LiteRT"), ("tokenizer.json", "tokenizer")]
    )
    def test_a_file_of_another_kind_is_refused(self, copied, name, message):
        (copied / name).write_bytes(b"something else, of some length, that is not what it should be")
        card = json.loads((copied / "card.json").read_text(encoding="utf-8"))
        card["sha256"][name] = fetch.file_sha256(copied / name)
        (copied / "card.json").write_text(json.dumps(card), encoding="utf-8")
        with pytest.raises(ValueError, match=f"is no {message}"):
            deployment.Classifier(copied)


class TestExport:
    @pytest.fixture(scope="class")
    def short(self, model, tmp_path_factory):
        """The model, converted for 16 tokens."""
        path = tmp_path_factory.mktemp("short") / "model.tflite"
        quantization.export(model, path, "float32", shapes=[(1, 16), (4, 16)])
        return path

    @pytest.fixture
    def converted(self, short, monkeypatch):
        """What is done with a converted model is tried with `short`: converting takes seconds."""
        monkeypatch.setattr(quantization, "export", lambda model, path, *_, **__: shutil.copy(short, path))

    def test_nothing_that_is_there_is_lost(self, model, split, tmp_path, copied):
        other = tmp_path / "mine"
        other.mkdir()
        (other / "thesis.txt").write_text("all of it", encoding="utf-8")
        with pytest.raises(ValueError, match="is there already and is no bundle"):
            deployment.export(model, other, split, split, replace=True)
        (other / "card.json").write_text('{"name": "a postcard"}', encoding="utf-8")
        with pytest.raises(ValueError, match="is there already and is no bundle"):
            deployment.export(model, other, split, split, replace=True)
        with pytest.raises(ValueError, match="--replace"):
            deployment.export(model, copied, split, split)
        (copied / "notes.txt").write_text("mine", encoding="utf-8")
        for replace in (False, True):
            with pytest.raises(
                ValueError, match=r"with more than a bundle in it: notes\.txt\. Choose another"
            ):
                deployment.export(model, copied, split, split, replace=replace)
        assert (other / "thesis.txt").read_text(encoding="utf-8") == "all of it"
        assert (copied / "notes.txt").read_text(encoding="utf-8") == "mine"

    @pytest.mark.parametrize("replace", [False, True])
    @pytest.mark.usefixtures("converted")
    def test_nothing_is_lost_that_comes_in_the_meantime(self, model, split, tmp_path, monkeypatch, replace):
        folder, timed = tmp_path / "race", deployment.bundle._timed

        def busy(*arguments):
            folder.mkdir()
            (folder / "results.txt").write_text("42", encoding="utf-8")
            return timed(*arguments)

        monkeypatch.setattr(deployment.bundle, "_timed", busy)
        with pytest.raises(ValueError, match="is there already and is no bundle"):
            deployment.export(model, folder, split, split, mode="float32", lengths=(16,), replace=replace)
        assert [path.name for path in tmp_path.iterdir()] == ["race"]
        assert (folder / "results.txt").read_text(encoding="utf-8") == "42"

    @pytest.mark.usefixtures("converted")
    def test_what_a_link_leads_to_is_replaced_and_the_link_stays(self, model, split, copied):
        link = copied.with_name("link")
        link.symlink_to(copied.name)
        deployment.export(model, link, split, split, mode="float32", lengths=(16,), replace=True)
        assert link.is_symlink()
        assert deployment.Classifier(copied).lengths == (16,)
        assert sorted(path.name for path in copied.parent.iterdir()) == ["bundle", "link"]

    def test_a_place_where_nothing_can_be_written_is_refused_at_once(self, copied, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match=r"Cannot write into .*file: Not a directory"):
            deployment.check_target(tmp_path / "file" / "new", replace=False)
        with pytest.raises(ValueError, match="Cannot write into /proc: "):
            deployment.check_target("/proc/none/new", replace=False)
        with pytest.raises(ValueError, match="/proc cannot be replaced as a whole: it is mounted"):
            deployment.check_target("/proc", replace=True)
        monkeypatch.chdir(copied)
        with pytest.raises(ValueError, match="you are in it"):
            deployment.check_target(".", replace=True)
        deployment.check_target("../new", replace=False)
        deployment.check_target("a/b/c", replace=False)
        assert sorted(path.name for path in copied.iterdir()) == sorted(deployment.card.FILES)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "file"]

    def test_a_full_disk_is_an_error_of_the_system(self):
        with pytest.raises(OSError, match="No space left"):
            deployment.bundle._write_tokenizer(pathlib.Path("/dev/full"))

    def test_models_of_another_kind_are_refused(self, split, tmp_path):
        others = [
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]),
            keras.Sequential([keras.layers.Dense(2)]),
            transformer.encoder(100, 1, 2, 16, 32, max_length=16),
        ]
        for other in others:
            with pytest.raises(ValueError, match="no classifier of lessons 05 to 07"):
                deployment.export(other, tmp_path / "b", split, split)
        assert not list(tmp_path.iterdir())

    def test_a_model_with_a_smaller_vocabulary_is_refused(self, split, tmp_path):
        small = fine_tuning.classifier(transformer.encoder(50, 1, 2, 16, 32, max_length=32))
        with pytest.raises(ValueError, match="does not take the 30,522 tokens"):
            deployment.export(small, tmp_path / "b", split, split, mode="float32", lengths=(16,))
        assert not list(tmp_path.iterdir())

    @pytest.mark.usefixtures("converted")
    def test_a_failure_leaves_the_old_bundle_and_no_rest(self, model, split, copied, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(deployment.bundle, "_timed", full)
        with pytest.raises(OSError, match="No space"):
            deployment.export(model, copied, split, split, mode="float32", lengths=(16,), replace=True)
        assert sorted(path.name for path in copied.parent.iterdir()) == ["bundle"]
        deployment.Classifier(copied)

    @pytest.mark.usefixtures("converted")
    def test_a_bundle_is_replaced(self, model, split, copied):
        deployment.export(model, copied, split, split, mode="float32", lengths=(16,), replace=True)
        assert deployment.Classifier(copied).lengths == (16,)
        assert sorted(path.name for path in copied.parent.iterdir()) == ["bundle"]

    def test_arguments_that_cannot_be_used_are_named(self, model, split, tmp_path):
        empty = imdb.Split([], np.zeros(0, "int32"), [])
        for wrong, message in (
            ({"mode": "int3"}, "`mode` of a bundle"),
            ({"card": {"data": {"train": 374}}}, "`data` must be a text"),
            ({"labels": ("bad", "bad")}, "`labels` must be two or more different names"),
            ({"truncation": "middle"}, "`truncation` must be one of head, tail, both"),
            ({"test": empty}, "at least one text"),
            ({"labels": ("a", "b", "c")}, "has 2 outputs"),
        ):
            arguments = {"validation": split, "test": split, **wrong}
            with pytest.raises(ValueError, match=message):
                deployment.export(model, tmp_path / "new", **arguments)
        assert not list(tmp_path.iterdir())

    @pytest.mark.usefixtures("converted")
    def test_what_was_measured_before_is_not_measured_again(self, model, split, copied, monkeypatch):
        card = deployment.read_card(copied)
        measured = {name: card[name] for name in deployment.MEASURED}
        measured["evaluation"] = {**measured["evaluation"], "texts": 12345}
        monkeypatch.setattr(deployment.bundle, "_measured", lambda *_: pytest.fail("measured"))
        folder = copied.parent / "again"
        deployment.export(model, folder, split, split, mode="float32", lengths=(16,), measured=measured)
        found = deployment.read_card(folder)
        assert {name: found[name] for name in deployment.MEASURED} == measured
        assert found["latency_ms"]["p95"] >= found["latency_ms"]["p50"] > 0
        assert "on 12345 test reviews" in (folder / "README.md").read_text(encoding="utf-8")

    def test_the_command_takes_a_keras_file(self, model, corpus, tmp_path):
        model.save(tmp_path / "model.keras")
        arguments = ["export", str(tmp_path / "b"), "--model", str(tmp_path / "model.keras")]
        result = CliRunner().invoke(cli.app, [*arguments, "--mode", "float32"])
        assert result.exit_code == 0, result.output
        assert "60 test reviews" in result.output
        result = CliRunner().invoke(cli.app, ["predict", "a film", "-b", str(tmp_path / "b"), "--json"])
        assert json.loads(result.output)["label"] in ("negative", "positive")

    def test_a_file_that_is_no_model_is_one_line(self, corpus, tmp_path):
        (tmp_path / "model.keras").write_bytes(b"PK nothing")
        with pytest.raises(ValueError, match="no classifier that Keras can load"):
            deployment.export_file(tmp_path / "b", tmp_path / "model.keras")

    def test_what_cannot_work_is_said_before_a_framework_loads(self, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").touch()
        code = (
            "import pathlib, sys\n"
            "from course_lib import deployment\n"
            "sys.modules.update(dict.fromkeys(('tensorflow', 'keras', 'keras_hub')))\n"
            "here = pathlib.Path(sys.argv[1])\n"
            "for mode, *names in ('dynamic', 'new', 'nofile'), ('dynamic', 'mine'), ('int4', 'new'):\n"
            "    try:\n"
            "        deployment.export_file(*(here / name for name in names), mode=mode)\n"
            "    except ValueError as error:\n"
            "        print(error)\n"
        )
        process = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
        first, second, third = process.stdout.splitlines()
        assert first == f"There is no file {tmp_path / 'nofile'}."
        assert "is no bundle" in second
        assert "`mode` of a bundle is one of dynamic, float16, float32" in third
        assert process.stderr == ""

    def test_pruned_models_become_bundles_too(self, model, split, tmp_path):
        (name,) = [block.name for block in transformer.blocks(model)]
        smaller = pruning.keep(model, heads={name: [1]}, neurons={name: list(range(5))})
        folder = deployment.export(smaller, tmp_path / "b", split, split, mode="float32", lengths=(32,))
        np.testing.assert_allclose(
            deployment.Classifier(folder).logits(TEXTS), keras_logits(smaller, TEXTS), atol=1e-4
        )


class TestReviewerBundle:
    """A tiny model stands in for the reviewer."""

    @pytest.fixture
    def reviewer(self, model, bundle, corpus, tmp_path, monkeypatch):
        """What `reviewer_bundle` takes its model from; counts how often it is loaded."""
        card = deployment.read_card(bundle)
        card = {
            "sha256": "0123456789abcdef",
            "data": "a test",
            "bundle": {name: card[name] for name in deployment.MEASURED},
        }
        loaded = []
        monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
        monkeypatch.setattr(weights, "reviewer_card", lambda: card)
        monkeypatch.setattr(weights, "load_reviewer", lambda *_: loaded.append(1) or model)
        monkeypatch.setattr(  # Converting takes long, and other tests do it.
            quantization, "export", lambda _, path, *more, **named: shutil.copy(bundle / "model.tflite", path)
        )
        monkeypatch.setattr(deployment.bundle, "_measured", lambda *_: pytest.fail("measured"))
        return loaded

    def test_it_is_made_once_and_said(self, reviewer, bundle, capsys):
        folder = deployment.reviewer_bundle()
        said = capsys.readouterr()
        assert said.out == ""  # That is where `course predict --json` writes.
        assert str(folder) in said.err
        card = deployment.read_card(folder)
        assert card["evaluation"] == deployment.read_card(bundle)["evaluation"]
        assert card["data"] == "a test"
        assert deployment.reviewer_bundle() == folder
        assert capsys.readouterr().err == ""
        assert len(reviewer) == 1

    def test_a_damaged_one_is_made_again(self, reviewer):
        folder = deployment.reviewer_bundle()
        (folder / "model.tflite").write_bytes(b"")
        assert deployment.reviewer_bundle() == folder
        assert deployment.Classifier(folder)("a film").label in ("negative", "positive")
        assert len(reviewer) == 2

    def test_the_commands_take_it_unless_told_otherwise(self, reviewer, bundle, monkeypatch):
        result = CliRunner().invoke(cli.app, ["predict", "a film", "a bad one"])
        assert result.exit_code == 0, result.output
        assert len(result.stdout.splitlines()) == 2
        served = []
        monkeypatch.setattr("course_lib.serving.serve", lambda *arguments: served.append(arguments[0]))
        for arguments in ([], ["--bundle", str(bundle)]):
            assert CliRunner().invoke(cli.app, ["serve", *arguments]).exit_code == 0
        assert served == [deployment.reviewer_bundle(), bundle]
        assert len(reviewer) == 1

    @pytest.mark.parametrize(("mode", "times"), [("float32", 1), ("dynamic", 0)])
    def test_only_the_measurement_of_eight_bits_is_recorded(
        self, reviewer, bundle, tmp_path, monkeypatch, mode, times
    ):
        calls = []
        recorded = weights.reviewer_card()["bundle"]
        monkeypatch.setattr(deployment.bundle, "_measured", lambda *_: calls.append(1) or recorded)
        deployment.export_file(tmp_path / "b", mode=mode)
        assert len(calls) == times


class TestCommand:
    def test_texts_from_standard_input(self, bundle):
        command = [sys.executable, "-m", "course_lib.cli", "predict", "--bundle", str(bundle), "-"]
        process = subprocess.run(command, input=b"a film\n\xff\n", capture_output=True, check=True)
        assert len(process.stdout.splitlines()) == 2

    def test_no_bundle_is_one_line(self, tmp_path):
        command = [sys.executable, "-m", "course_lib.cli", "predict", "-b", str(tmp_path), "x"]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        assert process.returncode == 1
        assert process.stderr.count("\n") == 1
        assert "course export" in process.stderr

    @pytest.mark.parametrize("text", ["", " \n", "<br />", "<p>&nbsp;</p>"])
    def test_of_nothing_there_is_no_verdict(self, bundle, text):
        result = CliRunner().invoke(cli.app, ["predict", "-b", str(bundle), "a film", text])
        assert isinstance(result.exception, ValueError)
        assert str(result.exception) == "There is nothing but white space or tags in text 2."
        assert result.output == ""

    def test_a_text_may_begin_with_a_dash(self, bundle):
        result = CliRunner().invoke(cli.app, ["predict", "-b", str(bundle), "-5 stars"])
        assert result.exit_code == 2
        assert "[--] TEXT" in result.output  # The usage says how.
        result = CliRunner().invoke(cli.app, ["predict", "-b", str(bundle), "--", "-5 stars"])
        assert result.output.split()[0] in ("negative", "positive")

    def test_the_modes_are_the_bundles(self, tmp_path):
        assert [mode.value for mode in cli.Mode] == list(deployment.MODES)
        result = CliRunner().invoke(cli.app, ["export", str(tmp_path / "b"), "--mode", "int4"])
        assert result.exit_code == 2
        assert "'int4' is not one of 'dynamic', 'float16', 'float32'" in result.output

    def test_export_that_is_stopped_cleans_up(self, tmp_path):
        code = (
            "import sys, time\n"
            "from course_lib import cli, deployment\n"
            "def export_file(*_):\n"
            "    try:\n"
            "        print('begun', flush=True)\n"
            "        time.sleep(60)\n"
            "    finally:\n"
            "        print('cleaned', flush=True)\n"
            "deployment.export_file = export_file\n"
            "sys.argv[1:] = ['export', 'b']\n"
            "cli.main()\n"
        )
        command = [sys.executable, "-c", code]
        environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent.parent)}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "begun\n"
            process.terminate()
            assert process.communicate(timeout=120)[0] == "cleaned\n"
        assert process.returncode == 128 + signal.SIGTERM


class TestWordImportance:
    def test_it_is_the_change_when_a_word_is_hidden(self, bundle):
        classifier = deployment.Classifier(bundle)
        text = "a warm and funny film"
        found = classifier.word_importance(text)
        whole = classifier(text)
        classifier._tokenizer.encode_special_tokens = False  # So that the letters are the token here.
        hidden = classifier("a [MASK] and funny film")
        assert [word for word, _ in found] == text.split()
        assert found[1][1] == pytest.approx(whole.probability - hidden.probabilities[whole.label], abs=1e-5)

    def test_words_that_the_model_does_not_see_have_none(self, bundle):
        words = [f"w{i}" for i in range(60)]
        found = deployment.Classifier(bundle).word_importance(" ".join(words))
        seen = [change is not None for _, change in found]
        assert seen[0]
        assert seen[-1]
        assert not all(seen)
        assert deployment.Classifier(bundle).word_importance(" ") == []


class TestMicroBatches:
    @given(
        st.lists(st.integers(0, 128), max_size=40),
        st.sets(st.integers(1, 127), max_size=4).map(lambda some: [128, *some]),
        st.integers(1, 9),
    )
    def test_every_text_is_once_in_the_smallest_bucket_that_holds_it(self, lengths, buckets, size):
        groups = deployment.micro_batches(lengths, buckets, size)
        assert sorted(i for _, indices in groups for i in indices) == list(range(len(lengths)))
        for bucket, indices in groups:
            assert 1 <= len(indices) <= size
            assert indices == sorted(indices)
            for i in indices:
                assert bucket == min(each for each in buckets if each >= lengths[i])
        for bucket in buckets:
            assert sum(each == bucket and len(indices) < size for each, indices in groups) <= 1

    def test_errors(self):
        with pytest.raises(ValueError, match="no text longer than 64"):
            deployment.micro_batches([65], [32, 64], 4)
        with pytest.raises(ValueError, match="at least 1"):
            deployment.micro_batches([5], [32], 0)


class TestHistogramQuantile:
    def test_by_hand(self):
        # 10 in (0, 1], 10 in (1, 3]: the median is at the first bound, three quarters half-way in the second.
        assert deployment.histogram_quantile(0.5, [1, 3], [10, 10, 0]) == pytest.approx(1.0)
        assert deployment.histogram_quantile(0.75, [1, 3], [10, 10, 0]) == pytest.approx(2.0)
        assert deployment.histogram_quantile(0.25, [1, 3], [10, 10, 0]) == pytest.approx(0.5)
        assert deployment.histogram_quantile(0.9, [1, 3], [0, 0, 5]) == 3.0
        assert np.isnan(deployment.histogram_quantile(0.5, [1], [0, 0]))

    @given(st.lists(st.floats(0.01, 99), min_size=1, max_size=60), st.floats(0.01, 1))
    def test_it_is_off_by_a_bucket_at_most(self, values, q):
        bounds = np.arange(5.0, 101, 5)
        counts = [*np.histogram(values, [0, *bounds])[0], 0]
        exact = np.quantile(values, q, method="inverted_cdf")
        assert abs(deployment.histogram_quantile(q, bounds, counts) - exact) <= 5 + 1e-9

    @pytest.mark.parametrize(
        ("q", "bounds", "counts"),
        [
            (1.1, [1], [1, 1]),
            (0.5, [1, 1], [1, 1, 1]),
            (0.5, [1], [1]),
            (0.5, [0, 1], [1, 1, 1]),
            (0.5, [], [1]),
        ],
    )
    def test_errors(self, q, bounds, counts):
        with pytest.raises(ValueError, match="`q` must be from 0 to 1"):
            deployment.histogram_quantile(q, bounds, counts)


class TestCalibration:
    def test_error_by_hand(self):
        probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6], [0.4, 0.6]])
        error, rows = deployment.expected_calibration_error(probabilities, [0, 1, 1, 1], bins=10)
        # Two at 0.95 with accuracy 0.5, two at 0.6 with accuracy 1.
        assert error == pytest.approx((2 * 0.45 + 2 * 0.4) / 4)
        assert rows == [(0.6, 1.0, 2), (0.95, 0.5, 2)]

    def test_the_temperature_of_logits_that_were_made_too_large(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(size=(40_000, 3)) * 2
        labels = np.array([rng.choice(3, p=p) for p in deployment.softmax(logits)])
        assert deployment.fit_temperature(3 * logits, labels) == pytest.approx(3.0, rel=0.05)
        errors = [
            deployment.expected_calibration_error(deployment.softmax(3 * logits / t), labels)[0]
            for t in (1, 3)
        ]
        assert errors[1] < 0.01 < errors[0]

    def test_errors(self):
        halves = np.full((2, 2), 0.5)
        for function in (deployment.fit_temperature, deployment.expected_calibration_error):
            for wrong in ((halves, [0]), (np.zeros((0, 2)), []), (np.zeros(3), [0, 1, 0])):
                with pytest.raises(ValueError, match="Shapes"):
                    function(*wrong)
            for labels in ([0, -1], [0, 2], [0.0, 0.5]):
                with pytest.raises(ValueError, match="whole numbers from 0 to 1"):
                    function(halves, labels)
            for labels in ([0, float("nan")], [0, None], ["0", "1"]):
                with pytest.raises(ValueError, match="whole numbers from 0 to 1"):
                    function(halves, labels)
            with pytest.raises(ValueError, match="finite"):
                function(halves * np.nan, [0, 1])
        for wrong in ([[3.0, -2.0]], [[0.5, 0.1]], [[1.5, -0.5]]):
            with pytest.raises(ValueError, match="sum to 1"):
                deployment.expected_calibration_error(wrong, [0])
        with pytest.raises(ValueError, match=r"These are probabilities.*before its softmax"):
            deployment.fit_temperature(
                deployment.softmax(np.random.default_rng(0).normal(size=(9, 3))), [0] * 9
            )
        with pytest.raises(ValueError, match="`bins`"):
            deployment.expected_calibration_error(halves, [0, 1], bins=0)

    def test_error_is_that_of_scikit_learn_s_bins(self):
        rng = np.random.default_rng(0)
        probabilities = deployment.softmax(rng.normal(size=(500, 2)) * 2)
        labels = rng.integers(0, 2, 500)
        _, rows = deployment.expected_calibration_error(probabilities, labels, bins=10)
        right = probabilities.argmax(axis=1) == labels
        accuracy, confidence = sklearn.calibration.calibration_curve(
            right, probabilities.max(axis=1), n_bins=10, strategy="uniform"
        )
        np.testing.assert_allclose([row[:2] for row in rows], np.column_stack([confidence, accuracy]))

    def test_temperature_is_that_of_a_logistic_regression(self):
        rng = np.random.default_rng(0)
        logits = rng.normal(size=(2000, 2)) * 2
        labels = (rng.random(2000) < deployment.softmax(logits / 1.7)[:, 1]).astype(int)
        # Of two classes: one coefficient, 1 / T, for the difference of the logits.
        regression = sklearn.linear_model.LogisticRegression(C=1e9, fit_intercept=False)
        regression.fit((logits[:, 1] - logits[:, 0])[:, None], labels)
        expected = 1 / regression.coef_[0, 0]
        assert deployment.fit_temperature(logits, labels) == pytest.approx(expected, rel=1e-3)


class TestDrift:
    def test_index_by_hand_and_symmetric(self):
        e, a = np.array([10.5, 30.5]) / 41, np.array([20.5, 20.5]) / 41
        expected = np.sum((a - e) * np.log(a / e))
        assert deployment.population_stability_index([10, 30], [20, 20]) == pytest.approx(expected)
        assert deployment.population_stability_index([20, 20], [10, 30]) == pytest.approx(expected)
        assert deployment.population_stability_index([5, 5, 5], [5, 5, 5]) == 0
        assert np.isfinite(deployment.population_stability_index([100, 0], [0, 100]))

    def test_index_without_drift_is_as_the_docstring_says(self):
        rng = np.random.default_rng(0)
        bins, n, m = 5, 400, 200
        found = [
            deployment.population_stability_index(
                *(rng.multinomial(size, np.ones(bins) / bins) for size in (n, m))
            )
            for _ in range(2000)
        ]
        assert np.mean(found) == pytest.approx((bins - 1) * (1 / n + 1 / m), rel=0.1)

    @pytest.mark.parametrize("wrong", [([1, 2], [1]), ([0, 0], [1, 1]), ([1, -1], [1, 1]), ([[1]], [[1]])])
    def test_errors_of_the_index(self, wrong):
        with pytest.raises(ValueError, match="Two arrays of counts"):
            deployment.population_stability_index(*wrong)

    def test_the_monitor_tells_change_from_none(self):
        rng = np.random.default_rng(0)
        reference = {"length": rng.normal(100, 20, 500), "confidence": rng.uniform(0.5, 1, 500)}
        monitor = deployment.DriftMonitor(reference, window=80)
        for i in range(400):
            monitor.add({"length": rng.normal(100, 20), "confidence": rng.uniform(0.5, 1)})
            report = monitor.report()
            assert bool(report) == (i >= 79)
            assert not any(found.alert for found in report.values())
        for _ in range(80):
            monitor.add({"length": rng.normal(60, 20), "confidence": rng.uniform(0.5, 1)})
        report = monitor.report()
        assert report["length"].alert
        assert not report["confidence"].alert

    def test_a_constant_feature_is_no_fault(self):
        monitor = deployment.DriftMonitor({"unknown": np.zeros(50)}, window=20)
        for _ in range(20):
            monitor.add({"unknown": 0.0})
        assert not monitor.report()["unknown"].alert
        for _ in range(20):
            monitor.add({"unknown": 1.0})
        assert monitor.report()["unknown"].alert

    @pytest.mark.parametrize(
        ("reference", "now"),
        [
            ([1.0] * 180 + [*np.linspace(0.5, 0.99, 20)], 0.5),
            ([128.0] * 200, 5.0),
            ([128.0] * 200, 300.0),
            ([0.0] * 100 + [*range(1, 101)], 3.0),
            ([0] * 100 + [1] * 100, 0),
            ([0] * 100 + [1] * 100, 1),
        ],
    )
    def test_a_move_from_a_frequent_value_is_noticed(self, reference, now):
        rng = np.random.default_rng(0)
        monitor = deployment.DriftMonitor({"a": reference})
        for value in rng.choice(reference, 100, replace=False):
            monitor.add({"a": value})
        assert not monitor.report()["a"].alert
        for _ in range(100):
            monitor.add({"a": now})
        assert monitor.report()["a"].alert

    def test_bins_by_hand(self):
        # Quantiles 1, 1, 3, 8: 1 and 8 have a tenth and more, 3 has not.
        reference = [1.0] * 45 + [2.0] * 14 + [3.0] * 2 + [5.0] * 17 + [8.0] * 12 + [9.0] * 10
        now = [0.0] * 4 + [1.0] * 6 + [3.0] * 4 + [8.0] * 2 + [9.0] * 4
        monitor = deployment.DriftMonitor({"a": reference}, window=20)
        for value in now:
            monitor.add({"a": value})
        # Below 1, 1, up to 3, below 8, 8, above.
        expected = deployment.population_stability_index([0, 45, 16, 17, 12, 10], [4, 6, 4, 0, 2, 4])
        assert monitor.report()["a"].psi == pytest.approx(expected)

    def test_reference_and_service_round_alike(self):
        rng = np.random.default_rng(0)

        def prediction():
            p = float(rng.uniform(0.99985, 0.99995))
            return deployment.Prediction("b", p, {"a": 1 - p, "b": p}, 3, False, 1 / 3)

        reference = [deployment.features(prediction()) for _ in range(1000)]
        written = json.loads(json.dumps(reference))  # As it is in a card.
        monitor = deployment.DriftMonitor({name: [each[name] for each in written] for name in reference[0]})
        for _ in range(100):
            monitor.add(deployment.features(prediction()))
        assert not any(found.alert or found.psi for found in monitor.report().values())
        assert tuple(reference[0]) == deployment.WATCHED
        assert reference[0] == {"length": 3, "unknown": 0.3333, "confidence": 0.9999, "label": 1}

    def test_a_frequent_value_between_quantiles_has_its_bin(self):
        # Each is a fifth, so that quantiles lie between them.
        monitor = deployment.DriftMonitor({"a": [0.0] * 21 + [1, 2, 3, 4] * 19 + [5, 6, 7]}, bins=5)
        for _ in range(100):
            monitor.add({"a": -1.0})
        assert monitor.report()["a"].alert

    @pytest.mark.parametrize("missing", [1, 30, 100])
    def test_nan_is_a_value_of_its_own(self, missing):
        rng = np.random.default_rng(0)
        reference = rng.normal(size=500)
        shifted = [*rng.normal(3, 1, 100 - missing), *[float("nan")] * missing]
        monitor = deployment.DriftMonitor({"a": reference})
        for value in shifted:
            monitor.add({"a": value})
        assert monitor.report()["a"].alert
        monitor = deployment.DriftMonitor({"a": reference})
        for value in [*rng.normal(size=99), float("nan")]:
            monitor.add({"a": value})
        found = monitor.report()["a"]
        assert not found.alert
        assert np.isfinite([found.psi, found.p_value]).all()

    def test_p_value_and_share_of_nan_are_scipy_s(self):
        rng = np.random.default_rng(0)
        reference, now = rng.normal(size=200), rng.normal(0.3, 1, 80)
        plain, with_nan = (deployment.DriftMonitor({"a": reference}, window=n) for n in (80, 100))
        for value in now:
            plain.add({"a": value})
            with_nan.add({"a": value})
        expected = scipy.stats.ks_2samp(reference, now).pvalue
        assert plain.report()["a"].p_value == pytest.approx(expected)
        for _ in range(20):
            with_nan.add({"a": float("nan")})
        share = scipy.stats.fisher_exact([[0, 200], [20, 80]]).pvalue
        assert with_nan.report()["a"].p_value == pytest.approx(2 * min(expected, share))
        at = np.quantile(reference, [0.2, 0.4, 0.6, 0.8])
        counts = [np.histogram(each, [-np.inf, *at, np.inf])[0] for each in (reference, now)]
        psi = deployment.population_stability_index([*counts[0], 0], [*counts[1], 20])
        assert with_nan.report()["a"].psi == pytest.approx(psi)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"a": 2.0}, "has no 'b'"),
            ({"a": 2.0, "b": None}, "'b' is no number"),
            ({"a": 2.0, "b": "3"}, "'b' is no number"),
            ({"a": 2.0, "b": [1.0, 2.0]}, "'b' is no number"),
        ],
    )
    def test_an_observation_counts_whole_or_not_at_all(self, wrong, message):
        monitor = deployment.DriftMonitor({name: np.arange(50.0) for name in "ab"}, window=20)
        for _ in range(19):
            monitor.add({"a": 1.0, "b": 1.0})
        with pytest.raises(ValueError, match=message):
            monitor.add(wrong)
        assert not monitor.report()
        monitor.add({"a": 1.0, "b": 1.0})
        assert monitor.report()

    def test_false_alarms_and_power_are_what_is_said(self):
        rng = np.random.default_rng(0)
        kinds = {
            "normal": lambda n: rng.normal(size=n),
            "binary": lambda n: rng.integers(0, 2, n),
            "mostly": lambda n: np.where(rng.random(n) < 0.9, 1.0, rng.uniform(0.5, 1, n)),
        }

        def alarms(count, moved=0.0, **options):
            raised = 0
            for i in range(count):
                if i % 20 == 0:
                    reference = {name: draw(1000) for name, draw in kinds.items()}
                monitor = deployment.DriftMonitor(reference, **options)
                columns = [draw(100) for draw in kinds.values()]
                columns[0] = columns[0] + moved
                for row in zip(*columns, strict=True):
                    monitor.add(dict(zip(kinds, row, strict=True)))
                raised += any(found.alert for found in monitor.report().values())
            return raised / count

        # The test alone, at a level that so few windows can tell: 5 % and three standard deviations.
        assert alarms(300, threshold=0.0, p_value=0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
        assert alarms(300) == 0
        assert alarms(100, moved=1.0) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            [[1.0]] * 30,
            ["a"] * 30,
            [float("nan")] * 30,
            [1.0] * 30 + [float("nan")],
            [1.0] * 30 + [None],
            [10**400] * 30,
            [None] * 30,
        ],
    )
    def test_a_reference_holds_numbers(self, wrong):
        with pytest.raises(ValueError, match="The reference of a is a list of finite numbers"):
            deployment.DriftMonitor({"a": wrong})

    @pytest.mark.parametrize(
        "wrong",
        [
            {"window": 5},
            {"bins": 1},
            {"p_value": 0},
            {"threshold": float("nan")},
            {"window": 50.5},
            {"reference": {}},
            {"reference": {"a": [1.0]}},
        ],
    )
    def test_errors_of_the_monitor(self, wrong):
        with pytest.raises(ValueError, match="At least 20 values"):
            deployment.DriftMonitor(**{"reference": {"a": np.arange(50.0)}, **wrong})


class TestCost:
    def test_by_hand(self):
        # 3,600 an hour at one a second: 3.60 an hour makes 1 per thousand, at half use 2.
        assert deployment.cost_per_thousand(3.6, 1) == pytest.approx(1.0)
        assert deployment.cost_per_thousand(3.6, 1, 0.5) == pytest.approx(2.0)

    @pytest.mark.parametrize("wrong", [(-1, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1.5)])
    def test_errors(self, wrong):
        with pytest.raises(ValueError, match="must not be negative"):
            deployment.cost_per_thousand(*wrong)


def test_latency_leaves_the_warm_up_out():
    calls = []
    assert deployment.latency(calls.append, [1, 2, 3, 4], warmup=2).shape == (4,)
    assert calls == [1, 2, 1, 2, 3, 4]


class TestOnnx:
    def test_it_says_what_the_keras_model_says(self, model, bundle, split, tmp_path):
        deployment.export_onnx(model, tmp_path / "model.onnx")
        there = deployment.OnnxClassifier(tmp_path / "model.onnx", bundle / deployment.TOKENIZER, length=32)
        texts = [*split.texts, "", "a fine [SEP] film", "one <b>bold</b> film &amp; more"]
        expected = deployment.Classifier(bundle).logits(texts)
        np.testing.assert_allclose(there.logits(texts), expected, atol=1e-4)

    def test_padding_does_not_count(self, model, tmp_path):
        import onnxruntime

        deployment.export_onnx(model, tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        rows = [[101, 2023, 102], [101, 2986, 2143, 2045, 102]]
        ids, mask = imdb.pad(rows, 9)
        inputs = {"token_ids": ids, "segment_ids": np.zeros_like(ids), "padding_mask": mask.astype("int32")}
        (together,) = session.run(None, inputs)
        for row, found in zip(rows, together, strict=True):
            ids = np.array([row], "int32")
            one = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 1 + 0 * ids}
            np.testing.assert_allclose(session.run(None, one)[0][0], found, atol=1e-4)

    def test_heads_and_neurons_may_be_gone(self, model, tmp_path):
        import onnxruntime

        smaller = pruning.keep(model, heads={"transformer_layer_0": [1]})
        deployment.export_onnx(smaller, tmp_path / "model.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        ids = np.array([[101, 2023, 2143, 102]], "int32")
        inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": 1 + 0 * ids}
        expected = keras.ops.convert_to_numpy(smaller(inputs, training=False))
        np.testing.assert_allclose(session.run(None, inputs)[0], expected, atol=1e-5)

    def test_other_networks_are_refused(self, tmp_path):
        other = fine_tuning.classifier(
            transformer.encoder(len(weights.vocabulary()), 1, 2, 16, 32, norm_first=True)
        )
        with pytest.raises(ValueError, match="no classifier on a BERT"):
            deployment.export_onnx(other, tmp_path / "model.onnx")
        with pytest.raises(ValueError, match="no classifier on a BERT"):
            deployment.export_onnx(transformer.encoder(100, 1, 2, 16, 32), tmp_path / "model.onnx")
        assert not list(tmp_path.iterdir())


class TestRecords:
    def test_what_was_recorded_is_there(self):
        found = deployment.record("runtimes")
        assert set(found["megabytes"]) < set(found["wrong"]) == set(found["milliseconds"])
        texts = {len(times) for times in found["milliseconds"].values()}
        assert texts == {2 * found["timed"]}
        for wrong in found["wrong"].values():
            assert wrong == sorted(set(wrong))
            assert max(wrong) < found["reviews"]
        emulated = deployment.record("aarch64")
        assert {each["machine"] for each in emulated["cores"].values()} == {"aarch64"}
        for each in deployment.record("browser")["equal"].values():
            assert each["labels"] <= len(each["differences"]) == 500

    def test_what_was_not_recorded_is_none(self):
        assert deployment.record("nothing") is None
