"""A desk behind a socket: what `leukodiff review` starts."""

import logging
import socket
from collections.abc import Callable
from dataclasses import replace

import uvicorn

from leukodiff.core.errors import InputError
from leukodiff.pipeline.analysis.models import NamesCells

from ..record import ADMINISTRATOR, Record
from ..service.settings import ReviewSettings
from .app import make_app
from .app_state import ReviewApp

GRACE = 5
"""Seconds that open connections are given when the server is stopped."""

WAITING = 128
"""Connections that may wait to be taken."""


def open_desk(settings: ReviewSettings, record: Record | None = None) -> ReviewApp:
    """The desk of a review.

    Raises:
        InputError: it is reached from other computers and nobody has an account.
        RecordError: the record can't be opened.
        OutputError: the folder can't be written.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    record = record or Record(settings.record_url)
    if not settings.is_local:
        require_users(record)
    return ReviewApp(settings, record, _loader(settings))


def require_users(record: Record) -> None:
    """Refuses to be reached from other computers before people have accounts.

    Raises:
        InputError: nobody, or nobody but administrators, has one.
    """
    if not any(user.active and user.role != ADMINISTRATOR for user in record.people.users()):
        raise InputError(
            "reached from other computers it needs people who log in: "
            "leukodiff users add NAME --role pathologist"
        )


def serve(settings: ReviewSettings, say: Callable[[str], None]) -> None:
    """Serves until it is stopped; `say` is told the address once it can be opened.

    Raises:
        InputError: the address is taken, or can't be had.
    """
    listening = listen(settings.host, settings.port)
    settings = replace(settings, port=listening.getsockname()[1])
    desk = open_desk(settings)
    where = f"{settings.address}?token={desk.token}" if settings.is_local else settings.address
    config = uvicorn.Config(
        make_app(desk),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,  # the guard reads them, where it may
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=32_768,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ws="none",
        lifespan="on",
    )
    server = _Server(config, desk)
    say(where)
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that tells the streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, desk: ReviewApp) -> None:
        super().__init__(config)
        self._desk = desk

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what is open."""
        self._desk.closing.set()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the address is taken, or can't be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(WAITING)
    except OSError as error:
        told = error.strerror or error
        raise InputError(f"{host}:{port} can't be listened at: {told}; try --port") from error
    made.set_inheritable(False)
    return made


def _loader(settings: ReviewSettings) -> Callable[[], NamesCells]:
    def load() -> NamesCells:
        from leukodiff.classifier.infer import Classifier

        logging.getLogger("leukodiff").info("the classifier is loaded")
        return Classifier.load(settings.classifier, threads=settings.threads)

    return load
