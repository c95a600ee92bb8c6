"""Refusals of the service: a code, a line for a person, and what a page needs besides."""

from typing import Any, Literal

from leukodiff.core.errors import LeukodiffError

ErrorCode = Literal[
    "invalid", "forbidden", "not_found", "conflict", "no_room", "not_an_image", "locked"
]
"""Reason of a refusal; the web layer has an HTTP status for each."""


class ServiceError(LeukodiffError):
    """Something that is not done: its code, one line for a person, and details for the page.

    `incident` is the kind of refusal as the record has it; empty for one that is no sign of an
    attack and is not recorded (two people changing one cell).
    """

    def __init__(self, code: ErrorCode, message: str, incident: str = "", **details: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.incident, self.details = code, message, incident, details
