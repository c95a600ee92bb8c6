"""The slides that failed, written down one by one: a run that is started again knows them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .outcomes import SlideOutcome
from .output import to_bytes, writing

FAILED_SLIDES = ".failed.jsonl"
"""Beside the run's tables: a line a failure, the last one of a slide counts."""


def note_failure(out: Path, outcome: SlideOutcome) -> None:
    """Adds a slide that failed.

    Raises:
        OutputError: the file can't be written.
    """
    path, line = out / FAILED_SLIDES, json.dumps(asdict(outcome)) + "\n"
    with writing(path), path.open("ab", buffering=0) as file:
        file.write(to_bytes(line))  # at once: a run that is killed here leaves a line or none


def noted_failures(out: Path) -> Mapping[str, SlideOutcome]:
    """The failures by slide_id; a line that was cut short is passed over."""
    found: dict[str, SlideOutcome] = {}
    path = out / FAILED_SLIDES
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError, TypeError, KeyError):
            outcome = _outcome(json.loads(line))
            found[str(outcome.row["slide_id"])] = outcome
    return found


def _outcome(noted: dict[str, Any]) -> SlideOutcome:
    failures = tuple((str(one), str(reason)) for one, reason in noted.pop("failures"))
    return SlideOutcome(**noted | {"counts": (), "failures": failures, "skipped": True})
