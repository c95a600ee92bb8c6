"""Mixed styles: what a cell is stays, whose stain it wears changes, only while asked for."""

from typing import Any

import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch", reason="training needs the `train` extra")

from leukodiff.classifier.mixstyle import mixed, mixstyle  # noqa: E402


def features(n: int) -> Any:
    return torch.rand((n, 4, 6, 6), generator=torch.Generator().manual_seed(0)) * 3 + 1


def test_a_cell_s_pattern_stays_and_its_statistics_lie_between_two_cells():
    before = features(8)
    after = mixed(before, torch.Generator().manual_seed(1))
    assert after.shape == before.shape
    assert (after - before).abs().max() > 0.01
    means = before.mean((2, 3))
    low, high = means.min(0).values, means.max(0).values
    assert ((after.mean((2, 3)) >= low - 1e-4) & (after.mean((2, 3)) <= high + 1e-4)).all()
    one, other = (x[0, 0].flatten() for x in (before, after))
    assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.999


def test_one_cell_alone_lends_itself_nothing():
    alone = features(1)
    assert torch.allclose(mixed(alone, torch.Generator().manual_seed(1)), alone, atol=1e-4)


@pytest.mark.parametrize(("share", "changes"), [(1.0, True), (0.0, False)])
def test_a_network_mixes_only_within(share, changes):
    network = torch.nn.Module()
    network.blocks = torch.nn.Sequential(*(torch.nn.Identity() for _ in range(4)))
    inputs, rng = features(8), torch.Generator().manual_seed(2)
    with mixstyle(network, share, rng):
        within = network.blocks(inputs)
    assert (not torch.allclose(within, inputs)) == changes
    assert torch.equal(network.blocks(inputs), inputs)


def test_a_network_without_blocks_is_left_alone():
    network = torch.nn.Conv2d(4, 4, 1)
    with mixstyle(network, 1.0, torch.Generator()):
        within = network(features(2))
    assert torch.equal(within, network(features(2)))
