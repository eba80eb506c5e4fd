"""The pretrained encoder: only the published bytes are used, and they compute what KerasHub makes of them."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from course_lib import fetch, weights

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without weights: no variable, no package, an empty cache."""
    monkeypatch.delenv("COURSE_WEIGHTS", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "CARRIER", "no_such_carrier_package")
    return monkeypatch


@pytest.fixture
def published(nowhere):
    """Small stand-ins for the published files; returns a function that puts them into a folder."""
    files = {name: f"the bytes of {name}".encode() for name in weights.SHA256}
    nowhere.setattr(
        weights, "SHA256", {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    )

    def put(folder):
        folder.mkdir(parents=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder

    return put


# Where they are found


def test_no_weights_says_what_to_do(nowhere):
    with pytest.raises(weights.WeightsNotFoundError) as caught:
        weights.find()
    for step in ("course fetch weights", "make lab", "COURSE_WEIGHTS"):
        assert step in str(caught.value)
        assert step in caught.value.remedy


def test_places_are_tried_in_order(published, nowhere, tmp_path):
    published(weights.cache_folder())
    assert weights.find().origin == "course fetch weights"

    package = tmp_path / "site" / "a_carrier"
    published(package / "model")
    (package / "__init__.py").write_text(
        "raise SystemExit('a carrier is not trusted: its code must not run')"
    )
    nowhere.syspath_prepend(tmp_path / "site")
    nowhere.setattr(weights, "CARRIER", "a_carrier")
    assert weights.find().origin == "package a-carrier"
    assert weights.find().folder == package / "model"

    folder = published(tmp_path / "named")
    nowhere.setenv("COURSE_WEIGHTS", str(folder))
    found = weights.find()
    assert (found.folder, found.origin) == (folder, "COURSE_WEIGHTS")
    assert found.sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_a_named_folder_without_weights_is_an_error_and_not_passed_over(published, nowhere, tmp_path):
    published(weights.cache_folder())
    nowhere.setenv("COURSE_WEIGHTS", str(tmp_path / "empty"))
    with pytest.raises(weights.WeightsNotFoundError, match=r"no model.safetensors in .*empty.*[Uu]nset"):
        weights.find()


@pytest.mark.parametrize("name", weights.SHA256)
def test_a_file_with_one_other_byte_is_refused_by_name(published, nowhere, tmp_path, name):
    folder = published(tmp_path / "named")
    nowhere.setenv("COURSE_WEIGHTS", str(folder))
    weights.find()
    data = bytearray((folder / name).read_bytes())
    data[3] ^= 1
    (folder / name).write_bytes(data)

    with pytest.raises(weights.WeightsError, match="is not the published file") as caught:
        weights.find()
    assert str(folder / name) in str(caught.value)
    assert "Unset COURSE_WEIGHTS" in str(caught.value)


@pytest.mark.parametrize("name", [name for name in weights.SHA256 if name != "model.safetensors"])
def test_a_missing_file_is_named(published, nowhere, name):
    folder = published(weights.cache_folder())
    (folder / name).unlink()
    with pytest.raises(weights.WeightsError, match=f"lacks {name}.*course fetch weights"):
        weights.find()


def test_fetch_brings_the_pinned_revision_with_its_checksums(published, nowhere):
    calls = []

    def download(urls, path, *, sha256, **others):
        calls.append((urls, path.name, sha256))
        path.write_bytes(f"the bytes of {path.name}".encode())

    nowhere.setattr(fetch, "download", download)
    folder = weights.fetch()

    assert weights.find().folder == folder
    assert {name: digest for _, name, digest in calls} == weights.SHA256
    for urls, name, _ in calls:
        assert urls
        assert all(f"/{weights.REVISION}/" in url and url.endswith(f"/{name}") for url in urls)


def test_colab_fetches_them_at_once_and_says_so(published, nowhere, capsys):
    nowhere.setitem(sys.modules, "google.colab", object())
    nowhere.setattr(weights, "fetch", lambda: published(weights.cache_folder()))
    assert weights.find().origin == "course fetch weights"
    assert "Fetching all-MiniLM-L6-v2 (91 MB)" in capsys.readouterr().out


def test_a_tampered_copy_of_the_real_weights_is_not_loaded(minilm, monkeypatch, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in weights.SHA256:
        (folder / name).write_bytes((minilm.folder / name).read_bytes())
    monkeypatch.setenv("COURSE_WEIGHTS", str(folder))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    assert weights.find().sha256 == minilm.sha256
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))

    with pytest.raises(
        weights.WeightsError, match=r"model\.safetensors .*was not loaded\. Unset COURSE_WEIGHTS"
    ):
        weights.load_classifier()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


# The converted copy


def test_two_processes_may_convert_at_once(minilm, tmp_path):
    code = "from course_lib import weights; print(weights.preset())"
    environment = {**os.environ, "COURSE_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    results = [process.communicate(timeout=300) for process in both]

    assert [process.returncode for process in both] == [0, 0], results
    (folder,) = tmp_path.iterdir()  # One copy, and nothing temporary left.
    assert {out.strip() for out, _ in results} == {str(folder)}
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["config.json", "tokenizer_config.json", *weights.SHA256]
    )


def test_a_conversion_cut_short_leaves_nothing(minilm, monkeypatch, tmp_path):
    import safetensors.numpy

    def full(tensors, path, **options):
        pathlib.Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        weights.preset()
    assert list(tmp_path.iterdir()) == []


# The network


@pytest.fixture(scope="module")
def classifier(minilm):
    return weights.load_classifier(sequence_length=24)


@pytest.fixture(scope="module")
def inputs():
    tokens = np.random.default_rng(0).integers(1000, 30000, size=(3, 16))
    mask = np.arange(16) < np.array([[16], [9], [4]])
    return {
        "token_ids": np.where(mask, tokens, 0).astype("int32"),
        "padding_mask": mask.astype("int32"),
        "segment_ids": np.zeros((3, 16), "int32"),
    }


def outputs(backbone, inputs):
    from keras import ops

    return {name: ops.convert_to_numpy(value) for name, value in backbone(inputs, training=False).items()}


@pytest.mark.backend
def test_the_converted_copy_computes_what_the_published_folder_does(minilm, classifier, inputs):
    import keras_hub

    if not (minilm.folder / "config.json").is_file():
        pytest.skip("this copy of the weights has no config.json for KerasHub to read")
    if tuple(map(int, keras_hub.__version__.split(".")[:2])) < (0, 32):
        pytest.skip(f"KerasHub {keras_hub.__version__} cannot read the published tensor names")
    direct = keras_hub.models.BertBackbone.from_preset(str(minilm.folder))

    expected, found = outputs(direct, inputs), outputs(classifier.backbone, inputs)
    assert expected["sequence_output"].shape == (3, 16, 384)
    assert expected["pooled_output"].shape == (3, 384)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)


@pytest.mark.backend
def test_the_embeddings_are_the_published_ones(minilm, classifier, inputs):
    """Independent of KerasHub: the published tensors, added and normalised by NumPy."""
    import safetensors.numpy
    from keras import ops

    tensors = safetensors.numpy.load_file(minilm.folder / "model.safetensors")
    total = (
        tensors["embeddings.word_embeddings.weight"][inputs["token_ids"]]
        + tensors["embeddings.position_embeddings.weight"][:16]
        + tensors["embeddings.token_type_embeddings.weight"][0]
    )
    centred = total - total.mean(-1, keepdims=True)
    expected = centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-12)
    expected = expected * tensors["embeddings.LayerNorm.weight"] + tensors["embeddings.LayerNorm.bias"]

    import keras

    layer = classifier.backbone.get_layer("embeddings_layer_norm")
    embed = keras.Model(classifier.backbone.inputs, layer.output)
    np.testing.assert_allclose(ops.convert_to_numpy(embed(inputs)), expected, atol=1e-5)


@pytest.mark.backend
def test_the_classifier_is_the_network_that_the_lessons_describe(classifier):
    assert classifier.count_params() == 22_713_986
    assert classifier.predict(["A fine film.", "A dull film."], verbose=0).shape == (2, 2)
    assert classifier.preprocessor.sequence_length == 24


@pytest.mark.backend
def test_random_weights_give_the_same_network_with_other_values(classifier):
    import keras

    def values(model):
        return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}

    keras.utils.set_random_seed(1)
    first = values(weights.load_backbone(pretrained=False))
    keras.utils.set_random_seed(2)
    model = weights.load_backbone(pretrained=False, dtype="mixed_bfloat16")
    second = values(model)

    pretrained = values(classifier.backbone)
    assert {path: value.shape for path, value in first.items()} == {
        path: value.shape for path, value in pretrained.items()
    }
    kernels = [path for path in first if path.endswith(("kernel", "embeddings"))]
    assert len(kernels) > 30
    for path in kernels:
        assert np.abs(first[path] - second[path]).max() > 1e-3, path
        assert np.abs(first[path] - pretrained[path]).max() > 1e-3, path
    assert model.dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize("length", [-1, 0, 1, 513])
def test_a_sequence_length_that_does_not_fit_is_refused(length):
    with pytest.raises(ValueError, match=f"`sequence_length` must be from 2 to 512. Received: {length}"):
        weights.load_classifier(sequence_length=length)


# The vocabulary


def test_vocabulary_agrees_with_the_tokenizer(minilm):
    words = weights.vocabulary()
    assert len(words) == len(set(words)) == 30_522
    assert [words[i] for i in (0, 100, 101, 102, 103)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    by_id = json.loads(weights.tokenizer_file().read_text(encoding="utf-8"))["model"]["vocab"]
    assert {word: i for i, word in enumerate(words)} == by_id


def test_keras_and_hugging_face_cut_a_text_alike(classifier):
    import tokenizers

    text = "An UNFORGETTABLE café-noir: don't miss it (8/10)!"
    tokenizer = tokenizers.Tokenizer.from_file(str(weights.tokenizer_file()))
    tokenizer.no_padding()
    expected = tokenizer.encode(text).ids

    found = classifier.preprocessor([text])
    ids = np.asarray(found["token_ids"])[0][np.asarray(found["padding_mask"])[0].astype(bool)]
    assert len(expected) < 24
    assert ids.tolist() == expected
