"""Crops as the network sees them, and what it says of them, in torch: for training and export."""

from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .augmentation import Augmentation, augment, center_views
from .crops import CropSettings
from .stain_normalization import normalize_stain
from .stain_normalization_torch import normalize_stain_batch

AnyCrops = TypeVar("AnyCrops", Tensor, NDArray[np.uint8])


def stain_normalized(views: Tensor, settings: CropSettings) -> Tensor:
    """Views (N, 3, S, S) of 0-1 in the colors of the references, as the classifier sees them."""
    if views.is_cuda:
        return normalize_stain_batch(views, settings)
    pixels = (views * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    return torch.from_numpy(normalize_stain(pixels, settings)).permute(0, 3, 1, 2).float() / 255


def normalize(views: Tensor) -> Tensor:
    """0-1 to the network's range: mean 0.5 and standard deviation 0.5 in each channel."""
    return ((views - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)


def with_features(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, K) of inputs (N, 3, S, S), and the features (N, D) that they are made from."""
    maps = network.forward_features(inputs)  # type: ignore[operator]
    features: Tensor = network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
    logits: Tensor = network.get_classifier()(features)  # type: ignore[operator]
    return logits, features


@torch.inference_mode()
def predict_with_features(
    model: nn.Module,
    crops: NDArray[np.uint8],
    settings: CropSettings,
    changed: Augmentation | None = None,
    rng: torch.Generator | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (N, K) and features (N, D) of crops cut at the training margin.

    They are seen unchanged, or, where `changed` and `rng` are given, as training would show them.
    """
    model.eval()
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(crops), 64):
        batch = torch.from_numpy(crops[start : start + 64]).to(device)
        if changed and rng:
            views = augment(batch, settings.size_px, changed, rng)
        else:
            views = center_views(middle(batch, settings.size_px), settings.size_px)
        parts.append(with_features(model, normalize(stain_normalized(views, settings))))
    logits, features = (torch.cat(part).float().cpu() for part in zip(*parts, strict=True))
    return logits.numpy(), features.numpy()


def middle(crops: AnyCrops, size_px: int) -> AnyCrops:
    """The middle (N, size_px, size_px, 3) of crops (N, S, S, 3), torch's or NumPy's."""
    margin = (crops.shape[1] - size_px) // 2
    cut: AnyCrops = crops[:, margin : margin + size_px, margin : margin + size_px]
    return cut
