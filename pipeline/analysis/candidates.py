"""Candidates of a scan: boxes where nucleated cells may lie, found block by block, each once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from leukodiff.detector.candidates import WORKING_UM_PER_PX, propose_candidates
from leukodiff.pipeline.slides import Scan

from .survey import AreaGrid
from .thread_pool import Workers

BLOCK_UM = 1000.0
"""Side of the block that is searched in one go."""

SURROUNDINGS_UM = 64.0
"""Margin that is read round a block: the background is judged by 56 um round about."""

MIN_LEVEL_SHARE = 0.7
"""A level at this part of the working scale or more is taken as it is, not shrunk."""

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """A part of the scan, xyxy px; it owns the candidates whose middle lies in it."""

    left: int
    top: int
    right: int
    below: int


@dataclass
class Candidates:
    """The candidates of a scan; a block is searched when an area in it is first asked for."""

    scan: Scan
    grid: AreaGrid
    um_per_px: float
    workers: Workers
    _found: dict[Block, Boxes] = field(default_factory=dict)

    def of(self, indices: NDArray[np.int64]) -> Boxes:
        """The boxes (N, 4), px of the scan, whose middles lie in these areas."""
        blocks = self.blocks(indices)
        new = [block for block in blocks if block not in self._found]
        self._found |= dict(zip(new, self.workers.over_scan(self._search, new), strict=True))
        found = [self._found[block] for block in blocks]
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *found])
        inside = np.isin(self.grid.index_of(middles(boxes)), indices)
        return boxes[inside]

    def blocks(self, indices: NDArray[np.int64]) -> list[Block]:
        """The blocks that these areas touch, row by row."""
        across, down = (self._edges(n) for n in (self.scan.width, self.scan.height))
        areas = self.grid.areas.xyxy[indices]
        return [
            Block(left, top, right, below)
            for top, below in pairwise(down)
            for left, right in pairwise(across)
            if any_meet(areas, (left, top, right, below))
        ]

    def _edges(self, length: int) -> list[int]:
        """Edges of the blocks along a side, all of about one size."""
        n = max(1, round(length * self.um_per_px / BLOCK_UM))
        return [length * i // n for i in range(n + 1)]

    def _search(self, block: Block) -> Boxes:
        margin = SURROUNDINGS_UM / self.um_per_px
        left, top = max(0.0, block.left - margin), max(0.0, block.top - margin)
        width = min(self.scan.width, block.right + margin) - left
        height = min(self.scan.height, block.below + margin) - top
        downsample = self.downsample
        image = self.scan.read_at(left, top, width, height, downsample)
        to_scan = np.array([width / image.shape[1], height / image.shape[0]] * 2)
        boxes = propose_candidates(image, self.um_per_px * downsample) * to_scan + [left, top] * 2
        middle = middles(boxes)
        inside = (middle >= [block.left, block.top]) & (middle < [block.right, block.below])
        return np.asarray(boxes[inside.all(axis=1)], np.float32)

    @property
    def downsample(self) -> float:
        """The scale of the search: that of a level where one is about right."""
        wanted = max(1.0, WORKING_UM_PER_PX / self.um_per_px)
        level = self.scan.downsamples[self.scan.level_for(wanted)]
        return level if level >= MIN_LEVEL_SHARE * wanted else wanted


def any_meet(areas: Boxes, block: Sequence[int]) -> bool:
    """A block (xyxy) shares pixels with any of some areas (N, 4)."""
    low, high = np.array(block[:2]), np.array(block[2:])
    return bool(((areas[:, :2] < high) & (areas[:, 2:] > low)).all(axis=1).any())


def middles(xyxy: NDArray[np.floating]) -> NDArray[np.float64]:
    """The middle (N, 2) of each box (N, 4)."""
    return np.asarray((xyxy[:, :2].astype(np.float64) + xyxy[:, 2:]) / 2)
