"""Questions about events: what an agency has not acknowledged."""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from app.kit.house import Work
from app.kit.paging import Slice
from app.kit.refusals import NotPermitted
from app.kit.rendering import RenderedPage, cut
from app.people.actors import Actor
from app.webhooks.models import Event
from app.webhooks.payloads import EventOut

_BEFORE_ALL: Final = UUID(int=0)
"""Behind it stand all ids, and nothing that is empty: so both databases begin to read where they have to."""


def agency_of(actor: Actor) -> str:
    """The agency whose events the caller reads; refuses whoever works in none."""
    if not actor.kind.in_agency or actor.agency_code is None:
        raise NotPermitted
    return actor.agency_code


def unacknowledged(work: Work[Actor], slicing: Slice) -> RenderedPage[EventOut]:
    """The events of the caller's agency that it has not acknowledged, oldest first, as they are sent."""
    place = col(Event.open_id)
    statement = select(place, col(Event.payload)).where(col(Event.agency_code) == agency_of(work.caller))
    if slicing.after is None:
        statement = statement.where(place > _BEFORE_ALL)
    rows = work.session.execute(slicing.apply(statement, place, descending=False)).all()
    return cut([f'{{"id":"{event_id}","payload":{payload}}}' for event_id, payload in rows], slicing, "id")
