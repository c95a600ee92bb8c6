"""When the white cells that are wanted are found, whatever order the fields end in."""

from dataclasses import dataclass, field


@dataclass
class TargetCells:
    """Counts the fields of a slide in their order, up to the one in which the target is reached.

    `target`: white cells wanted, `None` for all there are. `last`: the index of the last field
    that counts, once it is known. Not safe to use from many threads at once.
    """

    target: int | None = None
    last: int | None = None
    _ended: dict[int, int] = field(default_factory=dict)
    _next: int = 0
    _found: int = 0

    def wants(self, index: int) -> bool:
        """Whether a field counts, as far as is known."""
        return self.last is None or index <= self.last

    def ended(self, index: int, n_white: int) -> list[int]:
        """Takes note of a field that ended; which fields are now known to count, in order."""
        if self.target is None:
            return [index]
        self._ended[index] = n_white
        counted = []
        while self.last is None and self._next in self._ended:
            self._found += self._ended.pop(self._next)
            counted.append(self._next)
            if self._found >= self.target:
                self.last = self._next
            self._next += 1
        return counted
