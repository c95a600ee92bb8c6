"""A record on each database: SQLite in a file, and a PostgreSQL server that the tests start."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from leukodiff.pipeline.review.record import Record

ADDED: dict[str, Any] = {"folder": "/smears/smear 1", "sha256": "a" * 64, "n_cells": 3}
FOLDERS = ("/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/homebrew/opt")


def postgres_bin() -> Path:
    """Where the server's programs lie; Debian keeps them off the PATH."""
    found = [Path(one).parent for one in (shutil.which("initdb"),) if one]
    found += [p.parent for folder in FOLDERS for p in sorted(Path(folder).glob("*/bin/initdb"))]
    if not found:
        pytest.skip("PostgreSQL's server (Debian: postgresql) is not installed")
    return found[-1]


@dataclass
class PostgreSQL:
    """A server of the tests' own: it listens on a socket in its folder and on no port."""

    folder: Path
    programs: Path
    settings: tuple[str, ...] = ()
    made: int = 0

    def run(self, *words: str) -> None:
        as_other = os.geteuid() == 0  # the server does not run as root
        before = ["runuser", "-u", "postgres", "--"] if as_other else []
        command = [*before, str(self.programs / words[0]), *words[1:]]
        log = self.folder / "log"
        with log.open("a") as file:  # a pipe would stay open as long as the server runs
            done = subprocess.run(command, cwd=self.folder, stdout=file, stderr=file)
        assert done.returncode == 0, log.read_text()

    def make(self) -> None:
        data = str(self.folder / "data")
        self.run("initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", data)

    def start(self) -> None:
        settings = ("listen_addresses=''", *self.settings)
        options = " ".join((f"-k {self.folder}", *(f"-c {one}" for one in settings)))
        self.run("pg_ctl", "-w", "-D", str(self.folder / "data"), "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder / "data"), "-m", how, "stop")

    def new_url(self) -> str:
        """Of a schema of its own: much quicker to make, and to be rid of, than a database."""
        import psycopg

        self.made += 1
        with psycopg.connect(f"host={self.folder} user=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA t{self.made}")
        return f"postgresql://postgres@/postgres?host={self.folder}&options={self.path}"

    @property
    def path(self) -> str:
        return f"-csearch_path%3Dt{self.made}"


@contextmanager
def running(*settings: str) -> Iterator[PostgreSQL]:
    programs = postgres_bin()
    folder = Path(tempfile.mkdtemp(prefix="leukodiff-pg-", dir="/tmp"))  # a socket's path is short
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        server = PostgreSQL(folder, programs, settings)
        server.make()
        server.start()
        yield server
        server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """One for all tests, quick: it need not outlive a crash."""
    with running("fsync=off") as server:
        yield server


@pytest.fixture
def lasting_postgresql() -> Iterator[PostgreSQL]:
    """One of a test's own, with its disk's word on every commit."""
    with running("recovery_init_sync_method=syncfs") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def database(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        request.getfixturevalue("postgresql")
    return str(request.param)


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if database == "sqlite":
        return f"sqlite:///{tmp_path / 'review.sqlite'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_url()


@pytest.fixture(scope="module")
def one_slide(
    database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Record]:
    """A record with one slide, shared by tests that leave it as it is."""
    path = tmp_path_factory.mktemp("shared") / "review.sqlite"
    sqlite = f"sqlite:///{path}"
    url = sqlite if database == "sqlite" else request.getfixturevalue("postgresql").new_url()
    with Record(url) as made:
        made.append("smear 1", "operator", "added", ADDED)
        yield made


@dataclass
class Clock:
    """A clock that the test turns."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 23, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def record(url: str, clock: Clock) -> Iterator[Record]:
    with Record(url, clock=clock) as made:
        yield made


@pytest.fixture
def added() -> dict[str, Any]:
    """The payload of a slide of three cells."""
    return dict(ADDED)


@pytest.fixture
def slide(record: Record, added: dict[str, Any]) -> str:
    """A slide in the record."""
    record.append("smear 1", "operator", "added", added)
    return "smear 1"


@pytest.fixture
def to() -> Callable[..., dict[str, Any]]:
    """The payload that gives cells a type."""
    return lambda name, *cells: {"cells": {cell: {"to": name} for cell in cells}}
