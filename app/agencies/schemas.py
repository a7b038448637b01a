"""Wire shapes of agencies, categories and responsibility rules."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from app.agencies.words import (
    AgencyCode,
    AgencyKind,
    AgencyName,
    CategoryClass,
    CategoryCode,
    CategoryLabel,
    OfficeEmail,
)
from app.areas.words import AreaCode
from app.kit.words import In, Out


class AgencyOut(Out):
    """A body that solves problems."""

    code: str
    name: str
    kind: AgencyKind
    kind_label: str
    city: str = Field(description="Code of the city it serves.")
    has_accounts: bool = Field(description="False: whoever assigned moves its work on its behalf, `by_hand`.")
    active: bool
    email: str | None = Field(description="The office's address; without accounts, links to its work are sent there.")


class AgencyIn(In):
    """A new agency."""

    code: AgencyCode
    name: AgencyName
    kind: AgencyKind
    city: AreaCode | None = Field(default=None, description="The city it serves; without one, this installation's.")
    has_accounts: bool = True
    email: OfficeEmail | None = None


class AgencyRow(In):
    """A row of a list of agencies; what it leaves out is made up from the name."""

    name: AgencyName
    code: AgencyCode | None = None
    kind: AgencyKind | None = None
    has_accounts: bool = True
    email: OfficeEmail | None = None


class AgencyChange(In):
    """What is to be changed of an agency; what is left out stays, `email: null` clears."""

    name: AgencyName | None = None
    kind: AgencyKind | None = None
    has_accounts: bool | None = None
    active: bool | None = Field(default=None, description="False: no new work is assigned to it.")
    email: OfficeEmail | None = None


class CategoryOut(Out):
    """A kind of problem."""

    code: str
    label: str
    class_: CategoryClass = Field(serialization_alias="class")
    class_label: str
    proof_required: bool = Field(description="Whether finishing needs a photo.")
    parent_code: str | None
    active: bool


class CategoryIn(In):
    """A new category."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    code: CategoryCode
    label: CategoryLabel
    class_: CategoryClass = Field(alias="class")
    proof_required: bool = True
    parent_code: CategoryCode | None = None


class CategoryChange(In):
    """What is to be changed of a category; what is left out stays, `parent_code: null` makes it a root."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    label: CategoryLabel | None = None
    class_: CategoryClass | None = Field(default=None, alias="class")
    proof_required: bool | None = None
    parent_code: CategoryCode | None = None
    active: bool | None = Field(default=None, description="False: it is not offered for new problems.")


class ResponsibilityOut(Out):
    """Who solves a category in an area."""

    category: str
    area: str
    agency: str
    learned_from: UUID | None = Field(description="The problem whose decided authority taught this rule.")
    created_at: datetime


class ResponsibilityIn(In):
    """Whose it is."""

    agency: AgencyCode


class ResponsibilityRemoved(Out):
    """A rule that no longer counts."""

    category: str
    area: str
    agency: str
