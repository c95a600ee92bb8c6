"""A plain image behind the interface of a scan."""

from collections.abc import Sequence
from pathlib import Path

from leukodiff.core.message import Message

from .scan import Level, Rgb, Scan


class ImageScan(Scan):
    """A decoded image, (H, W, 3) uint8 RGB, read as if it were a scan of one level.

    Raises:
        ValueError: the array has another shape or type.
    """

    def __init__(
        self,
        image: Rgb,
        path: Path,
        um_per_px: float | None = None,
        warnings: Sequence[Message] = (),
    ) -> None:
        if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype != "uint8":
            raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
        super().__init__(path, [Level(image.shape[1], image.shape[0], 1.0)], um_per_px, warnings)
        self._image = image

    def read_level(self, level: int, x: int, y: int, width: int, height: int) -> Rgb:
        """A region of the image, as a view of it: not to be written to."""
        return self._image[y : y + height, x : x + width]

    def piece_px(self, level: int) -> tuple[int, int]:
        """All of it: the image is in memory already."""
        return self.width, self.height
