"""Who holds which post: appointing, ending, handing an office over."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlmodel import Session, col

from app.agencies.models import Agency
from app.agencies.queries import known_agency
from app.areas.models import Area
from app.areas.queries import known as known_area
from app.areas.words import level_of
from app.journal import actions as journal
from app.kit.doors import Door
from app.kit.house import Caller, House, Work
from app.kit.ids import new_id
from app.kit.refusals import Conflict, Unprocessable
from app.kit.rules import by_admin, only_admin
from app.people import queries
from app.people.actions.accounts import create_account, keep_an_admin
from app.people.actions.devices import locked
from app.people.actors import view
from app.people.models import Post
from app.people.passwords import one_time_password, passwords
from app.people.queries import PostNotFound
from app.people.schemas import Appointment, HolderOut, ReplacedOut, Replacement
from app.people.words import PostKind


class WrongScope(Unprocessable):
    code, title = "wrong_scope", "This post is not held there"
    judul = "Jabatan ini tidak berada di wilayah atau instansi itu"


class WrongTerm(Unprocessable):
    code, title, judul = "wrong_term", "A term ends after it begins", "Masa jabatan berakhir setelah dimulai"


class PostTaken(Conflict):
    code, title, judul = "post_taken", "Somebody holds this post", "Jabatan ini sudah ada pemegangnya"


class PostAlreadyHeld(Conflict):
    code, title, judul = "post_already_held", "They hold this post already", "Jabatan ini sudah dipegang orang itu"


class PostEnded(Conflict):
    code, title, judul = "post_ended", "This post has ended", "Masa jabatan ini sudah berakhir"


class NotOneHolder(Unprocessable):
    code, title = "not_one_holder", "Several people hold such a post; appoint and end them one by one"
    judul = "Jabatan ini dapat dipegang beberapa orang"


class AccountDisabled(Conflict):
    code, title, judul = "account_disabled", "This account is disabled", "Akun ini dinonaktifkan"


def appoint(work: Work[Any], body: Appointment) -> Post:
    """Somebody holds a post from now on, or for the term given."""
    if locked(work.session, body.account).disabled_at is not None:
        raise AccountDisabled
    _lock_place(work.session, body.kind, body.area, body.agency)
    since = body.since or work.now
    if body.until is not None and body.until <= since:
        raise WrongTerm
    post = Post(
        id=new_id(),
        account_id=body.account,
        kind=body.kind,
        area_code=body.area,
        agency_code=body.agency,
        acting=body.acting,
        since=since,
        until=body.until,
    )
    _hold(work.session, post)
    journal.administration(work, "post.appointed", _name(post), **_noted(post))
    return post


def end_post(work: Work[Any], post_id: UUID, until: datetime | None = None) -> Post:
    """A post stops being held, now or at the moment given; one that has not begun is never held."""
    if (post := work.session.get(Post, post_id)) is None:
        raise PostNotFound
    if post.kind is PostKind.ADMIN:
        keep_an_admin(work.session, work.now, without_post=post_id)
    _end(work.session, post, until or work.now, work.now)
    work.session.flush()
    journal.administration(work, "post.ended", _name(post), **_noted(post))
    return post


def replace(work: Work[Any], body: Replacement, password_hash: str | None = None) -> ReplacedOut:
    """Somebody takes over an office from whoever holds it, acting holders included.

    Desks belong to offices, not to people, so the office's open work passes on without being touched.
    """
    if not body.kind.has_one_holder:
        raise NotOneHolder
    if body.new_account is not None:
        assert password_hash is not None
        account = create_account(work, body.new_account.username, body.new_account.name, password_hash)
    else:
        assert body.account is not None
        account = locked(work.session, body.account)
        if account.disabled_at is not None:
            raise AccountDisabled
    _lock_place(work.session, body.kind, body.area, body.agency)
    ended = list(
        work.session.scalars(
            select(Post).where(_same_office(body.kind, body.area, body.agency), queries.held(work.now))
        )
    )
    if any(post.account_id == account.id and post.acting == body.acting for post in ended):
        raise PostAlreadyHeld
    for post in ended:
        _end(work.session, post, work.now, work.now)
    begun = Post(
        id=new_id(),
        account_id=account.id,
        kind=body.kind,
        area_code=body.area,
        agency_code=body.agency,
        acting=body.acting,
        since=work.now,
    )
    work.session.flush()
    _hold(work.session, begun)
    journal.administration(work, "post.replaced", _name(begun), **_noted(begun), ended=[str(post.id) for post in ended])
    shown = queries.holders_by_id(work.session, [begun.id, *(post.id for post in ended)])
    return ReplacedOut(ended=[shown[post.id] for post in ended], begun=shown[begun.id], password=None)


def holder(work: Work[Any], post: Post) -> HolderOut:
    """The post as the API shows it."""
    return queries.holders_by_id(work.session, [post.id])[post.id]


def _lock_place(session: Session, kind: PostKind, area: str | None, agency: str | None) -> None:
    """Refuses a place where no such post is; locks it, so that two appointments to one office take turns."""
    if (area is not None) != (kind.level is not None) or (agency is not None) != kind.in_agency:
        raise WrongScope
    lock: dict[str, Any] = {"with_for_update": {"key_share": True}, "populate_existing": True}
    if area is not None:
        known_area(session, area)
        if level_of(area) is not kind.level:
            raise WrongScope
        session.get(Area, area, **lock)
    if agency is not None:
        if not known_agency(session, agency).has_accounts:
            raise WrongScope("This agency has no accounts; its work is moved by hand.")
        session.get(Agency, agency, **lock)


def _hold(session: Session, post: Post) -> None:
    """Adds the post, unless its account holds it already, or somebody else does for good."""
    overlapping = select(Post).where(
        _same_office(post.kind, post.area_code, post.agency_code),
        or_(col(Post.until).is_(None), col(Post.until) > post.since),
        or_(col(Post.until).is_(None), col(Post.until) > col(Post.since)),
    )
    if post.until is not None:
        overlapping = overlapping.where(col(Post.since) < post.until)
    for other in session.scalars(overlapping):
        if other.account_id == post.account_id:
            raise PostAlreadyHeld
        if post.kind.has_one_holder and not post.acting and not other.acting:
            raise PostTaken
    session.add(post)
    session.flush()


def _end(session: Session, post: Post, until: datetime, now: datetime) -> None:
    session.refresh(post, with_for_update={"key_share": True})
    if post.until is not None and post.until <= now:
        raise PostEnded
    post.until = max(until, now, post.since)


def _same_office(kind: PostKind, area: str | None, agency: str | None) -> ColumnElement[bool]:
    place = col(Post.area_code) == area if area is not None else col(Post.area_code).is_(None)
    body = col(Post.agency_code) == agency if agency is not None else col(Post.agency_code).is_(None)
    return (col(Post.kind) == kind) & place & body


def _name(post: Post) -> str:
    return view(post.kind, post.area_code, post.agency_code)


def _noted(post: Post) -> dict[str, Any]:
    return {
        "post": str(post.id),
        "account": str(post.account_id),
        "acting": post.acting,
        "since": post.since.isoformat(),
        "until": post.until.isoformat() if post.until else None,
    }


# -- with a password to be made, outside the transactions ------------------------------------------------------------


def hand_over(door: Door[Caller], body: Replacement) -> ReplacedOut:
    """Replaces the holder of an office; where the successor is new, with a password to hand over."""
    if body.new_account is None:
        return door.act(by_admin(lambda work: replace(work, body)))
    door.ask(lambda work: only_admin(work.caller))
    password = one_time_password()
    hashed = passwords(door.house).hash(password)
    replaced = door.act(by_admin(lambda work: replace(work, body, hashed)))
    return replaced.model_copy(update={"password": password.get_secret_value()})


def create_admin(house: House, username: str, name: str) -> str:
    """An account that holds the post of admin, and its one-time password; for the command line."""
    password = one_time_password()
    hashed = passwords(house).hash(password)

    def create(session: Session) -> None:
        work: Work[Any] = Work(session, None, house.clock(), house)
        account = create_account(work, username, name, hashed)
        appoint(work, Appointment(account=account.id, kind=PostKind.ADMIN))

    house.database.perform(create)
    return password.get_secret_value()
