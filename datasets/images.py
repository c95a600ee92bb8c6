"""Reads the images of a dataset."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from leukodiff.runtime.errors import DataError


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """The image as (H, W, 3) uint8 RGB.

    Raises:
        DataError: if the file can't be read as an image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: not an image that can be read; fetch or copy it again")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
