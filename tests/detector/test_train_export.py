"""A run of one epoch on tiny fields, exported, says in OpenVINO what it says in torch."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from leukodiff.core.errors import DataError, InputError, ModelFileError
from leukodiff.datasets.fields import LabeledField
from leukodiff.detector.export import DetectorExport, detector_module, export_detector
from leukodiff.detector.infer import SHIPPED, Detector
from leukodiff.detector.train import DetectorTraining, train_detector
from leukodiff.detector.yolo import load_yolo, prepare_ultralytics
from leukodiff.detector.yolo_dataset import KNOWN_CLASSES
from leukodiff.runtime.model import load_model

if find_spec("ultralytics") is None:
    pytest.skip("training needs the `train` extra", allow_module_level=True)
torch = pytest.importorskip("torch")

# What ultralytics and torch warn of in themselves is theirs to mend.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]

N_CLASSES = 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights."""
    prepare_ultralytics()
    from ultralytics import YOLO

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    YOLO("yolo11n.yaml").save(str(path))
    return path


@pytest.fixture(scope="module")
def settings(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> DetectorTraining:
    """One epoch, at 64 px."""
    return DetectorTraining(
        out=tmp_path_factory.mktemp("run") / "a run",
        um_per_px=0.2,
        weights=str(weights),
        epochs=1,
        batch=2,
        device="cpu",
        workers=0,
    )


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[LabeledField]:
    """Four noisy fields of 64 x 48 px with a white cell in each; the last one is a test field."""
    folder, random = tmp_path_factory.mktemp("fields"), np.random.default_rng(0)
    made = []
    for i, split in enumerate(("train", "train", "val", "test")):
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), random.integers(0, 255, (48, 64, 3), np.uint8))
        box = np.array([[10, 10, 30, 30]], np.float32)
        made.append(LabeledField(path, box, ("white_cell",), split, "made", um_per_px=0.2))
    return made


@pytest.fixture(scope="module")
def trained(fields: list[LabeledField], settings: DetectorTraining) -> Path:
    """The best checkpoint of the run."""
    return train_detector(fields, settings).best


def test_the_loss_of_a_class_that_is_not_labeled_is_left_out(weights: Path, tmp_path: Path) -> None:
    from leukodiff.detector.trainer import SmearTrainer

    trainer = SmearTrainer.__new__(SmearTrainer)
    trainer.device = torch.device("cpu")
    names = {0: "white_cell", 1: "red_cell", 2: "platelet"}
    trainer.data = {"nc": 3, "names": names, "path": str(tmp_path)}
    (tmp_path / KNOWN_CLASSES).write_text(json.dumps({"one": ["white_cell"]}))
    known = trainer.known_classes(["a/one.png", "a/two.png"])
    assert known[:, 0].tolist() == [[1, 0, 0], [1, 1, 1]]

    model = load_yolo(str(weights)).model.train()
    model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    criterion = model.init_criterion()
    nothing = {"batch_idx": torch.zeros(0), "cls": torch.zeros(0), "bboxes": torch.zeros(0, 4)}
    preds = model(torch.zeros(2, 3, 64, 64))
    whole = criterion(preds, nothing)[0][1]
    criterion.class_weights = torch.zeros(2, 1, 1)
    assert whole > 0
    assert criterion(preds, nothing)[0][1] == 0


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run as ONNX."""
    out = tmp_path_factory.mktemp("onnx") / "new folder" / "tiny.onnx"
    export_detector(trained, out, DetectorExport(name="tiny", metrics={"map50": 0.1}))
    return out


def test_the_run_s_folder(trained: Path, settings: DetectorTraining) -> None:
    record = json.loads((settings.out / "training.json").read_text())
    assert trained.is_file()
    assert record["finished"] is True
    assert record["settings"]["canvas_px"] == 64
    assert sorted((row["split"], row["fields"]) for row in record["data"]) == [
        ("train", "2"),
        ("val", "1"),
    ]
    assert len(list((settings.out / "fields/images").rglob("*.png"))) == 3


def test_a_whole_run_is_not_run_again(trained: Path, fields, settings: DetectorTraining) -> None:
    before = trained.stat().st_mtime_ns
    again = train_detector(fields, replace(settings, resume=True))
    assert again.best == trained
    assert trained.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(
            {}, "holds an earlier run; resume it or choose another folder", id="no resume"
        ),
        pytest.param(
            {"resume": True, "epochs": 2}, r"begun with other settings \(epochs\)", id="changed"
        ),
    ],
)
def test_another_run_is_kept(trained: Path, fields, settings, change, words: str) -> None:
    with pytest.raises(InputError, match=words):
        train_detector(fields, replace(settings, **change))


@pytest.mark.parametrize("split", ["train", "val"])
def test_both_splits_are_needed(fields, settings, tmp_path: Path, split: str) -> None:
    with pytest.raises(DataError, match=f"no field is in the split '{split}'"):
        train_detector(
            [one for one in fields if one.split != split], replace(settings, out=tmp_path / "new")
        )
    assert not (tmp_path / "new").exists()


def test_a_label_that_covers_its_image_is_no_box(fields, settings, tmp_path: Path) -> None:
    whole = replace(fields[0], xyxy=np.array([[0, 0, 64, 48]], np.float32), source="pbc")
    words = r"0\.png: its label covers the image; pbc has no boxes"
    with pytest.raises(DataError, match=words):
        train_detector([whole, *fields[1:]], replace(settings, out=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "no such checkpoint", id="missing"),
        pytest.param("not weights", "not a YOLO checkpoint that can be read", id="text"),
    ],
)
def test_wrong_checkpoints_are_refused(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "wrong.pt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=rf"wrong\.pt: {words}"):
        load_yolo(str(path))


def test_a_published_name_that_cannot_be_fetched(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise ConnectionError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ultralytics.utils.downloads.attempt_download_asset", refuse)
    with pytest.raises(InputError, match=r"yolo11z\.pt: can't be fetched \(no network\)"):
        load_yolo("yolo11z.pt")


def test_ultralytics_is_quiet() -> None:
    pillows_own = Image.open
    prepare_ultralytics()
    assert Image.open is pillows_own
    from ultralytics import settings as kept
    from ultralytics.utils.events import Events

    assert kept["sync"] is False
    assert not Events().enabled


def test_metadata_comes_from_the_run(exported: Path) -> None:
    metadata = Detector.load(exported, threads=1).metadata
    assert (metadata.name, metadata.kind, metadata.um_per_px, metadata.input_px) == (
        "tiny",
        "detector",
        0.2,
        64,
    )
    assert metadata.classes == ("white_cell", "red_cell", "platelet")
    assert metadata.training_data[0]["name"] == "made"
    assert exported.stat().st_size < 8e6  # half of the weights' float32


def test_a_checkpoint_without_its_run_needs_a_scale(trained: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.pt"
    alone.write_bytes(trained.read_bytes())
    with pytest.raises(ModelFileError, match=r"alone\.pt: no training\.json above it"):
        export_detector(alone, tmp_path / "alone.onnx", DetectorExport())
    given = DetectorExport(um_per_px=0.1, canvas_px=320)
    assert export_detector(alone, tmp_path / "alone.onnx", given).um_per_px == 0.1


def test_another_model_s_classes_are_refused(weights: Path, tmp_path: Path) -> None:
    words = r"random\.pt: its classes are 0, 1, .*; a detector of ours has white_cell, red_cell"
    with pytest.raises(InputError, match=words):
        export_detector(weights, tmp_path / "x.onnx", DetectorExport(um_per_px=1, canvas_px=64))


def test_our_classes_in_another_order_are_refused(trained: Path, tmp_path: Path) -> None:
    model = load_yolo(str(trained))
    model.model.names = dict(enumerate(("platelet", "red_cell", "white_cell")))
    model.save(str(tmp_path / "foreign.pt"))
    with pytest.raises(InputError, match=r"foreign\.pt: its classes are platelet, red_cell"):
        export_detector(
            tmp_path / "foreign.pt", tmp_path / "x.onnx", DetectorExport(um_per_px=1, canvas_px=64)
        )


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((1, 64, 64), id="one"),
        pytest.param((3, 96, 160), id="several, oblong"),
        pytest.param((1, 320, 32), id="a strip"),
    ],
)
def test_parity_with_torch(trained: Path, exported: Path, engine: str, shape) -> None:
    pytest.importorskip(engine)
    images = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    model = load_model(exported, "detector", engine=engine, threads=1)
    with torch.inference_mode():
        expected = detector_module(load_yolo(str(trained)).model)(torch.from_numpy(images)).numpy()
    predictions = model(images)
    n_anchors = sum(shape[1] * shape[2] // stride**2 for stride in (8, 16, 32))
    assert predictions.shape == (shape[0], n_anchors, 4 + N_CLASSES)
    np.testing.assert_allclose(predictions[..., :4], expected[..., :4], atol=0.5)  # px
    np.testing.assert_allclose(predictions[..., 4:], expected[..., 4:], atol=5e-3)


@pytest.mark.skipif(not SHIPPED.is_file(), reason="no detector is shipped yet")
def test_the_shipped_detector_finds_the_same_on_both_engines() -> None:
    pytest.importorskip("onnxruntime")
    images = np.random.default_rng(2).integers(0, 256, (1, 352, 448, 3), np.uint8)
    ours, other = (
        load_model(SHIPPED, "detector", engine=engine, threads=1)(images)
        for engine in ("openvino", "onnxruntime")
    )
    np.testing.assert_allclose(ours[..., :4], other[..., :4], atol=0.05)
    np.testing.assert_allclose(ours[..., 4:], other[..., 4:], atol=1e-3)


def test_averaged_weights_lie_between(weights: Path, trained: Path, tmp_path: Path) -> None:
    def predictions(**average: float) -> np.ndarray:
        out = tmp_path / "averaged.onnx"
        chosen = {tmp_path / f"{name}.pt": share for name, share in average.items()}
        export_detector(trained, out, DetectorExport(average=chosen))
        image = np.full((1, 64, 64, 3), 90, np.uint8)
        return load_model(out, "detector")(image)

    (tmp_path / "same.pt").write_bytes(trained.read_bytes())
    alone = predictions()
    assert predictions(same=0.4) == pytest.approx(alone, abs=1e-3)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_shares_that_make_no_mean(trained: Path, tmp_path: Path, share: float) -> None:
    settings = DetectorExport(average={trained: share})
    with pytest.raises(InputError, match="come to less than 1"):
        export_detector(trained, tmp_path / "out.onnx", settings)
    assert not (tmp_path / "out.onnx").exists()


def test_another_network_is_not_averaged(trained: Path, weights: Path, tmp_path: Path) -> None:
    settings = DetectorExport(average={weights: 0.5})  # COCO's 80 classes
    with pytest.raises(InputError, match="another network"):
        export_detector(trained, tmp_path / "out.onnx", settings)
