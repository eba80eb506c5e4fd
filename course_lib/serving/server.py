"""The service as a process: a socket, signals, a log."""

import contextlib
import dataclasses
import ipaddress
import logging
import signal
import socket
import sys

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from course_lib import deployment
from course_lib.serving.app import create_app
from course_lib.serving.limits import Settings

_log = logging.getLogger(__package__)


def _local(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def protocol(seconds):
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
        http=protocol(settings.body_seconds + 1),  # Later than the guard, which answers 408.
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
