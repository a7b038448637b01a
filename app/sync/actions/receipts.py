"""Taking note: the fourth tick, by a person at the kecamatan."""

from typing import Any

from sqlalchemy import select
from sqlmodel import col

from app.kit.columns import table_of
from app.kit.database import resolving_insert, write_rows
from app.kit.house import Work
from app.kit.refusals import Conflict
from app.people.actors import Actor
from app.sync import policy
from app.sync.models import Delivery, Receipt
from app.sync.schemas import ReceiptOut, ReceiptsIn, TakenNoteOut


class ReceiptAhead(Conflict):
    code = "receipt_ahead"
    title, judul = "This has not been delivered to your post yet", "Belum sampai ke jabatan Anda"


def acknowledge(work: Work[Actor], said: ReceiptsIn) -> TakenNoteOut:
    """Moves receipts forward, all of them or none; answers them as they stand, by log."""
    session, logs = work.session, sorted(said.receipts)
    policy.take_note(work.caller, logs)
    delivered: dict[str, int] = dict(
        session.execute(
            select(col(Delivery.log), col(Delivery.position)).where(
                col(Delivery.log).in_(logs), col(Delivery.post_id) == work.caller.post_id
            )
        ).all()
    )
    if any(log not in delivered or said.receipts[log] > delivered[log] for log in logs):
        raise ReceiptAhead(delivered=delivered)
    write_rows(session, _forward(resolving_insert(session, Receipt)), [_row(work, log, said) for log in logs])
    kept = session.scalars(select(Receipt).where(col(Receipt.log).in_(logs)).order_by(col(Receipt.log)))
    return TakenNoteOut(items=[ReceiptOut.model_validate(each) for each in kept])


def _row(work: Work[Actor], log: str, said: ReceiptsIn) -> dict[str, Any]:
    caller = work.caller
    return {
        "log": log,
        "position": said.receipts[log],
        "at": work.now,
        "account_id": caller.account_id,
        "post": caller.view,
    }


def _forward(insert: Any) -> Any:
    told = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["log"],
        set_={name: told[name] for name in ("position", "at", "account_id", "post")},
        where=table_of(Receipt).c.position < told.position,
    )
