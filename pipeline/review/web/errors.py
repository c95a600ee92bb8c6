"""Requests that are not granted: the HTTP status of each, and the one line that says why."""

from collections.abc import Mapping
from typing import Any

from ..service.errors import ErrorCode, ServiceError

STATUS: Mapping[ErrorCode, int] = {
    "invalid": 400,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "no_room": 413,
    "not_an_image": 415,
    "locked": 423,
}
"""HTTP status of each refusal of the service."""


class ApiError(Exception):
    """A request that is not granted: its status, one line for a person, and more for the page.

    `what` is the kind of refusal as the record has it; empty for one that is no sign of an attack
    and is not recorded.
    """

    def __init__(self, status: int, error: str, what: str = "", **more: Any) -> None:
        super().__init__(error)
        self.status, self.error, self.what, self.more = status, error, what, more

    @classmethod
    def of(cls, error: ServiceError) -> "ApiError":
        """A refusal of the service as HTTP has it."""
        return cls(STATUS[error.code], error.message, error.incident, **error.details)

    @property
    def body(self) -> dict[str, Any]:
        """JSON of the answer."""
        return {"error": self.error, **self.more}
