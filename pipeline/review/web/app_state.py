"""Everything that the requests share: the record, the slides, their pictures, the queue."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from leukodiff.core.errors import LeukodiffError
from leukodiff.pipeline.analysis.models import NamesCells
from leukodiff.pipeline.runs.analyze import AnalyzeSettings
from leukodiff.pipeline.runs.output import prepare

from ..record import RateLimiter, Record
from ..service.cell_classifier import CellClassifier
from ..service.images import ImagePool
from ..service.jobs import Job, Queue
from ..service.people import Person
from ..service.pictures import Pictures, picture_cache, prune
from ..service.reference_cells import References
from ..service.reviews import Reviews
from ..service.settings import ReviewSettings
from ..service.slide_store import SlideStore
from ..service.tiles import Tiles
from .errors import ApiError
from .security import Tokens, kept_secret

log = logging.getLogger("leukodiff")

SHUTDOWN_GRACE_S = 5.0
"""Time that the thread of a start is given to end."""

REFUSAL_MAX_LETTERS = 200
"""Letters of a refused request that are recorded: an attacker chooses them."""

LoadClassifier = Callable[[], NamesCells]


@dataclass
class ReviewApp:
    """Shared state of a review: `open` starts what runs, `close` ends it.

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
        self._starting: threading.Thread | None = None
        self.streams = threading.Semaphore(limits.streams)
        prepare(settings.out)
        secret = kept_secret(settings.hidden / "secret")
        self.tokens = Tokens(secret, settings.port, is_tls=settings.scheme == "https")
        self.slide_store = SlideStore(settings.out)
        self.reviews = Reviews(self.record, self.slide_store, settings.readers)
        images = ImagePool(limits.images_bytes)
        self._crops = settings.hidden / "crops"
        self.pictures = Pictures(images, picture_cache(limits.tiles_bytes), self._crops)
        self.references = References(settings.reference_folder)
        self.tiles = Tiles(images, picture_cache(limits.tiles_bytes))
        self.cell_classifier = CellClassifier(self.load_classifier, images)
        analysis = AnalyzeSettings(
            threads=settings.threads, detector=settings.detector, classifier=settings.classifier
        )
        self.queue = Queue(
            settings.hidden / "queue", settings.out, limits.queued, analysis, self._analyzed
        )

    def open(self) -> None:
        """Takes up the slides there are and the queue."""
        self._add_new_slides()
        self._starting = threading.Thread(target=self._recount, daemon=True)
        self._starting.start()
        self.queue.start()

    def close(self) -> None:
        """Ends the analysis that runs, and gives back the record."""
        self.closing.set()
        if self._starting:
            self._starting.join(SHUTDOWN_GRACE_S)
        self.queue.close()
        self.record.close()

    def record_refusal(self, person: Person, where: str, error: ApiError) -> None:
        """Records a refusal, a few of each kind at a time."""
        skipped = self.refusal_limiter.admit(error.what)
        if skipped is None:
            return
        more = f" ({skipped} more of this kind)" if skipped else ""
        why = error.error[:REFUSAL_MAX_LETTERS] + more
        where = where[:REFUSAL_MAX_LETTERS]
        try:
            self.record.refuse(person.name or "?", error.what, why, address=where)
        except LeukodiffError as failed:
            log.error("a refusal could not be recorded: %s", failed)

    def _analyzed(self, job: Job) -> None:
        self.slide_store.refresh(now=True)
        self._add_new_slides()

    def _add_new_slides(self) -> None:
        try:
            self.reviews.add_new_slides()
        except LeukodiffError as error:
            log.error("the slides could not be taken up: %s", error)

    def _recount(self) -> None:
        """Work that a start need not wait for."""
        try:
            self.reviews.update_summaries()
        except LeukodiffError as error:
            log.error("the worklist may be out of date: %s", error)
        prune(self._crops, self.settings.limits.crops_on_disk)
