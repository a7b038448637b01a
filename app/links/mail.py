"""Mail with links, sent outside any transaction: by an SMTP server, or into a folder where none is set."""

import ipaddress
import os
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlmodel import Session, col

from app.agencies.queries import remembered_categories
from app.areas.queries import remembered as remembered_areas
from app.kit.database import update_rows
from app.kit.house import House
from app.kit.settings import Settings
from app.links.models import AssignmentLink
from app.links.tokens import address_of
from app.links.words import LinkState, day_in
from app.problems.lifecycle.record import Assignment, Problem
from app.problems.queries.aggregate import load

BATCH_MAXIMUM = 20
"""Mails of one round."""
ROUND_LASTS_SECONDS = 60.0
"""After so long a round begins no other mail: what else is due by itself waits for it."""
ATTEMPTS_MAXIMUM = 10
_FIRST_DELAY, _LONGEST_DELAY = timedelta(minutes=5), timedelta(days=1)
_CLAIMED_FOR = timedelta(minutes=15)
"""A mail that was claimed and not settled, because the process died, is tried again after this at the earliest."""
_TIMEOUT_SECONDS = 10.0
"""Of each word with the mail server."""
_REFUSED_FOR_GOOD = 500
_log = structlog.get_logger("ujung.mail")


class Unsendable(Exception):
    """The server takes no mail for this address, and trying again would not help."""


class Mailbox(Protocol):
    """What takes one mail after the other; raises `Unsendable`, `OSError` or `smtplib.SMTPException`."""

    def put(self, message: EmailMessage) -> None: ...


class Post:
    """The way on which mails leave the house."""

    @contextmanager
    def open(self) -> Iterator[Mailbox]:
        """A way that is open for this block."""
        raise NotImplementedError


@dataclass(frozen=True)
class Folder(Post):
    """Mails as files, for whoever develops, or passes them on by other means."""

    place: Path

    @contextmanager
    def open(self) -> Iterator[Mailbox]:
        self.place.mkdir(parents=True, exist_ok=True)
        yield self

    def put(self, message: EmailMessage) -> None:
        """The same mail again takes the place of the former."""
        name = message["Message-ID"].strip("<>").partition("@")[0]
        draft = self.place / f"{name}.draft"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # it opens a door
            file.write(message.as_bytes(policy=SMTP))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.place / f"{name}.eml")
        _make_last(self.place)


def _make_last(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@dataclass(frozen=True)
class Server(Post):
    """A mail server."""

    host: str
    port: int
    is_wrapped: bool
    """TLS from the first byte; else STARTTLS, which only a server on this machine may do without."""
    user: str | None
    password: str | None
    own_name: str

    @contextmanager
    def open(self) -> Iterator[Mailbox]:
        context = ssl.create_default_context()
        options: dict[str, Any] = {"local_hostname": self.own_name, "timeout": _TIMEOUT_SECONDS}
        with (
            smtplib.SMTP_SSL(self.host, self.port, context=context, **options)
            if self.is_wrapped
            else smtplib.SMTP(self.host, self.port, **options)
        ) as speaking:
            speaking.ehlo()
            if not self.is_wrapped and (speaking.has_extn("starttls") or not _is_here(self.host)):
                speaking.starttls(context=context)
                speaking.ehlo()
            if self.user is not None:
                speaking.login(self.user, self.password or "")
            yield _Session(speaking)


@dataclass(frozen=True)
class _Session:
    speaking: smtplib.SMTP

    def put(self, message: EmailMessage) -> None:
        try:
            self.speaking.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            if all(status >= _REFUSED_FOR_GOOD for status, _ in error.recipients.values()):
                raise Unsendable from error
            raise


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_post(settings: Settings) -> Post:
    """The post that the settings name: `smtp://…`, `smtps://…`, or the folder `data_dir/mail`."""
    if settings.mail_url is None:
        return Folder(settings.data_dir / "mail")
    try:
        address = urlsplit(settings.mail_url.get_secret_value())
        host, port = address.hostname, address.port
    except ValueError:
        host = None
    if host is None or address.scheme not in ("smtp", "smtps"):
        raise ValueError("mail_url: smtp://user:password@host:port, or smtps://…")
    is_wrapped = address.scheme == "smtps"
    return Server(
        host=host,
        port=port or (465 if is_wrapped else 587),
        is_wrapped=is_wrapped,
        user=unquote(address.username) if address.username else None,
        password=unquote(address.password) if address.password else None,
        own_name=_own_name(settings),
    )


def _own_name(settings: Settings) -> str:
    """How we name ourselves to a mail server, and in ids of mails: as in the links."""
    name = urlsplit(settings.public_url).hostname or "localhost"
    try:
        return f"[{ipaddress.ip_address(name)}]"
    except ValueError:
        return name


# -- the round -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    """A mail that was claimed, as it is to be sent; without a message where it is needed no longer."""

    link_id: UUID
    attempts: int
    """Made before this one."""
    message: EmailMessage | None


def send_mail(house: House, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Sends what is due, one after the other and some at a time; answers how many mails have gone.

    One that fails is tried again after 5 minutes, then after twice as long each time, a day at most, ten times in all.
    A try counts when it begins: one that goes and cannot be settled goes ten times at most, and ever more rarely.
    No other mail is begun when the round has lasted long enough, when it is to stop, or when the way is broken.
    """
    post: Post = house.parts["post"]
    sent, ends_at = 0, time.monotonic() + ROUND_LASTS_SECONDS
    mailbox: Mailbox | None = None
    with suppress(OSError, smtplib.SMTPException), ExitStack() as way:  # it may close badly: what has gone is settled
        for _ in range(BATCH_MAXIMUM):
            if is_stopping() or time.monotonic() >= ends_at:
                break
            letter = _next(house)
            if letter is None:
                break
            if letter.message is None:
                _settle(house, letter, "never")
                continue
            try:
                if mailbox is None:
                    mailbox = way.enter_context(post.open())
                outcome = _put(mailbox, letter.link_id, letter.message)
            except (OSError, smtplib.SMTPException) as error:
                _log.warning("mail server", error=type(error).__name__)  # what it says may name the address
                _settle(house, letter, "later")
                break
            _settle(house, letter, outcome)
            sent += outcome == "sent"
    return sent


def _next(house: House) -> Letter | None:
    """Claims the mail that has been due longest, and writes it."""
    now = house.clock()
    with house.database.read() as session:
        if session.scalar(_due(now)) is None:
            return None
    with house.database.write() as session:
        link = _claim(session, now)
    if link is None:
        return None
    with house.database.read() as session:
        return _letter(house, session, link, now)


def _due(now: datetime) -> Any:
    return (
        select(AssignmentLink)
        .where(col(AssignmentLink.mail_at) <= now)
        .order_by(col(AssignmentLink.mail_at), col(AssignmentLink.id))
        .limit(1)
    )


def _claim(session: Session, now: datetime) -> AssignmentLink | None:
    """The first of those due that no other process has, as it was before: kept from others, and the try counted."""
    link: AssignmentLink | None = session.scalar(_due(now).with_for_update(skip_locked=True))
    if link is not None:
        attempts = min(link.mail_attempts + 1, ATTEMPTS_MAXIMUM)
        kept_for = max(_CLAIMED_FOR, _delay(attempts))
        update_rows(session, AssignmentLink, [{"id": link.id, "mail_attempts": attempts, "mail_at": now + kept_for}])
    return link


def _letter(house: House, session: Session, link: AssignmentLink, now: datetime) -> Letter:
    problem = load(session, {link.problem_id}, now)[link.problem_id]
    part = problem.assignment(link.assignment_id)
    is_needed = part is not None and part.is_open and link.state_at(now) is LinkState.ACTIVE
    if part is None or not is_needed or link.mail_attempts >= ATTEMPTS_MAXIMUM:
        return Letter(link.id, link.mail_attempts, None)
    area = remembered_areas(session, {problem.area_code})[problem.area_code]
    label = remembered_categories(session, {problem.category_code})[problem.category_code].label
    message = write(house, link, problem, part, label, area.name, ZoneInfo(area.time_zone), now)
    return Letter(link.id, link.mail_attempts, message)


def write(
    house: House,
    link: AssignmentLink,
    problem: Problem,
    part: Assignment,
    category: str,
    area: str,
    zone: ZoneInfo,
    now: datetime,
) -> EmailMessage:
    """The mail: what kind of problem lies where, and the link. Nothing that people wrote, so no name of anybody."""
    message = EmailMessage()
    message["Subject"] = f"Disposisi {problem.number}: {category}, {area}"
    message["From"] = house.settings.mail_from
    message["To"] = link.mail_to
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{link.id}@{_own_name(house.settings)}>"
    message["Auto-Submitted"] = "auto-generated"
    due = f"Tenggat: {day_in(zone, part.due_at)}\n" if part.due_at else ""
    message.set_content(
        f"Yth. {link.agency_code},\n\n"
        "sebuah masalah didisposisikan kepada instansi Anda.\n\n"
        f"Nomor: {problem.number}\nKategori: {category}\nKelurahan/desa: {area}\n{due}\n"
        "Buka tautan ini untuk melihat, menerima, melaporkan kemajuan, menyelesaikan atau menolaknya. "
        "Tidak perlu akun:\n\n"
        f"{address_of(house, link.id, link.expires_at)}\n\n"
        f"Tautan berlaku sampai {day_in(zone, link.expires_at)} dan hanya untuk disposisi ini. Siapa pun yang "
        "memegangnya bertindak atas nama instansi Anda: teruskan hanya kepada petugas yang menangani.\n",
        cte="quoted-printable",
    )
    return message


def _put(mailbox: Mailbox, link_id: UUID, message: EmailMessage) -> str:
    """What became of one mail; a connection that is lost is raised, for the others fail with it."""
    try:
        mailbox.put(message)
    except Unsendable:
        _log.warning("mail address refused", link=str(link_id))
        return "never"
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException as error:
        _log.warning("mail refused", link=str(link_id), error=type(error).__name__)
        return "later"
    _log.info("mail sent", link=str(link_id))
    return "sent"


def _settle(house: House, letter: Letter, outcome: str) -> None:
    """Writes what came of it: `sent`, `later` or `never`."""
    now = house.clock()
    attempts = letter.attempts + (letter.message is not None)
    is_over = outcome != "later" or attempts >= ATTEMPTS_MAXIMUM
    row = {
        "id": letter.link_id,
        "mail_attempts": attempts,
        "mail_at": None if is_over else now + _delay(attempts),
        "mail_sent_at": now if outcome == "sent" else None,
    }
    with house.database.write() as session:
        update_rows(session, AssignmentLink, [row])
    if outcome != "sent" and attempts >= ATTEMPTS_MAXIMUM:
        _log.error("mail given up", link=str(letter.link_id))


def _delay(attempts: int) -> timedelta:
    """How long it rests after so many tries."""
    delay: timedelta = _FIRST_DELAY * 2 ** (attempts - 1)
    return min(delay, _LONGEST_DELAY)
