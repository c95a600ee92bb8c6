"""Learning from few cells: the network stays as it is, and its last layer is fitted anew.

What a laboratory corrects is some hundred cells. To fit the last layer to them, beside cells of
other data sets, takes minutes without a GPU and forgets nothing of what tells cells apart.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from leukodiff.core.errors import InputError
from leukodiff.datasets.fields import LabeledField
from leukodiff.runtime.model import checked_metadata

from .cells import LabeledCells
from .from_onnx import load_exported
from .tensor_ops import predict_with_features
from .train import (
    ClassifierTraining,
    create_model,
    draw_weights,
    exported_weights,
    load_splits,
    recall_by_source,
    save_trained,
)

PULL = 0.01
"""Weight of the squared distance of the layer's weights to what they were."""

STEPS = 300
"""Steps of L-BFGS at most; it ends where the loss no longer falls."""


def train_last_layer(
    fields: Sequence[LabeledField],
    settings: ClassifierTraining,
    log: Callable[[str], None] = lambda line: None,
) -> Path:
    """Fits the last layer of an exported classifier to the fields' `train` split.

    The loss is the cross-entropy of the cells, weighted as `train classifier` draws them (rare
    classes and small sources count for more than their number), plus the pull. Nothing is drawn
    by chance: the same fields give the same layer.

    Args:
        fields: as for `train_classifier`; what a test field shows is left out as there.
        settings: of these `out`, `weights`, `architecture`, `classes`, `crop`, `device` count.
        log: receives a line before and one after.

    Returns:
        Path of `best.pt`, which `export classifier` takes.

    Raises:
        InputError: the weights are not those of an exported classifier.
        DataError: a split is empty or a source has no scale.
    """
    path = exported_weights(settings)
    if path is None:
        raise InputError("--last-layer goes on from a classifier: --weights shipped, or an .onnx")
    learnt_before = checked_metadata(path, "classifier").training_data
    settings.out.mkdir(parents=True, exist_ok=True)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    train, val = load_splits(fields, settings)
    model = create_model(settings)
    load_exported(model, path)
    log(_line("before", model, val, settings))
    _, features = predict_with_features(model, train.crops, settings.crop)
    shares = draw_weights(train).float()
    fit(
        model.get_classifier(),  # type: ignore[operator]
        torch.from_numpy(features),
        torch.from_numpy(train.class_id),
        shares / shares.sum(),
    )
    log(_line("after", model, val, settings))
    best = settings.out / "best.pt"
    save_trained(best, model, settings, learnt_before)
    return best


def fit(head: Any, features: Tensor, class_id: Tensor, shares: Tensor, pull: float = PULL) -> None:
    """Fits a linear layer in place.

    Args:
        head: weights (K, D) and bias (K,).
        features: (N, D) of the cells.
        class_id: (N,) the class of each.
        shares: (N,) how much each cell counts; they sum to 1.
        pull: what a squared distance of 1 from the weights at the start costs, nats.
    """
    device = features.device
    start = [one.detach().to(device).clone() for one in (head.weight, head.bias)]
    moved = [torch.zeros_like(one, requires_grad=True) for one in start]
    optimiser = torch.optim.LBFGS(moved, max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        weight, bias = (a + b for a, b in zip(start, moved, strict=True))
        each = functional.cross_entropy(features @ weight.T + bias, class_id, reduction="none")
        held = moved[0].square().sum() + moved[1].square().sum()
        total: Tensor = (shares * each).sum() + pull * held
        total.backward()
        return total

    optimiser.step(loss)
    with torch.no_grad():
        for parameter, by in zip((head.weight, head.bias), moved, strict=True):
            parameter.add_(by.to(parameter.device))


def _line(when: str, model: nn.Module, val: LabeledCells, settings: ClassifierTraining) -> str:
    logits, _ = predict_with_features(model, val.crops, settings.crop)
    shares = recall_by_source(logits, val)
    return "  ".join([f"{when}:", *(f"{name} {share:.4g}" for name, share in shares.items())])
