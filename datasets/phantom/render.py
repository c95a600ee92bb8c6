"""A placement through the microscope: light, optics and camera, by the field or by the tile."""

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.datasets.fields import Boxes, no_boxes

from .artifacts import Artifact
from .cells import draw_cells
from .debris import ROOM_UM, draw_artifact
from .layout import Placement, place, visible_artifacts, visible_boxes
from .settings import PhantomSettings

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
NOISE_SIDE = 256
"""The camera's noise repeats every so many px, so that tiles of a slide agree at their borders."""
LARGEST_CELL_UM = 12.0
"""No cell reaches further than this from its center."""

FOCUS_UM = 120.0
"""The film leaves the plane of focus and comes back over about this distance."""


@dataclass(frozen=True)
class Phantom:
    """A rendered field. `image` is (H, W, 3) uint8 RGB; the boxes and types are exact.

    `artifact_xyxy` (M, 4) and `artifact_types` say what lies there and is no cell.
    """

    image: Image
    xyxy: Boxes
    cell_types: tuple[str, ...]
    um_per_px: float
    artifact_xyxy: Boxes = field(default_factory=no_boxes)
    artifact_types: tuple[str, ...] = ()


class Window(NamedTuple):
    """A rectangle of the field, px."""

    x: int
    y: int
    width: int
    height: int

    def moved(self, x: int, y: int) -> "Window":
        """The rectangle `x` px further right and `y` px further down."""
        return Window(self.x + x, self.y + y, self.width, self.height)

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
    artifact_xyxy, artifact_types = visible_artifacts(placement, settings)
    return Phantom(image, xyxy, cell_types, settings.um_per_px, artifact_xyxy, artifact_types)


def render_region(
    settings: PhantomSettings, placement: Placement, x: int, y: int, width: int, height: int
) -> Image:
    """The pixels of one tile, (height, width, 3) uint8 RGB; `x`, `y` px in the field.

    A tile is the same pixels as that part of the whole field, whatever the order of tiles: a cell
    depends on its own generator, light and noise on the place.
    """
    window = Window(x, y, width, height)
    return expose(settings, density_of(settings, placement, seen_by(settings, window)), window)


def seen_by(settings: PhantomSettings, window: Window) -> Window:
    """The window grown by what the optics spread into it: what `expose` wants the density of."""
    reach_px = _blur_px(settings) + _halo_px(settings) + settings.defocus_um / settings.um_per_px
    return window.grown(int(np.ceil(4 * reach_px)) + 2)


def expose(settings: PhantomSettings, density: Floats, window: Window) -> Image:
    """The picture of a window, uint8 RGB, from the optical density of `seen_by(window)`."""
    seen = seen_by(settings, window)
    margin = window.x - seen.x
    light = _through_the_lens(settings, density, seen)
    light = light[margin : margin + window.height, margin : margin + window.width]
    gray = light * _illumination(settings, window)
    gray += _noise(settings, window) * np.sqrt(np.maximum(gray, 0) / 200)  # shot noise
    image: Image = np.rint(gray).clip(0, 255).astype(np.uint8)
    return image


def _blur_px(settings: PhantomSettings) -> float:
    return settings.blur_um * settings.stain_colors.blur / settings.um_per_px


def _halo_px(settings: PhantomSettings) -> float:
    """Radius of the unsharp mask: what makes the faint bright fringe round cells."""
    return 0.35 / settings.um_per_px


def _through_the_lens(settings: PhantomSettings, density: Floats, window: Window) -> Floats:
    """Transmittance 10^-density, blurred by the lens and sharpened by the camera."""
    light = np.asarray(cv2.exp(density * np.float32(-np.log(10) * settings.stain_strength)))
    if _blur_px(settings) > 0.2:
        light = np.asarray(cv2.GaussianBlur(light, (0, 0), _blur_px(settings)))
    if settings.defocus_um:
        light = _out_of_focus(settings, np.asarray(light, np.float32), window)
    if settings.sharpen:
        soft = cv2.GaussianBlur(light, (0, 0), _halo_px(settings))
        light = np.asarray(cv2.addWeighted(light, 1 + settings.sharpen, soft, -settings.sharpen, 0))
    return light.astype(np.float32, copy=False)


def _out_of_focus(settings: PhantomSettings, light: Floats, window: Window) -> Floats:
    """Blurred by `defocus_um` where the focus is lost, by half of it round about."""
    lost = _focus_lost(settings, window)[..., None]
    for sigma_um, part in ((0.5, np.clip(2 * lost, 0, 1)), (1.0, np.clip(2 * lost - 1, 0, 1))):
        sigma = sigma_um * settings.defocus_um / settings.um_per_px
        light = light + part * (cv2.GaussianBlur(light, (0, 0), sigma) - light)
    return light.astype(np.float32, copy=False)


def _focus_lost(settings: PhantomSettings, window: Window) -> Floats:
    """How far out of focus each pixel is, 0 to 1: hills of about `FOCUS_UM` over half the field."""
    rng = np.random.default_rng([settings.seed, 13])
    phase, turn = rng.uniform(0, 2 * np.pi, (2, 3))
    y, x = np.ogrid[: window.height, : window.width]
    x_um = (x + window.x + 0.5) * settings.um_per_px
    y_um = (y + window.y + 0.5) * settings.um_per_px
    hills = sum(
        np.sin(2 * np.pi / FOCUS_UM * (x_um * np.cos(t) + y_um * np.sin(t)) + p)
        for p, t in zip(phase, turn, strict=True)
    )
    return np.clip(0.5 + 0.7 * np.asarray(hills), 0, 1).astype(np.float32)


def density_of(settings: PhantomSettings, placement: Placement, window: Window) -> Floats:
    """Optical density of the window (height, width, 3) float32; cells add up where they overlap."""
    density = np.zeros((window.height, window.width, 3), np.float32)
    x_px = placement.x_um / settings.um_per_px - window.x
    y_px = placement.y_um / settings.um_per_px - window.y
    reach = LARGEST_CELL_UM / settings.um_per_px
    near = (x_px > -reach) & (x_px < window.width + reach)
    near &= (y_px > -reach) & (y_px < window.height + reach)
    indices = np.flatnonzero(near).tolist()
    for patch in draw_cells(placement, indices, settings.um_per_px, settings.stain_colors):
        _add(density, patch.density, patch.left - window.x, patch.top - window.y)
    for artifact in placement.artifacts:
        if _is_near(artifact, settings.um_per_px, window):
            patch = draw_artifact(
                artifact, placement.seed, settings.um_per_px, settings.stain_colors
            )
            _add(density, patch.density, patch.left - window.x, patch.top - window.y)
    return density


def _is_near(artifact: Artifact, um_per_px: float, window: Window) -> bool:
    reach = artifact.reach_um + ROOM_UM
    x, y = artifact.x_um - window.x * um_per_px, artifact.y_um - window.y * um_per_px
    across, down = window.width * um_per_px, window.height * um_per_px
    return -reach < x < across + reach and -reach < y < down + reach


def _add(density: Floats, patch: Floats, left: int, top: int) -> None:
    """Add a patch to the window in place, cut to what lies inside."""
    rows, columns = density.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + patch.shape[1], columns), min(top + patch.shape[0], rows)
    if x0 < x1 and y0 < y1:
        density[y0:y1, x0:x1] += patch[y0 - top : y1 - top, x0 - left : x1 - left]


def _illumination(settings: PhantomSettings, window: Window) -> Floats:
    """Gray levels of the empty glass: the lamp's color, darker corners, a drift of the cast."""
    rng = np.random.default_rng([settings.seed, 5])
    drift = rng.normal(0, settings.cast, (2, 3))
    across = (np.arange(window.width) + window.x + 0.5) / settings.width * 2 - 1
    down = (np.arange(window.height) + window.y + 0.5) / settings.height * 2 - 1
    background = np.asarray(settings.stain_colors.background)
    # Light and cast vary along x plus along y, so a row and a column of colors are enough.
    row = background * (drift[0] * across[:, None] - settings.vignette / 2 * across[:, None] ** 2)
    column = background * (
        1 + drift[1] * down[:, None] - settings.vignette / 2 * down[:, None] ** 2
    )
    light: Floats = row.astype(np.float32)[None] + column.astype(np.float32)[:, None]
    return light


def _noise(settings: PhantomSettings, window: Window) -> Floats:
    """Camera noise in gray levels, partly shared by the colors, soft as after demosaicing."""
    rng = np.random.default_rng([settings.seed, 6])
    shared = rng.standard_normal((NOISE_SIDE, NOISE_SIDE, 1), dtype=np.float32)
    own = rng.standard_normal((NOISE_SIDE, NOISE_SIDE, 3), dtype=np.float32)
    tile = shared + own
    tile = tile + 0.65 * np.roll(tile, 1, axis=0) + 0.65 * np.roll(tile, 1, axis=1)
    tile *= np.float32(settings.noise / tile.std())
    rows = (window.y + np.arange(window.height)) % NOISE_SIDE
    columns = (window.x + np.arange(window.width)) % NOISE_SIDE
    return np.asarray(tile[rows[:, None], columns], np.float32)
