"""Ultralytics' trainer with what a smear needs: stain augmentation, and incomplete labels.

Imports ultralytics; `prepare_ultralytics` comes first.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils.torch_utils import unwrap_model

from leukodiff.core.cpu import cores
from leukodiff.datasets.field_augmentation import (
    blur,
    channel_gamma,
    color_fringe,
    color_noise,
    density_gamma,
    fade_contrast,
    gaussian_noise,
    illumination_gradient,
    stain_jitter,
    uniform,
    unsharp_mask,
)

from .yolo_dataset import KNOWN_CLASSES


@dataclass(frozen=True)
class FieldAugmentation:
    """Strengths of the changes to a field in training; `mild_share` of them only a third.

    Gains, mixing, offset and light are standard deviations in optical density, `contrast` that of
    the logarithm of the power it is raised to and `curve` that of each color's own, `faintest` the
    least contrast (0-1), `fringe` the largest shift in px of red against blue, `blur` the largest
    sigma in px, `sharpen` the largest amount of an unsharp mask, `noise` the largest standard
    deviation in 0-1, of fine grain and of blotches.
    """

    gain: float = 0.35
    mixing: float = 0.18
    offset: float = 0.1
    light: float = 0.05
    contrast: float = 0.25
    curve: float = 0.2
    faintest: float = 0.4
    faint_share: float = 0.3
    fringe: float = 1.0
    fringe_share: float = 0.5
    blur: float = 1.3
    blur_share: float = 0.3
    sharpen: float = 1.5
    sharpen_share: float = 0.2
    noise: float = 0.04
    noise_share: float = 0.3
    mild_share: float = 0.35


def augment_field(images: Tensor, settings: FieldAugmentation, rng: torch.Generator) -> Tensor:
    """Augments each field: (N, 3, H, W) float32, 0-1, in and out."""
    mild = uniform(len(images), rng).to(images) < settings.mild_share
    strength = torch.where(mild, 0.33, 1.0)
    dye = {"gain": settings.gain, "mixing": settings.mixing, "offset": settings.offset}
    images = density_gamma(images, strength, rng, contrast=settings.contrast)
    images = stain_jitter(images, strength, rng, **dye)
    images = channel_gamma(images, strength, rng, spread=settings.curve)
    faint = {"faintest": settings.faintest, "share": settings.faint_share}
    images = fade_contrast(images, strength, rng, **faint)
    images = illumination_gradient(images, strength, rng, density=settings.light)
    fringes = {"fringe": settings.fringe, "share": settings.fringe_share}
    images = color_fringe(images, strength, rng, **fringes)
    images = blur(images, strength, rng, blur=settings.blur, share=settings.blur_share)
    sharper = {"amount": settings.sharpen, "share": settings.sharpen_share}
    images = unsharp_mask(images, strength, rng, **sharper)
    noise = {"noise": settings.noise, "share": settings.noise_share}
    return color_noise(gaussian_noise(images, rng, **noise), rng, **noise).clamp(0, 1)


class SmearTrainer(DetectionTrainer):
    """Augments each batch, and learns from a field only the classes that it labels.

    Where `KNOWN_CLASSES` beside the images does not name a class for a field, its cells of that
    class may be there and not be boxed: finding them is neither right nor wrong.
    """

    def _setup_train(self) -> None:
        """As ultralytics does, but with every core: it leaves one of them out, half of two."""
        super()._setup_train()  # type: ignore[no-untyped-call]
        if self.device.type == "cpu":
            torch.set_num_threads(cores())

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The batch as ultralytics prepares it, augmented, the loss restricted to known classes."""
        batch = super().preprocess_batch(batch)
        model: Any = unwrap_model(self.model)  # type: ignore[arg-type]
        if not model.training:
            return batch
        batch["img"] = augment_field(batch["img"], FieldAugmentation(), self._rng())
        if getattr(model, "criterion", None) is None:
            model.criterion = model.init_criterion()
        model.criterion.class_weights = self.known_classes(batch["im_file"])
        return batch

    def _rng(self) -> torch.Generator:
        if not hasattr(self, "_appearance_rng"):
            seed = int(self.args.seed) + 1000 * int(self.start_epoch)
            self._appearance_rng = torch.Generator().manual_seed(seed)
        return self._appearance_rng

    def known_classes(self, paths: list[str]) -> Tensor:
        """Mask (N, 1, C) of the classes that each image labels, 1 or 0."""
        table = self._table()
        names = [self.data["names"][i] for i in range(self.data["nc"])]
        rows = [[float(name in table.get(Path(p).stem, names)) for name in names] for p in paths]
        return torch.tensor(rows, device=self.device)[:, None, :]

    def _table(self) -> Mapping[str, list[str]]:
        if not hasattr(self, "_known_classes"):
            path = Path(self.data["path"]) / KNOWN_CLASSES
            found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            self._known_classes: Mapping[str, list[str]] = found
        return self._known_classes
