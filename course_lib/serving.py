"""Lesson 08: a bundle as a service that stays up, is watched, and keeps no text.

`course serve` runs it. Requests come in through `_Guard`, which enforces the limits of `Settings`;
`_Batcher` puts waiting texts together; `_Metrics` is what Prometheus reads.
"""

import asyncio
import base64
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import importlib.resources
import ipaddress
import logging
import math
import re
import signal
import socket
import sys
import threading
import time
from typing import Annotated

import fastapi
import h11
import prometheus_client
import pydantic
import pydantic_core
import uvicorn
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

import course_lib
from course_lib import deployment

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1", "[::1]", "[")  # The last: old Starlettes cut at a colon.

_log = logging.getLogger(__name__)
_GONE = 499  # The status under which a client that left is counted, as nginx does.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Limits of a service; all numbers must be positive.

    Attributes:
        body_bytes: Largest body of a request.
        characters: Most characters of a text.
        texts: Most texts of a request.
        explain_characters: Most characters of a text that is explained: that takes a prediction per word.
        explain_cost: As how many texts an explanation counts for `rate`.
        explanations: Most explanations that run or wait.
        rate: Texts per second that a client may send in the long run. A client is an address.
        burst: Texts that it may send at once after a pause.
        clients: Most clients that are remembered; the one that was quiet for longest is forgotten first.
        concurrency: Most requests with a text that are in work.
        connections: Most open connections.
        queue: Most texts that wait.
        batch: Most texts that go to the classifier together.
        gather_seconds: How long several waiting texts wait for more. A single one never waits.
        body_seconds: How long a client may take to send a request.
        request_seconds: How long an answer may take.
        shutdown_seconds: How long requests in work may take after SIGTERM.
        drift_window: As in `deployment.DriftMonitor`.
        hosts: Names under which the service may be addressed, which protects it from pages that rebind their
            own name to this machine; None are `LOCAL_HOSTS`, `("*",)` any.

    Raises:
        ValueError: If a number is not positive, or `burst` less than the largest request needs.
    """

    body_bytes: int = 200_000
    characters: int = 20_000
    texts: int = 64
    explain_characters: int = 5_000
    explain_cost: int = 20
    explanations: int = 8
    rate: float = 100.0
    burst: int = 500
    clients: int = 10_000
    concurrency: int = 256
    connections: int = 512
    queue: int = 1_024
    batch: int = 32
    gather_seconds: float = 0.002
    body_seconds: float = 10.0
    request_seconds: float = 20.0
    shutdown_seconds: int = 30
    drift_window: int = 100
    hosts: tuple[str, ...] | None = None

    def __post_init__(self):
        wrong = {name: value for name, value in vars(self).items() if name != "hosts" and not value > 0}
        if wrong or self.burst < max(self.texts, self.explain_cost):
            raise ValueError(
                f"Numbers must be positive and `burst` not below `texts` and `explain_cost`. Received: {self}"
            )


# Schema


class Answer(pydantic.BaseModel):
    """What the classifier says of one text; see `deployment.Prediction`."""

    label: str
    probability: float
    probabilities: dict[str, float]
    tokens: int
    truncated: bool


class Answers(pydantic.BaseModel):
    """One answer per text, in their order."""

    predictions: list[Answer]


class Word(pydantic.BaseModel):
    """By how much the verdict's probability falls without a word; null if the model does not see it."""

    word: str
    change: float | None


class Words(pydantic.BaseModel):
    """A text's words, in their order."""

    words: list[Word]


class Problem(pydantic.BaseModel):
    """Why there is no answer. It never repeats what was sent."""

    detail: str


def _problems(*codes):
    return {code: {"model": Problem} for code in codes}


_WORDLESS = "There is nothing but white space or tags"


def _worded(text):
    if deployment.wordless(text):
        raise pydantic_core.PydanticCustomError("wordless", _WORDLESS)
    return text


def _input(name, longest, texts=None):
    """A schema with one field, a text or a list of texts. Of white space and tags there is no verdict."""
    # The pattern is the part of it that a schema can say.
    field = pydantic.Field(max_length=longest, pattern=r"\S")
    kind = Annotated[str, field, pydantic.AfterValidator(_worded)]
    if texts:
        kind = Annotated[list[kind], pydantic.Field(min_length=1, max_length=texts)]
    return pydantic.create_model(
        name, __config__=pydantic.ConfigDict(extra="forbid"), **{"texts" if texts else "text": (kind, ...)}
    )


# Metrics


class _Metrics:
    """What Prometheus reads, in a registry of its own. No value and no label comes from a text.

    Args:
        settings: A `Settings`.
        reference: The card's `reference`, or None.
        waiting: Function that returns how many texts wait.
    """

    def __init__(self, settings, reference, waiting):
        self.registry = registry = prometheus_client.CollectorRegistry()
        counter = functools.partial(prometheus_client.Counter, registry=registry)
        gauge = functools.partial(prometheus_client.Gauge, registry=registry)
        histogram = functools.partial(prometheus_client.Histogram, registry=registry)
        self.requests = counter("course_requests", "Requests.", ["path", "status"])
        self.errors = counter("course_errors", "Failures inside the service.", ["path"])
        times = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
        self.seconds = histogram("course_request_seconds", "Time to the answer.", ["path"], buckets=times)
        sizes = (1, 2, 4, 8, 16, 32, 64)
        self.batch = histogram("course_batch_size", "Texts that ran together.", buckets=sizes)
        gauge("course_queue_length", "Texts that wait.").set_function(waiting)
        self.labels = counter("course_predictions", "Predictions.", ["label"])
        levels = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1)
        self.confidence = histogram("course_confidence", "Of the likeliest class.", buckets=levels)
        self.psi = gauge("course_drift_psi", "Population stability index.", ["feature"])
        self.alert = gauge("course_drift_alert", "Whether it has drifted.", ["feature"])
        self._lock = threading.Lock()  # The monitor's: batches come while Prometheus reads.
        try:
            known = {name: reference[name] for name in deployment.FEATURES}
            self._monitor = deployment.DriftMonitor(known, window=settings.drift_window)
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("Drift is not watched, the model card's reference does not serve: %r", error)
            self._monitor = None
        else:
            for name in known:
                self.alert.labels(name).set(0)
            from scipy import stats  # noqa: F401  The monitor needs it: seconds that no request shall wait.

    def observe(self, predictions):
        """Takes in the predictions of a batch."""
        self.batch.observe(len(predictions))
        with self._lock:
            for each in predictions:
                self.labels.labels(each.label).inc()
                self.confidence.observe(each.probability)
                if self._monitor:
                    self._monitor.add(deployment.features(each))

    def text(self):
        """All of it in Prometheus' format."""
        with self._lock:
            drift = self._monitor.report() if self._monitor else {}
        for name, found in drift.items():
            self.psi.labels(name).set(found.psi)
            self.alert.labels(name).set(found.alert)
        return prometheus_client.generate_latest(self.registry)


# Work


def _busy(detail, status=503, seconds=1):
    return HTTPException(status, detail, {"Retry-After": str(seconds)})


class _Batcher:
    """Puts texts that wait together and runs them in one thread: an interpreter runs one batch at a time.

    While a batch runs, the next one collects; so batches grow with the load, and without load nobody waits.
    """

    def __init__(self, classifier, settings):
        self._classifier, self._settings = classifier, settings
        self._waiting = collections.deque()
        self._task = None
        self.metrics = _Metrics(settings, classifier.card.get("reference"), lambda: len(self._waiting))
        self.thread = concurrent.futures.ThreadPoolExecutor(1, "predict")

    async def predict(self, texts):
        """Predictions for texts. Whoever is cancelled here leaves the queue."""
        if len(self._waiting) + len(texts) > self._settings.queue:
            raise _busy("Too many texts are waiting.")
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in texts]
        self._waiting.extend(zip(texts, futures, strict=True))
        if self._task is None:
            self._task = loop.create_task(self._work())
        return await asyncio.gather(*futures)

    async def _work(self):
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                if 1 < len(self._waiting) < self._settings.batch:
                    await asyncio.sleep(self._settings.gather_seconds)
                batch = []
                while self._waiting and len(batch) < self._settings.batch:
                    text, future = self._waiting.popleft()
                    if not future.cancelled():
                        batch.append((text, future))
                if not batch:
                    continue
                try:
                    found = await loop.run_in_executor(self.thread, self._run, [text for text, _ in batch])
                except Exception as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for (_, future), prediction in zip(batch, found, strict=True):
                        if not future.done():
                            future.set_result(prediction)
        finally:
            self._task = None

    def _run(self, texts):
        found = self._classifier.predict(texts)
        self.metrics.observe(found)
        return found


class _Rate:
    """A token bucket per client: each holds `burst` and fills at `rate` per second."""

    def __init__(self, settings):
        self._settings = settings
        self._buckets = collections.OrderedDict()  # Client to (tokens, when); the last one seen is last.

    def charge(self, client, cost):
        """Takes tokens from a client's bucket, or raises with the seconds until they are there."""
        if not cost:
            return
        now = time.monotonic()
        tokens, before = self._buckets.pop(client, (self._settings.burst, now))
        tokens = min(self._settings.burst, tokens + (now - before) * self._settings.rate)
        enough = tokens >= cost
        self._buckets[client] = (tokens - cost if enough else tokens, now)
        if len(self._buckets) > self._settings.clients:
            self._buckets.popitem(last=False)
        if not enough:
            seconds = math.ceil((cost - tokens) / self._settings.rate)
            raise _busy("Too many texts from this address.", 429, max(1, seconds))


# Requests


class _Gone(Exception):  # noqa: N818  It is no error.
    """The client has left."""


class _Guard:
    """ASGI middleware around everything: limits, deadlines, security headers, counting, the access log.

    It reads the body itself and counts what comes: a declared length may be wrong or missing. It then watches
    the connection, and stops the work when the client leaves.
    """

    def __init__(self, app, settings, metrics, rate, paths):
        self._app, self._settings, self._metrics, self._rate = app, settings, metrics, rate
        self._paths = paths
        self._active = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), _GONE
        path = scope["path"] if scope["path"] in self._paths else "other"  # It might hold a text.

        async def sending(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._handle(scope, receive, sending)
        except _Gone:
            pass
        except HTTPException as error:
            if status == _GONE:  # Else an answer has begun; the server closes the connection.
                answer = JSONResponse({"detail": error.detail}, error.status_code, error.headers)
                await answer(scope, receive, sending)
        except Exception as error:
            self._metrics.errors.labels(path).inc()
            _log.error("%s failed: %s", path, _where(error))
            if status == _GONE:
                await JSONResponse({"detail": "It failed."}, 500)(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            tokens = scope.get("state", {}).get("tokens", 0)
            _log.info("%s %s %d %.1f ms %d tokens", method, path, status, 1e3 * seconds, tokens)

    async def _handle(self, scope, receive, send):
        limited = scope["method"] == "POST"  # Whether the service lives can be asked while it is full, too.
        if limited:
            if self._active >= self._settings.concurrency:
                raise _busy("Too many requests are in work.")
            self._rate.charge(_client(scope), 1)
        self._active += limited
        try:
            await self._answer(scope, await self._body(receive), receive, send)
        finally:
            self._active -= limited

    async def _body(self, receive):
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._settings.body_bytes:
                        raise HTTPException(413, f"A body may have {self._settings.body_bytes} bytes.")
        except TimeoutError:
            raise HTTPException(408, "The body took too long.", {"Connection": "close"}) from None
        return bytes(body)

    async def _answer(self, scope, body, receive, send):
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay():
            return messages.pop() if messages else await asyncio.Event().wait()

        async def leave():
            while (await receive())["type"] != "http.disconnect":
                pass

        work, left = asyncio.create_task(self._app(scope, replay, send)), asyncio.create_task(leave())
        try:
            await asyncio.wait(
                {work, left}, timeout=self._settings.request_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if work.done():
                work.result()
            elif left.done():
                raise _Gone
            else:
                raise _busy("The answer took too long.")
        finally:
            work.cancel()
            left.cancel()
            await asyncio.gather(work, left, return_exceptions=True)


def _client(scope):
    return scope["client"][0] if scope.get("client") else ""


def _where(error):
    """Class and place of an exception. Its message might hold a text."""
    frame = error.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    return f"{type(error).__name__} in {frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno}"


def _page():
    """The page, and the policy that lets nothing but its own script and style run."""
    page = importlib.resources.files("course_lib").joinpath("serving.html").read_text(encoding="utf-8")

    def hashed(tag):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        return base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()

    policy = (
        f"default-src 'none'; script-src 'sha256-{hashed('script')}'; style-src 'sha256-{hashed('style')}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


def create_app(classifier, settings=None):
    """The service as an ASGI application.

    Args:
        classifier: A `deployment.Classifier`.
        settings: A `Settings`; None takes its defaults.

    Returns:
        A `fastapi.FastAPI`. `/predict` and `/explain` take JSON, `/` is a page for people, `/healthz` says
        whether it lives and `/metrics` how it does, for Prometheus.
    """
    settings = settings or Settings()
    batcher, rate = _Batcher(classifier, settings), _Rate(settings)
    # Its own thread: the interpreter's lock is free between two calls, so predictions go on.
    explainer = concurrent.futures.ThreadPoolExecutor(1, "explain")
    explaining = 0
    page, policy = _page()

    app = fastapi.FastAPI(
        title="Review classifier",
        version=course_lib.__version__,
        description=str(classifier.card.get("task", "")),
        docs_url=None,  # It would load scripts from elsewhere.
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=list(settings.hosts or LOCAL_HOSTS), www_redirect=False
    )

    one = _input("Text", settings.characters)
    many = _input("Texts", settings.characters, settings.texts)
    either = Annotated[
        Annotated[one, pydantic.Tag("text")] | Annotated[many, pydantic.Tag("texts")],
        pydantic.Discriminator(
            lambda body: "texts" if isinstance(body, dict) and "texts" in body else "text"
        ),
        fastapi.Body(),
    ]
    explained = _input("ShortText", settings.explain_characters)

    async def only_json(request: fastapi.Request):
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # A foreign page cannot send this kind without being asked for leave.
            raise HTTPException(415, "Send JSON, with the header Content-Type: application/json.")

    posts = {
        "dependencies": [fastapi.Depends(only_json)],
        "responses": _problems(400, 408, 413, 415, 422, 429, 500, 503),
    }

    @app.exception_handler(RequestValidationError)
    async def invalid(_, error):
        found = error.errors()
        if any(each["type"] == "json_invalid" for each in found):
            return JSONResponse({"detail": "The body is not JSON."}, 400)
        return JSONResponse({"detail": "; ".join(map(_complaint, found[:3]))}, 422)

    @app.post("/predict", **posts)
    async def predict(body: either, request: fastapi.Request) -> Answer | Answers:
        texts = [body.text] if isinstance(body, one) else body.texts
        rate.charge(_client(request.scope), len(texts) - 1)
        found = await batcher.predict(texts)
        request.state.tokens = sum(each.tokens for each in found)
        answers = [Answer(**{name: getattr(each, name) for name in Answer.model_fields}) for each in found]
        return answers[0] if isinstance(body, one) else Answers(predictions=answers)

    @app.post("/explain", **posts)
    async def explain(body: explained, request: fastapi.Request) -> Words:
        nonlocal explaining
        rate.charge(_client(request.scope), settings.explain_cost - 1)
        if explaining >= settings.explanations:
            raise _busy("Too many explanations are waiting.")
        explaining += 1
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                explainer, classifier.word_importance, body.text
            )
        finally:
            explaining -= 1
        return Words(words=[Word(word=word, change=change) for word, change in found])

    @app.get("/healthz", responses=_problems(503))
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse, responses=_problems(503))
    async def metrics():
        text = await asyncio.to_thread(batcher.metrics.text)
        return PlainTextResponse(text, media_type=prometheus_client.CONTENT_TYPE_LATEST)

    @app.get("/", response_class=HTMLResponse, responses=_problems(503))
    async def index():
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    app.add_middleware(  # The last one is the outermost.
        _Guard,
        settings=settings,
        metrics=batcher.metrics,
        rate=rate,
        paths={route.path for route in app.routes},
    )

    return app


def _complaint(error):
    """One validation error in words, without what was sent."""
    if error["type"] == "extra_forbidden":
        return "There is an unknown field"
    if error["type"] == "string_pattern_mismatch":
        error = {**error, "msg": _WORDLESS}
    where = [str(part) for part in error["loc"][-2:] if part in ("text", "texts") or isinstance(part, int)]
    return ": ".join([".".join(dict.fromkeys(where)), error["msg"]]) if where else error["msg"]


def _local(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _protocol(seconds):
    """The server's protocol, with an end to requests that do not come in whole: uvicorn waits for ever."""

    class Protocol(H11Protocol):
        _timer = None

        def connection_made(self, transport):
            super().connection_made(transport)
            self._expect(True)

        def data_received(self, data):
            super().data_received(data)
            self._expect(self.conn.their_state in (h11.IDLE, h11.SEND_BODY))

        def connection_lost(self, exc):
            self._expect(False)
            super().connection_lost(exc)

        def _expect(self, more):
            if more and self._timer is None:
                self._timer = self.loop.call_later(seconds, self.transport.abort)
            elif not more and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Protocol


def serve(folder, host="127.0.0.1", port=8000, settings=None):
    """Serves a bundle until SIGTERM or Ctrl-C; requests that are in work then are finished.

    Args:
        folder: A bundle.
        host: Address to listen on. There is no authentication: others than localhost are for a network
            that is trusted, or for a proxy that does this.
        port: Its port; 0 takes a free one.
        settings: A `Settings`; None takes its defaults.

    Raises:
        ValueError: As `deployment.Classifier`.
        OSError: If the address cannot be listened on.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again when all is done.
    settings = settings or Settings()
    if not _local(host) and settings.hosts is None:
        settings = dataclasses.replace(settings, hosts=("*",))
    classifier = deployment.Classifier(folder)
    for length in classifier.lengths:  # The first run of each signature allocates memory.
        for texts in {1, classifier.batch_size}:
            classifier.predict(["a " * (length - 2)] * texts)
    app = create_app(classifier, settings)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another (--port)."
        ) from None
    if not _local(host):
        _log.warning(
            "WARNING: there is no authentication. Everybody who reaches %s can use this service.", host
        )
    name = f"[{host}]" if ":" in host else host
    _log.info("Serving %s at http://%s:%d (Ctrl-C stops it)", folder, name, listening.getsockname()[1])
    config = uvicorn.Config(
        app,
        http=_protocol(settings.body_seconds + 1),  # Later than the guard, which answers 408.
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # Anybody can write X-Forwarded-For.
        server_header=False,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
