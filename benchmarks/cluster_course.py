"""Course of a run on a cluster: which node does what, and what its workers use of the machine."""

import logging
import os
import re
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

MADE = re.compile(r"(\S+): done on .*\((\w+)\)")


def busy_and_all() -> list[tuple[int, int]]:
    """Of each core, how long it was busy and how long it ran (ticks)."""
    rows = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
    ticks = [[int(one) for one in row[1:9]] for row in rows if re.fullmatch(r"cpu\d+", row[0])]
    return [(sum(one) - one[3] - one[4], sum(one)) for one in ticks]


@dataclass
class Workers:
    """Use of the machine by a run's workers, by process: as far as `sample` has seen it.

    `cpu_s`: processor time. `own_mb`: the memory of the largest at each sample, without what is
    mapped from files.
    """

    cpu_s: dict[str, float] = field(default_factory=dict)
    own_mb: list[int] = field(default_factory=list)

    def sample(self) -> None:
        """Looks at those that live."""
        self.own_mb.append(0)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cmdline").read_bytes().startswith(b"ray::Worker"):
                    self._take(process)

    def _take(self, process: Path) -> None:
        _, node, *facts = _stat(process)
        if int(_stat(process.with_name(node))[1]) != os.getpid():  # of a cluster of somebody else
            return
        self.cpu_s[process.name] = sum(map(int, facts[9:11])) / os.sysconf("SC_CLK_TCK")
        own = re.search(r"RssAnon:\s+(\d+) kB", (process / "status").read_text())
        self.own_mb[-1] = max(self.own_mb[-1], int(own[1]) // 1024 if own else 0)

    def used(self) -> float:
        """Processor time of all of them, s."""
        return sum(self.cpu_s.values())


def _stat(process: Path) -> list[str]:
    """State, parent and so on, as proc(5) lists them after the name."""
    return (process / "stat").read_text().rpartition(")")[2].split()


class Course(logging.Handler):
    """Time (s after the start) and node of each slide of a run."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.began, self.ended = time.monotonic(), list[tuple[float, str]]()
        self.workers, self.cpu_s = Workers(), list[float]()

    def emit(self, record: logging.LogRecord) -> None:
        """Hears of a slide."""
        if made := MADE.match(record.getMessage()):
            self.workers.sample()
            self.ended.append((self.now(), made[2]))
            self.cpu_s.append(self.workers.used())

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def by_node(self) -> list[int]:
        """Number of slides each node has done, the busiest first."""
        return [n for _, n in Counter(node for _, node in self.ended).most_common()]

    def cores_had(self, since: float = 0.0, until: float = inf) -> float | None:
        """Number of cores the workers had in that time: fewer where others wanted them too."""
        seen = [i for i, (at, _) in enumerate(self.ended) if since <= at <= until]
        if len(seen) < 2 or self.ended[seen[-1]][0] == self.ended[seen[0]][0]:
            return None
        used = self.cpu_s[seen[-1]] - self.cpu_s[seen[0]]
        return round(used / (self.ended[seen[-1]][0] - self.ended[seen[0]][0]), 2)

    def pace(self, since: float = 0.0, until: float = inf) -> float | None:
        """Slides a minute, from the first that ends within a time to the last."""
        times = [at for at, _ in self.ended if since <= at <= until]
        if len(times) < 2 or times[-1] == times[0]:
            return None
        return round(60 * (len(times) - 1) / (times[-1] - times[0]), 1)
