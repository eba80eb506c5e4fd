"""The service as a process: a socket, signals, a log."""

import collections
import contextlib
import dataclasses
import errno
import http
import ipaddress
import json
import logging
import signal
import socket
import sys

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from course_lib import deployment
from course_lib.serving.app import create_app
from course_lib.serving.limits import HEADERS, Settings

_log = logging.getLogger(__package__)
_LINGERING = 64  # Most connections that are refused and not yet closed.


def _local(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def protocol(settings, metrics):
    """The server's protocol, with limits that uvicorn has not, and refusals like those of the application.

    Requests that do not come in whole end (uvicorn waits for ever), and no client has all connections.

    Args:
        settings: A `Settings`.
        metrics: Where refusals are counted, a `metrics.Metrics`.

    Returns:
        A class for uvicorn.
    """
    seconds = settings.body_seconds + 1  # Later than the guard, which answers 408.
    networks, clients, refused = settings.networks(), collections.Counter(), set()

    class Protocol(H11Protocol):
        _timer = None

        def connection_made(self, transport):
            super().connection_made(transport)
            self._peer = self.client[0] if self.client else ""
            clients[self._peer] += 1
            self._expect(True)
            several = clients[self._peer] > settings.client_connections and not self._through_proxy()
            if several or len(self.connections) > settings.connections:
                self._refuse(503, "Too many connections.", "Retry-After: 1\r\n")

        def data_received(self, data):
            if self in refused:
                return
            super().data_received(data)
            self._expect(self.conn.their_state in (h11.IDLE, h11.SEND_BODY))

        def connection_lost(self, exc):
            self._expect(False)
            refused.discard(self)
            clients[self._peer] -= 1
            if not clients[self._peer]:
                del clients[self._peer]
            super().connection_lost(exc)

        def send_400_response(self, msg):
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._refuse(400, msg)
            else:  # An answer is under way, or there was one.
                self.transport.close()

        def _unsupported_upgrade_warning(self):
            """A request that asks for a WebSocket is answered as any other."""

        def _through_proxy(self):
            try:
                address = ipaddress.ip_address(self._peer)
            except ValueError:
                return False
            return any(address in network for network in networks)

        def _refuse(self, status, detail, more=""):
            """Answers without the application, and takes nothing more from this client."""
            metrics.requests.labels("other", status).inc()
            _log.info("other other %d 0.0 ms 0 tokens", status)
            self.connections.discard(self)
            if self.cycle is not None:  # To the application the client has left.
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            if len(refused) >= _LINGERING:
                self.transport.abort()
                return
            refused.add(self)
            body = json.dumps({"detail": detail})
            head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
            answer = (
                f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n{head}{more}Connection: close\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            )
            self.transport.write(answer.encode())
            # Closed at once, with its request unread, the connection would be reset, and the answer lost.
            self.transport.write_eof()
            self.loop.call_later(1, self.transport.abort)

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
        host: Address to listen on. There is neither encryption nor authentication: others than localhost are
            for a network that is trusted, or for a proxy that does both.
        port: Its port; 0 takes a free one.
        settings: A `Settings`; None takes its defaults.

    Raises:
        ValueError: As `deployment.Classifier`, or if the host is empty, which would mean all addresses.
        OSError: If the address cannot be listened on.
    """
    run(folder, deployment.Classifier, create_app, host, port, settings)


def run(folder, load, create, host, port, settings):
    """Serves what is in a folder; as `serve`, for any service of the course.

    Args:
        folder: What is served.
        load: Function from it to what answers, which has `card` and `warm_up`.
        create: Function from that and a `Settings` to the application.
        host: As for `serve`.
        port: As for `serve`.
        settings: As for `serve`.
    """
    if not host.strip():
        raise ValueError("The host is empty. Name an address to listen on, such as 127.0.0.1 (--host).")
    for handler in logging.root.handlers[:]:
        # Those of TensorFlow and what it imports, if this process has just made the bundle. They would
        # swallow all that is said here.
        if type(handler) is logging.StreamHandler or type(handler).__module__.startswith("absl."):
            logging.root.removeHandler(handler)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again when all is done.
    settings = settings or Settings()
    if not _local(host) and settings.hosts is None:
        settings = dataclasses.replace(settings, hosts=("*",))
    model = load(folder)
    model.warm_up()
    app = create(model, settings)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        raise OSError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another ({option})."
        ) from None
    # An answer goes out in two parts. Else the second one waits until the client has confirmed the first.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not _local(host):
        _log.warning(
            "WARNING: there is no authentication. Everybody who reaches %s can use this service.", host
        )
    name = f"[{host}]" if ":" in host else host
    port = listening.getsockname()[1]
    _log.info(
        "Serving %s, model %s, at http://%s:%d (Ctrl-C stops it)",
        folder,
        app.state.model,
        name,
        port,
    )
    config = uvicorn.Config(
        app,
        http=protocol(settings, app.state.metrics),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=bool(settings.proxies),  # Anybody can write X-Forwarded-For.
        forwarded_allow_ips=[
            str(each if each.num_addresses > 1 else each.network_address) for each in settings.networks()
        ],
        server_header=False,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
