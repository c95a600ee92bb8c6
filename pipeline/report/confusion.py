"""A laboratory's own confusion matrix, as `evaluate pipeline` writes it, from its CSV file."""

import csv
from pathlib import Path

from leukodiff.core.errors import InputError
from leukodiff.datasets.vocabulary import BY_NAME

from .statistics import Confusion

MOST_DIGITS = 9
"""Of a count of cells."""

TRUE = "true_type"

MISSED = "missed"


def read_confusion(path: Path) -> Confusion:
    """The confusion matrix in a CSV file: `true_type`, then a column for each type that was given.

    A column `missed` is left aside: cells that were not found were not called anything.

    Raises:
        InputError: it can't be read, or a type or a number in it can't be; the place is named.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        header, *rows = csv.reader(lines, strict=True)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a confusion matrix in CSV ({error})") from error
    except ValueError as error:
        raise InputError(
            f"{path}: empty; `evaluate pipeline --out` writes confusion.csv"
        ) from error
    if header[:1] != [TRUE] or len(header) < 2:
        raise InputError(f"{path}: expected the columns {TRUE} and one a type that was given")
    table = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, line {number}: {len(row)} values for {len(header)} columns")
        counts = dict(zip(header[1:], row[1:], strict=True))
        counts.pop(MISSED, None)
        for name in (row[0], *counts):
            if name not in BY_NAME:
                raise InputError(f"{path}, line {number}: unknown type {name!r}")
        if row[0] in table:
            raise InputError(f"{path}, line {number}: {row[0]} is there twice")
        if wrong := [text for text in counts.values() if not _is_count(text)]:
            what = f"expected a whole number, not {wrong[0][:40]!r}"
            raise InputError(f"{path}, line {number}: {what}")
        table[row[0]] = {name: int(text) for name, text in counts.items()}
    return Confusion.from_mapping(table)


def _is_count(text: str) -> bool:
    return text.isdecimal() and len(text) <= MOST_DIGITS
