"""Wire shapes of links."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.agencies.words import OfficeEmail
from app.kit.words import In, Out
from app.links.words import LinkDays, LinkState, MailState


class LinkIn(In):
    """A link to be made."""

    email: OfficeEmail | None = Field(default=None, description="Where to send it; else you pass it on yourself.")
    days: LinkDays | None = Field(default=None, description="For how long it is good; without it, as long as may be.")


class LinkMailOut(Out):
    """What became of the mail with a link."""

    to: str
    state: MailState
    state_label: str
    attempts: int
    sent_at: datetime | None
    next_at: datetime | None = Field(description="When it is tried next, while it waits.")


class LinkKept(Out):
    """A link, without what opens it."""

    id: UUID
    reference: str = Field(description="How what is done through it names it: `Tautan …`.", examples=["9c0ffee1"])
    assignment_id: UUID
    problem_id: UUID
    agency: str
    state: LinkState
    state_label: str
    created_at: datetime
    created_by: str = Field(description="`Sistem` where the agency was sent it by itself.")
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="When something was last done through it.")
    mail: LinkMailOut | None


class LinkOut(LinkKept):
    """A link to one assignment. Whoever has its address acts for the agency, on that assignment alone."""

    url: str | None = Field(description="What to pass on; null once it opens nothing any more.")
