"""Metadata is read back as it was written, and refused by the file's name where it is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from leukodiff.core.errors import ModelFileError
from leukodiff.runtime.metadata import (
    ModelMetadata,
    metadata_path,
    read_metadata,
    with_earlier,
    write_metadata,
)

WHOLE = ModelMetadata(
    name="finder",
    version="1",
    kind="detector",
    classes=("white_cell", "red_cell"),
    input_px=416,
    um_per_px=0.112,
    sha256="0" * 64,
    thresholds={"white_cell": 0.4},
    calibration={"nms_iou": 0.5, "confusion": {"neutrophil": {"monocyte": 1}}},
    training_data=({"name": "bccd", "licence": "MIT"},),
    metrics={"map50": 0.9},
    command="leukodiff train detector",
    licence="AGPL-3.0-or-later",
)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "finder.json"
    write_metadata(path, WHOLE)
    assert read_metadata(path) == WHOLE
    assert [file.name for file in tmp_path.iterdir()] == ["finder.json"]


def test_metadata_stands_next_to_its_model() -> None:
    assert metadata_path(Path("weights/a.b.onnx")) == Path("weights/a.b.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"classes": None}, "missing in the model metadata: classes", id="no classes"),
        pytest.param({"color": 1}, "unknown in the model metadata: color", id="unknown fact"),
        pytest.param({"kind": "oracle"}, "kind can't be", id="unknown kind"),
        pytest.param({"classes": []}, "classes can't be", id="empty classes"),
        pytest.param({"classes": ["a", "a"]}, "classes can't be", id="a class twice"),
        pytest.param({"input_px": 0}, "input_px can't be", id="no pixels"),
        pytest.param({"input_px": True}, "input_px can't be", id="a truth for a number"),
        pytest.param({"um_per_px": -1}, "um_per_px can't be", id="negative scale"),
        pytest.param({"um_per_px": "fine"}, "um_per_px can't be", id="scale in words"),
        pytest.param({"sha256": "abc"}, "sha256 can't be", id="short checksum"),
        pytest.param({"std": [1, 1, 0]}, "std can't be", id="divides by zero"),
        pytest.param({"mean": [1, 1]}, "mean can't be", id="two channels"),
        pytest.param({"thresholds": {"a": 2}}, "thresholds can't be", id="threshold above 1"),
        pytest.param({"training_data": ["bccd"]}, "training_data can't be", id="bare names"),
    ],
)
def test_wrong_facts_are_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "finder.json"
    write_metadata(path, WHOLE)
    facts = json.loads(path.read_text()) | change
    path.write_text(json.dumps({name: value for name, value in facts.items() if value is not None}))
    with pytest.raises(ModelFileError, match=r"finder\.json") as error:
        read_metadata(path)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(None, "no model metadata here", id="missing"),
        pytest.param("", "not model metadata in JSON", id="empty"),
        pytest.param("{", "not model metadata in JSON", id="cut short"),
        pytest.param("[]", "expected a JSON object", id="a list"),
        pytest.param("\xff", "not model metadata in JSON", id="not UTF-8"),
    ],
)
def test_unreadable_metadata_is_refused(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "finder.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelFileError, match=words):
        read_metadata(path)


def test_earlier_training_data_is_listed_once():
    own = [{"name": "pbc", "split": "train", "cells": "9"}]
    earlier = [{"name": "pbc", "split": "train", "cells": "7"}, {"name": "bccd", "split": "train"}]
    assert with_earlier(own, earlier) == (own[0], earlier[1])
    assert with_earlier([], []) == ()
