"""Metadata of a model file, read strictly.

The checks are written out, without msgspec: they keep error sentences of our own that name the
file, the key and the value, and the keys and order of files that people have.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from leukodiff.core.errors import ModelFileError
from leukodiff.core.files import write_atomic

CALIBRATING = frozenset(
    {"temperature", "temperature_rise", "atypical_rate", "second_look", "plain_views"}
    | {"nms_iou", "red_cell_box_ratio", "confirm_from"}
)
"""Keys of a calibration that are one number."""

KINDS = ("detector", "classifier")


@dataclass(frozen=True)
class ModelMetadata:
    """Facts of a model file: its identity, its input, the meaning of its outputs.

    `classes` in the order of the model's outputs. `input_px` is the side of the working crop or
    canvas (px) and `um_per_px` its scale. `mean` and `std` are the normalization that is already
    inside the graph, per RGB channel on a 0-1 scale. `thresholds` are 0-1, by class name.
    `training_data` has one mapping a dataset (name, licence, citation). `sha256` is the model
    file's, in lower-case hex.
    """

    name: str
    version: str
    kind: str
    classes: tuple[str, ...]
    input_px: int
    um_per_px: float
    sha256: str
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    training_data: tuple[Mapping[str, str], ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    licence: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """Name, checksum and training data of the model, for a table of its figures."""
        return {
            "model": f"{self.name} {self.version}",
            "sha256": self.sha256,
            "trained_on": sorted({one.get("name", "?") for one in self.training_data}),
        }


def metadata_path(model_path: Path) -> Path:
    """Path of a model file's metadata: the same name, ending in `.json`."""
    return model_path.with_suffix(".json")


def with_earlier(
    data: Sequence[Mapping[str, str]], earlier: Sequence[Mapping[str, str]]
) -> tuple[Mapping[str, str], ...]:
    """The training data of a model that went on from another: its own, and the other's.

    A data set and split that both name is listed once, as the later training has it.
    """
    own = {(one.get("name"), one.get("split")) for one in data}
    before = [one for one in earlier if (one.get("name"), one.get("split")) not in own]
    return (*data, *before)


def write_metadata(path: Path, metadata: ModelMetadata) -> None:
    """Write metadata as JSON that a person can read too; whole or not at all."""
    text = json.dumps(asdict(metadata), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, f"{text}\n".encode())


def read_metadata(path: Path) -> ModelMetadata:
    """The metadata in a JSON file.

    Raises:
        ModelFileError: the file is missing, is no JSON, or a fact in it is missing or impossible.
    """
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(f"{path}: no model metadata here ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: this is not model metadata in JSON ({error})") from error
    if not isinstance(facts, dict):
        raise ModelFileError(f"{path}: expected a JSON object, got {type(facts).__name__}")
    return _checked(path, facts)


def _checked(path: Path, facts: dict[str, Any]) -> ModelMetadata:
    known = {f.name for f in fields(ModelMetadata)}
    needed = {"name", "version", "kind", "classes", "input_px", "um_per_px", "sha256"}
    if missing := sorted(needed - set(facts)):
        raise ModelFileError(f"{path}: missing in the model metadata: {', '.join(missing)}")
    if unknown := sorted(set(facts) - known):
        raise ModelFileError(f"{path}: unknown in the model metadata: {', '.join(unknown)}")
    for name, value in facts.items():
        if not _FITS[name](value):
            raise ModelFileError(f"{path}: {name} can't be {json.dumps(value)[:80]}")
    return ModelMetadata(**{name: _frozen(value) for name, value in facts.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _names(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(name, str) and name for name in value)
        and len(set(value)) == len(value)
    )


def _three_numbers(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_number, value))


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _fractions(value: Any) -> bool:
    return _mapping(value) and all(_number(v) and 0 <= v <= 1 for v in value.values())


def _sha256(value: Any) -> bool:
    return _text(value) and len(value) == 64 and set(value) <= set("0123456789abcdef")


_FITS = {
    "name": lambda value: _text(value) and value != "",
    "version": lambda value: _text(value) and value != "",
    "kind": lambda value: value in KINDS,
    "classes": _names,
    "input_px": lambda value: isinstance(value, int) and not isinstance(value, bool) and value > 0,
    "um_per_px": lambda value: _number(value) and value > 0,
    "sha256": _sha256,
    "mean": _three_numbers,
    "std": lambda value: _three_numbers(value) and all(v > 0 for v in value),
    "thresholds": _fractions,
    "calibration": lambda value: (
        _mapping(value) and all(_number(value[name]) for name in CALIBRATING & set(value))
    ),
    "training_data": lambda value: isinstance(value, list) and all(map(_mapping, value)),
    "metrics": _mapping,
    "command": _text,
    "licence": _text,
}
