"""Metrics of a watch, for Prometheus."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


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
            "leukodiff_slide_seconds", "Seconds a slide took.", buckets=SECONDS, registry=registry
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
