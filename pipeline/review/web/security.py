"""Tokens, cookies and headers: how a review tells its own pages and people from others.

Nothing of it is stored but one secret: a token is an HMAC of it and of what the token is for.
"""

import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response

from leukodiff.core.files import replacing
from leukodiff.pipeline.runs.output import writing

SECRET_BYTES = 32

LOGIN_COOKIE = "leukodiff-visit"
"""The cookie of a login form: its CSRF token holds for it alone."""

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; sandbox"
)
"""Of a report: one file with its own styles and pictures, in which nothing runs."""

HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
"""Headers of every response: nothing from elsewhere, no frame, no guess of a type."""

TLS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(frozen=True)
class Tokens:
    """Tokens and cookies of one review.

    `port` is part of the cookie's name: reviews on one computer share cookies, but not ports.
    """

    secret: bytes
    port: int
    is_tls: bool

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds the access token, or the session where people log in."""
        return f"{'__Host-' if self.is_tls else ''}leukodiff-{self.port}"

    @property
    def access(self) -> str:
        """Token in the printed address, where no login is needed."""
        return self._made("token")[:43]

    def is_access(self, text: str) -> bool:
        """True for the access token."""
        return is_same(text, self.access)

    def csrf(self, session: str) -> str:
        """CSRF token of the pages of a session; empty session: of the operator."""
        return self._made("csrf", session)

    def login_csrf(self, visit: str) -> str:
        """CSRF token of a login form, for the value of the cookie that came with it."""
        return self._made("login", visit)

    def set_cookie(self, response: Response, name: str, value: str) -> None:
        """Sets a cookie that no script reads and no other page sends."""
        response.set_cookie(
            name, value, path="/", secure=self.is_tls, httponly=True, samesite="strict"
        )

    def _made(self, *parts: str) -> str:
        return hmac.new(self.secret, "\n".join(parts).encode(), sha256).hexdigest()


def is_same(text: str, token: str) -> bool:
    """True where a foreign text is the token; takes the same time whatever the text is."""
    return hmac.compare_digest(text.encode(errors="replace"), token.encode())


def is_own(headers: Headers, origins: frozenset[str]) -> bool:
    """True where a request comes from one of our pages, by the headers that the browser sets.

    Origin counts, Referer where there is none; a browser sends one of them with each POST.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        parts = urlsplit(headers.get("referer", ""))
        origin = f"{parts.scheme}://{parts.netloc}"
    return origin.lower() in origins


def kept_secret(path: Path) -> bytes:
    """A secret that outlives a restart, so that an open page goes on; made where there is none.

    Only its owner may read it, as far as the file system knows owners.

    Raises:
        OutputError: it can't be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            path.parent.chmod(0o700)
        with suppress(FileNotFoundError):
            found = path.read_bytes()
            if len(found) == SECRET_BYTES:
                return found
        made = secrets.token_bytes(SECRET_BYTES)
        with replacing(path) as partial:
            partial.unlink(missing_ok=True)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(made)
    return made
