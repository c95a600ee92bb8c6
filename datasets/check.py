"""Check of a dataset: what is in it, what is wrong with it, and what leaks between its splits."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from leukodiff.core.errors import DataError, InputError

from .duplicates import Fingerprint, fingerprints, near_pairs, same_content
from .fields import LabeledField
from .layout import IMAGE_SUFFIXES, has_area, image_size
from .leave_one_out import OWN
from .registry import Loader, dataset_info, dataset_root
from .splits import UNKNOWN
from .table import load_table

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DuplicatePair:
    """Two images that are the same, or nearly: their hashes differ in `bits` of 64.

    `bits` 0 with `same_bytes` is the same file twice.
    """

    left: Path
    right: Path
    bits: int
    same_bytes: bool
    sides: tuple[str, str]
    """The dataset and split of each: `pbc test`, `txl_pbc train`."""

    @property
    def across(self) -> bool:
        """True if the two lie in different splits or datasets."""
        return self.sides[0] != self.sides[1]


@dataclass(frozen=True)
class CheckReport:
    """Findings in one dataset. `problem` says why it could not be read to the end."""

    name: str
    root: Path
    n_fields: Mapping[str, int] = field(default_factory=dict)
    n_cells: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Cells by cell type and split, as published."""
    without_area: Sequence[str] = ()
    outside: Sequence[str] = ()
    unreadable: Sequence[str] = ()
    groups_across_splits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Group -> its images by split, for each group that a split cuts."""
    n_unknown: int = 0
    duplicates: Sequence[DuplicatePair] = ()
    problem: str = ""
    fields: Sequence[LabeledField] = field(default=(), repr=False)
    prints: Sequence[Fingerprint] = field(default=(), repr=False)

    @property
    def clean(self) -> bool:
        """True if nothing was found that a person should know of."""
        found = (self.without_area, self.outside, self.unreadable, self.groups_across_splits)
        return not (any(found) or self.duplicates or self.problem or self.n_unknown)


def check(name: str, root: Path | None = None, on_progress: Progress | None = None) -> CheckReport:
    """Check one dataset, files and labels as published; `table` is anyone's own, in `root`.

    `on_progress` receives the number of images read, and of all.

    Raises:
        InputError: no dataset has that name.
        DataError: it is not there, or nothing in its folder can be read as an image.
    """
    folder, read = _place(name, root)
    try:
        fields, problem = read(folder), ""
    except (DataError, InputError) as error:
        fields, problem = [], str(error)
    on_disk = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    paths = sorted({item.path for item in fields} or set(on_disk))
    report_done = (lambda done: on_progress(done, len(paths))) if on_progress else None
    prints = fingerprints(paths, report_done)
    if all(item.error for item in prints):
        raise DataError(_nothing_readable(folder, name, problem, prints))
    unreadable = {item.path: item.error for item in prints if item.error}
    without_area, outside = _odd_boxes([f for f in fields if f.path not in unreadable])
    return CheckReport(
        name=name,
        root=folder,
        n_fields=Counter(item.split for item in fields),
        n_cells=Counter((kind, item.split) for item in fields for kind in item.cell_types),
        without_area=without_area,
        outside=outside,
        unreadable=[f"{path.name}: {reason}" for path, reason in unreadable.items()],
        groups_across_splits=groups_across_splits(fields),
        n_unknown=sum(item.group.startswith(UNKNOWN) for item in fields),
        duplicates=find_duplicates(prints, _sides(fields)),
        problem=problem,
        fields=fields,
        prints=prints,
    )


def _place(name: str, root: Path | None) -> tuple[Path, Loader]:
    if name != OWN:
        return dataset_root(name, root), dataset_info(name).read
    if root is None or not root.is_dir():
        raise DataError(f"{OWN}: in which folder? name it: {OWN}=FOLDER")
    return root, load_table


def _nothing_readable(folder: Path, name: str, problem: str, prints: Sequence[Fingerprint]) -> str:
    if prints:
        first = f"{prints[0].path.name}: {prints[0].error}"
        return f"{folder}: none of {len(prints)} images of {name} can be read ({first})"
    reason = f" ({problem.removeprefix(f'{folder}: ')})" if problem else ""
    return f"{folder}: no image of {name} in this folder{reason}"


def _odd_boxes(fields: Sequence[LabeledField]) -> tuple[list[str], list[str]]:
    """A line for each box without area, and for each that leaves the image by more than 1 px."""
    without_area, outside = [], []
    for item in fields:
        width, height = image_size(item.path)
        real = has_area(item.xyxy)
        rows = zip(item.cell_types, item.xyxy.tolist(), real, strict=True)
        for kind, (x_min, y_min, x_max, y_max), has in rows:
            line = f"{item.field_id}: {kind} at {x_min:g}, {y_min:g}, {x_max:g}, {y_max:g}"
            if not has:
                without_area.append(line)
            elif min(x_min, y_min) < -1 or x_max > width + 1 or y_max > height + 1:
                outside.append(line)
    return without_area, outside


def groups_across_splits(fields: Sequence[LabeledField]) -> dict[str, dict[str, int]]:
    """Group -> its images by split, for each group that a split cuts."""
    groups: dict[str, Counter[str]] = {}
    for item in fields:
        groups.setdefault(item.group, Counter())[item.split] += 1
    return {group: dict(sorted(n.items())) for group, n in groups.items() if len(n) > 1}


def _sides(fields: Sequence[LabeledField]) -> dict[Path, str]:
    return {item.path: f"{item.source} {item.split}" for item in fields}


def find_duplicates(
    prints: Sequence[Fingerprint], sides: Mapping[Path, str]
) -> list[DuplicatePair]:
    """The pairs among `prints` that show the same picture, by bytes or by perceptual hash."""
    readable = [item for item in prints if not item.error]
    same = {frozenset(pair) for group in same_content(readable) for pair in combinations(group, 2)}
    return [
        DuplicatePair(
            left=readable[i].path,
            right=readable[j].path,
            bits=bits,
            same_bytes=frozenset((readable[i].path, readable[j].path)) in same,
            sides=(sides.get(readable[i].path, ""), sides.get(readable[j].path, "")),
        )
        for i, j, bits in near_pairs(readable)
    ]


def duplicates_between(reports: Sequence[CheckReport]) -> list[DuplicatePair]:
    """The pairs of the same picture of which one dataset holds one and another the other."""
    owner = {item.path: report.name for report in reports for item in report.prints}
    sides = _sides([item for report in reports for item in report.fields])
    duplicates = find_duplicates([item for report in reports for item in report.prints], sides)
    return [pair for pair in duplicates if owner[pair.left] != owner[pair.right]]


def groups_between(reports: Sequence[CheckReport]) -> dict[tuple[str, str], int]:
    """Number of groups that two datasets share, by the dataset and split of each: `bccd test`."""
    sides: dict[str, set[str]] = {}
    for report in reports:
        for item in report.fields:
            if not item.group.startswith(UNKNOWN):
                sides.setdefault(item.group, set()).add(f"{report.name} {item.split}")
    pairs = (pair for found in sides.values() for pair in combinations(sorted(found), 2))
    return Counter(pair for pair in pairs if pair[0].split()[0] != pair[1].split()[0])
