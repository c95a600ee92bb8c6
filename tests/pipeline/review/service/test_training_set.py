"""From a review to a training: what people signed becomes labeled fields, and a model learns."""

import csv
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from leukodiff.core.errors import InputError
from leukodiff.datasets.check import groups_across_splits
from leukodiff.datasets.splits import SPLITS
from leukodiff.datasets.table import load_table
from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.cli import main
from leukodiff.pipeline.review.record import Record, signing
from leukodiff.pipeline.review.service.reviewed_cells import linked_groups, splits
from leukodiff.pipeline.review.service.reviews import Reviews
from leukodiff.pipeline.review.service.slide_store import SlideStore
from leukodiff.pipeline.review.service.training_set import make_training_set
from leukodiff.pipeline.runs.analyze import AnalyzeSettings, analyze
from leukodiff.pipeline.runs.output import OutputError

SLIDES = ("mon", "tue", "wed", "thu", "fri")


class Review:
    """A review without its pages."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.slides = SlideStore(out)
        self.record = Record(f"sqlite:///{out / 'review.sqlite'}")
        Reviews(self.record, self.slides, 1).add_new_slides()

    def do(self, slide: str, kind: str, **payload: Any) -> None:
        self.record.append(slide, "operator", kind, payload)

    def name(self, slide: str, cell: str, to: str) -> None:
        self.do(slide, "reclassified", cells={cell: {"to": to}})

    def report(self, slide: str) -> Any:
        loaded = self.slides.get(slide)
        assert loaded
        return loaded.report

    def sign(self, slide: str, view_cells: bool = True, reason: str = "one can't be told") -> None:
        report = self.report(slide)
        if view_cells:
            self.do(slide, "looked_at", cells=[cell.cell_id for cell in report.cells])
        state = self.record.state(slide)
        content = signing(report, state, "Dr <A>", reason=reason)
        self.record.append(slide, "operator", "signed", content)


@pytest.fixture
def review(tmp_path: Path, smear: Callable[..., Path], models: Models) -> Any:
    """Five slides, a field each; the machine is right but for what it leaves unidentified."""
    for i, name in enumerate(SLIDES):
        # Each field is another picture: the same one twice would be one slide.
        more = ("red_cell",) * i
        smear(f"smears/{name}", a=("neutrophil", "lymphocyte", "unidentified", *more))
    out = tmp_path / "out"
    analyze([tmp_path / "smears"], out, AnalyzeSettings(threads=1), models=models)
    made = Review(out)
    yield made
    made.record.close()


def table(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / "cells.csv").open(newline="", encoding="utf-8") as file:
        return {(row["slide_id"], row["cell_id"]): row for row in csv.DictReader(file)}


def provenance(folder: Path) -> Any:
    return json.loads((folder / "provenance.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_from_a_review_to_a_model_that_learned_from_it(review: Review, tmp_path: Path) -> None:
    pytest.importorskip("timm")
    import torch

    from leukodiff.classifier.export import ExportNotes, export_classifier

    for slide in SLIDES:
        review.name(slide, "a-3", "monocyte")
        review.sign(slide)
    out, run = tmp_path / "set", tmp_path / "run"
    content = CliRunner().invoke(main, ["data", "from-reviews", str(review.out), "--out", str(out)])
    assert content.exit_code == 0, content.output
    assert "15 cells of 5 signed slides, of which a person named 5 otherwise" in content.output
    fields = load_table(out)
    assert (
        sorted(field.cell_types for field in fields)
        == [("neutrophil", "lymphocyte", "monocyte")] * 5
    )
    assert {field.um_per_px for field in fields} == {0.5}
    assert {"train", "val"} <= {field.split for field in fields} <= set(SPLITS)
    assert groups_across_splits(fields) == {}
    tiny = ["--architecture", "test_efficientnet", "--weights", "none", "--epochs", "1"]
    tiny += ["--batch-size", "4", "--device", "cpu", "--threads", "1"]
    data = ["--data", f"table={out}", "--out", str(run)]
    trained = CliRunner().invoke(main, ["train", "classifier", *data, *tiny])
    assert trained.exit_code == 0, trained.output
    assert torch.load(run / "best.pt", weights_only=True)["settings"]["epochs"] == 1
    model = run / "model.onnx"
    facts = export_classifier(run / "best.pt", fields, model, ExportNotes())
    taught = {one["split"]: int(one["cells"]) for one in facts.training_data}
    assert taught["train"] == 3 * sum(field.split == "train" for field in fields)
    assert {one["name"] for one in facts.training_data} == {"table"}


def test_what_people_stand_for_is_taught(review: Review, tmp_path: Path) -> None:
    review.name("mon", "a-1", "basophil")
    review.do("mon", "cell_removed", cells=["a-2"])
    cell = {"field_id": "a.png", "x_min": 70.0, "y_min": 8.0, "x_max": 86.0, "y_max": 24.0}
    cell |= {"cell_type": "unidentified", "confidence": 0.2, "probabilities": [0.125] * 8}
    review.do("mon", "cell_added", cell=cell | {"detection_confidence": 1.0}, to="eosinophil")
    review.do("mon", "commented", text="a comment")
    review.sign("mon")
    review.name("tue", "a-1", "monocyte")
    review.sign("tue", view_cells=False)
    review.name("wed", "a-1", "monocyte")
    made = make_training_set([review.out], tmp_path / "set")
    rows = table(tmp_path / "set")
    message = {key: (row["cell_type"], row["reviewed_as"]) for key, row in rows.items()}
    # Not a-3, which nobody could tell; of `tue` only what was named; nothing of `wed`.
    assert message == {
        ("mon", "a-1"): ("neutrophil", "basophil"),
        ("mon", "p1"): ("unidentified", "eosinophil"),
        ("tue", "a-1"): ("neutrophil", "monocyte"),
    }
    assert (made.slides, made.corrected, made.added, made.left_out) == (2, 3, 1, [])
    first = rows["mon", "a-1"]
    assert (first["field_id"], first["image"], first["um_per_px"]) == ("mon_a.png", "a.png", "0.5")
    assert (first["group"], first["signed_by"]) == ("reviews/mon", "Dr <A>")
    message = provenance(tmp_path / "set")
    assert message["records"][0]["head"] == str(review.record.head())
    mon = message["slides"][0]
    assert (mon["slide"], mon["cells"], mon["corrected"], mon["removed"]) == ("mon", 2, 2, 1)
    (signature,) = mon["signatures"]
    assert (signature["name"], signature["account"]) == ("Dr <A>", "operator")
    assert signature["machine_said"] == {"neutrophil": 1, "lymphocyte": 1, "unidentified": 1}
    assert signature["person_said"]["basophil"] == 1
    assert mon["comment"] == "a comment"
    assert len(load_table(tmp_path / "set")) == 2


def test_the_same_review_gives_the_same_set(review: Review, tmp_path: Path) -> None:
    for slide in SLIDES:
        review.sign(slide)
    contents = []
    for name in ("one", "two"):
        make_training_set([review.out], tmp_path / name)
        contents.append({p.name: p.read_bytes() for p in sorted((tmp_path / name).iterdir())})
    assert contents[0] == contents[1]


def test_slides_that_show_the_same_stay_together(
    tmp_path: Path, smear: Callable[..., Path], models: Models
) -> None:
    """One image in two slides, and two reviews with a slide of one name."""
    for day in ("mon", "tue"):
        smear(f"smears/{day}", a=("neutrophil", "lymphocyte"))
    smear("other/mon", a=("erythroblast", "lymphocyte", "lymphocyte"))
    reviews = []
    for name, inputs in (("out", "smears"), ("out2", "other")):
        settings = AnalyzeSettings(threads=1)
        analyze([tmp_path / inputs], tmp_path / name, settings, models=models)
        reviews.append(Review(tmp_path / name))
    for one, slide in ((0, "mon"), (0, "tue"), (1, "mon")):
        reviews[one].sign(slide, reason="x")
    make_training_set([one.out for one in reviews], tmp_path / "set")
    groups = {row["slide_id"]: row["group"] for row in table(tmp_path / "set").values()}
    assert groups == {"mon": "reviews/mon", "tue": "reviews/mon", "mon-2": "reviews/mon-2"}
    for review in reviews:
        review.record.close()


def test_of_a_scan_a_window_round_each_cell_is_cut(
    tmp_path: Path, review: Review, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "leukodiff.pipeline.review.service.training_set.is_scan_name",
        lambda path: path.suffix == ".png",
    )
    monkeypatch.setattr("leukodiff.pipeline.review.service.training_set.open_scan", painted)
    monkeypatch.setattr("leukodiff.pipeline.review.service.training_set.WINDOW_UM", 20.0)
    review.sign("mon")
    make_training_set([review.out], tmp_path / "set")
    rows = table(tmp_path / "set")
    assert {row["field_id"] for row in rows.values()} == {"mon_a-1.png", "mon_a-2.png"}
    whole = np.asarray(Image.open(tmp_path / "smears" / "mon" / "a.png"))
    for field in load_table(tmp_path / "set"):
        pixels = np.asarray(Image.open(field.path))
        assert pixels.shape == (40, 40, 3)
        x0, y0, x1, y1 = field.xyxy[0].astype(int)
        cell = review.report("mon").cells[int(field.path.stem[-1]) - 1]
        there = whole[int(cell.y_min) : int(cell.y_max), int(cell.x_min) : int(cell.x_max)]
        assert (pixels[y0:y1, x0:x1] == there).all()


def painted(path: Path) -> Any:
    from leukodiff.datasets.images import read_rgb
    from leukodiff.pipeline.slides import ImageScan

    return ImageScan(read_rgb(path), path)


def test_slides_left_out_are_listed_with_the_reason(review: Review, tmp_path: Path) -> None:
    for slide in SLIDES[:4]:
        review.sign(slide)
    shutil.rmtree(tmp_path / "smears" / "tue")
    shutil.rmtree(review.out / "wed")
    (review.out / "thu" / "smear.json").write_text("{")
    made = make_training_set([review.out], tmp_path / "set")
    assert {row["slide_id"] for row in table(tmp_path / "set").values()} == {"mon"}
    message = {line.partition(":")[0] for line in made.left_out}
    assert message == {"tue", "wed", "thu"}
    assert provenance(tmp_path / "set")["left_out"] == made.left_out


def test_a_slide_opened_again_teaches_nothing(review: Review, tmp_path: Path) -> None:
    review.sign("mon")
    review.do("mon", "reopened", reason="the wrong patient")
    with pytest.raises(InputError, match="no signed slide"):
        make_training_set([review.out], tmp_path / "set")
    assert not (tmp_path / "set").exists()
    assert not list(tmp_path.glob(".set*"))


def test_a_record_that_was_tampered_with_teaches_nothing(review: Review, tmp_path: Path) -> None:
    review.name("mon", "a-1", "basophil")
    review.sign("mon")
    with sqlite3.connect(review.out / "review.sqlite") as raw:
        raw.execute("DROP TRIGGER events_no_update")
        raw.execute(
            "UPDATE events SET payload = replace(payload, 'basophil', 'monocyte') WHERE number = 6"
        )
    raw.close()
    with pytest.raises(InputError, match="not whole"):
        make_training_set([review.out], tmp_path / "set")


@pytest.mark.parametrize("what", ["no record", "in the way", "two and --record"])
def test_what_is_refused(review: Review, tmp_path: Path, what: str) -> None:
    folders, more = [str(review.out)], []
    if what == "no record":
        folders = [str(tmp_path / "smears")]
    elif what == "in the way":
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "mine.txt").write_text("mine")
    else:
        folders, more = folders * 2, ["--record", "sqlite:///x.sqlite"]
    out = ["--out", str(tmp_path / "set")]
    content = CliRunner().invoke(main, ["data", "from-reviews", *folders, *out, *more])
    assert content.exit_code != 0
    assert isinstance(content.exception, InputError | OutputError | SystemExit)
    assert what != "in the way" or (tmp_path / "set" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["mon"], {"train"}, id="one"),
        pytest.param(["mon", "tue"], {"train", "val"}, id="two"),
        pytest.param([str(i) for i in range(60)], {"train", "val", "test"}, id="many"),
    ],
)
def test_splits(groups: list[str], expected: set[str] | dict[str, str]) -> None:
    found = splits(groups)
    assert set(found) == set(groups)
    assert set(found.values()) == set(expected)
    assert splits(reversed(groups)) == found


def test_no_pair_of_slides_is_without_train_and_val() -> None:
    for i in range(40):
        assert set(splits([f"a{i}", f"b{i}"]).values()) == {"train", "val"}


@pytest.mark.parametrize(
    ("alike", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([["b"], ["a"]], {"a": "a", "b": "b"}, id="apart"),
        pytest.param([["b", "c"], ["c", "a"]], {"a": "a", "b": "a", "c": "a"}, id="a chain"),
        pytest.param(
            [["b", "c"], ["d", "e"], ["e", "b"]], dict.fromkeys("bcde", "b"), id="two made one"
        ),
    ],
)
def test_slides_are_linked_groups(alike: list[list[str]], expected: dict[str, str]) -> None:
    assert linked_groups(alike) == expected


def test_slides_of_one_sample_are_one_group(review: Review, tmp_path: Path) -> None:
    for slide in SLIDES[:3]:
        path = review.out / slide / "smear.json"
        stored = json.loads(path.read_text())
        stored["sample"]["sample_id"] = "S-2" if slide == "wed" else "S-1"
        path.write_text(json.dumps(stored))
    review.slides.refresh(now=True)
    for slide in SLIDES[:3]:
        review.sign(slide)
    make_training_set([review.out], tmp_path / "set")
    groups = {row["slide_id"]: row["group"] for row in table(tmp_path / "set").values()}
    assert groups == {"mon": "reviews/mon", "tue": "reviews/mon", "wed": "reviews/wed"}
