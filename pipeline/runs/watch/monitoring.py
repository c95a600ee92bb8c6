"""Metrics of a watch, and the server of `/healthz` and `/metrics`."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leukodiff.core.errors import InputError

Health = Callable[[], tuple[bool, Mapping[str, Any]]]
"""True where all is well, and facts of it."""

CLOSE_WITHIN_S = 10.0
"""Longest wait for the server's end; its thread does not hold up the process."""


BUCKETS_S = (0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


@dataclass
class Metrics:
    """The figures of one watch; a registry of its own, so that two don't disturb each other."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        registry = self.registry
        ProcessCollector(registry=registry)
        self.slides = Counter(
            "leukodiff_slides", "Slides that ended, by status.", ["status"], registry=registry
        )
        for status in ("done", "incomplete", "failed"):
            self.slides.labels(status)
        self.cells = Counter("leukodiff_cells", "Rows of cells.csv.", registry=registry)
        self.seconds = Histogram(
            "leukodiff_slide_seconds", "Seconds a slide took.", buckets=BUCKETS_S, registry=registry
        )
        self.waiting = Gauge(
            "leukodiff_slides_waiting", "Slides seen, not analyzed yet.", registry=registry
        )
        self.last = Gauge(
            "leukodiff_last_slide_timestamp_seconds", "When a slide last ended.", registry=registry
        )
        self.crashes = Counter(
            "leukodiff_runs_failed", "Runs that ended without their slides.", registry=registry
        )

    def count(self, slide: Mapping[str, Any]) -> None:
        """Counts a slide that has ended, by its row of slides.csv."""
        self.slides.labels(slide["status"]).inc()
        self.cells.inc(int(slide.get("n_cells") or 0))
        if slide.get("seconds"):
            self.seconds.observe(float(slide["seconds"]))
        self.last.set_to_current_time()

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self.registry)


@contextmanager
def served(host: str, port: int, health: Health, metrics: Callable[[], bytes]) -> Iterator[int]:
    """Answers on a port (0: any that is free), which it yields, until the end.

    Raises:
        InputError: the port can't be had.
    """

    def healthz(request: Request) -> Response:
        is_well, facts = health()
        return _json(200 if is_well else 503, {"status": "ok" if is_well else "failing", **facts})

    def text(request: Request) -> Response:
        return Response(metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def not_found(request: Request, error: Exception) -> Response:
        return _json(404, {"error": "ask for /healthz or /metrics"})

    routes = [Route("/healthz", healthz), Route("/metrics", text)]
    app = Starlette(routes=routes, exception_handlers={404: not_found})
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise InputError(f"port {port} of {host} can't be had: {error.strerror}") from error
    # No line for a request: Prometheus asks every few seconds.
    server = uvicorn.Server(
        uvicorn.Config(
            app, log_level="critical", access_log=False, ws="none", timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(CLOSE_WITHIN_S)
        listener.close()


def _json(status: int, facts: Mapping[str, Any]) -> Response:
    return Response(json.dumps(facts) + "\n", status, media_type="application/json")
