"""What every answer says to a browser: nothing from elsewhere, no frame, no guess of a type."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; sandbox"
)
"""Of a report: one file with its own styles and pictures, in which nothing runs."""

ALWAYS: Mapping[str, str] = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}

FOR_GOOD = "private, max-age=31536000, immutable"
"""Of a picture whose address carries the version of its content."""

ASK_AGAIN = "private, no-cache"
"""Of one whose address does not: kept, and asked for by its ETag."""


class SecurityHeaders:
    """Adds the headers to every answer that has none of its own by that name."""

    def __init__(self, app: ASGIApp, is_tls: bool) -> None:
        self.app = app
        tls = {"Strict-Transport-Security": "max-age=31536000"} if is_tls else {}
        self.headers = {**ALWAYS, **tls}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)


def attachment(name: str) -> str:
    """The Content-Disposition of a file to be saved under a name (RFC 6266)."""
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in " ._-") else "_" for one in name
    )
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
