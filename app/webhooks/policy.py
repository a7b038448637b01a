"""Who may: the endpoints of an agency, and what is delivered to them.

The head of an agency, and a system of it with a key for that, manage its endpoints; its officers read them; an admin
manages those of any. Another agency's are a 404, and who works in no agency is refused before anything is looked up.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import false, true
from sqlmodel import col

from app.kit.refusals import NotPermitted
from app.kit.rules import Rule
from app.people.actors import Actor
from app.people.words import KeyVerb, PostKind
from app.webhooks.models import Endpoint

EndpointRule = Rule[Actor]


def _post(*kinds: PostKind) -> EndpointRule:
    return Rule(
        lambda who, endpoint, now: who.kind in kinds,
        lambda who, now: true() if who.kind in kinds else false(),
        frozenset(kinds),
    )


def _key_allows() -> EndpointRule:
    """A person needs no key; a system's has to name the verb."""
    return Rule(
        lambda who, endpoint, now: who.grants(KeyVerb.ENDPOINTS),
        lambda who, now: true() if who.grants(KeyVerb.ENDPOINTS) else false(),
    )


def _of_own_agency() -> EndpointRule:
    return Rule(
        lambda who, endpoint, now: who.agency_code is not None and endpoint.agency_code == who.agency_code,
        lambda who, now: false() if who.agency_code is None else col(Endpoint.agency_code) == who.agency_code,
    )


_own: Final = _key_allows() & _of_own_agency()

see: Final = _post(PostKind.ADMIN) | (_post(PostKind.HEAD, PostKind.OFFICER) & _own)
manage: Final = _post(PostKind.ADMIN) | (_post(PostKind.HEAD) & _own)


def only_concerned(who: Actor, rule: EndpointRule) -> None:
    """Refuses whoever could do this with no endpoint at all."""
    if not rule.ever(who.kind):
        raise NotPermitted


def only_managing(who: Actor, endpoint: Endpoint, now: datetime) -> None:
    """Refuses whoever sees this endpoint and may not manage it."""
    if not manage.holds(who, endpoint, now):
        raise NotPermitted
