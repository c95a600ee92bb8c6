"""The record of a review: every event with its person, slide and time, kept for good."""

from .accounts import ADMINISTRATOR, PATHOLOGIST, ROLES, TECHNOLOGIST, User
from .apply import (
    STATEMENT,
    Difference,
    agreement,
    apply_review,
    differences,
    may_sign,
    open_cells,
    signing,
)
from .database import RECORD_FILE, RecordError
from .event_log import Record, SlideHistory
from .events import OPERATOR, Event, RateLimiter, cell_payload
from .hash_chain import Fault, Head
from .replay import Change, fold, redo, undo
from .rules import Conflict, Locked, StaleSignature
from .sessions import LockedOut, People
from .state import (
    ANALYZED,
    IN_REVIEW,
    REMOVED,
    STATE_SIGNED,
    THIRD,
    Reading,
    Signature,
    SlideState,
    digest,
)
from .worklist import SlideRow

__all__ = [
    "ADMINISTRATOR",
    "ANALYZED",
    "IN_REVIEW",
    "OPERATOR",
    "PATHOLOGIST",
    "RECORD_FILE",
    "REMOVED",
    "ROLES",
    "STATEMENT",
    "STATE_SIGNED",
    "TECHNOLOGIST",
    "THIRD",
    "Change",
    "Conflict",
    "Difference",
    "Event",
    "Fault",
    "Head",
    "Locked",
    "LockedOut",
    "People",
    "RateLimiter",
    "Reading",
    "Record",
    "RecordError",
    "Signature",
    "SlideHistory",
    "SlideRow",
    "SlideState",
    "StaleSignature",
    "User",
    "agreement",
    "apply_review",
    "cell_payload",
    "differences",
    "digest",
    "fold",
    "may_sign",
    "open_cells",
    "redo",
    "signing",
    "undo",
]
