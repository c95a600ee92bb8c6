"""What a reader must know of a slide before using its report, in the words of any language."""

from dataclasses import dataclass, field

from .measurements import Measurement
from .profiles import PER_LITRE, PERCENT
from .texts import Texts, load_texts

Value = int | str | tuple[str, ...] | tuple[tuple[str, int], ...]
"""A number, a name, names of analytes, or how many of each kind."""


@dataclass(frozen=True, init=False)
class Remark:
    """A remark by its `code` (a key of the texts' `[remark]`) and the `values` that go into it.

    A flag's code is `flagged`, and one that is known in English alone is `told`.
    """

    code: str
    values: tuple[tuple[str, Value], ...] = field(default=())

    def __init__(self, code: str, **values: Value) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "values", tuple(values.items()))

    @classmethod
    def of_flag(cls, one: Measurement) -> "Remark":
        """That a measurement lies outside its range."""
        return cls("flagged", analyte=one.analyte, unit=one.unit, flag=one.flag)

    @classmethod
    def literal(cls, english: str) -> "Remark":
        """A remark that comes in English words."""
        return cls("told", text=english)

    def said(self, texts: Texts) -> str:
        """The remark in a language."""
        values = dict(self.values)
        if self.code == "told":
            return texts.phrase(str(values["text"]))
        if self.code == "flagged":
            return flagged(str(values["analyte"]), str(values["unit"]), str(values["flag"]), texts)
        return texts(f"remark.{self.code}", **{k: _said(v, texts) for k, v in values.items()})

    def __str__(self) -> str:
        """The remark in English, as the tables have it."""
        return self.said(load_texts())


def flagged(analyte: str, unit: str, flag: str, texts: Texts) -> str:
    """A flag in words: `neutrophil possibly high`."""
    what = {PERCENT: "share", PER_LITRE: "count"}.get(unit, "ratio")
    words = texts(f"flag.{flag.replace(' ', '_')}")
    return texts(f"flagged.{what}", analyte=texts(f"analyte.{analyte}"), flag=words)


def hint(one: Measurement, texts: Texts) -> str:
    """What a flagged share or ratio may go with, with its source; empty where nothing is told."""
    direction = "high" if one.flag.endswith("high") else "low"
    key = f"hint.{one.analyte}_{direction}"
    if not one.flag or one.unit == PER_LITRE or not texts.has(key):
        return ""
    return f"{texts(key)} ({texts(f'hint_source.{one.analyte}')})."


def _said(value: Value, texts: Texts) -> str:
    if isinstance(value, tuple):
        return ", ".join(
            texts(f"analyte.{one}") if isinstance(one, str) else f"{one[1]} {_kind(one[0], texts)}"
            for one in value
        )
    return str(value)


def _kind(name: str, texts: Texts) -> str:
    """What is counted: an analyte by its name, or a phrase."""
    key = f"analyte.{name}"
    return texts(key) if texts.has(key) else texts.phrase(name)
