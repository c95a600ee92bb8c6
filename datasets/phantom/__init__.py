"""A rendered blood smear with exact boxes and types: a test object, not evidence of accuracy."""

from .cells import Anatomy, anatomy
from .layout import Placement, place
from .render import Phantom, render, render_region
from .scan import ScanSettings, render_scan
from .settings import ADULT_DIFFERENTIAL, PhantomSettings, allot
from .smear import render_smear
from .stain import STAINS, Stain

__all__ = [
    "ADULT_DIFFERENTIAL",
    "STAINS",
    "Anatomy",
    "Phantom",
    "PhantomSettings",
    "Placement",
    "ScanSettings",
    "Stain",
    "allot",
    "anatomy",
    "place",
    "render",
    "render_region",
    "render_scan",
    "render_smear",
]
