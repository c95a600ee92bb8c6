"""Why the record refuses: each one line fit for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from leukodiff.core.errors import LeukodiffError

if TYPE_CHECKING:
    from .events import Event
    from .state import SlideState


class RecordError(LeukodiffError):
    """The record can't be opened, read or written; see whether what was to be kept is there."""


class Locked(LeukodiffError):  # noqa: N818
    """The slide, or this reader's reading of it, is signed: it must be re-opened first."""


class StaleSignature(LeukodiffError):  # noqa: N818
    """A signature for a state that is not the present one: an older one, or sent twice."""


class Conflict(LeukodiffError):  # noqa: N818
    """Someone changed the same cells since.

    `mine` is what was to be done to each cell that both touched and `theirs` what it is now: a
    type, `None` for as the machine said, `"removed"`; the key `""` is the comment. `since` are the
    events that touched them, `state` is the present one.
    """

    def __init__(
        self,
        state: SlideState,
        since: tuple[Event, ...],
        mine: Mapping[str, str | None],
        theirs: Mapping[str, str | None],
    ) -> None:
        self.state, self.since, self.mine, self.theirs = state, since, mine, theirs
        who = ", ".join(dict.fromkeys(event.actor for event in since)) or "someone"
        what = ", ".join(key or "the comment" for key in list(theirs)[:5])
        more = f" and {len(theirs) - 5} more" if len(theirs) > 5 else ""
        super().__init__(f"{state.slide}: {who} changed {what}{more} meanwhile; look again")
