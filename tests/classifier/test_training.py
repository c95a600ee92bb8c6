"""Training on a handful of painted cells: it learns, resumes, exports, and runs without torch."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the `train` extra")

from leukodiff.classifier.augment import MARGIN, Augmentation, augment, centre_views  # noqa: E402
from leukodiff.classifier.cells import labelled_cells  # noqa: E402
from leukodiff.classifier.crops import CropSettings  # noqa: E402
from leukodiff.classifier.evaluate import evaluate_classifier  # noqa: E402
from leukodiff.classifier.export import ExportNotes, export_classifier, load_trained  # noqa: E402
from leukodiff.classifier.infer import Classifier  # noqa: E402
from leukodiff.classifier.train import (  # noqa: E402
    ClassifierTraining,
    draw_weights,
    load_splits,
    train_classifier,
)
from leukodiff.datasets.bccd import bccd_test_scenes  # noqa: E402
from leukodiff.datasets.fields import LabelledField  # noqa: E402
from leukodiff.runtime.errors import DataError, ModelFileError  # noqa: E402

COLOURS = {"neutrophil": (190, 60, 200), "eosinophil": (240, 120, 60)}


@pytest.fixture(scope="module")
def fields(tmp_path_factory) -> list[LabelledField]:
    """Twelve fields of 64 px at 0.5 um/px: one disc each, its colour the class."""
    folder = tmp_path_factory.mktemp("cells")
    made = []
    for i in range(12):
        name = list(COLOURS)[i % 2]
        image = np.full((64, 64, 3), 235, np.uint8)
        cv2.circle(image, (32, 32), 12, COLOURS[name], -1)
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), image[:, :, ::-1])
        split = ("train", "train", "train", "train", "val", "test")[i // 2]
        box = np.array([[20, 20, 44, 44]], np.float32)
        made.append(LabelledField(path, box, (name,), split, "painted", str(i), 0.5))
    return made


def settings(out: Path, epochs: int = 2) -> ClassifierTraining:
    return ClassifierTraining(
        out=out,
        architecture="test_efficientnet",
        weights="none",
        classes=tuple(COLOURS),
        crop=CropSettings(window_um=24, size_px=32),
        epochs=epochs,
        batch_size=4,
        seed=3,
        device="cpu",
    )


@pytest.fixture(scope="module")
def trained(fields, tmp_path_factory) -> Path:
    return train_classifier(fields, settings(tmp_path_factory.mktemp("run")))


def test_an_interrupted_training_ends_as_one_that_was_not(fields, trained, tmp_path):
    whole = torch.load(trained.with_name("last.pt"), weights_only=True)
    train_classifier(fields, settings(tmp_path), stop_after=1)
    train_classifier(fields, settings(tmp_path))
    resumed = torch.load(tmp_path / "last.pt", weights_only=True)
    assert resumed["epoch"] == whole["epoch"] == 2
    for name, weight in whole["average"].items():
        assert torch.allclose(resumed["average"][name], weight, atol=1e-6), name


def test_other_settings_are_not_mixed_into_a_run(fields, trained):
    with pytest.raises(DataError, match="made with other settings"):
        train_classifier(fields, settings(trained.parent, epochs=3))


def test_a_split_without_fields_is_named(fields, tmp_path):
    with pytest.raises(DataError, match="no val split"):
        train_classifier([f for f in fields if f.split != "val"], settings(tmp_path))


def test_what_a_test_field_shows_is_not_trained_on(fields, tmp_path):
    twin = replace(fields[0], group=fields[-1].group)
    train, _ = load_splits([twin, *fields[1:]], settings(tmp_path))
    assert len(train) == sum(f.split == "train" for f in fields) - 1


@pytest.mark.parametrize(
    ("source", "n_left_out"),
    [("bccd", 1), ("kaggle_blood_cells", 1), pytest.param("painted", 0, id="another's names")],
)
def test_bccd_s_test_split_is_held_out_where_bccd_is_not_given(
    fields, tmp_path, source, n_left_out
):
    given = [f for f in fields if f.split != "test"]
    copy = replace(given[0], source=source, group=min(bccd_test_scenes()))
    train, _ = load_splits([copy, *given[1:]], settings(tmp_path))
    assert len(train) == sum(f.split == "train" for f in given) - n_left_out


def test_a_source_without_a_scale_is_named(fields):
    lost = replace(fields[0], um_per_px=None)
    with pytest.raises(DataError, match="scale"):
        labelled_cells([lost], tuple(COLOURS), CropSettings())


def test_the_exported_file_says_what_torch_says(fields, trained, tmp_path):
    out = tmp_path / "tiny.onnx"
    metadata = export_classifier(trained, fields, out, ExportNotes(command="train classifier"))
    assert metadata.classes == tuple(COLOURS)
    assert metadata.training_data == (
        {"name": "painted", "split": "train", "cells": "8"},
        {"name": "painted", "split": "val", "cells": "2"},
    )
    classifier = Classifier.load(out)
    cells = labelled_cells(fields, metadata.classes, classifier.crop)
    model, _ = load_trained(trained)
    with torch.inference_mode():
        views = torch.from_numpy(cells.crops).permute(0, 3, 1, 2).float() / 127.5 - 1
        expected = torch.softmax(model(views) / metadata.calibration["temperature"], 1).numpy()
    found = classifier.classify_crops(cells.crops, batch_size=5)
    assert found.probabilities == pytest.approx(expected, abs=5e-3)
    evaluation = evaluate_classifier(classifier, [f for f in fields if f.split == "test"])
    evaluation.save(tmp_path / "evaluation")
    assert int(evaluation.confusion().to_numpy().sum()) == 2
    assert (tmp_path / "evaluation" / "confusion_matrix.png").stat().st_size > 1000


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    (tmp_path / "best.pt").write_text("hello")
    with pytest.raises(ModelFileError, match=r"best\.pt"):
        load_trained(tmp_path / "best.pt")


def test_no_change_asked_for_leaves_the_centre_of_the_crop():
    size = 32
    wide = torch.randint(0, 255, (1, round(size * MARGIN), round(size * MARGIN), 3)).byte()
    still = Augmentation(0, 1, 0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0)
    views = [augment(wide, size, still, torch.Generator().manual_seed(i))[0] for i in range(6)]
    assert all(view.shape == (3, size, size) for view in views)
    assert all(0 <= float(view.min()) <= float(view.max()) <= 1 for view in views)
    margin = (round(size * MARGIN) - size) // 2
    inner = centre_views(wide[:, margin:-margin, margin:-margin], size)[0]
    means = torch.stack([view.mean((1, 2)) for view in views])
    assert torch.allclose(means, inner.mean((1, 2)).expand_as(means), atol=0.08)


def test_small_sources_and_rare_classes_are_drawn_more_often(fields):
    cells = labelled_cells(fields[:3], tuple(COLOURS), CropSettings(size_px=16))
    often, seldom = draw_weights(cells)[1], draw_weights(cells)[0]
    assert float(often / seldom) == pytest.approx(2**0.5)
