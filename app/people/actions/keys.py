"""Keys of agencies' systems: made, and taken back."""

import secrets
from uuid import UUID

from app.agencies.queries import known_agency
from app.journal import actions as journal
from app.kit.house import Work
from app.kit.ids import new_id
from app.kit.refusals import Conflict, NotPermitted, Unprocessable
from app.people import queries
from app.people.actors import Actor
from app.people.models import ApiKey
from app.people.queries import KeyNotFound
from app.people.schemas import ApiKeyIn, ApiKeyMade, ApiKeyOut
from app.people.words import KEY_BEGINS, KEY_SHOWN, KeyVerb, PostKind


class AgencyRequired(Unprocessable):
    code, title, judul = "agency_required", "Name the agency", "Sebutkan instansinya"


class AgencyInactive(Conflict):
    code, title = "agency_inactive", "This agency is given no work any more"
    judul = "Instansi ini sudah tidak aktif"


class ExpiryPassed(Unprocessable):
    code, title, judul = "expiry_passed", "It would be over already", "Masa berlakunya sudah lewat"


def create(work: Work[Actor], body: ApiKeyIn) -> ApiKeyMade:
    """A new key of an agency: made by its head for their own, by an admin for any.

    Its id is ours to choose, never the client's: it stands where else an account's id does, in photos, facts and
    remembered answers, and nobody may choose to be somebody.
    """
    agency = known_agency(work.session, _agency_for(work.caller, body.agency))
    if not agency.active:
        raise AgencyInactive
    if body.expires_at is not None and body.expires_at <= work.now:
        raise ExpiryPassed
    token = KEY_BEGINS + secrets.token_urlsafe(32)
    key = ApiKey(
        id=new_id(),
        agency_code=agency.code,
        name=body.name,
        prefix=token[:KEY_SHOWN],
        token_hash=queries.hash_of(token),
        verbs=[verb.value for verb in KeyVerb if verb in body.verbs],
        created_at=work.now,
        created_by=work.caller.person_id,
        expires_at=body.expires_at,
    )
    work.session.add(key)
    work.session.flush()
    _note(work, "api_key.created", key)
    return ApiKeyMade(key=queries.api_key(work.session, key.id), token=token)


def without_token(made: ApiKeyMade) -> ApiKeyMade:
    """What may be kept of the answer: a request sent again has no further effect, and is not told the secret again."""
    return made.model_copy(update={"token": None})


def revoke(work: Work[Actor], key_id: UUID) -> ApiKeyOut:
    """The key opens nothing any more, from the next request on. One that was revoked before stays as it is."""
    own = queries.keys_of(work.caller)
    key = work.session.get(ApiKey, key_id, with_for_update={"key_share": True}, populate_existing=True)
    if key is None or own not in (None, key.agency_code):
        raise KeyNotFound
    _manage(work.caller)
    if key.revoked_at is None:
        key.revoked_at = work.now
        work.session.flush()
        _note(work, "api_key.revoked", key)
    return queries.api_key(work.session, key_id)


def _agency_for(actor: Actor, named: str | None) -> str:
    own = queries.keys_of(actor)
    _manage(actor)
    if own is not None and named not in (None, own):
        raise NotPermitted("Keys are made for your own agency only.")
    if (code := own or named) is None:
        raise AgencyRequired
    return code


def _manage(actor: Actor) -> None:
    if actor.kind is PostKind.OFFICER:
        raise NotPermitted("The head of the agency makes and revokes keys.")


def _note(work: Work[Actor], kind: str, key: ApiKey) -> None:
    until = key.expires_at.isoformat() if key.expires_at else None
    journal.administration(
        work,
        kind,
        f"agency:{key.agency_code}",
        key=str(key.id),
        name=key.name,
        prefix=key.prefix,
        verbs=list(key.verbs),
        expires_at=until,
    )
