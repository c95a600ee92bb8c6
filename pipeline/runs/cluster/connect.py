"""The way into a Ray cluster; an address that leads to none is told at once."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.report import one_line

from .settings import AUTO, LOCAL

KNOCK_S = 5.0
"""How long whoever is at an address may take to let us in, and again to greet us."""

HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""How HTTP/2 begins, which Ray's head speaks: preface, and settings that set nothing (RFC 9113)."""

GREETING = 9, 4
"""What comes back begins with so many bytes, the one at index 3 of this kind: its settings."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Joins a Ray cluster for as long as the run lasts; one that was joined before stays so.

    Raises:
        InputError: Ray is not installed, or there is no such cluster.
    """
    if address.startswith("ray://"):
        raise InputError(f"{address}: run it on a node of the cluster, without ray://")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray's own telemetry
    import ray

    ours = not ray.is_initialized()
    if ours:
        _join(address)
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def _join(address: str) -> None:
    import ray

    shown: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    own: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    try:
        found = _at_hand() if address == AUTO else address
        if found != LOCAL:
            _knock(found)
        ray.init(found, **shown, **own)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"--cluster {address}: no Ray cluster answers ({one_line(str(error))}); start one with "
            "`ray start --head`, or take --cluster=local"
        ) from error


def _at_hand() -> str:
    """The address of the cluster that this machine is part of, as Ray itself finds it."""
    told = os.environ.get("RAY_ADDRESS", "")
    if told not in ("", AUTO):
        return told
    from ray._private.services import canonicalize_bootstrap_address

    return str(canonicalize_bootstrap_address(AUTO))


def _knock(address: str) -> None:
    """Sees whether Ray is at an address: it would itself try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("an address is HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), KNOCK_S) as door:
        if os.environ.get("RAY_USE_TLS", "0") in ("0", ""):
            _greet(door, address)


def _greet(door: socket.socket, address: str) -> None:
    length, kind = GREETING
    try:
        door.sendall(HELLO)
        with door.makefile("rb") as heard:
            greeting = heard.read(length)
    except TimeoutError:
        greeting = b""
    if greeting[3:4] != bytes([kind]):
        raise ValueError(f"what is at {address} is not Ray")
