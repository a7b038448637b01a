"""Opening accounts, resetting their passwords, closing and opening them again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlmodel import Session, col

from app.journal import actions as journal
from app.kit.doors import Door
from app.kit.house import Caller, Work
from app.kit.ids import new_id
from app.kit.refusals import Conflict
from app.kit.rules import by_admin
from app.people import queries
from app.people.actions.devices import locked, revoke
from app.people.models import Account, Post
from app.people.passwords import one_time_password, passwords
from app.people.schemas import AccountIn, AdminAccountOut, OneTimePassword
from app.people.words import PostKind


class UsernameTaken(Conflict):
    code, title, judul = "username_taken", "Somebody has this username", "Nama pengguna ini sudah dipakai"


class LastAdmin(Conflict):
    code, title = "last_admin", "Nobody else could administer this installation"
    judul = "Tidak akan ada admin lain"


def create_account(work: Work[Any], username: str, name: str, password_hash: str, *, one_time: bool = True) -> Account:
    """A new account; a one-time password is good for choosing another and nothing else."""
    if queries.account_named(work.session, username) is not None:
        raise UsernameTaken
    account = Account(
        id=new_id(),
        username=username,
        name=name,
        password_hash=password_hash,
        must_change_password=one_time,
        created_at=work.now,
    )
    work.session.add(account)
    work.session.flush()
    journal.administration(work, "account.created", username, account=str(account.id), name=name)
    return account


def reset_password(work: Work[Any], account_id: UUID, password_hash: str) -> Account:
    """The account gets a one-time password, and all its devices are logged out."""
    account = locked(work.session, account_id)
    account.password_hash, account.must_change_password = password_hash, True
    revoked = revoke(work, account_id)
    journal.administration(work, "password.reset", account.username, devices=revoked)
    return account


def disable(work: Work[Any], account_id: UUID) -> AdminAccountOut:
    """Nobody logs in with this account any more; its posts stay, so replace whoever held one."""
    keep_an_admin(work.session, work.now, without_account=account_id)
    account = locked(work.session, account_id)
    if account.disabled_at is None:
        account.disabled_at = work.now
        revoked = revoke(work, account_id)
        journal.administration(work, "account.disabled", account.username, devices=revoked)
    return queries.account(work.session, account_id, work.now)


def enable(work: Work[Any], account_id: UUID) -> AdminAccountOut:
    """The account can be logged in with again."""
    account = locked(work.session, account_id)
    if account.disabled_at is not None:
        account.disabled_at = None
        journal.administration(work, "account.enabled", account.username)
    return queries.account(work.session, account_id, work.now)


def keep_an_admin(
    session: Session, now: datetime, *, without_account: UUID | None = None, without_post: UUID | None = None
) -> None:
    """Refuses to take away the last admin; two who remove each other at once take turns here."""
    statement = (
        select(col(Post.id), col(Post.account_id))
        .join(Account, col(Account.id) == col(Post.account_id))
        .where(col(Post.kind) == PostKind.ADMIN, queries.held(now), col(Account.disabled_at).is_(None))
        .order_by(col(Post.id))
        .with_for_update(key_share=True)
    )
    admins = session.execute(statement).all()
    left = [each for each in admins if without_post != each.id and without_account != each.account_id]
    if admins and not left:
        raise LastAdmin


# -- with a password to be made, outside the transactions ------------------------------------------------------------


def open_account(door: Door[Caller], body: AccountIn) -> OneTimePassword:
    """A new account and the password to hand over."""

    def free(work: Work[Any]) -> None:
        if queries.account_named(work.session, body.username) is not None:
            raise UsernameTaken

    def create(work: Work[Any], password_hash: str) -> AdminAccountOut:
        account = create_account(work, body.username, body.name, password_hash)
        return queries.account(work.session, account.id, work.now)

    door.ask(by_admin(free))
    password = one_time_password()
    hashed = passwords(door.house).hash(password)
    shown = door.act(by_admin(lambda work: create(work, hashed)))
    return OneTimePassword(account=shown, password=password.get_secret_value())


def renew_password(door: Door[Caller], account_id: UUID) -> OneTimePassword:
    """A one-time password in the place of one forgotten or lost."""

    def reset(work: Work[Any], password_hash: str) -> AdminAccountOut:
        reset_password(work, account_id, password_hash)
        return queries.account(work.session, account_id, work.now)

    door.ask(by_admin(lambda work: queries.known_account(work.session, account_id).id))
    password = one_time_password()
    hashed = passwords(door.house).hash(password)
    shown = door.act(by_admin(lambda work: reset(work, hashed)))
    return OneTimePassword(account=shown, password=password.get_secret_value())
