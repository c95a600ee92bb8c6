"""Refusals as the record keeps them: harmless texts, and few enough not to fill the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from leukodiff.core.text import printable

MAX_LETTERS = 300
"""Characters of a text of a refusal that are kept: an attacker chooses them."""


@dataclass
class RateLimiter:
    """Admits `burst` of each key at once, then one in `interval_s` seconds (a token bucket)."""

    burst: int = 20
    interval_s: float = 30.0
    now: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admit(self, key: str) -> int | None:
        """Number of those left out since the last one admitted; `None`: this one is, too."""
        with self._lock:
            now = self.now()
            tokens, then, left_out = self._buckets.get(key, (float(self.burst), now, 0))
            tokens = min(float(self.burst), tokens + max(0.0, now - then) / self.interval_s)
            if tokens < 1:
                self._buckets[key] = tokens, now, left_out + 1
                return None
            self._buckets[key] = tokens - 1, now, 0
            return left_out


def refusal_payload(what: str, why: str, address: str, slide: str, left_out: int) -> dict[str, Any]:
    """Payload of a refusal: short printable texts, whatever an attacker sent."""
    optional = {
        "address": short_printable(address),
        "slide": short_printable(slide),
        "left_out": left_out,
    }
    given = {key: value for key, value in optional.items() if value}
    return {"what": short_printable(what), "why": short_printable(why), **given}


def short_printable(text: str) -> str:
    """The first `MAX_LETTERS` of a text; what can't be printed is replaced."""
    return printable(text[:MAX_LETTERS], "\N{REPLACEMENT CHARACTER}")
