"""Tables of registers: each run of an import, and each row that was taken."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.kit.columns import Code, Document, Moment


class ImportRun(SQLModel, table=True):
    """One import of one file. Interrupted, it is continued under the same number."""

    __tablename__ = "import_run"

    number: int | None = Field(default=None, primary_key=True)
    register_name: str = Field(sa_type=Code(64), index=True)
    file_name: str = Field(max_length=255)
    file_hash: str = Field(max_length=64)
    """SHA-256 of the file, in hexadecimal."""
    mapping_hash: str = Field(max_length=64)
    on_behalf_of: str = Field(max_length=40)
    """The post that stands behind it, such as `monitor:35.78`."""
    started_at: datetime = Field(sa_type=Moment)
    finished_at: datetime | None = Field(default=None, sa_type=Moment)
    counts: dict[str, Any] = Field(sa_type=Document)
    """What was counted when it finished; empty until then."""


class TakenRow(SQLModel, table=True):
    """A row of a register that became a problem; kept, so that no row is ever taken twice."""

    __tablename__ = "taken_row"

    register_name: str = Field(primary_key=True, sa_type=Code(64))
    row_id: str = Field(primary_key=True, sa_type=Code(100))
    problem_id: UUID = Field(foreign_key="problem.id", unique=True)
    run: int = Field(foreign_key="import_run.number", index=True)
    fingerprint: str = Field(max_length=64)
    """SHA-256 of the cells it was made from: a later file may hold them otherwise."""
