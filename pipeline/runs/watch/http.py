"""`/healthz` and `/metrics` of a watch."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from leukodiff.core.errors import InputError

Health = Callable[[], tuple[bool, Mapping[str, Any]]]
"""Whether all is well, and facts of it."""

JSON = "application/json"


@contextmanager
def served(host: str, port: int, health: Health, metrics: Callable[[], bytes]) -> Iterator[int]:
    """Answers on a port (0: any that is free), which it yields, until the end.

    Raises:
        InputError: the port can't be had.
    """
    try:
        server = ThreadingHTTPServer((host, port), partial(_Answers, health, metrics))
    except OSError as error:
        raise InputError(f"port {port} of {host} can't be had: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answers(BaseHTTPRequestHandler):
    """Answers one request."""

    server_version, sys_version = "leukodiff", ""

    def __init__(self, health: Health, metrics: Callable[[], bytes], *rest: Any) -> None:
        self._health, self._metrics = health, metrics
        super().__init__(*rest)

    def do_GET(self) -> None:  # the library's name
        """Answers a GET."""
        if self.path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, self._metrics())
        elif self.path == "/healthz":
            is_well, facts = self._health()
            told = {"status": "ok" if is_well else "failing", **facts}
            self._answer(200 if is_well else 503, JSON, json.dumps(told).encode() + b"\n")
        else:
            self._answer(404, JSON, b'{"error": "ask for /healthz or /metrics"}\n')

    def log_message(self, *_: Any) -> None:
        """Says nothing of each request: Prometheus asks every few seconds."""

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
