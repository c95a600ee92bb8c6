"""Damaged files of every kind: none crashes, hangs, or takes more memory than its bound.

Each mutant is read in a child process: it must be read, or refused by an error of ours in one line
that names it.

    python benchmarks/fuzz.py --mutants 20000 --out docs/results/fuzz.json
    python benchmarks/fuzz.py --first 4711 --mutants 1     # one mutant again
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzzing.campaign import LIMIT_S, MOST_MB, CampaignCounts, as_json, campaign, merged
from fuzzing.seeds import write_seeds
from fuzzing.targets import TARGETS

from leukodiff.core.text import markdown_table


def in_parallel(
    seeds: Mapping[str, Sequence[Path]], root: Path, asked: argparse.Namespace
) -> CampaignCounts:
    """The campaign in as many parts as there are workers."""

    def part(worker: int) -> CampaignCounts:
        folder = root / str(worker)
        folder.mkdir()
        numbers = range(asked.first + worker, asked.first + asked.mutants, asked.workers)
        return campaign(seeds, folder, numbers, asked.seed)

    with ThreadPoolExecutor(asked.workers) as pool:
        return merged(list(pool.map(part, range(asked.workers))))


def main() -> None:
    """Prints a row a kind, and every finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=[], choices=list(TARGETS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        seeds = write_seeds(root / "seeds", asked.kinds)
        counts = in_parallel(seeds, root, asked)
    rows = counts.rows
    print(markdown_table(list(rows[0]), [list(row.values()) for row in rows]))
    for one in counts.findings:
        print(f"\n{one.number} {one.kind} {one.seed}: {one.what}\n{one.text}")
    if asked.out:
        bounds = {"seed": asked.seed, "limit_s": LIMIT_S, "bound_mb": MOST_MB}
        asked.out.write_text(json.dumps(bounds | as_json(counts), indent=1) + "\n")


if __name__ == "__main__":
    main()
