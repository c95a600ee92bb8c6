"""The record of a review: who did what to which slide and when, kept for good."""

from .apply import (
    STATEMENT,
    Difference,
    agreement,
    applied,
    differences,
    may_sign,
    open_cells,
    signing,
)
from .database import RECORD_FILE
from .errors import Conflict, Locked, RecordError, StaleSignature
from .event_log import Record
from .events import OPERATOR, Event
from .hash_chain import Fault, Head
from .people import (
    ADMINISTRATOR,
    PATHOLOGIST,
    ROLES,
    TECHNOLOGIST,
    LockedOut,
    People,
    User,
)
from .refusals import RateLimiter
from .replay import fold
from .state import (
    ANALYZED,
    IN_REVIEW,
    REMOVED,
    STATE_SIGNED,
    THIRD,
    Reading,
    Signature,
    SlideState,
    cell_payload,
    digest,
)
from .undo_redo import Change, redo, undo
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
    "SlideRow",
    "SlideState",
    "StaleSignature",
    "User",
    "agreement",
    "applied",
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
