"""Who may do what, and who is asking."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..record import User

LOOK, REVIEW, SIGN, ANALYZE, MANAGE = "look", "review", "sign", "analyze", "manage"

MAY: Mapping[str, frozenset[str]] = {
    "technologist": frozenset({LOOK, REVIEW, ANALYZE}),
    "pathologist": frozenset({LOOK, REVIEW, ANALYZE, SIGN}),
    "administrator": frozenset({LOOK, MANAGE}),
    "operator": frozenset({LOOK, REVIEW, ANALYZE, SIGN}),
    "": frozenset(),
}
"""What each role may do. The operator is who sits at the computer where no login is needed."""


@dataclass(frozen=True)
class Person:
    """Who is asking: `name` as the record has it, `role` one of `MAY`."""

    name: str
    role: str

    def may(self, what: str) -> bool:
        """Whether the role allows it."""
        return what in MAY.get(self.role, frozenset())

    @property
    def can(self) -> list[str]:
        """All that the role allows."""
        return sorted(MAY.get(self.role, frozenset()))


ANYONE = Person("", "")
OPERATOR = Person("operator", "operator")


def person_of(user: User | None) -> Person | None:
    """A user of the record as whoever asks; `None` for nobody."""
    return Person(user.name, user.role) if user else None
