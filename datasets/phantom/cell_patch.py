"""A cell's own patch of the field: pixel positions in um about its center, textures and grains.

Every texture lives on a lattice in um that is drawn from the cell's generator, so a cell looks the
same at any scale, wherever the tile's border runs.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
FRACTION_BITS = 6
"""Sub-pixel bits in which grains are drawn (OpenCV's fixed-point `shift`)."""


@dataclass(frozen=True)
class CellPatch:
    """A patch of `shape` (rows, columns) px that holds one cell.

    `x_um` and `y_um` are the top left pixel's center relative to the center of the cell;
    `radius_um` is the cell's mean radius and `reach_um` its largest, with a little room.
    `distance_um` of each pixel is from the center; `depth_um` is how far inside the outline it
    lies along the ray from the center, negative outside.
    """

    um_per_px: float
    x_um: float
    y_um: float
    radius_um: float
    reach_um: float
    distance_um: Plane
    depth_um: Plane

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, px."""
        rows, columns = self.depth_um.shape
        return rows, columns

    def positions_um(self) -> tuple[Plane, Plane]:
        """X as (1, columns) and y as (rows, 1), um from the cell's center."""
        rows, columns = self.shape
        x = (self.x_um + np.arange(columns) * self.um_per_px).astype(np.float32)
        y = (self.y_um + np.arange(rows) * self.um_per_px).astype(np.float32)
        return x[None, :], y[:, None]

    def soft_step(self, depth_um: Plane, edge_um: float = 0.1) -> Plane:
        """0 outside to 1 inside over an edge of at least a pixel."""
        width = max(edge_um, self.um_per_px)
        result: Plane = np.clip(depth_um / width + 0.5, 0, 1)
        return result

    def texture(self, rng: np.random.Generator, grain_um: float) -> Plane:
        """Smooth noise with mean 0 and standard deviation near 1, blobs of about `grain_um`."""
        side = int(2 * self.reach_um / grain_um) + 6
        lattice = rng.standard_normal((side, side), dtype=np.float32)
        step = self.um_per_px / grain_um
        to_lattice = np.array(
            [
                [step, 0, self.x_um / grain_um + side / 2],
                [0, step, self.y_um / grain_um + side / 2],
            ]
        )
        rows, columns = self.shape
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        noise = cv2.warpAffine(
            lattice, to_lattice, (columns, rows), flags=flags, borderMode=cv2.BORDER_REFLECT
        )
        result: Plane = np.asarray(noise, np.float32) * 1.4
        return result

    def discs_depth_um(self, discs: Plane) -> Plane:
        """Depth (um) of each pixel inside the union of discs (N, 3: x, y, radius in um)."""
        x, y = self.positions_um()
        depth = np.full(self.shape, -np.inf, np.float32)
        for center_x, center_y, radius in discs.tolist():
            away = np.sqrt((x - np.float32(center_x)) ** 2 + (y - np.float32(center_y)) ** 2)
            np.maximum(depth, np.float32(radius) - away, out=depth)
        return depth

    def grains(self, x_um: Plane, y_um: Plane, radius_um: Plane, strength: Plane) -> Plane:
        """A plane of 0-1 with a disc of `strength` (0-1) at each place, later ones on top."""
        plane = np.zeros(self.shape, np.uint8)
        scale = 2**FRACTION_BITS / self.um_per_px
        columns = np.rint((x_um - self.x_um) * scale).astype(int).tolist()
        rows = np.rint((y_um - self.y_um) * scale).astype(int).tolist()
        radii = np.rint(radius_um * scale).astype(int).tolist()
        levels = np.rint(255 * strength).astype(int).tolist()
        for column, row, radius, level in zip(columns, rows, radii, levels, strict=True):
            cv2.circle(plane, (column, row), radius, level, -1, cv2.LINE_AA, FRACTION_BITS)
        result: Plane = plane.astype(np.float32) / np.float32(255)
        return result


@dataclass(frozen=True)
class Frame:
    """The pixels of the field that hold one cell: a rectangle in px, and the scale."""

    left: int
    top: int
    width: int
    height: int
    reach_um: float
    um_per_px: float

    @classmethod
    def around(cls, center_um: tuple[float, float], reach_um: float, um_per_px: float) -> "Frame":
        """The smallest rectangle of whole pixels that holds a disc."""
        left, top = (int(np.floor((c - reach_um) / um_per_px)) for c in center_um)
        right, bottom = (int(np.ceil((c + reach_um) / um_per_px)) for c in center_um)
        return cls(left, top, right - left, bottom - top, reach_um, um_per_px)

    def patch(
        self, center_um: tuple[float, float], radius_um: float, outline_um: Plane, fine: int
    ) -> CellPatch:
        """A patch with `fine` by `fine` pixels to each of the field's.

        `outline_um` is the cell's radius in evenly spaced directions, from +x towards +y.
        """
        step = self.um_per_px / fine
        x_um = (self.left + 0.5 / fine) * self.um_per_px - center_um[0]
        y_um = (self.top + 0.5 / fine) * self.um_per_px - center_um[1]
        x = (x_um + step * np.arange(self.width * fine)).astype(np.float32)
        y = (y_um + step * np.arange(self.height * fine)).astype(np.float32)
        grid_x, grid_y = np.meshgrid(x, y)
        distance, angle = (np.asarray(a, np.float32) for a in cv2.cartToPolar(grid_x, grid_y))
        n = len(outline_um)
        direction = (angle * np.float32(n / (2 * np.pi)) + np.float32(0.5)).astype(np.int32) % n
        depth = outline_um[direction] - distance
        return CellPatch(step, x_um, y_um, radius_um, self.reach_um, distance, depth)


def spots_um(rng: np.random.Generator, n: int, reach_um: float) -> tuple[Plane, Plane]:
    """`n` places spread evenly at random over a disc of radius `reach_um`, um."""
    distance = reach_um * np.sqrt(rng.uniform(0, 1, n))
    angle = rng.uniform(0, 2 * np.pi, n)
    return (
        (distance * np.cos(angle)).astype(np.float32),
        (distance * np.sin(angle)).astype(np.float32),
    )
