"""Questions about people."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import BindParameter, ColumnElement, Row, and_, bindparam, func, or_, select
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.areas.models import Area
from app.areas.queries import within
from app.journal.models import Administration
from app.kit.columns import Moment, columns_of
from app.kit.house import Credentials, Work
from app.kit.paging import Page, Slice
from app.kit.refusals import NotFound, NotPermitted, Unauthenticated
from app.kit.shelves import EDITION, told_edition
from app.people.actors import Actor, Person, system_actor
from app.people.models import Account, ApiKey, DeviceSession, Post
from app.people.schemas import (
    AccountOut,
    AdminAccountOut,
    AdministrationOut,
    ApiKeyOut,
    DeviceOut,
    HolderOut,
    MeOut,
    PlaceOut,
    PostOut,
)
from app.people.words import KEY_SHOWN, KeyVerb, PostKind, is_key

_log = structlog.get_logger("ujung.keys")


class AccountNotFound(NotFound):
    code, title, judul = "account_not_found", "No such account", "Akun tidak ditemukan"


class PostNotFound(NotFound):
    code, title, judul = "post_not_found", "No such post", "Jabatan tidak ditemukan"


class PostNotHeld(NotPermitted):
    code = "post_not_held"
    title, judul = "You do not hold the post that X-Post names", "Anda tidak memegang jabatan pada X-Post"


class NoPost(NotPermitted):
    code, title, judul = "no_post", "You hold no post now", "Anda sedang tidak memegang jabatan"


class KeyNotAdmitted(NotPermitted):
    code, title, judul = "key_not_admitted", "No API key opens this", "Tidak dapat diakses dengan kunci API"


class VerbNotGranted(NotPermitted):
    code, title = "verb_not_granted", "This key was not made for this"
    judul = "Kunci ini tidak diberi wewenang untuk ini"


class KeyNotFound(NotFound):
    code, title, judul = "key_not_found", "No such key", "Kunci tidak ditemukan"


class PasswordChangeRequired(NotPermitted):
    code = "password_change_required"
    title, judul = "Choose a password of your own first", "Ganti dahulu kata sandi sekali pakai Anda"


# -- who asks --------------------------------------------------------------------------------------------------------


def identify(work: Work[Any], credentials: Credentials) -> Actor | Person:
    """Who asks, and the edition of the reference data, in one statement.

    The post is the one that X-Post names; without it the latest that is held for good, else the latest that is held
    as acting. What concerns only the account itself needs no post, nor a password changed. A system shows a key.
    """
    if credentials.token is not None and is_key(credentials.token):
        return _system(work, credentials, credentials.token)
    known = {"token_hash": hash_of(credentials.token), "now": work.now} if credentials.token else None
    rows = work.session.connection().execute(_BY_TOKEN, known).all() if known else []
    if not rows:
        raise Unauthenticated
    told_edition(work.session, rows[0].edition)
    device = rows[0]
    post = _chosen([row for row in rows if row.post_id is not None], credentials.post)
    if credentials.for_account:
        return Person(
            account_id=device.account_id,
            username=device.username,
            name=device.name,
            post_id=post.post_id if post else None,
            session_id=device.session_id,
            must_change_password=device.must_change_password,
            last_used_at=device.last_used_at,
        )
    if device.must_change_password:
        raise PasswordChangeRequired
    if post is None:
        raise NoPost
    return Actor(
        account_id=device.account_id,
        name=device.name,
        post_id=post.post_id,
        kind=post.kind,
        area_code=post.area_code,
        agency_code=post.agency_code,
        acting=post.acting,
        session_id=device.session_id,
        must_change_password=device.must_change_password,
        last_used_at=device.last_used_at,
    )


def _chosen(posts: Sequence[Row[Any]], wanted: UUID | None) -> Row[Any] | None:
    if wanted is None:
        return max(posts, key=lambda post: (not post.acting, post.since, post.post_id), default=None)
    for post in posts:
        if post.post_id == wanted:
            return post
    raise PostNotHeld


def _system(work: Work[Any], credentials: Credentials, token: str) -> Actor:
    """The system that shows a key, acting as its agency; that it asked, and for what, is logged."""
    known = {"token_hash": hash_of(token), "now": work.now}
    key = work.session.connection().execute(_BY_KEY, known).one_or_none()
    if key is None:
        _log.warning(
            "api key refused", key=token[:KEY_SHOWN], operation=credentials.operation, code=Unauthenticated.code
        )
        raise Unauthenticated
    told_edition(work.session, key.edition)
    verbs = frozenset(key.verbs)
    refusal = _refused_to_key(credentials, verbs)
    log = _log.bind(key=key.prefix, agency=key.agency_code, operation=credentials.operation)
    if refusal is not None:
        log.warning("api key refused", code=refusal.code)
        raise refusal
    log.info("api key used")
    return system_actor(key.id, f"API {key.name}", key.agency_code, verbs, last_used_at=key.last_used_at)


def _refused_to_key(credentials: Credentials, verbs: frozenset[str]) -> NotPermitted | None:
    if not credentials.admits:
        return KeyNotAdmitted()
    if credentials.post is not None:
        return PostNotHeld()
    return None if credentials.admits & verbs else VerbNotGranted()


def hash_of(token: str) -> str:
    """What we keep of a token. It has 256 random bits, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode(errors="backslashreplace")).hexdigest()


def alive(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Devices that are logged in at this moment."""
    return and_(col(DeviceSession.revoked_at).is_(None), col(DeviceSession.expires_at) > now)


def held(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Posts that are held at this moment."""
    return and_(col(Post.since) <= now, or_(col(Post.until).is_(None), col(Post.until) > now))


_NOW: BindParameter[datetime] = bindparam("now", type_=Moment)

_DEVICE, _ACCOUNT, _POST = columns_of(DeviceSession), columns_of(Account), columns_of(Post)

_BY_TOKEN: Any = (
    select(
        _DEVICE.id.label("session_id"),
        _DEVICE.last_used_at,
        _ACCOUNT.id.label("account_id"),
        _ACCOUNT.username,
        _ACCOUNT.name,
        _ACCOUNT.must_change_password,
        _POST.id.label("post_id"),
        _POST.kind,
        _POST.area_code,
        _POST.agency_code,
        _POST.acting,
        _POST.since,
        EDITION.label("edition"),
    )
    .join_from(_DEVICE.id.table, _ACCOUNT.id.table, _ACCOUNT.id == _DEVICE.account_id)
    .outerjoin(_POST.id.table, and_(_POST.account_id == _ACCOUNT.id, held(_NOW)))
    .where(_DEVICE.token_hash == bindparam("token_hash"), alive(_NOW), _ACCOUNT.disabled_at.is_(None))
)
"""The device and its account, once for each post held; nothing where the token is not, or no longer, good.

Made once: a statement that is put together anew for each request costs as much as it does to run.
"""


_KEY, _AGENCY = columns_of(ApiKey), columns_of(Agency)

_BY_KEY: Any = (
    select(
        _KEY.id,
        _KEY.name,
        _KEY.prefix,
        _KEY.agency_code,
        _KEY.verbs,
        _KEY.last_used_at,
        EDITION.label("edition"),
    )
    .join_from(_KEY.id.table, _AGENCY.code.table, _AGENCY.code == _KEY.agency_code)
    .where(
        _KEY.token_hash == bindparam("token_hash"),
        _KEY.revoked_at.is_(None),
        or_(_KEY.expires_at.is_(None), _KEY.expires_at > _NOW),
        _AGENCY.active,
    )
)
"""The key; nothing where it is not, or no longer, good, or its agency is given no work any more."""


def vacant(session: Session, kind: PostKind, area_codes: Iterable[str], now: datetime) -> set[str]:
    """Those of the areas whose post of this kind nobody holds now, not even an acting holder."""
    wanted = set(area_codes)
    if not wanted:
        return set()
    statement = (
        select(col(Post.area_code))
        .join(Account, col(Account.id) == col(Post.account_id))
        .where(col(Post.area_code).in_(wanted), col(Post.kind) == kind, held(now), col(Account.disabled_at).is_(None))
        .distinct()
    )
    return wanted - {code for code in session.scalars(statement) if code is not None}


# -- one's own account -----------------------------------------------------------------------------------------------


def me(work: Work[Person]) -> MeOut:
    """The caller, the posts they hold, and the one they act under."""
    caller = work.caller
    posts = posts_of(work.session, [caller.account_id], work.now)[caller.account_id]
    return MeOut(
        account=AccountOut(id=caller.account_id, username=caller.username, name=caller.name),
        posts=posts,
        post=next((post for post in posts if post.id == caller.post_id), None),
        must_change_password=caller.must_change_password,
    )


def devices(session: Session, page: Slice, account_id: UUID, now: datetime, current: UUID | None) -> Page[DeviceOut]:
    """The devices on which an account is logged in, newest first."""
    statement = select(DeviceSession).where(col(DeviceSession.account_id) == account_id, alive(now))
    rows = session.scalars(page.apply(statement, col(DeviceSession.id))).all()
    items, after = page.cut(rows, "id")
    shown = [
        DeviceOut(
            id=each.id,
            device=each.device,
            created_at=each.created_at,
            last_used_at=each.last_used_at,
            expires_at=each.expires_at,
            current=each.id == current,
        )
        for each in items
    ]
    return Page(items=shown, next=after)


def devices_of(work: Work[Any], page: Slice, account_id: UUID) -> Page[DeviceOut]:
    """The devices of an account that there is."""
    known_account(work.session, account_id)
    return devices(work.session, page, account_id, work.now, current=work.caller.session_id)


# -- accounts --------------------------------------------------------------------------------------------------------


def account_named(session: Session, username: str) -> Account | None:
    """The account of this name, disabled or not."""
    return session.scalars(select(Account).where(col(Account.username) == username)).one_or_none()


def known_account(session: Session, account_id: UUID) -> Account:
    """The account of this id."""
    account = session.get(Account, account_id)
    if account is None:
        raise AccountNotFound
    return account


def accounts(session: Session, page: Slice, looked_for: str | None, now: datetime) -> Page[AdminAccountOut]:
    """Accounts, newest first; those whose username or name holds what is looked for."""
    statement = select(Account)
    if looked_for:
        key = looked_for.lower()
        statement = statement.where(
            or_(
                col(Account.username).contains(key, autoescape=True),
                func.lower(col(Account.name)).contains(key, autoescape=True),
            )
        )
    rows = session.scalars(page.apply(statement, col(Account.id))).all()
    items, after = page.cut(rows, "id")
    posts = posts_of(session, [each.id for each in items], now)
    return Page(items=[_admin_account(each, posts[each.id]) for each in items], next=after)


def account(session: Session, account_id: UUID, now: datetime) -> AdminAccountOut:
    """One account with the posts it holds now."""
    found = known_account(session, account_id)
    return _admin_account(found, posts_of(session, [account_id], now)[account_id])


def _admin_account(account: Account, posts: list[PostOut]) -> AdminAccountOut:
    return AdminAccountOut(
        id=account.id,
        username=account.username,
        name=account.name,
        must_change_password=account.must_change_password,
        created_at=account.created_at,
        disabled_at=account.disabled_at,
        posts=posts,
    )


def account_out(account: Account) -> AccountOut:
    return AccountOut(id=account.id, username=account.username, name=account.name)


# -- posts -----------------------------------------------------------------------------------------------------------


def posts_of(session: Session, account_ids: Collection[UUID], now: datetime) -> dict[UUID, list[PostOut]]:
    """The posts these accounts hold now, the ones for good before the acting ones, the latest first."""
    posts: dict[UUID, list[PostOut]] = {account_id: [] for account_id in account_ids}
    statement = _with_places().where(col(Post.account_id).in_(account_ids), held(now))
    for row in (
        session.execute(statement.order_by(col(Post.acting), col(Post.since).desc(), col(Post.id).desc()))
        if posts
        else ()
    ):
        posts[row.Post.account_id].append(PostOut(**_post(row)))
    return posts


def holders(
    session: Session,
    page: Slice,
    now: datetime,
    *,
    kind: PostKind | None = None,
    area: str | None = None,
    agency: str | None = None,
    account_id: UUID | None = None,
    past: bool = False,
) -> Page[HolderOut]:
    """Who holds which post, the latest appointment first; with `past`, also who held them."""
    statement = _with_places()
    if kind is not None:
        statement = statement.where(col(Post.kind) == kind)
    if area is not None:
        statement = statement.where(within(col(Post.area_code), area))
    if agency is not None:
        statement = statement.where(col(Post.agency_code) == agency)
    if account_id is not None:
        statement = statement.where(col(Post.account_id) == account_id)
    if not past:
        statement = statement.where(or_(col(Post.until).is_(None), col(Post.until) > now))
    rows = session.execute(page.apply(statement, col(Post.id))).all()
    items, after = page.cut(rows, "id")
    return Page(items=[_holder(row) for row in items], next=after)


def holders_by_id(session: Session, ids: Collection[UUID]) -> dict[UUID, HolderOut]:
    """These holdings, whether current or not."""
    rows = session.execute(_with_places().where(col(Post.id).in_(ids)))
    return {row.id: _holder(row) for row in rows}


def _with_places() -> Any:
    return (
        select(
            Post,
            col(Post.id).label("id"),
            Account,
            col(Area.name).label("area_name"),
            col(Agency.name).label("agency_name"),
        )
        .join(Account, col(Account.id) == col(Post.account_id))
        .outerjoin(Area, col(Area.code) == col(Post.area_code))
        .outerjoin(Agency, col(Agency.code) == col(Post.agency_code))
    )


def _holder(row: Row[Any]) -> HolderOut:
    return HolderOut(**_post(row), account=account_out(row.Account))


def _post(row: Row[Any]) -> dict[str, Any]:
    post: Post = row.Post
    return {
        "id": post.id,
        "kind": post.kind,
        "kind_label": post.kind.label,
        "area": PlaceOut(code=post.area_code, name=row.area_name) if post.area_code else None,
        "agency": PlaceOut(code=post.agency_code, name=row.agency_name) if post.agency_code else None,
        "acting": post.acting,
        "since": post.since,
        "until": post.until,
    }


# -- keys of systems -------------------------------------------------------------------------------------------------


def keys_of(actor: Actor) -> str | None:
    """The agency whose keys somebody sees, None for all; refuses whoever is neither of an agency nor admin."""
    if not actor.is_admin and not actor.kind.in_agency:
        raise NotPermitted("Keys are for agencies.")
    return None if actor.is_admin else actor.agency_code


def api_keys(work: Work[Actor], page: Slice, agency: str | None) -> Page[ApiKeyOut]:
    """The keys that somebody sees, newest first, those that are over included."""
    statement = _with_makers()
    own = keys_of(work.caller)
    for code in (own, agency):
        if code is not None:
            statement = statement.where(col(ApiKey.agency_code) == code)
    rows = work.session.execute(page.apply(statement, col(ApiKey.id))).all()
    items, after = page.cut(rows, "id")
    return Page(items=[_api_key(row) for row in items], next=after)


def api_key(session: Session, key_id: UUID) -> ApiKeyOut:
    """A key that there is."""
    return _api_key(session.execute(_with_makers().where(col(ApiKey.id) == key_id)).one())


def _with_makers() -> Any:
    return select(ApiKey, col(ApiKey.id).label("id"), Account).outerjoin(
        Account, col(Account.id) == col(ApiKey.created_by)
    )


def _api_key(row: Row[Any]) -> ApiKeyOut:
    key: ApiKey = row.ApiKey
    return ApiKeyOut(
        id=key.id,
        agency=key.agency_code,
        name=key.name,
        prefix=key.prefix,
        verbs=[KeyVerb(each) for each in key.verbs],
        created_at=key.created_at,
        created_by=account_out(row.Account) if row.Account else None,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


# -- the journal of administration -----------------------------------------------------------------------------------


def administration(
    session: Session, page: Slice, *, kind: str | None = None, subject: str | None = None, by: UUID | None = None
) -> Page[AdministrationOut]:
    """What admins did, the latest first."""
    statement: Any = select(
        Administration, col(Administration.at).label("at"), col(Administration.id).label("id"), Account
    ).outerjoin(Account, col(Account.id) == col(Administration.account_id))
    if kind is not None:
        statement = statement.where(col(Administration.kind) == kind)
    if subject is not None:
        statement = statement.where(col(Administration.subject) == subject)
    if by is not None:
        statement = statement.where(col(Administration.account_id) == by)
    rows = session.execute(page.apply(statement, col(Administration.at), col(Administration.id))).all()
    items, after = page.cut(rows, "at", "id")
    shown = [
        AdministrationOut(
            id=row.Administration.id,
            at=row.Administration.at,
            kind=row.Administration.kind,
            subject=row.Administration.subject,
            by=account_out(row.Account) if row.Account else None,
            data=row.Administration.data,
        )
        for row in items
    ]
    return Page(items=shown, next=after)
