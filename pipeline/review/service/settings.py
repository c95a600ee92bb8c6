"""Settings of the review, and the limits of a request."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from leukodiff.core.errors import InputError
from leukodiff.pipeline.slides.discover import REFERENCE_CELLS

HIDDEN = ".review"
"""In the output folder: the secret, the queue, pictures that were cut. Nothing that can't be made
again, but the secret that lets an open page go on after a restart."""

UPLOADS = "uploads"

RECORD_FILE = "review.sqlite"

READERS = (1, 2)

LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Limits:
    """Limits of a request and of what is kept in memory (bytes where no other unit is given).

    `upload_pixels`: of one image, px. `crops_on_disk`: pictures of cells that are kept.
    """

    json_bytes: int = 4_000_000
    json_depth: int = 12
    upload_bytes: int = 4_000_000_000
    upload_file_bytes: int = 500_000_000
    upload_files: int = 2_000
    upload_pixels: int = 150_000_000
    images_bytes: int = 512_000_000
    tiles_bytes: int = 96_000_000
    crops_on_disk: int = 2_000_000_000
    queued: int = 200
    streams: int = 32


@dataclass(frozen=True)
class ReviewSettings:
    """Settings that the review is opened with.

    `out` is the folder that `analyze` writes. `record`: the address of the record, a file in `out`
    when empty. `allow`: folders whose whole-slide files may be analyzed by path. `names`: under
    which names browsers reach it, where that is not `host` itself. `behind_proxy`: the proxy's
    forwarded headers are believed. `classifier`: the model that names added cells, the shipped one
    when `None`; `threads`: cores for an analysis. `reference`: the laboratory's own reference
    cells, a folder in `out` when `None`.

    Raises:
        InputError: when made: a certificate without its key, readers other than 1 and 2, two where
            nobody logs in, or a proxy without a name.
    """

    out: Path
    host: str = "127.0.0.1"
    port: int = 5000
    record: str = ""
    allow: tuple[Path, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    readers: int = 1
    names: tuple[str, ...] = ()
    behind_proxy: bool = False
    detector: Path | None = None
    classifier: Path | None = None
    threads: int | None = None
    reference: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise InputError("a certificate needs its key: give both --tls-cert and --tls-key")
        if self.readers not in READERS:
            raise InputError(f"one reader or two, not {self.readers}")
        if self.readers > 1 and self.is_local:
            raise InputError("two readers are two people who log in: give --host or --name")
        if self.behind_proxy and not self.names:
            raise InputError("behind a proxy give --name, the name that browsers reach it by")

    @property
    def record_url(self) -> str:
        """The record's address."""
        return self.record or f"sqlite:///{self.out / RECORD_FILE}"

    @property
    def hidden(self) -> Path:
        """The server's own folder."""
        return self.out / HIDDEN

    @property
    def uploads(self) -> Path:
        """The folder of images that were dropped on the page."""
        return self.out / UPLOADS

    @property
    def reference_folder(self) -> Path:
        """The folder of the laboratory's own reference cells."""
        return self.reference or self.out / REFERENCE_CELLS

    @property
    def is_local(self) -> bool:
        """True where it is reached from this computer alone, and so needs no login."""
        if self.behind_proxy or self.names:
            return False
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def scheme(self) -> str:
        """`https` where browsers see it so."""
        return "https" if self.tls_cert or self.behind_proxy else "http"

    @property
    def hosts(self) -> frozenset[str]:
        """Values allowed in the Host header, lower case, the port unless it is the scheme's."""
        names = LOCAL_NAMES if self.is_local else (self.host, *self.names)
        standard = {"http": 80, "https": 443}[self.scheme]
        bare = {_bracketed(name.lower()) for name in names}
        with_port = {f"{name}:{self.port}" for name in bare}
        alone = self.port == standard or self.behind_proxy
        # A name given with its own port (a proxy's) is taken as it stands.
        given = {name.lower() for name in self.names if name.rpartition(":")[2].isdigit()}
        return frozenset(with_port | given | (bare if alone else set()))

    @property
    def origins(self) -> frozenset[str]:
        """Values allowed in the Origin header of an unsafe request."""
        return frozenset(f"{self.scheme}://{host}" for host in self.hosts)

    @property
    def address(self) -> str:
        """The address that a person opens."""
        name = next(iter(self.names), self.host)
        if self.behind_proxy:
            return f"https://{name}/"
        return f"{self.scheme}://{_bracketed(name)}:{self.port}/"


def _bracketed(name: str) -> str:
    """An IPv6 address as it stands in an address bar."""
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name
