"""People who ask, and the rights of their roles."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..record import User

READ = "look"
REVIEW = "review"
SIGN = "sign"
ANALYZE = "analyze"
MANAGE = "manage"

MAY: Mapping[str, frozenset[str]] = {
    "technologist": frozenset({READ, REVIEW, ANALYZE}),
    "pathologist": frozenset({READ, REVIEW, ANALYZE, SIGN}),
    "administrator": frozenset({READ, MANAGE}),
    "operator": frozenset({READ, REVIEW, ANALYZE, SIGN}),
    "": frozenset(),
}
"""Rights of each role. The operator sits at the computer where no login is needed."""


@dataclass(frozen=True)
class Person:
    """A person who asks: `name` as the record has it, `role` one of `MAY`."""

    name: str
    role: str

    def may(self, what: str) -> bool:
        """True where the role allows it."""
        return what in MAY.get(self.role, frozenset())

    @property
    def can(self) -> list[str]:
        """All that the role allows."""
        return sorted(MAY.get(self.role, frozenset()))


ANYONE = Person("", "")
OPERATOR = Person("operator", "operator")


def person_of(user: User | None) -> Person | None:
    """A user of the record as a person who asks; `None` for nobody."""
    return Person(user.name, user.role) if user else None
