"""Training on a handful of painted cells: it learns, resumes, exports, and runs without torch."""

from dataclasses import fields as dataclass_fields
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="training needs the `train` extra")

from leukodiff.classifier.augmentation import (  # noqa: E402
    MARGIN,
    Augmentation,
    after_references,
    augment,
    center_views,
    normalized_by,
)
from leukodiff.classifier.cells import LabeledCells, labeled_cells  # noqa: E402
from leukodiff.classifier.crops import CropSettings  # noqa: E402
from leukodiff.classifier.evaluation.evaluate import evaluate_classifier  # noqa: E402
from leukodiff.classifier.export import (  # noqa: E402
    ExportNotes,
    atypical_threshold,
    export_classifier,
    load_trained,
)
from leukodiff.classifier.from_onnx import load_exported  # noqa: E402
from leukodiff.classifier.head_finetune import fit, train_last_layer  # noqa: E402
from leukodiff.classifier.infer import SHIPPED, Classifier, softmax, temperatures  # noqa: E402
from leukodiff.classifier.stain_normalization import normalize_stain  # noqa: E402
from leukodiff.classifier.stain_normalization_torch import normalize_stain_batch  # noqa: E402
from leukodiff.classifier.train import (  # noqa: E402
    ClassifierTraining,
    create_model,
    draw_weights,
    load_splits,
    train_classifier,
)
from leukodiff.core.errors import DataError, InputError, ModelFileError  # noqa: E402
from leukodiff.datasets.bccd import bccd_test_scenes  # noqa: E402
from leukodiff.datasets.fields import LabeledField  # noqa: E402
from leukodiff.runtime.metadata import metadata_path, write_metadata  # noqa: E402
from leukodiff.runtime.onnx_import import restore_norms  # noqa: E402

COLORS = {"neutrophil": (190, 60, 200), "eosinophil": (240, 120, 60)}


@pytest.fixture(scope="module")
def fields(tmp_path_factory) -> list[LabeledField]:
    """Twelve fields of 64 px at 0.5 um/px: one disc each, its color the class."""
    folder = tmp_path_factory.mktemp("cells")
    made = []
    for i in range(12):
        name = list(COLORS)[i % 2]
        image = np.full((64, 64, 3), 235, np.uint8)
        cv2.circle(image, (32, 32), 12, COLORS[name], -1)
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), image[:, :, ::-1])
        split = ("train", "train", "train", "train", "val", "test")[i // 2]
        box = np.array([[20, 20, 44, 44]], np.float32)
        made.append(LabeledField(path, box, (name,), split, "painted", str(i), 0.5))
    return made


def settings(out: Path, epochs: int = 2) -> ClassifierTraining:
    return ClassifierTraining(
        out=out,
        architecture="test_efficientnet",
        weights="none",
        classes=tuple(COLORS),
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
        labeled_cells([lost], tuple(COLORS), CropSettings())


def test_the_exported_file_gives_what_torch_gives(fields, trained, tmp_path):
    out = tmp_path / "tiny.onnx"
    metadata = export_classifier(trained, fields, out, ExportNotes(command="train classifier"))
    assert metadata.classes == tuple(COLORS)
    assert metadata.training_data == (
        {"name": "painted", "split": "train", "cells": "8"},
        {"name": "painted", "split": "val", "cells": "2"},
    )
    classifier = Classifier.load(out)
    cells = labeled_cells(fields, metadata.classes, classifier.crop)
    assert set(metadata.thresholds) == {"reject", "atypical", "far"}
    assert metadata.thresholds["atypical"] <= metadata.thresholds["far"] <= 1
    errors = metadata.calibration["confusion"]
    assert sum(n for row in errors.values() for n in row.values()) == metadata.metrics["val_cells"]
    model, _ = load_trained(trained)
    with torch.inference_mode():
        crops = torch.from_numpy(normalize_stain(cells.crops, classifier.crop))
        views = crops.permute(0, 3, 1, 2).float() / 127.5 - 1
        logits = model(views).numpy()
    scores = classifier.model.outputs(crops.numpy())["atypical"]
    expected = softmax(logits, temperatures(metadata.calibration, scores))
    once = replace(metadata, calibration={**metadata.calibration, "second_look": 0.0})
    write_metadata(metadata_path(out), once)
    found = Classifier.load(out).classify_crops(cells.crops, batch_size=5)
    assert found.probabilities == pytest.approx(expected, abs=5e-3)
    evaluation = evaluate_classifier(classifier, [f for f in fields if f.split == "test"])
    evaluation.save(tmp_path / "evaluation")
    assert int(evaluation.confusion().to_numpy().sum()) == 2
    assert (tmp_path / "evaluation" / "confusion_matrix.png").stat().st_size > 1000


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    (tmp_path / "best.pt").write_text("hello")
    with pytest.raises(ModelFileError, match=r"best\.pt"):
        load_trained(tmp_path / "best.pt")


def test_no_change_asked_for_leaves_the_center_of_the_crop():
    size = 32
    wide = torch.randint(0, 255, (1, round(size * MARGIN), round(size * MARGIN), 3)).byte()
    off = dict.fromkeys((field.name for field in dataclass_fields(Augmentation)), 0.0)
    still = Augmentation(**off | {"scale": 1.0, "faintest": 1.0})
    views = [augment(wide, size, still, torch.Generator().manual_seed(i))[0] for i in range(6)]
    assert all(view.shape == (3, size, size) for view in views)
    assert all(0 <= float(view.min()) <= float(view.max()) <= 1 for view in views)
    margin = (round(size * MARGIN) - size) // 2
    inner = center_views(wide[:, margin:-margin, margin:-margin], size)[0]
    means = torch.stack([view.mean((1, 2)) for view in views])
    assert torch.allclose(means, inner.mean((1, 2)).expand_as(means), atol=0.08)


def test_a_gpu_s_references_are_those_of_a_processor(fields):
    cells = labeled_cells(fields, tuple(COLORS), CropSettings())
    expected = normalize_stain(cells.crops, CropSettings()).astype(np.float64)
    views = torch.from_numpy(cells.crops).permute(0, 3, 1, 2).float() / 255
    predictions = normalize_stain_batch(views, CropSettings()).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(predictions - expected).mean() < 0.5
    assert np.abs(predictions - expected).max() < 12


def test_small_sources_and_rare_classes_are_drawn_more_often(fields):
    cells = labeled_cells(fields[:3], tuple(COLORS), CropSettings(size_px=16))
    often, seldom = draw_weights(cells)[1], draw_weights(cells)[0]
    assert float(often / seldom) == pytest.approx(2**0.5)


def test_an_exported_classifier_is_trained_on(fields, trained, tmp_path):
    """Put back together it says what the file says, and a training starts from there."""
    out = tmp_path / "tiny.onnx"
    export_classifier(trained, fields, out, ExportNotes())
    again = replace(settings(tmp_path / "again"), weights=str(out))
    model = create_model(again)
    load_exported(model, out)
    classifier = Classifier.load(out)
    cells = labeled_cells(fields, classifier.metadata.classes, classifier.crop)
    crops = normalize_stain(cells.crops, classifier.crop)
    views = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
    from_file = classifier.model(crops)
    with torch.inference_mode():
        assert model.eval()(views).numpy() == pytest.approx(from_file, abs=5e-3)
        restore_norms(model, [views])
        assert model.eval()(views).numpy() == pytest.approx(from_file, abs=5e-3)
    others = [replace(field, source="other") for field in fields]
    best = train_classifier(others, again)
    facts = export_classifier(best, others, tmp_path / "on.onnx", ExportNotes())
    assert [one["name"] for one in facts.training_data] == ["other", "other", "painted", "painted"]


def test_the_last_layer_alone_learns_what_a_laboratory_calls_its_cells(fields, trained, tmp_path):
    """The two names changed about: the network stays as it is, the last layer follows."""
    first = tmp_path / "first.onnx"
    export_classifier(trained, fields, first, ExportNotes())
    names = list(COLORS)
    others = [
        replace(field, source="table", cell_types=(names[1 - names.index(field.cell_types[0])],))
        for field in fields
    ]
    again = replace(settings(tmp_path / "again"), weights=str(first))
    lines: list[str] = []
    best = train_last_layer(others, again, log=lines.append)
    same = train_last_layer(others, replace(again, out=tmp_path / "same"))
    model, _ = load_trained(best)
    before = create_model(again)
    load_exported(before, first)
    kept, learned = before.state_dict(), model.state_dict()
    changed = {name for name in kept if not torch.equal(kept[name], learned[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    repeated = load_trained(same)[0].state_dict()
    assert torch.equal(learned["classifier.weight"], repeated["classifier.weight"])
    assert [line.split()[0] for line in lines] == ["before:", "after:"]
    facts = export_classifier(best, others, tmp_path / "on.onnx", ExportNotes())
    assert [one["name"] for one in facts.training_data] == ["table", "table", "painted", "painted"]


def test_the_last_layer_goes_on_from_a_classifier(fields, tmp_path):
    with pytest.raises(InputError, match="--weights shipped"):
        train_last_layer(fields, settings(tmp_path / "run"))


@pytest.mark.parametrize(
    ("shares", "pull", "named"),
    [
        pytest.param([0.5, 0.5], 0.001, [1, 0], id="both corrected"),
        pytest.param([1.0, 0.0], 0.001, [1, 1], id="the second counts for nothing"),
        pytest.param([0.5, 0.5], 1e6, [0, 1], id="held at what it was"),
    ],
)
def test_a_last_layer_is_fitted(shares, pull, named):
    head = torch.nn.Linear(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        head.bias.zero_()
    cells = torch.tensor([[2.0, 1.0], [1.0, 2.0]])  # named 0 and 1; a person says 1 and 0
    fit(head, cells, torch.tensor([1, 0]), torch.tensor(shares), pull)
    with torch.no_grad():
        assert head(cells).argmax(dim=1).tolist() == named


def test_an_exported_classifier_of_another_architecture_is_named(tmp_path):
    model = create_model(settings(tmp_path))
    with pytest.raises(ModelFileError, match="architecture"):
        load_exported(model, SHIPPED)


def test_most_epochs_see_crops_at_the_coarse_size(fields, tmp_path, monkeypatch):
    seen = []

    def noted(crops, size_px, *rest):
        seen.append(size_px)
        return augment(crops, size_px, *rest)

    monkeypatch.setattr("leukodiff.classifier.train.augment", noted)
    two = replace(settings(tmp_path), coarse_px=24, fine_epochs=1, cells_per_epoch=8)
    train_classifier(fields, two)
    assert seen == [24, 24, 32, 32]


def test_what_is_left_of_a_laboratory_is_little():
    views = torch.rand((4, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    changed = after_references(views, Augmentation(), torch.Generator().manual_seed(1))
    assert changed.shape == views.shape
    assert 0.001 < float((changed - views).abs().mean()) < 0.15
    still = Augmentation(left_gain=0, left_mixing=0, left_offset=0, noise=0)
    same = after_references(views, still, torch.Generator().manual_seed(1))
    assert torch.allclose(same, views, atol=4e-3)


def test_no_laboratory_has_more_than_its_share_of_the_draws():
    def drawn(**cells: tuple[int, ...]) -> dict[str, float]:
        class_id = np.concatenate([np.repeat(range(len(n)), n) for n in cells.values()])
        source = tuple(name for name, n in cells.items() for _ in range(sum(n)))
        empty = np.zeros((len(source), 1, 1, 3), np.uint8)
        some = LabeledCells(empty, class_id, source, np.ones(len(source), np.float32))
        weights = draw_weights(some).numpy()
        share = {one: weights[np.array(source) == one].sum() for one in cells}
        return {one: float(part / weights.sum()) for one, part in share.items()}

    assert drawn(large=(6400, 3600), small=(60, 40)) == pytest.approx(
        {"large": 0.45, "small": 0.55}
    )
    assert drawn(a=(100,), b=(64, 36), c=(50, 50)) == pytest.approx(
        {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    )
    assert drawn(alone=(30, 5)) == {"alone": 1}


def test_stains_are_normalized_whole_by_half_or_not_at_all():
    settings = Augmentation(normalized_share=0.5, half_normalized_share=0.25)
    strength = normalized_by(4000, settings, torch.Generator().manual_seed(0)).ravel()
    shares = [float((strength == one).float().mean()) for one in (1.0, 0.5, 0.0)]
    assert shares == pytest.approx([0.5, 0.25, 0.25], abs=0.03)


def test_fringes_move_red_and_blue_and_leave_green():
    crops = torch.randint(0, 256, (8, 24, 24, 3), dtype=torch.uint8)
    crops[..., 1:] = crops[..., :1]
    off = {name: 0.0 for name in vars(Augmentation()) if name.endswith("_share")}
    still = {"shift": 0, "scale": 1, "shear": 0, "gain": 0, "mixing": 0, "offset": 0, "contrast": 0}
    still |= {"curve": 0, "light": 0, "faintest": 1, "noise": 0}
    rng = torch.Generator().manual_seed(0)
    views = augment(crops, 16, Augmentation(**{**off, **still, "fringe_share": 1.0}), rng)
    assert float((views[:, 0] - views[:, 1]).abs().mean()) > 0.003
    assert float((views[:, 2] - views[:, 1]).abs().mean()) > 0.003
    rng = torch.Generator().manual_seed(0)
    views = augment(crops, 16, Augmentation(**{**off, **still}), rng)
    assert torch.allclose(views[:, 0], views[:, 1], atol=1e-5)


def test_a_part_of_the_views_is_of_low_resolution():
    crops = torch.randint(0, 256, (8, 96, 96, 3), dtype=torch.uint8)
    settings = Augmentation(low_resolution_share=0.5, lowest_resolution=0.2)
    rng = torch.Generator().manual_seed(0)
    steps = (augment(crops, 64, settings, rng).diff(dim=3)).abs().mean((1, 2, 3))
    assert float(steps[:4].mean()) < 0.7 * float(steps[4:].mean())


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param({"a": 100}, 0.1, id="one laboratory"),
        pytest.param({"a": 100, "b": 100}, 0.2, id="the laboratory that scores higher"),
        pytest.param({"a": 100, "c": 3}, 0.1, id="too few to have a say"),
        pytest.param({"c": 3}, 0.3, id="too few everywhere"),
    ],
)
def test_one_in_twenty_cells_of_any_laboratory_is_atypical(cells, expected):
    level = {"a": 0.1, "b": 0.2, "c": 0.3}
    scores = np.concatenate([np.full(n, level[name], np.float32) for name, n in cells.items()])
    sources = [name for name, n in cells.items() for _ in range(n)]
    assert atypical_threshold(scores, sources) == pytest.approx(expected, abs=1e-6)
