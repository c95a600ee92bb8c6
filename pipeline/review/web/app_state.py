"""Everything that the requests share: the record, the slides, their pictures, the queue."""

import hmac
import logging
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from leukodiff.core.errors import LeukodiffError
from leukodiff.core.files import replacing
from leukodiff.pipeline.analysis.models import NamesCells
from leukodiff.pipeline.runs.analyze import AnalyzeSettings
from leukodiff.pipeline.runs.output import prepare, writing

from ..record import LockedOut, RateLimiter, Record
from ..service.caches import ImagePool, picture_cache
from ..service.cell_classifier import CellClassifier
from ..service.jobs import Job, Queue
from ..service.people import Person
from ..service.pictures import Pictures, prune
from ..service.reference_cells import References
from ..service.reviews import Reviews
from ..service.settings import ReviewSettings
from ..service.slide_store import SlideStore
from ..service.tiles import Tiles
from .errors import ApiError

log = logging.getLogger("leukodiff")

SECRET_BYTES = 32

PATIENCE = 5.0
"""Seconds that what goes on beside the requests is given to end."""

REFUSAL_LETTERS = 200
"""Letters of a refused request that are recorded: an attacker chooses them."""

LoadClassifier = Callable[[], NamesCells]


@dataclass
class ReviewApp:
    """What a review works with. `open` makes it, `close` ends what runs.

    `load_classifier` gives the classifier that names added cells.
    """

    settings: ReviewSettings
    record: Record
    load_classifier: LoadClassifier
    refusal_limiter: RateLimiter = field(default_factory=RateLimiter)
    streams: threading.Semaphore = field(init=False)
    closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        settings, limits = self.settings, self.settings.limits
        self._settling: threading.Thread | None = None
        self.streams = threading.Semaphore(limits.streams)
        prepare(settings.out)
        self.secret = kept_secret(settings.hidden / "secret")
        self.slide_store = SlideStore(settings.out)
        self.reviews = Reviews(self.record, self.slide_store, settings.readers)
        images = ImagePool(limits.images_bytes)
        crops = settings.hidden / "crops"
        self.pictures = Pictures(images, picture_cache(limits.tiles_bytes), crops)
        self.references = References(settings.reference_folder)
        self.tiles = Tiles(images, picture_cache(limits.tiles_bytes))
        self.namer = CellClassifier(self.load_classifier, images)
        analysis = AnalyzeSettings(
            threads=settings.threads, detector=settings.detector, classifier=settings.classifier
        )
        self.queue = Queue(
            settings.hidden / "queue", settings.out, limits.queued, analysis, self._analyzed
        )

    def open(self) -> None:
        """Takes up the slides there are and the queue."""
        self._add_new_slides()
        self._settling = threading.Thread(target=self._settle, daemon=True)
        self._settling.start()
        self.queue.start()

    def close(self) -> None:
        """Ends the analysis that runs, and gives back the record."""
        self.closing.set()
        if self._settling:
            self._settling.join(PATIENCE)
        self.queue.close()
        self.record.close()

    @property
    def cookie(self) -> str:
        """The cookie's name: two reviews on one computer have ports of their own, cookies not."""
        prefix = "__Host-" if self.settings.scheme == "https" else ""
        return f"{prefix}leukodiff-{self.settings.port}"

    @property
    def token(self) -> str:
        """What the printed address carries where no login is needed."""
        return self._made("token")[:43]

    def is_token(self, text: str) -> bool:
        """Whether a text is the token, told in the same time whatever it is."""
        return hmac.compare_digest(text.encode(errors="replace"), self.token.encode())

    def csrf(self, request: Request) -> str:
        """The token of the pages of whoever asks: another session has another."""
        return self._made("csrf", str(request.scope.get("session", "")))

    def visit_csrf(self, visit: str) -> str:
        """The token of a login form, for the cookie that came with it."""
        return self._made("login", visit)

    def is_csrf(self, request: Request, text: str) -> bool:
        """Whether a text is the token of the pages of whoever asks."""
        return hmac.compare_digest(text.encode(errors="replace"), self.csrf(request).encode())

    def is_visit_csrf(self, visit: str, text: str) -> bool:
        """Whether a text is the token of a login form."""
        wanted = self.visit_csrf(visit).encode()
        return bool(visit) and hmac.compare_digest(text.encode(errors="replace"), wanted)

    def new_visit(self) -> str:
        """A name for a visit to the login form."""
        return secrets.token_urlsafe(16)

    def still_known(self, request: Request) -> bool:
        """Whether whoever began a long answer may still have it: a session ends."""
        session = request.scope.get("session")
        return session is None or self.record.people.session(session) is not None

    def set_cookie(self, answer: Response, name: str, value: str, age: int | None = None) -> None:
        """Sets a cookie that no script reads and no other page sends."""
        is_tls = self.settings.scheme == "https"
        answer.set_cookie(
            name, value, path="/", secure=is_tls, httponly=True, samesite="strict", max_age=age
        )

    def refused(self, person: Person, where: str, error: ApiError) -> None:
        """Records a refusal, a few of each kind at a time."""
        skipped = self.refusal_limiter.admit(error.what)
        if skipped is None:
            return
        more = f" ({skipped} more of this kind)" if skipped else ""
        why = error.error[:REFUSAL_LETTERS] + more
        try:
            self.record.refuse(person.name or "?", error.what, why, address=where[:REFUSAL_LETTERS])
        except LeukodiffError as failed:
            log.error("a refusal could not be recorded: %s", failed)

    def check_signer(self, person: Person, password: object, client: str) -> None:
        """Asks for the password of whoever signs, where people have one.

        Raises:
            Refused: 403 it is not theirs, or too many were wrong.
        """
        if self.settings.is_local:
            return
        if not isinstance(password, str) or not password:
            raise ApiError(403, "password: a signature needs it", "signature")
        try:
            right = self.record.people.check_password(person.name, password, client, is_login=False)
        except LockedOut as error:
            raise ApiError(403, str(error), "signature") from error
        if right is None:
            raise ApiError(403, "that is not your password", "signature")

    def _made(self, *parts: str) -> str:
        return hmac.new(self.secret, "\n".join(parts).encode(), sha256).hexdigest()

    def _analyzed(self, job: Job) -> None:
        self.slide_store.refresh(now=True)
        self._add_new_slides()

    def _add_new_slides(self) -> None:
        try:
            self.reviews.add_new_slides()
        except LeukodiffError as error:
            log.error("the slides could not be taken up: %s", error)

    def _settle(self) -> None:
        """What a start need not wait for."""
        try:
            self.reviews.update_summaries()
        except LeukodiffError as error:
            log.error("the worklist may be out of date: %s", error)
        prune(self.settings.hidden / "crops", self.settings.limits.crops_on_disk)


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
            partial.touch(0o600, exist_ok=False)
            partial.write_bytes(made)
    return made
