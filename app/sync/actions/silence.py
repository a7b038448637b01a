"""Noticing that a kelurahan has not been heard of for too long, and that it is heard again."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlmodel import Session, col

from app.areas.queries import remembered as remembered_areas
from app.areas.words import Level, level_of
from app.journal.actions import Draft, lock
from app.journal.models import Entry
from app.kit.database import insert_rows
from app.kit.house import House, Work
from app.problems.queries.details import author_of
from app.sync.facts import fact, subject_of
from app.sync.models import Silence
from app.sync.queries.board import Contact, contacts_of, is_quiet
from app.workdays.queries import remembered_calendars

LOGS_AT_ONCE: Final = 200
"""Kelurahan whose logs one transaction locks."""


def note_silence(house: House) -> int:
    """Notes who fell silent and who is heard again, in their logs; answers how many. For the worker's rounds.

    A kelurahan no device of which ever spoke has nothing to fall silent from; neither has one whose devices were all
    revoked: it stays as it was noted until another speaks.
    """
    with house.database.read() as session:
        turned = sorted(_turned(session, house, house.clock()))
    noted = 0
    for start in range(0, len(turned), LOGS_AT_ONCE):
        logs = turned[start : start + LOGS_AT_ONCE]
        noted += house.database.perform(partial(_note, house, logs))
    return noted


def _turned(session: Session, house: House, now: datetime) -> dict[str, tuple[str, Contact]]:
    """The kelurahan that are silent and not noted as such, or noted and no longer silent, with the fact to be noted."""
    contacts = {log: said for log, said in contacts_of(session).items() if level_of(log) is Level.VILLAGE}
    noted = set(session.scalars(select(col(Silence.log))))
    areas = remembered_areas(session, contacts)
    calendars = remembered_calendars(session, {code: area.time_zone for code, area in areas.items()})
    allowed = house.settings.sync_silent_days
    turned = {}
    for log, contact in contacts.items():
        is_silent = is_quiet(calendars[log], contact.last_contact_at, now, allowed)
        if is_silent != (log in noted):
            turned[log] = ("fell_silent" if is_silent else "heard_again", contact)
    return turned


def _note(house: House, logs: Sequence[str], session: Session) -> int:
    """Looks again under the locks of these logs, and notes what is still so."""
    work: Work[Any] = Work(session, None, house.clock(), house)
    heads = lock(session, logs)
    turned = {log: each for log, each in _turned(session, house, work.now).items() if log in heads}
    draft, author, versions = Draft(work, heads), author_of(None), _versions(session, turned)
    for log, (kind, contact) in sorted(turned.items()):
        said = fact(kind, last_contact_at=contact.last_contact_at.isoformat(), waiting=contact.waiting)
        draft.add(log, subject_of(log), versions[log] + 1, author, said)
    draft.write()
    fell = [log for log, (kind, _) in turned.items() if kind == "fell_silent"]
    if fell:
        insert_rows(session, Silence, [{"log": log, "at": work.now} for log in fell])
    session.connection().execute(delete(Silence).where(col(Silence.log).in_(turned.keys() - set(fell))))
    return len(turned)


def _versions(session: Session, logs: Any) -> dict[str, int]:
    """How many facts there are about each of these kelurahan."""
    subjects = {subject_of(log): log for log in logs}
    statement = select(col(Entry.subject), func.max(col(Entry.version))).where(col(Entry.subject).in_(subjects))
    known = {subjects[subject]: version for subject, version in session.execute(statement.group_by(col(Entry.subject)))}
    return {log: known.get(log, 0) for log in logs}
