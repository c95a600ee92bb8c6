"""The public datasets that leukodiff reads, by name."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from leukodiff.core.errors import DataError, InputError

from . import (
    bccd,
    c_nmc,
    chula,
    chula_rbc12,
    deep_apl,
    draaslan,
    kaggle_blood_cells,
    lisc,
    pbc,
    raabin,
    txl_pbc,
    txl_raabin,
)
from .fields import LabeledField
from .layout import BOX_LABELS
from .vocabulary import FIVE_PART, WHITE_CELL

Loader = Callable[[Path], list[LabeledField]]


@dataclass(frozen=True)
class Archive:
    """A ZIP that a dataset is published as; `sha256` is `None` where its publisher states none."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """A public dataset.

    `um_per_px` is the nominal scale of the images at full size, `None` where no source says it.
    `boxes` is `cells` where each labeled cell has its place, `image` where a label covers the
    image. `label_map` turns the published labels into ours. `files_hint` says what lies where.
    `load` gives what to train on; `read` the boxes as published, nothing clipped or dropped.
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
    archives: Mapping[str, Archive]


_INFOS = (
    DatasetInfo(
        name="bccd",
        title="BCCD, blood cell count and detection",
        licence="MIT",
        citation="cosmicad, akshaylamba, Shenggan: BCCD Dataset, 2017-2019",
        address="https://github.com/Shenggan/BCCD_Dataset",
        um_per_px=bccd.UM_PER_PX,
        boxes="cells",
        label_map={**BOX_LABELS, **bccd.WHITE_CELL_LABELS},
        files_hint="its BCCD/ (Annotations, ImageSets/Main, JPEGImages)",
        folder="bccd",
        load=bccd.load_bccd,
        read=bccd.read_bccd,
        archives={"bccd.zip": Archive("https://github.com/Shenggan/BCCD_Dataset/archive/HEAD.zip")},
    ),
    DatasetInfo(
        name="pbc",
        title="PBC, normal peripheral blood cells",
        licence="CC BY 4.0",
        citation="Acevedo et al., Data in Brief 30 (2020) 105474, doi:10.1016/j.dib.2020.105474",
        address="https://data.mendeley.com/datasets/snkd93bnjr/1",
        um_per_px=pbc.UM_PER_PX,
        boxes="image",
        label_map=pbc.LABELS,
        files_hint="its PBC_dataset_normal_DIB/ (one folder a class)",
        folder="pbc",
        load=pbc.load_pbc,
        read=pbc.load_pbc,
        archives={
            "pbc.zip": Archive(
                "https://data.mendeley.com/public-files/datasets/snkd93bnjr/files/"
                "2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded"
            )
        },
    ),
    DatasetInfo(
        name="txl_pbc",
        title="TXL-PBC, cells of PBC with boxes",
        licence="MIT",
        citation="Gan and Li: TXL-PBC, a freely accessible labeled dataset, arXiv:2407.13214",
        address="https://github.com/lugan113/TXL-PBC_Dataset",
        um_per_px=pbc.UM_PER_PX,
        boxes="cells",
        label_map=BOX_LABELS,
        files_hint="its images/ and labels/ (YOLO)",
        folder="txl_pbc",
        load=txl_pbc.load_txl_pbc,
        read=txl_pbc.read_txl_pbc,
        archives={
            "txl_pbc.zip": Archive("https://github.com/lugan113/TXL-PBC_Dataset/archive/HEAD.zip")
        },
    ),
    DatasetInfo(
        name="chula",
        title="Chula WBC, a low-cost microscope",
        licence="MIT",
        citation="Chulalongkorn University, Bangkok: WBC Dataset",
        address="https://github.com/singgihbekti/WBC_Dataset",
        um_per_px=chula.UM_PER_PX,
        boxes="cells",
        label_map={name: name for name in FIVE_PART},
        files_hint="its images/ and labels/ (YOLO)",
        folder="chula_wbc",
        load=chula.load_chula,
        read=chula.read_chula,
        archives={
            "chula.zip": Archive("https://github.com/singgihbekti/WBC_Dataset/archive/HEAD.zip")
        },
    ),
    DatasetInfo(
        name="kaggle_blood_cells",
        title="Kaggle blood-cells, augmented copies of BCCD",
        licence="MIT, as BCCD, of which it is made",
        citation="Mooney, P.: Blood Cell Images, Kaggle, 2018",
        address="https://www.kaggle.com/datasets/paultimothymooney/blood-cells",
        um_per_px=kaggle_blood_cells.UM_PER_PX,
        boxes="image",
        label_map=kaggle_blood_cells.LABELS,
        files_hint="its dataset2-master/ (images/TRAIN, TEST, TEST_SIMPLE)",
        folder="kaggle_blood_cells",
        load=kaggle_blood_cells.load_kaggle_blood_cells,
        read=kaggle_blood_cells.load_kaggle_blood_cells,
        archives={},
    ),
    DatasetInfo(
        name="lisc",
        title="LISC, leukocyte images for segmentation and classification",
        licence="free for research with citation; none stated",
        citation="Rezatofighi and Soltanian-Zadeh, Comput Med Imaging Graph 35 (2011) 333-343",
        address="http://users.cecs.anu.edu.au/~hrezatofighi/Data/Leukocyte%20Data.htm",
        um_per_px=None,
        boxes="cells",
        label_map=lisc.LABELS,
        files_hint=f"its '{lisc.IMAGES}' and '{lisc.MASKS}'",
        folder="lisc",
        load=lisc.load_lisc,
        read=lisc.load_lisc,
        archives={},
    ),
    DatasetInfo(
        name="raabin",
        title="Raabin-WBC, double-labeled crops",
        licence="free for research with citation; see its site",
        citation="Kouzehkanan et al., Scientific Reports 12 (2022) 1123",
        address="https://raabindata.com/free-data/",
        um_per_px=None,
        boxes="image",
        label_map=raabin.LABELS,
        files_hint="its unpacked Train/, TestA/ and TestB/",
        folder="raabin",
        load=raabin.load_raabin,
        read=raabin.load_raabin,
        archives={},
    ),
    DatasetInfo(
        name="txl_raabin",
        title="TXL-PBC's part of Raabin-WBC, with boxes",
        licence="MIT; Raabin-WBC: free for research with citation",
        citation="Gan and Li, arXiv:2407.13214; Kouzehkanan et al., Scientific Reports 12 (2022)",
        address="https://github.com/lugan113/TXL-PBC_Dataset",
        um_per_px=txl_raabin.UM_PER_PX,
        boxes="cells",
        label_map={**BOX_LABELS, **{name: name for name in FIVE_PART}},
        files_hint="its images/ and labels/ (YOLO)",
        folder="txl_raabin",
        load=txl_raabin.load_txl_raabin,
        read=txl_raabin.read_txl_raabin,
        archives={
            "txl_pbc.zip": Archive("https://github.com/lugan113/TXL-PBC_Dataset/archive/HEAD.zip")
        },
    ),
    DatasetInfo(
        name="draaslan",
        title="Fields on mint-green ground, white and red cells",
        licence="MIT",
        citation="Aslan, A.: blood-cell-detection-dataset, 2020",
        address="https://github.com/draaslan/blood-cell-detection-dataset",
        um_per_px=draaslan.UM_PER_PX,
        boxes="cells",
        label_map={"wbc": WHITE_CELL, "rbc": "red_cell", **{name: name for name in FIVE_PART}},
        files_hint="its annotations.csv and images/",
        folder="draaslan",
        load=draaslan.load_draaslan,
        read=draaslan.read_draaslan,
        archives={
            "draaslan.zip": Archive(
                "https://github.com/draaslan/blood-cell-detection-dataset/archive/HEAD.zip"
            )
        },
    ),
    DatasetInfo(
        name="chula_rbc12",
        title="Chula RBC-12, its fields without a white cell",
        licence="MIT",
        citation="Naruenatthanaset et al., arXiv:2012.01321, 2021",
        address="https://github.com/Chula-PIC-Lab/Chula-RBC-12-Dataset",
        um_per_px=chula_rbc12.UM_PER_PX,
        boxes="cells",
        label_map={},
        files_hint="its Dataset/",
        folder="chula_rbc12",
        load=chula_rbc12.load_chula_rbc12,
        read=chula_rbc12.load_chula_rbc12,
        archives={
            "chula_rbc12.zip": Archive(
                "https://github.com/Chula-PIC-Lab/Chula-RBC-12-Dataset/archive/HEAD.zip"
            )
        },
    ),
    DatasetInfo(
        name="c_nmc",
        title="C-NMC 2019, leukemic blasts and healthy precursors",
        licence="CC BY 3.0 (The Cancer Imaging Archive)",
        citation="Gupta and Gupta: C_NMC_2019, The Cancer Imaging Archive, 2019",
        address="https://www.cancerimagingarchive.net/collection/c-nmc-2019/",
        um_per_px=None,
        boxes="image",
        label_map=c_nmc.LABELS,
        files_hint="its fold_*/all and fold_*/hem",
        folder="c_nmc",
        load=c_nmc.load_c_nmc,
        read=c_nmc.load_c_nmc,
        archives={},
    ),
    DatasetInfo(
        name="deep_apl",
        title="DeepAPL, cells of acute leukemia from an analyzer",
        licence="none stated; read its site",
        citation="Sidhom et al., npj Precision Oncology 5 (2021) 38",
        address="https://github.com/sidhomj/DeepAPL",
        um_per_px=None,
        boxes="image",
        label_map=deep_apl.LABELS,
        files_hint="its Data/All (Patient_*/Signed slides)",
        folder="deep_apl",
        load=deep_apl.load_deep_apl,
        read=deep_apl.load_deep_apl,
        archives={},
    ),
)

DATASETS: dict[str, DatasetInfo] = {info.name: info for info in _INFOS}


def data_root() -> Path:
    """Folder of the datasets: `$LEUKODIFF_DATA`, or the user's own cache folder."""
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
        InputError: no dataset has that name.
        DataError: the folder is missing.
    """
    info = dataset_info(name)
    folder = root if root is not None else data_root() / info.folder
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no {name} here; run `leukodiff data fetch {name}`, or download it from "
            f"{info.address} and place {info.files_hint} there"
        )
    return folder


def load_dataset(name: str, root: Path | None = None) -> list[LabeledField]:
    """All fields of a dataset with their boxes, types, split and group, ready to train on.

    Raises:
        InputError: no dataset has that name.
        DataError: the files are missing or not laid out as published.
    """
    return dataset_info(name).load(dataset_root(name, root))


def describe_datasets() -> list[dict[str, str]]:
    """A row a dataset for a table: what it is, whose it is, where it lies if it does."""
    return [
        {
            "name": info.name,
            "title": info.title,
            "labels": "a box a cell" if info.boxes == "cells" else "a label an image",
            "um_per_px": "" if info.um_per_px is None else f"{info.um_per_px:.3g}",
            "licence": info.licence,
            "citation": info.citation,
            "address": info.address,
            "fetch": "yes" if info.archives else "by hand",
            "folder": _place(info),
        }
        for info in _INFOS
    ]


def _place(info: DatasetInfo) -> str:
    folder = data_root() / info.folder
    return str(folder) if folder.is_dir() else ""
