"""The service: right answers under load, limits that hold, nothing kept of a text, a clean end."""

import asyncio
import base64
import collections
import contextlib
import functools
import gzip
import hashlib
import json
import logging
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import types

import httpx
import numpy as np
import psutil
import pytest
from fastapi.exceptions import RequestValidationError
from prometheus_client import parser

from course_lib import cli, deployment, fine_tuning, imdb, samples, serving, transformer, weights

ROOT = pathlib.Path(__file__).resolve().parent.parent
FREE = {"rate": 1e9, "burst": 10**9}  # No limit of rate.


# A small bundle, and ways to ask it


@pytest.fixture(scope="module")
def texts():
    """Reviews and what people send besides, of many lengths."""
    odd = ["&lt;", "a", "ы" * 50, "🎬🍿" * 20, "<br />" * 9 + "b", "x" * 3000, "\x00\x07", "don't… stop"]
    return odd + [review.text for review in samples.load()[:91]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, texts):
    """A tiny classifier, not trained, whose answers differ from text to text; it needs no weights."""
    import keras
    import tokenizers

    folder = tmp_path_factory.mktemp("serving")
    keras.utils.set_random_seed(0)
    reviews = texts[9:]
    pieces = imdb.train_wordpiece(reviews, 1000)
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    backbone = transformer.encoder(30522, 1, 2, 16, 32, max_length=64, spread=1.0)
    model = fine_tuning.classifier(backbone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "tokenizer_file", lambda: folder / "tokenizer.json")
        ids, mask = imdb.pad(imdb.encode(reviews, tokenizer, 64, "both"), 64)
        inputs = {"token_ids": ids, "segment_ids": 0 * ids, "padding_mask": mask.astype("int32")}
        found = np.array(model(inputs))
        model.get_layer("logits").bias.assign(-found.mean(axis=0))  # Both labels are given.
        labels = (found - found.mean(axis=0)).argmax(axis=1)
        labels[::7] = 1 - labels[::7]  # Else the fitted temperature would make all of them certain.
        split = imdb.Split(reviews, labels, [str(i) for i in range(len(reviews))])
        return deployment.export(model, folder / "bundle", split, split, lengths=(16, 64))


@pytest.fixture(scope="module")
def classifier(bundle):
    return deployment.Classifier(bundle)


class Fake:
    """Stands in for a classifier: counts batches, fails on "fail", and waits while its gate is closed."""

    def __init__(self):
        self.card, self.batches, self.gate = {}, [], threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def predict(self, texts):
        self.batches.append(list(texts))
        self.entered.set()
        assert self.gate.wait(20)
        if "fail" in texts:
            raise RuntimeError(f"cannot read {texts}")
        return [deployment.Prediction("good", 0.9, {"good": 0.9, "bad": 0.1}, 3, False, 0.0) for _ in texts]

    def word_importance(self, text):
        self.predict([text])
        return [(word, None) for word in text.split()]

    def copy(self, threads):
        return self


@contextlib.contextmanager
def closed(fake):
    """Nothing is answered inside."""
    fake.gate.clear()
    fake.entered.clear()
    try:
        yield
    finally:
        fake.gate.set()


def ask(app, work, address="192.0.2.1"):
    """Runs `work(client)` against an app in this process."""

    async def run():
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            return await work(client)

    return asyncio.run(run())


def post(app, body, path="/predict", **options):
    """One request in this process; `body` is what JSON is made of, or bytes."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    return ask(app, lambda client: client.post(path, content=body, headers=headers), **options)


def get(app, path, **options):
    return ask(app, lambda client: client.get(path, **options))


async def until(true):
    """Waits for something that must happen."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


async def waiting(client, number):
    """Until so many texts wait."""
    async with asyncio.timeout(20):
        while measures((await client.get("/metrics")).text)["course_queue_length",] != number:
            await asyncio.sleep(0.005)


def metrics(app):
    """Name and labels of each sample, to its value."""
    answer = get(app, "/metrics")
    assert answer.status_code == 200
    return measures(answer.text)


def measures(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


def same(answer, prediction):
    """Whether an answer says what the classifier does."""
    assert answer["label"] == prediction.label
    assert answer["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-6)
    assert answer["probability"] == pytest.approx(prediction.probability, abs=1e-6)
    assert (answer["tokens"], answer["truncated"]) == (prediction.tokens, prediction.truncated)
    return True


# Answers


def test_the_tiny_classifier_tells_texts_apart(classifier, texts):
    found = classifier.predict(texts)
    assert len({round(each.probability, 5) for each in found}) > 80
    assert {each.label for each in found} == {"negative", "positive"}


def test_answers_under_hundreds_of_concurrent_requests(classifier, texts):
    expected = classifier.predict(texts)
    app = serving.create_app(classifier, serving.Settings(**FREE, concurrency=500))
    random = np.random.default_rng(0)
    picks = [random.integers(len(texts), size=random.integers(1, 6)) for _ in range(150)]

    async def work(client):
        single = [client.post("/predict", json={"text": texts[i % len(texts)]}) for i in range(250)]
        batch = [client.post("/predict", json={"texts": [texts[i] for i in pick]}) for pick in picks]
        return await asyncio.gather(*single, *batch)

    answers = ask(app, work)
    assert {answer.status_code for answer in answers} == {200}
    for i, answer in enumerate(answers[:250]):
        same(answer.json(), expected[i % len(texts)])
    for pick, answer in zip(picks, answers[250:], strict=True):
        found = answer.json()["predictions"]
        assert len(found) == len(pick)
        assert all(same(each, expected[i]) for each, i in zip(found, pick, strict=True))
    found = metrics(app)
    assert found["course_batch_size_sum",] == 250 + sum(map(len, picks))
    assert found["course_batch_size_count",] < 250


def test_texts_that_wait_run_together_and_batches_are_bounded():
    fake = Fake()
    app = serving.create_app(fake, serving.Settings(**FREE, batch=4))

    async def work(client):
        with closed(fake):
            tasks = [asyncio.create_task(client.post("/predict", json={"text": "0"}))]
            await until(fake.entered.is_set)
            tasks += [
                asyncio.create_task(client.post("/predict", json={"text": str(i)})) for i in range(1, 6)
            ]
            tasks += [asyncio.create_task(client.post("/predict", json={"texts": list("67890")}))]
            await waiting(client, 10)
        return await asyncio.gather(*tasks)

    assert {answer.status_code for answer in ask(app, work)} == {200}
    assert fake.batches == [["0"], ["1", "2", "3", "4"], ["5", "6", "7", "8"], ["9", "0"]]


def test_an_explanation_is_the_classifiers_own(classifier):
    text = "A <b>dull</b> film, not a good one. " + "It goes on. " * 40
    words = post(serving.create_app(classifier), {"text": text}, "/explain").json()["words"]
    expected = classifier.word_importance(text)
    assert [each["word"] for each in words] == [word for word, _ in expected]
    assert [each["change"] for each in words] == pytest.approx([c for _, c in expected], abs=1e-6)
    assert words[-1]["change"] is not None
    assert any(each["change"] is None for each in words)


# Limits


def stream(size, sent, chunk=10_000):
    """A body that comes in parts, without a declared length; `sent` counts them."""

    async def parts():
        for _ in range(0, size, chunk):
            sent.append(chunk)
            yield b" " * chunk

    return parts()


@pytest.mark.parametrize("path", ["/predict", "/explain", "/healthz", "/nowhere"])
def test_a_body_that_is_too_large_is_not_read_on(path):
    app, sent = serving.create_app(Fake(), serving.Settings(body_bytes=50_000)), []
    headers = {"Content-Type": "application/json"}
    answer = ask(app, lambda client: client.post(path, content=stream(10**6, sent), headers=headers))
    assert answer.status_code == 413
    assert "50000 bytes" in answer.json()["detail"]
    assert sum(sent) <= 60_000
    assert post(app, b" " * 50_001, path).status_code == 413


SECRET = "my secret diary"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 422, "required"),
        (b"{" + SECRET.encode(), 400, "JSON"),
        (b'{"text": "%s' % SECRET.encode(), 400, "JSON"),
        (b'{"text": "\xff"}', 400, ""),
        (b'{"text": NaN}', 422, "string"),
        (b'{"text": -Infinity}', 422, "string"),
        (b'{"text": ' + b"9" * 5000 + b"}", 400, ""),
        (b'{"text": "\\ud800 %s"}' % SECRET.encode(), 422, "unicode"),
        (b"[" * 50_000, 400, ""),
        (b'{"text": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, ""),
        (b'{"text":' * 20_000 + b"1" + b"}" * 20_000, 400, ""),
        (json.dumps({"text": SECRET}).encode("utf-16")[:-1], 400, ""),
        ({"text": {"text": SECRET}}, 422, "string"),
        ({"text": [SECRET]}, 422, "string"),
        ({"text": None}, 422, "string"),
        ({"text": SECRET, "texts": [SECRET]}, 422, "unknown field"),
        ({"texts": SECRET}, 422, "list"),
        ({"texts": []}, 422, "at least 1"),
        ({"texts": ["a"] * 65}, 422, "at most 64"),
        ({"texts": ["a", 3]}, 422, "texts.1"),
        ({"texts": ["a", SECRET * 2000]}, 422, "texts.1: String should have at most 20000 characters"),
        ({"text": SECRET * 2000}, 422, "text: String should have at most 20000 characters"),
        ({SECRET: "a"}, 422, "unknown field"),
        ({"text": " \n"}, 422, "text: There is nothing but white space"),
        ({"texts": ["a", ""]}, 422, "texts.1: There is nothing but white space or tags"),
        ({"texts": ["a", "<br /> &nbsp;"]}, 422, "texts.1: There is nothing but white space or tags"),
        ({}, 422, "text: Field required"),
        ([SECRET], 422, ""),
        (SECRET, 422, ""),
        (None, 422, ""),
    ],
)
def test_a_bad_body_is_refused_in_words_and_not_repeated(body, status, says, caplog):
    caplog.set_level(logging.DEBUG)
    fake = Fake()
    answer = post(serving.create_app(fake), body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert SECRET not in answer.text + caplog.text
    assert not fake.batches


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_other_content_types_are_refused(kind):
    answer = post(serving.create_app(Fake()), {"text": "a"}, headers={"Content-Type": kind})
    assert (answer.status_code, "application/json" in answer.json()["detail"]) == (415, True)


def test_other_encodings_of_json_are_read():
    fake = Fake()
    body = json.dumps({"text": "naïve"}, ensure_ascii=False).encode("utf-16")
    assert post(serving.create_app(fake), body).status_code == 200
    assert fake.batches == [["naïve"]]


@pytest.mark.parametrize("more", [{}, {"text": "a"}, {"texts": ["a"]}])
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_body_with_many_unknown_fields_costs_little(monkeypatch, path, more):
    found = []
    complaint = serving.app._complaint
    monkeypatch.setattr(serving.app, "_complaint", lambda error: found.append(error) or complaint(error))
    errors = RequestValidationError.errors
    counts = []
    monkeypatch.setattr(
        RequestValidationError, "errors", lambda self: counts.append(len(errors(self))) or errors(self)
    )
    answer = post(serving.create_app(Fake()), {**{f"k{i}": 1 for i in range(15_000)}, **more}, path)
    assert (answer.status_code, answer.json()) == (422, {"detail": "There is an unknown field"})
    assert counts == [1]


def test_a_body_that_is_packed_is_refused_as_such():
    body = gzip.compress(b'{"text": "a"}')
    app = serving.create_app(Fake())
    answer = post(app, body, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, "Content-Encoding" in answer.json()["detail"]) == (415, True)
    assert post(app, {"text": "a"}, headers={"Content-Encoding": "identity"}).status_code == 200


def test_a_body_with_a_length_and_an_encoding_is_refused():
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "13"}
    answer = post(serving.create_app(Fake()), b'{"text": "a"}', headers=headers)
    assert (answer.status_code, answer.headers["Connection"]) == (400, "close")


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics"])
def test_head_is_get_without_the_body(path):
    app = serving.create_app(Fake())
    answer = ask(app, lambda client: client.head(path))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == get(app, path).headers["Content-Type"]
    assert ask(app, lambda client: client.head("/predict")).status_code == 405


def test_rate_is_limited_per_client(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(serving.limits.time, "monotonic", lambda: now[0])
    app = serving.create_app(Fake(), serving.Settings(rate=2, burst=64))
    for _ in range(2):
        assert post(app, {"texts": ["a"] * 32}).status_code == 200
    refused = post(app, {"texts": ["a"] * 5})
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) >= 1
    assert post(app, {"text": "a"}, address="192.0.2.2").status_code == 200
    assert get(app, "/healthz").status_code == 200
    now[0] += int(refused.headers["Retry-After"])
    assert post(app, {"text": "a"}).status_code == 200
    now[0] += 3600
    assert post(app, {"texts": ["a"] * 64}).status_code == 200
    assert post(app, {"text": "a"}).status_code == 429


def test_an_explanation_costs_more():
    app = serving.create_app(Fake(), serving.Settings(rate=0.001, burst=64, explain_cost=30))
    answers = [post(app, {"text": "a"}, "/explain").status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert post(app, {"text": "a" * 5001}, "/explain", address="192.0.2.2").status_code == 422


def test_remembered_clients_are_bounded():
    rate = serving.limits.Rate(serving.Settings(clients=10))
    for i in range(100):
        rate.charge(str(i), 1)
    assert list(rate._buckets) == [str(i) for i in range(90, 100)]


@pytest.mark.parametrize("limit", [{"queue": 4}, {"concurrency": 5}, {"explanations": 5}])
def test_what_is_too_much_is_refused_and_health_still_answers(limit):
    fake = Fake()
    app = serving.create_app(fake, serving.Settings(**FREE, **limit, batch=1))
    path = "/explain" if "explanations" in limit else "/predict"

    async def work(client):
        with closed(fake):
            tasks = [asyncio.create_task(client.post(path, json={"text": "a"}))]
            await until(fake.entered.is_set)  # One is in work, four may wait.
            tasks += [asyncio.create_task(client.post(path, json={"text": "a"})) for _ in range(5)]
            (refused,), rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            alive = await client.get("/healthz")
        return refused.result(), alive, await asyncio.gather(*rest)

    refused, alive, answers = ask(app, work)
    assert (refused.status_code, alive.status_code) == (503, 200)
    assert int(refused.headers["Retry-After"]) >= 1
    assert {answer.status_code for answer in answers} == {200}
    assert post(app, {"text": "a"}, path).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up():
    fake = Fake()
    app = serving.create_app(fake, serving.Settings(request_seconds=0.2))
    with closed(fake):
        answer = post(app, {"text": "a"})
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert post(app, {"text": "a"}).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rate": 0}, "positive. Received: rate=0"),
        ({"rate": float("nan")}, "positive. Received: rate=nan"),
        ({"queue": -1}, "positive. Received: queue=-1"),
        ({"body_seconds": 0.0}, "positive. Received: body_seconds"),
        ({"burst": 63}, "`burst` must not be below `texts` (64)"),
        ({"hosts": ("http://a.example",)}, "without scheme and port"),
        ({"hosts": ("a.*.example",)}, "without scheme and port"),
        ({"hosts": ("",)}, "without scheme and port"),
        ({"proxies": ("proxy.example",)}, "Received: 'proxy.example'"),
        ({"proxies": ("*",)}, "Received: '*'"),
    ],
)
def test_settings_must_be_usable(wrong, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        serving.Settings(**wrong)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("*", "x.example"),
        ("*.example.org", "a.example.org"),
        ("a-b.example.org", "a-b.example.org:80"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_a_service_answers_to_the_names_that_it_is_given(name, header):
    app = serving.create_app(Fake(), serving.Settings(hosts=(*serving.LOCAL_HOSTS, name)))
    assert get(app, "/healthz", headers={"Host": header}).status_code == 200
    assert get(app, "/healthz").status_code == 200


def test_an_explanation_leaves_the_predictions_alone(classifier, texts):
    """It has an engine of its own: predictions go on while it is held up."""
    held, explained = threading.Event(), threading.Event()

    class Held(deployment.Classifier):
        def copy(self, threads=None):
            other = super().copy(threads)
            run = other._run
            other._run = lambda sequences: explained.set() or (held.wait(20) and run(sequences))
            return other

    own = object.__new__(Held)
    vars(own).update(vars(classifier))
    app = serving.create_app(own)

    async def work(client):
        words = asyncio.create_task(client.post("/explain", json={"text": "A dull film."}))
        await until(explained.is_set)
        try:
            answers = [await client.post("/predict", json={"texts": texts[9:20]}) for _ in range(3)]
        finally:
            held.set()
        return answers, await words

    answers, words = ask(app, work)
    assert {answer.status_code for answer in (*answers, words)} == {200}
    assert [each["word"] for each in words.json()["words"]] == ["A", "dull", "film."]


# Failures


def test_a_text_that_fails_fails_alone_and_tells_nothing(caplog):
    caplog.set_level(logging.DEBUG)
    fake = Fake()
    app = serving.create_app(fake, serving.Settings(**FREE))
    bodies = [{"text": "good"}] * 9 + [
        {"text": "fail"},
        {"texts": ["a", SECRET]},
        {"texts": [SECRET, "fail"]},
    ]

    async def work(client):
        with closed(fake):  # All of them wait, and run together.
            first = asyncio.create_task(client.post("/predict", json={"text": "first"}))
            await until(fake.entered.is_set)
            tasks = [asyncio.create_task(client.post("/predict", json=body)) for body in bodies]
            await waiting(client, 14)
        return await asyncio.gather(first, *tasks)

    *good, one, both, several = ask(app, work)
    assert len(fake.batches[1]) == 14
    assert {answer.status_code for answer in (*good, both)} == {200}
    assert (one.status_code, one.json()) == (500, {"detail": "It failed."})
    assert (several.status_code, several.json()) == (500, {"detail": "texts.1 failed."})
    assert "RuntimeError" in caplog.text
    assert "cannot read" not in caplog.text
    found = metrics(app)
    assert found["course_errors_total", "/predict"] == 2
    assert found["course_requests_total", "/predict", "500"] == 2
    assert found["course_predictions_total", "good"] == 13


def test_a_failure_of_the_counting_fails_its_batch_only(monkeypatch):
    app = serving.create_app(Fake())
    with monkeypatch.context() as patch:
        patch.setattr(app.state.metrics, "observe", lambda _: 1 / 0)
        assert post(app, {"text": "a"}).status_code == 500
    assert post(app, {"text": "a"}).status_code == 200


def test_the_text_of_a_client_that_leaves_is_skipped():
    fake = Fake()
    app = serving.create_app(fake, serving.Settings(batch=1))
    left = asyncio.Event()
    messages = collections.deque([{"type": "http.request", "body": b'{"text": "left"}'}])

    async def receive():
        if not messages:
            await left.wait()
        return messages.popleft() if messages else {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError("nobody is there")

    head = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "http_version": "1.1"}
    head["headers"] = [(b"host", b"localhost"), (b"content-type", b"application/json")]

    async def work(client):
        with closed(fake):
            first = asyncio.create_task(client.post("/predict", json={"text": "first"}))
            await until(fake.entered.is_set)
            gone = asyncio.create_task(app(head, receive, send))
            last = asyncio.create_task(client.post("/predict", json={"text": "last"}))
            await waiting(client, 2)
            left.set()
            await gone
        return await asyncio.gather(first, last)

    assert {answer.status_code for answer in ask(app, work)} == {200}
    assert fake.batches == [["first"], ["last"]]
    assert metrics(app)["course_requests_total", "/predict", "499"] == 1


# Watching


def test_metrics_count_what_happened(classifier, texts):
    app = serving.create_app(classifier)
    expected = classifier.predict(texts[:30])
    assert post(app, {"texts": texts[:30]}).status_code == 200
    assert post(app, b"{").status_code == 400
    for path in ("/healthz", "/my/secret/diary"):
        get(app, path)
    found = metrics(app)
    assert found["course_requests_total", "/predict", "200"] == 1
    assert found["course_requests_total", "/predict", "400"] == 1
    assert found["course_requests_total", "/healthz", "200"] == 1
    assert found["course_requests_total", "other", "404"] == 1
    assert found["course_request_seconds_count", "/predict"] == 2
    assert found["course_batch_size_sum",] == found["course_confidence_count",] == 30
    for label, number in collections.Counter(each.label for each in expected).items():
        assert found["course_predictions_total", label] == number
    sure = sum(each.probability <= 0.9 for each in expected)
    assert found["course_confidence_bucket", "0.9"] == sure
    assert found["course_queue_length",] == 0
    assert not any("diary" in str(key) for key in found)
    model = classifier.card["sha256"]["model.tflite"][:12]
    assert found["course_model_info", model] == 1
    assert get(app, "/healthz").json() == {"status": "ok", "model": model}
    assert found["process_resident_memory_bytes",] > 1e6


def test_the_drift_alert_rises_with_another_domain_and_not_before(classifier, texts):
    app = serving.create_app(classifier, serving.Settings(**FREE, drift_window=40))
    reviews = texts[9:]

    def alerts():
        return {name[1] for name, value in metrics(app).items() if name[0] == "course_drift_alert" and value}

    assert not alerts()
    for start in (0, 40):
        assert post(app, {"texts": reviews[start : start + 40]}).status_code == 200
        assert not alerts()
    assert post(app, {"texts": [f"zq{i} 0x{i:x} wlan ok" for i in range(40)]}).status_code == 200
    assert {"length", "unknown"} <= alerts()
    assert metrics(app)["course_drift_psi", "length"] > 0.25


def test_a_service_that_gives_one_label_only_raises_an_alert(classifier, texts):
    app = serving.create_app(classifier, serving.Settings(**FREE, drift_window=40))
    found = zip(texts[9:], classifier.predict(texts[9:]), strict=True)
    positive = [text for text, each in found if each.label == "positive"]
    assert post(app, {"texts": (positive * 3)[:40]}).status_code == 200
    assert metrics(app)["course_drift_alert", "label"] == 1


def test_a_reference_without_labels_is_watched_all_the_same(classifier, texts):
    fake = Fake()
    reference = {name: classifier.card["reference"][name] for name in deployment.FEATURES}
    fake.card = {"reference": reference}
    app = serving.create_app(fake)
    watched = {name[1] for name in metrics(app) if name[0] == "course_drift_alert"}
    assert watched == set(deployment.FEATURES)


@pytest.mark.parametrize(
    "reference", [None, [1, 2], {"length": [1.0] * 30}, dict.fromkeys(deployment.FEATURES, ["a"] * 30)]
)
def test_a_card_without_a_usable_reference_is_served_without_drift(caplog, reference):
    fake = Fake()
    fake.card = {**fake.card, "reference": reference}
    app = serving.create_app(fake)
    assert "Drift is not watched" in caplog.text
    assert post(app, {"text": "a"}).status_code == 200
    assert not any(name[0].startswith("course_drift") for name in metrics(app))


def test_logs_hold_method_path_status_time_and_tokens_only(classifier, caplog):
    caplog.set_level(logging.DEBUG)
    app = serving.create_app(classifier)
    post(app, {"text": SECRET}, f"/predict?q={SECRET}")
    post(app, {"text": SECRET}, f"/{SECRET}")
    post(app, {"text": SECRET}, "/explain")
    lines = [record.getMessage() for record in caplog.records if record.name == serving.__name__]
    shape = r"POST (/predict 200|other 404|/explain 200) [\d.]+ ms \d+ tokens"
    assert all(re.fullmatch(shape, line) for line in lines)
    assert len(lines) == 3
    assert f"{classifier(SECRET).tokens} tokens" in lines[0]
    # The client of this test logs addresses.
    assert "secret" not in "".join(r.getMessage() for r in caplog.records if not r.name.startswith("http"))


# The page and the browser's protection


def test_every_answer_forbids_what_a_browser_might_do_with_it():
    app = serving.create_app(Fake())
    answers = [get(app, path) for path in ("/", "/healthz", "/metrics", "/openapi.json", "/nowhere")]
    answers += [post(app, {"text": "a"}), post(app, b"{"), post(app, b" " * 300_000)]
    answers += [get(app, "/", headers={"Host": "evil.example"})]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_policy_admits_the_pages_own_script_and_style_only():
    answer = get(serving.create_app(Fake()), "/")
    policy = answer.headers["Content-Security-Policy"]
    for tag in ("script", "style"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\bsrc=|innerHTML|style=|\son\w+=", answer.text)


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1:8000", 200), ("[::1]:8000", 200), ("evil.example", 400), ("", 400)],
)
def test_a_foreign_name_for_this_machine_is_refused(host, status):
    assert get(serving.create_app(Fake()), "/healthz", headers={"Host": host}).status_code == status
    named = serving.create_app(Fake(), serving.Settings(hosts=("evil.example",)))
    assert get(named, "/healthz", headers={"Host": "evil.example"}).status_code == 200


CARD = {
    "limits": "Not for <b>decisions</b>.",
    "evaluation": {"texts": 2500, "accuracy": 0.9241, "interval": [0.913, 0.9338], "calibration_error": 0.02},
}


def test_the_page_tells_what_to_expect():
    fake = Fake()
    page = get(serving.create_app(fake), "/").text
    assert "How often it is right was not measured." in page
    fake.card = CARD
    page = get(serving.create_app(fake, serving.Settings(characters=300, explain_characters=200)), "/").text
    assert "right on 92.4 % of 2,500 test reviews (95 % interval 91.3 to 93.4 %)" in page
    assert "Not for &lt;b&gt;decisions&lt;/b&gt;." in page
    assert 'data-longest="300" data-explained="200"' in page
    assert "{{" not in page


# A real server


RUN = """
import json, sys, time
from course_lib import deployment, serving
predict, delay = deployment.Classifier.predict, float(sys.argv[4])
deployment.Classifier.predict = lambda *arguments: time.sleep(delay) or predict(*arguments)
serving.serve(sys.argv[1], port=int(sys.argv[2]), settings=serving.Settings(**json.loads(sys.argv[3])))
"""


@contextlib.contextmanager
def server(bundle, folder, port=0, delay=0, **settings):
    """A service in another process: its `process`, `port`, `log`, `url`. A batch takes `delay` more."""
    log = folder / f"serving{time.monotonic_ns()}.log"
    command = [
        sys.executable,
        "-c",
        RUN,
        str(bundle),
        str(port),
        json.dumps({**FREE, **settings}),
        str(delay),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield types.SimpleNamespace(process=process, port=int(found[1]), log=log, url=found[0])
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def running(bundle, tmp_path_factory):
    """One server for the tests that leave it as it was."""
    with server(bundle, tmp_path_factory.mktemp("running"), concurrency=500, body_seconds=3.0) as found:
        yield found


def raw(service, data):
    """A connection on which `data` was sent."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    connection.sendall(data)
    return connection


def rest(connection):
    """All that comes until the other side closes."""
    with connection:
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)


# Without reading certificates, which takes longer than all the rest, and past any proxy of this machine's.
DIRECT = {"verify": False, "trust_env": False, "timeout": 60}
http = types.SimpleNamespace(
    get=functools.partial(httpx.get, **DIRECT), post=functools.partial(httpx.post, **DIRECT)
)
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def many(service, payloads):
    """Answers to JSON payloads that are all sent at once."""

    async def run():
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=service.url, limits=limits, **DIRECT) as client:
            return await asyncio.gather(*(client.post("/predict", json=each) for each in payloads))

    return asyncio.run(run())


def test_a_server_answers_hundreds_at_once_rightly_and_its_memory_is_bounded(running, classifier, texts):
    expected = classifier.predict(texts)
    singles = [{"text": text} for text in texts] * 2
    batches = [{"texts": [texts[i], texts[-i]]} for i in range(1, 60)]
    many(running, singles)  # Allocates what is kept.
    memory = psutil.Process(running.process.pid).memory_info().rss
    answers = many(running, singles + batches)
    assert {answer.status_code for answer in answers} == {200}
    for i, answer in enumerate(answers[: len(singles)]):
        same(answer.json(), expected[i % len(texts)])
    for i, answer in enumerate(answers[len(singles) :], 1):
        first, second = answer.json()["predictions"]
        assert same(first, expected[i])
        assert same(second, expected[-i])
    assert psutil.Process(running.process.pid).memory_info().rss < memory + 50e6


def test_large_bodies_on_many_connections_are_not_kept(running):
    memory = psutil.Process(running.process.pid).memory_info().rss
    connections = [raw(running, HEAD + b"Transfer-Encoding: chunked\r\n\r\n") for _ in range(40)]
    for connection in connections:
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
    assert psutil.Process(running.process.pid).memory_info().rss < memory + 50e6
    for connection in connections:
        assert connection.recv(12) == b"HTTP/1.1 413"
        connection.close()


def test_a_connection_that_is_kept_does_not_wait(running):
    with httpx.Client(base_url=running.url, **DIRECT) as client:
        spent = []
        for _ in range(40):
            begin = time.perf_counter()
            assert client.get("/healthz").status_code == 200
            spent.append(time.perf_counter() - begin)
    # With Nagle's algorithm each, after a first few, would wait for the delayed confirmation of the client:
    # 40 ms. The least, because this machine may be busy.
    assert min(spent[-10:]) < 0.02


def test_one_client_cannot_have_all_connections(bundle, tmp_path):
    with server(bundle, tmp_path, client_connections=20, connections=30, concurrency=5) as service:
        idle = [raw(service, b"") for _ in range(8)]
        slow = [raw(service, HEAD + b'Content-Length: 100\r\n\r\n{"text"') for _ in range(8)]
        # What is sent slowly is not in work: there is room for others, and for more of this client.
        assert http.post(f"{service.url}/predict", json={"text": "a"}).status_code == 200
        idle += [raw(service, b"") for _ in range(4)]
        refused = rest(raw(service, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        head, body = refused.split(b"\r\n\r\n")
        assert json.loads(body) == {"detail": "Too many connections."}
        assert b"X-Content-Type-Options: nosniff\r\n" in head
        assert b"Retry-After: 1" in head
        other = socket.create_connection(("127.0.0.1", service.port), 30, source_address=("127.0.0.2", 0))
        other.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = rest(other).decode()
        assert answer.startswith("HTTP/1.1 200")
        assert 'course_requests_total{path="other",status="503"} 1.0' in answer
        for connection in idle + slow:
            connection.close()
        deadline = time.monotonic() + 120
        while http.get(f"{service.url}/healthz").status_code != 200:
            assert time.monotonic() < deadline


def test_behind_a_proxy_each_client_has_its_own_rate(bundle, tmp_path):
    limits = {"rate": 0.001, "burst": 64, "client_connections": 3}
    with server(bundle, tmp_path, **limits, proxies=["127.0.0.0/8"]) as service:

        def status(client):
            headers = {"X-Forwarded-For": client}
            body = {"texts": ["a"] * 40}
            return http.post(f"{service.url}/predict", json=body, headers=headers).status_code

        assert [status("192.0.2.1"), status("192.0.2.2"), status("192.0.2.1")] == [200, 200, 429]
        # What a client writes itself comes first: the proxy adds what it saw.
        assert status("192.0.2.9, 192.0.2.1") == 429
        # A proxy may have more connections than a client.
        kept = [raw(service, b"") for _ in range(5)]
        assert http.get(f"{service.url}/healthz").status_code == 200
        for connection in kept:
            connection.close()
    with server(bundle, tmp_path, **limits) as service:  # Anybody can write such a header.
        assert [status("192.0.2.1"), status("192.0.2.2")] == [200, 429]


def test_what_is_no_http_is_refused_like_all_else(running):
    before = measures(http.get(f"{running.url}/metrics").text)
    answer = rest(raw(running, b"nonsense\r\n\r\n"))
    head, body = answer.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"Content-Security-Policy: default-src 'none'" in head
    assert json.loads(body) == {"detail": "Invalid HTTP request received."}
    name = "course_requests_total", "other", "400"
    after = measures(http.get(f"{running.url}/metrics").text)
    assert after[name] == before.get(name, 0) + 1
    # In the middle of a body, of which the application has a part.
    chunks = b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\nnonsense\r\n"
    broken = rest(raw(running, HEAD + chunks))
    assert broken.count(b"HTTP/1.1") == 1
    assert broken.startswith(b"HTTP/1.1 400")
    assert "Traceback" not in running.log.read_text()


def test_a_websocket_is_answered_as_any_request(running):
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with raw(running, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + upgrade) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert "pip install" not in running.log.read_text()


SLOW = {
    HEAD + b'Content-Length: 100\r\n\r\n{"text"': b"HTTP/1.1 408",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{": b"HTTP/1.1 408",
    HEAD: b"",
    b"": b"",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he": b"HTTP/1.1 200",
    HEAD + b"Content-Length: 900000\r\n\r\n" + b" " * 210_000: b"HTTP/1.1 413",
    b"nonsense\r\n\r\n": b"HTTP/1.1 400",
}


def test_slow_clients_are_dropped_and_others_are_served(running):
    slow = [(raw(running, sent), answer) for sent, answer in SLOW.items() for _ in range(10)]
    assert http.post(f"{running.url}/predict", json={"text": "a"}).status_code == 200
    for connection, answer in slow:
        assert rest(connection)[:12] == answer


def test_clients_that_are_killed_in_flight_harm_nobody(running, classifier, texts):
    before = measures(http.get(f"{running.url}/metrics").text)
    body = json.dumps({"texts": texts[9:40]}).encode()
    for _ in range(50):
        connection = raw(running, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()  # With a reset, as a killed process's would be.
    deadline = time.monotonic() + 60  # What was read before the reset is worked off first.
    while measures(http.get(f"{running.url}/metrics").text)["course_queue_length",]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for text, answer in zip(texts, many(running, [{"text": text} for text in texts]), strict=True):
        same(answer.json(), classifier(text))
    after = measures(http.get(f"{running.url}/metrics").text)
    name = "course_requests_total", "/predict", "499"
    assert after[name] > before.get(name, 0)
    assert after["course_queue_length",] == 0
    assert "Traceback" not in running.log.read_text()


def test_the_service_keeps_to_its_schema(bundle, tmp_path):
    pytest.importorskip("schemathesis")
    # Sizes that 413 does not forestall.
    with server(bundle, tmp_path, characters=200, texts=4, explain_characters=100) as service:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/openapi.json"]
        command += ["--checks=all", "--max-examples=6", "--generation-deterministic", "--no-color"]
        result = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
    assert result.returncode == 0, result.stdout[:5000] + result.stderr[-2000:]
    assert "5 selected / 5 total" in result.stdout


def test_sigterm_finishes_what_is_in_work_and_refuses_the_rest(bundle, tmp_path, classifier, texts):
    answers = []
    with server(bundle, tmp_path, delay=0.3, batch=4) as service:

        def work(text):
            answers.append((text, http.post(f"{service.url}/predict", json={"text": text})))

        threads = [threading.Thread(target=work, args=[text]) for text in texts[9:29]]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 120
        while measures(http.get(f"{service.url}/metrics").text)["course_queue_length",] < 8:
            assert time.monotonic() < deadline
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(30) == 0
        for thread in threads:
            thread.join(60)
        with pytest.raises(httpx.ConnectError):
            http.get(f"{service.url}/healthz")
        assert "Traceback" not in service.log.read_text()
    assert len(answers) >= 8
    for text, answer in answers:
        same(answer.json(), classifier(text))


def test_after_sigkill_the_same_bundle_serves_on_the_same_port(bundle, tmp_path, texts):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    with server(bundle, tmp_path) as service:
        busy = raw(service, HEAD + b"Content-Length: 100\r\n\r\n{")
        service.process.kill()
        service.process.wait()
        busy.close()
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    with server(bundle, tmp_path, port=service.port) as again:
        assert http.post(f"{again.url}/predict", json={"text": "a"}).status_code == 200
        again.process.send_signal(signal.SIGINT)  # Ctrl-C.
        assert again.process.wait(30) == 0


# The command


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["course", "serve", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


def test_course_serve_without_a_bundle_is_one_clear_line(monkeypatch, capsys, tmp_path):
    assert command(monkeypatch, "--bundle", tmp_path / "none") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no bundle" in line


def test_course_serve_on_a_port_that_is_taken_is_one_clear_line(monkeypatch, capsys, bundle):
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # This process keeps its own.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command(monkeypatch, "-b", bundle, "--port", port) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Cannot listen on 127.0.0.1, port {port}: Address already in use" in line


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_course_serve_at_an_address_of_another_machine_is_one_clear_line(monkeypatch, capsys, bundle, host):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert command(monkeypatch, "-b", bundle, "--host", host) == 1
    assert re.search(rf"Cannot listen on {host}.*\(--host\)", capsys.readouterr().err)


@pytest.mark.parametrize("host", ["", " "])
def test_an_empty_host_is_not_taken_for_all_addresses(monkeypatch, capsys, bundle, host):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert command(monkeypatch, "-b", bundle, "--host", host) == 1
    assert "The host is empty" in capsys.readouterr().err


def test_course_serve_takes_what_a_proxy_needs(monkeypatch, bundle):
    served = []
    monkeypatch.setattr(serving, "serve", lambda *arguments: served.append(arguments))
    options = ["--allow-host", "a.example", "--allow-host", "*.b.example", "--trust-proxy", "127.0.0.1"]
    assert not command(monkeypatch, "-b", bundle, *options, "--rate", "7.5", "--body-bytes", "1000")
    assert not command(monkeypatch, "-b", bundle)
    (*_, first), (*_, second) = served
    hosts = (*serving.LOCAL_HOSTS, "a.example", "*.b.example")
    assert first == serving.Settings(rate=7.5, body_bytes=1000, proxies=("127.0.0.1",), hosts=hosts)
    assert second == serving.Settings()


@pytest.mark.parametrize(
    ("host", "warns", "status"),
    [("127.0.0.1", False, 400), ("localhost", False, 400), ("::1", False, 400), ("0.0.0.0", True, 200)],
)
def test_other_hosts_are_served_with_a_warning_only(monkeypatch, bundle, caplog, host, warns, status):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    apps = []

    def run(self, sockets):
        apps.append(self.config.app)
        sockets[0].close()

    monkeypatch.setattr(serving.server.uvicorn.Server, "run", run)
    try:
        serving.serve(bundle, host, 0)
    except OSError as error:
        if host == "::1":
            pytest.skip(f"no IPv6 here: {error}")
        raise
    assert ("no authentication" in caplog.text) == warns
    assert get(apps[0], "/healthz", headers={"Host": "evil.example"}).status_code == status


@pytest.mark.parametrize(
    "others",
    ["import logging; logging.basicConfig()", "from absl import logging; logging.use_absl_handler()"],
)
def test_where_it_listens_is_said_though_a_library_has_set_logging_up(bundle, others):
    """As on a first `course serve`, which makes the bundle with TensorFlow first."""
    lines = f"""
{others}
import uvicorn
from course_lib import serving
uvicorn.Server.run = lambda self, sockets: None
serving.serve({str(bundle)!r}, port=0)
"""
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r" at http://127\.0\.0\.1:\d+ \(Ctrl-C stops it\)$", done.stderr, re.M)


# A real browser


@pytest.mark.browser
def test_the_page_in_a_browser(driver, running, classifier, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    text = "<img src=x onerror=alert(1)> A great film & a <b>dull</b> ending. " + "It goes on. " * 40
    expected = classifier(text)
    driver.get(running.url)
    wait = WebDriverWait(driver, 30)

    def shown(name):
        return driver.find_element(By.ID, name).text

    assert driver.switch_to.active_element.get_attribute("id") == "text"
    box = driver.find_element(By.ID, "text")
    assert box.accessible_name == "A film review, in English"
    assert "test reviews" in driver.find_element(By.TAG_NAME, "main").text
    grounds = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        grounds.append(driver.find_element(By.TAG_NAME, "body").value_of_css_property("background-color"))
    assert grounds == ["rgba(255, 255, 255, 1)", "rgba(21, 24, 27, 1)"]
    box.send_keys(Keys.TAB)
    assert driver.switch_to.active_element.text == "Classify"
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait.until(lambda _: shown("note") == "Type a review first.")

    box.send_keys(text, Keys.CONTROL, Keys.ENTER)
    wait.until(lambda _: driver.find_element(By.ID, "explanation").is_displayed())
    shots = pathlib.Path(os.environ.get("COURSE_SCREENSHOTS", tmp_path))
    driver.save_screenshot(str(shots / "serving.png"))
    assert shown("verdict") == f"{expected.label}, {100 * expected.probability:.1f} % sure"
    words = driver.find_elements(By.CSS_SELECTOR, "#words span")
    assert [each.text for each in words] == [word for word, _ in classifier.word_importance(text)]
    marked = [each for each in words if each.get_attribute("class") in ("for", "against")]
    tints = [each.value_of_css_property("background-color").rpartition(" ")[2] for each in marked]
    assert 0.15 <= min(float(tint[:-1]) for tint in tints) < max(float(tint[:-1]) for tint in tints) <= 0.45
    assert any(each.get_attribute("class") == "unseen" for each in words)
    assert "not read" in shown("note")
    points = [abs(100 * change) for _, change in classifier.word_importance(text) if change is not None]
    assert f"{max(points):.1f} points)" in shown("most")
    assert shown("count") == f"{len(text):,} of at most 20,000 characters"

    driver.execute_script("document.getElementById('text').value = '<b>x</b>&lt;i&gt;'")
    box.send_keys(Keys.CONTROL, Keys.ENTER)
    wait.until(lambda _: shown("words") == "x <i>")  # As the classifier reads it, and not as HTML.
    assert not driver.find_elements(By.CSS_SELECTOR, "#words i")

    # A mark that turns the direction of what follows stays in its word; an emoji is one character.
    driver.execute_script("document.getElementById('text').value = '\u202eab 🎬 cd'; count()")
    assert shown("count").startswith("8 of")
    box.send_keys(Keys.CONTROL, Keys.ENTER)
    wait.until(lambda _: shown("words").endswith("🎬 cd"))
    words = driver.find_elements(By.CSS_SELECTOR, "#words span")
    assert {each.value_of_css_property("unicode-bidi") for each in words} == {"isolate"}
    left, right = (words[i].rect["x"] for i in (1, 2))
    assert left < right

    driver.execute_script("document.getElementById('text').value = 'word '.repeat(1001); count()")
    box.send_keys(Keys.CONTROL, Keys.ENTER)
    wait.until(lambda _: "Which words mattered is told of up to 5,000 characters." in shown("note"))
    assert shown("verdict")

    driver.execute_script("document.getElementById('text').value = 'word '.repeat(5000); count()")
    assert "5,000 too many" in shown("count")
    box.send_keys(Keys.CONTROL, Keys.ENTER)
    wait.until(lambda _: "at most 20,000 characters" in shown("note"))
    assert not driver.get_log("browser")
