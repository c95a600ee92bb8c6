"""Messages as codes with values: their words stand in the text files of a report."""

from dataclasses import dataclass
from enum import Enum
from typing import Union

Value = Union[int, str, "Message", tuple[str, ...], tuple[tuple[str | Enum, int], ...]]
"""A number or a name, a message within a message, analytes, or how many there are of each kind."""


@dataclass(frozen=True, init=False, eq=False)
class Message:
    """A message by its `code` and the `values` that go into its words, by name.

    Messages of different classes are equal when both are.
    """

    code: str
    values: tuple[tuple[str, Value], ...]

    def __init__(self, code: str, **values: Value) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "values", tuple(values.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and (self.code, self.values) == (other.code, other.values)

    def __hash__(self) -> int:
        return hash((self.code, self.values))
