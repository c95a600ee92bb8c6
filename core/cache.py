"""A cache in memory that is bounded and safe from many threads."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values last used; the longest unused go first.

    `max_size` bounds their number, or the sum of `size_of` each where that is given.
    """

    def __init__(self, max_size: int, size_of: Callable[[Value], int] | None = None) -> None:
        self._values: LRUCache[Hashable, Value] = LRUCache(max_size, size_of)
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        """The value, `None` where it is not kept."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """Keeps a value, and lets others go for it; one larger than the cache is not kept."""
        with self._lock:
            if self._values.getsizeof(value) <= self._values.maxsize:
                self._values[key] = value

    def get_or_make(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value, made where it is not kept: outside the lock, so that two may make it."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value
