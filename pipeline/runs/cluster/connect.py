"""Ray: connection to a cluster, and its actors. An address that leads to none fails at once."""

import logging
import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from leukodiff.core.errors import InputError
from leukodiff.pipeline.report.fields import one_line

from ..settings import AUTO, LOCAL

CONNECT_TIMEOUT_S = 5.0
"""Time for a connection to an address, and again for its first answer."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""Begin of HTTP/2, which Ray's head uses: preface, and settings that set nothing (RFC 9113)."""

FRAME_HEADER_BYTES = 9
"""Length of the header of a frame of HTTP/2; its byte at index 3 is the type."""

SETTINGS_FRAME = 4
"""Type of the first frame of an answer."""

CLOSE_GRACE_S = 5.0
"""Time that an idle worker has to clear up when it is ended."""

CONTROL_GROUP = "control"
"""Ray's concurrency group in which a worker takes a call while it is busy with another."""


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
        found = _local_address() if address == AUTO else address
        if found != LOCAL:
            _check_address(found)
        ray.init(found, **shown, **own)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"--cluster {address}: no Ray cluster answers ({one_line(str(error))}); start one with "
            "`ray start --head`, or take --cluster=local"
        ) from error


def _local_address() -> str:
    """The address of the cluster that this machine is part of, as Ray itself finds it."""
    address = os.environ.get("RAY_ADDRESS", "")
    if address not in ("", AUTO):
        return address
    from ray._private.services import canonicalize_bootstrap_address

    return str(canonicalize_bootstrap_address(AUTO))


def _check_address(address: str) -> None:
    """Checks that Ray is at an address: it would itself try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("an address is HOST:PORT")
    with socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S) as connection:
        if os.environ.get("RAY_USE_TLS", "0") in ("0", ""):
            _check_answer(connection, address)


def _check_answer(connection: socket.socket, address: str) -> None:
    try:
        connection.sendall(PREFACE)
        with connection.makefile("rb") as answer:
            header = answer.read(FRAME_HEADER_BYTES)
    except TimeoutError:
        header = b""
    if header[3:4] != bytes([SETTINGS_FRAME]):
        raise ValueError(f"what is at {address} is not Ray")


def call_ray(name: str) -> Any:
    """Result of a function of Ray: those that describe the cluster have no types."""
    import ray

    return getattr(ray, name)()


def start_actor(kind: type, config: Any, cpus: int) -> Any:
    """Asks Ray for an actor of a class; it starts once a node has so many cores to spare."""
    import ray

    groups = {CONTROL_GROUP: 1}
    needs: dict[str, Any] = {"num_cpus": cpus, "max_restarts": 0, "concurrency_groups": groups}
    return ray.remote(**needs)(kind).remote(config)


def close_actors(workers: Sequence[Any]) -> None:
    """Ends workers that wait for work; they take their scratch folders with them."""
    import ray

    closed = [worker.close.remote() for worker in workers]
    try:
        if closed:
            ray.wait(closed, num_returns=len(closed), timeout=CLOSE_GRACE_S)
    finally:
        kill_actors(workers)


def kill_actors(workers: Iterable[Any]) -> None:
    """Ends workers whatever they do; the next one on their node clears up after them."""
    import ray

    for worker in workers:
        ray.kill(worker)
