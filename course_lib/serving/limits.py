"""The limits of a service, and what keeps them: a guard around all requests, a rate per client."""

import asyncio
import collections
import dataclasses
import ipaddress
import logging
import math
import re
import time

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders

_log = logging.getLogger(__package__)
_NAME = re.compile(r"\*|(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[?[0-9A-Fa-f:.]+\]?|\[")
_GONE = 499  # The status under which a client that left is counted, as nginx does.
HEADERS = {
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
        client_connections: Most open connections of a client, so that one cannot have them all.
        queue: Most texts that wait.
        batch: Most texts that go to the classifier together.
        gather_seconds: How long several waiting texts wait for more. A single one never waits.
        body_seconds: How long a client may take to send a request.
        request_seconds: How long an answer may take.
        shutdown_seconds: How long requests in work may take after SIGTERM.
        drift_window: As in `deployment.DriftMonitor`.
        hosts: Names under which the service may be addressed, which protects it from pages that rebind their
            own name to this machine; None are `LOCAL_HOSTS`, `("*",)` any.
        proxies: Addresses and networks of proxies in front of the service. Of a request that comes from one
            the client is whom its header X-Forwarded-For names; others could write anything there.

    Raises:
        ValueError: If a number is not positive, `burst` less than the largest request needs, or a host or a
            proxy is none.
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
    client_connections: int = 256
    queue: int = 1_024
    batch: int = 32
    gather_seconds: float = 0.002
    body_seconds: float = 10.0
    request_seconds: float = 20.0
    shutdown_seconds: int = 30
    drift_window: int = 100
    hosts: tuple[str, ...] | None = None
    proxies: tuple[str, ...] = ()

    def __post_init__(self):
        numbers = {name: value for name, value in vars(self).items() if name not in ("hosts", "proxies")}
        for host in self.hosts or ():
            if not _NAME.fullmatch(host):
                raise ValueError(
                    "A host is a name without scheme and port, such as reviews.example.org or *.example.org. "
                    f"Received: {host!r}"
                )
        self.networks()
        if wrong := [f"{name}={value}" for name, value in numbers.items() if not value > 0]:
            raise ValueError(f"Numbers must be positive. Received: {', '.join(wrong)}")
        if self.burst < max(self.texts, self.explain_cost):
            raise ValueError(
                f"`burst` must not be below `texts` ({self.texts}) and `explain_cost` ({self.explain_cost}). "
                f"Received: burst={self.burst}"
            )

    def networks(self):
        """The `proxies`, as networks of the module `ipaddress`."""
        try:
            return [ipaddress.ip_network(each, strict=False) for each in self.proxies]
        except ValueError:
            raise ValueError(
                "A proxy is an address or a network, such as 127.0.0.1 or 10.0.0.0/8. "
                f"Received: {', '.join(map(repr, self.proxies))}"
            ) from None


def busy(detail, status=503, seconds=1):
    """The refusal of what may be asked again after some seconds."""
    return HTTPException(status, detail, {"Retry-After": str(seconds)})


class Rate:
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
            raise busy("Too many texts from this address.", 429, max(1, seconds))


class _Gone(Exception):  # noqa: N818  It is no error.
    """The client has left."""


class Failed(Exception):  # noqa: N818  What failed is its cause.
    """One text of several has failed; `index` says which."""

    def __init__(self, index):
        super().__init__()
        self.index = index


class Guard:
    """ASGI middleware around everything: limits, deadlines, security headers, counting, the access log.

    It reads the body itself and counts what comes: a declared length may be wrong or missing. It then watches
    the connection, and stops the work when the client leaves.
    """

    def __init__(self, app, settings, metrics, rate, paths):
        self._app, self._settings, self._metrics, self._rate = app, settings, metrics, rate
        self._paths = paths
        self._active = 0

    async def __call__(self, scope, receive, send):
        """Answers one request."""
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
                for name, value in HEADERS.items():
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
            one = isinstance(error, Failed)
            which = f"texts.{error.index}" if one else "It"
            _log.error("%s failed: %s", path, _where(error.__cause__ if one else error))
            if status == _GONE:
                await JSONResponse({"detail": f"{which} failed."}, 500)(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(seconds)
            method = scope["method"] if scope["method"] in ("GET", "POST") else "other"
            tokens = scope.get("state", {}).get("tokens", 0)
            _log.info("%s %s %d %.1f ms %d tokens", method, path, status, 1e3 * seconds, tokens)

    async def _handle(self, scope, receive, send):
        headers = dict(scope["headers"])
        if b"content-length" in headers and b"transfer-encoding" in headers:
            # Two servers in a row might not agree where such a request ends (RFC 9112, section 6.3).
            raise HTTPException(400, "A body has a length or an encoding, not both.", {"Connection": "close"})
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise HTTPException(415, "Send the body as it is, without Content-Encoding.")
        if scope["method"] == "HEAD":  # The server leaves the body out.
            scope = {**scope, "method": "GET"}
        limited = scope["method"] == "POST"  # Whether the service lives can be asked while it is full, too.
        if limited:
            self._admit()
            self._rate.charge(address(scope), 1)
        body = await self._body(receive)  # Whoever sends slowly is not in work yet.
        if limited:
            self._admit()
        self._active += limited
        try:
            await self._answer(scope, body, receive, send)
        finally:
            self._active -= limited

    def _admit(self):
        if self._active >= self._settings.concurrency:
            raise busy("Too many requests are in work.")

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
                raise busy("The answer took too long.")
        finally:
            work.cancel()
            left.cancel()
            await asyncio.gather(work, left, return_exceptions=True)


def address(scope):
    """The address of a request's client."""
    return scope["client"][0] if scope.get("client") else ""


def _where(error):
    """Class and place of an exception. Its message might hold a text."""
    frame = error.__traceback__
    while frame.tb_next:
        frame = frame.tb_next
    return f"{type(error).__name__} in {frame.tb_frame.f_code.co_filename}, line {frame.tb_lineno}"
