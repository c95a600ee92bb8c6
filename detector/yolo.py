"""Ultralytics kept quiet: it trains here, and sends and fetches nothing on its own."""

import os
import shutil
from pathlib import Path
from typing import Any

from leukodiff.core.errors import InputError


def config_dir() -> Path:
    """Ultralytics' settings folder for our runs, apart from the user's own."""
    import pooch

    return Path(os.environ.get("YOLO_CONFIG_DIR") or pooch.os_cache("leukodiff") / "ultralytics")


def load_yolo(weights: str) -> Any:
    """An `ultralytics.YOLO` from a checkpoint's path, or from the name of a published one.

    Raises:
        InputError: no such file, and it can't be fetched or read.
    """
    prepare_ultralytics()
    path = Path(weights)
    if not path.is_file() and path.name == weights:
        path = _fetch(weights)
    if not path.is_file():
        raise InputError(f"{weights}: no such checkpoint")
    from ultralytics import YOLO

    try:
        return YOLO(str(path))
    except Exception as error:  # torch's unpickler raises whatever the damage happens to hit
        raise InputError(f"{weights}: not a YOLO checkpoint that can be read ({error})") from error


def prepare_ultralytics() -> None:
    """Import ultralytics with its telemetry, its self-installs and its integrations off."""
    folder = config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(folder)
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    from PIL import Image

    pillows_own = Image.open
    from ultralytics import settings

    # Ultralytics puts its own `open` there: it asks for one more package where a file is no image.
    Image.open = pillows_own
    integrations = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")
    quiet = dict.fromkeys(("sync", "vscode_msg", "openvino_msg", *integrations), False)
    if any(settings[name] for name in quiet):
        settings.update(quiet)
    _place_font(folder / "Ultralytics" / "Arial.ttf")


def _place_font(path: Path) -> None:
    # Ultralytics fetches this font for every dataset it opens, drawn with or not, unless it stands
    # here.
    if not path.exists():
        import matplotlib

        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", path)


def _fetch(name: str) -> Path:
    from ultralytics.utils.downloads import attempt_download_asset

    kept = config_dir() / "weights" / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        return Path(attempt_download_asset(str(kept)))
    except (
        Exception
    ) as error:  # offline, refused, disk full: the downloader has no error of its own
        raise InputError(
            f"{name}: can't be fetched ({error}); download it by hand and pass its path"
        ) from error
