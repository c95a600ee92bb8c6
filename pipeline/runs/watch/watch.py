"""The watch itself: lists a folder, waits until slides are whole, has them analyzed.

It polls, by design: watchfiles and watchdog hear nothing of what others write to a network share.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.slides.discover import SUFFIXES, Slide, find_slides, natural, passed_over

from .. import worker
from ..analyze import AnalyzeSettings
from ..child_process import TEXT, Message, Supervisor
from ..output import OutputError, prepare
from ..worker import RunRequest
from .monitoring import Metrics
from .settled import Newcomers, is_readable

MAX_SLIDES_A_RUN = 20
"""Slides in one run at most: the tables of the output are renewed after each run."""

LATE_INTERVALS = 10
"""Not having listed the folder for so many times `every_s` is a failure of the watch."""


@dataclass(frozen=True)
class WatchSettings:
    """Settings of a watch.

    `folder`, `out`: from where to where. `settle_s`: a slide that has not changed for so many
    seconds is whole. `every_s`: seconds between two listings. `field_timeout`: seconds.
    """

    folder: Path
    out: Path
    analysis: AnalyzeSettings
    settle_s: float = 30.0
    every_s: float = 5.0
    field_timeout: float = 300.0


@dataclass
class Watch:
    """Watches a folder until `stop` is called.

    `emit`: called with a line for each slide, and for what goes wrong.
    """

    settings: WatchSettings
    emit: Callable[[str], None]
    metrics: Metrics = field(default_factory=Metrics)
    _stop: threading.Event = field(default_factory=threading.Event)
    _supervisor: Supervisor | None = None
    _listed_at: float = field(default_factory=time.monotonic)
    _error: str = ""
    _errors: list[str] = field(default_factory=list)
    _refusal: str = ""
    _is_finished: bool = False
    _failed: set[Path] = field(default_factory=set)

    def go(self) -> None:
        """Lists the folder, and analyzes what is whole, again and again.

        Raises:
            InputError: the folder is none, or the output holds slides made otherwise.
            OutputError: the output can't be written.
        """
        settings = self.settings
        if not settings.folder.is_dir():
            raise InputError(f"{settings.folder}: no such folder; give the one the scanner fills")
        prepare(settings.out)
        newcomers = Newcomers(settings.settle_s, is_readable)
        while not self._stop.is_set():
            slides = self._slides()
            ready = newcomers.ready(slides, time.monotonic())[:MAX_SLIDES_A_RUN]
            for slide in ready:
                newcomers.passed_on(slide)
                if remark := passed_over(slide, "put them beside it"):
                    self.emit(remark)
            self.metrics.waiting.set(newcomers.waiting + len(ready))
            if ready:
                failed = [s for s in slides if s.path in self._failed and s not in ready]
                self._analyze([*ready, *failed])  # which are not tried again: listed
                self.metrics.waiting.set(newcomers.waiting)
            else:
                self._stop.wait(settings.every_s)

    def stop(self) -> None:
        """Ends the watch: a run under way is stopped as by Ctrl-C, and its slides come next time.

        Safe to call from a signal's handler.
        """
        self._stop.set()
        if supervisor := self._supervisor:
            supervisor.stop()

    def health(self) -> tuple[bool, Mapping[str, Any]]:
        """True while the folder is listed in time, and facts of it."""
        is_working = self._supervisor is not None
        since = time.monotonic() - self._listed_at
        late = since > LATE_INTERVALS * max(self.settings.every_s, 1.0) and not is_working
        facts = {"analyzing": is_working, "seconds_since_last_look": round(since, 1)}
        return not (late or self._error), facts | {"trouble": self._error}

    def _slides(self) -> Sequence[Slide]:
        settings, error = self.settings, ""
        try:
            found = slides_in(settings.folder, settings.out, settings.analysis.per_image)
        except OSError as cause:
            found, error = [], f"{settings.folder}: can't be listed: {cause.strerror or cause}"
        if error and error != self._error:
            self.emit(error)
        self._listed_at, self._error = time.monotonic(), error
        return found

    def _analyze(self, slides: Sequence[Slide]) -> None:
        settings, self._errors, self._refusal, self._is_finished = self.settings, [], "", False
        supervisor = Supervisor(settings.field_timeout, self._complain, self._receive)
        self._supervisor = supervisor
        if self._stop.is_set():  # since it was last checked
            supervisor.stop()
        request = RunRequest(settings.out, settings.analysis, slides=tuple(slides))
        status = supervisor.run(worker.__name__, request)
        self._supervisor, self._listed_at = None, time.monotonic()
        if self._stop.is_set():
            return
        error = self._refusal or (self._errors[-1] if self._errors else "nothing was reported")
        if status == worker.WRONG_USAGE:
            raise (InputError if is_writable(settings.out) else OutputError)(error)
        if not self._is_finished:
            self.metrics.crashes.inc()
            self.emit(f"a run ended with status {status}: {error}")

    def _receive(self, message: Message) -> None:
        """Counts and reports a slide that has ended; anything else is a complaint."""
        kind, *values = message
        self._is_finished = self._is_finished or kind == "finished"
        if kind == "error":
            self._refusal = " ".join(values[0].split())
        if kind in ("error", TEXT):
            self._complain(values[0])
        if kind != "slide":
            return
        (slide,) = values
        path = Path(slide["path"])
        (self._failed.add if slide["status"] == "failed" else self._failed.discard)(path)
        if not slide["skipped"]:
            self.metrics.count(slide)
            cells = f", {slide['n_cells']} cells" if slide["n_cells"] is not None else ""
            error = f", {slide['error']}" if slide["error"] else ""
            self.emit(f"{slide['slide_id']}: {slide['status']}{cells}{error}")

    def _complain(self, text: str) -> None:
        if line := " ".join(text.split()):
            self._errors.append(line)
            self.emit(line)


def slides_in(folder: Path, out: Path, per_image: bool = False) -> list[Slide]:
    """The slides in a scanner's folder now: each image or scan, and what each folder holds.

    Raises:
        OSError: the folder can't be listed.
    """
    found: list[Slide] = []
    for entry in sorted(folder.iterdir(), key=lambda path: natural(path.name)):
        is_hidden, is_out = entry.name.startswith("."), entry.resolve() == out.resolve()
        if is_hidden or is_out or not (entry.is_dir() or entry.suffix.lower() in SUFFIXES):
            continue
        with suppress(InputError):  # there is no image in it, or none yet
            found += find_slides([entry], per_image, out)
    return found


def is_writable(out: Path) -> bool:
    """True where the output can be written to."""
    try:
        prepare(out)
    except OutputError:
        return False
    return True
