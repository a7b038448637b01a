"""Tables of links."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.kit.columns import Code, Moment
from app.links.words import LinkState, MailState


class AssignmentLink(SQLModel, table=True):
    """A link that opens one assignment. The link itself is signed, not stored: it can be told again from its id."""

    __tablename__ = "assignment_link"
    __table_args__ = (
        Index("ix_assignment_link_assignment", "assignment_id", "id"),
        Index("ix_assignment_link_mail", "mail_at"),
    )

    id: UUID = Field(primary_key=True)
    assignment_id: UUID = Field(foreign_key="assignment.id")
    problem_id: UUID = Field(foreign_key="problem.id")
    agency_code: str = Field(foreign_key="agency.code", sa_type=Code(20))
    created_at: datetime = Field(sa_type=Moment)
    created_by: UUID | None = Field(default=None, foreign_key="account.id")
    """None where the system made it, because the agency has an e-mail address and no accounts."""
    expires_at: datetime = Field(sa_type=Moment)
    """In whole seconds; it is signed along."""
    revoked_at: datetime | None = Field(default=None, sa_type=Moment)
    used_at: datetime | None = Field(default=None, sa_type=Moment)
    """When something was last done through it. That it was opened is not noted: mail scanners open links too."""

    mail_to: str | None = Field(default=None, max_length=254)
    mail_at: datetime | None = Field(default=None, sa_type=Moment)
    """When the mail is to be tried next; None where there is nothing to send, or no longer."""
    mail_attempts: int = 0
    mail_sent_at: datetime | None = Field(default=None, sa_type=Moment)

    @property
    def reference(self) -> str:
        """What people call it: the end of its id, which is by chance, as its beginning is only the time."""
        return self.id.hex[-8:]

    def state_at(self, now: datetime) -> LinkState:
        if self.revoked_at is not None:
            return LinkState.REVOKED
        return LinkState.ACTIVE if now < self.expires_at else LinkState.EXPIRED

    @property
    def mail_state(self) -> MailState:
        if self.mail_sent_at is not None:
            return MailState.SENT
        return MailState.UNSENT if self.mail_at is None else MailState.WAITING
