"""Decoded tiles that may be asked for again, bounded in bytes."""

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

CACHE_BYTES = 64 * 1024 * 1024
"""What one scan keeps decoded: two rows of tiles of 256 px across a scan of 40,000 px."""


class TileCache:
    """The tiles last used; the longest unused go first. Safe from many threads."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Hashable, NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> NDArray[np.uint8] | None:
        """The tile, or None when it is not kept."""
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
            return tile

    def put(self, key: Hashable, tile: NDArray[np.uint8]) -> None:
        """Keeps a tile, and lets others go for it; one larger than the cache is not kept."""
        with self._lock:
            if key in self._tiles or tile.nbytes > self.most_bytes:
                return
            self._tiles[key] = tile
            self._bytes += tile.nbytes
            while self._bytes > self.most_bytes:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes
