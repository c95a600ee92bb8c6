import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from leukodiff.classifier.infer import Classifier
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.cli import main
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze

pytestmark = pytest.mark.slow

Smear = Callable[..., Path]


@pytest.fixture
def slide(tmp_path: Path, smear: Smear, models: Models, write_classifier: Any) -> Path:
    """A finished slide, and its image and classifier in the same folder."""
    path = write_classifier("classifier.onnx", atypical=True)
    folder = smear("smear", **{"=a": ("neutrophil", "lymphocyte"), "b": ("neutrophil",)})
    own = replace(models, classifier=Classifier.load(path, threads=1))
    assert not analyze(
        [folder], tmp_path / "out", AnalyzeSettings(threads=1), models=own
    ).exit_status
    return tmp_path / "out/smear"


def explain(slide: Path, cell_id: str, *more: str | Path) -> Result:
    classifier = slide.parent.parent / "classifier.onnx"
    arguments = ["explain", slide, cell_id, "--classifier", classifier, *more]
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("cell_id", ["b-1", "=a-2"])
@pytest.mark.parametrize("name", ["cell.png", "cell.jpg"])
def test_a_picture_of_a_cell(slide: Path, tmp_path: Path, cell_id: str, name: str) -> None:
    result = explain(slide, cell_id, "--out", tmp_path / name)
    assert result.exit_code == 0, result.output
    picture = cv2.imread(str(tmp_path / name))
    assert picture is not None
    assert picture.shape[0] > 400
    assert picture.shape[1] > 2 * 384
    assert picture[380:].min() < 100  # words
    row = next(r for r in table(slide) if r["cell_id"].lstrip("'") == cell_id)
    kind = row["cell_type"].replace("_", " ")
    assert kind in result.output
    assert cell_id in result.output


def table(slide: Path) -> list[dict[str, str]]:
    with (slide / "cells.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_picture_goes_to_the_cell_s_own_name(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert explain(slide, "b-1").exit_code == 0
    assert (tmp_path / "b-1.png").is_file()


def forget_paths(slide: Path) -> None:
    record = json.loads((slide / "slide.json").read_text())
    del record["paths"]
    (slide / "slide.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("spoil", "cell_id", "words"),
    [
        pytest.param(lambda s: None, "b-9", "no cell b-9", id="no such cell"),
        pytest.param(
            lambda s: (s.parents[1] / "smear/b.png").unlink(), "b-1", "image is gone", id="gone"
        ),
        pytest.param(forget_paths, "b-1", "does not say where b.png lies", id="no path on record"),
        pytest.param(lambda s: (s / "cells.csv").unlink(), "b-1", "can't be read", id="no table"),
        pytest.param(lambda s: shutil.rmtree(s), "b-1", "no such folder", id="no slide"),
        pytest.param(
            lambda s: (s / "slide.json").write_text("{}"), "b-1", "not a record", id="no record"
        ),
        pytest.param(
            lambda s: cv2.imwrite(
                str(s.parents[1] / "smear/b.png"), np.full((9, 9, 3), 9, np.uint8)
            ),
            "b-1",
            "another image",
            id="another image",
        ),
    ],
)
def test_what_is_missing_is_named_in_one_line(
    slide: Path, tmp_path: Path, spoil: Callable[[Path], Any], cell_id: str, words: str
) -> None:
    spoil(slide)
    result = explain(slide, cell_id, "--out", tmp_path / "cell.png")
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "cell.png").exists()


def test_an_image_that_was_moved_is_found_by_its_new_path(slide: Path, tmp_path: Path) -> None:
    moved = (tmp_path / "smear/b.png").rename(tmp_path / "moved.png")
    out = tmp_path / "cell.png"
    assert explain(slide, "b-1", "--out", out).exit_code == 2
    assert explain(slide, "b-1", "--out", out, "--image", moved).exit_code == 0


def test_another_classifier_is_not_asked(
    slide: Path, tmp_path: Path, write_classifier: Any
) -> None:
    other = write_classifier("other.onnx")
    result = explain(slide, "b-1", "--classifier", other, "--out", tmp_path / "cell.png")
    assert result.exit_code == 2
    assert "another classifier named it (tiny 1, sha256" in result.output


def test_a_picture_of_another_kind_is_refused(slide: Path, tmp_path: Path) -> None:
    result = explain(slide, "b-1", "--out", tmp_path / "cell.gif")
    assert result.exit_code == 2
    assert "name a .png or .jpg file" in result.output


def test_a_place_that_can_not_be_written(slide: Path, tmp_path: Path) -> None:
    result = explain(slide, "b-1", "--out", tmp_path / "no/such/cell.png")
    assert result.exit_code == 2
    assert "can't be written" in result.output
