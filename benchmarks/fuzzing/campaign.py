"""Mutants, one after the other, each read in a process of its own kind that may die of it."""

import json
import random
import select
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .mutate import mutated
from .targets import MIRAX_FILES, SHARES, TEXT, WAYS

ADDRESS_SPACE = 8 * 1024**3
"""Bytes a child may map at most; OpenVINO alone maps more than it ever touches."""

MOST_MB = 1000.0
"""Most that a mutant may add to a child's resident memory, MB. Its seeds are of 0.03 MB."""

LIMIT_S = 20.0
"""A mutant may take so long; then its child is ended and it counts as hung."""

GOOD = ("read", "refused")


@dataclass(frozen=True)
class Finding:
    """A mutant that was not read or refused as it should be."""

    number: int
    kind: str
    seed: str
    what: str
    text: str


@dataclass
class CampaignCounts:
    """Counts of a campaign. `outcomes` by kind and outcome."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    longest_s: dict[str, float] = field(default_factory=dict)
    most_mb: dict[str, float] = field(default_factory=dict)

    def add(self, number: int, kind: str, seed: str, outcome: Mapping[str, Any]) -> None:
        """Takes in one mutant's outcome."""
        what = str(outcome["what"])
        if what in GOOD and outcome["mb"] > MOST_MB:
            what = "too much memory"
        self.outcomes[kind, what] += 1
        self.longest_s[kind] = max(self.longest_s.get(kind, 0.0), outcome["cpu_s"])
        self.most_mb[kind] = max(self.most_mb.get(kind, 0.0), outcome["mb"])
        if what not in GOOD:
            self.findings.append(Finding(number, kind, seed, what, str(outcome["text"])[-3000:]))

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row a kind, for a file or a table."""
        return [
            {
                "kind": kind,
                "mutants": sum(n for (k, _), n in self.outcomes.items() if k == kind),
                **{what: self.outcomes[kind, what] for what in GOOD},
                "findings": sum(one.kind == kind for one in self.findings),
                "longest_s": round(self.longest_s[kind], 2),
                "most_mb": round(self.most_mb[kind], 1),
            }
            for kind in dict.fromkeys(k for k, _ in self.outcomes)
        ]


class Child:
    """The process that reads; another takes its place when it is gone."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def ask(self, kind: str, path: Path, names: Sequence[str]) -> Mapping[str, Any]:
        """Outcome of a file: of a child that died or hung, that."""
        process = self._process or self._started()
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"kind": kind, "path": str(path), "names": names}) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], LIMIT_S)
        line = process.stdout.readline() if ready else ""
        if line:
            outcome: Mapping[str, Any] = json.loads(line)
            return outcome
        if not ready:
            process.kill()
        status = process.wait()
        self.close()
        what = f"died ({status})" if ready else "hung"
        return {
            "what": what,
            "text": self._log.read_text(errors="replace")[-2000:],
            "cpu_s": LIMIT_S,
            "mb": 0.0,
        }

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fuzzing.child", str(ADDRESS_SPACE)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=Path(__file__).parents[1],
            )
        assert self._process.stdout
        self._process.stdout.readline()  # it is ready: what it imports is nobody's time
        return self._process

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process and process.stdin and process.stdout:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def campaign(
    seeds: Mapping[str, Sequence[Path]], root: Path, numbers: Iterable[int], seed: int
) -> CampaignCounts:
    """Reads the mutants of these numbers; a number and a seed always give the same one."""
    counts, child = CampaignCounts(), Child(root / "child.log")
    try:
        for number in numbers:
            kind, good, path = _mutant(seeds, root / "mutant", number, seed)
            names = (path.name, path.parent.name, path.stem)
            counts.add(number, kind, good, child.ask(kind, path, names))
            if number % 1000 == 0:
                print(f"mutant {number}", file=sys.stderr, flush=True)
    finally:
        child.close()
    return counts


def _mutant(
    seeds: Mapping[str, Sequence[Path]], folder: Path, number: int, seed: int
) -> tuple[str, str, Path]:
    rng = random.Random(f"{seed}/{number}")
    kind = rng.choices(list(seeds), [SHARES[kind] for kind in seeds])[0]
    good = rng.choice(list(seeds[kind]))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in company(kind, good):
        shutil.copy(path, folder / path.name)
    way = "text" if good.suffix in TEXT else WAYS.get(kind, "text")
    path = folder / good.name
    path.write_bytes(mutated(good.read_bytes(), rng, way))
    return kind, good.name, path


def company(kind: str, good: Path) -> Iterator[Path]:
    """Files next to one that is read."""
    if kind in ("weights", "metadata"):
        yield from good.parent.glob(f"{good.stem}.*")
    if kind == "record":
        yield from (path for path in good.parent.iterdir() if path.is_file())
    if kind in ("truth", "voc", "yolo") or good.suffix == ".vms":
        yield from good.parent.glob("*.seed")
    if good.name in MIRAX_FILES:
        yield from (good.with_name(name) for name in MIRAX_FILES)


def merged(tallies: Sequence[CampaignCounts]) -> CampaignCounts:
    """Counts of several parts of a campaign."""
    whole = CampaignCounts()
    for one in tallies:
        whole.outcomes.update(one.outcomes)
        whole.findings += one.findings
        for kind in one.longest_s:
            whole.longest_s[kind] = max(whole.longest_s.get(kind, 0.0), one.longest_s[kind])
            whole.most_mb[kind] = max(whole.most_mb.get(kind, 0.0), one.most_mb[kind])
    whole.findings.sort(key=lambda one: one.number)
    return whole


def as_json(counts: CampaignCounts) -> dict[str, Any]:
    """A tally for a file."""
    return {"rows": counts.rows, "findings": [asdict(one) for one in counts.findings]}
