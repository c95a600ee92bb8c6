"""One large scan over many workers: the one that reads it gives regions of it to helpers.

The regions, and what is looked for in each, are those of one machine, and so are the results: they
are taken in the same order, on whichever worker.
"""

import io
import pickle
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from math import inf
from operator import attrgetter
from typing import Any

from leukodiff.pipeline.analysis.models import Models
from leukodiff.pipeline.analysis.thread_pool import Item, Result, Workers
from leukodiff.pipeline.slides import Scan

ITEMS_A_CALL = 4
"""Items of one call to a helper."""

MAX_CALLS_A_HELPER = 2
"""Calls that a helper has before it, so that it need not wait for the next."""

MAX_CALLS_AHEAD = 8
"""Calls a worker that may be done before their turn: what was found waits in memory."""

REQUEST_EVERY_S = 1.0
"""Time between two requests for helpers, where nodes have room for more."""


def packed(do: Callable[..., Any]) -> bytes:
    """A piece of work, pickled without the scan, the models and the threads that it uses."""
    buffer = io.BytesIO()
    _Packer(buffer).dump(do)
    return buffer.getvalue()


def unpacked(do: bytes, scan: Scan, models: Models) -> Callable[..., Any]:
    """A piece of work that was packed, with a scan and models of one's own."""
    known = {"scan": scan, "models": models, "workers": None}
    # It comes from the worker that asked for help, over Ray, which pickles all that it sends.
    found: Callable[..., Any] = _Unpacker(io.BytesIO(do), known).load()
    return found


class _Packer(pickle.Pickler):
    _LEFT_OUT = ((Scan, "scan"), (Models, "models"), (Workers, "workers"))

    def persistent_id(self, obj: Any) -> str | None:
        return next((name for kind, name in self._LEFT_OUT if isinstance(obj, kind)), None)


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, known: dict[str, Any]) -> None:
        super().__init__(file)
        self._known = known

    def persistent_load(self, pid: str) -> Any:
        return self._known[pid]


@dataclass(eq=False)
class RemoteHelper:
    """A worker that analyzes regions of one scan. `call` gives the future of a packed piece."""

    call: Callable[[bytes, Sequence[Any]], Future[list[Any]]]
    ready: Future[Any]
    end: Callable[[], None]
    busy: int = 0


@dataclass
class RemoteHelpers:
    """The helpers with one scan. `start_more` starts as many as there is room for just now."""

    start_more: Callable[[], Sequence[RemoteHelper]]
    _all: list[RemoteHelper] = field(default_factory=list)
    _requested_at: float = -REQUEST_EVERY_S

    def request_more(self) -> None:
        """Starts those that there is room for, once in a while."""
        if time.monotonic() - self._requested_at >= REQUEST_EVERY_S:
            self._all += self.start_more()
            self._requested_at = time.monotonic()

    def starting(self) -> list[Future[Any]]:
        """Futures that end when one more of them is ready."""
        return [one.ready for one in self._all if not one.ready.done()]

    def idle(self) -> Iterator[RemoteHelper]:
        """Those that have room for a call, the idlest first; one that could not start is ended."""
        for one in [one for one in self._all if one.ready.done() and one.ready.exception()]:
            self.drop(one)
        ready = [one for one in self._all if one.ready.done() and one.busy < MAX_CALLS_A_HELPER]
        yield from sorted(ready, key=lambda one: one.busy)

    def drop(self, helper: RemoteHelper) -> None:
        """Ends one."""
        if helper in self._all:
            self._all.remove(helper)
            helper.end()

    def close(self) -> None:
        """Ends all of them."""
        for one in list(self._all):
            self.drop(one)


@dataclass(frozen=True, kw_only=True)
class SharingWorkers(Workers):
    """The threads of a worker that reads a scan, and its helpers.

    `share_from`: so many items, and more, are shared with them. `call_limit_s`: a helper
    that has had a call for so long is ended.
    """

    helpers: RemoteHelpers
    share_from: int
    call_limit_s: float = inf

    def over_scan(self, do: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Result of `do` for each item, in order; what a helper can't do is done here."""
        if len(items) < self.share_from:
            yield from self.each(do, items)
            return
        chunks = [items[i : i + ITEMS_A_CALL] for i in range(0, len(items), ITEMS_A_CALL)]
        waiting = deque(_Chunk(i, chunk) for i, chunk in enumerate(chunks))
        sharing = _Sharing(self, do, packed(do), waiting)
        try:
            for found in sharing.run():
                yield from found
        finally:
            sharing.close()


@dataclass(frozen=True)
class _Chunk:
    """Items of a task, the ones at `index` in order; the helper that has them since when (s)."""

    index: int
    items: Sequence[Any]
    helper: RemoteHelper | None = None
    since: float = 0.0


@dataclass
class _Sharing:
    """Chunks of one task on their way."""

    workers: SharingWorkers
    do: Callable[[Any], Any]
    packed: bytes
    waiting: deque[_Chunk]
    under_way: dict[Future[Any], _Chunk] = field(default_factory=dict)
    done: dict[int, list[Any]] = field(default_factory=dict)
    next: int = 0

    def run(self) -> Iterator[list[Any]]:
        while self.waiting or self.under_way:
            self._distribute()
            futures = [*self.under_way, *self.workers.helpers.starting()]
            with self.workers.waiting():
                ended, _ = wait(futures, REQUEST_EVERY_S, FIRST_COMPLETED)
            for future in ended & self.under_way.keys():
                self._collect(future)
            self._drop_late()
            while self.next in self.done:
                yield self.done.pop(self.next)
                self.next += 1

    def close(self) -> None:
        here = [future for future, chunk in self.under_way.items() if chunk.helper is None]
        for future in here:
            future.cancel()
        with self.workers.waiting():
            wait(here)

    def _distribute(self) -> None:
        """Gives chunks to the threads here, and to helpers while there are enough for them too."""
        here = sum(chunk.helper is None for chunk in self.under_way.values())
        for _ in range(min(self.workers.n - here, self._allowed())):
            chunk = self.waiting.popleft()
            self.under_way[self.workers.pool.submit(self._here, chunk.items)] = chunk
        if self._allowed():
            self.workers.helpers.request_more()
        for helper in self.workers.helpers.idle():
            if not self._allowed():
                break
            chunk = self.waiting.popleft()
            helper.busy += 1
            given = replace(chunk, helper=helper, since=time.monotonic())
            self.under_way[helper.call(self.packed, chunk.items)] = given

    def _allowed(self) -> int:
        """Number of chunks that may be begun now."""
        if not self.waiting:
            return 0
        ahead = MAX_CALLS_AHEAD * (1 + len(self.under_way))
        return len(self.waiting) if self.waiting[0].index - self.next < ahead else 0

    def _drop_late(self) -> None:
        """Ends helpers that hang; what they had comes back as from one that has died."""
        oldest = time.monotonic() - self.workers.call_limit_s
        for chunk in list(self.under_way.values()):
            if chunk.helper and chunk.since < oldest:
                self.workers.helpers.drop(chunk.helper)

    def _here(self, items: Sequence[Any]) -> list[Any]:
        found = []
        for item in items:
            with self.workers.at_work():
                found.append(self.do(item))
        return found

    def _collect(self, future: Future[Any]) -> None:
        chunk = self.under_way.pop(future)
        helper = chunk.helper
        if helper and future.exception():  # a dead node, a file it does not see: we do it ourselves
            self.workers.helpers.drop(helper)
            again = replace(chunk, helper=None)
            self.waiting = deque(sorted([again, *self.waiting], key=attrgetter("index")))
            return
        if helper:
            helper.busy -= 1
        self.done[chunk.index] = future.result()
