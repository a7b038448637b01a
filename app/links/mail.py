"""Mail with links, sent outside any transaction: by an SMTP server, or into a folder where none is set."""

import ipaddress
import os
import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from sqlalchemy import select, update
from sqlmodel import Session, col

from app.agencies.queries import remembered_categories
from app.areas.queries import remembered as remembered_areas
from app.kit.columns import columns_of, table_of
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
ATTEMPTS_MAXIMUM = 10
_FIRST_DELAY, _LONGEST_DELAY = timedelta(minutes=5), timedelta(days=1)
_CLAIMED_FOR = timedelta(minutes=15)
"""A mail that was claimed and not settled, because the process died, is tried again after this."""
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
        _settle(self.place)

    def put(self, message: EmailMessage) -> None:
        """The same mail again takes the place of the former."""
        name = message["Message-ID"].strip("<>").partition("@")[0]
        draft = self.place / f"{name}.draft"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # it opens a door
            file.write(message.as_bytes(policy=SMTP))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.place / f"{name}.eml")


def _settle(folder: Path) -> None:
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
    """A mail that is due, as it is to be sent; without a message where it is needed no longer."""

    link_id: UUID
    attempts: int
    """Made before."""
    message: EmailMessage | None


def send_mail(house: House) -> int:
    """Sends what is due, some at a time; answers how many mails have gone.

    One that fails is tried again after 5 minutes, then after twice as long each time, a day at most, ten times in all.
    """
    now = house.clock()
    with house.database.read() as session:
        if not session.scalars(_due(now).limit(1)).all():
            return 0
    with house.database.write() as session:
        claimed = _claim(session, now)
    with house.database.read() as session:
        letters = _letters(house, session, claimed, now)
    outcomes = _deliver(house, letters)
    settled = [_settled(letter, outcomes[letter.link_id], now) for letter in letters]
    if settled:
        with house.database.write() as session:
            update_rows(session, AssignmentLink, settled)
    return sum(each["mail_sent_at"] is not None for each in settled)


def _due(now: datetime) -> Any:
    return (
        select(col(AssignmentLink.id))
        .where(col(AssignmentLink.mail_at) <= now)
        .order_by(col(AssignmentLink.mail_at), col(AssignmentLink.id))
    )


def _claim(session: Session, now: datetime) -> Sequence[UUID]:
    """Those due that no other process has, kept from others for a while."""
    ids = session.scalars(_due(now).limit(BATCH_MAXIMUM).with_for_update(skip_locked=True)).all()
    if ids:
        columns = columns_of(AssignmentLink)
        claiming = update(table_of(AssignmentLink)).where(columns.id.in_(ids)).values(mail_at=now + _CLAIMED_FOR)
        session.connection().execute(claiming)
    return ids


def _letters(house: House, session: Session, ids: Sequence[UUID], now: datetime) -> list[Letter]:
    links = session.scalars(select(AssignmentLink).where(col(AssignmentLink.id).in_(ids))).all()
    problems = load(session, {each.problem_id for each in links}, now)
    areas = remembered_areas(session, {each.area_code for each in problems.values()})
    categories = remembered_categories(session, {each.category_code for each in problems.values()})
    letters = []
    for link in links:
        problem = problems[link.problem_id]
        part = problem.assignment(link.assignment_id)
        message = None
        if part is not None and part.is_open and link.state_at(now) is LinkState.ACTIVE:
            area = areas[problem.area_code]
            label = categories[problem.category_code].label
            message = write(house, link, problem, part, label, area.name, ZoneInfo(area.time_zone), now)
        letters.append(Letter(link.id, link.mail_attempts, message))
    return letters


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


def _deliver(house: House, letters: Sequence[Letter]) -> dict[UUID, str]:
    """`sent`, `later` or `never` for each; when the way breaks, what was not sent yet goes later."""
    outcomes = {each.link_id: "later" if each.message is not None else "never" for each in letters}
    post: Post = house.parts["post"]
    if "later" not in outcomes.values():
        return outcomes
    try:
        with post.open() as mailbox:
            for each in letters:
                if each.message is not None:
                    outcomes[each.link_id] = _put(mailbox, each.link_id, each.message)
    except (OSError, smtplib.SMTPException) as error:
        _log.warning("mail server", error=type(error).__name__)  # what it says may name the address
    return outcomes


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


def _settled(letter: Letter, outcome: str, now: datetime) -> dict[str, Any]:
    """The link's row as it is from now on."""
    attempts = letter.attempts + (letter.message is not None)
    is_over = outcome != "later" or attempts >= ATTEMPTS_MAXIMUM
    if outcome == "later" and is_over:
        _log.error("mail given up", link=str(letter.link_id))
    return {
        "id": letter.link_id,
        "mail_attempts": attempts,
        "mail_at": None if is_over else now + min(_FIRST_DELAY * 2 ** (attempts - 1), _LONGEST_DELAY),
        "mail_sent_at": now if outcome == "sent" else None,
    }
