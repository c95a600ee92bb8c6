"""A placement through the microscope: light, optics and camera, by the field or by the tile."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.fields import Boxes

from .cells import draw_cells
from .layout import Placement, place, visible_boxes
from .settings import PhantomSettings

Image = NDArray[np.uint8]
NOISE_SIDE = 256
"""The camera's noise repeats every so many px, so that tiles of a slide agree at their borders."""
LARGEST_CELL_UM = 12.0
"""No cell reaches further than this from its centre."""


@dataclass(frozen=True)
class Phantom:
    """A rendered field. `image` is (H, W, 3) uint8 RGB; the boxes and types are exact."""

    image: Image
    xyxy: Boxes
    cell_types: tuple[str, ...]
    um_per_px: float


def render(settings: PhantomSettings, placement: Placement | None = None) -> Phantom:
    """A whole field with its truth; `placement` defaults to `place(settings)`."""
    if placement is None:
        placement = place(settings)
    image = render_region(settings, placement, 0, 0, settings.width, settings.height)
    xyxy, cell_types, _ = visible_boxes(placement, settings)
    return Phantom(image, xyxy, cell_types, settings.um_per_px)


def render_region(
    settings: PhantomSettings, placement: Placement, x: int, y: int, width: int, height: int
) -> Image:
    """The pixels of one tile, (height, width, 3) uint8 RGB; `x`, `y` px in the field.

    A tile is the same pixels as that part of the whole field, whatever the order of tiles: a cell
    depends on its own generator, light and noise on the place.
    """
    blur_px = settings.blur_um * settings.look.blur / settings.um_per_px
    margin = int(np.ceil(4 * blur_px + 12 * _halo_px(settings) / 3)) + 2
    density = _density(settings, placement, x - margin, y - margin, width, height, margin)
    density *= np.float32(-np.log(10) * settings.stain_strength)
    light = cv2.exp(density)
    if blur_px > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), blur_px)
    if settings.sharpen:
        light = cv2.addWeighted(
            light,
            1 + settings.sharpen,
            cv2.GaussianBlur(light, (0, 0), _halo_px(settings)),
            -settings.sharpen,
            0,
        )
    light = np.asarray(light[margin : margin + height, margin : margin + width], np.float32)
    light *= _illumination(settings, x, y, width, height)
    light += _noise(settings, x, y, width, height) * np.sqrt(np.maximum(light, 0) / 200)
    return np.rint(light).clip(0, 255).astype(np.uint8)


def _halo_px(settings: PhantomSettings) -> float:
    """Radius of the unsharp mask: what makes the faint bright fringe round cells."""
    return 0.35 / settings.um_per_px


def _density(
    settings: PhantomSettings,
    placement: Placement,
    x: int,
    y: int,
    width: int,
    height: int,
    margin: int,
) -> NDArray[np.float32]:
    """Optical density of the tile with its margin; cells add up where they overlap."""
    density = np.zeros((height + 2 * margin, width + 2 * margin, 3), np.float32)
    rows, columns = density.shape[:2]
    x_px, y_px = placement.x_um / settings.um_per_px - x, placement.y_um / settings.um_per_px - y
    reach = LARGEST_CELL_UM / settings.um_per_px
    near = (x_px > -reach) & (x_px < columns + reach) & (y_px > -reach) & (y_px < rows + reach)
    for patch in draw_cells(
        placement, np.flatnonzero(near).tolist(), settings.um_per_px, settings.look
    ):
        _add(density, patch.density, patch.left - x, patch.top - y)
    return density


def _add(density: NDArray[np.float32], patch: NDArray[np.float32], left: int, top: int) -> None:
    """Add a patch to the tile in place, cut to what lies inside."""
    rows, columns = density.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + patch.shape[1], columns), min(top + patch.shape[0], rows)
    if x0 < x1 and y0 < y1:
        density[y0:y1, x0:x1] += patch[y0 - top : y1 - top, x0 - left : x1 - left]


def _illumination(
    settings: PhantomSettings, x: int, y: int, width: int, height: int
) -> NDArray[np.float32]:
    """Grey levels of the empty glass: the lamp's colour, darker corners, a drift of the cast."""
    rng = np.random.default_rng([settings.seed, 5])
    drift = settings.cast * rng.normal(0, 1, (2, 3)).astype(np.float32)
    across = ((np.arange(x, x + width, dtype=np.float32) + 0.5) / settings.width * 2 - 1)[None, :]
    down = ((np.arange(y, y + height, dtype=np.float32) + 0.5) / settings.height * 2 - 1)[:, None]
    corners = 1 - np.float32(settings.vignette / 2) * (across**2 + down**2)
    tint = across[..., None] * drift[0] + down[..., None] * drift[1]
    result: NDArray[np.float32] = (
        corners[..., None] * (1 + tint) * np.asarray(settings.look.background, np.float32)
    )
    return result


def _noise(
    settings: PhantomSettings, x: int, y: int, width: int, height: int
) -> NDArray[np.float32]:
    """Camera noise in grey levels, partly shared by the colours, slightly soft as demosaicing is."""
    rng = np.random.default_rng([settings.seed, 6])
    shape = (NOISE_SIDE, NOISE_SIDE)
    shared = rng.standard_normal((*shape, 1), dtype=np.float32)
    own = rng.standard_normal((*shape, 3), dtype=np.float32)
    tile = 0.7 * shared + 0.7 * own
    tile = 0.6 * tile + 0.4 * np.roll(tile, 1, axis=0) + 0.4 * np.roll(tile, 1, axis=1)
    rows = np.arange(y, y + height) % NOISE_SIDE
    columns = np.arange(x, x + width) % NOISE_SIDE
    result: NDArray[np.float32] = np.float32(settings.noise * 1.2) * tile[rows[:, None], columns]
    return result
