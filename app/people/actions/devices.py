"""Logging in and out, and changing one's own password."""

import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, delete, or_, select, update
from sqlmodel import Session, col

from app.journal import actions as journal
from app.kit.database import Again
from app.kit.doors import Door
from app.kit.house import House, Work
from app.kit.ids import new_id
from app.kit.refusals import Busy, NotFound, Unauthenticated, Unprocessable
from app.people import queries
from app.people.actors import Actor, Person
from app.people.models import Account, ApiKey, DeviceSession
from app.people.passwords import passwords
from app.people.schemas import LoggedIn, LogIn, PasswordChange, Revoked
from app.people.throttle import throttle

_NOTED_EVERY = timedelta(minutes=10)
_KEPT_AFTER_END = timedelta(days=30)


class WrongCredentials(Unauthenticated):
    code, title, judul = "wrong_credentials", "Wrong name or password", "Nama atau kata sandi salah"


class WrongPassword(Unprocessable):
    code, title = "wrong_password", "The current password is not right"
    judul = "Kata sandi yang sekarang tidak benar"


class PasswordNotAcceptable(Unprocessable):
    code, title = "password_not_acceptable", "Choose another password"
    judul = "Pilih kata sandi yang lain"


class DeviceNotFound(NotFound):
    code, title, judul = "device_not_found", "No such device is logged in", "Perangkat tidak ditemukan"


def log_in(house: House, body: LogIn, address: str | None) -> LoggedIn:
    """A token for a name and password.

    A name nobody has, a disabled account and a wrong password are the same answer after the same work.
    """
    throttle(house).check(body.username.lower(), address)
    logged_in = _attempt(house, body, address) or _attempt(house, body, address)
    if logged_in is None:
        raise WrongCredentials
    return logged_in


def _attempt(house: House, body: LogIn, address: str | None) -> LoggedIn | None:
    """A read, the hashing outside any transaction, then a write; None if the hash was replaced in between."""
    name = body.username.lower()
    with house.database.read() as session:
        account = queries.account_named(session, name)
        known = account.id if account else None
        hashed = account.password_hash if account and account.disabled_at is None else None
    right, renewed = passwords(house).verify(body.password, hashed)
    if known is None or hashed is None or not right:
        throttle(house).count_failure(name, address)
        raise WrongCredentials
    return house.database.perform(
        lambda session: _begin(Work(session, None, house.clock(), house), known, hashed, renewed, body.device)
    )


def _begin(work: Work[Any], account_id: UUID, verified: str, renewed: str | None, device: str) -> LoggedIn | None:
    """A session of the account, unless its hash is no longer the one verified: changed, or renewed by another login."""
    account = locked(work.session, account_id)
    if account.password_hash != verified or account.disabled_at is not None:
        return None
    account.password_hash = renewed or verified
    token = secrets.token_urlsafe(32)
    expires_at = work.now + timedelta(days=work.house.settings.session_days)
    work.session.add(
        DeviceSession(
            id=new_id(),
            account_id=account_id,
            token_hash=queries.hash_of(token),
            device=device,
            created_at=work.now,
            expires_at=expires_at,
            last_used_at=work.now,
        )
    )
    return LoggedIn(
        token=token,
        expires_at=expires_at,
        account=queries.account_out(account),
        posts=queries.posts_of(work.session, [account_id], work.now)[account_id],
        must_change_password=account.must_change_password,
    )


def locked(session: Session, account_id: UUID) -> Account:
    """The account as it is now, locked: logging in and changing a password take turns."""
    account = session.get(Account, account_id, with_for_update={"key_share": True}, populate_existing=True)
    if account is None:
        raise queries.AccountNotFound
    return account


def remember_use(work: Work[Any]) -> None:
    """Notes that the caller's device or key was used, at most every ten minutes, in a small write of its own."""
    caller: Actor | Person = work.caller
    noted_before = work.now - _NOTED_EVERY
    if caller.last_used_at is not None and caller.last_used_at > noted_before:
        return
    table = ApiKey if isinstance(caller, Actor) and caller.verbs is not None else DeviceSession
    used_at = col(table.last_used_at)
    statement = (
        update(table)
        .where(col(table.id) == caller.session_id, or_(used_at.is_(None), used_at <= noted_before))
        .values(last_used_at=work.now)
    )
    with suppress(Busy, Again), work.house.database.write() as session:  # a note missed is no reason to fail
        session.connection().execute(statement)


def log_out(work: Work[Person]) -> Revoked:
    """The device that asks is logged out."""
    return Revoked(revoked=revoke(work, work.caller.account_id, only=work.caller.session_id))


def revoke_own(work: Work[Actor], device_id: UUID) -> Revoked:
    """Another device of one's own, a lost phone, is logged out."""
    revoked = revoke(work, work.caller.account_id, only=device_id)
    if not revoked:
        raise DeviceNotFound
    username = queries.known_account(work.session, work.caller.account_id).username
    journal.administration(work, "device.revoked", username, device=str(device_id))
    return Revoked(revoked=revoked)


def revoke_all(work: Work[Any], account_id: UUID) -> Revoked:
    """Every device of an account is logged out."""
    account = queries.known_account(work.session, account_id)
    revoked = revoke(work, account_id)
    journal.administration(work, "devices.revoked", account.username, devices=revoked)
    return Revoked(revoked=revoked)


def revoke(work: Work[Any], account_id: UUID, *, only: UUID | None = None, but: UUID | None = None) -> int:
    """Logs devices of an account out, and says how many."""
    statement = (
        update(DeviceSession)
        .where(col(DeviceSession.account_id) == account_id, queries.alive(work.now))
        .values(revoked_at=work.now)
    )
    if only is not None:
        statement = statement.where(col(DeviceSession.id) == only)
    if but is not None:
        statement = statement.where(col(DeviceSession.id) != but)
    result: CursorResult[Any] = work.session.connection().execute(statement)
    return result.rowcount


def change_password(door: Door[Person], body: PasswordChange, address: str | None) -> Revoked:
    """A password of one's own choice; every other device is logged out.

    Guessing the old one is slowed like logging in.
    """
    house = door.house
    name, hashed = door.ask(_name_and_hash)
    throttle(house).check(name, address)
    if not passwords(house).verify(body.current, hashed)[0]:
        throttle(house).count_failure(name, address)
        raise WrongPassword
    chosen = body.new.get_secret_value()
    if chosen.casefold() == name or chosen == body.current.get_secret_value():
        raise PasswordNotAcceptable("Neither the username nor the password in use.")
    renewed = passwords(house).hash(body.new)
    return door.act(lambda work: _set_password(work, hashed, renewed))


def _name_and_hash(work: Work[Person]) -> tuple[str, str]:
    return work.caller.username, queries.known_account(work.session, work.caller.account_id).password_hash


def _set_password(work: Work[Person], verified: str, renewed: str) -> Revoked:
    account = locked(work.session, work.caller.account_id)
    if account.password_hash != verified:
        raise WrongPassword
    account.password_hash, account.must_change_password = renewed, False
    revoked = revoke(work, account.id, but=work.caller.session_id)
    journal.administration(work, "password.changed", account.username, devices=revoked)
    return Revoked(revoked=revoked)


def forget_devices(house: House) -> int:
    """Removes devices whose login ended a month ago; answers how many. For the worker's rounds."""
    ended = house.clock() - _KEPT_AFTER_END
    gone = or_(col(DeviceSession.expires_at) <= ended, col(DeviceSession.revoked_at) <= ended)
    with house.database.read() as session:
        if session.scalar(select(col(DeviceSession.id)).where(gone).limit(1)) is None:
            return 0
    with house.database.write() as session:
        result: CursorResult[Any] = session.connection().execute(delete(DeviceSession).where(gone))
        return result.rowcount
