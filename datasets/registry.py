"""The public datasets that leukodiff reads: what each is, whose it is, and how to load it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from leukodiff.runtime.errors import DataError, InputError

from .bccd import LABELS as BCCD_LABELS
from .bccd import UM_PER_PX as BCCD_UM_PER_PX
from .bccd import WHITE_CELL_LABELS, load_bccd
from .chula import UM_PER_PX as CHULA_UM_PER_PX
from .chula import load_chula
from .fields import LabelledField
from .pbc import LABELS as PBC_LABELS
from .pbc import UM_PER_PX as PBC_UM_PER_PX
from .pbc import load_pbc
from .txl_pbc import LABELS as TXL_PBC_LABELS
from .txl_pbc import load_txl_pbc
from .vocabulary import FIVE_PART

Loader = Callable[[Path], list[LabelledField]]


@dataclass(frozen=True)
class DatasetInfo:
    """A public dataset.

    `um_per_px` is the nominal scale of the images at full size, `None` where no source says it.
    `boxes` is `cells` where each labelled cell has its place, `image` where a label covers the
    image. `label_map` turns the published labels into ours. `files_hint` says what lies where.
    """

    name: str
    title: str
    licence: str
    citation: str
    address: str
    um_per_px: float | None
    boxes: str
    label_map: Mapping[str, str]
    files_hint: str
    folder: str
    load: Loader
    read: Loader


DATASETS: dict[str, DatasetInfo] = {}
_INFOS = (
    DatasetInfo(
        name="bccd",
        title="BCCD, blood cell count and detection",
        licence="MIT",
        citation="cosmicad, akshaylamba, Shenggan: BCCD Dataset, 2017-2019",
        address="https://github.com/Shenggan/BCCD_Dataset",
        um_per_px=BCCD_UM_PER_PX,
        boxes="cells",
        label_map={**BCCD_LABELS, **WHITE_CELL_LABELS},
        files_hint="BCCD/ with Annotations, ImageSets/Main and JPEGImages; labels.csv beside it",
        folder="bccd",
        load=load_bccd,
        read=load_bccd,
    ),
    DatasetInfo(
        name="pbc",
        title="PBC, normal peripheral blood cells",
        licence="CC BY 4.0",
        citation="Acevedo et al., Data in Brief 30 (2020) 105474, doi:10.1016/j.dib.2020.105474",
        address="https://data.mendeley.com/datasets/snkd93bnjr/1",
        um_per_px=PBC_UM_PER_PX,
        boxes="image",
        label_map=PBC_LABELS,
        files_hint="PBC_dataset_normal_DIB/ with one folder a class",
        folder="pbc",
        load=load_pbc,
        read=load_pbc,
    ),
    DatasetInfo(
        name="txl_pbc",
        title="TXL-PBC, cells of PBC with boxes",
        licence="MIT",
        citation="Gan, Li and Wang: TXL-PBC, a freely accessible labeled dataset (2024)",
        address="https://github.com/lugan113/TXL-PBC_Dataset",
        um_per_px=PBC_UM_PER_PX,
        boxes="cells",
        label_map=TXL_PBC_LABELS,
        files_hint="images/ and labels/ (YOLO)",
        folder="txl_pbc",
        load=load_txl_pbc,
        read=load_txl_pbc,
    ),
    DatasetInfo(
        name="chula",
        title="Chula WBC, a low-cost microscope",
        licence="MIT",
        citation="Chulalongkorn University, Bangkok: WBC Dataset",
        address="https://github.com/singgihbekti/WBC_Dataset",
        um_per_px=CHULA_UM_PER_PX,
        boxes="cells",
        label_map={name: name for name in FIVE_PART},
        files_hint="classes.txt, images/ and labels/ (YOLO)",
        folder="chula_wbc",
        load=load_chula,
        read=load_chula,
    ),
)
DATASETS.update({info.name: info for info in _INFOS})


def data_root() -> Path:
    """Where the datasets lie: `$LEUKODIFF_DATA`, or the user's own cache folder."""
    import pooch

    return Path(os.environ.get("LEUKODIFF_DATA") or pooch.os_cache("leukodiff"))


def dataset_info(name: str) -> DatasetInfo:
    """The dataset of that name.

    Raises:
        InputError: there is none.
    """
    try:
        return DATASETS[name]
    except KeyError:
        raise InputError(f"no dataset {name!r}: expected one of {', '.join(DATASETS)}") from None


def dataset_root(name: str, root: Path | None = None) -> Path:
    """The folder of a dataset: `root` itself if given, else its own under `data_root()`.

    Raises:
        DataError: the folder is missing.
    """
    info = dataset_info(name)
    folder = root if root is not None else data_root() / info.folder
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no {name} here; `leukodiff data fetch {name}`, or place it by hand "
            f"({info.files_hint}; from {info.address})"
        )
    return folder


def load_dataset(name: str, root: Path | None = None) -> list[LabelledField]:
    """All fields of a dataset with their boxes, types, split and group, ready to train on.

    Raises:
        InputError: no dataset has that name.
        DataError: the files are missing or not laid out as published.
    """
    return dataset_info(name).load(dataset_root(name, root))
