"""The watch itself: looks, waits until slides are whole, has them analyzed."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.slides.discover import SUFFIXES, Slide, find_slides, natural, passed_over

from ..analyze import AnalyzeSettings
from ..output import OutputError, prepare
from .metrics import Metrics
from .settled import Newcomers, is_readable
from .worker import RunRequest, packed

AT_ONCE = 20
"""Slides in one run at most: the tables of the output are renewed after each run."""

LATE = 10
"""Not having looked for so many times the usual is a failure of the watch."""

WRONG = 2
"""The worker's exit status where nothing could be done as it was asked."""


@dataclass(frozen=True)
class WatchSettings:
    """What is watched, and how.

    `folder`, `out`: from where to where. `settle_s`: a slide that has not changed for so many
    seconds is whole. `every_s`: seconds between two looks. `field_timeout`: seconds.
    """

    folder: Path
    out: Path
    analysis: AnalyzeSettings
    settle_s: float = 30.0
    every_s: float = 5.0
    field_timeout: float = 300.0


@dataclass
class Watch:
    """Watches a folder until it is told to `stop`.

    `say`: told a line for each slide, and of what goes wrong.
    """

    settings: WatchSettings
    say: Callable[[str], None]
    metrics: Metrics = field(default_factory=Metrics)
    _stop: threading.Event = field(default_factory=threading.Event)
    _worker: "subprocess.Popen[bytes] | None" = None
    _looked: float = field(default_factory=time.monotonic)
    _trouble: str = ""
    _failed: set[Path] = field(default_factory=set)

    def go(self) -> None:
        """Looks, and analyzes what is whole, again and again.

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
            ready = newcomers.ready(slides, time.monotonic())[:AT_ONCE]
            for slide in ready:
                newcomers.passed_on(slide)
                if told := passed_over(slide, "put them beside it"):
                    self.say(told)
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
        if self._worker is not None and self._worker.poll() is None:
            self._worker.send_signal(signal.SIGINT)

    def health(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether the folder is looked at, and what is known."""
        is_working = self._worker is not None
        since = time.monotonic() - self._looked
        late = since > LATE * max(self.settings.every_s, 1.0) and not is_working
        facts = {"analyzing": is_working, "seconds_since_last_look": round(since, 1)}
        return not (late or self._trouble), facts | {"trouble": self._trouble}

    def _slides(self) -> Sequence[Slide]:
        settings, trouble = self.settings, ""
        try:
            found = slides_in(settings.folder, settings.out, settings.analysis.per_image)
        except OSError as error:
            found, trouble = [], f"{settings.folder}: can't be listed: {error.strerror or error}"
        if trouble and trouble != self._trouble:
            self.say(trouble)
        self._looked, self._trouble = time.monotonic(), trouble
        return found

    def _analyze(self, slides: Sequence[Slide]) -> None:
        settings = self.settings
        order = RunRequest(tuple(slides), settings.out, settings.analysis, settings.field_timeout)
        status, wrong = self._run(packed(order))
        self._looked = time.monotonic()
        if self._stop.is_set():
            return
        if status == WRONG:
            raise (InputError if prepare_says_well(settings.out) else OutputError)(wrong)
        if status not in (0, 1):
            self.metrics.crashes.inc()
            self.say(f"a run ended with status {status}: {wrong or 'nothing was said'}")

    def _run(self, order: bytes) -> tuple[int, str]:
        """Exit status of a worker, and the last line that it complained with."""
        command = [sys.executable, "-m", "leukodiff.pipeline.runs.watch.worker"]
        wrong = ""
        # A session of its own: Ctrl-C comes from `stop` alone.
        with subprocess.Popen(  # noqa: S603  # our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as worker:
            assert worker.stdin and worker.stdout  # noqa: S101, PT018
            self._worker = worker
            worker.stdin.write(order)
            worker.stdin.close()
            if self._stop.is_set():
                self.stop()
            for line in worker.stdout:
                wrong = self._hear(line.decode(errors="replace").strip()) or wrong
        self._worker = None
        return worker.returncode, wrong

    def _hear(self, line: str) -> str:
        """Counts a slide and tells of it; what is no slide is a complaint, which it returns."""
        try:
            slide = json.loads(line)
        except ValueError:
            self.say(line)
            return line
        path = Path(slide["path"])
        (self._failed.add if slide["status"] == "failed" else self._failed.discard)(path)
        if not slide["skipped"]:
            self.metrics.count(slide)
            cells = f", {slide['n_cells']} cells" if slide["n_cells"] is not None else ""
            error = f", {slide['error']}" if slide["error"] else ""
            self.say(f"{slide['slide_id']}: {slide['status']}{cells}{error}")
        return ""


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


def prepare_says_well(out: Path) -> bool:
    """Whether the output can be written to."""
    try:
        prepare(out)
    except OutputError:
        return False
    return True
