"""Tables of agencies, categories, and who is responsible."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.agencies.words import AgencyKind, CategoryClass
from app.kit.columns import Code, EnumText, Moment


class Agency(SQLModel, table=True):
    """A body that solves problems."""

    __tablename__ = "agency"

    code: str = Field(primary_key=True, sa_type=Code(20))
    name: str = Field(max_length=160)
    kind: AgencyKind = Field(sa_type=EnumText(AgencyKind))
    city_code: str = Field(foreign_key="area.code", sa_type=Code(13), index=True)
    """The city it serves."""
    has_accounts: bool = True
    """Whether its people log in here; without accounts, whoever assigned moves its work on its behalf, by hand."""
    active: bool = True
    """Only an active agency is given new work."""
    email: str | None = Field(default=None, max_length=254)
    """The office's address, to which links to its assignments are sent; None where none are."""


class Category(SQLModel, table=True):
    """A kind of problem, in a tree."""

    __tablename__ = "category"

    code: str = Field(primary_key=True, sa_type=Code(64))
    label: str = Field(max_length=120)
    parent_code: str | None = Field(default=None, foreign_key="category.code", sa_type=Code(64), index=True)
    class_: CategoryClass = Field(sa_column=Column("class", EnumText(CategoryClass), nullable=False))
    proof_required: bool = True
    """Whether finishing a problem of this category needs a photo."""
    active: bool = True
    """Only an active category is chosen for new problems."""


class Responsibility(SQLModel, table=True):
    """Who solves a category in an area; the rule nearest to the problem counts."""

    __tablename__ = "responsibility"
    __table_args__ = (
        UniqueConstraint("category_code", "area_code"),
        Index("ix_responsibility_agency", "agency_code", "category_code", "area_code"),
    )

    id: UUID = Field(primary_key=True)
    category_code: str = Field(foreign_key="category.code", sa_type=Code(64))
    area_code: str = Field(foreign_key="area.code", sa_type=Code(13))
    agency_code: str = Field(foreign_key="agency.code", sa_type=Code(20))
    learned_from: UUID | None = None
    """The problem whose decided authority taught this rule; None where an admin or the seed wrote it."""
    created_at: datetime = Field(sa_type=Moment)
