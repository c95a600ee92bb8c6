"""MixStyle: cells lend each other the statistics of their early features while a network learns.

Mean and deviation of early feature maps carry stain, lamp and camera; what a cell is must not hang
on them (Zhou et al., Domain Generalization with MixStyle, ICLR 2021).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

EARLY_BLOCKS = 3
"""After so many of the network's first blocks."""

CONCENTRATION = 0.3
"""Of the beta distribution that the mixing is drawn from: mostly one style or the other."""


@contextmanager
def mixstyle(network: nn.Module, share: float, rng: torch.Generator) -> Iterator[None]:
    """Mixes styles in a forward pass made within, after each early block by itself.

    Args:
        network: one with `blocks`, as timm's EfficientNets have; of others nothing is mixed.
        share: how likely each early block mixes, 0-1.
        rng: source of all randomness.
    """

    def mix(_module: nn.Module, _inputs: Any, features: Tensor) -> Tensor:
        if float(torch.rand((), generator=rng, device=rng.device)) >= share:
            return features
        return mixed(features, rng)

    blocks = getattr(network, "blocks", ())
    hooks = [block.register_forward_hook(mix) for block in list(blocks)[:EARLY_BLOCKS]]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def mixed(features: Tensor, rng: torch.Generator) -> Tensor:
    """Features (N, C, H, W) with each channel's mean and deviation mixed with another cell's."""
    n = len(features)
    mean = features.mean((2, 3), keepdim=True).detach()
    deviation = (features.var((2, 3), keepdim=True) + 1e-5).sqrt().detach()
    other = torch.randperm(n, generator=rng, device=rng.device)
    own = _beta(n, rng).to(features)[:, None, None, None]
    new_mean = own * mean + (1 - own) * mean[other]
    new_deviation = own * deviation + (1 - own) * deviation[other]
    return (features - mean) / deviation * new_deviation + new_mean


def _beta(n: int, rng: torch.Generator) -> Tensor:
    """(N,) draws from Beta(a, a), as a ratio of gamma draws."""
    shape = torch.full((2, n), CONCENTRATION, device=rng.device)
    gamma = torch._standard_gamma(shape, generator=rng).clamp(min=1e-12)
    return gamma[0] / gamma.sum(0)
