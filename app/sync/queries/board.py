"""How each kelurahan and its kecamatan know the same: a board of an area, in so many statements whatever its size."""

import csv
from datetime import date, datetime
from io import StringIO
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select
from sqlmodel import Session, SQLModel, col

from app.areas import queries as areas
from app.areas.models import Area
from app.areas.words import Level
from app.evidence.models import Photo
from app.journal.models import LogHead
from app.kit import shelves
from app.kit.house import Work
from app.kit.settings import Settings
from app.people.actors import Actor
from app.problems.models import ProblemPhoto, ProblemRow
from app.sync import policy
from app.sync.models import Delivery, Proposal, Quarantined, Receipt, SyncContact, SyncDevice
from app.sync.schemas import BoardOut, BoardRowOut
from app.sync.words import Standing
from app.workdays.calendar import Calendar
from app.workdays.queries import remembered_calendars

_FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK: Final = "\ufeff"


class Contact(NamedTuple):
    """What the devices of one kelurahan said when they last spoke; those that were revoked do not count."""

    devices: int
    last_contact_at: datetime
    waiting: int
    waiting_since: datetime | None


def board(work: Work[Actor], area: str | None) -> BoardOut:
    """Every kelurahan of an area, by code; without one, of the caller's own."""
    session, wanted = work.session, policy.board_area(work.caller, area, work.house.settings.city)
    if not areas.remembered(session, [wanted]):
        raise areas.UnknownArea
    shown = [each for each in _kelurahan(session, wanted) if _in_force(each, work.now.date())]
    calendars = remembered_calendars(session, {each.code: each.time_zone for each in shown})
    contacts = contacts_of(session, wanted)
    delivered = _by_log(session, Delivery, wanted, func.max(col(Delivery.position)))
    acknowledged = _by_log(session, Receipt, wanted, func.max(col(Receipt.position)))
    heads = _by_log(session, LogHead, wanted, func.max(col(LogHead.position)))  # last, so nothing is beyond its head
    proposals = _by_log(session, Proposal, wanted, func.count(), col(Proposal.settlement).is_(None))
    quarantined = _by_log(session, Quarantined, wanted, func.count(), col(Quarantined.settlement).is_(None))
    missing = _missing(session, wanted)
    items = []
    for each in shown:
        contact, head = contacts.get(each.code), heads.get(each.code, 0)
        behind = head - delivered.get(each.code, 0)
        standing = _standing(contact, behind, calendars[each.code], work.now, work.house.settings)
        items.append(
            BoardRowOut(
                area=each.code,
                area_name=each.name,
                standing=standing,
                standing_label=standing.label,
                head=head,
                delivered=delivered.get(each.code, 0),
                acknowledged=acknowledged.get(each.code, 0),
                behind=behind,
                devices=contact.devices if contact else 0,
                last_contact_at=contact.last_contact_at if contact else None,
                waiting=contact.waiting if contact else 0,
                waiting_since=contact.waiting_since if contact else None,
                open_proposals=proposals.get(each.code, 0),
                quarantined=quarantined.get(each.code, 0),
                uploads_missing=missing.get(each.code, 0),
            )
        )
    return BoardOut(items=items, as_of=work.now)


def board_csv(work: Work[Actor], area: str | None) -> str:
    """The same for a spreadsheet: one line a kelurahan, under the names of the JSON's fields."""
    file = StringIO()
    file.write(_BYTE_ORDER_MARK)
    writer = csv.DictWriter(file, list(BoardRowOut.model_fields))
    writer.writeheader()
    for row in board(work, area).items:
        writer.writerow({name: _cell(value) for name, value in row.model_dump(mode="json").items()})
    return file.getvalue()


def contacts_of(session: Session, area: str | None = None) -> dict[str, Contact]:
    """The contact with each kelurahan of an area, or of all, that has a device."""
    place = col(SyncContact.area_code)
    statement = (
        select(
            place,
            func.count(),
            func.max(col(SyncContact.at)),
            func.sum(col(SyncDevice.waiting)),
            func.min(col(SyncDevice.waiting_since)),
        )
        .join(
            SyncDevice,
            and_(
                col(SyncDevice.account_id) == col(SyncContact.account_id),
                col(SyncDevice.id) == col(SyncContact.device_id),
            ),
        )
        .where(col(SyncDevice.revoked_at).is_(None))
    )
    if area is not None:
        statement = statement.where(areas.within(place, area))
    return {str(code): Contact(*said) for code, *said in session.execute(statement.group_by(place))}


def is_quiet(calendar: Calendar, last_contact_at: datetime, now: datetime, working_days: int) -> bool:
    """Whether more than so many working days have passed since."""
    return calendar.working_days_between(last_contact_at, now) > working_days


def _standing(contact: Contact | None, behind: int, calendar: Calendar, now: datetime, settings: Settings) -> Standing:
    if contact is None:
        return Standing.NEVER
    if is_quiet(calendar, contact.last_contact_at, now, settings.sync_silent_days):
        return Standing.SILENT
    if is_quiet(calendar, contact.last_contact_at, now, settings.sync_late_days):
        return Standing.LATE
    if contact.waiting:
        return Standing.UNSENT
    return Standing.BEHIND if behind else Standing.IN_SYNC


def _kelurahan(session: Session, above: str) -> list[Area]:
    """The kelurahan of an area, or itself where it is one, in the order of their codes; as remembered."""

    def load(_missing: Any) -> dict[str, list[Area]]:
        statement = select(Area).where(areas.within(col(Area.code), above), col(Area.level) == Level.VILLAGE)
        found = {each.code: each for each in session.scalars(statement.order_by(col(Area.code)))}
        return {above: list(shelves.apart(session, found).values())}

    return shelves.remembered(session, "kelurahan below", [above], load)[above]


def _in_force(area: Area, today: date) -> bool:
    return area.valid_to is None or area.valid_to >= today


def _by_log(
    session: Session, table: type[SQLModel], area: str, number: Any, *conditions: ColumnElement[bool]
) -> dict[str, int]:
    """A number for each log of an area: one range of the table's index that begins with the log."""
    log = col(table.log)  # type: ignore[attr-defined]  # each of these tables has one
    return _counted(session, select(log, number).where(areas.within(log, area), *conditions).group_by(log))


def _missing(session: Session, area: str) -> dict[str, int]:
    """Photos that are still awaited; they are few, and found by what they lack."""
    place = col(ProblemRow.area_code)
    statement = (
        select(place, func.count())
        .select_from(Photo)
        .join(ProblemPhoto, col(ProblemPhoto.photo_id) == col(Photo.id))
        .join(ProblemRow, col(ProblemRow.id) == col(ProblemPhoto.problem_id))
        .where(col(Photo.stored_name).is_(None), areas.within(place, area))
        .group_by(place)
    )
    return _counted(session, statement)


def _counted(session: Session, statement: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in session.execute(statement)}


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_BEGINS) else value
