"""Remarks that a reader must know before using a slide's report, in the words of any language."""

import re
from enum import Enum
from functools import cache

from leukodiff.core.message import Message, Value

from .flags import Flag
from .measurements import Measurement
from .reference_ranges import PER_LITRE, PERCENT, Profile, adult
from .texts import Texts, load_texts

LITERAL = "literal"
FLAGGED = "flagged"

STORED = (
    "no_scale",
    "no_scale_and",
    "scale_contradicted",
    "scale_by_white_cells",
    "scale_refused",
    "px_not_positive",
    "px_out_of_range",
    "px_not_square",
    "image_resolution",
    "tiff_resolution",
    "imagej_resolution",
    "aperio_mpp",
    "ome_physical_size",
    "openslide_mpp",
    "openslide_property",
    "micro_manager_pixel_size",
    "metamorph_calibration",
    "scan_turned",
    "image_left_out",
    "level_left_out",
    "level_of_size_left_out",
    "images_not_read",
    "file_empty",
    "file_unreadable",
    "file_damaged",
    "tiff_damaged",
)
"""Codes of the warnings and errors that smear.json keeps in English; the first fit is meant."""


class Remark(Message):
    """A message whose `code` is a key of the texts' `[remark]`.

    A flag's code is `flagged`; `literal` is for words that no code is known of.
    """

    @classmethod
    def of_flag(cls, one: Measurement) -> "Remark":
        """The remark that a measurement lies outside its range."""
        return cls(FLAGGED, analyte=one.analyte, unit=one.unit, flag=one.flag)

    @classmethod
    def literal(cls, words: str) -> "Remark":
        """A remark that is the same in every language."""
        return cls(LITERAL, text=words)

    @classmethod
    def from_stored(cls, english: str) -> "Remark":
        """The warning or error that a stored report has in English; `literal` if it is not known.

        Only what was stored is read like this: smear.json has had the sentences from the start.
        """
        for code, pattern in _patterns():
            if found := pattern.fullmatch(english):
                return cls(code, **{k: _stored_value(v) for k, v in found.groupdict().items()})
        return cls.literal(english)

    def text(self, texts: Texts) -> str:
        """The remark in a language."""
        return message_text(self, texts)

    def __str__(self) -> str:
        """The remark in English, as the tables have it."""
        return self.text(load_texts())


def message_text(message: Message, texts: Texts) -> str:
    """A message in a language: its words are those of its code in `[remark]`."""
    values = dict(message.values)
    if message.code == LITERAL:
        return str(values["text"])
    if message.code == FLAGGED:
        analyte, unit, flag = (str(values[name]) for name in ("analyte", "unit", "flag"))
        return flagged(analyte, unit, Flag(flag), texts)
    return texts(f"remark.{message.code}", **{k: _words(v, texts) for k, v in values.items()})


def flagged(analyte: str, unit: str, flag: Flag, texts: Texts) -> str:
    """A flag in words: `neutrophil possibly high`."""
    what = {PERCENT: "share", PER_LITRE: "count"}.get(unit, "ratio")
    return texts(f"flagged.{what}", analyte=texts(f"analyte.{analyte}"), flag=texts.of(flag))


def hint(one: Measurement, texts: Texts) -> str:
    """Causes that a flagged share or ratio may have, with the source; empty where none is known."""
    key = f"hint.{one.analyte}_{one.flag.direction}" if one.flag else ""
    if one.unit == PER_LITRE or not texts.has(key):
        return ""
    return f"{texts(key)} ({texts(f'hint_source.{one.analyte}')})."


def profile_title(profile: Profile, texts: Texts) -> str:
    """A profile's title; that of the shipped one in the reader's language."""
    return texts("profile.adult") if profile.title == adult().title else profile.title


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Matchers of the English words of the codes `STORED`, with a group for each place."""
    words = {code: re.escape(load_texts()(f"remark.{code}")) for code in STORED}
    place = re.compile(r"\\{(\w+)\\}")
    return tuple((k, re.compile(place.sub(r"(?P<\1>.+?)", text))) for k, text in words.items())


def _stored_value(english: str) -> Remark | str:
    found = Remark.from_stored(english)
    return english if found.code == LITERAL else found


def _words(value: Value, texts: Texts) -> str:
    if isinstance(value, Message):
        return message_text(value, texts)
    if isinstance(value, tuple):
        return ", ".join(_item(one, texts) for one in value)
    return str(value)


def _item(one: str | tuple[str | Enum, int], texts: Texts) -> str:
    """An analyte, or how many there are of a kind."""
    if isinstance(one, str):
        return texts(f"analyte.{one}")
    kind, n = one
    return f"{n} {texts.of(kind) if isinstance(kind, Enum) else texts(f'analyte.{kind}')}"
