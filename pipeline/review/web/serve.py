"""A review behind a socket: what `leukodiff review` starts."""

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

SHUTDOWN_GRACE_S = 5
"""Time that open connections are given when the server is stopped."""

KEEP_ALIVE_S = 30

HEADERS_MAX_BYTES = 32_768

MAX_WAITING = 128
"""Connections that may wait to be accepted."""


def open_app(settings: ReviewSettings, record: Record | None = None) -> ReviewApp:
    """The shared state of a review.

    Raises:
        InputError: it is reached from other computers and nobody has an account.
        RecordError: the record can't be opened.
        OutputError: the folder can't be written.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    record = record or Record(settings.record_url)
    if not settings.is_local:
        require_users(record)

    def load() -> NamesCells:
        from leukodiff.classifier.infer import Classifier

        logging.getLogger("leukodiff").info("the classifier is loaded")
        return Classifier.load(settings.classifier, threads=settings.threads)

    return ReviewApp(settings, record, load)


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


def serve(settings: ReviewSettings, on_ready: Callable[[str], None]) -> None:
    """Serves until it is stopped; calls `on_ready` with the address once it can be opened.

    Raises:
        InputError: the address is taken, or can't be had.
    """
    listening = listen(settings.host, settings.port)
    settings = replace(settings, port=listening.getsockname()[1])
    app = open_app(settings)
    query = f"?token={app.tokens.access}" if settings.is_local else ""
    config = uvicorn.Config(
        make_app(app),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,  # read by `middleware.check_host`, where they may be
        timeout_graceful_shutdown=SHUTDOWN_GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        h11_max_incomplete_event_size=HEADERS_MAX_BYTES,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ws="none",
        lifespan="on",
    )
    server = _Server(config, app)
    on_ready(f"{settings.address}{query}")
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """A server that ends the streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, app: ReviewApp) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what is open."""
        self._app.closing.set()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        InputError: the address is taken, or can't be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server(
            (host, port), family=family, backlog=MAX_WAITING, dualstack_ipv6=both
        )
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{host}:{port} can't be listened at: {reason}; try --port") from error
