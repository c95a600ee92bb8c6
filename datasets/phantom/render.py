"""A placement through the microscope: light, optics and camera, by the field or by the tile."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.fields import Boxes

from .cells import draw_cells
from .layout import Placement, place, visible_boxes
from .settings import PhantomSettings

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
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


class Window(NamedTuple):
    """A rectangle of the field, px."""

    x: int
    y: int
    width: int
    height: int

    def grown(self, margin: int) -> "Window":
        """The rectangle with `margin` px more on every side."""
        both = 2 * margin
        return Window(self.x - margin, self.y - margin, self.width + both, self.height + both)


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
    window = Window(x, y, width, height)
    margin = int(np.ceil(4 * _blur_px(settings) + 4 * _halo_px(settings))) + 2
    density = _density(settings, placement, window.grown(margin))
    light = _through_the_lens(settings, density)[margin : margin + height, margin : margin + width]
    grey = light * _illumination(settings, window)
    grey += _noise(settings, window) * np.sqrt(np.maximum(grey, 0) / 200)  # shot noise
    image: Image = np.rint(grey).clip(0, 255).astype(np.uint8)
    return image


def _blur_px(settings: PhantomSettings) -> float:
    return settings.blur_um * settings.look.blur / settings.um_per_px


def _halo_px(settings: PhantomSettings) -> float:
    """Radius of the unsharp mask: what makes the faint bright fringe round cells."""
    return 0.35 / settings.um_per_px


def _through_the_lens(settings: PhantomSettings, density: Floats) -> Floats:
    """Transmittance 10^-density, blurred by the lens and sharpened by the camera."""
    light = np.asarray(cv2.exp(density * np.float32(-np.log(10) * settings.stain_strength)))
    if _blur_px(settings) > 0.2:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), _blur_px(settings)))
    if settings.sharpen:
        soft = cv2.GaussianBlur(light, (0, 0), _halo_px(settings))
        light = np.asarray(cv2.addWeighted(light, 1 + settings.sharpen, soft, -settings.sharpen, 0))
    return light.astype(np.float32, copy=False)


def _density(settings: PhantomSettings, placement: Placement, window: Window) -> Floats:
    """Optical density of the window (height, width, 3); cells add up where they overlap."""
    density = np.zeros((window.height, window.width, 3), np.float32)
    x_px = placement.x_um / settings.um_per_px - window.x
    y_px = placement.y_um / settings.um_per_px - window.y
    reach = LARGEST_CELL_UM / settings.um_per_px
    near = (x_px > -reach) & (x_px < window.width + reach)
    near &= (y_px > -reach) & (y_px < window.height + reach)
    indices = np.flatnonzero(near).tolist()
    for patch in draw_cells(placement, indices, settings.um_per_px, settings.look):
        _add(density, patch.density, patch.left - window.x, patch.top - window.y)
    return density


def _add(density: Floats, patch: Floats, left: int, top: int) -> None:
    """Add a patch to the window in place, cut to what lies inside."""
    rows, columns = density.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + patch.shape[1], columns), min(top + patch.shape[0], rows)
    if x0 < x1 and y0 < y1:
        density[y0:y1, x0:x1] += patch[y0 - top : y1 - top, x0 - left : x1 - left]


def _illumination(settings: PhantomSettings, window: Window) -> Floats:
    """Grey levels of the empty glass: the lamp's colour, darker corners, a drift of the cast."""
    rng = np.random.default_rng([settings.seed, 5])
    drift = rng.normal(0, settings.cast, (2, 3))
    across = (np.arange(window.width) + window.x + 0.5) / settings.width * 2 - 1
    down = (np.arange(window.height) + window.y + 0.5) / settings.height * 2 - 1
    background = np.asarray(settings.look.background)
    # Light and cast vary along x plus along y, so a row and a column of colours are enough.
    row = background * (drift[0] * across[:, None] - settings.vignette / 2 * across[:, None] ** 2)
    column = background * (
        1 + drift[1] * down[:, None] - settings.vignette / 2 * down[:, None] ** 2
    )
    light: Floats = row.astype(np.float32)[None] + column.astype(np.float32)[:, None]
    return light


def _noise(settings: PhantomSettings, window: Window) -> Floats:
    """Camera noise in grey levels, partly shared by the colours, soft as after demosaicing."""
    rng = np.random.default_rng([settings.seed, 6])
    shared = rng.standard_normal((NOISE_SIDE, NOISE_SIDE, 1), dtype=np.float32)
    own = rng.standard_normal((NOISE_SIDE, NOISE_SIDE, 3), dtype=np.float32)
    tile = shared + own
    tile = tile + 0.65 * np.roll(tile, 1, axis=0) + 0.65 * np.roll(tile, 1, axis=1)
    tile *= np.float32(settings.noise / tile.std())
    rows = (window.y + np.arange(window.height)) % NOISE_SIDE
    columns = (window.x + np.arange(window.width)) % NOISE_SIDE
    return np.asarray(tile[rows[:, None], columns], np.float32)
