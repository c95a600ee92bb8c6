"""Why a request is refused, and the one line that says so."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class ApiError(Exception):
    """A request that is not granted: its status, one line for a person, and more for the page.

    `what` is the kind of refusal as the record has it; empty for one that is no sign of an attack
    and is not recorded (two people changing one cell).
    """

    def __init__(self, status: int, error: str, what: str = "", **more: Any) -> None:
        super().__init__(error)
        self.status, self.error, self.what, self.more = status, error, what, more

    @property
    def body(self) -> dict[str, Any]:
        """The answer."""
        return {"error": self.error, **self.more}


SHORT = 200
"""Letters of what is recorded of a refusal: an attacker chooses them."""


def shortened(text: str) -> str:
    """Foreign text as the record takes it: printable, and not long."""
    plain = "".join(one if one.isprintable() else "?" for one in text)
    return plain if len(plain) <= SHORT else f"{plain[: SHORT - 1]}…"


@dataclass
class Tally:
    """Lets a few refusals of each kind through at once, then one in `every` seconds.

    So an attacker can't fill the disk; how many were left out is told with the next one.
    """

    at_once: int = 20
    every: float = 30.0
    now: Callable[[], float] = time.monotonic
    _left: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admits(self, kind: str) -> int | None:
        """How many were left out since the last one, `None` when this one is left out too."""
        with self._lock:
            tokens, then, skipped = self._left.get(kind, (float(self.at_once), self.now(), 0))
            now = self.now()
            tokens = min(float(self.at_once), tokens + (now - then) / self.every)
            check_event = tokens >= 1
            self._left[kind] = (tokens - check_event, now, 0 if check_event else skipped + 1)
            return skipped if check_event else None
