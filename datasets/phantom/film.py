"""A whole phantom smear as a plan of blocks, so that a large one is rendered in little time.

A block is one field of the settings' size. Blocks of one zone are alike to the pixel, except that
what crosses the edge of a block goes on in the next one: the film has no seams and its truth is
exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import hypot
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.errors import InputError
from leukodiff.datasets.fields import Boxes

from .debris import ROOM_UM
from .layout import Placement, place, visible_part
from .render import LARGEST_CELL_UM, Image, Window, density_of, expose, seen_by
from .settings import PhantomSettings

Floats = NDArray[np.float64]
ZONES: Mapping[str, str] = {
    "m": "monolayer",
    "e": "empty",
    "t": "thick",
    "o": "out_of_focus",
}
"""Zones by the letter of a plan."""
THICK_TIMES = 2.6
"""Red cells per area of the thick part against the monolayer: they lie on each other."""
OUT_OF_FOCUS_UM = 1.5
"""Standard deviation of the blur where the film is out of focus."""
Neighbors = tuple[str, ...]
"""The letters of the 3 x 3 blocks round a place, row by row; a blank where no cell reaches over."""


@dataclass(frozen=True)
class Block:
    """One zone's block: its settings, and its cells with their centers inside it."""

    settings: PhantomSettings
    placement: Placement

    @property
    def reach_um(self) -> float:
        """Greatest distance from its center of anything in the block, um."""
        return max([LARGEST_CELL_UM, *(a.reach_um + ROOM_UM for a in self.placement.artifacts)])


class Truth(NamedTuple):
    """Truth of a scan: boxes (N, 4) px at level 0, the names, and the zone each one lies in."""

    xyxy: Boxes
    names: tuple[str, ...]
    zones: tuple[str, ...]


class TileKey(NamedTuple):
    """Key of a tile's pixels: its place in its block, px, and the blocks round it."""

    x: int
    y: int
    neighbors: Neighbors


@dataclass(frozen=True)
class Film:
    """Blocks laid out as `plan` says: a string a row, a letter of `ZONES` a block."""

    plan: tuple[str, ...]
    blocks: Mapping[str, Block]

    @property
    def settings(self) -> PhantomSettings:
        """Of any of its blocks: all have the same size and scale."""
        return next(iter(self.blocks.values())).settings

    @property
    def width(self) -> int:
        """Of the scan, px."""
        return len(self.plan[0]) * self.settings.width

    @property
    def height(self) -> int:
        """Of the scan, px."""
        return len(self.plan) * self.settings.height

    def key(self, x: int, y: int, tile_px: int) -> TileKey:
        """Key of the tile at (`x`, `y`) px of the scan; tiles with the same key are alike."""
        column, x_in = divmod(x, self.settings.width)
        row, y_in = divmod(y, self.settings.height)
        seen = seen_by(
            self.settings_of(self.plan[row][column]), Window(x_in, y_in, tile_px, tile_px)
        )
        near = [
            self._letter(column + right, row + down) if self._touches(seen, right, down) else " "
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        ]
        return TileKey(x_in, y_in, tuple(near))

    def tile(self, key: TileKey, tile_px: int) -> Image:
        """The pixels of a tile, (tile_px, tile_px, 3) uint8 RGB; past the scan lies glass."""
        settings = self.settings_of(key.neighbors[4])
        window = Window(key.x, key.y, tile_px, tile_px)
        seen = seen_by(settings, window)
        density = np.zeros((seen.height, seen.width, 3), np.float32)
        for place_in_3x3, letter in enumerate(key.neighbors):
            if letter in self.blocks:
                down, right = divmod(place_in_3x3, 3)
                block = self.blocks[letter]
                moved = seen.moved((1 - right) * settings.width, (1 - down) * settings.height)
                density += density_of(block.settings, block.placement, moved)
        return expose(settings, density, window)

    def settings_of(self, letter: str) -> PhantomSettings:
        """The settings of a zone's block."""
        return self.blocks[letter].settings

    def cells(self) -> Truth:
        """Every cell that shows, block by block."""
        parts = {
            letter: (block.placement.boxes_um(), block.placement.cell_types)
            for letter, block in self.blocks.items()
        }
        return self._laid_out(parts, self.settings.min_visible)

    def artifacts(self) -> Truth:
        """Every artifact of which any part shows, block by block."""
        parts = {
            letter: (
                np.array([a.box_um for a in block.placement.artifacts]).reshape(-1, 4),
                tuple(a.kind for a in block.placement.artifacts),
            )
            for letter, block in self.blocks.items()
        }
        return self._laid_out(parts, 0)

    def _laid_out(
        self, parts: Mapping[str, tuple[Floats, tuple[str, ...]]], min_visible: float
    ) -> Truth:
        boxes, names, zones = [np.zeros((0, 4))], list[str](), list[str]()
        for row, letters in enumerate(self.plan):
            for column, letter in enumerate(letters):
                boxes_um, block_names = parts[letter]
                corner = np.array([column * self.settings.width, row * self.settings.height] * 2)
                boxes.append(boxes_um / self.settings.um_per_px + corner)
                names += block_names
                zones += [ZONES[letter]] * len(block_names)
        whole = np.concatenate(boxes)
        xyxy, seen = visible_part(whole, self.width, self.height, min_visible)
        return Truth(xyxy, tuple(names[i] for i in seen), tuple(zones[i] for i in seen))

    def _letter(self, column: int, row: int) -> str:
        inside = 0 <= row < len(self.plan) and 0 <= column < len(self.plan[0])
        return self.plan[row][column] if inside else " "

    def _touches(self, seen: Window, right: int, down: int) -> bool:
        """Whether anything of the block that lies so many blocks away can reach into the window."""
        reach = max(block.reach_um for block in self.blocks.values()) / self.settings.um_per_px
        across = _apart(seen.x, seen.width, right, self.settings.width)
        return hypot(across, _apart(seen.y, seen.height, down, self.settings.height)) < reach


def _apart(start: int, length: int, side: int, block: int) -> int:
    """Px between a stretch and the block before (-1), of (0) or after (1) the one it lies in."""
    if side == 0:
        return 0
    return max(start if side < 0 else block - start - length, 0)


def lay_film(settings: PhantomSettings, plan: tuple[str, ...]) -> Film:
    """The film of a plan; `settings` are those of a block of monolayer.

    Its light is even, as scanners correct it, and no white cell is cut.

    Raises:
        InputError: the plan is not a rectangle of known letters.
    """
    if not plan or not plan[0] or len({len(row) for row in plan}) > 1:
        raise InputError(f"a scan's plan needs rows of one length, got {plan!r}")
    letters = sorted({letter for row in plan for letter in row})
    unknown = [letter for letter in letters if letter not in ZONES]
    if unknown:
        raise InputError(f"unknown zone {unknown[0]!r} in a scan's plan; there are {dict(ZONES)}")
    even = replace(settings, vignette=0, cast=0, cut_white_cells=False)
    return Film(plan, {letter: _block(_in_zone(even, letter)) for letter in letters})


def _in_zone(settings: PhantomSettings, letter: str) -> PhantomSettings:
    """The settings of another zone's block, with a layout of its own."""
    if letter == "m":
        return settings
    seed = int(np.random.SeedSequence([settings.seed, 14, ord(letter)]).generate_state(1)[0])
    own = replace(settings, seed=seed)
    if letter == "e":
        bare = replace(own, n_white=0, red_cells_per_mm2=0, platelets_per_mm2=0)
        return replace(bare, smudge_cells=0, platelet_clumps=0)
    if letter == "t":
        crowded = THICK_TIMES * settings.red_cells_per_mm2
        return replace(own, red_cells_per_mm2=crowded, red_cell_scatter=1.0)
    return replace(own, blur_um=OUT_OF_FOCUS_UM)


def _block(settings: PhantomSettings) -> Block:
    """A block with the cells whose centers lie in it: those beyond are its neighbors'."""
    placed = place(settings)
    inside = (placed.x_um >= 0) & (placed.x_um < settings.width_um)
    inside &= (placed.y_um >= 0) & (placed.y_um < settings.height_um)
    names = tuple(placed.cell_types[i] for i in np.flatnonzero(inside))
    kept = replace(
        placed,
        cell_types=names,
        x_um=placed.x_um[inside],
        y_um=placed.y_um[inside],
        radius_um=placed.radius_um[inside],
        waves=placed.waves[inside],
    )
    return Block(settings, kept)
