"""The words of a report in a language: a TOML file, English where it lacks a key."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError

_HERE = Path(__file__).parent

LANGUAGES: tuple[str, ...] = tuple(sorted(path.stem for path in _HERE.glob("*.toml")))
"""The languages that are shipped."""


@dataclass(frozen=True)
class Texts:
    """The words of one language.

    `words` are templates by key, such as `flag.high`; `{name}` in them stands for a value.
    `point` parts whole numbers from decimals.
    """

    language: str
    words: Mapping[str, str]
    point: str = "."

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key, with its values in their places.

        Raises:
            KeyError: there is no such key in this language nor in English.
        """
        return self.words[key].format_map(values) if values else self.words[key]

    def of(self, member: Enum) -> str:
        """The words of a code, such as `cell_note.cut`; empty for a code of nothing."""
        section = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(member).__name__).lower()
        return self(f"{section}.{member.name.lower()}") if member.value else ""

    def number(self, value: float, decimals: int) -> str:
        """A number as this language writes it."""
        return f"{value:.{decimals}f}".replace(".", self.point)

    def has(self, key: str) -> bool:
        """True where there are words for a key."""
        return key in self.words


@cache
def _shipped(language: str) -> Texts:
    return _load(language)


def load_texts(language: str = "en") -> Texts:
    """A shipped language by its code, or a laboratory's own file by its path.

    A file is read anew each time: it may have been changed.

    Raises:
        InputError: there is no such language or file, or the file is not what it should be; the
            key is named.
    """
    return _shipped(language) if language in LANGUAGES else _load(language)


def _load(language: str) -> Texts:
    path = _HERE / f"{language}.toml" if language in LANGUAGES else Path(language)
    own = _read(path) if path.suffix == ".toml" else None
    if own is None:
        known = ", ".join(LANGUAGES)
        raise InputError(f"no language {language!r}; known: {known}, or a file that ends in .toml")
    english = _read(_HERE / "en.toml")
    own.pop("phrases", None)  # of files made for earlier versions, where sentences were translated
    words = _flat(own, path)
    base = _flat(english, path)
    if unknown := sorted(set(words) - set(base)):
        raise InputError(f"{path}: unknown key {unknown[0]!r}; en.toml has them all")
    for key, text in words.items():
        _require_places(text, base[key], f"{path}: {key}")
    point = words.get("number.point", ".")
    return Texts(words.get("language.code", path.stem), {**base, **words}, point)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a file of texts in TOML ({error})") from error


def _flat(table: Mapping[str, Any], path: Path) -> dict[str, str]:
    words = {
        f"{section}.{key}": text
        for section, keys in table.items()
        if isinstance(keys, dict)
        for key, text in keys.items()
    }
    if wrong := [key for key, text in words.items() if not isinstance(text, str)]:
        raise InputError(f"{path}: {wrong[0]} must be text")
    if stray := [key for key, keys in table.items() if not isinstance(keys, dict)]:
        raise InputError(f"{path}: {stray[0]!r} stands outside a [section]")
    return words


def _require_places(text: str, english: str, where: str) -> None:
    """Refuse a text whose `{places}` are not among those of the English one."""
    from string import Formatter

    def places(one: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(one) if name is not None}

    try:
        extra = sorted(places(text) - places(english))
    except ValueError as error:
        raise InputError(f"{where}: {error}; write {{{{ for a brace") from error
    if extra:
        raise InputError(f"{where}: nothing to put in the place {{{extra[0]}}}")
